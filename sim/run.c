#include "sim/run.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/audit.h"
#include "sim/copies.h"
#include "sim/coverage.h"
#include "sim/digest.h"
#include "sim/expect.h"
#include "sim/listen.h"
#include "sim/nemesis.h"
#include "sim/random.h"
#include "sim/workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How often the run looks whether everything is at rest. */
#define SETTLE_SLICE_NS (100 * DFS_MILLISECONDS)

/* Verdicts ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int exit_code;
} verdicts[SIM_VERDICT_COUNT] = {
    [SIM_PASS] = {"pass", 0},
    [SIM_VACUOUS] = {"vacuous", 3},
    [SIM_STUCK] = {"stuck", 4},
    [SIM_FAIL] = {"fail", 1},
    [SIM_NONDETERMINISTIC] = {"nondeterministic", 5},
    [SIM_ABORTED] = {"aborted", 6},
};

const char *sim_verdict_name(enum sim_verdict_kind verdict)
{
    DFS_ASSERT((unsigned)verdict < SIM_VERDICT_COUNT);
    return verdicts[verdict].name;
}

int sim_verdict_exit_code(enum sim_verdict_kind verdict)
{
    DFS_ASSERT((unsigned)verdict < SIM_VERDICT_COUNT);
    return verdicts[verdict].exit_code;
}

void sim_run_verdict(struct sim_run *run, enum sim_verdict_kind verdict, const char *format, ...)
{
    const size_t at = strlen(run->reason);
    va_list arguments;

    if (verdict > run->verdict)
        run->verdict = verdict;
    if (at + 1 >= sizeof run->reason)
        return;
    run->reason[at] = '\n';
    va_start(arguments, format);
    (void)vsnprintf(run->reason + at + (at > 0), sizeof run->reason - at - (at > 0), format, arguments);
    va_end(arguments);
}

void sim_run_violation(struct sim_run *run, const char *checker, const struct sim_host *host, const char *format, ...)
{
    va_list arguments;

    run->verdict = run->verdict > SIM_FAIL ? run->verdict : SIM_FAIL;
    if (run->violations_count == SIM_VIOLATIONS_MAX) {
        run->violations_more++;
        return;
    }
    struct sim_violation *violation = &run->violations[run->violations_count++];

    violation->checker = checker;
    violation->at = sim_run_time(run);
    violation->before_zero = run->zero == DFS_NEVER;
    violation->line = run->line;
    if (host != NULL)
        (void)snprintf(violation->host, sizeof violation->host, "%s", sim_host_name(host));
    va_start(arguments, format);
    (void)vsnprintf(violation->message, sizeof violation->message, format, arguments);
    va_end(arguments);
}

/* Times and hosts ----------------------------------------------------------------------------------------------------------- */

dfs_time_ns sim_run_time(const struct sim_run *run)
{
    return run->zero == DFS_NEVER ? 0 : sim_world_now(run->world) - run->zero;
}

struct sim_host *sim_run_host(const struct sim_run *run, uint32_t number)
{
    return sim_world_host_get(run->world, number);
}

uint32_t sim_run_host_number(const struct sim_run *run, const struct sim_host *host)
{
    const uint32_t index = sim_host_index(host);

    return index < sim_hosts_count(sim_scenario_hosts(run->scenario)) ? index : UINT32_MAX;
}

/* Events ---------------------------------------------------------------------------------------------------------------------- */

void sim_run_event(struct sim_run *run, enum sim_event event, struct sim_host *host)
{
    if (run->zero == DFS_NEVER)
        return;
    run->events_seen[event]++;
    sim_expects_event(run->expects, event, host);
    sim_nemesis_event(run->nemesis, event, host);
}

static void note_eviction(struct sim_run *run, const struct sim_host *host)
{
    if (run->zero == DFS_NEVER || host == NULL)
        return;
    if (run->evictions_count == run->evictions_room) {
        run->evictions_room = run->evictions_room == 0 ? 8 : run->evictions_room * 2;
        run->evictions = dfs_realloc_array(run->evictions, run->evictions_room, sizeof *run->evictions);
    }
    run->evictions[run->evictions_count++] =
        (struct sim_eviction){.data = sim_run_host_number(run, host) - 2, .at = sim_run_time(run)};
}

