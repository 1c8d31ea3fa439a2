/* What drew each RST, and why.
 *
 * The form says who decided: a bare RST is a host without (usable) state answering a segment, and
 * its sequence number is that segment's acknowledgement; RST|ACK with sequence number 0 answers a
 * SYN; any other RST|ACK is a live socket aborted by its application or by a timer (RFC
 * 9293, 3.10.7.1). */
#include "track/settle.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

static bool answers(const struct la_observation *rst, const struct la_observation *o) {
    if (o->flags & LA_RST)
        return false;
    if (!(rst->flags & LA_ACK))
        return (o->flags & LA_ACK) && o->ack == rst->seq;
    uint32_t end = o->seq + o->payload + ((o->flags & LA_SYN) != 0) + ((o->flags & LA_FIN) != 0);
    return rst->seq == 0 && rst->ack == end;
}

/* The last segment of the peer before `rst` that it can be an answer to; NULL when there is none.
 */
static const struct la_observation *find_drawer(const struct la_connection *c,
                                                const struct la_observation *rst, size_t before) {
    for (size_t i = before; i > 0; i--) {
        const struct la_observation *o = &c->log[i - 1];
        if (o->from != rst->from && answers(rst, o))
            return o;
    }
    return NULL;
}

/* A SYN of the next incarnation was under way when this RST was sent. */
static bool next_life_began(const struct la_connection *c, const struct la_observation *rst) {
    return c->next && c->next->first.time_ns <= rst->time_ns;
}

/* The peer acknowledged this end's FIN, or more than once, before `rst`. */
static size_t acks_of_fin_before(const struct la_connection *c, size_t rst, unsigned side) {
    const struct la_endpoint *me = &c->side[side];
    size_t count = 0;
    for (size_t i = 0; me->fin_seen && i < rst; i++) {
        const struct la_observation *o = &c->log[i];
        count +=
            o->from != side && (o->flags & LA_ACK) && !(o->flags & LA_RST) && o->ack == me->fin_end;
    }
    return count;
}

static bool fin_sent_before(const struct la_connection *c, size_t rst, unsigned side, int64_t *at) {
    for (size_t i = 0; i < rst; i++)
        if (c->log[i].from == side && (c->log[i].flags & LA_FIN)) {
            *at = c->log[i].time_ns;
            return true;
        }
    return false;
}

/* A bare RST from an end that has closed. */
static enum la_reset_cause cause_after_fin(const struct la_connection *c, size_t i,
                                           const struct la_observation *drew, int64_t fin_at) {
    const struct la_observation *rst = &c->log[i];
    bool answers_fin = drew->flags & LA_FIN;
    bool answers_ack = drew->payload == 0 && !answers_fin;
    if (answers_ack && acks_of_fin_before(c, i, rst->from) > 1)
        return LA_RESET_LATE_ACK;
    if (answers_fin && drew->class == LA_CLASS_FIN_AGAIN)
        return LA_RESET_TIME_WAIT_GONE;
    int64_t patience = c->profile[rst->from]->fin_wait_2_orphan_ns;
    if (rst->time_ns - fin_at >= patience)
        return LA_RESET_FIN_WAIT_2_OVER;
    if (answers_fin)
        return LA_RESET_TIME_WAIT_GONE; /* FIN-WAIT-2 was thrown away: there is no TIME-WAIT to come
                                         */
    return drew->payload > 0 ? LA_RESET_DATA_AFTER_CLOSE : LA_RESET_NO_CONNECTION;
}

static bool same_as_last(const struct la_connection *c, size_t i) {
    const struct la_observation *rst = &c->log[i];
    for (size_t j = i; j > 0; j--) {
        const struct la_observation *o = &c->log[j - 1];
        if ((o->flags & LA_RST) && o->from == rst->from)
            return true;
    }
    return false;
}

static enum la_reset_cause cause_of(const struct la_connection *c, size_t i,
                                    const struct la_observation *drew) {
    const struct la_observation *rst = &c->log[i];
    int64_t fin_at;
    if (drew && (drew->flags & (LA_SYN | LA_ACK)) == LA_SYN && (rst->flags & LA_ACK))
        return c->previous && c->previous->last.time_ns >= c->opened_ns ? LA_RESET_PORT_RECYCLED
                                                                        : LA_RESET_REFUSED;
    if (next_life_began(c, rst))
        return LA_RESET_PORT_RECYCLED;
    if (drew && drew->class == LA_CLASS_OUTSIDE)
        return LA_RESET_PORT_RECYCLED; /* an ACK that answers another SYN than ours */
    if (same_as_last(c, i))
        return LA_RESET_REPEATED;
    if (!drew)
        return rst->flags & LA_ACK ? LA_RESET_ABORT : LA_RESET_UNKNOWN;
    if (rst->flags & LA_ACK)
        return LA_RESET_ABORT;
    if (fin_sent_before(c, i, rst->from, &fin_at))
        return cause_after_fin(c, i, drew, fin_at);
    return LA_RESET_NO_CONNECTION;
}

void settle_resets(struct view *view) {
    struct la_connection *c = &view->connection;
    size_t count = 0;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *rst = &c->log[i];
        if (!(rst->flags & LA_RST))
            continue;
        const struct la_observation *drew = find_drawer(c, rst, i);
        struct la_reset *reset = &view->resets[count++];
        *reset = (struct la_reset){
            .where = {rst->time_ns, rst->frame, rst->input},
            .by = rst->from,
            .form = rst->flags & LA_ACK ? LA_RESET_WITH_ACK : LA_RESET_BARE,
            .cause = (uint8_t)cause_of(c, i, drew),
        };
        if (drew)
            reset->drew = (struct la_where){drew->time_ns, drew->frame, drew->input};
    }
    c->resets = view->resets;
    c->reset_count = count;
}
