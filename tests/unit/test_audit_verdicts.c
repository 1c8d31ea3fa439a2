/* Each setting against what a capture may show: the verdict and the reason given for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"

static char path[] = "/tmp/lastack-audit-XXXXXX";

/* "net.ipv4." may be left out in the text. */
static struct la_host_settings *settings_of(const char *text) {
    struct la_host_settings *settings;
    struct la_error err = {0};
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        fprintf(file, "%s%.*s\n", strncmp(line, "tcp_", 4) == 0 ? "net.ipv4." : "",
                (int)strcspn(line, "\n"), line);
    assert_int_equal(fclose(file), 0);
    if (la_host_settings_read(path, NULL, &settings, &err) != LA_OK)
        fail_msg("%s", err.text);
    assert_int_equal(la_host_settings_left_out(settings), 0);
    return settings;
}

#define DUMP "tcp_available_congestion_control = reno\n"

/* Ten connections that it opened and closed first, and none that it accepted. */
#define OPENER                                                                                     \
    .complete = true, .time_waits = 10,                                                            \
    .opened = {                                                                                    \
        .attempts = 10, .closed = 10, .closed_first = 10, .connected = 10, .timestamps = 10}
/* ... that it opened, and the peers closed. */
#define CLOSED_BY_PEERS                                                                            \
    .complete = true, .opened = {.attempts = 10, .closed = 10, .connected = 10, .timestamps = 10}
/* Ten that it accepted and closed first, and none that it opened. */
#define SERVER                                                                                     \
    .complete = true, .time_waits = 10,                                                            \
    .accepted = {                                                                                  \
        .attempts = 10, .closed = 10, .closed_first = 10, .connected = 10, .timestamps = 10}
#define FACT(name, count) .facts = {[LA_FACT_##name] = (count)}

