/* Both ends through the state table, with hindsight.
 *
 * For each end the log is put in the order of that end's own clock: what it sent, when it left;
 * what came to it, when it arrived, if it did. Each line becomes events of the state table; between
 * lines the timers of the state run. */
#include "track/settle.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/listening.h"
#include "track/old_copy.h"
#include "track/open_story.h"
#include "track/waits.h"

#include <string.h>

#define QUIET_NS (1500 * LA_MSEC)
#define RTO_MAX_NS (120 * LA_SEC)

/* A line of the log, an ICMP error, or a SYN of the next incarnation, at the end's local time. */
struct step {
    int64_t at;
    const struct la_observation *observation; /* NULL: `icmp` it is */
    const struct la_icmp_error *icmp;
    bool own;       /* sent by this end */
    bool next_life; /* belongs to the next incarnation */
};

enum { MAX_STEPS = 1024 };

/* What this end sent again without an answer, its FIN or the data before that: the times of the
 * first two copies and of the last one. */
struct repeats {
    size_t count;
    int64_t first, second, last;
    int64_t timer; /* behind the last gap; 0: there is none */
    bool of_fin;   /* the FIN itself, not what stands before it */
};

struct machine {
    const struct la_connection *c;
    const struct view *view;
    unsigned side;
    enum la_state state;
    struct la_change *changes;
    size_t change_count;
    uint64_t dropped;      /* steps without room */
    int64_t timer_from_ns; /* what the state's timer counts from */
    bool fin_sent, fin_received;
    bool holes; /* the capture missed packets of this connection */
    struct repeats repeats;
};

static const struct la_endpoint *me_of(const struct machine *m) {
    return &m->c->side[m->side];
}

static const struct la_endpoint *peer_of(const struct machine *m) {
    return &m->c->side[!m->side];
}

/* What made a change: its time, its packet if any, and whether that is sure. */
struct cause {
    int64_t at;
    const struct la_observation *observation; /* NULL: a timer, or `icmp` */
    bool certain;
    const struct la_icmp_error *icmp;
};

static void enter(struct machine *m, enum la_state state, enum la_event event, struct cause cause) {
    if (m->change_count == m->view->change_capacity)
        return;
    if (m->change_count > 0 && m->changes[m->change_count - 1].time_ns > cause.at)
        cause.at = m->changes[m->change_count - 1].time_ns; /* two estimates crossed */
    const struct la_observation *o = cause.observation;
    if (m->holes)
        cause.certain = false; /* what the capture missed may have said otherwise */
    m->changes[m->change_count++] = (struct la_change){
        .time_ns = cause.at,
        .frame = o            ? o->frame
                 : cause.icmp ? cause.icmp->where.frame
                              : 0,
        .input = o            ? o->input
                 : cause.icmp ? cause.icmp->where.input
                              : 0,
        .state = (uint8_t)state,
        .event = (uint8_t)event,
        .certain = cause.certain,
    };
    m->state = state;
    m->timer_from_ns = cause.at;
}

static void apply(struct machine *m, enum la_event event, struct cause cause) {
    enum la_state next = la_state_next(m->state, event);
    bool restarts = m->state == LA_ST_TIME_WAIT &&
                    (event == LA_EV_RECV_FIN_AGAIN || event == LA_EV_RECV_SYN_OLDER);
    if (next != m->state)
        enter(m, next, event, cause);
    else if (restarts)
        m->timer_from_ns = cause.at;
    m->fin_sent = m->fin_sent || event == LA_EV_SEND_FIN;
    m->fin_received =
        m->fin_received || event == LA_EV_RECV_FIN || event == LA_EV_RECV_FIN_WITH_ACK_OF_FIN;
}

/* A bare RST from a host that should have had a socket: it was gone before, unseen. */
static void doubt_last(struct machine *m) {
    if (m->change_count > 0)
        m->changes[m->change_count - 1].certain = false;
}

/* What this end sends comes by here: nothing lies between, or too short a way without a router. */
static bool is_next_to(const struct machine *m) {
    bool short_way = m->c->vantage.kind == LA_VANTAGE_UNKNOWN;
    return la_is_near(m->c, m->side) || (short_way && !la_is_behind_router(m->c, m->side));
}

static bool is_open(enum la_state state) {
    return state == LA_ST_ESTAB || state == LA_ST_CLOSE_WAIT;
}

/* Timers */

static bool speaks_after(const struct machine *m, int64_t at) {
    for (size_t i = 0; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o->from == m->side && !(o->flags & LA_RST) && m->view->times[i].sent_ns > at)
            return true;
    }
    return false;
}

