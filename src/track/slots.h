/* Where 4-tuples are found: open addressing by linear probing. A slot holds a number of what it
 * stands for, and its hash, the tag: nearly all other 4-tuples are told apart, and slots moved,
 * without touching a record. Internal to this room. */
#ifndef LA_TRACK_SLOTS_H
#define LA_TRACK_SLOTS_H

#include "base/pages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLOT_EMPTY = 0 };

struct slot {
    uint32_t number; /* SLOT_EMPTY: of nothing */
    uint32_t tag;
};

struct slots {
    struct la_pages *pages; /* borrowed */
    struct slot *at;        /* owned */
    size_t count;           /* a power of two */
    size_t used;
    unsigned fill; /* sixteenths that may be used */
};

/* `pages` is borrowed. The more is filled the less memory is taken, and the longer a search is,
 * above all one in vain: `fill` sixteenths. False when out of memory. */
bool slots_open(struct slots *slots, struct la_pages *pages, unsigned fill);
void slots_close(struct slots *slots);
void slots_clear(struct slots *slots);
size_t slots_bytes(const struct slots *slots);

/* The slot's home is taken from the tag, so that it can be found again without the record. */
static inline size_t slots_home(const struct slots *slots, uint32_t tag) {
    return tag & (slots->count - 1);
}

static inline void slots_prefetch(const struct slots *slots, uint32_t tag) {
    __builtin_prefetch(&slots->at[slots_home(slots, tag)]);
}

/* The slot that holds `tag` at or after `from`; one that is empty when there is none. */
static inline size_t slots_next(const struct slots *slots, size_t from, uint32_t tag) {
    size_t mask = slots->count - 1, i = from & mask;
    while (slots->at[i].number != SLOT_EMPTY && slots->at[i].tag != tag)
        i = (i + 1) & mask;
    return i;
}

/* The first number with that tag; SLOT_EMPTY: none. */
static inline uint32_t slots_first(const struct slots *slots, uint32_t tag) {
    return slots->at[slots_next(slots, slots_home(slots, tag), tag)].number;
}

/* Room for one more. False when out of memory. */
bool slots_reserve(struct slots *slots);
/* After slots_reserve(). */
void slots_put(struct slots *slots, uint32_t number, uint32_t tag);
/* False when it was not there. */
bool slots_remove(struct slots *slots, uint32_t number, uint32_t tag);

#endif
