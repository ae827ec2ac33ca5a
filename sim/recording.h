/*
 * recording.h - a run as a file that was tried: it is run again, and what came of it is compared.
 *
 * Everything is made explicit first. Where that file ends otherwise than the run did, less is: what an event triggered stays so, then the network stays a probability.
 */
#ifndef DFS_SIM_RECORDING_H
#define DFS_SIM_RECORDING_H

#include "sim/job.h"

enum sim_recording_end {
    SIM_RECORDING_NONE,  /* the run was not carried out, or left no file that can be read again: the outcome says why */
    SIM_RECORDING_EQUAL, /* the replay has the same trace hash */
    SIM_RECORDING_SAME, /* the same verdict, violations, operations, evictions and number of steps, with another trace hash */
    SIM_RECORDING_OTHER /* it ends otherwise */
};

struct sim_recording {
    enum sim_recording_end end;
    unsigned detail; /* SIM_RECORD_...: how much of it is explicit */
    bool lossy;      /* the network of the scenario, or a link of it, loses, repeats or holds back */
    bool triggers;   /* it has faults that an event starts */
    json_t *replay;  /* the result of the file, a reference of the caller's; NULL: none */
};

/* Runs the job, whose record_file is written; its outcome as sim_job_run. */
json_t *sim_recording_run(const struct sim_job *job, struct sim_recording *ret_recording);
void sim_recording_close(struct sim_recording *recording);

/* One sentence for people: is the file the run, and if its trace hash is another, why. */
void sim_recording_print(FILE *stream, const struct sim_recording *recording, const char *file);

#endif
