/* What nearly every packet of an archive is: Ethernet, IPv4 without options, TCP, and all of these
 * headers captured; or the same with one VLAN tag, behind the header of a capture of all interfaces
 * (SLL), or with IPv6. They are looked at in one piece, after one look at where it ends; the walk
 * does the rest. */
#include "base/prefetch.h"
#include "decode/header.h"
#include "decode/walk.h"

enum {
    SEGMENTS_AHEAD = 16, /* another core may have had the memory of a segment */
    FRAGMENT_AT = offsetof(struct ipv4_header, fragment), /* TTL and protocol follow */
    FRAGMENT_AND_PROTOCOL = IPV4_FRAGMENT << 16 | 0xff,
};

/* Out of the way of what most packets need. */
static __attribute__((noinline)) void note_options(struct la_segment *segment,
                                                   const uint8_t *options, uint32_t size) {
    tcp_options(segment, cur_from(options, size, size), size);
}

/* A segment of `sent` bytes, of which `captured` (at least those of a TCP header) are there. */
static inline __attribute__((always_inline)) bool plain_tcp(const uint8_t *bytes, uint32_t captured,
                                                            int32_t sent,
                                                            struct la_segment *restrict segment) {
    const struct tcp_header *tcp = (const void *)bytes;
    uint32_t size = (uint32_t)(tcp->offset >> 4) * 4;
    int32_t payload = sent - (int32_t)size;
    if (size < sizeof *tcp || payload < 0 || captured < size)
        return false;
    note_tcp(segment, tcp);
    segment->payload = (uint32_t)payload;
    const uint8_t *options = bytes + sizeof *tcp;
    size -= (uint32_t)sizeof *tcp;
    if (!note_usual_options(segment, options, size))
        note_options(segment, options, size);
    return true;
}

/* A packet whose IP header lies `at` bytes from its beginning. */
static inline __attribute__((always_inline)) bool
plain_ipv4(const struct la_packet *packet, uint32_t at, struct la_segment *restrict segment) {
    const uint8_t *bytes = packet->data + at;
    const struct ipv4_header *ip = (const void *)bytes;
    if (packet->caplen < at + sizeof *ip + sizeof(struct tcp_header))
        return false;
    uint32_t total = be16(ip->total_length);
    if (ip->version_length != 0x45 ||
        (be32(bytes + FRAGMENT_AT) & FRAGMENT_AND_PROTOCOL) != PROTOCOL_TCP)
        return false;
    begin_segment(segment, packet);
    note_ipv4(segment, ip);
    return plain_tcp(bytes + sizeof *ip, packet->caplen - at - (uint32_t)sizeof *ip,
                     (int32_t)total - (int32_t)sizeof *ip, segment);
}

static bool plain_ipv6(const struct la_packet *packet, uint32_t at,
                       struct la_segment *restrict segment) {
    const uint8_t *bytes = packet->data + at;
    const struct ipv6_header *ip = (const void *)bytes;
    if (packet->caplen < at + sizeof *ip + sizeof(struct tcp_header))
        return false;
    uint32_t length = be16(ip->payload_length);
    if (ip->version >> 4 != 6 || ip->next != PROTOCOL_TCP || length == 0)
        return false;
    begin_segment(segment, packet);
    note_ipv6(segment, ip);
    return plain_tcp(bytes + sizeof *ip, packet->caplen - at - (uint32_t)sizeof *ip,
                     (int32_t)length, segment);
}

static bool plain_ip(const struct la_packet *packet, enum layer layer, size_t at,
                     struct la_segment *segment) {
    switch (layer) {
    case LAYER_IPV4:
        return plain_ipv4(packet, (uint32_t)at, segment);
    case LAYER_IPV6:
        return plain_ipv6(packet, (uint32_t)at, segment);
    default:
        return false;
    }
}

static bool plain_tagged(const struct la_packet *packet, struct la_segment *segment) {
    const struct {
        struct ethernet_header ethernet;
        uint8_t tag[2], type[2];
    } *header = (const void *)packet->data;
    if (packet->caplen < sizeof *header ||
        !plain_ip(packet, layer_of_ethertype(be16(header->type)), sizeof *header, segment))
        return false;
    segment->tunnels = LA_TUNNEL_VLAN;
    segment->vlans[0] = be16(header->tag) & VLAN_ID;
    return true;
}

static bool plain_ethernet(const struct la_packet *packet, struct la_segment *segment) {
    const struct ethernet_header *header = (const void *)packet->data;
    if (packet->caplen < sizeof *header)
        return false;
    enum layer layer = layer_of_ethertype(be16(header->type));
    return layer == LAYER_VLAN ? plain_tagged(packet, segment)
                               : plain_ip(packet, layer, sizeof *header, segment);
}

static bool plain_sll(const struct la_packet *packet, struct la_segment *segment) {
    const struct sll_header *header = (const void *)packet->data;
    if (packet->caplen < sizeof *header ||
        !plain_ip(packet, layer_of_sll_protocol(be16(header->arphrd), be16(header->protocol)),
                  sizeof *header, segment))
        return false;
    note_sll_direction(segment, be16(header->packet_type));
    return true;
}

static bool plain_sll2(const struct la_packet *packet, struct la_segment *segment) {
    const struct sll2_header *header = (const void *)packet->data;
    if (packet->caplen < sizeof *header ||
        !plain_ip(packet, layer_of_sll_protocol(be16(header->arphrd), be16(header->protocol)),
                  sizeof *header, segment))
        return false;
    note_sll_direction(segment, header->packet_type);
    return true;
}

/* Out of the way of what most packets need, as well. */
static __attribute__((noinline)) bool plain_otherwise(const struct la_packet *packet,
                                                      struct la_segment *segment) {
    switch (packet->linktype) {
    case LINKTYPE_ETHERNET:
        return plain_ethernet(packet, segment);
    case LINKTYPE_SLL:
        return plain_sll(packet, segment);
    case LINKTYPE_SLL2:
        return plain_sll2(packet, segment);
    default:
        return false;
    }
}

static inline __attribute__((always_inline)) bool
plain_segment(const struct la_packet *packet, struct la_segment *restrict segment) {
    const struct ethernet_header *header = (const void *)packet->data;
    return packet->linktype == LINKTYPE_ETHERNET &&
           packet->caplen >=
               sizeof *header + sizeof(struct ipv4_header) + sizeof(struct tcp_header) &&
           be16(header->type) == ETHERTYPE_IPV4 && plain_ipv4(packet, sizeof *header, segment);
}

/* Inside of a larger function there would not be registers enough. */
__attribute__((noinline)) size_t plain_segments(const struct la_packet *packets, size_t count,
                                                struct la_segment *segments) {
    size_t n = 0;
    for (; n < count; n++) {
        if (!plain_segment(&packets[n], &segments[n])) {
            if (!plain_otherwise(&packets[n], &segments[n]))
                break;
            if (segments[n].tunnels)
                return n + 1;
        }
        la_prefetch_to_write(&segments[n + SEGMENTS_AHEAD], sizeof *segments);
    }
    return n;
}
