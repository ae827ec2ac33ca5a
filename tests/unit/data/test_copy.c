/* COPY (we are the source) and BLOCK_COPY (we are the target). */
#include "core/base/crc32c.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT 300000u

struct story {
    struct data_rig r;
    struct dfs_block_id block;
    uint8_t bytes[COUNT];
    uint32_t crc;
    struct dfs_id operation;
};

static struct story *up(bool stored)
{
    struct story *s = calloc(1, sizeof *s);

    rig_init(&s->r);
    rig_start(&s->r);
    rig_join(&s->r);
    s->block = rig_block(1);
    rig_fill(s->bytes, COUNT, 7);
    s->crc = dfs_crc32c(0, s->bytes, COUNT);
    if (stored)
        rig_store(&s->r, &s->block, s->bytes, COUNT);
    memset(s->operation.bytes, 0x77, DFS_ID_BYTES);
    fake_forget(&s->r.f);
    return s;
}

static void down(struct story *s)
{
    assert_int_equal(rig_metric(&s->r, "memory_bytes"), 0);
    assert_int_equal(rig_metric(&s->r, "copies_running"), 0);
    assert_int_equal(rig_metric(&s->r, "writes_running"), 0);
    rig_close(&s->r);
    free(s);
}

/* Source ------------------------------------------------------------------------------------------------- */

static void order_copy(struct story *s, const struct dfs_w_order *order)
{
    const struct dfs_m_copy message = {
        .operation = s->operation, .order = *order, .target_addr = s->r.addrs[order->target.bytes[0] - 0x10]};

    fake_receive(&s->r.f, s->r.control, 500, DFS_MSG_COPY, &message, NULL, 0);
}

static void expect_copy_done(struct story *s, enum dfs_status status, uint32_t receipts)
{
    const struct fake_message m = fake_expect(&s->r.f, s->r.control, DFS_MSG_COPY_DONE);

    assert_int_equal(m.request, 500);
    assert_memory_equal(&m.body->copy_done.operation, &s->operation, sizeof s->operation);
    assert_int_equal(m.body->copy_done.block.index, s->block.index);
    assert_int_equal(m.body->copy_done.status, status);
    assert_int_equal(m.body->copy_done.receipts_count, receipts);
}

static dfs_conn expect_target(struct story *s, uint32_t *ret_request)
{
    const dfs_conn conn = fake_connected(&s->r.f);
    struct fake_message m;

    assert_memory_equal(&fake_conn_of(&s->r.f, conn)->node, &s->r.nodes[2], DFS_ID_BYTES);
    fake_open(&s->r.f, conn);
    (void)fake_expect(&s->r.f, conn, DFS_MSG_HELLO);
    m = fake_expect(&s->r.f, conn, DFS_MSG_BLOCK_COPY);
    assert_memory_equal(&m.body->block_copy.order.target, &s->r.nodes[2], DFS_ID_BYTES);
    *ret_request = m.request;
    return conn;
}

static void answer(struct story *s, dfs_conn conn, uint32_t request, enum dfs_status status, uint32_t receipts)
{
    struct dfs_w_receipt receipt = {.block = {.file = s->block.file, .index = 1, .generation = 1},
                                    .length_bytes = COUNT,
                                    .crc32c = s->crc,
                                    .node = s->r.nodes[2],
                                    .incarnation = s->r.incarnations[2],
                                    .key_id = RIG_KEY_ID};
    const struct dfs_m_block_written message = {
        .block = receipt.block, .status = (uint8_t)status, .receipts = &receipt, .receipts_count = receipts};

    fake_receive(&s->r.f, conn, request, DFS_MSG_BLOCK_WRITTEN, &message, NULL, 0);
}

