/*
 * run.h - one run of one scenario with one seed: the world, who watches it, and what came of it.
 *
 * The order of a run: the cluster starts (time 0 is when all data servers are ACTIVE and all clients are logged in); workload and faults for `duration`; then up
 * to `settle` until everything is at rest; then the audit: every file that must be there is read back. Each step's verdict is the worst so far.
 *
 * Whoever watches is a listener: a table of functions and a state. Checkers are listeners with a name that are always on (the table sim_checkers); reports and
 * recorders are listeners that are added for one run. Listeners change nothing: they say sim_run_violation, and may ask for a sim_world_call.
 * A function that nobody has costs nothing, and a message is decoded only when somebody wants its kind.
 */
#ifndef DFS_SIM_RUN_H
#define DFS_SIM_RUN_H

#include "core/wire/message.h"
#include "net_sim/world.h"
#include "sim/cluster.h"
#include "sim/ledger.h"
#include "sim/scenario.h"

#include <jansson.h>
#include <stdio.h>

struct sim_run;
struct sim_workload;
struct sim_nemesis;
struct sim_expects;
struct sim_copies;
struct sim_coverage;
struct sim_listeners;

/* Listening ---------------------------------------------------------------------------------------------------------- */

/* A message that was sent (before a filter's verdict: it may yet be dropped) or delivered (a frame: all of it is in the sink; a datagram: before its step). */
struct sim_seen {
    const struct sim_message *message; /* from, to, conn, raw bytes, bulk; injected: a forgery of the nemesis */
    uint32_t number;                   /* DFS_MSG_... */
    uint32_t request;
    const void *body; /* struct dfs_m_NAME; NULL when the bytes do not decode; valid during the call */
};

/* When a hook is called. SIM_BLIND besides: the message is not decoded for its sake, so the body may be NULL; whoever wants it now and then asks for it with
 * sim_seen_body. */
enum { SIM_SENT = 1, SIM_DELIVERED = 2, SIM_BLIND = 4 };

/* A kind of message that a listener wants. */
struct sim_message_hook {
    uint32_t number;
    unsigned when; /* SIM_SENT, SIM_DELIVERED or both; SIM_BLIND */
    void (*seen)(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when);
};

/* All may be NULL. `state` is the listener's. */
struct sim_hooks {
    /* Hosts exist, nothing has run; the listener may set up its state. */
    void (*init)(struct sim_run *run, void *state);
    void (*close)(struct sim_run *run, void *state);

    /* Time 0 has come. */
    void (*begun)(struct sim_run *run, void *state);

    uint32_t traces;    /* bits (1 << enum dfs_trace_kind) that `trace` hears; inside a step of `host` */
    uint32_t traces_of; /* bits (1 << enum dfs_role) of the machines whose traces these are; 0: of all */
    void (*trace)(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace);

    const struct sim_message_hook *messages;
    size_t messages_count;

    uint32_t steps; /* bits (1 << enum dfs_role) of machines whose steps are heard */
    bool
        asks_for_steps; /* after_step is for those alone in which `trace` has asked for it (sim_host_hear_step); it may be called for others too */
    void (*before_step)(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_event *event);
    void (*after_step)(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_event *event,
                       dfs_time_ns deadline);

    void (*disk_submitted)(struct sim_run *run, void *state, const struct sim_disk_event *event);
    uint32_t disk_done_verbs; /* bits (1 << enum dfs_disk_verb) of operations that `disk_done` hears; 0: all */
    uint32_t disk_done_of;    /* bits (1 << enum dfs_role) of the machines whose operations these are; 0: of all */
    void (*disk_done)(struct sim_run *run, void *state, const struct sim_disk_event *event);
    void (*datagram_lost)(struct sim_run *run, void *state, const struct sim_message *message);
    void (*connection_opened)(struct sim_run *run, void *state, const struct sim_connection *connection);
    void (*connection_closed)(struct sim_run *run, void *state, const struct sim_connection *connection,
                              struct sim_host *told, enum dfs_status status);
    void (*host_changed)(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change);

