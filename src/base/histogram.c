/* Log-linear buckets: durations below LA_HISTOGRAM_SUB ns have a bucket each; above, every power of
 * two is cut into LA_HISTOGRAM_SUB equal parts. A bucket is never wider than 1/16 of its lower
 * edge, whatever the size of the value. */
#include "base/histogram.h"

enum { SUB_BITS = 4 };

static unsigned highest_bit(uint64_t value) {
    return 63u - (unsigned)__builtin_clzll(value);
}

size_t la_histogram_bucket(int64_t ns) {
    /* A clock that stepped back measures nothing shorter than nothing. */
    uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
    if (value < LA_HISTOGRAM_SUB)
        return (size_t)value;
    unsigned shift = highest_bit(value) - SUB_BITS;
    return (size_t)((shift + 1) * LA_HISTOGRAM_SUB + ((value >> shift) - LA_HISTOGRAM_SUB));
}

static int64_t lower_edge(size_t bucket) {
    if (bucket < LA_HISTOGRAM_SUB)
        return (int64_t)bucket;
    unsigned shift = (unsigned)(bucket / LA_HISTOGRAM_SUB) - 1;
    uint64_t top = LA_HISTOGRAM_SUB + bucket % LA_HISTOGRAM_SUB;
    /* Buckets past the last one that an int64_t can reach hold nothing. */
    if (shift > 62 - SUB_BITS)
        return INT64_MAX;
    return (int64_t)(top << shift);
}

void la_histogram_bounds(size_t bucket, int64_t *from_ns, int64_t *to_ns) {
    *from_ns = lower_edge(bucket);
    *to_ns = lower_edge(bucket + 1);
}

void la_histogram_add(struct la_histogram *histogram, int64_t ns) {
    if (ns < 0)
        ns = 0;
    if (histogram->count == 0 || ns < histogram->min_ns)
        histogram->min_ns = ns;
    if (histogram->count == 0 || ns > histogram->max_ns)
        histogram->max_ns = ns;
    histogram->count++;
    histogram->buckets[la_histogram_bucket(ns)]++;
}

void la_histogram_add_bucket(struct la_histogram *histogram, size_t bucket, uint64_t count) {
    int64_t low_ns = lower_edge(bucket), high_ns = lower_edge(bucket + 1) - 1;
    if (histogram->count == 0 || low_ns < histogram->min_ns)
        histogram->min_ns = low_ns;
    if (histogram->count == 0 || high_ns > histogram->max_ns)
        histogram->max_ns = high_ns;
    histogram->count += count;
    histogram->buckets[bucket] += count;
}

void la_histogram_merge(struct la_histogram *into, const struct la_histogram *from) {
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    if (into->count == 0 || from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    into->count += from->count;
    for (size_t i = 0; i < LA_HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

int64_t la_histogram_quantile(const struct la_histogram *histogram, double fraction) {
    if (histogram->count == 0)
        return -1;
    double wanted = fraction * (double)histogram->count;
    uint64_t below = 0;
    for (size_t i = 0; i < LA_HISTOGRAM_BUCKETS; i++) {
        below += histogram->buckets[i];
        if (histogram->buckets[i] > 0 && (double)below >= wanted)
            return clamp(lower_edge(i + 1) - 1, histogram->min_ns, histogram->max_ns);
    }
    return histogram->max_ns;
}
