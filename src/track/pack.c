#include "track/pack.h"

#include "base/time.h"
#include "base/varint.h"

#include <string.h>

/* LOG_MAX is in bytes, of which no entry has fewer than LOG_ENTRY_MIN. */
enum { LOG_MAX = 320, LOG_ENTRY_MIN = 5, COUNT_MAX = 7, SHAPE_SIZE = 160 };
_Static_assert(LOG_MAX / LOG_ENTRY_MIN <= LA_LOG_MAX_COPIED, "all of it comes back");

/* What is rarely needed: a bit each. */
enum {
    HAS_LIVES = 1 << 0, /* not the first of its 4-tuple */
    HAS_DUPLICATES = 1 << 1,
    HAS_PLACES = 1 << 2, /* tunnels, VLAN */
    HAS_INPUTS = 1 << 3, /* not the first input only */
    HAS_FLOW = 1 << 4,
    HAS_ROWS = 1 << 5, /* the log was taken apart (la_log_split) */
};

/* Counts, flags and the window's scale of a side, in one word. */
enum { SCALE_SHIFT = 16, SYN_SHIFT = 20, FIN_SHIFT = 23 };

static bool is_flow_packable(const struct flow *flow) {
    if (!flow)
        return true;
    bool has_holes = flow->side[0].hole_count > 0 || flow->side[1].hole_count > 0;
    return !flow->extra && !has_holes;
}

static bool is_side_packable(const struct live_side *side) {
    const unsigned closed = SIDE_FIN | SIDE_FIN_ACKED;
    return (side->flags & closed) == closed && side->rst == 0 && side->syn <= COUNT_MAX &&
           side->fin <= COUNT_MAX;
}

bool live_is_packable(const struct live *live) {
    return is_side_packable(&live->side[0]) && is_side_packable(&live->side[1]) &&
           live->older == LA_NO_LIVE && live->newer == LA_NO_LIVE && live->log.used <= LOG_MAX &&
           live->log.dropped == 0 && is_flow_packable(live->flow);
}

/* Most clocks of captures tick in microseconds, and some times are not set. */
enum { TIME_NONE = 0, TIME_NSEC = 2 }; /* odd: microseconds */

static uint8_t *put_time(uint8_t *p, int64_t ns, int64_t base_ns) {
    if (ns == LA_TIME_NONE)
        return put_unsigned(p, TIME_NONE);
    int64_t since = ns - base_ns;
    if (since % LA_USEC != 0)
        return put_signed(put_unsigned(p, TIME_NSEC), since);
    int64_t usec = since / LA_USEC;
    return put_unsigned(p, (((uint64_t)usec << 1) ^ (uint64_t)(usec >> 63)) << 1 | 1);
}

static const uint8_t *get_time(const uint8_t *p, int64_t *ns, int64_t base_ns) {
    uint64_t code;
    int64_t since;
    p = get_unsigned(p, &code);
    if (code == TIME_NONE) {
        *ns = LA_TIME_NONE;
        return p;
    }
    if (code & 1) {
        code >>= 1;
        since = ((int64_t)(code >> 1) ^ -(int64_t)(code & 1)) * LA_USEC;
    } else {
        p = get_signed(p, &since);
    }
    *ns = base_ns + since;
    return p;
}

/* Sequence numbers and timestamps, as their distance to another one. */
static uint8_t *put_serial(uint8_t *p, uint32_t value, uint32_t base) {
    return put_signed(p, (int32_t)(value - base));
}

static const uint8_t *get_serial(const uint8_t *p, uint32_t *value, uint32_t base) {
    int64_t distance;
    p = get_signed(p, &distance);
    *value = base + (uint32_t)distance;
    return p;
}

static const uint8_t *get_u32(const uint8_t *p, uint32_t *value) {
    uint64_t wide;
    p = get_unsigned(p, &wide);
    *value = (uint32_t)wide;
    return p;
}

static const uint8_t *get_u16(const uint8_t *p, uint16_t *value) {
    uint64_t wide;
    p = get_unsigned(p, &wide);
    *value = (uint16_t)wide;
    return p;
}

/* What most connections of a service have in common. */
static uint8_t *put_character(uint8_t *p, const struct live_side *me) {
    const uint32_t word = me->flags | (uint32_t)me->window_scale << SCALE_SHIFT |
                          (uint32_t)me->syn << SYN_SHIFT | (uint32_t)me->fin << FIN_SHIFT;
    p = put_bytes(p, &word, sizeof word);
    p = put_bytes(p, &me->mss, sizeof me->mss);
    *p++ = me->ttl;
    return p;
}

