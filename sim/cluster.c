#include "sim/cluster.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Doubles of data servers have addresses beyond those of all hosts. */
#define DOUBLES_FIRST 0x10000u

/* Every host its own address: fd00::INDEX. */
static struct dfs_addr addr_of(uint32_t index)
{
    struct dfs_addr addr = {.ip = {0xFD}, .port = SIM_PORT};

    addr.ip[12] = (uint8_t)(index >> 24);
    addr.ip[13] = (uint8_t)(index >> 16);
    addr.ip[14] = (uint8_t)(index >> 8);
    addr.ip[15] = (uint8_t)index;
    return addr;
}

static void bytes_of(const struct sim_cluster *cluster, const char *stream, uint64_t number, uint8_t *bytes,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)sim_world_identity(cluster->world, stream, number << 8 | i);
}

static struct dfs_id id_of(const struct sim_cluster *cluster, const char *stream, uint64_t number)
{
    struct dfs_id id;

    bytes_of(cluster, stream, number, id.bytes, sizeof id.bytes);
    dfs_id_make_random(&id);
    return id;
}

void sim_client_fingerprint(const struct sim_cluster *cluster, uint32_t client,
                            uint8_t ret_fingerprint[DFS_FINGERPRINT_BYTES])
{
    bytes_of(cluster, "fingerprint", client, ret_fingerprint, DFS_FINGERPRINT_BYTES);
}

/* Machines ------------------------------------------------------------------------------------------------------------ */

static void *auth_create(void *arg, const struct dfs_env *env)
{
    const struct sim_node *node = arg;

    return dfs_auth_new(&node->config.auth, env);
}

static void *meta_create(void *arg, const struct dfs_env *env)
{
    const struct sim_node *node = arg;

    return dfs_meta_new(&node->config.meta, env);
}

static void *data_create(void *arg, const struct dfs_env *env)
{
    struct sim_node *node = arg;

    /* An operator says so once, at the first start; afterwards an empty directory is a lost store. */
    node->config.data.fresh_store = !node->joined;
    return dfs_data_new(&node->config.data, env);
}

static void *client_create(void *arg, const struct dfs_env *env)
{
    const struct sim_node *node = arg;

    return dfs_client_new(&node->config.client, env);
}

static dfs_time_ns auth_step(void *machine, const struct dfs_event *event)
{
    return dfs_auth_step(machine, event);
}

static dfs_time_ns meta_step(void *machine, const struct dfs_event *event)
{
    return dfs_meta_step(machine, event);
}

static dfs_time_ns data_step(void *machine, const struct dfs_event *event)
{
    return dfs_data_step(machine, event);
}

static dfs_time_ns client_step(void *machine, const struct dfs_event *event)
{
    return dfs_client_step(machine, event);
}

static void auth_destroy(void *machine)
{
    dfs_auth_free(machine);
}

static void meta_destroy(void *machine)
{
    dfs_meta_free(machine);
}

static void data_destroy(void *machine)
{
    dfs_data_free(machine);
}

static void client_destroy(void *machine)
{
    dfs_client_free(machine);
}

const struct sim_machine_ops *sim_cluster_machine_ops(enum dfs_role role)
{
    static const struct sim_machine_ops auth_ops = {auth_create, auth_step, auth_destroy};
    static const struct sim_machine_ops meta_ops = {meta_create, meta_step, meta_destroy};
    static const struct sim_machine_ops data_ops = {data_create, data_step, data_destroy};
    static const struct sim_machine_ops client_ops = {client_create, client_step, client_destroy};

    switch (role) {
    case DFS_ROLE_AUTH:
        return &auth_ops;
    case DFS_ROLE_META:
        return &meta_ops;
    case DFS_ROLE_DATA:
        return &data_ops;
    case DFS_ROLE_CLIENT:
        return &client_ops;
    case DFS_ROLE_NONE:
    case DFS_ROLE_COUNT:
        break;
    }
    dfs_unreachable("sim_cluster_machine_ops");
}

/* Local files of clients ------------------------------------------------------------------------------------------------ */

static uint32_t client_index(const struct sim_node *node)
{
    return (uint32_t)(node - node->cluster->clients);
}

