/* Names: STAT, LIST, MOVE, REMOVE, RESTORE, VERSIONS, the trash; and who may. */
#include "tests/support/clients_test.h"

#include <stdio.h>
#include <string.h>

static void put(const char *path)
{
    assert_int_equal(crig_put(&r, ann, path, 0), DFS_OK);
}

/* "2 1~ ": version numbers of a path, removed ones with a tilde. */
static const char *versions(const char *path)
{
    static char text[256];
    const struct dfs_m_versions ask = {.path = dfs_text_of(path)};
    const struct fake_message in = crig_ask(&r, ann, DFS_MSG_VERSIONS, &ask);
    size_t at = 0;

    if (r.status != DFS_OK)
        return dfs_status_name(r.status);
    text[0] = '\0';
    for (uint32_t i = 0; i < in.body->versions_page.versions_count; i++) {
        const struct dfs_w_version *version = &in.body->versions_page.versions[i];

        at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu%s", at == 0 ? "" : " ",
                               (unsigned long long)version->version, version->removed_ms == 0 ? "" : "~");
    }
    return text;
}

static void names_are_listed_whole_or_a_component_deep(void **state)
{
    (void)state;
    put("a");
    put("a/b");
    put("a/c/d");
    put("a-z");
    put("b/x/y");
    put("b/x/z");
    put("c");
    assert_string_equal(crig_list(&r, ann, "", "", true, 100), "a a-z a/b a/c/d b/x/y b/x/z c");
    assert_string_equal(crig_list(&r, ann, "", "", false, 100), "a a-z a/ b/ c");
    assert_string_equal(crig_list(&r, ann, "a/", "", false, 100), "a/b a/c/");
    assert_string_equal(crig_list(&r, ann, "a/", "", true, 100), "a/b a/c/d");
    assert_string_equal(crig_list(&r, ann, "b/x", "", false, 100), "b/x/");
    assert_string_equal(crig_list(&r, ann, "b/x/", "", false, 100), "b/x/y b/x/z");
    assert_string_equal(crig_list(&r, ann, "a", "", false, 100), "a a-z a/");
    assert_string_equal(crig_list(&r, ann, "none", "", true, 100), "");
}

static void pages_go_on_where_the_last_one_ended(void **state)
{
    (void)state;
    put("a");
    put("a/b");
    put("a/c/d");
    put("a-z");
    put("b/x/y");
    put("c");
    assert_string_equal(crig_list(&r, ann, "", "", true, 2), "a a-z +");
    assert_string_equal(crig_list(&r, ann, "", "a-z", true, 2), "a/b a/c/d +");
    assert_string_equal(crig_list(&r, ann, "", "a/c/d", true, 2), "b/x/y c");
    assert_string_equal(crig_list(&r, ann, "", "", false, 3), "a a-z a/ +");
    assert_string_equal(crig_list(&r, ann, "", "a/", false, 3), "b/ c");
    assert_string_equal(crig_list(&r, ann, "a/", "a", true, 9), "a/b a/c/d"); /* before the prefix */
    assert_string_equal(crig_list(&r, ann, "a/", "b", true, 9), "");          /* behind it */
    assert_string_equal(crig_list(&r, ann, "a/", "a/b", false, 9), "a/c/");
}

static void a_page_never_passes_a_frame(void **state)
{
    char path[1024];
    char after[1024] = "";
    unsigned found = 0;

    (void)state;
    for (unsigned i = 0; i < 150; i++) {
        memset(path, 'x', 1000);
        (void)snprintf(path + 996, sizeof path - 996, "%04u", i);
        put(path);
    }
    for (unsigned pages = 0;; pages++) {
        const struct dfs_m_list list = {.after = dfs_text_of(after), .recursive = 1, .limit = 1000};
        const struct fake_message in = crig_ask(&r, ann, DFS_MSG_LIST, &list);

        assert_int_equal(in.number, DFS_MSG_LIST_PAGE);
        found += in.body->list_page.entries_count;
        if (in.body->list_page.more == 0) {
            assert_in_range(pages, 1, 5);
            break;
        }
        const struct dfs_text *last = &in.body->list_page.entries[in.body->list_page.entries_count - 1].path;

        (void)snprintf(after, sizeof after, "%.*s", (int)last->count, last->at);
    }
    assert_int_equal(found, 150);
}

