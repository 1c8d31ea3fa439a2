/* Connections that go where others went before are settled as if each of them had been taken in
 * segment by segment, whatever else happens around them, and whatever comes late. */
#include "test_track_support.h"

enum { TALKS = 4000, LONGEST = 40, SEGMENTS = TALKS * LONGEST };

struct traffic {
    struct la_segment segments[SEGMENTS];
    const struct la_segment *order[SEGMENTS];
    size_t count;
    uint64_t random;
};

/* What becomes of a conversation beside what everybody does. */
enum oddity {
    USUAL,
    REPEATED,    /* a segment is sent again */
    DOUBLED,     /* a copy of it, at once */
    MISSED,      /* one that the capture does not have */
    RESET,       /* one becomes a RST */
    HUGE_ONE,    /* there is a super-segment of an offloading network card */
    CARELESS,    /* one has no ACK flag, but a number */
    SLOW,        /* a long pause */
    LATE,        /* one comes again long after the end */
    ELSEWHERE,   /* one was seen at another place */
    MISNUMBERED, /* it acknowledges too much or too little, or begins elsewhere */
    UNANSWERED,  /* the SYN is sent again, and again */
    UNSTAMPED,   /* one has no timestamp, or an old one */
    SHUT,        /* a window of 0 */
    ODDITIES,
};

struct talk {
    struct la_segment *segments;
    size_t count;
    struct packet common[2];
    unsigned host[2];
    uint32_t next[2], tsval[2];
    uint32_t heard[2], echoed[2]; /* how far each has heard the other, and its timestamp then */
    double ms, away;
};

/* What an end has heard by now: all of it, or, while both talk, a part; and of several segments the
 * timestamp of the first one or of the last. */
static bool hear(struct traffic *all, struct talk *talk, unsigned end, bool all_of_it) {
    uint64_t *r = &all->random;
    bool is_news = false;
    for (size_t i = 0; i < talk->count; i++) {
        const struct la_segment *s = &talk->segments[i];
        uint32_t until =
            s->seq + s->payload + ((s->flags & LA_SYN) != 0) + ((s->flags & LA_FIN) != 0);
        bool is_old = is_news || !seq_lt(talk->heard[end], until);
        if (s->sport == talk->common[end].sport || (is_old && !is_news))
            continue;
        if (is_news && !all_of_it && chance(r, 40))
            break;
        if (!is_news || chance(r, 70))
            talk->echoed[end] = s->tsval;
        talk->heard[end] = until;
        is_news = true;
    }
    return is_news;
}

static void say(struct traffic *all, struct talk *talk, unsigned from, unsigned flags,
                uint32_t payload) {
    struct packet p = talk->common[from];
    p.ms = talk->ms;
    p.flags = flags;
    p.seq = talk->next[from];
    p.ack = flags & LA_ACK ? talk->heard[from] : 0;
    p.payload = payload;
    if (talk->tsval[0] != 0) {
        p.tsval = talk->tsval[from] + (uint32_t)talk->ms;
        p.tsecr = flags & LA_ACK ? talk->echoed[from] : 0;
    }
    if (payload > 0 && chance(&all->random, 30))
        p.window -= (uint16_t)(1 + pick(&all->random, 300));
    struct la_segment s = segment_of(&p, 1);
    s.src = host_v4(talk->host[from]);
    s.dst = host_v4(talk->host[!from]);
    s.wire_bytes = payload > 6 ? 54 + payload : 60; /* padded */
    talk->segments[talk->count++] = s;
    talk->next[from] += payload + ((flags & LA_SYN) != 0) + ((flags & LA_FIN) != 0);
    talk->ms += talk->away * (0.5 + pick(&all->random, 100) / 100.0);
}

