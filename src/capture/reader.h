/* One capture file being read: a stream, the window in which its records are walked, and the
 * format that knows how. */
#ifndef LA_CAPTURE_READER_H
#define LA_CAPTURE_READER_H

#include "base/prefetch.h"
#include "base/time.h"
#include "capture/window.h"

enum {
    /* As libpcap and Wireshark: no packet of an ordinary link layer is longer ... */
    LA_PACKET_MAX = 262144,
    /* ... but a file may say so, up to here. */
    LA_RECORD_MAX = 16 * 1024 * 1024,
    /* Enough for the head of any format we know. */
    LA_HEAD_SIZE = 28,
};

struct la_reader;

/* How one file format is read. */
struct la_format {
    const char *name;
    /* By the first `len` bytes (fewer than LA_HEAD_SIZE only when the input has no more). */
    bool (*recognise)(const uint8_t *head, size_t len); /* NULL: not asked, tried last */
    /* Reads the file header. */
    enum la_status (*open)(struct la_reader *reader, struct la_error *err);
    /* Walks whole records in the window and fills up to `max` packets; 0 when there are none: then
     * `need` or `error` of the reader says why. */
    size_t (*take)(struct la_reader *reader, struct la_packet *packets, size_t max);
    /* Reads on; packets taken before are no longer valid. */
    enum la_status (*refill)(struct la_reader *reader, struct la_error *err);
    void (*close)(struct la_reader *reader);
};

struct la_reader {
    const struct la_format *format;
    const char *path;      /* borrowed */
    struct la_input *info; /* borrowed; the format fills in what it learns */
    struct la_stream *stream;
    struct la_window window;
    void *state;           /* the format's own */
    size_t need;           /* bytes from the window's position that the next record takes */
    uint64_t frame;        /* of the last packet record */
    const char *in_what;   /* what the window's unused bytes begin: "packet", "block" */
    uint16_t input;        /* goes into each packet */
    struct la_error error; /* of the data: no record can be read from here on */
};

struct la_reader_options {
    const char *path;                /* borrowed until la_reader_free() */
    struct la_stream_options stream; /* what it points to is borrowed likewise */
    struct la_input *info;           /* borrowed likewise */
    uint16_t input;
    size_t window; /* bytes to begin with */
};

/* Opens a file, tells its compression and format, and reads its header. `*is_capture` is set to
 * false when what fails is that the content is no capture (or empty). `*out` is owned. */
enum la_status la_reader_open(const struct la_reader_options *options, struct la_reader **out,
                              bool *is_capture, struct la_error *err);
void la_reader_free(struct la_reader *reader);

static inline size_t la_reader_take(struct la_reader *reader, struct la_packet *packets,
                                    size_t max) {
    return reader->format->take(reader, packets, max);
}

/* To be called when la_reader_take() gave nothing. LA_OK: take again. LA_END, LA_EINPUT, LA_ENOMEM:
 * there is no more. Packets taken before are no longer valid. */
static inline enum la_status la_reader_refill(struct la_reader *reader, struct la_error *err) {
    return reader->format->refill(reader, err);
}

/* For the formats: */

/* The headers of a packet, which its decoder looks at soon: the first line of its record is there
 * already, and nearly all of them end in the two after it. */
static inline void la_reader_ask_for_headers(const uint8_t *record) {
    enum { LINES = 2 };
    la_prefetch(record + LA_CACHE_LINE, (size_t)LINES * LA_CACHE_LINE);
}
/* The refill of formats that are walked in the window. */
enum la_status la_reader_refill_window(struct la_reader *reader, struct la_error *err);
/* Makes `need` bytes of a file header available, or says how the file falls short of it. */
enum la_status la_reader_need_header(struct la_reader *reader, size_t need, struct la_error *err);
/* Sets the reader's error: the record at the window's position says what cannot be. */
void la_reader_damaged(struct la_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void la_input_note_linktype(struct la_input *info, uint16_t linktype);
void la_reader_note_linktype(struct la_reader *reader, uint16_t linktype);
void la_reader_note_digits(struct la_reader *reader, int digits);

extern const struct la_format la_format_pcap;
extern const struct la_format la_format_pcapng;
extern const struct la_format la_format_foreign;

#endif
