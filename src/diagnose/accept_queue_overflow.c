/* accept-queue-overflow: a listener's program did not accept in time, so that its kernel ignored
 * the last ACK of a handshake (the client believes itself connected) or answered it with RST, or
 * dropped SYNs while other services of the host answered. */
#include "diagnose/connect_story.h"

#include "base/time.h"

static const char *const mechanisms[] = {"ack-ignored", "syn-dropped", "cookie-ignored",
                                         "ack-reset", NULL};

static const struct la_detail_spec details[] = {
    {"mechanism", LA_DETAIL_WORD, false, mechanisms,
     "ack-ignored: the client believed itself connected; syn-dropped: its SYNs were not answered; "
     "cookie-ignored: as ack-ignored, and the server kept nothing (SYN cookies); ack-reset: the "
     "client's ACK drew a RST (tcp_abort_on_overflow)"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent"},
    {"dropped", LA_DETAIL_INTEGER, false, NULL,
     "SYNs that were dropped; SYN-ACKs sent again although the client had acknowledged; segments "
     "of "
     "the client after a cookie; ACKs that drew a RST"},
    {"waiting", LA_DETAIL_INTEGER, true, NULL,
     "attempts of this client at this service that waited for a SYN-ACK at the same time, at most; "
     "null where none did"},
    {"recovered", LA_DETAIL_BOOL, true, NULL,
     "whether the connection came about at last; null where the capture does not show it"},
    {"recovered_after", LA_DETAIL_SECONDS, true, NULL,
     "from the first SYN (or the ACK that was ignored) until then"},
    {0},
};

static bool is_syn_dropped(const struct connect_story *a) {
    return a->verdict == CONNECT_SYN_DROPPED_BY_ONE;
}

static const char *mechanism_of(const struct connect_story *a) {
    switch (a->verdict) {
    case CONNECT_ACK_IGNORED:
        return mechanisms[0];
    case CONNECT_SYN_DROPPED_BY_ONE:
        return mechanisms[1];
    case CONNECT_COOKIE_IGNORED:
        return mechanisms[2];
    case CONNECT_ACK_RESET:
        return mechanisms[3];
    default:
        return NULL; /* not one of ours */
    }
}

static void judge_cost(struct la_finding *f, const struct la_connection *c,
                       const struct connect_story *a) {
    if (is_syn_dropped(a)) {
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
    if (is_syn_dropped(a))
        f->summary = finding_text(
            f, "%s dropped %u SYNs of %s while other services of the host answered: %s", server,
            a->open.unanswered, client, connect_story_outcome(f, a));
    else if (a->verdict == CONNECT_ACK_RESET)
        f->summary = finding_text(
            f,
            "%s reset the connection of %s when its SYN-ACK was acknowledged: its accept queue "
            "was full",
            server, client);
    else if (a->verdict == CONNECT_COOKIE_IGNORED)
        f->summary = finding_text(
            f,
            "%s ignored %u segments of %s after its SYN-ACK, which it never sent again: its "
            "accept queue was full, and the SYN-ACK a SYN cookie",
            server, a->ignored_acks, client);
    else
        f->summary = finding_text(
            f,
            "%s sent its SYN-ACK %u times again although %s had acknowledged it: its accept "
            "queue was full%s",
            server, a->ignored_acks, client,
            a->taken_at_last ? finding_text(f, "; accepted %s late", seconds_text(f, f->delay_ns))
                             : "");
}

static void exclude(struct la_finding *f, const struct connect_story *a) {
    if (is_syn_dropped(a)) {
        finding_exclude(f, "syn-retransmitted",
                        "a lossy path does not tell one service of a host from another");
    } else if (a->verdict == CONNECT_ACK_RESET) {
        finding_exclude(f, "abortive-close",
                        "a program that had accepted and reset it would send its own numbers");
        finding_exclude(f, "a listener that was closed",
                        "it would have refused the SYN that was dropped at the same time");
    } else if (a->verdict == CONNECT_COOKIE_IGNORED) {
        finding_exclude(f, "retransmission-timeout",
                        "the same service went on with another connection of this client");
    } else {
        finding_exclude(f, "TCP_DEFER_ACCEPT",
                        "that sets bare ACKs aside, and sends its SYN-ACK again once only");
    }
}

static void fill_details(struct la_finding *f, const struct la_connection *c,
                         const struct connect_story *a) {
    bool dropped = is_syn_dropped(a);
    detail_word(f, "mechanism", mechanism_of(a));
    detail_integer(f, "attempts", a->open.syns);
    detail_integer(f, "dropped", dropped ? a->open.unanswered : a->ignored_acks);
    if (c->meanwhile && c->meanwhile->waiting > 0)
        detail_integer(f, "waiting", c->meanwhile->waiting);
    else
        detail_null(f, "waiting");
    if (dropped) {
        connect_story_recovery(f, a);
    } else if (a->taken_at_last) {
        detail_bool(f, "recovered", true);
        detail_seconds(f, "recovered_after", f->delay_ns);
    } else {
        if (a->verdict == CONNECT_ACK_RESET)
            detail_bool(f, "recovered", false);
        else
            detail_null(f, "recovered");
        detail_null(f, "recovered_after");
    }
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct connect_story a;
    connect_story_read(c, &a);
    if (!mechanism_of(&a))
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
    exclude(f, &a);
    fill_details(f, c, &a);
    return true;
}

const struct la_diagnosis diagnosis_accept_queue_overflow = {
    .kind = LA_KIND_ACCEPT_QUEUE_OVERFLOW,
    .name = "accept-queue-overflow",
    .summary = "a listener dropped an attempt because its program did not accept in time",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
    .of_attempt = true,
};
