/* How many of a client host's ports towards one service are in use. Internal to this room. */
#ifndef LA_DIAGNOSE_PORTS_H
#define LA_DIAGNOSE_PORTS_H

#include "diagnose/episode.h"

struct port_use {
    int64_t held, held_ns;     /* sockets at a time, at most, TIME-WAIT included; and when */
    int64_t time_waits;        /* of them at that moment */
    int64_t range;             /* how many there are */
    int64_t lowest, highest;   /* of the range */
    const char *source;        /* "settings", "seen" or "profile" */
    int64_t used, even;        /* different ones, in all */
    int64_t full_ns, lasts_ns; /* since when, and how long, 99 % of them were held; -1: never */
    int64_t begin_ns;          /* when a tenth of them was held for the first time */
};

/* False when the edge is too small to bother, or out of memory. */
bool read_port_use(const struct la_crossing *crossing, const struct la_edge_line *line,
                   struct port_use *use);

#endif
