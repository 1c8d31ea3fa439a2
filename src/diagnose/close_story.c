#include "diagnose/close_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

/* Longer than this no ACK is under way: a FIN repeated so long after it was acknowledged has lost
 * it. */
#define TOO_LATE_NS (1 * LA_SEC)
/* After a re-ACK the peer's RST, which would say that the first was only late, needs a round trip
 * and this. */
#define RST_WAIT_NS (200 * LA_MSEC)

/* A socket in LAST-ACK that answered a SYN of the next incarnation had not got its final ACK. */
static const struct la_observation *find_challenge(const struct la_connection *c, unsigned side,
                                                   const struct la_fin_story *fin) {
    if (!c->next || !fin->second)
        return NULL;
    int64_t began = c->next->first.time_ns;
    int64_t due = fin->ack_count > 0 ? la_arrived_ns(c, fin->acks[0]) + 2 * LA_MSEC : INT64_MIN;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == side && o->time_ns >= began && !(o->flags & (LA_RST | LA_SYN)) &&
            o->seq == c->side[side].fin_end && la_sent_ns(c, i) > due)
            return o;
    }
    return NULL;
}

static bool goes_on_long_enough(const struct la_connection *c, size_t ack) {
    int64_t needed = la_round_trip_ns(c) + RST_WAIT_NS;
    return c->capture_end_ns - c->log[ack].time_ns > needed;
}

/* The final ACK passed here, and the FIN came again although it should have arrived. */
static void judge_captured_ack(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    size_t last = fin->copies[fin->copy_count - 1];
    int64_t overdue = la_sent_ns(c, last) - la_arrived_ns(c, fin->acks[0]);
    s->verdict = CLOSE_FINAL_ACK_LOST;
    s->why = "the FIN came again after its ACK should have arrived";
    if (la_is_near(c, s->side) || overdue > TOO_LATE_NS) {
        s->observed = true;
        return;
    }
    /* One late ACK looks the same until its sender's peer answers the second one with a RST. */
    s->observed = fin->re_ack != LA_NOWHERE && goes_on_long_enough(c, fin->re_ack);
}

/* The FIN came again before any ACK of it passed here. */
static void judge_uncaptured_ack(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    bool dsack = fin->re_ack != LA_NOWHERE && (c->log[fin->re_ack].options & LA_HAS_DSACK);
    s->observed = true;
    if (fin->re_ack == LA_NOWHERE) {
        s->verdict = fin->peer_reset != LA_NOWHERE ? CLOSE_UNKNOWN : CLOSE_UNANSWERED;
        s->why = "no ACK of it was captured";
        return;
    }
    if (fin->crossed) {
        s->verdict = CLOSE_LATE_ACK;
        s->why = "its ACK was under way when it was sent again";
        return;
    }
    switch (fin->echo) {
    case LA_ECHO_EARLIER_LOST:
        s->verdict = CLOSE_FIN_LOST;
        s->why = "the ACK echoes the repeated FIN's timestamp and reports no duplicate: the first "
                 "FIN had "
                 "not arrived";
        return;
    case LA_ECHO_EARLIER_ARRIVED:
        /* TIME-WAIT never reports a duplicate: a D-SACK comes from a socket that is still open. */
        s->verdict = fin->second && !dsack ? CLOSE_FINAL_ACK_LOST : CLOSE_FIRST_ACK_LOST;
        s->why = dsack
                     ? "the ACK reports the repeated FIN as a duplicate (D-SACK): the first had "
                       "arrived, "
                       "its ACK had not"
                     : "the ACK echoes the first FIN's timestamp: it had arrived, its ACK had not";
        return;
    default:
        s->verdict = CLOSE_UNKNOWN;
        s->why = "without timestamps nothing tells whether the FIN or its ACK was lost";
    }
}

static void judge_repeat(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    bool re_ack_dsack = fin->re_ack != LA_NOWHERE && (c->log[fin->re_ack].options & LA_HAS_DSACK);
    if (fin->data_is_cause)
        return;
    if (!fin->acked_before_repeat && !fin->crossed) {
        judge_uncaptured_ack(c, s);
        return;
    }
    if (fin->crossed && !fin->acked_before_repeat) {
        s->verdict = CLOSE_LATE_ACK;
        s->observed = fin->ack_count > 1 || fin->own_reset != LA_NOWHERE;
        s->why = "its ACK was under way when it was sent again";
        return;
    }
    if (fin->own_reset != LA_NOWHERE) {
        s->verdict = CLOSE_LATE_ACK;
        s->observed = true;
        s->why = "both ACKs arrived: the second one met no socket and drew a RST";
        return;
    }
    if (!fin->second || re_ack_dsack) {
        s->verdict = CLOSE_FIRST_ACK_LOST;
        s->observed = true;
        s->why = "its ACK passed here, and it came again although that should have arrived";
        return;
    }
    judge_captured_ack(c, s);
}

void close_story_read(const struct la_connection *c, unsigned side, struct close_story *story) {
    *story = (struct close_story){.verdict = CLOSE_NOTHING, .side = side};
    bool repeated = la_fin_story(c, side, &story->fin);
    if (story->fin.copy_count == 0)
        return;
    if (repeated)
        judge_repeat(c, story);
    story->challenge = find_challenge(c, side, &story->fin);
    story->challenged = story->challenge != NULL;
    if (story->challenged && story->verdict == CLOSE_NOTHING && story->fin.ack_count > 0) {
        story->verdict = CLOSE_FINAL_ACK_LOST;
        story->observed = true;
        story->why =
            "it still held LAST-ACK when the next SYN came, long after the ACK should have arrived";
    }
    if (story->verdict != CLOSE_NOTHING && !is_whole(c))
        story->observed = false;
}
