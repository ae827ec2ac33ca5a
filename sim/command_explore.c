/* `dfs-sim explore`: all schedules and crash points of a small scope, or one of them again. */
#include "sim/commands.h"

#include "core/conf/words.h"
#include "sim/explore.h"
#include "sim/report.h"
#include "sim/shell_word.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options ------------------------------------------------------------------------------------------------------------ */

struct wanted {
    struct sim_explore_options explore;
    struct sim_host_refs hosts;
    uint32_t overtakes;   /* without faults; with them: explore.scope.overtakes */
    const char *schedule; /* NULL: after the scenario's name */
    struct sim_replay replay;
    bool json;
};

/* Lists ------------------------------------------------------------------------------------------------------------ */

static bool read_hosts(void *base, const char *text, struct dfs_why *ret_why)
{
    struct sim_host_refs *refs = &((struct wanted *)base)->hosts;
    char copy[256];
    char *rest = NULL;

    if (strlen(text) >= sizeof copy) {
        dfs_why_set(ret_why, "too many");
        return false;
    }
    (void)snprintf(copy, sizeof copy, "%s", text);
    refs->count = 0;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        struct sim_host_ref ref;

        if (refs->count == SIM_HOST_REFS_MAX || !sim_host_ref_parse(word, &ref) || ref.kind == SIM_HOST_REST) {
            dfs_why_set(ret_why, "\"%s\" is no host and no set; such as meta,data,c1", dfs_quote_text(word).text);
            return false;
        }
        refs->refs[refs->count++] = ref;
    }
    if (refs->count == 0)
        dfs_why_set(ret_why, "it names nobody");
    return refs->count > 0;
}

static bool read_unsynced(void *base, const char *text, struct dfs_why *ret_why)
{
    static const char *const names[] = {"lose", "keep", "torn"};
    uint32_t *bits = &((struct wanted *)base)->explore.scope.unsynced;
    char copy[64];
    char *rest = NULL;

    (void)snprintf(copy, sizeof copy, "%s", text);
    *bits = 0;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        uint32_t bit = 0;

        for (unsigned i = 0; i < 3; i++)
            if (strcmp(word, names[i]) == 0)
                bit = 1u << i;
        if (bit == 0) {
            dfs_why_set(ret_why, "\"%s\" is none of lose, keep, torn%s", dfs_quote_text(word).text,
                        dfs_words_suggest(word, names, 3).text);
            return false;
        }
        *bits |= bit;
    }
    if (*bits == 0)
        dfs_why_set(ret_why, "it names nothing");
    return *bits != 0;
}

static bool read_overtakes_of(const char *text, uint32_t *ret_overtakes, struct dfs_why *ret_why)
{
    uint64_t value = SIM_OVERTAKES_ALL;

    if (strcmp(text, "all") != 0 && !sim_number_read(text, SIM_SCOPE_FAULTS_MAX, &value)) {
        dfs_why_set(ret_why, "\"%s\" is not a number from 0 to %d, and not \"all\"", dfs_quote_text(text).text,
                    SIM_SCOPE_FAULTS_MAX);
        return false;
    }
    *ret_overtakes = (uint32_t)value;
    return true;
}

static bool read_overtakes(void *base, const char *text, struct dfs_why *ret_why)
{
    return read_overtakes_of(text, &((struct wanted *)base)->overtakes, ret_why);
}

static bool read_fault_overtakes(void *base, const char *text, struct dfs_why *ret_why)
{
    return read_overtakes_of(text, &((struct wanted *)base)->explore.scope.overtakes, ret_why);
}

/* Table ------------------------------------------------------------------------------------------------------------ */

static const char *const disks_words[] = {"any", "fast", "slow", NULL};
_Static_assert(sizeof disks_words / sizeof disks_words[0] == SIM_DISKS_COUNT + 1, "a word for each");

#define AT(member) offsetof(struct wanted, member)

