/* PUT when metadata loses, refuses, restarts or falls silent; and answers that make no sense. */
#include "tests/unit/client/stories.h"

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

static bool no_room(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number == DFS_MSG_BLOCK_WRITE || m->number == DFS_MSG_PUT_PLACE) {
        client_rig_status(r, conn, m->request, DFS_NO_SPACE, "full");
        return true;
    }
    return false;
}

/* Servers that have no room will have none in a second: that is said before any waiting. */
static void no_room_is_said_at_once(void **state)
{
    struct client_rig *r = *state;

    r->on_message = no_room;
    client_rig_put(r, 1, "a/one", 100000);
    client_rig_pass(r, 10 * DFS_MILLISECONDS);
    assert_status(r, 1, DFS_NO_SPACE);
    assert_int_equal(r->asked[DFS_MSG_PUT_PLACE], 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_block_that_waited_takes_its_place_again),
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
        STORY(no_room_is_said_at_once),
        STORY(a_block_may_not_be_placed_again),
        STORY(commits_that_lead_nowhere),
        STORY(a_metadata_without_keys_yet_is_waited_for),
        STORY(plans_that_make_no_sense_fail_the_put),
        STORY(a_server_that_answers_nonsense_is_dropped),
        STORY(frames_that_are_none_close_the_connection_to_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
