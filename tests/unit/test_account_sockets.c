/* Socket tables: which entry of a history holds at a moment, and whose it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "account/listeners.h"
#include "account/sockets.h"
#include "base/time.h"

enum { SPELLS_MAX = 32 };

struct gathered {
    struct la_spell spells[SPELLS_MAX];
    size_t count;
};

static void gather(void *context, const struct la_spell *spell) {
    struct gathered *g = context;
    assert_true(g->count < SPELLS_MAX);
    g->spells[g->count++] = *spell;
}

static struct la_addr addr(const char *text) {
    struct la_addr out;
    assert_true(la_addr_parse(text, &out));
    return out;
}

static const struct la_change client_life[] = {
    {.time_ns = 10, .state = LA_ST_SYN_SENT, .event = LA_EV_SEND_SYN, .certain = true},
    {.time_ns = 20, .state = LA_ST_ESTAB, .event = LA_EV_RECV_SYN_ACK, .certain = true},
    {.time_ns = 20, .state = LA_ST_FIN_WAIT_1, .event = LA_EV_SEND_FIN, .certain = true},
    {.time_ns = 40, .state = LA_ST_TIME_WAIT, .event = LA_EV_RECV_FIN_WITH_ACK_OF_FIN},
    {.time_ns = 100, .state = LA_ST_CLOSED, .event = LA_EV_TIMER},
};
static const struct la_change server_life[] = {
    {.time_ns = 15, .state = LA_ST_SYN_RECV, .event = LA_EV_SEND_SYN_ACK, .certain = true},
    {.time_ns = 25, .state = LA_ST_ESTAB, .event = LA_EV_RECV_ACK_OF_SYN, .certain = true},
};

/* 10.0.0.1:4000 connects to 10.0.0.2:80 and closes first. */
static struct la_connection connection(void) {
    struct la_connection c;
    memset(&c, 0, sizeof c);
    c.side[LA_CLIENT].addr = addr("10.0.0.1");
    c.side[LA_CLIENT].port = 4000;
    c.side[LA_CLIENT].syn_sent = true;
    c.side[LA_CLIENT].changes = client_life;
    c.side[LA_CLIENT].change_count = sizeof client_life / sizeof client_life[0];
    c.side[LA_SERVER].addr = addr("10.0.0.2");
    c.side[LA_SERVER].port = 80;
    c.side[LA_SERVER].changes = server_life;
    c.side[LA_SERVER].change_count = sizeof server_life / sizeof server_life[0];
    return c;
}

static void assert_spell(const struct la_spell *spell, enum la_state state, int64_t since_ns,
                         int64_t until_ns) {
    assert_int_equal(spell->state, state);
    assert_int_equal(spell->since_ns, since_ns);
    assert_int_equal(spell->until_ns, until_ns);
}

static void every_entry_is_a_spell_up_to_the_next(void **unused) {
    (void)unused;
    struct la_connection c = connection();
    struct gathered g = {0};
    assert_int_equal(la_spells_of(&c, gather, &g), 100);
    assert_int_equal(g.count, 6);
    assert_spell(&g.spells[0], LA_ST_SYN_SENT, 10, 20);
    assert_spell(&g.spells[1], LA_ST_FIN_WAIT_1, 20, 40); /* ESTAB lasted no time */
    assert_spell(&g.spells[2], LA_ST_TIME_WAIT, 40, 100);
    assert_false(g.spells[2].certain);
    assert_int_equal(g.spells[2].local_port, 4000);
    assert_int_equal(g.spells[2].remote_port, 80);
    assert_int_equal(g.spells[2].life_ns, 10);
    assert_spell(&g.spells[3], LA_ST_LISTEN, 15, INT64_MAX);
    assert_int_equal(g.spells[3].remote_port, 0);
    assert_spell(&g.spells[4], LA_ST_SYN_RECV, 15, 25);
    assert_spell(&g.spells[5], LA_ST_ESTAB, 25, INT64_MAX);
}

