/* GET_OPEN, BLOCK_BAD, EXPLAIN and FSCK: which copies are named, and what is said when there are too few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/clients_rig.h"

static struct clients_rig r;
static dfs_conn ann;

static int set_up(void **state)
{
    (void)state;
    crig_init(&r);
    crig_start(&r, 5);
    nrig_live(&r.n, 6 * DFS_SECONDS); /* warm */
    ann = crig_client(&r, 1, "rw:/");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nrig_assert_sound(&r.n);
    crig_close(&r);
    return 0;
}

static const struct dfs_m_get_plan *get(const char *path, uint64_t version, uint32_t first)
{
    const struct dfs_m_get_open open = {.path = dfs_text_of(path), .version = version, .first_block = first};
    const struct fake_message in = crig_ask(&r, ann, DFS_MSG_GET_OPEN, &open);

    return in.number == DFS_MSG_GET_PLAN ? &in.body->get_plan : NULL;
}

static void complain(const struct dfs_w_block *block, unsigned node, enum dfs_status status)
{
    const struct dfs_m_block_bad bad = {.block = *block, .node = r.n.nodes[node].id, .status = (uint8_t)status};

    (void)crig_ask(&r, ann, DFS_MSG_BLOCK_BAD, &bad);
}

static void grants_are_for_the_bearer_and_verify_at_every_node(void **state)
{
    const struct dfs_m_get_plan *plan;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 1000000), DFS_OK);
    plan = get("a", 0, 0);
    assert_non_null(plan);
    for (uint32_t i = 0; i < 4; i++) {
        const struct dfs_w_grant *grant = &plan->plan[i].grant;

        assert_int_equal(grant->bearer[5], 1);
        assert_int_equal(grant->block.index, i);
        for (uint32_t hop = 0; hop < grant->replicas_count; hop++)
            assert_true(
                dfs_grant_check(NULL, grant, hop, &r.n.nodes[crig_node_of(&r, &grant->replicas[hop].node)].grant_mac));
    }
    assert_int_equal(plan->plan[1].crc32c, 0x1001);
    plan = get("a", 0, 3);
    assert_int_equal(plan->first_offset, 750000);
    assert_int_equal(plan->plan_count, 1);
    assert_int_equal(get("a", 0, 4)->plan_count, 0);
    assert_null(get("a", 0, 5));
    assert_int_equal(r.status, DFS_BAD_REQUEST);
}

static void an_old_version_is_read_by_its_number(void **state)
{
    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 100000), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "a", 300000), DFS_OK);
    assert_int_equal(get("a", 0, 0)->size_bytes, 300000);
    assert_int_equal(get("a", 1, 0)->size_bytes, 100000);
    assert_null(get("a", 7, 0));
    assert_int_equal(r.status, DFS_NOT_FOUND);
}

static void a_complaint_is_looked_into_not_believed(void **state)
{
    const struct dfs_w_grant *grant;
    struct dfs_w_block block;
    unsigned first;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 100000), DFS_OK);
    block = r.upload.grants[0].block;
    first = crig_node_of(&r, &get("a", 0, 0)->plan[0].grant.replicas[0].node);
    complain(&block, first, DFS_TIMEOUT); /* slow is no fault of the copy */
    assert_int_equal(crig_node_of(&r, &get("a", 0, 0)->plan[0].grant.replicas[0].node), first);
    r.n.nodes[first].slow = true;
    complain(&block, first, DFS_BLOCK_CORRUPT);
    grant = &get("a", 0, 0)->plan[0].grant;
    assert_int_equal(grant->replicas_count, 3);
    assert_int_equal(crig_node_of(&r, &grant->replicas[2].node), first); /* asked last from now on */
    r.n.nodes[first].slow = false;
    nrig_live(&r.n, 15 * DFS_SECONDS); /* read again, and found right */
    assert_int_equal(crig_node_of(&r, &get("a", 0, 0)->plan[0].grant.replicas[0].node), first);
    assert_true(r.n.nodes[first].verifies > 0);
    block.index = 9;
    complain(&block, first, DFS_BLOCK_CORRUPT);
    assert_int_equal(r.status, DFS_NOT_FOUND);
    nrig_assert_quiet(&r.n);
}

