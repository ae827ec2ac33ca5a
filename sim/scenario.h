/*
 * scenario.h - a scenario file, read: cluster, network, workload, faults, expectations.
 *
 * The language is said once, as tables of keys (scenario.c, scenario_work.c, scenario_faults.c, scenario_expect.c), from which come the reader, its messages and the
 * JSON Schema. What is drawn is drawn when the file is read, by the seed and the place in the file; a latency and the size of a workload's files stay
 * spreads that are drawn from again and again.
 *
 * A scenario is plain data but for its three arrays. Times are nanoseconds from time 0 of the scenario.
 */
#ifndef DFS_SIM_SCENARIO_H
#define DFS_SIM_SCENARIO_H

#include "core/base/limits.h"
#include "core/conf/json_doc.h"
#include "core/conf/keytable.h"
#include "core/conf/settings.h"
#include "core/env/env.h"
#include "net_sim/disk_sim.h"
#include "net_sim/link.h"
#include "net_sim/world.h"
#include "sim/bounds.h"
#include "sim/hosts.h"
#include "sim/ledger.h"

#include <jansson.h>

/* The version in "dfs_scenario". */
#define SIM_SCENARIO_VERSION 1

#define SIM_NAME_BYTES 64  /* of a scenario, of a step's id */
#define SIM_TEXT_BYTES 512 /* of a description */

/* A scenario's arrays: a recorded run has some thousand. */
#define SIM_ENTRIES_MAX 100000

/* Groups of one partition. */
#define SIM_GROUPS_MAX 8

/* Events ------------------------------------------------------------------------------------------------------------- */

/* What triggers wait for and expectations count (names.json "events"). X(NAME, "name") */
#define SIM_EVENT_MAP(X) \
    X(EVICTED, "evicted") \
    X(JOINED, "joined") \
    X(CRASHED, "crashed") \
    X(RESTARTED, "restarted") \
    X(SUSPECTED, "suspected") \
    X(FENCED, "fenced") \
    X(REPAIR_STARTED, "repair_started") \
    X(REPAIR_DONE, "repair_done") \
    X(BRAKE_ON, "brake_on") \
    X(BRAKE_OFF, "brake_off") \
    X(PUT_ACKNOWLEDGED, "put_acknowledged") \
    X(GET_DONE, "get_done") \
    X(BLOCK_BAD, "block_bad") \
    X(TRIMMED, "trimmed") \
    X(SCRUB_DONE, "scrub_done") \
    X(TOKEN_REFUSED, "token_refused") \
    X(CHECKPOINT, "checkpoint") \
    X(MESSAGE, "message") \
    X(DISK_OPERATION, "disk_operation")

enum sim_event {
#define X(name, text) SIM_EVENT_##name,
    SIM_EVENT_MAP(X)
#undef X
        SIM_EVENT_COUNT
};
const char *sim_event_name(enum sim_event event);

/* Workload ----------------------------------------------------------------------------------------------------------- */

/* A single step, or (is_mix) a random mix. */
struct sim_work {
    bool is_mix;
    uint32_t line; /* of the file; 0: made by a program */
    /* both */
    char id[SIM_NAME_BYTES]; /* a step's, for expectations; "" none */
    struct dfs_spread size;
    bool size_seen;
    /* a step */
    int64_t at_ns;
    enum sim_operation_kind kind;
    struct sim_host_ref client;
    char path[DFS_PATH_BYTES_MAX + 1]; /* of a login: the user, "" the client's own; of a list: the prefix */
    char to_path[DFS_PATH_BYTES_MAX + 1];
    int token;     /* enum sim_token */
    int64_t first; /* range, ends included */
    int64_t last;
    int64_t after_bytes;
    int64_t version; /* restore, get: 0 the newest */
    int ack;         /* 0 the cluster's, 1 all, 2 quorum */
    int durability;  /* 0 the cluster's, 1 sync, 2 async */
    bool if_absent;
    /* a mix */
    int64_t from_ns;
    int64_t to_ns;
    struct sim_host_refs clients;
    int64_t rate_millionths; /* operations a second, times 1e6 */
    int64_t paths;
    int64_t weights[SIM_OP_COUNT];
    /* which of its keys stood there */
    bool kinds_seen[SIM_OP_COUNT];
    bool at_seen, from_seen, to_seen, to_path_seen, range_seen, after_bytes_seen, client_seen, clients_seen, rate_seen,
        paths_seen, mix_seen;
};

/* Faults ------------------------------------------------------------------------------------------------------------- */

