/* When somebody listened. Files of different days make one timeline, and a capture may have been
 * stopped meanwhile: where all of it holds nothing for long, what is missing proves nothing. The
 * one place that says so: every judgement by silence asks here how long it was heard. */
#ifndef LA_TRACK_LISTENING_H
#define LA_TRACK_LISTENING_H

#include "track/connection.h"

/* Up to when somebody listened from `ns` on: the next long pause of the whole capture, or the end
 * of it, or of what of it held this connection. */
int64_t la_heard_until(const struct la_connection *c, int64_t ns);
/* Whether somebody listened all the time between two packets. */
bool la_was_heard(const struct la_connection *c, int64_t from_ns, int64_t until_ns);

#endif
