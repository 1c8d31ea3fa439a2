#include "track/trail_map.h"

#include "base/time.h"

#include <stdlib.h>

enum { SAMPLES = 12 };

/* Two steps, the second of which answers the first. What was measured from data is rounded as it
 * was kept (struct flow_side). */
struct sample {
    uint8_t asked, answer;
    bool is_of_data;
};

/* The first connection that ended at a place, as it was settled, but for the bytes of payload. For
 * the next one all of it stays but what follows from numbers: who the ends are, times, frames,
 * sequence numbers and timestamps, bytes, windows, turnarounds, the delay of the opening, and the
 * vantage. A new field of struct la_connection that depends on numbers has to be told as well. */
struct story {
    struct la_connection connection;
    struct la_observation log[TRAIL_STEPS];
    uint8_t depth, log_count;
    struct manner manners[TRAIL_STEPS];
    uint8_t entries[TRAIL_STEPS]; /* of the log, from 1, by step; 0: not logged */
    uint8_t last[2];              /* steps of LA_CLIENT, LA_SERVER; from 1, 0: none */
    uint8_t last_data[2];         /* with payload */
    uint8_t scale[2];             /* of the windows of that side */
    uint8_t sample_count[2];
    struct sample samples[2][SAMPLES]; /* LA_CLIENT, LA_SERVER: the turnarounds of that side */
};

void stories_free(struct trails *trails) {
    for (unsigned i = 0; i < trails->story_count; i++)
        free(trails->stories[i]);
    view_release(&trails->view);
}

size_t stories_bytes(const struct trails *trails) {
    return trails->story_count * sizeof *trails->stories[0];
}

static bool add_sample(struct story *story, unsigned side, struct sample sample) {
    uint8_t *count = &story->sample_count[side];
    if (*count == SAMPLES)
        return false;
    story->samples[side][(*count)++] = sample;
    return true;
}

/* The step that an entry of the log is. */
static uint8_t step_of_entry(const struct story *story, size_t entry) {
    uint8_t i = 0;
    while (story->entries[i] != entry + 1)
        i++;
    return i;
}

/* What each side answered when: its turnarounds, as settling measures them. False when there are
 * too many. */
static bool learn_samples(struct story *story, const struct view *view, const struct trails *trails,
                          const uint16_t way[TRAIL_STEPS]) {
    for (size_t i = 0; i < story->log_count; i++) {
        const struct la_observation *asked = &view->log[i];
        size_t answer =
            settle_is_timed(asked) ? settle_answer_to(view, story->log_count, i) : LA_NOWHERE;
        if (answer == LA_NOWHERE)
            continue;
        struct sample sample = {step_of_entry(story, i), step_of_entry(story, answer), false};
        if (!add_sample(story, !asked->from, sample))
            return false;
    }
    for (uint8_t i = 0; i < story->depth; i++) {
        const struct place *place = &trails->places[way[i]];
        struct sample sample = {(uint8_t)(place->timed - 1), i, true};
        if (place->timed > 0 && !add_sample(story, place->manner.role, sample))
            return false;
    }
    return true;
}

/* RFC 7323, 2.2: only when both have offered it. */
static void learn_scales(struct story *story) {
    const struct la_endpoint *ends = story->connection.side;
    bool scaled = ends[0].window_scale >= 0 && ends[1].window_scale >= 0;
    for (unsigned role = 0; scaled && role < 2; role++)
        story->scale[role] = (uint8_t)ends[role].window_scale;
}

static struct story *make_story(const struct trails *trails, uint16_t number,
                                const struct view *view) {
    struct story *story = calloc(1, sizeof *story);
    uint16_t way[TRAIL_STEPS];
    if (!story)
        return NULL;
    story->connection = view->connection;
    story->depth = (uint8_t)trail_way(trails, number, way);
    for (unsigned i = 0; i < story->depth; i++) {
        const struct place *place = &trails->places[way[i]];
        unsigned role = place->manner.role;
        story->manners[i] = place->manner;
        if (place->is_logged)
            story->entries[i] = ++story->log_count;
        story->last[role] = (uint8_t)(i + 1);
        if (place->manner.carries & CARRIES_PAYLOAD)
            story->last_data[role] = (uint8_t)(i + 1);
    }
    learn_scales(story);
    bool whole = story->log_count == view->connection.log_count;
    if (whole)
        memcpy(story->log, view->log, story->log_count * sizeof *view->log);
    for (unsigned role = 0; role < 2; role++)
        story->connection.side[role].bytes -= story->connection.side[role].data_bytes;
    if (whole && learn_samples(story, view, trails, way))
        return story;
    free(story);
    return NULL;
}

