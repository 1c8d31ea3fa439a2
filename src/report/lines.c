#include "report/lines.h"

#include "base/spool.h"
#include "report/connection_json.h"
#include "report/emit.h"
#include "report/finding_json.h"

#include <stdlib.h>
#include <string.h>

#define LINE_FLAGS (JSON_COMPACT | LA_EMIT_FLAGS)

struct la_lines {
    struct la_emit emit;      /* for findings, whose lines wait as text */
    struct la_writer *writer; /* for connections, whose lines wait as notes */
    struct la_spool *spool;
    struct la_error failure; /* the first one */
};

static struct la_lines *new_lines(const struct la_input *const *inputs, size_t input_count) {
    struct la_lines *lines = calloc(1, sizeof *lines);
    if (!lines || !(lines->spool = la_spool_new())) {
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
    struct la_lines *lines = new_lines(inputs, input_count);
    if (lines)
        lines->emit.hosts = hosts;
    return lines;
}

struct la_lines *la_lines_of_connections(const struct la_input *const *inputs, size_t input_count) {
    struct la_lines *lines = new_lines(inputs, input_count);
    if (!lines || !(lines->writer = la_writer_new(inputs, input_count))) {
        la_lines_free(lines);
        return NULL;
    }
    return lines;
}

void la_lines_free(struct la_lines *lines) {
    if (!lines)
        return;
    la_spool_free(lines->spool);
    la_writer_free(lines->writer);
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
    struct la_writer *w = la_writer_new(inputs->items, inputs->count);
    if (!w)
        return NULL;
    la_write_connection(w, connection);
    const char *notes = la_writer_notes(w, length);
    const struct la_writer_print how = {.digits = LA_EMIT_DIGITS_MAX};
    const char *text = notes ? la_writer_print(w, notes, *length, &how, length) : NULL;
    char *line = copy_of(text, *length);
    la_writer_free(w);
    return line;
}

char *la_line_of_finding(const struct la_inputs *inputs, const struct la_finding *finding,
                         size_t *length) {
    struct la_emit emit = {inputs->items, inputs->count, inputs->hosts, LA_EMIT_DIGITS_MAX, false};
    json_t *object = la_emit_finding(&emit, finding);
    return la_emit_print(&emit, object, LINE_FLAGS, length);
}

static bool is_bad(const struct la_lines *lines) {
    return lines->failure.status != LA_OK;
}

static void keep(struct la_lines *lines, const struct la_spool_key *key, const char *line,
                 size_t length) {
    if (line)
        (void)la_spool_add(lines->spool, key, line, (uint32_t)length, &lines->failure);
    else
        la_fail(&lines->failure, LA_ENOMEM, "out of memory");
}

void la_lines_add_connection(struct la_lines *lines, const struct la_connection *connection) {
    size_t length;
    if (is_bad(lines))
        return;
    la_writer_clear(lines->writer);
    la_write_connection(lines->writer, connection);
    const char *notes = la_writer_notes(lines->writer, &length);
    const struct la_spool_key key = {.time_ns = connection->last.time_ns,
                                     .rank = connection->first.input,
                                     .tie = connection->first.frame};
    keep(lines, &key, notes, length);
}

/* FNV-1a: an order, once time and kind are equal, that depends on what the line says only. */
static uint64_t hash_of(const char *bytes, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void la_lines_add_finding(struct la_lines *lines, const struct la_finding *finding) {
    size_t length = 0;
    if (is_bad(lines))
        return;
    char *line =
        la_emit_print(&lines->emit, la_emit_finding(&lines->emit, finding), LINE_FLAGS, &length);
    const struct la_spool_key key = {.time_ns = finding->time_ns,
                                     .rank = (uint16_t)finding->kind,
                                     .tie = line ? hash_of(line, length) : 0};
    keep(lines, &key, line, length);
    free(line);
}

struct walk {
    struct la_lines *lines;
    struct la_output *output;
    struct la_writer_print how;
    bool out_of_memory;
};

static bool write_line(void *context, char *line, size_t length) {
    struct walk *walk = context;
    const char *text = line;
    if (walk->lines->writer)
        text = la_writer_print(walk->lines->writer, line, length, &walk->how, &length);
    else
        length = la_emit_trim(line, length, walk->how.digits);
    walk->out_of_memory = text == NULL;
    return text && la_output_write(walk->output, text, length) &&
           la_output_write(walk->output, "\n", 1);
}

enum la_status la_lines_write(struct la_lines *lines, struct la_output *output,
                              la_took_back *took_back, const void *context, struct la_error *err) {
    if (is_bad(lines)) {
        if (err)
            *err = lines->failure;
        return lines->failure.status;
    }
    struct walk walk = {
        .lines = lines,
        .output = output,
        .how = {la_emit_digits(lines->emit.inputs, lines->emit.input_count), took_back, context}};
    enum la_status status = la_spool_walk(lines->spool, write_line, &walk, err);
    return walk.out_of_memory ? la_fail(err, LA_ENOMEM, "out of memory") : status;
}
