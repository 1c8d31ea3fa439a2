#include "audit/setting.h"

#include "audit/judge.h"

#include <string.h>

/* In the order in which a report and `lastack explain` name them: what closes and reuses, what
 * opens, what gives up, what keeps alive, ports and queues, memory, files. */
static const struct la_setting settings[] = {
    {"tcp_tw_reuse", "net.ipv4.tcp_tw_reuse", "2", judge_tw_reuse},
    {"tcp_tw_recycle", "net.ipv4.tcp_tw_recycle", NULL, judge_tw_recycle},
    {"tcp_fin_timeout", "net.ipv4.tcp_fin_timeout", "60", judge_fin_timeout},
    {"tcp_max_tw_buckets", "net.ipv4.tcp_max_tw_buckets", NULL, judge_max_tw_buckets},
    {"tcp_timestamps", "net.ipv4.tcp_timestamps", "1", judge_timestamps},
    {"tcp_rfc1337", "net.ipv4.tcp_rfc1337", "0", judge_rfc1337},
    {"tcp_syncookies", "net.ipv4.tcp_syncookies", "1", judge_syncookies},
    {"tcp_max_syn_backlog", "net.ipv4.tcp_max_syn_backlog", NULL, judge_max_syn_backlog},
    {"somaxconn", "net.core.somaxconn", "4096", judge_somaxconn},
    {"tcp_abort_on_overflow", "net.ipv4.tcp_abort_on_overflow", "0", judge_abort_on_overflow},
    {"tcp_syn_retries", "net.ipv4.tcp_syn_retries", "6", judge_syn_retries},
    {"tcp_synack_retries", "net.ipv4.tcp_synack_retries", "5", judge_synack_retries},
    {"tcp_orphan_retries", "net.ipv4.tcp_orphan_retries", "0", judge_orphan_retries},
    {"tcp_max_orphans", "net.ipv4.tcp_max_orphans", NULL, judge_max_orphans},
    {"tcp_retries1", "net.ipv4.tcp_retries1", "3", judge_nothing},
    {"tcp_retries2", "net.ipv4.tcp_retries2", "15", judge_retries2},
    {"tcp_keepalive_time", "net.ipv4.tcp_keepalive_time", "7200", judge_keepalive_time},
    {"tcp_keepalive_probes", "net.ipv4.tcp_keepalive_probes", "9", judge_keepalive_death},
    {"tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_intvl", "75", judge_keepalive_death},
    {"ip_local_port_range", "net.ipv4.ip_local_port_range", "32768 60999", judge_port_range},
    {"netdev_max_backlog", "net.core.netdev_max_backlog", NULL, judge_nothing},
    {"tcp_mem", "net.ipv4.tcp_mem", NULL, judge_nothing},
    {"tcp_rmem", "net.ipv4.tcp_rmem", NULL, judge_receive_buffer},
    {"tcp_wmem", "net.ipv4.tcp_wmem", NULL, judge_send_buffer},
    {"rmem_max", "net.core.rmem_max", NULL, judge_receive_buffer},
    {"wmem_max", "net.core.wmem_max", NULL, judge_send_buffer},
    {"optmem_max", "net.core.optmem_max", NULL, judge_nothing},
    {"file-max", "fs.file-max", NULL, judge_file_max},
    {"nofile", "nofile", NULL, judge_nofile},
};

enum { SETTING_COUNT = sizeof settings / sizeof settings[0] };

const struct la_setting *la_setting_at(size_t index) {
    return index < SETTING_COUNT ? &settings[index] : NULL;
}

const struct la_setting *la_setting_find(const char *name) {
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(settings[i].name, name) == 0 || strcmp(settings[i].full_name, name) == 0)
            return &settings[i];
    return NULL;
}
