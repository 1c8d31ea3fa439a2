/* Who waited for whom: keepalive probes, closed windows and the probes of them, data repeated in
 * vain. Noted as sums while they happen, because they may go on for days or come at the end of a
 * day: the log only keeps the first ones, and those that nobody answered. */
#include "track/live.h"

#include "base/time.h"
#include "track/waits.h"

#include <string.h>

/* Nobody probes sooner. */
#define SHORTEST_IDLE_NS (500 * LA_MSEC)
/* Nobody waits longer, and multiples of it are numbers. */
#define LONGEST_NS (1000000 * LA_SEC)

/* Each side's; those of a row without an answer may be a few more. */
enum { PROBES_LOGGED = 16, REPEATS_LOGGED = 16, ROW_LOGGED = 40 };

static struct la_where place_of(const struct la_segment *s) {
    return (struct la_where){s->time_ns, s->frame, s->input};
}

static void row_add(struct la_row *row, const struct la_segment *s) {
    struct la_where here = place_of(s);
    if (row->count == 0) {
        *row = (struct la_row){.count = 1, .first = here, .last = here};
        return;
    }
    int64_t gap = s->time_ns - row->last.time_ns;
    if (gap < 0)
        gap = 0; /* the capture's clock has stepped back */
    if (gap > LONGEST_NS)
        gap = LONGEST_NS;
    if (row->count == 1 || gap < row->gap_min_ns)
        row->gap_min_ns = gap;
    if (row->count == 1 || gap > row->gap_max_ns)
        row->gap_max_ns = gap;
    row->gap_ns = gap;
    row->timer_ns = la_doubled_timer(row->timer_ns, gap);
    row->last = here;
    if (row->count < UINT32_MAX)
        row->count++;
}

/* Cleared; NULL when out of memory: then this is not noted. */
static void *make_room(struct live *live, const struct intake *in, size_t size) {
    if (!live_make_extra(live, in->pool))
        return NULL;
    void *room = la_pool_take(in->pool, size);
    if (room)
        memset(room, 0, size);
    return room;
}

/* Keepalive */

static struct la_keepalive *keepalive_of(struct live *live, const struct intake *in) {
    struct extra *extra = live_extra(live);
    if (extra && extra->keepalive[in->side])
        return extra->keepalive[in->side];
    struct la_keepalive *made = make_room(live, in, sizeof *made);
    if (!made)
        return NULL;
    made->idle_ns = made->interval_ns = -1;
    live_extra(live)->keepalive[in->side] = made;
    return made;
}

/* Both ends have closed: what comes now is about no living connection. */
static bool is_closed(const struct live *live) {
    unsigned both = live->side[0].flags & live->side[1].flags;
    return (both & SIDE_FIN) || ((live->side[0].flags | live->side[1].flags) & SIDE_RST);
}

/* Since the last segment of that side; -1 when it sent none. */
static int64_t silence_of(const struct live_side *side, const struct la_segment *s) {
    return side->flags & SIDE_SEEN ? s->time_ns - side->last_ns : -1;
}

/* What comes right behind another segment, or is no newer, is an ACK from before that was
 * overtaken, or a copy of one. */
static bool was_overtaken(const struct live *live, const struct intake *in) {
    const struct live_side *me = &live->side[in->side], *peer = &live->side[!in->side];
    bool stamped = (me->flags & SIDE_TIMESTAMPS) && (in->segment->options & LA_HAS_TIMESTAMPS);
    if (stamped && !seq_lt(me->tsval, in->segment->tsval))
        return true;
    return silence_of(me, in->segment) < SHORTEST_IDLE_NS ||
           ((peer->flags & SIDE_SEEN) && silence_of(peer, in->segment) < SHORTEST_IDLE_NS);
}

