/* `dfs-sim shrink`: from a failing run to the least file that fails in the same way. */
#include "sim/command_shrink.h"

#include "core/conf/units.h"
#include "core/conf/words.h"
#include "sim/own_seed.h"
#include "sim/shrink.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_WORLD 7

#define TIME_DEFAULT_NS (50 * (int64_t)DFS_SECONDS)

static const char help[] =
    "dfs-sim shrink SCENARIO --seed N -o SMALLER [options]    the least scenario that still fails in the same way\n"
    "\n"
    "SCENARIO is a file or \"swarm\". The run is recorded, then faults, operations, hosts, copies, settings, sizes and times are taken away as\n"
    "long as it ends with the same verdict in the same way: checker, expectation, assertion. Keep SMALLER in sim/scenarios/regressions/: ci/test replays it.\n"
    "\n"
    "  --seed N           the seed that fails (default: the one that SCENARIO names, or 1)\n"
    "  -o, --output FILE  where the least scenario goes; it names its seed\n"
    "  -j, --jobs N       candidates at a time (default: one a core)\n"
    "  --time 50s         then the least so far is it\n"
    "\n"
    "Exit codes: 0 SMALLER is written, 2 bad scenario or usage, or the run does not fail, 7 a file could not be used.\n";

static int usage(const char *words, const char *given)
{
    (void)fprintf(stderr, "dfs-sim: shrink: %s%s\n", words, given);
    return EXIT_USAGE;
}

static bool number_of(const char *text, uint64_t max, uint64_t *ret_value)
{
    char *end = NULL;

    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    *ret_value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *ret_value <= max;
}

/* 0, or the exit code; -1: help was printed. */
static int read_options(int argc, char **argv, struct sim_shrink *shrink, bool *ret_seed_given)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'}, {"output", required_argument, NULL, 'o'},
        {"jobs", required_argument, NULL, 'j'}, {"time", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    struct dfs_why why;
    uint64_t number = 0;
    int64_t time_ns = 0;
    int found;

    while ((found = getopt_long(argc, argv, ":o:j:", options, NULL)) != -1) {
        switch (found) {
        case 's':
            if (!number_of(optarg, INT64_MAX, &shrink->seed))
                return usage("--seed: no whole number: ", optarg);
            *ret_seed_given = true;
            break;
        case 'o':
            shrink->output = optarg;
            break;
        case 'j':
            if (!number_of(optarg, SIM_SHRINK_WORKERS_MAX, &number) || number == 0)
                return usage("--jobs: not a number from 1 to 64: ", optarg);
            shrink->workers = (uint32_t)number;
            break;
        case 't':
            if (dfs_duration_parse(optarg, &time_ns, &why) != DFS_OK || time_ns <= 0)
                return usage("--time: not a duration such as \"50s\": ", optarg);
            shrink->time_ns = (dfs_duration_ns)time_ns;
            break;
        case 'h':
            (void)fputs(help, stdout);
            return -1;
        default:
            return usage("unknown option, or one without its value; see --help: ", argv[optind - 1]);
        }
    }
    return 0;
}

int sim_command_shrink(int argc, char **argv)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct sim_source source = {0};
    struct dfs_why why;
    struct sim_shrink shrink = {.source = &source,
                                .seed = 1,
                                .workers = cores < 1                        ? 1
                                           : cores > SIM_SHRINK_WORKERS_MAX ? SIM_SHRINK_WORKERS_MAX
                                                                            : (uint32_t)cores,
                                .time_ns = TIME_DEFAULT_NS};
    bool seed_given = false;
    const int code = read_options(argc, argv, &shrink, &seed_given);

    if (code != 0)
        return code < 0 ? 0 : code;
    if (argc - optind != 1)
        return usage("needs one SCENARIO; see dfs-sim shrink --help", "");
    if (shrink.output == NULL)
        return usage("needs -o FILE for the least scenario", "");
    if (sim_source_load(&source, argv[optind], &why) != DFS_OK) {
        (void)fprintf(stderr, "dfs-sim: %s\n", why.text);
        return EXIT_WORLD;
    }
    if (!seed_given)
        (void)sim_own_seed(&source, &shrink.seed);
    const enum dfs_status status = sim_shrink_run(&shrink, &why);

    sim_source_close(&source);
    if (status != DFS_OK) {
        (void)fprintf(stderr, "dfs-sim: %s\n", why.text);
        return status == DFS_IO ? EXIT_WORLD : EXIT_USAGE;
    }
    (void)printf("%s%s%s\n%zu faults and %zu operations became %zu and %zu in %" PRIu64 " runs%s\n"
                 "dfs-sim run %s --seed %" PRIu64 "\n",
                 shrink.verdict, shrink.way[0] != '\0' ? ": " : "", shrink.way, shrink.faults_before,
                 shrink.works_before, shrink.faults_after, shrink.works_after, shrink.runs,
                 shrink.out_of_time ? "; the time was over" : "", shrink.output, shrink.seed);
    return 0;
}
