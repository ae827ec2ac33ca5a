#include "apps/cli/transfer.h"

#include "core/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Between two looks at the progress. */
#define LOOK_MS 100

static char *copy(const char *text)
{
    const size_t bytes = strlen(text) + 1;

    return memcpy(dfs_alloc(bytes), text, bytes);
}

void transfer_add(struct transfer *transfer, const char *local, const char *path)
{
    if (transfer->count == transfer->capacity) {
        transfer->capacity = 2 * transfer->capacity + 16;
        transfer->files = dfs_realloc_array(transfer->files, transfer->capacity, sizeof *transfer->files);
    }
    transfer->files[transfer->count++] = (struct transfer_file){.local = copy(local), .path = copy(path)};
}

void transfer_close(struct transfer *transfer)
{
    for (size_t i = 0; i < transfer->count; i++) {
        dfs_free(transfer->files[i].local);
        dfs_free(transfer->files[i].path);
    }
    dfs_free(transfer->files);
    *transfer = (struct transfer){0};
}

/* The machine knows the status of a local file's failure, the host its errno. */
static int fail(struct cli_session *session, const struct transfer_job *job)
{
    const int error = dfs_local_error(dfs_real_local(session->real), job->number);
    char words[CLI_WORDS_BYTES];

    if (error == 0)
        return cli_fail(job->what, job->job.status, job->job.words);
    (void)snprintf(words, sizeof words, "%.300s: %s", job->file->local, strerror(error));
    return cli_fail(job->what, job->job.status, words);
}

struct running {
    struct transfer_job jobs[TRANSFER_AT_ONCE];
    uint64_t finished_bytes;
    size_t finished;
};

static void show(struct cli_session *session, const struct running *running, const struct transfer *transfer,
                 struct cli_progress *progress)
{
    uint64_t done = running->finished_bytes;
    uint64_t all = running->finished_bytes;
    char what[64];

    if (!progress->is_on)
        return;
    for (size_t i = 0; i < TRANSFER_AT_ONCE; i++) {
        uint64_t job_done = 0;
        uint64_t job_total = 0;

        if (!running->jobs[i].is_used ||
            !dfs_client_progress(session->client, running->jobs[i].job.id, &job_done, &job_total))
            continue;
        done += job_done;
        if (job_total == DFS_SIZE_UNKNOWN || all == DFS_SIZE_UNKNOWN)
            all = DFS_SIZE_UNKNOWN;
        else
            all += job_total;
    }
    if (transfer->count > 1) {
        /* Sizes of files that have not begun are not known. */
        (void)snprintf(what, sizeof what, "%zu of %zu files", running->finished, transfer->count);
        all = DFS_SIZE_UNKNOWN;
    } else {
        (void)snprintf(what, sizeof what, "%.60s", transfer->files[0].path);
    }
    cli_progress_show(progress, what, done, all);
}

/* Takes up what was answered; the worst exit code so far. */
static int reap(struct cli_session *session, struct running *running, transfer_done done, void *ctx,
                struct cli_progress *progress, int worst)
{
    for (size_t i = 0; i < TRANSFER_AT_ONCE; i++) {
        struct transfer_job *job = &running->jobs[i];

        if (!job->is_used || !job->job.done)
            continue;
        job->is_used = false;
        running->finished++;
        running->finished_bytes += job->bytes;
        cli_progress_end(progress);
        if (job->job.status == DFS_OK) {
            done(job, (dfs_real_mono() - job->began) / DFS_MILLISECONDS, ctx);
        } else {
            const int rc = fail(session, job);

            worst = rc > worst ? rc : worst;
        }
        dfs_local_forget(dfs_real_local(session->real), job->number);
    }
    return worst;
}

int transfer_run(struct cli_session *session, const struct transfer *transfer, transfer_start start, transfer_done done,
                 void *ctx, bool is_shown)
{
    struct running *running = dfs_alloc_zero(sizeof *running);
    struct cli_progress progress;
    size_t next = 0;
    int worst = 0;

    cli_progress_begin(&progress, is_shown);
    for (;;) {
        size_t used = 0;

        for (size_t i = 0; i < TRANSFER_AT_ONCE; i++) {
            struct transfer_job *job = &running->jobs[i];

            while (!job->is_used && next < transfer->count && session->interrupts == 0) {
                int rc = 0;

                *job = (struct transfer_job){.file = &transfer->files[next++], .began = dfs_real_mono()};
                job->is_used = start(session, job, ctx, &rc);
                worst = rc > worst ? rc : worst;
            }
            used += job->is_used;
        }
        if (used == 0)
            break;
        cli_session_poll(session, progress.is_on ? LOOK_MS : -1);
        worst = reap(session, running, done, ctx, &progress, worst);
        show(session, running, transfer, &progress);
    }
    cli_progress_end(&progress);
    dfs_free(running);
    if (session->interrupts > 0 && worst == 0 && next < transfer->count)
        worst = dfs_status_exit_code(DFS_ABORTED);
    return worst;
}
