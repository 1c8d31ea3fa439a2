/* The state table, cell by cell, against a second one written from RFC 9293 and, where that is
 * silent, from what Linux does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "track/state.h"

int states_program(void);
#define main states_program
#include "../../tools/states.c"
#undef main

/* A row for each event, a column for each state; ".." stays. In the order of the columns:
 * closed, listen, syn-sent, syn-received, established, fin-wait-1, fin-wait-2, close-wait,
 * last-ack, closing, time-wait, unknown. */
static const char *const columns = "CD LI SS SR ES F1 F2 CW LA CG TW ??";

static const struct {
    enum la_event event;
    const char *next;
} demanded[] = {
    /* 3.10.1 OPEN: active from CLOSED and from LISTEN; "error: connection already exists" else. */
    {LA_EV_SEND_SYN, "SS SS .. .. .. .. .. .. .. .. .. SS"},
    /* 3.10.7.2: LISTEN answers a SYN and is SYN-RECEIVED; its listener is another socket, so that
     * the 4-tuple comes from CLOSED. 3.10.7.3, fourth: SYN-SENT answers a crossing SYN. */
    {LA_EV_SEND_SYN_ACK, "SR SR SR .. .. .. .. .. .. .. .. SR"},
    /* 3.10.4 CLOSE: SYN-RECEIVED and ESTABLISHED go to FIN-WAIT-1, CLOSE-WAIT to LAST-ACK; SYN-SENT
     * is deleted without a FIN; the rest has sent its FIN already. */
    {LA_EV_SEND_FIN, ".. .. .. F1 F1 .. .. LA .. .. .. .."},
    /* 3.10.5 ABORT, and 3.10.7.1: a RST is the last word of a connection. In SYN-SENT it answers an
     * unacceptable ACK and changes nothing (3.10.7.3, first). */
    {LA_EV_SEND_RST, ".. .. .. CD CD CD CD CD CD CD CD CD"},
    /* 3.10.7.3, fourth: simultaneous open. A listener has a request when it has answered. */
    {LA_EV_RECV_SYN, ".. .. SR .. .. .. .. .. .. .. .. .."},
    /* 3.10.7.3, fourth: our SYN is acknowledged; figure 8: in SYN-RECEIVED as well. */
    {LA_EV_RECV_SYN_ACK, ".. .. ES ES .. .. .. .. .. .. .. .."},
    /* 3.10.7.4, fifth; in SYN-SENT a segment without SYN and RST is dropped (3.10.7.3, fifth). */
    {LA_EV_RECV_ACK_OF_SYN, ".. .. .. ES .. .. .. .. .. .. .. .."},
    /* 3.10.7.4, eighth. CLOSED, LISTEN and SYN-SENT do not process a FIN. */
    {LA_EV_RECV_FIN, ".. .. .. CW CW CG TW .. .. .. .. .."},
    /* 3.10.7.4, fifth. */
    {LA_EV_RECV_ACK_OF_FIN, ".. .. .. .. .. F2 .. .. CD TW .. .."},
    /* 3.10.7.4, fifth and then eighth: "if our FIN has been ACKed ... enter the TIME-WAIT state".
     */
    {LA_EV_RECV_FIN_WITH_ACK_OF_FIN, ".. .. .. .. .. TW TW .. CD TW .. .."},
    /* 3.10.7.2: LISTEN ignores it; 3.10.7.3 and 3.10.7.4, second: all others are deleted. */
    {LA_EV_RECV_RST, ".. .. CD CD CD CD CD CD CD CD CD CD"},
    /* RFC 5961, 3.2; RFC 1337: ignored is ignored. */
    {LA_EV_RECV_RST_IGNORED, ".. .. .. .. .. .. .. .. .. .. .. .."},
    /* 3.10.7.4, eighth: "Remain in the ... state", everywhere. */
    {LA_EV_RECV_FIN_AGAIN, ".. .. .. .. .. .. .. .. .. .. .. .."},
    /* RFC 5961, 4.2: a challenge ACK, "and stop processing". */
    {LA_EV_RECV_SYN_HELD, ".. .. .. .. .. .. .. .. .. .. .. .."},
    /* RFC 7323, 5.3, R1: an ACK, and drop. */
    {LA_EV_RECV_SYN_OLDER, ".. .. .. .. .. .. .. .. .. .. .. .."},
    /* 3.10.7.4, fourth: only TIME-WAIT may accept a SYN (RFC 6191). */
    {LA_EV_RECV_SYN_REUSE, ".. .. .. .. .. .. .. .. .. .. CD .."},
    /* Linux: the orphan FIN-WAIT-2, and a request that meets another SYN in its window. */
    {LA_EV_RECV_SYN_REFUSED, ".. .. .. CD .. .. CD .. .. .. .. .."},
    /* RFC 5461, 2.2: Linux takes ICMP errors for hard ones while it connects, and only then. */
    {LA_EV_RECV_UNREACHABLE, ".. .. CD .. .. .. .. .. .. .. .. .."},
    /* 3.8.3 and 3.10.8. Nothing waits in CLOSED and LISTEN. */
    {LA_EV_TIMER, ".. .. CD CD CD CD CD CD CD CD CD CD"},
    /* The host cannot open what it still holds: it had let go of it. */
    {LA_EV_TAKEN_OVER, ".. CD CD CD CD CD CD CD CD CD CD CD"},
};
enum { ROWS = sizeof demanded / sizeof demanded[0] };