static void begin_talk(struct traffic *all, struct talk *talk, double ms, unsigned clients) {
    static const uint16_t windows[] = {64240, 65535, 29200};
    static const uint8_t ttls[] = {64, 128, 57};
    uint64_t *r = &all->random;
    uint16_t port = (uint16_t)(2000 + pick(r, 30)), service = (uint16_t)(80 + pick(r, 2));
    bool turned = chance(r, 20);
    bool stamped = chance(r, 85);
    for (unsigned d = 0; d < 2; d++) {
        talk->common[d] = (struct packet){.window = windows[pick(r, 3)],
                                          .ttl = ttls[chance(r, 90) ? 0 : pick(r, 3)],
                                          .scale = chance(r, 95) ? 7 : 0,
                                          .sport = d == LA_CLIENT ? port : service,
                                          .dport = d == LA_CLIENT ? service : port};
        talk->host[d] = (d == LA_SERVER) ^ turned ? 200 : 1 + pick(r, clients);
        talk->next[d] = (uint32_t)next_random(r);
        talk->heard[!d] = talk->next[d];
        talk->tsval[d] = stamped ? (uint32_t)next_random(r) | 1 : 0;
    }
    talk->ms = ms;
    talk->away = 0.05 + pick(r, 100);
}

/* Requests and answers of a few segments each, acknowledged sooner or later. */
static void exchange(struct traffic *all, struct talk *talk) {
    uint64_t *r = &all->random;
    unsigned size = chance(r, 50) ? 1448 : 1 + pick(r, 500);
    for (int rounds = 1 + (int)pick(r, 3); rounds > 0; rounds--) {
        unsigned from = pick(r, 2);
        for (int more = (int)pick(r, 3); more >= 0; more--) {
            if (chance(r, 30))
                hear(all, talk, from, false);
            say(all, talk, from, LA_ACK | (more == 0 ? LA_PSH : 0), size);
            if (chance(r, 40) && hear(all, talk, !from, false))
                say(all, talk, !from, LA_ACK, 0);
        }
        if (chance(r, 70) && hear(all, talk, !from, true))
            say(all, talk, !from, LA_ACK, 0);
    }
}

static void open_and_close(struct traffic *all, struct talk *talk, enum oddity oddity, bool talks) {
    uint64_t *r = &all->random;
    unsigned first = pick(r, 2);
    say(all, talk, LA_CLIENT, LA_SYN, 0);
    for (int again = 0; oddity == UNANSWERED && again < 2; again++) {
        talk->segments[talk->count] = talk->segments[0];
        talk->segments[talk->count++].time_ns += (1 + 2 * again) * LA_SEC;
    }
    if (oddity == UNANSWERED)
        return;
    hear(all, talk, LA_SERVER, true);
    say(all, talk, LA_SERVER, LA_SYN | LA_ACK, 0);
    hear(all, talk, LA_CLIENT, true);
    say(all, talk, LA_CLIENT, LA_ACK, 0);
    if (talks)
        exchange(all, talk);
    hear(all, talk, first, chance(r, 80));
    say(all, talk, first, LA_ACK | LA_FIN, 0);
    hear(all, talk, !first, true);
    if (chance(r, 50)) {
        say(all, talk, !first, LA_ACK, 0);
        if (chance(r, 10))
            return;
    }
    say(all, talk, !first, LA_ACK | LA_FIN, chance(r, 15) ? 1 + pick(r, 20) : 0);
    hear(all, talk, first, true);
    say(all, talk, first, LA_ACK, 0);
}

