/* One function a setting, on what is known of it from the kernel's sources and from measurements
 * (see the pages in docs/settings). A verdict other than "no evidence" needs a reason in the
 * capture, or a value that is wrong wherever it stands. */
#include "audit/judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void
decide(struct la_judgement *j, enum la_verdict verdict, const char *format, ...) {
    va_list args;
    j->verdict = verdict;
    va_start(args, format);
    vsnprintf(j->evidence, sizeof j->evidence, format, args);
    va_end(args);
}

static bool number(const struct la_host_evidence *e, const char *name, int64_t *value) {
    return la_host_settings_number(e->settings, name, value);
}

static uint64_t fact(const struct la_host_evidence *e, enum la_fact fact) {
    return e->facts[fact];
}

struct words {
    char text[96];
};

/* "1 connection was", "2 connections were". */
static struct words many(uint64_t count, const char *one, const char *more) {
    struct words words;
    snprintf(words.text, sizeof words.text, "%" PRIu64 " %s", count, count == 1 ? one : more);
    return words;
}

/* Whether so many are four fifths of what may be. */
static bool is_nearly(uint64_t used, int64_t most) {
    return most > 0 && used >= (uint64_t)most / 5 * 4 && used > 0;
}

/* What never happened, where all that happened is known. */

static bool opened_none(const struct la_host_evidence *e) {
    return e->complete && e->opened.attempts == 0 && e->accepted.attempts > 0;
}

static bool accepted_none(const struct la_host_evidence *e) {
    return e->complete && e->accepted.attempts == 0 && e->opened.attempts > 0;
}

static uint64_t closed_first(const struct la_host_evidence *e) {
    return e->opened.closed_first + e->accepted.closed_first;
}

static bool never_closed_first(const struct la_host_evidence *e) {
    return e->complete && e->opened.closed + e->accepted.closed > 0 && closed_first(e) == 0 &&
           e->time_waits == 0;
}

static bool decide_opened_none(const struct la_host_evidence *e, struct la_judgement *j) {
    if (opened_none(e))
        decide(j, LA_VERDICT_NO_EFFECT, "opened no connection in this capture");
    return opened_none(e);
}

static bool decide_accepted_none(const struct la_host_evidence *e, struct la_judgement *j) {
    if (accepted_none(e))
        decide(j, LA_VERDICT_NO_EFFECT, "accepted no connection in this capture");
    return accepted_none(e);
}

static bool decide_never_closed_first(const struct la_host_evidence *e, struct la_judgement *j) {
    if (never_closed_first(e))
        decide(j, LA_VERDICT_NO_EFFECT,
               "of %s closed none first, so that it held neither FIN-WAIT-2 nor TIME-WAIT",
               many(e->opened.closed + e->accepted.closed, "closed connection it",
                    "closed connections it")
                   .text);
    return never_closed_first(e);
}

/* Closing and reusing */

/* The value lets connect() use what it finds (2: on loopback only, which no capture of a network
 * shows). */
static bool allows_reuse(const struct la_host_evidence *e) {
    int64_t value;
    return number(e, "net.ipv4.tcp_tw_reuse", &value) && value == 1;
}

static bool lacks_timestamps(const struct la_host_evidence *e) {
    int64_t value;
    if (number(e, "net.ipv4.tcp_timestamps", &value) && value == 0)
        return true;
    return e->complete && e->opened.connected > 0 && e->opened.timestamps == 0;
}

static void judge_reuse_seen(const struct la_host_evidence *e, struct la_judgement *j) {
    uint64_t reused = fact(e, LA_FACT_OWN_TIME_WAIT_REUSED);
    if (allows_reuse(e))
        decide(j, LA_VERDICT_HELPS, "%s a TIME-WAIT of this host, which 1 allows",
               many(reused, "connection took over", "connections took over").text);
    else
        decide(j, LA_VERDICT_NO_EFFECT,
               "%s a TIME-WAIT of this host without it: their program binds the port itself",
               many(reused, "connection took over", "connections took over").text);
}

