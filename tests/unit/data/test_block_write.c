/* BLOCK_WRITE: one server alone. */
#include "core/base/crc32c.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void up(struct data_rig *r)
{
    rig_init(r);
    rig_start(r);
    rig_join(r);
    fake_forget(&r->f);
}

/* The status of the next BLOCK_WRITTEN; *ret_receipts how many came with it. */
static enum dfs_status outcome(struct data_rig *r, dfs_conn conn, uint32_t request, uint32_t *ret_receipts)
{
    const struct fake_message m = fake_expect(&r->f, conn, DFS_MSG_BLOCK_WRITTEN);

    assert_int_equal(m.request, request);
    if (ret_receipts != NULL)
        *ret_receipts = m.body->block_written.receipts_count;
    if (m.body->block_written.status != DFS_OK) {
        assert_int_equal(m.body->block_written.receipts_count, 0);
        assert_int_equal(m.body->block_written.failures_count, 1);
        assert_memory_equal(&m.body->block_written.failures[0].node, &r->nodes[0], DFS_ID_BYTES);
        assert_int_equal(m.body->block_written.failures[0].status, m.body->block_written.status);
    }
    return (enum dfs_status)m.body->block_written.status;
}

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

static void test_large_block_is_stored_frame_by_frame(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const size_t count = 1000001;
    uint8_t *bytes = malloc(count);
    char name[DFS_FILE_NAME_BYTES_MAX];
    const struct fake_file *file;
    uint32_t length, crc;

    (void)state;
    up(&r);
    rig_fill(bytes, count, 1);
    const dfs_conn conn = rig_client(&r);
    const uint32_t request = rig_write(&r, conn, &block, bytes, count, 1);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_OK);
    rig_name(&block, name);
    file = fake_disk_file(&r.f, name);
    assert_true(dfs_block_file_check(file->bytes, file->count, &block, &length, &crc));
    assert_int_equal(length, count);
    assert_memory_equal(file->bytes, bytes, count);
    assert_int_equal(crc, dfs_crc32c(0, bytes, count));
    assert_int_equal(rig_metric(&r, "memory_bytes"), 0);
    free(bytes);
    rig_close(&r);
}

static void test_nothing_is_said_before_the_directory_is_synced(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[1000];
    static const enum dfs_disk_verb order[] = {DFS_DISK_CREATE, DFS_DISK_WRITE, DFS_DISK_SYNC, DFS_DISK_PUBLISH,
                                               DFS_DISK_SYNC_DIR};

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    const uint32_t request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);

    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(fake_sent(&r.f, conn).number, 0);
        assert_int_equal(fake_sent(&r.f, r.control).number, 0);
        assert_int_equal(fake_disk_pending(&r.f, 0)->op.verb, order[i]);
        (void)fake_disk_one(&r.f);
    }
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_OK);
    rig_close(&r);
}

static void test_async_skips_the_syncs_and_says_so(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[1000];
    struct fake_message m;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    const struct dfs_m_block_write header = {.grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas),
                                             .attempt = 1,
                                             .length_bytes = sizeof bytes,
                                             .durability = DFS_DURABILITY_ASYNC};
    const uint64_t syncs = r.f.disk_done[DFS_DISK_SYNC] + r.f.disk_done[DFS_DISK_SYNC_DIR];

    fake_receive(&r.f, conn, 9, DFS_MSG_BLOCK_WRITE, &header, NULL, 0);
    rig_frames(&r, conn, 9, bytes, sizeof bytes, 0, sizeof bytes);
    fake_disk_run(&r.f);
    m = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.body->block_written.status, DFS_OK);
    assert_false(m.body->block_written.receipts[0].durable);
    assert_true(rig_receipt_is_good(&r, &m.body->block_written.receipts[0], 0));
    assert_int_equal(r.f.disk_done[DFS_DISK_SYNC] + r.f.disk_done[DFS_DISK_SYNC_DIR], syncs);
    /* A retry that wants more finds what is there, and is told what it is. */
    (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 2);
    fake_disk_run(&r.f);
    m = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.body->block_written.status, DFS_OK);
    assert_false(m.body->block_written.receipts[0].durable);
    rig_close(&r);
}

