/* dfs local: a whole cluster on loopback, for trying and testing. */
#include "apps/cli/cli.h"
#include "apps/cli/local.h"
#include "apps/common/file.h"
#include "apps/common/password.h"
#include "core/base/mem.h"
#include "core/conf/units.h"
#include "core/conf/words.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DATA_DEFAULT 4

/* Of the setting `replication`. */
#define REPLICATION_DEFAULT 3

/* Under sanitizers on a busy machine a start takes some seconds; one that takes longer has failed. */
#define UP_MS 60000

/* A daemon ends within DFS_DAEMON_STOP_MS; what does not is killed. */
#define DOWN_MS 10000

#define LOOK_MS 50

/* --config may be said so often. */
#define PAIRS_MAX 64

enum { LOCAL_DATA, LOCAL_DIR, LOCAL_CONFIG, LOCAL_FAULTS };

static const struct dfs_option local_list[] = {
    [LOCAL_DATA] = {"data", 0, "N", "up: data servers of a new cluster; default 4"},
    [LOCAL_DIR] = {"dir", 0, "DIR", "where it lives; default ~/.local/share/dfs/local"},
    [LOCAL_CONFIG] = {"config", 0, "KEY=VALUE", "up: a setting, for every program that has it; may be repeated"},
    [LOCAL_FAULTS] = {"faults", 0, NULL, "up: with fault sockets and event logs, for tests"},
    CLI_OPTIONS,
};

struct local_options {
    struct cli_options cli;
    struct local_cluster cluster;
    int64_t data; /* 0: not said */
    const char *pairs[PAIRS_MAX];
    size_t pairs_count;
    bool faults;
};

static void pause_ms(unsigned ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&time, NULL);
}

static int fail(enum dfs_status status, const struct dfs_why *why)
{
    return cli_fail("local", status, why->text);
}

/* up ----------------------------------------------------------------------------------------------------------------- */

static void print_log_end(const struct local_cluster *cluster, const struct local_daemon *daemon)
{
    char *path = local_path(cluster, daemon->name, ".log");
    char *bytes = NULL;
    size_t count = 0;
    size_t at;
    unsigned lines = 0;

    if (dfs_file_read(path, 64 * 1024 * 1024, &bytes, &count, NULL) == DFS_OK) {
        for (at = count; at > 0 && (bytes[at - 1] != '\n' || at == count || ++lines < 3);)
            at--;
        (void)fprintf(stderr, "%s", bytes + at);
    }
    dfs_free(bytes);
    dfs_free(path);
}

/* A daemon that ended is named, with the end of its log. */
static bool all_run(const struct local_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
            /* take away what ended, so that it is not found running */
        }
        if (local_pid(cluster, &cluster->daemons[i]) == 0) {
            (void)fprintf(stderr, "dfs: local: %s did not start; the end of %s/%s.log:\n", cluster->daemons[i].name,
                          cluster->directory, cluster->daemons[i].name);
            print_log_end(cluster, &cluster->daemons[i]);
            return false;
        }
    }
    return true;
}

struct states {
    size_t active;
};

static void take_states(void *ctx, const struct dfs_client_result *result)
{
    struct states *states = ctx;
    const struct dfs_m_nodes_page *page = result->message;

    if (result->status != DFS_OK || result->number != DFS_MSG_NODES_PAGE)
        return;
    for (uint32_t i = 0; i < page->nodes_count; i++)
        states->active += page->nodes[i].state == DFS_NODE_ACTIVE;
}

/* As the profile says; a profile that was logged out, or is another user's by now, stays as it is: the cluster's own account looks. */
static int login(struct cli_session *session, const struct local_cluster *cluster)
{
    const bool by_profile = session->profile.password_file[0] != '\0';
    char *own = local_path(cluster, LOCAL_ADMIN, ".password");
    const char *file = by_profile ? session->profile.password_file : own;
    char password[DFS_PASSWORD_BYTES_MAX + 1] = "";
    struct dfs_why why;
    int rc = 0;

    if (dfs_password_read(file, "", false, password, &why) != DFS_OK)
        rc = session->quiet ? dfs_status_exit_code(DFS_BAD_CONFIG) : cli_fail("local up", DFS_NOT_FOUND, why.text);
    dfs_free(own);
    if (rc == 0 && by_profile) {
        rc = cli_session_login(session, session->profile.user, password, "local up");
    } else if (rc == 0) {
        const struct dfs_client_login as_admin = {.user = LOCAL_ADMIN, .password = password};

        rc = cli_session_do(session, "local up", DFS_CLIENT_LOGIN, &as_admin, NULL, NULL);
    }
    dfs_wipe(password, sizeof password);
    return rc;
}