static enum la_state demanded_next(size_t row, enum la_state state) {
    const char *code = demanded[row].next + 3 * state;
    if (code[0] == '.')
        return state;
    for (int s = 0; s < LA_ST_COUNT; s++)
        if (strncmp(columns + 3 * s, code, 2) == 0)
            return (enum la_state)s;
    fail_msg("no state %.2s", code);
    return state;
}

static void every_event_has_a_row(void **unused) {
    (void)unused;
    assert_int_equal(ROWS, LA_EV_COUNT);
    for (size_t row = 0; row < ROWS; row++) {
        assert_int_equal(demanded[row].event, row);
        assert_int_equal(strlen(demanded[row].next), 3 * LA_ST_COUNT - 1);
    }
}

static void every_cell_is_as_the_rfc_demands(void **unused) {
    (void)unused;
    for (size_t row = 0; row < ROWS; row++)
        for (int s = 0; s < LA_ST_COUNT; s++) {
            enum la_state want = demanded_next(row, (enum la_state)s);
            enum la_state got = la_state_next((enum la_state)s, demanded[row].event);
            if (got != want)
                fail_msg("%s in %s: %s, not %s", la_event_name(demanded[row].event),
                         la_state_name((enum la_state)s), la_state_name(got), la_state_name(want));
        }
}

static void every_cell_has_a_reason(void **unused) {
    (void)unused;
    for (int s = 0; s < LA_ST_COUNT; s++)
        for (int e = 0; e < LA_EV_COUNT; e++) {
            assert_non_null(why(s, e));
            assert_true(strlen(why(s, e)) > 10);
        }
}

static void a_change_is_not_excused_with_why_nothing_changes(void **unused) {
    (void)unused;
    for (int e = 0; e < LA_EV_COUNT; e++)
        for (int s = 0; s < LA_ST_COUNT; s++)
            if (changes(s, e))
                assert_string_not_equal(why(s, e), common_why(e));
}

/* Sections of RFC 9293 that speak of states; a wrong number misleads whoever looks it up. */
static void reasons_cite_sections_that_exist(void **unused) {
    (void)unused;
    static const char *const sections[] = {
        "RFC 9293, 3.5)",     "RFC 9293, 3.6)",    "RFC 9293, 3.8.3)",    "RFC 9293, 3.10.1)",
        "RFC 9293, 3.10.4)",  "RFC 9293, 3.10.5)", "RFC 9293, 3.10.7.2)", "RFC 9293, 3.10.7.3)",
        "RFC 9293, 3.10.7.4", "RFC 9293, 3.10.8)"};
    int cited = 0;
    for (int s = 0; s < LA_ST_COUNT; s++)
        for (int e = 0; e < LA_EV_COUNT; e++) {
            const char *at = strstr(why(s, e), "RFC 9293");
            size_t i = 0;
            while (at && i < sizeof sections / sizeof sections[0] &&
                   strncmp(at, sections[i], strlen(sections[i])) != 0)
                i++;
            if (at && i == sizeof sections / sizeof sections[0])
                fail_msg("no such section: %s", at);
            cited += at != NULL;
        }
    assert_true(cited > 40);
}

static void every_state_can_be_entered_and_left(void **unused) {
    (void)unused;
    for (int s = 0; s < LA_ST_COUNT; s++) {
        bool entered = false, left = false;
        for (int e = 0; e < LA_EV_COUNT; e++) {
            left = left || changes(s, e);
            for (int from = 0; from < LA_ST_COUNT; from++)
                entered =
                    entered || (changes(from, e) &&
                                (int)la_state_next((enum la_state)from, (enum la_event)e) == s);
        }
        /* Where one starts is not entered again. */
        assert_int_equal(entered, s != LA_ST_LISTEN && s != LA_ST_UNKNOWN);
        assert_true(left);
    }
}

static void names_are_those_of_ss_and_tell_apart(void **unused) {
    (void)unused;
    static const char *const ss[] = {"CLOSED",   "LISTEN",     "SYN-SENT",   "SYN-RECV",
                                     "ESTAB",    "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                     "LAST-ACK", "CLOSING",    "TIME-WAIT",  "UNKNOWN"};
    for (int s = 0; s < LA_ST_COUNT; s++)
        assert_string_equal(la_state_name((enum la_state)s), ss[s]);
    for (int a = 0; a < LA_EV_COUNT; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(la_event_name((enum la_event)a),
                                    la_event_name((enum la_event)b));
}

static void the_page_of_states_is_the_table(void **unused) {
    (void)unused;
    char *printed = NULL, *committed = calloc(1, 1 << 20);
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size), *in = fopen("docs/states.md", "r");
    assert_non_null(out);
    assert_non_null(committed);
    if (!in)
        fail_msg("docs/states.md cannot be read from here (tests run in the top directory)");
    print_states(out);
    fclose(out);
    assert_true(fread(committed, 1, (1 << 20) - 1, in) > 0);
    fclose(in);
    if (strcmp(printed, committed) != 0)
        fail_msg("docs/states.md is not what the table says: run `make states-page`");
    assert_non_null(strstr(printed, "FIN-WAIT-1"));
    free(printed);
    free(committed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_has_a_row),
        cmocka_unit_test(every_cell_is_as_the_rfc_demands),
        cmocka_unit_test(every_cell_has_a_reason),
        cmocka_unit_test(a_change_is_not_excused_with_why_nothing_changes),
        cmocka_unit_test(reasons_cite_sections_that_exist),
        cmocka_unit_test(every_state_can_be_entered_and_left),
        cmocka_unit_test(names_are_those_of_ss_and_tell_apart),
        cmocka_unit_test(the_page_of_states_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