static void test_damaged_frame_fails_the_attempt(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[100000];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    uint32_t request = rig_write_header(&r, conn, &grant, 1, 0, sizeof bytes);
    struct dfs_w_crc crcs[2] = {{dfs_crc32c(0, bytes, DFS_CHUNK_BYTES)},
                                {dfs_crc32c(0, bytes + DFS_CHUNK_BYTES, sizeof bytes - DFS_CHUNK_BYTES)}};
    const struct dfs_m_block_data frame = {.crcs = crcs, .crcs_count = 2};

    bytes[99999] ^= 1;
    fake_receive(&r.f, conn, request, DFS_MSG_BLOCK_DATA, &frame, bytes, sizeof bytes);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_BLOCK_CORRUPT);
    fake_disk_run(&r.f);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    assert_int_equal(r.f.disk_done[DFS_DISK_PUBLISH], 1); /* the marker's */
    /* The connection lives, the next attempt goes through. */
    bytes[99999] ^= 1;
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 2);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_OK);
    assert_int_equal(rig_metric(&r, "frames_corrupt"), 1);
    rig_close(&r);
}

static void test_frames_of_a_refused_write_are_let_pass(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[300000];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    r.incarnations[0] = 99; /* the client has an old grant */
    const uint32_t request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_STALE_INCARNATION);
    assert_false(fake_conn_of(&r.f, conn)->closed);
    assert_int_equal(rig_metric(&r, "frames_discarded"), 3);
    assert_int_equal(rig_metric(&r, "memory_bytes"), 0);
    rig_close(&r);
}

static void test_what_the_grant_does_not_cover_is_refused(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0, 1};
    const unsigned others[] = {1, 2};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    struct dfs_w_grant grant;
    struct dfs_mac mac;
    uint32_t request;

    (void)state;
    up(&r);
    const dfs_conn conn = rig_client(&r);
    const dfs_conn peer = rig_peer(&r, 2);

    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    grant.replicas[0].mac[3] ^= 1; /* forged */
    request = rig_write_header(&r, conn, &grant, 1, 0, 100);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);

    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    grant.block.index++; /* for another block */
    request = rig_write_header(&r, conn, &grant, 1, 0, 100);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);

    grant = rig_grant(&r, &block, DFS_GRANT_READ, order, 1, replicas); /* to read */
    request = rig_write_header(&r, conn, &grant, 1, 0, 100);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);

    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, others, 2, replicas); /* on other servers */
    request = rig_write_header(&r, conn, &grant, 1, 0, 100);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);
    request = rig_write_header(&r, conn, &grant, 1, 5, 100); /* no such hop */
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);

    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    grant.length_max_bytes = 50; /* too long */
    mac = rig_mac(&r, 0, RIG_KEY_ID);
    dfs_grant_sign(&grant, 0, &mac);
    dfs_mac_close(&mac);
    request = rig_write_header(&r, conn, &grant, 1, 0, 51);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);

    r.bearer[0] ^= 1; /* somebody else's */
    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    request = rig_write_header(&r, conn, &grant, 1, 0, 100);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);

    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, (const unsigned[]){1, 0}, 2, replicas);
    request = rig_write_header(&r, conn, &grant, 1, 1, 100); /* a client at an inner hop */
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_INVALID);
    request = rig_write_header(&r, peer, &grant, 1, 1, 100); /* a server that is not in the grant */
    assert_int_equal(outcome(&r, peer, request, NULL), DFS_GRANT_INVALID);
    assert_int_equal(rig_metric(&r, "grants_refused"), 9);
    assert_int_equal(rig_metric(&r, "writes_running"), 0);
    rig_close(&r);
}

