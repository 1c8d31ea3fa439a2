/* Which segments arrived, judged from what their receiver did.
 *
 * A capture proves that a segment passed, never that it arrived. Three things tell more: an
 * acknowledgement that covers it, a repetition that its sender would not have made, and TCP's own
 * marks of what was accepted (TSecr, D-SACK). Next to the receiver a segment has at least reached
 * the receiver's tap. */
#include "track/settle.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/listening.h"
#include "track/old_copy.h"

/* An acknowledgement may be delayed by 40 ms (Linux). */
enum { ANSWER_NS = 60000000 };
/* A host that goes on without a repeated FIN for this long has its ACK: three repeats would have
 * passed. */
#define QUIET_NS (1500 * LA_MSEC)

static bool is_fin_copy(const struct la_observation *o, unsigned side, uint32_t fin_end) {
    return o->from == side && (o->flags & LA_FIN) && o->seq + o->payload + 1 == fin_end;
}

static bool is_syn_copy(const struct la_observation *o, unsigned side, uint32_t isn) {
    return o->from == side && (o->flags & LA_SYN) && o->seq == isn;
}

/* One question: the copies of one segment of `side` (its SYN or FIN), and what its peer said. */
struct question {
    struct view *view;
    unsigned side;
    uint32_t mark; /* the ISN, or the FIN's end */
    bool syn;
};

/* Where SYNs crossed, a SYN-ACK of the same number is no copy of the SYN: it answers the peer's. */
static bool is_copy_of(const struct question *q, const struct la_observation *o) {
    if (o->from != q->side)
        return false;
    if (!q->syn)
        return is_fin_copy(o, q->side, q->mark);
    bool answers = q->view->connection.side[q->side].syn_sent && (o->flags & LA_ACK);
    return !answers && is_syn_copy(o, q->side, q->mark);
}

static uint32_t end_of(const struct question *q) {
    return q->syn ? q->mark + 1 : q->mark;
}

/* The first acknowledgement that its receiver sent of it; log_count when there is none. */
static size_t first_cover(const struct question *q) {
    const struct la_connection *c = &q->view->connection;
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from != q->side && la_covers(&c->log[i], end_of(q)))
            return i;
    return c->log_count;
}

/* Whoever gets a SYN or FIN again acknowledges it again, soon. */
static bool is_answered(const struct question *q, size_t copy) {
    const struct la_connection *c = &q->view->connection;
    int64_t turnaround = c->vantage.turnaround_ns[!q->side];
    int64_t until = c->log[copy].time_ns + 2 * (turnaround > 0 ? turnaround : 0) + ANSWER_NS;
    for (size_t i = copy + 1; i < c->log_count && c->log[i].time_ns <= until; i++)
        if (c->log[i].from != q->side && la_covers(&c->log[i], end_of(q)))
            return true;
    return false;
}

/* Decides which copy of a SYN or FIN was the first to arrive. */
static void judge_copies(const struct question *q) {
    struct view *view = q->view;
    const struct la_connection *c = &view->connection;
    size_t cover = first_cover(q), first = c->log_count, latest = c->log_count;
    bool near = la_is_near(c, !q->side);
    for (size_t i = 0; i < c->log_count; i++) {
        if (!is_copy_of(q, &c->log[i]))
            continue;
        bool in_time = cover < c->log_count && i < cover &&
                       view->times[i].arrived_ns <= view->times[cover].sent_ns + LA_JITTER_NS;
        if (cover == c->log_count) {
            view->log[i].arrival = near ? LA_ARRIVAL_KNOWN : LA_ARRIVAL_ASSUMED;
        } else if (in_time || latest == c->log_count) {
            first = latest == c->log_count ? i : first;
            latest = i;
        } else {
            view->log[i].arrival =
                (uint8_t)(near || is_answered(q, i) ? LA_ARRIVAL_KNOWN : LA_ARRIVAL_LOST);
        }
    }
    if (cover == c->log_count || latest == c->log_count)
        return;
    view->log[latest].arrival = LA_ARRIVAL_KNOWN;
    if (first == latest)
        return;
    enum la_echo echo = la_read_echo(c, cover, first, latest);
    enum la_arrival verdict = echo == LA_ECHO_EARLIER_ARRIVED ? LA_ARRIVAL_KNOWN
                              : echo == LA_ECHO_EARLIER_LOST  ? LA_ARRIVAL_LOST
                              : near                          ? LA_ARRIVAL_KNOWN
                                                              : LA_ARRIVAL_LOST;
    for (size_t i = 0; i < latest; i++)
        if (is_copy_of(q, &c->log[i]))
            view->log[i].arrival = (uint8_t)verdict;
}

