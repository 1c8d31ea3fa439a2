#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"

/* xorshift64*: the same numbers in every run */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

/* Durations of every size: a random number of random bits. */
static int64_t random_duration(uint64_t *state) {
    uint64_t bits = next_random(state) % 63;
    return (int64_t)(next_random(state) & ((UINT64_C(1) << bits) - 1));
}

static void every_value_lies_in_its_bucket(void **unused) {
    (void)unused;
    uint64_t state = 1;
    struct la_histogram *histogram = malloc(sizeof *histogram);
    for (int round = 0; round < 20000; round++) {
        int64_t value = round < 5000 ? round : random_duration(&state), from, to;
        size_t bucket = 0;
        memset(histogram, 0, sizeof *histogram);
        la_histogram_add(histogram, value);
        while (histogram->buckets[bucket] == 0)
            bucket++;
        la_histogram_bounds(bucket, &from, &to);
        assert_true(from <= value && value < to);
        assert_true((to - from) <= 1 || (to - from) <= from / 16);
    }
    free(histogram);
}

static void the_largest_value_has_a_bucket(void **unused) {
    (void)unused;
    struct la_histogram histogram = {0};
    la_histogram_add(&histogram, INT64_MAX);
    assert_int_equal(histogram.count, 1);
    assert_true(la_histogram_quantile(&histogram, 0.5) == INT64_MAX);
}

static void a_negative_duration_counts_as_none(void **unused) {
    (void)unused;
    struct la_histogram histogram = {0};
    la_histogram_add(&histogram, -5);
    assert_int_equal(histogram.buckets[0], 1);
    assert_int_equal(histogram.min_ns, 0);
}

static void an_empty_one_has_no_quantile(void **unused) {
    (void)unused;
    struct la_histogram histogram = {0};
    assert_int_equal(la_histogram_quantile(&histogram, 0.5), -1);
}

static void quantiles_are_at_most_a_sixteenth_too_high(void **unused) {
    (void)unused;
    static const double fractions[] = {0.01, 0.5, 0.9, 0.99, 1.0};
    struct la_histogram histogram = {0};
    for (int64_t value = 1; value <= 10000; value++)
        la_histogram_add(&histogram, value * 1000);
    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
        double exact = fractions[i] * 10000 * 1000;
        double told = (double)la_histogram_quantile(&histogram, fractions[i]);
        assert_true(told >= exact && told <= exact * 17 / 16);
    }
}

static void merging_is_adding(void **unused) {
    (void)unused;
    uint64_t state = 7;
    struct la_histogram whole = {0}, parts[3] = {{0}};
    struct la_histogram left = {0}, right = {0}, empty = {0};
    for (int i = 0; i < 3000; i++) {
        int64_t value = random_duration(&state);
        la_histogram_add(&whole, value);
        la_histogram_add(&parts[next_random(&state) % 3], value);
    }
    for (int i = 0; i < 3; i++) {
        la_histogram_merge(&left, &parts[i]);
        la_histogram_merge(&right, &parts[2 - i]);
        la_histogram_merge(&left, &empty);
    }
    assert_memory_equal(&left, &whole, sizeof whole);
    assert_memory_equal(&right, &whole, sizeof whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_lies_in_its_bucket),
        cmocka_unit_test(the_largest_value_has_a_bucket),
        cmocka_unit_test(a_negative_duration_counts_as_none),
        cmocka_unit_test(an_empty_one_has_no_quantile),
        cmocka_unit_test(quantiles_are_at_most_a_sixteenth_too_high),
        cmocka_unit_test(merging_is_adding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
