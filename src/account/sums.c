/* A new key is put where it belongs when few are behind it, as with times that come in their order.
 * Others are appended and sorted in from time to time, when they are half as many as the sorted
 * ones, so that n keys cost n log n however they arrive. */
#include "account/sums.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL_MIN = 8, FEW_BEHIND = 64 };

static int by_key(const void *a, const void *b) {
    const struct la_sum *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

void la_sums_sort(struct la_sums *sums) {
    uint32_t kept = 0;
    if (sums->count > sums->sorted)
        qsort(sums->items, sums->count, sizeof *sums->items, by_key);
    for (uint32_t i = 0; i < sums->count;) {
        struct la_sum sum = sums->items[i];
        for (i++; i < sums->count && sums->items[i].key == sum.key; i++)
            sum.count += sums->items[i].count;
        if (sum.count != 0)
            sums->items[kept++] = sum;
    }
    sums->count = sums->sorted = kept;
}

static enum la_status grow(struct la_sums *sums) {
    uint32_t capacity = sums->capacity + sums->capacity / 2 + 1; /* most hold one or two */
    struct la_sum *items = realloc(sums->items, capacity * sizeof *items);
    if (!items)
        return LA_ENOMEM;
    sums->items = items;
    sums->capacity = capacity;
    return LA_OK;
}

/* Where the key is among the sorted ones, or would be. */
static uint32_t place_of(const struct la_sums *sums, int64_t key) {
    const struct la_sum *items = sums->items;
    uint32_t low = 0, length = sums->sorted;
    while (length > 0) {
        uint32_t half = length / 2;
        bool beyond = items[low + half].key < key;
        low = beyond ? low + half + 1 : low;
        length = beyond ? length - half - 1 : half;
    }
    return low;
}

/* In the short tail of those that were added last. */
static struct la_sum *find_late(const struct la_sums *sums, int64_t key) {
    for (uint32_t i = sums->count; i > sums->sorted && i + TAIL_MIN > sums->count; i--)
        if (sums->items[i - 1].key == key)
            return &sums->items[i - 1];
    return NULL;
}

/* Few items behind the place are moved; where there are many, it waits to be sorted in. */
static void insert(struct la_sums *sums, uint32_t place, struct la_sum sum) {
    uint32_t behind = sums->count - place;
    if (sums->count > sums->sorted || behind > FEW_BEHIND) {
        sums->items[sums->count++] = sum;
        return;
    }
    memmove(&sums->items[place + 1], &sums->items[place], behind * sizeof sum);
    sums->items[place] = sum;
    sums->sorted = ++sums->count;
}

enum la_status la_sums_add(struct la_sums *sums, int64_t key, int64_t count) {
    uint32_t place = place_of(sums, key);
    struct la_sum *known = place < sums->sorted && sums->items[place].key == key
                               ? &sums->items[place]
                               : find_late(sums, key);
    if (known) {
        known->count += count;
        return LA_OK;
    }
    if (sums->count - sums->sorted >= TAIL_MIN + sums->sorted / 2) {
        la_sums_sort(sums);
        place = place_of(sums, key);
    }
    if (sums->count == sums->capacity && grow(sums) != LA_OK)
        return LA_ENOMEM;
    insert(sums, place, (struct la_sum){key, count});
    return LA_OK;
}

enum la_status la_sums_merge(struct la_sums *into, const struct la_sums *from) {
    for (uint32_t i = 0; i < from->count; i++)
        if (la_sums_add(into, from->items[i].key, from->items[i].count) != LA_OK)
            return LA_ENOMEM;
    return LA_OK;
}

void la_sums_release(struct la_sums *sums) {
    free(sums->items);
    *sums = (struct la_sums){0};
}

enum la_status la_sums_sorted(const struct la_sums *sums, struct la_sums *copy) {
    *copy = (struct la_sums){0};
    if (la_sums_merge(copy, sums) != LA_OK) {
        la_sums_release(copy);
        return LA_ENOMEM;
    }
    la_sums_sort(copy);
    return LA_OK;
}
