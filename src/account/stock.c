#include "account/stock.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { BLOCK = 1 << 13 };

/* In front of what it holds: many small pieces, or a single large one. */
struct la_stock_block {
    struct la_stock_block *before, *next;
};
_Static_assert(sizeof(struct la_stock_block) % LA_STOCK_GRAIN == 0 &&
                   LA_STOCK_GRAIN % alignof(max_align_t) == 0,
               "pieces are aligned");

static void *take_block(struct la_stock *stock, size_t size) {
    struct la_stock_block *block =
        size < SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (!block)
        return NULL;
    *block = (struct la_stock_block){.next = stock->blocks};
    if (block->next)
        block->next->before = block;
    stock->blocks = block;
    return block + 1;
}

static void give_block(struct la_stock *stock, void *piece) {
    struct la_stock_block *block = (struct la_stock_block *)piece - 1;
    if (block->next)
        block->next->before = block->before;
    if (block->before)
        block->before->next = block->next;
    else
        stock->blocks = block->next;
    free(block);
}

static size_t rounded(size_t size) {
    return (size + LA_STOCK_GRAIN - 1) / LA_STOCK_GRAIN * LA_STOCK_GRAIN;
}

static void keep(struct la_stock *stock, void *piece, size_t size) {
    void **list = &stock->given_back[size / LA_STOCK_GRAIN - 1];
    *(void **)piece = *list;
    *list = piece;
}

/* What the last block has left is a piece as well, which somebody may ask for. */
static void *cut(struct la_stock *stock, size_t size) {
    size_t left = (size_t)(stock->end - stock->at);
    if (left < size) {
        char *block = take_block(stock, BLOCK - sizeof(struct la_stock_block));
        if (!block)
            return NULL;
        if (left > 0)
            keep(stock, stock->at, left);
        stock->at = block;
        stock->end = block + BLOCK - sizeof(struct la_stock_block);
    }
    void *piece = stock->at;
    stock->at += size;
    return piece;
}

void *la_stock_take(struct la_stock *stock, size_t size) {
    if (!stock)
        return malloc(size);
    if (size > LA_STOCK_LARGEST)
        return take_block(stock, size);
    size = rounded(size);
    void **list = &stock->given_back[size / LA_STOCK_GRAIN - 1];
    void *piece = *list;
    if (!piece)
        return cut(stock, size);
    *list = *(void **)piece;
    return piece;
}

void la_stock_give(struct la_stock *stock, void *piece, size_t size) {
    if (!stock)
        free(piece);
    else if (piece && size > LA_STOCK_LARGEST)
        give_block(stock, piece);
    else if (piece)
        keep(stock, piece, rounded(size));
}

/* Those lists that `into` has none of itself; looking for the end of others is not worth it. */
static void merge_lists(struct la_stock *into, const struct la_stock *from) {
    for (size_t i = 0; i < LA_STOCK_SIZES; i++)
        if (!into->given_back[i])
            into->given_back[i] = from->given_back[i];
}

void la_stock_merge(struct la_stock *into, struct la_stock *from) {
    struct la_stock_block *last = from->blocks;
    if (!last)
        return;
    while (last->next)
        last = last->next;
    last->next = into->blocks;
    if (into->blocks)
        into->blocks->before = last;
    into->blocks = from->blocks;
    merge_lists(into, from);
    *from = (struct la_stock){.blocks = NULL};
}

void la_stock_release(struct la_stock *stock) {
    while (stock->blocks) {
        struct la_stock_block *next = stock->blocks->next;
        free(stock->blocks);
        stock->blocks = next;
    }
    *stock = (struct la_stock){.blocks = NULL};
}
