/* Counts over time, held against a plain list of what was counted: whatever form they take, and in
 * however many parts they are added. */
#include "account/series.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 4000, PARTS = 3 };

struct added {
    int64_t second, count;
    unsigned strand;
};

struct shape {
    int64_t span;     /* seconds, from a first one before or after 1970 */
    unsigned strands; /* that occur */
    size_t count;     /* additions */
    int64_t most;     /* each counts up to that many, up or down */
    bool is_in_order; /* of time */
};

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 11;
}

static int by_second(const void *a, const void *b) {
    const struct added *x = a, *y = b;
    return x->second < y->second ? -1 : x->second > y->second;
}

static void draw(const struct shape *shape, uint64_t seed, struct added *added) {
    int64_t first = (int64_t)(next_random(&seed) % 4000) - 2000;
    for (size_t i = 0; i < shape->count; i++) {
        uint64_t span = (uint64_t)shape->span, most = (uint64_t)shape->most;
        added[i].second = first + (int64_t)(next_random(&seed) % span);
        added[i].strand = (unsigned)(next_random(&seed) % shape->strands * 5 % LA_STRAND_COUNT);
        added[i].count = (int64_t)(next_random(&seed) % (2 * most + 1)) - shape->most;
    }
    if (shape->is_in_order)
        qsort(added, shape->count, sizeof *added, by_second);
}

/* What a walk says, bin by bin. */
struct walked {
    int64_t from_ns[LA_SERIES_BINS], until_ns[LA_SERIES_BINS];
    int64_t values[LA_SERIES_BINS][LA_STRAND_COUNT];
    size_t count;
};

static void note(void *context, const struct la_series_point *point) {
    struct walked *walked = context;
    assert_true(walked->count < LA_SERIES_BINS);
    walked->from_ns[walked->count] = point->from_ns;
    walked->until_ns[walked->count] = point->until_ns;
    memcpy(walked->values[walked->count++], point->values, sizeof walked->values[0]);
}

/* The same from the list: as wide as its span asks for, and bins without a change left out. */
static void walk_list(const struct added *added, size_t count, struct walked *walked) {
    int64_t first = INT64_MAX, last = INT64_MIN, levels[LA_STRAND_COUNT] = {0};
    unsigned shift = 0;
    for (size_t i = 0; i < count; i++) {
        first = added[i].second < first ? added[i].second : first;
        last = added[i].second > last ? added[i].second : last;
    }
    while ((last >> shift) - (first >> shift) >= LA_SERIES_BINS)
        shift++;
    for (int64_t bin = first >> shift; bin <= last >> shift; bin++) {
        int64_t sums[LA_STRAND_COUNT] = {0};
        bool changed = false;
        for (size_t i = 0; i < count; i++)
            if (added[i].second >> shift == bin)
                sums[added[i].strand] += added[i].count;
        for (unsigned s = 0; s < LA_STRAND_COUNT; s++) {
            changed |= sums[s] != 0;
            levels[s] = sums[s] + (s < LA_STRAND_LEVELS ? levels[s] : 0);
        }
        if (!changed)
            continue;
        const struct la_series_point point = {.from_ns = bin * (LA_SEC << shift),
                                              .until_ns = (bin + 1) * (LA_SEC << shift),
                                              .values = levels};
        note(walked, &point);
    }
}

static void assert_walks(const struct la_series *series, const struct walked *expected) {
    struct walked *walked = calloc(1, sizeof *walked);
    assert_int_equal(la_series_walk(series, note, walked), LA_OK);
    assert_int_equal(walked->count, expected->count);
    assert_memory_equal(walked, expected, sizeof *walked);
    free(walked);
}

static void add(struct la_stock *stock, struct la_series *series, const struct added *added) {
    assert_int_equal(la_series_add(stock, series, added->second, added->strand, added->count),
                     LA_OK);
}

