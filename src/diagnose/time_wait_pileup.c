/* time-wait-pileup: a host holds many TIME-WAITs. Harmless in itself, and named so that nobody
 * takes it for a fault; it matters where ports or the kernel's bound on them run short. */
#include "diagnose/episode.h"
#include "diagnose/ports.h"

#include "base/settings.h"

/* From so many on people ask. Where ports are short fewer are worth a word. */
enum { MANY = 1000, SOME = 50 };

static const char *const matters[] = {"no", "ports", "limit", NULL};

static const struct la_detail_spec details[] = {
    {"peak", LA_DETAIL_INTEGER, false, NULL, "most TIME-WAITs held at a time"},
    {"opened", LA_DETAIL_INTEGER, false, NULL,
     "TIME-WAITs in all, of connections that this host opened"},
    {"accepted", LA_DETAIL_INTEGER, false, NULL,
     "TIME-WAITs in all, of connections that this host accepted"},
    {"matters", LA_DETAIL_WORD, false, matters,
     "what runs short: nothing, ports towards one service, or net.ipv4.tcp_max_tw_buckets"},
    {"limit", LA_DETAIL_INTEGER, true, NULL, "how many there may be of what runs short"},
    {NULL, LA_DETAIL_NULL, false, NULL, NULL},
};

struct burden {
    int64_t peak, peak_ns;
    uint64_t opened, accepted;
    int64_t limit;       /* tcp_max_tw_buckets as the settings say; -1: they do not */
    int64_t ports, held; /* of the service towards which they are shortest; with `scarce` */
    bool scarce;         /* half of its ports are held */
};

static bool weigh(const struct la_crossing *crossing, const struct la_host_line *host,
                  struct burden *burden) {
    struct la_series sockets;
    struct la_level levels[LA_STRAND_LEVELS];
    *burden = (struct burden){.limit = -1};
    for (size_t i = 0; i < host->edge_count; i++)
        burden->opened += host->edges[i].edge->time_waits[LA_CLIENT];
    for (size_t i = 0; i < host->service_count; i++)
        if (host->services[i].answers)
            burden->accepted += host->services[i].answers->time_waits[LA_SERVER];
    if (burden->opened + burden->accepted < SOME || la_host_sockets(host, &sockets) != LA_OK)
        return false;
    enum la_status status = la_series_levels(&sockets, levels);
    la_series_release(NULL, &sockets);
    burden->peak = levels[LA_ST_TIME_WAIT].peak;
    burden->peak_ns = levels[LA_ST_TIME_WAIT].peak_ns;
    const struct la_host_settings *settings = la_hosts_settings(crossing->hosts, host->addr);
    if (settings &&
        !la_host_settings_number(settings, "net.ipv4.tcp_max_tw_buckets", &burden->limit))
        burden->limit = -1;
    for (size_t i = 0; i < host->edge_count; i++) {
        struct port_use use;
        if (!read_port_use(crossing, &host->edges[i], &use) || use.time_waits < SOME ||
            use.held * 2 < use.range ||
            (burden->scarce && use.held * burden->ports <= burden->held * use.range))
            continue;
        burden->scarce = true;
        burden->ports = use.range;
        burden->held = use.held;
    }
    return status == LA_OK;
}

static void explain(struct la_finding *f, const struct burden *b, const struct la_addr *host) {
    bool opens = b->opened > b->accepted;
    bool bounded = b->limit >= 0 && b->peak * 10 >= b->limit * 8;
    const char *name = host_text(f, host);
    f->severity = bounded ? LA_WARNING : b->scarce ? LA_NOTICE : LA_INFO;
    if (bounded)
        f->summary = finding_text(f, "%s held %lld TIME-WAITs, and its kernel keeps at most %lld",
                                  name, (long long)b->peak, (long long)b->limit);
    else if (b->scarce)
        f->summary = finding_text(
            f, "%s held %lld TIME-WAITs, and %lld of its %lld ports towards one service", name,
            (long long)b->peak, (long long)b->held, (long long)b->ports);
    else
        f->summary = finding_text(f, "%s held %lld TIME-WAITs, which cost it nothing that is short",
                                  name, (long long)b->peak);
    finding_blame(f, LA_ROLE_APPLICATION, host,
                  opens ? "it opens most of these connections and closes them first"
                        : "it accepts most of these connections and closes them first");
    detail_integer(f, "peak", b->peak);
    detail_integer(f, "opened", (int64_t)b->opened);
    detail_integer(f, "accepted", (int64_t)b->accepted);
    detail_word(f, "matters", bounded ? "limit" : b->scarce ? "ports" : "no");
    if (bounded)
        detail_integer(f, "limit", b->limit);
    else if (b->scarce)
        detail_integer(f, "limit", b->ports);
    else
        detail_null(f, "limit");
}

static void show_evidence(struct la_finding *f, const struct la_crossing *crossing,
                          const struct la_host_line *host) {
    for (size_t i = 0; i < host->edge_count; i++)
        if (host->edges[i].edge->time_waits[LA_CLIENT] > 0)
            episode_show(f, host->edges[i].edge, "a connection that left TIME-WAIT");
    for (size_t i = 0; i < host->service_count; i++)
        if (host->services[i].answers && host->services[i].answers->time_waits[LA_SERVER] > 0)
            episode_show_clients(f, crossing->overview, host->services[i].answers,
                                 "a connection that left TIME-WAIT");
}

static void conclude(const struct la_crossing *crossing, la_finding_sink *sink, void *context) {
    const struct la_overview *overview = crossing->overview;
    for (size_t i = 0; i < overview->host_count; i++) {
        const struct la_host_line *host = &overview->hosts[i];
        struct burden burden;
        struct la_finding f;
        if (!weigh(crossing, host, &burden) || (burden.peak < MANY && !burden.scarce))
            continue;
        episode_start(&f, LA_KIND_TIME_WAIT_PILEUP, host->addr, NULL);
        f.time_ns = burden.peak_ns;
        f.confidence = LA_INFERRED;
        explain(&f, &burden, host->addr);
        show_evidence(&f, crossing, host);
        finding_assume(&f, finding_text(&f, "profile: %s",
                                        la_hosts_profile(crossing->hosts, host->addr)->name));
        finding_assume(&f, "every connection of this host is in the capture");
        sink(context, &f);
    }
}

const struct la_diagnosis diagnosis_time_wait_pileup = {
    .kind = LA_KIND_TIME_WAIT_PILEUP,
    .name = "time-wait-pileup",
    .summary = "Many TIME-WAITs at one host: harmless unless ports or the kernel's bound run short",
    .details = details,
    .conclude = conclude,
};
