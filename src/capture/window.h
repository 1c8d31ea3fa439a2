/* The part of a stream in which records are walked in place. */
#ifndef LA_CAPTURE_WINDOW_H
#define LA_CAPTURE_WINDOW_H

#include "capture/stream.h"

struct la_window {
    struct la_stream *stream; /* borrowed */
    uint8_t *data;            /* owned */
    size_t capacity;
    size_t pos, len; /* data[pos..len) is there and not yet used */
    uint64_t base;   /* offset of data[0] in the plain bytes of the stream */
};

/* False when out of memory. */
bool la_window_init(struct la_window *window, struct la_stream *stream, size_t capacity);
void la_window_release(struct la_window *window);

/* Reads on, moving what is not yet used to the front (pointers into the window die), until `need`
 * bytes are there. LA_END or an error when the stream ends before: what is there stays. The buffer
 * grows only when it is full of bytes that were really read, so a lying `need` costs nothing. */
enum la_status la_window_fill(struct la_window *window, size_t need, struct la_error *err);

static inline size_t la_window_available(const struct la_window *window) {
    return window->len - window->pos;
}

/* Offset of the next unused byte. */
static inline uint64_t la_window_offset(const struct la_window *window) {
    return window->base + window->pos;
}

#endif
