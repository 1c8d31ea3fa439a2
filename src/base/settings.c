/* The text may come from anywhere: lines are bounded, only known names are kept, and numbers are
 * held against the bounds that the kernel has for them. */
#include "base/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096, SHOWN = 64 };

struct setting {
    char *name, *value; /* owned */
};

struct la_host_settings {
    struct setting *items; /* owned; by name */
    size_t count, capacity;
    char *path;                               /* owned */
    char *complaints[LA_SETTINGS_COMPLAINTS]; /* owned */
    size_t left_out;                          /* lines that were not understood */
};

/* Names */

/* net.ipv4.tcp_... of the kernels 2.6.32 to 6.18. */
static const char *const tcp_names[] = {
    "abc",
    "abort_on_overflow",
    "adv_win_scale",
    "allowed_congestion_control",
    "ao_keys_limit",
    "app_win",
    "autocorking",
    "available_congestion_control",
    "available_ulp",
    "backlog_ack_defer",
    "base_mss",
    "challenge_ack_limit",
    "child_ehash_entries",
    "comp_sack_delay_ns",
    "comp_sack_nr",
    "comp_sack_rtt_percent",
    "comp_sack_slack_ns",
    "congestion_control",
    "cookie_size",
    "default_init_rwnd",
    "dma_copybreak",
    "dsack",
    "early_demux",
    "early_retrans",
    "ecn",
    "ecn_fallback",
    "ecn_option",
    "ecn_option_beacon",
    "ehash_entries",
    "fack",
    "fastopen",
    "fastopen_blackhole_timeout_sec",
    "fastopen_key",
    "fin_timeout",
    "frto",
    "frto_response",
    "fwmark_accept",
    "invalid_ratelimit",
    "keepalive_intvl",
    "keepalive_probes",
    "keepalive_time",
    "l3mdev_accept",
    "limit_output_bytes",
    "low_latency",
    "max_orphans",
    "max_reordering",
    "max_ssthresh",
    "max_syn_backlog",
    "max_tw_buckets",
    "md5sig_pool",
    "mem",
    "migrate_req",
    "min_rtt_wlen",
    "min_snd_mss",
    "min_tso_segs",
    "moderate_rcvbuf",
    "mtu_probe_floor",
    "mtu_probing",
    "no_metrics_save",
    "no_ssthresh_metrics_save",
    "notsent_lowat",
    "orphan_retries",
    "pacing_ca_ratio",
    "pacing_ss_ratio",
    "pingpong_thresh",
    "plb_cong_thresh",
    "plb_enabled",
    "plb_idle_rehash_rounds",
    "plb_rehash_rounds",
    "plb_suspend_rto_sec",
    "probe_interval",
    "probe_threshold",
    "rcvbuf_low_rtt",
    "recovery",
    "reflect_tos",
    "reordering",
    "retrans_collapse",
    "retries1",
    "retries2",
    "rfc1337",
    "rmem",
    "rto_max_ms",
    "rto_min_us",
    "rx_skb_cache",
    "sack",
    "shrink_window",
    "slow_start_after_idle",
    "stdurg",
    "syn_linear_timeouts",
    "syn_retries",
    "synack_retries",
    "syncookies",
    "thin_dupack",
    "thin_linear_timeouts",
    "timestamps",
    "tso_rtt_log",
    "tso_win_divisor",
    "tw_recycle",
    "tw_reuse",
    "tw_reuse_delay",
    "tx_skb_cache",
    "use_userconfig",
    "vegas_cong_avoid",
    "westwood",
    "window_scaling",
    "wmem",
    "workaround_signed_windows",
};

static const char *const other_names[] = {
    "fs.file-max",
    "net.core.netdev_max_backlog",
    "net.core.optmem_max",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.ip_autobind_reuse",
    "net.ipv4.ip_default_ttl",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.nf_conntrack_max",
};

/* The rest of the system: what `sysctl -a` begins its lines with. */
static const char *const trees[] = {
    "abi.",    "crypto.", "debug.",  "dev.",  "fs.", "fscache.",
    "kernel.", "net.",    "sunrpc.", "user.", "vm.",
};

