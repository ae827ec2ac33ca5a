/*
 * cluster.h - a cluster inside a simulated world: the same constructors and configurations as the daemons', on simulated hosts.
 *
 * Hosts stand in the world in this order: auth, meta, d1..dN, c1..cM. Identities, secrets, addresses and accounts follow from the world's seed.
 * Clients' commands and their answers go through sim_client_*: the workload's side of env.local.
 *
 * Each disk keeps its own life: a restart is the same machine on what the disk has. The cluster outlives machines and is freed after the world.
 */
#ifndef DFS_SIM_CLUSTER_H
#define DFS_SIM_CLUSTER_H

#include "core/base/map.h"
#include "core/conf/settings.h"
#include "core/setup/setup.h"
#include "net_sim/world.h"
#include "sim/bounds.h"
#include "sim/hosts.h"

#include <stdbool.h>
#include <stdint.h>

/* Numbers of commands that are no client's operation. */
#define SIM_STOP_COMMAND (UINT64_C(1) << 62)
#define SIM_AUTH_ROTATE_COMMAND (SIM_STOP_COMMAND + 1)

/* Where every role listens; hosts differ by address. */
#define SIM_PORT 7000

struct sim_cluster_options {
    uint32_t data;
    uint32_t clients;
    uint32_t zones;
    uint64_t capacity_bytes; /* of each data server */
    struct dfs_settings settings;
    struct sim_bounds bounds;
    struct sim_disk_options disk; /* latency and throughput of every disk */
};

struct sim_node {
    struct sim_host *host;
    struct sim_disk *disk;
    struct dfs_id id; /* in its certificate */
    enum dfs_role role;
    struct sim_cluster *cluster;
    bool joined;   /* data: was ACTIVE at least once */
    bool stopping; /* asked to stop in that life */
    uint32_t stopping_life;
    union {
        struct dfs_auth_config auth;
        struct dfs_meta_config meta;
        struct dfs_data_config data;
        struct dfs_client_config client;
    } config;
};

/* What a client's machine asks of its local files and tells of its commands. */
struct sim_client_hooks {
    void *arg;
    size_t (*fill)(void *arg, uint32_t client, uint64_t source, uint64_t offset, uint8_t *bytes, size_t count);
    void (*accept)(void *arg, uint32_t client, uint64_t sink, uint64_t offset, const uint8_t *bytes, size_t count);
    void (*finish)(void *arg, uint32_t client, uint64_t sink, bool commit);
    void (*answer)(void *arg, uint32_t client, uint64_t command, const struct dfs_client_result *result);
};

struct sim_cluster {
    struct sim_world *world;
    struct sim_cluster_options options;
    struct sim_client_hooks hooks;
    struct dfs_id id;
    struct dfs_key root;
    char issuer[64];
    struct sim_node auth;
    struct sim_node meta;
    struct sim_node *data;    /* options.data of them; d1 is data[0] */
    struct sim_node *clients; /* c1 is clients[0] */
    struct dfs_map data_by_id;
    uint32_t active_now;    /* data servers that metadata has told ACTIVE, of the first lives */
    uint32_t clients_ready; /* logged in */
    uint64_t command_next;  /* commands of all clients are numbered together; from 1 */
    bool accounts_made;
};

/*
 * Adds the hosts to the world (nothing runs yet) and makes OpenSSL's random source the seed's for this process. `hooks` is copied.
 */
struct sim_cluster *sim_cluster_new(struct sim_world *world, const struct sim_cluster_options *options,
                                    const struct sim_client_hooks *hooks);
void sim_cluster_free(struct sim_cluster *cluster); /* after the world; NULL is fine */

/*
 * Starts everything and runs the world until all data servers are ACTIVE and all clients are logged in: time 0 of a scenario. Accounts: user "cN" with
 * password "password-cN" and scope "rw:/" for each client, "admin" besides. false when that did not come about within `limit` of virtual time.
 */
bool sim_cluster_start(struct sim_cluster *cluster, dfs_duration_ns limit);

/* What the start still waits for, in words. */
void sim_cluster_waits_for(const struct sim_cluster *cluster, char *why, size_t room);

/* Sends a client a command; its number comes back in hooks.answer. 0 when the client is down. Pointers inside `argument` must live until the event
 * was delivered, which is at the present time of the world. */
uint64_t sim_client_command(struct sim_cluster *cluster, uint32_t client, uint32_t code, const void *argument,
                            size_t argument_bytes);

/* Asks a machine to stop cleanly by its command (DFS_DATA_LEAVE and the like); the host is stopped when the machine says it is done. false when it is down. */
bool sim_cluster_stop(struct sim_cluster *cluster, struct sim_host *host, uint32_t code);

/* Starts a second host with a data server's identity, on a copy of its synced disk, at an address of its own. The node is the caller's to free after the world. */
struct sim_node *sim_cluster_double(struct sim_cluster *cluster, const struct sim_node *node, uint32_t number);

/* The node behind a host, NULL for none. */
struct sim_node *sim_cluster_node(struct sim_cluster *cluster, const struct sim_host *host);

/* The data server of this id, NULL when there is none. */
struct sim_node *sim_cluster_data_by_id(struct sim_cluster *cluster, const struct dfs_id *id);

/* Running machines, NULL while the host is down. */
struct dfs_meta *sim_cluster_meta(struct sim_cluster *cluster);

/* The certificate fingerprint of client i. */
void sim_client_fingerprint(const struct sim_cluster *cluster, uint32_t client,
                            uint8_t ret_fingerprint[DFS_FINGERPRINT_BYTES]);

/* Machine operations by role, for a host that is added later (impersonate). */
const struct sim_machine_ops *sim_cluster_machine_ops(enum dfs_role role);

#endif