static void make_odd(struct traffic *all, struct talk *talk, enum oddity oddity) {
    uint64_t *r = &all->random;
    size_t i = pick(r, (unsigned)talk->count);
    struct la_segment *s = &talk->segments[i];
    int64_t end_ns = talk->segments[talk->count - 1].time_ns;
    switch (oddity) {
    case REPEATED:
    case DOUBLED:
    case LATE:
        talk->segments[talk->count] = *s;
        talk->segments[talk->count].time_ns += oddity == DOUBLED ? LA_USEC : 300 * LA_MSEC;
        if (oddity != DOUBLED)
            talk->segments[talk->count].ip_id ^= 77;
        if (oddity == LATE)
            talk->segments[talk->count].time_ns = end_ns + pick(r, 150) * LA_SEC;
        talk->count++;
        break;
    case MISSED:
        memmove(s, s + 1, (talk->count - i - 1) * sizeof *s);
        talk->count--;
        break;
    case RESET:
        s->flags = (uint8_t)((s->flags & ~(LA_FIN | LA_SYN)) | LA_RST);
        break;
    case SLOW:
        for (int64_t ns = (INT64_C(1) << pick(r, 9)) * LA_SEC; i < talk->count; i++)
            talk->segments[i].time_ns += ns;
        break;
    case ELSEWHERE:
        if (chance(r, 50))
            s->input = 1;
        else
            s->vlans[chance(r, 20)] = 5;
        break;
    case MISNUMBERED:
        *(chance(r, 50) ? &s->ack : &s->seq) += pick(r, 3) - 1;
        break;
    case UNSTAMPED:
        s->tsval -= pick(r, 100000);
        if (chance(r, 30))
            s->options &= (uint16_t)~LA_HAS_TIMESTAMPS;
        if (!(s->options & LA_HAS_TIMESTAMPS))
            s->tsval = s->tsecr = 0;
        break;
    case HUGE_ONE:
        s->payload += s->payload > 0 ? 70000 : 0;
        break;
    case CARELESS:
        s->flags &= (uint8_t)~LA_ACK;
        break;
    case SHUT:
        s->window = 0;
        break;
    default:
        break;
    }
}

static int by_time(const void *a, const void *b) {
    const struct la_segment *x = *(const struct la_segment *const *)a;
    const struct la_segment *y = *(const struct la_segment *const *)b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x > y) - (x < y);
}

/* As they were captured. */
static void put_in_order(struct traffic *all) {
    for (size_t i = 0; i < all->count; i++)
        all->order[i] = &all->segments[i];
    qsort(all->order, all->count, sizeof *all->order, by_time);
    for (size_t i = 0; i < all->count; i++)
        all->segments[all->order[i] - all->segments].frame = i + 1;
}

static void make_traffic(struct traffic *all, unsigned odd_percent, double ms_between,
                         unsigned clients) {
    all->count = 0;
    for (unsigned i = 0; i < TALKS; i++) {
        struct talk talk = {.segments = &all->segments[all->count]};
        enum oddity oddity =
            chance(&all->random, odd_percent) ? (enum oddity)pick(&all->random, ODDITIES) : USUAL;
        begin_talk(all, &talk, i * ms_between, clients);
        open_and_close(all, &talk, oddity, chance(&all->random, 50));
        make_odd(all, &talk, oddity);
        all->count += talk.count;
        assert_true(talk.count <= LONGEST);
    }
    put_in_order(all);
}

/* All have the same conversation, each with numbers of its own: those of `said` count from the two
 * SYNs. */
static void repeat(struct traffic *all, const struct packet *said, size_t count) {
    all->count = 0;
    for (unsigned i = 0; i < TALKS; i++) {
        uint32_t isn[2] = {(uint32_t)next_random(&all->random),
                           (uint32_t)next_random(&all->random)};
        for (size_t k = 0; k < count; k++) {
            struct packet p = said[k];
            uint16_t port = (uint16_t)(2000 + i);
            p.ms += 5.0 * i;
            p.seq += isn[p.server];
            p.ack += p.flags & LA_ACK ? isn[!p.server] : 0;
            p.sport = p.server ? SERVER_PORT : port;
            p.dport = p.server ? port : SERVER_PORT;
            all->segments[all->count++] = segment_of(&p, 1);
        }
    }
    put_in_order(all);
}

static void follow(const struct traffic *all, struct rig *rig, bool histories) {
    memset(rig, 0, sizeof *rig);
    rig->pages = la_pages_new();
    const struct la_tracker_options options = {
        .pages = rig->pages, .histories = histories, .on_settled = keep_settled, .context = rig};
    rig->tracker = la_tracker_new(&options);
    int64_t end_ns = all->order[all->count - 1]->time_ns;
    assert_int_equal(la_tracker_segments(rig->tracker, all->order, all->count), LA_OK);
    assert_int_equal(la_tracker_finish(rig->tracker, end_ns + 10 * LA_SEC), LA_OK);
}

static int by_first(const void *a, const void *b) {
    uint64_t x = ((const struct settled *)a)->c.first.frame;
    uint64_t y = ((const struct settled *)b)->c.first.frame;
    return (x > y) - (x < y);
}

