#include "account/series.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

enum { STRANDS = 32 }; /* room for enum la_strand in a key */
_Static_assert((int)LA_STRAND_COUNT <= (int)STRANDS, "a strand has its place in a key");

/* Where there is something in most bins: a cell for each strand that was met, those of a bin side
 * by side, as they are counted together. Bins lie in a ring, which is not shorter than their span.
 */
struct la_series_grid {
    uint32_t bins; /* a power of two */
    uint8_t width; /* log2 of the cells of a bin */
    uint8_t columns;
    uint8_t column_of[LA_STRAND_COUNT]; /* from 1; 0: there is none */
    uint8_t strand_of[LA_STRAND_COUNT]; /* by column, from 0 */
    int32_t cells[];
};

static int64_t key_of(int64_t bin, unsigned strand) {
    return bin * STRANDS + strand;
}

static unsigned strand_of(const struct la_sum *sum) {
    return (unsigned)(sum->key & (STRANDS - 1));
}

static int64_t bin_of(const struct la_sum *sum) {
    return (sum->key - strand_of(sum)) / STRANDS;
}

static int64_t second_of(const struct la_series *series, const struct la_sum *sum) {
    return bin_of(sum) * (INT64_C(1) << series->shift);
}

/* The grid */

static size_t grid_bytes(uint32_t bins, unsigned width) {
    return offsetof(struct la_series_grid, cells) + ((size_t)bins << width) * sizeof(int32_t);
}

/* Of a strand that has a column. */
static int32_t *cell_of(struct la_series_grid *grid, int64_t bin, unsigned strand) {
    size_t row = (size_t)bin & (grid->bins - 1);
    return &grid->cells[(row << grid->width) + grid->column_of[strand] - 1];
}

static void release_grid(struct la_stock *stock, struct la_series_grid *grid) {
    if (grid)
        la_stock_give(stock, grid, grid_bytes(grid->bins, grid->width));
}

static size_t cells_in(const struct la_series_grid *grid) {
    return grid ? (size_t)grid->bins << grid->width : 0;
}

static uint32_t count_filled(const struct la_series_grid *grid) {
    uint32_t filled = 0;
    for (size_t i = 0; i < cells_in(grid); i++)
        filled += grid->cells[i] != 0;
    return filled;
}

/* What was counted, in no order */

struct cursor {
    size_t cell; /* of the grid */
    uint32_t at; /* of the sums */
};

static struct la_sum sum_in(const struct la_series *series, size_t cell) {
    const struct la_series_grid *grid = series->grid;
    uint64_t first = (uint64_t)(series->first_s >> series->shift), row = cell >> grid->width;
    int64_t bin = (int64_t)(first + ((row - first) & (grid->bins - 1)));
    unsigned strand = grid->strand_of[cell & ((1u << grid->width) - 1)];
    return (struct la_sum){key_of(bin, strand), grid->cells[cell]};
}

/* The next one that did not come to nothing; false behind the last one. */
static bool next_count(const struct la_series *series, struct cursor *cursor, struct la_sum *sum) {
    size_t cells = cells_in(series->grid);
    while (cursor->cell < cells && series->grid->cells[cursor->cell] == 0)
        cursor->cell++;
    if (cursor->cell < cells) {
        *sum = sum_in(series, cursor->cell++);
        return true;
    }
    const struct la_sum *next;
    while ((next = la_sums_next(&series->sums, &cursor->at)) != NULL) {
        *sum = *next;
        if (sum->count != 0)
            return true;
    }
    return false;
}

/* Either form */

static uint32_t power_of_two_from(uint64_t least) {
    uint32_t power = 1;
    while (power < least)
        power *= 2;
    return power;
}

static uint64_t span_of(const struct la_series *series) {
    return (uint64_t)(series->last_s >> series->shift) -
           (uint64_t)(series->first_s >> series->shift) + 1;
}

/* A grid for everything in `old`, of other bins, and one more count. */
struct plan {
    bool is_met[LA_STRAND_COUNT + 1]; /* LA_STRAND_COUNT: none */
    uint32_t bins;
    unsigned width;
    bool is_worth_it; /* it takes less memory than sums would */
};

