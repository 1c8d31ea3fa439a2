/* Taking a classified segment in: sequence numbers, counters, turnarounds, and the log. Most
 * segments need little of that: see live_take_expected(). */
#include "track/elsewhere.h"
#include "track/live.h"

#include "base/time.h"

#include <string.h>

uint32_t live_fingerprint(const struct la_segment *s) {
    uint64_t h = ((uint64_t)s->seq << 32 | s->ack) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= ((uint64_t)s->tsval << 32 | s->payload) * UINT64_C(0xc2b2ae3d27d4eb4f);
    h ^= ((uint64_t)s->ip_id << 32 | (uint32_t)s->window << 8 | s->flags) *
         UINT64_C(0x165667b19e3779f9);
    if (s->sack_count > 0)
        h ^= ((uint64_t)s->sack[0] << 32 | s->sack[1]) * UINT64_C(0x27d4eb2f165667c5);
    h ^= h >> 29;
    return (uint32_t)(h * UINT64_C(0xbf58476d1ce4e5b9) >> 32) | 1;
}

static void count16(uint16_t *counter) {
    if (*counter < UINT16_MAX)
        ++*counter;
}

/* Payload, retransmissions and the like need a place to be counted; a bare connection does without.
 * NULL when out of memory: then these counts stay zero, as for a bare one. */
static struct flow *flow_of(struct live *live, struct la_pool *pool) {
    if (!live->flow) {
        struct flow *flow = la_pool_take(pool, sizeof *flow);
        if (!flow)
            return NULL;
        memset(flow, 0, sizeof *flow);
        for (int d = 0; d < 2; d++) {
            flow->side[d].last_data_ns = LA_TIME_NONE;
            flow->side[d].timed_ns = LA_TIME_NONE;
        }
        live->flow = flow;
    }
    return live->flow;
}

/* The number of a letter in LIVE_LETTERS; LIVE_SIDE_LETTERS: none. */
static inline unsigned letter_of(const struct la_segment *s) {
    enum { S, H, A, D, F, R, I, Q };
    unsigned kinds = s->flags & (LA_SYN | LA_FIN | LA_RST);
    if (kinds & (kinds - 1))
        return (kinds & LA_FIN) && (kinds & LA_RST) ? I : Q;
    if (kinds == LA_SYN)
        return s->flags & LA_ACK ? H : S;
    if (kinds != 0)
        return kinds == LA_FIN ? F : R;
    if (s->payload > 0)
        return D;
    return s->flags & LA_ACK ? A : LIVE_SIDE_LETTERS;
}

/* All codes of the history at once: the lowest one that is equal leaves the lowest borrow. */
static bool is_in_history(const struct live *live, uint64_t code) {
    const uint64_t ones = UINT64_C(0x1111111111111111);
    uint64_t different = live->history ^ code * ones;
    uint64_t equal = (different - ones) & ~different & ones << 3;
    return equal != 0 && (unsigned)__builtin_ctzll(equal) / 4 < live->history_count;
}

/* Zeek's history: a letter the first time. */
static inline void note_history(struct live *live, unsigned d, const struct la_segment *s) {
    unsigned letter = letter_of(s), code = letter + d * LIVE_SIDE_LETTERS;
    if (letter == LIVE_SIDE_LETTERS || is_in_history(live, code))
        return;
    live->history |= (uint64_t)code << (4U * live->history_count++);
}

static void keep_sample(struct flow_side *side, float seconds) {
    if (side->sample_seen == 0 || seconds < side->sample_min)
        side->sample_min = seconds;
    uint32_t stride = UINT32_C(1) << side->sample_stride_log2;
    if (side->sample_seen++ & (stride - 1))
        return;
    if (side->sample_count ==
        FLOW_SAMPLES) { /* keep every second one, and go on at half the rate */
        for (int i = 0; i < FLOW_SAMPLES / 2; i++)
            side->samples[i] = side->samples[2 * i];
        side->sample_count = FLOW_SAMPLES / 2;
        side->sample_stride_log2++;
    }
    side->samples[side->sample_count++] = seconds;
}

