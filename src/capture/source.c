#include "capture/source.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SNIFF_WINDOW = 4096,
};

/* Forgets what was learned of the content, for a fresh start. */
static void reset_info(struct source *s) {
    s->info = (struct la_input){
        .path = s->path,
        .first_ns = LA_TIME_NONE,
        .last_ns = LA_TIME_NONE,
    };
    s->previous_ns = LA_TIME_NONE;
    s->run_pos = s->run_len = 0;
}

struct source *source_new(const char *path, uint16_t index) {
    struct source *s = calloc(1, sizeof *s);
    char *copy = strdup(path);
    if (!s || !copy) {
        free(s);
        free(copy);
        return NULL;
    }
    s->path = copy;
    s->index = index;
    s->start_ns = LA_TIME_NONE;
    reset_info(s);
    struct stat st;
    bool is_stdin = strcmp(path, "-") == 0;
    if ((is_stdin ? fstat(STDIN_FILENO, &st) : stat(path, &st)) == 0 && S_ISREG(st.st_mode)) {
        s->device = st.st_dev;
        s->inode = st.st_ino;
        s->size = (uint64_t)st.st_size;
        s->is_regular = true;
    }
    return s;
}

void source_free(struct source *s) {
    if (!s)
        return;
    source_close(s);
    free(s->path);
    free(s);
}

/* Told to stop by a signal: what then went wrong with reading is no fault of the input's. */
static bool is_stopped(const struct source *s) {
    return s->stream.stop && *s->stream.stop;
}

static enum la_status open_reader(struct source *s, size_t window, bool *is_capture) {
    reset_info(s);
    const struct la_reader_options options = {.path = s->path,
                                              .stream = s->stream,
                                              .info = &s->info,
                                              .input = s->index,
                                              .window = window};
    s->run = malloc(SOURCE_RUN * sizeof *s->run);
    if (!s->run)
        return la_fail(&s->info.error, LA_ENOMEM, "%s: out of memory", la_stream_name(s->path));
    enum la_status status = la_reader_open(&options, &s->reader, is_capture, &s->info.error);
    if (status == LA_EINPUT && is_stopped(s)) {
        s->info.error = (struct la_error){0};
        *is_capture = true;
        status = LA_END;
    }
    if (status != LA_OK)
        source_close(s);
    return status;
}

enum la_status source_sniff(struct source *s, bool *is_capture) {
    *is_capture = true;
    enum la_status status = open_reader(s, SNIFF_WINDOW, is_capture);
    if (status != LA_OK)
        return status;
    switch (source_load(s)) {
    case SOURCE_READY:
        break;
    case SOURCE_NOMEM:
        return LA_ENOMEM;
    default:
        return s->info.error.status == LA_OK ? LA_END : s->info.error.status;
    }
    s->start_ns = source_head(s)->time_ns;
    if (s->is_regular && strcmp(s->path, "-") != 0) {
        source_close(s);
        s->bytes_done = 0;
    }
    return LA_OK;
}

bool source_open(struct source *s, size_t window) {
    bool is_capture;
    return s->reader || open_reader(s, window, &is_capture) == LA_OK;
}

void source_close(struct source *s) {
    if (s->reader)
        s->bytes_done = la_stream_bytes_read(s->reader->stream);
    la_reader_free(s->reader);
    free(s->run);
    s->reader = NULL;
    s->run = NULL;
    s->run_pos = s->run_len = 0;
}

enum source_more source_take(struct source *s, struct la_packet *packets, size_t max,
                             size_t *count) {
    for (;;) {
        *count = la_reader_take(s->reader, packets, max);
        if (*count > 0)
            return SOURCE_READY;
        if (s->lent)
            return SOURCE_BLOCKED;
        enum la_status status = la_reader_refill(s->reader, &s->info.error);
        if (status == LA_OK)
            continue;
        if (status == LA_EINPUT && is_stopped(s))
            s->info.error = (struct la_error){0};
        source_close(s);
        return status == LA_ENOMEM ? SOURCE_NOMEM : SOURCE_ENDED;
    }
}

enum source_more source_load(struct source *s) {
    if (source_is_loaded(s))
        return SOURCE_READY;
    s->run_pos = 0;
    return source_take(s, s->run, SOURCE_RUN, &s->run_len);
}
