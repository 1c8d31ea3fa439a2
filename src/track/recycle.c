#include "track/recycle.h"

#include "base/lanes.h"
#include "base/prefetch.h"
#include "base/select.h"
#include "base/time.h"
#include "track/pack.h"
#include "track/settle.h"
#include "track/trail.h"

#include <stdlib.h>
#include <string.h>

/* TCP_PAWS_MSL and TCP_PAWS_WINDOW of Linux 3.13: a stamp counts for 60 s, and one tick is
 * forgiven. */
#define STAMP_LIFE_NS (60 * LA_SEC)
enum { STAMP_SLACK = 1, SUSPECTS = 64 }; /* of one pair of hosts */

/* There may be one for each connection that is remembered. */
struct entry {
    int64_t time_ns;
    uint64_t frame;
    uint32_t client, server; /* as in a live record */
    uint32_t tsval;
    uint32_t waiting; /* attempts that wait for an answer, through next_waiting; LA_NO_LIVE ends */
    uint16_t port[2]; /* of the connection: the client's, the server's */
    uint16_t input;
    uint8_t v6;
    uint8_t waiting_count : 7;
    bool refuted : 1; /* the server answered a SYN that was older: it remembers no host */
};

_Static_assert(sizeof(struct entry) == 40, "without gaps");

/* Entries lie in the order of their hashes, but for what collides, in blocks: a larger table is
 * filled from the old one block by block, and what is emptied there is used again here at once. In
 * one piece it would be fresh memory each time, which costs more than what is done with it. */
enum { BLOCK = 8192, IN_BLOCK = BLOCK / sizeof(struct entry) };

struct recycle_table {
    struct la_pool *pool;   /* borrowed; of the blocks */
    struct entry **blocks;  /* owned; what lies at an empty place was never written */
    uint8_t *tags;          /* owned; by entry: 0 when it is empty, else a few bits of its hash */
    size_t count, capacity; /* entries */
    size_t waiting;         /* attempts in all lists */
    struct la_hash_key hash_key;
};

struct recycle_table *recycle_new(struct la_pool *pool) {
    struct recycle_table *recycle = calloc(1, sizeof *recycle);
    if (!recycle)
        return NULL;
    recycle->pool = pool;
    recycle->hash_key = la_hash_key_random();
    return recycle;
}

void recycle_free(struct recycle_table *recycle) {
    if (!recycle)
        return;
    free(recycle->blocks);
    free(recycle->tags);
    free(recycle);
}

size_t recycle_bytes(const struct recycle_table *recycle) {
    return recycle->capacity / IN_BLOCK * sizeof *recycle->blocks + recycle->capacity;
}

static struct la_recycle *suspicion_of(struct live *live) {
    struct extra *extra = live_extra(live);
    return extra && extra->suspect ? &extra->recycle : NULL;
}

static struct recycle_home home_of(const struct recycle_table *recycle, uint32_t client,
                                   uint32_t server) {
    uint64_t word = (uint64_t)client << 32 | server;
    uint64_t hash = la_hash(&recycle->hash_key, &word, 1);
    return (struct recycle_home){.slot = la_multiply_high(hash, recycle->capacity),
                                 .tag = (uint8_t)(hash | 1)};
}

static size_t next_slot(const struct recycle_table *recycle, size_t slot) {
    return slot + 1 < recycle->capacity ? slot + 1 : 0;
}

static struct entry *entry_at(const struct recycle_table *recycle, size_t slot) {
    return &recycle->blocks[slot / IN_BLOCK][slot % IN_BLOCK];
}

/* The first slot from there on that is free or has this tag: mostly one of the first few, but
 * nobody could foretell which. */
