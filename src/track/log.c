#include "track/log.h"

#include "base/time.h"
#include "base/varint.h"
#include "decode/segment.h"

#include <string.h>

/* An entry has one of two forms: the short one for what nearly every opening and closing is made
 * of, and the whole one for everything. Both begin with these two bytes.
 *
 * First byte: what almost every entry needs. In the short form the upper two bits say which options
 * it has. */
enum {
    CLASS_MASK = 0x1f,
    HEAD_SIDE_1 = 1 << 5,
    HEAD_TIMESTAMPS = 1 << 6,
    HEAD_RARE = 1 << 7, /* a fifth byte follows */
};

/* Second byte: the four TCP flags that matter to anybody downstream, and more. */
enum {
    KEPT_FLAGS = LA_FIN | LA_SYN | LA_RST | LA_ACK, /* 0x17 */
    FLAG_SHORT = 1 << 3,                            /* where PSH would be, which is not kept */
    FLAG_EXACT = 1 << 5,
    FLAG_IN_WINDOW = 1 << 6,
    FLAG_USEC = 1 << 7, /* the time is written in microseconds */
};

/* Where there was data, what closes is only short when it counts from the FINs, which are not known
 * before. In a log that was taken apart such an entry has a mark that no other short one has. */
enum { FLAG_FROM_FIN = FLAG_USEC };

/* The short form: a byte of sequence and acknowledgement number, three of microseconds, three of
 * the frame, and two of either timestamp where there are any; all of them distances. */
enum {
    SHORT_OPTIONS_SHIFT = 6,
    SHORT_SIZE = 9,
    SHORT_STAMPED_SIZE = 13,
    SHORT_SERIAL_BITS = 4,
    SHORT_LONG_BITS = 24,
    SHORT_STAMP_BITS = 16,
};
enum { OPTIONS_OF_SYN = LA_HAS_MSS | LA_HAS_SACK_PERMITTED | LA_HAS_WINDOW_SCALE };
static const uint16_t short_options[] = {0, LA_HAS_TIMESTAMPS, OPTIONS_OF_SYN,
                                         OPTIONS_OF_SYN | LA_HAS_TIMESTAMPS};

/* Of the whole form, third and fourth byte: in how many bytes each number is written, by the shift
 * of its code. The numbers follow in this order. Telling the lengths beforehand takes fewer
 * branches than a mark on each byte, and every segment of every opening and closing comes through
 * here. */
enum {
    LONG_CODE = 7, /* of time and frame */
    SHORT_CODE = 3,
    TIME_AT = 0,
    FRAME_AT = 3,
    SEQ_AT = 6,
    ACK_AT = 8,
    PAYLOAD_AT = 10,
    TSVAL_AT = 12,
    TSECR_AT = 14,
};
static const uint8_t long_size[] = {0, 1, 2, 3, 4, 5, 6, 8}, short_size[] = {0, 1, 2, 4};
static const uint64_t long_mask[] = {
    0,         0xff, 0xffff, 0xffffff, 0xffffffff, UINT64_C(0xffffffffff), UINT64_C(0xffffffffffff),
    UINT64_MAX};
static const uint32_t short_mask[] = {0, 0xff, 0xffff, 0xffffffff};
/* The codes by how many bytes a number needs. */
static const uint8_t long_code[] = {0, 1, 2, 3, 4, 5, 6, 7, 7}, short_code[] = {0, 1, 2, 3, 3};

/* Fifth byte: the rarer fields. */
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
    flags |= entry->exact ? FLAG_EXACT : 0;
    flags |= entry->in_window ? FLAG_IN_WINDOW : 0;
    flags |= usec ? FLAG_USEC : 0;
    p[0] = (uint8_t)head;
    p[1] = (uint8_t)flags;
    p[4] = rare;
    return p + (rare ? 5 : 4);
}