/* They were not all active in time, or nobody waits any longer. */
static int not_active(struct cli_session *session, const struct local_cluster *cluster, size_t active, bool logged_in)
{
    char words[CLI_WORDS_BYTES];

    if (session->interrupts > 0)
        return cli_fail("local up", DFS_ABORTED, "given up by the caller; dfs local down ends what was started");
    session->quiet = false;
    if (!logged_in && login(session, cluster) != 0) /* says why nobody knows how they are */
        return dfs_status_exit_code(DFS_TIMEOUT);
    (void)snprintf(words, sizeof words, "%zu of %zu data servers are active after %d s; see the logs in %.300s", active,
                   cluster->count - 2, UP_MS / 1000, cluster->directory);
    return cli_fail("local up", DFS_TIMEOUT, words);
}

static int wait_active(const struct local_options *local)
{
    const struct local_cluster *cluster = &local->cluster;
    const dfs_time_ns until = dfs_time_add(dfs_real_mono(), UP_MS * DFS_MILLISECONDS);
    char *profile = local_path(cluster, "profile", ".json");
    struct cli_options cli = local->cli;
    struct states states = {.active = 0};
    struct cli_session session;
    bool logged_in = false;
    int rc;

    cli.profile = profile;
    rc = cli_session_open(&session, &cli, false, "local up");
    dfs_free(profile);
    if (rc != 0)
        return rc;
    session.quiet = true;
    for (;;) {
        const struct dfs_client_nodes nodes = {.after = {{0}}};

        if (!logged_in)
            logged_in = login(&session, cluster) == 0;
        states.active = 0;
        if (logged_in)
            (void)cli_session_do(&session, "NODES", DFS_CLIENT_NODES, &nodes, take_states, &states);
        if (states.active == cluster->count - 2)
            break;
        if (!all_run(cluster)) {
            rc = dfs_status_exit_code(DFS_IO);
            break;
        }
        if (dfs_real_mono() > until || session.interrupts > 0) {
            rc = not_active(&session, cluster, states.active, logged_in);
            break;
        }
        pause_ms(LOOK_MS);
    }
    cli_session_close(&session);
    return rc;
}

static int start_all(const struct local_options *local)
{
    const struct local_cluster *cluster = &local->cluster;
    struct dfs_why why;

    for (size_t i = 0; i < cluster->count; i++) {
        enum dfs_status status;

        if (local_pid(cluster, &cluster->daemons[i]) != 0)
            continue;
        status = local_start(cluster, &cluster->daemons[i], local->faults, &why);
        if (status != DFS_OK)
            return fail(status, &why);
    }
    return 0;
}

static bool any_runs(const struct local_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        if (local_pid(cluster, &cluster->daemons[i]) != 0)
            return true;
    return false;
}

static int print_up(const struct local_options *local)
{
    const struct local_cluster *cluster = &local->cluster;

    if (local->cli.json) {
        char *profile = local_path(cluster, "profile", ".json");

        cli_print_json(json_pack("{s:s, s:s, s:i}", "dir", cluster->directory, "profile", profile, "data",
                                 (int)cluster->count - 2));
        dfs_free(profile);
        return 0;
    }
    (void)printf("%zu data servers are active. Try:\n\n"
                 "  export DFS_PROFILE=%s/profile.json\n"
                 "  dfs put /etc/hostname first\n"
                 "  dfs ls -l\n"
                 "  dfs nodes\n\n"
                 "and at the end: dfs local down --dir %s\n",
                 cluster->count - 2, cluster->directory, cluster->directory);
    return 0;
}

