/* Bytes from a descriptor, through a codec when they are compressed.
 *
 * Plain files are read straight into the caller's buffer, but for the first few bytes, by which the
 * codec is told. Of compressed ones everything that can be decompressed is handed on before the
 * reason why there is no more is: a capture cut in the middle is the rule after an incident. */
#include "capture/stream.h"

#include "capture/ahead.h"
#include "capture/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* Compressed input is read in such pieces. */
    INPUT_SIZE = 64 * 1024,
    /* The first read, before it is known whether there will be a second. */
    HEAD_READ = 4 * 1024,
    /* What is smaller when decompressed is not worth a thread; and of a thousand files that are
     * only looked into to put them in order none takes one. */
    AHEAD_FROM = 1024 * 1024,
    /* How soon a signal is noticed while there is nothing to read. */
    LOOK_UP_MS = 50,
};

struct la_stream {
    const char *path;                  /* borrowed */
    const volatile sig_atomic_t *stop; /* borrowed; may be NULL */
    struct la_ahead_threads *threads;  /* borrowed */
    int fd;
    const struct la_codec *codec; /* NULL: plain */
    void *codec_state;
    struct la_ahead *ahead; /* what decompresses; NULL: the caller's own thread */
    bool may_read_ahead;
    uint64_t delivered;   /* bytes to the caller */
    bool between_members; /* no member is open: the input may end here */
    bool input_ended;     /* the descriptor has nothing more, by its end or by an error */
    atomic_uint_least64_t bytes_read; /* from the descriptor */
    struct la_error error;            /* what ended the stream, once it has ended */
    bool ended;                       /* `error` is final; status LA_END when all is well */
    size_t in_pos, in_len;            /* what of `in` is not yet used */
    uint8_t in[INPUT_SIZE];
};

