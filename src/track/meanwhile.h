/* What was said in other connections of the same two hosts while an attempt waited for its answer,
 * or for anything beyond it. Internal to this room.
 *
 * Nothing is kept of hosts without a waiting attempt: a capture in which every SYN is answered pays
 * one comparison a segment. */
#ifndef LA_TRACK_MEANWHILE_H
#define LA_TRACK_MEANWHILE_H

#include "track/live.h"
#include "track/table.h"

struct meanwhile_table;

struct meanwhile_table *meanwhile_new(void);
void meanwhile_free(struct meanwhile_table *meanwhile);
size_t meanwhile_bytes(const struct meanwhile_table *meanwhile);

/* Nobody waits: what is neither a repeat nor a RST need not be shown to it. */
bool meanwhile_is_idle(const struct meanwhile_table *meanwhile);

/* Whether attempts wait between the hosts of this record, to which its segments are shown. */
bool meanwhile_listens(const struct meanwhile_table *meanwhile, const struct live *live);

/* Looks at a segment that was just taken in: an attempt whose SYN comes again unanswered, or is
 * refused, begins to wait; what the same hosts say elsewhere is noted with those that wait. */
void meanwhile_watch(struct meanwhile_table *meanwhile, const struct taken *event);

/* The record goes away, or waits no more: what it was told so far stays with it. */
void meanwhile_forget(struct meanwhile_table *meanwhile, struct table *table, struct live *live);

#endif