static void assert_same_end(struct la_endpoint a, struct la_endpoint b) {
    assert_int_equal(a.keepalive != NULL, b.keepalive != NULL);
    assert_int_equal(a.stalls != NULL, b.stalls != NULL);
    assert_int_equal(a.repeats != NULL, b.repeats != NULL);
    a.keepalive = b.keepalive = NULL;
    a.stalls = b.stalls = NULL;
    a.repeats = b.repeats = NULL;
    /* with histories only */
    a.state = b.state = LA_ST_CLOSED;
    a.changes = b.changes = NULL;
    a.change_count = b.change_count = 0;
    a.timestamp_hz = b.timestamp_hz = 0;
    assert_memory_equal(&a, &b, sizeof a);
}

static void assert_same_log(const struct la_connection *a, const struct la_connection *b) {
    assert_int_equal(a->log_count, b->log_count);
    for (size_t i = 0; i < a->log_count; i++) {
        struct la_observation x = a->log[i], y = b->log[i];
        x.arrival = y.arrival = 0; /* with histories only */
        assert_memory_equal(&x, &y, sizeof x);
    }
}

static void assert_same_place(const struct la_where *a, const struct la_where *b) {
    assert_int_equal(a->time_ns, b->time_ns);
    assert_int_equal(a->frame, b->frame);
    assert_int_equal(a->input, b->input);
}

static void assert_same_recycle(const struct la_recycle *a, const struct la_recycle *b) {
    assert_same_place(&a->stored, &b->stored);
    assert_same_place(&a->answered, &b->answered);
    assert_int_equal(a->stored_tsval, b->stored_tsval);
    assert_int_equal(a->answered_tsval, b->answered_tsval);
    assert_memory_equal(a->turnaround_ns, b->turnaround_ns, sizeof a->turnaround_ns);
    assert_int_equal(a->refuted, b->refuted);
}

static void assert_same_meanwhile(const struct la_meanwhile *a, const struct la_meanwhile *b) {
    assert_same_place(&a->same, &b->same);
    assert_same_place(&a->other, &b->other);
    assert_same_place(&a->served, &b->served);
    assert_same_place(&a->silent, &b->silent);
    assert_same_place(&a->heard, &b->heard);
    assert_memory_equal(a->turnaround_ns, b->turnaround_ns, sizeof a->turnaround_ns);
    assert_int_equal(a->waiting, b->waiting);
    assert_int_equal(a->ttl, b->ttl);
    assert_int_equal(a->two_way, b->two_way);
    assert_int_equal(a->one_way, b->one_way);
}

static void assert_same(const struct settled *a, const struct settled *b) {
    struct la_connection x = a->c, y = b->c;
    assert_int_equal(a->previous, b->previous);
    assert_int_equal(a->next, b->next);
    assert_same_recycle(&a->recycle, &b->recycle);
    assert_same_meanwhile(&a->meanwhile, &b->meanwhile);
    assert_same_log(&a->c, &b->c);
    for (unsigned side = 0; side < 2; side++)
        assert_same_end(x.side[side], y.side[side]);
    memset(x.side, 0, sizeof x.side);
    memset(y.side, 0, sizeof y.side);
    x.log = y.log = NULL;
    x.icmp = y.icmp = NULL;
    x.resets = y.resets = NULL;
    x.elsewhere = y.elsewhere = NULL;
    assert_memory_equal(&x, &y, sizeof x);
}

/* With histories no trail is followed. Says how many were not told as a whole at once. */
static size_t compare(struct traffic *all) {
    struct rig trails, none;
    follow(all, &trails, false);
    follow(all, &none, true);
    assert_int_equal(trails.count, none.count);
    assert_true(trails.count > TALKS / 2);
    qsort(trails.settled, trails.count, sizeof *trails.settled, by_first);
    qsort(none.settled, none.count, sizeof *none.settled, by_first);
    for (size_t i = 0; i < trails.count; i++)
        assert_same(&trails.settled[i], &none.settled[i]);
    rig_close(&trails);
    rig_close(&none);
    return trails.untold;
}

