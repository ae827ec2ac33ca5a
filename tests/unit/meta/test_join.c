/* How a data server becomes a member: JOIN, INVENTORY, BLOCK_EVENTS, RESUME. */
#include "tests/support/nodes_test.h"

static struct meta_node *known(unsigned n)
{
    return meta_node_by_id(r.meta, &r.nodes[n].id);
}

/* The newest STATUS that node n was sent. */
static enum dfs_status told(unsigned n)
{
    r.nodes[n].status = DFS_STATUS_COUNT;
    nrig_pump(&r);
    return r.nodes[n].status;
}

static void new_process(unsigned n)
{
    r.nodes[n].boot.bytes[9]++;
    nrig_break(&r, n);
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
    assert_true(fake_trace_state(&r.f, "member", "EVICTED", "JOINING", "join"));
    assert_true(fake_trace_state(&r.f, "member", "JOINING", "ACTIVE", "inventory_end"));
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_JOINED), 1);

    nrig_up(&r, 1);
    assert_true(fake_trace_state(&r.f, "member", "JOINING", "ACTIVE", "heartbeat"));
    assert_true(r.nodes[1].incarnation > r.nodes[0].incarnation);
    assert_int_equal(r.nodes[1].acks, 1);
    nrig_assert_quiet(&r);
}

static void joined_is_said_only_when_the_incarnation_is_on_the_disk(void **state)
{
    const struct dfs_m_join join = nrig_join_message(&r, 0);
    struct fake_message in;

    (void)state;
    nrig_connect(&r, 0);
    fake_receive(&r.f, r.nodes[0].conn, 9, DFS_MSG_JOIN, &join, NULL, 0);
    assert_int_equal(fake_sent(&r.f, r.nodes[0].conn).number, 0);
    /* The disk is slow: that is no missed heartbeat. */
    fake_until(&r.f, r.f.mono + 10 * I, false);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_JOINING);
    fake_disk_run(&r.f);
    in = fake_expect(&r.f, r.nodes[0].conn, DFS_MSG_JOINED);
    assert_int_equal(in.request, 9);
    assert_int_equal(in.body->joined.interval_ns, I);
    assert_int_equal(in.body->joined.epoch, r.meta->epoch);
    assert_int_equal(in.body->joined.grant_keys_count, 1);
    assert_int_equal(in.body->joined.journal, meta_journal_position(&r.meta->journal));
}

static void strangers_and_liars_are_refused(void **state)
{
    const struct dfs_peer auth = {.kind = DFS_PEER_NODE, .role = DFS_ROLE_AUTH, .node = r.nodes[0].id};
    struct dfs_m_join join = nrig_join_message(&r, 1);
    dfs_conn conn;

    (void)state;
    nrig_connect(&r, 0);
    nrig_send(&r, 0, DFS_MSG_JOIN, &join); /* another node's id than the certificate's */
    assert_int_equal(told(0), DFS_DENIED);
    join = nrig_join_message(&r, 0);
    join.cluster.bytes[3] ^= 1;
    nrig_send(&r, 0, DFS_MSG_JOIN, &join);
    assert_int_equal(told(0), DFS_WRONG_CLUSTER);
    join = nrig_join_message(&r, 0);
    join.version = DFS_PROTOCOL_VERSION + 1;
    nrig_send(&r, 0, DFS_MSG_JOIN, &join);
    assert_int_equal(told(0), DFS_BAD_REQUEST);
    join = nrig_join_message(&r, 0);
    join.boot = (struct dfs_id){{0}};
    nrig_send(&r, 0, DFS_MSG_JOIN, &join);
    assert_int_equal(told(0), DFS_BAD_REQUEST);
    assert_int_equal(r.meta->nodes->count, 0);
    assert_int_equal(r.meta->nodes->counters.joins_refused, 4);

    /* A cluster certificate of another role does not even get to ask. */
    join = nrig_join_message(&r, 0);
    conn = fake_accept(&r.f, &auth);
    if (!fake_conn_of(&r.f, conn)->closed)
        fake_receive(&r.f, conn, 1, DFS_MSG_JOIN, &join, NULL, 0);
    fake_disk_run(&r.f);
    assert_int_equal(r.meta->nodes->count, 0);
}

