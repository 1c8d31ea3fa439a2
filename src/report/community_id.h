/* Community ID version 1: a name for a flow that other tools (Zeek, Suricata, Arkime) compute
 * alike. */
#ifndef LA_REPORT_COMMUNITY_ID_H
#define LA_REPORT_COMMUNITY_ID_H

#include "base/addr.h"

#include <stdint.h>

struct la_flow {
    struct la_addr src, dst;
    uint16_t sport, dport;
};

enum { LA_COMMUNITY_ID_TEXT = 32 };

/* Writes the ID of a TCP flow, the same for both of its directions, and returns `buf`. */
const char *la_community_id(const struct la_flow *flow, char buf[LA_COMMUNITY_ID_TEXT]);

#endif
