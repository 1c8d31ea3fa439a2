#include "track/table.h"

#include "base/pages.h"
#include "base/prefetch.h"
#include "base/select.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PAST = 1 << 20 };

#define INDICES (UINT32_C(1) << 31)

/* Sixteenths. Most that are looked for among the records are there, and found at once; on the shelf
 * emptier slots would cost more memory than searches in vain cost time. */
enum { LIVES_FILL = 8, SHELVED_FILL = 13 };

static bool add_slab(struct table *table) {
    if (table->slab_count == table->slab_capacity) {
        size_t capacity = table->slab_capacity ? table->slab_capacity * 2 : 16;
        struct live **slabs = realloc(table->slabs, capacity * sizeof(struct live *));
        if (!slabs)
            return false;
        table->slabs = slabs;
        table->slab_capacity = capacity;
    }
    struct live *slab = la_pages_take(table->pages);
    if (!slab)
        return false;
    table->slabs[table->slab_count++] = slab;
    return true;
}

/* The record that no 4-tuple has, so that whoever finds none finds that. */
static bool add_nobody(struct table *table) {
    if (!add_slab(table))
        return false;
    memset(table_at(table, LA_NO_LIVE), 0, sizeof(struct live));
    table->top = LA_NO_LIVE + 1;
    return true;
}

struct table *table_new(struct la_pages *pages) {
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->pages = pages;
    table->hash_key = la_hash_key_random();
    table->shelf = shelf_new(pages);
    table->shapes = shapes_new();
    bool slots = slots_open(&table->lives, pages, LIVES_FILL) &&
                 slots_open(&table->shelved, pages, SHELVED_FILL);
    if (!slots || !table->shelf || !table->shapes || !add_nobody(table)) {
        table_free(table);
        return NULL;
    }
    return table;
}

void table_free(struct table *table) {
    if (!table)
        return;
    shelf_free(table->shelf);
    shapes_free(table->shapes);
    for (size_t i = 0; i < table->slab_count; i++)
        la_pages_return(table->pages, table->slabs[i]);
    free(table->slabs);
    slots_close(&table->lives);
    slots_close(&table->shelved);
    free(table->addresses);
    free(table->address_buckets);
    free(table->past);
    free(table);
}

uint32_t table_top(const struct table *table) {
    return table->top;
}

size_t table_count(const struct table *table) {
    return table->in_use + shelf_count(table->shelf);
}

/* IPv6 addresses */

static uint64_t hash_address(const struct table *table, const struct la_addr *addr) {
    uint64_t words[2];
    memcpy(words, addr->bytes, sizeof words);
    return la_hash(&table->hash_key, words, 2);
}

static bool grow_addresses(struct table *table) {
    size_t capacity = table->address_capacity ? table->address_capacity * 2 : 64;
    struct la_addr *addresses = realloc(table->addresses, capacity * sizeof *addresses);
    if (!addresses)
        return false;
    table->addresses = addresses;
    uint32_t *buckets = calloc(capacity * 2, sizeof *buckets);
    if (!buckets)
        return false;
    free(table->address_buckets);
    table->address_buckets = buckets;
    table->address_capacity = capacity;
    for (size_t i = 0; i < table->address_count; i++) {
        size_t slot = hash_address(table, &addresses[i]) & (capacity * 2 - 1);
        while (buckets[slot])
            slot = (slot + 1) & (capacity * 2 - 1);
        buckets[slot] = (uint32_t)i + 1;
    }
    return true;
}

static bool intern(struct table *table, const struct la_addr *addr, uint32_t *index) {
    if (table->address_count == table->address_capacity && !grow_addresses(table))
        return false;
    size_t mask = table->address_capacity * 2 - 1;
    size_t slot = hash_address(table, addr) & mask;
    for (; table->address_buckets[slot]; slot = (slot + 1) & mask) {
        uint32_t i = table->address_buckets[slot] - 1;
        if (la_addr_cmp(&table->addresses[i], addr) == 0) {
            *index = i;
            return true;
        }
    }
    *index = (uint32_t)table->address_count++;
    table->addresses[*index] = *addr;
    table->address_buckets[slot] = *index + 1;
    return true;
}

