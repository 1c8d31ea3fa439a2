/* Threads that work on batches of decoded segments while the next batches are read.
 *
 * A shard sees its segments in the order of the capture, whichever thread works on it. Whoever
 * reads works as well when the others have enough to do: so nobody waits, and no more threads run
 * than were asked for, those that decompress included, or at least one of each; but for the one
 * that clears up at the end. Internal to this room. */
#ifndef LA_ANALYSIS_CREW_H
#define LA_ANALYSIS_CREW_H

#include "base/prefetch.h"
#include "decode/segment.h"

#include <stddef.h>

/* The number of shards is fixed, so that nothing depends on the number of threads. A batch is no
 * larger than what stays in a core's own cache until it was worked on. */
enum { LA_SHARDS = LA_PAIR_CLASSES, LA_BATCH = 1024 };

/* Decoded segments, dealt out by shard: those of shard s from of[s] up to ends[s], in the order of
 * the capture. The lists do not begin at the same place of their pages: a cache has few lines for
 * each place. */
enum { LA_BATCH_LIST = LA_BATCH + LA_CACHE_LINE / sizeof(void *) };
struct batch {
    size_t count;
    _Alignas(LA_CACHE_LINE) struct la_segment segments[LA_BATCH];
    size_t pauses; /* of the capture, up to its last segment */
    const struct la_segment **ends[LA_SHARDS];
    const struct la_segment *of[LA_SHARDS][LA_BATCH_LIST];
};

struct crew;

/* `take` and `finish` are called for each shard, by one thread at a time: with each batch, and once
 * after the last. `leave` is called once when every shard is finished, and may last until
 * crew_free(): by a helper, so that whoever reads can go on, or else by crew_finish(). */
struct crew_tasks {
    void (*take)(void *context, unsigned shard, const struct batch *batch);
    void (*finish)(void *context, unsigned shard);
    void (*leave)(void *context);
    void *context;
};

/* `threads` in all, the caller's included: with 1 all the work is done by whoever hands it over.
 * NULL when out of memory. */
struct crew *crew_new(unsigned threads, const struct crew_tasks *tasks);
/* Waits for the threads; batches not yet taken are dropped unless crew_finish() was called. */
void crew_free(struct crew *crew);

/* From now on so many helpers rest: their processors have other work. For whoever reads. */
void crew_spare(struct crew *crew, unsigned helpers);
/* An empty batch to fill. Works until one is free. */
struct batch *crew_next(struct crew *crew);
/* The next `n` segments of the batch are filled: deals them out. */
void crew_add(struct batch *batch, size_t n);
/* Hands over the batch that crew_next() gave. */
void crew_publish(struct crew *crew);
/* Returns when every shard has taken every batch and is finished. */
void crew_finish(struct crew *crew);

#endif
