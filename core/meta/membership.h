/*
 * membership.h - what state a data server is in, from the facts known about it and the time.
 *
 * Pure. All times are fair time: metadata's monotonic clock less its own stalls, so that a stall of ours
 * moves every deadline about others. Let h be the time of the last accepted heartbeat (or of JOINED) and I
 * the heartbeat interval:
 *
 *     h + 1.5 I   a first heartbeat is missed: SUSPECT
 *     h + 2.5 I   a second one: EVICTED
 *
 * Half an interval lies between the moment at which a heartbeat is due and the moment at which it counts as
 * missed: its repetitions at I/4 and I/2 have had their chance by then. A broken control connection makes a
 * member SUSPECT too, and never evicts it.
 */
#ifndef DFS_CORE_META_MEMBERSHIP_H
#define DFS_CORE_META_MEMBERSHIP_H

#include "core/base/gate.h"
#include "core/base/time.h"
#include "core/wire/schema.h"

#include <stdbool.h>
#include <stdint.h>

/* What is known about one member. Facts only: the state follows from them. */
struct meta_member {
    uint64_t incarnation; /* 0: never joined */
    uint64_t sequence;    /* of the newest accepted heartbeat; counts when `beaten` */
    dfs_time_ns heard_at; /* h */
    dfs_time_ns until;    /* leaving: when its maintenance ends */
    bool present;         /* has a life that was not ended: false is EVICTED */
    bool opening;         /* JOINED has not left yet (it waits for the journal): nothing is expected of the node */
    bool told;            /* its inventory was complete */
    bool beaten;          /* a heartbeat of this incarnation was accepted */
    bool settled;         /* was ACTIVE (or DRAINING) in this incarnation */
    bool linked;          /* the control connection is up */
    bool leaving;         /* said LEAVE */
    bool draining;        /* an operator's word; outlives incarnations */
    bool fenced;          /* says that it lost our lease */
};

/* The gate of a member: every edge that exists. */
extern const struct dfs_gate meta_member_gate;

/* Begins a new life: everything about an older one is forgotten, `draining` stays. */
void meta_member_join(struct meta_member *member, uint64_t incarnation, dfs_time_ns now);

enum meta_heard {
    META_HEARD_NEW,   /* accepted: heard_at and sequence are set */
    META_HEARD_AGAIN, /* the newest one once more: acknowledge again, nothing else */
    META_HEARD_LATE,  /* older than the newest: late or replayed; nothing */
    META_HEARD_STALE  /* another incarnation, or of a life that was ended: nothing, but it should learn that */
};

/* A heartbeat whose tag was found right. */
enum meta_heard meta_member_hear(struct meta_member *member, uint64_t incarnation, uint64_t sequence, bool fenced,
                                 dfs_time_ns now);

/* The state that the facts and the time mean. */
enum dfs_node_state meta_member_state(const struct meta_member *member, dfs_duration_ns interval_ns, dfs_time_ns now);

/* When the state may change by the mere passing of time; DFS_NEVER if never. Later than `now`. */
dfs_time_ns meta_member_deadline(const struct meta_member *member, dfs_duration_ns interval_ns, dfs_time_ns now);

/* In the ring exactly as long as it is ACTIVE or SUSPECT. */
static inline bool meta_member_in_ring(enum dfs_node_state state)
{
    return state == DFS_NODE_ACTIVE || state == DFS_NODE_SUSPECT;
}

/*
 * The brake: `gone` of `before` nodes went within ten intervals. true when that looks like our own or the
 * network's trouble rather than that of so many nodes: more than the share and at least nodes_min of them.
 */
bool meta_brake_pulls(uint32_t gone, uint32_t before, uint32_t share_ppb, uint32_t nodes_min);

#endif
