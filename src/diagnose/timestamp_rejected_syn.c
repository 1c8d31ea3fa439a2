/* timestamp-rejected-syn: a SYN was refused because its TSval was older than one that the peer
 * remembered, of the same 4-tuple in TIME-WAIT (RFC 7323, 5.3; RFC 6191) or, with tcp_tw_recycle,
 * of the same host. */
#include "diagnose/syn_story.h"

#include "decode/segment.h"

static const char *const mechanisms[] = {"per-connection", "per-host", NULL};

static const struct la_detail_spec details[] = {
    {"mechanism", LA_DETAIL_WORD, false, mechanisms, "what the timestamp was compared with"},
    {"syn_tsval", LA_DETAIL_INTEGER, false, NULL, "TSval of the SYN"},
    {"remembered_tsval", LA_DETAIL_INTEGER, true, NULL,
     "TSval that the peer remembered: disclosed by its ACK, or the last it had accepted"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent until one was accepted, or at all"},
    {"recovered", LA_DETAIL_BOOL, true, NULL, "whether a SYN of this attempt got through"},
    {"recovered_after", LA_DETAIL_SECONDS, true, NULL, "from the first SYN to the SYN-ACK"},
    {0},
};

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct syn_story *s, bool per_host) {
    const char *client = endpoint_text(f, &c->side[LA_CLIENT]);
    const char *server = endpoint_text(f, &c->side[LA_SERVER]);
    f->summary = finding_text(
        f, "%s %s a SYN of %s: its TSval %u is older than the %u that it remembers of %s; %s",
        server, per_host ? "ignored" : "refused", client, s->syn->tsval, s->remembered_tsval,
        per_host ? "that host" : "that connection", syn_story_outcome(f, s));
}

static void show_host_evidence(struct la_finding *f, const struct la_connection *c) {
    const struct la_observation stored = {.time_ns = c->recycle->stored.time_ns,
                                          .frame = c->recycle->stored.frame,
                                          .input = c->recycle->stored.input};
    finding_show_observation(f, &stored, "FIN whose TSval the server remembers of this host");
    if (c->recycle->answered.frame == 0)
        return;
    const struct la_observation answered = {.time_ns = c->recycle->answered.time_ns,
                                            .frame = c->recycle->answered.frame,
                                            .input = c->recycle->answered.input};
    finding_show_observation(f, &answered, "SYN-ACK to a newer SYN of the same host, meanwhile");
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct syn_story s;
    syn_story_read(c, &s);
    if (s.verdict != SYN_OLDER_TIMESTAMP && s.verdict != SYN_OLDER_THAN_HOST)
        return false;
    bool per_host = s.verdict == SYN_OLDER_THAN_HOST;
    finding_start(f, LA_KIND_TIMESTAMP_REJECTED_SYN, c, LA_CLIENT);
    f->time_ns = s.syn->time_ns;
    f->delay_ns = syn_story_delay_ns(&s);
    f->severity = severity_of_delay(f->delay_ns);
    if (!s.syn_ack && !syn_story_failed(&s))
        f->severity = LA_NOTICE; /* its outcome does not show */
    f->confidence = s.observed ? LA_OBSERVED : LA_INFERRED;
    summarize(f, c, &s, per_host);
    if (per_host)
        finding_blame(f, LA_ROLE_KERNEL, &c->side[LA_SERVER].addr, "net.ipv4.tcp_tw_recycle=1");
    else
        finding_blame(
            f, LA_ROLE_PEER, &c->side[LA_CLIENT].addr,
            "its timestamps went back: another host behind the address, a reboot, or a load "
            "balancer that passes its clients' timestamps on");
    syn_story_show(f, c, &s);
    if (per_host)
        show_host_evidence(f, c);
    finding_assume_usual(f, c, LA_SERVER);
    finding_exclude(f, "recycled-port-rst",
                    per_host ? "nothing answered for an old connection"
                             : "TIME-WAIT takes a SYN whose timestamp is newer");
    detail_word(f, "mechanism", mechanisms[per_host]);
    detail_integer(f, "syn_tsval", s.syn->tsval);
    if (s.remembered_known)
        detail_integer(f, "remembered_tsval", s.remembered_tsval);
    else
        detail_null(f, "remembered_tsval");
    detail_integer(f, "attempts", s.attempts);
    syn_story_details(f, &s);
    return true;
}

const struct la_diagnosis diagnosis_timestamp_rejected_syn = {
    .kind = LA_KIND_TIMESTAMP_REJECTED_SYN,
    .name = "timestamp-rejected-syn",
    .summary = "a SYN was refused because its TSval was older than one that the peer remembered",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
