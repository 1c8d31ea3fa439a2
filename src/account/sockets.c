/* The histories are given; nothing here decides a state. What this file adds is time: which entry
 * holds at a moment, and which life of a 4-tuple it belongs to. */
#include "account/sockets.h"

#include "base/time.h"

#include <assert.h>
#include <stdlib.h>

/* Spells of a connection */

/* When the next life of the 4-tuple begins at this host; INT64_MAX: not in sight. */
static int64_t next_life_ns(const struct la_connection *c, unsigned side) {
    const struct la_connection *next = c->next;
    if (!next)
        return INT64_MAX;
    const struct la_endpoint *end = &next->side[la_side_in(next, c, side)];
    return end->change_count > 0 ? end->changes[0].time_ns : INT64_MAX;
}

/* It was asked to connect, and agreed without having asked itself. */
static bool proves_listening(const struct la_endpoint *end, const struct la_change *change) {
    return change->event == LA_EV_SEND_SYN_ACK && !end->syn_sent;
}

static void hand_on_listening(const struct la_endpoint *end, int64_t since_ns, la_spell_sink *sink,
                              void *context) {
    const struct la_spell spell = {.local = end->addr,
                                   .local_port = end->port,
                                   .state = LA_ST_LISTEN,
                                   .certain = true,
                                   .since_ns = since_ns,
                                   .until_ns = INT64_MAX,
                                   .life_ns = since_ns};
    sink(context, &spell);
}

static void hand_on_side(const struct la_connection *c, unsigned side, la_spell_sink *sink,
                         void *context) {
    const struct la_endpoint *end = &c->side[side], *peer = &c->side[!side];
    int64_t over_ns = next_life_ns(c, side);
    for (size_t i = 0; i < end->change_count; i++) {
        const struct la_change *change = &end->changes[i];
        struct la_spell spell = {.local = end->addr,
                                 .remote = peer->addr,
                                 .local_port = end->port,
                                 .remote_port = peer->port,
                                 .state = change->state,
                                 .certain = change->certain,
                                 .since_ns = change->time_ns,
                                 .until_ns = over_ns,
                                 .life_ns = end->changes[0].time_ns};
        if (i + 1 < end->change_count && change[1].time_ns < over_ns)
            spell.until_ns = change[1].time_ns;
        if (proves_listening(end, change))
            hand_on_listening(end, change->time_ns, sink, context);
        if (change->state != LA_ST_CLOSED && spell.since_ns < spell.until_ns)
            sink(context, &spell);
    }
}

int64_t la_spells_of(const struct la_connection *connection, la_spell_sink *sink, void *context) {
    int64_t last_ns = LA_TIME_NONE;
    for (unsigned side = 0; side < 2; side++) {
        const struct la_endpoint *end = &connection->side[side];
        hand_on_side(connection, side, sink, context);
        if (end->change_count > 0 && end->changes[end->change_count - 1].time_ns > last_ns)
            last_ns = end->changes[end->change_count - 1].time_ns;
    }
    return last_ns;
}

const char *la_netstat_name(enum la_state state) {
    static const char *const names[LA_ST_COUNT] = {
        "CLOSED",    "LISTEN",     "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1",
        "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK", "CLOSING",  "TIME_WAIT",   "UNKNOWN"};
    return names[state];
}

/* Moments */

int64_t la_moments_from(const struct la_moments *moments, int64_t ns) {
    int64_t distance, up;
    if (ns <= moments->first_ns)
        return moments->first_ns;
    if (moments->step_ns == 0 || __builtin_sub_overflow(ns, moments->first_ns, &distance))
        return LA_TIME_NONE;
    int64_t behind = distance % moments->step_ns;
    if (behind == 0)
        return ns;
    return __builtin_add_overflow(ns, moments->step_ns - behind, &up) ? LA_TIME_NONE : up;
}

bool la_moments_meet(const struct la_moments *moments, const struct la_spell *spell) {
    int64_t moment = la_moments_from(moments, spell->since_ns);
    return moment != LA_TIME_NONE && moment < spell->until_ns;
}

/* The table: what was alive at the last moment in its order, and behind it what has come since, as
 * it came. Sockets change rarely beside how often they are looked at, so a moment costs a merge. */

struct la_socket_table {
    struct la_spell *spells; /* owned; in order */
    struct la_spell *spare;  /* owned; where the next moment is merged to */
    struct la_spell *fresh;  /* owned; since the last moment */
    size_t count, capacity;  /* of spells */
    size_t spare_capacity;
    size_t fresh_count, fresh_capacity;
};

struct la_socket_table *la_socket_table_new(void) {
    return calloc(1, sizeof(struct la_socket_table));
}

void la_socket_table_free(struct la_socket_table *table) {
    if (!table)
        return;
    free(table->spells);
    free(table->spare);
    free(table->fresh);
    free(table);
}

static int compare_i64(int64_t a, int64_t b) {
    return a < b ? -1 : a > b;
}

/* By socket: the same 4-tuple is equal. */
static int compare_sockets(const struct la_spell *a, const struct la_spell *b) {
    int order = la_addr_cmp(&a->local, &b->local);
    bool a_listens = a->state == LA_ST_LISTEN, b_listens = b->state == LA_ST_LISTEN;
    if (order == 0 && a_listens != b_listens)
        order = a_listens ? -1 : 1;
    if (order == 0)
        order = (int)a->local_port - (int)b->local_port;
    if (order == 0)
        order = la_addr_cmp(&a->remote, &b->remote);
    return order ? order : (int)a->remote_port - (int)b->remote_port;
}

