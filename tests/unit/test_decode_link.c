/* Link layers, tags and shims. That each kind leads to its segment is tested in
 * test_decode_hostile.c; here is what else they say. */
#include "test_decode_samples.h"

static struct outcome build_and_decode(void (*build)(struct test_packet *p)) {
    struct test_packet p;
    build(&p);
    return decode(&p);
}

static void an_unknown_link_type_is_counted_as_such(void **state) {
    (void)state;
    struct test_packet p;
    build_plain(&p);
    p.linktype = 147;
    assert_not(decode(&p), "link-type");
}

static void ethernet_padding_is_no_payload(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_tcp(&p, &(struct test_tcp){.flags = LA_FIN | LA_ACK});
    put_ipv4(&p, 6);
    put_ethernet(&p, 0x0800);
    append(&p, 6);
    struct outcome o = decode(&p);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 0);
    assert_int_equal(o.segment.wire_bytes, 60);
}

static void padding_counted_by_ip_is_no_payload_where_the_link_knows_better(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_zeros(&p, 6);
    put_tcp(&p, &(struct test_tcp){.flags = LA_ACK});
    put_ipv4(&p, 6);
    put16(&p, 0x0021);
    put16(&p, (unsigned)size_of(&p) - 6); /* PPPoE knows that six bytes are padding */
    put16(&p, 1);
    put16(&p, 0x1100);
    put_ethernet(&p, 0x8864);
    struct outcome o = decode(&p);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 0);
}

static void sll_tells_the_direction(void **state) {
    (void)state;
    struct outcome o = build_and_decode(sample_sll_outgoing);
    assert_true(o.segment.options & LA_SENT_BY_CAPTURER);
    assert_false(o.segment.options & LA_FOR_CAPTURER);
    o = build_and_decode(sample_sll2_to_us);
    assert_true(o.segment.options & LA_FOR_CAPTURER);
    assert_false(o.segment.options & LA_SENT_BY_CAPTURER);
}

static void a_packet_for_another_host_has_no_direction(void **state) {
    (void)state;
    struct test_packet p;
    sample_sll_outgoing(&p);
    at(&p, 0)[1] = 3;
    struct outcome o = decode(&p);
    assert_usual(o);
    assert_false(o.segment.options & (LA_FOR_CAPTURER | LA_SENT_BY_CAPTURER));
}

static void sll_of_netlink_is_other(void **state) {
    (void)state;
    struct test_packet p;
    sample_sll_outgoing(&p);
    at(&p, 2)[0] = 824 >> 8;
    at(&p, 2)[1] = 824 & 0xff;
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void bsd_null_takes_either_byte_order_and_every_number_of_ipv6(void **state) {
    (void)state;
    static const uint8_t numbers[] = {10, 23, 24, 28, 30};
    for (size_t i = 0; i < sizeof numbers; i++) {
        for (size_t end = 0; end < 2; end++) {
            struct test_packet p;
            sample_loop_v6(&p);
            memset(at(&p, 0), 0, 4);
            at(&p, end ? 3 : 0)[0] = numbers[i];
            p.linktype = end ? 108 : 0;
            assert_usual(decode(&p));
        }
    }
}

static void vlans_are_kept_outermost_first(void **state) {
    (void)state;
    struct outcome o = build_and_decode(sample_qinq);
    assert_int_equal(o.segment.vlans[0], 1);
    assert_int_equal(o.segment.vlans[1], 2);
    o = build_and_decode(sample_vlan);
    assert_int_equal(o.segment.vlans[0], 100);
    assert_int_equal(o.segment.vlans[1], 0);
}

static void a_priority_tag_is_no_vlan(void **state) {
    (void)state;
    struct test_packet p;
    sample_vlan(&p);
    at(&p, 14)[0] = 0xe0;
    at(&p, 15)[0] = 0;
    struct outcome o = decode(&p);
    assert_usual(o);
    assert_int_equal(o.segment.vlans[0], 0);
    assert_int_equal(o.segment.tunnels, LA_TUNNEL_VLAN);
}

static void encrypted_links_are_encrypted(void **state) {
    (void)state;
    struct test_packet p;
    sample_macsec_clear(&p);
    at(&p, 14)[0] |= 0x0c;
    assert_not(decode(&p), "encrypted");
    sample_ppp(&p);
    at(&p, 3)[0] = 0x53;
    assert_not(decode(&p), "encrypted");
}

static void what_is_not_ip_is_other(void **state) {
    (void)state;
    struct test_packet p;
    static const uint16_t types[] = {0x0806, 0x88cc, 0x8863, 0x05ff};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        begin(&p);
        put_zeros(&p, 46);
        put_ethernet(&p, types[i]);
        assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    }
    begin(&p);
    put(&p, "\x42\x42\x03", 3); /* spanning tree */
    put_ethernet(&p, 3);
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    for (size_t i = 0; i < 3; i++) { /* not quite SNAP */
        sample_802_3_snap(&p);
        at(&p, 14 + i)[0] ^= 0x40;
        assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    }
}

