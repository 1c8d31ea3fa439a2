/* The numbers: Linux from the 3.13 and 6.18 sources and from measurements on 6.18, FreeBSD 13 and
 * xnu-11417 from their sources, Windows from vendor documents (not verified). */
#include "base/profile.h"

#include <stdlib.h>
#include <string.h>

static const struct la_profile profiles[] = {
    {
        .name = "linux", /* 5.6 and later */
        .time_wait_ns = 60 * LA_SEC,
        .fin_wait_2_orphan_ns = 60 * LA_SEC,
        .rst_kills_time_wait = true,
        .time_wait_knows_timestamps = true,
        .time_wait_refusal = LA_REFUSAL_ACK,
        .syn_resend_ns = 12 * LA_MSEC,
        .time_wait_freezes_ts_recent = true,
        .rto_min_ns = 200 * LA_MSEC,
        .syn_retry_total_ns = 131 * LA_SEC,
        .syn_ack_retry_total_ns = 63 * LA_SEC,
        .orphan_retry_total_ns = 102200 * LA_MSEC,
        .rst_before_next_accepted = true,
    },
    {
        .name = "linux-legacy", /* 3.6 to 5.5 */
        .time_wait_ns = 60 * LA_SEC,
        .fin_wait_2_orphan_ns = 60 * LA_SEC,
        .rst_kills_time_wait = true,
        .time_wait_knows_timestamps = true,
        .time_wait_refusal = LA_REFUSAL_ACK,
        .syn_resend_ns = LA_SEC,
        .tw_recycle_possible = true,
        .time_wait_freezes_ts_recent = true,
        .rto_min_ns = 200 * LA_MSEC,
        .syn_retry_total_ns = 127 * LA_SEC,
        .syn_ack_retry_total_ns = 63 * LA_SEC,
        .orphan_retry_total_ns = 102200 * LA_MSEC,
        .rst_before_next_accepted = true,
    },
    {
        .name = "linux-ancient", /* up to 3.5 */
        .time_wait_ns = 60 * LA_SEC,
        .fin_wait_2_orphan_ns = 60 * LA_SEC,
        .rst_kills_time_wait = true,
        .time_wait_knows_timestamps = true,
        .time_wait_refusal = LA_REFUSAL_ACK,
        .in_window_syn_aborts = true,
        .syn_resend_ns = LA_SEC,
        .tw_recycle_possible = true,
        .time_wait_freezes_ts_recent = true,
        .rto_min_ns = 200 * LA_MSEC,
        .syn_retry_total_ns = 127 * LA_SEC,
        .syn_ack_retry_total_ns = 63 * LA_SEC,
        .orphan_retry_total_ns = 102200 * LA_MSEC,
    },
    {
        .name = "freebsd",
        .time_wait_ns = 60 * LA_SEC,
        .fin_wait_2_orphan_ns = 600 * LA_SEC,
        .time_wait_refusal = LA_REFUSAL_SILENCE,
        .syn_resend_ns = LA_SEC,
        .rto_min_ns = 230 * LA_MSEC,
        .syn_retry_total_ns = 75 * LA_SEC,
        .syn_ack_retry_total_ns = 15600 * LA_MSEC,
        .orphan_retry_total_ns = 500 * LA_SEC,
    },
    {
        .name = "macos",
        .time_wait_ns = 30 * LA_SEC,
        .fin_wait_2_orphan_ns = 60 * LA_SEC,
        .fin_wait_2_expiry_resets = true,
        .time_wait_knows_timestamps = true,
        .time_wait_refusal = LA_REFUSAL_ACK,
        .syn_resend_ns = LA_SEC,
        .rto_min_ns = 230 * LA_MSEC,
        .syn_retry_total_ns = 75 * LA_SEC,
        .syn_ack_retry_total_ns = 75 * LA_SEC,
        .orphan_retry_total_ns = 500 * LA_SEC,
        .rst_before_next_accepted = true,
    },
    {
        .name = "windows",
        .time_wait_ns = 120 * LA_SEC,
        .fin_wait_2_orphan_ns = 240 * LA_SEC,
        .time_wait_refusal = LA_REFUSAL_UNKNOWN,
        .syn_resend_ns = LA_SEC,
        .rto_min_ns = 300 * LA_MSEC,
        .syn_retry_total_ns = 21 * LA_SEC,
        .syn_ack_retry_total_ns = 21 * LA_SEC,
        .orphan_retry_total_ns = 20 * LA_SEC,
    },
};

