/* The merge property (docs/architecture.md): a capture cut between pairs of hosts gives, merged,
 * the report of the whole, byte by byte. On real results, of random traffic through tracker and
 * diagnoses. */
#include "test_analysis_traffic.h"

#include <stdio.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "diagnose/diagnose.h"
#include "report/report.h"

#define ALL_KINDS ((UINT64_C(1) << LA_KIND_COUNT) - 1)
enum { CASES = 200, PARTS = 3, REPORT_MAX = 1 << 20 };

static void take_finding(void *context, const struct la_finding *finding) {
    assert_int_equal(la_result_add_finding(context, finding), LA_OK);
}

static void take_connection(void *context, struct la_connection *connection) {
    /* What was told of it at once is enough for these. */
    uint64_t asked = la_kinds_to_examine(ALL_KINDS, la_traits_of(connection));
    assert_int_equal(la_result_add_connection(context, connection), LA_OK);
    la_diagnose_connection(connection, ALL_KINDS, take_finding, context);
    /* Without what a kind needs it has nothing to say. */
    assert_int_equal(connection->findings & ~asked, 0);
}

/* To which part a pair of hosts goes: the same in both directions. */
static unsigned part_of(const struct la_segment *s, uint64_t cut, unsigned parts) {
    uint32_t a = (uint32_t)s->src.bytes[14] << 8 | s->src.bytes[15];
    uint32_t b = (uint32_t)s->dst.bytes[14] << 8 | s->dst.bytes[15];
    uint64_t pair = cut ^ (a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a);
    pair = (pair + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)((pair ^ pair >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 40) % parts;
}

/* Part `part` of `parts`, or with parts 1 the whole. */
static struct la_result *analyse(const struct traffic *all, uint64_t cut, unsigned parts,
                                 unsigned part, bool histories) {
    struct la_pages *pages = la_pages_new();
    struct la_result *result = la_result_new();
    struct la_tracker_options options = {
        .pages = pages, .histories = histories, .on_settled = take_connection, .context = result};
    struct la_tracker *tracker = la_tracker_new(&options);
    const struct la_segment **mine = calloc(all->count + 1, sizeof(struct la_segment *));
    size_t count = 0;
    assert_true(pages && result && tracker && mine);
    for (size_t i = 0; i < all->count; i++)
        if (part_of(&all->segments[i], cut, parts) == part)
            mine[count++] = &all->segments[i];
    assert_int_equal(la_tracker_segments(tracker, mine, count), LA_OK);
    int64_t end_ns = all->segments[all->count - 1].time_ns + 5 * LA_SEC;
    assert_int_equal(la_tracker_finish(tracker, end_ns), LA_OK);
    la_tracker_free(tracker);
    la_pages_free(pages);
    free((void *)mine);
    return result;
}

static struct la_result *merged(struct la_result *a, struct la_result *b) {
    struct la_result *sum = la_result_new();
    assert_non_null(sum);
    assert_int_equal(la_result_merge(sum, a), LA_OK);
    assert_int_equal(la_result_merge(sum, b), LA_OK);
    la_result_free(a);
    la_result_free(b);
    return sum;
}

/* The report's bytes, through its own output. */
static void write_report(const struct la_result *result, char *text) {
    static const struct la_input input = {.path = "a.pcap", .format = "pcap", .time_digits = 9};
    static const struct la_input *const inputs[] = {&input};
    static const struct la_decode_counts counts = {.tcp = 1000};
    struct la_overview *overview = la_overview_new(result->accounts);
    struct la_report report = {.result = result,
                               .overview = overview,
                               .inputs = inputs,
                               .input_count = 1,
                               .counts = &counts,
                               .diagnoses = ALL_KINDS};
    char path[] = "/tmp/lastack-test-XXXXXX";
    int fd = mkstemp(path);
    struct la_output *output;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(la_output_open(path, &output, NULL), LA_OK);
    assert_non_null(overview);
    assert_int_equal(la_report_write(&report, output, NULL), LA_OK);
    la_overview_free(overview);
    assert_int_equal(la_output_commit(output, NULL), LA_OK);
    la_output_free(output);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, REPORT_MAX - 1, file);
    assert_in_range(size, 1, REPORT_MAX - 2);
    text[size] = '\0';
    fclose(file);
    unlink(path);
}

static void assert_same_kind(const struct la_kind_result *a, const struct la_kind_result *b) {
    assert_int_equal(a->observed, b->observed);
    assert_int_equal(a->inferred, b->inferred);
    assert_memory_equal(a->by_severity, b->by_severity, sizeof a->by_severity);
    assert_int_equal(a->instance_count, b->instance_count);
    for (size_t i = 0; i < a->instance_count; i++) {
        const struct la_finding *x = a->instances[i], *y = b->instances[i];
        assert_int_equal(la_finding_compare(x, y), 0);
        assert_string_equal(x->summary, y->summary);
        assert_string_equal(x->responsible.why, y->responsible.why);
        assert_int_equal(x->confidence, y->confidence);
        assert_int_equal(x->evidence_count, y->evidence_count);
        for (size_t e = 0; e < x->evidence_count; e++)
            assert_true(x->evidence[e].where.frame == y->evidence[e].where.frame);
    }
}

