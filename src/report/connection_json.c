#include "report/connection_json.h"

#include "base/digits.h"
#include "decode/decode.h"
#include "report/community_id.h"

#include <string.h>

enum { ENDPOINT_TEXT = LA_ADDR_TEXT + 8, ID_TEXT = 2 * ENDPOINT_TEXT + 32 };

static struct la_connection_ref ref_of(const struct la_connection *connection) {
    const struct la_endpoint *client = &connection->side[LA_CLIENT];
    const struct la_endpoint *server = &connection->side[LA_SERVER];
    return (struct la_connection_ref){.present = true,
                                      .client = client->addr,
                                      .server = server->addr,
                                      .client_port = client->port,
                                      .server_port = server->port,
                                      .initiator_known = connection->initiator_known,
                                      .incarnation = connection->incarnation,
                                      .opened_ns = connection->opened_ns,
                                      .first_ns = connection->first.time_ns};
}

static char *put_endpoint(char *out, const struct la_addr *addr, uint16_t port) {
    bool v6 = !la_addr_is_v4(addr);
    if (v6)
        *out++ = '[';
    out += strlen(la_addr_format(addr, out));
    if (v6)
        *out++ = ']';
    *out++ = ':';
    return la_put_number(out, port);
}

/* Epoch seconds with six digits, or nine where six would lose something: unlike the times of the
 * report, the same in whatever company the capture is read. */
static char *put_moment(char *out, int64_t ns) {
    int64_t seconds = la_floor_seconds(ns), rest = ns - seconds * LA_SEC;
    bool is_whole = rest % LA_USEC == 0;
    if (seconds < 0)
        *out++ = '-';
    out = la_put_number(out, (uint64_t)(seconds < 0 ? -seconds : seconds));
    *out++ = '.';
    return la_put_digits(out, (uint64_t)(is_whole ? rest / LA_USEC : rest), is_whole ? 6 : 9);
}

/* The 4-tuple and when it was opened, which no two lives of a 4-tuple share. */
static const char *format_id(const struct la_connection_ref *ref, char id[ID_TEXT]) {
    char *out = put_endpoint(id, &ref->client, ref->client_port);
    *out++ = '-';
    out = put_endpoint(out, &ref->server, ref->server_port);
    *out++ = '-';
    out = put_moment(out, ref->opened_ns != LA_TIME_NONE ? ref->opened_ns : ref->first_ns);
    *out = '\0';
    return id;
}

static const char *format_community_id(const struct la_connection_ref *ref,
                                       char text[LA_COMMUNITY_ID_TEXT]) {
    const struct la_flow flow = {.src = ref->client,
                                 .dst = ref->server,
                                 .sport = ref->client_port,
                                 .dport = ref->server_port};
    return la_community_id(&flow, text);
}

json_t *la_emit_connection_ref(struct la_emit *emit, const struct la_connection_ref *ref) {
    char id[ID_TEXT], community_id[LA_COMMUNITY_ID_TEXT];
    if (!ref->present)
        return json_null();
    json_t *object = json_object();
    la_emit_put(emit, object, "id", json_string_nocheck(format_id(ref, id)));
    la_emit_put(emit, object, "client", la_emit_endpoint(emit, &ref->client, ref->client_port));
    la_emit_put(emit, object, "server", la_emit_endpoint(emit, &ref->server, ref->server_port));
    la_emit_put(emit, object, "initiator_known", json_boolean(ref->initiator_known));
    la_emit_put(emit, object, "incarnation", la_emit_count(ref->incarnation));
    la_emit_put(emit, object, "opened", la_emit_time(emit, ref->opened_ns));
    la_emit_put(emit, object, "community_id",
                json_string_nocheck(format_community_id(ref, community_id)));
    return object;
}

/* A line. Each function writes the members that its name says. */

#define ALWAYS_INLINE __attribute__((always_inline)) static inline

ALWAYS_INLINE void write_count(struct la_writer *w, const char *name, uint64_t count) {
    la_write_name(w, name);
    la_write_count(w, count);
}