enum { PROFILE_COUNT = sizeof profiles / sizeof profiles[0] };

const struct la_profile *la_profile_at(size_t index) {
    return index < PROFILE_COUNT ? &profiles[index] : NULL;
}

const struct la_profile *la_profile_find(const char *name) {
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    return NULL;
}

const struct la_profile *la_profile_default(void) {
    return &profiles[0];
}

struct host {
    struct la_addr addr;
    size_t profile;
};

struct la_hosts {
    /* A copy of all profiles, so that overrides reach every host and stay stable in memory. */
    struct la_profile profiles[PROFILE_COUNT];
    size_t fallback;
    struct host *hosts; /* owned */
    size_t count;
};

struct la_hosts *la_hosts_new(void) {
    struct la_hosts *hosts = calloc(1, sizeof *hosts);
    if (hosts)
        memcpy(hosts->profiles, profiles, sizeof profiles);
    return hosts;
}

void la_hosts_free(struct la_hosts *hosts) {
    if (!hosts)
        return;
    free(hosts->hosts);
    free(hosts);
}

static enum la_status unknown_profile(const char *name, struct la_error *err) {
    char list[128] = "";
    for (size_t i = 0; i < PROFILE_COUNT; i++) {
        if (i > 0)
            strcat(list, ", ");
        strcat(list, profiles[i].name);
    }
    return la_fail(err, LA_EUSAGE, "--os: no profile '%s' (there are: %s)", name, list);
}

enum la_status la_hosts_set_profile(struct la_hosts *hosts, const char *spec,
                                    struct la_error *err) {
    const char *equals = strchr(spec, '=');
    const char *name = equals ? equals + 1 : spec;
    const struct la_profile *profile = la_profile_find(name);
    if (!profile)
        return unknown_profile(name, err);
    size_t index = (size_t)(profile - profiles);
    if (!equals) {
        hosts->fallback = index;
        return LA_OK;
    }
    char text[LA_ADDR_TEXT];
    size_t length = (size_t)(equals - spec);
    struct host host = {.profile = index};
    if (length >= sizeof text)
        length = sizeof text - 1;
    memcpy(text, spec, length);
    text[length] = '\0';
    if (!la_addr_parse(text, &host.addr))
        return la_fail(err, LA_EUSAGE, "--os: '%s' is no address (write ADDRESS=PROFILE)", text);
    struct host *grown = realloc(hosts->hosts, (hosts->count + 1) * sizeof *grown);
    if (!grown)
        return la_fail(err, LA_ENOMEM, "out of memory");
    hosts->hosts = grown;
    hosts->hosts[hosts->count++] = host;
    return LA_OK;
}

enum la_status la_hosts_set_time_wait(struct la_hosts *hosts, int64_t ns, struct la_error *err) {
    if (ns <= 0 || ns > 3600 * LA_SEC)
        return la_fail(err, LA_EUSAGE, "--time-wait: between 1 ns and 1 hour, please");
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        hosts->profiles[i].time_wait_ns = ns;
    return LA_OK;
}

const struct la_profile *la_hosts_profile(const struct la_hosts *hosts,
                                          const struct la_addr *addr) {
    if (!hosts)
        return &profiles[0];
    /* The last word wins, as on any command line. */
    for (size_t i = hosts->count; i > 0; i--)
        if (la_addr_cmp(&hosts->hosts[i - 1].addr, addr) == 0)
            return &hosts->profiles[hosts->hosts[i - 1].profile];
    return &hosts->profiles[hosts->fallback];
}
