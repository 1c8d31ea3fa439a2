/* The TCP header and its options. */
#include "test_decode_packets.h"

#define SYN_OPTIONS "\x02\x04\x05\xb4\x04\x02\x08\x0a\xca\xfe\0\1\0\0\0\0\x01\x03\x03\x07"

struct options {
    const char *bytes;
    size_t size; /* a multiple of 4 */
    unsigned flags;
};

static void build(struct test_packet *p, const struct options *options) {
    begin(p);
    put_tcp(p, &(struct test_tcp){.flags = options->flags,
                                  .options = (const uint8_t *)options->bytes,
                                  .option_bytes = options->size});
    put_ipv4(p, 6);
    put_ethernet(p, 0x0800);
}

/* The segment with these options. */
static struct la_segment with(const char *bytes, size_t size) {
    struct test_packet p;
    build(&p, &(struct options){.bytes = bytes, .size = size, .flags = LA_ACK});
    struct outcome o = decode(&p);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 0);
    return o.segment;
}
#define WITH(literal) with(literal, sizeof(literal) - 1)

static const uint16_t HAS_ANY = LA_HAS_TIMESTAMPS | LA_HAS_MSS | LA_HAS_WINDOW_SCALE |
                                LA_HAS_SACK_PERMITTED | LA_HAS_SACK | LA_HAS_DSACK |
                                LA_HAS_FAST_OPEN | LA_HAS_MPTCP | LA_OPTIONS_CUT;

static void a_syn_of_linux_is_read_whole(void **state) {
    (void)state;
    struct la_segment s = WITH(SYN_OPTIONS);
    assert_int_equal(s.options & HAS_ANY,
                     LA_HAS_TIMESTAMPS | LA_HAS_MSS | LA_HAS_WINDOW_SCALE | LA_HAS_SACK_PERMITTED);
    assert_int_equal(s.mss, 1460);
    assert_int_equal(s.window_scale, 7);
    assert_int_equal(s.tsval, TEST_TSVAL);
    assert_int_equal(s.tsecr, 0);
}

/* In the order in which most come they are read in one look. */
static void the_order_of_options_does_not_matter(void **state) {
    (void)state;
    struct la_segment usual =
        WITH("\x02\x04\x05\xb4\x04\x02\x08\x0a\xca\xfe\0\1\0\0\0\0\x01\x03\x03\x07");
    struct la_segment other =
        WITH("\x01\x03\x03\x07\x08\x0a\xca\xfe\0\1\0\0\0\0\x04\x02\x02\x04\x05\xb4");
    assert_memory_equal(&usual, &other, sizeof usual);
    usual = WITH("\x02\x04\x05\xb4\x04\x02\x08\x0a\xca\xfe\0\1\0\0\0\0\x01\x03\x03\xff");
    assert_int_equal(usual.window_scale, 14);
    usual = WITH("\x02\x04\x05\xb4\x04\x02\x08\x09\xca\xfe\0\1\0\0\0\0\x01\x03\x03\x07");
    assert_false(usual.options & LA_HAS_TIMESTAMPS);
}

static void no_options_are_no_options(void **state) {
    (void)state;
    struct la_segment s = WITH("");
    assert_int_equal(s.options & HAS_ANY, 0);
    assert_int_equal(s.mss, 0);
    assert_int_equal(s.tsval, 0);
    assert_int_equal(s.sack_count, 0);
}

static void timestamps_are_found_in_any_place(void **state) {
    (void)state;
    struct la_segment s = WITH("\x08\x0a\xca\xfe\0\1\xbe\xef\0\2\0\0");
    assert_int_equal(s.options & HAS_ANY, LA_HAS_TIMESTAMPS);
    assert_int_equal(s.tsval, TEST_TSVAL);
    assert_int_equal(s.tsecr, TEST_TSECR);
}

static void a_window_scale_above_14_is_14(void **state) {
    (void)state;
    assert_int_equal(WITH("\x03\x03\xff\x01").window_scale, 14);
}

static void options_of_a_wrong_length_are_absent(void **state) {
    (void)state;
    assert_int_equal(
        WITH("\x02\x03\x05\x01\x03\x02\x04\x03\0\x08\x08\0\0\0\0\0\0\0\0\0").options & HAS_ANY, 0);
    assert_int_equal(WITH("\x05\x08\0\0\0\1\0\0").options & HAS_ANY, 0);
    assert_int_equal(WITH("\x05\x02\x01\x01").options & HAS_ANY, 0);
    assert_int_equal(WITH("\x1e\x02\x01\x01").options & HAS_ANY, 0);
}

