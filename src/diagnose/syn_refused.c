/* syn-refused: an attempt that failed because something said no: a RST, or an ICMP error. */
#include "diagnose/connect_story.h"

#include "base/time.h"
#include "decode/segment.h"

static const char *const answers[] = {"rst", "icmp", NULL};
static const char *const refusers[] = {"host", "firewall", "router", NULL};

static const struct la_detail_spec details[] = {
    {"answer", LA_DETAIL_WORD, false, answers, "what refused it"},
    {"by", LA_DETAIL_WORD, true, refusers,
     "who did: host (from where the host's own answers come), a firewall before it, or a router "
     "that found no way; null where nothing tells"},
    {"icmp_type", LA_DETAIL_INTEGER, true, NULL, "of the ICMP or ICMPv6 error; null for a RST"},
    {"icmp_code", LA_DETAIL_INTEGER, true, NULL, "of the ICMP or ICMPv6 error; null for a RST"},
    {"listens", LA_DETAIL_BOOL, true, NULL,
     "true when the same service answered another attempt of this client after it; null where "
     "there "
     "was none"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL, "SYNs sent"},
    {"tried_for", LA_DETAIL_SECONDS, false, NULL, "from the first SYN to the last"},
    {"answered_after", LA_DETAIL_SECONDS, false, NULL,
     "from the first SYN to the refusal, at the capture point"},
    {0},
};

enum refuser { BY_HOST, BY_FIREWALL, BY_ROUTER, BY_UNKNOWN };

/* How the server's own SYN-ACKs look here: of other connections of the two hosts, or of another
 * life of this 4-tuple. */
struct look {
    uint8_t ttl;           /* 0: not seen */
    int64_t turnaround_ns; /* -1: not measured */
};

static struct look look_of_server(const struct la_connection *c) {
    const struct la_connection *lives[2] = {c->previous, c->next};
    struct look look = {.turnaround_ns = c->vantage.turnaround_ns[LA_SERVER]};
    if (c->meanwhile)
        look.ttl = c->meanwhile->ttl;
    for (int i = 0; i < 2 && look.ttl == 0; i++) {
        if (!lives[i])
            continue;
        const struct la_endpoint *server = &lives[i]->side[la_side_in(lives[i], c, LA_SERVER)];
        if (server->isn_known)
            look.ttl = server->ttl;
    }
    return look;
}

/* How far a packet has come, by the customary first values. */
static unsigned hops_of(uint8_t ttl) {
    return (ttl <= 64 ? 64u : ttl <= 128 ? 128u : 255u) - ttl;
}

/* A RST from nearer than the host's own answers, by hops or by time, is not the host's. */
static enum refuser who_reset(const struct la_connection *c, const struct connect_story *a) {
    struct look look = look_of_server(c);
    int64_t took = a->answered_after_ns;
    bool one_syn = a->open.last_syn == a->open.syn || a->open.last_syn > a->open.refusal;
    if (look.ttl == 0)
        return BY_UNKNOWN;
    if (a->open.refusal->ttl != look.ttl)
        return hops_of(a->open.refusal->ttl) < hops_of(look.ttl) ? BY_FIREWALL : BY_UNKNOWN;
    bool nearer = one_syn && look.turnaround_ns > 0 && took < look.turnaround_ns / 2 &&
                  look.turnaround_ns - took > LA_JITTER_NS;
    return nearer ? BY_FIREWALL : BY_HOST;
}

static enum refuser who_told(const struct la_connection *c, const struct la_icmp_error *error) {
    if (la_addr_cmp(&error->reporter, &c->side[LA_SERVER].addr) == 0)
        return BY_HOST;
    return la_icmp_meaning(error) == LA_ICMP_NO_ROUTE ? BY_ROUTER : BY_FIREWALL;
}

static bool listens(const struct la_connection *c) {
    return c->meanwhile && c->meanwhile->same.frame != 0;
}

