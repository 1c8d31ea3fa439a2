/* What a segment is, told from hand-made sides: each class, and its nearest neighbour. */
#include "test_track_support.h"

#include "track/live.h"

enum { ISN = 1000, PEER_ISN = 5000 };

/* Both sides as after a handshake, side 0 the client. */
static struct live established(void) {
    struct live live;
    memset(&live, 0, sizeof live);
    const uint16_t both = SIDE_SEEN | SIDE_BASED | SIDE_ISN | SIDE_ACKED | SIDE_ACKED_SYN;
    live.side[0] = (struct live_side){.flags = both | SIDE_SYN_SENT,
                                      .base_seq = ISN,
                                      .next = ISN + 1,
                                      .acked = PEER_ISN + 1,
                                      .window = 65535};
    live.side[1] = (struct live_side){.flags = both,
                                      .base_seq = PEER_ISN,
                                      .next = PEER_ISN + 1,
                                      .acked = ISN + 1,
                                      .window = 65535};
    return live;
}

static struct live syn_sent(void) {
    struct live live = established();
    live.side[0].flags = SIDE_SEEN | SIDE_BASED | SIDE_ISN | SIDE_SYN_SENT;
    memset(&live.side[1], 0, sizeof live.side[1]);
    return live;
}

static struct live syn_received(void) {
    struct live live = established();
    live.side[0].flags = SIDE_SEEN | SIDE_BASED | SIDE_ISN | SIDE_SYN_SENT;
    return live;
}

/* Both have data behind them: next numbers 2001 and 6001. */
static struct live used(void) {
    struct live live = established();
    live.side[0].next = live.side[1].acked = 2001;
    live.side[1].next = live.side[0].acked = 6001;
    return live;
}

/* ... and side 0 has sent its FIN. */
static struct live closing(void) {
    struct live live = used();
    live.side[0].flags |= SIDE_FIN;
    live.side[0].next = live.side[0].fin_end = 2002;
    return live;
}

static struct verdict judge(struct live live, unsigned side, struct packet packet) {
    struct la_segment segment = segment_of(&packet, 1);
    return live_classify(&live, side, &segment);
}

