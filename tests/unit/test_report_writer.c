/* Lines written down and printed later: the same values as those of jansson's trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/emit.h"
#include "report/writer.h"

static const struct la_input first = {.path = "a.pcap"}, second = {.path = "b\"\xff.pcap"};
static const struct la_input *const inputs[] = {&first, &second};

static struct la_writer *new_writer(void) {
    struct la_writer *w = la_writer_new(inputs, 2);
    assert_non_null(w);
    return w;
}

/* What was written down, as text. */
static const char *print(struct la_writer *w, int digits) {
    size_t length, text_length;
    const char *notes = la_writer_notes(w, &length);
    assert_non_null(notes);
    char *copy = malloc(length + 1); /* as it comes back from a spool */
    memcpy(copy, notes, length);
    const struct la_writer_print how = {.digits = digits};
    const char *text = la_writer_print(w, copy, length, &how, &text_length);
    assert_non_null(text);
    assert_int_equal(strlen(text), text_length);
    free(copy);
    return text;
}

static void assert_written(struct la_writer *w, const char *expected) {
    assert_string_equal(print(w, LA_EMIT_DIGITS_MIN), expected);
    la_writer_free(w);
}

/* Holds a value against the tree's. */
static void assert_same(struct la_writer *w, int digits, json_t *taken) {
    const char *text = print(w, digits);
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
    assert_written(w, "{\"a\":[1,null,{},true],\"b\":null,\"c\":\"x\"}");
}

static void numbers_are_those_of_the_tree(void **unused) {
    (void)unused;
    static const int64_t ns[] = {0,      1,           40000,           210000000, LA_SEC - 1,
                                 LA_SEC, 60 * LA_SEC, 123456123456789, -1,        -LA_SEC};
    struct la_writer *w = new_writer();
    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
        la_write_delay(w, ns[i]);
        assert_same(w, LA_EMIT_DIGITS_MIN, la_emit_delay(ns[i]));
    }
    static const uint64_t counts[] = {0, 9, 10, 4294967296, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        la_write_count(w, counts[i]);
        assert_same(w, LA_EMIT_DIGITS_MIN, la_emit_count(counts[i]));
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
        emit.digits = digits;
        for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
            la_write_time(w, ns[i]);
            assert_same(w, digits, la_emit_time(&emit, ns[i]));
        }
    }
    la_writer_free(w);
}

static void times_of_a_line_keep_their_differences(void **unused) {
    (void)unused;
    struct la_writer *w = new_writer();
    la_write_open(w, '[');
    la_write_time(w, 5 * LA_SEC);
    la_write_null(w);
    la_write_time(w, 3 * LA_SEC + 1000);
    la_write_time(w, LA_TIME_LIMIT);
    la_write_time(w, -LA_TIME_LIMIT);
    la_write_close(w, ']');
    const char *text = print(w, LA_EMIT_DIGITS_MIN);
    assert_non_null(
        strstr(text, "[\"1970-01-01T00:00:05.000000Z\",null,\"1970-01-01T00:00:03.000001Z\","));
    struct la_emit emit = {.digits = LA_EMIT_DIGITS_MIN};
    json_t *array = json_loads(text, 0, NULL), *last = la_emit_time(&emit, -LA_TIME_LIMIT);
    assert_true(json_equal(json_array_get(array, 4), last));
    json_decref(array);
    json_decref(last);
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
        assert_same(w, LA_EMIT_DIGITS_MIN, la_emit_text(texts[i]));
    }
    la_write_open(w, '[');
    la_write_file(w, 0);
    la_write_file(w, 1);
    la_write_file(w, 2);
    la_write_close(w, ']');
    assert_written(w, "[\"a.pcap\",\"b\\\"\xef\xbf\xbd.pcap\",null]");
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
        assert_same(w, LA_EMIT_DIGITS_MIN, la_emit_addr(&addr));
    }
    la_writer_free(w);
}

/* More than the table of words begins with, each twice. */
static void any_number_of_words_is_told_apart(void **unused) {
    (void)unused;
    enum { WORDS = 1000 };
    static char words[WORDS][8];
    struct la_writer *w = new_writer();
    la_write_open(w, '[');
    for (int i = 0; i < 2 * WORDS; i++) {
        snprintf(words[i % WORDS], sizeof words[0], "w%d", i % WORDS);
        la_write_word(w, words[i % WORDS]);
    }
    la_write_close(w, ']');
    json_t *array = json_loads(print(w, LA_EMIT_DIGITS_MIN), 0, NULL);
    assert_int_equal(json_array_size(array), 2 * WORDS);
    for (int i = 0; i < 2 * WORDS; i++)
        assert_string_equal(json_string_value(json_array_get(array, (size_t)i)), words[i % WORDS]);
    json_decref(array);
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
    assert_same(w, LA_EMIT_DIGITS_MIN, la_emit_text(text));
    free(text);
    la_write_count(w, 1);
    assert_written(w, "1");
}

static bool is_of(const void *context, const struct la_addr *client, int64_t first_ns) {
    return memcmp(context, client, sizeof *client) == 0 && first_ns == 7;
}

static void words_of_an_attempt_are_left_out_when_they_were_taken_back(void **unused) {
    (void)unused;
    struct la_addr scanner = {.bytes = {[15] = 7}}, other = {.bytes = {[15] = 8}};
    const struct la_writer_print how = {LA_EMIT_DIGITS_MIN, is_of, &scanner};
    struct la_writer *w = new_writer();
    size_t length, text_length;
    la_write_open(w, '[');
    la_write_word_of_attempt(w, "a", &scanner, 7);
    la_write_word_of_attempt(w, "b", &other, 7);
    la_write_word_of_attempt(w, "c", &scanner, 8);
    la_write_word_of_attempt(w, "d", &scanner, 7);
    la_write_word(w, "e");
    la_write_close(w, ']');
    const char *notes = la_writer_notes(w, &length);
    assert_string_equal(la_writer_print(w, notes, length, &how, &text_length),
                        "[\"b\",\"c\",\"e\"]");
    assert_written(w, "[\"a\",\"b\",\"c\",\"d\",\"e\"]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(numbers_are_those_of_the_tree),
        cmocka_unit_test(times_are_those_of_the_tree),
        cmocka_unit_test(times_of_a_line_keep_their_differences),
        cmocka_unit_test(text_is_that_of_the_tree),
        cmocka_unit_test(addresses_are_those_of_the_tree),
        cmocka_unit_test(any_number_of_words_is_told_apart),
        cmocka_unit_test(a_line_grows_as_far_as_it_has_to),
        cmocka_unit_test(words_of_an_attempt_are_left_out_when_they_were_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
