/* Where the capture point lies between the two ends of a connection.
 *
 * Measured, not configured: the time from here to an end and back is the shortest that this end
 * ever took to acknowledge something (its own processing only adds to it). */
#include "track/settle.h"

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

void settle_vantage(struct view *view) {
    struct la_connection *c = &view->connection;
    struct la_vantage *v = &c->vantage;
    v->turnaround_ns[LA_CLIENT] = c->side[LA_CLIENT].rtt_min_ns;
    v->turnaround_ns[LA_SERVER] = c->side[LA_SERVER].rtt_min_ns;
    borrow(c, v->turnaround_ns);
    int64_t y = v->turnaround_ns[LA_CLIENT], x = v->turnaround_ns[LA_SERVER];
    v->kind = LA_VANTAGE_UNKNOWN;
    v->fraction = -1;
    if (x < 0 || y < 0 || x + y < SHORTEST_PATH_NS)
        return;
    v->fraction = (double)y / (double)(x + y);
    if (v->fraction < 0.1)
        v->kind = LA_VANTAGE_NEAR_CLIENT;
    else if (v->fraction > 0.9)
        v->kind = LA_VANTAGE_NEAR_SERVER;
    else
        v->kind = LA_VANTAGE_MIDDLE;
}
