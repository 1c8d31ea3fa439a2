/* Raw packets in, TCP segments out: link layers, tunnels, IP, fragments, TCP options.
 *
 * Every byte is read through the bounded cursor of decode/cursor.h. What is not understood has a
 * reason, and every reason a counter. */
#ifndef LA_DECODE_DECODE_H
#define LA_DECODE_DECODE_H

#include "base/error.h"
#include "capture/capture.h"
#include "decode/segment.h"

/* Why a packet gave no segment although it may have been TCP. Kebab-case names:
 * la_undecoded_name(). */
enum la_undecoded {
    LA_UNDECODED_LINK_TYPE,         /* link type not known */
    LA_UNDECODED_TRUNCATED_LINK,    /* cut inside the link layer (snaplen, or a short packet) */
    LA_UNDECODED_TRUNCATED_NETWORK, /* cut inside an IP or tunnel header */
    LA_UNDECODED_TRUNCATED_TCP,     /* cut inside the fixed 20 bytes of the TCP header */
    LA_UNDECODED_MALFORMED_LINK,
    LA_UNDECODED_MALFORMED_NETWORK,   /* lengths or versions that contradict themselves */
    LA_UNDECODED_MALFORMED_TCP,       /* data offset below 5 or beyond the segment */
    LA_UNDECODED_FRAGMENT_INCOMPLETE, /* the datagram's other fragments never came, or too late */
    LA_UNDECODED_FRAGMENT_LIMIT,      /* given up under the bound on open datagrams */
    LA_UNDECODED_TOO_DEEP,            /* more encapsulations than anybody stacks */
    LA_UNDECODED_ENCRYPTED, /* ESP, MACsec, MPPE, or compressed: TCP or not, nobody can tell */
    LA_UNDECODED_COUNT,
};

enum la_decoded {
    LA_DECODED_TCP,    /* *segment is filled */
    LA_DECODED_NOTICE, /* an ICMP error about a segment, which *segment names; counted as other */
    LA_DECODED_OTHER,  /* understood, and not TCP: UDP, ICMP, ARP, ... */
    LA_DECODED_HELD,   /* a fragment: counted once its datagram is complete or given up */
    LA_DECODED_NOT,    /* *why says why */
};

/* Where every packet went: tcp + other + sum of undecoded = packets given to la_decode(), once
 * la_decoder_finish() was called. */
struct la_decode_counts {
    uint64_t tcp, other;
    uint64_t undecoded[LA_UNDECODED_COUNT];
};

struct la_decoder;

/* Owned by the caller; NULL when out of memory. */
struct la_decoder *la_decoder_new(void);
void la_decoder_free(struct la_decoder *decoder);

/* Decodes one packet. `segment` and `why` hold something only when the result says so, but are
 * written to in any case. Counts it. */
enum la_decoded la_decode(struct la_decoder *decoder, const struct la_packet *packet,
                          struct la_segment *segment, enum la_undecoded *why);

/* Decodes packets from the first on, as long as they are as plain as most are (plain.c), to what
 * la_decode() would make of them. Returns how many gave a segment, and counts them: of these only
 * the last one may have been in a tunnel. When it is none, the first packet is for la_decode(). */
size_t la_decode_plain(struct la_decoder *decoder, const struct la_packet *packets, size_t count,
                       struct la_segment *segments);

/* Gives up the fragments still held, so that the counts add up. */
void la_decoder_finish(struct la_decoder *decoder);
const struct la_decode_counts *la_decoder_counts(const struct la_decoder *decoder);

const char *la_undecoded_name(enum la_undecoded why);
/* The name of one LA_TUNNEL_ bit ("vlan", "gre", ...). */
const char *la_tunnel_name(unsigned bit);

#endif
