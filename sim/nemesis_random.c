/* Faults that the seed draws: kinds, hosts, times and lengths, within the budget that the copies allow. */
#include "sim/nemesis_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/wire/message.h"

#include <string.h>

/* interfaces: each lasts 1 to 10 s. */
#define LENGTH_MIN_NS (1 * (int64_t)DFS_SECONDS)
#define LENGTH_MAX_NS (10 * (int64_t)DFS_SECONDS)

/* Of times a thousand things may be drawn for one fault. */
#define DRAWS_OF_ONE 16

struct moment {
    struct dfs_list link; /* in nemesis->moments */
    struct sim_wound *wound;
    uint64_t number;
    bool is_void; /* another one of this number stands for it */
};

static uint64_t draw(const struct moment *moment, uint64_t purpose, uint64_t count)
{
    return sim_nemesis_draw(moment->wound->nemesis, "random", moment->wound->index,
                            moment->number * DRAWS_OF_ONE + purpose, count);
}

enum purpose { KIND, HOST, LENGTH, FIRST, SECOND, THIRD };

static bool is_data(const struct sim_nemesis *nemesis, uint32_t host)
{
    return host >= 2 && host < 2 + nemesis->run->cluster->options.data;
}

/* Data servers that a fault touches, or that are down. */
static uint32_t affected(const struct sim_nemesis *nemesis)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < nemesis->run->cluster->options.data; i++)
        count += sim_nemesis_touches(nemesis, 2 + i, 0);
    return count;
}

static uint32_t destroyed(const struct sim_nemesis *nemesis)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < nemesis->run->cluster->options.data; i++)
        count += nemesis->touches[2 + i].destroyed;
    return count;
}

/* A host of the set that nothing touches; UINT32_MAX when there is none, or the budget allows no more. */
static uint32_t pick(const struct moment *moment, enum sim_fault_kind kind)
{
    const struct sim_nemesis *nemesis = moment->wound->nemesis;
    const struct dfs_settings *settings = &nemesis->run->cluster->options.settings;
    const uint32_t replication = (uint32_t)settings->replication;
    const uint32_t acknowledged = settings->ack == DFS_SETTING_ACK_QUORUM ? replication / 2 + 1 : replication;
    const bool destroys = kind == SIM_FAULT_BIT_ROT;
    struct sim_host_set set = {{0}};
    uint32_t hosts[SIM_HOSTS_MAX];
    uint32_t count = 0;

    sim_host_refs_expand(&moment->wound->fault->random.hosts, sim_scenario_hosts(nemesis->run->scenario), &set);
    for (uint32_t i = 0; i < nemesis->hosts_count; i++) {
        if (!sim_host_set_has(&set, i) || sim_nemesis_touches(nemesis, i, 0))
            continue;
        if (is_data(nemesis, i) && affected(nemesis) + 1 >= replication)
            continue;
        if (is_data(nemesis, i) && destroys && !nemesis->touches[i].destroyed && destroyed(nemesis) + 1 >= acknowledged)
            continue;
        if (destroys && !is_data(nemesis, i))
            continue; /* metadata's and auth's disks have no second copy */
        hosts[count++] = i;
    }
    return count == 0 ? UINT32_MAX : hosts[draw(moment, HOST, count)];
}

static void fill_message(const struct moment *moment, struct sim_fault *fault)
{
    fault->from = fault->hosts;
    fault->hosts.count = 0;
    fault->ppb = (int64_t)(SIM_PPB_ONE / 20) * (int64_t)(1 + draw(moment, FIRST, 10)); /* 5 to 50 of 100 */
    fault->by_ns = (int64_t)draw(moment, SECOND, DFS_SECONDS) + 1;
}