/* S22: MooseFS #151. */
static void metadata_older_than_the_node_has_seen_is_no_metadata(void **state)
{
    (void)state;
    nrig_up(&r, 0);
    r.nodes[1].journal_seen = meta_journal_position(&r.meta->journal) + (UINT64_C(1) << 40);
    assert_int_equal(nrig_join(&r, 1), DFS_OLDER_JOURNAL);
    assert_int_equal(r.meta->nodes->counters.older_journal, 1);
    r.nodes[1].journal_seen = r.nodes[0].ack.journal;
    assert_int_equal(nrig_join(&r, 1), DFS_OK);
}

/* S24: the newest process wins, the older one is told to stop, and there is no ping-pong. */
static void two_processes_of_one_identity(void **state)
{
    const struct dfs_id first = r.nodes[0].boot;
    dfs_conn old;
    uint64_t incarnation;

    (void)state;
    nrig_up(&r, 0);
    nrig_pump(&r);
    old = r.nodes[0].conn;
    incarnation = r.nodes[0].incarnation;
    r.nodes[0].boot.bytes[9]++;
    r.nodes[0].conn = 0;
    nrig_up(&r, 0);
    assert_true(r.nodes[0].incarnation > incarnation);
    assert_int_equal(fake_expect(&r.f, old, DFS_MSG_STATUS).body->status.status, DFS_SUPERSEDED);
    assert_true(fake_conn_of(&r.f, old)->closed);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);

    /* The old one did not hear it and comes again, in both ways. */
    const struct dfs_id second = r.nodes[0].boot;
    const dfs_conn conn = r.nodes[0].conn;
    const uint64_t newest = r.nodes[0].incarnation;

    r.nodes[0].boot = first;
    r.nodes[0].conn = 0;
    assert_int_equal(nrig_join(&r, 0), DFS_SUPERSEDED);
    r.nodes[0].incarnation = incarnation;
    assert_int_equal(nrig_resume(&r, 0), DFS_SUPERSEDED);
    r.nodes[0].boot = second;
    r.nodes[0].conn = conn;
    r.nodes[0].incarnation = newest;
    assert_false(fake_conn_of(&r.f, conn)->closed);
    nrig_live(&r, 5 * I);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
    assert_int_equal(r.meta->nodes->counters.superseded, 2);
}

static void the_same_process_on_a_new_connection_is_not_superseded(void **state)
{
    dfs_conn old;

    (void)state;
    nrig_up(&r, 0);
    nrig_pump(&r);
    old = r.nodes[0].conn;
    r.nodes[0].conn = 0;
    nrig_up(&r, 0);
    assert_true(fake_conn_of(&r.f, old)->closed);
    assert_int_equal(fake_sent(&r.f, old).number, 0);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
    assert_int_equal(r.meta->nodes->counters.superseded, 0);
}

/* What was sent on a connection that was given up arrives behind what came on the next one: by the same process, and by one that has died. */
static void what_comes_late_is_not_the_newest_word(void **state)
{
    for (unsigned dead = 0; dead < 2; dead++) {
        (void)state;
        nrig_connect(&r, 0);
        const dfs_conn given_up = r.nodes[0].conn;
        const struct dfs_m_join late = nrig_join_message(&r, 0);

        r.nodes[0].conn = 0;
        r.nodes[0].boot.bytes[9] = (uint8_t)(r.nodes[0].boot.bytes[9] + dead);
        nrig_up(&r, 0);
        const uint64_t incarnation = r.nodes[0].incarnation;
        const struct dfs_m_resume resume = {.cluster = r.config.cluster,
                                            .node = r.nodes[0].id,
                                            .boot = r.nodes[0].boot,
                                            .incarnation = incarnation,
                                            .change = 1000};

        fake_receive(&r.f, given_up, 1, DFS_MSG_JOIN, &late, NULL, 0);
        fake_disk_run(&r.f);
        assert_int_equal(fake_expect(&r.f, given_up, DFS_MSG_STATUS).body->status.status, DFS_STALE_INCARNATION);
        fake_receive(&r.f, given_up, 2, DFS_MSG_RESUME, &resume, NULL, 0);
        assert_int_equal(fake_expect(&r.f, given_up, DFS_MSG_RESUMED).body->resumed.status, DFS_STALE_INCARNATION);
        fake_closed(&r.f, given_up, DFS_OK);
        assert_false(fake_conn_of(&r.f, r.nodes[0].conn)->closed);
        nrig_live(&r, 5 * I);
        assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
        assert_int_equal(known(0)->member.incarnation, incarnation);
        assert_int_equal(r.meta->nodes->counters.superseded, dead); /* rightly, by the process that lives */
    }
}

