#include "diagnose/build.h"

#include "base/time.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct la_connection_ref refer(const struct la_connection *c) {
    return (struct la_connection_ref){
        .present = true,
        .client = c->side[LA_CLIENT].addr,
        .server = c->side[LA_SERVER].addr,
        .client_port = c->side[LA_CLIENT].port,
        .server_port = c->side[LA_SERVER].port,
        .initiator_known = c->initiator_known,
        .incarnation = c->incarnation,
        .opened_ns = c->opened_ns,
        .first_ns = c->first.time_ns,
    };
}

void finding_start(struct la_finding *f, enum la_kind kind, const struct la_connection *c,
                   unsigned host) {
    /* The text space is large and only read as far as it is written. */
    memset(f, 0, offsetof(struct la_finding, text));
    f->text[0] = '\0';
    f->kind = kind;
    f->delay_ns = -1;
    f->time_ns = c->first.time_ns;
    f->connection = refer(c);
    if (c->previous)
        f->previous = refer(c->previous);
    f->host = c->side[host].addr;
    f->peer = c->side[!host].addr;
    f->summary = "";
    f->responsible.role = LA_ROLE_UNKNOWN;
    f->responsible.why = "";
}

const char *finding_text(struct la_finding *f, const char *format, ...) {
    size_t room = sizeof f->text - f->text_used;
    char *text = f->text + f->text_used;
    if (room <= 1)
        return "";
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, room, format, args);
    va_end(args);
    size_t used = length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
    f->text_used = (uint16_t)(f->text_used + used + 1);
    return text;
}

/* A string of the text space moves with the finding; a static one stays. */
static const char *moved(const char *text, const struct la_finding *from, struct la_finding *to) {
    bool own = text >= from->text && text < from->text + sizeof from->text;
    return own ? to->text + (text - from->text) : text;
}

void la_finding_copy(struct la_finding *to, const struct la_finding *from) {
    memcpy(to, from, offsetof(struct la_finding, text) + from->text_used);
    to->summary = moved(from->summary, from, to);
    to->responsible.why = moved(from->responsible.why, from, to);
    for (size_t i = 0; i < to->assume_count; i++)
        to->assumes[i] = moved(from->assumes[i], from, to);
    for (size_t i = 0; i < to->excluded_count; i++)
        to->excluded[i].why = moved(from->excluded[i].why, from, to);
}

