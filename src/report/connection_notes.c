#include "report/connection_notes.h"

#include "base/varint.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Members that are written as they are, in as many bytes as their numbers need. That of a pointer
 * to what is static is a number as well, as long as the process lives. */
struct member {
    uint16_t offset, size;
};
#define MEMBER(type, name)                                                                         \
    { offsetof(struct type, name), sizeof((struct type *)0)->name }
#define CONNECTION(name) MEMBER(la_connection, name)
#define SIDE(name) MEMBER(la_endpoint, name)
#define RESET(name) MEMBER(la_reset, name)
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct member of_connection[] = {
    CONNECTION(initiator_known),  CONNECTION(incarnation), CONNECTION(opened_ns),
    CONNECTION(first.time_ns),    CONNECTION(first.frame), CONNECTION(last.time_ns),
    CONNECTION(opening),          CONNECTION(ending),      CONNECTION(first_closer),
    CONNECTION(zeek_conn_state),  CONNECTION(gaps),        CONNECTION(vlans[0]),
    CONNECTION(vlans[1]),         CONNECTION(vlans[2]),    CONNECTION(vlans[3]),
    CONNECTION(tunnels),          CONNECTION(input_count), CONNECTION(findings),
    CONNECTION(attempt_findings), CONNECTION(evicted),     CONNECTION(reset_count),
};
_Static_assert(LA_CONNECTION_VLANS == 4, "each is a member");

static const struct member of_side[] = {
    SIDE(port),
    SIDE(state),
    SIDE(change_count),
    SIDE(packets),
    SIDE(bytes),
    SIDE(data_bytes),
    SIDE(syn),
    SIDE(fin),
    SIDE(rst),
    SIDE(duplicate_acks),
    SIDE(zero_windows),
    SIDE(retransmitted_segments),
    SIDE(rtt_min_ns),
    SIDE(rtt_median_ns),
    SIDE(retransmitted_bytes),
    SIDE(mss),
    SIDE(ttl),
    SIDE(window_scale),
    SIDE(seen),
    SIDE(sack),
    SIDE(timestamps_used),
    SIDE(timestamp_hz),
};

static const struct member of_reset[] = {
    RESET(where.time_ns), RESET(where.frame), RESET(where.input), RESET(drew.time_ns),
    RESET(drew.frame),    RESET(drew.input),  RESET(by),          RESET(form),
    RESET(cause),
};

