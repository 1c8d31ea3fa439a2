/* Threads that work on batches: each shard takes every batch once and in turn, whoever works, who
 * is told to rest takes none, and what is left behind is cleared up once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/crew.h"

#include <pthread.h>
#include <stdlib.h>

enum { BATCHES = 200, THREADS = 3 };

struct seen {
    pthread_t reader;
    size_t next[LA_SHARDS]; /* batch: each has its number of segments */
    bool in_turn[LA_SHARDS], finished[LA_SHARDS];
    bool by_others[LA_SHARDS];
    unsigned left;
    bool left_by_reader, left_too_early;
};

static void take(void *context, unsigned shard, const struct batch *batch) {
    struct seen *seen = context;
    seen->in_turn[shard] &= batch->count == seen->next[shard]++;
    seen->by_others[shard] |= !pthread_equal(pthread_self(), seen->reader);
}

static void finish(void *context, unsigned shard) {
    struct seen *seen = context;
    seen->in_turn[shard] &= !seen->finished[shard];
    seen->finished[shard] = true;
}

static void leave(void *context) {
    struct seen *seen = context;
    seen->left++;
    seen->left_by_reader = pthread_equal(pthread_self(), seen->reader) != 0;
    for (unsigned shard = 0; shard < LA_SHARDS; shard++)
        seen->left_too_early |= !seen->finished[shard];
}

static struct crew *open_crew(struct seen *seen, unsigned threads) {
    *seen = (struct seen){.reader = pthread_self()};
    for (unsigned shard = 0; shard < LA_SHARDS; shard++)
        seen->in_turn[shard] = true;
    struct crew_tasks tasks = {.take = take, .finish = finish, .leave = leave, .context = seen};
    struct crew *crew = crew_new(threads, &tasks);
    assert_non_null(crew);
    return crew;
}

static void publish(struct crew *crew, size_t number) {
    struct batch *batch = crew_next(crew);
    batch->count = number;
    crew_publish(crew);
}

static void publish_all(struct crew *crew) {
    for (size_t i = 0; i < BATCHES; i++)
        publish(crew, i);
}

static void finish_and_see(struct crew *crew, const struct seen *seen) {
    crew_finish(crew);
    crew_free(crew);
    for (unsigned shard = 0; shard < LA_SHARDS; shard++) {
        assert_true(seen->in_turn[shard]);
        assert_int_equal(seen->next[shard], BATCHES);
        assert_true(seen->finished[shard]);
    }
    assert_int_equal(seen->left, 1);
    assert_false(seen->left_too_early);
}

static void each_shard_takes_every_batch_in_turn(void **unused) {
    (void)unused;
    struct seen seen;
    struct crew *crew = open_crew(&seen, THREADS);
    for (size_t i = 0; i < BATCHES; i++) {
        crew_spare(crew, (unsigned)(i / 3 % (THREADS + 2))); /* more than there are as well */
        publish(crew, i);
    }
    finish_and_see(crew, &seen);
}

static void who_rests_takes_nothing(void **unused) {
    (void)unused;
    struct seen seen;
    struct crew *crew = open_crew(&seen, THREADS);
    crew_spare(crew, THREADS - 1);
    publish_all(crew);
    bool by_others = false;
    for (unsigned shard = 0; shard < LA_SHARDS; shard++)
        by_others |= seen.by_others[shard]; /* all that was written was written here */
    assert_false(by_others);
    finish_and_see(crew, &seen);
}

static void who_rests_can_be_dismissed(void **unused) {
    (void)unused;
    struct seen seen;
    struct crew *crew = open_crew(&seen, THREADS);
    crew_spare(crew, THREADS - 1);
    publish(crew, 0);
    crew_free(crew);
    assert_false(seen.finished[0]);
    assert_int_equal(seen.left, 0);
}

static void whoever_reads_only_clears_up_alone(void **unused) {
    (void)unused;
    for (unsigned threads = 1; threads <= THREADS; threads++) {
        struct seen seen;
        struct crew *crew = open_crew(&seen, threads);
        publish_all(crew);
        finish_and_see(crew, &seen);
        assert_int_equal(seen.left_by_reader, threads == 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shard_takes_every_batch_in_turn),
        cmocka_unit_test(who_rests_takes_nothing),
        cmocka_unit_test(who_rests_can_be_dismissed),
        cmocka_unit_test(whoever_reads_only_clears_up_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
