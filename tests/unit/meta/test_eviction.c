/* A node goes: eviction, repair, the brake, maintenance, and the start of metadata. */
#include "tests/support/nodes_test.h"

static void start(unsigned count)
{
    nrig_start(&r);
    nrig_up_all(&r, count);
}

static void commit(uint32_t blocks)
{
    (void)nrig_commit(&r, blocks, 3, on_012, 3);
    nrig_live(&r, I);
}

static void assert_whole(uint32_t file, uint32_t blocks)
{
    for (uint32_t i = 0; i < blocks; i++)
        assert_in_range(nrig_copies(&r, file, i), 3, NRIG_NODES);
}

static void a_node_goes_and_its_blocks_are_copied_to_the_others(void **state)
{
    (void)state;
    start(5);
    commit(20);
    r.nodes[1].dead = true;
    nrig_live(&r, 6 * I);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_EVICTED);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_EVICTED), 1);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 20);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_DONE), 20);
    assert_whole(0, 20);
    assert_int_equal(meta_blockmap_node(&r.meta->map, meta_node_by_id(r.meta, &r.nodes[1].id)->index).count, 0);
    nrig_assert_quiet(&r);
}

static void eviction_comes_at_two_and_a_half_intervals(void **state)
{
    dfs_time_ns last;

    (void)state;
    start(3);
    nrig_live(&r, 3 * I);
    last = meta_node_by_id(r.meta, &r.nodes[2].id)->heard_mono;
    r.nodes[2].dead = true;
    nrig_live(&r, last + 3 * I / 2 - 1 - r.f.mono);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_ACTIVE);
    nrig_live(&r, 1);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_SUSPECT);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_SUSPECTED), 1);
    nrig_live(&r, last + 5 * I / 2 - 1 - r.f.mono);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_SUSPECT);
    nrig_live(&r, 1);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_EVICTED);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_EVICTED)->b, last);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_EVICTED)->a, r.nodes[2].incarnation);
    nrig_assert_sound(&r);
}

/* S3: a stall of metadata is nobody's death. */
static void our_own_stall_evicts_nobody(void **state)
{
    (void)state;
    start(4);
    commit(5);
    for (unsigned round = 0; round < 3; round++) {
        r.f.mono += 7 * I;
        fake_tick(&r.f);
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(nrig_state(&r, n), DFS_NODE_ACTIVE);
        nrig_live(&r, 2 * I);
    }
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_SUSPECTED), 0);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_EVICTED), 0);
    /* But the dead are still found: a stall moves their time by its length only. */
    r.nodes[3].dead = true;
    r.f.mono += 5 * I;
    fake_tick(&r.f);
    nrig_live(&r, 3 * I);
    assert_int_equal(nrig_state(&r, 3), DFS_NODE_EVICTED);
    nrig_assert_quiet(&r);
}

/* S1: a heartbeat that was on its way when its node was evicted. */
static void a_late_heartbeat_of_an_evicted_life_changes_nothing(void **state)
{
    uint64_t ring;

    (void)state;
    start(4);
    commit(5);
    r.nodes[0].silent = true;
    nrig_live(&r, 4 * I);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_EVICTED);
    assert_int_equal(r.nodes[0].status, DFS_STALE_INCARNATION);
    ring = r.meta->nodes->ring.tree.count;
    r.nodes[0].acks = 0;
    nrig_beat(&r, 0);
    assert_int_equal(r.nodes[0].acks, 0);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_EVICTED);
    assert_int_equal(r.meta->nodes->ring.tree.count, ring);
    assert_int_equal(r.meta->nodes->counters.heartbeats_stale, 1);
    assert_int_equal(nrig_resume(&r, 0), DFS_STALE_INCARNATION);

    /* It joins again, with its blocks: they are adopted, and what is then too many is trimmed. */
    r.nodes[0].silent = false;
    nrig_up(&r, 0);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
    nrig_live(&r, 30 * I);
    assert_whole(0, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 3);
    nrig_assert_quiet(&r);
}

static void a_broken_connection_makes_suspect_and_never_evicts(void **state)
{
    (void)state;
    start(4);
    commit(5);
    nrig_break(&r, 2);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_SUSPECT);
    nrig_live(&r, 10 * I);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_SUSPECT);
    assert_int_equal(nrig_resume(&r, 2), DFS_OK);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_ACTIVE);
    nrig_live(&r, 2 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    nrig_break(&r, 2);
    r.nodes[2].silent = true;
    nrig_live(&r, 4 * I);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_EVICTED);
    assert_whole(0, 5);
    nrig_assert_quiet(&r);
}

static void a_lost_store_is_evicted_at_once(void **state)
{
    struct dfs_m_join join;

    (void)state;
    start(4);
    commit(10);
    nrig_break(&r, 1);
    r.nodes[1].blocks_count = 0;
    r.nodes[1].boot.bytes[9]++;
    join = nrig_join_message(&r, 1);
    join.store_lost = 1;
    nrig_connect(&r, 1);
    nrig_send(&r, 1, DFS_MSG_JOIN, &join);
    (void)fake_expect(&r.f, r.nodes[1].conn, DFS_MSG_JOINED);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_EVICTED), 1);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_JOINING);
    nrig_up(&r, 1);
    nrig_live(&r, 5 * I);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE);
    assert_whole(0, 10);
    nrig_assert_quiet(&r);
}

