/* Hosts that scanned others. Internal to this room. */
#ifndef LA_DIAGNOSE_SCAN_H
#define LA_DIAGNOSE_SCAN_H

#include "diagnose/diagnose.h"

struct la_scan {
    const struct la_host_line *host;
    int64_t first_ns, last_ns; /* of the first attempts at its targets */
    uint64_t targets, hosts, ports;
    uint64_t refused, unanswered, half_open; /* attempts */
    uint64_t opened;                         /* services that it connected to meanwhile */
};

/* All of them, by host and time: owned by the caller. NULL with `*count` SIZE_MAX: out of memory.
 */
struct la_scan *find_scans(const struct la_overview *overview, size_t *count);

/* Whether an attempt of that client, which began then, is one of the scan's. */
bool scan_holds(const struct la_scan *scan, const struct la_addr *client, int64_t first_ns);

#endif
