#include "sim/swarm.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/wire/message.h"
#include "net_sim/prf.h"

#include <stdio.h>
#include <string.h>

/* What a draw is for: its own stream each, so that one more kind of draw shifts no other. Positions are part of what a seed means. */
enum draw {
    DRAW_CLUSTER,
    DRAW_KNOB_WANTED,
    DRAW_KNOB,
    DRAW_NETWORK,
    DRAW_DISK,
    DRAW_WORK,
    DRAW_MAIN,
    DRAW_FAULT_KIND,
    DRAW_FAULT_TIME,
    DRAW_FAULT_HOST,
    DRAW_FAULT_OTHER,
    DRAW_META,
    DRAW_MIX,
    DRAW_LASTING,
    DRAW_BEYOND,
    DRAW_LIMITS,
    DRAW_SECOND,
    DRAW_SILENT,
    DRAW_BOUND_WANTED,
    DRAW_BOUND
};

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

/* Faults beside the main one. */
#define FAULTS_MAX 6

/* Faults that stay when everything else is healed. */
#define LASTING_MAX 2

/* Streams that go dead, wrong clocks of others, acknowledgements made up: in so many of a hundred seeds, and how many. */
#define SECOND_PERCENT 40
#define SECOND_MAX 2

/* Times and hosts that are tried for a fault that has to fit beside the others. */
#define PLACES_MAX 8

#define WINDOWS_MAX (FAULTS_MAX + LASTING_MAX + SECOND_MAX + 2)

/* Of a hundred crashes of one server, how many are as by loss of power: nobody is told. */
#define SILENT_PERCENT 30

/* Of a hundred seeds, how many lose more than the copies allow. */
#define BEYOND_PERCENT 10

/* Of a hundred seeds, how many have faults that stay. */
#define LASTING_PERCENT 40

struct window {
    uint32_t host;
    int64_t from_ns;
    int64_t to_ns; /* the recovery included */
};

struct swarm {
    struct sim_scenario *scenario;
    uint64_t key;
    int64_t interval_ns;
    int64_t recovery_ns; /* from the loss of a server to all copies back, generously */
    uint32_t data;
    uint32_t replication;
    struct window windows[WINDOWS_MAX];
    uint32_t windows_count;
    uint32_t gone;  /* servers that never come back */
    bool beyond;    /* more are lost than the copies allow */
    uint32_t kinds; /* bits of enum extra: this seed's mix */
};

static uint64_t draw(const struct swarm *swarm, enum draw what, uint64_t number)
{
    return sim_prf(swarm->key, what, number);
}

/* low..high, ends included */
static int64_t between(const struct swarm *swarm, enum draw what, uint64_t number, int64_t low, int64_t high)
{
    return low + (int64_t)sim_below(draw(swarm, what, number), (uint64_t)(high - low) + 1);
}

static bool chance(const struct swarm *swarm, enum draw what, uint64_t number, uint32_t percent)
{
    return sim_below(draw(swarm, what, number), 100) < percent;
}

#define MS(n) ((int64_t)(n)*1000000)
#define S(n) ((int64_t)(n)*1000000000)

/* Cluster and settings --------------------------------------------------------------------------------------------------- */

