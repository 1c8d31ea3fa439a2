/* The forms of values, and lines whose times are cut once the digits of the capture are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/emit.h"

static void assert_prints(json_t *taken, const char *expected) {
    char *text = json_dumps(taken, JSON_ENCODE_ANY | JSON_COMPACT | LA_EMIT_FLAGS);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(taken);
}

static void text_is_made_utf8(void **unused) {
    (void)unused;
    assert_prints(la_emit_text("plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
                  "\"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    assert_prints(la_emit_text("a\xff"
                               "b"),
                  "\"a\xef\xbf\xbd"
                  "b\"");
    assert_prints(la_emit_text("\xc3"), "\"\xef\xbf\xbd\"");
    assert_prints(la_emit_text("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_prints(la_emit_text("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_prints(la_emit_text("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_prints(la_emit_text("\xf4\x90\x80\x80"),
                  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_prints(la_emit_text(""), "\"\"");
    assert_prints(la_emit_text(NULL), "null");
}

static void seconds_carry_no_noise(void **unused) {
    (void)unused;
    assert_prints(la_emit_seconds(210000000), "0.21");
    assert_prints(la_emit_seconds(0), "0.0");
    assert_prints(la_emit_seconds(1), "1e-9");
    assert_prints(la_emit_seconds(60 * LA_SEC), "60.0");
    assert_prints(la_emit_seconds(123456123456789), "123456.123456789");
    assert_prints(la_emit_delay(-1), "null");
    assert_prints(la_emit_delay(0), "0.0");
}

static void counts_do_not_wrap(void **unused) {
    (void)unused;
    assert_prints(la_emit_count(UINT64_MAX), "9223372036854775807");
    assert_prints(la_emit_count(0), "0");
}

static void times_have_the_digits_of_the_capture(void **unused) {
    (void)unused;
    struct la_emit emit = {.digits = 6};
    assert_prints(la_emit_time(&emit, 1500000000), "\"1970-01-01T00:00:01.500000Z\"");
    assert_prints(la_emit_time(&emit, LA_TIME_NONE), "null");
    emit.digits = 9;
    assert_prints(la_emit_time(&emit, 1500000001), "\"1970-01-01T00:00:01.500000001Z\"");
}

static void the_finest_clock_gives_the_digits(void **unused) {
    (void)unused;
    struct la_input second = {.time_digits = 0}, micro = {.time_digits = 6};
    struct la_input nano = {.time_digits = 9}, beyond = {.time_digits = 12};
    const struct la_input *coarse[] = {&second}, *mixed[] = {&second, &nano, &micro};
    const struct la_input *absurd[] = {&beyond};
    assert_int_equal(la_emit_digits(NULL, 0), 6);
    assert_int_equal(la_emit_digits(coarse, 1), 6);
    assert_int_equal(la_emit_digits(mixed, 3), 9);
    assert_int_equal(la_emit_digits(absurd, 1), 9);
}

/* A line with two times and a text that looks like one, and one with the mark itself in it. */
static void assert_trims(int digits, const char *expected) {
    struct la_emit emit = {.digits = LA_EMIT_DIGITS_LATER};
    json_t *array = json_array();
    la_emit_add(&emit, array, la_emit_time(&emit, 1500000001));
    la_emit_add(&emit, array, la_emit_text("1970-01-01T00:00:01.500000001Z"));
    la_emit_add(&emit, array, la_emit_time(&emit, 2000000000));
    la_emit_add(&emit, array, la_emit_text("\xef\xb7\x90"));
    assert_false(emit.failed);
    char *line = json_dumps(array, JSON_COMPACT);
    assert_non_null(line);
    line[la_emit_trim(line, strlen(line), digits)] = '\0';
    assert_string_equal(line, expected);
    free(line);
    json_decref(array);
}

static void late_digits_are_cut_from_times_only(void **unused) {
    (void)unused;
    assert_trims(6, "[\"1970-01-01T00:00:01.500000Z\",\"1970-01-01T00:00:01.500000001Z\","
                    "\"1970-01-01T00:00:02.000000Z\",\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]");
    assert_trims(9, "[\"1970-01-01T00:00:01.500000001Z\",\"1970-01-01T00:00:01.500000001Z\","
                    "\"1970-01-01T00:00:02.000000000Z\",\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]");
}

static void a_failed_allocation_is_remembered(void **unused) {
    (void)unused;
    struct la_emit emit = {.digits = 6};
    json_t *object = json_object();
    la_emit_put(&emit, object, "here", json_true());
    assert_false(emit.failed);
    la_emit_put(&emit, object, "gone", NULL);
    assert_true(emit.failed);
    emit.failed = false;
    la_emit_put(&emit, NULL, "gone", json_true());
    assert_true(emit.failed);
    emit.failed = false;
    la_emit_add(&emit, NULL, json_true());
    assert_true(emit.failed);
    json_decref(object);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_made_utf8),
        cmocka_unit_test(seconds_carry_no_noise),
        cmocka_unit_test(counts_do_not_wrap),
        cmocka_unit_test(times_have_the_digits_of_the_capture),
        cmocka_unit_test(the_finest_clock_gives_the_digits),
        cmocka_unit_test(late_digits_are_cut_from_times_only),
        cmocka_unit_test(a_failed_allocation_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
