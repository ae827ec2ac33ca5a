#include "sim/plainer.h"

#include "core/conf/settings.h"

#include <string.h>

/* A file of so many bytes is small enough. */
#define SIZE_ENOUGH 1000

/* Gaps between what happens: shorter ones stay. */
#define GAP_ENOUGH_NS (200 * (int64_t)DFS_MILLISECONDS)
#define GRAIN_NS (100 * (int64_t)DFS_MILLISECONDS)

/* Entries: faults, then operations ------------------------------------------------------------------------------------------ */

static size_t entries(const struct sim_scenario *scenario)
{
    return scenario->faults_count + scenario->works_count;
}

/* NULL: a fault that an event starts has no time. */
static int64_t *at_of(struct sim_scenario *scenario, size_t number)
{
    if (number >= entries(scenario))
        return NULL;
    if (number >= scenario->faults_count)
        return &scenario->works[number - scenario->faults_count].at_ns;
    return scenario->faults[number].triggered ? NULL : &scenario->faults[number].at_ns;
}

/* Hosts --------------------------------------------------------------------------------------------------------------------- */

/* Every list of hosts that a fault has. */
#define LISTS (7 + SIM_GROUPS_MAX)

static void lists_of(struct sim_fault *fault, struct sim_host_refs *lists[LISTS])
{
    size_t count = 0;

    lists[count++] = &fault->hosts;
    lists[count++] = &fault->from;
    lists[count++] = &fault->to;
    lists[count++] = &fault->on.host;
    lists[count++] = &fault->on.from;
    lists[count++] = &fault->on.to;
    lists[count++] = &fault->random.hosts;
    for (size_t i = 0; i < SIM_GROUPS_MAX; i++)
        lists[count++] = &fault->groups[i];
}

static bool refs_name(const struct sim_host_refs *refs, enum sim_host_kind kind, uint32_t index)
{
    for (uint32_t i = 0; i < refs->count; i++) {
        if (refs->refs[i].kind == kind && refs->refs[i].index == index)
            return true;
    }
    return false;
}

static bool names_host(const struct sim_scenario *scenario, enum sim_host_kind kind, uint32_t index)
{
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (scenario->works[i].client.kind == kind && scenario->works[i].client.index == index)
            return true;
    }
    for (size_t i = 0; i < scenario->faults_count; i++) {
        struct sim_host_refs *lists[LISTS];

        lists_of(&scenario->faults[i], lists);
        for (size_t j = 0; j < LISTS; j++) {
            if (refs_name(lists[j], kind, index))
                return true;
        }
    }
    for (size_t i = 0; i < scenario->expects_count; i++) {
        if (refs_name(&scenario->expects[i].hosts, kind, index))
            return true;
    }
    return false;
}

static void close_gap(struct sim_host_refs *refs, enum sim_host_kind kind, uint32_t gone)
{
    for (uint32_t i = 0; i < refs->count; i++) {
        if (refs->refs[i].kind == kind && refs->refs[i].index > gone)
            refs->refs[i].index--;
    }
}

/* Those behind it get its number, and so on. */
static void renumber(struct sim_scenario *scenario, enum sim_host_kind kind, uint32_t gone)
{
    for (size_t i = 0; i < scenario->works_count; i++) {
        struct sim_host_ref *client = &scenario->works[i].client;

        if (client->kind == kind && client->index > gone)
            client->index--;
    }
    for (size_t i = 0; i < scenario->faults_count; i++) {
        struct sim_host_refs *lists[LISTS];

        lists_of(&scenario->faults[i], lists);
        for (size_t j = 0; j < LISTS; j++)
            close_gap(lists[j], kind, gone);
    }
    for (size_t i = 0; i < scenario->expects_count; i++)
        close_gap(&scenario->expects[i].hosts, kind, gone);
}

static size_t of_one(const struct sim_scenario *scenario)
{
    (void)scenario;
    return 1;
}

static size_t of_servers(const struct sim_scenario *scenario)
{
    return (size_t)scenario->cluster.data;
}

