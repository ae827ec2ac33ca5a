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

const struct dfs_gate meta_member_gate = {"node", state_names, state_edges, DFS_NODE_STATE_COUNT};

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
