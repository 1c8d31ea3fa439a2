/* What is only remembered: the shelf keeps the order in which things were put there and uses its
 * memory again, and a record comes back from it as it was. */
#include "base/pages.h"
#include "base/time.h"
#include "track/attempt.h"
#include "track/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t put_numbered(struct shelf *shelf, uint32_t number, size_t size) {
    uint32_t place;
    struct shelf_item *item = shelf_put(shelf, SHELF_ATTEMPT, size, &place);
    assert_non_null(item);
    assert_int_not_equal(place, SHELF_NOTHING);
    assert_ptr_equal(shelf_at(shelf, place), item);
    item->host[0] = number;
    return place;
}

static uint32_t oldest(struct shelf *shelf, enum shelf_kind kind) {
    uint32_t place;
    return shelf_oldest(shelf, kind, &place) ? place : SHELF_NOTHING;
}

static void the_oldest_is_found_first(void **unused) {
    (void)unused;
    enum { ITEMS = 50000 };
    struct la_pages *pages = la_pages_new();
    struct shelf *shelf = shelf_new(pages);
    uint64_t seed = 1;
    for (uint32_t i = 0; i < ITEMS; i++)
        put_numbered(shelf, i, 24 + 8 * (next_random(&seed) % 40));
    assert_int_equal(shelf_count(shelf), ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t place = oldest(shelf, SHELF_ATTEMPT);
        assert_int_equal(shelf_at(shelf, place)->host[0], i);
        shelf_take_off(shelf, place);
    }
    assert_int_equal(oldest(shelf, SHELF_ATTEMPT), SHELF_NOTHING);
    assert_int_equal(shelf_count(shelf), 0);
    shelf_free(shelf);
    la_pages_free(pages);
}

static void what_was_taken_off_is_passed_over(void **unused) {
    (void)unused;
    struct la_pages *pages = la_pages_new();
    struct shelf *shelf = shelf_new(pages);
    uint32_t places[100];
    for (uint32_t i = 0; i < 100; i++)
        places[i] = put_numbered(shelf, i, 64);
    for (uint32_t i = 0; i < 99; i++)
        shelf_take_off(shelf, places[(i * 37) % 100 == 42 ? 99 : (i * 37) % 100]);
    assert_int_equal(shelf_at(shelf, oldest(shelf, SHELF_ATTEMPT))->host[0], 42);
    shelf_free(shelf);
    la_pages_free(pages);
}

/* A day of connections passes over it, 1,000 at a time. */
static void memory_is_used_again(void **unused) {
    (void)unused;
    struct la_pages *pages = la_pages_new();
    struct shelf *shelf = shelf_new(pages);
    for (uint32_t i = 0; i < 1000000; i++) {
        put_numbered(shelf, i, 200);
        if (shelf_count(shelf) > 1000)
            shelf_take_off(shelf, oldest(shelf, SHELF_ATTEMPT));
    }
    assert_true(shelf_bytes(shelf) <= 5 * LA_PIECE + 4096);
    shelf_free(shelf);
    la_pages_free(pages);
}

/* A few that stay do not keep what lay around them. */
static void what_stays_keeps_its_own_board_only(void **unused) {
    (void)unused;
    struct la_pages *pages = la_pages_new();
    struct shelf *shelf = shelf_new(pages);
    uint32_t staying = put_numbered(shelf, 7, 64);
    uint32_t closed;
    assert_non_null(shelf_put(shelf, SHELF_CLOSED, 200, &closed));
    for (uint32_t i = 0; i < 1000000; i++)
        shelf_take_off(shelf, put_numbered(shelf, i, 64));
    assert_int_equal(oldest(shelf, SHELF_ATTEMPT), staying);
    assert_int_equal(oldest(shelf, SHELF_CLOSED), closed);
    assert_int_equal(shelf_count(shelf), 2);
    assert_true(shelf_bytes(shelf) <= 4 * LA_PIECE + 4096);
    shelf_free(shelf);
    la_pages_free(pages);
}

/* Any bits, in as many lengths as they come. */
static uint64_t random_value(uint64_t *seed) {
    uint64_t bits = next_random(seed) % 65;
    return bits == 0 ? 0 : next_random(seed) >> (64 - bits);
}

