/* The laws of merge, on random connections and findings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "decode/segment.h"
#include "result/result.h"
#include "track/open_story.h"

enum { HOSTS = 300, EVENTS = 2000 };

/* xorshift64*: the same numbers in every run */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static unsigned pick(uint64_t *state, unsigned below) {
    return (unsigned)(next_random(state) % below);
}

static struct la_addr random_host(uint64_t *state) {
    unsigned number = pick(state, HOSTS);
    uint8_t v4[4] = {10, 0, (uint8_t)(number >> 8), (uint8_t)number};
    return la_addr_from_v4(v4);
}

static struct la_finding random_finding(uint64_t *state) {
    struct la_finding finding;
    memset(&finding, 0, sizeof finding);
    finding.kind = pick(state, LA_KIND_COUNT);
    finding.severity = pick(state, LA_SEVERITY_COUNT);
    finding.confidence = pick(state, 2) ? LA_OBSERVED : LA_INFERRED;
    finding.time_ns = pick(state, 1000000);
    finding.delay_ns = pick(state, 5);
    finding.host = random_host(state);
    finding.peer = random_host(state);
    finding.summary = "a summary";
    finding.responsible.why = "a reason";
    finding.connection.present = true;
    finding.connection.client = finding.host;
    finding.connection.server = finding.peer;
    finding.connection.client_port = (uint16_t)pick(state, 65536);
    finding.connection.first_ns = finding.time_ns;
    finding.evidence_dropped = pick(state, 3);
    return finding;
}

static void add_random_connection(struct la_result *result, uint64_t *state) {
    struct la_reset reset = {.form = (uint8_t)pick(state, 2),
                             .cause = (uint8_t)pick(state, LA_RESET_CAUSE_COUNT)};
    struct la_observation log[] = {
        {.class = LA_CLASS_SYN},
        {.class = LA_CLASS_SYN_ACK},
        {.class = LA_CLASS_HANDSHAKE_ACK},
    };
    const struct la_profile *linux_like = la_profile_default();
    struct la_connection connection = {
        .side = {{.addr = random_host(state),
                  .port = (uint16_t)pick(state, 65536),
                  .syn = 1 + pick(state, 2),
                  .packets = 1},
                 {.addr = random_host(state), .port = (uint16_t)(80 + pick(state, 3))}},
        .profile = {linux_like, linux_like},
        .first = {.frame = 1 + pick(state, 1000)},
        .capture_end_ns = 300 * LA_SEC,
        .opening = pick(state, LA_OPENING_COUNT),
        .ending = pick(state, LA_ENDING_COUNT),
        .first_closer = pick(state, LA_CLOSER_COUNT),
        .vantage.kind = pick(state, LA_VANTAGE_COUNT),
        .gaps = pick(state, 3),
        .duplicates = pick(state, 3),
        .log_dropped = pick(state, 3),
        .evicted = pick(state, 2),
        .milestones = {pick(state, 100000000),
                       200000000,
                       {INT64_MAX, INT64_MAX},
                       {INT64_MAX, INT64_MAX}},
        .log = log,
        .log_count = 3,
        .resets = &reset,
        .reset_count = pick(state, 2)};
    assert_int_equal(la_result_add_connection(result, &connection), LA_OK);
}

static struct la_result *new_result(void) {
    struct la_result *result = la_result_new();
    assert_non_null(result);
    return result;
}

static void add_random_event(struct la_result *result, uint64_t *state) {
    if (pick(state, 2)) {
        add_random_connection(result, state);
        return;
    }
    struct la_finding finding = random_finding(state);
    assert_int_equal(la_result_add_finding(result, &finding), LA_OK);
}

/* One of three parts of the same events, or all of them. */
enum { PARTS = 3, WHOLE = PARTS };
static struct la_result *part_of(unsigned part) {
    uint64_t state = 42;
    struct la_result *result = new_result(), *others = new_result();
    for (int i = 0; i < EVENTS; i++) {
        unsigned dealt = pick(&state, PARTS);
        add_random_event(part == WHOLE || dealt == part ? result : others, &state);
    }
    la_result_free(others);
    return result;
}

