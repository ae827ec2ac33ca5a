/* What the disk says at the start, and whether it is still our disk later. */
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_data_step(machine, event);
}

static struct dfs_m_join expect_join(struct data_rig *r)
{
    return fake_expect(&r->f, r->control, DFS_MSG_JOIN).body->join;
}

static void test_fresh_store_gets_its_marker_before_the_join(void **state)
{
    struct data_rig r;
    struct dfs_event start = {.kind = DFS_EV_START};

    (void)state;
    rig_init(&r);
    rig_start(&r);
    assert_non_null(fake_disk_file(&r.f, "marker"));
    assert_int_equal(r.f.disk_done[DFS_DISK_SYNC], 1);
    assert_int_equal(r.f.disk_done[DFS_DISK_SYNC_DIR], 1);
    assert_false(expect_join(&r).store_lost);
    rig_close(&r);

    /* Not before it is durable. */
    rig_init(&r);
    r.data = dfs_data_new(&r.config, &r.f.env);
    fake_attach(&r.f, r.data, step);
    fake_step(&r.f, &start);
    while (r.f.disk_done[DFS_DISK_SYNC_DIR] == 0) {
        assert_int_equal(fake_connected(&r.f), 0);
        assert_true(fake_disk_one(&r.f));
    }
    assert_int_not_equal(fake_connected(&r.f), 0);
    rig_close(&r);
}

static void test_second_start_needs_no_word_of_the_operator(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    rig_restart(&r, false);
    assert_false(expect_join(&r).store_lost);
    rig_close(&r);
}

static void test_empty_directory_without_marker_is_a_lost_store(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    r.config.fresh_store = false;
    rig_start(&r);
    assert_true(expect_join(&r).store_lost);
    assert_null(fake_disk_file(&r.f, "marker"));
    rig_close(&r);
}

static void test_blocks_without_marker_are_a_lost_store_even_when_fresh(void **state)
{
    struct data_rig r;
    char name[DFS_FILE_NAME_BYTES_MAX];
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[5000] = {0};

    (void)state;
    rig_init(&r);
    rig_name(&block, name);
    fake_disk_put(&r.f, name, bytes, sizeof bytes);
    rig_start(&r);
    r.f.conns[r.control - 1].out_at = 0;
    assert_true(expect_join(&r).store_lost);
    /* Nothing is removed, nothing is told. */
    r.f.conns[r.control - 1].out_at = 0;
    fake_open(&r.f, r.control);
    rig_joined(&r, 100);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END).body->inventory_end.count, 0);
    assert_non_null(fake_disk_file(&r.f, name));
    assert_non_null(fake_disk_file(&r.f, "marker")); /* what is stored from now on is vouched for */
    rig_close(&r);
}

static void test_marker_of_another_cluster_stops_for_good(void **state)
{
    struct data_rig r;
    const char *words = NULL;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    r.config.cluster.bytes[0] ^= 1;
    rig_restart(&r, false);
    assert_int_equal(dfs_data_failure(r.data, &words), DFS_WRONG_CLUSTER);
    assert_non_null(words);
    assert_int_equal(r.f.deadline, DFS_NEVER);
    rig_close(&r);
}

static void test_temporaries_go_and_their_numbers_are_not_used_again(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[100];
    char name[DFS_FILE_NAME_BYTES_MAX];

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_disk_put(&r.f, "f1f1f1f1-f1f1-f1f1-f1f1-f1f1f1f1f1f1-00000001-00000001.tmp-1f", "x", 1);
    rig_restart(&r, false);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    rig_join(&r);
    rig_fill(bytes, sizeof bytes, 1);
    rig_name(&block, name);
    (void)rig_write(&r, rig_client(&r), &block, bytes, sizeof bytes, 1);
    assert_string_equal(fake_disk_pending(&r.f, 0)->name + strlen(name), ".tmp-20");
    rig_close(&r);
}

