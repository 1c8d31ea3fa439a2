#include "track/trail.h"

#include "base/hash.h"
#include "base/time.h"
#include "track/pack.h"

#include <stdlib.h>
#include <string.h>

/* Of different steps, and of trails that led to a close: enough for the systems that meet in one
 * shard, and little memory if somebody makes up new ones with each segment. */
enum { STEPS_MOST = 4096, BUCKETS = 2 * STEPS_MOST, STORIES_MOST = 256 };
/* Those that begin with payload leave soon. Where most do, only one in a few is tried. */
enum { TRIED = 64, LEFT_TO_CLOSED = 4, TRY_EACH = 16 };
enum { ENDS = 1 << 7 }; /* a mark: from here on no trail leads */

/* All about a segment that decides what it does to an ordinary connection: the last two words of
 * struct la_segment, and its bytes on the wire, where it was seen, and who sent it. */
enum { FORM_WORDS = 3, ROLE_SHIFT = 48, INPUT_SHIFT = 32 };

/* A step of a trail; of those that begin alike the first ones are the same. */
struct place {
    uint64_t form[FORM_WORDS];
    uint16_t before; /* the step before this one; 0, where all begin, for a SYN */
    uint16_t likely; /* the step that was taken last from here; 0: none yet */
    uint16_t chained;
    uint16_t story; /* number of the story that ends here, from 1; 0: not learnt */
    uint8_t depth;  /* steps up to here */
    uint8_t marks;
    uint8_t sent[2];       /* sequence numbers that either side has used up to here */
    uint32_t left, closed; /* of a SYN: where those that began with it have gone */
    uint32_t held_back;    /* of a SYN: so often it was not tried */
};

enum { SAMPLES = 4 };

/* A segment of a story, and the one that answered it. */
struct sample {
    uint8_t asked, answer;
};

/* The first connection that ended at a place, as it was settled; sequence numbers are counted from
 * the initial one. */
struct story {
    struct la_connection connection;
    struct la_observation log[TRAIL_STEPS];
    uint8_t count; /* of the log */
    uint8_t sample_count[2];
    struct sample samples[2][SAMPLES]; /* LA_CLIENT, LA_SERVER: the turnarounds of that side */
};

struct trails {
    struct la_pool *pool; /* borrowed */
    struct la_hash_key hash_key;
    uint32_t count;
    uint16_t story_count;
    struct story *stories[STORIES_MOST]; /* owned */
    struct view view;
    uint16_t told; /* number of the story that the view holds; 0: none */
    uint16_t buckets[BUCKETS];
    struct place places[STEPS_MOST];
};

struct trails *trails_new(struct la_pool *pool) {
    struct trails *trails = calloc(1, sizeof *trails);
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
    for (unsigned i = 0; i < trails->story_count; i++)
        free(trails->stories[i]);
    view_release(&trails->view);
    free(trails);
}

size_t trails_bytes(const struct trails *trails) {
    return sizeof *trails + trails->story_count * sizeof *trails->stories[0];
}

/* Steps */

static bool is_same(const uint64_t a[FORM_WORDS], const uint64_t b[FORM_WORDS]) {
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])) == 0;
}

static void form_of(const struct la_segment *s, unsigned role, uint64_t form[FORM_WORDS]) {
    memcpy(form, (const uint8_t *)s + LA_SEGMENT_FORM, 2 * sizeof *form);
    form[2] = s->wire_bytes | (uint64_t)s->input << INPUT_SHIFT | (uint64_t)role << ROLE_SHIFT;
}

static unsigned role_in(const uint64_t form[FORM_WORDS]) {
    return (unsigned)(form[2] >> ROLE_SHIFT);
}

/* A segment without numbers. */
static void take_form(const uint64_t form[FORM_WORDS], struct la_segment *s) {
    memset(s, 0, sizeof *s);
    memcpy((uint8_t *)s + LA_SEGMENT_FORM, form, 2 * sizeof *form);
    s->wire_bytes = (uint32_t)form[2];
    s->input = (uint16_t)(form[2] >> INPUT_SHIFT);
}

static uint16_t *bucket_for(struct trails *trails, uint16_t before,
                            const uint64_t form[FORM_WORDS]) {
    const uint64_t words[FORM_WORDS + 1] = {form[0], form[1], form[2], before};
    return &trails->buckets[la_hash(&trails->hash_key, words, FORM_WORDS + 1) % BUCKETS];
}

