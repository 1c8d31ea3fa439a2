/* Large compressed files are decompressed by a thread of their own: what is read, and what is said
 * of what cannot be read, are the same. */
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#include "test_capture_support.h"

#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <zlib.h>

enum { PACKETS = 80000 }; /* some 7 MB; the thread begins after the first */

static struct bytes make_packed(size_t *plain_len) {
    struct bytes plain = make_pcap(PACKETS, TEST_START_NS, LA_MSEC);
    struct bytes out = {.data = malloc(plain.len), .capacity = plain.len};
    assert_non_null(out.data);
    z_stream z = {.next_in = plain.data,
                  .avail_in = (unsigned)plain.len,
                  .next_out = out.data,
                  .avail_out = (unsigned)out.capacity};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.len = z.total_out;
    deflateEnd(&z);
    *plain_len = plain.len;
    free(plain.data);
    return out;
}

static struct seen read_file(bool ahead) {
    const struct la_capture_options options = {.read_ahead = ahead};
    const char *paths[] = {"f", NULL};
    return read_with(&options, paths, 512);
}

/* Reads "f" in both ways; returns how many packets it gave. */
static size_t assert_same_both_ways(void) {
    struct seen here = read_file(false), ahead = read_file(true);
    uint64_t done, total;
    assert_same_packets(&here, &ahead);
    assert_int_equal(input_of(&here, 0)->error.status, input_of(&ahead, 0)->error.status);
    assert_string_equal(input_of(&here, 0)->error.text, input_of(&ahead, 0)->error.text);
    assert_int_equal(input_of(&here, 0)->error.offset, input_of(&ahead, 0)->error.offset);
    la_capture_progress(ahead.capture, &done, &total);
    assert_true(done <= total);
    size_t count = here.count;
    forget(&here);
    forget(&ahead);
    return count;
}

static void what_is_read_ahead_is_the_same(void **state) {
    (void)state;
    size_t plain_len;
    struct bytes packed = make_packed(&plain_len);
    assert_true(plain_len > 6 * 1024 * 1024);
    write_bytes("f", packed);
    assert_int_equal(assert_same_both_ways(), PACKETS);
}

static void a_cut_is_told_the_same(void **state) {
    (void)state;
    size_t plain_len;
    struct bytes packed = make_packed(&plain_len);
    for (int tenths = 2; tenths <= 9; tenths++) {
        write_part("f", packed.data, packed.len * (size_t)tenths / 10);
        assert_in_range(assert_same_both_ways(), 1, PACKETS - 1);
    }
    free(packed.data);
}

static void damage_is_told_the_same(void **state) {
    (void)state;
    size_t plain_len;
    struct bytes packed = make_packed(&plain_len);
    memset(packed.data + packed.len * 7 / 10, 0x5a, 300);
    write_bytes("f", packed);
    assert_in_range(assert_same_both_ways(), 1, PACKETS - 1);
}

static void whoever_has_read_enough_need_not_read_on(void **state) {
    (void)state;
    size_t plain_len, count;
    write_bytes("f", make_packed(&plain_len));
    const struct la_capture_options options = {.read_ahead = true};
    struct la_error err = {0};
    struct la_packet packets[512];
    struct seen s = {0};
    assert_int_equal(la_capture_new(&options, &s.capture, &err), LA_OK);
    assert_int_equal(la_capture_add(s.capture, "f", &err), LA_OK);
    assert_int_equal(la_capture_decompressing(s.capture), 0);
    for (size_t seen = 0; seen < PACKETS / 3; seen += count)
        assert_int_equal(la_capture_next_batch(s.capture, packets, 512, &count, &err), LA_OK);
    while (la_capture_decompressing(s.capture) > 0) /* until the thread waits for room */
        sched_yield();
    forget(&s);
}

static void who_is_at_the_end_decompresses_nothing(void **state) {
    (void)state;
    size_t plain_len;
    write_bytes("f", make_packed(&plain_len));
    struct seen s = read_file(true);
    assert_int_equal(la_capture_decompressing(s.capture), 0);
    forget(&s);
}

