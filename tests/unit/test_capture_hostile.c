/* Files that lie, files that stop anywhere, and agreement with libpcap on files that do neither. */
#define _DEFAULT_SOURCE /* u_int and the like, in which pcap.h is written */
#include "test_capture_support.h"

#include <pcap/pcap.h>
#include <sys/resource.h>

/* A small generator of our own (splitmix64), so that a failure can be run again. */
static uint64_t next_random(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint32_t random_below(uint64_t *seed, uint32_t bound) {
    return (uint32_t)(next_random(seed) % bound);
}

/* Mostly small packets, now and then one larger than a window's worth of others. */
static uint32_t random_size(uint64_t *seed) {
    uint32_t dice = random_below(seed, 100);
    if (dice < 90)
        return random_below(seed, 200);
    return random_below(seed, dice < 99 ? 2000 : 65535);
}

static struct bytes random_pcap(uint64_t *seed) {
    int kind = (int)random_below(seed, 3);
    struct bytes b = {.big = random_below(seed, 2)};
    put_pcap_header(&b, kind, 1);
    uint32_t count = random_below(seed, 400);
    for (uint32_t i = 0; i < count; i++) {
        /* Past 2038 libpcap takes the seconds for negative ones. */
        int64_t ns = (int64_t)(next_random(seed) % ((uint64_t)INT32_MAX * (uint64_t)LA_SEC));
        put_pcap_record(&b, kind, ns, random_size(seed));
    }
    return b;
}

/* Units of a clock in the years that both we and libpcap can hold. */
static uint64_t random_units(uint64_t *seed, uint8_t tsresol) {
    uint64_t per_second = 1;
    for (unsigned n = tsresol & 0x7f; n > 0; n--)
        per_second *= tsresol & 0x80 ? 2 : 10;
    const uint64_t seconds = UINT64_C(4000000000);
    uint64_t units = next_random(seed);
    return per_second < UINT64_MAX / seconds ? units % (seconds * per_second) : units;
}

/* As libpcap wants it: one byte order, link type and snaplen over all sections and interfaces. */
static struct bytes random_pcapng(uint64_t *seed) {
    static const uint8_t resolutions[] = {0, 3, 6, 9, 10, 12, 0x80 | 10, 0x80 | 20, 0x80 | 30};
    struct bytes b = {.big = random_below(seed, 2)};
    uint32_t sections = 1 + random_below(seed, 3);
    for (uint32_t s = 0; s < sections; s++) {
        put_section(&b, UINT64_MAX);
        uint32_t interfaces = 1 + random_below(seed, 4);
        uint8_t chosen[4];
        for (uint32_t i = 0; i < interfaces; i++) {
            chosen[i] = resolutions[random_below(seed, sizeof resolutions)];
            put_interface_tsresol(&b, chosen[i]);
        }
        uint32_t count = random_below(seed, 200);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t id = random_below(seed, interfaces);
            put_enhanced(&b, id, random_units(seed, chosen[id]), random_size(seed));
        }
    }
    return b;
}

static void assert_agrees_with_libpcap(const char *path) {
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
    assert_non_null(pcap);
    struct seen s = read_one(path);
    struct pcap_pkthdr *header;
    const u_char *data;
    size_t i = 0;
    while (pcap_next_ex(pcap, &header, &data) == 1) {
        assert_true(i < s.count);
        const struct la_packet theirs = {
            .time_ns = (int64_t)header->ts.tv_sec * LA_SEC + header->ts.tv_usec,
            .caplen = header->caplen,
            .len = header->len,
            .data = data,
        };
        assert_same_packet(&s.packets[i++], &theirs);
    }
    assert_string_equal(pcap_geterr(pcap), "");
    assert_int_equal(i, s.count);
    assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
    forget(&s);
    pcap_close(pcap);
}

static void random_pcap_files_read_as_libpcap_reads_them(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        uint64_t seed = round;
        write_bytes("f", random_pcap(&seed));
        assert_agrees_with_libpcap("f");
    }
}

