/* Copies too many (trimmed only when the others were just read), readers' complaints, and blocks that no file
 * has. */
#include "tests/support/nodes_test.h"

static const uint16_t on_0123[] = {0, 1, 2, 3};

/* `count` nodes; a file of `blocks` blocks with four copies, one too many. */
static void start_with_excess(unsigned count, uint32_t blocks)
{
    nrig_start(&r);
    nrig_up_all(&r, count);
    (void)nrig_commit(&r, blocks, 3, on_0123, 4);
}

static uint32_t copies_least(uint32_t blocks)
{
    uint32_t least = NRIG_NODES;

    for (uint32_t i = 0; i < blocks; i++) {
        if (nrig_copies(&r, 0, i) < least)
            least = nrig_copies(&r, 0, i);
    }
    return least;
}

static void excess_is_trimmed_after_the_others_were_read(void **state)
{
    uint32_t verifies = 0;

    (void)state;
    start_with_excess(4, 50);
    nrig_live(&r, 9 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_TRIMMED), 0); /* not at once: the node may go again */
    nrig_live(&r, 11 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_TRIMMED), 50);
    for (unsigned n = 0; n < 4; n++)
        verifies += r.nodes[n].verifies;
    assert_int_equal(verifies, 150);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 3);
    nrig_assert_quiet(&r);
}

/* S15: one of those that would stay is a phantom, rotten, or does not answer. */
static void nothing_is_trimmed_unless_all_that_stay_are_confirmed(void **state)
{
    (void)state;
    start_with_excess(4, 10);
    r.nodes[0].slow = true;
    nrig_live(&r, 40 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_TRIMMED), 0);
    assert_in_range(r.meta->nodes->counters.trims_given_up, 10, 1000);
    assert_int_equal(copies_least(10), 4);
    nrig_assert_sound(&r);
    r.nodes[0].slow = false;
    r.nodes[0].verify_status = DFS_BLOCK_CORRUPT;
    nrig_live(&r, 60 * I);
    /* Copies of node 0 that were read are bad, and were removed as such; three are left of every block. */
    assert_in_range(r.nodes[0].removals_of[DFS_REMOVE_BAD], 1, 10);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 3);
    nrig_assert_quiet(&r);
}

static void a_phantom_among_them_saves_the_copy_too_many(void **state)
{
    (void)state;
    start_with_excess(4, 1);
    /* The map believes in a copy on node 1 that is not there. */
    r.nodes[1].blocks_count = 0;
    r.nodes[1].silent = true; /* so that the digest does not tell */
    nrig_live(&r, I);
    r.nodes[1].silent = false;
    r.meta->nodes->by_index[1]->digest = 0;
    nrig_live(&r, 40 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_TRIMMED), 0);
    assert_int_equal(nrig_copies(&r, 0, 0), 3);
    nrig_assert_quiet(&r);
}

static void a_refused_removal_keeps_the_copy(void **state)
{
    uint32_t verifies = 0;

    (void)state;
    start_with_excess(4, 3);
    for (unsigned n = 0; n < 4; n++)
        r.nodes[n].keeps = true;
    nrig_live(&r, 40 * I);
    for (unsigned n = 0; n < 4; n++)
        verifies += r.nodes[n].verifies;
    /* What was refused is over: it is not ordered again before those that stay have been read again. */
    assert_in_range(r.meta->nodes->counters.removals_refused, 3, verifies / 3);
    assert_int_equal(copies_least(3), 4);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(meta_block_good(meta_blockmap_block(&r.meta->map, nrig_block_no(&r, 0, i))), 4);
    for (unsigned n = 0; n < 4; n++)
        r.nodes[n].keeps = false;
    nrig_live(&r, 30 * I);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 3);
    nrig_assert_quiet(&r);
}

