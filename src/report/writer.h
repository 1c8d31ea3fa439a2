/* JSON written straight into memory, for the lines of which there may be millions: a tree of
 * jansson's costs ten times as much. The values have the forms that report/emit.h gives them, and
 * the schema test holds both to the same shape.
 *
 * A failed allocation is remembered: what was written is incomplete then, and stays so until
 * la_writer_clear(). */
#ifndef LA_REPORT_WRITER_H
#define LA_REPORT_WRITER_H

#include "base/addr.h"
#include "capture/capture.h"

/* Zero-initialised but for `inputs`, `input_count` and `digits`. */
struct la_writer {
    const struct la_input *const *inputs; /* borrowed; names of the files */
    size_t input_count;
    int digits; /* of the second, as in struct la_emit: LA_EMIT_DIGITS_LATER, or how many */
    bool failed;
    char *text; /* owned; not terminated */
    size_t used, capacity;
    int64_t second; /* whose text `prefix` is */
    char prefix[24];
    size_t prefix_length;
};

void la_writer_clear(struct la_writer *w);
void la_writer_release(struct la_writer *w);
/* Hands over what was written, with a NUL behind it; the caller frees it. NULL when an allocation
 * failed. */
char *la_writer_take(struct la_writer *w, size_t *length);

/* `bracket`: '{' or '[', and its counterpart. Commas come by themselves. */
void la_write_open(struct la_writer *w, char bracket);
void la_write_close(struct la_writer *w, char bracket);
/* Ends a line. */
void la_write_newline(struct la_writer *w);
/* The name of the next value; ASCII that needs no escape. */
void la_write_name(struct la_writer *w, const char *name);

void la_write_null(struct la_writer *w);
void la_write_bool(struct la_writer *w, bool value);
void la_write_count(struct la_writer *w, uint64_t count);
/* A number of thousandths, as a decimal number. */
void la_write_thousandths(struct la_writer *w, uint64_t thousandths);
/* Nanoseconds as seconds; a negative number gives null. */
void la_write_delay(struct la_writer *w, int64_t ns);
/* LA_TIME_NONE gives null. */
void la_write_time(struct la_writer *w, int64_t ns);
/* A word of the program's own, ASCII that needs no escape; NULL gives null. */
void la_write_word(struct la_writer *w, const char *word);
/* Any bytes: what is not UTF-8 is replaced. NULL gives null. */
void la_write_text(struct la_writer *w, const char *text);
void la_write_addr(struct la_writer *w, const struct la_addr *addr);
/* The path of an input. */
void la_write_file(struct la_writer *w, uint16_t input);

#endif
