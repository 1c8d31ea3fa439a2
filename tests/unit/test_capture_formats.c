/* pcap and pcapng, with everything that may stand in them. */
#include "test_capture_support.h"

static void every_pcap_magic_in_either_byte_order_is_read(void **state) {
    (void)state;
    for (int kind = MICRO; kind <= KUZNETZOV; kind++) {
        for (int big = 0; big < 2; big++) {
            struct bytes b = {.big = big};
            put_pcap_header(&b, kind, 113);
            put_pcap_record(&b, kind, TEST_START_NS + 123456789, 60);
            put_pcap_record(&b, kind, TEST_START_NS + 2 * LA_SEC, 0);
            write_bytes("f", b);
            struct seen s = read_one("f");
            assert_int_equal(s.count, 2);
            int64_t fraction = kind == NANO ? 123456789 : 123456000;
            assert_true(s.packets[0].time_ns == TEST_START_NS + fraction);
            assert_int_equal(s.packets[0].caplen, 60);
            assert_int_equal(s.packets[0].len, 70);
            assert_int_equal(s.packets[0].linktype, 113);
            assert_int_equal(s.packets[0].interface, 0);
            assert_int_equal(s.packets[1].frame, 2);
            assert_int_equal(s.packets[1].caplen, 0);
            const struct la_input *in = input_of(&s, 0);
            assert_string_equal(in->format, "pcap");
            assert_int_equal(in->time_digits, kind == NANO ? 9 : 6);
            assert_int_equal(in->snaplen, 65535);
            assert_int_equal(in->packets, 2);
            assert_int_equal(in->bytes, 80);
            assert_int_equal(in->error.status, LA_OK);
            assert_false(in->dropped_known);
            forget(&s);
        }
    }
}

static void upper_bits_of_the_pcap_link_type_are_the_fcs_and_no_part_of_it(void **state) {
    (void)state;
    struct bytes b = {0};
    put_pcap_header(&b, MICRO, 0x24000001);
    put_pcap_record(&b, MICRO, TEST_START_NS, 64);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.packets[0].linktype, 1);
    forget(&s);
}

/* A record whose length fields are 70 and 60, in this order, in a file of the version. */
static struct seen read_lengths_70_60(uint32_t major, uint32_t minor) {
    struct bytes b = {0};
    put_pcap_header(&b, MICRO, 1);
    b.data[4] = (uint8_t)major;
    b.data[5] = (uint8_t)(major >> 8);
    b.data[6] = (uint8_t)minor;
    put_pcap_record(&b, MICRO, TEST_START_NS, 60);
    overwrite_u32(&b, 24 + 8, 70);
    overwrite_u32(&b, 24 + 12, 60);
    write_bytes("f", b);
    return read_one("f");
}

static void lengths_that_old_files_have_swapped_are_swapped_back(void **state) {
    (void)state;
    static const uint32_t versions[][2] = {{2, 2}, {2, 3}, {543, 0}};
    for (size_t i = 0; i < 3; i++) {
        struct seen s = read_lengths_70_60(versions[i][0], versions[i][1]);
        assert_int_equal(s.count, 1);
        assert_int_equal(s.packets[0].caplen, 60);
        assert_int_equal(s.packets[0].len, 70);
        forget(&s);
    }
}

static void a_pcap_version_that_nobody_knows_is_an_error(void **state) {
    (void)state;
    struct seen s = read_lengths_70_60(3, 0);
    assert_int_equal(s.count, 0);
    assert_says(&input_of(&s, 0)->error, LA_EINPUT, "f: is a pcap file of version 3.0");
    forget(&s);
}

static void a_wire_length_less_than_the_captured_one_is_raised_to_it(void **state) {
    (void)state;
    struct bytes b = {0};
    put_pcap_header(&b, MICRO, 1);
    put_pcap_record(&b, MICRO, TEST_START_NS, 60);
    overwrite_u32(&b, 24 + 12, 5);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.packets[0].len, 60);
    forget(&s);
}

static void sections_differ_in_byte_order_and_number_their_interfaces_on(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 96);
    put_interface(&b, 101, 128);
    put_enhanced(&b, 1, 1700000000000001, 41);
    b.big = true;
    put_section(&b, 12345);
    put_interface(&b, 113, 64);
    put_enhanced(&b, 0, 1700000000000002, 43);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 2);
    assert_int_equal(s.packets[0].interface, 1);
    assert_int_equal(s.packets[0].linktype, 101);
    assert_true(s.packets[0].time_ns == TEST_START_NS + 1000);
    assert_int_equal(s.packets[1].interface, 2);
    assert_int_equal(s.packets[1].linktype, 113);
    assert_int_equal(s.packets[1].caplen, 43);
    assert_int_equal(s.packets[1].frame, 2);
    const struct la_input *in = input_of(&s, 0);
    assert_string_equal(in->format, "pcapng");
    assert_int_equal(in->linktype_count, 3);
    assert_int_equal(in->linktypes[2], 113);
    assert_int_equal(in->snaplen, 128);
    assert_int_equal(in->time_digits, 6);
    forget(&s);
}

