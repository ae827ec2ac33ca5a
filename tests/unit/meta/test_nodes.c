/* What people ask about nodes: NODES, DRAIN, HEALTH, EXPLAIN's half, metrics; and the checkers' windows. */
#include "tests/support/nodes_test.h"

#include <stdio.h>
#include <string.h>

static dfs_conn person;

static struct fake_message ask(uint32_t number, const void *value)
{
    fake_receive(&r.f, person, 3, number, value, NULL, 0);
    fake_disk_run(&r.f);
    return fake_sent(&r.f, person);
}

static void start(unsigned count)
{
    nrig_start(&r);
    nrig_up_all(&r, count);
    person = nrig_client(&r, "rwa:/");
}

static void nodes_are_listed_by_id_in_pages(void **state)
{
    struct dfs_m_nodes message = {0};
    struct fake_message in;

    (void)state;
    start(4);
    (void)nrig_commit(&r, 7, 3, on_012, 3);
    r.nodes[3].dead = true;
    r.nodes[1].fenced = true;
    nrig_live(&r, 4 * I);
    in = ask(DFS_MSG_NODES, &message);
    assert_int_equal(in.number, DFS_MSG_NODES_PAGE);
    assert_int_equal(in.body->nodes_page.nodes_count, 4);
    assert_false(in.body->nodes_page.more);
    for (unsigned n = 0; n < 4; n++) {
        const struct dfs_w_node *node = &in.body->nodes_page.nodes[n];

        assert_true(dfs_id_equal(&node->node, &r.nodes[n].id));
        assert_int_equal(node->state, n == 3 ? DFS_NODE_EVICTED : DFS_NODE_ACTIVE);
        assert_int_equal(node->incarnation, r.nodes[n].incarnation);
        assert_int_equal(node->blocks, n < 3 ? 7 : 0);
        assert_int_equal(node->used_bytes, 100000000);
        assert_int_equal(node->fenced, n == 1);
        assert_int_equal(node->zone.at[0], r.nodes[n].zone[0]);
        if (n == 3)
            assert_in_range(node->last_heartbeat_ms, 2500, 6000);
        else
            assert_in_range(node->last_heartbeat_ms, 0, 1100);
    }
    message.after = r.nodes[1].id;
    in = ask(DFS_MSG_NODES, &message);
    assert_int_equal(in.body->nodes_page.nodes_count, 2);
    assert_true(dfs_id_equal(&in.body->nodes_page.nodes[0].node, &r.nodes[2].id));
}

static void who_may_only_read_files_may_not_ask(void **state)
{
    const struct dfs_m_nodes nodes = {0};
    const struct dfs_m_health health = {0};
    const struct dfs_m_drain drain = {.node = r.nodes[0].id, .on = 1};

    (void)state;
    nrig_start(&r);
    nrig_up_all(&r, 1);
    person = nrig_client(&r, "rw:/");
    assert_int_equal(ask(DFS_MSG_NODES, &nodes).body->status.status, DFS_DENIED);
    assert_int_equal(ask(DFS_MSG_HEALTH, &health).body->status.status, DFS_DENIED);
    assert_int_equal(ask(DFS_MSG_DRAIN, &drain).body->status.status, DFS_DENIED);
    assert_int_equal(nrig_state(&r, 0), DFS_NODE_ACTIVE);
}

static void draining_empties_a_node_outlives_restarts_and_can_be_taken_back(void **state)
{
    struct dfs_m_drain drain = {.on = 1};

    (void)state;
    start(5);
    (void)nrig_commit(&r, 6, 3, on_012, 3);
    drain.node.bytes[0] = 99;
    assert_int_equal(ask(DFS_MSG_DRAIN, &drain).body->status.status, DFS_NOT_FOUND);
    drain.node = r.nodes[1].id;
    assert_int_equal(ask(DFS_MSG_DRAIN, &drain).body->status.status, DFS_OK);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_DRAINING);
    assert_int_equal(ask(DFS_MSG_DRAIN, &drain).body->status.status, DFS_OK); /* once more is the same */
    nrig_live(&r, 5 * I);
    assert_int_equal(r.meta->nodes->counters.copies_done, 6);
    nrig_assert_quiet(&r);

    nrig_restart(&r);
    for (unsigned n = 0; n < 5; n++)
        nrig_up(&r, n);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_DRAINING);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_JOINED), 5);
    nrig_live(&r, 5 * I);
    nrig_assert_quiet(&r);
    person = nrig_client(&r, "a:/");
    drain.on = 0;
    assert_int_equal(ask(DFS_MSG_DRAIN, &drain).body->status.status, DFS_OK);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE);
    nrig_live(&r, 30 * I);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 3);
    nrig_assert_quiet(&r);
}

