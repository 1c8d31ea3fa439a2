#include "base/pool.h"

#include <stdint.h>
#include <stdlib.h>

enum { LARGEST = 32 * 1024 };

/* Spaced so that no block wastes more than a third, and the sizes of the records of a connection
 * (see track) hit one closely. */
static const uint16_t class_sizes[] = {
    16,  32,  48,  64,   80,   96,   128,  160,  192,  224,  256,   320,   384,   448,
    512, 640, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, LARGEST};
enum { CLASSES = sizeof class_sizes / sizeof class_sizes[0] };

struct free_block {
    struct free_block *next;
};

struct la_pool {
    struct la_pages *pages; /* borrowed */
    struct free_block *free[CLASSES];
    void **pieces; /* owned; the pieces are lent by `pages` */
    size_t piece_count, piece_capacity;
    unsigned char *rest; /* uncut part of the newest piece */
    size_t rest_bytes;
    bool failed;
};

struct la_pool *la_pool_new(struct la_pages *pages) {
    struct la_pool *pool = calloc(1, sizeof *pool);
    if (pool)
        pool->pages = pages;
    return pool;
}

void la_pool_free(struct la_pool *pool) {
    if (!pool)
        return;
    for (size_t i = 0; i < pool->piece_count; i++)
        la_pages_return(pool->pages, pool->pieces[i]);
    free(pool->pieces);
    free(pool);
}

/* The class of sizes up to a kilobyte, by their sixteenths rounded up. */
enum { SMALL = 1024 };
static const uint8_t class_of_small[SMALL / 16 + 1] = {
    0,  0,  1,  2,  3,  4,  5,  6,  6,  7,  7,  8,  8,  9,  9,  10, 10, 11, 11, 11, 11, 12,
    12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15, 15, 15, 15, 15, 16, 16, 16,
    16, 16, 16, 16, 16, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17};

static size_t class_of(size_t size) {
    if (size <= SMALL)
        return class_of_small[(size + 15) / 16];
    size_t i = 0;
    while (i < CLASSES && class_sizes[i] < size)
        i++;
    return i;
}

size_t la_pool_size(size_t size) {
    size_t class = class_of(size);
    return class < CLASSES ? class_sizes[class] : 0;
}

static bool take_piece(struct la_pool *pool) {
    if (pool->piece_count == pool->piece_capacity) {
        size_t capacity = pool->piece_capacity ? pool->piece_capacity * 2 : 16;
        void **pieces = realloc(pool->pieces, capacity * sizeof *pieces);
        if (!pieces)
            return false;
        pool->pieces = pieces;
        pool->piece_capacity = capacity;
    }
    pool->rest = la_pages_take(pool->pages);
    pool->rest_bytes = pool->rest ? LA_PIECE : 0;
    if (pool->rest)
        pool->pieces[pool->piece_count++] = pool->rest;
    return pool->rest != NULL;
}

static unsigned char *cut(struct la_pool *pool, size_t size) {
    if (pool->rest_bytes < size && !take_piece(pool)) {
        pool->failed = true;
        return NULL;
    }
    unsigned char *block = pool->rest;
    pool->rest += size;
    pool->rest_bytes -= size;
    return block;
}

void *la_pool_take(struct la_pool *pool, size_t size) {
    size_t class = class_of(size);
    if (class == CLASSES)
        return NULL;
    struct free_block *block = pool->free[class];
    if (!block)
        return cut(pool, class_sizes[class]);
    pool->free[class] = block->next;
    __builtin_prefetch(block->next, 1);
    return block;
}

void la_pool_give(struct la_pool *pool, void *block, size_t size) {
    if (!block)
        return;
    struct free_block *free_block = block;
    size_t class = class_of(size);
    free_block->next = pool->free[class];
    pool->free[class] = free_block;
}

bool la_pool_failed(const struct la_pool *pool) {
    return pool->failed;
}

size_t la_pool_bytes(const struct la_pool *pool) {
    return pool->piece_count * LA_PIECE;
}
