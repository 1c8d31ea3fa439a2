#include "capture/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool la_window_init(struct la_window *w, struct la_stream *stream, size_t capacity) {
    *w = (struct la_window){.stream = stream, .data = malloc(capacity), .capacity = capacity};
    return w->data != NULL;
}

void la_window_release(struct la_window *w) {
    free(w->data);
    *w = (struct la_window){0};
}

static void move_to_front(struct la_window *w) {
    size_t rest = la_window_available(w);
    if (w->pos > 0 && rest > 0)
        memmove(w->data, w->data + w->pos, rest);
    w->base += w->pos;
    w->pos = 0;
    w->len = rest;
}

static bool grow(struct la_window *w) {
    assert(w->capacity > 0);
    uint8_t *data = realloc(w->data, w->capacity * 2);
    if (!data)
        return false;
    w->data = data;
    w->capacity *= 2;
    return true;
}

enum la_status la_window_fill(struct la_window *w, size_t need, struct la_error *err) {
    move_to_front(w);
    while (w->len < need) {
        if (w->len == w->capacity && !grow(w))
            return la_fail(err, LA_ENOMEM, "out of memory for a record of %zu bytes", need);
        size_t got;
        enum la_status status =
            la_stream_read(w->stream, w->data + w->len, w->capacity - w->len, &got, err);
        if (status != LA_OK)
            return status;
        w->len += got;
    }
    return LA_OK;
}
