/*
 * os.h - the operating system's clocks and randomness.
 */
#ifndef DFS_NET_REAL_OS_H
#define DFS_NET_REAL_OS_H

#include "core/base/time.h"

#include <stddef.h>

/* CLOCK_BOOTTIME; real.h says why. */
dfs_time_ns dfs_os_mono(void);

/* CLOCK_REALTIME. */
dfs_wall_ns dfs_os_wall(void);

/* Bytes fit for keys. */
void dfs_os_random(void *bytes, size_t count);

#endif
