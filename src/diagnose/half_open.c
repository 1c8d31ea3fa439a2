/* half-open: one side had lost the connection, and the other did not know until it spoke: a bare
 * RST answers it; or until a SYN came over the connection that it still held (RFC 9293, 3.5.1). */
#include "diagnose/reset_story.h"
#include "diagnose/syn_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

static const char *const discoveries[] = {"data", "fin", "keepalive", "syn", NULL};
enum discovery { BY_DATA, BY_FIN, BY_KEEPALIVE, BY_SYN };

static const struct la_detail_spec details[] = {
    {"found_by", LA_DETAIL_WORD, false, discoveries, "what showed it"},
    {"idle", LA_DETAIL_SECONDS, true, NULL,
     "since the side that lost it had been heard last, until the next word"},
    {"idle_timeout", LA_DETAIL_INTEGER, true, NULL,
     "the longest idle time-out known of middleboxes that this exceeds, in seconds"},
    {"bytes_lost", LA_DETAIL_INTEGER, true, NULL, "bytes that the living side sent into the void"},
    {0},
};

/* Seconds: nf_conntrack with unacknowledged data, a cloud's network load balancer, common firewalls
 * and proxies, a firewall's hour, nf_conntrack established. */
static const int64_t idle_timeouts[] = {300, 350, 600, 3600, 432000};

/* A FIN lost before the capture would have come again meanwhile, several times. */
#define CERTAIN_NS (1500 * LA_MSEC)

/* A network that forgot a connection. -1: it was not idle so long. */
static int64_t exceeded_timeout(int64_t idle_ns) {
    int64_t longest = -1;
    for (size_t i = 0; i < sizeof idle_timeouts / sizeof idle_timeouts[0]; i++)
        if (idle_ns >= idle_timeouts[i] * LA_SEC)
            longest = idle_timeouts[i];
    return longest;
}

static void add_idle(struct la_finding *f, int64_t idle_ns) {
    int64_t timeout = idle_ns >= 0 ? exceeded_timeout(idle_ns) : -1;
    if (idle_ns >= 0)
        detail_seconds(f, "idle", idle_ns);
    else
        detail_null(f, "idle");
    if (timeout >= 0)
        detail_integer(f, "idle_timeout", timeout);
    else
        detail_null(f, "idle_timeout");
}

/* Found by its own words */

static enum discovery discovery_of(const struct la_observation *drew) {
    if (drew->class == LA_CLASS_KEEPALIVE)
        return BY_KEEPALIVE;
    return drew->payload > 0 ? BY_DATA : BY_FIN;
}

static uint32_t lost_bytes(const struct la_connection *c, unsigned living) {
    const struct la_endpoint *me = &c->side[living];
    bool fin = me->fin_seen && me->fin_end == me->next;
    uint32_t end = me->next - (fin ? 1 : 0), acked = c->side[!living].acked;
    return seq_lt(acked, end) ? end - acked : 0;
}

static void blame_reset(struct la_finding *f, const struct la_connection *c,
                        const struct reset_story *s) {
    if (s->reset->signs & LA_SIGN_TTL)
        finding_blame(f, LA_ROLE_MIDDLEBOX, NULL,
                      "the RST comes with another TTL than its host's segments: something on the "
                      "way had forgotten the connection and answers for it");
    else if (exceeded_timeout(s->idle_ns) >= 0)
        finding_blame(f, LA_ROLE_PEER, &c->side[s->side].addr,
                      "it answers as if the connection had never been: restarted, failed over, or "
                      "an idle time-out on the way took the connection from it");
    else
        finding_blame(f, LA_ROLE_PEER, &c->side[s->side].addr,
                      "it answers as if the connection had never been: restarted, failed over, "
                      "its address moved, or the RST with which it had ended was lost");
}

static void show_reset(struct la_finding *f, const struct la_connection *c,
                       const struct reset_story *s) {
    for (size_t i = s->reset->drawer; i > 0; i--) {
        if (c->log[i - 1].from != s->side)
            continue;
        finding_show(f, c, i - 1, "last word of the side that lost it");
        break;
    }
    finding_show(f, c, s->reset->drawer, "what the other side says then");
    finding_show(f, c, s->reset->index, "RST: no such connection");
}

