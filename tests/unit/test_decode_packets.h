/* Packets for the tests of src/decode, built from the inside out: each function puts one header in
 * front of what is there, with the lengths that fit. */
#ifndef TEST_DECODE_PACKETS_H
#define TEST_DECODE_PACKETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decode/decode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEST_ROOM = 8192,
    TEST_SPORT = 40000,
    TEST_DPORT = 80,
    TEST_PAYLOAD = 11,
    TEST_WINDOW = 0x1234,
    TEST_TTL = 63,
};
#define TEST_SEQ 0x11223344u
#define TEST_ACK 0x55667788u
#define TEST_TSVAL 0xcafe0001u
#define TEST_TSECR 0xbeef0002u

enum { ETHERNET = 1, SLL = 113, SLL2 = 276, RAW = 101 }; /* link types */

struct test_packet {
    uint8_t room[TEST_ROOM];
    size_t start; /* the packet is room[start..] */
    uint16_t linktype;
    uint32_t wire_extra; /* bytes on the wire beyond the captured ones */
};

static const uint8_t test_src4[4] = {192, 0, 2, 1}, test_dst4[4] = {198, 51, 100, 2};
static const uint8_t test_src6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
static const uint8_t test_dst6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 2};
static const uint8_t test_timestamps[12] = {1, 1, 8, 10, 0xca, 0xfe, 0, 1, 0xbe, 0xef, 0, 2};

static inline size_t size_of(const struct test_packet *p) {
    return TEST_ROOM - p->start;
}

static inline uint8_t *at(struct test_packet *p, size_t offset) {
    return p->room + p->start + offset;
}

static inline void begin(struct test_packet *p) {
    memset(p, 0, sizeof *p);
    p->start = TEST_ROOM;
    p->linktype = ETHERNET;
}

/* Puts bytes in front. */
static inline void put(struct test_packet *p, const void *bytes, size_t n) {
    assert_true(n <= p->start);
    p->start -= n;
    memcpy(at(p, 0), bytes, n);
}

static inline void put8(struct test_packet *p, unsigned value) {
    uint8_t byte = (uint8_t)value;
    put(p, &byte, 1);
}

static inline void put16(struct test_packet *p, unsigned value) {
    put8(p, value & 0xff);
    put8(p, value >> 8 & 0xff);
}

static inline void put32(struct test_packet *p, uint32_t value) {
    put16(p, value & 0xffff);
    put16(p, value >> 16);
}

static inline void put_zeros(struct test_packet *p, size_t n) {
    while (n-- > 0)
        put8(p, 0);
}

/* Puts bytes behind: padding. */
static inline void append(struct test_packet *p, size_t n) {
    size_t size = size_of(p);
    memmove(at(p, 0) - n, at(p, 0), size);
    p->start -= n;
    memset(at(p, size), 0, n);
}

struct test_tcp {
    unsigned flags;
    const uint8_t *options;
    size_t option_bytes; /* a multiple of 4 */
    size_t payload;
};

static inline void put_tcp(struct test_packet *p, const struct test_tcp *tcp) {
    for (size_t i = tcp->payload; i > 0; i--)
        put8(p, 'a' + (unsigned)(i % 26));
    if (tcp->option_bytes > 0)
        put(p, tcp->options, tcp->option_bytes);
    put32(p, 0); /* checksum, urgent */
    put16(p, TEST_WINDOW);
    put8(p, tcp->flags);
    put8(p, (unsigned)(20 + tcp->option_bytes) / 4 << 4);
    put32(p, TEST_ACK);
    put32(p, TEST_SEQ);
    put16(p, TEST_DPORT);
    put16(p, TEST_SPORT);
}

static inline void put_usual_tcp(struct test_packet *p) {
    put_tcp(p, &(struct test_tcp){.flags = LA_ACK | LA_PSH,
                                  .options = test_timestamps,
                                  .option_bytes = sizeof test_timestamps,
                                  .payload = TEST_PAYLOAD});
}

struct test_ipv4 {
    uint8_t protocol;
    uint16_t fragment; /* the field with flags and offset */
    uint16_t id;
    const uint8_t *options;
    size_t option_bytes;
};

static inline void put_ipv4_with(struct test_packet *p, const struct test_ipv4 *ip) {
    if (ip->option_bytes > 0)
        put(p, ip->options, ip->option_bytes);
    put(p, test_dst4, 4);
    put(p, test_src4, 4);
    put16(p, 0); /* nobody here verifies it */
    put8(p, ip->protocol);
    put8(p, TEST_TTL);
    put16(p, ip->fragment);
    put16(p, ip->id);
    put16(p, (unsigned)(size_of(p) + 4));
    put8(p, 0);
    put8(p, 0x40 | (unsigned)(20 + ip->option_bytes) / 4);
}

static inline void put_ipv4(struct test_packet *p, uint8_t protocol) {
    put_ipv4_with(p, &(struct test_ipv4){.protocol = protocol, .id = 7, .fragment = 0x4000});
}

