/* ICMP errors: of which connection, how many are kept, and what a SYN-SENT makes of them. */
#include "test_track_support.h"

/* About the segment with sequence number `seq` that the client (or the server) sent. */
static void complain(struct rig *rig, struct packet about, uint8_t type, uint8_t code) {
    struct la_segment s = segment_of(&about, ++rig->frame);
    s.flags = 0;
    s.options = LA_IS_NOTICE;
    s.notice = (struct la_notice){host_v4(99), type, code};
    rig_take(rig, &s);
}
#define complain_of(rig, type, code, ...) complain(rig, (struct packet){__VA_ARGS__}, type, code)

static void an_error_belongs_to_what_it_quotes(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    complain_of(&rig, 3, 1, .ms = 30, .server = true, .seq = 5000);
    complain_of(&rig, 3, 1, .ms = 40, .seq = 900000);                       /* never sent */
    complain_of(&rig, 3, 1, .ms = 50, .seq = 1000, .sport = 1, .dport = 2); /* not known */
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->icmp_count, 1);
    assert_int_equal(c->icmp[0].of, LA_SERVER);
    assert_int_equal(c->icmp[0].seq, 5000);
    assert_int_equal(c->icmp[0].where.frame, 4);
    assert_int_equal(la_icmp_meaning(&c->icmp[0]), LA_ICMP_NO_ROUTE);
    struct la_addr reporter = host_v4(99);
    assert_int_equal(la_addr_cmp(&c->icmp[0].reporter, &reporter), 0);
    assert_int_equal(c->side[LA_CLIENT].packets + c->side[LA_SERVER].packets, 3);
    assert_int_equal(c->last.frame, 3);
    rig_close(&rig);
}

static void the_first_eight_are_kept_and_the_rest_counted(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .flags = LA_SYN, .seq = 1000);
    for (int i = 0; i < 10; i++) {
        complain_of(&rig, 3, 13, .ms = 100 + i * 100, .seq = 1000);
        complain_of(&rig, 3, 13, .ms = 101 + i * 100, .seq = 1000); /* the same packet, mirrored */
    }
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->icmp_count, 8);
    assert_int_equal(c->icmp[7].where.time_ns, RIG_START + 800 * LA_MSEC);
    assert_true(c->icmp_dropped >= 2);
    assert_int_equal(c->log_dropped, 0);
    rig_close(&rig);
}

static void a_syn_is_given_up_at_an_error_when_none_follows(void **unused) {
    (void)unused;
    for (int again = 0; again < 2; again++) {
        struct rig rig;
        rig_open(&rig);
        send(&rig, .flags = LA_SYN, .seq = 1000);
        complain_of(&rig, 3, 13, .ms = 20, .seq = 1000);
        if (again)
            send(&rig, .ms = 1000, .flags = LA_SYN, .seq = 1000);
        const struct la_connection *c = rig_only(&rig);
        assert_history(c, LA_CLIENT, "SYN-SENT CLOSED");
        const struct la_change *closed = &c->side[LA_CLIENT].changes[1];
        assert_int_equal(closed->event, again ? LA_EV_TIMER : LA_EV_RECV_UNREACHABLE);
        assert_int_equal(closed->frame, again ? 0 : 2);
        rig_close(&rig);
    }
}

static void types_and_codes_have_a_meaning(void **unused) {
    (void)unused;
    static const uint8_t six[16] = {0x20, 1, [15] = 9}, four[4] = {10, 0, 0, 9};
    static const struct {
        bool v6;
        uint8_t type, code;
        enum la_icmp_meaning meaning;
    } rows[] = {
        {false, 3, 0, LA_ICMP_NO_ROUTE},    {false, 3, 1, LA_ICMP_NO_ROUTE},
        {false, 3, 2, LA_ICMP_NO_LISTENER}, {false, 3, 3, LA_ICMP_NO_LISTENER},
        {false, 3, 4, LA_ICMP_TOO_BIG},     {false, 3, 9, LA_ICMP_REJECTED},
        {false, 3, 10, LA_ICMP_REJECTED},   {false, 3, 13, LA_ICMP_REJECTED},
        {false, 11, 0, LA_ICMP_NO_ROUTE},   {false, 11, 1, LA_ICMP_OTHER},
        {false, 12, 0, LA_ICMP_OTHER},      {true, 1, 0, LA_ICMP_NO_ROUTE},
        {true, 1, 1, LA_ICMP_REJECTED},     {true, 1, 3, LA_ICMP_NO_ROUTE},
        {true, 1, 4, LA_ICMP_NO_LISTENER},  {true, 1, 5, LA_ICMP_REJECTED},
        {true, 1, 6, LA_ICMP_REJECTED},     {true, 2, 0, LA_ICMP_TOO_BIG},
        {true, 3, 0, LA_ICMP_NO_ROUTE},     {true, 3, 1, LA_ICMP_OTHER},
        {true, 4, 0, LA_ICMP_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct la_icmp_error error = {.type = rows[i].type, .code = rows[i].code};
        error.reporter = rows[i].v6 ? la_addr_from_v6(six) : la_addr_from_v4(four);
        assert_int_equal(la_icmp_meaning(&error), rows[i].meaning);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_belongs_to_what_it_quotes),
        cmocka_unit_test(the_first_eight_are_kept_and_the_rest_counted),
        cmocka_unit_test(a_syn_is_given_up_at_an_error_when_none_follows),
        cmocka_unit_test(types_and_codes_have_a_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
