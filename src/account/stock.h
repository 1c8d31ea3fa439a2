/* Memory of accounts. What is given back is taken again for the next of that size, and all of it
 * goes at once: nobody has to visit tens of thousands of accounts for that.
 *
 * Where a stock is asked for, NULL stands for malloc() and free(). */
#ifndef LA_ACCOUNT_STOCK_H
#define LA_ACCOUNT_STOCK_H

#include <stddef.h>

enum {
    LA_STOCK_GRAIN = 16,
    LA_STOCK_SIZES = 64,
    LA_STOCK_LARGEST = LA_STOCK_GRAIN * LA_STOCK_SIZES
};

/* Zero-initialised: empty. */
struct la_stock {
    struct la_stock_block *blocks;    /* owned; all of them */
    char *at, *end;                   /* of the block that pieces are cut from: what is left */
    void *given_back[LA_STOCK_SIZES]; /* by size; each piece begins with the next one */
};

/* Aligned for anything, not cleared; NULL when out of memory. `size` is not 0. */
void *la_stock_take(struct la_stock *stock, size_t size);
/* `size` as it was asked for. NULL is fine. */
void la_stock_give(struct la_stock *stock, void *piece, size_t size);
/* What was taken from `from` belongs to `into` then; `from` is empty. */
void la_stock_merge(struct la_stock *into, struct la_stock *from);
/* Frees all that was taken; it is empty afterwards. */
void la_stock_release(struct la_stock *stock);

#endif
