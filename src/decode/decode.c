/* The loop over the layers of a packet, and the book-keeping. */
#include "decode/decode.h"

#include "decode/fragment.h"
#include "decode/header.h"
#include "decode/walk.h"

#include <stdlib.h>

/* Headers, each tag, tunnel and extension counted: four tunnels in each other stay below. */
enum { LAYERS_MAX = 40 };

struct la_decoder {
    struct fragments *fragments;
    struct la_decode_counts counts;
};

static const layer_decoder decoders[LAYER_COUNT] = {
    [LAYER_ETHERNET] = link_ethernet,
    [LAYER_LLC] = link_llc,
    [LAYER_SLL] = link_sll,
    [LAYER_SLL2] = link_sll2,
    [LAYER_NULL] = link_null,
    [LAYER_ENC] = link_enc,
    [LAYER_RAW_IP] = link_raw_ip,
    [LAYER_CISCO_HDLC] = link_cisco_hdlc,
    [LAYER_PPP] = link_ppp,
    [LAYER_PPPOE] = link_pppoe,
    [LAYER_VLAN] = link_vlan,
    [LAYER_SHIM] = link_shim,
    [LAYER_MACSEC] = link_macsec,
    [LAYER_PBB] = link_pbb,
    [LAYER_MPLS] = link_mpls,
    [LAYER_IPV4] = network_ipv4,
    [LAYER_IPV6] = network_ipv6,
    [LAYER_HOP_BY_HOP] = network_hop_by_hop,
    [LAYER_DESTINATION_OPTIONS] = network_plain_extension,
    [LAYER_ROUTING] = network_routing,
    [LAYER_MOBILITY] = network_plain_extension,
    [LAYER_FRAGMENT] = network_fragment,
    [LAYER_AH] = network_ah,
    [LAYER_ESP] = network_esp,
    [LAYER_ICMP] = icmp_v4,
    [LAYER_ICMPV6] = icmp_v6,
    [LAYER_UDP] = tunnel_udp,
    [LAYER_GRE] = tunnel_gre,
    [LAYER_ERSPAN2] = tunnel_erspan2,
    [LAYER_ERSPAN3] = tunnel_erspan3,
    [LAYER_ETHERIP] = tunnel_etherip,
    [LAYER_VXLAN] = tunnel_vxlan,
    [LAYER_VXLAN_GPE] = tunnel_vxlan_gpe,
    [LAYER_GENEVE] = tunnel_geneve,
    [LAYER_GTP] = tunnel_gtp,
    [LAYER_TEREDO] = tunnel_teredo,
    [LAYER_NSH] = tunnel_nsh,
    [LAYER_ESP_IN_UDP] = tunnel_esp_in_udp,
    [LAYER_TCP] = tcp_segment,
};

