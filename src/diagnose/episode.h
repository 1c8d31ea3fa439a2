/* Helpers for findings that are of a host or a service and not of a connection: they are decided
 * when everything was merged, from the accounts. Internal to this room. */
#ifndef LA_DIAGNOSE_EPISODE_H
#define LA_DIAGNOSE_EPISODE_H

#include "account/overview.h"
#include "diagnose/build.h"

/* Clears the finding and fills what every kind has. `peer` NULL: many. */
void episode_start(struct la_finding *f, enum la_kind kind, const struct la_addr *host,
                   const struct la_addr *peer);
/* Tells episodes of one host apart. */
void episode_of_service(struct la_finding *f, const struct la_account *service);

/* The first packet of an edge as evidence. */
void episode_show(struct la_finding *f, const struct la_edge *edge, const char *role);
/* Those of the clients of a service. */
void episode_show_clients(struct la_finding *f, const struct la_overview *overview,
                          const struct la_service *service, const char *role);

/* "10.0.0.2", "10.0.0.2:80" into the finding's text. */
const char *host_text(struct la_finding *f, const struct la_addr *addr);
const char *service_text(struct la_finding *f, const struct la_account *service);

#endif
