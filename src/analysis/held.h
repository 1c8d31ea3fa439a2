/* Findings of single attempts, which wait until everything was merged: where their client turns out
 * to have scanned, they are no troubles of their own. Internal to this room. */
#ifndef LA_ANALYSIS_HELD_H
#define LA_ANALYSIS_HELD_H

#include "diagnose/diagnose.h"

struct held;

/* NULL when out of memory. Nothing is taken from the system before the first finding. */
struct held *held_new(void);
void held_free(struct held *held);
/* One thread at a time. A failure is remembered, and told by held_release(). */
void held_add(struct held *held, const struct la_finding *finding);
/* Hands on what the crossing does not explain. LA_OK, LA_ENOMEM or LA_EOUTPUT (TMPDIR is full). */
enum la_status held_release(struct held *held, const struct la_crossing *crossing,
                            la_finding_sink *sink, void *context, struct la_error *err);

#endif
