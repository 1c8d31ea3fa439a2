#include "result/facts.h"

#include <string.h>

enum whose { OF_HOST, OF_PEER, OF_CLIENT, OF_SERVER };

/* What an instance of a kind says, where a detail of it is that word (NULL: whatever it is). */
static const struct rule {
    enum la_kind kind;
    const char *detail, *word;
    enum whose whose;
    enum la_fact fact;
} rules[] = {
    {LA_KIND_LOST_FINAL_ACK, "outcome", "re-acked", OF_HOST, LA_FACT_FIN_REPEATED},
    {LA_KIND_LOST_FINAL_ACK, "outcome", "reset", OF_PEER, LA_FACT_TIME_WAIT_CUT_SHORT},
    {LA_KIND_LOST_FINAL_ACK, "outcome", "unanswered", OF_HOST, LA_FACT_FIN_UNANSWERED},
    {LA_KIND_FIN_RETRANSMITTED, "cause", "fin-lost", OF_HOST, LA_FACT_FIN_REPEATED},
    {LA_KIND_FIN_RETRANSMITTED, "cause", "first-ack-lost", OF_HOST, LA_FACT_FIN_REPEATED},
    {LA_KIND_FIN_RETRANSMITTED, "cause", "unanswered", OF_HOST, LA_FACT_FIN_UNANSWERED},
    {LA_KIND_RECYCLED_PORT_RST, "held_state", "TIME-WAIT", OF_SERVER, LA_FACT_REFUSED_BY_TIME_WAIT},
    {LA_KIND_RECYCLED_PORT_RST, NULL, NULL, OF_CLIENT, LA_FACT_PORT_COLLIDED},
    {LA_KIND_RECYCLED_PORT_RST, NULL, NULL, OF_SERVER, LA_FACT_PORT_COLLIDED},
    {LA_KIND_TIMESTAMP_REJECTED_SYN, "mechanism", "per-connection", OF_SERVER,
     LA_FACT_REFUSED_BY_TIME_WAIT},
    {LA_KIND_TIMESTAMP_REJECTED_SYN, "mechanism", "per-host", OF_SERVER,
     LA_FACT_REFUSED_BY_RECYCLE},
    {LA_KIND_TIME_WAIT_REUSE, "side", "client", OF_CLIENT, LA_FACT_OWN_TIME_WAIT_REUSED},
    {LA_KIND_TIME_WAIT_REUSE, "side", "server", OF_SERVER, LA_FACT_TIME_WAIT_REUSED},
};

static bool has_word(const struct la_finding *finding, const char *detail, const char *word) {
    for (size_t i = 0; i < finding->detail_count; i++) {
        const struct la_detail *d = &finding->details[i];
        if (d->type == LA_DETAIL_WORD && strcmp(d->name, detail) == 0)
            return strcmp(d->value.word, word) == 0;
    }
    return false;
}

static const struct la_addr *host_of(const struct la_finding *finding, enum whose whose) {
    switch (whose) {
    case OF_HOST:
        break;
    case OF_PEER:
        return &finding->peer;
    case OF_CLIENT:
        return &finding->connection.client;
    case OF_SERVER:
        return &finding->connection.server;
    }
    return &finding->host;
}

enum la_status la_facts_of(const struct la_finding *finding, la_fact_sink *add, void *context) {
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *rule = &rules[i];
        if (rule->kind != finding->kind)
            continue;
        if (rule->detail && !has_word(finding, rule->detail, rule->word))
            continue;
        enum la_status status = add(context, rule->fact, host_of(finding, rule->whose));
        if (status != LA_OK)
            return status;
    }
    return LA_OK;
}
