#include "cli/progress.h"

#include "base/time.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

enum { TERMINAL_MSEC = 200, LOG_MSEC = 2000 };

static int64_t now_ns(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * LA_SEC + now.tv_nsec;
}

void la_progress_start(struct la_progress *progress, const struct la_settings *settings) {
    bool terminal = isatty(STDERR_FILENO) == 1;
    bool automatic = settings->progress == LA_PROGRESS_AUTO && terminal && !settings->quiet;
    progress->on = automatic || settings->progress == LA_PROGRESS_ON;
    progress->terminal = terminal;
    progress->shown = false;
    progress->next_ns = now_ns() + TERMINAL_MSEC * LA_MSEC;
}

void la_progress_show(struct la_progress *progress, uint64_t done, uint64_t total) {
    int64_t now = progress->on ? now_ns() : 0;
    if (!progress->on || now < progress->next_ns)
        return;
    const char *start = progress->terminal ? "\r" : "", *end = progress->terminal ? "   " : "\n";
    uint64_t mb = done / 1000000;
    if (total > 0)
        fprintf(stderr, "%slastack: %" PRIu64 " MB of %" PRIu64 " MB (%" PRIu64 " %%)%s", start, mb,
                total / 1000000, done >= total ? 100 : done * 100 / total, end);
    else
        fprintf(stderr, "%slastack: %" PRIu64 " MB%s", start, mb, end);
    progress->shown = progress->terminal;
    progress->next_ns = now + (progress->terminal ? TERMINAL_MSEC : LOG_MSEC) * LA_MSEC;
}

void la_progress_end(struct la_progress *progress) {
    if (progress->shown)
        fprintf(stderr, "\r%*s\r", 60, "");
    progress->shown = false;
}
