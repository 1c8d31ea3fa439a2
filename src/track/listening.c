#include "track/listening.h"

/* The first pause that ends after `ns`; the number of pauses when there is none. */
static size_t next_pause(const struct la_connection *c, int64_t ns) {
    size_t low = 0, high = c->pause_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->pauses[middle].until_ns > ns)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int64_t la_heard_until(const struct la_connection *c, int64_t ns) {
    size_t next = next_pause(c, ns);
    int64_t end = c->capture_end_ns - c->unheard_ns;
    bool paused = next < c->pause_count && c->pauses[next].from_ns < end;
    return paused ? c->pauses[next].from_ns : end;
}

bool la_was_heard(const struct la_connection *c, int64_t from_ns, int64_t until_ns) {
    size_t next = next_pause(c, from_ns);
    return next == c->pause_count || c->pauses[next].from_ns >= until_ns;
}
