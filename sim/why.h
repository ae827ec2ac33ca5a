/*
 * why.h - the point of no return of a run that fails: the event after which no other future was found in which it does not.
 *
 * The run is made again and again; the same seed gives the same events. After chosen events it is branched by fork(): each branch draws all that has not been drawn yet
 * from a suffix of its own (sim_run_suffix: loss, latencies, what goes wrong at random, what the workload asks next) and goes on to its end. A dozen points, then
 * halving between the last one from which some branch does not fail in the same way and the first after it from which all do.
 *
 * Where no branch survives from any point, what is drawn does not matter, and the search is made again without the faults that were still to come: then the
 * scenario's own faults are what can have decided.
 *
 * Suffixes are the same at all points, so two points differ only by what happened between them. "Certain" means no more than that all suffixes failed.
 *
 * Two branches run at a time, each for at most 20 s, 2 GiB and four times the steps of the run; one that meets a limit is counted as unknown, and a point with
 * one is not taken for certain. At the end twice as many suffixes are tried at the two points than before. What is under way keeps the latency it has drawn.
 *
 * With planted bugs of the swarm it names, in some ten seconds, the PUT_PLAN of the very file that stays an orphan (upload_never_expires, seed 41) and the order
 * of the copy that stays counted (copies_counter_leaks, seed 4).
 */
#ifndef DFS_SIM_WHY_H
#define DFS_SIM_WHY_H

#include "sim/job.h"

#define SIM_WHY_SUFFIXES_DEFAULT 16
#define SIM_WHY_SUFFIXES_MAX 256

/* Branches that run at a time: each is a copy of the whole run. */
#define SIM_WHY_JOBS 2

/* Of real time, for everything. */
#define SIM_WHY_TIME_DEFAULT_NS (300 * DFS_SECONDS)

/* Of the first round; twelve parts. */
#define SIM_WHY_PARTS 12

/* The parts' ends, and a halving for every bit of a number of events. */
#define SIM_WHY_POINTS_MAX (SIM_WHY_PARTS + 1 + 64)

/* Once a point is found, so many times the suffixes are tried there beside. */
#define SIM_WHY_MORE 2

struct sim_why_options {
    const struct sim_source *source;
    uint64_t seed;
    uint32_t suffixes;       /* branches a point; 1 .. SIM_WHY_SUFFIXES_MAX */
    dfs_duration_ns time_ns; /* of the wall; then what is known so far is the result */
};

struct sim_why_point {
    uint64_t event;     /* branched after this line of the trace, from 1; 0: before everything */
    dfs_time_ns at;     /* of the scenario; of the world before time 0 */
    bool before_zero;   /* it lies before time 0 */
    uint32_t failed;    /* in the same way */
    uint32_t otherwise; /* failed in another way */
    uint32_t passed;    /* did not fail */
    uint32_t unknown;   /* ended by a limit: time, memory, events */
};

/* What a branch may differ in. */
enum sim_why_futures {
    SIM_WHY_DRAWN, /* what was not drawn yet */
    SIM_WHY_CALM,  /* besides: no further fault begins */
    SIM_WHY_FUTURES
};

struct sim_why_search {
    struct sim_why_point points[SIM_WHY_POINTS_MAX]; /* in the order of their events */
    size_t points_count;                             /* 0: not made */
    bool survived;                                   /* some branch of some point */
    bool doubtful; /* some branch of some point is unknown; if neither, it is certain from the beginning */
    bool
        found; /* `first` is a point whose branches all fail, and some of `last`, right before it or as near as the time allowed, do not */
    uint64_t last;
    uint64_t first;
    struct sim_why_point more; /* further suffixes at `first` */
};

#define SIM_WHY_WORDS_BYTES 1024
#define SIM_WHY_CONTEXT_BYTES 16384

/* Events before and after the point of no return that are told. */
#define SIM_WHY_BEFORE 5
#define SIM_WHY_AFTER 2

struct sim_why_result {
    char scenario[SIM_NAME_BYTES];
    enum sim_verdict_kind verdict;
    bool fails;                      /* fail, stuck or aborted; otherwise nothing was searched */
    char checker[64];                /* "" where no checker spoke */
    char words[SIM_WHY_WORDS_BYTES]; /* how it fails */
    uint64_t events;                 /* lines of the trace */
    uint64_t known;                  /* by this one it has failed */
    struct sim_why_search searches[SIM_WHY_FUTURES];
    uint64_t branches;
    bool out_of_time;
    uint64_t context_first;              /* the event of the first line of: */
    char context[SIM_WHY_CONTEXT_BYTES]; /* lines of the trace around the point of the last search */
};

/* OK; BAD_CONFIG: the scenario is not one; IO: the world gives no process, memory or time. */
enum dfs_status sim_why(const struct sim_why_options *options, struct sim_why_result *ret_result,
                        struct dfs_why *ret_why) DFS_MUST_CHECK;

/* Did all branches of a point fail in the same way? */
bool sim_why_all_failed(const struct sim_why_point *point);

#endif
