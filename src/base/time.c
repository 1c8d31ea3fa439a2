#define _GNU_SOURCE /* timegm */
#include "base/time.h"

#include "base/digits.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

/* The date of a day since the epoch, in the calendar that goes on before 1582. Years are counted
 * from March, so that a leap day ends one; 400 of them have the same number of days. */
static char *put_date(char *out, int64_t day) {
    enum { DAYS_OF_400 = 146097, EPOCH = 719468 /* since 0000-03-01 */ };
    unsigned since = (unsigned)(day + EPOCH); /* no nanoseconds reach back so far */
    unsigned era = since / DAYS_OF_400, day_of_era = since % DAYS_OF_400;
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_OF_400 - 1)) /
        365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month = (5 * day_of_year + 2) / 153; /* since March */
    unsigned january = month >= 10, year = 400 * era + year_of_era + january;
    la_put_pair(out, year / 100);
    la_put_pair(out + 2, year % 100);
    out[4] = '-';
    la_put_pair(out + 5, january ? month - 9 : month + 3);
    out[7] = '-';
    la_put_pair(out + 8, day_of_year - (153 * month + 2) / 5 + 1);
    return out + 10;
}

static char *put_clock(char *out, unsigned second_of_day) {
    unsigned minute_of_day = second_of_day / 60;
    la_put_pair(out, minute_of_day / 60);
    out[2] = ':';
    la_put_pair(out + 3, minute_of_day % 60);
    out[5] = ':';
    la_put_pair(out + 6, second_of_day % 60);
    return out + 8;
}

const char *la_time_format(int64_t ns, int digits, char buf[LA_TIME_TEXT]) {
    enum { SECONDS_A_DAY = 86400, NANO_DIGITS = 9 };
    int64_t seconds = la_floor_seconds(ns);
    uint32_t fraction = (uint32_t)((uint64_t)ns - (uint64_t)seconds * (uint64_t)LA_SEC);
    int64_t day = seconds / SECONDS_A_DAY - (seconds % SECONDS_A_DAY < 0);
    char *out = put_date(buf, day);
    *out++ = 'T';
    out = put_clock(out, (unsigned)(seconds - day * SECONDS_A_DAY));
    if (digits > 0) {
        *out++ = '.';
        la_put_nanoseconds(out, fraction);
        out += digits < NANO_DIGITS ? digits : NANO_DIGITS;
    }
    memcpy(out, "Z", 2);
    return buf;
}

/* Reads exactly `count` digits. */
static bool take_digits(const char **p, int count, int *value) {
    int v = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*p)[i]))
            return false;
        v = v * 10 + ((*p)[i] - '0');
    }
    *p += count;
    *value = v;
    return true;
}

static bool take_char(const char **p, char c) {
    if (**p != c)
        return false;
    ++*p;
    return true;
}

/* Reads an optional ".fraction" as nanoseconds; digits past the ninth are dropped. */
static bool take_fraction(const char **p, int64_t *ns) {
    *ns = 0;
    if (**p != '.')
        return true;
    ++*p;
    if (!isdigit((unsigned char)**p))
        return false;
    int64_t scale = LA_SEC / 10;
    for (; isdigit((unsigned char)**p); ++*p) {
        *ns += (**p - '0') * scale;
        scale /= 10;
    }
    return true;
}

/* Reads a whole decimal number of units of `unit` ns, with fraction; false on overflow. */
static bool take_decimal(const char **p, int64_t unit, int64_t *ns) {
    if (!isdigit((unsigned char)**p))
        return false;
    int64_t whole = 0;
    for (; isdigit((unsigned char)**p); ++*p) {
        if (whole > INT64_MAX / unit / 10 - 1)
            return false;
        whole = whole * 10 + (**p - '0');
    }
    int64_t fraction;
    if (!take_fraction(p, &fraction))
        return false;
    *ns = whole * unit + (int64_t)((double)fraction * ((double)unit / 1e9) + 0.5);
    return true;
}

static bool parse_offset(const char **p, int *seconds) {
    *seconds = 0;
    if (take_char(p, 'Z') || take_char(p, 'z'))
        return true;
    int sign = take_char(p, '+') ? 1 : take_char(p, '-') ? -1 : 0;
    int hours, minutes;
    if (sign == 0 || !take_digits(p, 2, &hours) || !take_char(p, ':') ||
        !take_digits(p, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_clock(const char **p, int *hour, int *minute, int *second, int64_t *fraction) {
    *second = 0;
    *fraction = 0;
    if (!take_digits(p, 2, hour) || !take_char(p, ':') || !take_digits(p, 2, minute))
        return false;
    if (take_char(p, ':') && (!take_digits(p, 2, second) || !take_fraction(p, fraction)))
        return false;
    return *hour < 24 && *minute < 60 && *second <= 60;
}

static bool parse_rfc3339(const char *text, int64_t *ns) {
    const char *p = text;
    struct tm tm = {0};
    int64_t fraction;
    int offset;
    if (!take_digits(&p, 4, &tm.tm_year) || !take_char(&p, '-') ||
        !take_digits(&p, 2, &tm.tm_mon) || !take_char(&p, '-') || !take_digits(&p, 2, &tm.tm_mday))
        return false;
    if (!take_char(&p, 'T') && !take_char(&p, 't') && !take_char(&p, ' '))
        return false;
    if (!take_clock(&p, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &fraction) ||
        !parse_offset(&p, &offset) || *p)
        return false;
    if (tm.tm_year < 1678 || tm.tm_year > 2261 || tm.tm_mon < 1 || tm.tm_mon > 12 ||
        tm.tm_mday < 1 || tm.tm_mday > 31)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm date = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday};
    timegm(&date);
    if (date.tm_mday != tm.tm_mday)
        return false; /* 30 February would be taken for a day in March */
    *ns = ((int64_t)timegm(&tm) - offset) * LA_SEC + fraction;
    return true;
}

bool la_time_parse(const char *text, int64_t *ns) {
    const char *p = text;
    if (take_decimal(&p, LA_SEC, ns) && *p == '\0')
        return true;
    return parse_rfc3339(text, ns);
}

bool la_duration_parse(const char *text, int64_t *ns) {
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"", LA_SEC}, {"s", LA_SEC},      {"ms", LA_MSEC},      {"us", LA_USEC},
                 {"ns", 1},    {"m", 60 * LA_SEC}, {"h", 3600 * LA_SEC}, {"d", 86400 * LA_SEC}};
    size_t number = strspn(text, "0123456789.");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const char *p = text;
        if (strcmp(text + number, units[i].name) == 0)
            return take_decimal(&p, units[i].ns, ns) && p == text + number;
    }
    return false;
}

bool la_time_of_day_parse(const char *text, int64_t *ns) {
    const char *p = text;
    int hour, minute, second;
    int64_t fraction;
    if (!take_clock(&p, &hour, &minute, &second, &fraction) || *p)
        return false;
    *ns = (hour * 3600 + minute * 60 + second) * LA_SEC + fraction;
    return true;
}
