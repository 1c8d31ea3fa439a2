/* Many inputs as one timeline, the filter and the span, and inputs that are none. */
#include "test_capture_support.h"

#include <time.h>

static const struct la_capture_options no_options = {0};

static struct seen read_paths(const char *const *paths, size_t batch) {
    return read_with(&no_options, paths, batch);
}

/* A pcap file with packets of 40 bytes at the given milliseconds after TEST_START_NS; UINT64_MAX
 * ends the list. The wire length tells the packets apart. */
static void write_at(const char *name, const uint64_t *ms) {
    struct bytes b = {0};
    put_pcap_header(&b, NANO, 1);
    for (; *ms != UINT64_MAX; ms++)
        put_pcap_record(&b, NANO, TEST_START_NS + (int64_t)*ms * LA_MSEC, 40);
    write_bytes(name, b);
}
#define WRITE_AT(name, ...) write_at(name, (const uint64_t[]){__VA_ARGS__, UINT64_MAX})

static uint64_t ms_of(const struct la_packet *p) {
    return (uint64_t)((p->time_ns - TEST_START_NS) / LA_MSEC);
}

/* Asserts the order as pairs of input and millisecond. */
static void assert_order(const struct seen *s, const uint64_t (*order)[2], size_t count) {
    assert_int_equal(s->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(s->packets[i].input, order[i][0]);
        assert_int_equal(ms_of(&s->packets[i]), order[i][1]);
    }
}
#define ASSERT_ORDER(s, ...)                                                                       \
    assert_order(s, (const uint64_t[][2]){__VA_ARGS__},                                            \
                 sizeof((const uint64_t[][2]){__VA_ARGS__}) / sizeof(uint64_t[2]))

static void rotated_files_in_any_order_are_one_capture_again(void **state) {
    (void)state;
    enum { FILES = 50, EACH = 200 };
    struct bytes all = make_pcap(FILES * EACH, TEST_START_NS, LA_MSEC);
    write_part("all", all.data, all.len);
    struct seen expected = read_one("all");
    char names[FILES][8];
    const char *paths[FILES + 1] = {0};
    size_t at = 24;
    for (int i = 0; i < FILES; i++) {
        struct bytes b = {0};
        put(&b, all.data, 24);
        for (int k = 0; k < EACH; k++) {
            size_t size = 16 + expected.packets[i * EACH + k].caplen;
            put(&b, all.data + at, size);
            at += size;
        }
        int shuffled = i * 17 % FILES;
        snprintf(names[i], sizeof names[i], "r%d", i);
        write_bytes(names[i], b);
        paths[shuffled] = names[i];
    }
    static const size_t batches[] = {1, 7, 256};
    for (size_t i = 0; i < 3; i++) {
        struct seen s = read_paths(paths, batches[i]);
        assert_same_packets(&s, &expected);
        forget(&s);
    }
    forget(&expected);
    free(all.data);
}

static void a_rotated_set_needs_few_descriptors(void **state) {
    (void)state;
    enum { FILES = 300 };
    char names[FILES][8];
    const char *paths[FILES + 1] = {0};
    for (int i = 0; i < FILES; i++) {
        snprintf(names[i], sizeof names[i], "r%d", i);
        write_bytes(names[i], make_pcap(2, TEST_START_NS + i * LA_SEC, LA_MSEC));
        paths[i] = names[i];
    }
    struct seen s = {0};
    struct la_packet packets[3];
    size_t count;
    assert_int_equal(la_capture_new(&no_options, &s.capture, NULL), LA_OK);
    for (int i = 0; i < FILES; i++)
        assert_int_equal(la_capture_add(s.capture, paths[i], NULL), LA_OK);
    int lowest_free = dup(STDERR_FILENO);
    close(lowest_free);
    size_t total = 0;
    while (la_capture_next_batch(s.capture, packets, 3, &count, NULL) == LA_OK) {
        total += count;
        int now = dup(STDERR_FILENO);
        close(now);
        assert_in_range(now, 0, lowest_free + 2);
    }
    assert_int_equal(total, 2 * FILES);
    forget(&s);
}

static void files_side_by_side_interleave_by_time(void **state) {
    (void)state;
    WRITE_AT("a", 0, 10, 20, 30);
    WRITE_AT("b", 5, 6, 25);
    WRITE_AT("c", 21, 40, 41);
    const char *paths[] = {"c", "a", "b", NULL};
    for (size_t batch = 1; batch < 12; batch++) {
        struct seen s = read_paths(paths, batch);
        ASSERT_ORDER(&s, {1, 0}, {2, 5}, {2, 6}, {1, 10}, {1, 20}, {0, 21}, {2, 25}, {1, 30},
                     {0, 40}, {0, 41});
        assert_int_equal(s.packets[6].frame, 3);
        forget(&s);
    }
}

