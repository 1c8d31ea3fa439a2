#include "track/meanwhile.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { WAITING_MOST = LA_MEANWHILE_WAITING, FIRST_SIZE = 64 }; /* of one pair of hosts; slots */
/* Data is sent again for many a reason; the first time of all this costs nothing. */
enum { REPEATED_ENOUGH = 2 };

/* One pair of hosts, in the order of a record's sides. */
struct pair {
    uint32_t host[2];
    uint16_t used; /* 0: empty; 1 + v6 */
    uint8_t waiting_count;
    uint32_t waiting; /* attempts, through waiting->next; LA_NO_LIVE ends */
};

struct meanwhile_table {
    struct pair *pairs; /* owned */
    size_t count, capacity;
    size_t waiting; /* attempts in all lists */
    struct la_hash_key hash_key;
};

struct meanwhile_table *meanwhile_new(void) {
    struct meanwhile_table *meanwhile = calloc(1, sizeof *meanwhile);
    if (meanwhile)
        meanwhile->hash_key = la_hash_key_random();
    return meanwhile;
}

void meanwhile_free(struct meanwhile_table *meanwhile) {
    if (!meanwhile)
        return;
    free(meanwhile->pairs);
    free(meanwhile);
}

size_t meanwhile_bytes(const struct meanwhile_table *meanwhile) {
    return meanwhile->capacity * sizeof *meanwhile->pairs;
}

bool meanwhile_is_idle(const struct meanwhile_table *meanwhile) {
    return meanwhile->waiting == 0;
}

static struct pair *slot_for(const struct meanwhile_table *meanwhile, const struct pair *want) {
    uint64_t word = (uint64_t)want->host[0] << 32 | want->host[1];
    size_t slot = la_hash(&meanwhile->hash_key, &word, 1) & (meanwhile->capacity - 1);
    for (;; slot = (slot + 1) & (meanwhile->capacity - 1)) {
        struct pair *pair = &meanwhile->pairs[slot];
        bool same = pair->host[0] == want->host[0] && pair->host[1] == want->host[1] &&
                    pair->used == want->used;
        if (!pair->used || same)
            return pair;
    }
}

/* Rebuilds the table without the pairs for which nobody waits any more; larger when that is not
 * enough. */
static bool rebuild(struct meanwhile_table *meanwhile) {
    struct meanwhile_table fresh = *meanwhile;
    fresh.count = 0;
    for (size_t i = 0; i < meanwhile->capacity; i++)
        fresh.count += meanwhile->pairs[i].waiting_count > 0;
    fresh.capacity = meanwhile->capacity ? meanwhile->capacity : FIRST_SIZE;
    while (fresh.count * 2 >= fresh.capacity)
        fresh.capacity *= 2;
    fresh.pairs = calloc(fresh.capacity, sizeof *fresh.pairs);
    if (!fresh.pairs)
        return false;
    for (size_t i = 0; i < meanwhile->capacity; i++)
        if (meanwhile->pairs[i].waiting_count > 0)
            *slot_for(&fresh, &meanwhile->pairs[i]) = meanwhile->pairs[i];
    free(meanwhile->pairs);
    *meanwhile = fresh;
    return true;
}

static struct pair key_of(const struct live *live) {
    return (struct pair){.host = {live->host[0], live->host[1]},
                         .used = (uint16_t)(1 + ((live->flags & LIVE_V6) != 0))};
}

static struct pair *search_pair(const struct meanwhile_table *meanwhile, const struct live *live) {
    struct pair want = key_of(live), *pair = slot_for(meanwhile, &want);
    return pair->waiting_count > 0 ? pair : NULL;
}

/* Mostly nobody waits. */
static inline struct pair *find_pair(const struct meanwhile_table *meanwhile,
                                     const struct live *live) {
    return meanwhile->waiting > 0 ? search_pair(meanwhile, live) : NULL;
}

bool meanwhile_listens(const struct meanwhile_table *meanwhile, const struct live *live) {
    return find_pair(meanwhile, live) != NULL;
}

static struct pair *make_pair(struct meanwhile_table *meanwhile, const struct live *live) {
    if (meanwhile->count * 4 >= meanwhile->capacity * 3 && !rebuild(meanwhile))
        return NULL;
    struct pair want = key_of(live), *pair = slot_for(meanwhile, &want);
    meanwhile->count += !pair->used;
    if (!pair->used)
        *pair = want;
    return pair;
}

static struct waiting *waiting_of(const struct live *live) {
    struct extra *extra = live_extra(live);
    return extra ? extra->waiting : NULL;
}

static uint16_t service_of(const struct live *live) {
    return live->port[!waiting_of(live)->client];
}

static struct live *next_of(struct table *table, const struct live *live) {
    uint32_t next = waiting_of(live)->next;
    return next == LA_NO_LIVE ? NULL : table_at(table, next);
}

static struct live *first_of(struct table *table, const struct pair *pair) {
    return pair->waiting == LA_NO_LIVE ? NULL : table_at(table, pair->waiting);
}

/* How many wait for the same service; each of them is told the most there were. */
static void count_company(struct table *table, const struct pair *pair, const struct live *live) {
    unsigned client = waiting_of(live)->client;
    uint16_t count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (struct live *at = first_of(table, pair); at; at = next_of(table, at)) {
            struct waiting *other = waiting_of(at);
            bool waits = other->client == client && service_of(at) == service_of(live) &&
                         !(at->side[!client].flags & SIDE_SEEN);
            if (waits && pass == 0)
                count++;
            else if (waits && other->told.waiting < count)
                other->told.waiting = count;
        }
}

