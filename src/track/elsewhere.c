#include "track/elsewhere.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/forgery.h"

#include <string.h>

/* Clocks drift, from one copy of a packet to the next. */
#define MARGIN_NS (2 * LA_MSEC)
/* A path must be that long before its ends can be told apart by time. */
#define MEASURABLE_NS (1 * LA_MSEC)

static struct elsewhere *elsewhere_of(struct live *live, struct la_pool *pool, uint16_t input) {
    struct extra *extra = live_make_extra(live, pool);
    if (!extra || extra->elsewhere)
        return extra ? extra->elsewhere : NULL;
    struct elsewhere *e = extra->elsewhere = la_pool_take(pool, sizeof *e);
    if (!e)
        return NULL;
    memset(e, 0, sizeof *e);
    e->input = input;
    for (int d = 0; d < 2; d++) {
        e->syn_ns[d] = LA_TIME_NONE;
        e->turnaround_ns[d] = -1;
    }
    return e;
}

static void note_reset(const struct live *live, struct elsewhere *e, unsigned d,
                       const struct la_segment *s) {
    if (e->reset_count == ELSEWHERE_RESETS) {
        e->overflowed = true;
        return;
    }
    const struct verdict verdict = live_classify(live, d, s);
    e->resets[e->reset_count++] = (struct la_observation){
        .time_ns = s->time_ns,
        .frame = s->frame,
        .input = s->input,
        .from = (uint8_t)d,
        .class = (uint8_t)verdict.class,
        .flags = s->flags,
        .exact = verdict.exact,
        .in_window = verdict.in_window,
        .seq = s->seq,
        .ack = s->ack,
        .payload = s->payload,
        .tsval = s->tsval,
        .tsecr = s->tsecr,
        .options = (uint16_t)(s->options & ~LA_IP_DONT_FRAGMENT),
        .ip_id = s->ip_id,
        .ttl = s->ttl,
    };
}

bool elsewhere_note(struct live *live, struct la_pool *pool, unsigned d, const struct la_segment *s,
                    bool same) {
    struct elsewhere *e = elsewhere_of(live, pool, s->input);
    if (!e)
        return false;
    if (e->input != s->input)
        return true; /* a third point */
    e->last_ns = s->time_ns;
    if (s->flags & LA_RST) {
        note_reset(live, e, d, s);
        return true;
    }
    e->packets[d]++;
    if (e->ttl[d] == 0)
        e->ttl[d] = s->ttl;
    if (same) {
        e->aligned[d] = true;
        e->ahead_ns[d] = s->time_ns - live->side[d].last_ns;
    }
    if ((s->flags & LA_ACK) && e->syn_ns[!d] != LA_TIME_NONE && e->turnaround_ns[d] < 0)
        e->turnaround_ns[d] = s->time_ns - e->syn_ns[!d];
    if (s->flags & LA_SYN)
        e->syn_ns[d] = s->time_ns;
    return true;
}

/* Settling */

/* Which of the two points lies nearer to an end: there its segments have made fewer hops, or it
 * answers sooner. Negative: the one that is followed; positive: the other; 0: not known. */
static int nearer(const struct live *live, const struct elsewhere *e, unsigned d,
                  int64_t turnaround_ns) {
    uint8_t here = live->side[d].ttl, there = e->ttl[d];
    if (here != there && here != 0 && there != 0)
        return there > here ? 1 : -1;
    if (e->turnaround_ns[d] < 0 || turnaround_ns < 0)
        return 0;
    if (turnaround_ns > MEASURABLE_NS && e->turnaround_ns[d] < turnaround_ns / 2)
        return 1;
    return e->turnaround_ns[d] > MEASURABLE_NS && turnaround_ns < e->turnaround_ns[d] / 2 ? -1 : 0;
}

static bool is_same_reset(const struct la_observation *a, const struct la_observation *b) {
    return (a->flags & LA_RST) && a->from == b->from && a->seq == b->seq && a->flags == b->flags;
}

