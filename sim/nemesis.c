#include "sim/nemesis_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/listen.h"

#include <string.h>

uint64_t sim_nemesis_draw(const struct sim_nemesis *nemesis, const char *purpose, size_t fault, uint64_t number,
                          uint64_t count)
{
    return sim_below(sim_world_draw(nemesis->run->world, purpose, (uint64_t)fault << 44 ^ number), count);
}

static uint64_t mix_hosts(uint64_t key, const struct sim_host_refs *refs)
{
    for (uint32_t i = 0; i < refs->count; i++)
        key = sim_mix(key ^ refs->refs[i].kind, refs->refs[i].index);
    return key;
}

/* Of two that are the same in all, the later one counts as another. */
static uint64_t key_of(const struct sim_blow *blow)
{
    const struct sim_fault *fault = blow->fault;
    uint64_t key = sim_mix((uint64_t)fault->kind + 1, blow->at);

    key = mix_hosts(mix_hosts(mix_hosts(key, &fault->hosts), &fault->from), &fault->to);
    key = sim_mix(key, fault->message);
    dfs_list_each(at, &blow->wound->nemesis->blows)
    {
        const struct sim_blow *other = dfs_container_of(at, const struct sim_blow, link);

        if (other != blow && other->key == key)
            key = sim_mix(key, 1);
    }
    return key;
}

uint64_t sim_blow_draw(const struct sim_blow *blow, const char *purpose, uint64_t number, uint64_t count)
{
    const uint64_t key = sim_world_draw(blow->wound->nemesis->run->world, purpose, blow->key);

    return sim_below(sim_prf(key, 0, number), count);
}

/* Accounts ----------------------------------------------------------------------------------------------------------------- */

void sim_blow_touch(struct sim_blow *blow, uint32_t host)
{
    struct sim_touch *touch = &blow->wound->nemesis->touches[host];

    if (sim_host_set_has(&blow->touched, host))
        return;
    sim_host_set_add(&blow->touched, host);
    touch->in_force++;
}

static void untouch(struct sim_blow *blow)
{
    struct sim_nemesis *nemesis = blow->wound->nemesis;

    for (uint32_t i = 0; i < nemesis->hosts_count; i++) {
        if (!sim_host_set_has(&blow->touched, i))
            continue;
        nemesis->touches[i].in_force--;
        nemesis->touches[i].last_end = sim_world_now(nemesis->run->world);
    }
    memset(&blow->touched, 0, sizeof blow->touched);
}

void sim_blow_effect(struct sim_blow *blow, struct sim_host *host)
{
    blow->wound->effect++;
    blow->effect++;
    sim_tell_fault(blow->wound->nemesis->run, blow->wound->index, blow->fault, host, true);
}

/* What happens next may be about it. One that a `random` has drawn stands on the line of that. */
static void line_of_fault(const struct sim_wound *wound)
{
    wound->nemesis->run->line = wound->fault->line;
    wound->nemesis->run->line_is_mix = false;
}

static void fault_over(struct sim_nemesis *nemesis)
{
    nemesis->run->fault_last = sim_run_time(nemesis->run);
}

bool sim_nemesis_touches(const struct sim_nemesis *nemesis, uint32_t host, dfs_duration_ns lately)
{
    const struct sim_touch *touch = &nemesis->touches[host];
    const dfs_time_ns now = sim_world_now(nemesis->run->world);

    if (touch->in_force > 0 || !sim_host_is_up(sim_run_host(nemesis->run, host)))
        return true;
    return touch->last_end != DFS_NEVER && now - touch->last_end < lately;
}

bool sim_nemesis_destroyed(const struct sim_nemesis *nemesis, uint32_t host)
{
    return nemesis->touches[host].destroyed;
}

static bool filters_messages(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_DROP || kind == SIM_FAULT_DUPLICATE || kind == SIM_FAULT_DELAY ||
           kind == SIM_FAULT_CORRUPT;
}

/* Blows -------------------------------------------------------------------------------------------------------------------- */

static void blow_free(struct sim_blow *blow)
{
    dfs_list_remove(&blow->link);
    dfs_list_remove(&blow->rule);
    dfs_free(blow->holds);
    dfs_free(blow);
}