static void a_quick_restart_is_no_eviction_and_no_loss(void **state)
{
    (void)state;
    nrig_up_all(&r, 4);
    (void)nrig_commit(&r, 30, 3, on_012, 3);
    new_process(1);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_SUSPECT);
    assert_int_equal(nrig_join(&r, 1), DFS_OK);
    nrig_live(&r, I);
    assert_int_equal(r.meta->nodes->repair.under, 0); /* S8: none of a joining node's blocks counts as lost */
    nrig_tell(&r, 1);
    nrig_beat(&r, 1);
    nrig_live(&r, 20 * I);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_EVICTED), 0);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_REPAIR_STARTED), 0);
    nrig_assert_quiet(&r);
}

/* S8 */
static void a_joining_node_is_no_target(void **state)
{
    const struct dfs_block_id block = {.file = nrig_file_id(9)};
    uint16_t nodes[DFS_REPLICAS_MAX];

    (void)state;
    nrig_up_all(&r, 2);
    assert_int_equal(nrig_join(&r, 2), DFS_OK);
    nrig_beat(&r, 2);
    assert_int_equal(meta_nodes_placeable(r.meta), 2);
    assert_int_equal(meta_nodes_place(r.meta, &block, 1000, 3, NULL, 0, nodes), 2);
    nrig_tell(&r, 2);
    assert_int_equal(meta_nodes_placeable(r.meta), 3);
    assert_int_equal(meta_nodes_place(r.meta, &block, 1000, 3, NULL, 0, nodes), 3);
    assert_int_equal(meta_nodes_place(r.meta, &block, 1000, 3, nodes, 2, nodes), 1);
    r.nodes[2].fenced = true;
    nrig_beat(&r, 2);
    assert_int_equal(meta_nodes_placeable(r.meta), 2);
    r.nodes[2].fenced = false;
    nrig_beat(&r, 2);
    assert_int_equal(meta_nodes_placeable(r.meta), 3);
    nrig_break(&r, 2);
    assert_int_equal(meta_nodes_placeable(r.meta), 2);
}

static void the_inventory_confirms_adopts_and_takes_away(void **state)
{
    const uint16_t on_01[] = {0, 1};
    struct nrig_block other;

    (void)state;
    nrig_up_all(&r, 3);
    (void)nrig_commit(&r, 250, 3, on_012, 3);
    (void)nrig_commit(&r, 1, 2, on_01, 2);
    nrig_live(&r, I);
    new_process(2);
    /* It comes back without three blocks, and with one that it did not have. */
    for (unsigned i = 0; i < 3; i++)
        nrig_take(&r, 2, 7, false);
    other = nrig_block(&r, 1, 0);
    nrig_put(&r, 2, &other, false);
    nrig_up(&r, 2);
    assert_int_equal(r.meta->nodes->counters.inventory_missing, 3);
    assert_int_not_equal(meta_blockmap_find(&r.meta->map, nrig_block_no(&r, 1, 0), known(2)->index), 0);
    nrig_live(&r, 40 * I);
    for (uint32_t i = 0; i < 250; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 3);
    assert_int_equal(nrig_copies(&r, 1, 0), 2);
    nrig_assert_quiet(&r);
}

