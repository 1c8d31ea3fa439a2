/* What a connection carried: each byte once, what came again, what the capture missed. */
#include "test_track_support.h"

static void data(struct rig *rig, double ms, uint32_t seq, uint32_t payload) {
    send(rig, .ms = ms, .flags = LA_ACK, .seq = seq, .ack = 5001, .payload = payload);
}

static void ack(struct rig *rig, double ms, uint32_t number) {
    send(rig, .ms = ms, .server = true, .flags = LA_ACK, .seq = 5001, .ack = number);
}

static void assert_traffic(const struct la_connection *c, uint64_t bytes, uint64_t segments,
                           uint64_t again, uint64_t gaps) {
    assert_int_equal(c->side[LA_CLIENT].data_bytes, bytes);
    assert_int_equal(c->side[LA_CLIENT].retransmitted_segments, segments);
    assert_int_equal(c->side[LA_CLIENT].retransmitted_bytes, again);
    assert_int_equal(c->gaps, gaps);
}

static void bytes_are_counted_once(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 1000);
    data(&rig, 110, 2001, 1000);
    data(&rig, 320, 1001, 1000); /* again */
    data(&rig, 330, 1501, 2000); /* half again */
    ack(&rig, 340, 3501);
    assert_traffic(rig_only(&rig), 2500, 2, 2500, 0);
    rig_close(&rig);
}

/* Out of order is no retransmission: those bytes had not been seen. */
static void a_hole_that_is_filled_is_no_retransmission(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 2001, 1000);
    data(&rig, 101, 1001, 1000);
    ack(&rig, 110, 3001);
    assert_traffic(rig_only(&rig), 2000, 0, 0, 0);
    rig_close(&rig);
}

static void a_hole_may_be_filled_piece_by_piece(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 4001, 100);
    data(&rig, 101, 2001, 500);
    data(&rig, 102, 1001, 500);
    data(&rig, 103, 3501, 500);
    data(&rig, 104, 1501, 500);
    data(&rig, 105, 2501, 1000);
    ack(&rig, 110, 4101);
    assert_traffic(rig_only(&rig), 3100, 0, 0, 0);
    rig_close(&rig);
}

/* A retransmission that the capturing host's card has merged. */
static void one_segment_may_fill_several_holes(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1101, 100);
    data(&rig, 101, 1301, 100);
    data(&rig, 102, 1501, 100);
    data(&rig, 300, 1001, 600); /* three holes, and three pieces again */
    ack(&rig, 310, 1601);
    assert_traffic(rig_only(&rig), 600, 1, 300, 0);
    rig_close(&rig);
}

static void what_is_acknowledged_and_never_seen_was_missed(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 100);
    data(&rig, 102, 2001, 100);
    ack(&rig, 110, 2101);
    data(&rig, 120, 2101, 100);
    data(&rig, 130, 9001, 100);
    ack(&rig, 140, 2201); /* this hole is lost to the receiver as well, so far */
    assert_traffic(rig_only(&rig), 400, 0, 0, 1);
    rig_close(&rig);
}

static void an_ack_beyond_everything_tells_of_what_was_missed(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    ack(&rig, 100, 11001);
    data(&rig, 110, 11001, 50);
    ack(&rig, 120, 11051);
    const struct la_connection *c = rig_only(&rig);
    assert_traffic(c, 50, 0, 0, 1);
    assert_false(c->side[LA_CLIENT].fin_unseen);
    rig_close(&rig);
}

/* One number more than the data: a FIN, and nothing comes after it. */
static void a_missed_fin_is_told_by_its_ack(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 50);
    ack(&rig, 110, 1052);
    const struct la_connection *c = rig_only(&rig);
    assert_true(c->side[LA_CLIENT].fin_unseen);
    assert_true(c->side[LA_CLIENT].fin_seen && c->side[LA_CLIENT].fin_acked);
    assert_int_equal(c->side[LA_CLIENT].fin_end, 1052);
    assert_int_equal(c->first_closer, LA_CLOSER_CLIENT);
    rig_close(&rig);
}

