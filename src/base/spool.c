/* The file is made when the first run is full: short results never touch the disk. */
#include "base/spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A run is as much as a core's own cache holds. All are read at the same time, a piece of each
 * after the other: of READ_MEMORY in all, but of no fewer bytes than are worth a call. */
enum {
    RUN_SIZE = 1 << 18,
    PART_MIN = 1 << 12,
    READ_MEMORY = 1 << 24,
    READ_MIN = 1 << 11,
    READ_MAX = 1 << 16,
    ALIGNMENT = 8,
};

/* What stands before each line, in memory and in the file. */
struct head {
    int64_t time_ns;
    uint64_t tie;
    uint32_t length;
    uint16_t rank;
    uint16_t unused;
};

/* Lines in the order of arrival, each with its head. */
struct part {
    char *bytes; /* owned */
    size_t used, capacity;
    size_t count;
};

/* Lines in order, in the file. */
struct run {
    uint64_t from, until;
};

struct la_spool {
    pthread_mutex_t lock; /* of what follows, but the parts */
    int fd;               /* -1: everything is still in memory */
    uint64_t end;         /* of the file */
    struct run *runs;     /* owned */
    size_t run_count, run_capacity;
    unsigned part_count;
    struct part parts[];
};

struct la_spool *la_spool_new(unsigned parts) {
    struct la_spool *spool = calloc(1, sizeof *spool + parts * sizeof spool->parts[0]);
    if (!spool)
        return NULL;
    pthread_mutex_init(&spool->lock, NULL);
    spool->fd = -1;
    spool->part_count = parts;
    return spool;
}