static void note_repair(struct sim_run *run, const struct dfs_trace *trace)
{
    if (trace->status != DFS_OK || run->zero == DFS_NEVER)
        return;
    run->repair_copies++;
    run->repair_bytes += trace->a;
    run->repair_last_at = sim_run_time(run);
}

/* The event of a trace; SIM_EVENT_COUNT: none. */
static enum sim_event event_of(enum dfs_trace_kind kind)
{
    switch ((int)kind) {
    case DFS_TRACE_EVICTED:
        return SIM_EVENT_EVICTED;
    case DFS_TRACE_JOINED:
        return SIM_EVENT_JOINED;
    case DFS_TRACE_SUSPECTED:
        return SIM_EVENT_SUSPECTED;
    case DFS_TRACE_FENCED:
        return SIM_EVENT_FENCED;
    case DFS_TRACE_REPAIR_STARTED:
        return SIM_EVENT_REPAIR_STARTED;
    case DFS_TRACE_REPAIR_DONE:
        return SIM_EVENT_REPAIR_DONE;
    case DFS_TRACE_BRAKE_ON:
        return SIM_EVENT_BRAKE_ON;
    case DFS_TRACE_BRAKE_OFF:
        return SIM_EVENT_BRAKE_OFF;
    case DFS_TRACE_BLOCK_BAD:
        return SIM_EVENT_BLOCK_BAD;
    case DFS_TRACE_TRIMMED:
        return SIM_EVENT_TRIMMED;
    case DFS_TRACE_SCRUB_DONE:
        return SIM_EVENT_SCRUB_DONE;
    case DFS_TRACE_TOKEN_REFUSED:
        return SIM_EVENT_TOKEN_REFUSED;
    case DFS_TRACE_CHECKPOINT:
        return SIM_EVENT_CHECKPOINT;
    default:
        return SIM_EVENT_COUNT;
    }
}

#define EVENT_TRACES \
    (1u << DFS_TRACE_EVICTED | 1u << DFS_TRACE_JOINED | 1u << DFS_TRACE_SUSPECTED | 1u << DFS_TRACE_FENCED | \
     1u << DFS_TRACE_REPAIR_STARTED | 1u << DFS_TRACE_REPAIR_DONE | 1u << DFS_TRACE_BRAKE_ON | \
     1u << DFS_TRACE_BRAKE_OFF | 1u << DFS_TRACE_BLOCK_BAD | 1u << DFS_TRACE_TRIMMED | 1u << DFS_TRACE_SCRUB_DONE | \
     1u << DFS_TRACE_TOKEN_REFUSED | 1u << DFS_TRACE_CHECKPOINT)

static void on_trace(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    const enum sim_event event = event_of(trace->kind);
    const struct sim_node *node =
        dfs_id_is_zero(&trace->node) ? NULL : sim_cluster_data_by_id(run->cluster, &trace->node);
    struct sim_host *about = node != NULL ? node->host : host;

    (void)state;
    if (event == SIM_EVENT_EVICTED)
        note_eviction(run, node != NULL ? node->host : NULL);
    else if (event == SIM_EVENT_REPAIR_DONE)
        note_repair(run, trace);
    sim_run_event(run, event, about);
}

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    (void)state;
    if (change == SIM_HOST_CRASHED)
        sim_run_event(run, SIM_EVENT_CRASHED, host);
    else if (change == SIM_HOST_STARTED && sim_host_lives(host) > 1)
        sim_run_event(run, SIM_EVENT_RESTARTED, host);
}

static void on_state(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    (void)state, (void)host;
    sim_coverage_add(run->coverage, trace->text, trace->text2, trace->text4, trace->text3, 1);
}

