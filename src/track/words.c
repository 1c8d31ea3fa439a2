/* The words for a connection as a whole. */
#include "track/open_story.h"
#include "track/settle.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

static bool any_class(const struct la_connection *c, enum la_class class) {
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].class == class)
            return true;
    return false;
}

static bool was_reset(const struct la_connection *c) {
    return c->side[0].rst > 0 || c->side[1].rst > 0;
}

/* The opener's SYN was answered by a RST that acknowledges it. */
static bool was_refused(const struct la_connection *c) {
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == LA_SERVER && (o->flags & LA_RST) && o->exact)
            return true;
    }
    return false;
}

static enum la_opening opening_of(const struct la_connection *c) {
    const struct la_endpoint *client = &c->side[LA_CLIENT], *server = &c->side[LA_SERVER];
    if (client->syn_sent && server->syn_sent)
        return LA_OPENING_SIMULTANEOUS;
    bool syn_ack = any_class(c, LA_CLASS_SYN_ACK);
    if (!client->syn_sent && !syn_ack)
        return LA_OPENING_MID_STREAM;
    if (syn_ack || server->isn_known) {
        bool acked = client->acked_known && seq_lt(server->isn, client->acked);
        return acked ? LA_OPENING_HANDSHAKE : LA_OPENING_HALF_OPEN;
    }
    if (server->data_bytes > 0 || server->fin_seen)
        return LA_OPENING_HANDSHAKE; /* its SYN-ACK was missed, what follows it was not */
    return was_refused(c) ? LA_OPENING_REFUSED : LA_OPENING_UNANSWERED;
}

static bool fin_acked(const struct la_endpoint *end, const struct la_endpoint *peer) {
    return end->fin_acked || (peer->acked_known && seq_leq(end->fin_end, peer->acked));
}

static enum la_ending ending_of(const struct la_connection *c) {
    const struct la_endpoint *a = &c->side[0], *b = &c->side[1];
    if (c->opening == LA_OPENING_REFUSED || c->opening == LA_OPENING_UNANSWERED ||
        c->opening == LA_OPENING_HALF_OPEN)
        return LA_ENDING_NEVER_OPENED;
    if (a->fin_seen && b->fin_seen)
        return fin_acked(a, b) && fin_acked(b, a) ? LA_ENDING_FIN
               : was_reset(c)                     ? LA_ENDING_RESET
                                                  : LA_ENDING_FIN_UNACKED;
    if (was_reset(c))
        return LA_ENDING_RESET;
    return a->fin_seen || b->fin_seen ? LA_ENDING_HALF_CLOSED : LA_ENDING_OPEN;
}

/* The first FIN of a side in the log; NULL when none was captured. */
static const struct la_observation *first_fin(const struct la_connection *c, unsigned side) {
    for (size_t i = 0; i < c->log_count; i++)
        if (c->log[i].from == side && (c->log[i].flags & LA_FIN))
            return &c->log[i];
    return NULL;
}

/* The passive closer's FIN acknowledges the active closer's; when neither does, both closed first.
 */
static enum la_closer first_closer_of(const struct la_connection *c) {
    const struct la_observation *fin[2] = {first_fin(c, 0), first_fin(c, 1)};
    bool passive[2];
    if (!fin[0] || !fin[1]) {
        bool client = fin[0] || (!fin[1] && c->side[LA_CLIENT].fin_unseen);
        bool server = fin[1] || (!fin[0] && c->side[LA_SERVER].fin_unseen);
        return client ? LA_CLOSER_CLIENT : server ? LA_CLOSER_SERVER : LA_CLOSER_NONE;
    }
    for (int s = 0; s < 2; s++)
        passive[s] = (fin[s]->flags & LA_ACK) && seq_leq(c->side[!s].fin_end, fin[s]->ack);
    if (passive[0] != passive[1])
        return passive[0] ? LA_CLOSER_SERVER : LA_CLOSER_CLIENT;
    if (!passive[0])
        return LA_CLOSER_BOTH;
    return fin[0] < fin[1] ? LA_CLOSER_CLIENT : LA_CLOSER_SERVER; /* the first ones were missed */
}

/* Zeek's conn_state (src/analyzer/protocol/tcp, scripts/base/protocols/conn): endpoint states
 * first, then its rules in its order. */
enum zeek { Z_INACTIVE, Z_SYN_SENT, Z_SYN_ACK_SENT, Z_PARTIAL, Z_ESTABLISHED, Z_CLOSED, Z_RESET };

