/* Both ends through the states, for the shapes that a connection can have (REFERENCE, 1.2 and 1.3).
 */
#include "test_track_support.h"

static void the_usual_life(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 1000);
    const struct la_connection *c = rig_only(&rig);
    assert_classes(c, "syn [syn-ack] handshake-ack fin [ack-of-fin] [fin] ack-of-fin");
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED");
    assert_history(c, LA_SERVER, "SYN-RECV ESTAB CLOSE-WAIT LAST-ACK CLOSED");
    assert_int_equal(c->opening, LA_OPENING_HANDSHAKE);
    assert_int_equal(c->ending, LA_ENDING_FIN);
    assert_int_equal(c->first_closer, LA_CLOSER_CLIENT);
    assert_string_equal(c->zeek_conn_state, "SF");
    assert_string_equal(c->zeek_history, "ShAFaf");
    const struct la_change *end = c->side[LA_CLIENT].changes + c->side[LA_CLIENT].change_count - 1;
    assert_int_equal(end->time_ns - end[-1].time_ns, 60 * LA_SEC);
    assert_int_equal(end->frame, 0);
    rig_close(&rig);
}

/* At the last packet the client's TIME-WAIT has begun, and the server waits for its last ACK no
 * more. */
static void the_state_is_that_at_the_last_packet(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->side[LA_CLIENT].state, LA_ST_ESTAB);
    assert_int_equal(c->ending, LA_ENDING_OPEN);
    assert_int_equal(c->first_closer, LA_CLOSER_NONE);
    assert_string_equal(c->zeek_conn_state, "S1");
    rig_close(&rig);
}

static void three_segments_can_close(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001);
    send(&rig, .ms = 110, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1002);
    send(&rig, .ms = 120, .flags = LA_ACK, .seq = 1002, .ack = 5002);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB FIN-WAIT-1 TIME-WAIT CLOSED");
    assert_history(c, LA_SERVER, "SYN-RECV ESTAB CLOSE-WAIT LAST-ACK CLOSED");
    rig_close(&rig);
}

static void fins_may_cross(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001);
    send(&rig, .ms = 101, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1001);
    send(&rig, .ms = 120, .flags = LA_ACK, .seq = 1002, .ack = 5002);
    send(&rig, .ms = 121, .server = true, .flags = LA_ACK, .seq = 5002, .ack = 1002);
    const struct la_connection *c = rig_only(&rig);
    for (int side = 0; side < 2; side++) {
        const struct la_endpoint *end = &c->side[side];
        assert_int_equal(end->changes[end->change_count - 3].state, LA_ST_CLOSING);
        assert_int_equal(end->changes[end->change_count - 2].state, LA_ST_TIME_WAIT);
    }
    assert_int_equal(c->first_closer, LA_CLOSER_BOTH);
    assert_int_equal(c->ending, LA_ENDING_FIN);
    rig_close(&rig);
}

static void syns_may_cross(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
    send(&rig, .ms = 1, .server = true, .flags = LA_SYN, .seq = 5000);
    send(&rig, .ms = 10, .flags = LA_SYN | LA_ACK, .seq = 1000, .ack = 5001);
    send(&rig, .ms = 11, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->opening, LA_OPENING_SIMULTANEOUS);
    assert_history(c, LA_CLIENT, "SYN-SENT SYN-RECV ESTAB");
    assert_history(c, LA_SERVER, "SYN-SENT SYN-RECV ESTAB");
    rig_close(&rig);
}

static void a_half_close_lasts_as_long_as_it_is_used(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001);
    send(&rig, .ms = 110, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1002);
    uint32_t next = 5001;
    for (int i = 0; i < 5; i++, next += 100) {
        double at = 60000 * (i + 1);
        send(&rig, .ms = at, .server = true, .flags = LA_ACK, .seq = next, .ack = 1002,
             .payload = 100);
        send(&rig, .ms = at + 10, .flags = LA_ACK, .seq = 1002, .ack = next + 100);
    }
    send(&rig, .ms = 400000, .server = true, .flags = LA_FIN | LA_ACK, .seq = next, .ack = 1002);
    send(&rig, .ms = 400010, .flags = LA_ACK, .seq = 1002, .ack = next + 1);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED");
    assert_int_equal(c->side[LA_SERVER].data_bytes, 500);
    rig_close(&rig);
}

static void an_orphan_fin_wait_2_ends_by_its_timer(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001);
    send(&rig, .ms = 110, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1002);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB FIN-WAIT-1 FIN-WAIT-2 CLOSED");
    assert_history(c, LA_SERVER, "SYN-RECV ESTAB CLOSE-WAIT");
    assert_int_equal(c->ending, LA_ENDING_HALF_CLOSED);
    rig_close(&rig);
}

