#include "core/wire/frame.h"

#include "core/base/cursor.h"
#include "core/wire/message.h"

void dfs_frame_encode(const struct dfs_frame *frame, uint8_t ret_bytes[DFS_FRAME_HEADER_BYTES])
{
    struct dfs_wr w = dfs_wr_make(ret_bytes, DFS_FRAME_HEADER_BYTES);

    dfs_wr_be(&w, frame->body_bytes, 4);
    dfs_wr_be(&w, frame->bulk_bytes, 4);
    dfs_wr_be(&w, frame->type, 2);
    dfs_wr_be(&w, 0, 2);
    dfs_wr_be(&w, frame->request, 4);
}

enum dfs_status dfs_frame_decode(const uint8_t bytes[DFS_FRAME_HEADER_BYTES], struct dfs_frame *ret_frame)
{
    struct dfs_rd r = dfs_rd_make(bytes, DFS_FRAME_HEADER_BYTES);
    struct dfs_frame frame;

    frame.body_bytes = (uint32_t)dfs_rd_be(&r, 4);
    frame.bulk_bytes = (uint32_t)dfs_rd_be(&r, 4);
    frame.type = (uint16_t)dfs_rd_be(&r, 2);
    const uint64_t zero = dfs_rd_be(&r, 2);
    frame.request = (uint32_t)dfs_rd_be(&r, 4);

    if (zero != 0 || dfs_message_layout(frame.type) == NULL)
        return DFS_BAD_REQUEST;
    if (frame.bulk_bytes != 0 && frame.type != DFS_MSG_BLOCK_DATA)
        return DFS_BAD_REQUEST;
    if (frame.body_bytes > DFS_FRAME_BODY_BYTES_MAX || frame.bulk_bytes > DFS_FRAME_BULK_BYTES_MAX)
        return DFS_TOO_LARGE;
    *ret_frame = frame;
    return DFS_OK;
}
