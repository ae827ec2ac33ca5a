#include "core/meta/membership.h"

static const char *const state_names[DFS_NODE_STATE_COUNT] = {
#define X(name) [DFS_NODE_##name] = #name,
    DFS_NODE_STATE_MAP(X)
#undef X
};

#define TO(name) (UINT32_C(1) << DFS_NODE_##name)

/* Any state leads to JOINING: a node may be started again at any time, and its newest word counts. */
static const uint32_t state_edges[DFS_NODE_STATE_COUNT] = {
    [DFS_NODE_EVICTED] = TO(JOINING),
    [DFS_NODE_JOINING] = TO(JOINING) | TO(ACTIVE) | TO(DRAINING) | TO(MAINTENANCE) | TO(EVICTED),
    [DFS_NODE_ACTIVE] = TO(JOINING) | TO(SUSPECT) | TO(DRAINING) | TO(MAINTENANCE) | TO(EVICTED),
    [DFS_NODE_SUSPECT] = TO(JOINING) | TO(ACTIVE) | TO(DRAINING) | TO(MAINTENANCE) | TO(EVICTED),
    [DFS_NODE_DRAINING] = TO(JOINING) | TO(ACTIVE) | TO(SUSPECT) | TO(MAINTENANCE) | TO(EVICTED),
    [DFS_NODE_MAINTENANCE] = TO(JOINING) | TO(EVICTED),
};

/* Messages of the node, what its heartbeats were, and an operator's DRAIN. A JOIN that is refused changes nothing. */
static const struct dfs_path paths[] = {
    {DFS_NODE_EVICTED, "join", TO(JOINING) | TO(EVICTED)},
    {DFS_NODE_EVICTED,
     "resume inventory inventory_end block_events copy_done remove_done verify_done leave status "
     "closed drain heartbeat_stale",
     TO(EVICTED)},
    {DFS_NODE_JOINING, "join", TO(JOINING)},
    {DFS_NODE_JOINING, "store_lost", TO(EVICTED)},
    {DFS_NODE_JOINING, "inventory_end heartbeat", TO(ACTIVE) | TO(DRAINING) | TO(JOINING)},
    {DFS_NODE_JOINING, "timeout", TO(EVICTED)},
    {DFS_NODE_JOINING, "leave", TO(MAINTENANCE) | TO(EVICTED)},
    {DFS_NODE_JOINING,
     "resume inventory block_events copy_done remove_done verify_done status closed drain heartbeat_again "
     "heartbeat_late heartbeat_stale heartbeat_forged",
     TO(JOINING)},
    {DFS_NODE_ACTIVE, "join", TO(JOINING) | TO(ACTIVE)},
    {DFS_NODE_ACTIVE, "store_lost", TO(EVICTED)},
    {DFS_NODE_ACTIVE, "closed", TO(SUSPECT)},
    {DFS_NODE_ACTIVE, "timeout", TO(SUSPECT) | TO(EVICTED)},
    {DFS_NODE_ACTIVE, "drain", TO(DRAINING) | TO(ACTIVE)},
    {DFS_NODE_ACTIVE, "leave", TO(MAINTENANCE) | TO(EVICTED)},
    {DFS_NODE_ACTIVE,
     "resume inventory inventory_end block_events copy_done remove_done verify_done status heartbeat heartbeat_again "
     "heartbeat_late heartbeat_stale heartbeat_forged",
     TO(ACTIVE)},
    {DFS_NODE_SUSPECT, "join", TO(JOINING) | TO(SUSPECT)},
    {DFS_NODE_SUSPECT, "store_lost", TO(EVICTED)},
    {DFS_NODE_SUSPECT, "heartbeat resume", TO(ACTIVE) | TO(SUSPECT)},
    {DFS_NODE_SUSPECT, "timeout", TO(EVICTED)},
    {DFS_NODE_SUSPECT, "drain", TO(DRAINING) | TO(SUSPECT)},
    {DFS_NODE_SUSPECT, "leave", TO(MAINTENANCE) | TO(EVICTED)},
    {DFS_NODE_SUSPECT,
     "closed inventory inventory_end block_events copy_done remove_done verify_done status heartbeat_again "
     "heartbeat_late heartbeat_stale heartbeat_forged",
     TO(SUSPECT)},
    {DFS_NODE_DRAINING, "join", TO(JOINING) | TO(DRAINING)},
    {DFS_NODE_DRAINING, "store_lost", TO(EVICTED)},
    {DFS_NODE_DRAINING, "drain", TO(ACTIVE) | TO(SUSPECT) | TO(DRAINING)},
    {DFS_NODE_DRAINING, "timeout", TO(EVICTED)},
    {DFS_NODE_DRAINING, "leave", TO(MAINTENANCE) | TO(EVICTED)},
    {DFS_NODE_DRAINING,
     "resume closed inventory inventory_end block_events copy_done remove_done verify_done status heartbeat "
     "heartbeat_again heartbeat_late heartbeat_stale heartbeat_forged",
     TO(DRAINING)},
    {DFS_NODE_MAINTENANCE, "join", TO(JOINING) | TO(MAINTENANCE)},
    {DFS_NODE_MAINTENANCE, "store_lost timeout", TO(EVICTED)},
    {DFS_NODE_MAINTENANCE,
     "resume closed inventory inventory_end block_events copy_done remove_done verify_done leave status drain "
     "heartbeat heartbeat_again heartbeat_late heartbeat_stale heartbeat_forged",
     TO(MAINTENANCE)},
};