const char *la_stream_name(const char *path) {
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

enum la_compression la_stream_compression(const struct la_stream *stream) {
    return stream->codec ? stream->codec->compression : LA_COMPRESSION_NONE;
}

uint64_t la_stream_bytes_read(const struct la_stream *stream) {
    return stream->bytes_read;
}

static enum la_status fail_to_open(const char *path, struct la_error *err) {
    switch (errno) {
    case ENOENT:
        return la_fail(err, LA_EINPUT, "%s: no such file (check its name)", path);
    case EACCES:
    case EPERM:
        return la_fail(err, LA_EINPUT,
                       "%s: no permission to read it (become its owner, or have it made readable)",
                       path);
    case EMFILE:
    case ENFILE:
        return la_fail(err, LA_EINPUT, "%s: too many files are open (raise `ulimit -n`)", path);
    case ENXIO:
        return la_fail(err, LA_EINPUT, "%s: is a socket or a device, not a capture file", path);
    default:
        return la_fail(err, LA_EINPUT, "%s: cannot be opened: %s (check its path)", path,
                       strerror(errno));
    }
}

static bool is_stopped(const struct la_stream *s) {
    return s->stop && *s->stop;
}

static bool is_unwanted(const struct la_stream *s) {
    return is_stopped(s) || (s->ahead && la_ahead_is_given_up(s->ahead));
}

/* Waits for a pipe, and looks up now and then: a signal that comes between the last look and a
 * blocking read(2) would be noticed by nobody. False: told to stop. */
static bool await_input(const struct la_stream *s) {
    struct pollfd input = {.fd = s->fd, .events = POLLIN};
    while (!is_unwanted(s))
        if (poll(&input, 1, LOOK_UP_MS) > 0)
            return true; /* what is wrong with it is what read(2) says */
    return false;
}

/* -1 with errno (EINTR: told to stop), 0 at the end. */
static ssize_t read_some(struct la_stream *s, uint8_t *buf, size_t max) {
    ssize_t n = -1;
    do {
        if (!await_input(s)) {
            errno = EINTR;
            return -1;
        }
        n = read(s->fd, buf, max);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        s->bytes_read += (uint64_t)n;
    return n;
}

/* Notes why the descriptor gives no more. An error of the descriptor is final only after the codec
 * has given out what it still holds, hence the two steps. */
static void note_input_end(struct la_stream *s, ssize_t n) {
    s->input_ended = true;
    s->error.status = LA_END;
    if (n < 0) {
        int reason = errno;
        la_fail(&s->error, LA_EINPUT,
                "%s: cannot be read past byte %" PRIu64
                ": %s (check the disk or connection; what came before it was analysed)",
                la_stream_name(s->path), s->bytes_read, strerror(reason));
        s->error.offset = s->bytes_read;
    }
}

static void fill_input(struct la_stream *s) {
    ssize_t n = read_some(s, s->in, sizeof s->in);
    s->in_pos = 0;
    s->in_len = n > 0 ? (size_t)n : 0;
    if (n <= 0)
        note_input_end(s, n);
}

/* Reads until there is enough to tell the codec by. Pipes may give a byte at a time. */
static void fill_head(struct la_stream *s) {
    while (s->in_len < LA_CODEC_MAGIC_MAX && !s->input_ended) {
        ssize_t n = read_some(s, s->in + s->in_len, HEAD_READ - s->in_len);
        if (n > 0)
            s->in_len += (size_t)n;
        else
            note_input_end(s, n);
    }
}

static enum la_status choose_codec(struct la_stream *s, struct la_error *err) {
    fill_head(s);
    s->codec = la_codec_recognise(s->in, s->in_len);
    if (!s->codec)
        return LA_OK;
    s->codec_state = s->codec->open();
    if (!s->codec_state)
        return la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(s->path));
    return LA_OK;
}

static enum la_status open_descriptor(struct la_stream *s, struct la_error *err) {
    if (strcmp(s->path, "-") == 0) {
        s->fd = STDIN_FILENO;
        if (isatty(s->fd))
            return la_fail(err, LA_EINPUT,
                           "standard input: is a terminal (pipe a capture into it)");
        return LA_OK;
    }
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return fail_to_open(s->path, err);
    posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return LA_OK;
}

enum la_status la_stream_open(const char *path, const struct la_stream_options *options,
                              struct la_stream **out, struct la_error *err) {
    *out = NULL;
    struct la_stream *s = malloc(sizeof *s);
    if (!s)
        return la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(path));
    memset(s, 0, offsetof(struct la_stream, in)); /* its pages are touched when they are used */
    s->path = path;
    s->stop = options->stop;
    s->threads = options->threads;
    s->may_read_ahead = options->read_ahead;
    s->fd = -1;
    enum la_status status = open_descriptor(s, err);
    if (status == LA_OK)
        status = choose_codec(s, err);
    if (status != LA_OK) {
        la_stream_free(s);
        return status;
    }
    *out = s;
    return LA_OK;
}

void la_stream_free(struct la_stream *s) {
    if (!s)
        return;
    la_ahead_free(s->ahead);
    if (s->codec_state)
        s->codec->close(s->codec_state);
    if (s->fd > STDERR_FILENO)
        close(s->fd);
    free(s);
}

static enum la_status read_plain(struct la_stream *s, uint8_t *buf, size_t max, size_t *got) {
    if (s->in_pos < s->in_len) {
        size_t n = s->in_len - s->in_pos;
        n = n < max ? n : max;
        memcpy(buf, s->in + s->in_pos, n);
        s->in_pos += n;
        *got = n;
        return LA_OK;
    }
    ssize_t n = s->input_ended ? 0 : read_some(s, buf, max);
    if (n > 0) {
        *got = (size_t)n;
        return LA_OK;
    }
    if (!s->input_ended)
        note_input_end(s, n);
    s->ended = true;
    return s->error.status;
}

