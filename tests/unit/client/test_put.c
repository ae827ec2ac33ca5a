/* PUT among puppets: what is asked of whom, and what happens when they fail. */
#include "tests/unit/client/stories.h"

/* In order --------------------------------------------------------------------------------------------------------------- */

static void a_small_file_takes_four_messages(void **state)
{
    struct client_rig *r = *state;

    client_rig_put(r, 1, "a/one", 4096);
    assert_ok(r, 1);
    assert_int_equal(r->results[1].number, DFS_MSG_PUT_DONE);
    assert_int_equal(r->results[1].bytes, 4096);
    assert_int_equal(r->results[1].replicas_durable, 3);
    client_rig_check_stored(r, 3);
    memset(r->asked, 0, sizeof r->asked);
    client_rig_put(r, 2, "a/two", 4096);
    assert_ok(r, 2);
    assert_int_equal(r->asked[DFS_MSG_PUT_OPEN], 1);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 1);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_DATA], 1);
    assert_int_equal(r->asked[DFS_MSG_PUT_COMMIT], 1);
    assert_int_equal(r->asked[DFS_MSG_HELLO], 0); /* warm */
    assert_int_equal(r->asked[DFS_MSG_PUT_PLACE], 0);
}

static void nothing_waits_for_the_answer_to_hello(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_put put = client_rig_put_of(r, "a/one", 4096);
    dfs_conn conn;

    r->source_bytes = 4096;
    fake_command(&r->f, 1, DFS_CLIENT_PUT, &put);
    conn = fake_connected(&r->f);
    assert_int_equal(fake_expect(&r->f, conn, DFS_MSG_HELLO).number, DFS_MSG_HELLO); /* before the connection is open */
    (void)fake_expect(&r->f, conn, DFS_MSG_PUT_OPEN);
}

static void a_file_of_many_blocks_and_pages(void **state)
{
    struct client_rig *r = *state;

    r->placement_page = 7;
    client_rig_put(r, 1, "a/big", 100000 * 90 + 17);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->file.blocks, 91);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 91);
    assert_int_equal(r->asked[DFS_MSG_PUT_COMMIT], 2);  /* 273 receipts */
    assert_int_equal(r->pulled_bytes, r->source_bytes); /* nothing was read twice */
}

static void blocks_of_many_frames(void **state)
{
    struct client_rig *r = *state;

    r->block_max = 1000000;
    client_rig_put(r, 1, "a/big", 3333333);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->file.blocks, 4);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_DATA], 4 * 13);
}

static void an_empty_file_has_no_blocks(void **state)
{
    struct client_rig *r = *state;

    client_rig_put(r, 1, "a/empty", 0);
    assert_ok(r, 1);
    assert_int_equal(r->file.blocks, 0);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 0);
}

static void no_more_than_parallel_blocks_are_under_way(void **state)
{
    struct client_rig *r = *state;
    uint32_t busy = 0;

    for (uint32_t i = 0; i < r->nodes_count; i++)
        r->nodes[i].mode = RIG_UNSEEN;
    client_rig_put(r, 1, "a/big", 3000000);
    client_rig_put(r, 2, "a/big", 3000000);
    for (size_t i = 0; i < r->f.conns_count; i++)
        for (struct fake_message m;
             r->f.conns[i].role == DFS_ROLE_DATA && (m = fake_sent(&r->f, r->f.conns[i].id)).number != 0;)
            busy += m.number == DFS_MSG_BLOCK_WRITE;
    assert_int_equal(busy, 4);
}

/* Sources ------------------------------------------------------------------------------------------------------------------ */

static void of_unknown_size(struct client_rig *r, uint64_t id, uint64_t bytes)
{
    struct dfs_client_put put = client_rig_put_of(r, "a/pipe", DFS_SIZE_UNKNOWN);

    put.rereadable = false;
    r->source_is_a_pipe = true;
    r->pull_next = 0;
    r->source_bytes = bytes;
    client_rig_do(r, id, DFS_CLIENT_PUT, &put);
}

