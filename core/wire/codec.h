/*
 * codec.h - what the encoders and decoders that core/wire/layout.h makes are put together from. For that header and message.c only.
 *
 * Each layout gets a function for each direction, in which every width, offset and limit is a constant. They are all made from the few lines here and the
 * lists of fields, so what is proved for one message is proved for all.
 *
 * Room, in both directions: what a struct takes at least (layout->fixed) is tested once, before its function is called; `spare` is what is left beyond that.
 * Fixed fields need no further test, and the rest (characters of a text, items of a list) is taken out of `spare`.
 */
#ifndef DFS_CORE_WIRE_CODEC_H
#define DFS_CORE_WIRE_CODEC_H

#include "core/base/assert.h"
#include "core/wire/message.h"

/* Constants are only constants where this is part of the function that knows them. */
#define DFS_CODEC_INLINE static inline __attribute__((always_inline))

struct dfs_decoder {
    struct dfs_arena *arena;
    size_t spare;
    enum dfs_status status; /* of a failure */
};

DFS_CODEC_INLINE bool dfs_codec_in_range(uint64_t number, uint64_t min, uint64_t max)
{
    return number >= min && number <= max;
}

/* Encode: where the field ends, or NULL when it does not fit ---------------------------------------------------------------- */

DFS_CODEC_INLINE uint8_t *dfs_encode_number(uint64_t number, size_t width, uint64_t min, uint64_t max, uint8_t *at)
{
    DFS_ASSERT(dfs_codec_in_range(number, min, max));
    switch (width) {
    case 1:
        *at = (uint8_t)number;
        break;
    case 2:
        dfs_store_be16(at, (uint16_t)number);
        break;
    case 4:
        dfs_store_be32(at, (uint32_t)number);
        break;
    default:
        dfs_store_be64(at, number);
    }
    return at + width;
}

DFS_CODEC_INLINE uint8_t *dfs_encode_bytes(const void *bytes, size_t count, uint8_t *at)
{
    memcpy(at, bytes, count);
    return at + count;
}

DFS_CODEC_INLINE uint8_t *dfs_encode_addr(const struct dfs_addr *addr, uint8_t *at)
{
    memcpy(at, addr->ip, sizeof addr->ip);
    dfs_store_be16(at + sizeof addr->ip, addr->port);
    return at + sizeof addr->ip + 2;
}

uint8_t *dfs_encode_text(const struct dfs_text *text, uint32_t max, uint8_t *at, size_t *spare);

DFS_CODEC_INLINE uint8_t *dfs_encode_list(const void *items, uint32_t count, uint32_t max, size_t item_bytes,
                                          size_t fixed, dfs_encode_fields *encode, uint8_t *at, size_t *spare)
{
    const uint8_t *item = items;

    DFS_ASSERT(count <= max);
    if (count * fixed > *spare)
        return NULL;
    *spare -= count * fixed;
    dfs_store_be16(at, (uint16_t)count);
    at += 2;
    for (uint32_t i = 0; i < count && at != NULL; i++, item += item_bytes)
        at = encode(item, at, spare);
    return at;
}

/* Decode: where the field ends, or NULL when it is none --------------------------------------------------------------------- */

DFS_CODEC_INLINE const uint8_t *dfs_decode_failed(struct dfs_decoder *decoder, enum dfs_status status)
{
    decoder->status = status;
    return NULL;
}

DFS_CODEC_INLINE uint64_t dfs_decode_number(const uint8_t *at, size_t width)
{
    return width == 1 ? *at : width == 2 ? dfs_load_be16(at) : width == 4 ? dfs_load_be32(at) : dfs_load_be64(at);
}

DFS_CODEC_INLINE const uint8_t *dfs_decode_addr(const uint8_t *at, struct dfs_addr *ret_addr)
{
    memcpy(ret_addr->ip, at, sizeof ret_addr->ip);
    ret_addr->port = dfs_load_be16(at + sizeof ret_addr->ip);
    return at + sizeof ret_addr->ip + 2;
}

const uint8_t *dfs_decode_text(const uint8_t *at, uint32_t max, struct dfs_decoder *decoder, struct dfs_text *ret_text);

/* A count beyond the bytes left is refused before memory is taken for it. */
DFS_CODEC_INLINE const uint8_t *dfs_decode_list(const uint8_t *at, uint32_t max, size_t item_bytes, size_t fixed,
                                                dfs_decode_fields *decode, struct dfs_decoder *decoder,
                                                void **ret_items, uint32_t *ret_count)
{
    const uint32_t count = dfs_load_be16(at);
    uint8_t *item = NULL;

    if (count > max || count * fixed > decoder->spare)
        return dfs_decode_failed(decoder, DFS_BAD_REQUEST);
    decoder->spare -= count * fixed;
    at += 2;
    if (count > 0) {
        item = dfs_arena_take(decoder->arena, count, item_bytes);
        if (item == NULL)
            return dfs_decode_failed(decoder, DFS_TOO_LARGE);
    }
    *ret_items = item;
    *ret_count = count;
    for (uint32_t i = 0; i < count && at != NULL; i++, item += item_bytes)
        at = decode(at, decoder, item);
    return at;
}

#endif
