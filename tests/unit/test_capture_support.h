/* What the tests of the capture room share: capture files written byte by byte, in a directory of
 * their own, and everything that a capture delivers kept to be looked at. */
#ifndef LA_TEST_CAPTURE_SUPPORT_H
#define LA_TEST_CAPTURE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "capture/capture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes */

struct bytes {
    uint8_t *data;
    size_t len, capacity;
    bool big; /* byte order of what is put */
};

static inline void put(struct bytes *b, const void *data, size_t len) {
    if (b->len + len > b->capacity) {
        b->capacity = (b->len + len) * 2 + 64;
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

static inline void put_number(struct bytes *b, uint64_t value, unsigned size) {
    uint8_t out[8];
    for (unsigned i = 0; i < size; i++)
        out[b->big ? size - 1 - i : i] = (uint8_t)(value >> (8 * i));
    put(b, out, size);
}

static inline void put_u16(struct bytes *b, uint32_t value) {
    put_number(b, value, 2);
}

static inline void put_u32(struct bytes *b, uint32_t value) {
    put_number(b, value, 4);
}

static inline void put_u64(struct bytes *b, uint64_t value) {
    put_number(b, value, 8);
}

static inline void overwrite_u32(struct bytes *b, size_t at, uint32_t value) {
    struct bytes one = {.big = b->big};
    put_u32(&one, value);
    memcpy(b->data + at, one.data, 4);
    free(one.data);
}

/* `len` bytes that differ from packet to packet. */
static inline void put_filler(struct bytes *b, size_t len, uint32_t seed) {
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)(seed * 31 + i);
        put(b, &byte, 1);
    }
}

/* pcap */

enum { MICRO = 0, NANO = 1, KUZNETZOV = 2 };

static inline void put_pcap_header(struct bytes *b, int kind, uint32_t linktype) {
    static const uint32_t magic[] = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34};
    put_u32(b, magic[kind]);
    put_u16(b, 2);
    put_u16(b, 4);
    put_u64(b, 0);
    put_u32(b, 65535);
    put_u32(b, linktype);
}

static inline void put_pcap_record(struct bytes *b, int kind, int64_t time_ns, uint32_t caplen) {
    put_u32(b, (uint32_t)(time_ns / LA_SEC));
    put_u32(b, (uint32_t)(time_ns % LA_SEC / (kind == NANO ? 1 : 1000)));
    put_u32(b, caplen);
    put_u32(b, caplen + 10);
    if (kind == KUZNETZOV)
        put_u64(b, 0x0102030405060708);
    put_filler(b, caplen, (uint32_t)b->len);
}

/* A pcap file with `count` packets, `step_ns` apart. */
static inline struct bytes make_pcap(size_t count, int64_t start_ns, int64_t step_ns) {
    struct bytes b = {0};
    put_pcap_header(&b, NANO, 1);
    for (size_t i = 0; i < count; i++)
        put_pcap_record(&b, NANO, start_ns + (int64_t)i * step_ns, 40 + (uint32_t)(i % 50));
    return b;
}

/* pcapng: a block is begun, filled and ended. */

static inline size_t begin_block(struct bytes *b, uint32_t type) {
    put_u32(b, type);
    put_u32(b, 0);
    return b->len - 8;
}

static inline void pad_to_4(struct bytes *b, size_t since) {
    while ((b->len - since) % 4 != 0)
        put(b, "", 1);
}

static inline void end_block(struct bytes *b, size_t begin) {
    pad_to_4(b, begin);
    uint32_t length = (uint32_t)(b->len - begin + 4);
    overwrite_u32(b, begin + 4, length);
    put_u32(b, length);
}

static inline void put_option(struct bytes *b, uint32_t code, const void *value, uint32_t len) {
    put_u16(b, code);
    put_u16(b, len);
    size_t begin = b->len;
    put(b, value, len);
    pad_to_4(b, begin);
}

static inline void put_option_u64(struct bytes *b, uint32_t code, uint64_t value) {
    put_u16(b, code);
    put_u16(b, 8);
    put_u64(b, value);
}

static inline void put_section(struct bytes *b, uint64_t length) {
    size_t begin = begin_block(b, 0x0a0d0d0a);
    put_u32(b, 0x1a2b3c4d);
    put_u16(b, 1);
    put_u16(b, 0);
    put_u64(b, length);
    end_block(b, begin);
}

static inline size_t begin_interface(struct bytes *b, uint32_t linktype, uint32_t snaplen) {
    size_t begin = begin_block(b, 1);
    put_u16(b, linktype);
    put_u16(b, 0);
    put_u32(b, snaplen);
    return begin;
}

static inline void put_interface(struct bytes *b, uint32_t linktype, uint32_t snaplen) {
    end_block(b, begin_interface(b, linktype, snaplen));
}