static void an_interface_without_snaplen_makes_the_input_unlimited(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 0);
    put_interface(&b, 1, 128);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(input_of(&s, 0)->snaplen, 0);
    forget(&s);
}

/* The time of one packet, stamped `units` by a clock of `tsresol`. */
static int64_t time_of(uint8_t tsresol, uint64_t units, int *digits) {
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface_tsresol(&b, tsresol);
    put_enhanced(&b, 0, units, 4);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 1);
    int64_t ns = s.packets[0].time_ns;
    *digits = input_of(&s, 0)->time_digits;
    forget(&s);
    return ns;
}

static void resolutions_of_powers_of_ten_and_of_two_give_nanoseconds(void **state) {
    (void)state;
    static const struct {
        uint8_t tsresol;
        uint64_t units;
        int64_t ns;
        int digits;
    } cases[] = {
        {0, 1700000000, TEST_START_NS, 0},
        {3, 1700000000123, TEST_START_NS + 123000000, 3},
        {6, 1700000000123456, TEST_START_NS + 123456000, 6},
        {9, 1700000000123456789, TEST_START_NS + 123456789, 9},
        {10, 17000000001234567899u, TEST_START_NS + 123456789, 9},
        {12, 1234567890123, 1234567890, 9},
        {28, 18446744073709551615u, 1, 9},
        {29, 18446744073709551615u, 0, 9},
        {127, 18446744073709551615u, 0, 9},
        {0x80, 1700000000, TEST_START_NS, 0},
        {0x80 | 10, UINT64_C(1700000000) << 10 | 512, TEST_START_NS + LA_SEC / 2, 4},
        {0x80 | 32, UINT64_C(1700000000) << 32 | UINT64_C(1) << 30, TEST_START_NS + LA_SEC / 4, 9},
        {0x80 | 64, UINT64_C(1) << 63, LA_SEC / 2, 9},
        {0x80 | 127, UINT64_MAX, 0, 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int digits;
        assert_true(time_of(cases[i].tsresol, cases[i].units, &digits) == cases[i].ns);
        assert_int_equal(digits, cases[i].digits);
    }
}

static void times_past_all_bounds_are_held_at_a_bound_whose_differences_fit(void **state) {
    (void)state;
    static const uint8_t resolutions[] = {0, 6, 9, 0x80, 0x80 | 20};
    for (size_t i = 0; i < sizeof resolutions; i++) {
        int digits;
        assert_true(time_of(resolutions[i], UINT64_MAX, &digits) == LA_TIME_LIMIT);
    }
}

static int64_t time_with_offset(int64_t seconds) {
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    size_t begin = begin_interface(&b, 1, 65535);
    put_option_u64(&b, 14, (uint64_t)seconds);
    end_block(&b, begin);
    put_enhanced(&b, 0, 1700000000000001, 4);
    write_bytes("f", b);
    struct seen s = read_one("f");
    int64_t ns = s.packets[0].time_ns;
    forget(&s);
    return ns;
}

static void the_offset_of_an_interface_is_added_and_cannot_overflow(void **state) {
    (void)state;
    assert_true(time_with_offset(3600) == TEST_START_NS + 3600 * LA_SEC + 1000);
    assert_true(time_with_offset(-1700000000) == 1000);
    assert_true(time_with_offset(INT64_MAX) == LA_TIME_LIMIT);
    assert_true(time_with_offset(INT64_MIN) > -INT64_MAX / 2 &&
                time_with_offset(INT64_MIN) < -INT64_MAX / 4);
}

static void a_simple_packet_has_the_time_of_the_one_before_and_at_most_the_snaplen(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 30);
    put_enhanced(&b, 0, 1700000000000001, 20);
    size_t begin = begin_block(&b, 3);
    put_u32(&b, 100);
    put_filler(&b, 30, 9);
    end_block(&b, begin);
    begin = begin_block(&b, 3);
    put_u32(&b, 7);
    put_filler(&b, 7, 9);
    end_block(&b, begin);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 3);
    assert_true(s.packets[1].time_ns == TEST_START_NS + 1000);
    assert_int_equal(s.packets[1].caplen, 30);
    assert_int_equal(s.packets[1].len, 100);
    assert_int_equal(s.packets[2].caplen, 7);
    forget(&s);
}

static void the_obsolete_packet_block_is_read(void **state) {
    (void)state;
    for (int big = 0; big < 2; big++) {
        struct bytes b = {.big = big};
        put_section(&b, UINT64_MAX);
        put_interface(&b, 1, 100);
        put_interface(&b, 101, 100);
        size_t begin = begin_block(&b, 2);
        put_u16(&b, 1);
        put_u16(&b, 0xffff); /* drops unknown */
        put_u32(&b, (uint32_t)(UINT64_C(1700000000000001) >> 32));
        put_u32(&b, (uint32_t)UINT64_C(1700000000000001));
        put_u32(&b, 21);
        put_u32(&b, 90);
        put_filler(&b, 21, 1);
        end_block(&b, begin);
        write_bytes("f", b);
        struct seen s = read_one("f");
        assert_int_equal(s.count, 1);
        assert_int_equal(s.packets[0].interface, 1);
        assert_int_equal(s.packets[0].linktype, 101);
        assert_int_equal(s.packets[0].caplen, 21);
        assert_int_equal(s.packets[0].len, 90);
        assert_true(s.packets[0].time_ns == TEST_START_NS + 1000);
        forget(&s);
    }
}