void judge_tw_reuse(const struct la_host_evidence *e, struct la_judgement *j) {
    int64_t value;
    bool known = number(e, "net.ipv4.tcp_tw_reuse", &value);
    if (fact(e, LA_FACT_OWN_TIME_WAIT_REUSED) > 0 && known)
        judge_reuse_seen(e, j);
    else if (opened_none(e))
        decide(j, LA_VERDICT_NO_EFFECT,
               "opened no connection in this capture, and connect() is all that it acts on");
    else if (e->complete && e->opened.closed > 0 && e->opened.closed_first == 0)
        decide(j, LA_VERDICT_NO_EFFECT,
               "opened %s and closed none first: no TIME-WAIT of its own is in its way",
               many(e->opened.attempts, "connection", "connections").text);
    else if (lacks_timestamps(e))
        decide(j, LA_VERDICT_NO_EFFECT,
               "its connections carry no timestamps, without which it does nothing");
    else if (fact(e, LA_FACT_PORTS_SHORT) > 0)
        decide(j, LA_VERDICT_HELPS,
               "closed %" PRIu64 " of its %" PRIu64
               " connections first and ran short of ports: with 1, connect() takes a port in "
               "TIME-WAIT after a second",
               e->opened.closed_first, e->opened.attempts);
    else if (e->opened.closed_first > 0)
        decide(j, LA_VERDICT_NO_EVIDENCE,
               "closed %" PRIu64 " of its %" PRIu64 " connections first, and no port ran short",
               e->opened.closed_first, e->opened.attempts);
}

/* A piece of configuration may name what its kernel does not have. */
static bool may_recycle(const struct la_host_evidence *e) {
    return la_host_settings_complete(e->settings)
               ? la_host_settings_text(e->settings, "net.ipv4.tcp_tw_recycle") != NULL
               : e->may_recycle || fact(e, LA_FACT_REFUSED_BY_RECYCLE) > 0;
}

void judge_tw_recycle(const struct la_host_evidence *e, struct la_judgement *j) {
    int64_t value;
    uint64_t refused = fact(e, LA_FACT_REFUSED_BY_RECYCLE);
    bool known = number(e, "net.ipv4.tcp_tw_recycle", &value);
    j->since = "4.12";
    if (!may_recycle(e) && (known || la_host_settings_complete(e->settings)))
        decide(j, LA_VERDICT_GONE, "%s",
               known ? "a kernel of that age ignores the line; older ones would refuse clients "
                       "behind NAT because of it, so take it out"
                     : "this kernel does not have it");
    else if (refused > 0 && !(known && value == 0))
        decide(j, LA_VERDICT_HARMFUL,
               "%s because another host behind the same address had a newer timestamp; set it to 0",
               many(refused, "attempt to connect was dropped", "attempts to connect were dropped")
                   .text);
    else if (known && value != 0)
        decide(j, LA_VERDICT_HARMFUL,
               "it is on: clients behind one address, and any client with timestamps by "
               "connection, are refused; set it to 0");
    else if (known)
        decide(j, LA_VERDICT_NO_EFFECT, "it is off, and should stay so");
}

static bool judge_fin_timeout_value(const struct la_host_evidence *e, struct la_judgement *j) {
    enum { USUAL = 60, ODD_UP_TO = 89 };
    int64_t value;
    uint64_t expired = fact(e, LA_FACT_FIN_WAIT_2_EXPIRED);
    if (!number(e, "net.ipv4.tcp_fin_timeout", &value))
        return false;
    if (value > USUAL && value <= ODD_UP_TO)
        decide(j, LA_VERDICT_HARMFUL,
               "a closed socket waits 2 * (%" PRId64 " - 60) = %" PRId64 " s in FIN-WAIT-2, less "
               "than with 60; only 60 and 120 last as long as they say",
               value, 2 * (value - USUAL));
    else if (value < USUAL && expired > 0)
        decide(j, LA_VERDICT_HARMFUL, "it was lowered to %" PRId64 " s, and %s an RST", value,
               many(expired, "peer that closed later met", "peers that closed later met").text);
    else
        return false;
    return true;
}

