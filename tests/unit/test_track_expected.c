/* Taking an expected segment in at once leaves what taking it in step by step leaves, whatever came
 * before; and nothing out of the ordinary is taken for expected. */
#include "test_track_support.h"

#include "track/live.h"

struct talk {
    struct live live;
    struct la_pool *pool;
    bool shortcut;
    unsigned expected;
};

struct host {
    uint32_t next, acked; /* what it sends next, what it has of its peer */
    uint32_t tsval;
    bool closed;
};

static enum la_class take(struct talk *talk, unsigned d, const struct la_segment *s) {
    struct intake intake = {.pool = talk->pool,
                            .segment = s,
                            .side = d,
                            .fingerprint =
                                (s->seq * 31 + s->ack) * 31 + s->payload + s->ip_id * 65537u,
                            .newest = talk->live.newer == LA_NO_LIVE};
    if (talk->shortcut && live_take_expected(&talk->live, &intake)) {
        talk->expected++;
        return intake.verdict.class;
    }
    intake.verdict = live_classify(&talk->live, d, s);
    if (talk->live.first_frame == 0) {
        talk->live.first_ns = s->time_ns;
        talk->live.first_frame = s->frame;
        talk->live.first_input = s->input;
        talk->live.vlan = s->vlans[0] & (uint32_t)LIVE_VLAN;
    }
    live_take_in(&talk->live, &intake);
    return intake.verdict.class;
}

static void take_both(struct talk talks[2], unsigned d, const struct la_segment *s) {
    enum la_class slow = take(&talks[0], d, s), fast = take(&talks[1], d, s);
    assert_int_equal(slow, fast);
}

static void assert_same_log(const struct la_log *a, const struct la_log *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->used, b->used);
    assert_int_equal(a->dropped, b->dropped);
    if (a->used > 0)
        assert_memory_equal(a->bytes, b->bytes, a->used);
}

/* Everything but where it lies. */
static void assert_same_lives(const struct live *a, const struct live *b) {
    struct live x = *a, y = *b;
    assert_same_log(&a->log, &b->log);
    assert_int_equal(a->flow != NULL, b->flow != NULL);
    if (a->flow) {
        assert_int_equal(a->flow->extra != NULL, b->flow->extra != NULL);
        assert_memory_equal(a->flow->side, b->flow->side, sizeof a->flow->side);
    }
    x.log = y.log = (struct la_log){0};
    x.flow = y.flow = NULL;
    assert_memory_equal(&x, &y, sizeof x);
}

/* What no steady connection says, one oddity at a time. */
static void make_odd(struct la_segment *s, uint64_t *random) {
    static const uint8_t flags[] = {LA_FIN | LA_ACK, LA_RST, LA_RST | LA_ACK, LA_SYN | LA_ACK,
                                    LA_SYN,          0,      LA_FIN};
    switch (pick(random, 16)) {
    case 0:
        s->seq -= 1 + pick(random, 3000); /* again */
        break;
    case 1:
        s->seq += 1 + pick(random, 3000); /* something is missing */
        break;
    case 2:
        s->ack += 1 + pick(random, 3000); /* of what never passed */
        break;
    case 3:
        s->ack -= 1 + pick(random, 3000);
        break;
    case 4:
        s->window = 0;
        break;
    case 5:
        s->flags = flags[pick(random, sizeof flags)];
        break;
    case 6:
        s->options = 0;
        s->tsval = s->tsecr = 0;
        break;
    case 7:
        s->seq -= 1; /* a probe */
        s->payload = pick(random, 2);
        break;
    case 8:
        s->payload = 0;
        break;
    case 9:
        s->options |= LA_HAS_SACK | LA_HAS_DSACK;
        s->sack_count = 1;
        s->sack[0] = s->ack - 100;
        s->sack[1] = s->ack;
        break;
    case 10:
        s->flags |= LA_URG | LA_ECE;
        break;
    case 11:
        s->tsval -= 1000;
        break;
    case 12:
        s->time_ns -= 3 * LA_SEC;
        break;
    case 13:
        s->ack = s->seq; /* nonsense */
        break;
    case 14:
        s->payload = UINT32_MAX - pick(random, 10);
        break;
    default:
        s->input = 1;
        break;
    }
}

