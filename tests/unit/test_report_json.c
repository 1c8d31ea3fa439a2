/* What is written, from hand-made values: a finding, a connection, a whole report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/connection_json.h"
#include "report/finding_json.h"
#include "report/lines.h"
#include "report/report.h"

static const struct la_input files[] = {
    {.path = "a.pcap", .format = "pcap", .time_digits = 6, .packets = 10, .filtered = 2},
    {.path = "b.pcapng", .format = "pcapng", .time_digits = 6, .dropped_known = true},
};
static const struct la_input *const inputs[] = {&files[0], &files[1]};

static struct la_emit new_emit(void) {
    return (struct la_emit){.inputs = inputs, .input_count = 2, .digits = 6};
}

static struct la_addr addr(const char *text) {
    struct la_addr out;
    assert_true(la_addr_parse(text, &out));
    return out;
}

static void assert_json(json_t *taken, const char *expected) {
    char *text = json_dumps(taken, JSON_ENCODE_ANY | JSON_COMPACT | LA_EMIT_FLAGS);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(taken);
}

static json_t *take(json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    assert_non_null(value);
    return json_incref(value);
}

static struct la_connection_ref new_ref(void) {
    return (struct la_connection_ref){.present = true,
                                      .client = addr("10.0.0.7"),
                                      .server = addr("10.0.0.2"),
                                      .client_port = 40112,
                                      .server_port = 8080,
                                      .initiator_known = true,
                                      .incarnation = 1,
                                      .opened_ns = INT64_C(1763647385118000000),
                                      .first_ns = INT64_C(1763647385118000000)};
}

static struct la_finding new_finding(void) {
    struct la_finding finding;
    memset(&finding, 0, sizeof finding);
    finding.kind = LA_KIND_LOST_FINAL_ACK;
    finding.confidence = LA_OBSERVED;
    finding.time_ns = INT64_C(1763647387000221000);
    finding.delay_ns = -1;
    finding.summary = "the final ACK was lost";
    finding.host = addr("10.0.0.2");
    finding.peer = addr("10.0.0.7");
    finding.responsible.role = LA_ROLE_NETWORK;
    finding.responsible.why = "it did not arrive";
    finding.connection = new_ref();
    finding.evidence[0] = (struct la_evidence){{finding.time_ns, 1058, 0}, "FIN again"};
    finding.evidence[1] = (struct la_evidence){{finding.time_ns, 1041, 0}, "final ACK"};
    finding.evidence[2] = (struct la_evidence){{finding.time_ns, 7, 1}, "final ACK"};
    finding.evidence[3] = finding.evidence[1];
    finding.evidence_count = 4;
    finding.details[0] = (struct la_detail){"outcome", LA_DETAIL_WORD, {.word = "re-acked"}};
    finding.details[1] = (struct la_detail){"repeats", LA_DETAIL_INTEGER, {.integer = 1}};
    finding.details[2] =
        (struct la_detail){"restarted_time_wait", LA_DETAIL_BOOL, {.boolean = true}};
    finding.detail_count = 3;
    return finding;
}

static void a_finding_names_its_connection(void **unused) {
    (void)unused;
    struct la_emit emit = new_emit();
    struct la_finding finding = new_finding();
    json_t *object = la_emit_finding(&emit, &finding);
    assert_false(emit.failed);
    assert_json(take(object, "connection"),
                "{\"id\":\"10.0.0.7:40112-10.0.0.2:8080-1763647385.118000\","
                "\"client\":{\"address\":\"10.0.0.7\",\"port\":40112},"
                "\"server\":{\"address\":\"10.0.0.2\",\"port\":8080},\"initiator_known\":true,"
                "\"incarnation\":1,\"opened\":\"2025-11-20T14:03:05.118000Z\","
                "\"community_id\":\"1:pIpj4ZUIASiJijkUOknZC+Tz90U=\"}");
    assert_json(take(object, "previous"), "null");
    json_decref(object);
}

/* Of the first file that has evidence, ascending, each frame once. */
static void the_display_filter_is_of_one_file(void **unused) {
    (void)unused;
    struct la_emit emit = new_emit();
    struct la_finding finding = new_finding();
    json_t *object = la_emit_finding(&emit, &finding);
    assert_json(take(object, "display_filter"), "\"frame.number in {1041, 1058}\"");
    json_decref(object);
    finding.evidence_count = 0;
    object = la_emit_finding(&emit, &finding);
    assert_json(take(object, "display_filter"), "null");
    json_decref(object);
}