/* S12: a page that is lost, a wrong count, a wrong digest: nothing is taken away, the node joins again. */
static void an_inventory_that_does_not_add_up_removes_nothing(void **state)
{
    (void)state;
    nrig_up_all(&r, 3);
    (void)nrig_commit(&r, 150, 3, on_012, 3);
    for (unsigned fault = 0; fault < 4; fault++) {
        struct dfs_w_stored stored[100];
        struct dfs_m_inventory page = {.page = fault == 0 ? 1 : 0, .blocks = stored, .blocks_count = 100};
        struct dfs_m_inventory_end end = {.pages = 1, .count = 100};

        new_process(2);
        assert_int_equal(nrig_join(&r, 2), DFS_OK);
        for (uint32_t i = 0; i < 100; i++) {
            stored[i] = (struct dfs_w_stored){.block = r.nodes[2].blocks[i].block,
                                              .length_bytes = r.nodes[2].blocks[i].length_bytes};
            end.digest ^= dfs_block_digest(&stored[i].block, stored[i].length_bytes);
        }
        end.pages += fault == 1;
        end.count += fault == 2;
        end.digest += fault == 3;
        nrig_send(&r, 2, DFS_MSG_INVENTORY, &page);
        if (fault > 0) {
            assert_int_equal(told(2), DFS_OK);
            nrig_send(&r, 2, DFS_MSG_INVENTORY_END, &end);
        }
        assert_int_equal(told(2), DFS_STALE_INCARNATION);
        assert_int_equal(nrig_state(&r, 2), DFS_NODE_JOINING);
        assert_int_equal(meta_blockmap_node(&r.meta->map, known(2)->index).count, 150);
    }
    assert_int_equal(r.meta->nodes->counters.inventories_bad, 4);
    /* Marks of the broken ones do not spare what a complete one leaves out. */
    new_process(2);
    nrig_take(&r, 2, 0, false);
    nrig_up(&r, 2);
    assert_int_equal(r.meta->nodes->counters.inventory_missing, 1);
    assert_int_equal(meta_blockmap_node(&r.meta->map, known(2)->index).count, 149);
    nrig_live(&r, 5 * I);
    nrig_assert_quiet(&r);
}

static struct dfs_w_change change_of(enum dfs_change kind, const struct nrig_block *block)
{
    return (struct dfs_w_change){
        .kind = (uint8_t)kind, .block = block->block, .length_bytes = block->length_bytes, .crc32c = block->crc32c};
}

/* The inventory is as of change N: what is numbered above N comes on top of it, in whatever order the two
 * arrive. */
static void changes_before_the_end_of_the_inventory_are_kept(void **state)
{
    const uint16_t on_01[] = {0, 1};
    struct dfs_m_inventory_end end = {.change = 2};
    struct nrig_block block;
    struct dfs_w_change changes[3];
    struct dfs_m_block_events events = {.first = 2, .changes = changes, .changes_count = 3};

    (void)state;
    nrig_up_all(&r, 2);
    (void)nrig_commit(&r, 3, 2, on_01, 2);
    assert_int_equal(nrig_join(&r, 2), DFS_OK);
    block = nrig_block(&r, 0, 0);
    changes[0] = change_of(DFS_CHANGE_ADDED, &block); /* number 2: the inventory says, and it has not got it */
    block = nrig_block(&r, 0, 1);
    changes[1] = change_of(DFS_CHANGE_ADDED, &block);
    block = nrig_block(&r, 0, 2);
    changes[2] = change_of(DFS_CHANGE_ADDED, &block);
    nrig_send(&r, 2, DFS_MSG_BLOCK_EVENTS, &events);
    assert_int_equal(meta_blockmap_node(&r.meta->map, known(2)->index).count, 0);
    nrig_send(&r, 2, DFS_MSG_INVENTORY_END, &end);
    assert_int_equal(told(2), DFS_OK);
    assert_int_equal(known(2)->applied, 4);
    assert_int_equal(meta_blockmap_node(&r.meta->map, known(2)->index).count, 2);
    nrig_assert_sound(&r);
}

