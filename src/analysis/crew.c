#include "analysis/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 4, MOST_HELPERS = LA_SHARDS - 1, PATIENCE = 400 };
enum { ALL_SHARDS = (1 << LA_SHARDS) - 1 };

struct helper {
    struct crew *crew;
    pthread_t thread;
    unsigned first; /* shard */
};

/* Work is dealt out in the order of the capture, batch by batch. One task is what a batch has for
 * one shard: some dozens of segments. In each batch helpers begin at shards of their own, and
 * whoever reads begins at the other end, so that a shard mostly stays with the core that has its
 * memory. */
struct crew {
    struct crew_tasks tasks;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic uint64_t changes; /* so many so far */
    unsigned sleepers;        /* that wait for `changed` */
    struct helper helpers[MOST_HELPERS];
    unsigned helper_count;
    unsigned resting;          /* so many of the helpers, from the first */
    pthread_cond_t called;     /* for these: fewer rest */
    uint64_t published;        /* batches */
    uint64_t begun;            /* batches of which a task was claimed */
    uint32_t unclaimed;        /* tasks of the one begun last, a bit for each shard */
    uint64_t taken[LA_SHARDS]; /* batches, by the shard */
    unsigned missing[RING];    /* shards that have not taken the batch in that place */
    uint64_t last;             /* number of the batch after the last, which stands for the end */
    bool stopping;             /* nothing more is to be done */
    bool finished;             /* all was done */
    struct batch ring[RING];
};

/* Where the batch of a number lies. Without helpers each is done with before the next one is read,
 * and what is used again at once stays in the cache. */
static unsigned place_of(const struct crew *crew, uint64_t number) {
    return crew->helper_count > 0 ? (unsigned)(number % RING) : 0;
}

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Called, and returns, with the lock held. To be put to sleep and woken takes as long as a task or
 * two, and the next change is rarely further away. */
static void wait_for_change(struct crew *crew) {
    uint64_t seen = atomic_load_explicit(&crew->changes, memory_order_relaxed);
    pthread_mutex_unlock(&crew->lock);
    for (int i = 0; i < PATIENCE; i++) {
        if (atomic_load_explicit(&crew->changes, memory_order_relaxed) != seen)
            break;
        pause_briefly();
    }
    pthread_mutex_lock(&crew->lock);
    if (atomic_load_explicit(&crew->changes, memory_order_relaxed) != seen)
        return;
    crew->sleepers++;
    pthread_cond_wait(&crew->changed, &crew->lock);
    crew->sleepers--;
}

static void tell_change(struct crew *crew) {
    atomic_fetch_add_explicit(&crew->changes, 1, memory_order_relaxed);
    if (crew->sleepers > 0)
        pthread_cond_broadcast(&crew->changed);
}

/* The shards in the order in which somebody would rather work: whoever reads, for whom `helper` is
 * NULL, from the last one back. */
static unsigned nth_shard(const struct helper *helper, unsigned n) {
    return helper ? (helper->first + n) % LA_SHARDS : LA_SHARDS - 1 - n;
}

/* Claims a task of the batch begun last. One that somebody is still at the batch before of is only
 * taken when all are like that. */
static unsigned claim(struct crew *crew, const struct helper *helper) {
    unsigned claimed = LA_SHARDS;
    for (unsigned n = 0; n < LA_SHARDS; n++) {
        unsigned shard = nth_shard(helper, n);
        bool ready = crew->taken[shard] + 1 == crew->begun;
        if (!(crew->unclaimed >> shard & 1) || (claimed < LA_SHARDS && !ready))
            continue;
        claimed = shard;
        if (ready)
            break;
    }
    crew->unclaimed &= ~(UINT32_C(1) << claimed);
    return claimed;
}

/* Takes the next task there is, and does it; false when there is none. Called, and returns, with
 * the lock held. */
static bool work(struct crew *crew, const struct helper *helper) {
    if (crew->stopping || (crew->unclaimed == 0 && crew->begun == crew->published))
        return false;
    if (crew->unclaimed == 0) {
        crew->begun++;
        crew->unclaimed = ALL_SHARDS;
    }
    uint64_t number = crew->begun - 1;
    unsigned shard = claim(crew, helper), place = place_of(crew, number);
    while (crew->taken[shard] < number) /* somebody is still at the batch before */
        wait_for_change(crew);
    bool ends = number == crew->last;
    pthread_mutex_unlock(&crew->lock);
    if (ends)
        crew->tasks.finish(crew->tasks.context, shard);
    else
        crew->tasks.take(crew->tasks.context, shard, &crew->ring[place]);
    pthread_mutex_lock(&crew->lock);
    crew->taken[shard] = number + 1;
    crew->missing[place]--;
    tell_change(crew);
    return true;
}

