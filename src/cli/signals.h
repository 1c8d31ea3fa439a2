/* The first SIGINT, SIGTERM or SIGHUP asks the analysis to end, so that what was read is still
 * reported; the second ends the program at once, without a trace of unfinished files. */
#ifndef LA_CLI_SIGNALS_H
#define LA_CLI_SIGNALS_H

#include <signal.h>

/* The number of the signal that came, 0: none. */
extern volatile sig_atomic_t la_signal_stop;

void la_signals_install(void);

#endif
