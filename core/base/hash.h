/*
 * hash.h - XXH3 (xxHash 0.8) for places and tables: fast, stable across machines, not a defence against forgers (mac.h is).
 */
#ifndef DFS_CORE_BASE_HASH_H
#define DFS_CORE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t dfs_hash64(uint64_t seed, const void *bytes, size_t count);

#endif
