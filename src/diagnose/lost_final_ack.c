/* lost-final-ack: the ACK of the passive closer's FIN was sent and did not arrive. The passive
 * closer stays in LAST-ACK and repeats its FIN; TIME-WAIT exists to answer it (RFC 9293, 3.6.1).
 *
 * Proofs, variants and look-alikes: docs/diagnoses/lost-final-ack.md. */
#include "diagnose/close_story.h"

#include "base/time.h"
#include "decode/segment.h"

#include <string.h>

static const char *const outcomes[] = {"re-acked", "reset", "unanswered", "port-recycled", NULL};

static const struct la_detail_spec details[] = {
    {"outcome", LA_DETAIL_WORD, false, outcomes, "how the repeated FIN fared"},
    {"repeats", LA_DETAIL_INTEGER, false, NULL, "how often the FIN was sent again"},
    {"restarted_time_wait", LA_DETAIL_BOOL, true, NULL,
     "whether the peer's TIME-WAIT began anew with it"},
    {0},
};

static const char *outcome_of(const struct close_story *s) {
    if (s->port_recycled)
        return "port-recycled";
    if (s->fin.re_ack != LA_NOWHERE)
        return "re-acked";
    return s->fin.peer_reset != LA_NOWHERE ? "reset" : "unanswered";
}

static void show(struct la_finding *f, const struct la_connection *c, const struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    finding_show(f, c, fin->copies[0], "FIN");
    size_t next_ack = 0, next_copy = 1;
    while (next_ack < fin->ack_count || next_copy < fin->copy_count) {
        bool ack_first =
            next_copy >= fin->copy_count ||
            (next_ack < fin->ack_count && fin->acks[next_ack] < fin->copies[next_copy]);
        if (ack_first) {
            bool final = next_ack == 0 && fin->acks[0] < fin->repeat;
            finding_show(f, c, fin->acks[next_ack++], final ? "final ACK" : "ACK again");
        } else {
            finding_show(f, c, fin->copies[next_copy++], "FIN again");
        }
    }
    finding_show(f, c, fin->peer_reset, "RST");
    if (s->challenge)
        finding_show_observation(f, s->challenge, "answer to the next SYN, from LAST-ACK");
}

static void blame(struct la_finding *f, const struct la_connection *c,
                  const struct close_story *s) {
    bool captured = s->fin.acked_before_repeat || (s->challenge && s->fin.ack_count > 0);
    if (captured && la_is_near(c, s->side))
        finding_blame(
            f, LA_ROLE_KERNEL, &c->side[s->side].addr,
            "the ACK reached the capture point next to this host and was not processed: a packet "
            "filter (conntrack INVALID), rp_filter or a bad checksum dropped it there");
    else if (captured)
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "the ACK passed the capture point and did not arrive");
    else
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "the ACK was sent and lost before the capture point");
}

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct close_story *s, const char *outcome) {
    const struct la_fin_story *fin = &s->fin;
    const char *host = endpoint_text(f, &c->side[s->side]);
    if (strcmp(outcome, "port-recycled") == 0) {
        f->summary =
            finding_text(f,
                         "the final ACK to %s was lost; it was still in LAST-ACK when the port was "
                         "used for a new connection",
                         host);
        return;
    }
    const char *after =
        seconds_text(f, c->log[fin->repeat].time_ns - c->log[fin->copies[0]].time_ns);
    const char *how = strcmp(outcome, "re-acked") == 0 ? "and was ACKed from TIME_WAIT"
                      : strcmp(outcome, "reset") == 0  ? "and met a RST: TIME_WAIT was gone"
                                                       : "and got no answer";
    size_t repeats = fin->copy_count - 1;
    if (repeats == 1)
        f->summary = finding_text(f, "the final ACK to %s was lost; its FIN came again %s later %s",
                                  host, after, how);
    else
        f->summary =
            finding_text(f,
                         "the final ACK to %s was lost; its FIN came again %zu times, first %s "
                         "later, %s",
                         host, repeats, after, how);
}

static void exclude(struct la_finding *f, const struct la_connection *c,
                    const struct close_story *s) {
    const struct la_fin_story *fin = &s->fin;
    if (fin->acked_before_repeat) {
        int64_t gap = la_sent_ns(c, fin->repeat) - la_arrived_ns(c, fin->acks[0]);
        const char *left = seconds_text(f, gap);
        finding_exclude(
            f, "fin-retransmitted",
            finding_text(f, "the ACK was due at the host %s before the FIN was sent again", left));
        if (s->observed && fin->re_ack != LA_NOWHERE)
            finding_exclude(f, "late ACK",
                            "no RST followed the second ACK: only one of them arrived");
    } else {
        finding_exclude(f, "fin-retransmitted", s->why);
    }
}

static bool examine_side(const struct la_connection *c, unsigned side, struct la_finding *f) {
    struct close_story s;
    close_story_read(c, side, &s);
    if (s.verdict != CLOSE_FINAL_ACK_LOST)
        return false;
    const char *outcome = outcome_of(&s);
    finding_start(f, LA_KIND_LOST_FINAL_ACK, c, side);
    bool repaired = strcmp(outcome, "re-acked") == 0;
    f->severity = repaired ? LA_INFO : LA_NOTICE;
    f->confidence = s.observed ? LA_OBSERVED : LA_INFERRED;
    size_t start =
        s.fin.ack_count > 0 && s.fin.acks[0] < s.fin.repeat ? s.fin.acks[0] : s.fin.copies[0];
    f->time_ns = c->log[start].time_ns;
    summarize(f, c, &s, outcome);
    blame(f, c, &s);
    show(f, c, &s);
    finding_assume_usual(f, c, side);
    exclude(f, c, &s);
    detail_word(f, "outcome", outcome);
    detail_integer(f, "repeats", (int64_t)s.fin.copies_seen - 1);
    if (repaired)
        detail_bool(f, "restarted_time_wait", true);
    else if (strcmp(outcome, "reset") == 0)
        detail_bool(f, "restarted_time_wait", false);
    else
        detail_null(f, "restarted_time_wait");
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    return examine_side(c, LA_SERVER, f) || examine_side(c, LA_CLIENT, f);
}

const struct la_diagnosis diagnosis_lost_final_ack = {
    .kind = LA_KIND_LOST_FINAL_ACK,
    .name = "lost-final-ack",
    .summary = "the ACK of the passive closer's FIN was sent but did not arrive",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
