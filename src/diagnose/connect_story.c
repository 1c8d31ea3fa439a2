#include "diagnose/connect_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "diagnose/reset_story.h"
#include "diagnose/syn_story.h"

/* A client that still sends SYNs when the capture ends has no failed attempt yet; after this long
 * its user has noticed all the same. */
#define TRIED_LONG_NS (7 * LA_SEC)
#define SHORTEST_GAP_NS (1 * LA_SEC)
#define PATIENCE_NS (1500 * LA_MSEC)
/* A request that a server keeps has its SYN-ACK sent again after one second and after three. */
#define SYN_ACK_DUE_NS (3500 * LA_MSEC)
/* A SYN that is dropped is sent again after a second, and again: what waits at about the same time.
 */
#define SAME_TIME_NS (3 * LA_SEC)

/* Most connections, at the cost of a few comparisons. A single SYN without any answer is left to
 * the accounts: a kernel sends it again, so it is a probe, part of a flood, or the end of the
 * capture. */
static bool is_ordinary(const struct la_connection *c) {
    const struct la_endpoint *client = &c->side[LA_CLIENT], *server = &c->side[LA_SERVER];
    bool once = client->syn < 2 && server->syn < 2;
    switch (c->opening) {
    case LA_OPENING_HANDSHAKE:
        return once && !c->meanwhile;
    case LA_OPENING_HALF_OPEN:
        return once;
    case LA_OPENING_UNANSWERED:
        return once && c->icmp_count == 0;
    case LA_OPENING_REFUSED:
        return false;
    default:
        return true;
    }
}

/* SYNs come a second apart, or each gap is twice the one before, and all of it takes no longer than
 * the client's profile says. */
static bool gave_up(const struct la_connection *c, const struct la_open_story *open) {
    int64_t before = open->syn->time_ns;
    for (const struct la_observation *o = open->syn; o < open->last_syn; o++)
        if (o->class == LA_CLASS_SYN_AGAIN)
            before = o->time_ns;
    int64_t gap = open->last_syn->time_ns - before;
    gap = gap > SHORTEST_GAP_NS ? gap : SHORTEST_GAP_NS;
    int64_t slack = gap / 2 > PATIENCE_NS ? gap / 2 : PATIENCE_NS;
    int64_t model = c->profile[LA_CLIENT]->syn_retry_total_ns;
    int64_t heard = la_heard_until(c, open->last_syn->time_ns);
    return heard - open->last_syn->time_ns > 2 * gap + slack ||
           heard - open->syn->time_ns > model + LA_SEC;
}

/* Whether it takes another way to say something than past the capture point. */
static bool is_one_way(const struct la_connection *c) {
    const struct la_meanwhile *m = c->meanwhile;
    return c->side[LA_CLIENT].acked_known || (m && m->one_way && !m->two_way);
}

static bool covers_syn(const struct la_connection *c, const struct la_observation *o) {
    return o->from == LA_CLIENT && la_covers(o, c->side[LA_SERVER].isn + 1);
}

/* SYN-ACKs that were sent again although an acknowledgement should have arrived before. With
 * TCP_DEFER_ACCEPT a bare one is set aside until data comes, and the SYN-ACK sent again once. */
static void read_ignored(const struct la_connection *c, struct connect_story *a, bool *data) {
    *data = false;
    for (size_t i = 0; i < c->log_count; i++) {
        if (c->log[i].class != LA_CLASS_SYN_ACK_AGAIN || c->log[i].from != LA_SERVER)
            continue;
        bool ignored = false;
        for (size_t j = 0; j < i; j++) {
            const struct la_observation *o = &c->log[j];
            if (!covers_syn(c, o) || la_sent_ns(c, i) <= la_arrived_ns(c, j) + LA_JITTER_NS)
                continue;
            ignored = true;
            *data = *data || o->payload > 0;
            if (!a->ignored)
                a->ignored = o;
        }
        a->ignored_acks += ignored;
        if (ignored)
            a->last_syn_ack = &c->log[i];
    }
}