static void begin_to_wait(struct meanwhile_table *meanwhile, const struct taken *event,
                          unsigned client) {
    struct extra *extra = live_make_extra(event->live, event->pool);
    struct pair *pair = make_pair(meanwhile, event->live);
    if (!extra || !pair)
        return;
    extra->unheard = pair->waiting_count == WAITING_MOST;
    if (extra->unheard)
        return;
    extra->waiting = la_pool_take(event->pool, sizeof *extra->waiting);
    if (!extra->waiting)
        return;
    *extra->waiting = (struct waiting){
        .told = {.turnaround_ns = {-1, -1}}, .next = pair->waiting, .client = (uint8_t)client};
    pair->waiting = event->live->self;
    pair->waiting_count++;
    meanwhile->waiting++;
}

static void shorten(int64_t *least, int64_t took) {
    if (took >= 0 && took <= LIVE_LONGEST_TURNAROUND_NS && (*least < 0 || took < *least))
        *least = took;
}

/* How long the sender of a SYN-ACK, or of its acknowledgement, took to answer; -1: not told. */
static int64_t answer_time(const struct taken *event) {
    const struct live_side *peer = &event->live->side[!event->side];
    bool once = peer->syn == 1 && peer->packets == 1;
    bool answers = event->class == LA_CLASS_SYN_ACK || event->class == LA_CLASS_HANDSHAKE_ACK;
    return once && answers ? event->segment->time_ns - peer->last_ns : -1;
}

static void note(struct la_where *at, const struct la_where *where) {
    if (at->frame == 0)
        *at = *where;
}

static void tell(const struct live *attempt, const struct taken *event) {
    struct waiting *waiting = waiting_of(attempt);
    struct la_meanwhile *told = &waiting->told;
    const struct la_segment *s = event->segment;
    struct la_where where = {s->time_ns, s->frame, s->input};
    bool from_server = event->side != waiting->client;
    /* turnaround_ns is by side until it is handed on */
    shorten(&told->turnaround_ns[event->side], answer_time(event));
    if (!from_server) {
        bool unanswered = !(event->live->side[!event->side].flags & SIDE_SEEN);
        told->one_way = told->one_way || ((s->flags & LA_ACK) && unanswered);
        if (event->class == LA_CLASS_SYN_AGAIN && unanswered && s->dport == service_of(attempt))
            note(&told->silent, &where);
        return;
    }
    bool same = s->sport == service_of(attempt);
    told->two_way = true;
    note(&told->heard, &where);
    if (same && !(s->flags & (LA_SYN | LA_RST)))
        note(&told->served, &where);
    if (event->class != LA_CLASS_SYN_ACK)
        return;
    told->ttl = s->ttl;
    if (event->live->side[waiting->client].syn == 1)
        note(same ? &told->same : &told->other, &where);
}

/* Whether that is all that the side has said, beside `more` segments. */
static bool is_all_syn(const struct live_side *side, unsigned more) {
    return side->syn > 0 && side->packets == side->syn + more && !(side->flags & SIDE_SYN_SENT);
}

/* Whether an attempt begins to wait, and which of its sides is the client. */
static bool is_beginning(const struct taken *event, unsigned *client) {
    const struct live_side *me = &event->live->side[event->side];
    const struct live_side *peer = &event->live->side[!event->side];
    *client = event->side;
    if (event->class == LA_CLASS_SYN_AGAIN)
        return !(peer->flags & SIDE_SEEN);
    if (event->class == LA_CLASS_DATA_AGAIN) {
        const struct la_repeats *repeats = live_repeats(event->live, event->side);
        return repeats && repeats->row.count >= REPEATED_ENOUGH && is_all_syn(peer, 0);
    }
    *client = !event->side;
    if (event->class != LA_CLASS_RST)
        return false;
    bool refused = !(me->flags & SIDE_SEEN) && (peer->flags & SIDE_SYN_SENT);
    return refused || (is_all_syn(me, 1) && (peer->flags & SIDE_ACKED_SYN));
}

void meanwhile_watch(struct meanwhile_table *meanwhile, const struct taken *event) {
    unsigned client;
    if (is_beginning(event, &client) && !waiting_of(event->live))
        begin_to_wait(meanwhile, event, client);
    if (event->class == LA_CLASS_SYN_ACK)
        meanwhile_forget(meanwhile, event->table, event->live); /* its own wait is over */
    const struct pair *pair = find_pair(meanwhile, event->live);
    if (!pair)
        return;
    if (event->class == LA_CLASS_SYN_AGAIN && waiting_of(event->live))
        count_company(event->table, pair, event->live);
    for (struct live *at = first_of(event->table, pair); at; at = next_of(event->table, at))
        if (at != event->live)
            tell(at, event);
}

void meanwhile_forget(struct meanwhile_table *meanwhile, struct table *table, struct live *live) {
    struct waiting *waiting = waiting_of(live);
    struct pair *pair = waiting ? find_pair(meanwhile, live) : NULL;
    if (!pair)
        return;
    uint32_t *link = &pair->waiting;
    while (*link != LA_NO_LIVE && *link != live->self)
        link = &waiting_of(table_at(table, *link))->next;
    if (*link == LA_NO_LIVE)
        return;
    *link = waiting->next;
    pair->waiting_count--;
    meanwhile->waiting--;
}
