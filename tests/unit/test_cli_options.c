/* The command line as it is read, and what is told when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

/* The commands are not part of the library that the tests are linked with. */
#include "cli/options.c"
#include "cli/suggest.c"
#include "cli/tell.c"

enum { WORDS_MAX = 16 };

/* Parses a command line whose words are separated by single blanks. */
static enum la_status parse(const char *line, struct la_settings *settings, struct la_error *err) {
    static char copy[512];
    static char *words[WORDS_MAX + 1];
    int count = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = word;
    words[count] = NULL;
    return la_settings_parse(count, words, settings, err);
}

static struct la_settings parsed(const char *line) {
    struct la_settings settings;
    struct la_error err = {0};
    if (parse(line, &settings, &err) != LA_OK)
        fail_msg("%s: %s", line, err.text);
    return settings;
}

static void assert_refused(const char *line, const char *why) {
    struct la_settings settings;
    struct la_error err = {0};
    assert_int_equal(parse(line, &settings, &err), LA_EUSAGE);
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\" lacks \"%s\"", line, err.text, why);
    la_settings_free(&settings);
}

static void without_options_everything_has_its_default(void **unused) {
    (void)unused;
    struct la_settings settings = parsed("lastack a.pcap b.pcap");
    assert_int_equal(settings.command, LA_COMMAND_ANALYZE);
    assert_int_equal(settings.operand_count, 2);
    assert_string_equal(settings.operands[1], "b.pcap");
    assert_int_equal(settings.diagnoses, LA_ALL_KINDS);
    assert_int_equal(settings.fail_on, LA_SEVERITY_COUNT);
    assert_int_equal(settings.progress, LA_PROGRESS_AUTO);
    assert_null(settings.output);
    assert_int_equal(settings.capture.from.kind, LA_WHEN_NONE);
    la_settings_free(&settings);
}

static void the_first_word_may_be_a_command(void **unused) {
    (void)unused;
    struct la_settings settings = parsed("lastack analyze -q a.pcap");
    assert_int_equal(settings.command, LA_COMMAND_ANALYZE);
    assert_int_equal(settings.operand_count, 1);
    assert_true(settings.quiet);
    la_settings_free(&settings);
    settings = parsed("lastack explain lost-final-ack");
    assert_int_equal(settings.command, LA_COMMAND_EXPLAIN);
    assert_string_equal(settings.operands[0], "lost-final-ack");
    la_settings_free(&settings);
    settings = parsed("lastack -q explain"); /* a file of that name */
    assert_int_equal(settings.command, LA_COMMAND_ANALYZE);
    la_settings_free(&settings);
}

static void options_may_stand_anywhere(void **unused) {
    (void)unused;
    struct la_settings settings =
        parsed("lastack a.pcap -o out --filter=tcp b.pcap --connections c -v -- -odd");
    assert_int_equal(settings.operand_count, 3);
    assert_string_equal(settings.operands[2], "-odd");
    assert_string_equal(settings.output, "out");
    assert_string_equal(settings.connections, "c");
    assert_string_equal(settings.capture.filter, "tcp");
    assert_true(settings.verbose);
    la_settings_free(&settings);
}

static void a_dash_is_standard_input(void **unused) {
    (void)unused;
    struct la_settings settings = parsed("lastack -");
    assert_int_equal(settings.operand_count, 1);
    assert_string_equal(settings.operands[0], "-");
    la_settings_free(&settings);
}

static void the_span_knows_local_wherever_it_stands(void **unused) {
    (void)unused;
    struct la_settings settings = parsed("lastack --from 14:03 --to +90s --local a");
    assert_int_equal(settings.capture.from.kind, LA_WHEN_TIME_OF_DAY);
    assert_true(settings.capture.from.local);
    assert_int_equal(settings.capture.to.kind, LA_WHEN_SINCE_FIRST);
    assert_true(settings.capture.to.ns == 90 * LA_SEC);
    la_settings_free(&settings);
    assert_refused("lastack --from noon a", "--from: 'noon' is no time");
    assert_refused("lastack --to +x a", "--to: '+x' is no time");
    assert_refused("lastack --from 15:00 --to 14:00 a", "--from is later than --to");
}

