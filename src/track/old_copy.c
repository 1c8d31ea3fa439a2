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

enum la_old_copy la_read_old_copy(const struct la_connection *c, size_t index, int64_t *age_ns) {
    const struct la_observation *o = &c->log[index];
    *age_ns = 0;
    if ((o->flags & (LA_SYN | LA_FIN | LA_RST)) || o->class == LA_CLASS_OUTSIDE)
        return LA_NOT_OLD;
    if (o->options & LA_HAS_TIMESTAMPS) {
        *age_ns = age_by_clock(c, index);
        if (*age_ns > OLD_NS)
            return LA_SURELY_OLD;
    }
    if (o->payload == 0 || o->class != LA_CLASS_DATA_AGAIN)
        return LA_NOT_OLD;
    *age_ns = since_all_acked(c, index);
    return *age_ns > OLD_NS ? LA_LIKELY_OLD : LA_NOT_OLD;
}
