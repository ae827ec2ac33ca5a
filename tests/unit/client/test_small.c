/* Commands that are one question and one answer. */
#include "tests/unit/client/stories.h"

static bool answer_all(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    struct dfs_w_entry entry = {.path = dfs_text_of("a/one"), .size_bytes = 7, .version = 8};
    struct dfs_w_version version = {.version = 8, .size_bytes = 7};
    struct dfs_w_node member = {.state = DFS_NODE_ACTIVE, .zone = dfs_text_of("z")};
    const struct dfs_m_stat_done stat = {.version = 8, .size_bytes = 7};
    const struct dfs_m_list_page page = {.entries = &entry, .entries_count = 1};
    const struct dfs_m_versions_page versions = {.versions = &version, .versions_count = 1};
    const struct dfs_m_nodes_page nodes = {.nodes = &member, .nodes_count = 1};
    const struct dfs_m_fsck_page fsck = {.files = 1};
    const struct dfs_m_explain_page explain = {.more = 0};
    const struct dfs_m_health_done health = {.health = dfs_text_of("well")};

    (void)node;
    switch (m->number) {
    case DFS_MSG_STAT:
        assert_true(dfs_text_equal(m->body->stat.path, dfs_text_of("a/one")));
        fake_receive(&r->f, conn, m->request, DFS_MSG_STAT_DONE, &stat, NULL, 0);
        return true;
    case DFS_MSG_LIST:
        assert_true(dfs_text_equal(m->body->list.prefix, dfs_text_of("a/")));
        assert_in_range(m->body->list.limit, 1, DFS_LIST_PAGE_MAX);
        fake_receive(&r->f, conn, m->request, DFS_MSG_LIST_PAGE, &page, NULL, 0);
        return true;
    case DFS_MSG_VERSIONS:
        fake_receive(&r->f, conn, m->request, DFS_MSG_VERSIONS_PAGE, &versions, NULL, 0);
        return true;
    case DFS_MSG_NODES:
        fake_receive(&r->f, conn, m->request, DFS_MSG_NODES_PAGE, &nodes, NULL, 0);
        return true;
    case DFS_MSG_FSCK:
        fake_receive(&r->f, conn, m->request, DFS_MSG_FSCK_PAGE, &fsck, NULL, 0);
        return true;
    case DFS_MSG_EXPLAIN:
        assert_int_equal(m->body->explain.first_block, 5);
        fake_receive(&r->f, conn, m->request, DFS_MSG_EXPLAIN_PAGE, &explain, NULL, 0);
        return true;
    case DFS_MSG_DRAIN:
        assert_int_equal(m->body->drain.on, 1);
        assert_false(dfs_id_is_zero(&m->body->drain.operation));
        client_rig_status(r, conn, m->request, DFS_OK, "draining");
        return true;
    case DFS_MSG_HEALTH:
        fake_receive(&r->f, conn, m->request, DFS_MSG_HEALTH_DONE, &health, NULL, 0);
        return true;
    default:
        return false;
    }
}

static void each_question_gets_its_answer(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_path path = {.path = "a/one", .version = 3, .first_block = 5};
    const struct dfs_client_list list = {.prefix = "a/", .recursive = true, .limit = 0};
    const struct dfs_client_drain drain = {.node = {{7}}, .on = true};
    const struct dfs_client_move move = {.path = "a/one", .to_path = "b/one", .if_absent = true};
    const struct dfs_client_nodes nodes = {.after = {{0}}};
    static const struct {
        uint32_t code;
        uint32_t answer;
    } kinds[] = {{DFS_CLIENT_STAT, DFS_MSG_STAT_DONE},       {DFS_CLIENT_LIST, DFS_MSG_LIST_PAGE},
                 {DFS_CLIENT_MOVE, DFS_MSG_CHANGED},         {DFS_CLIENT_REMOVE, DFS_MSG_CHANGED},
                 {DFS_CLIENT_RESTORE, DFS_MSG_CHANGED},      {DFS_CLIENT_VERSIONS, DFS_MSG_VERSIONS_PAGE},
                 {DFS_CLIENT_NODES, DFS_MSG_NODES_PAGE},     {DFS_CLIENT_FSCK, DFS_MSG_FSCK_PAGE},
                 {DFS_CLIENT_EXPLAIN, DFS_MSG_EXPLAIN_PAGE}, {DFS_CLIENT_DRAIN, 0},
                 {DFS_CLIENT_HEALTH, DFS_MSG_HEALTH_DONE}};

    r->on_message = answer_all;
    for (uint64_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const void *argument = &path;

        if (kinds[i].code == DFS_CLIENT_LIST || kinds[i].code == DFS_CLIENT_FSCK)
            argument = &list;
        else if (kinds[i].code == DFS_CLIENT_MOVE)
            argument = &move;
        else if (kinds[i].code == DFS_CLIENT_NODES)
            argument = &nodes;
        else if (kinds[i].code == DFS_CLIENT_DRAIN)
            argument = &drain;

        client_rig_do(r, i + 1, kinds[i].code, argument);
        assert_ok(r, i + 1);
        assert_int_equal(r->results[i + 1].number, kinds[i].answer);
    }
    assert_int_equal(r->results[3].version, 77);
    assert_int_equal(r->f.conns_count, 1); /* one connection for all */
}

