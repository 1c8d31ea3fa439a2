/* Which settings of which host bear on a finding, as one table: those that decide whether it
 * happens, when, or what it costs. */
#ifndef LA_AUDIT_BEARING_H
#define LA_AUDIT_BEARING_H

#include "audit/setting.h"
#include "base/profile.h"
#include "diagnose/finding.h"

/* Where the value comes from. */
enum la_value_source {
    LA_VALUE_FILE,    /* the host's file names it */
    LA_VALUE_DEFAULT, /* it does not: the kernel's own */
    LA_VALUE_ABSENT,  /* the file is all that the host's kernel shows, and this is not there */
};

/* All borrowed. */
struct la_bearing {
    const struct la_addr *host;
    const struct la_setting *setting;
    const char *value; /* NULL: not known, or LA_VALUE_ABSENT */
    enum la_value_source source;
    const char *field; /* of the finding: what was measured or counted of it; NULL: nothing */
};

enum { LA_FINDING_SETTINGS = 8 };

/* Those of hosts whose settings were given. Returns how many. */
size_t la_bearings_of(const struct la_finding *finding, const struct la_hosts *hosts,
                      struct la_bearing bearings[LA_FINDING_SETTINGS]);

/* The table itself, for tests: the setting and the field of a row. False past the last. */
bool la_bearing_row(size_t index, enum la_kind *kind, const char **setting, const char **field);

const char *la_value_source_name(enum la_value_source source);

#endif
