/* Datagrams in fragments, reassembled as far as a TCP header needs: the first bytes, and which
 * ranges have come. Private to this room. */
#ifndef LA_DECODE_FRAGMENT_H
#define LA_DECODE_FRAGMENT_H

#include "decode/cursor.h"
#include "decode/decode.h"

enum {
    FRAGMENT_OPEN_MAX = 1024, /* datagrams open at a time */
    FRAGMENT_HEAD = 192,      /* kept of each: a TCP header of 60 bytes behind an authentication
                                 header or some IPv6 options */
    FRAGMENT_UNIT = 8,        /* offsets count these (RFC 791, 3.1) */
    FRAGMENT_DATAGRAM_MAX = 65536,
};

/* What makes two fragments belong together (RFC 791, 3.2; RFC 8200, 4.5), at one capture point:
 * two files that saw the same datagram must not complete each other's. No padding: it is hashed
 * and compared as bytes. */
struct fragment_key {
    struct la_addr src, dst;
    uint32_t id;
    uint32_t interface;
    uint16_t input;
    uint16_t vlans[2];
    uint8_t protocol; /* IPv4 only: RFC 8200 leaves it out */
    uint8_t version;  /* 4 or 6 */
};

struct fragment {
    struct fragment_key key;
    struct cursor bytes; /* bounded by the fragment's own length */
    int64_t time_ns;
    uint32_t offset;  /* in bytes */
    uint32_t packets; /* that count with it: more than one when it was itself reassembled */
    uint8_t protocol; /* of the datagram, as this fragment has it */
    bool more;
};

enum fragment_verdict {
    FRAGMENT_HELD,
    FRAGMENT_COMPLETE, /* `*whole` is the datagram */
    FRAGMENT_REFUSED,  /* contradicts itself or the ones before */
    FRAGMENT_DROPPED,  /* and took its datagram along: whole->packets of it */
    FRAGMENT_NO_ROOM,  /* out of memory, and nothing to evict */
};

struct fragment_whole {
    struct cursor bytes; /* borrowed until the next fragment */
    uint32_t packets;    /* held before this one */
    uint8_t protocol;    /* as the first fragment says */
};

struct fragments;

/* `counts` is borrowed: datagrams that are given up go there. Owned by the caller; NULL when out of
 * memory. */
struct fragments *fragments_new(size_t open_max, struct la_decode_counts *counts);
void fragments_free(struct fragments *fragments);
enum fragment_verdict fragments_add(struct fragments *fragments, const struct fragment *fragment,
                                    struct fragment_whole *whole);
/* Gives up all that are still open. */
void fragments_finish(struct fragments *fragments);

#endif
