/* dfs-data: a data server. */
#include "apps/common/daemon.h"
#include "core/setup/setup.h"

#include <stdio.h>

static void *make(const struct dfs_daemon_start *start, const struct dfs_env *env)
{
    struct dfs_data_config config = {.cluster = start->config->cluster,
                                     .node = start->config->node,
                                     .addr = start->addr,
                                     .meta = start->metadata,
                                     .capacity_bytes = (uint64_t)start->config->capacity_bytes,
                                     .fresh_store = start->fresh_store,
                                     .accept_older_journal = start->accept_older_journal};

    dfs_setup_data(&start->config->settings, &config);
    (void)snprintf(config.zone, sizeof config.zone, "%s", start->config->zone);
    (void)snprintf(config.issuer, sizeof config.issuer, "%s", start->config->issuer);
    return dfs_data_new(&config, env);
}

static void data_free(void *machine)
{
    dfs_data_free(machine);
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_data_step(machine, event);
}

static bool is_ready(const void *machine)
{
    return dfs_data_is_joined(machine);
}

static enum dfs_status failure(const void *machine, const char **ret_words)
{
    return dfs_data_failure(machine, ret_words);
}

static void metrics(const void *machine, dfs_daemon_emit emit, void *ctx)
{
    dfs_data_metrics(machine, emit, ctx);
}

static enum dfs_status answered(const void *result, const char **ret_words)
{
    const struct dfs_data_answer *answer = result;

    *ret_words = answer->words;
    return answer->status;
}

int main(int argc, char **argv)
{
    static const struct dfs_daemon_role role = {
        .role = DFS_ROLE_DATA,
        .program = "dfs-data",
        .about = "A data server: stores and replicates blocks.\n",
        .metric_prefix = "dfs_data_",
        .stop_command = DFS_DATA_LEAVE,
        .make = make,
        .free = data_free,
        .step = step,
        .is_ready = is_ready,
        .failure = failure,
        .metrics = metrics,
        .answered = answered,
    };

    return dfs_daemon_main(&role, argc, argv);
}
