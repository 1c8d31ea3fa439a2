/* After J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF" (2012), with one
 * compression and three finalisation rounds, as the Linux kernel uses for its tables. */
#define _DEFAULT_SOURCE /* getentropy */
#include "base/siphash.h"

#include <time.h>
#include <unistd.h>

struct la_hash_key la_hash_key_random(void) {
    struct la_hash_key key;
    if (getentropy(&key, sizeof key) != 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        key.k0 = (uint64_t)now.tv_nsec * UINT64_C(0x9e3779b97f4a7c15);
        key.k1 = (uint64_t)now.tv_sec ^ key.k0;
    }
    return key;
}

static inline uint64_t rotl(uint64_t x, unsigned b) {
    return (x << b) | (x >> (64 - b));
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s) {
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

uint64_t la_siphash(const struct la_hash_key *key, const uint64_t *words, unsigned count) {
    struct sip s = {
        .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
    };
    uint64_t length = (uint64_t)count << 59;
    for (unsigned i = 0; i < count; i++) {
        s.v3 ^= words[i];
        sip_round(&s);
        s.v0 ^= words[i];
    }
    s.v3 ^= length;
    sip_round(&s);
    s.v0 ^= length;
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
