#include "report/socket_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 512, PORT_TEXT = 8, HOST_TEXT = LA_ADDR_TEXT + 2 };

static void print(struct socket_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void print(struct socket_page *page, const char *format, ...) {
    char line[LINE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length > 0)
        la_output_write(page->output, line,
                        (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

/* Whose table of when this is, where that is not plain from the command. */
static void print_heading(struct socket_page *page, const struct socket_view *view) {
    char host[LA_ADDR_TEXT], when[LA_TIME_TEXT];
    if (page->one_host && !page->series)
        return;
    print(page, "%s# %s at %s\n", page->begun ? "\n" : "", la_addr_format(view->host, host),
          la_time_format(view->moment_ns, page->emit.digits, when));
    page->begun = true;
}

/* As ss -tan */

/* An end of a socket as ss writes it. */
struct end_text {
    char host[HOST_TEXT], port[PORT_TEXT];
};

static void format_end(const struct la_addr *addr, uint16_t port, struct end_text *text) {
    char plain[LA_ADDR_TEXT];
    snprintf(text->host, sizeof text->host, la_addr_is_v4(addr) ? "%s" : "[%s]",
             la_addr_format(addr, plain));
    snprintf(text->port, sizeof text->port, "%u", port);
}

static void format_ends(const struct la_spell *spell, struct end_text ends[2]) {
    format_end(&spell->local, spell->local_port, &ends[0]);
    format_end(&spell->remote, spell->remote_port, &ends[1]);
    if (spell->state == LA_ST_LISTEN)
        ends[1] = (struct end_text){"*", "*"};
}

struct widths {
    int host[2], port[2];
};

static void widen(int *width, const char *text) {
    int length = (int)strlen(text);
    if (length > *width)
        *width = length;
}

static struct widths measure(const struct socket_view *view, const struct end_text titles[2]) {
    struct widths widths = {0};
    for (size_t i = 0; i <= view->count; i++) {
        struct end_text ends[2];
        if (i < view->count)
            format_ends(&view->spells[i], ends);
        else
            memcpy(ends, titles, sizeof ends);
        for (int e = 0; e < 2; e++) {
            widen(&widths.host[e], ends[e].host);
            widen(&widths.port[e], ends[e].port);
        }
    }
    return widths;
}

struct row {
    const char *state, *received, *sent, *certain;
    const struct end_text *ends;
};

static void print_row(struct socket_page *page, const struct widths *w, struct row row) {
    print(page, "%-10s %6s %6s %*s:%-*s %*s:%-*s %s\n", row.state, row.received, row.sent,
          w->host[0], row.ends[0].host, w->port[0], row.ends[0].port, w->host[1], row.ends[1].host,
          w->port[1], row.ends[1].port, row.certain);
}

/* Histories know no queues, but for two states in which nothing can be left in one. */
static void print_spell(struct socket_page *page, const struct widths *widths,
                        const struct la_spell *spell) {
    struct end_text ends[2];
    bool is_time_wait = spell->state == LA_ST_TIME_WAIT;
    bool all_acked = is_time_wait || spell->state == LA_ST_FIN_WAIT_2;
    format_ends(spell, ends);
    print_row(page, widths,
              (struct row){.state = la_state_name(spell->state),
                           .received = is_time_wait ? "0" : "-",
                           .sent = all_acked ? "0" : "-",
                           .certain = spell->certain ? "yes" : "no",
                           .ends = ends});
}

static void put_table(struct socket_page *page, const struct socket_view *view) {
    static const struct end_text titles[2] = {{"Local Address", "Port"}, {"Peer Address", "Port"}};
    struct widths widths = measure(view, titles);
    print_heading(page, view);
    print_row(page, &widths, (struct row){"State", "Recv-Q", "Send-Q", "Certain", titles});
    for (size_t i = 0; i < view->count; i++)
        print_spell(page, &widths, &view->spells[i]);
}

/* Lines of JSON */

static json_t *emit_remote(struct la_emit *emit, const struct la_spell *spell) {
    if (spell->state != LA_ST_LISTEN)
        return la_emit_endpoint(emit, &spell->remote, spell->remote_port);
    json_t *nobody = json_object();
    la_emit_put(emit, nobody, "address", json_null());
    la_emit_put(emit, nobody, "port", json_null());
    return nobody;
}

static json_t *emit_spell(struct la_emit *emit, const struct la_spell *spell, int64_t moment_ns) {
    json_t *object = json_object();
    la_emit_put(emit, object, "time", la_emit_time(emit, moment_ns));
    la_emit_put(emit, object, "host", la_emit_addr(&spell->local));
    la_emit_put(emit, object, "local", la_emit_endpoint(emit, &spell->local, spell->local_port));
    la_emit_put(emit, object, "remote", emit_remote(emit, spell));
    la_emit_put(emit, object, "state", json_string(la_state_name(spell->state)));
    la_emit_put(emit, object, "since", la_emit_time(emit, spell->since_ns));
    la_emit_put(emit, object, "certain", json_boolean(spell->certain));
    return object;
}

static void put_lines(struct socket_page *page, const struct socket_view *view) {
    for (size_t i = 0; i < view->count && !page->emit.failed; i++) {
        size_t length;
        json_t *object = emit_spell(&page->emit, &view->spells[i], view->moment_ns);
        char *line = la_emit_print(&page->emit, object, false, &length);
        if (!line) {
            page->emit.failed = true;
            return;
        }
        line[length++] = '\n'; /* in the place of the NUL */
        la_output_write(page->output, line, length);
        free(line);
    }
}

/* As netstat -n, counted */

/* In the order of a connection's life; LISTEN is left out, as netstat leaves it out. */
static const uint8_t counted[] = {
    LA_ST_SYN_SENT,   LA_ST_SYN_RECV, LA_ST_ESTAB,   LA_ST_FIN_WAIT_1, LA_ST_FIN_WAIT_2,
    LA_ST_CLOSE_WAIT, LA_ST_LAST_ACK, LA_ST_CLOSING, LA_ST_TIME_WAIT,  LA_ST_UNKNOWN};

enum { COUNTED = sizeof counted / sizeof counted[0] };

static void count_states(const struct socket_view *view, uint64_t counts[LA_ST_COUNT]) {
    memset(counts, 0, LA_ST_COUNT * sizeof *counts);
    for (size_t i = 0; i < view->count; i++)
        counts[view->spells[i].state]++;
}

static void put_states(struct socket_page *page, const struct socket_view *view) {
    uint64_t counts[LA_ST_COUNT];
    count_states(view, counts);
    print_heading(page, view);
    for (int i = 0; i < COUNTED; i++)
        if (counts[counted[i]] > 0)
            print(page, "%s %" PRIu64 "\n", la_netstat_name(counted[i]), counts[counted[i]]);
}

/* One row a moment, for gnuplot and its like. */
static void put_states_row(struct socket_page *page, const struct socket_view *view) {
    uint64_t counts[LA_ST_COUNT];
    char host[LA_ADDR_TEXT], when[LA_TIME_TEXT];
    int width = (int)strlen(la_time_format(view->moment_ns, page->emit.digits, when));
    count_states(view, counts);
    if (!page->begun) {
        print(page, "%-*s %-15s", width, "# time", "host");
        for (int i = 0; i < COUNTED; i++)
            print(page, " %s", la_netstat_name(counted[i]));
        print(page, "\n");
    }
    page->begun = true;
    print(page, "%s %-15s", when, la_addr_format(view->host, host));
    for (int i = 0; i < COUNTED; i++)
        print(page, " %*" PRIu64, (int)strlen(la_netstat_name(counted[i])), counts[counted[i]]);
    print(page, "\n");
}

/* As uniq -c prints it. */
static void put_tallies(struct socket_page *page, const struct socket_view *view) {
    char text[LA_ADDR_TEXT];
    enum la_tally_by by = page->form == LA_SOCKETS_PEERS ? LA_TALLY_PEER : LA_TALLY_SERVICE;
    size_t count = la_tally_spells(view->spells, view->count, by, page->tallies);
    print_heading(page, view);
    for (size_t i = 0; i < count; i++) {
        const struct la_tally *tally = &page->tallies[i];
        if (by == LA_TALLY_PEER)
            print(page, "%7" PRIu64 " %s\n", tally->count, la_addr_format(&tally->peer, text));
        else
            print(page, "%7" PRIu64 " %u\n", tally->count, tally->port);
    }
}

/* As ss -s. What the kernel counts there are full sockets: no half-open attempt, and TIME-WAIT by
 * itself; its ESTAB is the CurrEstab of SNMP (RFC 4022), which has CLOSE-WAIT in it. */
static void put_summary(struct socket_page *page, const struct socket_view *view) {
    uint64_t counts[LA_ST_COUNT];
    count_states(view, counts);
    uint64_t timewait = counts[LA_ST_TIME_WAIT];
    uint64_t full = view->count - timewait - counts[LA_ST_SYN_RECV];
    bool v4 = la_addr_is_v4(view->host);
    print_heading(page, view);
    print(page,
          "TCP:   %" PRIu64 " (estab %" PRIu64 ", closed -, orphaned -, timewait %" PRIu64 ")\n\n",
          full + timewait, counts[LA_ST_ESTAB] + counts[LA_ST_CLOSE_WAIT], timewait);
    print(page, "Transport Total     IP        IPv6\n");
    print(page, "TCP       %-9" PRIu64 " %-9" PRIu64 " %" PRIu64 "\n", full, v4 ? full : 0,
          v4 ? 0 : full);
}

void socket_page_put(struct socket_page *page, const struct socket_view *view) {
    switch (page->form) {
    case LA_SOCKETS_TABLE:
        put_table(page, view);
        break;
    case LA_SOCKETS_NDJSON:
        put_lines(page, view);
        break;
    case LA_SOCKETS_STATES:
        if (page->series)
            put_states_row(page, view);
        else
            put_states(page, view);
        break;
    case LA_SOCKETS_PEERS:
    case LA_SOCKETS_SERVICES:
        put_tallies(page, view);
        break;
    case LA_SOCKETS_SUMMARY:
        put_summary(page, view);
        break;
    }
}
