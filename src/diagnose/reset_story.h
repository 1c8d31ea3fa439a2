/* How the RST that ended a connection is read: one verdict, from which abortive-close, half-open
 * and injected-rst each take what is theirs, so that no RST is claimed twice. What belongs to
 * another life of the 4-tuple, to a close, or to a keepalive is none of theirs. Internal to this
 * room. */
#ifndef LA_DIAGNOSE_RESET_STORY_H
#define LA_DIAGNOSE_RESET_STORY_H

#include "diagnose/build.h"

enum reset_verdict {
    RESET_NOTHING,
    RESET_ABORT,            /* abortive-close, by its sender's own will */
    RESET_DATA_AFTER_CLOSE, /* abortive-close: data met a closed socket */
    RESET_UNEXPLAINED,      /* abortive-close of unknown cause: a bare RST in the midst of things */
    RESET_HALF_OPEN,        /* half-open */
    RESET_INJECTED,         /* injected-rst */
};

struct reset_story {
    enum reset_verdict verdict;
    const struct la_reset *reset; /* the one that ended the connection */
    unsigned side;                /* who sent it */
    bool heard;                   /* that side had said something before */
    int64_t heard_ns;             /* when it did so last */
    int64_t idle_ns;              /* RESET_HALF_OPEN: from then until the living side spoke again */
};

void reset_story_read(const struct la_connection *c, struct reset_story *story);

#endif
