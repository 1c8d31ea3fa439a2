/* simultaneous-close: both sides sent their FIN before they had the other's (RFC 9293, 3.6). Not a
 * fault: named so that nobody takes it for one. */
#include "diagnose/build.h"

#include <stdlib.h>

static const struct la_detail_spec details[] = {
    {"apart", LA_DETAIL_SECONDS, false, NULL, "between the two FINs, where they were captured"},
    {0},
};

static size_t first_fin(const struct la_connection *c, unsigned side) {
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side && (c->log[i].flags & LA_FIN))
            return i;
    return LA_NOWHERE;
}

/* Each FIN tells what its sender had received: not the other's. A later copy may. */
static bool crossed(const struct la_connection *c, const size_t fin[2]) {
    return fin[0] != LA_NOWHERE && fin[1] != LA_NOWHERE &&
           (c->log[fin[0]].flags & c->log[fin[1]].flags & LA_ACK) &&
           !la_covers(&c->log[fin[0]], c->side[1].fin_end) &&
           !la_covers(&c->log[fin[1]], c->side[0].fin_end);
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    if (c->first_closer != LA_CLOSER_BOTH)
        return false;
    size_t fin[2] = {first_fin(c, 0), first_fin(c, 1)};
    if (!crossed(c, fin))
        return false;
    unsigned first = fin[0] < fin[1] ? 0 : 1;
    int64_t apart = c->log[fin[!first]].time_ns - c->log[fin[first]].time_ns;
    finding_start(f, LA_KIND_SIMULTANEOUS_CLOSE, c, first);
    f->severity = LA_INFO;
    f->confidence = LA_OBSERVED;
    f->time_ns = c->log[fin[first]].time_ns;
    f->summary =
        finding_text(f,
                     "both sides closed at once: neither %s nor %s had the other's FIN "
                     "when it sent its own",
                     endpoint_text(f, &c->side[first]), endpoint_text(f, &c->side[!first]));
    finding_blame(f, LA_ROLE_APPLICATION, NULL, "both programs closed at the same time");
    finding_show(f, c, fin[first], "FIN");
    finding_show(f, c, fin[!first], "FIN that does not acknowledge it");
    finding_assume_usual(f, c, first);
    finding_exclude(f, "fin-retransmitted", "these are the FINs of the two directions");
    detail_seconds(f, "apart", llabs(apart));
    return true;
}

const struct la_diagnosis diagnosis_simultaneous_close = {
    .kind = LA_KIND_SIMULTANEOUS_CLOSE,
    .name = "simultaneous-close",
    .summary = "both sides sent their FIN before they had the other's, as they may",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_CLOSED_BY_BOTH,
};
