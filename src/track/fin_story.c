#include "track/fin_story.h"

#include <string.h>

/* An ACK of a FIN is sent at once, or delayed by 40 ms (Linux). */
enum { PROMPT_NS = 60000000, AT_ONCE_NS = 30000000 };
/* Two jiffies (250 Hz) less a tick: no tail loss probe comes sooner. */
enum { PROBE_NS = 7000000 };
/* Ticks of a timestamp clock, and what a path jitters beside that. */
enum { CLOCK_SLACK_NS = 15000000 };

bool la_is_near(const struct la_connection *c, unsigned side) {
    return c->vantage.kind == (side == LA_CLIENT ? LA_VANTAGE_NEAR_CLIENT : LA_VANTAGE_NEAR_SERVER);
}

bool la_is_behind_router(const struct la_connection *c, unsigned side) {
    uint8_t ttl = c->side[side].ttl;
    if (ttl == 0 && side == LA_SERVER && c->meanwhile)
        ttl = c->meanwhile->ttl;
    return ttl != 0 && ttl != 32 && ttl != 64 && ttl != 128 && ttl != 255;
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

enum la_echo la_read_echo(const struct la_connection *c, size_t ack, size_t first_copy,
                          size_t last_copy) {
    const struct la_observation *a = &c->log[ack];
    const struct la_observation *first = &c->log[first_copy], *last = &c->log[last_copy];
    /* A D-SACK reports the later copy as a duplicate: one was there before (RFC 2883). */
    if (a->options & LA_HAS_DSACK)
        return LA_ECHO_EARLIER_ARRIVED;
    if (!(a->options & first->options & last->options & LA_HAS_TIMESTAMPS) ||
        first->tsval == last->tsval)
        return LA_ECHO_NOTHING;
    /* What is older than either was remembered before either came: a receiver without the segment
     * before them, or one that has ceased to use timestamps, remembers neither. */
    if (seq_lt(a->tsecr, first->tsval))
        return LA_ECHO_NOTHING;
    if (seq_lt(a->tsecr, last->tsval))
        return LA_ECHO_EARLIER_ARRIVED;
    /* It echoes the later one. A receiver that could have reported the duplicate did not see any;
     * one that the earlier one had brought to TIME-WAIT would still echo that. */
    bool would_report = c->side[0].sack && c->side[1].sack;
    const struct la_endpoint *receiver = &c->side[a->from];
    bool frozen = c->profile[a->from]->time_wait_freezes_ts_recent && receiver->fin_seen &&
                  (first->flags & LA_ACK) && seq_leq(receiver->fin_end, first->ack);
    return would_report || frozen ? LA_ECHO_EARLIER_LOST : LA_ECHO_NOTHING;
}

/* Both from one side. By their sender's clock; without one what came long before left before. */
static bool left_before(const struct la_connection *c, size_t a, size_t b) {
    const struct la_observation *first = &c->log[a], *second = &c->log[b];
    if (first->options & second->options & LA_HAS_TIMESTAMPS)
        return seq_lt(first->tsval, second->tsval);
    return second->time_ns - first->time_ns >= c->profile[first->from]->rto_min_ns / 10 * 9;
}

/* What bears the number after its sender's FIN was sent after that. */
static bool is_past_fin(const struct la_connection *c, const struct la_observation *o) {
    return !(o->flags & (LA_SYN | LA_FIN | LA_RST)) && o->class != LA_CLASS_OUTSIDE &&
           o->seq == c->side[o->from].fin_end;
}

/* This end's FIN acknowledges the peer's: with the ACK of it its socket is gone (LAST-ACK). What
 * left after a FIN that did not pass here tells of one whose acknowledgement nobody knows. */
static bool closes_last(const struct la_connection *c, unsigned side) {
    const struct la_endpoint *me = &c->side[side], *peer = &c->side[!side];
    size_t fin = 0;
    while (fin < c->log_count && (c->log[fin].from != side || !(c->log[fin].flags & LA_FIN)))
        fin++;
    if (!peer->fin_seen || !me->fin_seen || fin == c->log_count)
        return false;
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side && is_past_fin(c, &c->log[i]) && left_before(c, i, fin))
            return false;
    return (c->log[fin].flags & LA_ACK) && seq_leq(peer->fin_end, c->log[fin].ack);
}

