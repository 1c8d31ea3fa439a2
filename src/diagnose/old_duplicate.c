/* old-duplicate: a segment that was long under way reached TIME-WAIT, or a later life of its
 * 4-tuple: what TIME-WAIT and timestamps are there for (RFC 9293, 3.4.1; RFC 7323, 5). */
#include "diagnose/build.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/old_copy.h"

static const char *const targets[] = {"time-wait", "listener", "later-incarnation", NULL};
/* Longer than reordering lasts. */
#define DENIED_FOR_NS (200 * LA_MSEC)
enum target { TIME_WAIT, LISTENER, LATER_LIFE };
static const char *const reactions[] = {"ack", "rst", "syn-ack", NULL};

static const struct la_detail_spec details[] = {
    {"reached", LA_DETAIL_WORD, false, targets, "what it reached"},
    {"accepted", LA_DETAIL_BOOL, false, NULL, "whether it lay in the window of what it reached"},
    {"age", LA_DETAIL_SECONDS, true, NULL, "how much longer than others it was under way"},
    {"reaction", LA_DETAIL_WORD, true, reactions, "how its receiver answered"},
    {"bytes", LA_DETAIL_INTEGER, true, NULL, "of data in it"},
    {0},
};

struct duplicate {
    const struct la_connection *life; /* whose segment it is */
    size_t index;                     /* in that life's log */
    size_t answer;                    /* in that life's log; LA_NOWHERE */
    unsigned receiver;                /* a side of that life */
    enum target target;
    bool unseen; /* it did not pass here, or cannot be told from others: `answer` shows it */
    bool sure, accepted;
    int64_t age_ns;
    uint32_t bytes;
};

static enum la_state state_at(const struct la_endpoint *end, int64_t ns) {
    enum la_state state = LA_ST_CLOSED;
    for (size_t i = 0; i < end->change_count && end->changes[i].time_ns <= ns; i++)
        state = (enum la_state)end->changes[i].state;
    return state;
}

/* The next thing that its receiver says in the same life, as soon as an answer takes. */
static size_t find_answer(const struct la_connection *c, size_t index) {
    const struct la_observation *o = &c->log[index];
    int64_t turnaround = c->vantage.turnaround_ns[!o->from];
    int64_t most = (turnaround > 0 ? 2 * turnaround : 0) + 50 * LA_MSEC;
    for (size_t i = index + 1; i < c->log_count; i++)
        if (c->log[i].from != o->from && c->log[i].time_ns - o->time_ns <= most)
            return i;
    return LA_NOWHERE;
}

/* The segment at `index` drew a RST: its receiver knows nothing of the connection any more. */
static bool drew_reset(const struct la_connection *c, size_t index) {
    for (size_t r = 0; r < c->reset_count; r++)
        if (c->resets[r].drawer == index)
            return true;
    return false;
}

/* In sequence for the life that it reached, and not kept out by its timestamp. */
static bool fits(const struct la_connection *now, unsigned sender, const struct la_observation *o) {
    const struct la_endpoint *from = &now->side[sender], *to = &now->side[!sender];
    bool stale =
        (o->options & LA_HAS_TIMESTAMPS) && from->timestamps_used && seq_lt(o->tsval, from->tsval);
    return !stale && from->isn_known && to->acked_known && o->payload > 0 &&
           seq_lt(from->isn, o->seq) && seq_lt(o->seq, to->acked + to->window);
}

static bool read_at(const struct la_connection *life, size_t i, struct duplicate *d) {
    *d = (struct duplicate){
        .life = life, .index = i, .receiver = !life->log[i].from, .bytes = life->log[i].payload};
    enum la_old_copy copy = la_read_old_copy(life, i, &d->age_ns);
    d->sure = copy == LA_SURELY_OLD;
    d->answer = find_answer(life, i);
    /* Without a timestamp it may be a repeat whose ACKs were lost, unless its sender has forgotten
     * the connection when it gets the answer. */
    return d->sure ||
           (copy == LA_LIKELY_OLD && d->answer != LA_NOWHERE && drew_reset(life, d->answer));
}

