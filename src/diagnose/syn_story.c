#include "diagnose/syn_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

/* A client that waits longer than this for its next SYN has given up, or the capture ended. */
#define NEXT_SYN_NS (1500 * LA_MSEC)

/* The side of the previous incarnation that is this one's client. */
/* An end of this connection in the previous life of the 4-tuple. */
static const struct la_endpoint *formerly(const struct la_connection *c, unsigned side) {
    return &c->previous->side[la_side_in(c->previous, c, side)];
}

bool syn_changed_hands(const struct la_connection *c) {
    if (!c->previous)
        return false;
    const struct la_endpoint *old = formerly(c, LA_CLIENT);
    return old->seen && old->ttl != c->side[LA_CLIENT].ttl;
}

static void read_attempt(const struct la_connection *c, struct syn_story *s) {
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        bool syn = o->from == LA_CLIENT && (o->flags & (LA_SYN | LA_ACK)) == LA_SYN;
        if (syn && !s->syn)
            s->syn = o;
        if (syn && !s->syn_ack)
            s->attempts++;
        if (o->class == LA_CLASS_SYN_ACK && !s->syn_ack)
            s->syn_ack = o;
    }
}

/* What the old incarnation's server says after it can have had the new SYN, and before that is
 * accepted. Its FIN is sent by its own timer and may come at any time. */
static bool is_refusal(const struct la_connection *c, const struct syn_story *s,
                       const struct la_observation *o, unsigned server) {
    bool speaks = o->from == server && !(o->flags & (LA_RST | LA_SYN)) && (o->flags & LA_ACK);
    if (!speaks || o->time_ns < s->syn->time_ns ||
        (s->syn_ack && o->time_ns >= s->syn_ack->time_ns))
        return false;
    /* An acknowledgement of the new SYN, or of what followed it, refuses nothing. */
    enum { NEW_SPACE = 65536 };
    if (seq_lt(s->syn->seq, o->ack) && o->ack - s->syn->seq <= NEW_SPACE)
        return false;
    int64_t turnaround = c->vantage.turnaround_ns[LA_SERVER];
    return (o->flags & LA_FIN) || turnaround <= 0 ||
           o->time_ns - s->syn->time_ns >= turnaround / 2 - LA_MSEC;
}

static void find_refusal_in(const struct la_connection *c, const struct la_connection *log,
                            unsigned server, struct syn_story *s) {
    bool own = c == log;
    for (size_t i = 0; i < log->log_count; i++) {
        const struct la_observation *o = &log->log[i];
        /* In the attempt's own log only what does not belong there can be for an old connection. */
        bool foreign = !own || o->class == LA_CLASS_OUTSIDE;
        if (!s->answer && foreign && is_refusal(c, s, o, server)) {
            s->answer = o;
            s->refusal = o->flags & LA_FIN ? REFUSED_BY_FIN : REFUSED_BY_ACK;
        }
        bool drawn = s->answer && o->from != server && (o->flags & LA_RST) &&
                     o->seq == s->answer->ack && o->time_ns >= s->answer->time_ns;
        if (drawn && !s->reset)
            s->reset = o;
    }
}

/* RST|ACK straight to the SYN. A client that says anything else has been accepted, though the
 * capture missed how. */
static void find_direct_reset(const struct la_connection *c, struct syn_story *s) {
    for (size_t i = 0; i < c->log_count && !s->answer && !s->syn_ack; i++) {
        const struct la_observation *o = &c->log[i];
        bool answers = (o->flags & (LA_RST | LA_ACK)) == (LA_RST | LA_ACK) &&
                       o->ack == s->syn->seq + s->syn->payload + 1;
        if (o->from == LA_CLIENT && !(o->flags & (LA_SYN | LA_RST)) && o->class != LA_CLASS_OUTSIDE)
            return;
        if (o->from == LA_SERVER && answers && o->exact) {
            s->answer = o;
            s->reset = o;
            s->refusal = REFUSED_BY_RST;
        }
    }
}

/* What an end held at `ns`; what the new SYN itself did to it does not count. */
static enum la_state state_at(const struct la_endpoint *end, int64_t ns, int64_t *since) {
    enum la_state state = LA_ST_CLOSED;
    for (size_t i = 0; i < end->change_count && end->changes[i].time_ns < ns; i++) {
        uint8_t event = end->changes[i].event;
        if (event == LA_EV_RECV_SYN_REUSE || event == LA_EV_RECV_SYN_REFUSED ||
            event == LA_EV_TAKEN_OVER)
            break;
        state = (enum la_state)end->changes[i].state;
        *since = end->changes[i].time_ns;
    }
    return state;
}

/* The history's last word that a SYN took the 4-tuple over while TIME-WAIT held it. */
static bool taken_over(const struct la_endpoint *end, enum la_event event, int64_t *since) {
    for (size_t i = 1; i < end->change_count; i++)
        if (end->changes[i].event == event && end->changes[i - 1].state == LA_ST_TIME_WAIT) {
            *since = end->changes[i - 1].time_ns;
            return true;
        }
    return false;
}

