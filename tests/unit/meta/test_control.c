/* Control connections of which one half is dead while heartbeats go on: each kind of message that does not come through is noticed, and
 * nobody who is slow is taken for out of reach. */
#include "tests/support/nodes_test.h"

static const uint16_t on_01[] = {0, 1};

static uint64_t cut(void)
{
    return r.meta->nodes->counters.controls_silent;
}

static struct meta_node *node(unsigned n)
{
    return meta_node_by_id(r.meta, &r.nodes[n].id);
}

/* Four nodes, and a file of `blocks` blocks with two copies on the first two. */
static void start(uint32_t blocks)
{
    nrig_start(&r);
    nrig_up_all(&r, 4);
    for (unsigned n = 0; n < 4; n++)
        r.nodes[n].rejoins = true;
    (void)nrig_commit(&r, blocks, 2, on_01, 2);
    nrig_live(&r, I);
}

/* Its orders never arrive, and it is the only source. */
static void a_source_that_hears_no_orders_gets_another_connection(void **state)
{
    (void)state;
    start(6);
    r.nodes[0].deaf = true;
    r.nodes[1].dead = true;
    nrig_live(&r, 10 * I);
    assert_int_equal(cut(), 0); /* the orders were overdue just now, and it was asked whether it hears */
    assert_int_equal(r.nodes[0].copies, 0);
    nrig_live(&r, 5 * I);
    assert_int_equal(cut(), 1);
    nrig_live(&r, 10 * I);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(nrig_copies(&r, 0, i), 2);
    assert_int_equal(cut(), 1);
    nrig_assert_quiet(&r);
}

/* It hears, and answers when asked whether it does: for as long as its orders take. */
static void a_slow_source_keeps_its_connection(void **state)
{
    (void)state;
    start(6);
    r.nodes[0].slow = true;
    r.nodes[1].dead = true;
    nrig_live(&r, 100 * I);
    assert_in_range(r.nodes[0].copies, 8, 100);
    assert_in_range(r.nodes[0].keys, 2, 20);
    assert_int_equal(cut(), 0);
    r.nodes[0].slow = false;
    nrig_live(&r, 70 * I);
    nrig_assert_quiet(&r);
}

/* Without an order that says so: clients' grants under the new key would be refused for ever. */
static void a_node_that_hears_of_no_new_keys_gets_another_connection(void **state)
{
    (void)state;
    start(1);
    r.nodes[2].deaf = true;
    meta_nodes_rotate_key(r.meta);
    nrig_live(&r, 5 * I);
    assert_int_equal(cut(), 0);
    nrig_live(&r, 3 * I);
    assert_int_equal(cut(), 1);
    assert_int_equal(nrig_state(&r, 2), DFS_NODE_ACTIVE); /* it came back */
    assert_int_equal(r.nodes[2].keys, 1);                 /* and has them now */
    nrig_live(&r, 20 * I);
    assert_int_equal(cut(), 1);
}

/* A machine that stood still: what it reads first is answered behind its first heartbeat. */
static void an_answer_behind_the_first_heartbeat_is_in_time(void **state)
{
    (void)state;
    r.config.request_timeout_ns = I / 2;
    start(1);
    nrig_beat(&r, 2);
    r.nodes[2].deaf = true;
    meta_nodes_rotate_key(r.meta);
    nrig_live(&r, I + I / 4);
    assert_int_equal(node(2)->asked_beats, 1);
    r.nodes[2].deaf = false;
    nrig_live(&r, 5 * I);
    assert_int_equal(r.nodes[2].keys, 1);
    assert_int_equal(node(2)->asked_since, 0);
    assert_int_equal(cut(), 0);
}

/* The answer to an earlier question says that the stream lives, and that one is still to come. */
static void answers_come_one_by_one(void **state)
{
    const struct dfs_m_status status = {.status = DFS_OK};

    (void)state;
    start(1);
    meta_node_send_keys(r.meta, node(2));
    const uint32_t first = node(2)->asked_request;

    meta_node_send_keys(r.meta, node(2));
    const uint32_t second = node(2)->asked_request;

    assert_int_not_equal(first, second);
    meta_on_status(r.meta, node(2)->peer, first, &status);
    assert_int_not_equal(node(2)->asked_since, 0);
    meta_control_sound(r.meta, node(2)); /* is being asked already */
    assert_int_equal(node(2)->asked_request, second);
    meta_on_status(r.meta, node(2)->peer, second, &status);
    assert_int_equal(node(2)->asked_since, 0);
    meta_on_status(r.meta, node(2)->peer, second - 1, &status); /* out of the blue */
    assert_int_equal(node(2)->asked_since, 0);
}

