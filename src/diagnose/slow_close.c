/* slow-close: a side closed, but only after a long CLOSE-WAIT. */
#include "diagnose/close_wait_story.h"

#include "decode/segment.h"

static const char *const endings[] = {"fin", "rst", NULL};

static const struct la_detail_spec details[] = {
    {"age", LA_DETAIL_SECONDS, false, NULL, "how long CLOSE_WAIT lasted"},
    {"quiet", LA_DETAIL_SECONDS, false, NULL, "the last part of that, without new data"},
    {"ended", LA_DETAIL_WORD, false, endings, "how it closed"},
    {"peer_gone", LA_DETAIL_BOOL, true, NULL,
     "whether the peer had given up its FIN_WAIT_2 meanwhile and answered the FIN with a RST"},
    {0},
};

enum answer { NO_ANSWER, ACKNOWLEDGED, RESET };

/* What became of the late FIN. */
static enum answer read_answer(const struct la_connection *c, const struct close_wait_story *s,
                               size_t *at) {
    const struct la_observation *fin = &c->log[s->wait.ended_by];
    for (size_t i = s->wait.ended_by + 1; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == s->side)
            continue;
        *at = i;
        if (la_covers(o, fin->seq + fin->payload + 1))
            return ACKNOWLEDGED;
        if ((o->flags & (LA_RST | LA_ACK)) == LA_RST && o->seq == fin->ack)
            return RESET;
    }
    return NO_ANSWER;
}

/* Far from here an earlier FIN may have been lost before it came by. */
static bool is_observed(const struct la_connection *c, const struct close_wait_story *s) {
    return is_whole(c) && (la_is_near(c, s->side) || close_wait_is_proven(s));
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct close_wait_story s;
    if (!close_wait_story_read(c, &s) || !s.closed)
        return false;
    bool fin = s.wait.end == LA_CLOSE_WAIT_CLOSED;
    size_t answered = LA_NOWHERE;
    enum answer answer = fin ? read_answer(c, &s, &answered) : NO_ANSWER;
    close_wait_story_write(f, LA_KIND_SLOW_CLOSE, c, &s);
    f->confidence = is_observed(c, &s) ? LA_OBSERVED : LA_INFERRED;
    if (f->confidence == LA_INFERRED)
        finding_assume(f, "the first FIN that was captured is the first that was sent");
    finding_assume_heard(f, c, s.wait.from_ns, s.wait.until_ns);
    if (answer == RESET)
        finding_show(f, c, answered, "RST: the peer's FIN_WAIT_2 was gone");
    const char *host = endpoint_text(f, &c->side[s.side]);
    f->summary = finding_text(f, "%s closed %s after its peer%s", host,
                              seconds_text(f, s.wait.until_ns - s.wait.from_ns),
                              answer == RESET ? ", which had given up waiting" : "");
    detail_word(f, "ended", endings[fin ? 0 : 1]);
    if (answer == NO_ANSWER)
        detail_null(f, "peer_gone");
    else
        detail_bool(f, "peer_gone", answer == RESET);
    return true;
}

const struct la_diagnosis diagnosis_slow_close = {
    .kind = LA_KIND_SLOW_CLOSE,
    .name = "slow-close",
    .summary = "a side closed, but only after a long CLOSE_WAIT",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_CLOSE_WAIT,
};
