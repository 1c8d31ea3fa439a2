/* The report's section on hosts' settings. */
#ifndef LA_REPORT_SETTINGS_JSON_H
#define LA_REPORT_SETTINGS_JSON_H

#include "audit/audit.h"
#include "report/emit.h"

/* An array: a host whose settings were given each, with what is known of them. */
json_t *la_emit_settings(struct la_emit *emit, const struct la_audit *audit);

#endif
