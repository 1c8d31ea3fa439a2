/* Tunnels: what is one, what only looks like one. That each leads to its segment is tested in
 * test_decode_hostile.c. */
#include "test_decode_samples.h"

enum { UDP_PAYLOAD_AT = 14 + 20 + 8, GRE_AT = 14 + 20 };

static const uint16_t tunnel_ports[] = {2152, 3544, 4789, 4790, 6081, 8472};
enum { TUNNEL_PORTS = sizeof tunnel_ports / sizeof tunnel_ports[0] };

/* A UDP datagram of `n` equal bytes to a port that tunnels use. */
static struct outcome decode_udp(uint16_t port, uint8_t byte, size_t n) {
    struct test_packet p;
    begin(&p);
    for (size_t i = 0; i < n; i++)
        put8(&p, byte);
    put_udp(&p, port);
    put_ipv4(&p, 17);
    put_ethernet(&p, 0x0800);
    append(&p, 18);
    return decode(&p);
}

static void udp_that_is_no_tunnel_is_other_and_never_malformed(void **state) {
    (void)state;
    for (size_t port = 0; port < TUNNEL_PORTS; port++)
        for (unsigned byte = 0; byte < 256; byte++)
            for (size_t n = 0; n < 70; n += 7) {
                struct outcome o = decode_udp(tunnel_ports[port], (uint8_t)byte, n);
                assert_int_equal(o.result, LA_DECODED_OTHER);
            }
}

static void a_tunnel_is_told_by_its_source_port_as_well(void **state) {
    (void)state;
    struct test_packet p;
    sample_gtp(&p);
    memmove(at(&p, 34), "\x08\x68\xc3\x50", 4); /* 2152, 50000 */
    assert_usual(decode(&p));
}

static void a_broken_segment_in_a_proven_tunnel_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    sample_vxlan(&p);
    at(&p, UDP_PAYLOAD_AT + 8 + 14 + 20 + 12)[0] = 0x10;
    assert_not(decode(&p), "malformed-tcp");
}