static void blame(struct la_finding *f, const struct la_connection *c,
                  const struct connect_story *a, enum refuser by) {
    const struct la_addr *server = &c->side[LA_SERVER].addr;
    const struct la_icmp_error *error = a->open.unreachable;
    const struct la_addr *reporter = a->open.refusal ? NULL : &error->reporter;
    if (by == BY_ROUTER)
        finding_blame(f, LA_ROLE_NETWORK, reporter,
                      "it has no way to the host, or the host does not answer there");
    else if (by == BY_FIREWALL)
        finding_blame(f, LA_ROLE_MIDDLEBOX, reporter, "a firewall before the host rejects it");
    else if (reporter)
        finding_blame(f, LA_ROLE_KERNEL, server, "its packet filter rejects it");
    else if (listens(c))
        finding_blame(f, LA_ROLE_KERNEL, server,
                      "it refuses one attempt and answers another one at the same service: the "
                      "program was being started, a full backlog (Windows), or an earlier "
                      "connection of these ports");
    else if (by == BY_HOST)
        finding_blame(f, LA_ROLE_APPLICATION, server, "no program listens on that port");
    else
        finding_blame(f, LA_ROLE_APPLICATION, server,
                      "no program listens on that port, or a firewall answers in its place");
}

static void summarize(struct la_finding *f, const struct la_connection *c,
                      const struct connect_story *a, enum refuser by) {
    static const char *const words[] = {[BY_HOST] = "",
                                        [BY_FIREWALL] = " by a firewall",
                                        [BY_ROUTER] = " by a router",
                                        [BY_UNKNOWN] = ""};
    const char *client = endpoint_text(f, &c->side[LA_CLIENT]);
    const char *server = endpoint_text(f, &c->side[LA_SERVER]);
    const char *after = seconds_text(f, a->answered_after_ns);
    if (a->open.refusal)
        f->summary = finding_text(f, "%s was refused%s by RST when it connected to %s, after %s",
                                  client, words[by], server, after);
    else
        f->summary = finding_text(
            f, "%s was refused%s by ICMP (type %u, code %u) when it connected to %s, after %s",
            client, words[by], a->open.unreachable->type, a->open.unreachable->code, server, after);
}

static void fill_details(struct la_finding *f, const struct la_connection *c,
                         const struct connect_story *a, enum refuser by) {
    const struct la_icmp_error *error = a->open.refusal ? NULL : a->open.unreachable;
    detail_word(f, "answer", answers[error != NULL]);
    if (by == BY_UNKNOWN)
        detail_null(f, "by");
    else
        detail_word(f, "by", refusers[by]);
    if (error) {
        detail_integer(f, "icmp_type", error->type);
        detail_integer(f, "icmp_code", error->code);
    } else {
        detail_null(f, "icmp_type");
        detail_null(f, "icmp_code");
    }
    if (listens(c))
        detail_bool(f, "listens", true);
    else
        detail_null(f, "listens");
    detail_integer(f, "attempts", a->open.syns);
    detail_seconds(f, "tried_for", a->tried_ns);
    detail_seconds(f, "answered_after", a->answered_after_ns);
}

static bool examine(const struct la_connection *c, struct la_finding *f) {
    struct connect_story a;
    connect_story_read(c, &a);
    if (a.verdict != CONNECT_REFUSED)
        return false;
    enum refuser by = a.open.refusal ? who_reset(c, &a) : who_told(c, a.open.unreachable);
    finding_start(f, LA_KIND_SYN_REFUSED, c, LA_CLIENT);
    f->time_ns = a.open.syn->time_ns;
    f->severity = LA_CRITICAL;
    f->confidence = a.open.refusal && by == BY_FIREWALL ? LA_INFERRED : LA_OBSERVED;
    summarize(f, c, &a, by);
    blame(f, c, &a, by);
    connect_story_show(f, c, &a);
    finding_assume_usual(f, c, LA_SERVER);
    if (a.open.refusal && !c->previous)
        finding_exclude(f, "recycled-port-rst",
                        "the capture holds no earlier connection of these ports whose FIN_WAIT_2 "
                        "could have refused it");
    else if (a.open.refusal && c->previous->ending == LA_ENDING_FIN)
        finding_exclude(f, "recycled-port-rst", "the earlier connection of these ports was over");
    fill_details(f, c, &a, by);
    return true;
}

const struct la_diagnosis diagnosis_syn_refused = {
    .kind = LA_KIND_SYN_REFUSED,
    .name = "syn-refused",
    .summary = "a connection attempt failed because a RST or an ICMP error said no",
    .details = details,
    .examine = examine,
    .needs = LA_TRAIT_REMARKABLE,
    .of_attempt = true,
};
