/* Writes a synthetic capture for the benchmark: the same bytes for the same arguments, everywhere.
 *
 *   gen [-s SCALE] [-t TIMESCALE] [-c CONCURRENCY] [-r SEED] SHAPE FILE
 *
 *   churn  1,000,000 connections of 7 bare segments, 10,000 at a time     7.0 M packets, 590 MB
 *   web      200,000 connections: a request, an answer of 4 full segments  2.8 M packets, 1.5 GB
 *   bulk         200 connections of full segments, an ACK for every two    1.5 M packets, 1.6 GB
 *   flood  5,000,000 SYNs from 5,000,000 addresses and ports               5.0 M packets, 450 MB
 *
 * SCALE multiplies the number of connections (for bulk, of segments), TIMESCALE the time between
 * two packets, CONCURRENCY replaces the number of connections open at a time. Connections are
 * interleaved at random; churn and web have 50,000 clients and 100 servers. Headers are what Linux
 * sends over Ethernet: options in its order, timestamps that tick, valid checksums. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CLIENTS = 50000,
    SERVERS = 100,
    FIRST_PORT = 32768, /* the kernel's ephemeral range */
    LAST_PORT = 60999,
    MSS = 1448, /* with timestamps */
    REQUEST = 300,
    ETHERNET = 14,
    IP = 20,
    TCP = 20,
    SYN_OPTIONS = 20,
    OPTIONS = 12,
    FRAME_MAX = ETHERNET + IP + TCP + SYN_OPTIONS + MSS,
    RECORD = 16, /* the header of a pcap record */
    NOISE = 1 << 16,
};

enum { FIN = 0x01, SYN = 0x02, PSH = 0x08, ACK = 0x10 };
enum { CLIENT, SERVER };

/* One segment of a shape's script. */
struct step {
    uint8_t from;
    uint8_t flags;
    uint16_t payload;
};

struct shape {
    const char *name;
    uint64_t connections;
    uint64_t concurrency;
    int64_t gap_ns;    /* between two packets, whichever connection they belong to */
    uint32_t script;   /* index into scripts[] */
    uint64_t segments; /* of all connections together, where the script has a loop */
    bool flood;        /* every attempt from another address, all at one server */
};

static const struct step scripts[][16] = {
    /* bare: opened and closed */
    {{CLIENT, SYN, 0},
     {SERVER, SYN | ACK, 0},
     {CLIENT, ACK, 0},
     {CLIENT, FIN | ACK, 0},
     {SERVER, ACK, 0},
     {SERVER, FIN | ACK, 0},
     {CLIENT, ACK, 0}},
    /* a request, its answer, closed by the server */
    {{CLIENT, SYN, 0},
     {SERVER, SYN | ACK, 0},
     {CLIENT, ACK, 0},
     {CLIENT, PSH | ACK, REQUEST},
     {SERVER, ACK, 0},
     {SERVER, ACK, MSS},
     {SERVER, ACK, MSS},
     {CLIENT, ACK, 0},
     {SERVER, ACK, MSS},
     {SERVER, PSH | ACK, MSS},
     {CLIENT, ACK, 0},
     {SERVER, FIN | ACK, 0},
     {CLIENT, FIN | ACK, 0},
     {SERVER, ACK, 0}},
    /* a transfer: steps 3 to 5 again and again */
    {{CLIENT, SYN, 0},
     {SERVER, SYN | ACK, 0},
     {CLIENT, ACK, 0},
     {SERVER, ACK, MSS},
     {SERVER, ACK, MSS},
     {CLIENT, ACK, 0},
     {SERVER, FIN | ACK, 0},
     {CLIENT, FIN | ACK, 0},
     {SERVER, ACK, 0}},
    /* an attempt that nobody answers */
    {{CLIENT, SYN, 0}},
};
enum { LOOP_FIRST = 3, LOOP_END = 6 }; /* of the transfer */

