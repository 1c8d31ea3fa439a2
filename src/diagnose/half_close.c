/* half-close: a side closed its own direction and went on receiving, as it may (RFC 9293, 3.6). Not
 * a fault: named so that nobody takes it for one. */
#include "diagnose/build.h"

#include "base/seq.h"
#include "base/time.h"

static const char *const sides[] = {"client", "server", NULL};

static const struct la_detail_spec details[] = {
    {"side", LA_DETAIL_WORD, false, sides, "who closed its direction first"},
    {"bytes", LA_DETAIL_INTEGER, false, NULL, "what it was sent after that, and accepted"},
    {"lasted", LA_DETAIL_SECONDS, true, NULL,
     "from its FIN to the other's end; null: the capture ends first, or pauses"},
    {0},
};

struct half_close {
    size_t fin, answer; /* the first FIN, and the first segment that acknowledges it */
    size_t end;         /* the other side's FIN or the first RST; LA_NOWHERE */
    uint32_t bytes;
};

static void find_lines(const struct la_connection *c, unsigned side, struct half_close *h) {
    h->fin = h->answer = h->end = LA_NOWHERE;
    for (size_t i = 0; i < c->log_count && h->end == LA_NOWHERE; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == side && (o->flags & LA_FIN) && h->fin == LA_NOWHERE)
            h->fin = i;
        if (o->from != side && h->answer == LA_NOWHERE && la_covers(o, c->side[side].fin_end))
            h->answer = i;
        bool closes = (o->flags & LA_RST) || (o->from != side && (o->flags & LA_FIN));
        if (h->fin != LA_NOWHERE && closes)
            h->end = i;
    }
}

/* Data that the other side sent when it knew of the FIN, and that was acknowledged: whoever has
 * called close() answers it with a RST. */
static bool read_half_close(const struct la_connection *c, unsigned side, struct half_close *h) {
    const struct la_endpoint *me = &c->side[side], *peer = &c->side[!side];
    if (me->fin == 0 || peer->data_bytes == 0)
        return false;
    find_lines(c, side, h);
    if (h->fin == LA_NOWHERE || h->answer == LA_NOWHERE || h->answer < h->fin)
        return false;
    if (c->log[h->answer].flags & LA_FIN)
        return false; /* the last data rides on the FIN that answers: a close in three segments */
    uint32_t from = seq_max(c->log[h->answer].seq, c->log[h->fin].ack);
    uint32_t until = peer->fin_seen ? peer->fin_end - 1 : peer->next;
    if (seq_lt(me->acked, until))
        until = me->acked;
    h->bytes = seq_lt(from, until) ? until - from : 0;
    return h->bytes > 0;
}

static bool examine_side(const struct la_connection *c, unsigned side, struct la_finding *f) {
    struct half_close h;
    if (!read_half_close(c, side, &h))
        return false;
    const struct la_observation *fin = &c->log[h.fin];
    finding_start(f, LA_KIND_HALF_CLOSE, c, side);
    f->severity = LA_INFO;
    f->confidence = is_whole(c) ? LA_OBSERVED : LA_INFERRED;
    f->time_ns = fin->time_ns;
    f->summary = finding_text(f, "%s closed its direction and took %u more bytes, as it may",
                              endpoint_text(f, &c->side[side]), h.bytes);
    finding_blame(f, LA_ROLE_APPLICATION, &c->side[side].addr,
                  "it shut down its sending side only and waits for the rest");
    finding_show(f, c, h.fin, "FIN");
    finding_show(f, c, h.answer, "first segment that acknowledges it");
    finding_show(f, c, h.end, "the end of the other direction");
    finding_assume_usual(f, c, side);
    finding_exclude(f, "close-wait-leak", "the other side went on sending data after the FIN");
    finding_exclude(f, "abortive-close", "the data was acknowledged, not answered with a RST");
    detail_word(f, "side", sides[side]);
    detail_integer(f, "bytes", h.bytes);
    if (h.end == LA_NOWHERE || !la_was_heard(c, fin->time_ns, c->log[h.end].time_ns))
        detail_null(f, "lasted");
    else
        detail_seconds(f, "lasted", c->log[h.end].time_ns - fin->time_ns);
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    return examine_side(c, LA_CLIENT, f) || examine_side(c, LA_SERVER, f);
}

const struct la_diagnosis diagnosis_half_close = {
    .kind = LA_KIND_HALF_CLOSE,
    .name = "half-close",
    .summary = "a side closed its own direction and went on receiving, as it may",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_DATA_AFTER_FIN,
};
