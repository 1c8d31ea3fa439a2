/* The facts of a connection, turned from sides 0 and 1 to client and server. */
#include "track/settle.h"

#include "base/select.h"
#include "base/time.h"
#include "track/elsewhere.h"

#include <stdlib.h>
#include <string.h>

enum { CHANGES_PER_ENTRY = 4, SPARE_CHANGES = 16 };

void view_release(struct view *view) {
    free(view->log);
    free(view->times);
    free(view->resets);
    free(view->changes[0]);
    free(view->changes[1]);
    memset(view, 0, sizeof *view);
}

bool view_reserve(struct view *view, size_t entries) {
    if (entries <= view->capacity && view->log)
        return true;
    size_t capacity = entries < 64 ? 64 : entries * 2;
    size_t changes = capacity * CHANGES_PER_ENTRY + SPARE_CHANGES;
    view_release(view);
    view->log = malloc(capacity * sizeof *view->log);
    view->times = malloc(capacity * sizeof *view->times);
    view->resets = malloc(capacity * sizeof *view->resets);
    view->changes[0] = malloc(changes * sizeof *view->changes[0]);
    view->changes[1] = malloc(changes * sizeof *view->changes[1]);
    view->capacity = capacity;
    view->change_capacity = changes;
    bool whole = view->log && view->times && view->resets && view->changes[0] && view->changes[1];
    if (!whole)
        view_release(view); /* the next one must not take a part for the whole */
    return whole;
}

/* Capture order. Context of a reset is logged after the fact, and files may be merged; within one
 * file the frame decides, because its times may step back. */
static bool comes_after(const struct la_observation *a, const struct la_observation *b) {
    if (a->input == b->input)
        return a->frame > b->frame;
    return a->time_ns > b->time_ns;
}

static void sort_log(struct la_observation *log, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (!comes_after(&log[i - 1], &log[i]))
            continue;
        struct la_observation moved = log[i];
        size_t j = i;
        for (; j > 0 && comes_after(&log[j - 1], &moved); j--)
            log[j] = log[j - 1];
        log[j] = moved;
    }
}

static void read_log(struct view *view, const struct live *live) {
    struct la_log_base base = live_log_base(live);
    la_log_read(&live->log, &base, view->log);
    sort_log(view->log, live->log.count);
}

/* Without a SYN: a SYN-ACK tells, or a segment without any of SYN, ACK and RST, which no connection
 * has and scanners send; then the lower port serves, then whoever spoke first asked. */
static unsigned likely_client(const struct view *view, const struct live *live) {
    for (size_t i = 0; i < live->log.count; i++) {
        const struct la_observation *o = &view->log[i];
        if (o->flags & LA_SYN)
            return !o->from;
        if (!(o->flags & (LA_ACK | LA_RST)))
            return o->from;
    }
    if (live->port[0] != live->port[1])
        return live->port[0] > live->port[1] ? 0 : 1;
    return live->log.count > 0 ? view->log[0].from : 0;
}

static unsigned find_client(const struct view *view, const struct live *live, bool *known) {
    for (size_t i = 0; i < live->log.count; i++) {
        const struct la_observation *o = &view->log[i];
        if ((o->flags & (LA_SYN | LA_ACK)) == LA_SYN) {
            *known = true;
            return o->from;
        }
    }
    *known = false;
    return likely_client(view, live);
}

/* There are few, in no order that could be foretold. */
static void sort_samples(int64_t *samples, size_t count) {
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0; j--) {
            int64_t one = samples[j - 1], other = samples[j];
            samples[j - 1] = (int64_t)la_select(other < one, (uint64_t)other, (uint64_t)one);
            samples[j] = one ^ other ^ samples[j - 1];
        }
}

size_t settle_answer_to(const struct view *view, size_t count, size_t i) {
    const struct la_observation *asked = &view->log[i];
    uint32_t end = asked->seq + asked->payload + 1;
    for (size_t j = i + 1; j < count; j++) {
        const struct la_observation *o = &view->log[j];
        if (o->from == asked->from) {
            bool answer =
                (asked->flags & LA_SYN) && (asked->flags ^ o->flags) & LA_ACK; /* crossed */
            if ((o->flags & (LA_SYN | LA_FIN)) && o->seq == asked->seq && !answer)
                return LA_NOWHERE;
            continue;
        }
        if ((asked->flags & LA_ACK) && (o->flags & LA_SYN))
            return LA_NOWHERE; /* SYN-ACKs that crossed answer the SYNs, not each other */
        if ((o->flags & LA_ACK) && !(o->flags & LA_RST) && o->class != LA_CLASS_OUTSIDE &&
            seq_leq(end, o->ack))
            return j;
    }
    return LA_NOWHERE;
}

