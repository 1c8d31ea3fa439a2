/* The commands: each reads its settings and returns the exit code. */
#ifndef LA_CLI_COMMAND_H
#define LA_CLI_COMMAND_H

#include "cli/options.h"

int la_command_analyze(const struct la_settings *settings);
int la_command_sockets(const struct la_settings *settings);
int la_command_explain(const struct la_settings *settings);
int la_command_schema(const struct la_settings *settings);

/* Writes one text to standard output. */
int la_command_print(const char *text, size_t length);

#endif
