#include "track/tracker.h"

#include "base/prefetch.h"
#include "base/select.h"
#include "base/time.h"
#include "track/attempt.h"
#include "track/elsewhere.h"
#include "track/meanwhile.h"
#include "track/pack.h"
#include "track/recycle.h"
#include "track/settle.h"
#include "track/trail.h"

#include <stdlib.h>
#include <string.h>

/* Without an IP ID to tell by (IPv6, and DF with ID 0) only this close. */
#define COPY_BLIND_NS (1 * LA_MSEC)
/* The same packet seen at another place, by another clock. */
#define OTHER_POINT_NS (5 * LA_SEC)

enum { WHEEL = 256, GROUP = RECYCLE_ASKED, SEGMENTS_AHEAD = 6, AHEAD_AT_END = 8 };
enum { RETIRED_AHEAD = 1024 }; /* bytes of the shelf */
/* So many records take little memory, and a SYN that is answered is best in one from the start. */
enum { LIVES_FEW = 1024 };

/* Indices of records. Nothing is taken out of such a list before its second comes: to unlink it
 * would touch two other records, which are in no cache. When a record has left, whoever comes in
 * its place is looked at instead, and need not be noted anew unless a clock stepped back: see
 * is_in_wheel(). */
struct wheel_slot {
    uint32_t *items; /* owned */
    uint32_t count, capacity;
};

struct la_tracker {
    struct la_tracker_options options;
    struct table *table;
    struct la_pool *pool;
    struct recycle_table *recycle;
    struct meanwhile_table *meanwhile;
    struct trails *trails;
    struct la_untold untold;            /* of the connection on a trail that is handed on now: */
    const struct trail_item *told_item; /* ... its item */
    int64_t told_end_ns;
    struct wheel_slot wheel[WHEEL]; /* by the second in which records expire */
    struct wheel_slot spare;        /* memory of the list that was looked at last */
    int64_t now_ns;                 /* of the capture; LA_TIME_NONE before the first segment */
    int64_t second_ns; /* when the second of now_ns began; long ago before the first segment */
    unsigned wheel_at; /* the list of that second */
    int64_t shelved_ns[SHELF_KINDS]; /* when what was put on the shelf last expires */
    int64_t newest_ns;               /* 4-tuples first met later are passed over */
    struct view views[3];            /* previous, current, next */
    /* Attempts of a flood or a scan are one like the other: what follows from one that is settled
     * is kept for the next. Never with histories. */
    struct attempt_kinds kinds;
    struct view alike;
    struct attempt alike_to; /* of no kind: there was none yet */
    bool out_of_memory;
    bool finishing;                /* nothing is looked up any more */
    const struct la_pause *pauses; /* borrowed */
    size_t pause_count;
    const struct la_links *links; /* borrowed; NULL: not known yet */
};

struct la_tracker *la_tracker_new(const struct la_tracker_options *options) {
    struct la_tracker *tracker = calloc(1, sizeof *tracker);
    if (!tracker)
        return NULL;
    tracker->options = *options;
    tracker->now_ns = LA_TIME_NONE;
    tracker->second_ns = INT64_MIN;
    tracker->newest_ns = INT64_MAX;
    tracker->table = table_new(options->pages);
    tracker->pool = la_pool_new(options->pages);
    tracker->recycle = tracker->pool ? recycle_new(tracker->pool) : NULL;
    tracker->meanwhile = meanwhile_new();
    tracker->trails = tracker->pool ? trails_new(tracker->pool) : NULL;
    bool kinds = attempt_kinds_open(&tracker->kinds);
    if (!tracker->table || !tracker->pool || !tracker->recycle || !tracker->meanwhile ||
        !tracker->trails || !kinds) {
        la_tracker_free(tracker);
        return NULL;
    }
    return tracker;
}

void la_tracker_free(struct la_tracker *tracker) {
    if (!tracker)
        return;
    for (int i = 0; i < 3; i++)
        view_release(&tracker->views[i]);
    view_release(&tracker->alike);
    attempt_kinds_close(&tracker->kinds);
    recycle_free(tracker->recycle);
    meanwhile_free(tracker->meanwhile);
    trails_free(tracker->trails);
    table_free(tracker->table);
    la_pool_free(tracker->pool);
    for (int i = 0; i < WHEEL; i++)
        free(tracker->wheel[i].items);
    free(tracker->spare.items);
    free(tracker);
}

void la_tracker_follow_until(struct la_tracker *tracker, int64_t newest_ns) {
    tracker->newest_ns = newest_ns;
}

size_t la_tracker_bytes(const struct la_tracker *tracker) {
    size_t wheel = tracker->spare.capacity;
    for (int i = 0; i < WHEEL; i++)
        wheel += tracker->wheel[i].capacity;
    return wheel * sizeof(uint32_t) + table_bytes(tracker->table) + la_pool_bytes(tracker->pool) +
           recycle_bytes(tracker->recycle) + meanwhile_bytes(tracker->meanwhile) +
           trails_bytes(tracker->trails) + attempt_kinds_bytes(&tracker->kinds);
}

size_t la_tracker_count(const struct la_tracker *tracker) {
    return table_count(tracker->table);
}

/* Settling. A chain of incarnations is settled from its oldest on; each is read beside the one
 * before and the one after it. */

static struct live *neighbour(struct la_tracker *tracker, uint32_t index) {
    return index == LA_NO_LIVE ? NULL : table_at(tracker->table, index);
}

static const struct la_connection *fill_neighbour(struct la_tracker *tracker, int i,
                                                  const struct settle_context *context,
                                                  const struct live *live) {
    struct view *view = &tracker->views[i];
    if (!live)
        return NULL;
    if (!view_fill(view, context, live)) {
        tracker->out_of_memory = true;
        return NULL;
    }
    return &view->connection;
}

/* Probes, or repeats of which at least one had no answer. */
static bool has_waited(const struct la_endpoint *end) {
    return end->keepalive || (end->stalls && end->stalls->count > 0) ||
           (end->repeats && end->repeats->row.count > 1);
}

/* Of an ordinary connection nobody asks more than a few words, unless histories are wanted: no
 * neighbour, nothing repeated, no RST, nothing odd. Most are like that. */
