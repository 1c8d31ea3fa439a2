#include "track/slots.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1024 };

/* Large tables are met at random: address translation counts there, see base/pages.h. */
static size_t pieces_of(size_t count) {
    return count * sizeof(struct slot) / LA_PIECE;
}

static struct slot *make(struct la_pages *pages, size_t count) {
    size_t pieces = pieces_of(count);
    if (pieces == 0)
        return calloc(count, sizeof(struct slot));
    struct slot *at = la_pages_take_row(pages, pieces);
    if (at)
        memset(at, 0, count * sizeof *at);
    return at;
}

static void give_back(struct la_pages *pages, struct slot *at, size_t count) {
    size_t pieces = pieces_of(count);
    if (pieces == 0)
        free(at);
    else
        la_pages_give_row(pages, at, pieces);
}

bool slots_open(struct slots *slots, struct la_pages *pages, unsigned fill) {
    *slots = (struct slots){.pages = pages, .count = FIRST_SLOTS, .fill = fill};
    slots->at = make(pages, FIRST_SLOTS);
    return slots->at != NULL;
}

void slots_close(struct slots *slots) {
    if (slots->at)
        give_back(slots->pages, slots->at, slots->count);
}

void slots_clear(struct slots *slots) {
    memset(slots->at, 0, slots->count * sizeof *slots->at);
    slots->used = 0;
}

size_t slots_bytes(const struct slots *slots) {
    return slots->count * sizeof *slots->at;
}

static void put(struct slots *slots, struct slot slot) {
    size_t mask = slots->count - 1, i = slots_home(slots, slot.tag);
    while (slots->at[i].number != SLOT_EMPTY)
        i = (i + 1) & mask;
    slots->at[i] = slot;
}

static bool grow(struct slots *slots) {
    const struct slots old = *slots;
    struct slot *at = make(slots->pages, old.count * 2);
    if (!at)
        return false;
    slots->at = at;
    slots->count = old.count * 2;
    for (size_t i = 0; i < old.count; i++)
        if (old.at[i].number != SLOT_EMPTY)
            put(slots, old.at[i]);
    give_back(old.pages, old.at, old.count);
    return true;
}

bool slots_reserve(struct slots *slots) {
    return slots->used * 16 < slots->count * slots->fill || grow(slots);
}

void slots_put(struct slots *slots, uint32_t number, uint32_t tag) {
    put(slots, (struct slot){number, tag});
    slots->used++;
}

/* Closes the gap at `hole`: what was pushed beyond its home moves back. */
static void close_gap(struct slots *slots, size_t hole) {
    size_t mask = slots->count - 1;
    for (size_t i = (hole + 1) & mask; slots->at[i].number != SLOT_EMPTY; i = (i + 1) & mask) {
        size_t home = slots_home(slots, slots->at[i].tag);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        slots->at[hole] = slots->at[i];
        hole = i;
    }
    slots->at[hole] = (struct slot){SLOT_EMPTY, 0};
}

bool slots_remove(struct slots *slots, uint32_t number, uint32_t tag) {
    for (size_t i = slots_home(slots, tag);; i++) {
        i = slots_next(slots, i, tag);
        if (slots->at[i].number == SLOT_EMPTY)
            return false;
        if (slots->at[i].number == number) {
            close_gap(slots, i);
            slots->used--;
            return true;
        }
    }
}
