#include "track/log.h"

#include "base/time.h"
#include "base/varint.h"
#include "decode/segment.h"

#include <string.h>

/* First byte: what almost every entry needs. */
enum {
    CLASS_MASK = 0x1f,
    HEAD_SIDE_1 = 1 << 5,
    HEAD_TIMESTAMPS = 1 << 6,
    HEAD_RARE = 1 << 7, /* a third byte follows */
};

/* Second byte: the four TCP flags that matter to anybody downstream, and more. */
enum {
    KEPT_FLAGS = LA_FIN | LA_SYN | LA_RST | LA_ACK, /* 0x17 */
    FLAG_PAYLOAD = 1 << 3,                          /* in the place of PSH */
    FLAG_EXACT = 1 << 5,
    FLAG_IN_WINDOW = 1 << 6,
    FLAG_USEC = 1 << 7, /* the time is written in microseconds */
};

/* Third byte: the rarer fields. */
enum {
    RARE_SACK = 1 << 0,
    RARE_INPUT = 1 << 1, /* another input than the base's */
    RARE_WINDOW = 1 << 2,
    RARE_IDENTITY = 1 << 3, /* TTL and IP ID */
    RARE_OPTIONS = 1 << 4,  /* any option bit beside timestamps */
    RARE_ECHO = 1 << 5,     /* a TSecr without ACK: a SYN out of TIME-WAIT on Linux */
};

static uint8_t rare_of(const struct la_observation *entry, const struct la_log_base *base) {
    unsigned rare = 0;
    if (entry->options & LA_HAS_SACK)
        rare |= RARE_SACK;
    if (entry->input != base->input)
        rare |= RARE_INPUT;
    if (entry->window != 0 && entry->class == LA_CLASS_RST)
        rare |= RARE_WINDOW;
    if (entry->ttl != 0 || entry->ip_id != 0)
        rare |= RARE_IDENTITY;
    if (entry->options & ~(unsigned)LA_HAS_TIMESTAMPS)
        rare |= RARE_OPTIONS;
    if (!(entry->flags & LA_ACK) && (entry->options & LA_HAS_TIMESTAMPS) && entry->tsecr != 0)
        rare |= RARE_ECHO;
    return (uint8_t)rare;
}

static uint8_t *put_head(uint8_t *p, const struct la_observation *entry, uint8_t rare, bool usec) {
    unsigned head = entry->class & CLASS_MASK, flags = entry->flags & KEPT_FLAGS;
    head |= entry->from ? HEAD_SIDE_1 : 0;
    head |= entry->options & LA_HAS_TIMESTAMPS ? HEAD_TIMESTAMPS : 0;
    head |= rare ? HEAD_RARE : 0;
    flags |= entry->payload ? FLAG_PAYLOAD : 0;
    flags |= entry->exact ? FLAG_EXACT : 0;
    flags |= entry->in_window ? FLAG_IN_WINDOW : 0;
    flags |= usec ? FLAG_USEC : 0;
    *p++ = (uint8_t)head;
    *p++ = (uint8_t)flags;
    if (rare)
        *p++ = rare;
    return p;
}

static uint8_t *put_rare(uint8_t *p, const struct la_log_base *base,
                         const struct la_observation *entry, uint8_t rare) {
    unsigned to = !entry->from;
    if (rare & RARE_SACK) {
        p = put_signed(p, (int32_t)(entry->sack_from - base->seq[to]));
        p = put_signed(p, (int32_t)(entry->sack_to - base->seq[to]));
    }
    if (rare & RARE_WINDOW)
        p = put_unsigned(p, entry->window);
    if (rare & RARE_IDENTITY) {
        *p++ = entry->ttl;
        p = put_unsigned(p, entry->ip_id);
    }
    if (rare & RARE_OPTIONS)
        p = put_unsigned(p, entry->options);
    if (rare & RARE_ECHO)
        p = put_unsigned(p, entry->tsecr);
    return p;
}

static size_t encode(uint8_t *out, const struct la_log_base *base,
                     const struct la_observation *entry) {
    unsigned from = entry->from, to = !from;
    uint8_t rare = rare_of(entry, base);
    int64_t elapsed = entry->time_ns - base->time_ns;
    bool usec = elapsed % LA_USEC == 0;
    uint8_t *p = put_head(out, entry, rare, usec);
    p = put_signed(p, usec ? elapsed / LA_USEC : elapsed);
    if (rare & RARE_INPUT) {
        p = put_unsigned(p, entry->input);
        p = put_unsigned(p, entry->frame);
    } else {
        p = put_signed(p, (int64_t)(entry->frame - base->frame));
    }
    p = put_signed(p, (int32_t)(entry->seq - base->seq[from]));
    if (entry->flags & LA_ACK)
        p = put_signed(p, (int32_t)(entry->ack - base->seq[to]));
    if (entry->payload)
        p = put_unsigned(p, entry->payload);
    if (entry->options & LA_HAS_TIMESTAMPS) {
        p = put_signed(p, (int32_t)(entry->tsval - base->tsval[from]));
        if (entry->flags & LA_ACK) /* without it TSecr means little (RFC 7323, 3.2) */
            p = put_signed(p, (int32_t)(entry->tsecr - base->tsval[to]));
    }
    return (size_t)(put_rare(p, base, entry, rare) - out);
}

static bool opens_or_closes(const struct la_observation *entry) {
    return (entry->flags & (LA_SYN | LA_FIN | LA_RST)) || entry->class == LA_CLASS_HANDSHAKE_ACK ||
           entry->class == LA_CLASS_ACK_OF_FIN;
}

/* The usual sizes at once, so that a log is moved once or twice in its life: a SYN and its answer;
 * a whole bare connection; then twice as much each time. */