static void a_refused_syn_ends_in_closed(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
    send(&rig, .ms = 10, .server = true, .flags = LA_RST | LA_ACK, .seq = 0, .ack = 1001);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT CLOSED");
    assert_history(c, LA_SERVER, "");
    assert_int_equal(c->opening, LA_OPENING_REFUSED);
    assert_int_equal(c->ending, LA_ENDING_NEVER_OPENED);
    assert_int_equal(c->resets[0].cause, LA_RESET_REFUSED);
    assert_string_equal(c->zeek_conn_state, "REJ");
    rig_close(&rig);
}

static void an_unanswered_syn_is_given_up(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < 4; i++)
        send(&rig, .ms = 1000 * ((1 << i) - 1), .flags = LA_SYN, .seq = 1000);
    const struct la_connection *c = rig_only(&rig);
    assert_classes(c, "syn syn-again syn-again syn-again");
    assert_history(c, LA_CLIENT, "SYN-SENT CLOSED");
    assert_int_equal(c->opening, LA_OPENING_UNANSWERED);
    assert_string_equal(c->zeek_conn_state, "S0");
    rig_close(&rig);
}

static void a_handshake_without_its_ack_is_half_open(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
    send(&rig, .ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001);
    send(&rig, .ms = 1010, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001);
    const struct la_connection *c = rig_only(&rig);
    assert_classes(c, "syn [syn-ack] [syn-ack-again]");
    assert_history(c, LA_SERVER, "SYN-RECV CLOSED");
    assert_int_equal(c->opening, LA_OPENING_HALF_OPEN);
    assert_int_equal(c->ending, LA_ENDING_NEVER_OPENED);
    rig_close(&rig);
}

static void an_exact_rst_ends_both(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_RST | LA_ACK, .seq = 1001, .ack = 5001);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB CLOSED");
    assert_history(c, LA_SERVER, "SYN-RECV ESTAB CLOSED");
    assert_int_equal(c->ending, LA_ENDING_RESET);
    assert_int_equal(c->resets[0].form, LA_RESET_WITH_ACK);
    assert_int_equal(c->resets[0].cause, LA_RESET_ABORT);
    rig_close(&rig);
}

/* RFC 5961, 3.2: inexact, and both go on. */
static void a_forged_rst_changes_nothing(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_RST, .seq = 1500, .ttl = 12);
    send(&rig, .ms = 110, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1001);
    send_close(&rig, 1000);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED");
    assert_history(c, LA_SERVER, "SYN-RECV ESTAB CLOSE-WAIT LAST-ACK CLOSED");
    rig_close(&rig);
}

/* The final ACK is lost behind the capture; TIME-WAIT answers the repeat and starts anew. */
static void a_repeated_fin_restarts_time_wait(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 1000);
    send(&rig, .ms = 1231, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1002);
    send(&rig, .ms = 1241, .flags = LA_ACK, .seq = 1002, .ack = 5002);
    const struct la_connection *c = rig_only(&rig);
    const struct la_endpoint *client = &c->side[LA_CLIENT];
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED");
    int64_t closed = client->changes[client->change_count - 1].time_ns;
    assert_true(closed >= RIG_START + INT64_C(61231) * LA_MSEC);
    assert_true(closed <= RIG_START + INT64_C(61251) * LA_MSEC);
    rig_close(&rig);
}

static void a_fin_may_carry_data_and_lose_half_of_it(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 100, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001, .payload = 100);
    send(&rig, .ms = 110, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1101);
    const struct la_connection *c = rig_only(&rig);
    assert_false(c->side[LA_CLIENT].fin_acked);
    assert_int_equal(c->side[LA_CLIENT].fin_end, 1102);
    assert_int_equal(c->side[LA_CLIENT].data_bytes, 100);
    rig_close(&rig);
}

/* The capture starts behind the handshake. */
static void joined_with_data_both_are_established(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_ACK, .seq = 1001, .ack = 5001, .payload = 10);
    send(&rig, .ms = 10, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1011, .payload = 10);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "ESTAB");
    assert_history(c, LA_SERVER, "ESTAB");
    assert_int_equal(c->opening, LA_OPENING_MID_STREAM);
    assert_false(c->initiator_known);
    rig_close(&rig);
}

static void joined_with_bare_acks_the_states_are_unknown(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_ACK, .seq = 1001, .ack = 5001);
    send(&rig, .ms = 10, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1001);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "UNKNOWN");
    assert_history(c, LA_SERVER, "UNKNOWN");
    rig_close(&rig);
}

