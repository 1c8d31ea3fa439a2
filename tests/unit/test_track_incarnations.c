/* Lives of one 4-tuple: told apart by their numbers and never by idle time. */
#include "test_track_support.h"

/* The second life has ISNs 900000 and 700000. */
static void send_second_handshake(struct rig *rig, double ms) {
    send(rig, .ms = ms, .flags = LA_SYN, .seq = 900000);
    send(rig, .ms = ms + 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 700000,
         .ack = 900001);
    send(rig, .ms = ms + 20, .flags = LA_ACK, .seq = 900001, .ack = 700001);
}

static const struct settled *life(const struct rig *rig, uint32_t incarnation) {
    for (size_t i = 0; i < rig->count; i++)
        if (rig->settled[i].c.incarnation == incarnation)
            return &rig->settled[i];
    fail_msg("no incarnation %u", incarnation);
    return NULL;
}

static void another_isn_is_another_life(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 1000);
    send_second_handshake(&rig, 2000);
    rig_finish(&rig, 1000);
    assert_int_equal(rig.count, 2);
    assert_int_equal(life(&rig, 1)->next, 2);
    assert_int_equal(life(&rig, 1)->previous, 0);
    assert_int_equal(life(&rig, 2)->previous, 1);
    assert_classes(&life(&rig, 2)->c, "syn [syn-ack] handshake-ack");
    assert_int_equal(life(&rig, 1)->c.side[LA_CLIENT].packets, 4);
    rig_close(&rig);
}

static void the_same_isn_is_the_same_syn_again(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
    send(&rig, .ms = 1000, .flags = LA_SYN, .seq = 1000);
    send_handshake(&rig, 3000);
    const struct la_connection *c = rig_only(&rig);
    assert_classes(c, "syn syn-again syn-again [syn-ack] handshake-ack");
    assert_int_equal(c->side[LA_CLIENT].syn, 3);
    rig_close(&rig);
}

/* A day without a packet ends nothing that is open. */
static void idleness_makes_no_new_life(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 86400e3);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->ending, LA_ENDING_FIN);
    assert_int_equal(c->incarnation, 1);
    rig_close(&rig);
}

static void a_syn_ack_first_and_its_syn_are_one(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001);
    send(&rig, .ms = 0.01, .flags = LA_SYN, .seq = 1000);
    send(&rig, .ms = 10, .flags = LA_ACK, .seq = 1001, .ack = 5001);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->opening, LA_OPENING_HANDSHAKE);
    assert_int_equal(c->side[LA_CLIENT].isn, 1000);
    rig_close(&rig);
}

static void a_missed_syn_ack_makes_no_new_life(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
    send(&rig, .ms = 20, .flags = LA_ACK, .seq = 1001, .ack = 5001);
    send(&rig, .ms = 30, .flags = LA_ACK, .seq = 1001, .ack = 5001, .payload = 100);
    send(&rig, .ms = 40, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1101, .payload = 50);
    send(&rig, .ms = 50, .flags = LA_ACK, .seq = 1101, .ack = 5051);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->opening, LA_OPENING_HANDSHAKE);
    assert_int_equal(c->side[LA_SERVER].data_bytes, 50);
    rig_close(&rig);
}

static void crossing_syns_are_one_life(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000);
    send(&rig, .ms = 0.1, .server = true, .flags = LA_SYN, .seq = 5000);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->opening, LA_OPENING_SIMULTANEOUS);
    rig_close(&rig);
}

/* What is late of the first life, after the second began. */
static void old_segments_go_to_the_old_life(void **unused) {
    (void)unused;
    static const struct packet late[] = {
        {.ms = 2100, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1002},
        {.ms = 2110, .flags = LA_ACK, .seq = 1002, .ack = 5002},
        {.ms = 2120, .flags = LA_RST, .seq = 1002},
        {.ms = 2130, .flags = LA_SYN, .seq = 1000},
        {.ms = 2140, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001},
    };
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        struct rig rig;
        rig_open(&rig);
        send_handshake(&rig, 0);
        send_close(&rig, 1000);
        send_second_handshake(&rig, 2000);
        send_packet(&rig, late[i]);
        rig_finish(&rig, 1000);
        assert_int_equal(rig.count, 2);
        assert_int_equal(life(&rig, 1)->c.log_count, 8);
        assert_int_equal(life(&rig, 2)->c.log_count, 3);
        assert_true(life(&rig, 1)->c.last.time_ns > life(&rig, 2)->c.last.time_ns);
        rig_close(&rig);
    }
}

