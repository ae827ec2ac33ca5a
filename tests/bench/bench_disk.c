/*
 * bench_disk.c - durable blocks a second through the env's disk: create, write in frames, sync, publish, one directory sync; then reading
 * them back from the page cache.
 *
 *     bench_disk [--dir DIR] [--block N] [--frame N] [--blocks N] [--parallel N] [--threads N] [--rounds N] [--async] [--json]
 */
#include "core/base/assert.h"
#include "core/base/mem.h"
#include "net_real/ca.h"
#include "net_real/real.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PARALLEL_MAX 1024

struct settings {
    const char *directory;
    size_t block_bytes;
    size_t frame_bytes;
    unsigned blocks;
    unsigned parallel;
    unsigned threads;
    unsigned rounds;
    bool async;
    bool json;
};

enum phase { CREATING, WRITING, SYNCING, PUBLISHING, SYNCING_DIRECTORY, READING, REMOVING };

struct block {
    unsigned number;
    enum phase phase;
    size_t at;
    struct dfs_buf *buf;
};

struct machine {
    const struct settings *settings;
    struct dfs_real *real;
    struct dfs_env env;
    struct dfs_buf_pool pool;
    struct block slots[PARALLEL_MAX];
    enum phase first; /* CREATING, READING or REMOVING: what this pass does */
    unsigned next;
    unsigned done;
};

static void name_block(const struct block *block, bool temporary, char ret_name[64])
{
    (void)snprintf(ret_name, 64, "6fa459ea-ee8a-4ca4-894e-db77e160355e-%u-0%s", block->number,
                   temporary ? ".tmp-1" : "");
}

static size_t next_part(const struct machine *m, const struct block *block)
{
    const size_t left = m->settings->block_bytes - block->at;

    return left < m->settings->frame_bytes ? left : m->settings->frame_bytes;
}

static void submit(struct machine *m, struct block *block)
{
    struct dfs_disk_op op = {.token = (uint64_t)(block - m->slots)};
    char name[64];
    char name2[64];

    name_block(block, block->phase <= PUBLISHING, name);
    name_block(block, false, name2);
    op.name = name;
    switch (block->phase) {
    case CREATING:
        op.verb = DFS_DISK_CREATE;
        op.length = m->settings->block_bytes;
        break;
    case WRITING:
    case READING:
        op.verb = block->phase == WRITING ? DFS_DISK_WRITE : DFS_DISK_READ;
        op.buf = block->buf;
        op.offset = block->at;
        op.length = next_part(m, block);
        break;
    case SYNCING:
        op.verb = DFS_DISK_SYNC;
        break;
    case PUBLISHING:
        op.verb = DFS_DISK_PUBLISH;
        op.name2 = name2;
        break;
    case SYNCING_DIRECTORY:
        op.verb = DFS_DISK_SYNC_DIR;
        break;
    case REMOVING:
        op.verb = DFS_DISK_REMOVE;
        break;
    }
    m->env.disk->submit(m->env.ctx, &op);
}

static void begin_block(struct machine *m, struct block *block)
{
    if (m->next == m->settings->blocks)
        return;
    block->number = m->next++;
    block->phase = m->first;
    block->at = 0;
    submit(m, block);
}

static void end_block(struct machine *m, struct block *block)
{
    if (++m->done == m->settings->blocks)
        dfs_real_stop(m->real);
    else
        begin_block(m, block);
}

static void on_done(struct machine *m, const struct dfs_disk_done *done)
{
    struct block *block = &m->slots[done->token];

    if (done->status != DFS_OK) {
        fprintf(stderr, "bench_disk: %s: %s\n", dfs_disk_verb_name(done->verb), dfs_status_name(done->status));
        exit(3);
    }
    switch (block->phase) {
    case CREATING:
        block->phase = WRITING;
        break;
    case WRITING:
    case READING:
        block->at += next_part(m, block);
        if (block->at < m->settings->block_bytes)
            break;
        if (block->phase == READING) {
            end_block(m, block);
            return;
        }
        block->phase = m->settings->async ? PUBLISHING : SYNCING;
        break;
    case SYNCING:
        block->phase = PUBLISHING;
        break;
    case PUBLISHING:
        if (m->settings->async) {
            end_block(m, block);
            return;
        }
        block->phase = SYNCING_DIRECTORY;
        break;
    case SYNCING_DIRECTORY:
    case REMOVING:
        end_block(m, block);
        return;
    }
    submit(m, block);
}

