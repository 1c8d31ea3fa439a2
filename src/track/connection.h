/* A settled connection: one life (incarnation) of a 4-tuple, with hindsight.
 *
 * The tracker keeps of a live connection little more than sequence numbers and a compact log of the
 * segments that matter to its opening and its closing. When nothing more can happen to it (or the
 * capture ends) that log is read as a whole, and what it proves is written into this structure.
 * Everything downstream (diagnoses, accounts, the report) sees only this. */
#ifndef LA_TRACK_CONNECTION_H
#define LA_TRACK_CONNECTION_H

#include "base/addr.h"
#include "base/profile.h"
#include "track/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LA_CLIENT = 0, LA_SERVER = 1 };

/* An index of a connection's log where there is none. */
#define LA_NOWHERE SIZE_MAX

/* A packet, as the user finds it again. frame 0: no packet. */
struct la_where {
    int64_t time_ns;
    uint64_t frame;
    uint16_t input;
};

/* What a segment was, in its connection's sequence space, when it passed the capture point. */
enum la_class {
    LA_CLASS_SYN,
    LA_CLASS_SYN_AGAIN,
    LA_CLASS_SYN_ACK,
    LA_CLASS_SYN_ACK_AGAIN,
    LA_CLASS_HANDSHAKE_ACK, /* the first segment that acknowledges a SYN-ACK */
    LA_CLASS_FIN,           /* a FIN not seen before, with or without data */
    LA_CLASS_FIN_AGAIN,
    LA_CLASS_ACK_OF_FIN, /* the first segment that covers the peer's FIN (a FIN may do so too) */
    LA_CLASS_ACK_OF_FIN_AGAIN, /* another one that tells nothing else new */
    LA_CLASS_RST,
    LA_CLASS_DATA,          /* new data where that says something: after a FIN, or in a connection
                               joined in the middle (the first of each side) */
    LA_CLASS_DATA_AGAIN,    /* data sent before */
    LA_CLASS_DUPLICATE_ACK, /* tells nothing new */
    LA_CLASS_KEEPALIVE,
    LA_CLASS_WINDOW_PROBE,
    LA_CLASS_OUTSIDE, /* outside of every window: a challenge ACK to a SYN, forged, or lost history
                       */
    LA_CLASS_ACK,     /* anything else worth keeping: context of a reset */
    LA_CLASS_COUNT,
};

/* Whether a segment arrived at the host it was sent to. */
enum la_arrival {
    LA_ARRIVAL_ASSUMED, /* it passed here; nothing says what became of it */
    LA_ARRIVAL_KNOWN,   /* the receiver reacted to it */
    LA_ARRIVAL_LOST,    /* the receiver acted as if it had never come */
};

/* Beside LA_HAS_..., what IP IDs say of the answer to a FIN that was sent again. A Linux socket
 * counts its segments; what answers without one (TIME-WAIT) writes 0. */
enum {
    LA_FROM_NO_SOCKET = 1 << 11, /* an ACK with 0, whose sender's segments bore other numbers */
    LA_AFTER_UNSEEN = 1 << 15,   /* a FIN whose number does not follow that of its sender's last
                                    segment: something between them may not have passed here */
};

/* One line of a connection's log. */
struct la_observation {
    int64_t time_ns; /* when it passed the capture point */
    uint64_t frame;
    uint32_t seq, ack;
    uint32_t payload; /* bytes */
    uint32_t window;  /* bytes, scaled when the scale is known */
    uint32_t tsval, tsecr;
    uint32_t sack_from, sack_to; /* first block */
    uint16_t input;
    uint16_t options; /* LA_HAS_... of decode/segment.h, and these */
    uint16_t ip_id;   /* like ttl: of a RST, and of what may say who sent it; else 0 */
    uint8_t flags;    /* LA_FIN ... of decode/segment.h */
    uint8_t ttl;
    uint8_t from;    /* LA_CLIENT or LA_SERVER */
    uint8_t class;   /* enum la_class */
    uint8_t arrival; /* enum la_arrival */
    bool exact;      /* of a RST: its seq is what its receiver expects next */
    bool in_window;  /* of a RST or an OUTSIDE segment: it lies in its receiver's window */
};

