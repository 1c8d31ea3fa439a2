/* Captures in, raw packets out.
 *
 * A capture is a set of inputs read as ONE timeline: the packets of all of them in the order of
 * their times, whatever the order in which the inputs were added. Formats (pcap with every magic,
 * pcapng, whatever else libpcap reads) and compression (gzip, zstd, xz, lz4, bzip2) are told by
 * content. Nothing above this room knows a file. */
#ifndef LA_CAPTURE_CAPTURE_H
#define LA_CAPTURE_CAPTURE_H

#include "base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A packet as it stands in a file. `data` is borrowed: valid until the next call of
 * la_capture_next_batch(). */
struct la_packet {
    int64_t time_ns;
    uint64_t frame; /* from 1, per input, counted as Wireshark does (every packet record) */
    const uint8_t *data;
    uint32_t caplen;    /* bytes at `data` */
    uint32_t interface; /* numbered from 0 over all sections of the input */
    uint32_t len;       /* bytes that the packet had on the wire; at least caplen */
    uint16_t input;     /* index for la_capture_input() */
    uint16_t linktype;  /* LINKTYPE_ value of the packet's interface (not the host's DLT_ value) */
};

enum la_compression {
    LA_COMPRESSION_NONE,
    LA_COMPRESSION_GZIP,
    LA_COMPRESSION_ZSTD,
    LA_COMPRESSION_XZ,
    LA_COMPRESSION_LZ4,
    LA_COMPRESSION_BZIP2,
};

enum { LA_INPUT_LINKTYPES = 8 };

/* What is known of one input. Complete once la_capture_next_batch() has said LA_END. */
struct la_input {
    const char *path; /* as the user named it; "-" is standard input */
    const char
        *format; /* "pcap", "pcapng", the name libpcap gives, or NULL when nothing was told */
    enum la_compression compression;
    uint16_t
        linktypes[LA_INPUT_LINKTYPES]; /* the first few different ones, in order of appearance */
    size_t linktype_count;
    uint32_t snaplen;  /* the largest of its interfaces; 0: unlimited or unknown */
    int time_digits;   /* digits of the second that its clocks give, 0 to 9: the finest interface.
                          Of fed packets: 6, until a time needs 9 */
    uint64_t packets;  /* packet records read */
    uint64_t filtered; /* of these, left out by the filter or by from/to */
    uint64_t bytes;    /* bytes on the wire of `packets` */
    uint64_t dropped_by_capture; /* what the capturing program says it missed (pcapng isb_ifdrop,
                                    isb_osdrop) */
    bool dropped_known;          /* whether the input says anything about drops */
    int64_t first_ns, last_ns;   /* earliest and latest time; LA_TIME_NONE without a packet */
    uint64_t time_steps_back;    /* packets stamped earlier than the one before them in the input
                                    by more than LA_STEP_BACK_NS */
    struct la_error error;       /* status LA_OK, or why it was not read to its end */
};

/* tcpdump itself writes records some microseconds out of order under load; less than this is no
 * step of a clock. */
#define LA_STEP_BACK_NS INT64_C(10000000)

enum la_when_kind {
    LA_WHEN_NONE,        /* no bound */
    LA_WHEN_ABSOLUTE,    /* ns: nanoseconds since the epoch */
    LA_WHEN_SINCE_FIRST, /* ns: after the first packet of the whole capture */
    LA_WHEN_TIME_OF_DAY, /* ns: after midnight (UTC, or local with `local`) of the day of the first
                            packet of the whole capture */
};

struct la_when {
    enum la_when_kind kind;
    int64_t ns;
    bool local;
};

struct la_capture_options {
    const char *filter;      /* pcap-filter(7) expression, or NULL; borrowed */
    struct la_when from, to; /* packets with from <= time <= to */
    /* NULL, or what a signal handler sets to end reading: la_capture_next_batch() then says LA_END,
     * also when a pipe with nothing in it keeps it waiting (the handler must be installed without
     * SA_RESTART). The inputs tell what was read and no error. Borrowed. */
    const volatile sig_atomic_t *stop;
    /* Large compressed inputs are decompressed in threads of their own, a few at a time. */
    bool read_ahead;
};

struct la_capture;

/* Reads the `--from`/`--to` syntax: RFC 3339, epoch seconds, a time of day "14:03[:07[.5]]", or
 * "+DURATION" from the first packet. False when `text` is none of these. */
bool la_when_parse(const char *text, bool local, struct la_when *out);

/* `*out` is owned by the caller, who frees it with la_capture_free(). `options` is copied, its
 * strings are borrowed. LA_EUSAGE when the filter does not compile (the text says why). */
enum la_status la_capture_new(const struct la_capture_options *options, struct la_capture **out,
                              struct la_error *err);
void la_capture_free(struct la_capture *capture);

/* Adds an input: a file, "-" for standard input, or a directory, which stands for the captures in
 * it (not recursive; files that are no capture are left out there, silently but for their number).
 * `path` is copied. What cannot be opened or recognised becomes an input with its error set, and
 * its status is returned: the others can still be read. */
enum la_status la_capture_add(struct la_capture *capture, const char *path, struct la_error *err);

/* Fills `packets` with up to `max` packets in time order, filter and span applied, and sets
 * `*count`. LA_OK with at least one packet; LA_END when all inputs are at their end or broken (each
 * input's `error` says so); LA_ENOMEM. An input that breaks never stops the others. */
enum la_status la_capture_next_batch(struct la_capture *capture, struct la_packet *packets,
                                     size_t max, size_t *count, struct la_error *err);

/* Takes a packet that no file holds, as if it were the next of an input named LA_INPUT_FED: counts
 * it, sets its `frame`, `input` and `len` (to no less than caplen), and says in `*wanted` whether
 * filter and span let it through. A capture is either fed or has inputs added, not both: LA_EUSAGE.
 * LA_ENOMEM. */
enum la_status la_capture_feed(struct la_capture *capture, struct la_packet *packet, bool *wanted,
                               struct la_error *err);
#define LA_INPUT_FED "(fed)"

/* The time of the first packet of the whole capture, from which times of the kind
 * LA_WHEN_SINCE_FIRST count; LA_TIME_NONE without one, or as long as nothing was read. */
int64_t la_capture_first_ns(const struct la_capture *capture);

/* The latest time of all packets that it has given, or let through; LA_TIME_NONE before any. */
int64_t la_capture_last_ns(const struct la_capture *capture);

/* Files and other entries of added directories that are no captures. */
size_t la_capture_left_out(const struct la_capture *capture);

/* How many threads are decompressing; one that is far enough ahead, and waits, does not count. */
unsigned la_capture_decompressing(const struct la_capture *capture);

size_t la_capture_input_count(const struct la_capture *capture);
/* Borrowed until la_capture_free(). */
const struct la_input *la_capture_input(const struct la_capture *capture, size_t index);
/* Bytes of the (compressed) files read so far, and their total size (0: unknown, a pipe). */
void la_capture_progress(const struct la_capture *capture, uint64_t *done, uint64_t *total);

/* The name of a compression ("none", "gzip", ...). */
const char *la_compression_name(enum la_compression compression);
/* libpcap's name of a LINKTYPE_ value ("EN10MB", ...), or NULL. */
const char *la_linktype_name(uint16_t linktype);

#endif
