/* GET among puppets: every byte is verified before the sink is kept, whoever lies, dies or says nothing. */
#include "tests/unit/client/stories.h"

#include "core/base/crc32c.h"

/* In order --------------------------------------------------------------------------------------------------------------- */

static void a_small_file_takes_three_messages(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 4096);
    client_rig_get(r, 1, "a/one");
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 4096);
    assert_int_equal(r->results[1].number, DFS_MSG_GET_PLAN);
    assert_int_equal(r->results[1].version, 500);
    assert_int_equal(r->results[1].bytes, 4096);
    assert_int_equal(r->asked[DFS_MSG_GET_OPEN], 1);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_READ], 1);
}

static void a_file_of_many_blocks_comes_from_all_servers(void **state)
{
    struct client_rig *r = *state;

    r->placement_page = 7;
    client_rig_have(r, 100000 * 90 + 17);
    client_rig_get(r, 1, "a/big");
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 100000 * 90 + 17);
    assert_int_equal(r->asked[DFS_MSG_GET_OPEN], 13);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_READ], 91);
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(r->nodes[i].reads, 12, 34); /* spread */
}

static void what_was_put_can_be_got(void **state)
{
    struct client_rig *r = *state;

    r->block_max = 300000;
    client_rig_put(r, 1, "a/one", 1234567);
    assert_ok(r, 1);
    client_rig_get(r, 2, "a/one");
    assert_ok(r, 2);
    client_rig_check_sink(r, 0, 1234567);
}

static void an_empty_file_is_made_too(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 0);
    client_rig_get(r, 1, "a/empty");
    assert_ok(r, 1);
    assert_int_equal(r->finishes, 1);
    assert_true(r->committed);
    assert_int_equal(r->sink_bytes, 0);
}

static void no_such_file_leaves_nothing(void **state)
{
    struct client_rig *r = *state;

    client_rig_get(r, 1, "a/none");
    assert_status(r, 1, DFS_NOT_FOUND);
    assert_words(r, 1, "get a/none: no such path");
    assert_int_equal(r->finishes, 1);
    assert_false(r->committed);
}

static void a_version_is_asked_for_by_number(void **state)
{
    struct client_rig *r = *state;
    struct dfs_client_get get = client_rig_get_of("a/one");

    client_rig_have(r, 1000);
    get.version = 499;
    client_rig_do(r, 1, DFS_CLIENT_GET, &get);
    assert_status(r, 1, DFS_NOT_FOUND);
    get.version = 500;
    client_rig_do(r, 2, DFS_CLIENT_GET, &get);
    assert_ok(r, 2);
}

/* Ranges ------------------------------------------------------------------------------------------------------------------- */

static void ranges_bring_exactly_their_bytes(void **state)
{
    static const struct {
        uint64_t first;
        uint64_t last;
    } ranges[] = {{0, 0},           {0, 99999},         {1, 100000},           {99999, 100000},     {65536, 131071},
                  {199999, 600001}, {1234566, 1234566}, {1234000, UINT64_MAX}, {1200000, 99999999}, {700001, 700001},
                  {0, UINT64_MAX}};
    struct client_rig *r = *state;

    r->block_max = 200000;
    r->placement_page = 3;
    client_rig_have(r, 1234567);
    for (uint64_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct dfs_client_get get = client_rig_get_of("a/one");
        const uint64_t last = ranges[i].last < 1234566 ? ranges[i].last : 1234566;

        get.first = ranges[i].first;
        get.last = ranges[i].last;
        r->finishes = 0;
        r->sink_bytes = 0;
        memset(r->sink, 0, 1300000);
        client_rig_do(r, i + 1, DFS_CLIENT_GET, &get);
        assert_ok(r, i + 1);
        assert_int_equal(r->results[i + 1].bytes, last - ranges[i].first + 1);
        client_rig_check_sink(r, ranges[i].first, last - ranges[i].first + 1);
    }
}

