/* What became of one side's FIN: its copies, their acknowledgements, and what the stacks' own marks
 * (TSecr, D-SACK, a trailing RST) say of them. Read from a settled connection; shared by the
 * arrivals and by the diagnoses. */
#ifndef LA_TRACK_FIN_STORY_H
#define LA_TRACK_FIN_STORY_H

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/connection.h"

/* What a path and a capture's clock may jitter before anything follows from it. */
#define LA_JITTER_NS (2 * LA_MSEC)

/* Acknowledges everything before `end`. */
static inline bool la_covers(const struct la_observation *o, uint32_t end) {
    return (o->flags & LA_ACK) && !(o->flags & LA_RST) && o->class != LA_CLASS_OUTSIDE &&
           seq_leq(end, o->ack);
}

/* What an acknowledgement says of the copies before the last one that can have drawn it. */
enum la_echo { LA_ECHO_NOTHING, LA_ECHO_EARLIER_ARRIVED, LA_ECHO_EARLIER_LOST };

/* `ack`, `first` and `last` are indices of the log; the acknowledgement comes from the receiver of
 * these two copies, and of those between them. */
enum la_echo la_read_echo(const struct la_connection *c, size_t ack, size_t first, size_t last);

/* True when the acknowledgement at `ack` of everything up to `end` reached `side` late, not never:
 * another one followed, and that found no socket (a bare RST from `side`). */
bool la_ack_was_late(const struct la_connection *c, unsigned side, uint32_t end, size_t ack);

enum { LA_STORY_COPIES = 24 };

/* Indices are of the connection's log; LA_NOWHERE: there is none. */
struct la_fin_story {
    size_t copies[LA_STORY_COPIES]; /* the first ones; at least one RTO apart from the one before */
    size_t copy_count;              /* of these */
    size_t copies_seen; /* of all, those that came too soon to be timed out ones included */
    size_t acks[LA_STORY_COPIES]; /* what the peer sent that covers the FIN */
    size_t ack_count;
    bool second;   /* it was sent by the passive closer, or crossed the peer's: what acknowledges it
                      is   the final ACK */
    size_t repeat; /* the first copy sent although an ACK should have arrived, or, without an ACK
                      before it, the second copy */
    bool acked_before_repeat; /* acks[0] should have arrived before `repeat` was sent */
    bool crossed;             /* acks[0] was under way when `repeat` was sent */
    size_t re_ack;            /* the ACK after `repeat` that the peer sent first */
    enum la_echo echo; /* what re_ack says of the copies before the last one that it can answer */
    bool echo_names_copy; /* and it names one of them, not the data that left with it */
    bool re_ack_prompt;   /* it came as soon after that copy as the peer answers anything */
    bool re_ack_at_once;  /* and without the delay that a busy host may have */
    bool re_ack_nearer;   /* it came much sooner after that copy than after the one before */
    int64_t
        re_ack_early_by_ns; /* it left that long before that copy can have arrived; 0: it did not */
    bool re_ack_before;     /* or even before it passed here */
    bool re_ack_is_answer;  /* bare, or the first FIN, or all that the peer sends passes here */
    bool first_lost;        /* it echoes a repeat and does not call that a duplicate */
    int64_t last_gap_ns;    /* from the copy before the last one that it can answer to that */
    bool dsack;             /* some ACK reports a copy as a duplicate */
    size_t pure_acks;       /* bare ACKs that cover the FIN, those that left at once counted once */
    bool passive;           /* it acknowledges the peer's FIN, and none before it passed unseen:
                               LAST-ACK, not CLOSING */
    bool crosses;           /* the peer's own FIN is known to have left without this one */
    size_t peer_reset;      /* the peer's RST that answers a copy */
    size_t own_reset;   /* the RST with which this side answers a second ACK: the first was late */
    bool data_is_cause; /* the repeat is that of data which was still unacknowledged ... */
    bool data_rides;    /* ... and which every copy of the FIN carries: none stands before it */
};

/* False when `side` sent no FIN, or only one. */
bool la_fin_story(const struct la_connection *c, unsigned side, struct la_fin_story *story);

/* Whether the capture point is next to that end. */
bool la_is_near(const struct la_connection *c, unsigned side);
/* Hosts start with one of a few TTLs, and every router takes one off: what came with another has
 * passed a router, however short the way is. Whatever drops packets may stand there. */
bool la_is_behind_router(const struct la_connection *c, unsigned side);
/* Time from the capture point to that end, one way; 0 when not measured. */
int64_t la_one_way_ns(const struct la_connection *c, unsigned side);
/* Round trip between the ends, as far as measured. */
int64_t la_round_trip_ns(const struct la_connection *c);
/* How much longer than others of its sender this segment was under way to the capture point, by the
 * sender's own clock: TSval. False when that cannot be said. */
bool la_excess_transit(const struct la_connection *c, size_t index, int64_t *excess);
/* The segment at `index` left its sender after the one at `earlier` had passed here: neither
 * reordering nor a copy explains that it comes later. Without timestamps only new data a second
 * later says so. */
bool la_sent_after(const struct la_connection *c, size_t index, size_t earlier);
/* When the segment at `index` left its sender, and when it reached its receiver if it did. */
int64_t la_sent_ns(const struct la_connection *c, size_t index);
int64_t la_arrived_ns(const struct la_connection *c, size_t index);

#endif
