#include "track/trail_map.h"

#include "base/time.h"
#include "track/pack.h"

#include <stdlib.h>
#include <string.h>

/* Where most leave the trail, or go where nobody went, only one in a few is tried. */
enum { TRIED = 64, LEFT_TO_FOLLOWED = 4, TRY_EACH = 16 };
enum { ENDS = 1 << 7 }; /* a mark: from here on no trail leads */

struct trails *trails_new(struct la_pool *pool) {
    struct trails *trails = calloc(1, sizeof *trails); /* of places hardly any page is touched */
    if (!trails)
        return NULL;
    trails->pool = pool;
    trails->hash_key = la_hash_key_random();
    trails->count = 1;
    return trails;
}

void trails_free(struct trails *trails) {
    if (!trails)
        return;
    stories_free(trails);
    free(trails);
}

size_t trails_bytes(const struct trails *trails) {
    return sizeof *trails + stories_bytes(trails);
}

/* Forms */

static bool is_same(const uint64_t a[FORM_WORDS], const uint64_t b[FORM_WORDS]) {
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])) == 0;
}

/* All bits when it has timestamps, else none. */
static inline uint32_t stamped(const struct la_segment *s) {
    return -(uint32_t)((s->options & LA_HAS_TIMESTAMPS) != 0);
}

/* But for its SYN, which its form tells. */
static inline unsigned carries(const struct la_segment *s, bool lags) {
    return (s->payload > 0 ? CARRIES_PAYLOAD : 0) | (lags ? CARRIES_LAG : 0);
}

static inline void form_of(const struct la_segment *s, unsigned role, bool lags,
                           uint64_t form[FORM_WORDS]) {
    form_read(s, form);
    form[2] = (uint32_t)(s->wire_bytes - s->payload) | (uint64_t)role << FORM_ROLE_SHIFT |
              (uint64_t)carries(s, lags) << FORM_CARRIES_SHIFT;
}

/* `last` is its sender's last window. */
static struct manner manner_of(const struct la_segment *s, unsigned role, bool lags, unsigned acks,
                               uint16_t last) {
    bool as_last = s->window == last;
    return (struct manner){
        .role = (uint8_t)role,
        .carries = (uint8_t)(carries(s, lags) | (s->flags & LA_SYN ? CARRIES_SYN : 0)),
        .acks = (uint8_t)acks,
        .consumes = (uint8_t)(((s->flags & LA_SYN) != 0) + ((s->flags & LA_FIN) != 0)),
        .stamped = stamped(s),
        .window = as_last ? 0 : s->window,
        .as_last = as_last ? UINT16_MAX : 0,
    };
}

/* The segment of a step that a walk has just come to, but for its addresses and ports. */
static void segment_at(const struct walk *walk, const struct place *place, struct la_segment *s) {
    memset(s, 0, sizeof *s);
    form_write(place->form, s);
    s->time_ns = walk->time_ns;
    s->frame = walk->frame;
    s->wire_bytes = (uint32_t)place->form[2] + walk->step.payload;
    s->payload = walk->step.payload;
    s->window = (uint16_t)walk->step.window;
    s->ip_id = (uint16_t)walk->step.ip_id;
    s->seq = walk->seq;
    s->ack = walk->ack;
    s->tsval = walk->tsval;
    s->tsecr = walk->tsecr;
}

/* Taking in */

static enum la_class take(const struct trails *trails, struct live *live, unsigned side,
                          const struct la_segment *s) {
    struct intake intake = {.pool = trails->pool,
                            .segment = s,
                            .side = side,
                            .fingerprint = live_fingerprint(s),
                            .verdict = live_classify(live, side, s),
                            .newest = true};
    live->tunnels = s->tunnels & (uint32_t)LIVE_TUNNELS;
    live->vlan = s->vlans[0] & (uint32_t)LIVE_VLAN;
    live_take_in(live, &intake);
    return intake.verdict.class;
}

/* Takes all of it in, into a record that has taken in nothing yet. */
static void retrace(const struct trails *trails, const struct trail *trail, const uint8_t *steps,
                    struct live *live) {
    uint16_t way[TRAIL_STEPS];
    unsigned depth = trail_way(trails, trail->place, way);
    struct walk walk;
    walk_from(&walk, trail, steps, live->first_ns);
    for (unsigned i = 0; i < depth; i++) {
        const struct place *place = &trails->places[way[i]];
        struct la_segment s;
        walk_on(&walk, &place->manner);
        segment_at(&walk, place, &s);
        take(trails, live, place->manner.role ^ trail->client, &s);
    }
}

