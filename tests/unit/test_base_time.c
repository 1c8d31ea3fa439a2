/* Times and durations: what is written can be read again, and what is no time is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/time.h"

static int64_t parsed(const char *text) {
    int64_t ns = LA_TIME_NONE;
    if (!la_time_parse(text, &ns))
        fail_msg("refused: %s", text);
    return ns;
}

static int64_t duration(const char *text) {
    int64_t ns = LA_TIME_NONE;
    if (!la_duration_parse(text, &ns))
        fail_msg("refused: %s", text);
    return ns;
}

static void assert_format(int64_t ns, int digits, const char *expected) {
    char text[LA_TIME_TEXT];
    assert_ptr_equal(la_time_format(ns, digits, text), text);
    assert_string_equal(text, expected);
}

static void times_are_written_in_utc(void **unused) {
    (void)unused;
    assert_format(0, 0, "1970-01-01T00:00:00Z");
    assert_format(INT64_C(1763647385118000000), 6, "2025-11-20T14:03:05.118000Z");
    assert_format(INT64_C(1763647385118000000), 9, "2025-11-20T14:03:05.118000000Z");
    assert_format(INT64_C(951782400) * LA_SEC, 0, "2000-02-29T00:00:00Z");
}

static void digits_are_cut_not_rounded(void **unused) {
    (void)unused;
    assert_format(999999999, 9, "1970-01-01T00:00:00.999999999Z");
    assert_format(999999999, 6, "1970-01-01T00:00:00.999999Z");
    assert_format(999999999, 0, "1970-01-01T00:00:00Z");
}

static void before_the_epoch_the_clock_still_runs_forward(void **unused) {
    (void)unused;
    assert_format(-1, 9, "1969-12-31T23:59:59.999999999Z");
    assert_format(-LA_SEC, 0, "1969-12-31T23:59:59Z");
    assert_format(-LA_SEC - 1, 3, "1969-12-31T23:59:58.999Z");
}

/* Against the C library's calendar: every day that has a time, at an odd second. */
static void every_day_has_its_date(void **unused) {
    (void)unused;
    for (int64_t day = -106751; day <= 106750; day++) {
        time_t t = (time_t)(day * 86400 + ((day * 7919) % 86400 + 86400) % 86400);
        char text[LA_TIME_TEXT], expected[LA_TIME_TEXT];
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_string_equal(la_time_format((int64_t)t * LA_SEC, 0, text), expected);
        assert_int_equal(strlen(text), la_time_length(0));
        assert_int_equal(strlen(la_time_format((int64_t)t * LA_SEC, 6, text)), la_time_length(6));
    }
}

static void the_first_and_the_last_time_can_be_written(void **unused) {
    (void)unused;
    assert_format(INT64_MIN, 9, "1677-09-21T00:12:43.145224192Z");
    assert_format(INT64_MAX, 9, "2262-04-11T23:47:16.854775807Z");
}

static void what_is_written_is_read_again(void **unused) {
    (void)unused;
    uint64_t state = 7;
    for (int i = 0; i < 20000; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t ns = (int64_t)state / 2; /* 1824 to 2116 */
        char text[LA_TIME_TEXT];
        assert_int_equal(parsed(la_time_format(ns, 9, text)), ns);
        assert_true(ns - parsed(la_time_format(ns, 6, text)) < LA_USEC);
        assert_true(ns >= parsed(text));
    }
}

static void offsets_and_lower_case_are_read(void **unused) {
    (void)unused;
    assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parsed("1970-01-01t00:00:00z"), 0);
    assert_int_equal(parsed("1970-01-01 00:00:00Z"), 0);
    assert_int_equal(parsed("1970-01-01T01:30:00+01:30"), 0);
    assert_int_equal(parsed("1969-12-31T19:00:00-05:00"), 0);
    assert_int_equal(parsed("1970-01-01T00:01Z"), 60 * LA_SEC);
    assert_int_equal(parsed("1970-01-01T00:00:00.5Z"), LA_SEC / 2);
    assert_int_equal(parsed("1970-01-01T00:00:00.0000000019Z"), 1);
    assert_int_equal(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01T00:00:00Z"));
}

