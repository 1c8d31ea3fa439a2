/* Counts over time, in bins whose width is a power of two seconds and follows from the span of the
 * data alone, so that it does not matter in which order or in how many parts they were added.
 *
 * A level (how many sockets are in a state) is kept as its steps: what is added up to the end of a
 * bin is the level at that moment, exactly, however wide the bins have become. */
#ifndef LA_ACCOUNT_SERIES_H
#define LA_ACCOUNT_SERIES_H

#include "account/sums.h"
#include "track/state.h"

#include <stdbool.h>

/* What is counted: the levels first, which are states and what derives from them, then events. */
enum la_strand {
    LA_STRAND_STATE,                       /* + enum la_state */
    LA_STRAND_CLOSE_WAIT_10 = LA_ST_COUNT, /* in CLOSE-WAIT for 10 s and more */
    LA_STRAND_CLOSE_WAIT_60,               /* ... for 60 s and more */
    LA_STRAND_LEVELS,
    LA_STRAND_OPENED = LA_STRAND_LEVELS, /* attempts that got through ... */
    LA_STRAND_LATE, /* ... of which half a second or more after the first SYN */
    LA_STRAND_REFUSED,
    LA_STRAND_ONCE,    /* a SYN that was sent once, and came to nothing */
    LA_STRAND_IN_VAIN, /* a SYN that was sent again, and came to nothing */
    LA_STRAND_COUNT,
};

enum { LA_SERIES_BINS = 512 };

/* Zero-initialised: empty. */
struct la_series {
    struct la_sums sums;         /* by bin and strand; with a grid only what no cell holds */
    struct la_series_grid *grid; /* owned; NULL: sums take less */
    int64_t first_s, last_s;     /* seconds; valid when `used` */
    uint32_t raised;             /* how often a level was: the sum of all levels is never higher */
    uint8_t shift;               /* a bin is 2^shift seconds wide */
    bool used;
};

/* Adds `count` in a second. LA_OK or LA_ENOMEM. */
enum la_status la_series_add(struct la_stock *stock, struct la_series *series, int64_t second,
                             unsigned strand, int64_t count);
/* A level that is one higher at the end of the second `from_s`, and up to `until_s`; INT64_MAX: to
 * the end. */
enum la_status la_series_raise(struct la_stock *stock, struct la_series *series, unsigned strand,
                               int64_t from_s, int64_t until_s);
enum la_status la_series_merge(struct la_stock *stock, struct la_series *into,
                               const struct la_series *from);
void la_series_release(struct la_stock *stock, struct la_series *series);

/* Bin by bin, in order: values[strand] is the level at the bin's end, or the count in it. Bins
 * without a change are left out. `from_ns` and `until_ns` bound the bin. */
struct la_series_point {
    int64_t from_ns, until_ns;
    const int64_t *values;
};
typedef void la_series_visitor(void *context, const struct la_series_point *point);
enum la_status la_series_walk(const struct la_series *series, la_series_visitor *visit,
                              void *context);

#endif