static int64_t random_time(uint64_t *seed, int64_t base_ns) {
    uint64_t distance = random_value(seed) >> 4;
    uint64_t unit = next_random(seed) % 2 ? LA_USEC : 1;
    return next_random(seed) % 8 == 0 ? LA_TIME_NONE : base_ns - (int64_t)(distance / unit * unit);
}

static void fill_side(struct live_side *side, uint64_t *seed) {
    side->bytes = random_value(seed);
    side->last_ns = random_time(seed, INT64_C(1763647385118000000));
    side->last_frame = random_value(seed);
    side->base_seq = (uint32_t)random_value(seed);
    side->base_tsval = (uint32_t)random_value(seed);
    side->next = (uint32_t)random_value(seed);
    side->acked = (uint32_t)random_value(seed);
    side->fin_end = (uint32_t)random_value(seed);
    side->tsval = (uint32_t)random_value(seed);
    side->window = (uint32_t)random_value(seed);
    side->fingerprints[0] = (uint32_t)random_value(seed);
    side->fingerprints[1] = (uint32_t)random_value(seed);
    side->last_payload = (uint32_t)random_value(seed);
    side->packets = (uint32_t)random_value(seed);
    side->flags =
        (uint16_t)((random_value(seed) | SIDE_FIN | SIDE_FIN_ACKED) & ~(unsigned)SIDE_LAST_LOGGED);
    side->mss = (uint16_t)random_value(seed);
    side->syn = next_random(seed) % 8;
    side->fin = next_random(seed) % 8;
    side->ttl = (uint8_t)random_value(seed);
    side->window_scale = (uint8_t)(next_random(seed) % 15);
}

/* What most connections are like. */
static void fill_usual_flow_side(struct flow_side *side, uint64_t *seed) {
    side->data_bytes = random_value(seed);
    side->last_data_ns = random_time(seed, INT64_C(1763647385118000000));
    side->timed_ns = LA_TIME_NONE;
    side->ip_id = (uint16_t)random_value(seed);
    side->sample_count = (uint8_t)(next_random(seed) % (FLOW_SAMPLES + 1));
    side->sample_seen = side->sample_count;
    for (int i = 0; i < side->sample_count; i++) {
        uint64_t unit = next_random(seed) % 2 ? LA_USEC : 1;
        side->samples[i] = (float)la_seconds((int64_t)((random_value(seed) >> 25) / unit * unit));
        if (i == 0 || side->samples[i] < side->sample_min)
            side->sample_min = side->samples[i];
    }
}

static void fill_flow_side(struct flow_side *side, uint64_t *seed) {
    side->data_bytes = random_value(seed);
    side->retransmitted_bytes = random_value(seed);
    side->retransmitted_segments = random_value(seed);
    side->duplicate_acks = random_value(seed);
    side->zero_windows = random_value(seed);
    side->last_data_ns = random_time(seed, INT64_C(1763647385118000000));
    side->timed_ns = random_time(seed, INT64_C(1763647385118000000));
    /* Of what is timed only. */
    side->timed_end = side->timed_ns != LA_TIME_NONE ? (uint32_t)random_value(seed) : 0;
    side->ip_id = (uint16_t)random_value(seed);
    side->ttl = (uint8_t)random_value(seed);
    side->sample_count = (uint8_t)(next_random(seed) % (FLOW_SAMPLES + 1));
    side->sample_stride_log2 = next_random(seed) % 16;
    side->sample_seen = (uint32_t)random_value(seed);
    side->gaps = (uint32_t)random_value(seed);
    side->sample_min = 0.25F;
    for (int i = 0; i < side->sample_count; i++)
        side->samples[i] = (float)(next_random(seed) % 1000) / 1024;
}

static uint16_t random_options(uint64_t *seed) {
    uint64_t which = next_random(seed) % 4;
    uint16_t stamped = which % 2 ? LA_HAS_TIMESTAMPS : 0;
    return which < 2 ? stamped : stamped | LA_HAS_MSS | LA_HAS_SACK_PERMITTED | LA_HAS_WINDOW_SCALE;
}