static void assert_same_result(const struct la_result *a, const struct la_result *b) {
    static char x[REPORT_MAX], y[REPORT_MAX];
    assert_memory_equal(a, b, offsetof(struct la_result, kinds));
    for (int kind = 0; kind < LA_KIND_COUNT; kind++)
        assert_same_kind(&a->kinds[kind], &b->kinds[kind]);
    write_report(a, x);
    write_report(b, y);
    assert_string_equal(x, y);
}

static uint64_t findings_of(const struct la_result *result, uint64_t *by_kind) {
    uint64_t total = 0;
    for (int kind = 0; kind < LA_KIND_COUNT; kind++) {
        by_kind[kind] += la_result_count(result, (enum la_kind)kind);
        total += la_result_count(result, (enum la_kind)kind);
    }
    return total;
}

static struct traffic traffic_of(uint64_t number) {
    return make_traffic(number, 3 + (unsigned)(number % 6), 4 + (unsigned)(number * 7 % 30));
}

/* The cases are only worth something when they hold every kind of trouble. */
static void the_report_of_the_merged_parts_is_that_of_the_whole(void **unused) {
    (void)unused;
    uint64_t by_kind[LA_KIND_COUNT] = {0}, segments = 0, connections = 0;
    for (uint64_t number = 1; number <= CASES; number++) {
        struct traffic all = traffic_of(number);
        struct la_result *whole = analyse(&all, 0, 1, 0, false);
        struct la_result *a = analyse(&all, number, 2, 0, false);
        struct la_result *sum = merged(a, analyse(&all, number, 2, 1, false));
        assert_same_result(sum, whole);
        findings_of(whole, by_kind);
        segments += all.count;
        connections += whole->connections;
        la_result_free(whole);
        la_result_free(sum);
        free_traffic(&all);
    }
    assert_true(segments > 20000 && connections > 2000);
    for (int kind = 0; kind < LA_KIND_COUNT; kind++)
        if (la_diagnosis_of((enum la_kind)kind)->examine && by_kind[kind] < 20)
            fail_msg("only %d of %s", (int)by_kind[kind], la_kind_name((enum la_kind)kind));
}

static struct la_result *piece_of(const struct traffic *all, uint64_t number, unsigned part) {
    return analyse(all, number + 1000, PARTS, part, false);
}

static void merge_of_real_results_is_associative_and_commutative(void **unused) {
    (void)unused;
    for (uint64_t number = 1; number <= 30; number++) {
        struct traffic all = traffic_of(number);
        struct la_result *ab = merged(piece_of(&all, number, 0), piece_of(&all, number, 1));
        struct la_result *ba = merged(piece_of(&all, number, 1), piece_of(&all, number, 0));
        struct la_result *bc = merged(piece_of(&all, number, 1), piece_of(&all, number, 2));
        assert_same_result(ab, ba);
        struct la_result *left = merged(ab, piece_of(&all, number, 2));
        struct la_result *right = merged(piece_of(&all, number, 0), bc);
        struct la_result *back = merged(piece_of(&all, number, 2), ba);
        struct la_result *whole = analyse(&all, 0, 1, 0, false);
        assert_same_result(left, right);
        assert_same_result(left, back);
        assert_same_result(left, whole);
        struct la_result *results[] = {left, right, back, whole};
        for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
            la_result_free(results[i]);
        free_traffic(&all);
    }
}

/* Without anybody who asks for histories, ordinary connections are settled without. */
static void what_is_found_does_not_depend_on_histories(void **unused) {
    (void)unused;
    for (uint64_t number = 1; number <= CASES; number++) {
        struct traffic all = traffic_of(number);
        struct la_result *without = analyse(&all, 0, 1, 0, false);
        struct la_result *with = analyse(&all, 0, 1, 0, true);
        assert_same_result(without, with);
        la_result_free(without);
        la_result_free(with);
        free_traffic(&all);
    }
}

/* tcp_tw_recycle: a client's SYN is older than the stamp that its server closed with, and waits in
 * vain, while a newer one is answered. */