/* A record that has taken in nothing yet, with the head of another. */
static struct live headed(const struct live *live) {
    struct live fresh = *live;
    memset(fresh.side, 0, sizeof fresh.side);
    fresh.log = (struct la_log){0};
    fresh.flags &= (uint8_t)~LIVE_ON_TRAIL;
    return fresh;
}

static inline struct trail trail_of(const struct live *live) {
    const struct on_trail *on = &live->on_trail;
    return (struct trail){.place = on->place & (PLACES_MOST - 1),
                          .client = on->client & 1u,
                          .lives = live->incarnation,
                          .isn = {on->isn[0], on->isn[1]},
                          .tsval = {on->tsval[0], on->tsval[1]}};
}

static struct place *syn_of(struct trails *trails, const struct on_trail *on) {
    return &trails->places[trails->places[on->place].syn];
}

void trail_leave(struct trails *trails, struct live *live) {
    const struct trail trail = trail_of(live);
    struct la_log steps = live->log;
    syn_of(trails, &live->on_trail)->left++;
    *live = headed(live);
    retrace(trails, &trail, steps.bytes, live);
    la_log_release(&steps, trails->pool);
}

/* Learning */

/* Which segments a trail consists of, after its SYN. What has SACK blocks has numbers that no step
 * keeps. */
static bool is_ordinary(enum la_class class, const struct la_segment *s) {
    return (class == LA_CLASS_SYN_ACK || class == LA_CLASS_HANDSHAKE_ACK ||
            class == LA_CLASS_DATA || class == LA_CLASS_ACK || class == LA_CLASS_FIN ||
            class == LA_CLASS_ACK_OF_FIN) &&
           (s->flags & LA_ACK) && s->sack_count == 0;
}

static bool is_opening(enum la_class class, const struct la_segment *s) {
    return class == LA_CLASS_SYN && s->sack_count == 0 && s->vlans[1] == 0;
}

/* By the way that those before it came. */
static bool is_of_same_way(const struct live *live, const struct la_segment *s) {
    return s->input == live->first_input && s->tunnels == live->tunnels &&
           s->vlans[0] == live->vlan && s->vlans[1] == 0;
}

/* The first step of a side up to its end `number`; TRAIL_STEPS: none. */
static unsigned step_to(const struct trails *trails, const struct on_trail *on, unsigned role,
                        uint32_t number) {
    unsigned first = TRAIL_STEPS;
    const struct place *place = &trails->places[on->place];
    for (; place->depth > 0; place = &trails->places[place->before])
        if (place->manner.role == role && on->used[place->depth - 1] == number)
            first = place->depth - 1u;
    return first;
}

/* The step whose turnaround the last one of a record has ended, from 1; 0: none did, more than
 * TRAIL_STEPS: it is not to be found. `was` is its traffic before. The FIN behind the payload is
 * not timed. */
static unsigned timed_step(const struct trails *trails, const struct on_trail *on,
                           const struct flow *was, const struct live *now, unsigned side) {
    if (!was || now->flow->side[side].sample_seen == was->side[side].sample_seen)
        return 0;
    unsigned asker = !side ^ on->client;
    uint32_t end = was->side[!side].timed_end;
    const struct place *place = &trails->places[on->place];
    for (; place->depth > 0; place = &trails->places[place->before])
        if (place->manner.role == asker && (place->manner.carries & CARRIES_PAYLOAD) &&
            on->used[place->depth - 1] - place->manner.consumes == end)
            return place->depth;
    return TRAIL_STEPS + 1;
}

/* What the segment does to the record, which is on a trail up to the step before. */
static void learn_step(const struct trails *trails, const struct live *live,
                       const struct la_segment *s, struct place *place) {
    const struct on_trail *on = &live->on_trail;
    struct live trial = headed(live);
    const struct trail trail = trail_of(live);
    retrace(trails, &trail, live->log.bytes, &trial);
    unsigned side = place->manner.role ^ on->client;
    const struct flow was = trial.flow ? *trial.flow : (struct flow){.extra = NULL};
    bool had_flow = trial.flow != NULL;
    unsigned logged = trial.log.count;
    bool strays = place->depth > 1 && !is_of_same_way(&trial, s);
    enum la_class class = take(trails, &trial, side, s);
    const struct live_side *me = &trial.side[side];
    const struct live_side *client = &trial.side[on->client];
    const struct live_side *server = &trial.side[!on->client];
    bool fits = place->depth == 1 ? is_opening(class, s) : is_ordinary(class, s);
    bool goes_beyond = (me->flags & SIDE_FIN) && me->next != me->fin_end;
    unsigned timed = timed_step(trails, on, had_flow ? &was : NULL, &trial, side);
    place->timed = (uint8_t)timed;
    place->is_logged = trial.log.count > logged;
    if (!fits || strays || goes_beyond || timed > TRAIL_STEPS || live_extra(&trial))
        place->marks = ENDS;
    else if (live_is_packable(&trial))
        place->marks = TRAIL_CLOSED;
    if (live_is_over(&trial))
        place->marks |= TRAIL_OVER;
    if (class == LA_CLASS_FIN && place->manner.role == LA_CLIENT &&
        (client->flags & SIDE_SYN_SENT) && (server->flags & SIDE_FIN) && place->manner.stamped)
        place->marks |= TRAIL_STAMPED;
    live_release(&trial, trails->pool);
}

