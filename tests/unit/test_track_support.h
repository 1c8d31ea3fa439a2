/* For the tests of src/track and what lies above it: packets in, settled connections out.
 *
 * A rig is a tracker that keeps what it settled. Packets go in one by one, by default between one
 * client and one server; every connection that comes out is checked against the laws that hold of
 * all of them (assert_lawful). */
#ifndef TEST_TRACK_SUPPORT_H
#define TEST_TRACK_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/tracker.h"

enum { CLIENT_PORT = 40000, SERVER_PORT = 80 };
#define RIG_START (INT64_C(1763647385) * LA_SEC)

/* xorshift64*: the same numbers in every run */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline unsigned pick(uint64_t *state, unsigned below) {
    return (unsigned)((next_random(state) >> 16) % below);
}

static inline bool chance(uint64_t *state, unsigned percent) {
    return pick(state, 100) < percent;
}

/* ---- packets ------------------------------------------------------------------------------- */

/* A packet as a test writes it down; what is left out is ordinary. */
struct packet {
    double ms;      /* since the start */
    unsigned flags; /* LA_SYN ... */
    uint32_t seq, ack, payload;
    uint32_t tsval, tsecr; /* TSval 0: without timestamps */
    uint16_t id;           /* IP ID; 0: one of its own */
    uint16_t input, vlan;
    uint16_t sport, dport; /* 0: as of the client or the server */
    uint16_t window;       /* 0: 65535 */
    bool server;           /* sent by the server */
    bool zero_window, sack_permitted, dsack, no_id;
    uint8_t scale; /* 0: not offered */
    uint8_t ttl;   /* 0: 64 */
};

static inline struct la_addr host_v4(unsigned number) {
    const uint8_t v4[4] = {10, 0, (uint8_t)(number >> 8), (uint8_t)number};
    return la_addr_from_v4(v4);
}

static inline struct la_segment segment_of(const struct packet *p, uint64_t frame) {
    struct la_segment s = {
        .time_ns = RIG_START + (int64_t)(p->ms * 1e6),
        .frame = frame,
        .src = host_v4(p->server ? 2 : 1),
        .dst = host_v4(p->server ? 1 : 2),
        .sport = p->server ? SERVER_PORT : CLIENT_PORT,
        .dport = p->server ? CLIENT_PORT : SERVER_PORT,
        .seq = p->seq,
        .ack = p->ack,
        .payload = p->payload,
        .wire_bytes = 60 + p->payload,
        .flags = (uint8_t)p->flags,
        .window = p->zero_window ? 0
                  : p->window    ? p->window
                                 : 65535,
        .input = p->input,
        .vlans = {p->vlan, 0},
        .ip_id = p->no_id ? 0
                 : p->id  ? p->id
                          : (uint16_t)(frame + 20000),
        .ttl = p->ttl ? p->ttl : 64,
        .tsval = p->tsval,
        .tsecr = p->tsval ? p->tsecr : 0,
        .window_scale = p->scale,
    };
    if (p->sport) {
        s.sport = p->sport;
        s.dport = p->dport;
    }
    s.options = (uint16_t)((p->tsval ? LA_HAS_TIMESTAMPS : 0) |
                           (p->sack_permitted ? LA_HAS_SACK_PERMITTED : 0) |
                           (p->scale ? LA_HAS_WINDOW_SCALE : 0));
    if (p->dsack) {
        s.options |= LA_HAS_SACK | LA_HAS_DSACK;
        s.sack_count = 1;
        s.sack[0] = p->ack - 1;
        s.sack[1] = p->ack;
    }
    return s;
}

/* ---- the laws of a settled connection ------------------------------------------------------ */