static void a_length_that_ends_within_llc_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_zeros(&p, 46);
    put_ethernet(&p, 2);
    assert_not(decode(&p), "malformed-link");
}

static void a_length_may_be_1500_and_no_more(void **state) {
    (void)state;
    for (size_t length = 1500; length <= 1501; length++) {
        struct test_packet p;
        begin(&p);
        put_tcp(&p, &(struct test_tcp){.flags = LA_ACK, .payload = length - 3 - 40});
        put_ipv4(&p, 6);
        put(&p, "\x06\x06\x03", 3);
        put_ethernet(&p, (uint16_t)length);
        assert_int_equal(decode(&p).result, length == 1500 ? LA_DECODED_TCP : LA_DECODED_OTHER);
    }
}

static void raw_ip_of_version_5_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    sample_raw(&p);
    at(&p, 0)[0] = 0x50;
    assert_not(decode(&p), "malformed-network");
}

static void an_associated_channel_under_labels_is_other(void **state) {
    (void)state;
    struct test_packet p;
    sample_mpls_pseudowire(&p);
    at(&p, 18)[0] = 0x10;
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void a_guess_under_labels_that_fails_is_other(void **state) {
    (void)state;
    struct test_packet p;
    sample_mpls_v4(&p);
    at(&p, 22)[0] = 0x41; /* IPv4 with a header of 4 bytes: no IPv4, then */
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void names_are_told_for_every_reason_and_tunnel(void **state) {
    (void)state;
    for (int why = 0; why < LA_UNDECODED_COUNT; why++)
        assert_non_null(la_undecoded_name((enum la_undecoded)why));
    for (unsigned bit = LA_TUNNEL_VLAN; bit <= LA_TUNNEL_NSH; bit <<= 1)
        assert_string_not_equal(la_tunnel_name(bit), "unknown");
    assert_string_equal(la_tunnel_name(LA_TUNNEL_NSH << 1), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_link_type_is_counted_as_such),
        cmocka_unit_test(ethernet_padding_is_no_payload),
        cmocka_unit_test(padding_counted_by_ip_is_no_payload_where_the_link_knows_better),
        cmocka_unit_test(sll_tells_the_direction),
        cmocka_unit_test(a_packet_for_another_host_has_no_direction),
        cmocka_unit_test(sll_of_netlink_is_other),
        cmocka_unit_test(bsd_null_takes_either_byte_order_and_every_number_of_ipv6),
        cmocka_unit_test(vlans_are_kept_outermost_first),
        cmocka_unit_test(a_priority_tag_is_no_vlan),
        cmocka_unit_test(encrypted_links_are_encrypted),
        cmocka_unit_test(what_is_not_ip_is_other),
        cmocka_unit_test(a_length_that_ends_within_llc_is_malformed),
        cmocka_unit_test(a_length_may_be_1500_and_no_more),
        cmocka_unit_test(raw_ip_of_version_5_is_malformed),
        cmocka_unit_test(an_associated_channel_under_labels_is_other),
        cmocka_unit_test(a_guess_under_labels_that_fails_is_other),
        cmocka_unit_test(names_are_told_for_every_reason_and_tunnel),
    };
    return cmocka_run_group_tests_name("decode, link", tests, NULL, NULL);
}
