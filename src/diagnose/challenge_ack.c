/* challenge-ack: a SYN or RST that does not fit met a live connection and was answered with an ACK
 * of what is expected (RFC 5961, 3 and 4), and the connection lived on. */
#include "diagnose/reset_story.h"
#include "diagnose/syn_story.h"

#include "base/time.h"
#include "decode/segment.h"

static const char *const triggers[] = {"syn", "rst", NULL};
enum trigger { BY_SYN, BY_RST };

static const struct la_detail_spec details[] = {
    {"trigger", LA_DETAIL_WORD, false, triggers, "what was challenged"},
    {"count", LA_DETAIL_INTEGER, false, NULL, "challenges in this connection"},
    {0},
};

/* As many are looked for, and for each so many segments are looked at for a sign of life. */
enum { MOST = 8, LOOK_AHEAD = 16 };

struct challenge {
    enum trigger trigger;
    unsigned side;                    /* who challenged */
    const struct la_observation *met; /* the SYN or RST, the first */
    size_t answers[MOST];
    size_t count;
};

/* The bare ACK with which `side` answers at once what passed here at that time; LA_NOWHERE. */
static size_t find_answer(const struct la_connection *c, unsigned side, int64_t passed_ns) {
    int64_t turnaround = c->vantage.turnaround_ns[side];
    int64_t soonest = (turnaround > 0 ? turnaround / 10 * 9 : 0) - LA_JITTER_NS;
    int64_t latest = (turnaround > 0 ? 2 * turnaround : 0) + 10 * LA_MSEC;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        bool again = o->class == LA_CLASS_DUPLICATE_ACK || o->class == LA_CLASS_ACK_OF_FIN_AGAIN;
        int64_t after = o->time_ns - passed_ns;
        if (o->from == side && again && after >= soonest && after >= 0 && after <= latest)
            return i;
    }
    return LA_NOWHERE;
}

/* In whose name it came goes on after the challenge, with more than the answer itself: it knows
 * nothing of what was challenged. */
static bool lives_on(const struct la_connection *c, unsigned alleged, size_t challenge) {
    for (size_t i = challenge + 1; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        bool says =
            o->from == alleged && !(o->flags & LA_RST) && (o->payload > 0 || (o->flags & LA_FIN));
        if (says && la_sent_after(c, i, challenge))
            return true;
    }
    int64_t last = c->side[alleged].last_data_ns;
    return last != LA_TIME_NONE && last - c->log[challenge].time_ns > LA_SEC;
}

static void add(struct challenge *ch, const struct la_observation *met, size_t answer) {
    if (ch->count == 0)
        ch->met = met;
    if (ch->count < MOST)
        ch->answers[ch->count] = answer;
    ch->count++;
}

/* RSTs in the window whose number is not the one that is due (RFC 5961, 3.2). */
static bool read_resets(const struct la_connection *c, struct challenge *ch) {
    ch->trigger = BY_RST;
    for (size_t i = 0; i < c->reset_count && i < 4 * MOST; i++) {
        const struct la_observation *rst = &c->log[c->resets[i].index];
        if (!rst->in_window || rst->exact)
            continue;
        size_t answer = find_answer(c, !rst->from, rst->time_ns);
        if (answer == LA_NOWHERE || !lives_on(c, rst->from, answer))
            continue;
        ch->side = !rst->from;
        add(ch, rst, answer);
    }
    return ch->count > 0;
}

/* A SYN that nobody stands behind (RFC 5961, 4.2): whoever holds this connection with the
 * challenger knows the ACK, and says nothing. */
static bool read_syn(const struct la_connection *c, struct challenge *ch) {
    const struct la_connection *next = c->next;
    if (!next || next->opening != LA_OPENING_UNANSWERED)
        return false;
    struct syn_story s;
    syn_story_read(next, &s);
    if (s.verdict != SYN_NOTHING)
        return false;
    ch->trigger = BY_SYN;
    for (size_t i = 0; i < next->log_count; i++) {
        const struct la_observation *syn = &next->log[i];
        unsigned side = !la_side_in(c, next, syn->from);
        if ((syn->flags & (LA_SYN | LA_ACK)) != LA_SYN)
            continue;
        size_t answer = find_answer(c, side, syn->time_ns);
        if (answer == LA_NOWHERE || !lives_on(c, !side, answer))
            continue;
        ch->side = side;
        add(ch, syn, answer);
    }
    return ch->count > 0;
}

static bool ends_by_its_own(const struct la_connection *c) {
    struct reset_story s;
    reset_story_read(c, &s);
    return s.verdict != RESET_NOTHING && s.verdict != RESET_INJECTED;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct challenge ch = {0};
    if ((c->reset_count == 0 || ends_by_its_own(c) || !read_resets(c, &ch)) && !read_syn(c, &ch))
        return false;
    finding_start(f, LA_KIND_CHALLENGE_ACK, c, ch.side);
    f->time_ns = ch.met->time_ns;
    f->severity = LA_INFO;
    f->confidence = is_whole(c) ? LA_OBSERVED : LA_INFERRED;
    const char *who = endpoint_text(f, &c->side[ch.side]);
    f->summary =
        finding_text(f, "%s answered a %s that does not fit with an ACK; the connection lives on",
                     who, ch.trigger == BY_SYN ? "SYN" : "RST");
    finding_blame(f, LA_ROLE_UNKNOWN, NULL,
                  ch.trigger == BY_SYN
                      ? "a SYN in the peer's name, of which the peer itself knows nothing"
                      : "a RST in the peer's name, with a number that only hits the window");
    finding_show_observation(f, ch.met, ch.trigger == BY_SYN ? "SYN" : "RST");
    for (size_t i = 0; i < ch.count && i < MOST; i++)
        finding_show(f, c, ch.answers[i], "challenge ACK");
    finding_assume_usual(f, c, ch.side);
    if (ch.trigger == BY_SYN)
        finding_exclude(f, "recycled-port-rst",
                        "the ACK drew no RST, and the SYN did not come again");
    else
        finding_exclude(f, "abortive-close", "the connection goes on");
    detail_word(f, "trigger", triggers[ch.trigger]);
    detail_integer(f, "count", (int64_t)ch.count);
    return true;
}

const struct la_diagnosis diagnosis_challenge_ack = {
    .kind = LA_KIND_CHALLENGE_ACK,
    .name = "challenge-ack",
    .summary = "a SYN or RST that does not fit was challenged, and the connection lived on",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
