/* From a live record to a settled connection: reads the log as a whole, with hindsight. Internal to
 * this room. */
#ifndef LA_TRACK_SETTLE_H
#define LA_TRACK_SETTLE_H

#include "track/attempt.h"
#include "track/fin_story.h"
#include "track/live.h"
#include "track/table.h"

/* A settled connection and the memory behind it, which is used again for the next one. */
struct view {
    struct la_connection connection;
    struct la_observation *log;
    struct la_change *changes[2];
    struct la_reset *resets;
    struct la_icmp_error icmp[LA_CONNECTION_ICMP];
    struct la_meanwhile meanwhile;
    struct la_elsewhere elsewhere;
    struct arrival_times *times; /* parallel to log */
    size_t capacity;             /* of log, times and resets */
    size_t change_capacity;      /* of each of changes */
};

/* When an observed segment left its sender and reached its receiver, by their own clocks as far as
 * the vantage tells. */
struct arrival_times {
    int64_t sent_ns, arrived_ns;
};

struct settle_context {
    const struct table *table;
    const struct la_hosts *hosts;
    int64_t end_ns; /* what the capture is known to reach; later nothing is known */
    const struct la_pause *pauses;
    size_t pause_count;
    int64_t unheard_ns;
};

/* False when out of memory. The view's neighbours are not set, its history is not written yet. */
bool view_fill(struct view *view, const struct settle_context *context, const struct live *live);
/* A settled view of a record of one SYN and nothing else becomes that of another attempt, which
 * differs only in its ends, its time and frame, and its numbers. Nothing that the steps below tell
 * of an attempt depends on those. */
void view_liken(struct view *view, const struct settle_context *context,
                const struct attempt *attempt);
void view_release(struct view *view);

/* Parts of view_fill(). */

/* Room for so many entries of the log. False when out of memory: then it holds none. */
bool view_reserve(struct view *view, size_t entries);
/* Who the ends are, from a record's head, of which side `client` opened the connection; and what
 * does not depend on what they said. */
void view_fill_ends(struct view *view, const struct settle_context *context, const uint32_t host[2],
                    const uint16_t port[2], bool v6, unsigned client);
/* Whether an entry of a log is one whose answer is timed, and which of `count` entries answers it:
 * LA_NOWHERE when it was sent again meanwhile (Karn) or never acknowledged. */
bool settle_is_timed(const struct la_observation *o);
size_t settle_answer_to(const struct view *view, size_t count, size_t i);
/* The turnarounds of an end from all that were measured, which are sorted, and the shortest of
 * those that were not kept (or INT64_MAX). */
void settle_turnaround(int64_t *samples, size_t count, int64_t least_ns, struct la_endpoint *end);

/* The shortest turnaround of each side (by number) of a record, as far as it shows; -1 where not.
 */
void live_turnarounds(const struct live *live, int64_t out[2]);

/* How often the timestamps of a side tick in a second, from the log; 0: unknown. */
double settle_clock_rate(const struct la_connection *c, unsigned side);

/* The lines of a log at which its connection's milestones are; LA_NOWHERE: none. */
struct milestone_lines {
    size_t syn_ack, open, fin[2], fin_acked[2];
};
void settle_milestone_lines(const struct la_connection *c, struct milestone_lines *lines);

/* The steps, in this order, on a filled view whose neighbours are set. Each is a file. */
void settle_milestones(struct view *view); /* when it opened and closed */
void settle_vantage(struct view *view);    /* where the capture point lies */
void settle_clocks(struct view *view);     /* how fast timestamps tick; one-way times */
void settle_arrivals(struct view *view);   /* which segments arrived */
void settle_histories(struct view *view);  /* both ends through the state table */
void settle_resets(struct view *view);     /* what drew each RST */
void settle_words(struct view *view);      /* opening, ending, first closer, Zeek's words */
/* Those that nobody does without. */
void settle_ordinary(struct view *view);

#endif