static const char tcp_prefix[] = "net.ipv4.tcp_",
                  conntrack_prefix[] = "net.netfilter.nf_conntrack_";

static bool has_prefix(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_in(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

enum kind { KIND_KEPT, KIND_FOREIGN, KIND_UNKNOWN };

static bool is_of_a_tree(const char *name) {
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++)
        if (has_prefix(name, trees[i]))
            return true;
    return false;
}

/* A misspelt name of TCP is worth a word, and one without its tree; the rest of the system is not.
 */
static enum kind kind_of(const char *name) {
    if (has_prefix(name, tcp_prefix)) {
        bool known =
            is_in(name + strlen(tcp_prefix), tcp_names, sizeof tcp_names / sizeof tcp_names[0]);
        return known ? KIND_KEPT : KIND_UNKNOWN;
    }
    if (has_prefix(name, conntrack_prefix) ||
        is_in(name, other_names, sizeof other_names / sizeof other_names[0]))
        return KIND_KEPT;
    return is_of_a_tree(name) ? KIND_FOREIGN : KIND_UNKNOWN;
}

/* The numbers that timers and rules follow, and what the kernel takes for them. */
static const struct {
    const char *name;
    int64_t least, most;
} numbers[] = {
    {"fs.file-max", 0, INT64_MAX},
    {"net.core.netdev_max_backlog", 0, INT32_MAX},
    {"net.core.optmem_max", 0, INT32_MAX},
    {"net.core.rmem_max", 0, INT32_MAX},
    {"net.core.somaxconn", 0, INT32_MAX},
    {"net.core.wmem_max", 0, INT32_MAX},
    {"net.ipv4.tcp_abort_on_overflow", 0, 255},
    {"net.ipv4.tcp_fin_timeout", 0, 2147483},
    {"net.ipv4.tcp_keepalive_intvl", 0, 2147483},
    {"net.ipv4.tcp_keepalive_probes", 0, 255},
    {"net.ipv4.tcp_keepalive_time", 0, 2147483},
    {"net.ipv4.tcp_max_orphans", 0, INT32_MAX},
    {"net.ipv4.tcp_max_syn_backlog", 0, INT32_MAX},
    {"net.ipv4.tcp_max_tw_buckets", 0, INT32_MAX},
    {"net.ipv4.tcp_orphan_retries", 0, 255},
    {"net.ipv4.tcp_retries1", 0, 255},
    {"net.ipv4.tcp_retries2", 0, 255},
    {"net.ipv4.tcp_rfc1337", 0, 255},
    {"net.ipv4.tcp_rto_max_ms", 1000, 120000},
    {"net.ipv4.tcp_rto_min_us", 1, 200000000},
    {"net.ipv4.tcp_syn_linear_timeouts", 0, 127},
    {"net.ipv4.tcp_syn_retries", 1, 127},
    {"net.ipv4.tcp_synack_retries", 0, 255},
    {"net.ipv4.tcp_syncookies", 0, 255},
    {"net.ipv4.tcp_timestamps", 0, 255},
    {"net.ipv4.tcp_tw_recycle", 0, 1},
    {"net.ipv4.tcp_tw_reuse", 0, 2},
};

static bool parse_number(const char *text, int64_t *value) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *value = number;
    return errno == 0 && end != text && (*end == '\0' || isspace((unsigned char)*end));
}

/* Settings that are several numbers, which grow. */
static const struct {
    const char *name;
    size_t count;
} rows[] = {
    {"net.ipv4.ip_local_port_range", 2},
    {"net.ipv4.tcp_mem", 3},
    {"net.ipv4.tcp_rmem", 3},
    {"net.ipv4.tcp_wmem", 3},
};

enum { ROW_MAX = 3 };

/* Reads exactly `count` numbers. */
static bool parse_row(const char *text, int64_t *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!parse_number(text, &values[i]))
            return false;
        text += strspn(text, " \t");
        text += strcspn(text, " \t");
    }
    return text[strspn(text, " \t")] == '\0';
}