static void epoch_seconds_are_read_exactly(void **unused) {
    (void)unused;
    assert_int_equal(parsed("0"), 0);
    assert_int_equal(parsed("1700000000.5"), INT64_C(1700000000500000000));
    assert_int_equal(parsed("1700000000.123456789"), INT64_C(1700000000123456789));
    assert_int_equal(parsed("0.000000001"), 1);
}

static void what_is_no_time_is_refused(void **unused) {
    (void)unused;
    static const char *const wrong[] = {
        "",
        " ",
        "x",
        "-1",
        "+1",
        "1.",
        ".5",
        "1e9",
        "1 ",
        "99999999999999999999",
        "9223372037",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00ZZ",
        "1970-1-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1600-01-01T00:00:00Z",
        "2300-01-01T00:00:00Z",
        "1970-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2023-04-31T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ns;
        if (la_time_parse(wrong[i], &ns))
            fail_msg("taken for a time: '%s'", wrong[i]);
    }
}

static void durations_have_units(void **unused) {
    (void)unused;
    assert_int_equal(duration("60"), 60 * LA_SEC);
    assert_int_equal(duration("60s"), 60 * LA_SEC);
    assert_int_equal(duration("250ms"), 250 * LA_MSEC);
    assert_int_equal(duration("1.5us"), 1500);
    assert_int_equal(duration("17ns"), 17);
    assert_int_equal(duration("2m"), 120 * LA_SEC);
    assert_int_equal(duration("0.5h"), 1800 * LA_SEC);
    assert_int_equal(duration("1d"), 86400 * LA_SEC);
    assert_int_equal(duration("0"), 0);
    assert_int_equal(duration("0.000000001"), 1);
    assert_int_equal(duration("9000000000"), INT64_C(9000000000) * LA_SEC);
}

static void what_is_no_duration_is_refused(void **unused) {
    (void)unused;
    static const char *const wrong[] = {
        "",    "s",    "-1",   "+1s",          "1x",    "1 s",     "1S",   "1.",
        ".5s", "1..2", "1.2.", "99999999999d", "1.5.5", "1sec",    "1ms ", "0x10",
        "1e3", "ms",   ".",    "9300000000",   "nan",   "110000d", "inf",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ns;
        if (la_duration_parse(wrong[i], &ns))
            fail_msg("taken for a duration: '%s'", wrong[i]);
    }
}

static void times_of_day_are_read(void **unused) {
    (void)unused;
    int64_t ns;
    assert_true(la_time_of_day_parse("00:00", &ns));
    assert_int_equal(ns, 0);
    assert_true(la_time_of_day_parse("23:59:59.999999999", &ns));
    assert_int_equal(ns, 86400 * LA_SEC - 1);
    assert_true(la_time_of_day_parse("12:30", &ns));
    assert_int_equal(ns, 45000 * LA_SEC);
}

static void what_is_no_time_of_day_is_refused(void **unused) {
    (void)unused;
    static const char *const wrong[] = {"",     "12",       "24:00", "12:60",     "1:00",  "12:00:",
                                        "12:0", "12:00:61", "-1:00", "12:00:00.", "12:00Z"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ns;
        if (la_time_of_day_parse(wrong[i], &ns))
            fail_msg("taken for a time of day: '%s'", wrong[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_utc),
        cmocka_unit_test(digits_are_cut_not_rounded),
        cmocka_unit_test(before_the_epoch_the_clock_still_runs_forward),
        cmocka_unit_test(every_day_has_its_date),
        cmocka_unit_test(the_first_and_the_last_time_can_be_written),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(offsets_and_lower_case_are_read),
        cmocka_unit_test(epoch_seconds_are_read_exactly),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(times_of_day_are_read),
        cmocka_unit_test(what_is_no_time_of_day_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
