/*
 * cursor.h - reading and writing of bytes that cannot overrun. Big endian, as on the wire.
 *
 * Errors stick: after the first read or write that does not fit, `bad` is set, reads return 0 and writes do nothing. Check once, at the end;
 * a reader also demands that nothing is left (dfs_rd_done).
 */
#ifndef DFS_CORE_BASE_CURSOR_H
#define DFS_CORE_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Numbers at any address. */
static inline uint16_t dfs_load_be16(const void *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof value);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? value : __builtin_bswap16(value);
}

static inline uint32_t dfs_load_be32(const void *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? value : __builtin_bswap32(value);
}

static inline uint64_t dfs_load_be64(const void *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? value : __builtin_bswap64(value);
}

static inline void dfs_store_be16(void *at, uint16_t value)
{
    value = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? value : __builtin_bswap16(value);
    memcpy(at, &value, sizeof value);
}

static inline void dfs_store_be32(void *at, uint32_t value)
{
    value = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? value : __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
}

static inline void dfs_store_be64(void *at, uint64_t value)
{
    value = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? value : __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
}

struct dfs_rd {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct dfs_wr {
    uint8_t *begin;
    uint8_t *at;
    uint8_t *end;
    bool bad;
};

static inline struct dfs_rd dfs_rd_make(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    return (struct dfs_rd){.at = at, .end = count == 0 ? at : at + count, .bad = false};
}

static inline size_t dfs_rd_left(const struct dfs_rd *r)
{
    return (size_t)(r->end - r->at);
}

static inline bool dfs_rd_done(const struct dfs_rd *r)
{
    return !r->bad && r->at == r->end;
}

/* `count` bytes in place, or NULL (and bad) when fewer are left. */
static inline const uint8_t *dfs_rd_bytes(struct dfs_rd *r, size_t count)
{
    const uint8_t *at = r->at;

    if (r->bad || dfs_rd_left(r) < count) {
        r->bad = true;
        return NULL;
    }
    if (count > 0) /* no arithmetic on the NULL of an empty reader */
        r->at = at + count;
    return at;
}

/* An unsigned number of 1..8 bytes; 0 (and bad) when fewer are left. */
static inline uint64_t dfs_rd_be(struct dfs_rd *r, size_t width)
{
    const uint8_t *at = dfs_rd_bytes(r, width);
    uint64_t value = 0;

    if (at == NULL)
        return 0;
    switch (width) { /* a constant where this is called, nearly always: one load */
    case 2:
        return dfs_load_be16(at);
    case 4:
        return dfs_load_be32(at);
    case 8:
        return dfs_load_be64(at);
    default:
        for (size_t i = 0; i < width; i++)
            value = value << 8 | at[i];
        return value;
    }
}

static inline struct dfs_wr dfs_wr_make(void *bytes, size_t count)
{
    uint8_t *at = bytes;
    return (struct dfs_wr){.begin = at, .at = at, .end = count == 0 ? at : at + count, .bad = false};
}

static inline size_t dfs_wr_count(const struct dfs_wr *w)
{
    return (size_t)(w->at - w->begin);
}

static inline void dfs_wr_bytes(struct dfs_wr *w, const void *bytes, size_t count)
{
    if (w->bad || (size_t)(w->end - w->at) < count) {
        w->bad = true;
        return;
    }
    if (count == 0)
        return;
    memcpy(w->at, bytes, count);
    w->at += count;
}

static inline void dfs_wr_be(struct dfs_wr *w, uint64_t value, size_t width)
{
    if (w->bad || (size_t)(w->end - w->at) < width) {
        w->bad = true;
        return;
    }
    switch (width) {
    case 2:
        dfs_store_be16(w->at, (uint16_t)value);
        break;
    case 4:
        dfs_store_be32(w->at, (uint32_t)value);
        break;
    case 8:
        dfs_store_be64(w->at, value);
        break;
    default:
        for (size_t i = 0; i < width; i++)
            w->at[i] = (uint8_t)(value >> 8 * (width - 1 - i));
    }
    w->at += width;
}

#endif
