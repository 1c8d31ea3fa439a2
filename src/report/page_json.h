/* Pieces of the pages as JSON. */
#ifndef LA_REPORT_PAGE_JSON_H
#define LA_REPORT_PAGE_JSON_H

#include "report/emit.h"
#include "report/page.h"

/* As one line of text. */
json_t *la_emit_span(struct la_span span);
/* The bullets of the section with that title, each as one line; `page` may be NULL. */
json_t *la_emit_bullets(struct la_emit *emit, const struct la_embedded *page, const char *title);

#endif
