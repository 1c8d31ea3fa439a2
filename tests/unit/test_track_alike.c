/* An attempt of many that are one like the other is settled as if it were the only one. */
#include "test_track_support.h"

enum { CROWD = 1500, ATTEMPTS = 600 }; /* more than get a record of their own from the start */

struct kept {
    struct la_connection connection;
    struct la_observation syn;
};

struct collection {
    struct kept items[CROWD + ATTEMPTS];
    size_t count;
};

/* What it points to is left behind, but for its only line. */
static void keep(void *context, struct la_connection *c) {
    struct collection *all = context;
    struct kept *kept = &all->items[all->count++];
    assert_int_equal(c->log_count, 1);
    assert_int_equal(c->reset_count + c->icmp_count + c->pause_count, 0);
    kept->connection = *c;
    kept->syn = c->log[0];
    kept->connection.log = NULL;
    kept->connection.resets = NULL;
    kept->connection.icmp = NULL;
    kept->connection.pauses = NULL;
    c->findings = c->attempt_findings = 5; /* of diagnoses */
}

static void follow(const struct la_segment *const *segments, size_t count, int64_t end_ns,
                   struct collection *out) {
    struct la_pages *pages = la_pages_new();
    const struct la_tracker_options options = {.pages = pages, .on_settled = keep, .context = out};
    struct la_tracker *tracker = la_tracker_new(&options);
    out->count = 0;
    assert_int_equal(la_tracker_segments(tracker, segments, count), LA_OK);
    assert_int_equal(la_tracker_finish(tracker, end_ns), LA_OK);
    la_tracker_free(tracker);
    la_pages_free(pages);
}

/* Of a few kinds, so that some are alike and some are not. */
static struct la_segment random_syn(unsigned number, uint64_t *random) {
    struct la_segment syn = segment_of(
        &(struct packet){.ms = number * 0.1,
                         .flags = LA_SYN,
                         .seq = (uint32_t)next_random(random),
                         .tsval = chance(random, 95) ? (uint32_t)next_random(random) | 1 : 0,
                         .scale = 7,
                         .sport = (uint16_t)(1024 + number),
                         .dport = (uint16_t)(chance(random, 90) ? 80 : 65535),
                         .window = chance(random, 95) ? 64240 : 1024,
                         .ttl = chance(random, 95) ? 63 : 120,
                         .server = chance(random, 20)},
        number + 1);
    if (chance(random, 3))
        syn.mss = 1400;
    if (chance(random, 3))
        syn.wire_bytes = 90;
    if (chance(random, 3))
        syn.input = 2;
    return syn;
}

static const struct kept *find(const struct collection *all, uint64_t frame) {
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].connection.first.frame == frame)
            return &all->items[i];
    return NULL;
}

static void a_crowd_hides_nothing(void **unused) {
    (void)unused;
    static struct la_segment segments[CROWD + ATTEMPTS];
    static struct collection crowd, alone;
    static const struct la_segment *list[CROWD + ATTEMPTS];
    uint64_t random = 4;
    for (unsigned i = 0; i < CROWD + ATTEMPTS; i++) {
        segments[i] = random_syn(i, &random);
        list[i] = &segments[i];
    }
    int64_t end_ns = segments[CROWD + ATTEMPTS - 1].time_ns + 40 * LA_SEC;
    follow(list, CROWD + ATTEMPTS, end_ns, &crowd);
    assert_int_equal(crowd.count, CROWD + ATTEMPTS);
    for (unsigned i = CROWD; i < CROWD + ATTEMPTS; i++) {
        follow(&list[i], 1, end_ns, &alone);
        assert_int_equal(alone.count, 1);
        const struct kept *a = find(&crowd, segments[i].frame), *b = &alone.items[0];
        assert_non_null(a);
        assert_memory_equal(&a->connection, &b->connection, sizeof a->connection);
        assert_memory_equal(&a->syn, &b->syn, sizeof a->syn);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_crowd_hides_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
