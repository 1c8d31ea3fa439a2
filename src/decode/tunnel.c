/* Tunnels above IP: GRE and what it carries, and those that are told by a UDP port.
 *
 * A port is a guess. Until an inner IP header fits, whatever contradicts itself is no tunnel but
 * some other UDP (walk.guessed). */
#include "decode/walk.h"

static enum layer layer_of_port(uint16_t port) {
    switch (port) {
    case 2152:
        return LAYER_GTP;
    case 3544:
        return LAYER_TEREDO;
    case 4500:
        return LAYER_ESP_IN_UDP;
    case 4789:
    case 8472: /* Linux before the assignment */
        return LAYER_VXLAN;
    case 4790:
        return LAYER_VXLAN_GPE;
    case 6081:
        return LAYER_GENEVE;
    default:
        return LAYER_OTHER;
    }
}

enum layer tunnel_udp(struct walk *walk) {
    struct {
        uint8_t sport[2], dport[2], length[2], checksum[2];
    } udp;
    if (!cur_copy(&walk->at, &udp, sizeof udp))
        return LAYER_OTHER; /* cut, but UDP all the same */
    enum layer next = layer_of_port(be16(udp.dport));
    if (next == LAYER_OTHER)
        next = layer_of_port(be16(udp.sport));
    if (next == LAYER_OTHER)
        return next;
    uint32_t length = be16(udp.length);
    if (length < sizeof udp)
        return LAYER_OTHER;
    cur_limit(&walk->at, length - (uint32_t)sizeof udp);
    walk->guessed = true;
    return next;
}

/* RFC 2637, 4.1: key (payload length, call), sequence and acknowledgement, then PPP. */
static enum layer gre_pptp(struct walk *walk, uint16_t flags) {
    enum { SEQUENCE = 0x1000, ACKNOWLEDGEMENT = 0x0080 };
    uint16_t payload;
    if (!cur_u16be(&walk->at, &payload) || !cur_skip(&walk->at, 2) ||
        ((flags & SEQUENCE) && !cur_skip(&walk->at, 4)) ||
        ((flags & ACKNOWLEDGEMENT) && !cur_skip(&walk->at, 4)))
        return walk_short(walk, PART_NETWORK);
    if (!(flags & SEQUENCE)) /* an acknowledgement alone */
        return LAYER_OTHER;
    cur_limit(&walk->at, payload);
    return LAYER_PPP;
}

/* RFC 2784 and 2890. Source routes (RFC 1701) are long gone. */
enum layer tunnel_gre(struct walk *walk) {
    enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, VERSION = 7 };
    enum { PPP = 0x880b, ERSPAN = 0x88be };
    uint16_t flags, protocol;
    if (!cur_u16be(&walk->at, &flags) || !cur_u16be(&walk->at, &protocol))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_GRE;
    if ((flags & VERSION) == 1 && protocol == PPP)
        return gre_pptp(walk, flags);
    if ((flags & VERSION) != 0 || (flags & ROUTING))
        return LAYER_OTHER;
    uint32_t optional =
        (flags & CHECKSUM ? 4u : 0) + (flags & KEY ? 4u : 0) + (flags & SEQUENCE ? 4u : 0);
    if (!cur_skip(&walk->at, optional))
        return walk_short(walk, PART_NETWORK);
    if (protocol == ERSPAN && !(flags & SEQUENCE)) { /* type I: the frame follows at once */
        walk->segment->tunnels |= LA_TUNNEL_ERSPAN;
        return LAYER_ETHERNET;
    }
    return layer_of_ethertype(protocol);
}

/* draft-foschiano-erspan: type II. */
enum layer tunnel_erspan2(struct walk *walk) {
    if (!cur_skip(&walk->at, 8))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_ERSPAN;
    return LAYER_ETHERNET;
}

/* Type III: 12 bytes, and a platform's own 8 when the last bit says so; the frame type says whether
 * there is Ethernet or bare IP behind. */
enum layer tunnel_erspan3(struct walk *walk) {
    enum { OPTIONAL = 1, FRAME_TYPE_IP = 2 };
    struct {
        uint8_t head[4], timestamp[4], sgt[2], frame_type, last;
    } header;
    if (!cur_copy(&walk->at, &header, sizeof header) ||
        ((header.last & OPTIONAL) && !cur_skip(&walk->at, 8)))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_ERSPAN;
    return (header.frame_type >> 2 & 0x1f) == FRAME_TYPE_IP ? LAYER_RAW_IP : LAYER_ETHERNET;
}

/* RFC 3378: two bytes of version. */
enum layer tunnel_etherip(struct walk *walk) {
    if (!cur_skip(&walk->at, 2))
        return walk_short(walk, PART_NETWORK);
    return LAYER_ETHERNET;
}

/* RFC 7348. The group policy extension sets more flags; the one that must be set is "I". */
enum layer tunnel_vxlan(struct walk *walk) {
    enum { VALID_VNI = 0x08 };
    uint8_t flags;
    if (!cur_peek_u8(&walk->at, &flags))
        return walk_short(walk, PART_NETWORK);
    if (!(flags & VALID_VNI))
        return LAYER_OTHER;
    if (!cur_skip(&walk->at, 8))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_VXLAN;
    return LAYER_ETHERNET;
}