static struct repeats fin_repeats(const struct machine *m) {
    struct repeats r = {.of_fin = true};
    for (size_t i = 0; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o->from != m->side || !(o->flags & LA_FIN))
            continue;
        int64_t before = r.last;
        r.last = m->view->times[i].sent_ns;
        if (r.count == 0)
            r.first = r.last;
        if (r.count == 1)
            r.second = r.last;
        if (r.count > 0)
            r.timer = la_doubled_timer(r.timer, r.last - before);
        r.count++;
    }
    return r;
}

/* Data that was never acknowledged stands before a FIN, and is repeated in its place. */
static struct repeats data_repeats(const struct machine *m) {
    const struct la_row *row = &me_of(m)->repeats->row;
    int64_t way = la_one_way_ns(m->c, m->side);
    struct repeats r = {.count = (size_t)row->count + 1,
                        .second = row->first.time_ns - way,
                        .last = row->last.time_ns - way,
                        .timer = row->timer_ns};
    r.first =
        me_of(m)->repeats->original.frame ? me_of(m)->repeats->original.time_ns - way : r.second;
    if (row->count < 2)
        r.timer = r.last - r.first;
    return r;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* Probes of a closed window that are not answered any more. */
static struct repeats probe_repeats(const struct machine *m, const struct la_stall *stall) {
    int64_t way = la_one_way_ns(m->c, m->side);
    struct repeats r = {.count = (size_t)stall->unanswered + 1,
                        .second = stall->waiting.time_ns - way,
                        .last = stall->probes.last.time_ns - way,
                        .timer = stall->probes.timer_ns};
    r.first = r.second;
    return r;
}

/* What this end sends again without an answer. */
static struct repeats repeats_of(const struct machine *m) {
    const struct la_stalls *stalls = peer_of(m)->stalls;
    bool closed = stalls && stalls->last.closed.frame != 0 && stalls->last.opened.frame == 0;
    if (me_of(m)->repeats)
        return data_repeats(m);
    return closed && stalls->last.unanswered > 1 ? probe_repeats(m, &stalls->last) : fin_repeats(m);
}

/* When a socket is given up that repeats something in vain: gaps double, and the first timer after
 * the model's time finds it too old. Where a repeat was due that did not come, it stopped before
 * that for a reason that the capture does not show. */
static int64_t given_up(const struct machine *m, int64_t total_ns, bool *stopped) {
    const struct la_profile *profile = m->c->profile[m->side];
    struct repeats r = m->repeats;
    int64_t gap = profile->rto_min_ns + la_round_trip_ns(m->c);
    if (r.count > 1)
        gap = 2 * clamp(r.timer, profile->rto_min_ns / 2, RTO_MAX_NS / 2);
    int64_t due = r.last + gap;
    int64_t started = r.count > 1 ? r.second : due;
    if (started > due)
        started = r.last; /* the capture's clock has stepped back meanwhile */
    /* Two times of a capture may lie so far apart that their difference just fits. */
    int64_t model = started + total_ns;
    *stopped = due + QUIET_NS < la_heard_until(m->c, r.last) && due < model;
    if (*stopped)
        return due;
    while (due < model) {
        gap = clamp(2 * gap, 0, RTO_MAX_NS);
        due += gap;
    }
    return due;
}

static enum la_event classify_reset(const struct machine *m, const struct step *s);

/* A RST that it takes comes by then: after that nothing is repeated. */
static bool reset_is_coming(const struct machine *m, int64_t until) {
    for (size_t i = 0; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        const struct step step = {.at = m->view->times[i].arrived_ns, .observation = o};
        if (o->from != m->side && (o->flags & LA_RST) && o->arrival != LA_ARRIVAL_LOST &&
            step.at > m->repeats.last && step.at <= until &&
            classify_reset(m, &step) == LA_EV_RECV_RST)
            return true;
    }
    return false;
}

/* The end of a socket whose FIN has no answer. A stop is taken for an ACK that the capture missed,
 * where no RST explains it; but what several repeats of the data before it had not brought has not
 * come unseen next to it. */
static int64_t fin_given_up(const struct machine *m, bool *acked_unseen) {
    int64_t due = given_up(m, m->c->profile[m->side]->orphan_retry_total_ns, acked_unseen);
    int64_t round_trip = la_round_trip_ns(m->c);
    if (!m->repeats.of_fin && m->repeats.count > 2 && la_is_near(m->c, m->side))
        *acked_unseen = false;
    if (*acked_unseen && reset_is_coming(m, due))
        *acked_unseen = false;
    return *acked_unseen ? m->repeats.last + (round_trip > 0 ? round_trip : LA_MSEC) : due;
}

/* The end of a socket whose data has no answer; LA_TIME_NONE when nothing says that it has ended.
 */
static int64_t data_given_up(const struct machine *m) {
    bool stopped;
    if (m->repeats.count < 3 || m->repeats.of_fin)
        return LA_TIME_NONE;
    int64_t due = given_up(m, m->c->profile[m->side]->data_retry_total_ns, &stopped);
    return stopped || speaks_after(m, due) ? LA_TIME_NONE : due;
}

/* A timer is set to a whole number of seconds that doubles, and fires up to an eighth late. */
static int64_t nominal_gap(int64_t gap) {
    int64_t nominal = LA_SEC;
    while (2 * nominal <= gap)
        nominal *= 2;
    return gap >= nominal && gap - nominal < nominal / 8 ? nominal : gap;
}

/* An attempt ends with the timer after its last SYN. Linux sends the first few a second apart, then
 * doubles the gap; where the capture shows that no further one came, that was the last. */
static int64_t syn_given_up(const struct machine *m) {
    int64_t last = m->timer_from_ns, gap = 0, hurried = 0;
    size_t count = 0;
    for (size_t i = 0; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o->from != m->side || (o->flags & (LA_SYN | LA_ACK)) != LA_SYN)
            continue;
        if (count++ > 0)
            gap = clamp(m->view->times[i].sent_ns - last, 0, RTO_MAX_NS); /* clocks may step */
        last = m->view->times[i].sent_ns;
        /* A repeat right after a bad ACK is one of those that would have come a second apart. */
        if (count > 1 && gap < LA_SEC / 2)
            hurried += LA_SEC - gap;
    }
    enum { LINEAR = 5 };
    int64_t next = count < LINEAR && gap < 3 * LA_SEC / 2 ? LA_SEC : 2 * nominal_gap(gap);
    if (count < 2)
        next = LA_SEC;
    int64_t due = last + next;
    bool shown = count > 1 && due + next / 2 + QUIET_NS < la_heard_until(m->c, last);
    int64_t model = m->timer_from_ns + m->c->profile[m->side]->syn_retry_total_ns - hurried;
    return shown || due > model ? due : model;
}

