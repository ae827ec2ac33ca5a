#include "sim/real/form.h"

static bool fault_is_real(enum sim_fault_kind kind)
{
    switch ((int)kind) {
    case SIM_FAULT_CRASH:
    case SIM_FAULT_RESTART:
    case SIM_FAULT_PAUSE:
    case SIM_FAULT_PARTITION:
    case SIM_FAULT_DROP:
        return true;
    default:
        return false;
    }
}

static bool work_is_real(const struct sim_work *work)
{
    static const uint32_t kinds = 1u << SIM_OP_PUT | 1u << SIM_OP_GET | 1u << SIM_OP_STAT | 1u << SIM_OP_LIST |
                                  1u << SIM_OP_MOVE | 1u << SIM_OP_REMOVE;

    if (!work->is_mix)
        return (kinds >> work->kind & 1u) != 0 && work->token == SIM_TOKEN_GOOD;
    for (unsigned kind = 0; kind < SIM_OP_COUNT; kind++) {
        if (work->weights[kind] > 0 && (kinds >> kind & 1u) == 0)
            return false;
    }
    return true;
}

enum dfs_status sim_real_form(const struct sim_scenario *scenario, struct dfs_why *ret_why)
{
    for (size_t i = 0; i < scenario->faults_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];

        if (!fault_is_real(fault->kind)) {
            dfs_why_set(ret_why,
                        "line %u: the fault \"%s\" has no real form (crash, restart, pause, partition and drop have)",
                        fault->line, sim_fault_name(fault->kind));
            return DFS_BAD_CONFIG;
        }
        if (fault->triggered) {
            dfs_why_set(ret_why,
                        "line %u: a fault that waits for an event (\"on\") has no real form; give it a time (\"at\")",
                        fault->line);
            return DFS_BAD_CONFIG;
        }
    }
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (work_is_real(&scenario->works[i]))
            continue;
        dfs_why_set(
            ret_why,
            "line %u: this step has no real form (put, get, stat, list, move and remove with a good token have)",
            scenario->works[i].line);
        return DFS_BAD_CONFIG;
    }
    return DFS_OK;
}
