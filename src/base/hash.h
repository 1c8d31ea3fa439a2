/* A keyed hash of a few words, so that a hostile capture cannot choose its buckets.
 *
 * Vector multiply-shift (M. Thorup, "High Speed Hashing for Integers and Strings", 2015, 3.3): over
 * the choice of the key, the hashes of any two different messages of equal length are independent
 * and uniform. That is proven, and a tenth of the work of a hash for cryptography. */
#ifndef LA_BASE_HASH_H
#define LA_BASE_HASH_H

#include <stdint.h>

enum { LA_HASH_WORDS = 12 }; /* the longest message */

/* Numbers of 128 bits: a factor for each word, and a summand. */
struct la_hash_key {
    struct {
        uint64_t low, high;
    } factor[LA_HASH_WORDS], summand;
};

/* A fresh random key (getentropy); falls back on the clock where there is no entropy. */
struct la_hash_key la_hash_key_random(void);

/* The upper half of a product. */
static inline uint64_t la_multiply_high(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
    return (uint64_t)((unsigned __int128)a * b >> 64);
#else
    uint64_t low = (a & 0xffffffff) * (b & 0xffffffff);
    uint64_t left = (a >> 32) * (b & 0xffffffff) + (low >> 32);
    uint64_t right = (a & 0xffffffff) * (b >> 32) + (left & 0xffffffff);
    return (a >> 32) * (b >> 32) + (left >> 32) + (right >> 32);
#endif
}

/* One to one, so that it takes nothing from the proof; but what counts up (addresses, ports) lies
 * in no regular distances after it, which linear probing would suffer from. */
static inline uint64_t la_hash_scatter(uint64_t hash) {
    hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
}

/* The upper half of summand + sum of factor[i] * words[i], modulo 2^128, scattered. The upper bits
 * are the better ones. `count` is at most LA_HASH_WORDS, and the same for all that is compared. */
static inline uint64_t la_hash(const struct la_hash_key *key, const uint64_t *words,
                               unsigned count) {
    uint64_t low = key->summand.low, high = key->summand.high;
    for (unsigned i = 0; i < count; i++) {
        uint64_t product = key->factor[i].low * words[i];
        low += product;
        high += (low < product) + key->factor[i].high * words[i] +
                la_multiply_high(key->factor[i].low, words[i]);
    }
    return la_hash_scatter(high);
}

/* Of four words onto one, which takes half the work: pair-multiply-shift, from the same paper, with
 * the same proof. One to one scattered as well. */
static inline uint32_t la_hash_pairs(const struct la_hash_key *key, const uint32_t words[4]) {
    uint64_t sum = key->summand.low +
                   (key->factor[0].low + words[1]) * (key->factor[0].high + words[0]) +
                   (key->factor[1].low + words[3]) * (key->factor[1].high + words[2]);
    uint32_t hash = (uint32_t)(sum >> 32);
    hash = (hash ^ hash >> 16) * UINT32_C(0x9e3779b1);
    return hash ^ hash >> 15;
}

#endif
