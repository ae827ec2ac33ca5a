/*
 * options.h - the options of a command of dfs-sim, said once as a table: from it come what is read, `--help`, and what is said of a mistake.
 *
 * `--name VALUE`, `--name=VALUE`, a name cut short where that is unambiguous, one letter where the row has one, and arguments between them, as getopt_long has it.
 * Every command has --help. Tables are constant data.
 */
#ifndef DFS_SIM_OPTIONS_H
#define DFS_SIM_OPTIONS_H

#include "core/conf/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option's field is. */
enum sim_option_type {
    SIM_OPTION_FLAG,      /* bool; no value */
    SIM_OPTION_TEXT,      /* const char *, of argv */
    SIM_OPTION_NUMBER,    /* uint64_t */
    SIM_OPTION_NUMBER_32, /* uint32_t */
    SIM_OPTION_DURATION,  /* uint64_t, nanoseconds */
    SIM_OPTION_WORD,      /* an enum: the position in `words` */
    SIM_OPTION_CUSTOM     /* `read` knows */
};

/* One option. Members that a type does not need stay 0. */
struct sim_option {
    const char *name;     /* without the dashes */
    char letter;          /* of the short form, 0: none */
    const char *argument; /* what --help calls its value; NULL: it has none */
    enum sim_option_type type;
    size_t offset;            /* of the field in the command's struct */
    size_t seen;              /* SIM_OPTION_SEEN_AT, or 0 */
    uint64_t min;             /* of numbers; of durations: 1 where nothing is no length */
    uint64_t max;             /* of numbers; INT64_MAX: as large as a number of JSON */
    const char *const *words; /* WORD: the choices; the end is NULL */
    /* CUSTOM: reads `text` into the command's struct; false: *ret_why is what stands behind "--name: ". */
    bool (*read)(void *base, const char *text, struct dfs_why *ret_why);
    const char *help; /* lines; NULL: not listed */
};

/* Where it is noted that an option was there: a bool of the struct. */
#define SIM_OPTION_SEEN_AT(type, member) (offsetof(type, member) + 1)

struct sim_command {
    const char *name;
    const char *line; /* what `dfs-sim --help` shows of it, without "dfs-sim " */
    int (*run)(const struct sim_command *command, const char *program, int argc, char **argv); /* argv[0] is its name */
    const struct sim_option *options;
    size_t options_count;
    const char *before; /* of --help: what stands above the options, and below */
    const char *after;
};

#define SIM_OPTIONS(table) .options = (table), .options_count = sizeof(table) / sizeof((table)[0])

/* What sim_options_read has come to. */
enum sim_options_end {
    SIM_OPTIONS_READ, /* *ret_first is the first argument that is no option: they stand at the end of argv */
    SIM_OPTIONS_HELP, /* --help was printed: nothing is to be done, exit code 0 */
    SIM_OPTIONS_WRONG /* a mistake was said on standard error: exit code 2 */
};

/* Reads the options into the struct at `base`, which has the defaults. argv is put in another order. */
enum sim_options_end sim_options_read(const struct sim_command *command, int argc, char **argv, void *base,
                                      int *ret_first);

/* The exit code of what is over: HELP or WRONG. */
int sim_options_code(enum sim_options_end end);

/* The help of a command, on standard output. */
void sim_options_help(const struct sim_command *command);

/* A whole number, digits only; false where there is anything else, or it is above `max`. */
bool sim_number_read(const char *text, uint64_t max, uint64_t *ret_value);

/* "dfs-sim: ..." on standard error; the exit codes of wrong usage (2) and of a world that does not give what is needed (7). */
int sim_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int sim_world_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The default of --jobs: a process for each processor that is online, at most so many. */
uint32_t sim_command_workers(uint32_t most);

#endif
