#include "sim/shrink.h"

#include "core/base/mem.h"
#include "sim/output.h"
#include "sim/own_seed.h"
#include "sim/plainer.h"
#include "sim/record.h"
#include "sim/report.h"
#include "sim/scenario_write.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A candidate may take so many times the events of the run that failed: less is in it, but it may wait longer. */
#define EVENTS_FACTOR 4
#define EVENTS_LEAST UINT64_C(1000000)

/* Of processor time, for one candidate; a seed of the swarm takes a tenth of a second. */
#define CANDIDATE_SECONDS 20

/* Pairs are tried of so many entries at the most: 780 runs. */
#define PAIRS_OF 40

/* Faults and operations that are seen at a glance. */
#define GLANCE 6

struct trial {
    struct sim_source source;
    struct sim_job job;
    struct sim_child child;
    bool running;
    bool fails;
};

struct shrinking {
    struct sim_shrink *shrink;
    char
        record_file[PATH_MAX]; /* beside the output, which is written when all is done: it may be the scenario itself */
    struct sim_scenario best;
    bool record_kept;
    uint64_t events_max;
    struct timespec begun;
};

static bool is_over(struct shrinking *s)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t passed =
        ((int64_t)now.tv_sec - s->begun.tv_sec) * (int64_t)DFS_SECONDS + now.tv_nsec - s->begun.tv_nsec;

    s->shrink->out_of_time = s->shrink->out_of_time || passed >= (int64_t)s->shrink->time_ns;
    return s->shrink->out_of_time;
}

/* Scenarios ----------------------------------------------------------------------------------------------------------------- */

/* An empty list of a scenario is NULL; its copy is a list that may be cut. */
static void *copy_list(const void *list, size_t count, size_t size)
{
    void *list_copy = dfs_alloc_zero_array(count + 1, size);

    if (count > 0)
        memcpy(list_copy, list, count * size);
    return list_copy;
}

static void copy(const struct sim_scenario *from, struct sim_scenario *to)
{
    *to = *from;
    to->works = copy_list(from->works, from->works_count, sizeof *to->works);
    to->faults = copy_list(from->faults, from->faults_count, sizeof *to->faults);
    to->expects = copy_list(from->expects, from->expects_count, sizeof *to->expects);
}

/* The file that a recorded run has left. *scenario is to be closed when true. */
static bool scenario_load(const struct shrinking *s, struct sim_scenario *scenario)
{
    struct sim_source source = {0};
    struct dfs_conf_error error;
    struct dfs_why why;

    if (sim_source_load(&source, s->record_file, &why) != DFS_OK)
        return false;
    const bool read = sim_source_read(&source, s->shrink->seed, scenario, &error) == DFS_OK;

    sim_source_close(&source);
    if (!read)
        sim_scenario_close(scenario);
    return read;
}

/* Leaves out `count` entries from `first` of the list that is faults, then operations. */
static void leave_out(struct sim_scenario *scenario, size_t first, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < scenario->faults_count; i++) {
        if (i < first || i >= first + count)
            scenario->faults[kept++] = scenario->faults[i];
    }
    const size_t offset = scenario->faults_count;

    scenario->faults_count = kept;
    kept = 0;
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (offset + i < first || offset + i >= first + count)
            scenario->works[kept++] = scenario->works[i];
    }
    scenario->works_count = kept;
}

/* Trials -------------------------------------------------------------------------------------------------------------------- */

/* With N for numbers, and of one line up to its details: what of a reason stays the same while the scenario shrinks. */
static void reason_kind(const char *reason, char *out, size_t room)
{
    size_t count = 0;

    for (; *reason != '\0' && *reason != ':' && *reason != '\n' && count + 1 < room; reason++) {
        const bool is_digit = *reason >= '0' && *reason <= '9';

        if (!is_digit)
            out[count++] = *reason;
        else if (reason[1] < '0' || reason[1] > '9')
            out[count++] = 'N';
    }
    out[count] = '\0';
}

/* How it fails, in words: the first checker that spoke, the first expectation that did not come about, the assertion, or the kind of the reason. */
static void way_of(const json_t *result, char *out, size_t room)
{
    const char *checker =
        json_string_value(json_object_get(json_array_get(json_object_get(result, "violations"), 0), "checker"));
    const char *reason = json_string_value(json_object_get(result, "reason"));
    const json_t *expectations = json_object_get(result, "expectations");

    out[0] = '\0';
    if (checker != NULL) {
        (void)snprintf(out, room, "%s", checker);
        return;
    }
    for (size_t i = 0; i < json_array_size(expectations); i++) {
        if (!json_is_true(json_object_get(json_array_get(expectations, i), "ok"))) {
            (void)snprintf(out, room, "expectation %zu", i);
            return;
        }
    }
    if (reason != NULL && sim_result_verdict(result) == SIM_ABORTED)
        (void)snprintf(out, room, "%s", reason);
    else if (reason != NULL)
        reason_kind(reason, out, room);
}

