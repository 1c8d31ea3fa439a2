/* Opening a capture by its content, and what all formats say alike when it ends too soon. */
#include "capture/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What we do not read ourselves, libpcap has the last word on. */
static const struct la_format *recognise(const uint8_t *head, size_t len) {
    if (la_format_pcap.recognise(head, len))
        return &la_format_pcap;
    if (la_format_pcapng.recognise(head, len))
        return &la_format_pcapng;
    return &la_format_foreign;
}

/* " of the decompressed data" where an offset is not one that `hexdump` of the file would show. */
static const char *offset_of_what(const struct la_reader *r) {
    return la_stream_compression(r->stream) ? " of the decompressed data" : "";
}

static enum la_status cut_off(struct la_reader *r, struct la_error *err) {
    char what[64];
    if (strcmp(r->in_what, "packet") == 0)
        snprintf(what, sizeof what, "packet %" PRIu64, r->frame + 1);
    else
        snprintf(what, sizeof what, "%s after packet %" PRIu64, r->in_what, r->frame);
    la_fail(err, LA_EINPUT,
            "%s: ends in the middle of %s at byte %" PRIu64
            "%s (the capture was cut off; what came before it was analysed)",
            la_stream_name(r->path), what, la_window_offset(&r->window), offset_of_what(r));
    if (err)
        err->offset = la_window_offset(&r->window);
    return LA_EINPUT;
}

/* Records that cannot be may come of compressed data that are damaged, which some codecs notice
 * only at the end, by a checksum. Then that is the reason to tell; so the rest is decompressed for
 * it. */
static void blame_stream(struct la_reader *r) {
    if (!la_stream_compression(r->stream) || r->error.status != LA_EINPUT)
        return;
    struct la_error why;
    enum la_status status;
    do {
        r->window.pos = r->window.len;
        status = la_window_fill(&r->window, 1, &why);
    } while (status == LA_OK);
    if (status == LA_EINPUT)
        r->error = why;
}

enum la_status la_reader_refill_window(struct la_reader *r, struct la_error *err) {
    if (r->error.status != LA_OK) {
        blame_stream(r);
        if (err)
            *err = r->error;
        return r->error.status;
    }
    enum la_status status = la_window_fill(&r->window, r->need, err);
    if (status == LA_END && la_window_available(&r->window) > 0)
        return cut_off(r, err);
    return status;
}

enum la_status la_reader_need_header(struct la_reader *r, size_t need, struct la_error *err) {
    enum la_status status = la_window_fill(&r->window, need, err);
    if (status == LA_END)
        return la_fail(err, LA_EINPUT,
                       "%s: ends at byte %" PRIu64
                       "%s, in the middle of its file header (nothing was captured into it, or "
                       "it was cut off)",
                       la_stream_name(r->path), r->window.base + r->window.len, offset_of_what(r));
    return status;
}

void la_reader_damaged(struct la_reader *r, const char *format, ...) {
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    la_fail(&r->error, LA_EINPUT,
            "%s: %s after packet %" PRIu64 ", at byte %" PRIu64
            "%s (the file is damaged there; what came before it was analysed)",
            la_stream_name(r->path), what, r->frame, la_window_offset(&r->window),
            offset_of_what(r));
    r->error.offset = la_window_offset(&r->window);
}

void la_input_note_linktype(struct la_input *info, uint16_t linktype) {
    for (size_t i = 0; i < info->linktype_count; i++)
        if (info->linktypes[i] == linktype)
            return;
    if (info->linktype_count < LA_INPUT_LINKTYPES)
        info->linktypes[info->linktype_count++] = linktype;
}

void la_reader_note_linktype(struct la_reader *r, uint16_t linktype) {
    la_input_note_linktype(r->info, linktype);
}

void la_reader_note_digits(struct la_reader *r, int digits) {
    if (digits > r->info->time_digits)
        r->info->time_digits = digits;
}

static enum la_status open_format(struct la_reader *r, bool *is_capture, struct la_error *err) {
    enum la_status status = la_window_fill(&r->window, LA_HEAD_SIZE, err);
    size_t len = la_window_available(&r->window);
    if (len == 0 && status == LA_END) {
        *is_capture = false;
        return la_fail(err, LA_EINPUT, "%s: is empty (nothing was captured into it)",
                       la_stream_name(r->path));
    }
    if (len == 0 || status == LA_ENOMEM)
        return status;
    r->format = recognise(r->window.data, len);
    if (status == LA_EINPUT && r->format == &la_format_foreign)
        return status; /* too little could be read to say what it is */
    *is_capture = r->format != &la_format_foreign;
    status = r->format->open(r, err);
    if (status == LA_OK) {
        *is_capture = true;
        if (r->format != &la_format_foreign)
            r->info->format = r->format->name;
    }
    return status;
}

enum la_status la_reader_open(const struct la_reader_options *options, struct la_reader **out,
                              bool *is_capture, struct la_error *err) {
    *out = NULL;
    *is_capture = true;
    struct la_reader *r = calloc(1, sizeof *r);
    if (!r)
        return la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(options->path));
    r->path = options->path;
    r->info = options->info;
    r->input = options->input;
    r->in_what = "packet";
    enum la_status status = la_stream_open(r->path, &options->stream, &r->stream, err);
    if (status == LA_OK) {
        r->info->compression = la_stream_compression(r->stream);
        if (!la_window_init(&r->window, r->stream, options->window))
            status = la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(r->path));
    }
    if (status == LA_OK)
        status = open_format(r, is_capture, err);
    if (status != LA_OK) {
        la_reader_free(r);
        return status;
    }
    *out = r;
    return LA_OK;
}

void la_reader_free(struct la_reader *r) {
    if (!r)
        return;
    if (r->state)
        r->format->close(r);
    la_window_release(&r->window);
    la_stream_free(r->stream);
    free(r);
}
