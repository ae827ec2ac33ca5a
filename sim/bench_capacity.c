#include "sim/bench_capacity.h"

#include "core/base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define S(n) ((int64_t)(n)*1000000000)

/* As many bytes as a block's header has: small, and no two blocks alike. */
#define BLOCK_BYTES 256

#define FILES_PER_S 10
#define CLIENTS 8
#define PARALLEL 64 /* blocks under way at a client */

/* After the last PUT was asked, before the loss: all are acknowledged. */
#define CALM_S 15

/* Enough for heartbeats to be missed and for the copies to be made. */
#define AFTER_S 10
#define SETTLE_S 600

struct sim_capacity sim_capacity_full(void)
{
    return (struct sim_capacity){.data = 1000, .zones = 25, .files = 977, .blocks = 1024};
}

struct moment {
    double wall;
    double cpu; /* of this process: what else the machine does is not in it */
};

static double clock_now(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct moment moment_now(void)
{
    return (struct moment){.wall = clock_now(CLOCK_MONOTONIC), .cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID)};
}

static double memory_peak(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss * 1024 : 0;
}

/* The scenario ------------------------------------------------------------------------------------------------------------- */

static void add_puts(const struct sim_capacity *capacity, struct sim_scenario *scenario)
{
    struct sim_work *mix = sim_scenario_work(scenario);

    mix->is_mix = true;
    mix->to_seen = true;
    mix->to_ns = S(capacity->files) / FILES_PER_S;
    mix->clients.count = 0;
    sim_host_refs_add(&mix->clients, SIM_HOST_ALL_CLIENTS, 0);
    mix->rate_millionths = INT64_C(1000000) * FILES_PER_S;
    mix->paths = 1000000; /* hardly any file replaces another */
    mix->size.low = mix->size.high = (int64_t)capacity->blocks * BLOCK_BYTES;
    memset(mix->weights, 0, sizeof mix->weights);
    mix->weights[SIM_OP_PUT] = 1;
}

static void add_loss(const struct sim_capacity *capacity, struct sim_scenario *scenario, int64_t at_ns)
{
    struct sim_fault *fault = sim_scenario_fault(scenario);

    fault->kind = SIM_FAULT_CRASH;
    fault->at_ns = at_ns;
    fault->hosts.count = 0;
    for (uint32_t i = 0; i < capacity->data; i += capacity->zones)
        sim_host_refs_add(&fault->hosts, SIM_HOST_DATA, i);
}

static void fill_scenario(const struct sim_capacity *capacity, struct sim_scenario *scenario)
{
    struct dfs_settings *settings = &scenario->cluster.settings;
    const int64_t loss_ns = S(capacity->files) / FILES_PER_S + S(CALM_S);

    sim_scenario_init(scenario);
    (void)snprintf(scenario->name, sizeof scenario->name, "bench-capacity");
    scenario->duration_ns = loss_ns + S(AFTER_S);
    scenario->settle_ns = S(SETTLE_S);
    scenario->cluster.data = capacity->data;
    scenario->cluster.clients = CLIENTS;
    scenario->cluster.zones = capacity->zones;
    settings->scrypt_n = 16;
    settings->token_lifetime_ns = S(24 * 3600);
    settings->block_min_bytes = BLOCK_BYTES;
    settings->blocks_spread = capacity->blocks;
    settings->repair_grace_ns = 0;
    settings->repair_total = 4096;
    settings->parallel = PARALLEL;
    add_puts(capacity, scenario);
    add_loss(capacity, scenario, loss_ns);
}

/* Watching ----------------------------------------------------------------------------------------------------------------- */

struct watch {
    struct moment begun;
    struct moment lost;
    struct moment rested;
};

static void on_begun(struct sim_run *run, void *state)
{
    struct watch *watch = state;

    (void)run;
    watch->begun = moment_now();
}

static void on_fault(struct sim_run *run, void *state, size_t index, const struct sim_fault *fault,
                     struct sim_host *host, bool begins)
{
    struct watch *watch = state;

    (void)run, (void)index, (void)fault, (void)host;
    if (begins && watch->lost.wall <= 0)
        watch->lost = moment_now();
}

