/* Asking for memory before it is looked at. What lies there need not exist: nothing is read. */
#ifndef LA_BASE_PREFETCH_H
#define LA_BASE_PREFETCH_H

#include <stddef.h>
#include <stdint.h>

enum { LA_CACHE_LINE = 64 }; /* bytes, of every machine that is common */

/* Every line of `size` bytes from there on, where a line begins, to be read. */
static inline void la_prefetch(const void *memory, size_t size) {
    for (uintptr_t line = 0; line < size; line += LA_CACHE_LINE)
        __builtin_prefetch((const void *)((uintptr_t)memory + line));
}

/* The same, to be written: another core may have it. */
static inline void la_prefetch_to_write(const void *memory, size_t size) {
    for (uintptr_t line = 0; line < size; line += LA_CACHE_LINE)
        __builtin_prefetch((const void *)((uintptr_t)memory + line), 1);
}

#endif
