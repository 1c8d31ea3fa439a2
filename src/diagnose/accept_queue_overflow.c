/* accept-queue-overflow: a listener's program did not accept in time, so that its kernel ignored
 * the last ACK of a handshake (the client believes itself connected), or dropped SYNs while other
 * services of the host answered. */
#include "diagnose/connect_story.h"

#include "base/time.h"

static const char *const mechanisms[] = {"ack-ignored", "syn-dropped", NULL};

static const struct la_detail_spec details[] = {
    {"mechanism", LA_DETAIL_WORD, false, mechanisms,
     "ack-ignored: the client believed itself connected; syn-dropped: its SYNs were not answered"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent"},
    {"dropped", LA_DETAIL_INTEGER, false, NULL,
     "SYNs that were dropped, or SYN-ACKs sent again although the client had acknowledged"},
    {"waiting", LA_DETAIL_INTEGER, true, NULL,
     "attempts of this client at this service that waited for a SYN-ACK at the same time, at most; "
     "null where none did"},
    {"recovered", LA_DETAIL_BOOL, true, NULL,
     "whether the connection came about at last; null where the capture does not show it"},
    {"recovered_after", LA_DETAIL_SECONDS, true, NULL,
     "from the first SYN (or the ACK that was ignored) until then"},
    {0},
};

static void judge_cost(struct la_finding *f, const struct la_connection *c,
                       const struct connect_story *a) {
    if (a->verdict != CONNECT_ACK_IGNORED) {
        f->time_ns = a->open.syn->time_ns;
        f->delay_ns = a->open.syn_ack ? a->open.syn_ack->time_ns - a->open.syn->time_ns : -1;
        f->severity = connect_story_severity(a, f->delay_ns);
        return;
    }
    f->time_ns = a->ignored->time_ns;
    f->delay_ns = a->taken_at_last ? a->last_syn_ack->time_ns - a->ignored->time_ns : -1;
    if (a->taken_at_last)
        f->severity = severity_of_delay(f->delay_ns);
    else
        f->severity = c->side[LA_SERVER].rst > 0 ? LA_CRITICAL : LA_WARNING;
}

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct connect_story *a) {
    const char *client = endpoint_text(f, &c->side[LA_CLIENT]);
    const char *server = endpoint_text(f, &c->side[LA_SERVER]);
    if (a->verdict == CONNECT_ACK_IGNORED)
        f->summary = finding_text(
            f,
            "%s sent its SYN-ACK %u times again although %s had acknowledged it: its accept "
            "queue was full%s",
            server, a->ignored_acks, client,
            a->taken_at_last ? finding_text(f, "; accepted %s late", seconds_text(f, f->delay_ns))
                             : "");
    else
        f->summary = finding_text(
            f, "%s dropped %u SYNs of %s while other services of the host answered: %s", server,
            a->open.unanswered, client, connect_story_outcome(f, a));
}

static void fill_details(struct la_finding *f, const struct la_connection *c,
                         const struct connect_story *a) {
    bool ignored = a->verdict == CONNECT_ACK_IGNORED;
    detail_word(f, "mechanism", mechanisms[!ignored]);
    detail_integer(f, "attempts", a->open.syns);
    detail_integer(f, "dropped", ignored ? a->ignored_acks : a->open.unanswered);
    if (c->meanwhile && c->meanwhile->waiting > 0)
        detail_integer(f, "waiting", c->meanwhile->waiting);
    else
        detail_null(f, "waiting");
    if (!ignored) {
        connect_story_recovery(f, a);
    } else if (a->taken_at_last) {
        detail_bool(f, "recovered", true);
        detail_seconds(f, "recovered_after", f->delay_ns);
    } else {
        detail_null(f, "recovered");
        detail_null(f, "recovered_after");
    }
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct connect_story a;
    connect_story_read(c, &a);
    if (a.verdict != CONNECT_ACK_IGNORED && a.verdict != CONNECT_SYN_DROPPED_BY_ONE)
        return false;
    finding_start(f, LA_KIND_ACCEPT_QUEUE_OVERFLOW, c, LA_SERVER);
    judge_cost(f, c, &a);
    f->confidence = a.observed ? LA_OBSERVED : LA_INFERRED;
    summarize(f, c, &a);
    finding_blame(f, LA_ROLE_APPLICATION, &c->side[LA_SERVER].addr,
                  "the program that listens there does not accept as fast as connections come, or "
                  "its backlog is too small");
    connect_story_show(f, c, &a);
    connect_story_show_meanwhile(f, c, &a);
    finding_assume_usual(f, c, LA_SERVER);
    if (a.verdict == CONNECT_ACK_IGNORED)
        finding_exclude(f, "TCP_DEFER_ACCEPT",
                        "that sets bare ACKs aside, and sends its SYN-ACK again once only");
    else
        finding_exclude(f, "syn-retransmitted",
                        "a lossy path does not tell one service of a host from another");
    fill_details(f, c, &a);
    return true;
}

const struct la_diagnosis diagnosis_accept_queue_overflow = {
    .kind = LA_KIND_ACCEPT_QUEUE_OVERFLOW,
    .name = "accept-queue-overflow",
    .summary = "a listener dropped an attempt because its program did not accept in time",
    .details = details,
    .examine = examine,
    .of_attempt = true,
};
