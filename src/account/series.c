#include "account/series.h"

#include "base/time.h"

#include <stdlib.h>

enum { STRANDS = 32 }; /* room for enum la_strand in a key */
_Static_assert((int)LA_STRAND_COUNT <= (int)STRANDS, "a strand has its place in a key");

static int64_t key_of(const struct la_series *series, int64_t second, unsigned strand) {
    return (second >> series->shift) * STRANDS + strand;
}

static unsigned strand_of(const struct la_sum *sum) {
    return (unsigned)(sum->key & (STRANDS - 1));
}

static int64_t second_of(const struct la_series *series, const struct la_sum *sum) {
    return (sum->key - strand_of(sum)) / STRANDS * (INT64_C(1) << series->shift);
}

/* Bins of twice the width, until the span fits. */
static enum la_status widen(struct la_series *series) {
    struct la_series old = *series;
    enum la_status status = LA_OK;
    const struct la_sum *sum;
    while ((series->last_s >> series->shift) - (series->first_s >> series->shift) >= LA_SERIES_BINS)
        series->shift++;
    if (series->shift == old.shift)
        return LA_OK;
    series->sums = (struct la_sums){0};
    for (uint32_t at = 0; status == LA_OK && (sum = la_sums_next(&old.sums, &at));)
        status = la_sums_add(&series->sums, key_of(series, second_of(&old, sum), strand_of(sum)),
                             sum->count);
    la_sums_release(&old.sums);
    return status;
}

static bool covers(const struct la_series *series, int64_t second) {
    return second >= series->first_s && second <= series->last_s && series->used;
}

static enum la_status reach(struct la_series *series, int64_t first_s, int64_t last_s) {
    if (!series->used || first_s < series->first_s)
        series->first_s = first_s;
    if (!series->used || last_s > series->last_s)
        series->last_s = last_s;
    series->used = true;
    return widen(series);
}

enum la_status la_series_add(struct la_series *series, int64_t ns, unsigned strand, int64_t count) {
    int64_t second = la_floor_seconds(ns);
    if (!covers(series, second) && reach(series, second, second) != LA_OK)
        return LA_ENOMEM;
    return la_sums_add(&series->sums, key_of(series, second, strand), count);
}

enum la_status la_series_raise(struct la_series *series, unsigned strand, int64_t from_ns,
                               int64_t until_ns) {
    if (until_ns != INT64_MAX && la_floor_seconds(from_ns) >= la_floor_seconds(until_ns))
        return LA_OK; /* over before anybody looked */
    enum la_status status = la_series_add(series, from_ns, strand, 1);
    if (status != LA_OK || until_ns == INT64_MAX)
        return status;
    return la_series_add(series, until_ns, strand, -1);
}

enum la_status la_series_merge(struct la_series *into, const struct la_series *from) {
    const struct la_sum *sum;
    if (!from->used)
        return LA_OK;
    if (reach(into, from->first_s, from->last_s) != LA_OK)
        return LA_ENOMEM;
    for (uint32_t at = 0; (sum = la_sums_next(&from->sums, &at));)
        if (la_sums_add(&into->sums, key_of(into, second_of(from, sum), strand_of(sum)),
                        sum->count) != LA_OK)
            return LA_ENOMEM;
    return LA_OK;
}

void la_series_release(struct la_series *series) {
    la_sums_release(&series->sums);
    *series = (struct la_series){0};
}

enum la_status la_series_walk(const struct la_series *series, la_series_visitor *visit,
                              void *context) {
    struct la_sum_list sums;
    int64_t values[LA_STRAND_COUNT] = {0};
    if (la_sums_sorted(&series->sums, &sums) != LA_OK)
        return LA_ENOMEM;
    for (uint32_t i = 0; i < sums.count;) {
        int64_t bin = (sums.items[i].key - strand_of(&sums.items[i])) / STRANDS;
        for (int s = LA_STRAND_LEVELS; s < LA_STRAND_COUNT; s++)
            values[s] = 0;
        for (; i < sums.count && sums.items[i].key < (bin + 1) * STRANDS; i++)
            values[strand_of(&sums.items[i])] += sums.items[i].count;
        int64_t width = (INT64_C(1) << series->shift) * LA_SEC;
        const struct la_series_point point = {
            .from_ns = bin * width, .until_ns = (bin + 1) * width, .values = values};
        visit(context, &point);
    }
    free(sums.items);
    return LA_OK;
}