static void who_connects_as_well_does_not_listen(void **unused) {
    (void)unused;
    struct la_connection c = connection();
    struct gathered g = {0};
    c.side[LA_SERVER].syn_sent = true; /* both at once */
    la_spells_of(&c, gather, &g);
    for (size_t i = 0; i < g.count; i++)
        assert_int_not_equal(g.spells[i].state, LA_ST_LISTEN);
}

static void without_histories_there_is_nothing(void **unused) {
    (void)unused;
    struct la_connection c = connection();
    struct gathered g = {0};
    c.side[LA_CLIENT].change_count = c.side[LA_SERVER].change_count = 0;
    assert_int_equal(la_spells_of(&c, gather, &g), LA_TIME_NONE);
    assert_int_equal(g.count, 0);
}

/* The next life may have its roles the other way round. */
static void the_next_life_ends_what_is_left(void **unused) {
    (void)unused;
    static const struct la_change begins[] = {{.time_ns = 50, .state = LA_ST_SYN_SENT}};
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        struct la_connection c = connection(), next = connection();
        struct gathered g = {0};
        if (swapped) {
            struct la_endpoint client = next.side[LA_CLIENT];
            next.side[LA_CLIENT] = next.side[LA_SERVER];
            next.side[LA_SERVER] = client;
        }
        next.side[swapped].changes = begins;
        next.side[swapped].change_count = 1;
        next.side[!swapped].change_count = 0;
        c.next = &next;
        la_spells_of(&c, gather, &g);
        assert_spell(&g.spells[2], LA_ST_TIME_WAIT, 40, 50);
        assert_spell(&g.spells[5], LA_ST_ESTAB, 25, INT64_MAX);
    }
}

static void moments_are_counted_from_the_first(void **unused) {
    (void)unused;
    const struct la_moments moments = {.first_ns = 100, .step_ns = 10};
    assert_int_equal(la_moments_from(&moments, INT64_MIN + 1), 100);
    assert_int_equal(la_moments_from(&moments, 100), 100);
    assert_int_equal(la_moments_from(&moments, 101), 110);
    assert_int_equal(la_moments_from(&moments, 110), 110);
    assert_int_equal(la_moments_from(&moments, INT64_MAX), LA_TIME_NONE);
    const struct la_moments one = {.first_ns = 100};
    assert_int_equal(la_moments_from(&one, 99), 100);
    assert_int_equal(la_moments_from(&one, 101), LA_TIME_NONE);
    const struct la_moments early = {.first_ns = INT64_MIN / 2, .step_ns = 7};
    assert_int_equal(la_moments_from(&early, INT64_MAX), LA_TIME_NONE);
}

