#include "track/shelf.h"

#include <assert.h>
#include <stdlib.h>

/* The first unit of each board stays free, so that no place is SHELF_NOTHING. */
enum { UNIT = SHELF_UNIT, UNITS_LOG2 = SHELF_UNITS_LOG2, BOARDS_MAX = 1 << 18, NO_BOARD = -1 };

_Static_assert(SHELF_UNITS *SHELF_UNIT == LA_PIECE, "a board is one piece of memory");

struct shelf *shelf_new(struct la_pages *pages) {
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (!shelf)
        return NULL;
    shelf->pages = pages;
    shelf->free = NO_BOARD;
    for (int kind = 0; kind < SHELF_KINDS; kind++)
        shelf->rows[kind].first = shelf->rows[kind].last = NO_BOARD;
    return shelf;
}

void shelf_free(struct shelf *shelf) {
    if (!shelf)
        return;
    for (size_t i = 0; i < shelf->board_count; i++)
        la_pages_return(shelf->pages, shelf->boards[i].bytes);
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
    shelf->boards[shelf->board_count] = (struct shelf_board){.bytes = bytes, .next = shelf->free};
    shelf->free = (int32_t)shelf->board_count++;
    return true;
}

/* Nothing is on it any more, and nothing will be put there: it is not the last of its row. */
static void take_down(struct shelf *shelf, int32_t index) {
    struct shelf_board *board = &shelf->boards[index];
    struct shelf_row *row = &shelf->rows[board->kind];
    shelf->boards[board->next].previous = board->previous;
    if (board->previous == NO_BOARD) {
        row->first = board->next;
        row->begin = UNIT;
    } else {
        shelf->boards[board->previous].next = board->next;
    }
    board->next = shelf->free;
    shelf->free = index;
}

static bool hang_board(struct shelf *shelf, enum shelf_kind kind) {
    struct shelf_row *row = &shelf->rows[kind];
    if (shelf->free == NO_BOARD && !make_board(shelf))
        return false;
    int32_t added = shelf->free;
    struct shelf_board *board = &shelf->boards[added];
    shelf->free = board->next;
    *board = (struct shelf_board){.bytes = board->bytes,
                                  .used = UNIT,
                                  .next = NO_BOARD,
                                  .previous = row->last,
                                  .kind = (uint8_t)kind};
    int32_t full = row->last;
    row->last = added;
    if (full == NO_BOARD) {
        row->first = added;
        row->begin = UNIT;
        return true;
    }
    shelf->boards[full].next = added;
    if (shelf->boards[full].count == 0)
        take_down(shelf, full);
    return true;
}

uint32_t shelf_put(struct shelf *shelf, enum shelf_kind kind, size_t size) {
    assert(size <= SHELF_ITEM_MAX && size % UNIT == 0);
    const struct shelf_row *row = &shelf->rows[kind];
    bool has_room = row->last != NO_BOARD && shelf->boards[row->last].used + size <= LA_PIECE;
    if (!has_room && !hang_board(shelf, kind))
        return SHELF_NOTHING;
    struct shelf_board *board = &shelf->boards[row->last];
    uint32_t place = (uint32_t)row->last << UNITS_LOG2 | board->used / UNIT;
    board->used += (uint32_t)size;
    board->count++;
    shelf->count++;
    struct shelf_item *item = shelf_at(shelf, place);
    item->size = (uint16_t)size;
    item->kind = (uint8_t)kind;
    return place;
}

void shelf_take_off(struct shelf *shelf, uint32_t place) {
    int32_t index = (int32_t)(place >> UNITS_LOG2);
    struct shelf_board *board = &shelf->boards[index];
    shelf_at(shelf, place)->kind = SHELF_GAP;
    shelf->count--;
    if (--board->count == 0 && board->next != NO_BOARD)
        take_down(shelf, index);
}

uint32_t shelf_oldest(struct shelf *shelf, enum shelf_kind kind) {
    struct shelf_row *row = &shelf->rows[kind];
    while (row->first != NO_BOARD) {
        const struct shelf_board *board = &shelf->boards[row->first];
        for (; row->begin < board->used;) {
            uint32_t place = (uint32_t)row->first << UNITS_LOG2 | row->begin / UNIT;
            const struct shelf_item *item = shelf_at(shelf, place);
            if (item->kind != SHELF_GAP)
                return place;
            row->begin += item->size;
        }
        if (board->next == NO_BOARD)
            return SHELF_NOTHING;
        take_down(shelf, row->first);
    }
    return SHELF_NOTHING;
}

size_t shelf_count(const struct shelf *shelf) {
    return shelf->count;
}

size_t shelf_bytes(const struct shelf *shelf) {
    return shelf->board_count * LA_PIECE + shelf->board_capacity * sizeof *shelf->boards;
}