/* S11 */
static void changes_are_applied_once_and_without_gaps(void **state)
{
    const uint16_t on_01[] = {0, 1};
    struct nrig_block block;
    struct dfs_w_change change;
    struct dfs_m_block_events events = {.first = 1, .changes = &change, .changes_count = 1};

    (void)state;
    nrig_up_all(&r, 3);
    (void)nrig_commit(&r, 2, 3, on_01, 2);
    block = nrig_block(&r, 0, 0);
    change = change_of(DFS_CHANGE_ADDED, &block);
    nrig_send(&r, 2, DFS_MSG_BLOCK_EVENTS, &events);
    nrig_send(&r, 2, DFS_MSG_BLOCK_EVENTS, &events); /* sent again after a RESUME */
    assert_int_equal(known(2)->applied, 1);
    assert_int_equal(known(2)->blocks, 1);
    change.kind = DFS_CHANGE_REMOVED;
    events.first = 2;
    nrig_send(&r, 2, DFS_MSG_BLOCK_EVENTS, &events);
    assert_int_equal(known(2)->digest, 0);
    assert_int_equal(meta_blockmap_node(&r.meta->map, known(2)->index).count, 0);
    events.first = 4;
    nrig_send(&r, 2, DFS_MSG_BLOCK_EVENTS, &events);
    assert_int_equal(told(2), DFS_STALE_INCARNATION);
    assert_int_equal(known(2)->applied, 2);
    assert_int_equal(nrig_resume(&r, 2), DFS_STALE_INCARNATION); /* there is no way around it */
    events.first = 0;
    nrig_break(&r, 2);
    nrig_up(&r, 2);
    nrig_send(&r, 2, DFS_MSG_BLOCK_EVENTS, &events);
    assert_true(fake_conn_of(&r.f, r.nodes[2].conn)->closed); /* numbers begin with 1 */
}

static void other_bytes_under_a_block_s_name_are_a_bad_copy(void **state)
{
    const uint16_t on_01[] = {0, 1};
    struct nrig_block block;

    (void)state;
    nrig_up_all(&r, 4);
    (void)nrig_commit(&r, 2, 2, on_01, 2);
    block = nrig_block(&r, 0, 0);
    block.crc32c ^= 1;
    nrig_put(&r, 2, &block, true);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 1);
    block = nrig_block(&r, 0, 1);
    block.length_bytes++;
    nrig_put(&r, 3, &block, false);
    new_process(3);
    nrig_up(&r, 3);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 2);
    nrig_live(&r, 5 * I);
    assert_int_equal(r.nodes[2].removals_of[DFS_REMOVE_BAD] + r.nodes[3].removals_of[DFS_REMOVE_BAD], 2);
    nrig_assert_quiet(&r);
}

static void a_resume_goes_on_where_changes_were_applied(void **state)
{
    (void)state;
    nrig_up_all(&r, 4);
    (void)nrig_commit(&r, 3, 3, on_012, 3);
    nrig_break(&r, 1);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_SUSPECT);
    assert_int_equal(nrig_resume(&r, 1), DFS_OK);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE);
    assert_true(fake_trace_state(&r.f, "member", "SUSPECT", "ACTIVE", "resume"));

    /* Also while the old connection still seems to be there. */
    const dfs_conn old = r.nodes[1].conn;

    assert_int_equal(nrig_resume(&r, 1), DFS_OK);
    assert_true(fake_conn_of(&r.f, old)->closed);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE);

    r.nodes[1].incarnation++;
    assert_int_equal(nrig_resume(&r, 1), DFS_STALE_INCARNATION);
    r.nodes[1].incarnation--;
    r.nodes[1].boot.bytes[9]++;
    assert_int_equal(nrig_resume(&r, 1), DFS_SUPERSEDED);
    assert_int_equal(nrig_resume(&r, 3), DFS_OK);
    assert_int_equal(nrig_resume(&r, 5), DFS_STALE_INCARNATION); /* never met */

    /* One that has not told all that it has begins anew: what it did not come to say would never be said. */
    assert_int_equal(nrig_join(&r, 4), DFS_OK);
    nrig_break(&r, 4);
    assert_int_equal(nrig_resume(&r, 4), DFS_STALE_INCARNATION);
    assert_int_equal(nrig_state(&r, 4), DFS_NODE_JOINING);
}