static size_t room_for(size_t bytes) {
    enum { ATTEMPT = 48, BARE = 96 };
    if (bytes <= BARE)
        return bytes <= ATTEMPT ? ATTEMPT : BARE;
    return bytes + bytes / 2 < LA_LOG_MAX_BYTES ? bytes + bytes / 2 : LA_LOG_MAX_BYTES;
}

static bool make_room(struct la_log *log, struct la_pool *pool, size_t wanted, size_t most) {
    if (log->used + wanted > most)
        return false;
    if (log->used + wanted <= log->capacity)
        return true;
    size_t size = la_pool_size(room_for(log->used + wanted));
    uint8_t *bytes = la_pool_take(pool, size);
    if (!bytes)
        return false;
    if (log->used > 0)
        memcpy(bytes, log->bytes, log->used);
    la_pool_give(pool, log->bytes, log->capacity);
    log->bytes = bytes;
    log->capacity = (uint16_t)size;
    return true;
}

bool la_log_append(struct la_log *log, const struct la_log_base *base, struct la_pool *pool,
                   const struct la_observation *entry) {
    uint8_t encoded[LA_LOG_MAX_ENTRY];
    size_t size = encode(encoded, base, entry);
    size_t most = opens_or_closes(entry) ? LA_LOG_MAX_BYTES : LA_LOG_MAX_COMMON;
    if (!make_room(log, pool, size, most)) {
        if (log->dropped < UINT16_MAX)
            log->dropped++;
        return false;
    }
    memcpy(log->bytes + log->used, encoded, size);
    log->used = (uint16_t)(log->used + size);
    log->count++;
    return true;
}

static uint32_t get_serial(const uint8_t **p, uint32_t base) {
    int64_t difference;
    *p = get_signed(*p, &difference);
    return base + (uint32_t)difference;
}

static const uint8_t *get_place(const uint8_t *p, const struct la_log_base *base, uint8_t rare,
                                struct la_observation *entry) {
    if (rare & RARE_INPUT) {
        uint64_t input;
        p = get_unsigned(p, &input);
        entry->input = (uint16_t)input;
        return get_unsigned(p, &entry->frame);
    }
    int64_t difference;
    p = get_signed(p, &difference);
    entry->input = base->input;
    entry->frame = base->frame + (uint64_t)difference;
    return p;
}

static const uint8_t *get_rare(const uint8_t *p, const struct la_log_base *base, uint8_t rare,
                               struct la_observation *entry) {
    uint64_t value;
    if (rare & RARE_SACK) {
        entry->sack_from = get_serial(&p, base->seq[!entry->from]);
        entry->sack_to = get_serial(&p, base->seq[!entry->from]);
    }
    if (rare & RARE_WINDOW) {
        p = get_unsigned(p, &value);
        entry->window = (uint32_t)value;
    }
    if (rare & RARE_IDENTITY) {
        entry->ttl = *p++;
        p = get_unsigned(p, &value);
        entry->ip_id = (uint16_t)value;
    }
    if (rare & RARE_OPTIONS) {
        p = get_unsigned(p, &value);
        entry->options = (uint16_t)value;
    }
    if (rare & RARE_ECHO) {
        p = get_unsigned(p, &value);
        entry->tsecr = (uint32_t)value;
    }
    return p;
}

static const uint8_t *decode(const uint8_t *p, const struct la_log_base *base,
                             struct la_observation *entry) {
    memset(entry, 0, sizeof *entry);
    uint8_t head = *p++, flags = *p++, rare = head & HEAD_RARE ? *p++ : 0;
    entry->class = head & CLASS_MASK;
    entry->from = (head & HEAD_SIDE_1) != 0;
    entry->flags = flags & KEPT_FLAGS;
    entry->exact = flags & FLAG_EXACT;
    entry->in_window = flags & FLAG_IN_WINDOW;
    int64_t elapsed;
    p = get_signed(p, &elapsed);
    entry->time_ns = base->time_ns + (flags & FLAG_USEC ? elapsed * LA_USEC : elapsed);
    p = get_place(p, base, rare, entry);
    entry->seq = get_serial(&p, base->seq[entry->from]);
    if (entry->flags & LA_ACK)
        entry->ack = get_serial(&p, base->seq[!entry->from]);
    if (flags & FLAG_PAYLOAD) {
        uint64_t payload;
        p = get_unsigned(p, &payload);
        entry->payload = (uint32_t)payload;
    }
    if (head & HEAD_TIMESTAMPS) {
        entry->options = LA_HAS_TIMESTAMPS;
        entry->tsval = get_serial(&p, base->tsval[entry->from]);
        if (entry->flags & LA_ACK)
            entry->tsecr = get_serial(&p, base->tsval[!entry->from]);
    }
    return get_rare(p, base, rare, entry);
}

void la_log_read(const struct la_log *log, const struct la_log_base *base,
                 struct la_observation *out) {
    const uint8_t *p = log->bytes;
    for (size_t i = 0; i < log->count; i++)
        p = decode(p, base, &out[i]);
}

bool la_log_copy(struct la_log *log, struct la_pool *pool) {
    size_t size = la_pool_size(log->used);
    uint8_t *bytes = la_pool_take(pool, size);
    if (!bytes) {
        *log = (struct la_log){0};
        return false;
    }
    memcpy(bytes, log->bytes, log->used);
    log->bytes = bytes;
    log->capacity = (uint16_t)size;
    return true;
}

void la_log_release(struct la_log *log, struct la_pool *pool) {
    la_pool_give(pool, log->bytes, log->capacity);
    memset(log, 0, sizeof *log);
}
