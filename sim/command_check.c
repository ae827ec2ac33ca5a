/* `dfs-sim check`: reads and validates, runs nothing. */
#include "sim/commands.h"
#include "sim/job.h"

#include <stdio.h>

#define EXIT_USAGE 2

/* It is read with so many seeds: what one draws another may not. */
#define CHECK_SEEDS 16

static int check_file(const char *file)
{
    struct sim_source source;
    struct dfs_why why;
    struct dfs_conf_error error;
    enum dfs_status status = sim_source_load(&source, file, &why);

    if (status != DFS_OK)
        return sim_world_error("%s", why.text);
    for (uint64_t seed = 1; seed <= CHECK_SEEDS && status == DFS_OK; seed++) {
        struct sim_scenario scenario;

        status = sim_source_read(&source, seed, &scenario, &error);
        if (status == DFS_OK && seed == CHECK_SEEDS)
            (void)printf("%s: %s: %zu entries of workload, %zu faults, %zu expectations\n", file, scenario.name,
                         scenario.works_count, scenario.faults_count, scenario.expects_count);
        sim_scenario_close(&scenario);
    }
    sim_source_close(&source);
    if (status == DFS_OK)
        return 0;
    (void)fprintf(stderr, "%s\n", error.text);
    return EXIT_USAGE;
}

static int command_check(const struct sim_command *command, const char *program, int argc, char **argv)
{
    int worst = 0;
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, NULL, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (first == argc)
        return sim_usage_error("check needs at least one SCENARIO");
    for (int i = first; i < argc; i++) {
        const int code = check_file(argv[i]);

        worst = worst == EXIT_USAGE ? worst : code != 0 ? code : worst;
    }
    return worst;
}

const struct sim_command sim_command_check = {
    .name = "check",
    .line = "check SCENARIO...",
    .run = command_check,
    .before = "dfs-sim check SCENARIO...    reads and validates, runs nothing\n",
};
