/* Where the same traffic stands in two captures, one point is followed for each connection. Of the
 * other is kept what a single point cannot prove: which RSTs passed it, near whom it lies, and
 * whether it missed anything. Internal to this room. */
#ifndef LA_TRACK_ELSEWHERE_H
#define LA_TRACK_ELSEWHERE_H

#include "track/live.h"
#include "track/settle.h"

enum { ELSEWHERE_RESETS = 4 };

/* Sides by number, times by its own clock. */
struct elsewhere {
    uint16_t input;
    uint8_t ttl[2]; /* of the first packet of each side; 0: none */
    uint8_t reset_count;
    bool overflowed; /* there were more RSTs */
    bool aligned[2];
    int64_t ahead_ns[2];      /* later than at the point that is followed, by direction */
    int64_t syn_ns[2];        /* of each side's last SYN */
    int64_t turnaround_ns[2]; /* from a SYN to its answer by that side; -1: not seen */
    int64_t last_ns;
    uint32_t packets[2]; /* without RSTs */
    struct la_observation resets[ELSEWHERE_RESETS];
};

/* A packet of the second point; `same` when it is a copy of the last one of that side that was
 * followed. False when out of memory. */
bool elsewhere_note(struct live *live, struct la_pool *pool, unsigned d, const struct la_segment *s,
                    bool same);

/* Fills c->elsewhere of a view whose ends are known, and puts into its log the RSTs that only the
 * second point has and that a host in whose name they came cannot have sent. `client` is a side's
 * number. */
void elsewhere_fill(struct view *view, const struct live *live, unsigned client);

#endif
