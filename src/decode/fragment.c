/* A table of open datagrams, bounded in number and age.
 *
 * Of each it keeps a bitmap of the 8-byte units that came, and the first bytes as far as they were
 * captured. All datagrams stand in one queue in the order in which they were opened, which is the
 * order in which they are given up. */
#include "decode/fragment.h"

#include "base/hash.h"
#include "base/time.h"

#include <assert.h>
#include <stdlib.h>

enum {
    UNITS = FRAGMENT_DATAGRAM_MAX / FRAGMENT_UNIT,
    HEAD_UNITS = FRAGMENT_HEAD / FRAGMENT_UNIT,
    BUCKETS = 1024,
};

static_assert(sizeof(struct fragment_key) == 48, "hashed and compared as bytes: no padding");
static_assert(FRAGMENT_HEAD % FRAGMENT_UNIT == 0, "the head is made of whole units");

struct datagram {
    struct fragment_key key;
    struct datagram *chain;         /* next in its bucket, or in the list of free ones */
    struct datagram *older, *newer; /* queue */
    int64_t opened_ns;
    uint32_t packets; /* that count with it */
    uint32_t total;   /* bytes of payload; 0 until the last fragment came */
    uint32_t end;     /* of the furthest fragment so far */
    uint32_t units;   /* set in `came` */
    uint8_t protocol; /* of the first fragment, or of any until that came */
    uint64_t came[UNITS / 64];
    uint8_t captured[HEAD_UNITS]; /* bytes that `head` has of each unit */
    uint8_t head[FRAGMENT_HEAD];
};

struct fragments {
    struct la_decode_counts *counts;
    struct la_hash_key hash_key; /* a hostile capture must not choose its buckets */
    size_t open, open_max;
    struct datagram *oldest, *newest, *unused;
    struct datagram *buckets[BUCKETS];
    uint8_t
        head[FRAGMENT_HEAD]; /* of the datagram last completed: what the caller's cursor reads */
};

struct fragments *fragments_new(size_t open_max, struct la_decode_counts *counts) {
    struct fragments *fragments = calloc(1, sizeof *fragments);
    if (!fragments)
        return NULL;
    fragments->counts = counts;
    fragments->hash_key = la_hash_key_random();
    fragments->open_max = open_max;
    return fragments;
}

static struct datagram **bucket_of(struct fragments *fragments, const struct fragment_key *key) {
    uint64_t words[sizeof *key / sizeof(uint64_t)];
    memcpy(words, key, sizeof words);
    uint64_t hash = la_hash(&fragments->hash_key, words, sizeof words / sizeof words[0]);
    return &fragments->buckets[hash % BUCKETS];
}

static struct datagram *find(struct fragments *fragments, const struct fragment_key *key) {
    struct datagram *datagram = *bucket_of(fragments, key);
    while (datagram && memcmp(&datagram->key, key, sizeof *key) != 0)
        datagram = datagram->chain;
    return datagram;
}

static void enqueue(struct fragments *fragments, struct datagram *datagram) {
    datagram->older = fragments->newest;
    datagram->newer = NULL;
    *(fragments->newest ? &fragments->newest->newer : &fragments->oldest) = datagram;
    fragments->newest = datagram;
}

static void dequeue(struct fragments *fragments, struct datagram *datagram) {
    *(datagram->older ? &datagram->older->newer : &fragments->oldest) = datagram->newer;
    *(datagram->newer ? &datagram->newer->older : &fragments->newest) = datagram->older;
}

/* Takes a datagram out of the table; its memory is kept for the next one. */
static void close_datagram(struct fragments *fragments, struct datagram *datagram) {
    struct datagram **link = bucket_of(fragments, &datagram->key);
    while (*link != datagram)
        link = &(*link)->chain;
    *link = datagram->chain;
    dequeue(fragments, datagram);
    datagram->chain = fragments->unused;
    fragments->unused = datagram;
    fragments->open--;
}

static void give_up(struct fragments *fragments, struct datagram *datagram, enum la_undecoded why) {
    fragments->counts->undecoded[why] += datagram->packets;
    close_datagram(fragments, datagram);
}