/* REFERENCE R1: the ACK out of LAST-ACK is of the old life, and so is the RST that it draws. */
static void a_challenge_and_its_rst_belong_to_the_old_life(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 1000, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001);
    send(&rig, .ms = 1010, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1002);
    send(&rig, .ms = 1500, .flags = LA_SYN, .seq = 900000);
    send(&rig, .ms = 1510, .server = true, .flags = LA_ACK, .seq = 5002, .ack = 1002);
    send(&rig, .ms = 1520, .flags = LA_RST, .seq = 1002);
    send(&rig, .ms = 1532, .flags = LA_SYN, .seq = 900000);
    send(&rig, .ms = 1542, .server = true, .flags = LA_SYN | LA_ACK, .seq = 700000, .ack = 900001);
    send(&rig, .ms = 1552, .flags = LA_ACK, .seq = 900001, .ack = 700001);
    rig_finish(&rig, 1000);
    assert_int_equal(rig.count, 2);
    const struct la_connection *old = &life(&rig, 1)->c;
    assert_int_equal(old->reset_count, 1);
    assert_int_equal(old->resets[0].cause, LA_RESET_PORT_RECYCLED);
    assert_int_equal(old->resets[0].drew.frame, 7);
    assert_history(old, LA_SERVER, "SYN-RECV ESTAB CLOSE-WAIT LAST-ACK CLOSED");
    assert_classes(&life(&rig, 2)->c, "syn syn-again [syn-ack] handshake-ack");
    rig_close(&rig);
}

static void send_life(struct rig *rig, double ms, uint32_t isn) {
    send(rig, .ms = ms, .flags = LA_SYN, .seq = isn);
    send(rig, .ms = ms + 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = isn * 3,
         .ack = isn + 1);
    send(rig, .ms = ms + 20, .flags = LA_RST | LA_ACK, .seq = isn + 1, .ack = isn * 3 + 1);
}

static void lives_chain_and_each_knows_its_neighbours(void **unused) {
    (void)unused;
    enum { LIVES = 7 };
    struct rig rig;
    rig_open(&rig);
    for (uint32_t i = 1; i <= LIVES; i++)
        send_life(&rig, 1000 * i, 10000000 * i);
    rig_finish(&rig, 1000);
    assert_int_equal(rig.count, LIVES);
    for (uint32_t i = 1; i <= LIVES; i++) {
        const struct settled *s = life(&rig, i);
        assert_int_equal(s->previous, i - 1);
        assert_int_equal(s->next, i < LIVES ? i + 1 : 0);
        assert_int_equal(s->c.side[LA_CLIENT].isn, 10000000 * i);
        assert_int_equal(s->c.log_count, 3);
    }
    rig_close(&rig);
}

/* The tracker forgets a closed life 130 s after its last packet, but not how many there were. */
static void lives_are_counted_beyond_what_is_remembered(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (uint32_t i = 1; i <= 5; i++) {
        send_life(&rig, 1000e3 * i, 10000000 * i);
        assert_int_equal(rig.count, i - 1); /* the one before is settled, and gone */
        assert_int_equal(la_tracker_count(rig.tracker), 1);
    }
    rig_finish(&rig, 0);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(life(&rig, i)->previous, 0);
        assert_int_equal(life(&rig, i)->c.side[LA_CLIENT].isn, 10000000 * i);
    }
    rig_close(&rig);
}

static void other_tuples_do_not_count(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (uint16_t i = 0; i < 1000; i++)
        send(&rig, .ms = i, .flags = LA_SYN, .seq = 1000u + i, .sport = (uint16_t)(1000 + i),
             .dport = 80);
    rig_finish(&rig, 0);
    assert_int_equal(rig.count, 1000);
    for (size_t i = 0; i < rig.count; i++)
        assert_int_equal(rig.settled[i].c.incarnation, 1);
    rig_close(&rig);
}

/* A life whose SYN the capture missed is known by numbers that are far from the old ones. */
static void a_missed_syn_is_known_by_foreign_numbers(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 1000);
    send(&rig, .ms = 2000, .flags = LA_ACK, .seq = 90000000, .ack = 70000000, .payload = 10);
    rig_finish(&rig, 1000);
    assert_int_equal(rig.count, 2);
    assert_int_equal(life(&rig, 2)->c.opening, LA_OPENING_MID_STREAM);
    rig_close(&rig);
}

