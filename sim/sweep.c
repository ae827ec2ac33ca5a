#include "sim/sweep.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/annotate.h"
#include "sim/coverage.h"
#include "sim/junit.h"
#include "sim/own_seed.h"
#include "sim/report.h"
#include "sim/shell_word.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Between two writings of the progress line. */
#define PROGRESS_NS (500 * DFS_MILLISECONDS)

struct worker {
    bool busy;
    struct sim_job job;
    struct sim_child child;
    dfs_time_ns began;
};

struct totals {
    uint64_t seeds;
    uint64_t failed;
    uint64_t events;
    uint64_t virtual_ms;
    uint64_t puts_acknowledged;
    uint64_t evictions;
    uint64_t repairs;
    uint64_t crashes;
    uint64_t seeds_repaired;
    bool seen[SIM_VERDICT_COUNT];
};

struct state {
    const struct sim_sweep *sweep;
    struct worker *workers;
    uint64_t seed; /* the next */
    size_t source; /* of that seed, the next */
    bool exhausted;
    bool stopped;
    int error; /* exit code of what could not be run at all; 0: none */
    struct totals totals;
    struct sim_coverage *coverage;
    FILE *coverage_file;    /* open from the beginning: nobody wants to hear after an hour that it cannot be */
    struct sim_junit junit; /* when the sweep has a file for it */
    dfs_time_ns began;
    dfs_time_ns progressed;
    bool terminal;
};

/* Real time: how long to go on, and the figures; no simulated thing sees it. */
static dfs_time_ns real_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (dfs_time_ns)now.tv_sec * DFS_SECONDS + (dfs_time_ns)now.tv_nsec;
}

static void repeat_command(const struct state *state, const struct sim_job *job, char *text, size_t room)
{
    (void)snprintf(text, room, "%s run %s --seed %" PRIu64, sim_shell_word(state->sweep->program).text,
                   sim_shell_word(job->source->file).text, job->seed);
}

static void clear_progress(const struct state *state)
{
    if (state->terminal)
        (void)fprintf(stderr, "\r\033[K");
}

static void progress(struct state *state)
{
    const dfs_time_ns now = real_now();
    char events[SIM_GROUPED_BYTES];

    if (!state->terminal || now - state->progressed < PROGRESS_NS)
        return;
    state->progressed = now;
    (void)fprintf(stderr, "\r\033[K%" PRIu64 " seeds, %" PRIu64 " failed, %s events, %.0f s", state->totals.seeds,
                  state->totals.failed, sim_grouped(state->totals.events, events), (double)(now - state->began) / 1e9);
    (void)fflush(stderr);
}

/* JUnit --------------------------------------------------------------------------------------------------------------------- */

static void junit_case(struct state *state, const struct worker *worker, const json_t *result)
{
    char repeat[SIM_REPEAT_BYTES];
    const char *scenario = json_string_value(json_object_get(result, "scenario"));
    const char *verdict = json_string_value(json_object_get(result, "verdict"));
    const char *reason = json_string_value(json_object_get(result, "reason"));
    const json_t *violations = json_object_get(result, "violations");
    const double seconds = (double)(real_now() - worker->began) / 1e9;
    const bool aborted = sim_result_verdict(result) == SIM_ABORTED;

    if (state->sweep->junit_file == NULL)
        return;
    if (sim_result_verdict(result) == SIM_PASS) {
        sim_junit_pass(&state->junit, scenario, worker->job.seed, seconds);
        return;
    }
    repeat_command(state, &worker->job, repeat, sizeof repeat);
    sim_junit_fail_begin(&state->junit, scenario, worker->job.seed, seconds, verdict, reason != NULL ? reason : verdict,
                         aborted);
    for (size_t i = 0; i < json_array_size(violations); i++) {
        const json_t *violation = json_array_get(violations, i);

        sim_junit_text(&state->junit, json_string_value(json_object_get(violation, "checker")));
        sim_junit_text(&state->junit, ": ");
        sim_junit_text(&state->junit, json_string_value(json_object_get(violation, "message")));
        sim_junit_text(&state->junit, "\n");
    }
    sim_junit_text(&state->junit, reason != NULL ? reason : "");
    sim_junit_text(&state->junit, "\n");
    sim_junit_text(&state->junit, repeat);
    sim_junit_fail_end(&state->junit, aborted);
}

/* Results ------------------------------------------------------------------------------------------------------------------- */

