/* Which side of an edge is left with its TIME-WAITs, and which settings can therefore matter there
 * and which cannot, on Linux. */
#ifndef LA_ACCOUNT_EDGE_ADVICE_H
#define LA_ACCOUNT_EDGE_ADVICE_H

#include "account/accounts.h"

struct la_edge_setting {
    const char *name; /* static, as are all texts here */
    unsigned side;    /* LA_CLIENT or LA_SERVER: at which host */
    bool matters;
    const char *why;
};

enum { LA_EDGE_SETTINGS = 8 };

/* "client", "server", "both" or "none". */
const char *la_edge_time_wait_at(const struct la_edge *edge);
/* Fills `settings` and returns how many there are. */
size_t la_edge_settings(const struct la_edge *edge,
                        struct la_edge_setting settings[LA_EDGE_SETTINGS]);

#endif
