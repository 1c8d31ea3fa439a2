/* What goes to standard error, and what the program ends with. */
#ifndef LA_CLI_TELL_H
#define LA_CLI_TELL_H

#include "base/error.h"

/* What may go wrong beside each other; the highest is the exit code. */
enum la_exit {
    LA_EXIT_DONE = 0,
    LA_EXIT_FINDINGS = 1, /* --fail-on was met */
    LA_EXIT_USAGE = 2,
    LA_EXIT_INPUT = 3,
    LA_EXIT_OUTPUT = 4,
    LA_EXIT_MEMORY = 5,
    LA_EXIT_SIGNAL = 128, /* plus the signal's number */
};

/* LA_EPIPE is no trouble: a reader of standard output had enough. */
int la_exit_of(enum la_status status);
void la_exit_raise(int *code, int other);

/* "lastack: " and the text, as one line whatever bytes are in it. */
void la_tell(const char *text);
/* Tells an error, unless it is one that ends quietly, and returns its exit code. */
int la_tell_error(const struct la_error *err);

#endif