static void the_details_of_a_kind_come_last(void **unused) {
    (void)unused;
    struct la_emit emit = new_emit();
    struct la_finding finding = new_finding();
    finding.details[2].type = LA_DETAIL_NULL;
    json_t *object = la_emit_finding(&emit, &finding);
    assert_json(take(object, "outcome"), "\"re-acked\"");
    assert_json(take(object, "repeats"), "1");
    assert_json(take(object, "restarted_time_wait"), "null");
    assert_json(take(object, "delay"), "null");
    assert_json(take(object, "responsible"),
                "{\"host\":null,\"role\":\"network\",\"why\":\"it did not arrive\"}");
    json_decref(object);
    finding.details[2].type = LA_DETAIL_SECONDS;
    finding.details[2].value.integer = 210000000;
    finding.delay_ns = 1020000000;
    object = la_emit_finding(&emit, &finding);
    assert_json(take(object, "restarted_time_wait"), "0.21");
    assert_json(take(object, "delay"), "1.02");
    json_decref(object);
}

static void ids_of_ipv6_and_of_nanoseconds(void **unused) {
    (void)unused;
    struct la_emit emit = new_emit();
    struct la_connection_ref ref = new_ref();
    ref.client = addr("2001:db8::1");
    ref.opened_ns = LA_TIME_NONE;
    ref.first_ns = 1000000001;
    json_t *object = la_emit_connection_ref(&emit, &ref);
    assert_json(take(object, "id"), "\"[2001:db8::1]:40112-10.0.0.2:8080-1.000000001\"");
    assert_json(take(object, "opened"), "null");
    json_decref(object);
    ref.first_ns = -1000;
    object = la_emit_connection_ref(&emit, &ref);
    assert_json(take(object, "id"), "\"[2001:db8::1]:40112-10.0.0.2:8080--1.999999\"");
    json_decref(object);
}

static struct la_connection new_connection(void) {
    static const struct la_change changes[] = {
        {.time_ns = 1000000000, .frame = 1, .state = LA_ST_SYN_SENT, .certain = true},
        {.time_ns = 2000000000, .state = LA_ST_CLOSED},
    };
    static const struct la_reset resets[] = {{.where = {1000000000, 3, 1},
                                              .drew = {1000000000, 2, 0},
                                              .by = LA_SERVER,
                                              .form = LA_RESET_BARE,
                                              .cause = LA_RESET_REFUSED}};
    struct la_connection c = {.initiator_known = true,
                              .incarnation = 2,
                              .opened_ns = 1000000000,
                              .first = {1000000000, 1, 0},
                              .last = {2000000000, 9, 0},
                              .zeek_conn_state = "REJ",
                              .zeek_history = "Sr",
                              .resets = resets,
                              .reset_count = 1,
                              .vlans = {5, 7},
                              .tunnels = LA_TUNNEL_VLAN | LA_TUNNEL_NSH,
                              .inputs = {0, 1},
                              .input_count = 2,
                              .findings = 1u << LA_KIND_RECYCLED_PORT_RST};
    c.side[LA_CLIENT] = (struct la_endpoint){.addr = addr("10.0.0.7"),
                                             .port = 40112,
                                             .changes = changes,
                                             .change_count = 2,
                                             .rtt_min_ns = -1,
                                             .rtt_median_ns = 40000,
                                             .seen = true,
                                             .syn = 1,
                                             .ttl = 64,
                                             .window_scale = 7,
                                             .timestamps_used = true,
                                             .timestamp_hz = 999.99999};
    c.side[LA_SERVER] =
        (struct la_endpoint){.addr = addr("10.0.0.2"), .port = 8080, .window_scale = -1};
    return c;
}

