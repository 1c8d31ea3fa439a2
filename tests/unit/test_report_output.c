/* Files that are written whole or not at all, and the spool. */
#define _XOPEN_SOURCE 700 /* mkdtemp, symlink */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/spool.h"
#include "report/output.h"

struct place {
    char directory[64];
    char path[128];
};

static struct place new_place(void) {
    struct place place = {.directory = "/tmp/lastack-test-XXXXXX"};
    assert_non_null(mkdtemp(place.directory));
    snprintf(place.path, sizeof place.path, "%s/out", place.directory);
    return place;
}

static size_t count_entries(const char *directory) {
    DIR *dir = opendir(directory);
    size_t count = 0;
    const struct dirent *entry;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(dir);
    return count;
}

static void remove_place(struct place *place) {
    unlink(place->path);
    assert_int_equal(rmdir(place->directory), 0);
}

static void put_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_holds(const char *path, const char *expected) {
    char text[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_int_equal(length, strlen(expected));
    assert_string_equal(text, expected);
}

static struct la_output *open_output(const char *path) {
    struct la_output *output = NULL;
    assert_int_equal(la_output_open(path, &output, NULL), LA_OK);
    return output;
}

static void a_committed_file_replaces_the_old_one(void **unused) {
    (void)unused;
    struct place place = new_place();
    put_file(place.path, "old");
    chmod(place.path, 0640);
    struct la_output *output = open_output(place.path);
    assert_true(la_output_write(output, "new text", 8));
    assert_holds(place.path, "old");
    assert_int_equal(la_output_commit(output, NULL), LA_OK);
    la_output_free(output);
    struct stat st;
    assert_int_equal(stat(place.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_holds(place.path, "new text");
    assert_int_equal(count_entries(place.directory), 1);
    remove_place(&place);
}

static void without_commit_nothing_has_happened(void **unused) {
    (void)unused;
    struct place place = new_place();
    struct la_output *output = open_output(place.path);
    assert_true(la_output_write(output, "text", 4));
    assert_int_equal(count_entries(place.directory), 1);
    la_output_free(output);
    assert_int_equal(count_entries(place.directory), 0);
    remove_place(&place);
}

static void a_signal_leaves_no_temporary_file(void **unused) {
    (void)unused;
    struct place place = new_place();
    struct la_output *output = open_output(place.path);
    la_output_abandon_all();
    assert_int_equal(count_entries(place.directory), 0);
    la_output_free(output);
    la_output_abandon_all();
    remove_place(&place);
}

static void a_link_keeps_leading_to_the_file(void **unused) {
    (void)unused;
    struct place place = new_place();
    char link[160];
    snprintf(link, sizeof link, "%s/link", place.directory);
    put_file(place.path, "old");
    assert_int_equal(symlink(place.path, link), 0);
    struct la_output *output = open_output(link);
    assert_true(la_output_write(output, "new", 3));
    assert_int_equal(la_output_commit(output, NULL), LA_OK);
    la_output_free(output);
    assert_holds(place.path, "new");
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    unlink(link);
    remove_place(&place);
}

static void a_full_device_is_told_at_the_end(void **unused) {
    (void)unused;
    struct la_error err = {0};
    if (access("/dev/full", W_OK) != 0)
        skip();
    struct la_output *output = open_output("/dev/full");
    (void)la_output_write(output, "text", 4);
    assert_int_equal(la_output_commit(output, &err), LA_EOUTPUT);
    assert_non_null(strstr(err.text, "/dev/full: could not be written whole"));
    la_output_free(output);
}

static void an_impossible_place_is_told_at_once(void **unused) {
    (void)unused;
    struct la_output *output = NULL;
    struct la_error err = {0};
    assert_int_equal(la_output_open("/nonexistent/out", &output, &err), LA_EOUTPUT);
    assert_non_null(strstr(err.text, "/nonexistent/out: cannot be written"));
    assert_int_equal(la_output_open("/tmp", &output, &err), LA_EOUTPUT);
    assert_null(output);
}

static void the_same_file_is_recognised(void **unused) {
    (void)unused;
    struct place place = new_place();
    char other[192];
    snprintf(other, sizeof other, "%s/./out", place.directory);
    assert_true(la_output_same(place.path, place.path));
    assert_true(la_output_same(place.path, other)); /* neither exists */
    put_file(place.path, "x");
    assert_true(la_output_same(place.path, other));
    snprintf(other, sizeof other, "%s/other", place.directory);
    assert_false(la_output_same(place.path, other));
    assert_false(la_output_same("/dev/null", "/dev/null"));
    remove_place(&place);
}

/* The spool. */

enum { LINES = 3000, PADDING = 400, PARTS = 3 }; /* several runs of each part */

struct walked {
    size_t count;
};

/* Every line begins with its rank in the order, as digits. */
static bool check_line(void *context, char *line, size_t length) {
    struct walked *walked = context;
    assert_int_equal(length, 8 + PADDING);
    char expected[16];
    snprintf(expected, sizeof expected, "%08zu", walked->count);
    assert_memory_equal(line, expected, 8);
    for (size_t i = 8; i < length; i++)
        assert_int_equal(line[i], line[7]);
    walked->count++;
    return true;
}

static void add_line(struct la_spool *spool, unsigned rank) {
    char line[8 + PADDING + 1];
    snprintf(line, 9, "%08u", rank);
    memset(line + 8, line[7], PADDING);
    struct la_spool_key key = {
        .time_ns = (int64_t)rank / 100 - 10, .rank = (uint16_t)(rank / 10 % 10), .tie = rank % 10};
    assert_int_equal(la_spool_add(spool, rank % 7 % PARTS, &key, line, 8 + PADDING, NULL), LA_OK);
}

static void lines_leave_in_order_however_they_came(void **unused) {
    (void)unused;
    struct la_spool *spool = la_spool_new(PARTS);
    struct walked walked = {0};
    assert_non_null(spool);
    for (unsigned i = 0; i < LINES; i++)
        add_line(spool, i * 1009 % LINES); /* 1009 is prime: every rank once */
    assert_int_equal(la_spool_walk(spool, check_line, &walked, NULL), LA_OK);
    assert_int_equal(walked.count, LINES);
    la_spool_free(spool);
}

/* Behind the key each says when it came. */
static bool check_arrival(void *context, char *line, size_t length) {
    struct walked *walked = context;
    unsigned came;
    assert_true(length >= sizeof came);
    memcpy(&came, line, sizeof came);
    assert_int_equal(came, walked->count++);
    return true;
}

static void equal_lines_leave_as_they_came(void **unused) {
    (void)unused;
    struct la_spool *spool = la_spool_new(PARTS);
    struct walked walked = {0};
    char line[PADDING] = {0};
    const struct la_spool_key key = {.time_ns = 1};
    assert_non_null(spool);
    for (unsigned i = 0; i < LINES; i++) {
        memcpy(line, &i, sizeof i);
        /* Of any length, also none that a word divides. */
        uint32_t length = (uint32_t)(sizeof i + i * 37 % (PADDING - sizeof i));
        assert_int_equal(la_spool_add(spool, 1, &key, line, length, NULL), LA_OK);
    }
    assert_int_equal(la_spool_walk(spool, check_arrival, &walked, NULL), LA_OK);
    assert_int_equal(walked.count, LINES);
    la_spool_free(spool);
}

static bool stop_after_two(void *context, char *line, size_t length) {
    (void)line, (void)length;
    return ++*(int *)context < 2;
}

static void a_walk_may_end_early(void **unused) {
    (void)unused;
    struct la_spool *spool = la_spool_new(PARTS);
    int visited = 0;
    assert_int_equal(la_spool_walk(spool, stop_after_two, &visited, NULL), LA_OK);
    assert_int_equal(visited, 0);
    for (unsigned i = 0; i < 10; i++)
        add_line(spool, i);
    assert_int_equal(la_spool_walk(spool, stop_after_two, &visited, NULL), LA_OK);
    assert_int_equal(visited, 2);
    la_spool_free(spool);
}

static void a_line_longer_than_the_buffer_is_kept(void **unused) {
    (void)unused;
    enum { LONG = 1 << 20 };
    struct la_spool *spool = la_spool_new(PARTS);
    char *line = malloc(LONG);
    assert_non_null(line);
    memset(line, 'x', LONG);
    struct la_spool_key key = {.time_ns = 1000};
    add_line(spool, 1);
    assert_int_equal(la_spool_add(spool, 0, &key, line, LONG, NULL), LA_OK);
    add_line(spool, 0);
    int visited = -8; /* all of them */
    assert_int_equal(la_spool_walk(spool, stop_after_two, &visited, NULL), LA_OK);
    assert_int_equal(visited, -5);
    free(line);
    la_spool_free(spool);
}

static void a_missing_tmpdir_is_told(void **unused) {
    (void)unused;
    struct la_spool *spool = la_spool_new(PARTS);
    struct la_error err = {0};
    char line[4096];
    struct la_spool_key key = {0};
    enum la_status status = LA_OK;
    memset(line, 'x', sizeof line);
    setenv("TMPDIR", "/nonexistent", 1);
    for (int i = 0; i < 100 && status == LA_OK; i++)
        status = la_spool_add(spool, 0, &key, line, sizeof line, &err);
    unsetenv("TMPDIR");
    assert_int_equal(status, LA_EOUTPUT);
    assert_non_null(strstr(err.text, "/nonexistent"));
    la_spool_free(spool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_committed_file_replaces_the_old_one),
        cmocka_unit_test(without_commit_nothing_has_happened),
        cmocka_unit_test(a_signal_leaves_no_temporary_file),
        cmocka_unit_test(a_link_keeps_leading_to_the_file),
        cmocka_unit_test(a_full_device_is_told_at_the_end),
        cmocka_unit_test(an_impossible_place_is_told_at_once),
        cmocka_unit_test(the_same_file_is_recognised),
        cmocka_unit_test(lines_leave_in_order_however_they_came),
        cmocka_unit_test(equal_lines_leave_as_they_came),
        cmocka_unit_test(a_walk_may_end_early),
        cmocka_unit_test(a_line_longer_than_the_buffer_is_kept),
        cmocka_unit_test(a_missing_tmpdir_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
