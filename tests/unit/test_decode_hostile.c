/* What the decoder says of packets that are cut anywhere, and of packets that are broken. */
#include "test_decode_samples.h"

#include <stdio.h>

static void every_shape_gives_the_segment_inside(void **state) {
    (void)state;
    struct test_packet p;
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i].build(&p);
        struct outcome o = decode(&p);
        if (!is_right(&samples[i], &o))
            print_error("%s\n", samples[i].name);
        assert_true(is_right(&samples[i], &o));
        if (!samples[i].notice)
            assert_usual(o);
        assert_int_equal(o.segment.tunnels, samples[i].tunnels);
        assert_int_equal(o.segment.wire_bytes, size_of(&p));
    }
}

/* Fields are compared one by one: the struct has padding, and blocks beyond sack_count. */
static bool is_equal(const struct la_segment *a, const struct la_segment *b) {
    return a->time_ns == b->time_ns && a->frame == b->frame && la_addr_cmp(&a->src, &b->src) == 0 &&
           la_addr_cmp(&a->dst, &b->dst) == 0 && a->seq == b->seq && a->ack == b->ack &&
           a->payload == b->payload && a->wire_bytes == b->wire_bytes && a->tsval == b->tsval &&
           a->tsecr == b->tsecr && a->input == b->input && a->sport == b->sport &&
           a->dport == b->dport && a->window == b->window && a->options == b->options &&
           a->tunnels == b->tunnels && a->vlans[0] == b->vlans[0] && a->vlans[1] == b->vlans[1] &&
           a->ip_id == b->ip_id && a->mss == b->mss && a->sack_count == b->sack_count &&
           a->flags == b->flags && a->ttl == b->ttl && a->window_scale == b->window_scale &&
           (!(a->options & LA_IS_NOTICE) ||
            (la_addr_cmp(&a->notice.reporter, &b->notice.reporter) == 0 &&
             a->notice.type == b->notice.type && a->notice.code == b->notice.code));
}

static void every_field_is_filled_whatever_was_there_before(void **state) {
    (void)state;
    struct test_packet p;
    struct la_decoder *decoder = la_decoder_new();
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i].build(&p);
        struct la_packet packet = {.data = at(&p, 0),
                                   .caplen = (uint32_t)size_of(&p),
                                   .len = (uint32_t)size_of(&p),
                                   .linktype = p.linktype};
        struct la_segment first, second;
        enum la_undecoded why;
        memset(&first, 0x00, sizeof first);
        memset(&second, 0xff, sizeof second);
        enum la_decoded wanted = samples[i].notice ? LA_DECODED_NOTICE : LA_DECODED_TCP;
        assert_int_equal(la_decode(decoder, &packet, &first, &why), wanted);
        assert_int_equal(la_decode(decoder, &packet, &second, &why), wanted);
        assert_true(is_equal(&first, &second));
    }
    la_decoder_free(decoder);
}

static bool is_truncated(const struct outcome *o) {
    return o->result == LA_DECODED_NOT &&
           (o->why == LA_UNDECODED_TRUNCATED_LINK || o->why == LA_UNDECODED_TRUNCATED_NETWORK ||
            o->why == LA_UNDECODED_TRUNCATED_TCP);
}

/* Every prefix of a sample, with the length on the wire either kept (a snaplen) or lost. */
static void check_prefixes(const struct sample *sample, bool snaplen) {
    struct test_packet p;
    struct la_decoder *decoder = la_decoder_new();
    sample->build(&p);
    for (uint32_t caplen = 0; caplen < size_of(&p); caplen++) {
        struct la_packet packet = {.caplen = caplen,
                                   .len = snaplen ? (uint32_t)size_of(&p) : caplen,
                                   .linktype = p.linktype};
        struct outcome o = decode_bytes(decoder, &packet, at(&p, 0));
        bool got = o.result == LA_DECODED_TCP || o.result == LA_DECODED_NOTICE;
        bool fine = got                            ? is_right(sample, &o)
                    : o.result == LA_DECODED_OTHER ? sample->guessed
                                                   : is_truncated(&o);
        if (!fine)
            print_error("%s cut at %u: result %d why %s\n", sample->name, caplen, (int)o.result,
                        o.result == LA_DECODED_NOT ? la_undecoded_name(o.why) : "-");
        assert_true(fine);
    }
    la_decoder_free(decoder);
}

