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

/* What the segment at `index` of the log is. A SYN-ACK, FIN or RST is none: a repeated FIN has a
 * story of its own. `age_ns`: how much longer than others it was under way, at least. */
enum la_old_copy la_read_old_copy(const struct la_connection *c, size_t index, int64_t *age_ns);

/* A bare ACK that a host in TIME-WAIT made although nothing had passed here that it could answer:
 * TIME-WAIT says nothing by itself. By the ACK's own timestamp it was not delayed. */
bool la_answers_unseen(const struct la_connection *c, size_t index);

/* `c`, which comes after `old`, is no connection: an old SYN of that one drew a SYN-ACK. */
bool la_answers_old_syn(const struct la_connection *c, const struct la_connection *old);

#endif