static uint64_t figure(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void add_up(struct totals *totals, const json_t *result, enum sim_verdict_kind verdict)
{
    const json_t *stats = json_object_get(result, "stats");
    const size_t evictions = json_array_size(json_object_get(result, "evictions"));
    const uint64_t repairs = figure(json_object_get(result, "repairs"), "copies");

    totals->seeds++;
    totals->failed += verdict != SIM_PASS;
    totals->events += figure(result, "events");
    totals->virtual_ms += figure(result, "virtual_ms");
    totals->puts_acknowledged += figure(stats, "puts_acknowledged");
    totals->evictions += evictions;
    totals->repairs += repairs;
    totals->crashes += figure(stats, "crashes");
    totals->seeds_repaired += evictions > 0 && repairs > 0;
    totals->seen[verdict] = true;
}

static void annotate(const struct sim_job *job, const json_t *result, const char *repeat)
{
    const bool is_file = job->source->bytes != NULL;
    struct sim_scenario scenario;
    struct dfs_conf_error error;
    const bool is_read = sim_source_read(job->source, job->seed, &scenario, &error) == DFS_OK;

    sim_annotate(stdout, is_file ? job->source->file : NULL, sim_annotate_line(result, is_read ? &scenario : NULL),
                 result, repeat);
    sim_scenario_close(&scenario);
}

static void tell_failure(const struct state *state, const struct sim_job *job, json_t *result)
{
    char repeat[SIM_REPEAT_BYTES];

    clear_progress(state);
    if (state->sweep->json) {
        (void)json_object_del(result, "stats");
        (void)json_dumpf(result, stdout, JSON_COMPACT);
        (void)putchar('\n');
    } else {
        repeat_command(state, job, repeat, sizeof repeat);
        sim_report_failure(stdout, result, repeat);
        (void)printf(
            "  look closer  the same with --html run.html, --why, --record run.json; or %s shrink %s --seed %" PRIu64
            " -o small.json\n",
            sim_shell_word(state->sweep->program).text, sim_shell_word(job->source->file).text, job->seed);
        if (sim_annotate_wanted())
            annotate(job, result, repeat);
    }
    (void)fflush(stdout);
}

static void take_outcome(struct state *state, struct worker *worker, json_t *outcome)
{
    json_t *result = json_object_get(outcome, "result");
    const char *error = json_string_value(json_object_get(outcome, "error"));

    if (error != NULL || result == NULL) {
        clear_progress(state);
        (void)fprintf(stderr, "dfs-sim: %s\n", error != NULL ? error : "a run said nothing");
        state->error = error != NULL ? (int)json_integer_value(json_object_get(outcome, "exit")) : 7;
        state->stopped = true;
        return;
    }
    const enum sim_verdict_kind verdict = sim_result_verdict(result);

    DFS_ASSERT(verdict < SIM_VERDICT_COUNT);
    add_up(&state->totals, result, verdict);
    junit_case(state, worker, result);
    if (state->coverage != NULL)
        (void)sim_coverage_merge(state->coverage, json_object_get(outcome, "coverage"));
    if (verdict == SIM_PASS)
        return;
    tell_failure(state, &worker->job, result);
    if (state->sweep->stop_at_first)
        state->stopped = true;
}

/* Work ------------------------------------------------------------------------------------------------------------------------ */

static bool next_job(struct state *state, struct sim_job *ret_job)
{
    const struct sim_sweep *sweep = state->sweep;

    if (state->exhausted || state->stopped)
        return false;
    if (sweep->time_ns > 0 && real_now() - state->began >= sweep->time_ns)
        return false;
    *ret_job = (struct sim_job){
        .source = &sweep->sources[state->source], .seed = state->seed, .coverage = sweep->coverage_file != NULL};
    if (sweep->own_seeds)
        (void)sim_own_seed(ret_job->source,
                           &ret_job->seed); /* sim_sweep_run's caller has seen to it that there is one */
    if (++state->source < sweep->sources_count)
        return true;
    state->source = 0;
    if (sweep->last - state->seed < sweep->shards)
        state->exhausted = true;
    else
        state->seed += sweep->shards;
    return true;
}

static void fill_workers(struct state *state)
{
    for (uint32_t i = 0; i < state->sweep->workers; i++) {
        struct worker *worker = &state->workers[i];

        if (worker->busy || !next_job(state, &worker->job))
            continue;
        worker->began = real_now();
        if (sim_child_start(&worker->child, &worker->job)) {
            worker->busy = true;
            continue;
        }
        (void)fprintf(stderr, "dfs-sim: cannot start a process: %s\n", strerror(errno));
        state->error = 7;
        state->stopped = true;
    }
}

/* Waits for one of the running to say something; false when none runs. */
static bool wait_workers(struct state *state)
{
    struct pollfd fds[SIM_WORKERS_MAX];
    struct worker *of[SIM_WORKERS_MAX];
    nfds_t count = 0;

    for (uint32_t i = 0; i < state->sweep->workers; i++) {
        if (!state->workers[i].busy)
            continue;
        of[count] = &state->workers[i];
        fds[count++] = (struct pollfd){.fd = state->workers[i].child.fd, .events = POLLIN};
    }
    if (count == 0)
        return false;
    if (poll(fds, count, 1000) < 0 && errno != EINTR)
        return false;
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].revents == 0 || !sim_child_read(&of[i]->child))
            continue;
        of[i]->busy = false;
        json_t *outcome = sim_child_end(&of[i]->child);

        take_outcome(state, of[i], outcome);
        json_decref(outcome);
    }
    return true;
}