static void test_inventory_comes_from_the_disk(void **state)
{
    struct data_rig r;
    uint8_t bytes[3000];
    struct fake_message m;
    unsigned index = 0;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    rig_join(&r);
    rig_fill(bytes, sizeof bytes, 1);
    for (unsigned i = 0; i < 6; i++) {
        const struct dfs_block_id block = rig_block(5 - i);

        rig_store(&r, &block, bytes, 1000 + 10 * (5 - i));
    }
    rig_restart(&r, false);
    fake_open(&r.f, r.control);
    rig_joined(&r, 101);
    for (uint32_t page = 0; page < 2; page++) {
        m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY);
        assert_int_equal(m.body->inventory.page, page);
        assert_int_equal(m.body->inventory.blocks_count, page == 0 ? 4 : 2);
        for (uint32_t i = 0; i < m.body->inventory.blocks_count; i++, index++) {
            assert_int_equal(m.body->inventory.blocks[i].block.index, index);
            assert_int_equal(m.body->inventory.blocks[i].length_bytes, 1000 + 10 * index);
        }
    }
    m = fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END);
    assert_int_equal(m.body->inventory_end.pages, 2);
    assert_int_equal(m.body->inventory_end.count, 6);
    assert_int_equal(m.body->inventory_end.change, 0);
    assert_int_equal(m.body->inventory_end.digest, rig_heartbeat(&r).digest);
    rig_close(&r);
}

static void test_sick_disk_is_asked_again(void **state)
{
    static const enum dfs_disk_verb verbs[] = {DFS_DISK_LIST, DFS_DISK_SPACE, DFS_DISK_READ};
    struct data_rig r;

    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        rig_init(&r);
        fake_disk_fail(&r.f, verbs[i], 0, 2, DFS_IO);
        rig_start(&r);
        assert_int_equal(fake_connected(&r.f), 0);
        fake_pass(&r.f, 3 * DFS_SECONDS);
        r.control = fake_connected(&r.f);
        assert_int_not_equal(r.control, 0);
        assert_false(expect_join(&r).store_lost);
        rig_close(&r);
    }
}

static void test_marker_that_cannot_be_written_is_tried_again(void **state)
{
    struct data_rig r;

    (void)state;
    for (unsigned failing = 0; failing < 5; failing++) {
        static const enum dfs_disk_verb verbs[] = {DFS_DISK_CREATE, DFS_DISK_WRITE, DFS_DISK_SYNC, DFS_DISK_PUBLISH,
                                                   DFS_DISK_SYNC_DIR};
        rig_init(&r);
        fake_disk_fail(&r.f, verbs[failing], 0, 1, DFS_IO);
        rig_start(&r);
        assert_int_equal(fake_connected(&r.f), 0);
        fake_pass(&r.f, 2 * DFS_SECONDS);
        r.control = fake_connected(&r.f);
        assert_int_not_equal(r.control, 0);
        assert_false(expect_join(&r).store_lost);
        rig_close(&r);
    }
}

static void test_stumps_go_after_the_inventory_was_confirmed(void **state)
{
    struct data_rig r;
    const struct dfs_block_id blocks[2] = {rig_block(1), rig_block(2)};
    char names[2][DFS_FILE_NAME_BYTES_MAX];

    (void)state;
    rig_init(&r);
    rig_start(&r);
    for (unsigned i = 0; i < 2; i++) {
        rig_name(&blocks[i], names[i]);
        fake_disk_put(&r.f, names[i], "short", i * 5);
    }
    rig_restart(&r, false);
    fake_open(&r.f, r.control);
    rig_joined(&r, 101);
    fake_disk_run(&r.f);
    assert_non_null(fake_disk_file(&r.f, names[0]));
    rig_inventory_ok(&r);
    fake_disk_run(&r.f);
    assert_null(fake_disk_file(&r.f, names[0]));
    assert_null(fake_disk_file(&r.f, names[1]));
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 2);
    assert_int_equal(fake_sent(&r.f, r.control).number, 0); /* metadata never heard of them */
    rig_close(&r);
}