static void a_pipe_is_read_in_order_and_once(void **state)
{
    static const uint64_t sizes[] = {0, 1, 65536, 99999, 100000, 100001, 1234567};
    struct client_rig *r = *state;

    for (uint64_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        r->pulled_bytes = 0;
        of_unknown_size(r, i + 1, sizes[i]);
        assert_ok(r, i + 1);
        client_rig_check_stored(r, 3);
        assert_int_equal(r->file.size_bytes, sizes[i]);
        assert_int_equal(r->file.blocks, (sizes[i] + 99999) / 100000);
        assert_int_equal(r->pulled_bytes, sizes[i]);
        assert_int_equal(r->results[i + 1].bytes, sizes[i]);
    }
}

static void a_pipe_of_known_size(void **state)
{
    struct client_rig *r = *state;
    struct dfs_client_put put = client_rig_put_of(r, "a/pipe", 777777);

    put.rereadable = false;
    r->source_is_a_pipe = true;
    r->source_bytes = 777777;
    r->placement_page = 3;
    client_rig_do(r, 1, DFS_CLIENT_PUT, &put);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
}

static void a_block_from_a_pipe_is_sent_again_from_memory(void **state)
{
    struct client_rig *r = *state;

    r->nodes[1].refuses = DFS_NO_SPACE;
    r->nodes_count = 5;
    of_unknown_size(r, 1, 450000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->pulled_bytes, 450000);
    assert_true(r->nodes[1].writes > 0);
}

static void a_slow_pipe_is_waited_for(void **state)
{
    struct client_rig *r = *state;

    r->source_stalls = true;
    of_unknown_size(r, 1, 200);
    client_rig_pass(r, 900 * DFS_SECONDS);
    assert_running(r, 1);
    assert_int_not_equal(r->asked[DFS_MSG_PUT_PLACE], 0); /* the lease is kept alive */
    r->source_stalls = false;
    client_rig_run(r);
    assert_ok(r, 1);
}

static void a_source_that_shrinks_fails_the_put(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_put put = client_rig_put_of(r, "a/log", 500000);

    r->source_bytes = 450000;
    client_rig_do(r, 1, DFS_CLIENT_PUT, &put);
    assert_status(r, 1, DFS_IO);
    assert_words(r, 1, "a/log");
    assert_words(r, 1, "ended before its 500000 bytes");
    assert_true(r->file.aborted);
}

static void a_source_that_cannot_be_read_fails_the_put(void **state)
{
    struct client_rig *r = *state;

    r->source_status = DFS_IO;
    client_rig_put(r, 1, "a/one", 1000);
    assert_status(r, 1, DFS_IO);
    assert_words(r, 1, "source");
    assert_true(r->file.aborted);
}

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

/* Metadata ------------------------------------------------------------------------------------------------------------------- */

static bool lose_block_once(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    struct dfs_w_number lost[] = {{.value = 1}, {.value = 3}};
    const struct dfs_m_put_done done = {.status = DFS_BLOCK_LOST, .file = r->file.id, .lost = lost, .lost_count = 2};

    (void)node;
    if (m->number != DFS_MSG_PUT_COMMIT || r->story++ > 0)
        return false;
    fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_DONE, &done, NULL, 0);
    return true;
}

static void blocks_lost_before_the_commit_are_placed_again_and_no_others(void **state)
{
    struct client_rig *r = *state;

    r->on_message = lose_block_once;
    client_rig_put(r, 1, "a/one", 600000);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_WRITE], 6 + 2);
    assert_int_equal(r->asked[DFS_MSG_PUT_COMMIT], 2);
    assert_int_equal(r->file.placed[1].generation, 2);
    assert_int_equal(r->file.placed[2].generation, 1);
    assert_int_equal(r->pulled_bytes, 800000);
}

