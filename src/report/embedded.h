/* The texts built into the program: the pages on diagnoses (docs/diagnoses) and settings
 * (docs/settings) and the JSON Schemas (docs/schema), one table made by tools/embed.c, sorted by
 * name. */
#ifndef LA_REPORT_EMBEDDED_H
#define LA_REPORT_EMBEDDED_H

#include <stddef.h>

struct la_embedded {
    const char *name; /* the file's base name: "lost-final-ack.md", "report-1.json" */
    const char *text; /* ends with a NUL that `length` does not count */
    size_t length;
};

extern const struct la_embedded la_embedded[];
extern const size_t la_embedded_count;

/* NULL when there is no text of that name. */
const struct la_embedded *la_embedded_find(const char *name);

#endif