static bool rests(const struct crew *crew, const struct helper *helper) {
    return (size_t)(helper - crew->helpers) < crew->resting;
}

static void *help(void *context) {
    const struct helper *helper = context;
    struct crew *crew = helper->crew;
    pthread_mutex_lock(&crew->lock);
    while (!crew->stopping)
        if (rests(crew, helper))
            pthread_cond_wait(&crew->called, &crew->lock);
        else if (!work(crew, helper))
            wait_for_change(crew);
    bool leaves = crew->finished && helper == &crew->helpers[0];
    pthread_mutex_unlock(&crew->lock);
    if (leaves)
        crew->tasks.leave(crew->tasks.context);
    return NULL;
}

/* Where the system gives fewer threads, there are fewer helpers. */
struct crew *crew_new(unsigned threads, const struct crew_tasks *tasks) {
    struct crew *crew = aligned_alloc(LA_CACHE_LINE, sizeof *crew);
    if (!crew)
        return NULL;
    memset(crew, 0,
           offsetof(struct crew, ring)); /* the ring is only touched as far as it is used */
    crew->tasks = *tasks;
    crew->last = UINT64_MAX;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    pthread_cond_init(&crew->called, NULL);
    unsigned wanted = threads - 1 < MOST_HELPERS ? threads - 1 : MOST_HELPERS;
    while (crew->helper_count < wanted) {
        struct helper *helper = &crew->helpers[crew->helper_count];
        helper->crew = crew;
        helper->first = crew->helper_count * LA_SHARDS / wanted;
        if (pthread_create(&helper->thread, NULL, help, helper) != 0)
            break;
        crew->helper_count++;
    }
    return crew;
}

/* Called with the lock held. */
static void stop(struct crew *crew) {
    crew->stopping = true;
    tell_change(crew);
    pthread_cond_broadcast(&crew->called);
}

void crew_free(struct crew *crew) {
    if (!crew)
        return;
    pthread_mutex_lock(&crew->lock);
    stop(crew);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->helper_count; i++)
        pthread_join(crew->helpers[i].thread, NULL);
    pthread_mutex_destroy(&crew->lock);
    pthread_cond_destroy(&crew->changed);
    pthread_cond_destroy(&crew->called);
    free(crew);
}

/* Works until the place of the next batch is free. */
static unsigned make_room(struct crew *crew) {
    unsigned place = place_of(crew, crew->published);
    while (crew->missing[place] > 0)
        if (!work(crew, NULL))
            wait_for_change(crew);
    return place;
}

void crew_spare(struct crew *crew, unsigned helpers) {
    if (helpers == crew->resting) /* which nobody else changes */
        return;
    pthread_mutex_lock(&crew->lock);
    bool fewer = helpers < crew->resting;
    crew->resting = helpers;
    if (fewer)
        pthread_cond_broadcast(&crew->called);
    pthread_mutex_unlock(&crew->lock);
}

struct batch *crew_next(struct crew *crew) {
    pthread_mutex_lock(&crew->lock);
    struct batch *batch = &crew->ring[make_room(crew)];
    pthread_mutex_unlock(&crew->lock);
    batch->count = 0;
    for (int s = 0; s < LA_SHARDS; s++)
        batch->ends[s] = batch->of[s];
    return batch;
}

void crew_add(struct batch *batch, size_t n) {
    const struct la_segment *segment = batch->segments + batch->count;
    for (const struct la_segment *end = segment + n; segment < end; segment++)
        *batch->ends[la_addr_pair_class(&segment->src, &segment->dst)]++ = segment;
    batch->count += n;
}

/* Called with the lock held. Without helpers there is nothing to wait for: what was read is still
 * in the cache. */
static void publish(struct crew *crew) {
    crew->missing[place_of(crew, crew->published)] = LA_SHARDS;
    crew->published++;
    tell_change(crew);
    while (crew->helper_count == 0 && work(crew, NULL))
        continue;
}

void crew_publish(struct crew *crew) {
    pthread_mutex_lock(&crew->lock);
    publish(crew);
    pthread_mutex_unlock(&crew->lock);
}

void crew_finish(struct crew *crew) {
    crew_spare(crew, 0);
    pthread_mutex_lock(&crew->lock);
    unsigned place = make_room(crew);
    crew->last = crew->published;
    publish(crew);
    while (crew->missing[place] > 0)
        if (!work(crew, NULL))
            wait_for_change(crew);
    crew->finished = true;
    stop(crew);
    pthread_mutex_unlock(&crew->lock);
    if (crew->helper_count == 0)
        crew->tasks.leave(crew->tasks.context);
}