/* The gaps make churn last 49 s, so that all of it is remembered at once (TIME_WAIT is 60 s). */
static const struct shape shapes[] = {
    {"churn", 1000000, 10000, 7000, 0, 0, false},
    {"web", 200000, 2000, 17000, 1, 0, false},
    {"bulk", 200, 200, 30000, 2, 1500000, false},
    {"flood", 5000000, 1, 10000, 3, 0, true},
};

struct endpoint {
    uint32_t addr; /* host order, as everything in this program */
    uint16_t port;
    uint32_t seq;
    uint32_t last_tsval;
};

struct connection {
    struct endpoint ends[2];
    uint32_t script;
    uint32_t step;
    uint64_t loops; /* of the transfer's loop, still to come */
};

struct generator {
    const struct shape *shape;
    FILE *out;
    uint64_t rng;
    int64_t now_ns;
    int64_t gap_ns;
    uint64_t packets;
    uint64_t opened;
    uint64_t loops;
    uint16_t next_port[CLIENTS]; /* offset into the ephemeral range */
    uint8_t noise[NOISE + MSS];  /* what payloads are cut from */
};

/* splitmix64 */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static uint32_t random_below(struct generator *g, uint32_t limit) {
    return (uint32_t)(((next_random(&g->rng) >> 32) * limit) >> 32);
}

static uint8_t *put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value) {
    return put16(put16(at, value >> 16), value & 0xffff);
}

/* The Internet checksum's sum, not folded; `length` may be odd only in the last call. */
static uint64_t sum_bytes(uint64_t sum, const uint8_t *bytes, size_t length) {
    size_t i = 0;
    for (; i + 1 < length; i += 2) {
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    }
    return i < length ? sum + (uint32_t)(bytes[i] << 8) : sum;
}

static uint32_t fold(uint64_t sum) {
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint32_t)(~sum & 0xffff);
}

/* A host's timestamp clock: milliseconds from an offset of its own. */
static uint32_t host_tsval(const struct generator *g, uint32_t addr) {
    uint64_t state = addr;
    return (uint32_t)next_random(&state) + (uint32_t)(g->now_ns / 1000000);
}

static uint8_t *put_timestamps(uint8_t *at, uint32_t tsval, uint32_t tsecr) {
    *at++ = 8;
    *at++ = 10;
    return put32(put32(at, tsval), tsecr);
}

static uint8_t *put_options(uint8_t *at, bool syn, uint32_t tsval, uint32_t tsecr) {
    if (!syn) {
        *at++ = 1; /* no operation, twice */
        *at++ = 1;
        return put_timestamps(at, tsval, tsecr);
    }
    at = put32(at, 0x02040000 | (MSS + OPTIONS));
    at = put16(at, 0x0402); /* SACK permitted */
    at = put_timestamps(at, tsval, tsecr);
    return put32(at, 0x01030307); /* no operation, window scale 7 */
}

static uint8_t *put_ethernet(uint8_t *at, uint32_t from, uint32_t to) {
    at = put32(put16(at, 0x0200), to);
    at = put32(put16(at, 0x0200), from);
    return put16(at, 0x0800);
}

static uint8_t *put_ip(uint8_t *at, uint32_t id, size_t payload, uint32_t from, uint32_t to) {
    uint8_t *header = at;
    at = put16(at, 0x4500);
    at = put16(at, (uint32_t)(IP + payload));
    at = put16(at, id & 0xffff);
    at = put16(at, 0x4000); /* do not fragment */
    at = put16(at, 0x4006); /* TTL 64, TCP */
    at = put16(at, 0);
    at = put32(put32(at, from), to);
    put16(header + 10, fold(sum_bytes(0, header, IP)));
    return at;
}

/* pcap headers are in the writer's byte order; this program writes little-endian ones everywhere.
 */
static uint8_t *put32_le(uint8_t *at, uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
        *at++ = (uint8_t)(value >> shift);
    }
    return at;
}