static const char *refuse_row(const char *value, size_t count) {
    int64_t values[ROW_MAX];
    if (!parse_row(value, values, count))
        return count == 2 ? "two numbers were expected" : "three numbers were expected";
    for (size_t i = 0; i < count; i++)
        if (values[i] < (i > 0 ? values[i - 1] : 0))
            return "not a value that the kernel takes";
    return NULL;
}

/* NULL, or what is wrong with the value. */
static const char *refuse_value(const char *name, const char *value) {
    int64_t number;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (!parse_number(value, &number))
            return "no number";
        if (number < numbers[i].least || number > numbers[i].most)
            return "not a value that the kernel takes";
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(name, rows[i].name) == 0)
            return refuse_row(value, rows[i].count);
    return NULL;
}

/* Keeping */

static int by_name(const void *a, const void *b) {
    const struct setting *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static struct setting *find(const struct la_host_settings *settings, const char *name) {
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].name, name) == 0)
            return &settings->items[i];
    return NULL;
}

static bool append(struct la_host_settings *settings, struct setting setting) {
    enum { FEWEST = 64 };
    if (settings->count == settings->capacity) {
        size_t capacity = settings->capacity ? 2 * settings->capacity : FEWEST;
        struct setting *items = realloc(settings->items, capacity * sizeof *items);
        if (!items)
            return false;
        settings->items = items;
        settings->capacity = capacity;
    }
    settings->items[settings->count++] = setting;
    return true;
}

static bool keep(struct la_host_settings *settings, const char *name, const char *value) {
    struct setting *known = find(settings, name);
    char *copy = strdup(value);
    if (known && copy) {
        free(known->value);
        known->value = copy;
        return true;
    }
    char *name_copy = known ? NULL : strdup(name);
    if (name_copy && copy && append(settings, (struct setting){name_copy, copy}))
        return true;
    free(name_copy);
    free(copy);
    return false;
}

/* Reading */

struct reading {
    const char *path;
    size_t line;
    const struct la_settings_listener *listener;
    struct la_host_settings *settings;
};

static void tell(const struct reading *r, const char *text) {
    if (r->listener)
        r->listener->complain(r->listener->context, text);
}

/* False when out of memory. */
static bool complain(struct reading *r, const char *subject, const char *why) {
    char text[LA_ERROR_TEXT];
    size_t index = r->settings->left_out++;
    if (index >= LA_SETTINGS_COMPLAINTS)
        return true;
    snprintf(text, sizeof text, "%s:%zu: '%.*s': %s (it is left out)", r->path, r->line, SHOWN,
             subject, why);
    tell(r, text);
    return (r->settings->complaints[index] = strdup(text)) != NULL;
}