static void a_move_is_one_step_and_keeps_what_it_covers(void **state)
{
    (void)state;
    put("a");
    put("b");
    assert_int_equal(crig_move(&r, ann, "a", "b", true), DFS_EXISTS);
    assert_int_equal(crig_move(&r, ann, "a", "b", false), DFS_OK);
    assert_string_equal(crig_list(&r, ann, "", "", true, 9), "b");
    assert_int_equal(crig_version(&r, ann, "b"), 3); /* a new number: what b shows has changed */
    assert_string_equal(versions("b"), "3 2~");
    assert_string_equal(fake_trace_last(&r.n.f, DFS_TRACE_MOVED)->text2, "b");
    assert_int_equal(crig_move(&r, ann, "a", "c", false), DFS_NOT_FOUND);
    assert_int_equal(crig_move(&r, ann, "b", "b", false), DFS_OK);
    assert_int_equal(crig_version(&r, ann, "b"), 3);
    assert_int_equal(crig_move(&r, ann, "b", "x//y", false), DFS_BAD_REQUEST);
}

static void a_removed_file_can_be_restored(void **state)
{
    (void)state;
    put("a");
    put("a");
    assert_int_equal(crig_remove(&r, ann, "a", 1), DFS_PRECONDITION_FAILED);
    assert_int_equal(crig_remove(&r, ann, "a", 2), DFS_OK);
    assert_int_equal(crig_remove(&r, ann, "a", 0), DFS_NOT_FOUND);
    assert_string_equal(crig_list(&r, ann, "", "", true, 9), "");
    assert_string_equal(versions("a"), "2~ 1~");
    assert_int_equal(crig_restore(&r, ann, "a", 0), DFS_OK); /* the one removed last */
    assert_string_equal(versions("a"), "3 1~");
    assert_int_equal(crig_restore(&r, ann, "a", 1), DFS_OK);
    assert_string_equal(versions("a"), "4 3~");
    assert_int_equal(crig_restore(&r, ann, "a", 4), DFS_OK); /* it is the current one */
    assert_int_equal(crig_restore(&r, ann, "a", 9), DFS_NOT_FOUND);
    assert_int_equal(crig_restore(&r, ann, "z", 0), DFS_NOT_FOUND);
    assert_string_equal(versions("z"), "NOT_FOUND");
}

/* What was refused is refused when it comes again, over a connection that had stalled: its sender believes that it was not done. */
static void a_change_that_was_refused_is_not_done_later(void **state)
{
    struct dfs_m_move move = {.path = dfs_text_of("a"), .to_path = dfs_text_of("b")};
    struct dfs_m_remove remove = {.path = dfs_text_of("a")};

    (void)state;
    move.operation = crig_operation(&r);
    (void)crig_ask(&r, ann, DFS_MSG_MOVE, &move);
    assert_int_equal(r.status, DFS_NOT_FOUND);
    remove.operation = crig_operation(&r);
    (void)crig_ask(&r, ann, DFS_MSG_REMOVE, &remove);
    assert_int_equal(r.status, DFS_NOT_FOUND);
    put("a");
    (void)crig_ask(&r, ann, DFS_MSG_MOVE, &move);
    assert_int_equal(r.status, DFS_NOT_FOUND);
    (void)crig_ask(&r, ann, DFS_MSG_REMOVE, &remove);
    assert_int_equal(r.status, DFS_NOT_FOUND);
    assert_string_equal(crig_list(&r, ann, "", "", true, 9), "a");
}

