/*
 * disk_sim.h - the disks: verbs, one queue a disk, faults, and what is left after a crash.
 *
 * A disk outlives the machines that use it. It is one flat directory of files; of each it keeps what a reader
 * sees now and what is on stable storage. Pages of 4 KiB are immutable, counted and shared: three copies of a
 * block cost the memory of one. What exactly is injected stands in faults.h.
 */
#ifndef DFS_NET_SIM_DISK_SIM_H
#define DFS_NET_SIM_DISK_SIM_H

#include "net_sim/prf.h"

#include "core/env/env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PAGE_BYTES 4096
#define SIM_SECTOR_BYTES 512

/* One file: page tables are dense, so this bounds their memory: beyond it is no space. */
#define SIM_FILE_BYTES_MAX (UINT64_C(64) << 30)

struct sim_world;
struct sim_disk;

struct sim_disk_options {
    struct sim_range latency; /* of every operation, on top of its turn in the queue */
    const int64_t *latencies; /* with a count: one of these, within the range; the caller's, they outlive the world */
    uint32_t latencies_count;
    struct sim_range sync_latency; /* of SYNC and SYNC_DIR instead; {0,0}: as latency */
    const int64_t *sync_latencies;
    uint32_t sync_latencies_count;
    uint64_t bytes_per_second; /* the queue: one transfer after another; 0: without limit */
    uint64_t capacity_bytes;
};

/* 0.1 ms, 200 MB/s, 1 TB. */
struct sim_disk_options sim_disk_options_default(void);

/* A disk on its own, to be given to a host or to be looked at; freed with the world. `name` keys its draws;
 * copied. */
struct sim_disk *sim_disk_new(struct sim_world *world, const char *name, const struct sim_disk_options *options);

/* `disk` (empty) becomes what is on the stable storage of `source` now: a second host with one identity. */
void sim_disk_clone_synced(struct sim_disk *disk, const struct sim_disk *source);

/* Faults ----------------------------------------------------------------------------------------------------------- */

/* What a crash does to names and bytes that no completed sync covers (faults.h). */
enum sim_unsynced { SIM_UNSYNCED_LOSE, SIM_UNSYNCED_KEEP, SIM_UNSYNCED_TORN, SIM_UNSYNCED_SEEDED, SIM_UNSYNCED_COUNT };

/* "lose" ... "seeded". */
const char *sim_unsynced_name(enum sim_unsynced mode);

void sim_disk_slow(struct sim_disk *disk, uint32_t factor); /* latency and transfer times this; 1 is normal */
void sim_disk_full(struct sim_disk *disk, bool full);       /* CREATE, and a WRITE that needs room, get NO_SPACE */
void sim_disk_vanish(struct sim_disk *disk,
                     bool gone); /* an empty directory; what was open fails for ever, CREATE fails */
void sim_disk_capacity_set(struct sim_disk *disk, uint64_t capacity_bytes);

/* What goes wrong with operations of one verb. */
enum sim_disk_fault {
    SIM_DISK_ERROR,     /* the answer is `status`; a SYNC has dropped pages */
    SIM_DISK_STALE,     /* READ: a page as it was before */
    SIM_DISK_MISDIRECT, /* READ: a page of another file */
    SIM_DISK_FAULT_COUNT
};

struct sim_disk_rule {
    enum sim_disk_fault fault;
    enum dfs_disk_verb verb; /* STALE and MISDIRECT: READ */
    uint32_t ppb;            /* of the operations; 0: all of them */
    uint64_t skip;           /* operations that pass first */
    uint64_t count;          /* operations hit, then the rule rests; 0: no end */
    enum dfs_status status;  /* ERROR */
};

/* Names a rule in force; never reused; 0 is none. */
typedef uint32_t sim_rule_id;

sim_rule_id sim_disk_rule_add(struct sim_disk *disk, const struct sim_disk_rule *rule);

/* Returns how often it hit. */
uint64_t sim_disk_rule_remove(struct sim_disk *disk, sim_rule_id id);
uint64_t sim_disk_rule_hits(const struct sim_disk *disk, sim_rule_id id);

/* Flips one bit in each of up to `count` files that are not open and pass `wanted` (NULL: all), chosen by the seed
 * and `salt`. Both what is read and what is stored change. `hit` (may be NULL) is told the names. Returns how many. */
uint64_t sim_disk_rot(struct sim_disk *disk, uint64_t count, uint64_t salt, bool (*wanted)(void *arg, const char *name),
                      void (*hit)(void *arg, const char *name, uint64_t offset), void *arg);

/* Flips one bit of a byte of a file now. false when there is no such byte. */
bool sim_disk_flip(struct sim_disk *disk, const char *name, uint64_t offset, unsigned bit);

/* For checkers: looking changes nothing, costs no time and is not part of the trace -------------------------------- */

enum sim_view { SIM_NOW, SIM_DURABLE };

struct sim_file;

/* Calls `each` in ascending order of names, until it returns false. */
void sim_disk_each(const struct sim_disk *disk, enum sim_view view,
                   bool (*each)(void *arg, const char *name, const struct sim_file *file), void *arg);
const struct sim_file *sim_disk_find(const struct sim_disk *disk, enum sim_view view, const char *name);
uint64_t sim_file_bytes(const struct sim_file *file, enum sim_view view);
size_t sim_file_read(const struct sim_file *file, enum sim_view view, uint64_t offset, void *bytes, size_t count);

/* A hash of size and content: equal for equal bytes, so a checker need verify equal copies once. */
uint64_t sim_file_fingerprint(const struct sim_file *file, enum sim_view view);

/* Grows with every change of content of the file, and never comes twice for a disk. */
uint64_t sim_file_version(const struct sim_file *file);

struct sim_disk_usage {
    uint64_t files;
    uint64_t capacity_bytes;
    uint64_t used_bytes;     /* reserved room included, as if nothing were shared */
    uint64_t unsynced_pages; /* pages that a crash may take */
    uint64_t unsynced_names; /* creations, renames and removals that a crash may undo */
    uint64_t operations;     /* submitted so far */
    uint64_t pending;        /* submitted and not answered */
};
struct sim_disk_usage sim_disk_usage(const struct sim_disk *disk);

#endif
