/* The bytes of a file or of standard input, decompressed on the way when their beginning says so.
 * Forward only: nothing here seeks. */
#ifndef LA_CAPTURE_STREAM_H
#define LA_CAPTURE_STREAM_H

#include "capture/ahead.h"
#include "capture/capture.h"

struct la_stream;

struct la_stream_options {
    const volatile sig_atomic_t *stop; /* as in la_capture_options; may be NULL */
    bool read_ahead;                   /* likewise */
    struct la_ahead_threads *threads;  /* that decompress; not NULL with `read_ahead` */
};

/* Opens `path`, or standard input for "-". `*out` is owned by the caller. `path` and what `options`
 * points to are borrowed until la_stream_free(). */
enum la_status la_stream_open(const char *path, const struct la_stream_options *options,
                              struct la_stream **out, struct la_error *err);
void la_stream_free(struct la_stream *stream);

/* Reads up to `max` (> 0) plain bytes. LA_OK with `*got` > 0; LA_END; LA_EINPUT when the file could
 * not be read or not be decompressed any further, which stays so; LA_ENOMEM. Whatever could be read
 * is delivered before an error is told. */
enum la_status la_stream_read(struct la_stream *stream, uint8_t *buf, size_t max, size_t *got,
                              struct la_error *err);

enum la_compression la_stream_compression(const struct la_stream *stream);
/* Bytes of the file itself (compressed ones, that is) read so far. */
uint64_t la_stream_bytes_read(const struct la_stream *stream);
/* How messages name the file of `path`. */
const char *la_stream_name(const char *path);

#endif