struct la_decoder *la_decoder_new(void) {
    struct la_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return NULL;
    decoder->fragments = fragments_new(FRAGMENT_OPEN_MAX, &decoder->counts);
    if (!decoder->fragments) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

void la_decoder_free(struct la_decoder *decoder) {
    if (!decoder)
        return;
    fragments_free(decoder->fragments);
    free(decoder);
}

void la_decoder_finish(struct la_decoder *decoder) {
    fragments_finish(decoder->fragments);
}

const struct la_decode_counts *la_decoder_counts(const struct la_decoder *decoder) {
    return &decoder->counts;
}

static enum layer walk_layers(struct walk *walk, uint16_t linktype) {
    enum layer layer = layer_of_linktype(linktype);
    if (layer == LAYER_FAILED)
        return walk_fail(walk, LA_UNDECODED_LINK_TYPE);
    for (unsigned depth = 0; depth < LAYERS_MAX; depth++) {
        layer = decoders[layer](walk);
        if (layer <= LAYER_FAILED)
            return layer;
    }
    return walk_fail(walk, LA_UNDECODED_TOO_DEEP);
}

/* Whether a walk failed only because what it took for a tunnel is none. Cut packets keep the
 * benefit of the doubt. */
static bool was_guessed_wrong(const struct walk *walk) {
    switch (walk->why) {
    case LA_UNDECODED_TRUNCATED_LINK:
    case LA_UNDECODED_TRUNCATED_NETWORK:
    case LA_UNDECODED_TRUNCATED_TCP:
        return walk->guessed && !walk->cut;
    default:
        return walk->guessed;
    }
}

/* What the end of the walk means, for this packet and for the fragments that it completed. */
static enum la_decoded account(struct la_decode_counts *counts, const struct walk *walk,
                               enum layer end) {
    uint64_t packets = UINT64_C(1) + walk->absorbed;
    if (end == LAYER_DONE) {
        counts->tcp += packets;
        return LA_DECODED_TCP;
    }
    if (end == LAYER_HELD)
        return LA_DECODED_HELD;
    if (end == LAYER_NOTICE) {
        counts->other += packets;
        return LA_DECODED_NOTICE;
    }
    if (end == LAYER_OTHER || was_guessed_wrong(walk)) {
        counts->other += packets;
        return LA_DECODED_OTHER;
    }
    counts->undecoded[walk->why] += packets;
    return LA_DECODED_NOT;
}

enum la_decoded la_decode(struct la_decoder *decoder, const struct la_packet *packet,
                          struct la_segment *segment, enum la_undecoded *why) {
    begin_segment(segment, packet);
    struct walk walk = {
        .at = cur_from(packet->data, packet->caplen, packet->len),
        .segment = segment,
        .fragments = decoder->fragments,
        .interface = packet->interface,
        .cut = packet->caplen < packet->len,
    };
    enum layer end = walk_layers(&walk, packet->linktype);
    *why = walk.why;
    return account(&decoder->counts, &walk, end);
}

size_t la_decode_plain(struct la_decoder *decoder, const struct la_packet *packets, size_t count,
                       struct la_segment *segments) {
    size_t n = plain_segments(packets, count, segments);
    decoder->counts.tcp += n;
    return n;
}

const char *la_undecoded_name(enum la_undecoded why) {
    static const char *const names[LA_UNDECODED_COUNT] = {
        [LA_UNDECODED_LINK_TYPE] = "link-type",
        [LA_UNDECODED_TRUNCATED_LINK] = "truncated-link",
        [LA_UNDECODED_TRUNCATED_NETWORK] = "truncated-network",
        [LA_UNDECODED_TRUNCATED_TCP] = "truncated-tcp",
        [LA_UNDECODED_MALFORMED_LINK] = "malformed-link",
        [LA_UNDECODED_MALFORMED_NETWORK] = "malformed-network",
        [LA_UNDECODED_MALFORMED_TCP] = "malformed-tcp",
        [LA_UNDECODED_FRAGMENT_INCOMPLETE] = "fragment-incomplete",
        [LA_UNDECODED_FRAGMENT_LIMIT] = "fragment-limit",
        [LA_UNDECODED_TOO_DEEP] = "too-deep",
        [LA_UNDECODED_ENCRYPTED] = "encrypted",
    };
    return names[why];
}

const char *la_tunnel_name(unsigned bit) {
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {LA_TUNNEL_VLAN, "vlan"},     {LA_TUNNEL_MPLS, "mpls"}, {LA_TUNNEL_PPPOE, "pppoe"},
        {LA_TUNNEL_IPIP, "ipip"},     {LA_TUNNEL_GRE, "gre"},   {LA_TUNNEL_VXLAN, "vxlan"},
        {LA_TUNNEL_GENEVE, "geneve"}, {LA_TUNNEL_GTP, "gtp"},   {LA_TUNNEL_TEREDO, "teredo"},
        {LA_TUNNEL_ERSPAN, "erspan"}, {LA_TUNNEL_AH, "ah"},     {LA_TUNNEL_NSH, "nsh"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].bit == bit)
            return names[i].name;
    return "unknown";
}
