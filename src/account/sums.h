/* Sparse additive counts: a few keys with a number each. Ports are keys, and so are time bins and
 * histogram buckets where few have something (series.h, delays.h). */
#ifndef LA_ACCOUNT_SUMS_H
#define LA_ACCOUNT_SUMS_H

#include "account/stock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct la_sum {
    int64_t key, count;
};

/* Not a key. */
#define LA_SUMS_NO_KEY INT64_MIN

/* Zero-initialised: empty. Found by the hash of the key, by linear probing. Most hold a single one,
 * which needs no memory beside. A stock is that of all additions to the same sums. */
struct la_sums {
    union {
        struct la_sum one;    /* with bits == 0 */
        struct la_sum *slots; /* owned, 1 << bits of them; key LA_SUMS_NO_KEY: free */
    };
    uint32_t count; /* different keys, also those whose counts came to nothing */
    uint8_t bits;
};

/* The slot of the key: its own, a free one, or of another key when all are taken. */
static inline struct la_sum *la_sums_slot(struct la_sums *sums, int64_t key) {
    uint64_t hash = (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    uint32_t mask = (UINT32_C(1) << sums->bits) - 1;
    uint32_t at = (uint32_t)(hash << sums->bits >> 32);
    struct la_sum *slots = sums->bits > 0 ? sums->slots : &sums->one;
    for (uint32_t left = mask; slots[at].key != key; at = (at + 1) & mask)
        if (slots[at].key == LA_SUMS_NO_KEY || left-- == 0)
            break;
    return &slots[at];
}

/* Of a key that has none: `slot` is where it belongs if there is room. LA_OK or LA_ENOMEM. */
enum la_status la_sums_add_new(struct la_stock *stock, struct la_sums *sums, struct la_sum *slot,
                               int64_t key, int64_t count);
/* Adds `count` to what stands under `key`. LA_OK or LA_ENOMEM. */
static inline enum la_status la_sums_add(struct la_stock *stock, struct la_sums *sums, int64_t key,
                                         int64_t count) {
    struct la_sum *slot = la_sums_slot(sums, key);
    if (slot->key != key || sums->count == 0)
        return la_sums_add_new(stock, sums, slot, key, count);
    slot->count += count;
    return LA_OK;
}
/* Whether to add this key would double memory that is worth speaking of. */
bool la_sums_outgrows(struct la_sums *sums, int64_t key);
/* What so many keys take, beside the sums themselves. */
size_t la_sums_bytes_for(uint32_t count);
/* `sums` is empty before. LA_OK or LA_ENOMEM. */
enum la_status la_sums_copy(struct la_stock *stock, struct la_sums *sums,
                            const struct la_sums *from);
enum la_status la_sums_merge(struct la_stock *stock, struct la_sums *into,
                             const struct la_sums *from);
void la_sums_release(struct la_stock *stock, struct la_sums *sums);

/* The next one in no order, from slot `*at` on; NULL behind the last one. */
static inline const struct la_sum *la_sums_next(const struct la_sums *sums, uint32_t *at) {
    const struct la_sum *slots = sums->bits > 0 ? sums->slots : &sums->one;
    uint32_t end = sums->bits > 0 ? UINT32_C(1) << sums->bits : sums->count;
    while (*at < end) {
        const struct la_sum *sum = &slots[(*at)++];
        if (sum->key != LA_SUMS_NO_KEY)
            return sum;
    }
    return NULL;
}

/* In the order of the keys, without those whose counts came to nothing. `items` are the caller's,
 * to be freed. */
struct la_sum_list {
    struct la_sum *items;
    uint32_t count;
};
enum la_status la_sums_sorted(const struct la_sums *sums, struct la_sum_list *list);

#endif
