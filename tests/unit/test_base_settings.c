/* The text of sysctl: what is kept of it, what is complained of, and what timers make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings.h"

enum { HEARD_MAX = 16 };

struct heard {
    char lines[HEARD_MAX][LA_ERROR_TEXT];
    size_t count;
};

static void hear(void *context, const char *text) {
    struct heard *heard = context;
    assert_true(heard->count < HEARD_MAX);
    snprintf(heard->lines[heard->count++], LA_ERROR_TEXT, "%s", text);
}

static char path[] = "/tmp/lastack-settings-XXXXXX";

static void write_file(const char *text, size_t length) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static struct la_host_settings *read_text(const char *text, struct heard *heard) {
    const struct la_settings_listener listener = {hear, heard};
    struct la_host_settings *settings;
    struct la_error err = {0};
    write_file(text, strlen(text));
    memset(heard, 0, sizeof *heard);
    if (la_host_settings_read(path, &listener, &settings, &err) != LA_OK)
        fail_msg("%s", err.text);
    return settings;
}

static void both_forms_of_the_text_are_read(void **unused) {
    (void)unused;
    struct heard heard;
    struct la_host_settings *s = read_text("# sysctl.conf\n"
                                           "; another comment\n"
                                           "\n"
                                           "net.ipv4.tcp_fin_timeout = 30\r\n"
                                           "net.ipv4.tcp_tw_reuse=1\n"
                                           "-net.ipv4.tcp_rfc1337 = 1\n"
                                           "net/ipv4/tcp_syn_retries = 3\n"
                                           "net.ipv4.tcp_rmem = 4096\t131072\t6291456\n"
                                           "net.ipv4.ip_local_port_range = 1024 65535\n"
                                           "net.ipv4.ip_local_reserved_ports = \n"
                                           "net.netfilter.nf_conntrack_tcp_timeout_last_ack = 30\n"
                                           "kernel.pid_max = 4194304\n"
                                           "net.ipv4.conf.all.rp_filter = 1\n"
                                           "net.ipv4.tcp_fin_timeout = 20",
                                           &heard);
    int64_t value = 0;
    assert_int_equal(heard.count, 0);
    assert_true(la_host_settings_number(s, "net.ipv4.tcp_fin_timeout", &value));
    assert_int_equal(value, 20); /* the last word */
    assert_string_equal(la_host_settings_text(s, "net.ipv4.tcp_rfc1337"), "1");
    assert_string_equal(la_host_settings_text(s, "net.ipv4.tcp_syn_retries"), "3");
    assert_true(la_host_settings_number(s, "net.ipv4.ip_local_port_range", &value));
    assert_int_equal(value, 1024);
    assert_string_equal(la_host_settings_text(s, "net.ipv4.ip_local_reserved_ports"), "");
    assert_false(la_host_settings_number(s, "net.ipv4.ip_local_reserved_ports", &value));
    assert_string_equal(la_host_settings_text(s, "net.ipv4.tcp_rmem"), "4096\t131072\t6291456");
    assert_null(la_host_settings_text(s, "kernel.pid_max"));
    assert_null(la_host_settings_text(s, "net.ipv4.tcp_sack"));
    const char *name, *text, *before = "";
    size_t count = 0;
    for (; la_host_settings_at(s, count, &name, &text); count++) {
        assert_true(strcmp(before, name) < 0);
        before = name;
    }
    assert_int_equal(count, 8);
    la_host_settings_free(s);
    la_host_settings_free(NULL);
}

