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
/* An ACK may be held back so long (Linux). */
#define LONGEST_DELAYED_ACK_NS (200 * LA_MSEC)
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

static void decide(struct close_story *s, enum close_verdict verdict, bool observed,
                   const char *why) {
    s->verdict = verdict;
    s->observed = observed;
    s->why = why;
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
     * CLOSING it would meet TIME-WAIT, which says nothing. Before a probe it may be as late as any
     * path jitters. */
    s->observed = overdue > PLAIN_NS && fin->passive && fin->re_ack != LA_NOWHERE &&
                  goes_on_long_enough(c, fin->re_ack);
}

/* Which stacks freeze TSecr in TIME-WAIT is known of Linux only. */
static bool freezes(const struct la_connection *c, unsigned side) {
    return c->profile[side]->time_wait_freezes_ts_recent;
}

/* Every copy but a later one was answered: there is an ACK that echoes the first copy and reports
 * no duplicate, beside the one that does. */
static bool first_was_answered(const struct la_connection *c, const struct la_fin_story *fin) {
    const struct la_observation *first = &c->log[fin->copies[0]], *second = &c->log[fin->copies[1]];
    for (size_t i = 0; i < fin->ack_count; i++) {
        const struct la_observation *ack = &c->log[fin->acks[i]];
        bool bare =
            ack->payload == 0 && !(ack->flags & LA_FIN); /* the rest is sent by its own will */
        if ((ack->options & LA_HAS_TIMESTAMPS) && !(ack->options & LA_HAS_DSACK) && bare &&
            first->tsval != second->tsval && ack->tsecr == first->tsval)
            return true;
    }
    return false;
}

/* What the peer sent after the repeated FIN had arrived, and no later than what reports a
 * duplicate, does not report one: what came twice came later. */
static bool duplicate_came_later(const struct la_connection *c, const struct la_fin_story *fin) {
    const struct la_observation *second = &c->log[fin->copies[1]];
    const struct la_observation *report = NULL, *fresh = NULL;
    for (size_t i = 0; i < fin->ack_count; i++) {
        const struct la_observation *ack = &c->log[fin->acks[i]];
        bool stamped = ack->options & second->options & LA_HAS_TIMESTAMPS;
        if (ack->options & LA_HAS_DSACK)
            report = report ? report : ack;
        else if (stamped && seq_leq(second->tsval, ack->tsecr) &&
                 (!fresh || seq_lt(ack->tsval, fresh->tsval)))
            fresh = ack;
    }
    return report && fresh && seq_leq(fresh->tsval, report->tsval);
}

/* The peer's own FIN, sent by its own will, so soon that the ACK of this one may have been held
 * back for it. */
static bool is_soon(const struct la_connection *c, const struct la_fin_story *fin, size_t ack) {
    int64_t excess = 0;
    la_excess_transit(c, ack, &excess);
    int64_t left = la_sent_ns(c, ack) - excess;
    return (c->log[ack].flags & LA_FIN) &&
           left - la_arrived_ns(c, fin->copies[0]) < LONGEST_DELAYED_ACK_NS;
}

/* What acknowledged the first FIN may have been the peer's own. Without timestamps whatever came
 * later may have left first. */
static bool fin_may_be_the_ack(const struct la_connection *c, const struct la_fin_story *fin) {
    int64_t excess = 0;
    if (!la_excess_transit(c, fin->re_ack, &excess))
        return fin->ack_count > 1;
    return is_soon(c, fin, fin->re_ack) || is_soon(c, fin, fin->acks[0]);
}

/* So soon that the ACK of the first may have been held back: by a tail loss probe, not the timer.
 */
static bool repeats_early(const struct la_connection *c, const struct close_story *s) {
    const size_t *copies = s->fin.copies;
    return c->log[copies[1]].time_ns - c->log[copies[0]].time_ns < LONGEST_DELAYED_ACK_NS / 10 * 9;
}

/* A later copy was reported as a duplicate (D-SACK): the first had arrived. TIME-WAIT never reports
 * that: the peer was still open, or the FINs had crossed. Was the first one's ACK lost, or late? */