/* The most bytes that each part takes. */
enum {
    MEMBERS_MAX = (COUNT_OF(of_connection) + 2 * COUNT_OF(of_side)) * LA_VARINT_MAX,
    FIXED_MAX = MEMBERS_MAX + 1 + LA_ZEEK_HISTORY + 2 * sizeof(struct la_addr) +
                LA_CONNECTION_INPUTS * LA_VARINT_MAX,
    CHANGE_MAX = 4 * LA_VARINT_MAX,
    RESET_MAX = COUNT_OF(of_reset) * LA_VARINT_MAX,
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

static uint64_t load(const void *from, size_t size) {
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (size) {
    case 1:
        memcpy(&one, from, 1);
        return one;
    case 2:
        memcpy(&two, from, 2);
        return two;
    case 4:
        memcpy(&four, from, 4);
        return four;
    default:
        memcpy(&eight, from, 8);
        return eight;
    }
}

static uint8_t *put_members(uint8_t *out, const void *object, const struct member *members,
                            size_t count) {
    for (size_t i = 0; i < count; i++)
        out = put_unsigned(out, load((const char *)object + members[i].offset, members[i].size));
    return out;
}

/* Beside the change before. */
static uint8_t *put_changes(uint8_t *out, const struct la_endpoint *side,
                            const struct la_where *first) {
    struct la_change before = {.time_ns = first->time_ns, .frame = first->frame};
    for (size_t i = 0; i < side->change_count; i++) {
        const struct la_change *change = &side->changes[i];
        out = put_signed(out, (int64_t)((uint64_t)change->time_ns - (uint64_t)before.time_ns));
        out = put_signed(out, (int64_t)(change->frame - before.frame));
        out = put_unsigned(out, change->input);
        out = put_unsigned(out, (uint64_t)change->state << 1 | change->certain);
        before = *change;
    }
    return out;
}

static uint8_t *put_side(uint8_t *out, const struct la_endpoint *side,
                         const struct la_where *first) {
    out = put_bytes(out, &side->addr, sizeof side->addr);
    out = put_members(out, side, of_side, COUNT_OF(of_side));
    return put_changes(out, side, first);
}

static bool reserve(struct la_notes *notes, const struct la_connection *c) {
    size_t changes = c->side[0].change_count + c->side[1].change_count;
    size_t most = FIXED_MAX + changes * CHANGE_MAX + c->reset_count * RESET_MAX;
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
    uint8_t *out = put_members(notes->bytes, c, of_connection, COUNT_OF(of_connection));
    for (size_t i = 0; i < c->input_count; i++)
        out = put_unsigned(out, c->inputs[i]);
    size_t letters = strlen(c->zeek_history);
    *out++ = (uint8_t)letters;
    out = put_bytes(out, c->zeek_history, letters);
    for (size_t i = 0; i < c->reset_count; i++)
        out = put_members(out, &c->resets[i], of_reset, COUNT_OF(of_reset));
    for (int side = 0; side < 2; side++)
        out = put_side(out, &c->side[side], &c->first);
    notes->used = (size_t)(out - notes->bytes);
    return true;
}

/* Reading */

static void store(void *to, size_t size, uint64_t value) {
    uint8_t one = (uint8_t)value;
    uint16_t two = (uint16_t)value;
    uint32_t four = (uint32_t)value;
    switch (size) {
    case 1:
        memcpy(to, &one, 1);
        return;
    case 2:
        memcpy(to, &two, 2);
        return;
    case 4:
        memcpy(to, &four, 4);
        return;
    default:
        memcpy(to, &value, 8);
    }
}

static const uint8_t *get_members(const uint8_t *in, void *object, const struct member *members,
                                  size_t count) {
    uint64_t value;
    for (size_t i = 0; i < count; i++) {
        in = get_unsigned(in, &value);
        store((char *)object + members[i].offset, members[i].size, value);
    }
    return in;
}

static const uint8_t *get_changes(const uint8_t *in, size_t count, const struct la_where *first,
                                  struct la_change *changes) {
    struct la_change change = {.time_ns = first->time_ns, .frame = first->frame};
    for (size_t i = 0; i < count; i++) {
        int64_t time_ns, frame;
        uint64_t input, state;
        in = get_signed(in, &time_ns);
        in = get_signed(in, &frame);
        in = get_unsigned(in, &input);
        in = get_unsigned(in, &state);
        change.time_ns = (int64_t)((uint64_t)change.time_ns + (uint64_t)time_ns);
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

static const uint8_t *get_side(const uint8_t *in, struct la_noted *noted, int number) {
    struct la_endpoint *side = &noted->connection.side[number];
    in = get_bytes(in, &side->addr, sizeof side->addr);
    in = get_members(in, side, of_side, COUNT_OF(of_side));
    noted->changes[number] = make_room(noted->changes[number], &noted->change_capacity[number],
                                       side->change_count, sizeof *side->changes);
    side->changes = noted->changes[number];
    return side->changes ? get_changes(in, side->change_count, &noted->connection.first,
                                       noted->changes[number])
                         : NULL;
}

struct la_connection *la_noted_read(struct la_noted *noted, const void *notes) {
    struct la_connection *c = &noted->connection;
    uint64_t input;
    const uint8_t *in = get_members(notes, c, of_connection, COUNT_OF(of_connection));
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
        in = get_members(in, &noted->resets[i], of_reset, COUNT_OF(of_reset));
    c->resets = noted->resets;
    for (int side = 0; side < 2 && in; side++)
        in = get_side(in, noted, side);
    return in ? c : NULL;
}
