/*
 * copies: a data server sends, and makes visible, only bytes that verify; it removes a good copy of a live file, one that its disk reads, only while enough others stand on disks; when
 * everything has come to rest all blocks of live files have min(replication, active servers) good copies on active servers' disks.
 */
#include "core/base/crc32c.h"
#include "core/base/mem.h"
#include "core/data/data.h"
#include "sim/checkers/checkers.h"
#include "sim/copies.h"

struct state {
    struct sim_touched touched;
    struct sim_host_set failing; /* whose disks have refused operations */
};

static void on_block_data(struct sim_run *run, void *arg, const struct sim_seen *seen, unsigned when)
{
    const struct sim_message *message = seen->message;
    size_t at = 0;

    (void)arg, (void)when;
    if (sim_checker_role(run, message->from) != DFS_ROLE_DATA)
        return;
    const struct dfs_m_block_data *data = sim_seen_body(run, seen);

    if (data == NULL)
        return;
    uint32_t offset = data->offset;
    for (uint32_t i = 0; i < data->crcs_count && at < message->bulk_bytes; i++) {
        const size_t to_boundary = DFS_CHUNK_BYTES - offset % DFS_CHUNK_BYTES;
        const size_t part = to_boundary < message->bulk_bytes - at ? to_boundary : message->bulk_bytes - at;

        if (dfs_crc32c(0, message->bulk + at, part) != data->crcs[i].crc32c) {
            sim_run_violation(run, "copies", message->from, "sent block bytes at offset %u that do not verify", offset);
            return;
        }
        at += part;
        offset += (uint32_t)part;
    }
    if (at < message->bulk_bytes)
        sim_run_violation(run, "copies", message->from, "sent %zu block bytes without checksums",
                          message->bulk_bytes - at);
}

/* What a disk does not read is no copy to its server, though the bytes stand there: it is replaced, if need be on the same server. Others must not say so. */
static void on_bad(struct sim_run *run, const struct state *state, const struct sim_host *host,
                   const struct dfs_trace *trace)
{
    if (trace->status == DFS_IO && sim_checker_role(run, host) == DFS_ROLE_DATA &&
        sim_host_set_has(&state->failing, sim_run_host_number(run, host)))
        sim_copies_refused_set(run->copies, &trace->block, sim_run_host_number(run, host) - 2);
}

/*
 * The file of a block that has just gone is still whose it was: a live one wants its copies elsewhere, on disks of servers up or down. What metadata was never told of, and is not told
 * of now (`b`), was no copy: a name that could not be synced.
 */
static void on_deleted(struct sim_run *run, const struct state *state, struct sim_host *host,
                       const struct dfs_trace *trace)
{
    const struct sim_block *block = sim_copies_block(run->copies, &trace->block);
    const struct sim_version *version = sim_copies_version_of(run->copies, &trace->block.file);
    uint32_t others = 0;

    if (trace->b == 0 || block == NULL || version == NULL || state->touched.any || !sim_version_is_live(version) ||
        block->id.index >= version->blocks_count || version->blocks[block->id.index] != block ||
        sim_copies_is_refused(block, sim_run_host_number(run, host) - 2))
        return;
    for (uint32_t i = 0; i < block->holders_count; i++)
        others += run->cluster->data[block->holders[i].data].host != host &&
                  sim_copies_has(run, block->holders[i].data, block);
    if (others < (uint32_t)run->cluster->options.settings.replication)
        sim_run_violation(run, "copies", host, "removed its copy of block %u of \"%s\" while %u others stand on disks",
                          block->id.index, version->path, others);
}

static void on_trace(struct sim_run *run, void *arg, struct sim_host *host, const struct dfs_trace *trace)
{
    struct state *state = arg;
    const struct sim_disk *disk = sim_host_disk(host);
    char name[DFS_FILE_NAME_BYTES_MAX];

    if (trace->kind == DFS_TRACE_DELETED) {
        on_deleted(run, state, host, trace);
        return;
    }
    if (trace->kind == DFS_TRACE_BLOCK_BAD) {
        on_bad(run, state, host, trace);
        return;
    }
    if (disk == NULL || state->touched.any)
        return;
    dfs_block_name(&trace->block, name);
    const struct sim_file *file = sim_disk_find(disk, SIM_NOW, name);

    if (file == NULL) {
        sim_run_violation(run, "copies", host, "says that block %u is visible, but its disk has no such file",
                          trace->block.index);
        return;
    }
    if (!sim_copies_verifies(run, &trace->block, file))
        sim_run_violation(run, "copies", host, "made block %u visible with bytes that do not verify",
                          trace->block.index);
}

static void on_fault(struct sim_run *run, void *arg, size_t index, const struct sim_fault *fault, struct sim_host *host,
                     bool begins)
{
    struct state *state = arg;

    (void)index, (void)begins;
    sim_touched_note(run, &state->touched, fault, host);
    if (fault->kind == SIM_FAULT_DISK_ERROR && host != NULL)
        sim_host_set_add(&state->failing, sim_run_host_number(run, host));
}

static void end(struct sim_run *run, void *arg, bool settled)
{
    struct sim_copies_count count;

    (void)arg;
    if (!settled)
        return;
    sim_copies_look(run, NULL, &count);
    /* What is lost is judged by acked_data; what a server in maintenance has is waited for; what has rotted unread is not known yet. */
    if (count.missing > 0)
        sim_run_violation(
            run, "copies", NULL,
            "at rest, %llu of %llu blocks have fewer good copies than they should; the first is block %u of \"%s\" with %u",
            (unsigned long long)count.missing, (unsigned long long)count.blocks, count.first.index,
            count.first_of != NULL ? count.first_of->path : "?", count.first_copies);
}

static const struct sim_message_hook messages[] = {
    {.number = DFS_MSG_BLOCK_DATA, .when = SIM_SENT | SIM_BLIND, .seen = on_block_data},
};

const struct sim_checker sim_checker_copies = {
    .name = "copies",
    .state_bytes = sizeof(struct state),
    .hooks = {.traces = 1u << DFS_TRACE_PUBLISHED | 1u << DFS_TRACE_DELETED | 1u << DFS_TRACE_BLOCK_BAD,
              .trace = on_trace,
              .messages = messages,
              .messages_count = 1,
              .fault = on_fault,
              .end = end}};