/* An ACK from `d` answers the peer's segment that is being timed (Karn: never a repeated one). */
static void take_turnaround(struct flow *flow, unsigned d, const struct la_segment *s) {
    struct flow_side *timed = &flow->side[!d];
    if (timed->timed_ns == LA_TIME_NONE || !(s->flags & LA_ACK) || seq_lt(s->ack, timed->timed_end))
        return;
    int64_t took = s->time_ns - timed->timed_ns;
    if (took >= 0 && took <= LIVE_LONGEST_TURNAROUND_NS)
        keep_sample(&flow->side[d], (float)la_seconds(took));
    timed->timed_ns = LA_TIME_NONE;
}

static void drop_hole(struct flow_side *side, int i) {
    side->hole_count--;
    memmove(&side->holes[i], &side->holes[i + 1],
            (size_t)(side->hole_count - i) * sizeof side->holes[0]);
}

static void add_hole(struct flow_side *side, uint32_t from, uint32_t to, bool acknowledged) {
    if (side->hole_count == FLOW_HOLES) {
        side->gaps += side->holes[0].acknowledged;
        drop_hole(side, 0);
    }
    int i = side->hole_count++;
    side->holes[i].from = from;
    side->holes[i].to = to;
    side->holes[i].acknowledged = acknowledged;
}

/* [from, to) was sent below the highest number seen: the bytes of it that fill holes. Each hole is
 * taken off the front of the list, and what is left of it goes to the end. */
static uint32_t fill_holes(struct flow_side *side, uint32_t from, uint32_t to) {
    uint32_t filled = 0;
    for (unsigned left = side->hole_count; left > 0; left--) {
        struct hole hole = side->holes[0];
        uint32_t low = seq_max(from, hole.from);
        uint32_t high = seq_lt(to, hole.to) ? to : hole.to;
        drop_hole(side, 0);
        if (!seq_lt(low, high)) {
            add_hole(side, hole.from, hole.to, hole.acknowledged);
            continue;
        }
        filled += high - low;
        if (seq_lt(hole.from, low))
            add_hole(side, hole.from, low, hole.acknowledged);
        if (seq_lt(high, hole.to))
            add_hole(side, high, hole.to, hole.acknowledged);
    }
    return filled < to - from ? filled : to - from; /* holes of a wrap ago may overlap */
}

static void acknowledge_holes(struct flow_side *side, uint32_t ack) {
    for (int i = 0; i < side->hole_count; i++)
        if (seq_leq(side->holes[i].to, ack))
            side->holes[i].acknowledged = true;
}

/* `fresh` bytes of its payload are new. */
static void count_payload(struct flow_side *side, const struct la_segment *s, uint32_t fresh) {
    side->data_bytes += fresh;
    if (fresh > 0)
        side->last_data_ns = s->time_ns;
    if (side->timed_ns == LA_TIME_NONE && fresh == s->payload) {
        side->timed_ns = s->time_ns;
        side->timed_end = s->seq + ((s->flags & LA_SYN) != 0) + s->payload;
    }
}

static void take_payload(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *me = &live->side[in->side];
    struct flow *flow = flow_of(live, in->pool);
    if (!flow)
        return;
    struct flow_side *side = &flow->side[in->side];
    uint32_t from = s->seq + ((s->flags & LA_SYN) != 0);
    uint32_t end = from + s->payload;
    uint32_t fresh = s->payload;
    if ((me->flags & SIDE_SEEN) && seq_lt(from, me->next)) {
        uint32_t old_end = seq_lt(end, me->next) ? end : me->next;
        uint32_t filled = fill_holes(side, from, old_end);
        uint32_t repeated = old_end - from - filled;
        fresh -= repeated;
        if (repeated > 0) {
            side->retransmitted_segments++;
            side->retransmitted_bytes += repeated;
            side->timed_ns = LA_TIME_NONE;
        }
    }
    count_payload(side, s, fresh);
}

/* Sequence numbers were skipped: they passed unseen, or will come out of order. */
static void take_hole(struct live *live, const struct intake *in, uint32_t from, uint32_t to) {
    struct flow *flow = flow_of(live, in->pool);
    if (flow)
        add_hole(&flow->side[in->side], from, to, false);
}

