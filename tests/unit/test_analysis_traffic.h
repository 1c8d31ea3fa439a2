/* Random traffic between many hosts for the tests of src/analysis and src/diagnose: opens, data and
 * closes with losses, repeats, copies, resets and reused ports, as a capture in the middle of the
 * path would hold them. The same seed gives the same traffic. */
#ifndef TEST_ANALYSIS_TRAFFIC_H
#define TEST_ANALYSIS_TRAFFIC_H

#include "test_track_support.h"

struct traffic {
    uint64_t random;
    struct la_segment *segments;
    size_t count, capacity;
};

/* One 4-tuple and its two ends. */
struct talk {
    struct traffic *traffic;
    unsigned host[2]; /* LA_CLIENT, LA_SERVER */
    uint16_t port[2];
    uint32_t next[2], clock[2]; /* sequence numbers, and what the timestamps count from */
    int64_t at;                 /* ns */
    int64_t away[2];            /* from here to each end and back, ns */
    bool stamps, copies;
    bool shut[2];    /* the window of that end is closed */
    unsigned missed; /* per mille of packets that the capture did not see */
};

static inline uint32_t stamp_of(const struct talk *t, int end) {
    return t->clock[end] + (uint32_t)(t->at / LA_MSEC);
}

static inline void emit(struct talk *t, int from, unsigned flags, uint32_t seq, uint32_t ack,
                        uint32_t payload) {
    struct traffic *all = t->traffic;
    if (pick(&all->random, 1000) < t->missed)
        return;
    if (all->count + 2 > all->capacity) {
        all->capacity = all->capacity ? all->capacity * 2 : 1024;
        all->segments = realloc(all->segments, all->capacity * sizeof *all->segments);
        assert_non_null(all->segments);
    }
    struct la_segment *s = &all->segments[all->count++];
    *s = (struct la_segment){
        .time_ns = RIG_START + t->at,
        .src = host_v4(t->host[from]),
        .dst = host_v4(t->host[!from]),
        .sport = t->port[from],
        .dport = t->port[!from],
        .seq = seq,
        .ack = flags & LA_ACK ? ack : 0,
        .payload = payload,
        .wire_bytes = 66 + payload,
        .flags = (uint8_t)flags,
        .window = flags & LA_RST || t->shut[from] ? 0 : 64000,
        .ip_id = (uint16_t)(all->count % 65535 + 1),
        .ttl = from == LA_CLIENT ? 60 : 64, /* next to the servers */
    };
    if (t->stamps && !(flags & LA_RST)) {
        s->options |= LA_HAS_TIMESTAMPS;
        s->tsval = stamp_of(t, from);
        s->tsecr = flags & LA_ACK ? stamp_of(t, !from) - 1 : 0;
    }
    if (flags & LA_SYN)
        s->options |= LA_HAS_MSS | LA_HAS_SACK_PERMITTED;
    if (t->copies) {
        all->segments[all->count] = *s;
        all->segments[all->count++].time_ns += 100 * LA_USEC;
    }
}

static inline void wait_ns(struct talk *t, int64_t ns) {
    t->at += ns;
}

/* An end sends what its state demands, and takes the numbers for it. */
static inline void say(struct talk *t, int from, unsigned flags, uint32_t payload) {
    emit(t, from, flags, t->next[from], t->next[!from], payload);
    t->next[from] += payload + ((flags & LA_SYN) != 0) + ((flags & LA_FIN) != 0);
}

/* ... and the same again, without taking anything. */
static inline void say_again(struct talk *t, int from, unsigned flags, uint32_t payload) {
    uint32_t length = payload + ((flags & LA_SYN) != 0) + ((flags & LA_FIN) != 0);
    emit(t, from, flags, t->next[from] - length, t->next[!from], payload);
}

/* Both SYNs, and then both SYN-ACKs, cross. */
static inline void open_at_once(struct talk *t) {
    uint32_t isn[2] = {t->next[0], t->next[1]};
    for (int end = 0; end < 2; end++, wait_ns(t, LA_MSEC))
        emit(t, end, LA_SYN, isn[end], 0, 0);
    wait_ns(t, t->away[0] + t->away[1]);
    for (int end = 0; end < 2; end++, wait_ns(t, LA_MSEC))
        emit(t, end, LA_SYN | LA_ACK, isn[end], isn[!end] + 1, 0);
    t->next[0]++;
    t->next[1]++;
    wait_ns(t, t->away[0] + t->away[1]);
}