/* Probes that stopped without an answer, and were not taken up again when the connection had been
 * idle for long enough: the last of them ended it with a RST that did not pass here. */
static int64_t probes_given_up(const struct machine *m) {
    const struct la_keepalive *k = me_of(m)->keepalive;
    enum { ENOUGH = 3 };
    if (!k || k->waiting.count < ENOUGH || !la_row_is_regular(&k->waiting))
        return LA_TIME_NONE;
    int64_t interval = k->waiting.gap_max_ns, patience = 2 * interval;
    if (k->idle_ns > patience)
        patience = k->idle_ns;
    int64_t last = k->waiting.last.time_ns - la_one_way_ns(m->c, m->side);
    bool over = last + patience + QUIET_NS < la_heard_until(m->c, last);
    return over && !speaks_after(m, last) ? last + interval : LA_TIME_NONE;
}

static int64_t open_socket_given_up(const struct machine *m) {
    int64_t due = data_given_up(m);
    return due != LA_TIME_NONE ? due : probes_given_up(m);
}

/* A request is given up by the timer that would have repeated its SYN-ACK: these come 1, 3, 7, ...
 * s after the first. A busy listener has less patience than its settings say, so where the capture
 * shows that the next one did not come, that was it. */
static int64_t syn_ack_given_up(const struct machine *m) {
    int64_t first = LA_TIME_NONE, last = LA_TIME_NONE, gap = LA_SEC;
    for (size_t i = 0; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o->from != m->side || (o->flags & (LA_SYN | LA_ACK)) != (LA_SYN | LA_ACK))
            continue;
        last = m->view->times[i].sent_ns;
        if (first == LA_TIME_NONE)
            first = last;
    }
    int64_t total = m->c->profile[m->side]->syn_ack_retry_total_ns;
    int64_t model = m->timer_from_ns + total;
    if (first == LA_TIME_NONE || last < first || last - first > total)
        return model; /* none was captured, or the capture's clock has stepped */
    int64_t due = first + gap;
    while (due < last + gap / 4 && due < model) {
        gap *= 2;
        due += gap;
    }
    bool shown = due + gap / 8 + LA_SEC / 4 < la_heard_until(m->c, last);
    return shown || due > model ? due : model;
}

