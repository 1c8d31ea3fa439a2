/* close-wait-leak: a side got a FIN and never closed. Proofs and look-alikes:
 * docs/diagnoses/close-wait-leak.md. */
#include "diagnose/close_wait_story.h"

#include "decode/segment.h"

static const char *const endings[] = {"never",          "reset",     "peer-gone",
                                      "new-connection", "keepalive", NULL};

static const struct la_detail_spec details[] = {
    {"age", LA_DETAIL_SECONDS, false, NULL,
     "from the peer's FIN to the end of CLOSE_WAIT, or of the capture"},
    {"quiet", LA_DETAIL_SECONDS, false, NULL, "the last part of that, without new data"},
    {"alive", LA_DETAIL_BOOL, true, NULL,
     "whether the host answered or probed meanwhile and so still had the socket; null: silence"},
    {"last_sign", LA_DETAIL_SECONDS, true, NULL, "from the peer's FIN to the last such sign"},
    {"ended", LA_DETAIL_WORD, false, endings, "what ended it"},
    {0},
};

/* The peer's RST answers what this side sent: its socket was gone. */
static bool was_drawn(const struct la_connection *c, const struct close_wait_story *s) {
    const struct la_observation *rst = &c->log[s->wait.ended_by];
    return !(rst->flags & LA_ACK) && s->wait.heard != LA_NOWHERE &&
           c->log[s->wait.heard].ack == rst->seq;
}

static const char *ending_of(const struct la_connection *c, const struct close_wait_story *s) {
    switch (s->wait.end) {
    case LA_CLOSE_WAIT_RESET:
        return was_drawn(c, s) ? endings[2] : endings[1];
    case LA_CLOSE_WAIT_SYN:
        return endings[3];
    case LA_CLOSE_WAIT_TIMED_OUT:
        return endings[4];
    default:
        return endings[0];
    }
}

static const char *end_in_words(const struct la_connection *c, const struct close_wait_story *s) {
    switch (s->wait.end) {
    case LA_CLOSE_WAIT_RESET:
        return "until its peer reset the connection";
    case LA_CLOSE_WAIT_SYN:
        return "until a new connection over the same port ended it";
    case LA_CLOSE_WAIT_TIMED_OUT:
        return "until its keepalive probes got no answer";
    default:
        return la_heard_until(c, c->last.time_ns) < c->capture_end_ns
                   ? "as far as somebody listened"
                   : "up to the end of the capture";
    }
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct close_wait_story s;
    if (!close_wait_story_read(c, &s) || s.closed)
        return false;
    close_wait_story_write(f, LA_KIND_CLOSE_WAIT_LEAK, c, &s);
    bool observed = is_whole(c) && close_wait_is_proven(&s);
    f->confidence = observed ? LA_OBSERVED : LA_INFERRED;
    if (!observed)
        finding_assume(f,
                       "the host still has the socket: it was not heard of again, or not for long");
    const char *host = endpoint_text(f, &c->side[s.side]);
    f->summary =
        finding_text(f, "%s was in CLOSE_WAIT for %s, %s: it did not close after its peer", host,
                     seconds_text(f, s.wait.until_ns - s.wait.from_ns), end_in_words(c, &s));
    if (s.proven_ns > 0) {
        detail_bool(f, "alive", true);
        detail_seconds(f, "last_sign", s.wait.quiet_ns + s.proven_ns - s.wait.from_ns);
    } else {
        detail_null(f, "alive");
        detail_null(f, "last_sign");
    }
    detail_word(f, "ended", ending_of(c, &s));
    return true;
}

const struct la_diagnosis diagnosis_close_wait_leak = {
    .kind = LA_KIND_CLOSE_WAIT_LEAK,
    .name = "close-wait-leak",
    .summary = "a side got FIN and never closed while the capture ran",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_CLOSE_WAIT,
};
