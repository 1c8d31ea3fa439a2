/* Filters run as libpcap's own BPF programs, one for each link type met.
 *
 * Files hold LINKTYPE_ values, libpcap works with DLT_ values, which differ from system to system
 * for a few old types. libpcap translates: it is given the 24 bytes of a pcap file header with the
 * LINKTYPE_ value, and the handle that it opens has the right DLT_ value. */
#define _DEFAULT_SOURCE /* u_int and the like, in which pcap.h is written */
#include "capture/filter.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program {
    struct bpf_program bpf;
    bool compiled;
    char why[PCAP_ERRBUF_SIZE]; /* why not */
};

struct entry {
    uint16_t linktype;
    struct program *program; /* owned */
};

struct la_filter {
    const char *expression; /* borrowed */
    struct entry *entries;  /* owned */
    size_t count, capacity;
    struct entry last; /* the one used last: most captures have one link type */
};

enum {
    LINKTYPE_EN10MB = 1,
    LINKTYPE_RAW_OPENBSD = 14,
    LINKTYPE_RAW_HERE = 12,
};

/* A handle for the link type, as if of a capture file; NULL when out of memory. */
static pcap_t *open_linktype(uint16_t linktype) {
    /* Files of OpenBSD may hold its own DLT_RAW. */
    if (linktype == LINKTYPE_RAW_OPENBSD)
        linktype = LINKTYPE_RAW_HERE;
    const struct pcap_file_header header = {
        .magic = UINT32_C(0xa1b2c3d4),
        .version_major = PCAP_VERSION_MAJOR,
        .version_minor = PCAP_VERSION_MINOR,
        .snaplen = 262144,
        .linktype = linktype,
    };
    char bytes[sizeof header], why[PCAP_ERRBUF_SIZE];
    memcpy(bytes, &header, sizeof header);
    FILE *file = fmemopen(bytes, sizeof bytes, "rb");
    if (!file)
        return NULL;
    pcap_t *pcap = pcap_fopen_offline(file, why); /* reads the header and nothing after it */
    if (!pcap)
        fclose(file);
    return pcap;
}

static struct program *compile(const char *expression, uint16_t linktype) {
    struct program *p = calloc(1, sizeof *p);
    pcap_t *pcap = open_linktype(linktype);
    if (p && pcap) {
        p->compiled = pcap_compile(pcap, &p->bpf, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
        if (!p->compiled)
            snprintf(p->why, sizeof p->why, "%s", pcap_geterr(pcap));
    } else {
        free(p);
        p = NULL;
    }
    if (pcap)
        pcap_close(pcap);
    return p;
}

static void free_program(struct program *p) {
    if (p && p->compiled)
        pcap_freecode(&p->bpf);
    free(p);
}

static bool remember(struct la_filter *f, uint16_t linktype, struct program *program) {
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 4;
        struct entry *grown = realloc(f->entries, capacity * sizeof *grown);
        if (!grown)
            return false;
        f->entries = grown;
        f->capacity = capacity;
    }
    f->last = f->entries[f->count++] = (struct entry){linktype, program};
    return true;
}

enum la_status la_filter_new(const char *expression, struct la_filter **out, struct la_error *err) {
    *out = NULL;
    struct la_filter *f = calloc(1, sizeof *f);
    struct program *p = compile(expression, LINKTYPE_EN10MB);
    enum la_status status = LA_OK;
    if (!f || !p)
        status = la_fail(err, LA_ENOMEM, "out of memory");
    else if (!p->compiled)
        status = la_fail(err, LA_EUSAGE, "the filter '%.200s': %s (see pcap-filter(7))", expression,
                         p->why);
    else if (!remember(f, LINKTYPE_EN10MB, p))
        status = la_fail(err, LA_ENOMEM, "out of memory");
    if (status != LA_OK || !f) {
        free_program(p);
        free(f);
        return status;
    }
    f->expression = expression;
    *out = f;
    return LA_OK;
}

void la_filter_free(struct la_filter *f) {
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        free_program(f->entries[i].program);
    free(f->entries);
    free(f);
}

/* The program for a link type, or NULL when out of memory. */
static const struct program *find_program(struct la_filter *f, uint16_t linktype) {
    if (f->last.linktype == linktype)
        return f->last.program;
    for (size_t i = 0; i < f->count; i++) {
        if (f->entries[i].linktype == linktype) {
            f->last = f->entries[i];
            return f->last.program;
        }
    }
    struct program *p = compile(f->expression, linktype);
    if (p && !remember(f, linktype, p)) {
        free_program(p);
        p = NULL;
    }
    return p;
}

bool la_filter_match(struct la_filter *f, const struct la_packet *packet, const char **why) {
    const struct program *p = find_program(f, packet->linktype);
    *why = NULL;
    if (!p) {
        *why = "out of memory";
        return false;
    }
    if (!p->compiled) {
        /* Such a filter fits; it just lets nothing through: "ip6" where all is IPv4. */
        if (strcmp(p->why, "expression rejects all packets") != 0)
            *why = p->why;
        return false;
    }
    return bpf_filter(p->bpf.bf_insns, packet->data, packet->len, packet->caplen) != 0;
}

const char *la_linktype_name(uint16_t linktype) {
    pcap_t *pcap = open_linktype(linktype);
    if (!pcap)
        return NULL;
    const char *name = pcap_datalink_val_to_name(pcap_datalink(pcap));
    pcap_close(pcap);
    return name; /* a constant of libpcap's */
}

/* Of the few types where the two differ, no format but pcap and pcapng is known to carry any but
 * raw IP. */
uint16_t la_linktype_of_dlt(int dlt) {
    enum { LINKTYPE_RAW = 101 };
    return dlt == DLT_RAW ? LINKTYPE_RAW : (uint16_t)dlt;
}
