/* Forgetting: what is over goes after its time, whatever the clock does, and nothing stays behind.
 */
#include "test_track_support.h"

#define REMEMBERED_MS 130000.0 /* 2MSL, and the time that Linux repeats an unanswered FIN */

/* One short life each, of tuples of their own. */
static void send_short(struct rig *rig, unsigned number, double ms) {
    uint16_t sport = (uint16_t)(1024 + number % 60000), dport = (uint16_t)(80 + number / 60000);
    uint32_t isn = number * 65537;
    const struct packet packets[] = {
        {.ms = ms, .flags = LA_SYN, .seq = isn},
        {.ms = ms + 0.1, .server = true, .flags = LA_SYN | LA_ACK, .seq = isn + 7, .ack = isn + 1},
        {.ms = ms + 0.2, .flags = LA_ACK, .seq = isn + 1, .ack = isn + 8},
        {.ms = ms + 0.3, .flags = LA_FIN | LA_ACK, .seq = isn + 1, .ack = isn + 8},
        {.ms = ms + 0.4, .server = true, .flags = LA_FIN | LA_ACK, .seq = isn + 8, .ack = isn + 2},
        {.ms = ms + 0.5, .flags = LA_ACK, .seq = isn + 2, .ack = isn + 9},
    };
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        struct packet p = packets[i];
        p.sport = p.server ? dport : sport;
        p.dport = p.server ? sport : dport;
        send_packet(rig, p);
    }
}

static void tick(struct rig *rig, double ms) {
    send(rig, .ms = ms, .flags = LA_ACK, .seq = 1, .ack = 1, .sport = 1, .dport = 1);
}

static void a_closed_connection_is_kept_for_its_2msl(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_short(&rig, 0, 0);
    tick(&rig, REMEMBERED_MS - 1000);
    assert_int_equal(rig.count, 0);
    tick(&rig, REMEMBERED_MS + 2000);
    assert_int_equal(rig.count, 1);
    assert_int_equal(la_tracker_count(rig.tracker), 1);
    rig_finish(&rig, 0);
    rig_close(&rig);
}

static void an_open_connection_is_kept_for_ever(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    tick(&rig, 365 * 86400e3);
    assert_int_equal(rig.count, 0);
    rig_finish(&rig, 0);
    assert_int_equal(rig.count, 2);
    rig_close(&rig);
}

static void each_packet_starts_the_time_anew(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_handshake(&rig, 0);
    send_close(&rig, 1000);
    for (int i = 1; i <= 5; i++) {
        send(&rig, .ms = 1030 + 100000.0 * i, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001,
             .ack = 1002);
        assert_int_equal(rig.count, 0);
    }
    const struct la_connection *c = rig_only(&rig);
    assert_int_equal(c->side[LA_SERVER].fin, 6);
    rig_close(&rig);
}

/* What is settled while the capture goes on knows of no later time than when it was over. */
static void a_forgotten_connection_ends_where_it_was_forgotten(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send_short(&rig, 0, 0);
    tick(&rig, 1000e3);
    assert_int_equal(rig.count, 1);
    const struct la_connection *c = &rig.settled[0].c;
    assert_int_equal(c->capture_end_ns, c->last.time_ns + (int64_t)(REMEMBERED_MS * 1e6));
    rig_finish(&rig, 0);
    rig_close(&rig);
}

/* 200,000 connections, 200 a second for 1000 s: never more than those of 130 s at once. */
static void memory_is_bounded_by_what_is_remembered(void **unused) {
    (void)unused;
    enum { CONNECTIONS = 200000, A_SECOND = 200 };
    struct rig rig;
    rig_open(&rig);
    size_t most = 0, bytes_at_300_s = 0;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        send_short(&rig, i, i * 1000.0 / A_SECOND);
        size_t count = la_tracker_count(rig.tracker);
        most = count > most ? count : most;
        if (i == 300 * A_SECOND)
            bytes_at_300_s = la_tracker_bytes(rig.tracker);
    }
    assert_in_range(most, 130 * A_SECOND, 133 * A_SECOND);
    /* Only the number of lives of each 4-tuple is kept: 16 bytes and the table's slack. */
    assert_true(la_tracker_bytes(rig.tracker) <= bytes_at_300_s + 48 * CONNECTIONS);
    rig_finish(&rig, 0);
    assert_int_equal(rig.count, CONNECTIONS);
    rig_close(&rig);
}