static size_t free_or_tagged(const struct recycle_table *recycle, size_t slot, uint8_t tag) {
    if (slot + LA_BYTE_LANES <= recycle->capacity) {
        const uint8_t *tags = &recycle->tags[slot];
        unsigned found = la_bytes_equal(tags, 0) | la_bytes_equal(tags, tag);
        if (found != 0)
            return slot + la_first_lane(found);
        slot = next_slot(recycle, slot + LA_BYTE_LANES - 1);
    }
    while (recycle->tags[slot] != 0 && recycle->tags[slot] != tag)
        slot = next_slot(recycle, slot);
    return slot;
}

static size_t likely_slot(const struct recycle_table *recycle, const struct recycle_home *home) {
    return free_or_tagged(recycle, home->slot, home->tag);
}

/* A SYN, or a FIN if it is the client's, which mostly has the higher port: nothing else is looked
 * up, or seldom. No branch, as nobody could foretell which it is. */
static bool is_looked_up(const struct la_segment *segment) {
    bool is_fin = (segment->flags & LA_FIN) != 0, is_from_above = segment->sport > segment->dport;
    return la_is_first(segment) | (is_fin & is_from_above);
}

void recycle_ask_tags(const struct recycle_table *recycle, const struct key *keys,
                      const struct la_segment *const *segments, size_t count,
                      struct recycle_asked *asked) {
    uint8_t which[RECYCLE_ASKED];
    asked->count = 0;
    if (recycle->capacity == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        which[asked->count] = (uint8_t)i;
        asked->count += is_looked_up(segments[i]);
    }
    for (size_t i = 0; i < asked->count; i++) {
        const struct key *key = &keys[which[i]];
        struct recycle_home *home = &asked->homes[i];
        *home = home_of(recycle, key->host[key->swapped], key->host[!key->swapped]);
        home->is_syn = (segments[which[i]]->flags & LA_SYN) != 0;
        __builtin_prefetch(&recycle->tags[home->slot]);
    }
}

/* A SYN whose tag is not there asks no entry. */
void recycle_ask_entries(const struct recycle_table *recycle, const struct recycle_asked *asked) {
    for (size_t i = 0; i < asked->count; i++) {
        size_t slot = likely_slot(recycle, &asked->homes[i]);
        const struct entry *entry = entry_at(recycle, slot);
        const uint8_t *tag = &recycle->tags[slot];
        bool is_enough = asked->homes[i].is_syn & (*tag == 0);
        __builtin_prefetch((const void *)la_select(is_enough, (uintptr_t)tag, (uintptr_t)entry), 1);
        __builtin_prefetch(
            (const void *)la_select(is_enough, (uintptr_t)tag, (uintptr_t)&entry->v6),
            1); /* half of them lie in two lines */
    }
}

/* The slot from a home on that has it, or where it is to be put. */
static size_t slot_from(const struct recycle_table *recycle, struct recycle_home home,
                        const struct entry *want) {
    for (;; home.slot = next_slot(recycle, home.slot)) {
        home.slot = likely_slot(recycle, &home);
        const struct entry *entry = entry_at(recycle, home.slot);
        if (recycle->tags[home.slot] == 0 ||
            (entry->client == want->client && entry->server == want->server &&
             entry->v6 == want->v6))
            return home.slot;
    }
}

static size_t slot_for(const struct recycle_table *recycle, const struct entry *want) {
    return slot_from(recycle, home_of(recycle, want->client, want->server), want);
}

/* What is known of a pair must not depend on how many others there are: an entry only goes when it
 * can make no difference any more. */
static bool still_matters(const struct entry *entry, int64_t now_ns) {
    return entry->refuted || entry->waiting != LA_NO_LIVE ||
           now_ns - entry->time_ns <= STAMP_LIFE_NS;
}

/* The block of a slot, made when there is none; NULL when out of memory. */
static struct entry *block_of(struct recycle_table *recycle, size_t slot) {
    struct entry **block = &recycle->blocks[slot / IN_BLOCK];
    if (!*block)
        *block = la_pool_take(recycle->pool, BLOCK);
    return *block;
}

