/* dfs bench: how fast this cluster stores and reads, from this machine, without its disk. */
#include "apps/cli/transfer.h"
#include "core/base/mem.h"
#include "core/conf/units.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* Bytes that nothing can compress, repeated: making new ones would be measured too. */
#define PATTERN_BYTES (1024 * 1024)

#define SIZE_DEFAULT (256 * 1000 * 1000)
#define FILES_DEFAULT 4
#define FILES_MAX 10000

enum { BENCH_SIZE, BENCH_FILES, BENCH_DURABILITY, BENCH_PARALLEL };

static const struct dfs_option bench_list[] = {
    [BENCH_SIZE] = {"size", 0, "SIZE", "of all files together; default 256MB"},
    [BENCH_FILES] = {"files", 0, "N", "how many; default 4"},
    [BENCH_DURABILITY] = {"durability", 0, "sync|async", "default the cluster's"},
    [BENCH_PARALLEL] = CLI_OPTION_PARALLEL,
    CLI_OPTIONS,
};

struct bench {
    uint8_t *pattern;
    uint64_t file_bytes;
    int64_t size;
    int64_t files;
    enum dfs_durability durability;
    atomic_bool differs; /* set in a pool thread */
};

/* Source and sink: the pattern, from and to nowhere --------------------------------------------------------------------- */

static enum dfs_status read_pattern(void *ctx, uint64_t offset, uint8_t *bytes, size_t length, size_t *ret_count)
{
    const struct bench *bench = ctx;
    size_t done = 0;

    if (offset >= bench->file_bytes)
        length = 0;
    else if (length > bench->file_bytes - offset)
        length = (size_t)(bench->file_bytes - offset);
    while (done < length) {
        const size_t at = (size_t)((offset + done) % PATTERN_BYTES);
        const size_t count = length - done < PATTERN_BYTES - at ? length - done : PATTERN_BYTES - at;

        memcpy(bytes + done, bench->pattern + at, count);
        done += count;
    }
    *ret_count = length;
    return DFS_OK;
}

static enum dfs_status check_pattern(void *ctx, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct bench *bench = ctx;

    for (size_t done = 0; done < length;) {
        const size_t at = (size_t)((offset + done) % PATTERN_BYTES);
        const size_t count = length - done < PATTERN_BYTES - at ? length - done : PATTERN_BYTES - at;

        if (memcmp(bytes + done, bench->pattern + at, count) != 0)
            atomic_store(&bench->differs, true);
        done += count;
    }
    return DFS_OK;
}

static bool start_put(struct cli_session *session, struct transfer_job *job, void *ctx, int *ret_rc)
{
    static const struct dfs_local_source_ops ops = {.read = read_pattern};
    struct bench *bench = ctx;
    struct dfs_client_put put = {
        .path = job->file->path, .size_bytes = bench->file_bytes, .durability = bench->durability, .rereadable = true};
    const enum dfs_status status =
        dfs_local_source_custom(dfs_real_local(session->real), &ops, bench, true, &job->number);

    (void)snprintf(job->what, sizeof job->what, "PUT %s", job->file->path);
    if (status != DFS_OK) {
        *ret_rc = cli_fail(job->what, status, NULL);
        return false;
    }
    put.source = job->number;
    cli_session_start(session, &job->job, DFS_CLIENT_PUT, &put);
    return true;
}

static bool start_get(struct cli_session *session, struct transfer_job *job, void *ctx, int *ret_rc)
{
    static const struct dfs_local_sink_ops ops = {.write = check_pattern};
    struct dfs_client_get get = {.path = job->file->path, .last = DFS_SIZE_UNKNOWN};
    const enum dfs_status status = dfs_local_sink_custom(dfs_real_local(session->real), &ops, ctx, true, &job->number);

    (void)snprintf(job->what, sizeof job->what, "GET %s", job->file->path);
    if (status != DFS_OK) {
        *ret_rc = cli_fail(job->what, status, NULL);
        return false;
    }
    get.sink = job->number;
    cli_session_start(session, &job->job, DFS_CLIENT_GET, &get);
    return true;
}

static void file_done(const struct transfer_job *job, uint64_t ms, void *ctx)
{
    (void)job;
    (void)ms;
    (void)ctx;
}

/* The command ------------------------------------------------------------------------------------------------------------ */

static int take_option(struct bench *bench, struct cli_options *cli, int at)
{
    struct dfs_why why;
    int word = 0;
    int rc;

    switch (at) {
    case BENCH_SIZE:
        if (dfs_size_parse(cli->options.value, &bench->size, &why) != DFS_OK)
            return cli_bad_usage(cli, "--size: %s", why.text);
        return bench->size >= 1 ? -1 : cli_bad_usage(cli, "--size: must be at least 1B");
    case BENCH_FILES:
        if (dfs_count_parse(cli->options.value, &bench->files, &why) != DFS_OK)
            return cli_bad_usage(cli, "--files: %s", why.text);
        if (bench->files < 1 || bench->files > FILES_MAX)
            return cli_bad_usage(cli, "--files: must be from 1 to %d", FILES_MAX);
        return -1;
    case BENCH_DURABILITY:
        rc = cli_read_word(cli, "durability", "sync|async", &word);
        bench->durability = word == 1 ? DFS_DURABILITY_ASYNC : DFS_DURABILITY_SYNC;
        return rc;
    default:
        return cli_read_parallel(cli);
    }
}