static bool is_same(const struct sim_shrink *shrink, const json_t *outcome)
{
    const json_t *result = json_object_get(outcome, "result");
    const char *verdict = json_string_value(json_object_get(result, "verdict"));
    char way[SIM_SHRINK_WAY_BYTES];

    if (verdict == NULL || strcmp(verdict, shrink->verdict) != 0)
        return false;
    way_of(result, way, sizeof way);
    return strcmp(way, shrink->way) == 0;
}

static bool trial_start(struct shrinking *s, struct trial *trial, const struct sim_scenario *scenario)
{
    char *text = sim_scenario_text(scenario);

    *trial = (struct trial){.source = {.file = "shrink", .bytes = text, .count = strlen(text)}};
    trial->job = (struct sim_job){.source = &trial->source,
                                  .seed = s->shrink->seed,
                                  .events_max = s->events_max,
                                  .seconds_max = CANDIDATE_SECONDS};
    trial->running = sim_child_start(&trial->child, &trial->job);
    s->shrink->runs += trial->running;
    return trial->running;
}

static void trial_end(struct shrinking *s, struct trial *trial)
{
    if (trial->running) {
        while (!sim_child_read(&trial->child))
            ;
        json_t *outcome = sim_child_end(&trial->child);

        trial->fails = is_same(s->shrink, outcome);
        json_decref(outcome);
    }
    dfs_free(trial->source.bytes);
}

/*
 * Tries the candidates from number `from` to `count`, some at a time, and takes the first that fails in the same way; its number, or SIZE_MAX. `make` gives the
 * candidate of a number, false where there is none.
 */
static size_t try_from(struct shrinking *s, size_t from, size_t count,
                       bool (*make)(struct sim_scenario *, size_t, size_t), size_t arg)
{
    struct trial trials[SIM_SHRINK_WORKERS_MAX];
    struct sim_scenario scenarios[SIM_SHRINK_WORKERS_MAX];

    for (size_t first = from; first < count && !is_over(s); first += s->shrink->workers) {
        size_t found = SIZE_MAX;
        size_t batch = count - first < s->shrink->workers ? count - first : s->shrink->workers;

        for (size_t i = 0; i < batch; i++) {
            copy(&s->best, &scenarios[i]);
            trials[i] = (struct trial){0};
            if (make(&scenarios[i], first + i, arg))
                (void)trial_start(s, &trials[i], &scenarios[i]);
        }
        for (size_t i = 0; i < batch; i++) {
            trial_end(s, &trials[i]);
            if (trials[i].fails && found == SIZE_MAX) {
                found = i;
                sim_scenario_close(&s->best);
                s->best = scenarios[i];
            } else {
                sim_scenario_close(&scenarios[i]);
            }
        }
        if (isatty(STDERR_FILENO))
            (void)fprintf(stderr, "\r%" PRIu64 " runs: %zu faults, %zu operations ", s->shrink->runs,
                          s->best.faults_count, s->best.works_count);
        if (found != SIZE_MAX)
            return first + found;
    }
    return SIZE_MAX;
}

static size_t entries(const struct shrinking *s)
{
    return s->best.faults_count + s->best.works_count;
}

static bool make_without(struct sim_scenario *scenario, size_t number, size_t length)
{
    leave_out(scenario, number * length, length);
    return true;
}

static bool make_only(struct sim_scenario *scenario, size_t number, size_t length)
{
    const size_t all = scenario->faults_count + scenario->works_count;

    /* From behind, so that the places in front stay. */
    if ((number + 1) * length < all)
        leave_out(scenario, (number + 1) * length, all);
    leave_out(scenario, 0, number * length);
    return true;
}

/* ddmin over faults and operations. */
static bool fewer(struct shrinking *s)
{
    const size_t before = entries(s);
    size_t length = before / 2 > 0 ? before / 2 : 1;

    while (entries(s) > 0 && !is_over(s)) {
        const size_t parts = (entries(s) + length - 1) / length;

        if (parts <= 4 && length > 1 && try_from(s, 0, parts, make_only, length) != SIZE_MAX) {
            length = entries(s) / 2 > 0 ? entries(s) / 2 : 1;
            continue;
        }
        if (try_from(s, 0, parts, make_without, length) != SIZE_MAX)
            continue;
        if (length == 1)
            break;
        length = length / 2;
    }
    return entries(s) < before;
}

