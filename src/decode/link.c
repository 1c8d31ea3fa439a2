/* Link layers, and the tags and shims between Ethernet and IP.
 *
 * Nothing here knows IP: each function ends with the kind of what follows, told by an EtherType, a
 * PPP protocol, an address family, or at worst by the version nibble. */
#include "decode/header.h"
#include "decode/walk.h"

/* LINKTYPE_ values (tcpdump.org/linktypes.html). 12 and 14 are DLT_RAW of Linux and OpenBSD, which
 * some programs write as they are. */
enum layer layer_of_linktype(uint16_t linktype) {
    switch (linktype) {
    case LINKTYPE_ETHERNET:
        return LAYER_ETHERNET;
    case 0:
    case 108:
        return LAYER_NULL;
    case 9:
    case 50:
        return LAYER_PPP;
    case 51:
        return LAYER_PPPOE;
    case 12:
    case 14:
    case 101:
        return LAYER_RAW_IP;
    case 104:
        return LAYER_CISCO_HDLC;
    case 109:
        return LAYER_ENC;
    case LINKTYPE_SLL:
        return LAYER_SLL;
    case 219:
        return LAYER_MPLS;
    case 228:
        return LAYER_IPV4;
    case 229:
        return LAYER_IPV6;
    case LINKTYPE_SLL2:
        return LAYER_SLL2;
    default:
        return LAYER_FAILED;
    }
}

enum layer layer_of_ethertype(uint16_t ethertype) {
    switch (ethertype) {
    case ETHERTYPE_IPV4:
        return LAYER_IPV4;
    case 0x86dd:
        return LAYER_IPV6;
    case 0x8100: /* 802.1Q */
    case 0x88a8: /* 802.1ad */
    case 0x9100: /* QinQ before 802.1ad */
    case 0x9200:
        return LAYER_VLAN;
    case 0x8847:
    case 0x8848:
        return LAYER_MPLS;
    case 0x8864:
        return LAYER_PPPOE;
    case 0x880b:
        return LAYER_PPP;
    case 0x6558: /* transparent Ethernet bridging, in GRE and Geneve */
        return LAYER_ETHERNET;
    case 0x88be:
        return LAYER_ERSPAN2;
    case 0x22eb:
        return LAYER_ERSPAN3;
    case 0x894f:
        return LAYER_NSH;
    case 0x8870: /* jumbo frames that carry LLC */
        return LAYER_LLC;
    case 0x8909: /* Cisco MetaData */
    case 0x8926: /* VN-Tag */
        return LAYER_SHIM;
    case 0x88e5:
        return LAYER_MACSEC;
    case 0x88e7:
        return LAYER_PBB;
    default:
        return LAYER_OTHER;
    }
}

/* IPv4 or IPv6, told by the version: for encapsulations that name no protocol. */
enum layer layer_of_ip_nibble(struct walk *walk) {
    uint8_t first;
    if (!cur_peek_u8(&walk->at, &first))
        return walk_short(walk, PART_NETWORK);
    switch (first >> 4) {
    case 4:
        return LAYER_IPV4;
    case 6:
        return LAYER_IPV6;
    default:
        return LAYER_OTHER;
    }
}

static enum layer next_by_ethertype(struct walk *walk) {
    uint16_t ethertype;
    if (!cur_u16be(&walk->at, &ethertype))
        return walk_short(walk, PART_LINK);
    return layer_of_ethertype(ethertype);
}

enum layer link_ethernet(struct walk *walk) {
    struct ethernet_header header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_LINK);
    uint16_t type = be16(header.type);
    if (type >= 0x600)
        return layer_of_ethertype(type);
    if (type > 1500) /* neither a length nor a type (IEEE 802.3, 3.2.6) */
        return LAYER_OTHER;
    cur_limit_exact(&walk->at, type);
    return LAYER_LLC;
}

