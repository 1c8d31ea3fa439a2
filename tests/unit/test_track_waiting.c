/* Who waited for whom: probes, closed windows, data sent again in vain. */
#include "test_track_support.h"

#include "track/waits.h"

static void data(struct rig *rig, double ms, uint32_t seq, uint32_t payload) {
    send(rig, .ms = ms, .flags = LA_ACK, .seq = seq, .ack = 5001, .payload = payload);
}

static void ack(struct rig *rig, double ms, uint32_t number) {
    send(rig, .ms = ms, .server = true, .flags = LA_ACK, .seq = 5001, .ack = number);
}

static void shut(struct rig *rig, double ms, uint32_t number) {
    send(rig, .ms = ms, .server = true, .flags = LA_ACK, .seq = 5001, .ack = number,
         .zero_window = true);
}

/* The client's, before its next number. */
static void probe(struct rig *rig, double ms, uint32_t next) {
    send(rig, .ms = ms, .flags = LA_ACK, .seq = next - 1, .ack = 5001);
}

static size_t count_class(const struct la_connection *c, enum la_class class) {
    size_t count = 0;
    for (size_t i = 0; i < c->log_count; i++)
        count += c->log[i].class == class;
    return count;
}

static void a_day_of_answered_probes_does_not_fill_the_log(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    for (int n = 1; n <= 1440; n++) {
        probe(&rig, n * 60000.0, 1001);
        ack(&rig, n * 60000.0 + 10, 1001);
    }
    send_close(&rig, 1441 * 60000.0);
    const struct la_connection *c = rig_only(&rig);
    const struct la_keepalive *k = c->side[LA_CLIENT].keepalive;
    assert_non_null(k);
    assert_null(c->side[LA_SERVER].keepalive);
    assert_int_equal(k->probes, 1440);
    assert_int_equal(k->answers, 1440);
    assert_int_equal(k->waiting.count, 0);
    assert_int_equal(k->interval_ns, -1);
    assert_int_equal(k->idle_ns, 59990 * LA_MSEC);
    assert_int_equal(k->first.frame, 4);
    assert_int_equal(k->answer.frame, 3 + 2 * 1440);
    assert_int_equal(c->log_dropped, 0);
    assert_in_range(count_class(c, LA_CLASS_KEEPALIVE), 1, 16);
    assert_int_equal(c->ending, LA_ENDING_FIN);
    rig_close(&rig);
}

static void probes_without_an_answer_stay_in_the_log(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    double ms = 0;
    for (int n = 1; n <= 100; n++) {
        probe(&rig, ms = n * 60000.0, 1001);
        ack(&rig, ms + 10, 1001);
    }
    for (int n = 1; n <= 9; n++)
        probe(&rig, ms + 60000 + n * 10000.0, 1001);
    const struct la_connection *c = rig_only(&rig);
    const struct la_keepalive *k = c->side[LA_CLIENT].keepalive;
    assert_int_equal(k->probes, 109);
    assert_int_equal(k->answers, 100);
    assert_int_equal(k->waiting.count, 9);
    assert_int_equal(k->interval_ns, 10 * LA_SEC);
    assert_true(la_row_is_regular(&k->waiting));
    assert_in_range(count_class(c, LA_CLASS_KEEPALIVE), 16 + 8, 16 + 9);
    /* 600 s are longer than it may be idle, and no probe came: it gave up, unseen. */
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB CLOSED");
    assert_history(c, LA_SERVER, "SYN-RECV ESTAB");
    rig_close(&rig);
}

static void what_comes_right_behind_is_no_probe(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 1);
    probe(&rig, 101, 1002); /* an ACK from before the data, overtaken by it */
    ack(&rig, 120, 1002);
    assert_null(rig_only(&rig)->side[LA_CLIENT].keepalive);
    rig_close(&rig);
}

/* Half a minute late, by its timestamp from before the FIN. */
static void a_late_copy_is_no_probe(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_ACK, .seq = 1001, .ack = 5001, .tsval = 100);
    send(&rig, .ms = 200, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001, .tsval = 200);
    ack(&rig, 210, 1002);
    send(&rig, .ms = 30000, .flags = LA_ACK, .seq = 1001, .ack = 5001, .tsval = 100);
    assert_null(rig_only(&rig)->side[LA_CLIENT].keepalive);
    rig_close(&rig);
}

static void a_byte_that_is_not_acknowledged_is_data_again(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 1);
    data(&rig, 700, 1001, 1);
    ack(&rig, 710, 1002);
    data(&rig, 60000, 1001, 1); /* the peer has it: this one asks */
    ack(&rig, 60010, 1002);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->side[LA_CLIENT].retransmitted_segments, 1);
    assert_int_equal(c->side[LA_CLIENT].keepalive->probes, 1);
    assert_null(c->side[LA_CLIENT].repeats);
    rig_close(&rig);
}