/* Two entries may hold each other: the one matters for when the other comes. Numbers count the pairs (i, j) with i < j. */
static bool make_without_two(struct sim_scenario *scenario, size_t number, size_t all)
{
    size_t i = 0;

    while (number >= all - 1 - i) {
        number -= all - 1 - i;
        i++;
    }
    leave_out(scenario, i + 1 + number, 1);
    leave_out(scenario, i, 1);
    return true;
}

static bool fewer_by_two(struct shrinking *s)
{
    const size_t before = entries(s);
    size_t all;

    while ((all = entries(s)) >= 2 && all <= PAIRS_OF &&
           try_from(s, 0, all * (all - 1) / 2, make_without_two, all) != SIZE_MAX)
        ;
    return entries(s) < before;
}

/* Plainer ------------------------------------------------------------------------------------------------------------------- */

static bool is_changed(const char *before, const struct sim_scenario *scenario)
{
    char *text = sim_scenario_text(scenario);
    const bool changed = strcmp(before, text) != 0;

    dfs_free(text);
    return changed;
}

/* A step that leaves the file as it is is none. */
static bool make_plainer(struct sim_scenario *scenario, size_t number, size_t kind)
{
    char *before = sim_scenario_text(scenario);
    const bool changed = sim_plainer_step(scenario, kind, number) && is_changed(before, scenario);

    dfs_free(before);
    return changed;
}

/* Every number of every kind of step, each as often as it helps. */
static bool plainer(struct shrinking *s)
{
    bool changed = false;

    for (size_t kind = 0; kind < sim_plainer_kinds(); kind++) {
        size_t number = 0;

        while ((number = try_from(s, number, sim_plainer_numbers(&s->best, kind), make_plainer, kind)) != SIZE_MAX)
            changed = true;
    }
    return changed;
}

/* Losses -------------------------------------------------------------------------------------------------------------------- */

static bool is_lossy(const struct sim_scenario *scenario)
{
    const struct sim_network *network = &scenario->network;

    return network->loss_ppb > 0 || network->duplicate_ppb > 0 || network->reorder_ppb > 0;
}

static bool take_if_it_fails(struct shrinking *s, struct sim_scenario *scenario)
{
    struct trial trial = {0};

    if (trial_start(s, &trial, scenario))
        trial_end(s, &trial);
    if (trial.fails) {
        sim_scenario_close(&s->best);
        s->best = *scenario;
    }
    return trial.fails;
}

/* The network as the file has it loses nothing: then the fault that says so is not needed either. It stands first. */
static void lossless(struct sim_scenario *scenario)
{
    scenario->network.loss_ppb = scenario->network.duplicate_ppb = scenario->network.reorder_ppb = 0;
    leave_out(scenario, 0, 1);
}

/* What is left of the run is recorded with every loss as a fault, which is taken if it still fails: without the network's own losses, or with those before time 0. */
static bool losses_as_faults(struct shrinking *s)
{
    char *text = sim_scenario_text(&s->best);
    const struct sim_source best = {.file = "shrink", .bytes = text, .count = strlen(text)};
    const struct sim_job job = {.source = &best,
                                .seed = s->shrink->seed,
                                .events_max = s->events_max,
                                .seconds_max = CANDIDATE_SECONDS,
                                .record_file = s->record_file,
                                .record_detail = SIM_RECORD_NETWORK};
    struct sim_scenario recorded, without;
    bool taken = false;

    s->shrink->runs++;
    json_decref(sim_job_run(&job));
    dfs_free(text);
    if (!scenario_load(s, &recorded))
        return false;
    if (is_lossy(&recorded) && recorded.faults_count > 0) {
        copy(&recorded, &without);
        lossless(&without);
        taken = take_if_it_fails(s, &without);
        if (!taken)
            sim_scenario_close(&without);
        if (!taken && take_if_it_fails(s, &recorded))
            return true;
    }
    sim_scenario_close(&recorded);
    return taken;
}

static void least(struct shrinking *s)
{
    bool less;

    (void)fewer(s);
    do {
        less = plainer(s);
        less = fewer(s) || less;
        less = less || fewer_by_two(s);
    } while (less && !is_over(s));
}

/* With the losses that matter as faults, if it can be read at a glance then. */
static void least_losses(struct shrinking *s)
{
    struct sim_scenario before;

    if (!is_lossy(&s->best) || is_over(s))
        return;
    copy(&s->best, &before);
    const size_t count = entries(s);

    if (losses_as_faults(s))
        least(s);
    if (entries(s) > count && entries(s) > GLANCE) {
        sim_scenario_close(&s->best);
        s->best = before;
    } else {
        sim_scenario_close(&before);
    }
}

