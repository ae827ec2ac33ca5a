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
#define SIM_REF_SCHEMA(name) "{\"$ref\":\"#/$defs/" name "\"}" /* of sim_scenario_schema's own definitions */
#define SIM_HOST_SCHEMA SIM_REF_SCHEMA("host")
#define SIM_HOSTS_SCHEMA SIM_REF_SCHEMA("hosts")
#define SIM_MESSAGE_SCHEMA SIM_REF_SCHEMA("message")
#define SIM_EVENT_SCHEMA SIM_REF_SCHEMA("event")
#define SIM_STATUS_SCHEMA SIM_REF_SCHEMA("status")
#define SIM_KIND_SCHEMA SIM_REF_SCHEMA("fault_kind")

/*
 * Keys for hosts are FIXED for the table's reader: their own readers draw, since {"between": ["d1", "d4"]} makes sense for hosts only and every host of a
 * "one_of" must be there, drawn or not.
 */
#define SIM_HOSTS_ROW(key, type_name, member, more_flags, ...) \
    { \
        .name = (key), .type = DFS_KEY_CUSTOM, .flags = DFS_KEY_FIXED | (more_flags), \
        .offset = offsetof(type_name, member), .read = sim_hosts_read, \
        .words = "a host such as \"d3\" or a set such as \"data\"", .schema = SIM_HOSTS_SCHEMA, __VA_ARGS__ \
    }

extern const struct dfs_keytable sim_scenario_table;
extern const struct dfs_keytable sim_work_table;
extern const struct dfs_keytable sim_fault_table;
extern const struct dfs_keytable sim_expect_table;

/* The table of an object of the file: "cluster", "network", "disk". */
const struct dfs_keytable *sim_scenario_part(const char *name);

/* Rows of `network`, in a struct that has a struct sim_network at the prefix (for example "network."; nothing for itself). */
#define SIM_NETWORK_LATENCY_MAX_NS (INT64_C(3600) * 1000000000)
#define SIM_NETWORK_ROW(type_name, prefix, key, key_type, key_flags, field, field_seen, low, high, words) \
    { \
        .name = (key), .type = (key_type), .flags = (key_flags), .offset = offsetof(type_name, prefix field), \
        .seen = DFS_KEY_SEEN_AT(type_name, prefix field_seen), .min = (low), .max = (high), .help = (words) \
    }
#define SIM_NETWORK_ROWS(T, P) \
    SIM_NETWORK_ROW(T, P, "latency", DFS_KEY_DURATION, DFS_KEY_SPREAD, latency, latency_seen, 0, \
                    SIM_NETWORK_LATENCY_MAX_NS, "One way; drawn for every message. 0.2ms to 2ms when absent."), \
        SIM_NETWORK_ROW(T, P, "loss", DFS_KEY_SHARE, 0, loss_ppb, loss_seen, 0, 0, \
                        "A datagram is lost; a packet of a stream is sent again."), \
        SIM_NETWORK_ROW(T, P, "duplicate", DFS_KEY_SHARE, 0, duplicate_ppb, duplicate_seen, 0, 0, \
                        "A datagram comes twice."), \
        SIM_NETWORK_ROW(T, P, "reorder", DFS_KEY_SHARE, 0, reorder_ppb, reorder_seen, 0, 0, \
                        "A datagram is held back."), \
        SIM_NETWORK_ROW(T, P, "reorder_by", DFS_KEY_DURATION, 0, reorder_by_ns, reorder_by_seen, 0, \
                        SIM_NETWORK_LATENCY_MAX_NS, \
                        "Held back by up to this; ten times the largest latency when absent."), \
        SIM_NETWORK_ROW(T, P, "bandwidth", DFS_KEY_RATE, 0, bandwidth_bytes_per_s, bandwidth_seen, 1, 0, \
                        "Of each link; without limit when absent."), \
        SIM_NETWORK_ROW(T, P, "queue", DFS_KEY_DURATION, 0, queue_ns, queue_seen, 1, SIM_NETWORK_LATENCY_MAX_NS, \
                        "A datagram that would wait longer for its turn is dropped; 100ms when absent."), \
        SIM_NETWORK_ROW(T, P, "cut", DFS_KEY_SHARE, 0, cut_ppb, cut_seen, 0, 0, \
                        "A segment of a stream is received in pieces."), \
        SIM_NETWORK_ROW(T, P, "dribble", DFS_KEY_SHARE, 0, dribble_ppb, dribble_seen, 0, 0, \
                        "A segment of a stream is received byte by byte.")

#define SIM_ROWS(array) .rows = (array), .count = sizeof(array) / sizeof((array)[0])

#endif
