/* The file is made when the first buffer is full: short results never touch the disk. */
#include "base/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = 1 << 18, INDEX_MIN = 256 };

struct entry {
    int64_t time_ns;
    uint64_t tie;
    uint64_t offset;
    uint32_t length;
    uint16_t rank;
};

struct la_spool {
    int fd;           /* -1: everything is still in the buffer */
    uint64_t flushed; /* bytes in the file */
    struct entry *entries;
    size_t count, capacity;
    size_t used;
    char buffer[BUFFER_SIZE];
};

struct la_spool *la_spool_new(void) {
    struct la_spool *spool = malloc(sizeof *spool);
    if (spool) {
        spool->fd = -1;
        spool->flushed = 0;
        spool->entries = NULL;
        spool->count = spool->capacity = spool->used = 0;
    }
    return spool;
}

void la_spool_free(struct la_spool *spool) {
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    free(spool->entries);
    free(spool);
}

static const char *directory(void) {
    const char *named = getenv("TMPDIR");
    return named && *named ? named : "/tmp";
}

static enum la_status fail(struct la_error *err, const char *what) {
    return la_fail(err, LA_EOUTPUT,
                   "%s: cannot %s a temporary file: %s (set TMPDIR to a place with room)",
                   directory(), what, strerror(errno));
}

static enum la_status open_file(struct la_spool *spool, struct la_error *err) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/lastack-XXXXXX", directory());
    errno = ENAMETOOLONG;
    if (length < 0 || (size_t)length >= sizeof path || (spool->fd = mkstemp(path)) < 0)
        return fail(err, "make");
    unlink(path);
    return LA_OK;
}

static enum la_status write_out(struct la_spool *spool, const char *bytes, size_t count,
                                struct la_error *err) {
    while (count > 0) {
        ssize_t written = write(spool->fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail(err, "write");
        bytes += written;
        count -= (size_t)written;
        spool->flushed += (uint64_t)written;
    }
    return LA_OK;
}

static enum la_status flush(struct la_spool *spool, struct la_error *err) {
    if (spool->fd < 0 && open_file(spool, err) != LA_OK)
        return LA_EOUTPUT;
    enum la_status status = write_out(spool, spool->buffer, spool->used, err);
    spool->used = 0;
    return status;
}

static enum la_status grow(struct la_spool *spool) {
    size_t capacity = spool->capacity ? spool->capacity * 2 : INDEX_MIN;
    struct entry *entries = realloc(spool->entries, capacity * sizeof *entries);
    if (!entries)
        return LA_ENOMEM;
    spool->entries = entries;
    spool->capacity = capacity;
    return LA_OK;
}

static enum la_status store(struct la_spool *spool, const char *line, uint32_t length,
                            struct la_error *err) {
    if (length > BUFFER_SIZE - spool->used && flush(spool, err) != LA_OK)
        return LA_EOUTPUT;
    if (length > BUFFER_SIZE)
        return write_out(spool, line, length, err);
    memcpy(spool->buffer + spool->used, line, length);
    spool->used += length;
    return LA_OK;
}

enum la_status la_spool_add(struct la_spool *spool, const struct la_spool_key *key,
                            const char *line, uint32_t length, struct la_error *err) {
    if (spool->count == spool->capacity && grow(spool) != LA_OK)
        return la_fail(err, LA_ENOMEM, "out of memory");
    struct entry entry = {.time_ns = key->time_ns,
                          .tie = key->tie,
                          .offset = spool->flushed + spool->used,
                          .length = length,
                          .rank = key->rank};
    spool->entries[spool->count] = entry;
    enum la_status status = store(spool, line, length, err);
    if (status == LA_OK)
        spool->count++;
    return status;
}

static int compare_u64(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b;
}

static int in_order(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    int tie = compare_u64(x->tie, y->tie);
    return tie ? tie : compare_u64(x->offset, y->offset);
}

static bool read_from_file(const struct la_spool *spool, const struct entry *entry, char *line) {
    size_t done = 0;
    while (done < entry->length) {
        ssize_t got =
            pread(spool->fd, line + done, entry->length - done, (off_t)(entry->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO; /* shorter than it was written */
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool read_line(const struct la_spool *spool, const struct entry *entry, char *line) {
    if (entry->offset < spool->flushed)
        return read_from_file(spool, entry, line);
    memcpy(line, spool->buffer + (entry->offset - spool->flushed), entry->length);
    return true;
}

static uint32_t longest(const struct la_spool *spool) {
    uint32_t length = 1;
    for (size_t i = 0; i < spool->count; i++) {
        if (spool->entries[i].length > length)
            length = spool->entries[i].length;
    }
    return length;
}

enum la_status la_spool_walk(struct la_spool *spool, la_spool_visitor *visit, void *context,
                             struct la_error *err) {
    char *line = malloc(longest(spool));
    if (!line)
        return la_fail(err, LA_ENOMEM, "out of memory");
    if (spool->count > 0)
        qsort(spool->entries, spool->count, sizeof *spool->entries, in_order);
    enum la_status status = LA_OK;
    bool more = true;
    for (size_t i = 0; i < spool->count && more && status == LA_OK; i++) {
        if (read_line(spool, &spool->entries[i], line))
            more = visit(context, line, spool->entries[i].length);
        else
            status = fail(err, "read");
    }
    free(line);
    return status;
}