static void health_says_how_it_is(void **state)
{
    const struct dfs_m_health health = {0};
    const uint16_t on_01[] = {0, 1};
    struct fake_message in;

    (void)state;
    r.config.repair_grace_ns = 100 * I;
    start(4);
    (void)nrig_commit(&r, 3, 3, on_012, 3);
    in = ask(DFS_MSG_HEALTH, &health);
    assert_true(dfs_text_equal(in.body->health_done.health, dfs_text_of("well")));
    assert_int_equal(in.body->health_done.nodes[DFS_NODE_ACTIVE].value, 4);
    assert_int_equal(in.body->health_done.losses_survivable, 2);
    assert_int_equal(in.body->health_done.epoch, r.meta->epoch);
    r.nodes[2].dead = true;
    nrig_live(&r, 2 * I);
    in = ask(DFS_MSG_HEALTH, &health);
    assert_true(dfs_text_equal(in.body->health_done.health, dfs_text_of("a data server does not answer")));
    nrig_live(&r, 2 * I);
    in = ask(DFS_MSG_HEALTH, &health);
    assert_int_equal(in.body->health_done.under, 3);
    assert_int_equal(in.body->health_done.repair_queued, 3);
    assert_int_equal(in.body->health_done.nodes[DFS_NODE_EVICTED].value, 1);
    assert_int_equal(in.body->health_done.losses_survivable, 1);
    (void)nrig_commit(&r, 1, 2, on_01, 2);
    r.nodes[1].dead = true;
    for (unsigned n = 0; n < 4; n++)
        r.nodes[n].slow = true;
    nrig_live(&r, 4 * I);
    in = ask(DFS_MSG_HEALTH, &health);
    assert_int_equal(in.body->health_done.one_copy, 4);
    assert_int_equal(in.body->health_done.losses_survivable, 0);
    r.nodes[0].dead = true;
    nrig_live(&r, 4 * I);
    in = ask(DFS_MSG_HEALTH, &health);
    assert_true(dfs_text_equal(in.body->health_done.health, dfs_text_of("blocks without a live copy")));
    r.nodes[3].slow = false;
    nrig_restart(&r);
    person = nrig_client(&r, "a:/");
    in = ask(DFS_MSG_HEALTH, &health);
    assert_true(
        dfs_text_equal(in.body->health_done.health, dfs_text_of("warming up: waiting for the known data servers")));
}

static void explain_says_where_a_block_waits(void **state)
{
    struct dfs_w_explain_block explain = {0};

    (void)state;
    r.config.repair_grace_ns = 100 * I;
    start(4);
    (void)nrig_commit(&r, 3, 3, on_012, 3);
    nrig_live(&r, I);
    meta_nodes_explain(r.meta, nrig_block_no(&r, 0, 0), &explain);
    assert_true(dfs_text_equal(explain.why, dfs_text_of("whole")));
    assert_int_equal(explain.position, 0);
    r.nodes[2].dead = true;
    nrig_live(&r, 4 * I);
    for (uint32_t i = 0; i < 3; i++) {
        meta_nodes_explain(r.meta, nrig_block_no(&r, 0, i), &explain);
        assert_true(dfs_text_equal(explain.why, dfs_text_of("grace: its node may come back")));
        assert_in_range(explain.position, 1, 3);
    }
    nrig_restart(&r);
    memset(&explain, 0, sizeof explain);
    meta_nodes_explain(r.meta, nrig_block_no(&r, 0, 0), &explain);
    assert_true(dfs_text_equal(explain.queue, dfs_text_of("warm-up")));
}

static unsigned emitted;
static uint64_t active;

static void emit(void *ctx, const char *name, const char *help, uint64_t value)
{
    (void)ctx;
    emitted++;
    assert_ptr_equal(strstr(name, "dfs_meta_"), name);
    assert_true(help[strlen(help) - 1] == '.');
    if (strcmp(name, "dfs_meta_nodes_active") == 0)
        active = value;
}

static void metrics_have_names_and_sentences(void **state)
{
    (void)state;
    start(3);
    emitted = 0;
    meta_nodes_metrics(r.meta, emit, NULL);
    assert_in_range(emitted, 30, 100);
    assert_int_equal(active, 3);
}

static void views_are_in_order_of_id(void **state)
{
    struct dfs_meta_node_view view;

    (void)state;
    nrig_start(&r);
    for (unsigned n = 6; n-- > 0;)
        nrig_up(&r, n);
    for (unsigned n = 0; n < 6; n++) {
        assert_true(dfs_meta_node_at(r.meta, n, &view));
        assert_true(dfs_id_equal(&view.node, &r.nodes[n].id));
        assert_int_equal(view.incarnation, r.nodes[n].incarnation);
        assert_int_equal(view.state, DFS_NODE_ACTIVE);
    }
    assert_false(dfs_meta_node_at(r.meta, 6, &view));
    assert_int_equal(dfs_meta_keyring(r.meta)->members_count, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_are_listed_by_id_in_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_may_only_read_files_may_not_ask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(draining_empties_a_node_outlives_restarts_and_can_be_taken_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(health_says_how_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(explain_says_where_a_block_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metrics_have_names_and_sentences, set_up, tear_down),
        cmocka_unit_test_setup_teardown(views_are_in_order_of_id, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