static inline void assert_lawful_history(const struct la_endpoint *end) {
    const struct la_change *changes = end->changes;
    for (size_t i = 0; i < end->change_count; i++) {
        assert_in_range(changes[i].state, 0, LA_ST_COUNT - 1);
        if (changes[i].event == LA_EV_COUNT) { /* joined in the middle */
            assert_int_equal(i, 0);
            assert_true(changes[i].state == LA_ST_UNKNOWN || changes[i].state == LA_ST_ESTAB ||
                        changes[i].state == LA_ST_SYN_SENT);
            continue;
        }
        assert_in_range(changes[i].event, 0, LA_EV_COUNT - 1);
        enum la_state before = i > 0 ? (enum la_state)changes[i - 1].state : LA_ST_CLOSED;
        assert_int_equal(la_state_next(before, (enum la_event)changes[i].event), changes[i].state);
        assert_int_not_equal(before, changes[i].state);
        if (i > 0)
            assert_true(changes[i - 1].time_ns <= changes[i].time_ns);
    }
}

static inline void assert_lawful_log(const struct la_connection *c) {
    size_t resets = 0;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        assert_in_range(o->from, 0, 1);
        assert_in_range(o->class, 0, LA_CLASS_COUNT - 1);
        assert_in_range(o->arrival, 0, LA_ARRIVAL_LOST);
        assert_int_equal((o->flags & LA_RST) != 0, o->class == LA_CLASS_RST);
        if (i > 0 && c->log[i - 1].input == o->input)
            assert_true(c->log[i - 1].frame <= o->frame);
        resets += (o->flags & LA_RST) != 0;
    }
    assert_int_equal(c->reset_count, resets);
    for (size_t i = 0; i < c->reset_count; i++) {
        assert_in_range(c->resets[i].by, 0, 1);
        assert_in_range(c->resets[i].cause, 0, LA_RESET_CAUSE_COUNT - 1);
    }
}

static inline void assert_lawful_end(const struct la_endpoint *end) {
    assert_true(end->packets >= end->syn && end->packets >= end->fin && end->packets >= end->rst);
    assert_int_equal(end->seen || end->rst > 0 || end->packets > 0, end->packets > 0);
    assert_int_equal(end->packets > 0, end->last_ns != LA_TIME_NONE);
    assert_true(end->retransmitted_segments <= end->packets);
    assert_true(end->retransmitted_segments <= end->retransmitted_bytes);
    assert_true(end->rtt_min_ns >= -1 && end->rtt_min_ns <= end->rtt_median_ns);
    assert_true(end->window_scale >= -1 && end->window_scale <= 14);
    assert_in_range(end->state, 0, LA_ST_COUNT - 1);
    assert_true(end->timestamp_hz >= 0);
    assert_false(end->fin_unseen && !end->fin_seen);
}

static inline void assert_lawful(const struct la_connection *c) {
    for (int side = 0; side < 2; side++) {
        assert_lawful_end(&c->side[side]);
        assert_lawful_history(&c->side[side]);
        assert_non_null(c->profile[side]);
    }
    assert_lawful_log(c);
    assert_true(c->side[0].packets + c->side[1].packets > 0);
    assert_true(c->incarnation >= 1);
    assert_in_range(c->opening, 0, LA_OPENING_COUNT - 1);
    assert_in_range(c->ending, 0, LA_ENDING_COUNT - 1);
    assert_in_range(c->first_closer, 0, LA_CLOSER_COUNT - 1);
    assert_in_range(c->vantage.kind, 0, LA_VANTAGE_COUNT - 1);
    assert_true(c->vantage.fraction <= 1 &&
                (c->vantage.fraction >= 0 || c->vantage.kind == LA_VANTAGE_UNKNOWN));
    assert_non_null(c->zeek_conn_state);
    assert_non_null(memchr(c->zeek_history, '\0', sizeof c->zeek_history));
    assert_in_range(c->input_count, 1, LA_CONNECTION_INPUTS);
    assert_int_equal(c->opened_ns != LA_TIME_NONE, c->initiator_known);
}

/* ---- the rig ------------------------------------------------------------------------------- */

