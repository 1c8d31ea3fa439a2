/* How each setting is judged. Internal to this room. */
#ifndef LA_AUDIT_JUDGE_H
#define LA_AUDIT_JUDGE_H

#include "audit/audit.h"

typedef void judge(const struct la_host_evidence *evidence, struct la_judgement *judgement);

judge judge_tw_reuse, judge_tw_recycle, judge_fin_timeout, judge_max_tw_buckets, judge_timestamps,
    judge_rfc1337, judge_syncookies, judge_max_syn_backlog, judge_somaxconn,
    judge_abort_on_overflow, judge_syn_retries, judge_synack_retries, judge_orphan_retries,
    judge_max_orphans, judge_retries2, judge_keepalive_time, judge_keepalive_death,
    judge_port_range, judge_receive_buffer, judge_send_buffer, judge_file_max, judge_nofile,
    judge_nothing;

#endif