/* -1 where the system does not tell. */
static int count_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    if (!tasks)
        return -1;
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* Each takes memory, and there are only so many processors. */
static void of_many_files_at_the_same_time_a_few_are_read_ahead(void **state) {
    (void)state;
    enum { FILES = 12, MOST = 8, SELDOM = 20000 };
    size_t plain_len, count, seen = 0;
    struct bytes packed = make_packed(&plain_len);
    const struct la_capture_options options = {.read_ahead = true};
    struct la_error err = {0};
    struct la_packet packets[512];
    struct seen s = {0};
    assert_int_equal(la_capture_new(&options, &s.capture, &err), LA_OK);
    for (int i = 0; i < FILES; i++) {
        char name[] = {'f', (char)('a' + i), '\0'};
        write_part(name, packed.data, packed.len);
        assert_int_equal(la_capture_add(s.capture, name, &err), LA_OK);
    }
    free(packed.data);
    int before = count_threads(), most = before;
    for (; la_capture_next_batch(s.capture, packets, 512, &count, &err) == LA_OK; seen += count)
        if (seen % SELDOM < count) {
            int now = count_threads();
            most = now > most ? now : most;
        }
    assert_int_equal(seen, (size_t)FILES * PACKETS);
    if (before > 0)
        assert_int_equal(most - before, MOST);
    forget(&s);
}

static volatile sig_atomic_t stop;

static void stop_now(int signal_number) {
    (void)signal_number;
    stop = 1;
}

/* A pipe that stays open with a part of a file in it, as standard input, and a signal that comes
 * soon. */
struct open_pipe {
    int fds[2], saved;
    struct sigaction before;
};

static void open_pipe_with(struct open_pipe *input, double part, int64_t signal_ns) {
    size_t plain_len;
    struct bytes packed = make_packed(&plain_len);
    size_t brought = (size_t)((double)packed.len * part);
    assert_int_equal(pipe(input->fds), 0);
    if (fcntl(input->fds[1], F_SETPIPE_SZ, (int)packed.len) < (int)brought)
        skip();
    assert_int_equal(write(input->fds[1], packed.data, brought), brought);
    free(packed.data);
    input->saved = dup(STDIN_FILENO);
    dup2(input->fds[0], STDIN_FILENO);
    struct sigaction action = {.sa_handler = stop_now};
    sigaction(SIGALRM, &action, &input->before);
    struct itimerval soon = {{0, 0}, {signal_ns / LA_SEC, signal_ns % LA_SEC / 1000}};
    stop = 0;
    setitimer(ITIMER_REAL, &soon, NULL);
}

static void close_pipe(const struct open_pipe *input) {
    const struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &input->before, NULL);
    dup2(input->saved, STDIN_FILENO);
    close(input->saved);
    close(input->fds[0]);
    close(input->fds[1]);
}

static void a_signal_ends_the_wait_for_what_is_read_ahead(void **state) {
    (void)state;
    struct open_pipe input;
    open_pipe_with(&input, 0.5, 300 * LA_MSEC);
    const struct la_capture_options options = {.stop = &stop, .read_ahead = true};
    const char *paths[] = {"-", NULL};
    struct seen s = read_with(&options, paths, 512);
    assert_in_range(s.count, PACKETS / 4, PACKETS - 1);
    assert_int_equal(input_of(&s, 0)->error.status, LA_OK);
    forget(&s);
    close_pipe(&input);
}

/* Also what is less than half a ring: there may be no more for hours. */
static void all_that_a_pipe_has_brought_is_read(void **state) {
    (void)state;
    enum { BROUGHT = PACKETS * 3 / 10 - 2500 }; /* but for what fills no block */
    struct open_pipe input;
    open_pipe_with(&input, 0.3, 5 * LA_SEC);
    const struct la_capture_options options = {.stop = &stop, .read_ahead = true};
    struct la_error err = {0};
    struct la_packet packets[512];
    struct seen s = {0};
    size_t count, seen = 0;
    assert_int_equal(la_capture_new(&options, &s.capture, &err), LA_OK);
    assert_int_equal(la_capture_add(s.capture, "-", &err), LA_OK);
    for (; seen < BROUGHT && !stop; seen += count)
        assert_int_equal(la_capture_next_batch(s.capture, packets, 512, &count, &err), LA_OK);
    assert_false(stop);
    forget(&s);
    close_pipe(&input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        la_test(what_is_read_ahead_is_the_same),
        la_test(a_cut_is_told_the_same),
        la_test(damage_is_told_the_same),
        la_test(whoever_has_read_enough_need_not_read_on),
        la_test(who_is_at_the_end_decompresses_nothing),
        la_test(of_many_files_at_the_same_time_a_few_are_read_ahead),
        la_test(a_signal_ends_the_wait_for_what_is_read_ahead),
        la_test(all_that_a_pipe_has_brought_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
