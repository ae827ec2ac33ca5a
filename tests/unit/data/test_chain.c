/* BLOCK_WRITE handed on: the primary and the servers behind it. The test plays server 1 and 2. */
#include "core/base/crc32c.h"
#include "tests/support/data_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT 300000u /* three frames of the rig */

static const unsigned chain_order[] = {0, 1, 2};

struct chain {
    struct data_rig r;
    struct dfs_block_id block;
    struct dfs_w_replica replicas[DFS_REPLICAS_MAX];
    struct dfs_w_grant grant;
    uint8_t bytes[COUNT];
    dfs_conn client;
    uint32_t request;
};

static void up(struct chain *c)
{
    rig_init(&c->r);
    rig_start(&c->r);
    rig_join(&c->r);
    fake_forget(&c->r.f);
    c->block = rig_block(1);
    rig_fill(c->bytes, COUNT, 1);
    c->grant = rig_grant(&c->r, &c->block, DFS_GRANT_WRITE, chain_order, 3, c->replicas);
    c->client = rig_client(&c->r);
}

static void begin(struct chain *c, uint32_t attempt)
{
    c->request = rig_write_header(&c->r, c->client, &c->grant, attempt, 0, COUNT);
}

/* The newest connection to another server: it says HELLO, then BLOCK_WRITE. */
static dfs_conn next_hop(struct chain *c, unsigned node, unsigned hop, uint32_t *ret_request)
{
    const dfs_conn conn = fake_connected(&c->r.f);
    struct fake_message m;

    assert_int_equal(fake_conn_of(&c->r.f, conn)->role, DFS_ROLE_DATA);
    assert_memory_equal(&fake_conn_of(&c->r.f, conn)->node, &c->r.nodes[node], DFS_ID_BYTES);
    assert_memory_equal(&fake_conn_of(&c->r.f, conn)->to, &c->r.addrs[node], sizeof(struct dfs_addr));
    m = fake_expect(&c->r.f, conn, DFS_MSG_HELLO);
    assert_int_equal(m.body->hello.token.count, 0);
    m = fake_expect(&c->r.f, conn, DFS_MSG_BLOCK_WRITE);
    assert_int_equal(m.body->block_write.hop, hop);
    assert_int_equal(m.body->block_write.length_bytes, COUNT);
    assert_int_equal(m.body->block_write.grant.replicas_count, 3);
    assert_memory_equal(m.body->block_write.grant.replicas[2].mac, c->replicas[2].mac, 16);
    *ret_request = m.request;
    return conn;
}

/* All frames that wait there; returns how far the block has come. */
static uint32_t take_frames(struct chain *c, dfs_conn conn, uint32_t request, uint32_t from)
{
    struct fake_conn *f = fake_conn_of(&c->r.f, conn);

    for (;;) {
        const size_t at = f->out_at;
        const struct fake_message m = fake_sent(&c->r.f, conn);

        if (m.number != DFS_MSG_BLOCK_DATA) {
            f->out_at = at;
            return from;
        }
        assert_int_equal(m.request, request);
        assert_int_equal(m.body->block_data.offset, from);
        assert_memory_equal(m.bulk, c->bytes + from, m.bulk_count);
        for (uint32_t i = 0; i < m.body->block_data.crcs_count; i++) {
            const size_t begin_at = (size_t)i * DFS_CHUNK_BYTES;
            const size_t left = m.bulk_count - begin_at;

            assert_int_equal(m.body->block_data.crcs[i].crc32c,
                             dfs_crc32c(0, m.bulk + begin_at, left < DFS_CHUNK_BYTES ? left : DFS_CHUNK_BYTES));
        }
        from += (uint32_t)m.bulk_count;
    }
}

static struct dfs_w_receipt receipt_of(struct chain *c, unsigned node)
{
    struct dfs_w_receipt receipt = {.block = c->grant.block,
                                    .length_bytes = COUNT,
                                    .crc32c = dfs_crc32c(0, c->bytes, COUNT),
                                    .node = c->r.nodes[node],
                                    .incarnation = c->r.incarnations[node],
                                    .change = 9,
                                    .durable = 1,
                                    .key_id = RIG_KEY_ID};
    struct dfs_mac mac = rig_mac(&c->r, node, RIG_KEY_ID);

