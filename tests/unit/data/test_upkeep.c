/* REMOVE_BLOCK, VERIFY and the scrub. */
#include "core/base/crc32c.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT 300000u

static uint8_t bytes[COUNT];

static void up(struct data_rig *r, unsigned blocks, dfs_duration_ns scrub_interval_ns)
{
    rig_init(r);
    r->config.scrub_interval_ns = scrub_interval_ns;
    rig_start(r);
    rig_join(r);
    rig_fill(bytes, COUNT, 7);
    for (unsigned i = 0; i < blocks; i++) {
        const struct dfs_block_id block = rig_block(i);

        rig_store(r, &block, bytes, COUNT);
    }
    fake_forget(&r->f);
}

static struct fake_file *file_of(struct data_rig *r, unsigned number)
{
    const struct dfs_block_id block = rig_block(number);
    char name[DFS_FILE_NAME_BYTES_MAX];

    rig_name(&block, name);
    return fake_disk_file(&r->f, name);
}

static void order_removal(struct data_rig *r, const unsigned *numbers, uint32_t count)
{
    struct dfs_w_removal removals[16];
    const struct dfs_m_remove_block message = {.blocks = removals, .blocks_count = count};

    for (uint32_t i = 0; i < count; i++) {
        const struct dfs_block_id block = rig_block(numbers[i]);

        removals[i] = (struct dfs_w_removal){.block = {.file = block.file, .index = block.index, .generation = 1},
                                             .reason = DFS_REMOVE_DELETED};
    }
    fake_receive(&r->f, r->control, 600, DFS_MSG_REMOVE_BLOCK, &message, NULL, 0);
}

static void expect_removed(struct data_rig *r, const enum dfs_status *statuses, uint32_t count)
{
    const struct fake_message m = fake_expect(&r->f, r->control, DFS_MSG_REMOVE_DONE);

    assert_int_equal(m.request, 600);
    assert_int_equal(m.body->remove_done.blocks_count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(m.body->remove_done.blocks[i].status, statuses[i]);
}

static void test_batch_is_removed_and_then_told(void **state)
{
    struct data_rig r;
    const unsigned numbers[] = {0, 2, 9};
    const enum dfs_status statuses[] = {DFS_OK, DFS_OK, DFS_OK};
    struct fake_message m;

    (void)state;
    up(&r, 3, 0);
    order_removal(&r, numbers, 3);
    assert_int_equal(fake_disk_pending(&r.f, 0)->op.verb, DFS_DISK_REMOVE);
    (void)fake_disk_one(&r.f);
    (void)fake_disk_one(&r.f);
    for (unsigned i = 0; i < 2; i++) {
        m = fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
        assert_int_equal(m.body->block_events.changes[0].kind, DFS_CHANGE_REMOVED);
        assert_int_equal(m.body->block_events.changes[0].block.index, i * 2);
        assert_int_equal(m.body->block_events.changes[0].length_bytes, COUNT);
    }
    assert_int_equal(fake_sent(&r.f, r.control).number, 0); /* the directory is not synced */
    assert_int_equal(fake_disk_pending(&r.f, 0)->op.verb, DFS_DISK_SYNC_DIR);
    (void)fake_disk_one(&r.f);
    expect_removed(&r, statuses, 3);
    assert_null(file_of(&r, 0));
    assert_non_null(file_of(&r, 1));
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_DELETED), 2);
    assert_int_equal(rig_metric(&r, "blocks"), 1);
    rig_close(&r);
}

static void test_what_is_in_use_is_refused(void **state)
{
    struct data_rig r;
    const unsigned numbers[] = {0, 1, 5};
    const enum dfs_status statuses[] = {DFS_REFUSED, DFS_OK, DFS_REFUSED};
    const struct dfs_block_id source = rig_block(0);
    const struct dfs_block_id target = rig_block(5);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    struct dfs_m_copy copy = {.target_addr = {.port = 7000}};
    struct dfs_w_grant grant;

    (void)state;
    up(&r, 2, 0);
    copy.order = rig_order(&r, &source, COUNT, dfs_crc32c(0, bytes, COUNT), 0, 2);
    fake_receive(&r.f, r.control, 1, DFS_MSG_COPY, &copy, NULL, 0);
    grant = rig_grant(&r, &target, DFS_GRANT_WRITE, order, 1, replicas);
    (void)rig_write_header(&r, rig_client(&r), &grant, 1, 0, COUNT);
    order_removal(&r, numbers, 3);
    fake_disk_run(&r.f);
    (void)fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    expect_removed(&r, statuses, 3);
    assert_non_null(file_of(&r, 0));
    assert_int_equal(rig_metric(&r, "removes_refused"), 2);
    rig_close(&r);
}