static void blocks_lost_from_a_pipe_are_lost(void **state)
{
    struct client_rig *r = *state;

    r->on_message = lose_block_once;
    of_unknown_size(r, 1, 600000);
    assert_status(r, 1, DFS_BLOCK_LOST);
    assert_words(r, 1, "put it once more");
}

static void a_lost_commit_answer_is_asked_for_again(void **state)
{
    struct client_rig *r = *state;

    r->lose_commit_answer = true;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, DFS_SECONDS);
    assert_ok(r, 1);
    assert_int_equal(r->asked[DFS_MSG_PUT_COMMIT], 2);
    assert_int_equal(r->asked[DFS_MSG_PUT_OPEN], 1);
}

static bool answer_open_lost(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number != DFS_MSG_PUT_OPEN || r->story++ > 2)
        return false;
    fake_closed(&r->f, conn, DFS_UNREACHABLE);
    return true;
}

static bool remember_operation(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    static struct dfs_id first;

    if (m->number == DFS_MSG_PUT_OPEN) {
        if (r->story == 0)
            first = m->body->put_open.operation;
        assert_true(dfs_id_equal(&first, &m->body->put_open.operation));
    }
    return answer_open_lost(r, conn, node, m);
}

static void a_lost_plan_is_asked_for_with_the_same_operation(void **state)
{
    struct client_rig *r = *state;

    r->on_message = remember_operation;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    assert_int_equal(r->asked[DFS_MSG_PUT_OPEN], 4);
}

static bool refuse_commit(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number != DFS_MSG_PUT_COMMIT)
        return false;
    client_rig_status(r, conn, m->request, (enum dfs_status)r->story, "metadata's words");
    return true;
}

static void what_metadata_refuses_at_the_commit_is_the_answer(void **state)
{
    static const enum dfs_status refusals[] = {DFS_EXISTS,         DFS_PRECONDITION_FAILED, DFS_LEASE_EXPIRED,
                                               DFS_UPLOAD_LOST,    DFS_QUOTA_EXCEEDED,      DFS_DENIED,
                                               DFS_RECEIPT_INVALID};
    struct client_rig *r = *state;

    r->on_message = refuse_commit;
    for (uint64_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        r->story = refusals[i];
        client_rig_put(r, i + 1, "a/one", 1000);
        assert_status(r, i + 1, refusals[i]);
        assert_words(r, i + 1, "put a/one: metadata's words");
        assert_true(r->file.aborted);
    }
}

static bool refuse_open(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number != DFS_MSG_PUT_OPEN || r->story == 0)
        return false;
    r->story--;
    client_rig_status(r, conn, m->request, DFS_UNAVAILABLE, "warming up");
    return true;
}

static void a_metadata_that_warms_up_is_waited_for(void **state)
{
    struct client_rig *r = *state;

    r->on_message = refuse_open;
    r->story = 5;
    client_rig_put(r, 1, "a/one", 1000);
    client_rig_pass(r, 10 * DFS_SECONDS);
    assert_ok(r, 1);
    assert_int_equal(r->asked[DFS_MSG_PUT_OPEN], 6);
}

static void a_metadata_that_never_warms_up_is_given_up(void **state)
{
    struct client_rig *r = *state;

    r->on_message = refuse_open;
    r->story = UINT64_MAX;
    client_rig_put(r, 1, "a/one", 1000);
    client_rig_pass(r, 19 * DFS_SECONDS);
    assert_running(r, 1);
    client_rig_pass(r, 2 * DFS_SECONDS);
    assert_status(r, 1, DFS_UNAVAILABLE);
    assert_words(r, 1, "warming up");
    assert_words(r, 1, "given up");
    assert_in_range(r->asked[DFS_MSG_PUT_OPEN], 10, 100); /* with back-off */
}