static const struct sim_option options[] = {
    {.name = "depth",
     .argument = "N",
     .type = SIM_OPTION_NUMBER_32,
     .offset = AT(explore.depth),
     .min = 1,
     .max = SIM_EXPLORE_DEPTH_MAX,
     .help = "moves of one schedule at the most (default 1000)"},
    {.name = "crashes",
     .argument = "K",
     .type = SIM_OPTION_NUMBER_32,
     .offset = AT(explore.scope.crashes),
     .max = SIM_SCOPE_FAULTS_MAX,
     .help = "hosts that crash, at any point, and start again (default 1)"},
    {.name = "losses",
     .argument = "L",
     .type = SIM_OPTION_NUMBER_32,
     .offset = AT(explore.scope.losses),
     .max = SIM_SCOPE_FAULTS_MAX,
     .help = "datagrams that are lost, or streams that break in front of a frame (default 1)"},
    {.name = "timeouts",
     .argument = "T",
     .type = SIM_OPTION_NUMBER_32,
     .offset = AT(explore.scope.timeouts),
     .max = SIM_SCOPE_FAULTS_MAX,
     .help = "times that a deadline comes though something is under way (default 0)"},
    {.name = "overtakes",
     .argument = "R",
     .type = SIM_OPTION_CUSTOM,
     .read = read_overtakes,
     .help =
         "without faults: times that something comes out of turn: before what was under way earlier, or after all the rest\n"
         "(default all: any order)"},
    {.name = "fault-overtakes",
     .argument = "R",
     .type = SIM_OPTION_CUSTOM,
     .read = read_fault_overtakes,
     .help = "the same in the round with faults (default 0: the usual order; all is for the smallest scopes)"},
    {.name = "disks",
     .argument = "WHEN",
     .type = SIM_OPTION_WORD,
     .offset = AT(explore.scope.disks),
     .words = disks_words,
     .help =
         "disk operations are done in order with the rest, or overtaking (any, the default), before the rest (fast) or after it (slow);\n"
         "crash points lie between them in any case"},
    {.name = "late",
     .type = SIM_OPTION_FLAG,
     .offset = AT(explore.scope.late),
     .help = "a crashed host may also start later than at once"},
    {.name = "hosts",
     .argument = "LIST",
     .type = SIM_OPTION_CUSTOM,
     .read = read_hosts,
     .help = "who may crash (default meta,data,clients)"},
    {.name = "unsynced",
     .argument = "LIST",
     .type = SIM_OPTION_CUSTOM,
     .read = read_unsynced,
     .help = "what a crash does to what is not synced: lose, keep, torn (default all three)"},
    {.name = "from",
     .argument = "TIME",
     .type = SIM_OPTION_DURATION,
     .offset = AT(explore.scope.from),
     .help = "what the scenario does before happens once, in the usual way (default 0s)"},
    {.name = "until",
     .argument = "TIME",
     .type = SIM_OPTION_DURATION,
     .offset = AT(explore.scope.until),
     .help = "it goes on until then though everything is at rest (default: the last thing that the scenario does)"},
    SIM_OPTION_SEED(AT(explore.scope.seed), 0, "1"),
    {.name = "states",
     .argument = "N",
     .type = SIM_OPTION_NUMBER,
     .offset = AT(explore.states_max),
     .min = 1,
     .max = UINT64_C(1) << 30,
     .help = "stops after so many states in a round (default 4,000,000)"},
    SIM_OPTION_TIME(AT(explore.time_ns), 0, "60s", "a round stops"),
    SIM_OPTION_FILE("schedule", AT(schedule), "where a schedule that fails is written (default NAME.schedule.json)"),
    SIM_OPTION_FILE("replay", AT(replay.file), "instead: one schedule that it wrote"),
    SIM_OPTION_TRACE(AT(replay.trace_file), "of --replay: "),
    SIM_OPTION_HTML(AT(replay.html_file), "of --replay: "),
    SIM_OPTION_JSON(AT(json), "the result as one JSON object"),
    {.name = "no-merge",
     .type = SIM_OPTION_FLAG,
     .offset = AT(explore.no_merge),
     .help = "walks equal states again and again: to compare, in the smallest scopes"},
};