/* A line, read back. */
static json_t *read_connection(const struct la_connection *connection) {
    const struct la_emit emit = new_emit();
    struct la_writer *w = la_writer_new(emit.inputs, emit.input_count, LA_EMIT_DIGITS_MIN);
    size_t length;
    json_error_t error;
    assert_non_null(w);
    la_write_connection(w, connection);
    const char *line = la_writer_text(w, &length);
    assert_non_null(line);
    assert_int_equal(strlen(line), length);
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    la_writer_free(w);
    assert_non_null(object);
    return object;
}

static void a_connection_tells_what_it_does_not_know(void **unused) {
    (void)unused;
    struct la_connection connection = new_connection();
    json_t *object = read_connection(&connection);
    json_t *client = json_object_get(object, "client"), *server = json_object_get(object, "server");
    assert_json(take(client, "rtt"), "{\"min\":null,\"median\":4e-5}");
    assert_json(take(client, "timestamps"), "{\"used\":true,\"hz\":1000.0}");
    assert_json(take(client, "sack"), "false");
    assert_json(take(client, "ttl"), "64");
    assert_json(take(server, "timestamps"), "{\"used\":null,\"hz\":null}");
    assert_json(take(server, "sack"), "null");
    assert_json(take(server, "ttl"), "null");
    assert_json(take(server, "mss"), "null");
    assert_json(take(server, "window_scale"), "null");
    json_decref(object);
}

static void a_connection_tells_where_things_happened(void **unused) {
    (void)unused;
    struct la_connection connection = new_connection();
    json_t *object = read_connection(&connection);
    assert_json(
        take(json_object_get(object, "client"), "states"),
        "[{\"time\":\"1970-01-01T00:00:01.000000Z\",\"state\":\"SYN-SENT\",\"certain\":true,"
        "\"file\":\"a.pcap\",\"frame\":1},{\"time\":\"1970-01-01T00:00:02.000000Z\","
        "\"state\":\"CLOSED\",\"certain\":false,\"file\":null,\"frame\":null}]");
    assert_json(take(object, "resets"),
                "[{\"time\":\"1970-01-01T00:00:01.000000Z\",\"file\":\"b.pcapng\",\"frame\":3,"
                "\"by\":\"server\",\"form\":\"bare\",\"cause\":\"refused\",\"drew\":"
                "{\"file\":\"a.pcap\",\"frame\":2,\"time\":\"1970-01-01T00:00:01.000000Z\"}}]");
    assert_json(take(object, "vlans"), "[5,7]");
    assert_json(take(object, "tunnels"), "[\"vlan\",\"nsh\"]");
    assert_json(take(object, "files"), "[\"a.pcap\",\"b.pcapng\"]");
    assert_json(take(object, "findings"), "[\"recycled-port-rst\"]");
    json_decref(object);
}

