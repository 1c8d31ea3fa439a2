/* The accounts as they are read: services, edges and hosts in order, whatever the order in which
 * they came. */
#ifndef LA_ACCOUNT_OVERVIEW_H
#define LA_ACCOUNT_OVERVIEW_H

#include "account/accounts.h"

/* A service: `answers` is NULL where nothing ever answered, `silent` where no attempt was refused
 * or ignored. */
struct la_service_line {
    const struct la_service *answers, *silent;
    uint64_t connections;
};

/* With what is asked of all edges, which themselves lie far apart. */
struct la_edge_line {
    struct la_addr client;
    const struct la_service *service;
    const struct la_edge *edge;
    uint64_t connections;
    bool seeks; /* none of its attempts got through; else all of these did */
};

/* A run of edges by client: what one host opened. */
struct la_host_line {
    const struct la_addr *addr;
    const struct la_edge_line *edges;
    size_t edge_count;
    const struct la_service_line *services; /* a run as well: what listens there */
    size_t service_count;
};

struct la_overview {
    struct la_service_line *services; /* by address and port */
    struct la_edge_line *edges;       /* by client, service, and whether it seeks */
    struct la_host_line *hosts;       /* by address */
    size_t service_count, edge_count, host_count;
    size_t connected_count; /* edges that do not seek */
    uint32_t clients_most;  /* that are kept of each class of a service */
    int64_t end_ns;         /* of the capture */
    uint64_t service_total; /* different services, kept or not; an estimate when not all are */
    uint64_t silent_kept, silent_total; /* addresses and ports where nothing answered, as above */
    uint64_t connections_left_out;      /* of services that are not kept */
    uint64_t clients_left_out;          /* connections whose client is not kept */
};

/* NULL when out of memory; owned by the caller. `accounts` are borrowed. */
struct la_overview *la_overview_new(const struct la_accounts *accounts);
void la_overview_free(struct la_overview *overview);

/* NULL when nothing is known of it. */
const struct la_host_line *la_overview_host(const struct la_overview *overview,
                                            const struct la_addr *addr);

/* How many different clients a service had, and hosts that tried and never got through: exact as
 * long as all are kept. */
uint64_t la_service_clients(const struct la_overview *overview, const struct la_service *service);
uint64_t la_service_seekers(const struct la_service *service);
uint64_t la_service_connections(const struct la_service *service);
/* Sum of the outcomes of a service in both of its accounts. */
uint64_t la_service_outcome(const struct la_service_line *line, enum la_outcome outcome);
uint64_t la_edge_connections(const struct la_edge *edge);

/* The sockets of a host: those of its services and those that it opened. `*sockets` is the
 * caller's, to be released. LA_OK or LA_ENOMEM. */
enum la_status la_host_sockets(const struct la_host_line *host, struct la_series *sockets);

/* The highest level of a strand, when it was reached (the end of the bin), and the last one. */
struct la_level {
    int64_t peak, final;
    int64_t peak_ns;
};
enum la_status la_series_levels(const struct la_series *series,
                                struct la_level levels[LA_STRAND_LEVELS]);

#endif