static void numbers_may_wrap_on_the_way(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    uint32_t isn = UINT32_MAX - 1500;
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = isn);
    send(&rig, .ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = isn + 1);
    for (uint32_t i = 0; i < 4; i++)
        data(&rig, 20 + i, isn + 1 + 1000 * i, 1000);
    data(&rig, 300, isn + 1001, 1000);
    ack(&rig, 310, isn + 4001);
    send(&rig, .ms = 320, .flags = LA_FIN | LA_ACK, .seq = isn + 4001, .ack = 5001);
    ack(&rig, 330, isn + 4002);
    const struct la_connection *c = rig_only(&rig);
    assert_traffic(c, 4000, 1, 1000, 0);
    assert_true(c->side[LA_CLIENT].fin_acked);
    rig_close(&rig);
}

/* 10 GiB in pieces of 1 MiB: the numbers go round twice. */
static void more_than_the_number_space_is_counted(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    uint32_t next = 1001;
    for (int i = 0; i < 10240; i++) {
        data(&rig, 100 + i, next, 1 << 20);
        next += 1 << 20;
        ack(&rig, 100.5 + i, next);
    }
    assert_traffic(rig_only(&rig), UINT64_C(10) << 30, 0, 0, 0);
    assert_int_equal(rig.settled[0].c.log_dropped, 0);
    rig_close(&rig);
}

/* A probe's byte is not sent for good. */
static void keepalives_and_probes_carry_nothing(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 100);
    ack(&rig, 110, 1101);
    for (int i = 1; i <= 5; i++) {
        data(&rig, 75000.0 * i, 1100, 1);
        ack(&rig, 75000.0 * i + 10, 1101);
    }
    const struct la_connection *c = rig_only(&rig);
    assert_traffic(c, 100, 0, 0, 0);
    assert_int_equal(c->side[LA_SERVER].duplicate_acks, 5);
    rig_close(&rig);
}

static void zero_windows_are_counted(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    data(&rig, 100, 1001, 100);
    send(&rig, .ms = 110, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1101,
         .zero_window = true);
    data(&rig, 400, 1100, 1);
    send(&rig, .ms = 410, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1101,
         .zero_window = true);
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->side[LA_SERVER].zero_windows, 2);
    assert_int_equal(c->side[LA_CLIENT].zero_windows, 0);
    assert_int_equal(c->side[LA_SERVER].window, 0);
    rig_close(&rig);
}

static void a_window_is_scaled_when_both_offered_it(void **unused) {
    (void)unused;
    for (int both = 0; both < 2; both++) {
        struct rig rig;
        rig_open(&rig);
        send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1000, .scale = 7);
        send(&rig, .ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001,
             .scale = both ? 9 : 0);
        send(&rig, .ms = 20, .flags = LA_ACK, .seq = 1001, .ack = 5001, .window = 500);
        const struct la_connection *c = rig_only(&rig);
        assert_int_equal(c->side[LA_CLIENT].window, both ? 500 << 7 : 500);
        assert_int_equal(c->side[LA_SERVER].window_scale, both ? 9 : -1);
        rig_close(&rig);
    }
}

static void a_timestamp_clock_is_measured(void **unused) {
    (void)unused;
    static const struct {
        double ticks_a_ms, hz;
    } clocks[] = {{1, 1000}, {0.25, 250}, {0.1, 100}, {1000, 1000000}};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        struct rig rig;
        rig_open(&rig);
        uint32_t start = UINT32_MAX - 50; /* wraps on the way */
        for (int p = 0; p < 10; p++) {
            double ms = 500.0 * p;
            send(&rig, .ms = ms, .flags = p ? LA_ACK : LA_SYN, .seq = p ? 1001 : 1000,
                 .ack = p ? 5001 : 0, .tsval = start + (uint32_t)(ms * clocks[i].ticks_a_ms));
        }
        const struct la_connection *c = rig_only(&rig);
        assert_true(c->side[LA_CLIENT].timestamps_used);
        assert_true(c->side[LA_CLIENT].timestamp_hz == clocks[i].hz);
        assert_true(c->side[LA_SERVER].timestamp_hz == 0);
        rig_close(&rig);
    }
}

