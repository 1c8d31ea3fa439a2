/* Whatever is put into slots is found there until it is removed, however full rows are. */
#include "track/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NUMBERS = 6000, STEPS = 60000 };

/* What ought to be there: tags by number, and 0 where there is none. */
struct model {
    uint32_t tags[NUMBERS + 1];
    size_t count;
    uint64_t random;
};

static uint32_t draw(struct model *model, uint32_t below) {
    model->random = model->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(model->random >> 33) % below;
}

static bool has(const struct slots *slots, uint32_t number, uint32_t tag) {
    size_t at = slots_find(slots, tag);
    while (at != SLOT_NOWHERE && slots_number(slots, at) != number)
        at = slots_next(slots, at + 1, tag);
    return at != SLOT_NOWHERE;
}

static size_t count_of(const struct slots *slots, uint32_t tag) {
    size_t count = 0;
    for (size_t at = slots_find(slots, tag); at != SLOT_NOWHERE;
         at = slots_next(slots, at + 1, tag))
        count++;
    return count;
}

static void assert_as(const struct slots *slots, const struct model *model) {
    assert_int_equal(slots->used, model->count);
    for (uint32_t number = 1; number <= NUMBERS; number++)
        if (model->tags[number] != 0)
            assert_true(has(slots, number, model->tags[number]));
}

/* Puts and removes at random, with about `alive` numbers at a time and one of `tags` tags each. */
static void live_through(unsigned fill, uint32_t alive, uint32_t tags, uint64_t seed) {
    struct la_pages *pages = la_pages_new();
    struct model *model = calloc(1, sizeof *model);
    struct slots slots;
    model->random = seed;
    assert_true(slots_open(&slots, pages, fill));
    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t number = 1 + draw(model, alive * 2), *tag = &model->tags[number];
        if (*tag != 0) {
            assert_true(slots_remove(&slots, number, *tag));
            assert_false(has(&slots, number, *tag));
            *tag = 0;
            model->count--;
        } else {
            *tag = 1 + draw(model, tags) * 0x10001;
            assert_false(slots_remove(&slots, number, *tag));
            assert_true(slots_reserve(&slots));
            slots_put(&slots, number, *tag);
            model->count++;
        }
        if (step % 997 == 0)
            assert_as(&slots, model);
    }
    assert_as(&slots, model);
    slots_clear(&slots);
    assert_int_equal(count_of(&slots, 1), 0);
    slots_close(&slots);
    la_pages_free(pages);
    free(model);
}

static void what_was_put_is_found_until_it_is_removed(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        live_through(8, 300, 1 << 20, seed);
        live_through(13, 800, 1 << 20, seed);
        live_through(13, 3000, 1 << 14, seed);
    }
}

/* Homes are few, so that most lie in rows behind theirs, and chains of rows join and part. */
static void what_strays_over_full_rows_is_found(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        live_through(15, 400, 12, seed);
        live_through(15, 900, 60, seed);
    }
}

static void a_tag_likely_leads_to_its_number(void **unused) {
    (void)unused;
    struct la_pages *pages = la_pages_new();
    struct slots slots;
    assert_true(slots_open(&slots, pages, 8));
    assert_int_equal(slots_likely(&slots, 77), SLOT_EMPTY);
    for (uint32_t number = 1; number <= LA_LANES; number++)
        slots_put(&slots, number, number * 128 + 5); /* all in one row */
    for (uint32_t number = 1; number <= LA_LANES; number++)
        assert_int_equal(slots_likely(&slots, number * 128 + 5), number);
    assert_int_equal(slots_likely(&slots, 6), SLOT_EMPTY);
    slots_close(&slots);
    la_pages_free(pages);
}

static void lanes_are_compared_one_by_one(void **unused) {
    (void)unused;
    _Alignas(16) uint32_t lanes[LA_LANES];
    struct model model = {.random = 7};
    for (unsigned round = 0; round < 2000; round++) {
        unsigned expected = 0;
        for (unsigned i = 0; i < LA_LANES; i++) {
            lanes[i] = draw(&model, 3) - 1u;
            expected |= (unsigned)(lanes[i] == UINT32_MAX) << i;
        }
        assert_int_equal(la_lanes_equal(lanes, UINT32_MAX), expected);
        if (expected != 0)
            assert_int_equal(lanes[la_first_lane(expected)], UINT32_MAX);
    }
}

static void bytes_are_compared_one_by_one(void **unused) {
    (void)unused;
    uint8_t bytes[LA_BYTE_LANES + 3];
    struct model model = {.random = 8};
    for (unsigned round = 0; round < 2000; round++) {
        unsigned expected = 0;
        const uint8_t *from = bytes + round % 4;
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(draw(&model, 3) + 254);
        for (unsigned i = 0; i < LA_BYTE_LANES; i++)
            expected |= (unsigned)(from[i] == 255) << i;
        assert_int_equal(la_bytes_equal(from, 255), expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_it_is_removed),
        cmocka_unit_test(what_strays_over_full_rows_is_found),
        cmocka_unit_test(a_tag_likely_leads_to_its_number),
        cmocka_unit_test(lanes_are_compared_one_by_one),
        cmocka_unit_test(bytes_are_compared_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