static uint8_t *put_rare(uint8_t *p, const struct la_log_base *base,
                         const struct la_observation *entry, uint8_t rare) {
    unsigned to = !entry->from;
    if (rare & RARE_SACK) {
        p = put_signed(p, (int32_t)(entry->sack_from - base->seq[to]));
        p = put_signed(p, (int32_t)(entry->sack_to - base->seq[to]));
    }
    if (rare & RARE_INPUT)
        p = put_unsigned(p, entry->input);
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

/* The significant bytes of a number; as many as it has come back. */
static unsigned put_number(uint8_t *p, uint64_t value) {
    put_little_endian(p, value);
    return value == 0 ? 0 : (71 - (unsigned)__builtin_clzll(value)) / 8;
}

static uint8_t *put_long(uint8_t *p, uint64_t value, unsigned at, unsigned *sizes) {
    unsigned code = long_code[put_number(p, value)];
    *sizes |= code << at;
    return p + long_size[code];
}

static uint8_t *put_short(uint8_t *p, uint32_t value, unsigned at, unsigned *sizes) {
    unsigned code = short_code[put_number(p, value)];
    *sizes |= code << at;
    return p + short_size[code];
}

/* The code of a set of options in the short form; SHORT_OPTIONS: it has none. */
enum { SHORT_OPTIONS = sizeof short_options / sizeof short_options[0] };
static unsigned short_options_code(uint16_t options) {
    unsigned code = 0;
    while (code < SHORT_OPTIONS && short_options[code] != options)
        code++;
    return code;
}

/* The numbers of a short entry, and what its first two bytes say. */
struct short_entry {
    int64_t time_ns;
    uint64_t frame;
    uint32_t seq, ack, tsval, tsecr;
    unsigned from, class, flags, options; /* options: the code */
};

/* Sixteen bytes are written, whatever it needs; 0 when a number is too far from the base. */
static inline size_t put_short_entry(uint8_t *out, const struct la_log_base *base,
                                     const struct short_entry *e) {
    unsigned from = e->from;
    bool ack = e->flags & LA_ACK, stamped = e->options & 1;
    uint64_t elapsed = (uint64_t)(e->time_ns - base->time_ns), usec = elapsed / LA_USEC;
    uint64_t frame = e->frame - base->frame;
    uint32_t serials[2] = {e->seq - base->seq[from], ack ? e->ack - base->seq[!from] : 0};
    uint32_t stamps[2] = {stamped ? e->tsval - base->tsval[from] : 0,
                          stamped && ack ? e->tsecr - base->tsval[!from] : 0};
    if (usec * LA_USEC != elapsed || (usec | frame) >> SHORT_LONG_BITS ||
        (serials[0] | serials[1]) >> SHORT_SERIAL_BITS ||
        (stamps[0] | stamps[1]) >> SHORT_STAMP_BITS)
        return 0;
    unsigned head =
        (e->class & CLASS_MASK) | (from ? HEAD_SIDE_1 : 0u) | e->options << SHORT_OPTIONS_SHIFT;
    put_little_endian(out, head | (e->flags | FLAG_SHORT) << 8 |
                               (serials[0] | serials[1] << SHORT_SERIAL_BITS) << 16 | usec << 24 |
                               frame << 48);
    put_little_endian(out + 8, frame >> 16 | (uint64_t)stamps[0] << 8 | (uint64_t)stamps[1] << 24);
    return stamped ? SHORT_STAMPED_SIZE : SHORT_SIZE;
}

/* Whatever has a RST comes with TTL and IP ID, or with a window. Returns 0 when the entry does not
 * fit into the short form. */
static size_t encode_short(uint8_t *out, const struct la_log_base *base,
                           const struct la_observation *entry) {
    unsigned options = short_options_code(entry->options);
    bool ack = entry->flags & LA_ACK, stamped = options & 1;
    bool plain = options < SHORT_OPTIONS && entry->class != LA_CLASS_RST && entry->payload == 0 &&
                 entry->input == base->input && entry->ttl == 0 && entry->ip_id == 0 &&
                 (ack || !stamped || entry->tsecr == 0);
    if (!plain)
        return 0;
    return put_short_entry(out, base,
                           &(struct short_entry){.time_ns = entry->time_ns,
                                                 .frame = entry->frame,
                                                 .seq = entry->seq,
                                                 .ack = entry->ack,
                                                 .tsval = entry->tsval,
                                                 .tsecr = entry->tsecr,
                                                 .from = entry->from,
                                                 .class = entry->class,
                                                 .flags = (entry->flags & KEPT_FLAGS) |
                                                          (entry->exact ? FLAG_EXACT : 0u) |
                                                          (entry->in_window ? FLAG_IN_WINDOW : 0u),
                                                 .options = options});
}

/* Every number as its distance to the base, which nothing but a clock or a file that steps back is
 * below. */
static size_t encode_whole(uint8_t *out, const struct la_log_base *base,
                           const struct la_observation *entry) {
    unsigned from = entry->from, to = !from, sizes = 0;
    uint8_t rare = rare_of(entry, base);
    bool ack = entry->flags & LA_ACK, timestamps = entry->options & LA_HAS_TIMESTAMPS;
    int64_t elapsed = entry->time_ns - base->time_ns, usec = elapsed / LA_USEC;
    bool whole = usec * LA_USEC == elapsed;
    uint64_t frame = entry->frame - (rare & RARE_INPUT ? 0 : base->frame);
    uint8_t *p = put_head(out, entry, rare, whole);
    p = put_long(p, (uint64_t)(whole ? usec : elapsed), TIME_AT, &sizes);
    p = put_long(p, frame, FRAME_AT, &sizes);
    p = put_short(p, entry->seq - base->seq[from], SEQ_AT, &sizes);
    p = put_short(p, ack ? entry->ack - base->seq[to] : 0, ACK_AT, &sizes);
    p = put_short(p, entry->payload, PAYLOAD_AT, &sizes);
    p = put_short(p, timestamps ? entry->tsval - base->tsval[from] : 0, TSVAL_AT, &sizes);
    /* without ACK a TSecr means little (RFC 7323, 3.2) */
    p = put_short(p, timestamps && ack ? entry->tsecr - base->tsval[to] : 0, TSECR_AT, &sizes);
    out[2] = (uint8_t)sizes;
    out[3] = (uint8_t)(sizes >> 8);
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

enum { USUAL_ENTRY = 16 };

bool la_log_append(struct la_log *log, const struct la_log_base *base, struct la_pool *pool,
                   const struct la_observation *entry) {
    uint8_t encoded[LA_LOG_MAX_ENTRY];
    size_t size = encode_short(encoded, base, entry);
    if (size == 0)
        size = encode_whole(encoded, base, entry);
    size_t most = opens_or_closes(entry) ? LA_LOG_MAX_BYTES : LA_LOG_MAX_COMMON;
    if (!make_room(log, pool, size, most)) {
        if (log->dropped < UINT16_MAX)
            log->dropped++;
        return false;
    }
    /* Few entries are longer, and a copy of known size is no call. */
    if (size <= USUAL_ENTRY && (size_t)log->used + USUAL_ENTRY <= log->capacity)
        memcpy(log->bytes + log->used, encoded, USUAL_ENTRY);
    else
        memcpy(log->bytes + log->used, encoded, size);
    log->used = (uint16_t)(log->used + size);
    log->count++;
    return true;
}

bool la_log_append_usual(struct la_log *log, const struct la_log_base *base,
                         const struct la_segment *s, unsigned from, enum la_class class) {
    unsigned options = short_options_code(s->options & (uint16_t)~LA_IP_DONT_FRAGMENT);
    size_t end = (size_t)log->used + USUAL_ENTRY;
    if (options == SHORT_OPTIONS || s->payload > 0 || s->input != base->input ||
        (!(s->flags & LA_ACK) && s->tsecr != 0) || end > log->capacity || end > LA_LOG_MAX_COMMON)
        return false;
    size_t size = put_short_entry(log->bytes + log->used, base,
                                  &(struct short_entry){.time_ns = s->time_ns,
                                                        .frame = s->frame,
                                                        .seq = s->seq,
                                                        .ack = s->ack,
                                                        .tsval = s->tsval,
                                                        .tsecr = s->tsecr,
                                                        .from = from,
                                                        .class = class,
                                                        .flags = s->flags & KEPT_FLAGS,
                                                        .options = options});
    log->used = (uint16_t)(log->used + size);
    log->count = (uint16_t)(log->count + (size > 0));
    return size > 0;
}

static uint32_t get_serial(const uint8_t **p, uint32_t base) {
    int64_t difference;
    *p = get_signed(*p, &difference);
    return base + (uint32_t)difference;
}

static const uint8_t *get_rare(const uint8_t *p, const struct la_log_base *base, uint8_t rare,
                               struct la_observation *entry) {
    uint64_t value;
    if (rare & RARE_SACK) {
        entry->sack_from = get_serial(&p, base->seq[!entry->from]);
        entry->sack_to = get_serial(&p, base->seq[!entry->from]);
    }
    if (rare & RARE_INPUT) {
        p = get_unsigned(p, &value);
        entry->input = (uint16_t)value;
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

static uint64_t get_long(const uint8_t **p, unsigned sizes, unsigned at) {
    unsigned code = sizes >> at & LONG_CODE;
    uint64_t value = get_little_endian(*p) & long_mask[code];
    *p += long_size[code];
    return value;
}

static uint32_t get_short(const uint8_t **p, unsigned sizes, unsigned at) {
    unsigned code = sizes >> at & SHORT_CODE;
    uint32_t value = (uint32_t)get_little_endian(*p) & short_mask[code];
    *p += short_size[code];
    return value;
}

/* Reads up to 8 bytes beyond the entry, as decode_whole() does. */
static const uint8_t *decode_short(const uint8_t *p, const struct la_log_base *base,
                                   struct la_observation *entry) {
    const uint64_t long_bits = (UINT64_C(1) << SHORT_LONG_BITS) - 1;
    uint64_t first = get_little_endian(p), second = get_little_endian(p + 8);
    unsigned from = (first & HEAD_SIDE_1) != 0, flags = first >> 8 & 0xff;
    const uint32_t *numbers = flags & FLAG_FROM_FIN ? base->fin : base->seq;
    uint16_t options = short_options[first >> SHORT_OPTIONS_SHIFT & (SHORT_OPTIONS - 1)];
    bool ack = flags & LA_ACK, stamped = options & LA_HAS_TIMESTAMPS;
    uint32_t seq = first >> 16 & 0xf, acked = first >> 20 & 0xf;
    uint32_t tsval = second >> 8 & 0xffff, tsecr = second >> 24 & 0xffff;
    *entry = (struct la_observation){
        .time_ns = base->time_ns + (int64_t)(first >> 24 & long_bits) * LA_USEC,
        .frame = base->frame + (first >> 48 | (second & 0xff) << 16),
        .input = base->input,
        .seq = numbers[from] + seq,
        .ack = ack ? numbers[!from] + acked : 0,
        .tsval = stamped ? base->tsval[from] + tsval : 0,
        .tsecr = stamped && ack ? base->tsval[!from] + tsecr : 0,
        .options = options,
        .flags = flags & KEPT_FLAGS,
        .from = (uint8_t)from,
        .class = first & CLASS_MASK,
        .exact = flags & FLAG_EXACT,
        .in_window = flags & FLAG_IN_WINDOW,
    };
    return p + (stamped ? SHORT_STAMPED_SIZE : SHORT_SIZE);
}

static const uint8_t *decode_whole(const uint8_t *p, const struct la_log_base *base,
                                   struct la_observation *entry) {
    unsigned head = p[0], flags = p[1], sizes = p[2] | (unsigned)p[3] << 8;
    uint8_t rare = head & HEAD_RARE ? p[4] : 0;
    unsigned from = (head & HEAD_SIDE_1) != 0;
    bool ack = flags & LA_ACK, timestamps = head & HEAD_TIMESTAMPS;
    p += rare ? 5 : 4;
    int64_t elapsed = (int64_t)get_long(&p, sizes, TIME_AT);
    uint64_t frame = get_long(&p, sizes, FRAME_AT);
    uint32_t seq = get_short(&p, sizes, SEQ_AT), acked = get_short(&p, sizes, ACK_AT);
    uint32_t payload = get_short(&p, sizes, PAYLOAD_AT);
    uint32_t tsval = get_short(&p, sizes, TSVAL_AT), tsecr = get_short(&p, sizes, TSECR_AT);
    *entry = (struct la_observation){
        .time_ns = base->time_ns + (flags & FLAG_USEC ? elapsed * LA_USEC : elapsed),
        .frame = frame + (rare & RARE_INPUT ? 0 : base->frame),
        .input = base->input,
        .seq = base->seq[from] + seq,
        .ack = ack ? base->seq[!from] + acked : 0,
        .payload = payload,
        .tsval = timestamps ? base->tsval[from] + tsval : 0,
        .tsecr = timestamps && ack ? base->tsval[!from] + tsecr : 0,
        .options = timestamps ? LA_HAS_TIMESTAMPS : 0,
        .flags = flags & KEPT_FLAGS,
        .from = (uint8_t)from,
        .class = head & CLASS_MASK,
        .exact = flags & FLAG_EXACT,
        .in_window = flags & FLAG_IN_WINDOW,
    };
    return rare ? get_rare(p, base, rare, entry) : p;
}

void la_log_read(const struct la_log *log, const struct la_log_base *base,
                 struct la_observation *out) {
    uint8_t copy[LA_LOG_MAX_BYTES + sizeof(uint64_t)];
    const uint8_t *p = copy;
    if (log->used > 0)
        memcpy(copy, log->bytes, log->used);
    memset(copy + log->used, 0, sizeof(uint64_t));
    for (size_t i = 0; i < log->count; i++)
        p = p[1] & FLAG_SHORT ? decode_short(p, base, &out[i]) : decode_whole(p, base, &out[i]);
}

/* Of a short entry. */
static size_t size_of_short(const uint8_t *entry) {
    bool stamped = short_options[entry[0] >> SHORT_OPTIONS_SHIFT] & LA_HAS_TIMESTAMPS;
    return stamped ? SHORT_STAMPED_SIZE : SHORT_SIZE;
}

/* There are two sizes, and a copy of known size is no call. */
static void copy_own(uint8_t *to, const uint8_t *from, size_t entry_size) {
    if (entry_size == SHORT_STAMPED_SIZE)
        memcpy(to, from, SHORT_STAMPED_SIZE - LA_LOG_COMMON);
    else
        memcpy(to, from, SHORT_SIZE - LA_LOG_COMMON);
}

/* A whole entry as a short one that counts from the FINs. Moves *p behind it; returns the size, 0
 * when it cannot be one. */
static size_t shorten(const uint8_t **p, const struct la_log_base *base, uint8_t *out) {
    static const struct la_log_base begin; /* distances to the base stay what they are */
    struct la_log_base fin = begin;
    struct la_observation entry;
    bool rare = ((*p)[0] & HEAD_RARE) && ((*p)[4] & ~RARE_OPTIONS);
    *p = decode_whole(*p, &begin, &entry);
    for (int side = 0; side < 2; side++)
        fin.seq[side] = base->fin[side] - base->seq[side];
    size_t size = rare ? 0 : encode_short(out, &fin, &entry);
    out[1] |= FLAG_FROM_FIN;
    return size;
}

/* With what a whole entry may be read beyond. */
static const uint8_t *copy_rest(const uint8_t *from, const uint8_t **end, uint8_t *copy) {
    size_t rest = (size_t)(*end - from);
    memcpy(copy, from, rest);
    memset(copy + rest, 0, sizeof(uint64_t));
    *end = copy + rest;
    return copy;
}

size_t la_log_split(const struct la_log *log, const struct la_log_base *base, uint8_t *common,
                    uint8_t *own) {
    enum { MOST = LA_LOG_ROWS * 32 }; /* of bytes; entries that can be shortened have fewer */
    uint8_t copy[MOST + sizeof(uint64_t)], shortened[LA_LOG_MAX_ENTRY];
    const uint8_t *p = log->bytes, *end = p + log->used;
    uint8_t *to = own;
    if (log->count > LA_LOG_ROWS || log->used > MOST)
        return 0;
    for (unsigned i = 0; i < log->count; i++) {
        const uint8_t *entry = p;
        size_t size = p[1] & FLAG_SHORT ? size_of_short(p) : 0;
        p += size;
        if (size == 0) {
            if (end == log->bytes + log->used)
                p = copy_rest(p, &end, copy);
            size = shorten(&p, base, shortened);
            entry = shortened;
        }
        if (size == 0)
            return 0;
        memcpy(common + (size_t)i * LA_LOG_COMMON, entry, LA_LOG_COMMON);
        copy_own(to, entry + LA_LOG_COMMON, size);
        to += size - LA_LOG_COMMON;
    }
    return (size_t)(to - own);
}

/* Time and frame of a short entry without its first LA_LOG_COMMON bytes. */
static uint64_t get_longs(const uint8_t *own) {
    uint8_t bytes[sizeof(uint64_t)] = {0};
    memcpy(bytes, own, 2 * SHORT_LONG_BITS / 8);
    return get_little_endian(bytes);
}

void la_log_join(struct la_log *log, const uint8_t *common, const uint8_t *own,
                 struct la_log_end ends[2]) {
    const uint64_t long_bits = (UINT64_C(1) << SHORT_LONG_BITS) - 1;
    uint8_t *p = log->bytes;
    for (unsigned i = 0; i < log->count; i++) {
        size_t size = size_of_short(common);
        memcpy(p, common, LA_LOG_COMMON);
        copy_own(p + LA_LOG_COMMON, own, size);
        uint64_t numbers = get_longs(own); /* not from where they were just written in pieces */
        ends[(common[0] & HEAD_SIDE_1) != 0] = (struct la_log_end){
            .elapsed_ns = (int64_t)(numbers & long_bits) * LA_USEC, .frames = numbers >> 24};
        common += LA_LOG_COMMON;
        own += size - LA_LOG_COMMON;
        p += size;
    }
    log->used = (uint16_t)(p - log->bytes);
}

bool la_log_copy(struct la_log *log, const struct la_log_base *base, struct la_pool *pool) {
    struct la_observation entries[LA_LOG_MAX_COPIED];
    struct la_log copy = {0};
    la_log_read(log, base, entries);
    for (size_t i = 0; i < log->count; i++)
        if (!la_log_append(&copy, base, pool, &entries[i])) {
            la_log_release(&copy, pool);
            *log = copy;
            return false;
        }
    *log = copy;
    return true;
}

void la_log_release(struct la_log *log, struct la_pool *pool) {
    la_pool_give(pool, log->bytes, log->capacity);
    memset(log, 0, sizeof *log);
}