static const uint8_t *get_character(const uint8_t *p, struct live_side *me) {
    uint32_t word;
    p = get_bytes(p, &word, sizeof word);
    me->flags = (uint16_t)word;
    me->window_scale = word >> SCALE_SHIFT & 0xf;
    me->syn = word >> SYN_SHIFT & COUNT_MAX;
    me->fin = word >> FIN_SHIFT & COUNT_MAX;
    p = get_bytes(p, &me->mss, sizeof me->mss);
    me->ttl = *p++;
    return p;
}

/* Sequence space between SYN and FIN: the payload, where the capture has all of it. */
static uint32_t span_of(const struct live_side *me) {
    return me->fin_end - me->base_seq - (me->flags & SIDE_ISN ? 2 : 1);
}

/* Most are of Ethernet, IPv4 and TCP with timestamps. */
enum { USUAL_HEADERS = 14 + 20 + 32 };
static uint64_t usual_bytes(const struct live_side *me) {
    return span_of(me) + (uint64_t)me->packets * USUAL_HEADERS;
}

/* What those without payload have in common. */
static uint8_t *put_amounts(uint8_t *p, const struct live *live) {
    for (int d = 0; d < 2; d++) {
        const struct live_side *me = &live->side[d];
        p = put_serial(p, me->next, me->base_seq);
        p = put_serial(p, me->fin_end, me->next);
        p = put_unsigned(p, me->window);
        p = put_unsigned(p, me->last_payload);
        p = put_unsigned(p, me->packets);
        p = put_signed(p, (int64_t)(me->bytes - usual_bytes(me)));
    }
    for (int d = 0; d < 2; d++)
        p = put_serial(p, live->side[d].acked, live->side[!d].next);
    return p;
}

static const uint8_t *get_amounts(const uint8_t *p, struct live *live) {
    int64_t more;
    for (int d = 0; d < 2; d++) {
        struct live_side *me = &live->side[d];
        p = get_serial(p, &me->next, me->base_seq);
        p = get_serial(p, &me->fin_end, me->next);
        p = get_u32(p, &me->window);
        p = get_u32(p, &me->last_payload);
        p = get_u32(p, &me->packets);
        p = get_signed(p, &more);
        me->bytes = usual_bytes(me) + (uint64_t)more;
    }
    for (int d = 0; d < 2; d++)
        p = get_serial(p, &live->side[d].acked, live->side[!d].next);
    return p;
}

/* The last segment of that side is the last of its entries in a log that is read on the way. */
static bool ends_in_log(const struct live_side *me, unsigned rare) {
    return (rare & HAS_ROWS) && (me->flags & SIDE_LAST_LOGGED);
}

/* What no two have in common. */
static uint8_t *put_side(uint8_t *p, const struct live *live, unsigned d, unsigned rare) {
    const struct live_side *me = &live->side[d];
    p = put_bytes(p, me->fingerprints, sizeof me->fingerprints);
    p = put_serial(p, me->tsval, me->base_tsval);
    if (ends_in_log(me, rare))
        return p;
    p = put_time(p, me->last_ns, live->first_ns);
    return put_signed(p, (int64_t)(me->last_frame - live->first_frame));
}

static const uint8_t *get_side(const uint8_t *p, struct live *live, unsigned d, unsigned rare) {
    struct live_side *me = &live->side[d];
    int64_t frames;
    p = get_bytes(p, me->fingerprints, sizeof me->fingerprints);
    p = get_serial(p, &me->tsval, me->base_tsval);
    if (ends_in_log(me, rare))
        return p;
    p = get_time(p, &me->last_ns, live->first_ns);
    p = get_signed(p, &frames);
    me->last_frame = live->first_frame + (uint64_t)frames;
    return p;
}

/* The first byte of a side's traffic: how many samples there are, and a bit for each of what is
 * rarely so. */
enum {
    SAMPLE_COUNT = 0x1f,
    HAS_ODDS = 1 << 5,    /* something repeated, refused or missed, or still timed */
    HAS_THINNED = 1 << 6, /* the samples are not all there were */
    HAS_OTHER_TTL = 1 << 7,
};
_Static_assert((int)FLOW_SAMPLES <= (int)SAMPLE_COUNT, "their number has room");

