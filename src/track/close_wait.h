/* CLOSE-WAIT: the peer has closed, and this side's application has not. Nobody else can end it.
 *
 * It counts as far as it is quiet: while new data goes out, or is held up by the network or by the
 * peer's window, the application may be at work, or may have closed already behind that data. */
#ifndef LA_TRACK_CLOSE_WAIT_H
#define LA_TRACK_CLOSE_WAIT_H

#include "track/connection.h"

enum la_close_wait_end {
    LA_CLOSE_WAIT_LASTS,     /* nothing in the capture ends it */
    LA_CLOSE_WAIT_CLOSED,    /* its own FIN */
    LA_CLOSE_WAIT_ABORTED,   /* its own RST */
    LA_CLOSE_WAIT_TIMED_OUT, /* its own RST, after keepalive probes that got no answer */
    LA_CLOSE_WAIT_RESET,     /* a RST of the peer */
    LA_CLOSE_WAIT_SYN,       /* the peer's next SYN over it, and the RST that its answer drew */
};

struct la_close_wait {
    int64_t from_ns;  /* the FIN reached this side */
    int64_t quiet_ns; /* since when it had nothing more to send: from_ns, or later */
    int64_t until_ns; /* its end, or that of the capture */
    int64_t heard_ns; /* when this side last sent something that shows it had not closed yet */
    /* Lines of the log; heard and ended_by may be LA_NOWHERE: not logged, nothing ended it. */
    size_t fin, ack, heard, ended_by;
    enum la_close_wait_end end;
    bool spoke; /* it sent new data since: a half-close in use */
};

/* How long a CLOSE-WAIT of `side` must be quiet to count. */
int64_t la_close_wait_least_ns(const struct la_connection *c, unsigned side);

/* Most connections are too short for it, or both ends close at once. Of an ordinary one that is
 * closed its FINs tell more, as no estimate of the way makes it longer than from one to the other
 * here. */
static inline bool la_may_have_waited(const struct la_connection *c, unsigned side) {
    const struct la_endpoint *me = &c->side[side], *peer = &c->side[!side];
    const int64_t *fin_ns = c->milestones.fin_ns;
    bool ended = me->fin > 0 || me->rst > 0 || peer->rst > 0;
    bool closed = !c->remarkable && me->fin > 0 && peer->fin > 0;
    int64_t from = closed ? fin_ns[!side] : c->first.time_ns;
    int64_t until = closed ? fin_ns[side] : ended ? c->last.time_ns : c->capture_end_ns;
    return until - from >= c->profile[side]->close_wait_ns && peer->fin > 0 && me->seen &&
           !me->fin_unseen;
}

/* False when `side` was not in CLOSE-WAIT for that long, or when the packets do not tell. Needs the
 * log and the vantage of a settled connection, no history. */
bool la_close_wait_of(const struct la_connection *c, unsigned side, struct la_close_wait *out);

#endif
