#include "account/sample.h"

#include <stdlib.h>
#include <string.h>

enum { FEWEST_SLOTS = 4 };

struct la_account la_account_key(const struct la_addr *addr, uint16_t port) {
    uint64_t words[2];
    memcpy(words, addr->bytes, sizeof words);
    uint64_t h = words[0] * UINT64_C(0x9e3779b97f4a7c15) + words[1] + port;
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93) + ((uint64_t)port << 40);
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return (struct la_account){.hash = h ^ (h >> 32), .addr = *addr, .port = port};
}

static int compare(const struct la_account *a, const struct la_account *b) {
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    int order = la_addr_cmp(&a->addr, &b->addr);
    return order ? order : (int)a->port - (int)b->port;
}

static int in_order(const void *a, const void *b) {
    return compare(*(const struct la_account *const *)a, *(const struct la_account *const *)b);
}

/* Where the key is, or would be. */
static struct la_account **slot_of(const struct la_sample *sample, const struct la_account *key) {
    uint32_t mask = sample->slot_count - 1, at = (uint32_t)key->hash & mask;
    while (sample->slots[at] && compare(sample->slots[at], key) != 0)
        at = (at + 1) & mask;
    return &sample->slots[at];
}

static bool resize(struct la_sample *sample, uint32_t slot_count) {
    struct la_account **old = sample->slots;
    uint32_t old_count = sample->slot_count;
    struct la_account **slots = calloc(slot_count, sizeof(struct la_account *));
    if (!slots)
        return false;
    sample->slots = slots;
    sample->slot_count = slot_count;
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i])
            *slot_of(sample, old[i]) = old[i];
    free((void *)old);
    return true;
}

/* All of them; in order when there are more than `most`. */
static struct la_account **list_all(const struct la_sample *sample, uint32_t most) {
    struct la_account **list = malloc(sample->count * sizeof(struct la_account *));
    size_t count = 0;
    for (uint32_t i = 0; list && i < sample->slot_count; i++)
        if (sample->slots[i])
            list[count++] = sample->slots[i];
    if (list && count > most)
        qsort((void *)list, count, sizeof(struct la_account *), in_order);
    return list;
}

static void dispose(const struct la_sample_kind *kind, struct la_account *account) {
    kind->release(account);
    free(account);
}

static uint32_t bound_of(const struct la_sample *sample, const struct la_sample_kind *kind) {
    return sample->most > 0 ? sample->most : kind->most;
}

void la_sample_bound(struct la_sample *sample, uint32_t most) {
    if (sample->most == 0 || most < sample->most)
        sample->most = most;
}

/* Drops what lies beyond the bound. */
static enum la_status trim(struct la_sample *sample, const struct la_sample_kind *kind) {
    uint32_t most = bound_of(sample, kind);
    if (sample->count <= most)
        return LA_OK;
    struct la_account **list = list_all(sample, most);
    if (!list)
        return LA_ENOMEM;
    sample->beyond = list[most]->hash;
    memset((void *)sample->slots, 0, sample->slot_count * sizeof(struct la_account *));
    for (uint32_t i = 0; i < sample->count; i++) {
        if (i < most)
            *slot_of(sample, list[i]) = list[i];
        else
            dispose(kind, list[i]);
    }
    sample->count = most;
    free((void *)list);
    return LA_OK;
}

static enum la_status make_room(struct la_sample *sample, const struct la_sample_kind *kind) {
    uint32_t most = bound_of(sample, kind);
    if (sample->count >= most + most / 4 + 1 && trim(sample, kind) != LA_OK)
        return LA_ENOMEM;
    if (sample->slot_count > sample->count + sample->count / 2)
        return LA_OK;
    uint32_t slot_count = sample->slot_count ? sample->slot_count * 2 : FEWEST_SLOTS;
    return resize(sample, slot_count) ? LA_OK : LA_ENOMEM;
}

enum la_status la_sample_find(struct la_sample *sample, const struct la_sample_kind *kind,
                              const struct la_account *key, struct la_account **account) {
    *account = NULL;
    if (sample->beyond != 0 && key->hash >= sample->beyond)
        return LA_OK;
    if (sample->slot_count > 0)
        *account = *slot_of(sample, key);
    if (*account)
        return LA_OK;
    if (make_room(sample, kind) != LA_OK)
        return LA_ENOMEM;
    if (sample->beyond != 0 && key->hash >= sample->beyond)
        return LA_OK; /* there is room no more for this one */
    struct la_account *made = calloc(1, kind->size);
    if (!made)
        return LA_ENOMEM;
    *made = *key;
    *slot_of(sample, key) = *account = made;
    sample->count++;
    return LA_OK;
}

enum la_status la_sample_merge(struct la_sample *into, const struct la_sample_kind *kind,
                               const struct la_sample *from) {
    for (uint32_t i = 0; i < from->slot_count; i++) {
        struct la_account *account;
        if (!from->slots[i])
            continue;
        if (la_sample_find(into, kind, from->slots[i], &account) != LA_OK)
            return LA_ENOMEM;
        if (account && kind->merge(account, from->slots[i]) != LA_OK)
            return LA_ENOMEM;
    }
    /* What `from` left out is missing in the accounts of `into` from there on. */
    if (from->beyond != 0 && (into->beyond == 0 || from->beyond < into->beyond))
        into->beyond = from->beyond;
    if (from->most != 0)
        la_sample_bound(into, from->most);
    return trim(into, kind);
}

void la_sample_release(struct la_sample *sample, const struct la_sample_kind *kind) {
    for (uint32_t i = 0; i < sample->slot_count; i++)
        if (sample->slots[i])
            dispose(kind, sample->slots[i]);
    free((void *)sample->slots);
    *sample = (struct la_sample){0};
}

const struct la_account **la_sample_list(const struct la_sample *sample, uint32_t most,
                                         size_t *count) {
    *count = sample->count < most ? sample->count : most;
    return *count > 0 ? (const struct la_account **)list_all(sample, most) : NULL;
}

uint64_t la_sample_total(const struct la_sample *sample, uint32_t most) {
    if (sample->count < most || (sample->count == most && sample->beyond == 0))
        return sample->count;
    struct la_account **list = list_all(sample, most - 1);
    if (!list)
        return sample->count;
    double density = ((double)list[most - 1]->hash + 1) / 18446744073709551616.0;
    free((void *)list);
    return (uint64_t)((double)(most - 1) / density + 0.5);
}
