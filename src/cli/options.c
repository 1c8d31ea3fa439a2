#include "cli/options.h"

#include "base/settings.h"
#include "cli/suggest.h"
#include "cli/tell.h"
#include "diagnose/diagnose.h"

#include <ctype.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#define ANALYZE (1u << LA_COMMAND_ANALYZE)
#define SOCKETS (1u << LA_COMMAND_SOCKETS)
#define READING (ANALYZE | SOCKETS)
#define ALL ((1u << LA_COMMAND_COUNT) - 1)

static const char *const command_names[LA_COMMAND_COUNT] = {"analyze", "sockets", "explain",
                                                            "schema"};

const char *la_command_name(enum la_command_id command) {
    return command_names[command];
}

static const char *command_at(size_t index) {
    return index < LA_COMMAND_COUNT ? command_names[index] : NULL;
}

static const char *kind_at(size_t index) {
    return index < LA_KIND_COUNT ? la_kind_name((enum la_kind)index) : NULL;
}

/* What the options do. */

static enum la_status apply_os(struct la_settings *settings, const char *argument,
                               struct la_error *err) {
    return la_hosts_set_profile(settings->hosts, argument, err);
}

static void tell_complaint(void *context, const char *text) {
    (void)context;
    la_tell(text);
}

static enum la_status apply_host_settings(struct la_settings *settings, const char *argument,
                                          struct la_error *err) {
    const struct la_settings_listener listener = {tell_complaint, NULL};
    return la_hosts_set_settings(settings->hosts, argument, &listener, err);
}

static enum la_status apply_time_wait(struct la_settings *settings, const char *argument,
                                      struct la_error *err) {
    int64_t ns;
    if (!la_duration_parse(argument, &ns))
        return la_fail(err, LA_EUSAGE, "--time-wait: '%.64s' is no duration (write 60s or 2m)",
                       argument);
    return la_hosts_set_time_wait(settings->hosts, ns, err);
}

static enum la_status apply_close_wait(struct la_settings *settings, const char *argument,
                                       struct la_error *err) {
    int64_t ns;
    if (!la_duration_parse(argument, &ns))
        return la_fail(err, LA_EUSAGE, "--close-wait: '%.64s' is no duration (write 5s or 2m)",
                       argument);
    return la_hosts_set_close_wait(settings->hosts, ns, err);
}

static enum la_status unknown_kind(const char *word, struct la_error *err) {
    const char *near = la_suggest(word, kind_at);
    if (near)
        return la_fail(err, LA_EUSAGE, "--diagnose: no such kind: '%.64s' (did you mean %s?)", word,
                       near);
    return la_fail(err, LA_EUSAGE, "--diagnose: no such kind: '%.64s' (see lastack explain)", word);
}

static enum la_status add_kind(const char *word, uint64_t *kinds, struct la_error *err) {
    enum la_kind kind;
    if (strcmp(word, "all") == 0) {
        *kinds = LA_ALL_KINDS;
        return LA_OK;
    }
    if (!la_kind_find(word, &kind))
        return unknown_kind(word, err);
    *kinds |= UINT64_C(1) << kind;
    return LA_OK;
}

static enum la_status apply_diagnose(struct la_settings *settings, const char *argument,
                                     struct la_error *err) {
    char word[64];
    settings->diagnoses = 0;
    if (strcmp(argument, "none") == 0)
        return LA_OK;
    while (true) {
        size_t length = strcspn(argument, ",");
        size_t kept = length < sizeof word ? length : sizeof word - 1;
        memcpy(word, argument, kept);
        word[kept] = '\0';
        if (add_kind(word, &settings->diagnoses, err) != LA_OK)
            return LA_EUSAGE;
        if (!argument[length])
            return LA_OK;
        argument += length + 1;
    }
}

static enum la_status apply_fail_on(struct la_settings *settings, const char *argument,
                                    struct la_error *err) {
    for (int severity = LA_NOTICE; severity < LA_SEVERITY_COUNT; severity++) {
        if (strcmp(argument, la_severity_name((enum la_severity)severity)) == 0) {
            settings->fail_on = severity;
            return LA_OK;
        }
    }
    return la_fail(err, LA_EUSAGE,
                   "--fail-on: '%.64s' is no severity (write notice, warning or critical)",
                   argument);
}

