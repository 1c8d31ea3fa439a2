/* A finding: one instance of one kind of trouble, as data. */
#ifndef LA_DIAGNOSE_FINDING_H
#define LA_DIAGNOSE_FINDING_H

#include "base/addr.h"
#include "track/connection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum la_kind {
    LA_KIND_LOST_FINAL_ACK,
    LA_KIND_FIN_RETRANSMITTED,
    LA_KIND_RECYCLED_PORT_RST,
    LA_KIND_TIMESTAMP_REJECTED_SYN,
    LA_KIND_TIME_WAIT_REUSE,
    LA_KIND_OLD_DUPLICATE,
    LA_KIND_TIME_WAIT_ASSASSINATION,
    LA_KIND_CLOSE_WAIT_LEAK,
    LA_KIND_SLOW_CLOSE,
    LA_KIND_FIN_WAIT_2_TIMEOUT,
    LA_KIND_LAST_ACK_TIMEOUT,
    LA_KIND_ABORTIVE_CLOSE,
    LA_KIND_HALF_CLOSE,
    LA_KIND_SIMULTANEOUS_CLOSE,
    LA_KIND_SIMULTANEOUS_OPEN,
    LA_KIND_SYN_REFUSED,
    LA_KIND_SYN_UNANSWERED,
    LA_KIND_SYN_RETRANSMITTED,
    LA_KIND_SYN_QUEUE_OVERFLOW,
    LA_KIND_ACCEPT_QUEUE_OVERFLOW,
    LA_KIND_SYN_FLOOD,
    LA_KIND_SCAN,
    LA_KIND_HALF_OPEN,
    LA_KIND_KEEPALIVE,
    LA_KIND_KEEPALIVE_DEATH,
    LA_KIND_RETRANSMISSION_TIMEOUT,
    LA_KIND_ZERO_WINDOW_STALL,
    LA_KIND_TIME_WAIT_PILEUP,
    LA_KIND_CLOSE_WAIT_PILEUP,
    LA_KIND_PORT_EXHAUSTION,
    LA_KIND_SHARED_ADDRESS,
    LA_KIND_CHALLENGE_ACK,
    LA_KIND_INJECTED_RST,
    LA_KIND_COUNT,
};

/* Every kind, as a set of 1 << enum la_kind. */
#define LA_ALL_KINDS ((UINT64_C(1) << LA_KIND_COUNT) - 1)

enum la_severity { LA_INFO, LA_NOTICE, LA_WARNING, LA_CRITICAL, LA_SEVERITY_COUNT };
enum la_confidence { LA_INFERRED, LA_OBSERVED };

enum la_role {
    LA_ROLE_APPLICATION,
    LA_ROLE_KERNEL, /* a kernel, or a setting of it */
    LA_ROLE_NETWORK,
    LA_ROLE_MIDDLEBOX,
    LA_ROLE_PEER,
    LA_ROLE_UNKNOWN,
    LA_ROLE_COUNT,
};

/* A field that only this kind has. Its name and type come from the registry (diagnose/diagnose.h).
 */
enum la_detail_type {
    LA_DETAIL_NULL,
    LA_DETAIL_BOOL,
    LA_DETAIL_INTEGER,
    LA_DETAIL_SECONDS,
    LA_DETAIL_WORD
};

struct la_detail {
    const char *name;
    enum la_detail_type type; /* LA_DETAIL_NULL: unknown */
    union {
        bool boolean;
        int64_t integer;  /* LA_DETAIL_INTEGER, and nanoseconds for LA_DETAIL_SECONDS */
        const char *word; /* static */
    } value;
};

struct la_evidence {
    struct la_where where;
    const char *role; /* static: "final ACK", "FIN again" */
};

struct la_exclusion {
    const char *kind; /* static: a kind, or words for a look-alike without one */
    const char *why;  /* in the finding's own text space, or static */
};

/* Names a connection without holding it. */
struct la_connection_ref {
    bool present; /* false: none; of an episode, host and service may stand here to tell it apart */
    struct la_addr client, server;
    uint16_t client_port, server_port;
    bool initiator_known;
    uint32_t incarnation;
    int64_t opened_ns; /* LA_TIME_NONE: its SYN was not seen */
    int64_t first_ns;
};

enum {
    LA_FINDING_EVIDENCE = 24,
    LA_FINDING_DETAILS = 12,
    LA_FINDING_NOTES = 8,
    LA_FINDING_TEXT = 2048,
};

/* Holds no pointer to anything but static strings and its own `text`; copy with la_finding_copy().
 */
struct la_finding {
    enum la_kind kind;
    enum la_severity severity;
    enum la_confidence confidence;
    int64_t time_ns;  /* when the trouble starts */
    int64_t delay_ns; /* what it cost somebody from then; -1: nothing, or not known */
    const char *summary;
    struct la_addr host, peer; /* host holds the socket in trouble */
    bool many_peers;           /* peer is no single one */
    bool of_attempt; /* of a connection in which the client sent no data: see diagnose.h */
    struct {
        bool host_known;
        struct la_addr host;
        enum la_role role;
        const char *why;
    } responsible;
    struct la_connection_ref connection, previous;
    struct la_evidence evidence[LA_FINDING_EVIDENCE];
    size_t evidence_count;
    uint32_t evidence_dropped;                    /* repeats beyond the bound */
    struct la_detail details[LA_FINDING_DETAILS]; /* in the registry's order, all of them */
    size_t detail_count;
    const char *assumes[LA_FINDING_NOTES];
    size_t assume_count;
    struct la_exclusion excluded[LA_FINDING_NOTES];
    size_t excluded_count;
    uint16_t text_used;
    char text[LA_FINDING_TEXT];
};

void la_finding_copy(struct la_finding *to, const struct la_finding *from);

/* NULL when it has no such field. */
const struct la_detail *la_finding_detail(const struct la_finding *finding, const char *name);
/* Whether a field of its own is that word; is known, when `word` is NULL; whatever it is, when the
 * name is NULL as well. */
bool la_finding_says(const struct la_finding *finding, const char *name, const char *word);

/* The host of the finding or its peer, an end of the connection, the end that the field "side"
 * names, or the end opposite of that. NULL when there is no such host, or no single one. */
enum la_whose { LA_OF_HOST, LA_OF_PEER, LA_OF_CLIENT, LA_OF_SERVER, LA_OF_SIDE, LA_OF_OTHER_SIDE };
const struct la_addr *la_finding_whose(const struct la_finding *finding, enum la_whose whose);

/* Orders instances: the worst first, by severity, delay, time, connection. A total order on
 * different findings, so that what is kept does not depend on arrival. */
int la_finding_compare(const struct la_finding *a, const struct la_finding *b);

const char *la_kind_name(enum la_kind kind); /* "lost-final-ack" */
const char *la_severity_name(enum la_severity severity);
const char *la_confidence_name(enum la_confidence confidence);
const char *la_role_name(enum la_role role);

#endif
