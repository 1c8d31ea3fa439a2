/* Progress on standard error, at most a few times a second. */
#ifndef LA_CLI_PROGRESS_H
#define LA_CLI_PROGRESS_H

#include "cli/options.h"

#include <stdbool.h>
#include <stdint.h>

struct la_progress {
    bool on;
    bool terminal;   /* one line, rewritten */
    bool shown;      /* that line stands there */
    int64_t next_ns; /* monotonic clock */
};

void la_progress_start(struct la_progress *progress, const struct la_settings *settings);
/* `total` 0: unknown. */
void la_progress_show(struct la_progress *progress, uint64_t done, uint64_t total);
/* Clears the line, before anything else is told. */
void la_progress_end(struct la_progress *progress);

#endif