static void who_follows_is_settled_as_who_went_first(void **unused) {
    (void)unused;
    static struct traffic all = {.random = 11};
    static const struct {
        unsigned odd_percent, clients;
    } mixtures[] = {{0, 150}, {20, 150}, {70, 150}, {10, 8}};
    for (size_t i = 0; i < sizeof mixtures / sizeof mixtures[0]; i++) {
        make_traffic(&all, mixtures[i].odd_percent, 40, mixtures[i].clients);
        assert_true(compare(&all) > 0);
    }
}

/* More at a time than get a record from the start. */
static void a_crowd_is_settled_alike(void **unused) {
    (void)unused;
    static struct traffic all = {.random = 12};
    for (unsigned odd_percent = 0; odd_percent <= 30; odd_percent += 30) {
        make_traffic(&all, odd_percent, 0.05, 150);
        assert_true(compare(&all) > 0);
    }
}

/* Of hosts, windows and lengths that are never the same there are more than a tracker learns. */
static void what_is_too_various_is_settled_alike(void **unused) {
    (void)unused;
    static struct traffic all = {.random = 13};
    make_traffic(&all, 10, 3, 150);
    for (size_t i = 0; i < all.count; i++)
        all.segments[i].window = (uint16_t)(1 + pick(&all.random, 60000));
    compare(&all);
}

/* A step has 17 bits for the packets since the one before, and the first one 32 for its own. */
static void packets_beyond_any_count_are_settled_alike(void **unused) {
    (void)unused;
    static struct traffic all = {.random = 16};
    static const uint64_t strides[] = {1, 3000, 140000, UINT64_C(1) << 31};
    for (size_t k = 0; k < sizeof strides / sizeof strides[0]; k++) {
        make_traffic(&all, 10, 40, 150);
        for (size_t i = 0; i < all.count; i++)
            all.segments[i].frame = UINT32_MAX - all.count / 2 + all.segments[i].frame * strides[k];
        compare(&all);
    }
}

/* The capture misses the SYN-ACK, so that an ACK tells of the server's numbers, and then its data.
 */
static void an_answer_without_syn_is_settled_alike(void **unused) {
    (void)unused;
    static struct traffic all = {.random = 14};
    static const struct packet said[] = {
        {.ms = 0, .flags = LA_SYN},
        {.ms = 10, .server = true, .flags = LA_ACK, .seq = 1, .ack = 1},
        {.ms = 20, .server = true, .flags = LA_ACK | LA_FIN, .seq = 501, .ack = 1},
        {.ms = 30, .flags = LA_ACK | LA_FIN, .seq = 1, .ack = 502},
        {.ms = 40, .server = true, .flags = LA_ACK, .seq = 502, .ack = 2},
    };
    repeat(&all, said, sizeof said / sizeof said[0]);
    compare(&all);
}

/* Nobody does that, but whoever makes segments up. */
static void data_behind_a_fin_is_settled_alike(void **unused) {
    (void)unused;
    static struct traffic all = {.random = 15};
    static const struct packet said[] = {
        {.ms = 0, .flags = LA_SYN},
        {.ms = 10, .server = true, .flags = LA_SYN | LA_ACK, .seq = 0, .ack = 1},
        {.ms = 20, .flags = LA_ACK, .seq = 1, .ack = 1},
        {.ms = 30, .flags = LA_ACK | LA_FIN, .seq = 1, .ack = 1},
        {.ms = 40, .server = true, .flags = LA_ACK, .seq = 1, .ack = 2},
        {.ms = 50, .flags = LA_ACK, .seq = 2, .ack = 1, .payload = 100},
        {.ms = 60, .server = true, .flags = LA_ACK | LA_FIN, .seq = 1, .ack = 2},
        {.ms = 70, .flags = LA_ACK, .seq = 102, .ack = 2},
    };
    repeat(&all, said, sizeof said / sizeof said[0]);
    compare(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_follows_is_settled_as_who_went_first),
        cmocka_unit_test(a_crowd_is_settled_alike),
        cmocka_unit_test(what_is_too_various_is_settled_alike),
        cmocka_unit_test(packets_beyond_any_count_are_settled_alike),
        cmocka_unit_test(an_answer_without_syn_is_settled_alike),
        cmocka_unit_test(data_behind_a_fin_is_settled_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