static void a_metadata_that_is_gone_is_named(void **state)
{
    struct client_rig *r = *state;

    r->meta_mode = RIG_REFUSES;
    client_rig_put(r, 1, "a/one", 1000);
    client_rig_pass(r, 21 * DFS_SECONDS);
    assert_status(r, 1, DFS_UNREACHABLE);
    assert_words(r, 1, "10.0.0.2:7002");
    r->meta_mode = RIG_UNSEEN;
    client_rig_put(r, 2, "a/one", 1000);
    client_rig_pass(r, 21 * DFS_SECONDS);
    assert_status(r, 2, DFS_TIMEOUT);
}

static void a_metadata_that_falls_silent_is_called_anew(void **state)
{
    struct client_rig *r = *state;

    client_rig_put(r, 1, "a/one", 1000);
    assert_ok(r, 1);
    r->meta_mode = RIG_MUTE;
    client_rig_put(r, 2, "a/one", 1000);
    client_rig_pass(r, 4 * DFS_SECONDS);
    assert_running(r, 2);
    assert_int_equal(r->asked[DFS_MSG_HELLO], 1 + 1); /* metadata and one data server */
    client_rig_pass(r, 2 * DFS_SECONDS);
    r->meta_mode = RIG_WELL;
    client_rig_pass(r, 1 * DFS_SECONDS);
    assert_ok(r, 2);
}

static void the_lease_is_kept_alive_while_a_block_takes_long(void **state)
{
    struct client_rig *r = *state;

    r->lease_ns = 4 * DFS_SECONDS;
    r->source_stalls = true;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 20 * DFS_SECONDS);
    assert_in_range(r->asked[DFS_MSG_PUT_PLACE], 8, 11);
    r->source_stalls = false;
    client_rig_run(r);
    assert_ok(r, 1);
    assert_int_equal(r->file.placed[0].generation, 1);
}

static bool lose_upload(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number != DFS_MSG_PUT_PLACE)
        return false;
    client_rig_status(r, conn, m->request, DFS_UPLOAD_LOST, "metadata restarted");
    return true;
}

static void a_lost_upload_is_noticed_before_the_commit(void **state)
{
    struct client_rig *r = *state;

    r->lease_ns = 4 * DFS_SECONDS;
    r->source_stalls = true;
    r->on_message = lose_upload;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_status(r, 1, DFS_UPLOAD_LOST);
    r->source_stalls = false;
    client_rig_run(r); /* the late bytes find nobody */
}

static bool refuse_page(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const struct dfs_m_put_placed none = {.first = 0};

    (void)node;
    if (m->number != DFS_MSG_PUT_PLACE)
        return false;
    switch (r->story) {
    case 0: /* not enough nodes, for a while */
        if (r->asked[DFS_MSG_PUT_PLACE] > 4)
            return false;
        client_rig_status(r, conn, m->request, DFS_NOT_ENOUGH_NODES, "too few nodes");
        return true;
    case 1:
        client_rig_status(r, conn, m->request, DFS_QUOTA_EXCEEDED, "over your quota");
        return true;
    default:
        fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_PLACED, &none, NULL, 0);
        return true;
    }
}

static void the_next_page_may_take_a_while_or_be_refused(void **state)
{
    static const enum dfs_status outcome[] = {DFS_OK, DFS_QUOTA_EXCEEDED, DFS_BAD_REQUEST};
    struct client_rig *r = *state;

    r->placement_page = 2;
    r->on_message = refuse_page;
    for (uint64_t i = 0; i < 3; i++) {
        r->story = i;
        client_rig_put(r, i + 1, "a/one", 500000);
        client_rig_pass(r, 10 * DFS_SECONDS);
        assert_status(r, i + 1, outcome[i]);
    }
}

/* Block 0 finds no room at first, and then no servers until the story says so; which blocks were begun, as bits. */
static uint32_t begun;

