/* Trails: short connections are one like the other, and most go a way that others went before. What
 * each segment of such a way does to a connection is found out once, by taking it in (intake.c);
 * whoever comes after only leaves its numbers behind, and is settled as the first one was, but for
 * its numbers. Whoever leaves the way, even when it was closed long since, gets the record that it
 * would have had. Internal to this room. */
#ifndef LA_TRACK_TRAIL_H
#define LA_TRACK_TRAIL_H

#include "track/live.h"
#include "track/settle.h"
#include "track/shelf.h"

struct trails;

/* The trails that one tracker knows. `pool` is borrowed. NULL when out of memory. */
struct trails *trails_new(struct la_pool *pool);
void trails_free(struct trails *trails);
size_t trails_bytes(const struct trails *trails);

/* A new record, of which nothing is set but its head and what it began with, goes on a trail with
 * its SYN. False, and nothing done, when it must not. */
bool trail_begin(struct trails *trails, struct live *live, unsigned side,
                 const struct la_segment *syn);
/* What a record on a trail has come to with its last segment. */
enum {
    TRAIL_OVER = 1 << 0,   /* live_is_over() */
    TRAIL_CLOSED = 1 << 1, /* live_is_packable() */
    TRAIL_STAMPED = 1 << 2 /* the client's FIN, with a timestamp, after its server's */
};

/* The next segment of a record on a trail; `*marks` says what it has come to. False, and nothing
 * done, when it leaves the trail. */
bool trail_go_on(struct trails *trails, struct live *live, unsigned side,
                 const struct la_segment *segment, unsigned *marks);
/* The same for a segment that is what is expected most, in fewer instructions. False, and nothing
 * done, when it is anything else. */
bool trail_go_usual_way(const struct trails *trails, struct live *live, unsigned side,
                        const struct la_segment *segment, unsigned *marks);
/* Whether a record is on a trail, and its next segment most likely closes it. */
bool trail_nears_end(const struct trails *trails, const struct live *live);
/* The record as it would be if each segment had been taken in. */
void trail_leave(struct trails *trails, struct live *live);

/* A closed connection as it lies on the shelf. */
struct trail_item {
    struct shelf_item item;
    struct trail trail;
    uint8_t steps[];
};

/* Bytes of the item of a record on a trail; and what follows its head, for which the record gives
 * what hangs on it. */
size_t trail_item_size(const struct live *live);
void trail_write(struct trails *trails, struct live *live, struct trail_item *item);
/* The record of an item, into a cleared one. */
void trail_read(const struct trails *trails, const struct trail_item *item, struct live *live);

struct last_seen trail_last_seen(const struct trails *trails, const struct trail_item *item);

/* What settling the first one that went a trail has shown is kept for the next, unless there was
 * anything remarkable about it. */
void trail_learn_story(struct trails *trails, const struct trail_item *item,
                       const struct view *view);
/* The view of an item, settled but for settle_vantage(), with what is told at once (struct
 * la_untold); lent until the next one. NULL when that story was not learnt. */
struct view *trail_tell_story(struct trails *trails, const struct settle_context *context,
                              const struct trail_item *item);
/* The rest of it, in the view that is lent. False when out of memory. */
bool trail_tell_rest(struct trails *trails, const struct settle_context *context,
                     const struct trail_item *item);

#endif