void judge_fin_timeout(const struct la_host_evidence *e, struct la_judgement *j) {
    uint64_t expired = fact(e, LA_FACT_FIN_WAIT_2_EXPIRED);
    if (judge_fin_timeout_value(e, j) || decide_never_closed_first(e, j))
        return;
    if (expired > 0)
        decide(j, LA_VERDICT_NO_EVIDENCE, "%s it had run out: their late close() is what to mend",
               many(expired, "peer closed after", "peers closed after").text);
    else if (fact(e, LA_FACT_PORTS_SHORT) > 0)
        decide(j, LA_VERDICT_NO_EFFECT,
               "the ports that ran short were in TIME-WAIT, which it does not shorten");
    else if (closed_first(e) > 0)
        decide(j, LA_VERDICT_NO_EVIDENCE, "closed %s first, and no peer was seen to close too late",
               many(closed_first(e), "connection", "connections").text);
}

static uint64_t time_wait_peak(const struct la_host_evidence *e) {
    int64_t counted = 0;
    number(e, "ss.timewait", &counted);
    return e->time_wait_peak > (uint64_t)counted ? e->time_wait_peak : (uint64_t)counted;
}

void judge_max_tw_buckets(const struct la_host_evidence *e, struct la_judgement *j) {
    int64_t value;
    uint64_t peak = time_wait_peak(e),
             cut = fact(e, LA_FACT_TIME_WAIT_CUT_SHORT) + fact(e, LA_FACT_FIN_WAIT_2_DISCARDED);
    bool known = number(e, "net.ipv4.tcp_max_tw_buckets", &value);
    if (known && value == 0 && !never_closed_first(e))
        decide(j, LA_VERDICT_HARMFUL,
               "0 leaves no room at all: whatever a peer still sends after a close meets an RST");
    else if (known && cut > 0 && (uint64_t)value <= peak)
        decide(j, LA_VERDICT_HARMFUL,
               "%s, and there is room for %" PRId64 " only, of %" PRIu64 " at a time",
               many(cut, "TIME-WAIT or FIN-WAIT-2 was gone early",
                    "TIME-WAIT or FIN-WAIT-2 were gone early")
                   .text,
               value, peak);
    else if (known && is_nearly(peak, value))
        decide(j, LA_VERDICT_HELPS,
               "%" PRIu64 " of %" PRId64 " were in use at a time: raise it before it is full", peak,
               value);
    else if (!decide_never_closed_first(e, j) && cut > 0)
        decide(j, LA_VERDICT_NO_EVIDENCE,
               "%s, but not for want of room as far as this capture shows",
               many(cut, "TIME-WAIT or FIN-WAIT-2 was gone early",
                    "TIME-WAIT or FIN-WAIT-2 were gone early")
                   .text);
}

void judge_timestamps(const struct la_host_evidence *e, struct la_judgement *j) {
    int64_t value;
    uint64_t collided = fact(e, LA_FACT_PORT_COLLIDED);
    uint64_t reused = fact(e, LA_FACT_TIME_WAIT_REUSED) + fact(e, LA_FACT_OWN_TIME_WAIT_REUSED);
    uint64_t connected = e->opened.connected + e->accepted.connected;
    uint64_t used = e->opened.timestamps + e->accepted.timestamps;
    if (!number(e, "net.ipv4.tcp_timestamps", &value))
        return;
    if (value == 0 && collided > 0)
        decide(j, LA_VERDICT_HARMFUL,
               "it is off, and %s before: with timestamps a newer SYN takes over a TIME-WAIT",
               many(collided, "connection was refused because its port was used",
                    "connections were refused because their port was used")
                   .text);
    else if (value == 0 && fact(e, LA_FACT_PORTS_SHORT) > 0)
        decide(j, LA_VERDICT_HARMFUL,
               "it is off, so that tcp_tw_reuse can do nothing for the ports that ran short");
    else if (value > 0 && reused > 0 && used > 0)
        decide(j, LA_VERDICT_HELPS, "%s a TIME-WAIT, as newer timestamps allow",
               many(reused, "connection took over", "connections took over").text);
    else if (value > 0 && e->complete && connected > 0 && used == 0)
        decide(j, LA_VERDICT_NO_EFFECT, "none of %s: the peers, or something on the way, do not",
               many(connected, "connection carried them", "connections carried them").text);
}

