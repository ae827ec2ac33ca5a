/*
 * block_file.h - the form of a block on the disk: its name, and the footer behind its data.
 *
 *     data (length) | "DFSB" | u16 version | u16 zero | file id, index, generation | u32 length | u32 crc32c of the data |
 *     u32 crc32c of each DFS_CHUNK_BYTES of the data | u32 crc32c of the footer up to here
 *
 * All big endian. The footer's length follows from the data's, so the data's length follows from the file's:
 * the inventory needs no look into the files. Pure.
 */
#ifndef DFS_CORE_DATA_BLOCK_FILE_H
#define DFS_CORE_DATA_BLOCK_FILE_H

#include "core/base/limits.h"
#include "core/env/env.h"

#define DATA_FOOTER_BYTES_FIXED 44
#define DATA_CHUNKS_MAX ((DFS_BLOCK_BYTES_MAX + DFS_CHUNK_BYTES - 1) / DFS_CHUNK_BYTES)
#define DATA_FOOTER_BYTES_MAX (DATA_FOOTER_BYTES_FIXED + 4 * DATA_CHUNKS_MAX)
_Static_assert(DATA_FOOTER_BYTES_MAX <= DFS_BULK_SLACK_BYTES, "a footer fits behind the payload of any bulk buffer");

static inline uint32_t data_chunks_of(uint32_t length_bytes)
{
    return (length_bytes + DFS_CHUNK_BYTES - 1) / DFS_CHUNK_BYTES;
}

static inline uint32_t data_footer_bytes(uint32_t length_bytes)
{
    return DATA_FOOTER_BYTES_FIXED + 4 * data_chunks_of(length_bytes);
}

/* How long the data is in a file of this size; 0: no block file has this size. */
uint32_t data_length_of_file(uint64_t file_bytes);

/* Writes data_footer_bytes(length) bytes. `crcs` holds one for each chunk. */
void data_footer_encode(const struct dfs_block_id *block, uint32_t length_bytes, uint32_t crc, const uint32_t *crcs,
                        uint8_t *ret_bytes);

/* Is this the footer of `block`, `length_bytes` long? ret_crcs has room for the chunks of that length.
 * Nothing is written otherwise. */
bool data_footer_decode(const uint8_t *bytes, size_t count, const struct dfs_block_id *block, uint32_t length_bytes,
                        uint32_t *ret_crc, uint32_t *ret_crcs);

/* The checksum of the whole out of those of the chunks. */
uint32_t data_crc_of_chunks(const uint32_t *crcs, uint32_t length_bytes);

/* Order of names, which is the order of ids, indices and generations. */
int data_block_compare(const struct dfs_block_id *a, const struct dfs_block_id *b);

#endif
