#include "sim/scenario.h"

#include "sim/scenario_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/message.h"
#include "net_sim/prf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A scenario that says nothing: five servers of 1 GB, three copies, two clients, a local network. */
#define DURATION_DEFAULT "60s"
#define SETTLE_DEFAULT "120s"
#define LATENCY_LOW_NS (200 * (int64_t)DFS_MICROSECONDS)
#define LATENCY_HIGH_NS (2 * (int64_t)DFS_MILLISECONDS)
#define DISK_LATENCY_NS (100 * (int64_t)DFS_MICROSECONDS)

/* A year: what anybody simulates, and sums of two stay far from the end of an int64_t. */
#define TIME_MAX_NS (INT64_C(366) * 86400 * (int64_t)DFS_SECONDS)

/* ---- Network and disk -------------------------------------------------------------------------------------------------- */

#define LATENCY_MAX_NS SIM_NETWORK_LATENCY_MAX_NS

static const struct dfs_conf_key network_rows[] = {SIM_NETWORK_ROWS(struct sim_network, )};

static const struct dfs_keytable sim_network_table = {
    .name = "network", SIM_ROWS(network_rows), .help = "What messages meet on their way."};

static struct sim_range range_of(const struct dfs_spread *spread)
{
    return (struct sim_range){(dfs_duration_ns)spread->low, (dfs_duration_ns)spread->high};
}

struct sim_link_options sim_network_options(const struct sim_network *network, const struct sim_link_options *base)
{
    struct sim_link_options options = *base;

    if (network->latency_seen) {
        options.latency = range_of(&network->latency);
        options.latencies = network->latency.values;
        options.latencies_count = network->latency.count;
    }
    if (network->loss_seen)
        options.loss_ppb = (uint32_t)network->loss_ppb;
    if (network->duplicate_seen)
        options.duplicate_ppb = (uint32_t)network->duplicate_ppb;
    if (network->reorder_seen)
        options.reorder_ppb = (uint32_t)network->reorder_ppb;
    if (network->reorder_by_seen)
        options.reorder_max_ns = (dfs_duration_ns)network->reorder_by_ns;
    if (network->bandwidth_seen)
        options.bytes_per_second = (uint64_t)network->bandwidth_bytes_per_s;
    if (network->queue_seen)
        options.queue_max_ns = (dfs_duration_ns)network->queue_ns;
    if (network->cut_seen)
        options.cut_ppb = (uint32_t)network->cut_ppb;
    if (network->dribble_seen)
        options.dribble_ppb = (uint32_t)network->dribble_ppb;
    return options;
}

#define AT(member) offsetof(struct sim_disk_words, member)

static const struct dfs_conf_key disk_rows[] = {
    {.name = "latency",
     .type = DFS_KEY_DURATION,
     .flags = DFS_KEY_SPREAD,
     .offset = AT(latency),
     .max = LATENCY_MAX_NS,
     .default_text = "0.1ms",
     .help = "Of every operation, on top of its turn; drawn for each."},
    {.name = "sync_latency",
     .type = DFS_KEY_DURATION,
     .flags = DFS_KEY_SPREAD,
     .offset = AT(sync_latency),
     .seen = DFS_KEY_SEEN_AT(struct sim_disk_words, sync_latency_seen),
     .max = LATENCY_MAX_NS,
     .help = "Of syncs; as `latency` when absent."},
    {.name = "throughput",
     .type = DFS_KEY_RATE,
     .offset = AT(throughput_bytes_per_s),
     .min = 1,
     .default_text = "200MB/s",
     .help = "One transfer after another."},
};
static const struct dfs_keytable disk_table = {.name = "disk", SIM_ROWS(disk_rows), .help = "All disks alike."};

/* ---- Cluster --------------------------------------------------------------------------------------------------------------- */

#undef AT
#define AT(member) offsetof(struct sim_cluster_words, member)

