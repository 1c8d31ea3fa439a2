/* The accounts: their sums held against a plain recount, and the laws of merge, also where there
 * are more services and clients than are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/overview.h"
#include "base/histogram.h"
#include "base/time.h"

#define START (INT64_C(1780000000) * LA_SEC)
#define END (START + 955 * LA_SEC)

static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static unsigned pick(uint64_t *state, unsigned below) {
    return (unsigned)(next_random(state) % below);
}

static struct la_addr host(unsigned number) {
    uint8_t v4[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    return la_addr_from_v4(v4);
}

/* Sums and series */

static void sums_add_up_in_any_order(void **unused) {
    (void)unused;
    enum { KEYS = 500, ADDITIONS = 20000 };
    uint64_t random = 7;
    int64_t exact[KEYS] = {0};
    struct la_sums sums = {0};
    struct la_stock all = {.blocks = NULL}, *stock = &all;
    struct la_sum_list copy;
    for (int i = 0; i < ADDITIONS; i++) {
        unsigned key = pick(&random, KEYS);
        int64_t count = (int64_t)pick(&random, 7) - 3;
        exact[key] += count;
        assert_int_equal(la_sums_add(stock, &sums, (int64_t)key - 200, count), LA_OK);
    }
    assert_int_equal(la_sums_sorted(&sums, &copy), LA_OK);
    uint32_t at = 0;
    for (int key = 0; key < KEYS; key++) {
        if (exact[key] == 0)
            continue;
        assert_int_equal(copy.items[at].key, key - 200);
        assert_int_equal(copy.items[at].count, exact[key]);
        at++;
    }
    assert_int_equal(at, copy.count);
    la_sums_release(stock, &sums);
    la_stock_release(stock);
    free(copy.items);
}

/* Whatever order the buckets come in, and however far they lie apart. */
static void delays_are_those_of_a_histogram(void **unused) {
    (void)unused;
    uint64_t random = 23;
    for (unsigned i = 0; i < 200; i++) {
        struct la_delays delays = {0}, whole = {0};
        struct la_stock all = {.blocks = NULL}, *stock = i % 4 < 2 ? &all : NULL;
        struct la_histogram exact[2] = {{0}}, told;
        for (unsigned n = pick(&random, 100); n > 0; n--) {
            unsigned cause = pick(&random, 3) == 0 ? LA_LATE_SYN_LOST : LA_LATE_NOT;
            size_t bucket = pick(&random, i % 2 == 0 ? 900 : 40) + (i % 3) * 10;
            assert_int_equal(la_delays_add(stock, &delays, cause, bucket, n), LA_OK);
            la_histogram_add_bucket(&exact[cause != LA_LATE_NOT], bucket, n);
            if (n % 7 == 0)
                assert_int_equal(la_delays_merge(stock, &whole, &delays), LA_OK);
            if (n % 7 == 0)
                la_delays_release(stock, &delays);
        }
        assert_int_equal(la_delays_merge(stock, &whole, &delays), LA_OK);
        for (unsigned late = 0; late < 2; late++) {
            memset(&told, 0, sizeof told);
            la_delays_gather(&whole, late ? LA_LATE_NOT + 1 : LA_LATE_NOT,
                             late ? LA_LATE_CAUSE_COUNT - 1 : LA_LATE_NOT, &told);
            assert_memory_equal(&told, &exact[late], sizeof told);
        }
        la_delays_release(stock, &delays);
        la_delays_release(stock, &whole);
        la_stock_release(&all);
    }
}

struct levels {
    const int64_t *from, *until;
    size_t count, points;
};

/* At the end of every bin the level is the number of spans that hold then. */
static void check_level(void *context, const struct la_series_point *point) {
    struct levels *levels = context;
    int64_t alive = 0;
    for (size_t i = 0; i < levels->count; i++)
        alive += levels->from[i] < point->until_ns && levels->until[i] >= point->until_ns;
    assert_int_equal(point->values[LA_ST_ESTAB], alive);
    levels->points++;
}

static void a_level_is_exact_however_wide_the_bins(void **unused) {
    (void)unused;
    enum { SPANS = 400 };
    static int64_t from[SPANS], until[SPANS];
    for (unsigned days = 0; days < 40; days = days * 3 + 1) {
        uint64_t random = 11 + days;
        struct la_series series = {0};
        for (int i = 0; i < SPANS; i++) {
            from[i] = -40 * LA_SEC + (int64_t)pick(&random, 100 + days * 86400) * LA_SEC +
                      pick(&random, 1000000000);
            until[i] = from[i] + (int64_t)pick(&random, 300000) * LA_MSEC;
            assert_int_equal(la_series_raise(NULL, &series, LA_ST_ESTAB, la_floor_seconds(from[i]),
                                             la_floor_seconds(until[i])),
                             LA_OK);
        }
        struct levels levels = {from, until, SPANS, 0};
        assert_int_equal(la_series_walk(&series, check_level, &levels), LA_OK);
        assert_true(levels.points > 5);
        int64_t bins = (series.last_s >> series.shift) - (series.first_s >> series.shift) + 1;
        assert_in_range(bins, 1, LA_SERIES_BINS);
        assert_true(series.shift == 0 || bins > LA_SERIES_BINS / 2);
        la_series_release(NULL, &series);
    }
}

