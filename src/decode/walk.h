/* The walk from the outermost header of one packet to its TCP header.
 *
 * Each layer is one function: it reads its header through the cursor, fills what it knows of the
 * segment, and returns the kind of the layer that follows. decode.c holds the table from kind to
 * function and the loop. Private to this room. */
#ifndef LA_DECODE_WALK_H
#define LA_DECODE_WALK_H

#include "decode/cursor.h"
#include "decode/decode.h"

enum layer {
    /* Where a walk ends. */
    LAYER_DONE,   /* a segment */
    LAYER_NOTICE, /* an ICMP error that quotes one */
    LAYER_OTHER,  /* understood, and no TCP */
    LAYER_HELD,   /* a fragment, kept */
    LAYER_FAILED, /* walk.why says why */
    /* What the bytes at the cursor are. */
    LAYER_ETHERNET,
    LAYER_LLC,
    LAYER_SLL,
    LAYER_SLL2,
    LAYER_NULL,
    LAYER_ENC,
    LAYER_RAW_IP,
    LAYER_CISCO_HDLC,
    LAYER_PPP,
    LAYER_PPPOE,
    LAYER_VLAN,
    LAYER_SHIM,
    LAYER_MACSEC,
    LAYER_PBB,
    LAYER_MPLS,
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_HOP_BY_HOP,
    LAYER_DESTINATION_OPTIONS,
    LAYER_ROUTING,
    LAYER_MOBILITY,
    LAYER_FRAGMENT,
    LAYER_AH,
    LAYER_ESP,
    LAYER_ICMP,
    LAYER_ICMPV6,
    LAYER_UDP,
    LAYER_GRE,
    LAYER_ERSPAN2,
    LAYER_ERSPAN3,
    LAYER_ETHERIP,
    LAYER_VXLAN,
    LAYER_VXLAN_GPE,
    LAYER_GENEVE,
    LAYER_GTP,
    LAYER_TEREDO,
    LAYER_NSH,
    LAYER_ESP_IN_UDP,
    LAYER_TCP,
    LAYER_COUNT,
};

struct fragments;

struct walk {
    struct cursor at;
    struct la_segment *segment;
    struct fragments *fragments; /* borrowed from the decoder */
    uint32_t interface;          /* that captured the packet */
    uint32_t absorbed;     /* earlier packets: fragments of the datagram that this one completes */
    enum la_undecoded why; /* with LAYER_FAILED */
    uint8_t vlan_count;    /* of segment->vlans */
    bool guessed; /* only a port or a nibble says what this is: a failure means "not that" */
    bool cut;     /* not all of the packet was captured */
};

enum { LINKTYPE_ETHERNET = 1, LINKTYPE_SLL = 113, LINKTYPE_SLL2 = 276 };
enum { ETHERTYPE_IPV4 = 0x0800, PROTOCOL_TCP = 6 };

typedef enum layer (*layer_decoder)(struct walk *walk);

/* Which of the three truncated or malformed reasons: offsets from LA_UNDECODED_TRUNCATED_LINK and
 * LA_UNDECODED_MALFORMED_LINK. */
enum walk_part { PART_LINK, PART_NETWORK, PART_TCP };

static inline enum layer walk_fail(struct walk *walk, enum la_undecoded why) {
    walk->why = why;
    return LAYER_FAILED;
}

static inline enum layer walk_malformed(struct walk *walk, enum walk_part part) {
    return walk_fail(walk, (enum la_undecoded)(LA_UNDECODED_MALFORMED_LINK + (int)part));
}

/* After a read that failed. */
static inline enum layer walk_short(struct walk *walk, enum walk_part part) {
    if (walk->at.contradicted)
        return walk_malformed(walk, part);
    return walk_fail(walk, (enum la_undecoded)(LA_UNDECODED_TRUNCATED_LINK + (int)part));
}

/* link.c */
enum layer layer_of_linktype(uint16_t linktype);
enum layer layer_of_ethertype(uint16_t ethertype);
enum layer layer_of_sll_protocol(uint16_t arphrd, uint16_t protocol);
enum layer layer_of_ip_nibble(struct walk *walk);
enum layer link_ethernet(struct walk *walk);
enum layer link_llc(struct walk *walk);
enum layer link_sll(struct walk *walk);
enum layer link_sll2(struct walk *walk);
enum layer link_null(struct walk *walk);
enum layer link_enc(struct walk *walk);
enum layer link_raw_ip(struct walk *walk);
enum layer link_cisco_hdlc(struct walk *walk);
enum layer link_ppp(struct walk *walk);
enum layer link_pppoe(struct walk *walk);
enum layer link_vlan(struct walk *walk);
enum layer link_shim(struct walk *walk);
enum layer link_macsec(struct walk *walk);
enum layer link_pbb(struct walk *walk);
enum layer link_mpls(struct walk *walk);

/* plain.c */
/* Packets that one look is enough for, instead of a walk, from the first on. Returns how many gave
 * a segment: up to the first that is not that plain, or cut, or malformed, and up to the first that
 * was in a tunnel; and no more than some dozens at once. */
size_t plain_segments(const struct la_packet *packets, size_t count, struct la_segment *segments);

/* network.c */
enum layer network_ipv4(struct walk *walk);
enum layer network_ipv6(struct walk *walk);
enum layer network_hop_by_hop(struct walk *walk);
enum layer network_plain_extension(struct walk *walk);
enum layer network_routing(struct walk *walk);
enum layer network_fragment(struct walk *walk);
enum layer network_ah(struct walk *walk);
enum layer network_esp(struct walk *walk);

/* icmp.c */
enum layer icmp_v4(struct walk *walk);
enum layer icmp_v6(struct walk *walk);

/* tunnel.c */
enum layer tunnel_udp(struct walk *walk);
enum layer tunnel_gre(struct walk *walk);
enum layer tunnel_erspan2(struct walk *walk);
enum layer tunnel_erspan3(struct walk *walk);
enum layer tunnel_etherip(struct walk *walk);
enum layer tunnel_vxlan(struct walk *walk);
enum layer tunnel_vxlan_gpe(struct walk *walk);
enum layer tunnel_geneve(struct walk *walk);
enum layer tunnel_gtp(struct walk *walk);
enum layer tunnel_teredo(struct walk *walk);
enum layer tunnel_nsh(struct walk *walk);
enum layer tunnel_esp_in_udp(struct walk *walk);

/* tcp.c */
/* `size` bytes of options, one by one. */
void tcp_options(struct la_segment *segment, struct cursor at, uint32_t size);
enum layer tcp_segment(struct walk *walk);

#endif
