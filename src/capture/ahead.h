/* A source of bytes read ahead by a thread of its own, as far as a ring of blocks: decompressing
 * takes as long as all the rest, and a second processor is there for it. */
#ifndef LA_CAPTURE_AHEAD_H
#define LA_CAPTURE_AHEAD_H

#include "base/error.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct la_ahead;

/* The threads that read ahead for one capture: no more than these, as each takes four megabytes. */
enum { LA_AHEAD_MOST = 8 };
struct la_ahead_threads {
    unsigned count;   /* for whoever starts and frees them */
    atomic_uint busy; /* that have something to do: not those whose ring is full */
};

/* Fills up to `max` bytes. LA_OK with `*got` > 0; anything else is final. Runs in the thread, and
 * must not wait for long without looking at la_ahead_is_given_up(). */
typedef enum la_status la_ahead_source(void *context, uint8_t *buf, size_t max, size_t *got);

/* NULL when out of memory. Owned by the caller; `stop` may be NULL and is borrowed like `context`
 * and `threads`. */
struct la_ahead *la_ahead_new(la_ahead_source *source, void *context,
                              const volatile sig_atomic_t *stop, struct la_ahead_threads *threads);
/* Starts the thread, in which the source is read from now on. False when there are enough, or the
 * system gives none: nothing was read then. */
bool la_ahead_start(struct la_ahead *ahead);
/* Ends the thread, wherever it is. */
void la_ahead_free(struct la_ahead *ahead);

/* Up to `max` (> 0) bytes, in order. LA_OK with `*got` > 0; once these are used up what the source
 * ended with; LA_EINPUT when `stop` was set while waiting. */
enum la_status la_ahead_read(struct la_ahead *ahead, uint8_t *buf, size_t max, size_t *got);

/* For the source: nobody wants any more of it. */
bool la_ahead_is_given_up(const struct la_ahead *ahead);

#endif
