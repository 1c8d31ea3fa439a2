#include "account/delays.h"

#include <string.h>

/* To the ends of the powers of two, so that the row seldom grows. */
static enum la_status reach(struct la_stock *stock, struct la_delays *delays, size_t bucket) {
    size_t first = bucket / LA_HISTOGRAM_SUB * LA_HISTOGRAM_SUB, end = first + LA_HISTOGRAM_SUB;
    size_t known = delays->end - delays->first;
    if (known > 0 && delays->first < first)
        first = delays->first;
    if (delays->end > end)
        end = delays->end;
    uint64_t *counts = la_stock_take(stock, (end - first) * sizeof *counts);
    if (!counts)
        return LA_ENOMEM;
    memset(counts, 0, (end - first) * sizeof *counts);
    if (known > 0)
        memcpy(counts + (delays->first - first), delays->counts, known * sizeof *counts);
    la_stock_give(stock, delays->counts, known * sizeof *counts);
    delays->counts = counts;
    delays->first = (uint16_t)first;
    delays->end = (uint16_t)end;
    return LA_OK;
}

enum la_status la_delays_add_new(struct la_stock *stock, struct la_delays *delays, unsigned cause,
                                 size_t bucket, uint64_t count) {
    if (cause != LA_LATE_NOT)
        return la_sums_add(stock, &delays->later, (int64_t)(cause * LA_HISTOGRAM_BUCKETS + bucket),
                           (int64_t)count);
    if (reach(stock, delays, bucket) != LA_OK)
        return LA_ENOMEM;
    delays->counts[bucket - delays->first] += count;
    return LA_OK;
}

enum la_status la_delays_merge(struct la_stock *stock, struct la_delays *into,
                               const struct la_delays *from) {
    for (size_t bucket = from->first; bucket < from->end; bucket++) {
        uint64_t count = from->counts[bucket - from->first];
        if (count > 0 && la_delays_add(stock, into, LA_LATE_NOT, bucket, count) != LA_OK)
            return LA_ENOMEM;
    }
    return la_sums_merge(stock, &into->later, &from->later);
}

void la_delays_release(struct la_stock *stock, struct la_delays *delays) {
    size_t known = delays->end - delays->first;
    la_stock_give(stock, delays->counts, known * sizeof *delays->counts);
    la_sums_release(stock, &delays->later);
    *delays = (struct la_delays){0};
}

void la_delays_gather(const struct la_delays *delays, unsigned from, unsigned to,
                      struct la_histogram *histogram) {
    const struct la_sum *item;
    for (size_t bucket = delays->first; from <= LA_LATE_NOT && bucket < delays->end; bucket++)
        if (delays->counts[bucket - delays->first] > 0)
            la_histogram_add_bucket(histogram, bucket, delays->counts[bucket - delays->first]);
    for (uint32_t at = 0; (item = la_sums_next(&delays->later, &at));) {
        int64_t cause = item->key / LA_HISTOGRAM_BUCKETS;
        if (cause >= from && cause <= to)
            la_histogram_add_bucket(histogram, (size_t)(item->key % LA_HISTOGRAM_BUCKETS),
                                    (uint64_t)item->count);
    }
}
