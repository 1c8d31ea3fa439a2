#include "report/accounts_json.h"

#include "account/edge_advice.h"
#include "report/report.h"
#include "track/connection.h"

#include <stdlib.h>
#include <string.h>

/* Histograms */

static void emit_buckets(struct la_text *text, const struct la_histogram *histogram) {
    la_text_open(text, "buckets", LA_TEXT_ARRAY);
    for (size_t i = 0; i < LA_HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0)
            continue;
        int64_t from_ns, to_ns;
        la_histogram_bounds(i, &from_ns, &to_ns);
        la_text_open(text, NULL, LA_TEXT_OBJECT);
        la_text_seconds(text, "from", from_ns);
        la_text_seconds(text, "to", to_ns);
        la_text_count(text, "count", histogram->buckets[i]);
        la_text_close(text, LA_TEXT_OBJECT);
    }
    la_text_close(text, LA_TEXT_ARRAY);
}

void la_emit_histogram(struct la_emit *emit, const char *name,
                       const struct la_histogram *histogram) {
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50", 0.50}, {"p90", 0.90}, {"p99", 0.99}};
    bool any = histogram->count > 0;
    la_text_open(emit->text, name, LA_TEXT_OBJECT);
    la_text_count(emit->text, "count", histogram->count);
    la_emit_item(emit, "min", any ? la_emit_seconds(histogram->min_ns) : json_null());
    la_emit_item(emit, "max", any ? la_emit_seconds(histogram->max_ns) : json_null());
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        la_emit_item(emit, quantiles[i].name,
                     la_emit_delay(la_histogram_quantile(histogram, quantiles[i].fraction)));
    emit_buckets(emit->text, histogram);
    la_text_close(emit->text, LA_TEXT_OBJECT);
}

/* Sockets */

/* The moments at which the series were looked at, common to all hosts that are shown. */
struct grid {
    int64_t first_bin, count; /* in bins of 2^shift seconds */
    unsigned shift;
};

struct host_sockets {
    const struct la_addr *addr;
    struct la_series series;
    struct la_level levels[LA_STRAND_LEVELS];
    int64_t most; /* sockets at a time, at most */
};

static int64_t sum_peaks(const struct host_sockets *host) {
    int64_t most = 0;
    for (int state = 0; state < LA_ST_COUNT; state++)
        most += host->levels[state].peak;
    return most;
}

static int by_most(const void *a, const void *b) {
    const struct host_sockets *x = a, *y = b;
    if (x->most != y->most)
        return x->most > y->most ? -1 : 1;
    return la_addr_cmp(x->addr, y->addr);
}

static void release_hosts(struct host_sockets *hosts, size_t count) {
    for (size_t i = 0; i < count; i++)
        la_series_release(NULL, &hosts[i].series);
}

/* Puts a host among the `*count` ones shown, when it is one of those with most sockets; takes its
 * series. */
static void keep_host(struct host_sockets *shown, size_t *count, struct host_sockets *host) {
    size_t at = *count;
    while (at > 0 && by_most(host, &shown[at - 1]) < 0)
        at--;
    if (at == LA_REPORT_HOSTS) {
        la_series_release(NULL, &host->series);
        return;
    }
    if (*count == LA_REPORT_HOSTS)
        la_series_release(NULL, &shown[--*count].series);
    memmove(&shown[at + 1], &shown[at], (*count - at) * sizeof *shown);
    shown[at] = *host;
    ++*count;
}

/* More sockets than this it cannot have had. */
static int64_t most_possible(const struct la_host_line *host) {
    int64_t raised = 0;
    for (size_t i = 0; i < host->edge_count; i++)
        raised += host->edges[i].edge->series.raised;
    for (size_t i = 0; i < host->service_count; i++) {
        const struct la_service_line *line = &host->services[i];
        raised += (line->answers ? line->answers->series.raised : 0) +
                  (int64_t)(line->silent ? line->silent->series.raised : 0);
    }
    return raised;
}

