/* How a file comes in: PUT_OPEN, PUT_PLACE, PUT_COMMIT, PUT_ABORT. */
#include "tests/support/clients_test.h"

#include <stdio.h>
#include <string.h>

static uint64_t uploads_open(void)
{
    struct dfs_meta_accounting accounting;

    dfs_meta_account(r.n.meta, &accounting);
    return accounting.uploads_open;
}

static uint32_t blocks_stored(void)
{
    uint32_t blocks = 0;

    for (unsigned n = 0; n < NRIG_NODES; n++)
        blocks += r.n.nodes[n].blocks_count;
    return blocks;
}

/* The way of a file -------------------------------------------------------------------------------------- */

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
    assert_int_equal(r.upload.grants[3].length_max_bytes, 250000);
    assert_int_equal(crig_version(&r, ann, "a/one"), 0);
    crig_store_all(&r);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    assert_int_equal(done.version, 1);
    assert_int_equal(done.blocks, 4);
    assert_int_equal(done.replicas_durable, 3);
    assert_int_equal(crig_version(&r, ann, "a/one"), 1);
    assert_int_equal(fake_traces(&r.n.f, DFS_TRACE_COMMITTED), 1);
    assert_string_equal(fake_trace_last(&r.n.f, DFS_TRACE_COMMITTED)->text, "a/one");
    assert_int_equal(fake_trace_last(&r.n.f, DFS_TRACE_COMMITTED)->a, 1000000);

    in = crig_ask(&r, ann, DFS_MSG_GET_OPEN, &get);
    assert_int_equal(in.number, DFS_MSG_GET_PLAN);
    assert_int_equal(in.body->get_plan.size_bytes, 1000000);
    assert_int_equal(in.body->get_plan.plan_count, 4);
    assert_int_equal(in.body->get_plan.plan[2].grant.replicas_count, 3);
    assert_int_equal(in.body->get_plan.plan[2].grant.operation, DFS_GRANT_READ);
    assert_int_equal(uploads_open(), 0);
    nrig_assert_quiet(&r.n);
}

static void an_empty_file_is_a_file(void **state)
{
    (void)state;
    assert_int_equal(crig_put(&r, ann, "empty", 0), DFS_OK);
    assert_int_equal(crig_version(&r, ann, "empty"), 1);
}

static void a_large_file_comes_in_pages(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "big", UINT64_C(1000000000));

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    assert_int_equal(r.upload.blocks, 100);
    assert_int_equal(r.upload.grants[63].replicas_count, 3);
    assert_int_equal(r.upload.grants[64].replicas_count, 0);
    assert_int_equal(crig_place(&r, ann, 64, 64, 1, NULL, 0), DFS_OK);
    assert_int_equal(r.upload.grants[99].replicas_count, 3);
    crig_store_all(&r);
    assert_true(r.upload.receipts_count > DFS_RECEIPT_PAGE_MAX);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_OK);
    /* nothing to place any more */
    assert_int_equal(crig_place(&r, ann, 64, 1, 1, NULL, 0), DFS_LEASE_EXPIRED);
    nrig_assert_quiet(&r.n);
}

static void a_stream_of_unknown_size_is_placed_as_it_goes(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "stream", DFS_SIZE_UNKNOWN);
    const struct dfs_m_get_open get = {.path = dfs_text_of("stream"), .first_block = 2};
    struct fake_message in;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    assert_int_equal(r.upload.blocks, 0);
    assert_int_equal(r.upload.block_size_bytes, 4000000);
    assert_int_equal(crig_place(&r, ann, 5, 1, 1, NULL, 0), DFS_BAD_REQUEST); /* no gaps */
    assert_int_equal(crig_place(&r, ann, 0, 2, 1, NULL, 0), DFS_OK);
    assert_int_equal(crig_place(&r, ann, 2, 2, 1, NULL, 0), DFS_OK);
    crig_store(&r, 0, 4000000, 0);
    crig_store(&r, 1, 4000000, 0);
    crig_store(&r, 2, 17, 0);
    r.upload.blocks = 3; /* the fourth was not needed */
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_OK);
    in = crig_ask(&r, ann, DFS_MSG_GET_OPEN, &get);
    assert_int_equal(in.body->get_plan.size_bytes, 8000017);
    assert_int_equal(in.body->get_plan.first_offset, 8000000);
    assert_int_equal(in.body->get_plan.plan_count, 1);
}

