#include "track/open_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/fin_story.h"

/* A SYN-ACK is sent again after a second; later than this by its own timestamps one was under way.
 */
#define SYN_ACK_AGAIN_NS (900 * LA_MSEC)
#define LATE_NS (300 * LA_MSEC)
#define PATIENCE_NS (1500 * LA_MSEC)

static bool is_syn_ack(const struct la_observation *o) {
    return o->class == LA_CLASS_SYN_ACK || o->class == LA_CLASS_SYN_ACK_AGAIN;
}

static bool is_syn(const struct la_observation *o) {
    return o->from == LA_CLIENT && (o->class == LA_CLASS_SYN || o->class == LA_CLASS_SYN_AGAIN);
}

static int64_t sent_ns(const struct la_connection *c, const struct la_observation *o) {
    return la_sent_ns(c, (size_t)(o - c->log));
}

static int64_t arrived_ns(const struct la_connection *c, const struct la_observation *o) {
    return la_arrived_ns(c, (size_t)(o - c->log));
}

static void take_server(struct la_open_story *s, const struct la_observation *o) {
    if (is_syn_ack(o)) {
        if (!s->first_syn_ack)
            s->first_syn_ack = o;
        s->syn_ack = o;
        s->syn_acks++;
    }
    if ((o->flags & LA_RST) && o->exact && !s->first_syn_ack && !s->refusal)
        s->refusal = o;
}

/* Of the latest SYN-ACK. A timestamp is only held against the SYNs that passed. */
static enum la_misfit misfit_of(const struct la_open_story *s) {
    const struct la_observation *first = s->syn, *answer = s->syn_ack;
    uint32_t end = first->seq + 1 + first->payload;
    if (!seq_lt(first->seq, answer->ack) || seq_lt(end, answer->ack))
        return LA_MISFIT_ACK;
    bool stamped = first->options & answer->options & LA_HAS_TIMESTAMPS;
    bool fits = seq_leq(first->tsval, answer->tsecr) && seq_leq(answer->tsecr, s->last_syn->tsval);
    return stamped && answer->tsecr != 0 && !fits ? LA_MISFIT_TIMESTAMP : LA_MISFIT_NONE;
}

static void take_client(const struct la_connection *c, struct la_open_story *s,
                        const struct la_observation *o) {
    if (is_syn(o)) {
        if (!s->syn)
            s->syn = o;
        s->last_syn = o;
        s->syns++;
        if (s->first_syn_ack && sent_ns(c, o) > arrived_ns(c, s->first_syn_ack) + LA_JITTER_NS)
            s->syn_ack_unheard = true;
        return;
    }
    bool fits = s->syn_ack && (o->flags & LA_ACK) && o->class != LA_CLASS_OUTSIDE &&
                seq_lt(s->syn_ack->seq, o->ack);
    if (fits && !(o->flags & LA_RST)) {
        s->ack = o;
    } else if (s->syn_ack && (o->flags & (LA_RST | LA_ACK)) == LA_RST && !s->rejection) {
        /* Whatever its number: on the way from here something may have changed the SYN-ACK's. */
        s->rejection = o;
        s->misfit = misfit_of(s);
    }
}

/* Of several SYN-ACKs the last that can have reached the client before it answered: an earlier one
 * that had would have been answered. */
static void settle_syn_ack(const struct la_connection *c, struct la_open_story *s) {
    if (s->syn_acks < 2 || !s->ack)
        return;
    s->syn_acks = 0;
    for (const struct la_observation *o = s->first_syn_ack; o < s->ack; o++) {
        bool in_time = arrived_ns(c, o) <= sent_ns(c, s->ack) + LA_JITTER_NS;
        if (!is_syn_ack(o) || o->from != LA_SERVER || (s->syn_acks > 0 && !in_time))
            continue;
        s->syn_ack = o;
        s->syn_acks++;
    }
}

/* SYNs before the last one that can have been answered. */
static void count_unanswered(struct la_open_story *s) {
    const struct la_observation *latest = NULL;
    if (s->syns < 2 && s->first_syn_ack)
        return;
    for (const struct la_observation *o = s->syn; o <= s->last_syn; o++) {
        if (o->from != LA_CLIENT || !(o->flags & LA_SYN) ||
            (s->first_syn_ack && o > s->first_syn_ack))
            continue;
        if (latest || !s->first_syn_ack) {
            s->unanswered++;
            s->last_unanswered = s->first_syn_ack ? latest : o;
        }
        latest = o;
    }
}