/* Blocks without their copies are what everything waits for. */
static bool copies_at_rest(struct sim_run *run, void *state, char *why, size_t room)
{
    struct sim_copies_count count;
    char name[DFS_FILE_NAME_BYTES_MAX];

    (void)state;
    sim_copies_look(run, NULL, &count);
    if (count.missing == 0)
        return true;
    dfs_block_name(&count.first, name);
    (void)snprintf(why, room,
                   "%llu of %llu blocks have fewer good copies than wanted (%u active servers); block %s of %s has %u",
                   (unsigned long long)count.missing, (unsigned long long)count.blocks, count.active, name,
                   count.first_of->path, count.first_copies);
    return false;
}

/* Life ------------------------------------------------------------------------------------------------------------------------ */

static const struct sim_hooks event_hooks = {.traces = EVENT_TRACES, .trace = on_trace, .host_changed = on_host};
static const struct sim_hooks coverage_hooks = {.traces = 1u << DFS_TRACE_STATE | 1u << DFS_TRACE_STAY,
                                                .trace = on_state};
static const struct sim_hooks copies_hooks = {.at_rest = copies_at_rest};

static struct sim_world *make_world(const struct sim_scenario *scenario, const struct sim_run_options *options)
{
    struct sim_world_options world = sim_world_options_default();

    world.link = sim_network_options(&scenario->network, &world.link);
    world.events_max = options->events_max > 0 ? options->events_max : SIM_EVENTS_MAX;
    world.stays = options->coverage;
    world.digest = sim_token_digest;
    return sim_world_new(options->seed, &world);
}

static struct sim_cluster_options cluster_options(const struct sim_scenario *scenario)
{
    struct sim_cluster_options options = {
        .data = (uint32_t)scenario->cluster.data,
        .clients = (uint32_t)scenario->cluster.clients,
        .zones = (uint32_t)scenario->cluster.zones,
        .capacity_bytes = (uint64_t)scenario->cluster.capacity_bytes,
        .settings = scenario->cluster.settings,
        .bounds = scenario->cluster.bounds,
        .disk = sim_disk_options_default(),
    };

    const struct dfs_spread *latency = &scenario->disk.latency;
    const struct dfs_spread *sync = &scenario->disk.sync_latency;

    options.disk.latency = (struct sim_range){(dfs_duration_ns)latency->low, (dfs_duration_ns)latency->high};
    options.disk.latencies = latency->values;
    options.disk.latencies_count = latency->count;
    if (scenario->disk.sync_latency_seen) {
        options.disk.sync_latency = (struct sim_range){(dfs_duration_ns)sync->low, (dfs_duration_ns)sync->high};
        options.disk.sync_latencies = sync->values;
        options.disk.sync_latencies_count = sync->count;
    }
    options.disk.bytes_per_second = (uint64_t)scenario->disk.throughput_bytes_per_s;
    return options;
}

struct sim_run *sim_run_new(const struct sim_scenario *scenario, const struct sim_run_options *options)
{
    struct sim_run *run = dfs_alloc_zero(sizeof *run);

    run->scenario = scenario;
    run->options = *options;
    run->zero = DFS_NEVER;
    run->fault_last = DFS_NEVER;
    run->world = make_world(scenario, options);
    sim_ledger_init(&run->ledger);
    run->listeners = sim_listeners_new(run);
    run->workload = sim_workload_new(run);
    const struct sim_cluster_options cluster = cluster_options(scenario);
    const struct sim_client_hooks hooks = sim_workload_hooks(run->workload);

    run->cluster = sim_cluster_new(run->world, &cluster, &hooks);
    run->copies = sim_copies_new(run);
    run->nemesis = sim_nemesis_new(run);
    run->expects = sim_expects_new(run);
    sim_run_listen(run, "events", &event_hooks, NULL);
    sim_run_listen(run, "progress", &copies_hooks, NULL);
    if (options->coverage) {
        run->coverage = sim_coverage_new();
        sim_run_listen(run, "coverage", &coverage_hooks, NULL);
    }
    for (size_t i = 0; sim_checkers[i] != NULL && !options->no_checkers; i++)
        (void)sim_listeners_add_owned(run, sim_checkers[i]->name, &sim_checkers[i]->hooks,
                                      sim_checkers[i]->state_bytes);
    if (options->attach != NULL)
        options->attach(run, options->attach_arg);
    sim_listeners_begin(run);
    return run;
}

