/* Where what is only remembered lies: of each kind one item behind the other in the order in which
 * they were put there, which is the order of their expiry. Memory that holds nothing more is used
 * again. Internal to this room. */
#ifndef LA_TRACK_SHELF_H
#define LA_TRACK_SHELF_H

#include "base/pages.h"

#include <stdbool.h>
#include <stdint.h>

enum shelf_kind {
    SHELF_GAP,     /* taken off */
    SHELF_ATTEMPT, /* struct attempt */
    SHELF_CLOSED,  /* packed: see pack.h */
    SHELF_TRAIL,   /* struct trail_item */
    SHELF_KINDS,
};

/* The head of an item; what follows depends on its kind. */
struct shelf_item {
    uint32_t host[2]; /* as in a live record */
    uint16_t port[2];
    uint8_t kind; /* enum shelf_kind */
    uint8_t v6;
    uint16_t size;     /* with the head, a multiple of 8 */
    int64_t expire_ns; /* when nothing more can happen to it */
};

enum { SHELF_NOTHING = 0, SHELF_ITEM_MAX = 2048, SHELF_NO_BOARD = -1 };

/* A place is the number of a board and an offset on it in units of 8 bytes. */
enum { SHELF_UNIT = 8, SHELF_UNITS_LOG2 = 13, SHELF_UNITS = 1 << SHELF_UNITS_LOG2 };

struct shelf_board {
    uint8_t *bytes;         /* LA_PIECE */
    uint32_t used;          /* bytes, a free unit at the beginning included */
    uint32_t count;         /* items that are still on it */
    int32_t next, previous; /* of the same kind; of those without use only `next` */
    uint8_t kind;
};

/* The boards of a kind, in the order in which they were hung up. */
struct shelf_row {
    int32_t first, last;
    uint32_t begin; /* where the oldest item of the first board may lie */
    uint32_t room;  /* bytes left on the last board */
};

struct shelf {
    struct la_pages *pages;     /* borrowed */
    struct shelf_board *boards; /* owned */
    size_t board_count, board_capacity;
    struct shelf_row rows[SHELF_KINDS];
    int32_t free; /* boards without use */
    size_t count;
};

/* `pages` is borrowed until shelf_free(). NULL when out of memory. */
struct shelf *shelf_new(struct la_pages *pages);
void shelf_free(struct shelf *shelf);

static inline struct shelf_item *shelf_at(const struct shelf *shelf, uint32_t place) {
    uint8_t *bytes = shelf->boards[place >> SHELF_UNITS_LOG2].bytes;
    return (struct shelf_item *)(void *)(bytes + (place & (SHELF_UNITS - 1)) * (size_t)SHELF_UNIT);
}

/* Room for an item of `size` bytes (at most SHELF_ITEM_MAX) with its size and kind set; `*place` is
 * a number that lasts until it is taken off, and below 2^31. NULL when out of memory, or when the
 * shelf is full. */
struct shelf_item *shelf_put(struct shelf *shelf, enum shelf_kind kind, size_t size,
                             uint32_t *place);

/* Nothing is on a board any more, and nothing will be put there: it is not the last of its row. */
void shelf_take_down(struct shelf *shelf, uint32_t board);
static inline void shelf_take_off(struct shelf *shelf, uint32_t place) {
    uint32_t index = place >> SHELF_UNITS_LOG2;
    struct shelf_board *board = &shelf->boards[index];
    shelf_at(shelf, place)->kind = SHELF_GAP;
    shelf->count--;
    if (--board->count == 0 && board->next != SHELF_NO_BOARD)
        shelf_take_down(shelf, index);
}

/* The one of a kind that was put first of those that are there, and its place; NULL when none is.
 */
struct shelf_item *shelf_oldest(struct shelf *shelf, enum shelf_kind kind, uint32_t *place);

size_t shelf_count(const struct shelf *shelf);
size_t shelf_bytes(const struct shelf *shelf);

#endif
