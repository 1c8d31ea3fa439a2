/* A connection as JSON: a line of --connections, and the way findings refer to one. */
#ifndef LA_REPORT_CONNECTION_JSON_H
#define LA_REPORT_CONNECTION_JSON_H

#include "diagnose/finding.h"
#include "report/emit.h"
#include "report/writer.h"
#include "track/connection.h"

/* One object, without a newline. */
void la_write_connection(struct la_writer *writer, const struct la_connection *connection);
/* null when the reference is empty */
json_t *la_emit_connection_ref(struct la_emit *emit, const struct la_connection_ref *ref);

#endif
