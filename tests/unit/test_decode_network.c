/* IPv4, IPv6 and its extension headers. */
#include "test_decode_samples.h"

enum { IP_AT = 14 };

static struct outcome build_and_decode(void (*build)(struct test_packet *p)) {
    struct test_packet p;
    build(&p);
    return decode(&p);
}

static void ipv4_gives_its_identification_ttl_and_df(void **state) {
    (void)state;
    struct outcome o = build_and_decode(build_plain);
    assert_int_equal(o.segment.ip_id, 7);
    assert_int_equal(o.segment.ttl, TEST_TTL);
    assert_true(o.segment.options & LA_IP_DONT_FRAGMENT);
    o = build_and_decode(sample_ipv4_options);
    assert_false(o.segment.options & LA_IP_DONT_FRAGMENT);
}

static void the_innermost_ip_header_wins(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_usual_tcp(&p);
    put_ipv4_with(&p, &(struct test_ipv4){.protocol = 6, .id = 1});
    put_ipv4_with(&p, &(struct test_ipv4){.protocol = 4, .id = 2, .fragment = 0x4000});
    at(&p, 8)[0] = 255; /* outer TTL */
    at(&p, 12)[0] = 10; /* outer source */
    put_ethernet(&p, 0x0800);
    struct outcome o = decode(&p);
    assert_usual(o);
    assert_int_equal(o.segment.ip_id, 1);
    assert_false(o.segment.options & LA_IP_DONT_FRAGMENT);
}

static void an_icmp_error_names_its_type_and_is_counted_as_other(void **state) {
    (void)state;
    struct outcome o = build_and_decode(sample_icmp);
    assert_int_equal(o.result, LA_DECODED_NOTICE);
    assert_int_equal(o.segment.notice.type, 3);
    assert_int_equal(o.segment.notice.code, 13);
    assert_int_equal(build_and_decode(sample_icmpv6).segment.notice.type, 1);
    assert_int_equal(build_and_decode(sample_icmpv6).segment.notice.code, 4);
    struct la_decoder *decoder = la_decoder_new();
    struct test_packet p;
    sample_icmp(&p);
    (void)decode_with(decoder, &p);
    assert_int_equal(la_decoder_counts(decoder)->other, 1);
    assert_int_equal(la_decoder_counts(decoder)->tcp, 0);
    la_decoder_free(decoder);
}

static void icmp_about_something_else_is_other(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
    } changed[] = {
        {0, 8},      /* an echo request */
        {0, 5},      /* a redirect: no error */
        {8, 0x65},   /* quotes no IPv4 header */
        {8, 0x44},   /* ... or one that is too short */
        {8 + 7, 1},  /* a later fragment: there are no ports behind it */
        {8 + 9, 17}, /* UDP */
    };
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        struct test_packet p;
        sample_icmp(&p);
        at(&p, IP_AT + 20 + changed[i].offset)[0] = changed[i].value;
        assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    }
    struct test_packet p;
    sample_icmpv6(&p);
    at(&p, IP_AT + 40)[0] = 128;
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    sample_icmpv6(&p);
    at(&p, IP_AT + 40 + 8 + 6)[0] = 17;
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void contradictions_of_ipv4_are_malformed(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
    } broken[] = {
        {0, 0x55}, /* version */
        {0, 0x44}, /* header of 16 bytes */
        {3, 19},   /* total length below the header */
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct test_packet p;
        build_plain(&p);
        at(&p, IP_AT + broken[i].offset)[0] = broken[i].value;
        assert_not(decode(&p), "malformed-network");
    }
    struct test_packet p;
    sample_ipv4_options(&p);
    at(&p, IP_AT + 3)[0] = 27; /* one byte less than header and options */
    assert_not(decode(&p), "malformed-network");
}

static void a_total_length_of_0_is_a_super_segment_of_the_captured_size(void **state) {
    (void)state;
    struct test_packet p;
    build_plain(&p);
    at(&p, IP_AT + 2)[0] = at(&p, IP_AT + 3)[0] = 0;
    p.wire_extra = 100000;
    struct outcome o = decode(&p);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, TEST_PAYLOAD + 100000);
}

static void a_payload_length_of_0_is_a_super_segment_of_the_captured_size(void **state) {
    (void)state;
    struct test_packet p;
    sample_ipv6(&p);
    at(&p, IP_AT + 4)[0] = at(&p, IP_AT + 5)[0] = 0;
    p.wire_extra = 100000;
    struct outcome o = decode(&p);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, TEST_PAYLOAD + 100000);
}

/* An IPv6 packet of `jumbo` bytes behind its header, of which the first ones were captured. */
static struct outcome decode_jumbo(uint32_t jumbo) {
    struct test_packet p;
    begin(&p);
    put_usual_tcp(&p);
    put32(&p, jumbo);
    put16(&p, 0xc204);
    put32(&p, 0x00000500); /* the rest of PadN, and an unknown option */
    put32(&p, 0x01040000);
    put16(&p, 0x0601);
    put_ipv6(&p, 0);
    at(&p, 4)[0] = at(&p, 5)[0] = 0;
    put_ethernet(&p, 0x86dd);
    p.wire_extra = 200000;
    return decode(&p);
}

static void a_jumbo_option_gives_the_length_of_big_tcp(void **state) {
    (void)state;
    struct outcome o = decode_jumbo(150000);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 150000 - 16 - 32);
    assert_not(decode_jumbo(15), "malformed-network");
}