static void what_is_not_understood_is_named(void **unused) {
    (void)unused;
    static const struct {
        const char *line, *why;
    } cases[] = {{"net.ipv4.tcp_fin_timout = 30", "no such setting is known"},
                 {"net.ipv4.tcp_fin_timeout = soon", "no number"},
                 {"net.ipv4.tcp_fin_timeout = 30s", "no number"},
                 {"net.ipv4.tcp_fin_timeout =", "no number"},
                 {"net.ipv4.tcp_fin_timeout = -1", "not a value"},
                 {"net.ipv4.tcp_syn_retries = 99999999999999999999", "no number"},
                 {"net.ipv4.tcp_orphan_retries = 256", "not a value"},
                 {"net.ipv4.tcp_rmem = 4096 131072", "three numbers"},
                 {"net.ipv4.tcp_rmem = 4096 131072 6291456 7", "three numbers"},
                 {"net.ipv4.ip_local_port_range = 1024-65535", "two numbers"},
                 {"net.ipv4.ip_local_port_range = 5000 4000", "not a value"},
                 {"tcp_tw_reuse = 1", "no such setting is known"},
                 {"ulimit -n soon", "NAME = VALUE"},
                 {"open files (-n) 10x", "NAME = VALUE"},
                 {"net.ipv4.tcp_fin_timeout", "NAME = VALUE"},
                 {"= 30", "NAME = VALUE"},
                 {"sysctl: permission denied on key", "NAME = VALUE"}};
    char text[256], where[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct heard heard;
        snprintf(text, sizeof text, "\n%s\nnet.ipv4.tcp_sack = 1\n", cases[i].line);
        struct la_host_settings *s = read_text(text, &heard);
        snprintf(where, sizeof where, "%s:2: ", path);
        assert_int_equal(heard.count, 1);
        assert_int_equal(strncmp(heard.lines[0], where, strlen(where)), 0);
        if (!strstr(heard.lines[0], cases[i].why))
            fail_msg("%s: %s", cases[i].line, heard.lines[0]);
        assert_string_equal(la_host_settings_text(s, "net.ipv4.tcp_sack"), "1");
        assert_null(la_host_settings_text(s, "net.ipv4.tcp_fin_timeout"));
        la_host_settings_free(s);
    }
}

static void open_files_are_read_as_any_shell_prints_them(void **unused) {
    (void)unused;
    static const char *const forms[] = {
        "1024",
        "ulimit -n\n1024",
        "ulimit -n 1024",
        "open files                          (-n) 1024",
        "nofiles              1024",
        "-n: file descriptors                1024",
        ("Limit                     Soft Limit           Hard Limit           Units\n"
         "Max processes             96365                96365                processes\n"
         "Max open files            1024                 524288               files"),
        ("core file size              (blocks, -c) 0\nopen files    (-n) 1024\n"
         "max user processes                  (-u) 96365"),
        "time(seconds)        unlimited\nnofiles              1024\nlocks                unlimited",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct heard heard;
        struct la_host_settings *s = read_text(forms[i], &heard);
        if (heard.count > 0)
            fail_msg("%s", heard.lines[0]);
        const char *value = la_host_settings_text(s, "nofile");
        assert_non_null(value);
        assert_string_equal(value, "1024");
        la_host_settings_free(s);
    }
    struct heard heard;
    struct la_host_settings *s = read_text("unlimited\n", &heard);
    int64_t number;
    assert_string_equal(la_host_settings_text(s, "nofile"), "unlimited");
    assert_false(la_host_settings_number(s, "nofile", &number));
    la_host_settings_free(s);
}

static void what_ss_counted_is_read(void **unused) {
    (void)unused;
    struct heard heard;
    int64_t value = 0;
    struct la_host_settings *s =
        read_text("Total: 183 (kernel 0)\n"
                  "TCP:   12 (estab 3, closed 4, orphaned 1, synrecv 0, timewait 2/0), ports 0\n"
                  "\n"
                  "Transport Total     IP        IPv6\n"
                  "*\t  183       -         -\n"
                  "RAW\t  0         0         0\n"
                  "TCP\t  8         5         3\n"
                  "FRAG\t  0         0         0\n",
                  &heard);
    assert_int_equal(heard.count, 0);
    assert_true(la_host_settings_number(s, "ss.orphaned", &value));
    assert_int_equal(value, 1);
    assert_true(la_host_settings_number(s, "ss.timewait", &value));
    assert_int_equal(value, 2);
    assert_true(la_host_settings_number(s, "ss.estab", &value));
    assert_int_equal(value, 3);
    la_host_settings_free(s);
}