static void test_vanished_disk_joins_again_as_lost(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[100];
    struct dfs_m_join join;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    rig_join(&r);
    rig_fill(bytes, sizeof bytes, 1);
    rig_store(&r, &block, bytes, sizeof bytes);
    fake_disk_vanish(&r.f);
    fake_disk_fail(&r.f, DFS_DISK_CREATE, 0, 1000, DFS_IO);
    /* A read finds it missing, which makes the server look for its marker. */
    const dfs_conn conn = rig_client(&r);
    (void)rig_read(&r, conn, &block, 0, sizeof bytes);
    fake_disk_run(&r.f);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_BLOCK_MISSING);
    fake_pass(&r.f, DFS_SECONDS);
    assert_int_not_equal(fake_connected(&r.f), r.control);
    r.control = fake_connected(&r.f);
    join = expect_join(&r);
    assert_true(join.store_lost);
    r.f.conns[r.control - 1].out_at = 0;
    fake_open(&r.f, r.control);
    rig_joined(&r, 101);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_INVENTORY_END).body->inventory_end.count, 0);
    /* Without a marker there is no room: no copy would be vouched for. */
    fake_forget(&r.f);
    fake_pass(&r.f, RIG_INTERVAL);
    assert_int_equal(rig_heartbeat(&r).free_bytes, 0);
    (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_NO_SPACE);
    /* A new disk is mounted. */
    r.f.faults_count = 0;
    rig_keep_alive(&r, 11 * DFS_SECONDS);
    (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 2);
    fake_disk_run(&r.f);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_OK);
    rig_close(&r);
}

static void test_marker_misread_once_is_no_loss(void **state)
{
    struct data_rig r;
    struct fake_file *marker;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    marker = fake_disk_file(&r.f, "marker");
    marker->bytes[8] ^= 1;
    rig_restart(&r, false);
    assert_int_equal(r.control, 1); /* no new connection: it looks again */
    marker->bytes[8] ^= 1;
    fake_pass(&r.f, 2 * DFS_SECONDS);
    r.control = fake_connected(&r.f);
    assert_false(expect_join(&r).store_lost);
    r.f.conns[r.control - 1].out_at = 0;
    rig_join(&r);
    /* Later, too. */
    marker->bytes[8] ^= 1;
    rig_keep_alive(&r, 30 * DFS_SECONDS);
    assert_int_equal(fake_connected(&r.f), r.control);
    rig_close(&r);
}

static void test_rotten_marker_is_a_lost_store(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    fake_disk_file(&r.f, "marker")->bytes[8] ^= 1;
    rig_restart(&r, false);
    fake_pass(&r.f, 2 * DFS_SECONDS + DFS_MILLISECONDS);
    r.control = fake_connected(&r.f);
    assert_true(expect_join(&r).store_lost);
    /* Its loss being known, the store begins anew. */
    r.f.conns[r.control - 1].out_at = 0;
    fake_open(&r.f, r.control);
    rig_joined(&r, 101);
    fake_disk_run(&r.f);
    rig_restart(&r, false);
    assert_false(expect_join(&r).store_lost);
    rig_close(&r);
}

static void test_another_nodes_disk_mounted_later_is_a_loss(void **state)
{
    struct data_rig a, b;

    (void)state;
    rig_init(&b);
    b.config.node = b.nodes[1];
    rig_start(&b);
    rig_init(&a);
    rig_start(&a);
    rig_join(&a);
    memcpy(fake_disk_file(&a.f, "marker")->bytes, fake_disk_file(&b.f, "marker")->bytes,
           fake_disk_file(&b.f, "marker")->count);
    rig_keep_alive(&a, 12 * DFS_SECONDS);
    assert_int_not_equal(fake_connected(&a.f), a.control);
    a.control = fake_connected(&a.f);
    assert_true(expect_join(&a).store_lost);
    a.f.conns[a.control - 1].out_at = 0;
    fake_open(&a.f, a.control);
    rig_joined(&a, 101);
    rig_keep_alive(&a, 12 * DFS_SECONDS);
    assert_memory_equal(fake_disk_file(&a.f, "marker")->bytes, fake_disk_file(&b.f, "marker")->bytes,
                        fake_disk_file(&b.f, "marker")->count); /* it is not ours to replace */
    rig_close(&a);
    rig_close(&b);
}

