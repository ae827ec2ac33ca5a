/* A store that cannot be written, or that has just filled up, says so; and does not when its disk fails now and then. */
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOR_EVER 100000

static const enum dfs_disk_verb verbs[] = {DFS_DISK_CREATE, DFS_DISK_WRITE, DFS_DISK_SYNC, DFS_DISK_PUBLISH,
                                           DFS_DISK_SYNC_DIR};
#define VERBS (sizeof verbs / sizeof verbs[0])

static void up(struct data_rig *r)
{
    rig_init(r);
    rig_start(r);
    rig_join(r);
    fake_forget(&r->f);
}

static enum dfs_status write_one(struct data_rig *r, uint8_t number)
{
    const struct dfs_block_id block = rig_block(number);
    const dfs_conn conn = rig_client(r);
    uint8_t bytes[1000];

    rig_fill(bytes, sizeof bytes, number);
    (void)rig_write(r, conn, &block, bytes, sizeof bytes, 1);
    fake_disk_run(&r->f);
    return (enum dfs_status)fake_expect(&r->f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.status;
}

static void a_store_that_cannot_be_written_offers_no_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERBS; i++) {
        struct data_rig r;

        up(&r);
        assert_int_equal(write_one(&r, 1), DFS_OK);
        fake_disk_fail(&r.f, verbs[i], 0, FOR_EVER, DFS_IO);
        fake_forget(&r.f);
        assert_int_equal(write_one(&r, 2), DFS_IO);
        assert_int_equal(rig_heartbeat(&r).free_bytes, DFS_ROOM_NONE); /* at once, not with the next one */
        assert_int_equal(rig_metric(&r, "write_refused"), 1);
        assert_int_equal(rig_metric(&r, "blocks"), 1); /* which it keeps */

        /* Nothing more is tried on the disk for those who come all the same. */
        const uint64_t created = r.f.disk_done[DFS_DISK_CREATE];

        assert_int_equal(write_one(&r, 3), DFS_IO);
        assert_int_equal(r.f.disk_done[DFS_DISK_CREATE], created);

        rig_keep_alive(&r, 11 * DFS_SECONDS);
        assert_int_equal(rig_metric(&r, "write_refused"), 1);
        r.f.faults_count = 0;
        rig_keep_alive(&r, 11 * DFS_SECONDS);
        fake_forget(&r.f);
        fake_pass(&r.f, RIG_INTERVAL);
        assert_true(rig_heartbeat(&r).free_bytes > 0);
        assert_int_equal(rig_metric(&r, "write_refused"), 0);
        assert_int_equal(fake_disk_count(&r.f, "probe"), 0);
        assert_int_equal(write_one(&r, 3), DFS_OK);
        rig_close(&r);
    }
}

static void one_failure_and_another_decide_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERBS; i++) {
        struct data_rig r;

        up(&r);
        fake_disk_fail(&r.f, verbs[i], 0, 3, DFS_IO); /* the write's, and two of the probe's */
        assert_int_equal(write_one(&r, 1), DFS_IO);
        assert_int_equal(rig_metric(&r, "write_refused"), 0);
        assert_int_equal(fake_disk_count(&r.f, "probe"), 0);
        assert_int_equal(write_one(&r, 2), DFS_OK);
        rig_close(&r);
    }
}

/* A disk that removes nothing leaves the probe's files: they are not a reason to probe again, and are cleared away later. */
static void what_the_probe_leaves_goes_with_the_next(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    fake_disk_fail(&r.f, DFS_DISK_REMOVE, 0, FOR_EVER, DFS_IO);
    fake_disk_fail(&r.f, DFS_DISK_SYNC, 0, 1, DFS_IO);
    assert_int_equal(write_one(&r, 1), DFS_IO);
    assert_true(r.f.disk_done[DFS_DISK_CREATE] < 10);
    assert_true(fake_disk_count(&r.f, "probe.tmp-") > 0);
    r.f.faults_count = 0;
    fake_disk_fail(&r.f, DFS_DISK_SYNC, 0, 1, DFS_IO);
    assert_int_equal(write_one(&r, 2), DFS_IO);
    assert_int_equal(fake_disk_count(&r.f, "probe.tmp-"), 0);
    assert_int_equal(write_one(&r, 3), DFS_OK);
    rig_close(&r);
}

static void a_disk_that_has_filled_up_is_told_of_at_once(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    r.f.disk_free_bytes = 10; /* another program took the room; the next look is ten seconds away */
    assert_int_equal(write_one(&r, 1), DFS_NO_SPACE);
    assert_int_equal(rig_heartbeat(&r).free_bytes, 10);
    assert_int_equal(rig_metric(&r, "write_refused"), 0);
    rig_close(&r);
}

/* The reserve is what a server is full with as a rule. Metadata hears of it with the first write that it refuses, not with each of them. */
static void a_server_that_has_filled_up_says_so_once(void **state)
{
    struct dfs_m_heartbeat beat;
    struct data_rig r;

    (void)state;
    up(&r);
    r.f.disk_free_bytes = 50000000 + 1500; /* the reserve, and one more block */
    rig_keep_alive(&r, 11 * DFS_SECONDS);
    fake_forget(&r.f);
    assert_int_equal(write_one(&r, 1), DFS_OK);
    assert_false(rig_heartbeat_sent(&r, &beat));
    assert_int_equal(write_one(&r, 2), DFS_NO_SPACE);
    assert_true(rig_heartbeat(&r).free_bytes < 50000000 + 1000);
    assert_int_equal(write_one(&r, 3), DFS_NO_SPACE);
    assert_false(rig_heartbeat_sent(&r, &beat));
    rig_close(&r);
}

/* Not a byte is left, but it takes writes: there is a difference to a store that cannot be written. */
static void a_full_disk_is_no_broken_one(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r);
    r.f.disk_free_bytes = 0;
    assert_int_equal(write_one(&r, 1), DFS_NO_SPACE);
    assert_int_equal(rig_heartbeat(&r).free_bytes, DFS_ROOM_FULL);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_cannot_be_written_offers_no_room),
        cmocka_unit_test(one_failure_and_another_decide_nothing),
        cmocka_unit_test(what_the_probe_leaves_goes_with_the_next),
        cmocka_unit_test(a_disk_that_has_filled_up_is_told_of_at_once),
        cmocka_unit_test(a_server_that_has_filled_up_says_so_once),
        cmocka_unit_test(a_full_disk_is_no_broken_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