static void take_keepalive(struct live *live, const struct intake *in) {
    if (is_closed(live) || was_overtaken(live, in))
        return;
    struct la_keepalive *k = keepalive_of(live, in);
    if (!k)
        return;
    int64_t idle = silence_of(&live->side[!in->side], in->segment);
    if (idle > LONGEST_NS)
        idle = LONGEST_NS;
    if (k->waiting.count == 0 && idle >= 0 && (k->idle_ns < 0 || idle < k->idle_ns))
        k->idle_ns = idle;
    if (k->probes++ == 0)
        k->first = place_of(in->segment);
    row_add(&k->waiting, in->segment);
    if (k->waiting.count > 1 && (k->interval_ns < 0 || k->waiting.gap_ns < k->interval_ns))
        k->interval_ns = k->waiting.gap_ns;
}

static void answer_keepalive(struct la_keepalive *k, const struct la_segment *s) {
    if (!k || k->waiting.count == 0)
        return;
    k->answers++;
    k->answer = place_of(s);
    k->waiting.count = 0;
}

/* Closed windows */

static bool is_open_stall(const struct la_stall *stall) {
    return stall->closed.frame != 0 && stall->opened.frame == 0;
}

static int64_t length_of(const struct la_stall *stall) {
    return stall->opened.time_ns - stall->closed.time_ns;
}

static void close_window(struct live *live, const struct intake *in) {
    struct extra *extra = live_extra(live);
    struct la_stalls *stalls = extra ? extra->stalls[in->side] : NULL;
    if (!stalls) {
        stalls = make_room(live, in, sizeof *stalls);
        if (!stalls)
            return;
        live_extra(live)->stalls[in->side] = stalls;
    }
    const struct la_stall *last = &stalls->last;
    bool longest = last->probes.count > 0 && (stalls->longest.closed.frame == 0 ||
                                              length_of(last) > length_of(&stalls->longest));
    if (longest)
        stalls->longest = *last;
    stalls->last = (struct la_stall){.closed = place_of(in->segment)};
}

static void open_window(struct la_stall *stall, const struct la_segment *s) {
    stall->opened = place_of(s);
    stall->unanswered = 0;
}

/* The window of the sender of this segment, as it was and as it is now. */
static void take_window(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    const struct live_side *me = &live->side[in->side];
    const struct extra *extra = live_extra(live);
    struct la_stalls *stalls = extra ? extra->stalls[in->side] : NULL;
    bool is_open = stalls && is_open_stall(&stalls->last);
    if (s->flags & LA_SYN)
        return;
    if (s->window == 0 && !is_open && (me->flags & SIDE_SEEN))
        close_window(live, in);
    else if (s->window != 0 && is_open)
        open_window(&stalls->last, s);
    else if (is_open && stalls->last.unanswered > 0)
        stalls->last.unanswered = 0;
}

/* What the peer of a closed window sends: probes, some stacks with a byte of data in them. */
static void take_window_probe(struct la_stalls *stalls, const struct la_segment *s) {
    struct la_stall *stall = &stalls->last;
    if (stall->probes.count == 0)
        stalls->count++;
    row_add(&stall->probes, s);
    stalls->probes++;
    if (stall->unanswered++ == 0)
        stall->waiting = place_of(s);
}

static void meet_window(struct la_stalls *stalls, const struct intake *in) {
    const struct la_segment *s = in->segment;
    if (!stalls || stalls->last.closed.frame == 0)
        return;
    bool probe = in->verdict.class == LA_CLASS_WINDOW_PROBE || s->payload == 1;
    if (is_open_stall(&stalls->last) && probe)
        take_window_probe(stalls, s);
    else if (!is_open_stall(&stalls->last) && stalls->last.resumed.frame == 0 &&
             (s->payload > 0 || (s->flags & LA_FIN)))
        stalls->last.resumed = place_of(s);
}

/* Repeats */

/* The first number of `side` that its peer has not acknowledged. */
static uint32_t head_of(const struct live *live, unsigned side) {
    return live->side[!side].acked;
}

