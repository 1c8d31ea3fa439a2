/* Lines of JSON of which there may be millions. What a line says is written down in a few hundred
 * bytes (names and words by number, times as differences), and only becomes text, five times as
 * long, when its turn comes: lines wait until all inputs have told how many digits their times
 * have, and a million of them are gigabytes. A tree of jansson's for each costs ten times as much.
 *
 * The values have the forms that report/emit.h gives them, and the schema test holds both to the
 * same shape. */
#ifndef LA_REPORT_WRITER_H
#define LA_REPORT_WRITER_H

#include "base/addr.h"
#include "capture/capture.h"

struct la_writer;

/* `inputs` are borrowed until la_writer_free(): the names of the files. NULL when out of memory;
 * owned by the caller. */
struct la_writer *la_writer_new(const struct la_input *const *inputs, size_t input_count);
void la_writer_free(struct la_writer *writer);

/* Begins a line. What was written down before is forgotten. */
void la_writer_clear(struct la_writer *w);
/* What was written down since; borrowed until the next call. NULL when out of memory. Only this
 * writer can print it. */
const char *la_writer_notes(const struct la_writer *w, size_t *length);
/* Whether what was found of an attempt of that client, which began then, was taken back. */
typedef bool la_took_back(const void *context, const struct la_addr *client, int64_t first_ns);

/* How notes become text. */
struct la_writer_print {
    int digits;              /* of the second, at least one */
    la_took_back *took_back; /* NULL: nothing was */
    const void *context;
};
/* Notes as text. Borrowed until the next call, with a NUL behind its `text_length` bytes; NULL when
 * out of memory. */
const char *la_writer_print(struct la_writer *w, const char *notes, size_t length,
                            const struct la_writer_print *how, size_t *text_length);

/* `bracket`: '{' or '[', and its counterpart. */
void la_write_open(struct la_writer *w, char bracket);
void la_write_close(struct la_writer *w, char bracket);
/* The name of the next value: static, ASCII that needs no escape. */
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
/* Static, ASCII that needs no escape; NULL gives null. */
void la_write_word(struct la_writer *w, const char *word);
/* A word of a list that is left out where what was found of that attempt was taken back meanwhile.
 */
void la_write_word_of_attempt(struct la_writer *w, const char *word, const struct la_addr *client,
                              int64_t first_ns);
/* Any bytes: what is not UTF-8 is replaced. NULL gives null. */
void la_write_text(struct la_writer *w, const char *text);
void la_write_addr(struct la_writer *w, const struct la_addr *addr);
/* The path of an input. */
void la_write_file(struct la_writer *w, uint16_t input);

#endif
