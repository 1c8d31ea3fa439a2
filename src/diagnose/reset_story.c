#include "diagnose/reset_story.h"

#include "base/seq.h"
#include "base/time.h"
#include "decode/segment.h"

/* A host that lost a connection shows it when it is spoken to again. Sooner than this it may as
 * well be a program that closes, or a filter that refuses what was sent. */
#define IDLE_NS (1 * LA_SEC)

/* The last thing that `side` said before the RST at `index`. */
static bool last_word(const struct la_connection *c, size_t index, unsigned side, int64_t *at) {
    for (size_t i = index; i > 0; i--) {
        const struct la_observation *o = &c->log[i - 1];
        if (o->from == side && !(o->flags & LA_RST)) {
            *at = o->time_ns;
            return true;
        }
    }
    return false;
}

/* When the living side spoke again after the other had been heard last: its first try, not the
 * repeat that was answered at last. */
static int64_t spoke_again(const struct la_connection *c, const struct reset_story *s) {
    const struct la_observation *drew = &c->log[s->reset->drawer];
    for (size_t i = 0; i < s->reset->drawer; i++) {
        const struct la_observation *o = &c->log[i];
        bool same = seq_leq(o->seq, drew->seq) && seq_lt(drew->seq, o->seq + o->payload + 1);
        if (o->from == drew->from && o->time_ns > s->heard_ns && same && drew->payload > 0)
            return o->time_ns;
    }
    return drew->time_ns;
}

static bool was_open(const struct la_connection *c) {
    return c->opening == LA_OPENING_HANDSHAKE || c->opening == LA_OPENING_SIMULTANEOUS ||
           c->opening == LA_OPENING_MID_STREAM;
}

static enum reset_verdict judge_no_connection(const struct la_connection *c,
                                              struct reset_story *s) {
    const struct la_observation *drew = &c->log[s->reset->drawer];
    bool asks = drew->payload > 0 || (drew->flags & LA_FIN) || drew->class == LA_CLASS_KEEPALIVE;
    if (!s->heard || c->side[s->side].fin_seen)
        return RESET_NOTHING; /* its FIN is there, before or behind: it had closed */
    if (!asks)
        return RESET_UNEXPLAINED;
    s->idle_ns = spoke_again(c, s) - s->heard_ns;
    /* Tried in vain for a while, and then a RST: it was away, and came back without the connection.
     */
    bool away = drew->time_ns - s->heard_ns >= IDLE_NS;
    return s->idle_ns >= IDLE_NS || away ? RESET_HALF_OPEN : RESET_UNEXPLAINED;
}

static enum reset_verdict judge(const struct la_connection *c, struct reset_story *s) {
    switch ((enum la_reset_cause)s->reset->cause) {
    case LA_RESET_INJECTED:
        return RESET_INJECTED;
    case LA_RESET_ABORT:
        return RESET_ABORT;
    case LA_RESET_DATA_AFTER_CLOSE:
        return RESET_DATA_AFTER_CLOSE;
    case LA_RESET_NO_CONNECTION:
        return judge_no_connection(c, s);
    default:
        return RESET_NOTHING;
    }
}

void reset_story_read(const struct la_connection *c, struct reset_story *story) {
    story->verdict = RESET_NOTHING;
    if (c->reset_count == 0)
        return;
    for (size_t i = 0; i < c->reset_count; i++) {
        const struct la_reset *reset = &c->resets[i];
        *story = (struct reset_story){.reset = reset, .side = reset->by};
        story->heard = last_word(c, reset->index, reset->by, &story->heard_ns);
        if (reset->cause == LA_RESET_UNKNOWN)
            continue; /* its receiver has hardly taken it */
        if (was_open(c) || reset->cause == LA_RESET_INJECTED)
            story->verdict = judge(c, story);
        return; /* what comes after it follows from it */
    }
}
