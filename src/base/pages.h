/* Memory by the piece, cut from larger blocks. One source serves all tables of an analysis, so that
 * what it rounds up is rounded up once. */
#ifndef LA_BASE_PAGES_H
#define LA_BASE_PAGES_H

#include <stddef.h>

enum { LA_PIECE = 64 * 1024 };

struct la_pages;

/* NULL when out of memory. Freeing it frees all pieces. */
struct la_pages *la_pages_new(void);
void la_pages_free(struct la_pages *pages);

/* LA_PIECE bytes, aligned to 64 and not cleared; NULL when out of memory. Safe from several
 * threads. */
void *la_pages_take(struct la_pages *pages);

/* The same for `count` pieces in a row. */
void *la_pages_take_row(struct la_pages *pages, size_t count);
/* Gives such a row back, to be taken as single pieces. NULL is fine. */
void la_pages_give_row(struct la_pages *pages, void *row, size_t count);
/* The same for a piece that nobody is going to take soon: the system may have its memory until
 * then. */
void la_pages_return(struct la_pages *pages, void *piece);

#endif