static void knobs(struct swarm *swarm, struct dfs_settings *settings)
{
    for (size_t i = 0; i < DFS_SETTING_COUNT; i++) {
        const struct dfs_conf_key *row = &dfs_settings_table.rows[i];
        const struct dfs_settings before = *settings;
        struct dfs_settings_conflict conflict;
        int64_t low;
        int64_t high;

        if (!dfs_settings_knob(i, &low, &high) || draw(swarm, DRAW_KNOB_WANTED, i) % KNOB_ONE_IN != 0)
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

        if (draw(swarm, DRAW_BOUND_WANTED, number) % BOUND_ONE_IN != 0)
            continue;
        while (row->min + (INT64_C(1) << magnitudes) <= row->max)
            magnitudes++;
        const int64_t width = (int64_t)1 << sim_below(draw(swarm, DRAW_BOUND, number), magnitudes);

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

/* Faults ------------------------------------------------------------------------------------------------------------------ */

/* May this server be out of order in that time, beside those that are? */
static bool survivable(const struct swarm *swarm, uint32_t host, int64_t from_ns, int64_t to_ns)
{
    uint32_t others = 0;

    for (uint32_t i = 0; i < swarm->windows_count; i++) {
        const struct window *window = &swarm->windows[i];

        if (from_ns >= window->to_ns || window->from_ns >= to_ns)
            continue;
        if (window->host == host)
            return false; /* one thing at a time */
        others++;
    }
    return others < swarm->replication - 1;
}

static void occupy(struct swarm *swarm, uint32_t host, int64_t from_ns, int64_t to_ns)
{
    DFS_ASSERT(swarm->windows_count < WINDOWS_MAX);
    swarm->windows[swarm->windows_count++] = (struct window){host, from_ns, to_ns};
}

static struct sim_fault *fault_on(struct swarm *swarm, enum sim_fault_kind kind, int64_t at_ns, int64_t for_ns)
{
    struct sim_fault *fault = sim_scenario_fault(swarm->scenario);

    fault->kind = kind;
    fault->at_ns = at_ns;
    fault->for_ns = for_ns;
    return fault;
}

static void silence(const struct swarm *swarm, uint64_t number, struct sim_fault *crash)
{
    if (chance(swarm, DRAW_SILENT, number, SILENT_PERCENT))
        crash->streams = 1;
}

/* The one that makes a seed worth its time: a server dies, is evicted, its blocks are copied. Some come back. */
static void main_crash(struct swarm *swarm)
{
    if (!chance(swarm, DRAW_MAIN, 0, 85))
        return;
    const uint32_t host = (uint32_t)between(swarm, DRAW_MAIN, 1, 0, swarm->data - 1);
    const int64_t at_ns = MS(100) * between(swarm, DRAW_MAIN, 2, 30, 80);
    const bool for_ever = chance(swarm, DRAW_MAIN, 3, 50);
    const int64_t for_ns = for_ever ? 0 : 4 * swarm->interval_ns + MS(500) * between(swarm, DRAW_MAIN, 4, 2, 12);
    struct sim_fault *fault = fault_on(swarm, SIM_FAULT_CRASH, at_ns, for_ns);

    fault->unsynced = SIM_UNSYNCED_SEEDED;
    silence(swarm, 1000, fault);
    sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
    occupy(swarm, host, at_ns, for_ever ? INT64_MAX : at_ns + for_ns + swarm->recovery_ns);
    if (for_ever) {
        swarm->gone++;
        /* Its copies are back after the recovery: only the server is missing for ever. */
        swarm->windows[swarm->windows_count - 1].to_ns = at_ns + swarm->recovery_ns + S(4);
    }
}

enum extra {
    EXTRA_PAUSE,
    EXTRA_SLOW,
    EXTRA_PARTITION,
    EXTRA_ONE_WAY,
    EXTRA_DROP_HEARTBEAT,
    EXTRA_DROP_WRITE,
    EXTRA_DUPLICATE,
    EXTRA_DELAY,
    EXTRA_RESET,
    EXTRA_LINK,
    EXTRA_DISK_SLOW,
    EXTRA_DISK_FULL,
    EXTRA_DISK_ERROR,
    EXTRA_SYNC_ERROR,
    EXTRA_CRASH,
    EXTRA_LEAVE,
    EXTRA_CLOCK,
    EXTRA_FORGE,
    EXTRA_REPLAY,
    EXTRA_CLIENT_CRASH,
    EXTRA_CLIENT_PAUSE,
    EXTRA_AUTH_CRASH,
    EXTRA_ROTATE_KEYS,
    EXTRA_META_DISK_SLOW,
    EXTRA_BIT_ROT, /* from here on: a disk that lies, an identity used twice */
    EXTRA_DISK_STALE,
    EXTRA_DISK_MISDIRECT,
    EXTRA_DISK_VANISH,
    EXTRA_IMPERSONATE,
    EXTRA_COUNT
};

/* In the mix of so many of a hundred seeds. Disks that lie are rare: what stands on them proves nothing, so that the other checkers see less. */
#define MIX_PERCENT 60
#define MIX_LIES_PERCENT 4

/* What rots and is read by nobody is found by the scrub alone: before the settling time is over. */
#define SCRUB_MAX_NS S(60)

static void mix(struct swarm *swarm)
{
    for (uint32_t i = 0; i < EXTRA_COUNT; i++) {
        if (chance(swarm, DRAW_MIX, i, i < EXTRA_BIT_ROT ? MIX_PERCENT : MIX_LIES_PERCENT))
            swarm->kinds |= UINT32_C(1) << i;
    }
}

/* Does it leave the data servers alone? */
static bool is_elsewhere(enum extra extra)
{
    return extra == EXTRA_CLIENT_CRASH || extra == EXTRA_CLIENT_PAUSE || extra == EXTRA_AUTH_CRASH ||
           extra == EXTRA_ROTATE_KEYS || extra == EXTRA_META_DISK_SLOW;
}

static void extra_fill(struct swarm *swarm, uint64_t number, enum extra extra, uint32_t host, int64_t at_ns,
                       int64_t for_ns)
{
    static const enum sim_fault_kind kinds[EXTRA_COUNT] = {
        [EXTRA_PAUSE] = SIM_FAULT_PAUSE,
        [EXTRA_SLOW] = SIM_FAULT_SLOW,
        [EXTRA_PARTITION] = SIM_FAULT_PARTITION,
        [EXTRA_ONE_WAY] = SIM_FAULT_PARTITION,
        [EXTRA_DROP_HEARTBEAT] = SIM_FAULT_DROP,
        [EXTRA_DROP_WRITE] = SIM_FAULT_DROP,
        [EXTRA_DUPLICATE] = SIM_FAULT_DUPLICATE,
        [EXTRA_DELAY] = SIM_FAULT_DELAY,
        [EXTRA_RESET] = SIM_FAULT_RESET,
        [EXTRA_LINK] = SIM_FAULT_LINK,
        [EXTRA_DISK_SLOW] = SIM_FAULT_DISK_SLOW,
        [EXTRA_DISK_FULL] = SIM_FAULT_DISK_FULL,
        [EXTRA_DISK_ERROR] = SIM_FAULT_DISK_ERROR,
        [EXTRA_SYNC_ERROR] = SIM_FAULT_SYNC_ERROR,
        [EXTRA_CRASH] = SIM_FAULT_CRASH,
        [EXTRA_LEAVE] = SIM_FAULT_LEAVE,
        [EXTRA_CLOCK] = SIM_FAULT_CLOCK,
        [EXTRA_FORGE] = SIM_FAULT_FORGE,
        [EXTRA_REPLAY] = SIM_FAULT_REPLAY,
        [EXTRA_CLIENT_CRASH] = SIM_FAULT_CRASH,
        [EXTRA_CLIENT_PAUSE] = SIM_FAULT_PAUSE,
        [EXTRA_AUTH_CRASH] = SIM_FAULT_CRASH,
        [EXTRA_ROTATE_KEYS] = SIM_FAULT_ROTATE_KEYS,
        [EXTRA_META_DISK_SLOW] = SIM_FAULT_DISK_SLOW,
        [EXTRA_BIT_ROT] = SIM_FAULT_BIT_ROT,
        [EXTRA_DISK_STALE] = SIM_FAULT_DISK_STALE,
        [EXTRA_DISK_MISDIRECT] = SIM_FAULT_DISK_MISDIRECT,
        [EXTRA_DISK_VANISH] = SIM_FAULT_DISK_VANISH,
        [EXTRA_IMPERSONATE] = SIM_FAULT_IMPERSONATE,
    };
    struct sim_fault *fault = fault_on(swarm, kinds[extra], at_ns, for_ns);

    switch (extra) {
    case EXTRA_PAUSE:
    case EXTRA_LEAVE:
    case EXTRA_DISK_FULL:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        break;
    case EXTRA_CRASH:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->unsynced = SIM_UNSYNCED_SEEDED;
        silence(swarm, number, fault);
        break;
    case EXTRA_SLOW:
    case EXTRA_DISK_SLOW:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->factor = between(swarm, DRAW_FAULT_OTHER, number, 2, 50);
        break;
    case EXTRA_CLOCK:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->offset_ns = MS(100) * between(swarm, DRAW_FAULT_OTHER, number, -200, 200);
        fault->drift_ppm = between(swarm, DRAW_FAULT_OTHER, number + 64, -200, 200);
        break;
    case EXTRA_PARTITION:
    case EXTRA_ONE_WAY:
        fault->groups_count = 2;
        sim_host_refs_add(&fault->groups[0], SIM_HOST_DATA, host);
        sim_host_refs_add(&fault->groups[1], SIM_HOST_REST, 0);
        fault->one_way = extra == EXTRA_ONE_WAY;
        break;
    case EXTRA_DROP_HEARTBEAT:
        sim_host_refs_add(&fault->from, SIM_HOST_DATA, host);
        sim_host_refs_add(&fault->to, SIM_HOST_META, 0);
        fault->message = DFS_MSG_HEARTBEAT;
        break;
    case EXTRA_DROP_WRITE:
        sim_host_refs_add(&fault->to, SIM_HOST_DATA, host);
        fault->message = DFS_MSG_BLOCK_WRITE;
        fault->count = between(swarm, DRAW_FAULT_OTHER, number, 1, 3);
        break;
    case EXTRA_DUPLICATE:
        sim_host_refs_add(&fault->to, SIM_HOST_META, 0);
        fault->message = DFS_MSG_HEARTBEAT;
        fault->ppb = 500000000;
        break;
    case EXTRA_DELAY:
        sim_host_refs_add(&fault->to, SIM_HOST_DATA, host);
        fault->ppb = 200000000;
        fault->by_ns = MS(1) * between(swarm, DRAW_FAULT_OTHER, number, 10, 500);
        break;
    case EXTRA_RESET:
        sim_host_refs_add(&fault->from, SIM_HOST_DATA, host);
        sim_host_refs_add(&fault->to, SIM_HOST_ALL, 0);
        fault->for_ns = 0;
        break;
    case EXTRA_LINK:
        sim_host_refs_add(&fault->from, SIM_HOST_DATA, host);
        sim_host_refs_add(&fault->to, SIM_HOST_ALL, 0);
        fault->network.latency =
            (struct dfs_spread){.low = MS(5), .high = MS(1) * between(swarm, DRAW_FAULT_OTHER, number, 10, 150)};
        fault->network.latency_seen = true;
        fault->network.loss_ppb = 100000000;
        fault->network.loss_seen = true;
        break;
    case EXTRA_DISK_ERROR: {
        static const enum dfs_disk_verb verbs[] = {DFS_DISK_CREATE, DFS_DISK_WRITE, DFS_DISK_READ, DFS_DISK_PUBLISH,
                                                   DFS_DISK_SYNC_DIR};

        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->operation = (int)verbs[between(swarm, DRAW_FAULT_OTHER, number, 0, 4)];
        fault->count = between(swarm, DRAW_FAULT_OTHER, number + 64, 1, 4);
        break;
    }
    case EXTRA_SYNC_ERROR:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->count = between(swarm, DRAW_FAULT_OTHER, number, 1, 3);
        break;
    case EXTRA_FORGE:
    case EXTRA_REPLAY:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->message = DFS_MSG_HEARTBEAT;
        fault->count = between(swarm, DRAW_FAULT_OTHER, number, 1, 20);
        fault->for_ns = 0;
        break;
    case EXTRA_CLIENT_CRASH:
        fault->unsynced = SIM_UNSYNCED_SEEDED;
        sim_host_refs_add(&fault->hosts, SIM_HOST_CLIENT,
                          (uint16_t)(host % (uint32_t)swarm->scenario->cluster.clients));
        break;
    case EXTRA_CLIENT_PAUSE:
        sim_host_refs_add(&fault->hosts, SIM_HOST_CLIENT,
                          (uint16_t)(host % (uint32_t)swarm->scenario->cluster.clients));
        break;
    case EXTRA_AUTH_CRASH:
        fault->unsynced = SIM_UNSYNCED_SEEDED;
        sim_host_refs_add(&fault->hosts, SIM_HOST_AUTH, 0);
        break;
    case EXTRA_ROTATE_KEYS:
        fault->for_ns = 0;
        break;
    case EXTRA_META_DISK_SLOW:
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
        fault->factor = between(swarm, DRAW_FAULT_OTHER, number, 2, 20);
        break;
    case EXTRA_BIT_ROT:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->blocks = between(swarm, DRAW_FAULT_OTHER, number, 1, 4);
        fault->for_ns = 0;
        if (swarm->scenario->cluster.settings.scrub_interval_ns > SCRUB_MAX_NS)
            swarm->scenario->cluster.settings.scrub_interval_ns =
                S(1) * between(swarm, DRAW_FAULT_OTHER, number + 64, 10, SCRUB_MAX_NS / S(1));
        break;
    case EXTRA_DISK_STALE:
    case EXTRA_DISK_MISDIRECT:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->ppb = 10000000 * between(swarm, DRAW_FAULT_OTHER, number, 1, 20);
        break;
    case EXTRA_DISK_VANISH:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        break;
    case EXTRA_IMPERSONATE:
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, host);
        fault->for_ns = 0;
        break;
    case EXTRA_COUNT:
        break;
    }
}

/* One of the seed's mix; COUNT: it has none. */
static enum extra pick_kind(const struct swarm *swarm, uint64_t number)
{
    const uint32_t count = (uint32_t)__builtin_popcount(swarm->kinds);
    uint32_t at = count == 0 ? 0 : (uint32_t)between(swarm, DRAW_FAULT_KIND, number, 0, count - 1);

    for (uint32_t i = 0; i < EXTRA_COUNT; i++) {
        if ((swarm->kinds >> i & 1u) != 0 && at-- == 0)
            return (enum extra)i;
    }
    return EXTRA_COUNT;
}

static void extras(struct swarm *swarm)
{
    const int64_t count = between(swarm, DRAW_FAULT_KIND, 1000, 0, FAULTS_MAX);

    for (uint64_t i = 0; i < (uint64_t)count; i++) {
        const enum extra extra = pick_kind(swarm, i);
        const uint32_t host = (uint32_t)between(swarm, DRAW_FAULT_HOST, i, 0, swarm->data - 1);
        const int64_t at_ns = MS(10) * between(swarm, DRAW_FAULT_TIME, i, 100, 1500);
        const int64_t for_ns = MS(10) * between(swarm, DRAW_FAULT_TIME, i + 64, 30, 500);
        /* Rot stays until somebody reads it, a second process to the end. */
        const bool stays = extra == EXTRA_BIT_ROT || extra == EXTRA_IMPERSONATE;
        const int64_t to_ns = stays ? INT64_MAX : at_ns + for_ns + swarm->recovery_ns;

        if (extra == EXTRA_COUNT)
            return;
        if (!is_elsewhere(extra)) {
            if (!survivable(swarm, host, at_ns, to_ns))
                continue;
            occupy(swarm, host, at_ns, to_ns);
        }
        extra_fill(swarm, i, extra, host, at_ns, for_ns);
    }
}

/* Kinds that came later than those above: drawn beside them, so that older seeds kept their meaning. */
enum second {
    SECOND_STALL,      /* streams that are open hold still for a time ... */
    SECOND_HALF_OPEN,  /* ... or for ever, and are never closed: whoever waits must notice by himself */
    SECOND_STALL_META, /* the same with metadata alone */
    SECOND_HALF_OPEN_META,
    SECOND_CORRUPT,   /* a client's memory */
    SECOND_FORGE_ACK, /* acknowledgements of heartbeats */
    SECOND_REPLAY_ACK,
    SECOND_META_CLOCK,
    SECOND_AUTH_CLOCK,
    SECOND_CLIENT_CLOCK,
    SECOND_COUNT
};

/* Streams between a data server and others, one way or the other. */
static void stream_fill(struct swarm *swarm, uint64_t number, uint32_t host, enum sim_host_kind with,
                        struct sim_fault *fault)
{
    const bool out = chance(swarm, DRAW_SECOND, 20 * number + 4, 50);

    sim_host_refs_add(out ? &fault->from : &fault->to, SIM_HOST_DATA, host);
    sim_host_refs_add(out ? &fault->to : &fault->from, with, 0);
}

static void second_fill(struct swarm *swarm, uint64_t number, enum second which, uint32_t host, struct sim_fault *fault)
{
    const uint16_t client = (uint16_t)(host % (uint32_t)swarm->scenario->cluster.clients);

    switch (which) {
    case SECOND_STALL:
    case SECOND_HALF_OPEN:
        stream_fill(swarm, number, host, SIM_HOST_ALL, fault);
        break;
    case SECOND_STALL_META:
    case SECOND_HALF_OPEN_META:
        stream_fill(swarm, number, host, SIM_HOST_META, fault);
        break;
    case SECOND_CORRUPT:
        sim_host_refs_add(&fault->from, SIM_HOST_CLIENT, client);
        fault->message = DFS_MSG_BLOCK_DATA;
        fault->count = between(swarm, DRAW_SECOND, 20 * number + 5, 1, 3);
        fault->for_ns = 0;
        break;
    case SECOND_FORGE_ACK:
    case SECOND_REPLAY_ACK:
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
        fault->message = DFS_MSG_HEARTBEAT_ACK;
        fault->count = between(swarm, DRAW_SECOND, 20 * number + 5, 1, 20);
        fault->for_ns = 0;
        break;
    case SECOND_META_CLOCK:
    case SECOND_AUTH_CLOCK:
    case SECOND_CLIENT_CLOCK:
        sim_host_refs_add(&fault->hosts,
                          which == SECOND_META_CLOCK   ? SIM_HOST_META
                          : which == SECOND_AUTH_CLOCK ? SIM_HOST_AUTH
                                                       : SIM_HOST_CLIENT,
                          which == SECOND_CLIENT_CLOCK ? client : 0);
        fault->offset_ns = MS(100) * between(swarm, DRAW_SECOND, 20 * number + 5, -200, 200);
        fault->drift_ppm = between(swarm, DRAW_SECOND, 20 * number + 6, -200, 200);
        break;
    case SECOND_COUNT:
        break;
    }
}

static void seconds(struct swarm *swarm)
{
    static const enum sim_fault_kind kinds[SECOND_COUNT] = {
        [SECOND_STALL] = SIM_FAULT_STALL,       [SECOND_HALF_OPEN] = SIM_FAULT_HALF_OPEN,
        [SECOND_STALL_META] = SIM_FAULT_STALL,  [SECOND_HALF_OPEN_META] = SIM_FAULT_HALF_OPEN,
        [SECOND_CORRUPT] = SIM_FAULT_CORRUPT,   [SECOND_FORGE_ACK] = SIM_FAULT_FORGE,
        [SECOND_REPLAY_ACK] = SIM_FAULT_REPLAY, [SECOND_META_CLOCK] = SIM_FAULT_CLOCK,
        [SECOND_AUTH_CLOCK] = SIM_FAULT_CLOCK,  [SECOND_CLIENT_CLOCK] = SIM_FAULT_CLOCK,
    };

    if (!chance(swarm, DRAW_SECOND, 1000, SECOND_PERCENT))
        return;
    for (uint64_t i = 0; i < SECOND_MAX; i++) {
        const enum second which = (enum second)between(swarm, DRAW_SECOND, 1 + i, 0, SECOND_COUNT - 1);
        const bool streams = kinds[which] == SIM_FAULT_STALL || kinds[which] == SIM_FAULT_HALF_OPEN;

        for (uint64_t number = PLACES_MAX * (1 + i); number < PLACES_MAX * (2 + i); number++) {
            const uint32_t host = (uint32_t)between(swarm, DRAW_SECOND, 20 * number + 1, 0, swarm->data - 1);
            const int64_t at_ns = MS(10) * between(swarm, DRAW_SECOND, 20 * number + 2, 100, 1500);
            const int64_t for_ns = kinds[which] == SIM_FAULT_HALF_OPEN
                                       ? 0
                                       : MS(10) * between(swarm, DRAW_SECOND, 20 * number + 3, 30, 500);
            const int64_t to_ns = at_ns + for_ns + swarm->recovery_ns;

            if (streams && !survivable(swarm, host, at_ns, to_ns))
                continue;
            if (streams)
                occupy(swarm, host, at_ns, to_ns);
            second_fill(swarm, number, which, host, fault_on(swarm, kinds[which], at_ns, for_ns));
            break;
        }
    }
}

/* Chaos ends, and these do not: what is left must come to rest without them. Silent servers are evicted, gray ones stay members. */
static void lasting(struct swarm *swarm)
{
    static const enum extra silent[] = {EXTRA_PAUSE, EXTRA_PARTITION, EXTRA_ONE_WAY, EXTRA_DROP_HEARTBEAT};
    static const enum extra gray[] = {EXTRA_SLOW, EXTRA_DISK_SLOW, EXTRA_LINK, EXTRA_CLOCK};

    if (!chance(swarm, DRAW_LASTING, 0, LASTING_PERCENT))
        return;
    for (uint64_t i = 0; i < LASTING_MAX; i++) {
        const bool is_silent = chance(swarm, DRAW_LASTING, 10 * i + 1, 50);
        const enum extra extra = is_silent ? silent[between(swarm, DRAW_LASTING, 10 * i + 2, 0, 3)]
                                           : gray[between(swarm, DRAW_LASTING, 10 * i + 2, 0, 3)];
        const uint32_t host = (uint32_t)between(swarm, DRAW_LASTING, 10 * i + 3, 0, swarm->data - 1);
        const int64_t at_ns = MS(10) * between(swarm, DRAW_LASTING, 10 * i + 4, 1000, 1900);
        const int64_t to_ns = is_silent ? at_ns + swarm->recovery_ns + S(4) : INT64_MAX;

        /* A core with all copies is left. */
        if (swarm->data - swarm->gone <= swarm->replication || !survivable(swarm, host, at_ns, to_ns))
            continue;
        occupy(swarm, host, at_ns, to_ns);
        swarm->gone += is_silent;
        extra_fill(swarm, 200 + i, extra, host, at_ns, 0);
    }
}

/* As many servers as there are copies, or one more, die within an interval and for good. What only they had is lost, and nothing else may be. */
static void beyond(struct swarm *swarm)
{
    const uint32_t most = swarm->data - 1;
    const uint32_t more = swarm->replication + (uint32_t)between(swarm, DRAW_BEYOND, 1, 0, 1);
    const uint32_t count = more < most ? more : most;
    const uint32_t first = (uint32_t)between(swarm, DRAW_BEYOND, 2, 0, swarm->data - 1);
    const int64_t at_ns = MS(100) * between(swarm, DRAW_BEYOND, 3, 30, 120);

    for (uint32_t i = 0; i < count; i++) {
        const int64_t later_ns = MS(1) * between(swarm, DRAW_BEYOND, 10 + i, 0, swarm->interval_ns / MS(1));
        struct sim_fault *fault = fault_on(swarm, SIM_FAULT_CRASH, at_ns + later_ns, 0);

        fault->unsynced = SIM_UNSYNCED_SEEDED;
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, (uint16_t)((first + i) % swarm->data));
    }
}