    dfs_receipt_sign(&receipt, &mac);
    dfs_mac_close(&mac);
    return receipt;
}

/* The other server answers: receipts of `stored`, failures of `failed` (both may be empty). */
static void answer(struct chain *c, dfs_conn conn, uint32_t request, enum dfs_status status, const unsigned *stored,
                   uint32_t stored_count, const unsigned *failed, uint32_t failed_count)
{
    struct dfs_w_receipt receipts[4];
    struct dfs_w_failure failures[4];
    const struct dfs_m_block_written message = {.block = c->grant.block,
                                                .attempt = 1,
                                                .status = (uint8_t)status,
                                                .receipts = receipts,
                                                .receipts_count = stored_count,
                                                .failures = failures,
                                                .failures_count = failed_count};

    for (uint32_t i = 0; i < stored_count; i++)
        receipts[i] = receipt_of(c, stored[i]);
    for (uint32_t i = 0; i < failed_count; i++)
        failures[i] = (struct dfs_w_failure){.node = c->r.nodes[failed[i]], .status = DFS_TIMEOUT};
    fake_receive(&c->r.f, conn, request, DFS_MSG_BLOCK_WRITTEN, &message, NULL, 0);
}

/* What the client hears at the end. */
static void expect_outcome(struct chain *c, const unsigned *stored, uint32_t stored_count, const unsigned *failed,
                           uint32_t failed_count, enum dfs_status failure)
{
    const struct fake_message m = fake_expect(&c->r.f, c->client, DFS_MSG_BLOCK_WRITTEN);
    const struct dfs_m_block_written *w = &m.body->block_written;

    assert_int_equal(m.request, c->request);
    assert_int_equal(w->status, DFS_OK);
    assert_int_equal(w->receipts_count, stored_count);
    for (uint32_t i = 0; i < stored_count; i++)
        assert_true(rig_receipt_is_good(&c->r, &w->receipts[i], stored[i]));
    assert_int_equal(w->failures_count, failed_count);
    for (uint32_t i = 0; i < failed_count; i++) {
        assert_memory_equal(&w->failures[i].node, &c->r.nodes[failed[i]], DFS_ID_BYTES);
        assert_int_equal(w->failures[i].status, failure);
    }
    assert_int_equal(rig_metric(&c->r, "writes_running"), 0);
}

static const unsigned n0[] = {0}, n12[] = {1, 2}, n012[] = {0, 1, 2}, n1[] = {1}, n2[] = {2}, n01[] = {0, 1},
                      n02[] = {0, 2};

static void test_frames_are_handed_on_as_they_come(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request, at = 0;

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    for (uint32_t from = 0; from < COUNT; from += 2 * DFS_CHUNK_BYTES) {
        const uint32_t to = from + 2 * DFS_CHUNK_BYTES < COUNT ? from + 2 * DFS_CHUNK_BYTES : COUNT;

        /* Before the connection is open, before our own disk has answered. */
        rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, from, to);
        at = take_frames(c, hop, request, at);
        assert_int_equal(at, to);
    }
    assert_int_equal(c->r.f.disk_done[DFS_DISK_READ], 1); /* the marker: no byte is read again */
    fake_open(&c->r.f, hop);
    fake_sent_all(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    assert_int_equal(fake_sent(&c->r.f, c->client).number, 0); /* ours is stored, theirs is not */
    answer(c, hop, request, DFS_OK, n12, 2, NULL, 0);
    expect_outcome(c, n012, 3, NULL, 0, DFS_OK);
    assert_int_equal(rig_metric(&c->r, "memory_bytes"), 0);
    rig_close(&c->r);
    free(c);
}