static void complain_of_the_rest(const struct reading *r) {
    char text[LA_ERROR_TEXT];
    if (r->settings->left_out <= LA_SETTINGS_COMPLAINTS)
        return;
    snprintf(text, sizeof text, "%s: %zu more lines were left out", r->path,
             r->settings->left_out - LA_SETTINGS_COMPLAINTS);
    tell(r, text);
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *text) {
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* sysctl takes net/ipv4/tcp_sack as well; a dash in front means that failing is no error. */
static char *normalise(char *name) {
    name = trim(name);
    if (*name == '-')
        name++;
    if (strpbrk(name, "./") && *strpbrk(name, "./") == '/')
        for (char *p = name; *p; p++)
            *p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
    return name;
}

/* What other programs print, and administrators put into the same file */

/* What stands behind `ulimit -n`, "open files (-n)" and "nofiles" (ulimit -a of bash and dash), or
 * "Max open files" (/proc/PID/limits); NULL when it is none of them. */
static const char *open_files_in(const char *text) {
    static const char *const heads[] = {"ulimit -n", "open files", "nofiles",
                                        "-n: file descriptors", "Max open files"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (!has_prefix(text, heads[i]))
            continue;
        text += strlen(heads[i]);
        text += strspn(text, " \t:=");
        return has_prefix(text, "(-n)") ? text + 4 + strspn(text + 4, " \t") : text;
    }
    return NULL;
}

static bool is_limit(const char *text, char out[SHOWN]) {
    size_t length = strcspn(text, " \t");
    if (length == 0 || length >= SHOWN)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return strcmp(out, "unlimited") == 0 || strspn(out, "0123456789") == length;
}

/* "size (-s) 100", "-s: size 100": a limit that is none of ours. */
static bool is_other_limit(const char *text) {
    static const char *const heads[] = {
        "Limit ",  "Max ",           "time(",    "file(",    "data(",  "stack(", "coredump(",
        "memory(", "locked memory(", "process ", "vmemory(", "locks ", "rtprio "};
    const char *close = strchr(text, ')');
    if (text[0] == '-' && isalpha((unsigned char)text[1]) && text[2] == ':')
        return true;
    if (close && close - text > 2 && close[-2] == '-' && isalpha((unsigned char)close[-1]))
        return true;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (has_prefix(text, heads[i]))
            return true;
    return false;
}

/* The other lines of `ss -s`. */
static bool is_of_ss(const char *text) {
    static const char *const heads[] = {"Total:", "Transport", "*",    "RAW",
                                        "UDP",    "TCP",       "INET", "FRAG"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (has_prefix(text, heads[i]) && strchr(" \t:", text[strlen(heads[i])]))
            return true;
    return false;
}

/* "TCP: 12 (estab 3, closed 4, orphaned 0, timewait 2)": kept as "ss.estab" and so on. False when
 * out of memory. */
static bool take_ss(struct reading *r, const char *text) {
    char word[16], number[16], name[24];
    int used;
    while (sscanf(text, " %15[a-z] %15[0-9]%n", word, number, &used) == 2) {
        snprintf(name, sizeof name, "ss.%s", word);
        if (!keep(r->settings, name, number))
            return false;
        text += used;
        text += strcspn(text, ",");
        text += *text == ',';
    }
    return true;
}

/* A line without an equals sign. False when out of memory. */
static bool take_other(struct reading *r, const char *text) {
    char value[SHOWN];
    const char *paren = strchr(text, '(');
    const char *open_files = open_files_in(text);
    if (is_limit(open_files ? open_files : text, value))
        return keep(r->settings, "nofile", value);
    if (has_prefix(text, "TCP:") && paren)
        return take_ss(r, paren + 1);
    if (open_files && *open_files == '\0') /* the command; what it printed is the next line */
        return true;
    if (!open_files && (is_of_ss(text) || is_other_limit(text)))
        return true;
    return complain(r, text, "no setting: NAME = VALUE was expected");
}

/* False when out of memory. */
static bool take_line(struct reading *r, char *line) {
    char *text = trim(line);
    if (*text == '\0' || *text == '#' || *text == ';')
        return true;
    char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return take_other(r, text);
    *equals = '\0';
    char *name = normalise(text), *value = trim(equals + 1);
    enum kind kind = kind_of(name);
    if (kind == KIND_UNKNOWN)
        return complain(r, name, "no such setting is known");
    if (kind != KIND_KEPT)
        return true;
    const char *why = refuse_value(name, value);
    return why ? complain(r, name, why) : keep(r->settings, name, value);
}

/* Reads on to the end of a line that was too long. */
static void skip_line(FILE *file) {
    int c;
    do
        c = getc(file);
    while (c != '\n' && c != EOF);
}

static bool read_lines(struct reading *r, FILE *file) {
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, file)) {
        r->line++;
        size_t length = strlen(line);
        if (length + 1 == sizeof line && line[length - 1] != '\n') {
            skip_line(file);
            if (!complain(r, line, "longer than any setting"))
                return false;
        } else if (!take_line(r, line)) {
            return false;
        }
    }
    return true;
}

enum la_status la_host_settings_read(const char *path, const struct la_settings_listener *listener,
                                     struct la_host_settings **out, struct la_error *err) {
    struct reading r = {.path = path, .listener = listener};
    *out = NULL;
    FILE *file = fopen(path, "r");
    if (!file)
        return la_fail(err, LA_EUSAGE, "--host-settings: %s: %s (give the output of sysctl -a)",
                       path, strerror(errno));
    enum la_status status = LA_OK;
    if (!(r.settings = calloc(1, sizeof *r.settings)) || !(r.settings->path = strdup(path)) ||
        !read_lines(&r, file))
        status = la_fail(err, LA_ENOMEM, "out of memory");
    else if (ferror(file))
        status = la_fail(err, LA_EUSAGE, "--host-settings: %s: %s", path, strerror(errno));
    fclose(file);
    if (status != LA_OK) {
        la_host_settings_free(r.settings);
        return status;
    }
    complain_of_the_rest(&r);
    if (r.settings->count > 1)
        qsort(r.settings->items, r.settings->count, sizeof *r.settings->items, by_name);
    *out = r.settings;
    return LA_OK;
}

