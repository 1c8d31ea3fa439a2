/* The trails that a tracker knows, as a tree of steps, and how the numbers of a step are written.
 * Internal to trail.c and trail_story.c. */
#ifndef LA_TRACK_TRAIL_MAP_H
#define LA_TRACK_TRAIL_MAP_H

#include "base/hash.h"
#include "base/varint.h"
#include "track/trail.h"

/* Steps, of trails that led to a close: enough for the systems that meet in one shard, and little
 * memory if somebody makes up new ones with each segment. */
enum { PLACES_MOST = 4096, PLACE_BUCKETS = PLACES_MOST / 2, STORIES_MOST = 256 };

/* All about a segment that decides what it does to an ordinary connection. The first two words are
 * the end of struct la_segment, where they overlap; the third has the rest. */
enum { FORM_WORDS = 3, FORM_SECOND = LA_SEGMENT_FORM_SIZE - sizeof(uint64_t) };
enum {
    FORM_INPUT_SHIFT = 32, /* below it: bytes on the wire, without the payload */
    FORM_ROLE_SHIFT = 48,
    FORM_TALKS_SHIFT = 49, /* it has payload */
    FORM_LAGS_SHIFT = 50,  /* it does not echo the newest timestamp of its peer */
    FORM_ACKS_SHIFT = 52,  /* the first step that it acknowledges up to its end */
};

/* How the numbers of a segment follow from those before it. */
struct manner {
    uint8_t role; /* who sent it */
    bool talks, lags, is_stamped, has_ack;
    uint8_t acks;
    uint8_t consumes; /* sequence numbers beside the payload */
};

struct place {
    uint64_t form[FORM_WORDS];
    struct manner manner;
    uint16_t before; /* the step before this one; 0, where all begin, for a SYN */
    uint16_t likely; /* the step that was taken last from here; 0: none yet */
    uint16_t chained;
    uint16_t story; /* number of the story that ends here, from 1; 0: not learnt */
    uint8_t depth;  /* steps up to here */
    uint8_t marks;
    uint8_t timed;           /* from 1: the step whose turnaround this one ends; 0: none */
    bool is_logged;          /* it is in the log */
    uint32_t followed, left; /* of a SYN: how those that began with it have fared */
    uint32_t held_back;      /* of a SYN: so often it was not tried */
};

static inline void form_read(const struct la_segment *s, uint64_t form[2]) {
    const uint8_t *from = (const uint8_t *)s + LA_SEGMENT_FORM;
    memcpy(&form[0], from, sizeof form[0]);
    memcpy(&form[1], from + FORM_SECOND, sizeof form[1]);
}

static inline void form_write(const uint64_t form[2], struct la_segment *s) {
    uint8_t *to = (uint8_t *)s + LA_SEGMENT_FORM;
    memcpy(to, &form[0], sizeof form[0]);
    memcpy(to + FORM_SECOND, &form[1], sizeof form[1]);
}

struct story;

struct trails {
    struct la_pool *pool; /* borrowed */
    struct la_hash_key hash_key;
    uint32_t count; /* of places; the first is where all begin */
    uint16_t story_count;
    struct story *stories[STORIES_MOST]; /* owned */
    struct view view;
    uint16_t told; /* number of the story that the view holds; 0: none */
    uint16_t buckets[PLACE_BUCKETS];
    struct place places[PLACES_MOST];
};

void stories_free(struct trails *trails);
size_t stories_bytes(const struct trails *trails);

/* What a step has for itself. */
struct step {
    uint32_t elapsed_ns, frames; /* since the step before; of the first one 0, and its own frame */
    uint16_t ticks;              /* by which the sender's timestamp has grown */
    uint16_t ip_id, window, payload;
    uint16_t lag; /* by which the echoed timestamp is behind the newest */
};

/* A byte says how it is written. Then come the time (which is less than five seconds), the frames
 * and the ticks, mostly in two or three bytes of microseconds, two or three, and one; and the
 * others as far as they are needed. */
enum {
    STEP_LONG_TIME = 1 << 0,
    STEP_LONG_FRAMES = 1 << 1,
    STEP_WIDE = 1 << 2,   /* nanoseconds in four bytes, frames in four, ticks in two */
    STEP_ID = 1 << 3,     /* not the one after the sender's last, or 0 again */
    STEP_WINDOW = 1 << 4, /* not the sender's last */
    STEP_SHORT_MOST = 0xffff,
    STEP_LONG_MOST = 0xffffff,
    STEP_MOST = 24, /* bytes of one, and what may be written behind it */
};

static inline uint16_t usual_id(const struct trail_end *end) {
    return (uint16_t)(end->ip_id + (end->ip_id != 0));
}

static inline uint8_t *put_short(uint8_t *p, uint16_t value) {
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    return p + 2;
}

static inline const uint8_t *get_short(const uint8_t *p, uint16_t *value) {
    *value = (uint16_t)(p[0] | p[1] << 8);
    return p + 2;
}

