/* The registry, the finding as a value, and each kind from its shortest ladder, beside its nearest
 * look-alike. The scenarios have the rest. */
#include "test_track_support.h"

#include <stdio.h>

#include "base/pages.h"
#include "diagnose/build.h"

#define ALL_KINDS ((UINT64_C(1) << LA_KIND_COUNT) - 1)

/* ---- the registry -------------------------------------------------------------------------- */

static void every_kind_has_a_row_a_name_and_a_sentence(void **unused) {
    (void)unused;
    for (int k = 0; k < LA_KIND_COUNT; k++) {
        const struct la_diagnosis *row = la_diagnosis_of((enum la_kind)k);
        enum la_kind found;
        assert_non_null(row);
        assert_int_equal(row->kind, k);
        assert_string_equal(la_kind_name((enum la_kind)k), row->name);
        assert_true(la_kind_find(row->name, &found));
        assert_int_equal(found, k);
        assert_true(strlen(row->summary) > 20);
        assert_true((row->examine != NULL) != (row->conclude != NULL));
    }
    enum la_kind none = LA_KIND_COUNT;
    assert_false(la_kind_find("no-such-kind", &none));
    assert_false(la_kind_find("", &none));
    assert_int_equal(none, LA_KIND_COUNT);
}

static void details_are_described_and_fit(void **unused) {
    (void)unused;
    for (int k = 0; k < LA_KIND_COUNT; k++) {
        const struct la_detail_spec *spec = la_diagnosis_of((enum la_kind)k)->details;
        size_t count = 0;
        for (; spec[count].name; count++) {
            assert_true(strlen(spec[count].meaning) > 5);
            assert_int_equal(spec[count].words != NULL, spec[count].type == LA_DETAIL_WORD);
            assert_int_not_equal(spec[count].type, LA_DETAIL_NULL);
        }
        assert_in_range(count, 1, LA_FINDING_DETAILS);
    }
}

static void severities_and_roles_have_names(void **unused) {
    (void)unused;
    assert_string_equal(la_severity_name(LA_INFO), "info");
    assert_string_equal(la_severity_name(LA_CRITICAL), "critical");
    assert_string_equal(la_confidence_name(LA_OBSERVED), "observed");
    assert_string_equal(la_confidence_name(LA_INFERRED), "inferred");
    for (int r = 0; r < LA_ROLE_COUNT; r++)
        assert_non_null(la_role_name((enum la_role)r));
    assert_int_equal(severity_of_delay(-1), LA_CRITICAL);
    assert_int_equal(severity_of_delay(LA_SEC), LA_WARNING);
    assert_int_equal(severity_of_delay(12 * LA_MSEC), LA_NOTICE);
}

/* ---- a finding ----------------------------------------------------------------------------- */

static struct la_connection new_connection(void) {
    struct la_connection c;
    memset(&c, 0, sizeof c);
    c.side[LA_CLIENT].addr = host_v4(1);
    c.side[LA_SERVER].addr = host_v4(2);
    c.incarnation = 1;
    return c;
}

static void text_that_does_not_fit_is_cut_and_never_missing(void **unused) {
    (void)unused;
    struct la_finding f;
    struct la_connection c = new_connection();
    finding_start(&f, LA_KIND_LOST_FINAL_ACK, &c, LA_SERVER);
    const char *first = finding_text(&f, "%s", "kept");
    for (int i = 0; i < 1000; i++) {
        const char *text = finding_text(&f, "%d bottles of text on the wall", i);
        assert_non_null(text);
        assert_true(strlen(text) < 64);
        assert_true(f.text_used <= LA_FINDING_TEXT);
    }
    assert_string_equal(first, "kept");
    assert_string_equal(finding_text(&f, "no more"), "");
}

static void evidence_beyond_the_bound_is_counted(void **unused) {
    (void)unused;
    struct la_finding f;
    struct la_connection c = new_connection();
    struct la_observation o = {.frame = 1};
    finding_start(&f, LA_KIND_LOST_FINAL_ACK, &c, LA_SERVER);
    for (int i = 0; i < LA_FINDING_EVIDENCE + 7; i++, o.frame++)
        finding_show_observation(&f, &o, "FIN again");
    assert_int_equal(f.evidence_count, LA_FINDING_EVIDENCE);
    assert_int_equal(f.evidence_dropped, 7);
    assert_int_equal(f.evidence[0].where.frame, 1);
    finding_show(&f, &c, LA_NOWHERE, "nothing");
    assert_int_equal(f.evidence_dropped, 7);
}

