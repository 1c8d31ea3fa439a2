#include "report/connection_notes.h"

#include "base/varint.h"

#include <stdlib.h>
#include <string.h>

/* Members that are written as they are, in as many bytes as their numbers need: one list of each
 * structure, for both directions. */
#define OF_CONNECTION(X)                                                                           \
    X(initiator_known)                                                                             \
    X(incarnation)                                                                                 \
    X(opening)                                                                                     \
    X(ending)                                                                                      \
    X(first_closer)                                                                                \
    X(gaps)                                                                                        \
    X(tunnels)                                                                                     \
    X(vlans[0])                                                                                    \
    X(vlans[1])                                                                                    \
    X(vlans[2])                                                                                    \
    X(vlans[3])                                                                                    \
    X(findings) X(attempt_findings) X(evicted) X(first.frame) X(input_count) X(reset_count)
_Static_assert(LA_CONNECTION_VLANS == 4, "each is a member");

#define OF_SIDE(X)                                                                                 \
    X(port)                                                                                        \
    X(state)                                                                                       \
    X(change_count)                                                                                \
    X(packets)                                                                                     \
    X(bytes)                                                                                       \
    X(data_bytes)                                                                                  \
    X(syn)                                                                                         \
    X(fin)                                                                                         \
    X(rst)                                                                                         \
    X(duplicate_acks)                                                                              \
    X(zero_windows)                                                                                \
    X(retransmitted_segments)                                                                      \
    X(retransmitted_bytes)                                                                         \
    X(rtt_min_ns) X(rtt_median_ns) X(mss) X(ttl) X(window_scale) X(seen) X(sack) X(timestamps_used)

#define OF_RESET(X)                                                                                \
    X(where.frame)                                                                                 \
    X(where.input)                                                                                 \
    X(drew.frame) X(drew.input) X(by) X(form) X(cause) X(where.time_ns) X(drew.time_ns)

/* The most bytes that each part takes. */
#define ONE_MORE(member) +1
enum {
    FIXED_MAX = (OF_CONNECTION(ONE_MORE) + 2 * (OF_SIDE(ONE_MORE))) * LA_VARINT_MAX +
                sizeof(struct la_connection), /* what is copied */
    INPUTS_MAX = LA_CONNECTION_INPUTS * LA_VARINT_MAX,
    CHANGE_MAX = 4 * LA_VARINT_MAX,
    RESET_MAX = (OF_RESET(ONE_MORE)) * LA_VARINT_MAX,
};

void la_notes_release(struct la_notes *notes) {
    free(notes->bytes);
    memset(notes, 0, sizeof *notes);
}

void la_noted_release(struct la_noted *noted) {
    free(noted->changes[0]);
    free(noted->changes[1]);
    free(noted->resets);
    memset(noted, 0, sizeof *noted);
}

/* Writing */

#define PUT(member) out = put_unsigned(out, (uint64_t)object->member);

/* Modulo 2^64: any two times have a difference. */
static uint8_t *put_time(uint8_t *out, int64_t ns, int64_t before_ns) {
    return put_signed(out, (int64_t)((uint64_t)ns - (uint64_t)before_ns));
}

/* Beside the change before. */
static uint8_t *put_changes(uint8_t *out, const struct la_endpoint *side,
                            const struct la_where *first) {
    struct la_change before = {.time_ns = first->time_ns, .frame = first->frame};
    for (size_t i = 0; i < side->change_count; i++) {
        const struct la_change *change = &side->changes[i];
        out = put_time(out, change->time_ns, before.time_ns);
        out = put_signed(out, (int64_t)(change->frame - before.frame));
        out = put_unsigned(out, change->input);
        out = put_unsigned(out, (uint64_t)change->state << 1 | change->certain);
        before = *change;
    }
    return out;
}

static uint8_t *put_side(uint8_t *out, const struct la_endpoint *object,
                         const struct la_where *first) {
    out = put_bytes(out, &object->addr, sizeof object->addr);
    out = put_bytes(out, &object->timestamp_hz, sizeof object->timestamp_hz);
    OF_SIDE(PUT)
    return put_changes(out, object, first);
}

static uint8_t *put_reset(uint8_t *out, const struct la_reset *object) {
    OF_RESET(PUT)
    return out;
}

/* What is static is where it was, as long as the process lives. */
static uint8_t *put_connection(uint8_t *out, const struct la_connection *object) {
    OF_CONNECTION(PUT)
    out = put_bytes(out, &object->zeek_conn_state, sizeof object->zeek_conn_state);
    out = put_bytes(out, &object->first.time_ns, sizeof object->first.time_ns);
    out = put_time(out, object->opened_ns, object->first.time_ns);
    return put_time(out, object->last.time_ns, object->first.time_ns);
}

