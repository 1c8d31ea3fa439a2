/* A SYN that nobody has answered yet, as it lies on the shelf: the segment itself, in a fraction of
 * a live record. A flood leaves millions of them, and most are of one kind. When anything else of
 * its 4-tuple comes, it is taken in as if it had come only then. Internal to this room. */
#ifndef LA_TRACK_ATTEMPT_H
#define LA_TRACK_ATTEMPT_H

#include "decode/segment.h"
#include "track/shapes.h"
#include "track/shelf.h"

struct attempt {
    struct shelf_item item;
    uint64_t frame;
    uint32_t seq, tsval;
    uint16_t window, ip_id;
    uint16_t kind; /* number of its struct attempt_kind */
    uint8_t ttl;
    uint8_t side; /* that sent it */
};

/* What the SYNs of one program on one system have in common; without gaps. */
struct attempt_kind {
    uint16_t input, options, mss, wire_bytes;
    uint16_t lives; /* of its 4-tuple, with this one */
    uint8_t flags, window_scale;
};

struct attempt_kinds {
    struct shapes *all;       /* owned */
    struct attempt_kind last; /* that was asked for, and its number; SHAPE_NONE: there was none */
    uint16_t last_number;
};

/* False when out of memory. */
bool attempt_kinds_open(struct attempt_kinds *kinds);
void attempt_kinds_close(struct attempt_kinds *kinds);
size_t attempt_kinds_bytes(const struct attempt_kinds *kinds);

/* The number of the kind of which `segment` is, in the `lives`th life of its 4-tuple. SHAPE_NONE
 * when a struct attempt would leave something of it out, or when there are too many kinds. */
uint16_t attempt_kind_of(struct attempt_kinds *kinds, const struct la_segment *segment,
                         uint16_t lives);
/* `attempt->item` is the table's. */
void attempt_write(struct attempt *attempt, const struct la_segment *segment, uint16_t kind,
                   unsigned side);
/* Whether two differ in nothing but who sent them when, and in the numbers that count up. */
static inline bool attempt_is_alike(const struct attempt *a, const struct attempt *b) {
    return a->kind == b->kind && a->window == b->window && a->ttl == b->ttl;
}
uint16_t attempt_lives(const struct attempt_kinds *kinds, const struct attempt *attempt);
/* The segment again, but for its addresses and ports. */
void attempt_read(const struct attempt_kinds *kinds, const struct attempt *attempt,
                  struct la_segment *segment);

#endif
