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

enum { TCP_AT = sizeof(struct headers) - sizeof(struct tcp_header) };

/* Out of the way of what most packets need. */
static __attribute__((noinline)) void note_options(struct la_segment *segment,
                                                   const uint8_t *options, uint32_t size) {
    tcp_options(segment, cur_from(options, size, size), size);
}

bool plain_segment(const struct la_packet *packet, struct la_segment *segment) {
    if (packet->linktype != LINKTYPE_ETHERNET || packet->caplen < sizeof(struct headers))
        return false;
    const struct headers *headers = (const void *)packet->data;
    const struct ipv4_header *ip = &headers->ip;
    if (be16(headers->type) != ETHERTYPE_IPV4 || ip->version_length != 0x45 ||
        ip->protocol != PROTOCOL_TCP || (be16(ip->fragment) & IPV4_FRAGMENT) != 0)
        return false;
    uint32_t size = (uint32_t)(headers->tcp.offset >> 4) * 4, total = be16(ip->total_length);
    if (size < sizeof headers->tcp || total < sizeof *ip + size || packet->caplen < TCP_AT + size)
        return false;
    note_ipv4(segment, ip);
    note_tcp(segment, &headers->tcp);
    segment->payload = total - (uint32_t)sizeof *ip - size;
    const uint8_t *options = packet->data + sizeof *headers;
    size -= (uint32_t)sizeof headers->tcp;
    if (!note_usual_options(segment, options, size))
        note_options(segment, options, size);
    return true;
}