static struct plan plan_grid(const struct la_series *series, const struct la_series *old,
                             unsigned strand) {
    struct plan plan = {.bins = power_of_two_from(span_of(series))};
    uint32_t counts = count_filled(old->grid) + old->sums.count + 1, columns = 0;
    const struct la_sum *sum;
    plan.is_met[strand] = true;
    for (unsigned i = 0; old->grid && i < old->grid->columns; i++)
        plan.is_met[old->grid->strand_of[i]] = true;
    for (uint32_t at = 0; (sum = la_sums_next(&old->sums, &at)) != NULL;)
        plan.is_met[strand_of(sum)] = true;
    for (unsigned i = 0; i < LA_STRAND_COUNT; i++)
        columns += plan.is_met[i];
    plan.width = (unsigned)__builtin_ctz(power_of_two_from(columns));
    plan.is_worth_it = grid_bytes(plan.bins, plan.width) <= la_sums_bytes_for(counts);
    return plan;
}

/* NULL when out of memory. */
static struct la_series_grid *make_grid(struct la_stock *stock, const struct plan *plan) {
    size_t size = grid_bytes(plan->bins, plan->width);
    struct la_series_grid *grid = la_stock_take(stock, size);
    if (!grid)
        return NULL;
    memset(grid, 0, size);
    grid->bins = plan->bins;
    grid->width = (uint8_t)plan->width;
    for (unsigned i = 0; i < LA_STRAND_COUNT; i++) {
        if (!plan->is_met[i])
            continue;
        grid->strand_of[grid->columns++] = (uint8_t)i;
        grid->column_of[i] = grid->columns;
    }
    return grid;
}

/* Where there is room for it. What a cell cannot hold goes to the sums. */
static enum la_status put(struct la_stock *stock, struct la_series *series, int64_t bin,
                          unsigned strand, int64_t count) {
    int32_t *cell = series->grid ? cell_of(series->grid, bin, strand) : NULL;
    int64_t sum = cell ? *cell + count : count;
    bool fits = cell && sum == (int32_t)sum;
    if (cell)
        *cell = fits ? (int32_t)sum : 0;
    return fits ? LA_OK : la_sums_add(stock, &series->sums, key_of(bin, strand), sum);
}

/* Puts everything in the form that takes less with one more of `strand` (LA_STRAND_COUNT: of any
 * that was met); `old` is the series with the span and the bins that it had. LA_OK or LA_ENOMEM. */
static enum la_status reshape(struct la_stock *stock, struct la_series *series,
                              struct la_series old, unsigned strand) {
    const struct plan plan = plan_grid(series, &old, strand);
    if (!plan.is_worth_it && !old.grid && series->shift == old.shift)
        return LA_OK; /* sums they are */
    series->grid = plan.is_worth_it ? make_grid(stock, &plan) : NULL;
    series->sums = (struct la_sums){0};
    enum la_status status = plan.is_worth_it && !series->grid ? LA_ENOMEM : LA_OK;
    struct cursor cursor = {0};
    for (struct la_sum sum; status == LA_OK && next_count(&old, &cursor, &sum);)
        status =
            put(stock, series, second_of(&old, &sum) >> series->shift, strand_of(&sum), sum.count);
    release_grid(stock, old.grid);
    la_sums_release(stock, &old.sums);
    return status;
}

static bool covers(const struct la_series *series, int64_t second) {
    return second >= series->first_s && second <= series->last_s && series->used;
}

/* Bins of twice the width, until the span fits. */
static enum la_status reach(struct la_stock *stock, struct la_series *series, int64_t first_s,
                            int64_t last_s, unsigned strand) {
    const struct la_series old = *series;
    if (!series->used || first_s < series->first_s)
        series->first_s = first_s;
    if (!series->used || last_s > series->last_s)
        series->last_s = last_s;
    series->used = true;
    while (span_of(series) > LA_SERIES_BINS)
        series->shift++;
    bool is_short = old.grid && span_of(series) > old.grid->bins;
    return is_short || series->shift != old.shift ? reshape(stock, series, old, strand) : LA_OK;
}

/* No more than can be counted. */
static void count_raises(struct la_series *series, uint32_t more) {
    if (__builtin_add_overflow(series->raised, more, &series->raised))
        series->raised = UINT32_MAX;
}

