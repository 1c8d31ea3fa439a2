/* The yardstick of the benchmark: reads a capture with pcap_next_ex, finds the TCP header and
 * counts FINs. Less than this no analyser built on libpcap can do. Ethernet and IPv4 only: it reads
 * what gen.c writes. */
#define _DEFAULT_SOURCE /* pcap.h needs u_char */
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>

enum { ETHERNET = 14, TCP_PROTOCOL = 6, FIN = 0x01 };

/* The flags of a packet's TCP header, 0 when it has none. */
static uint8_t tcp_flags(const uint8_t *frame, uint32_t length) {
    if (length < ETHERNET + 20 || frame[12] != 0x08 || frame[13] != 0x00) {
        return 0;
    }
    const uint8_t *ip = frame + ETHERNET;
    uint32_t tcp = ETHERNET + (ip[0] & 0x0fU) * 4U;
    return ip[9] == TCP_PROTOCOL && length >= tcp + 20 ? frame[tcp + 13] : 0;
}

int main(int argc, char **argv) {
    char error[PCAP_ERRBUF_SIZE];
    if (argc != 2) {
        fputs("usage: bareloop FILE\n", stderr);
        return 2;
    }
    pcap_t *capture = pcap_open_offline(argv[1], error);
    if (capture == NULL) {
        fprintf(stderr, "bareloop: %s\n", error);
        return 1;
    }
    struct pcap_pkthdr *header;
    const u_char *frame;
    uint64_t packets = 0, fins = 0;
    int status;
    while ((status = pcap_next_ex(capture, &header, &frame)) == 1) {
        packets++;
        fins += tcp_flags(frame, header->caplen) & FIN;
    }
    if (status == PCAP_ERROR) {
        fprintf(stderr, "bareloop: %s\n", pcap_geterr(capture));
    }
    pcap_close(capture);
    printf("%" PRIu64 " packets, %" PRIu64 " FINs\n", packets, fins);
    return status == PCAP_ERROR ? 1 : 0;
}