/* The log holds an ACK of this end's FIN that reached it, later than now. */
static bool ack_is_coming(const struct machine *m) {
    const struct la_endpoint *me = me_of(m);
    for (size_t i = 0; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o->from != m->side && o->arrival != LA_ARRIVAL_LOST && la_covers(o, me->fin_end) &&
            m->view->times[i].arrived_ns >= m->timer_from_ns)
            return true;
    }
    return false;
}

/* What happens to the present state by time alone, and when: LA_TIME_NONE when nothing does. What
 * is not due before `until` may still turn out not to happen. */
static int64_t timer_due(const struct machine *m, int64_t until, enum la_event *event) {
    const struct la_profile *profile = m->c->profile[m->side];
    bool acked_unseen;
    int64_t due, given_up;
    *event = LA_EV_TIMER;
    switch (m->state) {
    case LA_ST_TIME_WAIT:
        return m->timer_from_ns + profile->time_wait_ns;
    case LA_ST_FIN_WAIT_2:
        due = m->timer_from_ns + profile->fin_wait_2_orphan_ns;
        if (due < until && speaks_after(m, due))
            return LA_TIME_NONE; /* shutdown(), not close() */
        return due;
    case LA_ST_SYN_SENT:
        return syn_given_up(m);
    case LA_ST_SYN_RECV:
        return syn_ack_given_up(m);
    case LA_ST_ESTAB:
    case LA_ST_CLOSE_WAIT:
        return open_socket_given_up(m);
    case LA_ST_FIN_WAIT_1:
    case LA_ST_CLOSING:
    case LA_ST_LAST_ACK:
        given_up = fin_given_up(m, &acked_unseen);
        due = given_up > m->timer_from_ns ? given_up : m->timer_from_ns;
        if (due < until && (ack_is_coming(m) || speaks_after(m, given_up)))
            return LA_TIME_NONE;
        if (acked_unseen)
            *event = LA_EV_RECV_ACK_OF_FIN;
        return due;
    default:
        return LA_TIME_NONE;
    }
}

/* TIME-WAIT ends by itself. So does a socket that repeats its data until its time is over; next to
 * it the capture has seen that the repeat which was due then did not come. */
static bool timer_is_sure(const struct machine *m, int64_t due) {
    bool known = m->change_count > 0 && m->changes[m->change_count - 1].certain;
    int64_t shown = due;
    if (is_open(m->state) && me_of(m)->repeats)
        shown = due + (due - m->repeats.last) / 8 + QUIET_NS;
    bool sure = m->state == LA_ST_TIME_WAIT || (shown != due && la_is_near(m->c, m->side));
    return sure && known && shown <= la_heard_until(m->c, shown == due ? due : m->repeats.last);
}

/* Lets the timers run that are due before `until`. */
static void run_timers(struct machine *m, int64_t until) {
    enum la_event event;
    int64_t due = timer_due(m, until, &event);
    while (due != LA_TIME_NONE && due < until) {
        bool certain = timer_is_sure(m, due);
        enum la_state before = m->state;
        apply(m, event, (struct cause){.at = due, .certain = certain});
        if (m->state == before)
            return;
        due = timer_due(m, until, &event);
    }
}

/* Events from the log */

/* What this end does, it could only do after certain things had come to it, whether the capture saw
 * them or not. */
static void apply_proofs(struct machine *m, const struct step *s) {
    const struct la_observation *o = s->observation;
    const struct la_endpoint *peer = peer_of(m);
    struct cause cause = {.at = s->at, .observation = o, .certain = true};
    if (!(o->flags & LA_ACK) || (o->flags & (LA_RST | LA_SYN)) || o->class == LA_CLASS_OUTSIDE)
        return;
    if (m->state == LA_ST_SYN_SENT)
        apply(m, LA_EV_RECV_SYN_ACK, cause); /* nobody acknowledges before he has a SYN-ACK */
    if (m->state == LA_ST_CLOSED && m->change_count == 0)
        apply(m, LA_EV_SEND_SYN_ACK, cause);
    bool acks_data = peer->isn_known && seq_lt(peer->isn + 1, o->ack);
    if (m->state == LA_ST_SYN_RECV && (acks_data || o->payload > 0))
        apply(m, LA_EV_RECV_ACK_OF_SYN, cause);
    if (!m->fin_received && peer->fin_seen && la_covers(o, peer->fin_end))
        apply(m, LA_EV_RECV_FIN, cause);
}

