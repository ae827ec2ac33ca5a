/*
 * time.h - time is a number handed in.
 *
 * `dfs_time_ns` is a point on the monotonic clock of one host; it is compared and subtracted, never printed as a date.
 * `dfs_wall_ns` is nanoseconds since 1970 UTC and serves token times only. `dfs_duration_ns` is a length of time. None
 * of them is read from anywhere in core: both clocks stand in every event.
 */
#ifndef DFS_CORE_BASE_TIME_H
#define DFS_CORE_BASE_TIME_H

#include <stdint.h>

typedef uint64_t dfs_time_ns;
typedef uint64_t dfs_wall_ns;
typedef uint64_t dfs_duration_ns;

#define DFS_NEVER UINT64_MAX
#define DFS_MICROSECONDS UINT64_C(1000)
#define DFS_MILLISECONDS UINT64_C(1000000)
#define DFS_SECONDS UINT64_C(1000000000)

static inline dfs_time_ns dfs_time_min(dfs_time_ns a, dfs_time_ns b)
{
    return a < b ? a : b;
}

static inline dfs_time_ns dfs_time_max(dfs_time_ns a, dfs_time_ns b)
{
    return a > b ? a : b;
}

/* at + length, and DFS_NEVER where that would overflow. */
static inline dfs_time_ns dfs_time_add(dfs_time_ns at, dfs_duration_ns length)
{
    return at > DFS_NEVER - length ? DFS_NEVER : at + length;
}

#endif
