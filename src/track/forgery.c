/* A middlebox that ends a connection writes RSTs in the name of both ends. It does not know their
 * TTL, IP ID, timestamps and sequence numbers as they do, and the ends do not know of it (RFC 5961,
 * 1; "Detecting Forged TCP Reset Packets", NDSS 2009). */
#include "track/forgery.h"

#include "track/fin_story.h"

/* Paths change by a hop or two in the life of a connection; a box on the way is further off. */
enum { OTHER_TTL = 3 };
/* A host's counter moves on between two segments of a connection, by the other ones that it sends.
 */
enum { OTHER_IP_ID = 2048 };
/* Two RSTs at the same moment. */
#define TOGETHER_NS (20 * LA_MSEC)
/* What a sender may have to repeat, at most. */
enum { LONGEST_REPEAT = 1 << 24 };
/* Whoever goes on shows it in the first few segments. */
enum { LOOK_AHEAD = 16 };
/* A path must be that long before an answer can come too soon. */
#define MEASURABLE_NS (4 * LA_MSEC)

static bool is_own(const struct la_connection *c, size_t i, unsigned side) {
    const struct la_observation *o = &c->log[i];
    return o->from == side && !(o->flags & LA_RST) && o->ttl != 0;
}

static bool differs(uint8_t a, uint8_t b) {
    return a > b ? a - b >= OTHER_TTL : b - a >= OTHER_TTL;
}

/* From every segment of its sender whose TTL is known. */
static bool has_other_ttl(const struct la_connection *c, size_t rst) {
    const struct la_observation *r = &c->log[rst];
    bool known = false;
    for (size_t i = 0; i < c->log_count; i++) {
        if (!is_own(c, i, r->from))
            continue;
        known = true;
        if (!differs(c->log[i].ttl, r->ttl))
            return false;
    }
    return known;
}

/* The IP ID of the sender's nearest segment is far off. A bare RST comes from no socket: the kernel
 * may count it apart, or leave it 0. */
static bool has_other_ip_id(const struct la_connection *c, size_t rst) {
    const struct la_observation *r = &c->log[rst];
    bool active = (r->flags & LA_ACK) && r->seq != 0;
    for (size_t i = rst; i > 0; i--) {
        if (!is_own(c, i - 1, r->from))
            continue;
        uint16_t own = c->log[i - 1].ip_id, apart = (uint16_t)(r->ip_id - own);
        if (own == 0 || (r->ip_id == 0 && !active))
            return false;
        return apart > OTHER_IP_ID && (uint16_t)-apart > OTHER_IP_ID;
    }
    return false;
}

/* Linux writes timestamps into the RST of a socket that uses them. */
static bool lacks_timestamps(const struct la_connection *c, size_t rst) {
    const struct la_observation *r = &c->log[rst];
    bool active = (r->flags & LA_ACK) && r->seq != 0;
    bool linux_rules = c->profile[r->from]->time_wait_freezes_ts_recent;
    return active && linux_rules && c->side[r->from].timestamps_used &&
           !(r->options & LA_HAS_TIMESTAMPS);
}

/* Somewhere in the window, for lack of knowing better. */
static bool is_guessed(const struct la_observation *r) {
    return r->in_window && !r->exact;
}

/* The same moment brought one to the other end as well, and nothing drew either. */
static bool comes_to_both(const struct la_connection *c, size_t rst) {
    const struct la_observation *r = &c->log[rst];
    int64_t close = la_round_trip_ns(c) + TOGETHER_NS;
    for (size_t i = 0; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        int64_t apart = o->time_ns - r->time_ns;
        if ((o->flags & LA_RST) && o->from != r->from && apart <= close && -apart <= close)
            return true;
    }
    return false;
}

static bool comes_too_soon(const struct la_connection *c, size_t rst, size_t drawer) {
    int64_t least = c->vantage.turnaround_ns[c->log[rst].from];
    return drawer != LA_NOWHERE && least > MEASURABLE_NS &&
           c->log[rst].time_ns - c->log[drawer].time_ns < least / 2;
}

/* Its alleged sender goes on where it stood, as if nothing had happened. Numbers further on may be
 * those of the next life, whose SYN the capture missed; what was sent before it and came late, or
 * came twice, says nothing. */
static bool sender_goes_on(const struct la_connection *c, size_t rst) {
    const struct la_observation *r = &c->log[rst];
    uint32_t stood = r->seq;
    bool spoke = false;
    for (size_t i = 0, after = 0; i < c->log_count && after < LOOK_AHEAD; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != r->from || (o->flags & LA_RST) || o->class == LA_CLASS_OUTSIDE)
            continue;
        uint32_t end = o->seq + o->payload + ((o->flags & (LA_SYN | LA_FIN)) != 0);
        after += i > rst;
        if (i > rst && la_sent_after(c, i, rst) &&
            (!spoke || (seq_leq(o->seq, stood) && seq_lt(stood - LONGEST_REPEAT, o->seq))))
            return true;
        stood = spoke ? seq_max(stood, end) : end;
        spoke = true;
    }
    return false;
}

unsigned forgery_signs(const struct la_connection *c, size_t rst, size_t drawer) {
    unsigned signs = 0;
    signs |= has_other_ttl(c, rst) ? LA_SIGN_TTL : 0;
    signs |= has_other_ip_id(c, rst) ? LA_SIGN_IP_ID : 0;
    signs |= lacks_timestamps(c, rst) ? LA_SIGN_NO_TIMESTAMPS : 0;
    signs |= is_guessed(&c->log[rst]) ? LA_SIGN_GUESSED : 0;
    signs |= drawer == LA_NOWHERE && comes_to_both(c, rst) ? LA_SIGN_BOTH_ENDS : 0;
    signs |= comes_too_soon(c, rst, drawer) ? LA_SIGN_TOO_SOON : 0;
    signs |= sender_goes_on(c, rst) ? LA_SIGN_GOES_ON : 0;
    signs |= c->log[rst].payload > 0 ? LA_SIGN_PAYLOAD : 0;
    signs |= la_is_disowned(c, rst) ? LA_SIGN_DISOWNED : 0;
    return signs;
}

bool forgery_is_likely(unsigned signs) {
    /* On a path that jitters an answer comes too soon for what it did not answer. */
    unsigned beside = signs & ~(unsigned)(LA_SIGN_GOES_ON | LA_SIGN_TOO_SOON | LA_SIGN_BOTH_ENDS);
    bool several = signs & (signs - 1);
    return (signs & LA_SIGN_DISOWNED) || (several && (signs & LA_SIGN_TTL)) ||
           ((signs & LA_SIGN_GOES_ON) && beside);
}
