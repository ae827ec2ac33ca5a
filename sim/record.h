/*
 * record.h - what a run drew, made explicit: every operation of a mix becomes a step of its own, every random fault a fault at its time.
 *
 * What stays drawn, by the seed that the file names: latencies (the language says that each message draws its own), in which pieces a stream comes, and what a fault with a "probability" hits.
 * With SIM_RECORD_NETWORK what the network lost, repeated and held back is written as well, each as a fault of its own; with SIM_RECORD_TIMES a fault that an event started
 * has the time at which it began.
 */
#ifndef DFS_SIM_RECORD_H
#define DFS_SIM_RECORD_H

#include "sim/run.h"

enum { SIM_RECORD_NETWORK = 1, SIM_RECORD_TIMES = 2, SIM_RECORD_ALL = 3 };

/* Of these single faults at the most: more nobody reads, and each costs a reader some kilobytes. */
#define SIM_RECORD_HITS_MAX 4000

/* Messages that it remembers, 40 bytes each: what a link does to later ones is said without their names. */
#define SIM_RECORD_SENT_MAX 4000000

struct sim_record;

/* In options.attach; `run->scenario` is what is recorded. `detail`: bits. To be freed with sim_record_free. */
struct sim_record *sim_record_attach(struct sim_run *run, unsigned detail);

/*
 * After sim_run_go, or where the run has ended in the middle of a step; before sim_run_free: writes the file; false and errno when the world does not let it. A fault that nobody wrote
 * down and that took hold of nothing is left out: in a file it would be a claim. More single faults than there may be, or one that the language cannot say: the network stays as it is.
 */
bool sim_record_write(struct sim_record *record, const struct sim_run *run, const char *file);
void sim_record_free(struct sim_record *record);

#endif
