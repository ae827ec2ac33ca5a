#include "net_sim/digest.h"

#if defined(__x86_64__)
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>

uint64_t sim_digest_long(uint64_t seed, const void *bytes, size_t count)
{
    return XXH3_64bits_withSeed_dispatch(bytes, count, seed);
}
#else
uint64_t sim_digest_long(uint64_t seed, const void *bytes, size_t count)
{
    return dfs_hash64(seed, bytes, count);
}
#endif
