#include "account/accounts.h"

#include "account/spans.h"
#include "base/histogram.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/close_wait.h"
#include "track/listening.h"
#include "track/open_story.h"

#include <stdlib.h>
#include <string.h>

/* A kernel repeats a SYN within 3 s (1 s since 2011): one that was not repeated by then was not
 * meant to be. */
#define REPEAT_NS (3 * LA_SEC)
#define FORGOTTEN_NS (3600 * LA_SEC)
#define LATE_NS (500 * LA_MSEC)
#define AGED_NS (9 * LA_SEC) /* less than any age that is counted, as a span is not exact */

static void add_counts(uint32_t *into, const uint32_t *from, size_t count) {
    for (size_t i = 0; i < count; i++)
        into[i] += from[i];
}

static void add_long_counts(uint64_t *into, const uint64_t *from, size_t count) {
    for (size_t i = 0; i < count; i++)
        into[i] += from[i];
}

/* Edges */

static void release_edge(struct la_stock *stock, void *account) {
    struct la_edge *edge = account;
    la_series_release(stock, &edge->series);
    la_sums_release(stock, &edge->ports);
    la_sums_release(stock, &edge->syns);
}

/* A total order, so that of two firsts the same one is kept whoever comes first. */
static bool is_earlier(const struct la_where *a, const struct la_where *b) {
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns;
    return a->input != b->input ? a->input < b->input : a->frame < b->frame;
}

static void extend_edge(struct la_edge *edge, const struct la_where *first, int64_t last_ns) {
    bool fresh = edge->first.frame == 0;
    if (fresh || is_earlier(first, &edge->first))
        edge->first = *first;
    if (fresh || last_ns > edge->last_ns)
        edge->last_ns = last_ns;
}

static void note_reuse(struct la_edge *edge, uint32_t count, int64_t gap_ns) {
    if (count > 0 && (edge->reused == 0 || gap_ns < edge->least_gap_ns))
        edge->least_gap_ns = gap_ns;
    edge->reused += count;
}

/* SYNs: the key is the time in milliseconds and the port, the count the timestamp plus one. */

int64_t la_syn_time_ms(const struct la_sum *syn) {
    return (syn->key - la_syn_port(syn)) / 65536;
}

uint16_t la_syn_port(const struct la_sum *syn) {
    return (uint16_t)(syn->key & 0xffff);
}

uint32_t la_syn_tsval(const struct la_sum *syn) {
    return (uint32_t)(syn->count - 1);
}