static void test_fast_successor_waits_for_our_disk(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request;

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    while (fake_conn_of(&c->r.f, hop)->bulks_count > 0)
        fake_sent_one(&c->r.f, hop);
    answer(c, hop, request, DFS_OK, n12, 2, NULL, 0);
    assert_int_equal(fake_sent(&c->r.f, c->client).number, 0); /* our own disk has not answered */
    fake_disk_run(&c->r.f);
    expect_outcome(c, n012, 3, NULL, 0, DFS_OK);
    rig_close(&c->r);
    free(c);
}

static void test_unreachable_hop_is_skipped_from_our_own_copy(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request, at;

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, 2 * DFS_CHUNK_BYTES);
    fake_closed(&c->r.f, hop, DFS_UNREACHABLE);
    hop = next_hop(c, 2, 2, &request);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 2 * DFS_CHUNK_BYTES, COUNT);
    fake_open(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    at = take_frames(c, hop, request, 0);
    fake_sent_all(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    assert_int_equal(take_frames(c, hop, request, at), COUNT);
    answer(c, hop, request, DFS_OK, n2, 1, NULL, 0);
    expect_outcome(c, n02, 2, n1, 1, DFS_UNREACHABLE);
    assert_int_equal(rig_metric(&c->r, "hops_skipped"), 1);
    rig_close(&c->r);
    free(c);
}

static void test_mute_hop_is_skipped_in_time(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn first, hop;
    uint32_t request;
    dfs_time_ns begun;

    (void)state;
    up(c);
    begin(c, 1);
    first = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, first);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_sent_all(&c->r.f, first);
    fake_disk_run(&c->r.f);
    begun = c->r.f.mono;
    rig_keep_alive(&c->r, c->r.config.hop_timeout_ns - DFS_MILLISECONDS);
    assert_int_equal(fake_connected(&c->r.f), first);
    rig_keep_alive(&c->r, 100 * DFS_MILLISECONDS);
    assert_true(fake_conn_of(&c->r.f, first)->closed); /* it never said a word: it may be half open */
    hop = next_hop(c, 2, 2, &request);
    assert_true(c->r.f.mono - begun < c->r.config.hop_timeout_ns + 200 * DFS_MILLISECONDS);
    fake_open(&c->r.f, hop);
    fake_sent_all(&c->r.f, hop);
    assert_int_equal(take_frames(c, hop, request, 0), COUNT);
    answer(c, hop, request, DFS_OK, n2, 1, NULL, 0);
    expect_outcome(c, n02, 2, n1, 1, DFS_TIMEOUT);
    rig_close(&c->r);
    free(c);
}

static void test_slow_hop_is_not_skipped_while_it_moves(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request;

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_disk_run(&c->r.f);
    for (unsigned i = 0; i < 3; i++) {
        rig_keep_alive(&c->r, c->r.config.hop_timeout_ns - 100 * DFS_MILLISECONDS);
        fake_sent_one(&c->r.f, hop);
    }
    rig_keep_alive(&c->r, c->r.config.hop_timeout_ns - 100 * DFS_MILLISECONDS);
    answer(c, hop, request, DFS_OK, n12, 2, NULL, 0);
    expect_outcome(c, n012, 3, NULL, 0, DFS_OK);
    rig_close(&c->r);
    free(c);
}

static void test_inner_hop_gives_up_sooner(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    const unsigned order[] = {1, 0, 2};
    dfs_conn peer, hop;
    struct fake_message m;
    dfs_time_ns begun;

    (void)state;
    up(c);
    c->grant = rig_grant(&c->r, &c->block, DFS_GRANT_WRITE, order, 3, c->replicas);
    peer = rig_peer(&c->r, 1);
    c->request = rig_write_header(&c->r, peer, &c->grant, 1, 1, COUNT);
    hop = fake_connected(&c->r.f);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, peer, c->request, c->bytes, COUNT, 0, COUNT);
    fake_disk_run(&c->r.f);
    fake_sent_all(&c->r.f, hop);
    begun = c->r.f.mono;
    do
        rig_keep_alive(&c->r, 10 * DFS_MILLISECONDS);
    while ((m = fake_sent(&c->r.f, peer)).number == 0);
    assert_true(c->r.f.mono - begun <= c->r.config.hop_timeout_ns / 2 + 50 * DFS_MILLISECONDS);
    assert_int_equal(m.number, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.body->block_written.status, DFS_OK);
    assert_int_equal(m.body->block_written.receipts_count, 1);
    assert_int_equal(m.body->block_written.failures_count, 1);
    rig_close(&c->r);
    free(c);
}