static void assert_same_hosts(const struct la_host_counts *a, const struct la_host_counts *b) {
    static struct la_host_count x[HOSTS], y[HOSTS];
    size_t x_count, y_count, x_total, y_total;
    assert_int_equal(la_host_counts_top(a, HOSTS, x, &x_count, &x_total), LA_OK);
    assert_int_equal(la_host_counts_top(b, HOSTS, y, &y_count, &y_total), LA_OK);
    assert_int_equal(x_total, y_total);
    assert_int_equal(x_count, y_count);
    for (size_t i = 0; i < x_count; i++) {
        assert_int_equal(la_addr_cmp(&x[i].addr, &y[i].addr), 0);
        assert_int_equal(x[i].count, y[i].count);
    }
}

static void assert_same_kind(const struct la_kind_result *a, const struct la_kind_result *b) {
    assert_int_equal(a->observed, b->observed);
    assert_int_equal(a->inferred, b->inferred);
    assert_memory_equal(a->by_severity, b->by_severity, sizeof a->by_severity);
    assert_same_hosts(&a->hosts, &b->hosts);
    assert_int_equal(a->instance_count, b->instance_count);
    for (size_t i = 0; i < a->instance_count; i++)
        assert_int_equal(la_finding_compare(a->instances[i], b->instances[i]), 0);
}

static void assert_same(const struct la_result *a, const struct la_result *b) {
    assert_memory_equal(a, b, offsetof(struct la_result, kinds));
    for (size_t kind = 0; kind < LA_KIND_COUNT; kind++)
        assert_same_kind(&a->kinds[kind], &b->kinds[kind]);
}

static struct la_result *merged(struct la_result *a, struct la_result *b) {
    struct la_result *sum = new_result();
    assert_int_equal(la_result_merge(sum, a), LA_OK);
    assert_int_equal(la_result_merge(sum, b), LA_OK);
    la_result_free(a);
    la_result_free(b);
    return sum;
}

static void check_same(struct la_result *a, struct la_result *b) {
    assert_same(a, b);
    la_result_free(a);
    la_result_free(b);
}

static void parts_merge_to_the_whole(void **unused) {
    (void)unused;
    check_same(merged(merged(part_of(0), part_of(1)), part_of(2)), part_of(WHOLE));
}

static void merge_is_associative(void **unused) {
    (void)unused;
    check_same(merged(merged(part_of(0), part_of(1)), part_of(2)),
               merged(part_of(0), merged(part_of(1), part_of(2))));
}

static void merge_is_commutative(void **unused) {
    (void)unused;
    check_same(merged(part_of(0), part_of(1)), merged(part_of(1), part_of(0)));
}

static void nothing_is_the_identity(void **unused) {
    (void)unused;
    check_same(merged(part_of(0), new_result()), part_of(0));
    check_same(merged(new_result(), part_of(0)), part_of(0));
}

static void the_kept_instances_are_the_worst(void **unused) {
    (void)unused;
    uint64_t state = 3;
    struct la_result *result = new_result();
    struct la_finding worst = random_finding(&state);
    for (int i = 0; i < 1000; i++) {
        struct la_finding finding = random_finding(&state);
        finding.kind = LA_KIND_LOST_FINAL_ACK;
        finding.delay_ns = i; /* worse and worse */
        finding.severity = LA_WARNING;
        assert_int_equal(la_result_add_finding(result, &finding), LA_OK);
        worst = finding;
    }
    const struct la_kind_result *of = &result->kinds[LA_KIND_LOST_FINAL_ACK];
    assert_int_equal(of->instance_count, LA_RESULT_INSTANCES);
    assert_int_equal(la_finding_compare(of->instances[0], &worst), 0);
    for (size_t i = 1; i < of->instance_count; i++)
        assert_true(la_finding_compare(of->instances[i - 1], of->instances[i]) < 0);
    assert_int_equal(la_result_count(result, LA_KIND_LOST_FINAL_ACK), 1000);
    assert_int_equal(la_result_worst(result, LA_KIND_LOST_FINAL_ACK), LA_WARNING);
    la_result_free(result);
}

static void a_kept_instance_does_not_point_into_its_original(void **unused) {
    (void)unused;
    struct la_result *result = new_result();
    struct la_finding finding;
    memset(&finding, 0, sizeof finding);
    strcpy(finding.text, "first");
    finding.text_used = sizeof "first";
    finding.summary = finding.text;
    finding.responsible.why = "static";
    assert_int_equal(la_result_add_finding(result, &finding), LA_OK);
    strcpy(finding.text, "other");
    assert_string_equal(result->kinds[0].instances[0]->summary, "first");
    la_result_free(result);
}