    /* The workload: an operation was asked; it was answered (its status, version, bytes and times are filled; answered_at stays DFS_NEVER
     * when its client went down with it). `result` is the client's answer, NULL when there is none. */
    void (*asked)(struct sim_run *run, void *state, const struct sim_operation *operation);
    void (*answered)(struct sim_run *run, void *state, const struct sim_operation *operation,
                     const struct dfs_client_result *result);

    /* The nemesis: fault `index` of the scenario took hold of `host` (NULL: of no one host), or let go. */
    void (*fault)(struct sim_run *run, void *state, size_t index, const struct sim_fault *fault, struct sim_host *host,
                  bool begins);

    /* Asked again and again after `duration`: is there nothing left to wait for? Otherwise say what, in words. */
    bool (*at_rest)(struct sim_run *run, void *state, char *why, size_t room);

    /* Everything has come to rest (settled), or the time for it is over. Disks and machines can be looked at. Before the audit. */
    void (*end)(struct sim_run *run, void *state, bool settled);

    /* After the audit: nothing will happen any more. */
    void (*finish)(struct sim_run *run, void *state);
};

struct sim_checker {
    const char *name;   /* of names.json */
    size_t state_bytes; /* zeroed before init */
    struct sim_hooks hooks;
};

/* All checkers, in sim/checkers/table.c; the end is NULL. */
extern const struct sim_checker *const sim_checkers[];

/* The run ------------------------------------------------------------------------------------------------------------- */

enum sim_verdict_kind {
    SIM_PASS,
    SIM_VACUOUS,
    SIM_STUCK,
    SIM_FAIL,
    SIM_NONDETERMINISTIC,
    SIM_ABORTED,
    SIM_VERDICT_COUNT
};
const char *sim_verdict_name(enum sim_verdict_kind verdict);
int sim_verdict_exit_code(enum sim_verdict_kind verdict); /* interfaces: 0 3 4 1 5 6 */

struct sim_violation {
    const char *checker;
    char host[SIM_HOST_NAME_BYTES]; /* "" none */
    dfs_time_ns at;                 /* of the scenario */
    bool before_zero;
    uint32_t line; /* of the file: run->line, then; 0: none */
    char message[512];
};

/* More are counted, not kept: the first ones tell what happened. */
#define SIM_VIOLATIONS_MAX 50

/* Why a run is vacuous or stuck: as many lines as fit. */
#define SIM_REASON_BYTES 2048

struct sim_eviction {
    uint32_t data;  /* 0 is d1 */
    dfs_time_ns at; /* of the scenario */
};

struct sim_run_options {
    uint64_t seed;
    bool no_checkers; /* bench: the bare cost of the machines */
    bool no_audit;
    bool keeps_operations;                          /* of mixes, beyond their answers: the ledger forgets none */
    bool coverage;                                  /* count the edges of all machines */
    uint64_t events_max;                            /* 0: SIM_EVENTS_MAX */
    void (*attach)(struct sim_run *run, void *arg); /* adds listeners before anything runs; may be NULL */
    void *attach_arg;
};

/* A run that does so many steps spins: a swarm's seed takes some 100,000. */
#define SIM_EVENTS_MAX UINT64_C(400000000)

/* How long a cluster may take to come up: joins are retried every five intervals. */
#define SIM_START_LIMIT_NS (300 * DFS_SECONDS)

struct sim_run {
    const struct sim_scenario *scenario;
    struct sim_run_options options;
    struct sim_world *world;
    struct sim_cluster *cluster;
    struct sim_ledger ledger;
    struct sim_workload *workload;
    struct sim_nemesis *nemesis;
    struct sim_expects *expects;
    struct sim_copies *copies;
    struct sim_coverage *coverage; /* NULL: not wanted */
    struct sim_listeners *listeners;

