/* The pcapng format (draft-ietf-opsawg-pcapng), walked block by block in the window.
 *
 * A block is looked at only when all of it is there. Byte order and interfaces begin anew with each
 * section; interfaces are numbered on over all of them. Unknown blocks and options are skipped, and
 * options that overrun their block are not believed but harm nothing: the block's own length leads
 * on. What a block says of its length, an interface that was never described and packet bytes that
 * do not fit their block are errors, as for libpcap and Wireshark. */
#include "base/time.h"
#include "capture/bytes.h"
#include "capture/reader.h"

#include <stdlib.h>

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET_OBSOLETE = 2,
    BLOCK_PACKET_SIMPLE = 3,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET_ENHANCED = 6,
    BLOCK_SECTION = 0x0a0d0d0a,
    /* These carry no packet, but Wireshark numbers them among the packets. */
    BLOCK_SYSTEMD_JOURNAL = 9,
    BLOCK_SYSDIG_EVENT = 0x204,
    BLOCK_SYSDIG_EVENT_V2 = 0x216,
    BLOCK_SYSDIG_EVENT_V2_LARGE = 0x221,
    BLOCK_CUSTOM = 0xbad,
};
#define BLOCK_CUSTOM_NO_COPY UINT32_C(0x40000bad)

enum {
    OPTION_END = 0,
    OPTION_TSRESOL = 9,
    OPTION_TSOFFSET = 14,
    OPTION_IFDROP = 5,
    OPTION_OSDROP = 7,
};

enum {
    BLOCK_HEAD = 8, /* type and length */
    BLOCK_OVERHEAD = 12,
    SECTION_BODY = 16,
    INTERFACE_BODY = 8,
    STATISTICS_BODY = 12,
    PACKET_BODY = 20,
    BLOCK_MAX = LA_RECORD_MAX + 64 * 1024, /* a packet and its options */
    INTERFACES_MAX = 1 << 20, /* described in one section; each takes memory until its end */
};

#define BYTE_ORDER_MAGIC UINT32_C(0x1a2b3c4d)

/* How the units of an interface's clock become nanoseconds. */
struct resolution {
    enum { UNITS_MULTIPLY, UNITS_DIVIDE, UNITS_BINARY } kind;
    uint64_t factor; /* nanoseconds a unit, or units a nanosecond; 0: more than 64 bits hold */
    uint64_t most;   /* UNITS_MULTIPLY: units that still fit LA_TIME_LIMIT */
    unsigned shift;  /* UNITS_BINARY: units are 2^-shift seconds */
    int digits;
};

struct interface {
    struct resolution resolution;
    int64_t offset_ns;
    uint64_t ifdrop, osdrop; /* of its last statistics */
    uint32_t snaplen;
    uint16_t linktype;
};

struct pcapng_state {
    bool swapped;
    bool unlimited;               /* some interface has no snaplen */
    struct interface *interfaces; /* of the current section; owned */
    size_t count, capacity;
    uint32_t base; /* number of the section's first interface in the input */
    int64_t last_ns;
};

/* A whole block in the window. */
struct block {
    uint32_t type;
    uint32_t length;     /* as it says */
    const uint8_t *body; /* without head and trailer */
    size_t body_len;
};

/* The packet that a block holds, before it is checked. */
struct packet_body {
    uint32_t interface; /* in the section */
    uint32_t caplen, len;
    size_t data_offset; /* in the body */
    int64_t time_ns;
};

