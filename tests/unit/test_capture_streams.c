/* Where bytes come from: plain and compressed files, pipes, and what goes wrong on the way. */
#include "test_capture_support.h"

#include <bzlib.h>
#include <errno.h>
#include <lz4frame.h>
#include <lzma.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <zlib.h>
#include <zstd.h>

enum { PACKETS = 3000 };

static struct bytes reserve(size_t size) {
    struct bytes b = {.data = malloc(size), .capacity = size};
    assert_non_null(b.data);
    return b;
}

static struct bytes gzip(const uint8_t *in, size_t len) {
    struct bytes out = reserve(len + 1000);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in;
    z.avail_in = (unsigned)len;
    z.next_out = out.data;
    z.avail_out = (unsigned)out.capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = z.total_out;
    deflateEnd(&z);
    return out;
}

static struct bytes zstd(const uint8_t *in, size_t len) {
    struct bytes out = reserve(ZSTD_compressBound(len));
    out.len = ZSTD_compress(out.data, out.capacity, in, len, 3);
    assert_false(ZSTD_isError(out.len));
    return out;
}

static struct bytes xz(const uint8_t *in, size_t len) {
    struct bytes out = reserve(lzma_stream_buffer_bound(len));
    assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, in, len, out.data, &out.len,
                                             out.capacity),
                     LZMA_OK);
    return out;
}

static struct bytes lz4(const uint8_t *in, size_t len) {
    LZ4F_preferences_t preferences = {0};
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    struct bytes out = reserve(LZ4F_compressFrameBound(len, &preferences));
    out.len = LZ4F_compressFrame(out.data, out.capacity, in, len, &preferences);
    assert_false(LZ4F_isError(out.len));
    return out;
}

static struct bytes bzip2(const uint8_t *in, size_t len) {
    struct bytes out = reserve(len + len / 50 + 1000);
    unsigned out_len = (unsigned)out.capacity;
    assert_int_equal(BZ2_bzBuffToBuffCompress((char *)out.data, &out_len, (char *)(uintptr_t)in,
                                              (unsigned)len, 1, 0, 0),
                     BZ_OK);
    out.len = out_len;
    return out;
}

static const struct {
    enum la_compression compression;
    const char *name;
    struct bytes (*compress)(const uint8_t *in, size_t len);
} codecs[] = {
    {LA_COMPRESSION_GZIP, "gzip", gzip},    {LA_COMPRESSION_ZSTD, "zstd", zstd},
    {LA_COMPRESSION_XZ, "xz", xz},          {LA_COMPRESSION_LZ4, "lz4", lz4},
    {LA_COMPRESSION_BZIP2, "bzip2", bzip2},
};
enum { CODECS = sizeof codecs / sizeof codecs[0] };

static struct seen read_plain_copy(struct bytes *plain) {
    *plain = make_pcap(PACKETS, TEST_START_NS, LA_MSEC);
    write_part("plain", plain->data, plain->len);
    return read_one("plain");
}

static void every_compression_is_told_by_content_and_gives_the_same_packets(void **state) {
    (void)state;
    struct bytes plain;
    struct seen expected = read_plain_copy(&plain);
    assert_int_equal(expected.count, PACKETS);
    for (size_t i = 0; i < CODECS; i++) {
        write_bytes("named.pcap", codecs[i].compress(plain.data, plain.len));
        struct seen s = read_one("named.pcap");
        assert_int_equal(input_of(&s, 0)->compression, codecs[i].compression);
        assert_string_equal(la_compression_name(codecs[i].compression), codecs[i].name);
        assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
        assert_same_packets(&s, &expected);
        forget(&s);
    }
    forget(&expected);
    free(plain.data);
}

/* Cut in two anywhere, each part compressed by itself, with zeros after the last. */
static void members_in_a_row_are_one_file_and_zeros_after_them_are_padding(void **state) {
    (void)state;
    struct bytes plain;
    struct seen expected = read_plain_copy(&plain);
    for (size_t i = 0; i < CODECS; i++) {
        struct bytes file = codecs[i].compress(plain.data, 10001);
        struct bytes rest = codecs[i].compress(plain.data + 10001, plain.len - 10001);
        put(&file, rest.data, rest.len);
        put(&file, "\0\0\0\0", 4);
        free(rest.data);
        write_bytes("f", file);
        struct seen s = read_one("f");
        assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
        assert_same_packets(&s, &expected);
        forget(&s);
    }
    forget(&expected);
    free(plain.data);
}

static void assert_prefix(const struct seen *s, const struct seen *all) {
    assert_true(s->count <= all->count);
    for (size_t i = 0; i < s->count; i++)
        assert_same_packet(&s->packets[i], &all->packets[i]);
}

/* Compressed in ten members, so that a cut always leaves something whole before it. */
static struct bytes compress_in_ten(size_t codec, const struct bytes *plain) {
    struct bytes file = {0};
    for (size_t k = 0; k < 10; k++) {
        size_t from = plain->len * k / 10, to = plain->len * (k + 1) / 10;
        struct bytes part = codecs[codec].compress(plain->data + from, to - from);
        put(&file, part.data, part.len);
        free(part.data);
    }
    return file;
}

