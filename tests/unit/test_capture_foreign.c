/* What is left to libpcap. Today it knows no format that we do not read ourselves, so its reader is
 * made to read what ours would. */
#include "test_capture_support.h"

#include "capture/reader.h"

/* Opens `path` as libpcap would, whatever it is. */
static enum la_status open_foreign(struct la_reader *r, const char *path, struct la_error *err) {
    *r = (struct la_reader){.format = &la_format_foreign, .path = path, .input = 7};
    r->info = calloc(1, sizeof *r->info);
    assert_non_null(r->info);
    assert_int_equal(la_stream_open(path, &(struct la_stream_options){0}, &r->stream, err), LA_OK);
    assert_true(la_window_init(&r->window, r->stream, 64));
    return r->format->open(r, err);
}

static void close_foreign(struct la_reader *r) {
    r->format->close(r);
    la_window_release(&r->window);
    la_stream_free(r->stream);
    free(r->info);
}

/* Counts packets until the end, which is returned. */
static enum la_status count_foreign(struct la_reader *r, const struct seen *expected, size_t *count,
                                    struct la_error *err) {
    struct la_packet packet;
    enum la_status status;
    *count = 0;
    while ((status = la_reader_refill(r, err)) == LA_OK) {
        assert_int_equal(la_reader_take(r, &packet, 1), 1);
        assert_int_equal(la_reader_take(r, &packet, 1), 0);
        assert_same_packet(&packet, &expected->packets[(*count)++]);
        assert_int_equal(packet.frame, *count);
        assert_int_equal(packet.input, 7);
        assert_int_equal(packet.linktype, 1);
    }
    return status;
}

static void libpcap_reads_through_the_window_what_we_would_read(void **state) {
    (void)state;
    write_bytes("f", make_pcap(100, TEST_START_NS, LA_MSEC));
    struct seen expected = read_one("f");
    struct la_reader r;
    struct la_error err = {0};
    size_t count;
    assert_int_equal(open_foreign(&r, "f", &err), LA_OK);
    assert_int_equal(count_foreign(&r, &expected, &count, &err), LA_END);
    assert_int_equal(count, 100);
    assert_int_equal(r.info->snaplen, 65535);
    close_foreign(&r);
    forget(&expected);
}

static void what_libpcap_says_of_a_cut_is_told(void **state) {
    (void)state;
    struct bytes b = make_pcap(100, TEST_START_NS, LA_MSEC);
    b.len -= 3;
    write_bytes("f", b);
    struct seen expected = read_one("f");
    struct la_reader r;
    struct la_error err = {0};
    size_t count;
    assert_int_equal(open_foreign(&r, "f", &err), LA_OK);
    assert_int_equal(count_foreign(&r, &expected, &count, &err), LA_EINPUT);
    assert_int_equal(count, 99);
    assert_says(&err, LA_EINPUT, "f: truncated dump file; tried to read 89 captured bytes");
    close_foreign(&r);
    forget(&expected);
}

static void what_libpcap_declines_is_declined_in_its_words(void **state) {
    (void)state;
    write_part("f", "neither of the two, and long enough", 35);
    struct la_reader r;
    struct la_error err = {0};
    assert_int_equal(open_foreign(&r, "f", &err), LA_EINPUT);
    assert_says(&err, LA_EINPUT, "f: is not a packet capture: unknown file format (");
    close_foreign(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        la_test(libpcap_reads_through_the_window_what_we_would_read),
        la_test(what_libpcap_says_of_a_cut_is_told),
        la_test(what_libpcap_declines_is_declined_in_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
