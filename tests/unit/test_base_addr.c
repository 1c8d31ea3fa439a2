/* Addresses as text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"

static struct la_addr parsed(const char *text) {
    struct la_addr addr = {{0}};
    if (!la_addr_parse(text, &addr))
        fail_msg("refused: %s", text);
    return addr;
}

static void addresses_are_read_and_written_again(void **unused) {
    (void)unused;
    static const char *const texts[] = {
        "0.0.0.0", "10.0.0.1",    "203.0.113.255", "255.255.255.255", "::",
        "::1",     "2001:db8::1", "fe80::1:2:3:4", "1:2:3:4:5:6:7:8"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[LA_ADDR_TEXT];
        struct la_addr addr = parsed(texts[i]);
        assert_ptr_equal(la_addr_format(&addr, text), text);
        assert_string_equal(text, texts[i]);
    }
}

static void the_longest_address_fits(void **unused) {
    (void)unused;
    char text[LA_ADDR_TEXT];
    struct la_addr addr = parsed("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    la_addr_format(&addr, text);
    assert_string_equal(text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void ipv4_and_mapped_ipv6_are_one_address(void **unused) {
    (void)unused;
    struct la_addr four = parsed("192.0.2.33"), mapped = parsed("::ffff:192.0.2.33");
    assert_true(la_addr_is_v4(&four));
    assert_int_equal(la_addr_cmp(&four, &mapped), 0);
}

/* ::a.b.c.d (RFC 4291, 2.5.5.1) and the like are no IPv4. */
static void other_ipv6_addresses_with_ipv4_in_them_stay_ipv6(void **unused) {
    (void)unused;
    static const char *const texts[] = {"::192.0.2.33", "64:ff9b::192.0.2.33", "::fffe:192.0.2.33",
                                        "2002:c000:221::"};
    struct la_addr four = parsed("192.0.2.33");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct la_addr six = parsed(texts[i]);
        assert_false(la_addr_is_v4(&six));
        assert_int_not_equal(la_addr_cmp(&four, &six), 0);
    }
}

static void raw_bytes_are_in_network_order(void **unused) {
    (void)unused;
    const uint8_t v4[4] = {192, 0, 2, 33};
    const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct la_addr four = la_addr_from_v4(v4), six = la_addr_from_v6(v6);
    struct la_addr four_text = parsed("192.0.2.33"), six_text = parsed("2001:db8::1");
    assert_int_equal(la_addr_cmp(&four, &four_text), 0);
    assert_int_equal(la_addr_cmp(&six, &six_text), 0);
}

static void addresses_have_an_order(void **unused) {
    (void)unused;
    struct la_addr a = parsed("9.255.0.1"), b = parsed("10.0.0.0"), c = parsed("2001:db8::");
    assert_true(la_addr_cmp(&a, &b) < 0 && la_addr_cmp(&b, &a) > 0);
    assert_true(la_addr_cmp(&b, &c) < 0);
}

static void what_is_no_address_is_refused(void **unused) {
    (void)unused;
    static const char *const wrong[] = {
        "",          "10.0.0",     "10.0.0.256", "10.0.0.1.2", "10.0.0.1 ",
        " 10.0.0.1", "010.0.0.1x", "host",       "10.0.0.1/8", "2001:db8::g",
        ":::",       "1::2::3",    "fe80::1%lo", "[::1]",      "1:2:3:4:5:6:7:8:9"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct la_addr addr;
        if (la_addr_parse(wrong[i], &addr))
            fail_msg("taken for an address: '%s'", wrong[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written_again),
        cmocka_unit_test(the_longest_address_fits),
        cmocka_unit_test(ipv4_and_mapped_ipv6_are_one_address),
        cmocka_unit_test(other_ipv6_addresses_with_ipv4_in_them_stay_ipv6),
        cmocka_unit_test(raw_bytes_are_in_network_order),
        cmocka_unit_test(addresses_have_an_order),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