static void take_sequence(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *me = &live->side[in->side];
    uint32_t end = s->seq + s->payload + ((s->flags & LA_SYN) != 0) + ((s->flags & LA_FIN) != 0);
    if (!(me->flags & SIDE_SEEN)) {
        me->next = seq_max(me->next, end); /* the peer may have told of more */
        me->flags |= SIDE_SEEN;
    } else if (seq_lt(me->next, end) || s->seq == me->next) {
        if (seq_lt(me->next, s->seq))
            take_hole(live, in, me->next, s->seq);
        me->next = end;
    }
    if (s->flags & LA_FIN) {
        if (!(me->flags & SIDE_FIN) || seq_lt(me->fin_end, end))
            me->fin_end = end;
        me->flags |= SIDE_FIN;
    }
}

/* Joined in the middle, and so far it has only said the same number, one less than its peer has of
 * it: that was a keepalive probe, and nothing is missing. */
static bool began_with_probe(const struct live_side *side, uint32_t ack) {
    return !(side->flags & SIDE_ISN) && side->next == side->base_seq && ack == side->next + 1;
}

/* The peer acknowledged numbers that never passed here: the capture missed them. */
static void acknowledge_unseen(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *peer = &live->side[!in->side];
    struct flow *flow = began_with_probe(peer, s->ack) ? NULL : flow_of(live, in->pool);
    if (flow)
        add_hole(&flow->side[!in->side], peer->next, s->ack, true);
    peer->next = s->ack;
}

static void take_ack(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *me = &live->side[in->side], *peer = &live->side[!in->side];
    if (!(s->flags & LA_ACK))
        return;
    if ((peer->flags & SIDE_ISN) && seq_lt(peer->base_seq, s->ack))
        me->flags |= SIDE_ACKED_SYN;
    if ((peer->flags & SIDE_FIN) && seq_leq(peer->fin_end, s->ack))
        peer->flags |= SIDE_FIN_ACKED;
    if (!(me->flags & SIDE_ACKED) || seq_lt(me->acked, s->ack))
        me->acked = s->ack;
    me->flags |= SIDE_ACKED;
    if (peer->flags & SIDE_SEEN) {
        if (seq_lt(peer->next, s->ack))
            acknowledge_unseen(live, in);
    } else {
        peer->next = s->ack; /* the base is set: see set_bases() */
    }
    if (live->flow)
        acknowledge_holes(&live->flow->side[!in->side], s->ack);
}

/* A host that has refused a SYN with RST, whose numbers are none of its own, accepts it when it
 * comes again; or its SYN-ACK was reset, and the next one has other numbers. They begin here, and
 * the few lines of the log are written anew. */
static void begin_again(struct live *live, const struct intake *in) {
    enum { FEW = 32 };
    struct la_observation entries[FEW];
    struct live_side *me = &live->side[in->side];
    size_t count = live->log.count;
    if (count > FEW)
        return;
    struct la_log_base base = live_log_base(live);
    la_log_read(&live->log, &base, entries);
    la_log_release(&live->log, in->pool);
    me->base_seq = me->next = in->segment->seq;
    me->base_tsval = in->segment->tsval;
    base = live_log_base(live);
    for (size_t i = 0; i < count; i++)
        la_log_append(&live->log, &base, in->pool, &entries[i]);
}

/* The log counts from the first numbers met in each direction, perhaps in the peer's segments. */
static void set_bases(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *me = &live->side[in->side], *peer = &live->side[!in->side];
    bool refused_before =
        (me->flags & (SIDE_BASED | SIDE_SEEN | SIDE_RST)) == (SIDE_BASED | SIDE_RST);
    bool other_numbers = (s->flags & LA_SYN) && s->seq != me->base_seq;
    if (refused_before && other_numbers) {
        begin_again(live, in);
    } else if (other_numbers && (s->flags & LA_ACK) && in->verdict.class == LA_CLASS_SYN_ACK &&
               live_is_rejected(live, in->side)) {
        begin_again(live, in);
        peer->flags &= (uint16_t)~SIDE_RST; /* it has ended nothing */
    }
    if (!(me->flags & SIDE_BASED)) {
        me->base_seq = s->seq;
        me->base_tsval = s->tsval;
        me->next = s->seq;
        me->flags |= SIDE_BASED;
    }
    if (!(peer->flags & SIDE_BASED) && (s->flags & LA_ACK)) {
        /* A SYN-ACK tells the ISN of a SYN that was missed, or comes later. */
        peer->base_seq = s->flags & LA_SYN ? s->ack - 1 : s->ack;
        peer->base_tsval = s->tsecr;
        peer->flags |= SIDE_BASED;
        peer->next = s->ack;
    }
}