static inline void put_interface_tsresol(struct bytes *b, uint8_t tsresol) {
    size_t begin = begin_interface(b, 1, 65535);
    put_option(b, 9, &tsresol, 1);
    put_option(b, 0, NULL, 0);
    end_block(b, begin);
}

static inline void put_enhanced(struct bytes *b, uint32_t interface, uint64_t units,
                                uint32_t caplen) {
    size_t begin = begin_block(b, 6);
    put_u32(b, interface);
    put_u32(b, (uint32_t)(units >> 32));
    put_u32(b, (uint32_t)units);
    put_u32(b, caplen);
    put_u32(b, caplen + 10);
    put_filler(b, caplen, (uint32_t)b->len);
    end_block(b, begin);
}

/* Files */

/* Makes the directory in which a test runs; the test's paths are relative to it. */
static inline int enter_own_directory(void **state) {
    char *path = strdup("/tmp/test_capture.XXXXXX");
    if (!path || !mkdtemp(path) || chdir(path) != 0)
        return -1;
    *state = path;
    return 0;
}

static inline void empty_directory(const char *path) {
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char name[600];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(name) != 0)
            rmdir(name);
    }
    closedir(dir);
}

static inline int leave_own_directory(void **state) {
    empty_directory("d");
    empty_directory(".");
    int failed = chdir("/") != 0 || rmdir(*state) != 0;
    free(*state);
    return failed;
}

static inline void write_part(const char *name, const void *data, size_t len) {
    unlink(name); /* ext4 writes a file through to the disk that is truncated and written anew */
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Writes and frees. */
static inline void write_bytes(const char *name, struct bytes b) {
    write_part(name, b.data, b.len);
    free(b.data);
}

/* Captures */

struct seen {
    struct la_capture *capture;
    struct la_packet *packets; /* their data are copies, owned */
    size_t count, capacity;
    struct la_error add_error; /* of the last la_capture_add() that failed */
};

static inline void keep(struct seen *s, const struct la_packet *p) {
    if (s->count == s->capacity) {
        s->capacity = s->capacity * 2 + 64;
        s->packets = realloc(s->packets, s->capacity * sizeof *s->packets);
    }
    uint8_t *copy = malloc(p->caplen + 1);
    assert_true(s->packets && copy);
    memcpy(copy, p->data, p->caplen);
    s->packets[s->count] = *p;
    s->packets[s->count++].data = copy;
}

static inline void drain(struct seen *s, size_t batch) {
    struct la_packet packets[512];
    size_t count;
    struct la_error err = {0};
    enum la_status status;
    while ((status = la_capture_next_batch(s->capture, packets, batch, &count, &err)) == LA_OK) {
        assert_in_range(count, 1, batch);
        for (size_t i = 0; i < count; i++)
            keep(s, &packets[i]);
    }
    assert_int_equal(status, LA_END);
}

/* Reads the inputs of a NULL-terminated list to their end, `batch` packets at a time. */
static inline struct seen read_with(const struct la_capture_options *options,
                                    const char *const *paths, size_t batch) {
    struct seen s = {0};
    struct la_error err = {0};
    assert_int_equal(la_capture_new(options, &s.capture, &err), LA_OK);
    for (; *paths; paths++)
        la_capture_add(s.capture, *paths, &s.add_error);
    drain(&s, batch);
    return s;
}

static inline struct seen read_one(const char *path) {
    const struct la_capture_options none = {0};
    const char *paths[] = {path, NULL};
    return read_with(&none, paths, 64);
}

static inline const struct la_input *input_of(const struct seen *s, size_t index) {
    assert_in_range(index, 0, la_capture_input_count(s->capture) - 1);
    return la_capture_input(s->capture, index);
}

static inline void forget(struct seen *s) {
    for (size_t i = 0; i < s->count; i++)
        free((void *)(uintptr_t)s->packets[i].data);
    free(s->packets);
    la_capture_free(s->capture);
    *s = (struct seen){0};
}

static inline void assert_same_packet(const struct la_packet *a, const struct la_packet *b) {
    assert_true(a->time_ns == b->time_ns);
    assert_int_equal(a->len, b->len);
    assert_int_equal(a->caplen, b->caplen);
    assert_memory_equal(a->data, b->data, a->caplen);
}

static inline void assert_same_packets(const struct seen *a, const struct seen *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_same_packet(&a->packets[i], &b->packets[i]);
}

static inline void assert_says(const struct la_error *error, enum la_status status,
                               const char *part) {
    assert_int_equal(error->status, status);
    if (!strstr(error->text, part))
        fail_msg("'%s' does not say '%s'", error->text, part);
}

#define TEST_START_NS (INT64_C(1700000000) * LA_SEC)
#define la_test(f) cmocka_unit_test_setup_teardown(f, enter_own_directory, leave_own_directory)

#endif
