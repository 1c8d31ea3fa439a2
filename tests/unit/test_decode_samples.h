/* One packet of every shape that the decoder knows, each with the usual TCP segment inside. */
#ifndef TEST_DECODE_SAMPLES_H
#define TEST_DECODE_SAMPLES_H

#include "test_decode_packets.h"

static inline void sample_802_3_snap(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put16(p, 0x0800);
    put(p, "\xaa\xaa\x03\0\0\0", 6);
    put_ethernet(p, (uint16_t)size_of(p));
}

static inline void sample_802_3_ip(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put(p, "\x06\x06\x03", 3);
    put_ethernet(p, (uint16_t)size_of(p));
}

static inline void sample_jumbo_snap(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put16(p, 0x0800);
    put(p, "\xaa\xaa\x03\0\0\0", 6);
    put_ethernet(p, 0x8870);
}

static inline void sample_sll_outgoing(struct test_packet *p) {
    begin(p);
    p->linktype = SLL;
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put16(p, 0x0800);
    put_zeros(p, 8);
    put16(p, 6);
    put16(p, 1);
    put16(p, 4);
}

static inline void sample_sll2_to_us(struct test_packet *p) {
    begin(p);
    p->linktype = SLL2;
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put_zeros(p, 8);
    put16(p, 0x0006);
    put16(p, 1);
    put32(p, 3);
    put16(p, 0);
    put16(p, 0x86dd);
}

static inline void sample_raw(struct test_packet *p) {
    begin(p);
    p->linktype = RAW;
    put_usual_tcp(p);
    put_ipv6(p, 6);
}

static inline void sample_null_little(struct test_packet *p) {
    begin(p);
    p->linktype = 0;
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put(p, "\2\0\0\0", 4);
}

static inline void sample_loop_v6(struct test_packet *p) {
    begin(p);
    p->linktype = 108;
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put32(p, 24);
}

static inline void sample_enc(struct test_packet *p) {
    begin(p);
    p->linktype = 109;
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_zeros(p, 8);
    put32(p, 2);
}

static inline void sample_ppp(struct test_packet *p) {
    begin(p);
    p->linktype = 9;
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put32(p, 0xff030021);
}

static inline void sample_ppp_short_form(struct test_packet *p) {
    begin(p);
    p->linktype = 9;
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put8(p, 0x57);
}

static inline void sample_cisco_hdlc(struct test_packet *p) {
    begin(p);
    p->linktype = 104;
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put32(p, 0x0f000800);
}

static inline void sample_pppoe(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put16(p, 0x0021);
    put16(p, (unsigned)size_of(p));
    put16(p, 99);
    put16(p, 0x1100);
    put_ethernet(p, 0x8864);
}

static inline void sample_vlan(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put32(p, 0x60640800); /* priority 3, VLAN 100 */
    put_ethernet(p, 0x8100);
}

static inline void sample_qinq(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put32(p, 0x000386dd);
    put32(p, 0x00028100);
    put32(p, 0x00019100);
    put_ethernet(p, 0x88a8);
}

static inline void sample_vn_tag(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put16(p, 0x0800);
    put32(p, 0x12345678);
    put_ethernet(p, 0x8926);
}

static inline void sample_macsec_clear(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put16(p, 0x0800);
    put_zeros(p, 13);
    put8(p, 0x20);
    put_ethernet(p, 0x88e5);
}

static inline void sample_pbb(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_ethernet(p, 0x0800);
    put32(p, 0x00000064);
    put_ethernet(p, 0x88e7);
}

static inline void sample_mpls_v4(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put32(p, 0x00020140);
    put32(p, 0x00010040);
    put_ethernet(p, 0x8847);
}

static inline void sample_mpls_v6(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put32(p, 0x00020140);
    put_ethernet(p, 0x8848);
}

static inline void sample_mpls_pseudowire(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_ethernet(p, 0x0800);
    put32(p, 0); /* control word */
    put32(p, 0x00020140);
    put_ethernet(p, 0x8847);
}

static inline void sample_mpls_bare_pseudowire(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_ethernet(p, 0x0800);
    at(p, 0)[0] = 0xac; /* a nibble that is neither IP nor a control word */
    put32(p, 0x00020140);
    put_ethernet(p, 0x8847);
}