static bool put_again(struct recycle_table *fresh, const struct entry *entry) {
    struct recycle_home home = home_of(fresh, entry->client, entry->server);
    size_t slot = free_or_tagged(fresh, home.slot, 0);
    struct entry *block = block_of(fresh, slot);
    if (!block)
        return false;
    block[slot % IN_BLOCK] = *entry;
    fresh->tags[slot] = home.tag;
    return true;
}

/* Moves what still matters of a block, which is given back. */
static bool empty_block(struct recycle_table *fresh, struct entry *block, const uint8_t *tags,
                        int64_t now_ns) {
    bool done = true;
    for (size_t i = 0; done && i < IN_BLOCK; i++)
        if (tags[i] != 0 && still_matters(&block[i], now_ns))
            done = put_again(fresh, &block[i]);
    la_pool_give(fresh->pool, block, BLOCK);
    return done;
}

static size_t count_young(const struct recycle_table *recycle, int64_t now_ns) {
    size_t young = 0;
    for (size_t i = 0; i < recycle->capacity; i++)
        young += recycle->tags[i] != 0 && still_matters(entry_at(recycle, i), now_ns);
    return young;
}

/* Rebuilds the table without what has grown too old to matter; larger by two fifths when that is
 * not enough, as it is seldom met and mostly in vain, but takes memory all the time. False when out
 * of memory, which the pool tells as well: then nothing is known any more. */
static bool rebuild(struct recycle_table *recycle, int64_t now_ns) {
    struct recycle_table old = *recycle;
    size_t young = count_young(&old, now_ns), blocks = old.capacity / IN_BLOCK;
    if (young * 10 >= old.capacity * 7)
        blocks = young * 7 / 4 / IN_BLOCK + 1;
    struct entry **fresh = calloc(blocks, sizeof *fresh);
    uint8_t *tags = calloc(blocks, IN_BLOCK);
    if (!fresh || !tags) {
        free(fresh);
        free(tags);
        return false;
    }
    recycle->blocks = fresh;
    recycle->tags = tags;
    recycle->capacity = blocks * IN_BLOCK;
    recycle->count = young;
    bool done = true;
    for (size_t i = 0; done && i < old.capacity / IN_BLOCK; i++)
        done = empty_block(recycle, old.blocks[i], &old.tags[i * IN_BLOCK], now_ns);
    for (size_t i = 0; done && i < blocks; i++)
        done = block_of(recycle, i * IN_BLOCK) != NULL;
    if (!done)
        recycle->capacity = recycle->count = 0;
    free(old.blocks);
    free(old.tags);
    return done;
}

static struct entry key_of(const struct live *live, unsigned client) {
    return (struct entry){
        .client = live->host[client], .server = live->host[!client], .v6 = live->flags & LIVE_V6};
}

void recycle_remember(struct recycle_table *recycle, const struct live *live, unsigned client,
                      const struct la_segment *fin) {
    if (recycle->count * 5 >= recycle->capacity * 4 && !rebuild(recycle, fin->time_ns))
        return;
    struct entry want = key_of(live, client);
    struct recycle_home home = home_of(recycle, want.client, want.server);
    size_t slot = slot_from(recycle, home, &want);
    struct entry *entry = entry_at(recycle, slot);
    if (recycle->tags[slot] != 0) { /* a new one is not read: that would have to be waited for */
        want.refuted = entry->refuted;
        want.waiting = entry->waiting;
        want.waiting_count = entry->waiting_count;
    }
    recycle->count += recycle->tags[slot] == 0;
    recycle->tags[slot] = home.tag;
    want.tsval = fin->tsval;
    want.port[LA_CLIENT] = live->port[client];
    want.port[LA_SERVER] = live->port[!client];
    want.input = fin->input;
    want.time_ns = fin->time_ns;
    want.frame = fin->frame;
    *entry = want;
}

