/*
 * ledger.h - what the cluster has promised its clients, and whether what it answers later keeps the promise.
 *
 * Every operation is written down when it is asked and when it is answered. Each change of the namespace (PUT, MOVE, REMOVE) that was acknowledged has
 * a version, and versions grow in the order of commits, so for each path the ledger knows a floor: the newest change that is certain. A read that was
 * asked after that may show this change or a newer one, never an older one; and its bytes must be those of the change it names.
 *
 * An operation that failed in a way that leaves it open (timeout, lost connection) is a maybe: it may have happened at any time after it was asked, and its
 * effects are accepted, not demanded.
 *
 * What has been answered is counted. Whoever feeds the ledger may have it forget the operation then (sim_ledger_forget), which gives its memory to the next one: kept is what each PUT has put (struct sim_put),
 * since a GET may bring its bytes at any time.
 *
 * The ledger knows nothing of the cluster: it is fed by the workload and read by the checkers, which keep what they know of a file beside it (files.h).
 */
#ifndef DFS_SIM_LEDGER_H
#define DFS_SIM_LEDGER_H

#include "core/base/id.h"
#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/status.h"
#include "core/base/time.h"
#include "sim/files.h"
#include "sim/numbered.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_OPERATION_MAP(X) \
    X(PUT, "put") \
    X(GET, "get") \
    X(RANGE_GET, "range_get") \
    X(STAT, "stat") \
    X(LIST, "list") \
    X(MOVE, "move") X(REMOVE, "remove") X(RESTORE, "restore") X(LOGIN, "login") X(ABORT_PUT, "abort_put")

enum sim_operation_kind {
#define X(name, text) SIM_OP_##name,
    SIM_OPERATION_MAP(X)
#undef X
        SIM_OP_COUNT
};
const char *sim_operation_name(enum sim_operation_kind kind);

/* What a token of a step is (interfaces: "token"). */
enum sim_token {
    SIM_TOKEN_GOOD,
    SIM_TOKEN_EXPIRED,
    SIM_TOKEN_FORGED,
    SIM_TOKEN_STOLEN,
    SIM_TOKEN_WRONG_ISSUER,
    SIM_TOKEN_NONE,
    SIM_TOKEN_COUNT
};

struct sim_path;

/* What a PUT has put. */
struct sim_put {
    uint64_t key; /* of the content */
    uint64_t size_bytes;
    uint32_t path;   /* sim_path.number; 0: it has failed for certain */
    uint32_t number; /* of the operation */
};
_Static_assert(sizeof(struct sim_put) <= 24, "kept for each PUT");

struct sim_operation {
    uint64_t number;            /* from 1, in the order of asking */
    uint64_t command;           /* its client's; of whoever asks */
    struct dfs_list of_running; /* while it runs */
    uint32_t put;               /* PUT: its place among the puts, from 1; 0: its content is not known yet */
    enum sim_operation_kind kind;
    uint32_t client; /* 0 is c1 */
    enum sim_token token;
    uint32_t step; /* which step of the scenario, for expectations; UINT32_MAX: of a mix */
    uint32_t work; /* which entry of the scenario's workload asked it, step or mix; of an audit: 0 */
    enum dfs_status status;
    bool aborting;
    bool if_absent;
    bool maybe;   /* it changes something, failed, and may have happened all the same */
    bool got_all; /* the sink was finished with commit */
    bool lost;    /* its client went down with it: it will never be answered */
    bool audit;   /* asked by the simulator at the end, not by the scenario */
    bool floor_present;
    struct sim_path *path;
    struct sim_path *to_path;   /* MOVE */
    uint64_t key;               /* PUT: of the content */
    uint64_t size_bytes;        /* PUT */
    uint64_t first;             /* RANGE_GET, inclusive */
    uint64_t last;              /* of that */
    uint64_t abort_after_bytes; /* ABORT_PUT */

    dfs_time_ns asked_at;
    dfs_time_ns answered_at; /* DFS_NEVER until then */
    uint64_t version;        /* what the answer named; 0: none */
    struct dfs_id file;
    uint8_t *got; /* GET: what was pushed to the sink so far; freed with the answer */
    uint64_t got_room;
    uint64_t got_bytes; /* up to the last that was pushed */

    /* of the path at the time of asking, as floor_present: see sim_path */
    uint64_t floor_version;
    uint64_t gone_version;
    uint64_t wanted_version; /* GET: of a named version; 0: the newest */
};

/* What stands for a path in a map: a hash so long that no two paths of a run share one. */
struct sim_path_key {
    uint64_t words[2];
};
struct sim_path_key sim_path_key(const char *path);