static struct la_segment next_of(struct host *me, struct host *peer, unsigned d, unsigned number,
                                 uint64_t *random) {
    uint32_t payload = chance(random, 50) && !me->closed ? 1 + pick(random, 1460) : 0;
    bool closes = !me->closed && pick(random, 1000) < 6;
    if (chance(random, 70))
        me->acked = peer->next;
    struct la_segment s = segment_of(&(struct packet){.ms = number,
                                                      .flags = LA_ACK | (closes ? LA_FIN : 0u),
                                                      .seq = me->next,
                                                      .ack = me->acked,
                                                      .payload = payload,
                                                      .tsval = me->tsval += pick(random, 3),
                                                      .tsecr = peer->tsval,
                                                      .server = d,
                                                      .window = (uint16_t)(number % 999 + 1)},
                                     number);
    me->next += payload + closes;
    me->closed |= closes;
    return s;
}

static void open_both(struct talk talks[2], struct host hosts[2], bool joined) {
    enum { CLIENT, SERVER };
    const struct packet packets[] = {
        {.ms = 1, .flags = LA_SYN, .seq = hosts[0].next, .tsval = 9, .scale = 7},
        {.ms = 2,
         .flags = LA_SYN | LA_ACK,
         .seq = hosts[1].next,
         .ack = hosts[0].next + 1,
         .tsval = 9,
         .tsecr = 9,
         .server = true,
         .scale = 3},
        {.ms = 3,
         .flags = LA_ACK,
         .seq = hosts[0].next + 1,
         .ack = hosts[1].next + 1,
         .tsval = 10,
         .tsecr = 9}};
    for (size_t i = 0; !joined && i < sizeof packets / sizeof packets[0]; i++) {
        struct la_segment s = segment_of(&packets[i], i + 1);
        take_both(talks, packets[i].server, &s);
    }
    for (int d = 0; d < 2; d++) {
        hosts[d].next += 1;
        hosts[d].tsval = 10;
    }
    hosts[0].acked = hosts[1].next;
    hosts[1].acked = hosts[0].next;
}

/* The same segments, of which so many in a thousand are odd, with and without the short way.
 * Returns how many took it. */
static unsigned talk_twice(uint64_t seed, unsigned odd) {
    enum { SEGMENTS = 300 };
    uint64_t random = seed * 2 + 1;
    struct la_pages *pages = la_pages_new();
    struct talk talks[2] = {{.pool = la_pool_new(pages)},
                            {.pool = la_pool_new(pages), .shortcut = true}};
    struct host hosts[2] = {{.next = (uint32_t)next_random(&random)},
                            {.next = (uint32_t)next_random(&random)}};
    open_both(talks, hosts, chance(&random, 30));
    for (unsigned i = 10; i < 10 + SEGMENTS; i++) {
        unsigned d = pick(&random, 2);
        struct la_segment s = next_of(&hosts[d], &hosts[!d], d, i, &random);
        if (pick(&random, 1000) < odd)
            make_odd(&s, &random);
        take_both(talks, d, &s);
        assert_same_lives(&talks[0].live, &talks[1].live);
    }
    for (int t = 0; t < 2; t++) {
        live_release(&talks[t].live, talks[t].pool);
        la_pool_free(talks[t].pool);
    }
    la_pages_free(pages);
    return talks[1].expected;
}

static void the_short_way_leads_to_the_same_place(void **unused) {
    (void)unused;
    unsigned expected = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++)
        expected += talk_twice(seed, (unsigned)(seed % 5) * 15);
    assert_true(expected > 40000);
}

static void an_undisturbed_connection_takes_it(void **unused) {
    (void)unused;
    unsigned expected = 0;
    for (uint64_t seed = 1; seed <= 100; seed++)
        expected += talk_twice(seed, 0);
    assert_in_range(expected, 8000, 30000);
}

