/* What is assumed of a host's TCP: timers and rules by operating system (see the man page,
 * section PROFILES). A profile never forbids a finding; what contradicts it is evidence against it.
 */
#ifndef LA_BASE_PROFILE_H
#define LA_BASE_PROFILE_H

#include "base/addr.h"
#include "base/error.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum la_tw_syn_refusal { LA_REFUSAL_ACK, LA_REFUSAL_SILENCE, LA_REFUSAL_UNKNOWN };

struct la_profile {
    const char *name; /* as `--os` takes it */
    int64_t time_wait_ns;
    int64_t fin_wait_2_orphan_ns;
    bool fin_wait_2_expiry_resets;            /* sends RST|ACK when it gives up FIN-WAIT-2 */
    bool rst_kills_time_wait;                 /* an exact RST deletes a TIME-WAIT */
    bool time_wait_knows_timestamps;          /* TSval decides on a SYN in TIME-WAIT (RFC 6191) */
    enum la_tw_syn_refusal time_wait_refusal; /* how TIME-WAIT answers a SYN it does not accept */
    bool in_window_syn_aborts;        /* RFC 793: RST and abort, instead of a challenge ACK */
    int64_t syn_resend_ns;            /* after a bad ACK in SYN-SENT */
    bool tw_recycle_possible;         /* net.ipv4.tcp_tw_recycle exists */
    bool time_wait_freezes_ts_recent; /* its ACKs echo the last TSval from before TIME-WAIT */
    int64_t rto_min_ns;
    int64_t first_port, last_port;  /* that connect() chooses from */
    int64_t syn_retry_total_ns;     /* SYN-SENT given up this long after the first SYN */
    int64_t syn_ack_retry_total_ns; /* SYN-RECV given up */
    int64_t orphan_retry_total_ns;  /* LAST-ACK, CLOSING, FIN-WAIT-1 without an answer: no retry
                                       is sent later than this after the first one */
    int64_t data_retry_total_ns;    /* ... ESTAB, CLOSE-WAIT: the same of data */
    int64_t keepalive_idle_ns, keepalive_interval_ns;
    uint32_t keepalive_probes;
    bool keepalive_told;           /* a host's settings said so, not its system's custom */
    bool rst_before_next_accepted; /* RST at RCV.NXT - 1 closes the closing states */
    int64_t close_wait_ns; /* a CLOSE-WAIT that is quiet for less is not worth a word; no system's
                              number, the same in each */
};

/* NULL when there is no such profile. `index` counts them all, NULL past the last. */
const struct la_profile *la_profile_find(const char *name);
const struct la_profile *la_profile_at(size_t index);
const struct la_profile *la_profile_default(void);

/* Which profile each host is assumed to have. */
struct la_hosts;
struct la_hosts *la_hosts_new(void);
void la_hosts_free(struct la_hosts *hosts);
/* Takes "PROFILE" (for all hosts without one of their own) or "ADDRESS=PROFILE". */
enum la_status la_hosts_set_profile(struct la_hosts *hosts, const char *spec, struct la_error *err);
/* What a host's own settings say: "ADDRESS=FILE", or "FILE" for all hosts without such a file of
 * their own. Timers of a Linux profile follow them. `listener` is told what in the file was not
 * understood; NULL: nobody is. LA_EUSAGE when the file cannot be read, LA_ENOMEM. */
struct la_settings_listener;
struct la_host_settings;
enum la_status la_hosts_set_settings(struct la_hosts *hosts, const char *spec,
                                     const struct la_settings_listener *listener,
                                     struct la_error *err);
/* The settings that were read, in the order of the addresses they are for: first those for all
 * hosts without their own (`*addr` is NULL). NULL past the last; borrowed from `hosts`. */
const struct la_host_settings *la_hosts_settings_at(const struct la_hosts *hosts, size_t index,
                                                    const struct la_addr **addr);
/* NULL when nothing is known of that host's; borrowed from `hosts`. */
const struct la_host_settings *la_hosts_settings(const struct la_hosts *hosts,
                                                 const struct la_addr *addr);
/* TIME_WAIT for all hosts, whatever their profile and settings. */
enum la_status la_hosts_set_time_wait(struct la_hosts *hosts, int64_t ns, struct la_error *err);
/* From when on a quiet CLOSE_WAIT counts, for all hosts. */
enum la_status la_hosts_set_close_wait(struct la_hosts *hosts, int64_t ns, struct la_error *err);
/* Never NULL; borrowed from `hosts`, which may be NULL for the default. `addr` may be NULL for all
 * hosts of which nothing was said. */
const struct la_profile *la_hosts_profile(const struct la_hosts *hosts, const struct la_addr *addr);

#endif