static void test_source_brings_its_copy(void **state)
{
    struct story *s = up(true);
    const struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    struct fake_message m;
    uint32_t request, at = 0;
    dfs_conn target;

    (void)state;
    order_copy(s, &order);
    order_copy(s, &order); /* asked twice, answered once */
    fake_disk_run(&s->r.f);
    target = expect_target(s, &request);
    fake_sent_all(&s->r.f, target);
    while ((m = fake_sent(&s->r.f, target)).number == DFS_MSG_BLOCK_DATA) {
        assert_int_equal(m.request, request);
        assert_int_equal(m.body->block_data.offset, at);
        assert_memory_equal(m.bulk, s->bytes + at, m.bulk_count);
        at += (uint32_t)m.bulk_count;
    }
    assert_int_equal(at, COUNT);
    answer(s, target, request, DFS_OK, 1);
    expect_copy_done(s, DFS_OK, 1);
    assert_int_equal(fake_sent(&s->r.f, s->r.control).number, 0);
    down(s);
}

static void test_bad_copy_is_never_a_source(void **state)
{
    struct story *s = up(true);
    const struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct fake_message m;
    uint32_t request, at = 0;
    dfs_conn target;

    (void)state;
    rig_name(&s->block, name);
    fake_disk_file(&s->r.f, name)->bytes[200000] ^= 1;
    order_copy(s, &order);
    fake_disk_run(&s->r.f);
    target = expect_target(s, &request);
    fake_sent_all(&s->r.f, target);
    while ((m = fake_sent(&s->r.f, target)).number == DFS_MSG_BLOCK_DATA)
        at += (uint32_t)m.bulk_count;
    assert_in_range(at, 0, 200000);
    expect_copy_done(s, DFS_BLOCK_CORRUPT, 0);
    m = fake_expect(&s->r.f, s->r.control, DFS_MSG_BLOCK_EVENTS);
    assert_int_equal(m.body->block_events.changes[0].kind, DFS_CHANGE_BAD);
    order_copy(s, &order);
    expect_copy_done(s, DFS_BLOCK_CORRUPT, 0);
    down(s);
}

static void test_orders_that_are_not_for_us_are_refused(void **state)
{
    struct story *s = up(true);
    struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    const struct dfs_block_id stranger = rig_block(77);

    (void)state;
    order.source_mac[0] ^= 1;
    order_copy(s, &order);
    expect_copy_done(s, DFS_GRANT_INVALID, 0);
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 2);
    order_copy(s, &order);
    expect_copy_done(s, DFS_GRANT_INVALID, 0);
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 0);
    order_copy(s, &order);
    expect_copy_done(s, DFS_GRANT_INVALID, 0);
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    order.key_id = 2;
    order_copy(s, &order);
    expect_copy_done(s, DFS_GRANT_EXPIRED, 0);
    s->r.incarnations[0]--;
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    s->r.incarnations[0]++;
    order_copy(s, &order);
    expect_copy_done(s, DFS_STALE_INCARNATION, 0);
    order = rig_order(&s->r, &s->block, COUNT - 1, s->crc, 0, 2);
    order_copy(s, &order);
    expect_copy_done(s, DFS_EXISTS, 0);
    order = rig_order(&s->r, &s->block, COUNT, s->crc ^ 1, 0, 2);
    order_copy(s, &order);
    fake_disk_run(&s->r.f);
    expect_copy_done(s, DFS_EXISTS, 0);
    s->block = stranger;
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    order_copy(s, &order);
    expect_copy_done(s, DFS_BLOCK_MISSING, 0);
    down(s);
}

static void test_target_out_of_reach_or_refusing_is_told(void **state)
{
    struct story *s = up(true);
    const struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    uint32_t request;
    dfs_conn target;

    (void)state;
    order_copy(s, &order);
    fake_disk_run(&s->r.f);
    fake_closed(&s->r.f, fake_connected(&s->r.f), DFS_UNREACHABLE);
    expect_copy_done(s, DFS_UNREACHABLE, 0);

    order_copy(s, &order);
    fake_disk_run(&s->r.f);
    target = expect_target(s, &request);
    answer(s, target, request, DFS_NO_SPACE, 0);
    expect_copy_done(s, DFS_NO_SPACE, 0);
    order_copy(s, &order);
    fake_disk_run(&s->r.f);
    rig_keep_alive(&s->r, s->r.config.request_timeout_ns + DFS_SECONDS);
    expect_copy_done(s, DFS_TIMEOUT, 0);
    fake_sent_all(&s->r.f, target);
    down(s);
}

