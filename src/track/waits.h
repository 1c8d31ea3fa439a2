/* How rows of probes and repeats go on, and end. Read from a settled connection; shared by the
 * steps of this room and by the diagnoses. */
#ifndef LA_TRACK_WAITS_H
#define LA_TRACK_WAITS_H

#include "track/connection.h"

/* Probes of a keepalive come at equal intervals, but for what timers are late. */
bool la_row_is_regular(const struct la_row *row);
/* When the next of a row of repeats was due: their gaps double, up to two minutes. */
int64_t la_next_repeat_ns(const struct la_row *row);
/* The timer behind a measured gap: twice `before_ns`, that of the gap before (0: none), when the
 * gap is as long as that timer makes it. */
int64_t la_doubled_timer(int64_t before_ns, int64_t gap_ns);
/* Whether a measured time is what a timer of that length makes: it fires up to an eighth late. */
bool la_fits_timer(int64_t measured_ns, int64_t timer_ns);

/* The line `rst` of the log is the RST with which its sender gave up: it comes when the probe after
 * the last of several without an answer would have been due. */
bool la_ends_keepalive(const struct la_connection *c, size_t rst);

#endif
