/* IPv4, IPv6 and its extension headers, and fragments of both.
 *
 * The innermost IP header wins: addresses, TTL and identification in the segment are those that
 * the TCP endpoints see. */
#include "decode/fragment.h"
#include "decode/header.h"
#include "decode/walk.h"

enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_IPV4 = 4,
    PROTOCOL_UDP = 17,
    PROTOCOL_IPV6 = 41,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_GRE = 47,
    PROTOCOL_ESP = 50,
    PROTOCOL_AH = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION_OPTIONS = 60,
    PROTOCOL_ETHERIP = 97,
    PROTOCOL_IPCOMP = 108,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_MPLS = 137,
    PROTOCOL_HIP = 139,
    PROTOCOL_SHIM6 = 140,
    PROTOCOL_ETHERNET = 143,
};

static enum layer layer_of_protocol(uint8_t protocol) {
    switch (protocol) {
    case PROTOCOL_TCP:
        return LAYER_TCP;
    case PROTOCOL_UDP:
        return LAYER_UDP;
    case PROTOCOL_ICMP:
        return LAYER_ICMP;
    case PROTOCOL_ICMPV6:
        return LAYER_ICMPV6;
    case PROTOCOL_HOP_BY_HOP:
        return LAYER_HOP_BY_HOP;
    case PROTOCOL_IPV4:
        return LAYER_IPV4;
    case PROTOCOL_IPV6:
        return LAYER_IPV6;
    case PROTOCOL_ROUTING:
        return LAYER_ROUTING;
    case PROTOCOL_FRAGMENT:
        return LAYER_FRAGMENT;
    case PROTOCOL_GRE:
        return LAYER_GRE;
    case PROTOCOL_ESP:
    case PROTOCOL_IPCOMP: /* compressed (RFC 3173): as opaque as encrypted */
        return LAYER_ESP;
    case PROTOCOL_AH:
        return LAYER_AH;
    case PROTOCOL_DESTINATION_OPTIONS:
        return LAYER_DESTINATION_OPTIONS;
    case PROTOCOL_ETHERIP:
        return LAYER_ETHERIP;
    case PROTOCOL_MOBILITY:
    case PROTOCOL_HIP:
    case PROTOCOL_SHIM6:
        return LAYER_MOBILITY;
    case PROTOCOL_MPLS:
        return LAYER_MPLS;
    case PROTOCOL_ETHERNET:
        return LAYER_ETHERNET;
    default:
        return LAYER_OTHER;
    }
}

/* Headers that stand between IP and TCP without being a packet of their own: what follows them
 * takes its length from the IP header, which a single fragment does not know. */
static bool is_chained(enum layer layer) {
    switch (layer) {
    case LAYER_HOP_BY_HOP:
    case LAYER_DESTINATION_OPTIONS:
    case LAYER_ROUTING:
    case LAYER_MOBILITY:
    case LAYER_FRAGMENT:
    case LAYER_AH:
        return true;
    default:
        return false;
    }
}

static enum layer next_by_protocol(struct walk *walk, uint8_t protocol) {
    enum layer next = layer_of_protocol(protocol);
    if (next == LAYER_IPV4 || next == LAYER_IPV6)
        walk->segment->tunnels |= LA_TUNNEL_IPIP;
    return next;
}

/* One fragment of several; the cursor is bounded by its length. `fragment` has what the IP header
 * says, this adds what the walk knows. */
static enum layer hold_fragment(struct walk *walk, struct fragment *fragment) {
    const struct la_segment *segment = walk->segment;
    struct fragment_whole whole;
    fragment->key.src = segment->src;
    fragment->key.dst = segment->dst;
    fragment->key.interface = walk->interface;
    fragment->key.input = segment->input;
    fragment->key.vlans[0] = segment->vlans[0];
    fragment->key.vlans[1] = segment->vlans[1];
    fragment->bytes = walk->at;
    fragment->time_ns = segment->time_ns;
    fragment->packets = 1 + walk->absorbed;
    switch (fragments_add(walk->fragments, fragment, &whole)) {
    case FRAGMENT_HELD:
        return LAYER_HELD;
    case FRAGMENT_COMPLETE:
        walk->at = whole.bytes;
        walk->absorbed += whole.packets;
        walk->segment->options |= LA_IP_REASSEMBLED;
        return next_by_protocol(walk, whole.protocol);
    case FRAGMENT_DROPPED:
        walk->absorbed += whole.packets;
        return walk_malformed(walk, PART_NETWORK);
    case FRAGMENT_NO_ROOM:
        return walk_fail(walk, LA_UNDECODED_FRAGMENT_LIMIT);
    case FRAGMENT_REFUSED:
    default:
        return walk_malformed(walk, PART_NETWORK);
    }
}

