/* `dfs-sim run`: one run of a scenario, simulated or against daemons, and its report. */
#include "sim/command_why.h"
#include "sim/commands.h"
#include "sim/job.h"
#include "sim/own_seed.h"
#include "sim/real/real.h"
#include "sim/recording.h"
#include "sim/report.h"
#include "sim/shell_word.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct run_options {
    bool json;
    bool twice;
    bool real;
    bool why;
    bool why_options; /* some option that only --why has */
    bool seed_given;
    uint32_t suffixes;
    uint64_t time_ns;
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

static int run_job(const struct run_options *options, const char *program)
{
    const struct sim_job *job = &options->job;
    struct sim_recording recording = {.end = SIM_RECORDING_NONE};
    json_t *outcome = job->record_file != NULL ? sim_recording_run(job, &recording) : sim_job_run(job);
    char repeat[SIM_REPEAT_BYTES];

    if (outcome != NULL)
        sim_recording_print(stderr, &recording, job->record_file);
    sim_recording_close(&recording);

    if (outcome == NULL || (options->twice && json_object_get(outcome, "error") == NULL && !run_again(job, outcome))) {
        json_decref(outcome);
        return sim_world_error("%s", strerror(errno));
    }
    json_t *result = json_object_get(outcome, "result");

    if (result == NULL) {
        const int code = (int)json_integer_value(json_object_get(outcome, "exit"));

        (void)fprintf(stderr, "dfs-sim: %s\n", json_string_value(json_object_get(outcome, "error")));
        json_decref(outcome);
        return code;
    }
    (void)snprintf(repeat, sizeof repeat, "%s run %s --seed %" PRIu64, sim_shell_word(program).text,
                   sim_shell_word(job->source->file).text, job->seed);
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
static int run_real(const struct run_options *options, const char *program)
{
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    struct dfs_why why;
    char self[4096];
    char repeat[SIM_REPEAT_BYTES];
    int code = 2;
    const ssize_t count = readlink("/proc/self/exe", self, sizeof self - 1);

    if (count <= 0)
        return sim_world_error("%s", strerror(errno));
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
    (void)snprintf(repeat, sizeof repeat, "%s run %s --seed %" PRIu64 " --real", sim_shell_word(program).text,
                   sim_shell_word(options->job.source->file).text, options->job.seed);
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
                                        .suffixes = options->suffixes,
                                        .time_ns = options->time_ns};

    return sim_command_why(&why, options->json);
}

static bool writes_files(const struct sim_job *job)
{
    return job->trace_file != NULL || job->html_file != NULL || job->pcap_file != NULL || job->perfetto_file != NULL ||
           job->record_file != NULL;
}

#define AT(member) offsetof(struct run_options, member)

static const struct sim_option options[] = {
    SIM_OPTION_OWN_SEED(AT(job.seed), SIM_OPTION_SEEN_AT(struct run_options, seed_given)),
    SIM_OPTION_JSON(AT(json), "the result as one JSON object"),
    SIM_OPTION_TRACE(AT(job.trace_file), ""),
    SIM_OPTION_HTML(AT(job.html_file), ""),
    SIM_OPTION_FILE("pcap", AT(job.pcap_file),
                    "every message that arrived or was lost, for Wireshark (pcapng; see dfs-sim dissector)"),
    SIM_OPTION_FILE("perfetto", AT(job.perfetto_file), "hosts, operations, messages and disks for ui.perfetto.dev"),
    SIM_OPTION_FILE(
        "record", AT(job.record_file),
        "the run as a scenario: each operation, fault, lost or late message at its time; it is run again and compared"),
    {.name = "twice", .type = SIM_OPTION_FLAG, .offset = AT(twice), .help = "runs twice and compares the trace hashes"},
    {.name = "why",
     .type = SIM_OPTION_FLAG,
     .offset = AT(why),
     .help =
         "of a run that fails: the event after which it could not be saved any more, found by branches of the run with other\n"
         "futures; goes with --seed, --json and the next two only"},
    {.name = "suffixes",
     .argument = "N",
     .type = SIM_OPTION_NUMBER_32,
     .offset = AT(suffixes),
     .seen = SIM_OPTION_SEEN_AT(struct run_options, why_options),
     .min = 1,
     .max = SIM_WHY_SUFFIXES_MAX,
     .help = "of --why: other futures at each point (default 16)"},
    SIM_OPTION_TIME(AT(time_ns), SIM_OPTION_SEEN_AT(struct run_options, why_options), "300s",
                    "what --why knows so far is the result"),
    {.name = "real",
     .type = SIM_OPTION_FLAG,
     .offset = AT(real),
     .help =
         "against daemons that are started on this machine: crash is SIGKILL, pause SIGSTOP; restart, partition and drop"},
};

/* Options that do not go together. 0, or the exit code. */
static int check_options(const struct run_options *run)
{
    const bool more = run->twice || writes_files(&run->job);

    if (run->why && (run->real || more))
        return sim_usage_error(
            "--why goes with --seed, --json, --suffixes and --time only: it makes a simulated run many times");
    if (run->why_options && !run->why)
        return sim_usage_error("--suffixes and --time of a run go with --why");
    if (run->real && more)
        return sim_usage_error(
            "--real goes with --seed and --json only: real time has no trace that could be kept or repeated");
    return 0;
}

static int command_run(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct sim_source source = {0};
    struct run_options run = {.suffixes = SIM_WHY_SUFFIXES_DEFAULT,
                              .time_ns = SIM_WHY_TIME_DEFAULT_NS,
                              .job = {.source = &source, .seed = 1}};
    struct dfs_why why;
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, &run, &first);

    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    if (argc - first != 1)
        return sim_usage_error("run needs one SCENARIO; see dfs-sim run --help");
    int code = check_options(&run);

    if (code != 0)
        return code;
    if (sim_source_load(&source, argv[first], &why) != DFS_OK)
        return sim_world_error("%s", why.text);
    if (!run.seed_given)
        (void)sim_own_seed(&source, &run.job.seed);
    code = run.why ? run_why(&run) : run.real ? run_real(&run, program) : run_job(&run, program);
    sim_source_close(&source);
    return code;
}

const struct sim_command sim_command_run = {
    .name = "run",
    .line =
        "run SCENARIO [--seed N] [--json] [--trace FILE] [--html FILE] [--pcap FILE] [--perfetto FILE] [--record FILE] [--twice] [--real] [--why]",
    .run = command_run,
    SIM_OPTIONS(options),
    .before = "dfs-sim run SCENARIO [options]         one run of a scenario file (or \"swarm\"), with its report\n",
    .after =
        "Exit codes: 0 pass, 1 a checker or an expectation failed, 2 bad scenario or usage, 3 vacuous (a fault or step never took\n"
        "effect), 4 no progress after the faults, 5 two runs of one seed differed, 6 a machine aborted, 7 a file could not be used.\n",
};
