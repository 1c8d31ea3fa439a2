#include "diagnose/close_wait_story.h"

#include "base/time.h"

#define LONG_NS (60 * LA_SEC)
#define VERY_LONG_NS (300 * LA_SEC)

static enum la_severity severity_of(int64_t quiet_ns) {
    return quiet_ns > VERY_LONG_NS ? LA_WARNING : quiet_ns > LONG_NS ? LA_NOTICE : LA_INFO;
}

static bool read_side(const struct la_connection *c, unsigned side, struct close_wait_story *s) {
    if (!la_close_wait_of(c, side, &s->wait))
        return false;
    const struct la_close_wait *w = &s->wait;
    s->side = side;
    s->closed = w->end == LA_CLOSE_WAIT_CLOSED || w->end == LA_CLOSE_WAIT_ABORTED;
    s->quiet_ns = w->until_ns - w->quiet_ns;
    int64_t heard = (w->heard_ns < w->until_ns ? w->heard_ns : w->until_ns) - w->quiet_ns;
    s->proven_ns = heard >= la_close_wait_least_ns(c, side) ? heard : 0;
    return true;
}

bool close_wait_story_read(const struct la_connection *c, struct close_wait_story *story) {
    return read_side(c, LA_SERVER, story) || read_side(c, LA_CLIENT, story);
}

bool close_wait_is_proven(const struct close_wait_story *s) {
    return s->proven_ns > 0 && severity_of(s->proven_ns) == severity_of(s->quiet_ns) &&
           s->proven_ns >= s->quiet_ns / 2;
}

static void show(struct la_finding *f, const struct la_connection *c,
                 const struct close_wait_story *s) {
    static const char *const ends[] = {
        [LA_CLOSE_WAIT_LASTS] = "",
        [LA_CLOSE_WAIT_CLOSED] = "its own FIN",
        [LA_CLOSE_WAIT_ABORTED] = "its own RST",
        [LA_CLOSE_WAIT_TIMED_OUT] = "RST after unanswered keepalive probes",
        [LA_CLOSE_WAIT_RESET] = "RST of the peer",
        [LA_CLOSE_WAIT_SYN] = "the end, by the next connection",
    };
    finding_show(f, c, s->wait.fin, "FIN of the peer");
    finding_show(f, c, s->wait.ack, "ACK of the FIN");
    if (s->proven_ns > 0 && s->wait.heard != s->wait.ended_by)
        finding_show(f, c, s->wait.heard, "last sign that it had not closed");
    finding_show(f, c, s->wait.ended_by, ends[s->wait.end]);
}

static void exclude(struct la_finding *f, const struct close_wait_story *s) {
    if (s->wait.spoke)
        finding_exclude(f, "half-close",
                        "its last data went out longer ago than it had been sending any");
    else
        finding_exclude(f, "half-close", "it sent no data after the peer's FIN");
    if (s->wait.end == LA_CLOSE_WAIT_LASTS)
        finding_exclude(f, "FIN held back",
                        "all that it sent is acknowledged, and the peer's window is open");
}

void close_wait_story_write(struct la_finding *f, enum la_kind kind, const struct la_connection *c,
                            const struct close_wait_story *s) {
    finding_start(f, kind, c, s->side);
    f->time_ns = c->log[s->wait.fin].time_ns;
    f->severity = severity_of(s->quiet_ns);
    finding_blame(f, LA_ROLE_APPLICATION, &c->side[s->side].addr,
                  s->closed ? "it closed long after its peer had: only its program can end "
                              "CLOSE_WAIT"
                            : "it has not closed a connection that its peer has closed: only its "
                              "program can end CLOSE_WAIT");
    show(f, c, s);
    finding_assume_usual(f, c, s->side);
    exclude(f, s);
    detail_seconds(f, "age", s->wait.until_ns - s->wait.from_ns);
    detail_seconds(f, "quiet", s->quiet_ns);
}
