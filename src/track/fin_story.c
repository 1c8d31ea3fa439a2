#include "track/fin_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

#include <string.h>

/* What a path and a capture's clock may jitter. */
enum { JITTER_NS = 2000000 };
/* A stack that acknowledges at once does so within this. */
enum { PROMPT_NS = 30000000 };

bool la_is_near(const struct la_connection *c, unsigned side) {
    return c->vantage.kind == (side == LA_CLIENT ? LA_VANTAGE_NEAR_CLIENT : LA_VANTAGE_NEAR_SERVER);
}

int64_t la_one_way_ns(const struct la_connection *c, unsigned side) {
    int64_t turnaround = c->vantage.turnaround_ns[side];
    return turnaround > 0 ? turnaround / 2 : 0;
}

int64_t la_round_trip_ns(const struct la_connection *c) {
    int64_t sum = 0;
    for (int s = 0; s < 2; s++)
        sum += c->vantage.turnaround_ns[s] > 0 ? c->vantage.turnaround_ns[s] : 0;
    return sum;
}

int64_t la_sent_ns(const struct la_connection *c, size_t index) {
    return c->log[index].time_ns - la_one_way_ns(c, c->log[index].from);
}

int64_t la_arrived_ns(const struct la_connection *c, size_t index) {
    return c->log[index].time_ns + la_one_way_ns(c, !c->log[index].from);
}

static bool covers(const struct la_observation *o, uint32_t end) {
    return (o->flags & LA_ACK) && !(o->flags & LA_RST) && o->class != LA_CLASS_OUTSIDE &&
           seq_leq(end, o->ack);
}

enum la_echo la_read_echo(const struct la_connection *c, size_t ack, size_t earlier, size_t later) {
    const struct la_observation *a = &c->log[ack];
    const struct la_observation *first = &c->log[earlier], *second = &c->log[later];
    /* A D-SACK reports the later copy as a duplicate: one was there before (RFC 2883). */
    if (a->options & LA_HAS_DSACK)
        return LA_ECHO_EARLIER_ARRIVED;
    if (!(a->options & first->options & second->options & LA_HAS_TIMESTAMPS) ||
        first->tsval == second->tsval)
        return LA_ECHO_NOTHING;
    if (seq_lt(a->tsecr, second->tsval))
        return LA_ECHO_EARLIER_ARRIVED;
    /* It echoes the later one. A receiver that could have reported the duplicate did not see any;
     * one in TIME-WAIT would still echo the first. */
    bool would_report = c->side[0].sack && c->side[1].sack;
    const struct la_endpoint *receiver = &c->side[a->from];
    bool frozen = c->profile[a->from]->time_wait_freezes_ts_recent && receiver->fin_seen;
    return would_report || frozen ? LA_ECHO_EARLIER_LOST : LA_ECHO_NOTHING;
}

static bool answers_late_ack(const struct la_observation *o, unsigned side, uint32_t end) {
    return o->from == side && (o->flags & LA_RST) && !(o->flags & LA_ACK) && o->seq == end;
}

bool la_ack_was_late(const struct la_connection *c, unsigned side, uint32_t end, size_t ack) {
    size_t acks_after = 0;
    for (size_t i = ack + 1; i < c->log_count; i++) {
        if (c->log[i].from != side && covers(&c->log[i], end))
            acks_after++;
        if (answers_late_ack(&c->log[i], side, end))
            return acks_after > 0;
    }
    return false;
}

/* Nine tenths of the shortest RTO: clocks and timers are that coarse. A copy that comes sooner was
 * not timed out: a stack that answers a FIN with its own FIN again, or a copy made by the network.
 */
static bool is_timed_out(const struct la_connection *c, unsigned side, size_t previous,
                         size_t copy) {
    int64_t least = c->profile[side]->rto_min_ns / 10 * 9;
    const struct la_observation *a = &c->log[previous], *b = &c->log[copy];
    double hz = c->side[side].timestamp_hz;
    if ((a->options & b->options & LA_HAS_TIMESTAMPS) && hz >= 100 && hz <= 1000000)
        return (double)seq_diff(b->tsval, a->tsval) / hz * 1e9 >= (double)least;
    return b->time_ns - a->time_ns >= least;
}

static void gather_copies(const struct la_connection *c, unsigned side, struct la_fin_story *s) {
    uint32_t end = c->side[side].fin_end;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != side || !(o->flags & LA_FIN) || o->seq + o->payload + 1 != end)
            continue;
        s->copies_seen++;
        bool counts = s->copy_count == 0 || is_timed_out(c, side, s->copies[s->copy_count - 1], i);
        if (counts && s->copy_count < LA_STORY_COPIES)
            s->copies[s->copy_count++] = i;
    }
}

