/* Files that are neither pcap nor pcapng: libpcap is asked, and answers for itself.
 *
 * Today's libpcap knows no other format, so what usually comes back is its reason for declining,
 * which becomes ours; a libpcap that learns one is followed without a change here. libpcap reads
 * through a FILE whose bytes come from the window, hence decompressed and from any input. Packets
 * are handed on one at a time, since libpcap lends each only until the next. */
#define _GNU_SOURCE /* fopencookie */
#include "base/time.h"
#include "capture/filter.h"
#include "capture/reader.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct foreign_state {
    pcap_t *pcap; /* owned, with its FILE */
    struct la_packet packet;
    bool has_packet;
    struct la_error stream_error; /* what the stream said when it ended before libpcap was done */
};

static ssize_t read_window(void *cookie, char *buf, size_t size) {
    struct la_reader *r = cookie;
    struct foreign_state *s = r->state;
    if (la_window_available(&r->window) == 0) {
        enum la_status status = la_window_fill(&r->window, 1, &s->stream_error);
        if (status != LA_OK)
            return status == LA_END ? 0 : -1;
    }
    size_t n = la_window_available(&r->window);
    n = n < size ? n : size;
    memcpy(buf, r->window.data + r->window.pos, n);
    r->window.pos += n;
    return (ssize_t)n;
}

static enum la_status decline(struct la_reader *r, const char *why, struct la_error *err) {
    struct foreign_state *s = r->state;
    if (s->stream_error.status != LA_OK) {
        if (err)
            *err = s->stream_error;
        return s->stream_error.status;
    }
    return la_fail(err, LA_EINPUT,
                   "%s: is not a packet capture: %s (pcap and pcapng are read, plain or "
                   "compressed; `editcap` converts others)",
                   la_stream_name(r->path), why);
}

static enum la_status foreign_open(struct la_reader *r, struct la_error *err) {
    struct foreign_state *s = calloc(1, sizeof *s);
    if (!s)
        return la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(r->path));
    r->state = s;
    FILE *file = fopencookie(r, "r", (cookie_io_functions_t){.read = read_window});
    if (!file)
        return la_fail(err, LA_ENOMEM, "%s: out of memory", la_stream_name(r->path));
    char why[PCAP_ERRBUF_SIZE] = "";
    s->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
    if (!s->pcap) {
        fclose(file);
        return decline(r, why, err);
    }
    int snaplen = pcap_snapshot(s->pcap);
    r->info->snaplen = snaplen > 0 ? (uint32_t)snaplen : 0;
    r->info->format = "libpcap"; /* it does not tell what it calls the format */
    la_reader_note_linktype(r, la_linktype_of_dlt(pcap_datalink(s->pcap)));
    la_reader_note_digits(r, 9);
    return LA_OK;
}

static size_t foreign_take(struct la_reader *r, struct la_packet *packets, size_t max) {
    struct foreign_state *s = r->state;
    if (!s->has_packet || max == 0)
        return 0;
    packets[0] = s->packet;
    s->has_packet = false;
    return 1;
}

static enum la_status foreign_refill(struct la_reader *r, struct la_error *err) {
    struct foreign_state *s = r->state;
    struct pcap_pkthdr *header;
    const u_char *data;
    int ret = pcap_next_ex(s->pcap, &header, &data);
    if (ret == PCAP_ERROR_BREAK)
        return LA_END;
    if (ret != 1) {
        if (s->stream_error.status == LA_OK)
            la_fail(&s->stream_error, LA_EINPUT,
                    "%s: %s after packet %llu (what came before it "
                    "was analysed)",
                    la_stream_name(r->path), pcap_geterr(s->pcap), (unsigned long long)r->frame);
        if (err)
            *err = s->stream_error;
        return s->stream_error.status;
    }
    s->packet = (struct la_packet){
        .time_ns = (int64_t)(uint32_t)header->ts.tv_sec * LA_SEC + header->ts.tv_usec,
        .frame = ++r->frame,
        .data = data,
        .caplen = header->caplen,
        .len = header->len < header->caplen ? header->caplen : header->len,
        .input = r->input,
        .linktype = r->info->linktypes[0],
    };
    s->has_packet = true;
    return LA_OK;
}

static void foreign_close(struct la_reader *r) {
    struct foreign_state *s = r->state;
    if (s->pcap)
        pcap_close(s->pcap);
    free(s);
}

const struct la_format la_format_foreign = {
    .name = NULL,
    .recognise = NULL,
    .open = foreign_open,
    .take = foreign_take,
    .refill = foreign_refill,
    .close = foreign_close,
};
