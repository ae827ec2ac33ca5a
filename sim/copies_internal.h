/*
 * copies_internal.h - what copies.c and copies_rest.c share.
 */
#ifndef DFS_SIM_COPIES_INTERNAL_H
#define DFS_SIM_COPIES_INTERNAL_H

#include "sim/copies.h"

/* Of a file's record: its version, and the first of its blocks that was heard of, which is the only one of nearly every file. */
struct sim_copies_about {
    bool is_heard_of;
    bool has_block;
    bool has_blocks; /* others, in the map */
    struct sim_block block;
    struct sim_version version;
};

struct sim_copies {
    struct sim_run *run;
    struct sim_files *files;
    size_t part; /* struct sim_copies_about */
    struct dfs_map places_by_path;
    struct place **places; /* owned */
    size_t places_count;
    size_t places_room;
    struct dfs_list live;        /* versions, in the order in which they became visible */
    struct dfs_map blocks_by_id; /* those that are not the first of their file */
    struct sim_block **blocks;   /* of that map; owned */
    size_t blocks_count;
    size_t blocks_room;
    struct dfs_list versions; /* of_all; in the records */
    struct sim_risks *risks;
    dfs_time_ns *active_since;      /* of each data server */
    struct sim_host **hosts;        /* who lives under each data server's identity: a double may have taken it */
    struct sim_host_set active;     /* as last seen */
    struct sim_host_set maintained; /* left, and announced to come back */
    uint8_t *bytes;                 /* of a block file that is verified */
    size_t bytes_room;
};

void sim_version_init(struct sim_copies *copies, struct sim_version *version, const struct dfs_id *file);

/* How many blocks it has; those that are new are not known yet. */
void sim_version_blocks_count(struct sim_version *version, uint32_t count);
void sim_version_blocks_free(struct sim_version *version);

/* Room for one more. */
void sim_block_holders_grow(struct sim_block *block);

/* copies_rest.c: struct sim_copies_about as a part of files' records; and that something went which may have kept the file awake. */
size_t sim_copies_part(struct sim_copies *copies);
void sim_copies_tire(struct sim_copies *copies, const struct dfs_id *file);

#endif