static dfs_time_ns step(void *machine, const struct dfs_event *event)
{
    struct machine *m = machine;

    if (event->kind == DFS_EV_START)
        for (unsigned i = 0; i < m->settings->parallel; i++)
            begin_block(m, &m->slots[i]);
    if (event->kind == DFS_EV_DISK)
        on_done(m, &event->disk);
    return DFS_NEVER;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void pass(const struct settings *settings, const struct dfs_cert *ca, enum phase first, const char *what)
{
    static struct machine machine;
    const double gib = (double)settings->block_bytes * settings->blocks / 1073741824.0;
    struct dfs_real_config config;
    char words[DFS_WORDS_BYTES_MAX];
    dfs_time_ns begin;
    double seconds;
    double cpu;

    machine = (struct machine){.settings = settings, .first = first};
    dfs_real_config_init(&config);
    config.role = DFS_ROLE_CLIENT;
    config.ca.text = ca->certificate;
    config.disk_directory = settings->directory;
    config.disk_threads = settings->threads;
    if (dfs_real_new(&config, words, &machine.real) != DFS_OK) {
        fprintf(stderr, "bench_disk: %s\n", words);
        exit(2);
    }
    machine.env = dfs_real_env(machine.real);
    dfs_buf_pool_init(&machine.pool, SIZE_MAX / 2);
    for (unsigned i = 0; i < settings->parallel; i++) {
        machine.slots[i].buf = dfs_buf_new(&machine.pool, settings->frame_bytes);
        memset(machine.slots[i].buf->bytes, 'x', settings->frame_bytes);
    }
    begin = dfs_real_mono();
    cpu = cpu_seconds();
    dfs_real_run(machine.real, step, &machine);
    seconds = (double)(dfs_real_mono() - begin) / 1e9;
    cpu = cpu_seconds() - cpu;
    for (unsigned i = 0; i < settings->parallel; i++)
        dfs_buf_unref(machine.slots[i].buf);
    dfs_buf_pool_close(&machine.pool);
    dfs_real_free(machine.real);
    if (what != NULL && settings->json)
        printf("{\"case\":\"%s\",\"block_bytes\":%zu,\"blocks_per_second\":%.0f,\"gib_per_second\":%.3f,"
               "\"cpu_seconds_per_gib\":%.3f}\n",
               what, settings->block_bytes, settings->blocks / seconds, gib / seconds, cpu / gib);
    else if (what != NULL)
        printf("%s of %zu KB blocks: %.0f a second, %.2f GiB/s, %.2f CPU-s/GiB\n", what, settings->block_bytes / 1000,
               settings->blocks / seconds, gib / seconds, cpu / gib);
}

static void read_settings(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'},      {"block", required_argument, NULL, 'b'},
        {"frame", required_argument, NULL, 'f'},    {"blocks", required_argument, NULL, 'n'},
        {"parallel", required_argument, NULL, 'p'}, {"threads", required_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'r'},   {"async", no_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},           {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            settings->directory = optarg;
            break;
        case 'b':
            settings->block_bytes = strtoul(optarg, NULL, 10);
            break;
        case 'f':
            settings->frame_bytes = strtoul(optarg, NULL, 10);
            break;
        case 'n':
            settings->blocks = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            settings->parallel = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 't':
            settings->threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            settings->rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'a':
            settings->async = true;
            break;
        case 'j':
            settings->json = true;
            break;
        default:
            exit(2);
        }
    }
    if (settings->parallel == 0 || settings->parallel > PARALLEL_MAX || settings->frame_bytes == 0 ||
        settings->frame_bytes > DFS_FRAME_BULK_BYTES_MAX || settings->threads == 0 || settings->block_bytes == 0)
        exit(2);
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .block_bytes = 1000000, .frame_bytes = 262144, .blocks = 1000, .parallel = 16, .threads = 8, .rounds = 3};
    char made[] = "bench-disk-XXXXXX";
    struct dfs_cert ca;
    enum dfs_status status;

    read_settings(argc, argv, &settings);
    if (settings.directory == NULL)
        settings.directory = mkdtemp(made);
    status = dfs_ca_make("bench CA", &ca);
    DFS_ASSERT(status == DFS_OK && settings.directory != NULL);
    for (unsigned i = 0; i < settings.rounds; i++) {
        pass(&settings, &ca, CREATING, settings.async ? "writing" : "durable writing");
        pass(&settings, &ca, READING, "reading");
        pass(&settings, &ca, REMOVING, NULL);
    }
    (void)rmdir(made);
    dfs_cert_close(&ca);
    return 0;
}
