/* How a data server becomes a member: JOIN, INVENTORY, BLOCK_EVENTS, RESUME. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/nodes_rig.h"

static struct nodes_rig r;

static int set_up(void **state)
{
    (void)state;
    nrig_init(&r);
    nrig_start(&r);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nrig_close(&r);
    return 0;
}

static void joining_becomes_active_after_inventory_and_heartbeat(void **state)
{
    (void)state;
    assert_int_equal(nrig_join(&r, 0), DFS_OK);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_JOINING);
    nrig_beat(&r, 0);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_JOINING);
    nrig_tell(&r, 0);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
    assert_true(fake_trace_state(&r.f, "node", "EVICTED", "JOINING", "join"));
    assert_true(fake_trace_state(&r.f, "node", "JOINING", "ACTIVE", "inventory_end"));
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_JOINED), 1);

    nrig_up(&r, 1);
    assert_true(fake_trace_state(&r.f, "node", "JOINING", "ACTIVE", "heartbeat"));
    assert_true(r.nodes[1].incarnation > r.nodes[0].incarnation);
    assert_int_equal(r.nodes[1].acks, 1);
    nrig_assert_quiet(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joining_becomes_active_after_inventory_and_heartbeat, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