    dfs_time_ns zero; /* the world's time at time 0; DFS_NEVER before */
    bool over;        /* `duration` has passed */
    bool settled;
    dfs_time_ns settled_at; /* of the scenario */
    dfs_time_ns
        fault_last; /* of the scenario: when the last fault was undone (a permanent one: began); DFS_NEVER: none yet */

    /* Of the file: the fault that began or was undone last, or the step that was asked or answered, whichever came later; before all of them a mix that asks;
     * 0: none, or none that stands in a file. What goes wrong is most often about it. */
    uint32_t line;
    bool line_is_mix;

    enum sim_verdict_kind verdict;
    char reason[SIM_REASON_BYTES];
    struct sim_violation violations[SIM_VIOLATIONS_MAX];
    size_t violations_count;
    uint64_t violations_more;

    /* figures */
    uint64_t events_seen[SIM_EVENT_COUNT]; /* since time 0 */
    struct sim_eviction *evictions;
    size_t evictions_count;
    size_t evictions_room;
    uint64_t repair_copies;
    uint64_t repair_bytes;
    dfs_time_ns repair_last_at; /* of the scenario */
    uint64_t audited;
};

/* Makes the world and the cluster. The scenario outlives the run. */
struct sim_run *sim_run_new(const struct sim_scenario *scenario, const struct sim_run_options *options);

/* From start to verdict. Once. */
void sim_run_go(struct sim_run *run);

/*
 * The same in parts, for who lets the world run in a way of its own: begin (false: the cluster did not come up, the verdict says so), the world runs, stop at the end of
 * `duration`, the world runs until it is at rest (otherwise *why says what is not), end.
 */
bool sim_run_begin(struct sim_run *run);
void sim_run_stop(struct sim_run *run);
bool sim_run_at_rest(struct sim_run *run, char *why, size_t room);
void sim_run_end(struct sim_run *run);
void sim_run_free(struct sim_run *run);

/*
 * The same past with another future: what has not been drawn yet is drawn by `suffix` as well (sim_world_suffix), the moments of random faults included. At any moment;
 * for a process that was forked off a run.
 */
void sim_run_suffix(struct sim_run *run, uint64_t suffix);

/* Adds a listener; `state` is the caller's. In options.attach only. */
void sim_run_listen(struct sim_run *run, const char *name, const struct sim_hooks *hooks, void *state);

/* A promise is broken. `host` may be NULL. The run goes on; its verdict is fail. */
void sim_run_violation(struct sim_run *run, const char *checker, const struct sim_host *host, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The verdict is at least this bad; the words are added to the reason. */
void sim_run_verdict(struct sim_run *run, enum sim_verdict_kind verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The scenario's time now; 0 before time 0. */
dfs_time_ns sim_run_time(const struct sim_run *run);

/* The world's time of a time of the scenario. */
static inline dfs_time_ns sim_run_world_time(const struct sim_run *run, dfs_time_ns at)
{
    return dfs_time_add(run->zero, at);
}

/* Host by its number in the order of hosts.h, and back. A second host of `impersonate` is no such host: UINT32_MAX. */
struct sim_host *sim_run_host(const struct sim_run *run, uint32_t number);
uint32_t sim_run_host_number(const struct sim_run *run, const struct sim_host *host);

/* Something of names.json "events" happened; `host` is about whom (evicted: the data server), NULL none. */
void sim_run_event(struct sim_run *run, enum sim_event event, struct sim_host *host);

/* The body of a message that is being told, decoded now if nobody has wanted it before; NULL when the bytes do not decode. Valid during the call. */
const void *sim_seen_body(struct sim_run *run, const struct sim_seen *seen);

/* The message's number, 0 when its head is no frame of ours. Costs a look at two bytes. */
uint32_t sim_message_number(const struct sim_message *message);

/* The result as the object of `run --json`; a new reference. */
json_t *sim_run_json(const struct sim_run *run);

#endif