const struct dfs_gate meta_member_gate = {
    "member", state_names, state_edges, DFS_NODE_STATE_COUNT, "metadata's member", DFS_GATE_PATHS(paths)};

void meta_member_join(struct meta_member *member, uint64_t incarnation, dfs_time_ns now)
{
    DFS_ASSERT(incarnation > member->incarnation);
    *member = (struct meta_member){
        .incarnation = incarnation,
        .heard_at = now,
        .until = DFS_NEVER,
        .present = true,
        .opening = true,
        .linked = true,
        .draining = member->draining,
    };
}

enum meta_heard meta_member_hear(struct meta_member *member, uint64_t incarnation, uint64_t sequence, bool fenced,
                                 dfs_time_ns now)
{
    /* An evicted life never comes back by a heartbeat, however late it was sent: its blocks are no longer in
     * the map (HADOOP-641). */
    if (!member->present || incarnation != member->incarnation)
        return META_HEARD_STALE;
    if (member->beaten && sequence == member->sequence)
        return META_HEARD_AGAIN;
    if (member->beaten && sequence < member->sequence)
        return META_HEARD_LATE;
    member->beaten = true;
    member->sequence = sequence;
    member->heard_at = now;
    member->fenced = fenced;
    return META_HEARD_NEW;
}

static dfs_time_ns first_miss(const struct meta_member *member, dfs_duration_ns interval_ns)
{
    return dfs_time_add(member->heard_at, interval_ns + interval_ns / 2);
}

static dfs_time_ns second_miss(const struct meta_member *member, dfs_duration_ns interval_ns)
{
    return dfs_time_add(member->heard_at, 2 * interval_ns + interval_ns / 2);
}

enum dfs_node_state meta_member_state(const struct meta_member *member, dfs_duration_ns interval_ns, dfs_time_ns now)
{
    if (!member->present)
        return DFS_NODE_EVICTED;
    if (member->opening)
        return DFS_NODE_JOINING;
    if (member->leaving)
        return now < member->until ? DFS_NODE_MAINTENANCE : DFS_NODE_EVICTED;
    if (now >= second_miss(member, interval_ns))
        return DFS_NODE_EVICTED;
    const bool well = member->linked && now < first_miss(member, interval_ns);

    if (!member->settled && !(member->told && member->beaten && well))
        return DFS_NODE_JOINING;
    if (member->draining)
        return DFS_NODE_DRAINING;
    return well ? DFS_NODE_ACTIVE : DFS_NODE_SUSPECT;
}

dfs_time_ns meta_member_deadline(const struct meta_member *member, dfs_duration_ns interval_ns, dfs_time_ns now)
{
    if (!member->present || member->opening)
        return DFS_NEVER;
    if (member->leaving)
        return member->until;
    const dfs_time_ns miss = first_miss(member, interval_ns);

    return now < miss ? miss : second_miss(member, interval_ns);
}

bool meta_brake_pulls(uint32_t gone, uint32_t before, uint32_t share_ppb, uint32_t nodes_min)
{
    return gone >= nodes_min && (uint64_t)gone * 1000000000 > (uint64_t)before * share_ppb;
}