static void joined_at_a_syn_ack_the_other_end_had_sent_its_syn(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001);
    send(&rig, .ms = 20, .flags = LA_ACK, .seq = 1001, .ack = 5001);
    const struct la_connection *c = rig_only(&rig);
    assert_history(c, LA_CLIENT, "SYN-SENT ESTAB");
    assert_history(c, LA_SERVER, "SYN-RECV ESTAB");
    assert_int_equal(c->side[LA_SERVER].port, SERVER_PORT);
    rig_close(&rig);
}

/* Only what the server sends passes here: its ACKs prove what it received. */
static void one_way_the_acks_tell_what_the_other_side_did(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001);
    send(&rig, .ms = 30, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1101, .payload = 10);
    send(&rig, .ms = 50, .server = true, .flags = LA_ACK, .seq = 5011, .ack = 1102);
    send(&rig, .ms = 60, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5011, .ack = 1102);
    const struct la_connection *c = rig_only(&rig);
    assert_false(c->side[LA_CLIENT].seen);
    assert_int_equal(c->side[LA_CLIENT].packets, 0);
    assert_int_equal(c->side[LA_SERVER].data_bytes, 10);
    assert_int_equal(c->side[LA_SERVER].fin, 1);
    rig_close(&rig);
}

/* A bare RST from a host in TIME-WAIT says that TIME-WAIT was over: what stood there is doubted. */
static void a_rst_for_a_late_fin_ends_time_wait(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 1000);
    send(&rig, .ms = 1231, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1002);
    send(&rig, .ms = 1241, .flags = LA_RST, .seq = 1002);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->reset_count, 1);
    assert_int_equal(c->resets[0].cause, LA_RESET_TIME_WAIT_GONE);
    assert_int_equal(c->resets[0].form, LA_RESET_BARE);
    assert_int_equal(c->resets[0].drew.frame, 8);
    const struct la_endpoint *client = &c->side[LA_CLIENT];
    assert_int_equal(client->changes[client->change_count - 1].event, LA_EV_SEND_RST);
    rig_close(&rig);
}

/* The path's halves are 10 ms to the server and 10 ms to the client and back. */
static void the_vantage_is_measured_from_the_handshake(void **unused) {
    (void)unused;
    static const struct {
        double syn_ack, ack;
        enum la_vantage_kind kind;
    } cases[] = {
        {10, 20, LA_VANTAGE_MIDDLE},
        {19.9, 20, LA_VANTAGE_NEAR_CLIENT},
        {0.1, 20, LA_VANTAGE_NEAR_SERVER},
        {0.05, 0.1, LA_VANTAGE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig;
        rig_open(&rig);
        send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
        send(&rig, .ms = cases[i].syn_ack, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000,
             .ack = 1001);
        send(&rig, .ms = cases[i].ack, .flags = LA_ACK, .seq = 1001, .ack = 5001);
        const struct la_connection *c = rig_only(&rig);
        assert_int_equal(c->vantage.kind, cases[i].kind);
        assert_int_equal(c->side[LA_SERVER].rtt_min_ns, (int64_t)(cases[i].syn_ack * 1e6));
        rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_life),
        cmocka_unit_test(the_state_is_that_at_the_last_packet),
        cmocka_unit_test(three_segments_can_close),
        cmocka_unit_test(fins_may_cross),
        cmocka_unit_test(syns_may_cross),
        cmocka_unit_test(a_half_close_lasts_as_long_as_it_is_used),
        cmocka_unit_test(an_orphan_fin_wait_2_ends_by_its_timer),
        cmocka_unit_test(a_refused_syn_ends_in_closed),
        cmocka_unit_test(an_unanswered_syn_is_given_up),
        cmocka_unit_test(a_handshake_without_its_ack_is_half_open),
        cmocka_unit_test(an_exact_rst_ends_both),
        cmocka_unit_test(a_forged_rst_changes_nothing),
        cmocka_unit_test(a_repeated_fin_restarts_time_wait),
        cmocka_unit_test(a_fin_may_carry_data_and_lose_half_of_it),
        cmocka_unit_test(joined_with_data_both_are_established),
        cmocka_unit_test(joined_with_bare_acks_the_states_are_unknown),
        cmocka_unit_test(joined_at_a_syn_ack_the_other_end_had_sent_its_syn),
        cmocka_unit_test(one_way_the_acks_tell_what_the_other_side_did),
        cmocka_unit_test(a_rst_for_a_late_fin_ends_time_wait),
        cmocka_unit_test(the_vantage_is_measured_from_the_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
