/* Serial arithmetic (RFC 1982) on 32-bit TCP sequence numbers and timestamps.
 *
 * The only place where such numbers are compared: they wrap, and a plain `<` is wrong once every
 * 4 GiB. All values are in host order. */
#ifndef LA_BASE_SEQ_H
#define LA_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* Signed distance from `b` to `a`: positive when `a` is later. */
static inline int32_t seq_diff(uint32_t a, uint32_t b) {
    return (int32_t)(a - b);
}

static inline bool seq_lt(uint32_t a, uint32_t b) {
    return seq_diff(a, b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b) {
    return seq_diff(a, b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b) {
    return seq_lt(a, b) ? b : a;
}

/* True when `x` lies in [from, from + length). */
static inline bool seq_within(uint32_t x, uint32_t from, uint32_t length) {
    return x - from < length;
}

#endif