static bool try_host(const struct la_host_line *line, struct host_sockets *shown, size_t *count) {
    struct host_sockets host = {.addr = line->addr};
    if (*count == LA_REPORT_HOSTS && most_possible(line) < shown[LA_REPORT_HOSTS - 1].most)
        return true;
    if (la_host_sockets(line, &host.series) != LA_OK)
        return false;
    if (la_series_levels(&host.series, host.levels) != LA_OK) {
        la_series_release(NULL, &host.series);
        return false;
    }
    host.most = sum_peaks(&host);
    keep_host(shown, count, &host);
    return true;
}

/* Which order they are tried in does not matter, but those that serve mostly have more sockets than
 * their clients, whose need not be counted then. */
static bool choose_hosts(const struct la_overview *overview, struct host_sockets *shown,
                         size_t *count) {
    *count = 0;
    for (int serves = 1; serves >= 0; serves--)
        for (size_t i = 0; i < overview->host_count; i++)
            if ((overview->hosts[i].service_count > 0) == serves &&
                !try_host(&overview->hosts[i], shown, count))
                return false;
    return true;
}

static struct grid choose_grid(const struct host_sockets *hosts, size_t count) {
    struct grid grid = {0, 0, 0};
    int64_t first_s = 0, last_s = 0;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        const struct la_series *series = &hosts[i].series;
        if (!series->used)
            continue;
        first_s = !any || series->first_s < first_s ? series->first_s : first_s;
        last_s = !any || series->last_s > last_s ? series->last_s : last_s;
        grid.shift = series->shift > grid.shift ? series->shift : grid.shift;
        any = true;
    }
    if (!any)
        return grid;
    while ((last_s >> grid.shift) - (first_s >> grid.shift) >= LA_REPORT_SAMPLES)
        grid.shift++;
    grid.first_bin = first_s >> grid.shift;
    grid.count = (last_s >> grid.shift) - grid.first_bin + 1;
    return grid;
}

struct sampling {
    struct grid grid;
    int64_t done; /* samples that are final */
    int64_t values[LA_ST_COUNT];
    int64_t (*samples)[LA_ST_COUNT];
};

static void fill_up_to(struct sampling *sampling, int64_t end) {
    for (; sampling->done < end; sampling->done++)
        memcpy(sampling->samples[sampling->done], sampling->values, sizeof sampling->values);
}

static void take_point(void *context, const struct la_series_point *point) {
    struct sampling *sampling = context;
    int64_t width_ns = (INT64_C(1) << sampling->grid.shift) * LA_SEC;
    int64_t bin = point->from_ns / width_ns - (point->from_ns % width_ns < 0);
    fill_up_to(sampling, bin - sampling->grid.first_bin);
    memcpy(sampling->values, point->values, sizeof sampling->values);
}

static json_t *emit_series(struct la_emit *emit, const struct host_sockets *host,
                           const struct grid *grid) {
    struct sampling sampling = {.grid = *grid};
    json_t *object = json_object();
    sampling.samples = calloc((size_t)grid->count + 1, sizeof *sampling.samples);
    if (!sampling.samples || la_series_walk(&host->series, take_point, &sampling) != LA_OK) {
        free((void *)sampling.samples);
        json_decref(object);
        return NULL;
    }
    fill_up_to(&sampling, grid->count);
    for (unsigned state = 0; state < LA_ST_COUNT; state++) {
        if (host->levels[state].peak == 0)
            continue;
        json_t *array = json_array();
        for (int64_t i = 0; i < grid->count; i++)
            la_emit_add(emit, array, json_integer(sampling.samples[i][state]));
        la_emit_put(emit, object, la_state_name(state), array);
    }
    free((void *)sampling.samples);
    return object;
}