/* Said twice --------------------------------------------------------------------------------------------- */

static void the_same_operation_opens_one_upload(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);
    struct dfs_id file;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    file = r.upload.file;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    assert_true(dfs_id_equal(&file, &r.upload.file));
    assert_int_equal(uploads_open(), 1);
    open.path = dfs_text_of("b");
    assert_int_equal(crig_open(&r, ann, &open), DFS_BAD_REQUEST);
    assert_int_equal(uploads_open(), 1);
}

static void the_same_placement_is_granted_again(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);
    struct dfs_id first;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    first = r.upload.replicas[1][0].node;
    assert_int_equal(crig_place(&r, ann, 1, 1, 1, NULL, 0), DFS_OK);
    assert_true(dfs_id_equal(&first, &r.upload.replicas[1][0].node));
    const unsigned bad = crig_node_of(&r, &first);

    assert_int_equal(crig_place(&r, ann, 1, 1, 2, &bad, 1), DFS_OK);
    assert_int_equal(r.upload.grants[1].block.generation, 2);
    first = r.upload.replicas[1][0].node;
    assert_int_not_equal(crig_node_of(&r, &first), bad);
    assert_int_equal(crig_place(&r, ann, 1, 1, 2, &bad, 1), DFS_OK);
    assert_int_equal(r.upload.grants[1].block.generation, 2);
    assert_true(dfs_id_equal(&first, &r.upload.replicas[1][0].node));
    assert_int_equal(crig_place(&r, ann, 1, 1, 4, NULL, 0), DFS_BAD_REQUEST); /* 3 comes before 4 */
    assert_int_equal(crig_place(&r, ann, 4, 1, 1, NULL, 0), DFS_BAD_REQUEST);
}

/* What is believed --------------------------------------------------------------------------------------- */

static void receipts_are_believed_under_their_nodes_mac_only(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    struct dfs_w_receipt good;
    struct dfs_w_receipt *receipt = &r.upload.receipts[0];

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    good = *receipt;
    receipt->crc32c ^= 1;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
    *receipt = good;
    receipt->durable = 0;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
    *receipt = good;
    receipt->mac[3] ^= 0x10;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
    *receipt = good;
    receipt->incarnation++;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
    *receipt = good;
    receipt->block.index = 1; /* the upload has no such block */
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_BAD_REQUEST);
    *receipt = good;
    receipt->block.file.bytes[0] ^= 1;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_BAD_REQUEST);
    *receipt = good;
    assert_int_equal(crig_version(&r, ann, "a"), 0);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_OK);
}

static void a_receipt_of_a_node_that_was_not_asked_is_worth_nothing(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    struct dfs_w_receipt *receipt = &r.upload.receipts[0];
    unsigned stranger = 0;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    for (unsigned i = 0; i < 3; i++)
        stranger += crig_node_of(&r, &r.upload.replicas[0][i].node);
    stranger = 0 + 1 + 2 + 3 - stranger; /* the one of four */
    crig_store_all(&r);
    receipt->node = r.n.nodes[stranger].id;
    receipt->incarnation = r.n.nodes[stranger].incarnation;
    dfs_receipt_sign(receipt, &r.n.nodes[stranger].grant_mac);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
}

/* A large file on a slow line: the key that its first receipts were made under is long gone at the commit. */
static void an_upload_outlasts_the_keys_of_its_receipts(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    struct dfs_w_receipt *receipt = &r.upload.receipts[0];

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    const struct dfs_w_receipt good = *receipt;

    for (unsigned i = 0; i < 3; i++) {
        meta_nodes_rotate_key(r.n.meta);
        nrig_live(&r.n, 3 * DFS_SECONDS);
    }
    assert_true(meta_nodes_key_oldest(r.n.meta) > good.key_id);
    receipt->crc32c ^= 1;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
    *receipt = good;
    receipt->key_id = meta_nodes_key_id(r.n.meta) + 1;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
    *receipt = good;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_OK);

    /* One that was opened later has no business with such a key. */
    open = crig_open_message(&r, "b", 100000);
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    *receipt = good;
    receipt->block = r.upload.grants[0].block;
    receipt->node = r.upload.replicas[0][0].node;
    receipt->incarnation = r.upload.replicas[0][0].incarnation;
    dfs_receipt_sign(receipt, &r.n.nodes[crig_node_of(&r, &receipt->node)].grant_mac); /* which it got when it joined */
    r.upload.receipts_count = 1;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_RECEIPT_INVALID);
}

