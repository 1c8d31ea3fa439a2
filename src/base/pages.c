#define _DEFAULT_SOURCE /* madvise */
#include "base/pages.h"

#include "base/time.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

/* Memory is on large pages as long as the system has some at hand: one fault instead of 512, and an
 * address translation that holds large tables. Where a virtual machine has given free memory back
 * to its host, each large page is new memory of the host's, and takes ten times as long as the
 * small ones of its size: whoever had to wait for one does not ask for more. The first blocks stay
 * small, which only become resident as they are touched: a small capture costs little. */
enum { LARGE_PAGE = 2 * 1024 * 1024, SMALL_BLOCKS = 8 };
enum { LARGE_PAGE_AT_HAND_NS = 500 * 1000 };
/* So much is worth giving back to the system: more than results take that are gathered while
 * shards end. It is a call for each piece. */
enum { RETURN_MOST = 32 * 1024 * 1024 };

struct free_piece {
    struct free_piece *next;
};

struct block {
    char *bytes; /* owned */
    size_t size;
};

struct la_pages {
    pthread_mutex_t lock;
    struct block *blocks; /* owned */
    size_t count, capacity;
    char *rest; /* of the newest block: what was not taken yet */
    size_t rest_bytes;
    struct free_piece *free; /* given back */
    size_t returned_bytes;   /* to the system */
    bool had_to_wait;        /* for a large page */
};

struct la_pages *la_pages_new(void) {
    struct la_pages *pages = calloc(1, sizeof *pages);
    if (pages)
        pthread_mutex_init(&pages->lock, NULL);
    return pages;
}

/* Each block is emptied first: while it is unmapped no other thread gets any memory. */
void la_pages_free(struct la_pages *pages) {
    if (!pages)
        return;
    for (const struct block *block = pages->blocks; block < pages->blocks + pages->count; block++) {
        (void)madvise(block->bytes, block->size, MADV_DONTNEED); /* a wish */
        free(block->bytes);
    }
    free(pages->blocks);
    pthread_mutex_destroy(&pages->lock);
    free(pages);
}

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * LA_SEC + now.tv_nsec;
}

static void enlarge(struct la_pages *pages, char *block, size_t size) {
    for (char *page = block; page < block + size && !pages->had_to_wait; page += LARGE_PAGE) {
        int64_t before = monotonic_ns();
        (void)madvise(page, LARGE_PAGE, MADV_HUGEPAGE); /* a wish: small pages do as well */
        *(volatile char *)page = 0;
        pages->had_to_wait = monotonic_ns() - before > LARGE_PAGE_AT_HAND_NS;
    }
}

/* `size` bytes that are freed with the rest; a multiple of LARGE_PAGE. */
static char *make_block(struct la_pages *pages, size_t size) {
    if (pages->count == pages->capacity) {
        size_t capacity = pages->capacity ? pages->capacity * 2 : 16;
        struct block *blocks = realloc(pages->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return NULL;
        pages->blocks = blocks;
        pages->capacity = capacity;
    }
    char *block = aligned_alloc(LARGE_PAGE, size);
    if (!block)
        return NULL;
    if (pages->count >= SMALL_BLOCKS)
        enlarge(pages, block, size);
    pages->blocks[pages->count++] = (struct block){block, size};
    return block;
}

static void give(struct la_pages *pages, char *row, size_t bytes) {
    for (; bytes >= LA_PIECE; bytes -= LA_PIECE, row += LA_PIECE) {
        struct free_piece *piece = (struct free_piece *)(void *)row;
        piece->next = pages->free;
        pages->free = piece;
    }
}

static void *cut(struct la_pages *pages, size_t bytes) {
    if (bytes > LARGE_PAGE)
        return make_block(pages, (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE);
    if (pages->rest_bytes < bytes) {
        char *block = make_block(pages, LARGE_PAGE);
        if (!block)
            return NULL;
        give(pages, pages->rest, pages->rest_bytes);
        pages->rest = block;
        pages->rest_bytes = LARGE_PAGE;
    }
    char *row = pages->rest;
    pages->rest += bytes;
    pages->rest_bytes -= bytes;
    return row;
}

void *la_pages_take_row(struct la_pages *pages, size_t count) {
    void *row;
    pthread_mutex_lock(&pages->lock);
    if (count == 1 && pages->free) {
        row = pages->free;
        pages->free = pages->free->next;
    } else {
        row = cut(pages, count * LA_PIECE);
    }
    pthread_mutex_unlock(&pages->lock);
    return row;
}

void *la_pages_take(struct la_pages *pages) {
    return la_pages_take_row(pages, 1);
}

void la_pages_give_row(struct la_pages *pages, void *row, size_t count) {
    if (!row)
        return;
    pthread_mutex_lock(&pages->lock);
    give(pages, row, count * LA_PIECE);
    pthread_mutex_unlock(&pages->lock);
}

void la_pages_return(struct la_pages *pages, void *piece) {
    pthread_mutex_lock(&pages->lock);
    bool worth = pages->returned_bytes < RETURN_MOST;
    pages->returned_bytes += LA_PIECE;
    pthread_mutex_unlock(&pages->lock);
    if (worth)
        (void)madvise(piece, LA_PIECE, MADV_DONTNEED); /* a wish */
    la_pages_give_row(pages, piece, 1);
}