void la_spool_free(struct la_spool *spool) {
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    for (unsigned i = 0; i < spool->part_count; i++)
        free(spool->parts[i].bytes);
    free(spool->runs);
    pthread_mutex_destroy(&spool->lock);
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

static enum la_status fail_memory(struct la_error *err) {
    return la_fail(err, LA_ENOMEM, "out of memory");
}

/* Runs */

static size_t size_of(uint32_t length) {
    return (sizeof(struct head) + length + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static int compare_heads(const struct head *a, const struct head *b) {
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a->tie < b->tie ? -1 : a->tie > b->tie;
}

static int in_order(const void *a, const void *b) {
    const struct head *x = *(const struct head *const *)a, *y = *(const struct head *const *)b;
    int order = compare_heads(x, y);
    return order ? order : x < y ? -1 : x > y;
}

/* The lines of a part in order; NULL when out of memory. */
static char *sorted(const struct part *part) {
    const struct head **heads = malloc(part->count * sizeof *heads);
    char *bytes = malloc(part->used), *to = bytes;
    const char *from = part->bytes;
    if (!heads || !bytes) {
        free(heads);
        free(bytes);
        return NULL;
    }
    for (size_t i = 0; i < part->count; i++) {
        heads[i] = (const struct head *)(const void *)from;
        from += size_of(heads[i]->length);
    }
    qsort(heads, part->count, sizeof(const struct head *), in_order);
    for (size_t i = 0; i < part->count; i++) {
        size_t size = size_of(heads[i]->length);
        memcpy(to, heads[i], size);
        to += size;
    }
    free(heads);
    return bytes;
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

/* A place in the file for so many bytes. Called with the lock held. */
static enum la_status add_run(struct la_spool *spool, size_t size, uint64_t *at,
                              struct la_error *err) {
    if (spool->run_count == spool->run_capacity) {
        size_t capacity = spool->run_capacity > 0 ? 2 * spool->run_capacity : 16;
        struct run *runs = realloc(spool->runs, capacity * sizeof *runs);
        if (!runs)
            return fail_memory(err);
        spool->runs = runs;
        spool->run_capacity = capacity;
    }
    if (spool->fd < 0 && open_file(spool, err) != LA_OK)
        return LA_EOUTPUT;
    *at = spool->end;
    spool->end += size;
    spool->runs[spool->run_count++] = (struct run){*at, spool->end};
    return LA_OK;
}

static enum la_status write_out(const struct la_spool *spool, const char *bytes, size_t count,
                                uint64_t at, struct la_error *err) {
    while (count > 0) {
        ssize_t written = pwrite(spool->fd, bytes, count, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail(err, "write");
        bytes += written;
        at += (uint64_t)written;
        count -= (size_t)written;
    }
    return LA_OK;
}

static enum la_status flush(struct la_spool *spool, struct part *part, struct la_error *err) {
    uint64_t at = 0;
    if (part->count == 0)
        return LA_OK;
    char *bytes = sorted(part);
    if (!bytes)
        return fail_memory(err);
    pthread_mutex_lock(&spool->lock);
    enum la_status status = add_run(spool, part->used, &at, err);
    pthread_mutex_unlock(&spool->lock);
    if (status == LA_OK)
        status = write_out(spool, bytes, part->used, at, err);
    free(bytes);
    part->used = part->count = 0;
    return status;
}

static enum la_status make_room(struct la_spool *spool, struct part *part, size_t size,
                                struct la_error *err) {
    enum la_status status = part->used + size > RUN_SIZE ? flush(spool, part, err) : LA_OK;
    if (status != LA_OK)
        return status;
    size_t capacity = part->capacity > 0 ? part->capacity : PART_MIN;
    while (capacity < part->used + size)
        capacity *= 2;
    if (capacity == part->capacity)
        return LA_OK;
    char *bytes = realloc(part->bytes, capacity);
    if (!bytes)
        return fail_memory(err);
    part->bytes = bytes;
    part->capacity = capacity;
    return LA_OK;
}

enum la_status la_spool_add(struct la_spool *spool, unsigned number, const struct la_spool_key *key,
                            const void *line, uint32_t length, struct la_error *err) {
    struct part *part = &spool->parts[number];
    size_t size = size_of(length);
    if (part->used + size > part->capacity) {
        enum la_status status = make_room(spool, part, size, err);
        if (status != LA_OK)
            return status;
    }
    struct head *head = (struct head *)(void *)(part->bytes + part->used);
    memset((char *)head + size - ALIGNMENT, 0, ALIGNMENT); /* nothing of what was there before */
    *head = (struct head){
        .time_ns = key->time_ns, .tie = key->tie, .length = length, .rank = key->rank};
    memcpy(head + 1, line, length);
    part->used += size;
    part->count++;
    return LA_OK;
}

/* The merge */

/* Where a run is read. */
struct cursor {
    struct head head;  /* of the next line, which is in the buffer as a whole */
    char *buffer;      /* owned */
    size_t at, filled; /* of the buffer */
    size_t capacity;   /* likewise */
    struct run rest;   /* not yet read */
    size_t number;     /* equal lines leave in the order of their runs */
};

struct merge {
    const struct la_spool *spool;
    struct cursor *cursors; /* owned */
    size_t cursor_count;
    struct cursor **heap; /* owned; those that have a line, the first one first */
    size_t heap_count;
};

static bool comes_first(const struct cursor *a, const struct cursor *b) {
    int order = compare_heads(&a->head, &b->head);
    return order < 0 || (order == 0 && a->number < b->number);
}

static void sift_down(struct merge *merge, size_t place) {
    struct cursor *moved = merge->heap[place];
    for (size_t child; (child = 2 * place + 1) < merge->heap_count; place = child) {
        if (child + 1 < merge->heap_count &&
            comes_first(merge->heap[child + 1], merge->heap[child]))
            child++;
        if (!comes_first(merge->heap[child], moved))
            break;
        merge->heap[place] = merge->heap[child];
    }
    merge->heap[place] = moved;
}

/* At least `size` bytes from the cursor on, as there are so many in its run. */
static enum la_status fill(const struct merge *merge, struct cursor *cursor, size_t size,
                           struct la_error *err) {
    cursor->filled -= cursor->at;
    memmove(cursor->buffer, cursor->buffer + cursor->at, cursor->filled);
    cursor->at = 0;
    if (size > cursor->capacity) {
        char *buffer = realloc(cursor->buffer, size);
        if (!buffer)
            return fail_memory(err);
        cursor->buffer = buffer;
        cursor->capacity = size;
    }
    while (cursor->filled < size) {
        size_t room = cursor->capacity - cursor->filled;
        uint64_t left = cursor->rest.until - cursor->rest.from;
        ssize_t got = pread(merge->spool->fd, cursor->buffer + cursor->filled,
                            left < room ? (size_t)left : room, (off_t)cursor->rest.from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO; /* shorter than it was written */
        if (got <= 0)
            return fail(err, "read");
        cursor->filled += (size_t)got;
        cursor->rest.from += (uint64_t)got;
    }
    return LA_OK;
}

static bool is_at_end(const struct cursor *cursor) {
    return cursor->at == cursor->filled && cursor->rest.from == cursor->rest.until;
}

/* Reads the next line's head, and makes sure of the line. */
static enum la_status look_at(const struct merge *merge, struct cursor *cursor,
                              struct la_error *err) {
    size_t size = sizeof cursor->head;
    for (int i = 0; i < 2; i++) {
        if (cursor->filled - cursor->at < size) {
            enum la_status status = fill(merge, cursor, size, err);
            if (status != LA_OK)
                return status;
        }
        memcpy(&cursor->head, cursor->buffer + cursor->at, sizeof cursor->head);
        size = size_of(cursor->head.length);
    }
    return LA_OK;
}

static enum la_status open_cursor(struct merge *merge, struct cursor *cursor,
                                  struct la_error *err) {
    if (!cursor->buffer)
        return fail_memory(err);
    merge->heap[merge->heap_count++] = cursor;
    return look_at(merge, cursor, err);
}

static size_t read_size(size_t runs) {
    size_t size = runs > 0 ? READ_MEMORY / runs : READ_MAX;
    return size < READ_MIN ? READ_MIN : size < READ_MAX ? size : READ_MAX;
}

/* What was written to the file is read from there, the rest of each part lies in memory. */
static enum la_status open_runs(struct merge *merge, struct la_spool *spool, struct la_error *err) {
    size_t most = spool->run_count + spool->part_count, piece = read_size(spool->run_count);
    merge->spool = spool;
    merge->cursors = calloc(most, sizeof *merge->cursors);
    merge->heap = malloc(most * sizeof *merge->heap);
    if (!merge->cursors || !merge->heap)
        return fail_memory(err);
    enum la_status status = LA_OK;
    for (size_t i = 0; i < spool->run_count && status == LA_OK; i++) {
        struct cursor *cursor = &merge->cursors[merge->cursor_count];
        *cursor = (struct cursor){.buffer = malloc(piece),
                                  .capacity = piece,
                                  .rest = spool->runs[i],
                                  .number = merge->cursor_count++};
        status = open_cursor(merge, cursor, err);
    }
    for (unsigned i = 0; i < spool->part_count && status == LA_OK; i++) {
        struct part *part = &spool->parts[i];
        if (part->count == 0)
            continue;
        struct cursor *cursor = &merge->cursors[merge->cursor_count];
        *cursor = (struct cursor){.buffer = sorted(part),
                                  .capacity = part->used,
                                  .filled = part->used,
                                  .number = merge->cursor_count++};
        status = open_cursor(merge, cursor, err);
        part->used = part->count = 0;
    }
    for (size_t i = merge->heap_count / 2; i-- > 0;)
        sift_down(merge, i);
    return status;
}

static enum la_status walk(struct merge *merge, la_spool_visitor *visit, void *context,
                           struct la_error *err) {
    enum la_status status = LA_OK;
    while (merge->heap_count > 0 && status == LA_OK) {
        struct cursor *first = merge->heap[0];
        if (!visit(context, first->buffer + first->at + sizeof first->head, first->head.length))
            return LA_OK;
        first->at += size_of(first->head.length);
        if (is_at_end(first))
            merge->heap[0] = merge->heap[--merge->heap_count];
        else
            status = look_at(merge, first, err);
        if (merge->heap_count > 0)
            sift_down(merge, 0);
    }
    return status;
}

enum la_status la_spool_walk(struct la_spool *spool, la_spool_visitor *visit, void *context,
                             struct la_error *err) {
    struct merge merge = {0};
    enum la_status status = open_runs(&merge, spool, err);
    if (status == LA_OK)
        status = walk(&merge, visit, context, err);
    for (size_t i = 0; i < merge.cursor_count; i++)
        free(merge.cursors[i].buffer);
    free(merge.cursors);
    free(merge.heap);
    spool->run_count = 0;
    return status;
}