static void complaints_are_kept(void **unused) {
    (void)unused;
    struct heard heard;
    struct la_host_settings *s = read_text("net.ipv4.tcp_typo = 1\nnonsense\n", &heard);
    assert_int_equal(la_host_settings_left_out(s), 2);
    assert_string_equal(la_host_settings_complaint(s, 0), heard.lines[0]);
    assert_string_equal(la_host_settings_complaint(s, 1), heard.lines[1]);
    assert_null(la_host_settings_complaint(s, 2));
    assert_null(la_host_settings_complaint(s, 1000));
    assert_string_equal(la_host_settings_path(s), path);
    assert_false(la_host_settings_complete(s));
    la_host_settings_free(s);
}

static void a_range_is_two_numbers(void **unused) {
    (void)unused;
    struct heard heard;
    int64_t from, to;
    struct la_host_settings *s = read_text("net.ipv4.ip_local_port_range = 1024\t65535\n"
                                           "net.ipv4.tcp_available_congestion_control = reno\n",
                                           &heard);
    assert_true(la_host_settings_range(s, "net.ipv4.ip_local_port_range", &from, &to));
    assert_int_equal(from, 1024);
    assert_int_equal(to, 65535);
    assert_false(la_host_settings_range(s, "net.ipv4.tcp_sack", &from, &to));
    assert_true(la_host_settings_complete(s));
    la_host_settings_free(s);
}

static void complaints_are_bounded(void **unused) {
    (void)unused;
    char text[40 * 8 + 1] = "";
    struct heard heard;
    for (int i = 0; i < 40; i++)
        strcat(text, "nothing\n");
    la_host_settings_free(read_text(text, &heard));
    assert_int_equal(heard.count, LA_SETTINGS_COMPLAINTS + 1);
    assert_non_null(strstr(heard.lines[LA_SETTINGS_COMPLAINTS], "30 more lines"));
}

static void any_bytes_are_survived(void **unused) {
    (void)unused;
    static char bytes[20000];
    struct la_host_settings *s;
    struct la_error err;
    uint32_t random = 7;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = "=\n -./#;\r\t\0net.ipv4.tcp_sack0123\xff"[(random >> 20) % 33];
        }
        if (round % 2 == 0)
            memset(bytes, 'x', 9000); /* a line that is longer than any */
        write_file(bytes, sizeof bytes);
        assert_int_equal(la_host_settings_read(path, NULL, &s, &err), LA_OK);
        la_host_settings_free(s);
    }
}

static void a_file_that_is_not_there_is_named(void **unused) {
    (void)unused;
    struct la_host_settings *s;
    struct la_error err = {0};
    assert_int_equal(la_host_settings_read("/no/such/file", NULL, &s, &err), LA_EUSAGE);
    assert_non_null(strstr(err.text, "/no/such/file"));
    assert_null(s);
    assert_int_equal(la_host_settings_read("/tmp", NULL, &s, &err), LA_EUSAGE);
}

/* Timers */

static struct la_profile applied(const char *profile, const char *text) {
    struct heard heard;
    struct la_profile p = *la_profile_find(profile);
    struct la_host_settings *s = read_text(text, &heard);
    assert_int_equal(heard.count, 0);
    la_host_settings_apply(s, &p);
    la_host_settings_free(s);
    return p;
}

