/* abortive-close: a side ended with RST instead of FIN, by its own will or because data came after
 * it had closed. What each cause shows, and why most stay unknown:
 * docs/diagnoses/abortive-close.md. */
#include "diagnose/connect_story.h"
#include "diagnose/reset_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

#include <string.h>

static const char *const causes[] = {"linger-zero", "unread-data", "data-after-close", "unknown",
                                     NULL};
static const char *const sides[] = {"client", "server", NULL};

static const struct la_detail_spec details[] = {
    {"cause", LA_DETAIL_WORD, false, causes, "why it was a RST"},
    {"side", LA_DETAIL_WORD, false, sides, "who sent it"},
    {"complete", LA_DETAIL_BOOL, true, NULL,
     "whether everything that either side had sent was acknowledged, and nothing waited behind a "
     "closed window; null: not known, or a server reset a client that it had never answered"},
    {"unacknowledged_sent", LA_DETAIL_INTEGER, true, NULL,
     "bytes that this side had sent and the other never acknowledged"},
    {"unacknowledged_received", LA_DETAIL_INTEGER, true, NULL,
     "bytes that the other side had sent and this one never acknowledged: nobody read them"},
    {0},
};

/* An application takes its leave with that much: TLS's close_notify, QUIT, COM_QUIT. */
enum { GOODBYE = 64 };
/* More than a goodbye on its way: the transfer was in progress. */
enum { IN_PROGRESS = 1000 };
/* A program that resets as soon as it has written. */
#define AT_ONCE_NS (10 * LA_MSEC)

/* From a live socket, with its numbers. */
static bool is_active(const struct la_observation *rst) {
    return (rst->flags & LA_ACK) && rst->seq != 0;
}

struct loss {
    bool known;
    uint32_t sent, received;
    bool waiting[2];  /* by the side that had a closed window before it, and probed it */
    bool hidden;      /* a window was closed, and whether anything waited does not show */
    bool sent_lacked; /* the peer showed after the RST that it lacked some of `sent` */
    bool sent_lost;   /* ... and that had never come by here, next to the peer */
    bool unanswered;  /* a server never said anything to what its client had sent */
};

/* Sequence numbers of data that `from` had sent, up to `next`, beyond `acked`. */
static uint32_t beyond(const struct la_endpoint *from, uint32_t next, uint32_t acked) {
    bool fin = from->fin_seen && from->fin_end == next;
    uint32_t end = next - (fin ? 1 : 0);
    return seq_lt(acked, end) ? end - acked : 0;
}

/* Its receiver answered the RST with what it still waited for: there was a hole before it. */
static bool shows_hole(const struct la_connection *c, const struct reset_story *s) {
    const struct la_observation *rst = &c->log[s->reset->index];
    int64_t arrived = la_arrived_ns(c, s->reset->index);
    for (size_t i = s->reset->index + 1; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != s->side && (o->flags & (LA_RST | LA_ACK)) == LA_ACK && o->payload == 0 &&
            seq_lt(o->ack, rst->seq) && la_sent_ns(c, i) + LA_JITTER_NS >= arrived)
            return o->class == LA_CLASS_DUPLICATE_ACK;
    }
    return false;
}

/* What waits behind a closed window has not been sent: no acknowledgement lacks. */
static void look_behind_windows(const struct la_connection *c, struct loss *loss) {
    for (unsigned side = 0; side < 2; side++) {
        const struct la_stalls *stalls = c->side[side].stalls;
        const struct la_stall *last = stalls ? &stalls->last : NULL;
        bool closed = last && last->closed.frame != 0 && last->opened.frame == 0;
        loss->waiting[!side] = closed && last->probes.count > 0;
        loss->hidden |= c->side[side].window == 0 && !loss->waiting[!side];
    }
}

/* Its kernel took the request, and the program most likely never read it. A client that has closed
 * its direction may not want an answer. */
static bool never_answered(const struct la_connection *c, const struct reset_story *s) {
    const struct la_endpoint *me = &c->side[s->side], *peer = &c->side[!s->side];
    return s->verdict == RESET_ABORT && s->side == LA_SERVER && c->initiator_known && is_whole(c) &&
           me->data_bytes == 0 && peer->data_bytes > 0 && !me->fin_seen && !peer->fin_seen;
}

static bool is_complete(const struct loss *loss) {
    return loss->sent == 0 && loss->received == 0 && !loss->waiting[0] && !loss->waiting[1];
}

