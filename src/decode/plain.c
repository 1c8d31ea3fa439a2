/* What nearly every packet of an archive is: Ethernet, IPv4 without options, TCP, and all of these
 * headers captured; or the same with one VLAN tag, behind the header of a capture of all interfaces
 * (SLL), or with IPv6. They are looked at in one piece, after one look at where it ends; the walk
 * does the rest. */
#include "base/prefetch.h"
#include "decode/header.h"
#include "decode/walk.h"

enum {
    AT_ONCE = 128,       /* packets */
    SEGMENTS_AHEAD = 16, /* another core may have had the memory of a segment */
    LENGTH_AT = offsetof(struct ipv4_header, total_length), /* the identification follows */
    FRAGMENT_AT = offsetof(struct ipv4_header, fragment),   /* TTL and protocol follow */
    AT_TCP = sizeof(struct ethernet_header) + sizeof(struct ipv4_header),
    FRAGMENT_AND_PROTOCOL = IPV4_FRAGMENT << 16 | 0xff,
};

/* Out of the way of what most packets need. */
static __attribute__((noinline)) void note_options(struct la_segment *segment,
                                                   const uint8_t *options, uint32_t size) {
    tcp_options(segment, cur_from(options, size, size), size);
}

/* The options that follow a TCP header, and were taken for bare timestamps. False when the header
 * is shorter than it may be. */
static inline __attribute__((always_inline)) bool plain_options(const struct tcp_header *tcp,
                                                                struct la_segment *segment) {
    const uint8_t *options = (const uint8_t *)(tcp + 1);
    uint32_t size = tcp_header_size(tcp_ack_window(tcp));
    if (size == HEADER_OF_SYN && note_options_of_syn(segment, options))
        return true;
    segment->tsval = segment->tsecr = 0;
    segment->options &= (uint16_t)~LA_HAS_TIMESTAMPS;
    if (size > sizeof *tcp)
        note_options(segment, options, size - (uint32_t)sizeof *tcp);
    return size >= sizeof *tcp;
}

/* A segment of `sent` bytes, of which `captured` (at least those of a TCP header) are there, of
 * which only the IP header is left to note. Its options are taken for bare timestamps: `*otherwise`
 * is 0 when that is what they are. */
static inline __attribute__((always_inline)) bool
plain_tcp(const uint8_t *bytes, uint32_t captured, int32_t sent, const struct la_packet *packet,
          struct la_segment *segment, uint32_t *otherwise) {
    const struct tcp_header *tcp = (const void *)bytes;
    uint64_t ack_window = tcp_ack_window(tcp);
    uint32_t size = tcp_header_size(ack_window);
    int32_t payload = sent - (int32_t)size;
    if (payload < 0 || captured < size)
        return false;
    *otherwise = (be32(bytes + size - 12) - NOP_NOP_TIMESTAMPS) | (size ^ STAMPED_HEADER);
    begin_stamped(segment, packet);
    note_tcp(segment, tcp, ack_window);
    segment->payload = (uint32_t)payload;
    note_timestamps(segment, bytes + size - 8);
    return true;
}

/* A packet whose IP header lies `at` bytes from its beginning. */
static inline __attribute__((always_inline)) bool plain_ipv4(const struct la_packet *packet,
                                                             size_t at, struct la_segment *segment,
                                                             uint32_t *otherwise) {
    const uint8_t *bytes = packet->data + at;
    const struct ipv4_header *ip = (const void *)bytes;
    if (packet->caplen < at + sizeof *ip + sizeof(struct tcp_header) ||
        ip->version_length != 0x45 ||
        (be32(bytes + FRAGMENT_AT) & FRAGMENT_AND_PROTOCOL) != PROTOCOL_TCP)
        return false;
    uint32_t length_id = be32(bytes + LENGTH_AT);
    if (!plain_tcp(bytes + sizeof *ip, packet->caplen - (uint32_t)(at + sizeof *ip),
                   (int32_t)(length_id >> 16) - (int32_t)sizeof *ip, packet, segment, otherwise))
        return false;
    segment->ip_id = (uint16_t)length_id;
    segment->ttl = ip->ttl;
    segment->options = ip_options(ip) | LA_HAS_TIMESTAMPS;
    la_addr_set_v4(&segment->src, ip->src);
    la_addr_set_v4(&segment->dst, ip->dst);
    return true;
}

static bool plain_ipv6(const struct la_packet *packet, size_t at, struct la_segment *segment,
                       uint32_t *otherwise) {
    const uint8_t *bytes = packet->data + at;
    const struct ipv6_header *ip = (const void *)bytes;
    if (packet->caplen < at + sizeof *ip + sizeof(struct tcp_header))
        return false;
    uint32_t length = be16(ip->payload_length);
    if (ip->version >> 4 != 6 || ip->next != PROTOCOL_TCP || length == 0 ||
        !plain_tcp(bytes + sizeof *ip, packet->caplen - (uint32_t)(at + sizeof *ip),
                   (int32_t)length, packet, segment, otherwise))
        return false;
    note_ipv6(segment, ip);
    segment->options = LA_HAS_TIMESTAMPS;
    return true;
}

static bool plain_ip(const struct la_packet *packet, enum layer layer, size_t at,
                     struct la_segment *segment) {
    uint32_t otherwise;
    switch (layer) {
    case LAYER_IPV4:
        if (!plain_ipv4(packet, at, segment, &otherwise))
            return false;
        at += sizeof(struct ipv4_header);
        break;
    case LAYER_IPV6:
        if (!plain_ipv6(packet, at, segment, &otherwise))
            return false;
        at += sizeof(struct ipv6_header);
        break;
    default:
        return false;
    }
    return otherwise == 0 || plain_options((const void *)(packet->data + at), segment);
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
plain_segment(const struct la_packet *packet, struct la_segment *segment, uint32_t *otherwise) {
    const struct ethernet_header *header = (const void *)packet->data;
    return packet->linktype == LINKTYPE_ETHERNET &&
           packet->caplen >=
               sizeof *header + sizeof(struct ipv4_header) + sizeof(struct tcp_header) &&
           be16(header->type) == ETHERTYPE_IPV4 &&
           plain_ipv4(packet, sizeof *header, segment, otherwise);
}

/* Which options a segment has nobody could foretell, since each is of another connection than the
 * one before. So all are read as bare timestamps at first, and those that were something else are
 * read together afterwards: most of them are SYNs.
 *
 * Inside of a larger function there would not be registers enough. */
__attribute__((noinline)) size_t plain_segments(const struct la_packet *packets, size_t count,
                                                struct la_segment *restrict segments) {
    uint8_t others[AT_ONCE];
    size_t other_count = 0, n = 0;
    count = count < AT_ONCE ? count : AT_ONCE;
    while (n < count) {
        uint32_t otherwise;
        if (__builtin_expect(plain_segment(&packets[n], &segments[n], &otherwise), 1)) {
            others[other_count] = (uint8_t)n;
            other_count += otherwise != 0;
            la_prefetch_to_write(&segments[n + SEGMENTS_AHEAD], sizeof *segments);
            n++;
            continue;
        }
        if (!plain_otherwise(&packets[n], &segments[n]))
            break;
        n++;
        if (segments[n - 1].tunnels)
            break;
    }
    for (size_t i = 0; i < other_count; i++) {
        const uint8_t *data = packets[others[i]].data;
        if (!plain_options((const void *)(data + AT_TCP), &segments[others[i]]))
            return others[i];
    }
    return n;
}
