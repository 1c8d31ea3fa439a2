/* syn-retransmitted: an attempt that succeeded, but only at its second SYN or later. */
#include "diagnose/connect_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

/* By so much a path may jitter, and a clock be off. */
#define HELD_UP_NS (300 * LA_MSEC)

/* In the order of enum la_late_cause, without its first. */
static const char *const causes[] = {
    "syn-lost",        "syn-dropped", "syn-ack-lost", "slow-answer",
    "answer-rejected", "refused",     "unknown",      NULL};

static const char *const misfits[] = {"acknowledgement", "timestamp", NULL};

static const struct la_detail_spec details[] = {
    {"cause", LA_DETAIL_WORD, false, causes, "what became of the first SYN, or of its answer"},
    {"misfit", LA_DETAIL_WORD, true, misfits,
     "what was wrong with an answer that was rejected, as it passed here: it acknowledged what had "
     "not been sent, or echoed a timestamp that had not been; null: nothing, or none was rejected"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent until the connection was open"},
    {"syn_acks", LA_DETAIL_INTEGER, false, NULL, "SYN-ACKs sent until the client answered one"},
    {"connected_after", LA_DETAIL_SECONDS, false, NULL,
     "from the first SYN to the SYN-ACK that opened the connection"},
    {0},
};

struct reading {
    enum la_role role;
    bool server; /* the responsible host */
    const char *why, *words;
};

static const struct reading readings[LA_LATE_CAUSE_COUNT] = {
    [LA_LATE_SYN_LOST] = {LA_ROLE_NETWORK, false,
                          "the SYN was lost between here and the server (or dropped by it)",
                          "a SYN was lost"},
    [LA_LATE_SYN_DROPPED] = {LA_ROLE_KERNEL, true,
                             "the SYN came as far as its host, which did not answer: a full queue, "
                             "a rate limit, a packet filter, or an earlier connection of these "
                             "ports that a stack keeps in silence",
                             "the server did not answer"},
    [LA_LATE_SYN_ACK_LOST] = {LA_ROLE_NETWORK, false, "the SYN-ACK did not reach the client",
                              "the SYN-ACK was lost"},
    [LA_LATE_SLOW_ANSWER] = {LA_ROLE_UNKNOWN, false,
                             "the answer took longer than the client waits: a long path, or a slow "
                             "host",
                             "the SYN-ACK came late"},
    [LA_LATE_ANSWER_REJECTED] = {LA_ROLE_UNKNOWN, false, NULL,
                                 "the client rejected the first SYN-ACK"},
    [LA_LATE_REFUSED] = {LA_ROLE_APPLICATION, true,
                         "it refused the first SYN and accepted a later one: the program started "
                         "to listen meanwhile",
                         "the first SYN was refused"},
    [LA_LATE_UNKNOWN] = {LA_ROLE_UNKNOWN, false, "nothing here tells what was lost",
                         "SYN or SYN-ACK was lost"},
};

/* How long the client itself waited, at least: a tick of a timestamp clock is no shorter than a
 * millisecond (RFC 7323, 5.4). More than passed here where SYNs were held up on the way, as by a
 * mobile link that wakes up; else 0. */
static int64_t waited_longer_ns(const struct la_connection *c, const struct connect_story *a) {
    const struct la_observation *syn = a->open.syn, *ack = a->open.ack;
    if (!ack || !(syn->options & ack->options & LA_HAS_TIMESTAMPS))
        return 0;
    const struct la_endpoint *client = &c->side[LA_CLIENT];
    int64_t later = (int64_t)seq_diff(client->tsval, ack->tsval) * LA_MSEC;
    if (later > client->last_ns - ack->time_ns + HELD_UP_NS)
        return 0; /* there are clocks of microseconds */
    int64_t waited = (int64_t)seq_diff(ack->tsval, syn->tsval) * LA_MSEC;
    return waited > ack->time_ns - syn->time_ns + HELD_UP_NS ? waited : 0;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct connect_story a;
    connect_story_read(c, &a);
    if (a.verdict != CONNECT_LATE)
        return false;
    const struct reading *reading = &readings[a.cause];
    finding_start(f, LA_KIND_SYN_RETRANSMITTED, c, LA_CLIENT);
    f->time_ns = a.open.syn->time_ns;
    f->delay_ns = a.open.syn_ack->time_ns - a.open.syn->time_ns;
    int64_t longer = waited_longer_ns(c, &a), here = f->delay_ns;
    f->delay_ns = longer > 0 ? longer : here;
    f->severity = severity_of_delay(f->delay_ns);
    bool unknown = a.cause == LA_LATE_UNKNOWN; /* then nothing is claimed but what passed */
    f->confidence = a.observed || unknown ? LA_OBSERVED : LA_INFERRED;
    const char *client = endpoint_text(f, &c->side[LA_CLIENT]);
    const char *server = endpoint_text(f, &c->side[LA_SERVER]);
    f->summary =
        finding_text(f, "%s connected to %s only after %s%s, at SYN number %u: %s", client, server,
                     longer > 0 ? "at least " : "", seconds_text(f, f->delay_ns), a.open.syns,
                     longer > 0 ? "its SYNs were held up on the way here" : reading->words);
    if (a.cause == LA_LATE_ANSWER_REJECTED)
        connect_story_blame_rejection(f, c, &a);
    else
        finding_blame(f, reading->role, reading->server ? &c->side[LA_SERVER].addr : NULL,
                      reading->why);
    connect_story_show(f, c, &a);
    finding_assume_usual(f, c, LA_SERVER);
    if (!c->previous)
        finding_exclude(f, "recycled-port-rst",
                        "nothing was said for an earlier connection of these ports");
    detail_word(f, "cause", la_late_cause_name(a.cause));
    connect_story_misfit(f, &a);
    detail_integer(f, "attempts", a.open.syns);
    detail_integer(f, "syn_acks", a.open.syn_acks);
    detail_seconds(f, "connected_after", here);
    return true;
}

const struct la_diagnosis diagnosis_syn_retransmitted = {
    .kind = LA_KIND_SYN_RETRANSMITTED,
    .name = "syn-retransmitted",
    .summary = "a connection attempt succeeded, but only at its second SYN or later",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
    .of_attempt = true,
};
