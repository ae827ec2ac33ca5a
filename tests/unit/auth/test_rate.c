/* Credit of time: how often somebody may try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/auth/rate.h"

#define COST (10 * DFS_SECONDS) /* six a minute */

static const uint8_t ann[DFS_AUTH_RATE_KEY_BYTES] = {1};
static const uint8_t bob[DFS_AUTH_RATE_KEY_BYTES] = {2};

static void a_window_of_tries_and_then_one_at_a_time(void **state)
{
    struct dfs_auth_rate rate;
    dfs_duration_ns wait = 0;

    (void)state;
    dfs_auth_rate_init(&rate, 10, 60 * DFS_SECONDS, 1);
    for (int i = 0; i < 6; i++)
        assert_true(dfs_auth_rate_take(&rate, ann, COST, 1000, &wait));
    assert_false(dfs_auth_rate_take(&rate, ann, COST, 1000, &wait));
    assert_int_equal(wait, COST);
    assert_true(dfs_auth_rate_take(&rate, bob, COST, 1000, &wait)); /* another one is not concerned */
    assert_false(dfs_auth_rate_take(&rate, ann, COST, 1000 + COST - 1, &wait));
    assert_int_equal(wait, 1);
    assert_true(dfs_auth_rate_take(&rate, ann, COST, 1000 + COST, &wait));
    assert_true(dfs_auth_rate_take(&rate, ann, COST, UINT64_C(1) << 62, &wait)); /* a full window again, not more */
    for (int i = 0; i < 5; i++)
        assert_true(dfs_auth_rate_take(&rate, ann, COST, UINT64_C(1) << 62, &wait));
    assert_false(dfs_auth_rate_take(&rate, ann, COST, UINT64_C(1) << 62, &wait));
    dfs_auth_rate_close(&rate);
}

static void what_is_given_back_was_never_taken(void **state)
{
    struct dfs_auth_rate rate;
    dfs_duration_ns wait = 0;

    (void)state;
    dfs_auth_rate_init(&rate, 10, 60 * DFS_SECONDS, 1);
    for (int i = 0; i < 100; i++) {
        assert_true(dfs_auth_rate_take(&rate, ann, COST, 1000, &wait));
        dfs_auth_rate_give(&rate, ann, COST);
    }
    dfs_auth_rate_give(&rate, ann, COST); /* never more than a window */
    dfs_auth_rate_give(&rate, bob, COST); /* nobody */
    for (int i = 0; i < 6; i++)
        assert_true(dfs_auth_rate_take(&rate, ann, COST, 1000, &wait));
    assert_false(dfs_auth_rate_take(&rate, ann, COST, 1000, &wait));
    dfs_auth_rate_close(&rate);
}

static void the_table_is_bounded(void **state)
{
    struct dfs_auth_rate rate;
    dfs_duration_ns wait = 0;

    (void)state;
    dfs_auth_rate_init(&rate, 10, 60 * DFS_SECONDS, 1);
    for (uint8_t i = 0; i < 200; i++) {
        const uint8_t key[DFS_AUTH_RATE_KEY_BYTES] = {i, 7};

        assert_true(dfs_auth_rate_take(&rate, key, COST, 1000, &wait));
        assert_true(rate.entries.count <= 10);
    }
    dfs_auth_rate_close(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_of_tries_and_then_one_at_a_time),
        cmocka_unit_test(what_is_given_back_was_never_taken),
        cmocka_unit_test(the_table_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
