/*
 * health.c - HEALTH: how the cluster is, in one answer.
 */
#include "core/meta/nodes.h"

static const char *words_of(const struct dfs_meta *meta)
{
    const struct meta_nodes *nodes = meta->nodes;

    if (!nodes->warm)
        return "warming up: waiting for the known data servers";
    if (nodes->repair.lost > 0)
        return "blocks without a live copy";
    if (nodes->braked)
        return "repair is held: too many data servers went at once";
    if (nodes->repair.one_copy > 0)
        return "blocks with one live copy";
    if (nodes->repair.under > 0)
        return "blocks with fewer copies than wanted";
    if (nodes->states[DFS_NODE_SUSPECT] > 0)
        return "a data server does not answer";
    return "well";
}

/* The fewest losses of nodes that could lose data: what the blocks worst off have beyond their last copy. */
static uint32_t losses_survivable(const struct dfs_meta *meta)
{
    const struct meta_repair *repair = &meta->nodes->repair;

    if (repair->one_copy > 0 || repair->lost > 0 || meta->config.replication == 1)
        return 0;
    return repair->under > 0 ? 1 : meta->config.replication - 1;
}

void meta_on_health(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_health *ask)
{
    const struct meta_nodes *nodes = meta->nodes;
    struct dfs_w_number states[DFS_NODE_STATE_COUNT];
    struct dfs_m_health_done done = {
        .health = dfs_text_of(words_of(meta)),
        .nodes = states,
        .nodes_count = DFS_NODE_STATE_COUNT,
        .under = nodes->repair.under,
        .one_copy = nodes->repair.one_copy,
        .losses_survivable = losses_survivable(meta),
        .repair_running = nodes->repair.running,
        .repair_bytes_per_s = nodes->rate_per_s,
        .epoch = meta->epoch,
    };

    (void)ask;
    if (!meta_claims_allow(meta, peer, request, 'a', "", 0))
        return;
    done.repair_queued = nodes->repair.under > nodes->repair.running ? nodes->repair.under - nodes->repair.running : 0;
    for (uint32_t i = 0; i < DFS_NODE_STATE_COUNT; i++)
        states[i].value = nodes->states[i];
    meta_reply(meta, peer, request, DFS_MSG_HEALTH_DONE, &done);
}
