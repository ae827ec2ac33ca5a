/*
 * io.c - disk operations that know their owner.
 *
 * A token is slot and generation, so that an answer to an operation whose owner has gone finds nobody, and
 * only gives its buffer back.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#define IOS_ROOM_FIRST 16

static struct data_io *io_new(struct dfs_data *data)
{
    struct data_io *io = data->ios_free;

    if (io != NULL) {
        data->ios_free = io->next_free;
        return io;
    }
    if (data->ios_count == data->ios_room) {
        data->ios_room = data->ios_room == 0 ? IOS_ROOM_FIRST : 2 * data->ios_room;
        data->ios = dfs_realloc_array(data->ios, data->ios_room, sizeof(struct data_io *));
    }
    io = dfs_alloc_zero(sizeof *io);
    dfs_list_init(&io->link);
    io->slot = data->ios_count;
    data->ios[data->ios_count++] = io;
    return io;
}

void data_io_submit(struct dfs_data *data, struct dfs_list *owner_list, data_io_done *done, void *owner, uint64_t tag,
                    struct dfs_disk_op op)
{
    struct data_io *io;

    if (data->ending)
        return;
    io = io_new(data);
    io->generation++;
    io->busy = true;
    io->done = done;
    io->owner = owner;
    io->tag = tag;
    io->buf = op.buf == NULL ? NULL : dfs_buf_ref(op.buf);
    if (done != NULL)
        dfs_list_push(owner_list, &io->link);
    op.token = (uint64_t)io->generation << 32 | io->slot;
    data->env.disk->submit(data->env.ctx, &op);
}

void data_io_forget(struct dfs_list *owner_list)
{
    struct dfs_list *link;

    while ((link = dfs_list_pop(owner_list)) != NULL)
        dfs_container_of(link, struct data_io, link)->done = NULL;
}

static void io_failed(struct dfs_data *data, const struct dfs_disk_done *done)
{
    data->counters.disk_errors += done->status == DFS_IO;
    if (done->verb <= DFS_DISK_SYNC_DIR)
        data_write_failed(data, done->status);
}

void data_io_answer(struct dfs_data *data, const struct dfs_disk_done *done)
{
    const uint32_t slot = (uint32_t)done->token;
    struct data_io *io;
    struct dfs_buf *buf;
    data_io_done *call;
    void *owner;
    uint64_t tag;

    if (slot >= data->ios_count)
        return;
    io = data->ios[slot];
    if (!io->busy || io->generation != (uint32_t)(done->token >> 32))
        return;
    if (done->status != DFS_OK)
        io_failed(data, done);
    call = io->done;
    owner = io->owner;
    tag = io->tag;
    buf = io->buf;
    io->busy = false;
    io->done = NULL;
    io->buf = NULL;
    dfs_list_remove(&io->link);
    io->next_free = data->ios_free;
    data->ios_free = io;
    if (call != NULL)
        call(data, owner, done, buf, tag);
    dfs_buf_unref(buf);
}

void data_io_close(struct dfs_data *data)
{
    for (uint32_t i = 0; i < data->ios_count; i++) {
        dfs_buf_unref(data->ios[i]->buf);
        dfs_free(data->ios[i]);
    }
    dfs_free(data->ios);
    data->ios = NULL;
    data->ios_count = 0;
    data->ios_room = 0;
    data->ios_free = NULL;
}