static const struct dfs_conf_key cluster_rows[] = {
    {.name = "data",
     .type = DFS_KEY_COUNT,
     .offset = AT(data),
     .min = 1,
     .max = SIM_DATA_MAX,
     .default_text = "5",
     .help = "Data servers."},
    {.name = "clients",
     .type = DFS_KEY_COUNT,
     .offset = AT(clients),
     .min = 1,
     .max = SIM_CLIENTS_MAX,
     .default_text = "2",
     .help = "Clients."},
    {.name = "replication",
     .type = DFS_KEY_COUNT,
     .offset = AT(replication),
     .seen = DFS_KEY_SEEN_AT(struct sim_cluster_words, replication_seen),
     .min = 1,
     .max = DFS_REPLICAS_MAX,
     .default_text = "3",
     .help = "Copies of every block; short for the setting of this name."},
    {.name = "zones",
     .type = DFS_KEY_COUNT,
     .offset = AT(zones),
     .min = 1,
     .max = DFS_ZONES_MAX,
     .default_text = "1",
     .help = "Data server i stands in zone (i - 1) mod zones."},
    {.name = "capacity",
     .type = DFS_KEY_SIZE,
     .offset = AT(capacity_bytes),
     .min = 1000000,
     .default_text = "1GB",
     .help = "Of each data server."},
    {.name = "config",
     .type = DFS_KEY_OBJECT,
     .offset = AT(settings),
     .table = &dfs_settings_table,
     .help = "Settings of the daemons, under their own names."},
    {.name = "bounds",
     .type = DFS_KEY_OBJECT,
     .offset = AT(bounds),
     .table = &sim_bounds_table,
     .help = "Queues, batches and windows of the machines, shorter than a daemon has them."},
};

/* Logins of a run are many and cost real time: a scenario that says nothing takes the cheapest. */
#define SCRYPT_N_IN_SCENARIOS 16

static enum dfs_status cluster_check(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct sim_cluster_words *cluster = base;
    const struct dfs_json_node *config = dfs_json_get(reader->doc, object, "config");
    const struct dfs_json_node *replication = config != NULL ? dfs_json_get(reader->doc, config, "replication") : NULL;

    if (config == NULL || dfs_json_get(reader->doc, config, "scrypt_n") == NULL)
        cluster->settings.scrypt_n = SCRYPT_N_IN_SCENARIOS;
    if (replication != NULL && cluster->replication_seen && cluster->replication != cluster->settings.replication)
        return dfs_json_refuse_key(reader->doc, replication, reader->error,
                                   "is another number than the cluster's own \"replication\"");
    if (replication != NULL)
        cluster->replication = cluster->settings.replication;
    cluster->settings.replication = cluster->replication;
    return DFS_OK;
}

static const struct dfs_keytable cluster_table = {
    .name = "cluster", SIM_ROWS(cluster_rows), .help = "What stands there.", .check = cluster_check};

/* ---- The file ---------------------------------------------------------------------------------------------------------------- */

static void *grow_work(struct dfs_key_reader *reader, void *field, size_t index)
{
    (void)reader, (void)index;
    return sim_scenario_work(dfs_container_of(field, struct sim_scenario, works));
}

static void *grow_fault(struct dfs_key_reader *reader, void *field, size_t index)
{
    (void)reader, (void)index;
    return sim_scenario_fault(dfs_container_of(field, struct sim_scenario, faults));
}

static void *grow_expect(struct dfs_key_reader *reader, void *field, size_t index)
{
    (void)reader, (void)index;
    return sim_scenario_expect(dfs_container_of(field, struct sim_scenario, expects));
}

static const struct dfs_conf_key work_item = {
    .name = "work", .type = DFS_KEY_OBJECT, .flags = DFS_KEY_FIXED, .table = &sim_work_table};
static const struct dfs_conf_key fault_item = {
    .name = "fault", .type = DFS_KEY_OBJECT, .flags = DFS_KEY_FIXED, .table = &sim_fault_table};