static inline void take_options(struct live_side *me, const struct la_segment *s) {
    if (s->options & LA_HAS_TIMESTAMPS) {
        if (!(me->flags & SIDE_TIMESTAMPS) || seq_lt(me->tsval, s->tsval))
            me->tsval = s->tsval;
        me->flags |= SIDE_TIMESTAMPS;
    }
    if (s->flags & LA_SYN) {
        if (s->options & LA_HAS_MSS)
            me->mss = s->mss;
        if (s->options & LA_HAS_SACK_PERMITTED)
            me->flags |= SIDE_SACK;
        if (s->options & LA_HAS_WINDOW_SCALE) {
            me->flags |= SIDE_SCALE;
            me->window_scale = s->window_scale <= 14 ? s->window_scale : 14; /* RFC 7323, 2.3 */
        }
    }
}

static uint32_t scaled_window(const struct live *live, unsigned d, const struct la_segment *s) {
    bool scaled = (live->side[d].flags & SIDE_SCALE) && (live->side[!d].flags & SIDE_SCALE) &&
                  !(s->flags & LA_SYN);
    return (uint32_t)s->window << (scaled ? live->side[d].window_scale : 0);
}

static void take_syn_and_rst(struct live_side *me, const struct la_segment *s,
                             enum la_class class) {
    if (s->flags & LA_SYN) {
        count16(&me->syn);
        if (class != LA_CLASS_OUTSIDE && s->seq == me->base_seq)
            me->flags |= SIDE_ISN;
        if (!(s->flags & LA_ACK))
            me->flags |= SIDE_SYN_SENT;
    }
    if (s->flags & LA_FIN)
        count16(&me->fin);
    if (s->flags & LA_RST) {
        count16(&me->rst);
        me->flags |= SIDE_RST;
    }
}

/* TTL and IP ID tell whether a host sent a segment itself: of a RST, of what is foreign, and of
 * what follows a RST. */
static bool wants_identity(const struct live *live, const struct intake *in) {
    bool reset = (live->side[0].flags | live->side[1].flags) & SIDE_RST;
    return reset || in->verdict.class == LA_CLASS_RST || in->verdict.class == LA_CLASS_OUTSIDE;
}

/* What the IP ID of an answer to a repeated FIN says. */
static unsigned read_number(const struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    if (live->side[!in->side].fin < 2 || (s->flags & LA_RST))
        return 0;
    unsigned last = live->flow ? live->flow->side[in->side].ip_id : 0;
    if (s->flags & LA_FIN)
        return last == 0 || s->ip_id != (uint16_t)(last + 1) ? LA_AFTER_UNSEEN : 0;
    return last != 0 && s->ip_id == 0 ? LA_FROM_NO_SOCKET : 0;
}

static void observe(const struct live *live, const struct intake *in, struct la_observation *out) {
    const struct la_segment *s = in->segment;
    bool identity = wants_identity(live, in);
    *out = (struct la_observation){
        .time_ns = s->time_ns,
        .frame = s->frame,
        .input = s->input,
        .from = (uint8_t)in->side,
        .class = (uint8_t)in->verdict.class,
        .flags = s->flags,
        .exact = in->verdict.exact,
        .in_window = in->verdict.in_window,
        .seq = s->seq,
        .ack = s->ack,
        .payload = s->payload,
        .window = in->verdict.class == LA_CLASS_RST ? scaled_window(live, in->side, s) : 0,
        .tsval = s->tsval,
        .tsecr = s->tsecr,
        .sack_from = s->sack_count ? s->sack[0] : 0,
        .sack_to = s->sack_count ? s->sack[1] : 0,
        /* DF is of no use to anybody downstream, and would cost a byte. */
        .options =
            (uint16_t)((s->options & ~(unsigned)LA_IP_DONT_FRAGMENT) | read_number(live, in)),
        .ip_id = identity ? s->ip_id : 0,
        .ttl = identity ? s->ttl : 0,
    };
}

