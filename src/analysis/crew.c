#include "analysis/crew.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 4, MOST_THREADS = LA_SHARDS };

struct worker {
    struct crew *crew;
    pthread_t thread;
    unsigned index;
    uint64_t taken; /* batches */
};

struct crew {
    struct crew_tasks tasks;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct worker workers[MOST_THREADS];
    unsigned worker_count; /* 0: no thread, the work is done on the spot */
    uint64_t published;
    bool ending;    /* no batch will follow */
    bool finishing; /* ... and the shards are to be finished */
    struct batch ring[RING];
};

static unsigned stride_of(const struct crew *crew) {
    return crew->worker_count > 0 ? crew->worker_count : 1;
}

static void take_batch(const struct crew *crew, unsigned worker, const struct batch *batch) {
    for (unsigned shard = worker; shard < LA_SHARDS; shard += stride_of(crew))
        crew->tasks.take(crew->tasks.context, shard, batch);
}

static void finish_shards(const struct crew *crew, unsigned worker) {
    for (unsigned shard = worker; shard < LA_SHARDS; shard += stride_of(crew))
        crew->tasks.finish(crew->tasks.context, shard);
}

/* The next batch for this worker; NULL after the last. */
static const struct batch *wait_for_batch(struct worker *worker) {
    struct crew *crew = worker->crew;
    pthread_mutex_lock(&crew->lock);
    while (worker->taken == crew->published && !crew->ending)
        pthread_cond_wait(&crew->changed, &crew->lock);
    bool more = worker->taken < crew->published;
    pthread_mutex_unlock(&crew->lock);
    return more ? &crew->ring[worker->taken % RING] : NULL;
}

static void *work(void *context) {
    struct worker *worker = context;
    struct crew *crew = worker->crew;
    const struct batch *batch;
    while ((batch = wait_for_batch(worker)) != NULL) {
        take_batch(crew, worker->index, batch);
        pthread_mutex_lock(&crew->lock);
        worker->taken++;
        pthread_cond_broadcast(&crew->changed);
        pthread_mutex_unlock(&crew->lock);
    }
    if (crew->finishing)
        finish_shards(crew, worker->index);
    return NULL;
}

static bool start_worker(struct crew *crew) {
    struct worker *worker = &crew->workers[crew->worker_count];
    worker->crew = crew;
    worker->index = crew->worker_count;
    if (pthread_create(&worker->thread, NULL, work, worker) != 0)
        return false;
    crew->worker_count++;
    return true;
}

/* Shards are dealt out by the number of workers, so all of them must be there before the first
 * batch; where the system gives fewer threads, there are fewer workers. */
struct crew *crew_new(unsigned threads, const struct crew_tasks *tasks) {
    struct crew *crew = malloc(sizeof *crew);
    if (!crew)
        return NULL;
    memset(crew, 0,
           offsetof(struct crew, ring)); /* the ring is only touched as far as it is used */
    crew->tasks = *tasks;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    while (threads > 1 && crew->worker_count < threads && crew->worker_count < MOST_THREADS)
        if (!start_worker(crew))
            break;
    return crew;
}

static void end(struct crew *crew, bool finish) {
    pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    crew->finishing = finish;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->worker_count; i++)
        pthread_join(crew->workers[i].thread, NULL);
}

void crew_free(struct crew *crew) {
    if (!crew)
        return;
    if (!crew->ending)
        end(crew, false);
    pthread_mutex_destroy(&crew->lock);
    pthread_cond_destroy(&crew->changed);
    free(crew);
}

static bool is_free(const struct crew *crew) {
    for (unsigned i = 0; i < crew->worker_count; i++)
        if (crew->workers[i].taken + RING <= crew->published)
            return false;
    return true;
}

struct batch *crew_next(struct crew *crew) {
    pthread_mutex_lock(&crew->lock);
    while (!is_free(crew))
        pthread_cond_wait(&crew->changed, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
    struct batch *batch = &crew->ring[crew->worker_count > 0 ? crew->published % RING : 0];
    batch->count = 0;
    batch->pauses = 0;
    return batch;
}

/* A counting sort: within a shard the order of the capture stays. */
static void deal(struct batch *batch) {
    size_t next[LA_SHARDS + 1] = {0};
    for (size_t i = 0; i < batch->count; i++)
        next[batch->shard[i] + 1]++;
    for (int s = 0; s < LA_SHARDS; s++)
        next[s + 1] += next[s];
    memcpy(batch->start, next, sizeof next);
    for (size_t i = 0; i < batch->count; i++)
        batch->ordered[next[batch->shard[i]]++] = &batch->segments[i];
}

void crew_publish(struct crew *crew) {
    if (crew->worker_count == 0) {
        deal(&crew->ring[0]);
        take_batch(crew, 0, &crew->ring[0]);
        return;
    }
    deal(&crew->ring[crew->published % RING]);
    pthread_mutex_lock(&crew->lock);
    crew->published++;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

void crew_finish(struct crew *crew) {
    end(crew, true);
    if (crew->worker_count == 0)
        finish_shards(crew, 0);
}
