/*
 * store.c - which blocks are published here, how much room is left, and when the directory is on stable
 * storage.
 *
 * The index is made from the disk's listing at the start and follows what this process publishes and removes. The
 * inventory and the scrub walk it in the order in which blocks came, by marks that keep their places (order.h): first
 * what was there at the start, by name, then what was published, as it was published. One block is found in the map.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

_Static_assert(sizeof(struct data_block) == DFS_SLAB_LINE_BYTES, "there may be millions: a block is one cache line");

void data_store_init(struct dfs_data *data)
{
    dfs_order_init(&data->blocks);
    dfs_mark_init(&data->inventory_at, &data->blocks);
    dfs_mark_init(&data->scrub_at, &data->blocks);
    dfs_mark_init(&data->scrub_first, &data->blocks);
    dfs_slab_init(&data->blocks_slab, sizeof(struct data_block));
    dfs_map_init(&data->blocks_by_id, offsetof(struct data_block, id), sizeof(struct dfs_block_id), 0);
    dfs_list_init(&data->dir_waiters);
    dfs_list_init(&data->dir_covered);
    dfs_list_init(&data->store_ios);
}

_Static_assert(sizeof(struct dfs_block_id) == DFS_ID_BYTES + 8, "a block id is a key: no padding");

/* Index -------------------------------------------------------------------------------------------------- */

struct data_block *data_block_find(const struct dfs_data *data, const struct dfs_block_id *id)
{
    return dfs_map_find(&data->blocks_by_id, id);
}

static struct data_block *block_of(struct dfs_list *link)
{
    return link == NULL ? NULL : dfs_container_of(link, struct data_block, order);
}

struct data_block *data_block_next(struct dfs_data *data, const struct data_block *block)
{
    return block_of(dfs_order_next(&data->blocks, block == NULL ? NULL : &block->order));
}

struct data_block *data_block_behind(const struct dfs_mark *mark)
{
    return block_of(dfs_mark_next(mark));
}

struct data_block *data_block_before(const struct dfs_mark *mark)
{
    return block_of(dfs_mark_item(mark));
}

/* Ids of files are random; of one file's blocks the index goes round. */
static uint16_t *writes_of(struct dfs_data *data, const struct dfs_block_id *id)
{
    return &data->writes_of[(id->file.bytes[DFS_ID_BYTES - 1] ^ id->index) % DATA_WRITES_BUCKETS];
}

/* What a block adds to the digest. A stump (below) is in no inventory, so it counts nowhere. */
static void digest_toggle(struct dfs_data *data, const struct data_block *block, bool adds)
{
    const struct dfs_w_block named = data_w_block(&block->id);

    if (block->length_bytes == 0)
        return;
    data->digest ^= dfs_block_digest(&named, block->length_bytes);
    data->blocks_good += adds ? 1 : (uint64_t)-1;
}

/* Live writes know the index's block of their id. `by`: the one that has brought it, mostly alone; NULL: none. */
static void tell_writes(struct dfs_data *data, const struct dfs_block_id *id, struct data_block *block,
                        struct data_write *by)
{
    if (by != NULL)
        by->here = block;
    if (*writes_of(data, id) == (by != NULL))
        return;
    dfs_list_each(at, &data->writes)
    {
        struct data_write *write = dfs_container_of(at, struct data_write, at);

        if (data_block_compare(&write->block, id) == 0)
            write->here = block;
    }
}

static struct data_block *block_insert(struct dfs_data *data, const struct dfs_block_id *id, uint32_t length_bytes,
                                       uint64_t file_bytes, struct data_write *by)
{
    struct data_block *block = dfs_slab_take(&data->blocks_slab);

    *block = (struct data_block){.id = *id};
    block->length_bytes = length_bytes;
    block->file_bytes = file_bytes;
    if (length_bytes > 0)
        dfs_order_push(&data->blocks, &block->order);
    else
        dfs_order_push_front(&data->blocks, &block->order); /* where data_stumps_remove looks */
    dfs_map_insert(&data->blocks_by_id, block);
    data->blocks_bytes += file_bytes;
    digest_toggle(data, block, true);
    tell_writes(data, id, block, by);
    return block;
}

struct data_block *data_block_listed(struct dfs_data *data, const struct dfs_block_id *id, uint64_t file_bytes)
{
    struct data_block *block = block_insert(data, id, data_length_of_file(file_bytes), file_bytes, NULL);

    block->durable = true; /* it was there at the start: what it was promised with is over */
    block->bad = block->length_bytes == 0;
    data->stumps_count += block->bad;
    return block;
}

