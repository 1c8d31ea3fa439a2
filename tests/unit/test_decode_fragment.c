/* Datagrams in fragments: any order, overlaps, gaps, bounds. */
#include "test_decode_packets.h"

#include "base/time.h"
#include "decode/fragment.h"

/* One fragment of the usual TCP segment, under an IP header of either version. */
struct piece {
    uint32_t offset, length; /* bytes of the datagram's payload */
    bool more;
};

enum { DATAGRAM = 20 + 12 + TEST_PAYLOAD }; /* 43 bytes */

struct bench {
    struct la_decoder *decoder;
    int version;
    uint32_t id;
    uint64_t frame;
    int64_t time_ns;
    uint16_t input;
    uint8_t protocol;
};

static void setup_bench(struct bench *bench, int version) {
    *bench = (struct bench){.version = version, .id = 0xabc1, .protocol = 6};
    bench->decoder = la_decoder_new();
    assert_non_null(bench->decoder);
}

/* The counts once all is over; frees the bench. */
static struct la_decode_counts finish(struct bench *bench) {
    la_decoder_finish(bench->decoder);
    struct la_decode_counts counts = *la_decoder_counts(bench->decoder);
    assert_int_equal(sum_counts(&counts), bench->frame);
    la_decoder_free(bench->decoder);
    return counts;
}

static void put_fragment_header(struct test_packet *p, const struct bench *bench,
                                const struct piece *piece) {
    if (bench->version == 4) {
        put_ipv4_with(p, &(struct test_ipv4){
                             .protocol = bench->protocol,
                             .id = (uint16_t)bench->id,
                             .fragment = (uint16_t)((piece->more ? 0x2000 : 0) | piece->offset / 8),
                         });
        return;
    }
    put32(p, bench->id);
    put16(p, piece->offset | piece->more);
    put16(p, (unsigned)bench->protocol << 8);
    put_ipv6(p, 44);
}

static struct outcome send_packet(struct bench *bench, struct test_packet *p, uint32_t cut) {
    struct la_packet packet = {
        .time_ns = bench->time_ns,
        .frame = ++bench->frame,
        .caplen = (uint32_t)size_of(p) - cut,
        .len = (uint32_t)size_of(p),
        .linktype = RAW,
        .input = bench->input,
    };
    return decode_bytes(bench->decoder, &packet, at(p, 0));
}

/* The bytes of the datagram from `piece->offset` on, padded with 'x'; `dirt` is added to each. */
static struct outcome send_dirty(struct bench *bench, struct piece piece, uint8_t dirt) {
    struct test_packet datagram, p;
    begin(&datagram);
    put_usual_tcp(&datagram);
    begin(&p);
    for (uint32_t i = piece.offset + piece.length; i > piece.offset; i--)
        put8(&p, (i <= DATAGRAM ? at(&datagram, i - 1)[0] : (unsigned)'x') + dirt);
    put_fragment_header(&p, bench, &piece);
    return send_packet(bench, &p, 0);
}

static struct outcome send(struct bench *bench, struct piece piece) {
    return send_dirty(bench, piece, 0);
}

static void two_fragments_make_a_segment_of_the_last_ones_frame_and_time(void **state) {
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        struct bench bench;
        setup_bench(&bench, version);
        assert_int_equal(send(&bench, (struct piece){0, 24, true}).result, LA_DECODED_HELD);
        bench.time_ns = 5000;
        struct outcome o = send(&bench, (struct piece){24, DATAGRAM - 24, false});
        assert_usual(o);
        assert_int_equal(o.segment.frame, 2);
        assert_int_equal(o.segment.time_ns, 5000);
        assert_int_equal(o.segment.ip_id, 0xabc1);
        assert_true(o.segment.options & LA_IP_REASSEMBLED);
        assert_int_equal(finish(&bench).tcp, 2);
    }
}