static size_t of_entries(const struct sim_scenario *scenario)
{
    return entries(scenario);
}

static size_t of_faults(const struct sim_scenario *scenario)
{
    return scenario->faults_count;
}

/* All operations by one client, and no other client but those that faults name. */
static bool one_client(struct sim_scenario *scenario, size_t number)
{
    bool changed = false;

    (void)number;
    for (size_t i = 0; i < scenario->works_count; i++) {
        changed = changed || scenario->works[i].client.index != 0;
        scenario->works[i].client.index = 0;
    }
    while (scenario->cluster.clients > 1 &&
           !names_host(scenario, SIM_HOST_CLIENT, (uint32_t)scenario->cluster.clients - 1)) {
        scenario->cluster.clients--;
        changed = true;
    }
    return changed;
}

/* A server that nobody names; from behind, which changes no other's number. */
static bool server_less(struct sim_scenario *scenario, size_t number)
{
    if (scenario->cluster.data <= 1 || number >= (size_t)scenario->cluster.data)
        return false;
    const uint32_t gone = (uint32_t)scenario->cluster.data - 1 - (uint32_t)number;

    if (names_host(scenario, SIM_HOST_DATA, gone))
        return false;
    renumber(scenario, SIM_HOST_DATA, gone);
    scenario->cluster.data--;
    return true;
}

static bool copy_less(struct sim_scenario *scenario, size_t number)
{
    (void)number;
    if (scenario->cluster.replication <= 1)
        return false;
    scenario->cluster.replication--;
    scenario->cluster.settings.replication = scenario->cluster.replication;
    return true;
}

/* One host of a list. */
static bool host_less(struct sim_scenario *scenario, size_t number)
{
    if (number >= scenario->faults_count || scenario->faults[number].hosts.count < 2)
        return false;
    scenario->faults[number].hosts.count--;
    return true;
}

/* Defaults ------------------------------------------------------------------------------------------------------------------ */

static bool default_setting_of(struct sim_scenario *scenario, const struct sim_scenario *plain, size_t number)
{
    const struct dfs_conf_key *row = &dfs_settings_table.rows[number];

    if (!dfs_key_is_number(row) || strcmp(row->name, "replication") == 0)
        return false;
    const int64_t value = dfs_key_get(row, &plain->cluster.settings);

    if (dfs_key_get(row, &scenario->cluster.settings) == value)
        return false;
    dfs_key_put(row, &scenario->cluster.settings, value);
    return true;
}

static bool full_bound_of(struct sim_scenario *scenario, const struct sim_scenario *plain, size_t number)
{
    const struct dfs_conf_key *row = &sim_bounds_table.rows[number];
    const int64_t value = dfs_key_get(row, &plain->cluster.bounds);

    if (dfs_key_get(row, &scenario->cluster.bounds) == value)
        return false;
    dfs_key_put(row, &scenario->cluster.bounds, value);
    return true;
}

/* Number 0: all of them at once. */
static size_t of_bounds(const struct sim_scenario *scenario)
{
    (void)scenario;
    return 1 + sim_bounds_table.count;
}

static bool full_bound(struct sim_scenario *scenario, size_t number)
{
    struct sim_scenario plain;
    bool changed = false;

    sim_scenario_init(&plain);
    if (number > 0)
        return full_bound_of(scenario, &plain, number - 1);
    for (size_t i = 0; i < sim_bounds_table.count; i++)
        changed = full_bound_of(scenario, &plain, i) || changed;
    return changed;
}

/* Number 0: all of them at once. */
static size_t of_settings(const struct sim_scenario *scenario)
{
    (void)scenario;
    return 1 + DFS_SETTING_COUNT;
}

static bool default_setting(struct sim_scenario *scenario, size_t number)
{
    struct sim_scenario plain;
    bool changed = false;

    sim_scenario_init(&plain);
    if (number > 0)
        return default_setting_of(scenario, &plain, number - 1);
    for (size_t i = 0; i < DFS_SETTING_COUNT; i++)
        changed = default_setting_of(scenario, &plain, i) || changed;
    return changed;
}

