/* The headers that nearly every packet has, and what a segment takes from them, for the walk and
 * for the look that spares it (plain.c). Private to this room. */
#ifndef LA_DECODE_HEADER_H
#define LA_DECODE_HEADER_H

#include "capture/capture.h"
#include "decode/cursor.h"
#include "decode/segment.h"

struct ethernet_header {
    uint8_t dst[6], src[6], type[2];
};

enum { VLAN_ID = 0xfff }; /* of a tag; 0: a priority tag, no VLAN */

/* Linux cooked captures. */
struct sll_header {
    uint8_t packet_type[2], arphrd[2], address_length[2], address[8], protocol[2];
};

struct sll2_header {
    uint8_t protocol[2], reserved[2], ifindex[4], arphrd[2], packet_type, address_length;
    uint8_t address[8];
};

struct ipv4_header {
    uint8_t version_length, tos, total_length[2], id[2], fragment[2];
    uint8_t ttl, protocol, checksum[2], src[4], dst[4];
};

enum {
    IPV4_FRAGMENT = 0x3fff, /* of the field: an offset, or more to come */
    IPV4_DONT_FRAGMENT = 0x4000,
    IPV4_DONT_FRAGMENT_SHIFT = 5, /* to LA_IP_DONT_FRAGMENT */
};

_Static_assert(IPV4_DONT_FRAGMENT >> IPV4_DONT_FRAGMENT_SHIFT == LA_IP_DONT_FRAGMENT, "shifted");

struct ipv6_header {
    uint8_t version, traffic_flow[3], payload_length[2], next, hop_limit, src[16], dst[16];
};

struct tcp_header {
    uint8_t sport[2], dport[2], seq[4], ack[4], offset, flags, window[2], checksum[2], urgent[2];
};

/* All that no header is certain to fill, but for the timestamps. Addresses, ports, numbers, flags,
 * window, payload, TTL and identification are left to the IP and TCP headers, without which there
 * is no segment, and the SACK blocks to sack_count. */
static inline void begin_stamped(struct la_segment *segment, const struct la_packet *packet) {
    memset((uint8_t *)segment + LA_SEGMENT_FORM, 0, LA_SEGMENT_FORM_SIZE);
    segment->time_ns = packet->time_ns;
    segment->frame = packet->frame;
    segment->wire_bytes = packet->len;
    segment->input = packet->input;
}

static inline void begin_segment(struct la_segment *segment, const struct la_packet *packet) {
    begin_stamped(segment, packet);
    segment->tsval = segment->tsecr = 0;
}

static inline void note_sll_direction(struct la_segment *segment, unsigned packet_type) {
    enum { TO_US = 0, OUTGOING = 4 };
    if (packet_type == OUTGOING)
        segment->options |= LA_SENT_BY_CAPTURER;
    else if (packet_type == TO_US)
        segment->options |= LA_FOR_CAPTURER;
}

static inline uint16_t ip_options(const struct ipv4_header *ip) {
    return be16(ip->fragment) >> IPV4_DONT_FRAGMENT_SHIFT & LA_IP_DONT_FRAGMENT;
}

static inline void note_ipv4(struct la_segment *segment, const struct ipv4_header *ip) {
    la_addr_set_v4(&segment->src, ip->src);
    la_addr_set_v4(&segment->dst, ip->dst);
    segment->ip_id = be16(ip->id);
    segment->ttl = ip->ttl;
    segment->options &= (uint16_t) ~(LA_IP_DONT_FRAGMENT | LA_IP_REASSEMBLED);
    segment->options |= ip_options(ip);
}

static inline void note_ipv6(struct la_segment *segment, const struct ipv6_header *ip) {
    segment->src = la_addr_from_v6(ip->src);
    segment->dst = la_addr_from_v6(ip->dst);
    segment->ip_id = 0;
    segment->ttl = ip->hop_limit;
    segment->options &= (uint16_t) ~(LA_IP_DONT_FRAGMENT | LA_IP_REASSEMBLED);
}

/* Acknowledgement, offset, flags and window, as one word. */
static inline uint64_t tcp_ack_window(const struct tcp_header *tcp) {
    return be64((const uint8_t *)tcp + offsetof(struct tcp_header, ack));
}