static bool is_remarkable(const struct la_tracker *tracker, const struct la_connection *older,
                          const struct la_connection *newer) {
    const struct la_connection *c = &tracker->views[1].connection;
    const struct la_endpoint *a = &c->side[0], *b = &c->side[1];
    return older || newer || c->recycle || c->gaps > 0 || c->log_dropped > 0 || a->syn > 1 ||
           b->syn > 1 || a->fin > 1 || b->fin > 1 || a->rst > 0 || b->rst > 0 ||
           (c->elsewhere && c->elsewhere->reset_count > 0) || c->icmp_count > 0 || has_waited(a) ||
           has_waited(b);
}

/* Each step on all three before the next one: they read each other's results. A neighbour's own
 * other neighbour is not looked at: it has no bearing on this pair. */
static void settle_all_three(struct la_tracker *tracker, const struct la_connection *older,
                             const struct la_connection *newer) {
    static void (*const steps[])(struct view * view) = {
        settle_milestones, settle_vantage, settle_clocks, settle_arrivals,
        settle_histories,  settle_resets,  settle_words};
    const bool present[3] = {older != NULL, true, newer != NULL};
    struct view *views = tracker->views;
    views[1].connection.previous = older;
    views[1].connection.next = newer;
    if (older)
        views[0].connection.next = &views[1].connection;
    if (newer)
        views[2].connection.previous = &views[1].connection;
    for (size_t step = 0; step < sizeof steps / sizeof steps[0]; step++)
        for (int i = 0; i < 3; i++)
            if (present[i])
                steps[step](&views[i]);
}

static int64_t heard_in(const struct la_tunnel_end *end, int64_t from_ns) {
    for (size_t i = 0; i < end->pause_count; i++)
        if (end->pauses[i].until_ns > from_ns)
            return end->pauses[i].from_ns;
    return end->last_ns;
}

/* Up to when an input was captured, and what follows it; no later than `end_ns`. */
static int64_t input_end(const struct la_tracker *tracker, uint16_t input, int64_t end_ns) {
    const struct la_links *links = tracker->links;
    bool earlier = links && input < links->input_count && links->input_ends[input] < end_ns;
    return earlier ? links->input_ends[input] : end_ns;
}

/* How long before `end_ns` the link of a connection was captured last. */
static int64_t unheard_at_end(const struct la_tracker *tracker, struct last_seen last,
                              int64_t end_ns) {
    const struct la_links *links = tracker->links;
    if (!links)
        return 0;
    int64_t heard = input_end(tracker, last.input, end_ns);
    for (size_t i = 0; last.tunnels != 0 && i < links->tunnel_count; i++) {
        int64_t end = heard_in(&links->tunnel_ends[i], last.time_ns);
        if (links->tunnel_ends[i].tunnels == last.tunnels && end < heard)
            heard = end;
    }
    return end_ns - heard;
}

static struct last_seen last_of(const struct live *live) {
    bool last = live->side[1].packets > 0 && live->side[1].last_ns > live->side[0].last_ns;
    return (struct last_seen){live->side[last].last_ns, live->input[last], live->tunnels};
}

static struct settle_context context_of(const struct la_tracker *tracker, struct last_seen last,
                                        int64_t end_ns) {
    return (struct settle_context){
        .table = tracker->table,
        .hosts = tracker->options.hosts,
        .end_ns = end_ns,
        .pauses = tracker->pauses,
        .pause_count = tracker->pause_count,
        .unheard_ns = unheard_at_end(tracker, last, end_ns),
    };
}

static void settle(struct la_tracker *tracker, struct live *live, int64_t end_ns) {
    const struct settle_context context = context_of(tracker, last_of(live), end_ns);
    if (!view_fill(&tracker->views[1], &context, live)) {
        tracker->out_of_memory = true;
        return;
    }
    const struct la_connection *older =
        fill_neighbour(tracker, 0, &context, neighbour(tracker, live->older));
    const struct la_connection *newer =
        fill_neighbour(tracker, 2, &context, neighbour(tracker, live->newer));
    struct view *view = &tracker->views[1];
    view->connection.remarkable = is_remarkable(tracker, older, newer);
    if (view->connection.remarkable || tracker->options.histories)
        settle_all_three(tracker, older, newer);
    else
        settle_ordinary(view);
    tracker->options.on_settled(tracker->options.context, &view->connection);
    live->flags |= LIVE_SETTLED;
}

/* Whether its place is in a list that is looked at when it expires, or before. */
static bool is_in_wheel(const struct la_tracker *tracker, const struct live *live) {
    unsigned ahead = (live->wheel_slot - tracker->wheel_at) % WHEEL;
    return (live->flags & LIVE_IN_WHEEL) && ahead * LA_SEC <= live->expire_ns - tracker->second_ns;
}

static void wheel_put(struct la_tracker *tracker, struct live *live) {
    live->wheel_slot = (uint8_t)((uint64_t)la_floor_seconds(live->expire_ns) % WHEEL);
    struct wheel_slot *slot = &tracker->wheel[live->wheel_slot];
    if (slot->count == slot->capacity) {
        uint32_t capacity = slot->capacity > 0 ? slot->capacity * 2 : 16;
        uint32_t *items = realloc(slot->items, capacity * sizeof *items);
        if (!items) {
            tracker->out_of_memory = true;
            return;
        }
        slot->items = items;
        slot->capacity = capacity;
    }
    slot->items[slot->count++] = live->self;
    live->flags |= LIVE_IN_WHEEL;
}

static void forget(struct la_tracker *tracker, struct live *live) {
    if (tracker->finishing)
        return; /* all of it goes at once */
    struct live *older = neighbour(tracker, live->older), *newer = neighbour(tracker, live->newer);
    if (older)
        older->newer = LA_NO_LIVE;
    if (newer)
        newer->older = LA_NO_LIVE;
    recycle_forget(tracker->recycle, tracker->table, live);
    meanwhile_forget(tracker->meanwhile, tracker->table, live);
    live_release(live, tracker->pool);
    table_release(tracker->table, live);
}

static void leave_trail(struct la_tracker *tracker, struct live *live) {
    if (live->flags & LIVE_ON_TRAIL)
        trail_leave(tracker->trails, live);
}

