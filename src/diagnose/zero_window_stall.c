/* zero-window-stall: a receiver's window was closed, and the sender had to wait and probe. */
#include "diagnose/wait_story.h"

#include "base/time.h"

static const char *const sides[] = {"client", "server", NULL};
static const char *const outcomes[] = {"reopened", "reset", "probes-ended", "open", NULL};
enum { REOPENED, RESET, PROBES_ENDED, OPEN };

static const struct la_detail_spec details[] = {
    {"side", LA_DETAIL_WORD, false, sides, "whose window was closed"},
    {"stalls", LA_DETAIL_INTEGER, false, NULL, "how often the peer had to probe a closed window"},
    {"duration", LA_DETAIL_SECONDS, false, NULL, "how long the peer waited, the longest time"},
    {"probes", LA_DETAIL_INTEGER, false, NULL, "its probes then"},
    {"unanswered", LA_DETAIL_INTEGER, false, NULL, "of these, the last ones without an answer"},
    {"outcome", LA_DETAIL_WORD, false, outcomes,
     "reopened; reset: an RST ended it; probes-ended: it stayed closed and the peer stopped "
     "probing; open: it was closed when the capture ended"},
    {"fin_waited", LA_DETAIL_BOOL, true, NULL,
     "whether the peer's FIN came with what had waited: its socket may have been FIN-WAIT-1 or "
     "LAST-ACK all the time; null where the window did not reopen"},
    {0},
};

/* A sender that has something asks after its retransmission time-out. Some ask at once: what is
 * over before another would have asked is the ordinary flow of TCP. */
#define SOON_NS (5 * LA_SEC)
#define SHORTEST_STALL_NS (200 * LA_MSEC)

struct stall {
    unsigned side; /* whose window */
    const struct la_stall *facts;
    int64_t from_ns, until_ns; /* how long its peer waited */
    int outcome;
    size_t reset; /* LA_NOWHERE: none */
};

static int64_t round_trips(const struct la_connection *c) {
    return 2 * la_round_trip_ns(c) + 50 * LA_MSEC;
}

/* The peer had something to send: it asked soon, or ever more rarely, or sent it at once when it
 * could. A keepalive probe of an idle connection meets a closed window too. */
static bool had_something(const struct la_connection *c, const struct la_stall *s) {
    bool soon = s->probes.first.time_ns - s->closed.time_ns < SOON_NS;
    bool backs_off = s->probes.count > 2 && s->probes.gap_ns > s->probes.gap_min_ns / 2 * 3;
    bool resumed = s->resumed.frame != 0 && s->resumed.time_ns - s->opened.time_ns < round_trips(c);
    return s->probes.count > 0 && (soon || backs_off || resumed);
}

static size_t reset_after(const struct la_connection *c, int64_t ns) {
    for (size_t i = 0; i < c->log_count; i++)
        if ((c->log[i].flags & LA_RST) && c->log[i].time_ns >= ns)
            return i;
    return LA_NOWHERE;
}

static void judge(const struct la_connection *c, struct stall *s) {
    const struct la_stall *facts = s->facts;
    bool soon = facts->probes.first.time_ns - facts->closed.time_ns < SOON_NS;
    s->from_ns = soon ? facts->closed.time_ns : facts->probes.first.time_ns;
    s->reset = reset_after(c, facts->closed.time_ns);
    int64_t heard = la_heard_until(c, s->from_ns); /* it is probed every 120 s at least */
    int64_t next = la_next_repeat_ns(&facts->probes) + facts->probes.gap_ns;
    if (facts->opened.frame != 0 && facts->opened.time_ns <= heard) {
        s->outcome = REOPENED;
        s->until_ns = facts->opened.time_ns;
        s->reset = LA_NOWHERE;
    } else if (s->reset != LA_NOWHERE && c->log[s->reset].time_ns <= heard) {
        s->outcome = RESET;
        s->until_ns = c->log[s->reset].time_ns;
    } else if (facts->probes.count > 1 && facts->probes.last.time_ns <= heard && next < heard) {
        s->outcome = PROBES_ENDED;
        s->until_ns = facts->probes.last.time_ns;
    } else {
        s->outcome = OPEN;
        s->until_ns = c->last.time_ns < heard ? c->last.time_ns : heard;
        s->reset = LA_NOWHERE;
    }
}