static bool no_servers_for_the_first(struct client_rig *r, dfs_conn conn, struct rig_node *node,
                                     const struct fake_message *m)
{
    (void)node;
    if (m->number == DFS_MSG_BLOCK_WRITE) {
        const struct dfs_m_block_write *write = &m->body->block_write;

        begun |= UINT32_C(1) << write->grant.block.index;
        if (write->grant.block.index != 0 || write->grant.block.generation != 1)
            return false;
        client_rig_status(r, conn, m->request, DFS_NO_SPACE, "full");
        return true;
    }
    if (m->number != DFS_MSG_PUT_PLACE || r->story != 0)
        return false;
    client_rig_status(r, conn, m->request, DFS_NOT_ENOUGH_NODES, "too few nodes");
    return true;
}

/* While a block waits for servers its PUT begins nothing new; when it has them it takes its place again, and the PUT goes on beside it. */
static void a_block_that_waited_takes_its_place_again(void **state)
{
    struct client_rig *r = *state;

    begun = 0;
    r->config.parallel = 2;
    boot_anew(r);
    r->on_message = no_servers_for_the_first;
    client_rig_put(r, 1, "a/one", 500000);
    client_rig_pass(r, DFS_SECONDS);
    assert_int_equal(begun, 3); /* two at a time, of which one is done and one waits */
    r->source_stalls = true;
    r->story = 1;
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_int_equal(begun, 7); /* the third beside the first, not the fourth */
    r->source_stalls = false;
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
}

static bool refuse_again(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const struct dfs_m_put_placed none = {.first = 7};

    (void)node;
    if (m->number != DFS_MSG_PUT_PLACE)
        return false;
    if (r->story == 0)
        client_rig_status(r, conn, m->request, DFS_LEASE_EXPIRED, "too late");
    else
        fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_PLACED, &none, NULL, 0);
    return true;
}

static void a_block_may_not_be_placed_again(void **state)
{
    static const enum dfs_status outcome[] = {DFS_LEASE_EXPIRED, DFS_BAD_REQUEST};
    struct client_rig *r = *state;

    r->nodes[0].refuses = DFS_NO_SPACE;
    r->on_message = refuse_again;
    for (uint64_t i = 0; i < 2; i++) {
        r->story = i;
        client_rig_put(r, i + 1, "a/one", 100000);
        client_rig_pass(r, 10 * DFS_SECONDS);
        assert_status(r, i + 1, outcome[i]);
    }
}

static bool lose_for_ever(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    struct dfs_w_number lost[] = {{.value = 0}, {.value = 0}};
    struct dfs_m_put_done done = {.status = DFS_BLOCK_LOST, .file = r->file.id, .lost = lost, .lost_count = 2};

    (void)node;
    if (m->number != DFS_MSG_PUT_COMMIT)
        return false;
    if (r->story == 1) /* of a block that the file has not */
        lost[1].value = 99;
    if (r->story == 2) /* of another file */
        done.file.bytes[0] ^= 1;
    if (r->story == 3 && r->asked[DFS_MSG_PUT_COMMIT] < 4) { /* a full journal, for a while */
        done.status = DFS_UNAVAILABLE;
        done.lost_count = 0;
    } else if (r->story == 3) {
        return false;
    }
    if (r->story == 4) {
        done.status = DFS_EXISTS;
        done.lost_count = 0;
    }
    if (r->story == 5) {
        client_rig_status(r, conn, m->request, DFS_OK, "fine");
        return true;
    }
    fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_DONE, &done, NULL, 0);
    return true;
}

static void commits_that_lead_nowhere(void **state)
{
    static const enum dfs_status outcome[] = {DFS_BLOCK_LOST, DFS_BAD_REQUEST, DFS_BAD_REQUEST,
                                              DFS_OK,         DFS_EXISTS,      DFS_BAD_REQUEST};
    struct client_rig *r = *state;

    r->on_message = lose_for_ever;
    for (uint64_t i = 0; i < 6; i++) {
        r->story = i;
        r->asked[DFS_MSG_PUT_COMMIT] = 0;
        client_rig_put(r, i + 1, "a/one", 200000);
        client_rig_pass(r, 10 * DFS_SECONDS);
        assert_status(r, i + 1, outcome[i]);
    }
}