void judge_rfc1337(const struct la_host_evidence *e, struct la_judgement *j) {
    int64_t value;
    uint64_t refused = fact(e, LA_FACT_REFUSED_BY_TIME_WAIT);
    uint64_t assassinated = fact(e, LA_FACT_ASSASSINATED);
    bool on = number(e, "net.ipv4.tcp_rfc1337", &value) && value != 0;
    if (on && refused > 0)
        decide(j, LA_VERDICT_HARMFUL,
               "%s: it ignores the RST with which the client would have cleared the way",
               many(refused, "SYN met a TIME-WAIT of this host and was refused",
                    "SYNs met a TIME-WAIT of this host and were refused")
                   .text);
    else if (!on && assassinated > 0 && fact(e, LA_FACT_OLD_DATA_ACCEPTED) > 0)
        decide(j, LA_VERDICT_HELPS,
               "%s by an RST, and an old segment got into a newer connection; 1 keeps them",
               many(assassinated, "TIME-WAIT of this host was ended",
                    "TIME-WAIT of this host were ended")
                   .text);
    else if (!decide_never_closed_first(e, j) && assassinated > 0)
        decide(j, LA_VERDICT_NO_EVIDENCE, "%s by an RST, and nothing came of it",
               many(assassinated, "TIME-WAIT of this host was ended",
                    "TIME-WAIT of this host were ended")
                   .text);
}

/* Opening */

/* SYN cookies are on unless something else is said. */
static bool has_cookies(const struct la_host_evidence *e) {
    int64_t value;
    return !number(e, "net.ipv4.tcp_syncookies", &value) || value != 0;
}

void judge_syncookies(const struct la_host_evidence *e, struct la_judgement *j) {
    uint64_t full = fact(e, LA_FACT_SYN_QUEUE_FULL), floods = fact(e, LA_FACT_FLOODED);
    if (!has_cookies(e) && full + floods > 0)
        decide(j, LA_VERDICT_HARMFUL, "it is off, and %s: with 1 a full queue is no obstacle",
               full > 0 ? many(full, "attempt was dropped", "attempts were dropped").text
                        : many(floods, "flood was seen", "floods were seen").text);
    else if (floods > 0)
        decide(j, LA_VERDICT_HELPS, "%s: with cookies their attempts stand in nobody's way",
               many(floods, "flood was seen", "floods were seen").text);
    else if (fact(e, LA_FACT_ACCEPT_QUEUE_FULL) > 0)
        decide(j, LA_VERDICT_NO_EFFECT,
               "what was full is the queue of finished connections, which cookies do not lengthen");
    else
        decide_accepted_none(e, j);
}

void judge_max_syn_backlog(const struct la_host_evidence *e, struct la_judgement *j) {
    if (decide_accepted_none(e, j))
        return;
    if (has_cookies(e))
        decide(j, LA_VERDICT_NO_EFFECT,
               "SYN cookies are on: the queue of attempts is as long as the listener's backlog");
    else if (fact(e, LA_FACT_SYN_QUEUE_FULL) > 0)
        decide(j, LA_VERDICT_HELPS, "SYN cookies are off, and %s: raise it, or turn them on",
               many(fact(e, LA_FACT_SYN_QUEUE_FULL), "attempt was dropped", "attempts were dropped")
                   .text);
}

