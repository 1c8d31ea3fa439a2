#include "analysis/analysis.h"

#include "analysis/crew.h"
#include "analysis/held.h"
#include "analysis/links.h"
#include "base/pages.h"
#include "base/time.h"
#include "track/tracker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Headers that were asked for when their packets were read are still in the first-level cache when
 * the last of so many is decoded. */
enum { READ_AT_ONCE = 128, BATCHES_A_REPORT = 16 };

/* All traffic of a pair of hosts: what a connection is compared with lies in one shard. */
struct shard {
    struct la_analysis *analysis;
    struct la_tracker *tracker;
    struct la_result *result;
    enum la_status status;
};

struct la_analysis {
    struct la_analysis_options options;
    struct la_capture *capture;
    struct la_decoder *decoder;
    struct la_pages *pages;
    struct crew *crew;
    struct batch *batch; /* being fed, borrowed from the crew; NULL: none */
    struct shard shards[LA_SHARDS];
    uint64_t kinds[LA_TRAIT_SETS]; /* that look at connections with these traits */
    struct la_result *result;
    struct held *held;
    struct la_crossing crossing; /* of the whole result, once it is there */
    pthread_mutex_t sinks;       /* one thread at a time hands on a finding, or holds it */
    pthread_mutex_t merging;     /* into `result`, of the shards that are finished */
    struct la_packet packets[READ_AT_ONCE];
    int64_t end_ns;
    struct la_pause pauses[LA_RESULT_PAUSES]; /* workers read those that came with a batch */
    size_t pause_count;
    struct la_tunnel_end tunnel_ends[LA_TUNNEL_ENDS];
    size_t tunnel_count;
    int64_t *input_ends; /* owned */
    struct la_links links;
    bool begun; /* the first packets were read */
    bool interrupted;
};

/* Where scans are looked for, they may explain findings of single attempts. */
static bool looks_for_scans(const struct la_analysis *analysis) {
    return analysis->options.diagnoses >> LA_KIND_SCAN & 1;
}

static void take_finding(void *context, const struct la_finding *finding) {
    struct shard *shard = context;
    struct la_analysis *analysis = shard->analysis;
    if (finding->of_attempt && looks_for_scans(analysis)) {
        pthread_mutex_lock(&analysis->sinks);
        held_add(analysis->held, finding);
        pthread_mutex_unlock(&analysis->sinks);
        return;
    }
    if (la_result_add_finding(shard->result, finding) != LA_OK)
        shard->status = LA_ENOMEM;
    if (!analysis->options.on_finding)
        return;
    pthread_mutex_lock(&analysis->sinks);
    analysis->options.on_finding(analysis->options.context, finding);
    pthread_mutex_unlock(&analysis->sinks);
}

static void take_connection(void *context, struct la_connection *connection) {
    struct shard *shard = context;
    struct la_analysis *analysis = shard->analysis;
    uint64_t kinds = 0;
    /* Of an attempt that nobody answered and nobody repeated there is nothing to say. */
    if (connection->remarkable || connection->ending != LA_ENDING_NEVER_OPENED)
        kinds = analysis->kinds[la_traits_of(connection)];
    if (kinds != 0)
        la_diagnose_connection(connection, kinds, take_finding, shard);
    if (la_result_add_connection(shard->result, connection) != LA_OK)
        shard->status = LA_ENOMEM;
    if (analysis->options.on_connection)
        analysis->options.on_connection(analysis->options.context,
                                        (unsigned)(shard - analysis->shards), connection);
}

static void take_segments(void *context, unsigned index, const struct batch *batch) {
    struct la_analysis *analysis = context;
    struct shard *shard = &analysis->shards[index];
    la_tracker_pauses(shard->tracker, analysis->pauses, batch->pauses);
    size_t count = (size_t)(batch->ends[index] - batch->of[index]);
    if (shard->status == LA_OK)
        shard->status = la_tracker_segments(shard->tracker, batch->of[index], count);
}

/* What the shard knows goes into the whole, whichever comes first: merging takes no heed of order.
 */
static enum la_status merge_shard(struct la_analysis *analysis, struct shard *shard) {
    pthread_mutex_lock(&analysis->merging);
    enum la_status status = la_result_merge(analysis->result, shard->result);
    pthread_mutex_unlock(&analysis->merging);
    la_result_free(shard->result);
    shard->result = NULL;
    return status;
}

