#include "account/overview.h"

#include "base/prefetch.h"
#include "base/time.h"

#include <stdlib.h>

void la_overview_free(struct la_overview *overview) {
    if (!overview)
        return;
    free(overview->services);
    free(overview->edges);
    free(overview->hosts);
    free(overview);
}

uint64_t la_service_connections(const struct la_service *service) {
    uint64_t total = 0;
    for (int i = 0; service && i < LA_OUTCOME_COUNT; i++)
        total += service->outcomes[i];
    return total;
}

uint64_t la_service_outcome(const struct la_service_line *line, enum la_outcome outcome) {
    return (line->answers ? line->answers->outcomes[outcome] : 0) +
           (line->silent ? line->silent->outcomes[outcome] : 0);
}

uint64_t la_edge_connections(const struct la_edge *edge) {
    uint64_t total = 0;
    for (int i = 0; i < LA_OUTCOME_COUNT; i++)
        total += edge->outcomes[i];
    return total;
}

uint64_t la_service_clients(const struct la_overview *overview, const struct la_service *service) {
    uint64_t total = 0;
    for (int i = 0; service && service->clients && i < LA_PAIR_CLASSES; i++)
        total += la_sample_total(&service->clients[i], overview->clients_most);
    return total;
}

uint64_t la_service_seekers(const struct la_service *service) {
    return service ? la_sample_total(&service->seekers, LA_SERVICE_SEEKERS) : 0;
}

/* Services */

static int compare_keys(const struct la_account *a, const struct la_account *b) {
    int order = la_addr_cmp(&a->addr, &b->addr);
    return order ? order : (int)a->port - (int)b->port;
}

static const struct la_account *key_of(const struct la_service_line *line) {
    return line->answers ? &line->answers->account : &line->silent->account;
}

static int by_service(const void *a, const void *b) {
    const struct la_service_line *x = a, *y = b;
    int order = compare_keys(key_of(x), key_of(y));
    return order ? order : (x->answers == NULL) - (y->answers == NULL);
}

/* Appends the kept services of one of the two samples. */
static void list_services(struct la_overview *overview, const struct la_sample *sample,
                          const struct la_sample_kind *kind) {
    for (uint32_t i = 0; i < la_sample_count(sample, kind->most); i++) {
        const struct la_service *service = (const struct la_service *)sample->kept[i].account;
        bool answers = kind == &la_service_kind;
        overview->services[overview->service_count++] = (struct la_service_line){
            answers ? service : NULL, answers ? NULL : service, la_service_connections(service)};
    }
}

/* Both accounts of a service become one line. */
static void join_services(struct la_overview *overview) {
    size_t kept = 0;
    for (size_t i = 0; i < overview->service_count; i++) {
        struct la_service_line *line = &overview->services[i];
        struct la_service_line *last = kept > 0 ? &overview->services[kept - 1] : NULL;
        if (last && compare_keys(key_of(last), key_of(line)) == 0) {
            last->silent = line->silent;
            last->connections += line->connections;
        } else {
            overview->services[kept++] = *line;
        }
    }
    overview->service_count = kept;
}

static bool fill_services(struct la_overview *overview, const struct la_accounts *accounts) {
    size_t most = (size_t)accounts->services.count + accounts->silent.count;
    overview->services = calloc(most + 1, sizeof *overview->services);
    if (!overview->services)
        return false;
    list_services(overview, &accounts->services, &la_service_kind);
    list_services(overview, &accounts->silent, &la_silent_kind);
    qsort(overview->services, overview->service_count, sizeof *overview->services, by_service);
    join_services(overview);
    overview->connections_left_out = accounts->connections[0] + accounts->connections[1];
    for (size_t i = 0; i < overview->service_count; i++)
        overview->connections_left_out -= overview->services[i].connections;
    return true;
}

/* Edges */

/* By one byte of the client's address, without changing the order of those that have the same. */
static void sort_by_byte(const struct la_edge_line *from, struct la_edge_line *to, size_t count,
                         unsigned byte) {
    size_t next[256] = {0};
    for (size_t i = 0; i < count; i++)
        next[from[i].client.bytes[byte]]++;
    for (size_t value = 0, before = 0; value < 256; value++) {
        size_t here = next[value];
        next[value] = before;
        before += here;
    }
    for (size_t i = 0; i < count; i++)
        to[next[from[i].client.bytes[byte]]++] = from[i];
}

static bool differs_in(const struct la_edge_line *edges, size_t count, unsigned byte) {
    for (size_t i = 1; i < count; i++)
        if (edges[i].client.bytes[byte] != edges[0].client.bytes[byte])
            return true;
    return false;
}

/* They were listed by service, and whether they seek: those of one client stay in that order. */
static bool sort_by_client(struct la_overview *overview) {
    size_t count = overview->edge_count;
    struct la_edge_line *spare = malloc((count + 1) * sizeof *spare);
    if (!spare)
        return false;
    for (unsigned byte = sizeof spare->client.bytes; byte-- > 0;) {
        if (!differs_in(overview->edges, count, byte))
            continue;
        sort_by_byte(overview->edges, spare, count, byte);
        struct la_edge_line *sorted = spare;
        spare = overview->edges;
        overview->edges = sorted;
    }
    free(spare);
    return true;
}

static size_t room_for_edges(const struct la_service *service) {
    size_t room = service ? service->seekers.count : 0;
    for (int i = 0; service && service->clients && i < LA_PAIR_CLASSES; i++)
        room += service->clients[i].count;
    return room;
}

