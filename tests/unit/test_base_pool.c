/* The pool: blocks are whole, aligned, apart from each other, and used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/pool.h"

enum { LARGEST = 32 * 1024 };

static struct la_pages *pages;

static struct la_pool *new_pool(void) {
    pages = la_pages_new();
    assert_non_null(pages);
    struct la_pool *pool = la_pool_new(pages);
    assert_non_null(pool);
    return pool;
}

static void free_pool(struct la_pool *pool) {
    la_pool_free(pool);
    la_pages_free(pages);
}

static void a_block_is_at_least_as_large_as_asked(void **unused) {
    (void)unused;
    size_t last = 0;
    for (size_t size = 1; size <= LARGEST; size++) {
        size_t real = la_pool_size(size);
        assert_true(real >= size);
        assert_true(real >= last);
        assert_true(real % 8 == 0);
        last = real;
    }
}

static void a_class_holds_what_it_says(void **unused) {
    (void)unused;
    for (size_t size = 1; size <= LARGEST; size++)
        assert_int_equal(la_pool_size(la_pool_size(size)), la_pool_size(size));
}

/* A third of the block, as the classes are spaced; very small ones have no choice. */
static void no_block_wastes_more_than_a_third(void **unused) {
    (void)unused;
    for (size_t size = 33; size <= LARGEST; size++)
        assert_true((la_pool_size(size) - size) * 3 <= la_pool_size(size) + 3);
}

static void more_than_the_largest_class_is_refused(void **unused) {
    (void)unused;
    struct la_pool *pool = new_pool();
    assert_int_equal(la_pool_size(LARGEST), LARGEST);
    assert_int_equal(la_pool_size(LARGEST + 1), 0);
    assert_int_equal(la_pool_size(SIZE_MAX), 0);
    assert_null(la_pool_take(pool, LARGEST + 1));
    assert_null(la_pool_take(pool, SIZE_MAX));
    assert_non_null(la_pool_take(pool, LARGEST));
    free_pool(pool);
}

static void blocks_are_aligned_and_apart(void **unused) {
    (void)unused;
    enum { BLOCKS = 4000 };
    struct la_pool *pool = new_pool();
    unsigned char **blocks = calloc(BLOCKS, sizeof *blocks);
    assert_non_null(blocks);
    size_t size[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        size[i] = 1 + i * 7919 % 700;
        blocks[i] = la_pool_take(pool, size[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 8, 0);
        memset(blocks[i], (int)(i & 0xff), la_pool_size(size[i]));
    }
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t j = 0; j < la_pool_size(size[i]); j++)
            if (blocks[i][j] != (i & 0xff))
                fail_msg("block %zu was written over at %zu", i, j);
    free(blocks);
    free_pool(pool);
}

static void a_block_given_back_is_used_again(void **unused) {
    (void)unused;
    struct la_pool *pool = new_pool();
    void *first = la_pool_take(pool, 100);
    void *second = la_pool_take(pool, 100);
    assert_ptr_not_equal(first, second);
    la_pool_give(pool, first, 100);
    la_pool_give(pool, second, 100);
    assert_ptr_equal(la_pool_take(pool, la_pool_size(100)), second);
    assert_ptr_equal(la_pool_take(pool, la_pool_size(100) - 1), first);
    free_pool(pool);
}

static void classes_do_not_mix(void **unused) {
    (void)unused;
    struct la_pool *pool = new_pool();
    void *small = la_pool_take(pool, 16);
    la_pool_give(pool, small, 16);
    assert_ptr_not_equal(la_pool_take(pool, 17), small);
    assert_ptr_equal(la_pool_take(pool, 16), small);
    free_pool(pool);
}

static void memory_does_not_grow_with_use_only_with_need(void **unused) {
    (void)unused;
    struct la_pool *pool = new_pool();
    assert_int_equal(la_pool_bytes(pool), 0);
    la_pool_give(pool, la_pool_take(pool, 64), 64);
    size_t bytes = la_pool_bytes(pool);
    assert_true(bytes > 0);
    for (int i = 0; i < 100000; i++)
        la_pool_give(pool, la_pool_take(pool, 64), 64);
    assert_int_equal(la_pool_bytes(pool), bytes);
    for (int i = 0; i < 100000; i++)
        assert_non_null(la_pool_take(pool, 64));
    assert_true(la_pool_bytes(pool) >= 100000 * 64);
    assert_true(la_pool_bytes(pool) <= 100000 * 64 + 2 * 256 * 1024);
    free_pool(pool);
}

static void nothing_may_be_given_back_and_freed(void **unused) {
    (void)unused;
    struct la_pool *pool = new_pool();
    la_pool_give(pool, NULL, 64);
    assert_int_equal(la_pool_bytes(pool), 0);
    free_pool(pool);
    la_pool_free(NULL);
    la_pages_free(NULL);
}

static void pieces_are_whole_aligned_and_apart(void **unused) {
    (void)unused;
    enum { PIECES = 40 };
    unsigned char *pieces[PIECES];
    struct la_pages *source = la_pages_new();
    assert_non_null(source);
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = la_pages_take(source);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 64, 0);
        memset(pieces[i], i, LA_PIECE);
    }
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(pieces[i][0], i);
        assert_int_equal(pieces[i][LA_PIECE - 1], i);
    }
    la_pages_free(source);
}

static void a_row_is_in_a_row_and_its_pieces_are_used_again(void **unused) {
    (void)unused;
    static const size_t counts[] = {1, 2, 4, 8, 16, 9, 3};
    enum { ROWS = sizeof counts / sizeof counts[0] };
    unsigned char *rows[ROWS];
    struct la_pages *source = la_pages_new();
    assert_non_null(source);
    for (int i = 0; i < ROWS; i++) {
        rows[i] = la_pages_take_row(source, counts[i]);
        assert_non_null(rows[i]);
        memset(rows[i], i, counts[i] * LA_PIECE);
    }
    for (int i = 0; i < ROWS; i++)
        for (size_t at = 0; at < counts[i] * LA_PIECE; at += LA_PIECE / 4)
            assert_int_equal(rows[i][at], i);
    la_pages_give_row(source, rows[4], counts[4]);
    la_pages_give_row(source, NULL, 3);
    for (size_t i = 0; i < counts[4]; i++) {
        unsigned char *piece = la_pages_take(source);
        assert_in_range((uintptr_t)piece, (uintptr_t)rows[4],
                        (uintptr_t)(rows[4] + (counts[4] - 1) * LA_PIECE));
        memset(piece, 0xff, LA_PIECE);
    }
    assert_int_equal(rows[5][0], 5);
    la_pages_return(source, rows[0]);
    assert_ptr_equal(la_pages_take(source), rows[0]);
    memset(rows[0], 0xff, LA_PIECE);
    assert_int_equal(rows[5][0], 5);
    la_pages_free(source);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_at_least_as_large_as_asked),
        cmocka_unit_test(a_class_holds_what_it_says),
        cmocka_unit_test(no_block_wastes_more_than_a_third),
        cmocka_unit_test(more_than_the_largest_class_is_refused),
        cmocka_unit_test(blocks_are_aligned_and_apart),
        cmocka_unit_test(a_block_given_back_is_used_again),
        cmocka_unit_test(classes_do_not_mix),
        cmocka_unit_test(memory_does_not_grow_with_use_only_with_need),
        cmocka_unit_test(nothing_may_be_given_back_and_freed),
        cmocka_unit_test(a_row_is_in_a_row_and_its_pieces_are_used_again),
        cmocka_unit_test(pieces_are_whole_aligned_and_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