static void test_two_newest_keys_are_accepted(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    struct dfs_w_grant grant;
    struct dfs_w_grant_key keys[2] = {{.key_id = RIG_KEY_ID + 1}, {.key_id = RIG_KEY_ID}};
    const struct dfs_m_keys_update update = {.grant_keys = keys, .grant_keys_count = 2};
    struct dfs_key key;
    struct dfs_mac mac;
    uint8_t bytes[100];
    uint32_t request;
    struct fake_message m;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);

    grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    grant.key_id = RIG_KEY_ID - 1;
    mac = rig_mac(&r, 0, RIG_KEY_ID - 1);
    dfs_grant_sign(&grant, 0, &mac);
    dfs_mac_close(&mac);
    request = rig_write_header(&r, conn, &grant, 1, 0, sizeof bytes);
    rig_frames(&r, conn, request, bytes, sizeof bytes, 0, sizeof bytes);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_OK);

    for (unsigned i = 0; i < 2; i++) {
        dfs_node_key_derive(&r.root, &r.nodes[0], 100, keys[i].key_id, &key);
        memcpy(keys[i].key, key.bytes, sizeof keys[i].key);
    }
    fake_forget(&r.f);
    fake_receive(&r.f, r.control, 9, DFS_MSG_KEYS_UPDATE, &update, NULL, 0);
    m = fake_expect(&r.f, r.control, DFS_MSG_STATUS);
    assert_int_equal(m.request, 9);
    assert_int_equal(m.body->status.status, DFS_OK);
    request = rig_write_header(&r, conn, &grant, 2, 0, sizeof bytes);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_GRANT_EXPIRED);
    /* The one before the newest still is good, and receipts are under the newest. */
    (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 3);
    fake_disk_run(&r.f);
    m = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.body->block_written.receipts[0].key_id, RIG_KEY_ID + 1);
    assert_true(rig_receipt_is_good(&r, &m.body->block_written.receipts[0], 0));
    rig_close(&r);
}

static void test_server_that_has_not_joined_asks_for_patience(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[10] = {0};

    (void)state;
    rig_init(&r);
    rig_start(&r);
    const dfs_conn conn = rig_client(&r);
    const uint32_t request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_UNAVAILABLE);
    rig_close(&r);
}

static void test_same_bytes_again_give_the_same_receipt(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[300000];
    struct dfs_w_receipt first;
    struct fake_message m;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    fake_disk_run(&r.f);
    first = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN).body->block_written.receipts[0];
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        (void)rig_write(&r, conn, &block, bytes, sizeof bytes, attempt);
        fake_disk_run(&r.f);
        m = fake_expect(&r.f, conn, DFS_MSG_BLOCK_WRITTEN);
        assert_int_equal(m.body->block_written.status, DFS_OK);
        assert_memory_equal(&m.body->block_written.receipts[0], &first, sizeof first);
    }
    assert_int_equal(fake_traces(&r.f, DFS_TRACE_PUBLISHED), 1);
    assert_int_equal(r.f.disk_done[DFS_DISK_PUBLISH], 2); /* with the marker's */
    rig_close(&r);
}

static void test_other_bytes_are_refused(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[300000];
    uint32_t request;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    rig_store(&r, &block, bytes, sizeof bytes);
    const dfs_conn conn = rig_client(&r);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes - 1, 2);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_EXISTS);
    bytes[299999] ^= 1;
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 2);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_EXISTS);
    rig_close(&r);
}

static void test_name_that_was_taken_meanwhile_is_compared(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[100000];
    uint32_t first, second;

    (void)state;
    for (unsigned same = 0; same < 2; same++) {
        up(&r);
        rig_fill(bytes, sizeof bytes, 1);
        const dfs_conn conn = rig_client(&r);
        /* Both have all their bytes before either is published. */
        first = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        bytes[5] ^= (uint8_t)(1 - same);
        second = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        fake_disk_run(&r.f);
        assert_int_equal(outcome(&r, conn, first, NULL), DFS_OK);
        assert_int_equal(outcome(&r, conn, second, NULL), same ? DFS_OK : DFS_EXISTS);
        assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
        assert_int_equal(rig_metric(&r, "blocks"), 1);
        rig_close(&r);
    }
}

