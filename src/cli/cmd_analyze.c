/* lastack [analyze]: captures in, the report and its companions out.
 *
 * The outputs are opened before anything is read, so that a place that cannot be written is told at
 * once, and committed when everything was read: the files first, standard output last, because its
 * reader may be gone without that being anybody's trouble. */
#include "cli/command.h"
#include "cli/run.h"
#include "cli/tell.h"
#include "report/lines.h"
#include "report/report.h"

#include <string.h>

/* A file of lines that was asked for. */
struct companion {
    struct la_output *output;
    struct la_lines *lines; /* NULL: not wanted */
};

struct analyze {
    struct la_run run;
    struct la_output *output;
    struct companion connections, findings;
};

static void on_connection(void *context, unsigned shard, const struct la_connection *connection) {
    const struct analyze *analyze = ((struct la_run *)context)->command;
    la_lines_add_connection(analyze->connections.lines, shard, connection);
}

static void on_finding(void *context, const struct la_finding *finding) {
    const struct analyze *analyze = ((struct la_run *)context)->command;
    la_lines_add_finding(analyze->findings.lines, finding);
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

static bool check_places(struct la_run *run) {
    const struct la_settings *settings = run->settings;
    struct la_error err = {0};
    const char *paths[OUTPUT_MAX];
    size_t count = list_outputs(settings, paths);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            if (check_pair(paths[j], paths[i], &err) != LA_OK)
                return la_run_fail(run, &err);
        for (int k = 0; k < settings->operand_count; k++)
            if (check_input(settings->operands[k], paths[i], &err) != LA_OK)
                return la_run_fail(run, &err);
    }
    return true;
}

static struct la_lines *lines_of_connections(const struct la_run *run) {
    return la_lines_of_connections(run->inputs, run->input_count);
}

static struct la_lines *lines_of_findings(const struct la_run *run) {
    return la_lines_of_findings(run->inputs, run->input_count, run->settings->hosts);
}

static bool open_companion(struct la_run *run, struct companion *companion, const char *path,
                           struct la_lines *(*make)(const struct la_run *run)) {
    struct la_error err = {0};
    if (!path)
        return true;
    if (la_output_open(path, &companion->output, &err) != LA_OK)
        return la_run_fail(run, &err);
    companion->lines = make(run);
    return companion->lines || la_run_fail_memory(run);
}

static bool open_outputs(struct analyze *analyze) {
    struct la_run *run = &analyze->run;
    const struct la_settings *settings = run->settings;
    struct la_error err = {0};
    const char *path = settings->output ? settings->output : "-";
    if (la_output_open(path, &analyze->output, &err) != LA_OK)
        return la_run_fail(run, &err);
    return open_companion(run, &analyze->connections, settings->connections,
                          lines_of_connections) &&
           open_companion(run, &analyze->findings, settings->findings, lines_of_findings);
}

static bool took_back(const void *context, const struct la_addr *client, int64_t first_ns) {
    return la_analysis_took_back(context, client, first_ns);
}

static void write_companion(struct la_run *run, struct companion *companion) {
    struct la_error err = {0};
    if (!companion->lines)
        return;
    const struct la_lines_how how = {.output = companion->output,
                                     .threads = la_analysis_threads(run->analysis),
                                     .took_back = took_back,
                                     .context = run->analysis};
    if (la_lines_write(companion->lines, &how, &err) == LA_OK)
        la_run_commit(run, companion->output);
    else
        la_run_fail(run, &err);
}

static void write_report(struct analyze *analyze) {
    struct la_run *run = &analyze->run;
    struct la_error err = {0};
    struct la_report report = {
        .result = la_analysis_result(run->analysis),
        .overview = la_analysis_overview(run->analysis),
        .inputs = run->inputs,
        .input_count = run->input_count,
        .counts = la_analysis_decode_counts(run->analysis),
        .hosts = run->settings->hosts,
        .diagnoses = run->settings->diagnoses,
        .interrupted = la_analysis_interrupted(run->analysis),
    };
    if (la_report_write(&report, analyze->output, &err) == LA_OK)
        la_run_commit(run, analyze->output);
    else
        la_run_fail(run, &err);
}

/* The report goes last when it goes to standard output; its companions may, when it does not. */
static void write_outputs(struct analyze *analyze) {
    const char *output = analyze->run.settings->output;
    bool report_first = output && !is_stdio(output);
    if (report_first)
        write_report(analyze);
    write_companion(&analyze->run, &analyze->connections);
    write_companion(&analyze->run, &analyze->findings);
    if (!report_first)
        write_report(analyze);
}

static bool is_failure(const struct la_run *run) {
    const struct la_result *result = la_analysis_result(run->analysis);
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        for (int at = run->settings->fail_on; at < LA_SEVERITY_COUNT; at++) {
            if (result->kinds[kind].by_severity[at] > 0)
                return true;
        }
    }
    return false;
}

static void read_all(struct analyze *analyze) {
    struct la_run *run = &analyze->run;
    if (!la_run_read(run))
        return;
    if (is_failure(run))
        la_exit_raise(&run->code, LA_EXIT_FINDINGS);
    write_outputs(analyze);
    la_run_end(run);
}

static void release(struct analyze *analyze) {
    la_lines_free(analyze->connections.lines);
    la_lines_free(analyze->findings.lines);
    la_output_free(analyze->connections.output);
    la_output_free(analyze->findings.output);
    la_output_free(analyze->output);
    la_run_release(&analyze->run);
}

int la_command_analyze(const struct la_settings *settings) {
    struct analyze analyze = {0};
    struct la_run *run = &analyze.run;
    struct la_analysis_options options = {
        .diagnoses = settings->diagnoses,
        .on_connection = settings->connections ? on_connection : NULL,
        .on_finding = settings->findings ? on_finding : NULL,
    };
    if (la_run_begin(run, settings, &analyze) && check_places(run) && la_run_open(run, &options) &&
        open_outputs(&analyze))
        read_all(&analyze);
    release(&analyze);
    return run->code;
}
