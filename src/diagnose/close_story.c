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
/* More than a path jitters. */
#define PLAIN_NS (100 * LA_MSEC)

/* A socket in LAST-ACK that answered a SYN of the next incarnation had not got its final ACK. */
static const struct la_observation *find_challenge(const struct la_connection *c, unsigned side,
                                                   const struct la_fin_story *fin) {
    if (!c->next || !fin->second || !fin->passive)
        return NULL;
    int64_t began = c->next->first.time_ns;
    int64_t due = fin->ack_count > 0 ? la_arrived_ns(c, fin->acks[0]) + LA_JITTER_NS : INT64_MIN;
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
    return la_heard_until(c, c->log[ack].time_ns) - c->log[ack].time_ns > needed;
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
    /* One late ACK looks the same until the second one meets no socket and draws a RST; out of
     * CLOSING it would meet TIME-WAIT, which says nothing. */
    s->observed = fin->passive && fin->re_ack != LA_NOWHERE && goes_on_long_enough(c, fin->re_ack);
}

/* Which stacks freeze TSecr in TIME-WAIT is known of Linux only. */
static bool freezes(const struct la_connection *c, unsigned side) {
    return c->profile[side]->time_wait_freezes_ts_recent;
}

static void decide(struct close_story *s, enum close_verdict verdict, bool observed,
                   const char *why) {
    s->verdict = verdict;
    s->observed = observed;
    s->why = why;
}

/* Every copy but a later one was answered: there is an ACK that echoes the first copy and reports
 * no duplicate, beside the one that does. */
static bool first_was_answered(const struct la_connection *c, const struct la_fin_story *fin) {
    const struct la_observation *first = &c->log[fin->copies[0]], *second = &c->log[fin->copies[1]];
    for (size_t i = 0; i < fin->ack_count; i++) {
        const struct la_observation *ack = &c->log[fin->acks[i]];
        if ((ack->options & LA_HAS_TIMESTAMPS) && !(ack->options & LA_HAS_DSACK) &&
            !(ack->flags & LA_FIN) && first->tsval != second->tsval && ack->tsecr == first->tsval)
            return true;
    }
    return false;
}

/* A later copy was reported as a duplicate (D-SACK): the first had arrived. TIME-WAIT never reports
 * that, so the peer was still open. Was the first one's ACK lost, or late? */
static void judge_duplicate(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    if (first_was_answered(c, fin) || fin->pure_acks >= fin->copies_seen)
        decide(s, CLOSE_LATE_ACK, first_was_answered(c, fin),
               "each FIN was answered: the first one's ACK was only late");
    else
        decide(
            s, CLOSE_FIRST_ACK_LOST, !fin->overtaken && !fin->overtaken_fin,
            "the repeated FIN was reported as a duplicate (D-SACK): the first had arrived, its ACK "
            "had not");
}

/* The ACK after the repeat shows that an earlier copy had arrived. Was its ACK lost, or late? */
static void judge_arrived(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    unsigned peer = !s->side;
    bool answers = !(c->log[fin->re_ack].flags & LA_FIN); /* a FIN is sent by its own will */
    if (la_is_near(c, peer) || (!fin->second && answers))
        decide(s, CLOSE_LATE_ACK, fin->ack_count > 1 || la_is_near(c, peer),
               "the ACK echoes the first FIN's timestamp: it answers that one, late");
    else if (fin->second && fin->pure_acks >= fin->copies_seen)
        decide(s, CLOSE_LATE_ACK, true, "as many ACKs came as FINs were sent: none was lost");
    else if (fin->second && freezes(c, peer) && fin->re_ack_prompt)
        decide(s, CLOSE_FINAL_ACK_LOST, fin->re_ack_at_once,
               "the ACK echoes an earlier FIN's timestamp: that had arrived, its ACK had not");
    else if (fin->second && freezes(c, peer) && fin->re_ack_nearer &&
             goes_on_long_enough(c, fin->re_ack))
        /* Else the first FIN was under way for longer than the gap, and an ACK is lost all the
         * same. */
        decide(s, CLOSE_FINAL_ACK_LOST, false,
               "the ACK echoes an earlier FIN's timestamp, comes soon after the last one, and "
               "stays the only one");
    else
        decide(s, CLOSE_UNKNOWN, true, "nothing tells whether an ACK was lost or late");
}

