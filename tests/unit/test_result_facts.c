/* What findings tell of which host, and that it survives a merge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "result/result.h"

static struct la_addr addr_of(const char *text) {
    struct la_addr addr;
    assert_true(la_addr_parse(text, &addr));
    return addr;
}

/* Of a connection from .1 to .2, whose trouble is at .2; the detail is left out when it is NULL. */
static struct la_finding finding_of(enum la_kind kind, const char *detail, const char *word) {
    struct la_finding f = {.kind = kind, .severity = LA_NOTICE, .confidence = LA_OBSERVED};
    f.summary = "";
    f.responsible.why = "";
    f.connection.present = true;
    f.connection.client = f.peer = addr_of("10.0.0.1");
    f.connection.server = f.host = addr_of("10.0.0.2");
    if (detail) {
        f.details[0] =
            (struct la_detail){.name = detail, .type = LA_DETAIL_WORD, .value.word = word};
        f.detail_count = 1;
    }
    return f;
}

static uint64_t count(const struct la_result *result, enum la_fact fact, const char *host) {
    struct la_addr addr = addr_of(host);
    return la_host_counts_of(&result->facts[fact], &addr);
}

static uint64_t total(const struct la_result *result) {
    uint64_t sum = 0;
    for (unsigned fact = 0; fact < LA_FACT_COUNT; fact++)
        sum += la_host_counts_of(&result->facts[fact], NULL);
    return sum;
}

static void a_finding_tells_of_the_right_host(void **unused) {
    (void)unused;
    static const struct {
        enum la_kind kind;
        const char *detail, *word;
        enum la_fact fact;
        const char *host;
    } cases[] = {
        {LA_KIND_LOST_FINAL_ACK, "outcome", "re-acked", LA_FACT_FIN_REPEATED, "10.0.0.2"},
        {LA_KIND_LOST_FINAL_ACK, "outcome", "reset", LA_FACT_TIME_WAIT_CUT_SHORT, "10.0.0.1"},
        {LA_KIND_TIMESTAMP_REJECTED_SYN, "mechanism", "per-host", LA_FACT_REFUSED_BY_RECYCLE,
         "10.0.0.2"},
        {LA_KIND_TIME_WAIT_REUSE, "side", "client", LA_FACT_OWN_TIME_WAIT_REUSED, "10.0.0.1"},
        {LA_KIND_CLOSE_WAIT_LEAK, NULL, NULL, LA_FACT_CLOSE_WAIT_LEAKED, "10.0.0.2"},
        {LA_KIND_SYN_RETRANSMITTED, "cause", "syn-lost", LA_FACT_SYN_REPEATED, "10.0.0.1"},
        {LA_KIND_ACCEPT_QUEUE_OVERFLOW, NULL, NULL, LA_FACT_ACCEPT_QUEUE_FULL, "10.0.0.2"},
        {LA_KIND_FIN_WAIT_2_TIMEOUT, "cause", "discarded", LA_FACT_FIN_WAIT_2_DISCARDED,
         "10.0.0.2"},
        {LA_KIND_LAST_ACK_TIMEOUT, NULL, NULL, LA_FACT_CLOSE_GIVEN_UP, "10.0.0.2"},
        {LA_KIND_RETRANSMISSION_TIMEOUT, "side", "client", LA_FACT_DIED_UNACKNOWLEDGED, "10.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct la_result *result = la_result_new();
        struct la_finding f = finding_of(cases[i].kind, cases[i].detail, cases[i].word);
        assert_int_equal(la_result_add_finding(result, &f), LA_OK);
        assert_int_equal(count(result, cases[i].fact, cases[i].host), 1);
        assert_int_equal(total(result), 1);
        la_result_free(result);
    }
}

static void what_says_nothing_tells_nothing(void **unused) {
    (void)unused;
    struct la_result *result = la_result_new();
    struct la_finding f = finding_of(LA_KIND_LOST_FINAL_ACK, "outcome", "port-recycled");
    assert_int_equal(la_result_add_finding(result, &f), LA_OK);
    f = finding_of(LA_KIND_CLOSE_WAIT_LEAK, NULL, NULL);
    f.severity = LA_INFO; /* some seconds at the end of the capture */
    assert_int_equal(la_result_add_finding(result, &f), LA_OK);
    f = finding_of(LA_KIND_TIME_WAIT_REUSE, "side", "client");
    f.connection.present = false;
    assert_int_equal(la_result_add_finding(result, &f), LA_OK);
    f = finding_of(LA_KIND_KEEPALIVE, "origin", NULL);
    f.details[0].type = LA_DETAIL_NULL;
    assert_int_equal(la_result_add_finding(result, &f), LA_OK);
    f = finding_of(LA_KIND_HALF_OPEN, "idle_timeout", NULL);
    f.details[0].type = LA_DETAIL_NULL;
    assert_int_equal(la_result_add_finding(result, &f), LA_OK);
    assert_int_equal(total(result), 0);
    la_result_free(result);
}

static void facts_are_merged(void **unused) {
    (void)unused;
    struct la_result *one = la_result_new(), *other = la_result_new();
    struct la_finding f = finding_of(LA_KIND_RECYCLED_PORT_RST, "held_state", "TIME-WAIT");
    assert_int_equal(la_result_add_finding(one, &f), LA_OK);
    assert_int_equal(la_result_add_finding(other, &f), LA_OK);
    assert_int_equal(la_result_merge(one, other), LA_OK);
    assert_int_equal(count(one, LA_FACT_PORT_COLLIDED, "10.0.0.1"), 2);
    assert_int_equal(count(one, LA_FACT_PORT_COLLIDED, "10.0.0.2"), 2);
    assert_int_equal(count(one, LA_FACT_REFUSED_BY_TIME_WAIT, "10.0.0.2"), 2);
    assert_int_equal(total(one), 6);
    la_result_free(one);
    la_result_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_tells_of_the_right_host),
        cmocka_unit_test(what_says_nothing_tells_nothing),
        cmocka_unit_test(facts_are_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