static void diagnoses_are_chosen_by_name(void **unused) {
    (void)unused;
    struct la_settings settings = parsed("lastack --diagnose none a");
    assert_int_equal(settings.diagnoses, 0);
    la_settings_free(&settings);
    settings = parsed("lastack --diagnose time-wait-reuse,lost-final-ack a");
    assert_int_equal(settings.diagnoses,
                     1 << LA_KIND_TIME_WAIT_REUSE | 1 << LA_KIND_LOST_FINAL_ACK);
    la_settings_free(&settings);
    settings = parsed("lastack --diagnose all a");
    assert_int_equal(settings.diagnoses, LA_ALL_KINDS);
    la_settings_free(&settings);
    assert_refused("lastack --diagnose lost-final-akc a", "did you mean lost-final-ack?");
    assert_refused("lastack --diagnose lost-final-ack,,time-wait-reuse a", "no such kind: ''");
    assert_refused("lastack --diagnose xyz a", "see lastack explain");
}

static void the_other_words(void **unused) {
    (void)unused;
    struct la_settings settings =
        parsed("lastack --fail-on warning --progress --os freebsd --os 10.0.0.1=macos a");
    assert_int_equal(settings.fail_on, LA_WARNING);
    assert_int_equal(settings.progress, LA_PROGRESS_ON);
    struct la_addr addr;
    assert_true(la_addr_parse("10.0.0.1", &addr));
    assert_string_equal(la_hosts_profile(settings.hosts, &addr)->name, "macos");
    la_settings_free(&settings);
    settings = parsed("lastack --progress=off --time-wait 30s a");
    assert_int_equal(settings.progress, LA_PROGRESS_OFF);
    la_settings_free(&settings);
    assert_refused("lastack --fail-on info a", "--fail-on: 'info' is no severity");
    assert_refused("lastack --progress=maybe a", "--progress: 'maybe'");
    assert_refused("lastack --time-wait long a", "--time-wait: 'long' is no duration");
    assert_refused("lastack --os plan9 a", "plan9");
}

static void what_is_wrong_is_said(void **unused) {
    (void)unused;
    assert_refused("lastack --conections c a", "did you mean --connections?");
    assert_refused("lastack --xyzzy a", "unknown option --xyzzy (see lastack --help)");
    assert_refused("lastack -x a", "unknown option -x");
    assert_refused("lastack a -o", "--output needs its PATH");
    assert_refused("lastack --quiet=3 a", "--quiet takes no argument");
    assert_refused("lastack explain --filter tcp", "--filter is no option of lastack explain");
    assert_refused("lastack analyse", "did you mean analyze?");
}