static void read_held(const struct la_connection *c, struct syn_story *s) {
    const struct la_endpoint *server = formerly(c, LA_SERVER);
    int64_t arrived = s->syn->time_ns + la_one_way_ns(c, LA_SERVER);
    s->held = state_at(server, arrived, &s->held_since_ns);
    s->held_since_known = s->held == LA_ST_TIME_WAIT;
    s->held_known = s->held != LA_ST_UNKNOWN && s->held != LA_ST_CLOSED;
    /* LAST-ACK, or after FINs that crossed CLOSING and TIME-WAIT: its first FIN would tell. */
    struct la_fin_story fin;
    if (s->held == LA_ST_LAST_ACK && server->fin_seen && !server->fin_unseen) {
        la_fin_story(c->previous, la_side_in(c->previous, c, LA_SERVER), &fin);
        s->held_known = fin.passive;
    }
    s->server_unseen = !server->seen;
}

static void read_isn_step(const struct la_connection *c, struct syn_story *s) {
    const struct la_endpoint *before = formerly(c, s->reused_by), *now = &c->side[s->reused_by];
    s->isn_step_known = before->seen && now->isn_known;
    s->isn_step = s->isn_step_known && now->isn - before->next == LA_TIME_WAIT_ISN_STEP;
}

static void read_reuse(const struct la_connection *c, struct syn_story *s) {
    if (taken_over(formerly(c, LA_SERVER), LA_EV_RECV_SYN_REUSE, &s->held_since_ns))
        s->reused_by = LA_SERVER;
    else if (!syn_changed_hands(c) &&
             taken_over(formerly(c, LA_CLIENT), LA_EV_TAKEN_OVER, &s->held_since_ns))
        s->reused_by = LA_CLIENT;
    else
        return;
    s->verdict = SYN_TIME_WAIT_REUSED;
    s->held_since_known = true;
    read_isn_step(c, s);
    s->observed = s->isn_step || (is_whole(c->previous) && c->previous->ending == LA_ENDING_FIN);
}

/* The ACK that refuses a SYN discloses what its sender remembers (TSecr); otherwise the old
 * incarnation's last TSval is what it must have remembered. */
static bool is_older_than_remembered(const struct la_connection *c, struct syn_story *s) {
    const struct la_observation *syn = s->syn;
    if (!(syn->options & LA_HAS_TIMESTAMPS))
        return false;
    if (s->answer && (s->answer->options & LA_HAS_TIMESTAMPS) && s->answer->tsecr != 0) {
        s->remembered_known = true;
        s->remembered_tsval = s->answer->tsecr;
    } else if (c->previous && formerly(c, LA_CLIENT)->timestamps_used) {
        s->remembered_known = true;
        s->remembered_tsval = formerly(c, LA_CLIENT)->tsval;
    }
    return s->remembered_known && seq_lt(syn->tsval, s->remembered_tsval);
}

static void judge_refusal(const struct la_connection *c, struct syn_story *s) {
    /* A forged SYN draws a challenge as well: the true client knows the ACK and says nothing, and
     * no SYN follows. */
    if (!s->reset && s->attempts < 2)
        return;
    /* It answers for an attempt whose SYN-ACK the capture never saw. */
    if (!s->held_known && c->previous && s->server_unseen &&
        s->answer->ack == formerly(c, LA_CLIENT)->isn + 1) {
        s->held_known = true;
        s->held = LA_ST_SYN_RECV;
    }
    /* Its sequence number lies beyond what its peer had acknowledged: it has sent a FIN, or data,
     * that the capture may have missed. */
    bool open = s->held == LA_ST_CLOSE_WAIT || s->held == LA_ST_ESTAB;
    bool beyond = c->previous && s->refusal == REFUSED_BY_ACK &&
                  formerly(c, LA_CLIENT)->acked_known &&
                  seq_lt(formerly(c, LA_CLIENT)->acked, s->answer->seq);
    /* The FIN that it answers with may be a repeat of one that was lost before here. */
    bool again = open && s->refusal == REFUSED_BY_FIN && !la_is_near(c, LA_SERVER);
    if ((beyond && open) || again)
        s->held_known = false;
    bool older = is_older_than_remembered(c, s);
    /* A full socket challenges any SYN; only TIME-WAIT looks at the timestamp, and it had its FIN
     * acknowledged. Where the capture does not know what was held, the disclosed timestamp decides.
     */
    bool decides = s->held == LA_ST_TIME_WAIT ||
                   (!s->held_known && s->held != LA_ST_LAST_ACK && !again && !beyond);
    s->verdict = older && decides ? SYN_OLDER_TIMESTAMP : SYN_RECYCLED;
    bool disclosed = s->answer->options & LA_HAS_TIMESTAMPS;
    if (s->verdict == SYN_OLDER_TIMESTAMP)
        s->observed = disclosed;
    else
        s->observed = c->previous != NULL && s->reset != NULL && (s->held_known || again);
}

