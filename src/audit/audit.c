#include "audit/audit.h"

#include "account/series.h"

#include <stdio.h>

/* What was counted at `addr`; with NULL at all hosts that have no settings of their own. */
static uint64_t count_at(const struct la_host_counts *counts, const struct la_hosts *hosts,
                         const struct la_addr *addr) {
    const struct la_addr *own;
    uint64_t count = la_host_counts_of(counts, addr);
    for (size_t i = 0; !addr && la_hosts_settings_at(hosts, i, &own); i++)
        count -= own ? la_host_counts_of(counts, own) : 0;
    return count;
}

/* Both parts a host plays */

static uint64_t sum_closers(const uint64_t closers[LA_CLOSER_COUNT], enum la_closer first) {
    return closers[first] + closers[LA_CLOSER_BOTH];
}

static void add_opened(struct la_host_evidence *e, const struct la_edge *edge) {
    uint64_t closers[LA_CLOSER_COUNT];
    for (size_t i = 0; i < LA_CLOSER_COUNT; i++)
        closers[i] = edge->closers[i];
    e->opened.attempts += la_edge_connections(edge);
    e->opened.closed += sum_closers(closers, LA_CLOSER_CLIENT) + closers[LA_CLOSER_SERVER];
    e->opened.closed_first += sum_closers(closers, LA_CLOSER_CLIENT);
    e->opened.timestamps += edge->timestamps;
    e->opened.connected += edge->outcomes[LA_OUTCOME_OPENED] + edge->outcomes[LA_OUTCOME_JOINED];
    e->time_waits += edge->time_waits[LA_CLIENT];
}

static void add_accepted(struct la_host_evidence *e, const struct la_service *service) {
    const uint64_t *closers = service->closers;
    e->accepted.attempts += la_service_connections(service);
    e->accepted.closed += sum_closers(closers, LA_CLOSER_SERVER) + closers[LA_CLOSER_CLIENT];
    e->accepted.closed_first += sum_closers(closers, LA_CLOSER_SERVER);
    e->accepted.connected +=
        service->outcomes[LA_OUTCOME_OPENED] + service->outcomes[LA_OUTCOME_JOINED];
    e->time_waits += service->time_waits[LA_SERVER];
}

/* What is in use at a time */

struct peaks {
    uint64_t time_wait, files, ports;
};

/* A socket that was closed, or not yet accepted, is nobody's file. */
static bool is_file(unsigned state) {
    return state == LA_ST_SYN_SENT || state == LA_ST_ESTAB || state == LA_ST_CLOSE_WAIT ||
           state == LA_ST_UNKNOWN;
}

static bool holds_port(unsigned state) {
    return state != LA_ST_CLOSED && state != LA_ST_LISTEN;
}

static uint64_t most(uint64_t a, int64_t b) {
    return b > 0 && (uint64_t)b > a ? (uint64_t)b : a;
}

static void note_peaks(void *context, const struct la_series_point *point) {
    struct peaks *peaks = context;
    int64_t files = 0, ports = 0;
    for (unsigned state = 0; state < LA_ST_COUNT; state++) {
        files += is_file(state) ? point->values[LA_STRAND_STATE + state] : 0;
        ports += holds_port(state) ? point->values[LA_STRAND_STATE + state] : 0;
    }
    peaks->time_wait = most(peaks->time_wait, point->values[LA_STRAND_STATE + LA_ST_TIME_WAIT]);
    peaks->files = most(peaks->files, files);
    peaks->ports = most(peaks->ports, ports);
}

static enum la_status find_peaks(const struct la_series *series, struct peaks *peaks) {
    *peaks = (struct peaks){0};
    return la_series_walk(series, note_peaks, peaks);
}

static enum la_status add_host_peaks(struct la_host_evidence *e, const struct la_host_line *host) {
    struct la_series sockets;
    struct peaks peaks;
    enum la_status status = la_host_sockets(host, &sockets);
    if (status != LA_OK)
        return status;
    status = find_peaks(&sockets, &peaks);
    la_series_release(NULL, &sockets);
    e->time_wait_peak = most(e->time_wait_peak, (int64_t)peaks.time_wait);
    e->socket_peak = most(e->socket_peak, (int64_t)peaks.files);
    return status;
}