/* Ends the stream for a reason of the data's. Offsets are of the file as it lies there. */
static void end_with(struct la_stream *s, enum la_status status, const char *what) {
    uint64_t at = s->bytes_read - (s->in_len - s->in_pos);
    const char *name = la_stream_name(s->path);
    if (status == LA_ENOMEM)
        la_fail(&s->error, status, "%s: out of memory while decompressing", name);
    else if (what)
        la_fail(&s->error, status,
                "%s: the %s data are damaged at byte %" PRIu64
                ": %s (copy it again; what came before it was analysed)",
                name, s->codec->name, at, what);
    else
        la_fail(&s->error, status,
                "%s: the %s data end too soon, at byte %" PRIu64
                " (the file was cut off; what came before it was analysed)",
                name, s->codec->name, at);
    s->error.offset = at;
    s->ended = true;
}

/* Between members: zeros are padding (gzip on tapes, xz by design); anything else is the next
 * member, or the codec will say that it is none. */
static void begin_member(struct la_stream *s) {
    while (s->in_pos < s->in_len && s->in[s->in_pos] == 0)
        s->in_pos++;
    if (s->in_pos == s->in_len)
        return;
    if (!s->codec->restart(s->codec_state))
        end_with(s, LA_ENOMEM, NULL);
    s->between_members = false;
}

/* One step of the codec. False when it made nothing out of an input that has ended. */
static bool step_codec(struct la_stream *s, struct la_codec_io *io) {
    size_t room = io->out_len;
    io->in = s->in + s->in_pos;
    io->in_len = s->in_len - s->in_pos;
    enum la_codec_result result = s->codec->step(s->codec_state, io);
    s->in_pos = s->in_len - io->in_len;
    if (result == LA_CODEC_MEMBER_END)
        s->between_members = true;
    else if (result == LA_CODEC_DAMAGED)
        end_with(s, LA_EINPUT, io->why);
    else if (result == LA_CODEC_NOMEM)
        end_with(s, LA_ENOMEM, NULL);
    return io->out_len < room || result != LA_CODEC_MORE || !s->input_ended;
}

/* The input has ended and the codec has nothing more. */
static void conclude(struct la_stream *s) {
    if (s->error.status == LA_END && !s->between_members)
        end_with(s, LA_EINPUT, NULL);
    s->ended = true;
}

static enum la_status decompress(void *context, uint8_t *buf, size_t max, size_t *got) {
    struct la_stream *s = context;
    struct la_codec_io io = {0};
    io.out = buf;
    io.out_len = max;
    while (io.out_len > 0 && !s->ended) {
        if (s->in_pos == s->in_len && !s->input_ended)
            fill_input(s);
        if (s->between_members) {
            begin_member(s);
            if (s->between_members && s->input_ended)
                conclude(s);
        } else if (!step_codec(s, &io)) {
            conclude(s);
        }
    }
    *got = max - io.out_len;
    return *got > 0 ? LA_OK : s->error.status;
}

/* Without memory or a thread to spare everything is done here. */
static void begin_reading_ahead(struct la_stream *s) {
    s->may_read_ahead = false;
    s->ahead = la_ahead_new(decompress, s, s->stop, s->threads);
    if (s->ahead && !la_ahead_start(s->ahead)) {
        la_ahead_free(s->ahead);
        s->ahead = NULL;
    }
}

static enum la_status read_here(struct la_stream *s, uint8_t *buf, size_t max, size_t *got) {
    if (s->ended)
        return s->error.status;
    return s->codec ? decompress(s, buf, max, got) : read_plain(s, buf, max, got);
}

/* Once there is a thread the codec, and what ends the stream, are its own until it has ended. */
enum la_status la_stream_read(struct la_stream *s, uint8_t *buf, size_t max, size_t *got,
                              struct la_error *err) {
    *got = 0;
    if (s->codec && s->may_read_ahead && s->delivered >= AHEAD_FROM)
        begin_reading_ahead(s);
    enum la_status status =
        s->ahead ? la_ahead_read(s->ahead, buf, max, got) : read_here(s, buf, max, got);
    s->delivered += *got;
    if (status == LA_OK || status == LA_END)
        return status;
    if (s->ahead && is_stopped(s))
        return la_fail(err, status, "%s: told to stop", la_stream_name(s->path));
    if (err)
        *err = s->error;
    return status;
}
