/*
 * job.h - one run in a process of its own: an aborting machine takes nobody with it, and runs do not share what libraries keep.
 */
#ifndef DFS_SIM_JOB_H
#define DFS_SIM_JOB_H

#include "core/conf/text.h"
#include "sim/run.h"

#include <sys/types.h>

/* Where a scenario comes from. `bytes` NULL: the swarm draws it. */
struct sim_source {
    const char *file;
    char *bytes;
    size_t count;
};

/* Loads a file; "swarm" where no file of this name is there is the swarm. IO: ret_why. */
enum dfs_status sim_source_load(struct sim_source *source, const char *file, struct dfs_why *ret_why) DFS_MUST_CHECK;
void sim_source_close(struct sim_source *source);

/* The scenario for a seed, to be closed in either case; BAD_CONFIG as sim_scenario_read. An unnamed one is named after its file. */
enum dfs_status sim_source_read(const struct sim_source *source, uint64_t seed, struct sim_scenario *ret_scenario,
                                struct dfs_conf_error *ret_error) DFS_MUST_CHECK;

struct sim_job {
    const struct sim_source *source;
    uint64_t seed;
    bool coverage;
    const char *trace_file; /* NULL: none */
    const char *html_file;
    const char *pcap_file;
    const char *perfetto_file;
    const char *record_file; /* written also by a run that aborts, as far as it came; recording.h has more */
    unsigned record_detail;  /* SIM_RECORD_... */
    uint64_t events_max;     /* 0: SIM_EVENTS_MAX */
    unsigned seconds_max;    /* of processor time, then the run counts as aborted; 0: no end */
};

struct sim_child {
    const struct sim_job *job;
    pid_t pid;
    int fd; /* what the child says: read until its end */
    struct dfs_conf_text said;
    char *panic; /* shared with the child: the line of a failed assertion */
};

/* false: the world gives no process or pipe (errno). */
bool sim_child_start(struct sim_child *child, const struct sim_job *job);

/* Takes what there is to read; true when there will be no more. */
bool sim_child_read(struct sim_child *child);

/*
 * Waits for the end and gives the outcome, a new reference: {"result": the object of `run --json`, "coverage": a list or null}, or
 * {"error": words, "exit": 2 or 7} where nothing was run.
 */
json_t *sim_child_end(struct sim_child *child);

/* All of it at once; NULL: the world gives no process. */
json_t *sim_job_run(const struct sim_job *job);

/* Outcomes of two runs of one seed: where the second is another run, or none, the first one's verdict becomes nondeterministic. */
void sim_job_compare(json_t *outcome, const json_t *second);

#endif