static int up(struct local_options *local)
{
    struct local_cluster *cluster = &local->cluster;
    struct dfs_why why;
    enum dfs_status status = local_load(cluster, &why);
    const bool is_new = status == DFS_NOT_FOUND;
    char replication[32];
    int rc;

    if (is_new) {
        status = local_make(cluster, local->data != 0 ? (unsigned)local->data : DATA_DEFAULT, &why);
    } else if (status == DFS_OK && local->data != 0 && (size_t)local->data != cluster->count - 2) {
        return cli_bad_usage(&local->cli,
                             "the cluster in %s has %zu data servers; for another number use another --dir",
                             cluster->directory, cluster->count - 2);
    }
    if (status != DFS_OK)
        return fail(status, &why);
    if (local->pairs_count > 0 && any_runs(cluster))
        return cli_bad_usage(&local->cli, "the cluster in %s runs; dfs local down first, then change its settings",
                             cluster->directory);
    if (is_new && cluster->count - 2 < REPLICATION_DEFAULT) {
        /* With fewer servers than copies nothing could be stored; who says otherwise below is believed. */
        (void)snprintf(replication, sizeof replication, "replication=%zu", cluster->count - 2);
        status = local_configure(cluster, replication, &why);
        if (status != DFS_OK)
            return fail(status, &why);
    }
    for (size_t i = 0; i < local->pairs_count; i++) {
        status = local_configure(cluster, local->pairs[i], &why);
        if (status == DFS_BAD_USAGE)
            return cli_bad_usage(&local->cli, "--config: %s", why.text);
        if (status != DFS_OK)
            return fail(status, &why);
    }
    rc = start_all(local);
    if (rc == 0)
        rc = wait_active(local);
    return rc == 0 ? print_up(local) : rc;
}

/* down --------------------------------------------------------------------------------------------------------------- */

/* Sends the signal to daemons from `first` to `end`, and waits; how many still run. */
static size_t stop_range(const struct local_cluster *cluster, size_t first, size_t end, int number, unsigned wait_ms)
{
    const dfs_time_ns until = dfs_time_add(dfs_real_mono(), wait_ms * DFS_MILLISECONDS);
    size_t left = 0;

    for (size_t i = first; i < end; i++) {
        const pid_t pid = local_pid(cluster, &cluster->daemons[i]);

        if (pid != 0)
            (void)kill(pid, number);
    }
    for (;;) {
        left = 0;
        for (size_t i = first; i < end; i++)
            left += local_pid(cluster, &cluster->daemons[i]) != 0;
        if (left == 0 || dfs_real_mono() >= until)
            return left;
        pause_ms(LOOK_MS);
    }
}

static int load(struct local_cluster *cluster)
{
    struct dfs_why why;
    const enum dfs_status status = local_load(cluster, &why);

    if (status == DFS_NOT_FOUND)
        (void)snprintf(why.text, sizeof why.text, "there is no cluster in %.300s; make one with: dfs local up",
                       cluster->directory);
    return status == DFS_OK ? 0 : fail(status, &why);
}

static int down(struct local_options *local)
{
    struct local_cluster *cluster = &local->cluster;
    /* Data servers say good-bye to metadata, so it goes after them. */
    const size_t ranges[][2] = {{2, LOCAL_DAEMONS_MAX}, {1, 2}, {0, 1}};
    size_t killed = 0;
    int rc = load(cluster);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const size_t end = ranges[i][1] < cluster->count ? ranges[i][1] : cluster->count;
        const size_t left = stop_range(cluster, ranges[i][0], end, SIGTERM, DOWN_MS);

        if (left > 0)
            killed += left - stop_range(cluster, ranges[i][0], end, SIGKILL, DOWN_MS);
    }
    for (size_t i = 0; i < cluster->count; i++) {
        char *pid_file = local_path(cluster, cluster->daemons[i].name, ".pid");

        (void)unlink(pid_file);
        dfs_free(pid_file);
    }
    if (killed > 0)
        (void)fprintf(stderr, "dfs: local: %zu of them did not stop within %d s and were killed\n", killed,
                      DOWN_MS / 1000);
    if (local->cli.json)
        cli_print_json(json_pack("{s:s, s:i}", "dir", cluster->directory, "killed", (int)killed));
    else
        (void)printf("stopped; the files stay in %s, dfs local up --dir %s starts it again\n", cluster->directory,
                     cluster->directory);
    return 0;
}

/* status ------------------------------------------------------------------------------------------------------------- */