/* An ACK out of TIME-WAIT, to nothing that passed here, which finds the peer closed. */
static bool shows_unseen(const struct la_connection *c, size_t i) {
    bool ghost = c->next && la_answers_old_syn(c->next, c);
    return drew_reset(c, i) && !ghost && is_whole(c) && la_answers_unseen(c, i) &&
           state_at(&c->side[c->log[i].from], la_sent_ns(c, i)) == LA_ST_TIME_WAIT;
}

/* Into its own life's TIME-WAIT, or a SYN to the listener again. */
static bool find_in_own(const struct la_connection *c, struct duplicate *d) {
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        const struct la_endpoint *to = &c->side[!o->from];
        if (!to->fin_seen)
            continue;
        if (read_at(c, i, d) &&
            ((o->flags & LA_SYN) || state_at(to, la_arrived_ns(c, i)) == LA_ST_TIME_WAIT)) {
            d->target = o->flags & LA_SYN ? LISTENER : TIME_WAIT;
            return true;
        }
        if (shows_unseen(c, i)) {
            *d = (struct duplicate){
                .life = c, .index = i, .answer = i, .receiver = c->log[i].from, .unseen = true};
            return true;
        }
    }
    return false;
}

/* Out of the life before into this one. */
static bool find_from_previous(const struct la_connection *c, struct duplicate *d) {
    const struct la_connection *old = c->previous;
    for (size_t i = 0; old && i < old->log_count; i++) {
        const struct la_observation *o = &old->log[i];
        unsigned sender = la_side_in(c, old, o->from);
        /* While the new life is not open yet, what speaks for the old one is the old socket. */
        bool open = c->side[0].isn_known && c->side[1].isn_known;
        if (o->time_ns <= c->first.time_ns || !open || !read_at(old, i, d) || (o->flags & LA_SYN))
            continue;
        d->target = LATER_LIFE;
        d->accepted = fits(c, sender, o);
        return true;
    }
    return false;
}

/* The last thing that the other side said before `i`; LA_NOWHERE. */
static size_t find_said_before(const struct la_connection *c, size_t i) {
    for (size_t j = i; j > 0; j--)
        if (c->log[j - 1].from != c->log[i].from)
            return j - 1;
    return LA_NOWHERE;
}

/* A bare ACK whose number lies before what its peer has just acknowledged. `*taken`: that one. */
static bool denies(const struct la_connection *c, size_t i, size_t *taken) {
    const struct la_observation *o = &c->log[i];
    if (o->class != LA_CLASS_DUPLICATE_ACK || o->flags != LA_ACK || o->payload > 0 ||
        (o->options & LA_HAS_TIMESTAMPS))
        return false;
    *taken = find_said_before(c, i);
    return *taken != LA_NOWHERE && seq_lt(o->seq + 1, c->log[*taken].ack);
}

/* A host acknowledged what its peer never sent in this life, as the peer says again and again: a
 * segment with fitting numbers was taken for its own. Which one it was does not show. */
static bool find_taken(const struct la_connection *c, struct duplicate *d) {
    size_t first = LA_NOWHERE, taken = LA_NOWHERE, at;
    for (size_t i = 0; c->previous && i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (!denies(c, i, &at))
            continue;
        if (first == LA_NOWHERE || c->log[first].from != o->from || c->log[first].seq != o->seq) {
            first = i;
            taken = at;
        } else if (o->time_ns - c->log[first].time_ns > la_round_trip_ns(c) + DENIED_FOR_NS) {
            *d = (struct duplicate){.life = c,
                                    .index = first,
                                    .answer = taken,
                                    .receiver = !o->from,
                                    .target = LATER_LIFE,
                                    .unseen = true,
                                    .accepted = true,
                                    .bytes = c->log[taken].ack - o->seq};
            return true;
        }
    }
    return false;
}

