/* port-exhaustion: a host holds nearly all of its ports towards one service. What fails then fails
 * without a packet (EADDRNOTAVAIL), so this is inferred from what is held. */
#include "diagnose/ports.h"

#include "base/time.h"

/* With the reuse of TIME-WAIT a port comes back after a second. */
#define REUSED_WITHIN_NS (30 * LA_SEC)
/* Held to the last for so long: somebody has asked for one more meanwhile. */
#define FULL_NS (2 * LA_SEC)

static const char *const sources[] = {"settings", "seen", "profile", NULL};
static const char *const parities[] = {"both", "even", "odd", NULL};

static const struct la_detail_spec details[] = {
    {"port", LA_DETAIL_INTEGER, false, NULL, "of the service; its address is the peer"},
    {"held", LA_DETAIL_INTEGER, false, NULL, "ports held at a time, TIME-WAIT included"},
    {"range", LA_DETAIL_INTEGER, false, NULL, "how many ports the host has to choose from"},
    {"range_source", LA_DETAIL_WORD, false, sources,
     "how that is known: the host's settings, the ports seen, or the profile's default"},
    {"left", LA_DETAIL_INTEGER, false, NULL, "4-tuples left then"},
    {"sustainable_per_second", LA_DETAIL_SECONDS, false, NULL,
     "connections that can be opened for ever: the range over the time of TIME-WAIT"},
    {"runs_out_after", LA_DETAIL_SECONDS, true, NULL,
     "seconds from a tenth of the range to the whole of it, at the rate seen"},
    {"parity", LA_DETAIL_WORD, false, parities,
     "of the ports used: Linux turns to the second parity when the first is used up"},
    {"reused", LA_DETAIL_INTEGER, false, NULL, "connections over a 4-tuple still remembered"},
    {"least_gap", LA_DETAIL_SECONDS, true, NULL,
     "shortest time between the end of a connection and the next over the same 4-tuple"},
    {NULL, LA_DETAIL_NULL, false, NULL, NULL},
};

static bool is_reusing(const struct la_edge *edge) {
    return edge->reused * 10 >= la_edge_connections(edge) && edge->least_gap_ns < REUSED_WITHIN_NS;
}

/* From the first tenth to the most that was held, and on at the same rate. */
static int64_t time_to_run_out(const struct port_use *use) {
    int64_t rose = use->held - use->range / 10;
    int64_t took_ns = use->held_ns - use->begin_ns;
    if (use->begin_ns == LA_TIME_NONE || rose <= 0 || took_ns <= 0)
        return -1;
    return (int64_t)((double)took_ns / (double)rose * (double)(use->range - use->range / 10));
}

static void add_details(struct la_finding *f, const struct la_edge_line *line,
                        const struct port_use *use, int64_t time_wait_ns) {
    int64_t runs_out_ns = time_to_run_out(use);
    detail_integer(f, "port", line->service->account.port);
    detail_integer(f, "held", use->held);
    detail_integer(f, "range", use->range);
    detail_word(f, "range_source", use->source);
    detail_integer(f, "left", use->held < use->range ? use->range - use->held : 0);
    detail_seconds(f, "sustainable_per_second",
                   (int64_t)((double)use->range / la_seconds(time_wait_ns) * 1e9));
    if (runs_out_ns >= 0)
        detail_seconds(f, "runs_out_after", runs_out_ns);
    else
        detail_null(f, "runs_out_after");
    detail_word(f, "parity", use->even == use->used ? "even" : use->even == 0 ? "odd" : "both");
    detail_integer(f, "reused", line->edge->reused);
    if (line->edge->reused > 0)
        detail_seconds(f, "least_gap", line->edge->least_gap_ns);
    else
        detail_null(f, "least_gap");
}

static void write(const struct la_crossing *crossing, const struct la_edge_line *line,
                  const struct port_use *use, struct la_finding *f) {
    const struct la_account *client = &line->edge->account, *service = &line->service->account;
    const struct la_profile *profile = la_hosts_profile(crossing->hosts, &client->addr);
    bool gone = use->lasts_ns >= FULL_NS && !is_reusing(line->edge);
    episode_start(f, LA_KIND_PORT_EXHAUSTION, &client->addr, &service->addr);
    episode_of_service(f, service);
    f->time_ns = gone ? use->full_ns : use->held_ns;
    f->delay_ns = gone ? use->lasts_ns : -1;
    f->severity = gone ? LA_CRITICAL : LA_WARNING;
    f->confidence = LA_INFERRED;
    const char *host = host_text(f, &client->addr), *name = service_text(f, service);
    f->summary = finding_text(f, "%s held %lld of its %lld ports towards %s%s", host,
                              (long long)use->held, (long long)use->range, name,
                              gone ? ": more connections could not be opened" : "");
    bool closes = line->edge->time_waits[LA_CLIENT] >= line->edge->time_waits[LA_SERVER];
    finding_blame(
        f, LA_ROLE_APPLICATION, &client->addr,
        closes ? "it opens connections faster than their TIME-WAITs end, and closes them first"
               : "it keeps nearly as many connections open as it has ports");
    add_details(f, line, use, profile->time_wait_ns);
    episode_show(f, line->edge, "the first of these connections");
    finding_assume(f, finding_text(f, "profile: %s", profile->name));
    finding_assume(f, finding_text(f, "ports %lld to %lld can be chosen", (long long)use->lowest,
                                   (long long)use->highest));
    if (is_reusing(line->edge))
        finding_exclude(f, "failed connections",
                        "TIME-WAITs are taken over again, so ports come back sooner");
}

static void conclude(const struct la_crossing *crossing, la_finding_sink *sink, void *context) {
    const struct la_overview *overview = crossing->overview;
    for (size_t i = 0; i < overview->edge_count; i++) {
        struct port_use use;
        struct la_finding f;
        if (!read_port_use(crossing, &overview->edges[i], &use) || use.held * 10 < use.range * 8)
            continue;
        write(crossing, &overview->edges[i], &use, &f);
        sink(context, &f);
    }
}

const struct la_diagnosis diagnosis_port_exhaustion = {
    .kind = LA_KIND_PORT_EXHAUSTION,
    .name = "port-exhaustion",
    .summary = "A host held nearly all of its ports towards one service",
    .details = details,
    .conclude = conclude,
};