static void notes_and_details_stay_in_their_bounds(void **unused) {
    (void)unused;
    struct la_finding f;
    struct la_connection c = new_connection();
    finding_start(&f, LA_KIND_LOST_FINAL_ACK, &c, LA_SERVER);
    for (int i = 0; i < 50; i++) {
        finding_assume(&f, "something");
        finding_exclude(&f, "a kind", "a reason");
        detail_integer(&f, "number", i);
    }
    assert_int_equal(f.assume_count, LA_FINDING_NOTES);
    assert_int_equal(f.excluded_count, LA_FINDING_NOTES);
    assert_int_equal(f.detail_count, LA_FINDING_DETAILS);
}

static void a_copy_has_its_own_text(void **unused) {
    (void)unused;
    struct la_finding f, copy;
    struct la_connection c = new_connection();
    finding_start(&f, LA_KIND_LOST_FINAL_ACK, &c, LA_SERVER);
    f.summary = finding_text(&f, "summary of %d", 1);
    finding_assume(&f, finding_text(&f, "assumption"));
    finding_exclude(&f, "late ACK", finding_text(&f, "exclusion"));
    finding_blame(&f, LA_ROLE_NETWORK, NULL, "static");
    la_finding_copy(&copy, &f);
    memset(f.text, 'x', sizeof f.text - 1);
    assert_string_equal(copy.summary, "summary of 1");
    assert_string_equal(copy.assumes[0], "assumption");
    assert_string_equal(copy.excluded[0].why, "exclusion");
    assert_string_equal(copy.responsible.why, "static");
}

static struct la_finding random_finding(uint64_t *state) {
    struct la_finding f;
    struct la_connection c = new_connection();
    c.side[LA_CLIENT].port = (uint16_t)pick(state, 3);
    c.incarnation = 1 + pick(state, 2);
    c.first.time_ns = pick(state, 2);
    finding_start(&f, (enum la_kind)pick(state, LA_KIND_COUNT), &c, LA_SERVER);
    f.severity = (enum la_severity)pick(state, LA_SEVERITY_COUNT);
    f.delay_ns = (int64_t)pick(state, 3) - 1;
    f.time_ns = pick(state, 2);
    return f;
}

static void the_order_of_findings_is_total(void **unused) {
    (void)unused;
    enum { COUNT = 60 };
    static struct la_finding f[COUNT];
    uint64_t state = 3;
    for (int i = 0; i < COUNT; i++)
        f[i] = random_finding(&state);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            int ij = la_finding_compare(&f[i], &f[j]), ji = la_finding_compare(&f[j], &f[i]);
            assert_int_equal((ij > 0) - (ij < 0), (ji < 0) - (ji > 0));
            for (int k = 0; ij <= 0 && k < COUNT; k++)
                if (la_finding_compare(&f[j], &f[k]) <= 0)
                    assert_true(la_finding_compare(&f[i], &f[k]) <= 0);
        }
}

/* ---- from packets to findings -------------------------------------------------------------- */

/* Findings of what was sent, as "kind/confidence/host number" in the order of connections. */
struct found {
    struct rig rig;
    struct la_finding findings[8];
    size_t count;
};

static void take_finding(void *context, const struct la_finding *finding) {
    struct found *found = context;
    assert_true(found->count < 8);
    la_finding_copy(&found->findings[found->count++], finding);
}

static void diagnose(void *context, struct la_connection *connection) {
    struct found *found = context;
    la_diagnose_connection(connection, ALL_KINDS, take_finding, found);
    assert_lawful(connection);
    found->rig.count++;
}

static struct found *open_found(void) {
    struct found *found = calloc(1, sizeof *found);
    assert_non_null(found);
    struct rig *rig = &found->rig;
    rig->pages = la_pages_new();
    rig->end_ns = LA_TIME_NONE;
    struct la_tracker_options options = {
        .pages = rig->pages, .on_settled = diagnose, .context = found};
    rig->tracker = la_tracker_new(&options);
    assert_non_null(rig->tracker);
    return found;
}