/* X(NAME, "key", can a `random` draw it?) */
#define SIM_FAULT_MAP(X) \
    X(CRASH, "crash", true) \
    X(RESTART, "restart", false) \
    X(PAUSE, "pause", true) \
    X(SLOW, "slow", true) \
    X(LEAVE, "leave", true) \
    X(PARTITION, "partition", true) \
    X(LINK, "link", true) \
    X(DROP, "drop", true) \
    X(DUPLICATE, "duplicate", true) \
    X(DELAY, "delay", true) \
    X(RESET, "reset", true) \
    X(STALL, "stall", true) \
    X(HALF_OPEN, "half_open", true) \
    X(CLOCK, "clock", true) \
    X(BIT_ROT, "bit_rot", true) \
    X(DISK_FULL, "disk_full", true) \
    X(DISK_ERROR, "disk_error", true) \
    X(DISK_SLOW, "disk_slow", true) \
    X(DISK_VANISH, "disk_vanish", true) \
    X(DISK_STALE, "disk_stale", true) \
    X(DISK_MISDIRECT, "disk_misdirect", true) \
    X(SYNC_ERROR, "sync_error", true) \
    X(IMPERSONATE, "impersonate", false) \
    X(FORGE, "forge", true) \
    X(REPLAY, "replay", true) \
    X(ROTATE_KEYS, "rotate_keys", true) \
    X(CORRUPT, "corrupt", false) \
    X(RANDOM, "random", false)

enum sim_fault_kind {
#define X(name, text, drawn) SIM_FAULT_##name,
    SIM_FAULT_MAP(X)
#undef X
        SIM_FAULT_COUNT
};
const char *sim_fault_name(enum sim_fault_kind kind);
bool sim_fault_is_drawn(enum sim_fault_kind kind);

/* What starts a fault instead of a time. */
struct sim_trigger {
    enum sim_event event;
    struct sim_host_refs host; /* count 0: any */
    struct sim_host_refs from; /* MESSAGE; count 0: any */
    struct sim_host_refs to;
    uint32_t message; /* MESSAGE: a number of schema.h */
    int operation;    /* DISK_OPERATION: 0 any, else 1 + enum dfs_disk_verb */
    int64_t nth;      /* from 1, counted from time 0 */
};

/* Keys of "network" and of `link`; those that were not given leave what is in force. */
struct sim_network {
    struct dfs_spread latency;
    int64_t loss_ppb;
    int64_t duplicate_ppb;
    int64_t reorder_ppb;
    int64_t reorder_by_ns;
    int64_t bandwidth_bytes_per_s; /* 0: without limit */
    int64_t queue_ns;
    int64_t cut_ppb;
    int64_t dribble_ppb;
    bool latency_seen, loss_seen, duplicate_seen, reorder_seen, reorder_by_seen, bandwidth_seen, queue_seen, cut_seen,
        dribble_seen;
};

struct sim_random_faults {
    uint32_t kinds;          /* bits of enum sim_fault_kind */
    int64_t rate_millionths; /* faults a second, times 1e6; 0: `count` says how many */
    int64_t count;
    int64_t from_ns;
    int64_t to_ns;
    struct sim_host_refs hosts;
    bool from_seen, to_seen, rate_seen, count_seen;
};

struct sim_fault {
    enum sim_fault_kind kind;
    uint32_t line;  /* of the file; 0: made by a program */
    bool triggered; /* by `on`, not at `at_ns` */
    int64_t at_ns;
    struct sim_trigger on;
    int64_t after_ns;
    bool every;
    int64_t for_ns;             /* 0: permanent, or over at once */
    struct sim_host_refs hosts; /* of most kinds */
    struct sim_host_refs
        from; /* LINK, DROP, DUPLICATE, DELAY, RESET, STALL, HALF_OPEN; REPLAY and FORGE: of the messages; count 0: any */
    struct sim_host_refs to;
    struct sim_host_refs groups[SIM_GROUPS_MAX]; /* PARTITION */
    uint32_t groups_count;
    bool one_way;
    int unsynced;      /* enum sim_unsynced */
    int streams;       /* CRASH: 0 as the number of hosts says, 1 silent, 2 reset */
    uint32_t message;  /* DROP, DUPLICATE, DELAY, FORGE, REPLAY; 0: any (DROP, DUPLICATE, DELAY) */
    int64_t count;     /* 0: no end */
    int64_t ppb;       /* probability; 0: every one, unless ppb_seen */
    int64_t nth;       /* 0: not given; only that one */
    int64_t by_ns;     /* DELAY */
    int64_t factor;    /* SLOW, DISK_SLOW */
    int64_t offset_ns; /* CLOCK */
    int64_t drift_ppm;
    int64_t blocks;             /* BIT_ROT */
    int operation;              /* DISK_ERROR: 0 any, else 1 + enum dfs_disk_verb */
    struct sim_network network; /* LINK */
    struct sim_random_faults random;
    bool kinds_seen[SIM_FAULT_COUNT]; /* by the reader: exactly one */
    bool at_seen, on_seen, after_seen, every_seen, for_seen, from_seen, to_seen, one_way_seen, unsynced_seen,
        streams_seen, ppb_seen, offset_seen, drift_seen;
};

