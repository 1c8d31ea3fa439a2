/* How long the connections of a service took to open, and why: counts by cause and bucket
 * (base/histogram.h).
 *
 * Most took one SYN. Of these the buckets lie in a row, as they are counted in one after the other
 * and at random: a row takes a few lines of the cache where sums would take one a bucket. */
#ifndef LA_ACCOUNT_DELAYS_H
#define LA_ACCOUNT_DELAYS_H

#include "account/sums.h"
#include "base/histogram.h"
#include "track/connection.h"

/* Zero-initialised: empty. */
struct la_delays {
    uint64_t *counts; /* owned; LA_LATE_NOT: buckets from `first` up to `end` */
    uint16_t first, end;
    struct la_sums later; /* by cause * LA_HISTOGRAM_BUCKETS + bucket: the other causes */
};

/* LA_OK or LA_ENOMEM: what goes into the row has no place in it yet. */
enum la_status la_delays_add_new(struct la_stock *stock, struct la_delays *delays, unsigned cause,
                                 size_t bucket, uint64_t count);
/* LA_OK or LA_ENOMEM. `cause` is an enum la_late_cause. */
static inline enum la_status la_delays_add(struct la_stock *stock, struct la_delays *delays,
                                           unsigned cause, size_t bucket, uint64_t count) {
    if (cause != LA_LATE_NOT || bucket < delays->first || bucket >= delays->end)
        return la_delays_add_new(stock, delays, cause, bucket, count);
    delays->counts[bucket - delays->first] += count;
    return LA_OK;
}
enum la_status la_delays_merge(struct la_stock *stock, struct la_delays *into,
                               const struct la_delays *from);
void la_delays_release(struct la_stock *stock, struct la_delays *delays);

/* Adds those of the causes `from` to `to` to a histogram. */
void la_delays_gather(const struct la_delays *delays, unsigned from, unsigned to,
                      struct la_histogram *histogram);

#endif