void judge_somaxconn(const struct la_host_evidence *e, struct la_judgement *j) {
    enum { USUAL = 4096 };
    int64_t value;
    uint64_t full = fact(e, LA_FACT_ACCEPT_QUEUE_FULL) + fact(e, LA_FACT_SYN_QUEUE_FULL);
    bool ample = number(e, "net.core.somaxconn", &value) && value > USUAL;
    if (full > 0)
        decide(j, ample ? LA_VERDICT_NO_EVIDENCE : LA_VERDICT_HELPS, "%s a full queue: %s",
               many(full, "attempt met", "attempts met").text,
               ample ? "the backlog that the program itself gives to listen() is the likelier bound"
                     : "raise it together with the backlog that the program gives to listen(), and "
                       "accept faster");
    else
        decide_accepted_none(e, j);
}

void judge_abort_on_overflow(const struct la_host_evidence *e, struct la_judgement *j) {
    int64_t value;
    bool known = number(e, "net.ipv4.tcp_abort_on_overflow", &value);
    uint64_t full = fact(e, LA_FACT_ACCEPT_QUEUE_FULL);
    if (known && value != 0 && full > 0)
        decide(j, LA_VERDICT_HARMFUL,
               "it is on, and %s a full queue: what would get in a second later is reset",
               many(full, "attempt met", "attempts met").text);
    else if (!decide_accepted_none(e, j) && known && value == 0)
        decide(j, LA_VERDICT_NO_EFFECT, "it is off; it would make no room for anybody");
}

void judge_syn_retries(const struct la_host_evidence *e, struct la_judgement *j) {
    enum { FEW = 2 };
    int64_t value;
    uint64_t unanswered = fact(e, LA_FACT_SYN_UNANSWERED), repeated = fact(e, LA_FACT_SYN_REPEATED);
    bool few = number(e, "net.ipv4.tcp_syn_retries", &value) && value <= FEW;
    if (few && unanswered > 0)
        decide(j, LA_VERDICT_HARMFUL, "it was lowered to %" PRId64 ", and %s without an answer",
               value, many(unanswered, "attempt failed", "attempts failed").text);
    else if (repeated > 0)
        decide(j, LA_VERDICT_HELPS, "%s through because a SYN was repeated",
               many(repeated, "attempt got", "attempts got").text);
    else if (unanswered > 0)
        decide(j, LA_VERDICT_NO_EVIDENCE, "%s no answer: it only decides how soon that is told",
               many(unanswered, "attempt got", "attempts got").text);
    else
        decide_opened_none(e, j);
}

void judge_synack_retries(const struct la_host_evidence *e, struct la_judgement *j) {
    uint64_t floods = fact(e, LA_FACT_FLOODED);
    if (floods > 0 && has_cookies(e))
        decide(j, LA_VERDICT_NO_EFFECT,
               "%s, but SYN cookies are on: attempts that nobody finishes stand in nobody's way",
               many(floods, "flood was seen", "floods were seen").text);
    else if (floods > 0)
        decide(j, LA_VERDICT_HELPS,
               "%s, and SYN cookies are off: fewer repeats free the queue sooner",
               many(floods, "flood was seen", "floods were seen").text);
    else
        decide_accepted_none(e, j);
}

/* Giving up */

