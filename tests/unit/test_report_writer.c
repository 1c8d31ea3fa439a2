/* Lines written straight into memory say the same as trees of jansson's, and what waits as notes
 * the same as what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/connection_json.h"
#include "report/connection_notes.h"
#include "report/emit.h"
#include "report/writer.h"

static const struct la_input first = {.path = "a.pcap"}, second = {.path = "b\"\xff.pcap"};
static const struct la_input *const inputs[] = {&first, &second};

static struct la_writer *new_writer(void) {
    struct la_writer *w = la_writer_new(inputs, 2, LA_EMIT_DIGITS_MIN);
    assert_non_null(w);
    return w;
}

static const char *text_of(struct la_writer *w) {
    size_t length;
    const char *text = la_writer_text(w, &length);
    assert_non_null(text);
    assert_int_equal(strlen(text), length);
    return text;
}

static void assert_written(struct la_writer *w, const char *expected) {
    assert_string_equal(text_of(w), expected);
    la_writer_free(w);
}

/* Holds a value against the tree's. */
static void assert_same(struct la_writer *w, json_t *taken) {
    const char *text = text_of(w);
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    if (!json_equal(value, taken))
        fail_msg("%s, but the tree says %s", text, json_dumps(taken, JSON_ENCODE_ANY));
    json_decref(value);
    json_decref(taken);
    la_writer_clear(w);
}

static void commas_come_by_themselves(void **unused) {
    (void)unused;
    struct la_writer *w = new_writer();
    la_write_open(w, '{');
    la_write_name(w, "a");
    la_write_open(w, '[');
    la_write_count(w, 1);
    la_write_null(w);
    la_write_open(w, '{');
    la_write_close(w, '}');
    la_write_bool(w, true);
    la_write_close(w, ']');
    la_write_name(w, "b");
    la_write_word(w, NULL);
    la_write_name(w, "c");
    la_write_word(w, "x");
    la_write_close(w, '}');
    la_writer_end_line(w);
    la_write_open(w, '[');
    la_write_close(w, ']');
    assert_written(w, "{\"a\":[1,null,{},true],\"b\":null,\"c\":\"x\"}\n[]");
}

static void numbers_are_those_of_the_tree(void **unused) {
    (void)unused;
    static const int64_t ns[] = {0,      1,           40000,           210000000, LA_SEC - 1,
                                 LA_SEC, 60 * LA_SEC, 123456123456789, -1,        -LA_SEC};
    struct la_writer *w = new_writer();
    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
        la_write_delay(w, ns[i]);
        assert_same(w, la_emit_delay(ns[i]));
    }
    static const uint64_t counts[] = {0, 9, 10, 4294967296, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        la_write_count(w, counts[i]);
        assert_same(w, la_emit_count(counts[i]));
    }
    la_write_open(w, '[');
    la_write_thousandths(w, 0);
    la_write_thousandths(w, 1000000);
    la_write_thousandths(w, 250125);
    la_write_thousandths(w, 7);
    la_write_close(w, ']');
    assert_written(w, "[0.0,1000.0,250.125,0.007]");
}

static void times_are_those_of_the_tree(void **unused) {
    (void)unused;
    static const int64_t ns[] = {0,
                                 1500000000,
                                 1500000001,
                                 -1,
                                 -LA_SEC,
                                 -1500000000,
                                 1763647385118000000,
                                 1763647385999999999,
                                 1763647386000000000,
                                 LA_TIME_NONE};
    struct la_writer *w = new_writer();
    struct la_emit emit = {0};
    for (int digits = LA_EMIT_DIGITS_MIN; digits <= LA_EMIT_DIGITS_MAX; digits++) {
        emit.digits = w->digits = digits;
        for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
            la_write_time(w, ns[i]);
            assert_same(w, la_emit_time(&emit, ns[i]));
        }
    }
    la_writer_free(w);
}