static bool write_file_header(FILE *out) {
    uint8_t header[24];
    uint8_t *at = put32_le(header, 0xa1b2c3d4);
    at = put32_le(at, 4 << 16 | 2); /* version 2.4 */
    at = put32_le(put32_le(at, 0), 0);
    at = put32_le(at, 262144);
    put32_le(at, 1); /* Ethernet */
    return fwrite(header, sizeof header, 1, out) == 1;
}

static bool write_record(struct generator *g, const uint8_t *frame, size_t length) {
    uint8_t header[RECORD];
    uint8_t *at = put32_le(header, (uint32_t)(g->now_ns / 1000000000));
    at = put32_le(at, (uint32_t)(g->now_ns % 1000000000 / 1000));
    at = put32_le(at, (uint32_t)length);
    put32_le(at, (uint32_t)length);
    g->packets++;
    return fwrite(header, sizeof header, 1, g->out) == 1 && fwrite(frame, length, 1, g->out) == 1;
}

static bool write_segment(struct generator *g, struct connection *conn, const struct step *step) {
    struct endpoint *from = &conn->ends[step->from];
    const struct endpoint *to = &conn->ends[!step->from];
    bool syn = (step->flags & SYN) != 0;
    bool ack = (step->flags & ACK) != 0;
    uint32_t offset = TCP + (syn ? SYN_OPTIONS : OPTIONS);
    uint8_t frame[FRAME_MAX];

    from->last_tsval = host_tsval(g, from->addr);
    uint8_t *at = put_ethernet(frame, from->addr, to->addr);
    at = put_ip(at, (uint32_t)g->packets, offset + step->payload, from->addr, to->addr);

    uint8_t *tcp = at;
    at = put16(put16(at, from->port), to->port);
    at = put32(put32(at, from->seq), ack ? to->seq : 0);
    at = put16(at, offset << 10 | step->flags);
    at = put16(at, syn ? 64240 : 502); /* the window; scaled by 7 it is the same one */
    at = put32(at, 0);                 /* checksum and urgent pointer */
    at = put_options(at, syn, from->last_tsval, ack ? to->last_tsval : 0);
    if (step->payload > 0) {
        memcpy(at, g->noise + random_below(g, NOISE), step->payload);
        at += step->payload;
    }
    size_t length = (size_t)(at - tcp);
    uint64_t sum = sum_bytes(6 + length, tcp - 8, 8 + length); /* with the addresses before it */
    put16(tcp + 16, fold(sum));

    from->seq += step->payload + ((step->flags & (SYN | FIN)) != 0 ? 1U : 0U);
    return write_record(g, frame, (size_t)(at - frame));
}

/* A flood's source: no two alike among the first 2^23 (10.128.0.0/9), in no order. */
static struct endpoint new_source(struct generator *g) {
    uint32_t host = (uint32_t)(g->opened * 2654435761U) & 0x7fffff;
    return (struct endpoint){.addr = 0x0a800000 + host,
                             .port = (uint16_t)(1024 + random_below(g, 64512)),
                             .seq = (uint32_t)next_random(&g->rng)};
}

/* One of the clients (in 172.16.0.0/12), on the port that it has not used for longest. */
static struct endpoint new_client(struct generator *g) {
    uint32_t host = random_below(g, CLIENTS);
    uint16_t offset = g->next_port[host];
    g->next_port[host] = (uint16_t)((offset + 1) % (LAST_PORT - FIRST_PORT + 1));
    return (struct endpoint){.addr = 0xac100001 + host,
                             .port = (uint16_t)(FIRST_PORT + offset),
                             .seq = (uint32_t)next_random(&g->rng)};
}

static void open_connection(struct generator *g, struct connection *conn) {
    bool flood = g->shape->flood;
    conn->ends[CLIENT] = flood ? new_source(g) : new_client(g);
    conn->ends[SERVER] =
        (struct endpoint){.addr = 0x0a000001 + (flood ? 0 : random_below(g, SERVERS)),
                          .port = 443,
                          .seq = (uint32_t)next_random(&g->rng)};
    conn->script = g->shape->script;
    conn->step = 0;
    conn->loops = g->loops;
    g->opened++;
}

