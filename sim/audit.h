/*
 * audit.h - the end of a run: every file that must be there is read back, and metadata is asked what it thinks of them; and, when a run does not come to rest, why.
 */
#ifndef DFS_SIM_AUDIT_H
#define DFS_SIM_AUDIT_H

#include "sim/run.h"

/* All is at rest. What is read, and what FSCK says, must agree with the disks: nothing lost is called whole, nothing whole is called lost. */
void sim_audit(struct sim_run *run);

/* It is not at rest, and the time for it is over: adds to the run's reason who holds the first block that lacks copies, what metadata says of it, and who is not well. */
void sim_audit_stuck(struct sim_run *run);

#endif
