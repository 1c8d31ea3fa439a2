/* --help, laid out from the table of options. */
#include "cli/options.h"

#include <string.h>

enum { COLUMN = 30, WIDTH = 80, TEXT = 512 };

static const char *const usages[LA_COMMAND_COUNT] = {
    "lastack [analyze] [OPTIONS] FILE...",
    "lastack sockets [OPTIONS] FILE...",
    "lastack explain [KIND|SETTING]",
    "lastack schema [report|connection|finding|socket]",
};

static const char *const purposes[LA_COMMAND_COUNT] = {
    "Reads packet captures as one timeline, follows both ends of every TCP connection, and writes\n"
    "one JSON report on how they ended and what went wrong. A FILE is pcap or pcapng, plain or\n"
    "compressed; - is standard input; a directory stands for the captures in it.\n",
    "Prints what ss(8) or netstat(8) would have printed on a host at a moment of the capture.\n"
    "Every address in it is such a host. Without --at and --every: at the last packet.\n",
    "Says what a diagnosis means, how it is proven, what it is mistaken for, and what helps; or\n"
    "what a SETTING of Linux (tcp_tw_reuse, somaxconn, ...) does and does not. Without a name:\n"
    "lists them.\n",
    "Prints the JSON Schema of the report, or of a line of --connections, --findings, or\n"
    "sockets --format ndjson.\n",
};

/* What follows the options. */
static const char *const epilogues[LA_COMMAND_COUNT] = {
    [LA_COMMAND_SOCKETS] =
        "\nIn the place of                                           there is\n"
        "  ss -tan                                                 --at TIME --host ADDRESS\n"
        "  ss -tan state time-wait                                 ... --state time-wait\n"
        "  netstat -n | awk '/^tcp/ {++S[$NF]} END {for(a in S) print a, S[a]}'\n"
        "                                                          ... --count state\n"
        "  netstat -n | awk '/^tcp/ {print $5}' | cut -d: -f1 | sort | uniq -c | sort -rn\n"
        "                                                          ... --count peer\n"
        "  the same with $4 and -f2                                ... --count service\n"
        "  ss -s                                                   ... --summary\n"
        "  any of them in a loop                                   --every 1s instead of --at\n"
        "\nss and netstat name the states\n"
        "  SYN-SENT   SYN_SENT       FIN-WAIT-1 FIN_WAIT1      LAST-ACK   LAST_ACK\n"
        "  SYN-RECV   SYN_RECV       FIN-WAIT-2 FIN_WAIT2      CLOSING    CLOSING\n"
        "  ESTAB      ESTABLISHED    CLOSE-WAIT CLOSE_WAIT     TIME-WAIT  TIME_WAIT\n"
        "UNKNOWN is a socket that was there before the capture and has not shown its state yet.\n"
        "A socket is not Certain (no) when the packets allow another state as well, or none. A\n"
        "queue is - where a capture cannot know it. LISTEN is known from the first SYN-ACK on.\n",
};

static void print_usage(enum la_command_id command, FILE *out) {
    fprintf(out, "Usage: %s\n", usages[command]);
    for (size_t i = 0; command == LA_COMMAND_ANALYZE && i < LA_COMMAND_COUNT; i++) {
        if (i != command)
            fprintf(out, "       %s\n", usages[i]);
    }
    fprintf(out, "\n%s", purposes[command]);
}

/* "  -f, --filter EXPR"; returns its length. */
static int print_left(const struct la_option *option, FILE *out) {
    char argument[64] = "";
    if (option->argument == LA_ARGUMENT_REQUIRED)
        snprintf(argument, sizeof argument, " %s", option->placeholder);
    else if (option->argument == LA_ARGUMENT_OPTIONAL)
        snprintf(argument, sizeof argument, "[=%s]", option->placeholder);
    if (option->short_name)
        return fprintf(out, "  -%c, --%s%s", option->short_name, option->name, argument);
    return fprintf(out, "      --%s%s", option->name, argument);
}

/* Prints words from COLUMN on, within the width. */
static void print_wrapped(const char *text, FILE *out) {
    int column = COLUMN;
    while (*text) {
        int length = (int)strcspn(text, " ");
        bool first = column == COLUMN;
        if (!first && column + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", COLUMN, "");
            column = COLUMN;
            first = true;
        }
        column += fprintf(out, "%s%.*s", first ? "" : " ", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_option(const struct la_option *option, FILE *out) {
    char text[TEXT];
    int used = print_left(option, out);
    if (used >= COLUMN)
        used = fprintf(out, "\n") - 1;
    fprintf(out, "%*s", COLUMN - used, "");
    if (option->default_value)
        snprintf(text, sizeof text, "%s [%s]", option->help, option->default_value);
    else
        snprintf(text, sizeof text, "%s", option->help);
    print_wrapped(text, out);
}

void la_help_print(enum la_command_id command, FILE *out) {
    const struct la_option *option;
    const char *category = "";
    print_usage(command, out);
    for (size_t i = 0; (option = la_option_at(i)); i++) {
        if (!(option->commands >> command & 1))
            continue;
        if (strcmp(category, option->category) != 0)
            fprintf(out, "\n%s:\n", option->category);
        category = option->category;
        print_option(option, out);
    }
    if (epilogues[command])
        fputs(epilogues[command], out);
    fprintf(out, "\nThe manual is lastack(1).\n");
}
