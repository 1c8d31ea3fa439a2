#include "track/shelf.h"

#include <assert.h>
#include <stdlib.h>

/* The first unit of each board stays free, so that no place is SHELF_NOTHING. */
enum { UNIT = SHELF_UNIT, UNITS_LOG2 = SHELF_UNITS_LOG2, BOARDS_MAX = 1 << 16, NO_BOARD = -1 };

_Static_assert(SHELF_UNITS *SHELF_UNIT == LA_PIECE, "a board is one piece of memory");

struct shelf *shelf_new(struct la_pages *pages) {
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (!shelf)
        return NULL;
    shelf->pages = pages;
    shelf->first = shelf->last = shelf->free = NO_BOARD;
    return shelf;
}

void shelf_free(struct shelf *shelf) {
    if (!shelf)
        return;
    free(shelf->boards);
    free(shelf);
}

static bool make_board(struct shelf *shelf) {
    if (shelf->board_count == BOARDS_MAX)
        return false;
    if (shelf->board_count == shelf->board_capacity) {
        size_t capacity = shelf->board_capacity ? shelf->board_capacity * 2 : 16;
        struct shelf_board *boards = realloc(shelf->boards, capacity * sizeof *boards);
        if (!boards)
            return false;
        shelf->boards = boards;
        shelf->board_capacity = capacity;
    }
    uint8_t *bytes = la_pages_take(shelf->pages);
    if (!bytes)
        return false;
    shelf->boards[shelf->board_count] = (struct shelf_board){bytes, 0, shelf->free};
    shelf->free = (int32_t)shelf->board_count++;
    return true;
}

static bool hang_board(struct shelf *shelf) {
    if (shelf->free == NO_BOARD && !make_board(shelf))
        return false;
    int32_t added = shelf->free;
    struct shelf_board *board = &shelf->boards[added];
    shelf->free = board->next;
    board->next = NO_BOARD;
    board->used = UNIT;
    if (shelf->last == NO_BOARD) {
        shelf->first = added;
        shelf->begin = UNIT;
    } else {
        shelf->boards[shelf->last].next = added;
    }
    shelf->last = added;
    return true;
}

uint32_t shelf_put(struct shelf *shelf, size_t size) {
    assert(size <= SHELF_ITEM_MAX && size % UNIT == 0);
    bool has_room = shelf->last != NO_BOARD && shelf->boards[shelf->last].used + size <= LA_PIECE;
    if (!has_room && !hang_board(shelf))
        return SHELF_NOTHING;
    struct shelf_board *board = &shelf->boards[shelf->last];
    uint32_t place = (uint32_t)shelf->last << UNITS_LOG2 | board->used / UNIT;
    board->used += (uint32_t)size;
    shelf->count++;
    shelf_at(shelf, place)->size = (uint16_t)size;
    return place;
}

void shelf_take_off(struct shelf *shelf, uint32_t place) {
    shelf_at(shelf, place)->kind = SHELF_GAP;
    shelf->count--;
}

/* The first board has nothing more on it. */
static void take_down_board(struct shelf *shelf) {
    struct shelf_board *board = &shelf->boards[shelf->first];
    int32_t next = board->next;
    board->next = shelf->free;
    shelf->free = shelf->first;
    shelf->first = next;
    shelf->begin = UNIT;
    if (next == NO_BOARD)
        shelf->last = NO_BOARD;
}

uint32_t shelf_oldest(struct shelf *shelf) {
    while (shelf->first != NO_BOARD) {
        for (const struct shelf_board *board = &shelf->boards[shelf->first];
             shelf->begin < board->used;) {
            uint32_t place = (uint32_t)shelf->first << UNITS_LOG2 | shelf->begin / UNIT;
            const struct shelf_item *item = shelf_at(shelf, place);
            if (item->kind != SHELF_GAP)
                return place;
            shelf->begin += item->size;
        }
        take_down_board(shelf);
    }
    return SHELF_NOTHING;
}

size_t shelf_count(const struct shelf *shelf) {
    return shelf->count;
}

size_t shelf_bytes(const struct shelf *shelf) {
    return shelf->board_count * LA_PIECE + shelf->board_capacity * sizeof *shelf->boards;
}
