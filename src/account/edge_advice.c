/* tcp_tw_reuse acts in connect() only, so it is of use to the side that opens connections when that
 * side also holds the TIME-WAITs (tcp_twsk_unique). A side that accepts needs no setting: a SYN
 * with a newer timestamp takes a TIME-WAIT over (tcp_timewait_state_process). */
#include "account/edge_advice.h"

/* A side has TIME-WAITs to speak of when it has at least a tenth of them. */
static bool bears(const struct la_edge *edge, unsigned side) {
    uint32_t all = edge->time_waits[0] + edge->time_waits[1];
    return edge->time_waits[side] > 0 && edge->time_waits[side] >= all / 10;
}

const char *la_edge_time_wait_at(const struct la_edge *edge) {
    bool client = bears(edge, LA_CLIENT), server = bears(edge, LA_SERVER);
    return client && server ? "both" : client ? "client" : server ? "server" : "none";
}

static struct la_edge_setting reuse_at_client(const struct la_edge *edge) {
    struct la_edge_setting setting = {.name = "net.ipv4.tcp_tw_reuse", .side = LA_CLIENT};
    if (!bears(edge, LA_CLIENT)) {
        setting.why = "it lets connect() take over a TIME-WAIT of this host, and this host holds "
                      "none of this edge";
    } else if (edge->timestamps == 0) {
        setting.why = "it needs TCP timestamps, and these connections have none";
    } else {
        setting.matters = true;
        setting.why = "this host opens the connections and holds their TIME-WAITs: with 1, "
                      "connect() may take one over after a second";
    }
    return setting;
}

size_t la_edge_settings(const struct la_edge *edge,
                        struct la_edge_setting settings[LA_EDGE_SETTINGS]) {
    bool client = bears(edge, LA_CLIENT), server = bears(edge, LA_SERVER);
    size_t count = 0;
    if (!client && !server)
        return 0;
    settings[count++] = reuse_at_client(edge);
    settings[count++] = (struct la_edge_setting){
        "net.ipv4.ip_local_port_range", LA_CLIENT, client,
        client ? "each TIME-WAIT keeps one of this host's ports from this service"
               : "the TIME-WAITs are not at this host and keep none of its ports"};
    settings[count++] = (struct la_edge_setting){
        "net.ipv4.tcp_tw_reuse", LA_SERVER, false,
        "it concerns connections that a host opens, and this one accepts them"};
    settings[count++] = (struct la_edge_setting){
        "net.ipv4.tcp_fin_timeout", client ? LA_CLIENT : LA_SERVER, false,
        "it concerns FIN-WAIT-2; TIME-WAIT is 60 s and no setting changes it"};
    if (server)
        settings[count++] = (struct la_edge_setting){
            "net.ipv4.tcp_timestamps", LA_SERVER, true,
            "with timestamps a newer SYN takes over a TIME-WAIT at once; without them its sequence "
            "number has to be higher"};
    settings[count++] = (struct la_edge_setting){
        "net.ipv4.tcp_max_tw_buckets", client ? LA_CLIENT : LA_SERVER, false,
        "lowering it destroys TIME-WAITs that are needed: late FINs then meet a reset"};
    return count;
}
