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

/* `v4` points to 4 bytes in network order. */
struct la_addr la_addr_from_v4(const uint8_t *v4);
/* `v6` points to 16 bytes in network order. */
struct la_addr la_addr_from_v6(const uint8_t *v6);
bool la_addr_is_v4(const struct la_addr *addr);

static inline int la_addr_cmp(const struct la_addr *a, const struct la_addr *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

/* Writes the address as text (RFC 5952) and returns `buf`. */
const char *la_addr_format(const struct la_addr *addr, char buf[LA_ADDR_TEXT]);
/* Reads an IPv4 or IPv6 address; false when `text` is neither. */
bool la_addr_parse(const char *text, struct la_addr *out);

#endif