static uint16_t *bucket_for(struct trails *trails, uint16_t before, unsigned acks,
                            const uint64_t form[FORM_WORDS]) {
    const uint64_t words[FORM_WORDS + 1] = {form[0], form[1], form[2],
                                            before | (uint64_t)acks << 16};
    return &trails->buckets[la_hash(&trails->hash_key, words, FORM_WORDS + 1) % PLACE_BUCKETS];
}

/* A step that nobody has taken before; NULL: there are too many. */
static struct place *new_step(struct trails *trails, struct live *live, const struct la_segment *s,
                              const struct manner *manner, const uint64_t form[FORM_WORDS]) {
    uint16_t before = live->on_trail.place;
    if (trails->count == PLACES_MOST || trails->places[before].depth == TRAIL_STEPS)
        return NULL;
    uint16_t number = (uint16_t)trails->count++;
    struct place *place = &trails->places[number];
    place->number = number;
    memcpy(place->form, form, sizeof place->form);
    place->manner = *manner;
    place->before = before;
    place->syn = before != 0 ? trails->places[before].syn : number;
    place->depth = (uint8_t)(trails->places[before].depth + 1);
    learn_step(trails, live, s, place);
    live->on_trail.learnt = true;
    uint16_t *bucket = bucket_for(trails, before, manner->acks, form);
    place->chained = *bucket;
    *bucket = number;
    return place;
}

static struct place *find_step(struct trails *trails, uint16_t before, unsigned acks,
                               const uint64_t form[FORM_WORDS]) {
    struct place *place = NULL;
    for (uint16_t at = *bucket_for(trails, before, acks, form); at != 0; at = place->chained) {
        place = &trails->places[at];
        if (place->before == before && place->manner.acks == acks && is_same(place->form, form))
            return place;
    }
    return NULL;
}

/* The step that a segment is that is not the one taken last, found out when nobody has taken it
 * before; NULL: none. */
static __attribute__((noinline)) const struct place *other_step(struct trails *trails,
                                                                struct live *live, unsigned role,
                                                                bool lags,
                                                                const struct la_segment *s) {
    const struct on_trail *on = &live->on_trail;
    uint16_t before = on->place;
    unsigned acks = before != 0 ? step_to(trails, on, !role, s->ack) : 0;
    uint64_t form[FORM_WORDS];
    if (acks == TRAIL_STEPS)
        return NULL;
    form_of(s, role, lags, form);
    struct place *place = find_step(trails, before, acks, form);
    struct manner manner = manner_of(s, role, lags, acks, on->ends.window[role]);
    if (!place)
        place = new_step(trails, live, s, &manner, form);
    if (!place || (place->marks & ENDS))
        return NULL;
    trails->places[before].likely = place->number;
    return place;
}

/* Following */

/* Room for more steps. False when out of memory. */
static bool make_room(struct trails *trails, struct la_log *steps) {
    enum { FIRST = 128 }; /* for what opens and closes without a word */
    struct la_log larger = *steps;
    larger.capacity = (uint16_t)(steps->capacity > 0 ? steps->capacity * 2 : FIRST);
    larger.bytes = la_pool_take(trails->pool, larger.capacity);
    if (!larger.bytes)
        return false;
    if (steps->used > 0)
        memcpy(larger.bytes, steps->bytes, steps->used);
    la_pool_give(trails->pool, steps->bytes, steps->capacity);
    *steps = larger;
    return true;
}

static inline bool has_room(const struct la_log *steps) {
    return steps->used + STEP_MOST <= steps->capacity;
}

