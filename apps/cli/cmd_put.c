/* dfs put: local files, directories or standard input into the cluster. */
#include "apps/cli/transfer.h"
#include "apps/common/file.h"
#include "core/base/mem.h"

#include "core/conf/units.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PUT_RECURSIVE,
    PUT_ACK,
    PUT_DURABILITY,
    PUT_IF_ABSENT,
    PUT_IF_VERSION,
    PUT_BLOCK_SIZE,
    PUT_PARALLEL,
};

static const struct dfs_option put_list[] = {
    [PUT_RECURSIVE] = {"recursive", 'r', NULL, "directories with all that is in them"},
    [PUT_ACK] = {"ack", 0, "all|quorum", "copies that must be stored first; default the cluster's"},
    [PUT_DURABILITY] = {"durability", 0, "sync|async", "async: not on stable storage when acknowledged"},
    [PUT_IF_ABSENT] = {"if-absent", 0, NULL, "only when the path is free"},
    [PUT_IF_VERSION] = {"if-version", 0, "ID", "only when this version is the current one"},
    [PUT_BLOCK_SIZE] = {"block-size", 0, "SIZE", "such as 4MB; default the cluster's rule"},
    [PUT_PARALLEL] = CLI_OPTION_PARALLEL,
    CLI_OPTIONS,
};

struct put {
    struct dfs_client_put put; /* all but path and source */
    bool recursive;
    bool json;
};

/* Options ---------------------------------------------------------------------------------------------------------- */

static int take_option(struct put *put, struct cli_options *cli, int at)
{
    const char *value = cli->options.value;
    struct dfs_why why;
    int64_t number = 0;
    int word = 0;
    int rc;

    switch (at) {
    case PUT_RECURSIVE:
        put->recursive = true;
        return -1;
    case PUT_ACK:
        rc = cli_read_word(cli, "ack", "all|quorum", &word);
        put->put.ack = word == 1 ? DFS_ACK_QUORUM : DFS_ACK_ALL;
        return rc;
    case PUT_DURABILITY:
        rc = cli_read_word(cli, "durability", "sync|async", &word);
        put->put.durability = word == 1 ? DFS_DURABILITY_ASYNC : DFS_DURABILITY_SYNC;
        return rc;
    case PUT_IF_ABSENT:
        put->put.precondition = DFS_IF_ABSENT;
        return -1;
    case PUT_IF_VERSION:
        put->put.precondition = DFS_IF_VERSION;
        return cli_read_version(cli, "if-version", &put->put.if_version);
    case PUT_BLOCK_SIZE:
        if (dfs_size_parse(value, &number, &why) != DFS_OK)
            return cli_bad_usage(cli, "--block-size: %s", why.text);
        if (number < DFS_BLOCK_BYTES_MIN || number > DFS_BLOCK_BYTES_MAX)
            return cli_bad_usage(cli, "--block-size: %s must be from %s to %s", dfs_quote_text(value).text,
                                 dfs_size_text(DFS_BLOCK_BYTES_MIN).text, dfs_size_text(DFS_BLOCK_BYTES_MAX).text);
        put->put.block_size_bytes = (uint32_t)number;
        return -1;
    case PUT_PARALLEL:
        return cli_read_parallel(cli);
    default:
        return -1;
    }
}

/* What to store where ---------------------------------------------------------------------------------------------- */

