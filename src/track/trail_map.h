/* The trails that a tracker knows, as a tree of steps, and how the numbers of a step are written.
 * Internal to trail.c and trail_story.c. */
#ifndef LA_TRACK_TRAIL_MAP_H
#define LA_TRACK_TRAIL_MAP_H

#include "base/hash.h"
#include "base/select.h"
#include "base/varint.h"
#include "track/trail.h"

/* Steps, of trails that led to a close: enough for the systems that meet in one shard, and little
 * memory if somebody makes up new ones with each segment. */
enum { PLACES_MOST = 4096, PLACE_BUCKETS = PLACES_MOST / 2, STORIES_MOST = 256 };

/* All about a segment that decides what it does to an ordinary connection. The first two words are
 * the end of struct la_segment; the third has the rest. */
enum { FORM_WORDS = 3 };
enum {
    FORM_ROLE_SHIFT = 32, /* below it: bytes on the wire, without the payload */
    FORM_CARRIES_SHIFT = 33,
};

/* What a segment has that others have not. */
enum {
    CARRIES_PAYLOAD = 1 << 0,
    CARRIES_LAG = 1 << 1, /* it does not echo the newest timestamp of its peer */
    CARRIES_SYN = 1 << 2,
};

/* How the numbers of a segment follow from those before it. */
struct manner {
    uint8_t role; /* who sent it */
    uint8_t carries;
    uint8_t acks;     /* the first step that it acknowledges up to its end */
    uint8_t consumes; /* sequence numbers beside the payload */
    uint32_t stamped; /* all bits when it has timestamps, else none */
    uint16_t window;  /* of the first one here, when it was not its sender's last; else 0, */
    uint16_t as_last; /* and all bits here */
};

/* The window that needs not be written. */
static inline uint32_t expected_window(const struct manner *manner, uint32_t last) {
    return manner->window | (last & manner->as_last);
}

struct place {
    uint64_t form[FORM_WORDS];
    struct manner manner;
    uint8_t marks;
    uint16_t likely; /* the step that was taken last from here; 0: none yet */
    uint16_t before; /* the step before this one; 0, where all begin, for a SYN */
    uint16_t chained;
    uint16_t number;         /* its own */
    uint16_t syn;            /* the first step of this trail */
    uint16_t story;          /* number of the story that ends here, from 1; 0: not learnt */
    uint8_t depth;           /* steps up to here */
    uint8_t timed;           /* from 1: the step whose turnaround this one ends; 0: none */
    bool is_logged;          /* it is in the log */
    uint16_t held_back;      /* of a SYN: so often it was not tried; wraps */
    uint32_t followed, left; /* of a SYN: how those that began with it have fared */
};
_Static_assert(sizeof(struct place) == 64, "places are found by a shift");

static inline void form_read(const struct la_segment *s, uint64_t form[2]) {
    memcpy(form, (const uint8_t *)s + LA_SEGMENT_FORM, LA_SEGMENT_FORM_SIZE);
}

static inline void form_write(const uint64_t form[2], struct la_segment *s) {
    memcpy((uint8_t *)s + LA_SEGMENT_FORM, form, LA_SEGMENT_FORM_SIZE);
}

struct story;

struct trails {
    struct place places[PLACES_MOST];
    struct la_pool *pool; /* borrowed */
    struct la_hash_key hash_key;
    uint32_t count; /* of places; the first is where all begin */
    uint16_t story_count;
    struct story *stories[STORIES_MOST]; /* owned */
    struct view view;
    uint16_t told; /* number of the story that the view holds; 0: none */
    uint16_t buckets[PLACE_BUCKETS];
};

void stories_free(struct trails *trails);
size_t stories_bytes(const struct trails *trails);

/* What a step has for itself. The last five take no more than 16 bits. */
struct step {
    uint32_t elapsed_ns, frames; /* since the step before; of the first one 0, and its own frame */
    uint32_t ticks;              /* by which the sender's timestamp has grown */
    uint32_t ip_id, window, payload;
    uint32_t lag; /* by which the echoed timestamp is behind the newest */
};