/* All orders of the six smallest fragments: the TCP header lies in four of them. */
static void tiny_fragments_work_in_every_order(void **state) {
    (void)state;
    enum { PIECES = 6 };
    for (unsigned order = 0; order < 720; order++) {
        struct bench bench;
        struct outcome o = {.result = LA_DECODED_NOT};
        unsigned left[PIECES] = {0, 1, 2, 3, 4, 5}, rest = order;
        setup_bench(&bench, order % 2 ? 4 : 6);
        for (unsigned n = PIECES; n > 0; n--) {
            unsigned pick = rest % n, piece = left[pick];
            rest /= n;
            left[pick] = left[n - 1];
            bool last = piece == PIECES - 1;
            o = send(&bench, (struct piece){piece * 8, last ? DATAGRAM - 40 : 8, !last});
            if (n > 1)
                assert_int_equal(o.result, LA_DECODED_HELD);
        }
        assert_usual(o);
        assert_int_equal(finish(&bench).tcp, PIECES);
    }
}

static void a_duplicate_fragment_changes_nothing(void **state) {
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        struct bench bench;
        setup_bench(&bench, version);
        send(&bench, (struct piece){0, 24, true});
        assert_int_equal(send(&bench, (struct piece){0, 24, true}).result, LA_DECODED_HELD);
        assert_usual(send(&bench, (struct piece){24, DATAGRAM - 24, false}));
        assert_int_equal(finish(&bench).tcp, 3);
    }
}

static void neighbours_do_not_overlap(void **state) {
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        struct bench bench;
        setup_bench(&bench, version);
        send(&bench, (struct piece){32, DATAGRAM - 32, false});
        send(&bench, (struct piece){0, 16, true});
        assert_usual(send(&bench, (struct piece){16, 16, true}));
        assert_int_equal(finish(&bench).tcp, 3);
    }
}

static void of_an_ipv4_overlap_the_first_bytes_stay(void **state) {
    (void)state;
    struct bench bench;
    setup_bench(&bench, 4);
    send(&bench, (struct piece){0, 24, true});
    send_dirty(&bench, (struct piece){0, 32, true}, 1); /* its bytes 24 to 31 are taken */
    struct outcome o = send(&bench, (struct piece){32, DATAGRAM - 32, false});
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.seq, TEST_SEQ);
    assert_int_equal(o.segment.payload, TEST_PAYLOAD);
    assert_int_equal(finish(&bench).tcp, 3);
}

static void an_ipv6_overlap_drops_the_datagram(void **state) {
    (void)state;
    struct bench bench;
    setup_bench(&bench, 6);
    send(&bench, (struct piece){0, 24, true});
    assert_not(send(&bench, (struct piece){16, 16, true}), "malformed-network");
    assert_int_equal(send(&bench, (struct piece){32, DATAGRAM - 32, false}).result,
                     LA_DECODED_HELD);
    struct la_decode_counts counts = finish(&bench);
    assert_int_equal(counts.undecoded[LA_UNDECODED_MALFORMED_NETWORK], 2);
    assert_int_equal(counts.undecoded[LA_UNDECODED_FRAGMENT_INCOMPLETE], 1);
}

static void a_missing_fragment_makes_the_others_incomplete(void **state) {
    (void)state;
    struct bench bench;
    setup_bench(&bench, 4);
    send(&bench, (struct piece){0, 24, true});
    send(&bench, (struct piece){32, DATAGRAM - 32, false});
    assert_int_equal(finish(&bench).undecoded[LA_UNDECODED_FRAGMENT_INCOMPLETE], 2);
}