static size_t local_fill(void *arg, uint64_t source, uint64_t offset, uint8_t *bytes, size_t count,
                         enum dfs_status *ret_status)
{
    const struct sim_node *node = arg;
    const struct sim_client_hooks *hooks = &node->cluster->hooks;

    *ret_status = DFS_OK;
    return hooks->fill(hooks->arg, client_index(node), source, offset, bytes, count);
}

static enum dfs_status local_accept(void *arg, uint64_t sink, uint64_t offset, const uint8_t *bytes, size_t count)
{
    const struct sim_node *node = arg;
    const struct sim_client_hooks *hooks = &node->cluster->hooks;

    hooks->accept(hooks->arg, client_index(node), sink, offset, bytes, count);
    return DFS_OK;
}

static enum dfs_status local_finish(void *arg, uint64_t sink, bool commit)
{
    const struct sim_node *node = arg;
    const struct sim_client_hooks *hooks = &node->cluster->hooks;

    hooks->finish(hooks->arg, client_index(node), sink, commit);
    return DFS_OK;
}

/* The machine has said goodbye. */
static void stop_now(void *arg, struct sim_world *world)
{
    struct sim_node *node = arg;

    (void)world;
    if (node->stopping && sim_host_is_up(node->host) && sim_host_lives(node->host) == node->stopping_life)
        sim_host_stop(node->host);
    node->stopping = false;
}

static void stop_soon(struct sim_node *node)
{
    sim_world_call(node->cluster->world, sim_world_now(node->cluster->world), stop_now, node);
}

/* Logins of the start are the cluster's own commands: the upper half of the numbers. */
#define OWN_COMMAND (UINT64_C(1) << 63)

static void local_answer(void *arg, uint64_t command, const void *result)
{
    struct sim_node *node = arg;
    struct sim_cluster *cluster = node->cluster;
    const struct dfs_client_result *answer = result;

    if ((command & OWN_COMMAND) != 0) {
        if (answer->status == DFS_OK)
            cluster->clients_ready++;
        return;
    }
    if (command == SIM_STOP_COMMAND) {
        stop_soon(node);
        return;
    }
    cluster->hooks.answer(cluster->hooks.arg, client_index(node), command, answer);
}

static void server_answer(void *arg, uint64_t command, const void *result)
{
    (void)result;
    if (command == SIM_STOP_COMMAND)
        stop_soon(arg);
}

static void auth_answer(void *arg, uint64_t command, const void *result)
{
    struct sim_node *node = arg;
    const struct dfs_auth_answer *answer = result;

    if (command >= SIM_STOP_COMMAND) {
        server_answer(arg, command, result);
        return;
    }
    DFS_ASSERT(answer->status == DFS_OK);
    node->cluster->accounts_made = true;
}

static const struct sim_local_ops server_local = {.answer = server_answer};

/* Building -------------------------------------------------------------------------------------------------------------- */

static void node_add(struct sim_cluster *cluster, struct sim_node *node, enum dfs_role role, const char *name,
                     uint32_t index, const struct sim_local_ops *local)
{
    struct sim_host_options options = sim_host_options_default();
    const struct dfs_addr addr = addr_of(index);

    node->cluster = cluster;
    node->role = role;
    node->id = id_of(cluster, "node", index);
    options.listens = role != DFS_ROLE_CLIENT;
    options.local = local;
    options.local_arg = node;
    bytes_of(cluster, "certificate", index, options.peer.fingerprint, sizeof options.peer.fingerprint);
    if (role == DFS_ROLE_CLIENT) {
        options.peer.kind = DFS_PEER_CLIENT;
        sim_client_fingerprint(cluster, client_index(node), options.peer.fingerprint);
    } else {
        struct sim_disk_options disk = cluster->options.disk;

        if (role == DFS_ROLE_DATA)
            disk.capacity_bytes = cluster->options.capacity_bytes;
        options.peer.kind = DFS_PEER_NODE;
        options.peer.role = role;
        options.peer.node = node->id;
        node->disk = sim_disk_new(cluster->world, name, &disk);
        options.disk = node->disk;
    }
    node->host = sim_host_add(cluster->world, name, &addr, &options);
    sim_host_user_set(node->host, node);
}