/* Of 10,000 turnarounds 16 are kept; the shortest is never lost. */
static void the_shortest_turnaround_is_kept(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    uint32_t next = 1001;
    for (int i = 0; i < 10000; i++) {
        double took = i == 6543 ? 2 : 8 + i % 5;
        data(&rig, 100 + i * 20, next, 10);
        next += 10;
        ack(&rig, 100 + i * 20 + took, next);
    }
    const struct la_connection *c = rig_only(&rig);
    assert_in_range(c->side[LA_SERVER].rtt_min_ns, 1999000, 2001000);
    assert_in_range(c->side[LA_SERVER].rtt_median_ns, 8000000, 12000000);
    rig_close(&rig);
}

/* Against a reference that remembers every byte: random segments around holes, as far as the
 * tracker's six holes reach. */
static void random_segments_are_counted_as_a_bitmap_counts_them(void **unused) {
    (void)unused;
    enum { SPACE = 600, UNIT = 10, ROUNDS = 300 };
    uint64_t state = 23;
    for (int round = 0; round < ROUNDS; round++) {
        bool sent[SPACE] = {false};
        uint64_t bytes = 0, again = 0;
        uint32_t isn = (uint32_t)next_random(&state), next = 0;
        struct rig rig;
        rig_open(&rig);
        send(&rig, .ms = 0, .flags = LA_SYN, .seq = isn);
        send(&rig, .ms = 1, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = isn + 1);
        uint32_t hole = 0; /* one hole at a time: it is filled before the next one opens */
        for (int i = 0; i < 60 && next + 8 < SPACE; i++) {
            uint32_t from = next, length = 1 + pick(&state, 3);
            if (hole && chance(&state, 60)) {
                from = hole;
                length = next - hole;
            } else if (!hole && chance(&state, 30)) {
                hole = next;
                from = next + 1 + pick(&state, 2);
            } else if (chance(&state, 20) && next > 4) {
                from = next - 1 - pick(&state, 4);
            }
            for (uint32_t u = from; u < from + length; u++) {
                bytes += sent[u] ? 0 : UNIT;
                again += sent[u] ? UNIT : 0;
                sent[u] = true;
            }
            if (hole && from <= hole && from + length > hole)
                hole = 0;
            data(&rig, 10 + i * 10, isn + 1 + from * UNIT, length * UNIT);
            next = from + length > next ? from + length : next;
            for (uint32_t u = 0; u < next && !hole; u++)
                hole = sent[u] ? 0 : u;
        }
        const struct la_connection *c = rig_only(&rig);
        assert_int_equal(c->side[LA_CLIENT].data_bytes, bytes);
        assert_int_equal(c->side[LA_CLIENT].retransmitted_bytes, again);
        rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted_once),
        cmocka_unit_test(a_hole_that_is_filled_is_no_retransmission),
        cmocka_unit_test(a_hole_may_be_filled_piece_by_piece),
        cmocka_unit_test(one_segment_may_fill_several_holes),
        cmocka_unit_test(what_is_acknowledged_and_never_seen_was_missed),
        cmocka_unit_test(an_ack_beyond_everything_tells_of_what_was_missed),
        cmocka_unit_test(a_missed_fin_is_told_by_its_ack),
        cmocka_unit_test(numbers_may_wrap_on_the_way),
        cmocka_unit_test(more_than_the_number_space_is_counted),
        cmocka_unit_test(keepalives_and_probes_carry_nothing),
        cmocka_unit_test(zero_windows_are_counted),
        cmocka_unit_test(a_window_is_scaled_when_both_offered_it),
        cmocka_unit_test(a_timestamp_clock_is_measured),
        cmocka_unit_test(the_shortest_turnaround_is_kept),
        cmocka_unit_test(random_segments_are_counted_as_a_bitmap_counts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