static void test_failed_removal_is_told_and_the_block_stays(void **state)
{
    struct data_rig r;
    const unsigned numbers[] = {0, 1};
    const enum dfs_status one[] = {DFS_IO, DFS_OK};
    const enum dfs_status all[] = {DFS_IO};

    (void)state;
    up(&r, 3, 0);
    fake_disk_fail(&r.f, DFS_DISK_REMOVE, 0, 1, DFS_IO);
    order_removal(&r, numbers, 2);
    fake_disk_run(&r.f);
    (void)fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    expect_removed(&r, one, 2);
    assert_int_equal(rig_metric(&r, "blocks"), 2);
    fake_disk_fail(&r.f, DFS_DISK_SYNC_DIR, 0, 1, DFS_IO);
    order_removal(&r, numbers, 1); /* it may be tried again */
    fake_disk_run(&r.f);
    (void)fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    expect_removed(&r, all, 1);
    rig_close(&r);
}

static void test_removed_block_is_not_read(void **state)
{
    struct data_rig r;
    const unsigned numbers[] = {0};
    const struct dfs_block_id block = rig_block(0);
    uint8_t *got = malloc(COUNT);
    struct dfs_m_block_end end;
    dfs_conn conn;
    uint32_t request;

    (void)state;
    up(&r, 1, 0);
    conn = rig_client(&r);
    request = rig_read(&r, conn, &block, 0, COUNT);
    (void)fake_disk_one(&r.f); /* the footer was read */
    order_removal(&r, numbers, 1);
    (void)rig_read(&r, conn, &block, 0, COUNT);
    assert_int_equal(fake_expect(&r.f, conn, DFS_MSG_BLOCK_END).body->block_end.status, DFS_BLOCK_MISSING);
    fake_disk_run(&r.f);
    (void)rig_collect(&r, conn, request, 0, got, COUNT, &end);
    assert_int_equal(end.status, DFS_BLOCK_MISSING);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 0); /* it went on order: no finding */
    free(got);
    rig_close(&r);
}

/* VERIFY ------------------------------------------------------------------------------------------------- */

static enum dfs_status verify(struct data_rig *r, unsigned number, uint32_t length, uint32_t crc)
{
    const struct dfs_block_id block = rig_block(number);
    const struct dfs_m_verify message = {.operation = r->nodes[3],
                                         .block = {.file = block.file, .index = block.index, .generation = 1},
                                         .length_bytes = length,
                                         .crc32c = crc};
    struct fake_message m;

    fake_receive(&r->f, r->control, 700, DFS_MSG_VERIFY, &message, NULL, 0);
    fake_disk_run(&r->f);
    m = fake_expect(&r->f, r->control, DFS_MSG_VERIFY_DONE);
    assert_int_equal(m.request, 700);
    assert_memory_equal(&m.body->verify_done.operation, &r->nodes[3], DFS_ID_BYTES);
    assert_int_equal(m.body->verify_done.block.index, number);
    return (enum dfs_status)m.body->verify_done.status;
}

static void test_verify_reads_the_whole_block(void **state)
{
    struct data_rig r;
    uint32_t crc;

    (void)state;
    up(&r, 2, 0);
    crc = dfs_crc32c(0, bytes, COUNT);
    assert_int_equal(verify(&r, 0, COUNT, crc), DFS_OK);
    assert_int_equal(verify(&r, 0, COUNT, crc + 1), DFS_BLOCK_CORRUPT); /* whole, but not these bytes */
    assert_int_equal(verify(&r, 0, COUNT - 1, crc), DFS_BLOCK_CORRUPT);
    assert_int_equal(verify(&r, 9, COUNT, crc), DFS_BLOCK_MISSING);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 0);
    file_of(&r, 1)->bytes[COUNT - 1] ^= 1;
    assert_int_equal(verify(&r, 1, COUNT, crc), DFS_BLOCK_CORRUPT);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS).body->block_events.changes[0].kind,
                     DFS_CHANGE_BAD);
    file_of(&r, 1)->bytes[COUNT - 1] ^= 1;
    assert_int_equal(verify(&r, 1, COUNT, crc), DFS_OK); /* looked at again, not remembered */
    assert_int_equal(rig_metric(&r, "memory_bytes"), 0);
    rig_close(&r);
}

static void test_verifications_are_bounded(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(0);
    const struct dfs_m_verify message = {.block = {.file = block.file, .index = 0, .generation = 1},
                                         .length_bytes = COUNT};

    (void)state;
    up(&r, 1, 0);
    for (unsigned i = 0; i < 8; i++)
        fake_receive(&r.f, r.control, i, DFS_MSG_VERIFY, &message, NULL, 0);
    assert_int_equal(fake_sent(&r.f, r.control).number, 0);
    fake_receive(&r.f, r.control, 8, DFS_MSG_VERIFY, &message, NULL, 0);
    assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_VERIFY_DONE).body->verify_done.status, DFS_UNAVAILABLE);
    rig_close(&r);
}

/* Scrub -------------------------------------------------------------------------------------------------- */

