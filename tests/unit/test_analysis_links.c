/* How far each link of a capture was listened to: rotated sets, and captures side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/links.h"
#include "base/time.h"

static void assert_ends(const struct link_span *spans, size_t count, const int64_t *wanted) {
    int64_t ends[8];
    link_ends(spans, count, ends);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ends[i], wanted[i]);
}

#define S(from, until)                                                                             \
    { (from) * LA_SEC, (until)*LA_SEC }

static void the_files_of_a_rotated_set_are_one_link(void **unused) {
    (void)unused;
    const struct link_span spans[] = {S(20, 30), S(0, 10), S(10, 20)};
    assert_ends(spans, 3, (int64_t[]){30 * LA_SEC, 30 * LA_SEC, 30 * LA_SEC});
}

static void a_capture_may_end_before_the_one_beside_it(void **unused) {
    (void)unused;
    const struct link_span spans[] = {S(0, 10), S(5, 100)};
    assert_ends(spans, 2, (int64_t[]){10 * LA_SEC, 100 * LA_SEC});
}

static void what_holds_no_packet_ends_nothing(void **unused) {
    (void)unused;
    const struct link_span spans[] = {S(0, 10), {LA_TIME_NONE, LA_TIME_NONE}};
    assert_ends(spans, 2, (int64_t[]){10 * LA_SEC, LA_TIME_NONE});
}

static void tunnels_are_noted_by_their_combination(void **unused) {
    (void)unused;
    struct la_tunnel_end ends[LA_TUNNEL_ENDS];
    size_t count = 0;
    assert_true(link_note_tunnels(ends, &count, 1, 10));
    link_note_tunnels(ends, &count, 3, 20);
    link_note_tunnels(ends, &count, 1, 5); /* a clock that steps back */
    assert_int_equal(count, 2);
    assert_int_equal(ends[0].last_ns, 10);
    link_note_tunnels(ends, &count, 1, 10 + LINK_PAUSE_NS);
    assert_int_equal(ends[0].pause_count, 0);
    link_note_tunnels(ends, &count, 1, 11 + 2 * LINK_PAUSE_NS);
    assert_int_equal(ends[0].pause_count, 1);
    assert_int_equal(ends[0].pauses[0].from_ns, 10 + LINK_PAUSE_NS);
    for (uint16_t i = 0; i < 100; i++) {
        bool room = count < LA_TUNNEL_ENDS;
        assert_int_equal(link_note_tunnels(ends, &count, (uint16_t)(1000 + i), 30), room);
    }
    assert_int_equal(count, LA_TUNNEL_ENDS);
}

static void a_pause_without_room_is_told(void **unused) {
    (void)unused;
    struct la_tunnel_end ends[LA_TUNNEL_ENDS];
    size_t count = 0;
    for (int i = 0; i < LA_TUNNEL_PAUSES + 3; i++)
        assert_int_equal(link_note_tunnels(ends, &count, 1, i * 2 * LINK_PAUSE_NS),
                         i <= LA_TUNNEL_PAUSES);
    assert_int_equal(ends[0].pause_count, LA_TUNNEL_PAUSES);
    assert_int_equal(ends[0].last_ns, (LA_TUNNEL_PAUSES + 2) * 2 * LINK_PAUSE_NS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_of_a_rotated_set_are_one_link),
        cmocka_unit_test(a_capture_may_end_before_the_one_beside_it),
        cmocka_unit_test(what_holds_no_packet_ends_nothing),
        cmocka_unit_test(tunnels_are_noted_by_their_combination),
        cmocka_unit_test(a_pause_without_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