/* Words -------------------------------------------------------------------------------------------------------------- */

static const char *overtakes_words(uint32_t overtakes, char text[32])
{
    if (overtakes == SIM_OVERTAKES_ALL)
        return "any order";
    (void)snprintf(text, 32, "%u overtaking", overtakes);
    return overtakes == 0 ? "the usual order" : text;
}

static void print_round(const struct sim_explore_options *explore, const struct sim_explore_result *result)
{
    char states[SIM_GROUPED_BYTES], moves[SIM_GROUPED_BYTES], known[SIM_GROUPED_BYTES], merged[SIM_GROUPED_BYTES],
        ends[SIM_GROUPED_BYTES], crashes[SIM_GROUPED_BYTES], losses[SIM_GROUPED_BYTES], overtakes[32];

    (void)printf("at most %u crashed, %u lost, %u early, %s: %s states, %s moves, deepest %u, %.1f s\n",
                 explore->scope.crashes, explore->scope.losses, explore->scope.timeouts,
                 overtakes_words(explore->scope.overtakes, overtakes), sim_grouped(result->states, states),
                 sim_grouped(result->moves, moves), result->deepest, (double)result->wall_ns / 1e9);
    (void)printf(
        "    %s crashes, %s losses; merged: %s moves that only change the order, %s equal states; %s ends, %llu different\n",
        sim_grouped(result->crashes, crashes), sim_grouped(result->losses, losses),
        sim_grouped(result->moves_known, known), sim_grouped(result->merged, merged), sim_grouped(result->ends, ends),
        (unsigned long long)result->outcomes);
    (void)fflush(stdout);
}

static json_t *round_json(const struct sim_explore_options *explore, const struct sim_explore_result *result)
{
    return json_pack(
        "{s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:o}", "crashes",
        (int)explore->scope.crashes, "losses", (int)explore->scope.losses, "timeouts", (int)explore->scope.timeouts,
        "states", (json_int_t)result->states, "moves", (json_int_t)result->moves, "moves_known",
        (json_int_t)result->moves_known, "merged", (json_int_t)result->merged, "crash_points",
        (json_int_t)result->crashes, "loss_points", (json_int_t)result->losses, "ends", (json_int_t)result->ends,
        "outcomes", (json_int_t)result->outcomes, "deepest", (int)result->deepest, "wall_ms",
        (json_int_t)(result->wall_ns / DFS_MILLISECONDS), "again", (json_int_t)result->again, "overtakes",
        explore->scope.overtakes == SIM_OVERTAKES_ALL ? json_string("all") : json_integer(explore->scope.overtakes));
}

static void print_schedule(const json_t *schedule)
{
    const json_t *steps = json_object_get(schedule, "steps");
    const json_t *violations = json_object_get(schedule, "violations");
    const json_t *reason = json_object_get(schedule, "reason");

    (void)printf("\nA schedule that fails:\n");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);

        (void)printf("%5zu %12.6f s  %s\n", i + 1, json_number_value(json_object_get(step, "at_ms")) / 1e3,
                     json_string_value(json_object_get(step, "do")));
    }
    for (size_t i = 0; i < json_array_size(violations); i++) {
        const json_t *violation = json_array_get(violations, i);

        (void)printf("%s: %s\n", json_string_value(json_object_get(violation, "checker")),
                     json_string_value(json_object_get(violation, "message")));
    }
    if (json_is_string(reason))
        (void)printf("%s: %s\n", json_string_value(json_object_get(schedule, "verdict")), json_string_value(reason));
}

/* Running ------------------------------------------------------------------------------------------------------------ */