void data_stump_left(struct dfs_data *data, const struct dfs_block_id *id, uint64_t file_bytes)
{
    block_insert(data, id, 0, file_bytes, NULL)->bad = true;
    data->stumps_count++;
}

/* Live writes have been told. */
static void block_drop(struct dfs_data *data, struct data_block *block)
{
    digest_toggle(data, block, false);
    data->stumps_count -= block->length_bytes == 0;
    data->blocks_bytes -= block->file_bytes;
    dfs_order_remove(&data->blocks, &block->order);
    (void)dfs_map_remove(&data->blocks_by_id, &block->id);
    dfs_slab_give(&data->blocks_slab, block);
}

void data_block_free(struct dfs_data *data, struct data_block *block)
{
    tell_writes(data, &block->id, NULL, NULL);
    block_drop(data, block);
}

void data_blocks_forget(struct dfs_data *data)
{
    struct data_block *block;

    dfs_list_each(at, &data->removals)
    {
        struct data_removal *removal = dfs_container_of(at, struct data_removal, at);

        for (uint32_t i = 0; i < removal->count; i++)
            removal->blocks[i] = NULL;
    }
    dfs_list_each(at, &data->writes) dfs_container_of(at, struct data_write, at)->here = NULL;
    data->stump =
        (struct dfs_block_id){.generation = 0}; /* a REMOVE that is under way finds none of those that come now */
    while ((block = data_block_next(data, NULL)) != NULL)
        block_drop(data, block);
}

void data_store_close(struct dfs_data *data)
{
    dfs_map_close(&data->blocks_by_id);
    dfs_slab_close(&data->blocks_slab);
}

void data_block_added(struct data_write *write)
{
    struct dfs_data *data = write->data;
    const struct dfs_block_id *id = &write->block;
    const uint32_t length_bytes = write->length_bytes;
    struct data_block *block = write->here;

    /* Two writes of the same bytes: the first one counts, durable or not. */
    if (block != NULL && !block->bad)
        return;
    if (block != NULL) { /* the bad copy was replaced */
        if (block->length_bytes > 0)
            (void)data_change(data, DFS_CHANGE_REMOVED, id, block->length_bytes, 0);
        data_room_give(data, block->file_bytes);
        data_block_free(data, block);
    }
    block = block_insert(data, id, length_bytes, write->file_bytes, write);
    block->durable = write->sync;
    block->change = data_change(data, DFS_CHANGE_ADDED, id, length_bytes, write->crc);

    const struct dfs_trace trace = {
        .kind = DFS_TRACE_PUBLISHED, .node = data->config.node, .block = *id, .a = length_bytes, .b = block->change};
    dfs_trace_put(&data->env, &trace);
}

void data_block_removed(struct dfs_data *data, struct data_block *block)
{
    const struct dfs_block_id id = block->id;
    const uint32_t length_bytes = block->length_bytes;

    struct dfs_trace trace = {.kind = DFS_TRACE_DELETED, .node = data->config.node, .block = id};

    data_room_give(data, block->file_bytes);
    data_block_free(data, block);
    if (length_bytes > 0) /* otherwise metadata never heard of it */
        trace.b = data_change(data, DFS_CHANGE_REMOVED, &id, length_bytes, 0);
    dfs_trace_put(&data->env, &trace);
}

/* Stumps ------------------------------------------------------------------------------------------------- */

static void stump_gone(struct dfs_data *data, struct data_block *block)
{
    const struct dfs_trace trace = {
        .kind = DFS_TRACE_BLOCK_BAD, .status = DFS_BLOCK_CORRUPT, .node = data->config.node, .block = block->id};

    if (data_length_of_file(block->file_bytes) == 0) { /* found at the start, not left by a write of our own */
        dfs_trace_put(&data->env, &trace);
        data->counters.blocks_bad++;
    }
    data_block_removed(data, block);
}

static void on_stump_removed(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                             uint64_t tag)
{
    struct data_block *block = data_block_find(data, &data->stump);

    (void)owner;
    (void)buf;
    (void)tag;
    data->stump_goes = false;
    if (block == NULL || block->length_bytes > 0)
        return;
    block->removing = false;
    if (done->status != DFS_OK && done->status != DFS_NOT_FOUND)
        return; /* the disk had its moment; the store timer comes back to it */
    stump_gone(data, block);
    data_stumps_remove(data);
}

/*
 * A file under a block's name that is no copy: of a size that no block has, which is what a power failure leaves of a
 * block that was written without syncs; or published by a write that failed then. It was in no inventory, and its name
 * is in the way of a copy. Removed one by one, after metadata has confirmed what we do have.
 */
