/* What drew each RST, and why it was sent.
 *
 * The form says who decided: a bare RST is a host without (usable) state answering a segment, and
 * its sequence number is that segment's acknowledgement; RST|ACK with sequence number 0 answers a
 * SYN; any other RST|ACK is a live socket aborted by its application or by a timer (RFC
 * 9293, 3.10.7.1). Other stacks than Linux abort with a bare RST as well: then nothing drew it. */
#include "track/settle.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/forgery.h"
#include "track/old_copy.h"
#include "track/waits.h"

#include <stdlib.h>

/* A host answers within the time in which it ever answered, twice that where it is busy. */
#define ANSWER_SLACK_NS (50 * LA_MSEC)
#define ANSWER_UNMEASURED_NS (500 * LA_MSEC)
/* A segment is answered before so many others have passed: a log full of RSTs must not cost its
 * cube.
 */
enum { LOOK_BACK = 64 };

static uint32_t end_of(const struct la_observation *o) {
    return o->seq + o->payload + ((o->flags & LA_SYN) != 0) + ((o->flags & LA_FIN) != 0);
}

static bool is_syn(const struct la_observation *o) {
    return (o->flags & (LA_SYN | LA_ACK)) == LA_SYN;
}

static bool answers(const struct la_observation *rst, const struct la_observation *o) {
    if (o->flags & LA_RST)
        return false;
    if (!(rst->flags & LA_ACK))
        return (o->flags & LA_ACK) && o->ack == rst->seq;
    return (rst->seq == 0 || is_syn(o)) && rst->ack == end_of(o);
}

/* The first segment with `flag` from `side` before `before`; LA_NOWHERE. */
static size_t find_flag(const struct la_connection *c, size_t before, unsigned side,
                        unsigned flag) {
    for (size_t i = 0; i < before; i++)
        if (c->log[i].from == side && (c->log[i].flags & flag))
            return i;
    return LA_NOWHERE;
}

/* The RST's sender had answered this segment otherwise before. A pure ACK asks for no answer:
 * whatever its receiver says next shows that it had a socket. */
static bool answered_before(const struct la_connection *c, size_t drawer, size_t rst) {
    const struct la_observation *o = &c->log[drawer];
    for (size_t i = drawer + 1; i < rst; i++) {
        const struct la_observation *said = &c->log[i];
        if (said->from == o->from || (said->flags & LA_RST))
            continue;
        if (end_of(o) == o->seq || la_covers(said, end_of(o)))
            return true;
    }
    return false;
}

static bool came_at_once(const struct la_connection *c, const struct la_observation *o,
                         const struct la_observation *rst) {
    int64_t turnaround = c->vantage.turnaround_ns[rst->from];
    int64_t most = turnaround >= 0 ? 2 * turnaround + ANSWER_SLACK_NS : ANSWER_UNMEASURED_NS;
    return rst->time_ns - o->time_ns <= most;
}

static bool drew_another(const struct view *view, size_t index) {
    size_t count = view->connection.reset_count;
    for (size_t i = count > LOOK_BACK ? count - LOOK_BACK : 0; i < count; i++)
        if (view->resets[i].drawer == index)
            return true;
    return false;
}

static bool can_have_drawn(const struct view *view, size_t i, size_t rst) {
    const struct la_connection *c = &view->connection;
    const struct la_observation *o = &c->log[i], *r = &c->log[rst];
    return o->from != r->from && answers(r, o) && !answered_before(c, i, rst) &&
           !drew_another(view, i);
}

/* It wants an answer; a pure ACK does not, but gets one from a host without the connection. */
static bool asks(const struct la_observation *o) {
    return end_of(o) != o->seq || o->class == LA_CLASS_KEEPALIVE;
}

/* The SYN-ACK before a bare RST of a client that has said nothing but SYNs: whatever the RST's
 * number, it answers that, as it looked where it arrived. LA_NOWHERE. */
static size_t last_syn_ack(const struct la_connection *c, size_t rst) {
    size_t last = LA_NOWHERE;
    if ((c->log[rst].flags & LA_ACK) || c->log[rst].from != LA_CLIENT)
        return LA_NOWHERE;
    for (size_t i = 0; i < rst; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == LA_SERVER && (o->flags & LA_SYN))
            last = i;
        else if (o->from == LA_CLIENT && !is_syn(o) && !(o->flags & LA_RST))
            return LA_NOWHERE;
    }
    return last;
}

/* The segment of the peer that `rst` answers: of those that want an answer the first, because each
 * gets its own, else the last pure ACK; LA_NOWHERE when there is none. What waits for longer than
 * an answer takes was hardly received. */
