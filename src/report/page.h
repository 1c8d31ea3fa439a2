/* The pages on diagnoses and settings: what `lastack explain` prints, and where the report's advice
 * comes from. */
#ifndef LA_REPORT_PAGE_H
#define LA_REPORT_PAGE_H

#include "audit/setting.h"
#include "diagnose/finding.h"
#include "report/embedded.h"

#include <stdbool.h>

/* A piece of a page, not NUL-terminated; borrowed. */
struct la_span {
    const char *text;
    size_t length;
};

/* The page of a kind; NULL only when the program was built without it. */
const struct la_embedded *la_page_of(enum la_kind kind);
const struct la_embedded *la_page_of_setting(const struct la_setting *setting);

/* The paragraph under the title. */
struct la_span la_page_summary(const struct la_embedded *page);

/* The body of the section with that title (without "## "); empty when there is none. */
struct la_span la_page_section(const struct la_embedded *page, const char *title);
/* Takes the next bullet ("- ...", with its continuation lines) off the front of `rest`; false when
 * there is no more. */
bool la_page_next_bullet(struct la_span *rest, struct la_span *bullet);
/* Writes `span` as one line: line breaks and runs of blanks become one blank. `out` has room for
 * span.length + 1 bytes. */
void la_page_unwrap(struct la_span span, char *out);

#endif
