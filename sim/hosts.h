/*
 * hosts.h - who a scenario speaks of: "auth", "meta", "d1", "c2", the sets "data", "clients", "all", "zone-0" and "rest", and lists of these.
 *
 * A reference is kept as it was written and turned into hosts when it is used: how many servers a cluster has may stand later in the file. Plain data.
 */
#ifndef DFS_SIM_HOSTS_H
#define DFS_SIM_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Hosts named one by one in one list; more of them are written as a set. */
#define SIM_HOST_REFS_MAX 64

enum sim_host_kind {
    SIM_HOST_AUTH,
    SIM_HOST_META,
    SIM_HOST_DATA,   /* index */
    SIM_HOST_CLIENT, /* index */
    SIM_HOST_ALL_DATA,
    SIM_HOST_ALL_CLIENTS,
    SIM_HOST_ALL,
    SIM_HOST_ZONE, /* index: the data servers of this zone */
    SIM_HOST_REST  /* in a partition: everybody that its other groups do not name */
};

struct sim_host_ref {
    uint8_t kind;   /* enum sim_host_kind */
    uint16_t index; /* 0 is d1, c1, zone-0 */
};

struct sim_host_refs {
    uint32_t count;
    struct sim_host_ref refs[SIM_HOST_REFS_MAX];
};

/* How many hosts a cluster has; their order everywhere is auth, meta, d1.., c1.. */
struct sim_host_counts {
    uint32_t data;
    uint32_t clients;
    uint32_t zones; /* data server i (from 0) is in zone i mod zones; 0 counts as 1 */
};

/* A set of hosts by that order; SIM_HOSTS_MAX bits. */
#define SIM_DATA_MAX 4000  /* what metadata can hold is DFS_NODES_MAX; the rest of the 4096 is ours */
#define SIM_CLIENTS_MAX 64 /* more clients than anybody needs */
#define SIM_HOSTS_MAX (2 + SIM_DATA_MAX + SIM_CLIENTS_MAX)

struct sim_host_set {
    uint64_t words[(SIM_HOSTS_MAX + 63) / 64];
};

static inline bool sim_host_set_has(const struct sim_host_set *set, uint32_t host)
{
    return (set->words[host / 64] >> host % 64 & 1u) != 0;
}

static inline void sim_host_set_add(struct sim_host_set *set, uint32_t host)
{
    set->words[host / 64] |= UINT64_C(1) << host % 64;
}

static inline void sim_host_set_remove(struct sim_host_set *set, uint32_t host)
{
    set->words[host / 64] &= ~(UINT64_C(1) << host % 64);
}

uint32_t sim_host_set_count(const struct sim_host_set *set);

static inline uint32_t sim_hosts_count(struct sim_host_counts counts)
{
    return 2 + counts.data + counts.clients;
}

/* "d3" -> DATA 2, "zone-1" -> ZONE 1; false when it is no host and no set. */
bool sim_host_ref_parse(const char *text, struct sim_host_ref *ret_ref);

/* The other way, into at least SIM_HOST_NAME_BYTES. */
#define SIM_HOST_NAME_BYTES 16
void sim_host_ref_print(struct sim_host_ref ref, char *text);

/* Does the cluster have it? */
bool sim_host_ref_is_there(struct sim_host_ref ref, struct sim_host_counts counts);

/* Adds the hosts; REST adds nobody. */
void sim_host_refs_expand(const struct sim_host_refs *refs, struct sim_host_counts counts, struct sim_host_set *set);

/*
 * The hosts of each group of a partition, into `sets` (zeroed here): who stands in two groups stays in the first, and who is named by none is in the group that says REST.
 */
void sim_host_groups_expand(const struct sim_host_refs *groups, uint32_t count, struct sim_host_counts counts,
                            struct sim_host_set *sets);

/* For callers that make scenarios: one more; asserts that there is room. */
void sim_host_refs_add(struct sim_host_refs *refs, enum sim_host_kind kind, uint32_t index);

/* The host of that number in a cluster of `data` data servers: auth, metadata, data servers, clients. */
void sim_host_refs_add_number(struct sim_host_refs *refs, uint32_t data, uint32_t number);

#endif