static void a_snaplen_never_makes_a_wrong_segment(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++)
        check_prefixes(&samples[i], true);
}

static void a_short_packet_never_makes_a_wrong_segment(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++)
        check_prefixes(&samples[i], false);
}

static uint64_t random_state;

/* xorshift64*: the same mutations in every run. */
static uint32_t next_random(uint32_t below) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * UINT64_C(2685821657736338717) >> 33) % below;
}

static void mutate(struct test_packet *p) {
    static const uint8_t interesting[] = {0, 1, 4, 6, 0x7f, 0x80, 0xff, 0x45, 0x20};
    size_t size = size_of(p);
    for (uint32_t n = next_random(6); n > 0; n--) {
        uint8_t *byte = at(p, next_random((uint32_t)size));
        switch (next_random(3)) {
        case 0:
            *byte ^= (uint8_t)(1u << next_random(8));
            break;
        case 1:
            *byte = (uint8_t)next_random(256);
            break;
        default:
            *byte = interesting[next_random(sizeof interesting)];
        }
    }
}

static const uint16_t known_linktypes[] = {0,   1,   9,   12,  14,  50,  51,  101, 104,
                                           108, 109, 113, 219, 228, 229, 276, 147};

static void no_mutation_crashes_and_the_counts_always_add_up(void **state) {
    (void)state;
    enum { MUTATIONS = 200000 };
    struct la_decoder *decoder = la_decoder_new();
    uint64_t held = 0;
    random_state = 42;
    for (uint64_t i = 0; i < MUTATIONS; i++) {
        struct test_packet p;
        samples[next_random(SAMPLES)].build(&p);
        mutate(&p);
        struct la_packet packet = {.time_ns = (int64_t)i * 1000000,
                                   .caplen = (uint32_t)size_of(&p),
                                   .len = (uint32_t)size_of(&p),
                                   .linktype = p.linktype};
        if (next_random(4) == 0)
            packet.caplen = next_random(packet.len + 1);
        if (next_random(8) == 0)
            packet.linktype = known_linktypes[next_random(17)];
        struct outcome o = decode_bytes(decoder, &packet, at(&p, 0));
        held += o.result == LA_DECODED_HELD;
        assert_true(sum_counts(la_decoder_counts(decoder)) <= i + 1);
        assert_true(sum_counts(la_decoder_counts(decoder)) + held >= i + 1);
    }
    assert_true(held > 100); /* some became fragments */
    la_decoder_finish(decoder);
    assert_int_equal(sum_counts(la_decoder_counts(decoder)), MUTATIONS);
    la_decoder_free(decoder);
}

static void noise_of_every_link_type_does_not_crash(void **state) {
    (void)state;
    struct la_decoder *decoder = la_decoder_new();
    random_state = 7;
    for (unsigned i = 0; i < 50000; i++) {
        uint8_t noise[200];
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t)next_random(256);
        struct la_packet packet = {.caplen = next_random(sizeof noise + 1),
                                   .linktype = known_linktypes[next_random(17)]};
        packet.len = packet.caplen + next_random(100);
        (void)decode_bytes(decoder, &packet, noise);
    }
    la_decoder_finish(decoder);
    assert_int_equal(sum_counts(la_decoder_counts(decoder)), 50000);
    la_decoder_free(decoder);
}

static void build_any_plain(struct test_packet *p) {
    static const uint8_t options[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2,
                                      3, 4, 0, 0,    0, 0, 1, 3,  3, 7};
    const struct test_tcp syn = {
        .flags = LA_SYN, .options = options, .option_bytes = sizeof options};
    const struct test_tcp bare = {.flags = LA_RST};
    begin(p);
    switch (next_random(4)) {
    case 0:
        put_tcp(p, &syn);
        break;
    case 1:
        put_tcp(p, &bare);
        break;
    default:
        put_usual_tcp(p);
    }
    bool six = next_random(2);
    if (six)
        put_ipv6(p, 6);
    else
        put_ipv4(p, 6);
    unsigned type = six ? 0x86dd : 0x0800;
    switch (next_random(4)) {
    case 0:
        put_ethernet(p, (uint16_t)type);
        break;
    case 1:
        put16(p, type);
        put16(p, next_random(0x10000));
        put_ethernet(p, 0x8100);
        break;
    case 2:
        p->linktype = SLL;
        put16(p, type);
        put_zeros(p, 10);
        put16(p, next_random(4) ? 1 : 801);
        put16(p, next_random(5));
        break;
    default:
        p->linktype = SLL2;
        put_zeros(p, 9);
        put8(p, (uint8_t)next_random(5));
        put16(p, next_random(4) ? 1 : 801);
        put_zeros(p, 6);
        put16(p, type);
    }
}