/* An ICMP error that quotes a segment of the connection, as it passed the capture point on its way
 * to that segment's sender. */
struct la_icmp_error {
    struct la_where where;
    struct la_addr reporter;
    uint32_t seq; /* of the quoted segment */
    uint8_t of;   /* LA_CLIENT or LA_SERVER: who sent that segment */
    uint8_t type, code;
    uint8_t ttl;
};

/* What such an error says of the way to the host that the segment was for. */
enum la_icmp_meaning {
    LA_ICMP_REJECTED,    /* forbidden: a firewall's word */
    LA_ICMP_NO_ROUTE,    /* network or host unreachable, or a routing loop */
    LA_ICMP_NO_LISTENER, /* port or protocol unreachable: no TCP says so, a firewall may */
    LA_ICMP_TOO_BIG,     /* path MTU: the segment is to be sent again, smaller */
    LA_ICMP_OTHER,
    LA_ICMP_MEANING_COUNT,
};

/* A row of repeats or probes, each sent because the last had brought nothing. */
struct la_row {
    uint32_t count; /* 0: none, and the rest says nothing */
    struct la_where first, last;
    int64_t gap_ns; /* between the last two; 0: there is only one */
    int64_t gap_min_ns, gap_max_ns;
    int64_t timer_ns; /* of the last gap, if they double: timers fire late, never early */
};

/* The keepalive probes of an end whose connection was alive as far as it knew. */
struct la_keepalive {
    uint32_t probes, answers;
    struct la_where first;  /* probe */
    struct la_where answer; /* the last one; frame 0: none */
    int64_t idle_ns;        /* shortest silence of the peer before a first probe; -1: unknown */
    int64_t interval_ns;    /* shortest between two of which the first had no answer; -1: none */
    struct la_row waiting;  /* the last probes, unanswered so far */
};

/* A window that an end had closed, and what its peer did about it. */
struct la_stall {
    struct la_where closed;  /* frame 0: there is none */
    struct la_where opened;  /* frame 0: it stayed closed */
    struct la_where resumed; /* the peer's first data or FIN after that; frame 0: none */
    struct la_where waiting; /* its first probe since it was last answered; frame 0: none */
    struct la_row probes;    /* all of them */
    uint32_t unanswered;     /* the last ones */
};

struct la_stalls {
    uint32_t count, probes; /* windows closed on a peer that probed; its probes in all of them */
    struct la_stall last, longest; /* the longest of those before the last; closed.frame 0: none */
};

/* Data that an end sent again and again, and that is not acknowledged yet. */
struct la_repeats {
    uint32_t head;            /* the first sequence number that the peer has not acknowledged */
    struct la_where original; /* when it was sent first; frame 0: not known */
    struct la_row row;
};

/* One entry of a history. */
struct la_change {
    int64_t time_ns; /* when it happened at the host, not when it was seen here */
    uint64_t frame;  /* 0: a timer, or the mere passing of time */
    uint16_t input;
    uint8_t state; /* enum la_state */
    uint8_t event; /* enum la_event; for the first entry of one joined in the middle LA_EV_COUNT */
    bool certain;  /* every reading that the packets allow gives this state until the next entry */
};

enum la_reset_form {
    LA_RESET_BARE,     /* without ACK: a host without (usable) state answered a segment */
    LA_RESET_WITH_ACK, /* RST|ACK */
};