static void make_unusual(struct la_observation *entry, uint64_t *seed) {
    switch (next_random(seed) % 6) {
    case 0:
        entry->input = (uint16_t)(next_random(seed) % 3);
        break;
    case 1:
        entry->ttl = 64;
        entry->ip_id = (uint16_t)random_value(seed);
        break;
    case 2:
        entry->time_ns += 1;
        break;
    case 3:
        entry->time_ns -= (int64_t)(random_value(seed) >> 4);
        break;
    case 4:
        entry->options |= LA_HAS_SACK;
        entry->sack_from = entry->ack;
        entry->sack_to = entry->ack + 1;
        break;
    default:
        entry->seq += 1000;
    }
}

/* Segments that open and close, and at times one that is not like that. */
static void append_entries(struct live *live, struct la_pool *pool, uint64_t *seed) {
    struct la_log_base base = live_log_base(live);
    bool usual = next_random(seed) % 4 != 0;
    for (uint64_t left = next_random(seed) % (LA_LOG_ROWS + 2); left > 0; left--) {
        unsigned from = next_random(seed) % 2;
        struct live_side *me = &live->side[from], *peer = &live->side[!from];
        bool closes = next_random(seed) % 2;
        struct la_observation entry = {
            .time_ns = base.time_ns + (int64_t)(next_random(seed) % 16000000) * LA_USEC,
            .frame = base.frame + next_random(seed) % 10000000,
            .input = base.input,
            .from = (uint8_t)from,
            .class = LA_CLASS_FIN,
            .flags = LA_FIN | LA_ACK,
            .seq = (closes ? me->fin_end - 1 : base.seq[from]) + (uint32_t)(next_random(seed) % 16),
            .ack =
                (closes ? peer->fin_end - 1 : base.seq[!from]) + (uint32_t)(next_random(seed) % 16),
            .payload = !usual && left == 1 ? 5 : 0,
            .options = random_options(seed),
        };
        if (entry.options & LA_HAS_TIMESTAMPS) {
            entry.tsval = base.tsval[from] + next_random(seed) % 65536;
            entry.tsecr = base.tsval[!from] + next_random(seed) % 65536;
        }
        if (!usual && next_random(seed) % 4 == 0)
            make_unusual(&entry, seed);
        assert_true(la_log_append(&live->log, &base, pool, &entry));
        me->flags |= SIDE_LAST_LOGGED;
        me->last_ns = entry.time_ns;
        me->last_frame = entry.frame;
    }
}

/* A closed record with its log in `pool`, and `flow` as its traffic. */
static void fill_record(struct live *live, struct flow *flow, struct la_pool *pool,
                        uint64_t *seed) {
    memset(live, 0, sizeof *live);
    memset(flow, 0, sizeof *flow);
    live->expire_ns = INT64_C(1763647385118000000);
    live->first_ns = live->expire_ns - (int64_t)(random_value(seed) >> 4);
    live->first_frame = random_value(seed);
    live->host[0] = (uint32_t)random_value(seed);
    live->host[1] = (uint32_t)random_value(seed);
    live->port[0] = (uint16_t)random_value(seed);
    live->port[1] = (uint16_t)random_value(seed);
    live->flags = next_random(seed) % 2 ? LIVE_V6 : 0;
    live->incarnation = next_random(seed) % 2 ? 1 : (uint16_t)random_value(seed);
    live->duplicates = next_random(seed) % 2 ? 0 : (uint16_t)random_value(seed);
    live->tunnels = next_random(seed) % 2 ? 0 : random_value(seed) & (uint32_t)LIVE_TUNNELS;
    live->vlan = next_random(seed) % 2 ? 0 : random_value(seed) & (uint32_t)LIVE_VLAN;
    live->first_input = next_random(seed) % 2 ? 0 : (uint16_t)random_value(seed);
    live->input[0] = next_random(seed) % 2 ? 0 : (uint16_t)random_value(seed);
    live->input[1] = next_random(seed) % 2 ? 0 : (uint16_t)random_value(seed);
    live->history_count = next_random(seed) % (LIVE_HISTORY + 1) & 0x1fU;
    live->history = next_random(seed);
    for (int d = 0; d < 2; d++) {
        fill_side(&live->side[d], seed);
        if (next_random(seed) % 2)
            fill_flow_side(&flow->side[d], seed);
        else
            fill_usual_flow_side(&flow->side[d], seed);
        if (next_random(seed) % 2)
            live->side[d].ttl = flow->side[d].ttl;
    }
    live->flow = next_random(seed) % 2 ? flow : NULL;
    append_entries(live, pool, seed);
}