struct lap {
    uint64_t ms; /* at least 1 */
    int rc;
};

static struct lap run_lap(struct cli_session *session, const struct transfer *transfer, transfer_start start,
                          struct bench *bench)
{
    const dfs_time_ns began = dfs_real_mono();
    struct lap lap = {.rc = transfer_run(session, transfer, start, file_done, bench, true)};

    lap.ms = (dfs_real_mono() - began) / DFS_MILLISECONDS + 1;
    return lap;
}

static void remove_files(struct cli_session *session, const struct transfer *transfer)
{
    session->quiet = true;
    for (size_t i = 0; i < transfer->count; i++) {
        const struct dfs_client_path path = {.path = transfer->files[i].path};

        (void)cli_session_do(session, "REMOVE", DFS_CLIENT_REMOVE, &path, NULL, NULL);
    }
}

static json_t *lap_json(const struct bench *bench, const struct lap *lap)
{
    return json_pack("{s:o, s:o}", "ms", cli_json_number(lap->ms), "bytes_per_s",
                     cli_json_number(bench->file_bytes * (uint64_t)bench->files / lap->ms * 1000));
}

static int measure(struct cli_session *session, const struct cli_options *cli, const struct transfer *transfer,
                   struct bench *bench)
{
    const struct lap put = run_lap(session, transfer, start_put, bench);
    struct lap get = {.ms = 1, .rc = put.rc};
    char rate[CLI_SIZE_BYTES];
    char size[CLI_SIZE_BYTES];

    if (put.rc == 0)
        get = run_lap(session, transfer, start_get, bench);
    remove_files(session, transfer);
    if (get.rc != 0)
        return get.rc;
    if (atomic_load(&bench->differs))
        return cli_fail("bench", DFS_BLOCK_CORRUPT, "what was read is not what was stored");
    if (cli->json) {
        cli_print_json(json_pack(
            "{s:o, s:o, s:o, s:o}", "size", cli_json_number(bench->file_bytes * (uint64_t)bench->files), "files",
            cli_json_number((uint64_t)bench->files), "put", lap_json(bench, &put), "get", lap_json(bench, &get)));
        return 0;
    }
    (void)printf("%lld files, %s each\n", (long long)bench->files, cli_size(bench->file_bytes, size));
    (void)printf("PUT  %s/s  %llu ms\n", cli_size(bench->file_bytes * (uint64_t)bench->files / put.ms * 1000, rate),
                 (unsigned long long)put.ms);
    (void)printf("GET  %s/s  %llu ms\n", cli_size(bench->file_bytes * (uint64_t)bench->files / get.ms * 1000, rate),
                 (unsigned long long)get.ms);
    return 0;
}

int cli_bench(int argc, char **argv)
{
    struct bench bench = {.size = SIZE_DEFAULT, .files = FILES_DEFAULT};
    struct transfer transfer = {0};
    struct cli_session session;
    struct cli_options cli;
    uint32_t random = 0;
    int at;
    int rc;

    cli_options_init(&cli, "bench", bench_list, sizeof bench_list / sizeof bench_list[0]);
    while ((at = cli_options_next(&cli, argc, argv)) >= 0) {
        rc = take_option(&bench, &cli, at);
        if (rc >= 0)
            return rc;
    }
    if (at == DFS_OPTIONS_BAD)
        return dfs_status_exit_code(DFS_BAD_USAGE);
    rc = cli_check_arguments(&cli, 0, 0, "nothing");
    if (rc >= 0)
        return rc;
    rc = cli_session_open(&session, &cli, true, "bench");
    if (rc != 0)
        return rc;
    bench.file_bytes = (uint64_t)((bench.size + bench.files - 1) / bench.files);
    bench.pattern = dfs_alloc(PATTERN_BYTES);
    for (size_t filled = 0; filled < PATTERN_BYTES;) {
        const ssize_t got = getrandom(bench.pattern + filled, PATTERN_BYTES - filled, 0);

        filled += got > 0 ? (size_t)got : 0;
    }
    memcpy(&random, bench.pattern, sizeof random);
    for (int64_t i = 0; i < bench.files; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "dfs-bench-%08x/%lld", random, (long long)i);
        transfer_add(&transfer, "", path);
    }
    rc = measure(&session, &cli, &transfer, &bench);
    cli_session_close(&session);
    transfer_close(&transfer);
    dfs_free(bench.pattern);
    return rc;
}
