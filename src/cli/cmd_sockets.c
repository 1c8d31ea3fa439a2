/* lastack sockets: captures in, the socket tables of their hosts at the moments asked for out.
 *
 * The capture is read once. Connections that begin after the last moment are not followed, those
 * that are over before the first are settled and forgotten, and of the others only what exists at
 * one of the moments is kept. When the moment is the last packet, whose time is not known before
 * the end, that is what existed at the last packet read so far. */
#include "account/sockets.h"
#include "capture/when.h"
#include "cli/command.h"
#include "cli/run.h"
#include "cli/tell.h"
#include "report/socket_book.h"

#include <inttypes.h>
#include <pthread.h>

/* Nobody reads more tables. */
#define MOST_MOMENTS INT64_C(10000000)

/* A connection begins at its host before its first packet is captured, by a one-way time that is
 * only known once it was answered. None is longer than this. */
#define LONGEST_WAY_NS (10 * LA_SEC)

struct sockets {
    struct la_run run;
    const struct la_sockets_settings *asked;
    struct la_output *output;
    pthread_mutex_t lock; /* of what the connections change */
    struct la_socket_book *book;
    struct la_moments moments;
    bool host_seen;
    bool follows_all;       /* not only what begins before the last moment */
    int64_t capture_end_ns; /* as far as it is known now */
    int64_t last_change_ns; /* of any socket, by a timer long after the last packet perhaps */
};

static bool is_at_end(const struct la_sockets_settings *asked) {
    return !asked->at_text && asked->every_ns == 0;
}

