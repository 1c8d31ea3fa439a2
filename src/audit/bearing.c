#include "audit/bearing.h"

#include "base/settings.h"

#include <string.h>

/* Where la_finding_says() so. */
static const struct row {
    enum la_kind kind;
    const char *detail, *word;
    enum la_whose whose;
    const char *setting, *field;
} rows[] = {
    {LA_KIND_LOST_FINAL_ACK, NULL, NULL, LA_OF_HOST, "tcp_orphan_retries", "repeats"},
    {LA_KIND_LOST_FINAL_ACK, "outcome", "reset", LA_OF_PEER, "tcp_max_tw_buckets", NULL},
    {LA_KIND_FIN_RETRANSMITTED, NULL, NULL, LA_OF_HOST, "tcp_orphan_retries", "repeats"},
    {LA_KIND_RECYCLED_PORT_RST, NULL, NULL, LA_OF_CLIENT, "ip_local_port_range", NULL},
    {LA_KIND_TIMESTAMP_REJECTED_SYN, NULL, NULL, LA_OF_CLIENT, "tcp_timestamps", NULL},
    {LA_KIND_TIMESTAMP_REJECTED_SYN, NULL, NULL, LA_OF_SERVER, "tcp_timestamps", NULL},
    {LA_KIND_TIMESTAMP_REJECTED_SYN, "mechanism", "per-host", LA_OF_SERVER, "tcp_tw_recycle", NULL},
    {LA_KIND_TIME_WAIT_REUSE, "side", "client", LA_OF_CLIENT, "tcp_tw_reuse", "time_wait_age"},
    {LA_KIND_OLD_DUPLICATE, "reached", "later-incarnation", LA_OF_CLIENT, "tcp_timestamps", NULL},
    {LA_KIND_OLD_DUPLICATE, "reached", "later-incarnation", LA_OF_SERVER, "tcp_timestamps", NULL},
    {LA_KIND_TIME_WAIT_ASSASSINATION, NULL, NULL, LA_OF_HOST, "tcp_rfc1337", NULL},
    {LA_KIND_SLOW_CLOSE, NULL, NULL, LA_OF_PEER, "tcp_fin_timeout", "age"},
    {LA_KIND_FIN_WAIT_2_TIMEOUT, NULL, NULL, LA_OF_HOST, "tcp_fin_timeout", "waited"},
    {LA_KIND_FIN_WAIT_2_TIMEOUT, "cause", "discarded", LA_OF_HOST, "tcp_max_tw_buckets", NULL},
    {LA_KIND_LAST_ACK_TIMEOUT, NULL, NULL, LA_OF_HOST, "tcp_orphan_retries", "repeats"},
    {LA_KIND_SYN_UNANSWERED, NULL, NULL, LA_OF_CLIENT, "tcp_syn_retries", "attempts"},
    {LA_KIND_SYN_UNANSWERED, "cause", "syn-ack-lost", LA_OF_SERVER, "tcp_synack_retries", NULL},
    {LA_KIND_SYN_RETRANSMITTED, "cause", "syn-dropped", LA_OF_SERVER, "somaxconn", NULL},
    {LA_KIND_SYN_RETRANSMITTED, "cause", "syn-dropped", LA_OF_SERVER, "tcp_max_syn_backlog", NULL},
    {LA_KIND_SYN_RETRANSMITTED, "cause", "syn-dropped", LA_OF_SERVER, "tcp_syncookies", NULL},
    {LA_KIND_SYN_QUEUE_OVERFLOW, NULL, NULL, LA_OF_SERVER, "somaxconn", NULL},
    {LA_KIND_SYN_QUEUE_OVERFLOW, NULL, NULL, LA_OF_SERVER, "tcp_max_syn_backlog", NULL},
    {LA_KIND_SYN_QUEUE_OVERFLOW, NULL, NULL, LA_OF_SERVER, "tcp_syncookies", NULL},
    {LA_KIND_ACCEPT_QUEUE_OVERFLOW, NULL, NULL, LA_OF_SERVER, "somaxconn", NULL},
    {LA_KIND_ACCEPT_QUEUE_OVERFLOW, NULL, NULL, LA_OF_SERVER, "tcp_abort_on_overflow", NULL},
    {LA_KIND_ACCEPT_QUEUE_OVERFLOW, "mechanism", "ack-ignored", LA_OF_SERVER, "tcp_synack_retries",
     "dropped"},
    {LA_KIND_SYN_FLOOD, NULL, NULL, LA_OF_HOST, "tcp_syncookies", NULL},
    {LA_KIND_SYN_FLOOD, NULL, NULL, LA_OF_HOST, "tcp_max_syn_backlog", NULL},
    {LA_KIND_SYN_FLOOD, NULL, NULL, LA_OF_HOST, "somaxconn", NULL},
    {LA_KIND_SYN_FLOOD, NULL, NULL, LA_OF_HOST, "tcp_synack_retries", NULL},
    {LA_KIND_HALF_OPEN, NULL, NULL, LA_OF_HOST, "tcp_keepalive_time", "idle"},
    {LA_KIND_KEEPALIVE, NULL, NULL, LA_OF_SIDE, "tcp_keepalive_time", "idle"},
    {LA_KIND_KEEPALIVE, NULL, NULL, LA_OF_SIDE, "tcp_keepalive_intvl", "interval"},
    {LA_KIND_KEEPALIVE, NULL, NULL, LA_OF_SIDE, "tcp_keepalive_probes", NULL},
    {LA_KIND_KEEPALIVE_DEATH, NULL, NULL, LA_OF_SIDE, "tcp_keepalive_time", "idle"},
    {LA_KIND_KEEPALIVE_DEATH, NULL, NULL, LA_OF_SIDE, "tcp_keepalive_intvl", "interval"},
    {LA_KIND_KEEPALIVE_DEATH, NULL, NULL, LA_OF_SIDE, "tcp_keepalive_probes", "probes"},
    {LA_KIND_RETRANSMISSION_TIMEOUT, "socket", "open", LA_OF_SIDE, "tcp_retries2", "repeats"},
    {LA_KIND_RETRANSMISSION_TIMEOUT, "socket", "orphan", LA_OF_SIDE, "tcp_orphan_retries",
     "repeats"},
    {LA_KIND_ZERO_WINDOW_STALL, NULL, NULL, LA_OF_SIDE, "tcp_rmem", NULL},
    {LA_KIND_ZERO_WINDOW_STALL, NULL, NULL, LA_OF_OTHER_SIDE, "tcp_retries2", "unanswered"},
    {LA_KIND_TIME_WAIT_PILEUP, NULL, NULL, LA_OF_HOST, "tcp_max_tw_buckets", "peak"},
    {LA_KIND_TIME_WAIT_PILEUP, "matters", "ports", LA_OF_HOST, "ip_local_port_range", "limit"},
    {LA_KIND_TIME_WAIT_PILEUP, "matters", "ports", LA_OF_HOST, "tcp_tw_reuse", NULL},
    {LA_KIND_CLOSE_WAIT_PILEUP, NULL, NULL, LA_OF_HOST, "nofile", "peak"},
    {LA_KIND_PORT_EXHAUSTION, NULL, NULL, LA_OF_HOST, "ip_local_port_range", "range"},
    {LA_KIND_PORT_EXHAUSTION, NULL, NULL, LA_OF_HOST, "tcp_tw_reuse", "reused"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* Only sysctl's own can be missing in all that sysctl printed. */
static bool is_absent(const struct la_host_settings *settings, const struct la_setting *setting) {
    return la_host_settings_complete(settings) && strncmp(setting->full_name, "net.", 4) == 0;
}

static struct la_bearing read_value(const struct la_hosts *hosts, const struct la_addr *host,
                                    const struct la_setting *setting) {
    const struct la_host_settings *settings = la_hosts_settings(hosts, host);
    bool current = strcmp(la_hosts_profile(hosts, host)->name, la_profile_default()->name) == 0;
    struct la_bearing bearing = {.host = host, .setting = setting};
    bearing.value = la_host_settings_text(settings, setting->full_name);
    if (bearing.value)
        return bearing;
    bearing.source = is_absent(settings, setting) ? LA_VALUE_ABSENT : LA_VALUE_DEFAULT;
    if (bearing.source == LA_VALUE_DEFAULT && current)
        bearing.value = setting->initial;
    return bearing;
}

size_t la_bearings_of(const struct la_finding *finding, const struct la_hosts *hosts,
                      struct la_bearing bearings[LA_FINDING_SETTINGS]) {
    size_t count = 0;
    for (size_t i = 0; hosts && i < ROWS && count < LA_FINDING_SETTINGS; i++) {
        const struct row *row = &rows[i];
        if (row->kind != finding->kind || !la_finding_says(finding, row->detail, row->word))
            continue;
        const struct la_addr *host = la_finding_whose(finding, row->whose);
        if (!host || !la_hosts_settings(hosts, host))
            continue;
        bearings[count] = read_value(hosts, host, la_setting_find(row->setting));
        bearings[count++].field = row->field;
    }
    return count;
}

bool la_bearing_row(size_t index, enum la_kind *kind, const char **setting, const char **field) {
    if (index >= ROWS)
        return false;
    *kind = rows[index].kind;
    *setting = rows[index].setting;
    *field = rows[index].field;
    return true;
}

const char *la_value_source_name(enum la_value_source source) {
    static const char *const names[] = {"file", "default", "absent"};
    return names[source];
}