static void vxlan_without_its_flag_is_other(void **state) {
    (void)state;
    struct test_packet p;
    sample_vxlan(&p);
    at(&p, UDP_PAYLOAD_AT)[0] = 0;
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void vxlan_with_a_group_policy_is_vxlan(void **state) {
    (void)state;
    struct test_packet p;
    sample_vxlan(&p);
    at(&p, UDP_PAYLOAD_AT)[0] = 0x88;
    at(&p, UDP_PAYLOAD_AT)[3] = 42;
    assert_usual(decode(&p));
}

static void gtp_signalling_is_other(void **state) {
    (void)state;
    struct test_packet p;
    sample_gtp(&p);
    at(&p, UDP_PAYLOAD_AT)[1] = 1; /* echo request */
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void a_mirror_that_truncates_keeps_the_true_payload_length(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_tcp(&p, &(struct test_tcp){.flags = LA_ACK, .payload = 1400});
    put_ipv4(&p, 6);
    put_ethernet(&p, 0x0800);
    memmove(at(&p, 1400), at(&p, 0), size_of(&p) - 1400); /* cut before the tunnel */
    p.start += 1400;
    put_vxlan(&p, 4789, 0x08000000);
    struct outcome o = decode(&p);
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 1400);
}

static void the_first_fragment_of_a_tunnel_packet_gives_the_segment(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_tcp(&p, &(struct test_tcp){.flags = LA_ACK, .payload = 1400});
    put_ipv4(&p, 6);
    put_ethernet(&p, 0x0800);
    put_vxlan(&p, 4789, 0x08000000);
    at(&p, 14 + 6)[0] = 0x20;     /* more fragments */
    at(&p, 14 + 2)[0] = 800 >> 8; /* this one has 800 bytes */
    at(&p, 14 + 3)[0] = 800 & 0xff;
    struct la_decoder *decoder = la_decoder_new();
    struct la_packet packet = {.caplen = 814, .len = 814, .linktype = ETHERNET};
    struct outcome o = decode_bytes(decoder, &packet, at(&p, 0));
    assert_int_equal(o.result, LA_DECODED_TCP);
    assert_int_equal(o.segment.payload, 1400);
    at(&p, 14 + 6)[0] = 0x00;
    at(&p, 14 + 7)[0] = 780 / 8; /* the second one holds nothing of interest */
    o = decode_bytes(decoder, &packet, at(&p, 0));
    assert_int_equal(o.result, LA_DECODED_OTHER);
    la_decoder_free(decoder);
}

static void erspan_of_bare_ip_is_ip(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put_usual_tcp(&p);
    put_ipv4(&p, 6);
    put32(&p, 2u << 10); /* frame type IP, no platform header */
    put_zeros(&p, 8);
    put32(&p, 1);
    put32(&p, 0x100022eb);
    put_ipv4(&p, 47);
    put_ethernet(&p, 0x0800);
    assert_usual(decode(&p));
}

/* Teredo with `size` bytes of indications in front of its IPv6 packet. */
static struct outcome decode_teredo(const char *indications, size_t size) {
    struct test_packet p;
    begin(&p);
    put_usual_tcp(&p);
    put_ipv6(&p, 6);
    put(&p, indications, size);
    put_udp(&p, 3544);
    put_ipv4(&p, 17);
    put_ethernet(&p, 0x0800);
    return decode(&p);
}

static void teredo_has_any_of_its_indications_or_none(void **state) {
    (void)state;
    assert_usual(decode_teredo("", 0));
    assert_usual(decode_teredo("\0\0\1\2\3\4\5\6", 8));
    assert_usual(decode_teredo("\0\1\2\3iivvv123456789", 18));
    assert_int_equal(decode_teredo("\0\2\0\0\0\0\0\0", 8).result, LA_DECODED_OTHER);
    assert_int_equal(decode_teredo("\1\0\0\0\0\0\0\0", 8).result, LA_DECODED_OTHER);
}

static void gre_that_nobody_speaks_is_other(void **state) {
    (void)state;
    struct test_packet p;
    sample_gre(&p);
    at(&p, GRE_AT)[0] = 0x40; /* source routing */
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    sample_gre(&p);
    at(&p, GRE_AT)[1] = 2; /* version */
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
    sample_gre(&p);
    at(&p, GRE_AT)[2] = at(&p, GRE_AT)[3] = 0; /* keepalive */
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void an_acknowledgement_of_pptp_is_other(void **state) {
    (void)state;
    struct test_packet p;
    begin(&p);
    put32(&p, 9);
    put32(&p, 5);
    put32(&p, 0x2081880b);
    put_ipv4(&p, 47);
    put_ethernet(&p, 0x0800);
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void mppe_under_pptp_is_encrypted(void **state) {
    (void)state;
    struct test_packet p;
    sample_gre_pptp(&p);
    at(&p, GRE_AT + 16 + 3)[0] = 0xfd;
    assert_not(decode(&p), "encrypted");
}

static void a_gtp_length_within_its_headers_is_other(void **state) {
    (void)state;
    struct test_packet p;
    sample_gtp_extensions(&p);
    at(&p, UDP_PAYLOAD_AT)[2] = 0;
    at(&p, UDP_PAYLOAD_AT)[3] = 3;
    assert_int_equal(decode(&p).result, LA_DECODED_OTHER);
}

static void an_nsh_length_below_its_header_is_malformed(void **state) {
    (void)state;
    struct test_packet p;
    sample_nsh(&p);
    at(&p, 15)[0] = 0xc1;
    assert_not(decode(&p), "malformed-network");
}

static void esp_in_udp_is_encrypted_and_its_key_exchange_is_not(void **state) {
    (void)state;
    assert_not(decode_udp(4500, 0x77, 40), "encrypted");
    assert_int_equal(decode_udp(4500, 0, 40).result, LA_DECODED_OTHER);
    assert_int_equal(decode_udp(4500, 0xff, 1).result, LA_DECODED_OTHER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(udp_that_is_no_tunnel_is_other_and_never_malformed),
        cmocka_unit_test(a_tunnel_is_told_by_its_source_port_as_well),
        cmocka_unit_test(a_broken_segment_in_a_proven_tunnel_is_malformed),
        cmocka_unit_test(vxlan_without_its_flag_is_other),
        cmocka_unit_test(vxlan_with_a_group_policy_is_vxlan),
        cmocka_unit_test(gtp_signalling_is_other),
        cmocka_unit_test(a_mirror_that_truncates_keeps_the_true_payload_length),
        cmocka_unit_test(the_first_fragment_of_a_tunnel_packet_gives_the_segment),
        cmocka_unit_test(erspan_of_bare_ip_is_ip),
        cmocka_unit_test(teredo_has_any_of_its_indications_or_none),
        cmocka_unit_test(gre_that_nobody_speaks_is_other),
        cmocka_unit_test(an_acknowledgement_of_pptp_is_other),
        cmocka_unit_test(mppe_under_pptp_is_encrypted),
        cmocka_unit_test(a_gtp_length_within_its_headers_is_other),
        cmocka_unit_test(an_nsh_length_below_its_header_is_malformed),
        cmocka_unit_test(esp_in_udp_is_encrypted_and_its_key_exchange_is_not),
    };
    return cmocka_run_group_tests_name("decode, tunnel", tests, NULL, NULL);
}