static int compare_number(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int compare_refs(const struct la_connection_ref *a, const struct la_connection_ref *b) {
    int order = la_addr_cmp(&a->client, &b->client);
    if (order == 0)
        order = la_addr_cmp(&a->server, &b->server);
    if (order == 0)
        order = compare_number(a->client_port, b->client_port);
    if (order == 0)
        order = compare_number(a->server_port, b->server_port);
    if (order == 0)
        order = compare_number(a->first_ns, b->first_ns);
    return order != 0 ? order : compare_number(a->incarnation, b->incarnation);
}

int la_finding_compare(const struct la_finding *a, const struct la_finding *b) {
    int order = compare_number(b->severity, a->severity);
    if (order == 0)
        order = compare_number(b->delay_ns, a->delay_ns);
    if (order == 0)
        order = compare_number(a->time_ns, b->time_ns);
    if (order == 0)
        order = compare_refs(&a->connection, &b->connection);
    if (order == 0)
        order = la_addr_cmp(&a->host, &b->host);
    return order != 0 ? order : compare_number(a->kind, b->kind);
}

void finding_show_where(struct la_finding *f, const struct la_where *where, const char *role) {
    if (f->evidence_count == LA_FINDING_EVIDENCE) {
        f->evidence_dropped++;
        return;
    }
    f->evidence[f->evidence_count++] = (struct la_evidence){*where, role};
}

void finding_show_observation(struct la_finding *f, const struct la_observation *o,
                              const char *role) {
    struct la_where where = {o->time_ns, o->frame, o->input};
    finding_show_where(f, &where, role);
}

void finding_show(struct la_finding *f, const struct la_connection *c, size_t index,
                  const char *role) {
    if (index == LA_NOWHERE || index >= c->log_count)
        return;
    struct la_where where = la_place_of(c, index);
    finding_show_where(f, &where, role);
}

void finding_assume(struct la_finding *f, const char *what) {
    if (f->assume_count < LA_FINDING_NOTES)
        f->assumes[f->assume_count++] = what;
}

void finding_assume_usual(struct la_finding *f, const struct la_connection *c, unsigned side) {
    static const char *const where[LA_VANTAGE_COUNT] = {
        "vantage: unknown (no handshake to measure, or too short a path)",
        "vantage: near the client", "vantage: near the server", "vantage: between the two"};
    finding_assume(f, where[c->vantage.kind]);
    finding_assume(f, finding_text(f, "profile: %s", c->profile[side]->name));
}

void finding_assume_heard(struct la_finding *f, const struct la_connection *c, int64_t from_ns,
                          int64_t until_ns) {
    if (la_was_heard(c, from_ns, until_ns))
        return;
    f->confidence = LA_INFERRED;
    finding_assume(f, "nothing was said while the whole capture paused");
}

void finding_exclude(struct la_finding *f, const char *kind, const char *why) {
    if (f->excluded_count < LA_FINDING_NOTES)
        f->excluded[f->excluded_count++] = (struct la_exclusion){kind, why};
}

void finding_blame(struct la_finding *f, enum la_role role, const struct la_addr *host,
                   const char *why) {
    f->responsible.role = role;
    f->responsible.host_known = host != NULL;
    if (host)
        f->responsible.host = *host;
    f->responsible.why = why;
}

static struct la_detail *add_detail(struct la_finding *f, const char *name,
                                    enum la_detail_type type) {
    struct la_detail *d = &f->details[f->detail_count < LA_FINDING_DETAILS ? f->detail_count++ : 0];
    d->name = name;
    d->type = type;
    return d;
}

void detail_null(struct la_finding *f, const char *name) {
    add_detail(f, name, LA_DETAIL_NULL);
}

void detail_bool(struct la_finding *f, const char *name, bool value) {
    add_detail(f, name, LA_DETAIL_BOOL)->value.boolean = value;
}

void detail_integer(struct la_finding *f, const char *name, int64_t value) {
    add_detail(f, name, LA_DETAIL_INTEGER)->value.integer = value;
}

void detail_seconds(struct la_finding *f, const char *name, int64_t ns) {
    add_detail(f, name, LA_DETAIL_SECONDS)->value.integer = ns;
}

void detail_word(struct la_finding *f, const char *name, const char *word) {
    add_detail(f, name, LA_DETAIL_WORD)->value.word = word;
}

void detail_seconds_or_null(struct la_finding *f, const char *name, int64_t ns) {
    if (ns < 0)
        detail_null(f, name);
    else
        detail_seconds(f, name, ns);
}

void detail_word_or_null(struct la_finding *f, const char *name, const char *word) {
    if (word)
        detail_word(f, name, word);
    else
        detail_null(f, name);
}

bool is_whole(const struct la_connection *c) {
    return c->side[0].seen && c->side[1].seen && c->gaps == 0 && !c->side[0].fin_unseen &&
           !c->side[1].fin_unseen && c->log_dropped == 0;
}

const char *endpoint_text(struct la_finding *f, const struct la_endpoint *end) {
    char text[LA_ADDR_TEXT];
    la_addr_format(&end->addr, text);
    if (la_addr_is_v4(&end->addr))
        return finding_text(f, "%s:%u", text, end->port);
    return finding_text(f, "[%s]:%u", text, end->port);
}

const char *seconds_text(struct la_finding *f, int64_t ns) {
    double s = la_seconds(ns);
    if (s < 0.001)
        return finding_text(f, "%.0f us", s * 1e6);
    if (s < 0.0995)
        return finding_text(f, "%.0f ms", s * 1e3);
    return finding_text(f, "%.*f s", s < 10 ? 2 : 0, s);
}

enum la_severity severity_of_delay(int64_t delay_ns) {
    if (delay_ns < 0)
        return LA_CRITICAL;
    return delay_ns >= 500 * LA_MSEC ? LA_WARNING : LA_NOTICE;
}

const struct la_detail *la_finding_detail(const struct la_finding *finding, const char *name) {
    for (size_t i = 0; i < finding->detail_count; i++)
        if (strcmp(finding->details[i].name, name) == 0)
            return &finding->details[i];
    return NULL;
}

bool la_finding_says(const struct la_finding *finding, const char *name, const char *word) {
    const struct la_detail *detail = name ? la_finding_detail(finding, name) : NULL;
    if (!name)
        return true;
    if (!word)
        return detail && detail->type != LA_DETAIL_NULL;
    return detail && detail->type == LA_DETAIL_WORD && strcmp(detail->value.word, word) == 0;
}

const struct la_addr *la_finding_whose(const struct la_finding *finding, enum la_whose whose) {
    if (whose == LA_OF_HOST)
        return &finding->host;
    if (whose == LA_OF_PEER)
        return finding->many_peers ? NULL : &finding->peer;
    if (!finding->connection.present)
        return NULL;
    bool client = whose == LA_OF_CLIENT ||
                  (whose == LA_OF_SIDE && la_finding_says(finding, "side", "client")) ||
                  (whose == LA_OF_OTHER_SIDE && la_finding_says(finding, "side", "server"));
    return client ? &finding->connection.client : &finding->connection.server;
}
