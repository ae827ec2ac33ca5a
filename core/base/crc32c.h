/*
 * crc32c.h - CRC-32C (Castagnoli; RFC 3720 appendix B.4), by ISA-L.
 *
 * dfs_crc32c(0, "123456789", 9) == 0xE3069283. Additive: dfs_crc32c(dfs_crc32c(0, a), b) is the checksum of ab.
 */
#ifndef DFS_CORE_BASE_CRC32C_H
#define DFS_CORE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t dfs_crc32c(uint32_t crc, const void *bytes, size_t count);

/* The checksum of ab from those of a and b and the length of b, without their bytes. O(log length); DFS_CHUNK_BYTES is a table look-up. */
uint32_t dfs_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes);

/* Checksums of each DFS_CHUNK_BYTES of `bytes` (the last may be shorter) into ret_crcs; returns how many. */
size_t dfs_crc32c_chunks(const void *bytes, size_t count, uint32_t *ret_crcs, size_t crcs_max);

#endif