static void finish_shard(void *context, unsigned index) {
    struct la_analysis *analysis = context;
    struct shard *shard = &analysis->shards[index];
    la_tracker_pauses(shard->tracker, analysis->pauses, analysis->pause_count);
    la_tracker_links(shard->tracker, &analysis->links);
    if (shard->status == LA_OK)
        shard->status = la_tracker_finish(shard->tracker, analysis->end_ns);
    /* What was followed is told; its memory is of use to what comes. */
    la_tracker_free(shard->tracker);
    shard->tracker = NULL;
    if (shard->status == LA_OK)
        shard->status = merge_shard(analysis, shard);
}

/* What the trackers had: some dozens of megabytes take the system as long as the report does, which
 * is made meanwhile. */
static void free_pages(void *context) {
    struct la_analysis *analysis = context;
    la_pages_free(analysis->pages);
    analysis->pages = NULL;
}

static bool open_shard(struct la_analysis *analysis, struct shard *shard) {
    struct la_tracker_options options = {
        .pages = analysis->pages,
        .hosts = analysis->options.hosts,
        .histories = analysis->options.on_connection != NULL,
        .on_settled = take_connection,
        .context = shard,
    };
    shard->analysis = analysis;
    shard->tracker = la_tracker_new(&options);
    shard->result = la_result_new();
    return shard->tracker && shard->result;
}

static unsigned default_threads(void) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 1 ? (unsigned)processors : 1;
}

static bool open_rooms(struct la_analysis *analysis) {
    struct crew_tasks tasks = {
        .take = take_segments, .finish = finish_shard, .leave = free_pages, .context = analysis};
    analysis->pages = la_pages_new();
    analysis->decoder = la_decoder_new();
    analysis->result = la_result_new();
    analysis->held = held_new();
    if (!analysis->pages || !analysis->decoder || !analysis->result || !analysis->held)
        return false;
    for (int i = 0; i < LA_SHARDS; i++)
        if (!open_shard(analysis, &analysis->shards[i]))
            return false;
    analysis->crew = crew_new(analysis->options.threads, &tasks);
    return analysis->crew != NULL;
}

enum la_status la_analysis_new(const struct la_analysis_options *options, struct la_analysis **out,
                               struct la_error *err) {
    *out = NULL;
    struct la_analysis *analysis = calloc(1, sizeof *analysis);
    if (!analysis)
        return la_fail(err, LA_ENOMEM, "out of memory");
    analysis->options = *options;
    for (unsigned traits = 0; traits < LA_TRAIT_SETS; traits++)
        analysis->kinds[traits] = la_kinds_to_examine(options->diagnoses, traits);
    if (options->threads == 0)
        analysis->options.threads = default_threads();
    analysis->options.capture.read_ahead = true;
    analysis->end_ns = LA_TIME_NONE;
    pthread_mutex_init(&analysis->sinks, NULL);
    pthread_mutex_init(&analysis->merging, NULL);
    enum la_status status = la_capture_new(&analysis->options.capture, &analysis->capture, err);
    if (status == LA_OK && !open_rooms(analysis))
        status = la_fail(err, LA_ENOMEM, "out of memory");
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
    crew_free(analysis->crew);
    for (int i = 0; i < LA_SHARDS; i++) {
        la_tracker_free(analysis->shards[i].tracker);
        la_result_free(analysis->shards[i].result);
    }
    la_pages_free(analysis->pages);
    la_capture_free(analysis->capture);
    la_decoder_free(analysis->decoder);
    la_crossing_close(&analysis->crossing);
    la_result_free(analysis->result);
    held_free(analysis->held);
    free(analysis->input_ends);
    pthread_mutex_destroy(&analysis->sinks);
    pthread_mutex_destroy(&analysis->merging);
    free(analysis);
}

enum la_status la_analysis_add(struct la_analysis *analysis, const char *path,
                               struct la_error *err) {
    return la_capture_add(analysis->capture, path, err);
}

/* Files of different days make one timeline: where it holds nothing for long, nobody may have
 * listened. */
static void note_step(struct la_analysis *analysis, int64_t time_ns) {
    if (time_ns <= analysis->end_ns)
        return;
    if (analysis->end_ns != LA_TIME_NONE && analysis->pause_count < LA_RESULT_PAUSES)
        analysis->pauses[analysis->pause_count++] =
            (struct la_pause){.from_ns = analysis->end_ns, .until_ns = time_ns};
    else if (analysis->end_ns != LA_TIME_NONE)
        analysis->result->pauses_dropped++;
    analysis->end_ns = time_ns;
}

