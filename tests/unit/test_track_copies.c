/* The same traffic twice in the capture: mirrors of both directions, `-i any`, a second tap. */
#include "test_track_support.h"

static const struct packet life[] = {
    {.ms = 0, .flags = LA_SYN, .seq = 1000, .id = 1},
    {.ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001, .id = 2},
    {.ms = 20, .flags = LA_ACK, .seq = 1001, .ack = 5001, .id = 3},
    {.ms = 30, .flags = LA_ACK, .seq = 1001, .ack = 5001, .payload = 500, .id = 4},
    {.ms = 40, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1501, .payload = 700, .id = 5},
    {.ms = 50, .flags = LA_FIN | LA_ACK, .seq = 1501, .ack = 5701, .id = 6},
    {.ms = 60, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5701, .ack = 1502, .id = 7},
    {.ms = 70, .flags = LA_ACK, .seq = 1502, .ack = 5702, .id = 8},
};
enum { LIFE = sizeof life / sizeof life[0] };

static void assert_clean(struct rig *rig, uint64_t duplicates) {
    const struct la_connection *c = rig_only(rig);
    assert_int_equal(c->duplicates, duplicates);
    assert_int_equal(c->side[LA_CLIENT].packets, 5);
    assert_int_equal(c->side[LA_SERVER].packets, 3);
    assert_int_equal(c->side[LA_CLIENT].data_bytes, 500);
    assert_int_equal(c->side[LA_SERVER].data_bytes, 700);
    assert_int_equal(c->side[LA_CLIENT].retransmitted_segments, 0);
    assert_int_equal(c->side[LA_SERVER].fin, 1);
    assert_int_equal(c->gaps, 0);
}

static void a_packet_with_the_same_ip_id_right_after_is_a_copy(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++) {
        struct packet copy = life[i];
        send_packet(&rig, copy);
        copy.ms += 0.2;
        send_packet(&rig, copy);
    }
    assert_clean(&rig, LIFE);
    rig_close(&rig);
}

/* Routed once between the two mirrors. */
static void a_copy_may_have_another_ttl_and_vlan(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++) {
        struct packet copy = life[i];
        send_packet(&rig, copy);
        copy.ms += 0.2;
        copy.ttl = 63;
        copy.vlan = 12;
        send_packet(&rig, copy);
    }
    assert_clean(&rig, LIFE);
    rig_close(&rig);
}

static void another_ip_id_is_a_retransmission(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++)
        send_packet(&rig, life[i]);
    send(&rig, .ms = 70.2, .flags = LA_ACK, .seq = 1502, .ack = 5702, .id = 9);
    send(&rig, .ms = 71, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5701, .ack = 1502,
         .id = 10);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->duplicates, 0);
    assert_int_equal(c->side[LA_SERVER].fin, 2);
    assert_int_equal(c->side[LA_CLIENT].packets, 6);
    rig_close(&rig);
}

/* A counter of 16 bits comes round; 5 ms is too soon for that. */
static void the_same_ip_id_much_later_is_no_copy(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++)
        send_packet(&rig, life[i]);
    struct packet again = life[6];
    again.ms += 210;
    send_packet(&rig, again);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->duplicates, 0);
    assert_int_equal(c->side[LA_SERVER].fin, 2);
    rig_close(&rig);
}

/* DF with IP ID 0, and IPv6: a SYN is never sent again so soon. */
static void a_syn_needs_no_ip_id_to_be_known_as_a_copy(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000, .no_id = true);
    send(&rig, .ms = 0.5, .flags = LA_SYN, .seq = 1000, .no_id = true);
    send(&rig, .ms = 20, .flags = LA_SYN, .seq = 1000, .no_id = true);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->duplicates, 1);
    assert_int_equal(c->side[LA_CLIENT].syn, 2);
    rig_close(&rig);
}

/* A host may well send the same bare RST twice in a millisecond, for two segments under way. */
static void what_has_no_identity_is_a_copy_only_where_others_are(void **unused) {
    (void)unused;
    for (int doubled = 0; doubled < 2; doubled++) {
        struct rig rig;
        rig_open(&rig);
        for (int i = 0; i <= doubled; i++)
            send(&rig, .ms = 0.1 * i, .flags = LA_SYN, .seq = 1000, .no_id = true);
        for (int i = 0; i < 2; i++)
            send(&rig, .ms = 10 + 0.1 * i, .flags = LA_RST, .seq = 1001, .no_id = true);
        const struct la_connection *c = rig_only(&rig);
        assert_int_equal(c->side[LA_CLIENT].rst, doubled ? 1 : 2);
        rig_close(&rig);
    }
}

