/* One of two numbers without a branch, where nobody could foretell it: a wrong guess costs as much
 * as a dozen instructions. Compilers make a branch of `?:` when they see fit. */
#ifndef LA_BASE_SELECT_H
#define LA_BASE_SELECT_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t la_select(bool first, uint64_t one, uint64_t other) {
    return other ^ ((one ^ other) & -(uint64_t)first);
}

#endif