static void what_comes_before_a_cut_in_compressed_data_is_delivered(void **state) {
    (void)state;
    struct bytes plain;
    struct seen expected = read_plain_copy(&plain);
    for (size_t i = 0; i < CODECS; i++) {
        struct bytes file = compress_in_ten(i, &plain);
        char says[80];
        snprintf(says, sizeof says,
                 "f: the %s data end too soon, at byte %zu (the file was cut off", codecs[i].name,
                 file.len - 7);
        write_part("f", file.data, file.len - 7);
        struct seen s = read_one("f");
        assert_says(&input_of(&s, 0)->error, LA_EINPUT, says);
        assert_prefix(&s, &expected);
        assert_in_range(s.count, PACKETS * 88 / 100, PACKETS);
        forget(&s);
        free(file.data);
    }
    forget(&expected);
    free(plain.data);
}

/* Damage in the sixth of ten members. Some codecs notice it only by a checksum later on, so that
 * what is delivered of that member need not be true; what is said must be. */
static void damage_in_compressed_data_is_told_apart_from_a_cut(void **state) {
    (void)state;
    struct bytes plain;
    struct seen expected = read_plain_copy(&plain);
    for (size_t i = 0; i < CODECS; i++) {
        struct bytes file = compress_in_ten(i, &plain);
        memset(file.data + file.len * 55 / 100, 0x5a, 200);
        char says[80];
        snprintf(says, sizeof says, "f: the %s data are damaged at byte ", codecs[i].name);
        write_bytes("f", file);
        struct seen s = read_one("f");
        assert_says(&input_of(&s, 0)->error, LA_EINPUT, says);
        assert_in_range(s.count, PACKETS * 49 / 100, PACKETS * 60 / 100);
        for (size_t k = 0; k < PACKETS * 49 / 100; k++)
            assert_same_packet(&s.packets[k], &expected.packets[k]);
        forget(&s);
    }
    forget(&expected);
    free(plain.data);
}

static void something_else_after_compressed_data_is_damage(void **state) {
    (void)state;
    struct bytes plain = make_pcap(10, TEST_START_NS, LA_MSEC);
    for (size_t i = 0; i < CODECS; i++) {
        struct bytes file = codecs[i].compress(plain.data, plain.len);
        put(&file, "this is no member of anything", 29);
        write_bytes("f", file);
        struct seen s = read_one("f");
        assert_int_equal(s.count, 10);
        assert_says(&input_of(&s, 0)->error, LA_EINPUT, "data are damaged at byte");
        forget(&s);
    }
    free(plain.data);
}

/* Every cut and every flipped byte of a small file: no crash, no packet that is not there. */
static void no_cut_of_a_compressed_file_crashes_or_invents_packets(void **state) {
    (void)state;
    struct bytes plain = make_pcap(3, TEST_START_NS, LA_MSEC);
    write_part("plain", plain.data, plain.len);
    struct seen expected = read_one("plain");
    for (size_t i = 0; i < CODECS; i++) {
        struct bytes file = codecs[i].compress(plain.data, plain.len);
        for (size_t cut = 1; cut < file.len; cut++) {
            write_part("f", file.data, cut);
            struct seen s = read_one("f");
            assert_int_equal(input_of(&s, 0)->error.status, LA_EINPUT);
            assert_prefix(&s, &expected);
            forget(&s);
        }
        free(file.data);
    }
    forget(&expected);
    free(plain.data);
}

/* Runs `writer` on the write end of a pipe in a child, with the read end as standard input. */
static struct seen read_from_pipe(const struct bytes *content, size_t piece) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        size_t at = 0;
        while (at < content->len) {
            size_t n = content->len - at < piece ? content->len - at : piece;
            ssize_t done = write(fds[1], content->data + at, n);
            if (done < 0)
                _exit(1);
            at += (size_t)done;
        }
        _exit(0);
    }
    close(fds[1]);
    int saved = dup(STDIN_FILENO);
    assert_true(dup2(fds[0], STDIN_FILENO) == STDIN_FILENO);
    close(fds[0]);
    struct seen s = read_one("-");
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return s;
}

static void standard_input_may_be_a_pipe_in_pieces_of_any_size(void **state) {
    (void)state;
    struct bytes plain = make_pcap(300, TEST_START_NS, LA_MSEC);
    write_part("plain", plain.data, plain.len);
    struct seen expected = read_one("plain");
    struct bytes packed = gzip(plain.data, plain.len);
    static const size_t pieces[] = {1, 7, 1000, 100000};
    for (size_t i = 0; i < 4; i++) {
        struct seen s = read_from_pipe(&plain, pieces[i]);
        assert_same_packets(&s, &expected);
        assert_int_equal(s.packets[299].frame, 300);
        assert_string_equal(input_of(&s, 0)->path, "-");
        forget(&s);
        s = read_from_pipe(&packed, pieces[i]);
        assert_same_packets(&s, &expected);
        assert_int_equal(input_of(&s, 0)->compression, LA_COMPRESSION_GZIP);
        forget(&s);
    }
    forget(&expected);
    free(packed.data);
    free(plain.data);
}

