/* The numbers: Linux from the 3.13 and 6.18 sources and from measurements on 6.18, FreeBSD 13 and
 * xnu-11417 from their sources, Windows from vendor documents (not verified). */
#include "base/profile.h"

#include "base/settings.h"

#include <assert.h>
#include <stdio.h>
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
        .first_port = 32768,
        .last_port = 60999,
        .syn_retry_total_ns = 131 * LA_SEC,
        .syn_ack_retry_total_ns = 63 * LA_SEC,
        .orphan_retry_total_ns = 102200 * LA_MSEC,
        .data_retry_total_ns = 924600 * LA_MSEC,
        .keepalive_idle_ns = 7200 * LA_SEC,
        .keepalive_interval_ns = 75 * LA_SEC,
        .keepalive_probes = 9,
        .rst_before_next_accepted = true,
        .close_wait_ns = LA_SEC,
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
        .first_port = 32768,
        .last_port = 60999,
        .syn_retry_total_ns = 127 * LA_SEC,
        .syn_ack_retry_total_ns = 63 * LA_SEC,
        .orphan_retry_total_ns = 102200 * LA_MSEC,
        .data_retry_total_ns = 924600 * LA_MSEC,
        .keepalive_idle_ns = 7200 * LA_SEC,
        .keepalive_interval_ns = 75 * LA_SEC,
        .keepalive_probes = 9,
        .rst_before_next_accepted = true,
        .close_wait_ns = LA_SEC,
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
        .first_port = 32768,
        .last_port = 61000,
        .syn_retry_total_ns = 127 * LA_SEC,
        .syn_ack_retry_total_ns = 63 * LA_SEC,
        .orphan_retry_total_ns = 102200 * LA_MSEC,
        .data_retry_total_ns = 924600 * LA_MSEC,
        .keepalive_idle_ns = 7200 * LA_SEC,
        .keepalive_interval_ns = 75 * LA_SEC,
        .keepalive_probes = 9,
        .close_wait_ns = LA_SEC,
    },
    {
        .name = "freebsd",
        .time_wait_ns = 60 * LA_SEC,
        .fin_wait_2_orphan_ns = 600 * LA_SEC,
        .time_wait_refusal = LA_REFUSAL_SILENCE,
        .syn_resend_ns = LA_SEC,
        .rto_min_ns = 230 * LA_MSEC,
        .first_port = 10000,
        .last_port = 65535,
        .syn_retry_total_ns = 75 * LA_SEC,
        .syn_ack_retry_total_ns = 15600 * LA_MSEC,
        .orphan_retry_total_ns = 500 * LA_SEC,
        .data_retry_total_ns = 500 * LA_SEC,
        .keepalive_idle_ns = 7200 * LA_SEC,
        .keepalive_interval_ns = 75 * LA_SEC,
        .keepalive_probes = 8,
        .close_wait_ns = LA_SEC,
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
        .first_port = 49152,
        .last_port = 65535,
        .syn_retry_total_ns = 75 * LA_SEC,
        .syn_ack_retry_total_ns = 75 * LA_SEC,
        .orphan_retry_total_ns = 500 * LA_SEC,
        .data_retry_total_ns = 500 * LA_SEC,
        .keepalive_idle_ns = 7200 * LA_SEC,
        .keepalive_interval_ns = 75 * LA_SEC,
        .keepalive_probes = 8,
        .rst_before_next_accepted = true,
        .close_wait_ns = LA_SEC,
    },
    {
        .name = "windows",
        .time_wait_ns = 120 * LA_SEC,
        .fin_wait_2_orphan_ns = 240 * LA_SEC,
        .time_wait_refusal = LA_REFUSAL_UNKNOWN,
        .syn_resend_ns = LA_SEC,
        .rto_min_ns = 300 * LA_MSEC,
        .first_port = 49152,
        .last_port = 65535,
        .syn_retry_total_ns = 21 * LA_SEC,
        .syn_ack_retry_total_ns = 21 * LA_SEC,
        .orphan_retry_total_ns = 20 * LA_SEC,
        .data_retry_total_ns = 20 * LA_SEC,
        .keepalive_idle_ns = 7200 * LA_SEC,
        .keepalive_interval_ns = 1 * LA_SEC,
        .keepalive_probes = 10,
        .close_wait_ns = LA_SEC,
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

/* What was said of a host, or of all others. */
struct host {
    struct la_addr addr;
    const struct la_profile *profile;  /* NULL: nothing was said */
    struct la_host_settings *settings; /* owned; NULL: nothing was said */
    struct la_profile effective;       /* what follows from it */
};

struct la_hosts {
    struct host others;
    struct host *hosts; /* owned */
    size_t count;
    int64_t time_wait_ns, close_wait_ns; /* 0: as the profiles say */
};

static bool is_linux(const struct la_profile *profile) {
    return strncmp(profile->name, "linux", strlen("linux")) == 0;
}

static void refresh_host(const struct la_hosts *hosts, struct host *host) {
    const struct la_profile *base = host->profile ? host->profile : hosts->others.profile;
    assert(base); /* others always have one */
    const struct la_host_settings *settings =
        host->settings ? host->settings : hosts->others.settings;
    host->effective = *base;
    if (settings && is_linux(base))
        la_host_settings_apply(settings, &host->effective);
    if (hosts->time_wait_ns > 0)
        host->effective.time_wait_ns = hosts->time_wait_ns;
    if (hosts->close_wait_ns > 0)
        host->effective.close_wait_ns = hosts->close_wait_ns;
}

/* Whatever was said, the order does not matter. */
static void refresh(struct la_hosts *hosts) {
    refresh_host(hosts, &hosts->others);
    for (size_t i = 0; i < hosts->count; i++)
        refresh_host(hosts, &hosts->hosts[i]);
}

struct la_hosts *la_hosts_new(void) {
    struct la_hosts *hosts = calloc(1, sizeof *hosts);
    if (!hosts)
        return NULL;
    hosts->others.profile = la_profile_default();
    refresh(hosts);
    return hosts;
}

void la_hosts_free(struct la_hosts *hosts) {
    if (!hosts)
        return;
    for (size_t i = 0; i < hosts->count; i++)
        la_host_settings_free(hosts->hosts[i].settings);
    la_host_settings_free(hosts->others.settings);
    free(hosts->hosts);
    free(hosts);
}

static const struct host *find_host(const struct la_hosts *hosts, const struct la_addr *addr) {
    for (size_t i = 0; i < hosts->count; i++)
        if (la_addr_cmp(&hosts->hosts[i].addr, addr) == 0)
            return &hosts->hosts[i];
    return NULL;
}

/* The entry of a host, made when there is none; NULL when out of memory. */
static struct host *host_of(struct la_hosts *hosts, const struct la_addr *addr) {
    struct host *known = (struct host *)find_host(hosts, addr);
    if (known)
        return known;
    struct host *grown = realloc(hosts->hosts, (hosts->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    hosts->hosts = grown;
    grown[hosts->count] = (struct host){.addr = *addr};
    return &grown[hosts->count++];
}

static enum la_status unknown_profile(const char *name, struct la_error *err) {
    char list[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < PROFILE_COUNT && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "",
                                 profiles[i].name);
    return la_fail(err, LA_EUSAGE, "--os: no profile '%s' (there are: %s)", name, list);
}

/* Reads what stands before the equals sign. */
static bool parse_host(const char *spec, const char *equals, char text[LA_ADDR_TEXT],
                       struct la_addr *addr) {
    size_t length = (size_t)(equals - spec);
    if (length >= LA_ADDR_TEXT)
        length = LA_ADDR_TEXT - 1;
    memcpy(text, spec, length);
    text[length] = '\0';
    return la_addr_parse(text, addr);
}

enum la_status la_hosts_set_profile(struct la_hosts *hosts, const char *spec,
                                    struct la_error *err) {
    const char *equals = strchr(spec, '=');
    const char *name = equals ? equals + 1 : spec;
    const struct la_profile *profile = la_profile_find(name);
    char text[LA_ADDR_TEXT];
    struct la_addr addr;
    if (!profile)
        return unknown_profile(name, err);
    if (equals && !parse_host(spec, equals, text, &addr))
        return la_fail(err, LA_EUSAGE, "--os: '%s' is no address (write ADDRESS=PROFILE)", text);
    struct host *host = equals ? host_of(hosts, &addr) : &hosts->others;
    if (!host)
        return la_fail(err, LA_ENOMEM, "out of memory");
    host->profile = profile;
    refresh(hosts);
    return LA_OK;
}

/* What stands before the first equals sign and is no address belongs to the file's name. */
enum la_status la_hosts_set_settings(struct la_hosts *hosts, const char *spec,
                                     const struct la_settings_listener *listener,
                                     struct la_error *err) {
    const char *equals = strchr(spec, '=');
    char text[LA_ADDR_TEXT];
    struct la_addr addr;
    struct la_host_settings *settings;
    bool one_host = equals && parse_host(spec, equals, text, &addr);
    enum la_status status =
        la_host_settings_read(one_host ? equals + 1 : spec, listener, &settings, err);
    if (status != LA_OK)
        return status;
    struct host *host = one_host ? host_of(hosts, &addr) : &hosts->others;
    if (!host) {
        la_host_settings_free(settings);
        return la_fail(err, LA_ENOMEM, "out of memory");
    }
    la_host_settings_free(host->settings);
    host->settings = settings;
    refresh(hosts);
    return LA_OK;
}

enum la_status la_hosts_set_time_wait(struct la_hosts *hosts, int64_t ns, struct la_error *err) {
    if (ns <= 0 || ns > 3600 * LA_SEC)
        return la_fail(err, LA_EUSAGE, "--time-wait: between 1 ns and 1 hour, please");
    hosts->time_wait_ns = ns;
    refresh(hosts);
    return LA_OK;
}

enum la_status la_hosts_set_close_wait(struct la_hosts *hosts, int64_t ns, struct la_error *err) {
    if (ns <= 0 || ns > 24 * 3600 * LA_SEC)
        return la_fail(err, LA_EUSAGE, "--close-wait: between 1 ns and 1 day, please");
    hosts->close_wait_ns = ns;
    refresh(hosts);
    return LA_OK;
}

const struct la_profile *la_hosts_profile(const struct la_hosts *hosts,
                                          const struct la_addr *addr) {
    if (!hosts)
        return la_profile_default();
    const struct host *host = addr ? find_host(hosts, addr) : NULL;
    return host ? &host->effective : &hosts->others.effective;
}

/* How many hosts with settings of their own come before `host`. */
static size_t rank_of(const struct la_hosts *hosts, const struct host *host) {
    size_t rank = 0;
    for (size_t i = 0; i < hosts->count; i++)
        rank += hosts->hosts[i].settings && la_addr_cmp(&hosts->hosts[i].addr, &host->addr) < 0;
    return rank;
}

const struct la_host_settings *la_hosts_settings_at(const struct la_hosts *hosts, size_t index,
                                                    const struct la_addr **addr) {
    *addr = NULL;
    if (!hosts)
        return NULL;
    if (hosts->others.settings && index-- == 0)
        return hosts->others.settings;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->hosts[i];
        if (!host->settings || rank_of(hosts, host) != index)
            continue;
        *addr = &host->addr;
        return host->settings;
    }
    return NULL;
}

const struct la_host_settings *la_hosts_settings(const struct la_hosts *hosts,
                                                 const struct la_addr *addr) {
    const struct host *host = hosts ? find_host(hosts, addr) : NULL;
    if (host && host->settings)
        return host->settings;
    return hosts ? hosts->others.settings : NULL;
}