static void assert_found(struct found *found, const char *expected) {
    rig_finish(&found->rig, 5000);
    char text[512] = "";
    for (size_t i = 0; i < found->count; i++) {
        append_word(text, sizeof text, la_kind_name(found->findings[i].kind));
        append_word(text, sizeof text, la_confidence_name(found->findings[i].confidence));
    }
    assert_string_equal(text, expected);
    for (size_t i = 0; i < found->count; i++) {
        const struct la_finding *f = &found->findings[i];
        const struct la_detail_spec *spec = la_diagnosis_of(f->kind)->details;
        assert_true(strlen(f->summary) > 10);
        assert_true(f->evidence_count > 0);
        assert_true(f->connection.present);
        for (size_t d = 0; d < f->detail_count; d++) {
            assert_string_equal(f->details[d].name, spec[d].name);
            assert_true(f->details[d].type == spec[d].type ||
                        (f->details[d].type == LA_DETAIL_NULL && spec[d].nullable));
        }
        assert_null(spec[f->detail_count].name);
    }
    la_tracker_free(found->rig.tracker);
    la_pages_free(found->rig.pages);
    free(found);
}

static void an_ordinary_life_has_nothing(void **unused) {
    (void)unused;
    struct found *found = open_found();
    send_handshake(&found->rig, 0);
    send_close(&found->rig, 1000);
    assert_found(found, "");
}

/* REFERENCE 3.1, V1, in the middle: the re-ACK comes, and no RST follows it. */
static void a_fin_that_comes_again_after_its_ack_lost_the_ack(void **unused) {
    (void)unused;
    struct found *found = open_found();
    send_handshake(&found->rig, 0);
    send_close(&found->rig, 1000);
    send(&found->rig, .ms = 1250, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001,
         .ack = 1002);
    send(&found->rig, .ms = 1260, .flags = LA_ACK, .seq = 1002, .ack = 5002);
    assert_found(found, "lost-final-ack observed");
}

/* V9: the RST says that both ACKs arrived. */
static void a_trailing_rst_tells_that_the_ack_was_late(void **unused) {
    (void)unused;
    struct found *found = open_found();
    send_handshake(&found->rig, 0);
    send_close(&found->rig, 1000);
    send(&found->rig, .ms = 1250, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001,
         .ack = 1002);
    send(&found->rig, .ms = 1260, .flags = LA_ACK, .seq = 1002, .ack = 5002);
    send(&found->rig, .ms = 1270, .server = true, .flags = LA_RST, .seq = 5002);
    assert_found(found, "fin-retransmitted observed time-wait-assassination inferred");
}

static void a_copy_of_the_capture_is_no_repeat(void **unused) {
    (void)unused;
    struct found *found = open_found();
    send_handshake(&found->rig, 0);
    send(&found->rig, .ms = 1000, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001, .id = 1);
    send(&found->rig, .ms = 1000.1, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001, .id = 1);
    send(&found->rig, .ms = 1010, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001,
         .ack = 1002, .id = 2);
    send(&found->rig, .ms = 1010.1, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001,
         .ack = 1002, .id = 2);
    send(&found->rig, .ms = 1020, .flags = LA_ACK, .seq = 1002, .ack = 5002);
    assert_found(found, "");
}

static void send_life_with_stamps(struct rig *rig, uint32_t tsval) {
    send(rig, .ms = 0, .flags = LA_SYN, .seq = 1000, .tsval = tsval);
    send(rig, .ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001,
         .tsval = 880, .tsecr = tsval);
    send(rig, .ms = 20, .flags = LA_ACK, .seq = 1001, .ack = 5001, .tsval = tsval + 20,
         .tsecr = 880);
    send(rig, .ms = 1000, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1001,
         .tsval = 1870, .tsecr = tsval + 20);
    send(rig, .ms = 1010, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5002, .tsval = tsval + 1010,
         .tsecr = 1870);
    send(rig, .ms = 1020, .server = true, .flags = LA_ACK, .seq = 5002, .ack = 1002, .tsval = 1890,
         .tsecr = tsval + 1010);
}

/* REFERENCE 3.3: the server's TIME-WAIT answers an older SYN with an ACK that discloses its stamp.
 */
static void a_syn_older_than_time_wait_is_refused_for_its_stamp(void **unused) {
    (void)unused;
    struct found *found = open_found();
    struct rig *rig = &found->rig;
    send_life_with_stamps(rig, 500000);
    send(rig, .ms = 3000, .flags = LA_SYN, .seq = 900000, .tsval = 400000);
    send(rig, .ms = 3010, .server = true, .flags = LA_ACK, .seq = 5002, .ack = 1002, .tsval = 3880,
         .tsecr = 501010);
    send(rig, .ms = 3020, .flags = LA_RST, .seq = 1002);
    send(rig, .ms = 4020, .flags = LA_SYN, .seq = 900000, .tsval = 401020);
    send(rig, .ms = 4030, .server = true, .flags = LA_SYN | LA_ACK, .seq = 700000, .ack = 900001,
         .tsval = 4900, .tsecr = 401020);
    send(rig, .ms = 4040, .flags = LA_ACK, .seq = 900001, .ack = 700001, .tsval = 401040,
         .tsecr = 4900);
    assert_found(found, "timestamp-rejected-syn observed");
}