static void random_pcapng_files_read_as_libpcap_reads_them(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        uint64_t seed = round;
        write_bytes("f", random_pcapng(&seed));
        assert_agrees_with_libpcap("f");
    }
}

static struct bytes small_pcapng(void) {
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 100);
    for (uint32_t i = 0; i < 3; i++)
        put_enhanced(&b, 0, 1700000000000000 + i, 20 + i);
    size_t begin = begin_block(&b, 5);
    put_u32(&b, 0);
    put_u64(&b, 0);
    put_option_u64(&b, 5, 3);
    end_block(&b, begin);
    begin = begin_block(&b, 3);
    put_u32(&b, 10);
    put_filler(&b, 10, 1);
    end_block(&b, begin);
    b.big = true;
    put_section(&b, UINT64_MAX);
    put_interface(&b, 1, 100);
    put_enhanced(&b, 0, 1700000000000000, 25);
    b.big = false; /* what is overwritten is in the first section */
    return b;
}

static struct bytes small_pcap(void) {
    return make_pcap(4, TEST_START_NS, LA_MSEC);
}

static struct bytes (*const makers[])(void) = {small_pcap, small_pcapng};

static void assert_prefix(const struct seen *s, const struct seen *all) {
    assert_true(s->count <= all->count);
    for (size_t i = 0; i < s->count; i++)
        assert_same_packet(&s->packets[i], &all->packets[i]);
}

static void a_file_cut_at_any_byte_gives_all_packets_before_the_cut_and_one_error(void **state) {
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct bytes b = makers[m]();
        write_part("all", b.data, b.len);
        struct seen all = read_one("all");
        size_t most = 0;
        for (size_t cut = 0; cut <= b.len; cut++) {
            write_part("f", b.data, cut);
            struct seen s = read_one("f");
            assert_prefix(&s, &all);
            assert_in_range(s.count, most, most + 1);
            most = s.count;
            /* Without an error only where a record ends; then the file is a whole one. */
            if (input_of(&s, 0)->error.status == LA_OK)
                assert_true(cut >= 24);
            else
                assert_int_equal(input_of(&s, 0)->error.status, LA_EINPUT);
            forget(&s);
        }
        assert_int_equal(most, all.count);
        forget(&all);
        free(b.data);
    }
}

static void a_record_cut_by_the_end_of_file_is_reported_after_all_before_it(void **state) {
    (void)state;
    struct bytes b = small_pcap();
    size_t len = b.len;
    b.len -= 1;
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 3);
    char says[160];
    snprintf(says, sizeof says,
             "f: ends in the middle of packet 4 at byte %zu (the capture was cut off; what came "
             "before it was analysed)",
             len - 16 - 43);
    assert_string_equal(input_of(&s, 0)->error.text, says);
    assert_int_equal(input_of(&s, 0)->error.offset, len - 16 - 43);
    forget(&s);
}

/* Reads twice and asserts that both times the same came out. */
static void read_twice(const char *path) {
    struct seen a = read_one(path), b = read_one(path);
    assert_same_packets(&a, &b);
    assert_string_equal(input_of(&a, 0)->error.text, input_of(&b, 0)->error.text);
    assert_true(a.count < 20);
    forget(&a);
    forget(&b);
}

/* Every 4 bytes of a file, length fields among them, take every value that is likely to hurt. */
static void no_value_in_any_field_crashes_or_differs_from_run_to_run(void **state) {
    (void)state;
    static const uint32_t values[] = {0,          1,          3,          0x7fffffff, 0x80000000,
                                      0xffffffff, 0xfffffffc, 0xfffffff0, 0x01000000, 0x00040001,
                                      0x0a0d0d0a, 11,         12,         0x7fff7fff};
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            struct bytes b = makers[m]();
            for (size_t at = 0; at + 4 <= b.len; at += 2) {
                uint8_t saved[4];
                memcpy(saved, b.data + at, 4);
                overwrite_u32(&b, at, values[i]);
                write_part("f", b.data, b.len);
                read_twice("f");
                memcpy(b.data + at, saved, 4);
            }
            free(b.data);
        }
    }
}