static float least_sample(const struct flow_side *side) {
    float least = side->sample_count > 0 ? side->samples[0] : 0;
    for (int i = 1; i < side->sample_count; i++)
        least = side->samples[i] < least ? side->samples[i] : least;
    return least;
}

static unsigned traffic_of(const struct flow_side *side, const struct live_side *me) {
    unsigned what = side->sample_count;
    if (side->retransmitted_bytes || side->retransmitted_segments || side->duplicate_acks ||
        side->zero_windows || side->gaps || side->timed_ns != LA_TIME_NONE)
        what |= HAS_ODDS;
    if (side->sample_seen != side->sample_count || side->sample_stride_log2 != 0 ||
        side->sample_min != least_sample(side))
        what |= HAS_THINNED;
    if (side->ttl != me->ttl)
        what |= HAS_OTHER_TTL;
    return what;
}

/* A sample is a float of seconds, and mostly one of whole microseconds. */
static float sample_of(uint64_t usec) {
    return (float)la_seconds((int64_t)usec * LA_USEC);
}

static uint8_t *put_sample(uint8_t *p, float sample) {
    enum { MOST_USEC = 1 << 24 };
    double usec = (double)sample * 1e6 + 0.5;
    uint64_t whole = usec > 0 && usec < MOST_USEC ? (uint64_t)usec : 0;
    if (sample_of(whole) == sample)
        return put_unsigned(p, whole + 1);
    return put_bytes(put_unsigned(p, 0), &sample, sizeof sample);
}

static const uint8_t *get_sample(const uint8_t *p, float *sample) {
    uint64_t code;
    p = get_unsigned(p, &code);
    if (code == 0)
        return get_bytes(p, sample, sizeof *sample);
    *sample = sample_of(code - 1);
    return p;
}

static uint8_t *put_odds(uint8_t *p, const struct flow_side *side, int64_t base_ns) {
    p = put_unsigned(p, side->retransmitted_bytes);
    p = put_unsigned(p, side->retransmitted_segments);
    p = put_unsigned(p, side->duplicate_acks);
    p = put_unsigned(p, side->zero_windows);
    p = put_unsigned(p, side->gaps);
    p = put_time(p, side->timed_ns, base_ns);
    return put_bytes(p, &side->timed_end, sizeof side->timed_end);
}

static const uint8_t *get_odds(const uint8_t *p, struct flow_side *side, int64_t base_ns) {
    p = get_unsigned(p, &side->retransmitted_bytes);
    p = get_unsigned(p, &side->retransmitted_segments);
    p = get_unsigned(p, &side->duplicate_acks);
    p = get_unsigned(p, &side->zero_windows);
    p = get_u32(p, &side->gaps);
    p = get_time(p, &side->timed_ns, base_ns);
    return get_bytes(p, &side->timed_end, sizeof side->timed_end);
}

static uint8_t *put_flow_side(uint8_t *p, const struct flow_side *side, const struct live_side *me,
                              int64_t base_ns) {
    unsigned what = traffic_of(side, me);
    *p++ = (uint8_t)what;
    p = put_signed(p, (int64_t)(side->data_bytes - span_of(me)));
    p = put_time(p, side->last_data_ns, base_ns);
    p = put_bytes(p, &side->ip_id, sizeof side->ip_id);
    if (what & HAS_ODDS)
        p = put_odds(p, side, base_ns);
    if (what & HAS_OTHER_TTL)
        *p++ = side->ttl;
    if (what & HAS_THINNED) {
        p = put_unsigned(p, side->sample_seen);
        p = put_unsigned(p, side->sample_stride_log2);
        p = put_bytes(p, &side->sample_min, sizeof side->sample_min);
    }
    for (int i = 0; i < side->sample_count; i++)
        p = put_sample(p, side->samples[i]);
    return p;
}

static const uint8_t *get_flow_side(const uint8_t *p, struct flow_side *side,
                                    const struct live_side *me, int64_t base_ns) {
    unsigned what = *p++;
    int64_t more;
    p = get_signed(p, &more);
    side->data_bytes = span_of(me) + (uint64_t)more;
    p = get_time(p, &side->last_data_ns, base_ns);
    p = get_bytes(p, &side->ip_id, sizeof side->ip_id);
    side->timed_ns = LA_TIME_NONE;
    if (what & HAS_ODDS)
        p = get_odds(p, side, base_ns);
    side->ttl = me->ttl;
    if (what & HAS_OTHER_TTL)
        side->ttl = *p++;
    side->sample_seen = side->sample_count = what & SAMPLE_COUNT;
    if (what & HAS_THINNED) {
        p = get_u32(p, &side->sample_seen);
        p = get_u16(p, &side->sample_stride_log2);
        p = get_bytes(p, &side->sample_min, sizeof side->sample_min);
    }
    for (int i = 0; i < side->sample_count; i++)
        p = get_sample(p, &side->samples[i]);
    if (!(what & HAS_THINNED))
        side->sample_min = least_sample(side);
    return p;
}