static void lengths_and_digest_have_to_add_up(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 250000);
    struct dfs_m_put_commit commit;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    commit = crig_commit_message(&r);
    commit.receipts = r.upload.receipts;
    commit.receipts_count = r.upload.receipts_count;
    commit.size_bytes++;
    (void)crig_ask(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    assert_int_equal(r.status, DFS_BAD_REQUEST);
    commit.size_bytes--;
    commit.digest ^= 1;
    (void)crig_ask(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    assert_int_equal(r.status, DFS_BAD_REQUEST);
    commit.digest ^= 1;
    commit.blocks--;
    (void)crig_ask(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    assert_int_equal(r.status, DFS_BAD_REQUEST);
    commit.blocks++;
    (void)crig_ask(&r, ann, DFS_MSG_PUT_COMMIT, &commit);
    assert_int_equal(r.status, DFS_OK);
}

static void all_means_all_and_quorum_a_majority(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "all", 100000);
    struct dfs_m_put_done done;

    (void)state;
    open.ack = DFS_ACK_ALL;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store(&r, 0, 100000, UINT64_C(1) << crig_node_of(&r, &r.upload.replicas[0][2].node));
    assert_int_equal(crig_commit(&r, ann, &done), DFS_BLOCK_LOST);
    assert_int_equal(done.lost_count, 1);
    assert_int_equal(done.lost[0].value, 0);

    open = crig_open_message(&r, "quorum", 100000);
    open.ack = DFS_ACK_QUORUM;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store(&r, 0, 100000, UINT64_C(1) << crig_node_of(&r, &r.upload.replicas[0][2].node));
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    assert_int_equal(done.replicas_durable, 2);
    nrig_live(&r.n, 3 * DFS_SECONDS);
    const struct dfs_w_block block = r.upload.grants[0].block;
    const struct dfs_block_id id = {.file = block.file, .index = block.index, .generation = block.generation};
    const meta_block_no number = meta_block_find(r.n.meta, &id);

    /* the rest was repair's */
    assert_int_equal(meta_blockmap_block(&r.n.meta->map, number)->copies_count, 3);
}

static void undurable_copies_count_only_when_that_was_asked_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
        struct dfs_m_put_done done;

        open.durability = i == 0 ? DFS_DURABILITY_SYNC : DFS_DURABILITY_ASYNC;
        assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
        crig_store_all(&r);
        for (unsigned k = 0; k < 3; k++) {
            const unsigned n = crig_node_of(&r, &r.upload.receipts[k].node);

            r.upload.receipts[k].durable = 0;
            dfs_receipt_sign(&r.upload.receipts[k], &r.n.nodes[n].grant_mac);
        }
        assert_int_equal(crig_commit(&r, ann, &done), i == 0 ? DFS_BLOCK_LOST : DFS_OK);
        assert_int_equal(done.replicas_durable, 0);
    }
}

static void nodes_that_disagree_about_the_bytes_prove_nothing(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    struct dfs_w_receipt *receipt = &r.upload.receipts[1];
    struct dfs_m_put_done done;

    (void)state;
    open.ack = DFS_ACK_QUORUM;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    receipt->crc32c ^= 1;
    dfs_receipt_sign(receipt, &r.n.nodes[crig_node_of(&r, &receipt->node)].grant_mac);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_BLOCK_LOST);
    assert_int_equal(crig_place(&r, ann, 0, 1, 2, NULL, 0), DFS_OK);
    r.upload.receipts_count = 0;
    crig_store_all(&r);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    nrig_live(&r.n, 2 * DFS_SECONDS);
    assert_int_equal(blocks_stored(), 3); /* what was placed in vain is gone */
}

/* Nodes that go ------------------------------------------------------------------------------------------ */

static void a_node_evicted_before_the_commit_does_not_count(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);
    struct dfs_m_put_done done;
    uint32_t lost[4];
    unsigned gone;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    gone = crig_node_of(&r, &r.upload.replicas[0][0].node);
    r.n.nodes[gone].dead = true;
    nrig_break(&r.n, gone);
    nrig_live(&r.n, 4 * DFS_SECONDS);
    assert_int_equal(nrig_state(&r.n, gone), DFS_NODE_EVICTED);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_BLOCK_LOST);
    assert_in_range(done.lost_count, 1, 4);
    for (uint32_t i = 0; i < done.lost_count; i++)
        lost[i] = done.lost[i].value; /* the message lives until the next one */
    for (uint32_t i = 0; i < done.lost_count; i++) {
        assert_int_equal(crig_place(&r, ann, lost[i], 1, 2, &gone, 1), DFS_OK);
        crig_store(&r, lost[i], 250000, 0);
    }
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    nrig_live(&r.n, 2 * DFS_SECONDS);
    r.n.nodes[gone].blocks_count = 0;
    assert_int_equal(blocks_stored(), 12);
}