static inline bool open_talk(struct talk *t) {
    uint64_t *r = &t->traffic->random;
    if (chance(r, 5)) {
        open_at_once(t);
        return true;
    }
    say(t, LA_CLIENT, LA_SYN, 0);
    for (int again = chance(r, 15) ? 1 + (int)pick(r, 3) : 0; again > 0; again--) {
        wait_ns(t, LA_SEC);
        say_again(t, LA_CLIENT, LA_SYN, 0);
    }
    if (chance(r, 6))
        return false; /* unanswered */
    wait_ns(t, t->away[LA_SERVER]);
    if (chance(r, 4)) {
        emit(t, LA_SERVER, LA_RST | LA_ACK, 0, t->next[LA_CLIENT], 0);
        return false;
    }
    say(t, LA_SERVER, LA_SYN | LA_ACK, 0);
    if (chance(r, 5)) {
        wait_ns(t, LA_SEC);
        say_again(t, LA_SERVER, LA_SYN | LA_ACK, 0);
    }
    wait_ns(t, t->away[LA_CLIENT]);
    if (chance(r, 3))
        return false; /* half-open */
    say(t, LA_CLIENT, LA_ACK, 0);
    return true;
}

static inline void exchange(struct talk *t) {
    uint64_t *r = &t->traffic->random;
    for (unsigned n = pick(r, 5); n > 0; n--) {
        int from = (int)pick(r, 2);
        uint32_t payload = 1 + pick(r, 1400);
        wait_ns(t, pick(r, 300) * LA_MSEC);
        say(t, from, LA_ACK | LA_PSH, payload);
        if (chance(r, 10)) {
            wait_ns(t, 210 * LA_MSEC);
            say_again(t, from, LA_ACK | LA_PSH, payload);
        }
        wait_ns(t, t->away[!from]);
        say(t, !from, LA_ACK, 0);
    }
}

/* A RST in an end's name that it did not send: the end goes on. */
static inline void forge_reset(struct talk *t) {
    int from = (int)pick(&t->traffic->random, 2);
    size_t before = t->traffic->count;
    wait_ns(t, 30 * LA_MSEC);
    emit(t, from, LA_RST, t->next[from], 0, 0);
    for (size_t i = before; i < t->traffic->count; i++)
        t->traffic->segments[i].ttl = 200;
    wait_ns(t, 50 * LA_MSEC);
    say(t, from, LA_ACK | LA_PSH, 100);
}

/* Somebody guesses a RST into the window; the receiver asks back. */
static inline void guess_reset(struct talk *t) {
    int from = (int)pick(&t->traffic->random, 2);
    wait_ns(t, 500 * LA_MSEC);
    emit(t, from, LA_RST, t->next[from] + 1000, 0, 0);
    wait_ns(t, t->away[!from]);
    say(t, !from, LA_ACK, 0);
    wait_ns(t, 500 * LA_MSEC);
    say(t, from, LA_ACK | LA_PSH, 100);
    wait_ns(t, t->away[!from]);
    say(t, !from, LA_ACK, 0);
}

/* A close, and 2 s later a copy of the closer's peer's data that was held back meanwhile. */
static inline void close_before_an_old_copy(struct talk *t) {
    int first = (int)pick(&t->traffic->random, 2);
    wait_ns(t, 300 * LA_MSEC);
    uint32_t old = t->next[!first], clock = t->clock[!first];
    say(t, !first, LA_ACK | LA_PSH, 500);
    wait_ns(t, t->away[first]);
    say(t, first, LA_FIN | LA_ACK, 0);
    wait_ns(t, t->away[!first]);
    say(t, !first, LA_FIN | LA_ACK, 0);
    wait_ns(t, t->away[first]);
    say(t, first, LA_ACK, 0);
    wait_ns(t, 2 * LA_SEC);
    t->clock[!first] -= 2000 + (uint32_t)((t->away[0] + t->away[1]) / LA_MSEC);
    emit(t, !first, LA_ACK | LA_PSH, old, t->next[first] - 1, 500);
    t->clock[!first] = clock;
    wait_ns(t, t->away[first]);
    say(t, first, LA_ACK, 0);
    wait_ns(t, t->away[!first]);
    emit(t, !first, LA_RST, t->next[!first], 0, 0);
}

