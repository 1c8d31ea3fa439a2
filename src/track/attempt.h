/* A SYN that nobody has answered yet, as it lies on the shelf: the segment itself, in a fraction of
 * a live record. A flood leaves millions of them. When anything else of its 4-tuple comes, it is
 * taken in as if it had come only then. Internal to this room. */
#ifndef LA_TRACK_ATTEMPT_H
#define LA_TRACK_ATTEMPT_H

#include "decode/segment.h"
#include "track/shelf.h"

struct attempt {
    struct shelf_item item;
    uint64_t frame;
    uint32_t seq, tsval;
    uint16_t input, window, options, ip_id, mss, wire_bytes;
    uint16_t lives; /* of its 4-tuple, with this one */
    uint8_t flags, ttl, window_scale;
    uint8_t side; /* that sent it */
};

/* Whether the segment is a SYN of which a struct attempt leaves nothing out. */
bool attempt_fits(const struct la_segment *segment);
/* `attempt->item` is the table's. */
void attempt_write(struct attempt *attempt, const struct la_segment *segment, unsigned side);
/* Whether two differ in nothing but who sent them when, and in the numbers that count up. */
bool attempt_is_alike(const struct attempt *one, const struct attempt *other);
/* The segment again, but for its addresses and ports. */
void attempt_read(const struct attempt *attempt, struct la_segment *segment);

#endif