static bool judge_ignored(const struct la_connection *c, struct connect_story *a) {
    bool data, near = la_reached_server(c);
    if (c->side[LA_SERVER].syn < 2 || !c->side[LA_SERVER].isn_known)
        return false;
    read_ignored(c, a, &data);
    bool proven = near && ((data && a->ignored_acks > 0) || a->ignored_acks > 1);
    if (!proven && a->ignored_acks < 3)
        return false;
    const struct la_endpoint *client = &c->side[LA_CLIENT], *server = &c->side[LA_SERVER];
    a->taken_at_last = server->data_bytes > 0 || server->fin_seen ||
                       (server->acked_known && seq_lt(client->isn + 1, server->acked));
    a->verdict = CONNECT_ACK_IGNORED;
    a->observed = proven && is_whole(c);
    return true;
}

/* The server has said nothing but its SYN-ACK before the segment at `until`. */
static bool only_syn_acks(const struct la_connection *c, size_t until) {
    for (size_t i = 0; i < until; i++)
        if (c->log[i].from == LA_SERVER && !(c->log[i].flags & LA_SYN))
            return false;
    return true;
}

/* The ACK that should have opened the connection drew a RST, as with tcp_abort_on_overflow. A
 * program that stopped to listen at that moment looks the same, and so do a host that has just
 * started and a balancer that took the ACK elsewhere; but with these a further SYN would have been
 * refused or answered. It is dropped only where the queue is full. */
static bool judge_reset(const struct la_connection *c, struct connect_story *a) {
    const struct la_meanwhile *m = c->meanwhile;
    struct reset_story r;
    if (!m || m->silent.frame == 0 || c->side[LA_SERVER].rst == 0)
        return false;
    reset_story_read(c, &r);
    if (r.verdict != RESET_UNEXPLAINED || r.side != LA_SERVER || r.reset->signs != 0 ||
        !only_syn_acks(c, r.reset->index))
        return false;
    int64_t apart = m->silent.time_ns - r.reset->where.time_ns;
    if (c->log[r.reset->index].ttl != c->side[LA_SERVER].ttl || apart > SAME_TIME_NS)
        return false;
    a->ignored = &c->log[r.reset->drawer];
    a->reset = &c->log[r.reset->index];
    a->ignored_acks = 1;
    a->verdict = CONNECT_ACK_RESET;
    return true;
}

/* Nothing that the client said after the SYN-ACK was answered, nor was that sent again, while the
 * same service served others: a SYN cookie, whose ACK found the queue full. */
static bool judge_cookie(const struct la_connection *c, struct connect_story *a) {
    const struct la_meanwhile *m = c->meanwhile;
    const struct la_endpoint *client = &c->side[LA_CLIENT], *server = &c->side[LA_SERVER];
    const struct la_repeats *repeats = client->repeats;
    if (!m || !repeats || !a->open.ack || server->syn != 1 || server->packets != server->syn ||
        !la_reached_server(c))
        return false;
    const struct la_where *last = &repeats->row.last;
    bool amidst = m->served.frame != 0 && m->served.time_ns < last->time_ns;
    if (!amidst || last->time_ns - a->open.syn_ack->time_ns < SYN_ACK_DUE_NS)
        return false;
    a->ignored = a->open.ack;
    a->ignored_acks = (repeats->original.frame != 0 ? 2u : 1u) + repeats->row.count;
    a->verdict = CONNECT_COOKIE_IGNORED;
    return true;
}