static void random_damage_never_crashes(void **state) {
    (void)state;
    uint64_t seed = 42;
    for (int round = 0; round < 1500; round++) {
        struct bytes b = makers[round % 2]();
        for (uint32_t hits = 1 + random_below(&seed, 6); hits > 0; hits--)
            b.data[random_below(&seed, (uint32_t)b.len)] = (uint8_t)next_random(&seed);
        b.len -= random_below(&seed, 8);
        write_bytes("f", b);
        struct seen s = read_one("f");
        forget(&s);
    }
}

static void assert_lie_told(struct bytes b, size_t at, uint32_t value, const char *says) {
    overwrite_u32(&b, at, value);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_says(&input_of(&s, 0)->error, LA_EINPUT, says);
    forget(&s);
}

static void lengths_that_lie_are_told_with_frame_offset_and_both_numbers(void **state) {
    (void)state;
    size_t record = 24 + 16 + 40; /* the second */
    assert_lie_told(small_pcap(), record + 8, 0xffffffff,
                    "f: a packet of 4294967295 bytes, more than the 262144 that it may have, after "
                    "packet 1, at byte 80 (the file is damaged there");
    size_t block = 28 + 20; /* the first packet's */
    assert_lie_told(small_pcapng(), block + 4, 0xfffffffc,
                    "f: a block of 4294967292 bytes, more than the 16842752 of the longest, after "
                    "packet 0, at byte 48");
    assert_lie_told(small_pcapng(), block + 4, 8,
                    "f: a block of 8 bytes, fewer than the 12 of the shortest, after packet 0");
    assert_lie_told(small_pcapng(), block + 4, 48,
                    "f: a block that says it has 48 bytes, and at its end ");
    assert_lie_told(small_pcapng(), block + 20, 0x7fffffff,
                    "f: a packet of 2147483647 bytes in a block that has room for 20 after packet "
                    "0, at byte 48");
}

static void a_snaplen_can_raise_the_bound_of_a_packet_but_not_past_16_mib(void **state) {
    (void)state;
    struct bytes b = {0};
    put_pcap_header(&b, MICRO, 1);
    overwrite_u32(&b, 16, 300000);
    put_pcap_record(&b, MICRO, TEST_START_NS, 300000);
    write_bytes("f", b);
    struct seen s = read_one("f");
    assert_int_equal(s.count, 1);
    assert_int_equal(s.packets[0].caplen, 300000);
    forget(&s);
    b = small_pcap();
    overwrite_u32(&b, 16, 0xffffffff);
    assert_lie_told(b, 24 + 8, 0xfffffff0, "more than the 16777216 that it may have");
}

/* Under a limit of address space that an allocation by the file's word would break. */
static void a_lying_length_takes_no_memory(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip();
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    skip();
#endif
#endif
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 20; i++) {
        struct bytes b = small_pcap();
        overwrite_u32(&b, 16, 0xffffffff);
        overwrite_u32(&b, 24 + 8, 16 * 1024 * 1024 - 1);
        write_bytes("f", b);
        struct seen s = read_one("f");
        assert_says(&input_of(&s, 0)->error, LA_EINPUT, "f: ends in the middle of packet 1");
        forget(&s);
    }
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 4096); /* KiB */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        la_test(random_pcap_files_read_as_libpcap_reads_them),
        la_test(random_pcapng_files_read_as_libpcap_reads_them),
        la_test(a_file_cut_at_any_byte_gives_all_packets_before_the_cut_and_one_error),
        la_test(a_record_cut_by_the_end_of_file_is_reported_after_all_before_it),
        la_test(no_value_in_any_field_crashes_or_differs_from_run_to_run),
        la_test(random_damage_never_crashes),
        la_test(lengths_that_lie_are_told_with_frame_offset_and_both_numbers),
        la_test(a_snaplen_can_raise_the_bound_of_a_packet_but_not_past_16_mib),
        la_test(a_lying_length_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
