/*
 * Bytes as a peer may send them: a frame's header, every message's body, a datagram. What decodes has to encode to the same bytes.
 */
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void body(const struct dfs_layout *layout, const uint8_t *bytes, size_t count)
{
    union dfs_any_message value;
    struct dfs_arena arena;
    struct dfs_rd r = dfs_rd_make(bytes, count);

    dfs_arena_init(&arena, DFS_DECODE_BYTES_MAX);
    if (dfs_decode(layout, &r, &arena, &value) == DFS_OK) {
        uint8_t *again = dfs_alloc(count + 1);
        struct dfs_wr w = dfs_wr_make(again, count + 1);

        dfs_encode(layout, &value, &w);
        DFS_ASSERT(!w.bad && dfs_wr_count(&w) == count && memcmp(again, bytes, count) == 0);
        dfs_free(again);
    }
    dfs_arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    union dfs_any_message value;
    struct dfs_frame frame;
    uint32_t number = 0;

    if (count < DFS_FRAME_HEADER_BYTES)
        return 0;
    if (dfs_datagram_decode(bytes, count, &number, &value) == DFS_OK)
        DFS_ASSERT(number == DFS_MSG_HEARTBEAT || number == DFS_MSG_HEARTBEAT_ACK);
    (void)dfs_frame_decode(bytes, &frame);
    /* Any message, whatever the header says: its second byte chooses. */
    const struct dfs_layout *layout = dfs_message_layout(bytes[1] % (DFS_MSG_NUMBER_MAX + 1u));

    if (layout != NULL)
        body(layout, bytes + DFS_FRAME_HEADER_BYTES, count - DFS_FRAME_HEADER_BYTES);
    return 0;
}
