/* The range is what the host's settings say; else what its profile has, made wider by what was
 * seen; and only narrower where the ports come round again and again within a block that they fill.
 */
#include "diagnose/ports.h"

#include "base/settings.h"
#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>

enum { FEWEST = 50 };

static bool read_settings(const struct la_crossing *crossing, const struct la_addr *host,
                          struct port_use *use) {
    const struct la_host_settings *settings = la_hosts_settings(crossing->hosts, host);
    const char *text =
        settings ? la_host_settings_text(settings, "net.ipv4.ip_local_port_range") : NULL;
    int low, high;
    if (!text || sscanf(text, "%d %d", &low, &high) != 2 || low < 1 || high < low || high > 65535)
        return false;
    use->lowest = low;
    use->highest = high;
    use->source = "settings";
    return true;
}

/* Each port twice and more, and hardly one left out in between: whoever had more would have taken
 * others. */
static bool comes_round(const struct la_edge *edge, const struct port_use *use, int64_t low,
                        int64_t high) {
    int64_t connections = (int64_t)la_edge_connections(edge), span = high - low + 1;
    return use->used >= FEWEST && connections >= 2 * use->used && use->used * 10 >= span * 9;
}

static bool read_range(const struct la_crossing *crossing, const struct la_edge *edge,
                       struct port_use *use) {
    const struct la_profile *profile = la_hosts_profile(crossing->hosts, &edge->account.addr);
    struct la_sum_list ports;
    if (edge->ports.count == 0 || la_sums_sorted(&edge->ports, &ports) != LA_OK)
        return false;
    int64_t low = ports.items[0].key, high = ports.items[ports.count - 1].key;
    use->used = ports.count;
    use->even = 0;
    for (uint32_t i = 0; i < ports.count; i++)
        use->even += ports.items[i].key % 2 == 0;
    free(ports.items);
    if (!read_settings(crossing, &edge->account.addr, use)) {
        bool narrow = comes_round(edge, use, low, high);
        bool within = low >= profile->first_port && high <= profile->last_port;
        use->source = narrow || !within ? "seen" : "profile";
        use->lowest = narrow || low < profile->first_port ? low : profile->first_port;
        use->highest = narrow || high > profile->last_port ? high : profile->last_port;
    }
    use->range = use->highest - use->lowest + 1;
    return true;
}

static int64_t sockets_in(const int64_t *levels) {
    int64_t sockets = 0;
    for (int state = 0; state < LA_ST_COUNT; state++)
        sockets += levels[state];
    return sockets;
}

static void follow(void *context, const struct la_series_point *point) {
    struct port_use *use = context;
    int64_t held = sockets_in(point->values);
    if (held > use->held) {
        use->held = held;
        use->held_ns = point->until_ns;
        use->time_waits = point->values[LA_ST_TIME_WAIT];
    }
    if (use->begin_ns == LA_TIME_NONE && held * 10 >= use->range)
        use->begin_ns = point->until_ns;
    bool full = held * 100 >= use->range * 99;
    if (full && use->full_ns == LA_TIME_NONE)
        use->full_ns = point->until_ns;
    if (!full && use->full_ns != LA_TIME_NONE && use->lasts_ns < 0)
        use->lasts_ns = point->from_ns - use->full_ns;
}

bool read_port_use(const struct la_crossing *crossing, const struct la_edge_line *line,
                   struct port_use *use) {
    const struct la_edge *edge = line->edge;
    *use = (struct port_use){.full_ns = LA_TIME_NONE, .lasts_ns = -1, .begin_ns = LA_TIME_NONE};
    if (line->seeks || line->connections < FEWEST || edge->ports.count < FEWEST ||
        !read_range(crossing, edge, use) || la_series_walk(&edge->series, follow, use) != LA_OK)
        return false;
    if (use->full_ns != LA_TIME_NONE && use->lasts_ns < 0)
        use->lasts_ns = crossing->overview->end_ns - use->full_ns;
    return true;
}