static inline uint32_t tcp_header_size(uint64_t ack_window) {
    return (uint32_t)ack_window >> 26 & 0x3c;
}

/* Fields that lie in a segment as those of a header do on the wire, all in the reverse order: eight
 * bytes from `at` on. */
static inline void put_turned_round(struct la_segment *segment, size_t at, uint64_t value) {
    memcpy((uint8_t *)segment + at, &value, sizeof value);
}

_Static_assert(offsetof(struct la_segment, dport) == offsetof(struct la_segment, seq) + 4 &&
                   offsetof(struct la_segment, sport) == offsetof(struct la_segment, seq) + 6 &&
                   offsetof(struct la_segment, tsval) == offsetof(struct la_segment, tsecr) + 4,
               "side by side");

static inline void note_tcp(struct la_segment *segment, const struct tcp_header *tcp,
                            uint64_t ack_window) {
    uint64_t ports_seq = be64((const uint8_t *)tcp);
    if (TURNED_ROUND) {
        put_turned_round(segment, offsetof(struct la_segment, seq), ports_seq);
    } else {
        segment->sport = (uint16_t)(ports_seq >> 48);
        segment->dport = (uint16_t)(ports_seq >> 32);
        segment->seq = (uint32_t)ports_seq;
    }
    segment->ack = (uint32_t)(ack_window >> 32);
    segment->flags = tcp->flags;
    segment->window = (uint16_t)ack_window;
}

enum { WINDOW_SCALE_MAX = 14 }; /* greater ones are used as 14 (RFC 7323, 2.3) */

static inline void note_window_scale(struct la_segment *segment, uint8_t scale) {
    segment->window_scale = scale <= WINDOW_SCALE_MAX ? scale : WINDOW_SCALE_MAX;
    segment->options |= LA_HAS_WINDOW_SCALE;
}

/* Both, as they lie one behind the other. */
static inline void note_timestamps(struct la_segment *segment, const uint8_t timestamps[8]) {
    uint64_t both = be64(timestamps);
    if (TURNED_ROUND) {
        put_turned_round(segment, offsetof(struct la_segment, tsecr), both);
    } else {
        segment->tsval = (uint32_t)(both >> 32);
        segment->tsecr = (uint32_t)both;
    }
}

/* RFC 7323, Appendix A: what nearly every segment carries, and nothing else. */
enum { NOP_NOP_TIMESTAMPS = 0x0101080a, STAMPED_HEADER = sizeof(struct tcp_header) + 12 };

static inline bool note_bare_timestamps(struct la_segment *segment, const uint8_t *options) {
    if (be32(options) != NOP_NOP_TIMESTAMPS)
        return false;
    note_timestamps(segment, options + 4);
    segment->options |= LA_HAS_TIMESTAMPS;
    return true;
}

/* The SYNs of Linux: MSS, SACK permitted, timestamps, NOP, window scale. */
enum { HEADER_OF_SYN = sizeof(struct tcp_header) + 20 };

static inline bool note_options_of_syn(struct la_segment *segment, const uint8_t *options) {
    enum { MSS_HEAD = 0x0204, SACK_AND_TIMESTAMPS = 0x0402080a, NOP_AND_WINDOW_SCALE = 0x010303 };
    if (be16(options) != MSS_HEAD || be32(options + 4) != SACK_AND_TIMESTAMPS ||
        be32(options + 16) >> 8 != NOP_AND_WINDOW_SCALE)
        return false;
    note_timestamps(segment, options + 8);
    segment->mss = be16(options + 2);
    note_window_scale(segment, options[19]);
    segment->options |= LA_HAS_TIMESTAMPS | LA_HAS_MSS | LA_HAS_SACK_PERMITTED;
    return true;
}

/* Options in an order that nearly all segments of their size have, read in one look; all of `size`
 * bytes are there. False, and nothing noted, when they are to be read one by one. */
static inline __attribute__((always_inline)) bool
note_usual_options(struct la_segment *segment, const uint8_t *options, uint32_t size) {
    switch (size) {
    case 0:
        return true;
    case 12:
        return note_bare_timestamps(segment, options);
    case 20:
        return note_options_of_syn(segment, options);
    default:
        return false;
    }
}

#endif