/* Two that left at the same moment answer the same packet, which the network has brought twice, or
 * one of them is a copy made by it. No two copies of a FIN are sent so close together. */
static bool is_same_answer(const struct la_connection *c, size_t a, size_t b) {
    const struct la_observation *first = &c->log[a], *second = &c->log[b];
    double hz = c->side[first->from].timestamp_hz;
    int32_t ticks = seq_diff(second->tsval, first->tsval);
    return (first->options & second->options & LA_HAS_TIMESTAMPS) &&
           first->tsecr == second->tsecr &&
           (double)(ticks < 0 ? -ticks : ticks) * 1e9 < (hz > 0 ? hz : 1) * PROBE_NS &&
           second->time_ns - first->time_ns < c->profile[first->from]->rto_min_ns / 2;
}

/* It echoes the last copy of `side`'s FIN that came before it: it left after that. */
static bool answers_last_copy(const struct la_connection *c, size_t ack, unsigned side,
                              uint32_t end) {
    const struct la_observation *a = &c->log[ack], *copy = NULL;
    for (size_t i = 0; i < ack; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == side && (o->flags & LA_FIN) && o->seq + o->payload + 1 == end)
            copy = o;
    }
    return copy && (a->options & copy->options & LA_HAS_TIMESTAMPS) &&
           seq_leq(copy->tsval, a->tsecr);
}

/* A bare RST of this life with which `side` answers a bare ACK of everything up to `end`: it had no
 * socket any more. Only a passive closer is gone so soon. A FIN or data would draw the same RST
 * from one that is closed for reading or has no room for TIME-WAIT, and so would the challenge to a
 * new SYN from SYN-SENT. */
static bool answers_late_ack(const struct la_connection *c, size_t rst, unsigned side,
                             uint32_t end) {
    const struct la_observation *o = &c->log[rst];
    if (o->from != side || (o->flags & (LA_RST | LA_ACK)) != LA_RST || o->seq != end)
        return false;
    if ((c->next && c->next->first.time_ns <= o->time_ns) || !closes_last(c, side))
        return false;
    size_t bare = 0, last = LA_NOWHERE, doubled = 0, resets = 1;
    bool earlier = false;
    for (size_t i = 0; i < rst; i++) {
        const struct la_observation *drew = &c->log[i];
        resets +=
            drew->from == side && (drew->flags & (LA_RST | LA_ACK)) == LA_RST && drew->seq == end;
        if (drew->from == side || !la_covers(drew, end))
            continue;
        if (drew->payload > 0 || (drew->flags & LA_FIN))
            return false;
        if (last != LA_NOWHERE && is_same_answer(c, last, i)) {
            doubled++;
            continue;
        }
        doubled = 0;
        last = i;
        bare++;
        earlier = earlier || !answers_last_copy(c, i, side, end);
    }
    return bare > 1 && earlier && resets > doubled; /* else the copies explain the RSTs */
}

bool la_ack_was_late(const struct la_connection *c, unsigned side, uint32_t end, size_t ack) {
    size_t acks_after = 0;
    for (size_t i = ack + 1; i < c->log_count; i++) {
        if (c->log[i].from != side && la_covers(&c->log[i], end))
            acks_after++;
        if (answers_late_ack(c, i, side, end))
            return acks_after > 0;
    }
    return false;
}

/* Was this copy sent by a timer? Nine tenths of the shortest RTO: clocks and timers are that
 * coarse. With more than one segment in flight Linux' tail loss probe comes after two round trips
 * already, or after two jiffies; then the sender's clock must have moved on, and the copy must not
 * acknowledge more than the one before: some stacks answer a FIN with their own FIN again. */