static void repeats_count_from_the_first_unacknowledged_number(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 500);
    data(&rig, 320, 1001, 500);
    ack(&rig, 330, 1501); /* got through after all */
    data(&rig, 1000, 1501, 500);
    data(&rig, 1001, 2001, 500);
    data(&rig, 1200, 2001, 500); /* the last one, by a tail loss probe: not the first */
    data(&rig, 1400, 1501, 500);
    data(&rig, 1800, 1501, 500);
    data(&rig, 2600, 1501, 500);
    const struct la_connection *c = rig_only(&rig);
    const struct la_repeats *r = c->side[LA_CLIENT].repeats;
    assert_non_null(r);
    assert_int_equal(r->head, 1501);
    assert_int_equal(r->row.count, 3);
    assert_int_equal(r->row.first.time_ns, RIG_START + 1400 * LA_MSEC);
    assert_int_equal(r->row.gap_ns, 800 * LA_MSEC);
    assert_int_equal(r->row.gap_min_ns, 400 * LA_MSEC);
    assert_int_equal(la_next_repeat_ns(&r->row), RIG_START + 4200 * LA_MSEC);
    /* It stopped long before its time: whether it has ended nothing tells. */
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB");
    assert_false(c->side[LA_CLIENT].changes[1].certain);
    rig_close(&rig);
}

static void data_is_given_up_when_its_time_is_over(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    double ms = 1000, gap = 220;
    for (int n = 0; n < 16; n++) {
        data(&rig, ms, 1001, 500);
        ms += gap;
        gap = 2 * gap < 120000 ? 2 * gap : 120000;
    }
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB CLOSED");
    assert_int_equal(c->side[LA_CLIENT].changes[2].event, LA_EV_TIMER);
    int64_t lasted =
        c->side[LA_CLIENT].changes[2].time_ns - c->side[LA_CLIENT].repeats->row.first.time_ns;
    assert_in_range(lasted, 924600 * LA_MSEC, (924600 + 121000) * LA_MSEC);
    rig_close(&rig);
}

static void the_longest_closed_window_is_kept(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    shut(&rig, 100, 1001); /* nobody had anything for it */
    ack(&rig, 200, 1001);
    shut(&rig, 1000, 1001);
    probe(&rig, 1250, 1001);
    shut(&rig, 1260, 1001);
    probe(&rig, 1700, 1001);
    shut(&rig, 1710, 1001);
    ack(&rig, 3000, 1001);
    data(&rig, 3010, 1001, 100);
    shut(&rig, 3020, 1101);
    probe(&rig, 3300, 1101);
    ack(&rig, 3310, 1101);
    const struct la_stalls *s = rig_only(&rig)->side[LA_SERVER].stalls;
    assert_non_null(s);
    assert_int_equal(s->count, 2);
    assert_int_equal(s->probes, 3);
    assert_int_equal(s->longest.probes.count, 2);
    assert_int_equal(s->longest.unanswered, 0);
    assert_int_equal(s->longest.closed.time_ns, RIG_START + 1000 * LA_MSEC);
    assert_int_equal(s->longest.opened.time_ns, RIG_START + 3000 * LA_MSEC);
    assert_int_equal(s->longest.resumed.time_ns, RIG_START + 3010 * LA_MSEC);
    assert_int_equal(s->last.probes.count, 1);
    assert_int_equal(s->last.resumed.frame, 0);
    rig_close(&rig);
}

static void a_timer_fires_late_but_not_early(void **unused) {
    (void)unused;
    assert_true(la_fits_timer(60 * LA_SEC, 60 * LA_SEC));
    assert_true(la_fits_timer(67 * LA_SEC, 60 * LA_SEC));
    assert_false(la_fits_timer(75 * LA_SEC, 60 * LA_SEC));
    assert_false(la_fits_timer(59 * LA_SEC, 60 * LA_SEC));
    assert_true(la_fits_timer(1024 * LA_MSEC, LA_SEC));
    assert_false(la_fits_timer(1500 * LA_MSEC, LA_SEC));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_of_answered_probes_does_not_fill_the_log),
        cmocka_unit_test(probes_without_an_answer_stay_in_the_log),
        cmocka_unit_test(what_comes_right_behind_is_no_probe),
        cmocka_unit_test(a_late_copy_is_no_probe),
        cmocka_unit_test(a_byte_that_is_not_acknowledged_is_data_again),
        cmocka_unit_test(repeats_count_from_the_first_unacknowledged_number),
        cmocka_unit_test(data_is_given_up_when_its_time_is_over),
        cmocka_unit_test(the_longest_closed_window_is_kept),
        cmocka_unit_test(a_timer_fires_late_but_not_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
