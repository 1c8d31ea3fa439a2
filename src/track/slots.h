/* Where 4-tuples are found: a row of slots is a line of the cache, and looked at in one; what finds
 * no room in its row lies in the next one that has some. A slot holds a number of what it stands
 * for, and its hash, the tag: nearly all other 4-tuples are told apart, and slots moved, without
 * touching a record. Internal to this room. */
#ifndef LA_TRACK_SLOTS_H
#define LA_TRACK_SLOTS_H

#include "base/lanes.h"
#include "base/pages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No number, and no tag. */
enum { SLOT_EMPTY = 0 };
#define SLOT_NOWHERE SIZE_MAX

/* Those in use come first. */
struct slot_row {
    _Alignas(64) uint32_t tags[LA_LANES];
    uint32_t numbers[LA_LANES];
};

struct slots {
    struct la_pages *pages; /* borrowed */
    struct slot_row *rows;  /* owned */
    size_t count;           /* of rows; a power of two */
    size_t used;            /* slots */
    unsigned fill;          /* sixteenths that may be used */
};

/* `pages` is borrowed. The more is filled the less memory is taken, and the more rows are full:
 * `fill` sixteenths. False when out of memory. */
bool slots_open(struct slots *slots, struct la_pages *pages, unsigned fill);
void slots_close(struct slots *slots);
void slots_clear(struct slots *slots);
size_t slots_bytes(const struct slots *slots);

/* The row where a tag is looked for first: taken from the tag, so that it can be found again
 * without the record. */
static inline size_t slots_home(const struct slots *slots, uint32_t tag) {
    return tag & (slots->count - 1);
}

static inline const struct slot_row *slots_row(const struct slots *slots, uint32_t tag) {
    return &slots->rows[slots_home(slots, tag)];
}

static inline bool slots_is_full(const struct slot_row *row) {
    return row->tags[LA_LANES - 1] != SLOT_EMPTY;
}

/* The next slot with that tag, from the one at `from`; SLOT_NOWHERE: none. */
static inline size_t slots_next(const struct slots *slots, size_t from, uint32_t tag) {
    size_t mask = slots->count - 1, at = from / LA_LANES & mask;
    unsigned rest = (unsigned)LA_ALL_LANES << from % LA_LANES;
    unsigned equal = la_lanes_equal(slots->rows[at].tags, tag) & rest;
    while (equal == 0) {
        if (!slots_is_full(&slots->rows[at]))
            return SLOT_NOWHERE;
        at = (at + 1) & mask;
        equal = la_lanes_equal(slots->rows[at].tags, tag);
    }
    return at * LA_LANES + la_first_lane(equal);
}

/* The first one. */
static inline size_t slots_find(const struct slots *slots, uint32_t tag) {
    return slots_next(slots, slots_home(slots, tag) * LA_LANES, tag);
}

static inline uint32_t slots_number(const struct slots *slots, size_t at) {
    return slots->rows[at / LA_LANES].numbers[at % LA_LANES];
}

/* The number that a tag most likely leads to, in one look at its first row: hardly any other has
 * that tag, or lies elsewhere. When there is none in that row mostly SLOT_EMPTY; without a branch,
 * which nobody could foretell. */
static inline uint32_t slots_likely(const struct slots *slots, uint32_t tag) {
    const struct slot_row *row = slots_row(slots, tag);
    return row->numbers[la_first_lane(la_lanes_equal(row->tags, tag) | 1u << (LA_LANES - 1))];
}

/* Room for one more. False when out of memory. */
bool slots_reserve(struct slots *slots);
/* After slots_reserve(). */
void slots_put(struct slots *slots, uint32_t number, uint32_t tag);
/* False when it was not there. */
bool slots_remove(struct slots *slots, uint32_t number, uint32_t tag);

#endif
