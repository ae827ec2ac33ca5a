/*
 * workload.h - what the clients of a scenario ask, and what becomes of it.
 *
 * Steps and mixes become operations of the ledger and commands of the clients' machines. The bytes of a file follow from the seed and the operation's number;
 * which operation of a mix asks what, where and how much from the seed, the mix and its number: taking one away changes no other.
 */
#ifndef DFS_SIM_WORKLOAD_H
#define DFS_SIM_WORKLOAD_H

#include "sim/run.h"

/* Before the cluster: the hooks of its clients. Adds its listener. */
struct sim_workload *sim_workload_new(struct sim_run *run);
void sim_workload_free(struct sim_workload *workload);
struct sim_client_hooks sim_workload_hooks(struct sim_workload *workload);

/* At time 0: what is asked when. */
void sim_workload_begin(struct sim_workload *workload);

/* Nothing new is asked from now on. */
void sim_workload_stop(struct sim_workload *workload);

/* Asks now, outside of the scenario's steps (an expectation, the audit). NULL when the client is down. */
struct sim_operation *sim_workload_get(struct sim_workload *workload, uint32_t client, const char *path);

/*
 * Asks something that is no operation of the ledger (FSCK, EXPLAIN), one question at a time: `answered` gets the client's answer, or NULL when the client went
 * down. The argument's texts live until then. false when the client is down or a question is open.
 */
bool sim_workload_question(struct sim_workload *workload, uint32_t client, uint32_t code, const void *argument,
                           size_t argument_bytes, void (*answered)(void *arg, const struct dfs_client_result *result),
                           void *arg);

/* The open question is nobody's any more. */
void sim_workload_question_drop(struct sim_workload *workload);

/* Operations that have no answer yet. */
size_t sim_workload_running(const struct sim_workload *workload);

/* The operation of a step (its place in scenario->works); NULL when it was never asked. */
const struct sim_operation *sim_workload_step(const struct sim_workload *workload, size_t work);

/* Adds to the run's verdict what the scenario asked for in vain: steps that were never asked, no PUT acknowledged. */
void sim_workload_vacuity(struct sim_workload *workload);

#endif
