/* The tracker: segments in, settled connections out.
 *
 * One tracker is one shard: it must be given all segments between a pair of hosts, in the order of
 * the capture. What it says of a connection depends on nothing but the segments of that pair of
 * hosts and the end of the capture. */
#ifndef LA_TRACK_TRACKER_H
#define LA_TRACK_TRACKER_H

#include "base/error.h"
#include "base/pages.h"
#include "decode/segment.h"
#include "track/connection.h"

/* Receives each connection once nothing more can happen to it. Borrowed for the call; `findings`
 * may be filled in. */
typedef void la_settled_sink(void *context, struct la_connection *connection);

struct la_tracker_options {
    struct la_pages *pages;       /* where records come from; borrowed, outlives the tracker */
    const struct la_hosts *hosts; /* profiles; borrowed, NULL for the default */
    /* Write the histories of every connection, not only of those that a diagnosis may look at. */
    bool histories;
    la_settled_sink *on_settled;
    void *context;
};

struct la_tracker;

/* Owned by the caller; NULL when out of memory. */
struct la_tracker *la_tracker_new(const struct la_tracker_options *options);
void la_tracker_free(struct la_tracker *tracker);

/* Takes segments, in the order of the capture. LA_OK or LA_ENOMEM. */
enum la_status la_tracker_segments(struct la_tracker *tracker,
                                   const struct la_segment *const *segments, size_t count);

/* The long pauses of the whole capture that are known so far, in the order of time; borrowed.
 * Before the segments that come after the last of them. */
void la_tracker_pauses(struct la_tracker *tracker, const struct la_pause *pauses, size_t count);

/* How far the parts of a capture reach that can end before the whole: where no packet of a
 * connection's input, or of its tunnels, came any more, nobody listened. Borrowed; known at the end
 * only, before la_tracker_finish(). */
enum { LA_TUNNEL_ENDS = 32, LA_TUNNEL_PAUSES = 8 };
struct la_tunnel_end {
    uint16_t tunnels; /* LA_TUNNEL_... together */
    int64_t last_ns;
    struct la_pause pauses[LA_TUNNEL_PAUSES]; /* the first long ones of what came out of them */
    size_t pause_count;
};
struct la_links {
    const int64_t *input_ends; /* by input */
    size_t input_count;
    const struct la_tunnel_end *tunnel_ends;
    size_t tunnel_count;
};
void la_tracker_links(struct la_tracker *tracker, const struct la_links *links);

/* Settles everything that is left. `end_ns` is the time of the last packet of the whole capture. */
enum la_status la_tracker_finish(struct la_tracker *tracker, int64_t end_ns);

/* Passes over every 4-tuple whose first segment is later than `newest_ns`. Not after the first
 * segment was taken; without it all are followed. */
void la_tracker_follow_until(struct la_tracker *tracker, int64_t newest_ns);

/* Bytes held now, tables included. */
size_t la_tracker_bytes(const struct la_tracker *tracker);
/* Connections held now: live, and remembered. */
size_t la_tracker_count(const struct la_tracker *tracker);

#endif
