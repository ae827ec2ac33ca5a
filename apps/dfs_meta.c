/* dfs-meta: the metadata server. */
#include "apps/common/daemon.h"
#include "core/setup/setup.h"

#include <stdio.h>

static void *make(const struct dfs_daemon_start *start, const struct dfs_env *env)
{
    struct dfs_meta_config config = {.cluster = start->config->cluster, .root = start->root, .auth = start->auth};

    dfs_setup_meta(&start->config->settings, &config);
    (void)snprintf(config.issuer, sizeof config.issuer, "%s", start->config->issuer);
    return dfs_meta_new(&config, env);
}

static void meta_free(void *machine)
{
    dfs_meta_free(machine);
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    return dfs_meta_step(machine, event);
}

static bool is_ready(const void *machine)
{
    return dfs_meta_is_ready(machine);
}

static enum dfs_status failure(const void *machine, const char **ret_words)
{
    return dfs_meta_failure(machine, ret_words);
}

static void metrics(const void *machine, dfs_daemon_emit emit, void *ctx)
{
    dfs_meta_metrics(machine, emit, ctx);
}

static enum dfs_status answered(const void *result, const char **ret_words)
{
    const struct dfs_meta_answer *answer = result;

    *ret_words = answer->words;
    return answer->status;
}

int main(int argc, char **argv)
{
    static const struct dfs_daemon_role role = {
        .role = DFS_ROLE_META,
        .program = "dfs-meta",
        .about = "The metadata server: names, placement, membership and repair.\n",
        .metric_prefix = "dfs_meta_",
        .stop_command = DFS_META_STOP,
        .make = make,
        .free = meta_free,
        .step = step,
        .is_ready = is_ready,
        .failure = failure,
        .metrics = metrics,
        .answered = answered,
    };

    return dfs_daemon_main(&role, argc, argv);
}