static void test_scrub_reads_everything_within_its_time(void **state)
{
    struct data_rig r;
    uint64_t reads, read_before;

    (void)state;
    up(&r, 5, 100 * DFS_SECONDS);
    reads = r.f.disk_done[DFS_DISK_READ];
    rig_keep_alive(&r, 19 * DFS_SECONDS);
    assert_int_equal(rig_metric(&r, "scrub_blocks"), 0); /* evenly: the first is due after a fifth of the time */
    rig_keep_alive(&r, 2 * DFS_SECONDS);
    assert_int_equal(rig_metric(&r, "scrub_blocks"), 1);
    rig_keep_alive(&r, 60 * DFS_SECONDS);
    assert_int_equal(rig_metric(&r, "scrub_blocks"), 4);
    rig_keep_alive(&r, 20 * DFS_SECONDS);
    assert_int_equal(rig_metric(&r, "scrub_blocks"), 5);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_SCRUB_DONE), 1);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_SCRUB_DONE)->a, 5);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_SCRUB_DONE)->b, 0);
    read_before = r.f.disk_done[DFS_DISK_READ];
    assert_true(read_before > reads + 15);
    rig_keep_alive(&r, 100 * DFS_SECONDS);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_SCRUB_DONE), 2);
    assert_int_equal(rig_metric(&r, "scrub_blocks"), 10);
    rig_close(&r);
}

static void test_scrub_finds_and_reports_rot(void **state)
{
    struct data_rig r;
    struct fake_message m;

    (void)state;
    up(&r, 5, 100 * DFS_SECONDS);
    file_of(&r, 3)->bytes[70000] ^= 1;
    rig_keep_alive(&r, 101 * DFS_SECONDS);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 1);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_BLOCK_BAD)->block.index, 3);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_SCRUB_DONE)->a, 5);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_SCRUB_DONE)->b, 1);
    m = fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    assert_int_equal(m.body->block_events.changes[0].kind, DFS_CHANGE_BAD);
    rig_keep_alive(&r, 100 * DFS_SECONDS); /* the next pass has nothing new to say */
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 1);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_SCRUB_DONE)->a, 4);
    rig_close(&r);
}

static void test_scrub_is_not_fooled_by_removals(void **state)
{
    struct data_rig r;
    const unsigned all[] = {0, 1, 2};

    (void)state;
    up(&r, 3, 30 * DFS_SECONDS);
    /* Each block goes while the scrub is in the middle of reading it. */
    while (rig_metric(&r, "blocks") > 0) {
        fake_until(&r.f, r.f.deadline, false);
        if (fake_disk_pending(&r.f, 0) != NULL && fake_disk_pending(&r.f, 0)->op.verb == DFS_DISK_READ &&
            strcmp(fake_disk_pending(&r.f, 0)->name, "marker") != 0) {
            (void)fake_disk_one(&r.f);
            order_removal(&r, all, 3);
        }
        rig_keep_alive(&r, DFS_MILLISECONDS);
    }
    rig_keep_alive(&r, 60 * DFS_SECONDS);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 0);
    assert_true(fake_traces(&r.f, DFS_TRACE_SCRUB_DONE) >= 1);
    rig_close(&r);
}

/* The pass stands behind block 1 when that one and the next one go, and another one comes. */
static void test_scrub_pass_keeps_its_place(void **state)
{
    struct data_rig r;
    const unsigned gone[] = {1, 2};
    const struct dfs_block_id late = rig_block(6);

    (void)state;
    up(&r, 6, 60 * DFS_SECONDS);
    rig_keep_alive(&r, 21 * DFS_SECONDS);
    assert_int_equal(rig_metric(&r, "scrub_blocks"), 2);
    order_removal(&r, gone, 2);
    rig_keep_alive(&r, DFS_MILLISECONDS);
    assert_int_equal(rig_metric(&r, "removes_done"), 2);
    fake_forget(&r.f);
    rig_store(&r, &late, bytes, COUNT);
    fake_forget(&r.f);
    for (unsigned i = 3; i <= 6; i++)
        file_of(&r, i)->bytes[70000] ^= 1; /* so that each one that is read is told */
    rig_keep_alive(&r, 40 * DFS_SECONDS);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_SCRUB_DONE), 1);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_SCRUB_DONE)->a, 6);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_SCRUB_DONE)->b, 4);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 4);
    assert_int_equal(fake_trace_last(&r.f, DFS_TRACE_BLOCK_BAD)->block.index, 6);
    rig_close(&r);
}

static void test_scrub_without_blocks_is_done_each_interval(void **state)
{
    struct data_rig r;

    (void)state;
    up(&r, 0, 10 * DFS_SECONDS);
    rig_keep_alive(&r, 35 * DFS_SECONDS);
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_SCRUB_DONE), 3);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_is_removed_and_then_told),
        cmocka_unit_test(test_what_is_in_use_is_refused),
        cmocka_unit_test(test_failed_removal_is_told_and_the_block_stays),
        cmocka_unit_test(test_removed_block_is_not_read),
        cmocka_unit_test(test_verify_reads_the_whole_block),
        cmocka_unit_test(test_verifications_are_bounded),
        cmocka_unit_test(test_scrub_reads_everything_within_its_time),
        cmocka_unit_test(test_scrub_finds_and_reports_rot),
        cmocka_unit_test(test_scrub_is_not_fooled_by_removals),
        cmocka_unit_test(test_scrub_pass_keeps_its_place),
        cmocka_unit_test(test_scrub_without_blocks_is_done_each_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