/* A FIN that its receiver does not acknowledge with what it sends has not been taken yet, whatever
 * the way usually takes. */
static void delay_fin(const struct question *q) {
    struct view *view = q->view;
    const struct la_connection *c = &view->connection;
    int64_t before = LA_TIME_NONE, cover = INT64_MAX;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == q->side || (o->flags & (LA_ACK | LA_SYN | LA_RST)) != LA_ACK ||
            o->class == LA_CLASS_OUTSIDE)
            continue;
        if (la_covers(o, end_of(q)) && view->times[i].sent_ns < cover)
            cover = view->times[i].sent_ns;
        else if (!la_covers(o, end_of(q)) && view->times[i].sent_ns > before)
            before = view->times[i].sent_ns;
    }
    for (size_t i = 0; i < c->log_count && before < cover; i++)
        if (is_copy_of(q, &c->log[i]) && view->times[i].arrived_ns <= before)
            view->times[i].arrived_ns = before + 1;
}

/* A socket whose FIN came second is gone with the ACK of it: then it sends nothing but RSTs. */
static bool closes_with_ack(const struct question *q) {
    const struct la_connection *c = &q->view->connection;
    const struct la_endpoint *me = &c->side[q->side], *peer = &c->side[!q->side];
    for (size_t i = 0; !q->syn && peer->fin_seen && i < c->log_count; i++)
        if (is_copy_of(q, &c->log[i]))
            return (c->log[i].flags & LA_ACK) && seq_leq(peer->fin_end, c->log[i].ack) &&
                   me->fin_seen;
    return false;
}

/* True when `side` did after the acknowledgement at `ack` should have reached it what it would not
 * have done with it: sent another copy, or anything at all where it would have been closed. */
static bool contradicted(const struct question *q, size_t ack) {
    const struct la_connection *c = &q->view->connection;
    int64_t arrived = q->view->times[ack].arrived_ns;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        int64_t age;
        if (o->from != q->side || q->view->times[i].sent_ns <= arrived + LA_JITTER_NS)
            continue;
        if ((is_copy_of(q, o) || (!(o->flags & LA_RST) && closes_with_ack(q))) &&
            la_read_old_copy(c, i, &age) != LA_SURELY_OLD)
            return true;
    }
    return false;
}

/* How long without another copy says that there will be none: three times the last gap between two
 * of them, which doubles each time. */
static int64_t patience(const struct question *q, size_t before) {
    int64_t last = 0, gap = 0;
    size_t count = 0;
    for (size_t i = 0; i < before; i++) {
        if (!is_copy_of(q, &q->view->log[i]))
            continue;
        if (count++ > 0)
            gap = q->view->times[i].sent_ns - last;
        last = q->view->times[i].sent_ns;
    }
    if (gap > LIVE_LONGEST_TURNAROUND_NS) /* the clock has stepped */
        gap = LIVE_LONGEST_TURNAROUND_NS;
    return gap > QUIET_NS / 3 ? 3 * gap : QUIET_NS;
}

