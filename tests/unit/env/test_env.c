/* The names of what crosses the env, and a machine's own stalls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/env/env.h"

/* Every number below `count` has a name of its own; what lies beyond is "?". */
static void check_names(const char *(*name_of)(unsigned), unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_non_null(name_of(i));
        assert_true(strlen(name_of(i)) > 1);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(name_of(i), name_of(j));
    }
    assert_string_equal(name_of(count), "?");
    assert_string_equal(name_of(UINT32_MAX), "?");
}

static const char *role_name(unsigned i)
{
    return dfs_role_name((enum dfs_role)i);
}

static const char *disk_verb_name(unsigned i)
{
    return dfs_disk_verb_name((enum dfs_disk_verb)i);
}

static const char *trace_name(unsigned i)
{
    return dfs_trace_name((enum dfs_trace_kind)i);
}

static const char *event_name(unsigned i)
{
    return dfs_event_name((enum dfs_event_kind)i);
}

static void every_role_verb_trace_and_event_has_a_name_of_its_own(void **state)
{
    (void)state;
    check_names(role_name, DFS_ROLE_COUNT);
    check_names(disk_verb_name, DFS_DISK_VERB_COUNT);
    check_names(trace_name, DFS_TRACE_COUNT);
    check_names(event_name, DFS_EV_COUNT);
}

static void the_names_of_scenario_files_do_not_change(void **state)
{
    (void)state;
    assert_string_equal(dfs_role_name(DFS_ROLE_NONE), "none");
    assert_string_equal(dfs_role_name(DFS_ROLE_CLIENT), "client");
    assert_string_equal(dfs_disk_verb_name(DFS_DISK_CREATE), "create");
    assert_string_equal(dfs_disk_verb_name(DFS_DISK_SYNC_DIR), "sync_dir");
    assert_string_equal(dfs_disk_verb_name(DFS_DISK_SPACE), "space");
    assert_string_equal(dfs_disk_verb_name(DFS_DISK_FORGET), "forget");
    assert_string_equal(dfs_trace_name(DFS_TRACE_STATE), "state");
    assert_string_equal(dfs_trace_name(DFS_TRACE_REPAIR_DONE), "repair_done");
    assert_string_equal(dfs_trace_name(DFS_TRACE_NOTE), "note");
    assert_string_equal(dfs_event_name(DFS_EV_START), "start");
    assert_string_equal(dfs_event_name(DFS_EV_COMMAND), "command");
}

static void a_step_that_is_late_within_the_tolerance_is_no_stall(void **state)
{
    struct dfs_stall stall;

    (void)state;
    dfs_stall_init(&stall, 10 * DFS_SECONDS);
    assert_int_equal(dfs_stall_step(&stall, 5 * DFS_SECONDS), 0); /* nothing was asked for yet */
    stall.deadline = 5 * DFS_SECONDS;
    assert_int_equal(dfs_stall_step(&stall, 4 * DFS_SECONDS), 0);
    assert_int_equal(dfs_stall_step(&stall, 5 * DFS_SECONDS), 0);
    assert_int_equal(dfs_stall_step(&stall, 5 * DFS_SECONDS + DFS_STALL_TOLERANCE_NS), 0);
    assert_int_equal(stall.total_ns, 0);
}

static void a_later_step_counts_its_whole_lateness(void **state)
{
    struct dfs_stall stall;

    (void)state;
    dfs_stall_init(&stall, 10 * DFS_SECONDS);
    stall.deadline = 5 * DFS_SECONDS;
    assert_int_equal(dfs_stall_step(&stall, 5 * DFS_SECONDS + DFS_STALL_TOLERANCE_NS + 1), DFS_STALL_TOLERANCE_NS + 1);
    stall.deadline = 20 * DFS_SECONDS;
    assert_int_equal(dfs_stall_step(&stall, 23 * DFS_SECONDS), 3 * DFS_SECONDS);
    assert_int_equal(stall.total_ns, 3 * DFS_SECONDS + DFS_STALL_TOLERANCE_NS + 1);
}

static void the_tolerance_is_never_more_than_a_tenth_of_the_interval(void **state)
{
    struct dfs_stall stall;

    (void)state;
    dfs_stall_init(&stall, 200 * DFS_MILLISECONDS);
    assert_int_equal(stall.tolerance_ns, 20 * DFS_MILLISECONDS);
    dfs_stall_init(&stall, 3600 * DFS_SECONDS);
    assert_int_equal(stall.tolerance_ns, DFS_STALL_TOLERANCE_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_verb_trace_and_event_has_a_name_of_its_own),
        cmocka_unit_test(the_names_of_scenario_files_do_not_change),
        cmocka_unit_test(a_step_that_is_late_within_the_tolerance_is_no_stall),
        cmocka_unit_test(a_later_step_counts_its_whole_lateness),
        cmocka_unit_test(the_tolerance_is_never_more_than_a_tenth_of_the_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
