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

/* Where its milestones are, by step. */
struct story_milestones {
    uint8_t syn_ack, open, fin[2], fin_acked[2];
};

/* The first connection that ended at a place, as it was settled. Of the next one all of it stays
 * but what follows from numbers; and of that only as much is told at once as everybody asks for
 * (struct la_untold). */
struct story {
    struct la_connection connection;
    uint8_t depth;
    uint8_t more[TRAIL_STEPS]; /* as get_step_time() asks for it */
    struct story_milestones milestones;
    uint8_t last[2]; /* steps of LA_CLIENT, LA_SERVER */
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

/* What each side answered when: its turnarounds, as settling measures them. `steps` are those of
 * the log's lines. False when there are too many. */
static bool learn_samples(struct story *story, const struct view *view, const struct trails *trails,
                          const uint16_t way[TRAIL_STEPS], const uint8_t steps[TRAIL_STEPS]) {
    size_t count = view->connection.log_count;
    for (size_t i = 0; i < count; i++) {
        const struct la_observation *asked = &view->log[i];
        size_t answer = settle_is_timed(asked) ? settle_answer_to(view, count, i) : LA_NOWHERE;
        if (answer == LA_NOWHERE)
            continue;
        struct sample sample = {steps[i], steps[answer], false};
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

/* False when one is missing. */
static bool learn_milestones(struct story *story, const uint8_t steps[TRAIL_STEPS]) {
    struct story_milestones *m = &story->milestones;
    struct milestone_lines lines;
    settle_milestone_lines(&story->connection, &lines);
    if (lines.syn_ack == LA_NOWHERE || lines.open == LA_NOWHERE)
        return false;
    m->syn_ack = steps[lines.syn_ack];
    m->open = steps[lines.open];
    for (unsigned side = 0; side < 2; side++) {
        if (lines.fin[side] == LA_NOWHERE || lines.fin_acked[side] == LA_NOWHERE)
            return false;
        m->fin[side] = steps[lines.fin[side]];
        m->fin_acked[side] = steps[lines.fin_acked[side]];
    }
    return true;
}

static struct story *make_story(const struct trails *trails, uint16_t number,
                                const struct view *view) {
    struct story *story = calloc(1, sizeof *story);
    uint16_t way[TRAIL_STEPS];
    uint8_t steps[TRAIL_STEPS]; /* by line of the log */
    size_t lines = 0;
    if (!story)
        return NULL;
    story->connection = view->connection;
    story->depth = (uint8_t)trail_way(trails, number, way);
    for (uint8_t i = 0; i < story->depth; i++) {
        const struct place *place = &trails->places[way[i]];
        story->more[i] = (uint8_t)step_more(&place->manner);
        story->last[place->manner.role] = i;
        if (place->is_logged)
            steps[lines++] = i;
    }
    if (lines == view->connection.log_count && learn_milestones(story, steps) &&
        learn_samples(story, view, trails, way, steps)) {
        story->connection.log = NULL;
        return story;
    }
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

/* The view holds the story already when it is told twice in a row. There is room in it for whoever
 * asks for the rest. */
static bool open_story(struct trails *trails, uint16_t number) {
    struct view *view = &trails->view;
    if (trails->told == number)
        return true;
    if (!view_reserve(view, TRAIL_STEPS))
        return false;
    view->connection = trails->stories[number - 1]->connection;
    trails->told = number;
    return true;
}

/* When its steps were, from the first one on. Returns the frame of that. */
static uint64_t tell_times(const struct story *story, const uint8_t *steps,
                           int64_t times_ns[TRAIL_STEPS]) {
    static const struct manner syn = {.carries = CARRIES_SYN};
    struct step first;
    const uint8_t *at = get_step(steps, &first, &syn, 0, true);
    int64_t time_ns = times_ns[0] = 0;
    for (unsigned i = 1; i < story->depth; i++)
        times_ns[i] = time_ns += get_step_time(&at, story->more[i]);
    return first.frames;
}

static int64_t took_ns(const int64_t times_ns[TRAIL_STEPS], const struct sample *sample) {
    int64_t took = times_ns[sample->answer] - times_ns[sample->asked];
    return sample->is_of_data ? flow_sample_ns((float)la_seconds(took)) : took;
}

static int64_t least_turnaround(const struct story *story, unsigned role,
                                const int64_t times_ns[TRAIL_STEPS]) {
    int64_t least = INT64_MAX;
    for (unsigned i = 0; i < story->sample_count[role]; i++) {
        int64_t took = took_ns(times_ns, &story->samples[role][i]);
        least = took < least ? took : least;
    }
    return story->sample_count[role] > 0 ? least : -1;
}

static void tell_milestones(const struct story *story, int64_t first_ns,
                            const int64_t times_ns[TRAIL_STEPS], struct la_milestones *m) {
    const struct story_milestones *steps = &story->milestones;
    m->syn_ack_ns = first_ns + times_ns[steps->syn_ack];
    m->open_ns = first_ns + times_ns[steps->open];
    for (unsigned side = 0; side < 2; side++) {
        m->fin_ns[side] = first_ns + times_ns[steps->fin[side]];
        m->fin_acked_ns[side] = first_ns + times_ns[steps->fin_acked[side]];
    }
}

struct view *trail_tell_story(struct trails *trails, const struct settle_context *context,
                              const struct trail_item *item) {
    uint16_t number = trails->places[item->trail.place].story;
    struct view *view = &trails->view;
    if (number == 0 || !open_story(trails, number))
        return NULL;
    const struct story *story = trails->stories[number - 1];
    struct la_connection *c = &view->connection;
    int64_t times_ns[TRAIL_STEPS];
    view_fill_ends(view, context, item->item.host, item->item.port, item->item.v6,
                   item->trail.client);
    c->first.frame = tell_times(story, item->steps, times_ns);
    c->last.time_ns = item->item.expire_ns - LIVE_REMEMBERED_NS;
    int64_t first_ns = c->last.time_ns - times_ns[story->depth - 1];
    for (unsigned role = 0; role < 2; role++) {
        c->side[role].last_ns = first_ns + times_ns[story->last[role]];
        c->side[role].rtt_min_ns = least_turnaround(story, role, times_ns);
    }
    tell_milestones(story, first_ns, times_ns, &c->milestones);
    c->incarnation = item->trail.lives;
    c->opened_ns = c->first.time_ns = first_ns;
    c->opened_tsval = item->trail.tsval[LA_CLIENT];
    if (c->connect_delay_ns >= 0) /* the SYN-ACK always is the second */
        c->connect_delay_ns = times_ns[1];
    return view;
}

bool trail_tell_rest(struct trails *trails, const struct settle_context *context,
                     const struct trail_item *item) {
    struct live live = {0};
    trail_read(trails, item, &live);
    bool filled = view_fill(&trails->view, context, &live);
    if (filled)
        settle_ordinary(&trails->view);
    live_release(&live, trails->pool);
    trails->told = 0;
    return filled;
}
