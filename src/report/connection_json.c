#include "report/connection_json.h"

#include "decode/decode.h"
#include "report/community_id.h"

#include <inttypes.h>
#include <stdio.h>

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

static void format_endpoint(const struct la_addr *addr, uint16_t port, char buf[ENDPOINT_TEXT]) {
    char text[LA_ADDR_TEXT];
    bool v4 = la_addr_is_v4(addr);
    snprintf(buf, ENDPOINT_TEXT, v4 ? "%s:%u" : "[%s]:%u", la_addr_format(addr, text), port);
}

/* Epoch seconds with six digits, or nine where six would lose something: unlike the times of the
 * report, the same in whatever company the capture is read. */
static void format_moment(int64_t ns, char buf[32]) {
    int64_t seconds = ns / LA_SEC, rest = ns % LA_SEC;
    if (rest < 0) {
        rest += LA_SEC;
        seconds--;
    }
    if (rest % LA_USEC == 0)
        snprintf(buf, 32, "%" PRId64 ".%06" PRId64, seconds, rest / LA_USEC);
    else
        snprintf(buf, 32, "%" PRId64 ".%09" PRId64, seconds, rest);
}

/* The 4-tuple and when it was opened, which no two lives of a 4-tuple share. */
static json_t *emit_id(const struct la_connection_ref *ref) {
    char client[ENDPOINT_TEXT], server[ENDPOINT_TEXT], moment[32], id[ID_TEXT];
    format_endpoint(&ref->client, ref->client_port, client);
    format_endpoint(&ref->server, ref->server_port, server);
    format_moment(ref->opened_ns != LA_TIME_NONE ? ref->opened_ns : ref->first_ns, moment);
    snprintf(id, sizeof id, "%s-%s-%s", client, server, moment);
    return json_string_nocheck(id);
}

static json_t *emit_community_id(const struct la_connection_ref *ref) {
    struct la_flow flow = {.src = ref->client,
                           .dst = ref->server,
                           .sport = ref->client_port,
                           .dport = ref->server_port};
    char text[LA_COMMUNITY_ID_TEXT];
    return json_string_nocheck(la_community_id(&flow, text));
}

json_t *la_emit_connection_ref(struct la_emit *emit, const struct la_connection_ref *ref) {
    if (!ref->present)
        return json_null();
    json_t *object = json_object();
    la_emit_put(emit, object, "id", emit_id(ref));
    la_emit_put(emit, object, "client", la_emit_endpoint(emit, &ref->client, ref->client_port));
    la_emit_put(emit, object, "server", la_emit_endpoint(emit, &ref->server, ref->server_port));
    la_emit_put(emit, object, "initiator_known", json_boolean(ref->initiator_known));
    la_emit_put(emit, object, "incarnation", la_emit_count(ref->incarnation));
    la_emit_put(emit, object, "opened", la_emit_time(emit, ref->opened_ns));
    la_emit_put(emit, object, "community_id", emit_community_id(ref));
    return object;
}

static json_t *emit_change(struct la_emit *emit, const struct la_change *change) {
    bool by_packet = change->frame != 0;
    json_t *object = json_object();
    la_emit_put(emit, object, "time", la_emit_time(emit, change->time_ns));
    la_emit_put(emit, object, "state", json_string(la_state_name(change->state)));
    la_emit_put(emit, object, "certain", json_boolean(change->certain));
    la_emit_put(emit, object, "file", by_packet ? la_emit_file(emit, change->input) : json_null());
    la_emit_put(emit, object, "frame", by_packet ? la_emit_count(change->frame) : json_null());
    return object;
}

static json_t *emit_history(struct la_emit *emit, const struct la_endpoint *side) {
    json_t *history = json_array();
    for (size_t i = 0; i < side->change_count; i++)
        la_emit_add(emit, history, emit_change(emit, &side->changes[i]));
    return history;
}

static json_t *emit_retransmitted(struct la_emit *emit, const struct la_endpoint *side) {
    json_t *object = json_object();
    la_emit_put(emit, object, "segments", la_emit_count(side->retransmitted_segments));
    la_emit_put(emit, object, "bytes", la_emit_count(side->retransmitted_bytes));
    return object;
}

