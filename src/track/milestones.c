/* When a connection opened and closed: what the accounts ask of an ordinary one, in which nothing
 * was repeated, reset or lost. */
#include "track/settle.h"

#include "base/time.h"
#include "decode/segment.h"
#include "track/listening.h"

/* A FIN that is not sent again by then was acknowledged, whether the capture saw it or not. */
#define QUIET_NS (1500 * LA_MSEC)

static bool acknowledges(const struct la_observation *o, const struct la_endpoint *peer) {
    return (o->flags & LA_ACK) && o->ack == peer->fin_end && peer->fin_seen;
}

static void note(size_t *line, size_t i) {
    if (*line == LA_NOWHERE)
        *line = i;
}

void settle_milestone_lines(const struct la_connection *c, struct milestone_lines *m) {
    *m = (struct milestone_lines){
        LA_NOWHERE, LA_NOWHERE, {LA_NOWHERE, LA_NOWHERE}, {LA_NOWHERE, LA_NOWHERE}};
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == LA_SERVER)
            note(&m->syn_ack, i);
        else if (o->flags & LA_ACK)
            note(&m->open, i);
        if (o->flags & LA_FIN)
            note(&m->fin[o->from], i);
        if (m->fin[!o->from] != LA_NOWHERE && acknowledges(o, &c->side[!o->from]))
            note(&m->fin_acked[!o->from], i);
    }
}

static int64_t time_of(const struct la_connection *c, size_t line) {
    return line != LA_NOWHERE ? c->log[line].time_ns : INT64_MAX;
}

static bool was_acknowledged(const struct la_connection *c, unsigned side, int64_t fin_ns) {
    return fin_ns != INT64_MAX &&
           fin_ns + c->profile[side]->rto_min_ns + QUIET_NS < la_heard_until(c, fin_ns);
}

void settle_milestones(struct view *view) {
    struct la_connection *c = &view->connection;
    struct la_milestones *m = &c->milestones;
    struct milestone_lines lines;
    settle_milestone_lines(c, &lines);
    m->syn_ack_ns = time_of(c, lines.syn_ack);
    m->open_ns = time_of(c, lines.open);
    for (unsigned side = 0; side < 2; side++) {
        m->fin_ns[side] = time_of(c, lines.fin[side]);
        m->fin_acked_ns[side] = time_of(c, lines.fin_acked[side]);
        if (lines.fin_acked[side] == LA_NOWHERE && was_acknowledged(c, side, m->fin_ns[side]))
            m->fin_acked_ns[side] = m->fin_ns[side];
    }
}
