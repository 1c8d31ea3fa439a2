/* What the commands that read captures share: opening the analysis and its inputs, reading with
 * progress, telling what went wrong once, and the exit code that comes of it. */
#ifndef LA_CLI_RUN_H
#define LA_CLI_RUN_H

#include "analysis/analysis.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "report/output.h"

struct la_run {
    const struct la_settings *settings;
    struct la_analysis *analysis;
    const struct la_input **inputs; /* owned, as an array */
    size_t input_count;
    bool *told;    /* for each input: its error was told */
    void *command; /* whose run this is; borrowed */
    struct la_progress progress;
    int code;
};

/* Tell the error and raise the exit code; always false. */
bool la_run_fail(struct la_run *run, const struct la_error *err);
bool la_run_fail_memory(struct la_run *run);

/* False, told, when the command line names nothing to read. `run` is zeroed; `command` is what the
 * callbacks find in it. */
bool la_run_begin(struct la_run *run, const struct la_settings *settings, void *command);
/* Makes the analysis and opens the inputs. The callbacks of `options` get the run as their context;
 * everything that the settings say is filled in here. False when there is nothing to go on with.
 * What could not be opened is told, and is an input with an error. */
bool la_run_open(struct la_run *run, const struct la_analysis_options *options);
/* Reads everything, and tells what was wrong with the inputs; false when out of memory. */
bool la_run_read(struct la_run *run);
/* Once all is written: an interrupt is the exit code. */
void la_run_end(struct la_run *run);
void la_run_commit(struct la_run *run, struct la_output *output);
void la_run_release(struct la_run *run);

#endif