/* Whether a SYN belongs to a share of one in 2^n, by a hash. */
static bool is_in_share(int64_t key, unsigned share) {
    uint64_t h = (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return ((h ^ h >> 32) & ((UINT64_C(1) << share) - 1)) == 0;
}

static enum la_status lower_share(struct la_stock *stock, struct la_edge *edge, unsigned share) {
    struct la_sums all = edge->syns;
    enum la_status status = LA_OK;
    const struct la_sum *syn;
    edge->syns = (struct la_sums){0};
    edge->syn_share = (uint8_t)share;
    for (uint32_t at = 0; status == LA_OK && (syn = la_sums_next(&all, &at));)
        if (is_in_share(syn->key, share))
            status = la_sums_add(stock, &edge->syns, syn->key, syn->count);
    la_sums_release(stock, &all);
    return status;
}

static enum la_status note_syn(struct la_stock *stock, struct la_edge *edge, int64_t key,
                               int64_t count) {
    if (!is_in_share(key, edge->syn_share))
        return LA_OK;
    enum la_status status = la_sums_add(stock, &edge->syns, key, count);
    while (status == LA_OK && edge->syns.count > LA_EDGE_SYNS)
        status = lower_share(stock, edge, edge->syn_share + 1u);
    return status;
}

static enum la_status merge_syns(struct la_stock *stock, struct la_edge *into,
                                 const struct la_edge *from) {
    const struct la_sum *syn;
    if (from->syn_share > into->syn_share && lower_share(stock, into, from->syn_share) != LA_OK)
        return LA_ENOMEM;
    for (uint32_t at = 0; (syn = la_sums_next(&from->syns, &at));)
        if (note_syn(stock, into, syn->key, syn->count) != LA_OK)
            return LA_ENOMEM;
    return LA_OK;
}

static enum la_status merge_edges(struct la_stock *stock, void *account, void *other) {
    struct la_edge *into = account;
    const struct la_edge *from = other;
    add_counts(into->outcomes, from->outcomes, LA_OUTCOME_COUNT);
    add_counts(into->closers, from->closers, LA_CLOSER_COUNT);
    add_counts(into->time_waits, from->time_waits, 2);
    into->timestamps += from->timestamps;
    note_reuse(into, from->reused, from->least_gap_ns);
    extend_edge(into, &from->first, from->last_ns);
    if (la_sums_merge(stock, &into->ports, &from->ports) != LA_OK ||
        merge_syns(stock, into, from) != LA_OK)
        return LA_ENOMEM;
    return la_series_merge(stock, &into->series, &from->series);
}

const struct la_sample_kind la_edge_kind = {sizeof(struct la_edge), LA_SERVICE_EDGES, true,
                                            release_edge, merge_edges};
const struct la_sample_kind la_seeker_kind = {sizeof(struct la_edge), LA_SERVICE_SEEKERS, true,
                                              release_edge, merge_edges};

/* Services */

/* All but its clients. */
static void release_own(struct la_service *service) {
    free(service->clients);
    la_series_release(NULL, &service->series);
    la_delays_release(NULL, &service->delays);
}

static void release_service(struct la_stock *stock, void *account) {
    struct la_service *service = account;
    for (int i = 0; service->clients && i < LA_PAIR_CLASSES; i++)
        la_sample_release(stock, &service->clients[i], &la_edge_kind);
    la_sample_release(stock, &service->seekers, &la_seeker_kind);
    release_own(service);
}

static void extend_service(struct la_service *service, int64_t first_ns, int64_t last_ns) {
    if (!service->used || first_ns < service->first_ns)
        service->first_ns = first_ns;
    if (!service->used || last_ns > service->last_ns)
        service->last_ns = last_ns;
    service->used = true;
}

static enum la_status make_clients(struct la_service *service) {
    if (!service->clients)
        service->clients = calloc(LA_PAIR_CLASSES, sizeof *service->clients);
    return service->clients ? LA_OK : LA_ENOMEM;
}

static enum la_status merge_clients(struct la_stock *stock, struct la_service *into,
                                    struct la_service *from) {
    if (!from->clients)
        return LA_OK;
    if (make_clients(into) != LA_OK)
        return LA_ENOMEM;
    for (int i = 0; i < LA_PAIR_CLASSES; i++)
        if (la_sample_merge(stock, &into->clients[i], &la_edge_kind, &from->clients[i]) != LA_OK)
            return LA_ENOMEM;
    return LA_OK;
}

static enum la_status merge_services(struct la_stock *stock, void *account, void *other) {
    struct la_service *into = account, *from = other;
    if (from->used)
        extend_service(into, from->first_ns, from->last_ns);
    add_long_counts(into->outcomes, from->outcomes, LA_OUTCOME_COUNT);
    add_long_counts(into->closers, from->closers, LA_CLOSER_COUNT);
    add_long_counts(into->time_waits, from->time_waits, 2);
    into->late += from->late;
    if (la_delays_merge(NULL, &into->delays, &from->delays) != LA_OK ||
        la_series_merge(NULL, &into->series, &from->series) != LA_OK ||
        la_sample_merge(stock, &into->seekers, &la_seeker_kind, &from->seekers) != LA_OK)
        return LA_ENOMEM;
    return merge_clients(stock, into, from);
}

const struct la_sample_kind la_service_kind = {sizeof(struct la_service), LA_ACCOUNT_SERVICES,
                                               false, release_service, merge_services};
const struct la_sample_kind la_silent_kind = {sizeof(struct la_service), LA_ACCOUNT_SILENT, false,
                                              release_service, merge_services};

uint32_t la_edges_most(const struct la_accounts *accounts) {
    uint32_t count = accounts->services.count;
    uint32_t most = LA_EDGES_A_CLASS / (count > 0 ? count : 1);
    return most > LA_SERVICE_EDGES       ? LA_SERVICE_EDGES
           : most < LA_SERVICE_EDGES_MIN ? LA_SERVICE_EDGES_MIN
                                         : most;
}

/* What a connection was */

static bool had_traffic(const struct la_connection *c) {
    const struct la_endpoint *a = &c->side[0], *b = &c->side[1];
    return a->data_bytes > 0 || b->data_bytes > 0 || (a->packets > a->rst && b->packets > b->rst);
}

static enum la_outcome outcome_of(const struct la_connection *c) {
    switch (c->opening) {
    case LA_OPENING_REFUSED:
        return LA_OUTCOME_REFUSED;
    case LA_OPENING_UNANSWERED:
        return LA_OUTCOME_UNANSWERED;
    case LA_OPENING_HALF_OPEN:
        return LA_OUTCOME_HALF_OPEN;
    case LA_OPENING_MID_STREAM:
        if (la_was_probed(c))
            return c->side[LA_SERVER].rst > 0 ? LA_OUTCOME_REFUSED : LA_OUTCOME_UNANSWERED;
        return had_traffic(c) ? LA_OUTCOME_JOINED : LA_OUTCOME_STRAY;
    default:
        return LA_OUTCOME_OPENED;
    }
}

static bool was_open(enum la_outcome outcome) {
    return outcome == LA_OUTCOME_OPENED || outcome == LA_OUTCOME_JOINED;
}

/* Adding one */

struct adding {
    struct la_stock *stock;
    const struct la_connection *c;
    enum la_outcome outcome;
    int64_t first_s; /* the second of its first packet; of one that was open */
    struct la_service *service;
    struct la_edge *edge; /* NULL: left out */
    enum la_status status;
};

static int64_t first_second(const struct la_connection *c) {
    return la_floor_seconds(c->first.time_ns);
}

/* Of a client only where there is an edge. */
static void raise(struct adding *adding, unsigned side, unsigned strand,
                  const struct la_span *span) {
    bool server = side == LA_SERVER;
    struct la_series *series = server ? &adding->service->series : &adding->edge->series;
    bool ends = span->until_ns != INT64_MAX;
    if (la_series_raise(server ? NULL : adding->stock, series, strand,
                        la_floor_seconds(span->from_ns),
                        ends ? la_floor_seconds(span->until_ns) : INT64_MAX) != LA_OK)
        adding->status = LA_ENOMEM;
}

/* How long a side has been in CLOSE-WAIT without a word. Nothing is known of a program after an
 * hour in which its connection was silent. */
static void raise_aged(struct adding *adding, unsigned side) {
    static const struct {
        unsigned strand;
        int64_t age_ns;
    } ages[] = {{LA_STRAND_CLOSE_WAIT_10, 10 * LA_SEC}, {LA_STRAND_CLOSE_WAIT_60, 60 * LA_SEC}};
    const struct la_connection *c = adding->c;
    struct la_close_wait wait;
    if (!la_close_wait_of(c, side, &wait))
        return;
    int64_t until_ns = wait.end == LA_CLOSE_WAIT_LASTS ? INT64_MAX : wait.until_ns;
    if (c->capture_end_ns - c->last.time_ns > FORGOTTEN_NS && until_ns == INT64_MAX)
        until_ns = c->last.time_ns + FORGOTTEN_NS;
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        const struct la_span aged = {.from_ns = wait.quiet_ns + ages[i].age_ns,
                                     .until_ns = until_ns};
        if (aged.from_ns < until_ns && aged.from_ns <= c->capture_end_ns)
            raise(adding, side, ages[i].strand, &aged);
    }
}

