#include "net_sim/partition.h"

#include "net_sim/internal.h"

#include "core/base/mem.h"

sim_partition_id sim_partition_cut(struct sim_world *world, const struct sim_group *groups, size_t group_count,
                                   bool one_way)
{
    struct sim_partition *partition =
        dfs_alloc_zero(sizeof *partition + world->host_count * sizeof partition->group_of[0]);

    DFS_ASSERT(world->stepping == NULL && group_count < UINT16_MAX);
    partition->id = ++world->partition_last;
    partition->one_way = one_way;
    partition->host_count = world->host_count;
    for (size_t g = 0; g < group_count; g++) {
        for (size_t i = 0; i < groups[g].count; i++) {
            uint16_t *group = &partition->group_of[groups[g].hosts[i]->index];

            DFS_ASSERT(*group == 0);
            *group = (uint16_t)(g + 1);
        }
    }
    partition->next = world->partitions;
    world->partitions = partition;
    sim_trace_mix(world, partition->id, UINT64_C(8) << 40);
    return partition->id;
}

static bool heal(struct sim_world *world, sim_partition_id id)
{
    for (struct sim_partition **at = &world->partitions; *at != NULL; at = &(*at)->next) {
        struct sim_partition *partition = *at;

        if (partition->id != id)
            continue;
        *at = partition->next;
        dfs_free(partition);
        return true;
    }
    return false;
}

bool sim_partition_heal(struct sim_world *world, sim_partition_id id)
{
    DFS_ASSERT(world->stepping == NULL);
    if (!heal(world, id))
        return false;
    sim_trace_mix(world, id, UINT64_C(9) << 40);
    sim_streams_heal(world);
    return true;
}

void sim_partition_heal_all(struct sim_world *world)
{
    bool any = false;

    while (world->partitions != NULL)
        any |= heal(world, world->partitions->id);
    if (!any)
        return;
    sim_trace_mix(world, 0, UINT64_C(9) << 40);
    sim_streams_heal(world);
}

bool sim_partition_looks(const struct sim_host *from, const struct sim_host *to)
{
    for (const struct sim_partition *at = from->world->partitions; at != NULL; at = at->next) {
        const uint16_t from_group = from->index < at->host_count ? at->group_of[from->index] : 0;
        const uint16_t to_group = to->index < at->host_count ? at->group_of[to->index] : 0;

        if (from_group == 0 || to_group == 0 || from_group == to_group)
            continue;
        if (!at->one_way || from_group == 1)
            return true;
    }
    return false;
}

bool sim_partition_blocks(const struct sim_host *from, const struct sim_host *to)
{
    return sim_blocked(from, to);
}
