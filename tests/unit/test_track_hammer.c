/* Segments that no stack sends, at times that no clock shows: nothing breaks, nothing is lost, and
 * what is settled obeys the laws of every connection (assert_lawful, in the rig). */
#include "test_track_support.h"

struct hammer {
    uint64_t random;
    int64_t now_ns;
    uint32_t number[16];          /* about where the sequence numbers are, by host */
    unsigned hosts, ports, jumps; /* per mille of packets whose time jumps */
    bool extreme, v6;
};

static uint8_t random_flags(uint64_t *random) {
    static const uint8_t usual[] = {LA_SYN,          LA_SYN | LA_ACK, LA_ACK,
                                    LA_ACK,          LA_ACK | LA_PSH, LA_FIN | LA_ACK,
                                    LA_FIN | LA_ACK, LA_RST,          LA_RST | LA_ACK};
    return chance(random, 5) ? (uint8_t)next_random(random) : usual[pick(random, sizeof usual)];
}

static int64_t next_time(struct hammer *h) {
    static const int64_t steps[] = {
        LA_USEC,      LA_MSEC,      LA_SEC / 5,     2 * LA_SEC,           61 * LA_SEC,
        131 * LA_SEC, 300 * LA_SEC, 86400 * LA_SEC, 86400 * 365 * LA_SEC, 86400 * LA_SEC};
    int64_t step = pick(&h->random, 20000000);
    bool back = false;
    if (pick(&h->random, 1000) < h->jumps) {
        if (h->extreme && chance(&h->random, 10))
            return chance(&h->random, 50) ? LA_TIME_LIMIT : -LA_TIME_LIMIT;
        step = steps[pick(&h->random, sizeof steps / sizeof steps[0])];
        back = chance(&h->random, 30);
    }
    int64_t next = back ? h->now_ns - step : h->now_ns + step;
    return next > LA_TIME_LIMIT ? LA_TIME_LIMIT : next < -LA_TIME_LIMIT ? -LA_TIME_LIMIT : next;
}

static struct la_addr hammer_host(const struct hammer *h, unsigned number) {
    uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)number};
    return h->v6 && number % 2 ? la_addr_from_v6(v6) : host_v4(number);
}

static uint32_t near_number(struct hammer *h, unsigned host) {
    static const uint32_t off[] = {0,        0,        0,          1,          1,     2,
                                   100,      1460,     0xffffffff, 0xfffffff0, 65536, 65537,
                                   1u << 20, 1u << 30, 1u << 31,   0xffff0000};
    return h->number[host] + off[pick(&h->random, sizeof off / sizeof off[0])];
}

static struct la_segment random_segment(struct hammer *h, uint64_t frame) {
    uint64_t *r = &h->random;
    unsigned from = pick(r, h->hosts);
    unsigned to = h->v6 ? from ^ 2 : pick(r, h->hosts); /* of one family, or itself */
    bool forth = from < to;
    uint16_t port = (uint16_t)(1000 + pick(r, h->ports));
    h->now_ns = next_time(h);
    struct la_segment s = {
        .time_ns = h->now_ns,
        .frame = frame,
        .src = hammer_host(h, from),
        .dst = hammer_host(h, to),
        .sport = forth ? port : 1000,
        .dport = forth ? 1000 : port,
        .seq = near_number(h, from),
        .ack = near_number(h, to),
        .payload = chance(r, 30) ? pick(r, 1500) : 0,
        .flags = random_flags(r),
        .window = chance(r, 5) ? 0 : (uint16_t)next_random(r),
        .options = (uint16_t)(next_random(r) & ~(unsigned)LA_IS_NOTICE),
        .tsval = 1000000 + pick(r, 10000),
        .tsecr = 1000000 + pick(r, 10000),
        .ip_id = (uint16_t)pick(r, 100),
        .ttl = (uint8_t)(60 + pick(r, 5)),
        .input = (uint16_t)(chance(r, 3) ? pick(r, 20) : 0),
        .vlans = {(uint16_t)(chance(r, 3) ? pick(r, 20) : 0), 0},
        .mss = 1460,
        .window_scale = (uint8_t)pick(r, 15),
    };
    if (chance(r, 2))
        s.payload = UINT32_MAX - pick(r, 3); /* a header that lies */
    s.wire_bytes = 60 + s.payload;
    if (s.options & LA_HAS_SACK) {
        s.sack_count = 1;
        s.sack[0] = near_number(h, to);
        s.sack[1] = near_number(h, to);
    }
    if (chance(r, 3)) { /* an ICMP error about such a segment */
        s.options |= LA_IS_NOTICE;
        s.notice =
            (struct la_notice){hammer_host(h, to), (uint8_t)pick(r, 15), (uint8_t)pick(r, 15)};
        return s;
    }
    if (chance(r, 20))
        h->number[from] = s.seq + s.payload + 1;
    if (chance(r, 1))
        h->number[from] = (uint32_t)next_random(r);
    return s;
}

/* Every segment belongs to one connection, or is a copy that one connection has counted. */
static void assert_nothing_lost(const struct rig *rig, uint64_t segments) {
    uint64_t taken = 0;
    for (size_t i = 0; i < rig->count; i++) {
        const struct la_connection *c = &rig->settled[i].c;
        taken += c->side[0].packets + c->side[1].packets + c->duplicates;
    }
    assert_int_equal(taken, segments);
}

static void assert_numbered(const struct rig *rig) {
    for (size_t i = 0; i < rig->count; i++) {
        const struct settled *s = &rig->settled[i];
        if (s->previous)
            assert_int_equal(s->previous + 1, s->c.incarnation);
        if (s->next)
            assert_int_equal(s->next, s->c.incarnation + 1);
    }
}

static void run_hammer(struct hammer hammer, unsigned segments) {
    struct rig rig;
    unsigned notices = 0;
    rig_open(&rig);
    for (unsigned i = 0; i < segments; i++) {
        struct la_segment s = random_segment(&hammer, ++rig.frame);
        notices += (s.options & LA_IS_NOTICE) != 0;
        rig_take(&rig, &s);
    }
    rig_finish(&rig, 0);
    assert_nothing_lost(&rig, segments - notices);
    assert_numbered(&rig);
    rig_close(&rig);
}

static void random_segments_of_few_tuples(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 25; seed++)
        run_hammer((struct hammer){.random = seed, .hosts = 3, .ports = 2, .jumps = 5}, 4000);
}

static void random_segments_of_many_tuples(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 5; seed++)
        run_hammer((struct hammer){.random = seed, .hosts = 16, .ports = 60, .jumps = 2}, 20000);
}

static void random_segments_of_both_families(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 5; seed++)
        run_hammer((struct hammer){.random = seed, .hosts = 4, .ports = 4, .jumps = 5, .v6 = true},
                   10000);
}

/* Half of the times jump, some to the ends of what a capture can say. */
static void random_segments_at_random_times(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 25; seed++)
        run_hammer(
            (struct hammer){.random = seed, .hosts = 3, .ports = 3, .jumps = 500, .extreme = true},
            2000);
}

/* Nothing else but one tuple: the longest logs, the longest chains. */
static void random_segments_of_one_connection(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 5; seed++)
        run_hammer((struct hammer){.random = seed, .hosts = 2, .ports = 1}, 4000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_segments_of_few_tuples),
        cmocka_unit_test(random_segments_of_many_tuples),
        cmocka_unit_test(random_segments_of_both_families),
        cmocka_unit_test(random_segments_at_random_times),
        cmocka_unit_test(random_segments_of_one_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