static void a_snaplen_keeps_the_payload_length_of_the_ip_header(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_tcp(&p, &(struct test_tcp){.flags = LA_ACK, .payload = 1448});
    put_ipv4(&p, 6);
    put_ethernet(&p, 0x0800);
    struct la_packet packet = {
        .caplen = 14 + 20 + 20, .len = (uint32_t)size_of(&p), .linktype = ETHERNET};
    struct la_decoder *decoder = la_decoder_new();
    struct outcome o = decode_bytes(decoder, &packet, at(&p, 0));
    la_decoder_free(decoder);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 1448);
    assert_false(o.segment.options & LA_OPTIONS_CUT);
}

/* A route with two addresses; the packet is on its way to another one. */
static struct outcome decode_routed(unsigned type, unsigned segments_left) {
    struct test_packet p;
    uint8_t waypoint[16] = {0xfd, [15] = 9};
    begin(&p);
    put_usual_tcp(&p);
    put(&p, type == 4 ? waypoint : test_dst6, 16);
    put(&p, type == 4 ? test_dst6 : waypoint, 16);
    put32(&p, 0);
    put16(&p, type << 8 | segments_left);
    put16(&p, 0x0604);
    put_ipv6(&p, 43);
    if (segments_left > 0)
        memcpy(at(&p, 24), waypoint, 16);
    put_ethernet(&p, 0x86dd);
    return decode(&p);
}

static void under_way_the_peer_is_the_last_address_of_the_route(void **state) {
    (void)state;
    static const unsigned types[] = {0, 2, 4};
    for (size_t i = 0; i < 3; i++) {
        assert_usual(decode_routed(types[i], 1));
        assert_usual(decode_routed(types[i], 0));
    }
}

static void an_unknown_route_leaves_the_address_as_it_is(void **state) {
    (void)state;
    struct outcome o = decode_routed(3, 1);
    assert_int_equal(o.result, LA_DECODED_TCP);
    const uint8_t waypoint[16] = {0xfd, [15] = 9};
    assert_memory_equal(o.segment.dst.bytes, waypoint, sizeof waypoint);
}

static void an_atomic_fragment_keeps_its_identification(void **state) {
    (void)state;
    struct outcome o = build_and_decode(sample_ipv6_atomic);
    assert_int_equal(o.segment.ip_id, 0x1234);
    assert_false(o.segment.options & LA_IP_REASSEMBLED);
    o = build_and_decode(sample_ipv6);
    assert_int_equal(o.segment.ip_id, 0);
}

static void an_extension_beyond_the_payload_length_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_extension(&p, 6);
    at(&p, 1)[0] = 1; /* 16 bytes, of 8 */
    put_ipv6(&p, 60);
    put_ethernet(&p, 0x86dd);
    append(&p, 40);
    assert_not(decode(&p), "malformed-network");
}

static void what_hides_is_encrypted(void **state) {
    (void)state;
    static const uint8_t protocols[] = {50, 108};
    for (size_t i = 0; i < 2; i++) {
        struct test_packet p;
        begin(&p);
        put_zeros(&p, 40);
        put_ipv4(&p, protocols[i]);
        put_ethernet(&p, 0x0800);
        assert_not(decode(&p), "encrypted");
    }
    struct test_packet p;
    begin(&p);
    put_zeros(&p, 40);
    put_extension(&p, 50);
    put_ipv6(&p, 0);
    put_ethernet(&p, 0x86dd);
    assert_not(decode(&p), "encrypted");
}

static void a_tcp_header_quoted_by_icmp_is_no_segment(void **state) {
    (void)state;
    struct outcome o = build_and_decode(sample_icmp);
    assert_int_equal(o.result, LA_DECODED_NOTICE);
    assert_false(is_usual(&o.segment));
}

static void other_protocols_are_other(void **state) {
    (void)state;
    static const uint8_t protocols[] = {1, 2, 17, 58, 59, 89, 132, 136, 255};
    for (size_t i = 0; i < sizeof protocols; i++) {
        struct test_packet p;
        begin(&p);
        put_zeros(&p, 40);
        put_ipv6(&p, protocols[i]);
        put_ethernet(&p, 0x86dd);
        assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_gives_its_identification_ttl_and_df),
        cmocka_unit_test(the_innermost_ip_header_wins),
        cmocka_unit_test(an_icmp_error_names_its_type_and_is_counted_as_other),
        cmocka_unit_test(icmp_about_something_else_is_other),
        cmocka_unit_test(contradictions_of_ipv4_are_malformed),
        cmocka_unit_test(a_total_length_of_0_is_a_super_segment_of_the_captured_size),
        cmocka_unit_test(a_payload_length_of_0_is_a_super_segment_of_the_captured_size),
        cmocka_unit_test(a_jumbo_option_gives_the_length_of_big_tcp),
        cmocka_unit_test(a_snaplen_keeps_the_payload_length_of_the_ip_header),
        cmocka_unit_test(under_way_the_peer_is_the_last_address_of_the_route),
        cmocka_unit_test(an_unknown_route_leaves_the_address_as_it_is),
        cmocka_unit_test(an_atomic_fragment_keeps_its_identification),
        cmocka_unit_test(an_extension_beyond_the_payload_length_is_malformed),
        cmocka_unit_test(what_hides_is_encrypted),
        cmocka_unit_test(a_tcp_header_quoted_by_icmp_is_no_segment),
        cmocka_unit_test(other_protocols_are_other),
    };
    return cmocka_run_group_tests_name("decode, network", tests, NULL, NULL);
}
