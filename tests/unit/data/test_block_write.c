/* BLOCK_WRITE: one server alone. */
#include "core/base/crc32c.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_block_is_stored_and_receipted(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[100000];
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct fake_message m;
    const struct dfs_w_receipt *receipt;
    const struct fake_file *file;
    uint32_t length, crc;

    (void)state;
    rig_init(&r);
    rig_start(&r);
    rig_join(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    const uint32_t request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    fake_disk_run(&r.f);

    m = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.request, request);
    assert_int_equal(m.body->block_written.status, DFS_OK);
    assert_int_equal(m.body->block_written.receipts_count, 1);
    receipt = &m.body->block_written.receipts[0];
    assert_true(rig_receipt_is_good(&r, receipt, 0));
    assert_int_equal(receipt->crc32c, dfs_crc32c(0, bytes, sizeof bytes));
    assert_int_equal(receipt->length_bytes, sizeof bytes);
    assert_int_equal(receipt->change, 1);
    assert_true(receipt->durable);

    rig_name(&block, name);
    file = fake_disk_file(&r.f, name);
    assert_non_null(file);
    assert_true(dfs_block_file_check(file->bytes, file->count, &block, &length, &crc));
    assert_int_equal(length, sizeof bytes);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    m = fake_expect(&r.f, r.control, DFS_MSG_BLOCK_EVENTS);
    assert_int_equal(m.body->block_events.first, 1);
    assert_int_equal(m.body->block_events.changes_count, 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_is_stored_and_receipted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