/* Connections */

struct shape {
    unsigned clients, servers, ports, connections;
};

/* A bare connection: SYN, SYN-ACK, ACK, and a close, or less of it. NULL: it only takes its random
 * numbers. */
static void add_connection(struct la_accounts *accounts, uint64_t *random,
                           const struct shape *shape) {
    const struct la_profile *profile = la_profile_default();
    int64_t at = START + (int64_t)pick(random, 900000) * LA_MSEC, open = at + 20 * LA_MSEC;
    int64_t closes = open + (int64_t)pick(random, 50000) * LA_MSEC;
    unsigned first = pick(random, 2), outcome = pick(random, 10);
    bool opens = outcome < 7, answered = outcome < 8;
    struct la_connection c = {
        .side = {{.addr = host(pick(random, shape->clients)),
                  .port = (uint16_t)(32768 + pick(random, 500)),
                  .syn = 1 + pick(random, 2),
                  .packets = 3},
                 {.addr = host(1 << 20 | pick(random, shape->servers)),
                  .port = (uint16_t)(80 + pick(random, shape->ports)),
                  .packets = 2}},
        .initiator_known = true,
        .opened_ns = at,
        .first = {at, 1 + (uint64_t)(at - START) / LA_USEC, 0},
        .last = {closes + 20 * LA_MSEC, 1, 0},
        .opening = opens ? LA_OPENING_HANDSHAKE : LA_OPENING_HALF_OPEN + outcome - 7,
        .first_closer = !opens               ? LA_CLOSER_NONE
                        : first == LA_CLIENT ? LA_CLOSER_CLIENT
                                             : LA_CLOSER_SERVER,
        .connect_delay_ns = INT64_C(1) << pick(random, 34),
        .late_cause = (uint8_t)pick(random, LA_LATE_CAUSE_COUNT),
        .opened_tsval = pick(random, 1 << 30),
        .milestones = {answered ? at + 10 * LA_MSEC : INT64_MAX,
                       opens ? open : INT64_MAX,
                       {INT64_MAX, INT64_MAX},
                       {INT64_MAX, INT64_MAX}},
        .log_count = opens      ? 6
                     : answered ? 2
                                : 1,
        .capture_end_ns = END,
        .profile = {profile, profile},
    };
    if (opens) {
        c.milestones.fin_ns[first] = closes;
        c.milestones.fin_ns[!first] = c.milestones.fin_acked_ns[first] = closes + 10 * LA_MSEC;
        c.milestones.fin_acked_ns[!first] = closes + 20 * LA_MSEC;
    }
    if (accounts)
        assert_int_equal(la_accounts_add(accounts, &c), LA_OK);
}

static void assert_same_sums(const struct la_sums *a, const struct la_sums *b) {
    struct la_sum_list x, y;
    assert_int_equal(la_sums_sorted(a, &x), LA_OK);
    assert_int_equal(la_sums_sorted(b, &y), LA_OK);
    assert_int_equal(x.count, y.count);
    for (uint32_t i = 0; i < x.count; i++) {
        assert_int_equal(x.items[i].key, y.items[i].key);
        assert_int_equal(x.items[i].count, y.items[i].count);
    }
    free(x.items);
    free(y.items);
}

static void assert_same_delays(const struct la_delays *a, const struct la_delays *b) {
    for (unsigned cause = 0; cause < LA_LATE_CAUSE_COUNT; cause++) {
        struct la_histogram x = {0}, y = {0};
        la_delays_gather(a, cause, cause, &x);
        la_delays_gather(b, cause, cause, &y);
        assert_memory_equal(&x, &y, sizeof x);
    }
}

struct walked {
    struct {
        int64_t from_ns, values[LA_STRAND_COUNT];
    } points[LA_SERIES_BINS];
    size_t count;
};

static void note_point(void *context, const struct la_series_point *point) {
    struct walked *walked = context;
    assert_true(walked->count < LA_SERIES_BINS);
    walked->points[walked->count].from_ns = point->from_ns;
    memcpy(walked->points[walked->count++].values, point->values, sizeof walked->points[0].values);
}