static void a_range_far_into_a_file_asks_for_its_page(void **state)
{
    struct client_rig *r = *state;
    struct dfs_client_get get = client_rig_get_of("a/big");

    r->placement_page = 16;
    client_rig_have(r, 100000 * 200);
    get.first = 100000 * 150 + 5;
    get.last = get.first + 10;
    client_rig_do(r, 1, DFS_CLIENT_GET, &get);
    assert_ok(r, 1);
    client_rig_check_sink(r, get.first, 11);
    assert_int_equal(r->asked[DFS_MSG_GET_OPEN], 2);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_READ], 1);
}

static void ranges_that_are_none(void **state)
{
    struct client_rig *r = *state;
    struct dfs_client_get get = client_rig_get_of("a/one");

    client_rig_have(r, 1000);
    get.first = 1000;
    client_rig_do(r, 1, DFS_CLIENT_GET, &get);
    assert_status(r, 1, DFS_BAD_REQUEST);
    assert_words(r, 1, "the range begins at 1000, the file has 1000 bytes");
    get.first = 5;
    get.last = 4;
    client_rig_do(r, 2, DFS_CLIENT_GET, &get);
    assert_status(r, 2, DFS_BAD_REQUEST);
    assert_false(r->committed);
}

/* In order of the bytes ---------------------------------------------------------------------------------------------------- */

static void in_order(struct client_rig *r, uint64_t id)
{
    struct dfs_client_get get = client_rig_get_of("a/one");

    get.ordered = true;
    r->sink_is_ordered = true;
    r->push_next = 0;
    client_rig_do(r, id, DFS_CLIENT_GET, &get);
}

static void an_ordered_sink_gets_its_bytes_in_order(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 3000000);
    r->nodes[1].mode = RIG_MUTE; /* some blocks come late */
    in_order(r, 1);
    client_rig_pass(r, 60 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 3000000);
}

static void a_block_too_large_to_hold_is_passed_through(void **state)
{
    struct client_rig *r = *state;

    r->config.pool_bytes = 1024 * 1024;
    boot_anew(r);
    r->block_max = 2000000;
    client_rig_have(r, 9000000);
    in_order(r, 1);
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 9000000);
}

static void with_little_memory_order_is_kept(void **state)
{
    struct client_rig *r = *state;

    r->config.pool_bytes = 1024 * 1024;
    r->config.parallel = 8;
    boot_anew(r);
    client_rig_have(r, 5000000);
    r->nodes[0].mode = RIG_MUTE;
    in_order(r, 1);
    client_rig_pass(r, 60 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 5000000);
}

/* Copies that are not right ------------------------------------------------------------------------------------------------ */

static void a_wrong_byte_leads_to_another_copy_and_is_reported(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 400000);
    for (uint32_t i = 0; i < 2; i++)
        r->nodes[i].flips_byte = true;
    client_rig_get(r, 1, "a/one");
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 400000);
    assert_true(r->bad_count > 0);
    assert_int_equal(r->bad.status, DFS_BLOCK_CORRUPT);
}

static void a_copy_of_something_else_is_found_by_the_whole_sum(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->nodes[0].wrong_block = true;
    r->nodes[1].wrong_block = true;
    for (uint64_t i = 1; i < 9; i++) {
        r->finishes = 0;
        client_rig_get(r, i, "a/one");
        assert_ok(r, i);
        client_rig_check_sink(r, 0, 100000);
    }
    assert_true(r->bad_count > 0);
    assert_int_equal(r->bad.status, DFS_BLOCK_CORRUPT);
}

static void what_was_written_in_order_cannot_be_taken_back(void **state)
{
    struct client_rig *r = *state;

    r->config.pool_bytes = 1024 * 1024;
    boot_anew(r);
    r->block_max = 3000000; /* too large to be held until its sum is known */
    client_rig_have(r, 3000000);
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].wrong_block = true;
    in_order(r, 1);
    assert_status(r, 1, DFS_BLOCK_CORRUPT);
    assert_words(r, 1, "read into a file");
    assert_false(r->committed);
}

static void a_missing_copy_leads_to_another_and_is_reported(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    client_rig_drop_copy(client_rig_copy(&r->nodes[0], &r->file.id, 0));
    client_rig_drop_copy(client_rig_copy(&r->nodes[1], &r->file.id, 0));
    for (uint64_t i = 1; i < 6; i++)
        client_rig_get(r, i, "a/one");
    assert_ok(r, 5);
    assert_true(r->bad_count > 0);
    assert_int_equal(r->bad.status, DFS_BLOCK_MISSING);
}

