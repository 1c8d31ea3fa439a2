#include "account/spans.h"

#include "account/sockets.h"
#include "base/time.h"
#include "track/listening.h"

/* From histories */

struct reading {
    const struct la_connection *c;
    la_span_sink *sink;
    void *context;
    int64_t second_end_ns; /* of the second in which a state was entered last */
};

/* What lies beyond the end of the capture has not happened yet. */
static void hand_on(const struct reading *reading, unsigned side, enum la_state state,
                    int64_t from_ns, int64_t until_ns) {
    int64_t end_ns = reading->c->capture_end_ns;
    if (from_ns > end_ns || from_ns >= until_ns)
        return;
    const struct la_span span = {side, state, from_ns, until_ns > end_ns ? INT64_MAX : until_ns};
    reading->sink(reading->context, &span);
}

static void take_spell(void *context, const struct la_spell *spell) {
    const struct reading *reading = context;
    const struct la_endpoint *server = &reading->c->side[LA_SERVER];
    if (spell->state == LA_ST_LISTEN)
        return;
    bool at_server =
        spell->local_port == server->port && la_addr_cmp(&spell->local, &server->addr) == 0;
    hand_on(reading, at_server ? LA_SERVER : LA_CLIENT, (enum la_state)spell->state,
            spell->since_ns, spell->until_ns);
}

/* From the milestones of an ordinary connection. When its segments passed here is near enough: a
 * span is looked at by the second. */

/* What never began has no second that ends. */
static int64_t end_of_second(int64_t second) {
    return second < INT64_MAX / LA_SEC ? (second + 1) * LA_SEC : INT64_MAX;
}

/* Whether that second is the one that ends then. */
static bool is_before(int64_t second_end_ns, int64_t ns) {
    return (uint64_t)second_end_ns - (uint64_t)ns - 1 < LA_SEC;
}

/* Most states of an ordinary connection are over within the second in which they began, and need
 * not be handed on. One begins where another ends, most often in the same second. */
