#include "sim/checkers/checkers.h"

#include <string.h>

const struct sim_checker *const sim_checkers[] = {
    &sim_checker_acked_data,
    &sim_checker_reads_never_go_back,
    &sim_checker_linearizable,
    &sim_checker_eviction_time,
    &sim_checker_no_false_eviction,
    &sim_checker_ring,
    &sim_checker_copies,
    &sim_checker_progress,
    &sim_checker_orphans,
    &sim_checker_accounting,
    &sim_checker_one_primary,
    &sim_checker_authority,
    &sim_checker_limits,
    &sim_checker_zones,
    NULL,
};

uint32_t sim_checker_data_index(const struct sim_run *run, const struct dfs_id *id)
{
    const struct sim_node *node = sim_cluster_data_by_id(run->cluster, id);

    return node == NULL ? UINT32_MAX : (uint32_t)(node - run->cluster->data);
}

enum dfs_role sim_checker_role(const struct sim_run *run, const struct sim_host *host)
{
    const uint32_t number = host == NULL ? UINT32_MAX : sim_run_host_number(run, host);

    if (number == UINT32_MAX)
        return DFS_ROLE_NONE;
    if (number < 2)
        return number == 0 ? DFS_ROLE_AUTH : DFS_ROLE_META;
    return number - 2 < run->cluster->options.data ? DFS_ROLE_DATA : DFS_ROLE_CLIENT;
}

void sim_touched_note(struct sim_run *run, struct sim_touched *touched, const struct sim_fault *fault,
                      const struct sim_host *host)
{
    const uint32_t number = host == NULL ? UINT32_MAX : sim_run_host_number(run, host);

    switch ((int)fault->kind) {
    case SIM_FAULT_BIT_ROT:
    case SIM_FAULT_DISK_VANISH:
    case SIM_FAULT_DISK_STALE:
    case SIM_FAULT_DISK_MISDIRECT:
    case SIM_FAULT_IMPERSONATE:
        touched->any = true;
        if (number != UINT32_MAX)
            sim_host_set_add(&touched->hosts, number);
        break;
    default:
        break;
    }
}