static void a_node_that_came_back_counts_when_its_inventory_has_the_block(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    struct dfs_m_put_done done;
    unsigned back;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    back = crig_node_of(&r, &r.upload.replicas[0][1].node);
    nrig_break(&r.n, back);
    r.n.nodes[back].boot.bytes[5]++;
    nrig_up(&r.n, back);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    assert_int_equal(done.replicas_durable, 3);
    nrig_assert_quiet(&r.n);
}

/* Its client may have given up, and the same commit may come once more, over a connection that had stalled. */
static void a_block_that_was_called_lost_stays_lost_though_its_node_comes_back(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    struct dfs_m_put_done done;
    unsigned back;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    back = crig_node_of(&r, &r.upload.replicas[0][1].node);
    nrig_break(&r.n, back);
    r.n.nodes[back].boot.bytes[5]++;
    assert_int_equal(nrig_join(&r.n, back), DFS_OK); /* a new incarnation, that has told nothing yet */
    assert_int_equal(crig_commit(&r, ann, &done), DFS_BLOCK_LOST);
    nrig_tell(&r.n, back);
    nrig_beat(&r.n, back);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_BLOCK_LOST);
    assert_int_equal(crig_version(&r, ann, "a"), 0);
    assert_int_equal(crig_place(&r, ann, 0, 1, 2, NULL, 0), DFS_OK);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_BLOCK_LOST); /* it comes too late to spoil what is placed again */
    crig_store(&r, 0, 100000, 0);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
}

static void a_node_that_came_back_empty_does_not(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    struct dfs_m_put_done done;
    unsigned back;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    back = crig_node_of(&r, &r.upload.replicas[0][1].node);
    nrig_break(&r.n, back);
    r.n.nodes[back].boot.bytes[5]++;
    r.n.nodes[back].blocks_count = 0;
    nrig_up(&r.n, back);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_BLOCK_LOST);
}

/* Copies of every block on servers that are not `gone`. */
static void assert_elsewhere(unsigned gone, uint32_t copies)
{
    for (uint32_t i = 0; i < r.upload.blocks; i++) {
        uint32_t count = 0;

        for (unsigned n = 0; n < NRIG_NODES; n++)
            count += n != gone && nrig_has(&r.n, n, &r.upload.grants[i].block);
        assert_int_equal(count, copies);
    }
}

/* It was placed on a server that an operator empties meanwhile: what is stored there is a file's part at the commit, and has to go elsewhere before the server may. */
static void an_upload_under_way_is_drained_too(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);
    const dfs_conn admin = crig_client(&r, 2, "a:/");
    struct dfs_m_drain drain = {.on = 1};
    struct dfs_m_put_done done;
    unsigned drained;

    (void)state;
    nrig_up(&r.n, 4);
    nrig_live(&r.n, 3 * DFS_SECONDS);
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store(&r, 0, 250000, 0);
    drain.node = r.upload.replicas[0][0].node;
    drained = crig_node_of(&r, &drain.node);
    (void)crig_ask(&r, admin, DFS_MSG_DRAIN, &drain);
    assert_int_equal(r.status, DFS_OK);
    for (uint32_t i = 1; i < 4; i++)
        crig_store(&r, i, 250000, 0);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    nrig_live(&r.n, 5 * DFS_SECONDS);
    assert_elsewhere(drained, 3);

    /* and no new block comes to it */
    assert_int_equal(crig_open(&r, ann,
                               &(struct dfs_m_put_open){
                                   .operation = crig_operation(&r), .path = dfs_text_of("b"), .size_bytes = 1000000}),
                     DFS_OK);
    crig_store_all(&r);
    assert_int_equal(crig_commit(&r, ann, &done), DFS_OK);
    assert_elsewhere(drained, 3);
    nrig_live(&r.n, 5 * DFS_SECONDS);
    for (uint32_t i = 0; i < 4; i++)
        assert_false(nrig_has(&r.n, drained, &r.upload.grants[i].block));
    nrig_assert_quiet(&r.n);
}

