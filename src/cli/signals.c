#include "cli/signals.h"

#include "report/output.h"

#include <stddef.h>

volatile sig_atomic_t la_signal_stop;

static void on_signal(int number) {
    if (la_signal_stop == 0) {
        la_signal_stop = number;
        return;
    }
    la_output_abandon_all();
    signal(number, SIG_DFL);
    raise(number);
}

/* Without SA_RESTART: a read that waits for a pipe is to return. */
static void catch_signal(int number) {
    struct sigaction action = {.sa_handler = on_signal}, old;
    sigemptyset(&action.sa_mask);
    /* nohup(1) and shells ignore signals for their background jobs on purpose. */
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void la_signals_install(void) {
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);
    /* A closed pipe and a file that has become too large are told by write(2). */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}
