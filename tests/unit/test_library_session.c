/* The public library: the same report from files and from fed packets, events, refusals, and a
 * session that is left in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lastack/lastack.h"

#include "capture/capture.h"

#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char lab_capture[] = "testdata/lab/loss-final-ack/middle.pcap.xz";

/* Lines that a session told, and what is counted of them. */
struct events {
    size_t connections, findings;
    char *text; /* all of them, a newline after each */
    size_t used;
};

static void take_line(struct events *events, const char *json, size_t length) {
    assert_int_equal(strlen(json), length);
    assert_null(strchr(json, '\n'));
    events->text = realloc(events->text, events->used + length + 2);
    assert_non_null(events->text);
    memcpy(events->text + events->used, json, length);
    memcpy(events->text + events->used + length, "\n", 2);
    events->used += length + 1;
}

static void on_connection(void *context, const char *json, size_t length) {
    struct events *events = context;
    events->connections++;
    take_line(events, json, length);
}

static void on_finding(void *context, const char *json, size_t length) {
    struct events *events = context;
    events->findings++;
    take_line(events, json, length);
}

static struct la_session *new_session(const struct la_session_options *options) {
    char error[LA_SESSION_ERROR];
    struct la_session *session = la_session_new(options, error, sizeof error);
    if (!session)
        fail_msg("%s", error);
    assert_string_equal(error, "");
    assert_string_equal(la_session_error(session), "");
    return session;
}

static void expect_ok(struct la_session *session, enum la_session_status status) {
    if (status != LA_SESSION_OK)
        fail_msg("status %d: %s", (int)status, la_session_error(session));
}

/* The report is the caller's; the session is gone. */
static char *finish(struct la_session *session) {
    char *report;
    expect_ok(session, la_session_finish(session, &report));
    assert_non_null(report);
    la_session_free(session);
    return report;
}

static char *report_of_file(const struct la_session_options *options, const char *path) {
    struct la_session *session = new_session(options);
    expect_ok(session, la_session_add_file(session, path));
    expect_ok(session, la_session_run(session));
    return finish(session);
}

static void feed_file(struct la_session *session, const char *path) {
    static const struct la_capture_options all;
    struct la_capture *capture;
    struct la_packet packets[64];
    size_t count;
    assert_int_equal(la_capture_new(&all, &capture, NULL), LA_OK);
    assert_int_equal(la_capture_add(capture, path, NULL), LA_OK);
    while (la_capture_next_batch(capture, packets, 64, &count, NULL) == LA_OK) {
        for (size_t i = 0; i < count; i++) {
            uint8_t *copy = malloc(packets[i].caplen + 1u); /* so that a late look is caught */
            assert_non_null(copy);
            memcpy(copy, packets[i].data, packets[i].caplen);
            const struct la_session_packet packet = {.time_ns = packets[i].time_ns,
                                                     .data = copy,
                                                     .caplen = packets[i].caplen,
                                                     .len = packets[i].len,
                                                     .interface = packets[i].interface,
                                                     .linktype = packets[i].linktype};
            expect_ok(session, la_session_feed(session, &packet));
            free(copy);
        }
    }
    la_capture_free(capture);
}

static char *report_of_fed(const struct la_session_options *options, const char *path) {
    struct la_session *session = new_session(options);
    feed_file(session, path);
    return finish(session);
}

/* In place; `with` is not longer than `what`. */
static void replace_all(char *text, const char *what, const char *with) {
    for (char *at = text; (at = strstr(at, what)) != NULL; at += strlen(with)) {
        memmove(at + strlen(with), at + strlen(what), strlen(at + strlen(what)) + 1);
        memcpy(at, with, strlen(with));
    }
}

static const char *after_inputs(const char *report) {
    const char *rest = strstr(report, "\n  \"capture\": {");
    assert_non_null(rest);
    return rest;
}

