/* The decompressors behind one table. A codec turns compressed bytes into plain ones, a piece at a
 * time; what a file is, where its bytes come from and what several members in a row mean is the
 * business of stream.c. */
#ifndef LA_CAPTURE_CODEC_H
#define LA_CAPTURE_CODEC_H

#include "capture/capture.h"

enum { LA_CODEC_MAGIC_MAX = 6 };

/* In and out of one step: both sides are moved past what was used. */
struct la_codec_io {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
    const char *why; /* set with LA_CODEC_DAMAGED; a constant of the library's */
};

enum la_codec_result {
    LA_CODEC_MORE,       /* wants more input, or more room */
    LA_CODEC_MEMBER_END, /* a member (frame, stream) is complete, with all of its output */
    LA_CODEC_DAMAGED,
    LA_CODEC_NOMEM,
};

struct la_codec {
    enum la_compression compression;
    const char *name;
    /* NULL when out of memory. Owned by the caller. */
    void *(*open)(void);
    /* Makes ready for the next member. False when out of memory. */
    bool (*restart)(void *state);
    enum la_codec_result (*step)(void *state, struct la_codec_io *io);
    void (*close)(void *state);
};

/* The codec whose data begin like `head`, or NULL: plain bytes. */
const struct la_codec *la_codec_recognise(const uint8_t *head, size_t len);

#endif
