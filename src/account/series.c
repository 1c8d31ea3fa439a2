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
static enum la_status widen(struct la_stock *stock, struct la_series *series) {
    struct la_series old = *series;
    enum la_status status = LA_OK;
    const struct la_sum *sum;
    while ((series->last_s >> series->shift) - (series->first_s >> series->shift) >= LA_SERIES_BINS)
        series->shift++;
    if (series->shift == old.shift)
        return LA_OK;
    series->sums = (struct la_sums){0};
    for (uint32_t at = 0; status == LA_OK && (sum = la_sums_next(&old.sums, &at));)
        status = la_sums_add(stock, &series->sums,
                             key_of(series, second_of(&old, sum), strand_of(sum)), sum->count);
    la_sums_release(stock, &old.sums);
    return status;
}

static bool covers(const struct la_series *series, int64_t second) {
    return second >= series->first_s && second <= series->last_s && series->used;
}

static enum la_status reach(struct la_stock *stock, struct la_series *series, int64_t first_s,
                            int64_t last_s) {
    if (!series->used || first_s < series->first_s)
        series->first_s = first_s;
    if (!series->used || last_s > series->last_s)
        series->last_s = last_s;
    series->used = true;
    return widen(stock, series);
}

/* No more than can be counted. */
static void count_raises(struct la_series *series, uint32_t more) {
    if (__builtin_add_overflow(series->raised, more, &series->raised))
        series->raised = UINT32_MAX;
}

enum la_status la_series_add(struct la_stock *stock, struct la_series *series, int64_t second,
                             unsigned strand, int64_t count) {
    if (!covers(series, second) && reach(stock, series, second, second) != LA_OK)
        return LA_ENOMEM;
    return la_sums_add(stock, &series->sums, key_of(series, second, strand), count);
}

enum la_status la_series_raise(struct la_stock *stock, struct la_series *series, unsigned strand,
                               int64_t from_s, int64_t until_s) {
    if (from_s >= until_s)
        return LA_OK; /* over before anybody looked */
    count_raises(series, 1);
    enum la_status status = la_series_add(stock, series, from_s, strand, 1);
    if (status != LA_OK || until_s == INT64_MAX)
        return status;
    return la_series_add(stock, series, until_s, strand, -1);
}

static enum la_status copy(struct la_stock *stock, struct la_series *into,
                           const struct la_series *from) {
    struct la_series series = *from;
    enum la_status status = la_sums_copy(stock, &series.sums, &from->sums);
    if (status == LA_OK)
        *into = series;
    return status;
}

enum la_status la_series_merge(struct la_stock *stock, struct la_series *into,
                               const struct la_series *from) {
    const struct la_sum *sum;
    if (!from->used)
        return LA_OK;
    if (!into->used)
        return copy(stock, into, from);
    if (reach(stock, into, from->first_s, from->last_s) != LA_OK)
        return LA_ENOMEM;
    count_raises(into, from->raised);
    for (uint32_t at = 0; (sum = la_sums_next(&from->sums, &at));)
        if (la_sums_add(stock, &into->sums, key_of(into, second_of(from, sum), strand_of(sum)),
                        sum->count) != LA_OK)
            return LA_ENOMEM;
    return LA_OK;
}

void la_series_release(struct la_stock *stock, struct la_series *series) {
    la_sums_release(stock, &series->sums);
    *series = (struct la_series){0};
}

/* What changed in a bin, or was counted there. */
struct row {
    bool changed;
    int64_t counts[LA_STRAND_COUNT];
};

static void fill_rows(const struct la_series *series, int64_t first, struct row *rows) {
    const struct la_sum *sum;
    for (uint32_t at = 0; (sum = la_sums_next(&series->sums, &at));) {
        struct row *row = &rows[(sum->key - strand_of(sum)) / STRANDS - first];
        row->counts[strand_of(sum)] = sum->count;
        row->changed = row->changed || sum->count != 0;
    }
}

enum la_status la_series_walk(const struct la_series *series, la_series_visitor *visit,
                              void *context) {
    int64_t values[LA_STRAND_COUNT] = {0}, width = (INT64_C(1) << series->shift) * LA_SEC;
    int64_t first = series->first_s >> series->shift, last = series->last_s >> series->shift;
    if (series->sums.count == 0)
        return LA_OK;
    struct row *rows = calloc((size_t)(last - first + 1), sizeof *rows);
    if (!rows)
        return LA_ENOMEM;
    fill_rows(series, first, rows);
    for (int64_t bin = first; bin <= last; bin++) {
        const struct row *row = &rows[bin - first];
        if (!row->changed)
            continue;
        for (int s = 0; s < LA_STRAND_COUNT; s++)
            values[s] = row->counts[s] + (s < LA_STRAND_LEVELS ? values[s] : 0);
        const struct la_series_point point = {
            .from_ns = bin * width, .until_ns = (bin + 1) * width, .values = values};
        visit(context, &point);
    }
    free(rows);
    return LA_OK;
}