/* Only TCP and what is chained to it waits for the other fragments. A tunnel's first fragment holds
 * the inner headers, which say the length of the inner packet themselves: it is decoded at once, as
 * a packet that was cut; the later ones hold nothing of interest. */
static enum layer fragment_of(struct walk *walk, struct fragment *fragment) {
    enum layer next = layer_of_protocol(fragment->protocol);
    if (next == LAYER_TCP || is_chained(next))
        return hold_fragment(walk, fragment);
    if (next == LAYER_ESP)
        return next;
    if (fragment->offset > 0)
        return LAYER_OTHER;
    walk->at.bounded = false;
    return next_by_protocol(walk, fragment->protocol);
}

/* An IP header whose length fits into what is around it proves a guess. */
static void limit_to_payload(struct walk *walk, uint32_t length) {
    if (length <= walk->at.wire)
        walk->guessed = false;
    cur_limit(&walk->at, length);
}

static enum layer ipv4_fragment(struct walk *walk, const struct ipv4_header *ip) {
    uint16_t field = be16(ip->fragment);
    struct fragment fragment = {
        .key = {.id = be16(ip->id), .protocol = ip->protocol, .version = 4},
        .offset = (field & 0x1fffu) * FRAGMENT_UNIT,
        .protocol = ip->protocol,
        .more = (field & 0x2000) != 0,
    };
    return fragment_of(walk, &fragment);
}

/* RFC 791. A total length of 0 is a super-segment that the network card was to cut (TSO, or more
 * than 64 KiB under BIG TCP): the capture alone knows its size. */
enum layer network_ipv4(struct walk *walk) {
    struct ipv4_header ip;
    if (!cur_copy(&walk->at, &ip, sizeof ip))
        return walk_short(walk, PART_NETWORK);
    uint32_t options = (ip.version_length & 0xfu) * 4 - (uint32_t)sizeof ip;
    uint32_t total = be16(ip.total_length);
    if (ip.version_length >> 4 != 4 || options > 40)
        return walk_malformed(walk, PART_NETWORK);
    if (total != 0) {
        if (total < sizeof ip + options)
            return walk_malformed(walk, PART_NETWORK);
        limit_to_payload(walk, total - (uint32_t)sizeof ip);
    }
    if (options > 0 && !cur_skip(&walk->at, options))
        return walk_short(walk, PART_NETWORK);
    note_ipv4(walk->segment, &ip);
    if (be16(ip.fragment) & IPV4_FRAGMENT)
        return ipv4_fragment(walk, &ip);
    return next_by_protocol(walk, ip.protocol);
}

/* RFC 8200. A payload length of 0 is a jumbogram, whose option follows in the hop-by-hop header
 * (RFC 2675), or a super-segment. */
enum layer network_ipv6(struct walk *walk) {
    struct ipv6_header ip;
    if (!cur_copy(&walk->at, &ip, sizeof ip))
        return walk_short(walk, PART_NETWORK);
    if (ip.version >> 4 != 6)
        return walk_malformed(walk, PART_NETWORK);
    if (be16(ip.payload_length) != 0)
        limit_to_payload(walk, be16(ip.payload_length));
    else
        walk->at.bounded = false; /* the size of what is around it is all there is */
    note_ipv6(walk->segment, &ip);
    return next_by_protocol(walk, ip.next);
}

/* The size of a jumbogram, when the options in `header` say one: 0 otherwise (RFC 2675, 2). */
static uint32_t jumbo_payload(struct cursor header) {
    enum { PAD1 = 0, JUMBO = 0xc2 };
    uint8_t kind, length;
    uint32_t jumbo;
    while (cur_u8(&header, &kind)) {
        if (kind == PAD1)
            continue;
        if (!cur_u8(&header, &length))
            break;
        if (kind == JUMBO && length == 4)
            return cur_u32be(&header, &jumbo) ? jumbo : 0;
        if (!cur_skip(&header, length))
            break;
    }
    return 0;
}