/* How long that took; -1 when it is not told. */
static int64_t answer_time(const struct view *view, size_t count, size_t i) {
    size_t answer = settle_answer_to(view, count, i);
    if (answer == LA_NOWHERE)
        return -1;
    int64_t took = view->log[answer].time_ns - view->log[i].time_ns;
    return took >= 0 && took <= LIVE_LONGEST_TURNAROUND_NS ? took : -1;
}

/* The last SYN that was sent again can be measured after all when the SYN-ACK echoes its timestamp
 * and no other's; unless that is a SYN-ACK that was itself sent again, after a second. */
static int64_t echo_time(const struct view *view, size_t count, size_t i) {
    const struct la_observation *asked = &view->log[i];
    for (size_t j = i + 1; j < count; j++) {
        const struct la_observation *o = &view->log[j];
        int64_t took = o->time_ns - asked->time_ns;
        if (o->class == LA_CLASS_SYN_AGAIN)
            return -1;
        if (o->class == LA_CLASS_SYN_ACK && o->from != asked->from)
            return (o->options & LA_HAS_TIMESTAMPS) && (asked->options & LA_HAS_TIMESTAMPS) &&
                           o->tsecr == asked->tsval && took >= 0 && took < 900 * LA_MSEC
                       ? took
                       : -1;
    }
    return -1;
}

bool settle_is_timed(const struct la_observation *o) {
    return o->class == LA_CLASS_SYN || o->class == LA_CLASS_SYN_ACK || o->class == LA_CLASS_FIN;
}

void settle_turnaround(int64_t *samples, size_t count, int64_t least_ns, struct la_endpoint *end) {
    end->rtt_min_ns = end->rtt_median_ns = -1;
    if (count == 0)
        return;
    sort_samples(samples, count);
    end->rtt_min_ns = samples[0] < least_ns ? samples[0] : least_ns;
    end->rtt_median_ns = samples[count / 2];
}

enum { MAX_SAMPLES = FLOW_SAMPLES + 8 };

static void fill_turnaround(const struct view *view, const struct live *live, unsigned side,
                            struct la_endpoint *end) {
    int64_t samples[MAX_SAMPLES];
    size_t count = 0;
    for (size_t i = 0; i < live->log.count && count < 8; i++) {
        const struct la_observation *o = &view->log[i];
        bool asks = settle_is_timed(o) && o->from != side;
        int64_t took = asks ? answer_time(view, live->log.count, i) : -1;
        if (o->class == LA_CLASS_SYN_AGAIN && o->from != side)
            took = echo_time(view, live->log.count, i);
        if (took >= 0)
            samples[count++] = took;
    }
    int64_t least = INT64_MAX;
    if (live->flow && live->flow->side[side].sample_seen > 0) {
        const struct flow_side *flow = &live->flow->side[side];
        for (int i = 0; i < flow->sample_count; i++)
            samples[count++] = flow_sample_ns(flow->samples[i]);
        least = flow_sample_ns(flow->sample_min);
    }
    settle_turnaround(samples, count, least, end);
}

static uint64_t count_gaps(const struct flow_side *flow) {
    uint64_t gaps = flow->gaps;
    for (int i = 0; i < flow->hole_count; i++)
        gaps += flow->holes[i].acknowledged;
    return gaps;
}

/* A single sequence number, the last one, acknowledged and never captured: the peer's FIN. */
static bool has_unseen_fin(const struct live *live, unsigned side) {
    const struct live_side *me = &live->side[side];
    if (!live->flow || (me->flags & SIDE_FIN))
        return false;
    const struct flow_side *flow = &live->flow->side[side];
    for (int i = 0; i < flow->hole_count; i++)
        if (flow->holes[i].acknowledged && flow->holes[i].to == me->next &&
            flow->holes[i].to - flow->holes[i].from == 1)
            return true;
    return false;
}

static void fill_traffic(const struct flow *flow, unsigned side, struct la_endpoint *end) {
    end->last_data_ns = LA_TIME_NONE;
    if (!flow)
        return;
    const struct flow_side *f = &flow->side[side];
    end->data_bytes = f->data_bytes;
    end->retransmitted_segments = f->retransmitted_segments;
    end->retransmitted_bytes = f->retransmitted_bytes;
    end->duplicate_acks = f->duplicate_acks;
    end->zero_windows = f->zero_windows;
    end->last_data_ns = f->last_data_ns;
}

static void fill_waiting(const struct live *live, unsigned side, struct la_endpoint *end) {
    const struct extra *extra = live_extra(live);
    if (!extra)
        return;
    end->keepalive = extra->keepalive[side];
    end->stalls = extra->stalls[side];
    end->repeats = live_repeats(live, side);
}