/* S4: the node that comes and goes loses the copies, so that its next absence moves nothing. */
static void flapping_moves_each_block_once(void **state)
{
    (void)state;
    nrig_start(&r);
    nrig_up_all(&r, 5);
    (void)nrig_commit(&r, 10, 3, on_012, 3);
    for (unsigned round = 0; round < 4; round++) {
        r.nodes[1].dead = true;
        nrig_live(&r, 5 * I);
        r.nodes[1].dead = false;
        nrig_up(&r, 1);
        nrig_live(&r, 25 * I);
    }
    assert_int_equal(r.meta->nodes->counters.copies_done, 10);
    for (uint32_t i = 0; i < 10; i++) {
        const struct nrig_block block = nrig_block(&r, 0, i);

        assert_int_equal(nrig_copies(&r, 0, i), 3);
        assert_false(nrig_has(&r, 1, &block.block));
    }
    nrig_assert_quiet(&r);
}

/* Complaints --------------------------------------------------------------------------------------------- */

static void complain(unsigned n, uint32_t index)
{
    const meta_block_no block = nrig_block_no(&r, 0, index);
    const uint16_t node = meta_node_by_id(r.meta, &r.nodes[n].id)->index;

    meta_blockmap_flags(&r.meta->map, meta_blockmap_find(&r.meta->map, block, node), META_COPY_DOUBTED, 0);
    meta_nodes_block_doubted(r.meta, block, node, DFS_BLOCK_CORRUPT);
    fake_tick(&r.f);
}

static void start_with_file(unsigned count, uint32_t blocks)
{
    nrig_start(&r);
    nrig_up_all(&r, count);
    (void)nrig_commit(&r, blocks, 3, on_012, 3);
    nrig_live(&r, I);
}

static void a_complaint_is_looked_into_not_believed(void **state)
{
    (void)state;
    start_with_file(4, 2);
    complain(1, 0);
    complain(1, 0);
    complain(1, 0);
    nrig_live(&r, 2 * I);
    assert_int_equal(r.nodes[1].verifies, 1); /* repeated complaints are one */
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 0);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    assert_int_equal(meta_blockmap_block(&r.meta->map, nrig_block_no(&r, 0, 0))->copies_bad, 0);

    r.nodes[1].verify_status = DFS_BLOCK_CORRUPT;
    complain(1, 1);
    nrig_live(&r, 10 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 1);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_DONE), 1);
    assert_int_equal(nrig_copies(&r, 0, 1), 3);
    nrig_assert_quiet(&r);
}

static void a_missing_copy_that_was_complained_of_leaves_the_map(void **state)
{
    (void)state;
    start_with_file(4, 1);
    r.nodes[1].verify_status = DFS_BLOCK_MISSING;
    complain(1, 0);
    nrig_live(&r, 5 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_DONE), 1);
    assert_int_equal(meta_blockmap_block(&r.meta->map, nrig_block_no(&r, 0, 0))->copies_count, 3);
}

static void a_complaint_outlasts_silence_and_restarts_of_its_node(void **state)
{
    (void)state;
    start_with_file(4, 1);
    r.nodes[1].slow = true;
    complain(1, 0);
    nrig_live(&r, 6 * I);
    assert_int_equal(r.nodes[1].verifies, 1);
    r.nodes[1].boot.bytes[9]++;
    nrig_break(&r, 1);
    r.nodes[1].slow = false;
    r.nodes[1].verify_status = DFS_BLOCK_CORRUPT;
    nrig_up(&r, 1);
    nrig_live(&r, 10 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 1);
    nrig_assert_quiet(&r);

    /* One that can never be looked into is given up: the copy counts as before. */
    r.nodes[2].slow = true;
    complain(2, 0);
    nrig_live(&r, 120 * I);
    assert_int_equal(r.meta->nodes->doubts_count, 0);
    assert_int_equal(meta_blockmap_block(&r.meta->map, nrig_block_no(&r, 0, 0))->copies_bad, 0);
}

/* Orphans ------------------------------------------------------------------------------------------------ */