/* The block is here, and known to be rotten. */
static struct fake_file *rotten(struct data_rig *r, dfs_conn conn, const struct dfs_block_id *block,
                                const uint8_t *bytes, size_t count)
{
    const uint32_t request = rig_write(r, conn, block, bytes, count, 1);
    char name[DFS_FILE_NAME_BYTES_MAX];
    struct fake_file *file;

    fake_disk_run(&r->f);
    assert_int_equal(outcome(r, conn, request, NULL), DFS_OK);
    rig_name(block, name);
    file = fake_disk_file(&r->f, name);
    file->bytes[5] ^= 1;
    (void)rig_read(r, conn, block, 0, (uint32_t)count);
    fake_disk_run(&r->f);
    assert_int_equal(fake_traces(&r->f, DFS_TRACE_BLOCK_BAD), 1);
    fake_forget(&r->f);
    return file;
}

/* A footer says nothing of bytes that rot: a bad copy that cannot be removed is not taken for the new one. */
static void test_a_bad_copy_that_stays_is_not_vouched_for(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[1000];
    uint32_t request;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);

    (void)rotten(&r, conn, &block, bytes, sizeof bytes);
    const uint64_t free_bytes = rig_metric(&r, "free_bytes");

    fake_disk_fail(&r.f, DFS_DISK_REMOVE, 0, 1, DFS_IO);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_UNAVAILABLE);
    assert_int_equal(rig_metric(&r, "free_bytes"), free_bytes);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 2); /* the disk had its moment */
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_OK);
    assert_int_equal(rig_metric(&r, "free_bytes"), free_bytes);
    rig_close(&r);
}

/* Whoever replaces a bad copy removes it first, but not what another has put there: what a receipt was given for stands. */
static void test_two_who_replace_a_bad_copy_leave_one(void **state)
{
    const struct dfs_block_id block = rig_block(1);
    char name[DFS_FILE_NAME_BYTES_MAX];
    uint8_t bytes[1000];

    (void)state;
    rig_name(&block, name);
    rig_fill(bytes, sizeof bytes, 1);
    for (unsigned lead = 0; lead < 8; lead++) {
        struct data_rig r;

        up(&r);
        const dfs_conn conn = rig_client(&r);

        (void)rotten(&r, conn, &block, bytes, sizeof bytes);
        (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        for (unsigned i = 0; i < lead; i++)
            (void)fake_disk_one(&r.f);
        (void)rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        while (fake_disk_one(&r.f)) {
            if (fake_traces(&r.f, DFS_TRACE_PUBLISHED) > 0)
                assert_non_null(fake_disk_file(&r.f, name));
        }
        assert_true(fake_traces(&r.f, DFS_TRACE_PUBLISHED) > 0);
        rig_close(&r);
    }
}

static void test_higher_attempt_takes_over(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[200000];
    uint32_t first, second, third;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn one = rig_client(&r);
    const dfs_conn two = rig_client(&r);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);

    first = rig_write_header(&r, one, &grant, 1, 0, sizeof bytes);
    rig_frames(&r, one, first, bytes, sizeof bytes, 0, 2 * DFS_CHUNK_BYTES);
    second = rig_write_header(&r, two, &grant, 2, 0, sizeof bytes);
    assert_int_equal(outcome(&r, one, first, NULL), DFS_ABORTED);
    third = rig_write_header(&r, one, &grant, 1, 0, sizeof bytes); /* the older one comes late */
    assert_int_equal(outcome(&r, one, third, NULL), DFS_ABORTED);
    rig_frames(&r, two, second, bytes, sizeof bytes, 0, sizeof bytes);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, two, second, NULL), DFS_OK);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    rig_close(&r);
}