void judge_orphan_retries(const struct la_host_evidence *e, struct la_judgement *j) {
    enum { USUAL = 8 }; /* which 0 means, too */
    int64_t value;
    uint64_t given_up = fact(e, LA_FACT_CLOSE_GIVEN_UP), repeated = fact(e, LA_FACT_FIN_REPEATED);
    bool lowered = number(e, "net.ipv4.tcp_orphan_retries", &value) && value > 0 && value < USUAL;
    if (lowered && given_up > 0)
        decide(j, LA_VERDICT_HARMFUL, "it was lowered to %" PRId64 ", and %s given up", value,
               many(given_up, "close was", "closes were").text);
    else if (repeated > 0)
        decide(j, LA_VERDICT_HELPS, "%s repaired because a FIN was repeated",
               many(repeated, "close was", "closes were").text);
    else if (given_up + fact(e, LA_FACT_FIN_UNANSWERED) > 0)
        decide(j, LA_VERDICT_NO_EVIDENCE, "%s: repeating them for longer repairs nothing",
               many(given_up > 0 ? given_up : fact(e, LA_FACT_FIN_UNANSWERED),
                    "FIN was never answered", "FINs were never answered")
                   .text);
    else if (e->complete && e->opened.closed + e->accepted.closed > 0)
        decide(j, LA_VERDICT_NO_EFFECT, "no FIN of this host was sent again");
}

void judge_max_orphans(const struct la_host_evidence *e, struct la_judgement *j) {
    int64_t value, orphaned;
    if (!number(e, "net.ipv4.tcp_max_orphans", &value) || !number(e, "ss.orphaned", &orphaned))
        return;
    if (orphaned > 0 && is_nearly((uint64_t)orphaned, value))
        decide(j, LA_VERDICT_HELPS,
               "ss -s counted %" PRId64 " of %" PRId64 ": raise it, and find why so many closes "
               "are not acknowledged",
               orphaned, value);
    else
        decide(j, LA_VERDICT_NO_EVIDENCE, "ss -s counted %" PRId64 " of %" PRId64, orphaned, value);
}

void judge_retries2(const struct la_host_evidence *e, struct la_judgement *j) {
    enum { LEAST = 8, SOON = 10 }; /* 100 s, RFC 1122; about 400 s */
    int64_t value;
    uint64_t died = fact(e, LA_FACT_DIED_UNACKNOWLEDGED);
    bool known = number(e, "net.ipv4.tcp_retries2", &value);
    if (died == 0)
        return;
    struct words repeated = many(died, "connection repeated data until it died",
                                 "connections repeated data until they died");
    if (known && value < LEAST)
        decide(j, LA_VERDICT_HARMFUL,
               "%s, and it was lowered to %" PRId64 ", less than the 100 s that RFC 1122 asks for",
               repeated.text, value);
    else if (known && value <= SOON)
        decide(j, LA_VERDICT_HELPS, "%s, and %" PRId64 " has that told in minutes", repeated.text,
               value);
    else
        decide(j, LA_VERDICT_HELPS,
               "%s: 8 (100 s) tells a program that still waits sooner than 15 (924 s)",
               repeated.text);
}

/* Keeping alive */

void judge_keepalive_time(const struct la_host_evidence *e, struct la_judgement *j) {
    uint64_t lost = fact(e, LA_FACT_LOST_WHILE_IDLE), leaked = fact(e, LA_FACT_CLOSE_WAIT_LEAKED);
    if (lost > 0)
        decide(j, LA_VERDICT_HELPS,
               "%s while idle: probes sooner than the path forgets a connection keep it, where the "
               "program sets SO_KEEPALIVE",
               many(lost, "connection was lost", "connections were lost").text);
    else if (fact(e, LA_FACT_PROBED) > 0)
        decide(j, LA_VERDICT_HELPS, "%s probed after the time that it says",
               many(fact(e, LA_FACT_PROBED), "connection was", "connections were").text);
    else if (fact(e, LA_FACT_PROBED_BY_PROGRAM) > 0)
        decide(j, LA_VERDICT_NO_EFFECT, "%s probed after a time that the program chose itself",
               many(fact(e, LA_FACT_PROBED_BY_PROGRAM), "connection was", "connections were").text);
    else if (leaked > 0)
        decide(j, LA_VERDICT_NO_EFFECT,
               "%s in CLOSE-WAIT, which probes do not end while the peer's host answers",
               many(leaked, "socket was left", "sockets were left").text);
}