static void blocks_that_no_file_has_are_removed(void **state)
{
    struct nrig_block block;

    (void)state;
    start_with_file(4, 2);
    block = nrig_block(&r, 77, 0);
    nrig_put(&r, 0, &block, true); /* published for an upload that had ended */
    block = nrig_block(&r, 0, 1);
    block.block.generation = 2;
    nrig_put(&r, 1, &block, true); /* another generation of a block that is there */
    block = nrig_block(&r, 78, 0);
    nrig_put(&r, 2, &block, false);
    r.nodes[2].boot.bytes[9]++;
    nrig_break(&r, 2);
    nrig_up(&r, 2); /* found by the inventory */
    nrig_live(&r, 3 * I);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(r.nodes[n].removals_of[DFS_REMOVE_ORPHAN], 1);
        assert_int_equal(r.nodes[n].blocks_count, 2);
    }
    assert_int_equal(r.meta->nodes->counters.orphans, 3);
    nrig_assert_quiet(&r);
}

static void deleted_files_leave_nothing(void **state)
{
    (void)state;
    start_with_file(4, 700); /* three batches a node */
    nrig_delete(&r, 0);
    nrig_live(&r, 5 * I);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(r.nodes[n].blocks_count, 0);
        assert_int_equal(r.nodes[n].removals_of[DFS_REMOVE_DELETED], 700);
    }
    nrig_assert_quiet(&r);
}

/* A batch that is not answered is sent again; what was under way when the connection broke as well. */
static void removals_survive_silence_and_broken_connections(void **state)
{
    (void)state;
    start_with_file(4, 300);
    r.nodes[0].slow = true;
    nrig_delete(&r, 0);
    nrig_live(&r, 3 * I);
    assert_int_equal(r.nodes[0].removals, 256);
    nrig_live(&r, 4 * I);
    assert_int_equal(r.nodes[0].removals, 512); /* the same ones */
    nrig_break(&r, 0);
    assert_int_equal(nrig_resume(&r, 0), DFS_OK);
    r.nodes[0].slow = false;
    nrig_live(&r, 2 * I);
    assert_int_equal(r.nodes[0].blocks_count, 0);
    nrig_assert_quiet(&r);
}

static void a_refused_removal_of_a_deleted_block_is_ordered_again(void **state)
{
    (void)state;
    start_with_file(4, 3);
    r.nodes[0].keeps = true;
    nrig_delete(&r, 0);
    nrig_live(&r, 3 * I);
    assert_int_equal(r.nodes[0].removals, 3);
    r.nodes[0].keeps = false;
    nrig_live(&r, 6 * I);
    assert_int_equal(r.nodes[0].blocks_count, 0);
    nrig_assert_quiet(&r);
}

/* More than is remembered is found again by the inventories that are asked for when the rest is done. */
static void removals_that_were_forgotten_are_recalled(void **state)
{
    (void)state;
    r.config.bounds.removals_per_node = 2;
    start_with_file(4, 7);
    for (unsigned n = 0; n < 3; n++)
        r.nodes[n].rejoins = true;
    nrig_delete(&r, 0);
    assert_int_equal(r.meta->nodes->removals_count, 3 * 2);
    nrig_live(&r, 20 * I);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(r.nodes[n].blocks_count, 0);
        assert_int_equal(r.nodes[n].removals_of[DFS_REMOVE_DELETED], 2);
        assert_int_equal(r.nodes[n].removals_of[DFS_REMOVE_ORPHAN], 5);
    }
    nrig_assert_quiet(&r);
}

/* Of the strays of one inventory only the first were kept. */
static void strays_that_were_left_out_are_recalled(void **state)
{
    struct dfs_meta_accounting account;

    (void)state;
    r.config.bounds.strays = 2;
    start_with_file(4, 1);
    for (uint32_t i = 0; i < 7; i++) {
        const struct nrig_block block = nrig_block(&r, 77, i);

        nrig_put(&r, 0, &block, false);
    }
    r.nodes[0].boot.bytes[9]++;
    r.nodes[0].rejoins = true;
    nrig_break(&r, 0);
    nrig_up(&r, 0);
    dfs_meta_account(r.meta, &account);
    assert_int_equal(account.removals_waiting, 2 + 1); /* and what is not known yet */
    nrig_live(&r, 30 * I);
    assert_int_equal(r.nodes[0].removals_of[DFS_REMOVE_ORPHAN], 7);
    assert_int_equal(r.nodes[0].blocks_count, 1);
    dfs_meta_account(r.meta, &account);
    assert_int_equal(account.removals_waiting, 0);
    nrig_assert_quiet(&r);
}