static const struct test {
    const char *setting, *settings;
    struct la_host_evidence evidence;
    const char *verdict, *why; /* NULL: nothing is said */
} tests[] = {
    /* What never appears in the capture is no evidence, whatever the values. */
    {"tcp_tw_reuse", "tcp_tw_reuse = 1", {0}, "no evidence", NULL},
    {"tcp_syncookies", "", {0}, "no evidence", NULL},

    {"tcp_tw_reuse", "tcp_tw_reuse = 0", {SERVER}, "no effect here", "opened no connection"},
    {"tcp_tw_reuse", "tcp_tw_reuse = 0", {CLOSED_BY_PEERS}, "no effect here", "closed none first"},
    {"tcp_tw_reuse", "tcp_tw_reuse = 0", {OPENER}, "no evidence", "no port ran short"},
    {"tcp_tw_reuse", "tcp_tw_reuse = 0", {OPENER, FACT(PORTS_SHORT, 1)}, "helps here", "with 1"},
    {"tcp_tw_reuse",
     "tcp_tw_reuse = 0\ntcp_timestamps = 0",
     {OPENER, FACT(PORTS_SHORT, 1)},
     "no effect here",
     "timestamps"},
    {"tcp_tw_reuse",
     "tcp_tw_reuse = 1",
     {OPENER, FACT(OWN_TIME_WAIT_REUSED, 1)},
     "helps here",
     "1 connection took over"},
    {"tcp_tw_reuse",
     "tcp_tw_reuse = 0",
     {OPENER, FACT(OWN_TIME_WAIT_REUSED, 2)},
     "no effect here",
     "2 connections took over"},
    {"tcp_tw_reuse",
     "tcp_tw_reuse = 2",
     {OPENER, FACT(OWN_TIME_WAIT_REUSED, 2)},
     "no effect here",
     "binds the port"},
    /* Edges that were left out may have been its own. */
    {"tcp_tw_reuse",
     "",
     {.accepted = {.attempts = 5, .closed = 5, .closed_first = 5}},
     "no evidence",
     NULL},

    {"tcp_tw_recycle", "tcp_tw_recycle = 1\n" DUMP, {SERVER}, "harmful", "it is on"},
    {"tcp_tw_recycle", "tcp_tw_recycle = 0\n" DUMP, {SERVER}, "no effect here", "it is off"},
    {"tcp_tw_recycle", DUMP, {SERVER}, "gone since Linux 4.12", "does not have it"},
    {"tcp_tw_recycle", "tcp_tw_recycle = 1", {SERVER}, "gone since Linux 4.12", "take it out"},
    {"tcp_tw_recycle", "tcp_tw_recycle = 1", {.may_recycle = true}, "harmful", "it is on"},
    {"tcp_tw_recycle", "tcp_sack = 1", {SERVER}, "no evidence", NULL},
    {"tcp_tw_recycle", "tcp_sack = 1", {FACT(REFUSED_BY_RECYCLE, 3)}, "harmful", "3 attempts"},

    {"tcp_fin_timeout", "tcp_fin_timeout = 65", {0}, "harmful", "2 * (65 - 60) = 10 s"},
    {"tcp_fin_timeout", "tcp_fin_timeout = 61", {SERVER}, "harmful", "= 2 s"},
    {"tcp_fin_timeout", "tcp_fin_timeout = 90", {SERVER}, "no evidence", "10 connections first"},
    {"tcp_fin_timeout", "tcp_fin_timeout = 120", {SERVER}, "no evidence", "10 connections first"},
    {"tcp_fin_timeout", "tcp_fin_timeout = 30", {CLOSED_BY_PEERS}, "no effect here", "closed none"},
    {"tcp_fin_timeout",
     "tcp_fin_timeout = 15",
     {SERVER, FACT(FIN_WAIT_2_EXPIRED, 1)},
     "harmful",
     "lowered to 15 s, and 1 peer"},
    {"tcp_fin_timeout",
     "tcp_fin_timeout = 60",
     {SERVER, FACT(FIN_WAIT_2_EXPIRED, 1)},
     "no evidence",
     "late close()"},
    {"tcp_fin_timeout",
     "tcp_fin_timeout = 5",
     {OPENER, FACT(PORTS_SHORT, 1)},
     "no effect here",
     "does not shorten"},

    {"tcp_max_tw_buckets", "tcp_max_tw_buckets = 0", {SERVER}, "harmful", "no room at all"},
    {"tcp_max_tw_buckets",
     "tcp_max_tw_buckets = 0",
     {CLOSED_BY_PEERS},
     "no effect here",
     "closed none first"},
    {"tcp_max_tw_buckets",
     "tcp_max_tw_buckets = 100",
     {SERVER, .time_wait_peak = 100, FACT(TIME_WAIT_CUT_SHORT, 2)},
     "harmful",
     "room for 100 only"},
    {"tcp_max_tw_buckets",
     "tcp_max_tw_buckets = 5000",
     {SERVER, .time_wait_peak = 100, FACT(TIME_WAIT_CUT_SHORT, 2)},
     "no evidence",
     "not for want of room"},
    {"tcp_max_tw_buckets",
     "tcp_max_tw_buckets = 5000\nTCP:   1 (estab 0, timewait 4500)",
     {SERVER},
     "helps here",
     "4500 of 5000"},
    {"tcp_max_tw_buckets",
     "tcp_max_tw_buckets = 5000",
     {SERVER, .time_wait_peak = 4000},
     "helps here",
     "4000 of 5000"},
    {"tcp_max_tw_buckets",
     "tcp_max_tw_buckets = 5000",
     {SERVER, .time_wait_peak = 3999},
     "no evidence",
     NULL},

    {"tcp_timestamps",
     "tcp_timestamps = 0",
     {SERVER, FACT(PORT_COLLIDED, 4)},
     "harmful",
     "4 connections were refused"},
    {"tcp_timestamps",
     "tcp_timestamps = 0",
     {OPENER, FACT(PORTS_SHORT, 1)},
     "harmful",
     "tcp_tw_reuse can do nothing"},
    {"tcp_timestamps", "tcp_timestamps = 0", {SERVER}, "no evidence", NULL},
    {"tcp_timestamps",
     "tcp_timestamps = 1",
     {SERVER, FACT(TIME_WAIT_REUSED, 1)},
     "helps here",
     "1 connection took over"},
    {"tcp_timestamps",
     "tcp_timestamps = 1",
     {.complete = true, .opened = {.attempts = 3, .connected = 3}},
     "no effect here",
     "none of 3 connections"},
    {"tcp_timestamps", "tcp_timestamps = 1", {SERVER, FACT(PORT_COLLIDED, 4)}, "no evidence", NULL},

    {"tcp_rfc1337",
     "tcp_rfc1337 = 1",
     {SERVER, FACT(REFUSED_BY_TIME_WAIT, 1)},
     "harmful",
     "1 SYN met"},
    {"tcp_rfc1337",
     "tcp_rfc1337 = 0",
     {SERVER, FACT(REFUSED_BY_TIME_WAIT, 1)},
     "no evidence",
     NULL},
    {"tcp_rfc1337",
     "tcp_rfc1337 = 0",
     {SERVER, .facts = {[LA_FACT_ASSASSINATED] = 1, [LA_FACT_OLD_DATA_ACCEPTED] = 1}},
     "helps here",
     "1 keeps them"},
    {"tcp_rfc1337",
     "tcp_rfc1337 = 0",
     {SERVER, FACT(ASSASSINATED, 2)},
     "no evidence",
     "nothing came of it"},
    {"tcp_rfc1337", "tcp_rfc1337 = 0", {CLOSED_BY_PEERS}, "no effect here", "closed none first"},

    {"tcp_syncookies",
     "tcp_syncookies = 0",
     {SERVER, FACT(SYN_QUEUE_FULL, 1)},
     "harmful",
     "it is off"},
    {"tcp_syncookies", "tcp_syncookies = 1", {SERVER, FACT(FLOODED, 1)}, "helps here", "1 flood"},
    {"tcp_syncookies",
     "tcp_syncookies = 1",
     {SERVER, FACT(ACCEPT_QUEUE_FULL, 1)},
     "no effect here",
     "finished connections"},
    {"tcp_syncookies", "tcp_syncookies = 1", {OPENER}, "no effect here", "accepted no connection"},
    {"tcp_syncookies", "tcp_syncookies = 1", {SERVER}, "no evidence", NULL},

    {"tcp_max_syn_backlog",
     "tcp_max_syn_backlog = 128",
     {SERVER, FACT(SYN_QUEUE_FULL, 1)},
     "no effect here",
     "SYN cookies are on"},
    {"tcp_max_syn_backlog",
     "tcp_syncookies = 0",
     {SERVER, FACT(SYN_QUEUE_FULL, 1)},
     "helps here",
     "SYN cookies are off"},
    {"tcp_max_syn_backlog", "tcp_syncookies = 0", {SERVER}, "no evidence", NULL},
    {"tcp_max_syn_backlog", "tcp_syncookies = 0", {OPENER}, "no effect here", "accepted no"},

    {"somaxconn",
     "net.core.somaxconn = 128",
     {SERVER, FACT(ACCEPT_QUEUE_FULL, 7)},
     "helps here",
     "7 attempts met"},
    {"somaxconn",
     "net.core.somaxconn = 65535",
     {SERVER, FACT(ACCEPT_QUEUE_FULL, 7)},
     "no evidence",
     "gives to listen()"},
    {"somaxconn", "net.core.somaxconn = 128", {OPENER}, "no effect here", "accepted no"},
    {"somaxconn", "net.core.somaxconn = 128", {SERVER}, "no evidence", NULL},

    {"tcp_abort_on_overflow",
     "tcp_abort_on_overflow = 1",
     {SERVER, FACT(ACCEPT_QUEUE_FULL, 7)},
     "harmful",
     "it is on"},
    {"tcp_abort_on_overflow",
     "tcp_abort_on_overflow = 0",
     {SERVER, FACT(ACCEPT_QUEUE_FULL, 7)},
     "no effect here",
     "it is off"},
    {"tcp_abort_on_overflow", "tcp_abort_on_overflow = 1", {SERVER}, "no evidence", NULL},

    {"tcp_syn_retries",
     "tcp_syn_retries = 1",
     {OPENER, FACT(SYN_UNANSWERED, 1)},
     "harmful",
     "lowered to 1, and 1 attempt failed"},
    {"tcp_syn_retries",
     "tcp_syn_retries = 6",
     {OPENER, FACT(SYN_UNANSWERED, 1)},
     "no evidence",
     "how soon"},
    {"tcp_syn_retries",
     "tcp_syn_retries = 6",
     {OPENER, FACT(SYN_REPEATED, 2)},
     "helps here",
     "2 attempts got through"},
    {"tcp_syn_retries", "tcp_syn_retries = 6", {SERVER}, "no effect here", "opened no"},

    {"tcp_synack_retries",
     "tcp_synack_retries = 5",
     {SERVER, FACT(FLOODED, 1)},
     "no effect here",
     "cookies are on"},
    {"tcp_synack_retries",
     "tcp_syncookies = 0",
     {SERVER, FACT(FLOODED, 1)},
     "helps here",
     "fewer repeats"},

    {"tcp_orphan_retries",
     "tcp_orphan_retries = 2",
     {SERVER, FACT(CLOSE_GIVEN_UP, 1)},
     "harmful",
     "lowered to 2"},
    {"tcp_orphan_retries",
     "tcp_orphan_retries = 0",
     {SERVER, FACT(CLOSE_GIVEN_UP, 1)},
     "no evidence",
     "repairs nothing"},
    {"tcp_orphan_retries",
     "tcp_orphan_retries = 0",
     {SERVER, FACT(FIN_REPEATED, 1)},
     "helps here",
     "1 close was repaired"},
    {"tcp_orphan_retries", "tcp_orphan_retries = 0", {SERVER}, "no effect here", "no FIN"},

    {"tcp_max_orphans",
     "tcp_max_orphans = 100\nTCP: 9 (estab 1, orphaned 80)",
     {0},
     "helps here",
     "80 of 100"},
    {"tcp_max_orphans",
     "tcp_max_orphans = 100\nTCP: 9 (estab 1, orphaned 0)",
     {0},
     "no evidence",
     "0 of 100"},
    {"tcp_max_orphans", "tcp_max_orphans = 100", {SERVER}, "no evidence", NULL},

    {"tcp_retries1", "tcp_retries1 = 3", {SERVER}, "no evidence", NULL},
    {"tcp_retries2",
     "tcp_retries2 = 5",
     {SERVER, FACT(DIED_UNACKNOWLEDGED, 1)},
     "harmful",
     "lowered to 5"},
    {"tcp_retries2",
     "tcp_retries2 = 15",
     {SERVER, FACT(DIED_UNACKNOWLEDGED, 1)},
     "helps here",
     "8 (100 s)"},
    {"tcp_retries2",
     "tcp_retries2 = 8",
     {SERVER, FACT(DIED_UNACKNOWLEDGED, 1)},
     "helps here",
     "in minutes"},
    {"tcp_retries2", "tcp_retries2 = 5", {SERVER}, "no evidence", NULL},

    {"tcp_keepalive_time", "", {SERVER, FACT(LOST_WHILE_IDLE, 1)}, "helps here", "SO_KEEPALIVE"},
    {"tcp_keepalive_time",
     "",
     {SERVER, FACT(CLOSE_WAIT_LEAKED, 1)},
     "no effect here",
     "CLOSE-WAIT"},
    {"tcp_keepalive_time", "tcp_keepalive_time = 7200", {SERVER}, "no evidence", NULL},
    {"tcp_keepalive_time",
     "",
     {SERVER, FACT(PROBED, 2)},
     "helps here",
     "2 connections were probed"},
    {"tcp_keepalive_time", "", {SERVER, FACT(PROBED_BY_PROGRAM, 2)}, "no effect here", "program"},
    {"tcp_keepalive_intvl", "", {SERVER, FACT(DIED_OF_PROGRAM, 2)}, "no effect here", "program"},

    {"tcp_keepalive_probes",
     "",
     {SERVER, FACT(DIED_OF_KEEPALIVE, 1)},
     "helps here",
     "1 connection"},
    {"tcp_keepalive_probes", "", {SERVER}, "no evidence", NULL},
    {"tcp_keepalive_intvl", "", {SERVER, FACT(DIED_OF_KEEPALIVE, 1)}, "helps here", "1 connection"},

    {"ip_local_port_range", "", {OPENER, FACT(PORTS_SHORT, 1)}, "helps here", "28232 ports"},
    {"ip_local_port_range",
     "net.ipv4.ip_local_port_range = 1024 65535",
     {OPENER, .port_peak = 100},
     "no effect here",
     "at most 100 of its 64512 ports to one"},
    {"ip_local_port_range",
     "net.ipv4.ip_local_port_range = 40000 40009",
     {OPENER, .port_peak = 6},
     "no evidence",
     NULL},
    {"ip_local_port_range", "", {SERVER}, "no effect here", "opened no"},

    {"netdev_max_backlog", "net.core.netdev_max_backlog = 1", {SERVER}, "no evidence", NULL},
    {"tcp_mem", "", {SERVER, FACT(WINDOW_CLOSED, 1)}, "no evidence", NULL},
    {"tcp_rmem", "", {SERVER, FACT(WINDOW_CLOSED, 1)}, "no effect here", "did not read"},
    {"rmem_max", "", {SERVER, FACT(WINDOW_CLOSED, 1)}, "no effect here", "did not read"},
    {"tcp_wmem", "", {SERVER, FACT(PEER_CLOSED_WINDOW, 1)}, "no effect here", "does not read"},
    {"wmem_max", "", {SERVER}, "no evidence", NULL},
    {"optmem_max", "", {SERVER}, "no evidence", NULL},

    {"nofile", "1024", {SERVER, .service_peak = 820}, "helps here", "of 1024 files"},
    {"nofile", "1024", {SERVER, FACT(CLOSE_WAIT_LEAKED, 9)}, "no effect here", "hides the leak"},
    {"nofile", "1024", {OPENER, FACT(PORTS_SHORT, 1)}, "no effect here", "files give none"},
    {"nofile", "unlimited", {SERVER, .service_peak = 820}, "no evidence", NULL},
    {"file-max", "fs.file-max = 1000", {SERVER, .socket_peak = 900}, "helps here", "of 1000"},
};