static void a_spell_meets_a_moment_in_it(void **unused) {
    (void)unused;
    const struct la_moments moments = {.first_ns = 100, .step_ns = 10};
    static const struct {
        int64_t since, until;
        bool meets;
    } cases[] = {{0, 100, false},         {0, 101, true},
                 {100, 101, true},        {101, 110, false},
                 {101, 111, true},        {110, 111, true},
                 {1000, INT64_MAX, true}, {99, 100, false},
                 {103, 105, false},       {INT64_MAX - 1, INT64_MAX, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct la_spell spell = {.since_ns = cases[i].since, .until_ns = cases[i].until};
        assert_int_equal(la_moments_meet(&moments, &spell), cases[i].meets);
    }
}

/* The table */

static struct la_spell spell(enum la_state state, int64_t since_ns, int64_t until_ns,
                             int64_t life_ns) {
    return (struct la_spell){.local = addr("10.0.0.1"),
                             .remote = addr("10.0.0.2"),
                             .local_port = 80,
                             .remote_port = 4000,
                             .state = (uint8_t)state,
                             .since_ns = since_ns,
                             .until_ns = until_ns,
                             .life_ns = life_ns};
}

static void add(struct la_socket_table *table, struct la_spell s) {
    assert_int_equal(la_socket_table_add(table, &s), LA_OK);
}

static size_t count_at(struct la_socket_table *table, int64_t moment_ns) {
    size_t count;
    assert_int_equal(la_socket_table_advance(table, moment_ns), LA_OK);
    la_socket_table_spells(table, &count);
    return count;
}

static enum la_state only_state_at(struct la_socket_table *table, int64_t moment_ns) {
    size_t count;
    assert_int_equal(count_at(table, moment_ns), 1);
    return la_socket_table_spells(table, &count)[0].state;
}

static void a_socket_is_in_one_state_at_a_time(void **unused) {
    (void)unused;
    struct la_socket_table *table = la_socket_table_new();
    assert_int_equal(count_at(table, 0), 0);
    add(table, spell(LA_ST_SYN_RECV, 10, 20, 10));
    assert_int_equal(only_state_at(table, 10), LA_ST_SYN_RECV);
    assert_int_equal(only_state_at(table, 19), LA_ST_SYN_RECV);
    add(table, spell(LA_ST_ESTAB, 20, 30, 10));
    assert_int_equal(only_state_at(table, 20), LA_ST_ESTAB);
    assert_int_equal(count_at(table, 30), 0);
    la_socket_table_free(table);
    la_socket_table_free(NULL);
}

static void a_later_life_takes_the_socket_over(void **unused) {
    (void)unused;
    struct la_socket_table *table = la_socket_table_new();
    add(table, spell(LA_ST_TIME_WAIT, 10, 100, 5));
    assert_int_equal(only_state_at(table, 15), LA_ST_TIME_WAIT);
    add(table, spell(LA_ST_SYN_SENT, 20, 30, 20));
    add(table, spell(LA_ST_LAST_ACK, 25, 90, 5)); /* an estimate of the old life, come late */
    assert_int_equal(only_state_at(table, 26), LA_ST_SYN_SENT);
    assert_int_equal(count_at(table, 30), 0); /* and the old one is not back afterwards */
    la_socket_table_free(table);
}

static void the_table_is_in_order_whatever_came_first(void **unused) {
    (void)unused;
    struct la_spell spells[5];
    for (int i = 0; i < 5; i++)
        spells[i] = spell(LA_ST_ESTAB, 10, 100, 10);
    spells[0].state = LA_ST_LISTEN;
    spells[0].remote = (struct la_addr){{0}};
    spells[0].remote_port = 0;
    spells[1].local_port = 22;
    spells[2].remote = addr("10.0.0.1");
    spells[4].local = addr("10.0.0.9");
    const size_t wanted[] = {0, 1, 2, 3, 4}; /* LISTEN, then ports, peers, hosts */
    for (size_t turn = 0; turn < 5; turn++) {
        struct la_socket_table *table = la_socket_table_new();
        for (size_t i = 0; i < 5; i++) {
            add(table, spells[(turn + 3 * i) % 5]);
            if (i == turn)
                count_at(table, 10);
        }
        size_t count = count_at(table, 11);
        const struct la_spell *got = la_socket_table_spells(table, &count);
        assert_int_equal(count, 5);
        for (size_t i = 0; i < 5; i++)
            assert_memory_equal(&got[i], &spells[wanted[i]], sizeof got[i]);
        assert_int_equal(la_spells_of_host(got, count), 4);
        assert_int_equal(la_spells_of_host(got + 4, 1), 1);
        la_socket_table_free(table);
    }
}

/* Many sockets at random, against a table that is searched from end to end. */
static void the_table_is_what_a_search_finds(void **unused) {
    (void)unused;
    enum { SOCKETS = 200, STEPS = 300 };
    struct la_socket_table *table = la_socket_table_new();
    struct la_spell now[SOCKETS];
    uint32_t random = 12345;
    memset(now, 0, sizeof now);
    for (int64_t t = 1; t <= STEPS; t++) {
        for (int n = 0; n < 20; n++) {
            random = random * 1664525 + 1013904223;
            unsigned which = (random >> 16) % SOCKETS;
            struct la_spell s = spell(LA_ST_ESTAB, t, t + 1 + (random >> 8) % 50, t);
            s.remote_port = (uint16_t)which;
            if (now[which].since_ns == t)
                continue;
            now[which] = s;
            add(table, s);
        }
        if (t % 3 != 0)
            continue;
        size_t count = count_at(table, t), alive = 0;
        const struct la_spell *got = la_socket_table_spells(table, &count);
        for (int i = 0; i < SOCKETS; i++)
            if (now[i].until_ns > t)
                assert_memory_equal(&got[alive++], &now[i], sizeof now[i]);
        assert_int_equal(alive, count);
    }
    la_socket_table_free(table);
}

static void tallies_count_peers_and_services(void **unused) {
    (void)unused;
    struct la_spell spells[4];
    struct la_tally tallies[4];
    for (int i = 0; i < 4; i++)
        spells[i] = spell(LA_ST_ESTAB, 1, 2, 1);
    spells[0].state = LA_ST_LISTEN;
    spells[1].remote = addr("10.0.0.9");
    spells[1].local_port = spells[2].local_port = 443;
    assert_int_equal(la_tally_spells(spells, 4, LA_TALLY_PEER, tallies), 2);
    assert_int_equal(tallies[0].count, 2);
    struct la_addr peer = addr("10.0.0.2");
    assert_int_equal(la_addr_cmp(&tallies[0].peer, &peer), 0);
    assert_int_equal(la_tally_spells(spells, 4, LA_TALLY_SERVICE, tallies), 2);
    assert_int_equal(tallies[0].port, 443);
    assert_int_equal(tallies[1].port, 80);
    assert_int_equal(tallies[1].count, 1);
    assert_int_equal(la_tally_spells(spells, 1, LA_TALLY_PEER, tallies), 0);
}

static void a_listener_is_kept_once_since_its_first(void **unused) {
    (void)unused;
    struct la_listeners listeners = {0};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            struct la_spell s = spell(LA_ST_LISTEN, 1000 - 10 * round + i, INT64_MAX, 0);
            s.local_port = (uint16_t)(i % 300);
            assert_int_equal(la_listeners_note(&listeners, &s), LA_OK);
        }
    }
    size_t count;
    const struct la_spell *all = la_listeners_all(&listeners, &count);
    assert_int_equal(count, 300);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(all[i].local_port, i);
        assert_int_equal(all[i].since_ns, 980 + (int64_t)i);
    }
    la_listeners_release(&listeners);
    assert_null(la_listeners_all(&listeners, &count));
    assert_int_equal(count, 0);
}