static enum la_status apply_progress(struct la_settings *settings, const char *argument,
                                     struct la_error *err) {
    static const char *const modes[] = {"auto", "on", "off"};
    for (int mode = LA_PROGRESS_AUTO; mode <= LA_PROGRESS_OFF; mode++) {
        if (strcmp(argument ? argument : "on", modes[mode]) == 0) {
            settings->progress = (enum la_progress_mode)mode;
            return LA_OK;
        }
    }
    return la_fail(err, LA_EUSAGE, "--progress: '%.64s' (write auto, on or off)", argument);
}

static enum la_status apply_threads(struct la_settings *settings, const char *argument,
                                    struct la_error *err) {
    enum { MOST = 256 };
    unsigned threads = 0;
    for (const char *p = argument; *p; p++) {
        if (!isdigit((unsigned char)*p) || threads > MOST)
            return la_fail(err, LA_EUSAGE, "--threads: '%.64s' is no number from 1 to %d", argument,
                           MOST);
        threads = threads * 10 + (unsigned)(*p - '0');
    }
    if (threads == 0 || threads > MOST)
        return la_fail(err, LA_EUSAGE, "--threads: '%.64s' is no number from 1 to %d", argument,
                       MOST);
    settings->threads = threads;
    return LA_OK;
}

static enum la_status apply_every(struct la_settings *settings, const char *argument,
                                  struct la_error *err) {
    if (la_duration_parse(argument, &settings->sockets.every_ns) && settings->sockets.every_ns > 0)
        return LA_OK;
    return la_fail(err, LA_EUSAGE, "--every: '%.64s' is no duration (write 1s or 100ms)", argument);
}

static enum la_status apply_host(struct la_settings *settings, const char *argument,
                                 struct la_error *err) {
    settings->sockets.one_host = true;
    if (la_addr_parse(argument, &settings->sockets.host))
        return LA_OK;
    return la_fail(err, LA_EUSAGE, "--host: '%.64s' is no address", argument);
}

/* Upper and lower case, and the dashes of ss and netstat, mean the same. */
static bool is_same_state(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        int x = *a == '_' ? '-' : toupper((unsigned char)*a), y = *b == '_' ? '-' : *b;
        if (x != y)
            return false;
    }
    return *a == *b;
}

/* From LISTEN on: a closed socket is not listed. */
static const char *state_at(size_t index) {
    return index + 1 < LA_ST_COUNT ? la_state_name((enum la_state)(index + 1)) : NULL;
}

static enum la_status apply_state(struct la_settings *settings, const char *argument,
                                  struct la_error *err) {
    for (enum la_state state = LA_ST_LISTEN; state < LA_ST_COUNT; state++) {
        if (is_same_state(argument, la_state_name(state)) ||
            is_same_state(argument, la_netstat_name(state))) {
            settings->sockets.state = state;
            return LA_OK;
        }
    }
    const char *near = la_suggest(argument, state_at);
    return la_fail(err, LA_EUSAGE, "--state: no such state: '%.64s' (%s%s)", argument,
                   near ? "did you mean " : "see lastack sockets --help", near ? near : "");
}

static enum la_status apply_count(struct la_settings *settings, const char *argument,
                                  struct la_error *err) {
    static const struct {
        const char *name;
        enum la_socket_form form;
    } forms[] = {
        {"state", LA_SOCKETS_STATES}, {"peer", LA_SOCKETS_PEERS}, {"service", LA_SOCKETS_SERVICES}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(argument, forms[i].name) == 0) {
            settings->sockets.count = forms[i].form;
            return LA_OK;
        }
    }
    return la_fail(err, LA_EUSAGE, "--count: '%.64s' (write state, peer or service)", argument);
}

static enum la_status apply_format(struct la_settings *settings, const char *argument,
                                   struct la_error *err) {
    settings->sockets.ndjson = strcmp(argument, "ndjson") == 0;
    if (settings->sockets.ndjson || strcmp(argument, "text") == 0)
        return LA_OK;
    return la_fail(err, LA_EUSAGE, "--format: '%.64s' (write text or ndjson)", argument);
}

/* The table. */

#define MEMBER(name) .member = offsetof(struct la_settings, name)

