/* The clocks of both ends: how fast their timestamps tick, and when each segment left the one and
 * reached the other. */
#include "track/settle.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

static bool is_stamped(const struct la_observation *o, unsigned side) {
    return o->from == side && (o->options & LA_HAS_TIMESTAMPS);
}

/* When the newest timestamp of a side passed: by the log if that has it, because what came last may
 * bear none, or an old one. */
static int64_t newest_stamp_ns(const struct la_connection *c, unsigned side) {
    const struct la_endpoint *me = &c->side[side];
    for (size_t i = 0; i < c->log_count; i++)
        if (is_stamped(&c->log[i], side) && c->log[i].tsval == me->tsval)
            return c->log[i].time_ns;
    return me->last_ns;
}

/* The rate of a timestamp clock, from the first logged segment to the newest value. */
static double clock_rate(const struct la_connection *c, unsigned side) {
    const struct la_endpoint *me = &c->side[side];
    if (!me->timestamps_used)
        return 0;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (!is_stamped(o, side))
            continue;
        int64_t elapsed = newest_stamp_ns(c, side) - o->time_ns;
        int32_t ticks = seq_diff(me->tsval, o->tsval);
        /* Below 10 ticks the rounding of one tick is too much. */
        return elapsed > 0 && ticks >= 10 ? (double)ticks / la_seconds(elapsed) : 0;
    }
    return 0;
}

/* Clocks tick at a few customary rates; a measured one within 10 % of such is that. */
static double round_rate(double hz) {
    static const double customary[] = {1, 2, 10, 100, 250, 300, 500, 1000, 10000, 1000000};
    for (size_t i = 0; i < sizeof customary / sizeof customary[0]; i++)
        if (hz > customary[i] * 0.9 && hz < customary[i] * 1.1)
            return customary[i];
    return hz;
}

void settle_clocks(struct view *view) {
    struct la_connection *c = &view->connection;
    for (unsigned side = 0; side < 2; side++)
        c->side[side].timestamp_hz = round_rate(clock_rate(c, side));
    for (size_t i = 0; i < c->log_count; i++) {
        view->times[i].sent_ns = la_sent_ns(c, i);
        view->times[i].arrived_ns = la_arrived_ns(c, i);
    }
}