static bool reserve(struct la_notes *notes, const struct la_connection *c) {
    size_t changes = c->side[0].change_count + c->side[1].change_count;
    size_t most = FIXED_MAX + INPUTS_MAX + changes * CHANGE_MAX + c->reset_count * RESET_MAX;
    if (most <= notes->capacity)
        return true;
    uint8_t *bytes = realloc(notes->bytes, 2 * most);
    if (!bytes)
        return false;
    notes->bytes = bytes;
    notes->capacity = 2 * most;
    return true;
}

bool la_notes_write(struct la_notes *notes, const struct la_connection *c) {
    if (!reserve(notes, c))
        return false;
    uint8_t *out = put_connection(notes->bytes, c);
    for (size_t i = 0; i < c->input_count; i++)
        out = put_unsigned(out, c->inputs[i]);
    size_t letters = strlen(c->zeek_history);
    *out++ = (uint8_t)letters;
    out = put_bytes(out, c->zeek_history, letters);
    for (size_t i = 0; i < c->reset_count; i++)
        out = put_reset(out, &c->resets[i]);
    for (int side = 0; side < 2; side++)
        out = put_side(out, &c->side[side], &c->first);
    notes->used = (size_t)(out - notes->bytes);
    return true;
}

/* Reading */

#define GET(member)                                                                                \
    in = get_unsigned(in, &number);                                                                \
    object->member = (__typeof__(object->member))number;

static const uint8_t *get_time(const uint8_t *in, int64_t *ns, int64_t before_ns) {
    int64_t since;
    in = get_signed(in, &since);
    *ns = (int64_t)((uint64_t)before_ns + (uint64_t)since);
    return in;
}

static const uint8_t *get_changes(const uint8_t *in, size_t count, const struct la_where *first,
                                  struct la_change *changes) {
    struct la_change change = {.time_ns = first->time_ns, .frame = first->frame};
    for (size_t i = 0; i < count; i++) {
        int64_t frame;
        uint64_t input, state;
        in = get_time(in, &change.time_ns, change.time_ns);
        in = get_signed(in, &frame);
        in = get_unsigned(in, &input);
        in = get_unsigned(in, &state);
        change.frame += (uint64_t)frame;
        change.input = (uint16_t)input;
        change.state = (uint8_t)(state >> 1);
        change.certain = state & 1;
        changes[i] = change;
    }
    return in;
}

/* Room for `count` items of `size` bytes, in the place of `items`, of which there was room for
 * `*capacity`; NULL when out of memory. */
static void *make_room(void *items, size_t *capacity, size_t count, size_t size) {
    if (items && count <= *capacity)
        return items;
    free(items);
    *capacity = 2 * count + 1;
    return malloc(*capacity * size);
}

static const uint8_t *get_side(const uint8_t *in, struct la_noted *noted, int side) {
    struct la_endpoint *object = &noted->connection.side[side];
    uint64_t number;
    in = get_bytes(in, &object->addr, sizeof object->addr);
    in = get_bytes(in, &object->timestamp_hz, sizeof object->timestamp_hz);
    OF_SIDE(GET)
    struct la_change *changes = make_room(noted->changes[side], &noted->change_capacity[side],
                                          object->change_count, sizeof *changes);
    object->changes = noted->changes[side] = changes;
    return changes ? get_changes(in, object->change_count, &noted->connection.first, changes)
                   : NULL;
}

static const uint8_t *get_reset(const uint8_t *in, struct la_reset *object) {
    uint64_t number;
    OF_RESET(GET)
    return in;
}

static const uint8_t *get_connection(const uint8_t *in, struct la_connection *object) {
    uint64_t number;
    OF_CONNECTION(GET)
    in = get_bytes(in, &object->zeek_conn_state, sizeof object->zeek_conn_state);
    in = get_bytes(in, &object->first.time_ns, sizeof object->first.time_ns);
    in = get_time(in, &object->opened_ns, object->first.time_ns);
    return get_time(in, &object->last.time_ns, object->first.time_ns);
}

struct la_connection *la_noted_read(struct la_noted *noted, const uint8_t **notes) {
    struct la_connection *c = &noted->connection;
    uint64_t input;
    const uint8_t *in = get_connection(*notes, c);
    for (size_t i = 0; i < c->input_count; i++) {
        in = get_unsigned(in, &input);
        c->inputs[i] = (uint16_t)input;
    }
    size_t letters = *in++;
    in = get_bytes(in, c->zeek_history, letters);
    c->zeek_history[letters] = '\0';
    noted->resets =
        make_room(noted->resets, &noted->reset_capacity, c->reset_count, sizeof *c->resets);
    if (!noted->resets)
        return NULL;
    for (size_t i = 0; i < c->reset_count; i++)
        in = get_reset(in, &noted->resets[i]);
    c->resets = noted->resets;
    for (int side = 0; side < 2 && in; side++)
        in = get_side(in, noted, side);
    *notes = in;
    return in ? c : NULL;
}
