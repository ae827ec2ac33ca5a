/* PUT among puppets: what is asked of whom, sources of every kind, and what people do meanwhile. */
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
        STORY(a_pipe_is_read_in_order_and_once),
        STORY(a_pipe_of_known_size),
        STORY(a_block_from_a_pipe_is_sent_again_from_memory),
        STORY(a_slow_pipe_is_waited_for),
        STORY(a_source_that_shrinks_fails_the_put),
        STORY(a_source_that_cannot_be_read_fails_the_put),
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
