/* What a host's settings are worth: each held against what a capture shows of that host.
 *
 * A verdict is about the setting, whatever its value: LA_VERDICT_HELPS says that it bears on what
 * was seen, and the evidence says which value helps. Without evidence there is none. */
#ifndef LA_AUDIT_AUDIT_H
#define LA_AUDIT_AUDIT_H

#include "account/overview.h"
#include "audit/setting.h"
#include "base/profile.h"
#include "base/settings.h"
#include "result/result.h"

enum la_verdict {
    LA_VERDICT_HELPS,
    LA_VERDICT_NO_EFFECT,
    LA_VERDICT_HARMFUL,
    LA_VERDICT_GONE,
    LA_VERDICT_NO_EVIDENCE,
};

/* What a capture and a file of settings say of a host, or of all hosts without a file of their own
 * together. */
struct la_host_evidence {
    const struct la_host_settings *settings; /* borrowed */
    bool may_recycle;                        /* its profile is of kernels with tcp_tw_recycle */
    uint64_t facts[LA_FACT_COUNT];
    bool complete; /* the counts below are of all its connections, and not of a part */
    struct la_host_part {
        uint64_t attempts;     /* connections that began or went on here, successful or not */
        uint64_t closed;       /* closed by a FIN, whose ever */
        uint64_t closed_first; /* of these, by this host */
        uint64_t timestamps;   /* connections in which both ends used them */
        uint64_t connected;
    } opened, accepted;
    uint64_t time_waits; /* that it held, one after the other or at a time */
    /* The most at a time. */
    uint64_t time_wait_peak, socket_peak, service_peak, port_peak;
};

struct la_judgement {
    enum la_verdict verdict;
    const char *since;  /* LA_VERDICT_GONE: the kernel that has it no more */
    char evidence[256]; /* "" when there is nothing to say */
};

/* What is known; all borrowed. */
struct la_audit {
    const struct la_result *result;
    const struct la_overview *overview; /* of its accounts */
    const struct la_hosts *hosts;       /* with their settings */
};

/* What is known of the host of la_hosts_settings_at(hosts, index). LA_OK or LA_ENOMEM. */
enum la_status la_host_evidence_gather(const struct la_audit *audit, size_t index,
                                       struct la_host_evidence *evidence);

void la_audit_judge(const struct la_setting *setting, const struct la_host_evidence *evidence,
                    struct la_judgement *judgement);

/* "helps here", "gone since Linux 4.12" */
enum { LA_VERDICT_TEXT = 32 };
const char *la_verdict_text(const struct la_judgement *judgement, char buf[LA_VERDICT_TEXT]);

#endif
