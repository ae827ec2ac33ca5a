#include "sim/shrink.h"

#include "core/base/mem.h"
#include "core/conf/settings.h"
#include "sim/own_seed.h"
#include "sim/scenario_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A candidate may take so many times the events of the run that failed: less is in it, but it may wait longer. */
#define EVENTS_FACTOR 4
#define EVENTS_LEAST UINT64_C(1000000)

/* Of real time, for one candidate; a seed of the swarm takes a tenth of a second. */
#define CANDIDATE_SECONDS 20

struct trial {
    struct sim_source source;
    struct sim_job job;
    struct sim_child child;
    bool running;
    bool fails;
};

struct shrinking {
    struct sim_shrink *shrink;
    struct sim_scenario best;
    uint64_t events_max;
    struct timespec begun;
};

/* A change of a scenario; false when there is nothing to change for this number. */
typedef bool (*change)(struct sim_scenario *scenario, size_t number);

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

static const char *checker_of(const json_t *result)
{
    const char *name =
        json_string_value(json_object_get(json_array_get(json_object_get(result, "violations"), 0), "checker"));

    return name != NULL ? name : "";
}

static bool is_same(const struct sim_shrink *shrink, const json_t *outcome)
{
    const json_t *result = json_object_get(outcome, "result");
    const char *verdict = json_string_value(json_object_get(result, "verdict"));

    return verdict != NULL && strcmp(verdict, shrink->verdict) == 0 && strcmp(checker_of(result), shrink->checker) == 0;
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
 * Tries `count` candidates, some at a time, and takes the first that fails in the same way; its number, or SIZE_MAX. `make` gives the
 * candidate of a number, false where there is none.
 */
static size_t try_all(struct shrinking *s, size_t count, bool (*make)(struct sim_scenario *, size_t, size_t),
                      size_t arg)
{
    struct trial trials[SIM_SHRINK_WORKERS_MAX];
    struct sim_scenario scenarios[SIM_SHRINK_WORKERS_MAX];

    for (size_t first = 0; first < count && !is_over(s); first += s->shrink->workers) {
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

        if (parts <= 4 && length > 1 && try_all(s, parts, make_only, length) != SIZE_MAX) {
            length = entries(s) / 2 > 0 ? entries(s) / 2 : 1;
            continue;
        }
        if (try_all(s, parts, make_without, length) != SIZE_MAX)
            continue;
        if (length == 1)
            break;
        length = length / 2;
    }
    return entries(s) < before;
}

/* Plainer ------------------------------------------------------------------------------------------------------------------- */

static bool names_host(const struct sim_scenario *scenario, enum sim_host_kind kind, int64_t index)
{
    for (size_t i = 0; i < scenario->works_count; i++) {
        if (scenario->works[i].client.kind == kind && scenario->works[i].client.index == index)
            return true;
    }
    for (size_t i = 0; i < scenario->faults_count; i++) {
        const struct sim_fault *fault = &scenario->faults[i];
        const struct sim_host_refs *lists[] = {&fault->hosts,   &fault->from,  &fault->to,        &fault->on.host,
                                               &fault->on.from, &fault->on.to, &fault->groups[0], &fault->groups[1]};

        for (size_t j = 0; j < sizeof lists / sizeof lists[0]; j++) {
            for (uint32_t k = 0; k < lists[j]->count; k++) {
                if (lists[j]->refs[k].kind == kind && lists[j]->refs[k].index == index)
                    return true;
            }
        }
    }
    return false;
}

static bool one_client(struct sim_scenario *scenario, size_t number)
{
    if (number > 0)
        return false;
    for (size_t i = 0; i < scenario->works_count; i++)
        scenario->works[i].client.index = 0;
    const bool changed = scenario->cluster.clients > 1;

    while (scenario->cluster.clients > 1 && !names_host(scenario, SIM_HOST_CLIENT, scenario->cluster.clients - 1))
        scenario->cluster.clients--;
    return changed;
}

static bool one_server_less(struct sim_scenario *scenario, size_t number)
{
    if (number > 0 || scenario->cluster.data <= 1 || names_host(scenario, SIM_HOST_DATA, scenario->cluster.data - 1))
        return false;
    scenario->cluster.data--;
    return true;
}

static bool default_setting(struct sim_scenario *scenario, size_t number)
{
    struct sim_scenario plain;

    if (number >= DFS_SETTING_COUNT)
        return false;
    const struct dfs_conf_key *row = &dfs_settings_table.rows[number];

    sim_scenario_init(&plain);
    if (!dfs_key_is_number(row) || strcmp(row->name, "replication") == 0)
        return false;
    const int64_t value = dfs_key_get(row, &plain.cluster.settings);

    if (dfs_key_get(row, &scenario->cluster.settings) == value)
        return false;
    dfs_key_put(row, &scenario->cluster.settings, value);
    return true;
}

static bool plain_world(struct sim_scenario *scenario, size_t number)
{
    struct sim_scenario plain;

    sim_scenario_init(&plain);
    switch (number) {
    case 0:
        scenario->network = plain.network;
        return true;
    case 1:
        scenario->disk = plain.disk;
        return true;
    case 2:
        scenario->cluster.zones = 1;
        return true;
    case 3:
        scenario->cluster.capacity_bytes = plain.cluster.capacity_bytes;
        return true;
    case 4:
        scenario->expects_count = 0;
        return true;
    case 5:
        scenario->settle_ns = plain.settle_ns;
        return true;
    default:
        return false;
    }
}

/* Halves are tried until one no longer fails. */
static bool half_size(struct sim_scenario *scenario, size_t number)
{
    if (number >= scenario->works_count || scenario->works[number].size.high <= 1000)
        return false;
    struct sim_work *work = &scenario->works[number];

    work->size = (struct dfs_spread){.low = work->size.low / 2000 * 1000, .high = work->size.low / 2000 * 1000};
    return work->size.high > 0;
}

static bool round_time(struct sim_scenario *scenario, size_t number)
{
    int64_t *at = number < scenario->faults_count ? &scenario->faults[number].at_ns
                  : number < scenario->faults_count + scenario->works_count
                      ? &scenario->works[number - scenario->faults_count].at_ns
                      : NULL;
    static const int64_t grains[] = {(int64_t)DFS_SECONDS, 100 * (int64_t)DFS_MILLISECONDS, (int64_t)DFS_MILLISECONDS};

    for (size_t i = 0; at != NULL && i < sizeof grains / sizeof grains[0]; i++) {
        if (*at % grains[i] != 0) {
            *at -= *at % grains[i];
            return true;
        }
    }
    return false;
}

static bool shorter_fault(struct sim_scenario *scenario, size_t number)
{
    if (number >= scenario->faults_count || scenario->faults[number].for_ns < 200 * (int64_t)DFS_MILLISECONDS)
        return false;
    int64_t *length = &scenario->faults[number].for_ns;

    *length = *length / 2;
    *length -= *length % (100 * (int64_t)DFS_MILLISECONDS);
    return true;
}

static bool shorter_run(struct sim_scenario *scenario, size_t number)
{
    if (number > 0 || scenario->duration_ns < 2 * (int64_t)DFS_SECONDS)
        return false;
    const int64_t half = scenario->duration_ns / 2 / (int64_t)DFS_SECONDS * (int64_t)DFS_SECONDS;

    for (size_t i = 0; i < scenario->works_count; i++) {
        if (scenario->works[i].at_ns > half)
            return false;
    }
    scenario->duration_ns = half;
    return true;
}

static const change changes[] = {one_client, one_server_less, plain_world, default_setting,
                                 half_size,  shorter_fault,   shorter_run, round_time};

static bool make_changed(struct sim_scenario *scenario, size_t number, size_t which)
{
    return changes[which](scenario, number);
}

static bool is_changed(const char *before, const struct sim_scenario *scenario)
{
    char *text = sim_scenario_text(scenario);
    const bool changed = strcmp(before, text) != 0;

    dfs_free(text);
    return changed;
}

/* Every number of every change, each as often as it helps. */
static bool plainer(struct shrinking *s)
{
    char *before = sim_scenario_text(&s->best);

    for (size_t which = 0; which < sizeof changes / sizeof changes[0]; which++) {
        const size_t count = DFS_SETTING_COUNT + s->best.works_count + s->best.faults_count;

        for (size_t number = 0; number < count && !is_over(s); number++) {
            struct sim_scenario probe;
            bool there = true;

            while (there && !is_over(s)) {
                char *best = sim_scenario_text(&s->best);
                struct trial trial = {0};

                copy(&s->best, &probe);
                there =
                    make_changed(&probe, number, which) && is_changed(best, &probe) && trial_start(s, &trial, &probe);
                if (there)
                    trial_end(s, &trial);
                there = there && trial.fails;
                if (there) {
                    sim_scenario_close(&s->best);
                    s->best = probe;
                } else {
                    sim_scenario_close(&probe);
                }
                dfs_free(best);
            }
        }
    }
    const bool changed = is_changed(before, &s->best);

    dfs_free(before);
    return changed;
}

/* The whole ----------------------------------------------------------------------------------------------------------------- */

/* Runs it once as it is, with a record beside. */
static enum dfs_status record(struct shrinking *s, struct dfs_why *why)
{
    struct sim_shrink *shrink = s->shrink;
    struct sim_job job = {.source = shrink->source, .seed = shrink->seed, .record_file = shrink->output};
    json_t *outcome = sim_job_run(&job);
    const json_t *result = json_object_get(outcome, "result");
    const char *verdict = json_string_value(json_object_get(result, "verdict"));
    const char *error = json_string_value(json_object_get(outcome, "error"));
    enum dfs_status status = DFS_OK;

    if (verdict == NULL) {
        status = json_integer_value(json_object_get(outcome, "exit")) == 2 ? DFS_BAD_CONFIG : DFS_IO;
        dfs_why_set(why, "%s", error != NULL ? error : strerror(errno));
    } else if (strcmp(verdict, "fail") != 0 && strcmp(verdict, "stuck") != 0) {
        status = DFS_NOT_FOUND;
        (void)unlink(shrink->output);
        dfs_why_set(why, "%s --seed %" PRIu64 " ends with \"%s\": only \"fail\" and \"stuck\" can be shrunk",
                    shrink->source->file, shrink->seed, verdict);
    } else {
        (void)snprintf(shrink->verdict, sizeof shrink->verdict, "%s", verdict);
        (void)snprintf(shrink->checker, sizeof shrink->checker, "%s", checker_of(result));
        s->events_max = (uint64_t)json_integer_value(json_object_get(result, "events")) * EVENTS_FACTOR;
        if (s->events_max < EVENTS_LEAST)
            s->events_max = EVENTS_LEAST;
    }
    json_decref(outcome);
    return status;
}

static enum dfs_status read_record(struct shrinking *s, struct dfs_why *why)
{
    struct sim_source source = {0};
    struct dfs_conf_error error;
    struct trial trial = {0};
    enum dfs_status status = sim_source_load(&source, s->shrink->output, why);

    if (status != DFS_OK)
        return status;
    status = sim_source_read(&source, s->shrink->seed, &s->best, &error);
    sim_source_close(&source);
    if (status != DFS_OK) {
        dfs_why_set(why, "%s", error.text);
        return status;
    }
    if (trial_start(s, &trial, &s->best))
        trial_end(s, &trial);
    if (!trial.fails) {
        dfs_why_set(why, "the record %s does not fail as the run did; it is kept", s->shrink->output);
        return DFS_NOT_FOUND;
    }
    return DFS_OK;
}

static enum dfs_status write_least(struct shrinking *s, struct dfs_why *why)
{
    (void)snprintf(s->best.description, sizeof s->best.description, "Shrunk from %.200s: %s%s%s.",
                   s->shrink->source->file, s->shrink->verdict, s->shrink->checker[0] != '\0' ? " of " : "",
                   s->shrink->checker);
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

    sim_scenario_init(&s.best);
    (void)clock_gettime(CLOCK_MONOTONIC, &s.begun);
    enum dfs_status status = record(&s, ret_why);

    if (status == DFS_OK)
        status = read_record(&s, ret_why);
    if (status == DFS_OK) {
        shrink->faults_before = s.best.faults_count;
        shrink->works_before = s.best.works_count;
        (void)fewer(&s);
        while (plainer(&s) && fewer(&s))
            ;
        shrink->faults_after = s.best.faults_count;
        shrink->works_after = s.best.works_count;
        if (isatty(STDERR_FILENO))
            (void)fputc('\n', stderr);
        status = write_least(&s, ret_why);
    }
    sim_scenario_close(&s.best);
    return status;
}
