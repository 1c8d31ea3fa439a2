/* What crosses connections: additive summaries by service (server address and port) and by edge
 * (client host to service), fed from every settled connection.
 *
 * Closed under merge: counts add, bins follow from the data's span (series.h), and where there are
 * more services or clients than are kept, those are that hash lowest (sample.h). */
#ifndef LA_ACCOUNT_ACCOUNTS_H
#define LA_ACCOUNT_ACCOUNTS_H

#include "account/delays.h"
#include "account/sample.h"
#include "account/series.h"
#include "track/connection.h"

enum la_outcome {
    LA_OUTCOME_OPENED, /* its opening is in the capture */
    LA_OUTCOME_JOINED, /* it was open when the capture began */
    LA_OUTCOME_REFUSED,
    LA_OUTCOME_UNANSWERED,
    LA_OUTCOME_HALF_OPEN, /* answered, and the answer never acknowledged */
    LA_OUTCOME_STRAY,     /* segments of nothing: no opening, no traffic */
    LA_OUTCOME_COUNT,
};

/* The connections of a client host to a service. Levels are those of the client's sockets. */
struct la_edge {
    struct la_account account; /* the client host */
    uint32_t outcomes[LA_OUTCOME_COUNT];
    uint32_t closers[LA_CLOSER_COUNT]; /* of those that were open */
    uint32_t time_waits[2];            /* TIME-WAITs at the client, at the server */
    uint32_t timestamps;               /* connections in which both sides used them */
    uint32_t reused;                   /* took over a 4-tuple that was still remembered */
    int64_t least_gap_ns;  /* shortest time between two lives of a 4-tuple; with `reused` */
    struct la_where first; /* frame 0: no connection yet */
    int64_t last_ns;
    struct la_series series;
    struct la_sums ports; /* source port: connections */
    struct la_sums syns;  /* by time and port the timestamp of a SYN: see la_syn_time_ms() */
    uint8_t syn_share;    /* one in 2^n of them is kept */
};

/* Of each class of pairs of hosts so many clients of a service are kept: as many as leave room for
 * those of all services, see la_edges_most(). An edge takes some 350 bytes. */
enum { LA_EDGES_A_CLASS = 1536, LA_SERVICE_EDGES = 512, LA_SERVICE_EDGES_MIN = 16 };
enum { LA_SERVICE_SEEKERS = 64 };

/* Levels are those of the server's sockets. */
struct la_service {
    struct la_account account;
    uint64_t outcomes[LA_OUTCOME_COUNT];
    uint64_t closers[LA_CLOSER_COUNT];
    uint64_t time_waits[2];
    uint64_t late;             /* opened half a second or more after the first SYN */
    int64_t first_ns, last_ns; /* with `used` */
    bool used;                 /* a connection of it was added */
    struct la_delays delays;
    struct la_series series;
    /* Clients that were connected, by the class of the pair of hosts (at most LA_SERVICE_EDGES of
     * each, fewer the more services there are): owned, LA_PAIR_CLASSES of them; NULL: none. */
    struct la_sample *clients;
    struct la_sample seekers; /* hosts that tried and never got through, as edges */
};

/* Services that answered are kept apart from addresses and ports where nothing did, so that a scan
 * does not crowd them out. */
enum { LA_ACCOUNT_SERVICES = 2048, LA_ACCOUNT_SILENT = 4096 };
enum { LA_LAST_PLACES_BITS = 8 };

struct la_accounts {
    struct la_stock stock; /* of edges, and what belongs to them */
    struct la_sample services, silent;
    uint64_t connections[2]; /* those of services, and of silent ones; kept or not */
    int64_t end_ns;          /* what the capture is known to reach; LA_TIME_NONE: nothing yet */
    /* In these two, by a short hash: most connections are of a service that was met just before. */
    uint16_t last_places[2][1 << LA_LAST_PLACES_BITS];
};

/* Zero-initialised but for end_ns. Owned by the caller; NULL when out of memory. */
struct la_accounts *la_accounts_new(void);
void la_accounts_free(struct la_accounts *accounts);
enum la_status la_accounts_add(struct la_accounts *accounts, const struct la_connection *c);
/* What `from` holds moves to `into`. `from` is only good for freeing afterwards, and after
 * LA_ENOMEM so is `into`. */
enum la_status la_accounts_merge(struct la_accounts *into, struct la_accounts *from);

extern const struct la_sample_kind la_service_kind, la_silent_kind, la_edge_kind, la_seeker_kind;

/* The SYNs of an edge that carried timestamps, in the order of their times; of many a sample. */
enum { LA_EDGE_SYNS = 256 };
int64_t la_syn_time_ms(const struct la_sum *syn);
uint16_t la_syn_port(const struct la_sum *syn);
uint32_t la_syn_tsval(const struct la_sum *syn);

/* How many clients of a service are kept of each class. It depends on nothing but the number of
 * services, and only sinks with it. */
uint32_t la_edges_most(const struct la_accounts *accounts);

#endif
