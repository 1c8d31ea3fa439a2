/* The bounded cursor: what it reads, where it stops, and what it says of the stop. */
#include "test_decode_packets.h"

#include "decode/cursor.h"

static const uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void values_are_big_endian_and_advance(void **state) {
    (void)state;
    struct cursor c = cur_from(bytes, 8, 8);
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    assert_true(cur_peek_u8(&c, &u8) && u8 == 1);
    assert_true(cur_u8(&c, &u8) && u8 == 1);
    assert_true(cur_u16be(&c, &u16) && u16 == 0x0203);
    assert_true(cur_u32be(&c, &u32) && u32 == 0x04050607);
    assert_int_equal(c.remaining, 1);
    assert_int_equal(c.wire, 1);
}

static void a_failed_read_takes_nothing(void **state) {
    (void)state;
    struct cursor c = cur_from(bytes, 3, 8);
    uint32_t u32;
    uint16_t u16;
    assert_false(cur_u32be(&c, &u32));
    assert_false(cur_skip(&c, 4));
    assert_int_equal(c.remaining, 3);
    assert_true(cur_u16be(&c, &u16));
}

static void the_size_of_the_packet_is_never_contradicted(void **state) {
    (void)state;
    struct cursor c = cur_from(bytes, 3, 3);
    assert_false(cur_skip(&c, 4));
    assert_false(c.contradicted);
}

static void a_length_field_is_contradicted_by_a_read_beyond_it(void **state) {
    (void)state;
    struct cursor c = cur_from(bytes, 3, 8);
    cur_limit(&c, 5);
    assert_false(cur_skip(&c, 5)); /* sent, not captured */
    assert_false(c.contradicted);
    assert_false(cur_skip(&c, 6));
    assert_true(c.contradicted);
}

static void a_limit_narrows_what_was_captured(void **state) {
    (void)state;
    struct cursor c = cur_from(bytes, 8, 8);
    cur_limit(&c, 2);
    assert_int_equal(c.remaining, 2);
    assert_false(cur_skip(&c, 3));
    assert_true(c.contradicted);
}

static void a_limit_beyond_the_packet_is_believed_unless_the_outer_one_is_exact(void **state) {
    (void)state;
    struct cursor c = cur_from(bytes, 8, 8);
    cur_limit(&c, 100);
    assert_int_equal(c.wire, 100);
    assert_int_equal(c.remaining, 8);
    c = cur_from(bytes, 8, 8);
    cur_limit_exact(&c, 6);
    cur_limit(&c, 100);
    assert_int_equal(c.wire, 6);
    assert_int_equal(c.remaining, 6);
}

static void a_capture_longer_than_the_wire_is_believed(void **state) {
    (void)state;
    struct cursor c = cur_from(bytes, 8, 5);
    assert_int_equal(c.wire, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_big_endian_and_advance),
        cmocka_unit_test(a_failed_read_takes_nothing),
        cmocka_unit_test(the_size_of_the_packet_is_never_contradicted),
        cmocka_unit_test(a_length_field_is_contradicted_by_a_read_beyond_it),
        cmocka_unit_test(a_limit_narrows_what_was_captured),
        cmocka_unit_test(a_limit_beyond_the_packet_is_believed_unless_the_outer_one_is_exact),
        cmocka_unit_test(a_capture_longer_than_the_wire_is_believed),
    };
    return cmocka_run_group_tests_name("decode, cursor", tests, NULL, NULL);
}
