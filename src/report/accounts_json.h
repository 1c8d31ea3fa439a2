/* What crosses connections, as JSON: sockets by host, services, edges. The latter two are printed
 * item by item, as they are most of a report. */
#ifndef LA_REPORT_ACCOUNTS_JSON_H
#define LA_REPORT_ACCOUNTS_JSON_H

#include "account/overview.h"
#include "base/histogram.h"
#include "report/emit.h"

enum { LA_REPORT_SERVICES = 50, LA_REPORT_EDGES = 100, LA_REPORT_SAMPLES = 120 };

void la_emit_histogram(struct la_emit *emit, const char *name,
                       const struct la_histogram *histogram);
json_t *la_emit_sockets(struct la_emit *emit, const struct la_overview *overview);
void la_emit_services(struct la_emit *emit, const char *name, const struct la_overview *overview);
void la_emit_edges(struct la_emit *emit, const char *name, const struct la_overview *overview);

#endif