void judge_keepalive_death(const struct la_host_evidence *e, struct la_judgement *j) {
    uint64_t died = fact(e, LA_FACT_DIED_OF_KEEPALIVE), own = fact(e, LA_FACT_DIED_OF_PROGRAM);
    if (died > 0)
        decide(j, LA_VERDICT_HELPS, "%s given up when the probes that it allows were not answered",
               many(died, "connection was", "connections were").text);
    else if (own > 0)
        decide(j, LA_VERDICT_NO_EFFECT, "%s given up, by probes that the program chose itself",
               many(own, "connection was", "connections were").text);
}

/* Ports */

static uint64_t port_count(const struct la_host_evidence *e) {
    enum { USUAL = 28232 };
    int64_t from, to;
    if (!la_host_settings_range(e->settings, "net.ipv4.ip_local_port_range", &from, &to))
        return USUAL;
    return (uint64_t)(to - from + 1);
}

void judge_port_range(const struct la_host_evidence *e, struct la_judgement *j) {
    uint64_t ports = port_count(e);
    if (fact(e, LA_FACT_PORTS_SHORT) > 0)
        decide(
            j, LA_VERDICT_HELPS,
            "ran short of its %" PRIu64
            " ports to one destination: widen it, and keep connections instead of opening new ones",
            ports);
    else if (decide_opened_none(e, j))
        return;
    else if (e->complete && e->port_peak > 0 && e->port_peak <= ports / 2)
        decide(j, LA_VERDICT_NO_EFFECT,
               "used at most %" PRIu64 " of its %" PRIu64 " ports to one destination at a time",
               e->port_peak, ports);
}

/* Buffers and files */

void judge_receive_buffer(const struct la_host_evidence *e, struct la_judgement *j) {
    if (fact(e, LA_FACT_WINDOW_CLOSED) > 0)
        decide(j, LA_VERDICT_NO_EFFECT,
               "closed its window on %s did not read; a larger buffer fills later",
               many(fact(e, LA_FACT_WINDOW_CLOSED), "connection because its program",
                    "connections because its program")
                   .text);
}

void judge_send_buffer(const struct la_host_evidence *e, struct la_judgement *j) {
    if (fact(e, LA_FACT_PEER_CLOSED_WINDOW) > 0)
        decide(j, LA_VERDICT_NO_EFFECT, "the peers of %s read",
               many(fact(e, LA_FACT_PEER_CLOSED_WINDOW),
                    "connection closed its window: it is that one that does not",
                    "connections closed their windows: it is they that do not")
                   .text);
}

static bool judge_files(const struct la_host_evidence *e, const char *name, uint64_t used,
                        struct la_judgement *j) {
    int64_t value;
    if (number(e, name, &value) && is_nearly(used, value))
        decide(j, LA_VERDICT_HELPS, "%s at a time, of %" PRId64 " files that may be",
               many(used, "socket was open", "sockets were open").text, value);
    else if (fact(e, LA_FACT_CLOSE_WAIT_LEAKED) > 0)
        decide(
            j, LA_VERDICT_NO_EFFECT, "%s in CLOSE-WAIT: raising it hides the leak for a while",
            many(fact(e, LA_FACT_CLOSE_WAIT_LEAKED), "socket was left", "sockets were left").text);
    else
        return false;
    return true;
}

void judge_file_max(const struct la_host_evidence *e, struct la_judgement *j) {
    judge_files(e, "fs.file-max", e->socket_peak, j);
}

void judge_nofile(const struct la_host_evidence *e, struct la_judgement *j) {
    if (!judge_files(e, "nofile", e->service_peak, j) && fact(e, LA_FACT_PORTS_SHORT) > 0)
        decide(j, LA_VERDICT_NO_EFFECT, "it was ports that ran short, and files give none");
}

/* What no capture shows. */
void judge_nothing(const struct la_host_evidence *e, struct la_judgement *j) {
    (void)e;
    (void)j;
}