/* The longest one of a side; false when there is none. */
static bool find(const struct la_connection *c, unsigned side, struct stall *s) {
    const struct la_stalls *stalls = c->side[side].stalls;
    const struct la_stall *both[2] = {stalls ? &stalls->longest : NULL,
                                      stalls ? &stalls->last : NULL};
    bool found = false;
    for (int i = 0; i < 2; i++) {
        struct stall other = {.side = side, .facts = both[i]};
        if (!both[i] || both[i]->closed.frame == 0 || !had_something(c, both[i]))
            continue;
        judge(c, &other);
        if (other.until_ns - other.from_ns < SHORTEST_STALL_NS)
            continue;
        if (!found || other.until_ns - other.from_ns > s->until_ns - s->from_ns)
            *s = other;
        found = true;
    }
    return found;
}

static enum la_severity severity_of(const struct stall *s) {
    bool failed = s->outcome == RESET || s->outcome == PROBES_ENDED;
    return failed ? LA_CRITICAL : severity_of_delay(s->until_ns - s->from_ns);
}

/* True when the sender's FIN followed the opening at once. */
static bool fin_waited(const struct la_connection *c, const struct stall *s) {
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != s->side && (o->flags & LA_FIN))
            return o->time_ns >= s->until_ns && o->time_ns - s->until_ns < round_trips(c);
    }
    return false;
}

static const char *in_words(int outcome) {
    static const char *const words[] = {"then it opened", "then the connection was reset",
                                        "it stayed closed, and the probes ended",
                                        "and it was closed when the capture ended or paused"};
    return words[outcome];
}

static void write(const struct la_connection *c, const struct stall *s, struct la_finding *f) {
    const struct la_stall *facts = s->facts;
    unsigned sender = !s->side;
    finding_start(f, LA_KIND_ZERO_WINDOW_STALL, c, sender);
    f->time_ns = s->from_ns;
    f->delay_ns = s->until_ns - s->from_ns;
    f->severity = severity_of(s);
    f->confidence = c->gaps == 0 ? LA_OBSERVED : LA_INFERRED;
    const char *host = endpoint_text(f, &c->side[sender]);
    const char *peer = endpoint_text(f, &c->side[s->side]);
    f->summary =
        finding_text(f, "%s waited %s for the window of %s (%u probes): %s", host,
                     seconds_text(f, f->delay_ns), peer, facts->probes.count, in_words(s->outcome));
    finding_blame(f, LA_ROLE_APPLICATION, &c->side[s->side].addr,
                  "its program did not read what had arrived");
    finding_show_where(f, &facts->closed, "window closed");
    wait_show_row(f, c, sender, &facts->probes, "window probe");
    if (s->outcome == REOPENED)
        finding_show_where(f, &facts->opened, "window opened");
    finding_show(f, c, s->reset, "RST");
    finding_assume_usual(f, c, sender);
    finding_exclude(f, "keepalive", "the window was closed, and the sender had something to send");
    finding_exclude(f, "retransmission-timeout", "all that was sent was acknowledged");
    detail_word(f, "side", sides[s->side]);
    detail_integer(f, "stalls", c->side[s->side].stalls->count);
    detail_seconds(f, "duration", f->delay_ns);
    detail_integer(f, "probes", facts->probes.count);
    detail_integer(f, "unanswered", facts->unanswered);
    detail_word(f, "outcome", outcomes[s->outcome]);
    if (s->outcome == REOPENED)
        detail_bool(f, "fin_waited", fin_waited(c, s));
    else
        detail_null(f, "fin_waited");
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct stall client, server;
    bool by_client = find(c, LA_CLIENT, &client), by_server = find(c, LA_SERVER, &server);
    if (!by_client && !by_server)
        return false;
    bool first = by_client && (!by_server || client.until_ns - client.from_ns >=
                                                 server.until_ns - server.from_ns);
    write(c, first ? &client : &server, f);
    return true;
}

const struct la_diagnosis diagnosis_zero_window_stall = {
    .kind = LA_KIND_ZERO_WINDOW_STALL,
    .name = "zero-window-stall",
    .summary = "a receiver's window was closed, and its peer had to wait and probe",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