static json_t *emit_rtt(struct la_emit *emit, const struct la_endpoint *side) {
    json_t *object = json_object();
    la_emit_put(emit, object, "min", la_emit_delay(side->rtt_min_ns));
    la_emit_put(emit, object, "median", la_emit_delay(side->rtt_median_ns));
    return object;
}

/* An estimate: more than three decimals would pretend to know. */
static json_t *emit_hz(double hz) {
    bool known = hz > 0 && hz < 1e12;
    return known ? json_real((double)(int64_t)(hz * 1000 + 0.5) / 1000) : json_null();
}

static json_t *emit_timestamps(struct la_emit *emit, const struct la_endpoint *side) {
    json_t *object = json_object();
    json_t *used = side->seen ? json_boolean(side->timestamps_used) : json_null();
    la_emit_put(emit, object, "used", used);
    la_emit_put(emit, object, "hz", emit_hz(side->timestamp_hz));
    return object;
}

static void put_counts(struct la_emit *emit, json_t *object, const struct la_endpoint *side) {
    la_emit_put(emit, object, "packets", la_emit_count(side->packets));
    la_emit_put(emit, object, "bytes", la_emit_count(side->bytes));
    la_emit_put(emit, object, "data_bytes", la_emit_count(side->data_bytes));
    la_emit_put(emit, object, "retransmitted", emit_retransmitted(emit, side));
    la_emit_put(emit, object, "syn", la_emit_count(side->syn));
    la_emit_put(emit, object, "fin", la_emit_count(side->fin));
    la_emit_put(emit, object, "rst", la_emit_count(side->rst));
    la_emit_put(emit, object, "duplicate_acks", la_emit_count(side->duplicate_acks));
    la_emit_put(emit, object, "zero_windows", la_emit_count(side->zero_windows));
}

/* What only a SYN tells is null where none was captured. */
static void put_nature(struct la_emit *emit, json_t *object, const struct la_endpoint *side) {
    bool syn_seen = side->syn > 0;
    json_t *scale = side->window_scale < 0 ? json_null() : json_integer(side->window_scale);
    la_emit_put(emit, object, "rtt", emit_rtt(emit, side));
    la_emit_put(emit, object, "ttl", side->seen ? json_integer(side->ttl) : json_null());
    la_emit_put(emit, object, "mss", side->mss ? json_integer(side->mss) : json_null());
    la_emit_put(emit, object, "window_scale", scale);
    la_emit_put(emit, object, "timestamps", emit_timestamps(emit, side));
    la_emit_put(emit, object, "sack", syn_seen ? json_boolean(side->sack) : json_null());
}

static json_t *emit_side(struct la_emit *emit, const struct la_endpoint *side) {
    json_t *object = la_emit_endpoint(emit, &side->addr, side->port);
    la_emit_put(emit, object, "state", json_string(la_state_name(side->state)));
    la_emit_put(emit, object, "states", emit_history(emit, side));
    put_counts(emit, object, side);
    put_nature(emit, object, side);
    return object;
}

static json_t *emit_where(struct la_emit *emit, const struct la_where *where) {
    if (where->frame == 0)
        return json_null();
    json_t *object = json_object();
    la_emit_put(emit, object, "file", la_emit_file(emit, where->input));
    la_emit_put(emit, object, "frame", la_emit_count(where->frame));
    la_emit_put(emit, object, "time", la_emit_time(emit, where->time_ns));
    return object;
}

static json_t *emit_reset(struct la_emit *emit, const struct la_reset *reset) {
    json_t *object = json_object();
    la_emit_put(emit, object, "time", la_emit_time(emit, reset->where.time_ns));
    la_emit_put(emit, object, "file", la_emit_file(emit, reset->where.input));
    la_emit_put(emit, object, "frame", la_emit_count(reset->where.frame));
    la_emit_put(emit, object, "by", json_string(reset->by == LA_CLIENT ? "client" : "server"));
    la_emit_put(emit, object, "form", json_string(la_reset_form_name(reset->form)));
    la_emit_put(emit, object, "cause", json_string(la_reset_cause_name(reset->cause)));
    la_emit_put(emit, object, "drew", emit_where(emit, &reset->drew));
    return object;
}