static const struct dfs_conf_key expect_item = {
    .name = "expectation", .type = DFS_KEY_OBJECT, .flags = DFS_KEY_FIXED, .table = &sim_expect_table};

#undef AT
#define AT(member) offsetof(struct sim_scenario, member)

static const struct dfs_conf_key rows[] = {
    {.name = "$schema", .type = DFS_KEY_IGNORED, .help = "For editors."},
    {.name = "dfs_scenario",
     .type = DFS_KEY_COUNT,
     .flags = DFS_KEY_REQUIRED | DFS_KEY_FIXED,
     .offset = AT(version),
     .min = SIM_SCENARIO_VERSION,
     .max = SIM_SCENARIO_VERSION,
     .help = "The version of the language."},
    {.name = "name",
     .type = DFS_KEY_TEXT,
     .flags = DFS_KEY_FIXED,
     .offset = AT(name),
     .size = SIM_NAME_BYTES,
     .help = "As the file without .json."},
    {.name = "description",
     .type = DFS_KEY_TEXT,
     .flags = DFS_KEY_FIXED,
     .offset = AT(description),
     .size = SIM_TEXT_BYTES,
     .help = "What it shows, in a sentence."},
    {.name = "duration",
     .type = DFS_KEY_DURATION,
     .offset = AT(duration_ns),
     .min = 1,
     .max = TIME_MAX_NS,
     .default_text = DURATION_DEFAULT,
     .help = "Workload and faults that have an end are over by then."},
    {.name = "settle",
     .type = DFS_KEY_DURATION,
     .offset = AT(settle_ns),
     .max = TIME_MAX_NS,
     .default_text = SETTLE_DEFAULT,
     .help = "Up to so long for everything to come to rest."},
    {.name = "cluster", .type = DFS_KEY_OBJECT, .flags = DFS_KEY_FIXED, .offset = AT(cluster), .table = &cluster_table},
    {.name = "network",
     .type = DFS_KEY_OBJECT,
     .flags = DFS_KEY_FIXED,
     .offset = AT(network),
     .table = &sim_network_table},
    {.name = "disk", .type = DFS_KEY_OBJECT, .flags = DFS_KEY_FIXED, .offset = AT(disk), .table = &disk_table},
    {.name = "workload",
     .type = DFS_KEY_LIST,
     .flags = DFS_KEY_FIXED,
     .offset = AT(works),
     .max = SIM_ENTRIES_MAX,
     .items = &work_item,
     .grow = grow_work,
     .help = "What clients ask."},
    {.name = "faults",
     .type = DFS_KEY_LIST,
     .flags = DFS_KEY_FIXED,
     .offset = AT(faults),
     .max = SIM_ENTRIES_MAX,
     .items = &fault_item,
     .grow = grow_fault,
     .help = "What goes wrong."},
    {.name = "expect",
     .type = DFS_KEY_LIST,
     .flags = DFS_KEY_FIXED,
     .offset = AT(expects),
     .max = SIM_ENTRIES_MAX,
     .items = &expect_item,
     .grow = grow_expect,
     .help = "What must come about; checkers are on in any case."},
};

static bool step_is_there(const struct sim_scenario *scenario, const char *id)
{
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (strcmp(scenario->works[i].id, id) == 0)
            return true;
    }
    return false;
}

static enum dfs_status check_pending(struct dfs_key_reader *reader, const struct sim_scenario *scenario,
                                     const struct sim_pending *pending)
{
    char name[SIM_HOST_NAME_BYTES];
    const struct sim_host_counts counts = sim_scenario_hosts(scenario);

    if (pending->id != NULL) {
        if (step_is_there(scenario, pending->id))
            return DFS_OK;
        return dfs_key_refuse(reader, pending->node, "no step of the workload has the \"id\" \"%s\"",
                              dfs_quote_text(pending->id).text);
    }
    if (pending->ref.kind == SIM_HOST_REST && !pending->rest_ok)
        return dfs_key_refuse(reader, pending->node, "\"rest\" makes sense in the groups of a partition only");
    if (sim_host_ref_is_there(pending->ref, counts))
        return DFS_OK;
    sim_host_ref_print(pending->ref, name);
    if (pending->ref.kind == SIM_HOST_ZONE)
        return dfs_key_refuse(reader, pending->node, "there is no %s: the cluster has \"zone-0\" to \"zone-%u\"", name,
                              counts.zones - 1);
    return dfs_key_refuse(reader, pending->node, "there is no host %s: the cluster has %u data servers and %u clients",
                          name, counts.data, counts.clients);
}