/* The worst of the verdicts, in the order of the interfaces. */
static int exit_code(const struct totals *totals)
{
    static const enum sim_verdict_kind order[] = {SIM_ABORTED, SIM_NONDETERMINISTIC, SIM_FAIL, SIM_STUCK, SIM_VACUOUS};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (totals->seen[order[i]])
            return sim_verdict_exit_code(order[i]);
    }
    return 0;
}

static bool is_swarm(const struct sim_sweep *sweep)
{
    return sweep->sources_count == 1 && sweep->sources[0].bytes == NULL;
}

static void summarise(const struct state *state)
{
    const struct totals *totals = &state->totals;
    const double wall_s = (double)(real_now() - state->began) / 1e9;
    char events[SIM_GROUPED_BYTES];

    if (state->sweep->json) {
        json_t *summary =
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "seeds", (json_int_t)totals->seeds,
                      "failed", (json_int_t)totals->failed, "events", (json_int_t)totals->events, "virtual_ms",
                      (json_int_t)totals->virtual_ms, "wall_ms", (json_int_t)(wall_s * 1e3), "puts_acknowledged",
                      (json_int_t)totals->puts_acknowledged, "evictions", (json_int_t)totals->evictions, "repairs",
                      (json_int_t)totals->repairs, "crashes", (json_int_t)totals->crashes, "seeds_repaired",
                      (json_int_t)totals->seeds_repaired);

        (void)json_dumpf(summary, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(summary);
        return;
    }
    (void)printf("%" PRIu64 " seeds, %" PRIu64 " failed: %s events in %.1f s (%.0f s simulated); %" PRIu64
                 " PUTs acknowledged, %" PRIu64 " crashes, %" PRIu64 " evictions, %" PRIu64
                 " copies by repair; %" PRIu64 " seeds had an eviction and a repair\n",
                 totals->seeds, totals->failed, sim_grouped(totals->events, events), wall_s,
                 (double)totals->virtual_ms / 1e3, totals->puts_acknowledged, totals->crashes, totals->evictions,
                 totals->repairs, totals->seeds_repaired);
}

static bool open_outputs(struct state *state)
{
    const struct sim_sweep *sweep = state->sweep;

    if (sweep->coverage_file != NULL && (state->coverage_file = fopen(sweep->coverage_file, "we")) == NULL) {
        (void)fprintf(stderr, "dfs-sim: cannot write %s: %s\n", sweep->coverage_file, strerror(errno));
        return false;
    }
    if (sweep->junit_file != NULL && !sim_junit_open(&state->junit, sweep->junit_file)) {
        (void)fprintf(stderr, "dfs-sim: cannot write %s: %s\n", sweep->junit_file, strerror(errno));
        if (state->coverage_file != NULL)
            (void)fclose(state->coverage_file);
        return false;
    }
    if (sweep->coverage_file != NULL)
        state->coverage = sim_coverage_new();
    return true;
}

/* 0, or 7 when a file could not be written. */
static int close_outputs(struct state *state)
{
    const struct sim_sweep *sweep = state->sweep;
    int code = 0;

    if (sweep->junit_file != NULL && !sim_junit_close(&state->junit, (double)(real_now() - state->began) / 1e9)) {
        (void)fprintf(stderr, "dfs-sim: cannot write %s: %s\n", sweep->junit_file, strerror(errno));
        code = 7;
    }
    if (state->coverage != NULL) {
        const bool written = sim_coverage_write(state->coverage, state->coverage_file);

        if (fclose(state->coverage_file) != 0 || !written) {
            (void)fprintf(stderr, "dfs-sim: cannot write %s: %s\n", sweep->coverage_file, strerror(errno));
            code = 7;
        }
        sim_coverage_free(state->coverage);
    }
    return code;
}

int sim_sweep_run(const struct sim_sweep *sweep)
{
    struct state state = {
        .sweep = sweep, .seed = sweep->first, .began = real_now(), .terminal = isatty(STDERR_FILENO) == 1};
    int code;

    DFS_ASSERT(sweep->sources_count > 0 && sweep->workers > 0 && sweep->workers <= SIM_WORKERS_MAX &&
               sweep->shards > 0);
    if (sweep->shard > sweep->last - sweep->first)
        state.exhausted = true;
    else
        state.seed += sweep->shard;
    if (!open_outputs(&state))
        return 7;
    state.workers = dfs_alloc_zero_array(sweep->workers, sizeof *state.workers);
    do {
        fill_workers(&state);
        progress(&state);
    } while (wait_workers(&state));
    clear_progress(&state);
    dfs_free(state.workers);
    summarise(&state);
    code = close_outputs(&state);
    if (state.error != 0)
        return state.error;
    if (code != 0)
        return code;
    code = exit_code(&state.totals);
    if (code == 0 && is_swarm(sweep) && state.totals.seeds_repaired * 2 < state.totals.seeds) {
        (void)fprintf(
            stderr, "dfs-sim: vacuous: only %" PRIu64 " of %" PRIu64 " seeds had an eviction and a completed repair\n",
            state.totals.seeds_repaired, state.totals.seeds);
        return sim_verdict_exit_code(SIM_VACUOUS);
    }
    return code;
}
