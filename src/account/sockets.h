/* Socket tables: what a settled connection's histories say of both hosts' sockets, and which of
 * them exist side by side at a moment.
 *
 * A spell is one socket in one state, from one entry of its history to the next. Spells are put
 * into a la_socket_table in the order of their beginning; it keeps those that are alive, in the
 * order in which a table is printed. */
#ifndef LA_ACCOUNT_SOCKETS_H
#define LA_ACCOUNT_SOCKETS_H

#include "base/error.h"
#include "track/connection.h"

struct la_spell {
    struct la_addr local, remote; /* of a listening socket the remote address and port are 0 */
    uint16_t local_port, remote_port;
    uint8_t state; /* enum la_state, never LA_ST_CLOSED */
    bool certain;
    int64_t since_ns, until_ns; /* up to, but not at `until`; INT64_MAX: nothing ends it */
    int64_t life_ns;            /* when the connection began at this host: a later life of the same
                                   4-tuple ends what is left of an earlier one */
};

typedef void la_spell_sink(void *context, const struct la_spell *spell);

/* Hands on the spells of both ends of a connection with histories, those of LISTEN included: a
 * host listens from its first SYN-ACK on, as far as this connection tells. Returns the time of the
 * last change, LA_TIME_NONE without any. */
int64_t la_spells_of(const struct la_connection *connection, la_spell_sink *sink, void *context);

/* A state as netstat names it: "FIN_WAIT1", "ESTABLISHED". */
const char *la_netstat_name(enum la_state state);

/* The moments `first + k * step` for k = 0, 1, ...; with step 0 only the first. */
struct la_moments {
    int64_t first_ns, step_ns;
};

/* The first of them that is not before `ns`; LA_TIME_NONE: they are all before it. */
int64_t la_moments_from(const struct la_moments *moments, int64_t ns);
/* Whether one of them lies in the spell. */
bool la_moments_meet(const struct la_moments *moments, const struct la_spell *spell);

struct la_socket_table;

/* NULL when out of memory; owned by the caller. */
struct la_socket_table *la_socket_table_new(void);
void la_socket_table_free(struct la_socket_table *table);

/* Takes a spell, in the order of since_ns. LA_OK or LA_ENOMEM. */
enum la_status la_socket_table_add(struct la_socket_table *table, const struct la_spell *spell);
/* Moves on to a moment, not before the one before it and not before any spell that was added; what
 * is over by then is forgotten. LA_OK or LA_ENOMEM. */
enum la_status la_socket_table_advance(struct la_socket_table *table, int64_t moment_ns);
/* The sockets of the moment: by host, then listening ones first, then by local port, peer and its
 * port; each 4-tuple once. Borrowed until the table is changed. */
const struct la_spell *la_socket_table_spells(const struct la_socket_table *table, size_t *count);

/* How many of the first of `spells` belong to the host of the first one. */
size_t la_spells_of_host(const struct la_spell *spells, size_t count);

/* What `netstat` counts: how often each peer, or each local port, stands in a table. */
enum la_tally_by { LA_TALLY_PEER, LA_TALLY_SERVICE };
struct la_tally {
    struct la_addr peer; /* LA_TALLY_PEER */
    uint16_t port;       /* LA_TALLY_SERVICE */
    uint64_t count;
};
/* Counts `spells`, listening ones left out, into `tallies`, which has room for `count`; the highest
 * count first, then by peer or port. Returns how many there are. */
size_t la_tally_spells(const struct la_spell *spells, size_t count, enum la_tally_by by,
                       struct la_tally *tallies);

#endif
