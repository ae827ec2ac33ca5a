/* Pointers by numbers that grow: what was put is there until it is taken back, and memory is for what is kept. */
#include "sim/numbered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NUMBERS 5000
#define KEPT 100 /* at a time */

static size_t pages_of(const struct sim_numbered *numbered)
{
    size_t pages = 0;

    for (size_t i = 0; i < numbered->count; i++)
        pages += numbered->pages[i] != NULL;
    return pages;
}

static void test_a_window_that_goes_on_keeps_few_pages(void **state)
{
    static uint8_t things[NUMBERS];
    struct sim_numbered numbered = {.count = 0};

    (void)state;
    for (uint64_t i = 1; i < NUMBERS; i++) {
        assert_null(sim_numbered_at(&numbered, i));
        sim_numbered_put(&numbered, i, &things[i]);
        assert_ptr_equal(sim_numbered_at(&numbered, i), &things[i]);
        if (i <= KEPT)
            continue;
        assert_ptr_equal(sim_numbered_at(&numbered, i - KEPT), &things[i - KEPT]);
        sim_numbered_drop(&numbered, i - KEPT);
        assert_null(sim_numbered_at(&numbered, i - KEPT));
        assert_in_range(pages_of(&numbered), 1, 2);
    }
    sim_numbered_close(&numbered);
}

static void test_one_that_stays_is_found_among_those_that_went(void **state)
{
    static uint8_t things[NUMBERS];
    struct sim_numbered numbered = {.count = 0};

    (void)state;
    for (uint64_t i = 0; i < NUMBERS; i++)
        sim_numbered_put(&numbered, NUMBERS - 1 - i, &things[NUMBERS - 1 - i]);
    for (uint64_t i = 0; i < NUMBERS; i++) {
        if (i != 1000)
            sim_numbered_drop(&numbered, i);
    }
    assert_ptr_equal(sim_numbered_at(&numbered, 1000), &things[1000]);
    assert_null(sim_numbered_at(&numbered, 1001));
    assert_null(sim_numbered_at(&numbered, 2 * NUMBERS));
    assert_int_equal(pages_of(&numbered), 1);
    sim_numbered_put(&numbered, 1001, &things[1]);
    assert_ptr_equal(sim_numbered_at(&numbered, 1001), &things[1]);
    sim_numbered_close(&numbered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_window_that_goes_on_keeps_few_pages),
        cmocka_unit_test(test_one_that_stays_is_found_among_those_that_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