/* Silence says something only while its end can still be heard. */
static bool speaks_later(const struct question *q, size_t ack) {
    const struct la_connection *c = &q->view->connection;
    for (size_t i = ack + 1; i < c->log_count; i++)
        if (c->log[i].from == q->side)
            return true;
    return c->side[q->side].last_ns > c->log[ack].time_ns;
}

/* When a late acknowledgement arrived: after the last copy that was sent without it. */
static int64_t late_arrival(const struct question *q, size_t ack) {
    int64_t at = q->view->times[ack].arrived_ns;
    for (size_t i = 0; i < q->view->connection.log_count; i++)
        if (is_copy_of(q, &q->view->log[i]) && q->view->times[i].sent_ns + LA_JITTER_NS > at)
            at = q->view->times[i].sent_ns + LA_JITTER_NS;
    return at;
}

/* Decides which acknowledgements of its SYN or FIN reached `side`. */
static void judge_acks(const struct question *q) {
    struct view *view = q->view;
    const struct la_connection *c = &view->connection;
    bool near = la_is_near(c, q->side), reached = false;
    for (size_t i = 0; i < c->log_count && !reached; i++) {
        struct la_observation *o = &view->log[i];
        if (o->from == q->side || !la_covers(o, end_of(q)) || (o->flags & LA_SYN))
            continue;
        /* A FIN that also acknowledges has been judged as a FIN; what it carries shares its fate.
         */
        if (contradicted(q, i)) {
            bool late = la_ack_was_late(c, q->side, end_of(q), i);
            if (!(o->flags & LA_FIN))
                o->arrival = late ? LA_ARRIVAL_ASSUMED : LA_ARRIVAL_LOST;
            if (late)
                view->times[i].arrived_ns = late_arrival(q, i);
            reached = late;
            continue;
        }
        int64_t arrived = view->times[i].arrived_ns;
        bool quiet = la_heard_until(c, arrived) - arrived > patience(q, i) && speaks_later(q, i);
        if (!(o->flags & LA_FIN) || o->arrival != LA_ARRIVAL_KNOWN)
            o->arrival = near || quiet ? LA_ARRIVAL_KNOWN : o->arrival;
        reached = true;
    }
}

/* Given up after probes or repeats in vain: what nobody answered before nobody gets now. A bare RST
 * answers something, so there is somebody again. */
static bool speaks_to_nobody(const struct la_endpoint *end, const struct la_observation *rst) {
    bool in_vain = (end->keepalive && end->keepalive->waiting.count > 1) ||
                   (end->repeats && end->repeats->row.count > 1);
    return in_vain && (rst->flags & LA_ACK);
}

static void judge_resets(struct view *view) {
    const struct la_connection *c = &view->connection;
    for (size_t i = 0; i < c->log_count; i++) {
        struct la_observation *o = &view->log[i];
        if (!(o->flags & LA_RST))
            continue;
        o->arrival = la_is_near(c, !o->from)                  ? LA_ARRIVAL_KNOWN
                     : speaks_to_nobody(&c->side[o->from], o) ? LA_ARRIVAL_LOST
                                                              : LA_ARRIVAL_ASSUMED;
    }
}

void settle_arrivals(struct view *view) {
    struct la_connection *c = &view->connection;
    judge_resets(view);
    for (unsigned side = 0; side < 2; side++) {
        struct question syn = {view, side, c->side[side].isn, true};
        if (c->side[side].isn_known)
            judge_copies(&syn);
        struct question fin = {view, side, c->side[side].fin_end, false};
        if (c->side[side].fin_seen) {
            judge_copies(&fin);
            delay_fin(&fin);
        }
    }
    for (unsigned side = 0; side < 2; side++) {
        struct question syn = {view, side, c->side[side].isn, true};
        if (c->side[side].isn_known)
            judge_acks(&syn);
        struct question fin = {view, side, c->side[side].fin_end, false};
        if (c->side[side].fin_seen)
            judge_acks(&fin);
    }
}
