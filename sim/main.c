/* dfs-sim: the command. Each subcommand reads its options and calls the library. */
#include "sim/bench.h"
#include "sim/bench_capacity.h"
#include "sim/command_diverge.h"
#include "sim/command_shrink.h"
#include "sim/command_explore.h"
#include "sim/command_why.h"
#include "sim/costs.h"
#include "sim/job.h"
#include "sim/own_seed.h"
#include "sim/paths.h"
#include "sim/pcap.h"
#include "sim/real.h"
#include "sim/recording.h"
#include "sim/report.h"
#include "sim/sweep.h"

#include "core/base/mem.h"
#include "core/conf/units.h"
#include "core/conf/words.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exit codes that are no verdict (interfaces). */
#define EXIT_USAGE 2
#define EXIT_WORLD 7

/* `check` reads with so many seeds: what one draws another may not. */
#define CHECK_SEEDS 16

static const char *program = "dfs-sim";

__attribute__((format(printf, 1, 2))) static int usage_error(const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "dfs-sim: ");
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\n");
    return EXIT_USAGE;
}

static int world_error(const char *words)
{
    (void)fprintf(stderr, "dfs-sim: %s\n", words);
    return EXIT_WORLD;
}

/* Options ------------------------------------------------------------------------------------------------------------------- */

static bool number_of(const char *text, uint64_t *ret_value)
{
    char *end = NULL;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret_value = strtoull(text, &end, 10);
    /* A seed is a number of JSON in the reports. */
    return errno == 0 && *end == '\0' && *ret_value <= INT64_MAX;
}

/* "A..B", "A" or "A.." */
static bool seeds_of(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    char first[32];
    const char *dots = strstr(text, "..");

    if (dots == NULL) {
        if (!number_of(text, ret_first))
            return false;
        *ret_last = *ret_first;
        return true;
    }
    if ((size_t)(dots - text) >= sizeof first)
        return false;
    memcpy(first, text, (size_t)(dots - text));
    first[dots - text] = '\0';
    if (!number_of(first, ret_first))
        return false;
    *ret_last = INT64_MAX;
    return dots[2] == '\0' || (number_of(dots + 2, ret_last) && *ret_last >= *ret_first);
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
    if (!number_of(left, ret_shard) || !number_of(slash + 1, ret_shards) || *ret_shards == 0 ||
        *ret_shard > *ret_shards)
        return false;
    *ret_shard %= *ret_shards; /* job arrays count from 0 or from 1 */
    return true;
}

/* Says which option is not known, and which is near. */
static int unknown_option(char **argv, const struct option *options)
{
    const char *given = argv[optind - 1];
    const char *names[32];
    size_t count = 0;

    if (optopt != 0) {
        for (const struct option *option = options; option->name != NULL; option++) {
            if (option->val == optopt)
                return usage_error("--%s needs a value", option->name);
        }
    }
    while (options[count].name != NULL) {
        names[count] = options[count].name;
        count++;
    }
    return usage_error("unknown option \"%s\"%s", dfs_quote_text(given).text,
                       dfs_words_suggest(given + strspn(given, "-"), names, count).text);
}

/* run ------------------------------------------------------------------------------------------------------------------------- */

static const char run_help[] =
    "dfs-sim run SCENARIO [options]         one run of a scenario file (or \"swarm\"), with its report\n"
    "\n"
    "  --seed N        what is drawn is drawn from this number (default: the one that the file names, or 1)\n"
    "  --json          the result as one JSON object\n"
    "  --trace FILE    every event, one line each\n"
    "  --html FILE     the run as a page for a browser\n"
    "  --pcap FILE     every message that arrived or was lost, for Wireshark (pcapng; see dfs-sim dissector)\n"
    "  --perfetto FILE hosts, operations, messages and disks for ui.perfetto.dev\n"
    "  --record FILE   the run as a scenario: each operation, fault, lost or late message at its time; it is run again and compared\n"
    "  --twice         runs twice and compares the trace hashes\n"
    "  --why           of a run that fails: the event after which it could not be saved any more, found by branches of the run with other\n"
    "                  futures; --suffixes N of them a point (default 16), within --time 300s; goes with --seed and --json only\n"
    "  --real          against daemons that are started on this machine: crash is SIGKILL, pause SIGSTOP; restart, partition and drop\n"
    "\n"
    "Exit codes: 0 pass, 1 a checker or an expectation failed, 2 bad scenario or usage, 3 vacuous (a fault or step never took\n"
    "effect), 4 no progress after the faults, 5 two runs of one seed differed, 6 a machine aborted, 7 a file could not be used.\n";

