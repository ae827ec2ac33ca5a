/* Arithmetic of time. */
#include "tests/unit/base/check.h"

#include "core/base/time.h"

static void a_sum_that_would_overflow_is_never(void **state)
{
    (void)state;
    assert_int_equal(dfs_time_add(5, 7), 12);
    assert_int_equal(dfs_time_add(DFS_NEVER - 7, 6), DFS_NEVER - 1);
    assert_true(dfs_time_add(DFS_NEVER - 7, 7) == DFS_NEVER);
    assert_true(dfs_time_add(DFS_NEVER - 7, 8) == DFS_NEVER);
    assert_true(dfs_time_add(DFS_NEVER, 1) == DFS_NEVER);
    assert_true(dfs_time_add(1, DFS_NEVER) == DFS_NEVER);
    assert_true(dfs_time_add(0, DFS_NEVER) == DFS_NEVER);
}

static void never_is_later_than_anything(void **state)
{
    (void)state;
    assert_int_equal(dfs_time_min(DFS_NEVER, 3), 3);
    assert_int_equal(dfs_time_min(3, 4), 3);
    assert_true(dfs_time_max(DFS_NEVER, 3) == DFS_NEVER);
    assert_int_equal(dfs_time_max(3, 4), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_that_would_overflow_is_never),
        cmocka_unit_test(never_is_later_than_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