enum la_reset_cause {
    LA_RESET_REFUSED,          /* a SYN that nobody listens for */
    LA_RESET_PORT_RECYCLED,    /* one incarnation met the state of another */
    LA_RESET_UNWANTED_SYN_ACK, /* a SYN-ACK met a host that does not (or no longer) want it */
    LA_RESET_TIME_WAIT_GONE,   /* a repeated FIN met no socket: its peer's TIME-WAIT was over */
    LA_RESET_LATE_ACK,         /* both ACKs of a FIN arrived: the second found no socket */
    LA_RESET_OLD_DUPLICATE, /* a segment long under way, or the ACK that it drew, met no socket */
    LA_RESET_DATA_AFTER_CLOSE, /* data met a socket that was closed for reading */
    LA_RESET_FIN_WAIT_2_OVER,  /* the peer's late FIN or data met a FIN-WAIT-2 that had timed out,
                                  or its end was told (macOS) */
    LA_RESET_NO_CONNECTION,    /* a segment met a host that knows nothing of the connection */
    LA_RESET_KEEPALIVE,        /* keepalive probes had drawn no answer */
    LA_RESET_ABORT,            /* the application (or its kernel) ended a live connection */
    LA_RESET_INJECTED,         /* in the name of a host that hardly sent it */
    LA_RESET_AFTER_CLOSE,      /* both ends had ended it before: it ends nothing */
    LA_RESET_REPEATED,         /* another one of the same, for a segment that was still under way */
    LA_RESET_UNKNOWN,
    LA_RESET_CAUSE_COUNT,
};

/* What speaks against a RST having been sent by the host in whose name it came. */
enum {
    LA_SIGN_TTL = 1 << 0,           /* not the TTL of that host's segments */
    LA_SIGN_IP_ID = 1 << 1,         /* far from that host's counter */
    LA_SIGN_NO_TIMESTAMPS = 1 << 2, /* an abort without them, on a connection that uses them */
    LA_SIGN_GUESSED = 1 << 3,       /* in the window, but not the number that is due */
    LA_SIGN_BOTH_ENDS = 1 << 4,     /* the other end got one at the same time */
    LA_SIGN_TOO_SOON = 1 << 5,      /* sooner than that host can have answered */
    LA_SIGN_GOES_ON = 1 << 6,       /* that host goes on sending */
    LA_SIGN_PAYLOAD = 1 << 7,       /* it carries data */
    LA_SIGN_DISOWNED = 1 << 8,      /* a second capture, nearer to that host, does not have it */
};

struct la_reset {
    struct la_where where;
    struct la_where drew; /* the segment that it answers; frame 0: none known */
    uint8_t by;           /* LA_CLIENT or LA_SERVER */
    uint8_t form;         /* enum la_reset_form */
    uint8_t cause;        /* enum la_reset_cause */
    uint16_t signs;       /* LA_SIGN_... */
    size_t index;         /* of the log: the RST, and what drew it (or LA_NOWHERE) */
    size_t drawer;
};

enum la_opening {
    LA_OPENING_HANDSHAKE,    /* SYN, SYN-ACK, ACK */
    LA_OPENING_SIMULTANEOUS, /* SYNs crossed */
    LA_OPENING_HALF_OPEN,    /* SYN and SYN-ACK, and no ACK of it */
    LA_OPENING_REFUSED,      /* SYN, RST */
    LA_OPENING_UNANSWERED,   /* SYN, and no answer that belongs to it */
    LA_OPENING_MID_STREAM,   /* the capture starts after it */
    LA_OPENING_COUNT,
};

/* Why an attempt that succeeded took more than one SYN, or more than one answer. */
enum la_late_cause {
    LA_LATE_NOT,             /* it took one of each */
    LA_LATE_SYN_LOST,        /* behind the capture point a SYN was lost, or dropped by the server */
    LA_LATE_SYN_DROPPED,     /* it came as far as the server, which did not answer */
    LA_LATE_SYN_ACK_LOST,    /* the SYN-ACK did not reach the client */
    LA_LATE_SLOW_ANSWER,     /* the SYN-ACK came, but later than the client waited */
    LA_LATE_ANSWER_REJECTED, /* the client answered a SYN-ACK that did not fit with RST */
    LA_LATE_REFUSED,         /* the first answer was a RST, or an ICMP error */
    LA_LATE_HELD,            /* an earlier connection of that name was in the way */
    LA_LATE_QUEUE_OVERFLOW,  /* several SYNs came to a listener whose queue was full */
    LA_LATE_UNKNOWN,
    LA_LATE_CAUSE_COUNT,
};

