/* time-wait-assassination: a RST ended a TIME-WAIT before its time (RFC 1337). The history of the
 * end that held it says so; which segment led to the RST, the RST's own attribution. */
#include "diagnose/build.h"

#include "base/time.h"
#include "decode/segment.h"

static const char *const triggers[] = {"old-duplicate", "late-ack", "unknown", NULL};
enum trigger { BY_OLD_DUPLICATE, BY_LATE_ACK, BY_UNKNOWN };

static const struct la_detail_spec details[] = {
    {"trigger", LA_DETAIL_WORD, false, triggers, "what led to the RST"},
    {"time_wait_left", LA_DETAIL_SECONDS, true, NULL, "how much longer it would have lasted"},
    {0},
};

/* The change with which a RST ended this end's TIME-WAIT; NULL when none did. */
static const struct la_change *find_end(const struct la_endpoint *end) {
    for (size_t i = 1; i < end->change_count; i++)
        if (end->changes[i].event == LA_EV_RECV_RST && end->changes[i - 1].state == LA_ST_TIME_WAIT)
            return &end->changes[i];
    return NULL;
}

static const struct la_reset *reset_of(const struct la_connection *c,
                                       const struct la_change *change) {
    for (size_t i = 0; i < c->reset_count; i++)
        if (c->resets[i].where.frame == change->frame && c->resets[i].where.input == change->input)
            return &c->resets[i];
    return NULL;
}

static enum trigger trigger_of(const struct la_reset *reset) {
    if (reset->cause == LA_RESET_OLD_DUPLICATE)
        return BY_OLD_DUPLICATE;
    return reset->cause == LA_RESET_LATE_ACK ? BY_LATE_ACK : BY_UNKNOWN;
}

/* Only an answer shows that nothing was left there: a later segment drew a RST where TIME-WAIT
 * would have acknowledged it. */
static const struct la_reset *find_proof(const struct la_connection *c, unsigned holder,
                                         const struct la_change *end) {
    for (size_t i = 0; i < c->reset_count; i++) {
        const struct la_reset *reset = &c->resets[i];
        if (reset->by == holder && reset->form == LA_RESET_BARE && reset->drawer != LA_NOWHERE &&
            la_arrived_ns(c, reset->drawer) > end->time_ns + LA_JITTER_NS)
            return reset;
    }
    return NULL;
}

/* What restarted or began the TIME-WAIT last before it ended. */
static int64_t counted_from(const struct la_connection *c, unsigned holder,
                            const struct la_change *end) {
    int64_t from = end[-1].time_ns;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        int64_t at = la_arrived_ns(c, i);
        if (o->from != holder && !(o->flags & LA_RST) && o->arrival != LA_ARRIVAL_LOST &&
            at > from && at < end->time_ns)
            from = at;
    }
    return from;
}

static void blame(struct la_finding *f, const struct la_connection *c, enum trigger trigger,
                  unsigned holder) {
    if (trigger == BY_OLD_DUPLICATE)
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "it delivered a copy of a segment long after the connection was over");
    else if (trigger == BY_LATE_ACK)
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "two ACKs of the FIN reached the other end, of which one was enough");
    else
        finding_blame(f, LA_ROLE_UNKNOWN, &c->side[!holder].addr,
                      "its RST carries the number that TIME-WAIT waits for; what drew it did not "
                      "pass here");
}

static bool examine_side(const struct la_connection *c, unsigned holder, struct la_finding *f) {
    const struct la_change *end = find_end(&c->side[holder]);
    const struct la_reset *reset = end ? reset_of(c, end) : NULL;
    if (!reset || reset->cause == LA_RESET_PORT_RECYCLED || reset->cause == LA_RESET_INJECTED)
        return false;
    enum trigger trigger = trigger_of(reset);
    const struct la_reset *proof = find_proof(c, holder, end);
    int64_t left = counted_from(c, holder, end) + c->profile[holder]->time_wait_ns - end->time_ns;
    finding_start(f, LA_KIND_TIME_WAIT_ASSASSINATION, c, holder);
    f->time_ns = reset->where.time_ns;
    f->severity = LA_INFO;
    f->confidence = proof && is_whole(c) ? LA_OBSERVED : LA_INFERRED;
    const char *who = endpoint_text(f, &c->side[holder]);
    f->summary = finding_text(f, "a RST ended the TIME_WAIT of %s %s before its time", who,
                              seconds_text(f, left > 0 ? left : 0));
    blame(f, c, trigger, holder);
    if (reset->drawer != LA_NOWHERE)
        finding_show(f, c, reset->drawer, "ACK from TIME-WAIT");
    finding_show(f, c, reset->index, "RST");
    if (proof) {
        finding_show(f, c, proof->drawer, "what came later");
        finding_show(f, c, proof->index, "RST: nothing was left");
    }
    finding_assume_usual(f, c, holder);
    if (!proof)
        finding_assume(f, "tcp_rfc1337 is 0: with 1 the host would have ignored the RST");
    finding_exclude(f, "recycled-port-rst", "no new connection of this 4-tuple was under way");
    detail_word(f, "trigger", triggers[trigger]);
    if (left >= 0)
        detail_seconds(f, "time_wait_left", left);
    else
        detail_null(f, "time_wait_left");
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    if (c->reset_count == 0)
        return false;
    return examine_side(c, LA_CLIENT, f) || examine_side(c, LA_SERVER, f);
}

const struct la_diagnosis diagnosis_time_wait_assassination = {
    .kind = LA_KIND_TIME_WAIT_ASSASSINATION,
    .name = "time-wait-assassination",
    .summary = "a RST ended a TIME_WAIT (RFC 1337)",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