static struct live *oldest_of(struct la_tracker *tracker, struct live *live) {
    while (live->older != LA_NO_LIVE)
        live = table_at(tracker->table, live->older);
    return live;
}

/* Settles and forgets a whole chain, given its newest incarnation. */
static void retire(struct la_tracker *tracker, struct live *newest, int64_t end_ns) {
    leave_trail(tracker, newest);
    if (!tracker->finishing)
        table_remove(tracker->table, newest);
    for (struct live *live = oldest_of(tracker, newest); live;
         live = neighbour(tracker, live->newer))
        if (!(live->flags & LIVE_SETTLED))
            settle(tracker, live, end_ns);
    struct live *live = oldest_of(tracker, newest);
    while (live) {
        struct live *newer = neighbour(tracker, live->newer);
        if (!newer && !tracker->finishing)
            table_note_lives(tracker->table, live);
        forget(tracker, live);
        live = newer;
    }
}

/* A chain keeps its newest two unsettled, and one settled one before them: more has no bearing on
 * anything any more. */
static void shorten_chain(struct la_tracker *tracker, struct live *newest) {
    struct live *middle = neighbour(tracker, newest->older);
    struct live *third = middle ? neighbour(tracker, middle->older) : NULL;
    if (!third || (third->flags & LIVE_SETTLED))
        return;
    settle(tracker, third, tracker->now_ns);
    struct live *fourth = neighbour(tracker, third->older);
    if (fourth)
        forget(tracker, fourth);
}

/* Expiry */

/* Each packet moves the time of expiry; the slot only follows when it is swept. */
static inline void set_expiry(struct live *live, bool is_over, int64_t now_ns) {
    live->expire_ns =
        (int64_t)la_select(is_over, (uint64_t)now_ns + LIVE_REMEMBERED_NS, (uint64_t)LA_TIME_NONE);
}

/* A chain expires with its newest incarnation, and only that waits for it. */
static void await_expiry(struct la_tracker *tracker, struct live *live) {
    if (live->newer == LA_NO_LIVE && !is_in_wheel(tracker, live))
        wheel_put(tracker, live);
}

static void arm(struct la_tracker *tracker, struct live *live, bool is_over, int64_t now_ns) {
    set_expiry(live, is_over, now_ns);
    if (is_over)
        await_expiry(tracker, live);
}

static bool has_expired(const struct live *live, int64_t now_ns) {
    return live->expire_ns != LA_TIME_NONE && live->expire_ns < now_ns;
}

/* Looks at one second's list: what expires later is put where that belongs. A record that is noted
 * twice may be looked at twice, which does no harm. */
static void sweep(struct la_tracker *tracker, unsigned slot) {
    struct wheel_slot list = tracker->wheel[slot];
    tracker->wheel[slot] = tracker->spare;
    for (uint32_t i = 0; i < list.count; i++) {
        struct live *live = table_at(tracker->table, list.items[i]);
        if (!(live->flags & LIVE_IN_WHEEL) || live->wheel_slot != slot)
            continue;
        live->flags &= (uint8_t)~LIVE_IN_WHEEL;
        if (!table_is_newest(live))
            continue;
        if (has_expired(live, tracker->now_ns))
            retire(tracker, live, live->expire_ns);
        else if (live->expire_ns != LA_TIME_NONE)
            wheel_put(tracker, live);
    }
    list.count = 0;
    tracker->spare = list;
}

/* Copies of packets */

static bool seen_before(const struct live_side *side, uint32_t fingerprint) {
    return side->fingerprints[0] == fingerprint || side->fingerprints[1] == fingerprint;
}

static struct extra *extra_of(struct la_tracker *tracker, struct live *live) {
    struct extra *extra = live_make_extra(live, tracker->pool);
    if (!extra)
        tracker->out_of_memory = true;
    return extra;
}

static void ignore_input(struct la_tracker *tracker, struct live *live, uint16_t input) {
    struct extra *extra = extra_of(tracker, live);
    if (extra && extra->ignored_count < FLOW_POINTS)
        extra->ignored[extra->ignored_count++] = input;
    else if (extra)
        extra->crowded = true; /* what of it has no identity is taken for another segment */
}

static bool is_ignored(const struct live *live, uint16_t input) {
    const struct extra *extra = live_extra(live);
    for (int i = 0; extra && i < extra->ignored_count; i++)
        if (extra->ignored[i] == input)
            return true;
    return false;
}

static void note_elsewhere(struct la_tracker *tracker, struct live *live, unsigned d,
                           const struct la_segment *s, uint32_t fingerprint) {
    bool same = live->side[d].fingerprints[0] == fingerprint;
    if (!elsewhere_note(live, tracker->pool, d, s, same))
        tracker->out_of_memory = true;
}

/* Can a repeat by the sender be told from a copy of the packet? By its IP ID; and a SYN or FIN is
 * only sent again after an RTO, data with another timestamp. */
static bool has_identity(const struct la_segment *s) {
    return s->ip_id != 0 || (s->flags & (LA_SYN | LA_FIN)) ||
           (s->payload > 0 && (s->options & LA_HAS_TIMESTAMPS));
}

/* The same traffic may stand in the capture twice: within one observation point (a mirror of both
 * directions, `-i any`), or at two of them, of which one is followed for each connection. What has
 * no identity is only taken for a copy where others that have one were. */
static bool is_copy(struct la_tracker *tracker, struct live *live, unsigned d,
                    const struct la_segment *s, uint32_t fingerprint) {
    const struct live_side *me = &live->side[d];
    if (is_ignored(live, s->input)) {
        note_elsewhere(tracker, live, d, s, fingerprint);
        return true;
    }
    if (!seen_before(me, fingerprint))
        return false;
    int64_t apart = s->time_ns - me->last_ns;
    bool identified = has_identity(s);
    if (s->input != live->input[d]) {
        /* A rotated set is one point in several files: only what no sender repeats is a copy here.
         */
        bool unique = s->ip_id != 0 || (s->options & LA_HAS_TIMESTAMPS);
        if (!identified || !unique || apart > OTHER_POINT_NS || apart < -OTHER_POINT_NS)
            return false;
        ignore_input(tracker, live, s->input);
        note_elsewhere(tracker, live, d, s, fingerprint);
        return true;
    }
    int64_t close = identified ? LIVE_COPY_NS : COPY_BLIND_NS;
    return (identified || live->duplicates > 0) && apart < close && apart > -close;
}