/* The last to be asked: everybody else has said yes. */
static bool on_rest(struct sim_run *run, void *state, char *why, size_t room)
{
    struct watch *watch = state;

    (void)run;
    if (room > 0)
        why[0] = '\0'; /* never a reason to wait */
    watch->rested = moment_now();
    return true;
}

static const struct sim_hooks watch_hooks = {.begun = on_begun, .fault = on_fault, .at_rest = on_rest};

static void attach(struct sim_run *run, void *arg)
{
    sim_run_listen(run, "capacity", &watch_hooks, arg);
}

struct sim_capacity_result sim_capacity_run(const struct sim_capacity *capacity)
{
    struct sim_scenario scenario;
    struct watch watch = {.lost = {.wall = 0}};
    const struct sim_run_options options = {.seed = 1, .no_audit = true, .attach = attach, .attach_arg = &watch};

    DFS_ASSERT(capacity->data > 0 && capacity->zones > 0 && capacity->files > 0 && capacity->blocks > 0);
    fill_scenario(capacity, &scenario);
    struct sim_run *run = sim_run_new(&scenario, &options);

    sim_run_go(run);
    const struct sim_capacity_result result = {
        .blocks = run->ledger.put_acknowledged * capacity->blocks,
        .lost = run->evictions_count,
        .copies = run->repair_copies,
        .events = sim_world_counts(run->world)->events,
        .fill_seconds = watch.lost.wall - watch.begun.wall,
        .fill_cpu_seconds = watch.lost.cpu - watch.begun.cpu,
        .repair_seconds = watch.rested.wall - watch.lost.wall,
        .repair_cpu_seconds = watch.rested.cpu - watch.lost.cpu,
        .memory_bytes = memory_peak(),
        .verdict = run->verdict,
        .hash = sim_world_hash(run->world),
    };

    if (run->verdict != SIM_PASS)
        (void)fprintf(stderr, "capacity: %s%s%s\n", sim_verdict_name(run->verdict), run->reason[0] != '\0' ? ": " : "",
                      run->reason[0] != '\0'      ? run->reason
                      : run->violations_count > 0 ? run->violations[0].message
                                                  : "");
    sim_run_free(run);
    sim_scenario_close(&scenario);
    return result;
}

/* Printing ----------------------------------------------------------------------------------------------------------------- */

int sim_bench_capacity(bool json)
{
    const struct sim_capacity capacity = sim_capacity_full();
    const struct sim_capacity_result result = sim_capacity_run(&capacity);
    char hash[32];

    (void)snprintf(hash, sizeof hash, "%016" PRIx64, result.hash);
    if (json) {
        json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:s, s:s}", "case", "capacity",
                                "data", (json_int_t)capacity.data, "blocks", (json_int_t)result.blocks, "servers_lost",
                                (json_int_t)result.lost, "copies_made", (json_int_t)result.copies, "events",
                                (json_int_t)result.events, "fill_wall_seconds", result.fill_seconds, "fill_cpu_seconds",
                                result.fill_cpu_seconds, "loss_wall_seconds", result.repair_seconds, "loss_cpu_seconds",
                                result.repair_cpu_seconds, "peak_rss_bytes", result.memory_bytes, "trace_hash", hash,
                                "verdict", sim_verdict_name(result.verdict));

        (void)json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        (void)putchar('\n');
        json_decref(all);
    } else {
        (void)printf("capacity: %u data servers, %" PRIu64 " blocks of three copies, %" PRIu64 " events: %s\n",
                     capacity.data, result.blocks, result.events, sim_verdict_name(result.verdict));
        (void)printf("  filled in        %8.1f s of wall time, %.1f s of processor time\n", result.fill_seconds,
                     result.fill_cpu_seconds);
        (void)printf("  a zone lost      %8.1f s of wall time, %.1f s of processor time, from the loss of %" PRIu64
                     " servers until %" PRIu64 " copies were made and looked at\n",
                     result.repair_seconds, result.repair_cpu_seconds, result.lost, result.copies);
        (void)printf("  peak memory      %8.2f GiB resident\n", result.memory_bytes / (1024.0 * 1024 * 1024));
    }
    return sim_verdict_exit_code(result.verdict);
}
