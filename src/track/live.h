/* A connection while it may still change: what the tracker keeps of it. Internal to this room.
 *
 * Sides are numbered 0 and 1 by the order of their (address, port), because who opened the
 * connection may only be known later, or never. */
#ifndef LA_TRACK_LIVE_H
#define LA_TRACK_LIVE_H

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/log.h"

enum { LA_NO_LIVE = 0 }; /* index 0 is never used: zero means none */

/* What is known of one direction. */
enum {
    SIDE_SEEN = 1 << 0,       /* sent something: base_seq, next are its own */
    SIDE_BASED = 1 << 1,      /* base_seq, base_tsval are set (perhaps from the peer's numbers) */
    SIDE_ISN = 1 << 2,        /* base_seq is its initial sequence number, from its SYN */
    SIDE_ACKED = 1 << 3,      /* acked is set */
    SIDE_ACKED_SYN = 1 << 4,  /* acknowledged the peer's SYN */
    SIDE_FIN = 1 << 5,        /* fin_end is set */
    SIDE_FIN_ACKED = 1 << 6,  /* the peer acknowledged its FIN */
    SIDE_SCALE = 1 << 7,      /* offered window scaling */
    SIDE_TIMESTAMPS = 1 << 8, /* used timestamps */
    SIDE_SACK = 1 << 9,       /* offered SACK */
    SIDE_RST = 1 << 10,
    SIDE_DATA_LOGGED = 1 << 11,       /* its first data in a connection joined in the middle */
    SIDE_HALF_CLOSE_LOGGED = 1 << 12, /* its first data after the peer's FIN */
    SIDE_LAST_LOGGED = 1 << 13,       /* its last segment is in the log */
    SIDE_SYN_SENT = 1 << 14,          /* sent a SYN without ACK */
};

/* Fields in the order of their sizes: there are two of these for every connection remembered. */
struct live_side {
    uint64_t bytes;
    int64_t last_ns;
    uint64_t last_frame;
    uint32_t base_seq, base_tsval; /* what the log counts from */
    uint32_t next;                 /* end of the highest segment sent */
    uint32_t acked;                /* highest acknowledgement that it sent */
    uint32_t fin_end;              /* sequence number after its FIN */
    uint32_t tsval;                /* newest */
    uint32_t window;               /* last advertised, bytes */
    uint32_t fingerprints[2];      /* of its last two segments, to know a copy by */
    uint32_t last_payload;
    uint32_t packets;
    uint16_t flags;
    uint16_t mss;
    uint16_t syn, fin, rst; /* segments with that flag; saturate */
    uint8_t ttl, window_scale;
};

enum { FLOW_HOLES = 6, FLOW_SAMPLES = 16 };

/* Sequence space that passed unseen. */
struct hole {
    uint32_t from, to;
    bool acknowledged;
};

/* Only for connections that carry data or are otherwise not bare. */
struct flow_side {
    uint64_t data_bytes, retransmitted_bytes;
    uint64_t retransmitted_segments, duplicate_acks, zero_windows;
    int64_t last_data_ns;
    int64_t timed_ns; /* a segment whose ACK is waited for; LA_TIME_NONE: none */
    uint32_t timed_end;
    uint16_t ip_id; /* of its last segment */
    uint8_t ttl;
    uint8_t hole_count;
    uint8_t sample_count;
    uint16_t
        sample_stride_log2; /* every 2^n-th turnaround was kept, so that all of the life counts */
    uint32_t sample_seen;
    uint32_t gaps;                 /* acknowledged holes that had to be forgotten */
    float samples[FLOW_SAMPLES];   /* seconds from here to this side and back */
    float sample_min;              /* valid when sample_seen > 0 */
    struct hole holes[FLOW_HOLES]; /* sequence space that passed unseen */
};

/* A turnaround that was kept. */
static inline int64_t flow_sample_ns(float seconds) {
    return (int64_t)((double)seconds * 1e9 + 0.5);
}

enum { FLOW_POINTS = 4 };

struct flow {
    struct flow_side side[2];
    struct extra *extra; /* NULL: nothing out of the ordinary */
};

/* ICMP errors about a connection. `of` is a side's number. */
struct icmp_errors {
    struct la_icmp_error items[LA_CONNECTION_ICMP];
    uint32_t count; /* of all, those without room included */
};

/* An attempt in the list of its pair of hosts (see meanwhile.c). */
struct waiting {
    struct la_meanwhile told;
    uint32_t next;
    uint8_t client; /* a side's number */
};

/* What few connections need: those seen at more than one place, in more than one file, with several
 * VLAN tags, suspected of a refused timestamp, or in which somebody had to wait. */