/* As decode_bytes(). */
static bool decode_plain(struct la_decoder *decoder, const struct la_packet *like,
                         const uint8_t *bytes, struct la_segment *segment) {
    struct la_packet packet = *like;
    uint8_t *copy = malloc(packet.caplen ? packet.caplen : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, packet.caplen);
    packet.data = copy;
    memset(segment, 0xa5, sizeof *segment);
    bool plain = la_decode_plain(decoder, &packet, 1, segment) == 1;
    free(copy);
    return plain;
}

/* Most packets are looked at in one piece, instead of walked header by header: whatever is wrong
 * with one, what the look takes for a segment is what a walk makes of it. */
static void plain_packets_are_what_a_walk_finds(void **state) {
    (void)state;
    enum { PACKETS = 200000 };
    struct la_decoder *plain = la_decoder_new(), *walking = la_decoder_new();
    unsigned segments = 0;
    random_state = 11;
    for (unsigned i = 0; i < PACKETS; i++) {
        struct test_packet p;
        build_any_plain(&p);
        uint32_t size = (uint32_t)size_of(&p);
        for (unsigned n = next_random(4); n > 0; n--)
            at(&p, next_random(size))[0] = (uint8_t)next_random(256);
        uint32_t caplen = next_random(2) ? size : next_random(size);
        struct la_packet packet = {
            .time_ns = (int64_t)i,
            .frame = i + UINT64_C(1),
            .caplen = caplen,
            .len = size + next_random(3),
            .input = (uint16_t)next_random(3),
            .linktype = next_random(16) ? p.linktype : known_linktypes[next_random(17)],
        };
        struct la_segment segment;
        if (!decode_plain(plain, &packet, at(&p, 0), &segment))
            continue;
        struct outcome walked = decode_bytes(walking, &packet, at(&p, 0));
        assert_int_equal(walked.result, LA_DECODED_TCP);
        assert_memory_equal(&segment, &walked.segment, sizeof segment);
        assert_int_equal(la_decoder_counts(plain)->tcp, ++segments);
    }
    assert_in_range(segments, PACKETS / 4, PACKETS);
    la_decoder_free(plain);
    la_decoder_free(walking);
}

/* A packet that may have been cut and damaged, its bytes in memory of their own. */
static struct la_packet any_plain_packet(unsigned number) {
    struct test_packet p;
    build_any_plain(&p);
    uint32_t size = (uint32_t)size_of(&p), caplen = next_random(8) ? size : next_random(size);
    if (next_random(8) == 0)
        at(&p, next_random(size))[0] = (uint8_t)next_random(256);
    uint8_t *data = malloc(caplen ? caplen : 1);
    assert_non_null(data);
    memcpy(data, at(&p, 0), caplen);
    return (struct la_packet){.time_ns = (int64_t)number,
                              .frame = number,
                              .data = data,
                              .caplen = caplen,
                              .len = size,
                              .linktype = p.linktype};
}

/* However many are looked at together, and whatever stands beside them. */
static void rows_of_plain_packets_are_what_a_walk_finds(void **state) {
    (void)state;
    enum { ROUNDS = 2000, ROW = 200 };
    struct la_decoder *plain = la_decoder_new(), *walking = la_decoder_new();
    static struct la_packet packets[ROW];
    static struct la_segment segments[ROW + 64]; /* some are asked for ahead */
    unsigned together = 0;
    random_state = 12;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 1 + next_random(ROW);
        for (unsigned i = 0; i < count; i++)
            packets[i] = any_plain_packet(i);
        memset(segments, 0xa5, sizeof segments);
        for (unsigned i = 0, n; i<count; i += n> 0 ? n : 1) {
            n = (unsigned)la_decode_plain(plain, packets + i, count - i, segments + i);
            assert_true(n <= count - i);
            together += n > 1;
            for (unsigned k = i; k < i + n; k++) {
                struct outcome walked = decode_bytes(walking, &packets[k], packets[k].data);
                assert_int_equal(walked.result, LA_DECODED_TCP);
                assert_true(is_equal(&segments[k], &walked.segment));
            }
        }
        for (unsigned i = 0; i < count; i++)
            free((void *)(uintptr_t)packets[i].data);
    }
    assert_true(together > ROUNDS);
    la_decoder_free(plain);
    la_decoder_free(walking);
}