static enum zeek zeek_state(const struct la_connection *c, unsigned side) {
    const struct la_endpoint *end = &c->side[side], *peer = &c->side[!side];
    if (end->rst > 0 && !(end->fin_seen && peer->fin_seen))
        return Z_RESET;
    if (end->fin_seen && !end->fin_unseen)
        return Z_CLOSED;
    if (!end->seen)
        return Z_INACTIVE;
    bool opened = c->opening == LA_OPENING_HANDSHAKE || c->opening == LA_OPENING_SIMULTANEOUS;
    if (opened)
        return Z_ESTABLISHED;
    if (end->syn_sent)
        return c->opening == LA_OPENING_HALF_OPEN ? Z_ESTABLISHED : Z_SYN_SENT;
    return end->isn_known ? Z_SYN_ACK_SENT : Z_PARTIAL;
}

static const char *zeek_reset_by_opener(const struct la_connection *c, enum zeek resp) {
    bool syn_only = c->zeek_history[0] == 'S';
    for (size_t i = 0; c->zeek_history[i]; i++) {
        char l = c->zeek_history[i];
        syn_only = syn_only && l != 'H' && l != 'A' && l != 'F' && l != 'I' && l != 'Q';
    }
    if (resp == Z_INACTIVE || resp == Z_PARTIAL)
        return syn_only ? "RSTOS0" : "OTH";
    return "RSTO";
}

static const char *zeek_conn_state(const struct la_connection *c) {
    enum zeek orig = zeek_state(c, LA_CLIENT), resp = zeek_state(c, LA_SERVER);
    if (resp == Z_RESET) {
        bool no_data = c->side[0].data_bytes == 0 && c->side[1].data_bytes == 0;
        if (orig == Z_SYN_SENT || orig == Z_SYN_ACK_SENT || (orig == Z_RESET && no_data))
            return "REJ";
        return orig == Z_INACTIVE || orig == Z_PARTIAL ? "RSTRH" : "RSTR";
    }
    if (orig == Z_RESET)
        return zeek_reset_by_opener(c, resp);
    if (orig == Z_CLOSED && resp == Z_CLOSED)
        return "SF";
    if (orig == Z_CLOSED)
        return resp == Z_INACTIVE || resp == Z_PARTIAL ? "SH" : "S2";
    if (resp == Z_CLOSED)
        return orig == Z_INACTIVE || orig == Z_PARTIAL ? "SHR" : "S3";
    if (orig == Z_SYN_SENT && resp == Z_INACTIVE)
        return "S0";
    return orig == Z_ESTABLISHED && resp == Z_ESTABLISHED ? "S1" : "OTH";
}

static enum la_state state_at(const struct la_endpoint *end, int64_t ns) {
    enum la_state state = LA_ST_CLOSED;
    for (size_t i = 0; i < end->change_count && end->changes[i].time_ns <= ns; i++)
        state = (enum la_state)end->changes[i].state;
    return state;
}

/* A FIN that does not acknowledge all that its receiver has sent by the end, and that was
 * acknowledged (but for the receiver's own FIN). */
static bool leaves_data(const struct la_connection *c, const struct la_observation *fin) {
    const struct la_endpoint *me = &c->side[fin->from], *peer = &c->side[!fin->from];
    uint32_t until = peer->fin_seen ? peer->fin_end - 1 : peer->next;
    if (seq_lt(me->acked, until))
        until = me->acked;
    return peer->data_bytes > 0 && fin->ack - until > 1;
}

static bool any_fin_left_data(const struct la_connection *c) {
    if (c->side[0].data_bytes == 0 && c->side[1].data_bytes == 0)
        return false;
    for (size_t i = 0; i < c->log_count; i++)
        if ((c->log[i].flags & LA_FIN) && leaves_data(c, &c->log[i]))
            return true;
    return false;
}

void settle_words(struct view *view) {
    struct la_connection *c = &view->connection;
    c->opening = opening_of(c);
    c->ending = ending_of(c);
    c->first_closer = first_closer_of(c);
    c->connect_delay_ns = la_connect_delay_ns(c);
    c->late_cause = (uint8_t)la_late_cause_of(c, NULL);
    c->zeek_conn_state = zeek_conn_state(c);
    c->fin_left_data = any_fin_left_data(c);
    for (int side = 0; side < 2; side++)
        c->side[side].state = state_at(&c->side[side], c->last.time_ns);
}
