/* The registry of diagnoses: one row a kind, one file a row. */
#ifndef LA_DIAGNOSE_DIAGNOSE_H
#define LA_DIAGNOSE_DIAGNOSE_H

#include "account/overview.h"
#include "base/error.h"
#include "diagnose/finding.h"

/* Receives every finding; borrowed for the call. */
typedef void la_finding_sink(void *context, const struct la_finding *finding);

/* A field that instances of a kind have beside those of all kinds. */
struct la_detail_spec {
    const char *name;
    enum la_detail_type type;
    bool nullable;
    const char *const *words; /* NULL-terminated, for LA_DETAIL_WORD */
    const char *meaning;
};

struct la_scan;

/* What crosses connections. */
struct la_crossing {
    const struct la_hosts *hosts; /* borrowed, may be NULL */
    struct la_overview *overview; /* owned, as what follows */
    struct la_scan *scans;
    size_t scan_count;
};

/* What most connections do not have, and a kind needs before it has anything to look at. */
enum la_trait {
    LA_TRAIT_REMARKABLE = 1 << 0, /* see connection.h */
    LA_TRAIT_TWO_SYNS = 1 << 1,   /* one from each side */
    LA_TRAIT_CLOSED_BY_BOTH = 1 << 2,
    LA_TRAIT_CLOSE_WAIT = 1 << 3, /* a side may have been in it for long */
    LA_TRAIT_DATA_AFTER_FIN = 1 << 4,
    LA_TRAIT_SETS = 1 << 5,
};

struct la_diagnosis {
    enum la_kind kind;
    const char *name;
    const char *summary;                  /* one sentence: what one instance says */
    const struct la_detail_spec *details; /* ends with a NULL name */
    /* Looks at one settled connection (and its neighbours) and fills `finding` when it has the
     * trouble; true when it did. At most one instance a connection. */
    bool (*examine)(const struct la_connection *connection, struct la_finding *finding);
    /* Looks at what crosses connections, once everything was merged, and hands on what it finds,
     * one for each host or service and episode. A kind has one of the two. */
    void (*conclude)(const struct la_crossing *crossing, la_finding_sink *sink, void *context);
    /* An instance may be nothing but what a scan looks like from the side of one attempt. */
    bool of_attempt;
    enum la_trait needs; /* with examine(): it is not asked of connections without that */
};

/* The row of a kind. */
const struct la_diagnosis *la_diagnosis_of(enum la_kind kind);
/* The kind of that name; false when there is none. */
bool la_kind_find(const char *name, enum la_kind *kind);

unsigned la_traits_of(const struct la_connection *connection);
/* Of the kinds in `enabled` those that have something to look at in a connection with these traits.
 */
uint64_t la_kinds_to_examine(uint64_t enabled, unsigned traits);

/* Runs the diagnoses in `kinds` (1 << enum la_kind) on one settled connection, sets
 * connection->findings, and hands each finding on. */
void la_diagnose_connection(struct la_connection *connection, uint64_t kinds, la_finding_sink *sink,
                            void *context);

/* False when out of memory. `accounts` are borrowed until it is closed. */
bool la_crossing_open(struct la_crossing *crossing, const struct la_accounts *accounts,
                      const struct la_hosts *hosts);
void la_crossing_close(struct la_crossing *crossing);
/* Runs the diagnoses in `enabled` that look at what crosses connections. */
void la_diagnose_crossing(const struct la_crossing *crossing, uint64_t enabled,
                          la_finding_sink *sink, void *context);
/* Whether an attempt is part of a scan, which is told as one: then what was found of the attempt
 * (`of_attempt`) is no trouble of its own. */
bool la_crossing_explains(const struct la_crossing *crossing, const struct la_addr *client,
                          int64_t first_ns);

#endif