static void leave(unsigned n)
{
    const struct dfs_m_leave message = {.incarnation = r.nodes[n].incarnation};

    nrig_send(&r, n, DFS_MSG_LEAVE, &message);
    nrig_pump(&r);
    assert_int_equal(r.nodes[n].status, DFS_OK);
    r.nodes[n].dead = true;
    nrig_break(&r, n);
}

static void a_clean_leave_gets_its_maintenance_time(void **state)
{
    (void)state;
    start(4);
    commit(8);
    leave(1);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_MAINTENANCE);
    nrig_live(&r, 30 * I);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_MAINTENANCE);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    r.nodes[1].dead = false;
    r.nodes[1].boot.bytes[9]++;
    nrig_up(&r, 1);
    nrig_live(&r, 20 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_EVICTED), 0);

    leave(1);
    nrig_live(&r, 59 * I);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_MAINTENANCE);
    nrig_live(&r, 5 * I);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_EVICTED);
    assert_whole(0, 8);
    nrig_assert_quiet(&r);
}

static void maintenance_outlives_a_restart_of_metadata(void **state)
{
    (void)state;
    start(4);
    commit(8);
    leave(1);
    nrig_restart(&r);
    for (unsigned n = 0; n < 4; n++) {
        if (n != 1)
            nrig_up(&r, n);
    }
    nrig_live(&r, 40 * I);
    assert_true(meta_nodes_is_warm(r.meta));
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    assert_int_equal(r.meta->nodes->repair.under, 8);
    nrig_live(&r, 30 * I);
    assert_whole(0, 8);
    nrig_assert_quiet(&r);
}

static void others_wait_for_the_grace(void **state)
{
    (void)state;
    r.config.repair_grace_ns = 10 * I;
    start(5);
    commit(6);
    (void)nrig_commit(&r, 3, 2, on_012 + 1, 2); /* two copies: one is left */
    r.nodes[1].dead = true;
    nrig_live(&r, 5 * I);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_EVICTED);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 3);
    r.nodes[1].dead = false;
    nrig_up(&r, 1);
    nrig_live(&r, 3 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 3);
    nrig_live(&r, 30 * I);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(nrig_copies(&r, 1, i), 2); /* the copy too many was trimmed */
    nrig_assert_quiet(&r);

    r.nodes[1].dead = true;
    nrig_live(&r, 5 * I);
    nrig_live(&r, 10 * I);
    assert_whole(0, 6);
    nrig_assert_quiet(&r);
}

static void the_brake_holds_all_but_single_copies(void **state)
{
    const uint16_t on_345[] = {3, 4, 5};
    const uint16_t on_056[] = {0, 5, 6};

    (void)state;
    r.config.brake_share_ppb = 400000000;
    start(7);
    commit(10);                              /* will lose two of three */
    (void)nrig_commit(&r, 10, 3, on_345, 3); /* will lose none */
    (void)nrig_commit(&r, 10, 3, on_056, 3); /* will lose one */
    nrig_live(&r, I);
    for (unsigned n = 0; n < 3; n++)
        r.nodes[n].dead = true;
    r.nodes[6].dead = false;
    nrig_live(&r, 4 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BRAKE_ON), 1);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_BRAKE_ON)->a, 3);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_BRAKE_ON)->b, 7);
    /* Files 0: lost (all three). File 2: two copies left, so it is held. */
    assert_int_equal(r.meta->nodes->repair.lost, 10);
    assert_int_equal(r.meta->nodes->repair.under, 20);
    nrig_live(&r, 20 * I);
    assert_int_equal(r.meta->nodes->repair.under, 20);
    nrig_live(&r, 20 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BRAKE_OFF), 1);
    assert_int_equal(r.meta->nodes->repair.under, 10);
    nrig_assert_sound(&r);

    /* The lost blocks are found again when one of their nodes returns. */
    r.nodes[1].dead = false;
    nrig_up(&r, 1);
    nrig_live(&r, 20 * I);
    assert_whole(0, 10);
    nrig_assert_quiet(&r);
}

static void single_copies_go_under_the_brake_one_a_node(void **state)
{
    const uint16_t on_01_5[] = {0, 1, 5};

    (void)state;
    r.config.brake_share_ppb = 400000000;
    start(7);
    (void)nrig_commit(&r, 12, 3, on_01_5, 3);
    nrig_live(&r, I);
    for (unsigned n = 0; n < 3; n++)
        r.nodes[n].dead = true;
    nrig_live(&r, 3 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BRAKE_ON), 1);
    nrig_live(&r, 3 * I);
    /* Each block has a second copy by now, and waits for the third. */
    for (uint32_t i = 0; i < 12; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 2);
    assert_int_equal(r.meta->nodes->repair.one_copy, 0);
    fake_command(&r.f, 9, DFS_META_BRAKE_RELEASE, NULL);
    nrig_live(&r, 3 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BRAKE_OFF), 1);
    assert_whole(0, 12);
    nrig_assert_quiet(&r);
}