/* A step was written, up to `end`. */
static inline void move_on(struct live *live, const struct place *place, const struct la_segment *s,
                           uint32_t ticks, const uint8_t *end) {
    struct on_trail *on = &live->on_trail;
    unsigned role = place->manner.role;
    uint32_t next = on->ends.next[role] + s->payload + place->manner.consumes;
    live->log.used = (uint16_t)(end - live->log.bytes);
    on->last_ns = s->time_ns;
    on->last_frame = s->frame;
    on->ends.window[role] = s->window;
    on->ends.tsval[role] += ticks;
    on->ends.next[role] = next;
    on->used[place->depth - 1u] = next;
    on->place = place->number;
}

/* What a step has for itself. False when the numbers are not those that its sender was expected to
 * send, or find no room in a step. */
static bool measure(const struct on_trail *on, unsigned role, const struct la_segment *s,
                    struct step *step) {
    uint64_t elapsed = (uint64_t)s->time_ns - (uint64_t)on->last_ns;
    uint64_t frames = s->frame - on->last_frame;
    *step = (struct step){
        .elapsed_ns = (uint32_t)elapsed,
        .frames = (uint32_t)frames,
        .ticks = (s->tsval - on->ends.tsval[role]) & stamped(s),
        .ip_id = s->ip_id,
        .window = s->window,
        .payload = s->payload,
        .lag = (on->ends.tsval[!role] - s->tsecr) & stamped(s),
    };
    uint64_t beyond = (elapsed | frames) >> 32 | (step->ticks | step->lag | step->payload) >> 16;
    return (beyond | (s->seq ^ on->ends.next[role])) == 0 && s->window > 0;
}

/* Whether this segment is that step. */
static bool is_at(const struct place *place, const struct on_trail *on, unsigned role, bool lags,
                  const struct la_segment *s) {
    uint64_t form[FORM_WORDS];
    form_of(s, role, lags, form);
    return is_same(place->form, form) && s->ack == on->used[place->manner.acks];
}

/* Takes a step, and says what it comes to. False when there is none to take. */
static bool take_step(struct trails *trails, struct live *live, unsigned role,
                      const struct la_segment *s, bool is_first, unsigned *marks) {
    struct on_trail *on = &live->on_trail;
    struct step step;
    if (!measure(on, role, s, &step))
        return false;
    const struct place *place = &trails->places[trails->places[on->place].likely];
    if (!is_at(place, on, role, step.lag != 0, s))
        place = other_step(trails, live, role, step.lag != 0, s);
    if (!place || !(has_room(&live->log) || make_room(trails, &live->log)))
        return false;
    move_on(live, place, s, step.ticks,
            put_step(live->log.bytes + live->log.used, &step, &place->manner,
                     expected_window(&place->manner, on->ends.window[role]), is_first));
    *marks = place->marks;
    return true;
}

/* The usual step: the one taken last from there, whose numbers find room in a word, and which
 * echoes the newest timestamp. What is unusual about a segment comes together without a branch:
 * nobody could guess what it is, and it hardly ever is anything. */
__attribute__((always_inline)) static inline bool go_usual_way(const struct trails *trails,
                                                               struct live *live, unsigned role,
                                                               const struct la_segment *s,
                                                               bool is_first, unsigned *marks) {
    const struct on_trail *on = &live->on_trail;
    const struct place *place = &trails->places[trails->places[on->place].likely];
    uint64_t elapsed = (uint64_t)s->time_ns - (uint64_t)on->last_ns, usec = elapsed / 1000;
    uint64_t frames = s->frame - on->last_frame;
    uint32_t ticks = (s->tsval - on->ends.tsval[role]) & place->manner.stamped;
    uint32_t lag = (on->ends.tsval[role ^ 1] - s->tsecr) & place->manner.stamped;
    uint64_t form[FORM_WORDS];
    form_of(s, role, false, form);
    uint64_t unusual = (form[0] ^ place->form[0]) | (form[1] ^ place->form[1]) |
                       (form[2] ^ place->form[2]) | (s->ack ^ on->used[place->manner.acks]) |
                       (s->seq ^ on->ends.next[role]) |
                       (is_first ? frames >> 32 : beyond_word(usec, frames, ticks)) |
                       (usec * 1000 ^ elapsed) | lag | s->payload >> 16 | (s->window - 1u) >> 16;
    if (unusual != 0 || !has_room(&live->log))
        return false;
    unsigned how =
        s->window != expected_window(&place->manner, on->ends.window[role]) ? STEP_WINDOW : 0;
    uint8_t *at = live->log.bytes + live->log.used;
    put_little_endian(at, step_word(how, usec, frames, ticks, s->ip_id));
    move_on(live, place, s, ticks,
            put_window_and_payload(at + sizeof(uint64_t), how, place->manner.carries, s->window,
                                   s->payload));
    *marks = place->marks;
    return true;
}