enum la_ending {
    LA_ENDING_FIN,          /* both FINs, both acknowledged */
    LA_ENDING_FIN_UNACKED,  /* both FINs, and at least one never acknowledged */
    LA_ENDING_HALF_CLOSED,  /* one side's FIN only */
    LA_ENDING_RESET,        /* a RST ended it before both FINs were through */
    LA_ENDING_OPEN,         /* opened, and no end in the capture */
    LA_ENDING_NEVER_OPENED, /* refused, unanswered, or never completed */
    LA_ENDING_COUNT,
};

enum la_closer {
    LA_CLOSER_CLIENT,
    LA_CLOSER_SERVER,
    LA_CLOSER_BOTH,
    LA_CLOSER_NONE,
    LA_CLOSER_COUNT
};

enum la_vantage_kind {
    LA_VANTAGE_UNKNOWN, /* no handshake to measure, or a path too short to tell */
    LA_VANTAGE_NEAR_CLIENT,
    LA_VANTAGE_NEAR_SERVER,
    LA_VANTAGE_MIDDLE,
    LA_VANTAGE_COUNT,
};

/* Where the capture point lies between the two ends. */
struct la_vantage {
    enum la_vantage_kind kind;
    double fraction; /* client side's share of the round trip, 0 next to the client, 1 next to the
                        server; negative: unknown */
    int64_t turnaround_ns[2]; /* shortest time from here to that end and back; -1: not measured */
};

struct la_endpoint {
    struct la_addr addr;
    uint16_t port;
    enum la_state state;             /* at the connection's last packet; with the history */
    const struct la_change *changes; /* NULL, none: not asked for */
    size_t change_count;

    uint64_t packets, bytes; /* frames and their bytes on the wire */
    uint64_t data_bytes;     /* payload sent, each sequence number once */
    uint64_t retransmitted_segments, retransmitted_bytes;
    uint64_t duplicate_acks, zero_windows;
    uint32_t syn, fin, rst;            /* segments with that flag */
    int64_t rtt_min_ns, rtt_median_ns; /* capture point to this end and back; -1: unknown */
    uint16_t mss;                      /* as announced; 0: not seen */
    uint8_t ttl;                       /* of its first packet */
    int window_scale;                  /* as announced; -1: not seen or not offered */
    bool timestamps_used;
    double timestamp_hz; /* 0: unknown; as state, not set without histories */
    bool sack;           /* SACK permitted was offered; false also when the SYN was not seen */

    /* Sequence space, host order; what the log alone does not tell. */
    bool seen; /* sent anything at all */
    bool isn_known, fin_seen, acked_known;
    bool fin_unseen;      /* its FIN was acknowledged but never captured: fin_seen is set as well */
    bool fin_acked;       /* the peer acknowledged its FIN */
    bool syn_sent;        /* sent a SYN without ACK */
    uint32_t isn, next;   /* next: end of the highest segment sent */
    uint32_t fin_end;     /* sequence number after its FIN, when fin_seen */
    uint32_t acked;       /* highest acknowledgement that this end sent */
    uint32_t window;      /* last advertised by this end, bytes */
    uint32_t tsval;       /* newest TSval that this end sent */
    int64_t last_ns;      /* time of its last packet */
    int64_t last_data_ns; /* of its last new data; LA_TIME_NONE: none */

    /* How it waited for the peer, or had it wait. NULL: never, which is usual. */
    const struct la_keepalive *keepalive;
    const struct la_stalls *stalls;   /* of its own window */
    const struct la_repeats *repeats; /* NULL also when all that was sent again was acknowledged */
};