static void a_second_interface_is_left_out_once_it_is_known(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++) {
        struct packet copy = life[i];
        send_packet(&rig, copy);
        copy.ms += 3;
        send_packet(&rig, copy);
    }
    assert_clean(&rig, LIFE);
    rig_close(&rig);
}

/* Two taps with clocks of their own, as two files. */
static void a_second_file_may_have_another_clock(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++) {
        struct packet copy = life[i];
        send_packet(&rig, copy);
        copy.ms -= 900;
        copy.input = 1;
        send_packet(&rig, copy);
    }
    assert_clean(&rig, LIFE);
    rig_close(&rig);
}

/* Rotated files: the second goes on where the first ended, and both are named. */
static void a_connection_over_two_files_is_one(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++) {
        struct packet p = life[i];
        p.input = i >= 4;
        send_packet(&rig, p);
    }
    assert_clean(&rig, 0);
    const struct la_connection *c = &rig.settled[0].c;
    assert_int_equal(c->input_count, 2);
    assert_int_equal(c->inputs[0], 0);
    assert_int_equal(c->inputs[1], 1);
    assert_int_equal(c->first.input, 0);
    assert_int_equal(c->last.input, 1);
    rig_close(&rig);
}

/* Loss behind the first mirror: its copy shows only in the second, and is then the packet. */
static void a_copy_without_its_original_is_the_packet(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++) {
        struct packet copy = life[i];
        if (i != 3)
            send_packet(&rig, copy);
        copy.ms += 0.2;
        send_packet(&rig, copy);
    }
    assert_clean(&rig, LIFE - 1);
    rig_close(&rig);
}

static void vlans_are_gathered_in_order(void **unused) {
    (void)unused;
    static const uint16_t tags[LIFE] = {30, 10, 30, 20, 10, 0, 30, 10};
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < LIFE; i++) {
        struct packet p = life[i];
        p.vlan = tags[i];
        send_packet(&rig, p);
    }
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->vlans[0], 10);
    assert_int_equal(c->vlans[1], 20);
    assert_int_equal(c->vlans[2], 30);
    assert_int_equal(c->vlans[3], 0);
    assert_false(c->crowded);
    rig_close(&rig);
}

/* The lists are bounded; where the connection began is never what is left out. */
static void of_too_many_places_the_first_is_kept(void **unused) {
    (void)unused;
    for (uint16_t first = 0; first < 20; first++) {
        struct rig rig;
        rig_open(&rig);
        for (uint16_t i = 0; i < 20; i++) {
            uint16_t place = (uint16_t)((first + 7 * i) % 20);
            send(&rig, .ms = i * 10000, .flags = LA_ACK, .seq = 1000u + i, .ack = 1, .payload = 1,
                 .input = place, .vlan = (uint16_t)(place + 1));
        }
        const struct la_connection *c = rig_only(&rig);
        bool input = false, vlan = false;
        assert_int_equal(c->input_count, LA_CONNECTION_INPUTS);
        for (int i = 0; i < LA_CONNECTION_INPUTS; i++) {
            assert_true(i == 0 || c->inputs[i - 1] < c->inputs[i]);
            input = input || c->inputs[i] == first;
        }
        for (int i = 0; i < LA_CONNECTION_VLANS; i++) {
            assert_true(i == 0 || c->vlans[i - 1] < c->vlans[i]);
            vlan = vlan || c->vlans[i] == first + 1;
        }
        assert_true(input && vlan);
        assert_true(c->crowded);
        rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_with_the_same_ip_id_right_after_is_a_copy),
        cmocka_unit_test(a_copy_may_have_another_ttl_and_vlan),
        cmocka_unit_test(another_ip_id_is_a_retransmission),
        cmocka_unit_test(the_same_ip_id_much_later_is_no_copy),
        cmocka_unit_test(a_syn_needs_no_ip_id_to_be_known_as_a_copy),
        cmocka_unit_test(what_has_no_identity_is_a_copy_only_where_others_are),
        cmocka_unit_test(a_second_interface_is_left_out_once_it_is_known),
        cmocka_unit_test(a_second_file_may_have_another_clock),
        cmocka_unit_test(a_connection_over_two_files_is_one),
        cmocka_unit_test(a_copy_without_its_original_is_the_packet),
        cmocka_unit_test(vlans_are_gathered_in_order),
        cmocka_unit_test(of_too_many_places_the_first_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
