/* What the kinds that tell of waiting have in common: how an end asked in vain, and how its socket
 * ended by that. Internal to this room. */
#ifndef LA_DIAGNOSE_WAIT_STORY_H
#define LA_DIAGNOSE_WAIT_STORY_H

#include "diagnose/build.h"
#include "track/waits.h"

/* The entry with which the history of `side` ends, when its own timer ended it before the capture
 * was over; NULL. */
const struct la_change *wait_timed_out(const struct la_connection *c, unsigned side);

/* Whose numbers the probes of `side` follow: "system", "application", or NULL where nothing tells.
 */
const char *wait_origin(const struct la_connection *c, unsigned side);
extern const char *const wait_origins[];

/* The peer, or the path to it, answered nothing: who is to blame as far as the vantage tells. */
void wait_blame_silence(struct la_finding *f, const struct la_connection *c, unsigned side,
                        int64_t idle_ns);

/* A row of `side` as evidence: what the log has of it, and its last one in any case. */
void wait_show_row(struct la_finding *f, const struct la_connection *c, unsigned side,
                   const struct la_row *row, const char *role);

#endif
