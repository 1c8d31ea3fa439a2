/* The clocks of both ends: how fast their timestamps tick, and when each segment left the one and
 * reached the other. */
#include "track/settle.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

/* A timestamp and when it passed. */
struct stamp {
    int64_t ns;
    uint32_t tsval;
};

enum { STAMPS = 16 }; /* of a side that are looked at: the first ones, and the newest */

/* The newest may have passed with a segment that is not in the log; what came last may bear none,
 * or an old one. */
static size_t read_stamps(const struct la_connection *c, unsigned side, struct stamp *stamps) {
    const struct la_endpoint *me = &c->side[side];
    size_t count = 0;
    bool has_newest = false;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != side || !(o->options & LA_HAS_TIMESTAMPS))
            continue;
        bool newest = o->tsval == me->tsval && !has_newest;
        has_newest = has_newest || newest;
        if (count < STAMPS - 1 || newest)
            stamps[count < STAMPS ? count++ : STAMPS - 1] = (struct stamp){o->time_ns, o->tsval};
    }
    if (!has_newest && count < STAMPS && me->last_ns != LA_TIME_NONE)
        stamps[count++] = (struct stamp){me->last_ns, me->tsval};
    return count;
}

/* 0: too close together. Below 10 ticks the rounding of one tick is too much. */
static double rate_of(const struct stamp *from, const struct stamp *to) {
    int64_t elapsed = to->ns - from->ns;
    int32_t ticks = seq_diff(to->tsval, from->tsval);
    return elapsed > 0 && ticks >= 10 ? (double)ticks / la_seconds(elapsed) : 0;
}

/* Clocks tick at a few customary rates. */
static const double customary[] = {1, 2, 10, 100, 250, 300, 500, 1000, 10000, 1000000};
enum { CUSTOMARY = sizeof customary / sizeof customary[0] };

/* The customary rate that is within 10 % of a measured one; CUSTOMARY: none. */
static size_t customary_of(double hz) {
    size_t i = 0;
    while (i < CUSTOMARY && hz >= customary[i] * 1.1)
        i++;
    return i < CUSTOMARY && hz > customary[i] * 0.9 ? i : CUSTOMARY;
}

/* A segment that was held up on its way makes the clock look slower, or faster from there on: so
 * every pair is measured, and what most of them say is believed; of two rates the higher. Without a
 * customary one the clock is what the first and the newest make it. */
double settle_clock_rate(const struct la_connection *c, unsigned side) {
    struct stamp stamps[STAMPS];
    unsigned votes[CUSTOMARY + 1] = {0};
    size_t count = read_stamps(c, side, stamps), best = CUSTOMARY;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            votes[customary_of(rate_of(&stamps[i], &stamps[j]))]++;
    votes[CUSTOMARY] = 0;
    for (size_t i = 0; i < CUSTOMARY; i++)
        if (votes[i] > 0 && votes[i] >= votes[best])
            best = i;
    if (best < CUSTOMARY)
        return customary[best];
    return count > 0 ? rate_of(&stamps[0], &stamps[count - 1]) : 0;
}

void settle_clocks(struct view *view) {
    struct la_connection *c = &view->connection;
    for (unsigned side = 0; side < 2; side++)
        c->side[side].timestamp_hz = settle_clock_rate(c, side);
    for (size_t i = 0; i < c->log_count; i++) {
        view->times[i].sent_ns = la_sent_ns(c, i);
        view->times[i].arrived_ns = la_arrived_ns(c, i);
    }
}