static unsigned rare_of(const struct live *live) {
    unsigned rare = 0;
    if (live->incarnation != 1)
        rare |= HAS_LIVES;
    if (live->duplicates)
        rare |= HAS_DUPLICATES;
    if (live->tunnels || live->vlan)
        rare |= HAS_PLACES;
    if (live->first_input || live->input[0] || live->input[1])
        rare |= HAS_INPUTS;
    if (live->flow)
        rare |= HAS_FLOW;
    return rare;
}

static uint8_t *put_rare(uint8_t *p, const struct live *live, unsigned rare) {
    if (rare & HAS_LIVES)
        p = put_unsigned(p, live->incarnation);
    if (rare & HAS_DUPLICATES)
        p = put_unsigned(p, live->duplicates);
    if (rare & HAS_PLACES)
        p = put_unsigned(put_unsigned(p, live->tunnels), live->vlan);
    if (rare & HAS_INPUTS) {
        p = put_unsigned(p, live->first_input);
        p = put_unsigned(put_unsigned(p, live->input[0]), live->input[1]);
    }
    for (int d = 0; (rare & HAS_FLOW) && d < 2; d++)
        p = put_flow_side(p, &live->flow->side[d], &live->side[d], live->first_ns);
    return p;
}

static const uint8_t *get_places(const uint8_t *p, struct live *live) {
    uint32_t tunnels, vlan;
    p = get_u32(get_u32(p, &tunnels), &vlan);
    live->tunnels = tunnels & (uint32_t)LIVE_TUNNELS;
    live->vlan = vlan & (uint32_t)LIVE_VLAN;
    return p;
}

static const uint8_t *get_rare(const uint8_t *p, struct live *live, struct flow *flow,
                               unsigned rare) {
    live->incarnation = 1;
    if (rare & HAS_LIVES)
        p = get_u16(p, &live->incarnation);
    if (rare & HAS_DUPLICATES)
        p = get_u16(p, &live->duplicates);
    if (rare & HAS_PLACES)
        p = get_places(p, live);
    if (rare & HAS_INPUTS) {
        p = get_u16(p, &live->first_input);
        p = get_u16(get_u16(p, &live->input[0]), &live->input[1]);
    }
    if (rare & HAS_FLOW) {
        memset(flow, 0, sizeof *flow);
        live->flow = flow;
    }
    for (int d = 0; (rare & HAS_FLOW) && d < 2; d++)
        p = get_flow_side(p, &flow->side[d], &live->side[d], live->first_ns);
    return p;
}

/* A log that was taken apart. */
struct rows {
    uint8_t common[LA_LOG_ROWS * LA_LOG_COMMON], own[LA_LOG_ROWS * LA_LOG_OWN];
    size_t own_size;
};

/* In common, as far as there is no payload: the rare bits, the letters, options, counts, and what
 * the entries of the log are. */
static size_t write_shape(const struct live *live, unsigned rare, const struct rows *rows,
                          uint8_t *out) {
    uint8_t *p = out;
    *p++ = (uint8_t)rare;
    *p++ = live->history_count & 0x1fU;
    p = put_bytes(p, &live->history, sizeof live->history);
    for (unsigned d = 0; d < 2; d++)
        p = put_character(p, &live->side[d]);
    if (!(rare & HAS_FLOW))
        p = put_amounts(p, live);
    if (rare & HAS_ROWS) {
        *p++ = (uint8_t)live->log.count;
        p = put_bytes(p, rows->common, (size_t)live->log.count * LA_LOG_COMMON);
    }
    return (size_t)(p - out);
}

/* `*rows` is set to what the entries of the log have in common. */
static unsigned read_shape(struct live *live, const uint8_t *p, const uint8_t **rows) {
    unsigned rare = *p++;
    live->history_count = *p++ & 0x1fU;
    p = get_bytes(p, &live->history, sizeof live->history);
    for (unsigned d = 0; d < 2; d++)
        p = get_character(p, &live->side[d]);
    if (!(rare & HAS_FLOW))
        p = get_amounts(p, live);
    if (rare & HAS_ROWS)
        live->log.count = *p++;
    *rows = p;
    return rare;
}

