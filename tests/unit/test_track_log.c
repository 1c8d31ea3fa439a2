/* The compact log: what goes in comes out, and a full one still takes what opens and closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/time.h"
#include "decode/segment.h"
#include "track/log.h"

struct fixture {
    struct la_pages *pages;
    struct la_pool *pool;
    struct la_log log;
    struct la_log_base base;
};

static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static unsigned pick(uint64_t *state, unsigned below) {
    return (unsigned)(next_random(state) >> 11) % below;
}

/* Mostly the ends of the range and their neighbours. */
static uint64_t extreme(uint64_t *state, uint64_t most) {
    switch (pick(state, 4)) {
    case 0:
        return pick(state, 3);
    case 1:
        return most - pick(state, 3);
    case 2:
        return most / 2 + pick(state, 3);
    default:
        return most == UINT64_MAX ? next_random(state) : next_random(state) % (most + 1);
    }
}

static int64_t extreme_time(uint64_t *state) {
    int64_t ns = (int64_t)extreme(state, LA_TIME_LIMIT);
    return pick(state, 2) ? ns : -ns;
}

static void set_up_log(struct fixture *f, uint64_t *state) {
    memset(f, 0, sizeof *f);
    f->pages = la_pages_new();
    assert_non_null(f->pages);
    f->pool = la_pool_new(f->pages);
    assert_non_null(f->pool);
    f->base.time_ns = extreme_time(state);
    f->base.frame = extreme(state, UINT64_MAX);
    f->base.input = (uint16_t)extreme(state, UINT16_MAX);
    for (int side = 0; side < 2; side++) {
        f->base.seq[side] = (uint32_t)extreme(state, UINT32_MAX);
        f->base.tsval[side] = (uint32_t)extreme(state, UINT32_MAX);
    }
}

static void tear_down_log(struct fixture *f) {
    la_log_release(&f->log, f->pool);
    assert_int_equal(f->log.count, 0);
    la_pool_free(f->pool);
    la_pages_free(f->pages);
}

/* What the log promises to keep of an entry: the flags that matter, an ACK number with the ACK flag
 * only, a SYN's odd TSecr, the window of a RST. */
static struct la_observation kept(struct la_observation o) {
    o.flags &= LA_FIN | LA_SYN | LA_RST | LA_ACK;
    bool ack = o.flags & LA_ACK, stamps = o.options & LA_HAS_TIMESTAMPS;
    o.ack = ack ? o.ack : 0;
    o.tsval = stamps ? o.tsval : 0;
    o.tsecr = stamps ? o.tsecr : 0;
    o.sack_from = o.options & LA_HAS_SACK ? o.sack_from : 0;
    o.sack_to = o.options & LA_HAS_SACK ? o.sack_to : 0;
    o.window = o.class == LA_CLASS_RST ? o.window : 0;
    return o;
}

static struct la_observation random_entry(uint64_t *state, const struct la_log_base *base) {
    return (struct la_observation){
        .time_ns = pick(state, 2) ? extreme_time(state) : base->time_ns / 2,
        .frame = extreme(state, UINT64_MAX),
        .input = pick(state, 2) ? base->input : (uint16_t)extreme(state, UINT16_MAX),
        .seq = (uint32_t)extreme(state, UINT32_MAX),
        .ack = (uint32_t)extreme(state, UINT32_MAX),
        .payload = (uint32_t)extreme(state, UINT32_MAX),
        .window = (uint32_t)extreme(state, UINT32_MAX),
        .tsval = (uint32_t)extreme(state, UINT32_MAX),
        .tsecr = (uint32_t)extreme(state, UINT32_MAX),
        .sack_from = (uint32_t)extreme(state, UINT32_MAX),
        .sack_to = (uint32_t)extreme(state, UINT32_MAX),
        .options = (uint16_t)extreme(state, UINT16_MAX),
        .ip_id = (uint16_t)extreme(state, UINT16_MAX),
        .flags = (uint8_t)extreme(state, UINT8_MAX),
        .ttl = (uint8_t)extreme(state, UINT8_MAX),
        .from = (uint8_t)pick(state, 2),
        .class = (uint8_t)pick(state, LA_CLASS_COUNT),
        .exact = pick(state, 2),
        .in_window = pick(state, 2),
    };
}