/* Which form their counts take depends on the order in which they came. */
static void assert_same_counts(const struct la_series *a, const struct la_series *b) {
    static struct walked x, y;
    if (!a->grid && !b->grid) {
        assert_same_sums(&a->sums, &b->sums);
        return;
    }
    x.count = y.count = 0;
    assert_int_equal(la_series_walk(a, note_point, &x), LA_OK);
    assert_int_equal(la_series_walk(b, note_point, &y), LA_OK);
    assert_int_equal(x.count, y.count);
    assert_memory_equal(x.points, y.points, x.count * sizeof x.points[0]);
}

static void assert_same_series(const struct la_series *a, const struct la_series *b) {
    assert_int_equal(a->used, b->used);
    assert_int_equal(a->first_s, b->first_s);
    assert_int_equal(a->last_s, b->last_s);
    assert_int_equal(a->shift, b->shift);
    assert_int_equal(a->raised, b->raised);
    assert_same_counts(a, b);
}

static void assert_same_edges(const struct la_edge *a, const struct la_edge *b) {
    assert_memory_equal(&a->account.addr, &b->account.addr, sizeof a->account.addr);
    assert_memory_equal(a->outcomes, b->outcomes, sizeof a->outcomes);
    assert_memory_equal(a->closers, b->closers, sizeof a->closers);
    assert_memory_equal(a->time_waits, b->time_waits, sizeof a->time_waits);
    assert_int_equal(a->timestamps, b->timestamps);
    assert_int_equal(a->reused, b->reused);
    assert_int_equal(a->first.frame, b->first.frame);
    assert_int_equal(a->last_ns, b->last_ns);
    assert_same_series(&a->series, &b->series);
    assert_same_sums(&a->ports, &b->ports);
    assert_int_equal(a->syn_share, b->syn_share);
    assert_same_sums(&a->syns, &b->syns);
}

static void assert_same_services(const struct la_service *a, const struct la_service *b) {
    assert_int_equal(a == NULL, b == NULL);
    if (!a)
        return;
    assert_int_equal(la_addr_cmp(&a->account.addr, &b->account.addr), 0);
    assert_int_equal(a->account.port, b->account.port);
    assert_memory_equal(a->outcomes, b->outcomes, sizeof a->outcomes);
    assert_memory_equal(a->closers, b->closers, sizeof a->closers);
    assert_memory_equal(a->time_waits, b->time_waits, sizeof a->time_waits);
    assert_int_equal(a->late, b->late);
    assert_int_equal(a->first_ns, b->first_ns);
    assert_int_equal(a->last_ns, b->last_ns);
    assert_int_equal(la_service_seekers(a), la_service_seekers(b));
    assert_same_delays(&a->delays, &b->delays);
    assert_same_series(&a->series, &b->series);
}

static void assert_same(const struct la_accounts *a, const struct la_accounts *b) {
    struct la_overview *x = la_overview_new(a), *y = la_overview_new(b);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(x->service_count, y->service_count);
    assert_int_equal(x->edge_count, y->edge_count);
    assert_int_equal(x->host_count, y->host_count);
    assert_int_equal(x->service_total, y->service_total);
    assert_int_equal(x->connections_left_out, y->connections_left_out);
    assert_int_equal(x->clients_left_out, y->clients_left_out);
    for (size_t i = 0; i < x->service_count; i++) {
        assert_same_services(x->services[i].answers, y->services[i].answers);
        assert_same_services(x->services[i].silent, y->services[i].silent);
        assert_int_equal(la_service_clients(x, x->services[i].answers),
                         la_service_clients(y, y->services[i].answers));
    }
    for (size_t i = 0; i < x->edge_count; i++) {
        assert_int_equal(x->edges[i].seeks, y->edges[i].seeks);
        assert_same_edges(x->edges[i].edge, y->edges[i].edge);
    }
    la_overview_free(x);
    la_overview_free(y);
}

static struct la_accounts *merged(struct la_accounts *a, struct la_accounts *b) {
    struct la_accounts *sum = la_accounts_new();
    assert_non_null(sum);
    assert_int_equal(la_accounts_merge(sum, a), LA_OK);
    assert_int_equal(la_accounts_merge(sum, b), LA_OK);
    la_accounts_free(a);
    la_accounts_free(b);
    return sum;
}

/* Few of everything; more clients than are kept; more services than are kept; so many services that
 * fewer clients of each are kept. */