void fragments_finish(struct fragments *fragments) {
    while (fragments->oldest)
        give_up(fragments, fragments->oldest, LA_UNDECODED_FRAGMENT_INCOMPLETE);
}

void fragments_free(struct fragments *fragments) {
    if (!fragments)
        return;
    fragments_finish(fragments);
    while (fragments->unused) {
        struct datagram *datagram = fragments->unused;
        fragments->unused = datagram->chain;
        free(datagram);
    }
    free(fragments);
}

/* RFC 791, 3.2 leaves the time to the receiver, and Linux takes 30 s; RFC 8200, 4.5 says 60 s. A
 * clock that was set back as far makes a datagram as useless. */
static bool is_expired(const struct datagram *datagram, int64_t now_ns) {
    int64_t life = datagram->key.version == 4 ? 30 * LA_SEC : 60 * LA_SEC;
    int64_t opened_ns = datagram->opened_ns;
    return now_ns >= opened_ns ? (uint64_t)now_ns - (uint64_t)opened_ns > (uint64_t)life
                               : (uint64_t)opened_ns - (uint64_t)now_ns > (uint64_t)life;
}

static void expire(struct fragments *fragments, int64_t now_ns) {
    while (fragments->oldest && is_expired(fragments->oldest, now_ns))
        give_up(fragments, fragments->oldest, LA_UNDECODED_FRAGMENT_INCOMPLETE);
}

/* Memory for a datagram: a used one, a new one, or the oldest's. NULL when there is none at all. */
static struct datagram *obtain(struct fragments *fragments) {
    if (!fragments->unused && fragments->open < fragments->open_max)
        fragments->unused = calloc(1, sizeof *fragments->unused);
    if (!fragments->unused && fragments->oldest)
        give_up(fragments, fragments->oldest, LA_UNDECODED_FRAGMENT_LIMIT);
    struct datagram *datagram = fragments->unused;
    if (datagram)
        fragments->unused = datagram->chain;
    return datagram;
}

static struct datagram *open_datagram(struct fragments *fragments,
                                      const struct fragment *fragment) {
    struct datagram *datagram = obtain(fragments);
    if (!datagram)
        return NULL;
    struct datagram **bucket = bucket_of(fragments, &fragment->key);
    *datagram = (struct datagram){
        .key = fragment->key,
        .chain = *bucket,
        .opened_ns = fragment->time_ns,
        .protocol = fragment->protocol,
    };
    *bucket = datagram;
    enqueue(fragments, datagram);
    fragments->open++;
    return datagram;
}

/* What a fragment covers. */
struct span {
    uint32_t end;         /* byte behind its last one */
    uint32_t first, last; /* units: first <= unit < last */
};

/* Bytes of payload. Only the last fragment may end within a unit: Linux rounds others down. */
static uint32_t length_of(const struct fragment *fragment) {
    uint32_t length = fragment->bytes.wire;
    return fragment->more ? length - length % FRAGMENT_UNIT : length;
}

/* False for one that no host would take, whatever its datagram: without a byte, beyond 64 KiB, or
 * of uneven length where IPv6 forbids it (RFC 8200, 4.5). */
static bool is_acceptable(const struct fragment *fragment) {
    uint32_t length = length_of(fragment);
    if (fragment->key.version == 6 && length != fragment->bytes.wire)
        return false;
    return length > 0 && length <= FRAGMENT_DATAGRAM_MAX &&
           fragment->offset + length <= FRAGMENT_DATAGRAM_MAX;
}