void sim_blow_over(struct sim_blow *blow)
{
    if (blow->undone)
        return;
    blow->undone = true;
    line_of_fault(blow->wound);
    sim_blow_end(blow);
    untouch(blow);
    if (blow->fault->for_ns > 0 || filters_messages(blow->fault->kind))
        fault_over(blow->wound->nemesis);
    sim_tell_fault(blow->wound->nemesis->run, blow->wound->index, blow->fault, NULL, false);
}

static void end_now(void *arg, struct sim_world *world)
{
    (void)world;
    sim_blow_over(arg);
}

struct sim_blow *sim_wound_fire(struct sim_wound *wound, const struct sim_fault *drawn)
{
    struct sim_nemesis *nemesis = wound->nemesis;
    struct sim_blow *blow = dfs_alloc_zero(sizeof *blow);

    blow->wound = wound;
    if (drawn != NULL)
        blow->drawn = *drawn;
    blow->fault = drawn != NULL ? &blow->drawn : wound->fault;
    blow->at = sim_run_time(nemesis->run);
    dfs_list_init(&blow->rule);
    dfs_list_push(&nemesis->blows, &blow->link);
    blow->key = key_of(blow);
    wound->fired = true;
    fault_over(nemesis); /* of a permanent fault, or one of a moment, its start counts */
    line_of_fault(wound);
    sim_blow_begin(blow);
    if (blow->fault->for_ns > 0)
        sim_world_call(nemesis->run->world, sim_world_now(nemesis->run->world) + (dfs_duration_ns)blow->fault->for_ns,
                       end_now, blow);
    return blow;
}

static void fire_now(void *arg, struct sim_world *world)
{
    struct sim_wound *wound = arg;

    (void)world;
    if (wound->nemesis->calm && wound->fault->kind != SIM_FAULT_RESTART)
        return;
    if (!wound->nemesis->stopped)
        (void)sim_wound_fire(wound, NULL);
}

void sim_nemesis_calm(struct sim_nemesis *nemesis)
{
    nemesis->calm = true;
}

void sim_nemesis_strike(struct sim_nemesis *nemesis, size_t index, const struct sim_fault *fault)
{
    DFS_ASSERT(index < nemesis->wounds_count);
    (void)sim_wound_fire(&nemesis->wounds[index], fault);
}

/* Triggers ------------------------------------------------------------------------------------------------------------------ */

static bool is_about(const struct sim_nemesis *nemesis, const struct sim_host_refs *refs, struct sim_host *host)
{
    struct sim_host_set set = {{0}};
    const uint32_t number = host != NULL ? sim_run_host_number(nemesis->run, host) : UINT32_MAX;

    if (refs->count == 0)
        return true;
    if (number == UINT32_MAX)
        return false;
    sim_host_refs_expand(refs, sim_scenario_hosts(nemesis->run->scenario), &set);
    return sim_host_set_has(&set, number);
}

static void triggered(struct sim_wound *wound)
{
    const struct sim_fault *fault = wound->fault;
    struct sim_run *run = wound->nemesis->run;

    wound->trigger_seen++;
    if (wound->trigger_seen < (uint64_t)fault->on.nth ||
        (wound->trigger_seen > (uint64_t)fault->on.nth && !fault->every))
        return;
    sim_world_call(run->world, sim_world_now(run->world) + (dfs_duration_ns)fault->after_ns, fire_now, wound);
}

void sim_nemesis_event(struct sim_nemesis *nemesis, enum sim_event event, struct sim_host *host)
{
    if (nemesis->stopped)
        return;
    for (size_t i = 0; i < nemesis->wounds_count; i++) {
        struct sim_wound *wound = &nemesis->wounds[i];

        if (wound->fault->triggered && wound->fault->on.event == event &&
            is_about(nemesis, &wound->fault->on.host, host))
            triggered(wound);
    }
}

void sim_nemesis_message(struct sim_nemesis *nemesis, uint32_t number, struct sim_host *from, struct sim_host *to)
{
    for (size_t i = 0; i < nemesis->wounds_count; i++) {
        struct sim_wound *wound = &nemesis->wounds[i];
        const struct sim_trigger *on = &wound->fault->on;

        if (wound->fault->triggered && on->event == SIM_EVENT_MESSAGE && (on->message == 0 || on->message == number) &&
            is_about(nemesis, &on->from, from) && is_about(nemesis, &on->to, to))
            triggered(wound);
    }
}

