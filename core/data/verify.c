/*
 * verify.c - VERIFY: metadata wants to know whether a block is whole here, now. And the reading of whole
 * blocks that the scrub shares.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

void data_check_free(struct data_check *check)
{
    data_stream_close(&check->stream);
    data_opening_close(&check->opening);
    dfs_list_remove(&check->at);
    dfs_free(check);
}

static void on_sent_all(struct data_stream *stream)
{
    struct data_check *check = dfs_container_of(stream, struct data_check, stream);

    check->done(check, DFS_OK);
}

static void on_failed(struct data_stream *stream, enum dfs_status status)
{
    struct data_check *check = dfs_container_of(stream, struct data_check, stream);

    check->done(check, status);
}

static void on_opened(struct data_opening *opening, enum dfs_status status)
{
    struct data_check *check = dfs_container_of(opening, struct data_check, opening);
    struct data_stream *stream = &check->stream;

    if (status != DFS_OK) {
        check->done(check, status);
        return;
    }
    stream->name = check->name;
    stream->length_bytes = opening->length_bytes;
    stream->crcs = opening->crcs;
    stream->first = opening->buf;
    opening->buf = NULL;
    stream->available = opening->length_bytes;
    stream->end = opening->length_bytes;
    stream->sent_all = on_sent_all;
    stream->failed = on_failed;
    data_stream_pump(stream);
}

struct data_check *data_check_begin(struct dfs_data *data, const struct data_block *block,
                                    void (*done)(struct data_check *, enum dfs_status))
{
    struct data_check *check = dfs_alloc_zero(sizeof *check);

    check->data = data;
    check->block = block->id;
    check->length_bytes = block->length_bytes;
    check->done = done;
    dfs_block_name(&block->id, check->name);
    dfs_list_init(&check->at);
    dfs_list_push(&data->checks, &check->at);
    data_stream_init(&check->stream, data);
    return check;
}

void data_check_run(struct data_check *check)
{
    data_opening_begin(&check->opening, check->data, &check->block, check->length_bytes, true, on_opened);
}

/* On order ----------------------------------------------------------------------------------------------- */

static void answer(struct dfs_data *data, uint32_t request, const struct dfs_id *operation,
                   const struct dfs_w_block *block, enum dfs_status status)
{
    const struct dfs_m_verify_done message = {.operation = *operation, .block = *block, .status = (uint8_t)status};

    data->counters.verifies++;
    if (data->control != NULL && data->phase == DATA_NODE_SERVING)
        dfs_link_send(&data->control->link, request, DFS_MSG_VERIFY_DONE, &message);
}

static void on_verified(struct data_check *check, enum dfs_status status)
{
    struct dfs_data *data = check->data;
    const struct dfs_w_block named = data_w_block(&check->block);
    struct data_block *block = data_block_find(data, &check->block);

    if (block == NULL || block->removing)
        status = DFS_BLOCK_MISSING; /* went while we read it */
    else if (status != DFS_OK)
        data_block_failed(data, &check->block, status);
    else if (check->opening.crc != check->crc)
        status = DFS_BLOCK_CORRUPT; /* whole, but not the bytes that metadata means */
    else
        block->bad = false; /* the disk had its moment; metadata hears that it is good */
    answer(data, check->request, &check->operation, &named, status);
    data->checks_count--;
    data_check_free(check);
}

void data_on_verify(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_verify *message = in->body;
    const struct dfs_block_id id = data_block_id(&message->block);
    const struct data_block *block = data_block_find(data, &id);
    enum dfs_status status = DFS_OK;
    struct data_check *check;

    (void)peer;
    if (block == NULL || block->removing)
        status = DFS_BLOCK_MISSING;
    else if (block->length_bytes != message->length_bytes)
        status = DFS_BLOCK_CORRUPT;
    else if (data->checks_count >= data->config.bounds.verifies)
        status = DFS_UNAVAILABLE;
    if (status != DFS_OK) {
        answer(data, in->request, &message->operation, &message->block, status);
        return;
    }
    check = data_check_begin(data, block, on_verified);
    check->operation = message->operation;
    check->request = in->request;
    check->crc = message->crc32c;
    data->checks_count++;
    data_check_run(check);
}
