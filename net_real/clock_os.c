#include "core/base/assert.h"
#include "net_real/os.h"

#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec at;
    const int rc = clock_gettime(clock, &at);

    DFS_ASSERT(rc == 0);
    return (uint64_t)at.tv_sec * DFS_SECONDS + (uint64_t)at.tv_nsec;
}

dfs_time_ns dfs_os_mono(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

dfs_wall_ns dfs_os_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}
