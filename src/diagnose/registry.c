#include "diagnose/build.h"
#include "diagnose/scan.h"

#include <stdlib.h>
#include <string.h>

/* In the order of enum la_kind. Adding a diagnosis: a value there, a row here, a file beside this
 * one, a page in docs/diagnoses, its details in the schema, a scenario and a look-alike. */
static const struct la_diagnosis *const registry[LA_KIND_COUNT] = {
    [LA_KIND_LOST_FINAL_ACK] = &diagnosis_lost_final_ack,
    [LA_KIND_FIN_RETRANSMITTED] = &diagnosis_fin_retransmitted,
    [LA_KIND_RECYCLED_PORT_RST] = &diagnosis_recycled_port_rst,
    [LA_KIND_TIMESTAMP_REJECTED_SYN] = &diagnosis_timestamp_rejected_syn,
    [LA_KIND_TIME_WAIT_REUSE] = &diagnosis_time_wait_reuse,
    [LA_KIND_OLD_DUPLICATE] = &diagnosis_old_duplicate,
    [LA_KIND_TIME_WAIT_ASSASSINATION] = &diagnosis_time_wait_assassination,
    [LA_KIND_CLOSE_WAIT_LEAK] = &diagnosis_close_wait_leak,
    [LA_KIND_SLOW_CLOSE] = &diagnosis_slow_close,
    [LA_KIND_FIN_WAIT_2_TIMEOUT] = &diagnosis_fin_wait_2_timeout,
    [LA_KIND_LAST_ACK_TIMEOUT] = &diagnosis_last_ack_timeout,
    [LA_KIND_ABORTIVE_CLOSE] = &diagnosis_abortive_close,
    [LA_KIND_HALF_CLOSE] = &diagnosis_half_close,
    [LA_KIND_SIMULTANEOUS_CLOSE] = &diagnosis_simultaneous_close,
    [LA_KIND_SIMULTANEOUS_OPEN] = &diagnosis_simultaneous_open,
    [LA_KIND_SYN_REFUSED] = &diagnosis_syn_refused,
    [LA_KIND_SYN_UNANSWERED] = &diagnosis_syn_unanswered,
    [LA_KIND_SYN_RETRANSMITTED] = &diagnosis_syn_retransmitted,
    [LA_KIND_SYN_QUEUE_OVERFLOW] = &diagnosis_syn_queue_overflow,
    [LA_KIND_ACCEPT_QUEUE_OVERFLOW] = &diagnosis_accept_queue_overflow,
    [LA_KIND_SYN_FLOOD] = &diagnosis_syn_flood,
    [LA_KIND_SCAN] = &diagnosis_scan,
    [LA_KIND_HALF_OPEN] = &diagnosis_half_open,
    [LA_KIND_KEEPALIVE] = &diagnosis_keepalive,
    [LA_KIND_KEEPALIVE_DEATH] = &diagnosis_keepalive_death,
    [LA_KIND_RETRANSMISSION_TIMEOUT] = &diagnosis_retransmission_timeout,
    [LA_KIND_ZERO_WINDOW_STALL] = &diagnosis_zero_window_stall,
    [LA_KIND_TIME_WAIT_PILEUP] = &diagnosis_time_wait_pileup,
    [LA_KIND_CLOSE_WAIT_PILEUP] = &diagnosis_close_wait_pileup,
    [LA_KIND_PORT_EXHAUSTION] = &diagnosis_port_exhaustion,
    [LA_KIND_SHARED_ADDRESS] = &diagnosis_shared_address,
    [LA_KIND_CHALLENGE_ACK] = &diagnosis_challenge_ack,
    [LA_KIND_INJECTED_RST] = &diagnosis_injected_rst,
};

const struct la_diagnosis *la_diagnosis_of(enum la_kind kind) {
    return registry[kind];
}

bool la_kind_find(const char *name, enum la_kind *kind) {
    for (int k = 0; k < LA_KIND_COUNT; k++)
        if (strcmp(registry[k]->name, name) == 0) {
            *kind = (enum la_kind)k;
            return true;
        }
    return false;
}

uint64_t la_kinds_to_examine(uint64_t enabled, unsigned traits) {
    uint64_t kinds = 0;
    for (int k = 0; k < LA_KIND_COUNT; k++)
        if (registry[k]->examine && (registry[k]->needs & traits))
            kinds |= UINT64_C(1) << k;
    return kinds & enabled;
}

void la_diagnose_connection(struct la_connection *connection, uint64_t kinds, la_finding_sink *sink,
                            void *context) {
    struct la_finding finding;
    if (kinds != 0)
        la_connection_tell(connection);
    for (uint64_t left = kinds; left != 0; left &= left - 1) {
        int k = __builtin_ctzll(left);
        const struct la_diagnosis *row = registry[k];
        if (!row->examine || !row->examine(connection, &finding))
            continue;
        connection->findings |= UINT64_C(1) << k;
        finding.of_attempt = row->of_attempt && connection->side[LA_CLIENT].data_bytes == 0;
        if (finding.of_attempt)
            connection->attempt_findings |= UINT64_C(1) << k;
        sink(context, &finding);
    }
}

bool la_crossing_open(struct la_crossing *crossing, const struct la_accounts *accounts,
                      const struct la_hosts *hosts) {
    *crossing = (struct la_crossing){.hosts = hosts, .overview = la_overview_new(accounts)};
    if (!crossing->overview)
        return false;
    crossing->scans = find_scans(crossing->overview, &crossing->scan_count);
    if (crossing->scans)
        return true;
    la_crossing_close(crossing);
    return false;
}

void la_crossing_close(struct la_crossing *crossing) {
    free(crossing->scans);
    la_overview_free(crossing->overview);
    *crossing = (struct la_crossing){0};
}

bool la_crossing_explains(const struct la_crossing *crossing, const struct la_addr *client,
                          int64_t first_ns) {
    for (size_t i = 0; i < crossing->scan_count; i++)
        if (scan_holds(&crossing->scans[i], client, first_ns))
            return true;
    return false;
}

void la_diagnose_crossing(const struct la_crossing *crossing, uint64_t enabled,
                          la_finding_sink *sink, void *context) {
    for (int k = 0; k < LA_KIND_COUNT; k++)
        if ((enabled >> k & 1) && registry[k]->conclude)
            registry[k]->conclude(crossing, sink, context);
}

const char *la_kind_name(enum la_kind kind) {
    return registry[kind]->name;
}

const char *la_severity_name(enum la_severity severity) {
    static const char *const names[LA_SEVERITY_COUNT] = {"info", "notice", "warning", "critical"};
    return names[severity];
}

const char *la_confidence_name(enum la_confidence confidence) {
    return confidence == LA_OBSERVED ? "observed" : "inferred";
}

const char *la_role_name(enum la_role role) {
    static const char *const names[LA_ROLE_COUNT] = {"application", "kernel", "network",
                                                     "middlebox",   "peer",   "unknown"};
    return names[role];
}