/* Incarnations */

/* How far `value` lies from [low, high] in sequence space, on the nearer side. */
static uint32_t distance(uint32_t value, uint32_t low, uint32_t high) {
    if (value - low <= high - low)
        return 0;
    uint32_t below = low - value, above = value - high;
    return below < above ? below : above;
}

enum { UNKNOWN_DISTANCE = 1 << 20, BEHIND = 1 << 16, AHEAD = 1 << 20 };

/* Distance of a number sent (or acknowledged) to the space that one side has used in this
 * incarnation. Nothing lies before a known ISN or after a known FIN, nor beyond the SYN as long as
 * the peer has said nothing. */
static uint64_t misfit(const struct live *live, unsigned d, uint32_t value) {
    const struct live_side *side = &live->side[d];
    if (!(side->flags & SIDE_BASED))
        return UNKNOWN_DISTANCE;
    bool answered = live->side[!d].flags & SIDE_SEEN;
    uint32_t low = side->flags & SIDE_ISN ? side->base_seq : side->base_seq - BEHIND;
    uint32_t high = side->flags & SIDE_FIN ? side->fin_end : side->next + (answered ? AHEAD : 0);
    return distance(value, low, high);
}

static uint64_t total_misfit(const struct live *live, unsigned d, const struct la_segment *s) {
    uint64_t total = 0;
    bool answers_syn = (s->flags & LA_RST) && (s->flags & LA_ACK) && s->seq == 0;
    if (!answers_syn)
        total += misfit(live, d, s->seq);
    if (s->flags & LA_ACK)
        total += misfit(live, !d, s->ack);
    return total;
}

/* Whether the ISN of a SYN is that of this incarnation, so that it is the same SYN again, or
 * belongs to it for another reason. */
static bool syn_belongs(const struct live *live, unsigned d, const struct la_segment *s) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    if ((me->flags & SIDE_BASED) && s->seq == me->base_seq)
        return true; /* again, or announced by a SYN-ACK that was captured first */
    if ((me->flags & SIDE_SEEN) && !((s->flags & LA_ACK) && live_is_rejected(live, d)))
        return false;
    if (s->flags & LA_ACK)
        return (peer->flags & SIDE_SYN_SENT) && seq_lt(peer->base_seq, s->ack) &&
               seq_leq(s->ack, peer->next);
    return (peer->flags & SIDE_SYN_SENT) && !(peer->flags & SIDE_ACKED); /* SYNs cross */
}

/* A closed 4-tuple, and numbers that have nothing to do with it: its next life, whose SYN the
 * capture missed. */
static bool is_foreign(const struct live *live, unsigned d, const struct la_segment *s) {
    if ((s->flags & LA_RST) || !live_is_over(live) || !(live->side[d].flags & SIDE_SEEN) ||
        !(s->flags & LA_ACK))
        return false;
    return misfit(live, d, s->seq) > AHEAD && misfit(live, !d, s->ack) > AHEAD;
}

/* The incarnation that a segment belongs to; NULL when it begins one. */
static struct live *incarnation_of(struct la_tracker *tracker, struct live *newest, unsigned d,
                                   const struct la_segment *s) {
    struct live *older = neighbour(tracker, newest->older);
    if (s->flags & LA_SYN) {
        if (syn_belongs(newest, d, s))
            return newest;
        if (older && (older->side[d].flags & SIDE_ISN) && s->seq == older->side[d].base_seq)
            return older;
        /* An answer to nothing that the capture knows of still answers the latest SYN. */
        bool answers = (s->flags & LA_ACK) && (newest->side[!d].flags & SIDE_SYN_SENT) &&
                       !(newest->side[d].flags & SIDE_SEEN);
        return answers ? newest : NULL;
    }
    if (older && total_misfit(older, d, s) < total_misfit(newest, d, s))
        return older;
    return is_foreign(newest, d, s) ? NULL : newest;
}

static uint16_t one_more(uint16_t lives) {
    return lives < UINT16_MAX ? (uint16_t)(lives + 1) : lives;
}

static void begin(struct live *live, const struct la_segment *s, uint16_t lives) {
    live->incarnation = lives;
    live->expire_ns = LA_TIME_NONE;
    live->first_ns = s->time_ns;
    live->first_frame = s->frame;
    live->first_input = s->input;
}

static struct live *add(struct la_tracker *tracker, const struct key *key, struct live *former,
                        const struct la_segment *s) {
    struct live *live = table_add(tracker->table, key, former);
    if (!live)
        return NULL;
    uint16_t lives = former ? former->incarnation : table_past_lives(tracker->table, key);
    begin(live, s, one_more(lives));
    shorten_chain(tracker, live);
    return live;
}

/* Attributes that a connection gathers on the way */

/* False when there is no room. */
static bool add_sorted(uint16_t *list, uint8_t *count, uint8_t most, uint16_t value) {
    uint8_t i = 0;
    while (i < *count && list[i] < value)
        i++;
    if (i < *count && list[i] == value)
        return true;
    if (*count == most)
        return false;
    memmove(&list[i + 1], &list[i], (size_t)(*count - i) * sizeof *list);
    list[i] = value;
    ++*count;
    return true;
}

static void note_places(struct la_tracker *tracker, struct live *live, const struct la_segment *s) {
    live->tunnels |= s->tunnels & (uint32_t)LIVE_TUNNELS;
    if (live->vlan == 0)
        live->vlan = s->vlans[0] & (uint32_t)LIVE_VLAN;
    bool other_vlan = (s->vlans[0] != live->vlan && s->vlans[0]) || s->vlans[1];
    bool other_input = s->input != live->first_input;
    if (!other_vlan && !other_input)
        return;
    struct extra *extra = extra_of(tracker, live);
    if (!extra)
        return;
    bool room = !other_input ||
                add_sorted(extra->inputs, &extra->input_count, LA_CONNECTION_INPUTS, s->input);
    for (int i = 0; other_vlan && i < 2; i++)
        if (s->vlans[i])
            room &= add_sorted(extra->vlans, &extra->vlan_count, LA_CONNECTION_VLANS, s->vlans[i]);
    extra->crowded |= !room;
}