struct run_options {
    bool json;
    bool twice;
    bool real;
    bool why;
    bool why_options; /* some option that only --why has */
    uint64_t suffixes;
    int64_t time_ns;
    struct sim_job job;
};

/* A second run of the same: the verdict of the first becomes nondeterministic if it differs. */
static bool run_again(const struct sim_job *job, json_t *outcome)
{
    const struct sim_job again = {.source = job->source, .seed = job->seed};
    json_t *second = sim_job_run(&again);

    if (second == NULL)
        return false;
    sim_job_compare(outcome, second);
    json_decref(second);
    return true;
}

static int run_job(const struct run_options *options)
{
    const struct sim_job *job = &options->job;
    struct sim_recording recording = {.end = SIM_RECORDING_NONE};
    json_t *outcome = job->record_file != NULL ? sim_recording_run(job, &recording) : sim_job_run(job);
    char repeat[4096];

    if (outcome != NULL)
        sim_recording_print(stderr, &recording, job->record_file);
    sim_recording_close(&recording);

    if (outcome == NULL || (options->twice && json_object_get(outcome, "error") == NULL && !run_again(job, outcome))) {
        json_decref(outcome);
        return world_error(strerror(errno));
    }
    json_t *result = json_object_get(outcome, "result");

    if (result == NULL) {
        const int code = (int)json_integer_value(json_object_get(outcome, "exit"));

        (void)fprintf(stderr, "dfs-sim: %s\n", json_string_value(json_object_get(outcome, "error")));
        json_decref(outcome);
        return code;
    }
    (void)snprintf(repeat, sizeof repeat, "%s run %s --seed %" PRIu64, program, job->source->file, job->seed);
    if (options->json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        sim_report_run(stdout, result, repeat);
    }
    const int code = sim_verdict_exit_code(sim_result_verdict(result));

    json_decref(outcome);
    return code;
}

/* Against daemons. The reader draws by the seed, as for a simulated run. */
static int run_real(const struct run_options *options)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    struct dfs_why why;
    char self[4096];
    char repeat[4096];
    int code = 2;
    const ssize_t count = readlink("/proc/self/exe", self, sizeof self - 1);

    if (count <= 0)
        return world_error(strerror(errno));
    self[count] = '\0';
    if (sim_source_read(options->job.source, options->job.seed, &scenario, &error) != DFS_OK) {
        (void)fprintf(stderr, "dfs-sim: %s\n", error.text);
        sim_scenario_close(&scenario);
        return 2;
    }
    json_t *result = sim_real_run(&scenario, options->job.seed, self, &why, &code);

    sim_scenario_close(&scenario);
    if (result == NULL) {
        (void)fprintf(stderr, "dfs-sim: %s: %s\n", options->job.source->file, why.text);
        return code;
    }
    (void)snprintf(repeat, sizeof repeat, "%s run %s --seed %" PRIu64 " --real", program, options->job.source->file,
                   options->job.seed);
    if (options->json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        sim_report_run(stdout, result, repeat);
    }
    code = sim_verdict_exit_code(sim_result_verdict(result));
    json_decref(result);
    return code;
}

static int run_why(const struct run_options *options)
{
    const struct sim_why_options why = {.source = options->job.source,
                                        .seed = options->job.seed,
                                        .suffixes = (uint32_t)options->suffixes,
                                        .time_ns = (dfs_duration_ns)options->time_ns};

    return sim_command_why(&why, options->json);
}

static bool writes_files(const struct sim_job *job)
{
    return job->trace_file != NULL || job->html_file != NULL || job->pcap_file != NULL || job->perfetto_file != NULL ||
           job->record_file != NULL;
}

