/* Reads a CLOSE-WAIT out of the log. Where the packets leave another reading (the FIN waited behind
 * data, the capture missed something, the socket was gone) nothing is said. */
#include "track/close_wait.h"

#include "track/fin_story.h"
#include "track/listening.h"

#include <string.h>

/* No ACK is delayed longer (RFC 1122, 4.2.3.2): a FIN that is acknowledged later had waited for
 * data before it. */
#define LONGEST_DELAY_NS (500 * LA_MSEC)

/* Far from its sender a FIN may have been lost before it came by, and again: six in a row take that
 * long to be repeated. */
#define LOST_FINS_NS (15 * LA_SEC)
/* ... and where none came by at all, the path may be cut for FINs. */
#define CUT_NS (60 * LA_SEC)

int64_t la_close_wait_least_ns(const struct la_connection *c, unsigned side) {
    int64_t trips = 10 * la_round_trip_ns(c);
    return trips > c->profile[side]->close_wait_ns ? trips : c->profile[side]->close_wait_ns;
}

/* The FIN, and the first segment that acknowledges it; not a FIN: that ends a CLOSE-WAIT as it
 * begins, or was sent before, or all between the two was missed. */
static bool find_start(const struct la_connection *c, unsigned side, struct la_close_wait *w) {
    uint32_t fin_end = c->side[!side].fin_end;
    w->fin = w->ack = LA_NOWHERE;
    for (size_t i = 0; i < c->log_count && w->ack == LA_NOWHERE; i++) {
        const struct la_observation *o = &c->log[i];
        bool fin = o->from != side && (o->flags & LA_FIN) && o->arrival != LA_ARRIVAL_LOST;
        if (fin && w->fin == LA_NOWHERE)
            w->fin = i;
        if (o->from == side && (o->flags & LA_FIN))
            return false;
        if (o->from == side && la_covers(o, fin_end))
            w->ack = i;
    }
    if (w->fin == LA_NOWHERE || w->ack == LA_NOWHERE)
        return false;
    int64_t arrived = la_arrived_ns(c, w->fin), acked = la_sent_ns(c, w->ack);
    w->from_ns = acked - arrived > LONGEST_DELAY_NS || acked < arrived ? acked : arrived;
    w->quiet_ns = w->heard_ns = w->from_ns;
    return true;
}

static void move_on(int64_t *at, int64_t to) {
    if (*at < to)
        *at = to;
}

/* It goes on after a RST in its name, or to it. */
static bool speaks_after(const struct la_connection *c, unsigned side, size_t line) {
    for (size_t i = line + 1; i < c->log_count; i++)
        if (c->log[i].from == side && !(c->log[i].flags & LA_RST))
            return true;
    return false;
}

static bool is_of_next_life(const struct la_connection *c, const struct la_observation *o) {
    return c->next && c->next->first.time_ns <= o->time_ns;
}

static void end_with(const struct la_connection *c, unsigned side, size_t i,
                     enum la_close_wait_end end, struct la_close_wait *w) {
    w->end = end;
    w->ended_by = i;
    w->until_ns = c->log[i].from == side ? la_sent_ns(c, i) : la_arrived_ns(c, i);
}

/* Its own RST. A bare one says that the socket was gone before, and not since when. */
static bool take_own_reset(const struct la_connection *c, size_t i, struct la_close_wait *w) {
    const struct la_observation *o = &c->log[i], *before = &c->log[i - 1];
    if (!(o->flags & LA_ACK) || is_of_next_life(c, o))
        return false;
    bool probed = before->from == o->from && before->class == LA_CLASS_KEEPALIVE;
    end_with(c, o->from, i, probed ? LA_CLOSE_WAIT_TIMED_OUT : LA_CLOSE_WAIT_ABORTED, w);
    return true;
}

/* What this side sent in CLOSE-WAIT, other than its end. Behind data that must be sent again, or
 * where the peer's window has no room, a FIN would have to wait. */
static void take_own(const struct la_connection *c, size_t i, struct la_close_wait *w) {
    uint8_t class = c->log[i].class;
    w->heard = i;
    move_on(&w->heard_ns, la_sent_ns(c, i));
    if (class == LA_CLASS_DATA || class == LA_CLASS_DATA_AGAIN || class == LA_CLASS_WINDOW_PROBE)
        move_on(&w->quiet_ns, la_sent_ns(c, i));
}

static void take_peers(const struct la_connection *c, unsigned side, size_t i,
                       struct la_close_wait *w) {
    const struct la_observation *o = &c->log[i];
    bool before_next =
        c->profile[side]->rst_before_next_accepted && o->seq + 1 == c->side[side].acked;
    if ((o->flags & LA_RST) && (o->exact || before_next) && !speaks_after(c, side, i))
        end_with(c, side, i, is_of_next_life(c, o) ? LA_CLOSE_WAIT_SYN : LA_CLOSE_WAIT_RESET, w);
}