static enum la_class take_in(struct la_tracker *tracker, struct live *live, unsigned d,
                             const struct la_segment *s, uint32_t fingerprint) {
    struct intake intake = {
        .pool = tracker->pool,
        .segment = s,
        .side = d,
        .fingerprint = fingerprint,
        .verdict = live_classify(live, d, s),
        .newest = live->newer == LA_NO_LIVE,
    };
    note_places(tracker, live, s);
    live_take_in(live, &intake);
    return intake.verdict.class;
}

/* Whoever watches over connections is told of a segment that was taken in. */
static void watch(struct la_tracker *tracker, struct live *live, unsigned d,
                  const struct la_segment *s, enum la_class class) {
    const struct taken taken = {.table = tracker->table,
                                .trails = tracker->trails,
                                .pool = tracker->pool,
                                .live = live,
                                .side = d,
                                .segment = s,
                                .class = class};
    recycle_watch(tracker->recycle, &taken);
    meanwhile_watch(tracker->meanwhile, &taken);
    arm(tracker, live, live_is_over(live), s->time_ns);
}

/* The shelf. Two kinds of 4-tuples come in great numbers and mostly hear nothing more: those that
 * are closed, and those that were never answered. Either lies there in the order of its last
 * packet, which is the order of their expiry. */

/* Whether what expires then may be put behind what lies there: not for long after a step back of
 * the clock. */
static bool is_in_order(const struct la_tracker *tracker, enum shelf_kind kind, int64_t expire_ns) {
    return expire_ns + LA_SEC >= tracker->shelved_ns[kind];
}

static void shelve_closed(struct la_tracker *tracker, const struct key *key, struct live *live) {
    uint8_t packed[SHELF_ITEM_MAX];
    if ((live->flags & LIVE_RETURNED) || !live_is_packable(live) ||
        !is_in_order(tracker, SHELF_CLOSED, live->expire_ns))
        return;
    size_t size = live_pack(live, tracker->table->shapes, packed);
    struct shelf_item *item = table_shelve(tracker->table, live, key->tag, SHELF_CLOSED,
                                           (sizeof *item + size + 7) & ~(size_t)7);
    if (!item)
        return;
    memcpy(item + 1, packed, size);
    live_release(live, tracker->pool);
    table_release(tracker->table, live);
    tracker->shelved_ns[SHELF_CLOSED] = item->expire_ns;
}

/* Whether nobody but their own connection asks what its segments do. */
static inline bool is_private(const struct la_tracker *tracker, const struct live *live,
                              unsigned client) {
    return !meanwhile_listens(tracker->meanwhile, live) &&
           !recycle_listens(tracker->recycle, live, client);
}

/* A record whose first segment this is; false when it is taken in as others are. */
static bool begin_trail(struct la_tracker *tracker, struct live *live, unsigned d,
                        const struct la_segment *s) {
    return !tracker->options.histories && is_private(tracker, live, d) &&
           trail_begin(tracker->trails, live, d, s);
}

/* A closed one, from its record to the shelf: in one order with those that are packed, so that it
 * goes there whenever they would. Else it is a record as others. */
static void shelve_trail(struct la_tracker *tracker, const struct key *key, struct live *live) {
    struct shelf_item *item = NULL;
    if (is_in_order(tracker, SHELF_CLOSED, live->expire_ns))
        item = table_shelve(tracker->table, live, key->tag, SHELF_TRAIL, trail_item_size(live));
    if (!item) {
        trail_leave(tracker->trails, live);
        return;
    }
    trail_write(tracker->trails, live, (struct trail_item *)(void *)item);
    table_release(tracker->table, live);
    tracker->shelved_ns[SHELF_CLOSED] = item->expire_ns;
}

/* What few steps come to, that is one or two of each connection's. */
static __attribute__((noinline)) bool come_to(struct la_tracker *tracker, const struct key *key,
                                              struct live *live, const struct la_segment *s,
                                              unsigned marks) {
    if (marks & TRAIL_OVER)
        await_expiry(tracker, live);
    if (marks & TRAIL_STAMPED)
        recycle_remember(tracker->recycle, live, key->swapped, s);
    if (marks & TRAIL_CLOSED)
        shelve_trail(tracker, key, live);
    return true;
}

/* A step was taken. */
__attribute__((always_inline)) static inline bool arrive(struct la_tracker *tracker,
                                                         const struct key *key, struct live *live,
                                                         const struct la_segment *s,
                                                         unsigned marks) {
    set_expiry(live, marks & TRAIL_OVER, s->time_ns);
    return marks != 0 ? come_to(tracker, key, live, s, marks) : true;
}

static __attribute__((noinline)) bool go_on_anyway(struct la_tracker *tracker,
                                                   const struct key *key, struct live *live,
                                                   const struct la_segment *s) {
    unsigned marks;
    if (is_private(tracker, live, live->on_trail.client) &&
        trail_go_on(tracker->trails, live, key->swapped, s, &marks))
        return arrive(tracker, key, live, s, marks);
    trail_leave(tracker->trails, live);
    return false;
}

/* The next segment of a record on a trail; false when it is none, and the record as others are. */
static bool go_on_trail(struct la_tracker *tracker, const struct key *key, struct live *live,
                        const struct la_segment *s) {
    unsigned marks;
    return is_private(tracker, live, live->on_trail.client) &&
                   trail_go_usual_way(tracker->trails, live, key->swapped, s, &marks)
               ? arrive(tracker, key, live, s, marks)
               : go_on_anyway(tracker, key, live, s);
}

/* False when it needs a record. */
static bool shelve_attempt(struct la_tracker *tracker, const struct key *key,
                           const struct la_segment *s) {
    if (table_lives(tracker->table) < LIVES_FEW ||
        !is_in_order(tracker, SHELF_ATTEMPT, s->time_ns + LIVE_REMEMBERED_NS))
        return false;
    uint16_t kind =
        attempt_kind_of(&tracker->kinds, s, one_more(table_past_lives(tracker->table, key)));
    if (kind == SHAPE_NONE || recycle_suspects(tracker->recycle, key, s))
        return false;
    struct attempt *attempt = (struct attempt *)(void *)table_add_item(
        tracker->table, key, SHELF_ATTEMPT, sizeof *attempt);
    if (!attempt)
        return false;
    attempt_write(attempt, s, kind, key->swapped);
    tracker->shelved_ns[SHELF_ATTEMPT] = attempt->item.expire_ns;
    return true;
}

