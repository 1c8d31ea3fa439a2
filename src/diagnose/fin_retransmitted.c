/* fin-retransmitted: a FIN was sent again for another reason than a lost final ACK. */
#include "diagnose/close_story.h"

#include "base/time.h"

static const char *const causes[] = {"fin-lost",   "first-ack-lost", "late-ack",
                                     "unanswered", "unknown",        NULL};
static const char *const sides[] = {"client", "server", NULL};

static const struct la_detail_spec details[] = {
    {"cause", LA_DETAIL_WORD, false, causes, "why it was sent again"},
    {"repeats", LA_DETAIL_INTEGER, false, NULL, "how often it was sent again"},
    {"side", LA_DETAIL_WORD, false, sides, "whose FIN"},
    {0},
};

static const char *cause_of(enum close_verdict verdict) {
    switch (verdict) {
    case CLOSE_FIN_LOST:
        return causes[0];
    case CLOSE_FIRST_ACK_LOST:
        return causes[1];
    case CLOSE_LATE_ACK:
        return causes[2];
    case CLOSE_UNANSWERED:
        return causes[3];
    case CLOSE_UNKNOWN:
        return causes[4];
    default:
        return NULL;
    }
}

static const char *in_words(enum close_verdict verdict) {
    switch (verdict) {
    case CLOSE_FIN_LOST:
        return "the first one was lost";
    case CLOSE_FIRST_ACK_LOST:
        return "the ACK of it was lost, and the peer acknowledged it again";
    case CLOSE_LATE_ACK:
        return "needlessly: the ACK was only late";
    case CLOSE_UNANSWERED:
        return "and no ACK of it was ever captured";
    default:
        return "and nothing here tells why";
    }
}

static void blame(struct la_finding *f, const struct la_connection *c,
                  const struct close_story *s) {
    unsigned side = s->side;
    switch (s->verdict) {
    case CLOSE_FIN_LOST:
        finding_blame(f, LA_ROLE_NETWORK, NULL, "the first FIN did not arrive");
        break;
    case CLOSE_FIRST_ACK_LOST:
        if (la_is_near(c, side) && s->fin.acked_before_repeat)
            finding_blame(
                f, LA_ROLE_KERNEL, &c->side[side].addr,
                "the ACK reached the capture point next to this host and was not processed");
        else
            finding_blame(f, LA_ROLE_NETWORK, NULL, "the ACK of the FIN did not arrive");
        break;
    case CLOSE_LATE_ACK:
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "the path took longer than the retransmission timer");
        break;
    case CLOSE_UNANSWERED:
        finding_blame(f, LA_ROLE_UNKNOWN, NULL,
                      "the peer is gone, or the path is cut, or its answers passed elsewhere");
        break;
    default:
        finding_blame(f, LA_ROLE_UNKNOWN, NULL, "");
    }
}

static bool examine_side(const struct la_connection *c, unsigned side, struct la_finding *f) {
    struct close_story s;
    close_story_read(c, side, &s);
    const char *cause = cause_of(s.verdict);
    if (!cause)
        return false;
    finding_start(f, LA_KIND_FIN_RETRANSMITTED, c, side);
    f->severity = s.verdict == CLOSE_UNANSWERED ? LA_NOTICE : LA_INFO;
    f->confidence = s.observed ? LA_OBSERVED : LA_INFERRED;
    f->time_ns = c->log[s.fin.copies[0]].time_ns;
    const char *host = endpoint_text(f, &c->side[side]);
    const char *after = seconds_text(f, c->log[s.fin.repeat].time_ns - f->time_ns);
    f->summary =
        finding_text(f, "%s sent its FIN again after %s: %s", host, after, in_words(s.verdict));
    blame(f, c, &s);
    for (size_t i = 0; i < s.fin.copy_count; i++)
        finding_show(f, c, s.fin.copies[i], i == 0 ? "FIN" : "FIN again");
    for (size_t i = 0; i < s.fin.ack_count; i++)
        finding_show(f, c, s.fin.acks[i], i == 0 ? "ACK" : "ACK again");
    finding_show(f, c, s.fin.own_reset, "RST: the second ACK met no socket");
    finding_assume_usual(f, c, side);
    finding_exclude(f, "lost-final-ack", s.why);
    detail_word(f, "cause", cause);
    detail_integer(f, "repeats", (int64_t)s.fin.copies_seen - 1);
    detail_word(f, "side", sides[side]);
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    return examine_side(c, LA_CLIENT, f) || examine_side(c, LA_SERVER, f);
}

const struct la_diagnosis diagnosis_fin_retransmitted = {
    .kind = LA_KIND_FIN_RETRANSMITTED,
    .name = "fin-retransmitted",
    .summary = "a FIN was sent again for another reason than a lost final ACK",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