static void what_a_node_says_before_it_joined_is_not_heard(void **state)
{
    struct dfs_w_change change = {.kind = DFS_CHANGE_ADDED, .block = {.generation = 1}};
    const struct dfs_m_block_events events = {.first = 1, .changes = &change, .changes_count = 1};
    const struct dfs_m_inventory_end end = {.pages = 0};
    const struct dfs_m_leave leave = {.incarnation = 1};

    (void)state;
    nrig_connect(&r, 0);
    nrig_send(&r, 0, DFS_MSG_BLOCK_EVENTS, &events);
    assert_int_equal(told(0), DFS_STALE_INCARNATION);
    nrig_send(&r, 0, DFS_MSG_INVENTORY_END, &end);
    assert_int_equal(told(0), DFS_STALE_INCARNATION);
    nrig_send(&r, 0, DFS_MSG_LEAVE, &leave);
    assert_int_equal(told(0), DFS_STALE_INCARNATION);
    nrig_up(&r, 0);
    nrig_send(&r, 0, DFS_MSG_INVENTORY_END, &end); /* and a second end is nonsense */
    assert_int_equal(told(0), DFS_STALE_INCARNATION);
    nrig_send(&r, 0, DFS_MSG_LEAVE, &leave);
    if (r.nodes[0].incarnation != 1)
        assert_int_equal(told(0), DFS_STALE_INCARNATION);
}

static void incarnations_grow_over_restarts_of_metadata(void **state)
{
    uint64_t newest;

    (void)state;
    nrig_up_all(&r, 3);
    newest = r.nodes[2].incarnation;
    for (unsigned i = 0; i < 3; i++) {
        nrig_restart(&r);
        nrig_up(&r, 1);
        assert_true(r.nodes[1].incarnation > newest);
        newest = r.nodes[1].incarnation;
    }
    assert_int_equal(r.meta->nodes->count, 3);
}

static void keys_change_and_both_are_accepted(void **state)
{
    struct dfs_w_receipt receipt;
    struct fake_message in;
    uint16_t node;

    (void)state;
    nrig_up_all(&r, 1);
    receipt = (struct dfs_w_receipt){.block = {.file = nrig_file_id(1), .generation = 1},
                                     .length_bytes = 5,
                                     .node = r.nodes[0].id,
                                     .incarnation = r.nodes[0].incarnation,
                                     .key_id = 1};
    dfs_receipt_sign(&receipt, &r.nodes[0].grant_mac);
    assert_true(meta_nodes_receipt_check(r.meta, &receipt, meta_nodes_key_oldest(r.meta), &node));
    meta_nodes_rotate_key(r.meta);
    fake_tick(&r.f);
    fake_disk_run(&r.f);
    in = fake_expect(&r.f, r.nodes[0].conn, DFS_MSG_KEYS_UPDATE);
    assert_int_equal(in.body->keys_update.grant_keys_count, 2);
    assert_int_equal(in.body->keys_update.grant_keys[1].key_id, 2);
    assert_int_equal(meta_nodes_key_id(r.meta), 1); /* not signed with before all have heard of it */
    nrig_live(&r, I);
    assert_int_equal(meta_nodes_key_id(r.meta), 2);
    assert_true(meta_nodes_receipt_check(r.meta, &receipt, meta_nodes_key_oldest(r.meta), &node));
    receipt.length_bytes++;
    assert_false(meta_nodes_receipt_check(r.meta, &receipt, meta_nodes_key_oldest(r.meta), &node));
    receipt.length_bytes--;
    meta_nodes_rotate_key(r.meta);
    fake_tick(&r.f);
    fake_disk_run(&r.f);
    nrig_live(&r, I);
    assert_false(meta_nodes_receipt_check(r.meta, &receipt, meta_nodes_key_oldest(r.meta),
                                          &node)); /* two are accepted, not three */

    /* A receipt of an older life verifies under that life's key: who counts it must ask whether it is
     * present. */
    nrig_restart(&r);
    assert_int_equal(meta_nodes_key_id(r.meta), 3);
    receipt.key_id = 3;
    struct dfs_key key;
    struct dfs_mac mac = {0};

    dfs_node_key_derive(&r.config.root, &receipt.node, receipt.incarnation, 3, &key);
    dfs_mac_init(&mac, &key);
    dfs_receipt_sign(&receipt, &mac);
    dfs_mac_close(&mac);
    nrig_up(&r, 0);
    assert_true(meta_nodes_receipt_check(r.meta, &receipt, meta_nodes_key_oldest(r.meta), &node));
    assert_false(meta_nodes_is_present(r.meta, node, receipt.incarnation));
    assert_true(meta_nodes_is_present(r.meta, node, r.nodes[0].incarnation));
}

