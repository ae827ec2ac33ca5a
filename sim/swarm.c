#include "sim/swarm_internal.h"

#include "core/base/assert.h"
#include "core/base/hash.h"

#include <stdio.h>
#include <string.h>

/* A setting keeps its default in two of three seeds: a configuration with everything odd hides what one oddity does. */
#define KNOB_ONE_IN 3

/* There are more bounds than settings: one in eight is another than a daemon has, so that a seed has five or so. */
#define BOUND_ONE_IN 8

/*
 * Bounds of removals below it are few: each join has that many of a server's blocks removed, and the next one names the rest. Hundreds, one a second over a link
 * that stays gray, take more than the usual time to settle.
 */
#define REMOVALS_FEW 8
#define REMOVALS_FEW_SETTLE_NS S(1200)

/* Of a hundred seeds, how many lose more than the copies allow. */
#define BEYOND_PERCENT 10

/* Cluster and settings --------------------------------------------------------------------------------------------------- */

static void knobs(struct swarm *swarm, struct dfs_settings *settings)
{
    for (size_t i = 0; i < DFS_SETTING_COUNT; i++) {
        const struct dfs_conf_key *row = &dfs_settings_table.rows[i];
        const struct dfs_settings before = *settings;
        struct dfs_settings_conflict conflict;
        int64_t low;
        int64_t high;

        if (!dfs_settings_knob(i, &low, &high) || swarm_draw(swarm, DRAW_KNOB_WANTED, i) % KNOB_ONE_IN != 0)
            continue;
        dfs_key_put(row, settings, between(swarm, DRAW_KNOB, i, low, high));
        if (dfs_settings_check(settings, 0, &conflict) != DFS_OK)
            *settings = before; /* does not go with what was drawn before */
    }
}

/*
 * From the least to the most, every order of magnitude as likely as any other: what is to be found is found at lengths of a few. Drawn by the name, so that a
 * new bound shifts no other.
 */
static void bounds(const struct swarm *swarm, struct sim_bounds *bounds)
{
    for (size_t i = 0; i < sim_bounds_table.count; i++) {
        const struct dfs_conf_key *row = &sim_bounds_table.rows[i];
        const uint64_t number = dfs_hash64(0, row->name, strlen(row->name));
        unsigned magnitudes = 1;

        if (swarm_draw(swarm, DRAW_BOUND_WANTED, number) % BOUND_ONE_IN != 0)
            continue;
        while (row->min + (INT64_C(1) << magnitudes) <= row->max)
            magnitudes++;
        const int64_t width = (int64_t)1 << sim_below(swarm_draw(swarm, DRAW_BOUND, number), magnitudes);

        dfs_key_put(row, bounds, between(swarm, DRAW_BOUND, ~number, row->min, row->min + width - 1));
    }
}

/* Where the knob would be too rough: what the seeds wait for, and what the plan of the faults relies on. */
static void limits(const struct swarm *swarm, struct dfs_settings *settings)
{
    const struct dfs_settings before = *settings;
    struct dfs_settings_conflict conflict;

    /* The plan counts on a repair that is done within seconds. */
    settings->repair_bandwidth_bytes_per_s =
        chance(swarm, DRAW_LIMITS, 0, 15) ? 1000000 * between(swarm, DRAW_LIMITS, 1, 20, 100) : 0;
    if (chance(swarm, DRAW_LIMITS, 2, 50))
        settings->upload_lease_ns = S(1) * between(swarm, DRAW_LIMITS, 3, 4, 15);
    if (chance(swarm, DRAW_LIMITS, 4, 50) || swarm->beyond) {
        settings->request_timeout_ns = S(1) * between(swarm, DRAW_LIMITS, 5, 5, 8);
        settings->hop_timeout_ns = MS(100) * between(swarm, DRAW_LIMITS, 8, 5, 40);
        settings->connect_timeout_ns = MS(100) * between(swarm, DRAW_LIMITS, 9, 5, 30);
    }
    if (chance(swarm, DRAW_LIMITS, 6, 15))
        settings->conns_max = between(swarm, DRAW_LIMITS, 7, 24, 64);
    if (dfs_settings_check(settings, 0, &conflict) != DFS_OK)
        *settings = before;
}

static void cluster(struct swarm *swarm)
{
    struct sim_cluster_words *words = &swarm->scenario->cluster;
    struct dfs_settings *settings = &words->settings;
    struct dfs_settings_conflict conflict;

    settings->scrypt_n = 16;
    settings->block_min_bytes = 2000;
    settings->block_max_bytes = 40000;
    settings->repair_grace_ns = S(1);
    settings->upload_lease_ns = S(30);
    knobs(swarm, settings);
    /* A seed shall take a tenth of a second: intervals around half a second, waits that end within the settling time. */
    settings->heartbeat_interval_ns = MS(100) * between(swarm, DRAW_CLUSTER, 0, 3, 10);
    settings->repair_grace_ns = MS(500) * between(swarm, DRAW_CLUSTER, 1, 0, 5);
    settings->maintenance_ns = S(1) * between(swarm, DRAW_CLUSTER, 2, 0, 10);
    limits(swarm, settings);
    bounds(swarm, &words->bounds);
    if (words->bounds.meta_strays < REMOVALS_FEW || words->bounds.meta_removals_per_node < REMOVALS_FEW)
        swarm->scenario->settle_ns = REMOVALS_FEW_SETTLE_NS;
    words->replication = between(swarm, DRAW_CLUSTER, 3, 2, 3);
    words->replication_seen = true;
    settings->replication = words->replication;
    words->data = words->replication + between(swarm, DRAW_CLUSTER, 4, 1, 4);
    words->clients = between(swarm, DRAW_CLUSTER, 5, 1, 3);
    words->zones = between(swarm, DRAW_CLUSTER, 6, 1, 4);
    words->capacity_bytes = 1000000 * between(swarm, DRAW_CLUSTER, 7, 200, 1000);
    const enum dfs_status status = dfs_settings_check(settings, 0, &conflict);

    DFS_ASSERT(status == DFS_OK);
    swarm->interval_ns = settings->heartbeat_interval_ns;
    swarm->recovery_ns = 3 * swarm->interval_ns + settings->repair_grace_ns + S(3);
    swarm->data = (uint32_t)words->data;
    swarm->replication = (uint32_t)words->replication;
}

