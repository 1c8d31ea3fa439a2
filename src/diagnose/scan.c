/* scan: one source tried many addresses and ports within a short time, and hardly any of them let
 * it in. What each single attempt looks like (refused, unanswered) is then no trouble of its own.
 */
#include "diagnose/scan.h"

#include "base/time.h"
#include "diagnose/episode.h"

#include <stdlib.h>
#include <string.h>

/* Somebody with that many different dead ends within a minute of each other is looking around, not
 * using anything. */
enum { TARGETS = 25 };
#define PAUSE_NS (60 * LA_SEC)
/* An application tries its few dead services again and again; a scanner goes on to the next. */
enum { TRIES = 5 };
/* At most so many of what it tried may have let it in: programs that share files with many peers
 * find every third of them. */
enum { FAILED_FOR_ONE_OPENED = 4 };

static const char *const forms[] = {"ports", "hosts", "both", NULL};

static const struct la_detail_spec details[] = {
    {"targets", LA_DETAIL_INTEGER, false, NULL, "different addresses and ports that were tried"},
    {"hosts", LA_DETAIL_INTEGER, false, NULL, "different addresses"},
    {"ports", LA_DETAIL_INTEGER, false, NULL, "different ports"},
    {"form", LA_DETAIL_WORD, false, forms, "many ports of few hosts, many hosts, or both"},
    {"refused", LA_DETAIL_INTEGER, false, NULL, "attempts that were refused"},
    {"unanswered", LA_DETAIL_INTEGER, false, NULL, "attempts without an answer"},
    {"half_open", LA_DETAIL_INTEGER, false, NULL,
     "attempts that were answered and not taken any further"},
    {"lasted", LA_DETAIL_SECONDS, false, NULL, "from the first target to the last"},
    {NULL, LA_DETAIL_NULL, false, NULL, NULL},
};

static int64_t begin_of(const struct la_edge_line *line) {
    return line->edge->first.time_ns;
}

static int by_begin(const void *a, const void *b) {
    const struct la_edge_line *x = *(const struct la_edge_line *const *)a;
    const struct la_edge_line *y = *(const struct la_edge_line *const *)b;
    if (begin_of(x) != begin_of(y))
        return begin_of(x) < begin_of(y) ? -1 : 1;
    return (x > y) - (x < y);
}

static bool is_within(const struct la_edge_line *line, const struct la_scan *scan) {
    return begin_of(line) >= scan->first_ns && begin_of(line) <= scan->last_ns;
}

static bool is_same_service(const struct la_edge_line *a, const struct la_edge_line *b) {
    return a->service->account.port == b->service->account.port &&
           la_addr_cmp(&a->service->account.addr, &b->service->account.addr) == 0;
}

/* Counts what the host did within the scan's time: its edges lie in the order of their services. */
static uint64_t count_targets(struct la_scan *scan) {
    uint8_t ports[65536 / 8] = {0};
    const struct la_edge_line *last = NULL;
    uint64_t tries = 0;
    for (size_t i = 0; i < scan->host->edge_count; i++) {
        const struct la_edge_line *line = &scan->host->edges[i];
        const struct la_edge *edge = line->edge;
        uint16_t port = line->service->account.port;
        if (!is_within(line, scan))
            continue;
        if (!line->seeks) {
            scan->opened++;
            continue;
        }
        tries += line->connections;
        scan->refused += edge->outcomes[LA_OUTCOME_REFUSED];
        scan->unanswered += edge->outcomes[LA_OUTCOME_UNANSWERED];
        scan->half_open += edge->outcomes[LA_OUTCOME_HALF_OPEN];
        scan->targets += !last || !is_same_service(last, line);
        scan->hosts +=
            !last || la_addr_cmp(&last->service->account.addr, &line->service->account.addr) != 0;
        scan->ports += !(ports[port / 8] >> port % 8 & 1);
        ports[port / 8] |= (uint8_t)(1 << port % 8);
        last = line;
    }
    return tries;
}

static bool is_scan(struct la_scan *scan) {
    uint64_t tries = count_targets(scan);
    return scan->targets >= TARGETS && tries <= scan->targets * TRIES &&
           scan->opened * FAILED_FOR_ONE_OPENED <= scan->targets;
}

/* The host's attempts in the order of time, cut where it paused. */
static size_t find_scans_of(const struct la_host_line *host, const struct la_edge_line **seeks,
                            size_t count, struct la_scan *scans) {
    size_t found = 0;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1;
             to < count && begin_of(seeks[to]) - begin_of(seeks[to - 1]) <= PAUSE_NS;)
            to++;
        struct la_scan scan = {
            .host = host, .first_ns = begin_of(seeks[from]), .last_ns = begin_of(seeks[to - 1])};
        if (to - from >= TARGETS && is_scan(&scan))
            scans[found++] = scan;
    }
    return found;
}

