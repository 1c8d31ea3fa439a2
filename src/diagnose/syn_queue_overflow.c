/* syn-queue-overflow: a listener dropped the SYNs of an attempt, and nothing tells that it was its
 * accept queue. */
#include "diagnose/connect_story.h"

#include "base/time.h"

static const struct la_detail_spec details[] = {
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent"},
    {"dropped", LA_DETAIL_INTEGER, false, NULL, "SYNs that the listener dropped"},
    {"waiting", LA_DETAIL_INTEGER, false, NULL,
     "attempts of this client at this service that waited at the same time, at most"},
    {"recovered", LA_DETAIL_BOOL, true, NULL,
     "whether a SYN got through at last; null where the capture ended before"},
    {"recovered_after", LA_DETAIL_SECONDS, true, NULL, "from the first SYN to the SYN-ACK"},
    {0},
};

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct connect_story a;
    connect_story_read(c, &a);
    if (a.verdict != CONNECT_SYN_DROPPED)
        return false;
    finding_start(f, LA_KIND_SYN_QUEUE_OVERFLOW, c, LA_SERVER);
    f->time_ns = a.open.syn->time_ns;
    f->delay_ns = a.open.syn_ack ? a.open.syn_ack->time_ns - a.open.syn->time_ns : -1;
    f->severity = connect_story_severity(&a, f->delay_ns);
    f->confidence = LA_INFERRED;
    const char *client = endpoint_text(f, &c->side[LA_CLIENT]);
    const char *server = endpoint_text(f, &c->side[LA_SERVER]);
    f->summary = finding_text(f, "%s dropped %u SYNs of %s although it listens: %s", server,
                              a.open.unanswered, client, connect_story_outcome(f, &a));
    finding_blame(f, LA_ROLE_KERNEL, &c->side[LA_SERVER].addr,
                  "the SYNs came as far as its host, which was there and listens: its queue of "
                  "half-open attempts was full, or its accept queue");
    connect_story_show(f, c, &a);
    connect_story_show_meanwhile(f, c, &a);
    finding_assume_usual(f, c, LA_SERVER);
    finding_exclude(f, "syn-unanswered", "the service is known to listen, and its host was there");
    detail_integer(f, "attempts", a.open.syns);
    detail_integer(f, "dropped", a.open.unanswered);
    detail_integer(f, "waiting", c->meanwhile->waiting);
    connect_story_recovery(f, &a);
    return true;
}

const struct la_diagnosis diagnosis_syn_queue_overflow = {
    .kind = LA_KIND_SYN_QUEUE_OVERFLOW,
    .name = "syn-queue-overflow",
    .summary = "a listener dropped the SYNs of an attempt",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
    .of_attempt = true,
};
