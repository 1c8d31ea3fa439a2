#define _DEFAULT_SOURCE /* madvise */
#include "base/pages.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* The first blocks stay on small pages, which only become resident as they are touched: a small
 * capture costs little. */
enum { LARGE_PAGE = 2 * 1024 * 1024, SMALL_BLOCKS = 8 };

struct la_pages {
    pthread_mutex_t lock;
    void **blocks; /* owned */
    size_t count, capacity;
    size_t used; /* bytes of the newest block */
};

struct la_pages *la_pages_new(void) {
    struct la_pages *pages = calloc(1, sizeof *pages);
    if (pages) {
        pthread_mutex_init(&pages->lock, NULL);
        pages->used = LARGE_PAGE;
    }
    return pages;
}

void la_pages_free(struct la_pages *pages) {
    if (!pages)
        return;
    for (size_t i = 0; i < pages->count; i++)
        free(pages->blocks[i]);
    free(pages->blocks);
    pthread_mutex_destroy(&pages->lock);
    free(pages);
}

static bool add_block(struct la_pages *pages) {
    if (pages->count == pages->capacity) {
        size_t capacity = pages->capacity ? pages->capacity * 2 : 16;
        void **blocks = realloc(pages->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return false;
        pages->blocks = blocks;
        pages->capacity = capacity;
    }
    void *block = aligned_alloc(LARGE_PAGE, LARGE_PAGE);
    if (!block)
        return false;
    if (pages->count >= SMALL_BLOCKS)
        (void)madvise(block, LARGE_PAGE, MADV_HUGEPAGE); /* a wish: small pages do as well */
    pages->blocks[pages->count++] = block;
    pages->used = 0;
    return true;
}

void *la_pages_take(struct la_pages *pages) {
    void *piece = NULL;
    pthread_mutex_lock(&pages->lock);
    if (pages->used + LA_PIECE <= LARGE_PAGE || add_block(pages)) {
        piece = (char *)pages->blocks[pages->count - 1] + pages->used;
        pages->used += LA_PIECE;
    }
    pthread_mutex_unlock(&pages->lock);
    return piece;
}
