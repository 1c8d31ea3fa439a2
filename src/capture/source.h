/* One input of a capture: what is known of it, and its reader while it is open. */
#ifndef LA_CAPTURE_SOURCE_H
#define LA_CAPTURE_SOURCE_H

#include "capture/reader.h"

enum {
    SOURCE_RUN = 128, /* packets walked ahead for the merge */
};

struct source {
    struct la_input info;
    char *path;                      /* owned; info.path */
    struct la_stream_options stream; /* what it points to is borrowed */
    uint64_t device, inode;
    uint64_t size;    /* of a regular file */
    bool is_regular;  /* can be opened again, so it is closed between sniffing and reading */
    uint16_t index;   /* of the input */
    int64_t start_ns; /* time of its first packet */
    uint64_t bytes_done;
    int64_t previous_ns;      /* time of the packet delivered last */
    struct la_reader *reader; /* owned; NULL while closed */
    bool lent;                /* packets of the current batch point into the reader's window */
    struct la_packet *run;    /* owned; NULL while closed */
    size_t run_pos, run_len;
};

/* What came of asking a source for more. */
enum source_more {
    SOURCE_READY,   /* there is a packet */
    SOURCE_BLOCKED, /* not before the current batch has been given back */
    SOURCE_ENDED,   /* by its end or by an error, which `info` has; it is closed */
    SOURCE_NOMEM,
};

/* Looks at `path`. NULL when out of memory. */
struct source *source_new(const char *path, uint16_t index);
void source_free(struct source *source);

/* Reads as far as the first packet. Regular files are closed again. LA_OK when there is one, LA_END
 * when the capture is empty; otherwise the input's error is set. `*is_capture` as la_reader_open.
 */
enum la_status source_sniff(struct source *source, bool *is_capture);
/* Opens the source for reading unless it is open. False when it cannot be; its error is set. */
bool source_open(struct source *source, size_t window);
void source_close(struct source *source);

/* Fills the run when it is empty. */
enum source_more source_load(struct source *source);
/* As source_load(), past the run, into `packets`. SOURCE_READY with `*count` > 0. */
enum source_more source_take(struct source *source, struct la_packet *packets, size_t max,
                             size_t *count);

static inline bool source_is_loaded(const struct source *source) {
    return source->run_pos < source->run_len;
}

/* Of a loaded source. */
static inline const struct la_packet *source_head(const struct source *source) {
    return &source->run[source->run_pos];
}

#endif