/* Metadata stalls or restarts; or the lights go out for all. */
static void meta_faults(struct swarm *swarm)
{
    const int64_t at_ns = MS(10) * between(swarm, DRAW_META, 1, 150, 1400);
    const uint64_t which = sim_below(draw(swarm, DRAW_META, 0), 100);
    struct sim_fault *fault;

    if (which < 20) {
        fault = fault_on(swarm, SIM_FAULT_PAUSE, at_ns, MS(10) * between(swarm, DRAW_META, 2, 20, 400));
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
    } else if (which < 40) {
        fault = fault_on(swarm, SIM_FAULT_CRASH, at_ns, MS(10) * between(swarm, DRAW_META, 2, 10, 200));
        fault->unsynced = SIM_UNSYNCED_SEEDED;
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
    } else if (which < 55 && swarm->windows_count <= 1 && swarm->gone == 0) {
        fault = fault_on(swarm, SIM_FAULT_CRASH, S(16), MS(10) * between(swarm, DRAW_META, 2, 10, 300));
        fault->unsynced = SIM_UNSYNCED_LOSE;
        sim_host_refs_add(&fault->hosts, SIM_HOST_META, 0);
        sim_host_refs_add(&fault->hosts, SIM_HOST_ALL_DATA, 0);
    }
}

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
        beyond(&swarm);
        return;
    }
    mix(&swarm);
    main_crash(&swarm);
    lasting(&swarm);
    extras(&swarm);
    seconds(&swarm);
    meta_faults(&swarm);
}
