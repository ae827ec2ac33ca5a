/*
 * clock_sim.h - the two clocks of a host, as functions of the world's time.
 *
 * mono runs from a start of its own (hosts' monos are not comparable) at 1 + drift; wall is the world's
 * calendar at the same rate plus an offset that may jump. Whole numbers only; conversions round so that a
 * deadline is never stepped early.
 */
#ifndef DFS_NET_SIM_CLOCK_SIM_H
#define DFS_NET_SIM_CLOCK_SIM_H

#include "net_sim/prf.h"

#include "core/base/time.h"

#include <stdint.h>

#define SIM_DRIFT_PPM_MAX 500000 /* half or one and a half times as fast */

struct sim_clock {
    dfs_time_ns base;  /* the world's time since which the drift below holds */
    dfs_time_ns mono;  /* at base */
    dfs_wall_ns wall;  /* at base, without the offset */
    int64_t offset_ns; /* of wall */
    int64_t drift_ppm;
};

void sim_clock_init(struct sim_clock *clock, dfs_time_ns now, dfs_time_ns mono, dfs_wall_ns wall);

/* From `now` on. Neither clock jumps by a change of drift; wall jumps by a change of offset. */
void sim_clock_set(struct sim_clock *clock, dfs_time_ns now, int64_t offset_ns, int64_t drift_ppm);

/* Time that passed on the host since base. */
static inline dfs_duration_ns sim_clock_passed(const struct sim_clock *clock, dfs_time_ns now)
{
    const dfs_duration_ns passed = now - clock->base;

    if (__builtin_expect(clock->drift_ppm == 0, 1))
        return passed;
    return (dfs_duration_ns)((sim_u128)passed * (uint64_t)(1000000 + clock->drift_ppm) / 1000000u);
}

static inline dfs_time_ns sim_clock_mono(const struct sim_clock *clock, dfs_time_ns now)
{
    return clock->mono + sim_clock_passed(clock, now);
}

/* Before 1970 is 0. */
static inline dfs_wall_ns sim_clock_wall(const struct sim_clock *clock, dfs_time_ns now)
{
    const dfs_wall_ns wall = clock->wall + sim_clock_passed(clock, now);

    if (clock->offset_ns < 0 && (uint64_t)-clock->offset_ns > wall)
        return 0;
    return wall + (uint64_t)clock->offset_ns;
}

/* The first time of the world, not before `base`, at which mono is at least `mono`; DFS_NEVER stays
 * DFS_NEVER. */
dfs_time_ns sim_clock_world(const struct sim_clock *clock, dfs_time_ns mono);

#endif
