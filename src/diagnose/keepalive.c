/* keepalive: an end asked whether an idle connection was still alive, and it was. Not a fault: the
 * numbers are what its reader wants. */
#include "diagnose/wait_story.h"

#include "base/time.h"

static const char *const sides[] = {"client", "server", NULL};

static const struct la_detail_spec details[] = {
    {"side", LA_DETAIL_WORD, false, sides, "who probes"},
    {"probes", LA_DETAIL_INTEGER, false, NULL, "how many were captured"},
    {"answered", LA_DETAIL_INTEGER, false, NULL, "how many the peer answered"},
    {"idle", LA_DETAIL_SECONDS, true, NULL,
     "silence of the peer before a first probe, as measured; null where the capture has holes"},
    {"interval", LA_DETAIL_SECONDS, true, NULL,
     "between a probe without an answer and the next; null where all were answered"},
    {"origin", LA_DETAIL_WORD, true, wait_origins,
     "system: the idle time is that of the host's settings, or of its system where these are not "
     "known; application: the program has set its own; null where nothing tells"},
    {0},
};

static bool probes_more(const struct la_keepalive *a, const struct la_keepalive *b) {
    return a && a->answers > 0 && (!b || a->probes > b->probes);
}

/* The first ones, each with what came next from the peer as far as the log has it. */
static void show(struct la_finding *f, const struct la_connection *c, unsigned side) {
    enum { MOST = 6 };
    const struct la_keepalive *k = c->side[side].keepalive;
    size_t shown = 0;
    for (size_t i = 0; i < c->log_count && shown < MOST; i++) {
        if (c->log[i].from != side || c->log[i].class != LA_CLASS_KEEPALIVE)
            continue;
        finding_show(f, c, i, "keepalive probe");
        shown++;
    }
    if (k->answer.frame != 0)
        finding_show_where(f, &k->answer, "last answer");
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    const struct la_keepalive *client = c->side[LA_CLIENT].keepalive,
                              *server = c->side[LA_SERVER].keepalive;
    unsigned side = probes_more(server, client) ? LA_SERVER : LA_CLIENT;
    const struct la_keepalive *k = c->side[side].keepalive;
    if (!k || k->answers == 0)
        return false;
    bool idle_known = k->idle_ns >= 0 && c->gaps == 0;
    finding_start(f, LA_KIND_KEEPALIVE, c, side);
    f->time_ns = k->first.time_ns;
    f->severity = LA_INFO;
    f->confidence = c->gaps == 0 ? LA_OBSERVED : LA_INFERRED;
    const char *host = endpoint_text(f, &c->side[side]);
    const char *idle =
        idle_known ? finding_text(f, ", after %s of silence", seconds_text(f, k->idle_ns)) : "";
    f->summary = finding_text(f,
                              "%s asked whether the idle connection was still alive%s: %u of %u "
                              "probes were answered",
                              host, idle, k->answers, k->probes);
    finding_blame(f, LA_ROLE_APPLICATION, &c->side[side].addr,
                  "keepalive is on for this socket (SO_KEEPALIVE)");
    show(f, c, side);
    finding_assume_usual(f, c, side);
    finding_exclude(f, "a retransmission", "the byte it stands at was acknowledged before");
    finding_exclude(f, "zero-window-stall", "the peer's window was open");
    detail_word(f, "side", sides[side]);
    detail_integer(f, "probes", k->probes);
    detail_integer(f, "answered", k->answers);
    detail_seconds_or_null(f, "idle", idle_known ? k->idle_ns : -1);
    detail_seconds_or_null(f, "interval", k->interval_ns);
    detail_word_or_null(f, "origin", wait_origin(c, side));
    return true;
}

const struct la_diagnosis diagnosis_keepalive = {
    .kind = LA_KIND_KEEPALIVE,
    .name = "keepalive",
    .summary = "an idle connection was probed, and answered",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