/* A record of what lies on the shelf; false when that is no closed connection. */
static bool read_item(const struct taken *event, struct shelf_item *item, struct live *live,
                      struct unpacked *room) {
    if (item->kind == SHELF_CLOSED)
        live_unpack(live, room, event->table->shapes, item);
    else if (item->kind == SHELF_TRAIL)
        trail_read(event->trails, (struct trail_item *)(void *)item, live);
    return item->kind == SHELF_CLOSED || item->kind == SHELF_TRAIL;
}

static void read_turnarounds(const struct taken *event, struct shelf_item *item,
                             const struct entry *entry, int64_t out[2]) {
    struct live live = {0};
    struct unpacked room;
    if (!read_item(event, item, &live, &room))
        return;
    if (live.first_ns <= entry->time_ns)
        live_turnarounds(&live, out);
    if (item->kind == SHELF_TRAIL)
        live_release(&live, event->pool);
}

/* The connection that left the entry, by the number of its sides; -1 when it is forgotten. */
static void find_turnarounds(const struct taken *event, const struct key *key,
                             const struct entry *entry, int64_t out[2]) {
    struct table *table = event->table;
    struct found found = table_find(table, key);
    struct live *live = found.live;
    out[0] = out[1] = -1;
    if (found.shelved != SHELF_NOTHING)
        read_turnarounds(event, shelf_at(table->shelf, found.shelved), entry, out);
    while (live && live->first_ns > entry->time_ns) /* a later life */
        live = live->older == LA_NO_LIVE ? NULL : table_at(table, live->older);
    if (!live)
        return;
    if (live->flags & LIVE_ON_TRAIL)
        trail_leave(event->trails, live);
    live_turnarounds(live, out);
}

static void borrow_turnarounds(const struct taken *event, const struct entry *entry,
                               int64_t out[2]) {
    struct key key = {.v6 = entry->v6};
    int64_t by_side[2];
    table_order_key(event->table, &key, (const uint32_t[2]){entry->client, entry->server},
                    entry->port);
    find_turnarounds(event, &key, entry, by_side);
    out[LA_CLIENT] = by_side[key.swapped];
    out[LA_SERVER] = by_side[!key.swapped];
}

/* The entry of a client and its server; NULL when there is none. */
static struct entry *entry_for(const struct recycle_table *recycle, const struct entry *want) {
    if (recycle->capacity == 0)
        return NULL;
    size_t slot = slot_for(recycle, want);
    return recycle->tags[slot] != 0 ? entry_at(recycle, slot) : NULL;
}

static struct entry *entry_of(const struct recycle_table *recycle, const struct live *live,
                              unsigned client) {
    struct entry want = key_of(live, client);
    return entry_for(recycle, &want);
}

bool recycle_listens(const struct recycle_table *recycle, const struct live *live,
                     unsigned client) {
    const struct entry *entry = recycle->waiting > 0 ? entry_of(recycle, live, client) : NULL;
    return entry && entry->waiting != LA_NO_LIVE;
}

static bool is_suspicious(const struct entry *entry, const struct la_segment *syn) {
    return entry && !entry->refuted && syn->time_ns - entry->time_ns <= STAMP_LIFE_NS &&
           seq_diff(entry->tsval, syn->tsval) > STAMP_SLACK;
}

static void suspect(struct recycle_table *recycle, const struct taken *event) {
    const struct la_segment *s = event->segment;
    struct entry *entry = entry_of(recycle, event->live, event->side);
    if (!is_suspicious(entry, s) || suspicion_of(event->live))
        return;
    struct extra *extra = live_make_extra(event->live, event->pool);
    if (!extra)
        return;
    extra->suspect = true;
    extra->recycle = (struct la_recycle){
        .stored = {.time_ns = entry->time_ns, .frame = entry->frame, .input = entry->input},
        .stored_tsval = entry->tsval};
    borrow_turnarounds(event, entry, extra->recycle.turnaround_ns);
    if (entry->waiting_count == SUSPECTS)
        return;
    extra->waits = true;
    extra->waiting_client = (uint8_t)event->side;
    extra->next_waiting = entry->waiting;
    entry->waiting = event->live->self;
    entry->waiting_count++;
    recycle->waiting++;
}