static void ties_stand_in_the_order_in_which_inputs_were_added(void **state) {
    (void)state;
    WRITE_AT("a", 1, 2, 2, 3);
    WRITE_AT("b", 1, 2, 3);
    const char *paths[] = {"b", "a", NULL};
    struct seen s = read_paths(paths, 64);
    ASSERT_ORDER(&s, {0, 1}, {1, 1}, {0, 2}, {1, 2}, {1, 2}, {0, 3}, {1, 3});
    forget(&s);
}

static void the_order_within_a_file_is_kept_and_steps_back_are_counted(void **state) {
    (void)state;
    WRITE_AT("a", 100, 95, 50, 200, 189);
    WRITE_AT("b", 101, 300);
    const char *paths[] = {"a", "b", NULL};
    struct seen s = read_paths(paths, 64);
    ASSERT_ORDER(&s, {0, 100}, {0, 95}, {0, 50}, {1, 101}, {0, 200}, {0, 189}, {1, 300});
    assert_int_equal(input_of(&s, 0)->time_steps_back, 2); /* 5 ms are none */
    assert_true(input_of(&s, 0)->first_ns == TEST_START_NS + 50 * LA_MSEC);
    assert_true(input_of(&s, 0)->last_ns == TEST_START_NS + 200 * LA_MSEC);
    forget(&s);
}

/* Larger than a window, so that batches end where one has to read on. */
static void large_files_side_by_side_equal_one_file(void **state) {
    (void)state;
    enum { COUNT = 12000 };
    write_bytes("even", make_pcap(COUNT, TEST_START_NS, 2 * LA_MSEC));
    write_bytes("odd", make_pcap(COUNT, TEST_START_NS + LA_MSEC, 2 * LA_MSEC));
    const char *paths[] = {"odd", "even", NULL};
    struct seen s = read_paths(paths, 512);
    assert_int_equal(s.count, 2 * COUNT);
    struct seen even = read_one("even"), odd = read_one("odd");
    for (size_t i = 0; i < s.count; i++)
        assert_same_packet(&s.packets[i], &(i % 2 ? odd : even).packets[i / 2]);
    forget(&s);
    forget(&even);
    forget(&odd);
}

static void an_input_that_breaks_does_not_stop_the_others(void **state) {
    (void)state;
    struct bytes b = make_pcap(3, TEST_START_NS, 10 * LA_MSEC);
    b.len -= 5;
    write_bytes("a", b);
    WRITE_AT("b", 5, 15, 25);
    const char *paths[] = {"a", "missing", "b", NULL};
    struct seen s = read_paths(paths, 64);
    ASSERT_ORDER(&s, {0, 0}, {2, 5}, {0, 10}, {2, 15}, {2, 25});
    assert_says(&input_of(&s, 0)->error, LA_EINPUT,
                "a: ends in the middle of packet 3 at byte 137");
    assert_says(&input_of(&s, 1)->error, LA_EINPUT, "missing: no such file");
    assert_int_equal(input_of(&s, 2)->error.status, LA_OK);
    forget(&s);
}

static struct seen read_filtered(const char *path, const char *filter, const char *from,
                                 const char *to) {
    struct la_capture_options options = {.filter = filter};
    if (from)
        assert_true(la_when_parse(from, false, &options.from));
    if (to)
        assert_true(la_when_parse(to, false, &options.to));
    const char *paths[] = {path, NULL};
    return read_with(&options, paths, 64);
}

static void the_filter_keeps_what_matches_and_counts_the_rest(void **state) {
    (void)state;
    WRITE_AT("a", 0, 1, 2, 3);
    /* The wire length of every packet is 50. */
    struct seen s = read_filtered("a", "len >= 50", NULL, NULL);
    assert_int_equal(s.count, 4);
    forget(&s);
    s = read_filtered("a", "len > 50", NULL, NULL);
    assert_int_equal(s.count, 0);
    const struct la_input *in = input_of(&s, 0);
    assert_int_equal(in->packets, 4);
    assert_int_equal(in->filtered, 4);
    assert_int_equal(in->bytes, 200);
    assert_true(in->first_ns == LA_TIME_NONE && in->last_ns == LA_TIME_NONE);
    assert_int_equal(in->error.status, LA_OK);
    forget(&s);
}

static void a_filter_that_does_not_compile_is_an_error_of_usage(void **state) {
    (void)state;
    const struct la_capture_options options = {.filter = "tcp prot 80"};
    struct la_capture *capture;
    struct la_error err = {0};
    assert_int_equal(la_capture_new(&options, &capture, &err), LA_EUSAGE);
    assert_null(capture);
    assert_says(&err, LA_EUSAGE, "'tcp prot 80'");
    assert_says(&err, LA_EUSAGE, "syntax error");
}