static void take_span(void *context, const struct la_span *span) {
    struct adding *adding = context;
    if (span->state == LA_ST_TIME_WAIT) {
        adding->service->time_waits[span->side]++;
        if (adding->edge)
            adding->edge->time_waits[span->side]++;
    }
    if (span->side == LA_CLIENT && !adding->edge)
        return;
    raise(adding, span->side, LA_STRAND_STATE + span->state, span);
    /* INT64_MAX is long, whatever it began with. */
    if (span->state == LA_ST_CLOSE_WAIT && span->until_ns - AGED_NS > span->from_ns)
        raise_aged(adding, span->side);
}

static void count_event(struct adding *adding, int64_t second, unsigned strand) {
    if (la_series_add(NULL, &adding->service->series, second, strand, 1) != LA_OK)
        adding->status = LA_ENOMEM;
}

/* An attempt that came to nothing: by whom was it given up? */
static void count_failure(struct adding *adding) {
    const struct la_connection *c = adding->c;
    const struct la_endpoint *client = &c->side[LA_CLIENT];
    if (adding->outcome == LA_OUTCOME_REFUSED)
        count_event(adding, first_second(c), LA_STRAND_REFUSED);
    else if (client->syn > 1)
        count_event(adding, first_second(c), LA_STRAND_IN_VAIN);
    else if (client->syn == 1 && client->packets == client->syn + client->rst &&
             (client->rst > 0 ||
              la_heard_until(c, c->first.time_ns) - c->first.time_ns >= REPEAT_NS))
        count_event(adding, first_second(c), LA_STRAND_ONCE);
}