/* A settled connection with copies of what it borrowed. */
struct settled {
    struct la_connection c;
    uint32_t previous, next; /* incarnations of the neighbours; 0: none */
    struct la_recycle recycle;
    struct la_meanwhile meanwhile;
};

struct rig {
    struct la_pages *pages;
    struct la_tracker *tracker;
    struct settled *settled;
    size_t count, capacity;
    size_t untold; /* of how many not all was told at once */
    uint64_t frame;
    int64_t end_ns;
    bool finished;
};

static inline void *copy_of(const void *items, size_t count, size_t size) {
    void *copy = calloc(count + 1, size);
    assert_non_null(copy);
    if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

static inline void copy_waiting(struct la_endpoint *end) {
    if (end->keepalive)
        end->keepalive = copy_of(end->keepalive, 1, sizeof *end->keepalive);
    if (end->stalls)
        end->stalls = copy_of(end->stalls, 1, sizeof *end->stalls);
    if (end->repeats)
        end->repeats = copy_of(end->repeats, 1, sizeof *end->repeats);
}

/* Of what was told at once, telling the rest changes nothing. */
static inline void tell_rest(struct rig *rig, struct la_connection *c) {
    struct la_connection first = *c;
    la_connection_tell(c);
    assert_null(c->untold);
    if (!first.untold)
        return;
    rig->untold++;
    assert_null(first.log);
    for (int side = 0; side < 2; side++) {
        struct la_endpoint *end = &first.side[side], *whole = &c->side[side];
        end->bytes = whole->bytes;
        end->data_bytes = whole->data_bytes;
        end->rtt_median_ns = whole->rtt_median_ns;
        end->isn = whole->isn;
        end->next = whole->next;
        end->fin_end = whole->fin_end;
        end->acked = whole->acked;
        end->window = whole->window;
        end->tsval = whole->tsval;
        end->last_data_ns = whole->last_data_ns;
        assert_memory_equal(end, whole, sizeof *end);
    }
    first.last.frame = c->last.frame;
    first.log = c->log;
    first.untold = NULL;
    assert_memory_equal(&first, c, sizeof first);
}

static inline void keep_settled(void *context, struct la_connection *c) {
    struct rig *rig = context;
    tell_rest(rig, c);
    assert_lawful(c);
    if (rig->count == rig->capacity) {
        rig->capacity = rig->capacity ? rig->capacity * 2 : 16;
        rig->settled = realloc(rig->settled, rig->capacity * sizeof *rig->settled);
        assert_non_null(rig->settled);
    }
    struct settled *s = &rig->settled[rig->count++];
    s->c = *c;
    s->previous = c->previous ? c->previous->incarnation : 0;
    s->next = c->next ? c->next->incarnation : 0;
    s->c.previous = s->c.next = NULL;
    s->recycle = c->recycle ? *c->recycle : (struct la_recycle){.stored_tsval = 0};
    s->meanwhile = c->meanwhile ? *c->meanwhile : (struct la_meanwhile){.waiting = 0};
    s->c.recycle = NULL;
    s->c.meanwhile = NULL;
    s->c.log = copy_of(c->log, c->log_count, sizeof *c->log);
    s->c.icmp = copy_of(c->icmp, c->icmp_count, sizeof *c->icmp);
    s->c.resets = copy_of(c->resets, c->reset_count, sizeof *c->resets);
    for (int side = 0; side < 2; side++) {
        s->c.side[side].changes = copy_of(c->side[side].changes, c->side[side].change_count,
                                          sizeof *c->side[side].changes);
        copy_waiting(&s->c.side[side]);
    }
}

static inline void rig_open(struct rig *rig) {
    memset(rig, 0, sizeof *rig);
    rig->pages = la_pages_new();
    assert_non_null(rig->pages);
    struct la_tracker_options options = {
        .pages = rig->pages, .histories = true, .on_settled = keep_settled, .context = rig};
    rig->tracker = la_tracker_new(&options);
    rig->end_ns = LA_TIME_NONE;
    assert_non_null(rig->tracker);
}

static inline void rig_take(struct rig *rig, const struct la_segment *segment) {
    if (segment->time_ns > rig->end_ns)
        rig->end_ns = segment->time_ns;
    assert_int_equal(la_tracker_segments(rig->tracker, &segment, 1), LA_OK);
}

static inline void send_packet(struct rig *rig, struct packet packet) {
    struct la_segment segment = segment_of(&packet, ++rig->frame);
    rig_take(rig, &segment);
}
#define send(rig, ...) send_packet(rig, (struct packet){__VA_ARGS__})

/* Settles what is left: the capture goes on for `ms` after the last packet. */
static inline void rig_finish(struct rig *rig, double ms) {
    assert_int_equal(la_tracker_finish(rig->tracker, rig->end_ns + (int64_t)(ms * 1e6)), LA_OK);
    assert_int_equal(la_tracker_count(rig->tracker), 0);
    rig->finished = true;
}

/* Finishes, and gives the only connection there was. */
static inline const struct la_connection *rig_only(struct rig *rig) {
    if (!rig->finished)
        rig_finish(rig, 600000);
    assert_int_equal(rig->count, 1);
    return &rig->settled[0].c;
}

static inline void rig_close(struct rig *rig) {
    la_tracker_free(rig->tracker);
    la_pages_free(rig->pages);
    for (size_t i = 0; i < rig->count; i++) {
        struct la_connection *c = &rig->settled[i].c;
        free((void *)c->log);
        free((void *)c->icmp);
        free((void *)c->resets);
        for (int side = 0; side < 2; side++) {
            free((void *)c->side[side].changes);
            free((void *)c->side[side].keepalive);
            free((void *)c->side[side].stalls);
            free((void *)c->side[side].repeats);
        }
    }
    free(rig->settled);
}

/* ---- usual pieces: ISNs 1000 and 5000, next numbers 1001 and 5001 -------------------------- */

static inline void send_handshake(struct rig *rig, double ms) {
    send(rig, .ms = ms, .flags = LA_SYN, .seq = 1000);
    send(rig, .ms = ms + 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 5000, .ack = 1001);
    send(rig, .ms = ms + 20, .flags = LA_ACK, .seq = 1001, .ack = 5001);
}

static inline void send_close(struct rig *rig, double ms) {
    send(rig, .ms = ms, .flags = LA_FIN | LA_ACK, .seq = 1001, .ack = 5001);
    send(rig, .ms = ms + 10, .server = true, .flags = LA_ACK, .seq = 5001, .ack = 1002);
    send(rig, .ms = ms + 20, .server = true, .flags = LA_FIN | LA_ACK, .seq = 5001, .ack = 1002);
    send(rig, .ms = ms + 30, .flags = LA_ACK, .seq = 1002, .ack = 5002);
}

/* ---- what came out, in words --------------------------------------------------------------- */

static inline void append_word(char *text, size_t room, const char *word) {
    size_t used = strlen(text);
    assert_true(used + strlen(word) + 2 < room);
    if (used > 0)
        strcat(text, " ");
    strcat(text, word);
}

static inline void assert_history(const struct la_connection *c, int side, const char *expected) {
    char text[512] = "";
    for (size_t i = 0; i < c->side[side].change_count; i++)
        append_word(text, sizeof text,
                    la_state_name((enum la_state)c->side[side].changes[i].state));
    assert_string_equal(text, expected);
}

/* The classes of the log; those of the server in brackets. */
static inline void assert_classes(const struct la_connection *c, const char *expected) {
    char text[1024] = "", word[64];
    for (size_t i = 0; i < c->log_count; i++) {
        const char *name = la_class_name((enum la_class)c->log[i].class);
        bool server = c->log[i].from == LA_SERVER;
        strcpy(word, server ? "[" : "");
        strcat(word, name);
        strcat(word, server ? "]" : "");
        append_word(text, sizeof text, word);
    }
    assert_string_equal(text, expected);
}

#endif
