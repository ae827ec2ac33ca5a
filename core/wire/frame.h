/*
 * frame.h - sixteen bytes in front of every message:
 *
 *     u32 body_bytes | u32 bulk_bytes | u16 type | u16 zero | u32 request
 *
 * `request` is chosen by whoever asks and repeated in every frame of the answer. Body is the encoded message; bulk (block bytes) follows it.
 * The same header stands in front of a datagram's message (bulk 0).
 */
#ifndef DFS_CORE_WIRE_FRAME_H
#define DFS_CORE_WIRE_FRAME_H

#include "core/base/limits.h"
#include "core/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct dfs_frame {
    uint32_t body_bytes;
    uint32_t bulk_bytes;
    uint16_t type;
    uint32_t request;
};

void dfs_frame_encode(const struct dfs_frame *frame, uint8_t ret_bytes[DFS_FRAME_HEADER_BYTES]);

/* OK; BAD_REQUEST: no such message, or bytes that must be zero are not, or bulk on a message that has none; TOO_LARGE: over
 * DFS_FRAME_BODY_BYTES_MAX or DFS_FRAME_BULK_BYTES_MAX. The caller drops the peer. */
enum dfs_status dfs_frame_decode(const uint8_t bytes[DFS_FRAME_HEADER_BYTES],
                                 struct dfs_frame *ret_frame) DFS_MUST_CHECK;

#endif