/* One comparison for most packets: a little later than the one before. */
static void note_time(struct la_analysis *analysis, int64_t time_ns) {
    uint64_t later_ns = (uint64_t)time_ns - (uint64_t)analysis->end_ns;
    if (later_ns <= LINK_PAUSE_NS)
        analysis->end_ns = time_ns;
    else
        note_step(analysis, time_ns);
}

/* One comparison for all of them where the last one is a little later than those before. */
static void note_times(struct la_analysis *analysis, const struct la_packet *packets,
                       size_t count) {
    int64_t last_ns = la_capture_last_ns(analysis->capture);
    if ((uint64_t)last_ns - (uint64_t)analysis->end_ns <= LINK_PAUSE_NS)
        analysis->end_ns = last_ns;
    else
        for (size_t i = 0; i < count; i++)
            note_time(analysis, packets[i].time_ns);
}

static void note_tunnels(struct la_analysis *analysis, const struct la_segment *segment) {
    if (!link_note_tunnels(analysis->tunnel_ends, &analysis->tunnel_count, segment->tunnels,
                           segment->time_ns))
        analysis->result->pauses_dropped++;
}

/* How many segments a packet gives that is not plain: one or none. */
static size_t decode_odd(struct la_analysis *analysis, const struct la_packet *packet,
                         struct la_segment *segment) {
    enum la_undecoded why;
    enum la_decoded decoded = la_decode(analysis->decoder, packet, segment, &why);
    return decoded == LA_DECODED_TCP || decoded == LA_DECODED_NOTICE;
}

/* All the packets that the capture gave last. The batch has room for them. */
static void take_packets(struct la_analysis *analysis, const struct la_packet *packets,
                         size_t count, struct batch *batch) {
    const struct la_packet *end = packets + count;
    note_times(analysis, packets, count);
    while (packets < end) {
        struct la_segment *segments = batch->segments + batch->count;
        size_t plain =
            la_decode_plain(analysis->decoder, packets, (size_t)(end - packets), segments);
        size_t n = plain > 0 ? plain : decode_odd(analysis, packets, segments);
        packets += plain > 0 ? plain : 1;
        if (n > 0 && segments[n - 1].tunnels)
            note_tunnels(analysis, &segments[n - 1]);
        crew_add(batch, n);
    }
}