/* A copy that is to be read before another one is trimmed. */
static void a_node_that_hears_of_nothing_to_verify_gets_another_connection(void **state)
{
    (void)state;
    start(1);
    r.nodes[0].deaf = true;
    meta_nodes_block_doubted(r.meta, nrig_block_no(&r, 0, 0), 0, DFS_BLOCK_CORRUPT);
    nrig_live(&r, 6 * I);
    assert_int_equal(r.nodes[0].verifies, 0);
    nrig_live(&r, 12 * I);
    assert_int_equal(cut(), 1);
    nrig_live(&r, 40 * I);
    assert_int_equal(r.nodes[0].verifies, 1);
    assert_int_equal(cut(), 1);
    nrig_assert_quiet(&r);
}

static void a_node_that_is_not_told_of_its_end_is_made_to_join(void **state)
{
    (void)state;
    start(3);
    const uint64_t incarnation = r.nodes[1].incarnation;

    r.nodes[1].deaf = true;
    meta_node_ask_rejoin(r.meta, node(1), "for a test");
    nrig_live(&r, 4 * I);
    assert_int_equal(cut(), 0);
    nrig_live(&r, 4 * I);
    assert_int_equal(cut(), 1);
    nrig_live(&r, 10 * I);
    assert_true(r.nodes[1].incarnation > incarnation);
    assert_int_equal(nrig_state(&r, 1), DFS_NODE_ACTIVE);
    assert_int_equal(cut(), 1);
    nrig_assert_quiet(&r);
}

/* Its heartbeats come, its inventory does not. */
static void an_inventory_that_does_not_come_ends_the_connection(void **state)
{
    (void)state;
    start(3);
    assert_int_equal(nrig_join(&r, 4), DFS_OK);
    for (unsigned i = 0; i < 5; i++) {
        nrig_beat(&r, 4);
        nrig_live(&r, I);
    }
    assert_int_equal(cut(), 0);
    nrig_beat(&r, 4);
    assert_int_equal(cut(), 1);
    assert_int_equal(nrig_state(&r, 4), DFS_NODE_JOINING);
    r.nodes[4].conn = 0;
    nrig_up(&r, 4);
    nrig_live(&r, 20 * I);
    assert_int_equal(nrig_state(&r, 4), DFS_NODE_ACTIVE);
    assert_int_equal(cut(), 1);
}

/* Metadata's disk took longer over JOIN than a request may take: the heartbeat that overtakes the first page accuses nobody. */
static void a_join_that_waited_for_the_journal_is_not_held_against_the_node(void **state)
{
    const struct dfs_m_join join = nrig_join_message(&r, 4);

    (void)state;
    start(1);
    nrig_connect(&r, 4);
    fake_receive(&r.f, r.nodes[4].conn, 77, DFS_MSG_JOIN, &join, NULL, 0);
    node(4)->peer->heard_at -= 2 * r.config.request_timeout_ns; /* as if it had come long ago */
    fake_disk_run(&r.f);
    const struct dfs_m_joined joined = fake_expect(&r.f, r.nodes[4].conn, DFS_MSG_JOINED).body->joined;

    nrig_take_joined(&r, 4, &joined);
    nrig_beat(&r, 4);
    assert_int_equal(cut(), 0);
    nrig_tell(&r, 4);
    assert_int_equal(nrig_state(&r, 4), DFS_NODE_ACTIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_source_that_hears_no_orders_gets_another_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_source_keeps_its_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_hears_of_no_new_keys_gets_another_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_behind_the_first_heartbeat_is_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_come_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_hears_of_nothing_to_verify_gets_another_connection, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_is_not_told_of_its_end_is_made_to_join, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_inventory_that_does_not_come_ends_the_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_join_that_waited_for_the_journal_is_not_held_against_the_node, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
