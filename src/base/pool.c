#include "base/pool.h"

#include <stdint.h>
#include <stdlib.h>

enum { CHUNK = 256 * 1024, LARGEST = 32 * 1024 };

/* Spaced so that no block wastes more than a third, and the sizes of the records of a connection
 * (see track) hit one closely. */
static const uint16_t class_sizes[] = {
    16,  32,  48,  64,   80,   104,  128,  160,  192,  224,  256,   320,   384,   448,
    512, 640, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, LARGEST};
enum { CLASSES = sizeof class_sizes / sizeof class_sizes[0] };

struct free_block {
    struct free_block *next;
};

struct chunk {
    struct chunk *next;
    uint64_t memory[]; /* aligned */
};

struct la_pool {
    struct free_block *free[CLASSES];
    struct chunk *chunks;
    unsigned char *rest; /* uncut part of the newest chunk */
    size_t rest_bytes;
    size_t bytes;
};

struct la_pool *la_pool_new(void) {
    return calloc(1, sizeof(struct la_pool));
}

void la_pool_free(struct la_pool *pool) {
    if (!pool)
        return;
    while (pool->chunks) {
        struct chunk *next = pool->chunks->next;
        free(pool->chunks);
        pool->chunks = next;
    }
    free(pool);
}

static size_t class_of(size_t size) {
    size_t i = 0;
    while (i < CLASSES && class_sizes[i] < size)
        i++;
    return i;
}

size_t la_pool_size(size_t size) {
    size_t class = class_of(size);
    return class < CLASSES ? class_sizes[class] : 0;
}

static unsigned char *cut(struct la_pool *pool, size_t size) {
    if (pool->rest_bytes < size) {
        struct chunk *chunk = malloc(CHUNK);
        if (!chunk)
            return NULL;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->bytes += CHUNK;
        pool->rest = (unsigned char *)chunk->memory;
        pool->rest_bytes = CHUNK - sizeof *chunk;
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

size_t la_pool_bytes(const struct la_pool *pool) {
    return pool->bytes;
}
