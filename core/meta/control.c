/*
 * control.c - the control connection of a node: whose stream it is, and whether anything still comes through.
 *
 * Half of a stream may be dead and nobody is told, while heartbeats go on beside it: then the node is a member that hears
 * no orders, or whose answers are lost. What should have come and has not tells:
 *
 *   BLOCK_EVENTS                    the node's heartbeats count changes that were not told
 *   INVENTORY, INVENTORY_END        no page comes, the end is missing
 *   KEYS_UPDATE                     is answered at once, by STATUS; no disk and no other server is asked for that
 *   COPY, VERIFY                    their answers may take long, so at the deadline the node is given its keys once more (meta_control_sound):
 *                                   one that answers this is slow, not out of reach
 *   STATUS: your life is void       the node does not join again
 *   REMOVE_BLOCK                    batches in succession are not answered (removals.c)
 *
 * JOIN, RESUME, pages of the inventory and LEAVE are questions of the node's: their answers have deadlines there.
 * Without the answer to the end of its inventory a node is a member that cannot resume: the next thing of the above tells.
 */
#include "core/meta/nodes.h"

/* What is awaited on a stream ends with it. */
static void forget(struct meta_node *node)
{
    node->unanswered = 0;
    node->behind_since = 0;
    node->rejoin_since = 0;
    node->asked_since = 0;
    node->asked_beats = 0;
}

bool meta_control_is_late(const struct meta_node *node, const struct meta_peer *peer)
{
    return peer->order < node->order;
}

void meta_node_link(struct dfs_meta *meta, struct meta_node *node, struct meta_peer *peer)
{
    struct meta_peer *old = node->peer;

    node->peer = peer;
    node->order = peer->order;
    node->unlinked_at = 0;
    forget(node);
    peer->node = node->index;
    node->member.linked = true;
    if (old != NULL && old != peer) {
        old->node = META_NODE_NONE; /* it speaks for nobody any more */
        meta_peer_close(meta, old, DFS_OK, "replaced");
    }
}

void meta_node_cut(struct dfs_meta *meta, struct meta_node *node)
{
    forget(node);
    if (node->peer == NULL)
        return;
    meta->nodes->counters.controls_silent++;
    meta_peer_close(meta, node->peer, DFS_TIMEOUT, "timeout");
}

/* Questions ---------------------------------------------------------------------------------------------- */

uint32_t meta_control_ask(struct dfs_meta *meta, struct meta_node *node)
{
    node->asked_request = dfs_link_request(&node->peer->link);
    if (node->asked_since == 0)
        node->asked_since = dfs_time_max(meta->fair, 1);
    return node->asked_request;
}

void meta_control_answered(struct dfs_meta *meta, struct meta_node *node, uint32_t request)
{
    if (node->asked_since == 0)
        return; /* nothing was asked */
    /* The answer to an earlier one: what came after it is on its way. */
    node->asked_since = request == node->asked_request ? 0 : dfs_time_max(meta->fair, 1);
    node->asked_beats = 0;
}

void meta_control_sound(struct dfs_meta *meta, struct meta_node *node)
{
    if (node->asked_since == 0)
        meta_node_send_keys(meta, node);
}

/* What does not come ------------------------------------------------------------------------------------- */

static bool is_overdue(const struct dfs_meta *meta, dfs_time_ns since)
{
    return since != 0 && meta->fair - since >= meta->config.request_timeout_ns;
}

/* Changes that it counts and that do not come: the way to us is dead, and it does not know. */
static bool is_behind(struct dfs_meta *meta, struct meta_node *node, uint64_t change)
{
    if (!node->member.told || change <= node->applied) {
        node->behind_since = 0;
        return false;
    }
    if (node->behind_since == 0 || node->behind_applied != node->applied) {
        node->behind_since = dfs_time_max(meta->fair, 1);
        node->behind_applied = node->applied;
    }
    return is_overdue(meta, node->behind_since);
}

/* The middle of its inventory, and nothing comes any more. */
static bool tells_nothing(const struct dfs_meta *meta, const struct meta_node *node)
{
    return node->inventory != NULL && !node->inventory->ended &&
           is_overdue(meta, dfs_time_max(node->peer->heard_at, 1));
}

/* One that has stood still may have its answer on the way behind this heartbeat: the next one decides. */
static bool is_deaf(const struct dfs_meta *meta, struct meta_node *node)
{
    return is_overdue(meta, node->asked_since) && ++node->asked_beats >= META_ASKED_BEATS;
}

/* It was told that its life is void, and lives on. */
static bool ignores_us(const struct dfs_meta *meta, struct meta_node *node)
{
    if (node->rejoin_asked && node->rejoin_since == 0)
        node->rejoin_since = dfs_time_max(meta->fair, 1);
    return node->rejoin_asked && is_overdue(meta, node->rejoin_since);
}

void meta_control_test(struct dfs_meta *meta, struct meta_node *node, uint64_t change)
{
    if (node->peer == NULL)
        return;
    if (is_behind(meta, node, change) || tells_nothing(meta, node) || is_deaf(meta, node) || ignores_us(meta, node))
        meta_node_cut(meta, node);
}

bool meta_control_is_away(const struct dfs_meta *meta, const struct meta_node *node)
{
    return node->unlinked_at != 0 &&
           meta->fair - node->unlinked_at >= META_UNLINKED_INTERVALS * meta->config.heartbeat_interval_ns;
}
