/* shared-address: several TCP timestamp clocks behind one address, by turns: NAT, or a proxy that
 * passes its clients' timestamps on.
 *
 * One clock an address cannot be assumed: current kernels start the clock of every 4-tuple, others
 * that of every pair of addresses, somewhere else. So nothing is said unless clocks show that are
 * shared by several ports each, and that go on side by side. */
#include "diagnose/episode.h"

#include "base/seq.h"
#include "base/time.h"

#include <stdlib.h>

static const struct la_detail_spec details[] = {
    {"port", LA_DETAIL_INTEGER, false, NULL, "of the service; its address is the peer"},
    {"clocks", LA_DETAIL_INTEGER, false, NULL, "different clocks, at least"},
    {"hz", LA_DETAIL_INTEGER, false, NULL, "their ticks a second"},
    {"connections", LA_DETAIL_INTEGER, false, NULL, "whose SYNs were looked at"},
    {NULL, LA_DETAIL_NULL, false, NULL, NULL},
};

/* A clock that this many connections of different ports agree on is no accident. */
enum { AGREE = 3, CLOCKS = 16 };
/* A SYN may be late by that much, and a clock wrong by 200 parts in a million. */
#define LATE_MS 50
#define DRIFT_PPM 200

struct clock {
    int64_t first_ms, last_ms;
    uint32_t last_offset, first_tsval;
    uint16_t ports[AGREE]; /* different ones */
    unsigned port_count, connections;
};

struct reading {
    struct clock clocks[CLOCKS];
    size_t count;
    uint64_t connections;
    unsigned hz;
};

static void note_port(struct clock *clock, uint16_t port) {
    for (unsigned i = 0; i < clock->port_count; i++)
        if (clock->ports[i] == port)
            return;
    if (clock->port_count < AGREE)
        clock->ports[clock->port_count++] = port;
}

/* The clock that a SYN fits, a new one, or NULL when there are too many to be any. */
static struct clock *clock_of(struct reading *reading, int64_t ms, uint32_t offset) {
    for (size_t i = 0; i < reading->count; i++) {
        struct clock *clock = &reading->clocks[i];
        int64_t allowed_ms = LATE_MS + (ms - clock->last_ms) * DRIFT_PPM / 1000000;
        int32_t apart = seq_diff(offset, clock->last_offset);
        if ((apart < 0 ? -(int64_t)apart : apart) <= allowed_ms * reading->hz / 1000)
            return clock;
    }
    if (reading->count == CLOCKS)
        return NULL;
    struct clock *clock = &reading->clocks[reading->count++];
    *clock = (struct clock){.first_ms = ms};
    return clock;
}

/* Sorts the SYNs of an edge by the clock that they tell, if it ticks `hz` times a second. */
static bool read_clocks(const struct la_sum_list *syns, unsigned hz, struct reading *reading) {
    *reading = (struct reading){.hz = hz};
    for (uint32_t i = 0; i < syns->count; i++) {
        int64_t ms = la_syn_time_ms(&syns->items[i]);
        uint32_t tsval = la_syn_tsval(&syns->items[i]);
        uint32_t offset = tsval - (uint32_t)(ms * hz / 1000);
        struct clock *clock = clock_of(reading, ms, offset);
        if (!clock)
            return false;
        if (clock->connections++ == 0)
            clock->first_tsval = tsval;
        clock->last_ms = ms;
        clock->last_offset = offset;
        note_port(clock, la_syn_port(&syns->items[i]));
        reading->connections++;
    }
    return true;
}

static bool is_sure(const struct clock *clock) {
    return clock->port_count == AGREE;
}

/* Not one after the other, as before and after a restart. */
static bool go_side_by_side(const struct clock *a, const struct clock *b) {
    return a->first_ms < b->last_ms && b->first_ms < a->last_ms;
}

/* How many sure clocks go on side by side; 0 where too many connections fit none of them. */
static unsigned count_clocks(const struct reading *reading) {
    unsigned sure = 0, beside = 0;
    uint64_t fitting = 0;
    for (size_t i = 0; i < reading->count; i++) {
        const struct clock *clock = &reading->clocks[i];
        bool any = false;
        if (!is_sure(clock))
            continue;
        sure++;
        fitting += clock->connections;
        for (size_t j = 0; j < reading->count; j++)
            any = any || (j != i && is_sure(&reading->clocks[j]) &&
                          go_side_by_side(clock, &reading->clocks[j]));
        beside += any;
    }
    return sure >= 2 && fitting * 4 >= reading->connections * 3 ? beside : 0;
}

static unsigned find_clocks(const struct la_edge *edge, struct reading *reading) {
    static const unsigned rates[] = {1000, 250, 100};
    struct la_sum_list syns;
    unsigned clocks = 0;
    if (edge->syns.count < 2 * AGREE || la_sums_sorted(&edge->syns, &syns) != LA_OK)
        return 0;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0] && clocks < 2; i++)
        clocks = read_clocks(&syns, rates[i], reading) ? count_clocks(reading) : 0;
    free(syns.items);
    return clocks;
}

static void write(const struct la_edge_line *line, const struct reading *reading, unsigned clocks,
                  struct la_finding *f) {
    const struct la_account *client = &line->edge->account, *service = &line->service->account;
    const struct clock *example[2] = {NULL, NULL};
    for (size_t i = 0, n = 0; i < reading->count && n < 2; i++)
        if (is_sure(&reading->clocks[i]))
            example[n++] = &reading->clocks[i];
    episode_start(f, LA_KIND_SHARED_ADDRESS, &client->addr, &service->addr);
    episode_of_service(f, service);
    f->time_ns = line->edge->first.time_ns;
    f->severity = LA_INFO;
    f->confidence = LA_OBSERVED;
    f->summary = finding_text(
        f, "%u timestamp clocks behind %s, by turns: TSval %u from port %u, %u from port %u",
        clocks, host_text(f, &client->addr), example[0]->first_tsval, example[0]->ports[0],
        example[1]->first_tsval, example[1]->ports[0]);
    finding_blame(f, LA_ROLE_MIDDLEBOX, &client->addr,
                  "several hosts open connections under this address");
    detail_integer(f, "port", service->port);
    detail_integer(f, "clocks", clocks);
    detail_integer(f, "hz", reading->hz);
    detail_integer(f, "connections", (int64_t)reading->connections);
    episode_show(f, line->edge, "the first of these connections");
    finding_exclude(f, "a restart", "the clocks go on side by side");
    finding_exclude(f, "a clock for each connection", "several ports agree on each of the clocks");
}

/* One for each host: of the service where most clocks show. */
static void conclude_host(const struct la_host_line *host, la_finding_sink *sink, void *context) {
    struct la_finding f;
    unsigned most = 1;
    for (size_t i = 0; i < host->edge_count; i++) {
        struct reading reading;
        unsigned clocks = find_clocks(host->edges[i].edge, &reading);
        if (clocks <= most)
            continue;
        most = clocks;
        write(&host->edges[i], &reading, clocks, &f);
    }
    if (most > 1)
        sink(context, &f);
}

static void conclude(const struct la_crossing *crossing, la_finding_sink *sink, void *context) {
    for (size_t i = 0; i < crossing->overview->host_count; i++)
        conclude_host(&crossing->overview->hosts[i], sink, context);
}

const struct la_diagnosis diagnosis_shared_address = {
    .kind = LA_KIND_SHARED_ADDRESS,
    .name = "shared-address",
    .summary = "Several TCP timestamp clocks behind one address: NAT",
    .details = details,
    .conclude = conclude,
};