static enum la_status add_edges(struct la_host_evidence *e, const struct la_host_line *host) {
    enum la_status status = LA_OK;
    for (size_t i = 0; i < host->edge_count && status == LA_OK; i++) {
        struct peaks peaks;
        add_opened(e, host->edges[i].edge);
        status = find_peaks(&host->edges[i].edge->series, &peaks);
        e->port_peak = most(e->port_peak, (int64_t)peaks.ports);
    }
    return status;
}

static enum la_status add_services(struct la_host_evidence *e, const struct la_host_line *host) {
    enum la_status status = LA_OK;
    for (size_t i = 0; i < host->service_count && status == LA_OK; i++) {
        const struct la_service_line *line = &host->services[i];
        struct peaks peaks = {0};
        if (line->silent)
            add_accepted(e, line->silent);
        if (!line->answers)
            continue;
        add_accepted(e, line->answers);
        status = find_peaks(&line->answers->series, &peaks);
        e->service_peak = most(e->service_peak, (int64_t)peaks.files);
    }
    return status;
}

static enum la_status add_host(struct la_host_evidence *e, const struct la_host_line *host) {
    enum la_status status = add_host_peaks(e, host);
    if (status == LA_OK)
        status = add_edges(e, host);
    if (status == LA_OK)
        status = add_services(e, host);
    return status;
}

/* Those of its services' connections that used timestamps are known by the clients' edges. */
static void add_timestamps(struct la_host_evidence *e, const struct la_audit *audit) {
    for (size_t i = 0; i < audit->overview->edge_count; i++) {
        const struct la_edge_line *line = &audit->overview->edges[i];
        if (la_hosts_settings(audit->hosts, &line->service->account.addr) == e->settings)
            e->accepted.timestamps += line->edge->timestamps;
    }
}

/* All hosts that have these settings: one, or those without their own. The counts add up, and each
 * peak is that of the host with the highest. */
static enum la_status add_hosts(struct la_host_evidence *e, const struct la_audit *audit) {
    const struct la_overview *overview = audit->overview;
    enum la_status status = LA_OK;
    for (size_t i = 0; i < overview->host_count && status == LA_OK; i++)
        if (la_hosts_settings(audit->hosts, overview->hosts[i].addr) == e->settings)
            status = add_host(e, &overview->hosts[i]);
    add_timestamps(e, audit);
    return status;
}

enum la_status la_host_evidence_gather(const struct la_audit *audit, size_t index,
                                       struct la_host_evidence *evidence) {
    const struct la_overview *overview = audit->overview;
    const struct la_addr *addr;
    *evidence =
        (struct la_host_evidence){.settings = la_hosts_settings_at(audit->hosts, index, &addr)};
    /* As it came, without what the file made of it. */
    const char *profile = la_hosts_profile(audit->hosts, addr)->name;
    evidence->may_recycle = la_profile_find(profile)->tw_recycle_possible;
    for (size_t fact = 0; fact < LA_FACT_COUNT; fact++)
        evidence->facts[fact] = count_at(&audit->result->facts[fact], audit->hosts, addr);
    evidence->complete = overview->connections_left_out == 0 && overview->clients_left_out == 0;
    return add_hosts(evidence, audit);
}

void la_audit_judge(const struct la_setting *setting, const struct la_host_evidence *evidence,
                    struct la_judgement *judgement) {
    *judgement = (struct la_judgement){.verdict = LA_VERDICT_NO_EVIDENCE};
    setting->judge(evidence, judgement);
}

const char *la_verdict_text(const struct la_judgement *judgement, char buf[LA_VERDICT_TEXT]) {
    static const char *const names[] = {
        [LA_VERDICT_HELPS] = "helps here",        [LA_VERDICT_NO_EFFECT] = "no effect here",
        [LA_VERDICT_HARMFUL] = "harmful",         [LA_VERDICT_GONE] = "gone since Linux ",
        [LA_VERDICT_NO_EVIDENCE] = "no evidence",
    };
    bool gone = judgement->verdict == LA_VERDICT_GONE;
    snprintf(buf, LA_VERDICT_TEXT, "%s%s", names[judgement->verdict], gone ? judgement->since : "");
    return buf;
}