static const struct la_option options[] = {
    {.category = "What is read",
     .name = "filter",
     .short_name = 'f',
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "EXPR",
     .commands = READING,
     .help = "only the packets that this pcap-filter(7) expression selects",
     MEMBER(capture.filter)},
    {.category = "What is read",
     .name = "from",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "TIME",
     .commands = READING,
     .help = "only packets (sockets: only moments of --every) from this time on: RFC 3339, epoch "
             "seconds, a time of day on the capture's first day (UTC), or +DURATION from the "
             "first packet",
     MEMBER(from_text)},
    {.category = "What is read",
     .name = "to",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "TIME",
     .commands = READING,
     .help = "only packets (sockets: only moments) up to this time",
     MEMBER(to_text)},
    {.category = "What is read",
     .name = "local",
     .commands = READING,
     .help = "a time of day is local time, not UTC",
     MEMBER(local)},
    {.category = "Which moment",
     .name = "at",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "TIME",
     .default_value = "the last packet",
     .commands = SOCKETS,
     .help = "the socket table of this moment, written as --from",
     MEMBER(sockets.at_text)},
    {.category = "Which moment",
     .name = "every",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "DURATION",
     .commands = SOCKETS,
     .help = "instead: of one moment after the other, from the first packet to the last, or "
             "from --from to --to",
     .apply = apply_every},
    {.category = "Which sockets",
     .name = "host",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "ADDRESS",
     .default_value = "a table for each",
     .commands = SOCKETS,
     .help = "only the sockets of this host",
     .apply = apply_host},
    {.category = "Which sockets",
     .name = "state",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "STATE",
     .commands = SOCKETS,
     .help = "only those in this state, as ss or netstat names it",
     .apply = apply_state},
    {.category = "How they are shown",
     .name = "count",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "state|peer|service",
     .commands = SOCKETS,
     .help = "how many there are in each state, of each peer, at each local port, instead of "
             "the sockets themselves; listening ones are left out",
     .apply = apply_count},
    {.category = "How they are shown",
     .name = "summary",
     .commands = SOCKETS,
     .help = "how many there are at all, as ss -s tells it",
     MEMBER(sockets.summary)},
    {.category = "How they are shown",
     .name = "format",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "text|ndjson",
     .default_value = "text",
     .commands = SOCKETS,
     .help = "ndjson: one JSON object a socket and moment (see lastack schema socket)",
     .apply = apply_format},
    {.category = "What is written",
     .name = "output",
     .short_name = 'o',
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "PATH",
     .default_value = "standard output",
     .commands = ANALYZE,
     .help = "the report's file, written whole or not at all",
     MEMBER(output)},
    {.category = "What is written",
     .name = "connections",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "PATH",
     .commands = ANALYZE,
     .help = "every connection, one JSON object a line",
     MEMBER(connections)},
    {.category = "What is written",
     .name = "findings",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "PATH",
     .commands = ANALYZE,
     .help = "every instance of every finding, one JSON object a line (the report keeps "
             "the worst of each kind)",
     MEMBER(findings)},
    {.category = "What is looked for",
     .name = "diagnose",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "LIST",
     .default_value = "all",
     .commands = ANALYZE,
     .help = "all, none, or kinds by name with commas between them",
     .apply = apply_diagnose},
    {.category = "What is looked for",
     .name = "os",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "[HOST=]PROFILE",
     .default_value = "linux",
     .commands = READING,
     .help = "the timers and rules assumed of a host, or of all: linux, linux-legacy (3.6 "
             "to 5.5), linux-ancient (to 3.5), freebsd, macos, windows; may be repeated",
     .apply = apply_os},
    {.category = "What is looked for",
     .name = "host-settings",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "[HOST=]FILE",
     .commands = READING,
     .help = "what sysctl -a or a sysctl.conf said on a Linux host, or on all: timers follow it; "
             "may be repeated",
     .apply = apply_host_settings},
    {.category = "What is looked for",
     .name = "time-wait",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "DURATION",
     .default_value = "what the profile says",
     .commands = READING,
     .help = "how long TIME-WAIT lasts, on every host",
     .apply = apply_time_wait},
    {.category = "What is looked for",
     .name = "close-wait",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "DURATION",
     .default_value = "1s",
     .commands = ANALYZE,
     .help = "a CLOSE-WAIT counts when it is quiet for this long, and for ten round trips",
     .apply = apply_close_wait},
    {.category = "What is looked for",
     .name = "fail-on",
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "SEVERITY",
     .commands = ANALYZE,
     .help = "exit with 1 when a finding is at least notice, warning or critical",
     .apply = apply_fail_on},
    {.category = "Everything else",
     .name = "threads",
     .short_name = 'j',
     .argument = LA_ARGUMENT_REQUIRED,
     .placeholder = "N",
     .default_value = "as many as the machine has processors",
     .commands = READING,
     .help =
         "how many threads work (a large compressed file is decompressed by one of its own in any "
         "case); what is written does not depend on it",
     .apply = apply_threads},
    {.category = "Everything else",
     .name = "progress",
     .argument = LA_ARGUMENT_OPTIONAL,
     .placeholder = "auto|on|off",
     .default_value = "auto",
     .commands = READING,
     .help = "progress on standard error; auto: when that is a terminal",
     .apply = apply_progress},
    {.category = "Everything else",
     .name = "quiet",
     .short_name = 'q',
     .commands = READING,
     .help = "nothing on standard error but errors",
     MEMBER(quiet)},
    {.category = "Everything else",
     .name = "verbose",
     .short_name = 'v',
     .commands = READING,
     .help = "say on standard error what was read",
     MEMBER(verbose)},
    {.category = "Everything else",
     .name = "version",
     .commands = ALL,
     .help = "print the version and exit",
     MEMBER(version)},
    {.category = "Everything else",
     .name = "help",
     .short_name = 'h',
     .commands = ALL,
     .help = "print this and exit",
     MEMBER(help)},
};

