/* How an attempt to open a connection is read: one verdict, from which syn-refused, syn-unanswered,
 * syn-retransmitted, syn-queue-overflow and accept-queue-overflow each take what is theirs, so that
 * an attempt is at most one of them, and none where a SYN over a held 4-tuple explains it. Internal
 * to this room. */
#ifndef LA_DIAGNOSE_CONNECT_STORY_H
#define LA_DIAGNOSE_CONNECT_STORY_H

#include "diagnose/build.h"
#include "track/open_story.h"

enum connect_verdict {
    CONNECT_NOTHING,
    CONNECT_REFUSED,
    CONNECT_UNANSWERED,
    CONNECT_LATE,
    CONNECT_SYN_DROPPED,        /* syn-queue-overflow */
    CONNECT_SYN_DROPPED_BY_ONE, /* accept-queue-overflow: other services answered meanwhile */
    CONNECT_ACK_IGNORED,        /* accept-queue-overflow: the client believed itself connected */
    CONNECT_COOKIE_IGNORED,     /* the same; the server keeps nothing, and so repeats nothing */
    CONNECT_ACK_RESET,          /* accept-queue-overflow: the ACK of the SYN-ACK drew a RST */
};

struct connect_story {
    enum connect_verdict verdict;
    bool observed;
    struct la_open_story open;
    enum la_late_cause cause;  /* of CONNECT_LATE */
    bool gave_up;              /* a further SYN was due, and did not come */
    int64_t tried_ns;          /* from the first SYN to the last */
    int64_t answered_after_ns; /* from the last SYN to its refusal; -1: none */
    unsigned ignored_acks;     /* SYN-ACKs sent again although the client had acknowledged */
    const struct la_observation *ignored;      /* the first acknowledgement that was ignored, or
                                                  that drew the RST */
    const struct la_observation *reset;        /* the RST */
    const struct la_observation *last_syn_ack; /* sent again in spite of that */
    bool rejected;      /* of CONNECT_UNANSWERED: there were answers, and the client took none */
    bool taken_at_last; /* of an ignored one: the server acted on a later one */
};

void connect_story_read(const struct la_connection *c, struct connect_story *story);

/* The detail `misfit`: what was wrong with a SYN-ACK that the client rejected; null: nothing, as
 * far as it passed here, or it did not. */
void connect_story_misfit(struct la_finding *f, const struct connect_story *story);
void connect_story_blame_rejection(struct la_finding *f, const struct la_connection *c,
                                   const struct connect_story *story);

/* Of an attempt whose SYNs were dropped: what it cost, how it ended, and the details that say so:
 * recovered, recovered_after. */
enum la_severity connect_story_severity(const struct connect_story *story, int64_t delay_ns);
const char *connect_story_outcome(struct la_finding *f, const struct connect_story *story);
void connect_story_recovery(struct la_finding *f, const struct connect_story *story);

/* What the server's host said to others meanwhile, as evidence. */
void connect_story_show_meanwhile(struct la_finding *f, const struct la_connection *c,
                                  const struct connect_story *story);

/* The SYNs of the attempt, and what answered them, as evidence. */
void connect_story_show(struct la_finding *f, const struct la_connection *c,
                        const struct connect_story *story);

#endif
