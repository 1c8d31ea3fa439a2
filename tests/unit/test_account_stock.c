/* Pieces of a stock: none lies in another, whatever was given back before and whose it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "account/stock.h"

enum { PIECES = 3000, STEPS = 60000 };

struct piece {
    uint8_t *bytes; /* NULL: given back */
    size_t size;
    uint8_t mark;
};

static unsigned pick(uint64_t *random, unsigned count) {
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((*random >> 33) % count);
}

static void assert_untouched(const struct piece *piece) {
    for (size_t i = 0; i < piece->size; i++)
        assert_int_equal(piece->bytes[i], piece->mark);
}

static void take(struct la_stock *stock, struct piece *piece, uint64_t *random) {
    unsigned most = pick(random, 50) == 0 ? 20000 : 1100;
    piece->size = 1 + pick(random, most);
    piece->mark = (uint8_t)pick(random, 256);
    piece->bytes = la_stock_take(stock, piece->size);
    assert_non_null(piece->bytes);
    assert_int_equal((uintptr_t)piece->bytes % LA_STOCK_GRAIN, 0);
    memset(piece->bytes, piece->mark, piece->size);
}

static void give(struct la_stock *stock, struct piece *piece) {
    assert_untouched(piece);
    la_stock_give(stock, piece->bytes, piece->size);
    piece->bytes = NULL;
}

static void pieces_do_not_overlap(void **unused) {
    (void)unused;
    static struct piece pieces[2][PIECES];
    struct la_stock stocks[2] = {{.blocks = NULL}, {.blocks = NULL}};
    uint64_t random = 5;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned which = pick(&random, 2);
        struct piece *piece = &pieces[which][pick(&random, PIECES)];
        if (piece->bytes)
            give(&stocks[which], piece);
        else
            take(&stocks[which], piece, &random);
    }
    la_stock_merge(&stocks[0], &stocks[1]);
    assert_null(stocks[1].blocks);
    for (unsigned step = 0; step < STEPS; step++) {
        struct piece *piece = &pieces[pick(&random, 2)][pick(&random, PIECES)];
        if (piece->bytes)
            give(&stocks[0], piece);
        else
            take(&stocks[0], piece, &random);
    }
    for (unsigned i = 0; i < 2 * PIECES; i++)
        if (pieces[i / PIECES][i % PIECES].bytes)
            assert_untouched(&pieces[i / PIECES][i % PIECES]);
    la_stock_release(&stocks[0]);
    la_stock_release(&stocks[1]);
    assert_null(stocks[0].blocks);
}

static void without_a_stock_memory_is_that_of_malloc(void **unused) {
    (void)unused;
    void *piece = la_stock_take(NULL, 100);
    assert_non_null(piece);
    free(piece);
    la_stock_give(NULL, malloc(10), 10);
    la_stock_give(NULL, NULL, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(without_a_stock_memory_is_that_of_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