/* Two steps of one id: an expectation could mean either. */
static enum dfs_status check_ids(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                 const struct sim_scenario *scenario)
{
    const struct dfs_json_node *list = dfs_json_get(reader->doc, object, "workload");
    const struct dfs_json_node *node = list != NULL ? dfs_json_first(reader->doc, list) : NULL;

    for (size_t i = 0; i < scenario->works_count && node != NULL; i++, node = dfs_json_next(reader->doc, node)) {
        if (scenario->works[i].id[0] == '\0')
            continue;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(scenario->works[i].id, scenario->works[j].id) == 0)
                return dfs_key_refuse(reader, dfs_json_get(reader->doc, node, "id"),
                                      "the step in line %u has this id too", scenario->works[j].line);
        }
    }
    return DFS_OK;
}

/* Nobody else is there to steal from. */
static enum dfs_status check_tokens(struct dfs_key_reader *reader, const struct dfs_json_node *object,
                                    const struct sim_scenario *scenario)
{
    const struct dfs_json_node *list = dfs_json_get(reader->doc, object, "workload");
    const struct dfs_json_node *node = list != NULL ? dfs_json_first(reader->doc, list) : NULL;

    for (size_t i = 0; i < scenario->works_count && node != NULL && scenario->cluster.clients < 2;
         i++, node = dfs_json_next(reader->doc, node)) {
        if (scenario->works[i].token == SIM_TOKEN_STOLEN)
            return dfs_key_refuse(
                reader, dfs_json_get(reader->doc, node, "token"),
                "\"stolen\" cannot be injected: it is another client's token, and the cluster has one client");
    }
    return DFS_OK;
}

static enum dfs_status check(struct dfs_key_reader *reader, const struct dfs_json_node *object, void *base)
{
    struct sim_scenario *scenario = base;
    const struct sim_reading *reading = reader->draw_context;

    if (dfs_json_get(reader->doc, object, "cluster") == NULL)
        scenario->cluster.settings.scrypt_n = SCRYPT_N_IN_SCENARIOS;
    enum dfs_status status = check_ids(reader, object, scenario);

    if (status == DFS_OK)
        status = check_tokens(reader, object, scenario);
    for (size_t i = 0; i < reading->pending_count && status == DFS_OK; i++)
        status = check_pending(reader, scenario, &reading->pending[i]);
    return status;
}

const struct dfs_keytable sim_scenario_table = {
    .name = "scenario", SIM_ROWS(rows), .help = "A scenario of dfs-sim.", .check = check};

const struct dfs_keytable *sim_scenario_part(const char *name)
{
    return dfs_keytable_find(&sim_scenario_table, name)->table;
}

/* ---- Life ---------------------------------------------------------------------------------------------------------------------- */

static void *more(void *array, size_t *count, size_t size)
{
    char *entries;

    /* A power of two is full. */
    memcpy(&entries, array, sizeof entries);
    if ((*count & (*count - 1)) == 0) {
        entries = dfs_realloc_array(entries, *count == 0 ? 1 : *count * 2, size);
        memcpy(array, &entries, sizeof entries);
    }
    memset(entries + *count * size, 0, size);
    return entries + (*count)++ * size;
}

struct sim_work *sim_scenario_work(struct sim_scenario *scenario)
{
    struct sim_work *work = more(&scenario->works, &scenario->works_count, sizeof *work);

    dfs_keytable_defaults(&sim_work_table, work);
    return work;
}

