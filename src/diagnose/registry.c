#include "diagnose/build.h"

#include <string.h>

/* In the order of enum la_kind. Adding a diagnosis: a value there, a row here, a file beside this
 * one, a page in docs/diagnoses, its details in the schema, a scenario and a look-alike. */
static const struct la_diagnosis *const registry[LA_KIND_COUNT] = {
    [LA_KIND_LOST_FINAL_ACK] = &diagnosis_lost_final_ack,
    [LA_KIND_FIN_RETRANSMITTED] = &diagnosis_fin_retransmitted,
    [LA_KIND_RECYCLED_PORT_RST] = &diagnosis_recycled_port_rst,
    [LA_KIND_TIMESTAMP_REJECTED_SYN] = &diagnosis_timestamp_rejected_syn,
    [LA_KIND_TIME_WAIT_REUSE] = &diagnosis_time_wait_reuse,
    [LA_KIND_CLOSE_WAIT_LEAK] = &diagnosis_close_wait_leak,
    [LA_KIND_SLOW_CLOSE] = &diagnosis_slow_close,
    [LA_KIND_ABORTIVE_CLOSE] = &diagnosis_abortive_close,
    [LA_KIND_HALF_OPEN] = &diagnosis_half_open,
    [LA_KIND_KEEPALIVE] = &diagnosis_keepalive,
    [LA_KIND_KEEPALIVE_DEATH] = &diagnosis_keepalive_death,
    [LA_KIND_RETRANSMISSION_TIMEOUT] = &diagnosis_retransmission_timeout,
    [LA_KIND_ZERO_WINDOW_STALL] = &diagnosis_zero_window_stall,
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

void la_diagnose_connection(struct la_connection *connection, uint64_t enabled,
                            la_finding_sink *sink, void *context) {
    struct la_finding finding;
    for (int k = 0; k < LA_KIND_COUNT; k++) {
        if (!(enabled >> k & 1) || !registry[k]->examine(connection, &finding))
            continue;
        connection->findings |= UINT64_C(1) << k;
        sink(context, &finding);
    }
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