/* What connections are opened and closed with, up to and beyond the bounds of the short form. */
static struct la_observation usual_entry(uint64_t *state, const struct la_log_base *base) {
    static const uint16_t options[] = {0, LA_HAS_TIMESTAMPS, 0x0e, 0x0f, 0x1f, 0x06};
    struct la_observation o = {
        .time_ns = base->time_ns + (int64_t)pick(state, 18000000) * LA_USEC + (pick(state, 9) == 0),
        .frame = base->frame + pick(state, (UINT32_C(1) << 24) + (UINT32_C(1) << 20)),
        .input = base->input,
        .payload = pick(state, 9) == 0,
        .options = options[pick(state, 6)],
        .flags = (uint8_t)(pick(state, 4) == 0 ? LA_SYN : LA_ACK | (pick(state, 2) ? LA_FIN : 0)),
        .from = (uint8_t)pick(state, 2),
        .class = (uint8_t)pick(state, LA_CLASS_COUNT),
        .exact = pick(state, 2),
        .in_window = pick(state, 2),
    };
    o.seq = base->seq[o.from] + pick(state, 17);
    o.ack = base->seq[!o.from] + pick(state, 17);
    o.tsval = base->tsval[o.from] + pick(state, 67000);
    o.tsecr =
        o.flags & LA_ACK || pick(state, 4) == 0 ? base->tsval[!o.from] + pick(state, 67000) : 0;
    return o;
}

static void assert_same(const struct la_observation *a, const struct la_observation *b) {
    assert_int_equal(a->time_ns, b->time_ns);
    assert_true(a->frame == b->frame);
    assert_int_equal(a->input, b->input);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->ack, b->ack);
    assert_int_equal(a->payload, b->payload);
    assert_int_equal(a->window, b->window);
    assert_int_equal(a->tsval, b->tsval);
    assert_int_equal(a->tsecr, b->tsecr);
    assert_int_equal(a->sack_from, b->sack_from);
    assert_int_equal(a->sack_to, b->sack_to);
    assert_int_equal(a->options, b->options);
    assert_int_equal(a->ip_id, b->ip_id);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->ttl, b->ttl);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->class, b->class);
    assert_int_equal(a->arrival, LA_ARRIVAL_ASSUMED);
    assert_int_equal(a->exact, b->exact);
    assert_int_equal(a->in_window, b->in_window);
}

/* 500 logs of entries of every kind, every field also at its ends. */
static void what_is_logged_is_read_again(void **unused) {
    (void)unused;
    uint64_t state = 11;
    static struct la_observation in[64], out[64];
    for (int round = 0; round < 500; round++) {
        struct fixture f;
        set_up_log(&f, &state);
        size_t count = 1 + pick(&state, 50);
        for (size_t i = 0; i < count; i++) {
            in[i] = (round % 2 ? random_entry : usual_entry)(&state, &f.base);
            assert_true(la_log_append(&f.log, &f.base, f.pool, &in[i]));
            in[i] = kept(in[i]);
        }
        assert_int_equal(f.log.count, count);
        assert_int_equal(f.log.dropped, 0);
        assert_true(f.log.used <= f.log.capacity);
        la_log_read(&f.log, &f.base, out);
        for (size_t i = 0; i < count; i++)
            assert_same(&out[i], &in[i]);
        tear_down_log(&f);
    }
}