static int schedule_write(struct wanted *wanted, const struct sim_explore_result *result, const char *name,
                          json_t *object)
{
    char file[SIM_NAME_BYTES + 32];
    json_t *schedule = sim_schedule_make(&wanted->explore, result);

    (void)snprintf(file, sizeof file, "%s.schedule.json", name);
    if (wanted->schedule == NULL)
        wanted->schedule = file;
    if (schedule == NULL || json_dump_file(schedule, wanted->schedule, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) != 0) {
        json_decref(schedule);
        return sim_world_error("cannot write %s: %s", wanted->schedule, strerror(errno));
    }
    (void)json_object_set_new(object, "schedule", json_string(wanted->schedule));
    (void)json_object_set_new(object, "violations", json_incref(json_object_get(schedule, "violations")));
    (void)json_object_set_new(object, "reason", json_incref(json_object_get(schedule, "reason")));
    if (!wanted->json) {
        print_schedule(schedule);
        (void)printf("again: dfs-sim explore --replay %s\n", sim_shell_word(wanted->schedule).text);
    }
    json_decref(schedule);
    return 0;
}

/* What one round looks for. */
static void round_arrange(struct wanted *wanted, const struct sim_scope_options *whole, bool faults)
{
    struct sim_scope_options *scope = &wanted->explore.scope;

    *scope = *whole;
    if (!faults)
        scope->crashes = scope->losses = scope->timeouts = 0;
    if (scope->crashes + scope->losses + scope->timeouts == 0)
        scope->overtakes = wanted->overtakes;
}

static bool has_failed(const struct sim_explore_result *result)
{
    return result->verdict >= SIM_STUCK;
}

static int conclude(struct wanted *wanted, const struct sim_explore_result *result, enum sim_explore_bound bound,
                    const char *name, json_t *object)
{
    (void)json_object_set_new(object, "verdict", json_string(sim_verdict_name(result->verdict)));
    (void)json_object_set_new(object, "complete", json_boolean(bound == SIM_BOUND_NONE));
    (void)json_object_set_new(object, "bound", json_string(sim_explore_bound_words(bound)));
    if (has_failed(result)) {
        const int code = schedule_write(wanted, result, name, object);

        if (code != 0)
            return code;
    }
    if (!wanted->json && bound == SIM_BOUND_NONE)
        (void)printf("complete: %s\n", name);
    else if (!wanted->json)
        (void)printf("not complete: %s: %s\n", name, sim_explore_bound_words(bound));
    return sim_verdict_exit_code(result->verdict);
}

/* Without faults first: what fails without any is told without any. */
static int rounds(struct wanted *wanted, const char *name, json_t *object)
{
    const struct sim_scope_options whole = wanted->explore.scope;
    const bool faults = whole.crashes + whole.losses + whole.timeouts > 0;
    enum sim_explore_bound bound = SIM_BOUND_NONE;
    static struct sim_explore_result result;
    json_t *list = json_array();

    (void)json_object_set_new(object, "rounds", list);
    for (unsigned round = faults ? 0 : 1; round < 2; round++) {
        round_arrange(wanted, &whole, round == 1);
        if (!sim_explore(&wanted->explore, &result))
            return sim_world_error("no process or memory: %s", strerror(errno));
        if (!result.started)
            return sim_usage_error("%s", result.words);
        (void)json_array_append_new(list, round_json(&wanted->explore, &result));
        if (!wanted->json)
            print_round(&wanted->explore, &result);
        bound = bound == SIM_BOUND_NONE || result.bound == SIM_BOUND_FAILURE ? result.bound : bound;
        if (has_failed(&result))
            break;
    }
    return conclude(wanted, &result, bound, name, object);
}

/* --hosts, of this cluster. 0, or an exit code. */
static int hosts_expand(struct wanted *wanted, struct sim_host_counts counts)
{
    for (uint32_t i = 0; i < wanted->hosts.count; i++) {
        const struct sim_host_ref ref = wanted->hosts.refs[i];
        char name[SIM_HOST_NAME_BYTES];

        sim_host_ref_print(ref, name);
        if ((ref.kind == SIM_HOST_DATA && ref.index >= counts.data) ||
            (ref.kind == SIM_HOST_CLIENT && ref.index >= counts.clients))
            return sim_usage_error("--hosts: there is no %s: the cluster has %u data servers and %u clients", name,
                                   counts.data, counts.clients);
    }
    sim_host_refs_expand(&wanted->hosts, counts, &wanted->explore.scope.hosts);
    return 0;
}