static int command_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},     {"json", no_argument, NULL, 'j'},
        {"trace", required_argument, NULL, 't'},    {"html", required_argument, NULL, 'm'},
        {"twice", no_argument, NULL, '2'},          {"help", no_argument, NULL, 'h'},
        {"record", required_argument, NULL, 'c'},   {"pcap", required_argument, NULL, 'p'},
        {"perfetto", required_argument, NULL, 'f'}, {"why", no_argument, NULL, 'x'},
        {"real", no_argument, NULL, 'r'},           {"suffixes", required_argument, NULL, 'n'},
        {"time", required_argument, NULL, 'l'},     {NULL, 0, NULL, 0},
    };
    struct sim_source source = {0};
    struct run_options run = {.suffixes = SIM_WHY_SUFFIXES_DEFAULT,
                              .time_ns = SIM_WHY_TIME_DEFAULT_NS,
                              .job = {.source = &source, .seed = 1}};
    struct dfs_why why;
    bool seed_given = false;
    int found;

    while ((found = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (found) {
        case 's':
            if (!number_of(optarg, &run.job.seed))
                return usage_error("--seed: \"%s\" is no whole number", dfs_quote_text(optarg).text);
            seed_given = true;
            break;
        case 'j':
            run.json = true;
            break;
        case 't':
            run.job.trace_file = optarg;
            break;
        case 'm':
            run.job.html_file = optarg;
            break;
        case 'p':
            run.job.pcap_file = optarg;
            break;
        case 'f':
            run.job.perfetto_file = optarg;
            break;
        case 'c':
            run.job.record_file = optarg;
            break;
        case '2':
            run.twice = true;
            break;
        case 'r':
            run.real = true;
            break;
        case 'h':
            (void)fputs(run_help, stdout);
            return 0;
        case 'x':
            run.why = true;
            break;
        case 'n':
            if (!number_of(optarg, &run.suffixes) || run.suffixes == 0 || run.suffixes > SIM_WHY_SUFFIXES_MAX)
                return usage_error("--suffixes: \"%s\" is not a number from 1 to %d", dfs_quote_text(optarg).text,
                                   SIM_WHY_SUFFIXES_MAX);
            run.why_options = true;
            break;
        case 'l':
            if (dfs_duration_parse(optarg, &run.time_ns, &why) != DFS_OK || run.time_ns <= 0)
                return usage_error("--time: \"%s\" is not a duration such as \"60s\"", dfs_quote_text(optarg).text);
            run.why_options = true;
            break;
        default:
            return unknown_option(argv, options);
        }
    }
    if (argc - optind != 1)
        return usage_error("run needs one SCENARIO; see dfs-sim run --help");
    if (run.why && (run.real || run.twice || writes_files(&run.job)))
        return usage_error(
            "--why goes with --seed, --json, --suffixes and --time only: it makes a simulated run many times");
    if (run.why_options && !run.why)
        return usage_error("--suffixes and --time of a run go with --why");
    if (sim_source_load(&source, argv[optind], &why) != DFS_OK)
        return world_error(why.text);
    if (run.real && (run.twice || writes_files(&run.job)))
        return usage_error(
            "--real goes with --seed and --json only: real time has no trace that could be kept or repeated");
    if (!seed_given)
        (void)sim_own_seed(&source, &run.job.seed);
    const int code = run.why ? run_why(&run) : run.real ? run_real(&run) : run_job(&run);

    sim_source_close(&source);
    return code;
}

/* sweep ----------------------------------------------------------------------------------------------------------------------- */