static bool is_directory(const char *path)
{
    struct stat stat_of;

    return stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

static char *under(const char *directory, const char *name)
{
    struct dfs_conf_text text = {0};
    const size_t bytes = strlen(directory);

    dfs_conf_text_add(&text, "%s%s%s", directory, bytes > 0 && directory[bytes - 1] != '/' ? "/" : "", name);
    return dfs_conf_text_take(&text);
}

/* 0, or the exit code. */
static int add_directory(struct transfer *transfer, const char *local, const char *path)
{
    union {
        const char *lent;
        char *any;
    } root = {.lent = local};
    char *const roots[] = {root.any, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    size_t skip = strlen(local);
    FTSENT *entry;
    int rc = 0;

    while (skip > 0 && local[skip - 1] == '/')
        skip--;
    while (walk != NULL && (entry = fts_read(walk)) != NULL) {
        const char *below = entry->fts_path + skip;

        while (*below == '/')
            below++;
        if (entry->fts_info == FTS_F) {
            char *name = under(path, below);

            transfer_add(transfer, entry->fts_path, name);
            dfs_free(name);
        } else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS) {
            (void)fprintf(stderr, "dfs: put: %s: %s\n", entry->fts_path, strerror(entry->fts_errno));
            rc = dfs_status_exit_code(DFS_IO);
        } else if (entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE || entry->fts_info == FTS_DEFAULT) {
            (void)fprintf(stderr, "dfs: put: %s: no regular file: passed over\n", entry->fts_path);
        }
    }
    if (walk != NULL)
        (void)fts_close(walk);
    return rc;
}

/* -1 when files can go below "FOLDER/" (or "", the top), otherwise the exit code. */
static int take_folder(const struct cli_options *cli, const char *path)
{
    const size_t bytes = strlen(path);
    char *folder = dfs_alloc(bytes + 1);
    const char *whole;
    int rc = -1;

    memcpy(folder, path, bytes + 1);
    if (bytes > 0) {
        folder[bytes - 1] = '\0';
        rc = cli_take_path(cli, folder, &whole);
    }
    dfs_free(folder);
    return rc;
}

/* As cp does it: several files, or a path that ends in "/", go below the path under their own names. */
static int collect(const struct put *put, const struct cli_options *cli, struct transfer *transfer)
{
    const int locals = cli->options.arguments_count - 1;
    const char *path = cli_path(cli->options.arguments[locals]);
    const size_t bytes = strlen(path);
    const bool is_folder = bytes == 0 || path[bytes - 1] == '/';
    const bool is_below = locals > 1 || is_folder;
    int rc = is_folder ? take_folder(cli, path) : cli_take_path(cli, path, &path);

    if (rc >= 0)
        return rc;
    rc = 0;

    for (int i = 0; i < locals; i++) {
        const char *local = cli->options.arguments[i];
        char *base = dfs_path_base(local);
        char *target = is_below ? under(path, base) : under("", path);
        int failed = 0;

        if (strcmp(local, "-") == 0 && is_below)
            failed = cli_bad_usage(cli, "standard input needs a whole path, not \"%s\"", dfs_quote_text(path).text);
        else if (strcmp(local, "-") != 0 && is_directory(local) && !put->recursive)
            failed = cli_bad_usage(cli, "%s is a directory; say -r to store what is in it", dfs_quote_text(local).text);
        else if (strcmp(local, "-") != 0 && is_directory(local))
            failed = add_directory(transfer, local, target);
        else
            transfer_add(transfer, local, target);
        dfs_free(base);
        dfs_free(target);
        rc = failed > rc ? failed : rc;
        if (failed == dfs_status_exit_code(DFS_BAD_USAGE))
            return failed;
    }
    return rc;
}

/* One file --------------------------------------------------------------------------------------------------------- */

static void take_done(void *ctx, const struct dfs_client_result *result)
{
    struct transfer_job *job = ctx;
    const struct dfs_m_put_done *done = result->message;

    job->bytes = result->bytes;
    if (result->status != DFS_OK || result->number != DFS_MSG_PUT_DONE)
        return;
    job->id = done->file;
    job->version = done->version;
    job->blocks = done->blocks;
    job->copies = done->replicas_durable;
}

static bool start_file(struct cli_session *session, struct transfer_job *job, void *ctx, int *ret_rc)
{
    const struct put *put = ctx;
    struct dfs_client_put argument = put->put;
    struct dfs_local *local = dfs_real_local(session->real);
    struct dfs_local_info info = {.seekable = false};
    char words[DFS_WORDS_BYTES_MAX] = "";
    enum dfs_status status;

    (void)snprintf(job->what, sizeof job->what, "PUT %s", job->file->path);
    if (strcmp(job->file->local, "-") == 0)
        status = dfs_local_source_descriptor(local, STDIN_FILENO, &job->number, &info);
    else
        status = dfs_local_source_file(local, job->file->local, words, &job->number, &info);
    if (status != DFS_OK) {
        *ret_rc = cli_fail(job->what, status, words);
        return false;
    }
    argument.path = job->file->path;
    argument.source = job->number;
    argument.size_bytes = info.seekable ? info.bytes : DFS_SIZE_UNKNOWN;
    argument.rereadable = info.seekable;
    job->job.take = take_done;
    job->job.ctx = job;
    cli_session_start(session, &job->job, DFS_CLIENT_PUT, &argument);
    return true;
}

static void file_done(const struct transfer_job *job, uint64_t ms, void *ctx)
{
    const struct put *put = ctx;
    char size[CLI_SIZE_BYTES];

    if (put->json)
        cli_print_json_line(json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:o}", "path", job->file->path, "file",
                                      cli_json_id(&job->id), "version", cli_json_number(job->version), "size",
                                      cli_json_number(job->bytes), "blocks", cli_json_number(job->blocks),
                                      "replicas_durable", (int)job->copies, "ms", cli_json_number(ms)));
    else
        (void)printf("%s  version %llu, %s in %u block%s, %u durable cop%s, %llu ms\n", job->file->path,
                     (unsigned long long)job->version, cli_size(job->bytes, size), job->blocks,
                     job->blocks == 1 ? "" : "s", job->copies, job->copies == 1 ? "y" : "ies", (unsigned long long)ms);
}

int cli_put(int argc, char **argv)
{
    struct put put = {.recursive = false};
    struct transfer transfer = {0};
    struct cli_session session;
    struct cli_options cli;
    char what[TRANSFER_WHAT_BYTES];
    int collected;
    int at;
    int rc;

    cli_options_init(&cli, "put", put_list, sizeof put_list / sizeof put_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0) {
        rc = take_option(&put, &cli, at);
        if (rc >= 0)
            return rc;
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    put.json = cli.json;
    rc = cli_check_arguments(&cli, 2, INT32_MAX,
                             cli.options.arguments_count == 0 ? "a local file" : "the path in the cluster");
    if (rc >= 0)
        return rc;
    collected = collect(&put, &cli, &transfer);
    if (collected != dfs_status_exit_code(DFS_BAD_USAGE) && transfer.count > 0) {
        (void)snprintf(what, sizeof what, "PUT %s", transfer.files[0].path);
        rc = cli_session_open(&session, &cli, true, what);
        if (rc == 0) {
            rc = transfer_run(&session, &transfer, start_file, file_done, &put, !cli.json);
            cli_session_close(&session);
        }
    } else {
        rc = 0;
    }
    transfer_close(&transfer);
    return collected > rc ? collected : rc;
}
