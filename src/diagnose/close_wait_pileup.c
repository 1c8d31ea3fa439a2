/* close-wait-pileup: at one host and service many sockets sit in CLOSE-WAIT at the same time: the
 * peers have closed, the program has not. */
#include "diagnose/episode.h"

#include "base/time.h"

/* A single one is a peer that was left waiting; so many at a time are a habit. Age makes up for
 * number: what has sat there for a minute is forgotten, what has for ten seconds may be slow. */
enum { OLD = 10, YOUNG = 100 };

static const char *const sides[] = {"server", "client", NULL};

static const struct la_detail_spec details[] = {
    {"port", LA_DETAIL_INTEGER, false, NULL, "of the service"},
    {"side", LA_DETAIL_WORD, false, sides, "which side of the service's connections holds them"},
    {"peak", LA_DETAIL_INTEGER, false, NULL, "most sockets in CLOSE-WAIT at a time"},
    {"over_10_s", LA_DETAIL_INTEGER, false, NULL,
     "most of them at a time that had said nothing for 10 s"},
    {"over_60_s", LA_DETAIL_INTEGER, false, NULL,
     "most of them at a time that had said nothing for 60 s"},
    {"final", LA_DETAIL_INTEGER, false, NULL, "left when the capture ends"},
    {"rising", LA_DETAIL_BOOL, false, NULL, "there were most of them at the end"},
    {NULL, LA_DETAIL_NULL, false, NULL, NULL},
};

struct pile {
    const struct la_account *service;
    const struct la_addr *host, *peer; /* peer NULL: many */
    bool at_server;
    struct la_level levels[LA_STRAND_LEVELS];
};

static bool is_pile(const struct pile *pile) {
    return pile->levels[LA_STRAND_CLOSE_WAIT_60].peak >= OLD ||
           pile->levels[LA_STRAND_CLOSE_WAIT_10].peak >= YOUNG;
}

static void write(const struct pile *pile, struct la_finding *f) {
    const struct la_level *all = &pile->levels[LA_ST_CLOSE_WAIT];
    const struct la_level *old = &pile->levels[LA_STRAND_CLOSE_WAIT_60];
    const struct la_level *young = &pile->levels[LA_STRAND_CLOSE_WAIT_10];
    episode_start(f, LA_KIND_CLOSE_WAIT_PILEUP, pile->host, pile->peer);
    episode_of_service(f, pile->service);
    f->time_ns = old->peak >= OLD ? old->peak_ns : young->peak_ns;
    f->severity = LA_WARNING;
    f->confidence = LA_INFERRED;
    const char *host = host_text(f, pile->host), *service = service_text(f, pile->service);
    f->summary = finding_text(f, "%s held %lld sockets in CLOSE-WAIT %s %s", host,
                              (long long)all->peak, pile->at_server ? "as" : "towards", service);
    finding_blame(f, LA_ROLE_APPLICATION, pile->host,
                  "its peers have closed, and it does not close its sockets");
    detail_integer(f, "port", pile->service->port);
    detail_word(f, "side", pile->at_server ? "server" : "client");
    detail_integer(f, "peak", all->peak);
    detail_integer(f, "over_10_s", young->peak);
    detail_integer(f, "over_60_s", old->peak);
    detail_integer(f, "final", all->final);
    detail_bool(f, "rising", all->final > 0 && all->final == all->peak);
    finding_assume(f, "the host is alive: single sockets are judged by close-wait-leak");
    finding_exclude(f, "half-close", "these sockets sent nothing more");
}

static void conclude_service(const struct la_overview *overview, const struct la_service_line *line,
                             la_finding_sink *sink, void *context) {
    struct la_finding f;
    struct pile pile = {.at_server = true};
    if (!line->answers || la_series_levels(&line->answers->series, pile.levels) != LA_OK ||
        !is_pile(&pile))
        return;
    pile.service = &line->answers->account;
    pile.host = &pile.service->addr;
    write(&pile, &f);
    episode_show_clients(&f, overview, line->answers, "a connection to the service");
    sink(context, &f);
}

static void conclude_edge(const struct la_edge_line *line, la_finding_sink *sink, void *context) {
    struct la_finding f;
    struct pile pile = {.at_server = false};
    if (line->seeks || line->connections < OLD ||
        la_series_levels(&line->edge->series, pile.levels) != LA_OK || !is_pile(&pile))
        return;
    pile.service = &line->service->account;
    pile.host = &line->edge->account.addr;
    pile.peer = &pile.service->addr;
    write(&pile, &f);
    episode_show(&f, line->edge, "the first connection to the service");
    sink(context, &f);
}

static void conclude(const struct la_crossing *crossing, la_finding_sink *sink, void *context) {
    const struct la_overview *overview = crossing->overview;
    for (size_t i = 0; i < overview->service_count; i++)
        conclude_service(overview, &overview->services[i], sink, context);
    for (size_t i = 0; i < overview->edge_count; i++)
        conclude_edge(&overview->edges[i], sink, context);
}

const struct la_diagnosis diagnosis_close_wait_pileup = {
    .kind = LA_KIND_CLOSE_WAIT_PILEUP,
    .name = "close-wait-pileup",
    .summary = "Many sockets of one service sat in CLOSE-WAIT at the same time",
    .details = details,
    .conclude = conclude,
};