static void a_length_of_0_or_1_ends_the_options(void **state) {
    (void)state;
    assert_int_equal(WITH("\x09\x00\x03\x03\x07\x01\x01\x01").options & HAS_ANY, 0);
    assert_int_equal(WITH("\x09\x01\x03\x03\x07\x01\x01\x01").options & HAS_ANY, 0);
}

static void a_length_beyond_the_header_ends_the_options(void **state) {
    (void)state;
    assert_int_equal(WITH("\x01\x01\x02\x04").options & HAS_ANY, 0);
    assert_int_equal(WITH("\x01\x01\x01\x02").options & HAS_ANY, 0);
}

static void nothing_is_read_behind_the_end_of_options(void **state) {
    (void)state;
    assert_int_equal(WITH("\x00\x03\x03\x07").options & HAS_ANY, 0);
}

static void unknown_options_are_passed_over(void **state) {
    (void)state;
    assert_int_equal(WITH("\x13\x04\xaa\xbb\x02\x04\x05\xb4").mss, 1460);
}

static void sack_blocks_are_kept_in_order(void **state) {
    (void)state;
    struct la_segment s = WITH("\x01\x01\x05\x12\x55\x66\x80\0\x55\x66\x90\0\x55\x66\xa0\0\x55\x66"
                               "\xb0\0");
    assert_int_equal(s.options & HAS_ANY, LA_HAS_SACK);
    assert_int_equal(s.sack_count, 2);
    assert_int_equal(s.sack[0], 0x55668000);
    assert_int_equal(s.sack[1], 0x55669000);
    assert_int_equal(s.sack[3], 0x5566b000);
}

static void four_sack_blocks_fill_the_header(void **state) {
    (void)state;
    struct la_segment s = WITH("\x05\x22\x55\x66\x80\0\x55\x66\x90\0\x55\x66\xa0\0\x55\x66\xb0\0"
                               "\x55\x66\xc0\0\x55\x66\xd0\0\x55\x66\xe0\0\x55\x66\xf0\0\x01\x01");
    assert_int_equal(s.sack_count, 4);
    assert_int_equal(s.sack[7], 0x5566f000);
}

static void a_first_block_below_the_acknowledgement_is_a_dsack(void **state) {
    (void)state;
    struct la_segment s = WITH("\x01\x01\x05\x0a\x55\x66\x70\0\x55\x66\x77\x88");
    assert_int_equal(s.options & HAS_ANY, LA_HAS_SACK | LA_HAS_DSACK);
}

static void a_first_block_within_the_second_is_a_dsack(void **state) {
    (void)state;
    struct la_segment s = WITH("\x01\x01\x05\x12\x55\x66\x90\0\x55\x66\xa0\0\x55\x66\x90\0\x55\x66"
                               "\xb0\0");
    assert_int_equal(s.options & HAS_ANY, LA_HAS_SACK | LA_HAS_DSACK);
    s = WITH("\x01\x01\x05\x12\x55\x66\x90\0\x55\x66\xb1\0\x55\x66\x90\0\x55\x66\xb0\0");
    assert_int_equal(s.options & HAS_ANY, LA_HAS_SACK);
}

static void fast_open_has_two_numbers(void **state) {
    (void)state;
    assert_int_equal(WITH("\x22\x02\x01\x01").options & HAS_ANY, LA_HAS_FAST_OPEN);
    assert_int_equal(WITH("\x22\x0a\1\2\3\4\5\6\7\10\x01\x01").options & HAS_ANY, LA_HAS_FAST_OPEN);
    assert_int_equal(WITH("\xfe\x04\xf9\x89").options & HAS_ANY, LA_HAS_FAST_OPEN);
    assert_int_equal(WITH("\xfe\x04\xe2\xd4").options & HAS_ANY, 0); /* another experiment */
}

static void multipath_is_noted(void **state) {
    (void)state;
    assert_int_equal(WITH("\x1e\x04\x00\x81").options & HAS_ANY, LA_HAS_MPTCP);
}

