/* dfs mv, rm, restore: one request each. */
#include "apps/cli/cli.h"

#include <stdio.h>
#include <string.h>

struct changed {
    uint64_t version;
};

static void take_changed(void *ctx, const struct dfs_client_result *result)
{
    struct changed *changed = ctx;
    const struct dfs_m_changed *message = result->message;

    if (result->number == DFS_MSG_CHANGED && message != NULL)
        changed->version = message->version;
}

/* Prints the outcome of a change and ends the session. */
static int finish(struct cli_session *session, const struct cli_options *cli, int rc, const char *path,
                  const struct changed *changed)
{
    if (rc == 0 && cli->json)
        cli_print_json_line(json_pack("{s:s, s:I}", "path", path, "version", (json_int_t)changed->version));
    cli_session_close(session);
    return rc;
}

enum { MV_IF_ABSENT };
static const struct dfs_option mv_list[] = {
    [MV_IF_ABSENT] = {"if-absent", 0, NULL, "only when nothing is at the new path"},
    CLI_OPTIONS,
};

int cli_mv(int argc, char **argv)
{
    struct dfs_client_move move = {.if_absent = false};
    struct changed changed = {0};
    struct cli_session session;
    struct cli_options cli;
    char what[DFS_PATH_BYTES_MAX + 16];
    int at;
    int rc;

    cli_options_init(&cli, "mv", mv_list, sizeof mv_list / sizeof mv_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0)
        move.if_absent = true;
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 2, 2, "a path");
    if (rc >= 0)
        return rc;
    rc = cli_take_path(&cli, cli.options.arguments[0], &move.path);
    if (rc < 0)
        rc = cli_take_path(&cli, cli.options.arguments[1], &move.to_path);
    if (rc >= 0)
        return rc;
    (void)snprintf(what, sizeof what, "MOVE %s", move.path);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    rc = cli_session_do(&session, what, DFS_CLIENT_MOVE, &move, take_changed, &changed);
    return finish(&session, &cli, rc, move.to_path, &changed);
}

static const struct dfs_option rm_list[] = {CLI_OPTIONS};

int cli_rm(int argc, char **argv)
{
    struct cli_session session;
    struct cli_options cli;
    int worst = 0;
    int rc;

    cli_options_init(&cli, "rm", rm_list, sizeof rm_list / sizeof rm_list[0]);
    if (cli_options_next(&cli, argc, argv) == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 1, INT32_MAX, "a path");
    if (rc >= 0)
        return rc;
    for (int i = 0; i < cli.options.arguments_count; i++) {
        const char *path;

        rc = cli_take_path(&cli, cli.options.arguments[i], &path);
        if (rc >= 0)
            return rc;
    }
    rc = cli_session_open(&session, &cli, true, "REMOVE");
    if (rc != 0)
        return rc;
    for (int i = 0; i < cli.options.arguments_count && session.interrupts == 0; i++) {
        const struct dfs_client_path path = {.path = cli_path(cli.options.arguments[i])};
        struct changed changed = {0};
        char what[DFS_PATH_BYTES_MAX + 16];

        (void)snprintf(what, sizeof what, "REMOVE %s", path.path);
        rc = cli_session_do(&session, what, DFS_CLIENT_REMOVE, &path, take_changed, &changed);
        if (rc == 0 && cli.json)
            cli_print_json_line(json_pack("{s:s, s:I}", "path", path.path, "version", (json_int_t)changed.version));
        if (rc != 0)
            worst = rc;
    }
    cli_session_close(&session);
    return worst;
}

enum { RESTORE_VERSION };
static const struct dfs_option restore_list[] = {
    [RESTORE_VERSION] = {"version", 0, "ID", "this version; default the newest that was removed"},
    CLI_OPTIONS,
};

int cli_restore(int argc, char **argv)
{
    struct dfs_client_path path = {.version = 0};
    struct changed changed = {0};
    struct cli_session session;
    struct cli_options cli;
    char what[DFS_PATH_BYTES_MAX + 16];
    int at;
    int rc;

    cli_options_init(&cli, "restore", restore_list, sizeof restore_list / sizeof restore_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0) {
        rc = cli_read_version(&cli, "version", &path.version);
        if (rc >= 0)
            return rc;
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 1, 1, "a path");
    if (rc >= 0)
        return rc;
    rc = cli_take_path(&cli, cli.options.arguments[0], &path.path);
    if (rc >= 0)
        return rc;
    (void)snprintf(what, sizeof what, "RESTORE %s", path.path);
    rc = cli_session_open(&session, &cli, true, what);
    if (rc != 0)
        return rc;
    rc = cli_session_do(&session, what, DFS_CLIENT_RESTORE, &path, take_changed, &changed);
    return finish(&session, &cli, rc, path.path, &changed);
}