static size_t list_seeks(const struct la_host_line *host, const struct la_edge_line **seeks) {
    size_t count = 0;
    for (size_t i = 0; i < host->edge_count; i++)
        if (host->edges[i].seeks &&
            host->edges[i].edge->outcomes[LA_OUTCOME_STRAY] < host->edges[i].connections)
            seeks[count++] = &host->edges[i];
    qsort((void *)seeks, count, sizeof(const struct la_edge_line *), by_begin);
    return count;
}

struct la_scan *find_scans(const struct la_overview *overview, size_t *count) {
    struct la_scan *scans = malloc((overview->edge_count / TARGETS + 1) * sizeof *scans);
    const struct la_edge_line **seeks =
        malloc((overview->edge_count + 1) * sizeof(const struct la_edge_line *));
    *count = scans && seeks ? 0 : SIZE_MAX;
    for (size_t i = 0; scans && seeks && i < overview->host_count; i++) {
        const struct la_host_line *host = &overview->hosts[i];
        if (host->edge_count < TARGETS)
            continue;
        size_t tried = list_seeks(host, seeks);
        *count += find_scans_of(host, seeks, tried, scans + *count);
    }
    free((void *)seeks);
    if (*count != SIZE_MAX)
        return scans;
    free(scans);
    return NULL;
}

bool scan_holds(const struct la_scan *scan, const struct la_addr *client, int64_t first_ns) {
    return la_addr_cmp(client, scan->host->addr) == 0 && first_ns >= scan->first_ns &&
           first_ns <= scan->last_ns + PAUSE_NS;
}

static const struct la_addr *only_target(const struct la_scan *scan) {
    for (size_t i = 0; scan->hosts == 1 && i < scan->host->edge_count; i++)
        if (scan->host->edges[i].seeks && is_within(&scan->host->edges[i], scan))
            return &scan->host->edges[i].service->account.addr;
    return NULL;
}

static void summarise(struct la_finding *f, const struct la_scan *scan) {
    const char *host = host_text(f, scan->host->addr);
    const char *took = seconds_text(f, scan->last_ns - scan->first_ns);
    const struct la_addr *target = only_target(scan);
    if (target)
        f->summary = finding_text(f, "%s tried %llu ports of %s within %s", host,
                                  (unsigned long long)scan->ports, host_text(f, target), took);
    else
        f->summary =
            finding_text(f, "%s tried %llu addresses and %llu ports within %s", host,
                         (unsigned long long)scan->hosts, (unsigned long long)scan->ports, took);
}

static void show_first_targets(struct la_finding *f, const struct la_scan *scan) {
    for (size_t i = 0; i < scan->host->edge_count; i++)
        if (scan->host->edges[i].seeks && is_within(&scan->host->edges[i], scan))
            episode_show(f, scan->host->edges[i].edge, "an attempt at one of the targets");
}

static void write(const struct la_crossing *crossing, const struct la_scan *scan,
                  struct la_finding *f) {
    bool answered = scan->refused > 0 || scan->half_open > 0;
    episode_start(f, LA_KIND_SCAN, scan->host->addr, only_target(scan));
    f->time_ns = scan->first_ns;
    f->severity = LA_NOTICE;
    f->confidence = answered ? LA_OBSERVED : LA_INFERRED;
    summarise(f, scan);
    finding_blame(f, LA_ROLE_PEER, scan->host->addr,
                  "it tries one address and port after the other and uses none of them");
    detail_integer(f, "targets", (int64_t)scan->targets);
    detail_integer(f, "hosts", (int64_t)scan->hosts);
    detail_integer(f, "ports", (int64_t)scan->ports);
    detail_word(f, "form",
                scan->hosts < TARGETS   ? "ports"
                : scan->ports < TARGETS ? "hosts"
                                        : "both");
    detail_integer(f, "refused", (int64_t)scan->refused);
    detail_integer(f, "unanswered", (int64_t)scan->unanswered);
    detail_integer(f, "half_open", (int64_t)scan->half_open);
    detail_seconds(f, "lasted", scan->last_ns - scan->first_ns);
    show_first_targets(f, scan);
    if (crossing->overview->silent_total > crossing->overview->silent_kept)
        finding_assume(f, "more was tried than is followed: counts are of a sample");
    finding_exclude(f, "syn-refused", "no application tries so many different services at once");
}

static void conclude(const struct la_crossing *crossing, la_finding_sink *sink, void *context) {
    struct la_finding f;
    for (size_t i = 0; i < crossing->scan_count; i++) {
        write(crossing, &crossing->scans[i], &f);
        sink(context, &f);
    }
}

const struct la_diagnosis diagnosis_scan = {
    .kind = LA_KIND_SCAN,
    .name = "scan",
    .summary = "One source tried many addresses or ports, and hardly any of them let it in",
    .details = details,
    .conclude = conclude,
};