/* A path's certain past. */
struct sim_path {
    struct sim_path_key key;
    uint64_t floor_version; /* newest change that is certain; 0: none */
    bool floor_present;     /* does a file stand here after it? */
    uint64_t
        gone_version; /* this version, and all before it, were certainly gone at some moment: no later read shows them. 0: none */
    uint64_t movers;        /* MOVEs and RESTOREs to this path that were asked: what it shows may come from elsewhere */
    uint64_t listed_by;     /* number of the last LIST whose answer named it */
    uint32_t number;        /* from 1, in the order of first use */
    uint32_t removers_open; /* REMOVEs and MOVEs away that run now */
    uint64_t remover_newest; /* number of the last REMOVE or MOVE away that was asked */
    bool
        removers_maybe; /* one said NOT_FOUND: it, or its first sending, may have done it. Until the next certain change */
    bool changed_maybe; /* a change of it was lost, or failed in a way that leaves open whether it has happened */
    bool removers_lost; /* one was never answered: it may take effect at any time from now on */
    char name[];        /* as long as it is, so that paths that are in use lie close together */
};

struct sim_ledger_violation {
    const char *checker; /* "acked_data", "reads_never_go_back", "authority" */
    char text[DFS_PATH_BYTES_MAX + 256];
};

struct sim_ledger {
    struct sim_numbered operations; /* that are not forgotten, by number */
    uint64_t operations_count;      /* that were asked: the newest one's number */
    struct dfs_list spare;          /* forgotten ones */
    struct dfs_list running;        /* neither answered nor lost; in the order of asking */
    struct sim_put **puts;          /* pages of them, in the order of asking; owned */
    size_t puts_count;
    struct sim_files files; /* what a run knows of each file: not only the ledger has a part of these */
    size_t part;            /* uint32_t: the place of the put whose bytes the file has, from 1; 0: not known */
    uint32_t *open_puts;    /* places of those that run, or are open for ever: their file id is not known yet */
    size_t open_puts_count;
    size_t open_puts_room;
    struct sim_path **paths; /* in the order of first use; owned */
    size_t paths_count;
    size_t paths_room;
    struct dfs_map by_path;
    uint64_t asked[SIM_OP_COUNT];
    uint64_t ok[SIM_OP_COUNT];
    uint64_t failed[SIM_OP_COUNT];
    uint64_t put_acknowledged;
};

void sim_ledger_init(struct sim_ledger *ledger); /* it stays where it is */
void sim_ledger_close(struct sim_ledger *ledger);

/* The path's entry, made on first use. */
struct sim_path *sim_ledger_path(struct sim_ledger *ledger, const char *name);

/* All operations that run, and all that will be asked, were not asked before then. DFS_NEVER: none runs. */
dfs_time_ns sim_ledger_asked_from(const struct sim_ledger *ledger);

/* Writes down an operation that is asked now; fill in the rest of the struct before the world runs on. */
struct sim_operation *sim_ledger_ask(struct sim_ledger *ledger, enum sim_operation_kind kind, uint32_t client,
                                     const char *path, const char *to_path, dfs_time_ns now);

/* Of a PUT (or an aborted one): its content, once key and size are set. */
void sim_ledger_put(struct sim_ledger *ledger, struct sim_operation *operation, uint64_t key, uint64_t size_bytes);

/* Bytes of a GET that were pushed, at their place in the sink; what is pushed again replaces. */
void sim_ledger_got(struct sim_operation *operation, uint64_t offset, const uint8_t *bytes, size_t count);

/* The operation with this number; NULL: it is forgotten. */
struct sim_operation *sim_ledger_operation(const struct sim_ledger *ledger, uint64_t number);

/* What the operation with this number has put; NULL: it is no PUT. */
const struct sim_put *sim_ledger_put_of(const struct sim_ledger *ledger, uint64_t number);

/*
 * The operation was answered, or lost, and everybody has heard of it. It is forgotten unless it is a step or an operation of the end, which may be asked for, or a PUT that was answered
 * before it could be aborted: its source may still be read, which aborts it. What may still happen of it stands in its paths and in what it has put.
 */
void sim_ledger_forget(struct sim_ledger *ledger, struct sim_operation *operation);

/* Does it change the namespace, once it has happened? */
bool sim_operation_changes(const struct sim_operation *operation);

/* The client went down: what it had asked will never be answered, and may have happened. */
void sim_ledger_lose(struct sim_ledger *ledger, struct sim_operation *operation);

/*
 * Writes down the answer; `version` and `file` are those it named (0, NULL: none). Returns false and *ret_violation when the answer breaks a promise.
 */
bool sim_ledger_answer(struct sim_ledger *ledger, struct sim_operation *operation, dfs_time_ns now,
                       enum dfs_status status, uint64_t version, const struct dfs_id *file,
                       struct sim_ledger_violation *ret_violation);

/* Is a failed change with this status open, or certainly not done? */
bool sim_status_leaves_open(enum dfs_status status);

/* Must a GET of this path, asked now, find a file? (certain, and nobody may have removed it) */
bool sim_path_must_exist(const struct sim_path *path);

#endif
