/* A failed assertion says where and what, and ends the process. */
#include "tests/unit/base/check.h"

#include <stdlib.h>

static void assert_one_is_two(void)
{
    const int one = 1;

    DFS_ASSERT(one == 2);
}

static void reach_the_unreachable(void)
{
    dfs_unreachable("after the switch");
}

static void panic_without_a_hook(void)
{
    dfs_panic_hook("no hook from here on");
    dfs_panic_hook = NULL;
    dfs_panic("file.c", 1, "function", "silent");
}

/* A host may end in its own way, for example after its log is written. */
static void exit_with_seven(const char *line)
{
    exit(strstr(line, "in its own way") != NULL ? 7 : 1);
}

static void a_hook_may_end_the_process_itself(void **state)
{
    const pid_t child = fork();
    int status = 0;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        dfs_panic_hook = exit_with_seven;
        dfs_panic("file.c", 1, "function", "in its own way");
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void an_assertion_that_holds_does_nothing(void **state)
{
    int evaluated = 0;

    (void)state;
    DFS_ASSERT(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

static void a_failed_assertion_names_file_function_and_condition_and_aborts(void **state)
{
    (void)state;
    assert_true(panics(assert_one_is_two, "test_assert.c:"));
    assert_true(panics(assert_one_is_two, ": assert_one_is_two: assertion failed: one == 2"));
}

static void the_unreachable_is_named(void **state)
{
    (void)state;
    assert_true(
        panics(reach_the_unreachable, "reach_the_unreachable: assertion failed: unreachable: after the switch"));
}

static void without_a_hook_a_panic_is_silent(void **state)
{
    (void)state;
    assert_true(panics(panic_without_a_hook, "no hook from here on"));
    assert_false(panics(panic_without_a_hook, "silent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assertion_that_holds_does_nothing),
        cmocka_unit_test(a_failed_assertion_names_file_function_and_condition_and_aborts),
        cmocka_unit_test(the_unreachable_is_named),
        cmocka_unit_test(without_a_hook_a_panic_is_silent),
        cmocka_unit_test(a_hook_may_end_the_process_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
