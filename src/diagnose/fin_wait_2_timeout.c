/* fin-wait-2-timeout: the active closer had given up FIN-WAIT-2 when its peer spoke again. The
 * time-out itself is silent on most systems; what comes later draws a RST. */
#include "diagnose/build.h"

#include "base/seq.h"

static const char *const causes[] = {"timeout", "discarded", NULL};
static const char *const drawers[] = {"fin", "data", "keepalive", "ack", NULL};

static const struct la_detail_spec details[] = {
    {"cause", LA_DETAIL_WORD, true, causes,
     "whether its time was over, or it was thrown away at once; null: sooner than its time, and "
     "nothing tells why"},
    {"waited", LA_DETAIL_SECONDS, false, NULL, "from its FIN to the RST"},
    {"drew", LA_DETAIL_WORD, true, drawers,
     "what of the peer met no socket; null: the time-out itself sent the RST"},
    {"bytes_lost", LA_DETAIL_INTEGER, true, NULL,
     "what the peer had sent after the FIN and nobody took"},
    {0},
};

struct fin_wait_2 {
    const struct la_reset *reset;
    size_t fin, ack;         /* the FIN, and the peer's first acknowledgement of it: FIN-WAIT-2 */
    int64_t waited_ns, lost; /* bytes */
    const char *cause;       /* NULL: unknown */
};

static bool find_fin(const struct la_connection *c, struct fin_wait_2 *w) {
    unsigned side = w->reset->by;
    w->fin = w->ack = LA_NOWHERE;
    for (size_t i = 0; i < w->reset->index && w->ack == LA_NOWHERE; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == side && (o->flags & LA_FIN) && w->fin == LA_NOWHERE)
            w->fin = i;
        if (o->from != side && la_covers(o, c->side[side].fin_end))
            w->ack = i;
    }
    return w->fin != LA_NOWHERE && w->ack != LA_NOWHERE;
}

/* A FIN that is the first acknowledgement of the other finds FIN-WAIT-1, and one that was sent
 * before may have been taken: then it was TIME-WAIT that is gone. */
static bool meets_fin_wait_2(const struct la_connection *c, const struct fin_wait_2 *w) {
    size_t drawer = w->reset->drawer;
    if (drawer == LA_NOWHERE)
        return w->reset->cause == LA_RESET_FIN_WAIT_2_OVER;
    if (drawer <= w->ack || c->log[drawer].class == LA_CLASS_FIN_AGAIN)
        return false;
    for (size_t i = 0; i < drawer; i++)
        if (c->log[i].from != w->reset->by && (c->log[i].flags & LA_FIN))
            return false;
    return true;
}

/* No time-out makes an orphan's FIN-WAIT-2 shorter than 3.5 times the shortest RTO, and where the
 * settings leave no room for one there is none that could time out. */
static const char *cause_of(const struct la_connection *c, const struct fin_wait_2 *w) {
    const struct la_profile *profile = c->profile[w->reset->by];
    if (w->waited_ns < profile->rto_min_ns * 7 / 2 || profile->fin_wait_2_orphan_ns == 0)
        return causes[1];
    return w->reset->cause == LA_RESET_FIN_WAIT_2_OVER ? causes[0] : NULL;
}

/* Up to its FIN, whose number is none of data. */
static int64_t bytes_lost(const struct la_connection *c, const struct fin_wait_2 *w) {
    const struct la_endpoint *me = &c->side[w->reset->by], *peer = &c->side[!w->reset->by];
    uint32_t end = peer->fin_seen ? peer->fin_end - 1 : peer->next;
    return seq_lt(me->acked, end) ? (int64_t)(end - me->acked) : 0;
}

static bool read_fin_wait_2(const struct la_connection *c, struct fin_wait_2 *w) {
    for (size_t i = 0; i < c->reset_count; i++) {
        w->reset = &c->resets[i];
        bool over = w->reset->cause == LA_RESET_FIN_WAIT_2_OVER ||
                    w->reset->cause == LA_RESET_TIME_WAIT_GONE;
        if (!over || !find_fin(c, w) || !meets_fin_wait_2(c, w))
            continue;
        w->lost = bytes_lost(c, w);
        w->waited_ns = w->reset->where.time_ns - c->log[w->fin].time_ns;
        w->cause = cause_of(c, w);
        /* Sooner than its time data that passed elsewhere, or the next connection, may have drawn
         * it as well. */
        return w->reset->cause == LA_RESET_FIN_WAIT_2_OVER ||
               (w->lost == 0 && (w->cause || !c->next));
    }
    return false;
}

