/* Many inputs as one timeline.
 *
 * Each input is sniffed when it is added: opened, read as far as its first packet, and closed when
 * it can be opened again. The inputs then wait in the order of those times, and each is open only
 * from the moment when the timeline reaches its first packet until its end: a rotated set of a
 * thousand files takes one descriptor and one window.
 *
 * The open ones stand in a heap by the time of their next packet, ties by input. The one on top
 * gives packets as long as it is ahead of the next. Packets point into its window, so that it
 * cannot read on while the batch is in use: the batch ends there. The last or only input needs no
 * heap and fills the batch from its window directly. */
#include "capture/capture.h"

#include "base/time.h"
#include "capture/filter.h"
#include "capture/source.h"
#include "capture/when.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    INPUTS_MAX = UINT16_MAX, /* la_packet.input */
    /* A window fits the second-level cache, unless many inputs are open side by side. */
    WINDOW_LARGE = 256 * 1024,
    WINDOW_SMALL = 64 * 1024,
    FEW_SOURCES = 8,
    DIGITS_USEC = 6,
    DIGITS_NSEC = 9,
};

struct la_capture {
    struct la_capture_options options;
    struct la_filter *filter;        /* owned; NULL: none */
    struct la_ahead_threads threads; /* that decompress */
    int64_t first_ns;                /* LA_TIME_NONE until reading begins, and without a packet */
    int64_t last_ns;                 /* of what was delivered; LA_TIME_NONE without a packet */
    int64_t from_ns, to_ns;
    bool has_span;
    bool started;
    struct source **sources; /* owned, as each of them */
    size_t count, capacity;
    struct source **waiting; /* in the order of their first packets, from waiting_pos on */
    size_t waiting_pos, waiting_count;
    struct source **heap; /* the open ones */
    size_t open_count;
    struct source *fed; /* one of `sources`; NULL unless packets are fed */
    size_t left_out;
};

/* The caller's array. */
struct batch {
    struct la_packet *packets;
    size_t max, count;
};

enum la_status la_capture_new(const struct la_capture_options *options, struct la_capture **out,
                              struct la_error *err) {
    *out = NULL;
    struct la_capture *c = calloc(1, sizeof *c);
    if (!c)
        return la_fail(err, LA_ENOMEM, "out of memory");
    c->options = *options;
    c->first_ns = c->last_ns = LA_TIME_NONE;
    if (options->filter) {
        enum la_status status = la_filter_new(options->filter, &c->filter, err);
        if (status != LA_OK) {
            free(c);
            return status;
        }
    }
    *out = c;
    return LA_OK;
}

void la_capture_free(struct la_capture *c) {
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        source_free(c->sources[i]);
    free(c->sources);
    free(c->waiting);
    free(c->heap);
    la_filter_free(c->filter);
    free(c);
}

/* Adding */

static struct source *find_same(const struct la_capture *c, const struct source *s) {
    for (size_t i = 0; i < c->count; i++) {
        struct source *other = c->sources[i];
        if (s->is_regular && other->is_regular && s->inode == other->inode &&
            s->device == other->device)
            return other;
        if (strcmp(s->path, "-") == 0 && strcmp(other->path, "-") == 0)
            return other;
    }
    return NULL;
}

static bool make_room(struct la_capture *c) {
    if (c->count < c->capacity)
        return true;
    size_t capacity = c->capacity ? c->capacity * 2 : 8;
    struct source **grown = realloc(c->sources, capacity * sizeof(*grown));
    if (!grown)
        return false;
    c->sources = grown;
    c->capacity = capacity;
    return true;
}

/* Makes a source for `path`, not yet one of the capture's. */
static enum la_status new_source(struct la_capture *c, const char *path, struct source **out,
                                 struct la_error *err) {
    *out = NULL;
    if (c->started)
        return la_fail(err, LA_EUSAGE, "%s: added after reading began", la_stream_name(path));
    if (c->count == INPUTS_MAX)
        return la_fail(err, LA_EUSAGE, "%s: more than %d inputs (read them in parts)",
                       la_stream_name(path), INPUTS_MAX);
    *out = make_room(c) ? source_new(path, (uint16_t)c->count) : NULL;
    if (*out)
        (*out)->stream = (struct la_stream_options){
            .stop = c->options.stop, .read_ahead = c->options.read_ahead, .threads = &c->threads};
    return *out ? LA_OK : la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(path));
}

