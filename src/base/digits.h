/* Whole numbers as decimal text, two digits at a time: of what there are millions of. */
#ifndef LA_BASE_DIGITS_H
#define LA_BASE_DIGITS_H

#include <stdint.h>
#include <string.h>

enum { LA_DIGITS_MAX = 20 }; /* of an uint64_t */

static inline void la_put_pair(char *out, unsigned below_100) {
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    memcpy(out, pairs + 2 * (size_t)below_100, 2);
}

/* The last `digits` digits of a number, with zeros before it. Returns where they end. */
static inline char *la_put_digits(char *out, uint64_t number, int digits) {
    char *end = out + digits;
    for (; digits > 1; digits -= 2, number /= 100)
        la_put_pair(out + digits - 2, (unsigned)(number % 100));
    if (digits == 1)
        *out = (char)('0' + number % 10);
    return end;
}

/* As many digits as it has. Returns where they end. */
static inline char *la_put_number(char *out, uint64_t number) {
    if (number < 10) { /* what most are */
        *out = (char)('0' + number);
        return out + 1;
    }
    int digits = 2;
    for (uint64_t limit = 100; digits < LA_DIGITS_MAX && number >= limit; limit *= 10)
        digits++;
    return la_put_digits(out, number, digits);
}

/* All nine of the nanoseconds of a second. */
static inline char *la_put_nanoseconds(char *out, uint32_t ns) {
    uint32_t upper = ns / 10000, lower = ns % 10000, middle = upper % 10000;
    out[0] = (char)('0' + upper / 10000);
    la_put_pair(out + 1, middle / 100);
    la_put_pair(out + 3, middle % 100);
    la_put_pair(out + 5, lower / 100);
    la_put_pair(out + 7, lower % 100);
    return out + 9;
}

#endif
