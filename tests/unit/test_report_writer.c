/* JSON written straight into memory: the same values as those of jansson's trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "report/emit.h"
#include "report/writer.h"

/* Takes what was written. */
static void assert_written(struct la_writer *w, const char *expected) {
    size_t length;
    char *text = la_writer_take(w, &length);
    assert_non_null(text);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
    free(text);
}

/* Writes a value by itself and holds it against the tree's. */
static void assert_same(struct la_writer *w, json_t *taken) {
    size_t length;
    char *text = la_writer_take(w, &length);
    json_t *value = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    if (!json_equal(value, taken)) {
        char *expected = json_dumps(taken, JSON_ENCODE_ANY);
        fail_msg("%s, but the tree says %s", text, expected);
    }
    free(text);
    json_decref(value);
    json_decref(taken);
}

static void commas_come_by_themselves(void **unused) {
    (void)unused;
    struct la_writer w = {0};
    la_write_open(&w, '{');
    la_write_name(&w, "a");
    la_write_open(&w, '[');
    la_write_count(&w, 1);
    la_write_null(&w);
    la_write_open(&w, '{');
    la_write_close(&w, '}');
    la_write_bool(&w, true);
    la_write_close(&w, ']');
    la_write_name(&w, "b");
    la_write_word(&w, NULL);
    la_write_name(&w, "c");
    la_write_word(&w, "x");
    la_write_close(&w, '}');
    assert_written(&w, "{\"a\":[1,null,{},true],\"b\":null,\"c\":\"x\"}");
}

static void numbers_are_those_of_the_tree(void **unused) {
    (void)unused;
    static const int64_t ns[] = {0,      1,           40000,           210000000, LA_SEC - 1,
                                 LA_SEC, 60 * LA_SEC, 123456123456789, -1,        -LA_SEC};
    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
        struct la_writer w = {0};
        la_write_delay(&w, ns[i]);
        assert_same(&w, la_emit_delay(ns[i]));
    }
    static const uint64_t counts[] = {0, 9, 10, 4294967296, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct la_writer w = {0};
        la_write_count(&w, counts[i]);
        assert_same(&w, la_emit_count(counts[i]));
    }
    struct la_writer w = {0};
    la_write_open(&w, '[');
    la_write_thousandths(&w, 0);
    la_write_thousandths(&w, 1000000);
    la_write_thousandths(&w, 250125);
    la_write_thousandths(&w, 7);
    la_write_close(&w, ']');
    assert_written(&w, "[0.0,1000.0,250.125,0.007]");
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
    struct la_writer w = {0};
    struct la_emit emit = {0};
    for (int digits = LA_EMIT_DIGITS_LATER; digits <= LA_EMIT_DIGITS_MAX; digits++) {
        if (digits >= 0 && digits < LA_EMIT_DIGITS_MIN)
            continue;
        w.digits = emit.digits = digits;
        for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
            la_write_time(&w, ns[i]);
            assert_same(&w, la_emit_time(&emit, ns[i]));
        }
    }
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
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct la_writer w = {0};
        la_write_text(&w, texts[i]);
        assert_same(&w, la_emit_text(texts[i]));
    }
}

static void a_line_grows_as_far_as_it_has_to(void **unused) {
    (void)unused;
    enum { LONG = 100000 };
    char *text = malloc(LONG + 1);
    assert_non_null(text);
    memset(text, '"', LONG);
    text[LONG] = '\0';
    struct la_writer w = {0};
    la_write_text(&w, text);
    assert_same(&w, la_emit_text(text));
    free(text);
    la_writer_clear(&w);
    la_write_count(&w, 1);
    la_write_newline(&w);
    assert_written(&w, "1\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(numbers_are_those_of_the_tree),
        cmocka_unit_test(times_are_those_of_the_tree),
        cmocka_unit_test(text_is_that_of_the_tree),
        cmocka_unit_test(a_line_grows_as_far_as_it_has_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