/* ... but as long as the first is open, they are noise on it. */
static void noise_on_an_open_connection_is_outside_of_it(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send(&rig, .ms = 500, .flags = LA_ACK, .seq = 90000000, .ack = 5001 + (1u << 27));
    send_close(&rig, 1000);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->log[3].class, LA_CLASS_OUTSIDE);
    assert_int_equal(c->ending, LA_ENDING_FIN);
    assert_int_equal(c->side[LA_CLIENT].next, 1002);
    rig_close(&rig);
}

static void both_directions_are_one_connection_also_over_ipv6(void **unused) {
    (void)unused;
    for (int flip = 0; flip < 2; flip++) {
        struct rig rig;
        rig_open(&rig);
        for (int i = 0; i < 3; i++) {
            struct packet p = {.ms = 10 * i,
                               .server = i == 1,
                               .flags = i == 0   ? LA_SYN
                                        : i == 1 ? LA_SYN | LA_ACK
                                                 : LA_ACK,
                               .seq = i == 0   ? 1000
                                      : i == 1 ? 5000
                                               : 1001,
                               .ack = i == 0   ? 0
                                      : i == 1 ? 1001
                                               : 5001};
            struct la_segment s = segment_of(&p, ++rig.frame);
            uint8_t low[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1}, high[16] = {0x20, 1, [15] = 2};
            bool swap = (i == 1) != flip;
            s.src = la_addr_from_v6(swap ? high : low);
            s.dst = la_addr_from_v6(swap ? low : high);
            rig_take(&rig, &s);
        }
        const struct la_connection *c = rig_only(&rig);
        assert_int_equal(c->opening, LA_OPENING_HANDSHAKE);
        assert_int_equal(c->side[LA_CLIENT].addr.bytes[15], flip ? 2 : 1);
        assert_int_equal(c->side[LA_SERVER].port, SERVER_PORT);
        rig_close(&rig);
    }
}

/* Of one host, its port as well: loopback can do that (REFERENCE 1.3). */
static void a_connection_with_itself_is_survived(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    static const struct packet packets[] = {
        {.ms = 0, .flags = LA_SYN, .seq = 1000},
        {.ms = 0.02, .flags = LA_SYN | LA_ACK, .seq = 1000, .ack = 1001},
        {.ms = 0.04, .flags = LA_ACK, .seq = 1001, .ack = 1001},
        {.ms = 1, .flags = LA_ACK, .seq = 1001, .ack = 1001, .payload = 10},
        {.ms = 1.1, .flags = LA_ACK, .seq = 1011, .ack = 1011},
        {.ms = 2, .flags = LA_FIN | LA_ACK, .seq = 1011, .ack = 1011},
        {.ms = 2.1, .flags = LA_ACK, .seq = 1012, .ack = 1012},
        {.ms = 3, .flags = LA_RST, .seq = 1012},
    };
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        struct la_segment s = segment_of(&packets[i], ++rig.frame);
        s.dst = s.src;
        s.sport = s.dport = 7777;
        rig_take(&rig, &s);
    }
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->side[0].packets + c->side[1].packets, 8);
    assert_int_equal(c->side[0].port, 7777);
    assert_int_equal(c->side[1].port, 7777);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_isn_is_another_life),
        cmocka_unit_test(the_same_isn_is_the_same_syn_again),
        cmocka_unit_test(idleness_makes_no_new_life),
        cmocka_unit_test(a_syn_ack_first_and_its_syn_are_one),
        cmocka_unit_test(a_missed_syn_ack_makes_no_new_life),
        cmocka_unit_test(crossing_syns_are_one_life),
        cmocka_unit_test(old_segments_go_to_the_old_life),
        cmocka_unit_test(a_challenge_and_its_rst_belong_to_the_old_life),
        cmocka_unit_test(lives_chain_and_each_knows_its_neighbours),
        cmocka_unit_test(lives_are_counted_beyond_what_is_remembered),
        cmocka_unit_test(other_tuples_do_not_count),
        cmocka_unit_test(a_missed_syn_is_known_by_foreign_numbers),
        cmocka_unit_test(noise_on_an_open_connection_is_outside_of_it),
        cmocka_unit_test(both_directions_are_one_connection_also_over_ipv6),
        cmocka_unit_test(a_connection_with_itself_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