static void expect_same(const struct la_session_options *options, const char *path) {
    char *read = report_of_file(options, path), *fed = report_of_fed(options, path);
    replace_all(read, path, "(fed)");
    assert_string_equal(after_inputs(read), after_inputs(fed));
    free(read);
    free(fed);
}

static void test_version(void **state) {
    (void)state;
    assert_string_equal(la_version(), LA_VERSION);
}

static void test_feeding_is_reading(void **state) {
    (void)state;
    glob_t found;
    assert_int_equal(glob("testdata/lab/*/client.pcap*", 0, NULL, &found), 0);
    const struct la_session_options options = {.threads = 1};
    for (size_t i = 0; i < found.gl_pathc; i++)
        expect_same(&options, found.gl_pathv[i]);
    globfree(&found);
}

static void test_options_count(void **state) {
    (void)state;
    static const char *const os[] = {"freebsd", "10.227.203.2=windows", NULL};
    const struct la_session_options options = {
        .filter = "tcp port 8080", .os = os, .time_wait_ns = 1000000000, .threads = 3};
    expect_same(&options, lab_capture);
    const struct la_session_options none = {.filter = "udp port 9"};
    char *report = report_of_fed(&none, lab_capture);
    assert_non_null(strstr(report, "\"total\": 0"));
    assert_null(strstr(report, "\"kind\""));
    free(report);
}

static json_int_t connections_in(const char *report) {
    json_t *root = json_loads(report, 0, NULL);
    assert_non_null(root);
    json_int_t total =
        json_integer_value(json_object_get(json_object_get(root, "connections"), "total"));
    json_decref(root);
    return total;
}

static json_int_t findings_in(const char *report) {
    json_t *root = json_loads(report, 0, NULL), *kind;
    size_t i;
    json_int_t total = 0;
    json_array_foreach(json_object_get(root, "findings"), i, kind) total +=
        json_integer_value(json_object_get(kind, "count"));
    json_decref(root);
    return total;
}

static void expect_objects(const struct events *events) {
    const char *at = events->text;
    for (size_t i = 0; i < events->connections + events->findings; i++) {
        const char *end = strchr(at, '\n');
        json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);
        assert_true(json_is_object(line));
        json_decref(line);
        at = end + 1;
    }
    assert_string_equal(at, "");
}

static void test_events(void **state) {
    (void)state;
    struct events read = {0}, fed = {0};
    struct la_session_options options = {
        .on_connection = on_connection, .on_finding = on_finding, .threads = 1, .context = &read};
    char *report = report_of_file(&options, lab_capture);
    assert_int_equal(read.connections, connections_in(report));
    assert_int_equal(read.findings, findings_in(report));
    assert_true(read.connections > 0 && read.findings > 0);
    expect_objects(&read);
    options.context = &fed;
    free(report_of_fed(&options, lab_capture));
    replace_all(read.text, lab_capture, "(fed)");
    assert_string_equal(read.text, fed.text);
    free(report);
    free(read.text);
    free(fed.text);
}

/* A SYN from a host and port of its own, on raw IP. */
enum { SYN_SIZE = 40, LINKTYPE_RAW = 101 };

static struct la_session_packet syn(uint8_t bytes[SYN_SIZE], unsigned number, int64_t time_ns) {
    static const uint8_t head[SYN_SIZE] = {
        0x45, 0, 0, SYN_SIZE, 0, 0, 0, 0, 64, 6, 0, 0, 0,    0, 0, 0, 0, 0, 0, 0,
        0x9c, 0, 0, 80,       0, 0, 0, 1, 0,  0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0};
    memcpy(bytes, head, SYN_SIZE);
    const uint8_t addresses[8] = {10, 1, (uint8_t)(number >> 8), (uint8_t)number, 10, 2, 0, 1};
    memcpy(bytes + 12, addresses, sizeof addresses);
    return (struct la_session_packet){.time_ns = time_ns,
                                      .data = bytes,
                                      .caplen = SYN_SIZE,
                                      .len = SYN_SIZE,
                                      .linktype = LINKTYPE_RAW};
}