static void on_disk(struct sim_run *run, void *state, const struct sim_disk_event *event)
{
    struct sim_nemesis *nemesis = *(struct sim_nemesis **)state;

    if (nemesis->stopped || run->zero == DFS_NEVER)
        return;
    for (size_t i = 0; i < nemesis->wounds_count; i++) {
        struct sim_wound *wound = &nemesis->wounds[i];
        const struct sim_trigger *on = &wound->fault->on;

        if (wound->fault->triggered && on->event == SIM_EVENT_DISK_OPERATION &&
            (on->operation == 0 || on->operation == 1 + (int)event->op->verb) &&
            is_about(nemesis, &on->host, event->host))
            triggered(wound);
    }
}

/* A machine that was down when it was made slow, or its clock wrong, is so now. */
static void on_started(struct sim_nemesis *nemesis, uint32_t number, struct sim_host *host)
{
    dfs_list_each(at, &nemesis->blows)
    {
        struct sim_blow *blow = dfs_container_of(at, struct sim_blow, link);

        if (!blow->undone && blow->wound->effect == 0 && sim_host_set_has(&blow->touched, number) &&
            (blow->fault->kind == SIM_FAULT_SLOW || blow->fault->kind == SIM_FAULT_CLOCK))
            sim_blow_effect(blow, host);
    }
}

/* A host that was asked to leave has stopped, and its time away is over already. */
static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    struct sim_nemesis *nemesis = *(struct sim_nemesis **)state;
    const uint32_t number = sim_run_host_number(run, host);

    if (number != UINT32_MAX && change == SIM_HOST_STARTED)
        on_started(nemesis, number, host);
    if (number == UINT32_MAX || (change != SIM_HOST_STOPPED && change != SIM_HOST_CRASHED))
        return;
    sim_host_set_remove(&nemesis->leavers, number);
}

/* Life ------------------------------------------------------------------------------------------------------------------------ */

static bool needs_captures(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_FORGE || kind == SIM_FAULT_REPLAY;
}

struct sim_nemesis *sim_nemesis_new(struct sim_run *run)
{
    static const struct sim_hooks with_disk = {.disk_submitted = on_disk, .host_changed = on_host};
    static const struct sim_hooks without_disk = {.host_changed = on_host};
    const struct sim_scenario *scenario = run->scenario;
    struct sim_nemesis *nemesis = dfs_alloc_zero(sizeof *nemesis);
    bool disk = false;

    nemesis->run = run;
    nemesis->wounds_count = scenario->faults_count;
    nemesis->wounds = dfs_alloc_zero_array(nemesis->wounds_count + 1, sizeof *nemesis->wounds);
    nemesis->hosts_count = sim_hosts_count(sim_scenario_hosts(scenario));
    nemesis->touches = dfs_alloc_zero_array(nemesis->hosts_count, sizeof *nemesis->touches);
    for (uint32_t i = 0; i < nemesis->hosts_count; i++)
        nemesis->touches[i].last_end = DFS_NEVER;
    dfs_list_init(&nemesis->blows);
    dfs_list_init(&nemesis->rules);
    dfs_list_init(&nemesis->moments);
    for (size_t i = 0; i < nemesis->wounds_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];

        nemesis->wounds[i] = (struct sim_wound){.nemesis = nemesis, .fault = fault, .index = i};
        disk = disk || (fault->triggered && fault->on.event == SIM_EVENT_DISK_OPERATION);
        nemesis->filters = nemesis->filters || filters_messages(fault->kind) ||
                           (fault->triggered && fault->on.event == SIM_EVENT_MESSAGE);
        nemesis->captures_on = nemesis->captures_on || needs_captures(fault->kind);
        for (uint32_t kind = 0; kind < SIM_FAULT_COUNT && fault->kind == SIM_FAULT_RANDOM; kind++) {
            if ((fault->random.kinds >> kind & 1u) == 0)
                continue;
            nemesis->filters = nemesis->filters || filters_messages((enum sim_fault_kind)kind);
            nemesis->captures_on = nemesis->captures_on || needs_captures((enum sim_fault_kind)kind);
        }
    }
    *(struct sim_nemesis **)sim_listeners_add_owned(run, "nemesis", disk ? &with_disk : &without_disk, sizeof(void *)) =
        nemesis;
    sim_nemesis_observe(nemesis);
    return nemesis;
}

