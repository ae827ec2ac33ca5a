#include "net_sim/clock_sim.h"

#include "core/base/assert.h"

void sim_clock_init(struct sim_clock *clock, dfs_time_ns now, dfs_time_ns mono, dfs_wall_ns wall)
{
    *clock = (struct sim_clock){.base = now, .mono = mono, .wall = wall};
}

void sim_clock_set(struct sim_clock *clock, dfs_time_ns now, int64_t offset_ns, int64_t drift_ppm)
{
    const dfs_duration_ns passed = sim_clock_passed(clock, now);

    DFS_ASSERT(drift_ppm >= -SIM_DRIFT_PPM_MAX && drift_ppm <= SIM_DRIFT_PPM_MAX);
    clock->mono += passed;
    clock->wall += passed;
    clock->base = now;
    clock->offset_ns = offset_ns;
    clock->drift_ppm = drift_ppm;
}

dfs_time_ns sim_clock_world(const struct sim_clock *clock, dfs_time_ns mono)
{
    sim_u128 passed;

    if (mono == DFS_NEVER)
        return DFS_NEVER;
    if (mono <= clock->mono)
        return clock->base;
    if (clock->drift_ppm == 0)
        return dfs_time_add(clock->base, mono - clock->mono);
    /* Rounded up: the smallest p with p * rate / 1e6 >= wanted. */
    passed = ((sim_u128)(mono - clock->mono) * 1000000u + (uint64_t)(1000000 + clock->drift_ppm) - 1) /
             (uint64_t)(1000000 + clock->drift_ppm);
    return passed > DFS_NEVER - clock->base ? DFS_NEVER : clock->base + (dfs_time_ns)passed;
}
