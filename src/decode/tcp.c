/* The TCP header and its options. */
#include "base/seq.h"
#include "decode/header.h"
#include "decode/walk.h"

#include <stddef.h>

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WINDOW_SCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMPS = 8,
    OPTION_MPTCP = 30,
    OPTION_FAST_OPEN = 34,
    OPTION_EXPERIMENT = 254, /* RFC 6994: the first two bytes say which */
    EXPERIMENT_FAST_OPEN = 0xf989,
    SACK_BLOCK = 8,
    SACK_BLOCKS_MAX = 4,
};

/* Each reads the body of one option. A length that its RFC does not allow makes it absent, as it
 * does for Linux. */
typedef void (*option_reader)(struct la_segment *segment, struct cursor *body);

static void read_mss(struct la_segment *segment, struct cursor *body) {
    if (body->wire == 2 && cur_u16be(body, &segment->mss))
        segment->options |= LA_HAS_MSS;
}

static void read_window_scale(struct la_segment *segment, struct cursor *body) {
    uint8_t scale;
    if (body->wire == 1 && cur_u8(body, &scale))
        note_window_scale(segment, scale);
}

static void read_sack_permitted(struct la_segment *segment, struct cursor *body) {
    if (body->wire == 0)
        segment->options |= LA_HAS_SACK_PERMITTED;
}

static void read_timestamps(struct la_segment *segment, struct cursor *body) {
    if (body->wire != 8)
        return;
    (void)cur_u32be(body, &segment->tsval);
    (void)cur_u32be(body, &segment->tsecr);
    segment->options |= LA_HAS_TIMESTAMPS;
}

/* RFC 2883, 4: the first block tells of a duplicate when it lies below the cumulative
 * acknowledgement, or within the second block. */
static bool is_dsack(const struct la_segment *segment) {
    const uint32_t *sack = segment->sack;
    if (seq_lt(sack[0], segment->ack))
        return true;
    return segment->sack_count > 1 && seq_leq(sack[2], sack[0]) && seq_leq(sack[1], sack[3]);
}

static void read_sack(struct la_segment *segment, struct cursor *body) {
    uint32_t blocks = body->wire / SACK_BLOCK;
    if (body->wire % SACK_BLOCK != 0 || blocks == 0 || blocks > SACK_BLOCKS_MAX)
        return;
    for (uint32_t i = 0; i < 2 * blocks; i++)
        (void)cur_u32be(body, &segment->sack[i]);
    segment->sack_count = (uint8_t)blocks;
    segment->options |= LA_HAS_SACK;
    if (is_dsack(segment))
        segment->options |= LA_HAS_DSACK;
}

static void read_mptcp(struct la_segment *segment, struct cursor *body) {
    if (body->wire > 0)
        segment->options |= LA_HAS_MPTCP;
}

static void read_fast_open(struct la_segment *segment, struct cursor *body) {
    (void)body; /* empty is a request, anything else a cookie */
    segment->options |= LA_HAS_FAST_OPEN;
}

static void read_experiment(struct la_segment *segment, struct cursor *body) {
    uint16_t experiment;
    if (cur_u16be(body, &experiment) && experiment == EXPERIMENT_FAST_OPEN)
        segment->options |= LA_HAS_FAST_OPEN;
}

static const option_reader option_readers[256] = {
    [OPTION_MSS] = read_mss,
    [OPTION_WINDOW_SCALE] = read_window_scale,
    [OPTION_SACK_PERMITTED] = read_sack_permitted,
    [OPTION_SACK] = read_sack,
    [OPTION_TIMESTAMPS] = read_timestamps,
    [OPTION_MPTCP] = read_mptcp,
    [OPTION_FAST_OPEN] = read_fast_open,
    [OPTION_EXPERIMENT] = read_experiment,
};

enum progress { OPTIONS_GO_ON, OPTIONS_AT_END, OPTIONS_ARE_CUT };

/* After a failed read: a length that points out of the options ends them, too. */
static enum progress stop(const struct cursor *options) {
    return options->contradicted ? OPTIONS_AT_END : OPTIONS_ARE_CUT;
}

static enum progress read_option(struct la_segment *segment, struct cursor *options) {
    uint8_t kind, length;
    if (!cur_u8(options, &kind))
        return stop(options);
    if (kind == OPTION_END)
        return OPTIONS_AT_END;
    if (kind == OPTION_NOP)
        return OPTIONS_GO_ON;
    if (!cur_u8(options, &length))
        return stop(options);
    if (length < 2)
        return OPTIONS_AT_END;
    struct cursor body = *options;
    if (!cur_skip(options, length - 2u))
        return stop(options);
    cur_limit(&body, length - 2u);
    if (option_readers[kind])
        option_readers[kind](segment, &body);
    return OPTIONS_GO_ON;
}

void tcp_options(struct la_segment *segment, struct cursor at, uint32_t size) {
    enum progress progress;
    cur_limit(&at, size);
    do {
        progress = read_option(segment, &at);
    } while (progress == OPTIONS_GO_ON);
    if (progress == OPTIONS_ARE_CUT)
        segment->options |= LA_OPTIONS_CUT;
}

enum layer tcp_segment(struct walk *walk) {
    struct tcp_header tcp;
    struct la_segment *segment = walk->segment;
    struct cursor whole = walk->at;
    if (!cur_copy(&walk->at, &tcp, sizeof tcp))
        return walk_short(walk, PART_TCP);
    uint64_t ack_window = tcp_ack_window(&tcp);
    uint32_t size = tcp_header_size(ack_window);
    if (size < sizeof tcp || (size > whole.wire && whole.bounded))
        return walk_malformed(walk, PART_TCP);
    note_tcp(segment, &tcp, ack_window);
    segment->payload = whole.wire > size ? whole.wire - size : 0;
    uint32_t options = size - (uint32_t)sizeof tcp;
    bool whole_options = options <= walk->at.remaining;
    if (!whole_options || !note_usual_options(segment, walk->at.data, options))
        tcp_options(segment, walk->at, options);
    return LAYER_DONE;
}