static bool stands_in(const struct la_observation *log, size_t count,
                      const struct la_observation *reset) {
    for (size_t i = 0; i < count; i++)
        if (is_same_reset(&log[i], reset))
            return true;
    return false;
}

/* By our clock; LA_TIME_NONE where the two cannot be compared. */
static int64_t our_time(const struct elsewhere *e, unsigned d, int64_t ns) {
    if (!e->aligned[d] && !e->aligned[!d])
        return LA_TIME_NONE;
    return ns - e->ahead_ns[e->aligned[d] ? d : !d];
}

/* A RST that only the other point has, in the name of an end to which ours lies nearer, while ours
 * missed nothing and went on listening: that end did not send it. */
static void add_resets(struct view *view, const struct elsewhere *e, unsigned client,
                       const int near[2]) {
    struct la_connection *c = &view->connection;
    size_t count = c->log_count;
    for (size_t i = 0; i < e->reset_count; i++) {
        struct la_observation reset = view->elsewhere.resets[i];
        reset.time_ns = our_time(e, reset.from == LA_CLIENT ? client : !client, reset.time_ns);
        bool listened =
            reset.time_ns != LA_TIME_NONE && c->last.time_ns > reset.time_ns + MARGIN_NS;
        if (near[reset.from] < 0 && listened && c->gaps == 0 &&
            !stands_in(view->log, count, &reset))
            view->log[c->log_count++] = reset;
    }
}

void elsewhere_fill(struct view *view, const struct live *live, unsigned client) {
    struct la_connection *c = &view->connection;
    const struct extra *extra = live_extra(live);
    const struct elsewhere *e = extra ? extra->elsewhere : NULL;
    int near[2];
    /* Of several lives of a 4-tuple it is not known at the second point which of them a RST was of.
     */
    if (!e || live->older != LA_NO_LIVE || live->newer != LA_NO_LIVE)
        return;
    struct la_elsewhere *out = &view->elsewhere;
    *out = (struct la_elsewhere){.input = e->input};
    for (unsigned role = 0; role < 2; role++) {
        unsigned d = role == LA_CLIENT ? client : !client;
        near[role] = nearer(live, e, d, c->side[role].rtt_min_ns);
        uint32_t here = live->side[d].packets - live->side[d].rst;
        bool whole = !e->overflowed && e->packets[d] >= here;
        int64_t last = our_time(e, d, e->last_ns);
        bool known = live->side[d].ttl != 0 && e->ttl[d] != 0;
        out->hops[role] = (int16_t)(known ? live->side[d].ttl - e->ttl[d] : 0);
        out->witness_until_ns[role] =
            near[role] > 0 && whole && last != LA_TIME_NONE ? last - MARGIN_NS : LA_TIME_NONE;
    }
    for (size_t i = 0; i < e->reset_count; i++) {
        out->resets[i] = e->resets[i];
        out->resets[i].from = e->resets[i].from == client ? LA_CLIENT : LA_SERVER;
        out->resets[i].ttl = (uint8_t)(e->resets[i].ttl + out->hops[out->resets[i].from]);
    }
    out->reset_count = e->reset_count;
    add_resets(view, e, client, near);
    c->elsewhere = out;
}

struct la_where la_place_of(const struct la_connection *c, size_t index) {
    const struct la_observation *o = &c->log[index];
    struct la_where where = {o->time_ns, o->frame, o->input};
    const struct la_elsewhere *e = c->elsewhere;
    for (size_t i = 0; e && o->input == e->input && i < e->reset_count; i++)
        if (e->resets[i].frame == o->frame)
            where.time_ns = e->resets[i].time_ns;
    return where;
}

bool la_is_disowned(const struct la_connection *c, size_t rst) {
    const struct la_elsewhere *e = c->elsewhere;
    const struct la_observation *r = &c->log[rst];
    if (!e)
        return false;
    if (r->input == e->input)
        return true; /* no other RST of it is in the log */
    return e->witness_until_ns[r->from] != LA_TIME_NONE &&
           r->time_ns < e->witness_until_ns[r->from] && !stands_in(e->resets, e->reset_count, r);
}