/* A connection of which each side has said something, and the next segment of side 0. */
static struct la_segment steady(struct talk *talk) {
    struct host hosts[2] = {{.next = 1000}, {.next = 5000}};
    struct talk both[2] = {{.pool = talk->pool}, {.pool = talk->pool}};
    open_both(both, hosts, false);
    live_release(&both[0].live, talk->pool);
    talk->live = both[1].live;
    for (unsigned i = 0; i < 4; i++) {
        unsigned d = i % 2;
        struct la_segment s = segment_of(&(struct packet){.ms = 10 + i,
                                                          .flags = LA_ACK,
                                                          .seq = hosts[d].next,
                                                          .ack = hosts[!d].next,
                                                          .payload = 100,
                                                          .tsval = 20 + i,
                                                          .tsecr = 20,
                                                          .server = d},
                                         10 + i);
        hosts[d].next += 100;
        take(talk, d, &s);
    }
    struct la_segment next = segment_of(&(struct packet){.ms = 20,
                                                         .flags = LA_ACK,
                                                         .seq = hosts[0].next,
                                                         .ack = hosts[1].next,
                                                         .payload = 100,
                                                         .tsval = 30,
                                                         .tsecr = 23},
                                        20);
    return next;
}

static bool is_taken(void (*change)(struct live *live, struct la_segment *s)) {
    struct la_pages *pages = la_pages_new();
    struct talk talk = {.pool = la_pool_new(pages)};
    struct la_segment s = steady(&talk);
    if (change)
        change(&talk.live, &s);
    struct intake intake = {.pool = talk.pool, .segment = &s, .fingerprint = 12345, .newest = true};
    bool taken = live_take_expected(&talk.live, &intake);
    talk.live.older = talk.live.newer = LA_NO_LIVE;
    live_release(&talk.live, talk.pool);
    la_pool_free(talk.pool);
    la_pages_free(pages);
    return taken;
}

static void is_again(struct live *live, struct la_segment *s) {
    (void)live;
    s->seq -= 100;
}
static void has_a_hole_before_it(struct live *live, struct la_segment *s) {
    (void)live;
    s->seq += 1;
}
static void says_nothing_new(struct live *live, struct la_segment *s) {
    s->payload = 0;
    s->ack = live->side[0].acked;
}
static void acknowledges_less(struct live *live, struct la_segment *s) {
    s->ack = live->side[0].acked - 1;
}
static void acknowledges_the_unseen(struct live *live, struct la_segment *s) {
    s->ack = live->side[1].next + 1;
}
static void closes_its_window(struct live *live, struct la_segment *s) {
    (void)live;
    s->window = 0;
}
static void follows_its_own_fin(struct live *live, struct la_segment *s) {
    live->side[0].flags |= SIDE_FIN;
    s->flags |= LA_FIN;
}
static void comes_from_elsewhere(struct live *live, struct la_segment *s) {
    (void)live;
    s->input = 3;
}
static void has_a_tag(struct live *live, struct la_segment *s) {
    (void)live;
    s->vlans[0] = 7;
}
static void is_a_copy(struct live *live, struct la_segment *s) {
    (void)s;
    live->side[0].fingerprints[1] = 12345;
}
static void follows_a_fin(struct live *live, struct la_segment *s) {
    (void)s;
    live->side[1].flags |= SIDE_FIN;
}
static void has_a_successor(struct live *live, struct la_segment *s) {
    (void)s;
    live->newer = 9;
}
static void has_a_past(struct live *live, struct la_segment *s) {
    (void)s;
    live->older = 9;
}

static void what_is_out_of_the_ordinary_takes_the_long_way(void **unused) {
    (void)unused;
    static void (*const changes[])(struct live * live,
                                   struct la_segment * s) = {is_again,
                                                             has_a_hole_before_it,
                                                             says_nothing_new,
                                                             acknowledges_less,
                                                             acknowledges_the_unseen,
                                                             closes_its_window,
                                                             follows_its_own_fin,
                                                             comes_from_elsewhere,
                                                             has_a_tag,
                                                             is_a_copy,
                                                             follows_a_fin,
                                                             has_a_successor,
                                                             has_a_past};
    assert_true(is_taken(NULL));
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (is_taken(changes[i]))
            fail_msg("change %zu is taken for expected", i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_short_way_leads_to_the_same_place),
        cmocka_unit_test(an_undisturbed_connection_takes_it),
        cmocka_unit_test(what_is_out_of_the_ordinary_takes_the_long_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
