/* Memory for many small things of few sizes: blocks are cut from large pieces and kept on free
 * lists by size class, so that a record costs its bytes and nothing more. */
#ifndef LA_BASE_POOL_H
#define LA_BASE_POOL_H

#include "base/pages.h"

#include <stdbool.h>
#include <stddef.h>

struct la_pool;

/* NULL when out of memory. `pages` is borrowed, and owns the memory of the blocks. */
struct la_pool *la_pool_new(struct la_pages *pages);
void la_pool_free(struct la_pool *pool);

/* The size that a block for `size` bytes really has; 0 when that is larger than any class. */
size_t la_pool_size(size_t size);
/* A block of at least `size` bytes, aligned for anything up to 8 bytes and not cleared; NULL when
 * out of memory or larger than any class (32 KiB). */
void *la_pool_take(struct la_pool *pool, size_t size);
/* `size` as it was asked for. NULL is fine. */
void la_pool_give(struct la_pool *pool, void *block, size_t size);
/* Whether a block was ever refused because the system had no more memory. */
bool la_pool_failed(const struct la_pool *pool);
/* Bytes taken from the source of pages. */
size_t la_pool_bytes(const struct la_pool *pool);

#endif
