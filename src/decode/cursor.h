/* The bounded cursor: the only way in which this room touches the bytes of a packet, but for
 * plain.c, which looks at once how far they go.
 *
 * It knows two ends. `remaining` is where the captured bytes end, `wire` where the bytes end that
 * were sent. A read past the first fails; whether the packet was merely cut (snaplen, a truncating
 * mirror, a short file) or contradicts itself is told by `contradicted`: only a length field of a
 * header can be contradicted, the mere size of the packet can not. */
#ifndef LA_DECODE_CURSOR_H
#define LA_DECODE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *data;
    uint32_t remaining; /* captured bytes from here on; at most `wire` */
    uint32_t wire;      /* bytes sent from here on, captured or not */
    bool bounded;       /* `wire` comes from a length field, not from the size of the packet */
    bool exact;         /* and from one that nothing inside can exceed */
    bool contradicted;  /* the last failed read went past a `wire` that a length field had set */
};

#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { TURNED_ROUND = 0 };
#else
enum { TURNED_ROUND = 1 }; /* the bytes of this machine's words, against those on the wire */
#endif

/* Big-endian values out of the byte arrays of a header. */
static inline uint16_t be16(const uint8_t bytes[2]) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return TURNED_ROUND ? __builtin_bswap16(value) : value;
}

static inline uint32_t be32(const uint8_t bytes[4]) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return TURNED_ROUND ? __builtin_bswap32(value) : value;
}

static inline uint64_t be64(const uint8_t bytes[8]) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return TURNED_ROUND ? __builtin_bswap64(value) : value;
}

static inline struct cursor cur_from(const uint8_t *data, uint32_t caplen, uint32_t len) {
    return (struct cursor){.data = data, .remaining = caplen, .wire = len < caplen ? caplen : len};
}

/* Whether the next `n` bytes were captured. */
static inline bool cur_has(struct cursor *c, uint32_t n) {
    if (n <= c->remaining)
        return true;
    c->contradicted = c->bounded && n > c->wire;
    return false;
}

static inline bool cur_skip(struct cursor *c, uint32_t n) {
    if (!cur_has(c, n))
        return false;
    c->data += n;
    c->remaining -= n;
    c->wire -= n;
    return true;
}

/* Copies `n` bytes: a header, read into a struct of nothing but uint8_t. */
static inline bool cur_copy(struct cursor *c, void *to, uint32_t n) {
    if (!cur_has(c, n))
        return false;
    memcpy(to, c->data, n);
    return cur_skip(c, n);
}

/* The next byte, without taking it. */
static inline bool cur_peek_u8(struct cursor *c, uint8_t *value) {
    if (!cur_has(c, 1))
        return false;
    *value = c->data[0];
    return true;
}

static inline bool cur_u8(struct cursor *c, uint8_t *value) {
    return cur_copy(c, value, 1);
}

static inline bool cur_u16be(struct cursor *c, uint16_t *value) {
    uint8_t bytes[2];
    if (!cur_copy(c, bytes, sizeof bytes))
        return false;
    *value = be16(bytes);
    return true;
}

static inline bool cur_u32be(struct cursor *c, uint32_t *value) {
    uint8_t bytes[4];
    if (!cur_copy(c, bytes, sizeof bytes))
        return false;
    *value = be32(bytes);
    return true;
}

/* A length field says that `n` bytes follow. Fewer than there are: the rest is padding. More than
 * there are: believed too, for a packet may have been cut before it was captured (mirrors that
 * truncate, the first fragment of a tunnel packet), and then only the field knows its true size. */
static inline void cur_limit(struct cursor *c, uint32_t n) {
    if (c->exact && n > c->wire)
        n = c->wire;
    c->wire = n;
    c->bounded = true;
    c->exact = false;
    if (c->remaining > n)
        c->remaining = n;
}

/* The same for a length that the link layer made for this very frame. An IP length beyond it has
 * counted the padding of a short Ethernet frame (some routers do): it is not believed. */
static inline void cur_limit_exact(struct cursor *c, uint32_t n) {
    cur_limit(c, n);
    c->exact = true;
}

#endif
