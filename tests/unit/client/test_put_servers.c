/* PUT when data servers fail: what is tried again, with whom, and who is blamed. */
#include "tests/unit/client/stories.h"

/* Servers fail ------------------------------------------------------------------------------------------------------------- */

static void a_refusing_server_is_gone_around(void **state)
{
    struct client_rig *r = *state;

    r->nodes[2].refuses = DFS_NO_SPACE;
    client_rig_put(r, 1, "a/one", 800000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    for (uint32_t i = 0; i < r->file.blocks; i++) {
        assert_int_equal(r->file.placed[i].generation, i % 4 == 2 ? 2 : 1);
        for (uint32_t k = 0; i % 4 == 2 && k < 3; k++)
            assert_int_not_equal(r->file.placed[i].nodes[k], 2);
    }
}

static void a_dead_server_is_gone_around(void **state)
{
    struct client_rig *r = *state;

    r->nodes[0].mode = RIG_REFUSES;
    r->ack = DFS_ACK_QUORUM;
    client_rig_put(r, 1, "a/one", 800000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 2);
}

static void a_silent_server_costs_one_timeout(void **state)
{
    struct client_rig *r = *state;

    r->nodes[0].mode = RIG_MUTE;
    r->ack = DFS_ACK_QUORUM;
    client_rig_put(r, 1, "a/one", 800000);
    client_rig_pass(r, 4 * DFS_SECONDS);
    assert_running(r, 1);
    client_rig_pass(r, 2 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 2);
}

static void a_server_that_cannot_be_reached_costs_the_connect_timeout(void **state)
{
    struct client_rig *r = *state;

    r->nodes[0].mode = RIG_UNSEEN;
    r->ack = DFS_ACK_QUORUM;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 2);
}

/* Eight blocks, four at a time, have grants from the beginning that name it: only those that met it first wait for it. */
static void a_server_that_failed_is_left_out_of_grants_made_before(void **state)
{
    struct client_rig *r = *state;

    r->nodes_count = 5;
    r->nodes[1].mode = RIG_UNSEEN;
    client_rig_put(r, 1, "a/one", 4000000);
    client_rig_pass(r, 2 * DFS_SECONDS + 500 * DFS_MILLISECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
}

/* The primary is well, and could not reach the next. Whoever else was to be sent there is not, nor is he told so block by block. */
static void a_server_that_another_could_not_reach_is_left_out_too(void **state)
{
    struct client_rig *r = *state;
    uint32_t named = 0;

    r->nodes_count = 5;
    r->nodes[1].no_copy = true;
    client_rig_put(r, 1, "a/one", 100000);
    assert_ok(r, 1);
    r->asked[DFS_MSG_BLOCK_WRITE] = 0;
    client_rig_put(r, 2, "a/two", 2000000);
    assert_ok(r, 2);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], r->file.blocks);

    /* after a while it is trusted again */
    r->nodes[1].no_copy = false;
    client_rig_pass(r, 6 * DFS_SECONDS);
    client_rig_put(r, 3, "a/three", 2000000);
    assert_ok(r, 3);
    for (uint32_t i = 0; i < r->file.blocks; i++)
        for (uint32_t k = 0; k < 3; k++)
            named += r->file.placed[i].nodes[k] == 1;
    assert_true(named > 0);
}

/* There is no other: it is tried all the same, and once it answers it is one like any other. */
static void a_server_that_failed_is_tried_where_there_is_no_other(void **state)
{
    struct client_rig *r = *state;

    r->nodes_count = 3;
    r->nodes[1].mode = RIG_REFUSES;
    client_rig_put(r, 1, "a/one", 400000);
    client_rig_pass(r, 500 * DFS_MILLISECONDS);
    assert_running(r, 1);
    r->nodes[1].mode = RIG_WELL;
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
}

static bool reset_at_second_frame(struct client_rig *r, dfs_conn conn, struct rig_node *node,
                                  const struct fake_message *m)
{
    (void)conn;
    if (m->number != DFS_MSG_BLOCK_DATA || r->story > 0 || m->body->block_data.offset == 0)
        return false;
    r->story = 1;
    client_rig_reset(r, DFS_ROLE_DATA, &node->id);
    return true;
}

static void a_broken_connection_is_tried_once_more_with_a_higher_attempt(void **state)
{
    struct client_rig *r = *state;

    r->on_message = reset_at_second_frame;
    client_rig_put(r, 1, "a/one", 100000);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->file.placed[0].generation, 1);
    assert_int_equal(r->nodes[0].writes, 2);
    assert_int_equal(r->writes[0].header.attempt, 2);
}

static void a_frame_spoilt_on_the_way_is_sent_once_more(void **state)
{
    struct client_rig *r = *state;

    r->nodes[0].refuses = DFS_BLOCK_CORRUPT;
    client_rig_put(r, 1, "a/one", 100000);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->nodes[0].writes, 2); /* then it is gone around */
    assert_int_equal(r->file.placed[0].generation, 2);
}

static void a_missing_hop_fails_all_but_not_quorum(void **state)
{
    struct client_rig *r = *state;

    r->nodes[1].no_copy = true;
    r->nodes_count = 3;
    r->ack = DFS_ACK_QUORUM;
    client_rig_put(r, 1, "a/one", 100000);
    assert_ok(r, 1);
    client_rig_check_stored(r, 2);
    r->ack = DFS_ACK_ALL;
    r->nodes_count = 4;
    client_rig_put(r, 2, "a/two", 100000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 2);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->file.placed[0].generation, 2);
}