/* What comes in eight bytes: two bits that say how it is written, frames, microseconds, ticks, and
 * the IP ID. The first step has no microseconds and ticks, and its frame takes their place. Then
 * the others as far as they are needed. One that finds no room so is written wide: a byte,
 * nanoseconds and frames in four each, ticks and IP ID in two. */
enum {
    STEP_WIDE = 1 << 0,
    STEP_WINDOW = 1 << 1, /* not the expected one */
    STEP_FRAMES_SHIFT = 2,
    STEP_FRAMES_BITS = 17,
    STEP_TIME_SHIFT = STEP_FRAMES_SHIFT + STEP_FRAMES_BITS,
    STEP_TIME_BITS = 20, /* a second */
    STEP_TICKS_SHIFT = STEP_TIME_SHIFT + STEP_TIME_BITS,
    STEP_TICKS_BITS = 9,
    STEP_ID_SHIFT = STEP_TICKS_SHIFT + STEP_TICKS_BITS,
    STEP_MOST = 23, /* bytes of one, and what may be written behind it */
};
_Static_assert(STEP_ID_SHIFT + 16 == 64, "a word");

/* Two, or none. */
#define STEP_WINDOW_BYTES(how) ((how)&STEP_WINDOW)
#define STEP_PAYLOAD_BYTES(carries) (((carries)&CARRIES_PAYLOAD) * 2)
_Static_assert(STEP_WINDOW == 2 && CARRIES_PAYLOAD == 1, "bits that say how many bytes");

static inline uint8_t *put_short(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    return p + 2;
}

static inline uint32_t get_short(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8;
}

/* Zero when the numbers of a step find room in a word. `usec` is the time that has elapsed, rounded
 * down. */
static inline uint64_t beyond_word(uint64_t usec, uint64_t frames, uint32_t ticks) {
    return usec >> STEP_TIME_BITS | frames >> STEP_FRAMES_BITS | ticks >> STEP_TICKS_BITS;
}

static inline uint64_t step_word(unsigned how, uint64_t usec, uint64_t frames, uint32_t ticks,
                                 uint16_t ip_id) {
    return how | frames << STEP_FRAMES_SHIFT | usec << STEP_TIME_SHIFT |
           (uint64_t)ticks << STEP_TICKS_SHIFT | (uint64_t)ip_id << STEP_ID_SHIFT;
}

/* What follows the word. Some steps need their window, or a payload, and nobody can foretell which,
 * as each is of another connection: either is written in any case, and then stepped over or not. */
static inline uint8_t *put_window_and_payload(uint8_t *p, unsigned how, unsigned carries,
                                              uint32_t window, uint32_t payload) {
    put_short(p, window);
    p += STEP_WINDOW_BYTES(how);
    put_short(p, payload);
    return p + STEP_PAYLOAD_BYTES(carries);
}

/* `window` is the expected one. */
static inline uint8_t *put_step(uint8_t *p, const struct step *step, const struct manner *manner,
                                uint32_t window, bool is_first) {
    uint32_t usec = step->elapsed_ns / 1000;
    unsigned how = step->window != window ? STEP_WINDOW : 0, carries = manner->carries;
    if (is_first ||
        (beyond_word(usec, step->frames, step->ticks) == 0 && usec * 1000 == step->elapsed_ns)) {
        put_little_endian(p,
                          step_word(how, usec, step->frames, step->ticks, (uint16_t)step->ip_id));
        p += sizeof(uint64_t);
    } else {
        *p++ = (uint8_t)(how | STEP_WIDE);
        put_little_endian(p, step->elapsed_ns | (uint64_t)step->frames << 32);
        p = put_short(put_short(p + 8, step->ticks), step->ip_id);
    }
    p = put_window_and_payload(p, how, carries, step->window, step->payload);
    return carries & CARRIES_LAG ? put_short(p, step->lag) : p;
}

