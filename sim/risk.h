/*
 * risk.h - for how long blocks of live files stood with fewer copies than they should, and with one only: figures of a run, not a judgement.
 *
 * A copy counts while its server runs and is a member. Every change costs O(1), and a server that comes or goes O(the blocks that it has).
 * A block that somebody holds stays where it is.
 */
#ifndef DFS_SIM_RISK_H
#define DFS_SIM_RISK_H

#include "core/base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_block;
struct sim_risks;

/* Of one block; zeroed is a block without copies that nobody wants yet. */
struct sim_risk {
    uint32_t copies;       /* on servers that run */
    bool live;             /* of a version that stands */
    bool is_under, is_one; /* since: */
    dfs_time_ns under_since;
    dfs_time_ns one_since;
};

struct sim_risk_figures {
    uint64_t under_ns; /* summed over blocks */
    uint64_t under_longest_ns;
    uint64_t one_ns;
    uint64_t one_longest_ns;
};

struct sim_risks *sim_risks_new(uint32_t servers, uint32_t copies_wanted);
void sim_risks_free(struct sim_risks *risks);

/* A copy on this server, which is one of the block's holders, became visible; or went. */
void sim_risk_copy(struct sim_risks *risks, struct sim_block *block, uint32_t server, dfs_time_ns now);
void sim_risk_copy_gone(struct sim_risks *risks, struct sim_block *block, uint32_t server, dfs_time_ns now);

/* The block's file became visible, or went. */
void sim_risk_live(struct sim_risks *risks, struct sim_block *block, bool live, dfs_time_ns now);

/* A server is a member and runs, or no more. */
void sim_risk_server(struct sim_risks *risks, uint32_t server, bool up, dfs_time_ns now);

/* Up to now. */
struct sim_risk_figures sim_risk_figures(const struct sim_risks *risks);

#endif
