/*
 * scenario_internal.h - what the parts of the scenario reader share; nobody else includes it.
 */
#ifndef DFS_SIM_SCENARIO_INTERNAL_H
#define DFS_SIM_SCENARIO_INTERNAL_H

#include "sim/scenario.h"

/* What can only be judged when the whole file was read: a host that the cluster may not have, a step that may not stand there. */
struct sim_pending {
    const struct dfs_json_node *node;
    struct sim_host_ref ref;
    const char *id; /* not NULL: the step's id, else `ref` */
    bool rest_ok;
};

/* The reader's draw_context. */
struct sim_reading {
    uint64_t seed;
    struct sim_pending *pending;
    size_t pending_count;
    size_t pending_room;
};

void sim_reading_pend(struct dfs_key_reader *reader, const struct sim_pending *pending);

/* Readers of custom keys: a host or a list of them into a struct sim_host_refs (added to what is there), one host into a struct sim_host_ref,
 * a message's name into a uint32_t. */
enum dfs_status sim_hosts_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                               const struct dfs_json_node *node, void *field);
enum dfs_status sim_host_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                              const struct dfs_json_node *node, void *field);
enum dfs_status sim_message_read(struct dfs_key_reader *reader, const struct dfs_conf_key *row,
                                 const struct dfs_json_node *node, void *field);

/* The name of an event. */
enum dfs_status sim_event_read(struct dfs_key_reader *reader, const struct dfs_json_node *node,
                               enum sim_event *ret_event);

/* What JSON Schema says of them. */
#define SIM_HOST_SCHEMA "{\"type\":\"string\",\"pattern\":\"^(auth|meta|data|clients|all|rest|[dc][1-9][0-9]*)$\"}"
#define SIM_HOSTS_SCHEMA \
    "{\"anyOf\":[" SIM_HOST_SCHEMA ",{\"type\":\"array\",\"minItems\":1,\"items\":" SIM_HOST_SCHEMA "}]}"
#define SIM_MESSAGE_SCHEMA "{\"type\":\"string\",\"pattern\":\"^[A-Z_]+$\"}"

/* A row for a host or a list of hosts. */
#define SIM_HOSTS_ROW(key, type_name, member, ...) \
    { \
        .name = (key), .type = DFS_KEY_CUSTOM, .offset = offsetof(type_name, member), .read = sim_hosts_read, \
        .schema = SIM_HOSTS_SCHEMA, __VA_ARGS__ \
    }

extern const struct dfs_keytable sim_work_table;
extern const struct dfs_keytable sim_fault_table;
extern const struct dfs_keytable sim_expect_table;
extern const struct dfs_keytable sim_network_table;

#define SIM_ROWS(array) .rows = (array), .count = sizeof(array) / sizeof((array)[0])

#endif