__attribute__((always_inline)) static inline uint8_t *put_step(uint8_t *p, const struct step *step,
                                                               const struct manner *manner,
                                                               const struct trail_end *end) {
    uint32_t usec = step->elapsed_ns / 1000;
    unsigned how = (step->ip_id != usual_id(end) ? STEP_ID : 0) |
                   (step->window != end->window ? STEP_WINDOW : 0);
    bool is_narrow = usec * 1000 == step->elapsed_ns && step->frames <= STEP_LONG_MOST &&
                     step->ticks <= UINT8_MAX;
    if (is_narrow) {
        unsigned long_time = usec > STEP_SHORT_MOST, long_frames = step->frames > STEP_SHORT_MOST;
        unsigned frames_at = 24 + 8 * long_time, ticks_at = frames_at + 16 + 8 * long_frames;
        how |= long_time | long_frames << 1;
        put_little_endian(p, how | (uint64_t)usec << 8 | (uint64_t)step->frames << frames_at |
                                 (uint64_t)step->ticks << ticks_at);
        p += ticks_at / 8 + 1;
    } else {
        *p++ = (uint8_t)(how | STEP_WIDE);
        put_little_endian(p, step->elapsed_ns | (uint64_t)step->frames << 32);
        p = put_short(p + 8, step->ticks);
    }
    if (how & STEP_ID)
        p = put_short(p, step->ip_id);
    if (how & STEP_WINDOW)
        p = put_short(p, step->window);
    if (manner->talks)
        p = put_short(p, step->payload);
    return manner->lags ? put_short(p, step->lag) : p;
}

/* Up to eight bytes behind it are read as well. */
__attribute__((always_inline)) static inline const uint8_t *get_step(const uint8_t *p,
                                                                     struct step *step,
                                                                     const struct manner *manner,
                                                                     const struct trail_end *end) {
    uint64_t word = get_little_endian(p);
    unsigned how = (unsigned)word;
    if (how & STEP_WIDE) {
        word = get_little_endian(p + 1);
        step->elapsed_ns = (uint32_t)word;
        step->frames = (uint32_t)(word >> 32);
        p = get_short(p + 9, &step->ticks);
    } else {
        unsigned time_bits = how & STEP_LONG_TIME ? 24 : 16;
        unsigned frames_bits = how & STEP_LONG_FRAMES ? 24 : 16;
        step->elapsed_ns = (uint32_t)(word >> 8 & ((UINT64_C(1) << time_bits) - 1)) * 1000;
        word >>= 8 + time_bits;
        step->frames = (uint32_t)(word & ((UINT64_C(1) << frames_bits) - 1));
        step->ticks = word >> frames_bits & UINT8_MAX;
        p += (8 + time_bits + frames_bits) / 8 + 1;
    }
    step->ip_id = usual_id(end);
    step->window = end->window;
    step->payload = step->lag = 0;
    if (how & STEP_ID)
        p = get_short(p, &step->ip_id);
    if (how & STEP_WINDOW)
        p = get_short(p, &step->window);
    if (manner->talks)
        p = get_short(p, &step->payload);
    return manner->lags ? get_short(p, &step->lag) : p;
}

/* What a connection on a trail has been through, step by step. */
struct walk {
    const struct trail *trail;
    const uint8_t *at;
    unsigned count; /* steps so far */
    int64_t time_ns;
    uint64_t frame;
    struct step step;  /* the last one, */
    uint32_t seq, ack; /* and its numbers */
    struct trail_end ends[2];
    uint32_t used[TRAIL_STEPS]; /* as in struct on_trail */
};

static inline void walk_from(struct walk *walk, const struct trail *trail, const uint8_t *steps,
                             int64_t first_ns) {
    walk->trail = trail;
    walk->at = steps;
    walk->count = 0;
    walk->time_ns = first_ns;
    walk->frame = 0;
    for (unsigned role = 0; role < 2; role++)
        walk->ends[role] = (struct trail_end){.tsval = trail->tsval[role]};
}

__attribute__((always_inline)) static inline void walk_on(struct walk *walk,
                                                          const struct manner *manner) {
    const struct trail *trail = walk->trail;
    struct step *step = &walk->step;
    unsigned role = manner->role;
    struct trail_end *end = &walk->ends[role];
    walk->at = get_step(walk->at, step, manner, end);
    walk->time_ns += step->elapsed_ns;
    walk->frame += step->frames;
    walk->seq = trail->isn[role] + end->next;
    walk->ack = manner->has_ack ? trail->isn[!role] + walk->used[manner->acks] : 0;
    end->ip_id = step->ip_id;
    end->window = step->window;
    end->tsval += step->ticks;
    end->next += step->payload + manner->consumes;
    walk->used[walk->count++] = end->next;
}

/* The timestamps of the step that was taken last. */
static inline uint32_t walk_tsval(const struct walk *walk, const struct manner *manner) {
    return manner->is_stamped ? walk->ends[manner->role].tsval : 0;
}

static inline uint32_t walk_tsecr(const struct walk *walk, const struct manner *manner) {
    bool echoes = manner->is_stamped && manner->has_ack;
    return echoes ? walk->ends[!manner->role].tsval - walk->step.lag : 0;
}

/* The steps up to a place, the first one first; returns how many. */
static inline unsigned trail_way(const struct trails *trails, uint16_t number,
                                 uint16_t way[TRAIL_STEPS]) {
    unsigned depth = trails->places[number].depth;
    for (unsigned i = depth; i > 0; i--) {
        way[i - 1] = number;
        number = trails->places[number].before;
    }
    return depth;
}

#endif
