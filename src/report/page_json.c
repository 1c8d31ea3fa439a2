#include "report/page_json.h"

#include <stdlib.h>

json_t *la_emit_span(struct la_span span) {
    char *text = malloc(span.length + 1);
    if (!text)
        return NULL;
    la_page_unwrap(span, text);
    json_t *string = json_string_nocheck(text);
    free(text);
    return string;
}

json_t *la_emit_bullets(struct la_emit *emit, const struct la_embedded *page, const char *title) {
    json_t *array = json_array();
    struct la_span rest = {NULL, 0}, bullet;
    if (page)
        rest = la_page_section(page, title);
    while (la_page_next_bullet(&rest, &bullet))
        la_emit_add(emit, array, la_emit_span(bullet));
    return array;
}