static void defaults_change_nothing(void **unused) {
    (void)unused;
    static const char *const names[] = {"linux", "linux-legacy", "linux-ancient"};
    for (size_t i = 0; i < 3; i++) {
        struct la_profile p = applied(names[i], "net.ipv4.tcp_fin_timeout = 60\n"
                                                "net.ipv4.tcp_syn_retries = 6\n"
                                                "net.ipv4.tcp_synack_retries = 5\n"
                                                "net.ipv4.tcp_orphan_retries = 0\n"
                                                "net.ipv4.tcp_rfc1337 = 0\n");
        assert_memory_equal(&p, la_profile_find(names[i]), sizeof p);
        p = applied(names[i], "");
        assert_memory_equal(&p, la_profile_find(names[i]), sizeof p);
    }
}

/* Measured: 60 gives 60.6 s, 61 gives 2.0 s, 65 gives 10.2 s, 90 gives 62.6 s, 120 gives 121.8 s.
 */
static void an_orphan_waits_an_odd_time(void **unused) {
    (void)unused;
    static const int cases[][2] = {{0, 700},    {3, 3000},     {30, 30000},
                                   {60, 60000}, {61, 2000},    {65, 10000},
                                   {90, 60000}, {120, 120000}, {180, 240000}};
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "net.ipv4.tcp_fin_timeout = %d", cases[i][0]);
        assert_int_equal(applied("linux", text).fin_wait_2_orphan_ns, cases[i][1] * LA_MSEC);
    }
}

static void retries_follow_the_kernel(void **unused) {
    (void)unused;
    static const char dump[] = "net.ipv4.tcp_available_congestion_control = reno cubic\n";
    char text[256];
    /* Measured: 5 retransmissions at 1, 2, 3, 4, 5 s, gone at 7.1 s, when 2 retries are over. */
    assert_int_equal(applied("linux", "net.ipv4.tcp_syn_retries = 2").syn_retry_total_ns,
                     7 * LA_SEC);
    /* 7 retransmissions at 1, 2, 3, 4, 5, 7, 11 s, and the timer after the last one. */
    assert_int_equal(applied("linux", "net.ipv4.tcp_syn_retries = 3").syn_retry_total_ns,
                     19 * LA_SEC);
    assert_int_equal(applied("linux-legacy", "net.ipv4.tcp_syn_retries = 3").syn_retry_total_ns,
                     15 * LA_SEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_syn_retries = 2\n"
                                      "net.ipv4.tcp_syn_linear_timeouts = 0")
                         .syn_retry_total_ns,
                     7 * LA_SEC);
    /* All settings of a kernel that has no linear timeouts. */
    snprintf(text, sizeof text, "%snet.ipv4.tcp_syn_retries = 6\n", dump);
    assert_int_equal(applied("linux", text).syn_retry_total_ns, 127 * LA_SEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_syn_retries = 8\n"
                                      "net.ipv4.tcp_syn_linear_timeouts = 0")
                         .syn_retry_total_ns,
                     (127 + 120 + 120) * LA_SEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_synack_retries = 3").syn_ack_retry_total_ns,
                     15 * LA_SEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_synack_retries = 0").syn_ack_retry_total_ns,
                     LA_SEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_orphan_retries = 4").orphan_retry_total_ns,
                     6200 * LA_MSEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_orphan_retries = 0").orphan_retry_total_ns,
                     102200 * LA_MSEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_orphan_retries = 15").orphan_retry_total_ns,
                     924600 * LA_MSEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_retries2 = 4").data_retry_total_ns,
                     6200 * LA_MSEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_retries2 = 15").data_retry_total_ns,
                     924600 * LA_MSEC);
    assert_int_equal(applied("linux", "net.ipv4.tcp_retries2 = 4\n"
                                      "net.ipv4.tcp_rto_min_us = 5000")
                         .data_retry_total_ns,
                     155 * LA_MSEC);
}

