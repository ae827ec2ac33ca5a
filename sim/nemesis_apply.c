/* What each kind of fault does to its hosts, and how it is undone. */
#include "sim/nemesis_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_sim/clock_sim.h"
#include "net_sim/partition.h"
#include "sim/listen.h"

#include <stdio.h>
#include <string.h>

static struct sim_run *run_of(const struct sim_blow *blow)
{
    return blow->wound->nemesis->run;
}

static struct sim_host_counts counts_of(const struct sim_blow *blow)
{
    return sim_scenario_hosts(run_of(blow)->scenario);
}

static struct sim_hold *hold(struct sim_blow *blow, uint32_t number)
{
    struct sim_hold *made;

    blow->holds = dfs_realloc_array(blow->holds, blow->holds_count + 1, sizeof *blow->holds);
    made = &blow->holds[blow->holds_count++];
    *made = (struct sim_hold){.host = number, .life = sim_host_lives(sim_run_host(run_of(blow), number))};
    return made;
}

/* Each host of `refs` in order. */
#define EACH_HOST(blow, refs, number, host) \
    struct sim_host_set set_of_##host = {{0}}; \
    sim_host_refs_expand((refs), counts_of(blow), &set_of_##host); \
    struct sim_host *host; \
    for (uint32_t number = 0; number < sim_hosts_count(counts_of(blow)); number++) \
        if (sim_host_set_has(&set_of_##host, number) && (host = sim_run_host(run_of(blow), number)) != NULL)

/* Does what was held still live the life in which it was taken hold of? */
static bool lives_on(const struct sim_hold *held, struct sim_host *host)
{
    return sim_host_is_up(host) && sim_host_lives(host) == held->life;
}

/* Faults of this kind that still have hold of the host when one of them lets go. */
#define EACH_IN_FORCE(blow, number, other) \
    dfs_list_each(at_##other, \
                  &(blow)->wound->nemesis->blows) for (const struct sim_blow *other = \
                                                           dfs_container_of(at_##other, const struct sim_blow, link); \
                                                       other != NULL; \
                                                       other = NULL) if (!other->undone && \
                                                                         other->fault->kind == (blow)->fault->kind && \
                                                                         holds(other, number))

static bool holds(const struct sim_blow *blow, uint32_t number)
{
    for (size_t i = 0; i < blow->holds_count; i++) {
        if (blow->holds[i].host == number)
            return true;
    }
    return false;
}

/* The factor of the newest that is in force; 1 when there is none. */
static uint32_t factor_in_force(const struct sim_blow *blow, uint32_t number)
{
    uint32_t factor = 1;

    EACH_IN_FORCE(blow, number, other)
    factor = (uint32_t)other->fault->factor;
    return factor;
}

static bool any_in_force(const struct sim_blow *blow, uint32_t number)
{
    EACH_IN_FORCE(blow, number, other)
    return true;
    return false;
}

/* Processes ------------------------------------------------------------------------------------------------------------------ */

static void crash(struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;
    struct sim_host_set set = {{0}};

    sim_host_refs_expand(&fault->hosts, counts_of(blow), &set);
    const bool power = sim_host_set_count(&set) > 1;
    const enum sim_streams streams =
        fault->streams == 1 || (fault->streams == 0 && power) ? SIM_STREAMS_SILENT : SIM_STREAMS_RESET;
    /* scenario words: lose keep torn seeded, as the enum */
    const enum sim_unsynced unsynced = (enum sim_unsynced)fault->unsynced;
    const bool forgets = run_of(blow)->cluster->options.settings.durability == DFS_SETTING_DURABILITY_ASYNC;

    EACH_HOST(blow, &fault->hosts, number, host)
    {
        if (!sim_host_is_up(host))
            continue;
        hold(blow, number);
        sim_blow_touch(blow, number);
        if (forgets)
            blow->wound->nemesis->touches[number].destroyed = true;
        sim_host_crash(host, unsynced, streams);
        sim_blow_effect(blow, host);
    }
}

/* Unless it was up since, and went down for another reason: that one is not ours to end. */
static void restart_host(const struct sim_hold *held, struct sim_host *host)
{
    if (!sim_host_is_up(host) && sim_host_lives(host) == held->life)
        sim_host_restart(host);
}

static void crash_end(struct sim_blow *blow)
{
    for (size_t i = 0; i < blow->holds_count; i++)
        restart_host(&blow->holds[i], sim_run_host(run_of(blow), blow->holds[i].host));
}

/* A host that is up again is no longer touched by the crash without end that took it down. */
static void release_down(struct sim_nemesis *nemesis, uint32_t number)
{
    dfs_list_each(at, &nemesis->blows)
    {
        struct sim_blow *blow = dfs_container_of(at, struct sim_blow, link);

        if ((blow->fault->kind != SIM_FAULT_CRASH && blow->fault->kind != SIM_FAULT_LEAVE) ||
            !sim_host_set_has(&blow->touched, number))
            continue;
        sim_host_set_remove(&blow->touched, number);
        nemesis->touches[number].in_force--;
        nemesis->touches[number].last_end = sim_world_now(nemesis->run->world);
    }
}

static void restart(struct sim_blow *blow)
{
    EACH_HOST(blow, &blow->fault->hosts, number, host)
    {
        if (sim_host_is_up(host) || sim_host_lives(host) == 0)
            continue;
        release_down(blow->wound->nemesis, number);
        sim_host_restart(host);
        sim_blow_effect(blow, host);
    }
}

static void pause_hosts(struct sim_blow *blow)
{
    EACH_HOST(blow, &blow->fault->hosts, number, host)
    {
        if (!sim_host_is_up(host))
            continue;
        hold(blow, number);
        sim_blow_touch(blow, number);
        sim_host_pause(host);
        sim_blow_effect(blow, host);
    }
}

static void pause_end(struct sim_blow *blow)
{
    for (size_t i = 0; i < blow->holds_count; i++) {
        struct sim_host *host = sim_run_host(run_of(blow), blow->holds[i].host);

        if (lives_on(&blow->holds[i], host) && sim_host_is_paused(host))
            sim_host_resume(host);
    }
}

static void slow(struct sim_blow *blow)
{
    EACH_HOST(blow, &blow->fault->hosts, number, host)
    {
        hold(blow, number);
        sim_blow_touch(blow, number);
        sim_host_slow(host, (uint32_t)blow->fault->factor);
        if (sim_host_is_up(host)) /* otherwise when it is (on_host) */
            sim_blow_effect(blow, host);
    }
}

static void slow_end(struct sim_blow *blow)
{
    for (size_t i = 0; i < blow->holds_count; i++)
        sim_host_slow(sim_run_host(run_of(blow), blow->holds[i].host), factor_in_force(blow, blow->holds[i].host));
}

/* A clean stop: the machine is asked, and stopped when it says it is done (sim_cluster's answer). */
static uint32_t stop_command(enum dfs_role role)
{
    switch (role) {
    case DFS_ROLE_AUTH:
        return DFS_AUTH_STOP;
    case DFS_ROLE_META:
        return DFS_META_STOP;
    case DFS_ROLE_DATA:
        return DFS_DATA_LEAVE;
    case DFS_ROLE_CLIENT:
        return DFS_CLIENT_CLOSE;
    case DFS_ROLE_NONE:
    case DFS_ROLE_COUNT:
        break;
    }
    dfs_unreachable("stop_command");
}

static void leave(struct sim_blow *blow)
{
    struct sim_nemesis *nemesis = blow->wound->nemesis;

    EACH_HOST(blow, &blow->fault->hosts, number, host)
    {
        const struct sim_node *node = sim_host_user(host);

        if (!sim_host_is_up(host) || sim_host_set_has(&nemesis->leavers, number))
            continue;
        hold(blow, number);
        sim_blow_touch(blow, number);
        sim_host_set_add(&nemesis->leavers, number);
        (void)sim_cluster_stop(run_of(blow)->cluster, host, stop_command(node->role));
        sim_blow_effect(blow, host);
    }
}

static void leave_end(struct sim_blow *blow)
{
    for (size_t i = 0; i < blow->holds_count; i++) {
        struct sim_host *host = sim_run_host(run_of(blow), blow->holds[i].host);

        /* It has not found the time to say goodbye: whoever runs it loses patience, as init systems do. */
        if (lives_on(&blow->holds[i], host))
            sim_host_crash(host, SIM_UNSYNCED_KEEP, SIM_STREAMS_RESET);
        restart_host(&blow->holds[i], host);
    }
}

/* Network ---------------------------------------------------------------------------------------------------------------------- */

struct groups {
    struct sim_host_set sets[SIM_GROUPS_MAX];
    struct sim_host **hosts[SIM_GROUPS_MAX];
    struct sim_group groups[SIM_GROUPS_MAX];
};

static void groups_make(const struct sim_blow *blow, struct groups *groups)
{
    const struct sim_fault *fault = blow->fault;
    const uint32_t hosts = sim_hosts_count(counts_of(blow));

    memset(groups, 0, sizeof *groups);
    sim_host_groups_expand(fault->groups, fault->groups_count, counts_of(blow), groups->sets);
    for (uint32_t g = 0; g < fault->groups_count; g++) {
        groups->hosts[g] = dfs_alloc_zero_array(hosts, sizeof(struct sim_host *));
        for (uint32_t i = 0; i < hosts; i++) {
            if (sim_host_set_has(&groups->sets[g], i))
                groups->hosts[g][groups->groups[g].count++] = sim_run_host(run_of(blow), i);
        }
        groups->groups[g].hosts = groups->hosts[g];
    }
}

/* Those are touched who do not hear metadata, or whom it does not hear. */
static void partition(struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;
    struct groups *groups = dfs_alloc(sizeof *groups);
    uint32_t with_meta = UINT32_MAX;
    bool cuts = false;

    groups_make(blow, groups);
    for (uint32_t g = 0; g < fault->groups_count; g++) {
        if (sim_host_set_has(&groups->sets[g], 1))
            with_meta = g;
        cuts = cuts || (g > 0 && groups->groups[g].count > 0 && groups->groups[0].count > 0);
    }
    if (cuts) {
        blow->partition = sim_partition_cut(run_of(blow)->world, groups->groups, fault->groups_count, fault->one_way);
        sim_blow_effect(blow, NULL);
    }
    for (uint32_t g = 0; g < fault->groups_count && cuts; g++) {
        if (g == with_meta || (with_meta == UINT32_MAX && g > 0))
            continue;
        for (uint32_t i = 0; i < sim_hosts_count(counts_of(blow)); i++) {
            if (sim_host_set_has(&groups->sets[g], i))
                sim_blow_touch(blow, i);
        }
    }
    for (uint32_t g = 0; g < fault->groups_count; g++)
        dfs_free(groups->hosts[g]);
    dfs_free(groups);
}

static void partition_end(struct sim_blow *blow)
{
    if (blow->partition != 0)
        (void)sim_partition_heal(run_of(blow)->world, blow->partition);
}

/* All that is in force for the link, one over the other in the order in which they began. */
static void link_follow(struct sim_blow *blow, struct sim_host *from, uint32_t from_number, struct sim_host *to,
                        uint32_t to_number)
{
    struct sim_link_options options = *sim_world_link_get(run_of(blow)->world);
    bool own = false;

    dfs_list_each(at, &blow->wound->nemesis->blows)
    {
        const struct sim_blow *other = dfs_container_of(at, const struct sim_blow, link);

        if (other->undone || other->fault->kind != SIM_FAULT_LINK || !sim_host_set_has(&other->from, from_number) ||
            !sim_host_set_has(&other->to, to_number))
            continue;
        options = sim_network_options(&other->fault->network, &options);
        own = true;
    }
    sim_link_set(from, to, own ? &options : NULL);
}

/* One that only takes loss, repetition and disorder away does harm to nobody. */
static bool is_harmless(const struct sim_network *network)
{
    return !network->latency_seen && !network->bandwidth_seen && !network->queue_seen && network->loss_ppb == 0 &&
           network->duplicate_ppb == 0 && network->reorder_ppb == 0 && network->cut_ppb == 0 &&
           network->dribble_ppb == 0 && (network->loss_seen || network->duplicate_seen || network->reorder_seen);
}

static void link_apply(struct sim_blow *blow, bool begins)
{
    const bool harmless = is_harmless(&blow->fault->network);
    const bool drawn = blow->wound->fault->kind == SIM_FAULT_RANDOM;

    sim_host_refs_expand(&blow->fault->from, counts_of(blow), &blow->from);
    sim_host_refs_expand(&blow->fault->to, counts_of(blow), &blow->to);
    EACH_HOST(blow, &blow->fault->from, from_number, from)
    {
        EACH_HOST(blow, &blow->fault->to, to_number, to)
        {
            if (from == to)
                continue;
            link_follow(blow, from, from_number, to, to_number);
            if (!begins)
                continue;
            if (from_number != 1 && !harmless) /* metadata is everybody's: a bad link to it is the other's trouble */
                sim_blow_touch(blow, from_number);
            if (to_number != 1 && !drawn && !harmless) /* what is drawn is drawn for one host */
                sim_blow_touch(blow, to_number);
            sim_blow_effect(blow, from);
        }
    }
}

static void link_begin(struct sim_blow *blow)
{
    link_apply(blow, true);
}

static void link_end(struct sim_blow *blow)
{
    link_apply(blow, false);
}

static void filter_end(struct sim_blow *blow)
{
    dfs_list_remove(&blow->rule);
}

static void reset(struct sim_blow *blow)
{
    EACH_HOST(blow, &blow->fault->from, from_number, from)
    {
        EACH_HOST(blow, &blow->fault->to, to_number, to)
        {
            if (from != to && sim_streams_reset(from, to) > 0)
                sim_blow_effect(blow, from);
        }
    }
}

/* Streams that are open then, for as long as the fault lasts: not beyond the end of the scenario. */
static void stall(struct sim_blow *blow)
{
    const struct sim_run *run = run_of(blow);
    const dfs_duration_ns left = (dfs_duration_ns)run->scenario->duration_ns - sim_run_time(run);
    const dfs_duration_ns wanted = (dfs_duration_ns)blow->fault->for_ns;

    EACH_HOST(blow, &blow->fault->from, from_number, from)
    {
        EACH_HOST(blow, &blow->fault->to, to_number, to)
        {
            if (from == to || sim_streams_stall(from, to, wanted < left ? wanted : left) == 0)
                continue;
            if (from_number != 1)
                sim_blow_touch(blow, from_number);
            if (to_number != 1 && blow->wound->fault->kind != SIM_FAULT_RANDOM)
                sim_blow_touch(blow, to_number);
            sim_blow_effect(blow, from);
        }
    }
}

static void half_open(struct sim_blow *blow)
{
    EACH_HOST(blow, &blow->fault->from, from_number, from)
    {
        EACH_HOST(blow, &blow->fault->to, to_number, to)
        {
            if (from != to && sim_streams_mute(from, to) > 0)
                sim_blow_effect(blow, from);
        }
    }
}

/* Clocks ----------------------------------------------------------------------------------------------------------------------- */

/* The sum of all that is in force. */
static void clock_follow(const struct sim_blow *blow, uint32_t number)
{
    int64_t offset_ns = 0;
    int64_t drift_ppm = 0;

    EACH_IN_FORCE(blow, number, other)
    {
        offset_ns += other->fault->offset_ns;
        drift_ppm += other->fault->drift_ppm;
    }
    drift_ppm = drift_ppm > SIM_DRIFT_PPM_MAX ? SIM_DRIFT_PPM_MAX : drift_ppm;
    drift_ppm = drift_ppm < -SIM_DRIFT_PPM_MAX ? -SIM_DRIFT_PPM_MAX : drift_ppm;
    sim_host_clock(sim_run_host(run_of(blow), number), offset_ns, drift_ppm);
}

static void clocks(struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;

    EACH_HOST(blow, &fault->hosts, number, host)
    {
        hold(blow, number);
        sim_blow_touch(blow, number);
        clock_follow(blow, number);
        if (sim_host_is_up(host) && (fault->offset_ns != 0 || fault->drift_ppm != 0))
            sim_blow_effect(blow, host);
    }
}

static void clocks_end(struct sim_blow *blow)
{
    for (size_t i = 0; i < blow->holds_count; i++)
        clock_follow(blow, blow->holds[i].host);
}

/* Disks ------------------------------------------------------------------------------------------------------------------------ */

static bool is_block(void *arg, const char *name)
{
    struct dfs_block_id block;

    (void)arg;
    return dfs_block_name_parse(name, &block);
}

static void bit_rot(struct sim_blow *blow)
{
    struct sim_nemesis *nemesis = blow->wound->nemesis;

    EACH_HOST(blow, &blow->fault->hosts, number, host)
    {
        const struct sim_node *node = sim_host_user(host);
        const uint64_t salt = sim_blow_draw(blow, "rot", number, UINT64_MAX);

        if (node->disk == NULL)
            continue;
        if (sim_disk_rot(node->disk, (uint64_t)blow->fault->blocks, salt, node->role == DFS_ROLE_DATA ? is_block : NULL,
                         NULL, NULL) == 0)
            continue;
        nemesis->touches[number].destroyed = true;
        sim_blow_effect(blow, host);
    }
}

static void disk_rules(struct sim_blow *blow, struct sim_disk *disk, struct sim_hold *held)
{
    const struct sim_fault *fault = blow->fault;
    if (fault->ppb_seen && fault->ppb == 0)
        return; /* a probability of 0: none of them */
    struct sim_disk_rule rule = {.ppb = (uint32_t)fault->ppb, .count = (uint64_t)fault->count, .status = DFS_IO};

    switch ((int)fault->kind) {
    case SIM_FAULT_SYNC_ERROR:
        rule.verb = DFS_DISK_SYNC;
        break;
    case SIM_FAULT_DISK_STALE:
    case SIM_FAULT_DISK_MISDIRECT:
        rule.fault = fault->kind == SIM_FAULT_DISK_STALE ? SIM_DISK_STALE : SIM_DISK_MISDIRECT;
        rule.verb = DFS_DISK_READ;
        break;
    default:
        for (int verb = 0; verb < DFS_DISK_FORGET && fault->operation == 0; verb++) {
            rule.verb = (enum dfs_disk_verb)verb;
            held->rules[held->rules_count++] = sim_disk_rule_add(disk, &rule);
        }
        if (fault->operation == 0)
            return;
        rule.verb = (enum dfs_disk_verb)(fault->operation - 1);
        break;
    }
    held->rules[held->rules_count++] = sim_disk_rule_add(disk, &rule);
}

static bool is_rule(enum sim_fault_kind kind)
{
    return kind != SIM_FAULT_DISK_FULL && kind != SIM_FAULT_DISK_SLOW && kind != SIM_FAULT_DISK_VANISH;
}

static void disk_fault(struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;

    EACH_HOST(blow, &fault->hosts, number, host)
    {
        struct sim_disk *disk = sim_host_disk(host);

        if (disk == NULL)
            continue;
        struct sim_hold *held = hold(blow, number);

        sim_blow_touch(blow, number);
        if (fault->kind == SIM_FAULT_DISK_FULL)
            sim_disk_full(disk, true);
        else if (fault->kind == SIM_FAULT_DISK_SLOW)
            sim_disk_slow(disk, (uint32_t)fault->factor);
        else if (fault->kind == SIM_FAULT_DISK_VANISH)
            sim_disk_vanish(disk, true);
        else
            disk_rules(blow, disk, held);
        if (!is_rule(fault->kind))
            sim_blow_effect(blow, host);
        else /* rules take effect when they hit; but from now on what is read there proves less */
            sim_tell_fault(run_of(blow), blow->wound->index, fault, host, true);
    }
}

static void disk_end(struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;

    for (size_t i = 0; i < blow->holds_count; i++) {
        struct sim_hold *held = &blow->holds[i];
        struct sim_disk *disk = sim_host_disk(sim_run_host(run_of(blow), held->host));

        if (fault->kind == SIM_FAULT_DISK_FULL)
            sim_disk_full(disk, any_in_force(blow, held->host));
        else if (fault->kind == SIM_FAULT_DISK_SLOW)
            sim_disk_slow(disk, factor_in_force(blow, held->host));
        else if (fault->kind == SIM_FAULT_DISK_VANISH && !any_in_force(blow, held->host))
            sim_disk_vanish(disk, false);
        for (uint32_t r = 0; r < held->rules_count; r++) {
            const uint64_t hits = sim_disk_rule_remove(disk, held->rules[r]);

            blow->wound->effect += hits;
            blow->effect += hits;
        }
        held->rules_count = 0;
    }
}

uint64_t sim_blow_disk_hits(const struct sim_blow *blow)
{
    uint64_t hits = 0;

    for (size_t i = 0; i < blow->holds_count; i++) {
        const struct sim_hold *held = &blow->holds[i];

        for (uint32_t r = 0; r < held->rules_count; r++)
            hits += sim_disk_rule_hits(sim_host_disk(sim_run_host(run_of(blow), held->host)), held->rules[r]);
    }
    return hits;
}

/* Identities -------------------------------------------------------------------------------------------------------------------- */

static void impersonate(struct sim_blow *blow)
{
    struct sim_nemesis *nemesis = blow->wound->nemesis;
    struct sim_run *run = run_of(blow);

    EACH_HOST(blow, &blow->fault->hosts, number, host)
    {
        const struct sim_node *node = sim_host_user(host);

        if (node->role != DFS_ROLE_DATA || nemesis->copies_count == SIM_CLIENTS_MAX)
            continue;
        nemesis->copies_nodes[nemesis->copies_count] =
            sim_cluster_double(run->cluster, node, (uint32_t)nemesis->copies_count);
        nemesis->copies_count++;
        sim_blow_touch(blow, number);
        sim_blow_effect(blow, host);
    }
}

static void rotate(struct sim_blow *blow)
{
    struct sim_host *host = run_of(blow)->cluster->auth.host;

    if (sim_host_command(host, SIM_AUTH_ROTATE_COMMAND, DFS_AUTH_KEY_ROTATE, NULL, 0))
        sim_blow_effect(blow, host);
}

/* By kind ------------------------------------------------------------------------------------------------------------------------ */

/* What each kind of fault does when it takes hold, and when it lets go; without the second it happened at one moment, or ends by itself. */
struct deed {
    void (*begin)(struct sim_blow *blow);
    void (*end)(struct sim_blow *blow);
};

static const struct deed deeds[SIM_FAULT_COUNT] = {
    [SIM_FAULT_CRASH] = {crash, crash_end},
    [SIM_FAULT_RESTART] = {restart, NULL},
    [SIM_FAULT_PAUSE] = {pause_hosts, pause_end},
    [SIM_FAULT_SLOW] = {slow, slow_end},
    [SIM_FAULT_LEAVE] = {leave, leave_end},
    [SIM_FAULT_PARTITION] = {partition, partition_end},
    [SIM_FAULT_LINK] = {link_begin, link_end},
    [SIM_FAULT_DROP] = {sim_blow_filter, filter_end},
    [SIM_FAULT_DUPLICATE] = {sim_blow_filter, filter_end},
    [SIM_FAULT_DELAY] = {sim_blow_filter, filter_end},
    [SIM_FAULT_CORRUPT] = {sim_blow_filter, filter_end},
    [SIM_FAULT_RESET] = {reset, NULL},
    [SIM_FAULT_STALL] = {stall, NULL}, /* the streams know for how long */
    [SIM_FAULT_HALF_OPEN] = {half_open, NULL},
    [SIM_FAULT_CLOCK] = {clocks, clocks_end},
    [SIM_FAULT_BIT_ROT] = {bit_rot, NULL},
    [SIM_FAULT_DISK_FULL] = {disk_fault, disk_end},
    [SIM_FAULT_DISK_ERROR] = {disk_fault, disk_end},
    [SIM_FAULT_DISK_SLOW] = {disk_fault, disk_end},
    [SIM_FAULT_DISK_VANISH] = {disk_fault, disk_end},
    [SIM_FAULT_DISK_STALE] = {disk_fault, disk_end},
    [SIM_FAULT_DISK_MISDIRECT] = {disk_fault, disk_end},
    [SIM_FAULT_SYNC_ERROR] = {disk_fault, disk_end},
    [SIM_FAULT_IMPERSONATE] = {impersonate, NULL},
    [SIM_FAULT_FORGE] = {sim_blow_forge, NULL},
    [SIM_FAULT_REPLAY] = {sim_blow_replay, NULL},
    [SIM_FAULT_ROTATE_KEYS] = {rotate, NULL},
    [SIM_FAULT_RANDOM] = {NULL, NULL}, /* the faults that it draws are blows of their own */
};
_Static_assert(SIM_FAULT_COUNT == 28, "a deed for each kind");

void sim_blow_begin(struct sim_blow *blow)
{
    DFS_ASSERT(deeds[blow->fault->kind].begin != NULL);
    deeds[blow->fault->kind].begin(blow);
}

void sim_blow_end(struct sim_blow *blow)
{
    if (deeds[blow->fault->kind].end != NULL)
        deeds[blow->fault->kind].end(blow);
}