static json_t *emit_states(struct la_emit *emit, const struct host_sockets *host, bool peak) {
    json_t *object = json_object();
    for (unsigned state = 0; state < LA_ST_COUNT; state++) {
        const struct la_level *level = &host->levels[state];
        if (level->peak > 0)
            la_emit_put(emit, object, la_state_name(state),
                        json_integer(peak ? level->peak : level->final));
    }
    return object;
}

json_t *la_emit_sockets(struct la_emit *emit, const struct la_overview *overview) {
    struct host_sockets hosts[LA_REPORT_HOSTS + 1];
    size_t count;
    bool whole = choose_hosts(overview, hosts, &count);
    struct grid grid = choose_grid(hosts, count);
    int64_t width_ns = (INT64_C(1) << grid.shift) * LA_SEC;
    json_t *object = json_object(), *array = json_array();
    bool any = grid.count > 0;
    for (size_t i = 0; i < count; i++) {
        json_t *host = json_object();
        la_emit_put(emit, host, "address", la_emit_addr(hosts[i].addr));
        la_emit_put(emit, host, "peak", emit_states(emit, &hosts[i], true));
        la_emit_put(emit, host, "final", emit_states(emit, &hosts[i], false));
        la_emit_put(emit, host, "series", emit_series(emit, &hosts[i], &grid));
        la_emit_add(emit, array, host);
    }
    release_hosts(hosts, count);
    la_emit_put(emit, object, "interval", any ? la_emit_seconds(width_ns) : json_null());
    la_emit_put(emit, object, "first",
                la_emit_time(emit, any ? (grid.first_bin + 1) * width_ns : LA_TIME_NONE));
    la_emit_put(emit, object, "samples", la_emit_count((uint64_t)grid.count));
    la_emit_put(emit, object, "hosts", whole ? array : NULL);
    if (!whole)
        json_decref(array);
    return object;
}

/* Services */

static json_t *emit_closers(struct la_emit *emit, const uint64_t counts[LA_CLOSER_COUNT]) {
    json_t *object = json_object();
    for (unsigned i = 0; i < LA_CLOSER_COUNT; i++)
        la_emit_put(emit, object, la_closer_name(i), la_emit_count(counts[i]));
    return object;
}

/* How many sockets of a kind there were, at most at a time, and at the end. */
static json_t *emit_level(struct la_emit *emit, const struct la_level *level) {
    json_t *object = json_object();
    la_emit_put(emit, object, "peak", json_integer(level->peak));
    la_emit_put(emit, object, "peak_at", la_emit_time(emit, level->peak_ns));
    la_emit_put(emit, object, "final", json_integer(level->final));
    return object;
}

/* Of the connections whose cause is from `from` up to `to`. */
static void emit_delay(struct la_emit *emit, const char *name, const struct la_service *service,
                       unsigned from, unsigned to) {
    struct la_histogram *histogram = calloc(1, sizeof *histogram);
    if (!histogram) {
        emit->failed = true;
        return;
    }
    if (service)
        la_delays_gather(&service->delays, from, to, histogram);
    la_emit_histogram(emit, name, histogram);
    free(histogram);
}

static bool has_delay(const struct la_service *service, unsigned cause) {
    const struct la_sum *item;
    for (uint32_t at = 0; service && (item = la_sums_next(&service->delays.later, &at));)
        if (item->key / LA_HISTOGRAM_BUCKETS == cause)
            return true;
    return false;
}

static void emit_delays(struct la_emit *emit, const char *name, const struct la_service *service) {
    enum { FIRST_CAUSE = LA_LATE_NOT + 1, LAST_CAUSE = LA_LATE_CAUSE_COUNT - 1 };
    la_text_open(emit->text, name, LA_TEXT_OBJECT);
    emit_delay(emit, "first", service, LA_LATE_NOT, LA_LATE_NOT);
    emit_delay(emit, "repeated", service, FIRST_CAUSE, LAST_CAUSE);
    la_text_open(emit->text, "by_cause", LA_TEXT_ARRAY);
    for (unsigned cause = FIRST_CAUSE; cause <= LAST_CAUSE; cause++) {
        if (!has_delay(service, cause))
            continue;
        la_text_open(emit->text, NULL, LA_TEXT_OBJECT);
        la_emit_item(emit, "cause", la_emit_text(la_late_cause_name(cause)));
        emit_delay(emit, "delay", service, cause, cause);
        la_text_close(emit->text, LA_TEXT_OBJECT);
    }
    la_text_close(emit->text, LA_TEXT_ARRAY);
    la_text_close(emit->text, LA_TEXT_OBJECT);
}