static void a_change_said_again_is_done_once(void **state)
{
    struct dfs_m_remove remove = {.path = dfs_text_of("a")};
    struct dfs_m_move move = {.path = dfs_text_of("a"), .to_path = dfs_text_of("b")};

    (void)state;
    put("a");
    move.operation = crig_operation(&r);
    (void)crig_ask(&r, ann, DFS_MSG_MOVE, &move);
    put("a");
    (void)crig_ask(&r, ann, DFS_MSG_MOVE, &move); /* a copy that was delayed */
    assert_int_equal(r.status, DFS_OK);
    assert_int_equal(r.n.f.decoded.changed.version, 2);
    assert_string_equal(crig_list(&r, ann, "", "", true, 9), "a b");
    remove.operation = crig_operation(&r);
    (void)crig_ask(&r, ann, DFS_MSG_REMOVE, &remove);
    crig_restart(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    put("a");
    (void)crig_ask(&r, ann, DFS_MSG_REMOVE, &remove);
    assert_int_equal(r.status, DFS_OK);
    assert_string_equal(crig_list(&r, ann, "", "", true, 9), "a b");
}

static void the_trash_is_kept_for_its_time_and_then_the_disks_are_freed(void **state)
{
    uint32_t stored = 0;

    tear_down(state);
    crig_init(&r);
    r.n.config.trash_keep_ns = 60 * DFS_SECONDS;
    crig_start(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    assert_int_equal(crig_put(&r, ann, "a", 1000000), DFS_OK);
    assert_int_equal(crig_remove(&r, ann, "a", 0), DFS_OK);
    r.n.f.wall += 3600 * 24 * DFS_SECONDS; /* a clock that jumps empties no trash */
    nrig_live(&r.n, 50 * DFS_SECONDS);
    ann = crig_client(&r, 1, "rw:/"); /* the first connection was idle for too long */
    assert_string_equal(versions("a"), "1~");
    nrig_live(&r.n, 20 * DFS_SECONDS);
    ann = crig_client(&r, 1, "rw:/");
    assert_string_equal(versions("a"), "NOT_FOUND");
    assert_int_equal(crig_restore(&r, ann, "a", 1), DFS_NOT_FOUND);
    for (unsigned n = 0; n < NRIG_NODES; n++)
        stored += r.n.nodes[n].blocks_count;
    assert_int_equal(stored, 0);
    nrig_assert_quiet(&r.n);
}

static void time_in_the_trash_goes_on_over_a_restart(void **state)
{
    tear_down(state);
    crig_init(&r);
    r.n.config.trash_keep_ns = 60 * DFS_SECONDS;
    crig_start(&r, 0);
    ann = crig_client(&r, 1, "rw:/");
    put("a");
    assert_int_equal(crig_remove(&r, ann, "a", 0), DFS_OK);
    fake_pass(&r.n.f, 40 * DFS_SECONDS);
    crig_restart(&r, 0);
    fake_pass(&r.n.f, 10 * DFS_SECONDS);
    ann = crig_client(&r, 1, "rw:/");
    assert_string_equal(versions("a"), "1~");
    fake_pass(&r.n.f, 15 * DFS_SECONDS);
    ann = crig_client(&r, 1, "rw:/");
    assert_string_equal(versions("a"), "NOT_FOUND");
}

static void a_scope_covers_its_paths_and_nothing_else(void **state)
{
    dfs_conn bob;

    (void)state;
    put("home/ann/x");
    put("home/anna/y");
    put("home/bob/z");
    bob = crig_client(&r, 2, "rw:/home/bob r:/home/ann");
    assert_int_equal(crig_version(&r, bob, "home/bob/z"), 3);
    assert_int_equal(crig_version(&r, bob, "home/ann/x"), 1);
    assert_int_equal(crig_version(&r, bob, "home/anna/y"), 0);
    assert_int_equal(r.status, DFS_DENIED);
    assert_int_equal(crig_put(&r, bob, "home/ann/x", 0), DFS_DENIED);
    assert_int_equal(crig_remove(&r, bob, "home/ann/x", 0), DFS_DENIED);
    assert_int_equal(crig_move(&r, bob, "home/ann/x", "home/bob/x", false), DFS_DENIED);
    assert_int_equal(crig_move(&r, bob, "home/bob/z", "home/ann/z", false), DFS_DENIED);
    assert_int_equal(crig_put(&r, bob, "home/bob/w", 0), DFS_OK);
    assert_string_equal(crig_list(&r, bob, "home/ann", "", true, 9), "home/ann/x"); /* not anna's */
    assert_string_equal(crig_list(&r, bob, "home/ann", "", false, 9), "home/ann/");
    assert_string_equal(crig_list(&r, bob, "home/bob/", "", true, 9), "home/bob/w home/bob/z");
    assert_string_equal(crig_list(&r, bob, "home/", "", true, 9), "DENIED");
    assert_string_equal(crig_list(&r, bob, "", "", true, 9), "DENIED");
}

static void stat_tells_where_copies_are(void **state)
{
    const struct dfs_m_stat stat = {.path = dfs_text_of("a")};
    struct fake_message in;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 1000001), DFS_OK);
    in = crig_ask(&r, ann, DFS_MSG_STAT, &stat);
    assert_int_equal(in.number, DFS_MSG_STAT_DONE);
    assert_int_equal(in.body->stat_done.size_bytes, 1000001);
    assert_int_equal(in.body->stat_done.blocks_total, 4);
    assert_int_equal(in.body->stat_done.blocks_count, 4);
    assert_int_equal(in.body->stat_done.block_size_bytes, 250001);
    assert_int_equal(in.body->stat_done.copies_wanted, 3);
    assert_int_equal(in.body->stat_done.blocks[3].replicas_count, 3);
    assert_int_equal(in.body->stat_done.blocks[3].replicas[0].state, DFS_NODE_ACTIVE);
    assert_int_equal(in.body->stat_done.created_ms, UINT64_C(1700000000001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_listed_whole_or_a_component_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pages_go_on_where_the_last_one_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_never_passes_a_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_move_is_one_step_and_keeps_what_it_covers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_removed_file_can_be_restored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_that_was_refused_is_not_done_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_said_again_is_done_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_trash_is_kept_for_its_time_and_then_the_disks_are_freed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_in_the_trash_goes_on_over_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scope_covers_its_paths_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stat_tells_where_copies_are, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