static void take_own(struct machine *m, const struct step *s) {
    const struct la_observation *o = s->observation;
    struct cause cause = {.at = s->at, .observation = o, .certain = true};
    apply_proofs(m, s);
    if (o->class == LA_CLASS_OUTSIDE)
        return;
    if (o->flags & LA_RST) {
        if (speaks_after(m, s->at + LA_JITTER_NS))
            return; /* somebody else sent it: this end goes on */
        /* An open socket puts an ACK into its RST: this one comes from where none was any more, or
         * from a filter in the host's name, and then the socket is still there. */
        bool bare = is_open(m->state) && !(o->flags & LA_ACK);
        bool unexpected = m->state == LA_ST_TIME_WAIT || m->state == LA_ST_LAST_ACK;
        if (unexpected || bare)
            doubt_last(m);
        cause.certain = !bare || is_next_to(m);
        apply(m, LA_EV_SEND_RST, cause);
    } else if (o->flags & LA_SYN) {
        apply(m, o->flags & LA_ACK ? LA_EV_SEND_SYN_ACK : LA_EV_SEND_SYN, cause);
    } else if ((o->flags & LA_FIN) && !m->fin_sent) {
        apply(m, LA_EV_SEND_FIN, cause);
    }
}

static bool in_closing_states(enum la_state state) {
    return state == LA_ST_CLOSE_WAIT || state == LA_ST_LAST_ACK || state == LA_ST_CLOSING;
}

/* What a request says after the RST at `index` is its answer to another SYN: it had ended. */
static bool is_asked_again(const struct machine *m, size_t index) {
    bool asked = false;
    for (size_t i = index + 1; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o->from == m->side)
            return asked && (o->flags & LA_SYN);
        asked = asked || (o->flags & LA_SYN);
    }
    return false;
}

/* It has gone on after a RST just like this one: tcp_rfc1337=1, or a filter. */
static bool ignored_before(const struct machine *m, const struct step *s) {
    for (size_t i = 0; i < m->c->log_count; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o == s->observation)
            return false;
        if (o->from != m->side && (o->flags & LA_RST) && o->seq == s->observation->seq &&
            speaks_after(m, m->view->times[i].arrived_ns + LA_JITTER_NS) && !is_asked_again(m, i))
            return true;
    }
    return false;
}

/* Whether this end takes a RST, by its state, its rules, and what it does afterwards. */
static enum la_event classify_reset(const struct machine *m, const struct step *s) {
    const struct la_observation *o = s->observation;
    const struct la_profile *profile = m->c->profile[m->side];
    bool closes = o->exact;
    if (m->state == LA_ST_TIME_WAIT)
        closes = closes && profile->rst_kills_time_wait;
    else if (m->state == LA_ST_FIN_WAIT_2 || profile->in_window_syn_aborts)
        closes = closes || o->in_window;
    else if (in_closing_states(m->state) && profile->rst_before_next_accepted)
        closes = closes || o->seq + 1 == me_of(m)->acked;
    size_t index = (size_t)(o - m->c->log);
    bool ended = m->state == LA_ST_SYN_RECV && is_asked_again(m, index);
    bool goes_on = (!ended && speaks_after(m, s->at + LA_JITTER_NS + la_round_trip_ns(m->c))) ||
                   ignored_before(m, s);
    return closes && !goes_on ? LA_EV_RECV_RST : LA_EV_RECV_RST_IGNORED;
}

static bool repeats_syn_ack_after(const struct machine *m, int64_t at) {
    for (size_t i = 0; i < m->c->log_count; i++)
        if (m->c->log[i].from == m->side && m->c->log[i].class == LA_CLASS_SYN_ACK_AGAIN &&
            m->view->times[i].sent_ns > at + LA_JITTER_NS)
            return true;
    return false;
}

static void take_fin(struct machine *m, const struct step *s, bool acks_fin) {
    struct cause cause = {.at = s->at,
                          .observation = s->observation,
                          .certain = s->observation->arrival == LA_ARRIVAL_KNOWN};
    if (m->fin_received) {
        apply(m, LA_EV_RECV_FIN_AGAIN, cause);
        if (acks_fin)
            apply(m, LA_EV_RECV_ACK_OF_FIN, cause);
    } else {
        apply(m, acks_fin ? LA_EV_RECV_FIN_WITH_ACK_OF_FIN : LA_EV_RECV_FIN, cause);
    }
}

/* This end answers the SYN-ACK by RST, and is one that goes on with its SYNs after that. */
static bool rejects(const struct machine *m, const struct la_observation *syn_ack) {
    const struct la_observation *next = NULL;
    bool reset = false, goes_on = false;
    for (size_t i = 0; i < m->c->log_count && m->state == LA_ST_SYN_SENT; i++) {
        const struct la_observation *o = &m->c->log[i];
        if (o->from != m->side)
            continue;
        if (o > syn_ack && !next && !(o->flags & LA_SYN))
            next = o;
        goes_on = goes_on || (reset && (o->flags & LA_SYN));
        reset = reset || (o->flags & LA_RST);
    }
    return goes_on && next && (next->flags & (LA_RST | LA_ACK)) == LA_RST;
}