static struct span span_of(const struct fragment *fragment) {
    uint32_t end = fragment->offset + length_of(fragment);
    return (struct span){
        .end = end,
        .first = fragment->offset / FRAGMENT_UNIT,
        .last = (end + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT,
    };
}

static bool has_unit(const struct datagram *datagram, uint32_t unit) {
    return datagram->came[unit / 64] >> (unit % 64) & 1;
}

static uint32_t count_known(const struct datagram *datagram, const struct span *span) {
    uint32_t known = 0;
    for (uint32_t unit = span->first; unit < span->last; unit++)
        known += has_unit(datagram, unit);
    return known;
}

/* Whether the fragment can be part of the datagram: one end only, and nothing beyond it. */
static bool fits(const struct datagram *datagram, const struct fragment *fragment,
                 const struct span *span) {
    if (fragment->more)
        return datagram->total == 0 || span->end <= datagram->total;
    return datagram->total == 0 ? span->end >= datagram->end : span->end == datagram->total;
}

/* Copies what was captured of one unit of the head. */
static void keep_unit(struct datagram *datagram, uint32_t unit, struct cursor *bytes) {
    uint32_t n = bytes->remaining < FRAGMENT_UNIT ? bytes->remaining : FRAGMENT_UNIT;
    (void)cur_copy(bytes, datagram->head + unit * FRAGMENT_UNIT, n);
    datagram->captured[unit] = (uint8_t)n;
}

/* First come, first served: of an overlap the bytes that are there stay. */
static void keep(struct datagram *datagram, const struct fragment *fragment,
                 const struct span *span) {
    struct cursor bytes = fragment->bytes;
    for (uint32_t unit = span->first; unit < span->last; unit++) {
        if (has_unit(datagram, unit)) {
            if (!cur_skip(&bytes, FRAGMENT_UNIT))
                bytes.remaining = 0;
            continue;
        }
        datagram->came[unit / 64] |= UINT64_C(1) << (unit % 64);
        datagram->units++;
        if (unit < HEAD_UNITS)
            keep_unit(datagram, unit, &bytes);
    }
    if (span->end > datagram->end)
        datagram->end = span->end;
    if (!fragment->more)
        datagram->total = span->end;
    if (fragment->offset == 0)
        datagram->protocol = fragment->protocol;
}

static bool is_complete(const struct datagram *datagram) {
    return datagram->total != 0 &&
           datagram->units == (datagram->total + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT;
}

/* The datagram as a cursor: as many bytes as were captured without a gap, and its true length. */
static void hand_over(struct fragments *fragments, const struct datagram *datagram,
                      struct fragment_whole *whole) {
    uint32_t captured = 0;
    for (uint32_t unit = 0; unit < HEAD_UNITS; unit++) {
        captured += datagram->captured[unit];
        if (datagram->captured[unit] < FRAGMENT_UNIT)
            break;
    }
    memcpy(fragments->head, datagram->head, sizeof fragments->head);
    whole->bytes = cur_from(fragments->head, captured, datagram->total);
    cur_limit(&whole->bytes, datagram->total);
    whole->packets = datagram->packets;
    whole->protocol = datagram->protocol;
}

static enum fragment_verdict add_to(struct fragments *fragments, struct datagram *datagram,
                                    const struct fragment *fragment, struct fragment_whole *whole) {
    struct span span = span_of(fragment);
    if (!fits(datagram, fragment, &span))
        return FRAGMENT_REFUSED;
    uint32_t known = count_known(datagram, &span);
    if (fragment->key.version == 6 && known > 0 && known < span.last - span.first) {
        whole->packets = datagram->packets; /* RFC 5722, 4 */
        close_datagram(fragments, datagram);
        return FRAGMENT_DROPPED;
    }
    keep(datagram, fragment, &span);
    if (!is_complete(datagram)) {
        datagram->packets += fragment->packets;
        return FRAGMENT_HELD;
    }
    hand_over(fragments, datagram, whole);
    close_datagram(fragments, datagram);
    return FRAGMENT_COMPLETE;
}

enum fragment_verdict fragments_add(struct fragments *fragments, const struct fragment *fragment,
                                    struct fragment_whole *whole) {
    expire(fragments, fragment->time_ns);
    if (!is_acceptable(fragment))
        return FRAGMENT_REFUSED;
    struct datagram *datagram = find(fragments, &fragment->key);
    if (datagram && is_expired(datagram, fragment->time_ns)) {
        give_up(fragments, datagram, LA_UNDECODED_FRAGMENT_INCOMPLETE);
        datagram = NULL;
    }
    if (!datagram)
        datagram = open_datagram(fragments, fragment);
    if (!datagram)
        return FRAGMENT_NO_ROOM;
    return add_to(fragments, datagram, fragment, whole);
}