static int64_t add_clamped(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Which moments there are depends on when the capture begins. Returns when a connection has to
 * begin to exist at any of them. */
static int64_t resolve_moments(void *context, int64_t first_ns) {
    struct sockets *s = ((struct la_run *)context)->command;
    const struct la_sockets_settings *asked = s->asked;
    bool series = asked->every_ns > 0;
    const struct la_when *from = series ? &asked->from : &asked->at;
    s->moments.step_ns = asked->every_ns;
    s->moments.first_ns = la_when_resolve(from, first_ns, first_ns);
    if (series) /* before the capture there is nothing to be seen */
        s->moments.first_ns = la_moments_from(&s->moments, first_ns);
    int64_t last_ns =
        series ? la_when_resolve(&asked->to, first_ns, INT64_MAX) : s->moments.first_ns;
    /* Who asks for what does not exist is told the span of the whole. */
    bool exist = s->moments.first_ns >= first_ns && s->moments.first_ns <= last_ns;
    s->follows_all = is_at_end(asked) || !exist;
    return s->follows_all ? INT64_MAX : add_clamped(last_ns, LONGEST_WAY_NS);
}

static void take_spell(void *context, const struct la_spell *spell) {
    struct sockets *s = context;
    bool is_host = !s->asked->one_host || la_addr_cmp(&spell->local, &s->asked->host) == 0;
    s->host_seen = s->host_seen || is_host;
    bool is_wanted = is_at_end(s->asked) ? spell->until_ns > s->capture_end_ns
                                         : la_moments_meet(&s->moments, spell);
    if (is_host && is_wanted)
        la_socket_book_add(s->book, spell);
}

static void on_connection(void *context, unsigned shard, const struct la_connection *connection) {
    struct sockets *s = ((struct la_run *)context)->command;
    (void)shard;
    pthread_mutex_lock(&s->lock);
    s->capture_end_ns = connection->capture_end_ns;
    int64_t last_ns = la_spells_of(connection, take_spell, s);
    if (last_ns > s->last_change_ns)
        s->last_change_ns = last_ns;
    pthread_mutex_unlock(&s->lock);
}

/* After reading */

static int64_t later_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The span in which there is something to be known. */
struct span {
    int64_t first_ns, end_ns; /* of the packets */
    int64_t over_ns;          /* when the last timer has run out */
};

static bool refuse(struct sockets *s, const char *what, const struct span *span) {
    char first[LA_TIME_TEXT], last[LA_TIME_TEXT], over[LA_TIME_TEXT];
    struct la_error err = {0};
    int digits = la_socket_book_digits(s->book);
    la_time_format(span->first_ns, digits, first);
    la_time_format(span->end_ns, digits, last);
    la_time_format(span->over_ns, digits, over);
    la_fail(&err, LA_EUSAGE, "%s (the capture is from %s to %s, its last timer ends at %s)", what,
            first, last, over);
    return la_run_fail(&s->run, &err);
}

static bool find_span(struct sockets *s, struct span *span) {
    struct la_error err = {0};
    span->first_ns = la_capture_first_ns(la_analysis_capture(s->run.analysis));
    span->end_ns = la_analysis_end_ns(s->run.analysis);
    span->over_ns = later_of(span->end_ns, s->last_change_ns);
    if (span->end_ns != LA_TIME_NONE && span->first_ns != LA_TIME_NONE)
        return true;
    if (s->run.code != LA_EXIT_DONE)
        return false; /* told already, with a better reason */
    la_fail(&err, LA_EUSAGE, "there is no packet to be seen, and so no socket");
    return la_run_fail(&s->run, &err);
}

/* Sets the moments' end, or says why there are none. */
static bool bound_moments(struct sockets *s, const struct span *span, int64_t *last_ns) {
    const struct la_sockets_settings *asked = s->asked;
    if (is_at_end(asked))
        s->moments.first_ns = span->end_ns;
    *last_ns = s->moments.first_ns;
    if (asked->at_text && (*last_ns < span->first_ns || *last_ns > span->over_ns))
        return refuse(s, "--at: that moment lies outside of the capture", span);
    if (asked->every_ns == 0)
        return true;
    *last_ns = la_when_resolve(&asked->to, span->first_ns, span->end_ns);
    *last_ns = *last_ns > span->over_ns ? span->over_ns : *last_ns;
    if (s->moments.first_ns == LA_TIME_NONE || s->moments.first_ns > *last_ns)
        return refuse(s, "--every: no such moment lies in the capture", span);
    if ((*last_ns - s->moments.first_ns) / asked->every_ns >= MOST_MOMENTS)
        return refuse(s, "--every: these would be more than 10,000,000 moments", span);
    return true;
}

static void tell_future(const struct sockets *s, const struct span *span) {
    char text[LA_ERROR_TEXT], last[LA_TIME_TEXT];
    if (s->run.settings->quiet)
        return;
    la_time_format(span->end_ns, la_socket_book_digits(s->book), last);
    snprintf(text, sizeof text,
             "after the last packet, of %s, it is assumed that nothing further arrived", last);
    la_tell(text);
}

static enum la_socket_form form_of(const struct la_sockets_settings *asked) {
    if (asked->summary)
        return LA_SOCKETS_SUMMARY;
    return asked->ndjson ? LA_SOCKETS_NDJSON : asked->count;
}

static bool check_host(struct sockets *s) {
    char host[LA_ADDR_TEXT];
    struct la_error err = {0};
    if (!s->asked->one_host || s->host_seen)
        return true;
    la_fail(&err, LA_EUSAGE, "--host: the capture has no TCP connection of %s%s",
            la_addr_format(&s->asked->host, host),
            s->follows_all ? "" : " that begins before the last moment asked for");
    return la_run_fail(&s->run, &err);
}

static void write_tables(struct sockets *s) {
    struct la_error err = {0};
    struct span span;
    struct la_socket_query query = {.form = form_of(s->asked),
                                    .one_host = s->asked->one_host,
                                    .host = s->asked->host,
                                    .state = s->asked->state};
    if (!find_span(s, &span) || !check_host(s) || !bound_moments(s, &span, &query.last_moment_ns))
        return;
    query.moments = s->moments;
    query.end_ns = span.end_ns;
    if (query.last_moment_ns > span.end_ns)
        tell_future(s, &span);
    if (la_socket_book_write(s->book, &query, s->output, &err) == LA_OK)
        la_run_commit(&s->run, s->output);
    else
        la_run_fail(&s->run, &err);
}

static bool open_output(struct sockets *s) {
    struct la_error err = {0};
    if (la_output_open("-", &s->output, &err) != LA_OK)
        return la_run_fail(&s->run, &err);
    s->book = la_socket_book_new(s->run.inputs, s->run.input_count);
    return s->book || la_run_fail_memory(&s->run);
}

int la_command_sockets(const struct la_settings *settings) {
    struct sockets s = {.asked = &settings->sockets,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .last_change_ns = LA_TIME_NONE};
    const struct la_analysis_options options = {.on_connection = on_connection,
                                                .follow_until = resolve_moments};
    if (la_run_begin(&s.run, settings, &s) && la_run_open(&s.run, &options) && open_output(&s) &&
        la_run_read(&s.run)) {
        write_tables(&s);
        la_run_end(&s.run);
    }
    la_socket_book_free(s.book);
    la_output_free(s.output);
    la_run_release(&s.run);
    return s.run.code;
}
