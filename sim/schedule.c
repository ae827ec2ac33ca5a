/* A schedule in words: made from the places of its moves by walking it once more, and walked again from its words. */
#include "sim/explore.h"

#include "core/base/mem.h"
#include "sim/html.h"
#include "sim/trace_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCHEDULE_VERSION 1

/* Walking ------------------------------------------------------------------------------------------------------------ */

struct walker {
    struct sim_scenario scenario;
    struct sim_scope *scope;
    struct sim_move *moves;
    size_t count; /* of the moves that are possible now */
};

static void walker_close(struct walker *walker)
{
    sim_scope_free(walker->scope);
    sim_scenario_close(&walker->scenario);
    dfs_free(walker->moves);
}

/* false: *ret_why. To be closed in either case. */
static bool walker_open(struct walker *walker, const struct sim_source *source, const struct sim_scope_options *options,
                        struct dfs_why *ret_why)
{
    struct dfs_conf_error error;

    *walker = (struct walker){.moves = dfs_alloc_zero_array(SIM_MOVES_MAX, sizeof *walker->moves)};
    if (sim_source_read(source, options->seed, &walker->scenario, &error) != DFS_OK) {
        dfs_why_set(ret_why, "%s", error.text);
        return false;
    }
    walker->scope = sim_scope_new(&walker->scenario, options, ret_why);
    return walker->scope != NULL;
}

static bool has_failed(const struct walker *walker)
{
    return sim_scope_run(walker->scope)->verdict >= SIM_STUCK;
}

static void look(struct walker *walker)
{
    walker->count = sim_scope_moves(walker->scope, walker->moves);
}

/* When every move was made: the usual course to the end, and what is said of the end. */
static void walk_on(struct walker *walker, void (*each)(struct walker *walker, size_t at, bool own))
{
    for (;;) {
        if (has_failed(walker))
            return;
        look(walker);
        if (sim_scope_is_over(walker->scope) || walker->count == 0)
            break;
        each(walker, 0, true);
        sim_scope_apply(walker->scope, &walker->moves[0]);
    }
    sim_scope_finish(walker->scope);
}

/* Making ------------------------------------------------------------------------------------------------------------- */

static void line_put(FILE *out, json_t *line)
{
    (void)json_dumpf(line, out, JSON_COMPACT);
    (void)fputc('\n', out);
    (void)fflush(out); /* the next move may be the machine's last */
    json_decref(line);
}

static json_t *step_json(struct walker *walker, size_t at)
{
    char words[SIM_MOVE_WORDS_BYTES];

    sim_scope_words(walker->scope, walker->moves, at, words);
    return json_pack("{s:f, s:s}", "at_ms", (double)sim_run_time(sim_scope_run(walker->scope)) / 1e6, "do", words);
}

static void write_steps(const struct sim_explore_options *options, const struct sim_explore_result *result, FILE *out)
{
    struct walker walker;
    struct dfs_why why;

    if (walker_open(&walker, options->source, &options->scope, &why)) {
        for (uint32_t i = 0; i < result->path_count; i++) {
            look(&walker);
            line_put(out, step_json(&walker, result->path[i]));
            sim_scope_apply(walker.scope, &walker.moves[result->path[i]]);
        }
        if (!has_failed(&walker)) {
            look(&walker);
            if (sim_scope_is_over(walker.scope))
                sim_scope_finish(walker.scope);
        }
        line_put(out, sim_run_json(sim_scope_run(walker.scope)));
    }
    walker_close(&walker);
}

/* Lines of a child into steps and the run's result. */
static void read_steps(FILE *in, json_t *steps, json_t **ret_result)
{
    char *line = NULL;
    size_t room = 0;

    *ret_result = NULL;
    while (getline(&line, &room, in) > 0) {
        json_t *value = json_loads(line, 0, NULL);

        if (value != NULL && json_object_get(value, "do") != NULL)
            (void)json_array_append_new(steps, value);
        else
            *ret_result = value;
    }
    free(line);
}

static json_t *head_json(const struct sim_explore_options *options)
{
    const struct sim_scope_options *scope = &options->scope;
    json_t *document = json_loadb(options->source->bytes, options->source->count, 0, NULL);
    json_t *hosts = json_array();

    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++)
        if (sim_host_set_has(&scope->hosts, i))
            (void)json_array_append_new(hosts, json_integer((json_int_t)i));
    return json_pack("{s:i, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:b, s:i, s:i, s:o}", "dfs_schedule", SCHEDULE_VERSION,
                     "scenario", document != NULL ? document : json_null(), "seed", (json_int_t)scope->seed, "from_ns",
                     (json_int_t)scope->from, "until_ns", (json_int_t)scope->until, "crashes", (int)scope->crashes,
                     "losses", (int)scope->losses, "timeouts", (int)scope->timeouts, "late", (int)scope->late,
                     "unsynced", (int)scope->unsynced, "disks", (int)scope->disks, "hosts", hosts);
}