/* The number of a step; 0 when nobody has taken it yet. */
static uint16_t find_step(struct trails *trails, uint16_t before, const uint64_t form[FORM_WORDS]) {
    uint16_t number = trails->places[before].likely;
    if (number != 0 && is_same(trails->places[number].form, form))
        return number;
    number = *bucket_for(trails, before, form);
    while (number != 0 &&
           (trails->places[number].before != before || !is_same(trails->places[number].form, form)))
        number = trails->places[number].chained;
    return number;
}

/* The steps up to a place, the first one first. */
static unsigned way_to(const struct trails *trails, uint16_t number, uint16_t way[TRAIL_STEPS]) {
    unsigned depth = trails->places[number].depth;
    for (unsigned i = depth; i > 0; i--) {
        way[i - 1] = number;
        number = trails->places[number].before;
    }
    return depth;
}

/* What a record on a trail has been through, segment by segment. */
struct walk {
    const struct trails *trails;
    const struct trail *trail;
    int64_t time_ns;
    uint64_t frame;
    uint32_t tsval[2];
};

static struct walk walk_of(const struct trails *trails, const struct trail *trail, int64_t first_ns,
                           uint64_t first_frame) {
    return (struct walk){trails, trail, first_ns, first_frame, {trail->tsval[0], trail->tsval[1]}};
}

/* Its step `i`, which is at `number`; returns who sent it. */
static unsigned walk_on(struct walk *walk, unsigned i, uint16_t number, struct la_segment *s) {
    const struct trail *trail = walk->trail;
    const struct place *place = &walk->trails->places[number];
    const struct place *before = &walk->trails->places[place->before];
    const struct trail_step *step = &trail->steps[i];
    unsigned role = role_in(place->form);
    take_form(place->form, s);
    s->time_ns = walk->time_ns += step->elapsed_ns;
    s->frame = walk->frame += step->frames;
    s->seq = trail->isn[role] + before->sent[role];
    if (s->flags & LA_ACK)
        s->ack = trail->isn[!role] + before->sent[!role];
    if (s->options & LA_HAS_TIMESTAMPS) {
        s->tsval = walk->tsval[role] += step->ticks;
        s->tsecr = s->flags & LA_ACK ? walk->tsval[!role] : 0;
    }
    s->ip_id = step->ip_id;
    return role;
}

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
static void retrace(const struct trails *trails, const struct trail *trail, struct live *live) {
    uint16_t way[TRAIL_STEPS];
    unsigned depth = way_to(trails, trail->place, way);
    struct walk walk = walk_of(trails, trail, live->first_ns, live->first_frame);
    for (unsigned i = 0; i < depth; i++) {
        struct la_segment s;
        unsigned role = walk_on(&walk, i, way[i], &s);
        take(trails, live, role ^ trail->client, &s);
    }
}

/* A record that has taken in nothing yet, with the head of another. */
static struct live headed(const struct live *live) {
    struct live fresh = *live;
    memset(fresh.side, 0, sizeof fresh.side);
    fresh.flags &= (uint8_t)~LIVE_ON_TRAIL;
    return fresh;
}

/* Which segments a trail consists of, after its SYN; each of them is in the log. What has SACK
 * blocks has numbers that no step keeps. */