static void assert_same_log(const struct live *a, const struct live *b) {
    struct la_observation left[LA_LOG_MAX_COPIED], right[LA_LOG_MAX_COPIED];
    const struct la_log_base base = live_log_base(a);
    assert_int_equal(a->log.count, b->log.count);
    assert_true(a->log.count <= LA_LOG_MAX_COPIED);
    la_log_read(&a->log, &base, left);
    la_log_read(&b->log, &base, right);
    assert_memory_equal(left, right, a->log.count * sizeof left[0]);
}

static void assert_same_record(const struct live *a, const struct live *b) {
    struct live left = *a, right = *b;
    assert_same_log(a, b);
    assert_int_equal(a->flow != NULL, b->flow != NULL);
    if (a->flow)
        assert_memory_equal(a->flow, b->flow, sizeof *a->flow);
    memset(&left.log, 0, sizeof left.log);
    memset(&right.log, 0, sizeof right.log);
    left.flow = right.flow = NULL;
    assert_memory_equal(&left, &right, sizeof left);
}

static void a_record_comes_back_as_it_was(void **unused) {
    (void)unused;
    uint64_t seed = 2;
    struct shapes *shapes = shapes_new();
    struct la_pages *pages = la_pages_new();
    struct la_pool *pool = la_pool_new(pages);
    assert_non_null(pool);
    for (int round = 0; round < 20000; round++) {
        struct live live, back;
        struct flow flow;
        struct unpacked room;
        union {
            struct shelf_item item;
            uint8_t bytes[sizeof(struct shelf_item) + SHELF_ITEM_MAX];
        } shelved;
        fill_record(&live, &flow, pool, &seed);
        assert_true(live_is_packable(&live));
        size_t size = live_pack(&live, shapes, shelved.bytes + sizeof shelved.item);
        assert_true(sizeof shelved.item + size <= SHELF_ITEM_MAX);
        memcpy(shelved.item.host, live.host, sizeof live.host);
        memcpy(shelved.item.port, live.port, sizeof live.port);
        shelved.item.v6 = live.flags & LIVE_V6;
        shelved.item.expire_ns = live.expire_ns;
        memset(&back, 0, sizeof back);
        live_unpack(&back, &room, shapes, &shelved.item);
        assert_same_record(&live, &back);
        /* As it is appended to again, byte by byte. */
        const struct la_log_base base = live_log_base(&back);
        assert_true(la_log_copy(&back.log, &base, pool));
        assert_int_equal(back.log.used, live.log.used);
        if (live.log.used > 0)
            assert_memory_equal(back.log.bytes, live.log.bytes, live.log.used);
        la_log_release(&back.log, pool);
        la_log_release(&live.log, pool);
    }
    la_pool_free(pool);
    la_pages_free(pages);
    shapes_free(shapes);
}

/* The same bytes have the same number; when there are too many, they have none and stay as they
 * are.
 */
static void shapes_are_kept_once(void **unused) {
    (void)unused;
    struct shapes *shapes = shapes_new();
    uint32_t refused = 0;
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 20000; i++) {
            uint8_t bytes[SHAPE_MAX + 1] = {(uint8_t)i, (uint8_t)(i >> 8)};
            uint32_t number = shapes_number(shapes, bytes, 2 + i % 60);
            assert_true(number == SHAPE_NONE || number == i + 1);
            assert_true(number == SHAPE_NONE ||
                        memcmp(shapes_bytes(shapes, number), bytes, 2 + i % 60) == 0);
            refused += number == SHAPE_NONE;
        }
    assert_in_range(refused, 2 * 10000, 2 * 19000);
    assert_true(shapes_size(shapes) <= 1 << 20);
    const uint8_t large[SHAPE_MAX + 1] = {0};
    assert_int_equal(shapes_number(shapes, large, sizeof large), SHAPE_NONE);
    shapes_free(shapes);
}