static void copies_that_are_not_durable_do_not_count(void **state)
{
    struct client_rig *r = *state;

    r->nodes[1].not_durable = true;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 60 * DFS_SECONDS);
    assert_status(r, 1, DFS_RECEIPT_INVALID);
    r->durability = DFS_DURABILITY_ASYNC;
    client_rig_put(r, 2, "a/two", 100000);
    assert_ok(r, 2);
}

static void servers_are_forgiven_when_too_few_are_left(void **state)
{
    struct client_rig *r = *state;

    r->nodes_count = 3;
    r->nodes[0].refuses = DFS_UNAVAILABLE;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_running(r, 1);
    r->nodes[0].refuses = DFS_OK;
    client_rig_pass(r, 10 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
}

static void a_block_that_nobody_takes_fails_the_put_in_words(void **state)
{
    struct client_rig *r = *state;

    for (uint32_t i = 0; i < r->nodes_count; i++)
        r->nodes[i].refuses = DFS_NO_SPACE;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 120 * DFS_SECONDS);
    assert_status(r, 1, r->results[1].status);
    assert_true(r->results[1].status == DFS_NO_SPACE || r->results[1].status == DFS_NOT_ENOUGH_NODES);
    assert_words(r, 1, "a/one");
    assert_true(r->file.aborted);
}

static bool refuse_hello(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    if (m->number != DFS_MSG_HELLO || node != &r->nodes[0])
        return false;
    client_rig_status(r, conn, m->request, DFS_TOKEN_INVALID, "that key is not here yet");
    return true;
}

static void a_data_server_that_takes_no_token_is_gone_around(void **state)
{
    struct client_rig *r = *state;

    r->on_message = refuse_hello;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->file.placed[0].generation, 2);
}

static void an_expired_token_at_a_data_server_is_said(void **state)
{
    struct client_rig *r = *state;

    r->nodes[0].refuses = DFS_TOKEN_EXPIRED;
    client_rig_put(r, 1, "a/one", 100000);
    assert_status(r, 1, DFS_TOKEN_EXPIRED);
}

static void nobody_is_at_fault_for_an_old_grant(void **state)
{
    struct client_rig *r = *state;

    r->nodes_count = 3;
    r->nodes[0].refuses = DFS_STALE_INCARNATION;
    client_rig_put(r, 1, "a/one", 100000);
    r->nodes[0].refuses = DFS_OK;
    r->nodes[0].incarnation++;
    client_rig_pass(r, 2 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3); /* on the same three */
}

static void a_server_that_moved_is_called_where_it_is_now(void **state)
{
    struct client_rig *r = *state;

    client_rig_put(r, 1, "a/one", 100000);
    assert_ok(r, 1);
    const dfs_conn old = client_rig_conn(r, DFS_ROLE_DATA, &r->nodes[0].id);

    r->nodes[0].addr.port++;
    client_rig_put(r, 2, "a/one", 100000);
    assert_ok(r, 2);
    assert_true(fake_conn_of(&r->f, old)->closed);
    assert_int_equal(fake_conn_of(&r->f, client_rig_conn(r, DFS_ROLE_DATA, &r->nodes[0].id))->to.port,
                     r->nodes[0].addr.port);
}

/* One block's frames fall through a hole; the server is well. */
static bool swallow(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)conn;
    (void)node;
    return m->number == DFS_MSG_BLOCK_WRITE && m->body->block_write.grant.block.index == 0 &&
           m->body->block_write.grant.block.generation == 1 && r->story == 1;
}

static void a_block_may_be_stuck_at_a_server_that_lives(void **state)
{
    struct client_rig *r = *state;

    r->on_message = swallow;
    r->story = 1;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 3 * DFS_SECONDS);
    const struct rig_file stuck = r->file;

    r->story = 0;
    client_rig_put(r, 2, "a/two", 100000); /* over the same connection */
    assert_int_equal(r->results[2].status, DFS_OK);
    r->file = stuck;
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_ok(r, 1);
    assert_int_equal(r->file.placed[0].generation, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_refusing_server_is_gone_around),
        STORY(a_dead_server_is_gone_around),
        STORY(a_silent_server_costs_one_timeout),
        STORY(a_server_that_cannot_be_reached_costs_the_connect_timeout),
        STORY(a_server_that_failed_is_left_out_of_grants_made_before),
        STORY(a_server_that_another_could_not_reach_is_left_out_too),
        STORY(a_server_that_failed_is_tried_where_there_is_no_other),
        STORY(a_broken_connection_is_tried_once_more_with_a_higher_attempt),
        STORY(a_frame_spoilt_on_the_way_is_sent_once_more),
        STORY(a_missing_hop_fails_all_but_not_quorum),
        STORY(copies_that_are_not_durable_do_not_count),
        STORY(servers_are_forgiven_when_too_few_are_left),
        STORY(a_block_that_nobody_takes_fails_the_put_in_words),
        STORY(a_data_server_that_takes_no_token_is_gone_around),
        STORY(an_expired_token_at_a_data_server_is_said),
        STORY(nobody_is_at_fault_for_an_old_grant),
        STORY(a_server_that_moved_is_called_where_it_is_now),
        STORY(a_block_may_be_stuck_at_a_server_that_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