static void judge_duplicate(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    bool answered = first_was_answered(c, fin);
    if (answered || fin->pure_acks >= fin->copies_seen)
        decide(s, CLOSE_LATE_ACK, answered,
               "each FIN was answered: the first one's ACK was only late");
    else if (duplicate_came_later(c, fin))
        decide(s, CLOSE_FIN_LOST, false,
               "the first answer to the repeated FIN does not call it a duplicate");
    else if (repeats_early(c, s))
        decide(s, CLOSE_UNKNOWN, true,
               "it was sent again before a delayed ACK of the first was due: that may have been "
               "lost, or not yet sent");
    else if (fin->crosses)
        decide(s, CLOSE_FINAL_ACK_LOST, !fin_may_be_the_ack(c, fin),
               "the repeated FIN was reported as a duplicate (D-SACK) after both ends had closed: "
               "the first had arrived, its ACK had not");
    else
        decide(
            s, CLOSE_FIRST_ACK_LOST, !fin->second && !fin_may_be_the_ack(c, fin),
            "the repeated FIN was reported as a duplicate (D-SACK): the first had arrived, its ACK "
            "had not");
}

/* A tail loss probe comes so soon that a path which jitters may have brought the first FIN as late,
 * and what came next answers that. */
static bool is_probe_gap(const struct la_connection *c, const struct close_story *s) {
    return s->fin.last_gap_ns < c->profile[s->side]->rto_min_ns / 10 * 9;
}