/* In a bin of the span, for which there may be no room yet. */
static enum la_status add_to(struct la_stock *stock, struct la_series *series, int64_t bin,
                             unsigned strand, int64_t count) {
    bool is_full = series->grid ? series->grid->column_of[strand] == 0
                                : la_sums_outgrows(&series->sums, key_of(bin, strand));
    if (is_full && reshape(stock, series, *series, strand) != LA_OK)
        return LA_ENOMEM;
    return put(stock, series, bin, strand, count);
}

enum la_status la_series_add(struct la_stock *stock, struct la_series *series, int64_t second,
                             unsigned strand, int64_t count) {
    if (!covers(series, second) && reach(stock, series, second, second, strand) != LA_OK)
        return LA_ENOMEM;
    return add_to(stock, series, second >> series->shift, strand, count);
}

enum la_status la_series_raise(struct la_stock *stock, struct la_series *series, unsigned strand,
                               int64_t from_s, int64_t until_s) {
    if (from_s >= until_s)
        return LA_OK; /* over before anybody looked */
    count_raises(series, 1);
    enum la_status status = la_series_add(stock, series, from_s, strand, 1);
    if (status != LA_OK || until_s == INT64_MAX)
        return status;
    return la_series_add(stock, series, until_s, strand, -1);
}

static enum la_status copy(struct la_stock *stock, struct la_series *into,
                           const struct la_series *from) {
    struct la_series series = *from;
    if (la_sums_copy(stock, &series.sums, &from->sums) != LA_OK)
        return LA_ENOMEM;
    if (from->grid) {
        size_t size = grid_bytes(from->grid->bins, from->grid->width);
        series.grid = la_stock_take(stock, size);
        if (!series.grid) {
            la_sums_release(stock, &series.sums);
            return LA_ENOMEM;
        }
        memcpy(series.grid, from->grid, size);
    }
    *into = series;
    return LA_OK;
}

enum la_status la_series_merge(struct la_stock *stock, struct la_series *into,
                               const struct la_series *from) {
    enum la_status status = LA_OK;
    struct cursor cursor = {0};
    if (!from->used)
        return LA_OK;
    if (!into->used)
        return copy(stock, into, from);
    if (reach(stock, into, from->first_s, from->last_s, LA_STRAND_COUNT) != LA_OK)
        return LA_ENOMEM;
    count_raises(into, from->raised);
    for (struct la_sum sum; status == LA_OK && next_count(from, &cursor, &sum);)
        status =
            add_to(stock, into, second_of(from, &sum) >> into->shift, strand_of(&sum), sum.count);
    return status;
}

void la_series_release(struct la_stock *stock, struct la_series *series) {
    release_grid(stock, series->grid);
    la_sums_release(stock, &series->sums);
    *series = (struct la_series){0};
}

/* What changed in a bin, or was counted there. */
struct row {
    bool changed;
    int64_t counts[LA_STRAND_COUNT];
};

static void fill_rows(const struct la_series *series, int64_t first, struct row *rows) {
    struct cursor cursor = {0};
    for (struct la_sum sum; next_count(series, &cursor, &sum);) {
        struct row *row = &rows[bin_of(&sum) - first];
        row->counts[strand_of(&sum)] += sum.count;
        row->changed = true;
    }
}

enum la_status la_series_walk(const struct la_series *series, la_series_visitor *visit,
                              void *context) {
    int64_t values[LA_STRAND_COUNT] = {0}, width = (INT64_C(1) << series->shift) * LA_SEC;
    int64_t first = series->first_s >> series->shift, last = series->last_s >> series->shift;
    if (!series->used)
        return LA_OK;
    struct row *rows = calloc((size_t)(last - first + 1), sizeof *rows);
    if (!rows)
        return LA_ENOMEM;
    fill_rows(series, first, rows);
    for (int64_t bin = first; bin <= last; bin++) {
        const struct row *row = &rows[bin - first];
        if (!row->changed)
            continue;
        for (int s = 0; s < LA_STRAND_COUNT; s++)
            values[s] = row->counts[s] + (s < LA_STRAND_LEVELS ? values[s] : 0);
        const struct la_series_point point = {
            .from_ns = bin * width, .until_ns = (bin + 1) * width, .values = values};
        visit(context, &point);
    }
    free(rows);
    return LA_OK;
}