/* Which of two spells of a socket holds. A port listens since the first of its SYN-ACKs. */
static int compare_claims(const struct la_spell *a, const struct la_spell *b) {
    if (a->state == LA_ST_LISTEN)
        return compare_i64(b->since_ns, a->since_ns);
    int order = compare_i64(a->life_ns, b->life_ns);
    if (order == 0)
        order = compare_i64(a->since_ns, b->since_ns);
    if (order == 0)
        order = compare_i64(a->until_ns, b->until_ns);
    return order ? order : (int)a->state - (int)b->state;
}

static int in_order(const void *a, const void *b) {
    int order = compare_sockets(a, b);
    return order ? order : compare_claims(a, b);
}

static bool grow(struct la_spell **spells, size_t *capacity, size_t need) {
    enum { FEWEST = 64 };
    size_t wanted = *capacity + *capacity / 2 > need ? *capacity + *capacity / 2 : need;
    wanted = wanted > FEWEST ? wanted : FEWEST;
    struct la_spell *grown = realloc(*spells, wanted * sizeof *grown);
    if (!grown)
        return false;
    *spells = grown;
    *capacity = wanted;
    return true;
}

enum la_status la_socket_table_add(struct la_socket_table *table, const struct la_spell *spell) {
    assert(spell->state != LA_ST_CLOSED && spell->since_ns < spell->until_ns);
    if (table->fresh_count == table->fresh_capacity &&
        !grow(&table->fresh, &table->fresh_capacity, 0))
        return LA_ENOMEM;
    table->fresh[table->fresh_count++] = *spell;
    return LA_OK;
}

/* Puts a spell behind those merged already: the last of a socket is the one that holds. */
static size_t put(struct la_spell *merged, size_t count, const struct la_spell *spell) {
    if (count > 0 && compare_sockets(&merged[count - 1], spell) == 0)
        count--;
    merged[count] = *spell;
    return count + 1;
}

/* Merges what was alive and what has come since into `merged`, which has room for both. */
static size_t merge(const struct la_socket_table *table, struct la_spell *merged) {
    const struct la_spell *old = table->spells, *old_end = old + table->count;
    const struct la_spell *new = table->fresh, *new_end = new + table->fresh_count;
    size_t count = 0;
    while (old < old_end || new < new_end) {
        bool take_old = new == new_end || (old < old_end && in_order(old, new) < 0);
        count = put(merged, count, take_old ? old++ : new ++);
    }
    return count;
}

static size_t drop_ended(struct la_spell *spells, size_t count, int64_t moment_ns) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (spells[i].until_ns > moment_ns)
            spells[kept++] = spells[i];
    return kept;
}

enum la_status la_socket_table_advance(struct la_socket_table *table, int64_t moment_ns) {
    size_t need = table->count + table->fresh_count;
    if (table->fresh_count > 1)
        qsort(table->fresh, table->fresh_count, sizeof *table->fresh, in_order);
    if (table->fresh_count > 0) {
        if (table->spare_capacity < need && !grow(&table->spare, &table->spare_capacity, need))
            return LA_ENOMEM;
        table->count = merge(table, table->spare);
        struct la_spell *merged = table->spare;
        size_t capacity = table->spare_capacity;
        table->spare = table->spells;
        table->spare_capacity = table->capacity;
        table->spells = merged;
        table->capacity = capacity;
    }
    table->count = drop_ended(table->spells, table->count, moment_ns);
    table->fresh_count = 0;
    return LA_OK;
}

const struct la_spell *la_socket_table_spells(const struct la_socket_table *table, size_t *count) {
    *count = table->count;
    return table->spells;
}

size_t la_spells_of_host(const struct la_spell *spells, size_t count) {
    size_t of_host = 0;
    while (of_host < count && la_addr_cmp(&spells[of_host].local, &spells[0].local) == 0)
        of_host++;
    return of_host;
}

/* Counting */

static int by_what(const void *a, const void *b) {
    const struct la_tally *x = a, *y = b;
    int order = la_addr_cmp(&x->peer, &y->peer);
    return order ? order : (int)x->port - (int)y->port;
}

static int by_count(const void *a, const void *b) {
    const struct la_tally *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return by_what(a, b);
}

/* Adds up neighbours that are equal; returns how many are left. */
static size_t add_up(struct la_tally *tallies, size_t count) {
    size_t different = 0;
    for (size_t i = 0; i < count; i++) {
        if (different > 0 && by_what(&tallies[different - 1], &tallies[i]) == 0)
            tallies[different - 1].count += tallies[i].count;
        else
            tallies[different++] = tallies[i];
    }
    return different;
}

size_t la_tally_spells(const struct la_spell *spells, size_t count, enum la_tally_by by,
                       struct la_tally *tallies) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (spells[i].state == LA_ST_LISTEN)
            continue;
        tallies[used] = (struct la_tally){.count = 1};
        if (by == LA_TALLY_PEER)
            tallies[used].peer = spells[i].remote;
        else
            tallies[used].port = spells[i].local_port;
        used++;
    }
    if (used == 0)
        return 0;
    qsort(tallies, used, sizeof *tallies, by_what);
    used = add_up(tallies, used);
    qsort(tallies, used, sizeof *tallies, by_count);
    return used;
}