static void test_full_disk_refuses_and_gives_back(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[100000];
    uint32_t request;

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);

    /* The disk itself says so, at the creation and at a write. */
    fake_disk_fail(&r.f, DFS_DISK_CREATE, 0, 1, DFS_NO_SPACE);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_NO_SPACE);
    fake_disk_fail(&r.f, DFS_DISK_WRITE, 0, 1, DFS_NO_SPACE);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 2);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_NO_SPACE);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    assert_int_equal(rig_metric(&r, "free_bytes"), 1000000000);

    /* The reserve: 5 % of the disk stay free. */
    r.f.disk_free_bytes = 50000000 + 100100;
    rig_keep_alive(&r, 11 * DFS_SECONDS);
    request = rig_write(&r, conn, &block, bytes, sizeof bytes, 3);
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_OK);
    const struct dfs_block_id other = rig_block(2);
    request = rig_write(&r, conn, &other, bytes, sizeof bytes, 1);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_NO_SPACE);
    rig_close(&r);
}

static void test_failed_disk_gives_no_receipt(void **state)
{
    static const enum dfs_disk_verb verbs[] = {DFS_DISK_CREATE, DFS_DISK_WRITE, DFS_DISK_SYNC, DFS_DISK_PUBLISH,
                                               DFS_DISK_SYNC_DIR};
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[200000];
    char name[DFS_FILE_NAME_BYTES_MAX];
    uint32_t request;

    (void)state;
    rig_name(&block, name);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        up(&r);
        rig_fill(bytes, sizeof bytes, 1);
        const dfs_conn conn = rig_client(&r);
        const uint64_t syncs = r.f.disk_done[DFS_DISK_SYNC];

        fake_disk_fail(&r.f, verbs[i], 0, 1, DFS_IO);
        request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        fake_disk_run(&r.f);
        assert_int_equal(outcome(&r, conn, request, NULL), DFS_IO);
        /* A failed sync is not repeated: the other one is that of a probe whether the store can be written at all. */
        assert_true(r.f.disk_done[DFS_DISK_SYNC] <= syncs + 2);
        assert_null(fake_disk_file(&r.f, name));
        assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
        assert_int_equal(rig_metric(&r, "blocks"), 0);
        assert_int_equal(fake_sent(&r.f, r.control).number, 0); /* no event */
        assert_int_equal(rig_metric(&r, "memory_bytes"), 0);
        rig_close(&r);
    }
}

/* The disk takes the name, cannot sync it, and does not let it go either. */
static void test_name_that_was_not_synced_goes_when_the_disk_lets_it(void **state)
{
    const struct dfs_block_id block = rig_block(1);
    struct dfs_w_removal order = {.block = {.file = block.file, .index = block.index, .generation = block.generation},
                                  .reason = DFS_REMOVE_ORPHAN};
    const struct dfs_m_remove_block remove = {.blocks = &order, .blocks_count = 1};
    uint8_t bytes[100000];
    char name[DFS_FILE_NAME_BYTES_MAX];

    (void)state;
    rig_name(&block, name);
    rig_fill(bytes, sizeof bytes, 1);
    for (unsigned ordered = 0; ordered < 2; ordered++) {
        struct data_rig r;

        up(&r);
        const dfs_conn conn = rig_client(&r);

        fake_disk_fail(&r.f, DFS_DISK_SYNC_DIR, 0, 1, DFS_IO);
        fake_disk_fail(&r.f, DFS_DISK_REMOVE, 1, 1, DFS_IO); /* the first is a probe's (writable.c) */
        const uint32_t request = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
        fake_disk_run(&r.f);
        assert_int_equal(outcome(&r, conn, request, NULL), DFS_IO);
        assert_non_null(fake_disk_file(&r.f, name));
        assert_true(rig_metric(&r, "free_bytes") < 1000000000 - sizeof bytes);
        if (ordered > 0) {
            fake_receive(&r.f, r.control, 600, DFS_MSG_REMOVE_BLOCK, &remove, NULL, 0);
            fake_disk_run(&r.f);
            assert_int_equal(fake_expect(&r.f, r.control, DFS_MSG_REMOVE_DONE).body->remove_done.blocks[0].status,
                             DFS_OK);
        } else {
            rig_keep_alive(&r, 11 * DFS_SECONDS);
            fake_disk_run(&r.f);
        }
        assert_null(fake_disk_file(&r.f, name));
        assert_int_equal(rig_metric(&r, "free_bytes"), 1000000000);
        assert_int_equal(fake_traces(&r.f, DFS_TRACE_BLOCK_BAD), 0); /* it was no bad copy */
        rig_close(&r);
    }
}

