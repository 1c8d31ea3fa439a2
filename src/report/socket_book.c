/* Spells wait in a spool, in the order of their beginning, and are then read through once: only
 * what is alive at a moment is in memory. */
#include "report/socket_book.h"

#include "account/listeners.h"
#include "base/spool.h"
#include "report/socket_table.h"

#include <stdlib.h>
#include <string.h>

struct la_socket_book {
    const struct la_input *const *inputs;
    size_t input_count;
    struct la_spool *spool;
    struct la_listeners listeners;
    struct la_error failure; /* the first one */
};

struct la_socket_book *la_socket_book_new(const struct la_input *const *inputs, size_t count) {
    struct la_socket_book *book = calloc(1, sizeof *book);
    if (!book || !(book->spool = la_spool_new(1))) {
        free(book);
        return NULL;
    }
    book->inputs = inputs;
    book->input_count = count;
    return book;
}

void la_socket_book_free(struct la_socket_book *book) {
    if (!book)
        return;
    la_spool_free(book->spool);
    la_listeners_release(&book->listeners);
    free(book);
}

int la_socket_book_digits(const struct la_socket_book *book) {
    return la_emit_digits(book->inputs, book->input_count);
}

/* The table puts equal times in order by itself, so that the order of arrival has no say. */
static enum la_status spool_spell(struct la_socket_book *book, const struct la_spell *spell) {
    struct la_spool_key key = {.time_ns = spell->since_ns};
    return la_spool_add(book->spool, 0, &key, spell, sizeof *spell, &book->failure);
}

void la_socket_book_add(struct la_socket_book *book, const struct la_spell *spell) {
    if (book->failure.status != LA_OK)
        return;
    if (spell->state != LA_ST_LISTEN)
        (void)spool_spell(book, spell);
    else if (la_listeners_note(&book->listeners, spell) != LA_OK)
        la_fail(&book->failure, LA_ENOMEM, "out of memory");
}

static enum la_status spool_listeners(struct la_socket_book *book) {
    size_t count;
    const struct la_spell *spells = la_listeners_all(&book->listeners, &count);
    for (size_t i = 0; i < count && book->failure.status == LA_OK; i++)
        (void)spool_spell(book, &spells[i]);
    la_listeners_release(&book->listeners);
    return book->failure.status;
}

struct writing {
    const struct la_socket_query *query;
    struct socket_page page;
    struct la_socket_table *table;
    struct la_spell *shown; /* owned; of the table, what was asked for */
    size_t shown_capacity;
    int64_t moment_ns; /* the next one; LA_TIME_NONE: all are written */
    enum la_status status;
};

static bool reserve(struct writing *w, size_t count) {
    bool tallied = w->page.form == LA_SOCKETS_PEERS || w->page.form == LA_SOCKETS_SERVICES;
    size_t wanted = count + count / 4 + 1;
    if (count < w->shown_capacity)
        return true;
    struct la_spell *shown = realloc(w->shown, wanted * sizeof *shown);
    if (!shown)
        return false;
    w->shown = shown;
    if (tallied) {
        struct la_tally *tallies = realloc(w->page.tallies, wanted * sizeof *tallies);
        if (!tallies)
            return false;
        w->page.tallies = tallies;
    }
    w->shown_capacity = wanted;
    return true;
}

/* Netstat shows no listening sockets unless told to; ss -s counts them. */
static bool is_shown(const struct la_socket_query *query, const struct la_spell *spell) {
    bool without_listening = query->form == LA_SOCKETS_STATES || query->form == LA_SOCKETS_PEERS ||
                             query->form == LA_SOCKETS_SERVICES;
    if (without_listening && spell->state == LA_ST_LISTEN)
        return false;
    if (query->one_host && la_addr_cmp(&query->host, &spell->local) != 0)
        return false;
    return query->state == LA_ST_COUNT || spell->state == query->state;
}

static bool select_shown(struct writing *w, size_t *shown) {
    size_t count;
    const struct la_spell *spells = la_socket_table_spells(w->table, &count);
    *shown = 0;
    if (!reserve(w, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_shown(w->query, &spells[i]))
            continue;
        w->shown[*shown] = spells[i];
        w->shown[*shown].certain = spells[i].certain && w->moment_ns <= w->query->end_ns;
        ++*shown;
    }
    return true;
}

static void write_moment(struct writing *w) {
    size_t count;
    if (la_socket_table_advance(w->table, w->moment_ns) != LA_OK || !select_shown(w, &count)) {
        w->status = LA_ENOMEM;
        return;
    }
    if (count == 0 && w->query->one_host) {
        const struct socket_view none = {&w->query->host, w->moment_ns, NULL, 0};
        socket_page_put(&w->page, &none);
    }
    for (size_t i = 0, of_host; i < count; i += of_host) {
        of_host = la_spells_of_host(w->shown + i, count - i);
        const struct socket_view view = {&w->shown[i].local, w->moment_ns, w->shown + i, of_host};
        socket_page_put(&w->page, &view);
    }
    if (w->page.emit.failed)
        w->status = LA_ENOMEM;
}

/* Writes all moments before `ns`. */
static void write_until(struct writing *w, int64_t ns) {
    const struct la_socket_query *query = w->query;
    while (w->status == LA_OK && w->moment_ns != LA_TIME_NONE && w->moment_ns < ns) {
        write_moment(w);
        w->moment_ns = w->moment_ns < query->last_moment_ns
                           ? la_moments_from(&query->moments, w->moment_ns + 1)
                           : LA_TIME_NONE;
        if (w->moment_ns > query->last_moment_ns)
            w->moment_ns = LA_TIME_NONE;
    }
}

static bool take_spell(void *context, char *line, size_t length) {
    struct writing *w = context;
    struct la_spell spell;
    if (length != sizeof spell)
        return true;
    memcpy(&spell, line, sizeof spell);
    write_until(w, spell.since_ns);
    if (w->status == LA_OK)
        w->status = la_socket_table_add(w->table, &spell);
    return w->status == LA_OK && w->moment_ns != LA_TIME_NONE;
}

enum la_status la_socket_book_write(struct la_socket_book *book,
                                    const struct la_socket_query *query, struct la_output *output,
                                    struct la_error *err) {
    struct writing w = {.query = query, .moment_ns = query->moments.first_ns};
    w.page = (struct socket_page){.output = output,
                                  .form = query->form,
                                  .one_host = query->one_host,
                                  .series = query->moments.step_ns > 0};
    w.page.emit.digits = la_socket_book_digits(book);
    if (spool_listeners(book) != LA_OK) {
        *err = book->failure;
        return err->status;
    }
    w.table = la_socket_table_new();
    w.status = w.table ? LA_OK : LA_ENOMEM;
    enum la_status status = w.status;
    if (status == LA_OK)
        status = la_spool_walk(book->spool, take_spell, &w, err);
    if (status == LA_OK)
        write_until(&w, INT64_MAX);
    if (status == LA_OK && w.status != LA_OK)
        status = w.status;
    if (status == LA_ENOMEM)
        la_fail(err, LA_ENOMEM, "out of memory");
    la_socket_table_free(w.table);
    free(w.shown);
    free(w.page.tallies);
    return status;
}
