/* What the accounts say of ordinary connections, whose histories are not written, held against
 * the histories. */
#include "test_analysis_traffic.h"

#include "account/spans.h"

enum { SPANS_MAX = 64, BOTH = 1 << LA_CLIENT | 1 << LA_SERVER };

struct spans {
    struct la_span items[SPANS_MAX];
    size_t count;
};

static struct { uint64_t ordinary, brief, moments, differ, by_state[LA_ST_COUNT]; } seen;

static void keep(void *context, const struct la_span *span) {
    struct spans *spans = context;
    assert_in_range(spans->count, 0, SPANS_MAX - 1);
    spans->items[spans->count++] = *span;
}

static enum la_state state_at(const struct spans *spans, unsigned side, int64_t ns) {
    for (size_t i = 0; i < spans->count; i++) {
        const struct la_span *span = &spans->items[i];
        if (span->side == side && span->from_ns <= ns && ns < span->until_ns)
            return span->state;
    }
    return LA_ST_CLOSED;
}

/* In the middle of every span of `a` the other says the same. The times of packets differ from
 * those of states by a way; what the capture has joined in the middle may be unknown. */
static void assert_agree(const struct la_connection *c, const struct spans *a,
                         const struct spans *b) {
    for (size_t i = 0; i < a->count; i++) {
        const struct la_span *span = &a->items[i];
        int64_t until_ns = span->until_ns == INT64_MAX ? c->capture_end_ns : span->until_ns;
        if (until_ns - span->from_ns < 1100 * LA_MSEC)
            continue;
        enum la_state other = state_at(b, span->side, span->from_ns / 2 + until_ns / 2);
        if (other == LA_ST_UNKNOWN || span->state == LA_ST_UNKNOWN)
            continue;
        seen.differ += other != span->state;
        seen.moments++;
        seen.by_state[span->state]++;
    }
}

/* TIME-WAITs alone are told as they are with all the rest. */
static void assert_waits(const struct la_connection *c, const struct spans *all) {
    struct spans waits = {.count = 0};
    struct la_span brief;
    size_t count = 0;
    la_spans_of(c, BOTH, 0, keep, &waits);
    for (size_t i = 0; i < all->count; i++) {
        const struct la_span *span = &all->items[i], *wait = &waits.items[count];
        if (span->state != LA_ST_TIME_WAIT)
            continue;
        assert_true(count++ < waits.count);
        assert_int_equal(wait->state, LA_ST_TIME_WAIT);
        assert_int_equal(wait->side, span->side);
        assert_true(wait->from_ns == span->from_ns && wait->until_ns == span->until_ns);
    }
    assert_int_equal(count, waits.count);
    if (!la_brief_wait_of(c, la_floor_seconds(c->first.time_ns), &brief))
        return;
    assert_int_equal(all->count, 1);
    assert_int_equal(brief.state, LA_ST_TIME_WAIT);
    assert_int_equal(brief.side, all->items[0].side);
    assert_true(brief.from_ns == all->items[0].from_ns);
    assert_true(brief.until_ns == all->items[0].until_ns);
    seen.brief++;
}

static void compare_both(void *context, struct la_connection *c) {
    struct spans plain = {.count = 0}, full = {.count = 0};
    (void)context;
    bool whole = !c->side[LA_SERVER].seen || c->side[LA_SERVER].isn_known;
    bool asked = c->side[LA_CLIENT].syn_sent || !c->side[LA_SERVER].isn_known;
    if (c->remarkable || !asked || (c->side[LA_CLIENT].isn_known && !whole))
        return; /* the capture missed its SYN or its SYN-ACK */
    seen.ordinary++;
    la_spans_of(c, BOTH, BOTH, keep, &plain);
    assert_waits(c, &plain);
    struct la_connection told = *c;
    told.remarkable = true;
    la_spans_of(&told, BOTH, BOTH, keep, &full);
    assert_agree(c, &plain, &full);
    assert_agree(c, &full, &plain);
}

static void ordinary_connections_are_told_as_their_histories_are(void **unused) {
    (void)unused;
    for (uint64_t number = 1; number <= 300; number++) {
        struct traffic all = make_traffic(number, 6, 30);
        struct la_pages *pages = la_pages_new();
        struct la_tracker_options options = {
            .pages = pages, .histories = true, .on_settled = compare_both};
        struct la_tracker *tracker = la_tracker_new(&options);
        const struct la_segment **segments = calloc(all.count, sizeof(struct la_segment *));
        for (size_t i = 0; i < all.count; i++)
            segments[i] = &all.segments[i];
        assert_int_equal(la_tracker_segments(tracker, segments, all.count), LA_OK);
        int64_t end_ns = all.segments[all.count - 1].time_ns + (int64_t)(number % 90) * LA_SEC;
        assert_int_equal(la_tracker_finish(tracker, end_ns), LA_OK);
        la_tracker_free(tracker);
        la_pages_free(pages);
        free((void *)segments);
        free_traffic(&all);
    }
    assert_true(seen.ordinary > 1000 && seen.moments > 3000 && seen.brief > 50);
    /* What the capture missed is only made up for, and how long the way is only asked, where
     * histories are written. */
    assert_in_range(seen.differ, 0, seen.moments / 100);
    assert_true(seen.by_state[LA_ST_TIME_WAIT] > 300 && seen.by_state[LA_ST_ESTAB] > 300 &&
                seen.by_state[LA_ST_SYN_SENT] > 10 && seen.by_state[LA_ST_CLOSE_WAIT] > 10 &&
                seen.by_state[LA_ST_FIN_WAIT_2] > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_connections_are_told_as_their_histories_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