/* The encoder writes into a buffer of LA_LOG_MAX_ENTRY bytes before it asks for room. */
static void the_longest_entry_fits_the_bound(void **unused) {
    (void)unused;
    struct fixture f;
    uint64_t state = 5;
    set_up_log(&f, &state);
    f.base = (struct la_log_base){.time_ns = -LA_TIME_LIMIT, .input = 1};
    struct la_observation entry = {.time_ns = LA_TIME_LIMIT,
                                   .frame = UINT64_MAX,
                                   .input = UINT16_MAX,
                                   .seq = 0x80000000u,
                                   .ack = 0x80000000u,
                                   .payload = UINT32_MAX,
                                   .window = UINT32_MAX,
                                   .tsval = 0x80000000u,
                                   .tsecr = 0x80000000u,
                                   .sack_from = 0x80000000u,
                                   .sack_to = 0x80000000u,
                                   .options = UINT16_MAX,
                                   .ip_id = UINT16_MAX,
                                   .flags = UINT8_MAX,
                                   .ttl = UINT8_MAX,
                                   .class = LA_CLASS_RST,
                                   .exact = true,
                                   .in_window = true};
    struct la_observation out, want = kept(entry);
    assert_true(la_log_append(&f.log, &f.base, f.pool, &entry));
    assert_in_range(f.log.used, 60, LA_LOG_MAX_ENTRY);
    la_log_read(&f.log, &f.base, &out);
    assert_same(&out, &want);
    tear_down_log(&f);
}

/* An ordinary one: 1 s after the start, 10 kB on, microseconds. */
static void a_plain_entry_takes_a_dozen_bytes(void **unused) {
    (void)unused;
    struct fixture f;
    uint64_t state = 5;
    set_up_log(&f, &state);
    f.base = (struct la_log_base){.time_ns = INT64_C(1763647385118000000), .frame = 1000};
    struct la_observation entry = {.time_ns = f.base.time_ns + INT64_C(1000000000),
                                   .frame = 1100,
                                   .seq = 10000,
                                   .ack = 10000,
                                   .class = LA_CLASS_ACK_OF_FIN,
                                   .flags = LA_ACK};
    assert_true(la_log_append(&f.log, &f.base, f.pool, &entry));
    assert_in_range(f.log.used, 1, 14);
    tear_down_log(&f);
}

/* A day of probes, and then the close: the FIN and the RST are there, the loss is counted. */
static void a_full_log_keeps_what_closes(void **unused) {
    (void)unused;
    struct fixture f;
    uint64_t state = 5;
    set_up_log(&f, &state);
    struct la_observation probe = {.class = LA_CLASS_KEEPALIVE, .flags = LA_ACK};
    size_t refused = 0;
    for (int i = 0; i < 20000; i++) {
        probe.time_ns = f.base.time_ns / 2 + i * INT64_C(1000003);
        refused += !la_log_append(&f.log, &f.base, f.pool, &probe);
    }
    assert_true(refused > 0);
    assert_int_equal(f.log.dropped, refused);
    assert_true(f.log.used <= LA_LOG_MAX_COMMON);
    static const struct la_observation closing[] = {
        {.class = LA_CLASS_FIN, .flags = LA_FIN | LA_ACK, .seq = 1},
        {.class = LA_CLASS_ACK_OF_FIN, .flags = LA_ACK, .ack = 2},
        {.class = LA_CLASS_FIN_AGAIN, .flags = LA_FIN | LA_ACK, .seq = 1},
        {.class = LA_CLASS_RST, .flags = LA_RST, .seq = 2},
        {.class = LA_CLASS_SYN, .flags = LA_SYN, .seq = 3},
        {.class = LA_CLASS_HANDSHAKE_ACK, .flags = LA_ACK, .ack = 4},
    };
    enum { CLOSING = sizeof closing / sizeof closing[0] };
    size_t before = f.log.count;
    for (int i = 0; i < CLOSING; i++)
        assert_true(la_log_append(&f.log, &f.base, f.pool, &closing[i]));
    assert_int_equal(f.log.count, before + CLOSING);
    struct la_observation *out = calloc(f.log.count, sizeof *out);
    assert_non_null(out);
    la_log_read(&f.log, &f.base, out);
    for (int i = 0; i < CLOSING; i++)
        assert_int_equal(out[before + (size_t)i].class, closing[i].class);
    free(out);
    tear_down_log(&f);
}

static void nothing_grows_a_log_beyond_its_bound(void **unused) {
    (void)unused;
    struct fixture f;
    uint64_t state = 5;
    set_up_log(&f, &state);
    struct la_observation fin = {.class = LA_CLASS_FIN_AGAIN, .flags = LA_FIN};
    size_t refused = 0;
    for (int i = 0; i < 100000; i++)
        refused += !la_log_append(&f.log, &f.base, f.pool, &fin);
    assert_true(f.log.used <= LA_LOG_MAX_BYTES);
    assert_true(f.log.capacity <= LA_LOG_MAX_BYTES);
    assert_true(refused > UINT16_MAX);
    assert_int_equal(f.log.dropped, UINT16_MAX); /* saturates */
    tear_down_log(&f);
}

