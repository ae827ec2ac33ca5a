/* The list of outcomes: positions are a contract, names are unique. */
#include "tests/unit/base/check.h"

#include "core/base/status.h"

static void positions_that_peers_rely_on_do_not_move(void **state)
{
    (void)state;
    assert_int_equal(DFS_OK, 0);
    assert_int_equal(DFS_NOT_FOUND, 1);
    assert_int_equal(DFS_TOKEN_MISSING, 7);
    assert_int_equal(DFS_GRANT_INVALID, 15);
    assert_int_equal(DFS_LEASE_EXPIRED, 18);
    assert_int_equal(DFS_BAD_REQUEST, 28);
    assert_int_equal(DFS_INTERNAL, 43);
    assert_true(DFS_STATUS_COUNT > DFS_INTERNAL);
}

static void every_status_is_found_by_its_own_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DFS_STATUS_COUNT; i++) {
        enum dfs_status found = DFS_STATUS_COUNT;

        assert_true(dfs_status_find(dfs_status_name((enum dfs_status)i), &found));
        assert_int_equal(found, i);
        assert_true(strlen(dfs_status_words((enum dfs_status)i)) > 0);
    }
    assert_string_equal(dfs_status_name(DFS_LEASE_EXPIRED), "LEASE_EXPIRED");
}

static void an_unknown_name_leaves_the_answer_untouched(void **state)
{
    enum dfs_status found = DFS_IO;

    (void)state;
    assert_false(dfs_status_find("NOT_A_STATUS", &found));
    assert_false(dfs_status_find("not_found", &found));
    assert_false(dfs_status_find("", &found));
    assert_int_equal(found, DFS_IO);
}

static void a_number_outside_the_list_is_printed_all_the_same(void **state)
{
    (void)state;
    assert_string_equal(dfs_status_name(DFS_STATUS_COUNT), "?");
    assert_string_equal(dfs_status_words(DFS_STATUS_COUNT), "unknown status");
    assert_int_equal(dfs_status_exit_code(DFS_STATUS_COUNT), 3);
}

static void only_success_exits_with_zero_and_a_mistake_of_the_user_with_two(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DFS_STATUS_COUNT; i++) {
        const int code = dfs_status_exit_code((enum dfs_status)i);

        if (i == DFS_OK)
            assert_int_equal(code, 0);
        else if (i == DFS_BAD_CONFIG || i == DFS_BAD_USAGE)
            assert_int_equal(code, 2);
        else
            assert_int_equal(code, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_that_peers_rely_on_do_not_move),
        cmocka_unit_test(every_status_is_found_by_its_own_name),
        cmocka_unit_test(an_unknown_name_leaves_the_answer_untouched),
        cmocka_unit_test(a_number_outside_the_list_is_printed_all_the_same),
        cmocka_unit_test(only_success_exits_with_zero_and_a_mistake_of_the_user_with_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
