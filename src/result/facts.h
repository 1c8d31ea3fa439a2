/* What findings say of hosts, as counts: the few things on which the use of a setting depends.
 * la_facts_of() is internal to this room. */
#ifndef LA_RESULT_FACTS_H
#define LA_RESULT_FACTS_H

#include "diagnose/finding.h"

/* "times that ... at this host" */
enum la_fact {
    LA_FACT_TIME_WAIT_CUT_SHORT,  /* a repeated FIN met no TIME-WAIT any more */
    LA_FACT_OWN_TIME_WAIT_REUSED, /* connect() took over a TIME-WAIT of the same host */
    LA_FACT_TIME_WAIT_REUSED,     /* a SYN took over a TIME-WAIT */
    LA_FACT_REFUSED_BY_TIME_WAIT, /* a SYN met a TIME-WAIT and was refused */
    LA_FACT_REFUSED_BY_RECYCLE,   /* a SYN was dropped as tcp_tw_recycle does */
    LA_FACT_PORT_COLLIDED,        /* a new connection met the old one's state: at both hosts */
    LA_FACT_FIN_REPEATED,         /* a FIN was sent again, and acknowledged at last */
    LA_FACT_FIN_UNANSWERED,       /* a FIN was sent again in vain */
    LA_FACT_CLOSE_GIVEN_UP,       /* ... until its time ran out */
    LA_FACT_FIN_WAIT_2_EXPIRED,   /* the peer's FIN or data came after FIN-WAIT-2 was over */
    LA_FACT_FIN_WAIT_2_DISCARDED, /* ... because there never was room for it */
    LA_FACT_ASSASSINATED,         /* an RST ended a TIME-WAIT */
    LA_FACT_OLD_DATA_ACCEPTED,    /* a segment of an earlier connection got into a later one */
    LA_FACT_CLOSE_WAIT_LEAKED,    /* its program never closed */
    LA_FACT_SYN_UNANSWERED,       /* its attempt failed without an answer */
    LA_FACT_SYN_REPEATED,         /* its attempt got through late */
    LA_FACT_SYN_QUEUE_FULL,       /* a listener of it dropped an attempt */
    LA_FACT_ACCEPT_QUEUE_FULL,    /* ... because the program did not accept */
    LA_FACT_FLOODED,              /* a service of it was flooded with attempts */
    LA_FACT_LOST_WHILE_IDLE,      /* its peer forgot a connection that was idle */
    LA_FACT_PROBED,               /* it sent keepalive probes when its settings say so ... */
    LA_FACT_PROBED_BY_PROGRAM,    /* ... or when its program chose to */
    LA_FACT_DIED_OF_KEEPALIVE,    /* they were not answered */
    LA_FACT_DIED_OF_PROGRAM,
    LA_FACT_DIED_UNACKNOWLEDGED, /* its data was repeated until its time ran out */
    LA_FACT_WINDOW_CLOSED,       /* its program did not read */
    LA_FACT_PEER_CLOSED_WINDOW,  /* the peer's program did not read */
    LA_FACT_PORTS_SHORT,         /* four fifths of its ports to one destination, or all */
    LA_FACT_COUNT,
};

/* Adds to each fact that a finding tells: calls `add` with the host that it tells it of. */
typedef enum la_status la_fact_sink(void *context, enum la_fact fact, const struct la_addr *host);
enum la_status la_facts_of(const struct la_finding *finding, la_fact_sink *add, void *context);

#endif
