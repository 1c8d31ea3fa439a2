/* What all emitters of JSON share: values in the forms that the contract asks for, and an
 * allocation failure that is remembered once instead of being asked for at every line.
 *
 * Ownership: every json_t that a la_emit_ function returns is owned by the caller and may be NULL
 * when out of memory; la_emit_put() and la_emit_add() take the value, also when they fail. Only
 * files of src/report include this header. */
#ifndef LA_REPORT_EMIT_H
#define LA_REPORT_EMIT_H

#include "base/addr.h"
#include "base/profile.h"
#include "base/time.h"
#include "capture/capture.h"
#include "report/print.h"

#include <jansson.h>

struct la_emit {
    const struct la_input *const *inputs; /* borrowed; names of the files */
    size_t input_count;
    const struct la_hosts *hosts; /* whose settings findings name; borrowed, NULL: nobody's */
    /* Digits of the second; LA_EMIT_DIGITS_LATER writes nine and a mark, and la_emit_trim() takes
     * off what is too much once all inputs have told theirs. */
    int digits;
    bool failed; /* an allocation failed: what was built is incomplete and must not be written */
    struct la_text *text; /* borrowed; where la_emit_item() prints */
};

enum { LA_EMIT_DIGITS_LATER = -1, LA_EMIT_DIGITS_MIN = 6, LA_EMIT_DIGITS_MAX = 9 };

/* Closes a time whose digits are still to be cut. A noncharacter (U+FDD0) that la_emit_clean() lets
 * nobody else write, so the mark cannot be mistaken. */
#define LA_EMIT_MARK "\xef\xb7\x90"
enum { LA_EMIT_MARK_LENGTH = 3 };

void la_emit_put(struct la_emit *emit, json_t *object, const char *name, json_t *taken);
void la_emit_add(struct la_emit *emit, json_t *array, json_t *taken);
/* Prints a value as the next item, and takes it: so only one of a long list is a tree at a time.
 * `name` is NULL in an array. */
void la_emit_item(struct la_emit *emit, const char *name, json_t *taken);

/* Copies `text`, any bytes, to `out` as UTF-8: what is none is replaced. `out` has room for
 * LA_EMIT_CLEAN_GROWTH times its length; returns how many bytes were written, without a NUL. */
enum { LA_EMIT_CLEAN_GROWTH = 3 };
size_t la_emit_clean(const char *text, char *out);

/* Any bytes: what is not UTF-8 is replaced. NULL gives null. */
json_t *la_emit_text(const char *text);
json_t *la_emit_count(uint64_t count);
/* LA_TIME_NONE gives null. */
json_t *la_emit_time(const struct la_emit *emit, int64_t ns);
json_t *la_emit_seconds(int64_t ns);
/* As la_emit_seconds(), but a negative one gives null. */
json_t *la_emit_delay(int64_t ns);
json_t *la_emit_addr(const struct la_addr *addr);
/* {address, port} */
json_t *la_emit_endpoint(struct la_emit *emit, const struct la_addr *addr, uint16_t port);
/* The path of an input. */
json_t *la_emit_file(const struct la_emit *emit, uint16_t input);

/* The most digits that the inputs' clocks give, at least LA_EMIT_DIGITS_MIN. */
int la_emit_digits(const struct la_input *const *inputs, size_t count);
/* Shortens the times of a line that was emitted with LA_EMIT_DIGITS_LATER to `digits`, in place;
 * returns the new length. */
size_t la_emit_trim(char *line, size_t length, int digits);

/* Prints an object and takes it, see report/print.h. The caller frees the text, behind whose NUL
 * there is room for one byte more; NULL when out of memory, now or before. */
char *la_emit_print(const struct la_emit *emit, json_t *taken, bool indented, size_t *length);

/* How numbers are printed: 15 significant digits say every nanosecond of eleven days, and print
 * 0.21 as 0.21. */
#define LA_EMIT_FLAGS JSON_REAL_PRECISION(15)

#endif
