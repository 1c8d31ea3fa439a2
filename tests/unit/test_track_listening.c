/* How long somebody listened: up to the next long pause of the whole capture, or its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "track/listening.h"

static const struct la_pause pauses[] = {{100, 200}, {300, 400}};

static struct la_connection with(size_t count, int64_t end_ns) {
    return (struct la_connection){.pauses = pauses, .pause_count = count, .capture_end_ns = end_ns};
}

static void without_a_pause_the_end_of_the_capture_counts(void **unused) {
    (void)unused;
    struct la_connection c = with(0, 1000);
    assert_int_equal(la_heard_until(&c, -5), 1000);
    assert_true(la_was_heard(&c, 0, 999));
}

static void the_next_pause_counts(void **unused) {
    (void)unused;
    struct la_connection c = with(2, 1000);
    assert_int_equal(la_heard_until(&c, 50), 100);
    assert_int_equal(la_heard_until(&c, 100), 100);
    assert_int_equal(la_heard_until(&c, 150), 100); /* an estimate may lie in it */
    assert_int_equal(la_heard_until(&c, 200), 300);
    assert_int_equal(la_heard_until(&c, 400), 1000);
    assert_true(la_was_heard(&c, 50, 100));
    assert_false(la_was_heard(&c, 50, 200));
    assert_true(la_was_heard(&c, 200, 300));
    assert_false(la_was_heard(&c, 0, 1000));
    assert_true(la_was_heard(&c, 400, 1000));
}

/* What was settled before the pause came does not know of it. */
static void a_pause_after_what_is_known_does_not_count(void **unused) {
    (void)unused;
    struct la_connection c = with(2, 250);
    assert_int_equal(la_heard_until(&c, 200), 250);
    assert_int_equal(la_heard_until(&c, 50), 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_pause_the_end_of_the_capture_counts),
        cmocka_unit_test(the_next_pause_counts),
        cmocka_unit_test(a_pause_after_what_is_known_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
