#include "core/wire/frame.h"

#include "core/base/cursor.h"
#include "core/wire/message.h"

void dfs_frame_encode(const struct dfs_frame *frame, uint8_t ret_bytes[DFS_FRAME_HEADER_BYTES])
{
    dfs_store_be32(ret_bytes, frame->body_bytes);
    dfs_store_be32(ret_bytes + 4, frame->bulk_bytes);
    dfs_store_be16(ret_bytes + 8, frame->type);
    dfs_store_be16(ret_bytes + 10, 0);
    dfs_store_be32(ret_bytes + 12, frame->request);
}

enum dfs_status dfs_frame_decode(const uint8_t bytes[DFS_FRAME_HEADER_BYTES], struct dfs_frame *ret_frame)
{
    const struct dfs_frame frame = {.body_bytes = dfs_load_be32(bytes),
                                    .bulk_bytes = dfs_load_be32(bytes + 4),
                                    .type = dfs_load_be16(bytes + 8),
                                    .request = dfs_load_be32(bytes + 12)};

    if (dfs_load_be16(bytes + 10) != 0 || dfs_message_layout(frame.type) == NULL)
        return DFS_BAD_REQUEST;
    if (frame.bulk_bytes != 0 && frame.type != DFS_MSG_BLOCK_DATA)
        return DFS_BAD_REQUEST;
    if (frame.body_bytes > DFS_FRAME_BODY_BYTES_MAX || frame.bulk_bytes > DFS_FRAME_BULK_BYTES_MAX)
        return DFS_TOO_LARGE;
    *ret_frame = frame;
    return DFS_OK;
}
