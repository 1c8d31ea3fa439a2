/* retransmission-timeout: data was sent again until the kernel gave the connection up. */
#include "diagnose/wait_story.h"

#include "base/time.h"

static const char *const sides[] = {"client", "server", NULL};
static const char *const sockets[] = {"open", "orphan", NULL};
static const char *const proofs[] = {"time", "reset", NULL};

static const struct la_detail_spec details[] = {
    {"side", LA_DETAIL_WORD, false, sides, "whose data"},
    {"proof", LA_DETAIL_WORD, false, proofs,
     "time: it was sent again until the time for that was over; reset: it stopped, and a later "
     "segment of the peer met no socket"},
    {"socket", LA_DETAIL_WORD, false, sockets,
     "open: a program had it, and Linux limits its repeats by tcp_retries2; orphan: it had been "
     "closed, its FIN waits behind the data, and tcp_orphan_retries limits them"},
    {"repeats", LA_DETAIL_INTEGER, false, NULL, "how often the same data was sent again"},
    {"unacknowledged", LA_DETAIL_INTEGER, false, NULL, "bytes sent that were never acknowledged"},
    {"lasted", LA_DETAIL_SECONDS, false, NULL, "from the first repeat to the last"},
    {"limit", LA_DETAIL_SECONDS, false, NULL,
     "how long the host is assumed to try, by its settings or its system's custom"},
    {0},
};

/* Fewer are no give-up: a host has reasons to stop after one. */
enum { ENOUGH = 3 };

/* A bare RST of `side` that came when the next repeat was overdue; LA_NOWHERE. */
static size_t find_reset(const struct la_connection *c, unsigned side, const struct la_row *row) {
    int64_t due = la_next_repeat_ns(row);
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != side || !(o->flags & LA_RST))
            continue;
        bool answers = !(o->flags & LA_ACK) && o->class == LA_CLASS_RST;
        return answers && o->time_ns > due + row->gap_ns / 4 ? i : LA_NOWHERE;
    }
    return LA_NOWHERE;
}

static const struct la_reset *reset_at(const struct la_connection *c, size_t index) {
    for (size_t i = 0; i < c->reset_count; i++)
        if (c->resets[i].where.frame == c->log[index].frame &&
            c->resets[i].where.input == c->log[index].input)
            return &c->resets[i];
    return NULL;
}

static void show(struct la_finding *f, const struct la_connection *c, unsigned side, size_t reset) {
    const struct la_repeats *r = c->side[side].repeats;
    if (r->original.frame != 0)
        finding_show_where(f, &r->original, "data");
    wait_show_row(f, c, side, &r->row, "data again");
    const struct la_reset *answer = reset == LA_NOWHERE ? NULL : reset_at(c, reset);
    if (answer && answer->drew.frame != 0)
        finding_show_where(f, &answer->drew, "segment of the peer");
    finding_show(f, c, reset, "RST: no socket any more");
}

static int64_t limit_of(const struct la_connection *c, unsigned side) {
    const struct la_profile *profile = c->profile[side];
    return c->side[side].fin_seen ? profile->orphan_retry_total_ns : profile->data_retry_total_ns;
}

/* The end of its history, where the time for repeats was over by then; NULL. */
static const struct la_change *find_end(const struct la_connection *c, unsigned side) {
    const struct la_change *end = wait_timed_out(c, side);
    int64_t lasted = end ? end->time_ns - c->side[side].repeats->row.first.time_ns : 0;
    return end && lasted + LA_SEC / 2 >= limit_of(c, side) ? end : NULL;
}

static bool examine_side(const struct la_connection *c, unsigned side, struct la_finding *f) {
    const struct la_endpoint *me = &c->side[side];
    const struct la_repeats *r = me->repeats;
    if (!r || r->row.count < ENOUGH || !c->side[!side].seen)
        return false;
    const struct la_change *end = find_end(c, side);
    size_t reset = find_reset(c, side, &r->row);
    if (!end && reset == LA_NOWHERE)
        return false;
    finding_start(f, LA_KIND_RETRANSMISSION_TIMEOUT, c, side);
    f->time_ns = r->original.frame != 0 ? r->original.time_ns : r->row.first.time_ns;
    f->delay_ns = end ? end->time_ns - f->time_ns : -1;
    f->severity = LA_CRITICAL;
    f->confidence = end && end->certain ? LA_OBSERVED : LA_INFERRED;
    const char *host = endpoint_text(f, me);
    f->summary = finding_text(
        f, "%s gave the connection up: the peer acknowledged none of %u repeats of its data%s",
        host, r->row.count, end ? "" : ", and later its socket was gone");
    wait_blame_silence(f, c, side, -1);
    show(f, c, side, reset);
    finding_assume_usual(f, c, side);
    finding_assume_heard(f, c, r->row.last.time_ns, end ? end->time_ns : c->log[reset].time_ns);
    if (end)
        finding_exclude(f, "half-open", "no repeat was answered with an RST");
    finding_exclude(f, "keepalive-death", "data was unacknowledged: nothing probes meanwhile");
    detail_word(f, "side", sides[side]);
    detail_word(f, "proof", end ? proofs[0] : proofs[1]);
    detail_word(f, "socket", sockets[me->fin_seen]);
    detail_integer(f, "repeats", r->row.count);
    detail_integer(f, "unacknowledged", (int64_t)(me->next - r->head) - me->fin_seen);
    detail_seconds(f, "lasted", r->row.last.time_ns - r->row.first.time_ns);
    detail_seconds(f, "limit", limit_of(c, side));
    return true;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    return examine_side(c, LA_CLIENT, f) || examine_side(c, LA_SERVER, f);
}

const struct la_diagnosis diagnosis_retransmission_timeout = {
    .kind = LA_KIND_RETRANSMISSION_TIMEOUT,
    .name = "retransmission-timeout",
    .summary = "data was sent again in vain until the kernel gave the connection up",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