static void suspicion(struct traffic *all, unsigned client, unsigned server, int64_t at) {
    struct talk t = {.traffic = all,
                     .host = {client, server},
                     .port = {41000, 80},
                     .next = {1000, 5000},
                     .clock = {90000000, 7},
                     .at = at,
                     .away = {10 * LA_MSEC, LA_USEC},
                     .stamps = true};
    say(&t, LA_CLIENT, LA_SYN, 0);
    wait_ns(&t, t.away[LA_SERVER]);
    say(&t, LA_SERVER, LA_SYN | LA_ACK, 0);
    wait_ns(&t, t.away[LA_CLIENT]);
    say(&t, LA_CLIENT, LA_ACK, 0);
    wait_ns(&t, LA_SEC);
    say(&t, LA_SERVER, LA_FIN | LA_ACK, 0);
    wait_ns(&t, t.away[LA_CLIENT]);
    say(&t, LA_CLIENT, LA_FIN | LA_ACK, 0);
    wait_ns(&t, t.away[LA_SERVER]);
    say(&t, LA_SERVER, LA_ACK, 0);
    struct talk old = t, newer = t;
    old.at = newer.at = at + 20 * LA_SEC;
    old.port[LA_CLIENT] = 41001;
    old.clock[LA_CLIENT] -= 50000;
    for (int i = 0; i < 3; i++, old.at += LA_SEC)
        emit(&old, LA_CLIENT, LA_SYN, 2000, 0, 0);
    newer.port[LA_CLIENT] = 41002;
    newer.at += LA_SEC / 2;
    newer.next[LA_CLIENT] = 3000;
    newer.next[LA_SERVER] = 7000;
    say(&newer, LA_CLIENT, LA_SYN, 0);
    wait_ns(&newer, newer.away[LA_SERVER]);
    say(&newer, LA_SERVER, LA_SYN | LA_ACK, 0);
    wait_ns(&newer, newer.away[LA_CLIENT]);
    say(&newer, LA_CLIENT, LA_ACK, 0);
}

/* However many wait at the same time. */
static void suspicions_of_many_hosts_do_not_crowd_each_other_out(void **unused) {
    (void)unused;
    enum { CLIENTS = 300 };
    struct traffic all = {.random = 1};
    for (unsigned client = 1; client <= CLIENTS; client++)
        suspicion(&all, client + 10, 1, client * LA_MSEC);
    sort_traffic(&all);
    struct la_result *whole = analyse(&all, 0, 1, 0, false);
    struct la_result *sum = la_result_new();
    for (unsigned part = 0; part < 20; part++) {
        struct la_result *piece = analyse(&all, 5, 20, part, false);
        assert_int_equal(la_result_merge(sum, piece), LA_OK);
        la_result_free(piece);
    }
    assert_int_equal(la_result_count(sum, LA_KIND_TIMESTAMP_REJECTED_SYN), CLIENTS);
    assert_same_result(sum, whole);
    la_result_free(whole);
    la_result_free(sum);
    free_traffic(&all);
}

static const char *const captures[] = {
    "testdata/lab/capture-whole/middle.pcap.xz",
    "testdata/lab/capture-doubled/client.pcap.xz",
    "testdata/lab/tw-recycle/server.pcap.xz",
};
enum { CAPTURES = sizeof captures / sizeof captures[0] };

static struct la_analysis *open_analysis(unsigned threads, const volatile sig_atomic_t *stop) {
    struct la_analysis_options options = {
        .capture = {.stop = stop}, .diagnoses = ALL_KINDS, .threads = threads, .stop = stop};
    struct la_analysis *analysis;
    struct la_error err;
    assert_int_equal(la_analysis_new(&options, &analysis, &err), LA_OK);
    for (int i = 0; i < CAPTURES; i++)
        if (la_analysis_add(analysis, captures[i], &err) != LA_OK)
            fail_msg("%s (tests run in the top directory)", err.text);
    return analysis;
}

static void the_number_of_threads_leaves_no_trace(void **unused) {
    (void)unused;
    struct la_analysis *one = open_analysis(1, NULL);
    assert_int_equal(la_analysis_run(one, NULL), LA_OK);
    assert_true(la_analysis_result(one)->connections > 0);
    assert_false(la_analysis_interrupted(one));
    for (unsigned threads = 2; threads <= 20; threads += 6) {
        struct la_analysis *many = open_analysis(threads, NULL);
        assert_int_equal(la_analysis_run(many, NULL), LA_OK);
        assert_same_result(la_analysis_result(many), la_analysis_result(one));
        la_analysis_free(many);
    }
    la_analysis_free(one);
}

static void an_analysis_that_is_stopped_says_so(void **unused) {
    (void)unused;
    static const volatile sig_atomic_t stop = 1;
    struct la_analysis *analysis = open_analysis(2, &stop);
    assert_int_equal(la_analysis_run(analysis, NULL), LA_OK);
    assert_true(la_analysis_interrupted(analysis));
    assert_int_equal(la_analysis_result(analysis)->connections, 0);
    la_analysis_free(analysis);
}

static void an_analysis_may_be_given_up_before_it_runs(void **unused) {
    (void)unused;
    struct la_analysis *analysis = open_analysis(3, NULL);
    assert_int_equal(la_analysis_result(analysis)->connections, 0);
    la_analysis_free(analysis);
    la_analysis_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_of_the_merged_parts_is_that_of_the_whole),
        cmocka_unit_test(merge_of_real_results_is_associative_and_commutative),
        cmocka_unit_test(what_is_found_does_not_depend_on_histories),
        cmocka_unit_test(suspicions_of_many_hosts_do_not_crowd_each_other_out),
        cmocka_unit_test(the_number_of_threads_leaves_no_trace),
        cmocka_unit_test(an_analysis_that_is_stopped_says_so),
        cmocka_unit_test(an_analysis_may_be_given_up_before_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