static bool zero(int64_t *value)
{
    const bool changed = *value != 0;

    *value = 0;
    return changed;
}

/* Steps lead one way only, or they would be taken for ever: from a draw to one value, the fastest or the slowest, never back. */
static bool is_one(const struct dfs_spread *spread)
{
    return spread->count == 0 && spread->low == spread->high;
}

static bool one_value(struct dfs_spread *spread, bool slowest)
{
    const int64_t value = slowest ? spread->high : spread->low;

    if (is_one(spread))
        return false;
    *spread = (struct dfs_spread){.low = value, .high = value};
    return true;
}

static bool plain_network(struct sim_network *network, const struct sim_network *plain)
{
    const struct dfs_spread latency = network->latency;

    *network = *plain;
    if (is_one(&latency))
        network->latency = latency;
    return true;
}

static bool plain_disk(struct sim_disk_words *disk, const struct sim_disk_words *plain)
{
    if (is_one(&disk->latency) && is_one(&disk->sync_latency))
        return false;
    *disk = *plain;
    return true;
}

#define WORLD_STEPS 18

static size_t of_world(const struct sim_scenario *scenario)
{
    (void)scenario;
    return WORLD_STEPS;
}

static bool plain_world(struct sim_scenario *scenario, size_t number)
{
    struct sim_network *network = &scenario->network;
    struct sim_disk_words *disk = &scenario->disk;
    struct sim_scenario plain;

    sim_scenario_init(&plain);
    switch (number) {
    case 0:
        return plain_network(network, &plain.network);
    case 1:
        return plain_disk(disk, &plain.disk);
    case 2:
        scenario->cluster.zones = 1;
        return true;
    case 3:
        scenario->cluster.capacity_bytes = plain.cluster.capacity_bytes;
        return true;
    case 4:
        scenario->expects_count = 0;
        return true;
    case 5:
        scenario->settle_ns = plain.settle_ns;
        return true;
    case 6:
        return zero(&network->loss_ppb);
    case 7:
        return zero(&network->duplicate_ppb);
    case 8:
        return zero(&network->reorder_ppb);
    case 9:
        return zero(&network->cut_ppb);
    case 10:
        return zero(&network->dribble_ppb);
    case 11:
        return zero(&network->bandwidth_bytes_per_s);
    case 12:
    case 13:
        return one_value(&network->latency, number == 13);
    case 14:
    case 15:
        return one_value(&disk->latency, number == 15);
    default:
        return one_value(&disk->sync_latency, number == 17);
    }
}

/* What a crash does to unsynced bytes without a draw, where it can be so. */
static bool plain_crash(struct sim_scenario *scenario, size_t number)
{
    if (number / 2 >= scenario->faults_count)
        return false;
    struct sim_fault *fault = &scenario->faults[number / 2];

    if (fault->kind != SIM_FAULT_CRASH || fault->unsynced != SIM_UNSYNCED_SEEDED)
        return false;
    fault->unsynced = number % 2 == 0 ? SIM_UNSYNCED_LOSE : SIM_UNSYNCED_KEEP;
    return true;
}

static size_t of_crashes(const struct sim_scenario *scenario)
{
    return 2 * scenario->faults_count;
}

/* Sizes and times ----------------------------------------------------------------------------------------------------------- */

/* Halves are tried until one no longer fails. */
static bool half_size(struct sim_scenario *scenario, size_t number)
{
    if (number >= scenario->works_count || scenario->works[number].size.high <= SIZE_ENOUGH)
        return false;
    struct sim_work *work = &scenario->works[number];
    const int64_t half = work->size.low / 2 / SIZE_ENOUGH * SIZE_ENOUGH;

    work->size = (struct dfs_spread){.low = half, .high = half};
    return half > 0;
}

static size_t of_works(const struct sim_scenario *scenario)
{
    return scenario->works_count;
}

