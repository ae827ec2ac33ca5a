#include "sim/loss.h"

#include "sim/nemesis.h"

#include <string.h>

/* The longest back-off of a client between two plans, twice. */
#define BACK_OFF_NS (4 * DFS_SECONDS)

dfs_duration_ns sim_loss_patience(const struct sim_run *run)
{
    return (dfs_duration_ns)run->cluster->options.settings.request_timeout_ns + BACK_OFF_NS;
}

static bool is_within_reach(struct sim_run *run, uint32_t data, dfs_duration_ns lately)
{
    const dfs_time_ns since = sim_copies_active_since(run, data);

    return since != DFS_NEVER && sim_world_now(run->world) - since >= lately &&
           !sim_nemesis_touches(run->nemesis, 2 + data, lately);
}

static enum sim_loss loss_of_block(struct sim_run *run, const struct sim_block *block, dfs_duration_ns lately)
{
    enum sim_loss loss = SIM_LOSS_GONE;

    for (uint32_t i = 0; i < block->holders_count && loss != SIM_LOSS_NONE; i++) {
        const uint32_t data = block->holders[i].data;

        if (sim_copies_has(run, data, block))
            loss = is_within_reach(run, data, lately) ? SIM_LOSS_NONE : SIM_LOSS_REACH;
    }
    return loss;
}

enum sim_loss sim_loss_of(struct sim_run *run, const struct sim_version *version, dfs_duration_ns lately)
{
    enum sim_loss worst = SIM_LOSS_NONE;

    for (uint32_t i = 0; i < version->blocks_count; i++) {
        if (version->blocks[i] == NULL)
            continue;
        const enum sim_loss loss = loss_of_block(run, version->blocks[i], lately);

        worst = loss > worst ? loss : worst;
    }
    return worst;
}

enum sim_loss sim_loss_of_path(struct sim_run *run, const char *path, dfs_time_ns since, dfs_duration_ns lately)
{
    const dfs_duration_ns trash = (dfs_duration_ns)run->cluster->options.settings.trash_keep_ns;
    const dfs_time_ns now = sim_world_now(run->world);
    enum sim_loss worst = SIM_LOSS_NONE;

    for (const struct sim_version *version = NULL; (version = sim_copies_version_next(run->copies, version)) != NULL;) {
        if (!version->committed || strcmp(version->path, path) != 0)
            continue;
        if (version->removed && version->removed_at < since)
            continue;
        if (version->removed && now - version->removed_at >= trash)
            return SIM_LOSS_GONE; /* thrown away while it was read */
        const enum sim_loss loss = sim_loss_of(run, version, lately);

        worst = loss > worst ? loss : worst;
    }
    return worst;
}