static void show(struct la_finding *f, const struct duplicate *d) {
    if (!d->unseen)
        finding_show(f, d->life, d->index, "old duplicate");
    if (d->answer != LA_NOWHERE)
        finding_show(f, d->life, d->answer, "answer");
    if (d->unseen && d->accepted)
        finding_show(f, d->life, d->index, "its peer has not sent so much");
}

static void summarize(struct la_finding *f, const struct duplicate *d, const char *who) {
    static const char *const reached[] = {"the TIME_WAIT", "the listener", "a later connection"};
    if (d->unseen && d->accepted)
        f->summary =
            finding_text(f, "%s acknowledged %u bytes that its peer never sent in this connection",
                         who, d->bytes);
    else if (d->unseen)
        f->summary = finding_text(
            f,
            "something old reached the TIME_WAIT of %s: it answered, and nothing had passed here",
            who);
    else
        f->summary = finding_text(f, "a segment that had been under way for %s reached %s of %s%s",
                                  seconds_text(f, d->age_ns), reached[d->target], who,
                                  d->accepted ? ", in whose window it lies" : "");
}

static const char *reaction_to(const struct la_connection *c, const struct duplicate *d) {
    if (d->target == LISTENER)
        return c->next && la_answers_old_syn(c->next, c) ? reactions[2] : NULL;
    if (d->answer == LA_NOWHERE)
        return NULL;
    return reactions[(d->life->log[d->answer].flags & LA_RST) != 0];
}

static void add_details(struct la_finding *f, const struct la_connection *c,
                        const struct duplicate *d) {
    const char *reaction = reaction_to(c, d);
    detail_word(f, "reached", targets[d->target]);
    detail_bool(f, "accepted", d->accepted);
    if (d->unseen)
        detail_null(f, "age");
    else
        detail_seconds(f, "age", d->age_ns);
    if (reaction)
        detail_word(f, "reaction", reaction);
    else
        detail_null(f, "reaction");
    if (d->unseen && !d->accepted)
        detail_null(f, "bytes");
    else
        detail_integer(f, "bytes", d->bytes);
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct duplicate d;
    if (c->reset_count == 0 && !c->previous && !c->next)
        return false; /* whatever it met, nobody was disturbed */
    if (!find_taken(c, &d) && !find_from_previous(c, &d) && !find_in_own(c, &d))
        return false;
    unsigned receiver = la_side_in(c, d.life, d.receiver);
    finding_start(f, LA_KIND_OLD_DUPLICATE, c, receiver);
    f->time_ns = d.life->log[d.unseen ? d.answer : d.index].time_ns;
    f->severity = d.accepted ? LA_CRITICAL : LA_INFO;
    f->confidence = d.sure && is_whole(d.life) ? LA_OBSERVED : LA_INFERRED;
    summarize(f, &d, endpoint_text(f, &c->side[receiver]));
    finding_blame(f, LA_ROLE_NETWORK, NULL,
                  "it held a copy of the segment back, or delivered it twice");
    show(f, &d);
    finding_assume_usual(f, c, receiver);
    if (d.unseen && d.accepted) {
        finding_assume(f, "nobody forged the segment");
        finding_exclude(f, "a hole of the capture",
                        "its peer itself says twice that it has not sent so much");
    }
    if (!d.unseen)
        finding_exclude(
            f, "retransmission",
            d.sure ? "its timestamp is that of a time long past"
                   : "everything it carries, and the FIN behind it, had been acknowledged");
    add_details(f, c, &d);
    return true;
}

const struct la_diagnosis diagnosis_old_duplicate = {
    .kind = LA_KIND_OLD_DUPLICATE,
    .name = "old-duplicate",
    .summary =
        "a segment of this or an earlier incarnation reached TIME_WAIT or a later incarnation",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
