#include "sim/command_explore.h"

#include "core/conf/units.h"
#include "core/conf/words.h"
#include "sim/explore.h"
#include "sim/report.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "dfs-sim explore SCENARIO --depth N [options]    all schedules and crash points of a small scope\n"
    "dfs-sim explore --replay FILE [--json] [--trace FILE] [--html FILE]    one schedule that it wrote\n"
    "\n"
    "Walks, in two rounds, first every order in which what is under way can come (frames, datagrams, connects, the news of broken connections,\n"
    "completions of disk operations), without faults; then every choice of crash points and lost messages. Equal states are walked once. Ends\n"
    "with \"complete\" when no state is left, otherwise says what stopped it. All checkers watch; at every end all files are read back.\n"
    "\n"
    "  --depth N              moves of one schedule at the most (default 1000)\n"
    "  --crashes K            hosts that crash, at any point, and start again (default 1)\n"
    "  --losses L             datagrams that are lost, or streams that break in front of a frame (default 1)\n"
    "  --timeouts T           times that a deadline comes though something is under way (default 0)\n"
    "  --overtakes R          without faults: times that something comes out of turn: before what was under way earlier, or after all the rest\n"
    "                         (default all: any order)\n"
    "  --fault-overtakes R    the same in the round with faults (default 0: the usual order; all is for the smallest scopes)\n"
    "  --disks WHEN           disk operations are done in order with the rest, or overtaking (any, the default), before the rest (fast) or after it (slow);\n"
    "                         crash points lie between them in any case\n"
    "  --late                 a crashed host may also start later than at once\n"
    "  --hosts LIST           who may crash (default meta,data,clients)\n"
    "  --unsynced LIST        what a crash does to what is not synced: lose, keep, torn (default all three)\n"
    "  --from TIME            what the scenario does before happens once, in the usual way (default 0s)\n"
    "  --until TIME           it goes on until then though everything is at rest (default: the last thing that the scenario does)\n"
    "  --seed N               what is drawn is drawn from this number (default 1)\n"
    "  --states N             stops after so many states in a round (default 4,000,000)\n"
    "  --time 60s             stops a round after so long\n"
    "  --schedule FILE        where a schedule that fails is written (default NAME.schedule.json)\n"
    "  --json                 one JSON object\n"
    "  --no-merge             walks equal states again and again: to compare, in the smallest scopes\n"
    "\n"
    "Time stands still while anything is under way, and goes on to the next deadline when nothing is: latencies and bandwidth do not count here.\n"
    "Exit codes: 0 pass (complete or not: the last line says it), 1 a checker failed, 2 bad scenario or usage, 3 no end was reached that says\n"
    "anything, 4 no progress, 6 a machine aborted, 7 a file could not be used.\n";

__attribute__((format(printf, 1, 2))) static int wrong(const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "dfs-sim: ");
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\n");
    return 2;
}

/* Options ------------------------------------------------------------------------------------------------------------ */

struct wanted {
    struct sim_explore_options explore;
    struct sim_host_refs hosts;
    uint32_t overtakes;   /* without faults; with them: explore.scope.overtakes */
    const char *schedule; /* NULL: after the scenario's name */
    struct sim_replay replay;
    bool json;
};

static bool number_of(const char *text, uint64_t high, uint64_t *ret_value)
{
    char *end = NULL;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret_value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *ret_value <= high;
}

static int hosts_of(const char *text, struct sim_host_refs *refs)
{
    char copy[256];
    char *rest = NULL;

    if (strlen(text) >= sizeof copy)
        return wrong("--hosts: too many");
    (void)snprintf(copy, sizeof copy, "%s", text);
    refs->count = 0;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        struct sim_host_ref ref;

        if (refs->count == SIM_HOST_REFS_MAX || !sim_host_ref_parse(word, &ref) || ref.kind == SIM_HOST_REST)
            return wrong("--hosts: \"%s\" is no host and no set; such as meta,data,c1", dfs_quote_text(word).text);
        refs->refs[refs->count++] = ref;
    }
    return refs->count > 0 ? 0 : wrong("--hosts names nobody");
}