/* The ACK after the repeat shows that an earlier copy had arrived. Was its ACK lost, or late? */
static void judge_arrived(const struct la_connection *c, struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    unsigned peer = !s->side;
    bool answers = !(c->log[fin->re_ack].flags & LA_FIN); /* a FIN is sent by its own will */
    bool repaired = fin->second && freezes(c, peer) && fin->re_ack_prompt;
    bool near = la_is_near(c, peer);
    if ((near && !repaired) || (!fin->second && answers))
        decide(s, CLOSE_LATE_ACK, fin->ack_count > 1 || near,
               "the ACK echoes the first FIN's timestamp: it answers that one, late");
    else if (fin->second && fin->pure_acks >= fin->copies_seen)
        decide(s, CLOSE_LATE_ACK, true, "as many ACKs came as FINs were sent: none was lost");
    else if (repaired)
        /* Next to the peer its first answer would have passed here, unless the capture missed it.
         */
        decide(s, CLOSE_FINAL_ACK_LOST, fin->re_ack_at_once && !near && !is_probe_gap(c, s),
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

/* Nothing says that the peer had all that was sent before the FIN. Then it may have refused to take
 * that (it had closed for reading), or not have taken the FIN. */
static bool lacks_data(const struct la_connection *c, const struct close_story *s) {
    const struct la_endpoint *peer = &c->side[!s->side];
    return !peer->acked_known || seq_lt(peer->acked, c->log[s->fin.copies[0]].seq) ||
           c->log[s->fin.copies[0]].payload > 0;
}

/* The peer's FIN was acknowledged by this FIN only: without that the peer still holds its socket
 * and repeats its own FIN. */
static bool only_fin_acks(const struct la_connection *c, const struct close_story *s,
                          size_t until) {
    const struct la_endpoint *peer = &c->side[!s->side];
    for (size_t i = 0; i < until; i++) {
        const struct la_observation *o = &c->log[i];
        bool bare = o->from == s->side && !(o->flags & (LA_FIN | LA_RST));
        if (bare && (o->flags & LA_ACK) && seq_leq(peer->fin_end, o->ack))
            return false;
    }
    return s->fin.second && s->fin.passive;
}

/* The peer has forgotten the connection: so it had this FIN. */
static bool reset_implies_ack(const struct la_connection *c, const struct close_story *s) {
    return s->fin.peer_reset != LA_NOWHERE && !lacks_data(c, s) &&
           only_fin_acks(c, s, s->fin.peer_reset);
}

/* What acknowledges it after the repeat was sent without a socket: TIME-WAIT, which began with an
 * earlier copy. */
static bool time_wait_answers(const struct la_connection *c, const struct close_story *s) {
    if (s->fin.re_ack == LA_NOWHERE)
        return false;
    unsigned options = c->log[s->fin.re_ack].options;
    return (options & LA_FROM_NO_SOCKET) && !(options & LA_HAS_TIMESTAMPS) &&
           only_fin_acks(c, s, s->fin.re_ack);
}

/* An earlier copy had brought the peer to TIME-WAIT. Was the ACK of that lost, or late? */
static void judge_time_wait(struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    if (fin->pure_acks >= fin->copies_seen)
        decide(s, CLOSE_LATE_ACK, false, "as many ACKs came as FINs were sent");
    else
        decide(s, CLOSE_FINAL_ACK_LOST, false,
               "the ACK bears no IP ID: it comes from TIME-WAIT, which an earlier FIN had brought "
               "about, and whose ACK had not arrived");
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
    else if (fin->second && (c->log[fin->re_ack].flags & LA_FIN))
        decide(s, CLOSE_FINAL_ACK_LOST, true,
               "the peer's own repeated FIN acknowledges it: an ACK had been sent before");
    else if (fin->dsack)
        judge_duplicate(c, s);
    else if (fin->re_ack_early_by_ns > PLAIN_NS && fin->first_lost)
        decide(s, CLOSE_FIN_LOST, false,
               "the ACK echoes a repeated FIN's timestamp: the first FIN had not arrived");
    else if (fin->re_ack_before || fin->re_ack_early_by_ns > PLAIN_NS)
        decide(
            s, CLOSE_LATE_ACK, fin->re_ack_before,
            "the ACK's own timestamp says that it left before the repeated FIN can have arrived");
    else if (fin->echo == LA_ECHO_EARLIER_LOST && fin->pure_acks >= fin->copies_seen)
        decide(s, CLOSE_UNKNOWN, true,
               "as many ACKs came as FINs were sent, and all of them left after the repeated one "
               "had arrived: the first may have come behind it");
    else if (fin->echo == LA_ECHO_EARLIER_LOST && fin->re_ack_prompt)
        decide(s, CLOSE_FIN_LOST, fin->re_ack_is_answer,
               "the ACK echoes the repeated FIN's timestamp and reports no duplicate: the first "
               "FIN had not arrived");
    else if (fin->echo == LA_ECHO_EARLIER_ARRIVED)
        judge_arrived(c, s);
    else if (time_wait_answers(c, s))
        judge_time_wait(s);
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

static bool may_jitter(const struct la_connection *c, const struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    size_t last = fin->copies[fin->copy_count - 1];
    return !la_is_near(c, s->side) &&
           la_sent_ns(c, last) - la_arrived_ns(c, fin->acks[0]) <= PLAIN_NS;
}

/* What crossed the repeat was the peer's own FIN, too long after the first FIN to be the first that
 * it says of that, and the repeat was reported as a duplicate. */
static bool reports_late_fin(const struct la_connection *c, const struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    return fin->re_ack != LA_NOWHERE && fin->dsack && (c->log[fin->acks[0]].flags & LA_FIN) &&
           !is_soon(c, fin, fin->acks[0]);
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
    else if (fin->crossed && !fin->acked_before_repeat && !reports_late_fin(c, s))
        decide(s, CLOSE_LATE_ACK, false, "its ACK was under way when it was sent again");
    else if (!fin->acked_before_repeat)
        judge_uncaptured_ack(c, s);
    else if (!fin->second && answers_nothing(c, s))
        decide(
            s, CLOSE_LATE_ACK, false,
            "it acknowledged once more without being sent anything: the first ACK reached it late");
    else if ((!fin->second || (re_ack_dsack && fin->passive)) && may_jitter(c, s))
        decide(s, CLOSE_UNKNOWN, true,
               "it came again so soon after its ACK was due that this may have been late");
    else if (!fin->second || (re_ack_dsack && fin->passive))
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
    if (seq_lt(syn->tsecr, fin->tsval))
        return REUSE_LACKED_FIN;
    for (size_t i = 0; i < s->fin.copies[0]; i++)
        if (c->log[i].from == s->side && c->log[i].tsval == syn->tsecr)
            return REUSE_LIKELY_HAD_FIN; /* what it sent at the same moment says it as well */
    return REUSE_HAD_FIN;
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
    else if (fin->second && s->challenge && !reused && s->verdict != CLOSE_FIN_LOST &&
             !lacks_data(c, s))
        decide(s, CLOSE_FINAL_ACK_LOST, false,
               "the peer used its port again, which it does not before it has had the FIN");
    else if (fin->second && (reuse == REUSE_HAD_FIN || (reused && !lacks_data(c, s))))
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
