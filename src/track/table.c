#include "track/table.h"

#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

enum { SLAB = LA_PIECE / sizeof(struct live), FIRST_SLOTS = 1024, MAX_PAST = 1 << 20 };

/* Half of the hash stands beside the index: most other 4-tuples are told apart, and slots moved,
 * without touching a record. */
struct slot {
    uint32_t index; /* LA_NO_LIVE: empty */
    uint32_t tag;
};

struct table {
    struct la_hash_key hash_key;
    struct la_pages *pages; /* borrowed */
    struct live **slabs;    /* owned; each of SLAB records, which `pages` owns */
    size_t slab_count, slab_capacity;
    uint32_t top;       /* first index never used */
    uint32_t free_list; /* through wheel_next */
    struct slot *slots; /* owned: the newest incarnation of each 4-tuple, by linear probing */
    size_t slot_count, in_table, in_use;

    struct la_addr *addresses; /* owned: IPv6 addresses by index */
    uint32_t *address_buckets; /* owned: index + 1 */
    size_t address_count, address_capacity;

    uint64_t *past; /* owned: upper 48 bits of a 4-tuple's hash, lower 16 its lives; 0: empty */
    size_t past_count, past_capacity;
};

struct table *table_new(struct la_pages *pages) {
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->pages = pages;
    table->hash_key = la_hash_key_random();
    table->top = 1;
    table->slot_count = FIRST_SLOTS;
    table->slots = calloc(FIRST_SLOTS, sizeof *table->slots);
    if (!table->slots) {
        table_free(table);
        return NULL;
    }
    return table;
}

void table_free(struct table *table) {
    if (!table)
        return;
    free(table->slabs);
    free(table->slots);
    free(table->addresses);
    free(table->address_buckets);
    free(table->past);
    free(table);
}

struct live *table_at(struct table *table, uint32_t index) {
    return &table->slabs[index / SLAB][index % SLAB];
}

uint32_t table_top(const struct table *table) {
    return table->top;
}

size_t table_count(const struct table *table) {
    return table->in_use;
}

/* IPv6 addresses */

static uint64_t hash_address(const struct table *table, const struct la_addr *addr) {
    uint64_t words[2];
    memcpy(words, addr->bytes, sizeof words);
    return la_siphash(&table->hash_key, words, 2);
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

struct la_addr table_address(const struct table *table, const struct live *live, unsigned side) {
    uint32_t host = live->host[side];
    if (live->flags & LIVE_V6)
        return table->addresses[host];
    const uint8_t v4[4] = {(uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8),
                           (uint8_t)host};
    return la_addr_from_v4(v4);
}

/* 4-tuples */

static uint64_t hash_tuple(const struct table *table, const uint32_t host[2],
                           const uint16_t port[2], bool v6) {
    uint64_t words[2] = {(uint64_t)host[0] << 32 | host[1],
                         (uint64_t)port[0] << 32 | (uint64_t)port[1] << 16 | v6};
    return la_siphash(&table->hash_key, words, 2);
}

bool table_key(struct table *table, const struct la_segment *segment, struct key *key) {
    uint32_t src, dst;
    key->v6 = !la_addr_is_v4(&segment->src);
    if (!key->v6) {
        src = v4_of(&segment->src);
        dst = v4_of(&segment->dst);
    } else if (!intern(table, &segment->src, &src) || !intern(table, &segment->dst, &dst)) {
        return false;
    }
    /* By address, not by index: the order of sides must not depend on who came first. */
    int order = key->v6 ? la_addr_cmp(&segment->src, &segment->dst) : (src > dst) - (src < dst);
    if (order == 0)
        order = (segment->sport > segment->dport) - (segment->sport < segment->dport);
    key->swapped = order > 0;
    unsigned from = key->swapped;
    key->host[from] = src;
    key->host[!from] = dst;
    key->port[from] = segment->sport;
    key->port[!from] = segment->dport;
    key->hash = hash_tuple(table, key->host, key->port, key->v6);
    return true;
}

static bool is_tuple(const struct live *live, const struct key *key) {
    return live->host[0] == key->host[0] && live->host[1] == key->host[1] &&
           live->port[0] == key->port[0] && live->port[1] == key->port[1] &&
           (live->flags & LIVE_V6) == (key->v6 ? LIVE_V6 : 0);
}

/* The slot's home is taken from the tag, so that it can be found again without the record. */
static size_t home_of(const struct table *table, uint32_t tag) {
    return tag & (table->slot_count - 1);
}

static uint32_t tag_of(uint64_t hash) {
    return (uint32_t)(hash >> 32);
}

void table_prefetch_slot(const struct table *table, const struct key *key) {
    __builtin_prefetch(&table->slots[home_of(table, tag_of(key->hash))]);
}

struct live *table_prefetch_record(struct table *table, const struct key *key) {
    uint32_t tag = tag_of(key->hash);
    size_t mask = table->slot_count - 1;
    for (size_t i = home_of(table, tag); table->slots[i].index != LA_NO_LIVE; i = (i + 1) & mask) {
        if (table->slots[i].tag != tag)
            continue;
        struct live *record = table_at(table, table->slots[i].index);
        for (size_t line = 0; line < sizeof *record; line += 64)
            __builtin_prefetch((const char *)record + line, 1);
        return record;
    }
    return NULL;
}

struct live *table_find(struct table *table, const struct key *key) {
    uint32_t tag = tag_of(key->hash);
    size_t mask = table->slot_count - 1;
    for (size_t i = home_of(table, tag); table->slots[i].index != LA_NO_LIVE; i = (i + 1) & mask) {
        if (table->slots[i].tag != tag)
            continue;
        struct live *live = table_at(table, table->slots[i].index);
        if (is_tuple(live, key))
            return live;
    }
    return NULL;
}

static uint64_t hash_live(const struct table *table, const struct live *live) {
    return hash_tuple(table, live->host, live->port, (live->flags & LIVE_V6) != 0);
}

static void put_slot(struct table *table, struct slot slot) {
    size_t mask = table->slot_count - 1, i = home_of(table, slot.tag);
    while (table->slots[i].index != LA_NO_LIVE)
        i = (i + 1) & mask;
    table->slots[i] = slot;
}

static bool grow_slots(struct table *table) {
    size_t old_count = table->slot_count;
    struct slot *old = table->slots;
    struct slot *slots = calloc(old_count * 2, sizeof *slots);
    if (!slots)
        return false;
    table->slots = slots;
    table->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].index != LA_NO_LIVE)
            put_slot(table, old[i]);
    free(old);
    return true;
}

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