static int status_of(struct local_options *local)
{
    struct local_cluster *cluster = &local->cluster;
    json_t *list;
    int rc = load(cluster);

    if (rc != 0)
        return rc;
    list = json_array();
    if (!local->cli.json)
        (void)printf("%-6s  %-8s  %-21s  %-21s  %s\n", "NAME", "PROCESS", "ADDRESS", "HTTP", "NODE");
    for (size_t i = 0; i < cluster->count; i++) {
        const struct local_daemon *daemon = &cluster->daemons[i];
        const pid_t pid = local_pid(cluster, daemon);
        char id[DFS_ID_TEXT_BYTES];
        char address[32];
        char http[32];
        char process[16] = "down";

        dfs_id_print(&daemon->node, id);
        (void)snprintf(address, sizeof address, "127.0.0.1:%u", daemon->port);
        (void)snprintf(http, sizeof http, "127.0.0.1:%u", daemon->http);
        if (pid != 0)
            (void)snprintf(process, sizeof process, "%d", (int)pid);
        else
            rc = 1; /* done and false: not all of it runs */
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:b, s:s, s:s}", "name", daemon->name, "role",
                                                    dfs_role_name(daemon->role), "node", id, "pid", (int)pid, "running",
                                                    pid != 0, "address", address, "http", http));
        if (!local->cli.json)
            (void)printf("%-6s  %-8s  %-21s  %-21s  %s\n", daemon->name, process, address, http, id);
    }
    if (local->cli.json)
        cli_print_json(json_incref(list));
    json_decref(list);
    return rc;
}

/* The command -------------------------------------------------------------------------------------------------------- */

static int take_options(struct local_options *local, int argc, char **argv, const char **ret_directory)
{
    struct cli_options *cli = &local->cli;
    struct dfs_why why;
    int at;

    cli_options_init(cli, "local", local_list, sizeof local_list / sizeof local_list[0]);
    while ((at = cli_options_next(cli, argc, argv)) >= 0) {
        if (at == LOCAL_DIR) {
            *ret_directory = cli->options.value;
        } else if (at == LOCAL_FAULTS) {
            local->faults = true;
        } else if (at == LOCAL_DATA) {
            if (dfs_count_parse(cli->options.value, &local->data, &why) != DFS_OK)
                return cli_bad_usage(cli, "--data: %s", why.text);
            if (local->data < 1 || local->data > LOCAL_DATA_MAX)
                return cli_bad_usage(cli, "--data: %s must be from 1 to %d", dfs_quote_text(cli->options.value).text,
                                     LOCAL_DATA_MAX);
        } else {
            if (local->pairs_count == PAIRS_MAX)
                return cli_bad_usage(cli, "--config: at most %d of them", PAIRS_MAX);
            local->pairs[local->pairs_count++] = cli->options.value;
        }
    }
    return at == DFS_OPTIONS_BAD ? dfs_status_exit_code(DFS_BAD_USAGE) : -1;
}

static char *default_directory(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    struct dfs_conf_text text = {0};

    if (data != NULL && data[0] == '/')
        dfs_conf_text_add(&text, "%s/dfs/local", data);
    else
        dfs_conf_text_add(&text, "%s/.local/share/dfs/local", home != NULL ? home : "");
    return dfs_conf_text_take(&text);
}

int cli_local(int argc, char **argv)
{
    static const char *const verbs[] = {"up", "down", "status"};
    struct local_options *local = dfs_alloc_zero(sizeof *local);
    const char *directory = NULL;
    const char *verb;
    int rc = take_options(local, argc, argv, &directory);

    if (rc < 0)
        rc = cli_check_arguments(&local->cli, 1, 1, "up, down or status");
    if (rc < 0) {
        verb = local->cli.options.arguments[0];
        local->cluster.claim = -1;
        local->cluster.directory = directory != NULL ? dfs_path_absolute(directory) : default_directory();
        if (strcmp(verb, "up") == 0)
            rc = up(local);
        else if (strcmp(verb, "down") == 0)
            rc = down(local);
        else if (strcmp(verb, "status") == 0)
            rc = status_of(local);
        else
            rc = cli_bad_usage(&local->cli, "unknown command \"%s\"%s", dfs_quote_text(verb).text,
                               dfs_words_suggest(verb, verbs, sizeof verbs / sizeof verbs[0]).text);
        local_close(&local->cluster);
    }
    dfs_free(local);
    return rc;
}
