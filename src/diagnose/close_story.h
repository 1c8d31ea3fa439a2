/* How a repeated FIN is read: one verdict, from which lost-final-ack and fin-retransmitted each
 * take what is theirs, so that the two can never both claim the same segments. Internal to this
 * room. */
#ifndef LA_DIAGNOSE_CLOSE_STORY_H
#define LA_DIAGNOSE_CLOSE_STORY_H

#include "diagnose/build.h"
#include "track/fin_story.h"

enum close_verdict {
    CLOSE_NOTHING,        /* sent once, or again for a reason that is not the FIN's */
    CLOSE_FINAL_ACK_LOST, /* lost-final-ack */
    CLOSE_FIN_LOST,       /* the rest: fin-retransmitted, by cause */
    CLOSE_FIRST_ACK_LOST,
    CLOSE_LATE_ACK,
    CLOSE_UNANSWERED,
    CLOSE_UNKNOWN,
};

struct close_story {
    enum close_verdict verdict;
    unsigned side; /* whose FIN */
    bool observed;
    struct la_fin_story fin;
    bool port_recycled;                     /* it was still held when the next connection came */
    const struct la_observation *challenge; /* how it answered that one's SYN; NULL: it did not */
    const char *why;                        /* static: the proof in words */
};

/* Reads the FIN of `side`. With CLOSE_NOTHING nothing else is set. */
void close_story_read(const struct la_connection *c, unsigned side, struct close_story *story);

#endif