static json_t *emit_attempts(struct la_emit *emit, const struct la_service_line *line) {
    static const char *const names[LA_OUTCOME_COUNT] = {"opened",     "joined",    "refused",
                                                        "unanswered", "half_open", "stray"};
    json_t *object = json_object();
    for (unsigned i = 0; i < LA_OUTCOME_COUNT; i++)
        la_emit_put(emit, object, names[i], la_emit_count(la_service_outcome(line, i)));
    return object;
}

static void emit_service(struct la_emit *emit, const struct la_overview *overview,
                         const struct la_service_line *line) {
    const struct la_service *service = line->answers ? line->answers : line->silent;
    struct la_level levels[LA_STRAND_LEVELS];
    if (la_series_levels(&service->series, levels) != LA_OK) {
        emit->failed = true;
        return;
    }
    la_text_open(emit->text, NULL, LA_TEXT_OBJECT);
    la_emit_item(emit, "address", la_emit_addr(&service->account.addr));
    la_emit_item(emit, "port", la_emit_count(service->account.port));
    la_emit_item(emit, "connections", la_emit_count(line->connections));
    la_emit_item(emit, "attempts", emit_attempts(emit, line));
    la_emit_item(emit, "late", la_emit_count(service->late));
    la_emit_item(emit, "clients", la_emit_count(la_service_clients(overview, line->answers)));
    la_emit_item(emit, "first_closer", emit_closers(emit, service->closers));
    la_emit_item(emit, "time_wait", emit_level(emit, &levels[LA_ST_TIME_WAIT]));
    la_emit_item(emit, "close_wait", emit_level(emit, &levels[LA_ST_CLOSE_WAIT]));
    emit_delays(emit, "connect_delay", line->answers);
    la_text_close(emit->text, LA_TEXT_OBJECT);
}

static int by_service_connections(const void *a, const void *b) {
    const struct la_service_line *x = a, *y = b;
    if (x->connections != y->connections)
        return x->connections > y->connections ? -1 : 1;
    return (x > y) - (x < y); /* they are in order of address and port */
}

/* Keeps an item among the first `*count` of them, which are in order, when it belongs there. */
static void keep_first(const void **first, size_t *count, size_t most, const void *item,
                       int (*compare)(const void *, const void *)) {
    size_t at = *count;
    while (at > 0 && compare(item, first[at - 1]) < 0)
        at--;
    if (at == most)
        return;
    *count -= *count == most;
    memmove((void *)&first[at + 1], (void *)&first[at], (*count - at) * sizeof *first);
    first[at] = item;
    ++*count;
}

void la_emit_services(struct la_emit *emit, const char *name, const struct la_overview *overview) {
    const void *first[LA_REPORT_SERVICES];
    size_t count = 0;
    for (size_t i = 0; i < overview->service_count; i++)
        keep_first(first, &count, LA_REPORT_SERVICES, &overview->services[i],
                   by_service_connections);
    la_text_open(emit->text, name, LA_TEXT_ARRAY);
    for (size_t i = 0; i < count; i++)
        emit_service(emit, overview, first[i]);
    la_text_close(emit->text, LA_TEXT_ARRAY);
}

/* Edges */