static inline void sample_ipv4_options(struct test_packet *p) {
    static const uint8_t router_alert[8] = {148, 4, 0, 0, 1, 1, 1, 0};
    begin(p);
    put_usual_tcp(p);
    put_ipv4_with(p, &(struct test_ipv4){.protocol = 6,
                                         .options = router_alert,
                                         .option_bytes = sizeof router_alert});
    put_ethernet(p, 0x0800);
}

static inline void sample_ipv6(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put_ethernet(p, 0x86dd);
}

static inline void sample_ipv6_extensions(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_extension(p, 6);   /* mobility */
    put_extension(p, 135); /* destination options */
    put_extension(p, 60);  /* routing, no segments left */
    at(p, 3)[0] = 0;
    put_extension(p, 43); /* hop by hop */
    put_ipv6(p, 0);
    put_ethernet(p, 0x86dd);
}

static inline void sample_ipv6_atomic(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put32(p, 0xabcd1234);
    put32(p, 0x06000000);
    put_ipv6(p, 44);
    put_ethernet(p, 0x86dd);
}

static inline void sample_ah(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_zeros(p, 22);
    put16(p, 0x0604); /* TCP; (4 + 2) * 4 bytes */
    put_ipv4(p, 51);
    put_ethernet(p, 0x0800);
}

static inline void sample_4in4(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_ipv4(p, 4);
    put_ethernet(p, 0x0800);
}

static inline void sample_6in4(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put_ipv4(p, 41);
    put_ethernet(p, 0x0800);
}

static inline void sample_4in6(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_ipv6(p, 4);
    put_ethernet(p, 0x86dd);
}

static inline void sample_6in6(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put_ipv6(p, 41);
    put_ethernet(p, 0x86dd);
}

static inline void sample_gre(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put32(p, 0x00000800);
    put_ipv4(p, 47);
    put_ethernet(p, 0x0800);
}

static inline void sample_gre_all_fields(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put_zeros(p, 12);
    put32(p, 0xb00086dd);
    put_ipv4(p, 47);
    put_ethernet(p, 0x0800);
}

static inline void sample_gre_bridged(struct test_packet *p) {
    sample_vlan(p);
    put32(p, 0x00006558);
    put_ipv4(p, 47);
    put_ethernet(p, 0x0800);
}

static inline void sample_gre_pptp(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put32(p, 0xff030021);
    unsigned length = (unsigned)size_of(p);
    put_zeros(p, 8); /* sequence, acknowledgement */
    put16(p, 5);
    put16(p, length);
    put32(p, 0x3081880b);
    put_ipv4(p, 47);
    put_ethernet(p, 0x0800);
}

static inline void sample_erspan1(struct test_packet *p) {
    build_plain(p);
    put32(p, 0x000088be);
    put_ipv4(p, 47);
    put_ethernet(p, 0x0800);
}

static inline void sample_erspan2(struct test_packet *p) {
    build_plain(p);
    put32(p, 0);
    put32(p, 0x10640001);
    put32(p, 1);
    put32(p, 0x100088be);
    put_ipv4(p, 47);
    put_ethernet(p, 0x0800);
}

static inline void sample_erspan3(struct test_packet *p) {
    build_plain(p);
    put_zeros(p, 8);
    put32(p, 0x00000001); /* platform header follows */
    put32(p, 0);
    put32(p, 0x20640001);
    put32(p, 1);
    put32(p, 0x100022eb);
    put_ipv4(p, 47);
    put_ethernet(p, 0x0800);
}

static inline void sample_etherip(struct test_packet *p) {
    build_plain(p);
    put16(p, 0x3000);
    put_ipv4(p, 97);
    put_ethernet(p, 0x0800);
}

static inline void put_vxlan(struct test_packet *p, uint16_t port, uint32_t first_word) {
    put32(p, 0x00006400);
    put32(p, first_word);
    put_udp(p, port);
    put_ipv4(p, 17);
    put_ethernet(p, 0x0800);
}

static inline void sample_vxlan(struct test_packet *p) {
    build_plain(p);
    put_vxlan(p, 4789, 0x08000000);
}

static inline void sample_vxlan_linux_port(struct test_packet *p) {
    build_plain(p);
    put_vxlan(p, 8472, 0x08000000);
}

static inline void sample_vxlan_gpe(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_vxlan(p, 4790, 0x0c000001);
}

static inline void sample_geneve(struct test_packet *p) {
    build_plain(p);
    put_zeros(p, 8); /* two words of options */
    put32(p, 0x00006400);
    put32(p, 0x02006558);
    put_udp(p, 6081);
    put_ipv4(p, 17);
    put_ethernet(p, 0x0800);
}