static void a_copy_that_is_really_bad_is_replaced(void **state)
{
    struct dfs_w_block block;
    unsigned first;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 100000), DFS_OK);
    block = r.upload.grants[0].block;
    first = crig_node_of(&r, &get("a", 0, 0)->plan[0].grant.replicas[0].node);
    r.n.nodes[first].verify_status = DFS_BLOCK_CORRUPT;
    complain(&block, first, DFS_BLOCK_CORRUPT);
    nrig_live(&r.n, 10 * DFS_SECONDS);
    r.n.nodes[first].verify_status = DFS_OK;
    ann = crig_client(&r, 1, "rw:/");
    const struct dfs_w_grant *grant = &get("a", 0, 0)->plan[0].grant;

    assert_int_equal(grant->replicas_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(crig_node_of(&r, &grant->replicas[i].node), first);
    assert_false(nrig_has(&r.n, first, &block));
}

static void a_lost_block_has_no_replica_and_the_rest_can_be_read(void **state)
{
    const struct dfs_m_fsck fsck = {.prefix = dfs_text_of("")};
    const struct dfs_m_explain explain = {.path = dfs_text_of("a")};
    const struct dfs_m_get_plan *plan;
    struct fake_message in;
    unsigned lost = 0;

    tear_down(state);
    crig_init(&r);
    r.n.config.replication = 1;
    crig_start(&r, 3);
    nrig_live(&r.n, 6 * DFS_SECONDS);
    ann = crig_client(&r, 1, "rw:/");
    assert_int_equal(crig_put(&r, ann, "a", 1000000), DFS_OK);
    assert_int_equal(crig_put(&r, ann, "b", 0), DFS_OK);
    plan = get("a", 0, 0);
    const unsigned node = crig_node_of(&r, &plan->plan[0].grant.replicas[0].node);

    r.n.nodes[node].dead = true;
    nrig_break(&r.n, node);
    nrig_live(&r.n, 5 * DFS_SECONDS);
    plan = get("a", 0, 0);
    assert_non_null(plan);
    for (uint32_t i = 0; i < 4; i++)
        lost += plan->plan[i].grant.replicas_count == 0;
    for (uint32_t i = 0; i < 4; i++)
        assert_false(plan->plan[i].lost); /* the server may come back */
    assert_in_range(lost, 1, 4);
    in = crig_ask(&r, ann, DFS_MSG_FSCK, &fsck);
    assert_int_equal(in.number, DFS_MSG_FSCK_PAGE);
    assert_int_equal(in.body->fsck_page.files, 2);
    assert_int_equal(in.body->fsck_page.blocks, 4);
    assert_int_equal(in.body->fsck_page.missing, lost);
    assert_int_equal(in.body->fsck_page.whole, 4 - lost);
    assert_int_equal(in.body->fsck_page.paths_count, 1);
    assert_int_equal(in.body->fsck_page.paths[0].status, DFS_DATA_LOST);
    in = crig_ask(&r, ann, DFS_MSG_EXPLAIN, &explain);
    assert_int_equal(in.number, DFS_MSG_EXPLAIN_PAGE);
    assert_int_equal(in.body->explain_page.blocks_count, 4);
    assert_int_equal(in.body->explain_page.blocks[0].copies, 0);
    assert_int_equal(in.body->explain_page.blocks[0].wanted, 1);
    assert_true(in.body->explain_page.blocks[0].why.count > 0);
}

static void fsck_goes_through_everything_in_pages(void **state)
{
    char after[64] = "";
    uint64_t files = 0;
    unsigned pages = 0;
    bool more = true;

    (void)state;
    for (unsigned i = 0; i < 1500; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "x/%04u", i);
        assert_int_equal(crig_put(&r, ann, path, 0), DFS_OK);
    }
    while (more) {
        const struct dfs_m_fsck fsck = {.prefix = dfs_text_of("x"), .after = dfs_text_of(after)};
        const struct fake_message in = crig_ask(&r, ann, DFS_MSG_FSCK, &fsck);
        const struct dfs_m_fsck_page *page = &in.body->fsck_page;

        assert_int_equal(in.number, DFS_MSG_FSCK_PAGE);
        files += page->files;
        more = page->more != 0;
        if (more) {
            assert_true(page->paths_count > 0);
            (void)snprintf(after, sizeof after, "%.*s", (int)page->paths[page->paths_count - 1].path.count,
                           page->paths[page->paths_count - 1].path.at);
        }
        pages++;
    }
    assert_int_equal(files, 1500);
    assert_in_range(pages, 2, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(grants_are_for_the_bearer_and_verify_at_every_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_version_is_read_by_its_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_complaint_is_looked_into_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_that_is_really_bad_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_block_has_no_replica_and_the_rest_can_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fsck_goes_through_everything_in_pages, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
