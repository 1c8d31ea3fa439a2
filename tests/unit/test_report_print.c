/* The program's own way of printing a tree, held against jansson's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "report/emit.h"
#include "report/print.h"

static void assert_same_as_jansson(json_t *taken) {
    for (int indented = 0; indented < 2; indented++) {
        size_t flags = (indented ? JSON_INDENT(2) : JSON_COMPACT) | JSON_ENCODE_ANY;
        size_t length;
        char *expected = json_dumps(taken, flags | LA_EMIT_FLAGS);
        char *text = la_print_json(taken, indented, &length);
        assert_non_null(expected);
        assert_non_null(text);
        assert_string_equal(text, expected);
        assert_int_equal(length, strlen(expected));
        free(text);
        free(expected);
    }
    json_decref(taken);
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 11;
}

static void times_of_any_size_are_printed_alike(void **unused) {
    (void)unused;
    json_t *array = json_array();
    uint64_t state = 1;
    for (int64_t ns = 1; ns < INT64_MAX / 10; ns *= 10)
        for (int64_t off = -2; off <= 2; off++) {
            json_array_append_new(array, la_emit_seconds(ns + off));
            json_array_append_new(array, la_emit_seconds(7 * (ns / 8) + off));
        }
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(next_random(&state) >> (next_random(&state) % 50));
        json_array_append_new(array, la_emit_seconds(ns));
        json_array_append_new(array, la_emit_seconds(-ns));
        json_array_append_new(array, la_emit_seconds(ns / 1000000 * 1000000));
    }
    assert_same_as_jansson(array);
}

static void other_reals_are_printed_alike(void **unused) {
    (void)unused;
    const double reals[] = {0.0,  -0.0,   1.0 / 3,   2.0 / 3,  0.1,     0.05,     1e-4,
                            1e-5, 1e-9,   1e-10,     4.9e-324, 1.5e-9,  123456.5, 999999.9999999999,
                            1e5,  999999, 1000000.0, 1e15,     1.7e308, -12.5,    0.99999999999999};
    json_t *array = json_array();
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        json_array_append_new(array, json_real(reals[i]));
    assert_same_as_jansson(array);
}

static void trees_are_printed_alike(void **unused) {
    (void)unused;
    json_t *deep = json_array();
    for (int i = 0; i < 20; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, deep);
        deep = json_object();
        json_object_set_new(deep, "in", outer);
        json_object_set_new(deep, "beside", json_integer(i));
    }
    assert_same_as_jansson(deep);
    assert_same_as_jansson(json_object());
    assert_same_as_jansson(json_array());
    assert_same_as_jansson(
        json_pack("{s:[], s:{}, s:b, s:b, s:n, s:[iii], s:s, s:s, s:s, s:s}", "a", "b", "c", 1, "d",
                  0, "e", "f", 0, 9, 10, "g", "quote \" backslash \\ slash /", "h",
                  "tab\tline\n\x01\x1f\x7f", "i", "", "j", "\xc3\xa4\xe2\x82\xac"));
    assert_same_as_jansson(json_integer(-1));
    assert_same_as_jansson(json_integer(INT64_MAX));
    assert_same_as_jansson(json_integer(INT64_MIN));
}

static void items_are_printed_as_the_tree_of_them(void **unused) {
    (void)unused;
    const int64_t times_ns[] = {0, 1, -1, 512, 1500000000, INT64_MAX, INT64_MIN};
    const uint64_t counts[] = {0, 7, INT64_MAX, UINT64_MAX};
    for (int indented = 0; indented < 2; indented++) {
        struct la_text text;
        json_t *tree = json_object(), *times = json_array(), *sums = json_object();
        la_text_begin(&text, indented);
        la_text_open(&text, NULL, LA_TEXT_OBJECT);
        la_text_open(&text, "nothing", LA_TEXT_ARRAY);
        la_text_close(&text, LA_TEXT_ARRAY);
        json_object_set_new(tree, "nothing", json_array());
        la_text_open(&text, "times", LA_TEXT_ARRAY);
        for (size_t i = 0; i < sizeof times_ns / sizeof times_ns[0]; i++) {
            la_text_seconds(&text, NULL, times_ns[i]);
            json_array_append_new(times, la_emit_seconds(times_ns[i]));
        }
        la_text_close(&text, LA_TEXT_ARRAY);
        json_object_set_new(tree, "times", times);
        la_text_open(&text, "sums", LA_TEXT_OBJECT);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            const char *const name = (const char *[]){"a", "b", "c", "d"}[i];
            la_text_count(&text, name, counts[i]);
            json_object_set_new(sums, name, la_emit_count(counts[i]));
        }
        la_text_close(&text, LA_TEXT_OBJECT);
        json_object_set_new(tree, "sums", sums);
        la_text_value(&text, "as one", tree);
        json_object_set_new(tree, "as one", json_deep_copy(tree));
        la_text_close(&text, LA_TEXT_OBJECT);
        size_t length, expected_length;
        char *items = la_text_end(&text, &length);
        char *expected = la_print_json(tree, indented, &expected_length);
        assert_string_equal(items, expected);
        assert_int_equal(length, expected_length);
        free(items);
        free(expected);
        json_decref(tree);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_any_size_are_printed_alike),
        cmocka_unit_test(other_reals_are_printed_alike),
        cmocka_unit_test(trees_are_printed_alike),
        cmocka_unit_test(items_are_printed_as_the_tree_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