static void without_a_good_copy_the_data_is_lost_after_a_fresh_look(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 300000);
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].flips_byte = true;
    client_rig_get(r, 1, "a/one");
    assert_status(r, 1, DFS_DATA_LOST);
    assert_words(r, 1, "get a/one: block ");
    assert_words(r, 1, "stored bytes do not verify");
    assert_false(r->committed);
    assert_int_equal(r->finishes, 1);
    assert_true(r->asked[DFS_MSG_GET_OPEN] >= 2);
    assert_true(r->bad_count >= 3);
}

/* The plan was old: metadata has had the block repaired meanwhile. */
static bool repaired(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)conn;
    (void)node;
    if (m->number == DFS_MSG_GET_OPEN && r->story++ == 1)
        for (uint32_t i = 0; i < 4; i++)
            r->nodes[i].refuses = DFS_OK;
    return false;
}

static void a_fresh_plan_finds_what_was_moved(void **state)
{
    static const enum dfs_status reasons[] = {DFS_GRANT_EXPIRED, DFS_STALE_INCARNATION, DFS_UNAVAILABLE, DFS_FENCED};
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->on_message = repaired;
    for (uint64_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            r->nodes[k].refuses = reasons[i];
            r->nodes[k].reads = 0;
        }
        r->story = 0;
        client_rig_get(r, i + 1, "a/one");
        assert_ok(r, i + 1);
        assert_int_equal(r->story, 2);
        assert_int_equal(r->bad_count, 0);   /* nobody's copy is bad */
        if (reasons[i] == DFS_GRANT_EXPIRED) /* the others' grants are as old */
            assert_int_equal(r->nodes[0].reads + r->nodes[1].reads + r->nodes[2].reads, 2);
    }
}

static void a_block_without_servers_is_waited_for_and_then_lost(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->file.placed[0].nodes_count = 0;
    client_rig_get(r, 1, "a/one");
    client_rig_pass(r, 10 * DFS_SECONDS);
    assert_running(r, 1);
    r->file.placed[0].nodes_count = 1; /* it came back */
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_ok(r, 1);
    r->file.placed[0].nodes_count = 0;
    client_rig_get(r, 2, "a/one");
    client_rig_pass(r, 30 * DFS_SECONDS);
    assert_status(r, 2, DFS_DATA_LOST);
}

/* Where metadata knows that nobody is away there is nothing to wait for: a fresh look, and that is it. */
static void a_block_that_nobody_can_bring_back_is_lost_at_once(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->file.placed[0].nodes_count = 0;
    r->file.lost = true;
    client_rig_get(r, 1, "a/one");
    client_rig_pass(r, 1 * DFS_SECONDS);
    assert_status(r, 1, DFS_DATA_LOST);
    assert_int_equal(r->asked[DFS_MSG_GET_OPEN], 2);
}

/* While the first version is read, another one takes its place; the first is not kept. */
static bool replace_once(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const uint64_t version = r->file.version;

    (void)conn;
    (void)node;
    if (m->number != DFS_MSG_GET_OPEN || m->body->get_open.first_block == 0 || r->story == 0)
        return false;
    memmove(r->source, r->source + 12345, 2000000); /* other bytes */
    client_rig_drop_copies(r);
    client_rig_have(r, r->story);
    r->file.version = version + 1;
    r->story = 0;
    return false;
}

static void a_file_that_is_replaced_while_it_is_read_is_read_anew(void **state)
{
    struct client_rig *r = *state;

    r->placement_page = 4;
    r->on_message = replace_once;
    client_rig_have(r, 1000000);
    r->story = 1200000;
    client_rig_get(r, 1, "a/one");
    assert_ok(r, 1);
    assert_int_equal(r->results[1].version, 501);
    client_rig_check_sink(r, 0, 1200000);
    r->story = 300000; /* shorter than what was written already */
    client_rig_get(r, 2, "a/one");
    assert_status(r, 2, DFS_UNAVAILABLE);
    assert_words(r, 2, "get it again");
    assert_false(r->committed);
}