static void a_snaplen_within_the_options_keeps_the_complete_ones(void **state) {
    (void)state;
    struct test_packet p;
    build(&p, &(struct options){SYN_OPTIONS, sizeof SYN_OPTIONS - 1, LA_SYN});
    enum { OPTIONS_AT = 14 + 20 + 20 };
    for (uint32_t cut = 0; cut < sizeof SYN_OPTIONS - 1; cut++) {
        struct la_packet packet = {
            .caplen = OPTIONS_AT + cut, .len = (uint32_t)size_of(&p), .linktype = ETHERNET};
        struct la_decoder *decoder = la_decoder_new();
        struct outcome o = decode_bytes(decoder, &packet, at(&p, 0));
        la_decoder_free(decoder);
        assert_int_equal(o.result, LA_DECODED_TCP);
        assert_int_equal(o.segment.options & HAS_ANY, LA_OPTIONS_CUT | (cut >= 4 ? LA_HAS_MSS : 0) |
                                                          (cut >= 6 ? LA_HAS_SACK_PERMITTED : 0) |
                                                          (cut >= 16 ? LA_HAS_TIMESTAMPS : 0));
        assert_int_equal(o.segment.tsval, cut >= 16 ? TEST_TSVAL : 0);
    }
}

static void options_that_ended_before_the_snaplen_are_not_cut(void **state) {
    (void)state;
    struct test_packet p;
    build(&p, &(struct options){"\x02\x04\x05\xb4\0\0\0\0", 8, LA_SYN});
    struct la_packet packet = {
        .caplen = (uint32_t)size_of(&p) - 3, .len = (uint32_t)size_of(&p), .linktype = ETHERNET};
    struct la_decoder *decoder = la_decoder_new();
    struct outcome o = decode_bytes(decoder, &packet, at(&p, 0));
    la_decoder_free(decoder);
    assert_int_equal(o.segment.options & HAS_ANY, LA_HAS_MSS);
}

enum { TCP_AT = 14 + 20 };

static void a_header_below_20_bytes_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    build_plain(&p);
    at(&p, TCP_AT + 12)[0] = 0x40;
    assert_not(decode(&p), "malformed-tcp");
}

static void a_header_beyond_its_segment_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    build(&p, &(struct options){"", 0, LA_ACK});
    at(&p, TCP_AT + 12)[0] = 0x60;
    append(&p, 20); /* padding is no excuse */
    assert_not(decode(&p), "malformed-tcp");
}

static void a_datagram_too_short_for_a_header_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_zeros(&p, 19);
    put_ipv4(&p, 6);
    put_ethernet(&p, 0x0800);
    append(&p, 7);
    assert_not(decode(&p), "malformed-tcp");
}

static void every_flag_is_kept(void **state) {
    (void)state;
    for (unsigned flags = 0; flags < 256; flags++) {
        struct test_packet p;
        build(&p, &(struct options){"", 0, flags});
        assert_int_equal(decode(&p).segment.flags, flags);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_of_linux_is_read_whole),
        cmocka_unit_test(the_order_of_options_does_not_matter),
        cmocka_unit_test(no_options_are_no_options),
        cmocka_unit_test(timestamps_are_found_in_any_place),
        cmocka_unit_test(a_window_scale_above_14_is_14),
        cmocka_unit_test(options_of_a_wrong_length_are_absent),
        cmocka_unit_test(a_length_of_0_or_1_ends_the_options),
        cmocka_unit_test(a_length_beyond_the_header_ends_the_options),
        cmocka_unit_test(nothing_is_read_behind_the_end_of_options),
        cmocka_unit_test(unknown_options_are_passed_over),
        cmocka_unit_test(sack_blocks_are_kept_in_order),
        cmocka_unit_test(four_sack_blocks_fill_the_header),
        cmocka_unit_test(a_first_block_below_the_acknowledgement_is_a_dsack),
        cmocka_unit_test(a_first_block_within_the_second_is_a_dsack),
        cmocka_unit_test(fast_open_has_two_numbers),
        cmocka_unit_test(multipath_is_noted),
        cmocka_unit_test(a_snaplen_within_the_options_keeps_the_complete_ones),
        cmocka_unit_test(options_that_ended_before_the_snaplen_are_not_cut),
        cmocka_unit_test(a_header_below_20_bytes_is_malformed),
        cmocka_unit_test(a_header_beyond_its_segment_is_malformed),
        cmocka_unit_test(a_datagram_too_short_for_a_header_is_malformed),
        cmocka_unit_test(every_flag_is_kept),
    };
    return cmocka_run_group_tests_name("decode, TCP", tests, NULL, NULL);
}
