#include "result/facts.h"

/* What an instance of a kind says, from a severity on, where la_finding_says() so. */
static const struct rule {
    enum la_kind kind;
    const char *detail, *word;
    enum la_severity least;
    enum la_whose whose;
    enum la_fact fact;
} rules[] = {
    {LA_KIND_LOST_FINAL_ACK, "outcome", "re-acked", LA_INFO, LA_OF_HOST, LA_FACT_FIN_REPEATED},
    {LA_KIND_LOST_FINAL_ACK, "outcome", "reset", LA_INFO, LA_OF_PEER, LA_FACT_TIME_WAIT_CUT_SHORT},
    {LA_KIND_LOST_FINAL_ACK, "outcome", "unanswered", LA_INFO, LA_OF_HOST, LA_FACT_FIN_UNANSWERED},
    {LA_KIND_FIN_RETRANSMITTED, "cause", "fin-lost", LA_INFO, LA_OF_HOST, LA_FACT_FIN_REPEATED},
    {LA_KIND_FIN_RETRANSMITTED, "cause", "first-ack-lost", LA_INFO, LA_OF_HOST,
     LA_FACT_FIN_REPEATED},
    {LA_KIND_FIN_RETRANSMITTED, "cause", "unanswered", LA_INFO, LA_OF_HOST, LA_FACT_FIN_UNANSWERED},
    {LA_KIND_RECYCLED_PORT_RST, "held_state", "TIME-WAIT", LA_INFO, LA_OF_SERVER,
     LA_FACT_REFUSED_BY_TIME_WAIT},
    {LA_KIND_RECYCLED_PORT_RST, NULL, NULL, LA_INFO, LA_OF_CLIENT, LA_FACT_PORT_COLLIDED},
    {LA_KIND_RECYCLED_PORT_RST, NULL, NULL, LA_INFO, LA_OF_SERVER, LA_FACT_PORT_COLLIDED},
    {LA_KIND_TIMESTAMP_REJECTED_SYN, "mechanism", "per-connection", LA_INFO, LA_OF_SERVER,
     LA_FACT_REFUSED_BY_TIME_WAIT},
    {LA_KIND_TIMESTAMP_REJECTED_SYN, "mechanism", "per-host", LA_INFO, LA_OF_SERVER,
     LA_FACT_REFUSED_BY_RECYCLE},
    {LA_KIND_TIME_WAIT_REUSE, "side", "client", LA_INFO, LA_OF_CLIENT,
     LA_FACT_OWN_TIME_WAIT_REUSED},
    {LA_KIND_TIME_WAIT_REUSE, "side", "server", LA_INFO, LA_OF_SERVER, LA_FACT_TIME_WAIT_REUSED},
    /* What the capture's end left in CLOSE-WAIT for seconds is no leak. */
    {LA_KIND_CLOSE_WAIT_LEAK, NULL, NULL, LA_NOTICE, LA_OF_HOST, LA_FACT_CLOSE_WAIT_LEAKED},
    {LA_KIND_SYN_UNANSWERED, NULL, NULL, LA_INFO, LA_OF_CLIENT, LA_FACT_SYN_UNANSWERED},
    /* The other causes need no repeat, or more than one. */
    {LA_KIND_SYN_RETRANSMITTED, "cause", "syn-lost", LA_INFO, LA_OF_CLIENT, LA_FACT_SYN_REPEATED},
    {LA_KIND_SYN_RETRANSMITTED, "cause", "syn-dropped", LA_INFO, LA_OF_CLIENT,
     LA_FACT_SYN_REPEATED},
    {LA_KIND_SYN_RETRANSMITTED, "cause", "unknown", LA_INFO, LA_OF_CLIENT, LA_FACT_SYN_REPEATED},
    {LA_KIND_SYN_QUEUE_OVERFLOW, NULL, NULL, LA_INFO, LA_OF_SERVER, LA_FACT_SYN_QUEUE_FULL},
    {LA_KIND_ACCEPT_QUEUE_OVERFLOW, NULL, NULL, LA_INFO, LA_OF_SERVER, LA_FACT_ACCEPT_QUEUE_FULL},
    {LA_KIND_HALF_OPEN, "idle_timeout", NULL, LA_INFO, LA_OF_HOST, LA_FACT_LOST_WHILE_IDLE},
    {LA_KIND_KEEPALIVE, "origin", "system", LA_INFO, LA_OF_SIDE, LA_FACT_PROBED},
    {LA_KIND_KEEPALIVE, "origin", "application", LA_INFO, LA_OF_SIDE, LA_FACT_PROBED_BY_PROGRAM},
    {LA_KIND_KEEPALIVE_DEATH, "origin", "system", LA_INFO, LA_OF_SIDE, LA_FACT_DIED_OF_KEEPALIVE},
    {LA_KIND_KEEPALIVE_DEATH, "origin", "application", LA_INFO, LA_OF_SIDE,
     LA_FACT_DIED_OF_PROGRAM},
    {LA_KIND_RETRANSMISSION_TIMEOUT, NULL, NULL, LA_INFO, LA_OF_SIDE, LA_FACT_DIED_UNACKNOWLEDGED},
    /* A short one may well be a small buffer. */
    {LA_KIND_ZERO_WINDOW_STALL, NULL, NULL, LA_WARNING, LA_OF_SIDE, LA_FACT_WINDOW_CLOSED},
    {LA_KIND_ZERO_WINDOW_STALL, NULL, NULL, LA_WARNING, LA_OF_OTHER_SIDE,
     LA_FACT_PEER_CLOSED_WINDOW},
    {LA_KIND_FIN_WAIT_2_TIMEOUT, "cause", "timeout", LA_INFO, LA_OF_HOST,
     LA_FACT_FIN_WAIT_2_EXPIRED},
    {LA_KIND_FIN_WAIT_2_TIMEOUT, "cause", "discarded", LA_INFO, LA_OF_HOST,
     LA_FACT_FIN_WAIT_2_DISCARDED},
    {LA_KIND_LAST_ACK_TIMEOUT, NULL, NULL, LA_INFO, LA_OF_HOST, LA_FACT_CLOSE_GIVEN_UP},
    {LA_KIND_OLD_DUPLICATE, "reached", "later-incarnation", LA_CRITICAL, LA_OF_HOST,
     LA_FACT_OLD_DATA_ACCEPTED},
    {LA_KIND_TIME_WAIT_ASSASSINATION, NULL, NULL, LA_INFO, LA_OF_HOST, LA_FACT_ASSASSINATED},
    {LA_KIND_PORT_EXHAUSTION, NULL, NULL, LA_WARNING, LA_OF_HOST, LA_FACT_PORTS_SHORT},
    {LA_KIND_SYN_FLOOD, NULL, NULL, LA_INFO, LA_OF_HOST, LA_FACT_FLOODED},
};

static bool holds(const struct rule *rule, const struct la_finding *finding) {
    return rule->kind == finding->kind && finding->severity >= rule->least &&
           la_finding_says(finding, rule->detail, rule->word);
}

enum la_status la_facts_of(const struct la_finding *finding, la_fact_sink *add, void *context) {
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct la_addr *host = la_finding_whose(finding, rules[i].whose);
        if (!host || !holds(&rules[i], finding))
            continue;
        enum la_status status = add(context, rules[i].fact, host);
        if (status != LA_OK)
            return status;
    }
    return LA_OK;
}
