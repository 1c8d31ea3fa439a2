/* Which settings bear on a finding: that the table names what exists, and where a value comes from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/bearing.h"
#include "diagnose/diagnose.h"
#include "report/page.h"

static bool has_field(enum la_kind kind, const char *field) {
    for (const struct la_detail_spec *d = la_diagnosis_of(kind)->details; d->name; d++)
        if (strcmp(d->name, field) == 0)
            return true;
    return false;
}

static void every_row_names_what_exists(void **unused) {
    (void)unused;
    enum la_kind kind;
    const char *setting, *field;
    unsigned of_kind[LA_KIND_COUNT] = {0};
    for (size_t i = 0; la_bearing_row(i, &kind, &setting, &field); i++) {
        assert_non_null(la_setting_find(setting));
        assert_true(!field || has_field(kind, field));
        assert_in_range(++of_kind[kind], 1, LA_FINDING_SETTINGS);
    }
}

/* The page has the last word on what a kernel sets by itself. */
static void the_pages_begin_with_the_initial_value(void **unused) {
    (void)unused;
    const struct la_setting *setting;
    for (size_t i = 0; (setting = la_setting_at(i)); i++) {
        struct la_span span = la_page_section(la_page_of_setting(setting), "Default");
        while (span.length > 0 && *span.text == '\n')
            span.text++, span.length--;
        if (setting->initial)
            assert_memory_equal(span.text, setting->initial, strlen(setting->initial));
    }
}

static struct la_addr address(uint8_t last) {
    uint8_t v4[4] = {10, 0, 0, last};
    return la_addr_from_v4(v4);
}

static struct la_hosts *hosts_with(const char *text, const char *profile) {
    char path[] = "/tmp/lastack-bearing-XXXXXX", spec[64];
    struct la_error err;
    struct la_hosts *hosts = la_hosts_new();
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    snprintf(spec, sizeof spec, "10.0.0.7=%s", path);
    assert_int_equal(la_hosts_set_profile(hosts, profile, &err), LA_OK);
    assert_int_equal(la_hosts_set_settings(hosts, spec, NULL, &err), LA_OK);
    unlink(path);
    return hosts;
}

static struct la_finding keepalive_of(const char *side) {
    struct la_finding f = {.kind = LA_KIND_KEEPALIVE, .host = address(7), .peer = address(2)};
    f.connection.present = true;
    f.connection.client = address(7);
    f.connection.server = address(2);
    f.details[f.detail_count++] =
        (struct la_detail){.name = "side", .type = LA_DETAIL_WORD, .value.word = side};
    return f;
}

static void a_value_is_the_files_or_the_kernels(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *profile, *value;
        enum la_value_source source;
    } cases[] = {
        {"net.ipv4.tcp_keepalive_time = 300\n", "linux", "300", LA_VALUE_FILE},
        {"net.ipv4.tcp_sack = 1\n", "linux", "7200", LA_VALUE_DEFAULT},
        /* Nobody knows what such a host has under a name of Linux. */
        {"net.ipv4.tcp_sack = 1\n", "freebsd", NULL, LA_VALUE_DEFAULT},
        {"net.ipv4.tcp_available_congestion_control = reno\n", "linux", NULL, LA_VALUE_ABSENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct la_hosts *hosts = hosts_with(cases[i].text, cases[i].profile);
        struct la_finding client = keepalive_of("client"), server = keepalive_of("server");
        struct la_bearing found[LA_FINDING_SETTINGS];
        assert_int_equal(la_bearings_of(&client, hosts, found), 3);
        assert_string_equal(found[0].setting->name, "tcp_keepalive_time");
        assert_string_equal(found[0].field, "idle");
        assert_int_equal(found[0].source, cases[i].source);
        assert_int_equal(found[0].value == NULL, cases[i].value == NULL);
        if (cases[i].value)
            assert_string_equal(found[0].value, cases[i].value);
        /* Nothing was said of the other host, nor of anybody. */
        assert_int_equal(la_bearings_of(&server, hosts, found), 0);
        assert_int_equal(la_bearings_of(&client, NULL, found), 0);
        la_hosts_free(hosts);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_names_what_exists),
        cmocka_unit_test(the_pages_begin_with_the_initial_value),
        cmocka_unit_test(a_value_is_the_files_or_the_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