static void test_failures_behind_the_hop_are_told(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request;

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_sent_all(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    answer(c, hop, request, DFS_OK, n1, 1, n2, 1);
    expect_outcome(c, n01, 2, n2, 1, DFS_TIMEOUT); /* and 2 is not tried again: 1 has tried */
    rig_close(&c->r);
    free(c);
}

static void test_refusing_hop_is_followed_by_the_next(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request;

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    answer(c, hop, request, DFS_NO_SPACE, NULL, 0, NULL, 0); /* in the middle of the frames */
    assert_false(fake_conn_of(&c->r.f, hop)->closed);
    hop = next_hop(c, 2, 2, &request);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_sent_all(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    answer(c, hop, request, DFS_OK, n2, 1, NULL, 0);
    expect_outcome(c, n02, 2, n1, 1, DFS_NO_SPACE);
    rig_close(&c->r);
    free(c);
}

static void test_all_hops_gone_leaves_our_receipt(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    uint32_t request;

    (void)state;
    up(c);
    begin(c, 1);
    fake_closed(&c->r.f, next_hop(c, 1, 1, &request), DFS_UNREACHABLE);
    fake_closed(&c->r.f, next_hop(c, 2, 2, &request), DFS_UNREACHABLE);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_disk_run(&c->r.f);
    expect_outcome(c, n0, 1, n12, 2, DFS_UNREACHABLE);
    rig_close(&c->r);
    free(c);
}

static void test_dead_pooled_connection_is_replaced_by_a_fresh_one(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn old, hop;
    uint32_t request;
    struct fake_message m;

    (void)state;
    up(c);
    begin(c, 1);
    old = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, old);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_sent_all(&c->r.f, old);
    fake_disk_run(&c->r.f);
    answer(c, old, request, DFS_OK, n12, 2, NULL, 0);
    expect_outcome(c, n012, 3, NULL, 0, DFS_OK);
    (void)take_frames(c, old, request, 0);

    /* The next block goes over the same connection; the other side was restarted meanwhile. */
    c->block = rig_block(2);
    c->grant = rig_grant(&c->r, &c->block, DFS_GRANT_WRITE, chain_order, 3, c->replicas);
    begin(c, 1);
    assert_int_equal(fake_connected(&c->r.f), old);
    m = fake_expect(&c->r.f, old, DFS_MSG_BLOCK_WRITE);
    assert_int_not_equal(m.request, request);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, 2 * DFS_CHUNK_BYTES);
    fake_closed(&c->r.f, old, DFS_OK);
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 2 * DFS_CHUNK_BYTES, COUNT);
    fake_disk_run(&c->r.f);
    fake_sent_all(&c->r.f, hop);
    assert_int_equal(take_frames(c, hop, request, 0), COUNT);
    answer(c, hop, request, DFS_OK, n12, 2, NULL, 0);
    expect_outcome(c, n012, 3, NULL, 0, DFS_OK);
    rig_close(&c->r);
    free(c);
}