void sim_nemesis_free(struct sim_nemesis *nemesis)
{
    struct dfs_list *at;

    if (nemesis == NULL)
        return;
    while ((at = dfs_list_first(&nemesis->blows)) != NULL)
        blow_free(dfs_container_of(at, struct sim_blow, link));
    sim_nemesis_moments_free(nemesis);
    for (size_t i = 0; i < nemesis->copies_count; i++)
        dfs_free(nemesis->copies_nodes[i]);
    dfs_free(nemesis->captures);
    dfs_free(nemesis->touches);
    dfs_free(nemesis->wounds);
    dfs_free(nemesis);
}

void sim_nemesis_begin(struct sim_nemesis *nemesis)
{
    struct sim_run *run = nemesis->run;

    for (size_t i = 0; i < nemesis->wounds_count; i++) {
        struct sim_wound *wound = &nemesis->wounds[i];

        if (wound->fault->kind == SIM_FAULT_RANDOM)
            sim_wound_random(wound);
        else if (!wound->fault->triggered && wound->fault->at_ns <= run->scenario->duration_ns)
            sim_world_call(run->world, sim_run_world_time(run, (dfs_time_ns)wound->fault->at_ns), fire_now, wound);
    }
}

static bool counts_disk_operations(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_DISK_ERROR || kind == SIM_FAULT_SYNC_ERROR || kind == SIM_FAULT_DISK_STALE ||
           kind == SIM_FAULT_DISK_MISDIRECT;
}

/* Has it an end of its own, by time or by number? */
static bool has_end(const struct sim_fault *fault)
{
    if (fault->for_ns > 0)
        return true;
    return (filters_messages(fault->kind) || counts_disk_operations(fault->kind)) &&
           (fault->count > 0 || fault->nth > 0);
}

void sim_nemesis_stop(struct sim_nemesis *nemesis)
{
    nemesis->stopped = true;
    dfs_list_each(at, &nemesis->blows)
    {
        struct sim_blow *blow = dfs_container_of(at, struct sim_blow, link);

        if (has_end(blow->fault))
            sim_blow_over(blow);
    }
}

void sim_nemesis_each(const struct sim_nemesis *nemesis, void (*each)(void *arg, const struct sim_struck *struck),
                      void *arg)
{
    dfs_list_each(at, &nemesis->blows)
    {
        const struct sim_blow *blow = dfs_container_of(at, struct sim_blow, link);
        const struct sim_struck struck = {.index = blow->wound->index,
                                          .fault = blow->fault,
                                          .at = blow->at,
                                          .effect = blow->effect + sim_blow_disk_hits(blow)};

        each(arg, &struck);
    }
}

struct sim_nemesis_account sim_nemesis_account(const struct sim_nemesis *nemesis, size_t index)
{
    struct sim_nemesis_account account = {.struck = false};

    dfs_list_each(at, &nemesis->blows)
    {
        const struct sim_blow *blow = dfs_container_of(at, struct sim_blow, link);

        if (blow->wound->index != index)
            continue;
        account.struck = true;
        account.effect += blow->effect + sim_blow_disk_hits(blow);
    }
    return account;
}

void sim_nemesis_vacuity(struct sim_nemesis *nemesis)
{
    dfs_list_each(at, &nemesis->blows)
    {
        struct sim_blow *blow = dfs_container_of(at, struct sim_blow, link);

        blow->wound->effect += sim_blow_disk_hits(blow); /* of faults that last to the end */
    }
    for (size_t i = 0; i < nemesis->wounds_count; i++) {
        const struct sim_wound *wound = &nemesis->wounds[i];
        const char *name = sim_fault_name(wound->fault->kind);

        if (wound->effect > 0)
            continue;
        if (wound->fault->line == 0)
            continue; /* drawn, not written: nobody has claimed that it matters */
        if (wound->fault->triggered && !wound->fired)
            sim_run_verdict(nemesis->run, SIM_VACUOUS,
                            "fault %zu (line %u, %s) was never triggered: %s came %llu times", i, wound->fault->line,
                            name, sim_event_name(wound->fault->on.event), (unsigned long long)wound->trigger_seen);
        else
            sim_run_verdict(nemesis->run, SIM_VACUOUS, "fault %zu (line %u, %s) never took effect", i,
                            wound->fault->line, name);
    }
}
