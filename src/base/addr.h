/* An IP address, version 4 or 6, in one fixed-size form.
 *
 * IPv4 is held as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), which never travels on a wire as an IPv6
 * address, so the two cannot be confused and one comparison serves both. */
#ifndef LA_BASE_ADDR_H
#define LA_BASE_ADDR_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct la_addr {
    uint8_t bytes[16]; /* network order */
};

enum { LA_ADDR_TEXT = 46 }; /* as INET6_ADDRSTRLEN */

static const uint8_t la_addr_v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* `v4` points to 4 bytes in network order. Written in two words, as it is read soon after: a word
 * read over two that were just written has to wait until both have left the core. */
static inline void la_addr_set_v4(struct la_addr *addr, const uint8_t *v4) {
    uint8_t tail[8] = {[2] = 0xff, [3] = 0xff, v4[0], v4[1], v4[2], v4[3]};
    memset(addr->bytes, 0, 8);
    memcpy(addr->bytes + 8, tail, sizeof tail);
}

static inline struct la_addr la_addr_from_v4(const uint8_t *v4) {
    struct la_addr addr;
    la_addr_set_v4(&addr, v4);
    return addr;
}

/* `v6` points to 16 bytes in network order. */
static inline struct la_addr la_addr_from_v6(const uint8_t *v6) {
    struct la_addr addr;
    memcpy(addr.bytes, v6, 16);
    return addr;
}

static inline bool la_addr_is_v4(const struct la_addr *addr) {
    return memcmp(addr->bytes, la_addr_v4_prefix, sizeof la_addr_v4_prefix) == 0;
}

static inline int la_addr_cmp(const struct la_addr *a, const struct la_addr *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

/* Pairs of hosts are dealt out into classes, the same for both directions: what must be seen whole
 * for a pair lies in one class. */
enum { LA_PAIR_CLASSES = 16 };
static inline unsigned la_addr_pair_class(const struct la_addr *one, const struct la_addr *other) {
    uint64_t a[2], b[2];
    memcpy(a, one->bytes, sizeof a);
    memcpy(b, other->bytes, sizeof b);
    uint64_t h = (a[0] ^ b[0]) + ((a[1] + b[1]) * UINT64_C(0x9e3779b97f4a7c15) ^ (a[1] ^ b[1]));
    h ^= h >> 32;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    return (unsigned)(h >> 59) % LA_PAIR_CLASSES;
}

/* Writes the address as text (RFC 5952) and returns `buf`. */
const char *la_addr_format(const struct la_addr *addr, char buf[LA_ADDR_TEXT]);
/* Reads an IPv4 or IPv6 address; false when `text` is neither. */
bool la_addr_parse(const char *text, struct la_addr *out);

#endif
