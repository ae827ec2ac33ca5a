/* HEARTBEAT datagrams: what is acknowledged, what changes nothing, and the digest. */
#include "tests/support/nodes_test.h"

static int set_up_two(void **state)
{
    (void)set_up_started(state);
    nrig_up_all(&r, 2);
    return 0;
}

static const struct meta_nodes_counters *counters(void)
{
    return &r.meta->nodes->counters;
}

static void the_newest_is_acknowledged_as_often_as_it_comes(void **state)
{
    (void)state;
    r.nodes[0].acks = 0;
    nrig_beat(&r, 0);
    assert_int_equal(r.nodes[0].acks, 1);
    assert_int_equal(r.nodes[0].ack.sequence, r.nodes[0].sequence);
    assert_int_equal(r.nodes[0].ack.epoch, r.meta->epoch);
    assert_int_equal(r.nodes[0].ack.journal, meta_journal_position(&r.meta->journal));
    const dfs_time_ns heard = meta_node_by_id(r.meta, &r.nodes[0].id)->heard_mono;

    fake_pass(&r.f, I / 4);
    nrig_beat_as(&r, 0, r.nodes[0].sequence);
    assert_int_equal(r.nodes[0].acks, 2);
    assert_int_equal(meta_node_by_id(r.meta, &r.nodes[0].id)->heard_mono, heard); /* it counts once */
    assert_int_equal(counters()->heartbeats_again, 1);
}

static void late_and_replayed_ones_change_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        nrig_beat(&r, 0);
    r.nodes[0].acks = 0;
    for (uint64_t sequence = 1; sequence < 6; sequence++)
        nrig_beat_as(&r, 0, sequence);
    assert_int_equal(r.nodes[0].acks, 0);
    assert_int_equal(counters()->heartbeats_late, 5);
    /* A replayer does not keep a dead node alive. */
    for (unsigned i = 0; i < 12; i++) {
        fake_pass(&r.f, I / 4);
        nrig_beat_as(&r, 0, 4);
        nrig_beat(&r, 1);
    }
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_EVICTED);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE);
}

/* S35 */
static void forged_ones_change_nothing(void **state)
{
    const struct dfs_addr from = {.port = 6};
    struct dfs_m_heartbeat beat = {
        .node = r.nodes[0].id, .incarnation = r.nodes[0].incarnation, .sequence = 1000, .fenced = 1};
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    size_t count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &beat, &r.nodes[1].heartbeat_mac, bytes);
    const struct meta_node *node = meta_node_by_id(r.meta, &r.nodes[0].id);
    const uint64_t sequence = node->member.sequence;

    (void)state;
    fake_datagram_in(&r.f, &from, bytes, count);
    assert_int_equal(counters()->heartbeats_forged, 1);
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &beat, &r.nodes[0].heartbeat_mac, bytes);
    for (size_t i = 0; i < count; i++) { /* a true one with one bit turned */
        bytes[i] ^= 4;
        fake_datagram_in(&r.f, &from, bytes, count);
        bytes[i] ^= 4;
    }
    for (size_t i = 0; i < count; i++) /* and cut short */
        fake_datagram_in(&r.f, &from, bytes, i);
    fake_datagram_in(&r.f, &from, bytes, 0);
    beat.incarnation++;
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &beat, &r.nodes[0].heartbeat_mac, bytes);
    fake_datagram_in(&r.f, &from, bytes, count);
    beat.node.bytes[0] ^= 1;
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &beat, &r.nodes[0].heartbeat_mac, bytes);
    fake_datagram_in(&r.f, &from, bytes, count);
    assert_int_equal(node->member.sequence, sequence);
    assert_false(node->member.fenced);
    assert_null(fake_datagram_out(&r.f));
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
}

static void an_older_life_is_not_heard(void **state)
{
    const struct nrig_node old = r.nodes[0];
    struct dfs_key key;
    struct dfs_mac mac = {0};
    struct dfs_m_heartbeat beat = {.node = old.id, .incarnation = old.incarnation, .sequence = 500};
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
    size_t count;

    (void)state;
    dfs_heartbeat_key_derive(&r.config.root, &old.id, old.incarnation, &key);
    dfs_mac_init(&mac, &key);
    count = dfs_datagram_encode(DFS_MSG_HEARTBEAT, &beat, &mac, bytes);
    dfs_mac_close(&mac);
    nrig_break(&r, 0);
    nrig_up(&r, 0);
    fake_datagram_in(&r.f, &(struct dfs_addr){.port = 1}, bytes, count);
    assert_null(fake_datagram_out(&r.f));
    assert_int_equal(counters()->heartbeats_stale, 1);
    assert_int_equal(meta_node_by_id(r.meta, &old.id)->member.sequence, 1);
}