static uint32_t take_index(struct table *table) {
    uint32_t index = table->free_list;
    if (index != LA_NO_LIVE) {
        table->free_list = table_at(table, index)->wheel_next;
        return index;
    }
    if (table->top == UINT32_MAX || (table->top / SLAB == table->slab_count && !add_slab(table)))
        return LA_NO_LIVE;
    return table->top++;
}

struct live *table_add(struct table *table, const struct key *key, struct live *former) {
    if (table->in_table * 8 >= table->slot_count * 7 && !grow_slots(table))
        return NULL;
    uint32_t index = take_index(table);
    if (index == LA_NO_LIVE)
        return NULL;
    struct live *live = table_at(table, index);
    memset(live, 0, sizeof *live);
    live->self = index;
    memcpy(live->host, key->host, sizeof live->host);
    memcpy(live->port, key->port, sizeof live->port);
    live->flags = key->v6 ? LIVE_V6 : 0;
    if (former) {
        live->older = former->self;
        former->newer = index;
        table_remove(table, former);
    }
    put_slot(table, (struct slot){index, tag_of(key->hash)});
    table->in_table++;
    table->in_use++;
    return live;
}

/* Closes the gap at `hole`: what was pushed beyond its home moves back. */
static void close_gap(struct table *table, size_t hole) {
    size_t mask = table->slot_count - 1;
    for (size_t i = (hole + 1) & mask; table->slots[i].index != LA_NO_LIVE; i = (i + 1) & mask) {
        size_t home = home_of(table, table->slots[i].tag);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        table->slots[hole] = table->slots[i];
        hole = i;
    }
    table->slots[hole] = (struct slot){LA_NO_LIVE, 0};
}

void table_remove(struct table *table, struct live *live) {
    uint32_t tag = tag_of(hash_live(table, live));
    size_t mask = table->slot_count - 1;
    for (size_t i = home_of(table, tag); table->slots[i].index != LA_NO_LIVE; i = (i + 1) & mask) {
        if (table->slots[i].index != live->self)
            continue;
        close_gap(table, i);
        table->in_table--;
        return;
    }
    /* Not there: an older incarnation, which left when its successor came. */
}

void table_release(struct table *table, struct live *live) {
    uint32_t index = live->self;
    memset(live, 0, sizeof *live);
    live->wheel_next = table->free_list;
    table->free_list = index;
    table->in_use--;
}

void table_clear(struct table *table) {
    memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    table->in_table = table->in_use = 0;
    table->free_list = LA_NO_LIVE;
    table->top = 1;
}

size_t table_bytes(const struct table *table) {
    return table->slab_count * LA_PIECE + table->slot_count * sizeof *table->slots +
           table->address_capacity *
               (sizeof *table->addresses + 2 * sizeof *table->address_buckets) +
           table->past_capacity * sizeof *table->past;
}

/* Past lives. Two 4-tuples of one 48-bit mark in a million: once in 500 captures of that size, and
 * the price is a wrong `incarnation`. */

static uint64_t mark_of(uint64_t hash) {
    uint64_t mark = hash & ~UINT64_C(0xffff);
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
    return (uint16_t)table->past[past_slot(table, mark_of(key->hash))];
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

void table_note_lives(struct table *table, const struct live *live) {
    bool full = table->past_count * 2 >= table->past_capacity;
    if (full && (table->past_count >= MAX_PAST || !grow_past(table)))
        return;
    uint64_t mark = mark_of(hash_live(table, live));
    size_t slot = past_slot(table, mark);
    table->past_count += table->past[slot] == 0;
    table->past[slot] = mark | live->incarnation;
}