struct extra {
    struct la_keepalive *keepalive[2]; /* by the side that probes */
    struct la_stalls *stalls[2];       /* by the side whose window closed */
    struct la_repeats *repeats[2];     /* by the side that repeats */
    uint16_t ignored[FLOW_POINTS];     /* inputs whose packets are copies */
    uint8_t ignored_count, input_count, vlan_count;
    bool suspect; /* recycle holds something */
    bool unheard; /* an attempt that had to wait when too many others of its hosts did */
    bool crowded; /* it was seen at more places than there is room for here */
    bool waits;   /* in the list of its pair of hosts (see recycle.c) */
    uint8_t waiting_client;
    uint32_t next_waiting;
    uint16_t inputs[LA_CONNECTION_INPUTS];
    uint16_t vlans[LA_CONNECTION_VLANS];
    struct icmp_errors *icmp;    /* NULL: none */
    struct elsewhere *elsewhere; /* NULL: it was not seen at a second point */
    struct waiting *waiting;     /* NULL: it did not have to */
    struct la_recycle recycle;
};

enum {
    LIVE_V6 = 1 << 0,       /* hosts are indices of the address table */
    LIVE_IN_WHEEL = 1 << 1, /* its index is in `wheel_slot`: of its place, whoever has that, until
                               the list is looked at */
    LIVE_SETTLED = 1 << 2,  /* already handed on; kept as its successor's past */
    LIVE_RETURNED = 1 << 3, /* was on the shelf, and does not go there again */
    LIVE_ON_TRAIL = 1 << 4, /* follows a trail: see trail.h */
};

/* Zeek's letters. A history holds each at most once from either side: codes of four bits, the first
 * one lowest, which are a letter's place here, and so many more for side 1. */
enum { LIVE_SIDE_LETTERS = 8, LIVE_HISTORY = 2 * LIVE_SIDE_LETTERS };
#define LIVE_LETTERS "shadfriq"

/* All values that these two fields of a segment may have. */
enum { LIVE_TUNNELS = 0x3fff, LIVE_VLAN = 0xfff };
_Static_assert((LA_TUNNEL_NSH & ~LIVE_TUNNELS) == 0, "the last kind of tunnel has its bit");

/* A connection that goes where others went before: see trail.h. */
enum { TRAIL_STEPS = 20 };

struct trail {
    uint16_t place : 15; /* how far it has come, and which way */
    uint16_t client : 1; /* a side's number */
    uint16_t lives;      /* on the shelf: of its 4-tuple, with this one */
    uint32_t isn[2];     /* LA_CLIENT, LA_SERVER */
    uint32_t tsval[2];   /* the first of each; 0: none */
};

/* What the next segment of either end is expected to follow from: LA_CLIENT, LA_SERVER. */
struct trail_ends {
    uint32_t next[2];   /* sequence numbers */
    uint32_t tsval[2];  /* the newest */
    uint16_t window[2]; /* 0: it has not said anything yet */
};

/* As long as it may go on; what it has for itself of each step is written where its log would be.
 * What each step needs comes first: two lines of a cache with the beginning of the record. */
struct on_trail {
    int64_t last_ns;
    uint64_t last_frame;
    struct trail_ends ends;
    uint16_t place;
    uint8_t client;
    bool learnt;                /* it took a step that nobody had taken before */
    uint32_t used[TRAIL_STEPS]; /* of each step: the sequence number of its sender at its end */
    uint32_t isn[2], tsval[2];  /* as in struct trail */
};

/* First what nearly each segment asks for, and last what few do. */
struct live {
    _Alignas(64) int64_t expire_ns; /* when nothing more can happen to it; LA_TIME_NONE: it is not
                                       closed yet */
    struct la_log log;
    uint32_t host[2]; /* IPv4 addresses in host order, or indices of the tracker's address table */
    uint16_t port[2];
    uint32_t self;         /* its index; of one without use 0 */
    uint32_t older, newer; /* incarnations of the same 4-tuple; of one without use, the next such */
    uint8_t flags, wheel_slot;
    uint16_t first_input;
    uint32_t tunnels : 14, vlan : 12, history_count : 5;
    union {
        struct live_side side[2];
        struct on_trail on_trail; /* with LIVE_ON_TRAIL */
    };
    struct flow *flow;    /* NULL: bare, that is without payload and without anything odd */
    uint16_t input[2];    /* where the last segment of each side was seen */
    uint16_t incarnation; /* saturates */
    uint16_t duplicates;
    int64_t first_ns;
    uint64_t first_frame;
    uint64_t history;
};

_Static_assert(sizeof(struct live) == 256,
               "four lines of a cache: there are ten thousands of them");