static volatile sig_atomic_t stop;

static void stop_now(int signal_number) {
    (void)signal_number;
    stop = 1;
}

/* A pipe that stays open with half a record in it, and a signal: reading ends without an error. */
static void a_signal_ends_the_wait_for_a_pipe_and_is_no_error(void **state) {
    (void)state;
    struct bytes b = make_pcap(3, TEST_START_NS, LA_MSEC);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], b.data, b.len - 5), b.len - 5);
    free(b.data);
    int saved = dup(STDIN_FILENO);
    dup2(fds[0], STDIN_FILENO);
    struct sigaction action = {.sa_handler = stop_now}, before;
    sigaction(SIGALRM, &action, &before);
    struct itimerval soon = {{0, 0}, {0, 50000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    stop = 0;
    const struct la_capture_options options = {.stop = &stop};
    const char *paths[] = {"-", NULL};
    struct seen s = read_with(&options, paths, 64);
    assert_int_equal(s.count, 2);
    assert_int_equal(input_of(&s, 0)->packets, 2);
    assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
    forget(&s);
    sigaction(SIGALRM, &before, NULL);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(fds[0]);
    close(fds[1]);
}

/* The signal came after the last look at `stop` and before the wait began. */
static void a_signal_that_came_before_the_wait_is_noticed(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    int saved = dup(STDIN_FILENO);
    dup2(fds[0], STDIN_FILENO);
    stop = 1;
    const struct la_capture_options options = {.stop = &stop};
    const char *paths[] = {"-", NULL};
    alarm(20); /* rather than to wait for ever */
    struct seen s = read_with(&options, paths, 64);
    alarm(0);
    assert_int_equal(s.count, 0);
    assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
    forget(&s);
    stop = 0;
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(fds[0]);
    close(fds[1]);
}

/* As a shell's <(command) is: it can be read once, and sniffing must not lose what it read. */
static void a_named_pipe_is_read_like_standard_input(void **state) {
    (void)state;
    struct bytes plain = make_pcap(300, TEST_START_NS, LA_MSEC);
    write_part("plain", plain.data, plain.len);
    assert_int_equal(mkfifo("p", 0600), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = open("p", O_WRONLY);
        _exit(write(fd, plain.data, plain.len) == (ssize_t)plain.len ? 0 : 1);
    }
    struct seen s = read_one("p"), expected = read_one("plain");
    assert_same_packets(&s, &expected);
    waitpid(child, NULL, 0);
    forget(&s);
    forget(&expected);
    free(plain.data);
}

static void an_error_of_the_descriptor_is_told_with_its_reason(void **state) {
    (void)state;
    /* No page is mapped at 0, so reading there is EIO; on no system is it a capture. */
    if (access("/proc/self/mem", R_OK) != 0)
        skip();
    struct seen s = read_one("/proc/self/mem");
    assert_says(&input_of(&s, 0)->error, LA_EINPUT,
                "/proc/self/mem: cannot be read past byte 0: Input/output error");
    forget(&s);
}

static void packets_do_not_depend_on_how_the_caller_takes_them(void **state) {
    (void)state;
    struct bytes plain;
    struct seen expected = read_plain_copy(&plain);
    const struct la_capture_options none = {0};
    const char *paths[] = {"plain", NULL};
    static const size_t batches[] = {1, 2, 63, 512};
    for (size_t i = 0; i < 4; i++) {
        struct seen s = read_with(&none, paths, batches[i]);
        assert_same_packets(&s, &expected);
        assert_int_equal(input_of(&s, 0)->bytes, input_of(&expected, 0)->bytes);
        forget(&s);
    }
    forget(&expected);
    free(plain.data);
}

static void progress_reaches_the_size_of_the_files(void **state) {
    (void)state;
    struct bytes plain = make_pcap(100, TEST_START_NS, LA_MSEC);
    struct bytes packed = zstd(plain.data, plain.len);
    uint64_t size = packed.len, done, total;
    write_bytes("f", packed);
    free(plain.data);
    struct seen s = read_one("f");
    la_capture_progress(s.capture, &done, &total);
    assert_int_equal(done, size);
    assert_int_equal(total, size);
    forget(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        la_test(every_compression_is_told_by_content_and_gives_the_same_packets),
        la_test(members_in_a_row_are_one_file_and_zeros_after_them_are_padding),
        la_test(what_comes_before_a_cut_in_compressed_data_is_delivered),
        la_test(damage_in_compressed_data_is_told_apart_from_a_cut),
        la_test(something_else_after_compressed_data_is_damage),
        la_test(no_cut_of_a_compressed_file_crashes_or_invents_packets),
        la_test(standard_input_may_be_a_pipe_in_pieces_of_any_size),
        la_test(a_signal_ends_the_wait_for_a_pipe_and_is_no_error),
        la_test(a_signal_that_came_before_the_wait_is_noticed),
        la_test(a_named_pipe_is_read_like_standard_input),
        la_test(an_error_of_the_descriptor_is_told_with_its_reason),
        la_test(packets_do_not_depend_on_how_the_caller_takes_them),
        la_test(progress_reaches_the_size_of_the_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
