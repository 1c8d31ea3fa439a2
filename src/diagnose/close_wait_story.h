/* What close-wait-leak and slow-close have in common: a CLOSE-WAIT is one or the other, by whether
 * its side closed in the end. Internal to this room. */
#ifndef LA_DIAGNOSE_CLOSE_WAIT_STORY_H
#define LA_DIAGNOSE_CLOSE_WAIT_STORY_H

#include "diagnose/build.h"
#include "track/close_wait.h"

struct close_wait_story {
    unsigned side;
    struct la_close_wait wait;
    bool closed;       /* its side sent a FIN or RST of its own accord */
    int64_t quiet_ns;  /* how long it was quiet */
    int64_t proven_ns; /* how much of that is proven by what its side sent meanwhile; 0: nothing */
};

/* False when no side was in CLOSE-WAIT for long. */
bool close_wait_story_read(const struct la_connection *c, struct close_wait_story *story);

/* Kind, time, severity, who is responsible, evidence, exclusions, and the details `age` and
 * `quiet`; summary and confidence are left. */
void close_wait_story_write(struct la_finding *f, enum la_kind kind, const struct la_connection *c,
                            const struct close_wait_story *story);

/* Whether the signs of life reach as far as the severity goes, and over most of the time. */
bool close_wait_is_proven(const struct close_wait_story *story);

#endif
