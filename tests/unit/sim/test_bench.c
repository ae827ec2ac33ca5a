/* The bench's own machinery: the capacity case in small, and the names of cases. */
#include "core/base/mem.h"
#include "sim/bench.h"
#include "sim/bench_capacity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_a_zone_is_lost_and_all_blocks_come_back(void **state)
{
    const struct sim_capacity small = {.data = 10, .zones = 5, .files = 4, .blocks = 32};
    struct sim_capacity_result first;
    struct sim_capacity_result again;

    (void)state;
    first = sim_capacity_run(&small);
    again = sim_capacity_run(&small);
    assert_int_equal(first.verdict, SIM_PASS);
    assert_int_equal(first.blocks, 4 * 32);
    assert_int_equal(first.lost, 2);
    /* Each of the ten servers held about a tenth of 384 copies; the zones forbid that the two lost ones shared a block. */
    assert_in_range(first.copies, 384 / 10, 384 / 3);
    assert_true(first.fill_seconds > 0 && first.repair_seconds > 0);
    assert_true(first.memory_bytes > 1e6);
    assert_true(first.hash == again.hash);
}

static void test_the_full_capacity_is_what_is_promised(void **state)
{
    const struct sim_capacity full = sim_capacity_full();

    (void)state;
    assert_int_equal(full.data, 1000);
    assert_int_equal(full.data / full.zones, 40);
    assert_true((uint64_t)full.files * full.blocks >= 1000000);
}

static void test_cases_have_names(void **state)
{
    (void)state;
    assert_string_equal(sim_bench_case_name(0), "load-5");
    for (size_t i = 0; sim_bench_case_name(i) != NULL; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(sim_bench_case_name(i), sim_bench_case_name(k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_zone_is_lost_and_all_blocks_come_back),
        cmocka_unit_test(test_the_full_capacity_is_what_is_promised),
        cmocka_unit_test(test_cases_have_names),
    };

    return cmocka_run_group_tests_name("sim/bench", tests, NULL, NULL);
}