static void put_tag(struct test_packet *p, uint16_t type) {
    put16(p, type);
    put16(p, 7);
}

static void a_row_of_plain_packets_ends_where_one_is_not(void **state) {
    (void)state;
    enum { ROW = 6, TAGGED = 2, ODD = 4 };
    struct test_packet plain, tagged, odd;
    struct la_decoder *decoder = la_decoder_new();
    build_plain(&plain);
    begin(&tagged);
    put_usual_tcp(&tagged);
    put_ipv4(&tagged, 6);
    odd = tagged;
    put_tag(&tagged, 0x0800);
    put_ethernet(&tagged, 0x8100);
    put_tag(&odd, 0x0800);
    put_tag(&odd, 0x8100);
    put_ethernet(&odd, 0x88a8);
    struct la_packet packets[ROW];
    struct la_segment segments[ROW];
    for (size_t i = 0; i < ROW; i++) {
        struct test_packet *p = i == TAGGED ? &tagged : i == ODD ? &odd : &plain;
        packets[i] = (struct la_packet){.frame = i,
                                        .data = at(p, 0),
                                        .caplen = (uint32_t)size_of(p),
                                        .len = (uint32_t)size_of(p),
                                        .linktype = p->linktype};
    }
    assert_int_equal(la_decode_plain(decoder, packets, 0, segments), 0);
    assert_int_equal(la_decode_plain(decoder, packets, 2, segments), 2);
    assert_int_equal(la_decode_plain(decoder, packets, ROW, segments), TAGGED + 1);
    assert_int_equal(segments[TAGGED].tunnels, LA_TUNNEL_VLAN);
    assert_int_equal(segments[TAGGED].vlans[0], 7);
    for (size_t i = 0; i <= TAGGED; i++)
        assert_int_equal(segments[i].frame, i);
    assert_int_equal(la_decode_plain(decoder, packets + 3, ROW - 3, segments), ODD - 3);
    assert_int_equal(la_decode_plain(decoder, packets + ODD, ROW - ODD, segments), 0);
    assert_int_equal(la_decoder_counts(decoder)->tcp, 2 + TAGGED + 1 + ODD - 3);
    la_decoder_free(decoder);
}

static void a_hundred_nested_headers_are_too_deep(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_usual_tcp(&p);
    put_ipv4(&p, 6);
    for (int i = 0; i < 100; i++)
        put_ipv4(&p, 4);
    put_ethernet(&p, 0x0800);
    assert_not(decode(&p), "too-deep");
}

static void an_endless_label_stack_is_too_deep(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_zeros(&p, 1000);
    put_ethernet(&p, 0x8847);
    assert_not(decode(&p), "too-deep");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_gives_the_segment_inside),
        cmocka_unit_test(every_field_is_filled_whatever_was_there_before),
        cmocka_unit_test(a_snaplen_never_makes_a_wrong_segment),
        cmocka_unit_test(a_short_packet_never_makes_a_wrong_segment),
        cmocka_unit_test(no_mutation_crashes_and_the_counts_always_add_up),
        cmocka_unit_test(noise_of_every_link_type_does_not_crash),
        cmocka_unit_test(plain_packets_are_what_a_walk_finds),
        cmocka_unit_test(rows_of_plain_packets_are_what_a_walk_finds),
        cmocka_unit_test(a_row_of_plain_packets_ends_where_one_is_not),
        cmocka_unit_test(a_hundred_nested_headers_are_too_deep),
        cmocka_unit_test(an_endless_label_stack_is_too_deep),
    };
    return cmocka_run_group_tests_name("decode, hostile", tests, NULL, NULL);
}
