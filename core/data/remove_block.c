/*
 * remove_block.c - REMOVE_BLOCK: metadata wants copies gone. Answered by REMOVE_DONE when their names are
 * gone for good.
 *
 * A copy that is being written, or is the source of a copy under way, stays (REFUSED): whoever ordered it did
 * not know. What is not here is removed.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static void on_named(struct data_dir_wait *wait, enum dfs_status status);

static struct data_removal *removal_new(struct dfs_data *data, uint32_t request, uint32_t count)
{
    struct data_removal *removal =
        dfs_alloc_zero(sizeof *removal + count * (sizeof(struct data_block *) + sizeof removal->results[0]));

    removal->data = data;
    removal->control_life = data->control_life;
    removal->request = request;
    removal->count = count;
    removal->results = (struct dfs_w_removed *)(void *)(removal->blocks + count);
    removal->naming.done = on_named;
    dfs_list_init(&removal->naming.link);
    dfs_list_init(&removal->ios);
    dfs_list_init(&removal->at);
    dfs_list_push(&data->removals, &removal->at);
    data->removals_count++;
    return removal;
}

void data_removal_free(struct data_removal *removal)
{
    data_io_forget(&removal->ios);
    dfs_list_remove(&removal->naming.link);
    dfs_list_remove(&removal->at);
    removal->data->removals_count--;
    dfs_free(removal);
}

static void removal_answer(struct data_removal *removal)
{
    struct dfs_data *data = removal->data;
    const struct dfs_m_remove_done message = {.blocks = removal->results, .blocks_count = removal->count};

    if (data->control != NULL && data->control_life == removal->control_life)
        dfs_link_send(&data->control->link, removal->request, DFS_MSG_REMOVE_DONE, &message);
    data_removal_free(removal);
}

static void on_named(struct data_dir_wait *wait, enum dfs_status status)
{
    struct data_removal *removal = dfs_container_of(wait, struct data_removal, naming);

    for (uint32_t i = 0; status != DFS_OK && i < removal->count; i++) {
        if (removal->results[i].status == DFS_OK)
            removal->results[i].status = (uint8_t)status;
    }
    removal_answer(removal);
}

static void on_removed(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                       uint64_t tag)
{
    struct data_removal *removal = owner;
    struct data_block *block = removal->blocks[tag];

    (void)buf;
    removal->blocks[tag] = NULL;
    if (done->status == DFS_OK || done->status == DFS_NOT_FOUND) {
        data->counters.removes_done++;
        if (block != NULL)
            data_block_removed(data, block);
    } else {
        removal->results[tag].status = (uint8_t)done->status;
        if (block != NULL)
            block->removing = false;
    }
    if (--removal->pending == 0)
        data_dir_sync(data, &removal->naming);
}

/* OK: REMOVE is under way, or there is nothing to remove. */
static enum dfs_status remove_one(struct dfs_data *data, struct data_removal *removal, uint32_t place,
                                  const struct dfs_w_removal *order)
{
    const struct dfs_block_id id = data_block_id(&order->block);
    struct data_block *block = data_block_find(data, &id);
    char name[DFS_FILE_NAME_BYTES_MAX];

    if (data_block_is_written(data, &id) || data_block_is_copied(data, &id))
        return DFS_REFUSED;
    if (block == NULL)
        return DFS_OK;
    if (block->removing)
        return DFS_UNAVAILABLE; /* by an earlier batch */
    block->removing = true;     /* so nobody else frees it, but for the loss of the whole store */
    removal->blocks[place] = block;
    dfs_order_expect(&block->order); /* until the disk has removed the file */
    removal->pending++;
    dfs_block_name(&id, name);
    data_io_submit(data, &removal->ios, on_removed, removal, place,
                   (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = name});
    return DFS_OK;
}

static void refuse_all(struct dfs_data *data, struct data_peer *peer, uint32_t request,
                       const struct dfs_m_remove_block *order)
{
    struct dfs_w_removed *results = dfs_alloc_zero_array(order->blocks_count, sizeof results[0]);
    const struct dfs_m_remove_done message = {.blocks = results, .blocks_count = order->blocks_count};

    for (uint32_t i = 0; i < order->blocks_count; i++)
        results[i] = (struct dfs_w_removed){.block = order->blocks[i].block, .status = DFS_UNAVAILABLE};
    data->counters.removes_refused += order->blocks_count;
    dfs_link_send(&peer->link, request, DFS_MSG_REMOVE_DONE, &message);
    dfs_free(results);
}

void data_on_remove_block(struct dfs_data *data, struct data_peer *peer, const struct dfs_incoming *in)
{
    const struct dfs_m_remove_block *order = in->body;
    struct data_removal *removal;

    /* While the inventory is being told, what it tells stays. */
    if (data->phase != DATA_NODE_SERVING || data->removals_count >= data->config.bounds.removals) {
        refuse_all(data, peer, in->request, order);
        return;
    }
    for (uint32_t i = 0; i < order->blocks_count; i++) {
        const struct dfs_block_id id = data_block_id(&order->blocks[i].block);

        dfs_map_expect(&data->blocks_by_id, &id);
    }
    removal = removal_new(data, in->request, order->blocks_count);
    for (uint32_t i = 0; i < order->blocks_count; i++) {
        const enum dfs_status status = remove_one(data, removal, i, &order->blocks[i]);

        removal->results[i] = (struct dfs_w_removed){.block = order->blocks[i].block, .status = (uint8_t)status};
        data->counters.removes_refused += status != DFS_OK;
    }
    if (removal->pending == 0)
        removal_answer(removal);
}
