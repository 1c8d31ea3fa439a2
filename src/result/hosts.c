/* Exact counts by host. New hosts are appended and sorted in from time to time, when they are half
 * as many as the sorted ones, so that n hosts cost n log n however they arrive. */
#include "result/result.h"

#include <stdlib.h>

enum { TAIL_MIN = 64 };

static int by_address(const void *a, const void *b) {
    const struct la_host_count *x = a, *y = b;
    return la_addr_cmp(&x->addr, &y->addr);
}

static int by_count_then_address(const void *a, const void *b) {
    const struct la_host_count *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return la_addr_cmp(&x->addr, &y->addr);
}

/* Sorts `items` and adds up equal addresses; returns how many are left. */
static size_t compact(struct la_host_count *items, size_t count) {
    if (count == 0)
        return 0;
    qsort(items, count, sizeof *items, by_address);
    size_t last = 0;
    for (size_t i = 1; i < count; i++) {
        if (la_addr_cmp(&items[i].addr, &items[last].addr) == 0)
            items[last].count += items[i].count;
        else
            items[++last] = items[i];
    }
    return last + 1;
}

static enum la_status grow(struct la_host_counts *hosts) {
    size_t capacity = hosts->capacity ? hosts->capacity * 2 : TAIL_MIN;
    struct la_host_count *items = realloc(hosts->items, capacity * sizeof *items);
    if (!items)
        return LA_ENOMEM;
    hosts->items = items;
    hosts->capacity = capacity;
    return LA_OK;
}

static enum la_status append(struct la_host_counts *hosts, const struct la_host_count *item) {
    if (hosts->count - hosts->sorted >= TAIL_MIN + hosts->sorted / 2) {
        hosts->count = compact(hosts->items, hosts->count);
        hosts->sorted = hosts->count;
    }
    if (hosts->count == hosts->capacity && grow(hosts) != LA_OK)
        return LA_ENOMEM;
    hosts->items[hosts->count++] = *item;
    return LA_OK;
}

enum la_status la_host_counts_add(struct la_host_counts *hosts, const struct la_addr *addr,
                                  uint64_t count) {
    struct la_host_count item = {.addr = *addr, .count = count};
    struct la_host_count *known = NULL;
    if (hosts->sorted > 0)
        known = bsearch(&item, hosts->items, hosts->sorted, sizeof item, by_address);
    if (!known)
        return append(hosts, &item);
    known->count += count;
    return LA_OK;
}

uint64_t la_host_counts_of(const struct la_host_counts *hosts, const struct la_addr *addr) {
    uint64_t count = 0;
    for (size_t i = 0; i < hosts->count; i++)
        if (!addr || la_addr_cmp(&hosts->items[i].addr, addr) == 0)
            count += hosts->items[i].count;
    return count;
}

enum la_status la_host_counts_top(const struct la_host_counts *hosts, size_t max,
                                  struct la_host_count *top, size_t *count, size_t *total) {
    *count = *total = 0;
    if (hosts->count == 0)
        return LA_OK;
    struct la_host_count *items = malloc(hosts->count * sizeof *items);
    if (!items)
        return LA_ENOMEM;
    memcpy(items, hosts->items, hosts->count * sizeof *items);
    *total = compact(items, hosts->count);
    qsort(items, *total, sizeof *items, by_count_then_address);
    *count = *total < max ? *total : max;
    memcpy(top, items, *count * sizeof *items);
    free(items);
    return LA_OK;
}