/* Nobody asks for more than its numbers. */
static bool is_usual(const struct live *live, const struct intake *in) {
    return !wants_identity(live, in) && read_number(live, in) == 0;
}

static void append(struct live *live, const struct intake *in, const struct la_observation *entry) {
    struct la_log_base base = live_log_base(live);
    la_log_append(&live->log, &base, in->pool, entry);
}

/* The last segment of a side, if it was too ordinary to be in the log so far. */
static void log_last(struct live *live, const struct intake *in, unsigned side) {
    struct live_side *me = &live->side[side];
    if (!(me->flags & SIDE_SEEN) || (me->flags & SIDE_LAST_LOGGED))
        return;
    const struct flow_side *flow = live->flow ? &live->flow->side[side] : NULL;
    struct la_observation entry = {
        .time_ns = me->last_ns,
        .frame = me->last_frame,
        .input = live->input[side],
        .from = (uint8_t)side,
        .class = me->last_payload > 0 ? LA_CLASS_DATA : LA_CLASS_ACK,
        .flags = LA_ACK,
        .seq = me->next - me->last_payload,
        .ack = me->acked,
        .payload = me->last_payload,
        .options = me->flags & SIDE_TIMESTAMPS ? LA_HAS_TIMESTAMPS : 0,
        .tsval = me->tsval,
        .tsecr = live->side[!side].tsval,
        .ttl = flow ? flow->ttl : 0,
        .ip_id = flow ? flow->ip_id : 0,
    };
    append(live, in, &entry);
    me->flags |= SIDE_LAST_LOGGED;
}

static bool is_closing(const struct live *live) {
    return (live->side[0].flags | live->side[1].flags) & (SIDE_FIN | SIDE_RST);
}

static bool wants_data_logged(struct live *live, const struct intake *in) {
    struct live_side *me = &live->side[in->side], *peer = &live->side[!in->side];
    if ((me->flags | peer->flags) & SIDE_RST)
        return true; /* whoever goes on sending after a RST tells something about it */
    if ((peer->flags & SIDE_FIN) && !(me->flags & SIDE_HALF_CLOSE_LOGGED)) {
        me->flags |= SIDE_HALF_CLOSE_LOGGED;
        return true;
    }
    bool joined = !(me->flags & SIDE_ISN) || !(peer->flags & SIDE_ISN);
    if (joined && !(me->flags & SIDE_DATA_LOGGED)) {
        me->flags |= SIDE_DATA_LOGGED;
        return true;
    }
    return (me->flags & SIDE_FIN) != 0;
}

/* A SYN-ACK that came again although its ACK had passed: what the client says next tells why. */
static bool opens_hesitantly(const struct live *live, unsigned d) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    return peer->syn > 1 && me->packets < 20 && (peer->flags & SIDE_ISN) &&
           !(peer->flags & SIDE_SYN_SENT);
}

/* It acknowledges what the capture missed: perhaps a FIN. */
static bool acks_unseen(const struct live *live, const struct intake *in) {
    const struct live_side *peer = &live->side[!in->side];
    return (in->segment->flags & LA_ACK) && (peer->flags & SIDE_SEEN) &&
           seq_lt(peer->next, in->segment->ack);
}

/* A bare ACK that says that its sender has not come as far as its peer has acknowledged: reordered,
 * or somebody else's data was taken for its own. Timestamps would have kept that out. */
static bool denies(const struct live *live, const struct intake *in) {
    const struct live_side *me = &live->side[in->side], *peer = &live->side[!in->side];
    return (peer->flags & SIDE_ACKED) && seq_lt(in->segment->seq + 1, peer->acked) &&
           !(me->flags & SIDE_TIMESTAMPS);
}

static bool wants_logging(struct live *live, const struct intake *in) {
    if (!in->newest)
        return true; /* the next incarnation is under way: everything late may matter to it */
    if (opens_hesitantly(live, in->side))
        return true;
    switch (in->verdict.class) {
    case LA_CLASS_DATA:
        return wants_data_logged(live, in);
    case LA_CLASS_DATA_AGAIN:
        return is_closing(live) || live_wants_repeat(live, in);
    case LA_CLASS_KEEPALIVE:
    case LA_CLASS_WINDOW_PROBE:
        return is_closing(live) || live_wants_probe(live, in);
    case LA_CLASS_DUPLICATE_ACK:
        return is_closing(live) || (in->segment->options & LA_HAS_DSACK) != 0 || denies(live, in);
    case LA_CLASS_ACK:
        return ((live->side[0].flags | live->side[1].flags) & SIDE_RST) != 0 ||
               !(live->side[in->side].flags & SIDE_SEEN) || acks_unseen(live, in);
    default:
        return true;
    }
}