/* Writes the connection's next segment; `*more` says whether another one follows. */
static bool advance(struct generator *g, struct connection *conn, bool *more) {
    const struct step *script = scripts[conn->script];
    bool written = write_segment(g, conn, &script[conn->step]);
    conn->step++;
    if (conn->step == LOOP_END && conn->loops > 1) {
        conn->loops--;
        conn->step = LOOP_FIRST;
    }
    *more = conn->step < 16 && script[conn->step].flags != 0;
    g->now_ns += g->gap_ns / 2 + (int64_t)random_below(g, (uint32_t)g->gap_ns);
    return written;
}

static bool generate(struct generator *g, uint64_t connections, uint64_t concurrency) {
    uint64_t open = concurrency < connections ? concurrency : connections;
    struct connection *slots = calloc(open > 0 ? open : 1, sizeof *slots);
    bool ok = slots != NULL && open <= UINT32_MAX && write_file_header(g->out);
    for (uint64_t i = 0; ok && i < open; i++) {
        open_connection(g, &slots[i]);
    }
    while (ok && open > 0) {
        struct connection *conn = &slots[random_below(g, (uint32_t)open)];
        bool more;
        ok = advance(g, conn, &more);
        if (!more && g->opened < connections) {
            open_connection(g, conn);
        } else if (!more) {
            *conn = slots[--open];
        }
    }
    free(slots);
    return ok;
}

static const struct shape *find_shape(const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            return &shapes[i];
        }
    }
    return NULL;
}

static struct generator *generator_new(const struct shape *shape, FILE *out, uint64_t seed) {
    struct generator *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return NULL;
    }
    g->shape = shape;
    g->out = out;
    g->rng = seed;
    g->now_ns = INT64_C(1796731200) * 1000000000; /* 2026-12-08T12:00:00Z */
    for (size_t i = 0; i < sizeof g->noise; i++) {
        g->noise[i] = (uint8_t)next_random(&g->rng);
    }
    return g;
}

static int usage(void) {
    fputs("usage: gen [-s SCALE] [-t TIMESCALE] [-c CONCURRENCY] [-r SEED] "
          "churn|web|bulk|flood FILE\n",
          stderr);
    return 2;
}

int main(int argc, char **argv) {
    double scale = 1, time_scale = 1;
    uint64_t concurrency = 0, seed = 1;
    int option;
    while ((option = getopt(argc, argv, "s:t:c:r:")) != -1) {
        switch (option) {
        case 's':
            scale = strtod(optarg, NULL);
            break;
        case 't':
            time_scale = strtod(optarg, NULL);
            break;
        case 'c':
            concurrency = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            seed = strtoull(optarg, NULL, 10);
            break;
        default:
            return usage();
        }
    }
    const struct shape *shape = argc - optind == 2 ? find_shape(argv[optind]) : NULL;
    if (shape == NULL || !(scale > 0) || !(time_scale > 0)) {
        return usage();
    }
    const char *path = argv[optind + 1];
    FILE *out = fopen(path, "wb");
    struct generator *g = out != NULL ? generator_new(shape, out, seed) : NULL;
    if (g == NULL) {
        perror(path);
        return 1;
    }
    uint64_t connections = shape->connections;
    if (shape->segments > 0) {
        g->loops = (uint64_t)((double)shape->segments * scale) / (3 * connections);
    } else {
        connections = (uint64_t)((double)connections * scale);
    }
    g->gap_ns = (int64_t)((double)shape->gap_ns * time_scale);
    bool ok = generate(g, connections, concurrency > 0 ? concurrency : shape->concurrency);
    ok = fclose(out) == 0 && ok;
    if (!ok) {
        perror(path);
    } else {
        printf("%s: %" PRIu64 " packets, %" PRIu64 " connections\n", path, g->packets, g->opened);
    }
    free(g);
    return ok ? 0 : 1;
}
