/* Prints docs/states.md from the state table, so that page and program are one text:
 *
 *     states >docs/states.md
 */
#include "track/state.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char head[] =
    "# States\n"
    "\n"
    "<!-- Made by build/states (tools/states.c) from the table in src/track/state.c: change that,\n"
    "     then run `make states-page`. -->\n"
    "\n"
    "Each end of a connection goes through one table: the state it is in, and what happens to it,\n"
    "give the state that follows. A capture shows the wire and not the socket: a FIN that a "
    "kernel\n"
    "has queued behind a closed window is not sent yet, and here the state changes when it is.\n"
    "What is peculiar (a FIN that comes again, a SYN over a connection that is still held, a RST\n"
    "that is not exact) is an event of its own and no exception beside the table.\n"
    "\n"
    "A LISTEN has no 4-tuple, so most histories start in CLOSED and a request exists from its\n"
    "SYN-ACK on. UNKNOWN is an end whose capture starts in the middle, as long as its packets "
    "have\n"
    "not shown what it is in.\n";

static bool changes(int state, int event) {
    return (int)la_state_next((enum la_state)state, (enum la_event)event) != state;
}

static const char *why(int state, int event) {
    return la_state_why((enum la_state)state, (enum la_event)event);
}

/* What an event leaves as it is has one reason in common, except where that needs one of its own.
 */
static const char *common_why(int event) {
    const char *first = "";
    for (int a = LA_ST_COUNT - 1; a >= 0; a--)
        first = changes(a, event) ? first : why(a, event);
    for (int a = 0; a < LA_ST_COUNT; a++)
        for (int b = a + 1; b < LA_ST_COUNT; b++)
            if (!changes(a, event) && !changes(b, event) &&
                strcmp(why(a, event), why(b, event)) == 0)
                return why(a, event);
    return first;
}

/* The last cell of a row, where a bar would begin another one. */
static void print_reason(FILE *out, const char *reason) {
    fputs("| ", out);
    for (const char *p = reason; *p; p++) {
        if (*p == '|')
            putc('\\', out);
        putc(*p, out);
    }
    fputs(" |\n", out);
}

static void print_matrix(FILE *out) {
    fprintf(out, "\n## All cells\n\nA dot: the event changes nothing there.\n\n| event |");
    for (int s = 0; s < LA_ST_COUNT; s++)
        fprintf(out, " %s |", la_state_name((enum la_state)s));
    fprintf(out, "\n|---|");
    for (int s = 0; s < LA_ST_COUNT; s++)
        fprintf(out, "---|");
    for (int e = 0; e < LA_EV_COUNT; e++) {
        fprintf(out, "\n| `%s` |", la_event_name((enum la_event)e));
        for (int s = 0; s < LA_ST_COUNT; s++)
            fprintf(out, " %s |",
                    changes(s, e) ? la_state_name(la_state_next((enum la_state)s, (enum la_event)e))
                                  : "·");
    }
    fprintf(out, "\n");
}

static void print_state(FILE *out, int s) {
    fprintf(out, "\n## %s\n\n| event | then | because |\n|---|---|---|\n",
            la_state_name((enum la_state)s));
    for (int e = 0; e < LA_EV_COUNT; e++) {
        if (!changes(s, e) && strcmp(why(s, e), common_why(e)) == 0)
            continue;
        fprintf(out, "| `%s` | %s ", la_event_name((enum la_event)e),
                la_state_name(la_state_next((enum la_state)s, (enum la_event)e)));
        print_reason(out, why(s, e));
    }
}

static void print_common(FILE *out) {
    fprintf(out, "\n## What changes nothing\n\n| event, where no table above has it | because "
                 "|\n|---|---|\n");
    for (int e = 0; e < LA_EV_COUNT; e++) {
        fprintf(out, "| `%s` ", la_event_name((enum la_event)e));
        print_reason(out, common_why(e));
    }
}

static void print_states(FILE *out) {
    fputs(head, out);
    print_matrix(out);
    for (int s = 0; s < LA_ST_COUNT; s++)
        print_state(out, s);
    print_common(out);
}

int main(void) {
    print_states(stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
