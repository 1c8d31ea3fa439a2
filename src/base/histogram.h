/* A log-linear histogram of durations: relative error at most 1/16, fixed size, mergeable by
 * addition. */
#ifndef LA_BASE_HISTOGRAM_H
#define LA_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { LA_HISTOGRAM_SUB = 16, LA_HISTOGRAM_BUCKETS = 64 * LA_HISTOGRAM_SUB };

struct la_histogram {
    uint64_t count;
    int64_t min_ns, max_ns; /* valid when count > 0 */
    uint64_t buckets[LA_HISTOGRAM_BUCKETS];
};

void la_histogram_add(struct la_histogram *histogram, int64_t ns);
void la_histogram_merge(struct la_histogram *into, const struct la_histogram *from);
/* The value below which `fraction` of the samples lie (bucket's upper edge, within min and max); -1
 * when empty. */
int64_t la_histogram_quantile(const struct la_histogram *histogram, double fraction);
/* The bucket of a duration; and so many durations of which only their bucket is known. */
size_t la_histogram_bucket(int64_t ns);
void la_histogram_add_bucket(struct la_histogram *histogram, size_t bucket, uint64_t count);
/* Bucket bounds [*from_ns, *to_ns). */
void la_histogram_bounds(size_t bucket, int64_t *from_ns, int64_t *to_ns);

#endif