void la_open_story(const struct la_connection *c, struct la_open_story *story) {
    *story = (struct la_open_story){0};
    /* What comes behind the client's acknowledgement opens nothing. */
    for (size_t i = 0; i < c->log_count && !story->ack; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == LA_CLIENT)
            take_client(c, story, o);
        else if (story->syn)
            take_server(story, o);
    }
    settle_syn_ack(c, story);
    if (!story->ack && story->syn_ack && !story->rejection)
        story->misfit = misfit_of(story);
    if (story->syn)
        count_unanswered(story);
    for (size_t i = 0; story->syn && i < c->icmp_count; i++) {
        const struct la_icmp_error *error = &c->icmp[i];
        enum la_icmp_meaning meaning = la_icmp_meaning(error);
        bool hard = meaning != LA_ICMP_TOO_BIG && meaning != LA_ICMP_OTHER;
        if (hard && error->of == LA_CLIENT && error->seq == story->syn->seq && !story->unreachable)
            story->unreachable = error;
    }
}

bool la_was_probed(const struct la_connection *c) {
    const struct la_endpoint *client = &c->side[LA_CLIENT], *server = &c->side[LA_SERVER];
    bool refused_at_most = client->packets > client->rst && server->packets == server->rst;
    for (size_t i = 0; refused_at_most && i < c->log_count; i++)
        if (c->log[i].from == LA_CLIENT && !(c->log[i].flags & LA_RST))
            return !(c->log[i].flags & (LA_SYN | LA_ACK));
    return false;
}

int64_t la_connect_delay_ns(const struct la_connection *c) {
    struct la_open_story s;
    if (c->opening != LA_OPENING_HANDSHAKE || c->opened_ns == LA_TIME_NONE)
        return -1;
    la_open_story(c, &s);
    return s.syn && s.syn_ack ? s.syn_ack->time_ns - s.syn->time_ns : -1;
}

/* Between the SYN and the SYN-ACK something was said for an earlier connection of that name. */
static bool was_held(const struct la_connection *c, const struct la_open_story *s) {
    const struct la_connection *old = c->previous;
    for (size_t i = 0; old && i < old->log_count; i++)
        if (old->log[i].time_ns >= s->syn->time_ns && old->log[i].time_ns <= s->syn_ack->time_ns)
            return true;
    for (size_t i = 0; i < c->log_count && &c->log[i] < s->syn_ack; i++)
        if (c->log[i].from == LA_SERVER && c->log[i].class == LA_CLASS_OUTSIDE)
            return true;
    return c->recycle && !c->recycle->refuted;
}

/* The SYN whose timestamp the SYN-ACK echoes: Linux keeps that of the first one that it took for as
 * long as the request lives. NULL when that is not told. */
static const struct la_observation *find_answered(const struct la_connection *c,
                                                  const struct la_open_story *s) {
    const struct la_observation *found = NULL;
    if (!(s->first_syn_ack->options & LA_HAS_TIMESTAMPS) ||
        !c->profile[LA_SERVER]->time_wait_freezes_ts_recent)
        return NULL;
    for (const struct la_observation *o = s->syn; o <= s->last_syn; o++)
        if (is_syn(o) && (o->options & LA_HAS_TIMESTAMPS) && o->tsval == s->first_syn_ack->tsecr) {
            if (found)
                return NULL; /* a coarse clock: two SYNs of one tick */
            found = o;
        }
    return found;
}

bool la_reached_server(const struct la_connection *c) {
    const struct la_vantage *v = &c->vantage;
    bool same = la_addr_cmp(&c->side[LA_CLIENT].addr, &c->side[LA_SERVER].addr) == 0;
    bool measured = v->turnaround_ns[LA_CLIENT] >= 0 && v->turnaround_ns[LA_SERVER] >= 0;
    bool next_to_it = la_is_near(c, LA_SERVER) || (measured && v->kind == LA_VANTAGE_UNKNOWN);
    return same || (next_to_it && !la_is_behind_router(c, LA_SERVER));
}

/* How much later than the server's next segments the SYN-ACK came by, measured by its timestamp
 * clock (1 ms on Linux): it was under way for that long, and is no repeat. 0 where that is not
 * told. */
static int64_t lateness_ns(const struct la_connection *c, const struct la_observation *syn_ack) {
    const struct la_endpoint *server = &c->side[LA_SERVER];
    int64_t ticks = seq_diff(server->tsval, syn_ack->tsval);
    int64_t elapsed = server->last_ns - syn_ack->time_ns;
    if (!(syn_ack->options & LA_HAS_TIMESTAMPS) || ticks <= 0 || elapsed <= 0)
        return 0;
    return ticks * LA_MSEC - elapsed;
}

/* No SYN-ACK passed before the last SYN. What came may also have been overtaken: nothing here is
 * more than likely. */
static enum la_late_cause cause_of_silence(const struct la_connection *c,
                                           const struct la_open_story *s) {
    const struct la_observation *answered = find_answered(c, s);
    if (!answered || answered == s->last_syn) {
        if (la_reached_server(c))
            return LA_LATE_SYN_DROPPED;
        return answered ? LA_LATE_SYN_LOST : LA_LATE_UNKNOWN;
    }
    int64_t turnaround = c->vantage.turnaround_ns[LA_SERVER];
    int64_t took = s->first_syn_ack->time_ns - answered->time_ns;
    if (lateness_ns(c, s->first_syn_ack) > LATE_NS ||
        (turnaround > 0 && took < 2 * turnaround + LA_JITTER_NS))
        return LA_LATE_SLOW_ANSWER;
    return la_reached_server(c) || turnaround < 0 ? LA_LATE_UNKNOWN : LA_LATE_SYN_ACK_LOST;
}