static void hosts_are_counted_exactly(void **unused) {
    (void)unused;
    uint64_t state = 9, exact[HOSTS] = {0};
    static struct la_host_count top[HOSTS];
    struct la_host_counts hosts = {0};
    size_t count, total;
    for (int i = 0; i < 50000; i++) {
        struct la_addr host = random_host(&state);
        exact[host.bytes[14] << 8 | host.bytes[15]]++;
        assert_int_equal(la_host_counts_add(&hosts, &host, 1), LA_OK);
    }
    assert_int_equal(la_host_counts_top(&hosts, HOSTS, top, &count, &total), LA_OK);
    assert_int_equal(total, HOSTS);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(top[i].count, exact[top[i].addr.bytes[14] << 8 | top[i].addr.bytes[15]]);
        assert_true(
            i == 0 || top[i - 1].count > top[i].count ||
            (top[i - 1].count == top[i].count && la_addr_cmp(&top[i - 1].addr, &top[i].addr) < 0));
    }
    free(hosts.items);
}

static void the_top_hosts_are_bounded(void **unused) {
    (void)unused;
    uint64_t state = 5;
    struct la_host_count top[3];
    struct la_host_counts hosts = {0};
    size_t count, total;
    assert_int_equal(la_host_counts_top(&hosts, 3, top, &count, &total), LA_OK);
    assert_int_equal(count, 0);
    for (int i = 0; i < 100; i++) {
        struct la_addr host = random_host(&state);
        assert_int_equal(la_host_counts_add(&hosts, &host, 1), LA_OK);
    }
    assert_int_equal(la_host_counts_top(&hosts, 3, top, &count, &total), LA_OK);
    assert_int_equal(count, 3);
    assert_true(total > 3);
    free(hosts.items);
}

/* SYN at 0 and 1 s, a SYN-ACK to each; the client answers after the second. */
static void the_connect_delay_ends_with_the_syn_ack_that_was_answered(void **unused) {
    (void)unused;
    struct la_observation log[] = {
        {.class = LA_CLASS_SYN, .flags = LA_SYN, .seq = 100},
        {.class = LA_CLASS_SYN_ACK, .time_ns = 1000, .from = LA_SERVER},
        {.class = LA_CLASS_SYN_AGAIN, .flags = LA_SYN, .seq = 100, .time_ns = 1000000000},
        {.class = LA_CLASS_SYN_ACK_AGAIN, .time_ns = 1000001000, .from = LA_SERVER},
        {.class = LA_CLASS_HANDSHAKE_ACK, .flags = LA_ACK, .ack = 1, .time_ns = 1000002000},
        {.class = LA_CLASS_SYN_ACK_AGAIN, .time_ns = 1100000000, .from = LA_SERVER},
    };
    const struct la_profile *profile = la_profile_default();
    struct la_connection connection = {
        .opening = LA_OPENING_HANDSHAKE, .log = log, .log_count = 6, .profile = {profile, profile}};
    struct la_result *result = new_result();
    connection.connect_delay_ns = la_connect_delay_ns(&connection);
    assert_int_equal(la_result_add_connection(result, &connection), LA_OK);
    assert_int_equal(result->connect_delay.count, 1);
    assert_int_equal(result->connect_delay.max_ns, 1000001000);
    connection.opened_ns = LA_TIME_NONE;
    connection.connect_delay_ns = la_connect_delay_ns(&connection);
    assert_int_equal(la_result_add_connection(result, &connection), LA_OK);
    assert_int_equal(result->connect_delay.count, 1);
    la_result_free(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_merge_to_the_whole),
        cmocka_unit_test(merge_is_associative),
        cmocka_unit_test(merge_is_commutative),
        cmocka_unit_test(nothing_is_the_identity),
        cmocka_unit_test(the_kept_instances_are_the_worst),
        cmocka_unit_test(a_kept_instance_does_not_point_into_its_original),
        cmocka_unit_test(hosts_are_counted_exactly),
        cmocka_unit_test(the_top_hosts_are_bounded),
        cmocka_unit_test(the_connect_delay_ends_with_the_syn_ack_that_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