json_t *sim_schedule_make(const struct sim_explore_options *options, const struct sim_explore_result *result)
{
    json_t *steps = json_array();
    json_t *schedule = head_json(options);
    json_t *run;
    int fds[2];
    pid_t pid;

    if (pipe(fds) != 0 || (pid = fork()) < 0) {
        json_decref(steps);
        json_decref(schedule);
        return NULL;
    }
    if (pid == 0) {
        FILE *out = fdopen(fds[1], "w");

        (void)close(fds[0]);
        if (out != NULL)
            write_steps(options, result, out);
        _exit(0);
    }
    (void)close(fds[1]);
    FILE *in = fdopen(fds[0], "r");

    if (in == NULL)
        return NULL;
    read_steps(in, steps, &run);
    (void)fclose(in);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    (void)json_object_set_new(schedule, "steps", steps);
    (void)json_object_set_new(schedule, "verdict", json_string(sim_verdict_name(result->verdict)));
    (void)json_object_set_new(
        schedule, "reason",
        run != NULL ? json_incref(json_object_get(run, "reason"))
                    : json_string(result->words[0] != '\0' ? result->words : "walked again, it ended early"));
    (void)json_object_set_new(schedule, "violations",
                              run != NULL ? json_incref(json_object_get(run, "violations")) : json_array());
    json_decref(run);
    return schedule;
}

/* Replaying ---------------------------------------------------------------------------------------------------------- */

static bool integer_of(const json_t *document, const char *key, int64_t high, int64_t *ret_value)
{
    const json_t *value = json_object_get(document, key);

    *ret_value = json_integer_value(value);
    return json_is_integer(value) && *ret_value >= 0 && *ret_value <= high;
}

/* NULL, or the key that is not what it should be. */
static const char *options_of(const json_t *document, struct sim_scope_options *options)
{
    const json_t *hosts = json_object_get(document, "hosts");
    int64_t value = 0;

    *options = (struct sim_scope_options){.late = json_is_true(json_object_get(document, "late"))};
#define GET(key, high, field) \
    if (!integer_of(document, key, high, &value)) \
        return key; \
    options->field = (__typeof__(options->field))value
    GET("seed", INT64_MAX, seed);
    GET("from_ns", INT64_MAX, from);
    GET("until_ns", INT64_MAX, until);
    GET("crashes", SIM_SCOPE_FAULTS_MAX, crashes);
    GET("losses", SIM_SCOPE_FAULTS_MAX, losses);
    GET("timeouts", SIM_SCOPE_FAULTS_MAX, timeouts);
    GET("unsynced", 7, unsynced);
    GET("disks", SIM_DISKS_COUNT - 1, disks);
#undef GET
    options->overtakes = SIM_OVERTAKES_ALL; /* the steps say which */
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        value = json_integer_value(json_array_get(hosts, i));
        if (value < 0 || value >= SIM_HOSTS_MAX)
            return "hosts";
        sim_host_set_add(&options->hosts, (uint32_t)value);
    }
    return json_is_array(json_object_get(document, "steps")) ? NULL : "steps";
}

static void print_step(struct walker *walker, size_t at, bool own)
{
    char words[SIM_MOVE_WORDS_BYTES];

    sim_scope_words(walker->scope, walker->moves, at, words);
    (void)printf("%12.6f s  %s%s\n", (double)sim_run_time(sim_scope_run(walker->scope)) / 1e9, own ? "(then) " : "",
                 words);
    (void)fflush(stdout);
}

static void print_nothing(struct walker *walker, size_t at, bool own)
{
    (void)walker, (void)at, (void)own;
}

/* The place of the move that these words name; SIZE_MAX: none. */
static size_t move_find(struct walker *walker, const char *wanted)
{
    char words[SIM_MOVE_WORDS_BYTES];

    for (size_t i = 0; i < walker->count; i++) {
        sim_scope_words(walker->scope, walker->moves, i, words);
        if (strcmp(words, wanted) == 0)
            return i;
    }
    return SIZE_MAX;
}

static int cannot_step(struct walker *walker, const char *file, size_t step, const char *wanted)
{
    char words[SIM_MOVE_WORDS_BYTES];

    (void)fprintf(stderr, "dfs-sim: %s: step %zu, \"%s\", is not possible there; what is:\n", file, step + 1, wanted);
    for (size_t i = 0; i < walker->count; i++) {
        sim_scope_words(walker->scope, walker->moves, i, words);
        (void)fprintf(stderr, "    %s\n", words);
    }
    return 2;
}

