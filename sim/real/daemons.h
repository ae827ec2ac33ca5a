/*
 * daemons.h - the processes of a real cluster: `dfs local up --faults` starts them, we kill, stop and restart them, and speak to their fault sockets.
 *
 * They are numbered as the simulator's hosts are: auth, metadata, d1..
 */
#ifndef DFS_SIM_REAL_DAEMONS_H
#define DFS_SIM_REAL_DAEMONS_H

#include "core/base/id.h"
#include "sim/real/site.h"
#include "sim/scenario.h"

struct sim_real_daemon {
    char name[16];
    char node[DFS_ID_TEXT_BYTES];
    int port;
    pid_t own; /* started again by us; 0: by `dfs local up` */
    bool up;
};

struct sim_real_daemons {
    const struct sim_real_site *site; /* borrowed, as is the scenario: both outlive it */
    const struct sim_scenario *scenario;
    struct sim_real_daemon *list;
    uint32_t count;
};

/*
 * Starts the cluster that the scenario asks for, with its settings, and makes its profile that of the commands to come. DFS_IO: it does not stand, *ret_why says why; what has been started
 * all the same is stopped by sim_real_daemons_down, which is called in any case.
 */
enum dfs_status sim_real_daemons_up(struct sim_real_daemons *daemons, const struct sim_real_site *site,
                                    const struct sim_scenario *scenario, struct dfs_why *ret_why)
    __attribute__((warn_unused_result));

/* Stops whatever still runs, and frees the list. */
void sim_real_daemons_down(struct sim_real_daemons *daemons);

/* SIGKILL, and the daemon again over the same directory. */
void sim_real_daemon_kill(struct sim_real_daemons *daemons, uint32_t number);
void sim_real_daemon_start(struct sim_real_daemons *daemons, uint32_t number);

/* SIGSTOP and SIGCONT, for example; false: there is no such process. */
bool sim_real_daemon_signal(const struct sim_real_daemons *daemons, uint32_t number, int signal_number);

/* One line to its fault socket; true when it was carried out. */
bool sim_real_daemon_say(const struct sim_real_daemons *daemons, uint32_t number, const char *line);

/* The hosts that `refs` names. */
void sim_real_hosts(const struct sim_real_daemons *daemons, const struct sim_host_refs *refs,
                    struct sim_host_set *ret_set);

#endif