static const char sweep_help[] =
    "dfs-sim sweep [SCENARIO...] --seeds A..B [options]\n"
    "\n"
    "Runs every scenario with every seed from A to B, both included. Without a scenario the swarm is run: each seed draws its own\n"
    "cluster, workload, network and faults. Prints for every failure the command that repeats it.\n"
    "\n"
    "  --seeds A..B       the seeds; \"A..\" goes on until --time is over; \"own\": each file with the seed that it names (of --record, shrink)\n"
    "  -j, --jobs N       processes at a time (default: one a core)\n"
    "  --time 60s         begins no new seed after so long\n"
    "  --first            stops at the first failure\n"
    "  --shard I/N        takes every N-th seed, beginning with the I-th\n"
    "  --json             one object a failing seed, one a line, then a summary object\n"
    "  --junit FILE       the results for continuous integration\n"
    "                     where GITHUB_ACTIONS is \"true\", failures are annotations as well\n"
    "  --coverage FILE    the edges of the machines that were taken, one JSON object a line\n"
    "\n"
    "Ends with the worst exit code of its seeds, in the order 6 5 1 4 3 (see dfs-sim run --help); a swarm in which fewer than half\n"
    "of the seeds had an eviction and a completed repair ends with 3.\n";

static uint32_t cores(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > SIM_WORKERS_MAX ? SIM_WORKERS_MAX : (uint32_t)count;
}

/* 0, or the exit code of a wrong option; -1: help was printed. */
static int sweep_options(int argc, char **argv, struct sim_sweep *sweep, bool *ret_seeds_given)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 's'}, {"jobs", required_argument, NULL, 'j'},
        {"time", required_argument, NULL, 't'},  {"first", no_argument, NULL, 'f'},
        {"shard", required_argument, NULL, 'n'}, {"json", no_argument, NULL, 'o'},
        {"junit", required_argument, NULL, 'u'}, {"coverage", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    struct dfs_why why;
    int64_t time_ns = 0;
    uint64_t number = 0;
    int found;

    while ((found = getopt_long(argc, argv, ":j:", options, NULL)) != -1) {
        switch (found) {
        case 's':
            sweep->own_seeds = strcmp(optarg, "own") == 0;
            if (!sweep->own_seeds && !seeds_of(optarg, &sweep->first, &sweep->last))
                return usage_error("--seeds: \"%s\" is not A..B with A not above B, such as 1..100",
                                   dfs_quote_text(optarg).text);
            *ret_seeds_given = true;
            break;
        case 'j':
            if (!number_of(optarg, &number) || number == 0 || number > SIM_WORKERS_MAX)
                return usage_error("--jobs: \"%s\" is not a number from 1 to %d", dfs_quote_text(optarg).text,
                                   SIM_WORKERS_MAX);
            sweep->workers = (uint32_t)number;
            break;
        case 't':
            if (dfs_duration_parse(optarg, &time_ns, &why) != DFS_OK || time_ns <= 0)
                return usage_error("--time: \"%s\" is not a duration such as \"60s\"", dfs_quote_text(optarg).text);
            sweep->time_ns = (dfs_duration_ns)time_ns;
            break;
        case 'f':
            sweep->stop_at_first = true;
            break;
        case 'n':
            if (!shard_of(optarg, &sweep->shard, &sweep->shards))
                return usage_error("--shard: \"%s\" is not I/N with I not above N, such as 1/8",
                                   dfs_quote_text(optarg).text);
            break;
        case 'o':
            sweep->json = true;
            break;
        case 'u':
            sweep->junit_file = optarg;
            break;
        case 'c':
            sweep->coverage_file = optarg;
            break;
        case 'h':
            (void)fputs(sweep_help, stdout);
            return -1;
        default:
            return unknown_option(argv, options);
        }
    }
    return 0;
}

static int command_sweep(int argc, char **argv)
{
    struct sim_sweep sweep = {.program = program, .shards = 1, .workers = cores()};
    bool seeds_given = false;
    uint64_t own = 0;
    struct dfs_why why;
    int code = sweep_options(argc, argv, &sweep, &seeds_given);

    if (code != 0)
        return code < 0 ? 0 : code;
    if (!seeds_given)
        return usage_error("sweep needs --seeds A..B");
    if (sweep.last == INT64_MAX && sweep.time_ns == 0)
        return usage_error("--seeds without an end needs --time");
    if (sweep.own_seeds && (argc == optind || sweep.shards > 1))
        return usage_error("--seeds own takes one or more SCENARIO, and no --shard");
    const size_t given = (size_t)(argc - optind);
    struct sim_source *sources = dfs_alloc_zero_array(given + 1, sizeof *sources);

    for (size_t i = 0; i < given && code == 0; i++) {
        if (sim_source_load(&sources[i], argv[optind + (int)i], &why) != DFS_OK)
            code = world_error(why.text);
        else if (sweep.own_seeds && !sim_own_seed(&sources[i], &own))
            code = usage_error("%s names no seed: the last words of its \"description\" would be \"Seed 1.\"",
                               sources[i].file);
    }
    if (given == 0)
        sources[0].file = "swarm";
    sweep.sources = sources;
    sweep.sources_count = given > 0 ? given : 1;
    if (code == 0)
        code = sim_sweep_run(&sweep);
    for (size_t i = 0; i < given; i++)
        sim_source_close(&sources[i]);
    dfs_free(sources);
    return code;
}

