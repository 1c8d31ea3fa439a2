/* What an analysis knows, as data, closed under merge:
 *
 *     result(a ++ b) = merge(result(a), result(b))
 *
 * for captures cut between pairs of hosts. Merge is associative and commutative: counts add, sets
 * unite, the kept instances are the worst of both. Knows no JSON and no packet. */
#ifndef LA_RESULT_RESULT_H
#define LA_RESULT_RESULT_H

#include "account/accounts.h"
#include "base/error.h"
#include "base/histogram.h"
#include "diagnose/finding.h"
#include "result/facts.h"
#include "track/connection.h"

enum { LA_RESULT_INSTANCES = 50 };
enum { LA_RESULT_PAUSES = 1024 }; /* long pauses of the capture that are known to its judges */

/* How often each host appears, exactly. The first `sorted` items are in order of address and
 * different from each other; behind them lies what was added since, in order of arrival, so that
 * adding the millionth host does not move the other 999,999. Read it with la_host_counts_top(). */
struct la_host_count {
    struct la_addr addr;
    uint64_t count;
};
struct la_host_counts {
    struct la_host_count *items; /* owned */
    size_t sorted, count, capacity;
};

enum la_status la_host_counts_add(struct la_host_counts *hosts, const struct la_addr *addr,
                                  uint64_t count);
/* How often that host was added; of all hosts when `addr` is NULL. */
uint64_t la_host_counts_of(const struct la_host_counts *hosts, const struct la_addr *addr);
/* Writes the hosts with the highest counts to `top`, by count and then address, sets `*count` to
 * how many were written (at most `max`) and `*total` to the number of different hosts. */
enum la_status la_host_counts_top(const struct la_host_counts *hosts, size_t max,
                                  struct la_host_count *top, size_t *count, size_t *total);

struct la_kind_result {
    uint64_t observed, inferred;
    uint64_t by_severity[LA_SEVERITY_COUNT];
    struct la_host_counts hosts; /* by finding->host */
    /* The worst first, each owned. Pointers, because a finding is 4 KB with pointers into itself
     * and a capture whose troubles get worse and worse would shift them all for each one. */
    struct la_finding *instances[LA_RESULT_INSTANCES];
    size_t instance_count;
};

struct la_result {
    uint64_t connections;
    uint64_t by_opening[LA_OPENING_COUNT];
    uint64_t by_ending[LA_ENDING_COUNT];
    uint64_t first_closer[LA_CLOSER_COUNT];
    uint64_t by_vantage[LA_VANTAGE_COUNT];
    struct la_histogram connect_delay; /* ns from the first SYN to the SYN-ACK that completed it */
    uint64_t missing_segments;         /* holes that were acknowledged */
    uint64_t duplicates;
    uint64_t resets[LA_RESET_CAUSE_COUNT][2]; /* by cause and form */
    uint64_t log_dropped, evicted;            /* limits */
    uint64_t evidence_dropped, pauses_dropped;
    uint64_t unheard; /* attempts of which nobody noted what the server said meanwhile */
    uint64_t crowded; /* connections seen at more places than are kept of one */
    struct la_kind_result kinds[LA_KIND_COUNT];
    struct la_host_counts facts[LA_FACT_COUNT]; /* what findings told of which host */
    struct la_accounts *accounts;               /* owned */
};

/* NULL when out of memory; owned by the caller. */
struct la_result *la_result_new(void);
void la_result_free(struct la_result *result);

enum la_status la_result_add_connection(struct la_result *result,
                                        const struct la_connection *connection);
enum la_status la_result_add_finding(struct la_result *result, const struct la_finding *finding);
/* Adds `from` to `into`. Much of it moves instead of being copied: `from` is only good for freeing
 * afterwards, and after LA_ENOMEM so is `into`. */
enum la_status la_result_merge(struct la_result *into, struct la_result *from);

/* How many instances there were of a kind, kept or not. */
uint64_t la_result_count(const struct la_result *result, enum la_kind kind);
/* The worst severity met of a kind; only when there was one at all. */
enum la_severity la_result_worst(const struct la_result *result, enum la_kind kind);

#endif
