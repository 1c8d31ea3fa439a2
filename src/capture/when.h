#ifndef LA_CAPTURE_WHEN_H
#define LA_CAPTURE_WHEN_H

#include "capture/capture.h"

/* Nanoseconds since the epoch of `when` in a capture whose first packet is of `first_ns` (within
 * LA_TIME_LIMIT); `otherwise` for no bound. */
int64_t la_when_resolve(const struct la_when *when, int64_t first_ns, int64_t otherwise);

#endif