static void configure(struct sim_cluster *cluster)
{
    const struct dfs_settings *settings = &cluster->options.settings;
    const struct sim_bounds *bounds = &cluster->options.bounds;
    const struct dfs_addr auth = *sim_host_addr(cluster->auth.host);
    const struct dfs_addr meta = *sim_host_addr(cluster->meta.host);

    cluster->auth.config.auth = (struct dfs_auth_config){.cluster = cluster->id};
    memcpy(cluster->auth.config.auth.issuer, cluster->issuer, sizeof cluster->issuer);
    dfs_setup_auth(settings, &cluster->auth.config.auth);
    sim_bounds_auth(bounds, &cluster->auth.config.auth.bounds);

    cluster->meta.config.meta = (struct dfs_meta_config){.cluster = cluster->id, .root = cluster->root, .auth = auth};
    memcpy(cluster->meta.config.meta.issuer, cluster->issuer, sizeof cluster->issuer);
    dfs_setup_meta(settings, &cluster->meta.config.meta);
    sim_bounds_meta(bounds, &cluster->meta.config.meta.bounds);

    for (uint32_t i = 0; i < cluster->options.data; i++) {
        struct sim_node *node = &cluster->data[i];
        struct dfs_data_config *config = &node->config.data;

        *config = (struct dfs_data_config){
            .cluster = cluster->id, .node = node->id, .addr = *sim_host_addr(node->host), .meta = meta};
        memcpy(config->issuer, cluster->issuer, sizeof cluster->issuer);
        (void)snprintf(config->zone, sizeof config->zone, "zone-%u", i % cluster->options.zones);
        dfs_setup_data(settings, config);
        sim_bounds_data(bounds, &config->bounds);
    }
    for (uint32_t i = 0; i < cluster->options.clients; i++) {
        struct dfs_client_config *config = &cluster->clients[i].config.client;

        *config = (struct dfs_client_config){.auth = auth, .meta = meta};
        dfs_setup_client(settings, config);
        sim_bounds_client(bounds, &config->bounds);
    }
}

static bool random_place(void *arg, uint64_t *ret_host, uint64_t *ret_step)
{
    const struct sim_world *world = arg;
    const struct sim_host *host = sim_world_stepping(world);

    if (host == NULL)
        return false;
    *ret_host = sim_host_index(host);
    *ret_step = sim_world_counts(world)->events;
    return true;
}

static void hears(void *arg, const struct sim_host *host, struct sim_hearing *hearing)
{
    (void)arg, (void)host;
    hearing->traces = 1u << DFS_TRACE_JOINED;
}

static void on_trace(void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct sim_cluster *cluster = arg;

    (void)host;
    if (trace->kind != DFS_TRACE_JOINED)
        return;
    struct sim_node *node = sim_cluster_data_by_id(cluster, &trace->node);

    if (node != NULL && !node->joined) {
        node->joined = true;
        cluster->active_now++;
    }
}

struct sim_cluster *sim_cluster_new(struct sim_world *world, const struct sim_cluster_options *options,
                                    const struct sim_client_hooks *hooks)
{
    static const struct sim_local_ops client_local = {local_fill, local_accept, local_finish, local_answer};
    static const struct sim_local_ops auth_local = {.answer = auth_answer};
    struct sim_cluster *cluster = dfs_alloc_zero(sizeof *cluster);
    uint32_t index = 1;
    char name[16];

    DFS_ASSERT(options->data <= SIM_DATA_MAX && options->clients <= SIM_CLIENTS_MAX && options->zones > 0);
    cluster->world = world;
    cluster->options = *options;
    cluster->hooks = *hooks;
    cluster->command_next = 1;
    dfs_map_init(&cluster->data_by_id, offsetof(struct sim_node, id), sizeof(struct dfs_id), 0);
    const bool seeded = sim_random_install(sim_world_seed(world));

    DFS_ASSERT(seeded);
    sim_random_follow(random_place, world);
    cluster->id = id_of(cluster, "cluster", 0);
    bytes_of(cluster, "root", 0, cluster->root.bytes, sizeof cluster->root.bytes);
    (void)snprintf(cluster->issuer, sizeof cluster->issuer, "dfs-auth");
    cluster->data = dfs_alloc_zero((options->data + 1) * sizeof *cluster->data);
    cluster->clients = dfs_alloc_zero((options->clients + 1) * sizeof *cluster->clients);
    node_add(cluster, &cluster->auth, DFS_ROLE_AUTH, "auth", index++, &auth_local);
    node_add(cluster, &cluster->meta, DFS_ROLE_META, "meta", index++, &server_local);
    for (uint32_t i = 0; i < options->data; i++) {
        (void)snprintf(name, sizeof name, "d%u", i + 1);
        node_add(cluster, &cluster->data[i], DFS_ROLE_DATA, name, index++, &server_local);
        dfs_map_insert(&cluster->data_by_id, &cluster->data[i]);
    }
    for (uint32_t i = 0; i < options->clients; i++) {
        cluster->clients[i].cluster = cluster;
        (void)snprintf(name, sizeof name, "c%u", i + 1);
        node_add(cluster, &cluster->clients[i], DFS_ROLE_CLIENT, name, index++, &client_local);
    }
    configure(cluster);
    const struct sim_observer observer = {.arg = cluster, .trace = on_trace, .hears = hears};

    sim_world_observe(world, &observer);
    return cluster;
}