static void fill_link(const struct moment *moment, struct sim_fault *fault)
{
    struct sim_network *network = &fault->network;

    fault->from = fault->hosts;
    sim_host_refs_add(&fault->to, SIM_HOST_ALL, 0);
    network->latency_seen = true;
    network->latency.low = (int64_t)DFS_MILLISECONDS;
    network->latency.high = (int64_t)DFS_MILLISECONDS * (int64_t)(1 + draw(moment, FIRST, 200));
    network->loss_seen = true;
    network->loss_ppb = (int64_t)draw(moment, SECOND, SIM_PPB_ONE / 5); /* up to 20 of 100 */
}

static void fill_partition(const struct moment *moment, struct sim_fault *fault)
{
    fault->groups[0] = fault->hosts;
    sim_host_refs_add(&fault->groups[1], SIM_HOST_REST, 0);
    fault->groups_count = 2;
    fault->one_way = draw(moment, FIRST, 3) == 0;
}

/* The fault's own words, beside its host and length. */
static void fill(const struct moment *moment, struct sim_fault *fault)
{
    switch ((int)fault->kind) {
    case SIM_FAULT_CRASH:
        fault->unsynced = SIM_UNSYNCED_SEEDED;
        fault->streams = draw(moment, FIRST, 2) == 0 ? 1 : 2;
        return;
    case SIM_FAULT_SLOW:
    case SIM_FAULT_DISK_SLOW:
        fault->factor = 2 + (int64_t)draw(moment, FIRST, 99);
        return;
    case SIM_FAULT_PARTITION:
        fill_partition(moment, fault);
        return;
    case SIM_FAULT_LINK:
        fill_link(moment, fault);
        return;
    case SIM_FAULT_DROP:
    case SIM_FAULT_DUPLICATE:
    case SIM_FAULT_DELAY:
        fill_message(moment, fault);
        return;
    case SIM_FAULT_RESET:
    case SIM_FAULT_STALL:
    case SIM_FAULT_HALF_OPEN:
        fault->from = fault->hosts;
        sim_host_refs_add(&fault->to, SIM_HOST_ALL, 0);
        return;
    case SIM_FAULT_CLOCK:
        fault->offset_ns = (int64_t)draw(moment, FIRST, 20 * DFS_SECONDS) - 10 * (int64_t)DFS_SECONDS;
        fault->drift_ppm = (int64_t)draw(moment, SECOND, 401) - 200;
        return;
    case SIM_FAULT_BIT_ROT:
        fault->blocks = 1 + (int64_t)draw(moment, FIRST, 3);
        return;
    case SIM_FAULT_DISK_ERROR:
    case SIM_FAULT_SYNC_ERROR:
    case SIM_FAULT_DISK_STALE:
    case SIM_FAULT_DISK_MISDIRECT:
        fault->ppb = (int64_t)(SIM_PPB_ONE / 100) * (int64_t)(1 + draw(moment, FIRST, 20));
        return;
    case SIM_FAULT_FORGE:
    case SIM_FAULT_REPLAY:
        fault->message = DFS_MSG_HEARTBEAT;
        fault->count = 1 + (int64_t)draw(moment, FIRST, 5);
        return;
    default:
        return;
    }
}

static bool is_momentary(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_RESET || kind == SIM_FAULT_HALF_OPEN || kind == SIM_FAULT_BIT_ROT ||
           kind == SIM_FAULT_FORGE || kind == SIM_FAULT_REPLAY || kind == SIM_FAULT_ROTATE_KEYS;
}

static enum sim_fault_kind draw_kind(const struct moment *moment)
{
    const uint32_t kinds = moment->wound->fault->random.kinds;
    uint64_t at = draw(moment, KIND, (uint64_t)__builtin_popcount(kinds));

    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if ((kinds >> i & 1u) != 0 && at-- == 0)
            return (enum sim_fault_kind)i;
    }
    dfs_unreachable("draw_kind");
}