static inline void sample_gtp(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    unsigned length = (unsigned)size_of(p);
    put32(p, 1);
    put16(p, length);
    put16(p, 0x30ff);
    put_udp(p, 2152);
    put_ipv4(p, 17);
    put_ethernet(p, 0x0800);
}

static inline void sample_gtp_extensions(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put32(p, 0x01000000); /* one word, none after it */
    put32(p, 0x01000085); /* one word, PDU session container follows */
    put32(p, 0x01000085);
    put32(p, 0x00000085);
    unsigned length = (unsigned)size_of(p);
    put32(p, 1);
    put16(p, length);
    put16(p, 0x34ff);
    put_udp(p, 2152);
    put_ipv4(p, 17);
    put_ethernet(p, 0x0800);
}

static inline void sample_teredo(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put_zeros(p, 8);      /* origin indication */
    put_zeros(p, 9);      /* nonce, confirmation */
    put32(p, 0x00010000); /* authentication without identifiers */
    put_udp(p, 3544);
    put_ipv4(p, 17);
    put_ethernet(p, 0x0800);
}

static inline void sample_nsh(struct test_packet *p) {
    build_plain(p);
    put_zeros(p, 16);
    put32(p, 0x000001ff);
    put32(p, 0x0fc60103); /* 6 words, type 1, Ethernet */
    put_ethernet(p, 0x894f);
}

/* VLAN, MPLS, GRE, VXLAN and 6in4 on one road. */
static inline void sample_stack(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put_ipv4(p, 41);
    put_ethernet(p, 0x0800);
    put32(p, 0x00006400);
    put32(p, 0x08000000);
    put_udp(p, 4789);
    put_ipv6(p, 17);
    put32(p, 0x000086dd);
    put_ipv4(p, 47);
    put32(p, 0x00020140);
    put32(p, 0x00058847);
    put_ethernet(p, 0x8100);
}

/* ICMP errors about the usual segment. */
static inline void sample_icmp(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put32(p, 0);
    put32(p, 0x030d0000);
    put_ipv4(p, 1);
    put_ethernet(p, 0x0800);
}

/* Only the 8 bytes behind the quoted header that RFC 792 asks for, and options in that header. */
static inline void sample_icmp_least(struct test_packet *p) {
    static const uint8_t no_operation[4] = {1, 1, 1, 1};
    begin(p);
    put32(p, TEST_SEQ);
    put16(p, TEST_DPORT);
    put16(p, TEST_SPORT);
    put_ipv4_with(
        p, &(struct test_ipv4){.protocol = 6, .options = no_operation, .option_bytes = 4, .id = 9});
    put32(p, 0);
    put32(p, 0x0b000000);
    put_ipv4(p, 1);
    put_ethernet(p, 0x0800);
}

static inline void sample_icmpv6(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv6(p, 6);
    put32(p, 0);
    put32(p, 0x01040000);
    put_ipv6(p, 58);
    put_ethernet(p, 0x86dd);
}

struct sample {
    const char *name;
    void (*build)(struct test_packet *p);
    unsigned tunnels;
    bool guessed; /* by a port, a nibble or a quote: cut short, it may be OTHER */
    bool notice;  /* an ICMP error about the segment */
};

/* Whether the outcome is what the sample holds. */
static inline bool is_right(const struct sample *sample, const struct outcome *o) {
    if (!sample->notice)
        return o->result == LA_DECODED_TCP && is_usual(&o->segment);
    const struct la_segment *s = &o->segment;
    struct la_segment quoted = *s;
    quoted.ack = TEST_ACK;
    quoted.flags = LA_ACK | LA_PSH;
    quoted.payload = TEST_PAYLOAD;
    quoted.window = TEST_WINDOW;
    return o->result == LA_DECODED_NOTICE && is_usual(&quoted) && (s->options & LA_IS_NOTICE) &&
           s->flags == 0 && s->ack == 0 && s->payload == 0 && s->window == 0 &&
           la_addr_cmp(&s->notice.reporter, &s->src) == 0;
}