void sim_cluster_free(struct sim_cluster *cluster)
{
    if (cluster == NULL)
        return;
    sim_random_follow(NULL, NULL);
    dfs_map_close(&cluster->data_by_id);
    dfs_free(cluster->data);
    dfs_free(cluster->clients);
    dfs_wipe(&cluster->root, sizeof cluster->root);
    dfs_free(cluster);
}

/* Start ------------------------------------------------------------------------------------------------------------------ */

/* Virtual time between two looks at whether the cluster is up. */
#define START_SLICE_NS (50 * DFS_MILLISECONDS)

static bool run_until(struct sim_cluster *cluster, dfs_time_ns limit, bool (*done)(const struct sim_cluster *))
{
    while (!done(cluster)) {
        const dfs_time_ns now = sim_world_now(cluster->world);

        if (now >= limit)
            return false;
        (void)sim_world_run(cluster->world, dfs_time_min(now + START_SLICE_NS, limit));
    }
    return true;
}

static bool auth_is_ready(const struct sim_cluster *cluster)
{
    return dfs_auth_is_ready(sim_host_machine(cluster->auth.host));
}

static bool accounts_are_made(const struct sim_cluster *cluster)
{
    return cluster->accounts_made;
}

static bool servers_are_up(const struct sim_cluster *cluster)
{
    return cluster->active_now == cluster->options.data;
}

static bool clients_are_ready(const struct sim_cluster *cluster)
{
    return cluster->clients_ready == cluster->options.clients;
}

static bool accounts_make(struct sim_cluster *cluster, dfs_time_ns limit)
{
    char user[32];
    char password[64];

    for (uint32_t i = 0; i <= cluster->options.clients; i++) {
        if (i == 0)
            (void)snprintf(user, sizeof user, "admin");
        else
            (void)snprintf(user, sizeof user, "c%u", i);
        (void)snprintf(password, sizeof password, "password-%s", user);
        const struct dfs_auth_user account = {.user = user, .password = password, .scope = i == 0 ? "rwa:/" : "rw:/"};

        cluster->accounts_made = false;
        if (!sim_host_command(cluster->auth.host, i + 1, DFS_AUTH_USER_SET, &account, sizeof account) ||
            !run_until(cluster, limit, accounts_are_made))
            return false;
    }
    return true;
}

bool sim_cluster_start(struct sim_cluster *cluster, dfs_duration_ns limit)
{
    const dfs_time_ns end = sim_world_now(cluster->world) + limit;

    sim_host_start(cluster->auth.host, sim_cluster_machine_ops(DFS_ROLE_AUTH), &cluster->auth);
    if (!run_until(cluster, end, auth_is_ready) || !accounts_make(cluster, end))
        return false;
    sim_host_start(cluster->meta.host, sim_cluster_machine_ops(DFS_ROLE_META), &cluster->meta);
    for (uint32_t i = 0; i < cluster->options.data; i++)
        sim_host_start(cluster->data[i].host, sim_cluster_machine_ops(DFS_ROLE_DATA), &cluster->data[i]);
    for (uint32_t i = 0; i < cluster->options.clients; i++)
        sim_host_start(cluster->clients[i].host, sim_cluster_machine_ops(DFS_ROLE_CLIENT), &cluster->clients[i]);
    if (!run_until(cluster, end, servers_are_up))
        return false;
    for (uint32_t i = 0; i < cluster->options.clients; i++) {
        char user[32];
        char password[64];

        (void)snprintf(user, sizeof user, "c%u", i + 1);
        (void)snprintf(password, sizeof password, "password-c%u", i + 1);
        const struct dfs_client_login login = {.user = user, .password = password};

        /* The event is delivered at the present time; the texts live until then. */
        if (!sim_host_command(cluster->clients[i].host, OWN_COMMAND | (i + 1), DFS_CLIENT_LOGIN, &login, sizeof login))
            return false;
        (void)sim_world_run(cluster->world, sim_world_now(cluster->world));
    }
    return run_until(cluster, end, clients_are_ready);
}