static void fragments_that_no_host_would_take_are_malformed(void **state) {
    (void)state;
    struct bench bench;
    setup_bench(&bench, 4);
    assert_not(send(&bench, (struct piece){65528, 16, true}), "malformed-network"); /* too long */
    assert_not(send(&bench, (struct piece){8, 0, true}), "malformed-network");      /* empty */
    assert_int_equal(send(&bench, (struct piece){32, 16, true}).result, LA_DECODED_HELD);
    assert_not(send(&bench, (struct piece){24, 8, false}),
               "malformed-network"); /* before the end */
    send(&bench, (struct piece){48, 8, false});
    assert_not(send(&bench, (struct piece){56, 8, true}), "malformed-network"); /* behind the end */
    assert_not(send(&bench, (struct piece){56, 8, false}), "malformed-network"); /* two ends */
    finish(&bench);
    setup_bench(&bench, 6);
    assert_not(send(&bench, (struct piece){0, 20, true}), "malformed-network"); /* uneven */
    finish(&bench);
}

static void each_property_of_the_key_keeps_datagrams_apart(void **state) {
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        struct bench bench;
        setup_bench(&bench, version);
        send(&bench, (struct piece){0, 24, true});
        bench.id++;
        assert_int_equal(send(&bench, (struct piece){24, DATAGRAM - 24, false}).result,
                         LA_DECODED_HELD);
        bench.id--;
        bench.input = 1; /* seen by another capture */
        assert_int_equal(send(&bench, (struct piece){24, DATAGRAM - 24, false}).result,
                         LA_DECODED_HELD);
        bench.input = 0;
        assert_usual(send(&bench, (struct piece){24, DATAGRAM - 24, false}));
        finish(&bench);
    }
}

static void fragments_of_two_captures_each_give_their_segment(void **state) {
    (void)state;
    struct bench bench;
    setup_bench(&bench, 4);
    for (uint32_t offset = 0; offset < 48; offset += 24) {
        for (uint16_t input = 0; input < 2; input++) {
            bench.input = input;
            bool last = offset > 0;
            struct outcome o =
                send(&bench, (struct piece){offset, last ? DATAGRAM - 24 : 24, !last});
            assert_int_equal(o.result, last ? LA_DECODED_TCP : LA_DECODED_HELD);
        }
    }
    assert_int_equal(finish(&bench).tcp, 4);
}

static void age_gives_up_after_30_seconds_or_60(void **state) {
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        int64_t life = version == 4 ? 30 * LA_SEC : 60 * LA_SEC;
        for (int late = 0; late < 2; late++) {
            struct bench bench;
            setup_bench(&bench, version);
            send(&bench, (struct piece){0, 24, true});
            bench.time_ns += life + late;
            struct outcome o = send(&bench, (struct piece){24, DATAGRAM - 24, false});
            assert_int_equal(o.result, late ? LA_DECODED_HELD : LA_DECODED_TCP);
            assert_int_equal(finish(&bench).undecoded[LA_UNDECODED_FRAGMENT_INCOMPLETE],
                             late ? 2 : 0);
        }
    }
}

static void a_clock_set_back_makes_a_datagram_as_old(void **state) {
    (void)state;
    for (int far = 0; far < 2; far++) {
        struct bench bench;
        setup_bench(&bench, 4);
        bench.time_ns = 100 * LA_SEC;
        send(&bench, (struct piece){0, 24, true});
        bench.time_ns -= 30 * LA_SEC + far;
        struct outcome o = send(&bench, (struct piece){24, DATAGRAM - 24, false});
        assert_int_equal(o.result, far ? LA_DECODED_HELD : LA_DECODED_TCP);
        finish(&bench);
    }
}

static void the_largest_datagram_works(void **state) {
    (void)state;
    struct bench bench;
    struct outcome o = {.result = LA_DECODED_NOT};
    setup_bench(&bench, 4);
    for (uint32_t offset = 0; offset < 65535; offset += 1480) {
        bool more = 65535 - offset > 1480;
        o = send(&bench, (struct piece){offset, more ? 1480 : 65535 - offset, more});
    }
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 65535 - 32);
    assert_int_equal(o.segment.tsval, TEST_TSVAL);
    finish(&bench);
}

