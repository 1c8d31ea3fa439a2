/* Sparse additive counts: a few keys with a number each, kept in the order of the keys. The one
 * container of the accounts: time bins, histogram buckets and ports are keys. */
#ifndef LA_ACCOUNT_SUMS_H
#define LA_ACCOUNT_SUMS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct la_sum {
    int64_t key, count;
};

/* Zero-initialised: empty. The first `sorted` items are in order and different; behind them lies
 * what was added since. Read it with la_sums_sorted(). */
struct la_sums {
    struct la_sum *items; /* owned */
    uint32_t sorted, count, capacity;
};

/* Adds `count` to what stands under `key`. LA_OK or LA_ENOMEM. */
enum la_status la_sums_add(struct la_sums *sums, int64_t key, int64_t count);
enum la_status la_sums_merge(struct la_sums *into, const struct la_sums *from);
void la_sums_release(struct la_sums *sums);

/* Puts them in order; what has come to nothing is dropped. */
void la_sums_sort(struct la_sums *sums);
/* An ordered copy, owned by the caller. */
enum la_status la_sums_sorted(const struct la_sums *sums, struct la_sums *copy);

#endif