static bool is_timed_out(const struct la_connection *c, unsigned side, size_t previous,
                         size_t copy) {
    int64_t least = c->profile[side]->rto_min_ns / 10 * 9;
    const struct la_observation *a = &c->log[previous], *b = &c->log[copy];
    int64_t gap = b->time_ns - a->time_ns, probe = 2 * la_round_trip_ns(c) / 10 * 9;
    double hz = c->side[side].timestamp_hz;
    bool stamped = (a->options & b->options & LA_HAS_TIMESTAMPS) && hz >= 100 && hz <= 1000000;
    if (!stamped)
        return gap >= least;
    int64_t apart = (int64_t)((double)seq_diff(b->tsval, a->tsval) / hz * 1e9);
    return apart >= least || (apart >= PROBE_NS && apart >= probe && b->ack == a->ack);
}

static bool is_copy(const struct la_connection *c, unsigned side, size_t i) {
    const struct la_observation *o = &c->log[i];
    return o->from == side && (o->flags & LA_FIN) &&
           o->seq + o->payload + 1 == c->side[side].fin_end;
}

static void gather_copies(const struct la_connection *c, unsigned side, struct la_fin_story *s) {
    for (size_t i = 0; i < c->log_count; i++) {
        if (!is_copy(c, side, i))
            continue;
        s->copies_seen++;
        bool counts = s->copy_count == 0 || is_timed_out(c, side, s->copies[s->copy_count - 1], i);
        if (counts && s->copy_count < LA_STORY_COPIES)
            s->copies[s->copy_count++] = i;
    }
}

static bool after_next_began(const struct la_connection *c, const struct la_observation *o) {
    return c->next && c->next->first.time_ns <= o->time_ns;
}

static void gather_ack(const struct la_connection *c, size_t i, struct la_fin_story *s) {
    const struct la_observation *o = &c->log[i];
    bool again = s->ack_count > 0 && is_same_answer(c, s->acks[s->ack_count - 1], i);
    s->dsack = s->dsack || (o->options & LA_HAS_DSACK) != 0;
    s->pure_acks += o->payload == 0 && !(o->flags & LA_FIN) && !again;
    if (s->ack_count < LA_STORY_COPIES)
        s->acks[s->ack_count++] = i;
}

/* The peer's RST answers a copy of the FIN, not the challenge to another SYN, which has the same
 * number. */
static bool answers_fin(const struct la_connection *c, size_t rst, const struct la_fin_story *s) {
    const struct la_observation *o = &c->log[rst];
    if ((o->flags & (LA_RST | LA_ACK)) != LA_RST || o->seq != c->log[s->copies[0]].ack)
        return false;
    for (size_t i = rst; i > 0; i--)
        if (c->log[i - 1].from != o->from)
            return (c->log[i - 1].flags & LA_FIN) != 0;
    return false;
}

static void gather_answers(const struct la_connection *c, unsigned side, struct la_fin_story *s) {
    uint32_t end = c->side[side].fin_end;
    for (size_t i = s->copies[0]; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == side) {
            if (s->own_reset == LA_NOWHERE && s->ack_count > 1 && answers_late_ack(c, i, side, end))
                s->own_reset = i;
        } else if (la_covers(o, end)) {
            if (!after_next_began(c, o)) /* then it answers another SYN */
                gather_ack(c, i, s);
        } else if (s->peer_reset == LA_NOWHERE && answers_fin(c, i, s)) {
            s->peer_reset = i;
        }
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

/* A FIN of the peer that passed here had left without this one. */
static bool crosses(const struct la_connection *c, unsigned side, const struct la_fin_story *s) {
    uint32_t end = c->side[side].fin_end;
    if (s->passive || s->copy_count == 0)
        return false;
    for (size_t i = 0; i < c->log_count; i++)
        if (is_copy(c, !side, i) && seq_lt(c->log[i].ack, end))
            return true;
    return false;
}

bool la_excess_transit(const struct la_connection *c, size_t index, int64_t *excess) {
    const struct la_observation *o = &c->log[index];
    double hz = c->side[o->from].timestamp_hz;
    if (!(o->options & LA_HAS_TIMESTAMPS) || hz < 100 || hz > 1000000)
        return false;
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *other = &c->log[i];
        if (i == index || other->from != o->from || !(other->options & LA_HAS_TIMESTAMPS))
            continue;
        int64_t apart = (int64_t)((double)seq_diff(o->tsval, other->tsval) / hz * 1e9);
        if (other->time_ns + apart < least)
            least = other->time_ns + apart;
    }
    if (least == INT64_MAX)
        return false;
    *excess = o->time_ns - least;
    return true;
}

