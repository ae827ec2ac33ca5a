/*
 * partition.h - who cannot hear whom.
 *
 * Several partitions may be in force at a time, overlapping as they like, each undone on its own: a directed
 * pair is cut as long as any of them cuts it. What a cut does to datagrams, streams and connects stands in
 * faults.h. Without partitions a message pays one comparison.
 */
#ifndef DFS_NET_SIM_PARTITION_H
#define DFS_NET_SIM_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_world;
struct sim_host;

/* A set of hosts; the array is read during the call only. */
struct sim_group {
    struct sim_host *const *hosts;
    size_t count;
};

/* Names a partition in force; never reused; 0 is none. */
typedef uint32_t sim_partition_id;

/*
 * Cuts between the groups, from now on. A host stands in at most one group; hosts in none are not affected,
 * and hosts of one group hear each other. two-way: no group hears another. one_way: only what the first group
 * sends to the others is stopped.
 */
sim_partition_id sim_partition_cut(struct sim_world *world, const struct sim_group *groups, size_t group_count,
                                   bool one_way);

/* Undoes that one. Streams that waited go on after a retransmission delay. false when it is not in force. */
bool sim_partition_heal(struct sim_world *world, sim_partition_id id);

void sim_partition_heal_all(struct sim_world *world);

/* Whether anything cuts from -> to now. */
bool sim_partition_blocks(const struct sim_host *from, const struct sim_host *to);

#endif