struct sim_fault *sim_scenario_fault(struct sim_scenario *scenario)
{
    struct sim_fault *fault = more(&scenario->faults, &scenario->faults_count, sizeof *fault);

    dfs_keytable_defaults(&sim_fault_table, fault);
    return fault;
}

struct sim_expect *sim_scenario_expect(struct sim_scenario *scenario)
{
    struct sim_expect *expect = more(&scenario->expects, &scenario->expects_count, sizeof *expect);

    expect->to_ns = INT64_MAX;
    expect->at_most = INT64_MAX;
    return expect;
}

void sim_scenario_init(struct sim_scenario *scenario)
{
    memset(scenario, 0, sizeof *scenario);
    dfs_keytable_defaults(&sim_scenario_table, scenario);
    scenario->version = SIM_SCENARIO_VERSION;
    scenario->cluster.settings.scrypt_n = SCRYPT_N_IN_SCENARIOS;
    scenario->network.latency = (struct dfs_spread){.low = LATENCY_LOW_NS, .high = LATENCY_HIGH_NS};
    scenario->network.latency_seen = true;
    scenario->disk.latency = (struct dfs_spread){.low = DISK_LATENCY_NS, .high = DISK_LATENCY_NS};
}

void sim_scenario_close(struct sim_scenario *scenario)
{
    dfs_free(scenario->works);
    dfs_free(scenario->faults);
    dfs_free(scenario->expects);
    memset(scenario, 0, sizeof *scenario);
}

static uint64_t draw(void *context, uint32_t index, uint64_t count)
{
    const struct sim_reading *reading = context;

    return sim_below(sim_prf(reading->seed, UINT64_C(0x7363656e6172696f), index), count); /* "scenario" */
}

enum dfs_status sim_scenario_read(struct sim_scenario *scenario, const char *file, const void *bytes, size_t count,
                                  uint64_t seed, struct dfs_conf_error *ret_error)
{
    struct sim_reading reading = {.seed = seed};
    struct dfs_json_doc *doc = NULL;
    enum dfs_status status = dfs_json_doc_new(file, bytes, count, &doc, ret_error);

    sim_scenario_init(scenario);
    if (status != DFS_OK)
        return status;
    struct dfs_key_reader reader = {
        .doc = doc, .is_relaxed = true, .draw = draw, .draw_context = &reading, .error = ret_error};
    const struct dfs_key_part part = {&sim_scenario_table, scenario};

    status = dfs_keytable_read(&reader, dfs_json_root(doc), &part, 1);
    if (!scenario->network.latency_seen) {
        scenario->network.latency = (struct dfs_spread){.low = LATENCY_LOW_NS, .high = LATENCY_HIGH_NS};
        scenario->network.latency_seen = true;
    }
    dfs_json_doc_free(doc);
    dfs_free(reading.pending);
    return status;
}

enum dfs_status sim_file_load(const char *name, char **ret_bytes, size_t *ret_count, struct dfs_why *ret_why)
{
    FILE *file = fopen(name, "rb");
    char *bytes = NULL;
    size_t count = 0;
    size_t room = 0;

    if (file == NULL) {
        dfs_why_set(ret_why, "cannot read %s: %s", name, strerror(errno));
        return DFS_IO;
    }
    for (size_t got = 1; got > 0 && count <= DFS_JSON_BYTES_MAX;) {
        if (count == room) {
            room = room == 0 ? 65536 : room * 2;
            bytes = dfs_realloc_array(bytes, room, 1);
        }
        got = fread(bytes + count, 1, room - count, file);
        count += got;
    }
    const bool failed = ferror(file) != 0;
    const int error = errno;

    (void)fclose(file);
    if (failed) {
        dfs_free(bytes);
        dfs_why_set(ret_why, "cannot read %s: %s", name, strerror(error));
        return DFS_IO;
    }
    *ret_bytes = bytes;
    *ret_count = count;
    return DFS_OK;
}
