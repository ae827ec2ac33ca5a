/* The end of a PUT: receipts to metadata, page by page, as often as it takes; lost answers are asked for again. */
#include "core/client/put.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

/* Blocks that are lost between their receipt and the commit are placed again; how often, before something must be wrong. */
#define COMMIT_TRIES_MAX 8

/* The checksum of the whole file, from those of its blocks. */
static uint32_t digest_of(const struct client_put *put)
{
    uint32_t digest = 0;

    for (uint32_t i = 0; i < put->blocks; i++)
        digest = dfs_crc32c_combine(digest, put->notes[i].crc,
                                    dfs_client_put_offset(put, i + 1) - dfs_client_put_offset(put, i));
    return digest;
}

static void commit_send(struct client_ask *ask)
{
    struct client_put *put = dfs_container_of(ask, struct client_put, commit);
    const size_t left = put->receipts_count - put->committed;
    const uint32_t count = left < DFS_RECEIPT_PAGE_MAX ? (uint32_t)left : DFS_RECEIPT_PAGE_MAX;
    const struct dfs_m_put_commit m = {.file = put->file,
                                       .epoch = put->epoch,
                                       .last = count == left,
                                       .size_bytes = put->size_bytes,
                                       .blocks = put->blocks,
                                       .digest = put->digest,
                                       .receipts =
                                           count > 0 ? put->receipts + put->committed : NULL, /* an empty file */
                                       .receipts_count = count};

    dfs_client_ask_send(ask, DFS_MSG_PUT_COMMIT, &m);
}

void dfs_client_put_commit_start(struct client_put *put)
{
    dfs_client_ask_stop(&put->place); /* placements of blocks that the file does not have */
    dfs_client_ask_stop(&put->sign);
    put->digest = digest_of(put);
    put->committed = 0;
    put->commit.weight = CLIENT_ASK_PAGE_WEIGHT;
    dfs_client_ask_start(&put->commit);
}

static void drop_receipts(struct client_put *put, uint32_t index)
{
    size_t kept = 0;

    for (size_t i = 0; i < put->receipts_count; i++)
        if (put->receipts[i].block.index != index)
            put->receipts[kept++] = put->receipts[i];
    put->receipts_count = kept;
}

static bool is_again(const struct client_put *put, uint32_t index)
{
    for (uint32_t i = 0; i < put->again_count; i++)
        if (put->again[i] == index)
            return true;
    return false;
}

/* Metadata no longer believes in some copies: those blocks are placed again, the rest of the file is not sent twice. */
static void blocks_lost(struct client_put *put, const struct dfs_m_put_done *m)
{
    if (++put->commit_tries > COMMIT_TRIES_MAX) {
        dfs_client_put_fail(put, DFS_BLOCK_LOST,
                            "data servers lose blocks faster than they are stored; look at dfs nodes");
        return;
    }
    if (!put->rereadable) {
        dfs_client_put_fail(
            put, DFS_BLOCK_LOST,
            "a data server was lost during the upload and the source cannot be read again; put it once more");
        return;
    }
    dfs_client_command_trouble(&put->base, DFS_BLOCK_LOST, dfs_status_words(DFS_BLOCK_LOST));
    put->again = dfs_realloc_array(put->again, m->lost_count, sizeof *put->again);
    put->again_count = 0;
    for (uint32_t i = 0; i < m->lost_count; i++) {
        const uint32_t index = m->lost[i].value;

        if (index >= put->blocks) {
            dfs_client_put_fail(put, DFS_BAD_REQUEST, "metadata named lost blocks that the file does not have");
            return;
        }
        if (is_again(put, index))
            continue;
        drop_receipts(put, index);
        put->base.done_bytes -= dfs_client_put_offset(put, index + 1) - dfs_client_put_offset(put, index);
        put->again[put->again_count++] = index;
    }
    dfs_client_put_enter(put, CLIENT_PUT_WRITING, "put_done");
    dfs_client_command_ready(&put->base);
}

static void commit_later(struct client_put *put, dfs_duration_ns retry_after_ns)
{
    const dfs_duration_ns back_off_ns = dfs_client_back_off(put->base.client, put->commit_tries++);

    DFS_GATE_STAY(&put->base.client->env, &dfs_client_put_gate, put->phase, "put_done");
    put->committed = 0;
    dfs_client_ask_later(&put->commit, retry_after_ns > back_off_ns ? retry_after_ns : back_off_ns);
}

static void commit_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct client_put *put = dfs_container_of(ask, struct client_put, commit);
    const struct dfs_m_put_done *m = in->body;
    const size_t left = put->receipts_count - put->committed;
    struct client_status answer;

    dfs_client_put_signed(put);
    if (dfs_client_is_status(in, &answer)) {
        if (answer.status == DFS_OK && left > DFS_RECEIPT_PAGE_MAX) {
            DFS_GATE_STAY(&put->base.client->env, &dfs_client_put_gate, put->phase, "status");
            dfs_client_command_progress(&put->base);
            put->committed += DFS_RECEIPT_PAGE_MAX;
            dfs_client_ask_start(ask);
            return;
        }
        dfs_client_put_fail(put, answer.status == DFS_OK ? DFS_BAD_REQUEST : answer.status, answer.words);
        return;
    }
    if (in->number != DFS_MSG_PUT_DONE || !dfs_id_equal(&m->file, &put->file)) {
        dfs_client_put_fail(put, DFS_BAD_REQUEST,
                            "metadata answered PUT_COMMIT with something else; do the versions match?");
        return;
    }
    if (m->status == DFS_OK)
        dfs_client_put_end(put, m);
    else if (m->status == DFS_BLOCK_LOST && m->lost_count > 0)
        blocks_lost(put, m);
    else if (m->status == DFS_UNAVAILABLE)
        commit_later(put, 0);
    else
        dfs_client_put_fail(put, (enum dfs_status)m->status, dfs_status_words((enum dfs_status)m->status));
}

void dfs_client_put_commit_init(struct client_put *put)
{
    dfs_client_ask_init(&put->commit, &put->base, commit_send, commit_answered);
}
