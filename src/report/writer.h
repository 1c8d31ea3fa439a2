/* Lines of JSON of which there may be millions, written as text straight into memory: a tree of
 * jansson's for each costs twenty times as much.
 *
 * Every value is followed by a comma, which the bracket behind it, or the end of the line, takes
 * back. The values have the forms that report/emit.h gives them, and the schema test holds both to
 * the same shape. */
#ifndef LA_REPORT_WRITER_H
#define LA_REPORT_WRITER_H

#include "base/addr.h"
#include "capture/capture.h"

enum { LA_SECOND_TEXT = 20 }; /* with the point */

struct la_writer {
    const struct la_input *const *inputs; /* borrowed; names of the files */
    size_t input_count;
    int digits;     /* of the second, at least one */
    char *bytes;    /* owned */
    char *at, *end; /* where the next one goes; the end of the memory */
    bool failed;    /* for want of memory: what is there is not all */
    int64_t second; /* whose text this is, up to the fraction */
    char second_text[LA_SECOND_TEXT];
    char *path; /* owned; the path of `path_input` as a value; NULL: of none yet */
    size_t path_length;
    uint16_t path_input;
};

/* `inputs` are borrowed until la_writer_free(). NULL when out of memory; owned by the caller. */
struct la_writer *la_writer_new(const struct la_input *const *inputs, size_t input_count,
                                int digits);
void la_writer_free(struct la_writer *writer);

/* Forgets what was written. */
void la_writer_clear(struct la_writer *w);
/* What was written since, without the last comma, and with a NUL behind it; borrowed until the next
 * call. NULL when out of memory. */
const char *la_writer_text(struct la_writer *w, size_t *length);
/* Ends a line: LF in the place of the last comma. */
void la_writer_end_line(struct la_writer *w);

/* More room. Always gives some for LA_WRITER_ROOM bytes: when out of memory, where what was written
 * before stands, which nobody will get. For more than that, NULL then. */
enum { LA_WRITER_ROOM = 256 };
char *la_writer_grow(struct la_writer *w, size_t count);

static inline char *la_writer_room(struct la_writer *w, size_t count) {
    return (size_t)(w->end - w->at) > count ? w->at : la_writer_grow(w, count);
}

static inline size_t la_writer_used(const struct la_writer *w) {
    return (size_t)(w->at - w->bytes);
}

/* `bracket`: '{' or '[', and its counterpart. */
static inline void la_write_open(struct la_writer *w, char bracket) {
    char *out = la_writer_room(w, 1);
    *out = bracket;
    w->at = out + 1;
}

static inline void la_write_close(struct la_writer *w, char bracket) {
    char *out = la_writer_room(w, 2);
    if (out > w->bytes && out[-1] == ',')
        out--;
    out[0] = bracket;
    out[1] = ',';
    w->at = out + 2;
}

/* The name of the next value: ASCII that needs no escape, of at most 200 characters. Where it is a
 * literal it is written in one piece. */
__attribute__((always_inline)) static inline void la_write_name(struct la_writer *w,
                                                                const char *name) {
    size_t length = strlen(name);
    char *out = la_writer_room(w, length + 3);
    *out = '"';
    memcpy(out + 1, name, length);
    memcpy(out + 1 + length, "\":", 2);
    w->at = out + length + 3;
}

/* Of any size. */
void la_write_number(struct la_writer *w, uint64_t number);

void la_write_null(struct la_writer *w);
void la_write_bool(struct la_writer *w, bool value);
static inline void la_write_count(struct la_writer *w, uint64_t count) {
    if (count >= 10) {
        la_write_number(w, count < INT64_MAX ? count : INT64_MAX);
        return;
    }
    char *out = la_writer_room(w, 2);
    out[0] = (char)('0' + count);
    out[1] = ',';
    w->at = out + 2;
}
/* A number of thousandths, as a decimal number. */
void la_write_thousandths(struct la_writer *w, uint64_t thousandths);
/* Nanoseconds as seconds; a negative number gives null. */
void la_write_delay(struct la_writer *w, int64_t ns);
/* LA_TIME_NONE gives null. */
void la_write_time(struct la_writer *w, int64_t ns);
/* Nothing that needs an escape, and at most 200 characters; NULL gives null. */
void la_write_word(struct la_writer *w, const char *word);
/* Any bytes: what is not UTF-8 is replaced. NULL gives null. */
void la_write_text(struct la_writer *w, const char *text);
void la_write_addr(struct la_writer *w, const struct la_addr *addr);
/* The path of an input. */
void la_write_file(struct la_writer *w, uint16_t input);

#endif