static int unsynced_of(const char *text, uint32_t *ret_bits)
{
    static const char *const names[] = {"lose", "keep", "torn"};
    char copy[64];
    char *rest = NULL;

    (void)snprintf(copy, sizeof copy, "%s", text);
    *ret_bits = 0;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        uint32_t bit = 0;

        for (unsigned i = 0; i < 3; i++)
            if (strcmp(word, names[i]) == 0)
                bit = 1u << i;
        if (bit == 0)
            return wrong("--unsynced: \"%s\" is none of lose, keep, torn%s", dfs_quote_text(word).text,
                         dfs_words_suggest(word, names, 3).text);
        *ret_bits |= bit;
    }
    return *ret_bits != 0 ? 0 : wrong("--unsynced names nothing");
}

static int disks_of(const char *text, enum sim_scope_disks *ret_disks)
{
    static const char *const names[SIM_DISKS_COUNT] = {"any", "fast", "slow"};

    for (unsigned i = 0; i < SIM_DISKS_COUNT; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *ret_disks = (enum sim_scope_disks)i;
        return 0;
    }
    return wrong("--disks: \"%s\" is none of any, fast, slow%s", dfs_quote_text(text).text,
                 dfs_words_suggest(text, names, SIM_DISKS_COUNT).text);
}

static int duration_of(const char *option, const char *text, uint64_t *ret_ns)
{
    struct dfs_why why;
    int64_t value = 0;

    if (dfs_duration_parse(text, &value, &why) != DFS_OK || value < 0)
        return wrong("--%s: \"%s\" is not a duration such as \"60s\"", option, dfs_quote_text(text).text);
    *ret_ns = (uint64_t)value;
    return 0;
}