static void take_arrival(struct machine *m, const struct step *s) {
    const struct la_observation *o = s->observation;
    const struct la_endpoint *me = me_of(m);
    struct cause cause = {.at = s->at, .observation = o, .certain = o->arrival == LA_ARRIVAL_KNOWN};
    if (o->arrival == LA_ARRIVAL_LOST)
        return;
    if (o->flags & LA_RST) {
        apply(m, classify_reset(m, s), cause);
        return;
    }
    if (o->class == LA_CLASS_OUTSIDE)
        return;
    if (o->flags & LA_SYN) {
        /* It tells of a SYN that the capture missed as well. */
        bool answers = (o->flags & LA_ACK) && (!me->isn_known || seq_lt(me->isn, o->ack));
        if (answers && rejects(m, o))
            return;
        apply(m, answers ? LA_EV_RECV_SYN_ACK : LA_EV_RECV_SYN, cause);
        return;
    }
    if (m->state == LA_ST_SYN_RECV && me->isn_known && la_covers(o, me->isn + 1) &&
        !repeats_syn_ack_after(m, s->at))
        apply(m, LA_EV_RECV_ACK_OF_SYN, cause);
    if (me->fin_unseen && !m->fin_sent && la_covers(o, me->fin_end))
        apply(m, LA_EV_SEND_FIN,
              (struct cause){.at = s->at, .observation = o}); /* it was sent before */
    bool acks_fin = m->fin_sent && me->fin_seen && la_covers(o, me->fin_end);
    if (o->flags & LA_FIN)
        take_fin(m, s, acks_fin);
    else if (acks_fin)
        apply(m, LA_EV_RECV_ACK_OF_FIN, cause);
    if (m->state == LA_ST_TIME_WAIT && (o->flags & LA_ACK))
        m->timer_from_ns = s->at; /* whatever TIME-WAIT has to look at starts the 2MSL anew */
}

/* Linux gives an attempt up at the first ICMP error, others go on; this one did when no SYN
 * followed. How sure that is depends on whether a further SYN would have been seen. */
static void take_icmp(struct machine *m, const struct step *s) {
    enum la_icmp_meaning meaning = la_icmp_meaning(s->icmp);
    if (meaning == LA_ICMP_TOO_BIG || meaning == LA_ICMP_OTHER || m->state != LA_ST_SYN_SENT ||
        speaks_after(m, s->at))
        return;
    bool heard = la_is_near(m->c, m->side) && la_heard_until(m->c, s->at) - s->at > 3 * LA_SEC;
    apply(m, LA_EV_RECV_UNREACHABLE,
          (struct cause){.at = s->at, .certain = heard, .icmp = s->icmp});
}

/* The next incarnation */

/* The first SYN-ACK that this end gives the next incarnation; LA_TIME_NONE when it gives none. */
static int64_t accepts_next_at(const struct machine *m) {
    const struct la_connection *next = m->c->next;
    unsigned side = la_side_in(next, m->c, m->side);
    for (size_t i = 0; i < next->log_count; i++)
        if (next->log[i].from == side && next->log[i].class == LA_CLASS_SYN_ACK)
            return next->log[i].time_ns - la_one_way_ns(next, side);
    return LA_TIME_NONE;
}

static bool is_older(const struct machine *m, const struct la_observation *syn) {
    const struct la_endpoint *peer = peer_of(m);
    return m->c->profile[m->side]->time_wait_knows_timestamps &&
           (syn->options & LA_HAS_TIMESTAMPS) && peer->timestamps_used &&
           seq_lt(syn->tsval, peer->tsval);
}

static void take_next_syn(struct machine *m, const struct step *s) {
    const struct la_observation *syn = s->observation;
    struct cause cause = {.at = s->at, .observation = syn, .certain = true};
    if (s->own && (syn->flags & LA_RST)) {
        apply(m, LA_EV_RECV_SYN_REFUSED, cause);
        return;
    }
    if (s->own) {
        apply(m, LA_EV_TAKEN_OVER, cause);
        return;
    }
    int64_t accepted = accepts_next_at(m);
    /* The copy that was answered is the last one before the answer. */
    bool answered =
        accepted != LA_TIME_NONE && s->at <= accepted + LA_JITTER_NS && accepted - s->at < LA_SEC;
    if (answered && m->state == LA_ST_TIME_WAIT && !is_older(m, syn))
        apply(m, LA_EV_RECV_SYN_REUSE, cause);
    else if (answered && accepted - s->at < 10 * LA_MSEC + la_round_trip_ns(m->c))
        apply(m, LA_EV_TAKEN_OVER, cause);
    else
        apply(m, is_older(m, syn) ? LA_EV_RECV_SYN_OLDER : LA_EV_RECV_SYN_HELD, cause);
}