/* The form that most extension headers share: next header, length in 8 bytes without the first 8.
 */
struct extension {
    struct cursor body; /* behind the first two bytes */
    uint32_t size;      /* whole */
    uint8_t next;
};

static bool take_extension(struct walk *walk, struct extension *extension) {
    uint8_t length;
    struct cursor at = walk->at;
    if (!cur_u8(&at, &extension->next) || !cur_u8(&at, &length)) {
        walk->at.contradicted = at.contradicted;
        return false;
    }
    extension->size = (length + 1u) * 8;
    if (!cur_skip(&walk->at, extension->size))
        return false;
    extension->body = at;
    cur_limit(&extension->body, extension->size - 2);
    return true;
}

enum layer network_hop_by_hop(struct walk *walk) {
    struct extension extension;
    bool may_be_jumbo = !walk->at.bounded;
    if (!take_extension(walk, &extension))
        return walk_short(walk, PART_NETWORK);
    uint32_t jumbo = may_be_jumbo ? jumbo_payload(extension.body) : 0;
    if (jumbo != 0) {
        if (jumbo < extension.size)
            return walk_malformed(walk, PART_NETWORK);
        cur_limit(&walk->at, jumbo - extension.size);
    }
    return next_by_protocol(walk, extension.next);
}

/* Nothing in it is of interest here. */
enum layer network_plain_extension(struct walk *walk) {
    struct extension extension;
    if (!take_extension(walk, &extension))
        return walk_short(walk, PART_NETWORK);
    return next_by_protocol(walk, extension.next);
}

/* The last address of a route: behind all others in types 0 and 2 (RFC 6275, 6.4), first in type 4
 * (RFC 8754, 2). False for types that hold none in full. */
static bool last_of_route(struct cursor body, uint8_t type, uint8_t address[16]) {
    enum { RESERVED = 4, ADDRESS = 16 };
    if (!cur_skip(&body, RESERVED))
        return false;
    if ((type == 0 || type == 2) && body.remaining >= ADDRESS)
        return cur_skip(&body, (body.remaining / ADDRESS - 1) * ADDRESS) &&
               cur_copy(&body, address, ADDRESS);
    return type == 4 && cur_copy(&body, address, ADDRESS);
}

/* Under way, the destination in the IPv6 header is the next hop of the route; the peer, which the
 * way back names, is the route's last address. */
enum layer network_routing(struct walk *walk) {
    struct extension extension;
    uint8_t type, segments_left, address[16];
    if (!take_extension(walk, &extension))
        return walk_short(walk, PART_NETWORK);
    if (cur_u8(&extension.body, &type) && cur_u8(&extension.body, &segments_left) &&
        segments_left > 0 && last_of_route(extension.body, type, address))
        walk->segment->dst = la_addr_from_v6(address);
    return next_by_protocol(walk, extension.next);
}

enum layer network_fragment(struct walk *walk) {
    struct {
        uint8_t next, reserved, offset[2], id[4];
    } header;
    if (!cur_copy(&walk->at, &header, sizeof header))
        return walk_short(walk, PART_NETWORK);
    uint16_t field = be16(header.offset);
    walk->segment->ip_id = be16(header.id + 2);
    if ((field & 0xfff9) == 0) /* atomic: a fragment of one (RFC 6946) */
        return next_by_protocol(walk, header.next);
    struct fragment fragment = {
        .key = {.id = be32(header.id), .version = 6},
        .offset = field & 0xfff8u,
        .protocol = header.next,
        .more = (field & 1) != 0,
    };
    return fragment_of(walk, &fragment);
}

/* RFC 4302: authenticates, hides nothing. */
enum layer network_ah(struct walk *walk) {
    uint8_t next, length;
    struct cursor at = walk->at;
    if (!cur_u8(&at, &next) || !cur_u8(&at, &length)) {
        walk->at.contradicted = at.contradicted;
        return walk_short(walk, PART_NETWORK);
    }
    if (!cur_skip(&walk->at, (length + 2u) * 4))
        return walk_short(walk, PART_NETWORK);
    walk->segment->tunnels |= LA_TUNNEL_AH;
    return next_by_protocol(walk, next);
}

enum layer network_esp(struct walk *walk) {
    return walk_fail(walk, LA_UNDECODED_ENCRYPTED);
}