static void take_attempt(struct la_tracker *tracker, struct live *live,
                         const struct attempt *attempt) {
    struct la_segment segment;
    attempt_read(&tracker->kinds, attempt, &segment);
    begin(live, &segment, attempt_lives(&tracker->kinds, attempt));
    live_take_head(live, &attempt->item);
    take_in(tracker, live, attempt->side, &segment, live_fingerprint(&segment));
}

/* What is about to follow it may be as usual, or a copy, which does not make it last. */
static void resume_attempt(struct la_tracker *tracker, struct live *live,
                           const struct attempt *attempt) {
    struct la_segment segment;
    attempt_read(&tracker->kinds, attempt, &segment);
    begin(live, &segment, attempt_lives(&tracker->kinds, attempt));
    live->expire_ns = attempt->item.expire_ns;
    if (!begin_trail(tracker, live, attempt->side, &segment))
        take_in(tracker, live, attempt->side, &segment, live_fingerprint(&segment));
}

/* The log and the traffic of a record that was just unpacked, moved to where they may grow. */
static bool settle_in(struct la_tracker *tracker, struct live *live) {
    if (live->flow) {
        struct flow *flow = la_pool_take(tracker->pool, sizeof *flow);
        if (flow)
            *flow = *live->flow;
        live->flow = flow;
        if (!flow)
            return false;
    }
    const struct la_log_base base = live_log_base(live);
    return la_log_copy(&live->log, &base, tracker->pool);
}

/* A record again; NULL when out of memory. */
static struct live *bring_back(struct la_tracker *tracker, const struct key *key, uint32_t place) {
    struct live *live = table_unshelve(tracker->table, key, place);
    struct shelf_item *item = shelf_at(tracker->table->shelf, place);
    struct unpacked room;
    if (!live)
        return NULL;
    switch (item->kind) {
    case SHELF_ATTEMPT:
        resume_attempt(tracker, live, (struct attempt *)(void *)item);
        break;
    case SHELF_TRAIL:
        trail_read(tracker->trails, (struct trail_item *)(void *)item, live);
        live->flags |= LIVE_RETURNED;
        break;
    default:
        live_unpack(live, &room, tracker->table->shapes, item);
        if (!settle_in(tracker, live))
            return NULL;
        live->flags |= LIVE_RETURNED;
    }
    shelf_take_off(tracker->table->shelf, place);
    await_expiry(tracker, live);
    return live;
}

/* As the one before it. */
static void settle_like(struct la_tracker *tracker, const struct attempt *attempt, int64_t end_ns) {
    const struct last_seen last = {attempt->item.expire_ns - LIVE_REMEMBERED_NS,
                                   tracker->alike.connection.inputs[0], 0};
    const struct settle_context context = context_of(tracker, last, end_ns);
    view_liken(&tracker->alike, &context, attempt);
    tracker->options.on_settled(tracker->options.context, &tracker->alike.connection);
}

/* The first of its like. A lone SYN is never remarkable, and has no neighbour. */
static void settle_first(struct la_tracker *tracker, const struct attempt *attempt,
                         int64_t end_ns) {
    struct live live = {0};
    take_attempt(tracker, &live, attempt);
    const struct settle_context context = context_of(tracker, last_of(&live), end_ns);
    bool filled = view_fill(&tracker->alike, &context, &live);
    live_release(&live, tracker->pool);
    tracker->alike_to = filled ? *attempt : (struct attempt){0};
    tracker->out_of_memory |= !filled;
    if (!filled)
        return;
    settle_ordinary(&tracker->alike);
    tracker->options.on_settled(tracker->options.context, &tracker->alike.connection);
}

/* With its histories. */
static void settle_alone(struct la_tracker *tracker, const struct attempt *attempt,
                         int64_t end_ns) {
    struct live live = {0};
    take_attempt(tracker, &live, attempt);
    settle(tracker, &live, end_ns);
    live_release(&live, tracker->pool);
}

static void settle_attempt(struct la_tracker *tracker, const struct attempt *attempt,
                           int64_t end_ns) {
    if (tracker->options.histories)
        settle_alone(tracker, attempt, end_ns);
    else if (attempt_is_alike(&tracker->alike_to, attempt))
        settle_like(tracker, attempt, end_ns);
    else
        settle_first(tracker, attempt, end_ns);
}

/* Says how often its 4-tuple has lived. */
static uint16_t settle_closed(struct la_tracker *tracker, struct shelf_item *item, int64_t end_ns) {
    struct live live = {0};
    struct unpacked room;
    live_unpack(&live, &room, tracker->table->shapes, item);
    settle(tracker, &live, end_ns);
    return live.incarnation;
}

/* The first one that went this way. */
static void settle_leader(struct la_tracker *tracker, const struct trail_item *item,
                          int64_t end_ns) {
    struct live live = {0};
    trail_read(tracker->trails, item, &live);
    settle(tracker, &live, end_ns);
    trail_learn_story(tracker->trails, item, &tracker->views[1]);
    live_release(&live, tracker->pool);
}

static struct settle_context trail_context(const struct la_tracker *tracker,
                                           const struct trail_item *item, int64_t end_ns) {
    return context_of(tracker, trail_last_seen(tracker->trails, item), end_ns);
}

static void tell_rest(void *context) {
    struct la_tracker *tracker = context;
    const struct settle_context settling =
        trail_context(tracker, tracker->told_item, tracker->told_end_ns);
    if (!trail_tell_rest(tracker->trails, &settling, tracker->told_item))
        tracker->out_of_memory = true;
}

static void settle_trail(struct la_tracker *tracker, const struct trail_item *item,
                         int64_t end_ns) {
    const struct settle_context context = trail_context(tracker, item, end_ns);
    struct view *view = trail_tell_story(tracker->trails, &context, item);
    if (!view) {
        settle_leader(tracker, item, end_ns);
        return;
    }
    settle_vantage(view);
    tracker->told_item = item;
    tracker->told_end_ns = end_ns;
    tracker->untold = (struct la_untold){tell_rest, tracker};
    view->connection.untold = &tracker->untold;
    tracker->options.on_settled(tracker->options.context, &view->connection);
}

