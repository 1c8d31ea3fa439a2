#include "report/lines.h"

#include "base/spool.h"
#include "report/connection_json.h"
#include "report/connection_notes.h"
#include "report/emit.h"
#include "report/finding_json.h"
#include "report/press.h"

#include <stdlib.h>
#include <string.h>

/* What comes of one shard. */
struct sheet {
    struct la_notes notes;
    struct la_error failure; /* the first one */
};

struct la_lines {
    struct la_emit emit; /* for findings, whose lines wait as text */
    bool of_connections; /* whose lines wait as notes */
    struct la_spool *spool;
    struct sheet sheets[LA_PAIR_CLASSES];
};

static struct la_lines *new_lines(const struct la_input *const *inputs, size_t input_count,
                                  unsigned shards) {
    struct la_lines *lines = calloc(1, sizeof *lines);
    if (!lines || !(lines->spool = la_spool_new(shards))) {
        free(lines);
        return NULL;
    }
    lines->emit.inputs = inputs;
    lines->emit.input_count = input_count;
    lines->emit.digits = LA_EMIT_DIGITS_LATER;
    return lines;
}

struct la_lines *la_lines_of_findings(const struct la_input *const *inputs, size_t input_count,
                                      const struct la_hosts *hosts) {
    struct la_lines *lines = new_lines(inputs, input_count, 1);
    if (lines)
        lines->emit.hosts = hosts;
    return lines;
}

struct la_lines *la_lines_of_connections(const struct la_input *const *inputs, size_t input_count) {
    struct la_lines *lines = new_lines(inputs, input_count, LA_PAIR_CLASSES);
    if (lines)
        lines->of_connections = true;
    return lines;
}

void la_lines_free(struct la_lines *lines) {
    if (!lines)
        return;
    la_spool_free(lines->spool);
    for (int i = 0; i < LA_PAIR_CLASSES; i++)
        la_notes_release(&lines->sheets[i].notes);
    free(lines);
}

static char *copy_of(const char *text, size_t length) {
    char *copy = text ? malloc(length + 1) : NULL;
    if (copy)
        memcpy(copy, text, length + 1);
    return copy;
}

char *la_line_of_connection(const struct la_inputs *inputs, const struct la_connection *connection,
                            size_t *length) {
    struct la_writer *w = la_writer_new(inputs->items, inputs->count, LA_EMIT_DIGITS_MAX);
    if (!w)
        return NULL;
    la_write_connection(w, connection);
    const char *text = la_writer_text(w, length);
    char *line = copy_of(text, *length);
    la_writer_free(w);
    return line;
}

char *la_line_of_finding(const struct la_inputs *inputs, const struct la_finding *finding,
                         size_t *length) {
    struct la_emit emit = {.inputs = inputs->items,
                           .input_count = inputs->count,
                           .hosts = inputs->hosts,
                           .digits = LA_EMIT_DIGITS_MAX};
    json_t *object = la_emit_finding(&emit, finding);
    return la_emit_print(&emit, object, false, length);
}

static void fail_memory(struct sheet *sheet) {
    la_fail(&sheet->failure, LA_ENOMEM, "out of memory");
}

void la_lines_add_connection(struct la_lines *lines, unsigned shard,
                             const struct la_connection *connection) {
    struct sheet *sheet = &lines->sheets[shard];
    const struct la_spool_key key = {.time_ns = connection->last.time_ns,
                                     .rank = connection->first.input,
                                     .tie = connection->first.frame};
    if (sheet->failure.status != LA_OK)
        return;
    if (la_notes_write(&sheet->notes, connection))
        (void)la_spool_add(lines->spool, shard, &key, sheet->notes.bytes,
                           (uint32_t)sheet->notes.used, &sheet->failure);
    else
        fail_memory(sheet);
}

/* FNV-1a: an order, once time and kind are equal, that depends on what the line says only. */
static uint64_t hash_of(const char *bytes, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void la_lines_add_finding(struct la_lines *lines, const struct la_finding *finding) {
    struct sheet *sheet = &lines->sheets[0];
    size_t length = 0;
    if (sheet->failure.status != LA_OK)
        return;
    char *line =
        la_emit_print(&lines->emit, la_emit_finding(&lines->emit, finding), false, &length);
    if (!line) {
        fail_memory(sheet);
        return;
    }
    const struct la_spool_key key = {
        .time_ns = finding->time_ns, .rank = (uint16_t)finding->kind, .tie = hash_of(line, length)};
    (void)la_spool_add(lines->spool, 0, &key, line, (uint32_t)length, &sheet->failure);
    free(line);
}

struct walk {
    const struct la_lines_how *how;
    struct press *press; /* of connections */
    int digits;
};

static bool write_connection(void *context, char *notes, size_t length) {
    const struct walk *walk = context;
    return press_add(walk->press, notes, length);
}

static bool write_finding(void *context, char *line, size_t length) {
    const struct walk *walk = context;
    struct la_output *output = walk->how->output;
    length = la_emit_trim(line, length, walk->digits);
    return la_output_write(output, line, length) && la_output_write(output, "\n", 1);
}

static enum la_status write_connections(struct la_lines *lines, struct walk *walk,
                                        struct la_error *err) {
    walk->press = press_new(lines->emit.inputs, lines->emit.input_count, walk->how);
    if (!walk->press)
        return la_fail(err, LA_ENOMEM, "out of memory");
    enum la_status status = la_spool_walk(lines->spool, write_connection, walk, err);
    if (status == LA_OK && !press_finish(walk->press))
        status = la_fail(err, LA_ENOMEM, "out of memory");
    press_free(walk->press);
    return status;
}

enum la_status la_lines_write(struct la_lines *lines, const struct la_lines_how *how,
                              struct la_error *err) {
    for (int i = 0; i < LA_PAIR_CLASSES; i++) {
        if (lines->sheets[i].failure.status == LA_OK)
            continue;
        if (err)
            *err = lines->sheets[i].failure;
        return lines->sheets[i].failure.status;
    }
    struct walk walk = {.how = how,
                        .digits = la_emit_digits(lines->emit.inputs, lines->emit.input_count)};
    return lines->of_connections ? write_connections(lines, &walk, err)
                                 : la_spool_walk(lines->spool, write_finding, &walk, err);
}