bool la_sent_after(const struct la_connection *c, size_t index, size_t earlier) {
    const struct la_observation *o = &c->log[index];
    int64_t passed = c->log[earlier].time_ns, excess;
    if (la_excess_transit(c, index, &excess))
        return o->time_ns - excess > passed + CLOCK_SLACK_NS;
    bool stamped = c->side[o->from].timestamps_used;
    bool fresh = o->class == LA_CLASS_DATA || o->class == LA_CLASS_FIN;
    return !stamped && fresh && o->time_ns - passed > LA_SEC;
}

static void find_repeat(const struct la_connection *c, struct la_fin_story *s) {
    int64_t due = s->ack_count > 0 ? la_arrived_ns(c, s->acks[0]) + LA_JITTER_NS : INT64_MAX;
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

/* By how much the peer's answer left before the copy can have arrived, by the peer's own clock; 0
 * when it did not. Without timestamps nothing tells: an answer that comes sooner than any before
 * may only be the first that nothing has held up. What echoes the copy has seen it, whatever the
 * path's times say. */
static int64_t left_early_by(const struct la_connection *c, const struct la_fin_story *s,
                             size_t copy, int64_t *excess) {
    const struct la_observation *ack = &c->log[s->re_ack], *fin = &c->log[copy];
    *excess = 0;
    if (!la_excess_transit(c, s->re_ack, excess))
        return 0;
    bool echoes = (fin->options & LA_HAS_TIMESTAMPS) && seq_leq(fin->tsval, ack->tsecr);
    int64_t by = la_arrived_ns(c, copy) - (la_sent_ns(c, s->re_ack) - *excess);
    return !echoes && by > CLOCK_SLACK_NS ? by : 0;
}

/* What left first was overtaken, however late it comes. */
static bool left_first(const struct la_connection *c, size_t ack, size_t other) {
    const struct la_observation *a = &c->log[ack], *b = &c->log[other];
    return (a->options & b->options & LA_HAS_TIMESTAMPS) && seq_lt(a->tsval, b->tsval);
}

/* The ACK echoes what only an earlier copy of the FIN bore, or what was sent after one: that had
 * been taken, whatever data came with it or before it. Data of the same moment bears the same
 * timestamp; its ACK may be held back for 200 ms, and then answers the next copy with it. */
static bool names_earlier_copy(const struct la_connection *c, unsigned side,
                               const struct la_fin_story *s, size_t later) {
    const struct la_observation *ack = &c->log[s->re_ack];
    const struct la_observation *first = &c->log[s->copies[0]], *last = &c->log[s->copies[later]];
    if (!(ack->options & first->options & last->options & LA_HAS_TIMESTAMPS))
        return false;
    for (size_t i = s->copies[0]; i < s->re_ack; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != side || o->tsval != ack->tsecr || !seq_lt(o->tsval, last->tsval))
            continue;
        if (is_past_fin(c, o) || (i > s->copies[0] && is_copy(c, side, i)))
            return true;
        if (i == s->copies[0] &&
            last->time_ns - first->time_ns >= c->profile[side]->rto_min_ns / 10 * 9)
            return true;
    }
    return false;
}