static void only_what_is_closed_is_packed(void **unused) {
    (void)unused;
    struct live live;
    struct flow flow;
    uint64_t seed = 3;
    struct la_pages *pages = la_pages_new();
    struct la_pool *pool = la_pool_new(pages);
    assert_non_null(pool);
    fill_record(&live, &flow, pool, &seed);
    assert_true(live_is_packable(&live));
    live.side[1].flags &= (uint16_t)~SIDE_FIN_ACKED;
    assert_false(live_is_packable(&live));
    fill_record(&live, &flow, pool, &seed);
    live.side[0].rst = 1;
    assert_false(live_is_packable(&live));
    fill_record(&live, &flow, pool, &seed);
    live.older = 7;
    assert_false(live_is_packable(&live));
    fill_record(&live, &flow, pool, &seed);
    live.flow = &flow;
    flow.side[1].hole_count = 1;
    assert_false(live_is_packable(&live));
    la_pool_free(pool);
    la_pages_free(pages);
}

static void an_attempt_comes_back_as_it_was(void **unused) {
    (void)unused;
    struct attempt attempt;
    struct la_segment read, syn = {.time_ns = INT64_C(1763647385118000000),
                                   .frame = INT64_C(1) << 40,
                                   .seq = 0xdeadbeef,
                                   .tsval = 0xfeedface,
                                   .wire_bytes = 74,
                                   .input = 3,
                                   .window = 64240,
                                   .options = LA_HAS_MSS | LA_HAS_TIMESTAMPS,
                                   .ip_id = 0x1234,
                                   .mss = 1460,
                                   .flags = LA_SYN | LA_ECE | LA_CWR,
                                   .ttl = 64,
                                   .window_scale = 7};
    struct attempt_kinds kinds = {0};
    assert_true(attempt_kinds_open(&kinds));
    for (uint16_t mss = 1500; mss >= 1460; mss--) {
        syn.mss = mss;
        uint16_t kind = attempt_kind_of(&kinds, &syn, 2);
        assert_int_not_equal(kind, SHAPE_NONE);
        assert_int_equal(attempt_kind_of(&kinds, &syn, 2), kind);
        attempt_write(&attempt, &syn, kind, 1);
        attempt_read(&kinds, &attempt, &read);
        assert_memory_equal(&read, &syn, sizeof syn);
        assert_int_equal(attempt.side, 1);
        assert_int_equal(attempt_lives(&kinds, &attempt), 2);
    }
    syn.payload = 1; /* Fast Open */
    assert_int_equal(attempt_kind_of(&kinds, &syn, 2), SHAPE_NONE);
    attempt_kinds_close(&kinds);
}

/* So that what they are of is bounded; the rest has records. */
static void there_are_not_too_many_kinds_of_attempts(void **unused) {
    (void)unused;
    struct la_segment syn = {.flags = LA_SYN};
    struct attempt_kinds kinds = {0};
    unsigned refused = 0;
    assert_true(attempt_kinds_open(&kinds));
    for (uint16_t mss = 0; mss < UINT16_MAX; mss++) {
        syn.mss = mss;
        refused += attempt_kind_of(&kinds, &syn, 1) == SHAPE_NONE;
    }
    assert_in_range(refused, 1, UINT16_MAX - 1);
    assert_true(attempt_kinds_bytes(&kinds) < 1 << 20);
    syn.mss = 0;
    assert_int_not_equal(attempt_kind_of(&kinds, &syn, 1), SHAPE_NONE);
    attempt_kinds_close(&kinds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_is_found_first),
        cmocka_unit_test(what_was_taken_off_is_passed_over),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(what_stays_keeps_its_own_board_only),
        cmocka_unit_test(a_record_comes_back_as_it_was),
        cmocka_unit_test(shapes_are_kept_once),
        cmocka_unit_test(only_what_is_closed_is_packed),
        cmocka_unit_test(an_attempt_comes_back_as_it_was),
        cmocka_unit_test(there_are_not_too_many_kinds_of_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
