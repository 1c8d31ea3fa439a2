/* The pcap format (draft-ietf-opsawg-pcap), with what older programs wrote.
 *
 * Refused: lengths that no packet can have. Tolerated, as libpcap does: the swapped length fields
 * of files before version 2.3, and the upper bits of the link-type field (the length of the FCS).
 */
#include "base/time.h"
#include "capture/bytes.h"
#include "capture/reader.h"

#include <stdlib.h>

enum {
    FILE_HEADER = 24,
    RECORD_HEADER = 16,
    KUZNETZOV_RECORD_HEADER = 24, /* interface index, protocol and packet type follow the lengths */
};

#define MAGIC_MICRO UINT32_C(0xa1b2c3d4)
#define MAGIC_NANO UINT32_C(0xa1b23c4d)
#define MAGIC_KUZNETZOV UINT32_C(0xa1b2cd34)

/* What became of the two length fields of a record. */
enum lengths { LENGTHS_RIGHT, LENGTHS_SWAPPED, LENGTHS_PERHAPS_SWAPPED };

struct pcap_state {
    bool swapped; /* bytes */
    bool nano;
    enum lengths lengths;
    uint32_t record_header;
    uint32_t caplen_max;
    uint16_t linktype;
};

static bool is_magic(uint32_t magic) {
    return magic == MAGIC_MICRO || magic == MAGIC_NANO || magic == MAGIC_KUZNETZOV;
}

static bool pcap_recognise(const uint8_t *head, size_t len) {
    return len >= 4 && (is_magic(load_u32(head, false)) || is_magic(load_u32(head, true)));
}

/* libpcap's rules: before 2.3 the lengths were written the other way round, in 2.3 sometimes, and
 * DG/UX called its version 543.0. False for a version that nobody knows. */
static bool read_version(struct pcap_state *s, uint16_t major, uint16_t minor) {
    if (major == 543 && minor == 0) {
        s->lengths = LENGTHS_SWAPPED;
        return true;
    }
    if (major != 2 || minor > 4)
        return false;
    if (minor < 3)
        s->lengths = LENGTHS_SWAPPED;
    else if (minor == 3)
        s->lengths = LENGTHS_PERHAPS_SWAPPED;
    return true;
}

static uint32_t longest_packet(uint32_t snaplen) {
    if (snaplen <= LA_PACKET_MAX)
        return LA_PACKET_MAX;
    return snaplen < LA_RECORD_MAX ? snaplen : LA_RECORD_MAX;
}

static enum la_status read_header(struct la_reader *r, struct la_error *err) {
    struct pcap_state *s = r->state;
    const uint8_t *h = r->window.data;
    s->swapped = !is_magic(load_u32(h, false));
    uint32_t magic = load_u32(h, s->swapped);
    s->nano = magic == MAGIC_NANO;
    s->record_header = magic == MAGIC_KUZNETZOV ? KUZNETZOV_RECORD_HEADER : RECORD_HEADER;
    uint16_t major = load_u16(h + 4, s->swapped), minor = load_u16(h + 6, s->swapped);
    if (!read_version(s, major, minor))
        return la_fail(err, LA_EINPUT,
                       "%s: is a pcap file of version %u.%u (only 2.0 to 2.4 are known; `editcap` "
                       "may convert it)",
                       la_stream_name(r->path), major, minor);
    uint32_t snaplen = load_u32(h + 16, s->swapped);
    s->caplen_max = longest_packet(snaplen);
    s->linktype = (uint16_t)load_u32(h + 20, s->swapped);
    r->info->snaplen = snaplen;
    la_reader_note_linktype(r, s->linktype);
    la_reader_note_digits(r, s->nano ? 9 : 6);
    r->window.pos = FILE_HEADER;
    r->need = s->record_header;
    return LA_OK;
}

static enum la_status pcap_open(struct la_reader *r, struct la_error *err) {
    enum la_status status = la_reader_need_header(r, FILE_HEADER, err);
    if (status != LA_OK)
        return status;
    r->state = calloc(1, sizeof(struct pcap_state));
    if (!r->state)
        return la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(r->path));
    return read_header(r, err);
}

static void swap_lengths(enum lengths lengths, uint32_t *caplen, uint32_t *len) {
    if (lengths == LENGTHS_SWAPPED || (lengths == LENGTHS_PERHAPS_SWAPPED && *caplen > *len)) {
        uint32_t t = *caplen;
        *caplen = *len;
        *len = t;
    }
}

/* The hot loop of this room: some ten instructions a packet besides the stores. Made once for what
 * nearly all files are, and once for all. */
static inline __attribute__((always_inline)) size_t take_records(struct la_reader *r,
                                                                 struct la_packet *packets,
                                                                 size_t max, bool swapped,
                                                                 enum lengths lengths) {
    const struct pcap_state s = *(const struct pcap_state *)r->state;
    struct la_window *w = &r->window;
    const int64_t unit = s.nano ? 1 : LA_USEC;
    const uint8_t *h = w->data + w->pos;
    size_t left = la_window_available(w);
    uint64_t frame = r->frame;
    const uint16_t input = r->input;
    size_t n = 0;
    r->need = s.record_header;
    for (; n < max && left >= s.record_header; n++) {
        uint32_t caplen = load_u32(h + 8, swapped), len = load_u32(h + 12, swapped);
        if (lengths != LENGTHS_RIGHT)
            swap_lengths(lengths, &caplen, &len);
        if (caplen > s.caplen_max) {
            if (n == 0)
                la_reader_damaged(r, "a packet of %u bytes, more than the %u that it may have,",
                                  caplen, s.caplen_max);
            break;
        }
        size_t size = (size_t)s.record_header + caplen;
        if (left < size) {
            r->need = size;
            break;
        }
        la_reader_ask_for_headers(h);
        packets[n] = (struct la_packet){
            .time_ns =
                (int64_t)load_u32(h, swapped) * LA_SEC + (int64_t)load_u32(h + 4, swapped) * unit,
            .frame = ++frame,
            .data = h + s.record_header,
            .caplen = caplen,
            .len = len < caplen ? caplen : len,
            .input = input,
            .linktype = s.linktype,
        };
        h += size;
        left -= size;
    }
    w->pos = (size_t)(h - w->data);
    r->frame = frame;
    return n;
}

static size_t pcap_take(struct la_reader *r, struct la_packet *packets, size_t max) {
    const struct pcap_state *s = r->state;
    if (!s->swapped && s->lengths == LENGTHS_RIGHT)
        return take_records(r, packets, max, false, LENGTHS_RIGHT);
    return take_records(r, packets, max, s->swapped, s->lengths);
}

static void pcap_close(struct la_reader *r) {
    free(r->state);
}

const struct la_format la_format_pcap = {
    .name = "pcap",
    .recognise = pcap_recognise,
    .open = pcap_open,
    .take = pcap_take,
    .refill = la_reader_refill_window,
    .close = pcap_close,
};