static void netstat_has_names_of_its_own(void **unused) {
    (void)unused;
    assert_string_equal(la_netstat_name(LA_ST_ESTAB), "ESTABLISHED");
    assert_string_equal(la_netstat_name(LA_ST_FIN_WAIT_2), "FIN_WAIT2");
    assert_string_equal(la_netstat_name(LA_ST_UNKNOWN), "UNKNOWN");
    for (enum la_state state = LA_ST_CLOSED; state < LA_ST_COUNT; state++)
        assert_int_equal(la_netstat_name(state)[0], la_state_name(state)[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_a_spell_up_to_the_next),
        cmocka_unit_test(who_connects_as_well_does_not_listen),
        cmocka_unit_test(without_histories_there_is_nothing),
        cmocka_unit_test(the_next_life_ends_what_is_left),
        cmocka_unit_test(moments_are_counted_from_the_first),
        cmocka_unit_test(a_spell_meets_a_moment_in_it),
        cmocka_unit_test(a_socket_is_in_one_state_at_a_time),
        cmocka_unit_test(a_later_life_takes_the_socket_over),
        cmocka_unit_test(the_table_is_in_order_whatever_came_first),
        cmocka_unit_test(the_table_is_what_a_search_finds),
        cmocka_unit_test(tallies_count_peers_and_services),
        cmocka_unit_test(a_listener_is_kept_once_since_its_first),
        cmocka_unit_test(netstat_has_names_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