static const struct shape shapes[] = {
    {20, 3, 2, 5000}, {30000, 1, 2, 25000}, {30, 600, 11, 10000}, {8000, 20, 5, 60000}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* One of three parts of the same connections, or all of them. */
enum { PARTS = 3, WHOLE = PARTS };
static struct la_accounts *part_of(size_t s, unsigned part) {
    uint64_t random = 99 + s;
    struct la_accounts *accounts = la_accounts_new();
    for (unsigned i = 0; i < shapes[s].connections; i++) {
        unsigned dealt = pick(&random, PARTS);
        add_connection(part == WHOLE || dealt == part ? accounts : NULL, &random, &shapes[s]);
    }
    return accounts;
}

static void the_laws_of_merge_hold(void **unused) {
    (void)unused;
    for (size_t s = 0; s < SHAPES; s++) {
        struct la_accounts *ab = merged(part_of(s, 0), part_of(s, 1));
        struct la_accounts *ba = merged(part_of(s, 1), part_of(s, 0));
        struct la_accounts *bc = merged(part_of(s, 1), part_of(s, 2));
        struct la_accounts *a = part_of(s, 0), *same = merged(part_of(s, 0), la_accounts_new());
        assert_same(ab, ba);
        assert_same(same, a);
        struct la_accounts *left = merged(ab, part_of(s, 2)), *right = merged(a, bc);
        struct la_accounts *back = merged(part_of(s, 2), ba), *whole = part_of(s, WHOLE);
        assert_same(left, right);
        assert_same(left, back);
        assert_same(left, whole);
        struct la_accounts *all[] = {same, left, right, back, whole};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            la_accounts_free(all[i]);
    }
}

static void what_is_left_out_is_counted(void **unused) {
    (void)unused;
    for (size_t s = 0; s < SHAPES; s++) {
        uint64_t random = 5 + s, kept = 0, at_services = 0;
        struct la_accounts *accounts = la_accounts_new();
        for (int i = 0; i < (int)shapes[s].connections; i++)
            add_connection(accounts, &random, &shapes[s]);
        struct la_overview *overview = la_overview_new(accounts);
        for (size_t i = 0; i < overview->service_count; i++)
            at_services += overview->services[i].connections;
        for (size_t i = 0; i < overview->edge_count; i++)
            kept += la_edge_connections(overview->edges[i].edge);
        assert_int_equal(at_services + overview->connections_left_out, shapes[s].connections);
        assert_int_equal(kept + overview->clients_left_out, at_services);
        assert_int_equal(overview->clients_left_out > 0, s == 1 || s == 3);
        assert_int_equal(overview->connections_left_out > 0, s == 2);
        la_overview_free(overview);
        la_accounts_free(accounts);
    }
}

/* 30000 clients, of which a quarter is kept. */
static void the_number_of_clients_is_estimated_well(void **unused) {
    (void)unused;
    uint64_t random = 17;
    const struct shape shape = {30000, 1, 1, 0};
    struct la_accounts *accounts = la_accounts_new();
    for (int i = 0; i < 150000; i++)
        add_connection(accounts, &random, &shape);
    struct la_overview *overview = la_overview_new(accounts);
    assert_int_equal(overview->service_count, 1);
    assert_in_range(la_service_clients(overview, overview->services[0].answers), 28500, 30000);
    la_overview_free(overview);
    la_accounts_free(accounts);
}

/* A host is both: its own services' sockets, and those that it opened. */
static void the_sockets_of_a_host_are_all_of_its_sockets(void **unused) {
    (void)unused;
    const struct shape shape = {1, 1, 1, 0};
    uint64_t random = 3;
    struct la_accounts *accounts = la_accounts_new();
    for (int i = 0; i < 300; i++)
        add_connection(accounts, &random, &shape);
    struct la_overview *overview = la_overview_new(accounts);
    assert_int_equal(overview->host_count, 2);
    int64_t time_waits = 0;
    for (size_t i = 0; i < 2; i++) {
        struct la_series sockets;
        struct la_level levels[LA_STRAND_LEVELS];
        assert_int_equal(la_host_sockets(&overview->hosts[i], &sockets), LA_OK);
        assert_int_equal(la_series_levels(&sockets, levels), LA_OK);
        assert_true(levels[LA_ST_ESTAB].peak > 2 && levels[LA_ST_TIME_WAIT].peak > 2);
        assert_int_equal(levels[LA_ST_CLOSE_WAIT].final, 0);
        time_waits += levels[LA_ST_TIME_WAIT].final;
        la_series_release(NULL, &sockets);
    }
    assert_in_range(time_waits, 1, 60); /* the last minute of a quarter of an hour */
    assert_ptr_equal(la_overview_host(overview, overview->hosts[1].addr), &overview->hosts[1]);
    struct la_addr stranger = host(77);
    assert_null(la_overview_host(overview, &stranger));
    la_overview_free(overview);
    la_accounts_free(accounts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_add_up_in_any_order),
        cmocka_unit_test(delays_are_those_of_a_histogram),
        cmocka_unit_test(a_level_is_exact_however_wide_the_bins),
        cmocka_unit_test(the_laws_of_merge_hold),
        cmocka_unit_test(what_is_left_out_is_counted),
        cmocka_unit_test(the_number_of_clients_is_estimated_well),
        cmocka_unit_test(the_sockets_of_a_host_are_all_of_its_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
