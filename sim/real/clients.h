/*
 * clients.h - the operations of a scenario against a real cluster: each is a `dfs` command in a process of its own, and the ledger judges what it answered.
 *
 * What an operation is (its time, path, size, bytes) depends on the seed alone; when its answer comes does not.
 */
#ifndef DFS_SIM_REAL_CLIENTS_H
#define DFS_SIM_REAL_CLIENTS_H

#include "sim/ledger.h"
#include "sim/real/site.h"
#include "sim/scenario.h"

/* Operations at a time: each is a process. What comes when so many run waits its turn. */
#define SIM_REAL_RUNNING_MAX 6

struct sim_real_clients {
    const struct sim_real_site *site; /* borrowed, as is the scenario: both outlive it */
    const struct sim_scenario *scenario;
    uint64_t seed;
    struct sim_ledger ledger;
    struct sim_real_task *tasks; /* one an operation; owned */
    size_t tasks_count;
    size_t running;
    json_t *violations; /* of promises, as `run --json` shows them; owned */
};

/* Plans the whole workload. DFS_PROFILE must name the cluster's profile when the first operation starts. */
void sim_real_clients_init(struct sim_real_clients *clients, const struct sim_real_site *site,
                           const struct sim_scenario *scenario, uint64_t seed);
void sim_real_clients_close(struct sim_real_clients *clients);

/* Takes the answers of those that have ended, and starts what is due. */
void sim_real_clients_step(struct sim_real_clients *clients);

bool sim_real_clients_all_answered(const struct sim_real_clients *clients);

/* A GET for every file that must be there: due now, carried out by the steps to come. */
void sim_real_clients_audit_begin(struct sim_real_clients *clients);
/* What could not be read back becomes a violation of acked_data. */
void sim_real_clients_audit_end(struct sim_real_clients *clients);

/* The operation that a step of the scenario, by its id, became; NULL: it was not asked. */
const struct sim_operation *sim_real_clients_operation(const struct sim_real_clients *clients, const char *id);

#endif