ALWAYS_INLINE void write_bool(struct la_writer *w, const char *name, bool value) {
    la_write_name(w, name);
    la_write_bool(w, value);
}

ALWAYS_INLINE void write_word(struct la_writer *w, const char *name, const char *word) {
    la_write_name(w, name);
    la_write_word(w, word);
}

ALWAYS_INLINE void write_time(struct la_writer *w, const char *name, int64_t ns) {
    la_write_name(w, name);
    la_write_time(w, ns);
}

ALWAYS_INLINE void write_delay(struct la_writer *w, const char *name, int64_t ns) {
    la_write_name(w, name);
    la_write_delay(w, ns);
}

/* What is unknown is null. */
ALWAYS_INLINE void write_known_count(struct la_writer *w, const char *name, bool known,
                                     uint64_t count) {
    la_write_name(w, name);
    if (known)
        la_write_count(w, count);
    else
        la_write_null(w);
}

ALWAYS_INLINE void write_known_bool(struct la_writer *w, const char *name, bool known, bool value) {
    la_write_name(w, name);
    if (known)
        la_write_bool(w, value);
    else
        la_write_null(w);
}

static void write_place(struct la_writer *w, uint16_t input, uint64_t frame) {
    la_write_name(w, "file");
    if (frame != 0)
        la_write_file(w, input);
    else
        la_write_null(w);
    write_known_count(w, "frame", frame != 0, frame);
}

static void write_history(struct la_writer *w, const struct la_endpoint *side) {
    la_write_name(w, "states");
    la_write_open(w, '[');
    for (size_t i = 0; i < side->change_count; i++) {
        const struct la_change *change = &side->changes[i];
        la_write_open(w, '{');
        write_time(w, "time", change->time_ns);
        write_word(w, "state", la_state_name(change->state));
        write_bool(w, "certain", change->certain);
        write_place(w, change->input, change->frame);
        la_write_close(w, '}');
    }
    la_write_close(w, ']');
}

static void write_counts(struct la_writer *w, const struct la_endpoint *side) {
    write_count(w, "packets", side->packets);
    write_count(w, "bytes", side->bytes);
    write_count(w, "data_bytes", side->data_bytes);
    la_write_name(w, "retransmitted");
    la_write_open(w, '{');
    write_count(w, "segments", side->retransmitted_segments);
    write_count(w, "bytes", side->retransmitted_bytes);
    la_write_close(w, '}');
    write_count(w, "syn", side->syn);
    write_count(w, "fin", side->fin);
    write_count(w, "rst", side->rst);
    write_count(w, "duplicate_acks", side->duplicate_acks);
    write_count(w, "zero_windows", side->zero_windows);
}

/* An estimate: more than three decimals would pretend to know. */
static void write_hz(struct la_writer *w, double hz) {
    la_write_name(w, "hz");
    if (hz > 0 && hz < 1e12)
        la_write_thousandths(w, (uint64_t)(hz * 1000 + 0.5));
    else
        la_write_null(w);
}

/* What only a SYN tells is null where none was captured. */
static void write_nature(struct la_writer *w, const struct la_endpoint *side) {
    la_write_name(w, "rtt");
    la_write_open(w, '{');
    write_delay(w, "min", side->rtt_min_ns);
    write_delay(w, "median", side->rtt_median_ns);
    la_write_close(w, '}');
    write_known_count(w, "ttl", side->seen, side->ttl);
    write_known_count(w, "mss", side->mss != 0, side->mss);
    write_known_count(w, "window_scale", side->window_scale >= 0, (uint64_t)side->window_scale);
    la_write_name(w, "timestamps");
    la_write_open(w, '{');
    write_known_bool(w, "used", side->seen, side->timestamps_used);
    write_hz(w, side->timestamp_hz);
    la_write_close(w, '}');
    write_known_bool(w, "sack", side->syn > 0, side->sack);
}