/* Strays that are none (their upload goes on) leave nothing to wait for: the next inventory is asked for after a pause. */
static void strays_left_out_beside_an_upload_are_recalled_after_a_pause(void **state)
{
    (void)state;
    r.config.bounds.strays = 1;
    start_with_file(4, 1);
    r.nodes[0].rejoins = true;
    const uint64_t before = r.meta->nodes->counters.inventories;

    meta_removals_recall_later(r.meta, meta_node_at(r.meta, 0));
    fake_tick(&r.f);
    nrig_live(&r, 4 * I);
    assert_int_equal(r.meta->nodes->counters.inventories, before);
    nrig_live(&r, 2 * I);
    assert_int_equal(r.meta->nodes->counters.inventories, before + 1);
    nrig_assert_quiet(&r);
}

/* S22: no deletion in warm-up, none under the brake. */
static void deletions_wait_for_warm_up_and_brake(void **state)
{
    struct nrig_block block;

    (void)state;
    start_with_file(5, 2);
    block = nrig_block(&r, 77, 0);
    nrig_put(&r, 0, &block, false);
    nrig_restart(&r);
    nrig_up(&r, 0);
    nrig_live(&r, 4 * I);
    assert_int_equal(r.nodes[0].removals, 0);
    assert_int_equal(r.meta->nodes->removals_count, 1);
    for (unsigned n = 1; n < 5; n++)
        nrig_up(&r, n);
    nrig_live(&r, 2 * I);
    assert_int_equal(r.nodes[0].removals, 1);
    nrig_assert_quiet(&r);

    r.meta->config.brake_share_ppb = 300000000;
    r.meta->config.brake_nodes = 2;
    r.nodes[3].dead = r.nodes[4].dead = true;
    nrig_live(&r, 4 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BRAKE_ON), 1);
    nrig_delete(&r, 0);
    nrig_live(&r, 5 * I);
    assert_int_equal(r.nodes[1].removals, 0);
    fake_command(&r.f, 1, DFS_META_BRAKE_RELEASE, NULL);
    nrig_live(&r, 2 * I);
    assert_int_equal(r.nodes[1].blocks_count, 0);
    nrig_assert_quiet(&r);
}

/* S18: the order to remove an orphan is tested again when it leaves. */
static void an_orphan_that_was_committed_meanwhile_is_adopted(void **state)
{
    const uint16_t on_12[] = {1, 2};
    struct nrig_block block;

    (void)state;
    start_with_file(4, 1);
    r.meta->nodes->braked = true; /* orders wait */
    r.meta->nodes->brake_until = DFS_NEVER;
    block = nrig_block(&r, 1, 0);
    nrig_put(&r, 0, &block, true);
    assert_int_equal(r.meta->nodes->removals_count, 1);
    (void)nrig_commit(&r, 1, 2, on_12, 2);
    meta_nodes_brake_release(r.meta);
    fake_tick(&r.f);
    nrig_live(&r, I);
    assert_int_equal(r.nodes[0].removals, 0);
    assert_int_equal(meta_blockmap_block(&r.meta->map, nrig_block_no(&r, 1, 0))->copies_count, 3);
    nrig_live(&r, 30 * I);
    assert_int_equal(nrig_copies(&r, 1, 0), 2);
    nrig_assert_quiet(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(excess_is_trimmed_after_the_others_were_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_trimmed_unless_all_that_stay_are_confirmed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_phantom_among_them_saves_the_copy_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_removal_keeps_the_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flapping_moves_each_block_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_complaint_is_looked_into_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_copy_that_was_complained_of_leaves_the_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_complaint_outlasts_silence_and_restarts_of_its_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocks_that_no_file_has_are_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deleted_files_leave_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removals_survive_silence_and_broken_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_removal_of_a_deleted_block_is_ordered_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removals_that_were_forgotten_are_recalled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strays_that_were_left_out_are_recalled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strays_left_out_beside_an_upload_are_recalled_after_a_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deletions_wait_for_warm_up_and_brake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_orphan_that_was_committed_meanwhile_is_adopted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