static void feed_syns(struct la_session *session, unsigned count) {
    uint8_t bytes[SYN_SIZE];
    for (unsigned i = 0; i < count; i++) {
        const struct la_session_packet packet = syn(bytes, i, INT64_C(1000000) * i);
        expect_ok(session, la_session_feed(session, &packet));
    }
}

static void test_many_batches(void **state) {
    (void)state;
    char *reports[2];
    for (unsigned i = 0; i < 2; i++) {
        struct events events = {0};
        const struct la_session_options options = {
            .on_connection = on_connection, .threads = 1 + 3 * i, .context = &events};
        struct la_session *session = new_session(&options);
        feed_syns(session, 10000);
        reports[i] = finish(session);
        assert_int_equal(events.connections, 10000);
        expect_objects(&events);
        free(events.text);
    }
    assert_string_equal(reports[0], reports[1]);
    free(reports[0]);
    free(reports[1]);
}

static void test_nanoseconds_are_kept(void **state) {
    (void)state;
    uint8_t bytes[SYN_SIZE];
    struct la_session *session = new_session(NULL);
    const struct la_session_packet packet = syn(bytes, 1, INT64_C(1000000001));
    expect_ok(session, la_session_feed(session, &packet));
    char *report = finish(session);
    assert_non_null(strstr(report, "\"1970-01-01T00:00:01.000000001Z\""));
    free(report);
}

static void test_odd_packets(void **state) {
    (void)state;
    uint8_t bytes[SYN_SIZE];
    struct la_session *session = new_session(NULL);
    struct la_session_packet packet = {.linktype = LINKTYPE_RAW};
    expect_ok(session, la_session_feed(session, &packet)); /* nothing of it was captured */
    packet = syn(bytes, 1, -5);
    packet.len = 3; /* less than there is */
    expect_ok(session, la_session_feed(session, &packet));
    packet.linktype = 65535;
    expect_ok(session, la_session_feed(session, &packet));
    char *report = finish(session);
    assert_non_null(strstr(report, "\"link-type\": 1"));
    assert_int_equal(connections_in(report), 1);
    free(report);
}

static void test_nothing_fed(void **state) {
    (void)state;
    char *report = finish(new_session(NULL));
    assert_int_equal(connections_in(report), 0);
    assert_non_null(strstr(report, "\"inputs\": []"));
    free(report);
}

static void expect_no_session(const struct la_session_options *options, const char *word) {
    char error[LA_SESSION_ERROR];
    assert_null(la_session_new(options, error, sizeof error));
    assert_non_null(strstr(error, word));
    char little[4] = "xxx";
    assert_null(la_session_new(options, little, 2));
    assert_int_equal(strlen(little), 1);
    assert_null(la_session_new(options, NULL, 0));
}

static void test_impossible_options(void **state) {
    (void)state;
    static const char *const os[] = {"linux", "plan9", NULL};
    expect_no_session(&(struct la_session_options){.filter = "port the"}, "port the");
    expect_no_session(&(struct la_session_options){.os = os}, "plan9");
    expect_no_session(&(struct la_session_options){.time_wait_ns = -1}, "time-wait");
}

static void expect_refused(struct la_session *session, enum la_session_status status) {
    assert_int_equal(status, LA_SESSION_USAGE);
    assert_true(strlen(la_session_error(session)) > 0);
}

