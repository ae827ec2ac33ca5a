/*
 * record.h - what a run drew, made explicit: every operation of a mix becomes a step of its own, every random fault a fault at its time.
 *
 * What net_sim draws message by message (loss, latency, reordering) stays a probability of "network": those draws are keyed by seed and message, so the same seed
 * makes them again as long as the same messages are sent.
 */
#ifndef DFS_SIM_RECORD_H
#define DFS_SIM_RECORD_H

#include "sim/run.h"

struct sim_record;

/* In options.attach; `run->scenario` is what is recorded. To be freed with sim_record_free. */
struct sim_record *sim_record_attach(struct sim_run *run);

/* After sim_run_go, before sim_run_free: writes the file; false and errno when the world does not let it. */
bool sim_record_write(struct sim_record *record, const struct sim_run *run, const char *file);
void sim_record_free(struct sim_record *record);

#endif
