/*
 * nemesis_internal.h - what the parts of the nemesis share; nobody else includes it.
 */
#ifndef DFS_SIM_NEMESIS_INTERNAL_H
#define DFS_SIM_NEMESIS_INTERNAL_H

#include "sim/nemesis.h"

#include "core/base/list.h"

/* Datagrams of the past that `replay` and `forge` may use: more than all heartbeats of a minute with twenty servers. */
#define SIM_CAPTURES_MAX 4096

/* A fault of the scenario. */
struct sim_wound {
    struct sim_nemesis *nemesis;
    const struct sim_fault *fault;
    size_t index;
    uint64_t effect;       /* how often it took hold of anything */
    uint64_t trigger_seen; /* events it waited for */
    bool fired;
};

/* One host that a blow has hold of. */
struct sim_hold {
    uint32_t host;
    uint32_t life; /* of the host, then: what does not outlive it is not undone in the next */
    sim_rule_id rules[DFS_DISK_VERB_COUNT];
    uint32_t rules_count;
};

/* One time that a fault takes hold; random faults make many. */
struct sim_blow {
    struct dfs_list link; /* in nemesis->blows */
    struct dfs_list rule; /* in nemesis->rules while it filters messages */
    struct sim_wound *wound;
    const struct sim_fault *fault; /* the wound's, or `drawn` */
    struct sim_fault drawn;
    dfs_time_ns at;  /* of the scenario */
    uint64_t key;    /* of its draws: of what it is, not of its place among the faults */
    uint64_t effect; /* how often it took hold of anything; not of rules of disks that are in force */
    bool undone;
    bool leaving; /* LEAVE: a host has not stopped yet and is to be restarted when it has */
    struct sim_hold *holds;
    size_t holds_count;
    struct sim_host_set touched;
    sim_partition_id partition;
    uint64_t seen; /* messages that a rule has looked at */
    uint64_t hits;
    struct sim_host_set from;
    struct sim_host_set to;
    bool from_any;
    bool to_any;
};

struct sim_capture {
    uint32_t from; /* host */
    uint32_t to;
    uint32_t message;
    uint32_t count;
    uint8_t bytes[DFS_DATAGRAM_BYTES_MAX];
};

struct sim_touch {
    uint32_t in_force;
    dfs_time_ns last_end; /* of the world; DFS_NEVER: never */
    bool destroyed;       /* what it stored may be gone for good */
};

struct sim_nemesis {
    struct sim_run *run;
    struct sim_wound *wounds;
    size_t wounds_count;
    struct dfs_list blows;
    struct dfs_list rules;
    struct sim_touch *touches; /* by host number */
    uint32_t hosts_count;
    struct dfs_list moments; /* of random faults: still to come, or drawn anew and void */
    bool stopped;
    bool calm;    /* sim_nemesis_calm */
    bool filters; /* some fault or trigger looks at messages */
    bool captures_on;
    struct sim_capture *captures;
    size_t captures_count;
    uint64_t captured;
    struct sim_host_set leavers;                    /* asked to leave, not stopped yet */
    struct sim_node *copies_nodes[SIM_CLIENTS_MAX]; /* of impersonations; owned */
    size_t copies_count;
};

/* nemesis.c */
void sim_blow_effect(struct sim_blow *blow, struct sim_host *host); /* it took hold of something */
void sim_blow_touch(struct sim_blow *blow, uint32_t host);
/* It is undone now, if it was not before. */
void sim_blow_over(struct sim_blow *blow);

void sim_nemesis_message(struct sim_nemesis *nemesis, uint32_t number, struct sim_host *from, struct sim_host *to);

/* nemesis_apply.c: takes hold, lets go. */
void sim_blow_begin(struct sim_blow *blow);
void sim_blow_end(struct sim_blow *blow);

/* nemesis_messages.c */
void sim_nemesis_observe(struct sim_nemesis *nemesis);
void sim_blow_filter(struct sim_blow *blow);
/* Disk operations that its rules in force have hit so far; those of rules that ended count as its effect already. */
uint64_t sim_blow_disk_hits(const struct sim_blow *blow);
void sim_blow_forge(struct sim_blow *blow);
void sim_blow_replay(struct sim_blow *blow);

/* nemesis_random.c */
void sim_wound_random(struct sim_wound *wound);
void sim_nemesis_moments_free(struct sim_nemesis *nemesis);

/* A draw of a blow: keyed by what it does, to whom and when, so that taking another fault away shifts nothing, and a recorded fault draws what it drew. */
uint64_t sim_blow_draw(const struct sim_blow *blow, const char *purpose, uint64_t number, uint64_t count);

/* Another draw of the nemesis: fault, purpose, number. */
uint64_t sim_nemesis_draw(const struct sim_nemesis *nemesis, const char *purpose, size_t fault, uint64_t number,
                          uint64_t count);

struct sim_blow *sim_wound_fire(struct sim_wound *wound, const struct sim_fault *drawn);

#endif
