/*
 * explore.h - all schedules of a scope: every move of every state, until no state is new.
 *
 * A state is looked at in a process of its own: fork() is the snapshot. Two tables that all processes share end what need not be seen again: the *ways*, by which a
 * move is known to lead where another order of the same things has led (before it is made), and the *states* (after it). So interleavings that commute
 * are walked once, and states that are equal after a crash are merged. What is judged inside a step is judged on the first way into each state.
 *
 * One process runs at a time, so that the same scope gives the same numbers and the same first failure every time.
 */
#ifndef DFS_SIM_EXPLORE_H
#define DFS_SIM_EXPLORE_H

#include "sim/job.h"
#include "sim/scope.h"

/* Moves of one schedule. */
#define SIM_EXPLORE_DEPTH_MAX 4096

/* What a search may take at most unless something else is asked for. */
#define SIM_EXPLORE_STATES_DEFAULT UINT64_C(4000000)

struct sim_explore_options {
    const struct sim_source *source;
    struct sim_scope_options scope;
    uint32_t depth;          /* moves of one schedule at the most */
    uint64_t states_max;     /* 0: the default */
    dfs_duration_ns time_ns; /* of the wall; 0: no bound */
    bool no_merge;           /* every schedule is walked to its end: for comparing, in the smallest of scopes */
};

/* Why a search is not complete; "" when it is. */
enum sim_explore_bound {
    SIM_BOUND_NONE,
    SIM_BOUND_FAILURE, /* stopped at the first failure */
    SIM_BOUND_DEPTH,
    SIM_BOUND_STATES,
    SIM_BOUND_TIME,
    SIM_BOUND_WORLD /* no more processes */
};

struct sim_explore_result {
    enum sim_explore_bound bound;
    enum sim_verdict_kind verdict; /* the worst; VACUOUS when every end was */
    bool started;                  /* false: `words` says why not */
    uint64_t states;               /* different ones */
    uint64_t moves;                /* made */
    uint64_t moves_known;          /* not made: another order of the same had been walked */
    uint64_t merged;               /* made, and led to a state that was known */
    uint64_t again;                /* states walked once more, because they were reached with less overtaking */
    uint64_t ends;
    uint64_t outcomes; /* different ones among the ends */
    uint64_t outcomes_hash;
    uint64_t cut;     /* states at which the depth was used up */
    uint64_t crashes; /* moves of that kind */
    uint64_t losses;
    uint32_t deepest;
    uint64_t wall_ns;
    uint32_t path_count;                  /* of the failure */
    uint16_t path[SIM_EXPLORE_DEPTH_MAX]; /* places among the moves */
    char words[1024];
};

/* false: the world gives no process or memory (errno). */
bool sim_explore(const struct sim_explore_options *options, struct sim_explore_result *ret_result);

const char *sim_explore_bound_words(enum sim_explore_bound bound);

/*
 * Schedules: the scope and its moves in words, as JSON that `dfs-sim explore --replay` takes. A new reference; NULL: the world gives no process (errno).
 * Keys: "dfs_schedule", "scenario" (the document), "seed", "from_ns", "crashes", "losses", "timeouts", "late", "steps" (words), "verdict",
 * "reason", "violations".
 */
json_t *sim_schedule_make(const struct sim_explore_options *options, const struct sim_explore_result *result);

struct sim_replay {
    const char *file;       /* the schedule */
    const char *trace_file; /* NULL: none */
    const char *html_file;
    bool json; /* the run's result as one object, instead of its steps */
};

/*
 * Makes the moves of a schedule, and goes on in the usual course to the end; prints each. Returns an exit code: of the verdict, 2 when a step is not possible, 7 when a
 * file cannot be used.
 */
int sim_schedule_replay(const struct sim_replay *replay);

#endif