/* A side's SYN: its numbers count from there. */
static void set_out(struct on_trail *on, unsigned role, const struct la_segment *s) {
    on->isn[role] = on->ends.next[role] = s->seq;
    on->tsval[role] = on->ends.tsval[role] = s->tsval;
}

/* Whether it is worth it. */
static bool is_worthwhile(struct place *syn) {
    if (syn->left < TRIED || syn->left / LEFT_TO_FOLLOWED < syn->followed)
        return true;
    return ++syn->held_back % TRY_EACH == 0;
}

bool trail_begin(struct trails *trails, struct live *live, unsigned side,
                 const struct la_segment *syn) {
    struct on_trail *on = &live->on_trail;
    unsigned marks;
    if (syn->ack != 0 || syn->payload > 0 || syn->tsecr != 0 || !make_room(trails, &live->log))
        return false;
    on->client = (uint8_t)side;
    on->last_ns = syn->time_ns;
    set_out(on, LA_CLIENT, syn);
    bool is_begun = go_usual_way(trails, live, LA_CLIENT, syn, true, &marks) ||
                    take_step(trails, live, LA_CLIENT, syn, true, &marks);
    if (is_begun && is_worthwhile(syn_of(trails, on))) {
        live->flags |= LIVE_ON_TRAIL;
        return true;
    }
    la_log_release(&live->log, trails->pool);
    memset(live->side, 0, sizeof live->side);
    return false;
}

/* A side's first segment sets what is expected of it. False when it is no SYN. */
static inline bool introduce(struct on_trail *on, unsigned role, const struct la_segment *s) {
    if (on->ends.window[role] != 0)
        return true;
    if (!(s->flags & LA_SYN))
        return false;
    set_out(on, role, s);
    return true;
}

bool trail_go_usual_way(const struct trails *trails, struct live *live, unsigned side,
                        const struct la_segment *s, unsigned *marks) {
    unsigned role = side ^ live->on_trail.client;
    return introduce(&live->on_trail, role, s) && go_usual_way(trails, live, role, s, false, marks);
}

bool trail_go_on(struct trails *trails, struct live *live, unsigned side,
                 const struct la_segment *s, unsigned *marks) {
    unsigned role = side ^ live->on_trail.client;
    return introduce(&live->on_trail, role, s) && take_step(trails, live, role, s, false, marks);
}

bool trail_nears_end(const struct trails *trails, const struct live *live) {
    const struct place *place = &trails->places[live->on_trail.place & (PLACES_MOST - 1)];
    bool closes = trails->places[place->likely].marks & TRAIL_CLOSED;
    return closes & ((live->flags & LIVE_ON_TRAIL) != 0);
}

/* On the shelf */

size_t trail_item_size(const struct live *live) {
    size_t size = offsetof(struct trail_item, steps) + live->log.used;
    return (size + SHELF_UNIT - 1) & ~(size_t)(SHELF_UNIT - 1);
}

void trail_write(struct trails *trails, struct live *live, struct trail_item *item) {
    const struct on_trail *on = &live->on_trail;
    struct place *syn = syn_of(trails, on);
    item->trail = trail_of(live);
    memcpy(item->steps, live->log.bytes, live->log.used);
    if (on->learnt)
        syn->left++;
    else
        syn->followed++;
    la_log_release(&live->log, trails->pool);
}

struct last_seen trail_last_seen(const struct trails *trails, const struct trail_item *item) {
    const struct place *place = &trails->places[item->trail.place];
    struct la_segment last;
    form_write(place->form, &last);
    return (struct last_seen){item->item.expire_ns - LIVE_REMEMBERED_NS, last.input, last.tunnels};
}

/* Where it begins, as far as that follows from its steps. */
static void read_beginning(const struct trails *trails, const struct trail_item *item,
                           struct live *live) {
    uint16_t way[TRAIL_STEPS];
    unsigned depth = trail_way(trails, item->trail.place, way);
    struct walk walk;
    walk_from(&walk, &item->trail, item->steps, 0);
    for (unsigned i = 0; i < depth; i++) {
        walk_on(&walk, &trails->places[way[i]].manner);
        if (i == 0)
            live->first_frame = walk.frame;
    }
    live->first_ns = item->item.expire_ns - LIVE_REMEMBERED_NS - walk.time_ns;
}

void trail_read(const struct trails *trails, const struct trail_item *item, struct live *live) {
    live_take_head(live, &item->item);
    live->incarnation = item->trail.lives;
    live->first_input = trail_last_seen(trails, item).input;
    read_beginning(trails, item, live);
    retrace(trails, &item->trail, item->steps, live);
}
