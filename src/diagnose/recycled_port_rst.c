/* recycled-port-rst: a SYN on a 4-tuple that the peer still held was refused, for another reason
 * than its timestamp. The ladders are in docs/diagnoses/recycled-port-rst.md. */
#include "diagnose/syn_story.h"

#include "decode/segment.h"

static const char *const states[] = {"SYN-SENT",   "SYN-RECV",   "ESTAB",    "FIN-WAIT-1",
                                     "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING",
                                     "TIME-WAIT",  NULL};
static const char *const mechanisms[] = {"challenge-ack", "rst", "rst-ack", "fin-again", NULL};

static const struct la_detail_spec details[] = {
    {"held_state", LA_DETAIL_WORD, true, states,
     "the state that the peer still held; null where the capture cannot know"},
    {"mechanism", LA_DETAIL_WORD, false, mechanisms, "what the SYN met"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent until one was accepted, or at all"},
    {"recovered", LA_DETAIL_BOOL, true, NULL, "whether a SYN of this attempt got through"},
    {"recovered_after", LA_DETAIL_SECONDS, true, NULL, "from the first SYN to the SYN-ACK"},
    {0},
};

static const char *mechanism_of(const struct syn_story *s) {
    if (s->refusal == REFUSED_BY_RST)
        return s->answer->flags & LA_ACK ? "rst-ack" : "rst";
    return s->refusal == REFUSED_BY_FIN ? "fin-again" : "challenge-ack";
}

static void blame(struct la_finding *f, const struct la_connection *c, const struct syn_story *s) {
    const struct la_addr *client = &c->side[LA_CLIENT].addr, *server = &c->side[LA_SERVER].addr;
    if (syn_changed_hands(c))
        finding_blame(
            f, LA_ROLE_MIDDLEBOX, client,
            "the port was given to another host behind this address (its TTL differs): NAT "
            "recycles ports too soon");
    else if (s->held_known && s->held == LA_ST_CLOSE_WAIT)
        finding_blame(f, LA_ROLE_APPLICATION, server, "it had not closed the old connection");
    else if (s->held_known && s->held == LA_ST_LAST_ACK)
        finding_blame(
            f, LA_ROLE_NETWORK, NULL,
            "the final ACK of the old connection was lost, so its port was not free when it was "
            "used again");
    else
        finding_blame(f, LA_ROLE_PEER, client,
                      "it used a port again that the other end still held");
}

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct syn_story *s) {
    const char *client = endpoint_text(f, &c->side[LA_CLIENT]);
    const char *server = endpoint_text(f, &c->side[LA_SERVER]);
    const char *held = s->held_known ? la_state_name(s->held) : "an earlier connection";
    const char *how = s->refusal == REFUSED_BY_RST
                          ? "refused it with a RST"
                          : "answered for the old connection and was reset";
    f->summary = finding_text(f, "%s opened over a port that %s still held in %s: it %s; %s",
                              client, server, held, how, syn_story_outcome(f, s));
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct syn_story s;
    syn_story_read(c, &s);
    if (s.verdict != SYN_RECYCLED)
        return false;
    finding_start(f, LA_KIND_RECYCLED_PORT_RST, c, LA_CLIENT);
    f->time_ns = s.syn->time_ns;
    f->delay_ns = syn_story_delay_ns(&s);
    f->severity = severity_of_delay(f->delay_ns);
    if (!s.syn_ack && !syn_story_failed(&s))
        f->severity = LA_NOTICE; /* its outcome does not show */
    f->confidence = s.observed ? LA_OBSERVED : LA_INFERRED;
    summarize(f, c, &s);
    blame(f, c, &s);
    syn_story_show(f, c, &s);
    finding_assume_usual(f, c, LA_SERVER);
    if (s.remembered_known)
        finding_exclude(
            f, "timestamp-rejected-syn",
            "the state that was held does not look at timestamps, or the SYN's was not older");
    if (c->previous)
        finding_exclude(f, "syn-refused",
                        "the port was listening: the old connection held the 4-tuple");
    if (s.held_known)
        detail_word(f, "held_state", la_state_name(s.held));
    else
        detail_null(f, "held_state");
    detail_word(f, "mechanism", mechanism_of(&s));
    detail_integer(f, "attempts", s.attempts);
    syn_story_details(f, &s);
    return true;
}

const struct la_diagnosis diagnosis_recycled_port_rst = {
    .kind = LA_KIND_RECYCLED_PORT_RST,
    .name = "recycled-port-rst",
    .summary =
        "a SYN on a 4-tuple that the peer still held was refused, for another reason than its "
        "timestamp",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