static void test_source_runs_a_bounded_number(void **state)
{
    struct story *s = up(true);
    const struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 0, 2);
    unsigned refused = 0;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct fake_message m;

        s->operation.bytes[3] = (uint8_t)i;
        order_copy(s, &order);
        m = fake_sent(&s->r.f, s->r.control);
        if (m.number == DFS_MSG_COPY_DONE) {
            assert_int_equal(m.body->copy_done.status, DFS_UNAVAILABLE);
            refused++;
        }
    }
    assert_int_equal(refused, 4);
    assert_int_equal(rig_metric(&s->r, "copies_running"), 16);
    rig_close(&s->r);
    free(s);
}

/* Target ------------------------------------------------------------------------------------------------- */

static uint32_t bring(struct story *s, dfs_conn conn, const struct dfs_w_order *order, const uint8_t *bytes,
                      size_t count)
{
    const struct dfs_m_block_copy message = {.order = *order};
    const uint32_t request = ++s->r.request;

    fake_receive(&s->r.f, conn, request, DFS_MSG_BLOCK_COPY, &message, NULL, 0);
    rig_frames(&s->r, conn, request, bytes, count, 0, count);
    fake_disk_run(&s->r.f);
    return request;
}

static enum dfs_status brought(struct story *s, dfs_conn conn, uint32_t request)
{
    const struct fake_message m = fake_expect(&s->r.f, conn, DFS_MSG_BLOCK_WRITTEN);

    assert_int_equal(m.request, request);
    assert_int_equal(m.body->block_written.receipts_count, m.body->block_written.status == DFS_OK);
    if (m.body->block_written.status == DFS_OK) {
        assert_true(rig_receipt_is_good(&s->r, &m.body->block_written.receipts[0], 0));
        assert_true(m.body->block_written.receipts[0].durable);
    }
    return (enum dfs_status)m.body->block_written.status;
}

static void test_target_stores_and_gives_its_receipt(void **state)
{
    struct story *s = up(false);
    const struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 0);
    const dfs_conn conn = rig_peer(&s->r, 1);
    char name[DFS_FILE_NAME_BYTES_MAX];
    uint32_t length, crc;

    (void)state;
    assert_int_equal(brought(s, conn, bring(s, conn, &order, s->bytes, COUNT)), DFS_OK);
    rig_name(&s->block, name);
    assert_true(dfs_block_file_check(fake_disk_file(&s->r.f, name)->bytes, fake_disk_file(&s->r.f, name)->count,
                                     &s->block, &length, &crc));
    assert_int_equal(crc, s->crc);
    /* Brought again: here it is. */
    assert_int_equal(brought(s, conn, bring(s, conn, &order, s->bytes, COUNT)), DFS_OK);
    assert_int_equal(fake_traces(&s->r.f, DFS_TRACE_PUBLISHED), 1);
    down(s);
}

static void test_target_takes_the_orders_bytes_only(void **state)
{
    struct story *s = up(false);
    const struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 0);
    const dfs_conn conn = rig_peer(&s->r, 1);

    (void)state;
    s->bytes[9] ^= 1; /* every frame is whole, but these are other bytes */
    assert_int_equal(brought(s, conn, bring(s, conn, &order, s->bytes, COUNT)), DFS_BLOCK_CORRUPT);
    assert_int_equal(rig_metric(&s->r, "blocks"), 0);
    assert_int_equal(fake_disk_count(&s->r.f, ".tmp-"), 0);
    down(s);
}

