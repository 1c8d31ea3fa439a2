#include "track/log.h"

#include "decode/segment.h"

#include <string.h>

/* The third byte of an entry says which of the rarer fields follow. */
enum {
    BIT_EXACT = 1 << 0,
    BIT_IN_WINDOW = 1 << 1,
    BIT_TIMESTAMPS = 1 << 2,
    BIT_SACK = 1 << 3,
    BIT_INPUT = 1 << 4, /* another input than the base's */
    BIT_WINDOW = 1 << 5,
    BIT_IDENTITY = 1 << 6, /* TTL and IP ID */
    BIT_OPTIONS = 1 << 7,  /* any option bit beside timestamps */
};

static uint8_t *put_unsigned(uint8_t *p, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *p++ = (uint8_t)(value | 0x80);
    *p++ = (uint8_t)value;
    return p;
}

static uint8_t *put_signed(uint8_t *p, int64_t value) {
    return put_unsigned(p, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static const uint8_t *get_unsigned(const uint8_t *p, uint64_t *value) {
    uint64_t v = 0;
    unsigned shift = 0;
    for (; *p & 0x80; shift += 7)
        v |= (uint64_t)(*p++ & 0x7f) << shift;
    *value = v | (uint64_t)*p++ << shift;
    return p;
}

static const uint8_t *get_signed(const uint8_t *p, int64_t *value) {
    uint64_t v;
    p = get_unsigned(p, &v);
    *value = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    return p;
}

/* TTL and IP ID matter for what may be forged; the window for what a RST looks like. */
static bool keeps_identity(const struct la_observation *entry) {
    return entry->class == LA_CLASS_RST || entry->class == LA_CLASS_SYN ||
           entry->class == LA_CLASS_SYN_ACK || entry->class == LA_CLASS_OUTSIDE;
}

static uint8_t bits_of(const struct la_observation *entry, const struct la_log_base *base) {
    unsigned bits = 0;
    if (entry->exact)
        bits |= BIT_EXACT;
    if (entry->in_window)
        bits |= BIT_IN_WINDOW;
    if (entry->options & LA_HAS_TIMESTAMPS)
        bits |= BIT_TIMESTAMPS;
    if (entry->options & LA_HAS_SACK)
        bits |= BIT_SACK;
    if (entry->input != base->input)
        bits |= BIT_INPUT;
    if (entry->window != 0 && entry->class == LA_CLASS_RST)
        bits |= BIT_WINDOW;
    if (keeps_identity(entry))
        bits |= BIT_IDENTITY;
    if (entry->options & ~(unsigned)LA_HAS_TIMESTAMPS)
        bits |= BIT_OPTIONS;
    return (uint8_t)bits;
}

static size_t encode(uint8_t *out, const struct la_log_base *base,
                     const struct la_observation *entry) {
    unsigned from = entry->from, to = !from;
    uint8_t bits = bits_of(entry, base);
    uint8_t *p = out;
    *p++ = (uint8_t)(entry->class | from << 7);
    *p++ = entry->flags;
    *p++ = bits;
    p = put_signed(p, entry->time_ns - base->time_ns);
    if (bits & BIT_INPUT) {
        p = put_unsigned(p, entry->input);
        p = put_unsigned(p, entry->frame);
    } else {
        p = put_signed(p, (int64_t)(entry->frame - base->frame));
    }
    p = put_signed(p, (int32_t)(entry->seq - base->seq[from]));
    if (entry->flags & LA_ACK)
        p = put_signed(p, (int32_t)(entry->ack - base->seq[to]));
    p = put_unsigned(p, entry->payload);
    if (bits & BIT_TIMESTAMPS) {
        p = put_signed(p, (int32_t)(entry->tsval - base->tsval[from]));
        if (entry->flags & LA_ACK) /* without it TSecr means nothing (RFC 7323, 3.2) */
            p = put_signed(p, (int32_t)(entry->tsecr - base->tsval[to]));
    }
    if (bits & BIT_SACK) {
        p = put_signed(p, (int32_t)(entry->sack_from - base->seq[to]));
        p = put_signed(p, (int32_t)(entry->sack_to - base->seq[to]));
    }
    if (bits & BIT_WINDOW)
        p = put_unsigned(p, entry->window);
    if (bits & BIT_IDENTITY) {
        *p++ = entry->ttl;
        p = put_unsigned(p, entry->ip_id);
    }
    if (bits & BIT_OPTIONS)
        p = put_unsigned(p, entry->options);
    return (size_t)(p - out);
}

static bool opens_or_closes(const struct la_observation *entry) {
    return (entry->flags & (LA_SYN | LA_FIN | LA_RST)) || entry->class == LA_CLASS_HANDSHAKE_ACK ||
           entry->class == LA_CLASS_ACK_OF_FIN;
}

static bool make_room(struct la_log *log, struct la_pool *pool, size_t wanted, size_t most) {
    if (log->used + wanted > most)
        return false;
    if (log->used + wanted <= log->capacity)
        return true;
    size_t size = la_pool_size(log->used + wanted);
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

static const uint8_t *decode_place(const uint8_t *p, const struct la_log_base *base, uint8_t bits,
                                   struct la_observation *entry) {
    int64_t difference;
    p = get_signed(p, &difference);
    entry->time_ns = base->time_ns + difference;
    if (bits & BIT_INPUT) {
        uint64_t input;
        p = get_unsigned(p, &input);
        entry->input = (uint16_t)input;
        return get_unsigned(p, &entry->frame);
    }
    p = get_signed(p, &difference);
    entry->input = base->input;
    entry->frame = base->frame + (uint64_t)difference;
    return p;
}

static const uint8_t *decode_options(const uint8_t *p, const struct la_log_base *base, uint8_t bits,
                                     struct la_observation *entry) {
    unsigned from = entry->from, to = !from;
    uint64_t value;
    if (bits & BIT_TIMESTAMPS) {
        entry->options = LA_HAS_TIMESTAMPS;
        entry->tsval = get_serial(&p, base->tsval[from]);
        if (entry->flags & LA_ACK)
            entry->tsecr = get_serial(&p, base->tsval[to]);
    }
    if (bits & BIT_SACK) {
        entry->sack_from = get_serial(&p, base->seq[to]);
        entry->sack_to = get_serial(&p, base->seq[to]);
    }
    if (bits & BIT_WINDOW) {
        p = get_unsigned(p, &value);
        entry->window = (uint32_t)value;
    }
    if (bits & BIT_IDENTITY) {
        entry->ttl = *p++;
        p = get_unsigned(p, &value);
        entry->ip_id = (uint16_t)value;
    }
    if (bits & BIT_OPTIONS) {
        p = get_unsigned(p, &value);
        entry->options = (uint16_t)value;
    }
    return p;
}

static const uint8_t *decode(const uint8_t *p, const struct la_log_base *base,
                             struct la_observation *entry) {
    memset(entry, 0, sizeof *entry);
    entry->class = *p & 0x7f;
    entry->from = *p++ >> 7;
    entry->flags = *p++;
    uint8_t bits = *p++;
    entry->exact = bits & BIT_EXACT;
    entry->in_window = bits & BIT_IN_WINDOW;
    p = decode_place(p, base, bits, entry);
    entry->seq = get_serial(&p, base->seq[entry->from]);
    if (entry->flags & LA_ACK)
        entry->ack = get_serial(&p, base->seq[!entry->from]);
    uint64_t payload;
    p = get_unsigned(p, &payload);
    entry->payload = (uint32_t)payload;
    return decode_options(p, base, bits, entry);
}

void la_log_read(const struct la_log *log, const struct la_log_base *base,
                 struct la_observation *out) {
    const uint8_t *p = log->bytes;
    for (size_t i = 0; i < log->count; i++)
        p = decode(p, base, &out[i]);
}

void la_log_release(struct la_log *log, struct la_pool *pool) {
    la_pool_give(pool, log->bytes, log->capacity);
    memset(log, 0, sizeof *log);
}