static inline void put_ipv6(struct test_packet *p, uint8_t next) {
    unsigned length = (unsigned)size_of(p);
    put(p, test_dst6, 16);
    put(p, test_src6, 16);
    put8(p, TEST_TTL);
    put8(p, next);
    put16(p, length);
    put32(p, 0x60000000);
}

/* An IPv6 extension header of 8 bytes with nothing in it. */
static inline void put_extension(struct test_packet *p, uint8_t next) {
    put_zeros(p, 4);
    put16(p, 0x0100); /* PadN of none, or type 1 of a routing header */
    put8(p, 0);
    put8(p, next);
}

static inline void put_ethernet(struct test_packet *p, uint16_t type) {
    put16(p, type);
    put_zeros(p, 12);
}

static inline void put_udp(struct test_packet *p, uint16_t port) {
    put16(p, 0);
    put16(p, (unsigned)size_of(p) + 6);
    put16(p, port);
    put16(p, 50000);
}

/* Ethernet, IPv4, TCP. */
static inline void build_plain(struct test_packet *p) {
    begin(p);
    put_usual_tcp(p);
    put_ipv4(p, 6);
    put_ethernet(p, 0x0800);
}

struct outcome {
    enum la_decoded result;
    enum la_undecoded why;
    struct la_segment segment;
};

/* The packet in memory of just its size, so that a sanitizer sees a read beyond it. `segment` is
 * dirtied before. */
static inline struct outcome decode_bytes(struct la_decoder *decoder, const struct la_packet *like,
                                          const uint8_t *bytes) {
    struct outcome outcome;
    struct la_packet packet = *like;
    uint8_t *copy = malloc(packet.caplen ? packet.caplen : 1);
    assert_non_null(copy);
    if (packet.caplen)
        memcpy(copy, bytes, packet.caplen);
    packet.data = copy;
    memset(&outcome, 0xa5, sizeof outcome);
    outcome.result = la_decode(decoder, &packet, &outcome.segment, &outcome.why);
    free(copy);
    return outcome;
}

static inline struct outcome decode_with(struct la_decoder *decoder, struct test_packet *p) {
    struct la_packet packet = {
        .time_ns = 1000,
        .frame = 1,
        .caplen = (uint32_t)size_of(p),
        .len = (uint32_t)size_of(p) + p->wire_extra,
        .linktype = p->linktype,
    };
    return decode_bytes(decoder, &packet, at(p, 0));
}

/* One packet in a decoder of its own; the counts must add up. */
static inline struct outcome decode(struct test_packet *p) {
    struct la_decoder *decoder = la_decoder_new();
    assert_non_null(decoder);
    struct outcome outcome = decode_with(decoder, p);
    la_decoder_finish(decoder);
    const struct la_decode_counts *counts = la_decoder_counts(decoder);
    uint64_t sum = counts->tcp + counts->other;
    for (int i = 0; i < LA_UNDECODED_COUNT; i++)
        sum += counts->undecoded[i];
    assert_int_equal(sum, 1);
    la_decoder_free(decoder);
    return outcome;
}

static inline uint64_t sum_counts(const struct la_decode_counts *counts) {
    uint64_t sum = counts->tcp + counts->other;
    for (int i = 0; i < LA_UNDECODED_COUNT; i++)
        sum += counts->undecoded[i];
    return sum;
}

/* Whether a segment is the one that put_usual_tcp() makes, addresses and lengths included. */
static inline bool is_usual(const struct la_segment *s) {
    struct la_addr src4 = la_addr_from_v4(test_src4), dst4 = la_addr_from_v4(test_dst4);
    struct la_addr src6 = la_addr_from_v6(test_src6), dst6 = la_addr_from_v6(test_dst6);
    bool v4 = la_addr_cmp(&s->src, &src4) == 0 && la_addr_cmp(&s->dst, &dst4) == 0;
    bool v6 = la_addr_cmp(&s->src, &src6) == 0 && la_addr_cmp(&s->dst, &dst6) == 0;
    return (v4 || v6) && s->sport == TEST_SPORT && s->dport == TEST_DPORT && s->seq == TEST_SEQ &&
           s->ack == TEST_ACK && s->flags == (LA_ACK | LA_PSH) && s->payload == TEST_PAYLOAD &&
           s->window == TEST_WINDOW && s->ttl == TEST_TTL;
}

#define assert_usual(answer)                                                                       \
    do {                                                                                           \
        struct outcome usual_ = (answer);                                                          \
        assert_int_equal(usual_.result, LA_DECODED_TCP);                                           \
        assert_true(is_usual(&usual_.segment));                                                    \
        assert_int_equal(usual_.segment.tsval, TEST_TSVAL);                                        \
        assert_int_equal(usual_.segment.tsecr, TEST_TSECR);                                        \
    } while (0)

#define assert_not(answer, reason)                                                                 \
    do {                                                                                           \
        struct outcome not_ = (answer);                                                            \
        assert_int_equal(not_.result, LA_DECODED_NOT);                                             \
        assert_string_equal(la_undecoded_name(not_.why), reason);                                  \
    } while (0)

#endif
