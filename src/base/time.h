/* Time: int64_t nanoseconds since the Unix epoch, UTC, everywhere from the file to the report.
 * Durations are int64_t nanoseconds as well. */
#ifndef LA_BASE_TIME_H
#define LA_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define LA_USEC INT64_C(1000)
#define LA_MSEC INT64_C(1000000)
#define LA_SEC INT64_C(1000000000)

/* Times of a capture are kept within +-146 years of 1970, so that the difference of any two fits an
 * int64_t, and so does that of what is estimated from them (a day is left for that). */
#define LA_TIME_LIMIT (INT64_MAX / 2 - 86400 * LA_SEC)

/* No time: never printed, only compared with. */
#define LA_TIME_NONE INT64_MIN

enum { LA_TIME_TEXT = 40 };

static inline int la_time_length(int digits) {
    return 20 + (digits > 0 ? 1 + digits : 0);
}

/* Writes RFC 3339 in UTC ending in Z, with `digits` (0 to 9) digits of the second, truncated.
 * Returns `buf`. Every value has a year of four digits (1677 to 2262), so the length only depends
 * on `digits`. */
const char *la_time_format(int64_t ns, int digits, char buf[LA_TIME_TEXT]);

/* Reads an RFC 3339 time (any offset, up to 9 digits) or epoch seconds ("1700000000.5").
 * False when `text` is neither. */
bool la_time_parse(const char *text, int64_t *ns);

/* Reads a duration: a decimal number with an optional unit ns, us, ms, s (default), m, h, d.
 * False when `text` is none, negative or too large. */
bool la_duration_parse(const char *text, int64_t *ns);

/* Reads a time of day "HH:MM[:SS[.fraction]]" as nanoseconds since midnight. */
bool la_time_of_day_parse(const char *text, int64_t *ns);

/* The second that a time lies in, also before 1970. */
static inline int64_t la_floor_seconds(int64_t ns) {
    return ns / LA_SEC - (ns % LA_SEC < 0);
}

static inline double la_seconds(int64_t ns) {
    return (double)ns / 1e9;
}

#endif