static void test_several_names_that_were_not_synced_go(void **state)
{
    struct data_rig r;
    uint8_t bytes[100000];
    uint32_t requests[3];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);

    for (unsigned i = 0; i < 3; i++) {
        const struct dfs_block_id block = rig_block(i);

        requests[i] = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    }
    fake_disk_fail(&r.f, DFS_DISK_SYNC_DIR, 0, 3, DFS_IO);
    fake_disk_fail(&r.f, DFS_DISK_REMOVE, 1, 2, DFS_IO);
    fake_disk_run(&r.f);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(outcome(&r, conn, requests[i], NULL), DFS_IO);
    for (unsigned i = 0; i < 2; i++) {
        rig_keep_alive(&r, 11 * DFS_SECONDS);
        fake_disk_run(&r.f);
    }
    for (unsigned i = 0; i < 3; i++) {
        const struct dfs_block_id block = rig_block(i);
        char name[DFS_FILE_NAME_BYTES_MAX];

        rig_name(&block, name);
        assert_null(fake_disk_file(&r.f, name));
    }
    assert_int_equal(rig_metric(&r, "free_bytes"), 1000000000);
    rig_close(&r);
}

static void test_name_that_another_write_vouches_for_stays(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    uint8_t bytes[100000];
    char name[DFS_FILE_NAME_BYTES_MAX];
    uint32_t first, second;

    (void)state;
    rig_name(&block, name);
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    first = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    second = rig_write(&r, conn, &block, bytes, sizeof bytes, 1);
    fake_disk_fail(&r.f, DFS_DISK_SYNC_DIR, 0, 1, DFS_IO); /* the one that the first waits for */
    fake_disk_run(&r.f);
    assert_int_equal(outcome(&r, conn, first, NULL), DFS_IO);
    assert_int_equal(outcome(&r, conn, second, NULL), DFS_OK);
    assert_non_null(fake_disk_file(&r.f, name));
    assert_int_equal(rig_metric(&r, "blocks"), 1);
    assert_true(rig_metric(&r, "free_bytes") < 1000000000 - sizeof bytes);
    rig_close(&r);
}

static void test_sender_that_falls_silent_is_given_up(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[500000];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    const uint32_t request = rig_write_header(&r, conn, &grant, 1, 0, sizeof bytes);

    for (unsigned i = 0; i < 3; i++) { /* slow is not silent */
        rig_keep_alive(&r, r.config.request_timeout_ns - DFS_MILLISECONDS);
        rig_frames(&r, conn, request, bytes, sizeof bytes, i * 2 * DFS_CHUNK_BYTES, (i + 1) * 2 * DFS_CHUNK_BYTES);
    }
    rig_keep_alive(&r, r.config.request_timeout_ns + DFS_MILLISECONDS);
    assert_int_equal(outcome(&r, conn, request, NULL), DFS_TIMEOUT);
    fake_disk_run(&r.f);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    rig_close(&r);
}

static void test_sender_that_is_gone_is_given_up_unless_all_came(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const struct dfs_block_id other = rig_block(2);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[200000];
    char name[DFS_FILE_NAME_BYTES_MAX];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const dfs_conn conn = rig_client(&r);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);
    const uint32_t request = rig_write_header(&r, conn, &grant, 1, 0, sizeof bytes);

    rig_frames(&r, conn, request, bytes, sizeof bytes, 0, 2 * DFS_CHUNK_BYTES);
    (void)rig_write(&r, conn, &other, bytes, sizeof bytes, 1);
    fake_closed(&r.f, conn, DFS_UNREACHABLE);
    fake_disk_run(&r.f);
    rig_name(&block, name);
    assert_null(fake_disk_file(&r.f, name));
    rig_name(&other, name);
    assert_non_null(fake_disk_file(&r.f, name));
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    assert_int_equal(rig_metric(&r, "writes_running"), 0);
    rig_close(&r);
}

