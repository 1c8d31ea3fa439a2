/* The command line: one table of options, from which parsing, --help and the man page's test come.
 */
#ifndef LA_CLI_OPTIONS_H
#define LA_CLI_OPTIONS_H

#include "base/error.h"
#include "base/profile.h"
#include "capture/capture.h"
#include "diagnose/finding.h"
#include "report/socket_book.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum la_command_id {
    LA_COMMAND_ANALYZE,
    LA_COMMAND_SOCKETS,
    LA_COMMAND_EXPLAIN,
    LA_COMMAND_SCHEMA,
    LA_COMMAND_COUNT
};

enum la_progress_mode { LA_PROGRESS_AUTO, LA_PROGRESS_ON, LA_PROGRESS_OFF };

/* What the command sockets is asked for. */
struct la_sockets_settings {
    const char *at_text;
    struct la_when at, from, to; /* of the moments; all packets are read */
    int64_t every_ns;            /* 0: one moment */
    bool one_host;               /* only `host` */
    struct la_addr host;
    enum la_state state;       /* only these; LA_ST_COUNT: all */
    enum la_socket_form count; /* LA_SOCKETS_TABLE: they are listed */
    bool ndjson, summary;
};

/* What the command line says. Strings are borrowed from it. */
struct la_settings {
    enum la_command_id command;
    const char *output;      /* NULL: standard output */
    const char *connections; /* NULL: not wanted */
    const char *findings;
    const char *from_text, *to_text; /* read once --local is known */
    bool local;
    struct la_capture_options capture;
    struct la_hosts *hosts; /* owned */
    uint64_t diagnoses;     /* 1 << enum la_kind */
    unsigned threads;       /* 0: as many as there are processors */
    struct la_sockets_settings sockets;
    int fail_on; /* enum la_severity, or LA_SEVERITY_COUNT: never */
    enum la_progress_mode progress;
    bool quiet, verbose, help, version;
    char *const *operands;
    int operand_count;
};

enum la_option_argument { LA_ARGUMENT_NONE, LA_ARGUMENT_REQUIRED, LA_ARGUMENT_OPTIONAL };

struct la_option {
    const char *category; /* heading in --help */
    const char *name;     /* without its dashes */
    char short_name;      /* '\0': none */
    enum la_option_argument argument;
    const char *placeholder;   /* of the argument */
    const char *default_value; /* as --help says it; NULL: nothing to say */
    unsigned commands;         /* 1 << enum la_command_id */
    const char *help;
    /* Takes the argument; NULL: it is stored as it stands in the member at `member`, a const char *
     * for an option with an argument, a bool for one without. */
    enum la_status (*apply)(struct la_settings *settings, const char *argument,
                            struct la_error *err);
    size_t member;
};

/* NULL past the last. */
const struct la_option *la_option_at(size_t index);

/* "analyze", ... */
const char *la_command_name(enum la_command_id command);

/* Reads a command line, of which `argv[0]` is the program. LA_EUSAGE with a sentence that says what
 * is wrong with it, LA_ENOMEM. Whatever it says, la_settings_free() afterwards. */
enum la_status la_settings_parse(int argc, char **argv, struct la_settings *settings,
                                 struct la_error *err);
void la_settings_free(struct la_settings *settings);

/* What --help prints. */
void la_help_print(enum la_command_id command, FILE *out);

#endif
