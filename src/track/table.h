/* Where the tracker keeps its records: slabs, the table of 4-tuples, IPv6 addresses, and the number
 * of lives of 4-tuples that are forgotten. Internal to this room. */
#ifndef LA_TRACK_TABLE_H
#define LA_TRACK_TABLE_H

#include "base/pages.h"
#include "base/siphash.h"
#include "track/live.h"

/* A 4-tuple in canonical order; `swapped` says that the segment's source is side 1. */
struct key {
    uint32_t host[2];
    uint16_t port[2];
    uint16_t v6;
    bool swapped;
    uint64_t hash;
};

struct table;

/* `pages` is borrowed, and owns the records. NULL when out of memory. */
struct table *table_new(struct la_pages *pages);
void table_free(struct table *table);

/* False when out of memory (an IPv6 address could not be noted). */
bool table_key(struct table *table, const struct la_segment *segment, struct key *key);
/* The newest incarnation of the 4-tuple; NULL when there is none. */
struct live *table_find(struct table *table, const struct key *key);
/* Ask for the memory that table_find() will touch: first the slot, later the record. The record
 * that is likely meant is returned, not to be looked at before it can have arrived; NULL: none. */
void table_prefetch_slot(const struct table *table, const struct key *key);
struct live *table_prefetch_record(struct table *table, const struct key *key);
/* A cleared record, as the newest incarnation of its 4-tuple: a former one is linked as `older` and
 * leaves the table. NULL when out of memory. */
struct live *table_add(struct table *table, const struct key *key, struct live *former);
/* Takes a newest incarnation out of the table (its record stays). */
void table_remove(struct table *table, struct live *live);
/* Gives the record back. */
void table_release(struct table *table, struct live *live);

/* Forgets all records at once; what hangs on them is its owner's. Only before table_free(). */
void table_clear(struct table *table);

/* Records by index, 1 to table_top() - 1; one that is in use knows its index as `self`, others have
 * 0 there. */
struct live *table_at(struct table *table, uint32_t index);
uint32_t table_top(const struct table *table);
size_t table_count(const struct table *table);
size_t table_bytes(const struct table *table);

struct la_addr table_address(const struct table *table, const struct live *live, unsigned side);

/* How often a 4-tuple has lived that is in the table no more. */
uint16_t table_past_lives(const struct table *table, const struct key *key);
void table_note_lives(struct table *table, const struct live *live);

#endif