/* Adds one file. `listed` says that it was found in a directory: then it may be no capture. */
static enum la_status add_file(struct la_capture *c, const char *path, bool listed,
                               struct la_error *err) {
    struct source *s;
    enum la_status status = new_source(c, path, &s, err);
    if (!s)
        return status;
    const struct source *same = find_same(c, s);
    if (same) {
        status = la_fail(err, LA_EUSAGE, "%s: the same file as %s (it is read once)",
                         la_stream_name(path), la_stream_name(same->path));
        source_free(s);
        return status;
    }
    bool is_capture;
    status = source_sniff(s, &is_capture);
    if (listed && !is_capture && status != LA_ENOMEM) {
        c->left_out++;
        source_free(s);
        return LA_OK;
    }
    c->sources[c->count++] = s;
    if (status == LA_OK || status == LA_END)
        return LA_OK;
    if (err)
        *err = s->info.error;
    return status;
}

/* An input that is nothing but its error. */
static enum la_status add_broken(struct la_capture *c, const char *path, const struct la_error *why,
                                 struct la_error *err) {
    struct source *s;
    enum la_status status = new_source(c, path, &s, err);
    if (!s)
        return status;
    s->info.error = *why;
    c->sources[c->count++] = s;
    if (err)
        *err = *why;
    return why->status;
}

