/* What a segment is, told from its place in the connection's sequence space. Nothing is changed
 * here: live_take_in() does that. */
#include "track/live.h"

#include "base/time.h"

static uint32_t segment_end(const struct la_segment *s) {
    return s->seq + s->payload + ((s->flags & LA_SYN) != 0) + ((s->flags & LA_FIN) != 0);
}

/* What the peer of `me` waits for next: proven by its own acknowledgements where there are any. */
static uint32_t expected_by(const struct live_side *peer, const struct live_side *me) {
    return peer->flags & SIDE_ACKED ? peer->acked : me->next;
}

static struct verdict classify_rst(const struct live_side *me, const struct live_side *peer,
                                   const struct la_segment *s) {
    struct verdict v = {.class = LA_CLASS_RST};
    if (!(me->flags & SIDE_SEEN) && (peer->flags & SIDE_SYN_SENT)) {
        /* SYN-SENT takes a RST only with an ACK of its SYN (RFC 9293, 3.10.7.3). */
        v.exact =
            (s->flags & LA_ACK) && seq_lt(peer->base_seq, s->ack) && seq_leq(s->ack, peer->next);
        return v;
    }
    uint32_t expected = expected_by(peer, me);
    v.exact = s->seq == expected || ((me->flags & SIDE_SEEN) && s->seq == me->next);
    v.in_window = seq_within(s->seq, expected, peer->window ? peer->window : 1);
    return v;
}

static enum la_class classify_syn(const struct live *live, unsigned d, const struct la_segment *s) {
    const struct live_side *me = &live->side[d];
    bool again = (me->flags & SIDE_ISN) && s->seq == me->base_seq;
    if (s->flags & LA_ACK) {
        if (again && (me->flags & SIDE_ACKED_SYN))
            return LA_CLASS_SYN_ACK_AGAIN;
        bool fits = again || !(me->flags & SIDE_SEEN) || live_is_rejected(live, d);
        return fits ? LA_CLASS_SYN_ACK : LA_CLASS_OUTSIDE;
    }
    if (again && (me->flags & SIDE_SYN_SENT))
        return LA_CLASS_SYN_AGAIN;
    return again || !(me->flags & SIDE_SEEN) ? LA_CLASS_SYN : LA_CLASS_OUTSIDE;
}

static enum la_class classify_fin(const struct live_side *me, const struct la_segment *s) {
    bool again = (me->flags & SIDE_FIN) && seq_leq(segment_end(s), me->fin_end);
    return again ? LA_CLASS_FIN_AGAIN : LA_CLASS_FIN;
}

/* An ACK for what was never sent, as far as the capture knows. A hole of the capture can look
 * alike; one of more than a window's size is no hole. */
static bool acks_nonsense(const struct live_side *me, const struct live_side *peer,
                          const struct la_segment *s) {
    if (!(s->flags & LA_ACK) || !(peer->flags & SIDE_SEEN))
        return false;
    if ((peer->flags & SIDE_SYN_SENT) && !(me->flags & SIDE_SEEN))
        return !(seq_lt(peer->base_seq, s->ack) && seq_leq(s->ack, peer->next));
    int32_t beyond = seq_diff(s->ack, peer->next);
    return beyond > (1 << 26) || beyond < -(1 << 30);
}

/* Repeats of data that has got no further are as far apart only after half a dozen of them. */
#define NO_REPEAT_NS (10 * LA_SEC)

/* A byte that the peer acknowledged may still be sent again: the ACK was lost behind this place. It
 * only asks when it comes after long silence, or in a row with one that did. */
static bool asks_with_byte(const struct live *live, unsigned d, const struct la_segment *s) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    const struct extra *extra = live_extra(live);
    const struct la_keepalive *k = extra ? extra->keepalive[d] : NULL;
    bool has_it = !(peer->flags & SIDE_ACKED) || peer->acked == me->next;
    return has_it && ((k && k->waiting.count > 0) || s->time_ns - me->last_ns >= NO_REPEAT_NS);
}

/* Nothing but what asks for an answer: the last number before the next one, without data or with
 * one byte. */
static bool is_probe(const struct live *live, unsigned d, const struct la_segment *s) {
    const struct live_side *me = &live->side[d];
    if (!(me->flags & SIDE_SEEN) || s->payload > 1 || s->seq != me->next - 1)
        return false;
    return s->payload == 0 || live->side[!d].window == 0 || asks_with_byte(live, d, s);
}

/* A segment without SYN, FIN and RST. */
static enum la_class classify_plain(const struct live *live, unsigned d,
                                    const struct la_segment *s) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    bool has_ack = s->flags & LA_ACK;
    if (acks_nonsense(me, peer, s))
        return LA_CLASS_OUTSIDE;
    if (has_ack && (peer->flags & SIDE_FIN) && s->ack == peer->fin_end) {
        if (!(peer->flags & SIDE_FIN_ACKED))
            return LA_CLASS_ACK_OF_FIN;
        bool probe = !(me->flags & SIDE_FIN) && is_probe(live, d, s); /* from CLOSE-WAIT */
        if (s->payload == 0 && !probe)
            return LA_CLASS_ACK_OF_FIN_AGAIN;
    }
    if (has_ack && (peer->flags & SIDE_ISN) && !(me->flags & SIDE_ACKED_SYN) &&
        seq_lt(peer->base_seq, s->ack))
        return LA_CLASS_HANDSHAKE_ACK;
    if (is_probe(live, d, s))
        return (peer->flags & SIDE_SEEN) && peer->window == 0 ? LA_CLASS_WINDOW_PROBE
                                                              : LA_CLASS_KEEPALIVE;
    if (s->payload > 0) {
        bool again = (me->flags & SIDE_SEEN) && seq_leq(segment_end(s), me->next);
        return again ? LA_CLASS_DATA_AGAIN : LA_CLASS_DATA;
    }
    bool nothing_new = has_ack && (me->flags & SIDE_ACKED) && seq_leq(s->ack, me->acked);
    return nothing_new ? LA_CLASS_DUPLICATE_ACK : LA_CLASS_ACK;
}

struct verdict live_classify(const struct live *live, unsigned d,
                             const struct la_segment *segment) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    struct verdict v = {0};
    if (segment->flags & LA_RST)
        return classify_rst(me, peer, segment);
    if (segment->flags & LA_SYN)
        v.class = classify_syn(live, d, segment);
    else if (segment->flags & LA_FIN)
        v.class = classify_fin(me, segment);
    else
        v.class = classify_plain(live, d, segment);
    return v;
}
