/* The public library: one session is one analysis, told in JSON.
 *
 * It has the place that the command line has beside it: it adds files or packets, hands the events
 * of the analysis to the embedder's callbacks, and asks the report room for text. */
#include "lastack/lastack.h"

#include "analysis/analysis.h"
#include "base/time.h"
#include "report/lines.h"
#include "report/report.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)LA_SESSION_ERROR == (int)LA_ERROR_TEXT, "room for any message");

/* What has happened to a session decides what may. */
enum stage {
    STAGE_NEW,
    STAGE_FILES,    /* added, not yet read */
    STAGE_READ,     /* files were read, and everything settled */
    STAGE_FED,      /* at least one packet */
    STAGE_FINISHED, /* ... or failed: nothing may happen any more */
};

struct la_session {
    struct la_session_options options; /* without its strings */
    enum stage stage;
    char *filter; /* owned; NULL: none */
    struct la_hosts *hosts;
    struct la_analysis *analysis;
    const struct la_input **inputs; /* owned, as an array; what lines and the report name */
    size_t input_count;
    pthread_mutex_t sinks; /* one thread at a time calls the embedder */
    bool line_failed;      /* an event could not be told for want of memory */
    struct la_error error;
};

const char *la_version(void) {
    return LA_VERSION;
}

const char *la_session_error(const struct la_session *session) {
    return session ? session->error.text : "";
}

/* The status of what session->error says. */
static enum la_session_status tell(struct la_session *session, enum la_status status) {
    switch (status) {
    case LA_OK:
    case LA_END:
        return LA_SESSION_OK;
    case LA_EUSAGE:
        return LA_SESSION_USAGE;
    case LA_ENOMEM:
        session->stage = STAGE_FINISHED;
        return LA_SESSION_MEMORY;
    default:
        return LA_SESSION_INPUT;
    }
}

static enum la_session_status refuse(struct la_session *session, const char *why) {
    if (!session)
        return LA_SESSION_USAGE;
    return tell(session, la_fail(&session->error, LA_EUSAGE, "%s", why));
}

/* Events */

static void hand_on(struct la_session *session, la_session_sink sink, char *line, size_t length) {
    pthread_mutex_lock(&session->sinks);
    if (line)
        sink(session->options.context, line, length);
    else
        session->line_failed = true;
    pthread_mutex_unlock(&session->sinks);
    free(line);
}

static void on_connection(void *context, unsigned shard, const struct la_connection *connection) {
    struct la_session *session = context;
    (void)shard;
    const struct la_inputs inputs = {session->inputs, session->input_count, session->hosts};
    size_t length = 0;
    char *line = la_line_of_connection(&inputs, connection, &length);
    hand_on(session, session->options.on_connection, line, length);
}

static void on_finding(void *context, const struct la_finding *finding) {
    struct la_session *session = context;
    const struct la_inputs inputs = {session->inputs, session->input_count, session->hosts};
    size_t length = 0;
    char *line = la_line_of_finding(&inputs, finding, &length);
    hand_on(session, session->options.on_finding, line, length);
}

/* Opening */

static enum la_status set_hosts(struct la_session *session) {
    const char *const *os = session->options.os;
    int64_t time_wait_ns = session->options.time_wait_ns;
    struct la_error *err = &session->error;
    enum la_status status = LA_OK;
    if (!(session->hosts = la_hosts_new()))
        return la_fail(err, LA_ENOMEM, "out of memory");
    for (; os && *os && status == LA_OK; os++)
        status = la_hosts_set_profile(session->hosts, *os, err);
    if (status == LA_OK && time_wait_ns != 0)
        status = la_hosts_set_time_wait(session->hosts, time_wait_ns, err);
    return status;
}

static enum la_status open_analysis(struct la_session *session) {
    const struct la_session_options *options = &session->options;
    if (options->filter && !(session->filter = strdup(options->filter)))
        return la_fail(&session->error, LA_ENOMEM, "out of memory");
    const struct la_analysis_options wanted = {
        .capture.filter = session->filter,
        .hosts = session->hosts,
        .diagnoses = LA_ALL_KINDS,
        .threads = options->threads,
        .on_connection = options->on_connection ? on_connection : NULL,
        .on_finding = options->on_finding ? on_finding : NULL,
        .context = session,
    };
    return la_analysis_new(&wanted, &session->analysis, &session->error);
}

struct la_session *la_session_new(const struct la_session_options *options, char *error,
                                  size_t size) {
    struct la_session *session = calloc(1, sizeof *session);
    if (error && size > 0)
        snprintf(error, size, "%s", session ? "" : "out of memory");
    if (!session)
        return NULL;
    pthread_mutex_init(&session->sinks, NULL);
    if (options)
        session->options = *options;
    enum la_status status = set_hosts(session);
    if (status == LA_OK)
        status = open_analysis(session);
    session->options.filter = NULL; /* lent until here */
    session->options.os = NULL;
    if (status == LA_OK)
        return session;
    if (error && size > 0)
        snprintf(error, size, "%s", session->error.text);
    la_session_free(session);
    return NULL;
}