static void judge_failed(const struct la_connection *c, struct connect_story *a) {
    const struct la_open_story *open = &a->open;
    if (open->refusal || open->unreachable) {
        a->verdict = CONNECT_REFUSED;
        a->observed = true;
        int64_t at = open->refusal ? open->refusal->time_ns : open->unreachable->where.time_ns;
        a->answered_after_ns = at - open->syn->time_ns;
        return;
    }
    bool silent = !c->side[LA_SERVER].seen && !is_one_way(c);
    bool unheard = open->syn_ack_unheard && !open->ack && c->side[LA_CLIENT].rst == 0;
    bool reset = open->rejection && !open->ack && open->rejection < open->last_syn;
    bool tried = a->gave_up || a->tried_ns >= TRIED_LONG_NS;
    if (open->syns < 2 || !tried || !(silent || unheard || reset))
        return;
    a->verdict = CONNECT_UNANSWERED;
    a->rejected = reset || (unheard && open->misfit != LA_MISFIT_NONE);
    /* That nothing came back is only proven where something would have been seen. */
    a->observed = unheard || reset || (c->meanwhile && c->meanwhile->two_way);
}

void connect_story_misfit(struct la_finding *f, const struct connect_story *a) {
    static const char *const words[] = {[LA_MISFIT_NONE] = NULL,
                                        [LA_MISFIT_ACK] = "acknowledgement",
                                        [LA_MISFIT_TIMESTAMP] = "timestamp"};
    bool rejected = a->rejected || a->cause == LA_LATE_ANSWER_REJECTED;
    detail_word_or_null(f, "misfit", rejected ? words[a->open.misfit] : NULL);
}

void connect_story_blame_rejection(struct la_finding *f, const struct la_connection *c,
                                   const struct connect_story *a) {
    if (a->open.misfit != LA_MISFIT_NONE)
        finding_blame(f, LA_ROLE_MIDDLEBOX, NULL,
                      "the SYN-ACK did not fit the SYN: a broken SYN proxy or load balancer");
    else if (la_is_near(c, LA_CLIENT))
        finding_blame(f, LA_ROLE_UNKNOWN, &c->side[LA_CLIENT].addr,
                      "the SYN-ACK fits: something at the client resets it in its name, a packet "
                      "filter or another host with the same address");
    else
        finding_blame(f, LA_ROLE_UNKNOWN, NULL,
                      "the SYN-ACK fits as it passed here: something changes it on the rest of its "
                      "way, or a packet filter resets it in the client's name");
}

static void judge_dropped(const struct la_connection *c, struct connect_story *a) {
    bool by_one = la_overflow_of(c, &a->open) == LA_OVERFLOW_ACCEPT;
    a->verdict = by_one ? CONNECT_SYN_DROPPED_BY_ONE : CONNECT_SYN_DROPPED;
    a->observed = false;
}

static void judge_late(const struct la_connection *c, struct connect_story *a) {
    a->verdict = CONNECT_LATE;
    a->cause = la_late_cause_of(c, &a->observed);
    if (a->cause == LA_LATE_QUEUE_OVERFLOW)
        judge_dropped(c, a);
}

void connect_story_read(const struct la_connection *c, struct connect_story *a) {
    struct syn_story held;
    a->verdict = CONNECT_NOTHING;
    if (is_ordinary(c))
        return;
    *a = (struct connect_story){.verdict = CONNECT_NOTHING, .answered_after_ns = -1};
    syn_story_read(c, &held);
    if (held.verdict != SYN_NOTHING && held.verdict != SYN_TIME_WAIT_REUSED)
        return;
    la_open_story(c, &a->open);
    if (!a->open.syn)
        return;
    a->gave_up = gave_up(c, &a->open);
    a->tried_ns = a->open.last_syn->time_ns - a->open.syn->time_ns;
    if (judge_ignored(c, a) || judge_reset(c, a) || judge_cookie(c, a))
        return;
    if (c->opening != LA_OPENING_HANDSHAKE)
        judge_failed(c, a);
    else if (a->open.syns > 1 && c->late_cause != LA_LATE_NOT && c->late_cause != LA_LATE_HELD)
        judge_late(c, a);
    if (a->verdict == CONNECT_UNANSWERED && la_overflow_of(c, &a->open) != LA_OVERFLOW_NONE)
        judge_dropped(c, a);
}