static void test_target_believes_the_orders_source_only(void **state)
{
    struct story *s = up(false);
    struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 0);
    const dfs_conn one = rig_peer(&s->r, 1);
    const dfs_conn two = rig_peer(&s->r, 2);
    const dfs_conn client = rig_client(&s->r);

    (void)state;
    assert_int_equal(brought(s, two, bring(s, two, &order, s->bytes, COUNT)), DFS_GRANT_INVALID);
    assert_int_equal(brought(s, client, bring(s, client, &order, s->bytes, COUNT)), DFS_GRANT_INVALID);
    order.target_mac[15] ^= 1;
    assert_int_equal(brought(s, one, bring(s, one, &order, s->bytes, COUNT)), DFS_GRANT_INVALID);
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 2);
    assert_int_equal(brought(s, one, bring(s, one, &order, s->bytes, COUNT)), DFS_GRANT_INVALID);
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 0);
    order.key_id++;
    assert_int_equal(brought(s, one, bring(s, one, &order, s->bytes, COUNT)), DFS_GRANT_EXPIRED);
    s->r.incarnations[0]--;
    order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 0);
    s->r.incarnations[0]++;
    assert_int_equal(brought(s, one, bring(s, one, &order, s->bytes, COUNT)), DFS_STALE_INCARNATION);
    down(s);
}

static void test_bad_copy_is_replaced_by_a_good_one(void **state)
{
    struct story *s = up(true);
    const struct dfs_w_order order = rig_order(&s->r, &s->block, COUNT, s->crc, 1, 0);
    const dfs_conn conn = rig_peer(&s->r, 1);
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct dfs_m_block_end end;
    struct fake_message m;
    uint32_t length, crc;
    uint8_t *got = malloc(COUNT);
    dfs_conn client;

    (void)state;
    rig_name(&s->block, name);
    fake_disk_file(&s->r.f, name)->bytes[9] ^= 1;
    client = rig_client(&s->r);
    (void)rig_collect(&s->r, client, rig_read(&s->r, client, &s->block, 0, COUNT), 0, got, COUNT, &end);
    assert_int_equal(end.status, DFS_BLOCK_CORRUPT);
    assert_int_equal(fake_expect(&s->r.f, s->r.control, DFS_MSG_BLOCK_EVENTS).body->block_events.changes[0].kind,
                     DFS_CHANGE_BAD);
    assert_int_equal(brought(s, conn, bring(s, conn, &order, s->bytes, COUNT)), DFS_OK);
    assert_true(dfs_block_file_check(fake_disk_file(&s->r.f, name)->bytes, fake_disk_file(&s->r.f, name)->count,
                                     &s->block, &length, &crc));
    m = fake_expect(&s->r.f, s->r.control, DFS_MSG_BLOCK_EVENTS);
    assert_int_equal(m.body->block_events.changes_count, 2);
    assert_int_equal(m.body->block_events.changes[0].kind, DFS_CHANGE_REMOVED);
    assert_int_equal(m.body->block_events.changes[1].kind, DFS_CHANGE_ADDED);
    assert_int_equal(rig_collect(&s->r, client, rig_read(&s->r, client, &s->block, 0, COUNT), 0, got, COUNT, &end),
                     COUNT);
    assert_int_equal(end.status, DFS_OK);
    assert_int_equal(rig_metric(&s->r, "blocks"), 1);
    free(got);
    down(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_brings_its_copy),
        cmocka_unit_test(test_bad_copy_is_never_a_source),
        cmocka_unit_test(test_orders_that_are_not_for_us_are_refused),
        cmocka_unit_test(test_target_out_of_reach_or_refusing_is_told),
        cmocka_unit_test(test_source_runs_a_bounded_number),
        cmocka_unit_test(test_target_stores_and_gives_its_receipt),
        cmocka_unit_test(test_target_takes_the_orders_bytes_only),
        cmocka_unit_test(test_target_believes_the_orders_source_only),
        cmocka_unit_test(test_bad_copy_is_replaced_by_a_good_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
