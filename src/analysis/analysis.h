/* The river itself: opens a capture, decodes, tracks, diagnoses, and gathers the result.
 * The only room that knows all the others below the report. */
#ifndef LA_ANALYSIS_ANALYSIS_H
#define LA_ANALYSIS_ANALYSIS_H

#include "base/error.h"
#include "base/profile.h"
#include "capture/capture.h"
#include "decode/decode.h"
#include "diagnose/diagnose.h"
#include "result/result.h"

#include <signal.h>

struct la_analysis_options {
    struct la_capture_options capture;
    const struct la_hosts *hosts; /* profiles; borrowed, NULL for the default */
    uint64_t diagnoses;           /* 1 << enum la_kind */
    unsigned threads;             /* 0: as many as there are processors; the result is the same */
    /* Called once for each settled connection and each finding, in no useful order; NULL: not
     * wanted. What is borrowed is valid during the call. Connections of different shards, of which
     * there are LA_PAIR_CLASSES, come from several threads at a time, findings do not. */
    void (*on_connection)(void *context, unsigned shard, const struct la_connection *connection);
    la_finding_sink *on_finding;
    /* Called once, when the time of the first packet is known: connections that begin later than
     * what it returns are passed over. NULL: all are wanted. Only by la_analysis_run(). */
    int64_t (*follow_until)(void *context, int64_t first_ns);
    /* Called now and then while reading; NULL: not wanted. */
    void (*on_progress)(void *context, uint64_t done, uint64_t total);
    void *context;
    /* When it becomes non-zero, la_analysis_run() ends early; may be NULL. */
    const volatile sig_atomic_t *stop;
};

struct la_analysis;

enum la_status la_analysis_new(const struct la_analysis_options *options, struct la_analysis **out,
                               struct la_error *err);
void la_analysis_free(struct la_analysis *analysis);
/* As la_capture_add(). */
enum la_status la_analysis_add(struct la_analysis *analysis, const char *path,
                               struct la_error *err);
/* Reads everything and settles everything. LA_OK also when inputs broke (see their `error`);
 * LA_ENOMEM. */
enum la_status la_analysis_run(struct la_analysis *analysis, struct la_error *err);

/* Instead of la_analysis_add() and la_analysis_run(): packets one by one, as la_capture_feed()
 * takes them, and then the end. The packet is borrowed for the call. */
enum la_status la_analysis_feed(struct la_analysis *analysis, const struct la_packet *packet,
                                struct la_error *err);
enum la_status la_analysis_finish(struct la_analysis *analysis, struct la_error *err);

/* After la_analysis_run() or la_analysis_finish(); borrowed until la_analysis_free(). */
const struct la_result *la_analysis_result(const struct la_analysis *analysis);
/* Of the result's accounts; only after LA_OK. */
const struct la_overview *la_analysis_overview(const struct la_analysis *analysis);
const struct la_capture *la_analysis_capture(const struct la_analysis *analysis);
const struct la_decode_counts *la_analysis_decode_counts(const struct la_analysis *analysis);
/* How many threads work, or may. */
unsigned la_analysis_threads(const struct la_analysis *analysis);
/* Whether what was found of an attempt of that client (attempt_findings of the connection) was
 * taken back, because it was scanning when the connection began. */
bool la_analysis_took_back(const struct la_analysis *analysis, const struct la_addr *client,
                           int64_t first_ns);
/* The time of the last packet that was taken; LA_TIME_NONE without one. */
int64_t la_analysis_end_ns(const struct la_analysis *analysis);
bool la_analysis_interrupted(const struct la_analysis *analysis);

#endif
