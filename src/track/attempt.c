#include "track/attempt.h"

#include "track/live.h"

#include <string.h>

bool attempt_fits(const struct la_segment *s) {
    bool is_syn = (s->flags & (LA_SYN | LA_ACK | LA_FIN | LA_RST)) == LA_SYN;
    return is_syn && s->ack == 0 && s->payload == 0 && s->tsecr == 0 && s->sack_count == 0 &&
           s->tunnels == 0 && s->vlans[0] == 0 && s->vlans[1] == 0 && s->wire_bytes <= UINT16_MAX;
}

void attempt_write(struct attempt *attempt, const struct la_segment *s, unsigned side) {
    attempt->item.expire_ns = s->time_ns + LIVE_REMEMBERED_NS;
    attempt->frame = s->frame;
    attempt->seq = s->seq;
    attempt->tsval = s->tsval;
    attempt->input = s->input;
    attempt->window = s->window;
    attempt->options = s->options;
    attempt->ip_id = s->ip_id;
    attempt->mss = s->mss;
    attempt->wire_bytes = (uint16_t)s->wire_bytes;
    attempt->flags = s->flags;
    attempt->ttl = s->ttl;
    attempt->window_scale = s->window_scale;
    attempt->side = (uint8_t)side;
}

bool attempt_is_alike(const struct attempt *a, const struct attempt *b) {
    return a->input == b->input && a->window == b->window && a->options == b->options &&
           a->mss == b->mss && a->wire_bytes == b->wire_bytes && a->lives == b->lives &&
           a->flags == b->flags && a->ttl == b->ttl && a->window_scale == b->window_scale;
}

void attempt_read(const struct attempt *attempt, struct la_segment *s) {
    memset(s, 0, sizeof *s);
    s->time_ns = attempt->item.expire_ns - LIVE_REMEMBERED_NS;
    s->frame = attempt->frame;
    s->seq = attempt->seq;
    s->tsval = attempt->tsval;
    s->input = attempt->input;
    s->window = attempt->window;
    s->options = attempt->options;
    s->ip_id = attempt->ip_id;
    s->mss = attempt->mss;
    s->wire_bytes = attempt->wire_bytes;
    s->flags = attempt->flags;
    s->ttl = attempt->ttl;
    s->window_scale = attempt->window_scale;
}