static void a_step_forward_by_years_forgets_all_that_was_over(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (unsigned i = 0; i < 1000; i++)
        send_short(&rig, i, i * 250.0);
    tick(&rig, 20 * 365 * 86400e3);
    assert_int_equal(rig.count, 1000);
    assert_int_equal(la_tracker_count(rig.tracker), 1);
    rig_finish(&rig, 0);
    rig_close(&rig);
}

/* From there the time runs as ever: what came before the step stays until its own time comes, what
 * comes after it is forgotten in time. */
static void a_step_back_by_years_is_survived(void **unused) {
    (void)unused;
    const double years = 20 * 365 * 86400e3;
    struct rig rig;
    rig_open(&rig);
    for (unsigned i = 0; i < 100; i++)
        send_short(&rig, i, i * 250.0);
    for (unsigned i = 100; i < 3000; i++)
        send_short(&rig, i, i * 250.0 - years);
    assert_in_range(la_tracker_count(rig.tracker), 100 + 130 * 4, 100 + 133 * 4);
    tick(&rig, 200e3);
    assert_int_equal(la_tracker_count(rig.tracker), 1);
    assert_int_equal(rig.count, 3000);
    rig_finish(&rig, 0);
    rig_close(&rig);
}

/* Its place is in a list of the wheel from before, but of a second that comes too late. */
static void a_step_back_does_not_make_anything_wait_longer(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    send(&rig, .ms = 0, .flags = LA_SYN, .seq = 1, .sport = 2000, .dport = 80);
    send(&rig, .ms = 1, .server = true, .flags = LA_RST | LA_ACK, .ack = 2, .sport = 80,
         .dport = 2000);
    send(&rig, .ms = -60000, .flags = LA_SYN, .seq = 1, .sport = 2000, .dport = 80, .id = 7);
    tick(&rig, -60000 + REMEMBERED_MS + 2000);
    assert_int_equal(rig.count, 1);
    rig_finish(&rig, 0);
    rig_close(&rig);
}

static void a_clock_that_jumps_to_and_fro_loses_nobody(void **unused) {
    (void)unused;
    uint64_t state = 17;
    struct rig rig;
    rig_open(&rig);
    for (unsigned i = 0; i < 20000; i++) {
        double years = (double)pick(&state, 41) - 20;
        double ms = chance(&state, 5) ? years * 365 * 86400e3 : (double)pick(&state, 1000000);
        send_short(&rig, i, ms);
    }
    rig_finish(&rig, 0);
    assert_int_equal(rig.count, 20000);
    rig_close(&rig);
}

static void times_before_the_epoch_expire_as_well(void **unused) {
    (void)unused;
    const double epoch = -1763647385e3;
    struct rig rig;
    rig_open(&rig);
    for (unsigned i = 0; i < 2000; i++)
        send_short(&rig, i, epoch - 250e3 + i * 250.0);
    assert_in_range(la_tracker_count(rig.tracker), 130 * 4, 134 * 4);
    rig_finish(&rig, 0);
    assert_int_equal(rig.count, 2000);
    rig_close(&rig);
}

/* An unanswered SYN, a refused one, a reset connection: over as well. */
static void attempts_and_resets_are_forgotten_too(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (unsigned i = 0; i < 900; i++) {
        uint16_t port = (uint16_t)(2000 + i);
        send(&rig, .ms = i, .flags = LA_SYN, .seq = i, .sport = port, .dport = 80);
        if (i % 3 == 1)
            send(&rig, .ms = i + 0.1, .server = true, .flags = LA_RST | LA_ACK, .ack = i + 1,
                 .sport = 80, .dport = port);
        if (i % 3 == 2)
            send(&rig, .ms = i + 0.1, .server = true, .flags = LA_SYN | LA_ACK, .ack = i + 1,
                 .seq = 9, .sport = 80, .dport = port);
    }
    tick(&rig, 900 + REMEMBERED_MS + 2000);
    assert_int_equal(rig.count, 900);
    rig_finish(&rig, 0);
    rig_close(&rig);
}