static struct loss measure(const struct la_connection *c, const struct reset_story *s) {
    const struct la_endpoint *me = &c->side[s->side], *peer = &c->side[!s->side];
    const struct la_observation *rst = &c->log[s->reset->index];
    struct loss loss = {.known = c->gaps == 0 && me->acked_known && peer->acked_known};
    if (!loss.known)
        return loss;
    uint32_t taken = me->acked, sent = me->next;
    if (is_active(rst)) { /* its numbers are the socket's own, whatever the capture has missed */
        taken = seq_leq(rst->ack, peer->next) ? seq_max(taken, rst->ack) : taken;
        sent = rst->in_window ? seq_max(sent, rst->seq) : sent;
    }
    look_behind_windows(c, &loss);
    loss.sent = beyond(me, sent, peer->acked);
    loss.received = beyond(peer, peer->next, taken);
    loss.unanswered = never_answered(c, s);
    loss.sent_lacked = loss.sent > 0 && shows_hole(c, s);
    loss.sent_lost = loss.sent_lacked && seq_lt(me->next, sent) && la_is_near(c, !s->side);
    return loss;
}

/* Nothing was in the socket that it could have left unread: the peer had sent nothing, or this side
 * answered the last of it and reset at once. */
static bool nothing_unread(const struct la_connection *c, const struct reset_story *s) {
    const struct la_endpoint *me = &c->side[s->side], *peer = &c->side[!s->side];
    bool from_start = me->isn_known && peer->isn_known && is_whole(c);
    if (!from_start || me->last_data_ns == LA_TIME_NONE)
        return false;
    bool answered = peer->last_data_ns != LA_TIME_NONE && peer->last_data_ns < me->last_data_ns &&
                    s->reset->where.time_ns - me->last_data_ns < AT_ONCE_NS;
    return peer->last_data_ns == LA_TIME_NONE || answered;
}

/* An application's RST looks the same whatever it was for. What was left to read decides, and where
 * that does not show, nothing does. */
static const char *cause_of(const struct la_connection *c, const struct reset_story *s,
                            const struct loss *loss) {
    const struct la_observation *rst = &c->log[s->reset->index];
    if (s->verdict == RESET_DATA_AFTER_CLOSE)
        return causes[2];
    if (s->verdict != RESET_ABORT || !is_active(rst))
        return causes[3];
    /* A window is closed by what was not read. */
    if (loss->known && (loss->received >= IN_PROGRESS || loss->waiting[!s->side]))
        return causes[1];
    return loss->known && loss->received == 0 && nothing_unread(c, s) ? causes[0] : causes[3];
}

static bool proves(const struct la_connection *c, const struct reset_story *s, const char *cause) {
    if (!is_whole(c) || s->reset->signs != 0 || c->opening == LA_OPENING_MID_STREAM)
        return false;
    if (s->verdict == RESET_DATA_AFTER_CLOSE)
        return true;
    return s->verdict == RESET_ABORT && s->reset->form == LA_RESET_WITH_ACK && cause == causes[3];
}

/* What a client no longer wants it may leave; what it sent itself, or a server threw away, is
 * missed. */
static enum la_severity severity_of(const struct la_connection *c, const struct reset_story *s,
                                    const struct loss *loss) {
    if (!loss->known)
        return LA_NOTICE;
    if (loss->sent_lacked)
        return loss->sent_lost ? LA_CRITICAL : LA_WARNING;
    bool goodbye = loss->received <= GOODBYE && c->side[!s->side].fin_seen;
    bool wanted = (loss->received > 0 && !goodbye) || loss->waiting[!s->side] || loss->unanswered;
    if (wanted && c->initiator_known && s->side == LA_SERVER)
        return LA_CRITICAL;
    if (wanted && !c->initiator_known)
        return LA_NOTICE;
    return loss->sent > 0 || loss->waiting[s->side] ? LA_NOTICE : LA_INFO;
}

static const char *fate_of(const struct loss *loss) {
    if (loss->sent_lost)
        return "are lost";
    return loss->sent_lacked ? "are hardly all there" : "were not acknowledged";
}

/* Of a connection in which all that was sent was acknowledged. */
static const char *completeness_of(const struct la_connection *c, const struct reset_story *s,
                                   const struct loss *loss) {
    if (loss->waiting[!s->side])
        return ", and its peer had more to send: its window was closed";
    if (loss->waiting[s->side])
        return ", and had more to send itself: the peer's window was closed";
    if (loss->unanswered)
        return ", and had not answered what it had been sent";
    if (loss->hidden)
        return "";
    bool data = c->side[0].data_bytes > 0 || c->side[1].data_bytes > 0;
    return data ? ", after a complete transfer" : ", before any data";
}

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct reset_story *s, const struct loss *loss) {
    const char *who = endpoint_text(f, &c->side[s->side]);
    const char *how = s->verdict == RESET_DATA_AFTER_CLOSE
                          ? "had closed when more data came, and reset the connection"
                          : "reset the connection instead of closing it";
    if (!loss->known)
        f->summary = finding_text(f, "%s %s", who, how);
    else if (loss->sent == 0 && loss->received == 0)
        f->summary = finding_text(f, "%s %s%s", who, how, completeness_of(c, s, loss));
    else if (loss->sent == 0)
        f->summary = finding_text(f, "%s %s: %u bytes sent to it were thrown away", who, how,
                                  loss->received);
    else if (loss->received == 0)
        f->summary = finding_text(f, "%s %s: %u bytes that it had sent %s", who, how, loss->sent,
                                  fate_of(loss));
    else
        f->summary =
            finding_text(f, "%s %s: %u bytes sent to it were thrown away, %u that it had sent %s",
                         who, how, loss->received, loss->sent, fate_of(loss));
}