/* The peer's FIN was acknowledged by this FIN only: without that the peer would still hold its
 * socket and repeat its own FIN. It has forgotten the connection, so it had this one. */
static bool reset_implies_ack(const struct la_connection *c, const struct close_story *s) {
    const struct la_endpoint *peer = &c->side[!s->side];
    if (!s->fin.second || s->fin.peer_reset == LA_NOWHERE)
        return false;
    for (size_t i = 0; i < s->fin.copies[0]; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == s->side && (o->flags & LA_ACK) && seq_leq(peer->fin_end, o->ack))
            return false;
    }
    return true;
}

/* The FIN came again before any ACK of it passed here. */
static void judge_uncaptured_ack(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    if (fin->re_ack == LA_NOWHERE && reset_implies_ack(c, s))
        decide(s, CLOSE_FINAL_ACK_LOST, false,
               "the peer answers with a RST and so has forgotten the connection, which it cannot "
               "without having had the first FIN");
    else if (fin->re_ack == LA_NOWHERE && fin->peer_reset != LA_NOWHERE)
        decide(s, CLOSE_UNKNOWN, true, "the peer has forgotten the connection");
    else if (fin->re_ack == LA_NOWHERE)
        decide(s, CLOSE_UNANSWERED, true, "no ACK of it was captured");
    else if (fin->overtaken && !fin->dsack && fin->copies_seen == 2)
        decide(s, CLOSE_LATE_ACK, true,
               "an earlier ACK, by its own timestamp, came behind the one that answers");
    else if (fin->overtaken && !fin->dsack)
        decide(s, CLOSE_UNKNOWN, true, "an ACK was late, and nothing tells which FIN it answers");
    else if (fin->second && (c->log[fin->re_ack].flags & LA_FIN))
        decide(s, CLOSE_FINAL_ACK_LOST, true,
               "the peer's own repeated FIN acknowledges it: an ACK had been sent before");
    else if (fin->dsack)
        judge_duplicate(c, s);
    else if (fin->re_ack_early_by_ns > PLAIN_NS)
        decide(
            s, CLOSE_LATE_ACK, true,
            "the ACK's own timestamp says that it left before the repeated FIN can have arrived");
    else if (fin->echo == LA_ECHO_EARLIER_LOST && fin->re_ack_prompt)
        decide(s, CLOSE_FIN_LOST, fin->re_ack_is_answer,
               "the ACK echoes the repeated FIN's timestamp and reports no duplicate: the first "
               "FIN had not arrived");
    else if (fin->echo == LA_ECHO_EARLIER_ARRIVED)
        judge_arrived(c, s);
    else
        decide(s, CLOSE_UNKNOWN, true, "nothing here tells whether the FIN or its ACK was lost");
}

/* After the second ACK this end says something bare although nothing else was sent to it: an answer
 * to the first ACK, which came late and with a timestamp too old (PAWS). */
static bool answers_nothing(const struct la_connection *c, const struct close_story *s) {
    if (s->fin.re_ack == LA_NOWHERE || s->fin.re_ack + 1 >= c->log_count)
        return false;
    const struct la_observation *o = &c->log[s->fin.re_ack + 1];
    return o->from == s->side && o->payload == 0 && o->flags == LA_ACK &&
           o->class == LA_CLASS_DUPLICATE_ACK;
}

static void judge_repeat(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    bool re_ack_dsack =
        fin->re_ack != LA_NOWHERE && (c->log[fin->re_ack].options & LA_HAS_DSACK) != 0;
    bool silent = fin->ack_count == 0 && fin->peer_reset == LA_NOWHERE;
    if (fin->data_rides && silent)
        decide(s, CLOSE_UNANSWERED, true, "no ACK of it, nor of the data in it, was captured");
    if (fin->data_is_cause)
        return;
    if (fin->own_reset != LA_NOWHERE)
        decide(s, CLOSE_LATE_ACK, true,
               "both ACKs arrived: the second one met no socket and drew a RST");
    else if (fin->crossed && !fin->acked_before_repeat)
        decide(s, CLOSE_LATE_ACK, false, "its ACK was under way when it was sent again");
    else if (!fin->acked_before_repeat)
        judge_uncaptured_ack(c, s);
    else if (!fin->second && answers_nothing(c, s))
        decide(
            s, CLOSE_LATE_ACK, false,
            "it acknowledged once more without being sent anything: the first ACK reached it late");
    else if (!fin->second || re_ack_dsack)
        decide(s, CLOSE_FIRST_ACK_LOST, la_is_near(c, s->side),
               "its ACK passed here, and it came again although that should have arrived");
    else
        judge_captured_ack(c, s);
}

