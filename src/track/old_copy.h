/* Segments that were long under way: a copy of what its sender sent before, which arrives when
 * nothing of the kind is expected any more. */
#ifndef LA_TRACK_OLD_COPY_H
#define LA_TRACK_OLD_COPY_H

#include "track/connection.h"

enum la_old_copy {
    LA_NOT_OLD,
    LA_LIKELY_OLD, /* its sender had nothing left to repeat */
    LA_SURELY_OLD, /* its own timestamp says when it was sent */
};

/* What the segment at `index` of the log is. SYN, FIN and RST are none: a repeated FIN has a story
 * of its own. `age_ns`: how much longer than others it was under way, at least. */
enum la_old_copy la_read_old_copy(const struct la_connection *c, size_t index, int64_t *age_ns);

#endif