/* A host that answers a SYN over TIME-WAIT with silence (RFC 6191 taken literally): told from loss
 * only next to the server, and from a full queue only by its end. */
static void judge_silence(const struct la_connection *c, struct syn_story *s) {
    bool per_connection = s->held_known && s->held == LA_ST_TIME_WAIT &&
                          c->profile[LA_SERVER]->time_wait_knows_timestamps;
    if (s->attempts < 2 || !la_is_near(c, LA_SERVER) || !per_connection ||
        !is_older_than_remembered(c, s))
        return;
    s->verdict = SYN_OLDER_TIMESTAMP;
    s->refusal = REFUSED_BY_SILENCE;
}

/* tcp_tw_recycle: silence for a SYN older than what the server may remember of its host, while a
 * newer one of the same host is answered. */
static void judge_host(const struct la_connection *c, struct syn_story *s) {
    const struct la_recycle *r = c->recycle;
    if (!r || r->refuted || s->attempts < 2 || s->answer)
        return;
    bool answered = r->answered.frame != 0;
    bool possible = c->profile[LA_SERVER]->tw_recycle_possible;
    bool near = la_is_near(c, LA_SERVER);
    if (!answered && !(possible && near))
        return;
    s->verdict = SYN_OLDER_THAN_HOST;
    s->refusal = REFUSED_BY_SILENCE;
    s->remembered_known = true;
    s->remembered_tsval = r->stored_tsval;
    s->observed = answered && near;
}

void syn_story_read(const struct la_connection *c, struct syn_story *story) {
    story->verdict = SYN_NOTHING;
    bool resets = c->side[LA_CLIENT].rst > 0 || c->side[LA_SERVER].rst > 0;
    if (!c->previous && !c->recycle && !resets && c->side[LA_CLIENT].syn < 2)
        return; /* an attempt like any other */
    *story = (struct syn_story){.verdict = SYN_NOTHING};
    read_attempt(c, story);
    if (!story->syn || c->opening == LA_OPENING_SIMULTANEOUS)
        return;
    if (c->previous) {
        read_held(c, story);
        find_refusal_in(c, c->previous, la_side_in(c->previous, c, LA_SERVER), story);
    }
    if (!story->answer)
        find_refusal_in(c, c, LA_SERVER, story);
    if (!story->answer && story->held_known)
        find_direct_reset(c, story);
    /* A client sends its SYN again after it has reset the answer to it. One that never did goes on
     * under another port, which a gateway has given it, or had no patience: that does not show. */
    story->gave_up = !story->syn_ack && story->attempts > 1 &&
                     la_heard_until(c, c->last.time_ns) - c->last.time_ns > NEXT_SYN_NS;
    if (story->answer)
        judge_refusal(c, story);
    else if (story->syn_ack && story->attempts == 1 && c->previous)
        read_reuse(c, story);
    else
        judge_silence(c, story);
    if (story->verdict == SYN_NOTHING)
        judge_host(c, story);
    if (story->verdict == SYN_NOTHING && story->syn_ack && c->previous)
        read_reuse(c, story);
}

bool syn_story_failed(const struct syn_story *story) {
    return !story->syn_ack && (story->gave_up || story->refusal == REFUSED_BY_RST);
}

int64_t syn_story_delay_ns(const struct syn_story *story) {
    return story->syn_ack ? story->syn_ack->time_ns - story->syn->time_ns : -1;
}

const char *syn_story_outcome(struct la_finding *f, const struct syn_story *story) {
    if (story->syn_ack)
        return finding_text(f, "connected %s late", seconds_text(f, syn_story_delay_ns(story)));
    return syn_story_failed(story) ? "no SYN got through" : "no further SYN was captured";
}

void syn_story_show(struct la_finding *f, const struct la_connection *c,
                    const struct syn_story *story) {
    static const char *const answers[] = {
        [REFUSED_BY_ACK] = "ACK of the old connection",
        [REFUSED_BY_FIN] = "FIN of the old connection",
        [REFUSED_BY_RST] = "RST|ACK to the SYN",
    };
    finding_show_observation(f, story->syn, "SYN");
    if (story->answer)
        finding_show_observation(f, story->answer, answers[story->refusal]);
    if (story->reset && story->reset != story->answer)
        finding_show_observation(f, story->reset, "RST that it drew");
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->class == LA_CLASS_SYN_AGAIN && o->from == LA_CLIENT)
            finding_show_observation(f, o, "SYN again");
    }
    if (story->syn_ack)
        finding_show_observation(f, story->syn_ack, "SYN-ACK");
}

void syn_story_details(struct la_finding *f, const struct syn_story *story) {
    if (story->syn_ack)
        detail_bool(f, "recovered", true);
    else if (syn_story_failed(story))
        detail_bool(f, "recovered", false);
    else
        detail_null(f, "recovered");
    if (story->syn_ack)
        detail_seconds(f, "recovered_after", syn_story_delay_ns(story));
    else
        detail_null(f, "recovered_after");
}
