#include "capture/ahead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Whoever finds the ring full or empty waits until it is half of that: to be put to sleep and woken
 * takes as long as some blocks. */
enum { BLOCK_SIZE = 128 * 1024, BLOCKS = 32, HALF = BLOCKS / 2 };

/* How soon who waits notices that he is to stop. */
enum { LOOK_UP_MS = 50 };

struct block {
    size_t length;
    uint8_t bytes[BLOCK_SIZE];
};

struct la_ahead {
    la_ahead_source *source;
    void *context;
    const volatile sig_atomic_t *stop;
    struct la_ahead_threads *threads;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool given_up;
    bool started;
    uint64_t filled, emptied; /* blocks */
    bool ended;               /* no block will follow */
    enum la_status status;    /* ... for this reason */
    size_t pos;               /* in the block that is being emptied */
    struct block blocks[BLOCKS];
};

static void note_busy(const struct la_ahead *a, bool busy) {
    if (busy)
        atomic_fetch_add_explicit(&a->threads->busy, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&a->threads->busy, 1, memory_order_relaxed);
}

/* With the lock held. */
static uint64_t blocks_filled(const struct la_ahead *a) {
    return a->filled - a->emptied;
}

/* Called, and returns, with the lock held, as what waits for blocks below. */
static void wait_for_half(struct la_ahead *a) {
    note_busy(a, false);
    while (blocks_filled(a) > HALF && !a->given_up)
        pthread_cond_wait(&a->changed, &a->lock);
    note_busy(a, true);
}

/* The next block to fill; NULL: to be given up. */
static struct block *wait_for_room(struct la_ahead *a) {
    pthread_mutex_lock(&a->lock);
    if (blocks_filled(a) == BLOCKS)
        wait_for_half(a);
    pthread_mutex_unlock(&a->lock);
    return a->given_up ? NULL : &a->blocks[a->filled % BLOCKS];
}

static void hand_over(struct la_ahead *a, bool whole, enum la_status status) {
    pthread_mutex_lock(&a->lock);
    a->filled += whole;
    a->ended = status != LA_OK;
    a->status = status;
    if (a->ended || blocks_filled(a) == HALF)
        pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static void *work(void *context) {
    struct la_ahead *a = context;
    struct block *block;
    enum la_status status = LA_OK;
    note_busy(a, true);
    while (status == LA_OK && (block = wait_for_room(a)) != NULL) {
        block->length = 0;
        status = a->source(a->context, block->bytes, BLOCK_SIZE, &block->length);
        hand_over(a, block->length > 0, status);
    }
    note_busy(a, false);
    return NULL;
}

struct la_ahead *la_ahead_new(la_ahead_source *source, void *context,
                              const volatile sig_atomic_t *stop, struct la_ahead_threads *threads) {
    struct la_ahead *a = malloc(sizeof *a);
    if (!a)
        return NULL;
    memset(a, 0, offsetof(struct la_ahead, blocks));
    a->source = source;
    a->context = context;
    a->stop = stop;
    a->threads = threads;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    return a;
}

/* A signal is for those who started the program, not for this thread. */
bool la_ahead_start(struct la_ahead *a) {
    if (a->threads->count == LA_AHEAD_MOST)
        return false;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    a->started = pthread_create(&a->thread, NULL, work, a) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    a->threads->count += a->started;
    return a->started;
}

void la_ahead_free(struct la_ahead *a) {
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->given_up = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    if (a->started)
        pthread_join(a->thread, NULL);
    a->threads->count -= a->started;
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a);
}

bool la_ahead_is_given_up(const struct la_ahead *a) {
    return a->given_up;
}

static bool is_stopped(const struct la_ahead *a) {
    return a->stop && *a->stop;
}

/* No signal ends the wait for a condition, hence the looking up. False: the moment is over. */
static bool wait_a_moment(struct la_ahead *a) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_UP_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0;
}

/* For half a ring; after a moment for any, as a pipe may bring no more for long. */
static void wait_for_blocks(struct la_ahead *a) {
    uint64_t wanted = HALF;
    while (blocks_filled(a) < wanted && !a->ended && !is_stopped(a))
        if (!wait_a_moment(a))
            wanted = 1;
}

/* The block to empty; NULL when there is none any more, for the reason in `*status`. */
static struct block *wait_for_block(struct la_ahead *a, enum la_status *status) {
    pthread_mutex_lock(&a->lock);
    if (blocks_filled(a) == 0)
        wait_for_blocks(a);
    bool there = blocks_filled(a) > 0;
    *status = there ? LA_OK : a->ended ? a->status : LA_EINPUT;
    pthread_mutex_unlock(&a->lock);
    return there ? &a->blocks[a->emptied % BLOCKS] : NULL;
}

static void give_back(struct la_ahead *a) {
    a->pos = 0;
    pthread_mutex_lock(&a->lock);
    a->emptied++;
    if (blocks_filled(a) == HALF)
        pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

enum la_status la_ahead_read(struct la_ahead *a, uint8_t *buf, size_t max, size_t *got) {
    enum la_status status;
    const struct block *block = wait_for_block(a, &status);
    *got = 0;
    if (!block)
        return status;
    size_t rest = block->length - a->pos;
    *got = rest < max ? rest : max;
    memcpy(buf, block->bytes + a->pos, *got);
    a->pos += *got;
    if (a->pos == block->length)
        give_back(a);
    return LA_OK;
}
