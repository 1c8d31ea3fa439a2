#include "analysis/links.h"

/* The next file of a set begins with the packet after the last one, by a clock that may step. */
#define FOLLOWS_NS (1 * LA_SEC)

void link_ends(const struct link_span *spans, size_t count, int64_t *ends) {
    for (size_t i = 0; i < count; i++) {
        ends[i] = spans[i].last_ns;
        for (size_t j = 0; j < count && ends[i] != LA_TIME_NONE; j++)
            if (spans[j].first_ns != LA_TIME_NONE && spans[j].last_ns > ends[i] &&
                spans[j].first_ns >= spans[i].last_ns - FOLLOWS_NS)
                ends[i] = spans[j].last_ns;
    }
}

static bool go_on(struct la_tunnel_end *end, int64_t time_ns) {
    if (time_ns <= end->last_ns)
        return true;
    bool pause = time_ns - end->last_ns > LINK_PAUSE_NS;
    bool room = !pause || end->pause_count < LA_TUNNEL_PAUSES;
    if (pause && room)
        end->pauses[end->pause_count++] = (struct la_pause){end->last_ns, time_ns};
    end->last_ns = time_ns;
    return room;
}

bool link_note_tunnels(struct la_tunnel_end *ends, size_t *count, uint16_t tunnels,
                       int64_t time_ns) {
    for (size_t i = 0; i < *count; i++)
        if (ends[i].tunnels == tunnels)
            return go_on(&ends[i], time_ns);
    if (*count == LA_TUNNEL_ENDS)
        return false;
    ends[(*count)++] = (struct la_tunnel_end){.tunnels = tunnels, .last_ns = time_ns};
    return true;
}
