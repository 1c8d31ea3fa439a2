/* Helpers for writing a finding. Internal to this room. */
#ifndef LA_DIAGNOSE_BUILD_H
#define LA_DIAGNOSE_BUILD_H

#include "diagnose/diagnose.h"
#include "track/fin_story.h"
#include "track/listening.h"

/* Linux gives a connection that takes over a TIME-WAIT the initial sequence number SND.NXT + 65535
 * + 2 (tcp_timewait_state_process, tcp_twsk_unique). */
enum { LA_TIME_WAIT_ISN_STEP = 65537 };

/* Clears the finding and fills what every kind has: kind, connection, previous, the host in trouble
 * (a side of the connection) and its peer. */
void finding_start(struct la_finding *f, enum la_kind kind, const struct la_connection *c,
                   unsigned host);

/* Formats into the finding's own text space; what does not fit is cut. Never NULL. */
const char *finding_text(struct la_finding *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line of the connection's log as evidence; LA_NOWHERE is passed over. */
void finding_show(struct la_finding *f, const struct la_connection *c, size_t index,
                  const char *role);
void finding_show_observation(struct la_finding *f, const struct la_observation *o,
                              const char *role);
void finding_show_where(struct la_finding *f, const struct la_where *where, const char *role);

void finding_assume(struct la_finding *f, const char *what);
/* "vantage: near the client", "profile: linux": what every verdict of this kind rests on. */
void finding_assume_usual(struct la_finding *f, const struct la_connection *c, unsigned side);
/* It rests on nothing having been said between two packets. Where the whole capture paused in
 * between, that is not observed. After the confidence is set. */
void finding_assume_heard(struct la_finding *f, const struct la_connection *c, int64_t from_ns,
                          int64_t until_ns);
void finding_exclude(struct la_finding *f, const char *kind, const char *why);
void finding_blame(struct la_finding *f, enum la_role role, const struct la_addr *host,
                   const char *why);

/* Details, in the registry's order. */
void detail_null(struct la_finding *f, const char *name);
void detail_bool(struct la_finding *f, const char *name, bool value);
void detail_integer(struct la_finding *f, const char *name, int64_t value);
void detail_seconds(struct la_finding *f, const char *name, int64_t ns);
void detail_word(struct la_finding *f, const char *name, const char *word);
void detail_seconds_or_null(struct la_finding *f, const char *name,
                            int64_t ns); /* negative: null */
void detail_word_or_null(struct la_finding *f, const char *name, const char *word); /* NULL: null */

/* General preconditions of `observed`: both directions in the capture, and nothing of it missed. */
bool is_whole(const struct la_connection *c);

/* "10.0.0.2:8080" into the finding's text. */
const char *endpoint_text(struct la_finding *f, const struct la_endpoint *end);
/* "0.21 s" into the finding's text. */
const char *seconds_text(struct la_finding *f, int64_t ns);

/* The severity of what cost somebody `delay_ns` (-1: the connection failed). */
enum la_severity severity_of_delay(int64_t delay_ns);

/* The rows of the registry, one a file. */
extern const struct la_diagnosis diagnosis_lost_final_ack;
extern const struct la_diagnosis diagnosis_fin_retransmitted;
extern const struct la_diagnosis diagnosis_recycled_port_rst;
extern const struct la_diagnosis diagnosis_timestamp_rejected_syn;
extern const struct la_diagnosis diagnosis_time_wait_reuse;
extern const struct la_diagnosis diagnosis_old_duplicate;
extern const struct la_diagnosis diagnosis_time_wait_assassination;
extern const struct la_diagnosis diagnosis_close_wait_leak;
extern const struct la_diagnosis diagnosis_slow_close;
extern const struct la_diagnosis diagnosis_fin_wait_2_timeout;
extern const struct la_diagnosis diagnosis_last_ack_timeout;
extern const struct la_diagnosis diagnosis_abortive_close;
extern const struct la_diagnosis diagnosis_half_close;
extern const struct la_diagnosis diagnosis_simultaneous_close;
extern const struct la_diagnosis diagnosis_simultaneous_open;
extern const struct la_diagnosis diagnosis_syn_refused;
extern const struct la_diagnosis diagnosis_syn_unanswered;
extern const struct la_diagnosis diagnosis_syn_retransmitted;
extern const struct la_diagnosis diagnosis_syn_queue_overflow;
extern const struct la_diagnosis diagnosis_accept_queue_overflow;
extern const struct la_diagnosis diagnosis_syn_flood;
extern const struct la_diagnosis diagnosis_scan;
extern const struct la_diagnosis diagnosis_half_open;
extern const struct la_diagnosis diagnosis_keepalive;
extern const struct la_diagnosis diagnosis_keepalive_death;
extern const struct la_diagnosis diagnosis_retransmission_timeout;
extern const struct la_diagnosis diagnosis_zero_window_stall;
extern const struct la_diagnosis diagnosis_time_wait_pileup;
extern const struct la_diagnosis diagnosis_close_wait_pileup;
extern const struct la_diagnosis diagnosis_port_exhaustion;
extern const struct la_diagnosis diagnosis_shared_address;
extern const struct la_diagnosis diagnosis_challenge_ack;
extern const struct la_diagnosis diagnosis_injected_rst;

#endif
