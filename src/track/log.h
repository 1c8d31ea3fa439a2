/* The log of a live connection: its control segments, each in a dozen bytes.
 *
 * Most connections are remembered only for what opened and closed them, for two minutes and by the
 * hundred thousand; a log of plain structures would cost ten times as much. Entries are written as
 * variable-length differences to a base that the log carries, and can only be read as a whole. */
#ifndef LA_TRACK_LOG_H
#define LA_TRACK_LOG_H

#include "base/pool.h"
#include "decode/segment.h"
#include "track/connection.h"

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised: an empty log. `from` of an entry is the side's number in the live record, not
 * yet client and server. */
struct la_log {
    uint8_t *bytes; /* from the pool */
    uint16_t used, capacity;
    uint16_t count;
    uint16_t dropped; /* entries that found no room; saturates */
};

/* What entries are written relative to: fixed for the life of the log. */
struct la_log_base {
    int64_t time_ns;
    uint64_t frame;
    uint16_t input;
    uint32_t seq[2], tsval[2]; /* by side */
    uint32_t fin[2];           /* the FINs' numbers, of a log that was joined (la_log_join) */
};

/* The last bytes are kept for what opens and closes: a day of keepalive probes must not push the
 * FIN out. */
enum { LA_LOG_MAX_BYTES = 8192, LA_LOG_MAX_COMMON = 4096, LA_LOG_MAX_ENTRY = 96 };

/* False when the entry was dropped: the log is full, or memory is. */
bool la_log_append(struct la_log *log, const struct la_log_base *base, struct la_pool *pool,
                   const struct la_observation *entry);

/* Appends an entry of which there is nothing to note but what most segments have: no RST, no
 * identity. False, and nothing done, when it has more to it, or finds no room. */
bool la_log_append_usual(struct la_log *log, const struct la_log_base *base,
                         const struct la_segment *segment, unsigned from, enum la_class class);

/* Reads all entries into `out`, which has room for log->count of them. */
void la_log_read(const struct la_log *log, const struct la_log_base *base,
                 struct la_observation *out);

/* A log of few entries, all of the usual kind, taken apart: what many connections have in common
 * (LA_LOG_COMMON bytes an entry), and what each has for itself (at most LA_LOG_OWN). Of the base
 * only the sequence numbers count. Returns the bytes of the latter; 0 when it is no such log. */
enum { LA_LOG_ROWS = 10, LA_LOG_COMMON = 3, LA_LOG_OWN = 10 };
size_t la_log_split(const struct la_log *log, const struct la_log_base *base, uint8_t *common,
                    uint8_t *own);
/* Puts log->count entries together again, at log->bytes, which has room for them, and tells of
 * either side when its last entry was, counted from the base. Such a log can be read as long as the
 * FINs are what they were, and is not appended to. */
struct la_log_end {
    int64_t elapsed_ns;
    uint64_t frames;
};
void la_log_join(struct la_log *log, const uint8_t *common, const uint8_t *own,
                 struct la_log_end ends[2]);

/* Moves a log of at most LA_LOG_MAX_COPIED entries that was joined, or whose bytes are not the
 * pool's, into the pool. False when out of memory: then it is empty. */
enum { LA_LOG_MAX_COPIED = 64 };
bool la_log_copy(struct la_log *log, const struct la_log_base *base, struct la_pool *pool);

void la_log_release(struct la_log *log, struct la_pool *pool);

#endif
