/* The short forms of a trace carry what they were given and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/env/trace.h"

static void keep(void *ctx, const struct dfs_trace *trace)
{
    *(struct dfs_trace *)ctx = *trace;
}

static const struct dfs_trace_ops ops = {.trace = keep};

static void a_change_of_state_names_machine_edge_and_reason(void **state)
{
    struct dfs_trace last = {.kind = DFS_TRACE_COUNT};
    const struct dfs_env env = {.ctx = &last, .trace = &ops};

    (void)state;
    dfs_trace_state(&env, "put", "WRITING", "DONE", "timeout");
    assert_int_equal(last.kind, DFS_TRACE_STATE);
    assert_string_equal(last.text, "put");
    assert_string_equal(last.text2, "WRITING");
    assert_string_equal(last.text3, "DONE");
    assert_string_equal(last.text4, "timeout");
    assert_true(dfs_id_is_zero(&last.node));
}

static void a_note_carries_a_status_and_words(void **state)
{
    struct dfs_trace last = {.kind = DFS_TRACE_COUNT};
    const struct dfs_env env = {.ctx = &last, .trace = &ops};

    (void)state;
    dfs_trace_note(&env, DFS_IO, "the disk failed");
    assert_int_equal(last.kind, DFS_TRACE_NOTE);
    assert_int_equal(last.status, DFS_IO);
    assert_string_equal(last.text, "the disk failed");
    assert_null(last.text2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_state_names_machine_edge_and_reason),
        cmocka_unit_test(a_note_carries_a_status_and_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
