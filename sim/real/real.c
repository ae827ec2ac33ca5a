#include "sim/real/real.h"

#include "sim/real/clients.h"
#include "sim/real/daemons.h"
#include "sim/real/events.h"
#include "sim/real/faults.h"
#include "sim/real/form.h"
#include "sim/real/judge.h"
#include "sim/real/site.h"

#include <string.h>

struct real {
    const struct sim_scenario *scenario;
    struct sim_real_site site;
    struct sim_real_daemons daemons;
    struct sim_real_faults faults;
    struct sim_real_events events;
    struct sim_real_clients clients;
};

static void step(struct real *real)
{
    sim_real_faults_step(&real->faults);
    sim_real_clients_step(&real->clients);
    sim_real_events_read(&real->events);
    sim_real_wait_tick();
}

/* Rest -------------------------------------------------------------------------------------------------------------- */

/* A `dfs` command's JSON, a new reference; NULL when it failed. `path` may be NULL. */
static json_t *facts_of(const struct real *real, const char *verb, const char *path)
{
    const char *words[] = {"dfs", verb, "--json", path, NULL};
    char out[SIM_REAL_PATH_BYTES];

    sim_real_path(&real->site, out, "facts.out");
    const pid_t pid = sim_real_start(&real->site, words, (struct sim_real_output){.out = out});

    return sim_real_finish(pid, SIM_REAL_COMMAND_LIMIT_NS) == 0 ? sim_real_slurp_json(out) : NULL;
}

/* How many of these nodes, or replicas, have the state ACTIVE; NULL has none. */
static int64_t active_count(const json_t *list)
{
    int64_t count = 0;
    size_t index;
    const json_t *each;

    json_array_foreach(list, index, each)
    {
        const char *state = json_string_value(json_object_get(each, "state"));

        count += state != NULL && strcmp(state, "ACTIVE") == 0;
    }
    return count;
}

static bool file_is_whole(const struct real *real, const char *path, int64_t wanted)
{
    json_t *stat = facts_of(real, "stat", path);
    bool whole = stat != NULL;
    size_t index;
    const json_t *block;

    json_array_foreach(json_object_get(stat, "blocks"), index, block) whole &=
        active_count(json_object_get(block, "replicas")) >= wanted;
    json_decref(stat);
    return whole;
}

/* Has every block of every file that must be there as many copies on ACTIVE servers as it can have? */
static bool all_whole(const struct real *real)
{
    const struct sim_ledger *ledger = &real->clients.ledger;
    const int64_t replication = real->scenario->cluster.settings.replication;
    json_t *nodes = facts_of(real, "nodes", NULL);
    const int64_t active = active_count(nodes);
    bool whole = active > 0;

    json_decref(nodes);
    for (size_t i = 0; whole && i < ledger->paths_count; i++) {
        if (sim_path_must_exist(ledger->paths[i]))
            whole = file_is_whole(real, ledger->paths[i]->name, active < replication ? active : replication);
    }
    return whole;
}

/* When it has come to rest; DFS_NEVER: not within the scenario's time, *ret_stuck says what was missing. */
static dfs_time_ns settle(struct real *real, const char **ret_stuck)
{
    const dfs_time_ns end = sim_real_now(&real->site) + (dfs_duration_ns)real->scenario->settle_ns;

    while (sim_real_now(&real->site) < end) {
        step(real);
        if (sim_real_clients_all_answered(&real->clients) && all_whole(real))
            return sim_real_now(&real->site);
    }
    *ret_stuck = sim_real_clients_all_answered(&real->clients) ? "blocks lack copies" : "operations are not answered";
    return DFS_NEVER;
}

/* Every file that must be there is read back. */
static void audit(struct real *real)
{
    const dfs_time_ns end = sim_real_now(&real->site) + SIM_REAL_COMMAND_LIMIT_NS;

    sim_real_clients_audit_begin(&real->clients);
    while (!sim_real_clients_all_answered(&real->clients) && sim_real_now(&real->site) < end)
        step(real);
    sim_real_clients_audit_end(&real->clients);
}

/* The whole --------------------------------------------------------------------------------------------------------- */

/* With the cluster up: the scenario, rest, the audit, the judgement. */
static json_t *play(struct real *real, uint64_t seed)
{
    struct sim_real_course course = {.scenario = real->scenario,
                                     .seed = seed,
                                     .faults = &real->faults,
                                     .events = &real->events,
                                     .clients = &real->clients};

    sim_real_events_init(&real->events, &real->daemons);
    sim_real_faults_init(&real->faults, &real->daemons);
    sim_real_clients_init(&real->clients, &real->site, real->scenario, seed);
    sim_real_site_zero(&real->site);
    while (sim_real_now(&real->site) < (dfs_time_ns)real->scenario->duration_ns)
        step(real);
    course.replicated_at = settle(real, &course.stuck);
    audit(real);
    course.end = sim_real_now(&real->site);
    json_t *result = sim_real_judge(&course);

    sim_real_clients_close(&real->clients);
    sim_real_faults_close(&real->faults);
    sim_real_events_close(&real->events);
    return result;
}

json_t *sim_real_run(const struct sim_scenario *scenario, uint64_t seed, const char *program, struct dfs_why *ret_why,
                     int *ret_code)
{
    struct real real = {.scenario = scenario};
    json_t *result = NULL;

    *ret_code = 2;
    if (sim_real_form(scenario, ret_why) != DFS_OK)
        return NULL;
    *ret_code = 7;
    if (sim_real_site_open(&real.site, program, ret_why) != DFS_OK)
        return NULL;
    if (sim_real_daemons_up(&real.daemons, &real.site, scenario, ret_why) == DFS_OK)
        result = play(&real, seed);
    sim_real_daemons_down(&real.daemons);
    sim_real_site_close(&real.site);
    return result;
}