static uint32_t v4_of(const struct la_addr *addr) {
    const uint8_t *b = addr->bytes + 12;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

struct la_addr table_address(const struct table *table, uint32_t host, bool v6) {
    if (v6)
        return table->addresses[host];
    const uint8_t v4[4] = {(uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8),
                           (uint8_t)host};
    return la_addr_from_v4(v4);
}

/* 4-tuples. One end in a word, so that ends are ordered, and their order turned round, without a
 * branch that nobody could foretell. */

static uint64_t end_of(uint32_t host, uint16_t port) {
    return (uint64_t)host << 16 | port;
}

#define NOT_EMPTY (UINT32_C(1) << 31) /* a bit that no home is taken from */
_Static_assert((NOT_EMPTY & SLOT_EMPTY) == 0, "no tag is that of an empty slot");

/* What its slot is found by. */
static inline uint32_t tag_of(const struct table *table, const uint32_t host[2],
                              const uint16_t port[2], bool v6) {
    const uint32_t words[4] = {host[0], host[1], (uint32_t)port[0] << 16 | port[1], v6};
    return la_hash_pairs(&table->hash_key, words) | NOT_EMPTY;
}

/* By address, not by index: the order of sides must not depend on who came first. */
static int compare_addresses(const struct table *table, uint32_t a, uint32_t b) {
    return la_addr_cmp(&table->addresses[a], &table->addresses[b]);
}

/* `key->v6` is set. */
static inline void set_ends(const struct table *table, struct key *key, uint64_t from, uint64_t to,
                            bool swapped) {
    uint64_t low = la_select(swapped, to, from), high = low ^ from ^ to;
    key->swapped = swapped;
    key->host[0] = (uint32_t)(low >> 16);
    key->host[1] = (uint32_t)(high >> 16);
    key->port[0] = (uint16_t)low;
    key->port[1] = (uint16_t)high;
    key->tag = tag_of(table, key->host, key->port, key->v6);
}

void table_order_key(const struct table *table, struct key *key, const uint32_t host[2],
                     const uint16_t port[2]) {
    uint64_t from = end_of(host[0], port[0]), to = end_of(host[1], port[1]);
    int order = key->v6 ? compare_addresses(table, host[0], host[1]) : 0;
    set_ends(table, key, from, to, order == 0 ? from > to : order > 0);
}

static __attribute__((noinline)) bool key_of_v6(struct table *table,
                                                const struct la_segment *segment, struct key *key) {
    uint32_t host[2];
    const uint16_t port[2] = {segment->sport, segment->dport};
    if (!intern(table, &segment->src, &host[0]) || !intern(table, &segment->dst, &host[1]))
        return false;
    table_order_key(table, key, host, port);
    return true;
}

static inline bool make_key(struct table *table, const struct la_segment *segment,
                            struct key *key) {
    key->v6 = !la_addr_is_v4(&segment->src);
    if (key->v6)
        return key_of_v6(table, segment, key);
    uint64_t from = end_of(v4_of(&segment->src), segment->sport);
    uint64_t to = end_of(v4_of(&segment->dst), segment->dport);
    set_ends(table, key, from, to, from > to);
    return true;
}

/* A SYN is mostly the first of its 4-tuple, and looked for on the shelf as well, in vain. */
bool table_key(struct table *table, const struct la_segment *segment, struct key *key) {
    if (!make_key(table, segment, key))
        return false;
    const struct slot_row *live = slots_row(&table->lives, key->tag);
    const struct slot_row *item = slots_row(&table->shelved, key->tag);
    __builtin_prefetch(live);
    __builtin_prefetch(
        (const void *)(uintptr_t)la_select(la_is_first(segment), (uintptr_t)item, (uintptr_t)live));
    return true;
}

void table_likely(const struct table *table, const struct key *keys, size_t count,
                  struct live **likely) {
    const struct slots lives = table->lives;
    for (size_t i = 0; i < count; i++) {
        likely[i] = table_at(table, slots_likely(&lives, keys[i].tag));
        la_prefetch_to_write(likely[i], sizeof *likely[i]);
    }
}

void table_prefetch_item(const struct table *table, const struct key *key) {
    uint32_t place = slots_likely(&table->shelved, key->tag);
    if (place != SLOT_EMPTY)
        la_prefetch_to_write(shelf_at(table->shelf, place), 128);
}

static struct live *find_live(const struct table *table, const struct key *key) {
    size_t at = slots_find(&table->lives, key->tag);
    for (; at != SLOT_NOWHERE; at = slots_next(&table->lives, at + 1, key->tag)) {
        struct live *live = table_at(table, slots_number(&table->lives, at));
        if (key_is_of(key, live->host, live->port, live->flags & LIVE_V6))
            return live;
    }
    return NULL;
}

static uint32_t find_shelved(const struct table *table, const struct key *key) {
    size_t at = slots_find(&table->shelved, key->tag);
    for (; at != SLOT_NOWHERE; at = slots_next(&table->shelved, at + 1, key->tag)) {
        uint32_t place = slots_number(&table->shelved, at);
        const struct shelf_item *item = shelf_at(table->shelf, place);
        if (key_is_of(key, item->host, item->port, item->v6))
            return place;
    }
    return SHELF_NOTHING;
}

struct found table_find(const struct table *table, const struct key *key) {
    struct live *live = find_live(table, key);
    return (struct found){live, live ? SHELF_NOTHING : find_shelved(table, key)};
}

static uint32_t take_index(struct table *table) {
    uint32_t index = table->free_list;
    if (index != LA_NO_LIVE) {
        table->free_list = table_at(table, index)->older;
        la_prefetch_to_write(table_at(table, table->free_list), sizeof(struct live));
        return index;
    }
    if (table->top == INDICES || (table->top / TABLE_SLAB == table->slab_count && !add_slab(table)))
        return LA_NO_LIVE;
    table_at(table, table->top)->flags = 0; /* which are of its place; the memory may be used */
    return table->top++;
}

static struct live *make_record(struct table *table, const struct key *key) {
    uint32_t index = take_index(table);
    if (index == LA_NO_LIVE)
        return NULL;
    struct live *live = table_at(table, index);
    uint8_t noted = live->flags & LIVE_IN_WHEEL, wheel_slot = live->wheel_slot;
    memset(live, 0, sizeof *live);
    live->self = index;
    memcpy(live->host, key->host, sizeof live->host);
    memcpy(live->port, key->port, sizeof live->port);
    live->flags = noted | (key->v6 ? LIVE_V6 : 0);
    live->wheel_slot = wheel_slot;
    table->in_use++;
    return live;
}

struct live *table_add(struct table *table, const struct key *key, struct live *former) {
    struct live *live = slots_reserve(&table->lives) ? make_record(table, key) : NULL;
    if (!live)
        return NULL;
    if (former) {
        live->older = former->self;
        former->newer = live->self;
        table_remove(table, former);
    }
    slots_put(&table->lives, live->self, key->tag);
    return live;
}

void table_remove(struct table *table, struct live *live) {
    slots_remove(&table->lives, live->self,
                 tag_of(table, live->host, live->port, live->flags & LIVE_V6));
}

void table_release(struct table *table, struct live *live) {
    live->flags &= LIVE_IN_WHEEL;
    live->older = table->free_list;
    table->free_list = live->self;
    live->self = LA_NO_LIVE;
    table->in_use--;
}

struct shelf_item *table_add_item(struct table *table, const struct key *key, enum shelf_kind kind,
                                  size_t size) {
    uint32_t place;
    struct shelf_item *item =
        slots_reserve(&table->shelved) ? shelf_put(table->shelf, kind, size, &place) : NULL;
    if (!item)
        return NULL;
    memcpy(item->host, key->host, sizeof item->host);
    memcpy(item->port, key->port, sizeof item->port);
    item->v6 = key->v6 != 0;
    slots_put(&table->shelved, place, key->tag);
    return item;
}

struct shelf_item *table_shelve(struct table *table, struct live *live, uint32_t tag,
                                enum shelf_kind kind, size_t size) {
    uint32_t place;
    struct shelf_item *item =
        slots_reserve(&table->shelved) ? shelf_put(table->shelf, kind, size, &place) : NULL;
    if (!item)
        return NULL;
    memcpy(item->host, live->host, sizeof item->host);
    memcpy(item->port, live->port, sizeof item->port);
    item->v6 = (live->flags & LIVE_V6) != 0;
    item->expire_ns = live->expire_ns;
    slots_remove(&table->lives, live->self, tag);
    slots_put(&table->shelved, place, tag);
    return item;
}

struct live *table_unshelve(struct table *table, const struct key *key, uint32_t place) {
    struct live *live = slots_reserve(&table->lives) ? make_record(table, key) : NULL;
    if (!live)
        return NULL;
    slots_remove(&table->shelved, place, key->tag);
    slots_put(&table->lives, live->self, key->tag);
    live->expire_ns = shelf_at(table->shelf, place)->expire_ns;
    return live;
}

void table_forget_item(struct table *table, uint32_t place) {
    const struct shelf_item *item = shelf_at(table->shelf, place);
    slots_remove(&table->shelved, place, tag_of(table, item->host, item->port, item->v6));
    shelf_take_off(table->shelf, place);
}

void table_clear(struct table *table) {
    slots_clear(&table->lives);
    slots_clear(&table->shelved);
    table->in_use = 0;
    table->free_list = LA_NO_LIVE;
    table->top = LA_NO_LIVE + 1;
}

size_t table_bytes(const struct table *table) {
    return table->slab_count * LA_PIECE + shelf_bytes(table->shelf) + shapes_size(table->shapes) +
           slots_bytes(&table->lives) + slots_bytes(&table->shelved) +
           table->address_capacity *
               (sizeof *table->addresses + 2 * sizeof *table->address_buckets) +
           table->past_capacity * sizeof *table->past;
}

/* Past lives. Two 4-tuples of one 48-bit mark in a million: once in 500 captures of that size, and
 * the price is a wrong `incarnation`. */

static uint64_t mark_of(const struct table *table, const uint32_t host[2], const uint16_t port[2],
                        bool v6) {
    const uint64_t words[2] = {end_of(host[0], port[0]),
                               end_of(host[1], port[1]) | (uint64_t)v6 << 48};
    uint64_t mark = la_hash(&table->hash_key, words, 2) & ~UINT64_C(0xffff);
    return mark ? mark : UINT64_C(0x10000);
}

static size_t past_slot(const struct table *table, uint64_t mark) {
    size_t mask = table->past_capacity - 1;
    size_t slot = (size_t)(mark >> 16) & mask;
    while (table->past[slot] && (table->past[slot] & ~UINT64_C(0xffff)) != mark)
        slot = (slot + 1) & mask;
    return slot;
}

uint16_t table_past_lives(const struct table *table, const struct key *key) {
    if (table->past_capacity == 0)
        return 0;
    return (uint16_t)table->past[past_slot(table, mark_of(table, key->host, key->port, key->v6))];
}

static bool grow_past(struct table *table) {
    size_t capacity = table->past_capacity ? table->past_capacity * 2 : 256;
    uint64_t *old = table->past;
    size_t old_capacity = table->past_capacity;
    uint64_t *past = calloc(capacity, sizeof *past);
    if (!past)
        return false;
    table->past = past;
    table->past_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            past[past_slot(table, old[i] & ~UINT64_C(0xffff))] = old[i];
    free(old);
    return true;
}

static void note_lives(struct table *table, uint64_t mark, uint16_t lives) {
    bool full = table->past_count * 8 >= table->past_capacity * 7;
    if (full && (table->past_count >= MAX_PAST || !grow_past(table)))
        return;
    size_t slot = past_slot(table, mark);
    table->past_count += table->past[slot] == 0;
    table->past[slot] = mark | lives;
}

void table_note_lives(struct table *table, const struct live *live) {
    note_lives(table, mark_of(table, live->host, live->port, live->flags & LIVE_V6),
               live->incarnation);
}

void table_note_item_lives(struct table *table, const struct shelf_item *item, uint16_t lives) {
    note_lives(table, mark_of(table, item->host, item->port, item->v6), lives);
}