static int is_no_dot(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* strcmp, not strcoll as alphasort has it: the order must not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Adds `name` of the directory if it is a file. The first error is kept, the rest still read. */
static void add_entry(struct la_capture *c, const char *directory, const char *name,
                      struct la_error *first_error) {
    size_t len = strlen(directory), size = len + strlen(name) + 2;
    struct la_error error = {0};
    char *path = malloc(size);
    struct stat st;
    if (!path) {
        la_fail(&error, LA_ENOMEM, "%s: out of memory", directory);
    } else {
        snprintf(path, size, "%s%s%s", directory, len && directory[len - 1] == '/' ? "" : "/",
                 name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            add_file(c, path, true, &error);
        else
            c->left_out++;
    }
    free(path);
    if (error.status != LA_OK && first_error->status == LA_OK)
        *first_error = error;
}

static enum la_status add_directory(struct la_capture *c, const char *path, struct la_error *err) {
    struct dirent **entries = NULL;
    struct la_error error = {0};
    int n = scandir(path, &entries, is_no_dot, by_name);
    if (n < 0) {
        la_fail(&error, LA_EINPUT, "%s: the directory cannot be read: %s (check its permissions)",
                path, strerror(errno));
        return add_broken(c, path, &error, err);
    }
    size_t count_before = c->count, left_out_before = c->left_out;
    for (int i = 0; i < n; i++) {
        if (error.status != LA_ENOMEM)
            add_entry(c, path, entries[i]->d_name, &error);
        free(entries[i]);
    }
    free(entries);
    if (c->count == count_before && error.status == LA_OK) {
        la_fail(&error, LA_EINPUT,
                "%s: has no captures in it (%zu other entries were left out; its subdirectories "
                "are not looked into)",
                path, c->left_out - left_out_before);
        return add_broken(c, path, &error, err);
    }
    if (error.status != LA_OK && err)
        *err = error;
    return error.status;
}

enum la_status la_capture_add(struct la_capture *c, const char *path, struct la_error *err) {
    struct stat st;
    if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return add_directory(c, path, err);
    return add_file(c, path, false, err);
}

/* The order of the timeline: by time, ties in the order in which the inputs were added. */
struct place {
    int64_t time_ns;
    uint16_t input;
};

static bool is_before(struct place a, struct place b) {
    return a.time_ns != b.time_ns ? a.time_ns < b.time_ns : a.input < b.input;
}

static struct place place_of_head(const struct source *s) {
    return (struct place){source_head(s)->time_ns, s->index};
}

static struct place place_of_start(const struct source *s) {
    return (struct place){s->start_ns, s->index};
}

static int by_start(const void *a, const void *b) {
    const struct source *const *x = a, *const *y = b;
    return is_before(place_of_start(*x), place_of_start(*y)) ? -1 : 1;
}

static void begin(struct la_capture *c, int64_t first_ns) {
    int64_t start_ns = first_ns != LA_TIME_NONE ? first_ns : 0;
    c->first_ns = first_ns;
    c->from_ns = la_when_resolve(&c->options.from, start_ns, INT64_MIN);
    c->to_ns = la_when_resolve(&c->options.to, start_ns, INT64_MAX);
    c->has_span = c->from_ns != INT64_MIN || c->to_ns != INT64_MAX;
    c->started = true;
}

/* Once, before the first batch: who waits, and what the span is. */
static enum la_status start(struct la_capture *c, struct la_error *err) {
    c->waiting = calloc(c->count + 1, sizeof(*c->waiting));
    c->heap = calloc(c->count + 1, sizeof(*c->heap));
    if (!c->waiting || !c->heap) {
        la_fail(err, LA_ENOMEM, "out of memory");
        return LA_ENOMEM;
    }
    int64_t first_ns = LA_TIME_NONE;
    for (size_t i = 0; i < c->count; i++) {
        struct source *s = c->sources[i];
        if (s->start_ns == LA_TIME_NONE)
            continue;
        c->waiting[c->waiting_count++] = s;
        if (first_ns == LA_TIME_NONE || s->start_ns < first_ns)
            first_ns = s->start_ns;
    }
    if (c->waiting_count > 1)
        qsort(c->waiting, c->waiting_count, sizeof(*c->waiting), by_start);
    begin(c, first_ns);
    return LA_OK;
}

/* Delivering */

/* Counts `n` (> 0) packets. False when some are earlier than the one before them. */
static bool count_packets(struct source *s, const struct la_packet *packets, size_t n) {
    int64_t previous = s->previous_ns == LA_TIME_NONE ? packets[0].time_ns : s->previous_ns;
    bool in_order = true;
    uint64_t bytes = 0, steps = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t time_ns = packets[i].time_ns;
        if (time_ns < previous) {
            in_order = false;
            steps += previous - time_ns > LA_STEP_BACK_NS;
        }
        previous = time_ns;
        bytes += packets[i].len;
    }
    s->previous_ns = previous;
    s->info.bytes += bytes;
    s->info.time_steps_back += steps;
    s->info.packets += n;
    return in_order;
}

static void note_time(struct la_input *info, int64_t time_ns) {
    if (info->first_ns == LA_TIME_NONE || time_ns < info->first_ns)
        info->first_ns = time_ns;
    if (time_ns > info->last_ns)
        info->last_ns = time_ns;
}

/* Of packets in order the first and the last say it all. */
static void note_times(struct la_input *info, const struct la_packet *packets, size_t n,
                       bool in_order) {
    size_t step = in_order && n > 1 ? n - 1 : 1;
    for (size_t i = 0; i < n; i += step)
        note_time(info, packets[i].time_ns);
}

/* A filter that does not fit a link type is told once; an error of reading outweighs it. */
static void note_misfit(struct source *s, const struct la_packet *p, const char *why) {
    if (s->info.error.status != LA_OK)
        return;
    const char *name = la_linktype_name(p->linktype);
    char number[16];
    snprintf(number, sizeof number, "%u", p->linktype);
    la_fail(&s->info.error, LA_EINPUT,
            "%s: the filter does not fit packets of link type %s: %s (they were left out, from "
            "packet %llu on)",
            la_stream_name(s->path), name ? name : number, why, (unsigned long long)p->frame);
}

static bool is_wanted(struct la_capture *c, struct source *s, const struct la_packet *p) {
    if (p->time_ns < c->from_ns || p->time_ns > c->to_ns)
        return false;
    if (!c->filter)
        return true;
    const char *why;
    bool match = la_filter_match(c->filter, p, &why);
    if (why)
        note_misfit(s, p, why);
    return match;
}

/* Counts `n` (> 0) packets at the end of the batch, and keeps those that are wanted. */
static void deliver(struct la_capture *c, struct source *s, struct batch *b, size_t n) {
    struct la_packet *packets = b->packets + b->count;
    bool in_order = count_packets(s, packets, n);
    size_t kept = n;
    if (c->has_span || c->filter) {
        kept = 0;
        for (size_t i = 0; i < n; i++)
            if (is_wanted(c, s, &packets[i]))
                packets[kept++] = packets[i];
        s->info.filtered += n - kept;
    }
    note_times(&s->info, packets, kept, in_order);
    c->last_ns = c->last_ns > s->info.last_ns ? c->last_ns : s->info.last_ns;
    s->lent = s->lent || kept > 0;
    b->count += kept;
}

/* The heap */

static void sift_down(struct la_capture *c) {
    struct source **heap = c->heap, *s = heap[0];
    size_t i = 0, n = c->open_count;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && is_before(place_of_head(heap[child + 1]), place_of_head(heap[child])))
            child++;
        if (!is_before(place_of_head(heap[child]), place_of_head(s)))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = s;
}

