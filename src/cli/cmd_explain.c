/* lastack explain [KIND] */
#include "cli/command.h"
#include "cli/suggest.h"
#include "cli/tell.h"
#include "diagnose/diagnose.h"
#include "report/page.h"

#include <stdlib.h>
#include <string.h>

static const char *kind_at(size_t index) {
    return index < LA_KIND_COUNT ? la_kind_name((enum la_kind)index) : NULL;
}

static int refuse(const char *name) {
    struct la_error err;
    const char *near = la_suggest(name, kind_at);
    if (near)
        la_fail(&err, LA_EUSAGE, "explain: no such kind: '%.64s' (did you mean %s?)", name, near);
    else
        la_fail(&err, LA_EUSAGE, "explain: no such kind: '%.64s' (lastack explain lists them)",
                name);
    return la_tell_error(&err);
}

static int explain(const char *name) {
    enum la_kind kind;
    if (!la_kind_find(name, &kind))
        return refuse(name);
    const struct la_embedded *page = la_page_of(kind);
    if (!page) {
        la_tell("explain: this program was built without its texts");
        return LA_EXIT_INPUT;
    }
    return la_command_print(page->text, page->length);
}

static int list(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return LA_EXIT_MEMORY;
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++)
        fprintf(out, "%-24s %s\n", la_kind_name(kind), la_diagnosis_of(kind)->summary);
    int code = fclose(out) == 0 ? la_command_print(text, length) : LA_EXIT_MEMORY;
    free(text);
    return code;
}

int la_command_explain(const struct la_settings *settings) {
    if (settings->operand_count > 1) {
        la_tell("explain: explains one kind at a time (see lastack explain --help)");
        return LA_EXIT_USAGE;
    }
    return settings->operand_count == 1 ? explain(settings->operands[0]) : list();
}
