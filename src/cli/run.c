#include "cli/run.h"

#include "cli/signals.h"
#include "cli/tell.h"

#include <inttypes.h>
#include <stdlib.h>

bool la_run_fail(struct la_run *run, const struct la_error *err) {
    la_exit_raise(&run->code, la_tell_error(err));
    return false;
}

bool la_run_fail_memory(struct la_run *run) {
    la_tell("out of memory");
    la_exit_raise(&run->code, LA_EXIT_MEMORY);
    return false;
}

bool la_run_begin(struct la_run *run, const struct la_settings *settings, void *command) {
    *run = (struct la_run){.settings = settings, .command = command};
    if (settings->operand_count > 0)
        return true;
    la_tell("no capture to read (name files, or - for standard input; see lastack --help)");
    run->code = LA_EXIT_USAGE;
    return false;
}

static void on_progress(void *context, uint64_t done, uint64_t total) {
    struct la_run *run = context;
    la_progress_show(&run->progress, done, total);
}

static bool make_analysis(struct la_run *run, const struct la_analysis_options *wanted) {
    const struct la_settings *settings = run->settings;
    struct la_error err = {0};
    struct la_analysis_options options = *wanted;
    options.capture = settings->capture;
    options.capture.stop = &la_signal_stop; /* a read that waits for a pipe must end, too */
    options.hosts = settings->hosts;
    options.threads = settings->threads;
    options.on_progress = on_progress;
    options.context = run;
    options.stop = &la_signal_stop;
    return la_analysis_new(&options, &run->analysis, &err) == LA_OK || la_run_fail(run, &err);
}

/* Tells what is wrong with inputs, each once. */
static void tell_inputs(struct la_run *run) {
    for (size_t i = 0; i < run->input_count; i++) {
        const struct la_error *error = &run->inputs[i]->error;
        if (error->status == LA_OK || run->told[i])
            continue;
        run->told[i] = true;
        la_exit_raise(&run->code, la_tell_error(error));
    }
}

static bool list_inputs(struct la_run *run) {
    const struct la_capture *capture = la_analysis_capture(run->analysis);
    run->input_count = la_capture_input_count(capture);
    run->inputs = calloc(run->input_count + 1, sizeof *run->inputs);
    run->told = calloc(run->input_count + 1, sizeof *run->told);
    if (!run->inputs || !run->told)
        return la_run_fail_memory(run);
    for (size_t i = 0; i < run->input_count; i++)
        run->inputs[i] = la_capture_input(capture, i);
    return true;
}

/* What cannot be opened stands in the report as an input with an error; only what never became an
 * input is told here. */
static bool add_inputs(struct la_run *run) {
    const struct la_settings *settings = run->settings;
    for (int i = 0; i < settings->operand_count; i++) {
        struct la_error err = {0};
        enum la_status status = la_analysis_add(run->analysis, settings->operands[i], &err);
        if (status == LA_ENOMEM)
            return la_run_fail(run, &err);
        if (status == LA_EUSAGE)
            la_run_fail(run, &err);
    }
    if (!list_inputs(run))
        return false;
    tell_inputs(run);
    return true;
}

bool la_run_open(struct la_run *run, const struct la_analysis_options *options) {
    return make_analysis(run, options) && add_inputs(run);
}

static void tell_summary(const struct la_run *run) {
    char line[LA_ERROR_TEXT];
    for (size_t i = 0; i < run->input_count; i++) {
        const struct la_input *input = run->inputs[i];
        snprintf(line, sizeof line, "%s: %s, %" PRIu64 " packets, %" PRIu64 " of them left out",
                 input->path, input->format ? input->format : "not read", input->packets,
                 input->filtered);
        la_tell(line);
    }
    const struct la_result *result = la_analysis_result(run->analysis);
    snprintf(line, sizeof line, "%" PRIu64 " connections", result->connections);
    la_tell(line);
}

bool la_run_read(struct la_run *run) {
    struct la_error err = {0};
    la_progress_start(&run->progress, run->settings);
    enum la_status status = la_analysis_run(run->analysis, &err);
    la_progress_end(&run->progress);
    if (status != LA_OK)
        return la_run_fail(run, &err);
    tell_inputs(run);
    if (run->settings->verbose)
        tell_summary(run);
    return true;
}

void la_run_end(struct la_run *run) {
    if (la_analysis_interrupted(run->analysis))
        la_exit_raise(&run->code, LA_EXIT_SIGNAL + (int)la_signal_stop);
}

void la_run_commit(struct la_run *run, struct la_output *output) {
    struct la_error err = {0};
    if (la_output_commit(output, &err) != LA_OK)
        la_run_fail(run, &err);
}

void la_run_release(struct la_run *run) {
    la_analysis_free(run->analysis);
    free(run->inputs);
    free(run->told);
}
