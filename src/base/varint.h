/* Numbers in as few bytes as they need, seven bits in each: for records of which there are many.
 * Nothing is read with these but what was written with them in the same run. */
#ifndef LA_BASE_VARINT_H
#define LA_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LA_VARINT_MAX = 10 }; /* bytes that one takes */

static inline uint8_t *put_unsigned(uint8_t *p, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *p++ = (uint8_t)(value | 0x80);
    *p++ = (uint8_t)value;
    return p;
}

static inline uint8_t *put_signed(uint8_t *p, int64_t value) {
    return put_unsigned(p, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static inline uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t size) {
    memcpy(p, bytes, size);
    return p + size;
}

static inline void put_little_endian(uint8_t *p, uint64_t value) {
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(p, &value, sizeof value);
}

static inline uint64_t get_little_endian(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, sizeof value);
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static inline const uint8_t *get_unsigned(const uint8_t *p, uint64_t *value) {
    uint64_t v = 0;
    unsigned shift = 0;
    for (; *p & 0x80; shift += 7)
        v |= (uint64_t)(*p++ & 0x7f) << shift;
    *value = v | (uint64_t)*p++ << shift;
    return p;
}

static inline const uint8_t *get_signed(const uint8_t *p, int64_t *value) {
    uint64_t v;
    p = get_unsigned(p, &v);
    *value = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    return p;
}

static inline const uint8_t *get_bytes(const uint8_t *p, void *bytes, size_t size) {
    memcpy(bytes, p, size);
    return p + size;
}

#endif