/* check, schema, bench ---------------------------------------------------------------------------------------------------------- */

static int check_file(const char *file)
{
    struct sim_source source;
    struct dfs_why why;
    struct dfs_conf_error error;
    enum dfs_status status = sim_source_load(&source, file, &why);

    if (status != DFS_OK)
        return world_error(why.text);
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

static bool wants_help(int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

static int command_check(int argc, char **argv)
{
    int worst = 0;

    if (wants_help(argc, argv)) {
        (void)fputs("dfs-sim check SCENARIO...    reads and validates, runs nothing\n", stdout);
        return 0;
    }
    if (argc < 2)
        return usage_error("check needs at least one SCENARIO");
    for (int i = 1; i < argc; i++) {
        const int code = argv[i][0] == '-'
                             ? usage_error("unknown option \"%s\"; check has none", dfs_quote_text(argv[i]).text)
                             : check_file(argv[i]);

        worst = worst == EXIT_USAGE ? worst : code != 0 ? code : worst;
    }
    return worst;
}

static int command_schema(int argc, char **argv)
{
    json_t *schema;

    if (wants_help(argc, argv)) {
        (void)fputs("dfs-sim schema    the scenario language as JSON Schema, on standard output\n", stdout);
        return 0;
    }
    if (argc > 1)
        return usage_error("schema takes no argument");
    schema = sim_scenario_schema();
    (void)json_dumpf(schema, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    (void)putchar('\n');
    json_decref(schema);
    return fflush(stdout) == 0 ? 0 : world_error(strerror(errno));
}

static bool is_bench_case(const char *name)
{
    for (size_t i = 0; sim_bench_case_name(i) != NULL; i++)
        if (strcmp(sim_bench_case_name(i), name) == 0)
            return true;
    return false;
}

static int bench_case_error(const char *name)
{
    const char *names[16];
    size_t count = 0;

    for (; count < sizeof names / sizeof names[0] && sim_bench_case_name(count) != NULL; count++)
        names[count] = sim_bench_case_name(count);
    return usage_error("\"%s\" is no case of bench%s", dfs_quote_text(name).text,
                       dfs_words_suggest(name, names, count).text);
}

static int command_bench(int argc, char **argv)
{
    struct sim_bench_options options = {.json = false};
    bool capacity = false;

    if (wants_help(argc, argv)) {
        (void)fputs(
            "dfs-sim bench [--json] [--case NAME | --capacity]    the speed of the simulator, beside a bare event "
            "loop\n\n"
            "  --json         one object on standard output\n"
            "  --capacity     instead: a thousand data servers with a million blocks lose a zone (takes minutes)\n"
            "  --case NAME    only this one:",
            stdout);
        for (size_t i = 0; sim_bench_case_name(i) != NULL; i++)
            (void)printf(" %s", sim_bench_case_name(i));
        (void)putchar('\n');
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[i], "--capacity") == 0) {
            capacity = true;
        } else if (strcmp(argv[i], "--case") == 0) {
            if (++i == argc)
                return usage_error("--case needs the name of a case");
            options.only = argv[i];
            if (!is_bench_case(options.only))
                return bench_case_error(options.only);
        } else {
            return usage_error("unknown option \"%s\"; bench has --json, --case and --capacity",
                               dfs_quote_text(argv[i]).text);
        }
    }
    if (capacity && options.only != NULL)
        return usage_error("--capacity is a case of its own: leave out --case");
    return capacity ? sim_bench_capacity(options.json) : sim_bench(&options);
}

static int command_paths(int argc, char **argv)
{
    if (wants_help(argc, argv)) {
        (void)fputs("dfs-sim paths [--json]    what may happen to the machines: every state, event and next state\n",
                    stdout);
        return 0;
    }
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0))
        return usage_error("dfs-sim paths takes --json at most");
    if (argc == 1) {
        sim_paths_print();
        return 0;
    }
    json_t *list = sim_paths_json();

    (void)json_dumpf(list, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(list);
    return 0;
}

