#include "account/sample.h"

#include <string.h>

enum { FEWEST = 4 };

struct la_account la_account_key(const struct la_addr *addr, uint16_t port) {
    uint64_t words[2];
    memcpy(words, addr->bytes, sizeof words);
    uint64_t h = words[0] * UINT64_C(0x9e3779b97f4a7c15) + words[1] + port;
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93) + ((uint64_t)port << 40);
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return (struct la_account){.hash = h ^ (h >> 32), .addr = *addr, .port = port};
}

/* The first one that does not hash lower. Without branches: hashes cannot be foretold. */
static uint32_t place_of(const struct la_sample *sample, uint64_t hash) {
    const struct la_kept *kept = sample->kept;
    uint32_t low = 0, length = sample->count;
    while (length > 0) {
        uint32_t half = (length + 1) / 2;
        uint32_t lower = kept[low + half - 1].hash < hash;
        low += half & (0 - lower);
        length -= half;
    }
    return low;
}

static struct la_account *find_from(struct la_sample *sample, uint32_t place,
                                    const struct la_account *key) {
    for (; place < sample->count && sample->kept[place].hash == key->hash; place++) {
        struct la_account *account = sample->kept[place].account;
        if (account->port == key->port && la_addr_cmp(&account->addr, &key->addr) == 0) {
            sample->last = place;
            return account;
        }
    }
    return NULL;
}

static struct la_stock *home_of(struct la_stock *stock, const struct la_sample_kind *kind) {
    return kind->stocked ? stock : NULL;
}

static void dispose(struct la_stock *stock, const struct la_sample_kind *kind,
                    struct la_account *account) {
    kind->release(stock, account);
    la_stock_give(home_of(stock, kind), account, kind->size);
}

static void leave_out(struct la_stock *stock, struct la_sample *sample,
                      const struct la_sample_kind *kind, uint64_t from) {
    if (!la_sample_leaves_out(sample, from))
        sample->beyond = from;
    while (sample->count > 0 && la_sample_leaves_out(sample, sample->kept[sample->count - 1].hash))
        dispose(stock, kind, sample->kept[--sample->count].account);
}

void la_sample_bound(struct la_sample *sample, uint32_t most) {
    if (sample->most == 0 || most < sample->most)
        sample->most = most;
}

/* Whether a new key belongs to the lowest; the highest of them makes room for it. */
static bool makes_room(struct la_stock *stock, struct la_sample *sample,
                       const struct la_sample_kind *kind, const struct la_account *key,
                       uint32_t place) {
    uint32_t most = sample->most > 0 ? sample->most : kind->most;
    if (sample->count >= most)
        leave_out(stock, sample, kind, place < most ? sample->kept[most - 1].hash : key->hash);
    return !la_sample_leaves_out(sample, key->hash);
}

static void give_kept(struct la_stock *stock, struct la_sample *sample) {
    la_stock_give(stock, sample->kept, sample->capacity * sizeof *sample->kept);
}

static enum la_status insert(struct la_stock *stock, struct la_sample *sample, uint32_t place,
                             struct la_account *account) {
    if (sample->count == sample->capacity) {
        uint32_t capacity = sample->capacity ? sample->capacity * 2 : FEWEST;
        struct la_kept *kept = la_stock_take(stock, capacity * sizeof *kept);
        if (!kept)
            return LA_ENOMEM;
        if (sample->count > 0)
            memcpy(kept, sample->kept, sample->count * sizeof *kept);
        give_kept(stock, sample);
        sample->kept = kept;
        sample->capacity = capacity;
    }
    struct la_kept *kept = &sample->kept[place];
    memmove(kept + 1, kept, (sample->count++ - place) * sizeof *kept);
    *kept = (struct la_kept){account->hash, account};
    sample->last = place;
    return LA_OK;
}

enum la_status la_sample_find(struct la_stock *stock, struct la_sample *sample,
                              const struct la_sample_kind *kind, const struct la_account *key,
                              struct la_account **account) {
    *account = NULL;
    if (la_sample_leaves_out(sample, key->hash))
        return LA_OK;
    uint32_t place = place_of(sample, key->hash);
    *account = find_from(sample, place, key);
    if (*account || !makes_room(stock, sample, kind, key, place))
        return LA_OK;
    struct la_account *made = la_stock_take(home_of(stock, kind), kind->size);
    if (!made)
        return LA_ENOMEM;
    memset(made, 0, kind->size);
    *made = *key;
    if (insert(home_of(stock, kind), sample, place, made) != LA_OK) {
        la_stock_give(home_of(stock, kind), made, kind->size);
        return LA_ENOMEM;
    }
    *account = made;
    return LA_OK;
}

/* Takes over an account, or what it holds. */
static enum la_status take_over(struct la_stock *stock, struct la_sample *into,
                                const struct la_sample_kind *kind, struct la_account *account) {
    uint32_t place = place_of(into, account->hash);
    struct la_account *known = find_from(into, place, account);
    enum la_status status = LA_OK;
    if (known) {
        status = kind->merge(stock, known, account);
    } else if (makes_room(stock, into, kind, account, place)) {
        status = insert(home_of(stock, kind), into, place, account);
        if (status == LA_OK)
            return LA_OK;
    }
    dispose(stock, kind, account);
    return status;
}

enum la_status la_sample_merge(struct la_stock *stock, struct la_sample *into,
                               const struct la_sample_kind *kind, struct la_sample *from) {
    enum la_status status = LA_OK;
    if (from->most != 0)
        la_sample_bound(into, from->most);
    /* What `from` left out is missing in the accounts of `into` from there on. */
    if (from->beyond != 0)
        leave_out(stock, into, kind, from->beyond);
    for (uint32_t i = 0; i < from->count; i++) {
        enum la_status taken = take_over(stock, into, kind, from->kept[i].account);
        status = taken != LA_OK ? taken : status;
    }
    give_kept(home_of(stock, kind), from);
    *from = (struct la_sample){0};
    return status;
}

void la_sample_release(struct la_stock *stock, struct la_sample *sample,
                       const struct la_sample_kind *kind) {
    for (uint32_t i = 0; i < sample->count; i++)
        dispose(stock, kind, sample->kept[i].account);
    give_kept(home_of(stock, kind), sample);
    *sample = (struct la_sample){0};
}

uint64_t la_sample_total(const struct la_sample *sample, uint32_t most) {
    if (sample->count < most || (sample->count == most && sample->beyond == 0))
        return sample->count;
    double density = ((double)sample->kept[most - 1].hash + 1) / 18446744073709551616.0;
    return (uint64_t)((double)(most - 1) / density + 0.5);
}
