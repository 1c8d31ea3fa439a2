/* The floor of the benchmark: the same count as bareloop.c, over a 256 KiB buffer filled by read(2)
 * and walked without copying a packet. It reads what gen.c writes: microsecond pcap, little-endian,
 * Ethernet and IPv4. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, FILE_HEADER = 24, RECORD = 16, ETHERNET = 14, TCP_PROTOCOL = 6 };
enum { FIN = 0x01 };

struct counts {
    uint64_t packets;
    uint64_t fins;
};

static uint32_t le32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The flags of a packet's TCP header, 0 when it has none. */
static uint8_t tcp_flags(const uint8_t *frame, uint32_t length) {
    if (length < ETHERNET + 20 || frame[12] != 0x08 || frame[13] != 0x00) {
        return 0;
    }
    const uint8_t *ip = frame + ETHERNET;
    uint32_t tcp = ETHERNET + (ip[0] & 0x0fU) * 4U;
    return ip[9] == TCP_PROTOCOL && length >= tcp + 20 ? frame[tcp + 13] : 0;
}

/* Counts the whole records of the buffer, and returns how many bytes they are. */
static size_t walk(const uint8_t *buffer, size_t filled, struct counts *counts) {
    size_t at = 0;
    while (filled - at >= RECORD) {
        uint32_t length = le32(buffer + at + 8);
        if (filled - at - RECORD < length) {
            break;
        }
        counts->packets++;
        counts->fins += tcp_flags(buffer + at + RECORD, length) & FIN;
        at += RECORD + length;
    }
    return at;
}

int main(int argc, char **argv) {
    static uint8_t buffer[BUFFER];
    int file = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (file < 0 || read(file, buffer, FILE_HEADER) != FILE_HEADER) {
        fputs("usage: readinplace FILE, a capture that gen wrote\n", stderr);
        return 2;
    }
    struct counts counts = {0, 0};
    size_t kept = 0;
    ssize_t got;
    while ((got = read(file, buffer + kept, BUFFER - kept)) > 0) {
        size_t filled = kept + (size_t)got;
        size_t walked = walk(buffer, filled, &counts);
        kept = filled - walked;
        memmove(buffer, buffer + walked, kept);
    }
    close(file);
    printf("%" PRIu64 " packets, %" PRIu64 " FINs\n", counts.packets, counts.fins);
    return got < 0 || kept > 0 ? 1 : 0;
}