static void network(struct swarm *swarm)
{
    struct sim_network *net = &swarm->scenario->network;

    net->latency = (struct dfs_spread){.low = 1000 * between(swarm, DRAW_NETWORK, 0, 20, 500),
                                       .high = 1000 * between(swarm, DRAW_NETWORK, 1, 500, 5000)};
    net->loss_ppb = chance(swarm, DRAW_NETWORK, 2, 60) ? between(swarm, DRAW_NETWORK, 3, 0, 20000000) : 0;
    net->duplicate_ppb = chance(swarm, DRAW_NETWORK, 4, 50) ? between(swarm, DRAW_NETWORK, 5, 0, 20000000) : 0;
    net->reorder_ppb = chance(swarm, DRAW_NETWORK, 6, 50) ? between(swarm, DRAW_NETWORK, 7, 0, 50000000) : 0;
    net->cut_ppb = chance(swarm, DRAW_NETWORK, 8, 40) ? between(swarm, DRAW_NETWORK, 9, 0, 300000000) : 0;
    net->bandwidth_bytes_per_s = 1000000 * between(swarm, DRAW_NETWORK, 10, 10, 125);
    net->dribble_ppb = chance(swarm, DRAW_NETWORK, 11, 15) ? between(swarm, DRAW_NETWORK, 12, 0, 20000000) : 0;
    net->latency_seen = net->loss_seen = net->duplicate_seen = net->reorder_seen = net->cut_seen = net->bandwidth_seen =
        net->dribble_seen = true;

    struct sim_disk_words *disk = &swarm->scenario->disk;

    disk->latency = (struct dfs_spread){.low = MS(0) + 20000, .high = 1000 * between(swarm, DRAW_DISK, 0, 50, 2000)};
    disk->throughput_bytes_per_s = 1000000 * between(swarm, DRAW_DISK, 1, 50, 500);
    disk->sync_latency_seen = chance(swarm, DRAW_DISK, 2, 30);
    disk->sync_latency = (struct dfs_spread){.low = 20000, .high = MS(1) * between(swarm, DRAW_DISK, 3, 1, 30)};
}

static void workload(struct swarm *swarm)
{
    struct sim_scenario *scenario = swarm->scenario;
    struct sim_work *mix = sim_scenario_work(scenario);

    mix->is_mix = true;
    mix->from_ns = 0;
    mix->to_ns = scenario->duration_ns;
    mix->clients.count = 0;
    sim_host_refs_add(&mix->clients, SIM_HOST_ALL_CLIENTS, 0);
    mix->rate_millionths = 1000000 * between(swarm, DRAW_WORK, 0, 3, 12);
    mix->paths = between(swarm, DRAW_WORK, 1, 3, 40);
    mix->size = (struct dfs_spread){.low = 0, .high = 1000 * between(swarm, DRAW_WORK, 2, 4, 120)};
    memset(mix->weights, 0, sizeof mix->weights);
    mix->weights[SIM_OP_PUT] = 5;
    mix->weights[SIM_OP_GET] = 4;
    mix->weights[SIM_OP_STAT] = 1;
    mix->weights[SIM_OP_RANGE_GET] = between(swarm, DRAW_WORK, 3, 0, 1);
    mix->weights[SIM_OP_LIST] = between(swarm, DRAW_WORK, 4, 0, 1);
    mix->weights[SIM_OP_MOVE] = between(swarm, DRAW_WORK, 5, 0, 1);
    mix->weights[SIM_OP_REMOVE] = between(swarm, DRAW_WORK, 6, 0, 1);
    mix->weights[SIM_OP_ABORT_PUT] = chance(swarm, DRAW_WORK, 7, 30);
}

/* The whole --------------------------------------------------------------------------------------------------------------- */

void sim_swarm_draw(uint64_t seed, struct sim_scenario *scenario)
{
    struct swarm swarm = {.scenario = scenario, .key = sim_mix(seed, UINT64_C(0x7377617266))};

    swarm.beyond = chance(&swarm, DRAW_BEYOND, 0, BEYOND_PERCENT);

    sim_scenario_init(scenario);
    (void)snprintf(scenario->name, sizeof scenario->name, "swarm-%llu", (unsigned long long)seed);
    (void)snprintf(scenario->description, sizeof scenario->description, "What seed %llu of the swarm drew.",
                   (unsigned long long)seed);
    scenario->duration_ns = S(20);
    cluster(&swarm);
    network(&swarm);
    workload(&swarm);
    if (swarm.beyond) {
        sim_swarm_faults_beyond(&swarm);
        return;
    }
    sim_swarm_faults(&swarm);
}
