/* The span that --from and --to ask for. */
#include "capture/when.h"

#include "base/time.h"

#include <time.h>

#define DAY_NS (INT64_C(86400) * LA_SEC)

bool la_when_parse(const char *text, bool local, struct la_when *out) {
    *out = (struct la_when){.local = local};
    if (text[0] == '+') {
        out->kind = LA_WHEN_SINCE_FIRST;
        return la_duration_parse(text + 1, &out->ns);
    }
    if (la_time_of_day_parse(text, &out->ns)) {
        out->kind = LA_WHEN_TIME_OF_DAY;
        return true;
    }
    out->kind = LA_WHEN_ABSOLUTE;
    return la_time_parse(text, &out->ns);
}

static int64_t add_clamped(int64_t a, int64_t b) {
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* The clock on the wall of the day of `first_ns`. Asked of mktime() by hour, minute and second, not
 * added to midnight: a day on which summer time begins has 23 hours. */
static int64_t local_time_of_day(int64_t first_ns, int64_t of_day_ns) {
    time_t first = (time_t)floor_div(first_ns, LA_SEC);
    struct tm tm;
    if (!localtime_r(&first, &tm))
        return first_ns;
    int seconds = (int)(of_day_ns / LA_SEC);
    tm.tm_hour = seconds / 3600;
    tm.tm_min = seconds / 60 % 60;
    tm.tm_sec = seconds % 60;
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * LA_SEC + of_day_ns % LA_SEC;
}

int64_t la_when_resolve(const struct la_when *when, int64_t first_ns, int64_t otherwise) {
    switch (when->kind) {
    case LA_WHEN_ABSOLUTE:
        return when->ns;
    case LA_WHEN_SINCE_FIRST:
        return add_clamped(first_ns, when->ns);
    case LA_WHEN_TIME_OF_DAY:
        if (when->local)
            return local_time_of_day(first_ns, when->ns);
        return add_clamped(floor_div(first_ns, DAY_NS) * DAY_NS, when->ns);
    case LA_WHEN_NONE:
        break;
    }
    return otherwise;
}