/* The next protocols of VXLAN-GPE and of NSH (RFC 8300, 2.2) are numbered alike. */
static enum layer layer_of_nsh_protocol(uint8_t protocol) {
    static const enum layer layers[] = {LAYER_OTHER,    LAYER_IPV4, LAYER_IPV6,
                                        LAYER_ETHERNET, LAYER_NSH,  LAYER_MPLS};
    return protocol < sizeof layers / sizeof layers[0] ? layers[protocol] : LAYER_OTHER;
}

/* draft-ietf-nvo3-vxlan-gpe */
enum layer tunnel_vxlan_gpe(struct walk *walk) {
    enum { VALID_VNI = 0x08, VERSION = 0x30, HAS_NEXT_PROTOCOL = 0x04, OAM = 0x01 };
    struct {
        uint8_t flags, reserved[2], next, vni[3], last;
    } header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_NETWORK);
    if (!(header.flags & VALID_VNI) || (header.flags & (VERSION | OAM)))
        return LAYER_OTHER;
    walk->segment->tunnels |= LA_TUNNEL_VXLAN;
    return header.flags & HAS_NEXT_PROTOCOL ? layer_of_nsh_protocol(header.next) : LAYER_ETHERNET;
}

/* RFC 8926 */
enum layer tunnel_geneve(struct walk *walk) {
    enum { VERSION = 0xc0, OPTION_WORDS = 0x3f };
    struct {
        uint8_t version_options, flags, protocol[2], vni[3], reserved;
    } header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_NETWORK);
    if (header.version_options & VERSION)
        return LAYER_OTHER;
    if (!cur_skip(&walk->at, (header.version_options & OPTION_WORDS) * 4u))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_GENEVE;
    return layer_of_ethertype(be16(header.protocol));
}

/* Extension headers: a length in words of 4, and the type of the next one as the last byte. */
static bool skip_gtp_extensions(struct cursor *at, uint8_t type) {
    enum { EXTENSIONS_MAX = 16 };
    for (unsigned i = 0; type != 0; i++) {
        uint8_t words;
        if (i == EXTENSIONS_MAX || !cur_u8(at, &words) || words == 0 ||
            !cur_skip(at, words * 4u - 2) || !cur_u8(at, &type))
            return false;
    }
    return true;
}

/* 3GPP TS 29.281, 5.1: version 1, protocol type GTP, and a user's packet. */
enum layer tunnel_gtp(struct walk *walk) {
    enum { VERSION_AND_TYPE = 0xf0, GTP_1 = 0x30, HAS_NEXT = 0x04, HAS_OPTIONAL = 0x07 };
    enum { USER_PACKET = 0xff };
    struct {
        uint8_t flags, type, length[2], endpoint[4];
    } header;
    uint8_t optional[4] = {0};
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_NETWORK);
    if ((header.flags & VERSION_AND_TYPE) != GTP_1 || header.type != USER_PACKET)
        return LAYER_OTHER;
    cur_limit(&walk->at, be16(header.length));
    if ((header.flags & HAS_OPTIONAL) && !cur_copy(&walk->at, optional, sizeof optional))
        return walk_short(walk, PART_NETWORK);
    if ((header.flags & HAS_NEXT) && !skip_gtp_extensions(&walk->at, optional[3]))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_GTP;
    return layer_of_ip_nibble(walk);
}

/* RFC 4380, 5.1.1: perhaps an authentication, perhaps an origin indication, then IPv6. */
enum layer tunnel_teredo(struct walk *walk) {
    enum { AUTHENTICATION = 1, ORIGIN = 0, NONCE_AND_CONFIRMATION = 9 };
    for (unsigned i = 0; i < 3; i++) {
        uint8_t zero, indicator, id_length, value_length;
        enum layer next = layer_of_ip_nibble(walk);
        if (next == LAYER_IPV6)
            walk->segment->tunnels |= LA_TUNNEL_TEREDO;
        if (next == LAYER_IPV6 || next == LAYER_FAILED)
            return next;
        if (!cur_u8(&walk->at, &zero) || !cur_u8(&walk->at, &indicator))
            return walk_short(walk, PART_NETWORK);
        uint32_t size = 6; /* of an origin: port and address */
        if (zero != 0 || indicator > AUTHENTICATION)
            return LAYER_OTHER;
        if (indicator == AUTHENTICATION) {
            if (!cur_u8(&walk->at, &id_length) || !cur_u8(&walk->at, &value_length))
                return walk_short(walk, PART_NETWORK);
            size = (uint32_t)id_length + value_length + NONCE_AND_CONFIRMATION;
        }
        if (!cur_skip(&walk->at, size))
            return walk_short(walk, PART_NETWORK);
    }
    return LAYER_OTHER;
}

/* RFC 8300, 2.2 */
enum layer tunnel_nsh(struct walk *walk) {
    struct {
        uint8_t version_ttl, ttl_length, metadata_type, next, path[4];
    } header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_NETWORK);
    uint32_t size = (header.ttl_length & 0x3fu) * 4;
    if (header.version_ttl & 0xc0)
        return LAYER_OTHER;
    if (size < sizeof header)
        return walk_malformed(walk, PART_NETWORK);
    if (!cur_skip(&walk->at, size - (uint32_t)sizeof header))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_NSH;
    return layer_of_nsh_protocol(header.next);
}

/* RFC 3948, 2: ESP unless four zero bytes announce IKE; a lone byte keeps a NAT open. */
enum layer tunnel_esp_in_udp(struct walk *walk) {
    uint32_t spi;
    if (!cur_u32be(&walk->at, &spi) || spi == 0)
        return LAYER_OTHER;
    walk->guessed = false;
    return walk_fail(walk, LA_UNDECODED_ENCRYPTED);
}