static void fill_sequence(const struct live *live, unsigned side, struct la_endpoint *end) {
    const struct live_side *me = &live->side[side];
    end->seen = me->flags & SIDE_SEEN;
    end->isn_known = me->flags & SIDE_ISN;
    end->syn_sent = me->flags & SIDE_SYN_SENT;
    end->fin_unseen = has_unseen_fin(live, side);
    end->fin_seen = (me->flags & SIDE_FIN) || end->fin_unseen;
    end->fin_acked = (me->flags & SIDE_FIN_ACKED) || end->fin_unseen;
    end->fin_end = end->fin_unseen ? me->next : me->fin_end;
    end->acked_known = me->flags & SIDE_ACKED;
    end->isn = me->base_seq;
    end->next = me->next;
    end->acked = me->acked;
    end->window = me->window;
    end->tsval = me->tsval;
    end->last_ns = me->packets > 0 ? me->last_ns : LA_TIME_NONE;
}

static void fill_endpoint(const struct view *view, const struct live *live, unsigned side,
                          struct la_endpoint *end) {
    const struct live_side *me = &live->side[side];
    end->packets = me->packets;
    end->bytes = me->bytes;
    end->syn = me->syn;
    end->fin = me->fin;
    end->rst = me->rst;
    end->mss = me->mss;
    end->ttl = me->ttl;
    end->window_scale = me->flags & SIDE_SCALE ? me->window_scale : -1;
    end->timestamps_used = me->flags & SIDE_TIMESTAMPS;
    end->sack = me->flags & SIDE_SACK;
    fill_traffic(live->flow, side, end);
    fill_waiting(live, side, end);
    fill_sequence(live, side, end);
    fill_turnaround(view, live, side, end);
}

static void fill_places(const struct live *live, struct la_connection *c) {
    const struct extra *points = live_extra(live);
    uint8_t input_count = 0, vlan_count = 0;
    if (points) {
        input_count = points->input_count;
        vlan_count = points->vlan_count;
        c->crowded = points->crowded;
        memcpy(c->inputs, points->inputs, sizeof points->inputs);
        memcpy(c->vlans, points->vlans, sizeof points->vlans);
    }
    /* The first of each is kept in the record itself. */
    uint16_t firsts[2] = {live->first_input, live->vlan};
    bool have[2] = {true, live->vlan != 0};
    uint16_t *lists[2] = {c->inputs, c->vlans};
    uint8_t *counts[2] = {&input_count, &vlan_count};
    const uint8_t most[2] = {LA_CONNECTION_INPUTS, LA_CONNECTION_VLANS};
    for (int l = 0; l < 2; l++) {
        uint8_t i = 0;
        while (i < *counts[l] && lists[l][i] < firsts[l])
            i++;
        if (!have[l] || (i < *counts[l] && lists[l][i] == firsts[l]))
            continue;
        if (*counts[l] == most[l]) { /* whatever is left out, not where it began */
            c->crowded = true;
            --*counts[l];
            i = i < *counts[l] ? i : *counts[l];
        }
        memmove(&lists[l][i + 1], &lists[l][i], (size_t)(*counts[l] - i) * sizeof(uint16_t));
        lists[l][i] = firsts[l];
        ++*counts[l];
    }
    c->input_count = input_count;
    c->tunnels = live->tunnels;
}

static void fill_span(const struct live *live, struct la_connection *c) {
    c->first = (struct la_where){live->first_ns, live->first_frame, live->first_input};
    const struct live_side *a = &live->side[0], *b = &live->side[1];
    bool b_is_last =
        b->packets > 0 && (a->packets == 0 || b->last_ns > a->last_ns ||
                           (b->last_ns == a->last_ns && b->last_frame > a->last_frame));
    const struct live_side *last = b_is_last ? b : a;
    c->last = (struct la_where){last->last_ns, last->last_frame, live->input[b_is_last]};
}

static void fill_icmp(struct view *view, const struct live *live, unsigned client) {
    struct la_connection *c = &view->connection;
    const struct extra *extra = live_extra(live);
    const struct icmp_errors *icmp = extra ? extra->icmp : NULL;
    if (!icmp)
        return;
    c->icmp_count = icmp->count < LA_CONNECTION_ICMP ? icmp->count : LA_CONNECTION_ICMP;
    c->icmp_dropped = icmp->count - c->icmp_count;
    memcpy(view->icmp, icmp->items, c->icmp_count * sizeof view->icmp[0]);
    for (size_t i = 0; i < c->icmp_count; i++)
        view->icmp[i].of = icmp->items[i].of == client ? LA_CLIENT : LA_SERVER;
    c->icmp = view->icmp;
}

static void fill_meanwhile(struct view *view, const struct live *live, unsigned client) {
    const struct extra *extra = live_extra(live);
    const struct waiting *waiting = extra ? extra->waiting : NULL;
    if (!waiting || waiting->client != client)
        return;
    view->meanwhile = waiting->told;
    for (unsigned role = 0; role < 2; role++)
        view->meanwhile.turnaround_ns[role] =
            waiting->told.turnaround_ns[role == LA_CLIENT ? client : !client];
    view->connection.meanwhile = &view->meanwhile;
}