/* Options that the contract has and the program has not yet are unknown, not ignored. */
static void what_is_not_built_is_refused(void **unused) {
    (void)unused;
    static const char *const lines[] = {
        "lastack --text a",
        "lastack --html x a",
        "lastack --evidence x a",
        "lastack --memory 1G a",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_refused(lines[i], "unknown option");
}

static void sockets_has_settings_of_its_own(void **unused) {
    (void)unused;
    struct la_settings settings = parsed("lastack sockets a");
    assert_int_equal(settings.command, LA_COMMAND_SOCKETS);
    assert_int_equal(settings.sockets.state, LA_ST_COUNT);
    assert_int_equal(settings.sockets.count, LA_SOCKETS_TABLE);
    assert_int_equal(settings.sockets.at.kind, LA_WHEN_NONE);
    assert_int_equal(settings.sockets.every_ns, 0);
    la_settings_free(&settings);
    settings = parsed("lastack sockets --every 2m --from +1s --to +9s --local --host 10.0.0.1 a");
    assert_int_equal(settings.sockets.every_ns, 120 * LA_SEC);
    assert_int_equal(settings.sockets.from.ns, LA_SEC);
    assert_int_equal(settings.sockets.to.ns, 9 * LA_SEC);
    assert_int_equal(settings.capture.from.kind, LA_WHEN_NONE); /* all packets are read */
    assert_int_equal(settings.capture.to.kind, LA_WHEN_NONE);
    assert_true(settings.sockets.one_host);
    la_settings_free(&settings);
    settings = parsed("lastack sockets a --at 14:03 --local --count peer");
    assert_int_equal(settings.sockets.at.kind, LA_WHEN_TIME_OF_DAY);
    assert_true(settings.sockets.at.local);
    assert_int_equal(settings.sockets.count, LA_SOCKETS_PEERS);
    la_settings_free(&settings);
}

static void states_are_known_by_both_names(void **unused) {
    (void)unused;
    static const struct {
        const char *line;
        enum la_state state;
    } cases[] = {{"lastack sockets --state time-wait a", LA_ST_TIME_WAIT},
                 {"lastack sockets --state TIME_WAIT a", LA_ST_TIME_WAIT},
                 {"lastack sockets --state established a", LA_ST_ESTAB},
                 {"lastack sockets --state estab a", LA_ST_ESTAB},
                 {"lastack sockets --state FIN_WAIT2 a", LA_ST_FIN_WAIT_2},
                 {"lastack sockets --state fin-wait-2 a", LA_ST_FIN_WAIT_2},
                 {"lastack sockets --state listen a", LA_ST_LISTEN}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct la_settings settings = parsed(cases[i].line);
        assert_int_equal(settings.sockets.state, cases[i].state);
        la_settings_free(&settings);
    }
}

static void what_sockets_cannot_do_is_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *line, *why;
    } cases[] = {{"lastack sockets --at +1 --every 1s a", "leave one out"},
                 {"lastack sockets --from +1 a", "--every"},
                 {"lastack sockets --at +1 --to +2 a", "--every"},
                 {"lastack sockets --every 0 a", "--every: '0'"},
                 {"lastack sockets --every often a", "no duration"},
                 {"lastack sockets --at noon a", "--at: 'noon'"},
                 {"lastack sockets --host web a", "no address"},
                 {"lastack sockets --state closed a", "no such state"},
                 {"lastack sockets --state TIME-WIAT a", "did you mean TIME-WAIT"},
                 {"lastack sockets --state time a", "no such state"},
                 {"lastack sockets --count all a", "--count: 'all'"},
                 {"lastack sockets --format json a", "--format: 'json'"},
                 {"lastack sockets --format ndjson --count state a", "lists sockets"},
                 {"lastack sockets --summary --count state a", "leave one out"},
                 {"lastack sockets -o x a", "no option of lastack sockets"},
                 {"lastack --at +1 a", "no option of lastack analyze"},
                 {"lastack --host-settings /no/such a", "/no/such"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(cases[i].line, cases[i].why);
}

static const char *word_at(size_t index) {
    static const char *const words[] = {"report", "connection", "finding", NULL};
    return words[index];
}

static void suggestions_are_near(void **unused) {
    (void)unused;
    assert_string_equal(la_suggest("conection", word_at), "connection");
    assert_string_equal(la_suggest("find", word_at), "finding");
    assert_string_equal(la_suggest("raport", word_at), "report");
    assert_null(la_suggest("xyzzy", word_at));
    assert_null(la_suggest("", word_at));
}

static void the_highest_exit_code_wins(void **unused) {
    (void)unused;
    int code = 0;
    la_exit_raise(&code, la_exit_of(LA_EINPUT));
    la_exit_raise(&code, LA_EXIT_FINDINGS);
    assert_int_equal(code, 3);
    la_exit_raise(&code, la_exit_of(LA_EPIPE));
    assert_int_equal(code, 3);
    assert_int_equal(la_exit_of(LA_OK), 0);
    assert_int_equal(la_exit_of(LA_EUSAGE), 2);
    assert_int_equal(la_exit_of(LA_EOUTPUT), 4);
    assert_int_equal(la_exit_of(LA_ENOMEM), 5);
}

static void the_table_is_whole(void **unused) {
    (void)unused;
    const struct la_option *option;
    for (size_t i = 0; (option = la_option_at(i)); i++) {
        assert_true(option->commands != 0);
        assert_true(strlen(option->help) > 10);
        assert_true((option->argument == LA_ARGUMENT_NONE) == (option->placeholder == NULL));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(option->name, la_option_at(j)->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_everything_has_its_default),
        cmocka_unit_test(the_first_word_may_be_a_command),
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(a_dash_is_standard_input),
        cmocka_unit_test(the_span_knows_local_wherever_it_stands),
        cmocka_unit_test(diagnoses_are_chosen_by_name),
        cmocka_unit_test(the_other_words),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(what_is_not_built_is_refused),
        cmocka_unit_test(sockets_has_settings_of_its_own),
        cmocka_unit_test(states_are_known_by_both_names),
        cmocka_unit_test(what_sockets_cannot_do_is_refused),
        cmocka_unit_test(suggestions_are_near),
        cmocka_unit_test(the_highest_exit_code_wins),
        cmocka_unit_test(the_table_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
