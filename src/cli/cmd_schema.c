/* lastack schema [NAME] */
#include "cli/command.h"
#include "cli/suggest.h"
#include "cli/tell.h"
#include "report/embedded.h"

#include <string.h>

static const char *const names[] = {"report", "connection", "finding", "socket"};

static const char *name_at(size_t index) {
    return index < sizeof names / sizeof names[0] ? names[index] : NULL;
}

static bool is_known(const char *name) {
    for (size_t i = 0; name_at(i); i++) {
        if (strcmp(name, name_at(i)) == 0)
            return true;
    }
    return false;
}

static int refuse(const char *name) {
    struct la_error err;
    const char *near = la_suggest(name, name_at);
    if (near)
        la_fail(&err, LA_EUSAGE, "schema: no such schema: '%.64s' (did you mean %s?)", name, near);
    else
        la_fail(&err, LA_EUSAGE,
                "schema: no such schema: '%.64s' (there are report, connection, finding and "
                "socket)",
                name);
    return la_tell_error(&err);
}

int la_command_schema(const struct la_settings *settings) {
    const char *name = settings->operand_count > 0 ? settings->operands[0] : "report";
    char file[64];
    if (settings->operand_count > 1) {
        la_tell("schema: prints one schema at a time (see lastack schema --help)");
        return LA_EXIT_USAGE;
    }
    if (!is_known(name))
        return refuse(name);
    snprintf(file, sizeof file, "%s-1.json", name);
    const struct la_embedded *schema = la_embedded_find(file);
    if (!schema) {
        la_tell("schema: this program was built without its texts");
        return LA_EXIT_INPUT;
    }
    return la_command_print(schema->text, schema->length);
}