/* Putting the steps in order */

struct steps {
    size_t count;
    uint64_t dropped;
    struct step items[MAX_STEPS];
};

static void add_step(struct steps *steps, struct step step) {
    if (steps->count == MAX_STEPS) {
        steps->dropped++;
        return;
    }
    size_t i = steps->count++;
    for (; i > 0 && steps->items[i - 1].at > step.at; i--)
        steps->items[i] = steps->items[i - 1];
    steps->items[i] = step;
}

static void add_log_steps(const struct machine *m, struct steps *steps) {
    for (size_t i = 0; i < m->c->log_count; i++) {
        bool own = m->c->log[i].from == m->side;
        int64_t at = own ? m->view->times[i].sent_ns : m->view->times[i].arrived_ns;
        add_step(steps, (struct step){.at = at, .observation = &m->c->log[i], .own = own});
    }
}

static void add_icmp_steps(const struct machine *m, struct steps *steps) {
    for (size_t i = 0; i < m->c->icmp_count; i++) {
        const struct la_icmp_error *icmp = &m->c->icmp[i];
        int64_t at = icmp->where.time_ns + la_one_way_ns(m->c, m->side);
        if (icmp->of == m->side)
            add_step(steps, (struct step){.at = at, .icmp = icmp});
    }
}

static void add_next_steps(const struct machine *m, struct steps *steps) {
    const struct la_connection *next = m->c->next;
    if (!next || la_answers_old_syn(next, m->c))
        return;
    unsigned side = la_side_in(next, m->c, m->side);
    for (size_t i = 0; i < next->log_count; i++) {
        const struct la_observation *o = &next->log[i];
        bool own = o->from == side;
        bool refusal = own && (o->flags & LA_RST) && o->exact && accepts_next_at(m) == LA_TIME_NONE;
        if (o->class != LA_CLASS_SYN && o->class != LA_CLASS_SYN_AGAIN && !refusal)
            continue;
        int64_t at = o->time_ns + (own ? -la_one_way_ns(next, side) : la_one_way_ns(next, side));
        add_step(steps, (struct step){.at = at, .observation = o, .own = own, .next_life = true});
    }
    if (!next->side[0].syn_sent && !next->side[1].syn_sent) {
        /* Its SYN was missed: it began before its first packet, at both ends. */
        if (next->log_count > 0)
            add_step(steps, (struct step){.at = next->first.time_ns,
                                          .observation = &next->log[0],
                                          .own = true,
                                          .next_life = true});
    }
}

/* Had this end not closed when the capture began? Its new data, or its first FIN, says so. */
static bool not_closed_before(const struct la_connection *c, unsigned side) {
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side &&
            (c->log[i].class == LA_CLASS_DATA || c->log[i].class == LA_CLASS_FIN))
            return true;
    return false;
}

static bool refuses_all(const struct machine *m) {
    size_t others = 0, resets = 0;
    for (size_t i = 0; i < m->c->log_count; i++)
        if (m->c->log[i].from == m->side)
            m->c->log[i].flags &LA_RST ? resets++ : others++;
    return resets > 0 && others == 0;
}

/* Where the capture starts after the SYN, the first packet starts the history. */
static void join(struct machine *m) {
    const struct la_connection *c = m->c;
    if (c->side[0].syn_sent || c->side[1].syn_sent || c->log_count == 0 || la_was_probed(c))
        return;
    enum la_state state = LA_ST_UNKNOWN;
    const struct la_observation *first = &c->log[0];
    if ((first->flags & (LA_SYN | LA_ACK)) == (LA_SYN | LA_ACK)) {
        if (m->side == first->from)
            return; /* its own SYN-ACK starts it */
        if (refuses_all(m))
            return; /* a SYN-ACK that it had not asked for: an old SYN came to the peer again */
        state = LA_ST_SYN_SENT;
    } else if (not_closed_before(c, 0) && not_closed_before(c, 1)) {
        state = LA_ST_ESTAB;
    }
    struct cause cause = {
        .at = c->first.time_ns, .observation = first, .certain = state != LA_ST_UNKNOWN};
    enter(m, state, LA_EV_COUNT, cause);
    m->changes[0].frame = c->first.frame;
    m->changes[0].input = c->first.input;
}

