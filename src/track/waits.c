/* How rows of probes and repeats go on, and end. */
#include "track/waits.h"

#include "base/time.h"
#include "decode/segment.h"

#define LONGEST_GAP_NS (120 * LA_SEC)

bool la_row_is_regular(const struct la_row *row) {
    return row->count > 1 && row->gap_max_ns <= row->gap_min_ns / 4 * 5 + 100 * LA_MSEC;
}

int64_t la_next_repeat_ns(const struct la_row *row) {
    int64_t gap = row->gap_ns < LONGEST_GAP_NS / 2 ? 2 * row->gap_ns : LONGEST_GAP_NS;
    return row->last.time_ns + gap;
}

int64_t la_doubled_timer(int64_t before_ns, int64_t gap_ns) {
    if (before_ns <= 0 || before_ns > LONGEST_GAP_NS || gap_ns <= 2 * before_ns)
        return gap_ns; /* clocks step: any number may come */
    return gap_ns - 2 * before_ns <= before_ns / 4 ? 2 * before_ns : gap_ns;
}

bool la_fits_timer(int64_t measured_ns, int64_t timer_ns) {
    int64_t early = timer_ns / 100 + 50 * LA_MSEC, late = timer_ns / 7 + 250 * LA_MSEC;
    return measured_ns >= timer_ns - early && measured_ns <= timer_ns + late;
}

bool la_ends_keepalive(const struct la_connection *c, size_t rst) {
    const struct la_observation *o = &c->log[rst];
    const struct la_endpoint *me = &c->side[o->from];
    const struct la_row *row = me->keepalive ? &me->keepalive->waiting : NULL;
    if (!row || row->count == 0 || !(o->flags & LA_ACK) || o->seq != me->next)
        return false;
    int64_t interval = c->profile[o->from]->keepalive_interval_ns;
    if (row->count > 1)
        interval = la_row_is_regular(row) ? row->gap_min_ns : -1;
    return interval > 0 && la_fits_timer(o->time_ns - row->last.time_ns, interval);
}