static void count_delay(struct adding *adding) {
    const struct la_connection *c = adding->c;
    int64_t delay_ns = c->connect_delay_ns;
    count_event(adding, adding->first_s, LA_STRAND_OPENED);
    if (delay_ns < 0)
        return;
    if (la_delays_add(NULL, &adding->service->delays, c->late_cause, la_histogram_bucket(delay_ns),
                      1) != LA_OK)
        adding->status = LA_ENOMEM;
    if (delay_ns >= LATE_NS) {
        adding->service->late++;
        count_event(adding, adding->first_s, LA_STRAND_LATE);
    }
}

static void count_service(struct adding *adding) {
    struct la_service *service = adding->service;
    const struct la_connection *c = adding->c;
    extend_service(service, c->first.time_ns, c->last.time_ns);
    service->outcomes[adding->outcome]++;
    if (was_open(adding->outcome))
        service->closers[c->first_closer]++;
    if (adding->outcome == LA_OUTCOME_OPENED)
        count_delay(adding);
    else if (adding->outcome != LA_OUTCOME_JOINED && adding->outcome != LA_OUTCOME_STRAY)
        count_failure(adding);
}

static void count_syn(struct adding *adding) {
    const struct la_connection *c = adding->c;
    if (c->opened_tsval == 0)
        return;
    int64_t ms = c->opened_ns / LA_MSEC - (c->opened_ns % LA_MSEC < 0);
    if (note_syn(adding->stock, adding->edge, ms * 65536 + c->side[LA_CLIENT].port,
                 (int64_t)c->opened_tsval + 1) != LA_OK)
        adding->status = LA_ENOMEM;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void count_edge(struct adding *adding) {
    struct la_edge *edge = adding->edge;
    const struct la_connection *c = adding->c;
    const struct la_connection *before = c->previous;
    edge->outcomes[adding->outcome]++;
    extend_edge(edge, &c->first, c->last.time_ns);
    if (!was_open(adding->outcome))
        return;
    count_syn(adding);
    edge->closers[c->first_closer]++;
    edge->timestamps += c->side[0].timestamps_used && c->side[1].timestamps_used;
    if (before && c->opened_ns != LA_TIME_NONE)
        note_reuse(edge, 1, later(c->opened_ns - before->last.time_ns, 0));
    if (la_sums_add(adding->stock, &edge->ports, c->side[LA_CLIENT].port, 1) != LA_OK)
        adding->status = LA_ENOMEM;
}

static enum la_status find_edge(const struct la_accounts *accounts, struct adding *adding) {
    const struct la_addr *client = &adding->c->side[LA_CLIENT].addr;
    const struct la_account key = la_account_key(client, 0);
    struct la_service *service = adding->service;
    bool opened = was_open(adding->outcome);
    struct la_sample *sample = &service->seekers;
    struct la_account *account;
    if (opened && make_clients(service) != LA_OK)
        return LA_ENOMEM;
    if (opened)
        sample = &service->clients[la_addr_pair_class(client, &service->account.addr)];
    if (la_sample_leaves_out(sample, key.hash))
        return LA_OK; /* most of many clients */
    if (opened)
        la_sample_bound(sample, la_edges_most(accounts));
    enum la_status status = la_sample_find(
        adding->stock, sample, opened ? &la_edge_kind : &la_seeker_kind, &key, &account);
    adding->edge = (struct la_edge *)account;
    return status;
}

/* Where the service may have been found last. */
static uint16_t *last_place(struct la_accounts *accounts, bool silent,
                            const struct la_endpoint *server) {
    uint32_t tail;
    memcpy(&tail, server->addr.bytes + sizeof server->addr - sizeof tail, sizeof tail);
    uint32_t hash = (tail + server->port) * UINT32_C(0x9e3779b1);
    return &accounts->last_places[silent][hash >> (32 - LA_LAST_PLACES_BITS)];
}

static enum la_status find_service(struct la_accounts *accounts, struct adding *adding) {
    const struct la_endpoint *server = &adding->c->side[LA_SERVER];
    bool answers = was_open(adding->outcome) || adding->outcome == LA_OUTCOME_HALF_OPEN;
    struct la_sample *sample = answers ? &accounts->services : &accounts->silent;
    uint16_t *place = last_place(accounts, !answers, server);
    struct la_account *account = la_sample_at(sample, *place, &server->addr, server->port);
    enum la_status status = LA_OK;
    accounts->connections[!answers]++;
    if (!account) {
        const struct la_account key = la_account_key(&server->addr, server->port);
        status = la_sample_find(adding->stock, sample, answers ? &la_service_kind : &la_silent_kind,
                                &key, &account);
        *place = (uint16_t)sample->last;
    }
    adding->service = (struct la_service *)account;
    return status;
}

enum la_status la_accounts_add(struct la_accounts *accounts, const struct la_connection *c) {
    struct adding adding = {
        .stock = &accounts->stock, .c = c, .outcome = outcome_of(c), .status = LA_OK};
    struct la_span wait;
    if (c->capture_end_ns > accounts->end_ns)
        accounts->end_ns = c->capture_end_ns;
    if (find_service(accounts, &adding) != LA_OK)
        return LA_ENOMEM;
    if (!adding.service)
        return LA_OK;
    if (find_edge(accounts, &adding) != LA_OK)
        return LA_ENOMEM;
    if (was_open(adding.outcome))
        adding.first_s = first_second(c);
    count_service(&adding);
    if (adding.edge)
        count_edge(&adding);
    /* The client's sockets are counted by the edge alone, but for TIME-WAITs of what was open. */
    unsigned server = 1u << LA_SERVER, client = adding.edge ? 1u << LA_CLIENT : 0;
    unsigned waits = was_open(adding.outcome) ? 1u << LA_CLIENT : client;
    if (was_open(adding.outcome) && la_brief_wait_of(c, adding.first_s, &wait))
        take_span(&adding, &wait);
    else if (was_open(adding.outcome) || c->opening != LA_OPENING_MID_STREAM)
        la_spans_of(c, waits | server, client | server, take_span, &adding);
    return adding.status;
}

/* All of them */

struct la_accounts *la_accounts_new(void) {
    struct la_accounts *accounts = calloc(1, sizeof *accounts);
    if (accounts)
        accounts->end_ns = LA_TIME_NONE;
    return accounts;
}

static void release_services(struct la_sample *services) {
    for (uint32_t i = 0; i < services->count; i++) {
        struct la_account *account = services->kept[i].account;
        release_own((struct la_service *)account);
        free(account);
    }
    free(services->kept);
}

void la_accounts_free(struct la_accounts *accounts) {
    if (!accounts)
        return;
    release_services(&accounts->services);
    release_services(&accounts->silent);
    la_stock_release(&accounts->stock);
    free(accounts);
}

enum la_status la_accounts_merge(struct la_accounts *into, struct la_accounts *from) {
    struct la_stock *stock = &into->stock;
    if (from->end_ns > into->end_ns)
        into->end_ns = from->end_ns;
    add_long_counts(into->connections, from->connections, 2);
    la_stock_merge(stock, &from->stock);
    if (la_sample_merge(stock, &into->services, &la_service_kind, &from->services) != LA_OK)
        return LA_ENOMEM;
    return la_sample_merge(stock, &into->silent, &la_silent_kind, &from->silent);
}