static bool is_ordinary(enum la_class class, const struct la_segment *s) {
    return (class == LA_CLASS_SYN_ACK || class == LA_CLASS_HANDSHAKE_ACK || class == LA_CLASS_FIN ||
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

static uint8_t used_by(const struct live_side *side) {
    return side->flags & SIDE_SEEN ? (uint8_t)(side->next - side->base_seq) : 0;
}

/* What the segment does to the record, which is on a trail up to the step before. */
static void learn_step(const struct trails *trails, const struct live *live, unsigned role,
                       const struct la_segment *s, struct place *place) {
    const struct trail *trail = &live->on_trail.trail;
    struct live trial = headed(live);
    retrace(trails, trail, &trial);
    bool strays = place->depth > 1 && !is_of_same_way(&trial, s);
    enum la_class class = take(trails, &trial, role ^ trail->client, s);
    const struct live_side *client = &trial.side[trail->client];
    const struct live_side *server = &trial.side[!trail->client];
    place->sent[LA_CLIENT] = used_by(client);
    place->sent[LA_SERVER] = used_by(server);
    bool fits = place->depth == 1 ? is_opening(class, s) : is_ordinary(class, s);
    if (!fits || strays || trial.flow || trial.log.count != place->depth)
        place->marks = ENDS;
    else if (live_is_packable(&trial))
        place->marks = TRAIL_CLOSED;
    if (live_is_over(&trial))
        place->marks |= TRAIL_OVER;
    if (class == LA_CLASS_FIN && role == LA_CLIENT && (client->flags & SIDE_SYN_SENT) &&
        (server->flags & SIDE_FIN) && (s->options & LA_HAS_TIMESTAMPS))
        place->marks |= TRAIL_STAMPED;
    live_release(&trial, trails->pool);
}

/* The step that this segment is, found out when nobody has taken it before; 0: none. */
static uint16_t step_of(struct trails *trails, const struct live *live, unsigned role,
                        const struct la_segment *s) {
    uint16_t before = live->on_trail.trail.place;
    uint64_t form[FORM_WORDS];
    form_of(s, role, form);
    uint16_t number = find_step(trails, before, form);
    if (number == 0 && trails->count < STEPS_MOST && trails->places[before].depth < TRAIL_STEPS) {
        number = (uint16_t)trails->count++;
        struct place *place = &trails->places[number];
        memcpy(place->form, form, sizeof form);
        place->before = before;
        place->depth = (uint8_t)(trails->places[before].depth + 1);
        learn_step(trails, live, role, s, place);
        uint16_t *bucket = bucket_for(trails, before, form);
        place->chained = *bucket;
        *bucket = number;
    }
    if (number == 0 || (trails->places[number].marks & ENDS))
        return 0;
    trails->places[before].likely = number;
    return number;
}

/* Following */

/* Whether it is worth it: not where most of those that begin so leave the trail. */
static bool is_worthwhile(struct place *syn) {
    if (syn->left < TRIED || syn->left / LEFT_TO_CLOSED < syn->closed)
        return true;
    return ++syn->held_back % TRY_EACH == 0;
}

bool trail_begin(struct trails *trails, struct live *live, unsigned side,
                 const struct la_segment *syn) {
    struct on_trail *on = &live->on_trail;
    if (syn->ack != 0 || syn->payload > 0 || syn->tsecr != 0)
        return false;
    on->trail.place = 0;
    on->trail.client = side & 1;
    uint16_t number = step_of(trails, live, LA_CLIENT, syn);
    if (number == 0 || !is_worthwhile(&trails->places[number])) {
        memset(live->side, 0, sizeof live->side);
        return false;
    }
    on->trail.place = number & (STEPS_MOST - 1);
    on->trail.isn[LA_CLIENT] = syn->seq;
    on->trail.tsval[LA_CLIENT] = on->tsval[LA_CLIENT] = syn->tsval;
    on->trail.steps[0] = (struct trail_step){.ip_id = syn->ip_id};
    on->last_ns = syn->time_ns;
    on->last_frame = syn->frame;
    live->flags |= LIVE_ON_TRAIL;
    return true;
}

/* Its numbers are those that its sender was expected to send, and find room in a step. */
static bool is_expected(const struct on_trail *on, const struct place *at, unsigned role,
                        const struct la_segment *s) {
    const struct trail *trail = &on->trail;
    uint64_t elapsed = (uint64_t)s->time_ns - (uint64_t)on->last_ns;
    uint64_t frames = s->frame - on->last_frame;
    bool is_first = at->sent[role] == 0;
    bool is_stamped = s->options & LA_HAS_TIMESTAMPS;
    return s->payload == 0 && elapsed <= UINT32_MAX && frames - 1 < UINT32_MAX &&
           s->ack == trail->isn[!role] + at->sent[!role] &&
           (is_first || s->seq == trail->isn[role] + at->sent[role]) &&
           (!is_stamped || (s->tsecr == on->tsval[!role] &&
                            (is_first || s->tsval - on->tsval[role] <= UINT16_MAX)));
}

bool trail_go_on(struct trails *trails, struct live *live, unsigned side,
                 const struct la_segment *s) {
    struct on_trail *on = &live->on_trail;
    struct trail *trail = &on->trail;
    const struct place *at = &trails->places[trail->place];
    unsigned role = side ^ trail->client;
    if (!is_expected(on, at, role, s))
        return false;
    uint16_t number = step_of(trails, live, role, s);
    if (number == 0)
        return false;
    struct trail_step *step = &trail->steps[at->depth];
    bool is_stamped = s->options & LA_HAS_TIMESTAMPS;
    if (at->sent[role] == 0) {
        trail->isn[role] = s->seq;
        trail->tsval[role] = on->tsval[role] = s->tsval;
    }
    step->elapsed_ns = (uint32_t)(s->time_ns - on->last_ns);
    step->frames = (uint32_t)(s->frame - on->last_frame);
    step->ticks = (uint16_t)(is_stamped ? s->tsval - on->tsval[role] : 0);
    step->ip_id = s->ip_id;
    if (is_stamped)
        on->tsval[role] = s->tsval;
    on->last_ns = s->time_ns;
    on->last_frame = s->frame;
    trail->place = number & (STEPS_MOST - 1);
    return true;
}

unsigned trail_marks(const struct trails *trails, const struct live *live) {
    return trails->places[live->on_trail.trail.place].marks;
}

static struct place *syn_of(struct trails *trails, const struct trail *trail) {
    uint16_t way[TRAIL_STEPS];
    way_to(trails, trail->place, way);
    return &trails->places[way[0]];
}

void trail_leave(struct trails *trails, struct live *live) {
    const struct trail trail = live->on_trail.trail;
    syn_of(trails, &trail)->left++;
    *live = headed(live);
    retrace(trails, &trail, live);
}

/* On the shelf */

static size_t steps_size(unsigned count) {
    return offsetof(struct trail, steps) + count * sizeof(struct trail_step);
}

size_t trail_item_size(const struct trails *trails, const struct live *live) {
    unsigned count = trails->places[live->on_trail.trail.place].depth;
    size_t size = offsetof(struct trail_item, trail) + steps_size(count);
    return (size + SHELF_UNIT - 1) & ~(size_t)(SHELF_UNIT - 1);
}

void trail_write(struct trails *trails, const struct live *live, struct trail_item *item) {
    const struct trail *trail = &live->on_trail.trail;
    item->first_frame = live->first_frame;
    memcpy(&item->trail, trail, steps_size(trails->places[trail->place].depth));
    item->trail.lives = live->incarnation;
    syn_of(trails, trail)->closed++;
}

struct last_seen trail_last_seen(const struct trails *trails, const struct trail_item *item) {
    struct la_segment last;
    take_form(trails->places[item->trail.place].form, &last);
    return (struct last_seen){item->item.expire_ns - LIVE_REMEMBERED_NS, last.input, last.tunnels};
}

static int64_t first_ns_of(const struct trail_item *item, unsigned depth) {
    int64_t ns = item->item.expire_ns - LIVE_REMEMBERED_NS;
    for (unsigned i = 0; i < depth; i++)
        ns -= item->trail.steps[i].elapsed_ns;
    return ns;
}

void trail_read(const struct trails *trails, const struct trail_item *item, struct live *live) {
    const struct place *place = &trails->places[item->trail.place];
    live_take_head(live, &item->item);
    live->incarnation = item->trail.lives;
    live->first_ns = first_ns_of(item, place->depth);
    live->first_frame = item->first_frame;
    live->first_input = (uint16_t)(place->form[2] >> INPUT_SHIFT);
    retrace(trails, &item->trail, live);
}

/* Stories */

/* Which of its peer's segments each side answered when: its turnarounds, as settling measures them.
 * False when there are too many. */
static bool learn_samples(struct story *story, const struct view *view) {
    for (uint8_t i = 0; i < story->count; i++) {
        const struct la_observation *asked = &view->log[i];
        size_t answer =
            settle_is_timed(asked) ? settle_answer_to(view, story->count, i) : LA_NOWHERE;
        if (answer == LA_NOWHERE)
            continue;
        uint8_t *count = &story->sample_count[!asked->from];
        if (*count == SAMPLES)
            return false;
        story->samples[!asked->from][(*count)++] = (struct sample){i, (uint8_t)answer};
    }
    return true;
}

/* Numbers count from where they began. */
static void unroot(struct story *story) {
    const struct la_endpoint *ends = story->connection.side;
    const uint32_t isn[2] = {ends[0].isn, ends[1].isn};
    for (unsigned i = 0; i < story->count; i++) {
        struct la_observation *o = &story->log[i];
        o->seq -= isn[o->from];
        o->ack -= isn[!o->from];
    }
    for (unsigned role = 0; role < 2; role++) {
        struct la_endpoint *end = &story->connection.side[role];
        end->next -= isn[role];
        end->fin_end -= isn[role];
        end->acked -= isn[!role];
    }
}

static struct story *make_story(const struct trails *trails, uint16_t number,
                                const struct view *view) {
    struct story *story = calloc(1, sizeof *story);
    if (!story)
        return NULL;
    story->connection = view->connection;
    story->count = trails->places[number].depth;
    memcpy(story->log, view->log, story->count * sizeof *view->log);
    unroot(story);
    if (learn_samples(story, view))
        return story;
    free(story);
    return NULL;
}

void trail_learn_story(struct trails *trails, const struct trail_item *item,
                       const struct view *view) {
    struct place *place = &trails->places[item->trail.place];
    bool is_full = trails->story_count == STORIES_MOST;
    if (view->connection.remarkable || view->connection.log_count != place->depth || is_full)
        return;
    struct story *story = make_story(trails, item->trail.place, view);
    if (!story)
        return;
    trails->stories[trails->story_count++] = story;
    place->story = trails->story_count;
}

/* The view holds the story already when it is told twice in a row. */
static bool open_story(struct trails *trails, uint16_t number) {
    const struct story *story = trails->stories[number - 1];
    struct view *view = &trails->view;
    if (trails->told == number)
        return true;
    if (!view_reserve(view, TRAIL_STEPS))
        return false;
    view->connection = story->connection;
    view->connection.log = view->log;
    memcpy(view->log, story->log, story->count * sizeof *view->log);
    trails->told = number;
    return true;
}

static void tell_log(const struct story *story, const struct trail_item *item, struct view *view) {
    const struct trail *trail = &item->trail;
    int64_t time_ns = first_ns_of(item, story->count);
    uint64_t frame = item->first_frame;
    uint32_t tsval[2] = {trail->tsval[0], trail->tsval[1]};
    for (unsigned i = 0; i < story->count; i++) {
        const struct la_observation *known = &story->log[i];
        const struct trail_step *step = &trail->steps[i];
        struct la_observation *o = &view->log[i];
        unsigned from = known->from;
        bool acks = known->flags & LA_ACK;
        o->time_ns = time_ns += step->elapsed_ns;
        o->frame = frame += step->frames;
        o->seq = trail->isn[from] + known->seq;
        o->ack = acks ? trail->isn[!from] + known->ack : 0;
        if (known->options & LA_HAS_TIMESTAMPS) {
            o->tsval = tsval[from] += step->ticks;
            o->tsecr = acks ? tsval[!from] : 0;
        }
        view->connection.side[from].last_ns = time_ns;
    }
    for (unsigned role = 0; role < 2; role++)
        view->connection.side[role].tsval = tsval[role];
}

static void tell_end(const struct story *story, const struct trail *trail, unsigned role,
                     struct view *view) {
    const struct la_endpoint *known = &story->connection.side[role];
    struct la_endpoint *end = &view->connection.side[role];
    int64_t samples[SAMPLES];
    unsigned count = story->sample_count[role];
    end->isn = trail->isn[role];
    end->next = trail->isn[role] + known->next;
    end->fin_end = trail->isn[role] + known->fin_end;
    end->acked = trail->isn[!role] + known->acked;
    for (unsigned i = 0; i < count; i++) {
        const struct sample *sample = &story->samples[role][i];
        samples[i] = view->log[sample->answer].time_ns - view->log[sample->asked].time_ns;
    }
    settle_turnaround(samples, count, INT64_MAX, end);
}

struct view *trail_tell_story(struct trails *trails, const struct settle_context *context,
                              const struct trail_item *item) {
    uint16_t number = trails->places[item->trail.place].story;
    struct view *view = &trails->view;
    if (number == 0 || !open_story(trails, number))
        return NULL;
    const struct story *story = trails->stories[number - 1];
    struct la_connection *c = &view->connection;
    view_fill_ends(view, context, item->item.host, item->item.port, item->item.v6,
                   item->trail.client);
    tell_log(story, item, view);
    for (unsigned role = 0; role < 2; role++)
        tell_end(story, &item->trail, role, view);
    const struct la_observation *first = &view->log[0], *last = &view->log[story->count - 1];
    c->incarnation = item->trail.lives;
    c->opened_ns = first->time_ns;
    c->first = (struct la_where){first->time_ns, first->frame, first->input};
    c->last = (struct la_where){last->time_ns, last->frame, last->input};
    return view;
}