static bool examine_reset(const struct la_connection *c, struct la_finding *f) {
    struct reset_story s;
    reset_story_read(c, &s);
    if (s.verdict != RESET_HALF_OPEN)
        return false;
    const struct la_observation *drew = &c->log[s.reset->drawer];
    enum discovery found = discovery_of(drew);
    uint32_t lost = lost_bytes(c, !s.side);
    finding_start(f, LA_KIND_HALF_OPEN, c, !s.side);
    f->time_ns = s.heard_ns + s.idle_ns;
    f->delay_ns = s.reset->where.time_ns - f->time_ns;
    f->severity = lost > 0 ? LA_CRITICAL : LA_NOTICE;
    /* Where there was no answer at all for a while, a FIN may have been lost as well. */
    bool proven = is_whole(c) && s.reset->signs == 0 && c->opening != LA_OPENING_MID_STREAM &&
                  drew->class != LA_CLASS_DATA_AGAIN && drew->class != LA_CLASS_FIN_AGAIN &&
                  s.idle_ns >= CERTAIN_NS;
    f->confidence = proven ? LA_OBSERVED : LA_INFERRED;
    const char *who = endpoint_text(f, &c->side[s.side]);
    const char *living = endpoint_text(f, &c->side[!s.side]);
    bool repeated = drew->class == LA_CLASS_DATA_AGAIN || drew->class == LA_CLASS_FIN_AGAIN;
    f->summary = finding_text(
        f, "%s had lost the connection, and %s did not know: its %s after %s%s drew a RST", who,
        living,
        found == BY_FIN    ? "FIN"
        : found == BY_DATA ? "data"
                           : "keepalive probe",
        seconds_text(f, s.idle_ns),
        repeated ? finding_text(f, ", sent again for %s,", seconds_text(f, f->delay_ns)) : "");
    blame_reset(f, c, &s);
    show_reset(f, c, &s);
    finding_assume_usual(f, c, s.side);
    finding_assume_heard(f, c, s.heard_ns, s.reset->where.time_ns);
    finding_exclude(f, "abortive-close", "no FIN or RST came before; the RST answers a segment");
    detail_word(f, "found_by", discoveries[found]);
    add_idle(f, s.idle_ns);
    detail_integer(f, "bytes_lost", lost);
    return true;
}

/* Found by the next connection's SYN */

static void blame_syn(struct la_finding *f, const struct la_connection *c,
                      const struct la_addr *client) {
    if (syn_changed_hands(c->next))
        finding_blame(f, LA_ROLE_MIDDLEBOX, client,
                      "the port was given to another host behind this address (its TTL differs) "
                      "while the connection still stood");
    else
        finding_blame(f, LA_ROLE_PEER, client,
                      "it opened its port anew without having closed: restarted, or its end had "
                      "been forgotten");
}

static int64_t last_heard(const struct la_connection *c, unsigned side, int64_t before_ns) {
    int64_t at = c->side[side].last_ns;
    if (at != LA_TIME_NONE && at < before_ns)
        return at;
    at = LA_TIME_NONE;
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side && c->log[i].time_ns < before_ns)
            at = c->log[i].time_ns;
    return at;
}

static bool examine_syn(const struct la_connection *c, struct la_finding *f) {
    if (!c->next)
        return false;
    struct syn_story s;
    syn_story_read(c->next, &s);
    bool refused = s.verdict == SYN_RECYCLED || s.verdict == SYN_OLDER_TIMESTAMP;
    if (!refused || !s.held_known || s.held != LA_ST_ESTAB)
        return false;
    unsigned lost = la_side_in(c, c->next, LA_CLIENT), living = !lost;
    finding_start(f, LA_KIND_HALF_OPEN, c, living);
    f->time_ns = s.syn->time_ns;
    f->severity = LA_NOTICE;
    bool proven = s.observed && is_whole(c) && c->opening != LA_OPENING_MID_STREAM;
    f->confidence = proven ? LA_OBSERVED : LA_INFERRED;
    int64_t heard = last_heard(c, lost, s.syn->time_ns);
    const char *who = endpoint_text(f, &c->side[lost]), *at = endpoint_text(f, &c->side[living]);
    f->summary = finding_text(
        f, "%s still held a connection that %s had lost: the next one's SYN found it", at, who);
    blame_syn(f, c, &c->side[lost].addr);
    finding_show_observation(f, s.syn, "SYN of the next connection");
    if (s.answer)
        finding_show_observation(f, s.answer, "answer for the connection that was still held");
    if (s.reset && s.reset != s.answer)
        finding_show_observation(f, s.reset, "RST that it drew");
    finding_assume_usual(f, c, living);
    if (heard != LA_TIME_NONE)
        finding_assume_heard(f, c, heard, s.syn->time_ns);
    finding_exclude(f, "abortive-close", "the RST answers for a connection that was over there");
    detail_word(f, "found_by", discoveries[BY_SYN]);
    add_idle(f, heard != LA_TIME_NONE ? s.syn->time_ns - heard : -1);
    detail_integer(f, "bytes_lost", lost_bytes(c, living));
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    return examine_reset(c, f) || examine_syn(c, f);
}

const struct la_diagnosis diagnosis_half_open = {
    .kind = LA_KIND_HALF_OPEN,
    .name = "half-open",
    .summary = "one side had lost the connection, and the other did not know",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
