/* A finding as JSON: a line of --findings, and an instance in the report. */
#ifndef LA_REPORT_FINDING_JSON_H
#define LA_REPORT_FINDING_JSON_H

#include "diagnose/finding.h"
#include "report/emit.h"

json_t *la_emit_finding(struct la_emit *emit, const struct la_finding *finding);

#endif