/* A SYN-ACK passed before the last SYN: the client's acknowledgement echoes the one that it got
 * first. When that one came a second or more after the SYN that it answers, and not late, it was
 * itself sent again: an earlier one was lost before it came by here. */
static enum la_late_cause cause_of_answered(const struct la_connection *c,
                                            const struct la_open_story *s, bool *observed) {
    const struct la_observation *first = s->first_syn_ack;
    unsigned both = first->options & (s->ack ? s->ack->options : 0u);
    *observed = both & LA_HAS_TIMESTAMPS;
    bool arrived = *observed ? s->ack->tsecr == first->tsval : !s->syn_ack_unheard;
    if (!arrived)
        return la_is_near(c, LA_CLIENT) ? LA_LATE_UNKNOWN : LA_LATE_SYN_ACK_LOST;
    const struct la_observation *answered = find_answered(c, s);
    int64_t took = first->time_ns - (answered ? answered : s->syn)->time_ns;
    if (took < SYN_ACK_AGAIN_NS)
        return LA_LATE_SLOW_ANSWER; /* it came, but after the client had sent its SYN again */
    *observed = false;
    return lateness_ns(c, first) > LATE_NS ? LA_LATE_SLOW_ANSWER : LA_LATE_SYN_ACK_LOST;
}

bool la_is_meanwhile(const struct la_open_story *s, const struct la_where *where) {
    int64_t until =
        s->first_syn_ack ? s->first_syn_ack->time_ns : s->last_syn->time_ns + PATIENCE_NS;
    return where->frame != 0 && where->time_ns >= s->syn->time_ns && where->time_ns <= until;
}

/* Whether the host spoke amidst the silence: between two SYNs that were not answered, so that
 * neither the path nor the host was down for all of it. Next to the server there is no path, and a
 * host that had hung would have found the SYNs when it came to. */
static bool is_amidst(const struct la_connection *c, const struct la_open_story *s,
                      const struct la_where *where) {
    bool before = where->time_ns <= s->last_unanswered->time_ns || la_reached_server(c);
    return la_is_meanwhile(s, where) && before;
}

/* It is known to listen, its host is there, and more SYNs were dropped than a path loses. What the
 * old owner of a held 4-tuple, or tcp_tw_recycle, may have silenced is not counted. */
enum la_overflow la_overflow_of(const struct la_connection *c, const struct la_open_story *s) {
    const struct la_meanwhile *m = c->meanwhile;
    bool near = la_reached_server(c);
    bool other_reason = c->previous || (c->recycle && !c->recycle->refuted) || s->refusal ||
                        s->unreachable || s->rejection || s->syn_ack_unheard;
    bool listens = s->syn_ack || (m && la_is_meanwhile(s, &m->same));
    if (!m || other_reason || !listens || s->unanswered < 2)
        return LA_OVERFLOW_NONE;
    if (is_amidst(c, s, &m->other) && (near || m->waiting > 1))
        return LA_OVERFLOW_ACCEPT;
    if (near && (is_amidst(c, s, &m->heard) || is_amidst(c, s, &m->same)))
        return LA_OVERFLOW_ANY;
    return LA_OVERFLOW_NONE;
}

enum la_late_cause la_late_cause_of(const struct la_connection *c, bool *observed) {
    struct la_open_story s;
    bool unused;
    observed = observed ? observed : &unused;
    *observed = false;
    bool once = c->side[LA_CLIENT].syn < 2 && c->side[LA_SERVER].syn < 2;
    if (once || c->opening != LA_OPENING_HANDSHAKE)
        return LA_LATE_NOT;
    la_open_story(c, &s);
    if (!s.syn_ack || (s.syns < 2 && s.syn_acks < 2))
        return LA_LATE_NOT;
    if (was_held(c, &s))
        return LA_LATE_HELD;
    if (s.refusal || (s.unreachable && s.unreachable->where.time_ns < s.syn_ack->time_ns)) {
        *observed = true;
        return LA_LATE_REFUSED;
    }
    if (s.rejection) {
        *observed = true;
        return LA_LATE_ANSWER_REJECTED;
    }
    bool answered = s.syn_acks > 1 || s.last_syn > s.first_syn_ack;
    enum la_late_cause cause =
        answered ? cause_of_answered(c, &s, observed) : cause_of_silence(c, &s);
    bool got_through = cause == LA_LATE_SYN_ACK_LOST || cause == LA_LATE_SLOW_ANSWER;
    if (got_through || la_overflow_of(c, &s) == LA_OVERFLOW_NONE)
        return cause;
    *observed = false;
    return LA_LATE_QUEUE_OVERFLOW;
}
