/* simultaneous-open: both sides sent a SYN, and the two made one connection (RFC 9293, 3.5). Not a
 * fault: named so that nobody takes it for one. */
#include "diagnose/build.h"

#include "base/seq.h"

static const struct la_detail_spec details[] = {
    {"apart", LA_DETAIL_SECONDS, false, NULL, "between the two SYNs, where they were captured"},
    {0},
};

static size_t first_syn(const struct la_connection *c, unsigned side) {
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side && (c->log[i].flags & (LA_SYN | LA_ACK)) == LA_SYN)
            return i;
    return LA_NOWHERE;
}

/* Each acknowledged the other's SYN: one connection came of it. */
static bool joined(const struct la_connection *c) {
    for (unsigned side = 0; side < 2; side++) {
        const struct la_endpoint *me = &c->side[side], *peer = &c->side[!side];
        if (!me->acked_known || !peer->isn_known || !seq_lt(peer->isn, me->acked))
            return false;
    }
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    if (!c->side[0].syn_sent || !c->side[1].syn_sent || !joined(c))
        return false;
    size_t syn[2] = {first_syn(c, 0), first_syn(c, 1)};
    if (syn[0] == LA_NOWHERE || syn[1] == LA_NOWHERE)
        return false;
    unsigned first = syn[0] < syn[1] ? 0 : 1;
    finding_start(f, LA_KIND_SIMULTANEOUS_OPEN, c, first);
    f->severity = LA_INFO;
    f->confidence = LA_OBSERVED;
    f->time_ns = c->log[syn[first]].time_ns;
    f->summary =
        finding_text(f, "%s and %s connected to each other at once, and made one connection",
                     endpoint_text(f, &c->side[first]), endpoint_text(f, &c->side[!first]));
    finding_blame(f, LA_ROLE_APPLICATION, NULL, "both programs connect, none of them listens");
    finding_show(f, c, syn[first], "SYN");
    finding_show(f, c, syn[!first], "SYN of the other side");
    finding_assume_usual(f, c, first);
    finding_exclude(f, "recycled-port-rst", "each side acknowledged the other's SYN");
    detail_seconds(f, "apart", c->log[syn[!first]].time_ns - c->log[syn[first]].time_ns);
    return true;
}

const struct la_diagnosis diagnosis_simultaneous_open = {
    .kind = LA_KIND_SIMULTANEOUS_OPEN,
    .name = "simultaneous-open",
    .summary = "both sides sent a SYN, and the two made one connection, as they may",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_TWO_SYNS,
};
