/* time-wait-reuse: a TIME-WAIT 4-tuple was taken over by a new connection, as it may be (RFC 9293,
 * 3.6.1; RFC 6191). Not a fault: named so that nobody takes it for one. */
#include "diagnose/syn_story.h"

static const char *const sides[] = {"client", "server", NULL};

static const struct la_detail_spec details[] = {
    {"side", LA_DETAIL_WORD, false, sides,
     "whose TIME-WAIT: the client's (tcp_tw_reuse, or bind and connect), or the server's (an "
     "acceptable "
     "SYN)"},
    {"time_wait_age", LA_DETAIL_SECONDS, true, NULL, "how long TIME-WAIT had lasted"},
    {"isn_step", LA_DETAIL_BOOL, true, NULL,
     "whether the new initial sequence number is the old SND.NXT + 65537, Linux's mark of such a "
     "reuse"},
    {0},
};

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct syn_story s;
    syn_story_read(c, &s);
    if (s.verdict != SYN_TIME_WAIT_REUSED)
        return false;
    unsigned side = s.reused_by;
    finding_start(f, LA_KIND_TIME_WAIT_REUSE, c, side);
    f->time_ns = s.syn->time_ns;
    f->severity = LA_INFO;
    f->confidence = s.observed ? LA_OBSERVED : LA_INFERRED;
    int64_t age = s.syn->time_ns - s.held_since_ns;
    const char *owner = endpoint_text(f, &c->side[side]);
    f->summary = finding_text(
        f, "a TIME_WAIT of %s, %s old, was taken over by a new connection, as it may be", owner,
        seconds_text(f, age > 0 ? age : 0));
    finding_blame(f, LA_ROLE_KERNEL, &c->side[side].addr,
                  side == LA_CLIENT ? "tcp_tw_reuse, or bind() and connect() with timestamps"
                                    : "an acceptable SYN reopens a TIME_WAIT");
    syn_story_show(f, c, &s);
    finding_assume_usual(f, c, side);
    finding_exclude(f, "recycled-port-rst", "the SYN was accepted at once");
    detail_word(f, "side", sides[side]);
    if (s.held_since_known && age >= 0)
        detail_seconds(f, "time_wait_age", age);
    else
        detail_null(f, "time_wait_age");
    if (s.isn_step_known)
        detail_bool(f, "isn_step", s.isn_step);
    else
        detail_null(f, "isn_step");
    return true;
}

const struct la_diagnosis diagnosis_time_wait_reuse = {
    .kind = LA_KIND_TIME_WAIT_REUSE,
    .name = "time-wait-reuse",
    .summary = "a TIME_WAIT 4-tuple was taken over by a new connection, as it may be",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
