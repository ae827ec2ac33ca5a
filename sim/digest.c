#include "sim/digest.h"

#include "core/base/hash.h"
#include "core/wire/frame.h"
#include "core/wire/message.h"

#include <string.h>

/* Decodes the frame; the token's place, or count 0. */
static struct dfs_text token_of(uint32_t number, const uint8_t *head, size_t head_bytes)
{
    struct dfs_rd body = dfs_rd_make(head + DFS_FRAME_HEADER_BYTES, head_bytes - DFS_FRAME_HEADER_BYTES);
    union dfs_any_message message;

    /* No message with a token has a list: nothing is allocated. */
    if (dfs_decode(dfs_message_layout(number), &body, NULL, &message) != DFS_OK)
        return (struct dfs_text){0};
    return number == DFS_MSG_HELLO   ? message.hello.token
           : number == DFS_MSG_TOKEN ? message.token.token
                                     : message.refresh.token;
}

/* Apart: of nearly every frame only the number is looked at. */
static __attribute__((noinline)) bool digest_without_signature(uint32_t number, const uint8_t *head, size_t head_bytes,
                                                               uint64_t *ret_digest)
{
    const struct dfs_text token = token_of(number, head, head_bytes);
    const uint8_t *dot = token.count > 0 ? memrchr(token.at, '.', token.count) : NULL;

    if (dot == NULL)
        return false;
    const uint8_t *end = (const uint8_t *)token.at + token.count;

    *ret_digest = dfs_hash64(dfs_hash64(0, head, (size_t)(dot - head)), end, (size_t)(head + head_bytes - end));
    return true;
}

bool sim_token_digest(void *arg, const uint8_t *head, size_t head_bytes, uint64_t *ret_digest)
{
    uint32_t number;

    (void)arg;
    /* frame.h: u32 body_bytes | u32 bulk_bytes | u16 type */
    if (head_bytes < DFS_FRAME_HEADER_BYTES)
        return false;
    number = (uint32_t)head[8] << 8 | head[9];
    if (number != DFS_MSG_HELLO && number != DFS_MSG_TOKEN && number != DFS_MSG_REFRESH)
        return false;
    return digest_without_signature(number, head, head_bytes, ret_digest);
}