/* One end has lost the connection; the other one's data finds it out. */
static inline void find_half_open(struct talk *t) {
    int living = (int)pick(&t->traffic->random, 2);
    wait_ns(t, 5 * LA_SEC);
    say(t, living, LA_ACK | LA_PSH, 50);
    wait_ns(t, t->away[!living]);
    emit(t, !living, LA_RST, t->next[!living], 0, 0);
}

/* Probes of an idle connection, answered or not; true when they ended it. */
static inline bool keep_alive(struct talk *t) {
    uint64_t *r = &t->traffic->random;
    int from = (int)pick(r, 2);
    bool dead = chance(r, 40);
    wait_ns(t, 60 * LA_SEC);
    for (int n = 0; n < 3; n++) {
        emit(t, from, LA_ACK, t->next[from] - 1, t->next[!from], 0);
        wait_ns(t, t->away[!from]);
        if (!dead)
            say(t, !from, LA_ACK, 0);
        wait_ns(t, 10 * LA_SEC);
    }
    if (dead)
        emit(t, from, LA_RST | LA_ACK, t->next[from], t->next[!from], 0);
    return dead;
}

/* A window that is closed until the peer has asked for it. */
static inline void stall(struct talk *t) {
    int from = (int)pick(&t->traffic->random, 2);
    say(t, from, LA_ACK | LA_PSH, 1000);
    wait_ns(t, t->away[!from]);
    t->shut[!from] = true;
    for (int64_t gap = 200 * LA_MSEC; gap < LA_SEC; gap *= 2) {
        say(t, !from, LA_ACK, 0);
        wait_ns(t, gap);
        emit(t, from, LA_ACK, t->next[from] - 1, t->next[!from], 0);
        wait_ns(t, t->away[!from]);
    }
    t->shut[!from] = false;
    say(t, !from, LA_ACK, 0);
}

/* Data that never gets through; when the peer speaks again the socket is gone. */
static inline void time_out(struct talk *t) {
    int from = (int)pick(&t->traffic->random, 2);
    say(t, from, LA_ACK | LA_PSH, 300);
    for (int64_t gap = 250 * LA_MSEC; gap < 8 * LA_SEC; gap *= 2) {
        wait_ns(t, gap);
        say_again(t, from, LA_ACK | LA_PSH, 300);
    }
    wait_ns(t, 60 * LA_SEC);
    emit(t, !from, LA_ACK | LA_PSH, t->next[!from], t->next[from] - 300, 100);
    wait_ns(t, t->away[from]);
    emit(t, from, LA_RST, t->next[from] - 300, 0, 0);
}

/* True when the connection has ended by that. */
static inline bool linger_on(struct talk *t) {
    unsigned what = pick(&t->traffic->random, 100);
    if (what < 8)
        return keep_alive(t);
    if (what < 12)
        stall(t);
    if (what >= 16 || what < 12)
        return false;
    time_out(t);
    return true;
}

/* The second FIN is repeated without an answer until its sender gives up. */
static inline void close_in_vain(struct talk *t, int second) {
    say(t, second, LA_FIN | LA_ACK, 0);
    wait_ns(t, 211 * LA_MSEC);
    for (int64_t gap = 210 * LA_MSEC; gap < 60 * LA_SEC; gap *= 2) {
        say_again(t, second, LA_FIN | LA_ACK, 0);
        wait_ns(t, gap);
    }
    wait_ns(t, 60 * LA_SEC);
}

/* The second FIN meets no FIN-WAIT-2 any more. */
static inline void close_too_late(struct talk *t, int second) {
    uint64_t *r = &t->traffic->random;
    wait_ns(t, chance(r, 50) ? (61 + pick(r, 60)) * LA_SEC : pick(r, 100) * LA_MSEC);
    say(t, second, LA_FIN | LA_ACK, 0);
    wait_ns(t, t->away[!second]);
    emit(t, !second, LA_RST, t->next[!second], 0, 0);
}

