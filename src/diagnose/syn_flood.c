/* syn-flood: half-open attempts from many sources at one service. Kernels that mean it repeat a SYN
 * after a second; a flood does not. Whether it hurt is told by those who did repeat theirs. */
#include "diagnose/episode.h"

#include "base/time.h"

/* A flood is many attempts (of a bin, and in all) from many sources, and next to nobody gets
 * through or tries again. */
enum { ATTEMPTS = 300, ATTEMPTS_A_BIN = 20, SOURCES = 50, ONCE_FOR_ONE_SERIOUS = 4 };
#define PAUSE_NS (60 * LA_SEC)
/* So many users whose connection failed, or came late, are no chance. */
enum { HURT = 3 };

static const struct la_detail_spec details[] = {
    {"port", LA_DETAIL_INTEGER, false, NULL, "of the service"},
    {"attempts", LA_DETAIL_INTEGER, false, NULL,
     "connections that were begun with a single SYN and never taken any further"},
    {"sources", LA_DETAIL_INTEGER, false, NULL,
     "different sources that never got through, estimated when they are many"},
    {"per_second", LA_DETAIL_SECONDS, false, NULL, "attempts a second"},
    {"lasted", LA_DETAIL_SECONDS, false, NULL, "seconds"},
    {"opened", LA_DETAIL_INTEGER, false, NULL, "connections that were opened meanwhile"},
    {"late", LA_DETAIL_INTEGER, false, NULL, "of them half a second or more after the first SYN"},
    {"in_vain", LA_DETAIL_INTEGER, false, NULL,
     "attempts that were repeated, as a user's kernel does, and failed"},
    {NULL, LA_DETAIL_NULL, false, NULL, NULL},
};

struct flood {
    int64_t from_ns, until_ns;
    int64_t once, opened, late, in_vain;
};

struct search {
    struct flood now, worst;
};

static bool is_flood(const struct flood *flood) {
    int64_t serious = flood->opened + flood->in_vain;
    return flood->once >= ATTEMPTS && flood->once >= serious * ONCE_FOR_ONE_SERIOUS;
}

static void end_episode(struct search *search) {
    if (is_flood(&search->now) && search->now.once > search->worst.once)
        search->worst = search->now;
    search->now = (struct flood){0};
}

static void take_point(void *context, const struct la_series_point *point) {
    struct search *search = context;
    const int64_t *v = point->values;
    struct flood *now = &search->now;
    if (v[LA_STRAND_ONCE] < ATTEMPTS_A_BIN)
        return;
    if (now->once > 0 && point->from_ns - now->until_ns > PAUSE_NS)
        end_episode(search);
    if (now->once == 0)
        now->from_ns = point->from_ns;
    now->until_ns = point->until_ns;
    now->once += v[LA_STRAND_ONCE];
    now->opened += v[LA_STRAND_OPENED];
    now->late += v[LA_STRAND_LATE];
    now->in_vain += v[LA_STRAND_IN_VAIN];
}

/* The worst episode at a service, from both of its accounts. */
static bool find_flood(const struct la_service_line *line, struct flood *flood) {
    struct la_series series = {0};
    struct search search = {.now = {0}};
    enum la_status status = LA_OK;
    if (line->connections < ATTEMPTS)
        return false;
    if (line->answers)
        status = la_series_merge(NULL, &series, &line->answers->series);
    if (line->silent && status == LA_OK)
        status = la_series_merge(NULL, &series, &line->silent->series);
    if (status == LA_OK)
        status = la_series_walk(&series, take_point, &search);
    la_series_release(NULL, &series);
    end_episode(&search);
    *flood = search.worst;
    return status == LA_OK && flood->once > 0;
}

static const struct la_account *account_of(const struct la_service_line *line) {
    return line->answers ? &line->answers->account : &line->silent->account;
}

static bool is_seeker_of(const struct la_edge_line *edge, const struct la_service_line *line) {
    return edge->seeks && (edge->service == line->answers || edge->service == line->silent);
}

static void show_attempts(struct la_finding *f, const struct la_overview *overview,
                          const struct la_service_line *line) {
    for (size_t i = 0; i < overview->edge_count; i++)
        if (is_seeker_of(&overview->edges[i], line))
            episode_show(f, overview->edges[i].edge, "an attempt, chosen by chance");
}

static void judge(struct la_finding *f, const struct flood *flood) {
    f->severity = flood->in_vain >= HURT ? LA_CRITICAL
                  : flood->late >= HURT  ? LA_WARNING
                                         : LA_NOTICE;
    if (flood->in_vain < HURT)
        finding_exclude(
            f, "harm", "nobody who repeated a SYN, as a user's kernel does, failed to get through");
}

static void write(const struct la_overview *overview, const struct la_service_line *line,
                  const struct flood *flood, struct la_finding *f) {
    const struct la_account *service = account_of(line);
    uint64_t sources = la_service_seekers(line->answers) + la_service_seekers(line->silent);
    bool answered = la_service_outcome(line, LA_OUTCOME_HALF_OPEN) > 0 ||
                    la_service_outcome(line, LA_OUTCOME_OPENED) > 0;
    int64_t lasted_ns = flood->until_ns - flood->from_ns;
    episode_start(f, LA_KIND_SYN_FLOOD, &service->addr, NULL);
    episode_of_service(f, service);
    f->time_ns = flood->from_ns;
    f->confidence = answered ? LA_OBSERVED : LA_INFERRED;
    judge(f, flood);
    const char *name = service_text(f, service);
    f->summary =
        finding_text(f, "%lld attempts from about %llu sources at %s were never taken any further",
                     (long long)flood->once, (unsigned long long)sources, name);
    finding_blame(f, LA_ROLE_PEER, NULL,
                  "sources that answer nothing are most likely forged: they name nobody");
    detail_integer(f, "port", service->port);
    detail_integer(f, "attempts", flood->once);
    detail_integer(f, "sources", (int64_t)sources);
    detail_seconds(f, "per_second", (int64_t)((double)flood->once / la_seconds(lasted_ns) * 1e9));
    detail_seconds(f, "lasted", lasted_ns);
    detail_integer(f, "opened", flood->opened);
    detail_integer(f, "late", flood->late);
    detail_integer(f, "in_vain", flood->in_vain);
    show_attempts(f, overview, line);
    finding_exclude(f, "syn-unanswered", "a kernel that wants a connection sends its SYN again");
}

static void conclude(const struct la_crossing *crossing, la_finding_sink *sink, void *context) {
    const struct la_overview *overview = crossing->overview;
    for (size_t i = 0; i < overview->service_count; i++) {
        const struct la_service_line *line = &overview->services[i];
        struct flood flood;
        struct la_finding f;
        if (!find_flood(line, &flood) ||
            la_service_seekers(line->answers) + la_service_seekers(line->silent) < SOURCES)
            continue;
        write(overview, line, &flood, &f);
        sink(context, &f);
    }
}

const struct la_diagnosis diagnosis_syn_flood = {
    .kind = LA_KIND_SYN_FLOOD,
    .name = "syn-flood",
    .summary = "Many sources began connections to one service and took none of them any further",
    .details = details,
    .conclude = conclude,
};