/* Servers that are not there ------------------------------------------------------------------------------------------------- */

static void a_silent_server_gets_a_rival(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 1600000);
    r->nodes[0].mode = RIG_MUTE;
    client_rig_get(r, 1, "a/one");
    assert_running(r, 1);
    client_rig_pass(r, 3 * DFS_SECONDS); /* a few hedges, no timeout */
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 1600000);
    client_rig_pass(r, 60 * DFS_SECONDS); /* what nobody waits for is closed in the end */
    for (size_t i = 0; i < r->f.conns_count; i++)
        assert_true(r->f.conns[i].closed);
}

static void two_silent_servers_cost_timeouts_and_are_reported(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->nodes[0].mode = RIG_MUTE;
    r->nodes[1].mode = RIG_MUTE;
    client_rig_get(r, 1, "a/one");
    client_rig_pass(r, 7 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 100000);
}

static void when_all_are_silent_they_are_asked_until_one_speaks(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].mode = RIG_MUTE;
    client_rig_get(r, 1, "a/one");
    client_rig_pass(r, 14 * DFS_SECONDS);
    assert_running(r, 1);
    assert_true(r->bad_count >= 2);
    assert_int_equal(r->bad.status, DFS_TIMEOUT);
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].mode = RIG_WELL;
    client_rig_pass(r, 6 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 100000);
}

/* Requests for the first block fall through a hole at its two first servers, which otherwise are well. */
static bool swallow(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)conn;
    return m->number == DFS_MSG_BLOCK_READ && m->body->block_read.grant.block.index == 0 && r->story > 0 &&
           node != &r->nodes[2];
}

static void a_block_may_be_stuck_at_a_server_that_lives(void **state)
{
    struct client_rig *r = *state;
    struct dfs_client_get second = client_rig_get_of("a/one");

    r->config.hedge_after_ns = 60 * DFS_SECONDS; /* no rivals */
    boot_anew(r);
    client_rig_have(r, 700000);
    r->on_message = swallow;
    r->story = 1;
    client_rig_get(r, 1, "a/one");
    for (uint64_t i = 2; i < 20 && r->results[1].count == 0; i++) {
        second.first = 100000; /* everything else comes */
        r->sink_is_ordered = false;
        client_rig_pass(r, 2 * DFS_SECONDS);
        if (r->results[1].count == 0)
            client_rig_do(r, i, DFS_CLIENT_GET, &second);
    }
    assert_int_equal(r->results[1].status, DFS_OK);
}

static void an_expired_token_at_a_data_server_is_said(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].refuses = DFS_TOKEN_EXPIRED;
    client_rig_get(r, 1, "a/one");
    assert_status(r, 1, DFS_TOKEN_EXPIRED);
}

static bool refuse_replan(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number != DFS_MSG_GET_OPEN || r->story++ == 0)
        return false;
    if (r->story == 2) {
        client_rig_status(r, conn, m->request, DFS_DENIED, "no longer yours");
    } else {
        const struct dfs_m_changed changed = {.status = DFS_OK};

        fake_receive(&r->f, conn, m->request, DFS_MSG_CHANGED, &changed, NULL, 0);
    }
    return true;
}

static void a_fresh_plan_may_be_refused(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->on_message = refuse_replan;
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].refuses = DFS_GRANT_EXPIRED;
    client_rig_get(r, 1, "a/one");
    assert_status(r, 1, DFS_DENIED);
    assert_words(r, 1, "no longer yours");
    r->story = 0;
    r->on_message = NULL;
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].refuses = DFS_OK;
    client_rig_get(r, 2, "a/one");
    assert_ok(r, 2);
    r->on_message = refuse_replan;
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].refuses = DFS_STALE_INCARNATION;
    client_rig_get(r, 3, "a/one");
    assert_status(r, 3, DFS_DENIED);
}

static void frames_larger_than_the_memory_are_named(void **state)
{
    struct client_rig *r = *state;

    r->config.pool_bytes = 1024 * 1024;
    boot_anew(r);
    r->server_frame_bytes = 1024 * 1024;
    r->block_max = 2000000;
    client_rig_have(r, 2000000);
    client_rig_get(r, 1, "a/one");
    client_rig_pass(r, 30 * DFS_SECONDS);
    assert_status(r, 1, DFS_TOO_LARGE);
    assert_words(r, 1, "raise pool_bytes");
}