/* Near the base, as most are, or anywhere. */
static struct la_segment random_segment(const struct fixture *f, unsigned from, uint64_t *state) {
    static const uint8_t flags[] = {LA_SYN, LA_SYN | LA_ACK, LA_ACK, LA_FIN | LA_ACK | LA_PSH,
                                    LA_PSH};
    bool near = pick(state, 4) > 0, stamped = pick(state, 2), syn = pick(state, 3) == 0;
    struct la_segment s = {
        .time_ns = f->base.time_ns + (int64_t)pick(state, near ? 20000 : 1000000000) * LA_USEC +
                   (near ? 0 : pick(state, 2)),
        .frame = f->base.frame + pick(state, near ? 100 : 1u << 30),
        .seq = f->base.seq[from] + pick(state, near ? 16 : 20),
        .ack = f->base.seq[!from] + pick(state, near ? 16 : 20),
        .tsval = stamped ? f->base.tsval[from] + pick(state, near ? 1000 : 100000) : 0,
        .tsecr = stamped ? f->base.tsval[!from] + pick(state, 1000) : 0,
        .payload = pick(state, 20) ? 0 : 1,
        .input = pick(state, 20) ? f->base.input : 7,
        .flags = flags[pick(state, sizeof flags)],
    };
    s.options =
        (uint16_t)((stamped ? LA_HAS_TIMESTAMPS : 0) | (pick(state, 2) ? LA_IP_DONT_FRAGMENT : 0) |
                   (syn ? LA_HAS_MSS | LA_HAS_SACK_PERMITTED | LA_HAS_WINDOW_SCALE : 0) |
                   (pick(state, 20) ? 0 : LA_HAS_MPTCP));
    if (stamped && !(s.flags & LA_ACK) && pick(state, 2))
        s.tsecr = 0;
    return s;
}

static void a_usual_entry_is_written_as_any_other(void **unused) {
    (void)unused;
    uint64_t state = 5;
    unsigned usual = 0, unusual = 0;
    for (int round = 0; round < 2000; round++) {
        struct fixture one, other;
        set_up_log(&one, &state);
        other = one;
        other.pages = la_pages_new();
        other.pool = la_pool_new(other.pages);
        for (int i = 0; i < 12; i++) {
            unsigned from = pick(&state, 2);
            struct la_segment s = random_segment(&one, from, &state);
            struct la_observation o = {.time_ns = s.time_ns,
                                       .frame = s.frame,
                                       .seq = s.seq,
                                       .ack = s.ack,
                                       .payload = s.payload,
                                       .tsval = s.tsval,
                                       .tsecr = s.tsecr,
                                       .input = s.input,
                                       .options = (uint16_t)(s.options & ~LA_IP_DONT_FRAGMENT),
                                       .flags = s.flags,
                                       .from = (uint8_t)from,
                                       .class = LA_CLASS_ACK_OF_FIN};
            assert_true(la_log_append(&other.log, &other.base, other.pool, &o));
            if (la_log_append_usual(&one.log, &one.base, &s, from, LA_CLASS_ACK_OF_FIN))
                usual++;
            else if (++unusual)
                assert_true(la_log_append(&one.log, &one.base, one.pool, &o));
            assert_int_equal(one.log.count, other.log.count);
            assert_int_equal(one.log.used, other.log.used);
            assert_memory_equal(one.log.bytes, other.log.bytes, one.log.used);
        }
        tear_down_log(&one);
        tear_down_log(&other);
    }
    assert_true(usual > 2000 && unusual > 2000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_logged_is_read_again),
        cmocka_unit_test(the_longest_entry_fits_the_bound),
        cmocka_unit_test(a_plain_entry_takes_a_dozen_bytes),
        cmocka_unit_test(a_full_log_keeps_what_closes),
        cmocka_unit_test(a_usual_entry_is_written_as_any_other),
        cmocka_unit_test(nothing_grows_a_log_beyond_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