/* Against the suspicion for those of the same hosts that wait. */
static void refute_waiting(const struct entry *entry, struct table *table) {
    for (uint32_t i = entry->waiting; i != LA_NO_LIVE;) {
        struct extra *extra = live_extra(table_at(table, i));
        extra->recycle.refuted = true;
        i = extra->next_waiting;
    }
}

bool recycle_suspects(const struct recycle_table *recycle, const struct key *key,
                      const struct la_segment *syn) {
    struct entry want = {.client = key->host[key->swapped],
                         .server = key->host[!key->swapped],
                         .v6 = (uint8_t)key->v6};
    return (syn->options & LA_HAS_TIMESTAMPS) && is_suspicious(entry_for(recycle, &want), syn);
}

/* A suspect was answered at its first SYN: this server does not compare hosts' timestamps. */
static void refute(struct recycle_table *recycle, const struct taken *event) {
    struct entry *entry = entry_of(recycle, event->live, !event->side);
    if (!entry)
        return;
    entry->refuted = true;
    refute_waiting(entry, event->table);
}

/* A SYN-ACK: for its own attempt the wait is over; for others of the same client it shows that the
 * server was there, and took a newer timestamp. */
static void answered(struct recycle_table *recycle, const struct taken *event) {
    unsigned client = !event->side;
    uint32_t tsval = event->live->side[client].tsval;
    recycle_forget(recycle, event->table, event->live);
    const struct entry *entry = entry_of(recycle, event->live, client);
    if (!entry || event->live->side[client].syn > 1)
        return;
    for (uint32_t i = entry->waiting; i != LA_NO_LIVE;) {
        struct extra *extra = live_extra(table_at(event->table, i));
        i = extra->next_waiting;
        struct la_recycle *suspicion = &extra->recycle;
        if (suspicion->answered.frame || seq_diff(suspicion->stored_tsval, tsval) > STAMP_SLACK)
            continue;
        suspicion->answered = (struct la_where){.time_ns = event->segment->time_ns,
                                                .frame = event->segment->frame,
                                                .input = event->segment->input};
        suspicion->answered_tsval = tsval;
    }
}

void recycle_watch(struct recycle_table *recycle, const struct taken *event) {
    const struct la_segment *s = event->segment;
    const struct live_side *peer = &event->live->side[!event->side];
    if (event->class == LA_CLASS_SYN_ACK) {
        if (suspicion_of(event->live) && event->live->side[!event->side].syn == 1)
            refute(recycle, event);
        answered(recycle, event);
        return;
    }
    if (!(s->options & LA_HAS_TIMESTAMPS))
        return;
    if (event->class == LA_CLASS_SYN_AGAIN && !suspicion_of(event->live)) {
        const struct entry *entry = entry_of(recycle, event->live, event->side);
        if (entry) /* silence for newer timestamps as well */
            refute_waiting(entry, event->table);
    }
    if (event->class == LA_CLASS_SYN)
        suspect(recycle, event);
    else if (event->class == LA_CLASS_FIN && (peer->flags & SIDE_FIN) &&
             (event->live->side[event->side].flags & SIDE_SYN_SENT))
        recycle_remember(recycle, event->live, event->side, s);
}

void recycle_forget(struct recycle_table *recycle, struct table *table, struct live *live) {
    struct extra *extra = live_extra(live);
    struct entry *entry =
        extra && extra->waits ? entry_of(recycle, live, extra->waiting_client) : NULL;
    if (!entry)
        return;
    uint32_t *link = &entry->waiting;
    while (*link != LA_NO_LIVE && *link != live->self)
        link = &live_extra(table_at(table, *link))->next_waiting;
    if (*link == LA_NO_LIVE)
        return; /* the table was lost for want of memory, and this is a new entry */
    *link = extra->next_waiting;
    entry->waiting_count--;
    recycle->waiting--;
    extra->waits = false;
}