static void a_filter_is_compiled_for_each_link_type_and_says_where_it_does_not_fit(void **state) {
    (void)state;
    struct bytes b = {0};
    put_section(&b, UINT64_MAX);
    put_interface(&b, 101, 100);
    put_interface(&b, 1, 100);
    for (uint32_t i = 0; i < 4; i++)
        put_enhanced(&b, i % 2, i, 40);
    write_bytes("f", b);
    struct seen s = read_filtered("f", "not ether host 00:01:02:03:04:05", NULL, NULL);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.packets[0].linktype, 1);
    assert_int_equal(input_of(&s, 0)->filtered, 2);
    assert_says(&input_of(&s, 0)->error, LA_EINPUT,
                "f: the filter does not fit packets of link type RAW: ");
    forget(&s);
}

static void from_and_to_are_inclusive_and_count_as_filtered(void **state) {
    (void)state;
    WRITE_AT("a", 0, 1000, 2000, 500, 3000, 4000);
    struct seen s = read_filtered("a", NULL, "1700000001", "1700000003");
    ASSERT_ORDER(&s, {0, 1000}, {0, 2000}, {0, 3000});
    assert_int_equal(input_of(&s, 0)->packets, 6);
    assert_int_equal(input_of(&s, 0)->filtered, 3);
    assert_true(input_of(&s, 0)->first_ns == TEST_START_NS + LA_SEC);
    forget(&s);
    s = read_filtered("a", NULL, "+1s", "+2000ms");
    ASSERT_ORDER(&s, {0, 1000}, {0, 2000});
    forget(&s);
    s = read_filtered("a", NULL, "2023-11-14T22:13:23Z", NULL); /* 1700000003 */
    ASSERT_ORDER(&s, {0, 3000}, {0, 4000});
    forget(&s);
    s = read_filtered("a", NULL, "22:13:22", "22:13:23.5");
    ASSERT_ORDER(&s, {0, 2000}, {0, 3000});
    forget(&s);
}

static void a_local_time_of_day_is_of_the_local_day(void **state) {
    (void)state;
    setenv("TZ", "XXX-5:30", 1); /* 5.5 hours east: it is the next day there, 03:43:20 */
    tzset();
    WRITE_AT("a", 0, 1000, 2000);
    struct la_capture_options options = {0};
    assert_true(la_when_parse("03:43:21", true, &options.from));
    const char *paths[] = {"a", NULL};
    struct seen s = read_with(&options, paths, 64);
    ASSERT_ORDER(&s, {0, 1000}, {0, 2000});
    forget(&s);
    unsetenv("TZ");
    tzset();
}

static void a_span_from_the_first_packet_counts_from_that_of_the_whole_capture(void **state) {
    (void)state;
    WRITE_AT("a", 5000, 6000);
    WRITE_AT("b", 1000, 3000);
    struct la_capture_options options = {0};
    assert_true(la_when_parse("+2s", false, &options.from));
    const char *paths[] = {"a", "b", NULL};
    struct seen s = read_with(&options, paths, 64);
    ASSERT_ORDER(&s, {1, 3000}, {0, 5000}, {0, 6000});
    forget(&s);
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    struct la_when when;
    assert_false(la_when_parse("", false, &when));
    assert_false(la_when_parse("+", false, &when));
    assert_false(la_when_parse("+-1s", false, &when));
    assert_false(la_when_parse("25:00", false, &when));
    assert_false(la_when_parse("yesterday", false, &when));
}

/* Adds one path and asserts what is said of it. */
static void assert_refused(const char *path, const char *says) {
    struct seen s = read_one(path);
    assert_int_equal(s.count, 0);
    assert_int_equal(la_capture_input_count(s.capture), 1);
    assert_says(&s.add_error, LA_EINPUT, says);
    assert_says(&input_of(&s, 0)->error, LA_EINPUT, says);
    assert_string_equal(input_of(&s, 0)->path, path);
    assert_null(input_of(&s, 0)->format);
    forget(&s);
}

static void what_is_no_capture_is_told_in_one_line(void **state) {
    (void)state;
    write_part("empty", "", 0);
    write_part("text", "this is no capture, but a text\n", 31);
    write_part("one", "x", 1);
    assert_int_equal(mkdir("d", 0700), 0);
    write_part("d/text", "also", 4);
    assert_refused("missing", "missing: no such file (check its name)");
    assert_refused("text/x", "text/x: cannot be opened: Not a directory");
    assert_refused("empty", "empty: is empty (");
    assert_refused("text", "text: is not a packet capture: unknown file format");
    assert_refused("one", "one: is not a packet capture: ");
    assert_refused("d", "d: has no captures in it (1 other entries were left out");
}

