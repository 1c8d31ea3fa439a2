/* A tree of jansson's as text, as json_dumps() with LA_EMIT_FLAGS makes it: a report holds tens of
 * thousands of times as seconds, which the C library's formats take long for. */
#ifndef LA_REPORT_PRINT_H
#define LA_REPORT_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a histogram. */
struct la_print_bucket {
    int64_t from_ns, to_ns;
    uint64_t count;
};

/* What prints as an array of objects {from, to, count}, and is none: a report has ten thousand
 * buckets, each of which would be made of seven pieces of memory. Only la_print_json() knows it.
 * Owned by the caller; NULL when out of memory. */
json_t *la_print_buckets(const struct la_print_bucket *buckets, size_t count);

/* In lines of their own with two blanks a level, or (`indented` false) in a single one. The caller
 * frees the text, behind whose NUL there is room for one byte more; NULL when out of memory. */
char *la_print_json(const json_t *value, bool indented, size_t *length);

#endif