enum {
    LA_ZEEK_HISTORY = 40,
    LA_CONNECTION_INPUTS = 8,
    LA_CONNECTION_VLANS = 4,
    LA_CONNECTION_ICMP = 8,
};

/* What other connections of the same pair of hosts said while this one's SYN stayed unanswered: the
 * evidence for a server with tcp_tw_recycle (Linux up to 4.11). */
struct la_recycle {
    struct la_where stored;   /* the client's FIN in a connection that the server closed first, less
                                 than 60 s before the SYN: the server may remember its TSval */
    struct la_where answered; /* frame 0, or: meanwhile a SYN with a newer TSval was answered */
    uint32_t stored_tsval, answered_tsval;
    int64_t turnaround_ns[2]; /* of that connection, as in struct la_vantage */
    bool refuted;             /* a SYN older than what was stored was answered all the same */
};

/* So many attempts of a pair of hosts that wait at the same time are told of the others. */
enum { LA_MEANWHILE_WAITING = 64 };

/* What the two hosts said to each other in other connections from the moment when an attempt had to
 * be repeated, was refused, or got nothing from its server beyond the SYN-ACK: the ACK of that drew
 * a RST, or data had to be sent again. */
struct la_meanwhile {
    struct la_where same, other; /* its first SYN-ACK for the same service, and for another one;
                                    frame 0: none */
    struct la_where served; /* the service's first segment in a connection that it has opened */
    struct la_where silent; /* the client's first SYN to the same service that had to be sent again
                               without an answer */
    struct la_where heard;  /* the server's first segment of any kind */
    int64_t turnaround_ns[2]; /* of those connections, as in struct la_vantage */
    uint16_t waiting;         /* attempts of that client at the service that waited at the same
                                 time, this one included, at most */
    uint8_t ttl;              /* of its latest SYN-ACK; 0: none */
    bool two_way;             /* something of it passed here */
    bool one_way; /* the client acknowledged what did not pass here: it takes another way */
};

/* What a second capture point shows of a connection that is followed at the first. */
struct la_elsewhere {
    uint16_t input;
    /* Up to when it saw all that an end sent, from nearer than the first; LA_TIME_NONE: it did not
     * or may not have. */
    int64_t witness_until_ns[2];
    int16_t hops[2];                 /* by which an end's TTL is higher at the first point */
    struct la_observation resets[4]; /* that passed there, with the TTL that the first would see */
    size_t reset_count;
};

/* When a connection opened and closed, as its first segments of each kind passed here. INT64_MAX:
 * never. */
struct la_milestones {
    int64_t syn_ack_ns;      /* the server's first segment */
    int64_t open_ns;         /* the client's first one with an ACK */
    int64_t fin_ns[2];       /* by the side that sent the FIN */
    int64_t fin_acked_ns[2]; /* the same */
};

/* From one packet of the whole capture to the next, longer than anything is waited for. */
struct la_pause {
    int64_t from_ns, until_ns;
};

/* Of a connection that went where others went before only this is told at once, as hardly anybody
 * asks for more: who the ends are, how many packets and flags each sent, its last time and shortest
 * turnaround; when it began, opened, closed and ended; the words for it as a whole; and the
 * vantage. The log is NULL before the rest was told, and what else follows from the numbers of
 * segments says nothing. */
struct la_untold {
    void (*tell)(void *context);
    void *context;
};

