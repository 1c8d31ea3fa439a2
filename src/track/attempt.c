#include "track/attempt.h"

#include "track/live.h"

#include <string.h>

_Static_assert(sizeof(struct attempt) == 48, "there are millions of them");
_Static_assert(sizeof(struct attempt_kind) == 12, "compared and hashed as bytes");

bool attempt_kinds_open(struct attempt_kinds *kinds) {
    kinds->all = shapes_new();
    return kinds->all != NULL;
}

void attempt_kinds_close(struct attempt_kinds *kinds) {
    shapes_free(kinds->all);
}

size_t attempt_kinds_bytes(const struct attempt_kinds *kinds) {
    return shapes_size(kinds->all);
}

static bool fits(const struct la_segment *s) {
    bool is_syn = (s->flags & (LA_SYN | LA_ACK | LA_FIN | LA_RST)) == LA_SYN;
    return is_syn && s->ack == 0 && s->payload == 0 && s->tsecr == 0 && s->sack_count == 0 &&
           s->tunnels == 0 && s->vlans[0] == 0 && s->vlans[1] == 0 && s->wire_bytes <= UINT16_MAX;
}

uint16_t attempt_kind_of(struct attempt_kinds *kinds, const struct la_segment *s, uint16_t lives) {
    if (!fits(s))
        return SHAPE_NONE;
    const struct attempt_kind kind = {.input = s->input,
                                      .options = s->options,
                                      .mss = s->mss,
                                      .wire_bytes = (uint16_t)s->wire_bytes,
                                      .lives = lives,
                                      .flags = s->flags,
                                      .window_scale = s->window_scale};
    if (kinds->last_number != SHAPE_NONE && memcmp(&kind, &kinds->last, sizeof kind) == 0)
        return kinds->last_number;
    kinds->last = kind;
    kinds->last_number =
        (uint16_t)shapes_number(kinds->all, (const uint8_t *)(const void *)&kind, sizeof kind);
    return kinds->last_number;
}

void attempt_write(struct attempt *attempt, const struct la_segment *s, uint16_t kind,
                   unsigned side) {
    attempt->item.expire_ns = s->time_ns + LIVE_REMEMBERED_NS;
    attempt->frame = s->frame;
    attempt->seq = s->seq;
    attempt->tsval = s->tsval;
    attempt->window = s->window;
    attempt->ip_id = s->ip_id;
    attempt->kind = kind;
    attempt->ttl = s->ttl;
    attempt->side = (uint8_t)side;
}

static struct attempt_kind kind_at(const struct attempt_kinds *kinds,
                                   const struct attempt *attempt) {
    struct attempt_kind kind;
    memcpy(&kind, shapes_bytes(kinds->all, attempt->kind), sizeof kind);
    return kind;
}

uint16_t attempt_lives(const struct attempt_kinds *kinds, const struct attempt *attempt) {
    return kind_at(kinds, attempt).lives;
}

void attempt_read(const struct attempt_kinds *kinds, const struct attempt *attempt,
                  struct la_segment *s) {
    const struct attempt_kind kind = kind_at(kinds, attempt);
    memset(s, 0, sizeof *s);
    s->time_ns = attempt->item.expire_ns - LIVE_REMEMBERED_NS;
    s->frame = attempt->frame;
    s->seq = attempt->seq;
    s->tsval = attempt->tsval;
    s->input = kind.input;
    s->window = attempt->window;
    s->options = kind.options;
    s->ip_id = attempt->ip_id;
    s->mss = kind.mss;
    s->wire_bytes = kind.wire_bytes;
    s->flags = kind.flags;
    s->ttl = attempt->ttl;
    s->window_scale = kind.window_scale;
}