void la_session_free(struct la_session *session) {
    if (!session)
        return;
    la_analysis_free(session->analysis); /* its threads may call back until here */
    la_hosts_free(session->hosts);
    free(session->inputs);
    free(session->filter);
    pthread_mutex_destroy(&session->sinks);
    free(session);
}

/* Files and packets */

static enum la_status list_inputs(struct la_session *session) {
    const struct la_capture *capture = la_analysis_capture(session->analysis);
    size_t count = la_capture_input_count(capture);
    const struct la_input **inputs = calloc(count + 1, sizeof *inputs);
    if (!inputs)
        return la_fail(&session->error, LA_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        inputs[i] = la_capture_input(capture, i);
    free(session->inputs);
    session->inputs = inputs;
    session->input_count = count;
    return LA_OK;
}

enum la_session_status la_session_add_file(struct la_session *session, const char *path) {
    if (!session || !path)
        return refuse(session, "no file was named");
    if (session->stage != STAGE_NEW && session->stage != STAGE_FILES)
        return refuse(session, session->stage == STAGE_FED
                                   ? "files cannot be added to a session that packets are fed to"
                                   : "the files of this session have been read");
    enum la_status status = la_analysis_add(session->analysis, path, &session->error);
    if (la_capture_input_count(la_analysis_capture(session->analysis)) > 0)
        session->stage = STAGE_FILES;
    return tell(session, status);
}

/* The first input that was not read to its end decides what the caller is told. */
static enum la_status first_failure(struct la_session *session) {
    for (size_t i = 0; i < session->input_count; i++) {
        const struct la_error *error = &session->inputs[i]->error;
        if (error->status != LA_OK) {
            session->error = *error;
            return error->status;
        }
    }
    return LA_OK;
}

static enum la_status check_lines(struct la_session *session) {
    if (!session->line_failed)
        return LA_OK;
    return la_fail(&session->error, LA_ENOMEM, "out of memory: not every event was told");
}

enum la_session_status la_session_run(struct la_session *session) {
    if (!session || session->stage != STAGE_FILES)
        return refuse(session, "no file was added that is still to be read");
    session->stage = STAGE_READ;
    enum la_status status = list_inputs(session);
    if (status == LA_OK)
        status = la_analysis_run(session->analysis, &session->error);
    if (status == LA_OK)
        status = check_lines(session);
    if (status == LA_OK)
        status = first_failure(session);
    return tell(session, status);
}

static bool is_possible(const struct la_session_packet *packet) {
    return packet->time_ns <= LA_TIME_LIMIT && packet->time_ns >= -LA_TIME_LIMIT &&
           (packet->data || packet->caplen == 0);
}

enum la_session_status la_session_feed(struct la_session *session,
                                       const struct la_session_packet *packet) {
    if (!session || !packet || !is_possible(packet))
        return refuse(session, "a packet without bytes, or with a time beyond all bounds");
    if (session->stage != STAGE_NEW && session->stage != STAGE_FED)
        return refuse(session, session->stage == STAGE_FILES
                                   ? "packets cannot be fed to a session that files were added to"
                                   : "the session is finished");
    static const uint8_t nothing[1];
    const struct la_packet given = {
        .time_ns = packet->time_ns,
        .data = packet->data ? packet->data : nothing,
        .caplen = packet->caplen,
        .len = packet->len,
        .interface = packet->interface,
        .linktype = packet->linktype,
    };
    enum la_status status = la_analysis_feed(session->analysis, &given, &session->error);
    if (status == LA_OK && session->stage == STAGE_NEW)
        status = list_inputs(session);
    if (status == LA_OK)
        session->stage = STAGE_FED;
    return tell(session, status);
}

/* The end */

static enum la_status write_report(struct la_session *session, char **text) {
    const struct la_report report = {
        .result = la_analysis_result(session->analysis),
        .overview = la_analysis_overview(session->analysis),
        .inputs = session->inputs,
        .input_count = session->input_count,
        .counts = la_analysis_decode_counts(session->analysis),
        .hosts = session->hosts,
        .diagnoses = LA_ALL_KINDS,
    };
    return la_report_text(&report, text, &session->error);
}

enum la_session_status la_session_finish(struct la_session *session, char **report) {
    if (report)
        *report = NULL;
    if (!session || session->stage == STAGE_FINISHED)
        return refuse(session, "the session is finished");
    if (session->stage == STAGE_FILES)
        return refuse(session, "the files of this session have not been read");
    enum la_status status = LA_OK;
    if (session->stage != STAGE_READ)
        status = la_analysis_finish(session->analysis, &session->error);
    session->stage = STAGE_FINISHED;
    if (status == LA_OK)
        status = check_lines(session);
    if (status == LA_OK && report)
        status = write_report(session, report);
    return tell(session, status);
}