static int replay_steps(struct walker *walker, const struct sim_replay *replay, const json_t *steps)
{
    struct sim_run *run = sim_scope_run(walker->scope);
    json_t *result;

    for (size_t i = 0; i < json_array_size(steps) && !has_failed(walker); i++) {
        const char *wanted = json_string_value(json_object_get(json_array_get(steps, i), "do"));
        size_t at;

        look(walker);
        at = wanted != NULL ? move_find(walker, wanted) : SIZE_MAX;
        if (at == SIZE_MAX)
            return cannot_step(walker, replay->file, i, wanted != NULL ? wanted : "?");
        if (!replay->json)
            print_step(walker, at, false);
        sim_scope_apply(walker->scope, &walker->moves[at]);
    }
    walk_on(walker, replay->json ? print_nothing : print_step);
    if (replay->json) {
        result = sim_run_json(run);
        (void)json_dumpf(result, stdout, JSON_REAL_PRECISION(15));
        (void)putchar('\n');
        json_decref(result);
    } else {
        for (size_t i = 0; i < run->violations_count; i++)
            (void)printf("%s: %s\n", run->violations[i].checker, run->violations[i].message);
        (void)printf("%s%s%s\n", sim_verdict_name(run->verdict), run->reason[0] != '\0' ? ": " : "", run->reason);
    }
    return sim_verdict_exit_code(run->verdict);
}

/* Who looks on. */
struct onlookers {
    const struct sim_replay *replay;
    FILE *trace_stream;
    struct sim_trace_file *trace;
    struct sim_html *html;
};

static void attach(struct sim_run *run, void *arg)
{
    struct onlookers *onlookers = arg;

    if (onlookers->trace_stream != NULL)
        onlookers->trace = sim_trace_file_new(run, onlookers->trace_stream);
    if (onlookers->replay->html_file != NULL)
        onlookers->html = sim_html_attach(run);
}

static int cannot_write(const char *file)
{
    (void)fprintf(stderr, "dfs-sim: cannot write %s: %s\n", file, strerror(errno));
    return 7;
}

static int replay_scope(const struct sim_replay *replay, const struct sim_source *source,
                        const struct sim_scope_options *options, const json_t *steps)
{
    struct onlookers onlookers = {.replay = replay};
    struct sim_scope_options watched = *options;
    struct walker walker;
    struct dfs_why why;
    int code = 2;

    if (replay->trace_file != NULL && (onlookers.trace_stream = fopen(replay->trace_file, "w")) == NULL)
        return cannot_write(replay->trace_file);
    watched.attach = attach;
    watched.attach_arg = &onlookers;
    if (walker_open(&walker, source, &watched, &why)) {
        code = replay_steps(&walker, replay, steps);
        if (replay->html_file != NULL &&
            !sim_html_write(onlookers.html, sim_scope_run(walker.scope), replay->html_file))
            code = cannot_write(replay->html_file);
    } else {
        (void)fprintf(stderr, "dfs-sim: %s\n", why.text);
    }
    walker_close(&walker);
    sim_trace_file_free(onlookers.trace);
    sim_html_free(onlookers.html);
    if (onlookers.trace_stream != NULL && fclose(onlookers.trace_stream) != 0)
        code = cannot_write(replay->trace_file);
    return code;
}

static int replay_document(const struct sim_replay *replay, const json_t *document)
{
    char *text = json_dumps(json_object_get(document, "scenario"), JSON_REAL_PRECISION(15));
    const struct sim_source source = {.file = replay->file, .bytes = text, .count = text != NULL ? strlen(text) : 0};
    struct sim_scope_options options;
    const char *key = text != NULL ? options_of(document, &options) : "scenario";
    int code = 2;

    if (key != NULL)
        (void)fprintf(stderr, "dfs-sim: %s: \"%s\" is not there, or not what dfs-sim explore writes\n", replay->file,
                      key);
    else
        code = replay_scope(replay, &source, &options, json_object_get(document, "steps"));
    free(text);
    return code;
}

int sim_schedule_replay(const struct sim_replay *replay)
{
    json_error_t error;
    json_t *document = json_load_file(replay->file, 0, &error);
    int status = 0;
    pid_t pid;

    if (document == NULL) {
        (void)fprintf(stderr, "dfs-sim: %s:%d: %s\n", replay->file, error.line, error.text);
        return error.line < 0 ? 7 : 2;
    }
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        const int code = replay_document(replay, document);

        (void)fflush(NULL);
        _exit(code);
    }
    json_decref(document);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0)
        return 7;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    (void)printf("a machine was ended by a signal\n");
    return sim_verdict_exit_code(SIM_ABORTED);
}