void sim_run_free(struct sim_run *run)
{
    if (run == NULL)
        return;
    sim_listeners_free(run->listeners);
    sim_world_free(run->world);
    sim_expects_free(run->expects);
    sim_nemesis_free(run->nemesis);
    sim_copies_free(run->copies);
    sim_cluster_free(run->cluster);
    sim_workload_free(run->workload);
    sim_coverage_free(run->coverage);
    sim_ledger_close(&run->ledger);
    dfs_free(run->evictions);
    dfs_free(run);
}

/* Running ---------------------------------------------------------------------------------------------------------------------- */

/* false: the budget of events is used up. */
static bool run_until(struct sim_run *run, dfs_time_ns at)
{
    if (sim_world_run(run->world, sim_run_world_time(run, at)) != SIM_END_BUDGET)
        return true;
    sim_run_verdict(run, SIM_STUCK, "%llu steps of machines at %.3f s of the scenario: something spins",
                    (unsigned long long)sim_world_counts(run->world)->events, (double)sim_run_time(run) / 1e9);
    return false;
}

/* false: the budget of events is used up. */
static bool settle(struct sim_run *run)
{
    const dfs_time_ns end = (dfs_time_ns)(run->scenario->duration_ns + run->scenario->settle_ns);
    char why[512] = "";

    for (;;) {
        const dfs_time_ns now = sim_run_time(run);

        if (sim_run_at_rest(run, why, sizeof why))
            return true;
        if (now >= end)
            break;
        if (!run_until(run, now + SETTLE_SLICE_NS < end ? now + SETTLE_SLICE_NS : end))
            return false;
    }
    sim_run_verdict(run, SIM_STUCK, "%.0f s after the end not everything is at rest: %s",
                    (double)run->scenario->settle_ns / 1e9, why);
    sim_audit_stuck(run);
    return true;
}

static bool start(struct sim_run *run)
{
    char why[256];

    if (sim_cluster_start(run->cluster, SIM_START_LIMIT_NS)) {
        run->zero = sim_world_now(run->world);
        return true;
    }
    sim_cluster_waits_for(run->cluster, why, sizeof why);
    sim_run_verdict(run, SIM_STUCK, "the cluster did not come up within %.0f s: %s", (double)SIM_START_LIMIT_NS / 1e9,
                    why);
    return false;
}

bool sim_run_begin(struct sim_run *run)
{
    DFS_ASSERT(run->zero == DFS_NEVER);
    if (!start(run))
        return false;
    sim_tell_begun(run);
    sim_expects_begin(run->expects);
    sim_workload_begin(run->workload);
    sim_nemesis_begin(run->nemesis);
    return true;
}

void sim_run_stop(struct sim_run *run)
{
    run->over = true;
    sim_workload_stop(run->workload);
    sim_nemesis_stop(run->nemesis);
}

void sim_run_end(struct sim_run *run)
{
    sim_tell_end(run, run->settled);
    if (run->settled && !run->options.no_audit)
        sim_audit(run);
    sim_expects_decide(run->expects);
    sim_nemesis_vacuity(run->nemesis);
    sim_workload_vacuity(run->workload);
    sim_tell_finish(run);
}

bool sim_run_at_rest(struct sim_run *run, char *why, size_t room)
{
    if (!sim_ask_at_rest(run, why, room))
        return false;
    run->settled = true;
    run->settled_at = sim_run_time(run);
    return true;
}

void sim_run_suffix(struct sim_run *run, uint64_t suffix)
{
    sim_world_suffix(run->world, suffix);
    sim_random_seed(sim_world_draw(run->world, "openssl", 0));
    sim_nemesis_redraw(run->nemesis);
}

void sim_run_go(struct sim_run *run)
{
    if (!sim_run_begin(run))
        return;
    const bool ran = run_until(run, (dfs_time_ns)run->scenario->duration_ns);

    sim_run_stop(run);
    if (ran)
        (void)settle(run);
    sim_run_end(run);
}