static void log_segment(struct live *live, const struct intake *in, bool wanted) {
    struct live_side *me = &live->side[in->side];
    /* A RST is understood from what drew it, and from what its sender said last. */
    if (wanted && in->verdict.class == LA_CLASS_RST) {
        log_last(live, in, in->side);
        log_last(live, in, !in->side);
    } else if (wanted && in->verdict.class == LA_CLASS_DUPLICATE_ACK && denies(live, in)) {
        log_last(live, in, !in->side);
    }
    me->flags &= (uint16_t)~SIDE_LAST_LOGGED;
    if (!wanted)
        return;
    me->flags |= SIDE_LAST_LOGGED;
    struct la_log_base base = live_log_base(live);
    if (is_usual(live, in) &&
        la_log_append_usual(&live->log, &base, in->segment, in->side, in->verdict.class))
        return;
    struct la_observation entry;
    observe(live, in, &entry);
    append(live, in, &entry);
}

static void count_oddities(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    bool zero = s->window == 0 && !(s->flags & (LA_RST | LA_SYN));
    bool duplicate = in->verdict.class == LA_CLASS_DUPLICATE_ACK;
    if (!zero && !duplicate)
        return;
    struct flow *flow = flow_of(live, in->pool);
    if (!flow)
        return;
    flow->side[in->side].zero_windows += zero;
    flow->side[in->side].duplicate_acks += duplicate;
}

/* A segment outside of every window changes no number of the connection: it is only noted. */
static void take_numbers(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *me = &live->side[in->side];
    if (in->verdict.class == LA_CLASS_OUTSIDE || (s->flags & LA_RST))
        return;
    if (s->payload > 0 && in->verdict.class != LA_CLASS_KEEPALIVE &&
        in->verdict.class != LA_CLASS_WINDOW_PROBE)
        take_payload(live, in);
    if (live->flow)
        take_turnaround(live->flow, in->side, s);
    take_sequence(live, in);
    take_ack(live, in);
    take_options(me, s);
    me->window = scaled_window(live, in->side, s);
}

static inline void count_packet(struct live_side *me, const struct la_segment *s) {
    if (me->packets == 0)
        me->ttl = s->ttl;
    if (me->packets < UINT32_MAX)
        me->packets++;
    me->bytes += s->wire_bytes;
}

static inline void note_last(struct live *live, unsigned d, const struct la_segment *s,
                             uint32_t fingerprint) {
    struct live_side *me = &live->side[d];
    me->last_ns = s->time_ns;
    me->last_frame = s->frame;
    me->last_payload = s->payload;
    me->fingerprints[1] = me->fingerprints[0];
    me->fingerprints[0] = fingerprint;
    live->input[d] = s->input;
    if (live->flow) {
        live->flow->side[d].ttl = s->ttl;
        live->flow->side[d].ip_id = s->ip_id;
    }
}

void live_take_in(struct live *live, const struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *me = &live->side[in->side];
    count_packet(me, s);
    bool wanted = wants_logging(live, in);
    set_bases(live, in);
    note_history(live, in->side, s);
    count_oddities(live, in);
    live_take_waiting(live, in);
    take_numbers(live, in);
    take_syn_and_rst(me, s, in->verdict.class);
    log_segment(live, in, wanted);
    note_last(live, in->side, s, in->fingerprint);
}

/* No segment is longer, and no acknowledgement further behind. */
enum { PAYLOAD_MOST = 1 << 30, BEHIND_MOST = 1 << 30 };

