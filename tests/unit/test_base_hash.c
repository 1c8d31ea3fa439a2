/* The keyed hash against its definition, and how it spreads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

/* (2^64 + 3) * 5 + 2^127 * 2 + (2 * 2^64 + 7), by hand. */
static void it_is_what_the_formula_says(void **unused) {
    (void)unused;
    struct la_hash_key key;
    memset(&key, 0, sizeof key);
    key.factor[0].high = 1;
    key.factor[0].low = 3;
    key.factor[1].high = UINT64_C(1) << 63;
    key.summand.high = 2;
    key.summand.low = 7;
    const uint64_t words[2] = {5, 2};
    assert_true(la_hash(&key, words, 2) == la_hash_scatter(7)); /* 5 + 2; 2^128 is gone */
    key.summand.low = UINT64_MAX;                               /* 3 * 5 makes it overflow */
    assert_true(la_hash(&key, words, 2) == la_hash_scatter(8));
    key.factor[0].low = UINT64_C(1) << 63; /* times 5: 2.5 * 2^64 */
    key.summand.low = 0;
    assert_true(la_hash(&key, words, 2) == la_hash_scatter(9));
}

static void products_have_the_upper_half_that_they_should(void **unused) {
    (void)unused;
    assert_true(la_multiply_high(UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
    assert_true(la_multiply_high(UINT64_C(1) << 63, 6) == 3);
    assert_true(la_multiply_high(UINT64_C(0xffffffff), UINT64_C(0xffffffff)) == 0);
    assert_true(la_multiply_high(UINT64_C(0x123456789abcdef0), UINT64_C(0xfedcba9876543210)) ==
                UINT64_C(0x121fa00ad77d7422));
}

static void every_bit_of_key_and_message_counts(void **unused) {
    (void)unused;
    const struct la_hash_key key = la_hash_key_random();
    const uint64_t words[2] = {7, 11};
    uint64_t hash = la_hash(&key, words, 2);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t flip = UINT64_C(1) << bit;
        const uint64_t first[2] = {words[0] ^ flip, words[1]},
                       last[2] = {words[0], words[1] ^ flip};
        assert_true(la_hash(&key, first, 2) != hash && la_hash(&key, last, 2) != hash);
    }
}

/* The fullest bucket of 65,536, by the upper or the lower half of the tags of as many connections.
 */
static unsigned fullest_bucket(uint32_t (*tag_of)(const struct la_hash_key *key, uint32_t i)) {
    static uint8_t upper[65536], lower[65536];
    const struct la_hash_key key = la_hash_key_random();
    unsigned worst = 0;
    memset(upper, 0, sizeof upper);
    memset(lower, 0, sizeof lower);
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t tag = tag_of(&key, i);
        uint8_t a = ++upper[tag >> 16], b = ++lower[tag & 0xffff];
        worst = a > worst ? a : worst;
        worst = b > worst ? b : worst;
    }
    return worst;
}

/* What captures are made of: addresses and ports that count up. */
static uint32_t tag_of_words(const struct la_hash_key *key, uint32_t i) {
    const uint64_t words[2] = {UINT64_C(0x0a00000100000000) + i / 256,
                               UINT64_C(443) << 32 | (32768 + i % 256) << 16};
    return (uint32_t)(la_hash(key, words, 2) >> 32);
}

static uint32_t tag_of_pairs(const struct la_hash_key *key, uint32_t i) {
    const uint32_t words[4] = {UINT32_C(0x0a000001) + i / 256, UINT32_C(0xc0a80001),
                               (32768 + i % 256) << 16 | 443, 0};
    return la_hash_pairs(key, words);
}

/* In buckets of 1 on average even the fullest one of a random function has 8 or 9. */
static void what_counts_up_is_spread(void **unused) {
    (void)unused;
    assert_true(fullest_bucket(tag_of_words) < 20);
    assert_true(fullest_bucket(tag_of_pairs) < 20);
}

/* (2^32 + 3 + 20) * (5 + 10) + (2 + 40) * (2^33 + 30), by hand: 15 and 84 in the upper half. */
static void pairs_are_what_the_formula_says(void **unused) {
    (void)unused;
    struct la_hash_key key;
    memset(&key, 0, sizeof key);
    key.factor[0].low = (UINT64_C(1) << 32) + 3;
    key.factor[0].high = 5;
    key.factor[1].low = 2;
    key.factor[1].high = UINT64_C(1) << 33;
    const uint32_t words[4] = {10, 20, 30, 40};
    uint32_t sum = 15 + 84, scattered = (sum ^ sum >> 16) * UINT32_C(0x9e3779b1);
    scattered ^= scattered >> 15;
    assert_true(la_hash_pairs(&key, words) == scattered);
    key.summand.low = UINT64_C(1) << 32; /* one more, and another hash */
    assert_true(la_hash_pairs(&key, words) != scattered);
}

static void every_bit_of_four_words_counts(void **unused) {
    (void)unused;
    const struct la_hash_key key = la_hash_key_random();
    const uint32_t words[4] = {7, 11, 13, 17};
    unsigned same = 0;
    for (unsigned bit = 0; bit < 128; bit++) {
        uint32_t flipped[4];
        memcpy(flipped, words, sizeof flipped);
        flipped[bit / 32] ^= UINT32_C(1) << bit % 32;
        same += la_hash_pairs(&key, flipped) == la_hash_pairs(&key, words);
    }
    assert_true(same <= 1); /* once in 30 million runs one is */
}

static void keys_differ_from_run_to_run(void **unused) {
    (void)unused;
    struct la_hash_key a = la_hash_key_random(), b = la_hash_key_random();
    assert_memory_not_equal(&a, &b, sizeof a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_formula_says),
        cmocka_unit_test(products_have_the_upper_half_that_they_should),
        cmocka_unit_test(every_bit_of_key_and_message_counts),
        cmocka_unit_test(what_counts_up_is_spread),
        cmocka_unit_test(pairs_are_what_the_formula_says),
        cmocka_unit_test(every_bit_of_four_words_counts),
        cmocka_unit_test(keys_differ_from_run_to_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