/* Nothing more is due: both ends have closed it, or one has reset it; or it is an attempt that was
 * not answered, or whose answer was not acknowledged. */
static inline bool live_is_over(const struct live *live) {
    unsigned both = live->side[0].flags & live->side[1].flags;
    unsigned any = live->side[0].flags | live->side[1].flags;
    return (both & SIDE_FIN) || (any & SIDE_RST) ||
           ((any & SIDE_SYN_SENT) && !(both & SIDE_ACKED_SYN));
}

/* When and where its last segment passed. */
struct last_seen {
    int64_t time_ns;
    uint16_t input;
    uint16_t tunnels;
};

/* Tells a segment from others of its connection, as far as copies are concerned. */
uint32_t live_fingerprint(const struct la_segment *segment);

/* Copies of a packet reach a capture point this close together; nothing is retransmitted so soon.
 */
#define LIVE_COPY_NS (5 * LA_MSEC)

/* A closed connection is remembered until no segment of it can be under way any more: 2MSL, and the
 * 111 s in which Linux repeats an unanswered FIN, counted from its last packet. */
#define LIVE_REMEMBERED_NS (130 * LA_SEC)

/* No retransmission timer runs longer: what takes longer is no answer, or the clock has stepped. */
#define LIVE_LONGEST_TURNAROUND_NS (120 * LA_SEC)

/* Where a segment stands in its connection. */
struct verdict {
    enum la_class class;
    bool exact, in_window;
};

/* Says what `segment` from side `d` is, without changing anything. */
struct verdict live_classify(const struct live *live, unsigned d, const struct la_segment *segment);

/* All that side `d` has said are SYN-ACKs, and all that its peer has are SYNs and RSTs: the peer
 * wants none of them, and the next SYN-ACK may have other numbers. */
static inline bool live_is_rejected(const struct live *live, unsigned d) {
    const struct live_side *me = &live->side[d], *peer = &live->side[!d];
    return me->syn > 0 && me->packets == me->syn && !(me->flags & SIDE_SYN_SENT) &&
           (peer->flags & SIDE_SYN_SENT) && peer->rst > 0 &&
           peer->packets == (uint32_t)peer->syn + peer->rst;
}

/* Takes it in: numbers, counters, log. False when out of memory (what could not be noted is counted
 * in the log's `dropped`). `newest` is false when a later incarnation exists. */
struct intake {
    struct la_pool *pool;
    const struct la_segment *segment;
    unsigned side;
    uint32_t fingerprint;
    struct verdict verdict;
    bool newest;
};
void live_take_in(struct live *live, const struct intake *intake);

/* Takes in the next segment of a connection when it is what its sender was expected to say next, as
 * live_classify() and live_take_in() would have: the end of the handshake, data or an
 * acknowledgement in order, a FIN, the first ACK of one; nothing missing, nothing repeated. Most
 * segments are that (V. Jacobson's header prediction, as in Linux, tcp_rcv_established()). Sets
 * intake->verdict. False, and nothing done, when it is anything else. */
bool live_take_expected(struct live *live, struct intake *intake);

/* What it says of waiting: probes, closed windows, repeats in vain. Before live_take_in() moves the
 * numbers. */
void live_take_waiting(struct live *live, const struct intake *intake);
/* Whether a probe or a repeat belongs into the log: the first ones, and those that stay unanswered.
 * A day of answered probes does not. */
bool live_wants_probe(const struct live *live, const struct intake *intake);
bool live_wants_repeat(const struct live *live, const struct intake *intake);

/* What the entries of its log are written relative to. */
static inline struct la_log_base live_log_base(const struct live *live) {
    return (struct la_log_base){
        .time_ns = live->first_ns,
        .frame = live->first_frame,
        .input = live->first_input,
        .seq = {live->side[0].base_seq, live->side[1].base_seq},
        .tsval = {live->side[0].base_tsval, live->side[1].base_tsval},
        .fin = {live->side[0].fin_end - 1, live->side[1].fin_end - 1},
    };
}

/* NULL when the record has none. */
static inline struct extra *live_extra(const struct live *live) {
    return live->flow ? live->flow->extra : NULL;
}

/* The record's extra, made when there is none; NULL when out of memory. */
struct extra *live_make_extra(struct live *live, struct la_pool *pool);

/* Takes an ICMP error about a segment of side `d`. False when out of memory. */
bool live_take_notice(struct live *live, struct la_pool *pool, unsigned d,
                      const struct la_segment *notice);

/* Data that a side repeated is still unacknowledged: NULL when there is none. */
const struct la_repeats *live_repeats(const struct live *live, unsigned side);

/* Frees what hangs on the record. */
void live_release(struct live *live, struct la_pool *pool);

#endif