static void read_re_ack(const struct la_connection *c, unsigned side, struct la_fin_story *s) {
    for (size_t i = 0; i < s->ack_count; i++)
        if (s->acks[i] > s->repeat &&
            (s->re_ack == LA_NOWHERE || left_first(c, s->acks[i], s->re_ack)))
            s->re_ack = s->acks[i];
    if (s->re_ack == LA_NOWHERE)
        return;
    size_t later = 1;
    while (later + 1 < s->copy_count && s->copies[later + 1] < s->re_ack)
        later++;
    int64_t excess, least = c->vantage.turnaround_ns[!side];
    s->re_ack_early_by_ns = left_early_by(c, s, s->copies[later], &excess);
    int64_t after = c->log[s->re_ack].time_ns - excess - c->log[s->copies[later]].time_ns;
    s->re_ack_before = s->re_ack_early_by_ns > 0 && after < -CLOCK_SLACK_NS;
    s->last_gap_ns = c->log[s->copies[later]].time_ns - c->log[s->copies[later - 1]].time_ns;
    int64_t usual = (least > 0 ? least : 0) * 3 / 2;
    s->re_ack_prompt = after <= usual + PROMPT_NS;
    s->re_ack_at_once = s->re_ack_early_by_ns == 0 && after <= usual + AT_ONCE_NS;
    s->re_ack_nearer = 2 * after < s->last_gap_ns;
    const struct la_observation *answer = &c->log[s->re_ack];
    bool bare = answer->payload == 0 && !(answer->flags & LA_FIN);
    bool first = (answer->flags & LA_FIN) && !(answer->options & LA_AFTER_UNSEEN);
    s->re_ack_is_answer = bare || first || la_is_near(c, !side);
    s->first_lost = la_read_echo(c, s->re_ack, s->copies[0], s->copies[1]) == LA_ECHO_EARLIER_LOST;
    s->echo = la_read_echo(c, s->re_ack, s->copies[0], s->copies[later]);
    s->echo_names_copy = names_earlier_copy(c, side, s, later);
}

/* Not only reordered: without timestamps the network may have done that. */
static bool is_sent_later(const struct la_connection *c, size_t first, size_t later) {
    const struct la_observation *a = &c->log[first], *b = &c->log[later];
    return !(a->options & b->options & LA_HAS_TIMESTAMPS) || seq_lt(a->tsval, b->tsval);
}

/* The peer had all that was sent before the FIN, and has said so before the repeat. */
static bool data_was_acked(const struct la_connection *c, unsigned side, uint32_t start,
                           size_t repeat) {
    for (size_t i = 0; i < repeat; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != side && la_covers(o, start))
            return true;
    }
    return false;
}

/* Data from before the FIN was sent again after it, or the peer asked for it: the FIN could not be
 * taken before that had come. */
static bool older_data_waits(const struct la_connection *c, unsigned side,
                             const struct la_fin_story *s) {
    uint32_t start = c->log[s->copies[0]].seq;
    size_t until = s->ack_count > 0 ? s->acks[0] : c->log_count;
    bool acked = data_was_acked(c, side, start, s->repeat);
    for (size_t i = s->copies[0] + 1; i < until; i++) {
        const struct la_observation *o = &c->log[i];
        bool resent = o->from == side && o->payload > 0 && seq_lt(o->seq, start) &&
                      is_sent_later(c, s->copies[0], i);
        bool asked = o->from != side && i < s->repeat && (o->flags & LA_ACK) &&
                     !(o->flags & LA_RST) && o->class == LA_CLASS_DUPLICATE_ACK && !acked &&
                     seq_lt(o->ack, start);
        if (resent || asked)
            return true;
    }
    return false;
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
    story->passive = closes_last(c, side);
    story->crosses = story->second && crosses(c, side, story);
    if (story->copy_count < 2)
        return false;
    find_repeat(c, story);
    read_re_ack(c, side, story);
    bool older = !story->echo_names_copy && older_data_waits(c, side, story);
    story->data_rides = data_waits(c, story) && !older;
    story->data_is_cause = story->data_rides || older;
    return true;
}