static void space_and_fence_are_taken_from_it(void **state)
{
    const struct dfs_block_id block = {.file = nrig_file_id(3)};
    uint16_t nodes[DFS_REPLICAS_MAX];

    (void)state;
    assert_int_equal(meta_nodes_place(r.meta, &block, 1000, 2, NULL, 0, nodes), 2);
    r.nodes[0].free_bytes = 50000999; /* the reserve is 5 %: 50,000,000 */
    nrig_beat(&r, 0);
    assert_int_equal(meta_nodes_place(r.meta, &block, 1000, 2, NULL, 0, nodes), 1);
    assert_int_equal(meta_nodes_place(r.meta, &block, 999, 2, NULL, 0, nodes), 2);
    r.nodes[1].fenced = true;
    nrig_beat(&r, 1);
    assert_int_equal(meta_nodes_place(r.meta, &block, 999, 2, NULL, 0, nodes), 1);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE); /* its copies still count */
}

static void a_wrong_digest_asks_for_a_new_inventory(void **state)
{
    const uint16_t on_01[] = {0, 1};

    (void)state;
    (void)nrig_commit(&r, 5, 2, on_01, 2);
    nrig_live(&r, 2 * I);
    assert_int_equal(counters()->digests_wrong, 0);
    /* It has lost a block and does not say so. */
    nrig_take(&r, 1, 2, false);
    nrig_beat(&r, 1);
    assert_int_equal(counters()->digests_wrong, 1);
    r.nodes[1].rejoins = true;
    nrig_pump(&r);
    assert_int_equal(counters()->inventory_missing, 1);
    nrig_live(&r, 5 * I);
    assert_int_equal(counters()->digests_wrong, 1);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 2);
    nrig_assert_quiet(&r);
}

static void the_digest_is_compared_at_equal_changes_only(void **state)
{
    (void)state;
    r.nodes[1].change = 3; /* changes that are still on their way */
    r.nodes[1].blocks[r.nodes[1].blocks_count++] = nrig_block(&r, 7, 0);
    nrig_beat(&r, 1);
    assert_int_equal(counters()->digests_wrong, 0);
    assert_int_equal(r.nodes[1].ack.applied, 0);
}

/* Heartbeats that count changes which never come: the way to metadata is dead, and nobody was told. */
static void a_connection_on_which_nothing_comes_is_closed(void **state)
{
    (void)state;
    r.nodes[1].rejoins = false;
    r.nodes[1].change = 1;
    for (dfs_duration_ns passed = 0; passed < r.config.request_timeout_ns + I; passed += I)
        nrig_live(&r, I);
    nrig_live(&r, 2 * I);
    assert_int_equal(counters()->controls_silent, 1);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_SUSPECT);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
    assert_int_equal(counters()->evictions, 0);
}

/* A member without a connection keeps its lease for a while, and is acknowledged again when it has one. */
static void without_a_connection_there_is_no_lease(void **state)
{
    (void)state;
    nrig_break(&r, 1);
    nrig_live(&r, (META_UNLINKED_INTERVALS - 1) * I);
    r.nodes[1].acks = 0;
    nrig_beat(&r, 1);
    assert_int_equal(r.nodes[1].acks, 1);
    nrig_live(&r, 2 * I);
    r.nodes[1].acks = 0;
    nrig_beat(&r, 1);
    nrig_beat_as(&r, 1, r.nodes[1].sequence);
    assert_int_equal(r.nodes[1].acks, 0);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_SUSPECT); /* heard all the same: not evicted */
    nrig_live(&r, 10 * I);
    assert_int_equal(counters()->evictions, 0);
    assert_int_equal(nrig_resume(&r, 1), DFS_OK);
    nrig_beat(&r, 1);
    assert_int_equal(r.nodes[1].acks, 1);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_is_acknowledged_as_often_as_it_comes, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(late_and_replayed_ones_change_nothing, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(forged_ones_change_nothing, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(an_older_life_is_not_heard, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(space_and_fence_are_taken_from_it, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_digest_asks_for_a_new_inventory, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(the_digest_is_compared_at_equal_changes_only, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(a_connection_on_which_nothing_comes_is_closed, set_up_two, tear_down),
        cmocka_unit_test_setup_teardown(without_a_connection_there_is_no_lease, set_up_two, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