static const struct option options[] = {
    {"depth", required_argument, NULL, 'd'},
    {"crashes", required_argument, NULL, 'c'},
    {"losses", required_argument, NULL, 'l'},
    {"timeouts", required_argument, NULL, 't'},
    {"overtakes", required_argument, NULL, 'v'},
    {"fault-overtakes", required_argument, NULL, 'y'},
    {"late", no_argument, NULL, 'a'},
    {"hosts", required_argument, NULL, 'o'},
    {"unsynced", required_argument, NULL, 'u'},
    {"from", required_argument, NULL, 'f'},
    {"until", required_argument, NULL, 'i'},
    {"seed", required_argument, NULL, 's'},
    {"states", required_argument, NULL, 'n'},
    {"time", required_argument, NULL, 'm'},
    {"schedule", required_argument, NULL, 'w'},
    {"trace", required_argument, NULL, 'p'},
    {"html", required_argument, NULL, 'q'},
    {"replay", required_argument, NULL, 'r'},
    {"json", no_argument, NULL, 'j'},
    {"no-merge", no_argument, NULL, 'x'},
    {"disks", required_argument, NULL, 'k'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int count_of(const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *ret_value)
{
    if (!number_of(text, high, ret_value) || *ret_value < low)
        return wrong("--%s: \"%s\" is not a number from %llu to %llu", option, dfs_quote_text(text).text,
                     (unsigned long long)low, (unsigned long long)high);
    return 0;
}

static int overtakes_of(const char *option, uint32_t *ret_overtakes)
{
    uint64_t value = SIM_OVERTAKES_ALL;
    const int code = strcmp(optarg, "all") == 0 ? 0 : count_of(option, optarg, 0, SIM_SCOPE_FAULTS_MAX, &value);

    *ret_overtakes = (uint32_t)value;
    return code;
}

/* 0, or an exit code. */
static int option_take(int found, const char *name, struct wanted *wanted)
{
    struct sim_scope_options *scope = &wanted->explore.scope;
    uint64_t value = 0;
    int code = 0;

    switch (found) {
    case 'd':
        code = count_of(name, optarg, 1, SIM_EXPLORE_DEPTH_MAX, &value);
        wanted->explore.depth = (uint32_t)value;
        return code;
    case 'c':
        code = count_of(name, optarg, 0, SIM_SCOPE_FAULTS_MAX, &value);
        scope->crashes = (uint32_t)value;
        return code;
    case 'l':
        code = count_of(name, optarg, 0, SIM_SCOPE_FAULTS_MAX, &value);
        scope->losses = (uint32_t)value;
        return code;
    case 't':
        code = count_of(name, optarg, 0, SIM_SCOPE_FAULTS_MAX, &value);
        scope->timeouts = (uint32_t)value;
        return code;
    case 'v':
        return overtakes_of(name, &wanted->overtakes);
    case 'y':
        return overtakes_of(name, &scope->overtakes);
    case 'a':
        scope->late = true;
        return 0;
    case 'o':
        return hosts_of(optarg, &wanted->hosts);
    case 'u':
        return unsynced_of(optarg, &scope->unsynced);
    case 'k':
        return disks_of(optarg, &scope->disks);
    case 'f':
        return duration_of(name, optarg, &scope->from);
    case 'i':
        return duration_of(name, optarg, &scope->until);
    case 's':
        return count_of(name, optarg, 0, INT64_MAX, &scope->seed);
    case 'n':
        return count_of(name, optarg, 1, UINT64_C(1) << 30, &wanted->explore.states_max);
    case 'm':
        return duration_of(name, optarg, &wanted->explore.time_ns);
    case 'w':
        wanted->schedule = optarg;
        return 0;
    case 'r':
        wanted->replay.file = optarg;
        return 0;
    case 'p':
        wanted->replay.trace_file = optarg;
        return 0;
    case 'q':
        wanted->replay.html_file = optarg;
        return 0;
    case 'j':
        wanted->json = wanted->replay.json = true;
        return 0;
    default:
        wanted->explore.no_merge = true;
        return 0;
    }
}

static int unknown(char **argv)
{
    const char *given = argv[optind - 1];
    const char *names[sizeof options / sizeof options[0]];
    size_t count = 0;

    for (; options[count].name != NULL; count++) {
        if (optopt != 0 && options[count].val == optopt)
            return wrong("--%s needs a value", options[count].name);
        names[count] = options[count].name;
    }
    return wrong("unknown option \"%s\"%s", dfs_quote_text(given).text,
                 dfs_words_suggest(given + strspn(given, "-"), names, count).text);
}

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
        (void)fprintf(stderr, "dfs-sim: cannot write %s: %s\n", wanted->schedule, strerror(errno));
        json_decref(schedule);
        return 7;
    }
    (void)json_object_set_new(object, "schedule", json_string(wanted->schedule));
    (void)json_object_set_new(object, "violations", json_incref(json_object_get(schedule, "violations")));
    (void)json_object_set_new(object, "reason", json_incref(json_object_get(schedule, "reason")));
    if (!wanted->json) {
        print_schedule(schedule);
        (void)printf("again: dfs-sim explore --replay %s\n", wanted->schedule);
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
        if (!sim_explore(&wanted->explore, &result)) {
            (void)fprintf(stderr, "dfs-sim: no process or memory: %s\n", strerror(errno));
            return 7;
        }
        if (!result.started)
            return wrong("%s", result.words);
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
            return wrong("--hosts: there is no %s: the cluster has %u data servers and %u clients", name, counts.data,
                         counts.clients);
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
        return wrong("--from: the scenario is over by then");
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

    if (sim_source_load(&source, file, &why) != DFS_OK) {
        (void)fprintf(stderr, "dfs-sim: %s\n", why.text);
        return 7;
    }
    if (source.bytes == NULL)
        return wrong("explore needs a scenario file: a swarm is no small scope");
    wanted->explore.source = &source;
    if (sim_source_read(&source, wanted->explore.scope.seed, &scenario, &error) == DFS_OK)
        code = explore_scenario(wanted, &scenario);
    else
        code = wrong("%s", error.text);
    wanted->explore.source = NULL;
    sim_scenario_close(&scenario);
    sim_source_close(&source);
    return code;
}

int sim_command_explore(int argc, char **argv)
{
    struct wanted wanted = {
        .explore = {.depth = 1000, .scope = {.seed = 1, .unsynced = 7, .crashes = 1, .losses = 1}},
        .overtakes = SIM_OVERTAKES_ALL,
        .hosts = {.count = 3, .refs = {{SIM_HOST_META, 0}, {SIM_HOST_ALL_DATA, 0}, {SIM_HOST_ALL_CLIENTS, 0}}},
    };
    int found;
    int index = 0;

    while ((found = getopt_long(argc, argv, ":", options, &index)) != -1) {
        int code = 0;

        if (found == 'h')
            return fputs(help, stdout) >= 0 ? 0 : 7;
        code = found == '?' || found == ':' ? unknown(argv) : option_take(found, options[index].name, &wanted);
        if (code != 0)
            return code;
    }
    if (wanted.replay.file != NULL)
        return argc == optind ? sim_schedule_replay(&wanted.replay)
                              : wrong("--replay takes no SCENARIO: the schedule has it");
    if (wanted.replay.trace_file != NULL || wanted.replay.html_file != NULL)
        return wrong("--trace and --html go with --replay: a search has no one run to show");
    if (argc - optind != 1)
        return wrong("explore needs one SCENARIO; see dfs-sim explore --help");
    return explore(&wanted, argv[optind]);
}