static void too_few_nodes_are_said_at_once(void **state)
{
    struct dfs_m_put_open open;

    (void)state;
    nrig_live(&r.n, 6 * DFS_SECONDS); /* warm */
    for (unsigned n = 1; n < 4; n++) {
        r.n.nodes[n].dead = true;
        nrig_break(&r.n, n);
        nrig_live(&r.n, 5 * DFS_SECONDS);
        open = crig_open_message(&r, "all", 100000);
        open.ack = DFS_ACK_ALL;
        assert_int_equal(crig_open(&r, ann, &open), n == 1 ? DFS_OK : DFS_NOT_ENOUGH_NODES);
        open = crig_open_message(&r, "quorum", 100000);
        open.ack = DFS_ACK_QUORUM;
        assert_int_equal(crig_open(&r, ann, &open), n <= 2 ? DFS_OK : DFS_NOT_ENOUGH_NODES);
    }
    open = crig_open_message(&r, "empty", 0);
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
}

/* All four servers failed the writer of this block in the way that is said of each. */
static enum dfs_status place_beside(const enum dfs_status *said)
{
    struct dfs_w_failure failures[4];
    const struct dfs_m_put_place place = {.file = r.upload.file,
                                          .epoch = r.upload.epoch,
                                          .count = 1,
                                          .generation = r.upload.grants[0].block.generation + 1,
                                          .excluded = failures,
                                          .excluded_count = 4};

    for (unsigned i = 0; i < 4; i++)
        failures[i] = (struct dfs_w_failure){.node = r.n.nodes[i].id, .status = (uint8_t)said[i]};
    (void)crig_ask(&r, ann, DFS_MSG_PUT_PLACE, &place);
    return r.status;
}

/* A server that was too slow is tried again when there is no other, one that is full is not: then there is no room, and waiting is no use. One that is
 * only suspected may have room. */
static void full_servers_are_not_tried_again(void **state)
{
    static const enum dfs_status slow[] = {DFS_TIMEOUT, DFS_TIMEOUT, DFS_TIMEOUT, DFS_TIMEOUT};
    static const enum dfs_status full[] = {DFS_NO_SPACE, DFS_TIMEOUT, DFS_NO_SPACE, DFS_TIMEOUT};
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);

    (void)state;
    nrig_up(&r.n, 3);
    nrig_live(&r.n, 6 * DFS_SECONDS); /* warm */
    open.ack = DFS_ACK_ALL;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    assert_int_equal(place_beside(full), DFS_NO_SPACE);
    assert_int_equal(place_beside(slow), DFS_OK);

    open = crig_open_message(&r, "b", 100000);
    open.ack = DFS_ACK_ALL;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    r.n.nodes[0].free_bytes = DFS_ROOM_FULL;
    nrig_beat(&r.n, 0);
    nrig_break(&r.n, 1);
    assert_int_equal(nrig_state(&r.n, 1), DFS_NODE_SUSPECT);
    assert_int_equal(place_beside(slow), DFS_NOT_ENOUGH_NODES);
}

/* One that is full stays full, one whose store takes no writes just now may take them in a second: that is no lack of space. */
static void a_store_that_takes_no_writes_is_waited_for(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);

    (void)state;
    nrig_up(&r.n, 3);
    nrig_live(&r.n, 6 * DFS_SECONDS);
    open.ack = DFS_ACK_ALL;
    for (unsigned n = 0; n < 2; n++) {
        r.n.nodes[n].free_bytes = DFS_ROOM_FULL;
        nrig_beat(&r.n, n);
    }
    assert_int_equal(crig_open(&r, ann, &open), DFS_NO_SPACE);
    r.n.nodes[0].free_bytes = DFS_ROOM_NONE;
    nrig_beat(&r.n, 0);
    open.operation = crig_operation(&r);
    assert_int_equal(crig_open(&r, ann, &open), DFS_NOT_ENOUGH_NODES);
}

/* Conditions --------------------------------------------------------------------------------------------- */