struct la_connection {
    struct la_endpoint side[2]; /* LA_CLIENT, LA_SERVER */
    bool initiator_known;
    uint32_t incarnation;  /* from 1 */
    int64_t opened_ns;     /* of its first SYN; LA_TIME_NONE when none was seen */
    uint32_t opened_tsval; /* which that SYN bore; 0: none */
    struct la_milestones milestones;
    struct la_where first, last;
    enum la_opening opening;
    enum la_ending ending;
    enum la_closer first_closer;
    int64_t connect_delay_ns;    /* from the first SYN to the SYN-ACK; negative: not told */
    uint8_t late_cause;          /* enum la_late_cause */
    const char *zeek_conn_state; /* "SF", ... */
    char zeek_history[LA_ZEEK_HISTORY];
    const struct la_reset *resets;
    size_t reset_count;
    uint64_t gaps;       /* holes that the peer acknowledged: the capture missed packets here */
    uint64_t duplicates; /* packets left out as copies of others */
    uint16_t vlans[LA_CONNECTION_VLANS]; /* identifiers met, ascending, 0-terminated unless full */
    uint16_t tunnels;                    /* LA_TUNNEL_... */
    uint16_t inputs[LA_CONNECTION_INPUTS]; /* inputs that hold its packets, ascending */
    size_t input_count;
    bool crowded; /* there were more inputs, VLANs or capture points than have room */
    const struct la_recycle *recycle; /* NULL: the SYN was not older than anything remembered */
    bool unheard; /* it waited, and for want of room nobody noted what was said meanwhile */
    const struct la_elsewhere *elsewhere; /* NULL: it stands in the capture once */
    const struct la_meanwhile
        *meanwhile;       /* NULL: the first SYN was answered, and what followed too */
    bool remarkable;      /* anything beside opening, talking and closing: it has histories */
    bool fin_left_data;   /* a FIN that did not acknowledge all the data of its receiver */
    uint64_t log_dropped; /* observations that did not fit into its log */
    bool evicted;         /* given up under the memory limit */
    struct la_vantage vantage;

    const struct la_observation *log; /* in capture order */
    size_t log_count;
    const struct la_icmp_error *icmp; /* the first ones that quote its segments, in capture order */
    size_t icmp_count;
    uint64_t icmp_dropped; /* beyond these */

    int64_t capture_end_ns;        /* time of the last packet of the whole capture */
    const struct la_pause *pauses; /* long ones of the whole capture: see listening.h */
    size_t pause_count;
    int64_t unheard_ns; /* so long before its end nobody listened to this link any more */
    const struct la_profile *profile[2]; /* assumed of each end */

    /* The incarnation before and after this one, NULL when the capture has none in reach. Settled
     * as well, but of their own neighbours only this one is filled in. */
    const struct la_connection *previous, *next;
    /* Sets of diagnosis kinds found, 1 << enum la_kind; filled by diagnose. Those of the attempt
     * are taken back where its client turns out to have scanned. */
    uint64_t findings, attempt_findings;
    const struct la_untold *untold; /* NULL: all of it is told */
};

/* Has the rest told of a connection that is lent by the tracker. */
static inline void la_connection_tell(const struct la_connection *c) {
    if (c->untold)
        c->untold->tell(c->untold->context);
}

/* Which side of `other`, another life of the same 4-tuple, is `side` of `c`. */
static inline unsigned la_side_in(const struct la_connection *other, const struct la_connection *c,
                                  unsigned side) {
    const struct la_endpoint *a = &other->side[0], *b = &c->side[0];
    return a->port == b->port && la_addr_cmp(&a->addr, &b->addr) == 0 ? side : !side;
}

/* The packet behind a line of the log, with the time that its capture gave it. */
struct la_where la_place_of(const struct la_connection *c, size_t index);

enum la_icmp_meaning la_icmp_meaning(const struct la_icmp_error *error);

const char *la_class_name(enum la_class class);
const char *la_opening_name(enum la_opening opening);
const char *la_ending_name(enum la_ending ending);
const char *la_late_cause_name(enum la_late_cause cause);
const char *la_closer_name(enum la_closer closer);
const char *la_vantage_name(enum la_vantage_kind kind);
const char *la_reset_form_name(enum la_reset_form form);
const char *la_reset_cause_name(enum la_reset_cause cause);
const char *la_icmp_meaning_name(enum la_icmp_meaning meaning);

#endif