static void put_statistics(struct bytes *b, uint32_t interface, uint64_t ifdrop, uint64_t osdrop) {
    size_t begin = begin_block(b, 5);
    put_u32(b, interface);
    put_u64(b, 0);
    put_option_u64(b, 4, 1000); /* received: of no interest */
    put_option_u64(b, 5, ifdrop);
    put_option_u64(b, 7, osdrop);
    put_option(b, 0, NULL, 0);
    end_block(b, begin);
}

static void the_last_drop_counts_of_each_interface_are_summed(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 100);
    put_interface(&b, 1, 100);
    put_statistics(&b, 0, 5, 1);
    put_statistics(&b, 1, 10, 0);
    put_statistics(&b, 0, 7, 2);
    put_statistics(&b, 9, 1000, 1000); /* never described */
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 100);
    put_statistics(&b, 0, 100, 0);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_true(input_of(&s, 0)->dropped_known);
    assert_int_equal(input_of(&s, 0)->dropped_by_capture, 7 + 2 + 10 + 100);
    forget(&s);
}

static void put_opaque(struct bytes *b, uint32_t type) {
    size_t begin = begin_block(b, type);
    put_filler(b, 24, type);
    end_block(b, begin);
}

/* As seen with tshark 4.0: it numbers custom, journal and sysdig blocks among the packets. */
static void other_blocks_are_skipped_and_frames_counted_as_wireshark_does(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 100);
    put_opaque(&b, 4);          /* names */
    put_opaque(&b, 10);         /* secrets */
    put_opaque(&b, 0x12345678); /* unknown */
    put_enhanced(&b, 0, 1, 10);
    put_opaque(&b, 0xbad);
    put_enhanced(&b, 0, 2, 10);
    put_opaque(&b, 0x40000bad);
    put_opaque(&b, 9);
    put_enhanced(&b, 0, 3, 10);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 3);
    assert_int_equal(s.packets[0].frame, 1);
    assert_int_equal(s.packets[1].frame, 3);
    assert_int_equal(s.packets[2].frame, 6);
    assert_int_equal(input_of(&s, 0)->packets, 3);
    assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
    forget(&s);
}

static void options_that_overrun_their_block_harm_nothing(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    size_t begin = begin_interface(&b, 1, 100);
    put_u16(&b, 9);
    put_u16(&b, 0xffff);
    end_block(&b, begin);
    put_enhanced(&b, 0, 1700000000000001, 10);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 1);
    assert_true(s.packets[0].time_ns == TEST_START_NS + 1000);
    forget(&s);
}

static void a_packet_of_an_undescribed_interface_is_an_error_with_both_numbers(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 100);
    put_enhanced(&b, 0, 1, 10);
    put_enhanced(&b, 5, 1, 10);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 1);
    assert_says(&input_of(&s, 0)->error, LA_EINPUT,
                "f: a packet of interface 5, where only 1 are described, after packet 1, at byte");
    forget(&s);
}

static void link_types_have_the_names_that_libpcap_gives_them(void **state) {
    (void)state;
    assert_string_equal(la_linktype_name(1), "EN10MB");
    assert_string_equal(la_linktype_name(101), "RAW");
    assert_string_equal(la_linktype_name(276), "LINUX_SLL2");
    assert_null(la_linktype_name(60000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        la_test(every_pcap_magic_in_either_byte_order_is_read),
        la_test(upper_bits_of_the_pcap_link_type_are_the_fcs_and_no_part_of_it),
        la_test(lengths_that_old_files_have_swapped_are_swapped_back),
        la_test(a_pcap_version_that_nobody_knows_is_an_error),
        la_test(a_wire_length_less_than_the_captured_one_is_raised_to_it),
        la_test(sections_differ_in_byte_order_and_number_their_interfaces_on),
        la_test(an_interface_without_snaplen_makes_the_input_unlimited),
        la_test(resolutions_of_powers_of_ten_and_of_two_give_nanoseconds),
        la_test(times_past_all_bounds_are_held_at_a_bound_whose_differences_fit),
        la_test(the_offset_of_an_interface_is_added_and_cannot_overflow),
        la_test(a_simple_packet_has_the_time_of_the_one_before_and_at_most_the_snaplen),
        la_test(the_obsolete_packet_block_is_read),
        la_test(the_last_drop_counts_of_each_interface_are_summed),
        la_test(other_blocks_are_skipped_and_frames_counted_as_wireshark_does),
        la_test(options_that_overrun_their_block_harm_nothing),
        la_test(a_packet_of_an_undescribed_interface_is_an_error_with_both_numbers),
        la_test(link_types_have_the_names_that_libpcap_gives_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
