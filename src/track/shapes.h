/* What thousands of closed connections, or of SYNs, have in common, kept once: options, windows,
 * counts, the order of events. Internal to this room. */
#ifndef LA_TRACK_SHAPES_H
#define LA_TRACK_SHAPES_H

#include <stddef.h>
#include <stdint.h>

enum { SHAPE_MAX = 95, SHAPE_NONE = 0 };

struct shapes;

/* NULL when out of memory. */
struct shapes *shapes_new(void);
void shapes_free(struct shapes *shapes);

/* The number of `size` bytes, from 1: the same for the same bytes. SHAPE_NONE when they are more
 * than SHAPE_MAX, when there are too many different ones to be worth it, or when out of memory. */
uint32_t shapes_number(struct shapes *shapes, const uint8_t *bytes, size_t size);
/* The bytes of a number; until the next one is asked for. */
const uint8_t *shapes_bytes(const struct shapes *shapes, uint32_t number);

size_t shapes_size(const struct shapes *shapes);

#endif