/* What the peer's next SYN on this port says of this end's FIN. Linux lets a connection take over a
 * TIME-WAIT (or, with bind(), an orphan FIN-WAIT-2) with the old SND.NXT + 65537 as ISN; its SYN
 * carries, unlike any other, a TSecr: the last TSval that the old socket had accepted. */
enum reuse { REUSE_NONE, REUSE_LIKELY_HAD_FIN, REUSE_HAD_FIN, REUSE_LACKED_FIN };

static const struct la_observation *syn_of(const struct la_connection *c, unsigned side) {
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side && (c->log[i].flags & (LA_SYN | LA_ACK)) == LA_SYN)
            return &c->log[i];
    return NULL;
}

static enum reuse read_reuse(const struct la_connection *c, const struct close_story *s) {
    const struct la_endpoint *peer = &c->side[!s->side];
    const struct la_observation *fin = &c->log[s->fin.copies[0]];
    if (!c->next || !peer->fin_seen)
        return REUSE_NONE;
    unsigned side = la_side_in(c->next, c, !s->side);
    const struct la_observation *syn = syn_of(c->next, side);
    if (!syn || c->next->side[side].isn - peer->next != LA_TIME_WAIT_ISN_STEP)
        return REUSE_NONE;
    if (!(syn->options & fin->options & LA_HAS_TIMESTAMPS) || syn->tsecr == 0)
        return REUSE_LIKELY_HAD_FIN;
    return seq_lt(syn->tsecr, fin->tsval) ? REUSE_LACKED_FIN : REUSE_HAD_FIN;
}

/* The next connection on this port met the old socket: its SYN was challenged, or the old FIN met
 * it. */
static void judge_next(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    if (!c->next || c->next->first.time_ns <= c->log[fin->copies[0]].time_ns)
        return; /* it had not closed yet */
    s->challenge = find_challenge(c, s->side, fin);
    enum reuse reuse = read_reuse(c, s);
    bool reused = reuse == REUSE_HAD_FIN || reuse == REUSE_LIKELY_HAD_FIN;
    bool met_reset =
        fin->peer_reset != LA_NOWHERE &&
        (c->next->first.time_ns <= c->log[fin->peer_reset].time_ns ||
         (reused && c->next->first.time_ns - c->log[fin->peer_reset].time_ns < LA_SEC));
    s->port_recycled = s->challenge != NULL || met_reset;
    if (reuse == REUSE_LACKED_FIN)
        return;
    bool unanswered = s->verdict == CLOSE_UNANSWERED && !reused;
    if (!s->port_recycled || s->verdict == CLOSE_FINAL_ACK_LOST || unanswered)
        return;
    if (s->challenge && s->verdict == CLOSE_NOTHING && fin->ack_count > 0)
        decide(s, CLOSE_FINAL_ACK_LOST, true,
               "it still held LAST-ACK when the next SYN came, long after the ACK should have "
               "arrived");
    else if (fin->second && s->challenge && !reused && s->verdict != CLOSE_FIN_LOST)
        decide(s, CLOSE_FINAL_ACK_LOST, false,
               "the peer used its port again, which it does not before it has had the FIN");
    else if (fin->second && reused)
        decide(s, CLOSE_FINAL_ACK_LOST, reuse == REUSE_HAD_FIN,
               "the peer's next connection came out of TIME-WAIT (its ISN is the old SND.NXT + "
               "65537): it had the FIN, and its ACK did not arrive");
}

void close_story_read(const struct la_connection *c, unsigned side, struct close_story *story) {
    story->verdict = CLOSE_NOTHING;
    if (c->side[side].fin < 2 && !c->next)
        return; /* sent once, and nobody came after */
    *story = (struct close_story){.verdict = CLOSE_NOTHING, .side = side};
    bool repeated = la_fin_story(c, side, &story->fin);
    if (story->fin.copy_count == 0)
        return;
    if (repeated)
        judge_repeat(c, story);
    judge_next(c, story);
    if (story->verdict != CLOSE_NOTHING && !is_whole(c))
        story->observed = false;
}