static void gather_answers(const struct la_connection *c, unsigned side, struct la_fin_story *s) {
    uint32_t end = c->side[side].fin_end;
    for (size_t i = s->copies[0]; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == side) {
            if (s->own_reset == LA_NOWHERE && s->ack_count > 1 && answers_late_ack(o, side, end))
                s->own_reset = i;
            continue;
        }
        if (covers(o, end) && s->ack_count < LA_STORY_COPIES)
            s->acks[s->ack_count++] = i;
        bool answers =
            (o->flags & LA_RST) && !(o->flags & LA_ACK) && o->seq == c->log[s->copies[0]].ack;
        if (s->peer_reset == LA_NOWHERE && answers)
            s->peer_reset = i;
    }
}

/* The peer had sent its own FIN when it acknowledged this one: from there it goes to TIME-WAIT. */
static bool comes_second(const struct la_connection *c, unsigned side,
                         const struct la_fin_story *s) {
    if (!c->side[!side].fin_seen)
        return false;
    size_t before = s->ack_count > 0 ? s->acks[0] : c->log_count;
    for (size_t i = 0; i < before; i++)
        if (c->log[i].from != side && c->log[i].class == LA_CLASS_FIN)
            return true;
    return c->side[!side].fin_unseen;
}

static void find_repeat(const struct la_connection *c, struct la_fin_story *s) {
    int64_t due = s->ack_count > 0 ? la_arrived_ns(c, s->acks[0]) + JITTER_NS : INT64_MAX;
    s->repeat = s->copies[1];
    for (size_t i = 1; i < s->copy_count; i++) {
        size_t copy = s->copies[i];
        if (s->ack_count > 0 && la_sent_ns(c, copy) > due) {
            s->repeat = copy;
            s->acked_before_repeat = true;
            return;
        }
    }
    s->crossed = s->ack_count > 0 && s->acks[0] < s->repeat;
}

/* An answer cannot come sooner after a copy than the peer has ever answered anything: then it
 * answers an earlier one. */
static void read_re_ack(const struct la_connection *c, unsigned side, struct la_fin_story *s) {
    for (size_t i = 0; i < s->ack_count && s->re_ack == LA_NOWHERE; i++)
        if (s->acks[i] > s->repeat)
            s->re_ack = s->acks[i];
    if (s->re_ack == LA_NOWHERE)
        return;
    int64_t least = c->vantage.turnaround_ns[!side];
    int64_t took = c->log[s->re_ack].time_ns - c->log[s->repeat].time_ns;
    bool retransmitted =
        c->log[s->re_ack].flags & LA_FIN; /* sent by a timer, not drawn by anything */
    if (!s->acked_before_repeat && !retransmitted && least > 2 * JITTER_NS && took < least / 10 * 9)
        s->crossed = true;
    size_t later = 1;
    while (later + 1 < s->copy_count && s->copies[later + 1] < s->re_ack)
        later++;
    int64_t after = c->log[s->re_ack].time_ns - c->log[s->copies[later]].time_ns;
    s->re_ack_prompt = after <= (least > 0 ? least : 0) * 3 / 2 + PROMPT_NS;
    s->echo = la_read_echo(c, s->re_ack, s->copies[later - 1], s->copies[later]);
}

/* The repeat carries data that nothing had acknowledged: it is the data that was sent again, and
 * the FIN rides along. */
static bool data_waits(const struct la_connection *c, const struct la_fin_story *s) {
    return c->log[s->repeat].payload > 0 && !s->acked_before_repeat && !s->crossed &&
           s->echo != LA_ECHO_EARLIER_ARRIVED && (s->ack_count == 0 || s->acks[0] > s->repeat);
}

bool la_fin_story(const struct la_connection *c, unsigned side, struct la_fin_story *story) {
    memset(story, 0, sizeof *story);
    story->repeat = story->re_ack = story->peer_reset = story->own_reset = LA_NOWHERE;
    if (!c->side[side].fin_seen || c->side[side].fin_unseen)
        return false;
    gather_copies(c, side, story);
    if (story->copy_count == 0)
        return false;
    gather_answers(c, side, story);
    story->second = comes_second(c, side, story);
    if (story->copy_count < 2)
        return false;
    find_repeat(c, story);
    read_re_ack(c, side, story);
    story->data_is_cause = data_waits(c, story);
    return true;
}