/* Follows the log to whatever ended it; false when that is not known. */
static bool find_end(const struct la_connection *c, unsigned side, struct la_close_wait *w) {
    w->end = LA_CLOSE_WAIT_LASTS;
    w->heard = w->ended_by = LA_NOWHERE;
    for (size_t i = w->ack + 1; i < c->log_count && w->end == LA_CLOSE_WAIT_LASTS; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != side)
            take_peers(c, side, i, w);
        else if (o->flags & LA_FIN)
            end_with(c, side, i, LA_CLOSE_WAIT_CLOSED, w);
        else if (!(o->flags & LA_RST))
            take_own(c, i, w);
        else if (!speaks_after(c, side, i) && !take_own_reset(c, i, w))
            return false;
    }
    return true;
}

/* Nothing ended it: may the application have closed all the same? Behind data that the peer has not
 * acknowledged, or has no room for. Or unseen: then the next SYN is not challenged. */
static bool may_have_closed(const struct la_connection *c, unsigned side) {
    const struct la_endpoint *me = &c->side[side], *peer = &c->side[!side];
    return me->fin > 0 || peer->window == 0 || seq_lt(peer->acked, me->next);
}

/* This side answered a SYN of the next life with one of its own: nothing held the 4-tuple. */
static bool accepts_next(const struct la_connection *c, unsigned side) {
    const struct la_connection *next = c->next;
    for (size_t i = 0; i < next->log_count; i++)
        if (next->log[i].from == la_side_in(next, c, side) && (next->log[i].flags & LA_SYN))
            return true;
    return false;
}

/* Nothing in the log ended it, unless the RST that a challenge drew was not captured. */
static bool find_silent_end(const struct la_connection *c, unsigned side, struct la_close_wait *w) {
    bool challenged = w->heard != LA_NOWHERE && is_of_next_life(c, &c->log[w->heard]);
    if (challenged && accepts_next(c, side)) {
        end_with(c, side, w->heard, LA_CLOSE_WAIT_SYN, w);
        return true;
    }
    w->until_ns = la_heard_until(c, c->last.time_ns);
    move_on(&w->heard_ns, c->side[side].last_ns - la_one_way_ns(c, side));
    return (challenged || !c->next) && !may_have_closed(c, side);
}

/* New data since the FIN came shows in the sequence numbers; the log has only the first of it, and
 * the capture may have missed some. */
static bool note_data(const struct la_connection *c, unsigned side, struct la_close_wait *w) {
    const struct la_endpoint *me = &c->side[side];
    const struct la_observation *ack = &c->log[w->ack];
    uint32_t end = w->end == LA_CLOSE_WAIT_CLOSED
                       ? c->log[w->ended_by].seq + c->log[w->ended_by].payload
                       : me->next;
    w->spoke = end != ack->seq;
    if (!w->spoke)
        return true;
    if (me->last_data_ns == LA_TIME_NONE || c->gaps > 0)
        return false;
    int64_t last = me->last_data_ns - la_one_way_ns(c, side);
    move_on(&w->quiet_ns, last < w->until_ns ? last : w->until_ns);
    return last >= w->from_ns;
}

/* Nothing that this side sends is lost before it comes by: the capture was taken next to it, or the
 * whole path is too short to tell where. */
static bool sees_all(const struct la_connection *c, unsigned side) {
    const int64_t *turnaround = c->vantage.turnaround_ns;
    bool short_path =
        c->vantage.kind == LA_VANTAGE_UNKNOWN && turnaround[0] >= 0 && turnaround[1] >= 0;
    return short_path || la_is_near(c, side);
}

/* Quiet for long enough; far away either to be proven by what it said meanwhile, or for longer than
 * a FIN gets lost. */
static bool counts(const struct la_connection *c, unsigned side, const struct la_close_wait *w) {
    int64_t least = la_close_wait_least_ns(c, side), quiet = w->until_ns - w->quiet_ns;
    int64_t busy = w->quiet_ns - w->from_ns;
    int64_t far = w->end == LA_CLOSE_WAIT_LASTS ? CUT_NS : LOST_FINS_NS;
    bool known = sees_all(c, side) || w->heard_ns - w->quiet_ns >= least || quiet >= far;
    /* Who was heard of all along may only be thinking. */
    return known && quiet > least && (!w->spoke || quiet >= busy);
}

bool la_close_wait_of(const struct la_connection *c, unsigned side, struct la_close_wait *out) {
    if (!la_may_have_waited(c, side))
        return false;
    la_connection_tell(c);
    memset(out, 0, sizeof *out);
    if (!find_start(c, side, out) || !find_end(c, side, out))
        return false;
    if (out->end == LA_CLOSE_WAIT_LASTS && !find_silent_end(c, side, out))
        return false;
    return note_data(c, side, out) && counts(c, side, out);
}
