/* liblastack: how the TCP connections of a packet capture ended, and what went wrong on the way.
 *
 * A session takes captures, or packets one by one; it tells of connections and findings while it
 * works, and of everything in a report at its end. What it tells is JSON: `lastack schema
 * report`, `... connection` and `... finding` print the schemas, and lastack(1) says what the words
 * mean.
 *
 *     #include <lastack/lastack.h>
 *     #include <stdio.h>
 *     #include <stdlib.h>
 *
 *     static void on_finding(void *context, const char *json, size_t length) {
 *         (void)context;
 *         printf("%.*s\n", (int)length, json);
 *     }
 *
 *     int main(int argc, char **argv) {
 *         char error[LA_SESSION_ERROR], *report = NULL;
 *         struct la_session_options options = {.on_finding = on_finding};
 *         struct la_session *session = la_session_new(&options, error, sizeof error);
 *         if (!session) {
 *             fprintf(stderr, "%s\n", error);
 *             return 1;
 *         }
 *         for (int i = 1; i < argc; i++)
 *             if (la_session_add_file(session, argv[i]) != LA_SESSION_OK)
 *                 fprintf(stderr, "%s\n", la_session_error(session));
 *         if (la_session_run(session) != LA_SESSION_OK)
 *             fprintf(stderr, "%s\n", la_session_error(session));
 *         if (la_session_finish(session, &report) == LA_SESSION_OK)
 *             fputs(report, stdout);
 *         free(report);
 *         la_session_free(session);
 *         return 0;
 *     }
 *
 *     cc example.c $(pkg-config --cflags --libs lastack)
 *
 * Ownership is said in three words. Owned: whoever gets it frees it. Borrowed: it stays the
 * lender's, and is valid as long as is said. Taken: the function frees it (nothing here is).
 *
 * Threads. A session is used by one thread at a time; several sessions may be used at once. It
 * works with threads of its own, from which its callbacks come: one at a time, and never after
 * la_session_finish() or la_session_free() has returned. A callback must not call anything of its
 * own session.
 *
 * Nothing here writes to standard output or standard error, changes signals or the locale, or ends
 * the program, with one exception: libpcap does when it is out of memory while it compiles a
 * filter. */
#ifndef LASTACK_LASTACK_H
#define LASTACK_LASTACK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library, "MAJOR.MINOR.PATCH"; static. */
const char *la_version(void);

enum la_session_status {
    LA_SESSION_OK = 0,
    LA_SESSION_USAGE,  /* what was asked for is impossible; nothing has changed */
    LA_SESSION_INPUT,  /* an input could not be read, or not to its end; the rest goes on */
    LA_SESSION_MEMORY, /* out of memory; the session is only good for la_session_free() */
};

/* Room for any message. */
#define LA_SESSION_ERROR 512

struct la_session;

/* Receives one JSON object on one line: `length` bytes without a newline, and a NUL behind them.
 * Borrowed for the call. */
typedef void (*la_session_sink)(void *context, const char *json, size_t length);

/* Cleared (`= {0}`), it asks for the defaults. Strings are borrowed for the call of
 * la_session_new() only. */
struct la_session_options {
    /* Only the packets that a pcap-filter(7) expression selects; NULL: all. */
    const char *filter;
    /* Whose timers and rules are assumed: "PROFILE" or "ADDRESS=PROFILE", as --os of lastack(1)
     * takes them, ended by a NULL; NULL: linux. */
    const char *const *os;
    /* How long TIME-WAIT lasts on every host, in nanoseconds; 0: as the profile says. */
    int64_t time_wait_ns;
    /* Threads that follow connections while the caller's reads; 0: as many as there are processors,
     * 1: none but the caller's. The report is the same. */
    unsigned threads;
    /* Called once for every connection, when nothing more can happen to it (some two minutes of the
     * packets' time after its end) or the session is finished, and once for every finding, then. In
     * no order that means anything; times have nine digits of the second. What a connection's
     * `findings` say of a failed attempt may turn out to be a scan's, and then is not called with.
     * NULL: not wanted. */
    la_session_sink on_connection;
    la_session_sink on_finding;
    void *context; /* for both; borrowed until la_session_free() */
};

/* Owned by the caller. NULL when the filter or a profile is wrong, or when out of memory: then
 * `error` (which may be NULL) has a line of at most `size` bytes that says so. `options` may be
 * NULL, and is borrowed for the call. */
struct la_session *la_session_new(const struct la_session_options *options, char *error,
                                  size_t size);

/* Also in the middle of the work; NULL is fine. */
void la_session_free(struct la_session *session);

/* A session is given either files or packets. */

/* Adds a capture (pcap, pcapng and what libpcap reads, plain or compressed), a directory of them,
 * or "-", standard input. `path` is borrowed for the call. What cannot be read stands in the report
 * as an input with its error, and is told by LA_SESSION_INPUT here: the others can still be read.
 */
enum la_session_status la_session_add_file(struct la_session *session, const char *path);

/* Reads all files as one timeline, once. LA_SESSION_INPUT when one of them could not be read to its
 * end: what was read counts. */
enum la_session_status la_session_run(struct la_session *session);

struct la_session_packet {
    int64_t time_ns;     /* nanoseconds since the Unix epoch, UTC; within 146 years of it */
    const uint8_t *data; /* the packet from its link-layer header on; borrowed for the call */
    uint32_t caplen;     /* bytes at `data` */
    uint32_t len;       /* bytes that the packet had on the wire; no less than caplen is believed */
    uint32_t interface; /* a number for the place where it was seen; 0 when there is one place */
    uint16_t linktype;  /* LINKTYPE_ value, as files have it (not DLT_): 1 is Ethernet */
};

/* Feeds one packet, in the order in which they were captured. In what is told of them the file is
 * "(fed)" and frames are numbered from 1, filtered ones included. */
enum la_session_status la_session_feed(struct la_session *session,
                                       const struct la_session_packet *packet);

/* The end: settles all connections, and sets `*report` (unless `report` is NULL) to the JSON
 * document that `lastack FILE...` prints; owned by the caller, who frees it with free(). After
 * la_session_run(), or after any number of packets, also none. NULL unless LA_SESSION_OK. Once. */
enum la_session_status la_session_finish(struct la_session *session, char **report);

/* What the last call that did not return LA_SESSION_OK had to say, in one line; "" before there was
 * one. Borrowed until the next call or la_session_free(). */
const char *la_session_error(const struct la_session *session);

#ifdef __cplusplus
}
#endif

#endif
