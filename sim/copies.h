/*
 * copies.h - which blocks the cluster has promised to keep, and how many good copies of each stand on which disks.
 *
 * Fed by what passes (PUT_COMMIT, COMMITTED, REMOVED, MOVED, PUBLISHED) and by the workload's answers; counts by looking at the disks, never by asking metadata.
 * A change whose outcome nobody can know (metadata died with it, the client was never answered) makes its files uncertain: they are not demanded.
 *
 * A file tires (files.h) when it was visible, was removed, and its last copy has gone from its disk. It rests as soon as all operations that were asked before the removal are answered, or lost with
 * their client: until then one may be told that what it reads is lost, and whether that is excused depends on when the version was removed, and from where. A file of several blocks, of a block in
 * several generations or with more holders than a block has room for stays awake. Kept are the ids, lengths, checksums and holders of its block, and that it was visible: a server that wakes up with
 * a copy finds it. Left out is what only its coming back to life (COMMITTED) could make matter, and what that says anew: path, size, number and times; and which bytes were found sound, which is
 * found again.
 */
#ifndef DFS_SIM_COPIES_H
#define DFS_SIM_COPIES_H

#include "core/base/list.h"
#include "sim/risk.h"
#include "sim/run.h"

/* So many holders stand in the block itself: more than replication is, as a rule. */
#define SIM_HOLDERS_OWN 4

/* A data server that ever published the block. */
struct sim_holder {
    uint32_t data;
    uint32_t listed; /* while it holds it: place in the server's list (risk.c) */
};

/* What comes and goes with a file stands at the end, and at the beginning of the version behind it: a record is cold when its file is removed. */
struct sim_block {
    uint64_t sound_fingerprint; /* of a file that verified, and what it said of itself; 0: none yet */
    uint32_t sound_length_bytes;
    uint32_t sound_crc32c;
    struct sim_holder holders_own[SIM_HOLDERS_OWN];
    bool found_bad;        /* somebody has said of a copy that it does not verify, or is missing */
    uint32_t length_bytes; /* 0: no receipt was seen yet */
    uint32_t crc32c;
    struct dfs_block_id id;     /* the key of its map */
    uint64_t holding;           /* bits by place in `holders`: who has it now (risk.c) */
    uint64_t refused;           /* the same: whose disk would not read it, the server says */
    struct sim_holder *holders; /* holders_own, or an allocation; NULL: none */
    uint32_t holders_count;
    uint32_t holders_room;
    struct sim_risk risk;
};

/* A version of a path. */
struct sim_version {
    struct dfs_list of_path;
    struct dfs_list of_live; /* while it is committed and not removed */
    /* By index; as of the newest PUT_COMMIT before it was committed. block_own where it is one only, or an allocation; NULL: none. */
    struct sim_block **blocks;
    uint32_t blocks_count;
    bool committed; /* visible once */
    bool removed;   /* replaced, removed */
    bool uncertain;
    uint64_t number; /* of the version; 0: not known yet */
    struct sim_block *block_own;
    dfs_time_ns removed_at; /* of the world, when `removed` */
    struct dfs_id file;
    const char *path; /* where it stands, or stood; "" while nothing was heard of that */
    struct dfs_list of_all;
    uint64_t size_bytes;
    dfs_time_ns committed_at; /* of the scenario */
};

struct sim_copies *sim_copies_new(struct sim_run *run); /* adds its listener */
void sim_copies_free(struct sim_copies *copies);

/* Versions in the order in which they were first heard of, without those whose files rest; `after` NULL: the first. NULL: no more. */
const struct sim_version *sim_copies_version_next(const struct sim_copies *copies, const struct sim_version *after);

/* NULL when it was never heard of. */
const struct sim_version *sim_copies_version_of(const struct sim_copies *copies, const struct dfs_id *file);

/* Is it there for certain: committed, not removed, not uncertain? */
bool sim_version_is_live(const struct sim_version *version);

/* NULL when it was never heard of. */
const struct sim_block *sim_copies_block(const struct sim_copies *copies, const struct dfs_block_id *id);

/* Data servers that metadata holds for ACTIVE and that run; the last known ones while metadata is down. Returns how many. */
uint32_t sim_copies_active(struct sim_run *run, struct sim_host_set *ret_set);

/* Who lives under this data server's identity: a double may have taken it. */
struct sim_host *sim_copies_host(const struct sim_run *run, uint32_t data);

/* Since when metadata has held this data server for ACTIVE (of the world); DFS_NEVER: it does not, or its process is down. */
dfs_time_ns sim_copies_active_since(const struct sim_run *run, uint32_t data);

/* Does a live version stand at this path? */
bool sim_copies_knows(const struct sim_run *run, const char *path);

/* Is this file the block, with checksums that agree with its bytes? */
bool sim_copies_verifies(struct sim_run *run, const struct dfs_block_id *block, const struct sim_file *file);

/* A data server says that its disk does not read its copy, whatever stands there. Forgotten when it publishes the block again. */
void sim_copies_refused_set(struct sim_copies *copies, const struct dfs_block_id *id, uint32_t data);
bool sim_copies_is_refused(const struct sim_block *block, uint32_t data);

/* Does this data server's disk hold the block now, with the right bytes? */
bool sim_copies_has(struct sim_run *run, uint32_t data, const struct sim_block *block);

/* For how long blocks lacked copies, up to the last change. */
struct sim_risk_figures sim_copies_risk(const struct sim_copies *copies);

struct sim_copies_count {
    uint64_t blocks; /* of live versions */
    uint64_t whole;  /* with min(replication, active) good copies on active servers */
    uint64_t under;
    uint64_t lost;    /* of those: without a good copy on any running server's disk */
    uint64_t waiting; /* of those: whole as soon as servers in MAINTENANCE are back */
    uint64_t unread;  /* of those: whole but for rot that nobody has read and no scrub finds within `settle` */
    uint64_t missing; /* of those: none of the above, so repair ought to be at it */
    uint32_t active;
    struct dfs_block_id first; /* one that is not whole: of the missing ones, if there are any */
    const struct sim_version *first_of;
    uint32_t first_copies;
};

/* Counts; `path` NULL: all. */
void sim_copies_look(struct sim_run *run, const char *path, struct sim_copies_count *ret_count);

/* Places of `holders` that fit into a set of copies. */
#define SIM_COPIES_PLACES_MAX 64

/* One block of a live version, now. */
struct sim_block_copies {
    uint32_t good;       /* copies on active servers */
    uint32_t maintained; /* on servers in MAINTENANCE */
    uint32_t anywhere;   /* on disks of any running server */
    uint64_t places;     /* the good ones, by place in `holders` */
};

/* Looks at all blocks in the order in which they were first heard of. Returns how many servers are active. */
uint32_t sim_copies_each(struct sim_run *run,
                         void (*seen)(void *arg, const struct sim_version *version, const struct sim_block *block,
                                      const struct sim_block_copies *copies),
                         void *arg);

#endif