enum { OPTION_COUNT = sizeof options / sizeof options[0], FIRST_LONG = 256 };

const struct la_option *la_option_at(size_t index) {
    return index < OPTION_COUNT ? &options[index] : NULL;
}

static const char *option_name_at(size_t index) {
    return index < OPTION_COUNT ? options[index].name : NULL;
}

/* Parsing. */

static void fill_long(struct option longs[OPTION_COUNT + 1]) {
    static const int forms[] = {no_argument, required_argument, optional_argument};
    memset(longs, 0, (OPTION_COUNT + 1) * sizeof *longs);
    for (int i = 0; i < OPTION_COUNT; i++) {
        longs[i].name = options[i].name;
        longs[i].has_arg = forms[options[i].argument];
        longs[i].val = FIRST_LONG + i;
    }
}

/* A leading colon makes getopt_long() tell a missing argument from an unknown option. */
static void fill_short(char shorts[2 * OPTION_COUNT + 2]) {
    char *p = shorts;
    *p++ = ':';
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!options[i].short_name)
            continue;
        *p++ = options[i].short_name;
        if (options[i].argument == LA_ARGUMENT_REQUIRED)
            *p++ = ':';
    }
    *p = '\0';
}

static const struct la_option *option_of(int value) {
    if (value >= FIRST_LONG && value < FIRST_LONG + OPTION_COUNT)
        return &options[value - FIRST_LONG];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].short_name && options[i].short_name == value)
            return &options[i];
    }
    return NULL;
}

/* getopt_long() leaves the value of a known option in optopt when its argument is wrong, the letter
 * of an unknown short one, and 0 for an unknown long one. */
static enum la_status refuse(int result, const char *word, struct la_error *err) {
    const struct la_option *known = optopt ? option_of(optopt) : NULL;
    if (result == ':' && known)
        return la_fail(err, LA_EUSAGE, "--%s needs its %s (see lastack --help)", known->name,
                       known->placeholder);
    if (known)
        return la_fail(err, LA_EUSAGE, "--%s takes no argument (see lastack --help)", known->name);
    if (optopt)
        return la_fail(err, LA_EUSAGE, "unknown option -%c (see lastack --help)",
                       isprint(optopt) ? optopt : '?');
    const char *near = strncmp(word, "--", 2) == 0 ? la_suggest(word + 2, option_name_at) : NULL;
    if (near)
        return la_fail(err, LA_EUSAGE, "unknown option %.64s (did you mean --%s?)", word, near);
    return la_fail(err, LA_EUSAGE, "unknown option %.64s (see lastack --help)", word);
}

static enum la_status apply_option(struct la_settings *settings, const struct la_option *option,
                                   struct la_error *err) {
    if (!(option->commands >> settings->command & 1))
        return la_fail(err, LA_EUSAGE, "--%s is no option of lastack %s (see lastack %s --help)",
                       option->name, la_command_name(settings->command),
                       la_command_name(settings->command));
    if (option->apply)
        return option->apply(settings, optarg, err);
    char *member = (char *)settings + option->member;
    if (option->argument == LA_ARGUMENT_NONE)
        *(bool *)member = true;
    else
        *(const char **)(void *)member = optarg;
    return LA_OK;
}