/* The whole ----------------------------------------------------------------------------------------------------------------- */

/* Runs it once as it is, with a record beside. */
static enum dfs_status record(struct shrinking *s, struct dfs_why *why)
{
    struct sim_shrink *shrink = s->shrink;
    struct sim_job job = {.source = shrink->source, .seed = shrink->seed, .record_file = s->record_file};

    sim_output_clear(s->record_file); /* an older one must not pass for that of a run that leaves none */
    json_t *outcome = sim_job_run(&job);
    const json_t *result = json_object_get(outcome, "result");
    const char *verdict = json_string_value(json_object_get(result, "verdict"));
    const char *error = json_string_value(json_object_get(outcome, "error"));
    enum dfs_status status = DFS_OK;

    if (verdict == NULL) {
        status = json_integer_value(json_object_get(outcome, "exit")) == 2 ? DFS_BAD_CONFIG : DFS_IO;
        dfs_why_set(why, "%s", error != NULL ? error : strerror(errno));
    } else if (strcmp(verdict, "pass") == 0) {
        status = DFS_NOT_FOUND;
        dfs_why_set(why, "%s --seed %" PRIu64 " ends with \"%s\": there is no failure to shrink", shrink->source->file,
                    shrink->seed, verdict);
    } else {
        (void)snprintf(shrink->verdict, sizeof shrink->verdict, "%s", verdict);
        way_of(result, shrink->way, sizeof shrink->way);
        s->events_max = (uint64_t)json_integer_value(json_object_get(result, "events")) * EVENTS_FACTOR;
        if (s->events_max < EVENTS_LEAST)
            s->events_max = EVENTS_LEAST;
    }
    json_decref(outcome);
    return status;
}

static enum dfs_status read_record(struct shrinking *s, struct dfs_why *why)
{
    struct trial trial = {0};

    if (!scenario_load(s, &s->best)) {
        dfs_why_set(why, "the record %s cannot be read; the run ended with: %s", s->record_file, s->shrink->way);
        return DFS_IO;
    }
    if (trial_start(s, &trial, &s->best))
        trial_end(s, &trial);
    if (!trial.fails) {
        dfs_why_set(why, "the record %s does not fail as the run did; it is kept", s->record_file);
        s->record_kept = true;
        return DFS_NOT_FOUND;
    }
    return DFS_OK;
}

static enum dfs_status write_least(struct shrinking *s, struct dfs_why *why)
{
    (void)snprintf(s->best.description, sizeof s->best.description, "Shrunk from %.150s: %s%s%.200s.",
                   s->shrink->source->file, s->shrink->verdict, s->shrink->way[0] != '\0' ? ": " : "", s->shrink->way);
    sim_own_seed_put(&s->best, s->shrink->seed);
    char *text = sim_scenario_text(&s->best);
    FILE *file = fopen(s->shrink->output, "w");
    bool written = file != NULL && fputs(text, file) >= 0;

    if (file != NULL && fclose(file) != 0)
        written = false;
    dfs_free(text);
    if (!written)
        dfs_why_set(why, "cannot write %s: %s", s->shrink->output, strerror(errno));
    return written ? DFS_OK : DFS_IO;
}

enum dfs_status sim_shrink_run(struct sim_shrink *shrink, struct dfs_why *ret_why)
{
    struct shrinking s = {.shrink = shrink};
    const int length = snprintf(s.record_file, sizeof s.record_file, "%s.record", shrink->output);

    if (!sim_output_is_plain(shrink->output) || length >= (int)sizeof s.record_file) {
        dfs_why_set(ret_why, "cannot write %.200s: it is no plain file", shrink->output);
        return DFS_IO;
    }
    sim_scenario_init(&s.best);
    (void)clock_gettime(CLOCK_MONOTONIC, &s.begun);
    enum dfs_status status = record(&s, ret_why);

    if (status == DFS_OK)
        status = read_record(&s, ret_why);
    if (status == DFS_OK) {
        shrink->faults_before = s.best.faults_count;
        shrink->works_before = s.best.works_count;
        least(&s);
        least_losses(&s);
        shrink->faults_after = s.best.faults_count;
        shrink->works_after = s.best.works_count;
        if (isatty(STDERR_FILENO))
            (void)fputc('\n', stderr);
        status = write_least(&s, ret_why);
    }
    if (!s.record_kept)
        sim_output_clear(s.record_file);
    sim_scenario_close(&s.best);
    return status;
}
