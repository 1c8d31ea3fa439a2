/* JSON as text, as json_dumps() with LA_EMIT_FLAGS makes it: a report holds tens of thousands of
 * times as seconds, which the C library's formats take long for, and lists of them that need never
 * be a tree of jansson's. */
#ifndef LA_REPORT_PRINT_H
#define LA_REPORT_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text that is made item by item, in lines of their own with two blanks a level, or (`indented`
 * false) in a single one. */
struct la_text {
    char *bytes; /* owned */
    size_t used, room;
    unsigned depth;
    bool indented;
    bool filled; /* the innermost array or object has an item */
    bool failed; /* out of memory */
};

enum la_text_bracket { LA_TEXT_OBJECT = '{', LA_TEXT_ARRAY = '[' };

void la_text_begin(struct la_text *text, bool indented);
/* The caller frees it; behind its NUL there is room for one byte more. NULL when out of memory, now
 * or before. */
char *la_text_end(struct la_text *text, size_t *length);

/* The next item. `name`, in which nothing needs an escape, is NULL in an array and of the whole. */
void la_text_open(struct la_text *text, const char *name, enum la_text_bracket bracket);
void la_text_close(struct la_text *text, enum la_text_bracket bracket);
void la_text_value(struct la_text *text, const char *name, const json_t *value);
/* As of json_integer(), and as of la_emit_seconds(). */
void la_text_count(struct la_text *text, const char *name, uint64_t count);
void la_text_seconds(struct la_text *text, const char *name, int64_t ns);

/* A whole tree; as la_text_end() gives it. */
char *la_print_json(const json_t *value, bool indented, size_t *length);

#endif