/* Added one by one, and in parts that are merged; parts begin and end anywhere in time. */
static void live_through(const struct shape *shape, uint64_t seed, struct la_stock *stock) {
    static struct added added[MOST];
    struct walked *expected = calloc(1, sizeof *expected);
    struct la_series whole = {0}, parts[PARTS] = {{.used = false}};
    draw(shape, seed, added);
    walk_list(added, shape->count, expected);
    for (size_t i = 0; i < shape->count; i++) {
        add(stock, &whole, &added[i]);
        add(stock, &parts[next_random(&seed) % PARTS], &added[i]);
    }
    assert_walks(&whole, expected);
    for (unsigned i = 1; i < PARTS; i++) {
        assert_int_equal(la_series_merge(stock, &parts[0], &parts[i]), LA_OK);
        la_series_release(stock, &parts[i]);
    }
    assert_walks(&parts[0], expected);
    assert_int_equal(parts[0].first_s, whole.first_s);
    assert_int_equal(parts[0].last_s, whole.last_s);
    assert_int_equal(parts[0].shift, whole.shift);
    la_series_release(stock, &parts[0]);
    la_series_release(stock, &whole);
    free(expected);
}

static void live_through_some(const struct shape *shape) {
    struct la_stock stock = {0};
    for (uint64_t seed = 1; seed <= 12; seed++)
        live_through(shape, seed, seed % 2 ? &stock : NULL);
    la_stock_release(&stock);
}

static void few_counts_add_up(void **unused) {
    (void)unused;
    for (size_t count = 1; count <= 20; count++) {
        live_through_some(&(struct shape){.span = 5, .strands = 3, .count = count, .most = 1});
        live_through_some(&(struct shape){.span = 9000, .strands = 3, .count = count, .most = 1});
    }
}

static void many_counts_add_up(void **unused) {
    (void)unused;
    for (unsigned strands = 1; strands <= LA_STRAND_COUNT; strands += 3) {
        live_through_some(&(struct shape){.span = 60, .strands = strands, .count = 900, .most = 2});
        live_through_some(
            &(struct shape){.span = 700, .strands = strands, .count = 900, .most = 2});
        live_through_some(&(struct shape){
            .span = 700, .strands = strands, .count = 900, .most = 2, .is_in_order = true});
    }
}

static void what_is_scattered_adds_up(void **unused) {
    (void)unused;
    for (size_t count = 30; count <= 300; count += 90) {
        live_through_some(&(struct shape){.span = 100000, .strands = 2, .count = count, .most = 1});
        live_through_some(&(struct shape){
            .span = 100000, .strands = 2, .count = count, .most = 1, .is_in_order = true});
    }
}

static void counts_of_any_size_add_up(void **unused) {
    (void)unused;
    live_through_some(
        &(struct shape){.span = 20, .strands = 2, .count = 400, .most = INT32_MAX / 3});
    live_through_some(
        &(struct shape){.span = 20, .strands = 2, .count = 400, .most = INT64_C(1) << 40});
}

/* However many are counted, and wherever in time. */
static void a_series_takes_little_memory(void **unused) {
    (void)unused;
    static struct added added[MOST];
    const struct shape busy = {.span = 512, .strands = 4, .count = MOST, .most = 1},
                       rare = {.span = 512, .strands = 1, .count = 9, .most = 1};
    const struct added late = {.second = 500, .count = 1, .strand = 0};
    struct la_series series = {0};
    draw(&busy, 1, added);
    for (size_t i = 0; i < busy.count; i++)
        add(NULL, &series, &added[i]);
    assert_non_null(series.grid); /* 4 bytes a bin and strand, not 16 and a key that is not there */
    assert_int_equal(series.sums.count, 0);
    la_series_release(NULL, &series);
    draw(&rare, 1, added);
    for (size_t i = 0; i < rare.count; i++)
        add(NULL, &series, &added[i]);
    assert_null(series.grid);
    la_series_release(NULL, &series);
    for (int64_t second = 0; second < 16; second++)
        add(NULL, &series, &(struct added){.second = second, .count = 1});
    assert_non_null(series.grid);
    add(NULL, &series, &late);
    assert_null(series.grid); /* as most bins would be empty */
    la_series_release(NULL, &series);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_counts_add_up),
        cmocka_unit_test(many_counts_add_up),
        cmocka_unit_test(what_is_scattered_adds_up),
        cmocka_unit_test(counts_of_any_size_add_up),
        cmocka_unit_test(a_series_takes_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