/* IEEE 802.2: SNAP with an EtherType (RFC 1042), or IP itself (RFC 948). */
enum layer link_llc(struct walk *walk) {
    struct {
        uint8_t dsap, ssap, control;
    } llc;
    if (!cur_copy(&walk->at, &llc, sizeof llc))
        return walk_short(walk, PART_LINK);
    if (llc.dsap == 0x06 && llc.ssap == 0x06 && llc.control == 3)
        return LAYER_IPV4;
    if (llc.dsap != 0xaa || llc.ssap != 0xaa || llc.control != 3)
        return LAYER_OTHER;
    uint8_t oui[3];
    if (!cur_copy(&walk->at, oui, sizeof oui))
        return walk_short(walk, PART_LINK);
    bool is_ethertype = oui[0] == 0 && oui[1] == 0 && (oui[2] == 0 || oui[2] == 0xf8);
    return is_ethertype ? next_by_ethertype(walk) : LAYER_OTHER;
}

/* The protocol field is an EtherType only for devices that speak of EtherTypes. */
enum layer layer_of_sll_protocol(uint16_t arphrd, uint16_t protocol) {
    enum { ARPHRD_FRAD = 770, ARPHRD_80211 = 801, ARPHRD_RADIOTAP = 803, ARPHRD_NETLINK = 824 };
    enum { PROTOCOL_LLC = 4 };
    if (arphrd == ARPHRD_FRAD || arphrd == ARPHRD_NETLINK ||
        (arphrd >= ARPHRD_80211 && arphrd <= ARPHRD_RADIOTAP))
        return LAYER_OTHER;
    return protocol == PROTOCOL_LLC ? LAYER_LLC : layer_of_ethertype(protocol);
}

enum layer link_sll(struct walk *walk) {
    struct sll_header header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_LINK);
    note_sll_direction(walk->segment, be16(header.packet_type));
    return layer_of_sll_protocol(be16(header.arphrd), be16(header.protocol));
}

enum layer link_sll2(struct walk *walk) {
    struct sll2_header header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_LINK);
    note_sll_direction(walk->segment, header.packet_type);
    return layer_of_sll_protocol(be16(header.arphrd), be16(header.protocol));
}

/* The capturing host's own number of the address family: AF_INET is 2 everywhere, AF_INET6 is not.
 */
static enum layer layer_of_address_family(uint32_t family) {
    switch (family) {
    case 2:
        return LAYER_IPV4;
    case 10: /* Linux */
    case 23: /* Windows */
    case 24: /* NetBSD, OpenBSD */
    case 28: /* FreeBSD */
    case 30: /* Darwin */
        return LAYER_IPV6;
    default:
        return LAYER_OTHER;
    }
}

/* BSD loopback: the family in the byte order of whichever host captured (LINKTYPE_NULL), or in
 * network order (LINKTYPE_LOOP). Families are small, so the order shows. */
enum layer link_null(struct walk *walk) {
    uint32_t family;
    if (!cur_u32be(&walk->at, &family))
        return walk_short(walk, PART_LINK);
    if (family > 0xffff)
        family = family >> 24 | (family >> 8 & 0xff00);
    return layer_of_address_family(family);
}

/* OpenBSD's enc(4): what IPsec carried, after decryption. */
enum layer link_enc(struct walk *walk) {
    enum { SPI_AND_FLAGS = 8 };
    enum layer next = link_null(walk);
    if (next != LAYER_FAILED && !cur_skip(&walk->at, SPI_AND_FLAGS))
        return walk_short(walk, PART_LINK);
    return next;
}

enum layer link_raw_ip(struct walk *walk) {
    enum layer next = layer_of_ip_nibble(walk);
    return next == LAYER_OTHER ? walk_malformed(walk, PART_NETWORK) : next;
}

enum layer link_cisco_hdlc(struct walk *walk) {
    uint16_t address_control;
    if (!cur_u16be(&walk->at, &address_control))
        return walk_short(walk, PART_LINK);
    return next_by_ethertype(walk);
}

static enum layer layer_of_ppp(struct walk *walk, uint16_t protocol) {
    switch (protocol) {
    case 0x0021:
        return LAYER_IPV4;
    case 0x0057:
        return LAYER_IPV6;
    case 0x0281:
    case 0x0283:
        return LAYER_MPLS;
    case 0x0053: /* ECP (RFC 1968) */
    case 0x00fd: /* CCP: compressed, or MPPE under PPTP (RFC 3078) */
        return walk_fail(walk, LA_UNDECODED_ENCRYPTED);
    default:
        return LAYER_OTHER;
    }
}

