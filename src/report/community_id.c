/* https://github.com/corelight/community-id-spec: "1:" and the base64 of the SHA-1 of
 *
 *     seed (2 bytes, 0) | address | address | protocol | 0 | port | port
 *
 * in network order, the smaller end first. */
#include "report/community_id.h"

#include <sha1.h>

enum { PROTOCOL_TCP = 6 };

/* The message and its padding (FIPS 180-4, 5.1.1) are one block. */
enum { MESSAGE_MAX = 2 + 16 + 16 + 2 + 2 + 2, LENGTH_SIZE = 8 };
_Static_assert(MESSAGE_MAX + 1 + LENGTH_SIZE <= SHA1_BLOCK_LENGTH, "one block");

struct writer {
    uint8_t bytes[SHA1_BLOCK_LENGTH];
    size_t length;
};

static void put(struct writer *w, const void *bytes, size_t count) {
    memcpy(w->bytes + w->length, bytes, count);
    w->length += count;
}

static void put_u16(struct writer *w, unsigned value) {
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    put(w, bytes, sizeof bytes);
}

/* IPv4 addresses count 4 bytes here, not the 16 that struct la_addr gives them. */
static void put_addr(struct writer *w, const struct la_addr *addr) {
    size_t skip = la_addr_is_v4(addr) ? 12 : 0;
    put(w, addr->bytes + skip, sizeof addr->bytes - skip);
}

static bool is_reversed(const struct la_flow *flow) {
    int order = la_addr_cmp(&flow->src, &flow->dst);
    return order > 0 || (order == 0 && flow->sport > flow->dport);
}

static void base64(const uint8_t *bytes, size_t count, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes[i + 2] : 0;
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[group & 63] : '=';
    }
    *out = '\0';
}

static void put_big_endian(uint8_t *out, uint32_t value) {
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void digest_block(struct writer *w, uint8_t digest[SHA1_DIGEST_LENGTH]) {
    SHA1_CTX sha1;
    SHA1Init(&sha1);
    put_big_endian(w->bytes + SHA1_BLOCK_LENGTH - 4, (uint32_t)w->length * 8);
    w->bytes[w->length] = 0x80;
    SHA1Transform(sha1.state, w->bytes);
    for (int i = 0; i < SHA1_DIGEST_LENGTH / 4; i++)
        put_big_endian(digest + 4 * i, sha1.state[i]);
}

const char *la_community_id(const struct la_flow *flow, char buf[LA_COMMUNITY_ID_TEXT]) {
    bool reversed = is_reversed(flow);
    struct writer w = {.bytes = {0}};
    put_u16(&w, 0);
    put_addr(&w, reversed ? &flow->dst : &flow->src);
    put_addr(&w, reversed ? &flow->src : &flow->dst);
    put_u16(&w, PROTOCOL_TCP << 8);
    put_u16(&w, reversed ? flow->dport : flow->sport);
    put_u16(&w, reversed ? flow->sport : flow->dport);
    uint8_t digest[SHA1_DIGEST_LENGTH];
    digest_block(&w, digest);
    memcpy(buf, "1:", 2);
    base64(digest, sizeof digest, buf + 2);
    return buf;
}
