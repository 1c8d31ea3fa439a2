/* A closed connection as it lies on the shelf, in less than half of what it took while it was open:
 * nothing is left out, so that a late segment finds it as it was. Internal to this room. */
#ifndef LA_TRACK_PACK_H
#define LA_TRACK_PACK_H

#include "track/live.h"
#include "track/shapes.h"
#include "track/shelf.h"

/* Whether the record is worth being packed: closed by both ends and acknowledged by both, and with
 * nothing to it that is rare. */
bool live_is_packable(const struct live *live);

/* Writes all but what an item's head has to `out` (SHELF_ITEM_MAX bytes), and returns the size. */
size_t live_pack(const struct live *live, struct shapes *shapes, uint8_t *out);

/* What the head of an item says of a cleared record. */
void live_take_head(struct live *live, const struct shelf_item *item);
/* What hangs on a record that was just unpacked. */
struct unpacked {
    struct flow flow;
    uint8_t log[LA_LOG_ROWS * (LA_LOG_COMMON + LA_LOG_OWN)];
};

/* Reads a closed connection back into a cleared record. Its traffic is written into `room`, and so
 * is its log unless that stays where it was packed: all of it is borrowed. */
void live_unpack(struct live *live, struct unpacked *room, const struct shapes *shapes,
                 struct shelf_item *item);

#endif