/* S22: after a start nobody is missing until there was time to come. */
static void a_start_of_metadata_waits_for_the_known_nodes(void **state)
{
    (void)state;
    start(4);
    commit(10);
    nrig_restart(&r);
    assert_false(meta_nodes_is_warm(r.meta));
    assert_int_equal(nrig_resume(&r, 0), DFS_STALE_INCARNATION);
    nrig_break(&r, 0);
    nrig_up(&r, 0);
    nrig_up(&r, 3);
    nrig_live(&r, 2 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    assert_false(meta_nodes_have_told(r.meta));
    nrig_up(&r, 2);
    nrig_up(&r, 1);
    nrig_live(&r, I / 2);
    assert_true(meta_nodes_is_warm(r.meta)); /* sooner than five intervals: all are there */
    assert_true(meta_nodes_have_told(r.meta));
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    nrig_assert_quiet(&r);

    nrig_restart(&r);
    for (unsigned n = 0; n < 3; n++)
        nrig_up(&r, n);
    r.nodes[2].dead = true; /* joins and dies */
    nrig_live(&r, 9 * I);
    assert_true(meta_nodes_is_warm(r.meta));
    assert_int_equal(r.meta->nodes->repair.under, 10); /* nodes 0 and 1 alone are left */
    nrig_up(&r, 3);
    nrig_live(&r, 5 * I);
    assert_whole(0, 10);
    nrig_assert_quiet(&r);
}

static void too_many_missing_at_the_end_of_warm_up_pull_the_brake(void **state)
{
    const uint16_t on_012_3[] = {0, 1, 2, 3};

    (void)state;
    r.config.brake_share_ppb = 400000000;
    start(7);
    (void)nrig_commit(&r, 5, 4, on_012_3, 4);
    nrig_restart(&r);
    for (unsigned n = 2; n < 6; n++)
        nrig_up(&r, n);
    nrig_live(&r, 8 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BRAKE_ON), 1);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    nrig_live(&r, 35 * I);
    assert_int_equal(r.meta->nodes->repair.under, 0);
    nrig_assert_quiet(&r);
}

static void evicted_nodes_are_not_waited_for_at_the_next_start(void **state)
{
    (void)state;
    start(4);
    commit(3);
    r.nodes[3].dead = true;
    nrig_live(&r, 5 * I);
    nrig_restart(&r);
    for (unsigned n = 0; n < 3; n++)
        nrig_up(&r, n);
    nrig_live(&r, I);
    assert_true(meta_nodes_is_warm(r.meta));
    nrig_assert_quiet(&r);
}

/* A node that joins for ever and never tells does not keep its blocks from being repaired. */
static void an_endless_joining_does_not_hold_up_repair(void **state)
{
    (void)state;
    start(4);
    commit(4);
    r.nodes[1].boot.bytes[9]++;
    nrig_break(&r, 1);
    assert_int_equal(nrig_join(&r, 1), DFS_OK);
    r.nodes[1].up = true; /* beats, and tells nothing */
    nrig_live(&r, 20 * I);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_JOINING);
    assert_int_equal(r.meta->nodes->repair.under, 0);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    nrig_live(&r, 20 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_DONE), 4);
    assert_true(fake_conn_of(&r.f, r.nodes[1].conn)->closed); /* nothing came on it */
    nrig_up(&r, 1);
    nrig_live(&r, 30 * I);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 3);
    nrig_assert_quiet(&r);
}

static void a_drained_node_is_emptied_and_keeps_its_copies(void **state)
{
    struct meta_node *node;
    struct meta_r_node record;

    (void)state;
    start(5);
    commit(10);
    node = meta_node_by_id(r.meta, &r.nodes[1].id);
    meta_node_record(r.meta, node, &record);
    record.draining = 1;
    meta_append(r.meta, META_RECORD_NODE, &record);
    meta_node_refresh(r.meta, node, "drain");
    fake_tick(&r.f);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_DRAINING);
    nrig_live(&r, 6 * I);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 4); /* three elsewhere, and its own */
    nrig_assert_quiet(&r);
    r.nodes[1].dead = true;
    nrig_live(&r, 5 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 10);
    nrig_assert_quiet(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_goes_and_its_blocks_are_copied_to_the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(eviction_comes_at_two_and_a_half_intervals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(our_own_stall_evicts_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_heartbeat_of_an_evicted_life_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_connection_makes_suspect_and_never_evicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_store_is_evicted_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clean_leave_gets_its_maintenance_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(maintenance_outlives_a_restart_of_metadata, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_wait_for_the_grace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_brake_holds_all_but_single_copies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(single_copies_go_under_the_brake_one_a_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_of_metadata_waits_for_the_known_nodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_missing_at_the_end_of_warm_up_pull_the_brake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(evicted_nodes_are_not_waited_for_at_the_next_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_endless_joining_does_not_hold_up_repair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drained_node_is_emptied_and_keeps_its_copies, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