static void run(struct machine *m) {
    struct steps steps;
    steps.count = steps.dropped = 0;
    m->repeats = repeats_of(m);
    join(m);
    add_log_steps(m, &steps);
    add_icmp_steps(m, &steps);
    add_next_steps(m, &steps);
    for (size_t i = 0; i < steps.count; i++) {
        run_timers(m, steps.items[i].at);
        if (steps.items[i].icmp)
            take_icmp(m, &steps.items[i]);
        else if (steps.items[i].next_life)
            take_next_syn(m, &steps.items[i]);
        else if (steps.items[i].own)
            take_own(m, &steps.items[i]);
        else
            take_arrival(m, &steps.items[i]);
    }
    run_timers(m, INT64_MAX);
    m->dropped = steps.dropped;
}

/* The last time at or before `until` that this end was heard of in this connection. */
static int64_t last_heard(const struct machine *m, int64_t until) {
    const struct la_endpoint *me = me_of(m);
    int64_t at = LA_TIME_NONE;
    for (size_t i = 0; i < m->c->log_count; i++) {
        int64_t sent = m->view->times[i].sent_ns;
        if (m->c->log[i].from == m->side && sent < until && sent > at)
            at = sent;
    }
    if (me->last_data_ns != LA_TIME_NONE && me->last_data_ns < until && me->last_data_ns > at)
        at = me->last_data_ns;
    return me->last_ns < until && me->last_ns > at ? me->last_ns : at;
}

/* It repeated data, or probed, and stopped although nothing had been answered and the next one was
 * due: its socket may have ended (a limit of the program's own), and no packet says so. */
static bool stopped_waiting(const struct machine *m) {
    const struct la_endpoint *me = me_of(m), *peer = peer_of(m);
    int64_t end = la_heard_until(m->c, m->c->last.time_ns) - QUIET_NS;
    bool stopped = false;
    if (me->repeats)
        given_up(m, m->c->profile[m->side]->data_retry_total_ns, &stopped);
    const struct la_row *probes = me->keepalive ? &me->keepalive->waiting : NULL;
    if (probes && probes->count > 1)
        stopped = stopped || probes->last.time_ns + 2 * probes->gap_max_ns < end;
    const struct la_stall *stall = peer->stalls ? &peer->stalls->last : NULL;
    if (stall && stall->probes.count > 1 && stall->opened.frame == 0)
        stopped = stopped || stall->probes.last.time_ns + 3 * stall->probes.gap_ns < end;
    return stopped;
}

static void doubt_open_end(struct machine *m) {
    if (m->change_count > 0 && is_open(m->changes[m->change_count - 1].state) && stopped_waiting(m))
        doubt_last(m);
}

/* Of an end that is far from here and says nothing nobody knows whether it still holds its open
 * socket: a FIN or RST of it may have been lost before it came by, and again. */
static void doubt_silence(struct machine *m) {
    if (is_next_to(m))
        return;
    for (size_t i = 0; i < m->change_count; i++) {
        struct la_change *change = &m->changes[i];
        if (!is_open(change->state) && change->state != LA_ST_SYN_RECV)
            continue;
        int64_t until = i + 1 < m->change_count ? change[1].time_ns : m->c->capture_end_ns;
        int64_t heard = last_heard(m, until);
        if (until - (heard > change->time_ns ? heard : change->time_ns) > LA_SEC)
            change->certain = false;
    }
}

/* Acknowledged holes, a FIN that was never seen, or a handshake with a piece missing. */
static bool misses_packets(const struct la_connection *c) {
    bool handshake = c->side[0].syn_sent || c->side[1].syn_sent;
    bool halves = c->side[0].seen && c->side[1].seen;
    bool half_known = c->side[0].isn_known != c->side[1].isn_known;
    bool talks = c->side[0].data_bytes > 0 || c->side[1].data_bytes > 0 || c->side[0].fin_seen ||
                 c->side[1].fin_seen;
    return c->gaps > 0 || c->side[0].fin_unseen || c->side[1].fin_unseen ||
           (handshake && halves && half_known && talks);
}

void settle_histories(struct view *view) {
    struct la_connection *c = &view->connection;
    for (unsigned side = 0; side < 2; side++) {
        struct machine m = {
            .c = c,
            .view = view,
            .side = side,
            .state = LA_ST_CLOSED,
            .changes = view->changes[side],
            .holes = misses_packets(c),
        };
        run(&m);
        doubt_silence(&m);
        doubt_open_end(&m);
        c->log_dropped += m.dropped;
        c->side[side].changes = m.changes;
        c->side[side].change_count = m.change_count;
    }
}