static const char *drawer_of(const struct la_connection *c, const struct fin_wait_2 *w) {
    if (w->reset->drawer == LA_NOWHERE)
        return NULL;
    const struct la_observation *o = &c->log[w->reset->drawer];
    if (o->payload > 0 && o->class != LA_CLASS_KEEPALIVE)
        return drawers[1];
    if (o->flags & LA_FIN)
        return drawers[0];
    return drawers[o->class == LA_CLASS_KEEPALIVE ? 2 : 3];
}

/* A request that nobody takes any more has failed; an answer that its client no longer waits for
 * has not. */
static enum la_severity severity_of(const struct la_connection *c, const struct fin_wait_2 *w) {
    if (w->lost > 0 && c->initiator_known && w->reset->by == LA_SERVER)
        return LA_CRITICAL;
    return w->lost > 0 || w->cause == causes[1] ? LA_NOTICE : LA_INFO;
}

static void blame(struct la_finding *f, const struct la_connection *c, const struct fin_wait_2 *w) {
    unsigned side = w->reset->by;
    if (!w->cause)
        finding_blame(f, LA_ROLE_UNKNOWN, &c->side[side].addr,
                      "it gave up sooner than its system does by custom: a setting "
                      "(tcp_fin_timeout, TCP_LINGER2), no room (tcp_max_tw_buckets), or a restart");
    else if (w->cause == causes[1])
        finding_blame(f, LA_ROLE_KERNEL, &c->side[side].addr,
                      "it had no room for another waiting socket (tcp_max_tw_buckets)");
    else
        finding_blame(f, LA_ROLE_APPLICATION, &c->side[!side].addr,
                      "it neither closed nor spoke until its peer had given up");
}

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct fin_wait_2 *w, const char *drew) {
    const char *who = endpoint_text(f, &c->side[w->reset->by]);
    const char *waited = seconds_text(f, w->waited_ns);
    const char *gone = w->cause == causes[1]   ? "had thrown its FIN_WAIT_2 away"
                       : w->cause == causes[0] ? "had given up FIN_WAIT_2"
                                               : "had lost its FIN_WAIT_2";
    if (drew)
        f->summary = finding_text(f, "%s %s when its peer's %s came, %s after its own FIN", who,
                                  gone, drew == drawers[0] ? "FIN" : drew, waited);
    else
        f->summary =
            finding_text(f, "%s gave up FIN_WAIT_2 with a RST, %s after its FIN", who, waited);
}

static void exclude(struct la_finding *f, const struct fin_wait_2 *w, const char *drew) {
    if (drew == drawers[1])
        finding_exclude(f, "abortive-close",
                        "so long after its FIN the socket itself is gone, not only closed for "
                        "reading");
    else
        finding_exclude(f, "abortive-close",
                        "a FIN-WAIT-2 that is only closed for reading answers this with an ACK");
    if (w->reset->drawer != LA_NOWHERE)
        finding_exclude(f, "lost-final-ack", "no earlier FIN of the peer can have been taken");
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct fin_wait_2 w;
    if (c->reset_count == 0 || !read_fin_wait_2(c, &w))
        return false;
    unsigned side = w.reset->by;
    const char *drew = drawer_of(c, &w);
    finding_start(f, LA_KIND_FIN_WAIT_2_TIMEOUT, c, side);
    f->time_ns = w.reset->where.time_ns;
    f->severity = severity_of(c, &w);
    f->confidence = w.cause && w.reset->signs == 0 && is_whole(c) ? LA_OBSERVED : LA_INFERRED;
    summarize(f, c, &w, drew);
    blame(f, c, &w);
    finding_show(f, c, w.fin, "FIN");
    finding_show(f, c, w.ack, "ACK of it: FIN_WAIT_2");
    finding_show(f, c, w.reset->drawer, "what met no socket");
    finding_show(f, c, w.reset->index, "RST");
    finding_assume_usual(f, c, side);
    finding_assume_heard(f, c, c->log[w.fin].time_ns, w.reset->where.time_ns);
    exclude(f, &w, drew);
    if (w.cause)
        detail_word(f, "cause", w.cause);
    else
        detail_null(f, "cause");
    detail_seconds(f, "waited", w.waited_ns);
    if (drew)
        detail_word(f, "drew", drew);
    else
        detail_null(f, "drew");
    if (c->gaps == 0)
        detail_integer(f, "bytes_lost", w.lost);
    else
        detail_null(f, "bytes_lost");
    return true;
}

const struct la_diagnosis diagnosis_fin_wait_2_timeout = {
    .kind = LA_KIND_FIN_WAIT_2_TIMEOUT,
    .name = "fin-wait-2-timeout",
    .summary = "the active closer gave up FIN_WAIT_2 and a later segment drew RST",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
