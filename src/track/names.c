/* The words for what a connection was: one table each, for the report, the schema and the tests. */
#include "track/connection.h"

const char *la_class_name(enum la_class class) {
    static const char *const names[LA_CLASS_COUNT] = {
        "syn",     "syn-again",  "syn-ack",       "syn-ack-again",    "handshake-ack",
        "fin",     "fin-again",  "ack-of-fin",    "ack-of-fin-again", "rst",
        "data",    "data-again", "duplicate-ack", "keepalive",        "window-probe",
        "outside", "ack"};
    return names[class];
}

const char *la_opening_name(enum la_opening opening) {
    static const char *const names[LA_OPENING_COUNT] = {"handshake", "simultaneous", "half-open",
                                                        "refused",   "unanswered",   "mid-stream"};
    return names[opening];
}

const char *la_ending_name(enum la_ending ending) {
    static const char *const names[LA_ENDING_COUNT] = {"fin",   "fin-unacked", "half-closed",
                                                       "reset", "open",        "never-opened"};
    return names[ending];
}

const char *la_late_cause_name(enum la_late_cause cause) {
    static const char *const names[LA_LATE_CAUSE_COUNT] = {
        "not-late",        "syn-lost", "syn-dropped", "syn-ack-lost",   "slow-answer",
        "answer-rejected", "refused",  "held",        "queue-overflow", "unknown"};
    return names[cause];
}

const char *la_closer_name(enum la_closer closer) {
    static const char *const names[LA_CLOSER_COUNT] = {"client", "server", "both", "none"};
    return names[closer];
}

const char *la_vantage_name(enum la_vantage_kind kind) {
    static const char *const names[LA_VANTAGE_COUNT] = {"unknown", "near-initiator",
                                                        "near-responder", "middle"};
    return names[kind];
}

const char *la_reset_form_name(enum la_reset_form form) {
    return form == LA_RESET_BARE ? "bare" : "with-ack";
}

const char *la_reset_cause_name(enum la_reset_cause cause) {
    static const char *const names[LA_RESET_CAUSE_COUNT] = {
        "refused",       "port-recycled",    "unwanted-syn-ack", "time-wait-gone", "late-ack",
        "old-duplicate", "data-after-close", "fin-wait-2-over",  "no-connection",  "keepalive",
        "abort",         "injected",         "after-close",      "repeated",       "unknown"};
    return names[cause];
}

const char *la_icmp_meaning_name(enum la_icmp_meaning meaning) {
    static const char *const names[LA_ICMP_MEANING_COUNT] = {"rejected", "no-route", "no-listener",
                                                             "too-big", "other"};
    return names[meaning];
}