static size_t find_drawer(const struct view *view, size_t rst) {
    const struct la_connection *c = &view->connection;
    const struct la_observation *r = &c->log[rst];
    size_t first = LA_NOWHERE, last = LA_NOWHERE;
    for (size_t i = rst > LOOK_BACK ? rst - LOOK_BACK : 0; i < rst; i++) {
        if (!can_have_drawn(view, i, rst))
            continue;
        last = i;
        if (first == LA_NOWHERE && asks(&c->log[i]) && came_at_once(c, &c->log[i], r))
            first = i;
    }
    if (first != LA_NOWHERE)
        return first;
    /* An end that has closed says nothing by its own will: whatever it says was drawn. */
    size_t answer = last_syn_ack(c, rst);
    if (last == LA_NOWHERE && answer != LA_NOWHERE && came_at_once(c, &c->log[answer], r))
        return answer;
    bool closed = !(r->flags & LA_ACK) && find_flag(c, rst, r->from, LA_FIN) != LA_NOWHERE;
    bool prompt = last != LA_NOWHERE && came_at_once(c, &c->log[last], r);
    return closed || prompt ? last : LA_NOWHERE;
}

/* A SYN of the next incarnation was under way when this RST was sent. */
static bool next_life_began(const struct la_connection *c, const struct la_observation *rst) {
    return c->next && c->next->first.time_ns <= rst->time_ns && !la_answers_old_syn(c->next, c);
}

/* The host refused a SYN for the sake of the life before. */
static bool held_by_previous(const struct la_connection *c) {
    for (unsigned side = 0; c->previous && side < 2; side++) {
        const struct la_endpoint *end = &c->previous->side[side];
        for (size_t i = 0; i < end->change_count; i++)
            if (end->changes[i].event == LA_EV_RECV_SYN_REFUSED)
                return true;
    }
    return c->previous && c->previous->last.time_ns >= c->opened_ns;
}

/* A bare ACK drew it from a host that has closed. What had the ACK been for? */
static enum la_reset_cause cause_after_ack(const struct la_connection *c, size_t drawer) {
    unsigned side = !c->log[drawer].from;
    if (la_answers_unseen(c, drawer))
        return LA_RESET_OLD_DUPLICATE;
    for (size_t i = drawer; i > 0; i--) {
        const struct la_observation *o = &c->log[i - 1];
        int64_t age;
        if (o->from != side)
            continue;
        bool old = la_read_old_copy(c, i - 1, &age) != LA_NOT_OLD;
        return old ? LA_RESET_OLD_DUPLICATE : LA_RESET_LATE_ACK;
    }
    return LA_RESET_LATE_ACK;
}

/* It went on taking data after its FIN: it had only shut down. Since when it has closed for good
 * nobody knows, and data draws a RST from such a socket as well as from none. */
static bool took_data_after(const struct la_connection *c, size_t fin) {
    const struct la_observation *o = &c->log[fin];
    return (o->flags & LA_ACK) && seq_lt(o->ack, c->side[o->from].acked);
}

/* A bare RST from an end that has sent its FIN. */
static enum la_reset_cause cause_after_fin(const struct la_connection *c, size_t rst, size_t drawer,
                                           size_t fin) {
    const struct la_observation *r = &c->log[rst], *drew = &c->log[drawer];
    bool answers_fin = drew->flags & LA_FIN;
    /* Data before this FIN that was not acknowledged may have come by it. */
    bool is_data = drew->payload > 0 || (answers_fin && seq_lt(c->side[r->from].acked, drew->seq));
    bool both_closed = find_flag(c, drawer, drew->from, LA_FIN) != LA_NOWHERE;
    int64_t age;
    if (la_read_old_copy(c, drawer, &age) != LA_NOT_OLD)
        return LA_RESET_OLD_DUPLICATE;
    if (both_closed && !is_data && !answers_fin && la_covers(drew, c->side[r->from].fin_end))
        return cause_after_ack(c, drawer);
    if (answers_fin && drew->class == LA_CLASS_FIN_AGAIN)
        return LA_RESET_TIME_WAIT_GONE;
    if (is_data && took_data_after(c, fin))
        return LA_RESET_DATA_AFTER_CLOSE;
    if (r->time_ns - c->log[fin].time_ns >= c->profile[r->from]->fin_wait_2_orphan_ns)
        return LA_RESET_FIN_WAIT_2_OVER;
    if (is_data)
        return LA_RESET_DATA_AFTER_CLOSE;
    /* FIN-WAIT-2 was thrown away: there is no TIME-WAIT to come. */
    bool acked = la_covers(drew, c->side[r->from].fin_end);
    return answers_fin || acked ? LA_RESET_TIME_WAIT_GONE : LA_RESET_NO_CONNECTION;
}

/* The connection was over at both ends: nothing is left that this RST could end. */
static bool was_over(const struct la_connection *c, size_t rst) {
    const struct la_observation *r = &c->log[rst];
    bool fins = find_flag(c, rst, r->from, LA_FIN) != LA_NOWHERE &&
                find_flag(c, rst, !r->from, LA_FIN) != LA_NOWHERE;
    size_t reset = find_flag(c, rst, !r->from, LA_RST);
    return fins || (reset != LA_NOWHERE && c->log[reset].exact &&
                    r->time_ns - c->log[reset].time_ns > la_round_trip_ns(c) + ANSWER_SLACK_NS);
}