__attribute__((always_inline)) static inline const uint8_t *
get_step(const uint8_t *p, struct step *step, const struct manner *manner, uint32_t window,
         bool is_first) {
    uint64_t word = get_little_endian(p);
    unsigned how = (unsigned)word, carries = manner->carries;
    if (how & STEP_WIDE) {
        word = get_little_endian(p + 1);
        step->elapsed_ns = (uint32_t)word;
        step->frames = (uint32_t)(word >> 32);
        step->ticks = get_short(p + 9);
        step->ip_id = get_short(p + 11);
        p += 13;
    } else {
        step->frames = (uint32_t)(word >> STEP_FRAMES_SHIFT);
        step->elapsed_ns = step->ticks = 0;
        step->ip_id = (uint32_t)(word >> STEP_ID_SHIFT);
        p += sizeof word;
        if (!is_first) {
            step->frames &= (1 << STEP_FRAMES_BITS) - 1;
            step->elapsed_ns =
                (uint32_t)(word >> STEP_TIME_SHIFT & ((1 << STEP_TIME_BITS) - 1)) * 1000;
            step->ticks = word >> STEP_TICKS_SHIFT & ((1 << STEP_TICKS_BITS) - 1);
        }
    }
    step->window = window;
    step->payload = step->lag = 0;
    if (((how & STEP_WINDOW) | carries) == 0)
        return p;
    if (how & STEP_WINDOW) {
        step->window = get_short(p);
        p += 2;
    }
    if (carries & CARRIES_PAYLOAD) {
        step->payload = get_short(p);
        p += 2;
    }
    if (carries & CARRIES_LAG) {
        step->lag = get_short(p);
        p += 2;
    }
    return p;
}

/* How long a step took that is not the first, where nothing else is asked of it; `*p` moves on to
 * the next one. `more` bytes of it follow its window: see step_more(). With branches, as which way
 * they go is known from the connection before: where the next step is need not wait for this one.
 */
static inline uint32_t get_step_time(const uint8_t **p, unsigned more) {
    uint64_t word = get_little_endian(*p);
    *p += more;
    switch (word & (STEP_WIDE | STEP_WINDOW)) {
    case 0:
        *p += sizeof word;
        break;
    case STEP_WINDOW:
        *p += sizeof word + STEP_WINDOW_BYTES(STEP_WINDOW);
        break;
    default:
        word = get_little_endian(*p - more + 1);
        *p += 13 + STEP_WINDOW_BYTES((*p - more)[0]);
        return (uint32_t)word;
    }
    return (uint32_t)(word >> STEP_TIME_SHIFT & ((1 << STEP_TIME_BITS) - 1)) * 1000;
}

static inline unsigned step_more(const struct manner *manner) {
    return STEP_PAYLOAD_BYTES(manner->carries) + (manner->carries & CARRIES_LAG ? 2u : 0);
}

/* What a connection on a trail has been through, step by step. */
struct walk {
    const struct trail *trail;
    const uint8_t *at;
    unsigned count; /* steps so far */
    int64_t time_ns;
    uint64_t frame;
    struct step step; /* the last one, and its numbers */
    uint32_t seq, ack, tsval, tsecr;
    struct trail_ends ends;
    uint32_t used[TRAIL_STEPS]; /* as in struct on_trail */
};

static inline void walk_from(struct walk *walk, const struct trail *trail, const uint8_t *steps,
                             int64_t first_ns) {
    walk->trail = trail;
    walk->at = steps;
    walk->count = 0;
    walk->time_ns = first_ns;
    walk->frame = 0;
    walk->ends = (struct trail_ends){.next = {0}};
    walk->used[0] = 0; /* what the first step acknowledges */
}

__attribute__((always_inline)) static inline void walk_on(struct walk *walk,
                                                          const struct manner *manner) {
    struct step *step = &walk->step;
    struct trail_ends *ends = &walk->ends;
    unsigned role = manner->role;
    if (manner->carries & CARRIES_SYN) {
        ends->next[role] = walk->trail->isn[role];
        ends->tsval[role] = walk->trail->tsval[role];
    }
    walk->at = get_step(walk->at, step, manner, expected_window(manner, ends->window[role]),
                        walk->count == 0);
    walk->time_ns += step->elapsed_ns;
    walk->frame += step->frames;
    walk->seq = ends->next[role];
    walk->ack = walk->used[manner->acks];
    ends->window[role] = (uint16_t)step->window;
    ends->tsval[role] += step->ticks;
    walk->tsval = ends->tsval[role] & manner->stamped;
    walk->tsecr = (ends->tsval[!role] - step->lag) & manner->stamped;
    walk->used[walk->count++] = ends->next[role] += step->payload + manner->consumes;
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