void la_host_settings_free(struct la_host_settings *settings) {
    if (!settings)
        return;
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->items[i].name);
        free(settings->items[i].value);
    }
    for (size_t i = 0; i < LA_SETTINGS_COMPLAINTS; i++)
        free(settings->complaints[i]);
    free(settings->path);
    free(settings->items);
    free(settings);
}

const char *la_host_settings_path(const struct la_host_settings *settings) {
    return settings->path;
}

size_t la_host_settings_left_out(const struct la_host_settings *settings) {
    return settings->left_out;
}

const char *la_host_settings_complaint(const struct la_host_settings *settings, size_t index) {
    return index < LA_SETTINGS_COMPLAINTS ? settings->complaints[index] : NULL;
}

const char *la_host_settings_text(const struct la_host_settings *settings, const char *name) {
    const struct setting *setting = find(settings, name);
    return setting ? setting->value : NULL;
}

bool la_host_settings_number(const struct la_host_settings *settings, const char *name,
                             int64_t *value) {
    const char *text = la_host_settings_text(settings, name);
    return text && parse_number(text, value);
}

bool la_host_settings_range(const struct la_host_settings *settings, const char *name,
                            int64_t *from, int64_t *to) {
    int64_t values[2];
    const char *text = la_host_settings_text(settings, name);
    if (!text || !parse_row(text, values, 2))
        return false;
    *from = values[0];
    *to = values[1];
    return true;
}

bool la_host_settings_at(const struct la_host_settings *settings, size_t index, const char **name,
                         const char **value) {
    if (index >= settings->count)
        return false;
    *name = settings->items[index].name;
    *value = settings->items[index].value;
    return true;
}

/* What follows from them, as in the kernel's tcp_timer.c and tcp_minisocks.c */

#define RTO_INITIAL_NS LA_SEC
#define TIMEWAIT_LEN_NS (60 * LA_SEC)

/* Every dump of every kernel has it, and nobody sets it. */
bool la_host_settings_complete(const struct la_host_settings *settings) {
    return la_host_settings_text(settings, "net.ipv4.tcp_available_congestion_control") != NULL;
}

static int64_t number_or(const struct la_host_settings *settings, const char *name,
                         int64_t otherwise) {
    int64_t value;
    return la_host_settings_number(settings, name, &value) ? value : otherwise;
}

static int64_t rto_max_ns(const struct la_host_settings *settings) {
    return number_or(settings, "net.ipv4.tcp_rto_max_ms", 120000) * LA_MSEC;
}

/* An attempt repeats its segment `linear` times a second apart, then with gaps that double. It ends
 * with the timer that finds as many repeats as there may be, or that comes later than so many
 * retries would take without linear ones. */
static int64_t attempt_total(int64_t linear, int64_t retries, int64_t longest_ns) {
    int64_t gap = RTO_INITIAL_NS, total = 0, model = 0;
    for (int64_t n = 0, model_gap = RTO_INITIAL_NS; n <= retries; n++) {
        model += model_gap;
        model_gap = 2 * model_gap < longest_ns ? 2 * model_gap : longest_ns;
    }
    for (int64_t repeats = 0; true; repeats++) {
        if (repeats > linear)
            gap = 2 * gap < longest_ns ? 2 * gap : longest_ns;
        total += gap;
        if (repeats == linear + retries || total >= model)
            return total;
    }
}

