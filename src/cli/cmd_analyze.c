/* lastack [analyze]: captures in, the report and its companions out.
 *
 * The outputs are opened before anything is read, so that a place that cannot be written is told at
 * once, and committed when everything was read: the files first, standard output last, because its
 * reader may be gone without that being anybody's trouble. */
#include "analysis/analysis.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/tell.h"
#include "report/lines.h"
#include "report/output.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A file of lines that was asked for. */
struct companion {
    struct la_output *output;
    struct la_lines *lines; /* NULL: not wanted */
};

struct run {
    const struct la_settings *settings;
    struct la_analysis *analysis;
    const struct la_input **inputs;
    bool *told; /* for each input: its error was told */
    size_t input_count;
    struct la_output *output;
    struct companion connections, findings;
    struct la_progress progress;
    int code;
};

static void on_connection(void *context, const struct la_connection *connection) {
    struct run *run = context;
    la_lines_add_connection(run->connections.lines, connection);
}

static void on_finding(void *context, const struct la_finding *finding) {
    struct run *run = context;
    la_lines_add_finding(run->findings.lines, finding);
}

static void on_progress(void *context, uint64_t done, uint64_t total) {
    struct run *run = context;
    la_progress_show(&run->progress, done, total);
}

static bool fail_with(struct run *run, const struct la_error *err) {
    la_exit_raise(&run->code, la_tell_error(err));
    return false;
}

static bool fail_memory(struct run *run) {
    la_tell("out of memory");
    la_exit_raise(&run->code, LA_EXIT_MEMORY);
    return false;
}

/* Outputs that would overwrite each other, or what is to be read. */

enum { OUTPUT_MAX = 3 };

static size_t list_outputs(const struct la_settings *settings, const char *paths[OUTPUT_MAX]) {
    size_t count = 0;
    paths[count++] = settings->output ? settings->output : "-";
    if (settings->connections)
        paths[count++] = settings->connections;
    if (settings->findings)
        paths[count++] = settings->findings;
    return count;
}

static bool is_stdio(const char *path) {
    return strcmp(path, "-") == 0;
}

static bool is_same(const char *a, const char *b) {
    if (is_stdio(a) || is_stdio(b))
        return is_stdio(a) && is_stdio(b);
    return la_output_same(a, b);
}

static enum la_status check_pair(const char *a, const char *b, struct la_error *err) {
    if (!is_same(a, b))
        return LA_OK;
    if (is_stdio(a))
        return la_fail(err, LA_EUSAGE,
                       "two outputs would share standard output (give the report a file with -o)");
    return la_fail(err, LA_EUSAGE, "%s: named for two outputs (give each its own file)", b);
}

static enum la_status check_input(const char *input, const char *output, struct la_error *err) {
    if (is_stdio(input) || is_stdio(output) || !la_output_same(input, output))
        return LA_OK;
    return la_fail(err, LA_EUSAGE, "%s: is to be read and to be written (name another output)",
                   output);
}

static bool check_places(struct run *run) {
    const struct la_settings *settings = run->settings;
    struct la_error err = {0};
    const char *paths[OUTPUT_MAX];
    size_t count = list_outputs(settings, paths);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            if (check_pair(paths[j], paths[i], &err) != LA_OK)
                return fail_with(run, &err);
        for (int k = 0; k < settings->operand_count; k++)
            if (check_input(settings->operands[k], paths[i], &err) != LA_OK)
                return fail_with(run, &err);
    }
    return true;
}

/* Inputs. */

static bool make_analysis(struct run *run) {
    const struct la_settings *settings = run->settings;
    struct la_error err = {0};
    struct la_analysis_options options = {
        .capture = settings->capture,
        .hosts = settings->hosts,
        .diagnoses = settings->diagnoses,
        .threads = settings->threads,
        .on_connection = settings->connections ? on_connection : NULL,
        .on_finding = settings->findings ? on_finding : NULL,
        .on_progress = on_progress,
        .context = run,
        .stop = &la_signal_stop,
    };
    options.capture.stop = &la_signal_stop; /* a read that waits for a pipe must end, too */
    return la_analysis_new(&options, &run->analysis, &err) == LA_OK || fail_with(run, &err);
}

/* Tells what is wrong with inputs, each once. */
static void tell_inputs(struct run *run) {
    for (size_t i = 0; i < run->input_count; i++) {
        const struct la_error *error = &run->inputs[i]->error;
        if (error->status == LA_OK || run->told[i])
            continue;
        run->told[i] = true;
        la_exit_raise(&run->code, la_tell_error(error));
    }
}

