/* injected-rst: a RST in the name of a host that hardly sent it. One capture shows what passed it,
 * not who wrote it: observed it is only where a second one, nearer to that host, does not have it.
 * The signs are those of track/forgery.c. */
#include "diagnose/reset_story.h"

#include "base/time.h"
#include "decode/segment.h"

static const struct la_detail_spec details[] = {
    {"signs", LA_DETAIL_INTEGER, false, NULL, "how many signs speak against that host"},
    {"rst_ttl", LA_DETAIL_INTEGER, false, NULL, "TTL or hop limit of the RST"},
    {"host_ttl", LA_DETAIL_INTEGER, true, NULL, "that of the host's own segments"},
    {"sender_goes_on", LA_DETAIL_BOOL, false, NULL,
     "whether the host in whose name it came went on sending"},
    {"ended_connection", LA_DETAIL_BOOL, true, NULL,
     "whether its receiver took it; null where that does not show"},
    {0},
};

static const struct {
    unsigned sign;
    const char *words;
} signs[] = {
    {LA_SIGN_DISOWNED, "the capture nearer to that host does not have it"},
    {LA_SIGN_TTL, "its TTL is not that host's"},
    {LA_SIGN_IP_ID, "its IP ID is far from that host's"},
    {LA_SIGN_NO_TIMESTAMPS, "it lacks the timestamps that the connection uses"},
    {LA_SIGN_GUESSED, "its sequence number lies somewhere in the window"},
    {LA_SIGN_BOTH_ENDS, "both ends got one at once"},
    {LA_SIGN_TOO_SOON, "it comes sooner than that host can have answered"},
    {LA_SIGN_GOES_ON, "that host goes on sending"},
    {LA_SIGN_PAYLOAD, "it carries data"},
};
enum { SIGNS = sizeof signs / sizeof signs[0] };

static const char *list_signs(struct la_finding *f, unsigned set) {
    const char *list = "";
    for (size_t i = 0; i < SIGNS; i++)
        if (set & signs[i].sign)
            list = *list ? finding_text(f, "%s, %s", list, signs[i].words) : signs[i].words;
    return list;
}

static int64_t count_signs(unsigned set) {
    int64_t count = 0;
    for (size_t i = 0; i < SIGNS; i++)
        count += (set & signs[i].sign) != 0;
    return count;
}

/* TTL of the nearest segment before it that the host sent itself; else of a later one. */
static int host_ttl(const struct la_connection *c, const struct la_reset *reset) {
    int ttl = -1;
    for (size_t i = 0; i < c->log_count && (i < reset->index || ttl < 0); i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from == reset->by && !(o->flags & LA_RST) && o->ttl != 0)
            ttl = o->ttl;
    }
    return ttl;
}

/* Whether its receiver took it: it goes on, or says nothing any more although there was time. */
enum effect { NO_EFFECT, TOOK_EFFECT, UNKNOWN_EFFECT };

static enum effect effect_of(const struct la_connection *c, const struct la_reset *reset) {
    const struct la_observation *rst = &c->log[reset->index];
    if (!rst->exact)
        return NO_EFFECT;
    int64_t arrived = la_arrived_ns(c, reset->index) + la_round_trip_ns(c) + 20 * LA_MSEC;
    for (size_t i = reset->index + 1; i < c->log_count; i++) {
        const struct la_observation *o = &c->log[i];
        if (o->from != reset->by && !(o->flags & LA_RST) && o->time_ns > arrived)
            return NO_EFFECT;
        if (o->from != reset->by && (o->flags & LA_RST))
            return TOOK_EFFECT; /* it knows nothing of the connection any more, or got one as well
                                 */
    }
    return la_heard_until(c, arrived) - arrived > LA_SEC ? TOOK_EFFECT : UNKNOWN_EFFECT;
}

static bool was_over(const struct la_connection *c, const struct la_reset *reset) {
    bool fins[2] = {false, false};
    for (size_t i = 0; i < reset->index; i++) {
        const struct la_observation *o = &c->log[i];
        if ((o->flags & LA_RST) && o->from != reset->by)
            return true;
        if (o->flags & LA_FIN)
            fins[o->from] = true;
    }
    return fins[0] && fins[1];
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct reset_story s;
    reset_story_read(c, &s);
    if (s.verdict != RESET_INJECTED)
        return false;
    const struct la_reset *reset = s.reset;
    const struct la_observation *rst = &c->log[reset->index];
    enum effect effect = was_over(c, reset) ? NO_EFFECT : effect_of(c, reset);
    int own = host_ttl(c, reset);
    bool other = c->elsewhere && rst->input == c->elsewhere->input; /* TTLs as they are there */
    int hops = other ? c->elsewhere->hops[reset->by] : 0;
    finding_start(f, LA_KIND_INJECTED_RST, c, !s.side);
    f->time_ns = reset->where.time_ns;
    f->severity = effect == TOOK_EFFECT ? LA_CRITICAL : effect == NO_EFFECT ? LA_INFO : LA_NOTICE;
    bool disowned = reset->signs & LA_SIGN_DISOWNED;
    f->confidence = disowned && is_whole(c) ? LA_OBSERVED : LA_INFERRED;
    const char *who = endpoint_text(f, &c->side[s.side]);
    f->summary = finding_text(f, "a RST came in the name of %s that it %s sent: %s", who,
                              disowned ? "never" : "hardly", list_signs(f, reset->signs));
    finding_blame(f, LA_ROLE_MIDDLEBOX, NULL,
                  "something on the way (a firewall, a filter, a load balancer, an intruder) ends "
                  "connections in the name of their ends");
    for (size_t i = 0; i < c->reset_count; i++)
        if (c->resets[i].cause == LA_RESET_INJECTED)
            finding_show(f, c, c->resets[i].index, "RST");
    finding_assume_usual(f, c, s.side);
    finding_exclude(f, "abortive-close", "one sign alone a host may show by itself; not these");
    detail_integer(f, "signs", count_signs(reset->signs));
    detail_integer(f, "rst_ttl", rst->ttl - hops);
    if (own >= 0)
        detail_integer(f, "host_ttl", own - hops);
    else
        detail_null(f, "host_ttl");
    detail_bool(f, "sender_goes_on", reset->signs & LA_SIGN_GOES_ON);
    if (effect == UNKNOWN_EFFECT)
        detail_null(f, "ended_connection");
    else
        detail_bool(f, "ended_connection", effect == TOOK_EFFECT);
    return true;
}

const struct la_diagnosis diagnosis_injected_rst = {
    .kind = LA_KIND_INJECTED_RST,
    .name = "injected-rst",
    .summary = "a RST came in the name of a host that hardly sent it",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
};
