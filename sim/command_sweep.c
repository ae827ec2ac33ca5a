/* `dfs-sim sweep`: many seeds, of scenarios or of the swarm, in processes side by side. */
#include "sim/commands.h"
#include "sim/own_seed.h"
#include "sim/sweep.h"

#include "core/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct sweep_options {
    struct sim_sweep sweep;
    bool seeds_given;
};

/* "A..B", "A" or "A.." */
static bool seeds_of(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    char first[32];
    const char *dots = strstr(text, "..");

    if (dots == NULL) {
        if (!sim_number_read(text, INT64_MAX, ret_first))
            return false;
        *ret_last = *ret_first;
        return true;
    }
    if ((size_t)(dots - text) >= sizeof first)
        return false;
    memcpy(first, text, (size_t)(dots - text));
    first[dots - text] = '\0';
    if (!sim_number_read(first, INT64_MAX, ret_first))
        return false;
    *ret_last = INT64_MAX;
    return dots[2] == '\0' || (sim_number_read(dots + 2, INT64_MAX, ret_last) && *ret_last >= *ret_first);
}

/* "I/N" */
static bool shard_of(const char *text, uint64_t *ret_shard, uint64_t *ret_shards)
{
    char left[32];
    const char *slash = strchr(text, '/');

    if (slash == NULL || (size_t)(slash - text) >= sizeof left)
        return false;
    memcpy(left, text, (size_t)(slash - text));
    left[slash - text] = '\0';
    if (!sim_number_read(left, INT64_MAX, ret_shard) || !sim_number_read(slash + 1, INT64_MAX, ret_shards) ||
        *ret_shards == 0 || *ret_shard > *ret_shards)
        return false;
    *ret_shard %= *ret_shards; /* job arrays count from 0 or from 1 */
    return true;
}

static bool read_seeds(void *base, const char *text, struct dfs_why *ret_why)
{
    struct sim_sweep *sweep = &((struct sweep_options *)base)->sweep;

    sweep->own_seeds = strcmp(text, "own") == 0;
    if (sweep->own_seeds || seeds_of(text, &sweep->first, &sweep->last))
        return true;
    dfs_why_set(ret_why, "\"%s\" is not A..B with A not above B, such as 1..100; seeds are from 0 to %" PRId64,
                dfs_quote_text(text).text, INT64_MAX);
    return false;
}

static bool read_shard(void *base, const char *text, struct dfs_why *ret_why)
{
    struct sim_sweep *sweep = &((struct sweep_options *)base)->sweep;

    if (shard_of(text, &sweep->shard, &sweep->shards))
        return true;
    dfs_why_set(ret_why, "\"%s\" is not I/N with I not above N, such as 1/8", dfs_quote_text(text).text);
    return false;
}

#define AT(member) offsetof(struct sweep_options, sweep.member)

static const struct sim_option options[] = {
    {.name = "seeds",
     .argument = "A..B",
     .type = SIM_OPTION_CUSTOM,
     .read = read_seeds,
     .seen = SIM_OPTION_SEEN_AT(struct sweep_options, seeds_given),
     .help =
         "the seeds; \"A..\" goes on until --time is over; \"own\": each file with the seed that it names (of --record, shrink)"},
    SIM_OPTION_JOBS(AT(workers), SIM_WORKERS_MAX),
    SIM_OPTION_TIME(AT(time_ns), 0, "60s", "no new seed is begun"),
    {.name = "first", .type = SIM_OPTION_FLAG, .offset = AT(stop_at_first), .help = "stops at the first failure"},
    {.name = "shard",
     .argument = "I/N",
     .type = SIM_OPTION_CUSTOM,
     .read = read_shard,
     .help = "takes every N-th seed: N values of I, from 0 or from 1, share all seeds"},
    SIM_OPTION_JSON(AT(json), "one JSON object a failing seed, one a line, then a summary object"),
    {.name = "junit",
     .argument = "FILE",
     .type = SIM_OPTION_TEXT,
     .offset = AT(junit_file),
     .help = "the results for continuous integration\n"
             "where GITHUB_ACTIONS is \"true\", failures are annotations as well"},
    SIM_OPTION_FILE("coverage", AT(coverage_file), "the edges of the machines that were taken, one JSON object a line"),
};

static int command_sweep(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct sweep_options wanted = {
        .sweep = {.program = program, .shards = 1, .workers = sim_command_workers(SIM_WORKERS_MAX)}};
    uint64_t own = 0;
    struct dfs_why why;
    int first = 0;
    int code = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, &wanted, &first);

    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (!wanted.seeds_given)
        return sim_usage_error("sweep needs --seeds A..B");
    if (wanted.sweep.last == INT64_MAX && wanted.sweep.time_ns == 0)
        return sim_usage_error("--seeds without an end needs --time");
    if (wanted.sweep.own_seeds && (argc == first || wanted.sweep.shards > 1))
        return sim_usage_error("--seeds own takes one or more SCENARIO, and no --shard");
    const size_t given = (size_t)(argc - first);
    struct sim_source *sources = dfs_alloc_zero_array(given + 1, sizeof *sources);

    for (size_t i = 0; i < given && code == 0; i++) {
        if (sim_source_load(&sources[i], argv[first + (int)i], &why) != DFS_OK)
            code = sim_world_error("%s", why.text);
        else if (wanted.sweep.own_seeds && !sim_own_seed(&sources[i], &own))
            code = sim_usage_error("%s names no seed: the last words of its \"description\" would be \"Seed 1.\"",
                                   sources[i].file);
    }
    if (given == 0)
        sources[0].file = "swarm";
    wanted.sweep.sources = sources;
    wanted.sweep.sources_count = given > 0 ? given : 1;
    if (code == 0)
        code = sim_sweep_run(&wanted.sweep);
    for (size_t i = 0; i < given; i++)
        sim_source_close(&sources[i]);
    dfs_free(sources);
    return code;
}

const struct sim_command sim_command_sweep = {
    .name = "sweep",
    .line = "sweep [SCENARIO...] --seeds A..B [-j N] [--time 60s] [--first] [--shard I/N] [--json] [--junit FILE]",
    .run = command_sweep,
    SIM_OPTIONS(options),
    .before =
        "dfs-sim sweep [SCENARIO...] --seeds A..B [options]\n"
        "\n"
        "Runs every scenario with every seed from A to B, both included. Without a scenario the swarm is run: each seed draws its own\n"
        "cluster, workload, network and faults. Prints for every failure the command that repeats it.\n",
    .after =
        "Ends with the worst exit code of its seeds, in the order 6 5 1 4 3 (see dfs-sim run --help); a swarm in which fewer than half\n"
        "of the seeds had an eviction and a completed repair ends with 3.\n",
};