/* Zeek writes the originator's letters in upper case. */
static void fill_letters(const struct live *live, unsigned client, struct la_connection *c) {
    for (size_t i = 0; i < live->history_count; i++) {
        unsigned code = live->history >> 4 * i & 0xf;
        char letter = LIVE_LETTERS[code % LIVE_SIDE_LETTERS];
        bool is_clients = code / LIVE_SIDE_LETTERS == client;
        c->zeek_history[i] = is_clients ? (char)(letter - 'a' + 'A') : letter;
    }
}

void view_fill_ends(struct view *view, const struct settle_context *context, const uint32_t host[2],
                    const uint16_t port[2], bool v6, unsigned client) {
    struct la_connection *c = &view->connection;
    for (unsigned role = 0; role < 2; role++) {
        struct la_endpoint *end = &c->side[role];
        unsigned side = role == LA_CLIENT ? client : !client;
        end->addr = table_address(context->table, host[side], v6);
        end->port = port[side];
        c->profile[role] = la_hosts_profile(context->hosts, &end->addr);
    }
    c->findings = c->attempt_findings = 0;
    c->capture_end_ns = context->end_ns;
    c->pauses = context->pauses;
    c->pause_count = context->pause_count;
    c->unheard_ns = context->unheard_ns;
}

bool view_fill(struct view *view, const struct settle_context *context, const struct live *live) {
    if (!view_reserve(view, live->log.count + ELSEWHERE_RESETS))
        return false;
    struct la_connection *c = &view->connection;
    memset(c, 0, sizeof *c);
    read_log(view, live);
    unsigned client = find_client(view, live, &c->initiator_known);
    view_fill_ends(view, context, live->host, live->port, live->flags & LIVE_V6, client);
    for (unsigned role = 0; role < 2; role++) {
        unsigned side = role == LA_CLIENT ? client : !client;
        fill_endpoint(view, live, side, &c->side[role]);
        if (live->flow)
            c->gaps += count_gaps(&live->flow->side[side]);
    }
    for (size_t i = 0; i < live->log.count; i++)
        view->log[i].from = view->log[i].from == client ? LA_CLIENT : LA_SERVER;
    fill_places(live, c);
    fill_span(live, c);
    fill_letters(live, client, c);
    c->incarnation = live->incarnation;
    c->opened_ns = LA_TIME_NONE;
    for (size_t i = 0; i < live->log.count && c->opened_ns == LA_TIME_NONE; i++)
        if ((view->log[i].flags & (LA_SYN | LA_ACK)) == LA_SYN) {
            c->opened_ns = view->log[i].time_ns;
            c->opened_tsval = view->log[i].options & LA_HAS_TIMESTAMPS ? view->log[i].tsval : 0;
        }
    c->duplicates = live->duplicates;
    c->log_dropped = live->log.dropped;
    fill_icmp(view, live, client);
    fill_meanwhile(view, live, client);
    const struct extra *extra = live_extra(live);
    c->unheard = extra && extra->unheard;
    c->recycle = extra && extra->suspect ? &extra->recycle : NULL;
    c->log = view->log;
    c->log_count = live->log.count;
    elsewhere_fill(view, live, client);
    if (c->log_count > live->log.count)
        sort_log(view->log, c->log_count);
    return true;
}

void view_liken(struct view *view, const struct settle_context *context,
                const struct attempt *attempt) {
    struct la_connection *c = &view->connection;
    struct la_endpoint *client = &c->side[LA_CLIENT];
    struct la_observation *o = &view->log[0];
    const struct shelf_item *item = &attempt->item;
    view_fill_ends(view, context, item->host, item->port, item->v6, attempt->side);
    client->isn = o->seq = attempt->seq;
    client->next = attempt->seq + 1;
    client->tsval = c->opened_tsval = o->tsval = attempt->tsval;
    int64_t time_ns = item->expire_ns - LIVE_REMEMBERED_NS;
    client->last_ns = c->opened_ns = o->time_ns = time_ns;
    o->frame = attempt->frame;
    c->first.time_ns = c->last.time_ns = time_ns;
    c->first.frame = c->last.frame = attempt->frame;
}

void settle_ordinary(struct view *view) {
    settle_milestones(view);
    settle_vantage(view);
    settle_words(view);
}

void live_turnarounds(const struct live *live, int64_t out[2]) {
    struct view view = {0};
    struct la_endpoint end;
    out[0] = out[1] = -1;
    if (view_reserve(&view, live->log.count)) {
        read_log(&view, live);
        for (unsigned side = 0; side < 2; side++) {
            fill_turnaround(&view, live, side, &end);
            out[side] = end.rtt_min_ns;
        }
    }
    view_release(&view);
}
