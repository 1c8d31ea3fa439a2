#include "diagnose/episode.h"

#include <stddef.h>
#include <string.h>

void episode_start(struct la_finding *f, enum la_kind kind, const struct la_addr *host,
                   const struct la_addr *peer) {
    memset(f, 0, offsetof(struct la_finding, text));
    f->text[0] = '\0';
    f->kind = kind;
    f->delay_ns = -1;
    f->host = *host;
    f->many_peers = peer == NULL;
    if (peer)
        f->peer = *peer;
    f->connection.client = *host;
    f->summary = "";
    f->responsible.role = LA_ROLE_UNKNOWN;
    f->responsible.why = "";
}

void episode_of_service(struct la_finding *f, const struct la_account *service) {
    f->connection.server = service->addr;
    f->connection.server_port = service->port;
}

void episode_show(struct la_finding *f, const struct la_edge *edge, const char *role) {
    if (edge->first.frame == 0)
        return;
    const struct la_observation first = {
        .time_ns = edge->first.time_ns, .frame = edge->first.frame, .input = edge->first.input};
    finding_show_observation(f, &first, role);
}

void episode_show_clients(struct la_finding *f, const struct la_overview *overview,
                          const struct la_service *service, const char *role) {
    uint32_t left = 0;
    for (int i = 0; service->clients && i < LA_PAIR_CLASSES; i++)
        left += la_sample_count(&service->clients[i], overview->clients_most);
    for (size_t i = 0; left > 0 && f->evidence_count < LA_FINDING_EVIDENCE; i++) {
        const struct la_edge_line *line = &overview->edges[i];
        if (line->seeks || line->service != service)
            continue;
        episode_show(f, line->edge, role);
        left--;
    }
    f->evidence_dropped += left;
}

const char *host_text(struct la_finding *f, const struct la_addr *addr) {
    char text[LA_ADDR_TEXT];
    return finding_text(f, "%s", la_addr_format(addr, text));
}

const char *service_text(struct la_finding *f, const struct la_account *service) {
    const struct la_endpoint end = {.addr = service->addr, .port = service->port};
    return endpoint_text(f, &end);
}