static void blame(struct la_finding *f, const struct la_connection *c, const struct reset_story *s,
                  const char *cause) {
    static const char *const why[] = {
        "it closed with SO_LINGER 0: nothing was left unread that would explain the RST",
        "it closed while data was still coming in: what lay unread makes the close a RST",
        "it had closed, and its kernel has nobody to give the data to",
        "its application, or its kernel in the application's stead, ended the connection",
    };
    size_t i = 0;
    while (causes[i + 1] && strcmp(causes[i], cause) != 0)
        i++;
    if (s->verdict == RESET_UNEXPLAINED)
        finding_blame(
            f, LA_ROLE_UNKNOWN, &c->side[s->side].addr,
            "a RST without ACK came in its name, as from a host that knows nothing of the "
            "connection, or from a filter before it");
    else
        finding_blame(f, LA_ROLE_APPLICATION, &c->side[s->side].addr, why[i]);
}

static void show(struct la_finding *f, const struct la_connection *c, const struct reset_story *s) {
    for (size_t i = 0; i < s->reset->index; i++)
        if (c->log[i].from == s->side && (c->log[i].flags & LA_FIN)) {
            finding_show(f, c, i, "FIN");
            break;
        }
    finding_show(f, c, s->reset->drawer,
                 s->verdict == RESET_DATA_AFTER_CLOSE ? "data after the close" : "what it answers");
    finding_show(f, c, s->reset->index, "RST");
    for (size_t i = 0; i < c->reset_count; i++)
        if (&c->resets[i] > s->reset && c->resets[i].by == s->side)
            finding_show(f, c, c->resets[i].index, "RST again");
}

static void add_details(struct la_finding *f, const struct reset_story *s, const struct loss *loss,
                        const char *cause) {
    detail_word(f, "cause", cause);
    detail_word(f, "side", sides[s->side]);
    bool told = loss->known && !(is_complete(loss) && (loss->hidden || loss->unanswered));
    if (told)
        detail_bool(f, "complete", is_complete(loss));
    else
        detail_null(f, "complete");
    if (loss->known) {
        detail_integer(f, "unacknowledged_sent", loss->sent);
        detail_integer(f, "unacknowledged_received", loss->received);
    } else {
        detail_null(f, "unacknowledged_sent");
        detail_null(f, "unacknowledged_received");
    }
}

/* A handshake and nothing more, taken back by who had asked for it: a health check, a scan, a
 * connection kept ready. Nothing was aborted. */
static bool is_mere_probe(const struct la_connection *c, const struct reset_story *s) {
    return c->side[0].data_bytes == 0 && c->side[1].data_bytes == 0 && s->side == LA_CLIENT;
}

/* A queue that was full: accept-queue-overflow says it. */
static bool was_turned_away(const struct la_connection *c, const struct reset_story *s) {
    struct connect_story a;
    if (s->verdict != RESET_UNEXPLAINED || s->side != LA_SERVER)
        return false;
    connect_story_read(c, &a);
    return a.verdict == CONNECT_ACK_RESET;
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct reset_story s;
    reset_story_read(c, &s);
    bool mine = s.verdict == RESET_ABORT || s.verdict == RESET_DATA_AFTER_CLOSE ||
                s.verdict == RESET_UNEXPLAINED;
    if (!mine || is_mere_probe(c, &s) || was_turned_away(c, &s))
        return false;
    struct loss loss = measure(c, &s);
    /* Its own FIN is out (behind the RST where they were reordered): with the RST it only refuses
     * what may still come, or a late copy. */
    if (c->side[s.side].fin_seen && loss.known && loss.received == 0)
        return false;
    const char *cause = cause_of(c, &s, &loss);
    finding_start(f, LA_KIND_ABORTIVE_CLOSE, c, !s.side);
    f->time_ns = s.reset->where.time_ns;
    f->severity = severity_of(c, &s, &loss);
    f->confidence = proves(c, &s, cause) ? LA_OBSERVED : LA_INFERRED;
    summarize(f, c, &s, &loss);
    blame(f, c, &s, cause);
    show(f, c, &s);
    finding_assume_usual(f, c, s.side);
    if (s.verdict == RESET_ABORT)
        finding_exclude(f, "half-open", "no segment drew the RST: its sender decided by itself");
    if (s.verdict == RESET_DATA_AFTER_CLOSE)
        finding_exclude(f, "fin-wait-2-timeout",
                        "the data came sooner after the FIN than FIN-WAIT-2 times out");
    add_details(f, &s, &loss, cause);
    return true;
}

const struct la_diagnosis diagnosis_abortive_close = {
    .kind = LA_KIND_ABORTIVE_CLOSE,
    .name = "abortive-close",
    .summary = "a side ended with RST instead of FIN",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
    .of_attempt = true,
};
