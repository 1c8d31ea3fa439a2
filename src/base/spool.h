/* Lines that arrive in any order and leave in one. They are sorted in memory, some hundred
 * kilobytes at a time, and written to an unlinked temporary file (in TMPDIR); the end is one merge
 * of these runs, which reads each from its beginning to its end. */
#ifndef LA_BASE_SPOOL_H
#define LA_BASE_SPOOL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines leave in the order of time, then rank, then tie; equal ones of a part in the order of
 * arrival. */
struct la_spool_key {
    int64_t time_ns;
    uint16_t rank;
    uint64_t tie;
};

struct la_spool;

/* Each of `parts` may be added to by a thread of its own. NULL when out of memory; owned by the
 * caller. */
struct la_spool *la_spool_new(unsigned parts);
void la_spool_free(struct la_spool *spool);

enum la_status la_spool_add(struct la_spool *spool, unsigned part, const struct la_spool_key *key,
                            const void *line, uint32_t length, struct la_error *err);

/* Receives a line, which it may change in place; false ends the walk. */
typedef bool la_spool_visitor(void *context, char *line, size_t length);
/* Hands out all lines in order, after which the spool is empty. LA_OK also when the visitor ended
 * it. */
enum la_status la_spool_walk(struct la_spool *spool, la_spool_visitor *visit, void *context,
                             struct la_error *err);

#endif
