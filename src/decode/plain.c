/* What nearly every packet of an archive is: Ethernet, IPv4 without options, TCP, and all of these
 * headers captured. They are looked at in one piece, after one look at where it ends; the walk does
 * the rest. */
#include "decode/header.h"
#include "decode/walk.h"

struct headers {
    uint8_t dst[6], src[6], type[2];
    struct ipv4_header ip;
    struct tcp_header tcp;
};

enum {
    TCP_AT = sizeof(struct headers) - sizeof(struct tcp_header),
    FRAGMENT_AT = offsetof(struct ipv4_header, fragment), /* TTL and protocol follow */
    FRAGMENT_AND_PROTOCOL = IPV4_FRAGMENT << 16 | 0xff,
};

/* Out of the way of what most packets need. */
static __attribute__((noinline)) void note_options(struct la_segment *segment,
                                                   const uint8_t *options, uint32_t size) {
    tcp_options(segment, cur_from(options, size, size), size);
}

bool plain_segment(const struct la_packet *packet, struct la_segment *restrict segment) {
    const struct headers *headers = (const void *)packet->data;
    const struct ipv4_header *ip = &headers->ip;
    const struct tcp_header *tcp = &headers->tcp;
    uint32_t caplen = packet->caplen;
    if (packet->linktype != LINKTYPE_ETHERNET || caplen < sizeof *headers)
        return false;
    if (be16(headers->type) != ETHERTYPE_IPV4 || ip->version_length != 0x45 ||
        (be32((const uint8_t *)ip + FRAGMENT_AT) & FRAGMENT_AND_PROTOCOL) != PROTOCOL_TCP)
        return false;
    uint32_t size = (uint32_t)(tcp->offset >> 4) * 4;
    int32_t payload = (int32_t)(be16(ip->total_length) - sizeof *ip - size);
    if (size < sizeof *tcp || payload < 0 || caplen - TCP_AT < size)
        return false;
    begin_segment(segment, packet);
    note_ipv4(segment, ip);
    note_tcp(segment, tcp);
    segment->payload = (uint32_t)payload;
    const uint8_t *options = (const uint8_t *)(tcp + 1);
    size -= (uint32_t)sizeof *tcp;
    if (!note_usual_options(segment, options, size))
        note_options(segment, options, size);
    return true;
}