static void keepalive_follows_where_it_is_told(void **unused) {
    (void)unused;
    struct la_profile untold = applied("linux", "net.ipv4.tcp_retries2 = 15");
    assert_false(untold.keepalive_told);
    assert_int_equal(untold.keepalive_idle_ns, 7200 * LA_SEC);
    struct la_profile told = applied("linux", "net.ipv4.tcp_keepalive_time = 600\n"
                                              "net.ipv4.tcp_keepalive_intvl = 30\n"
                                              "net.ipv4.tcp_keepalive_probes = 4");
    assert_true(told.keepalive_told);
    assert_int_equal(told.keepalive_idle_ns, 600 * LA_SEC);
    assert_int_equal(told.keepalive_interval_ns, 30 * LA_SEC);
    assert_int_equal(told.keepalive_probes, 4);
}

static void rules_follow_as_well(void **unused) {
    (void)unused;
    assert_false(applied("linux", "net.ipv4.tcp_rfc1337 = 1").rst_kills_time_wait);
    assert_true(applied("linux", "net.ipv4.tcp_rfc1337 = 0").rst_kills_time_wait);
    assert_false(applied("linux-legacy", "net.ipv4.tcp_tw_recycle = 0").tw_recycle_possible);
    assert_true(applied("linux", "net.ipv4.tcp_tw_recycle = 1").tw_recycle_possible);
    assert_false(applied("linux-legacy", "net.ipv4.tcp_available_congestion_control = reno")
                     .tw_recycle_possible);
    struct la_profile none = applied("linux", "net.ipv4.tcp_max_tw_buckets = 0");
    assert_int_equal(none.time_wait_ns, 0);
    assert_int_equal(none.fin_wait_2_orphan_ns, 0);
    assert_int_equal(applied("linux", "net.ipv4.tcp_rto_min_us = 5000").rto_min_ns, 5 * LA_MSEC);
}

/* Hosts */

static void set_settings(struct la_hosts *hosts, const char *host, const char *text) {
    char spec[128];
    struct la_error err = {0};
    write_file(text, strlen(text));
    snprintf(spec, sizeof spec, "%s%s", host, path);
    if (la_hosts_set_settings(hosts, spec, NULL, &err) != LA_OK)
        fail_msg("%s", err.text);
}

static int64_t orphan_s(const struct la_hosts *hosts, const char *host) {
    struct la_addr addr;
    assert_true(la_addr_parse(host, &addr));
    return la_hosts_profile(hosts, &addr)->fin_wait_2_orphan_ns / LA_SEC;
}

static void hosts_have_settings_of_their_own(void **unused) {
    (void)unused;
    struct la_hosts *hosts = la_hosts_new();
    struct la_addr own, other;
    assert_true(la_addr_parse("10.0.0.1", &own) && la_addr_parse("10.0.0.2", &other));
    assert_null(la_hosts_settings(hosts, &own));
    assert_null(la_hosts_settings(NULL, &own));
    set_settings(hosts, "10.0.0.1=", "net.ipv4.tcp_fin_timeout = 10");
    assert_int_equal(orphan_s(hosts, "10.0.0.1"), 10);
    assert_int_equal(orphan_s(hosts, "10.0.0.2"), 60);
    assert_null(la_hosts_settings(hosts, &other));
    set_settings(hosts, "", "net.ipv4.tcp_fin_timeout = 20");
    assert_int_equal(orphan_s(hosts, "10.0.0.1"), 10);
    assert_int_equal(orphan_s(hosts, "10.0.0.2"), 20);
    set_settings(hosts, "10.0.0.1=", "net.ipv4.tcp_fin_timeout = 30");
    assert_int_equal(orphan_s(hosts, "10.0.0.1"), 30);
    /* The profile may come later, and one that is no Linux keeps its timers. */
    assert_int_equal(la_hosts_set_profile(hosts, "10.0.0.2=linux-legacy", NULL), LA_OK);
    assert_int_equal(orphan_s(hosts, "10.0.0.2"), 20);
    assert_int_equal(la_hosts_set_profile(hosts, "10.0.0.1=freebsd", NULL), LA_OK);
    assert_int_equal(orphan_s(hosts, "10.0.0.1"), 600);
    assert_string_equal(la_hosts_profile(hosts, &own)->name, "freebsd");
    assert_int_equal(la_hosts_set_time_wait(hosts, 7 * LA_SEC, NULL), LA_OK);
    assert_int_equal(la_hosts_profile(hosts, &other)->time_wait_ns, 7 * LA_SEC);
    assert_string_equal(
        la_host_settings_text(la_hosts_settings(hosts, &own), "net.ipv4.tcp_fin_timeout"), "30");
    la_hosts_free(hosts);
}