/* A block that no file had when a page named it, and that was committed before the end of the inventory: a copy, not an orphan. */
static void what_is_committed_during_the_inventory_is_adopted(void **state)
{
    struct nrig_block block = nrig_block(&r, 0, 0);

    (void)state;
    for (unsigned pass = 0; pass < 2; pass++) {
        const uint32_t length =
            block.length_bytes + (pass == 0 ? 0 : 1); /* the second time it has another length: no copy of this block */
        struct dfs_w_stored stored = {.block = block.block, .length_bytes = length};
        const struct dfs_m_inventory page = {.blocks = &stored, .blocks_count = 1};
        const struct dfs_m_inventory_end end = {
            .pages = 1, .count = 1, .digest = dfs_block_digest(&block.block, length)};
        const uint16_t on_12[] = {1, 2};

        nrig_up(&r, 1);
        nrig_up(&r, 2);
        assert_int_equal(nrig_join(&r, 0), DFS_OK);
        nrig_send(&r, 0, DFS_MSG_INVENTORY, &page);
        (void)nrig_commit(&r, 1, 3, on_12, 2);
        nrig_send(&r, 0, DFS_MSG_INVENTORY_END, &end);
        nrig_beat(&r, 0);
        fake_pass(&r.f, I / 10);
        assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
        assert_int_equal(r.meta->nodes->counters.orphans, 0);
        assert_int_equal(r.meta->nodes->counters.copies_bad, pass);
        assert_int_equal(meta_blockmap_block(&r.meta->map, nrig_block_no(&r, 0, 0))->copies_count, 3);
        assert_int_equal(meta_block_good(meta_blockmap_block(&r.meta->map, nrig_block_no(&r, 0, 0))), 3 - pass);
        nrig_assert_sound(&r);
        if (pass == 0) {
            nrig_close(&r);
            nrig_init(&r);
            nrig_start(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_committed_during_the_inventory_is_adopted, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(joining_becomes_active_after_inventory_and_heartbeat, set_up_started,
                                        tear_down),
        cmocka_unit_test_setup_teardown(joined_is_said_only_when_the_incarnation_is_on_the_disk, set_up_started,
                                        tear_down),
        cmocka_unit_test_setup_teardown(strangers_and_liars_are_refused, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(metadata_older_than_the_node_has_seen_is_no_metadata, set_up_started,
                                        tear_down),
        cmocka_unit_test_setup_teardown(two_processes_of_one_identity, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(the_same_process_on_a_new_connection_is_not_superseded, set_up_started,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_comes_late_is_not_the_newest_word, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(a_quick_restart_is_no_eviction_and_no_loss, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(a_joining_node_is_no_target, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(the_inventory_confirms_adopts_and_takes_away, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(an_inventory_that_does_not_add_up_removes_nothing, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(changes_before_the_end_of_the_inventory_are_kept, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(changes_are_applied_once_and_without_gaps, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(other_bytes_under_a_block_s_name_are_a_bad_copy, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(a_resume_goes_on_where_changes_were_applied, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(what_a_node_says_before_it_joined_is_not_heard, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(incarnations_grow_over_restarts_of_metadata, set_up_started, tear_down),
        cmocka_unit_test_setup_teardown(keys_change_and_both_are_accepted, set_up_started, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