static void dead_servers_are_passed_over_at_once(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 1600000);
    r->nodes[0].mode = RIG_REFUSES;
    r->nodes[3].mode = RIG_REFUSES;
    client_rig_get(r, 1, "a/one");
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 1600000);
}

/* The servers of the plan have begun another life meanwhile: metadata knows it, a plan asked for now does too. */
static bool lives_anew(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number != DFS_MSG_BLOCK_READ || r->asked[DFS_MSG_GET_OPEN] > 1)
        return false;
    client_rig_status(r, conn, m->request, DFS_STALE_INCARNATION, "another life");
    return true;
}

static void an_old_plan_is_no_reason_to_wait_for_a_server_that_failed(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 1600000);
    r->nodes[0].mode = RIG_REFUSES;
    client_rig_get(r, 1, "a/one");
    assert_ok(r, 1);
    r->nodes[0].mode = RIG_UNSEEN;
    r->asked[DFS_MSG_GET_OPEN] = 0;
    r->on_message = lives_anew;
    r->finishes = 0;
    client_rig_get(r, 2, "a/one");
    assert_ok(r, 2);
    client_rig_check_sink(r, 0, 1600000);
    assert_true(r->asked[DFS_MSG_GET_OPEN] > 1);
}

static void when_all_are_away_it_is_tried_until_given_up(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    for (uint32_t i = 0; i < 4; i++)
        r->nodes[i].mode = RIG_REFUSES;
    client_rig_get(r, 1, "a/one");
    client_rig_pass(r, 10 * DFS_SECONDS);
    assert_running(r, 1);
    client_rig_pass(r, 20 * DFS_SECONDS);
    assert_status(r, 1, DFS_UNREACHABLE);
    assert_words(r, 1, "10.0.0.1");
    assert_int_equal(r->bad_count, 0);
    assert_in_range(r->asked[DFS_MSG_GET_OPEN], 5, 60);
}

static bool reset_second_frame(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    struct dfs_w_crc crc;
    struct dfs_m_block_data data = {.crcs = &crc, .crcs_count = 1};
    const uint64_t first = r->story;

    if (m->number != DFS_MSG_BLOCK_READ || r->story++ > 0)
        return false;
    (void)first;
    (void)node;
    crc.crc32c = dfs_crc32c(0, r->source, DFS_CHUNK_BYTES);
    fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, r->source, DFS_CHUNK_BYTES);
    fake_closed(&r->f, conn, DFS_UNREACHABLE);
    return true;
}

static void what_came_before_a_broken_connection_counts(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->on_message = reset_second_frame;
    client_rig_get(r, 1, "a/one");
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 100000);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_READ], 2);
}

/* The first server gives half of something else, and dies; the sum of both parts is wrong and accuses nobody. */
static bool half_wrong(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    static uint8_t other[DFS_CHUNK_BYTES];
    struct dfs_w_crc crc;
    struct dfs_m_block_data data = {.crcs = &crc, .crcs_count = 1};

    (void)node;
    if (m->number != DFS_MSG_BLOCK_READ || r->story++ > 0)
        return false;
    crc.crc32c = dfs_crc32c(0, other, DFS_CHUNK_BYTES);
    fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, other, DFS_CHUNK_BYTES);
    fake_closed(&r->f, conn, DFS_UNREACHABLE);
    return true;
}

static void a_block_pieced_together_wrongly_is_read_from_one_server(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->on_message = half_wrong;
    client_rig_get(r, 1, "a/one");
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 100000);
    assert_int_equal(r->asked[DFS_MSG_BLOCK_READ], 3);
    assert_int_equal(r->bad_count, 0);
}

/* Nonsense ---------------------------------------------------------------------------------------------------------------------- */