static void test_marker_is_looked_for_now_and_then(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    rig_join(&r);
    fake_disk_vanish(&r.f);
    rig_keep_alive(&r, 12 * DFS_SECONDS);
    assert_int_not_equal(fake_connected(&r.f), r.control);
    r.control = fake_connected(&r.f);
    assert_true(expect_join(&r).store_lost);
    rig_close(&r);
}

static void test_seen_position_is_kept_and_told(void **state)
{
    struct data_rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    rig_join(&r);
    fake_disk_run(&r.f);
    assert_non_null(fake_disk_file(&r.f, "seen-0000000000001388"));
    r.journal = 6000;
    rig_keep_alive(&r, 2 * DFS_SECONDS);
    assert_int_equal(fake_disk_count(&r.f, "seen-"), 1); /* lazily */
    assert_non_null(fake_disk_file(&r.f, "seen-0000000000001388"));
    rig_keep_alive(&r, 61 * DFS_SECONDS);
    assert_non_null(fake_disk_file(&r.f, "seen-0000000000001770"));
    assert_int_equal(fake_disk_count(&r.f, "seen-"), 1);
    rig_restart(&r, false);
    assert_int_equal(expect_join(&r).journal_seen, 6000);
    rig_close(&r);
}

static void test_room_follows_the_disk(void **state)
{
    struct data_rig r;
    struct dfs_m_heartbeat beat;

    (void)state;
    rig_init(&r);
    r.config.capacity_bytes = 1000000;
    rig_start(&r);
    assert_int_equal(expect_join(&r).capacity_bytes, 1000000);
    r.f.conns[r.control - 1].out_at = 0;
    rig_join(&r);
    r.f.disk_free_bytes = 1234;
    rig_keep_alive(&r, 11 * DFS_SECONDS);
    fake_forget(&r.f);
    fake_pass(&r.f, RIG_INTERVAL);
    beat = rig_heartbeat(&r);
    assert_int_equal(beat.free_bytes, 1234);
    assert_int_equal(beat.capacity_bytes, 1000000);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_store_gets_its_marker_before_the_join),
        cmocka_unit_test(test_second_start_needs_no_word_of_the_operator),
        cmocka_unit_test(test_empty_directory_without_marker_is_a_lost_store),
        cmocka_unit_test(test_blocks_without_marker_are_a_lost_store_even_when_fresh),
        cmocka_unit_test(test_marker_of_another_cluster_stops_for_good),
        cmocka_unit_test(test_temporaries_go_and_their_numbers_are_not_used_again),
        cmocka_unit_test(test_inventory_comes_from_the_disk),
        cmocka_unit_test(test_sick_disk_is_asked_again),
        cmocka_unit_test(test_marker_that_cannot_be_written_is_tried_again),
        cmocka_unit_test(test_stumps_go_after_the_inventory_was_confirmed),
        cmocka_unit_test(test_vanished_disk_joins_again_as_lost),
        cmocka_unit_test(test_marker_misread_once_is_no_loss),
        cmocka_unit_test(test_rotten_marker_is_a_lost_store),
        cmocka_unit_test(test_another_nodes_disk_mounted_later_is_a_loss),
        cmocka_unit_test(test_marker_is_looked_for_now_and_then),
        cmocka_unit_test(test_seen_position_is_kept_and_told),
        cmocka_unit_test(test_room_follows_the_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