/* Nothing about it is out of the ordinary, and both sides have spoken. */
static bool is_plain(const struct live *live) {
    const unsigned heard = SIDE_SEEN | SIDE_BASED;
    unsigned both = live->side[0].flags & live->side[1].flags;
    unsigned any = live->side[0].flags | live->side[1].flags;
    const struct flow *flow = live->flow;
    bool is_whole =
        !flow || (!flow->extra && flow->side[0].hole_count == 0 && flow->side[1].hole_count == 0);
    return (both & heard) == heard && !(any & SIDE_RST) && is_whole && live->older == LA_NO_LIVE &&
           live->newer == LA_NO_LIVE;
}

/* From where the last one was seen, by the same way. */
static bool is_of_one_place(const struct live *live, unsigned d, const struct la_segment *s) {
    return s->input == live->first_input && s->input == live->input[d] &&
           s->vlans[0] == live->vlan && s->vlans[1] == 0 &&
           (s->tunnels & ~(unsigned)live->tunnels) == 0;
}

/* It begins where its sender stopped, and acknowledges no less than before and nothing unseen. */
static bool is_in_order(const struct live *live, unsigned d, const struct la_segment *s) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    uint32_t least = me->flags & SIDE_ACKED ? me->acked : peer->base_seq + 1;
    return s->seq == me->next && s->payload < PAYLOAD_MOST && seq_leq(least, s->ack) &&
           seq_leq(s->ack, peer->next) && peer->next - s->ack < BEHIND_MOST;
}

/* What such a segment is, of live_classify()'s classes; LA_CLASS_OUTSIDE: not for this way. */
static enum la_class class_in_order(const struct live *live, unsigned d,
                                    const struct la_segment *s) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    if (s->flags & LA_FIN)
        return me->flags & SIDE_FIN ? LA_CLASS_OUTSIDE : LA_CLASS_FIN;
    if (peer->flags & SIDE_FIN)
        return s->ack == peer->fin_end && !(peer->flags & SIDE_FIN_ACKED) ? LA_CLASS_ACK_OF_FIN
                                                                          : LA_CLASS_OUTSIDE;
    if (me->flags & SIDE_FIN)
        return LA_CLASS_OUTSIDE;
    if ((peer->flags & SIDE_ISN) && !(me->flags & SIDE_ACKED_SYN))
        return seq_lt(peer->base_seq, s->ack) ? LA_CLASS_HANDSHAKE_ACK : LA_CLASS_OUTSIDE;
    bool joined = !(me->flags & peer->flags & SIDE_ISN);
    if (s->payload > 0)
        return joined && !(me->flags & SIDE_DATA_LOGGED) ? LA_CLASS_OUTSIDE : LA_CLASS_DATA;
    return (me->flags & SIDE_ACKED) && s->ack == me->acked ? LA_CLASS_OUTSIDE : LA_CLASS_ACK;
}

static enum la_class expected_class(const struct live *live, unsigned d, const struct la_segment *s,
                                    uint32_t fingerprint) {
    const struct live_side *me = &live->side[d];
    bool expected = (s->flags & (LA_SYN | LA_RST | LA_ACK)) == LA_ACK && s->window > 0 &&
                    is_in_order(live, d, s) && is_plain(live) && !opens_hesitantly(live, d) &&
                    is_of_one_place(live, d, s) && me->fingerprints[0] != fingerprint &&
                    me->fingerprints[1] != fingerprint;
    return expected ? class_in_order(live, d, s) : LA_CLASS_OUTSIDE;
}

static void take_expected_payload(struct live *live, const struct intake *in) {
    struct flow *flow = in->segment->payload > 0 ? flow_of(live, in->pool) : live->flow;
    if (!flow)
        return;
    if (in->segment->payload > 0)
        count_payload(&flow->side[in->side], in->segment, in->segment->payload);
    take_turnaround(flow, in->side, in->segment);
}

/* The numbers of one that opens or closes. */
static void turn(struct live *live, unsigned d, const struct la_segment *s) {
    struct live_side *me = &live->side[d], *peer = &live->side[!d];
    if (s->flags & LA_FIN) {
        me->fin_end = ++me->next;
        me->flags |= SIDE_FIN;
        count16(&me->fin);
    }
    if ((peer->flags & SIDE_ISN) && seq_lt(peer->base_seq, s->ack))
        me->flags |= SIDE_ACKED_SYN;
    if ((peer->flags & SIDE_FIN) && seq_leq(peer->fin_end, s->ack))
        peer->flags |= SIDE_FIN_ACKED;
}