static void apply_syn(const struct la_host_settings *settings, struct la_profile *profile) {
    enum { LINEAR = 4 }; /* where the profile's kernel has them (6.5), and they were not changed */
    const int64_t with_linear = attempt_total(LINEAR, 6, 120 * LA_SEC);
    bool has_linear =
        profile->syn_retry_total_ns == with_linear && !la_host_settings_complete(settings);
    int64_t longest = rto_max_ns(settings);
    int64_t linear =
        number_or(settings, "net.ipv4.tcp_syn_linear_timeouts", has_linear ? LINEAR : 0);
    int64_t retries = number_or(settings, "net.ipv4.tcp_syn_retries", 6);
    profile->syn_retry_total_ns = attempt_total(linear, retries, longest);
    retries = number_or(settings, "net.ipv4.tcp_synack_retries", 5);
    profile->syn_ack_retry_total_ns = attempt_total(0, retries, longest);
}

/* retransmits_timed_out(): as many doublings of the shortest RTO as there are retries, at most to
 * the longest one. */
static int64_t retries_total(const struct la_host_settings *settings, int64_t retries,
                             int64_t rto_min_ns) {
    int64_t longest = rto_max_ns(settings), gap = rto_min_ns, total = 0;
    for (int64_t n = 0; n <= retries; n++) {
        total += gap;
        gap = 2 * gap < longest ? 2 * gap : longest;
    }
    return total;
}

static void apply_retries(const struct la_host_settings *settings, struct la_profile *profile) {
    int64_t orphan = number_or(settings, "net.ipv4.tcp_orphan_retries", 0);
    if (orphan == 0)
        orphan = 8; /* that is what 0 means */
    int64_t data = number_or(settings, "net.ipv4.tcp_retries2", 15);
    profile->orphan_retry_total_ns = retries_total(settings, orphan, profile->rto_min_ns);
    profile->data_retry_total_ns = retries_total(settings, data, profile->rto_min_ns);
}

static void apply_keepalive(const struct la_host_settings *settings, struct la_profile *profile) {
    int64_t value;
    if (la_host_settings_number(settings, "net.ipv4.tcp_keepalive_time", &value)) {
        profile->keepalive_idle_ns = value * LA_SEC;
        profile->keepalive_told = true;
    }
    if (la_host_settings_number(settings, "net.ipv4.tcp_keepalive_intvl", &value))
        profile->keepalive_interval_ns = value * LA_SEC;
    if (la_host_settings_number(settings, "net.ipv4.tcp_keepalive_probes", &value))
        profile->keepalive_probes = (uint32_t)value;
}

/* Past 60 s an orphan waits T - 60 s as a full socket and as long again as a small one; it never
 * waits less than 3.5 RTO. */
static void apply_fin(const struct la_host_settings *settings, struct la_profile *profile) {
    int64_t timeout;
    if (la_host_settings_number(settings, "net.ipv4.tcp_fin_timeout", &timeout)) {
        int64_t ns = timeout * LA_SEC, least = profile->rto_min_ns * 7 / 2;
        ns = ns > TIMEWAIT_LEN_NS ? 2 * (ns - TIMEWAIT_LEN_NS) : ns;
        profile->fin_wait_2_orphan_ns = ns > least ? ns : least;
    }
    /* No room for a small socket: neither TIME-WAIT nor an orphan's FIN-WAIT-2 exists. */
    if (number_or(settings, "net.ipv4.tcp_max_tw_buckets", 1) == 0)
        profile->time_wait_ns = profile->fin_wait_2_orphan_ns = 0;
}

void la_host_settings_apply(const struct la_host_settings *settings, struct la_profile *profile) {
    int64_t value;
    if (la_host_settings_number(settings, "net.ipv4.tcp_rto_min_us", &value))
        profile->rto_min_ns = value * LA_USEC;
    apply_syn(settings, profile);
    apply_retries(settings, profile);
    apply_keepalive(settings, profile);
    apply_fin(settings, profile);
    if (la_host_settings_number(settings, "net.ipv4.tcp_rfc1337", &value))
        profile->rst_kills_time_wait = value == 0;
    if (la_host_settings_number(settings, "net.ipv4.tcp_tw_recycle", &value))
        profile->tw_recycle_possible = value == 1;
    else if (la_host_settings_complete(settings))
        profile->tw_recycle_possible = false; /* since 4.12 */
}
