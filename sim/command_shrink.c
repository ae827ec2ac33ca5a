/* `dfs-sim shrink`: from a failing run to the least file that fails in the same way. */
#include "sim/commands.h"
#include "sim/own_seed.h"
#include "sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>

#define TIME_DEFAULT_NS (50 * DFS_SECONDS)

struct shrink_options {
    struct sim_shrink shrink;
    bool seed_given;
};

#define AT(member) offsetof(struct shrink_options, shrink.member)

static const struct sim_option options[] = {
    SIM_OPTION_OWN_SEED(AT(seed), SIM_OPTION_SEEN_AT(struct shrink_options, seed_given)),
    {.name = "output",
     .letter = 'o',
     .argument = "FILE",
     .type = SIM_OPTION_TEXT,
     .offset = AT(output),
     .help = "where the least scenario goes; it names its seed"},
    SIM_OPTION_JOBS(AT(workers), SIM_SHRINK_WORKERS_MAX),
    SIM_OPTION_TIME(AT(time_ns), 0, "50s", "the least so far is the result"),
};

static int command_shrink(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct sim_source source = {0};
    struct dfs_why why;
    struct shrink_options wanted = {.shrink = {.source = &source,
                                               .seed = 1,
                                               .workers = sim_command_workers(SIM_SHRINK_WORKERS_MAX),
                                               .time_ns = TIME_DEFAULT_NS}};
    struct sim_shrink *shrink = &wanted.shrink;
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, &wanted, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (argc - first != 1)
        return sim_usage_error("shrink needs one SCENARIO; see dfs-sim shrink --help");
    if (shrink->output == NULL)
        return sim_usage_error("shrink needs -o FILE for the least scenario");
    if (sim_source_load(&source, argv[first], &why) != DFS_OK)
        return sim_world_error("%s", why.text);
    if (!wanted.seed_given)
        (void)sim_own_seed(&source, &shrink->seed);
    const enum dfs_status status = sim_shrink_run(shrink, &why);

    sim_source_close(&source);
    if (status != DFS_OK)
        return status == DFS_IO ? sim_world_error("%s", why.text) : sim_usage_error("%s", why.text);
    (void)printf("%s%s%s\n%zu faults and %zu operations became %zu and %zu in %" PRIu64 " runs%s\n"
                 "dfs-sim run %s --seed %" PRIu64 "\n",
                 shrink->verdict, shrink->way[0] != '\0' ? ": " : "", shrink->way, shrink->faults_before,
                 shrink->works_before, shrink->faults_after, shrink->works_after, shrink->runs,
                 shrink->out_of_time ? "; the time was over" : "", shrink->output, shrink->seed);
    return 0;
}

const struct sim_command sim_command_shrink = {
    .name = "shrink",
    .line = "shrink SCENARIO --seed N -o SMALLER [-j N] [--time 50s]",
    .run = command_shrink,
    SIM_OPTIONS(options),
    .before =
        "dfs-sim shrink SCENARIO --seed N -o SMALLER [options]    the least scenario that still fails in the same way\n"
        "\n"
        "SCENARIO is a file or \"swarm\". The run is recorded, then faults, operations, hosts, copies, settings, sizes and times are taken away as\n"
        "long as it ends with the same verdict in the same way: checker, expectation, assertion. Keep SMALLER in sim/scenarios/regressions/: ci/test replays it.\n",
    .after =
        "Exit codes: 0 SMALLER is written, 2 bad scenario or usage, or the run does not fail, 7 a file could not be used.\n",
};
