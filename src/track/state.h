/* Socket states, named as `ss` names them, and the one state table of an endpoint.
 *
 * The table is the wire's view of a socket: a FIN that the kernel has queued but not yet sent (a
 * closed window in front of it) is invisible, so the state changes when the FIN is on the wire. */
#ifndef LA_TRACK_STATE_H
#define LA_TRACK_STATE_H

#include <stddef.h>
#include <stdint.h>

enum la_state {
    LA_ST_CLOSED,
    LA_ST_LISTEN,
    LA_ST_SYN_SENT,
    LA_ST_SYN_RECV,
    LA_ST_ESTAB,
    LA_ST_FIN_WAIT_1,
    LA_ST_FIN_WAIT_2,
    LA_ST_CLOSE_WAIT,
    LA_ST_LAST_ACK,
    LA_ST_CLOSING,
    LA_ST_TIME_WAIT,
    LA_ST_UNKNOWN, /* joined in the middle, and the packets have not shown enough */
    LA_ST_COUNT,
};

/* What happens to one endpoint, as the classifier says. Exceptions are events of their own, so that
 * the table stays the only authority on what they do. */
enum la_event {
    LA_EV_SEND_SYN,
    LA_EV_SEND_SYN_ACK,
    LA_EV_SEND_FIN,
    LA_EV_SEND_RST,
    LA_EV_RECV_SYN,
    LA_EV_RECV_SYN_ACK,
    LA_EV_RECV_ACK_OF_SYN,
    LA_EV_RECV_FIN,
    LA_EV_RECV_ACK_OF_FIN,
    LA_EV_RECV_FIN_WITH_ACK_OF_FIN, /* one segment: a FIN, and an ACK that covers ours */
    LA_EV_RECV_RST,                 /* acceptable here (RFC 5961, 3): it closes */
    LA_EV_RECV_RST_IGNORED,         /* outside, inexact, or rfc1337: it changes nothing */
    LA_EV_RECV_FIN_AGAIN,
    LA_EV_RECV_SYN_HELD,    /* a SYN of another incarnation, challenged (RFC 5961, 4) */
    LA_EV_RECV_SYN_OLDER,   /* ... refused because its timestamp is older (RFC 7323, 5) */
    LA_EV_RECV_SYN_REUSE,   /* ... accepted: the 4-tuple goes over (RFC 9293, 3.10.7.4; RFC 6191) */
    LA_EV_RECV_SYN_REFUSED, /* ... answered with RST|ACK (an orphan FIN-WAIT-2) */
    LA_EV_RECV_UNREACHABLE, /* an ICMP error about a SYN, after which no further one was sent */
    LA_EV_TIMER,            /* the state's own timer: TIME-WAIT, FIN-WAIT-2, retries exhausted */
    LA_EV_TAKEN_OVER,       /* this host itself used the 4-tuple for a new connection */
    LA_EV_COUNT,
};

/* The state after `event` in `state`. Never fails: what a cell does not expect changes nothing. */
enum la_state la_state_next(enum la_state state, enum la_event event);
/* Why that is so, with the RFC section; never NULL. */
const char *la_state_why(enum la_state state, enum la_event event);

const char *la_state_name(enum la_state state); /* "FIN-WAIT-1" */
const char *la_event_name(enum la_event event); /* "recv-fin" */

#endif
