/* How a file comes in: PUT_OPEN, PUT_PLACE, PUT_COMMIT, PUT_ABORT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/clients_rig.h"

static struct clients_rig r;
static dfs_conn ann;

static int set_up(void **state)
{
    (void)state;
    crig_init(&r);
    crig_start(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    crig_close(&r);
    return 0;
}

static void a_file_is_cut_placed_stored_committed_and_read(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a/one", 1000000);
    const struct dfs_m_get_open get = {.path = dfs_text_of("a/one")};
    struct dfs_m_put_done done;
    struct fake_message in;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    assert_int_equal(r.upload.blocks, 4);
    assert_int_equal(r.upload.copies_wanted, 3);
    assert_int_equal(r.upload.grants[3].replicas_count, 3);
    assert_int_equal(crig_version(&r, ann, "a/one"), 0);
    crig_store_all(&r);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    assert_int_equal(done.version, 1);
    assert_int_equal(done.blocks, 4);
    assert_int_equal(done.replicas_durable, 3);
    assert_int_equal(crig_version(&r, ann, "a/one"), 1);
    assert_int_equal(fake_traces(&r.n.f, DFS_TRACE_COMMITTED), 1);

    in = crig_ask(&r, ann, DFS_MSG_GET_OPEN, &get);
    assert_int_equal(in.number, DFS_MSG_GET_PLAN);
    assert_int_equal(in.body->get_plan.size_bytes, 1000000);
    assert_int_equal(in.body->get_plan.plan_count, 4);
    assert_int_equal(in.body->get_plan.plan[2].grant.replicas_count, 3);
    assert_int_equal(in.body->get_plan.plan[2].grant.operation, DFS_GRANT_READ);
    nrig_assert_quiet(&r.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_cut_placed_stored_committed_and_read, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