static int command_dissector(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return printf(
                   "dfs-sim dissector > dfs.lua\n\nPrints what lets Wireshark and tshark read the messages of `dfs-sim run --pcap FILE`, made "
                   "from the schema:\nwireshark -X lua_script:dfs.lua FILE\n") > 0
                   ? 0
                   : EXIT_WORLD;
    if (argc > 1)
        return usage_error("dissector takes no argument; see dfs-sim dissector --help");
    sim_dissector_print(stdout);
    return fflush(stdout) == 0 ? 0 : EXIT_WORLD;
}

/* ------------------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: not listed */
} commands[] = {
    {"run", command_run,
     "run SCENARIO [--seed N] [--json] [--trace FILE] [--html FILE] [--pcap FILE] [--perfetto FILE] [--record FILE] [--twice] [--real] [--why]"},
    {"sweep", command_sweep,
     "sweep [SCENARIO...] --seeds A..B [-j N] [--time 60s] [--first] [--shard I/N] [--json] [--junit FILE]"},
    {"check", command_check, "check SCENARIO..."},
    {"schema", command_schema, "schema"},
    {"bench", command_bench, "bench [--json] [--case NAME | --capacity]"},
    {"paths", command_paths, "paths [--json]"},
    {"dissector", command_dissector, "dissector"},
    {"costs", sim_command_costs, "costs [--check [FILE] | --update [FILE]]"},
    {"explore", sim_command_explore, "explore SCENARIO --depth N [--crashes K] [--losses L] [--json] | --replay FILE"},
    {"shrink", sim_command_shrink, "shrink SCENARIO --seed N -o SMALLER [-j N] [--time 50s]"},
    {"diverge", sim_command_diverge, "diverge SCENARIO --seed N [--against PROGRAM]"},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static int help(void)
{
    (void)printf("dfs-sim %s: a distributed file system in a simulated world, the same way every time\n\n",
                 DFS_VERSION);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].help != NULL)
            (void)printf("  dfs-sim %s\n", commands[i].help);
    }
    (void)printf(
        "\nEach command has --help. Scenario files are in sim/scenarios; their language is in `dfs-sim schema`.\n");
    return 0;
}

#ifdef DFS_JEMALLOC
/* What jemalloc reads before main. A world is hundreds of MiB of small things met in no order: large pages are a tenth of the time. Nothing is given back to the
 * kernel, for keep_memory's reason. */
extern const char *malloc_conf;
const char *malloc_conf = "thp:always,metadata_thp:auto,oversize_threshold:0,dirty_decay_ms:-1,muzzy_decay_ms:-1";
#endif

/* Worlds come and go in one process, and their memory is touched anew by the next: the kernel would clear every page again. */
static void keep_memory(void)
{
#if defined(__GLIBC__) && !defined(DFS_JEMALLOC)
    (void)mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_TOP_PAD, 1024 * 1024);
#endif
}

int main(int argc, char **argv)
{
    const char *names[COMMANDS];

    keep_memory();
    json_object_seed(1); /* or the order of keys would depend on the process */
    opterr = 0;
    program = argv[0];
    if (argc < 2)
        return usage_error("needs a command; see dfs-sim --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0)
        return printf("dfs-sim %s\n", DFS_VERSION) > 0 ? 0 : EXIT_WORLD;
    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return usage_error("\"%s\" is no command%s", dfs_quote_text(argv[1]).text,
                       dfs_words_suggest(argv[1], names, COMMANDS).text);
}