static void preconditions_are_tested_at_the_commit(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 0);
    struct crig_upload early;

    (void)state;
    open.precondition = DFS_IF_ABSENT;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    early = r.upload;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK); /* somebody else is faster */
    r.upload = early;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_EXISTS);
    assert_int_equal(uploads_open(), 0);
    open.operation = crig_operation(&r);
    assert_int_equal(crig_open(&r, ann, &open), DFS_EXISTS); /* and early, where that is known early */

    open = crig_open_message(&r, "a", 0);
    open.precondition = DFS_IF_VERSION;
    open.if_version = 1;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    early = r.upload;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    r.upload = early;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_PRECONDITION_FAILED);
    assert_int_equal(crig_version(&r, ann, "a"), 2);
    open = crig_open_message(&r, "a", 0);
    open.precondition = DFS_IF_VERSION;
    open.if_version = 2;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_OK);
    assert_int_equal(crig_version(&r, ann, "a"), 3);
}

/* The same commit, sent before over a connection that stalled, comes when what it was refused for is gone. */
static void a_commit_that_was_refused_is_not_done_later(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 0);
    struct crig_upload early;

    (void)state;
    open.precondition = DFS_IF_ABSENT;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    early = r.upload;
    assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    r.upload = early;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_EXISTS);
    assert_int_equal(crig_remove(&r, ann, "a", 0), DFS_OK);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_EXISTS);
    assert_int_equal(crig_version(&r, ann, "a"), 0);
    assert_int_equal(r.status, DFS_NOT_FOUND);
}

/* Ends --------------------------------------------------------------------------------------------------- */

static void an_upload_without_a_sign_of_life_is_given_up_for_good(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);

    tear_down(state);
    crig_init(&r);
    r.n.config.upload_lease_ns = 20 * DFS_SECONDS;
    crig_start(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    nrig_live(&r.n, 15 * DFS_SECONDS);
    crig_store_all(&r); /* the nodes' events are signs of life */
    nrig_live(&r.n, 15 * DFS_SECONDS);
    assert_int_equal(uploads_open(), 1);
    nrig_live(&r.n, 10 * DFS_SECONDS);
    assert_int_equal(uploads_open(), 0);
    assert_int_equal(blocks_stored(), 0);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_LEASE_EXPIRED);
    assert_int_equal(crig_place(&r, ann, 0, 1, 1, NULL, 0), DFS_LEASE_EXPIRED);
    nrig_assert_quiet(&r.n);
}

static void a_server_that_joins_again_and_again_keeps_no_upload_alive(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    unsigned back;

    tear_down(state);
    crig_init(&r);
    r.n.config.upload_lease_ns = 20 * DFS_SECONDS;
    crig_start(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    back = crig_node_of(&r, &r.upload.replicas[0][0].node);
    for (unsigned i = 0; i < 3; i++) {
        nrig_live(&r.n, 8 * DFS_SECONDS);
        assert_int_equal(uploads_open(), i < 2); /* joined at 8, at 16; at 20 it was over */
        nrig_break(&r.n, back);
        r.n.nodes[back].boot.bytes[5]++;
        nrig_up(&r.n, back);
    }
    assert_int_equal(blocks_stored(), 0);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_LEASE_EXPIRED);
    nrig_assert_quiet(&r.n);
}

static void an_aborted_upload_leaves_nothing(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);
    struct dfs_m_put_abort abort;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    assert_int_equal(blocks_stored(), 12);
    abort = (struct dfs_m_put_abort){.file = r.upload.file, .epoch = r.upload.epoch};
    for (unsigned i = 0; i < 2; i++) {
        (void)crig_ask(&r, ann, DFS_MSG_PUT_ABORT, &abort);
        assert_int_equal(r.status, DFS_OK);
    }
    nrig_live(&r.n, DFS_SECONDS);
    assert_int_equal(blocks_stored(), 0);
    assert_int_equal(uploads_open(), 0);
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_LEASE_EXPIRED);
    nrig_assert_quiet(&r.n);
}

static void a_restart_of_metadata_loses_uploads_and_says_so(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);
    struct crig_upload upload;

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    upload = r.upload;
    crig_restart(&r, 4);
    ann = crig_client(&r, 1, "rw:/");
    r.upload = upload;
    assert_int_equal(crig_commit(&r, ann, NULL), DFS_UPLOAD_LOST);
    assert_int_equal(crig_place(&r, ann, 0, 1, 1, NULL, 0), DFS_UPLOAD_LOST);
    nrig_live(&r.n, 10 * DFS_SECONDS);
    assert_int_equal(blocks_stored(), 0); /* orphans */
    nrig_assert_quiet(&r.n);
}

