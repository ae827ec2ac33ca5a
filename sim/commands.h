/* commands.h - the commands of dfs-sim, one file each (command_NAME.c): what main() chooses from. */
#ifndef DFS_SIM_COMMANDS_H
#define DFS_SIM_COMMANDS_H

#include "sim/options.h"

/*
 * Rows that several commands have: the same option, the same words. `at` is where its field stands in the command's struct; what differs is said by the rest, in literals.
 */

#define SIM_OPTION_SEED(at, seen_at, otherwise) \
    { \
        .name = "seed", .argument = "N", .type = SIM_OPTION_NUMBER, .offset = (at), .seen = (seen_at), \
        .max = INT64_MAX, .help = "what is drawn is drawn from this number (default: " otherwise ")" \
    }

/* Of a command that takes the seed of sim_own_seed. */
#define SIM_OPTION_OWN_SEED(at, seen_at) SIM_OPTION_SEED(at, seen_at, "the one that SCENARIO names, or 1")

#define SIM_OPTION_JOBS(at, most) \
    { \
        .name = "jobs", .letter = 'j', .argument = "N", .type = SIM_OPTION_NUMBER_32, .offset = (at), .min = 1, \
        .max = (most), .help = "processes at a time (default: one a core)" \
    }

/* `then` is what happens after so long. */
#define SIM_OPTION_TIME(at, seen_at, usual, then) \
    { \
        .name = "time", .argument = usual, .type = SIM_OPTION_DURATION, .offset = (at), .seen = (seen_at), .min = 1, \
        .help = "after so long " then \
    }

#define SIM_OPTION_FILE(word, at, what) \
    { \
        .name = word, .argument = "FILE", .type = SIM_OPTION_TEXT, .offset = (at), .help = what \
    }

#define SIM_OPTION_TRACE(at, of) SIM_OPTION_FILE("trace", at, of "every event, one line each")
#define SIM_OPTION_HTML(at, of) SIM_OPTION_FILE("html", at, of "the run as a page for a browser")

#define SIM_OPTION_JSON(at, what) \
    { \
        .name = "json", .type = SIM_OPTION_FLAG, .offset = (at), .help = what \
    }

extern const struct sim_command sim_command_run;
extern const struct sim_command sim_command_sweep;
extern const struct sim_command sim_command_check;
extern const struct sim_command sim_command_schema;
extern const struct sim_command sim_command_bench;
extern const struct sim_command sim_command_paths;
extern const struct sim_command sim_command_dissector;
extern const struct sim_command sim_command_costs;
extern const struct sim_command sim_command_explore;
extern const struct sim_command sim_command_shrink;
extern const struct sim_command sim_command_diverge;

/* The end is NULL. */
extern const struct sim_command *const sim_commands[];

#endif
