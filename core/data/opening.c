/*
 * opening.c - the first look into a block file: its footer, and with a small block the whole file in one
 * read.
 *
 * What does not fit is read once more before it is believed: a disk may answer one read wrongly (or fail it)
 * and the next one well.
 */
#include "core/data/data_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static void opening_read(struct data_opening *opening);

static bool takes_whole(const struct data_opening *opening)
{
    return opening->whole && opening->length_bytes <= opening->data->frame_bytes;
}

static void opening_done(struct data_opening *opening, enum dfs_status status)
{
    opening->done(opening, status);
}

/* The footer out of what was read; the buffer is kept if it holds the data. */
static bool parse(struct data_opening *opening, struct dfs_buf *buf, uint64_t count)
{
    const uint32_t footer_bytes = data_footer_bytes(opening->length_bytes);
    const uint32_t data_bytes = takes_whole(opening) ? opening->length_bytes : 0;

    if (count != (uint64_t)data_bytes + footer_bytes)
        return false;
    return data_footer_decode(buf->bytes + data_bytes, footer_bytes, &opening->block, opening->length_bytes,
                              &opening->crc, opening->crcs);
}

static void on_read(struct dfs_data *data, void *owner, const struct dfs_disk_done *done, struct dfs_buf *buf,
                    uint64_t tag)
{
    struct data_opening *opening = owner;
    enum dfs_status status = done->status;

    (void)tag;
    if (status == DFS_OK && !parse(opening, buf, done->count))
        status = DFS_BLOCK_CORRUPT;
    if (status == DFS_OK && takes_whole(opening)) {
        opening->buf = buf; /* with the share of data->sending_bytes, and a reference of our own */
        opening_done(opening, DFS_OK);
        return;
    }
    data_sending_drop(data, buf);
    if (status == DFS_OK) {
        opening_done(opening, DFS_OK);
    } else if (status == DFS_NOT_FOUND) {
        opening_done(opening, DFS_BLOCK_MISSING);
    } else if (!opening->tried) {
        opening->tried = true;
        opening_read(opening);
    } else {
        opening_done(opening, status);
    }
}

static void opening_read(struct data_opening *opening)
{
    struct dfs_data *data = opening->data;
    const uint32_t footer_bytes = data_footer_bytes(opening->length_bytes);
    const uint32_t data_bytes = takes_whole(opening) ? opening->length_bytes : 0;
    /* The footer goes into the slack behind a whole block. */
    struct dfs_buf *buf = data_sending_take(data, data_bytes > 0 ? data_bytes : footer_bytes);
    char name[DFS_FILE_NAME_BYTES_MAX];

    if (buf == NULL) {
        data_hungry_wait(data, &opening->hungry);
        return;
    }
    dfs_block_name(&opening->block, name);
    data_io_submit(data, &opening->ios, on_read, opening, 0,
                   (struct dfs_disk_op){.verb = DFS_DISK_READ,
                                        .name = name,
                                        .buf = buf,
                                        .offset = opening->length_bytes - data_bytes,
                                        .length = (uint64_t)data_bytes + footer_bytes});
}

static void run(struct data_hungry *hungry)
{
    opening_read(dfs_container_of(hungry, struct data_opening, hungry));
}

void data_opening_begin(struct data_opening *opening, struct dfs_data *data, const struct dfs_block_id *block,
                        uint32_t length_bytes, bool whole, void (*done)(struct data_opening *, enum dfs_status))
{
    DFS_ASSERT(length_bytes > 0 && length_bytes <= DFS_BLOCK_BYTES_MAX);
    *opening = (struct data_opening){
        .data = data, .block = *block, .length_bytes = length_bytes, .whole = whole, .done = done};
    data_hungry_init(&opening->hungry, run);
    dfs_list_init(&opening->ios);
    opening->crcs = dfs_alloc(data_chunks_of(length_bytes) * sizeof opening->crcs[0]);
    opening_read(opening);
}

void data_opening_close(struct data_opening *opening)
{
    if (opening->data == NULL)
        return;
    dfs_list_remove(&opening->hungry.link);
    /* A read under way still owns its share of what may be sent; it is given back here, its answer finds nobody. */
    dfs_list_each(at, &opening->ios) data_sending_drop(opening->data, dfs_container_of(at, struct data_io, link)->buf);
    data_io_forget(&opening->ios);
    if (opening->buf != NULL)
        data_sending_drop(opening->data, opening->buf);
    dfs_free(opening->crcs);
    opening->data = NULL;
}