/* Where there are many, whatever its copy called for is forgotten in time. */
static void attempts_of_a_crowd_are_forgotten_when_they_pass_twice(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (unsigned i = 0; i < 3000; i++) {
        struct packet syn = {.ms = i, .flags = LA_SYN, .seq = i, .dport = 80};
        syn.sport = syn.id = (uint16_t)(2000 + i);
        send_packet(&rig, syn);
        syn.ms += 0.1;
        send_packet(&rig, syn);
    }
    tick(&rig, 3000 + REMEMBERED_MS + 2000);
    assert_int_equal(rig.count, 3000);
    rig_finish(&rig, 0);
    rig_close(&rig);
}

/* A chain goes as a whole, with its newest. */
static void a_chain_is_forgotten_with_its_newest(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    for (unsigned life = 0; life < 50; life++)
        for (unsigned tuple = 0; tuple < 20; tuple++) {
            uint16_t port = (uint16_t)(3000 + tuple);
            double ms = life * 20000.0 + tuple;
            send(&rig, .ms = ms, .flags = LA_SYN, .seq = life * 1000000, .sport = port,
                 .dport = 80);
            send(&rig, .ms = ms + 0.1, .server = true, .flags = LA_RST | LA_ACK,
                 .ack = life * 1000000 + 1, .sport = 80, .dport = port);
            /* three of each, and those of the last 130 s that wait to be swept */
            assert_true(la_tracker_count(rig.tracker) <= 20 * (3 + 8));
        }
    tick(&rig, 50 * 20000.0 + REMEMBERED_MS);
    assert_int_equal(rig.count, 1000);
    assert_int_equal(la_tracker_count(rig.tracker), 1);
    rig_finish(&rig, 0);
    rig_close(&rig);
}

static void what_begins_too_late_to_matter_is_not_followed(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    la_tracker_follow_until(rig.tracker, RIG_START + 1000 * LA_MSEC);
    send_short(&rig, 0, 999);
    send_short(&rig, 1, 1001);
    assert_int_equal(la_tracker_count(rig.tracker), 1);
    send(&rig, .ms = 3000, .flags = LA_SYN, .seq = 9, .sport = 1024, .dport = 80);
    assert_int_equal(la_tracker_count(rig.tracker), 2); /* the next life of what is followed */
    rig_finish(&rig, 0);
    assert_int_equal(rig.count, 2);
    rig_close(&rig);
}

static void nothing_in_nothing_out(void **unused) {
    (void)unused;
    struct rig rig;
    rig_open(&rig);
    rig_finish(&rig, 0);
    assert_int_equal(rig.count, 0);
    rig_close(&rig);
    la_tracker_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_connection_is_kept_for_its_2msl),
        cmocka_unit_test(an_open_connection_is_kept_for_ever),
        cmocka_unit_test(each_packet_starts_the_time_anew),
        cmocka_unit_test(a_forgotten_connection_ends_where_it_was_forgotten),
        cmocka_unit_test(memory_is_bounded_by_what_is_remembered),
        cmocka_unit_test(a_step_forward_by_years_forgets_all_that_was_over),
        cmocka_unit_test(a_step_back_by_years_is_survived),
        cmocka_unit_test(a_step_back_does_not_make_anything_wait_longer),
        cmocka_unit_test(a_clock_that_jumps_to_and_fro_loses_nobody),
        cmocka_unit_test(times_before_the_epoch_expire_as_well),
        cmocka_unit_test(attempts_and_resets_are_forgotten_too),
        cmocka_unit_test(attempts_of_a_crowd_are_forgotten_when_they_pass_twice),
        cmocka_unit_test(a_chain_is_forgotten_with_its_newest),
        cmocka_unit_test(what_begins_too_late_to_matter_is_not_followed),
        cmocka_unit_test(nothing_in_nothing_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
