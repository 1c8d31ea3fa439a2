/* Serial arithmetic where it matters: at the wraps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/seq.h"

static const uint32_t corners[] = {0,           1,           2,           0x7ffffffe, 0x7fffffff,
                                   0x80000000u, 0x80000001u, 0xfffffffeu, 0xffffffffu};
enum { CORNERS = sizeof corners / sizeof corners[0] };

static void distances_cross_the_wrap(void **unused) {
    (void)unused;
    assert_int_equal(seq_diff(5, 0xfffffffbu), 10);
    assert_int_equal(seq_diff(0xfffffffbu, 5), -10);
    assert_int_equal(seq_diff(0, 0xffffffffu), 1);
    assert_int_equal(seq_diff(0x80000000u, 1), INT32_MAX);
    assert_int_equal(seq_diff(0, 0x80000000u), INT32_MIN);
}

static void later_is_less_than_half_the_space_ahead(void **unused) {
    (void)unused;
    for (int i = 0; i < CORNERS; i++) {
        uint32_t x = corners[i];
        assert_false(seq_lt(x, x));
        assert_true(seq_leq(x, x));
        assert_true(seq_lt(x, x + 1) && seq_leq(x, x + 1));
        assert_false(seq_lt(x + 1, x) || seq_leq(x + 1, x));
        assert_true(seq_lt(x, x + 0x7fffffff));
        assert_false(seq_lt(x + 0x7fffffff, x));
    }
}

/* Of two different numbers exactly one is earlier, except for the two that are half the space
 * apart, where RFC 1982 leaves the order open. */
static void order_is_total_but_for_the_antipodes(void **unused) {
    (void)unused;
    for (int i = 0; i < CORNERS; i++)
        for (int j = 0; j < CORNERS; j++) {
            uint32_t a = corners[i], b = corners[j];
            if (a - b == 0x80000000u)
                continue;
            assert_int_equal(seq_lt(a, b) + seq_lt(b, a) + (a == b), 1);
            assert_int_equal(seq_leq(a, b), !seq_lt(b, a));
        }
}

static void the_maximum_is_the_later_one_across_the_wrap(void **unused) {
    (void)unused;
    assert_int_equal(seq_max(0xfffffff0u, 3), 3);
    assert_int_equal(seq_max(3, 0xfffffff0u), 3);
    assert_int_equal(seq_max(0x7fffffff, 0x80000000u), 0x80000000u);
    assert_int_equal(seq_max(7, 7), 7);
}

static void a_window_may_wrap(void **unused) {
    (void)unused;
    assert_true(seq_within(0xfffffff0u, 0xfffffff0u, 32));
    assert_true(seq_within(15, 0xfffffff0u, 32));
    assert_false(seq_within(16, 0xfffffff0u, 32));
    assert_false(seq_within(0xffffffefu, 0xfffffff0u, 32));
    assert_false(seq_within(5, 5, 0));
    assert_true(seq_within(4, 5, UINT32_MAX) == false);
    assert_true(seq_within(3, 5, UINT32_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_cross_the_wrap),
        cmocka_unit_test(later_is_less_than_half_the_space_ahead),
        cmocka_unit_test(order_is_total_but_for_the_antipodes),
        cmocka_unit_test(the_maximum_is_the_later_one_across_the_wrap),
        cmocka_unit_test(a_window_may_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