/* Runs `write` on a new file and gives back what it holds. */
static char *text_of(enum la_status (*write)(struct la_output *output, const void *what),
                     const void *what) {
    char path[] = "/tmp/lastack-test-XXXXXX";
    int fd = mkstemp(path);
    struct la_output *output;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(la_output_open(path, &output, NULL), LA_OK);
    assert_int_equal(write(output, what), LA_OK);
    assert_int_equal(la_output_commit(output, NULL), LA_OK);
    la_output_free(output);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_true(fread(text, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    unlink(path);
    return text;
}

static enum la_status write_report(struct la_output *output, const void *what) {
    return la_report_write(what, output, NULL);
}

static json_t *load_report(struct la_report *report) {
    struct la_overview *overview = la_overview_new(report->result->accounts);
    assert_non_null(overview);
    report->overview = overview;
    char *text = text_of(write_report, report);
    la_overview_free(overview);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    free(text);
    return object;
}

static json_t *deep(json_t *object, const char *a, const char *b) {
    return json_object_get(json_object_get(object, a), b);
}

static void the_report_adds_up(void **unused) {
    (void)unused;
    struct la_result *result = la_result_new();
    struct la_decode_counts counts = {.tcp = 5, .other = 2, .undecoded = {[3] = 1}};
    struct la_connection connection = new_connection();
    struct la_report report = {
        .result = result, .inputs = inputs, .input_count = 2, .counts = &counts, .diagnoses = 1};
    connection.vantage.kind = LA_VANTAGE_MIDDLE;
    connection.profile[0] = connection.profile[1] = la_profile_default();
    assert_int_equal(la_result_add_connection(result, &connection), LA_OK);
    json_t *object = load_report(&report);
    assert_json(json_incref(deep(object, "capture", "packets")),
                "{\"total\":8,\"tcp\":5,\"other\":2,\"undecoded\":{\"truncated-tcp\":1},"
                "\"filtered\":2}");
    assert_json(json_incref(json_object_get(deep(object, "capture", "vantage"), "verdict")),
                "\"middle\"");
    assert_json(json_incref(deep(object, "resets", "total")), "1");
    json_t *left_out = deep(object, "limits", "not_diagnosed");
    assert_int_equal(json_array_size(left_out), LA_KIND_COUNT - 1); /* kind 0 was asked for */
    for (size_t i = 0; i < json_array_size(left_out); i++)
        assert_string_equal(json_string_value(json_array_get(left_out, i)),
                            la_kind_name((enum la_kind)(i + 1)));
    assert_json(take(object, "findings"), "[]");
    json_decref(object);
    la_result_free(result);
}

static void the_worst_kind_stands_first(void **unused) {
    (void)unused;
    struct la_result *result = la_result_new();
    struct la_decode_counts counts = {0};
    struct la_report report = {.result = result, .counts = &counts, .diagnoses = 31};
    struct la_finding finding = new_finding();
    finding.evidence_count = 0;
    for (int i = 0; i < 60; i++)
        assert_int_equal(la_result_add_finding(result, &finding), LA_OK);
    finding.kind = LA_KIND_TIMESTAMP_REJECTED_SYN;
    finding.severity = LA_WARNING;
    finding.detail_count = 0;
    assert_int_equal(la_result_add_finding(result, &finding), LA_OK);
    json_t *object = load_report(&report), *findings = json_object_get(object, "findings");
    assert_int_equal(json_array_size(findings), 2);
    json_t *first = json_array_get(findings, 0), *second = json_array_get(findings, 1);
    assert_json(take(first, "kind"), "\"timestamp-rejected-syn\"");
    assert_json(take(second, "count"), "60");
    assert_int_equal(json_array_size(json_object_get(second, "instances")), LA_RESULT_INSTANCES);
    assert_json(take(second, "hosts"), "[{\"address\":\"10.0.0.2\",\"count\":60}]");
    assert_true(json_array_size(deep(second, "advice", "causes")) > 0);
    assert_json(json_incref(json_object_get(deep(object, "limits", "instances"), "left_out")),
                "10");
    json_decref(object);
    la_result_free(result);
}

static enum la_status write_lines(struct la_output *output, const void *what) {
    const struct la_lines_how how = {.output = output, .threads = 1};
    return la_lines_write(*(struct la_lines *const *)what, &how, NULL);
}

static void lines_come_in_the_order_of_the_last_packet(void **unused) {
    (void)unused;
    static const int order[] = {4, 0, 3, 1, 2};
    struct la_lines *lines = la_lines_of_connections(inputs, 2);
    assert_non_null(lines);
    for (int i = 0; i < 5; i++) {
        struct la_connection connection = new_connection();
        connection.side[LA_CLIENT].port = (uint16_t)order[i];
        connection.last.time_ns += order[i] / 2; /* pairs end together: the first frame decides */
        connection.first.frame = (uint64_t)order[i];
        la_lines_add_connection(lines, (unsigned)i % 2, &connection);
    }
    char *text = text_of(write_lines, &lines), *line = text;
    for (int i = 0; i < 5; i++, line = strchr(line, '\n') + 1) {
        char expected[32];
        snprintf(expected, sizeof expected, "{\"id\":\"10.0.0.7:%d-", i);
        assert_int_equal(strncmp(line, expected, strlen(expected)), 0);
    }
    assert_int_equal(*line, '\0');
    assert_non_null(strstr(text, "\"first\":\"1970-01-01T00:00:01.000000Z\""));
    free(text);
    la_lines_free(lines);
}

static enum la_status write_lines_together(struct la_output *output, const void *what) {
    const struct la_lines_how how = {.output = output, .threads = 4};
    return la_lines_write(*(struct la_lines *const *)what, &how, NULL);
}

/* Several blocks for each thread, and a line that is longer than one. */
static char *lines_by(enum la_status (*write)(struct la_output *, const void *)) {
    enum { LINES = 5000, MANY = 20000 };
    struct la_change *changes = calloc(MANY, sizeof *changes);
    struct la_lines *lines = la_lines_of_connections(inputs, 2);
    assert_non_null(lines);
    assert_non_null(changes);
    for (int i = 0; i < LINES; i++) {
        struct la_connection connection = new_connection();
        connection.side[LA_CLIENT].port = (uint16_t)i;
        connection.last.time_ns += i * 7919 % LINES;
        connection.side[LA_SERVER].changes = changes;
        connection.side[LA_SERVER].change_count = i == LINES / 2 ? MANY : 2;
        la_lines_add_connection(lines, (unsigned)i % 3, &connection);
    }
    char *text = text_of(write, &lines);
    la_lines_free(lines);
    free(changes);
    return text;
}

static void lines_do_not_depend_on_the_number_of_threads(void **unused) {
    (void)unused;
    char *alone = lines_by(write_lines), *together = lines_by(write_lines_together);
    assert_true(strlen(alone) > 5000 * 500);
    assert_true(strcmp(alone, together) == 0);
    free(alone);
    free(together);
}

static bool is_of(const void *context, const struct la_addr *client, int64_t first_ns) {
    (void)context;
    return client->bytes[15] == 7 && first_ns == 7;
}

static enum la_status write_lines_without(struct la_output *output, const void *what) {
    const struct la_lines_how how = {.output = output, .threads = 3, .took_back = is_of};
    return la_lines_write(*(struct la_lines *const *)what, &how, NULL);
}

/* What was found of an attempt of a client that turned out to scan; nothing else. */
static void what_was_taken_back_is_left_out(void **unused) {
    (void)unused;
    static const char *const clients[] = {"10.0.0.7", "10.0.0.8", "10.0.0.7"};
    static const char *const expected[] = {"[\"half-open\"]", "[\"syn-refused\",\"half-open\"]",
                                           "[\"syn-refused\",\"half-open\"]"};
    struct la_lines *lines = la_lines_of_connections(inputs, 2);
    assert_non_null(lines);
    for (int i = 0; i < 3; i++) {
        struct la_connection connection = new_connection();
        connection.side[LA_CLIENT].addr = addr(clients[i]);
        connection.first.time_ns = i < 2 ? 7 : 8;
        connection.last.time_ns = i;
        connection.attempt_findings = UINT64_C(1) << LA_KIND_SYN_REFUSED;
        connection.findings = connection.attempt_findings | UINT64_C(1) << LA_KIND_HALF_OPEN;
        la_lines_add_connection(lines, 0, &connection);
    }
    char *text = text_of(write_lines_without, &lines), *line = text;
    for (int i = 0; i < 3; i++, line = strchr(line, '\n') + 1) {
        json_t *object = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(object);
        assert_json(take(object, "findings"), expected[i]);
        json_decref(object);
    }
    free(text);
    la_lines_free(lines);
}

static void findings_that_tie_leave_in_one_order(void **unused) {
    (void)unused;
    char *texts[2];
    for (int round = 0; round < 2; round++) {
        struct la_lines *lines = la_lines_of_findings(inputs, 2, NULL);
        for (int i = 0; i < 20; i++) {
            struct la_finding finding = new_finding();
            finding.connection.client_port = (uint16_t)(round ? 19 - i : i);
            la_lines_add_finding(lines, &finding);
        }
        texts[round] = text_of(write_lines, &lines);
        la_lines_free(lines);
    }
    assert_string_equal(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_names_its_connection),
        cmocka_unit_test(the_display_filter_is_of_one_file),
        cmocka_unit_test(the_details_of_a_kind_come_last),
        cmocka_unit_test(ids_of_ipv6_and_of_nanoseconds),
        cmocka_unit_test(a_connection_tells_what_it_does_not_know),
        cmocka_unit_test(a_connection_tells_where_things_happened),
        cmocka_unit_test(the_report_adds_up),
        cmocka_unit_test(the_worst_kind_stands_first),
        cmocka_unit_test(lines_come_in_the_order_of_the_last_packet),
        cmocka_unit_test(lines_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(what_was_taken_back_is_left_out),
        cmocka_unit_test(findings_that_tie_leave_in_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