static json_t *emit_ports(struct la_emit *emit, const struct la_edge *edge) {
    struct la_sum_list ports;
    int64_t even = 0;
    if (la_sums_sorted(&edge->ports, &ports) != LA_OK)
        return NULL;
    json_t *object = json_object();
    bool any = ports.count > 0;
    for (uint32_t i = 0; i < ports.count; i++)
        even += ports.items[i].key % 2 == 0;
    la_emit_put(emit, object, "used", la_emit_count(ports.count));
    la_emit_put(emit, object, "lowest", any ? json_integer(ports.items[0].key) : json_null());
    la_emit_put(emit, object, "highest",
                any ? json_integer(ports.items[ports.count - 1].key) : json_null());
    la_emit_put(emit, object, "even", json_integer(even));
    la_emit_put(emit, object, "reused", la_emit_count(edge->reused));
    la_emit_put(emit, object, "least_gap",
                edge->reused > 0 ? la_emit_seconds(edge->least_gap_ns) : json_null());
    free(ports.items);
    return object;
}

static json_t *emit_settings(struct la_emit *emit, const struct la_edge_line *line, bool matter) {
    struct la_edge_setting settings[LA_EDGE_SETTINGS];
    size_t count = la_edge_settings(line->edge, settings);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (settings[i].matters != matter)
            continue;
        const struct la_account *host =
            settings[i].side == LA_CLIENT ? &line->edge->account : &line->service->account;
        json_t *object = json_object();
        la_emit_put(emit, object, "setting", la_emit_text(settings[i].name));
        la_emit_put(emit, object, "host", la_emit_addr(&host->addr));
        la_emit_put(emit, object, "why", la_emit_text(settings[i].why));
        la_emit_add(emit, array, object);
    }
    return array;
}

static json_t *emit_edge(struct la_emit *emit, const struct la_edge_line *line) {
    const struct la_edge *edge = line->edge;
    const struct la_account *server = &line->service->account;
    struct la_level levels[LA_STRAND_LEVELS];
    uint64_t closers[LA_CLOSER_COUNT];
    json_t *object = json_object();
    if (la_series_levels(&edge->series, levels) != LA_OK) {
        json_decref(object);
        return NULL;
    }
    for (int i = 0; i < LA_CLOSER_COUNT; i++)
        closers[i] = edge->closers[i];
    la_emit_put(emit, object, "client", la_emit_addr(&edge->account.addr));
    la_emit_put(emit, object, "service", la_emit_endpoint(emit, &server->addr, server->port));
    la_emit_put(emit, object, "connections", la_emit_count(line->connections));
    la_emit_put(emit, object, "first_closer", emit_closers(emit, closers));
    la_emit_put(emit, object, "time_wait_at", la_emit_text(la_edge_time_wait_at(edge)));
    la_emit_put(emit, object, "client_time_wait", emit_level(emit, &levels[LA_ST_TIME_WAIT]));
    la_emit_put(emit, object, "client_ports", emit_ports(emit, edge));
    la_emit_put(emit, object, "can_matter", emit_settings(emit, line, true));
    la_emit_put(emit, object, "cannot_matter", emit_settings(emit, line, false));
    return object;
}

/* Most connections first; those that never got through are told at their service. */
static int by_edge_connections(const void *a, const void *b) {
    const struct la_edge_line *x = a, *y = b;
    if (x->connections != y->connections)
        return x->connections > y->connections ? -1 : 1;
    return (x > y) - (x < y); /* they are in order of client and service */
}

void la_emit_edges(struct la_emit *emit, const char *name, const struct la_overview *overview) {
    const void *first[LA_REPORT_EDGES];
    size_t count = 0;
    for (size_t i = 0; i < overview->edge_count; i++)
        if (!overview->edges[i].seeks)
            keep_first(first, &count, LA_REPORT_EDGES, &overview->edges[i], by_edge_connections);
    la_text_open(emit->text, name, LA_TEXT_ARRAY);
    for (size_t i = 0; i < count; i++)
        la_emit_item(emit, NULL, emit_edge(emit, first[i]));
    la_text_close(emit->text, LA_TEXT_ARRAY);
}