static void fire_moment(void *arg, struct sim_world *world)
{
    struct moment *moment = arg;
    struct sim_nemesis *nemesis = moment->wound->nemesis;
    const enum sim_fault_kind kind = draw_kind(moment);
    const uint32_t host = kind == SIM_FAULT_ROTATE_KEYS ? 0 : pick(moment, kind);

    (void)world;
    dfs_list_remove(&moment->link);
    if (host != UINT32_MAX && !nemesis->stopped && !nemesis->calm && !moment->is_void) {
        struct sim_fault *fault = dfs_alloc_zero(sizeof *fault);

        fault->kind = kind;
        sim_host_refs_add_number(&fault->hosts, nemesis->run->cluster->options.data, host);
        if (!is_momentary(kind))
            fault->for_ns =
                LENGTH_MIN_NS + (int64_t)draw(moment, LENGTH, (uint64_t)(LENGTH_MAX_NS - LENGTH_MIN_NS) + 1);
        fill(moment, fault);
        (void)sim_wound_fire(moment->wound, fault);
        dfs_free(fault);
    }
    dfs_free(moment);
}

/* Before `to`, which is after `from`; of the scenario. */
static void moment_new(struct sim_wound *wound, uint64_t number, uint64_t from, uint64_t to)
{
    struct sim_nemesis *nemesis = wound->nemesis;
    struct moment *moment = dfs_alloc(sizeof *moment);

    *moment = (struct moment){.wound = wound, .number = number};
    dfs_list_push(&nemesis->moments, &moment->link);
    sim_world_call(nemesis->run->world,
                   sim_run_world_time(nemesis->run, from + draw(moment, DRAWS_OF_ONE - 1, to - from)), fire_moment,
                   moment);
}

/* When the faults of a `random` end to begin; of the scenario. */
static uint64_t moments_end(const struct sim_wound *wound)
{
    const struct sim_random_faults *random = &wound->fault->random;
    const uint64_t duration = (uint64_t)wound->nemesis->run->scenario->duration_ns;

    return random->to_seen && (uint64_t)random->to_ns < duration ? (uint64_t)random->to_ns : duration;
}

static uint64_t moments_begin(const struct sim_wound *wound)
{
    const uint64_t from = (uint64_t)wound->fault->random.from_ns;
    const uint64_t duration = (uint64_t)wound->nemesis->run->scenario->duration_ns;

    return from < duration ? from : duration;
}

void sim_nemesis_redraw(struct sim_nemesis *nemesis)
{
    const uint64_t now = sim_run_time(nemesis->run);
    struct dfs_list *const last = nemesis->moments.prev;

    if (dfs_list_empty(&nemesis->moments))
        return;
    dfs_list_each(at, &nemesis->moments)
    {
        struct moment *moment = dfs_container_of(at, struct moment, link);
        const uint64_t from = moments_begin(moment->wound) > now ? moments_begin(moment->wound) : now;
        const uint64_t to = moments_end(moment->wound);

        if (!moment->is_void && to > from) {
            moment->is_void = true;
            moment_new(moment->wound, moment->number, from, to);
        }
        if (at == last)
            break;
    }
}

void sim_nemesis_moments_free(struct sim_nemesis *nemesis)
{
    struct dfs_list *at;

    while ((at = dfs_list_first(&nemesis->moments)) != NULL) {
        dfs_list_remove(at);
        dfs_free(dfs_container_of(at, struct moment, link));
    }
}

void sim_wound_random(struct sim_wound *wound)
{
    const struct sim_random_faults *random = &wound->fault->random;
    const uint64_t from = moments_begin(wound);
    const uint64_t to = moments_end(wound);
    uint64_t count = (uint64_t)random->count;

    if (random->rate_millionths > 0)
        count = (uint64_t)((sim_u128)(to - from) * (uint64_t)random->rate_millionths / DFS_SECONDS / DFS_DECIMAL_ONE);
    for (uint64_t i = 0; i < count && to > from; i++)
        moment_new(wound, i, from, to);
}
