#include "analysis/analysis.h"

#include "base/time.h"
#include "track/tracker.h"

#include <stdlib.h>
#include <string.h>

/* Shards, by unordered pair of hosts. Their number is fixed, so that nothing depends on how many
 * threads there are. */
enum { SHARDS = 16, BATCH = 512, BATCHES_A_REPORT = 64 };

struct shard {
    struct la_analysis *analysis;
    struct la_tracker *tracker;
    struct la_result *result;
    enum la_status status;
    size_t segment_count;
    struct la_segment segments[BATCH]; /* of the batch under way */
};

struct la_analysis {
    struct la_analysis_options options;
    struct la_capture *capture;
    struct la_decoder *decoder;
    struct shard shards[SHARDS];
    struct la_result *result;
    struct la_packet packets[BATCH];
    struct la_segment segment; /* scratch */
    int64_t end_ns;
    bool interrupted;
};

static void take_finding(void *context, const struct la_finding *finding) {
    struct shard *shard = context;
    const struct la_analysis_options *options = &shard->analysis->options;
    if (la_result_add_finding(shard->result, finding) != LA_OK)
        shard->status = LA_ENOMEM;
    if (options->on_finding)
        options->on_finding(options->context, finding);
}

static void take_connection(void *context, struct la_connection *connection) {
    struct shard *shard = context;
    const struct la_analysis_options *options = &shard->analysis->options;
    la_diagnose_connection(connection, options->diagnoses, take_finding, shard);
    if (la_result_add_connection(shard->result, connection) != LA_OK)
        shard->status = LA_ENOMEM;
    if (options->on_connection)
        options->on_connection(options->context, connection);
}

static bool open_shard(struct la_analysis *analysis, struct shard *shard) {
    struct la_tracker_options options = {.hosts = analysis->options.hosts,
                                         .histories = analysis->options.on_connection != NULL,
                                         .on_settled = take_connection,
                                         .context = shard};
    shard->analysis = analysis;
    shard->tracker = la_tracker_new(&options);
    shard->result = la_result_new();
    return shard->tracker && shard->result;
}

enum la_status la_analysis_new(const struct la_analysis_options *options, struct la_analysis **out,
                               struct la_error *err) {
    *out = NULL;
    struct la_analysis *analysis = calloc(1, sizeof *analysis);
    if (!analysis)
        return la_fail(err, LA_ENOMEM, "out of memory");
    analysis->options = *options;
    analysis->end_ns = LA_TIME_NONE;
    analysis->decoder = la_decoder_new();
    analysis->result = la_result_new();
    bool whole = analysis->decoder && analysis->result;
    for (int i = 0; whole && i < SHARDS; i++)
        whole = open_shard(analysis, &analysis->shards[i]);
    enum la_status status = LA_ENOMEM;
    if (whole)
        status = la_capture_new(&options->capture, &analysis->capture, err);
    else
        la_fail(err, LA_ENOMEM, "out of memory");
    if (status != LA_OK) {
        la_analysis_free(analysis);
        return status;
    }
    *out = analysis;
    return LA_OK;
}

void la_analysis_free(struct la_analysis *analysis) {
    if (!analysis)
        return;
    for (int i = 0; i < SHARDS; i++) {
        la_tracker_free(analysis->shards[i].tracker);
        la_result_free(analysis->shards[i].result);
    }
    la_capture_free(analysis->capture);
    la_decoder_free(analysis->decoder);
    la_result_free(analysis->result);
    free(analysis);
}

enum la_status la_analysis_add(struct la_analysis *analysis, const char *path,
                               struct la_error *err) {
    return la_capture_add(analysis->capture, path, err);
}

/* Both directions of a pair of hosts come to the same shard. */
static unsigned shard_of(const struct la_segment *segment) {
    uint64_t a[2], b[2];
    memcpy(a, segment->src.bytes, sizeof a);
    memcpy(b, segment->dst.bytes, sizeof b);
    uint64_t h = (a[0] ^ b[0]) + ((a[1] + b[1]) * UINT64_C(0x9e3779b97f4a7c15) ^ (a[1] ^ b[1]));
    h ^= h >> 32;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    return (unsigned)(h >> 59) % SHARDS;
}

/* Decodes a batch and deals its segments out to the shards. */
static enum la_status take_batch(struct la_analysis *analysis, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct la_packet *packet = &analysis->packets[i];
        enum la_undecoded why;
        if (packet->time_ns > analysis->end_ns)
            analysis->end_ns = packet->time_ns;
        if (la_decode(analysis->decoder, packet, &analysis->segment, &why) != LA_DECODED_TCP)
            continue;
        struct shard *shard = &analysis->shards[shard_of(&analysis->segment)];
        shard->segments[shard->segment_count++] = analysis->segment;
    }
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &analysis->shards[i];
        if (la_tracker_segments(shard->tracker, shard->segments, shard->segment_count) != LA_OK)
            return LA_ENOMEM;
        shard->segment_count = 0;
    }
    return LA_OK;
}

static bool told_to_stop(const struct la_analysis *analysis) {
    return analysis->options.stop && *analysis->options.stop;
}

static void report_progress(const struct la_analysis *analysis) {
    uint64_t done, total;
    if (!analysis->options.on_progress)
        return;
    la_capture_progress(analysis->capture, &done, &total);
    analysis->options.on_progress(analysis->options.context, done, total);
}

static enum la_status read_all(struct la_analysis *analysis, struct la_error *err) {
    for (unsigned batch = 0; !told_to_stop(analysis); batch++) {
        size_t count;
        enum la_status status =
            la_capture_next_batch(analysis->capture, analysis->packets, BATCH, &count, err);
        if (status == LA_END)
            return told_to_stop(analysis) ? LA_END : LA_OK;
        if (status != LA_OK)
            return status;
        if (take_batch(analysis, count) != LA_OK)
            return la_fail(err, LA_ENOMEM, "out of memory (analyse fewer files, or use a filter)");
        if (batch % BATCHES_A_REPORT == 0)
            report_progress(analysis);
    }
    return LA_END;
}

static enum la_status settle_all(struct la_analysis *analysis, struct la_error *err) {
    la_decoder_finish(analysis->decoder);
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &analysis->shards[i];
        if (la_tracker_finish(shard->tracker, analysis->end_ns) != LA_OK ||
            shard->status != LA_OK || la_result_merge(analysis->result, shard->result) != LA_OK)
            return la_fail(err, LA_ENOMEM, "out of memory");
    }
    return LA_OK;
}

enum la_status la_analysis_run(struct la_analysis *analysis, struct la_error *err) {
    enum la_status status = read_all(analysis, err);
    if (status == LA_END) {
        analysis->interrupted = true;
        status = LA_OK;
    }
    if (status != LA_OK)
        return status;
    return settle_all(analysis, err);
}

const struct la_result *la_analysis_result(const struct la_analysis *analysis) {
    return analysis->result;
}

const struct la_capture *la_analysis_capture(const struct la_analysis *analysis) {
    return analysis->capture;
}

const struct la_decode_counts *la_analysis_decode_counts(const struct la_analysis *analysis) {
    return la_decoder_counts(analysis->decoder);
}

bool la_analysis_interrupted(const struct la_analysis *analysis) {
    return analysis->interrupted;
}
