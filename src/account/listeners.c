/* A service is noted once for each of its connections, and there are few services: what is known
 * already costs a search and nothing else. */
#include "account/listeners.h"

#include <stdlib.h>

enum { TAIL_MIN = 64 };

static int by_socket(const void *a, const void *b) {
    const struct la_spell *x = a, *y = b;
    int order = la_addr_cmp(&x->local, &y->local);
    return order ? order : (int)x->local_port - (int)y->local_port;
}

/* Keeps the earliest of each socket. */
static void compact(struct la_listeners *l) {
    size_t kept = 0;
    if (l->count > 1)
        qsort(l->items, l->count, sizeof *l->items, by_socket);
    for (size_t i = 0; i < l->count; i++) {
        if (kept == 0 || by_socket(&l->items[kept - 1], &l->items[i]) != 0)
            l->items[kept++] = l->items[i];
        else if (l->items[i].since_ns < l->items[kept - 1].since_ns)
            l->items[kept - 1] = l->items[i];
    }
    l->sorted = l->count = kept;
}

static bool grow(struct la_listeners *l) {
    size_t capacity = l->capacity ? l->capacity * 2 : TAIL_MIN;
    struct la_spell *items = realloc(l->items, capacity * sizeof *items);
    if (!items)
        return false;
    l->items = items;
    l->capacity = capacity;
    return true;
}

enum la_status la_listeners_note(struct la_listeners *l, const struct la_spell *spell) {
    struct la_spell *known = NULL;
    if (l->sorted > 0)
        known = bsearch(spell, l->items, l->sorted, sizeof *spell, by_socket);
    if (known) {
        if (spell->since_ns < known->since_ns)
            *known = *spell;
        return LA_OK;
    }
    if (l->count - l->sorted >= TAIL_MIN + l->sorted / 2)
        compact(l);
    if (l->count == l->capacity && !grow(l))
        return LA_ENOMEM;
    l->items[l->count++] = *spell;
    return LA_OK;
}

const struct la_spell *la_listeners_all(struct la_listeners *l, size_t *count) {
    compact(l);
    *count = l->count;
    return l->items;
}

void la_listeners_release(struct la_listeners *l) {
    free(l->items);
    *l = (struct la_listeners){0};
}
