/* The keyed hash against SipHash-1-3 itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"

/* Key 00 01 .. 0f, message 00 01 02 .. of 0, 8, 16 .. 56 bytes: from the reference algorithm with
 * one compression and three finalisation rounds (the first is also in Linux' lib/test_siphash.c).
 */
static const uint64_t vectors[8] = {
    UINT64_C(0xabac0158050fc4dc), UINT64_C(0x369095118d299a8e), UINT64_C(0xcc4fdd1a7d908b66),
    UINT64_C(0xf464aeb267349c8c), UINT64_C(0x81157b6c16a7b60d), UINT64_C(0xc1d2363299e41531),
    UINT64_C(0x9f3143f8df074c46), UINT64_C(0xb4bcc0db243c6d75),
};

static uint64_t little_endian(unsigned first) {
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)(first + i) << 8 * i;
    return word;
}

static void whole_words_hash_as_siphash_1_3_does(void **unused) {
    (void)unused;
    const struct la_hash_key key = {little_endian(0), little_endian(8)};
    uint64_t words[7];
    for (unsigned i = 0; i < 7; i++)
        words[i] = little_endian(8 * i);
    for (unsigned count = 0; count < 8; count++)
        assert_true(la_siphash(&key, words, count) == vectors[count]);
}

static void every_bit_of_key_and_message_counts(void **unused) {
    (void)unused;
    const struct la_hash_key key = {3, 5};
    const uint64_t words[2] = {7, 11};
    uint64_t hash = la_siphash(&key, words, 2);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t flip = UINT64_C(1) << bit;
        const struct la_hash_key k0 = {key.k0 ^ flip, key.k1}, k1 = {key.k0, key.k1 ^ flip};
        const uint64_t first[2] = {words[0] ^ flip, words[1]},
                       last[2] = {words[0], words[1] ^ flip};
        assert_true(la_siphash(&k0, words, 2) != hash && la_siphash(&k1, words, 2) != hash);
        assert_true(la_siphash(&key, first, 2) != hash && la_siphash(&key, last, 2) != hash);
    }
}

static void the_number_of_words_counts(void **unused) {
    (void)unused;
    const struct la_hash_key key = {1, 2};
    const uint64_t zeros[3] = {0, 0, 0};
    assert_true(la_siphash(&key, zeros, 1) != la_siphash(&key, zeros, 2));
    assert_true(la_siphash(&key, zeros, 2) != la_siphash(&key, zeros, 3));
}

static void keys_differ_from_run_to_run(void **unused) {
    (void)unused;
    struct la_hash_key a = la_hash_key_random(), b = la_hash_key_random();
    assert_true(a.k0 != b.k0 && a.k1 != b.k1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_words_hash_as_siphash_1_3_does),
        cmocka_unit_test(every_bit_of_key_and_message_counts),
        cmocka_unit_test(the_number_of_words_counts),
        cmocka_unit_test(keys_differ_from_run_to_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