static bool wrong_data(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    struct dfs_w_crc crcs[2] = {{.crc32c = dfs_crc32c(0, r->source, 1000)}, {.crc32c = 0}};
    struct dfs_m_block_data data = {.crcs = crcs, .crcs_count = 1};
    const struct dfs_m_block_end end = {.block = m->body->block_read.grant.block, .status = DFS_OK};
    const struct dfs_m_list_page page = {.more = 0};

    (void)node;
    if (m->number != DFS_MSG_BLOCK_READ || (r->story & 1) == 0)
        return false;
    r->story &= ~UINT64_C(1);
    switch (r->story) {
    case 0: /* another place */
        data.offset = 65536;
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, r->source, 1000);
        break;
    case 2: /* an end before the end */
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, r->source, 1000);
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_END, &end, NULL, 0);
        break;
    case 4: /* another message */
        fake_receive(&r->f, conn, m->request, DFS_MSG_LIST_PAGE, &page, NULL, 0);
        break;
    case 6: /* too many checksums */
        data.crcs_count = 2;
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, r->source, 1000);
        break;
    case 8: /* none */
        data.crcs_count = 0;
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, r->source, 1000);
        break;
    case 10: /* no bytes */
        fake_receive(&r->f, conn, m->request, DFS_MSG_BLOCK_DATA, &data, NULL, 0);
        break;
    default:
        client_rig_status(r, conn, m->request, DFS_INTERNAL, "broken");
        break;
    }
    return true;
}

static void servers_that_answer_nonsense_are_passed_over(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 100000);
    r->on_message = wrong_data;
    for (uint64_t i = 0; i < 7; i++) {
        r->story = 2 * i + 1;
        r->finishes = 0;
        client_rig_get(r, i + 1, "a/one");
        client_rig_pass(r, 6 * DFS_SECONDS);
        assert_ok(r, i + 1);
        client_rig_check_sink(r, 0, 100000);
    }
}

static bool wrong_plan(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    struct dfs_w_plan_block block = {.length_bytes = 1000,
                                     .grant = {.block = {.file = r->file.id, .index = 0, .generation = 1},
                                               .length_max_bytes = 1000,
                                               .operation = DFS_GRANT_READ}};
    struct dfs_m_get_plan plan = {
        .file = r->file.id, .version = 1, .size_bytes = 1000, .blocks = 1, .plan = &block, .plan_count = 1};

    (void)node;
    if (m->number != DFS_MSG_GET_OPEN)
        return false;
    switch (r->story) {
    case 0: /* no blocks of some bytes */
        plan.blocks = 0;
        plan.plan_count = 0;
        break;
    case 1: /* another file's block */
        block.grant.block.index = 7;
        break;
    case 2: /* longer than the file */
        block.length_bytes = 1001;
        break;
    case 3: /* an empty page */
        plan.plan_count = 0;
        break;
    case 4: /* another page */
        plan.blocks = 2;
        plan.first_block = 1;
        block.grant.block.index = 1;
        break;
    case 5: /* for writing */
        block.grant.operation = DFS_GRANT_WRITE;
        break;
    default:
        client_rig_status(r, conn, m->request, DFS_OK, "fine");
        return true;
    }
    fake_receive(&r->f, conn, m->request, DFS_MSG_GET_PLAN, &plan, NULL, 0);
    return true;
}

static void plans_that_make_no_sense_fail_the_get(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 1000);
    r->on_message = wrong_plan;
    for (uint64_t i = 0; i < 7; i++) {
        r->story = i;
        client_rig_get(r, i + 1, "a/one");
        assert_status(r, i + 1, DFS_BAD_REQUEST);
        assert_false(r->committed);
    }
}

static void blocks_that_do_not_make_up_the_file(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 300000);
    r->file.digest ^= 1;
    client_rig_get(r, 1, "a/one");
    assert_status(r, 1, DFS_BLOCK_CORRUPT);
    assert_false(r->committed);
}

/* The sink, and people ------------------------------------------------------------------------------------------------------------ */

static void a_full_disk_fails_the_get(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 500000);
    r->sink_status = DFS_NO_SPACE;
    client_rig_get(r, 1, "a/one");
    assert_status(r, 1, DFS_NO_SPACE);
    assert_words(r, 1, "sink");
    assert_false(r->committed);
    assert_int_equal(r->finishes, 1);
}

