/* ICMP errors: which TCP segment they are about.
 *
 * What is quoted is at least an IP header and 8 bytes behind it (RFC 792), mostly more (RFC 1812,
 * 4.3.2.3; RFC 4443, 2.4 c): ports and sequence number in any case. Whatever is cut, or quotes
 * something else, is ICMP all the same and never a packet that was not understood. */
#include "decode/header.h"
#include "decode/walk.h"

enum {
    ICMP_UNREACHABLE = 3,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER_PROBLEM = 12,
    ICMPV6_ERROR_MAX = 4, /* RFC 4443, 2.1: errors are below 128, of which these are in use */
};

struct icmp_header {
    uint8_t type, code, checksum[2], rest[4];
};

/* The first 8 bytes of the TCP header. */
static enum layer read_segment_head(struct walk *walk, const struct icmp_header *icmp) {
    struct {
        uint8_t sport[2], dport[2], seq[4];
    } head;
    struct la_segment *segment = walk->segment;
    if (!cur_copy(&walk->at, &head, sizeof head))
        return LAYER_OTHER;
    segment->notice.type = icmp->type;
    segment->notice.code = icmp->code;
    segment->sport = be16(head.sport);
    segment->dport = be16(head.dport);
    segment->seq = be32(head.seq);
    segment->ack = segment->payload = 0;
    segment->window = 0;
    segment->flags = 0;
    segment->options |= LA_IS_NOTICE;
    return LAYER_NOTICE;
}

enum layer icmp_v4(struct walk *walk) {
    struct icmp_header icmp;
    struct ipv4_header quoted;
    struct la_segment *segment = walk->segment;
    if (!cur_copy(&walk->at, &icmp, sizeof icmp))
        return LAYER_OTHER;
    if (icmp.type != ICMP_UNREACHABLE && icmp.type != ICMP_TIME_EXCEEDED &&
        icmp.type != ICMP_PARAMETER_PROBLEM)
        return LAYER_OTHER;
    if (!cur_copy(&walk->at, &quoted, sizeof quoted))
        return LAYER_OTHER;
    uint32_t options = (quoted.version_length & 0xfu) * 4 - (uint32_t)sizeof quoted;
    bool first = (be16(quoted.fragment) & 0x1fff) == 0;
    if (quoted.version_length >> 4 != 4 || options > 40 || !first ||
        quoted.protocol != PROTOCOL_TCP || !cur_skip(&walk->at, options))
        return LAYER_OTHER;
    segment->notice.reporter = segment->src;
    segment->src = la_addr_from_v4(quoted.src);
    segment->dst = la_addr_from_v4(quoted.dst);
    return read_segment_head(walk, &icmp);
}

enum layer icmp_v6(struct walk *walk) {
    struct icmp_header icmp;
    struct ipv6_header quoted;
    struct la_segment *segment = walk->segment;
    if (!cur_copy(&walk->at, &icmp, sizeof icmp))
        return LAYER_OTHER;
    if (icmp.type == 0 || icmp.type > ICMPV6_ERROR_MAX ||
        !cur_copy(&walk->at, &quoted, sizeof quoted))
        return LAYER_OTHER;
    if (quoted.version >> 4 != 6 || quoted.next != PROTOCOL_TCP)
        return LAYER_OTHER;
    segment->notice.reporter = segment->src;
    segment->src = la_addr_from_v6(quoted.src);
    segment->dst = la_addr_from_v6(quoted.dst);
    return read_segment_head(walk, &icmp);
}