static void a_committed_file_is_whole_after_a_restart(void **state)
{
    const struct dfs_m_get_open get = {.path = dfs_text_of("a")};
    struct fake_message in;

    (void)state;
    assert_int_equal(crig_put(&r, ann, "a", 1000000), DFS_OK);
    nrig_restart(&r.n);
    crig_auth(&r);
    ann = crig_client(&r, 1, "rw:/");
    (void)crig_ask(&r, ann, DFS_MSG_GET_OPEN, &get);
    assert_int_equal(r.status, DFS_UNAVAILABLE); /* nobody has told yet: that is not a loss */
    nrig_up_all(&r.n, 4);
    in = crig_ask(&r, ann, DFS_MSG_GET_OPEN, &get);
    assert_int_equal(in.number, DFS_MSG_GET_PLAN);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(in.body->get_plan.plan[i].grant.replicas_count, 3);
    nrig_live(&r.n, 10 * DFS_SECONDS);
    nrig_assert_quiet(&r.n);
    assert_int_equal(blocks_stored(), 12);
}

static void an_upload_belongs_to_its_bearer(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 100000);
    const dfs_conn bob = crig_client(&r, 2, "rw:/");

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    crig_store_all(&r);
    assert_int_equal(crig_commit(&r, bob, NULL), DFS_DENIED);
    assert_int_equal(crig_place(&r, bob, 0, 1, 1, NULL, 0), DFS_DENIED);
    const dfs_conn again = crig_client(&r, 1, "rw:/"); /* the bearer on another connection */

    assert_int_equal(crig_commit(&r, again, NULL), DFS_OK);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a//b", 100000);

    (void)state;
    assert_int_equal(crig_open(&r, ann, &open), DFS_BAD_REQUEST);
    open = crig_open_message(&r, "a", UINT64_C(1) << 60);
    assert_int_equal(crig_open(&r, ann, &open), DFS_TOO_LARGE);
    open = crig_open_message(&r, "a", UINT64_C(110000000000)); /* in blocks of 100 KB more than a file may have */
    open.block_size_bytes = 1;
    assert_int_equal(crig_open(&r, ann, &open), DFS_TOO_LARGE);
    assert_int_equal(uploads_open(), 0);
}

static void a_wish_for_tiny_blocks_ends_at_block_min(void **state)
{
    struct dfs_m_put_open open = crig_open_message(&r, "a", 1000000);

    (void)state;
    open.block_size_bytes = 1;
    assert_int_equal(crig_open(&r, ann, &open), DFS_OK);
    assert_int_equal(r.upload.blocks, 10);
    assert_int_equal(r.upload.block_size_bytes, 100000);
}

static void a_random_source_that_repeats_itself_overwrites_nothing(void **state)
{
    uint64_t at_first = r.n.f.rng_state[DFS_RNG_ID];
    struct dfs_m_put_open open;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(crig_put(&r, ann, "a", 0), DFS_OK);
    r.n.f.rng_state[DFS_RNG_ID] = at_first;
    open = crig_open_message(&r, "b", 0);
    assert_int_equal(crig_open(&r, ann, &open), DFS_INTERNAL);
    assert_int_equal(crig_version(&r, ann, "a"), 4);
    assert_int_equal(crig_put(&r, ann, "b", 0), DFS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_cut_placed_stored_committed_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_is_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_file_comes_in_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_of_unknown_size_is_placed_as_it_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_operation_opens_one_upload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_placement_is_granted_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(receipts_are_believed_under_their_nodes_mac_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_receipt_of_a_node_that_was_not_asked_is_worth_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_outlasts_the_keys_of_its_receipts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lengths_and_digest_have_to_add_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_means_all_and_quorum_a_majority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(undurable_copies_count_only_when_that_was_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nodes_that_disagree_about_the_bytes_prove_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_evicted_before_the_commit_does_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_came_back_counts_when_its_inventory_has_the_block, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_block_that_was_called_lost_stays_lost_though_its_node_comes_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_came_back_empty_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_under_way_is_drained_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_few_nodes_are_said_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_servers_are_not_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_takes_no_writes_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(preconditions_are_tested_at_the_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_commit_that_was_refused_is_not_done_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_without_a_sign_of_life_is_given_up_for_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_joins_again_and_again_keeps_no_upload_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_aborted_upload_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restart_of_metadata_loses_uploads_and_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_committed_file_is_whole_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_belongs_to_its_bearer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_that_make_no_sense_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wish_for_tiny_blocks_ends_at_block_min, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_random_source_that_repeats_itself_overwrites_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