static void every_setting_is_judged_by_what_was_seen(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        const struct test *test = &tests[i];
        struct la_host_evidence evidence = test->evidence;
        struct la_host_settings *settings = settings_of(test->settings);
        struct la_judgement judgement;
        char text[LA_VERDICT_TEXT];
        evidence.settings = settings;
        la_audit_judge(la_setting_find(test->setting), &evidence, &judgement);
        if (strcmp(la_verdict_text(&judgement, text), test->verdict) != 0)
            fail_msg("%s with '%s': %s (%s), not %s", test->setting, test->settings, text,
                     judgement.evidence, test->verdict);
        if (test->why ? !strstr(judgement.evidence, test->why) : judgement.evidence[0] != '\0')
            fail_msg("%s with '%s': '%s'", test->setting, test->settings, judgement.evidence);
        la_host_settings_free(settings);
    }
}

static void every_setting_has_a_test(void **unused) {
    (void)unused;
    const struct la_setting *setting;
    for (size_t i = 0; (setting = la_setting_at(i)); i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof tests / sizeof tests[0]; j++)
            found = found || la_setting_find(tests[j].setting) == setting;
        if (!found)
            fail_msg("%s has none", setting->name);
    }
}

static void settings_have_two_names(void **unused) {
    (void)unused;
    assert_ptr_equal(la_setting_find("somaxconn"), la_setting_find("net.core.somaxconn"));
    assert_null(la_setting_find("net.core.tcp_tw_reuse"));
    assert_null(la_setting_find(""));
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
    const struct CMUnitTest all[] = {
        cmocka_unit_test(every_setting_is_judged_by_what_was_seen),
        cmocka_unit_test(every_setting_has_a_test),
        cmocka_unit_test(settings_have_two_names),
    };
    return cmocka_run_group_tests(all, make_file, remove_file);
}