static bool list_inputs(struct run *run) {
    const struct la_capture *capture = la_analysis_capture(run->analysis);
    run->input_count = la_capture_input_count(capture);
    run->inputs = calloc(run->input_count + 1, sizeof *run->inputs);
    run->told = calloc(run->input_count + 1, sizeof *run->told);
    if (!run->inputs || !run->told)
        return fail_memory(run);
    for (size_t i = 0; i < run->input_count; i++)
        run->inputs[i] = la_capture_input(capture, i);
    return true;
}

/* What cannot be opened stands in the report as an input with an error; only what never became an
 * input is told here. */
static bool add_inputs(struct run *run) {
    const struct la_settings *settings = run->settings;
    for (int i = 0; i < settings->operand_count; i++) {
        struct la_error err = {0};
        enum la_status status = la_analysis_add(run->analysis, settings->operands[i], &err);
        if (status == LA_ENOMEM)
            return fail_with(run, &err);
        if (status == LA_EUSAGE)
            fail_with(run, &err);
    }
    if (!list_inputs(run))
        return false;
    tell_inputs(run);
    return true;
}

/* Outputs. */

static bool open_companion(struct run *run, struct companion *companion, const char *path) {
    struct la_error err = {0};
    if (!path)
        return true;
    if (la_output_open(path, &companion->output, &err) != LA_OK)
        return fail_with(run, &err);
    companion->lines = la_lines_new(run->inputs, run->input_count);
    return companion->lines || fail_memory(run);
}

static bool open_outputs(struct run *run) {
    const struct la_settings *settings = run->settings;
    struct la_error err = {0};
    const char *path = settings->output ? settings->output : "-";
    if (la_output_open(path, &run->output, &err) != LA_OK)
        return fail_with(run, &err);
    return open_companion(run, &run->connections, settings->connections) &&
           open_companion(run, &run->findings, settings->findings);
}

static void commit(struct run *run, struct la_output *output) {
    struct la_error err = {0};
    if (la_output_commit(output, &err) != LA_OK)
        fail_with(run, &err);
}

static void write_companion(struct run *run, struct companion *companion) {
    struct la_error err = {0};
    if (!companion->lines)
        return;
    if (la_lines_write(companion->lines, companion->output, &err) == LA_OK)
        commit(run, companion->output);
    else
        fail_with(run, &err);
}

static void write_report(struct run *run) {
    struct la_error err = {0};
    struct la_report report = {
        .result = la_analysis_result(run->analysis),
        .inputs = run->inputs,
        .input_count = run->input_count,
        .counts = la_analysis_decode_counts(run->analysis),
        .diagnoses = run->settings->diagnoses,
        .interrupted = la_analysis_interrupted(run->analysis),
    };
    if (la_report_write(&report, run->output, &err) == LA_OK)
        commit(run, run->output);
    else
        fail_with(run, &err);
}

/* The report goes last when it goes to standard output; its companions may, when it does not. */
static void write_outputs(struct run *run) {
    bool report_first = run->settings->output && !is_stdio(run->settings->output);
    if (report_first)
        write_report(run);
    write_companion(run, &run->connections);
    write_companion(run, &run->findings);
    if (!report_first)
        write_report(run);
}

/* The run. */

static void tell_summary(const struct run *run) {
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

static bool is_failure(const struct run *run) {
    const struct la_result *result = la_analysis_result(run->analysis);
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        for (int at = run->settings->fail_on; at < LA_SEVERITY_COUNT; at++) {
            if (result->kinds[kind].by_severity[at] > 0)
                return true;
        }
    }
    return false;
}

static void read_all(struct run *run) {
    struct la_error err = {0};
    la_progress_start(&run->progress, run->settings);
    enum la_status status = la_analysis_run(run->analysis, &err);
    la_progress_end(&run->progress);
    if (status != LA_OK) {
        fail_with(run, &err);
        return;
    }
    tell_inputs(run);
    if (run->settings->verbose)
        tell_summary(run);
    if (is_failure(run))
        la_exit_raise(&run->code, LA_EXIT_FINDINGS);
    write_outputs(run);
    if (la_analysis_interrupted(run->analysis))
        la_exit_raise(&run->code, LA_EXIT_SIGNAL + (int)la_signal_stop);
}

static void release(struct run *run) {
    la_lines_free(run->connections.lines);
    la_lines_free(run->findings.lines);
    la_output_free(run->connections.output);
    la_output_free(run->findings.output);
    la_output_free(run->output);
    la_analysis_free(run->analysis);
    free(run->inputs);
    free(run->told);
}

int la_command_analyze(const struct la_settings *settings) {
    struct run run = {.settings = settings};
    if (settings->operand_count == 0) {
        la_tell("no capture to read (name files, or - for standard input; see lastack --help)");
        return LA_EXIT_USAGE;
    }
    if (check_places(&run) && make_analysis(&run) && add_inputs(&run) && open_outputs(&run))
        read_all(&run);
    release(&run);
    return run.code;
}