static enum la_status parse_options(int argc, char **argv, struct la_settings *settings,
                                    struct la_error *err) {
    struct option longs[OPTION_COUNT + 1];
    char shorts[2 * OPTION_COUNT + 2];
    enum la_status status = LA_OK;
    int result;
    fill_long(longs);
    fill_short(shorts);
    opterr = 0;
    optind = 0; /* glibc: start anew, also when called again */
    while (status == LA_OK && (result = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (result == '?' || result == ':')
            return refuse(result, argv[optind - 1], err);
        status = apply_option(settings, option_of(result), err);
    }
    settings->operands = argv + optind;
    settings->operand_count = argc - optind;
    return status;
}

static enum la_status parse_when(const char *name, const char *text, bool local,
                                 struct la_when *when, struct la_error *err) {
    if (!text || la_when_parse(text, local, when))
        return LA_OK;
    return la_fail(
        err, LA_EUSAGE,
        "--%s: '%.64s' is no time (write 2026-11-20T14:03:07Z, 1763647387.5, 14:03:07 or "
        "+90s)",
        name, text);
}

static enum la_status parse_span(struct la_settings *settings, struct la_error *err) {
    struct la_capture_options *capture = &settings->capture;
    enum la_status status =
        parse_when("from", settings->from_text, settings->local, &capture->from, err);
    if (status == LA_OK)
        status = parse_when("to", settings->to_text, settings->local, &capture->to, err);
    if (status == LA_OK && capture->from.kind == capture->to.kind &&
        capture->from.kind != LA_WHEN_NONE && capture->from.ns > capture->to.ns)
        return la_fail(err, LA_EUSAGE, "--from is later than --to (nothing lies between them)");
    return status;
}

/* What --from and --to bound is the command's: packets, or moments. */
static enum la_status parse_moments(struct la_settings *settings, struct la_error *err) {
    struct la_sockets_settings *sockets = &settings->sockets;
    if (settings->command != LA_COMMAND_SOCKETS)
        return LA_OK;
    sockets->from = settings->capture.from;
    sockets->to = settings->capture.to;
    settings->capture.from = settings->capture.to = (struct la_when){0};
    if (sockets->at_text && sockets->every_ns > 0)
        return la_fail(err, LA_EUSAGE, "--at is one moment, --every are many (leave one out)");
    if (sockets->every_ns == 0 && (settings->from_text || settings->to_text))
        return la_fail(err, LA_EUSAGE,
                       "--from and --to bound the moments of --every (or write --at TIME)");
    if (sockets->summary && sockets->count != LA_SOCKETS_TABLE)
        return la_fail(err, LA_EUSAGE, "--count and --summary are two tables (leave one out)");
    if (sockets->ndjson && (sockets->summary || sockets->count != LA_SOCKETS_TABLE))
        return la_fail(err, LA_EUSAGE,
                       "--format ndjson lists sockets (leave --count and "
                       "--summary out)");
    return parse_when("at", sockets->at_text, settings->local, &sockets->at, err);
}

/* The command is the first word, and only there: anywhere else it would be a file of that name. A
 * first word that is no file but nearly a command was meant as one. */
static enum la_status parse_command(const char *word, struct la_settings *settings,
                                    bool *is_command, struct la_error *err) {
    *is_command = false;
    if (!word || word[0] == '-')
        return LA_OK;
    for (unsigned i = 0; i < LA_COMMAND_COUNT; i++) {
        if (strcmp(word, command_names[i]) == 0) {
            settings->command = (enum la_command_id)i;
            *is_command = true;
            return LA_OK;
        }
    }
    const char *near = strpbrk(word, "./") ? NULL : la_suggest(word, command_at);
    if (near && access(word, F_OK) != 0)
        return la_fail(err, LA_EUSAGE, "no such command or file: %.64s (did you mean %s?)", word,
                       near);
    return LA_OK;
}

enum la_status la_settings_parse(int argc, char **argv, struct la_settings *settings,
                                 struct la_error *err) {
    bool is_command;
    *settings = (struct la_settings){.diagnoses = LA_ALL_KINDS,
                                     .fail_on = LA_SEVERITY_COUNT,
                                     .sockets.state = LA_ST_COUNT,
                                     .sockets.count = LA_SOCKETS_TABLE};
    if (!(settings->hosts = la_hosts_new()))
        return la_fail(err, LA_ENOMEM, "out of memory");
    enum la_status status = parse_command(argc > 1 ? argv[1] : NULL, settings, &is_command, err);
    if (status != LA_OK)
        return status;
    int skipped = is_command ? 1 : 0;
    status = parse_options(argc - skipped, argv + skipped, settings, err);
    if (status == LA_OK)
        status = parse_span(settings, err);
    return status == LA_OK ? parse_moments(settings, err) : status;
}

void la_settings_free(struct la_settings *settings) {
    la_hosts_free(settings->hosts);
    settings->hosts = NULL;
}