static void hosts_with_settings_are_listed_by_address(void **unused) {
    (void)unused;
    struct la_hosts *hosts = la_hosts_new();
    const struct la_addr *addr;
    char text[LA_ADDR_TEXT];
    assert_null(la_hosts_settings_at(NULL, 0, &addr));
    assert_null(la_hosts_settings_at(hosts, 0, &addr));
    set_settings(hosts, "10.0.0.3=", "net.ipv4.tcp_sack = 3");
    assert_int_equal(la_hosts_set_profile(hosts, "10.0.0.2=linux", NULL), LA_OK);
    set_settings(hosts, "10.0.0.1=", "net.ipv4.tcp_sack = 1");
    const struct la_host_settings *s = la_hosts_settings_at(hosts, 0, &addr);
    assert_string_equal(la_host_settings_text(s, "net.ipv4.tcp_sack"), "1");
    assert_string_equal(la_addr_format(addr, text), "10.0.0.1");
    set_settings(hosts, "", "net.ipv4.tcp_sack = 0");
    s = la_hosts_settings_at(hosts, 0, &addr);
    assert_string_equal(la_host_settings_text(s, "net.ipv4.tcp_sack"), "0");
    assert_null(addr);
    s = la_hosts_settings_at(hosts, 2, &addr);
    assert_string_equal(la_host_settings_text(s, "net.ipv4.tcp_sack"), "3");
    assert_string_equal(la_addr_format(addr, text), "10.0.0.3");
    assert_null(la_hosts_settings_at(hosts, 3, &addr));
    la_hosts_free(hosts);
}

static void what_is_no_address_belongs_to_the_file(void **unused) {
    (void)unused;
    struct la_hosts *hosts = la_hosts_new();
    struct la_error err = {0};
    assert_int_equal(la_hosts_set_settings(hosts, "web=/no/such", NULL, &err), LA_EUSAGE);
    assert_non_null(strstr(err.text, "web=/no/such"));
    assert_int_equal(la_hosts_set_settings(hosts, "10.0.0.1=/no/such", NULL, &err), LA_EUSAGE);
    assert_null(strstr(err.text, "10.0.0.1"));
    la_hosts_free(hosts);
}

static int make_file(void **unused) {
    (void)unused;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **unused) {
    (void)unused;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_of_the_text_are_read),
        cmocka_unit_test(what_is_not_understood_is_named),
        cmocka_unit_test(open_files_are_read_as_any_shell_prints_them),
        cmocka_unit_test(what_ss_counted_is_read),
        cmocka_unit_test(complaints_are_kept),
        cmocka_unit_test(a_range_is_two_numbers),
        cmocka_unit_test(complaints_are_bounded),
        cmocka_unit_test(any_bytes_are_survived),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(defaults_change_nothing),
        cmocka_unit_test(an_orphan_waits_an_odd_time),
        cmocka_unit_test(retries_follow_the_kernel),
        cmocka_unit_test(keepalive_follows_where_it_is_told),
        cmocka_unit_test(rules_follow_as_well),
        cmocka_unit_test(hosts_have_settings_of_their_own),
        cmocka_unit_test(hosts_with_settings_are_listed_by_address),
        cmocka_unit_test(what_is_no_address_belongs_to_the_file),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