static struct dfs_id seen[4];

static bool lose_twice(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)node;
    if (m->number != DFS_MSG_REMOVE)
        return false;
    assert_in_range(r->story, 0, 3);
    seen[r->story] = m->body->remove.operation;
    if (r->story++ == 2)
        return false;
    fake_closed(&r->f, conn, DFS_UNREACHABLE);
    return true;
}

static void a_change_is_asked_again_under_the_same_operation(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_path path = {.path = "a/one"};

    r->on_message = lose_twice;
    client_rig_do(r, 1, DFS_CLIENT_REMOVE, &path);
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_ok(r, 1);
    assert_true(dfs_id_equal(&seen[0], &seen[1]));
    assert_true(dfs_id_equal(&seen[0], &seen[2]));
    assert_false(dfs_id_is_zero(&seen[0]));
}

static bool refuse(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    const struct dfs_m_status status = {
        .status = (uint8_t)r->story, .retry_after_ns = 5, .words = dfs_text_of("metadata's words")};
    const struct dfs_m_changed changed = {.status = DFS_UNAVAILABLE};

    (void)node;
    if (m->number == DFS_MSG_STAT) {
        fake_receive(&r->f, conn, m->request, DFS_MSG_STATUS, &status, NULL, 0);
        return true;
    }
    if (m->number == DFS_MSG_LIST) { /* nonsense */
        fake_receive(&r->f, conn, m->request, DFS_MSG_CHANGED, &changed, NULL, 0);
        return true;
    }
    if (m->number == DFS_MSG_MOVE && r->story++ < 3) {
        fake_receive(&r->f, conn, m->request, DFS_MSG_CHANGED, &changed, NULL, 0);
        return true;
    }
    return false;
}

static void refusals_carry_words(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_path path = {.path = "a/one"};
    const struct dfs_client_list list = {.prefix = "a/"};
    const struct dfs_client_move move = {.path = "a/one", .to_path = "b/one"};

    r->on_message = refuse;
    r->story = DFS_DENIED;
    client_rig_do(r, 1, DFS_CLIENT_STAT, &path);
    assert_status(r, 1, DFS_DENIED);
    assert_words(r, 1, "stat a/one: metadata's words");
    assert_int_equal(r->results[1].retry_after_ns, 5);
    client_rig_do(r, 2, DFS_CLIENT_LIST, &list);
    assert_status(r, 2, DFS_BAD_REQUEST);
    r->story = 0;
    client_rig_do(r, 3, DFS_CLIENT_MOVE, &move);
    client_rig_pass(r, 3 * DFS_SECONDS);
    assert_ok(r, 3);
    assert_int_equal(r->asked[DFS_MSG_MOVE], 4);
}

static void bad_paths_are_refused_here(void **state)
{
    struct client_rig *r = *state;
    char path[DFS_PATH_BYTES_MAX + 2];
    const struct dfs_client_path too_long = {.path = path};
    const struct dfs_client_move move = {.path = "a", .to_path = "\xff"};

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    client_rig_do(r, 1, DFS_CLIENT_STAT, &too_long);
    assert_status(r, 1, DFS_BAD_REQUEST);
    client_rig_do(r, 2, DFS_CLIENT_MOVE, &move);
    assert_status(r, 2, DFS_BAD_REQUEST);
    client_rig_do(r, 3, 999, NULL);
    assert_status(r, 3, DFS_BAD_USAGE);
    assert_int_equal(r->f.conns_count, 0);
}

static void a_question_can_be_cancelled(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_path path = {.path = "a/one"};
    const struct dfs_client_cancel cancel = {.command = 1};

    r->meta_mode = RIG_MUTE;
    client_rig_do(r, 1, DFS_CLIENT_STAT, &path);
    client_rig_do(r, 2, DFS_CLIENT_CANCEL, &cancel);
    assert_status(r, 1, DFS_ABORTED);
    assert_ok(r, 2);
}

/* More questions than may wait at a slow peer: they go out as answers come. */
static bool count_only(struct client_rig *r, dfs_conn conn, struct rig_node *node, const struct fake_message *m)
{
    (void)conn;
    (void)node;
    return m->number == DFS_MSG_REMOVE && r->story == 0;
}

static void a_thousand_questions_share_a_window(void **state)
{
    struct client_rig *r = *state;
    const struct dfs_client_path path = {.path = "a/one"};

    r->on_message = count_only;
    for (int i = 0; i < 1000; i++)
        fake_command(&r->f, 0, DFS_CLIENT_REMOVE, &path);
    client_rig_run(r);
    assert_int_equal(r->asked[DFS_MSG_REMOVE], 200);
    r->story = 1;
    client_rig_reset(r, DFS_ROLE_META, NULL);
    client_rig_pass(r, DFS_SECONDS);
    assert_int_equal(dfs_client_running(r->client), 0);
    assert_int_equal(r->asked[DFS_MSG_REMOVE], 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(each_question_gets_its_answer), STORY(a_change_is_asked_again_under_the_same_operation),
        STORY(refusals_carry_words),          STORY(bad_paths_are_refused_here),
        STORY(a_question_can_be_cancelled),   STORY(a_thousand_questions_share_a_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
