#include "track/slots.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROWS = 128 };

static size_t pieces_of(size_t count) {
    return count * sizeof(struct slot_row) / LA_PIECE;
}

static struct slot_row *make(struct la_pages *pages, size_t count) {
    size_t pieces = pieces_of(count), size = count * sizeof(struct slot_row);
    struct slot_row *rows = pieces > 0 ? la_pages_take_row(pages, pieces)
                                       : aligned_alloc(_Alignof(struct slot_row), size);
    if (rows)
        memset(rows, 0, size);
    return rows;
}

static void give_back(struct la_pages *pages, struct slot_row *rows, size_t count) {
    size_t pieces = pieces_of(count);
    if (pieces == 0)
        free(rows);
    else
        la_pages_give_row(pages, rows, pieces);
}

bool slots_open(struct slots *slots, struct la_pages *pages, unsigned fill) {
    *slots = (struct slots){.pages = pages, .count = FIRST_ROWS, .fill = fill};
    slots->rows = make(pages, FIRST_ROWS);
    return slots->rows != NULL;
}

void slots_close(struct slots *slots) {
    if (slots->rows)
        give_back(slots->pages, slots->rows, slots->count);
}

void slots_clear(struct slots *slots) {
    memset(slots->rows, 0, slots->count * sizeof *slots->rows);
    slots->used = 0;
}

size_t slots_bytes(const struct slots *slots) {
    return slots->count * sizeof *slots->rows;
}

static unsigned used_of(const struct slot_row *row) {
    return la_first_lane(la_lanes_equal(row->tags, SLOT_EMPTY) | 1u << LA_LANES);
}

static void set(struct slot_row *row, unsigned lane, uint32_t number, uint32_t tag) {
    row->numbers[lane] = number;
    row->tags[lane] = tag;
}

static void put(struct slots *slots, uint32_t number, uint32_t tag) {
    size_t mask = slots->count - 1, at = slots_home(slots, tag);
    while (slots_is_full(&slots->rows[at]))
        at = (at + 1) & mask;
    set(&slots->rows[at], used_of(&slots->rows[at]), number, tag);
}

static bool grow(struct slots *slots) {
    const struct slots old = *slots;
    struct slot_row *rows = make(slots->pages, old.count * 2);
    if (!rows)
        return false;
    slots->rows = rows;
    slots->count = old.count * 2;
    for (const struct slot_row *row = old.rows; row < old.rows + old.count; row++)
        for (unsigned lane = 0; lane < LA_LANES && row->tags[lane] != SLOT_EMPTY; lane++)
            put(slots, row->numbers[lane], row->tags[lane]);
    give_back(old.pages, old.rows, old.count);
    return true;
}

bool slots_reserve(struct slots *slots) {
    return slots->used * 16 < slots->count * LA_LANES * slots->fill || grow(slots);
}

void slots_put(struct slots *slots, uint32_t number, uint32_t tag) {
    put(slots, number, tag);
    slots->used++;
}

/* Empties a slot. The last one of its row takes its place. */
static void take_out(struct slot_row *row, unsigned lane) {
    unsigned last = used_of(row) - 1;
    set(row, lane, row->numbers[last], row->tags[last]);
    set(row, last, SLOT_EMPTY, SLOT_EMPTY);
}

/* The first slot of the row at `at` that had to pass over the row at `passed`; LA_LANES: none. */
static unsigned strayed_from(const struct slots *slots, size_t passed, size_t at) {
    const struct slot_row *row = &slots->rows[at];
    size_t mask = slots->count - 1;
    unsigned lane = 0;
    while (lane < LA_LANES &&
           (row->tags[lane] == SLOT_EMPTY ||
            ((at - slots_home(slots, row->tags[lane])) & mask) < ((at - passed) & mask)))
        lane++;
    return lane;
}

/* The row at `gap` was full: what passed over it, and would not be found any more, moves there. */
static void close_gap(struct slots *slots, size_t gap) {
    size_t mask = slots->count - 1, at = gap;
    bool was_full = true;
    while (was_full) {
        at = (at + 1) & mask;
        struct slot_row *row = &slots->rows[at];
        was_full = slots_is_full(row);
        unsigned lane = strayed_from(slots, gap, at);
        if (lane == LA_LANES)
            continue;
        set(&slots->rows[gap], LA_LANES - 1, row->numbers[lane], row->tags[lane]);
        take_out(row, lane);
        gap = at;
    }
}

bool slots_remove(struct slots *slots, uint32_t number, uint32_t tag) {
    size_t at = slots_find(slots, tag);
    while (at != SLOT_NOWHERE && slots_number(slots, at) != number)
        at = slots_next(slots, at + 1, tag);
    if (at == SLOT_NOWHERE)
        return false;
    struct slot_row *row = &slots->rows[at / LA_LANES];
    bool was_full = slots_is_full(row);
    take_out(row, at % LA_LANES);
    if (was_full)
        close_gap(slots, at / LA_LANES);
    slots->used--;
    return true;
}