__attribute__((always_inline)) static inline void say(struct reading *reading, unsigned side,
                                                      enum la_state state, int64_t from_ns,
                                                      int64_t until_ns) {
    if (!is_before(reading->second_end_ns, from_ns))
        reading->second_end_ns = end_of_second(la_floor_seconds(from_ns));
    if (until_ns >= reading->second_end_ns || until_ns > reading->c->capture_end_ns)
        hand_on(reading, side, state, from_ns, until_ns);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static bool is_opened(const struct la_connection *c) {
    return c->opening == LA_OPENING_HANDSHAKE || c->opening == LA_OPENING_SIMULTANEOUS;
}

/* INT64_MAX: never. */
static int64_t open_since(const struct la_connection *c, const struct la_milestones *m,
                          unsigned side) {
    if (c->opening == LA_OPENING_MID_STREAM)
        return c->first.time_ns;
    if (side == LA_CLIENT)
        return m->syn_ack_ns != INT64_MAX ? m->syn_ack_ns : m->open_ns;
    return is_opened(c) ? m->open_ns : INT64_MAX;
}

/* A SYN-ACK that is not repeated after a second belonged to no request any more. */
static int64_t request_given_up(const struct la_connection *c, int64_t syn_ack_ns) {
    bool shown = syn_ack_ns + 3 * LA_SEC / 2 < la_heard_until(c, syn_ack_ns);
    return syn_ack_ns + (shown ? LA_SEC : c->profile[LA_SERVER]->syn_ack_retry_total_ns);
}

static void tell_opening(struct reading *reading, const struct la_milestones *m, unsigned side) {
    const struct la_connection *c = reading->c;
    int64_t first_ns = c->first.time_ns, open_ns = open_since(c, m, side);
    if (c->opening == LA_OPENING_MID_STREAM)
        return;
    if (side == LA_CLIENT)
        say(reading, side, LA_ST_SYN_SENT, first_ns,
            open_ns != INT64_MAX ? open_ns : first_ns + c->profile[LA_CLIENT]->syn_retry_total_ns);
    else if (m->syn_ack_ns != INT64_MAX)
        say(reading, side, LA_ST_SYN_RECV, m->syn_ack_ns,
            is_opened(c) ? m->open_ns : request_given_up(c, m->syn_ack_ns));
}

static int64_t close_acked(const struct la_milestones *m, unsigned side) {
    return least(m->fin_acked_ns[side], m->fin_ns[!side]);
}

/* Whether FIN-WAIT-2, since `acked_ns`, is over before the peer's FIN comes. Whoever speaks after
 * its time-out has had none: it was shutdown(), not close(). */
static bool has_given_up(const struct la_connection *c, const struct la_milestones *m,
                         unsigned side, int64_t acked_ns) {
    int64_t over_ns = acked_ns + c->profile[side]->fin_wait_2_orphan_ns;
    return over_ns < m->fin_ns[!side] && c->side[side].last_ns < over_ns;
}

/* It begins with the peer's FIN, and again with whatever the peer sends. */
static int64_t time_wait_until(const struct la_connection *c, const struct la_milestones *m,
                               unsigned side) {
    int64_t peer_ns = m->fin_ns[!side], heard_ns = c->side[!side].last_ns;
    return (heard_ns > peer_ns ? heard_ns : peer_ns) + c->profile[side]->time_wait_ns;
}

/* The side that closes first, or both. */
static void tell_active_close(struct reading *reading, const struct la_milestones *m, unsigned side,
                              bool whole) {
    const struct la_connection *c = reading->c;
    int64_t peer_ns = m->fin_ns[!side], acked_ns = close_acked(m, side);
    if (whole)
        say(reading, side, LA_ST_FIN_WAIT_1, m->fin_ns[side], acked_ns);
    if (acked_ns == INT64_MAX)
        return;
    bool gone = has_given_up(c, m, side, acked_ns);
    if (whole)
        say(reading, side, LA_ST_FIN_WAIT_2, acked_ns,
            gone ? acked_ns + c->profile[side]->fin_wait_2_orphan_ns : peer_ns);
    if (peer_ns != INT64_MAX && !gone)
        say(reading, side, LA_ST_TIME_WAIT, peer_ns, time_wait_until(c, m, side));
}

static void tell_passive_close(struct reading *reading, const struct la_milestones *m,
                               unsigned side) {
    int64_t own_ns = m->fin_ns[side];
    say(reading, side, LA_ST_CLOSE_WAIT, m->fin_ns[!side], own_ns);
    if (own_ns != INT64_MAX)
        say(reading, side, LA_ST_LAST_ACK, own_ns, m->fin_acked_ns[side]);
}

/* The whole of it, or only its TIME-WAIT. */
static void tell_side(struct reading *reading, const struct la_milestones *m, unsigned side,
                      bool whole) {
    static const enum la_closer closer[2] = {LA_CLOSER_CLIENT, LA_CLOSER_SERVER};
    enum la_closer first = reading->c->first_closer;
    int64_t open_ns = open_since(reading->c, m, side);
    if (whole)
        tell_opening(reading, m, side);
    if (open_ns == INT64_MAX)
        return;
    if (whole)
        say(reading, side, LA_ST_ESTAB, open_ns, least(m->fin_ns[0], m->fin_ns[1]));
    if (first == closer[side] || first == LA_CLOSER_BOTH)
        tell_active_close(reading, m, side, whole);
    else if (whole && first != LA_CLOSER_NONE)
        tell_passive_close(reading, m, side);
}

bool la_brief_wait_of(const struct la_connection *c, int64_t first_s, struct la_span *wait) {
    const struct la_milestones *m = &c->milestones;
    int64_t end_ns = end_of_second(first_s);
    unsigned side = c->first_closer == LA_CLOSER_CLIENT ? LA_CLIENT : LA_SERVER;
    bool one_waits = c->first_closer == LA_CLOSER_CLIENT || c->first_closer == LA_CLOSER_SERVER;
    if (c->remarkable || !is_opened(c) || !one_waits || !is_before(end_ns, m->fin_acked_ns[0]) ||
        !is_before(end_ns, m->fin_acked_ns[1]) || !is_before(end_ns, m->fin_ns[0]) ||
        !is_before(end_ns, m->fin_ns[1]) || !is_before(end_ns, m->syn_ack_ns) ||
        !is_before(end_ns, m->open_ns) || has_given_up(c, m, side, close_acked(m, side)))
        return false;
    int64_t until_ns = time_wait_until(c, m, side);
    *wait = (struct la_span){side, LA_ST_TIME_WAIT, m->fin_ns[!side],
                             until_ns > c->capture_end_ns ? INT64_MAX : until_ns};
    return until_ns >= end_ns && end_ns <= c->capture_end_ns;
}

void la_spans_of(const struct la_connection *connection, unsigned waits, unsigned sides,
                 la_span_sink *sink, void *context) {
    struct reading reading = {connection, sink, context, INT64_MIN + LA_SEC};
    if (connection->remarkable) {
        (void)la_spells_of(connection, take_spell, &reading);
        return;
    }
    if (connection->log_count == 1 && connection->opening == LA_OPENING_UNANSWERED)
        waits &= sides &= 1u << LA_CLIENT; /* a SYN, and nothing else */
    for (unsigned side = 0; side < 2; side++)
        if (waits >> side & 1)
            tell_side(&reading, &connection->milestones, side, sides >> side & 1);
}