void data_stumps_remove(struct dfs_data *data)
{
    struct data_block *block = data->stumps_count == 0 ? NULL : data_block_next(data, NULL);
    char name[DFS_FILE_NAME_BYTES_MAX];

    if (block == NULL || block->removing || data->stump_goes || !data->inventory_confirmed)
        return;
    DFS_ASSERT(block->length_bytes == 0);
    if (data_block_is_written(data, &block->id))
        return; /* by a write that replaces it */
    block->removing = true;
    data->stump = block->id;
    data->stump_goes = true;
    dfs_block_name(&block->id, name);
    data_io_submit(data, &data->store_ios, on_stump_removed, data, 0,
                   (struct dfs_disk_op){.verb = DFS_DISK_REMOVE, .name = name});
}

void data_block_failed(struct dfs_data *data, const struct dfs_block_id *id, enum dfs_status status)
{
    struct data_block *block = data_block_find(data, id);

    if (status != DFS_BLOCK_CORRUPT)
        data_store_check(data); /* missing files and failing disks may be a vanished store */
    if (block == NULL || block->removing || block->bad)
        return;
    block->bad = true;
    data->counters.blocks_bad++;
    (void)data_change(data, DFS_CHANGE_BAD, id, block->length_bytes, 0);

    const struct dfs_trace trace = {
        .kind = DFS_TRACE_BLOCK_BAD, .status = status, .node = data->config.node, .block = *id};
    dfs_trace_put(&data->env, &trace);
}

void data_block_written(struct dfs_data *data, const struct dfs_block_id *id, bool begins)
{
    uint16_t *count = writes_of(data, id);

    DFS_ASSERT(begins ? *count < UINT16_MAX : *count > 0);
    *count = (uint16_t)(*count + (begins ? 1 : -1));
}

bool data_block_is_written(struct dfs_data *data, const struct dfs_block_id *id)
{
    if (*writes_of(data, id) == 0)
        return false;
    dfs_list_each(at, &data->writes)
    {
        if (data_block_compare(&dfs_container_of(at, struct data_write, at)->block, id) == 0)
            return true;
    }
    return false;
}

bool data_block_is_copied(struct dfs_data *data, const struct dfs_block_id *id)
{
    dfs_list_each(at, &data->copies)
    {
        const struct dfs_block_id block = data_block_id(&dfs_container_of(at, struct data_copy, at)->order.block);

        if (data_block_compare(&block, id) == 0)
            return true;
    }
    return false;
}

/* Room --------------------------------------------------------------------------------------------------- */

/* capacity * ppb / 10^9 without overflow */
static uint64_t share_of(uint64_t bytes, uint32_t ppb)
{
    return bytes / 1000000000 * ppb + bytes % 1000000000 * ppb / 1000000000;
}

static uint64_t reserve_of(const struct dfs_data *data)
{
    return share_of(data->capacity_bytes, data->config.reserve_ppb);
}

bool data_room_is_left(const struct dfs_data *data)
{
    return data->free_bytes > reserve_of(data);
}

bool data_room_take(struct dfs_data *data, uint64_t file_bytes)
{
    const uint64_t reserve = reserve_of(data);

    if (data->free_bytes < file_bytes || data->free_bytes - file_bytes < reserve)
        return false;
    data->free_bytes -= file_bytes;
    return true;
}

void data_room_give(struct dfs_data *data, uint64_t file_bytes)
{
    data->free_bytes += file_bytes;
    if (data->free_bytes > data->capacity_bytes)
        data->free_bytes = data->capacity_bytes;
}

/* Directory ---------------------------------------------------------------------------------------------- */

static void dir_submit(struct dfs_data *data);

static void on_dir_synced(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                          uint64_t tag)
{
    struct dfs_list *link;

    (void)owner;
    (void)buf;
    (void)tag;
    data->dir_syncing = false;
    while ((link = dfs_list_pop(&data->dir_covered)) != NULL) {
        struct data_dir_wait *wait = dfs_container_of(link, struct data_dir_wait, link);

        wait->done(wait, done->status);
    }
    if (!dfs_list_empty(&data->dir_waiters))
        dir_submit(data);
}

/* One SYNC_DIR serves all names that were changed before it: whoever comes while one is under way waits for
 * the next. */
static void dir_submit(struct dfs_data *data)
{
    if (data->dir_syncing)
        return;
    data->dir_syncing = true;
    dfs_list_move_all(&data->dir_covered, &data->dir_waiters);
    data_io_submit(data, &data->store_ios, on_dir_synced, data, 0, (struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR});
}

void data_dir_sync(struct dfs_data *data, struct data_dir_wait *wait)
{
    dfs_list_push(&data->dir_waiters, &wait->link);
    dir_submit(data);
}