static uint64_t power_of_ten(unsigned exponent) {
    uint64_t power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* if_tsresol: 10^-n, or 2^-n when the upper bit is set. */
static struct resolution read_resolution(uint8_t value) {
    unsigned n = value & 0x7f;
    if (value & 0x80) {
        /* A binary clock's finest step, in digits: n * log10(2), rounded up. */
        unsigned digits = (n * 30103 + 99999) / 100000;
        return (struct resolution){
            .kind = UNITS_BINARY, .shift = n, .digits = digits < 9 ? (int)digits : 9};
    }
    struct resolution r = {.kind = UNITS_MULTIPLY, .digits = (int)n};
    if (n <= 9) {
        r.factor = power_of_ten(9 - n);
        r.most = (uint64_t)LA_TIME_LIMIT / r.factor;
        return r;
    }
    /* Past 10^-28 no 64-bit count of units makes a nanosecond. */
    return (struct resolution){
        .kind = UNITS_DIVIDE, .factor = n <= 28 ? power_of_ten(n - 9) : 0, .digits = 9};
}

static int64_t clamp_time(int64_t ns) {
    if (ns > LA_TIME_LIMIT)
        return LA_TIME_LIMIT;
    return ns < -LA_TIME_LIMIT ? -LA_TIME_LIMIT : ns;
}

/* Nanoseconds of `units`, at most LA_TIME_LIMIT. Truncates, as Wireshark does. */
static int64_t units_to_ns(const struct resolution *r, uint64_t units) {
    uint64_t ns;
    switch (r->kind) {
    case UNITS_MULTIPLY:
        return units <= r->most ? (int64_t)(units * r->factor) : LA_TIME_LIMIT;
    case UNITS_DIVIDE:
        ns = r->factor ? units / r->factor : 0;
        return ns > (uint64_t)LA_TIME_LIMIT ? LA_TIME_LIMIT : (int64_t)ns;
    case UNITS_BINARY:
        break;
    }
    __extension__ typedef unsigned __int128 wide; /* 2^64 units times 10^9 */
    wide product = ((wide)units * (uint64_t)LA_SEC) >> r->shift;
    return product > (wide)LA_TIME_LIMIT ? LA_TIME_LIMIT : (int64_t)product;
}

/* Both terms are within LA_TIME_LIMIT, so that their sum cannot overflow. */
static int64_t packet_time(const struct interface *i, uint32_t high, uint32_t low) {
    return clamp_time(units_to_ns(&i->resolution, (uint64_t)high << 32 | low) + i->offset_ns);
}

static bool pcapng_recognise(const uint8_t *head, size_t len) {
    if (len < 4 || load_u32(head, false) != BLOCK_SECTION) /* reads the same both ways */
        return false;
    return len < 12 || load_u32(head + 8, false) == BYTE_ORDER_MAGIC ||
           load_u32(head + 8, true) == BYTE_ORDER_MAGIC;
}

/* Steps through options; false at their end, or where they overrun the block. */
struct options {
    const uint8_t *p;
    size_t left;
    uint16_t code, length;
    const uint8_t *value;
};

static bool next_option(struct options *o, bool swapped) {
    if (o->left < 4)
        return false;
    o->code = load_u16(o->p, swapped);
    o->length = load_u16(o->p + 2, swapped);
    size_t padded = ((size_t)o->length + 3) & ~(size_t)3;
    if (o->code == OPTION_END || o->left - 4 < o->length)
        return false;
    o->value = o->p + 4;
    size_t step = o->left - 4 < padded ? o->left : 4 + padded;
    o->p += step;
    o->left -= step;
    return true;
}

static bool read_section(struct la_reader *r, const struct block *b) {
    struct pcapng_state *s = r->state;
    if (b->body_len < SECTION_BODY) {
        la_reader_damaged(r, "a section header of %u bytes, fewer than the %d that it needs,",
                          b->length, SECTION_BODY + BLOCK_OVERHEAD);
        return false;
    }
    uint16_t major = load_u16(b->body + 4, s->swapped), minor = load_u16(b->body + 6, s->swapped);
    if (major != 1) {
        la_reader_damaged(r, "a section of version %u.%u, where only 1.0 is known,", major, minor);
        return false;
    }
    s->base += (uint32_t)s->count;
    s->count = 0;
    return true;
}

static bool grow_interfaces(struct la_reader *r) {
    struct pcapng_state *s = r->state;
    if (s->count == INTERFACES_MAX) {
        la_reader_damaged(r, "a description of one more interface than %d", INTERFACES_MAX);
        return false;
    }
    size_t capacity = s->capacity ? s->capacity * 2 : 4;
    struct interface *grown = realloc(s->interfaces, capacity * sizeof *grown);
    if (!grown) {
        la_fail(&r->error, LA_ENOMEM, "%s: out of memory", la_stream_name(r->path));
        return false;
    }
    s->interfaces = grown;
    s->capacity = capacity;
    return true;
}

static void read_interface_options(struct interface *i, struct options options, bool swapped) {
    while (next_option(&options, swapped)) {
        if (options.code == OPTION_TSRESOL && options.length == 1) {
            i->resolution = read_resolution(options.value[0]);
        } else if (options.code == OPTION_TSOFFSET && options.length == 8) {
            int64_t seconds = (int64_t)load_u64(options.value, swapped);
            const int64_t limit = LA_TIME_LIMIT / LA_SEC;
            seconds = seconds > limit ? limit : seconds < -limit ? -limit : seconds;
            i->offset_ns = seconds * LA_SEC;
        }
    }
}

static void note_interface(struct la_reader *r, const struct interface *i) {
    struct pcapng_state *s = r->state;
    la_reader_note_linktype(r, i->linktype);
    la_reader_note_digits(r, i->resolution.digits);
    s->unlimited = s->unlimited || i->snaplen == 0;
    if (s->unlimited)
        r->info->snaplen = 0;
    else if (i->snaplen > r->info->snaplen)
        r->info->snaplen = i->snaplen;
}

static bool read_interface(struct la_reader *r, const struct block *b) {
    struct pcapng_state *s = r->state;
    if (b->body_len < INTERFACE_BODY) {
        la_reader_damaged(r, "an interface description of %u bytes, fewer than the %d it needs,",
                          b->length, INTERFACE_BODY + BLOCK_OVERHEAD);
        return false;
    }
    if (s->count == s->capacity && !grow_interfaces(r))
        return false;
    struct interface *i = &s->interfaces[s->count++];
    *i = (struct interface){.resolution = read_resolution(6)}; /* microseconds unless told */
    i->linktype = load_u16(b->body, s->swapped);
    i->snaplen = load_u32(b->body + 4, s->swapped);
    struct options options = {.p = b->body + INTERFACE_BODY, .left = b->body_len - INTERFACE_BODY};
    read_interface_options(i, options, s->swapped);
    note_interface(r, i);
    return true;
}

/* Statistics are running totals: those of an interface replace its earlier ones. */
static void note_drops(struct la_reader *r, uint64_t *last, uint64_t now) {
    r->info->dropped_by_capture += now - *last;
    r->info->dropped_known = true;
    *last = now;
}

static void read_statistics(struct la_reader *r, const struct block *b) {
    struct pcapng_state *s = r->state;
    if (b->body_len < STATISTICS_BODY)
        return;
    uint32_t id = load_u32(b->body, s->swapped);
    if (id >= s->count)
        return;
    struct options options = {.p = b->body + STATISTICS_BODY,
                              .left = b->body_len - STATISTICS_BODY};
    while (next_option(&options, s->swapped)) {
        if (options.length != 8)
            continue;
        uint64_t value = load_u64(options.value, s->swapped);
        if (options.code == OPTION_IFDROP)
            note_drops(r, &s->interfaces[id].ifdrop, value);
        else if (options.code == OPTION_OSDROP)
            note_drops(r, &s->interfaces[id].osdrop, value);
    }
}

static bool interface_exists(struct la_reader *r, uint32_t id) {
    const struct pcapng_state *s = r->state;
    if (id < s->count)
        return true;
    la_reader_damaged(r, "a packet of interface %u, where only %zu are described,", id, s->count);
    return false;
}

static bool check_body(struct la_reader *r, const struct block *b, size_t needed) {
    if (b->body_len >= needed)
        return true;
    la_reader_damaged(r, "a packet block of %u bytes, fewer than the %zu that it needs,", b->length,
                      needed + BLOCK_OVERHEAD);
    return false;
}

static bool read_enhanced(struct la_reader *r, const struct block *b, struct packet_body *p) {
    const struct pcapng_state *s = r->state;
    if (!check_body(r, b, PACKET_BODY))
        return false;
    /* The obsolete block differs only here: 16 bits of interface, 16 bits of drops. */
    p->interface = b->type == BLOCK_PACKET_ENHANCED ? load_u32(b->body, s->swapped)
                                                    : load_u16(b->body, s->swapped);
    if (!interface_exists(r, p->interface))
        return false;
    p->time_ns = packet_time(&s->interfaces[p->interface], load_u32(b->body + 4, s->swapped),
                             load_u32(b->body + 8, s->swapped));
    p->caplen = load_u32(b->body + 12, s->swapped);
    p->len = load_u32(b->body + 16, s->swapped);
    p->data_offset = PACKET_BODY;
    return true;
}

/* No time and no captured length: the packet before lends its time, and the snaplen and the block
 * bound the length. */
static bool read_simple(struct la_reader *r, const struct block *b, struct packet_body *p) {
    const struct pcapng_state *s = r->state;
    if (!check_body(r, b, 4) || !interface_exists(r, 0))
        return false;
    uint32_t snaplen = s->interfaces[0].snaplen;
    p->interface = 0;
    p->time_ns = s->last_ns;
    p->len = load_u32(b->body, s->swapped);
    p->caplen = snaplen != 0 && snaplen < p->len ? snaplen : p->len;
    p->data_offset = 4;
    return true;
}

static bool fill_packet(struct la_reader *r, const struct block *b, const struct packet_body *p,
                        struct la_packet *out) {
    struct pcapng_state *s = r->state;
    if (p->caplen > b->body_len - p->data_offset) {
        la_reader_damaged(r, "a packet of %u bytes in a block that has room for %zu", p->caplen,
                          b->body_len - p->data_offset);
        return false;
    }
    out->time_ns = p->time_ns;
    out->frame = ++r->frame;
    out->data = b->body + p->data_offset;
    out->caplen = p->caplen;
    out->len = p->len < p->caplen ? p->caplen : p->len;
    out->interface = s->base + p->interface;
    out->input = r->input;
    out->linktype = s->interfaces[p->interface].linktype;
    s->last_ns = p->time_ns;
    return true;
}

static bool is_packet(uint32_t type) {
    return type == BLOCK_PACKET_ENHANCED || type == BLOCK_PACKET_SIMPLE ||
           type == BLOCK_PACKET_OBSOLETE;
}

/* Blocks that hold no packet. */
static bool read_other(struct la_reader *r, const struct block *b) {
    switch (b->type) {
    case BLOCK_SECTION:
        return read_section(r, b);
    case BLOCK_INTERFACE:
        return read_interface(r, b);
    case BLOCK_STATISTICS:
        read_statistics(r, b);
        return true;
    case BLOCK_SYSTEMD_JOURNAL:
    case BLOCK_SYSDIG_EVENT:
    case BLOCK_SYSDIG_EVENT_V2:
    case BLOCK_SYSDIG_EVENT_V2_LARGE:
    case BLOCK_CUSTOM:
    case BLOCK_CUSTOM_NO_COPY:
        r->frame++;
        return true;
    default:
        return true;
    }
}

/* A section header says in which order its own length is to be read. */
static bool read_byte_order(struct la_reader *r, const uint8_t *block) {
    struct pcapng_state *s = r->state;
    uint32_t magic = load_u32(block + 8, false);
    if (magic == BYTE_ORDER_MAGIC) {
        s->swapped = false;
    } else if (magic == __builtin_bswap32(BYTE_ORDER_MAGIC)) {
        s->swapped = true;
    } else {
        la_reader_damaged(r, "a section header with the byte-order magic 0x%08x", magic);
        return false;
    }
    return true;
}

static bool check_length(struct la_reader *r, uint32_t length, uint32_t trailer) {
    if (length < BLOCK_OVERHEAD)
        la_reader_damaged(r, "a block of %u bytes, fewer than the %d of the shortest,", length,
                          BLOCK_OVERHEAD);
    else if (length > BLOCK_MAX)
        la_reader_damaged(r, "a block of %u bytes, more than the %d of the longest,", length,
                          BLOCK_MAX);
    else if (length != trailer)
        la_reader_damaged(r, "a block that says it has %u bytes, and at its end %u,", length,
                          trailer);
    return r->error.status == LA_OK;
}

/* Finds the block at the window's position. False when it is not all there (`need` is set) or
 * cannot be (`error` is set). */
static bool find_block(struct la_reader *r, struct block *b) {
    const struct pcapng_state *s = r->state;
    const struct la_window *w = &r->window;
    const uint8_t *p = w->data + w->pos;
    size_t available = la_window_available(w);
    r->need = BLOCK_OVERHEAD;
    r->in_what = "block";
    if (available < BLOCK_OVERHEAD)
        return false;
    b->type = load_u32(p, s->swapped);
    if (b->type == BLOCK_SECTION && !read_byte_order(r, p))
        return false;
    b->length = load_u32(p + 4, s->swapped);
    if (!check_length(r, b->length, b->length))
        return false;
    if (is_packet(b->type))
        r->in_what = "packet";
    /* Some programs forget the padding in the length, as Wireshark knows. */
    size_t padded = ((size_t)b->length + 3) & ~(size_t)3;
    r->need = padded;
    if (available < padded || !check_length(r, b->length, load_u32(p + padded - 4, s->swapped)))
        return false;
    b->body = p + BLOCK_HEAD;
    b->body_len = padded - BLOCK_OVERHEAD;
    return true;
}

/* The hot loop: enhanced packet blocks in a row with nothing to remark on. It stops before any
 * other, which pcapng_take() then looks at with all its care. */
static size_t take_plain(struct la_reader *r, struct la_packet *packets, size_t max) {
    struct pcapng_state *const s = r->state;
    const bool swapped = s->swapped;
    const uint8_t *const start = r->window.data, *p = start + r->window.pos;
    size_t left = la_window_available(&r->window), n = 0;
    while (n < max && left >= BLOCK_OVERHEAD + PACKET_BODY &&
           load_u32(p, swapped) == BLOCK_PACKET_ENHANCED) {
        uint32_t length = load_u32(p + 4, swapped), id = load_u32(p + 8, swapped);
        uint32_t caplen = load_u32(p + 20, swapped), len = load_u32(p + 24, swapped);
        if (length > left || length > BLOCK_MAX || length < BLOCK_OVERHEAD + PACKET_BODY ||
            length % 4 != 0 || load_u32(p + length - 4, swapped) != length || id >= s->count ||
            caplen > length - (BLOCK_OVERHEAD + PACKET_BODY))
            break;
        la_reader_ask_for_headers(p);
        const struct interface *i = &s->interfaces[id];
        packets[n++] = (struct la_packet){
            .time_ns = packet_time(i, load_u32(p + 12, swapped), load_u32(p + 16, swapped)),
            .frame = ++r->frame,
            .data = p + BLOCK_HEAD + PACKET_BODY,
            .caplen = caplen,
            .len = len < caplen ? caplen : len,
            .interface = s->base + id,
            .input = r->input,
            .linktype = i->linktype,
        };
        p += length;
        left -= length;
    }
    if (n > 0)
        s->last_ns = packets[n - 1].time_ns;
    r->window.pos = (size_t)(p - start);
    return n;
}

static size_t pcapng_take(struct la_reader *r, struct la_packet *packets, size_t max) {
    size_t n = take_plain(r, packets, max);
    struct block b;
    while (n < max && r->error.status == LA_OK && find_block(r, &b)) {
        bool good;
        if (is_packet(b.type)) {
            struct packet_body body;
            good = b.type == BLOCK_PACKET_SIMPLE ? read_simple(r, &b, &body)
                                                 : read_enhanced(r, &b, &body);
            good = good && fill_packet(r, &b, &body, &packets[n]);
            n += good;
        } else {
            good = read_other(r, &b);
        }
        if (good) {
            r->window.pos += b.body_len + BLOCK_OVERHEAD;
            n += take_plain(r, packets + n, max - n);
        }
    }
    return n;
}

static enum la_status pcapng_open(struct la_reader *r, struct la_error *err) {
    enum la_status status = la_reader_need_header(r, SECTION_BODY + BLOCK_OVERHEAD, err);
    if (status != LA_OK)
        return status;
    struct pcapng_state *s = calloc(1, sizeof *s);
    if (!s)
        return la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(r->path));
    r->state = s;
    r->in_what = "block";
    r->need = BLOCK_OVERHEAD;
    return LA_OK;
}

static void pcapng_close(struct la_reader *r) {
    struct pcapng_state *s = r->state;
    free(s->interfaces);
    free(s);
}

const struct la_format la_format_pcapng = {
    .name = "pcapng",
    .recognise = pcapng_recognise,
    .open = pcapng_open,
    .take = pcapng_take,
    .refill = la_reader_refill_window,
    .close = pcapng_close,
};
