/*
 * digest.h - the hash of bytes: that of core/base/hash.h, value for value, by the widest vectors that the processor has.
 */
#ifndef DFS_NET_SIM_DIGEST_H
#define DFS_NET_SIM_DIGEST_H

#include "core/base/hash.h"

/* Up to so many bytes XXH3 has no use for vectors. */
#define SIM_DIGEST_SHORT_BYTES 240

uint64_t sim_digest_long(uint64_t seed, const void *bytes, size_t count);

static inline uint64_t sim_digest(uint64_t seed, const void *bytes, size_t count)
{
    return count <= SIM_DIGEST_SHORT_BYTES ? dfs_hash64(seed, bytes, count) : sim_digest_long(seed, bytes, count);
}

#endif