static void test_files_and_packets_do_not_mix(void **state) {
    (void)state;
    uint8_t bytes[SYN_SIZE];
    const struct la_session_packet packet = syn(bytes, 1, 0);
    struct la_session *session = new_session(NULL);
    expect_ok(session, la_session_add_file(session, lab_capture));
    expect_refused(session, la_session_feed(session, &packet));
    expect_refused(session, la_session_finish(session, NULL)); /* not read yet */
    expect_refused(session, la_session_add_file(session, lab_capture));
    expect_ok(session, la_session_run(session));
    expect_refused(session, la_session_run(session));
    expect_refused(session, la_session_add_file(session, lab_capture));
    expect_refused(session, la_session_feed(session, &packet));
    free(finish(session));
    session = new_session(NULL);
    expect_refused(session, la_session_run(session));
    expect_ok(session, la_session_feed(session, &packet));
    expect_refused(session, la_session_add_file(session, lab_capture));
    expect_refused(session, la_session_run(session));
    expect_ok(session, la_session_finish(session, NULL));
    char *report = (char *)bytes;
    expect_refused(session, la_session_finish(session, &report));
    assert_null(report);
    expect_refused(session, la_session_feed(session, &packet));
    la_session_free(session);
}

static void test_impossible_packets(void **state) {
    (void)state;
    uint8_t bytes[SYN_SIZE];
    struct la_session *session = new_session(NULL);
    struct la_session_packet packet = syn(bytes, 1, INT64_MIN);
    expect_refused(session, la_session_feed(session, &packet));
    packet.time_ns = INT64_MAX;
    expect_refused(session, la_session_feed(session, &packet));
    packet = (struct la_session_packet){.caplen = 1, .linktype = LINKTYPE_RAW};
    expect_refused(session, la_session_feed(session, &packet));
    expect_refused(session, la_session_feed(session, NULL));
    la_session_free(session);
}

static void test_broken_inputs(void **state) {
    (void)state;
    struct la_session *session = new_session(NULL);
    assert_int_equal(la_session_add_file(session, "testdata/none.pcap"), LA_SESSION_INPUT);
    assert_non_null(strstr(la_session_error(session), "testdata/none.pcap"));
    expect_ok(session, la_session_add_file(session, lab_capture));
    assert_int_equal(la_session_run(session), LA_SESSION_INPUT);
    assert_non_null(strstr(la_session_error(session), "testdata/none.pcap"));
    char *report = finish(session), *whole = report_of_file(NULL, lab_capture);
    assert_string_equal(after_inputs(report), after_inputs(whole));
    free(report);
    free(whole);
}

static void test_null(void **state) {
    (void)state;
    char *report = NULL;
    la_session_free(NULL);
    assert_string_equal(la_session_error(NULL), "");
    assert_int_equal(la_session_add_file(NULL, lab_capture), LA_SESSION_USAGE);
    assert_int_equal(la_session_run(NULL), LA_SESSION_USAGE);
    assert_int_equal(la_session_feed(NULL, NULL), LA_SESSION_USAGE);
    assert_int_equal(la_session_finish(NULL, &report), LA_SESSION_USAGE);
    struct la_session *session = new_session(NULL);
    expect_refused(session, la_session_add_file(session, NULL));
    la_session_free(session);
}

/* With threads that still work on what was fed. */
static void test_freed_early(void **state) {
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct events events = {0};
        const struct la_session_options options = {
            .on_connection = on_connection, .threads = threads, .context = &events};
        la_session_free(new_session(&options));
        struct la_session *session = new_session(&options);
        expect_ok(session, la_session_add_file(session, lab_capture));
        la_session_free(session);
        session = new_session(&options);
        feed_syns(session, 7000);
        la_session_free(session);
        session = new_session(&options);
        feed_syns(session, 3);
        la_session_free(session);
        free(events.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_feeding_is_reading),
        cmocka_unit_test(test_options_count),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_many_batches),
        cmocka_unit_test(test_nanoseconds_are_kept),
        cmocka_unit_test(test_odd_packets),
        cmocka_unit_test(test_nothing_fed),
        cmocka_unit_test(test_impossible_options),
        cmocka_unit_test(test_files_and_packets_do_not_mix),
        cmocka_unit_test(test_impossible_packets),
        cmocka_unit_test(test_broken_inputs),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_freed_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
