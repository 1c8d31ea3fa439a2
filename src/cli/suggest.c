#include "cli/suggest.h"

#include <string.h>

enum { WORD_MAX = 64 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Levenshtein's distance. */
static size_t distance(const char *a, const char *b) {
    size_t row[WORD_MAX + 1], columns = strlen(b);
    if (strlen(a) > WORD_MAX || columns > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[columns];
}

/* Who types the beginning of a word means that word, however much is missing. */
static size_t cost(const char *typed, const char *word) {
    size_t length = strlen(typed);
    if (length > 1 && strncmp(typed, word, length) == 0)
        return 1;
    return distance(typed, word);
}

const char *la_suggest(const char *typed, const char *(*word_at)(size_t index)) {
    const char *nearest = NULL, *word;
    size_t best = strlen(typed) / 3 + 1;
    for (size_t i = 0; (word = word_at(i)); i++) {
        size_t this_cost = cost(typed, word);
        if (this_cost <= best && (!nearest || this_cost < best)) {
            nearest = word;
            best = this_cost;
        }
    }
    return nearest;
}