static void the_oldest_gives_way_when_all_places_are_taken(void **state) {
    (void)state;
    struct bench bench;
    setup_bench(&bench, 6);
    for (uint32_t i = 0; i < FRAGMENT_OPEN_MAX + 10; i++) {
        bench.id = i;
        assert_int_equal(send(&bench, (struct piece){0, 24, true}).result, LA_DECODED_HELD);
    }
    assert_int_equal(la_decoder_counts(bench.decoder)->undecoded[LA_UNDECODED_FRAGMENT_LIMIT], 10);
    bench.id = 10; /* the oldest that is left */
    assert_usual(send(&bench, (struct piece){24, DATAGRAM - 24, false}));
    bench.id = 9;
    assert_int_equal(send(&bench, (struct piece){24, DATAGRAM - 24, false}).result,
                     LA_DECODED_HELD);
    assert_int_equal(finish(&bench).tcp, 2);
}

static void a_table_without_places_takes_nothing(void **state) {
    (void)state;
    struct la_decode_counts counts = {0};
    struct fragments *fragments = fragments_new(0, &counts);
    struct fragment_whole whole;
    struct fragment fragment = {.key = {.version = 4}, .more = true, .packets = 1};
    uint8_t bytes[8] = {0};
    fragment.bytes = cur_from(bytes, 8, 8);
    assert_int_equal(fragments_add(fragments, &fragment, &whole), FRAGMENT_NO_ROOM);
    fragments_free(fragments);
}

static void later_fragments_of_other_protocols_are_other_at_once(void **state) {
    (void)state;
    struct bench bench;
    setup_bench(&bench, 4);
    bench.protocol = 17;
    assert_int_equal(send(&bench, (struct piece){8, 8, true}).result, LA_DECODED_OTHER);
    assert_int_equal(send(&bench, (struct piece){0, 8, true}).result, LA_DECODED_OTHER);
    bench.protocol = 50;
    assert_not(send(&bench, (struct piece){8, 8, true}), "encrypted");
    assert_int_equal(finish(&bench).other, 2);
}

static void a_snaplen_in_each_fragment_keeps_the_header_whole_and_the_length_true(void **state) {
    (void)state;
    struct bench bench;
    struct test_packet p;
    setup_bench(&bench, 4);
    begin(&p);
    put_tcp(&p, &(struct test_tcp){.flags = LA_ACK, .payload = 1460});
    put_fragment_header(&p, &bench, &(struct piece){0, 1480, true});
    assert_int_equal(send_packet(&bench, &p, 1450).result, LA_DECODED_HELD);
    begin(&p);
    put_zeros(&p, 1000);
    put_fragment_header(&p, &bench, &(struct piece){1480, 1000, false});
    struct outcome o = send_packet(&bench, &p, 990);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 2460);
    assert_int_equal(finish(&bench).tcp, 2);
}

static void a_header_cut_off_by_the_snaplen_is_truncated(void **state) {
    (void)state;
    struct bench bench;
    struct test_packet p;
    setup_bench(&bench, 4);
    begin(&p);
    put_tcp(&p, &(struct test_tcp){.flags = LA_ACK, .payload = 20});
    put_fragment_header(&p, &bench, &(struct piece){0, 40, true});
    assert_int_equal(send_packet(&bench, &p, 30).result, LA_DECODED_HELD);
    assert_not(send(&bench, (struct piece){40, 3, false}), "truncated-tcp");
    assert_int_equal(finish(&bench).undecoded[LA_UNDECODED_TRUNCATED_TCP], 2);
}

/* The TCP segment behind a header of destination options, all of it in fragments. */
static void headers_in_the_fragmented_part_are_walked(void **state) {
    (void)state;
    struct bench bench;
    struct test_packet datagram, p;
    struct outcome o = {.result = LA_DECODED_NOT};
    setup_bench(&bench, 6);
    bench.protocol = 60;
    begin(&datagram);
    put_usual_tcp(&datagram);
    put_extension(&datagram, 6);
    uint32_t size = (uint32_t)size_of(&datagram);
    for (uint32_t offset = 0; offset < size; offset += 16) {
        struct piece piece = {offset, size - offset < 16 ? size - offset : 16, size - offset > 16};
        begin(&p);
        put(&p, at(&datagram, offset), piece.length);
        put_fragment_header(&p, &bench, &piece);
        o = send_packet(&bench, &p, 0);
    }
    assert_usual(o);
    assert_int_equal(finish(&bench).tcp, (size + 15) / 16);
}