/* To whole seconds, tenths or milliseconds, which of them goes. */
static const int64_t grains[] = {(int64_t)DFS_SECONDS, GRAIN_NS, (int64_t)DFS_MILLISECONDS};

#define GRAINS (sizeof grains / sizeof grains[0])

static bool round_time(struct sim_scenario *scenario, size_t number)
{
    int64_t *at = at_of(scenario, number / GRAINS);
    const int64_t grain = grains[number % GRAINS];

    if (at == NULL || *at % grain == 0)
        return false;
    *at -= *at % grain;
    return true;
}

static size_t of_grains(const struct sim_scenario *scenario)
{
    return GRAINS * entries(scenario);
}

static bool shorter_fault(struct sim_scenario *scenario, size_t number)
{
    if (number >= scenario->faults_count || scenario->faults[number].for_ns < 2 * GRAIN_NS)
        return false;
    int64_t *length = &scenario->faults[number].for_ns;

    *length = *length / 2;
    *length -= *length % GRAIN_NS;
    return true;
}

/* All that happens from this entry on comes earlier, by half of the time in which nothing happened before it. */
static bool nearer(struct sim_scenario *scenario, size_t number)
{
    const int64_t *place = at_of(scenario, number);
    int64_t before = 0;

    if (place == NULL)
        return false;
    const int64_t at = *place;

    for (size_t i = 0; i < entries(scenario); i++) {
        const int64_t *other = at_of(scenario, i);

        if (other != NULL && *other<at && * other> before)
            before = *other;
    }
    const int64_t half = (at - before) / 2 / GRAIN_NS * GRAIN_NS;

    if (at - before <= GAP_ENOUGH_NS || half == 0)
        return false;
    for (size_t i = 0; i < entries(scenario); i++) {
        int64_t *other = at_of(scenario, i);

        if (other != NULL && *other >= at)
            *other -= half;
    }
    if (scenario->duration_ns > half + (int64_t)DFS_SECONDS)
        scenario->duration_ns -= half;
    return true;
}

/* The end comes with the last entry, or later by half of what is left. */
static bool shorter_run(struct sim_scenario *scenario, size_t number)
{
    int64_t last = 0;

    for (size_t i = 0; i < entries(scenario); i++) {
        const int64_t *at = at_of(scenario, i);

        if (at != NULL && *at > last)
            last = *at;
    }
    const int64_t rest = scenario->duration_ns - last;
    const int64_t less = number == 0 ? rest - (int64_t)DFS_SECONDS : rest / 2;
    const int64_t rounded = (last + rest - less) / (int64_t)DFS_SECONDS * (int64_t)DFS_SECONDS;
    const int64_t end = rounded > last ? rounded : rounded + (int64_t)DFS_SECONDS;

    if (end >= scenario->duration_ns)
        return false;
    scenario->duration_ns = end;
    return true;
}

static size_t of_ends(const struct sim_scenario *scenario)
{
    (void)scenario;
    return 2;
}

/* --------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    size_t (*numbers)(const struct sim_scenario *scenario);
    bool (*step)(struct sim_scenario *scenario, size_t number);
} kinds[] = {
    {of_one, one_client},           {of_servers, server_less},  {of_one, copy_less},    {of_world, plain_world},
    {of_settings, default_setting}, {of_bounds, full_bound},    {of_faults, host_less}, {of_crashes, plain_crash},
    {of_works, half_size},          {of_faults, shorter_fault}, {of_ends, shorter_run}, {of_entries, nearer},
    {of_grains, round_time},
};

size_t sim_plainer_kinds(void)
{
    return sizeof kinds / sizeof kinds[0];
}

size_t sim_plainer_numbers(const struct sim_scenario *scenario, size_t kind)
{
    return kinds[kind].numbers(scenario);
}

bool sim_plainer_step(struct sim_scenario *scenario, size_t kind, size_t number)
{
    return kinds[kind].step(scenario, number);
}