static json_t *emit_resets(struct la_emit *emit, const struct la_connection *connection) {
    json_t *array = json_array();
    for (size_t i = 0; i < connection->reset_count; i++)
        la_emit_add(emit, array, emit_reset(emit, &connection->resets[i]));
    return array;
}

static json_t *emit_vlans(struct la_emit *emit, const struct la_connection *connection) {
    json_t *array = json_array();
    for (size_t i = 0; i < LA_CONNECTION_VLANS && connection->vlans[i]; i++)
        la_emit_add(emit, array, json_integer(connection->vlans[i]));
    return array;
}

static json_t *emit_tunnels(struct la_emit *emit, unsigned tunnels) {
    json_t *array = json_array();
    for (unsigned bit = 1; bit <= tunnels; bit <<= 1) {
        if (tunnels & bit)
            la_emit_add(emit, array, json_string(la_tunnel_name(bit)));
    }
    return array;
}

static json_t *emit_files(struct la_emit *emit, const struct la_connection *connection) {
    json_t *array = json_array();
    for (size_t i = 0; i < connection->input_count; i++)
        la_emit_add(emit, array, la_emit_file(emit, connection->inputs[i]));
    return array;
}

static json_t *emit_kinds(struct la_emit *emit, uint64_t kinds) {
    json_t *array = json_array();
    for (unsigned kind = 0; kind < LA_KIND_COUNT; kind++) {
        if (kinds >> kind & 1)
            la_emit_add(emit, array, json_string(la_kind_name(kind)));
    }
    return array;
}

static void put_identity(struct la_emit *emit, json_t *object,
                         const struct la_connection *connection) {
    struct la_connection_ref ref = ref_of(connection);
    la_emit_put(emit, object, "id", emit_id(&ref));
    la_emit_put(emit, object, "initiator_known", json_boolean(ref.initiator_known));
    la_emit_put(emit, object, "incarnation", la_emit_count(ref.incarnation));
    la_emit_put(emit, object, "opened", la_emit_time(emit, ref.opened_ns));
    la_emit_put(emit, object, "community_id", emit_community_id(&ref));
}

static void put_shape(struct la_emit *emit, json_t *object, const struct la_connection *c) {
    la_emit_put(emit, object, "first", la_emit_time(emit, c->first.time_ns));
    la_emit_put(emit, object, "last", la_emit_time(emit, c->last.time_ns));
    la_emit_put(emit, object, "opening", json_string(la_opening_name(c->opening)));
    la_emit_put(emit, object, "ending", json_string(la_ending_name(c->ending)));
    la_emit_put(emit, object, "first_closer", json_string(la_closer_name(c->first_closer)));
    la_emit_put(emit, object, "zeek_conn_state", la_emit_text(c->zeek_conn_state));
    la_emit_put(emit, object, "zeek_history", la_emit_text(c->zeek_history));
}

json_t *la_emit_connection(struct la_emit *emit, const struct la_connection *connection) {
    json_t *object = json_object();
    put_identity(emit, object, connection);
    put_shape(emit, object, connection);
    la_emit_put(emit, object, "resets", emit_resets(emit, connection));
    la_emit_put(emit, object, "gaps", la_emit_count(connection->gaps));
    la_emit_put(emit, object, "vlans", emit_vlans(emit, connection));
    la_emit_put(emit, object, "tunnels", emit_tunnels(emit, connection->tunnels));
    la_emit_put(emit, object, "files", emit_files(emit, connection));
    la_emit_put(emit, object, "findings", emit_kinds(emit, connection->findings));
    la_emit_put(emit, object, "evicted", json_boolean(connection->evicted));
    la_emit_put(emit, object, "client", emit_side(emit, &connection->side[LA_CLIENT]));
    la_emit_put(emit, object, "server", emit_side(emit, &connection->side[LA_SERVER]));
    return object;
}