static void test_hop_that_lags_is_fed_from_the_disk(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    const uint32_t count = 20 * 2 * DFS_CHUNK_BYTES;
    uint8_t *bytes = malloc(count);
    const unsigned order[] = {0, 1};
    dfs_conn hop;
    struct fake_message m;
    uint32_t request, at = 0;

    (void)state;
    up(c);
    rig_fill(bytes, count, 2);
    c->grant = rig_grant(&c->r, &c->block, DFS_GRANT_WRITE, order, 2, c->replicas);
    c->request = rig_write_header(&c->r, c->client, &c->grant, 1, 0, count);
    hop = fake_connected(&c->r.f);
    fake_open(&c->r.f, hop);
    (void)fake_expect(&c->r.f, hop, DFS_MSG_HELLO);
    request = fake_expect(&c->r.f, hop, DFS_MSG_BLOCK_WRITE).request;
    rig_frames(&c->r, c->client, c->request, bytes, count, 0, count);
    fake_disk_run(&c->r.f);
    assert_int_equal(fake_conn_of(&c->r.f, hop)->bulks_count, 8); /* no more than the window is held */
    assert_true(rig_metric(&c->r, "memory_bytes") <= 8 * (2 * DFS_CHUNK_BYTES + DFS_BULK_SLACK_BYTES));
    fake_sent_all(&c->r.f, hop);
    while ((m = fake_sent(&c->r.f, hop)).number == DFS_MSG_BLOCK_DATA) {
        assert_int_equal(m.request, request);
        assert_int_equal(m.body->block_data.offset, at);
        assert_memory_equal(m.bulk, bytes + at, m.bulk_count);
        at += (uint32_t)m.bulk_count;
    }
    assert_int_equal(at, count);
    assert_true(rig_metric(&c->r, "frames_lagged") >= 12);
    free(bytes);
    rig_close(&c->r);
    free(c);
}

static void test_own_copy_that_cannot_be_read_back_is_our_failure(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    uint32_t request;
    struct fake_message m;

    (void)state;
    up(c);
    begin(c, 1);
    (void)next_hop(c, 1, 1, &request);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, 2 * DFS_CHUNK_BYTES);
    fake_disk_run(&c->r.f);
    fake_disk_fail(&c->r.f, DFS_DISK_READ, 0, 2, DFS_IO);
    fake_closed(&c->r.f, fake_connected(&c->r.f), DFS_UNREACHABLE);
    fake_open(&c->r.f, fake_connected(&c->r.f));
    fake_disk_run(&c->r.f);
    m = fake_expect(&c->r.f, c->client, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.body->block_written.status, DFS_IO);
    assert_int_equal(m.body->block_written.receipts_count, 0);
    assert_int_equal(fake_disk_count(&c->r.f, ".tmp-"), 0);
    rig_close(&c->r);
    free(c);
}

static void test_retry_over_a_stored_block_hands_on_our_own_bytes(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request;

    (void)state;
    up(c);
    rig_store(&c->r, &c->block, c->bytes, COUNT);
    begin(c, 2);
    fake_disk_run(&c->r.f); /* the footer */
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    fake_sent_all(&c->r.f, hop);
    assert_int_equal(take_frames(c, hop, request, 0), COUNT); /* not one frame of the client's was needed */
    answer(c, hop, request, DFS_OK, n12, 2, NULL, 0);
    assert_int_equal(fake_sent(&c->r.f, c->client).number, 0);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_disk_run(&c->r.f);
    expect_outcome(c, n012, 3, NULL, 0, DFS_OK);
    rig_close(&c->r);
    free(c);
}

static void test_earlier_hop_goes_past_the_one_between(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    const unsigned order[] = {1, 2, 0};
    dfs_conn from_two, from_one;
    uint32_t two, one;
    struct fake_message m;

    (void)state;
    up(c);
    c->grant = rig_grant(&c->r, &c->block, DFS_GRANT_WRITE, order, 3, c->replicas);
    from_two = rig_peer(&c->r, 2);
    from_one = rig_peer(&c->r, 1);
    two = rig_write_header(&c->r, from_two, &c->grant, 1, 2, COUNT);
    rig_frames(&c->r, from_two, two, c->bytes, COUNT, 0, 2 * DFS_CHUNK_BYTES);
    /* The primary gave up on the hop between and comes itself. */
    one = rig_write_header(&c->r, from_one, &c->grant, 1, 2, COUNT);
    m = fake_expect(&c->r.f, from_two, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.request, two);
    assert_int_equal(m.body->block_written.status, DFS_ABORTED);
    (void)rig_write_header(&c->r, from_two, &c->grant, 1, 2, COUNT);
    assert_int_equal(fake_expect(&c->r.f, from_two, DFS_MSG_BLOCK_WRITTEN).body->block_written.status, DFS_UNAVAILABLE);
    rig_frames(&c->r, from_one, one, c->bytes, COUNT, 0, COUNT);
    fake_disk_run(&c->r.f);
    m = fake_expect(&c->r.f, from_one, DFS_MSG_BLOCK_WRITTEN);
    assert_int_equal(m.request, one);
    assert_int_equal(m.body->block_written.status, DFS_OK);
    assert_int_equal(m.body->block_written.receipts_count, 1);
    rig_close(&c->r);
    free(c);
}