static void fragments_within_a_tunnel_work(void **state) {
    (void)state;
    struct bench bench;
    struct test_packet datagram, p;
    setup_bench(&bench, 4);
    begin(&datagram);
    put_usual_tcp(&datagram);
    for (uint32_t offset = 0; offset < 48; offset += 24) {
        struct piece piece = {offset, offset ? DATAGRAM - 24 : 24, offset == 0};
        begin(&p);
        put(&p, at(&datagram, offset), piece.length);
        put_fragment_header(&p, &bench, &piece);
        put32(&p, 0x00000800); /* GRE */
        put_ipv4(&p, 47);
        struct outcome o = send_packet(&bench, &p, 0);
        assert_int_equal(o.result, offset ? LA_DECODED_TCP : LA_DECODED_HELD);
        if (offset)
            assert_int_equal(o.segment.tunnels, LA_TUNNEL_GRE);
    }
    assert_int_equal(finish(&bench).tcp, 2);
}

/* Random pieces of few datagrams, in random order: whatever they say, they are counted. */
static void random_fragments_always_add_up(void **state) {
    (void)state;
    struct bench bench;
    uint64_t x = 88172645463325252u, held = 0;
    setup_bench(&bench, 4);
    for (int i = 0; i < 100000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bench.version = x & 1 ? 4 : 6;
        bench.id = (uint32_t)(x >> 1 & 7);
        bench.time_ns += (int64_t)(x >> 4 & 0xfffffff);
        struct piece piece = {(uint32_t)(x >> 32 & 7) * 8, (uint32_t)(x >> 40 & 31),
                              (x >> 50 & 3) != 0};
        held += send(&bench, piece).result == LA_DECODED_HELD;
        assert_true(sum_counts(la_decoder_counts(bench.decoder)) + held >= bench.frame);
    }
    assert_true(finish(&bench).tcp > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_fragments_make_a_segment_of_the_last_ones_frame_and_time),
        cmocka_unit_test(tiny_fragments_work_in_every_order),
        cmocka_unit_test(a_duplicate_fragment_changes_nothing),
        cmocka_unit_test(neighbours_do_not_overlap),
        cmocka_unit_test(of_an_ipv4_overlap_the_first_bytes_stay),
        cmocka_unit_test(an_ipv6_overlap_drops_the_datagram),
        cmocka_unit_test(a_missing_fragment_makes_the_others_incomplete),
        cmocka_unit_test(fragments_that_no_host_would_take_are_malformed),
        cmocka_unit_test(each_property_of_the_key_keeps_datagrams_apart),
        cmocka_unit_test(fragments_of_two_captures_each_give_their_segment),
        cmocka_unit_test(age_gives_up_after_30_seconds_or_60),
        cmocka_unit_test(a_clock_set_back_makes_a_datagram_as_old),
        cmocka_unit_test(the_largest_datagram_works),
        cmocka_unit_test(the_oldest_gives_way_when_all_places_are_taken),
        cmocka_unit_test(a_table_without_places_takes_nothing),
        cmocka_unit_test(later_fragments_of_other_protocols_are_other_at_once),
        cmocka_unit_test(a_snaplen_in_each_fragment_keeps_the_header_whole_and_the_length_true),
        cmocka_unit_test(a_header_cut_off_by_the_snaplen_is_truncated),
        cmocka_unit_test(headers_in_the_fragmented_part_are_walked),
        cmocka_unit_test(fragments_within_a_tunnel_work),
        cmocka_unit_test(random_fragments_always_add_up),
    };
    return cmocka_run_group_tests_name("decode, fragments", tests, NULL, NULL);
}
