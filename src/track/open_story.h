/* How an attempt to open a connection went: what was sent, what answered it, and what was lost on
 * the way. Read from a settled connection; shared by its words and by the diagnoses of attempts. */
#ifndef LA_TRACK_OPEN_STORY_H
#define LA_TRACK_OPEN_STORY_H

#include "track/connection.h"

/* Why a client in SYN-SENT does not believe a SYN-ACK (RFC 9293, 3.10.7.3; RFC 7323, 3.2). */
enum la_misfit {
    LA_MISFIT_NONE,
    LA_MISFIT_ACK,       /* it acknowledges what the client has not sent */
    LA_MISFIT_TIMESTAMP, /* it echoes none of the client's timestamps */
};

struct la_open_story {
    const struct la_observation *syn;      /* the client's first; NULL: not captured, and nothing
                                              else is set */
    const struct la_observation *last_syn; /* of this attempt */
    unsigned syns;
    unsigned unanswered; /* SYNs without any answer */
    const struct la_observation *last_unanswered;
    const struct la_observation *first_syn_ack;
    const struct la_observation *syn_ack; /* the one that opened the connection */
    unsigned syn_acks;                    /* up to that one */
    const struct la_observation *ack; /* the client's first acknowledgement of the server's SYN */
    const struct la_observation *refusal;    /* a RST that the client in SYN-SENT had to believe */
    const struct la_icmp_error *unreachable; /* an ICMP error about a SYN */
    const struct la_observation *rejection;  /* the client's RST to a SYN-ACK */
    enum la_misfit misfit;                   /* of the SYN-ACK before it, as it passed here */
    bool syn_ack_unheard; /* the client sent its SYN again although the SYN-ACK should have come */
};

void la_open_story(const struct la_connection *c, struct la_open_story *story);

/* From the first SYN to the SYN-ACK that opened the connection; negative where the capture does not
 * tell. */
int64_t la_connect_delay_ns(const struct la_connection *c);

/* Whether the capture was taken next to the server, as far as what reaches it is concerned: also
 * where the whole way is too short to have sides, or a host speaks to itself. */
bool la_reached_server(const struct la_connection *c);

/* Whether the client sent nothing but segments without SYN, ACK and RST to a host that at most
 * refused them: with FIN, with FIN, PSH and URG, or with nothing. Scanners send these; no
 * connection has them. */
bool la_was_probed(const struct la_connection *c);

/* Whether that was while the attempt waited. */
bool la_is_meanwhile(const struct la_open_story *story, const struct la_where *where);

/* Silence that is the listener's: a queue of it was full. Never more than likely. */
enum la_overflow {
    LA_OVERFLOW_NONE,
    LA_OVERFLOW_ANY,    /* that of half-open attempts, or the accept queue */
    LA_OVERFLOW_ACCEPT, /* the host's other services answered meanwhile */
};
enum la_overflow la_overflow_of(const struct la_connection *c, const struct la_open_story *story);

/* Why the SYN or its answer had to be sent again before the client was connected, as far as the
 * packets tell; LA_LATE_NOT when it had not.
 * `*observed` where it is proven, not only likelier than anything else; NULL is fine. */
enum la_late_cause la_late_cause_of(const struct la_connection *c, bool *observed);

#endif