/* The second FIN, and what becomes of its ACK. */
static inline void finish_close(struct talk *t, int second) {
    uint64_t *r = &t->traffic->random;
    say(t, second, LA_FIN | LA_ACK, 0);
    int64_t gap = 200 * LA_MSEC + t->away[0] + t->away[1];
    if (chance(r, 70)) {
        wait_ns(t, t->away[!second]);
        say(t, !second, LA_ACK, 0);
    }
    for (unsigned again = chance(r, 30) ? 1 + pick(r, 3) : 0; again > 0; again--, gap *= 2) {
        wait_ns(t, gap);
        say_again(t, second, LA_FIN | LA_ACK, 0);
        if (chance(r, 60)) {
            wait_ns(t, t->away[!second]);
            say(t, !second, LA_ACK, 0);
        } else if (chance(r, 30)) {
            wait_ns(t, t->away[!second]);
            emit(t, !second, LA_RST, t->next[!second], 0, 0);
        }
    }
    if (chance(r, 8)) {
        wait_ns(t, t->away[second]);
        emit(t, second, LA_RST, t->next[second], 0, 0);
    }
}

/* Both FINs cross. */
static inline void close_at_once(struct talk *t) {
    uint32_t ack[2] = {t->next[1], t->next[0]};
    for (int end = 0; end < 2; end++, wait_ns(t, LA_MSEC))
        emit(t, end, LA_FIN | LA_ACK, t->next[end]++, ack[end], 0);
    wait_ns(t, t->away[0] + t->away[1]);
    for (int end = 0; end < 2; end++, wait_ns(t, LA_MSEC))
        say(t, end, LA_ACK, 0);
}

/* Data to a side that has closed its own direction. */
static inline void use_half_close(struct talk *t, int from) {
    for (unsigned n = 1 + pick(&t->traffic->random, 3); n > 0; n--) {
        wait_ns(t, 300 * LA_MSEC);
        say(t, from, LA_ACK | LA_PSH, 500);
        wait_ns(t, t->away[!from]);
        say(t, !from, LA_ACK, 0);
    }
}

static inline void close_talk(struct talk *t) {
    uint64_t *r = &t->traffic->random;
    int first = (int)pick(r, 2);
    wait_ns(t, pick(r, 2000) * LA_MSEC);
    if (chance(r, 8))
        return;
    if (chance(r, 10)) {
        emit(t, first, chance(r, 50) ? LA_RST : LA_RST | LA_ACK, t->next[first], t->next[!first],
             0);
        return;
    }
    if (chance(r, 8)) {
        close_at_once(t);
        return;
    }
    say(t, first, LA_FIN | LA_ACK, 0);
    if (chance(r, 10)) {
        wait_ns(t, 210 * LA_MSEC);
        say_again(t, first, LA_FIN | LA_ACK, 0);
    }
    wait_ns(t, t->away[!first]);
    if (chance(r, 60))
        say(t, !first, LA_ACK, 0);
    if (chance(r, 10))
        use_half_close(t, !first);
    if (chance(r, 10))
        return; /* half-closed */
    if (chance(r, 10)) {
        if (chance(r, 50))
            close_in_vain(t, !first);
        else
            close_too_late(t, !first);
        return;
    }
    wait_ns(t, chance(r, 10) ? (1 + pick(r, 90)) * LA_SEC : pick(r, 100) * LA_MSEC);
    finish_close(t, !first);
}

/* The same ports again: taken over, refused first, or with an older clock. */
static inline void reuse(struct talk *t) {
    uint64_t *r = &t->traffic->random;
    uint32_t old[2] = {t->next[0], t->next[1]};
    wait_ns(t, (int64_t)pick(r, 90000) * LA_MSEC);
    t->next[LA_CLIENT] = chance(r, 40) ? old[LA_CLIENT] + 65537 : (uint32_t)next_random(r);
    t->next[LA_SERVER] = chance(r, 40) ? old[LA_SERVER] + 65537 : (uint32_t)next_random(r);
    if (chance(r, 20))
        t->clock[LA_CLIENT] -= 500000;
    if (!chance(r, 40))
        return;
    emit(t, LA_CLIENT, LA_SYN, t->next[LA_CLIENT], 0, 0);
    wait_ns(t, t->away[LA_SERVER]);
    emit(t, LA_SERVER, LA_ACK, old[LA_SERVER], old[LA_CLIENT], 0);
    wait_ns(t, t->away[LA_CLIENT]);
    emit(t, LA_CLIENT, LA_RST, old[LA_CLIENT], 0, 0);
    wait_ns(t, chance(r, 50) ? 12 * LA_MSEC : LA_SEC);
}