static void retire_item(struct la_tracker *tracker, struct shelf_item *item, uint32_t place,
                        int64_t end_ns) {
    const struct attempt *attempt = (const struct attempt *)(const void *)item;
    const struct trail_item *trail = (const struct trail_item *)(const void *)item;
    uint16_t lives;
    la_prefetch((const char *)item + RETIRED_AHEAD, 2 * LA_CACHE_LINE); /* most lie in a row */
    switch (item->kind) {
    case SHELF_ATTEMPT:
        settle_attempt(tracker, attempt, end_ns);
        lives = attempt_lives(&tracker->kinds, attempt);
        break;
    case SHELF_TRAIL:
        settle_trail(tracker, trail, end_ns);
        lives = trail->trail.lives;
        break;
    default:
        lives = settle_closed(tracker, item, end_ns);
    }
    if (tracker->finishing) {
        shelf_take_off(tracker->table->shelf, place);
        return;
    }
    table_note_item_lives(tracker->table, item, lives);
    table_forget_item(tracker->table, place);
}

static void clear_row(struct la_tracker *tracker, enum shelf_kind kind, int64_t now_ns) {
    struct shelf *shelf = tracker->table->shelf;
    struct shelf_item *item;
    for (uint32_t place; (item = shelf_oldest(shelf, kind, &place)) != NULL;) {
        bool expired = item->expire_ns < now_ns;
        if (!expired && !tracker->finishing)
            return;
        retire_item(tracker, item, place, expired ? item->expire_ns : now_ns);
    }
}

static void clear_shelf(struct la_tracker *tracker, int64_t now_ns) {
    clear_row(tracker, SHELF_ATTEMPT, now_ns);
    clear_row(tracker, SHELF_CLOSED, now_ns);
    clear_row(tracker, SHELF_TRAIL, now_ns);
}

/* A second of the capture's time is over. A step back (of a clock, or another capture in the same
 * file) just restarts it. */
static void turn_wheel(struct la_tracker *tracker, int64_t now_ns) {
    bool first = tracker->now_ns == LA_TIME_NONE;
    int64_t from = la_floor_seconds(tracker->second_ns), to = la_floor_seconds(now_ns);
    tracker->second_ns = to * LA_SEC;
    tracker->wheel_at = (unsigned)((uint64_t)to % WHEEL);
    tracker->now_ns = now_ns;
    if (first || to <= from)
        return;
    if (to - from > WHEEL)
        from = to - WHEEL;
    for (int64_t second = from; second < to; second++)
        sweep(tracker, (unsigned)((uint64_t)second % WHEEL));
    clear_shelf(tracker, now_ns);
}

static void advance(struct la_tracker *tracker, int64_t now_ns) {
    uint64_t into = (uint64_t)now_ns - (uint64_t)tracker->second_ns;
    if (into >= LA_SEC)
        turn_wheel(tracker, now_ns);
    tracker->now_ns = now_ns;
}

/* The newest incarnation of a 4-tuple, as a record; NULL when there is none that still counts.
 * False when out of memory. */
static bool find(struct la_tracker *tracker, const struct key *key, int64_t now_ns,
                 struct live **newest) {
    struct found found = table_find(tracker->table, key);
    *newest = found.live;
    if (found.shelved != SHELF_NOTHING) {
        struct shelf_item *item = shelf_at(tracker->table->shelf, found.shelved);
        if (item->expire_ns < now_ns) {
            retire_item(tracker, item, found.shelved, item->expire_ns);
            return true;
        }
        *newest = bring_back(tracker, key, found.shelved);
        return *newest != NULL;
    }
    if (*newest && has_expired(*newest, now_ns)) {
        retire(tracker, *newest, (*newest)->expire_ns);
        *newest = NULL;
    }
    return true;
}

static bool take_expected(struct la_tracker *tracker, const struct key *key, struct live *live,
                          const struct la_segment *segment) {
    unsigned d = key->swapped;
    struct intake intake = {.pool = tracker->pool,
                            .segment = segment,
                            .side = d,
                            .fingerprint = live_fingerprint(segment),
                            .newest = true};
    if (has_expired(live, segment->time_ns) || !live_take_expected(live, &intake))
        return false;
    enum la_class class = intake.verdict.class;
    bool goes_on = class == LA_CLASS_DATA || class == LA_CLASS_ACK;
    if (goes_on && live->expire_ns == LA_TIME_NONE && meanwhile_is_idle(tracker->meanwhile))
        return true; /* nobody has anything to say to that */
    watch(tracker, live, d, segment, class);
    shelve_closed(tracker, key, live);
    return true;
}

/* The first segment of a 4-tuple that is in the table no more, or was never. */
static enum la_status take_first(struct la_tracker *tracker, const struct key *key,
                                 const struct la_segment *segment) {
    if (segment->time_ns > tracker->newest_ns || shelve_attempt(tracker, key, segment))
        return LA_OK;
    struct live *live = add(tracker, key, NULL, segment);
    if (!live)
        return LA_ENOMEM;
    if (!recycle_suspects(tracker->recycle, key, segment) &&
        begin_trail(tracker, live, key->swapped, segment))
        arm(tracker, live, true, segment->time_ns);
    else
        watch(tracker, live, key->swapped, segment,
              take_in(tracker, live, key->swapped, segment, live_fingerprint(segment)));
    return LA_OK;
}

static enum la_status take_next(struct la_tracker *tracker, const struct key *key,
                                struct live *newest, const struct la_segment *segment) {
    unsigned d = key->swapped;
    uint32_t fingerprint = live_fingerprint(segment);
    for (struct live *live = newest; live; live = neighbour(tracker, live->older)) {
        if (is_copy(tracker, live, d, segment, fingerprint)) {
            if (live->duplicates < UINT16_MAX)
                live->duplicates++;
            return LA_OK;
        }
    }
    struct live *live = incarnation_of(tracker, newest, d, segment);
    if (!live)
        live = add(tracker, key, newest, segment);
    if (!live)
        return LA_ENOMEM;
    watch(tracker, live, d, segment, take_in(tracker, live, d, segment, fingerprint));
    shelve_closed(tracker, key, live);
    return LA_OK;
}

