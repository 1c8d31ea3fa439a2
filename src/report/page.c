/* Reads the little of Markdown that docs/diagnoses and docs/settings use: "# title", a paragraph,
 * "## sections" and "- bullets" whose continuation lines are indented. */
#include "report/page.h"

#include <stdio.h>
#include <string.h>

static const struct la_embedded *page_named(const char *name) {
    char file[64];
    snprintf(file, sizeof file, "%s.md", name);
    return la_embedded_find(file);
}

const struct la_embedded *la_page_of(enum la_kind kind) {
    return page_named(la_kind_name(kind));
}

const struct la_embedded *la_page_of_setting(const struct la_setting *setting) {
    return page_named(setting->name);
}

/* Takes a line, without its end, off the front of `rest`. */
static bool next_line(struct la_span *rest, struct la_span *line) {
    if (rest->length == 0)
        return false;
    const char *end = memchr(rest->text, '\n', rest->length);
    size_t length = end ? (size_t)(end - rest->text) : rest->length;
    *line = (struct la_span){rest->text, length};
    size_t taken = end ? length + 1 : length;
    rest->text += taken;
    rest->length -= taken;
    return true;
}

static bool starts_with(struct la_span line, const char *start) {
    size_t length = strlen(start);
    return line.length >= length && memcmp(line.text, start, length) == 0;
}

struct la_span la_page_summary(const struct la_embedded *page) {
    struct la_span rest = {page->text, page->length}, line, summary = {page->text, 0};
    while (next_line(&rest, &line)) {
        if (line.length == 0 && summary.length > 0)
            break;
        if (line.length == 0 || starts_with(line, "# "))
            continue;
        if (summary.length == 0)
            summary.text = line.text;
        summary.length = (size_t)(line.text + line.length - summary.text);
    }
    return summary;
}

static bool is_heading(struct la_span line, const char *title) {
    return starts_with(line, "## ") && line.length == 3 + strlen(title) &&
           memcmp(line.text + 3, title, line.length - 3) == 0;
}

struct la_span la_page_section(const struct la_embedded *page, const char *title) {
    struct la_span rest = {page->text, page->length}, line;
    while (next_line(&rest, &line) && !is_heading(line, title))
        continue;
    struct la_span section = {rest.text, 0};
    while (next_line(&rest, &line) && !starts_with(line, "## "))
        section.length = (size_t)(rest.text - section.text);
    return section;
}

bool la_page_next_bullet(struct la_span *rest, struct la_span *bullet) {
    struct la_span line;
    do {
        if (!next_line(rest, &line))
            return false;
    } while (!starts_with(line, "- "));
    *bullet = (struct la_span){line.text + 2, line.length - 2};
    while (starts_with(*rest, "  ") && next_line(rest, &line))
        bullet->length = (size_t)(line.text + line.length - bullet->text);
    return true;
}

void la_page_unwrap(struct la_span span, char *out) {
    bool blank = false;
    char *start = out;
    for (size_t i = 0; i < span.length; i++) {
        char c = span.text[i];
        if (c == ' ' || c == '\n') {
            blank = true;
            continue;
        }
        if (blank && out > start)
            *out++ = ' ';
        blank = false;
        *out++ = c;
    }
    *out = '\0';
}