static void list_sample(struct la_overview *overview, const struct la_service *service,
                        const struct la_sample *sample, bool seeks) {
    uint32_t count = la_sample_count(sample, seeks ? LA_SERVICE_SEEKERS : overview->clients_most);
    for (uint32_t i = 0; i < count; i++) /* they lie anywhere */
        la_prefetch(sample->kept[i].account, offsetof(struct la_edge, closers));
    for (uint32_t i = 0; i < count; i++) {
        const struct la_edge *edge = (const struct la_edge *)sample->kept[i].account;
        uint64_t connections = la_edge_connections(edge);
        overview->edges[overview->edge_count++] =
            (struct la_edge_line){edge->account.addr, service, edge, connections, seeks};
        overview->clients_left_out -= connections;
    }
}

static void list_edges(struct la_overview *overview, const struct la_service *service) {
    for (int i = 0; service && service->clients && i < LA_PAIR_CLASSES; i++)
        list_sample(overview, service, &service->clients[i], false);
    if (service)
        list_sample(overview, service, &service->seekers, true);
}

static bool fill_edges(struct la_overview *overview) {
    size_t most = 0;
    for (size_t i = 0; i < overview->service_count; i++) {
        const struct la_service_line *line = &overview->services[i];
        most += room_for_edges(line->answers) + room_for_edges(line->silent);
        overview->clients_left_out += line->connections;
    }
    overview->edges = calloc(most + 1, sizeof *overview->edges);
    if (!overview->edges)
        return false;
    for (size_t i = 0; i < overview->service_count; i++) {
        list_edges(overview, overview->services[i].answers);
        list_edges(overview, overview->services[i].silent);
    }
    if (!sort_by_client(overview))
        return false;
    for (size_t i = 0; i < overview->edge_count; i++)
        overview->connected_count += !overview->edges[i].seeks;
    return true;
}

/* Hosts: the clients of the edges and the addresses of the services, merged. */
static bool fill_hosts(struct la_overview *overview) {
    size_t edge = 0, service = 0;
    overview->hosts =
        calloc(overview->edge_count + overview->service_count + 1, sizeof *overview->hosts);
    if (!overview->hosts)
        return false;
    while (edge < overview->edge_count || service < overview->service_count) {
        const struct la_addr *client =
            edge < overview->edge_count ? &overview->edges[edge].client : NULL;
        const struct la_addr *server =
            service < overview->service_count ? &key_of(&overview->services[service])->addr : NULL;
        bool client_first = client && (!server || la_addr_cmp(client, server) <= 0);
        struct la_host_line *host = &overview->hosts[overview->host_count++];
        *host = (struct la_host_line){.addr = client_first ? client : server,
                                      .edges = overview->edges + edge,
                                      .services = overview->services + service};
        for (; edge < overview->edge_count &&
               la_addr_cmp(&overview->edges[edge].client, host->addr) == 0;
             edge++)
            host->edge_count++;
        for (; service < overview->service_count &&
               la_addr_cmp(&key_of(&overview->services[service])->addr, host->addr) == 0;
             service++)
            host->service_count++;
    }
    return true;
}

struct la_overview *la_overview_new(const struct la_accounts *accounts) {
    struct la_overview *overview = calloc(1, sizeof *overview);
    if (!overview)
        return NULL;
    overview->clients_most = la_edges_most(accounts);
    if (!fill_services(overview, accounts) || !fill_edges(overview) || !fill_hosts(overview)) {
        la_overview_free(overview);
        return NULL;
    }
    overview->end_ns = accounts->end_ns;
    overview->silent_kept =
        accounts->silent.count < la_silent_kind.most ? accounts->silent.count : la_silent_kind.most;
    overview->silent_total = la_sample_total(&accounts->silent, LA_ACCOUNT_SILENT);
    overview->service_total = la_sample_total(&accounts->services, LA_ACCOUNT_SERVICES);
    return overview;
}

static int compare_host(const void *key, const void *item) {
    return la_addr_cmp(key, ((const struct la_host_line *)item)->addr);
}

const struct la_host_line *la_overview_host(const struct la_overview *overview,
                                            const struct la_addr *addr) {
    if (overview->host_count == 0)
        return NULL;
    return bsearch(addr, overview->hosts, overview->host_count, sizeof *overview->hosts,
                   compare_host);
}

/* Sockets */

enum la_status la_host_sockets(const struct la_host_line *host, struct la_series *sockets) {
    enum la_status status = LA_OK;
    *sockets = (struct la_series){0};
    for (size_t i = 0; i < host->edge_count && status == LA_OK; i++)
        status = la_series_merge(NULL, sockets, &host->edges[i].edge->series);
    for (size_t i = 0; i < host->service_count && status == LA_OK; i++) {
        const struct la_service_line *line = &host->services[i];
        if (line->answers)
            status = la_series_merge(NULL, sockets, &line->answers->series);
        if (line->silent && status == LA_OK)
            status = la_series_merge(NULL, sockets, &line->silent->series);
    }
    if (status != LA_OK)
        la_series_release(NULL, sockets);
    return status;
}

static void note_levels(void *context, const struct la_series_point *point) {
    struct la_level *levels = context;
    for (int s = 0; s < LA_STRAND_LEVELS; s++) {
        levels[s].final = point->values[s];
        if (point->values[s] <= levels[s].peak)
            continue;
        levels[s].peak = point->values[s];
        levels[s].peak_ns = point->until_ns;
    }
}

enum la_status la_series_levels(const struct la_series *series,
                                struct la_level levels[LA_STRAND_LEVELS]) {
    for (int s = 0; s < LA_STRAND_LEVELS; s++)
        levels[s] = (struct la_level){0, 0, LA_TIME_NONE};
    return la_series_walk(series, note_levels, levels);
}