static void text_is_that_of_the_tree(void **unused) {
    (void)unused;
    static const char *const texts[] = {"plain",
                                        "",
                                        "\"quoted\" \\ and \x01\x1f\n",
                                        "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
                                        "a\xff"
                                        "b\xc3",
                                        "\xef\xb7\x90", /* the mark of a time */
                                        NULL};
    struct la_writer *w = new_writer();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        la_write_text(w, texts[i]);
        assert_same(w, la_emit_text(texts[i]));
    }
    la_write_open(w, '[');
    la_write_file(w, 0);
    la_write_file(w, 1);
    la_write_file(w, 1);
    la_write_file(w, 2);
    la_write_file(w, 0);
    la_write_close(w, ']');
    assert_written(
        w, "[\"a.pcap\",\"b\\\"\xef\xbf\xbd.pcap\",\"b\\\"\xef\xbf\xbd.pcap\",null,\"a.pcap\"]");
}

static void addresses_are_those_of_the_tree(void **unused) {
    (void)unused;
    static const char *const texts[] = {"10.0.0.7", "255.255.255.255", "0.0.0.0", "2001:db8::1",
                                        "::"};
    struct la_writer *w = new_writer();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct la_addr addr;
        assert_true(la_addr_parse(texts[i], &addr));
        la_write_addr(w, &addr);
        assert_same(w, la_emit_addr(&addr));
    }
    la_writer_free(w);
}

static void a_line_grows_as_far_as_it_has_to(void **unused) {
    (void)unused;
    enum { LONG = 100000 };
    char *text = malloc(LONG + 1);
    assert_non_null(text);
    memset(text, '"', LONG);
    text[LONG] = '\0';
    struct la_writer *w = new_writer();
    la_write_text(w, text);
    assert_same(w, la_emit_text(text));
    free(text);
    la_write_count(w, 1);
    assert_written(w, "1");
}

/* Notes. Every number has a value of its own, as far as it has room. */

static uint64_t next_number(void) {
    static uint64_t state = 7;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> (state >> 58); /* of any length */
}

enum { CHANGES = 300, RESETS = 5 };

struct sample {
    struct la_connection connection;
    struct la_change changes[2][CHANGES];
    struct la_reset resets[RESETS];
};

static void fill_side(struct sample *sample, int number, size_t changes) {
    struct la_endpoint *side = &sample->connection.side[number];
    int64_t ns = sample->connection.first.time_ns;
    for (size_t i = 0; i < changes; i++) {
        ns += (int64_t)(next_number() % (uint64_t)(1000 * LA_SEC)) - 10;
        sample->changes[number][i] = (struct la_change){.time_ns = ns,
                                                        .frame = next_number() % 3 * next_number(),
                                                        .input = (uint16_t)(next_number() % 3),
                                                        .state = (uint8_t)(i % LA_ST_COUNT),
                                                        .certain = next_number() & 1};
    }
    *side = (struct la_endpoint){
        .port = (uint16_t)next_number(),
        .state = (enum la_state)(next_number() % LA_ST_COUNT),
        .changes = sample->changes[number],
        .change_count = changes,
        .packets = next_number(),
        .bytes = next_number(),
        .data_bytes = next_number(),
        .retransmitted_segments = next_number(),
        .retransmitted_bytes = next_number(),
        .duplicate_acks = next_number(),
        .zero_windows = next_number(),
        .syn = (uint32_t)next_number(),
        .fin = (uint32_t)next_number(),
        .rst = (uint32_t)next_number(),
        .rtt_min_ns = number ? -1 : (int64_t)(next_number() >> 2),
        .rtt_median_ns = number ? (int64_t)(next_number() >> 2) : -1,
        .mss = (uint16_t)next_number(),
        .ttl = (uint8_t)next_number(),
        .window_scale = number ? -1 : (int)(next_number() % 15),
        .timestamps_used = next_number() & 1,
        .timestamp_hz = (double)(next_number() % 1000000) / 1000,
        .sack = next_number() & 1,
        .seen = next_number() & 1,
    };
    for (size_t i = 0; i < sizeof side->addr.bytes; i++)
        side->addr.bytes[i] = (uint8_t)next_number();
}

