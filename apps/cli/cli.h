/*
 * cli.h - what the commands of `dfs` share: options, a session with the cluster, and how things are printed.
 *
 * Exit codes are those of core/base/status.h: 0 done, 1 done and false, 2 what was typed or configured, 3 the world. A failure is one line on
 * standard error: `dfs: PUT a/b: NOT_FOUND: what, where, what to do`.
 */
#ifndef DFS_APPS_CLI_CLI_H
#define DFS_APPS_CLI_CLI_H

#include "apps/cli/profile.h"
#include "apps/common/options.h"
#include "core/client/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a failure; longer sentences are cut. */
#define CLI_WORDS_BYTES 512

/* Commands --------------------------------------------------------------------------------------------------------- */

struct cli_command {
    const char *name;
    const char *usage; /* behind "dfs NAME " */
    const char *help;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit code */
};

int cli_login(int argc, char **argv);
int cli_logout(int argc, char **argv);
int cli_whoami(int argc, char **argv);
int cli_put(int argc, char **argv);
int cli_get(int argc, char **argv);
int cli_ls(int argc, char **argv);
int cli_stat(int argc, char **argv);
int cli_versions(int argc, char **argv);
int cli_nodes(int argc, char **argv);
int cli_fsck(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_drain(int argc, char **argv);
int cli_undrain(int argc, char **argv);
int cli_mv(int argc, char **argv);
int cli_rm(int argc, char **argv);
int cli_restore(int argc, char **argv);
int cli_local(int argc, char **argv);

/* The command's row, for usage lines. */
const struct cli_command *cli_find(const char *name);

/* Options ---------------------------------------------------------------------------------------------------------- */

/* These stand last in every command's list. */
enum { CLI_OPTION_PROFILE, CLI_OPTION_JSON, CLI_OPTION_HELP, CLI_OPTIONS_COMMON };
#define CLI_OPTIONS \
    {"profile", 0, "FILE", "where the cluster is; default DFS_PROFILE, then ~/.config/dfs/profile.json"}, \
        {"json", 0, NULL, "facts as JSON on standard output"}, \
    { \
        "help", 'h', NULL, "this text" \
    }

/* A row of commands that move files; cli_read_parallel reads it. */
#define CLI_OPTION_PARALLEL \
    { \
        "parallel", 0, "N", "blocks in flight at a time; default the profile's" \
    }

struct cli_options {
    struct dfs_options options;
    const char *command;
    char program[48]; /* "dfs: put" */
    const char *profile;
    bool json;
    int64_t parallel; /* goes before the profile's; 0: as there */
};

/* `list` ends with CLI_OPTIONS. */
void cli_options_init(struct cli_options *cli, const char *command, const struct dfs_option *list, size_t count);

/* As dfs_options_next, with the common ones handled: DFS_OPTIONS_END, DFS_OPTIONS_BAD, or the position of one of the command's own.
 * --help prints and ends the process. */
int cli_options_next(struct cli_options *cli, int argc, char **argv);

/* Prints "dfs: COMMAND: ..." and gives exit code 2. */
int cli_bad_usage(const struct cli_options *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Values that several commands read: of the option that was read last, whose name is `option`. -1, or the exit code after a line that says what is wrong.
 */
int cli_read_version(const struct cli_options *cli, const char *option, uint64_t *ret_version);
/* The position of the value among `words`, "sync|async". */
int cli_read_word(const struct cli_options *cli, const char *option, const char *words, int *ret_word);
/* --parallel N, into `parallel`. */
int cli_read_parallel(struct cli_options *cli);

/* -1 when there are from min to max arguments, otherwise the exit code. `what` names them: "a path". */
int cli_check_arguments(const struct cli_options *cli, int min, int max, const char *what);

/* A path of the namespace, or a prefix: slashes in front are dropped. Points into `typed`. */
const char *cli_path(const char *typed);

/* The same for a whole path: -1 when *ret_path is one, otherwise the exit code, and the line says the nearest path that is. */
int cli_take_path(const struct cli_options *cli, const char *typed, const char **ret_path);

/* Sessions --------------------------------------------------------------------------------------------------------- */

struct cli_session {
    struct dfs_profile profile;
    struct dfs_real *real;
    struct dfs_client *client;
    struct dfs_list jobs; /* running */
    uint64_t next;
    unsigned interrupts;
    bool cancelled;
    bool quiet; /* cli_session_do prints no failures */
};

/* One command to the client machine. `take` sees the result inside the step (it calls nothing of the env). */
struct cli_job {
    struct dfs_list link;
    uint64_t id;
    bool done;
    enum dfs_status status;
    char words[CLI_WORDS_BYTES];
    dfs_duration_ns retry_after_ns;
    void (*take)(void *ctx, const struct dfs_client_result *result);
    void *ctx;
};

/* Reads the profile, connects nothing yet. With `wants_token`, a token is there afterwards, by login if need be. 0, or the exit code
 * after a line was printed: `what` begins it ("PUT a/b"). */
int cli_session_open(struct cli_session *session, const struct cli_options *cli, bool wants_token, const char *what);
void cli_session_close(struct cli_session *session);

void cli_session_start(struct cli_session *session, struct cli_job *job, enum dfs_client_command code,
                       const void *argument);

/* Moves everything on, for `wait_ms` at most; Ctrl-C cancels all jobs, a second one ends the process. */
void cli_session_poll(struct cli_session *session, int wait_ms);
void cli_session_wait(struct cli_session *session, struct cli_job *job);

/* Start, wait, and print a failure as "dfs: WHAT: STATUS: words". The exit code. */
int cli_session_do(struct cli_session *session, const char *what, enum dfs_client_command code, const void *argument,
                   void (*take)(void *ctx, const struct dfs_client_result *result), void *ctx);

/* The same for a login; keeps the token in the profile's file. */
int cli_session_login(struct cli_session *session, const char *user, const char *password, const char *what);

/* Printing --------------------------------------------------------------------------------------------------------- */

/* "dfs: WHAT: STATUS: words"; the exit code. */
int cli_fail(const char *what, enum dfs_status status, const char *words);

/* JSON of a value, and its end, on standard output; takes the value. */
void cli_print_json(json_t *take_value);
void cli_print_json_line(json_t *take_value);

json_t *cli_json_id(const struct dfs_id *id);
json_t *cli_json_text(const struct dfs_text *text);
json_t *cli_json_number(uint64_t value);

/* "1.5 MB". */
#define CLI_SIZE_BYTES 48
const char *cli_size(uint64_t bytes, char ret_text[CLI_SIZE_BYTES]);

/* "2026-03-01 12:00:00" in local time; "-" for 0. */
#define CLI_TIME_BYTES 24
const char *cli_time(uint64_t ms, char ret_text[CLI_TIME_BYTES]);

/* A progress bar on standard error when that is a terminal, nothing otherwise. */
struct cli_progress {
    bool is_on;
    bool drawn;
    dfs_time_ns began;
    dfs_time_ns drawn_at;
};
void cli_progress_begin(struct cli_progress *progress, bool is_wanted);
void cli_progress_show(struct cli_progress *progress, const char *what, uint64_t done, uint64_t total);
void cli_progress_end(struct cli_progress *progress); /* takes the bar away */

#endif