/* Expectations ------------------------------------------------------------------------------------------------------- */

enum sim_expect_kind {
    SIM_EXPECT_EVICTED,
    SIM_EXPECT_JOINED,
    SIM_EXPECT_NEVER_EVICTED,
    SIM_EXPECT_REPLICATED,
    SIM_EXPECT_READABLE,
    SIM_EXPECT_OPERATION,
    SIM_EXPECT_REPAIRS,
    SIM_EXPECT_EVENT,
    SIM_EXPECT_COUNT
};

const char *sim_expect_name(enum sim_expect_kind kind);

struct sim_expect {
    enum sim_expect_kind kind;
    uint32_t line;
    struct sim_host_refs hosts;
    int64_t from_ns;
    int64_t to_ns;
    int64_t by_ns;
    int64_t at_ns;
    bool all; /* REPLICATED, READABLE: not one path */
    char path[DFS_PATH_BYTES_MAX + 1];
    char id[SIM_NAME_BYTES]; /* OPERATION */
    uint32_t statuses_count; /* OPERATION: any of these */
    enum dfs_status statuses[DFS_STATUS_COUNT];
    int64_t at_least;
    int64_t at_most; /* INT64_MAX: no bound */
    enum sim_event event;
    bool kinds_seen[SIM_EXPECT_COUNT];
    int64_t inner_at_least; /* REPAIRS: as read from the object */
    int64_t inner_at_most;
    bool from_seen, to_seen, by_seen, at_seen, is_seen, at_least_seen, at_most_seen, inner_at_least_seen,
        inner_at_most_seen;
};

/* The file ----------------------------------------------------------------------------------------------------------- */

struct sim_cluster_words {
    int64_t data;
    int64_t clients;
    int64_t replication;
    int64_t zones;
    int64_t capacity_bytes;
    struct dfs_settings settings;
    struct sim_bounds bounds;
    bool replication_seen;
};

struct sim_disk_words {
    struct dfs_spread latency;
    struct dfs_spread sync_latency;
    int64_t throughput_bytes_per_s;
    bool sync_latency_seen;
};

struct sim_scenario {
    int64_t version;
    char name[SIM_NAME_BYTES];
    char description[SIM_TEXT_BYTES];
    int64_t duration_ns;
    int64_t settle_ns;
    struct sim_cluster_words cluster;
    struct sim_network network;
    struct sim_disk_words disk;
    struct sim_work *works;
    size_t works_count;
    struct sim_fault *faults;
    size_t faults_count;
    struct sim_expect *expects;
    size_t expects_count;
};

/* All defaults, no workload, no fault. */
void sim_scenario_init(struct sim_scenario *scenario);
void sim_scenario_close(struct sim_scenario *scenario);

/* One more, zeroed and with the defaults of its table; `line` 0. For the reader and for programs that make scenarios. */
struct sim_work *sim_scenario_work(struct sim_scenario *scenario);
struct sim_fault *sim_scenario_fault(struct sim_scenario *scenario);
struct sim_expect *sim_scenario_expect(struct sim_scenario *scenario);

/*
 * Reads a document; `seed` draws. *scenario is initialised by it and to be closed in either case.
 *
 * BAD_CONFIG: *ret_error says file, line, key and what would be right.
 */
enum dfs_status sim_scenario_read(struct sim_scenario *scenario, const char *file, const void *bytes, size_t count,
                                  uint64_t seed, struct dfs_conf_error *ret_error) DFS_MUST_CHECK;

/* The bytes of a file, to be freed with dfs_free; IO and ret_why when the world does not give them. */
enum dfs_status sim_file_load(const char *name, char **ret_bytes, size_t *ret_count,
                              struct dfs_why *ret_why) DFS_MUST_CHECK;

/* The language as JSON Schema; a new reference. */
json_t *sim_scenario_schema(void);

static inline struct sim_host_counts sim_scenario_hosts(const struct sim_scenario *scenario)
{
    return (struct sim_host_counts){(uint32_t)scenario->cluster.data, (uint32_t)scenario->cluster.clients,
                                    (uint32_t)scenario->cluster.zones};
}

/* What the words mean to the world. `base` is what is in force where a key was not given. */
struct sim_link_options sim_network_options(const struct sim_network *network, const struct sim_link_options *base);

#endif
