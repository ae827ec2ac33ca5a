/*
 * copy.c - COPY: metadata orders us to bring one of our blocks to another data server. We are the source.
 *
 * Every byte is verified against the block's own checksums on its way, and the whole against the order's
 * before anything is sent: a bad copy is never a source (SeaweedFS #10565: a merge rebuilt every replica from
 * a damaged copy).
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static void answer(struct dfs_data *data, uint32_t request, const struct dfs_id *operation,
                   const struct dfs_w_block *block, enum dfs_status status, struct dfs_w_receipt *receipt)
{
    const struct dfs_m_copy_done message = {.operation = *operation,
                                            .block = *block,
                                            .status = (uint8_t)status,
                                            .receipts = receipt,
                                            .receipts_count = receipt == NULL ? 0 : 1};

    if (data->control != NULL && data->phase == DATA_NODE_SERVING)
        dfs_link_send(&data->control->link, request, DFS_MSG_COPY_DONE, &message);
}

void data_copy_free(struct data_copy *copy)
{
    data_pass_stop(&copy->pass, "aborted");
    data_opening_close(&copy->opening);
    dfs_list_remove(&copy->at);
    copy->data->copies_count--;
    dfs_free(copy);
}

static void copy_end(struct data_copy *copy, enum dfs_status status, struct dfs_w_receipt *receipt)
{
    if (status == DFS_OK)
        copy->data->counters.copies_done++;
    else
        copy->data->counters.copies_failed++;
    answer(copy->data, copy->request, &copy->operation, &copy->order.block, status, receipt);
    data_copy_free(copy);
}

static void send_header(struct data_pass *pass)
{
    const struct data_copy *copy = dfs_container_of(pass, struct data_copy, pass);
    const struct dfs_m_block_copy message = {.order = copy->order};

    dfs_link_send(&pass->peer->link, pass->request, DFS_MSG_BLOCK_COPY, &message);
}

static void on_answered(struct data_pass *pass, const struct dfs_m_block_written *message)
{
    struct data_copy *copy = dfs_container_of(pass, struct data_copy, pass);
    enum dfs_status status = (enum dfs_status)message->status;
    struct dfs_w_receipt receipt;

    if (status == DFS_OK && message->receipts_count != 1)
        status = DFS_RECEIPT_INVALID;
    if (status != DFS_OK) {
        copy_end(copy, status, NULL);
        return;
    }
    receipt = message->receipts[0];
    copy_end(copy, DFS_OK, &receipt);
}

static void on_failed(struct data_pass *pass, enum dfs_status status, bool source_bad)
{
    struct data_copy *copy = dfs_container_of(pass, struct data_copy, pass);

    if (source_bad) {
        const struct dfs_block_id block = data_block_id(&copy->order.block);

        data_block_failed(copy->data, &block, status);
    }
    copy_end(copy, status, NULL);
}

static void on_opened(struct data_opening *opening, enum dfs_status status)
{
    struct data_copy *copy = dfs_container_of(opening, struct data_copy, opening);
    struct data_stream *stream = &copy->pass.stream;

    if (status != DFS_OK) {
        data_block_failed(copy->data, &opening->block, status);
        copy_end(copy, status, NULL);
        return;
    }
    if (opening->crc != copy->order.crc32c) {
        copy_end(copy, DFS_EXISTS, NULL); /* whole, but not the bytes that metadata means */
        return;
    }
    stream->name = copy->name;
    stream->length_bytes = opening->length_bytes;
    stream->crcs = opening->crcs;
    stream->available = opening->length_bytes;
    stream->first = opening->buf;
    opening->buf = NULL;
    data_pass_begin(&copy->pass, &copy->order.target, &copy->target_addr, copy->data->config.request_timeout_ns);
}

static enum dfs_status admit(struct dfs_data *data, const struct dfs_w_order *order,
                             const struct data_block **ret_block)
{
    const struct dfs_block_id id = data_block_id(&order->block);
    const struct data_block *block = data_block_find(data, &id);
    struct dfs_mac *key = data_key_find(data, order->key_id);

    if (!dfs_id_equal(&order->source, &data->config.node) || dfs_id_equal(&order->target, &data->config.node))
        return DFS_GRANT_INVALID;
    if (order->source_incarnation != data->incarnation)
        return DFS_STALE_INCARNATION;
    if (key == NULL)
        return DFS_GRANT_EXPIRED;
    if (!dfs_order_check_source(order, key))
        return DFS_GRANT_INVALID;
    if (data->leaving || data->copies_count >= data->config.bounds.copies)
        return DFS_UNAVAILABLE;
    if (block == NULL || block->removing)
        return DFS_BLOCK_MISSING;
    if (block->bad)
        return DFS_BLOCK_CORRUPT;
    *ret_block = block;
    return block->length_bytes == order->length_bytes ? DFS_OK : DFS_EXISTS;
}

static bool is_running(struct dfs_data *data, const struct dfs_id *operation)
{
    dfs_list_each(at, &data->copies)
    {
        if (dfs_id_equal(&dfs_container_of(at, struct data_copy, at)->operation, operation))
            return true;
    }
    return false;
}

void data_on_copy(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_copy *message = in->body;
    const struct data_block *block = NULL;
    const enum dfs_status status = admit(data, &message->order, &block);
    struct data_copy *copy;

    (void)peer;
    if (is_running(data, &message->operation))
        return; /* asked again: the one answer serves both */
    if (status != DFS_OK) {
        data->counters.copies_failed++;
        answer(data, in->request, &message->operation, &message->order.block, status, NULL);
        return;
    }
    copy = dfs_alloc_zero(sizeof *copy);
    copy->data = data;
    copy->operation = message->operation;
    copy->request = in->request;
    copy->order = message->order;
    copy->target_addr = message->target_addr;
    dfs_block_name(&block->id, copy->name);
    dfs_list_init(&copy->at);
    dfs_list_push(&data->copies, &copy->at);
    data->copies_count++;
    data_pass_init(&copy->pass, data);
    copy->pass.header = send_header;
    copy->pass.answered = on_answered;
    copy->pass.failed = on_failed;
    data_opening_begin(&copy->opening, data, &block->id, block->length_bytes, true, on_opened);
}