static void assert_class_of(struct verdict got, enum la_class want) {
    if (got.class != want)
        fail_msg("%s, not %s", la_class_name(got.class), la_class_name(want));
}
#define is(class, live, side, ...)                                                                 \
    assert_class_of(judge(live, side, (struct packet){__VA_ARGS__}), LA_CLASS_##class)

static void syns(void **unused) {
    (void)unused;
    struct live nothing;
    memset(&nothing, 0, sizeof nothing);
    is(SYN, nothing, 0, .flags = LA_SYN, .seq = ISN);
    is(SYN_AGAIN, syn_sent(), 0, .flags = LA_SYN, .seq = ISN);
    is(SYN, syn_sent(), 1, .flags = LA_SYN, .seq = PEER_ISN); /* they cross */
    is(OUTSIDE, syn_sent(), 0, .flags = LA_SYN, .seq = ISN + 1);
    is(OUTSIDE, established(), 1, .flags = LA_SYN, .seq = 77);
}

/* Captured out of order, or on another path: the SYN-ACK told its number. */
static void a_syn_that_comes_after_its_answer_is_the_first(void **unused) {
    (void)unused;
    struct live live = established();
    live.side[0].flags = SIDE_BASED | SIDE_ISN;
    is(SYN, live, 0, .flags = LA_SYN, .seq = ISN);
}

static void syn_acks(void **unused) {
    (void)unused;
    is(SYN_ACK, syn_sent(), 1, .flags = LA_SYN | LA_ACK, .seq = PEER_ISN, .ack = ISN + 1);
    is(SYN_ACK_AGAIN, established(), 1, .flags = LA_SYN | LA_ACK, .seq = PEER_ISN, .ack = ISN + 1);
    is(OUTSIDE, established(), 1, .flags = LA_SYN | LA_ACK, .seq = 77, .ack = ISN + 1);
}

static void the_ack_of_a_syn_ack_is_the_first_that_covers_it(void **unused) {
    (void)unused;
    is(HANDSHAKE_ACK, syn_received(), 0, .flags = LA_ACK, .seq = ISN + 1, .ack = PEER_ISN + 1);
    is(HANDSHAKE_ACK, syn_received(), 0, .flags = LA_ACK, .seq = ISN + 1, .ack = PEER_ISN + 1,
       .payload = 100);
    is(DUPLICATE_ACK, established(), 0, .flags = LA_ACK, .seq = ISN + 1, .ack = PEER_ISN + 1);
}

static void fins(void **unused) {
    (void)unused;
    is(FIN, used(), 0, .flags = LA_FIN | LA_ACK, .seq = 2001, .ack = 6001);
    is(FIN, used(), 0, .flags = LA_FIN | LA_ACK, .seq = 2001, .ack = 6001, .payload = 500);
    is(FIN, closing(), 1, .flags = LA_FIN | LA_ACK, .seq = 6001, .ack = 2002);
    is(FIN_AGAIN, closing(), 0, .flags = LA_FIN | LA_ACK, .seq = 2001, .ack = 6001);
    /* sent again together with the data before it */
    is(FIN_AGAIN, closing(), 0, .flags = LA_FIN | LA_ACK, .seq = 1501, .ack = 6001, .payload = 500);
    /* a stack that went on after its FIN */
    is(FIN, closing(), 0, .flags = LA_FIN | LA_ACK, .seq = 2002, .ack = 6001, .payload = 10);
}

static void fins_wrap(void **unused) {
    (void)unused;
    struct live live = used();
    live.side[0].flags |= SIDE_FIN;
    live.side[0].next = live.side[0].fin_end = 0;
    is(FIN_AGAIN, live, 0, .flags = LA_FIN | LA_ACK, .seq = UINT32_MAX, .ack = 6001);
    is(FIN, live, 0, .flags = LA_FIN | LA_ACK, .seq = 0, .ack = 6001);
    is(ACK_OF_FIN, live, 1, .flags = LA_ACK, .seq = 6001, .ack = 0);
    is(DUPLICATE_ACK, live, 1, .flags = LA_ACK, .seq = 6001, .ack = 2001);
}

/* Of a FIN with data, the data alone may be acknowledged. */
static void an_ack_of_a_fin_covers_the_fin_itself(void **unused) {
    (void)unused;
    is(ACK_OF_FIN, closing(), 1, .flags = LA_ACK, .seq = 6001, .ack = 2002);
    is(ACK_OF_FIN, closing(), 1, .flags = LA_ACK, .seq = 6001, .ack = 2002, .payload = 10);
    is(DUPLICATE_ACK, closing(), 1, .flags = LA_ACK, .seq = 6001, .ack = 2001);
    struct live acked = closing();
    acked.side[0].flags |= SIDE_FIN_ACKED;
    is(ACK_OF_FIN_AGAIN, acked, 1, .flags = LA_ACK, .seq = 6001, .ack = 2002);
    is(DATA, acked, 1, .flags = LA_ACK, .seq = 6001, .ack = 2002, .payload = 10);
}

static void data(void **unused) {
    (void)unused;
    is(DATA, used(), 0, .flags = LA_ACK, .seq = 2001, .ack = 6001, .payload = 100);
    is(DATA_AGAIN, used(), 0, .flags = LA_ACK, .seq = 1501, .ack = 6001, .payload = 500);
    is(DATA, used(), 0, .flags = LA_ACK, .seq = 1501, .ack = 6001, .payload = 501);
    is(DATA, used(), 0, .flags = LA_ACK, .seq = 3000, .ack = 6001, .payload = 100); /* a hole */
}

static void acks(void **unused) {
    (void)unused;
    struct live live = used();
    live.side[1].next = 6101;
    is(ACK, live, 0, .flags = LA_ACK, .seq = 2001, .ack = 6101);
    is(DUPLICATE_ACK, live, 0, .flags = LA_ACK, .seq = 2001, .ack = 6001);
    is(DUPLICATE_ACK, live, 0, .flags = LA_ACK, .seq = 2001, .ack = 5901);
    is(ACK, used(), 0, .flags = LA_ACK, .seq = 2001, .ack = 6301); /* of what was missed */
}

/* One below the next number, with one byte or none. */
static void keepalives_and_window_probes(void **unused) {
    (void)unused;
    is(KEEPALIVE, used(), 0, .flags = LA_ACK, .seq = 2000, .ack = 6001);
    is(KEEPALIVE, used(), 0, .flags = LA_ACK, .seq = 2000, .ack = 6001, .payload = 1);
    is(DATA_AGAIN, used(), 0, .flags = LA_ACK, .seq = 1999, .ack = 6001, .payload = 2);
    struct live shut = used();
    shut.side[1].window = 0;
    is(WINDOW_PROBE, shut, 0, .flags = LA_ACK, .seq = 2000, .ack = 6001);
    is(DATA, shut, 0, .flags = LA_ACK, .seq = 2001, .ack = 6001, .payload = 1);
}

/* REFERENCE 3.2: a challenge ACK acknowledges what this SYN never was. */
static void an_ack_that_answers_another_syn_is_outside(void **unused) {
    (void)unused;
    is(OUTSIDE, syn_sent(), 1, .flags = LA_ACK, .seq = 9001, .ack = 70001);
    is(OUTSIDE, syn_sent(), 1, .flags = LA_ACK, .seq = 9001, .ack = ISN);
    /* the SYN-ACK itself was missed */
    is(HANDSHAKE_ACK, syn_sent(), 1, .flags = LA_ACK, .seq = 9001, .ack = ISN + 1);
    is(OUTSIDE, used(), 1, .flags = LA_ACK, .seq = 6001, .ack = 2001 + (1u << 27));
    is(OUTSIDE, used(), 1, .flags = LA_ACK, .seq = 6001, .ack = 2001 - (1u << 31) + 5);
}

static void assert_rst(struct verdict v, bool exact, bool in_window) {
    assert_class_of(v, LA_CLASS_RST);
    assert_int_equal(v.exact, exact);
    assert_int_equal(v.in_window, in_window);
}
#define rst(exact, in_window, live, side, ...)                                                     \
    assert_rst(judge(live, side, (struct packet){.flags = LA_RST, __VA_ARGS__}), exact, in_window)

/* RFC 5961, 3.2. */
static void a_rst_is_exact_in_the_window_or_outside(void **unused) {
    (void)unused;
    rst(true, true, used(), 0, .seq = 2001);
    rst(false, true, used(), 0, .seq = 2002);
    rst(false, true, used(), 0, .seq = 2001 + 65534);
    rst(false, false, used(), 0, .seq = 2001 + 65535);
    rst(false, false, used(), 0, .seq = 2000);
    struct live shut = used();
    shut.side[1].window = 0;
    rst(true, true, shut, 0, .seq = 2001);
    rst(false, false, shut, 0, .seq = 2002);
}

/* What its receiver has acknowledged is what it waits for; the sender may be ahead of that. */
static void a_rst_behind_lost_data_is_exact_at_either_number(void **unused) {
    (void)unused;
    struct live live = used();
    live.side[1].acked = 1901;
    rst(true, true, live, 0, .seq = 1901);
    rst(true, true, live, 0, .seq = 2001);
    rst(false, true, live, 0, .seq = 1950);
}

/* RFC 9293, 3.10.7.3: only with an ACK of the SYN. */
static void syn_sent_takes_a_rst_that_acknowledges_its_syn(void **unused) {
    (void)unused;
    rst(false, false, syn_sent(), 1, .seq = 0);
    struct packet refusal = {.flags = LA_RST | LA_ACK, .seq = 0, .ack = ISN + 1};
    assert_rst(judge(syn_sent(), 1, refusal), true, false);
    refusal.ack = ISN;
    assert_rst(judge(syn_sent(), 1, refusal), false, false);
    refusal.ack = ISN + 2;
    assert_rst(judge(syn_sent(), 1, refusal), false, false);
}

/* RST beats SYN beats FIN, whatever else is set. */
static void odd_flags_are_read_by_the_strongest(void **unused) {
    (void)unused;
    is(RST, used(), 0, .flags = LA_RST | LA_SYN | LA_FIN | LA_ACK, .seq = 2001);
    is(SYN, (struct live){0}, 0, .flags = LA_SYN | LA_FIN, .seq = ISN);
    is(ACK, used(), 0, .flags = 0, .seq = 2001);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syns),
        cmocka_unit_test(a_syn_that_comes_after_its_answer_is_the_first),
        cmocka_unit_test(syn_acks),
        cmocka_unit_test(the_ack_of_a_syn_ack_is_the_first_that_covers_it),
        cmocka_unit_test(fins),
        cmocka_unit_test(fins_wrap),
        cmocka_unit_test(an_ack_of_a_fin_covers_the_fin_itself),
        cmocka_unit_test(data),
        cmocka_unit_test(acks),
        cmocka_unit_test(keepalives_and_window_probes),
        cmocka_unit_test(an_ack_that_answers_another_syn_is_outside),
        cmocka_unit_test(a_rst_is_exact_in_the_window_or_outside),
        cmocka_unit_test(a_rst_behind_lost_data_is_exact_at_either_number),
        cmocka_unit_test(syn_sent_takes_a_rst_that_acknowledges_its_syn),
        cmocka_unit_test(odd_flags_are_read_by_the_strongest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
