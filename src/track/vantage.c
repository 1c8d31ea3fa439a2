/* Where the capture point lies between the two ends of a connection.
 *
 * Measured, not configured: the time from here to an end and back is the shortest that this end
 * ever took to acknowledge something (its own processing only adds to it). */
#include "track/settle.h"

#include "base/seq.h"
#include "decode/segment.h"

/* Below this the processing times of the ends drown the path's. */
enum { SHORTEST_PATH_NS = 200000 };

/* An attempt that was never answered measures nothing; another connection of the same two hosts
 * has. */
static void borrow(const struct la_connection *c, int64_t turnaround_ns[2]) {
    const struct la_connection *near[2] = {c->previous, c->next};
    for (int i = 0; i < 2; i++) {
        if (!near[i])
            continue;
        for (unsigned s = 0; s < 2; s++)
            if (turnaround_ns[s] < 0)
                turnaround_ns[s] = near[i]->side[la_side_in(near[i], c, s)].rtt_min_ns;
    }
    for (int s = 0; c->recycle && s < 2; s++)
        if (turnaround_ns[s] < 0)
            turnaround_ns[s] = c->recycle->turnaround_ns[s];
    for (int s = 0; c->meanwhile && s < 2; s++)
        if (turnaround_ns[s] < 0)
            turnaround_ns[s] = c->meanwhile->turnaround_ns[s];
}

/* So many are looked for. */
enum { ASKED = 16 };

static bool echoes(const struct la_observation *o, const struct la_observation *asked) {
    return o->from != asked->from && (o->options & LA_HAS_TIMESTAMPS) && (o->flags & LA_ACK) &&
           o->tsecr == asked->tsval;
}

/* What passes with the timestamp of something that its sender was sent left after that had come.
 * Whoever had to be told twice has taken longer than the way takes; this says how long at most. A
 * timestamp must be the first of its kind: a FIN shares that of the data before it. What else bears
 * it can have left no more than a tick before. */
static int64_t echoed_within(const struct la_connection *c, unsigned side) {
    double hz = settle_clock_rate(c, !side);
    int64_t least = INT64_MAX;
    if (hz < 100)
        return least;
    int64_t tick = (int64_t)(1e9 / hz);
    unsigned asked_count = 0;
    uint32_t newest = 0;
    for (size_t i = 0; i < c->log_count && asked_count < ASKED; i++) {
        const struct la_observation *asked = &c->log[i];
        if (asked->from == side || !(asked->options & LA_HAS_TIMESTAMPS))
            continue;
        bool first = asked_count++ == 0 || seq_lt(newest, asked->tsval);
        if (!first)
            continue;
        newest = asked->tsval;
        size_t j = i + 1;
        while (j < c->log_count && !echoes(&c->log[j], asked))
            j++;
        int64_t took = j < c->log_count ? c->log[j].time_ns - asked->time_ns + tick : least;
        if (asked->class != LA_CLASS_FIN && took < least)
            least = took;
    }
    return least;
}

static void bound_by_echoes(const struct la_connection *c, int64_t turnaround_ns[2]) {
    for (unsigned side = 0; side < 2; side++) {
        int64_t echoed = echoed_within(c, side);
        if (turnaround_ns[side] > echoed)
            turnaround_ns[side] = echoed;
    }
}

void settle_vantage(struct view *view) {
    struct la_connection *c = &view->connection;
    struct la_vantage *v = &c->vantage;
    for (unsigned side = 0; side < 2; side++)
        v->turnaround_ns[side] = c->side[side].rtt_min_ns;
    if (c->remarkable)
        bound_by_echoes(c, v->turnaround_ns);
    if (c->previous || c->next || c->recycle || c->meanwhile)
        borrow(c, v->turnaround_ns);
    int64_t y = v->turnaround_ns[LA_CLIENT], x = v->turnaround_ns[LA_SERVER];
    v->kind = LA_VANTAGE_UNKNOWN;
    v->fraction = -1;
    if (x < 0 || y < 0 || x + y < SHORTEST_PATH_NS)
        return;
    static const enum la_vantage_kind kinds[] = {LA_VANTAGE_NEAR_CLIENT, LA_VANTAGE_MIDDLE,
                                                 LA_VANTAGE_NEAR_SERVER};
    v->fraction = (double)y / (double)(x + y);
    v->kind = kinds[(v->fraction >= 0.1) + (v->fraction > 0.9)]; /* nobody could foretell it */
}