/* What needs no more than a look at the record: most do. One that is on a trail is in use, and the
 * newest: whoever adds another takes it off. */
static inline bool take_at_once(struct la_tracker *tracker, const struct key *key,
                                struct live *likely, const struct la_segment *segment) {
    return likely->flags & LIVE_ON_TRAIL
               ? go_on_trail(tracker, key, likely, segment)
               : table_is_newest(likely) && take_expected(tracker, key, likely, segment);
}

/* Of a 4-tuple that is not where it was looked for, or that is in need of more than a look. */
static enum la_status take_closely(struct la_tracker *tracker, const struct key *key,
                                   const struct la_segment *segment) {
    struct live *newest;
    if (!find(tracker, key, segment->time_ns, &newest))
        return LA_ENOMEM;
    if (!newest)
        return take_first(tracker, key, segment);
    if ((newest->flags & LIVE_ON_TRAIL) && go_on_trail(tracker, key, newest, segment))
        return LA_OK;
    return take_next(tracker, key, newest, segment);
}

static inline enum la_status take_segment(struct la_tracker *tracker, const struct key *key,
                                          struct live *likely, const struct la_segment *segment) {
    advance(tracker, segment->time_ns);
    if (table_is_of(likely, key) && take_at_once(tracker, key, likely, segment))
        return LA_OK;
    return take_closely(tracker, key, segment);
}

/* An ICMP error is believed of the life whose sequence space holds what it quotes (RFC 5927, 4.1);
 * one about a connection that the capture does not know says nothing. */
static enum la_status take_notice(struct la_tracker *tracker, const struct la_segment *notice,
                                  const struct key *key) {
    advance(tracker, notice->time_ns);
    unsigned d = key->swapped;
    struct live *live;
    if (!find(tracker, key, notice->time_ns, &live))
        return LA_ENOMEM;
    if (live)
        leave_trail(tracker, live);
    while (live && (misfit(live, d, notice->seq) > 0 || seq_lt(live->side[d].next, notice->seq)))
        live = neighbour(tracker, live->older);
    if (!live || (live->flags & LIVE_SETTLED) || is_ignored(live, notice->input))
        return LA_OK;
    return live_take_notice(live, tracker->pool, d, notice) ? LA_OK : LA_ENOMEM;
}

/* What hangs on the record: the end of the log, where it goes on, and its beginning, which is read
 * when it is closed; then the shelf is asked for as well. */
static inline void prefetch_rest(const struct la_tracker *tracker, const struct key *key,
                                 const struct live *live, const struct la_segment *segment) {
    bool is_last = trail_nears_end(tracker->trails, live);
    __builtin_prefetch(live->log.bytes);
    __builtin_prefetch(live->log.bytes + live->log.used, 1);
    __builtin_prefetch((const void *)(uintptr_t)la_select(
        is_last, (uintptr_t)table_shelving(tracker->table, key), (uintptr_t)live->log.bytes));
    if (live->flow)
        la_prefetch_to_write(live->flow, sizeof *live->flow);
    if ((live->self | (uint32_t)la_is_first(segment)) == LA_NO_LIVE)
        table_prefetch_item(tracker->table, key);
}

/* Segments may have been decoded on another core. The table is far larger than any cache, and the
 * next segment is of another connection: the memory of a whole group is asked for before the first
 * of them is looked at. `more` follow. */
static enum la_status take_group(struct la_tracker *tracker,
                                 const struct la_segment *const *segments, size_t count,
                                 size_t more) {
    struct key keys[GROUP];
    struct live *likely[GROUP];
    struct recycle_asked asked;
    for (size_t i = 0; i < count; i++) {
        if (i + SEGMENTS_AHEAD < count + more)
            la_prefetch(segments[i + SEGMENTS_AHEAD], sizeof *segments[0]);
        if (!table_key(tracker->table, segments[i], &keys[i]))
            return LA_ENOMEM;
    }
    recycle_ask_tags(tracker->recycle, keys, segments, count, &asked);
    table_likely(tracker->table, keys, count, likely);
    recycle_ask_entries(tracker->recycle, &asked);
    for (size_t i = 0; i < count; i++)
        prefetch_rest(tracker, &keys[i], likely[i], segments[i]);
    for (size_t i = 0; i < count; i++) {
        enum la_status status = segments[i]->options & LA_IS_NOTICE
                                    ? take_notice(tracker, segments[i], &keys[i])
                                    : take_segment(tracker, &keys[i], likely[i], segments[i]);
        if (status != LA_OK)
            return LA_ENOMEM;
    }
    return LA_OK;
}

enum la_status la_tracker_segments(struct la_tracker *tracker,
                                   const struct la_segment *const *segments, size_t count) {
    for (size_t group; count > 0; segments += group) {
        group = count < GROUP ? count : GROUP;
        count -= group;
        if (take_group(tracker, segments, group, count) != LA_OK)
            return LA_ENOMEM;
    }
    return tracker->out_of_memory || la_pool_failed(tracker->pool) ? LA_ENOMEM : LA_OK;
}

void la_tracker_pauses(struct la_tracker *tracker, const struct la_pause *pauses, size_t count) {
    tracker->pauses = pauses;
    tracker->pause_count = count;
}

void la_tracker_links(struct la_tracker *tracker, const struct la_links *links) {
    tracker->links = links;
}

enum la_status la_tracker_finish(struct la_tracker *tracker, int64_t end_ns) {
    tracker->finishing = true;
    for (uint32_t i = 1; i < table_top(tracker->table); i++) {
        struct live *live = table_at(tracker->table, i);
        if (i + AHEAD_AT_END < table_top(tracker->table))
            __builtin_prefetch(table_at(tracker->table, i + AHEAD_AT_END)->log.bytes);
        if (live->self == LA_NO_LIVE || live->newer != LA_NO_LIVE)
            continue;
        bool expired = has_expired(live, end_ns);
        retire(tracker, live, expired ? live->expire_ns : end_ns);
    }
    clear_shelf(tracker, end_ns);
    table_clear(tracker->table);
    return tracker->out_of_memory || la_pool_failed(tracker->pool) ? LA_ENOMEM : LA_OK;
}
