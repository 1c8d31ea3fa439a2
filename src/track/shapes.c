#include "track/shapes.h"

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPES_MAX = 8192, FIRST = 64 };

/* Padded with zeros, so that it is compared as words. */
struct shape {
    uint8_t size;
    uint8_t bytes[SHAPE_MAX];
};

_Static_assert(sizeof(struct shape) == LA_HASH_WORDS * sizeof(uint64_t), "hashed as words");

struct shapes {
    struct la_hash_key hash_key;
    struct shape *items; /* owned; the first is not used */
    uint16_t *buckets;   /* owned: numbers, twice as many as there is room for items */
    size_t count, capacity;
};

struct shapes *shapes_new(void) {
    struct shapes *shapes = calloc(1, sizeof *shapes);
    if (!shapes)
        return NULL;
    shapes->hash_key = la_hash_key_random();
    shapes->count = 1;
    return shapes;
}

void shapes_free(struct shapes *shapes) {
    if (!shapes)
        return;
    free(shapes->items);
    free(shapes->buckets);
    free(shapes);
}

/* Words of zeros add nothing to the hash, and are left out. */
static uint64_t hash_of(const struct shapes *shapes, const struct shape *shape) {
    uint64_t words[LA_HASH_WORDS];
    size_t used =
        (offsetof(struct shape, bytes) + shape->size + sizeof words[0] - 1) / sizeof words[0];
    memcpy(words, shape, sizeof words);
    return la_hash(&shapes->hash_key, words, (unsigned)used);
}

/* The bucket of a shape, or the empty one where it belongs. */
static uint16_t *bucket_of(const struct shapes *shapes, const struct shape *shape) {
    size_t mask = shapes->capacity * 2 - 1, i = (size_t)(hash_of(shapes, shape) >> 32) & mask;
    while (shapes->buckets[i] != SHAPE_NONE &&
           memcmp(&shapes->items[shapes->buckets[i]], shape, sizeof *shape) != 0)
        i = (i + 1) & mask;
    return &shapes->buckets[i];
}

static bool grow(struct shapes *shapes) {
    size_t capacity = shapes->capacity ? shapes->capacity * 2 : FIRST;
    if (capacity > SHAPES_MAX)
        return false;
    struct shape *items = realloc(shapes->items, capacity * sizeof *items);
    if (!items)
        return false;
    shapes->items = items;
    uint16_t *buckets = calloc(capacity * 2, sizeof *buckets);
    if (!buckets)
        return false;
    free(shapes->buckets);
    shapes->buckets = buckets;
    shapes->capacity = capacity;
    for (size_t i = 1; i < shapes->count; i++)
        *bucket_of(shapes, &items[i]) = (uint16_t)i;
    return true;
}

uint32_t shapes_number(struct shapes *shapes, const uint8_t *bytes, size_t size) {
    struct shape shape = {.size = (uint8_t)size};
    if (size > SHAPE_MAX || (!shapes->buckets && !grow(shapes)))
        return SHAPE_NONE;
    memcpy(shape.bytes, bytes, size);
    uint16_t *bucket = bucket_of(shapes, &shape);
    if (*bucket != SHAPE_NONE)
        return *bucket;
    if (shapes->count == shapes->capacity) {
        if (!grow(shapes))
            return SHAPE_NONE;
        bucket = bucket_of(shapes, &shape);
    }
    shapes->items[shapes->count] = shape;
    *bucket = (uint16_t)shapes->count;
    return (uint32_t)shapes->count++;
}

const uint8_t *shapes_bytes(const struct shapes *shapes, uint32_t number) {
    return shapes->items[number].bytes;
}

size_t shapes_size(const struct shapes *shapes) {
    return shapes->capacity * (sizeof *shapes->items + 2 * sizeof *shapes->buckets);
}
