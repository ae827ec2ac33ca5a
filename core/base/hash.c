#include "core/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t dfs_hash64(uint64_t seed, const void *bytes, size_t count)
{
    switch (count) { /* what tables are made of: with the length known, a few multiplications are left */
    case 8:
        return XXH3_64bits_withSeed(bytes, 8, seed);
    case 16:
        return XXH3_64bits_withSeed(bytes, 16, seed);
    case 24:
        return XXH3_64bits_withSeed(bytes, 24, seed);
    default:
        return XXH3_64bits_withSeed(bytes, count, seed);
    }
}