bool live_take_expected(struct live *live, struct intake *in) {
    const struct la_segment *s = in->segment;
    struct live_side *me = &live->side[in->side];
    enum la_class class = expected_class(live, in->side, s, in->fingerprint);
    if (class == LA_CLASS_OUTSIDE)
        return false;
    bool turns = class != LA_CLASS_DATA && class != LA_CLASS_ACK;
    in->verdict = (struct verdict){.class = class};
    count_packet(me, s);
    note_history(live, in->side, s);
    take_expected_payload(live, in);
    me->next += s->payload;
    me->acked = s->ack;
    me->flags |= SIDE_ACKED;
    if (turns)
        turn(live, in->side, s);
    take_options(me, s);
    me->window = scaled_window(live, in->side, s);
    if (turns)
        log_segment(live, in, true);
    else
        me->flags &= (uint16_t)~SIDE_LAST_LOGGED;
    note_last(live, in->side, s, in->fingerprint);
    return true;
}

struct extra *live_make_extra(struct live *live, struct la_pool *pool) {
    struct flow *flow = flow_of(live, pool);
    if (!flow || flow->extra)
        return flow ? flow->extra : NULL;
    flow->extra = la_pool_take(pool, sizeof *flow->extra);
    if (flow->extra)
        memset(flow->extra, 0, sizeof *flow->extra);
    return flow->extra;
}

static struct icmp_errors *icmp_errors_of(struct live *live, struct la_pool *pool) {
    struct extra *extra = live_make_extra(live, pool);
    if (!extra || extra->icmp)
        return extra ? extra->icmp : NULL;
    extra->icmp = la_pool_take(pool, sizeof *extra->icmp);
    if (extra->icmp)
        memset(extra->icmp, 0, sizeof *extra->icmp);
    return extra->icmp;
}

static bool is_same_error(const struct la_icmp_error *error, const struct la_segment *notice) {
    return error->seq == notice->seq && error->type == notice->notice.type &&
           error->code == notice->notice.code &&
           la_addr_cmp(&error->reporter, &notice->notice.reporter) == 0 &&
           notice->time_ns - error->where.time_ns < LIVE_COPY_NS;
}

bool live_take_notice(struct live *live, struct la_pool *pool, unsigned d,
                      const struct la_segment *notice) {
    struct icmp_errors *icmp = icmp_errors_of(live, pool);
    if (!icmp)
        return false;
    uint32_t kept = icmp->count < LA_CONNECTION_ICMP ? icmp->count : LA_CONNECTION_ICMP;
    if (kept > 0 && is_same_error(&icmp->items[kept - 1], notice))
        return true; /* the same packet again: a mirror of both directions, or routed past twice */
    if (icmp->count < LA_CONNECTION_ICMP)
        icmp->items[icmp->count] = (struct la_icmp_error){
            .where = {notice->time_ns, notice->frame, notice->input},
            .reporter = notice->notice.reporter,
            .seq = notice->seq,
            .of = (uint8_t)d,
            .type = notice->notice.type,
            .code = notice->notice.code,
            .ttl = notice->ttl,
        };
    if (icmp->count < UINT32_MAX)
        icmp->count++;
    return true;
}

static void release_extra(struct extra *extra, struct la_pool *pool) {
    for (int side = 0; extra && side < 2; side++) {
        la_pool_give(pool, extra->keepalive[side], sizeof *extra->keepalive[side]);
        la_pool_give(pool, extra->stalls[side], sizeof *extra->stalls[side]);
        la_pool_give(pool, extra->repeats[side], sizeof *extra->repeats[side]);
    }
    if (extra) {
        la_pool_give(pool, extra->icmp, sizeof *extra->icmp);
        la_pool_give(pool, extra->waiting, sizeof *extra->waiting);
        la_pool_give(pool, extra->elsewhere, sizeof *extra->elsewhere);
    }
    la_pool_give(pool, extra, sizeof *extra);
}

void live_release(struct live *live, struct la_pool *pool) {
    la_log_release(&live->log, pool);
    release_extra(live_extra(live), pool);
    la_pool_give(pool, live->flow, sizeof *live->flow);
    live->flow = NULL;
}
