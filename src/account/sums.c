#include "account/sums.h"

#include <stdlib.h>
#include <string.h>

/* So many slots may all be taken, and so few items are put in order without qsort(). */
enum { FEW_BITS = 3, FEW = 1 << FEW_BITS };

static enum la_status grow(struct la_stock *stock, struct la_sums *sums) {
    struct la_sums larger = {.bits = (uint8_t)(sums->bits + 1)};
    size_t slots = (size_t)1 << larger.bits;
    larger.slots = la_stock_take(stock, slots * sizeof *larger.slots);
    if (!larger.slots)
        return LA_ENOMEM;
    for (size_t i = 0; i < slots; i++)
        larger.slots[i].key = LA_SUMS_NO_KEY;
    const struct la_sum *sum;
    for (uint32_t at = 0; (sum = la_sums_next(sums, &at));) {
        *la_sums_slot(&larger, sum->key) = *sum;
        larger.count++;
    }
    la_sums_release(stock, sums);
    *sums = larger;
    return LA_OK;
}

static uint32_t most_in(unsigned bits) {
    uint32_t slots = UINT32_C(1) << bits;
    return bits > FEW_BITS ? slots / 4 * 3 : slots;
}

static bool is_full(const struct la_sums *sums) {
    return sums->count >= most_in(sums->bits);
}

bool la_sums_outgrows(struct la_sums *sums, int64_t key) {
    return sums->bits >= FEW_BITS && is_full(sums) && la_sums_slot(sums, key)->key != key;
}

size_t la_sums_bytes_for(uint32_t count) {
    unsigned bits = 0;
    while (most_in(bits) < count)
        bits++;
    return bits > 0 ? sizeof(struct la_sum) << bits : 0;
}

enum la_status la_sums_add_new(struct la_stock *stock, struct la_sums *sums, struct la_sum *slot,
                               int64_t key, int64_t count) {
    if (is_full(sums)) {
        if (grow(stock, sums) != LA_OK)
            return LA_ENOMEM;
        slot = la_sums_slot(sums, key);
    }
    *slot = (struct la_sum){key, count};
    sums->count++;
    return LA_OK;
}

enum la_status la_sums_copy(struct la_stock *stock, struct la_sums *sums,
                            const struct la_sums *from) {
    struct la_sums copy = *from;
    size_t size = sizeof *copy.slots << from->bits;
    if (from->bits > 0) {
        copy.slots = la_stock_take(stock, size);
        if (!copy.slots)
            return LA_ENOMEM;
        memcpy(copy.slots, from->slots, size);
    }
    *sums = copy;
    return LA_OK;
}

enum la_status la_sums_merge(struct la_stock *stock, struct la_sums *into,
                             const struct la_sums *from) {
    const struct la_sum *sum;
    for (uint32_t at = 0; (sum = la_sums_next(from, &at));)
        if (la_sums_add(stock, into, sum->key, sum->count) != LA_OK)
            return LA_ENOMEM;
    return LA_OK;
}

void la_sums_release(struct la_stock *stock, struct la_sums *sums) {
    if (sums->bits > 0)
        la_stock_give(stock, sums->slots, sizeof *sums->slots << sums->bits);
    *sums = (struct la_sums){0};
}

static int by_key(const void *a, const void *b) {
    const struct la_sum *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static void put_in_order(struct la_sum *items, uint32_t count) {
    if (count > FEW) {
        qsort(items, count, sizeof *items, by_key);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        struct la_sum sum = items[i];
        uint32_t place = i;
        for (; place > 0 && items[place - 1].key > sum.key; place--)
            items[place] = items[place - 1];
        items[place] = sum;
    }
}

enum la_status la_sums_sorted(const struct la_sums *sums, struct la_sum_list *list) {
    const struct la_sum *sum;
    *list = (struct la_sum_list){.items = malloc((sums->count + 1) * sizeof *list->items)};
    if (!list->items)
        return LA_ENOMEM;
    for (uint32_t at = 0; (sum = la_sums_next(sums, &at));)
        if (sum->count != 0)
            list->items[list->count++] = *sum;
    put_in_order(list->items, list->count);
    return LA_OK;
}
