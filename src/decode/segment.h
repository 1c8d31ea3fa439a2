/* A TCP segment: what the decoder hands to the tracker. Plain values, host order, no pointer into
 * the packet. */
#ifndef LA_DECODE_SEGMENT_H
#define LA_DECODE_SEGMENT_H

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

/* TCP flags as on the wire (RFC 9293, 3.1). */
enum {
    LA_FIN = 0x01,
    LA_SYN = 0x02,
    LA_RST = 0x04,
    LA_PSH = 0x08,
    LA_ACK = 0x10,
    LA_URG = 0x20,
    LA_ECE = 0x40,
    LA_CWR = 0x80,
};

/* Which TCP options the segment carried, and what was odd about it. */
enum {
    LA_HAS_TIMESTAMPS = 1 << 0,   /* tsval, tsecr (RFC 7323) */
    LA_HAS_MSS = 1 << 1,          /* mss */
    LA_HAS_WINDOW_SCALE = 1 << 2, /* window_scale */
    LA_HAS_SACK_PERMITTED = 1 << 3,
    LA_HAS_SACK = 1 << 4,      /* sack, sack_count (RFC 2018) */
    LA_HAS_DSACK = 1 << 5,     /* the first block repeats what is acknowledged or lies inside the
                                  second (RFC 2883, 4) */
    LA_HAS_FAST_OPEN = 1 << 6, /* cookie or request (RFC 7413) */
    LA_OPTIONS_CUT = 1 << 7, /* the capture's snaplen ended inside the options: absent is unknown */
    LA_HAS_MPTCP = 1 << 8,
    LA_IP_DONT_FRAGMENT = 1 << 9,  /* IPv4 DF */
    LA_IP_REASSEMBLED = 1 << 10,   /* came in fragments; frame and time are the completing one's */
    LA_SENT_BY_CAPTURER = 1 << 12, /* the link layer says so: SLL/SLL2 packet type "outgoing" */
    LA_FOR_CAPTURER = 1 << 13,     /* SLL/SLL2 packet type "to us" */
    LA_IS_NOTICE = 1 << 14,        /* no segment: an ICMP error about one, see struct la_notice */
};

/* Encapsulations met on the way in, as a set. */
enum {
    LA_TUNNEL_VLAN = 1 << 0, /* at least one 802.1Q or 802.1ad tag */
    LA_TUNNEL_MPLS = 1 << 1,
    LA_TUNNEL_PPPOE = 1 << 2,
    LA_TUNNEL_IPIP = 1 << 3, /* any of v4/v6 in v4/v6 */
    LA_TUNNEL_GRE = 1 << 4,
    LA_TUNNEL_VXLAN = 1 << 5,
    LA_TUNNEL_GENEVE = 1 << 6,
    LA_TUNNEL_GTP = 1 << 7,
    LA_TUNNEL_TEREDO = 1 << 8,
    LA_TUNNEL_ERSPAN = 1 << 9,
    LA_TUNNEL_AH = 1 << 10,
    LA_TUNNEL_NSH = 1 << 11,
};

/* An ICMP error that quotes the head of a TCP segment (RFC 792; RFC 4443). It travels to that
 * segment's sender, so its direction is the quoted one's turned round. */
struct la_notice {
    struct la_addr reporter; /* who sent it */
    uint8_t type, code;      /* of ICMPv6 where the reporter's address is IPv6 */
};

/* Two lines of a cache, because segments go from core to core. Ports and sequence number, and both
 * timestamps, lie in the reverse order of that on the wire: where the machine's order of bytes is
 * the reverse as well, they are turned round as one word.
 *
 * Of a notice, addresses, ports and sequence number are those of the segment that it quotes, TTL
 * and identification its own; there are no flags and no payload. */
struct la_segment {
    int64_t time_ns;
    uint64_t frame;
    struct la_addr src, dst; /* innermost IP header; of a source route, the last address */
    uint32_t seq;
    uint16_t dport, sport;
    uint32_t ack;
    uint32_t payload;    /* bytes of TCP payload, from the IP header (or, for super-segments with IP
                            length 0, from the capture), whether captured or not */
    uint32_t wire_bytes; /* bytes of the frame on the wire */
    uint32_t tsecr, tsval; /* 0 without LA_HAS_TIMESTAMPS */
    union {
        uint32_t sack[8]; /* start, end of up to four blocks; only sack_count of them are set */
        struct la_notice notice; /* with LA_IS_NOTICE */
    };
    uint16_t ip_id;  /* the low 16 bits for IPv6, 0 without a fragment header */
    uint16_t window; /* as on the wire, unscaled */
    /* What many segments have in common, side by side: see LA_SEGMENT_FORM. */
    uint16_t input;
    uint16_t options;  /* LA_HAS_... */
    uint16_t tunnels;  /* LA_TUNNEL_... */
    uint16_t vlans[2]; /* outermost first; VLAN identifiers, 0 when absent */
    uint16_t mss;      /* 0 without LA_HAS_MSS */
    uint8_t sack_count;
    uint8_t flags;        /* LA_FIN ... */
    uint8_t ttl;          /* TTL or hop limit */
    uint8_t window_scale; /* shift count, at most 14; 0 without LA_HAS_WINDOW_SCALE */
};

_Static_assert(sizeof(struct la_segment) == 128, "two lines of a cache");

/* From here to its end, two words, a segment has no number of its own: places, options, flags, TTL.
 */
#define LA_SEGMENT_FORM offsetof(struct la_segment, input)
enum { LA_SEGMENT_FORM_SIZE = sizeof(struct la_segment) - LA_SEGMENT_FORM };
_Static_assert(LA_SEGMENT_FORM_SIZE == 2 * sizeof(uint64_t), "compared word by word");

/* Whether it opens: a SYN without ACK. */
static inline bool la_is_first(const struct la_segment *segment) {
    return (segment->flags & (LA_SYN | LA_ACK)) == LA_SYN;
}

#endif
