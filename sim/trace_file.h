/*
 * trace_file.h - `--trace FILE`: what happens in a run, one aligned line an event, for people and for diff.
 */
#ifndef DFS_SIM_TRACE_FILE_H
#define DFS_SIM_TRACE_FILE_H

#include "sim/run.h"

struct sim_trace_file;

/* Writes to `file` (the caller's) from the start of the run on. To be added in options.attach. */
struct sim_trace_file *sim_trace_file_new(struct sim_run *run, FILE *file);
void sim_trace_file_free(struct sim_trace_file *trace);

#endif
