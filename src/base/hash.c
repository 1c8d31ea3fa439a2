#define _DEFAULT_SOURCE /* getentropy */
#include "base/hash.h"

#include <time.h>
#include <unistd.h>

static uint64_t next_of(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct la_hash_key la_hash_key_random(void) {
    struct la_hash_key key;
    _Static_assert(sizeof key <= 256, "what getentropy() gives at a time");
    if (getentropy(&key, sizeof key) == 0)
        return key;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t state = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    for (int i = 0; i < LA_HASH_WORDS; i++) {
        key.factor[i].low = next_of(&state);
        key.factor[i].high = next_of(&state);
    }
    key.summand.low = next_of(&state);
    key.summand.high = next_of(&state);
    return key;
}
