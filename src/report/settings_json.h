/* The report's section on hosts' settings. */
#ifndef LA_REPORT_SETTINGS_JSON_H
#define LA_REPORT_SETTINGS_JSON_H

#include "report/emit.h"
#include "result/result.h"

/* An array: a host whose settings were given each, with what the result says of them. */
json_t *la_emit_settings(struct la_emit *emit, const struct la_result *result,
                         const struct la_hosts *hosts);

#endif
