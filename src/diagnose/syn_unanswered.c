/* syn-unanswered: an attempt that failed because nothing came back, or nothing that the client
 * could take. */
#include "diagnose/connect_story.h"

#include "base/time.h"

static const char *const causes[] = {"silence", "syn-ack-lost", "answer-rejected", NULL};
static const char *const misfits[] = {"acknowledgement", "timestamp", NULL};

static const struct la_detail_spec details[] = {
    {"cause", LA_DETAIL_WORD, false, causes,
     "silence: no answer passed here; syn-ack-lost: the server answered, but the client never had "
     "it; answer-rejected: the client took none of the answers"},
    {"misfit", LA_DETAIL_WORD, true, misfits,
     "what was wrong with an answer that was rejected, as it passed here: it acknowledged what had "
     "not been sent, or echoed a timestamp that had not been; null: nothing, or none was rejected"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent"},
    {"tried_for", LA_DETAIL_SECONDS, false, NULL, "from the first SYN to the last"},
    {"gave_up", LA_DETAIL_BOOL, false, NULL,
     "whether the client sent no further SYN although one was due; false: it was still trying when "
     "the capture ended"},
    {"reached_server", LA_DETAIL_BOOL, true, NULL,
     "true when the SYNs passed next to the server; null where that is not known"},
    {"host_answered_others", LA_DETAIL_BOOL, true, NULL,
     "whether the server's host answered other attempts of this client meanwhile; null where there "
     "was none"},
    {0},
};

static bool answered_others(const struct la_connection *c, const struct connect_story *a) {
    const struct la_meanwhile *m = c->meanwhile;
    return m && (la_is_meanwhile(&a->open, &m->same) || la_is_meanwhile(&a->open, &m->other));
}

static void blame(struct la_finding *f, const struct la_connection *c,
                  const struct connect_story *a) {
    if (a->rejected)
        connect_story_blame_rejection(f, c, a);
    else if (a->open.syn_ack_unheard)
        finding_blame(f, LA_ROLE_NETWORK, NULL,
                      "the server's answers passed here and did not reach the client");
    else if (la_reached_server(c))
        finding_blame(f, LA_ROLE_KERNEL, &c->side[LA_SERVER].addr,
                      "the SYNs came as far as its host, which said nothing: a packet filter, a "
                      "full queue, or a host that hangs");
    else
        finding_blame(f, LA_ROLE_UNKNOWN, NULL,
                      "lost on the way, dropped by a firewall, or the host is not there: nothing "
                      "here tells which");
}

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct connect_story *a) {
    const char *client = endpoint_text(f, &c->side[LA_CLIENT]);
    const char *server = endpoint_text(f, &c->side[LA_SERVER]);
    const char *what = a->rejected               ? "took none of the answers of"
                       : a->open.syn_ack_unheard ? "never had the answers of"
                                                 : "had no answer from";
    const char *end = a->gave_up ? "and gave up" : "and was still trying when the capture ended";
    f->summary = finding_text(f, "%s %s %s: it sent %u SYNs within %s %s", client, what, server,
                              a->open.syns, seconds_text(f, a->tried_ns), end);
}

static void exclude(struct la_finding *f, const struct la_connection *c,
                    const struct connect_story *a) {
    finding_exclude(f, "syn-refused",
                    a->open.rejection ? "the RSTs came from the client, and it tried again"
                                      : "no RST and no ICMP error passed here");
    if (c->meanwhile && c->meanwhile->two_way && !a->open.syn_ack_unheard)
        finding_exclude(f, "one-way capture",
                        "other segments of that host to this client passed here");
    if (!c->previous)
        finding_exclude(f, "recycled-port-rst",
                        "the capture holds no earlier connection of these ports");
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct connect_story a;
    connect_story_read(c, &a);
    if (a.verdict != CONNECT_UNANSWERED)
        return false;
    finding_start(f, LA_KIND_SYN_UNANSWERED, c, LA_CLIENT);
    f->time_ns = a.open.syn->time_ns;
    f->severity = a.gave_up ? LA_CRITICAL : LA_WARNING;
    f->confidence = a.observed ? LA_OBSERVED : LA_INFERRED;
    summarize(f, c, &a);
    blame(f, c, &a);
    connect_story_show(f, c, &a);
    finding_assume_usual(f, c, LA_CLIENT);
    exclude(f, c, &a);
    detail_word(f, "cause", causes[a.rejected ? 2 : a.open.syn_ack_unheard]);
    connect_story_misfit(f, &a);
    detail_integer(f, "attempts", a.open.syns);
    detail_seconds(f, "tried_for", a.tried_ns);
    detail_bool(f, "gave_up", a.gave_up);
    if (la_reached_server(c))
        detail_bool(f, "reached_server", true);
    else
        detail_null(f, "reached_server");
    if (answered_others(c, &a))
        detail_bool(f, "host_answered_others", true);
    else
        detail_null(f, "host_answered_others");
    return true;
}

const struct la_diagnosis diagnosis_syn_unanswered = {
    .kind = LA_KIND_SYN_UNANSWERED,
    .name = "syn-unanswered",
    .summary = "a connection attempt failed because nothing came back that the client could take",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
    .of_attempt = true,
};