static void hand_over(struct la_analysis *analysis, struct batch *batch) {
    batch->pauses = analysis->pause_count;
    crew_publish(analysis->crew);
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

/* Before any tracker is given a segment. */
static void begin(struct la_analysis *analysis) {
    int64_t first_ns = la_capture_first_ns(analysis->capture);
    analysis->begun = true;
    if (!analysis->options.follow_until || first_ns == LA_TIME_NONE)
        return;
    int64_t newest_ns = analysis->options.follow_until(analysis->options.context, first_ns);
    for (int i = 0; i < LA_SHARDS; i++)
        la_tracker_follow_until(analysis->shards[i].tracker, newest_ns);
}

/* Fills a batch; LA_END when there is no more to read, or a stop was asked for. */
static enum la_status fill_batch(struct la_analysis *analysis, struct batch *batch,
                                 struct la_error *err) {
    while (batch->count + READ_AT_ONCE <= LA_BATCH && !told_to_stop(analysis)) {
        size_t count;
        enum la_status status =
            la_capture_next_batch(analysis->capture, analysis->packets, READ_AT_ONCE, &count, err);
        if (!analysis->begun)
            begin(analysis);
        if (status != LA_OK)
            return status;
        take_packets(analysis, analysis->packets, count, batch);
    }
    return told_to_stop(analysis) ? LA_END : LA_OK;
}

static enum la_status read_all(struct la_analysis *analysis, struct la_error *err) {
    enum la_status status = LA_OK;
    for (unsigned batch = 0; status == LA_OK; batch++) {
        struct batch *filled = crew_next(analysis->crew);
        crew_spare(analysis->crew, la_capture_decompressing(analysis->capture));
        status = fill_batch(analysis, filled, err);
        hand_over(analysis, filled);
        if (batch % BATCHES_A_REPORT == 0)
            report_progress(analysis);
    }
    analysis->interrupted = told_to_stop(analysis);
    return status == LA_END ? LA_OK : status;
}

struct conclusion {
    struct la_analysis *analysis;
    enum la_status status;
};

static void take_conclusion(void *context, const struct la_finding *finding) {
    struct conclusion *conclusion = context;
    struct la_analysis *analysis = conclusion->analysis;
    if (la_result_add_finding(analysis->result, finding) != LA_OK)
        conclusion->status = LA_ENOMEM;
    if (analysis->options.on_finding)
        analysis->options.on_finding(analysis->options.context, finding);
}

/* What can only be said when everything is there. */
static enum la_status conclude(struct la_analysis *analysis, struct la_error *err) {
    struct conclusion conclusion = {analysis, LA_OK};
    struct la_crossing *crossing = &analysis->crossing;
    if (!la_crossing_open(crossing, analysis->result->accounts, analysis->options.hosts))
        return la_fail(err, LA_ENOMEM, "out of memory");
    la_diagnose_crossing(crossing, analysis->options.diagnoses, take_conclusion, &conclusion);
    enum la_status status =
        held_release(analysis->held, crossing, take_conclusion, &conclusion, err);
    if (status == LA_OK && conclusion.status != LA_OK)
        status = la_fail(err, LA_ENOMEM, "out of memory");
    return status;
}

static enum la_status look_at_shards(const struct la_analysis *analysis, struct la_error *err) {
    for (int i = 0; i < LA_SHARDS; i++)
        if (analysis->shards[i].status != LA_OK)
            return la_fail(err, LA_ENOMEM, "out of memory (analyse fewer files, or use a filter)");
    return LA_OK;
}

static void hand_over_fed(struct la_analysis *analysis) {
    if (analysis->batch)
        hand_over(analysis, analysis->batch);
    analysis->batch = NULL;
}

enum la_status la_analysis_feed(struct la_analysis *analysis, const struct la_packet *packet,
                                struct la_error *err) {
    struct la_packet taken = *packet;
    bool wanted;
    enum la_status status = la_capture_feed(analysis->capture, &taken, &wanted, err);
    if (status != LA_OK || !wanted)
        return status;
    if (!analysis->batch)
        analysis->batch = crew_next(analysis->crew);
    take_packets(analysis, &taken, 1, analysis->batch);
    if (analysis->batch->count == LA_BATCH)
        hand_over_fed(analysis);
    return LA_OK;
}

enum la_status la_analysis_run(struct la_analysis *analysis, struct la_error *err) {
    enum la_status status = read_all(analysis, err);
    return status == LA_OK ? la_analysis_finish(analysis, err) : status;
}

/* How far each link was captured, now that all of it was read. */
static bool find_links(struct la_analysis *analysis) {
    size_t count = la_capture_input_count(analysis->capture);
    struct link_span *spans = calloc(count + 1, sizeof *spans);
    analysis->input_ends = calloc(count + 1, sizeof *analysis->input_ends);
    bool whole = spans && analysis->input_ends;
    for (size_t i = 0; whole && i < count; i++) {
        const struct la_input *input = la_capture_input(analysis->capture, i);
        spans[i] = (struct link_span){input->first_ns, input->last_ns};
    }
    if (whole)
        link_ends(spans, count, analysis->input_ends);
    free(spans);
    analysis->links = (struct la_links){analysis->input_ends, whole ? count : 0,
                                        analysis->tunnel_ends, analysis->tunnel_count};
    return whole;
}

enum la_status la_analysis_finish(struct la_analysis *analysis, struct la_error *err) {
    hand_over_fed(analysis);
    la_decoder_finish(analysis->decoder);
    if (!find_links(analysis))
        return la_fail(err, LA_ENOMEM, "out of memory");
    crew_finish(analysis->crew);
    enum la_status status = look_at_shards(analysis, err);
    return status == LA_OK ? conclude(analysis, err) : status;
}

const struct la_result *la_analysis_result(const struct la_analysis *analysis) {
    return analysis->result;
}

const struct la_overview *la_analysis_overview(const struct la_analysis *analysis) {
    return analysis->crossing.overview;
}

const struct la_capture *la_analysis_capture(const struct la_analysis *analysis) {
    return analysis->capture;
}

const struct la_decode_counts *la_analysis_decode_counts(const struct la_analysis *analysis) {
    return la_decoder_counts(analysis->decoder);
}

bool la_analysis_took_back(const struct la_analysis *analysis, const struct la_addr *client,
                           int64_t first_ns) {
    return looks_for_scans(analysis) && la_crossing_explains(&analysis->crossing, client, first_ns);
}

unsigned la_analysis_threads(const struct la_analysis *analysis) {
    return analysis->options.threads;
}

int64_t la_analysis_end_ns(const struct la_analysis *analysis) {
    return analysis->end_ns;
}

bool la_analysis_interrupted(const struct la_analysis *analysis) {
    return analysis->interrupted;
}