static bool is_ignored_too(const struct la_connection *c, const struct connect_story *a,
                           const struct la_observation *o) {
    if (a->verdict == CONNECT_COOKIE_IGNORED)
        return o->from == LA_CLIENT && o->payload > 0;
    return a->verdict == CONNECT_ACK_IGNORED && covers_syn(c, o) && o < a->last_syn_ack;
}

void connect_story_show(struct la_finding *f, const struct la_connection *c,
                        const struct connect_story *a) {
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        bool syn = o->from == LA_CLIENT && (o->flags & LA_SYN);
        if (syn)
            finding_show(f, c, i, o == a->open.syn ? "SYN" : "SYN again");
        else if (o->from == LA_SERVER && (o->flags & LA_SYN))
            finding_show(f, c, i, o == a->open.first_syn_ack ? "SYN-ACK" : "SYN-ACK again");
        else if (o == a->open.refusal)
            finding_show(f, c, i, "RST|ACK to the SYN");
        else if (o == a->open.rejection)
            finding_show(f, c, i, "RST to the SYN-ACK");
        else if (o == a->ignored)
            finding_show(f, c, i, a->reset ? "ACK that drew the RST" : "ACK that was ignored");
        else if (o == a->reset)
            finding_show(f, c, i, "RST to the ACK");
        else if (is_ignored_too(c, a, o))
            finding_show(f, c, i, "ignored as well");
    }
    for (size_t i = 0; i < c->icmp_count; i++)
        if (c->icmp[i].of == LA_CLIENT && c->icmp[i].seq == a->open.syn->seq)
            finding_show_where(f, &c->icmp[i].where, "ICMP error");
}

enum la_severity connect_story_severity(const struct connect_story *a, int64_t delay_ns) {
    if (delay_ns >= 0)
        return severity_of_delay(delay_ns);
    return a->gave_up ? LA_CRITICAL : LA_WARNING;
}

const char *connect_story_outcome(struct la_finding *f, const struct connect_story *a) {
    if (a->open.syn_ack) {
        int64_t delay_ns = a->open.syn_ack->time_ns - a->open.syn->time_ns;
        return finding_text(f, "connected %s late", seconds_text(f, delay_ns));
    }
    return a->gave_up ? "the client gave up" : "the client was still trying when the capture ended";
}

void connect_story_recovery(struct la_finding *f, const struct connect_story *a) {
    if (a->open.syn_ack) {
        detail_bool(f, "recovered", true);
        detail_seconds(f, "recovered_after", a->open.syn_ack->time_ns - a->open.syn->time_ns);
        return;
    }
    if (a->gave_up)
        detail_bool(f, "recovered", false);
    else
        detail_null(f, "recovered");
    detail_null(f, "recovered_after");
}

void connect_story_show_meanwhile(struct la_finding *f, const struct la_connection *c,
                                  const struct connect_story *a) {
    const struct la_meanwhile *m = c->meanwhile;
    if (!m || a->verdict == CONNECT_ACK_IGNORED)
        return;
    if (a->verdict == CONNECT_ACK_RESET) {
        finding_show_where(f, &m->silent, "SYN to the same service, dropped and sent again");
        return;
    }
    if (a->verdict == CONNECT_COOKIE_IGNORED) {
        finding_show_where(f, &m->served, "the same service in another connection");
        return;
    }
    if (m->other.frame != 0)
        finding_show_where(f, &m->other, "SYN-ACK of another service of the host, meanwhile");
    if (m->same.frame != 0)
        finding_show_where(f, &m->same, "SYN-ACK of the same service to another attempt");
    if (m->other.frame == 0 && m->same.frame == 0)
        finding_show_where(f, &m->heard, "the host speaks in another connection");
}