static void a_capture_without_packets_is_no_error(void **state) {
    (void)state;
    write_bytes("a", make_pcap(0, 0, 0));
    struct seen s = read_one("a");
    assert_int_equal(s.count, 0);
    assert_int_equal(s.add_error.status, LA_OK);
    assert_string_equal(input_of(&s, 0)->format, "pcap");
    assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
    forget(&s);
}

static void a_directory_stands_for_the_captures_in_it(void **state) {
    (void)state;
    assert_int_equal(mkdir("d", 0700), 0);
    assert_int_equal(mkdir("d/sub", 0700), 0);
    WRITE_AT("d/b", 10);
    WRITE_AT("d/a", 20);
    write_part("d/notes.txt", "hello", 5);
    write_part("d/empty", "", 0);
    assert_int_equal(mkfifo("d/fifo", 0600), 0); /* opening it would block */
    struct seen s = read_one("d/");
    assert_int_equal(s.add_error.status, LA_OK);
    ASSERT_ORDER(&s, {1, 10}, {0, 20});
    assert_string_equal(input_of(&s, 0)->path, "d/a");
    assert_int_equal(la_capture_input_count(s.capture), 2);
    assert_int_equal(la_capture_left_out(s.capture), 4);
    forget(&s);
}

static void a_damaged_capture_in_a_directory_is_not_left_out(void **state) {
    (void)state;
    assert_int_equal(mkdir("d", 0700), 0);
    struct bytes b = make_pcap(1, TEST_START_NS, 0);
    b.len = 30;
    write_bytes("d/cut", b);
    struct seen s = read_one("d");
    assert_says(&s.add_error, LA_EINPUT, "d/cut: ends in the middle of packet 1 at byte 24");
    assert_int_equal(la_capture_input_count(s.capture), 1);
    forget(&s);
}

static void the_same_file_twice_is_read_once(void **state) {
    (void)state;
    WRITE_AT("a", 1, 2);
    assert_int_equal(link("a", "b"), 0);
    const char *paths[] = {"a", "./a", "b", NULL};
    struct seen s = read_paths(paths, 64);
    assert_int_equal(s.count, 2);
    assert_int_equal(la_capture_input_count(s.capture), 1);
    assert_says(&s.add_error, LA_EUSAGE, "b: the same file as a (it is read once)");
    forget(&s);
}

static void a_file_that_vanishes_before_its_time_comes_is_an_error_of_its_own(void **state) {
    (void)state;
    WRITE_AT("a", 1, 2);
    WRITE_AT("b", 3);
    struct seen s = {0};
    assert_int_equal(la_capture_new(&no_options, &s.capture, NULL), LA_OK);
    assert_int_equal(la_capture_add(s.capture, "a", NULL), LA_OK);
    assert_int_equal(la_capture_add(s.capture, "b", NULL), LA_OK);
    assert_int_equal(unlink("b"), 0);
    drain(&s, 64);
    assert_int_equal(s.count, 2);
    assert_says(&input_of(&s, 1)->error, LA_EINPUT, "b: no such file");
    forget(&s);
}

static void no_input_at_all_is_the_end(void **state) {
    (void)state;
    const char *paths[] = {NULL};
    struct seen s = read_paths(paths, 64);
    assert_int_equal(s.count, 0);
    forget(&s);
    la_capture_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        la_test(rotated_files_in_any_order_are_one_capture_again),
        la_test(a_rotated_set_needs_few_descriptors),
        la_test(files_side_by_side_interleave_by_time),
        la_test(ties_stand_in_the_order_in_which_inputs_were_added),
        la_test(the_order_within_a_file_is_kept_and_steps_back_are_counted),
        la_test(large_files_side_by_side_equal_one_file),
        la_test(an_input_that_breaks_does_not_stop_the_others),
        la_test(the_filter_keeps_what_matches_and_counts_the_rest),
        la_test(a_filter_that_does_not_compile_is_an_error_of_usage),
        la_test(a_filter_is_compiled_for_each_link_type_and_says_where_it_does_not_fit),
        la_test(from_and_to_are_inclusive_and_count_as_filtered),
        la_test(a_local_time_of_day_is_of_the_local_day),
        la_test(a_span_from_the_first_packet_counts_from_that_of_the_whole_capture),
        la_test(what_is_no_time_is_refused),
        la_test(what_is_no_capture_is_told_in_one_line),
        la_test(a_capture_without_packets_is_no_error),
        la_test(a_directory_stands_for_the_captures_in_it),
        la_test(a_damaged_capture_in_a_directory_is_not_left_out),
        la_test(the_same_file_twice_is_read_once),
        la_test(a_file_that_vanishes_before_its_time_comes_is_an_error_of_its_own),
        la_test(no_input_at_all_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
