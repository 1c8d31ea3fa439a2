/* Profiles: the numbers of the reference, and who is assumed to have which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/profile.h"

static struct la_addr addr(const char *text) {
    struct la_addr out;
    assert_true(la_addr_parse(text, &out));
    return out;
}

static const char *profile_of(const struct la_hosts *hosts, const char *host) {
    struct la_addr a = addr(host);
    return la_hosts_profile(hosts, &a)->name;
}

static struct la_hosts *new_hosts(void) {
    struct la_hosts *hosts = la_hosts_new();
    assert_non_null(hosts);
    return hosts;
}

static void set(struct la_hosts *hosts, const char *spec) {
    struct la_error err;
    if (la_hosts_set_profile(hosts, spec, &err) != LA_OK)
        fail_msg("%s: %s", spec, err.text);
}

static void every_profile_is_found_by_its_name(void **unused) {
    (void)unused;
    size_t count = 0;
    for (const struct la_profile *p; (p = la_profile_at(count)); count++)
        assert_ptr_equal(la_profile_find(p->name), p);
    assert_int_equal(count, 6);
    assert_null(la_profile_at(count));
    assert_null(la_profile_at(SIZE_MAX));
    assert_null(la_profile_find("Linux"));
    assert_null(la_profile_find(""));
    assert_string_equal(la_profile_default()->name, "linux");
}

/* REFERENCE, appendix A. */
static void timers_are_those_of_the_systems(void **unused) {
    (void)unused;
    static const struct {
        const char *name;
        int time_wait, fin_wait_2;
        bool rst_kills, recycle, in_window_aborts, rst_before_next;
        enum la_tw_syn_refusal refusal;
    } expected[] = {
        {"linux", 60, 60, true, false, false, true, LA_REFUSAL_ACK},
        {"linux-legacy", 60, 60, true, true, false, true, LA_REFUSAL_ACK},
        {"linux-ancient", 60, 60, true, true, true, false, LA_REFUSAL_ACK},
        {"freebsd", 60, 600, false, false, false, false, LA_REFUSAL_SILENCE},
        {"macos", 30, 60, false, false, false, true, LA_REFUSAL_ACK},
        {"windows", 120, 240, false, false, false, false, LA_REFUSAL_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct la_profile *p = la_profile_find(expected[i].name);
        assert_non_null(p);
        assert_int_equal(p->time_wait_ns, expected[i].time_wait * LA_SEC);
        assert_int_equal(p->fin_wait_2_orphan_ns, expected[i].fin_wait_2 * LA_SEC);
        assert_int_equal(p->rst_kills_time_wait, expected[i].rst_kills);
        assert_int_equal(p->tw_recycle_possible, expected[i].recycle);
        assert_int_equal(p->in_window_syn_aborts, expected[i].in_window_aborts);
        assert_int_equal(p->rst_before_next_accepted, expected[i].rst_before_next);
        assert_int_equal(p->time_wait_refusal, expected[i].refusal);
        assert_int_equal(p->fin_wait_2_expiry_resets, strcmp(p->name, "macos") == 0);
    }
}

/* What the histories divide and count by. */
static void no_timer_of_a_profile_is_missing(void **unused) {
    (void)unused;
    const struct la_profile *p;
    for (size_t i = 0; (p = la_profile_at(i)); i++) {
        const int64_t timers[] = {p->time_wait_ns,          p->fin_wait_2_orphan_ns,
                                  p->syn_resend_ns,         p->rto_min_ns,
                                  p->syn_retry_total_ns,    p->syn_ack_retry_total_ns,
                                  p->orphan_retry_total_ns, p->data_retry_total_ns,
                                  p->keepalive_interval_ns, p->close_wait_ns};
        for (size_t t = 0; t < sizeof timers / sizeof timers[0]; t++)
            assert_true(timers[t] > 0 && timers[t] <= 3600 * LA_SEC);
        assert_int_equal(p->keepalive_idle_ns, 7200 * LA_SEC);
        assert_in_range(p->keepalive_probes, 8, 10);
    }
}

static void hosts_have_the_default_until_told(void **unused) {
    (void)unused;
    struct la_hosts *hosts = new_hosts();
    assert_string_equal(profile_of(NULL, "10.0.0.1"), "linux");
    assert_string_equal(profile_of(hosts, "10.0.0.1"), "linux");
    set(hosts, "freebsd");
    assert_string_equal(profile_of(hosts, "10.0.0.1"), "freebsd");
    la_hosts_free(hosts);
    la_hosts_free(NULL);
}

static void a_host_of_its_own_beats_the_default_whatever_the_order(void **unused) {
    (void)unused;
    struct la_hosts *hosts = new_hosts();
    set(hosts, "10.0.0.1=macos");
    set(hosts, "windows");
    set(hosts, "2001:db8::1=freebsd");
    assert_string_equal(profile_of(hosts, "10.0.0.1"), "macos");
    assert_string_equal(profile_of(hosts, "::ffff:10.0.0.1"), "macos");
    assert_string_equal(profile_of(hosts, "2001:db8::1"), "freebsd");
    assert_string_equal(profile_of(hosts, "10.0.0.2"), "windows");
    la_hosts_free(hosts);
}

static void the_last_word_on_a_host_wins(void **unused) {
    (void)unused;
    struct la_hosts *hosts = new_hosts();
    set(hosts, "10.0.0.1=macos");
    set(hosts, "10.0.0.2=macos");
    set(hosts, "10.0.0.1=linux-ancient");
    assert_string_equal(profile_of(hosts, "10.0.0.1"), "linux-ancient");
    assert_string_equal(profile_of(hosts, "10.0.0.2"), "macos");
    la_hosts_free(hosts);
}

static void a_time_wait_of_ones_own_reaches_every_host(void **unused) {
    (void)unused;
    struct la_hosts *hosts = new_hosts();
    struct la_addr mac = addr("10.0.0.1"), other = addr("10.0.0.2");
    set(hosts, "10.0.0.1=macos");
    assert_int_equal(la_hosts_set_time_wait(hosts, 7 * LA_SEC, NULL), LA_OK);
    assert_int_equal(la_hosts_profile(hosts, &mac)->time_wait_ns, 7 * LA_SEC);
    assert_int_equal(la_hosts_profile(hosts, &other)->time_wait_ns, 7 * LA_SEC);
    set(hosts, "freebsd"); /* the order does not matter */
    assert_int_equal(la_hosts_profile(hosts, &other)->time_wait_ns, 7 * LA_SEC);
    assert_int_equal(la_profile_default()->time_wait_ns, 60 * LA_SEC);
    la_hosts_free(hosts);
}

static void an_impossible_time_wait_is_refused(void **unused) {
    (void)unused;
    struct la_hosts *hosts = new_hosts();
    struct la_addr any = addr("10.0.0.1");
    static const int64_t wrong[] = {0, -1, 3600 * LA_SEC + 1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct la_error err = {0};
        assert_int_equal(la_hosts_set_time_wait(hosts, wrong[i], &err), LA_EUSAGE);
        assert_non_null(strstr(err.text, "--time-wait"));
    }
    assert_int_equal(la_hosts_profile(hosts, &any)->time_wait_ns, 60 * LA_SEC);
    la_hosts_free(hosts);
}

static void an_unknown_profile_is_refused_with_the_known_ones(void **unused) {
    (void)unused;
    struct la_hosts *hosts = new_hosts();
    static const char *const wrong[] = {"", "plan9", "linux ", "10.0.0.1=", "10.0.0.1=LINUX"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct la_error err = {0};
        assert_int_equal(la_hosts_set_profile(hosts, wrong[i], &err), LA_EUSAGE);
        const struct la_profile *p;
        for (size_t j = 0; (p = la_profile_at(j)); j++)
            assert_non_null(strstr(err.text, p->name));
    }
    assert_string_equal(profile_of(hosts, "10.0.0.1"), "linux");
    la_hosts_free(hosts);
}

static void what_is_no_address_is_named(void **unused) {
    (void)unused;
    struct la_hosts *hosts = new_hosts();
    struct la_error err = {0};
    assert_int_equal(la_hosts_set_profile(hosts, "10.0.0.0/8=linux", &err), LA_EUSAGE);
    assert_non_null(strstr(err.text, "'10.0.0.0/8'"));
    assert_int_equal(la_hosts_set_profile(hosts, "=linux", &err), LA_EUSAGE);
    char spec[400];
    memset(spec, '1', sizeof spec);
    strcpy(spec + sizeof spec - sizeof "=linux", "=linux");
    assert_int_equal(la_hosts_set_profile(hosts, spec, &err), LA_EUSAGE);
    assert_int_equal(la_hosts_set_profile(hosts, spec, NULL), LA_EUSAGE);
    la_hosts_free(hosts);
}

static void an_error_is_cut_to_its_room_and_never_lost(void **unused) {
    (void)unused;
    struct la_error err;
    char text[2 * LA_ERROR_TEXT];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(la_fail(&err, LA_EINPUT, "%s", text), LA_EINPUT);
    assert_int_equal(err.status, LA_EINPUT);
    assert_int_equal(strlen(err.text), LA_ERROR_TEXT - 1);
    assert_int_equal(la_fail(NULL, LA_ENOMEM, "unheard"), LA_ENOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_is_found_by_its_name),
        cmocka_unit_test(timers_are_those_of_the_systems),
        cmocka_unit_test(no_timer_of_a_profile_is_missing),
        cmocka_unit_test(hosts_have_the_default_until_told),
        cmocka_unit_test(a_host_of_its_own_beats_the_default_whatever_the_order),
        cmocka_unit_test(the_last_word_on_a_host_wins),
        cmocka_unit_test(a_time_wait_of_ones_own_reaches_every_host),
        cmocka_unit_test(an_impossible_time_wait_is_refused),
        cmocka_unit_test(an_unknown_profile_is_refused_with_the_known_ones),
        cmocka_unit_test(what_is_no_address_is_named),
        cmocka_unit_test(an_error_is_cut_to_its_room_and_never_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