/* RFC 1661 and 1662: address and control may be left out, and the protocol be one odd byte. */
enum layer link_ppp(struct walk *walk) {
    uint8_t byte, low;
    if (!cur_u8(&walk->at, &byte))
        return walk_short(walk, PART_LINK);
    if (byte == 0xff && (!cur_skip(&walk->at, 1) || !cur_u8(&walk->at, &byte)))
        return walk_short(walk, PART_LINK);
    if (byte & 1)
        return layer_of_ppp(walk, byte);
    if (!cur_u8(&walk->at, &low))
        return walk_short(walk, PART_LINK);
    return layer_of_ppp(walk, (uint16_t)(byte << 8 | low));
}

/* RFC 2516. Codes other than 0 are discovery. */
enum layer link_pppoe(struct walk *walk) {
    struct {
        uint8_t version_type, code, session[2], length[2];
    } header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_LINK);
    if (header.version_type != 0x11 || header.code != 0)
        return LAYER_OTHER;
    cur_limit_exact(&walk->at, be16(header.length));
    walk->segment->tunnels |= LA_TUNNEL_PPPOE;
    return LAYER_PPP;
}

enum layer link_vlan(struct walk *walk) {
    uint16_t tag;
    if (!cur_u16be(&walk->at, &tag))
        return walk_short(walk, PART_LINK);
    walk->segment->tunnels |= LA_TUNNEL_VLAN;
    uint16_t id = tag & VLAN_ID;
    if (id != 0 && walk->vlan_count < 2)
        walk->segment->vlans[walk->vlan_count++] = id;
    return next_by_ethertype(walk);
}

/* Tags of no interest with an EtherType behind: VN-Tag has 4 bytes; Cisco MetaData says its own
 * length in words behind the first two bytes, in practice one. */
enum layer link_shim(struct walk *walk) {
    if (!cur_skip(&walk->at, 4))
        return walk_short(walk, PART_LINK);
    return next_by_ethertype(walk);
}

/* IEEE 802.1AE: the tag; readable when only integrity is protected. */
enum layer link_macsec(struct walk *walk) {
    enum { SCI_PRESENT = 0x20, ENCRYPTED = 0x08, CHANGED = 0x04, SCI = 8 };
    struct {
        uint8_t control, short_length, packet_number[4];
    } tag;
    if (!cur_copy(&walk->at, &tag, sizeof tag))
        return walk_short(walk, PART_LINK);
    if (tag.control & (ENCRYPTED | CHANGED))
        return walk_fail(walk, LA_UNDECODED_ENCRYPTED);
    if ((tag.control & SCI_PRESENT) && !cur_skip(&walk->at, SCI))
        return walk_short(walk, PART_LINK);
    return next_by_ethertype(walk);
}

/* IEEE 802.1ah: a service tag, then a whole frame. */
enum layer link_pbb(struct walk *walk) {
    if (!cur_skip(&walk->at, 4))
        return walk_short(walk, PART_LINK);
    return LAYER_ETHERNET;
}

/* What a label stack carries is known to its routers only. The first nibble tells IP, and the
 * control word of a pseudowire (RFC 4385, 3); what is left is taken for Ethernet without one. */
static enum layer below_labels(struct walk *walk) {
    enum { CONTROL_WORD = 4 };
    uint8_t first;
    walk->guessed = true;
    if (!cur_peek_u8(&walk->at, &first))
        return walk_short(walk, PART_LINK);
    switch (first >> 4) {
    case 4:
        return LAYER_IPV4;
    case 6:
        return LAYER_IPV6;
    case 0:
        return cur_skip(&walk->at, CONTROL_WORD) ? LAYER_ETHERNET : walk_short(walk, PART_LINK);
    case 1: /* an associated channel: no payload of a user */
        return LAYER_OTHER;
    default:
        return LAYER_ETHERNET;
    }
}

enum layer link_mpls(struct walk *walk) {
    enum { BOTTOM_OF_STACK = 0x100, LABELS_MAX = 32 };
    walk->segment->tunnels |= LA_TUNNEL_MPLS;
    for (unsigned i = 0; i < LABELS_MAX; i++) {
        uint32_t label;
        if (!cur_u32be(&walk->at, &label))
            return walk_short(walk, PART_LINK);
        if (label & BOTTOM_OF_STACK)
            return below_labels(walk);
    }
    return walk_fail(walk, LA_UNDECODED_TOO_DEEP);
}