static const struct sample samples[] = {
    {"plain", build_plain, 0, false, false},
    {"802.3 SNAP", sample_802_3_snap, 0, false, false},
    {"802.3 IP", sample_802_3_ip, 0, false, false},
    {"jumbo SNAP", sample_jumbo_snap, 0, false, false},
    {"SLL outgoing", sample_sll_outgoing, 0, false, false},
    {"SLL2 to us", sample_sll2_to_us, 0, false, false},
    {"raw IP", sample_raw, 0, false, false},
    {"BSD null, little endian", sample_null_little, 0, false, false},
    {"BSD loop, IPv6", sample_loop_v6, 0, false, false},
    {"BSD enc", sample_enc, 0, false, false},
    {"PPP", sample_ppp, 0, false, false},
    {"PPP, short form", sample_ppp_short_form, 0, false, false},
    {"Cisco HDLC", sample_cisco_hdlc, 0, false, false},
    {"PPPoE", sample_pppoe, LA_TUNNEL_PPPOE, false, false},
    {"VLAN", sample_vlan, LA_TUNNEL_VLAN, false, false},
    {"three VLAN tags", sample_qinq, LA_TUNNEL_VLAN, false, false},
    {"VN-Tag", sample_vn_tag, 0, false, false},
    {"MACsec in clear", sample_macsec_clear, 0, false, false},
    {"802.1ah", sample_pbb, 0, false, false},
    {"MPLS IPv4", sample_mpls_v4, LA_TUNNEL_MPLS, true, false},
    {"MPLS IPv6", sample_mpls_v6, LA_TUNNEL_MPLS, true, false},
    {"MPLS pseudowire", sample_mpls_pseudowire, LA_TUNNEL_MPLS, true, false},
    {"MPLS pseudowire, bare", sample_mpls_bare_pseudowire, LA_TUNNEL_MPLS, true, false},
    {"IPv4 options", sample_ipv4_options, 0, false, false},
    {"IPv6", sample_ipv6, 0, false, false},
    {"IPv6 extensions", sample_ipv6_extensions, 0, false, false},
    {"IPv6 atomic fragment", sample_ipv6_atomic, 0, false, false},
    {"AH", sample_ah, LA_TUNNEL_AH, false, false},
    {"4in4", sample_4in4, LA_TUNNEL_IPIP, false, false},
    {"6in4", sample_6in4, LA_TUNNEL_IPIP, false, false},
    {"4in6", sample_4in6, LA_TUNNEL_IPIP, false, false},
    {"6in6", sample_6in6, LA_TUNNEL_IPIP, false, false},
    {"GRE", sample_gre, LA_TUNNEL_GRE, false, false},
    {"GRE, all fields", sample_gre_all_fields, LA_TUNNEL_GRE, false, false},
    {"GRE, bridged VLAN", sample_gre_bridged, LA_TUNNEL_GRE | LA_TUNNEL_VLAN, false, false},
    {"GRE, PPTP", sample_gre_pptp, LA_TUNNEL_GRE, false, false},
    {"ERSPAN I", sample_erspan1, LA_TUNNEL_GRE | LA_TUNNEL_ERSPAN, false, false},
    {"ERSPAN II", sample_erspan2, LA_TUNNEL_GRE | LA_TUNNEL_ERSPAN, false, false},
    {"ERSPAN III", sample_erspan3, LA_TUNNEL_GRE | LA_TUNNEL_ERSPAN, false, false},
    {"EtherIP", sample_etherip, 0, false, false},
    {"VXLAN", sample_vxlan, LA_TUNNEL_VXLAN, true, false},
    {"VXLAN on Linux' port", sample_vxlan_linux_port, LA_TUNNEL_VXLAN, true, false},
    {"VXLAN-GPE", sample_vxlan_gpe, LA_TUNNEL_VXLAN, true, false},
    {"Geneve", sample_geneve, LA_TUNNEL_GENEVE, true, false},
    {"GTP-U", sample_gtp, LA_TUNNEL_GTP, true, false},
    {"GTP-U with extensions", sample_gtp_extensions, LA_TUNNEL_GTP, true, false},
    {"Teredo", sample_teredo, LA_TUNNEL_TEREDO, true, false},
    {"NSH", sample_nsh, LA_TUNNEL_NSH, false, false},
    {"five tunnels", sample_stack,
     LA_TUNNEL_VLAN | LA_TUNNEL_MPLS | LA_TUNNEL_GRE | LA_TUNNEL_VXLAN | LA_TUNNEL_IPIP, true,
     false},
    {"ICMP error", sample_icmp, 0, true, true},
    {"ICMP error, the least quoted", sample_icmp_least, 0, true, true},
    {"ICMPv6 error", sample_icmpv6, 0, true, true},
};

enum { SAMPLES = sizeof samples / sizeof samples[0] };

#endif