static void test_strangers_receipts_are_not_handed_up(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request;
    struct dfs_w_receipt receipts[4];
    struct dfs_m_block_written message = {.receipts = receipts, .receipts_count = 4, .attempt = 1};

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_sent_all(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    message.block = c->grant.block;
    receipts[0] = receipt_of(c, 1);
    receipts[1] = receipt_of(c, 1); /* twice */
    receipts[2] = receipt_of(c, 3); /* of nobody in the grant */
    receipts[3] = receipt_of(c, 2);
    receipts[3].block.index++; /* for another block */
    fake_receive(&c->r.f, hop, request, DFS_MSG_BLOCK_WRITTEN, &message, NULL, 0);
    /* Server 2 is in neither list, so it is tried. */
    fake_closed(&c->r.f, next_hop(c, 2, 2, &request), DFS_UNREACHABLE);
    expect_outcome(c, n01, 2, n2, 1, DFS_UNREACHABLE);
    rig_close(&c->r);
    free(c);
}

static void test_idle_connections_are_closed(void **state)
{
    struct chain *c = calloc(1, sizeof *c);
    dfs_conn hop;
    uint32_t request;

    (void)state;
    up(c);
    begin(c, 1);
    hop = next_hop(c, 1, 1, &request);
    fake_open(&c->r.f, hop);
    rig_frames(&c->r, c->client, c->request, c->bytes, COUNT, 0, COUNT);
    fake_sent_all(&c->r.f, hop);
    fake_disk_run(&c->r.f);
    answer(c, hop, request, DFS_OK, n12, 2, NULL, 0);
    rig_keep_alive(&c->r, 100 * DFS_SECONDS);
    assert_false(fake_conn_of(&c->r.f, hop)->closed);
    rig_keep_alive(&c->r, 40 * DFS_SECONDS);
    assert_true(fake_conn_of(&c->r.f, hop)->closed);
    assert_false(fake_conn_of(&c->r.f, c->client)->closed);
    rig_keep_alive(&c->r, 200 * DFS_SECONDS);
    assert_true(fake_conn_of(&c->r.f, c->client)->closed);
    rig_close(&c->r);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_handed_on_as_they_come),
        cmocka_unit_test(test_fast_successor_waits_for_our_disk),
        cmocka_unit_test(test_unreachable_hop_is_skipped_from_our_own_copy),
        cmocka_unit_test(test_mute_hop_is_skipped_in_time),
        cmocka_unit_test(test_slow_hop_is_not_skipped_while_it_moves),
        cmocka_unit_test(test_inner_hop_gives_up_sooner),
        cmocka_unit_test(test_failures_behind_the_hop_are_told),
        cmocka_unit_test(test_refusing_hop_is_followed_by_the_next),
        cmocka_unit_test(test_all_hops_gone_leaves_our_receipt),
        cmocka_unit_test(test_dead_pooled_connection_is_replaced_by_a_fresh_one),
        cmocka_unit_test(test_hop_that_lags_is_fed_from_the_disk),
        cmocka_unit_test(test_own_copy_that_cannot_be_read_back_is_our_failure),
        cmocka_unit_test(test_retry_over_a_stored_block_hands_on_our_own_bytes),
        cmocka_unit_test(test_earlier_hop_goes_past_the_one_between),
        cmocka_unit_test(test_strangers_receipts_are_not_handed_up),
        cmocka_unit_test(test_idle_connections_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