static inline void talk(struct traffic *all, unsigned client, unsigned server) {
    uint64_t *r = &all->random;
    struct talk t = {
        .traffic = all,
        .host = {client, server},
        .port = {(uint16_t)(40000 + pick(r, 50)), (uint16_t)(80 + pick(r, 2))},
        .next = {(uint32_t)next_random(r), (uint32_t)next_random(r)},
        .clock = {client * 1000000, server * 3000000},
        .at = (int64_t)pick(r, 200000) * LA_MSEC,
        .away = {1 + pick(r, 20) * LA_MSEC, 1 + pick(r, 20) * LA_MSEC},
        .stamps = chance(r, 70),
        .copies = chance(r, 10),
        .missed = chance(r, 20) ? 100 : 0,
    };
    for (unsigned lives = 1 + (chance(r, 50) ? pick(r, 4) : 0); lives > 0; lives--) {
        if (open_talk(&t)) {
            exchange(&t);
            if (chance(r, 3))
                forge_reset(&t);
            if (chance(r, 3))
                guess_reset(&t);
            if (chance(r, 4))
                find_half_open(&t);
            else if (chance(r, 4))
                close_before_an_old_copy(&t);
            else if (!linger_on(&t))
                close_talk(&t);
        }
        if (lives > 1)
            reuse(&t);
    }
}

/* A listener that drops the SYNs of one attempt for three seconds while its host goes on in another
 * connection, and perhaps answers for its other service. */
static inline void overflow(struct traffic *all, unsigned client, unsigned server) {
    uint64_t *r = &all->random;
    int64_t at = (int64_t)pick(r, 200000) * LA_MSEC;
    /* mostly seen next to the server */
    int64_t away[2] = {(1 + pick(r, 20)) * LA_MSEC, chance(r, 80) ? 50 * LA_USEC : 10 * LA_MSEC};
    for (unsigned i = 0; i < 3; i++) {
        struct talk t = {
            .traffic = all,
            .host = {client, server},
            .port = {(uint16_t)(41000 + 3 * pick(r, 1000) + i), (uint16_t)(i < 2 ? 80 : 81)},
            .next = {(uint32_t)next_random(r), (uint32_t)next_random(r)},
            .clock = {client * 1000000, server * 3000000},
            .at = at + (i == 0   ? 0
                        : i == 1 ? 600
                                 : 2000) *
                           LA_MSEC,
            .away = {away[0], away[1]},
        };
        if (i == 2 && chance(r, 50))
            break;
        for (unsigned again = 0; i == 1 && again < 3; again++) {
            again == 0 ? say(&t, LA_CLIENT, LA_SYN, 0) : say_again(&t, LA_CLIENT, LA_SYN, 0);
            wait_ns(&t, LA_SEC);
        }
        i == 1 ? say_again(&t, LA_CLIENT, LA_SYN, 0) : say(&t, LA_CLIENT, LA_SYN, 0);
        wait_ns(&t, t.away[LA_SERVER]);
        say(&t, LA_SERVER, LA_SYN | LA_ACK, 0);
        wait_ns(&t, t.away[LA_CLIENT]);
        say(&t, LA_CLIENT, LA_ACK, 0);
        for (unsigned n = 0; n < 6; n++) {
            wait_ns(&t, 500 * LA_MSEC);
            say(&t, LA_CLIENT, LA_ACK | LA_PSH, 100);
            wait_ns(&t, t.away[LA_SERVER]);
            say(&t, LA_SERVER, LA_ACK, 0);
        }
        close_talk(&t);
    }
}

static inline int by_time(const void *a, const void *b) {
    const struct la_segment *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->frame > y->frame) - (x->frame < y->frame);
}

static inline void sort_traffic(struct traffic *all) {
    for (size_t i = 0; i < all->count; i++)
        all->segments[i].frame = i;
    qsort(all->segments, all->count, sizeof *all->segments, by_time);
    for (size_t i = 0; i < all->count; i++)
        all->segments[i].frame = i + 1;
}

/* `hosts` hosts, each of which may talk to each other. */
static inline struct traffic make_traffic(uint64_t seed, unsigned hosts, unsigned talks) {
    struct traffic all = {.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    for (unsigned i = 0; i < talks; i++) {
        unsigned client = pick(&all.random, hosts), server = pick(&all.random, hosts);
        server = server == client ? (server + 1) % hosts : server;
        if (chance(&all.random, 4))
            overflow(&all, 1 + client, 1 + server);
        talk(&all, 1 + client, 1 + server);
    }
    sort_traffic(&all);
    return all;
}

static inline void free_traffic(struct traffic *all) {
    free(all->segments);
}

#endif