/* Nothing drew it: an end decided by itself. */
static enum la_reset_cause cause_of_own_will(const struct la_connection *c, size_t rst) {
    const struct la_observation *r = &c->log[rst];
    size_t fin = find_flag(c, rst, r->from, LA_FIN);
    const struct la_profile *profile = c->profile[r->from];
    if (la_ends_keepalive(c, rst))
        return LA_RESET_KEEPALIVE;
    if (was_over(c, rst))
        return LA_RESET_AFTER_CLOSE;
    if (fin != LA_NOWHERE && profile->fin_wait_2_expiry_resets &&
        r->time_ns - c->log[fin].time_ns >= profile->fin_wait_2_orphan_ns)
        return LA_RESET_FIN_WAIT_2_OVER;
    return (r->flags & LA_ACK) || r->exact ? LA_RESET_ABORT : LA_RESET_UNKNOWN;
}

/* Nothing but RSTs of its sender passed. */
static bool is_all(const struct la_connection *c, const struct la_observation *rst) {
    const struct la_endpoint *me = &c->side[rst->from];
    return !c->side[!rst->from].seen && me->packets == me->rst;
}

/* As its form and its numbers say; `repeated`: its sender has sent one before. */
static enum la_reset_cause cause_of(const struct la_connection *c, size_t rst, size_t drawer,
                                    bool repeated) {
    const struct la_observation *r = &c->log[rst];
    const struct la_observation *drew = drawer != LA_NOWHERE ? &c->log[drawer] : NULL;
    if (drew && is_syn(drew) && (r->flags & LA_ACK))
        return held_by_previous(c) ? LA_RESET_PORT_RECYCLED : LA_RESET_REFUSED;
    if (next_life_began(c, r))
        return LA_RESET_PORT_RECYCLED;
    if (drew && drew->class == LA_CLASS_OUTSIDE)
        return LA_RESET_PORT_RECYCLED; /* an ACK that answers another SYN than ours */
    if (drew && (drew->flags & LA_SYN))
        return LA_RESET_UNWANTED_SYN_ACK; /* each time */
    if (repeated)
        return LA_RESET_REPEATED;
    if (!drew && is_all(c, r)) /* of what was forged, or did not pass here */
        return !(r->flags & LA_ACK) ? LA_RESET_UNKNOWN
               : r->seq == 0        ? LA_RESET_REFUSED
                                    : LA_RESET_ABORT;
    if (!drew)
        return cause_of_own_will(c, rst);
    size_t fin = find_flag(c, rst, r->from, LA_FIN);
    return fin != LA_NOWHERE ? cause_after_fin(c, rst, drawer, fin) : LA_RESET_NO_CONNECTION;
}

/* Where somebody else may have sent it: its numbers fit what a host does that has not been asked.
 */
static bool may_be_injected(enum la_reset_cause cause) {
    return cause == LA_RESET_ABORT || cause == LA_RESET_NO_CONNECTION ||
           cause == LA_RESET_REPEATED || cause == LA_RESET_AFTER_CLOSE || cause == LA_RESET_UNKNOWN;
}

static struct la_reset read_reset(const struct view *view, size_t rst, bool repeated) {
    const struct la_connection *c = &view->connection;
    const struct la_observation *r = &c->log[rst];
    size_t drawer = find_drawer(view, rst);
    struct la_reset reset = {
        .where = la_place_of(c, rst),
        .by = r->from,
        .form = r->flags & LA_ACK ? LA_RESET_WITH_ACK : LA_RESET_BARE,
        .cause = (uint8_t)cause_of(c, rst, drawer, repeated),
        .signs = (uint16_t)forgery_signs(c, rst, drawer),
        .index = rst,
        .drawer = drawer,
    };
    bool disowned = reset.cause != LA_RESET_REFUSED && (reset.signs & LA_SIGN_DISOWNED);
    bool may_be = may_be_injected(reset.cause) || disowned;
    if (may_be && forgery_is_likely(reset.signs))
        reset.cause = LA_RESET_INJECTED;
    if (drawer != LA_NOWHERE) {
        const struct la_observation *drew = &c->log[drawer];
        reset.drew = (struct la_where){drew->time_ns, drew->frame, drew->input};
    }
    return reset;
}

void settle_resets(struct view *view) {
    struct la_connection *c = &view->connection;
    bool repeated[2] = {false, false};
    c->reset_count = 0;
    for (size_t i = 0; i < c->log_count; i++) {
        if (!(c->log[i].flags & LA_RST))
            continue;
        struct la_reset *reset = &view->resets[c->reset_count];
        *reset = read_reset(view, i, repeated[c->log[i].from]);
        c->reset_count++;
        if (reset->cause != LA_RESET_INJECTED)
            repeated[reset->by] = true;
    }
    c->resets = view->resets;
}
