/*
 * scope.h - a run whose every step is chosen: what can happen next, in words, and what has happened so far.
 *
 * A scope is a scenario from `from` on until everything is at rest, in a world where time stands still while anything is under way (net_sim/explore.h), with
 * at most so many crashes, lost messages and early timeouts. Its moves:
 *   take     what is under way comes: a frame, a connection, the news that one is gone, a datagram, the completion of a disk operation
 *   time     goes on to the next deadline: when nothing is under way, or, as one of the early timeouts, before
 *   lose     a datagram is gone, or a stream breaks in front of a frame
 *   crash    of a host, as by SIGKILL, before anything else happens anywhere. What is not synced is lost, kept or torn (in one way of many, drawn by
 *            the seed); a host that has nothing unsynced crashes in one way. (Where any order is walked: right after each thing that happened at this host, and after
 *            time went on. At other times it would only come earlier or later than what does not touch the host.)
 *   restart  of a host that crashed: when nothing is under way, before time goes on; with `late`, also after it went on
 *
 * The usual turn is that of age: what has been under way for longest comes first. Out of turn comes what is younger (it was fast), or what is oldest waits from then on until
 * nothing else is left (it is slow).
 *
 * All checkers and the ledger watch as in any run. The end is judged as a run's: when at rest, and every file is read back.
 */
#ifndef DFS_SIM_SCOPE_H
#define DFS_SIM_SCOPE_H

#include "net_sim/explore.h"
#include "sim/run.h"

/* More early timeouts, crashes or losses make no small scope. */
#define SIM_SCOPE_FAULTS_MAX 8

/* When disk operations are done, as seen from the frames, datagrams and connections that could come meanwhile. Crash points lie between all of them in any case. */
enum sim_scope_disks {
    SIM_DISKS_ANY,  /* before, between or after them, in any order */
    SIM_DISKS_FAST, /* before anything else comes, in the order in which they were asked for */
    SIM_DISKS_SLOW, /* after everything else has come, in any order */
    SIM_DISKS_COUNT
};

#define SIM_OVERTAKES_ALL UINT32_MAX

struct sim_scope_options {
    uint64_t seed;
    enum sim_scope_disks disks;
    dfs_time_ns from;  /* of the scenario: what is before happens once, as in any run */
    dfs_time_ns until; /* of the scenario: not over before, though at rest */
    uint32_t crashes;
    uint32_t losses;
    uint32_t timeouts;  /* early ones */
    uint32_t overtakes; /* times that something comes out of turn; SIM_OVERTAKES_ALL: any order */
    bool late;
    uint32_t unsynced;                              /* bits of enum sim_unsynced: LOSE, KEEP, TORN */
    struct sim_host_set hosts;                      /* that may crash */
    void (*attach)(struct sim_run *run, void *arg); /* adds listeners before anything runs; may be NULL */
    void *attach_arg;
};

enum sim_move_kind { SIM_MOVE_TAKE, SIM_MOVE_LOSE, SIM_MOVE_CRASH, SIM_MOVE_RESTART };

struct sim_move {
    enum sim_move_kind kind;
    struct sim_choice choice; /* TAKE, LOSE */
    uint32_t host;            /* CRASH, RESTART: its number */
    enum sim_unsynced unsynced;
    bool early;     /* time goes on though something is under way */
    bool overtakes; /* something was under way earlier */
    uint64_t held;  /* key of that, which now waits until nothing else is left; 0: none */
};

#define SIM_MOVES_MAX (2 * SIM_CHOICES_MAX + 64)
#define SIM_MOVE_WORDS_BYTES 320

struct sim_scope;

/* `scenario` outlives the scope and gets one fault more, which stands for the crashes. NULL: the cluster did not come up, or the scenario is over before `from`; *ret_why. */
struct sim_scope *sim_scope_new(struct sim_scenario *scenario, const struct sim_scope_options *options,
                                struct dfs_why *ret_why);
void sim_scope_free(struct sim_scope *scope);
struct sim_run *sim_scope_run(struct sim_scope *scope);

/* What can happen now; the usual course (the oldest thing under way first) is the first. `moves` has room for SIM_MOVES_MAX and is good until something does. */
size_t sim_scope_moves(struct sim_scope *scope, struct sim_move *moves);
void sim_scope_apply(struct sim_scope *scope, const struct sim_move *move);

/* Nothing is left to do: everything is at rest, or never will be. Looked at by sim_scope_moves. */
bool sim_scope_is_over(const struct sim_scope *scope);

/* Judges the end and reads every file back. Afterwards the scope is only good for its run's verdict, and to be freed. */
void sim_scope_finish(struct sim_scope *scope);

/* The move in words; `at` is its place among the moves (those before it may have the same words). */
void sim_scope_words(struct sim_scope *scope, const struct sim_move *moves, size_t at,
                     char words[SIM_MOVE_WORDS_BYTES]);

/*
 * Names the schedule after the move up to the order of what does not touch each other; known before the move is made. Where overtaking is limited, such orders are not
 * worth the same, and only states tell.
 */
uint64_t sim_scope_way(const struct sim_scope *scope, const struct sim_move *move);

/* Names the present state: equal for states that nothing could tell apart. */
uint64_t sim_scope_state(struct sim_scope *scope);

/* How often something came out of turn. Stands in no name: the fewer, the more may come of it. */
uint32_t sim_scope_overtaken(const struct sim_scope *scope);

/* Names what came of it: answers, disks, verdict. */
uint64_t sim_scope_outcome(struct sim_scope *scope);

#endif
