/* dfs get: files of the cluster into local files or standard output. */
#include "apps/cli/transfer.h"
#include "apps/common/file.h"
#include "core/base/mem.h"
#include "core/conf/units.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GET_RANGE, GET_VERSION, GET_PARALLEL, GET_SYNC };

static const struct dfs_option get_list[] = {
    [GET_RANGE] = {"range", 0, "A-B", "bytes A to B only, counted from 0, both included; \"A-\" to the end"},
    [GET_VERSION] = {"version", 0, "ID", "this version; default the newest"},
    [GET_PARALLEL] = CLI_OPTION_PARALLEL,
    [GET_SYNC] = {"sync", 0, NULL, "have the local file on stable storage before it takes its name"},
    CLI_OPTIONS,
};

struct get {
    struct dfs_client_get get; /* all but path and sink */
    bool durable;
    bool json;
};

static int take_range(struct get *get, const struct cli_options *cli)
{
    const char *value = cli->options.value;
    const char *dash = strchr(value, '-');
    char first[24] = "";
    int64_t a = 0;
    int64_t b = INT64_MAX;

    if (dash != NULL && dash != value && (size_t)(dash - value) < sizeof first) {
        memcpy(first, value, (size_t)(dash - value));
        if (dfs_count_parse(first, &a, NULL) == DFS_OK && a >= 0 &&
            (dash[1] == '\0' || (dfs_count_parse(dash + 1, &b, NULL) == DFS_OK && b >= a))) {
            get->get.first = (uint64_t)a;
            get->get.last = dash[1] == '\0' ? DFS_SIZE_UNKNOWN : (uint64_t)b;
            return -1;
        }
    }
    return cli_bad_usage(cli, "--range: \"%s\" is no range; write FIRST-LAST such as 0-499, or FIRST- for the rest",
                         dfs_quote_text(value).text);
}

static int take_option(struct get *get, struct cli_options *cli, int at)
{
    switch (at) {
    case GET_RANGE:
        return take_range(get, cli);
    case GET_VERSION:
        return cli_read_version(cli, "version", &get->get.version);
    case GET_PARALLEL:
        return cli_read_parallel(cli);
    default:
        get->durable = true;
        return -1;
    }
}

static void take_done(void *ctx, const struct dfs_client_result *result)
{
    struct transfer_job *job = ctx;
    const struct dfs_m_get_plan *plan = result->message;

    job->bytes = result->bytes;
    if (result->status != DFS_OK || result->number != DFS_MSG_GET_PLAN || plan == NULL)
        return;
    job->id = plan->file;
    job->version = plan->version;
    job->blocks = plan->blocks;
}

static bool start_file(struct cli_session *session, struct transfer_job *job, void *ctx, int *ret_rc)
{
    const struct get *get = ctx;
    struct dfs_client_get argument = get->get;
    struct dfs_local *local = dfs_real_local(session->real);
    const bool is_output = strcmp(job->file->local, "-") == 0;
    char words[DFS_WORDS_BYTES_MAX] = "";
    enum dfs_status status;

    (void)snprintf(job->what, sizeof job->what, "GET %s", job->file->path);
    if (is_output)
        status = dfs_local_sink_descriptor(local, STDOUT_FILENO, &job->number);
    else
        status = dfs_local_sink_file(local, job->file->local, get->durable, words, &job->number);
    if (status != DFS_OK) {
        *ret_rc = cli_fail(job->what, status, words);
        return false;
    }
    argument.path = job->file->path;
    argument.sink = job->number;
    argument.ordered = is_output;
    job->job.take = take_done;
    job->job.ctx = job;
    cli_session_start(session, &job->job, DFS_CLIENT_GET, &argument);
    return true;
}

static void file_done(const struct transfer_job *job, uint64_t ms, void *ctx)
{
    const struct get *get = ctx;
    char size[CLI_SIZE_BYTES];

    if (strcmp(job->file->local, "-") == 0)
        return; /* standard output is the file's */
    if (get->json)
        cli_print_json_line(json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "path", job->file->path, "local",
                                      job->file->local, "file", cli_json_id(&job->id), "version",
                                      cli_json_number(job->version), "size", cli_json_number(job->bytes), "ms",
                                      cli_json_number(ms)));
    else
        (void)printf("%s  version %llu, %s, %llu ms\n", job->file->local, (unsigned long long)job->version,
                     cli_size(job->bytes, size), (unsigned long long)ms);
}

static bool is_directory(const char *path)
{
    struct stat stat_of;

    return stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

/* 0, or the exit code. */
static int collect(const struct cli_options *cli, struct transfer *transfer)
{
    const int paths = cli->options.arguments_count - 1;
    const char *local = cli->options.arguments[paths];
    const bool is_output = strcmp(local, "-") == 0;
    const bool is_below = !is_output && is_directory(local);

    if (paths > 1 && !is_below)
        return cli_bad_usage(cli,
                             is_output ? "only one path goes to standard output; \"%s\" is not it"
                                       : "several paths need a directory, and \"%s\" is none",
                             dfs_quote_text(is_output ? cli->options.arguments[1] : local).text);
    for (int i = 0; i < paths; i++) {
        const char *path;
        const int bad = cli_take_path(cli, cli->options.arguments[i], &path);
        char *base = bad < 0 ? dfs_path_base(path) : NULL;
        char *target = is_below && bad < 0 ? dfs_path_join(local, base) : NULL;

        if (bad >= 0)
            return bad;

        transfer_add(transfer, target != NULL ? target : local, path);
        dfs_free(target);
        dfs_free(base);
    }
    return 0;
}

int cli_get(int argc, char **argv)
{
    struct get get = {.get = {.first = 0, .last = DFS_SIZE_UNKNOWN}};
    struct transfer transfer = {0};
    struct cli_session session;
    struct cli_options cli;
    char what[TRANSFER_WHAT_BYTES];
    int at;
    int rc;

    cli_options_init(&cli, "get", get_list, sizeof get_list / sizeof get_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0) {
        rc = take_option(&get, &cli, at);
        if (rc >= 0)
            return rc;
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    get.json = cli.json;
    rc = cli_check_arguments(&cli, 2, INT32_MAX, cli.options.arguments_count == 0 ? "a path" : "the local file");
    if (rc >= 0)
        return rc;
    if (get.get.version != 0 && cli.options.arguments_count > 2)
        return cli_bad_usage(&cli, "--version belongs to one path");
    rc = collect(&cli, &transfer);
    if (rc == 0 && transfer.count > 0) {
        (void)snprintf(what, sizeof what, "GET %s", transfer.files[0].path);
        rc = cli_session_open(&session, &cli, true, what);
        if (rc == 0) {
            rc = transfer_run(&session, &transfer, start_file, file_done, &get, !cli.json);
            cli_session_close(&session);
        }
    }
    transfer_close(&transfer);
    return rc;
}
