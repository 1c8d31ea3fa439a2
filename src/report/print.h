/* A tree of jansson's as text, as json_dumps() with LA_EMIT_FLAGS makes it: a report holds tens of
 * thousands of times as seconds, which the C library's formats take long for. */
#ifndef LA_REPORT_PRINT_H
#define LA_REPORT_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* In lines of their own with two blanks a level, or (`indented` false) in a single one. The caller
 * frees the text, behind whose NUL there is room for one byte more; NULL when out of memory. */
char *la_print_json(const json_t *value, bool indented, size_t *length);

#endif