/* R6: a newer stamp is accepted at once, with Linux' mark. */
static void a_newer_syn_takes_time_wait_over(void **unused) {
    (void)unused;
    struct found *found = open_found();
    struct rig *rig = &found->rig;
    send_life_with_stamps(rig, 500000);
    send(rig, .ms = 3000, .flags = LA_SYN, .seq = 900000, .tsval = 503000);
    send(rig, .ms = 3010, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5002 + 65537,
         .ack = 900001, .tsval = 3880, .tsecr = 503000);
    send(rig, .ms = 3020, .flags = LA_ACK, .seq = 900001, .ack = 5003 + 65537, .tsval = 503020,
         .tsecr = 3880);
    assert_found(found, "time-wait-reuse observed");
}

/* R1: LAST-ACK answers the SYN from the old sequence space, and the RST has that number. */
static void a_syn_that_meets_last_ack_is_a_recycled_port(void **unused) {
    (void)unused;
    struct found *found = open_found();
    struct rig *rig = &found->rig;
    send_handshake(rig, 0);
    send(rig, .ms = 1000, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001);
    send(rig, .ms = 1010, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1002);
    send(rig, .ms = 1500, .flags = LA_SYN, .seq = 900000);
    send(rig, .ms = 1510, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1002);
    send(rig, .ms = 1520, .flags = LA_RST, .seq = 1002);
    send(rig, .ms = 1532, .flags = LA_SYN, .seq = 900000);
    send(rig, .ms = 1542, .server = true, .flags = LA_SYN | LA_ACK, .seq = 700000, .ack = 900001);
    send(rig, .ms = 1552, .flags = LA_ACK, .seq = 900001, .ack = 700001);
    assert_found(found, "recycled-port-rst observed");
}

static void a_closed_port_is_no_recycled_one(void **unused) {
    (void)unused;
    struct found *found = open_found();
    send(&found->rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
    send(&found->rig, .ms = 10, .server = true, .flags = LA_RST | LA_ACK, .ack = 1001);
    send(&found->rig, .ms = 500000, .flags = LA_SYN, .seq = 2000);
    send(&found->rig, .ms = 500010, .server = true, .flags = LA_RST | LA_ACK, .ack = 2001);
    assert_found(found, "syn-refused observed syn-refused observed");
}

static void a_kind_that_is_not_wanted_is_not_found(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 1000);
    send(&rig, .ms = 1250, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1002);
    send(&rig, .ms = 1260, .flags = LA_ACK, .seq = 1002, .ack = 5002);
    rig_only(&rig);
    for (int wanted = 0; wanted < LA_KIND_COUNT; wanted++) {
        struct found *found = calloc(1, sizeof *found);
        assert_non_null(found);
        struct la_connection c = rig.settled[0].c;
        la_diagnose_connection(&c, UINT64_C(1) << wanted, take_finding, found);
        assert_int_equal(found->count, wanted == LA_KIND_LOST_FINAL_ACK);
        assert_int_equal(c.findings, found->count ? UINT64_C(1) << wanted : 0);
        free(found);
    }
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_row_a_name_and_a_sentence),
        cmocka_unit_test(details_are_described_and_fit),
        cmocka_unit_test(severities_and_roles_have_names),
        cmocka_unit_test(text_that_does_not_fit_is_cut_and_never_missing),
        cmocka_unit_test(evidence_beyond_the_bound_is_counted),
        cmocka_unit_test(notes_and_details_stay_in_their_bounds),
        cmocka_unit_test(a_copy_has_its_own_text),
        cmocka_unit_test(the_order_of_findings_is_total),
        cmocka_unit_test(an_ordinary_life_has_nothing),
        cmocka_unit_test(a_fin_that_comes_again_after_its_ack_lost_the_ack),
        cmocka_unit_test(a_trailing_rst_tells_that_the_ack_was_late),
        cmocka_unit_test(a_copy_of_the_capture_is_no_repeat),
        cmocka_unit_test(a_syn_older_than_time_wait_is_refused_for_its_stamp),
        cmocka_unit_test(a_newer_syn_takes_time_wait_over),
        cmocka_unit_test(a_syn_that_meets_last_ack_is_a_recycled_port),
        cmocka_unit_test(a_closed_port_is_no_recycled_one),
        cmocka_unit_test(a_kind_that_is_not_wanted_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
