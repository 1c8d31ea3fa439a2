/* Where the tracker keeps its records: slabs of live ones, a shelf of those that are only
 * remembered, the table of 4-tuples, IPv6 addresses, and the number of lives of 4-tuples that are
 * forgotten. Internal to this room. */
#ifndef LA_TRACK_TABLE_H
#define LA_TRACK_TABLE_H

#include "base/hash.h"
#include "base/pages.h"
#include "track/live.h"
#include "track/shapes.h"
#include "track/shelf.h"
#include "track/slots.h"

#include <string.h>

/* A 4-tuple in canonical order; `swapped` says that the segment's source is side 1. */
struct key {
    uint32_t host[2];
    uint16_t port[2];
    uint16_t v6;
    bool swapped;
    uint32_t tag;
};

static inline bool key_is_of(const struct key *key, const uint32_t host[2], const uint16_t port[2],
                             bool v6) {
    uint64_t hosts[2];
    uint32_t ports[2];
    memcpy(&hosts[0], host, sizeof hosts[0]);
    memcpy(&hosts[1], key->host, sizeof hosts[1]);
    memcpy(&ports[0], port, sizeof ports[0]);
    memcpy(&ports[1], key->port, sizeof ports[1]);
    return ((hosts[0] ^ hosts[1]) | (ports[0] ^ ports[1]) | (v6 ^ key->v6)) == 0;
}

enum { TABLE_SLAB = LA_PIECE / sizeof(struct live) };

struct table {
    struct la_hash_key hash_key;
    struct la_pages *pages; /* borrowed */
    struct live **slabs;    /* owned; each of TABLE_SLAB records, which `pages` owns */
    size_t slab_count, slab_capacity;
    struct shelf *shelf;   /* owned */
    struct shapes *shapes; /* owned: of what is packed on the shelf */
    uint32_t top;          /* first index never used */
    uint32_t free_list;    /* through `older` */
    size_t in_use;
    /* The newest incarnation of each 4-tuple: the few that are met with each segment stay in the
     * cache when the many that are only remembered lie elsewhere. */
    struct slots lives;   /* indices of records */
    struct slots shelved; /* places of items */

    struct la_addr *addresses; /* owned: IPv6 addresses by index */
    uint32_t *address_buckets; /* owned: index + 1 */
    size_t address_count, address_capacity;

    uint64_t *past; /* owned: upper 48 bits of a 4-tuple's hash, lower 16 its lives; 0: empty */
    size_t past_count, past_capacity;
};

struct trails;

/* A segment that was just taken in: what those who watch over connections are told. */
struct taken {
    struct table *table;
    struct trails *trails;
    struct la_pool *pool;
    struct live *live;
    unsigned side; /* that sent the segment */
    const struct la_segment *segment;
    enum la_class class;
};

/* `pages` is borrowed, and owns the records. NULL when out of memory. */
struct table *table_new(struct la_pages *pages);
void table_free(struct table *table);

/* Its key. Asks for the slots in which it is going to be found. False when out of memory (an IPv6
 * address could not be noted). */
bool table_key(struct table *table, const struct la_segment *segment, struct key *key);
/* The rest of a key that has `v6`, from who sends and who receives. */
void table_order_key(const struct table *table, struct key *key, const uint32_t host[2],
                     const uint16_t port[2]);
/* The newest incarnation of a 4-tuple: a record, or its place on the shelf, or neither. */
struct found {
    struct live *live;
    uint32_t shelved; /* SHELF_NOTHING: none */
};
struct found table_find(const struct table *table, const struct key *key);
/* When the slots can have arrived: the records that are likely meant, which are asked for. */
void table_likely(const struct table *table, const struct key *keys, size_t count,
                  struct live **likely);
/* Asks for an item, of a key that no record was found for. */
void table_prefetch_item(const struct table *table, const struct key *key);
/* What table_shelve() will touch, to be asked for. */
static inline const void *table_shelving(const struct table *table, const struct key *key) {
    return slots_row(&table->shelved, key->tag);
}
/* Whether a record that was there when its memory was asked for is, or was, one of this 4-tuple. */
static inline bool table_is_of(const struct live *likely, const struct key *key) {
    return key_is_of(key, likely->host, likely->port, likely->flags & LIVE_V6);
}
/* Whether such a record is in use, and the newest. */
static inline bool table_is_newest(const struct live *live) {
    return live->self != LA_NO_LIVE && live->newer == LA_NO_LIVE;
}
/* A record, cleared but for what is of its place, as the newest incarnation of its 4-tuple: a
 * former one is linked as `older` and leaves the table. NULL when out of memory. */
struct live *table_add(struct table *table, const struct key *key, struct live *former);
/* Takes a newest incarnation out of the table (its record stays). */
void table_remove(struct table *table, struct live *live);
/* Gives the record back: it has no flags any more but those of its place. */
void table_release(struct table *table, struct live *live);

/* Items on the shelf are found by their 4-tuple as records are. `size` with the head, which is
 * filled in but for the time of expiry; what follows it is the caller's. */

/* An item of a 4-tuple that is not in the table. NULL: no room. */
struct shelf_item *table_add_item(struct table *table, const struct key *key, enum shelf_kind kind,
                                  size_t size);
/* An item in the place of a record, which is in the table no more; `tag` is that of its key. NULL:
 * no room, and it stays. */
struct shelf_item *table_shelve(struct table *table, struct live *live, uint32_t tag,
                                enum shelf_kind kind, size_t size);
/* A cleared record in the place of an item, which the caller takes off the shelf. NULL when out of
 * memory. */
struct live *table_unshelve(struct table *table, const struct key *key, uint32_t place);
/* Takes an item out of the table and off the shelf. */
void table_forget_item(struct table *table, uint32_t place);

/* Forgets all records at once; what hangs on them is its owner's. Only before table_free(). */
void table_clear(struct table *table);

/* Records by index, 1 to table_top() - 1; one that is in use knows its index as `self`, others have
 * 0 there. That of LA_NO_LIVE is nobody's. */
static inline struct live *table_at(const struct table *table, uint32_t index) {
    return &table->slabs[index / TABLE_SLAB][index % TABLE_SLAB];
}
uint32_t table_top(const struct table *table);
size_t table_count(const struct table *table);
/* Records in use. */
static inline size_t table_lives(const struct table *table) {
    return table->in_use;
}
size_t table_bytes(const struct table *table);

struct la_addr table_address(const struct table *table, uint32_t host, bool v6);

/* How often a 4-tuple has lived that is in the table no more. */
uint16_t table_past_lives(const struct table *table, const struct key *key);
void table_note_lives(struct table *table, const struct live *live);
void table_note_item_lives(struct table *table, const struct shelf_item *item, uint16_t lives);

#endif
