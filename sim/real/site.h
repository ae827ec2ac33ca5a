/*
 * site.h - where a real run takes place: the folder of the programs, a folder of its own for what they write, its clock, and the processes it starts.
 *
 * Files are read whole: what a run writes is small (SIM_REAL_FILE_BYTES_MAX). Functions that read return memory of dfs_alloc which the caller frees.
 */
#ifndef DFS_SIM_REAL_SITE_H
#define DFS_SIM_REAL_SITE_H

#include "core/base/status.h"
#include "core/base/time.h"
#include "core/conf/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SIM_REAL_PATH_BYTES 512

/* A whole file of an operation lies in memory while it is checked; larger ones belong into the simulator. */
#define SIM_REAL_FILE_BYTES_MAX (256 * 1000 * 1000)

/* One command of a client, and the start or end of a cluster. */
#define SIM_REAL_COMMAND_LIMIT_NS (60 * DFS_SECONDS)

/* Words of one command: `dfs local up` with every setting said is the longest. */
#define SIM_REAL_WORDS_MAX 256

struct sim_real_site {
    char bin[SIM_REAL_PATH_BYTES];
    char top[SIM_REAL_PATH_BYTES];
    dfs_time_ns zero; /* of the machine's clock: time 0 of the scenario */
};

/* `program` is our own name (argv[0]): the others lie beside it. Makes the folder in $TMPDIR or /tmp; DFS_IO: it cannot be made, *ret_why says why. */
enum dfs_status sim_real_site_open(struct sim_real_site *site, const char *program, struct dfs_why *ret_why)
    __attribute__((warn_unused_result));

/* Removes the folder and all that is in it. */
void sim_real_site_close(struct sim_real_site *site);

/* Time 0 is now. */
void sim_real_site_zero(struct sim_real_site *site);

/* Of the scenario. */
dfs_time_ns sim_real_now(const struct sim_real_site *site);

/* Nothing is looked at more often than this: sleeps for one tick. */
void sim_real_wait_tick(void);

/* The path of a file in the folder, into SIM_REAL_PATH_BYTES. */
void sim_real_path(const struct sim_real_site *site, char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where a process leaves what it says; NULL: nowhere. */
struct sim_real_output {
    const char *out;
    const char *err;
    bool append;
};

/* Starts one of our programs (words[0]; NULL ends the words). Its id, which sim_real_finish or waitpid takes back; -1: no process could be made. */
pid_t sim_real_start(const struct sim_real_site *site, const char *const words[], struct sim_real_output output);

/* Waits for it: its exit code; -1: ended by a signal, not within the limit (then it was killed), or never started (pid is -1). */
int sim_real_finish(pid_t pid, dfs_duration_ns limit);

/* A file's bytes with a 0 behind them; NULL: it is not there, or too large. */
char *sim_real_slurp(const char *path, size_t *ret_count);

/* A file's JSON, a new reference; NULL: there is none. */
json_t *sim_real_slurp_json(const char *path);

#endif
