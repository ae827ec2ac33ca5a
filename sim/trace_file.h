/*
 * trace_file.h - `--trace FILE`: what happens in a run, one aligned line an event, for people and for diff.
 */
#ifndef DFS_SIM_TRACE_FILE_H
#define DFS_SIM_TRACE_FILE_H

#include "sim/run.h"

struct sim_trace_file;

/* Writes to `file` (the caller's) from the start of the run on. To be added in options.attach. */
struct sim_trace_file *sim_trace_file_new(struct sim_run *run, FILE *file);

/* Some of the lines, and who is told of each. */
struct sim_trace_lines {
    uint64_t first; /* only these are written; the first of a run is 1 */
    uint64_t last;  /* 0: none, and `file` may be NULL */
    void (*told)(void *arg,
                 uint64_t line); /* after every line, written or not; inside of steps and calls; NULL: nobody */
    void *arg;
};
struct sim_trace_file *sim_trace_lines_new(struct sim_run *run, FILE *file, const struct sim_trace_lines *lines);
void sim_trace_file_free(struct sim_trace_file *trace);

#endif
