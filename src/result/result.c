/* Gathers connections and findings into one value, and adds two such values. Everything here is a
 * count, a set or "the worst of", so the order of arrival leaves no trace. */
#include "result/result.h"

#include <stdlib.h>

struct la_result *la_result_new(void) {
    struct la_result *result = calloc(1, sizeof *result);
    if (result && !(result->accounts = la_accounts_new())) {
        free(result);
        return NULL;
    }
    return result;
}

void la_result_free(struct la_result *result) {
    if (!result)
        return;
    for (size_t kind = 0; kind < LA_KIND_COUNT; kind++) {
        struct la_kind_result *of = &result->kinds[kind];
        for (size_t i = 0; i < of->instance_count; i++)
            free(of->instances[i]);
        free(of->hosts.items);
    }
    for (size_t fact = 0; fact < LA_FACT_COUNT; fact++)
        free(result->facts[fact].items);
    la_accounts_free(result->accounts);
    free(result);
}

static void add_resets(struct la_result *result, const struct la_connection *connection) {
    for (size_t i = 0; i < connection->reset_count; i++) {
        const struct la_reset *reset = &connection->resets[i];
        result->resets[reset->cause][reset->form]++;
    }
}

enum la_status la_result_add_connection(struct la_result *result,
                                        const struct la_connection *connection) {
    result->connections++;
    result->by_opening[connection->opening]++;
    result->by_ending[connection->ending]++;
    result->first_closer[connection->first_closer]++;
    result->by_vantage[connection->vantage.kind]++;
    result->missing_segments += connection->gaps;
    result->duplicates += connection->duplicates;
    result->log_dropped += connection->log_dropped + connection->icmp_dropped;
    result->evicted += connection->evicted;
    result->crowded += connection->crowded;
    result->unheard += connection->unheard;
    add_resets(result, connection);
    if (connection->connect_delay_ns >= 0)
        la_histogram_add(&result->connect_delay, connection->connect_delay_ns);
    return la_accounts_add(result->accounts, connection);
}

/* Where `finding` belongs among the kept ones. */
static size_t rank_of(const struct la_kind_result *of, const struct la_finding *finding) {
    size_t low = 0, high = of->instance_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (la_finding_compare(of->instances[middle], finding) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Keeps a copy of `finding` when it is among the worst. */
static enum la_status keep_instance(struct la_kind_result *of, const struct la_finding *finding) {
    size_t rank = rank_of(of, finding);
    if (rank == LA_RESULT_INSTANCES)
        return LA_OK;
    struct la_finding *copy;
    if (of->instance_count == LA_RESULT_INSTANCES)
        copy = of->instances[--of->instance_count];
    else if (!(copy = malloc(sizeof *copy)))
        return LA_ENOMEM;
    la_finding_copy(copy, finding);
    memmove(&of->instances[rank + 1], &of->instances[rank],
            (of->instance_count - rank) * sizeof of->instances[0]);
    of->instances[rank] = copy;
    of->instance_count++;
    return LA_OK;
}

static enum la_status add_fact(void *context, enum la_fact fact, const struct la_addr *host) {
    struct la_result *result = context;
    return la_host_counts_add(&result->facts[fact], host, 1);
}

enum la_status la_result_add_finding(struct la_result *result, const struct la_finding *finding) {
    struct la_kind_result *of = &result->kinds[finding->kind];
    if (finding->confidence == LA_OBSERVED)
        of->observed++;
    else
        of->inferred++;
    of->by_severity[finding->severity]++;
    result->evidence_dropped += finding->evidence_dropped;
    if (la_host_counts_add(&of->hosts, &finding->host, 1) != LA_OK ||
        la_facts_of(finding, add_fact, result) != LA_OK)
        return LA_ENOMEM;
    return keep_instance(of, finding);
}

static void add_counts(uint64_t *into, const uint64_t *from, size_t count) {
    for (size_t i = 0; i < count; i++)
        into[i] += from[i];
}

static enum la_status merge_hosts(struct la_host_counts *into, const struct la_host_counts *from) {
    for (size_t i = 0; i < from->count; i++)
        if (la_host_counts_add(into, &from->items[i].addr, from->items[i].count) != LA_OK)
            return LA_ENOMEM;
    return LA_OK;
}

static enum la_status merge_kind(struct la_kind_result *into, const struct la_kind_result *from) {
    into->observed += from->observed;
    into->inferred += from->inferred;
    add_counts(into->by_severity, from->by_severity, LA_SEVERITY_COUNT);
    if (merge_hosts(&into->hosts, &from->hosts) != LA_OK)
        return LA_ENOMEM;
    for (size_t i = 0; i < from->instance_count; i++) {
        if (keep_instance(into, from->instances[i]) != LA_OK)
            return LA_ENOMEM;
    }
    return LA_OK;
}

enum la_status la_result_merge(struct la_result *into, struct la_result *from) {
    into->connections += from->connections;
    add_counts(into->by_opening, from->by_opening, LA_OPENING_COUNT);
    add_counts(into->by_ending, from->by_ending, LA_ENDING_COUNT);
    add_counts(into->first_closer, from->first_closer, LA_CLOSER_COUNT);
    add_counts(into->by_vantage, from->by_vantage, LA_VANTAGE_COUNT);
    la_histogram_merge(&into->connect_delay, &from->connect_delay);
    into->missing_segments += from->missing_segments;
    into->duplicates += from->duplicates;
    for (size_t cause = 0; cause < LA_RESET_CAUSE_COUNT; cause++)
        add_counts(into->resets[cause], from->resets[cause], 2);
    into->log_dropped += from->log_dropped;
    into->evicted += from->evicted;
    into->evidence_dropped += from->evidence_dropped;
    into->pauses_dropped += from->pauses_dropped;
    into->crowded += from->crowded;
    into->unheard += from->unheard;
    for (size_t kind = 0; kind < LA_KIND_COUNT; kind++) {
        if (merge_kind(&into->kinds[kind], &from->kinds[kind]) != LA_OK)
            return LA_ENOMEM;
    }
    for (size_t fact = 0; fact < LA_FACT_COUNT; fact++) {
        if (merge_hosts(&into->facts[fact], &from->facts[fact]) != LA_OK)
            return LA_ENOMEM;
    }
    return la_accounts_merge(into->accounts, from->accounts);
}

uint64_t la_result_count(const struct la_result *result, enum la_kind kind) {
    return result->kinds[kind].observed + result->kinds[kind].inferred;
}

enum la_severity la_result_worst(const struct la_result *result, enum la_kind kind) {
    int severity = LA_CRITICAL;
    while (severity > LA_INFO && result->kinds[kind].by_severity[severity] == 0)
        severity--;
    return (enum la_severity)severity;
}
