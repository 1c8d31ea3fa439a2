#include "report/lines.h"

#include "report/connection_json.h"
#include "report/emit.h"
#include "report/finding_json.h"
#include "report/spool.h"

#include <stdlib.h>

#define LINE_FLAGS (JSON_COMPACT | LA_EMIT_FLAGS)

struct la_lines {
    struct la_emit emit;     /* for findings */
    struct la_writer writer; /* for connections, of which there may be millions */
    struct la_spool *spool;
    struct la_error failure; /* the first one */
};

struct la_lines *la_lines_new(const struct la_input *const *inputs, size_t input_count) {
    struct la_lines *lines = calloc(1, sizeof *lines);
    if (!lines || !(lines->spool = la_spool_new())) {
        free(lines);
        return NULL;
    }
    lines->emit.inputs = inputs;
    lines->emit.input_count = input_count;
    lines->emit.digits = LA_EMIT_DIGITS_LATER;
    lines->writer.inputs = inputs;
    lines->writer.input_count = input_count;
    lines->writer.digits = LA_EMIT_DIGITS_LATER;
    return lines;
}

void la_lines_free(struct la_lines *lines) {
    if (!lines)
        return;
    la_spool_free(lines->spool);
    la_writer_release(&lines->writer);
    free(lines);
}

char *la_line_of_connection(const struct la_inputs *inputs, const struct la_connection *connection,
                            size_t *length) {
    struct la_writer w = {
        .inputs = inputs->items, .input_count = inputs->count, .digits = LA_EMIT_DIGITS_MAX};
    la_write_connection(&w, connection);
    return la_writer_take(&w, length);
}

char *la_line_of_finding(const struct la_inputs *inputs, const struct la_finding *finding,
                         size_t *length) {
    struct la_emit emit = {inputs->items, inputs->count, LA_EMIT_DIGITS_MAX, false};
    json_t *object = la_emit_finding(&emit, finding);
    return la_emit_print(&emit, object, LINE_FLAGS, length);
}

/* The object as a line that the caller frees; takes the object. NULL when out of memory. */
static char *line_of(struct la_lines *lines, json_t *taken, size_t *length) {
    char *line = la_emit_print(&lines->emit, taken, LINE_FLAGS, length);
    if (!line) {
        la_fail(&lines->failure, LA_ENOMEM, "out of memory");
        return NULL;
    }
    line[(*length)++] = '\n'; /* in the place of the NUL */
    return line;
}

static bool is_bad(const struct la_lines *lines) {
    return lines->failure.status != LA_OK;
}

void la_lines_add_connection(struct la_lines *lines, const struct la_connection *connection) {
    struct la_writer *w = &lines->writer;
    if (is_bad(lines))
        return;
    la_writer_clear(w);
    la_write_connection(w, connection);
    la_write_newline(w);
    if (w->failed) {
        la_fail(&lines->failure, LA_ENOMEM, "out of memory");
        return;
    }
    struct la_spool_key key = {.time_ns = connection->last.time_ns,
                               .rank = connection->first.input,
                               .tie = connection->first.frame};
    (void)la_spool_add(lines->spool, &key, w->text, (uint32_t)w->used, &lines->failure);
}

/* FNV-1a: an order, once time and kind are equal, that depends on what the line says only. */
static uint64_t hash_of(const char *bytes, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void la_lines_add_finding(struct la_lines *lines, const struct la_finding *finding) {
    size_t length;
    if (is_bad(lines))
        return;
    char *line = line_of(lines, la_emit_finding(&lines->emit, finding), &length);
    if (!line)
        return;
    struct la_spool_key key = {
        .time_ns = finding->time_ns, .rank = (uint16_t)finding->kind, .tie = hash_of(line, length)};
    (void)la_spool_add(lines->spool, &key, line, (uint32_t)length, &lines->failure);
    free(line);
}

struct walk {
    struct la_output *output;
    int digits;
};

static bool write_line(void *context, char *line, size_t length) {
    struct walk *walk = context;
    return la_output_write(walk->output, line, la_emit_trim(line, length, walk->digits));
}

enum la_status la_lines_write(struct la_lines *lines, struct la_output *output,
                              struct la_error *err) {
    if (is_bad(lines)) {
        if (err)
            *err = lines->failure;
        return lines->failure.status;
    }
    struct walk walk = {.output = output,
                        .digits = la_emit_digits(lines->emit.inputs, lines->emit.input_count)};
    return la_spool_walk(lines->spool, write_line, &walk, err);
}
