/* keepalive-death: probes had no answer, and the kernel ended the connection. */
#include "diagnose/wait_story.h"

#include "base/time.h"

static const char *const sides[] = {"client", "server", NULL};

static const struct la_detail_spec details[] = {
    {"side", LA_DETAIL_WORD, false, sides, "who probed and gave up"},
    {"probes", LA_DETAIL_INTEGER, false, NULL, "how many had no answer"},
    {"idle", LA_DETAIL_SECONDS, true, NULL,
     "silence of the peer before the first probe, as measured; null where the capture has holes"},
    {"interval", LA_DETAIL_SECONDS, true, NULL,
     "between two probes, as measured; null where there was only one"},
    {"origin", LA_DETAIL_WORD, true, wait_origins,
     "system: the idle time is that of the host's settings, or of its system where these are not "
     "known; application: the program has set its own; null where nothing tells"},
    {"reset", LA_DETAIL_BOOL, false, NULL,
     "whether the RST with which the kernel gives up was captured"},
    {0},
};

/* The RST with which `side` gave up; LA_NOWHERE. A program that aborts does so when it likes. */
static size_t find_reset(const struct la_connection *c, unsigned side) {
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side && (c->log[i].flags & LA_RST) && la_ends_keepalive(c, i))
            return i;
    return LA_NOWHERE;
}

/* When the socket ended; LA_TIME_NONE when it did not, or by something else. */
static int64_t end_of(const struct la_connection *c, unsigned side, size_t *reset) {
    const struct la_endpoint *me = &c->side[side];
    *reset = LA_NOWHERE;
    if (!me->keepalive || me->keepalive->waiting.count == 0 || !c->side[!side].seen)
        return LA_TIME_NONE;
    *reset = find_reset(c, side);
    if (*reset != LA_NOWHERE)
        return c->log[*reset].time_ns;
    const struct la_stalls *stalls = c->side[!side].stalls;
    bool stalled = stalls && stalls->last.closed.frame != 0 && stalls->last.opened.frame == 0;
    const struct la_change *end = me->repeats || stalled ? NULL : wait_timed_out(c, side);
    bool open = end && (end[-1].state == LA_ST_ESTAB || end[-1].state == LA_ST_CLOSE_WAIT);
    return open ? end->time_ns : LA_TIME_NONE;
}

static bool examine_side(const struct la_connection *c, unsigned side, struct la_finding *f) {
    size_t reset;
    int64_t end_ns = end_of(c, side, &reset);
    if (end_ns == LA_TIME_NONE)
        return false;
    const struct la_keepalive *k = c->side[side].keepalive;
    const struct la_row *row = &k->waiting;
    int64_t idle_ns = k->idle_ns >= 0 && c->gaps == 0 ? k->idle_ns : -1;
    finding_start(f, LA_KIND_KEEPALIVE_DEATH, c, side);
    f->time_ns = row->first.time_ns;
    f->delay_ns = end_ns - row->first.time_ns;
    f->severity = LA_CRITICAL;
    f->confidence = reset != LA_NOWHERE && c->gaps == 0 ? LA_OBSERVED : LA_INFERRED;
    const char *host = endpoint_text(f, &c->side[side]);
    f->summary = finding_text(f,
                              "%s ended the connection: its peer answered none of %u keepalive "
                              "probes in %s",
                              host, row->count, seconds_text(f, f->delay_ns));
    wait_blame_silence(f, c, side, idle_ns);
    if (k->answer.frame != 0)
        finding_show_where(f, &k->answer, "last answer to an earlier probe");
    wait_show_row(f, c, side, row, "keepalive probe without an answer");
    finding_show(f, c, reset, "RST: given up");
    finding_assume_usual(f, c, side);
    finding_assume_heard(f, c, row->first.time_ns, end_ns);
    finding_exclude(f, "half-open", "the peer answered nothing, not even with an RST");
    finding_exclude(f, "abortive-close",
                    reset != LA_NOWHERE ? "the RST came one interval after the last probe"
                                        : "the probes stopped, and nothing else was sent");
    detail_word(f, "side", sides[side]);
    detail_integer(f, "probes", row->count);
    detail_seconds_or_null(f, "idle", idle_ns);
    detail_seconds_or_null(f, "interval", row->count > 1 ? row->gap_min_ns : -1);
    detail_word_or_null(f, "origin", wait_origin(c, side));
    detail_bool(f, "reset", reset != LA_NOWHERE);
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    return examine_side(c, LA_CLIENT, f) || examine_side(c, LA_SERVER, f);
}

const struct la_diagnosis diagnosis_keepalive_death = {
    .kind = LA_KIND_KEEPALIVE_DEATH,
    .name = "keepalive-death",
    .summary = "keepalive probes had no answer, and the kernel ended the connection",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
