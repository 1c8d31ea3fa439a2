/* How far each link of a capture was listened to. Captures of several interfaces lie side by side,
 * and one of them may end before the others; the files of a rotated set follow each other. And of
 * what comes out of a tunnel nobody listens any more where nothing else does. Internal to this
 * room. */
#ifndef LA_ANALYSIS_LINKS_H
#define LA_ANALYSIS_LINKS_H

#include "base/time.h"
#include "track/tracker.h"

struct link_span {
    int64_t first_ns, last_ns; /* LA_TIME_NONE: without a packet */
};

/* Up to when the link of each input was captured: its own end, or that of what follows it. */
void link_ends(const struct link_span *spans, size_t count, int64_t *ends);

/* Longer than anything is waited for. */
#define LINK_PAUSE_NS (900 * LA_SEC)

/* The last packet of each combination of tunnels, and where long none came. False when there was no
 * room for the combination, or for a pause. */
bool link_note_tunnels(struct la_tunnel_end *ends, size_t *count, uint16_t tunnels,
                       int64_t time_ns);

#endif
