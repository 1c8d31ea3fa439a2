/* Eight numbers, or sixteen bytes, looked at side by side. */
#ifndef LA_BASE_LANES_H
#define LA_BASE_LANES_H

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LA_LANES = 8, LA_ALL_LANES = (1 << LA_LANES) - 1 };

/* A bit for each lane, the first one lowest: set where it has that value. `lanes` is aligned to 16
 * bytes. */
static inline unsigned la_lanes_equal(const uint32_t lanes[LA_LANES], uint32_t value) {
#ifdef __SSE2__
    const __m128i *halves = (const __m128i *)(const void *)lanes;
    __m128i wanted = _mm_set1_epi32((int)value);
    __m128i low = _mm_cmpeq_epi32(halves[0], wanted), high = _mm_cmpeq_epi32(halves[1], wanted);
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(low)) |
           (unsigned)_mm_movemask_ps(_mm_castsi128_ps(high)) << 4;
#else
    unsigned equal = 0;
    for (unsigned i = 0; i < LA_LANES; i++)
        equal |= (unsigned)(lanes[i] == value) << i;
    return equal;
#endif
}

enum { LA_BYTE_LANES = 16 };

/* The same for bytes, which need not be aligned. */
static inline unsigned la_bytes_equal(const uint8_t bytes[LA_BYTE_LANES], uint8_t value) {
#ifdef __SSE2__
    __m128i all = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi8((char)value)));
#else
    unsigned equal = 0;
    for (unsigned i = 0; i < LA_BYTE_LANES; i++)
        equal |= (unsigned)(bytes[i] == value) << i;
    return equal;
#endif
}

/* The first lane of such a set, which is not empty. */
static inline unsigned la_first_lane(unsigned set) {
    return (unsigned)__builtin_ctz(set);
}

#endif
