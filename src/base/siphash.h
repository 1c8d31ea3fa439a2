/* SipHash-1-3: a keyed hash, so that a hostile capture cannot choose its buckets. */
#ifndef LA_BASE_SIPHASH_H
#define LA_BASE_SIPHASH_H

#include <stdint.h>

struct la_hash_key {
    uint64_t k0, k1;
};

/* A fresh random key (getrandom); falls back on the clock where there is no entropy. */
struct la_hash_key la_hash_key_random(void);

/* Hashes `count` 64-bit words. */
uint64_t la_siphash(const struct la_hash_key *key, const uint64_t *words, unsigned count);

#endif