static int explore_scenario(struct wanted *wanted, const struct sim_scenario *scenario)
{
    int code = hosts_expand(wanted, sim_scenario_hosts(scenario));
    json_t *object;

    if (code != 0)
        return code;
    if (wanted->explore.scope.from > (uint64_t)scenario->duration_ns)
        return sim_usage_error("--from: the scenario is over by then");
    object = json_pack("{s:s, s:I}", "scenario", scenario->name, "seed", (json_int_t)wanted->explore.scope.seed);
    code = rounds(wanted, scenario->name, object);
    if (wanted->json && json_object_get(object, "verdict") != NULL) {
        (void)json_dumpf(object, stdout, JSON_REAL_PRECISION(15));
        (void)putchar('\n');
    }
    json_decref(object);
    return code;
}

static int explore(struct wanted *wanted, const char *file)
{
    struct sim_source source;
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    struct dfs_why why;
    int code;

    if (sim_source_load(&source, file, &why) != DFS_OK)
        return sim_world_error("%s", why.text);
    if (source.bytes == NULL)
        return sim_usage_error("explore needs a scenario file: a swarm is no small scope");
    wanted->explore.source = &source;
    if (sim_source_read(&source, wanted->explore.scope.seed, &scenario, &error) == DFS_OK)
        code = explore_scenario(wanted, &scenario);
    else
        code = sim_usage_error("%s", error.text);
    wanted->explore.source = NULL;
    sim_scenario_close(&scenario);
    sim_source_close(&source);
    return code;
}

static int command_explore(const struct sim_command *command, const char *program, int argc, char **argv)
{
    struct wanted wanted = {
        .explore = {.depth = 1000, .scope = {.seed = 1, .unsynced = 7, .crashes = 1, .losses = 1}},
        .overtakes = SIM_OVERTAKES_ALL,
        .hosts = {.count = 3, .refs = {{SIM_HOST_META, 0}, {SIM_HOST_ALL_DATA, 0}, {SIM_HOST_ALL_CLIENTS, 0}}},
    };
    int first = 0;
    const enum sim_options_end end = sim_options_read(command, argc, argv, &wanted, &first);

    (void)program;
    if (end != SIM_OPTIONS_READ)
        return sim_options_code(end);
    wanted.replay.json = wanted.json;
    if (wanted.replay.file != NULL)
        return argc == first ? sim_schedule_replay(&wanted.replay)
                             : sim_usage_error("--replay takes no SCENARIO: the schedule has it");
    if (wanted.replay.trace_file != NULL || wanted.replay.html_file != NULL)
        return sim_usage_error("--trace and --html go with --replay: a search has no one run to show");
    if (argc - first != 1)
        return sim_usage_error("explore needs one SCENARIO; see dfs-sim explore --help");
    return explore(&wanted, argv[first]);
}

const struct sim_command sim_command_explore = {
    .name = "explore",
    .line = "explore SCENARIO --depth N [--crashes K] [--losses L] [--json] | --replay FILE",
    .run = command_explore,
    SIM_OPTIONS(options),
    .before =
        "dfs-sim explore SCENARIO --depth N [options]    all schedules and crash points of a small scope\n"
        "dfs-sim explore --replay FILE [--json] [--trace FILE] [--html FILE]    one schedule that it wrote\n"
        "\n"
        "Walks, in two rounds, first every order in which what is under way can come (frames, datagrams, connects, the news of broken connections,\n"
        "completions of disk operations), without faults; then every choice of crash points and lost messages. Equal states are walked once. Ends\n"
        "with \"complete\" when no state is left, otherwise says what stopped it. All checkers watch; at every end all files are read back.\n",
    .after =
        "Time stands still while anything is under way, and goes on to the next deadline when nothing is: latencies and bandwidth do not count here.\n"
        "Exit codes: 0 pass (complete or not: the last line says it), 1 a checker failed, 2 bad scenario or usage, 3 no end was reached that says\n"
        "anything, 4 no progress, 6 a machine aborted, 7 a file could not be used.\n",
};
