/* lastack explain [KIND|SETTING] */
#include "audit/setting.h"
#include "cli/command.h"
#include "cli/suggest.h"
#include "cli/tell.h"
#include "diagnose/diagnose.h"
#include "report/page.h"

#include <stdlib.h>
#include <string.h>

/* Kinds, then settings. */
static const char *name_at(size_t index) {
    if (index < LA_KIND_COUNT)
        return la_kind_name((enum la_kind)index);
    const struct la_setting *setting = la_setting_at(index - LA_KIND_COUNT);
    return setting ? setting->name : NULL;
}

static int refuse(const char *name) {
    struct la_error err;
    const char *near = la_suggest(name, name_at);
    if (near)
        la_fail(&err, LA_EUSAGE, "explain: no such kind or setting: '%.64s' (did you mean %s?)",
                name, near);
    else
        la_fail(&err, LA_EUSAGE,
                "explain: no such kind or setting: '%.64s' (lastack explain lists them)", name);
    return la_tell_error(&err);
}

static int tell_no_texts(void) {
    la_tell("explain: this program was built without its texts");
    return LA_EXIT_INPUT;
}

static int explain(const char *name) {
    enum la_kind kind;
    const struct la_setting *setting = la_setting_find(name);
    bool is_kind = la_kind_find(name, &kind);
    if (!setting && !is_kind)
        return refuse(name);
    const struct la_embedded *page = is_kind ? la_page_of(kind) : la_page_of_setting(setting);
    return page ? la_command_print(page->text, page->length) : tell_no_texts();
}

static void list_settings(FILE *out) {
    const struct la_setting *setting;
    for (size_t i = 0; (setting = la_setting_at(i)); i++) {
        const struct la_embedded *page = la_page_of_setting(setting);
        struct la_span summary = page ? la_page_summary(page) : (struct la_span){"", 0};
        fprintf(out, "%-24s %.*s\n", setting->name, (int)summary.length, summary.text);
    }
}

static int list(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return LA_EXIT_MEMORY;
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++)
        fprintf(out, "%-24s %s\n", la_kind_name(kind), la_diagnosis_of(kind)->summary);
    fputc('\n', out);
    list_settings(out);
    int code = fclose(out) == 0 ? la_command_print(text, length) : LA_EXIT_MEMORY;
    free(text);
    return code;
}

int la_command_explain(const struct la_settings *settings) {
    if (settings->operand_count > 1) {
        la_tell("explain: explains one kind or setting at a time (see lastack explain --help)");
        return LA_EXIT_USAGE;
    }
    return settings->operand_count == 1 ? explain(settings->operands[0]) : list();
}
