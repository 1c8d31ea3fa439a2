#include "track/shelf.h"

#include "base/prefetch.h"

#include <assert.h>
#include <stdlib.h>

/* The first unit of each board stays free, so that no place is SHELF_NOTHING; so does the last one,
 * so that eight bytes can be read at once wherever an item ends. */
enum { UNIT = SHELF_UNIT, UNITS_LOG2 = SHELF_UNITS_LOG2, BOARDS_MAX = 1 << 18 };

_Static_assert(SHELF_UNITS *SHELF_UNIT == LA_PIECE, "a board is one piece of memory");

struct shelf *shelf_new(struct la_pages *pages) {
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (!shelf)
        return NULL;
    shelf->pages = pages;
    shelf->free = SHELF_NO_BOARD;
    for (int kind = 0; kind < SHELF_KINDS; kind++)
        shelf->rows[kind].first = shelf->rows[kind].last = SHELF_NO_BOARD;
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

void shelf_take_down(struct shelf *shelf, uint32_t index) {
    struct shelf_board *board = &shelf->boards[index];
    struct shelf_row *row = &shelf->rows[board->kind];
    shelf->boards[board->next].previous = board->previous;
    if (board->previous == SHELF_NO_BOARD) {
        row->first = board->next;
        row->begin = UNIT;
    } else {
        shelf->boards[board->previous].next = board->next;
    }
    board->next = shelf->free;
    shelf->free = (int32_t)index;
}

static bool hang_board(struct shelf *shelf, enum shelf_kind kind) {
    struct shelf_row *row = &shelf->rows[kind];
    if (shelf->free == SHELF_NO_BOARD && !make_board(shelf))
        return false;
    int32_t added = shelf->free;
    struct shelf_board *board = &shelf->boards[added];
    shelf->free = board->next;
    *board = (struct shelf_board){.bytes = board->bytes,
                                  .used = UNIT,
                                  .next = SHELF_NO_BOARD,
                                  .previous = row->last,
                                  .kind = (uint8_t)kind};
    int32_t full = row->last;
    row->last = added;
    row->room = LA_PIECE - 2 * UNIT;
    if (full == SHELF_NO_BOARD) {
        row->first = added;
        row->begin = UNIT;
        return true;
    }
    shelf->boards[full].next = added;
    if (shelf->boards[full].count == 0)
        shelf_take_down(shelf, (uint32_t)full);
    return true;
}

struct shelf_item *shelf_put(struct shelf *shelf, enum shelf_kind kind, size_t size,
                             uint32_t *place) {
    assert(size <= SHELF_ITEM_MAX && size % UNIT == 0);
    struct shelf_row *row = &shelf->rows[kind];
    if (row->room < size && !hang_board(shelf, kind))
        return NULL;
    struct shelf_board *board = &shelf->boards[row->last];
    struct shelf_item *item = (struct shelf_item *)(void *)(board->bytes + board->used);
    *place = (uint32_t)row->last << UNITS_LOG2 | board->used / UNIT;
    board->used += (uint32_t)size;
    board->count++;
    row->room -= (uint32_t)size;
    shelf->count++;
    item->size = (uint16_t)size;
    item->kind = (uint8_t)kind;
    la_prefetch_to_write((uint8_t *)item + size, 2 * LA_CACHE_LINE); /* the next one's */
    return item;
}

struct shelf_item *shelf_oldest(struct shelf *shelf, enum shelf_kind kind, uint32_t *place) {
    struct shelf_row *row = &shelf->rows[kind];
    while (row->first != SHELF_NO_BOARD) {
        const struct shelf_board *board = &shelf->boards[row->first];
        while (row->begin < board->used) {
            struct shelf_item *item = (struct shelf_item *)(void *)(board->bytes + row->begin);
            *place = (uint32_t)row->first << UNITS_LOG2 | row->begin / UNIT;
            if (item->kind != SHELF_GAP)
                return item;
            row->begin += item->size;
        }
        if (board->next == SHELF_NO_BOARD)
            return NULL;
        shelf_take_down(shelf, (uint32_t)row->first);
    }
    return NULL;
}

size_t shelf_count(const struct shelf *shelf) {
    return shelf->count;
}

size_t shelf_bytes(const struct shelf *shelf) {
    return shelf->board_count * LA_PIECE + shelf->board_capacity * sizeof *shelf->boards;
}