static uint8_t *put_shape(uint8_t *p, struct shapes *shapes, const uint8_t *shape, size_t size) {
    uint32_t number = shapes_number(shapes, shape, size);
    p = put_unsigned(p, number);
    return number == SHAPE_NONE ? put_bytes(put_unsigned(p, size), shape, size) : p;
}

static const uint8_t *get_shape(const uint8_t *p, const struct shapes *shapes,
                                const uint8_t **shape) {
    uint64_t number, size;
    p = get_unsigned(p, &number);
    if (number != SHAPE_NONE) {
        *shape = shapes_bytes(shapes, (uint32_t)number);
        return p;
    }
    *shape = p = get_unsigned(p, &size);
    return p + size;
}

size_t live_pack(const struct live *live, struct shapes *shapes, uint8_t *out) {
    uint8_t shape[SHAPE_SIZE];
    struct rows rows;
    const struct la_log_base base = live_log_base(live);
    rows.own_size = la_log_split(&live->log, &base, rows.common, rows.own);
    unsigned rare = rare_of(live) | (rows.own_size > 0 ? HAS_ROWS : 0);
    uint8_t *p = put_shape(out, shapes, shape, write_shape(live, rare, &rows, shape));
    p = put_time(p, live->first_ns, live->expire_ns);
    p = put_unsigned(p, live->first_frame);
    for (int d = 0; d < 2; d++) {
        p = put_bytes(p, &live->side[d].base_seq, sizeof(uint32_t));
        p = put_bytes(p, &live->side[d].base_tsval, sizeof(uint32_t));
    }
    for (unsigned d = 0; d < 2; d++)
        p = put_side(p, live, d, rare);
    if (rare & HAS_FLOW)
        p = put_amounts(p, live);
    p = put_rare(p, live, rare);
    if (rare & HAS_ROWS)
        return (size_t)(put_bytes(p, rows.own, rows.own_size) - out);
    p = put_unsigned(p, live->log.count);
    p = put_unsigned(p, live->log.used);
    if (live->log.used > 0)
        p = put_bytes(p, live->log.bytes, live->log.used);
    return (size_t)(p - out);
}

void live_take_head(struct live *live, const struct shelf_item *item) {
    memcpy(live->host, item->host, sizeof live->host);
    memcpy(live->port, item->port, sizeof live->port);
    live->flags |= item->v6 ? LIVE_V6 : 0;
    live->expire_ns = item->expire_ns;
}

static void join_rows(struct live *live, const uint8_t *common, const uint8_t *own) {
    struct la_log_end ends[2];
    la_log_join(&live->log, common, own, ends);
    for (unsigned d = 0; d < 2; d++) {
        if (!(live->side[d].flags & SIDE_LAST_LOGGED))
            continue;
        live->side[d].last_ns = live->first_ns + ends[d].elapsed_ns;
        live->side[d].last_frame = live->first_frame + ends[d].frames;
    }
}

void live_unpack(struct live *live, struct unpacked *room, const struct shapes *shapes,
                 struct shelf_item *item) {
    uint8_t *packed = (uint8_t *)(item + 1);
    const uint8_t *shape, *rows, *p = get_shape(packed, shapes, &shape);
    live_take_head(live, item);
    p = get_time(p, &live->first_ns, live->expire_ns);
    p = get_unsigned(p, &live->first_frame);
    for (int d = 0; d < 2; d++) {
        p = get_bytes(p, &live->side[d].base_seq, sizeof(uint32_t));
        p = get_bytes(p, &live->side[d].base_tsval, sizeof(uint32_t));
    }
    unsigned rare = read_shape(live, shape, &rows);
    for (unsigned d = 0; d < 2; d++)
        p = get_side(p, live, d, rare);
    if (rare & HAS_FLOW)
        p = get_amounts(p, live);
    p = get_rare(p, live, &room->flow, rare);
    if (rare & HAS_ROWS) {
        live->log.bytes = room->log;
        join_rows(live, rows, p);
    } else {
        p = get_u16(p, &live->log.count);
        p = get_u16(p, &live->log.used);
        live->log.bytes = packed + (p - packed);
    }
    live->log.capacity = live->log.used;
}