static void a_metadata_without_keys_yet_is_waited_for(void **state)
{
    struct client_rig *r = *state;

    r->hello_status = DFS_UNAVAILABLE;
    client_rig_put(r, 1, "a/one", 1000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_running(r, 1);
    assert_in_range(r->asked[DFS_MSG_HELLO], 3, 40);
    r->hello_status = DFS_OK;
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_ok(r, 1);
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

/* Nonsense from peers ---------------------------------------------------------------------------------------------------------- */

static bool spoil_plan(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    struct dfs_w_replica replica = {.node = r->nodes[0].id, .incarnation = 1, .addr = r->nodes[0].addr};
    struct dfs_w_grant grant = {.block = {.file = r->nodes[1].id, .index = 0, .generation = 1},
                                .length_max_bytes = 1000,
                                .operation = DFS_GRANT_WRITE,
                                .replicas = &replica,
                                .replicas_count = 1};
    struct dfs_m_put_plan plan = {.epoch = 1,
                                  .block_size_bytes = 1000,
                                  .blocks = 1,
                                  .ack = DFS_ACK_ALL,
                                  .durability = DFS_DURABILITY_SYNC,
                                  .copies_wanted = 1,
                                  .grants = &grant,
                                  .grants_count = 1};

    (void)node;
    if (m->number != DFS_MSG_PUT_OPEN)
        return false;
    switch (r->story) {
    case 0: /* blocks of another file */
        break;
    case 1: /* more blocks than bytes */
        plan.blocks = 2000;
        plan.grants_count = 0;
        break;
    case 2: /* none for some bytes */
        plan.blocks = 0;
        plan.grants_count = 0;
        break;
    case 3: /* no rule */
        plan.ack = DFS_ACK_DEFAULT;
        break;
    case 4: { /* another message */
        const struct dfs_m_changed changed = {.status = DFS_OK};

        fake_receive(&r->f, conn, m->request, DFS_MSG_CHANGED, &changed, NULL, 0);
        return true;
    }
    default:
        client_rig_status(r, conn, m->request, DFS_OK, "fine");
        return true;
    }
    fake_receive(&r->f, conn, m->request, DFS_MSG_PUT_PLAN, &plan, NULL, 0);
    return true;
}

static void plans_that_make_no_sense_fail_the_put(void **state)
{
    struct client_rig *r = *state;

    r->on_message = spoil_plan;
    for (uint64_t i = 0; i < 6; i++) {
        r->story = i;
        client_rig_put(r, i + 1, "a/one", 1000);
        assert_status(r, i + 1, DFS_BAD_REQUEST);
    }
}

static bool spoil_written(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const struct dfs_m_block_written written = {.block = {.file = r->nodes[3].id, .index = 9, .generation = 1}};

    (void)node;
    if (m->number != DFS_MSG_BLOCK_DATA || r->story++ > 0)
        return false;
    if (!fake_conn_of(&r->f, conn)->closed)
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_WRITTEN, &written, NULL, 0);
    return true;
}

static void a_server_that_answers_nonsense_is_dropped(void **state)
{
    struct client_rig *r = *state;

    r->on_message = spoil_written;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 5 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    assert_int_equal(r->file.placed[0].generation, 2);
}

static void frames_that_are_none_close_the_connection_to_metadata(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_put put = client_rig_put_of(r, "a/one", 1000);
    dfs_conn conn;

    r->source_bytes = 1000;
    fake_command(&r->f, 1, DFS_CLIENT_PUT, &put);
    conn = fake_connected(&r->f);
    fake_open(&r->f, conn);
    fake_bytes(&r->f, conn, "HTTP/1.1 400 Bad Request\r\n", 26, 26);
    assert_true(fake_conn_of(&r->f, conn)->closed);
    client_rig_pass(r, DFS_SECONDS);
    assert_ok(r, 1);
}

/* People ------------------------------------------------------------------------------------------------------------------------- */

static void a_cancelled_put_is_aborted_at_metadata(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_cancel cancel = {.command = 1};

    r->nodes[0].mode = RIG_MUTE;
    client_rig_put(r, 1, "a/one", 900000);
    assert_running(r, 1);
    client_rig_do(r, 2, DFS_CLIENT_CANCEL, &cancel);
    assert_status(r, 1, DFS_ABORTED);
    assert_status(r, 2, DFS_OK);
    assert_true(r->file.aborted);
    client_rig_do(r, 3, DFS_CLIENT_CANCEL, &cancel);
    assert_status(r, 3, DFS_NOT_FOUND);
    client_rig_pass(r, 60 * DFS_SECONDS); /* and nothing is left that moves */
    assert_int_equal(r->f.deadline, DFS_NEVER);
}

static void a_put_cancelled_before_its_plan_aborts_the_late_plan(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_put put = client_rig_put_of(r, "a/one", 1000);
    const struct dfs_client_cancel cancel = {.command = 1};

    fake_command(&r->f, 1, DFS_CLIENT_PUT, &put);
    fake_command(&r->f, 2, DFS_CLIENT_CANCEL, &cancel);
    assert_status(r, 1, DFS_ABORTED);
    client_rig_run(r);
    assert_true(r->file.aborted);
}

static void close_ends_everything(void **state)
{
    struct client_rig *r = *state;

    for (uint32_t i = 0; i < r->nodes_count; i++)
        r->nodes[i].mode = RIG_MUTE;
    client_rig_put(r, 1, "a/one", 900000);
    client_rig_put(r, 2, "a/two", 900000);
    client_rig_do(r, 3, DFS_CLIENT_CLOSE, NULL);
    assert_status(r, 1, DFS_ABORTED);
    assert_status(r, 2, DFS_ABORTED);
    assert_status(r, 3, DFS_OK);
    for (size_t i = 0; i < r->f.conns_count; i++)
        assert_true(r->f.conns[i].closed);
    for (uint32_t i = 0; i < r->nodes_count; i++)
        r->nodes[i].mode = RIG_WELL;
    client_rig_put(r, 4, "a/three", 1000); /* and it can be used again */
    assert_ok(r, 4);
}

static void paths_and_sizes_that_cannot_be_are_refused_at_once(void **state)
{
    struct client_rig *r = *state;
    struct dfs_client_put put = client_rig_put_of(r, "a/one", 1000);
    char path[DFS_PATH_BYTES_MAX + 2];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    put.path = path;
    client_rig_do(r, 1, DFS_CLIENT_PUT, &put);
    assert_status(r, 1, DFS_BAD_REQUEST);
    put.path = "caf\xe9";
    client_rig_do(r, 2, DFS_CLIENT_PUT, &put);
    assert_status(r, 2, DFS_BAD_REQUEST);
    put.path = "a";
    put.block_size_bytes = DFS_BLOCK_BYTES_MAX + 1;
    client_rig_do(r, 3, DFS_CLIENT_PUT, &put);
    assert_status(r, 3, DFS_TOO_LARGE);
    assert_int_equal(r->f.conns_count, 0);
}

static void progress_goes_up_to_the_whole(void **state)
{
    struct client_rig *r = *state;
    uint64_t done = 1;
    uint64_t total = 1;

    r->nodes[1].mode = RIG_MUTE;
    client_rig_put(r, 1, "a/one", 1000000);
    assert_true(dfs_client_progress(r->client, 1, &done, &total));
    assert_int_equal(total, 1000000);
    assert_in_range(done, 1, 999999);
    assert_false(dfs_client_progress(r->client, 2, &done, &total));
}

/* Little memory -------------------------------------------------------------------------------------------------------------------- */

static void with_little_memory_blocks_wait_their_turn(void **state)
{
    struct client_rig *r = *state;

    r->config.pool_bytes = 1024 * 1024;
    r->config.frame_bytes = 1024 * 1024;
    r->config.parallel = 8;
    boot_anew(r);
    r->block_max = 1000000;
    client_rig_put(r, 1, "a/one", 9000000);
    assert_ok(r, 1);
    client_rig_check_stored(r, 3);
    of_unknown_size(r, 2, 700000);
    assert_ok(r, 2);
    client_rig_check_stored(r, 3);
}

/* The process stood still: whoever had answered meanwhile is not to blame. */
static void a_stall_of_ours_blames_nobody(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_put put = client_rig_put_of(r, "a/one", 100000);

    client_rig_put(r, 1, "a/warm", 1000);
    r->source_bytes = 100000;
    fake_command(&r->f, 2, DFS_CLIENT_PUT, &put);
    r->f.mono += 100 * DFS_SECONDS;
    r->f.wall += 100 * DFS_SECONDS;
    fake_tick(&r->f);
    client_rig_run(r);
    assert_ok(r, 2);
    assert_int_equal(r->asked[DFS_MSG_PUT_OPEN], 2);
    assert_int_equal(r->file.placed[0].generation, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_small_file_takes_four_messages),
        STORY(nothing_waits_for_the_answer_to_hello),
        STORY(a_file_of_many_blocks_and_pages),
        STORY(blocks_of_many_frames),
        STORY(an_empty_file_has_no_blocks),
        STORY(no_more_than_parallel_blocks_are_under_way),
        STORY(a_block_that_waited_takes_its_place_again),
        STORY(a_pipe_is_read_in_order_and_once),
        STORY(a_pipe_of_known_size),
        STORY(a_block_from_a_pipe_is_sent_again_from_memory),
        STORY(a_slow_pipe_is_waited_for),
        STORY(a_source_that_shrinks_fails_the_put),
        STORY(a_source_that_cannot_be_read_fails_the_put),
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
        STORY(blocks_lost_before_the_commit_are_placed_again_and_no_others),
        STORY(blocks_lost_from_a_pipe_are_lost),
        STORY(a_lost_commit_answer_is_asked_for_again),
        STORY(a_lost_plan_is_asked_for_with_the_same_operation),
        STORY(what_metadata_refuses_at_the_commit_is_the_answer),
        STORY(a_metadata_that_warms_up_is_waited_for),
        STORY(a_metadata_that_never_warms_up_is_given_up),
        STORY(a_metadata_that_is_gone_is_named),
        STORY(a_metadata_that_falls_silent_is_called_anew),
        STORY(the_lease_is_kept_alive_while_a_block_takes_long),
        STORY(a_lost_upload_is_noticed_before_the_commit),
        STORY(the_next_page_may_take_a_while_or_be_refused),
        STORY(a_block_may_not_be_placed_again),
        STORY(commits_that_lead_nowhere),
        STORY(a_metadata_without_keys_yet_is_waited_for),
        STORY(a_data_server_that_takes_no_token_is_gone_around),
        STORY(an_expired_token_at_a_data_server_is_said),
        STORY(nobody_is_at_fault_for_an_old_grant),
        STORY(a_server_that_moved_is_called_where_it_is_now),
        STORY(a_block_may_be_stuck_at_a_server_that_lives),
        STORY(plans_that_make_no_sense_fail_the_put),
        STORY(a_server_that_answers_nonsense_is_dropped),
        STORY(frames_that_are_none_close_the_connection_to_metadata),
        STORY(a_cancelled_put_is_aborted_at_metadata),
        STORY(a_put_cancelled_before_its_plan_aborts_the_late_plan),
        STORY(close_ends_everything),
        STORY(paths_and_sizes_that_cannot_be_are_refused_at_once),
        STORY(progress_goes_up_to_the_whole),
        STORY(with_little_memory_blocks_wait_their_turn),
        STORY(a_stall_of_ours_blames_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