void trail_learn_story(struct trails *trails, const struct trail_item *item,
                       const struct view *view) {
    if (view->connection.remarkable || trails->story_count == STORIES_MOST)
        return;
    struct story *story = make_story(trails, item->trail.place, view);
    if (!story)
        return;
    trails->stories[trails->story_count++] = story;
    trails->places[item->trail.place].story = trails->story_count;
}

/* The view holds the story already when it is told twice in a row. */
static bool open_story(struct trails *trails, uint16_t number) {
    const struct story *story = trails->stories[number - 1];
    struct view *view = &trails->view;
    if (trails->told == number)
        return true;
    if (!view_reserve(view, TRAIL_STEPS))
        return false;
    view->connection = story->connection;
    view->connection.log = view->log;
    memcpy(view->log, story->log, story->log_count * sizeof *view->log);
    trails->told = number;
    return true;
}

/* What its steps were, as they are told; times count from the first one. */
struct telling {
    const struct story *story;
    struct walk walk;
    int64_t times_ns[TRAIL_STEPS];
    uint64_t said[2]; /* bytes of payload */
};

static void tell_entry(const struct walk *walk, struct la_observation *o) {
    o->time_ns = walk->time_ns;
    o->frame = walk->frame;
    o->seq = walk->seq;
    o->ack = walk->ack;
    o->payload = walk->step.payload;
    o->tsval = walk->tsval;
    o->tsecr = walk->tsecr;
}

static void tell_steps(struct telling *telling, const struct trail_item *item,
                       struct la_observation *log) {
    const struct story *story = telling->story;
    struct walk *walk = &telling->walk;
    walk_from(walk, &item->trail, item->steps, 0);
    for (unsigned i = 0; i < story->depth; i++) {
        const struct manner *manner = &story->manners[i];
        walk_on(walk, manner);
        telling->times_ns[i] = walk->time_ns;
        telling->said[manner->role] += walk->step.payload;
        if (story->entries[i] > 0)
            tell_entry(walk, &log[story->entries[i] - 1]);
    }
}

static int64_t took_ns(const struct telling *telling, const struct sample *sample) {
    int64_t took = telling->times_ns[sample->answer] - telling->times_ns[sample->asked];
    return sample->is_of_data ? flow_sample_ns((float)la_seconds(took)) : took;
}

static void tell_end(const struct telling *telling, unsigned role, int64_t first_ns,
                     struct la_endpoint *end) {
    const struct story *story = telling->story;
    const struct walk *walk = &telling->walk;
    const struct la_endpoint *known = &story->connection.side[role];
    int64_t samples[SAMPLES];
    end->isn = walk->trail->isn[role];
    end->next = end->fin_end = walk->ends.next[role];
    end->acked = walk->ends.next[!role];
    end->tsval = walk->ends.tsval[role];
    end->window = (uint32_t)walk->ends.window[role] << story->scale[role];
    end->data_bytes = telling->said[role];
    end->bytes = known->bytes + telling->said[role];
    end->last_ns = first_ns + telling->times_ns[story->last[role] - 1];
    if (story->last_data[role] > 0)
        end->last_data_ns = first_ns + telling->times_ns[story->last_data[role] - 1];
    for (unsigned i = 0; i < story->sample_count[role]; i++)
        samples[i] = took_ns(telling, &story->samples[role][i]);
    settle_turnaround(samples, story->sample_count[role], INT64_MAX, end);
}

struct view *trail_tell_story(struct trails *trails, const struct settle_context *context,
                              const struct trail_item *item) {
    uint16_t number = trails->places[item->trail.place].story;
    struct view *view = &trails->view;
    if (number == 0 || !open_story(trails, number))
        return NULL;
    struct telling telling;
    telling.story = trails->stories[number - 1];
    telling.said[0] = telling.said[1] = 0;
    struct la_connection *c = &view->connection;
    view_fill_ends(view, context, item->item.host, item->item.port, item->item.v6,
                   item->trail.client);
    tell_steps(&telling, item, view->log);
    int64_t last_ns = item->item.expire_ns - LIVE_REMEMBERED_NS;
    int64_t first_ns = last_ns - telling.walk.time_ns;
    for (unsigned i = 0; i < telling.story->log_count; i++)
        view->log[i].time_ns += first_ns;
    for (unsigned role = 0; role < 2; role++)
        tell_end(&telling, role, first_ns, &c->side[role]);
    c->incarnation = item->trail.lives;
    c->opened_ns = c->first.time_ns = first_ns;
    c->first.frame = view->log[0].frame; /* the SYN always is in the log */
    c->last.time_ns = last_ns;
    c->last.frame = telling.walk.frame;
    if (c->connect_delay_ns >= 0) /* the SYN-ACK is always the second */
        c->connect_delay_ns = telling.times_ns[1];
    return view;
}
