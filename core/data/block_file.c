#include "core/data/block_file.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/cursor.h"
#include "core/base/hex.h"
#include "core/data/data.h"

#include <string.h>

#define FOOTER_MAGIC 0x44465342u /* "DFSB" */
#define FOOTER_VERSION 1

#define NAME_CHARS (DFS_ID_TEXT_BYTES - 1 + 2 * (1 + DFS_HEX_DIGITS))

/* Names -------------------------------------------------------------------------------------------------- */

/* A dash and eight digits; returns where they end. */
static char *print_number(char *at, uint32_t value)
{
    *at++ = '-';
    dfs_hex_print(value, at);
    return at + DFS_HEX_DIGITS;
}

void dfs_block_name(const struct dfs_block_id *block, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    char *at = ret_name + DFS_ID_TEXT_BYTES - 1;

    dfs_id_print(&block->file, ret_name);
    at = print_number(at, block->index);
    at = print_number(at, block->generation);
    *at = '\0';
}

/* One block has one name: nothing is parsed that is not printed. */
bool dfs_block_name_parse(const char *name, struct dfs_block_id *ret_block)
{
    struct dfs_block_id block;

    if (strnlen(name, NAME_CHARS + 1) != NAME_CHARS || !dfs_id_parse_printed(name, &block.file))
        return false;
    const char *index = name + DFS_ID_TEXT_BYTES - 1;
    const char *generation = index + 1 + DFS_HEX_DIGITS;

    if (*index != '-' || *generation != '-' || !dfs_hex_parse(index + 1, &block.index) ||
        !dfs_hex_parse(generation + 1, &block.generation))
        return false;
    if (block.index >= DFS_BLOCKS_PER_FILE_MAX || block.generation == 0)
        return false;
    *ret_block = block;
    return true;
}

int data_block_compare(const struct dfs_block_id *a, const struct dfs_block_id *b)
{
    const int file = dfs_id_compare(&a->file, &b->file);

    if (file != 0)
        return file;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return a->generation == b->generation ? 0 : a->generation < b->generation ? -1 : 1;
}

/* Footer ------------------------------------------------------------------------------------------------- */

uint32_t data_length_of_file(uint64_t file_bytes)
{
    const uint64_t chunk = DFS_CHUNK_BYTES + 4; /* with its checksum */
    uint64_t chunks;
    uint64_t length;

    if (file_bytes <= DATA_FOOTER_BYTES_FIXED || file_bytes > DFS_BLOCK_BYTES_MAX + (uint64_t)DATA_FOOTER_BYTES_MAX)
        return 0;
    chunks = (file_bytes - DATA_FOOTER_BYTES_FIXED + chunk - 1) / chunk;
    length = file_bytes - DATA_FOOTER_BYTES_FIXED;
    if (length <= 4 * chunks)
        return 0;
    length -= 4 * chunks;
    if (length > DFS_BLOCK_BYTES_MAX || data_chunks_of((uint32_t)length) != chunks)
        return 0;
    return (uint32_t)length;
}

void data_footer_encode(const struct dfs_block_id *block, uint32_t length_bytes, uint32_t crc, const uint32_t *crcs,
                        uint8_t *ret_bytes)
{
    const uint32_t chunks = data_chunks_of(length_bytes);
    uint8_t *rest = ret_bytes + 8 + DFS_ID_BYTES;

    dfs_store_be32(ret_bytes, FOOTER_MAGIC);
    dfs_store_be16(ret_bytes + 4, FOOTER_VERSION);
    dfs_store_be16(ret_bytes + 6, 0);
    memcpy(ret_bytes + 8, block->file.bytes, DFS_ID_BYTES);
    dfs_store_be32(rest, block->index);
    dfs_store_be32(rest + 4, block->generation);
    dfs_store_be32(rest + 8, length_bytes);
    dfs_store_be32(rest + 12, crc);
    rest += 16;
    for (uint32_t i = 0; i < chunks; i++, rest += 4)
        dfs_store_be32(rest, crcs[i]);
    dfs_store_be32(rest, dfs_crc32c(0, ret_bytes, (size_t)(rest - ret_bytes)));
    DFS_ASSERT(rest + 4 == ret_bytes + data_footer_bytes(length_bytes));
}

bool data_footer_decode(const uint8_t *bytes, size_t count, const struct dfs_block_id *block, uint32_t length_bytes,
                        uint32_t *ret_crc, uint32_t *ret_crcs)
{
    const uint32_t chunks = data_chunks_of(length_bytes);
    struct dfs_rd r = dfs_rd_make(bytes, count);
    struct dfs_block_id named;
    const uint8_t *file;
    bool good;
    uint32_t crc;

    if (count != data_footer_bytes(length_bytes))
        return false;
    good = dfs_rd_be(&r, 4) == FOOTER_MAGIC;
    good = dfs_rd_be(&r, 2) == FOOTER_VERSION && good;
    good = dfs_rd_be(&r, 2) == 0 && good;
    file = dfs_rd_bytes(&r, DFS_ID_BYTES);
    if (file == NULL)
        return false;
    memcpy(named.file.bytes, file, DFS_ID_BYTES);
    named.index = (uint32_t)dfs_rd_be(&r, 4);
    named.generation = (uint32_t)dfs_rd_be(&r, 4);
    good = dfs_rd_be(&r, 4) == length_bytes && good;
    crc = (uint32_t)dfs_rd_be(&r, 4);
    good = dfs_rd_bytes(&r, 4 * (size_t)chunks) != NULL && good;
    good = dfs_rd_be(&r, 4) == dfs_crc32c(0, bytes, count - 4) && good;
    if (!good || !dfs_rd_done(&r) || data_block_compare(&named, block) != 0)
        return false;
    r = dfs_rd_make(bytes + DATA_FOOTER_BYTES_FIXED - 4, 4 * (size_t)chunks);
    for (uint32_t i = 0; i < chunks; i++)
        ret_crcs[i] = (uint32_t)dfs_rd_be(&r, 4);
    *ret_crc = crc;
    return data_crc_of_chunks(ret_crcs, length_bytes) == crc;
}

uint32_t data_crc_of_chunks(const uint32_t *crcs, uint32_t length_bytes)
{
    const uint32_t chunks = data_chunks_of(length_bytes);
    uint32_t crc = 0;

    for (uint32_t i = 0; i < chunks; i++) {
        const uint32_t bytes = i + 1 < chunks ? DFS_CHUNK_BYTES : length_bytes - i * DFS_CHUNK_BYTES;

        crc = dfs_crc32c_combine(crc, crcs[i], bytes);
    }
    return crc;
}

bool dfs_block_file_check(const uint8_t *bytes, size_t count, const struct dfs_block_id *block, uint32_t *ret_length,
                          uint32_t *ret_crc)
{
    const uint32_t length = data_length_of_file(count);
    uint32_t stored[DATA_CHUNKS_MAX];
    uint32_t crc;

    if (length == 0 || !data_footer_decode(bytes + length, count - length, block, length, &crc, stored))
        return false;
    for (uint32_t i = 0; i < data_chunks_of(length); i++) {
        const uint32_t at = i * DFS_CHUNK_BYTES;
        const uint32_t bytes_here = length - at < DFS_CHUNK_BYTES ? length - at : DFS_CHUNK_BYTES;

        if (dfs_crc32c(0, bytes + at, bytes_here) != stored[i])
            return false;
    }
    *ret_length = length;
    *ret_crc = crc;
    return true;
}