static void test_frames_out_of_order_close_the_connection(void **state)
{
    struct data_rig r;
    const struct dfs_block_id block = rig_block(1);
    const unsigned order[] = {0};
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    uint8_t bytes[300000];

    (void)state;
    up(&r);
    rig_fill(bytes, sizeof bytes, 1);
    const struct dfs_w_grant grant = rig_grant(&r, &block, DFS_GRANT_WRITE, order, 1, replicas);

    for (unsigned kind = 0; kind < 4; kind++) {
        const dfs_conn conn = rig_client(&r);
        const uint32_t request = rig_write_header(&r, conn, &grant, kind + 1, 0, 200000);
        struct dfs_w_crc crc = {dfs_crc32c(0, bytes, 100)};
        const struct dfs_m_block_data stump = {.crcs = &crc, .crcs_count = 1};
        const struct dfs_m_block_data bare = {.crcs = &crc, .crcs_count = 1};

        if (kind == 0) /* a gap */
            rig_frames(&r, conn, request, bytes, sizeof bytes, DFS_CHUNK_BYTES, 2 * DFS_CHUNK_BYTES);
        else if (kind == 1) /* more than was said */
            rig_frames(&r, conn, request, bytes, sizeof bytes, 0, sizeof bytes);
        else if (kind == 2) /* not whole chunks */
            fake_receive(&r.f, conn, request, DFS_MSG_BLOCK_DATA, &stump, bytes, 100);
        else /* no bytes at all */
            fake_receive(&r.f, conn, request, DFS_MSG_BLOCK_DATA, &bare, NULL, 0);
        assert_true(fake_conn_of(&r.f, conn)->closed);
    }
    fake_disk_run(&r.f);
    assert_int_equal(fake_disk_count(&r.f, ".tmp-"), 0);
    assert_int_equal(rig_metric(&r, "peers_bad"), 4);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_is_stored_and_receipted),
        cmocka_unit_test(test_large_block_is_stored_frame_by_frame),
        cmocka_unit_test(test_nothing_is_said_before_the_directory_is_synced),
        cmocka_unit_test(test_async_skips_the_syncs_and_says_so),
        cmocka_unit_test(test_damaged_frame_fails_the_attempt),
        cmocka_unit_test(test_frames_of_a_refused_write_are_let_pass),
        cmocka_unit_test(test_what_the_grant_does_not_cover_is_refused),
        cmocka_unit_test(test_two_newest_keys_are_accepted),
        cmocka_unit_test(test_server_that_has_not_joined_asks_for_patience),
        cmocka_unit_test(test_same_bytes_again_give_the_same_receipt),
        cmocka_unit_test(test_other_bytes_are_refused),
        cmocka_unit_test(test_name_that_was_taken_meanwhile_is_compared),
        cmocka_unit_test(test_a_bad_copy_that_stays_is_not_vouched_for),
        cmocka_unit_test(test_two_who_replace_a_bad_copy_leave_one),
        cmocka_unit_test(test_higher_attempt_takes_over),
        cmocka_unit_test(test_full_disk_refuses_and_gives_back),
        cmocka_unit_test(test_failed_disk_gives_no_receipt),
        cmocka_unit_test(test_name_that_was_not_synced_goes_when_the_disk_lets_it),
        cmocka_unit_test(test_several_names_that_were_not_synced_go),
        cmocka_unit_test(test_name_that_another_write_vouches_for_stays),
        cmocka_unit_test(test_sender_that_falls_silent_is_given_up),
        cmocka_unit_test(test_sender_that_is_gone_is_given_up_unless_all_came),
        cmocka_unit_test(test_frames_out_of_order_close_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