static void a_slow_sink_is_waited_for(void **state)
{
    struct client_rig *r = *state;

    r->config.pool_bytes = 1024 * 1024;
    boot_anew(r);
    client_rig_have(r, 5000000);
    r->sink_stalls = true;
    client_rig_get(r, 1, "a/one");
    client_rig_pass(r, 300 * DFS_SECONDS);
    assert_running(r, 1);
    assert_int_equal(r->bad_count, 0);
    r->sink_stalls = false;
    client_rig_pass(r, 30 * DFS_SECONDS);
    assert_ok(r, 1);
    client_rig_check_sink(r, 0, 5000000);
}

static void a_cancelled_get_leaves_nothing(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_cancel cancel = {.command = 1};

    client_rig_have(r, 1600000);
    r->nodes[0].mode = RIG_MUTE;
    r->nodes[1].mode = RIG_MUTE;
    client_rig_get(r, 1, "a/one");
    client_rig_do(r, 2, DFS_CLIENT_CANCEL, &cancel);
    assert_status(r, 1, DFS_ABORTED);
    assert_false(r->committed);
    assert_int_equal(r->finishes, 1);
    client_rig_pass(r, 120 * DFS_SECONDS);
    assert_int_equal(r->f.deadline, DFS_NEVER);
}

static void a_get_that_ends_with_the_client_leaves_nothing_behind(void **state)
{
    struct client_rig *r = *state;

    client_rig_have(r, 1600000);
    r->nodes[0].mode = RIG_MUTE;
    r->sink_stalls = true;
    client_rig_get(r, 1, "a/one");
    assert_running(r, 1);
    boot_anew(r); /* asserts that no buffer is left */
    r->sink_stalls = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_small_file_takes_three_messages),
        STORY(a_file_of_many_blocks_comes_from_all_servers),
        STORY(what_was_put_can_be_got),
        STORY(an_empty_file_is_made_too),
        STORY(no_such_file_leaves_nothing),
        STORY(a_version_is_asked_for_by_number),
        STORY(ranges_bring_exactly_their_bytes),
        STORY(a_range_far_into_a_file_asks_for_its_page),
        STORY(ranges_that_are_none),
        STORY(an_ordered_sink_gets_its_bytes_in_order),
        STORY(a_block_too_large_to_hold_is_passed_through),
        STORY(with_little_memory_order_is_kept),
        STORY(a_wrong_byte_leads_to_another_copy_and_is_reported),
        STORY(a_copy_of_something_else_is_found_by_the_whole_sum),
        STORY(a_missing_copy_leads_to_another_and_is_reported),
        STORY(without_a_good_copy_the_data_is_lost_after_a_fresh_look),
        STORY(a_fresh_plan_finds_what_was_moved),
        STORY(a_block_without_servers_is_waited_for_and_then_lost),
        STORY(a_block_that_nobody_can_bring_back_is_lost_at_once),
        STORY(a_file_that_is_replaced_while_it_is_read_is_read_anew),
        STORY(a_silent_server_gets_a_rival),
        STORY(two_silent_servers_cost_timeouts_and_are_reported),
        STORY(dead_servers_are_passed_over_at_once),
        STORY(an_old_plan_is_no_reason_to_wait_for_a_server_that_failed),
        STORY(when_all_are_away_it_is_tried_until_given_up),
        STORY(what_came_before_a_broken_connection_counts),
        STORY(a_block_pieced_together_wrongly_is_read_from_one_server),
        STORY(servers_that_answer_nonsense_are_passed_over),
        STORY(plans_that_make_no_sense_fail_the_get),
        STORY(blocks_that_do_not_make_up_the_file),
        STORY(what_was_written_in_order_cannot_be_taken_back),
        STORY(when_all_are_silent_they_are_asked_until_one_speaks),
        STORY(a_block_may_be_stuck_at_a_server_that_lives),
        STORY(an_expired_token_at_a_data_server_is_said),
        STORY(a_fresh_plan_may_be_refused),
        STORY(frames_larger_than_the_memory_are_named),
        STORY(a_full_disk_fails_the_get),
        STORY(a_slow_sink_is_waited_for),
        STORY(a_cancelled_get_leaves_nothing),
        STORY(a_get_that_ends_with_the_client_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
