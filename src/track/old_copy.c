#include "track/old_copy.h"

#include "track/fin_story.h"

/* More than reordering, a retransmission that crossed its ACK, or a slow clock's tick explain. */
#define OLD_NS (500 * LA_MSEC)

/* By the sender's own clock: a segment that left after this one has passed here long before it. */
static int64_t age_by_clock(const struct la_connection *c, size_t index) {
    const struct la_observation *o = &c->log[index];
    double hz = c->side[o->from].timestamp_hz;
    int64_t age = 0;
    for (size_t i = 0; i < index; i++) {
        const struct la_observation *newer = &c->log[i];
        if (newer->from != o->from || !(newer->options & LA_HAS_TIMESTAMPS) ||
            !seq_lt(o->tsval, newer->tsval))
            continue;
        int64_t apart = hz >= 10 && hz <= 1000000
                            ? (int64_t)((double)seq_diff(newer->tsval, o->tsval) / hz * 1e9)
                            : 0;
        int64_t by = o->time_ns - newer->time_ns + apart;
        age = by > age ? by : age;
    }
    return age;
}

/* The time since this end knew that all it had sent, its FIN as well, had arrived; 0 when it did
 * not know. */
static int64_t since_all_acked(const struct la_connection *c, size_t index) {
    const struct la_observation *o = &c->log[index];
    const struct la_endpoint *me = &c->side[o->from];
    for (size_t i = 0; me->fin_seen && i < index; i++) {
        const struct la_observation *ack = &c->log[i];
        if (ack->from != o->from && la_covers(ack, me->fin_end))
            return la_sent_ns(c, index) - la_arrived_ns(c, i);
    }
    return 0;
}

/* The time since this end sent its FIN; 0 when it has not. A SYN of the same life comes no more. */
static int64_t since_fin(const struct la_connection *c, size_t index) {
    const struct la_observation *o = &c->log[index];
    for (size_t i = 0; i < index; i++)
        if (c->log[i].from == o->from && (c->log[i].flags & LA_FIN))
            return o->time_ns - c->log[i].time_ns;
    return 0;
}

enum la_old_copy la_read_old_copy(const struct la_connection *c, size_t index, int64_t *age_ns) {
    const struct la_observation *o = &c->log[index];
    bool syn = (o->flags & (LA_SYN | LA_ACK)) == LA_SYN;
    *age_ns = 0;
    if ((o->flags & (LA_FIN | LA_RST)) || (o->flags & (LA_SYN | LA_ACK)) == (LA_SYN | LA_ACK) ||
        o->class == LA_CLASS_OUTSIDE)
        return LA_NOT_OLD;
    if (syn && since_fin(c, index) <= OLD_NS)
        return LA_NOT_OLD;
    if (o->options & LA_HAS_TIMESTAMPS) {
        *age_ns = age_by_clock(c, index);
        return *age_ns > OLD_NS ? LA_SURELY_OLD : LA_NOT_OLD;
    }
    if (!syn && (o->payload == 0 || o->class != LA_CLASS_DATA_AGAIN))
        return LA_NOT_OLD;
    *age_ns = syn ? since_fin(c, index) : since_all_acked(c, index);
    return *age_ns > OLD_NS ? LA_LIKELY_OLD : LA_NOT_OLD;
}

/* The last thing that the peer sent before `index`, if the segment there can still answer it. */
static bool was_asked(const struct la_connection *c, size_t index) {
    const struct la_observation *o = &c->log[index];
    int64_t most = OLD_NS + la_round_trip_ns(c);
    for (size_t i = index; i > 0; i--)
        if (c->log[i - 1].from != o->from)
            return o->time_ns - c->log[i - 1].time_ns <= most;
    return false;
}

bool la_answers_unseen(const struct la_connection *c, size_t index) {
    const struct la_observation *o = &c->log[index];
    const struct la_endpoint *me = &c->side[o->from], *peer = &c->side[!o->from];
    bool closed = me->fin_acked && peer->fin_seen && la_covers(o, peer->fin_end);
    bool rated =
        (o->options & LA_HAS_TIMESTAMPS) && me->timestamp_hz >= 10 && me->timestamp_hz <= 1000000;
    bool for_next = c->next && c->next->first.time_ns <= o->time_ns &&
                    !la_answers_old_syn(c->next, c); /* it answers that one's SYN */
    if (!closed || !rated || for_next || o->payload > 0 || o->flags != LA_ACK ||
        was_asked(c, index))
        return false;
    for (size_t i = index; i > 0; i--) {
        const struct la_observation *before = &c->log[i - 1];
        if (before->from != o->from || !(before->options & LA_HAS_TIMESTAMPS))
            continue;
        int64_t apart =
            (int64_t)((double)seq_diff(o->tsval, before->tsval) / me->timestamp_hz * 1e9);
        return apart > OLD_NS;
    }
    return false;
}

bool la_answers_old_syn(const struct la_connection *c, const struct la_connection *old) {
    if (c->side[0].syn_sent || c->side[1].syn_sent || c->log_count == 0)
        return false;
    const struct la_observation *o = &c->log[0];
    unsigned opener = la_side_in(old, c, !o->from);
    return (o->flags & (LA_SYN | LA_ACK)) == (LA_SYN | LA_ACK) && old->side[opener].isn_known &&
           o->ack == old->side[opener].isn + 1;
}
