/* "did you mean": the known word that is nearest to a mistyped one. */
#ifndef LA_CLI_SUGGEST_H
#define LA_CLI_SUGGEST_H

#include <stddef.h>

/* The nearest of the words that `word_at` gives for 0, 1, ... until NULL; NULL when none is near.
 */
const char *la_suggest(const char *typed, const char *(*word_at)(size_t index));

#endif