void sim_cluster_waits_for(const struct sim_cluster *cluster, char *why, size_t room)
{
    struct dfs_meta *meta = sim_host_machine(cluster->meta.host);
    const char *words = NULL;

    if (!dfs_auth_is_ready(sim_host_machine(cluster->auth.host)) || !cluster->accounts_made) {
        (void)snprintf(why, room, "auth is not ready, or has not made the accounts");
    } else if (meta != NULL && dfs_meta_failure(meta, &words) != DFS_OK) {
        (void)snprintf(why, room, "metadata does not start: %s", words);
    } else if (cluster->active_now < cluster->options.data) {
        uint32_t first = 0;

        while (cluster->data[first].joined)
            first++;
        (void)snprintf(why, room, "%u of %u data servers are ACTIVE; d%u is not", cluster->active_now,
                       cluster->options.data, first + 1);
    } else {
        (void)snprintf(why, room, "%u of %u clients are logged in", cluster->clients_ready, cluster->options.clients);
    }
}

/* Use -------------------------------------------------------------------------------------------------------------------- */

uint64_t sim_client_command(struct sim_cluster *cluster, uint32_t client, uint32_t code, const void *argument,
                            size_t argument_bytes)
{
    DFS_ASSERT(client < cluster->options.clients);
    const uint64_t command = cluster->command_next++;

    return sim_host_command(cluster->clients[client].host, command, code, argument, argument_bytes) ? command : 0;
}

bool sim_cluster_stop(struct sim_cluster *cluster, struct sim_host *host, uint32_t code)
{
    struct sim_node *node = sim_host_user(host);

    (void)cluster;
    if (!sim_host_command(host, SIM_STOP_COMMAND, code, NULL, 0))
        return false;
    node->stopping = true;
    node->stopping_life = sim_host_lives(host);
    return true;
}

struct sim_node *sim_cluster_double(struct sim_cluster *cluster, const struct sim_node *node, uint32_t number)
{
    struct sim_node *made = dfs_alloc_zero(sizeof *made);
    struct sim_host_options options = sim_host_options_default();
    struct sim_disk_options disk = cluster->options.disk;
    const struct dfs_addr addr = addr_of(DOUBLES_FIRST + number);
    char name[32];

    (void)snprintf(name, sizeof name, "%s-double-%u", sim_host_name(node->host), number + 1);
    *made = *node;
    disk.capacity_bytes = cluster->options.capacity_bytes;
    made->disk = sim_disk_new(cluster->world, name, &disk);
    sim_disk_clone_synced(made->disk, node->disk);
    options.listens = true;
    options.disk = made->disk;
    options.peer = *sim_host_peer(node->host);
    options.local = &server_local;
    options.local_arg = made;
    made->host = sim_host_add(cluster->world, name, &addr, &options);
    made->config.data.addr = addr;
    sim_host_user_set(made->host, made);
    sim_host_start(made->host, sim_cluster_machine_ops(DFS_ROLE_DATA), made);
    return made;
}

struct sim_node *sim_cluster_node(struct sim_cluster *cluster, const struct sim_host *host)
{
    (void)cluster;
    return sim_host_user(host);
}

struct sim_node *sim_cluster_data_by_id(struct sim_cluster *cluster, const struct dfs_id *id)
{
    return dfs_map_find(&cluster->data_by_id, id);
}

struct dfs_meta *sim_cluster_meta(struct sim_cluster *cluster)
{
    return sim_host_machine(cluster->meta.host);
}