static void fill_resets(struct sample *sample, size_t count) {
    for (size_t i = 0; i < count; i++)
        sample->resets[i] = (struct la_reset){
            .where = {(int64_t)i * LA_SEC, next_number(), (uint16_t)(i % 2)},
            .drew = {(int64_t)i * -LA_SEC, i % 2 ? 0 : next_number(), (uint16_t)(i % 3)},
            .by = (uint8_t)(i % 2),
            .form = (uint8_t)(i % 2),
            .cause = (uint8_t)(i % LA_RESET_CAUSE_COUNT)};
    sample->connection.resets = sample->resets;
    sample->connection.reset_count = count;
}

static void fill_sample(struct sample *sample, unsigned round) {
    struct la_connection *c = &sample->connection;
    memset(sample, 0, sizeof *sample);
    c->first = (struct la_where){(int64_t)next_number() / 4, next_number(), 1};
    c->last.time_ns = (int64_t)next_number() / 4;
    c->opened_ns = round % 2 ? LA_TIME_NONE : c->first.time_ns;
    c->initiator_known = round % 2;
    c->incarnation = (uint32_t)next_number();
    c->opening = round % LA_OPENING_COUNT;
    c->ending = round % LA_ENDING_COUNT;
    c->first_closer = round % LA_CLOSER_COUNT;
    c->zeek_conn_state = round % 2 ? "SF" : "RSTOS0";
    snprintf(c->zeek_history, sizeof c->zeek_history, "%.*s", (int)(round % LA_ZEEK_HISTORY),
             "ShADadFfRrShADadFfRrShADadFfRrShADadFfRr");
    c->gaps = next_number();
    for (size_t i = 0; i < round % (LA_CONNECTION_VLANS + 1); i++)
        c->vlans[i] = (uint16_t)(i + 1 + next_number() % 4000);
    c->tunnels = (uint16_t)(next_number() % 2);
    c->input_count = round % 3;
    c->inputs[1] = 1;
    c->findings = next_number() & ((UINT64_C(1) << LA_KIND_COUNT) - 1);
    c->attempt_findings = next_number() & ((UINT64_C(1) << LA_KIND_COUNT) - 1);
    c->evicted = round % 2;
    fill_side(sample, 0, round % CHANGES);
    fill_side(sample, 1, round * 7 % CHANGES);
    fill_resets(sample, round % (RESETS + 1));
}

static void notes_say_all_that_a_line_does(void **unused) {
    (void)unused;
    static struct sample sample;
    struct la_notes notes = {0};
    struct la_noted noted = {0};
    for (unsigned round = 0; round < 1000; round++) {
        struct la_writer *direct = new_writer(), *later = new_writer();
        fill_sample(&sample, round);
        la_write_connection(direct, &sample.connection);
        assert_true(la_notes_write(&notes, &sample.connection));
        uint8_t *copy = malloc(notes.used); /* as it comes back from a spool */
        assert_non_null(copy);
        memcpy(copy, notes.bytes, notes.used);
        const uint8_t *at = copy;
        const struct la_connection *read = la_noted_read(&noted, &at);
        assert_ptr_equal(at, copy + notes.used);
        assert_non_null(read);
        assert_true(read->findings == sample.connection.findings &&
                    read->attempt_findings == sample.connection.attempt_findings);
        la_write_connection(later, read);
        assert_written(later, text_of(direct));
        la_writer_free(direct);
        free(copy);
    }
    la_notes_release(&notes);
    la_noted_release(&noted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(numbers_are_those_of_the_tree),
        cmocka_unit_test(times_are_those_of_the_tree),
        cmocka_unit_test(text_is_that_of_the_tree),
        cmocka_unit_test(addresses_are_those_of_the_tree),
        cmocka_unit_test(a_line_grows_as_far_as_it_has_to),
        cmocka_unit_test(notes_say_all_that_a_line_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