static void write_side(struct la_writer *w, const char *name, const struct la_endpoint *side) {
    la_write_name(w, name);
    la_write_open(w, '{');
    la_write_name(w, "address");
    la_write_addr(w, &side->addr);
    write_count(w, "port", side->port);
    write_word(w, "state", la_state_name(side->state));
    write_history(w, side);
    write_counts(w, side);
    write_nature(w, side);
    la_write_close(w, '}');
}

static void write_drew(struct la_writer *w, const struct la_where *where) {
    la_write_name(w, "drew");
    if (where->frame == 0) {
        la_write_null(w);
        return;
    }
    la_write_open(w, '{');
    write_place(w, where->input, where->frame);
    write_time(w, "time", where->time_ns);
    la_write_close(w, '}');
}

static void write_resets(struct la_writer *w, const struct la_connection *connection) {
    la_write_name(w, "resets");
    la_write_open(w, '[');
    for (size_t i = 0; i < connection->reset_count; i++) {
        const struct la_reset *reset = &connection->resets[i];
        la_write_open(w, '{');
        write_time(w, "time", reset->where.time_ns);
        write_place(w, reset->where.input, reset->where.frame);
        write_word(w, "by", reset->by == LA_CLIENT ? "client" : "server");
        write_word(w, "form", la_reset_form_name(reset->form));
        write_word(w, "cause", la_reset_cause_name(reset->cause));
        write_drew(w, &reset->drew);
        la_write_close(w, '}');
    }
    la_write_close(w, ']');
}

static void write_places(struct la_writer *w, const struct la_connection *c) {
    la_write_name(w, "vlans");
    la_write_open(w, '[');
    for (size_t i = 0; i < LA_CONNECTION_VLANS && c->vlans[i]; i++)
        la_write_count(w, c->vlans[i]);
    la_write_close(w, ']');
    la_write_name(w, "tunnels");
    la_write_open(w, '[');
    for (unsigned bit = 1; bit <= c->tunnels; bit <<= 1)
        if (c->tunnels & bit)
            la_write_word(w, la_tunnel_name(bit));
    la_write_close(w, ']');
    la_write_name(w, "files");
    la_write_open(w, '[');
    for (size_t i = 0; i < c->input_count; i++)
        la_write_file(w, c->inputs[i]);
    la_write_close(w, ']');
}

static void write_kinds(struct la_writer *w, const struct la_connection *c) {
    la_write_name(w, "findings");
    la_write_open(w, '[');
    for (unsigned kind = 0; c->findings >> kind; kind++)
        if (c->findings >> kind & 1)
            la_write_word(w, la_kind_name(kind));
    la_write_close(w, ']');
}

static void write_identity(struct la_writer *w, const struct la_connection_ref *ref) {
    char id[ID_TEXT], community_id[LA_COMMUNITY_ID_TEXT];
    write_word(w, "id", format_id(ref, id));
    write_bool(w, "initiator_known", ref->initiator_known);
    write_count(w, "incarnation", ref->incarnation);
    write_time(w, "opened", ref->opened_ns);
    write_word(w, "community_id", format_community_id(ref, community_id));
}

static void write_shape(struct la_writer *w, const struct la_connection *c) {
    write_time(w, "first", c->first.time_ns);
    write_time(w, "last", c->last.time_ns);
    write_word(w, "opening", la_opening_name(c->opening));
    write_word(w, "ending", la_ending_name(c->ending));
    write_word(w, "first_closer", la_closer_name(c->first_closer));
    write_word(w, "zeek_conn_state", c->zeek_conn_state);
    write_word(w, "zeek_history", c->zeek_history);
}

void la_write_connection(struct la_writer *w, const struct la_connection *connection) {
    const struct la_connection_ref ref = ref_of(connection);
    la_write_open(w, '{');
    write_identity(w, &ref);
    write_shape(w, connection);
    write_resets(w, connection);
    write_count(w, "gaps", connection->gaps);
    write_places(w, connection);
    write_kinds(w, connection);
    write_bool(w, "evicted", connection->evicted);
    write_side(w, "client", &connection->side[LA_CLIENT]);
    write_side(w, "server", &connection->side[LA_SERVER]);
    la_write_close(w, '}');
}