const struct la_repeats *live_repeats(const struct live *live, unsigned side) {
    const struct extra *extra = live_extra(live);
    const struct la_repeats *r = extra ? extra->repeats[side] : NULL;
    return r && r->row.count > 0 && r->head == head_of(live, side) ? r : NULL;
}

static void begin_repeats(const struct live *live, const struct intake *in, struct la_repeats *r) {
    const struct live_side *me = &live->side[in->side];
    *r = (struct la_repeats){.head = head_of(live, in->side)};
    if (me->last_payload > 0 && me->next - me->last_payload == in->segment->seq)
        r->original = (struct la_where){me->last_ns, me->last_frame, live->input[in->side]};
}

/* A retransmission time-out sends the first unacknowledged data, and only that. */
static void take_repeat(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    uint32_t head = head_of(live, in->side);
    if (!(live->side[!in->side].flags & SIDE_ACKED) || seq_lt(head, s->seq) ||
        seq_leq(s->seq + s->payload, head))
        return;
    struct extra *extra = live_extra(live);
    struct la_repeats *r = extra ? extra->repeats[in->side] : NULL;
    if (!r) {
        r = make_room(live, in, sizeof *r);
        if (!r)
            return;
        live_extra(live)->repeats[in->side] = r;
    }
    if (r->row.count == 0 || r->head != head)
        begin_repeats(live, in, r);
    row_add(&r->row, s);
}

/* What was sent again is acknowledged: most repeats end so at once, and leave nothing behind. */
static void end_repeats(struct live *live, const struct intake *in) {
    static const struct extra nothing;
    struct extra *extra = live_extra(live);
    struct la_repeats *r = extra->repeats[!in->side];
    if (!r || !(in->segment->flags & LA_ACK) || seq_leq(in->segment->ack, r->head))
        return;
    la_pool_give(in->pool, r, sizeof *r);
    extra->repeats[!in->side] = NULL;
    if (memcmp(extra, &nothing, sizeof nothing) == 0) {
        la_pool_give(in->pool, extra, sizeof *extra);
        live->flow->extra = NULL;
    }
}

void live_take_waiting(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    enum la_class class = in->verdict.class;
    if (class == LA_CLASS_OUTSIDE || (s->flags & LA_RST))
        return;
    const struct extra *extra = live_extra(live);
    if (extra) {
        if (!(live->side[!in->side].flags & SIDE_RST)) /* it has given up */
            answer_keepalive(extra->keepalive[!in->side], s);
        meet_window(extra->stalls[!in->side], in);
        take_window(live, in);
        end_repeats(live, in);
    } else if (s->window == 0) {
        take_window(live, in);
    }
    if (class == LA_CLASS_KEEPALIVE)
        take_keepalive(live, in);
    else if (s->payload > 0 && (class == LA_CLASS_DATA_AGAIN || class == LA_CLASS_FIN_AGAIN))
        take_repeat(live, in);
}

/* The log */

bool live_wants_probe(const struct live *live, const struct intake *in) {
    const struct extra *extra = live_extra(live);
    if (in->verdict.class == LA_CLASS_KEEPALIVE) {
        const struct la_keepalive *k = extra ? extra->keepalive[in->side] : NULL;
        return !k || k->probes < PROBES_LOGGED ||
               (k->waiting.count > 0 && k->waiting.count < ROW_LOGGED);
    }
    const struct la_stalls *stalls = extra ? extra->stalls[!in->side] : NULL;
    return !stalls || stalls->probes < PROBES_LOGGED ||
           (stalls->last.unanswered > 0 && stalls->last.unanswered < ROW_LOGGED);
}

bool live_wants_repeat(const struct live *live, const struct intake *in) {
    const struct la_repeats *r = live_repeats(live, in->side);
    return !live->flow || live->flow->side[in->side].retransmitted_segments <= REPEATS_LOGGED ||
           (r && r->row.count >= 2 && r->row.count < ROW_LOGGED);
}
