/* lastack: reads the command line and hands over to a command. */
#include "cli/command.h"
#include "cli/signals.h"
#include "cli/tell.h"
#include "report/output.h"

#include <stdlib.h>
#include <string.h>

int la_command_print(const char *text, size_t length) {
    struct la_output *output;
    struct la_error err = {0};
    if (la_output_open("-", &output, &err) != LA_OK)
        return la_tell_error(&err);
    (void)la_output_write(output, text, length);
    enum la_status status = la_output_commit(output, &err);
    la_output_free(output);
    return status == LA_OK ? LA_EXIT_DONE : la_tell_error(&err);
}

/* Built in memory first, so that a closed pipe is handled as everywhere. */
static int print_help(enum la_command_id command) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return LA_EXIT_MEMORY;
    la_help_print(command, out);
    int code = fclose(out) == 0 ? la_command_print(text, length) : LA_EXIT_MEMORY;
    free(text);
    return code;
}

static int print_version(void) {
    static const char version[] = "lastack " LA_VERSION "\n";
    return la_command_print(version, strlen(version));
}

static int run(const struct la_settings *settings) {
    if (settings->help)
        return print_help(settings->command);
    if (settings->version)
        return print_version();
    switch (settings->command) {
    case LA_COMMAND_SOCKETS:
        return la_command_sockets(settings);
    case LA_COMMAND_EXPLAIN:
        return la_command_explain(settings);
    case LA_COMMAND_SCHEMA:
        return la_command_schema(settings);
    default:
        return la_command_analyze(settings);
    }
}

int main(int argc, char **argv) {
    struct la_settings settings;
    struct la_error err = {0};
    la_signals_install();
    enum la_status status = la_settings_parse(argc, argv, &settings, &err);
    int code = status == LA_OK ? run(&settings) : la_tell_error(&err);
    la_settings_free(&settings);
    return code;
}
