/* The gate: legal edges pass and are traced, others end the process. */
#include "tests/unit/base/check.h"

#include "core/base/gate.h"
#include "core/env/trace.h"

enum door { DOOR_CLOSED, DOOR_OPEN, DOOR_GONE };

static const char *const door_names[] = {"CLOSED", "OPEN", "GONE"};
static const uint32_t door_edges[] = {
    [DOOR_CLOSED] = 1u << DOOR_OPEN | 1u << DOOR_GONE,
    [DOOR_OPEN] = 1u << DOOR_CLOSED,
    [DOOR_GONE] = 0,
};
static const struct dfs_path door_paths[] = {{DOOR_OPEN, "ring", 1u << DOOR_OPEN}};
static const struct dfs_gate door_gate = {"door", door_names, door_edges, 3, "the door", DFS_GATE_PATHS(door_paths)};

static void keep(void *ctx, const struct dfs_trace *trace)
{
    *(struct dfs_trace *)ctx = *trace;
}

static const struct dfs_trace_ops trace_ops = {.trace = keep};

static void a_legal_edge_is_taken_and_traced_with_its_reason(void **state)
{
    struct dfs_trace last = {.kind = DFS_TRACE_COUNT};
    const struct dfs_env env = {.ctx = &last, .trace = &trace_ops};
    enum door door = DOOR_CLOSED;

    (void)state;
    DFS_GATE(&env, &door_gate, door, DOOR_OPEN, "knock");
    assert_int_equal(door, DOOR_OPEN);
    assert_int_equal(last.kind, DFS_TRACE_STATE);
    assert_string_equal(last.text, "door");
    assert_string_equal(last.text2, "CLOSED");
    assert_string_equal(last.text3, "OPEN");
    assert_string_equal(last.text4, "knock");
    DFS_GATE(&env, &door_gate, door, DOOR_CLOSED, "timeout");
    assert_string_equal(last.text2, "OPEN");
    assert_string_equal(last.text3, "CLOSED");
}

static void leave_a_door_that_is_gone(void)
{
    struct dfs_trace last;
    const struct dfs_env env = {.ctx = &last, .trace = &trace_ops};
    enum door door = DOOR_GONE;

    DFS_GATE(&env, &door_gate, door, DOOR_OPEN, "knock");
}

static void stay(void)
{
    struct dfs_trace last;
    const struct dfs_env env = {.ctx = &last, .trace = &trace_ops};
    enum door door = DOOR_OPEN;

    DFS_GATE(&env, &door_gate, door, DOOR_OPEN, "knock");
}

static void an_edge_that_is_not_listed_panics(void **state)
{
    (void)state;
    assert_true(panics(leave_a_door_that_is_gone, "edges"));
    assert_true(panics(stay, "edges"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_legal_edge_is_taken_and_traced_with_its_reason),
        cmocka_unit_test(an_edge_that_is_not_listed_panics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
