/* last-ack-timeout: the passive closer sent its FIN again and again until its kernel gave up. The
 * same FIN is lost-final-ack or fin-retransmitted as well, each with `unanswered`: those say what
 * was missing, this one what became of the socket. */
#include "diagnose/close_story.h"

#include "base/time.h"

static const char *const sides[] = {"client", "server", NULL};

static const struct la_detail_spec details[] = {
    {"side", LA_DETAIL_WORD, false, sides, "whose FIN"},
    {"repeats", LA_DETAIL_INTEGER, false, NULL, "how often it was sent again"},
    {"retried", LA_DETAIL_SECONDS, false, NULL, "from the first FIN to the last one"},
    {"waited", LA_DETAIL_SECONDS, false, NULL, "from the first FIN to the end of LAST_ACK"},
    {0},
};

/* The history ends LAST-ACK by its timer, while the capture went on. */
static bool timed_out(const struct la_connection *c, unsigned side, int64_t *at) {
    const struct la_endpoint *me = &c->side[side];
    for (size_t i = 1; i < me->change_count; i++)
        if (me->changes[i - 1].state == LA_ST_LAST_ACK && me->changes[i].event == LA_EV_TIMER) {
            *at = me->changes[i].time_ns;
            return *at <= la_heard_until(c, c->last.time_ns);
        }
    return false;
}

/* Nothing that reached this side answered; an ACK after the last FIN may have. Where it was data
 * that it repeated, retransmission-timeout says so. */
static bool stays_unanswered(const struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    bool verdict = s->verdict == CLOSE_UNANSWERED || s->verdict == CLOSE_FINAL_ACK_LOST;
    size_t last = fin->copies[fin->copy_count - 1];
    bool acked_last = fin->ack_count > 0 && fin->acks[fin->ack_count - 1] > last;
    return verdict && !fin->data_is_cause && fin->passive && fin->copy_count > 1 && !acked_last &&
           fin->peer_reset == LA_NOWHERE && !s->port_recycled;
}

static void blame(struct la_finding *f, const struct close_story *s) {
    if (s->verdict == CLOSE_FINAL_ACK_LOST)
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "the peer's ACK was lost, and nothing answered the FIN any more");
    else
        finding_blame(f, LA_ROLE_UNKNOWN, NULL,
                      "the peer is gone, or the path is cut, or its answers passed elsewhere");
}

static bool examine_side(const struct la_connection *c, unsigned side, struct la_finding *f) {
    int64_t ended;
    struct close_story s;
    if (c->side[side].fin < 2 || !timed_out(c, side, &ended))
        return false;
    close_story_read(c, side, &s);
    if (!stays_unanswered(&s))
        return false;
    const struct la_fin_story *fin = &s.fin;
    size_t last = fin->copies[fin->copy_count - 1];
    finding_start(f, LA_KIND_LAST_ACK_TIMEOUT, c, side);
    f->time_ns = c->log[fin->copies[0]].time_ns;
    f->severity = LA_NOTICE;
    f->confidence = LA_INFERRED;
    int64_t first_sent = la_sent_ns(c, fin->copies[0]);
    f->summary = finding_text(
        f, "%s sent its FIN %zu times without an answer: LAST_ACK ended after %s",
        endpoint_text(f, &c->side[side]), fin->copies_seen, seconds_text(f, ended - first_sent));
    blame(f, &s);
    for (size_t i = 0; i < fin->copy_count; i++)
        finding_show(f, c, fin->copies[i], i == 0 ? "FIN" : "FIN again");
    for (size_t i = 0; i < fin->ack_count; i++)
        finding_show(f, c, fin->acks[i], "ACK that did not arrive");
    finding_assume_usual(f, c, side);
    finding_exclude(f, "late ACK",
                    "the FIN came again as long as its kernel tries, and then no more");
    detail_word(f, "side", sides[side]);
    detail_integer(f, "repeats", (int64_t)fin->copies_seen - 1);
    detail_seconds(f, "retried", c->log[last].time_ns - f->time_ns);
    detail_seconds(f, "waited", ended - first_sent);
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    return examine_side(c, LA_SERVER, f) || examine_side(c, LA_CLIENT, f);
}

const struct la_diagnosis diagnosis_last_ack_timeout = {
    .kind = LA_KIND_LAST_ACK_TIMEOUT,
    .name = "last-ack-timeout",
    .summary = "the passive closer retransmitted FIN until its time ran out inside the capture",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