static void push(struct la_capture *c, struct source *s) {
    size_t i = c->open_count++;
    while (i > 0 && is_before(place_of_head(s), place_of_head(c->heap[(i - 1) / 2]))) {
        c->heap[i] = c->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    c->heap[i] = s;
}

static void remove_top(struct la_capture *c) {
    c->heap[0] = c->heap[--c->open_count];
    if (c->open_count > 1)
        sift_down(c);
}

/* Opens what waits and whose first packet is next. All open sources are loaded. */
static enum source_more open_due(struct la_capture *c) {
    while (c->waiting_pos < c->waiting_count) {
        struct source *s = c->waiting[c->waiting_pos];
        if (c->open_count > 0 && is_before(place_of_head(c->heap[0]), place_of_start(s)))
            break;
        c->waiting_pos++;
        size_t window = c->open_count < FEW_SOURCES ? WINDOW_LARGE : WINDOW_SMALL;
        if (!source_open(s, window)) {
            if (s->info.error.status == LA_ENOMEM)
                return SOURCE_NOMEM;
            continue;
        }
        enum source_more more = source_load(s);
        if (more == SOURCE_NOMEM)
            return more;
        if (more == SOURCE_READY)
            push(c, s);
    }
    return SOURCE_READY;
}

/* The place up to which the source on top is ahead of all others. False: it is alone. */
static bool find_rival(const struct la_capture *c, struct place *rival) {
    bool found = false;
    for (size_t i = 1; i < 3 && i < c->open_count; i++) {
        struct place p = place_of_head(c->heap[i]);
        if (!found || is_before(p, *rival))
            *rival = p;
        found = true;
    }
    if (c->waiting_pos < c->waiting_count) {
        struct place p = place_of_start(c->waiting[c->waiting_pos]);
        if (!found || is_before(p, *rival))
            *rival = p;
        found = true;
    }
    return found;
}

/* Moves packets from the run on top into the batch, as long as they are before the rival. */
static void pour_run(struct la_capture *c, struct source *s, struct batch *b,
                     const struct place *rival) {
    size_t n = 0, room = b->max - b->count;
    while (n < room && source_is_loaded(s) && (!rival || is_before(place_of_head(s), *rival)))
        b->packets[b->count + n++] = s->run[s->run_pos++];
    if (n > 0)
        deliver(c, s, b, n);
    if (source_is_loaded(s) && rival)
        sift_down(c);
}

static enum source_more pour_directly(struct la_capture *c, struct source *s, struct batch *b) {
    size_t n;
    enum source_more more = source_take(s, b->packets + b->count, b->max - b->count, &n);
    if (more == SOURCE_READY)
        deliver(c, s, b, n);
    else if (more == SOURCE_ENDED)
        remove_top(c);
    return more;
}

/* Sees to it that the source on top is loaded, which only it may not be. */
static enum source_more load_top(struct la_capture *c) {
    enum source_more more = source_load(c->heap[0]);
    if (more == SOURCE_READY)
        sift_down(c);
    else if (more == SOURCE_ENDED)
        remove_top(c);
    return more;
}

/* One step of filling a batch. SOURCE_ENDED when everything has ended; SOURCE_BLOCKED when the
 * batch has to be given out as it is. */
static enum source_more step(struct la_capture *c, struct batch *b) {
    struct place rival;
    bool is_alone = c->open_count == 1 && c->waiting_pos == c->waiting_count;
    if (c->open_count > 0 && !is_alone && !source_is_loaded(c->heap[0])) {
        enum source_more more = load_top(c);
        return more == SOURCE_ENDED ? SOURCE_READY : more;
    }
    if (c->waiting_pos < c->waiting_count) {
        enum source_more more = open_due(c);
        if (more != SOURCE_READY)
            return more;
    }
    if (c->open_count == 0)
        return SOURCE_ENDED;
    struct source *top = c->heap[0];
    if (find_rival(c, &rival)) {
        pour_run(c, top, b, &rival);
        return SOURCE_READY;
    }
    if (source_is_loaded(top)) {
        pour_run(c, top, b, NULL);
        return SOURCE_READY;
    }
    return pour_directly(c, top, b);
}

/* The caller has no more use for the packets of the batch before. */
static void end_loans(struct la_capture *c) {
    for (size_t i = 0; i < c->open_count; i++)
        c->heap[i]->lent = false;
}

enum la_status la_capture_next_batch(struct la_capture *c, struct la_packet *packets, size_t max,
                                     size_t *count, struct la_error *err) {
    *count = 0;
    if (!c->started) {
        enum la_status status = start(c, err);
        if (status != LA_OK)
            return status;
    }
    end_loans(c);
    struct batch b = {packets, max, 0};
    while (b.count < max && !(c->options.stop && *c->options.stop)) {
        enum source_more more = step(c, &b);
        if (more == SOURCE_NOMEM)
            return la_fail(err, LA_ENOMEM, "out of memory while reading captures");
        if (more == SOURCE_BLOCKED || (more == SOURCE_ENDED && c->open_count == 0))
            break;
    }
    *count = b.count;
    return b.count > 0 ? LA_OK : LA_END;
}

/* Feeding */

static enum la_status begin_feeding(struct la_capture *c, const struct la_packet *first,
                                    struct la_error *err) {
    struct source *s;
    if (c->started || c->count > 0)
        return la_fail(err, LA_EUSAGE, "packets cannot be fed beside captures that are read");
    enum la_status status = new_source(c, LA_INPUT_FED, &s, err);
    if (!s)
        return status;
    s->info.time_digits = DIGITS_USEC;
    c->sources[c->count++] = s;
    c->fed = s;
    begin(c, first->time_ns);
    return LA_OK;
}

enum la_status la_capture_feed(struct la_capture *c, struct la_packet *packet, bool *wanted,
                               struct la_error *err) {
    enum la_status status = c->fed ? LA_OK : begin_feeding(c, packet, err);
    if (status != LA_OK)
        return status;
    struct la_input *info = &c->fed->info;
    packet->frame = info->packets + 1;
    packet->input = c->fed->index;
    if (packet->len < packet->caplen)
        packet->len = packet->caplen;
    if (packet->time_ns % LA_USEC != 0)
        info->time_digits = DIGITS_NSEC;
    la_input_note_linktype(info, packet->linktype);
    struct batch b = {packet, 1, 0};
    deliver(c, c->fed, &b, 1);
    *wanted = b.count == 1;
    return LA_OK;
}

unsigned la_capture_decompressing(const struct la_capture *c) {
    return atomic_load_explicit(&c->threads.busy, memory_order_relaxed);
}

size_t la_capture_input_count(const struct la_capture *c) {
    return c->count;
}

const struct la_input *la_capture_input(const struct la_capture *c, size_t index) {
    return index < c->count ? &c->sources[index]->info : NULL;
}

int64_t la_capture_first_ns(const struct la_capture *c) {
    return c->first_ns;
}

int64_t la_capture_last_ns(const struct la_capture *c) {
    return c->last_ns;
}

size_t la_capture_left_out(const struct la_capture *c) {
    return c->left_out;
}

void la_capture_progress(const struct la_capture *c, uint64_t *done, uint64_t *total) {
    *done = *total = 0;
    bool known = true;
    for (size_t i = 0; i < c->count; i++) {
        const struct source *s = c->sources[i];
        *done += s->reader ? la_stream_bytes_read(s->reader->stream) : s->bytes_done;
        *total += s->size;
        known = known && s->is_regular;
    }
    if (!known)
        *total = 0;
}
