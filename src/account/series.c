#include "account/series.h"

#include "base/time.h"

enum { STRANDS = 32 }; /* room for enum la_strand in a key */
_Static_assert((int)LA_STRAND_COUNT <= (int)STRANDS, "a strand has its place in a key");

static int64_t key_of(const struct la_series *series, int64_t second, unsigned strand) {
    return (second >> series->shift) * STRANDS + strand;
}

/* Bins of twice the width, until the span fits. */
static void widen(struct la_series *series) {
    uint8_t shift = series->shift;
    while ((series->last_s >> shift) - (series->first_s >> shift) >= LA_SERIES_BINS)
        shift++;
    if (shift == series->shift)
        return;
    for (uint32_t i = 0; i < series->sums.count; i++) {
        struct la_sum *sum = &series->sums.items[i];
        int64_t strand = sum->key & (STRANDS - 1);
        sum->key =
            ((sum->key / STRANDS - (sum->key % STRANDS < 0)) >> (shift - series->shift)) * STRANDS +
            strand;
    }
    series->sums.sorted = 0;
    la_sums_sort(&series->sums);
    series->shift = shift;
}

static void reach(struct la_series *series, int64_t first_s, int64_t last_s) {
    if (!series->used || first_s < series->first_s)
        series->first_s = first_s;
    if (!series->used || last_s > series->last_s)
        series->last_s = last_s;
    series->used = true;
    widen(series);
}

enum la_status la_series_add(struct la_series *series, int64_t ns, unsigned strand, int64_t count) {
    int64_t second = la_floor_seconds(ns);
    reach(series, second, second);
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
    if (!from->used)
        return LA_OK;
    reach(into, from->first_s, from->last_s);
    for (uint32_t i = 0; i < from->sums.count; i++) {
        const struct la_sum *sum = &from->sums.items[i];
        int64_t strand = sum->key & (STRANDS - 1), bin = (sum->key - strand) / STRANDS;
        int64_t second = bin * (INT64_C(1) << from->shift);
        if (la_sums_add(&into->sums, key_of(into, second, (unsigned)strand), sum->count) != LA_OK)
            return LA_ENOMEM;
    }
    return LA_OK;
}

void la_series_release(struct la_series *series) {
    la_sums_release(&series->sums);
    *series = (struct la_series){0};
}

enum la_status la_series_walk(const struct la_series *series, la_series_visitor *visit,
                              void *context) {
    struct la_sums sums;
    int64_t values[LA_STRAND_COUNT] = {0};
    if (la_sums_sorted(&series->sums, &sums) != LA_OK)
        return LA_ENOMEM;
    for (uint32_t i = 0; i < sums.count;) {
        int64_t bin = (sums.items[i].key - (sums.items[i].key & (STRANDS - 1))) / STRANDS;
        for (int s = LA_STRAND_LEVELS; s < LA_STRAND_COUNT; s++)
            values[s] = 0;
        for (; i < sums.count && sums.items[i].key < (bin + 1) * STRANDS; i++)
            values[sums.items[i].key & (STRANDS - 1)] += sums.items[i].count;
        int64_t width = (INT64_C(1) << series->shift) * LA_SEC;
        const struct la_series_point point = {
            .from_ns = bin * width, .until_ns = (bin + 1) * width, .values = values};
        visit(context, &point);
    }
    la_sums_release(&sums);
    return LA_OK;
}
