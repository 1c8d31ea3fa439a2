/* What a server with tcp_tw_recycle would remember of each client host: the last timestamp of a
 * connection that the server closed first, for 60 s (Linux up to 4.11, tcp_v4_conn_request).
 * Internal to this room. */
#ifndef LA_TRACK_RECYCLE_H
#define LA_TRACK_RECYCLE_H

#include "track/live.h"
#include "track/table.h"

struct recycle_table;

struct recycle_table *recycle_new(struct la_pool *pool);
void recycle_free(struct recycle_table *recycle);
size_t recycle_bytes(const struct recycle_table *recycle);

/* Where the table begins to look for a pair, and by what its entry is told from most others. */
struct recycle_home {
    size_t slot;
    uint8_t tag;
    bool is_syn;
};

/* Of the segments of a group, at most RECYCLE_ASKED, those that are looked up. */
enum { RECYCLE_ASKED = 32 };
struct recycle_asked {
    size_t count;
    struct recycle_home homes[RECYCLE_ASKED];
};

/* Ask for the memory in which segments are going to be looked up: first the tags, later the
 * entries.
 */
void recycle_ask_tags(const struct recycle_table *recycle, const struct key *keys,
                      const struct la_segment *const *segments, size_t count,
                      struct recycle_asked *asked);
void recycle_ask_entries(const struct recycle_table *recycle, const struct recycle_asked *asked);

/* Looks at a segment that was just taken in: a client's FIN after its server's is remembered; a SYN
 * older than what is remembered becomes a suspect (its extra says so); another SYN of the same host
 * that is answered while it waits is noted with it. */
void recycle_watch(struct recycle_table *recycle, const struct taken *event);

/* Whether attempts of this client wait: else nothing that its connection with the server says
 * matters but a repeated SYN and the client's last FIN. */
bool recycle_listens(const struct recycle_table *recycle, const struct live *live, unsigned client);

/* That FIN, which has a timestamp. */
void recycle_remember(struct recycle_table *recycle, const struct live *live, unsigned client,
                      const struct la_segment *fin);

/* Whether recycle_watch() would make a suspect of a connection that begins with this SYN. */
bool recycle_suspects(const struct recycle_table *recycle, const struct key *key,
                      const struct la_segment *syn);

/* The record goes away, or waits for no answer any more. */
void recycle_forget(struct recycle_table *recycle, struct table *table, struct live *live);

#endif
