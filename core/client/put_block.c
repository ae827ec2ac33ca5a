/* One block of a PUT on its way: from the source, in frames, to the first server of its placement, until the receipts are good. */
#include "core/client/put.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

static const char *const phase_names[] = {
#define X(name) #name,
    CLIENT_PUT_BLOCK_PHASES(X)
#undef X
};

#define TO(phase) (1u << CLIENT_PUT_BLOCK_##phase)
static const uint32_t phase_edges[CLIENT_PUT_BLOCK_PHASE_COUNT] = {
    [CLIENT_PUT_BLOCK_FILLING] = TO(PLACING) | TO(SENDING) | TO(DONE) | TO(FAILED),
    [CLIENT_PUT_BLOCK_PLACING] = TO(SENDING) | TO(PAUSING) | TO(FAILED),
    [CLIENT_PUT_BLOCK_SENDING] = TO(AWAITING) | TO(SENDING) | TO(PLACING) | TO(PAUSING) | TO(FAILED),
    [CLIENT_PUT_BLOCK_AWAITING] = TO(DONE) | TO(SENDING) | TO(PLACING) | TO(PAUSING) | TO(FAILED),
    [CLIENT_PUT_BLOCK_PAUSING] = TO(SENDING) | TO(PLACING) | TO(FAILED),
}; /* DONE and FAILED lead nowhere */
static const struct dfs_path paths[] = {
    {CLIENT_PUT_BLOCK_FILLING, "source", TO(PLACING) | TO(SENDING) | TO(DONE)},
    {CLIENT_PUT_BLOCK_FILLING, "aborted", TO(FAILED)},
    {CLIENT_PUT_BLOCK_PLACING, "put_placed", TO(SENDING)},
    {CLIENT_PUT_BLOCK_PLACING, "status", TO(PAUSING)},
    {CLIENT_PUT_BLOCK_PLACING, "aborted", TO(FAILED)},
    {CLIENT_PUT_BLOCK_SENDING, "sent", TO(AWAITING)},
    {CLIENT_PUT_BLOCK_SENDING, "block_written status closed", TO(SENDING) | TO(PLACING) | TO(PAUSING)},
    {CLIENT_PUT_BLOCK_SENDING, "timeout", TO(PLACING) | TO(PAUSING)},
    {CLIENT_PUT_BLOCK_SENDING, "aborted", TO(FAILED)},
    {CLIENT_PUT_BLOCK_AWAITING, "block_written", TO(DONE) | TO(SENDING) | TO(PLACING) | TO(PAUSING)},
    {CLIENT_PUT_BLOCK_AWAITING, "status closed", TO(SENDING) | TO(PLACING) | TO(PAUSING)},
    {CLIENT_PUT_BLOCK_AWAITING, "timeout", TO(PLACING) | TO(PAUSING)},
    {CLIENT_PUT_BLOCK_AWAITING, "aborted", TO(FAILED)},
    {CLIENT_PUT_BLOCK_PAUSING, "command", TO(SENDING) | TO(PLACING)},
    {CLIENT_PUT_BLOCK_PAUSING, "put_done", TO(PLACING)},
    {CLIENT_PUT_BLOCK_PAUSING, "timeout", TO(SENDING) | TO(PLACING)},
    {CLIENT_PUT_BLOCK_PAUSING, "aborted", TO(FAILED)},
};
#undef TO

const struct dfs_gate dfs_client_put_block_gate = {
    "put_block", phase_names, phase_edges, CLIENT_PUT_BLOCK_PHASE_COUNT, "a block of a PUT", DFS_GATE_PATHS(paths)};

static struct dfs_client *client_of(const struct client_put_block *block)
{
    return block->put->base.client;
}

static void enter(struct client_put_block *block, enum client_put_block_phase next, const char *why)
{
    DFS_GATE(&client_of(block)->env, &dfs_client_put_block_gate, block->phase, next, why);
}

/* Frames --------------------------------------------------------------------------------------------------------------------- */

static struct dfs_buf **frame_slot(struct client_put_block *block, uint32_t number)
{
    return &block->frames[number % block->frames_room];
}

static void drop_frames(struct client_put_block *block)
{
    for (uint32_t i = 0; i < block->frames_room; i++) {
        dfs_buf_unref(block->frames[i]);
        block->frames[i] = NULL;
    }
}

size_t dfs_client_put_block_cost(const struct client_put *put, uint32_t length)
{
    const struct dfs_client *client = put->base.client;
    const uint64_t window = (uint64_t)client->config.bounds.put_window * client->frame_bytes;

    return dfs_client_cost(client, put->rereadable && length > window ? (uint32_t)window : length);
}

static void block_free(struct client_put_block *block)
{
    struct dfs_client *client = client_of(block);

    drop_frames(block);
    if (block->frames != block->window)
        dfs_free(block->frames);
    dfs_client_local_leave(&block->pulls);
    dfs_client_ask_stop(&block->place);
    dfs_client_timer_stop(client, &block->timer);
    if (block->stream != NULL)
        dfs_client_stream_abandon(block->stream, block->sent_bytes < block->length);
    if (block->put->filling == block)
        block->put->filling = NULL;
    dfs_list_remove(&block->starving);
    dfs_list_remove(&block->link);
    dfs_client_unreserve(client, block->reserved);
    if (block->waits)
        block->put->waiting--;
    else
        client->blocks_running--;
    dfs_stock_give(&client->put_blocks, block);
}

void dfs_client_put_block_drop(struct client_put_block *block)
{
    enter(block, CLIENT_PUT_BLOCK_FAILED, "aborted");
    block_free(block);
}

/* Failure ---------------------------------------------------------------------------------------------------------------------- */

static void send_again(struct client_put_block *block, const char *why);
static void place_again(struct client_put_block *block, const char *why);

/* Makes room for one more: the oldest goes, rather one that may be tried again than one that is full. */
static void excluded_forget(struct client_put_block *block)
{
    uint32_t oldest = 0;

    while (oldest < block->excluded_count && block->excluded[oldest].status == DFS_NO_SPACE)
        oldest++;
    if (oldest == block->excluded_count)
        oldest = 0;
    block->excluded_count--;
    memmove(&block->excluded[oldest], &block->excluded[oldest + 1],
            (block->excluded_count - oldest) * sizeof block->excluded[0]);
}

static void exclude(struct client_put_block *block, const struct dfs_id *node, enum dfs_status status)
{
    for (uint32_t i = 0; i < block->excluded_count; i++) {
        if (!dfs_id_equal(&block->excluded[i].node, node))
            continue;
        if (status == DFS_NO_SPACE) /* for metadata that counts for more than any other reason */
            block->excluded[i].status = (uint8_t)status;
        return;
    }
    if (block->excluded_count == client_of(block)->config.bounds.excluded)
        excluded_forget(block);
    block->excluded[block->excluded_count++] = (struct dfs_w_failure){.node = *node, .status = (uint8_t)status};
}

static void on_timer(struct dfs_client *client, struct client_timer *timer);

/* While there are too few servers, others have its place among the blocks under way (its memory may hold bytes of a pipe); its own PUT begins nothing new. */
static void place_give(struct client_put_block *block)
{
    if (block->waits)
        return;
    block->waits = true;
    block->put->waiting++;
    client_of(block)->blocks_running--;
}

/* Even if all places are taken: those who waited are few. */
static void place_take(struct client_put_block *block)
{
    if (!block->waits)
        return;
    block->waits = false;
    block->put->waiting--;
    client_of(block)->blocks_running++;
    dfs_client_command_ready(&block->put->base);
}

/* Waits, then is placed or sent again. */
static void pause_block(struct client_put_block *block, bool replace, dfs_duration_ns wait_ns, const char *why)
{
    block->pause_replace = replace;
    enter(block, CLIENT_PUT_BLOCK_PAUSING, why);
    dfs_client_timer_set(client_of(block), &block->timer, dfs_time_add(client_of(block)->now, wait_ns));
}

/* Off its stream; what was read of the source for it is read again, unless it is kept. */
static void take_back(struct client_put_block *block)
{
    if (block->stream != NULL)
        dfs_client_stream_abandon(block->stream, block->sent_bytes < block->length);
    block->stream = NULL;
    dfs_client_timer_stop(client_of(block), &block->timer);
    dfs_list_remove(&block->starving);
    block->put->base.done_bytes -= block->left_bytes;
    block->left_bytes = 0;
    block->left_frames = 0;
    block->sent_bytes = 0;
    block->sent_frames = 0;
    block->crc = 0;
    if (!block->kept) {
        dfs_client_local_leave(&block->pulls);
        drop_frames(block);
        block->pulled_bytes = 0;
        block->pulled_frames = 0;
    }
}

/*
 * A try failed. What is about the server leads to another one; what is about the moment, to the same one later. May end the command.
 * `failures` are the servers that the primary names; without any it is the primary itself.
 */
static void block_failed(struct client_put_block *block, enum dfs_status status, dfs_duration_ns retry_after_ns,
                         const char *words, const struct dfs_w_failure *failures, uint32_t failures_count,
                         const char *why)
{
    struct client_put *put = block->put;
    struct dfs_client *client = put->base.client;
    char said[CLIENT_WORDS_BYTES];
    char host[CLIENT_ADDR_TEXT_BYTES];
    const bool token_is_old = block->serial != client->identity.serial;

    dfs_client_say(said, "block %u was not stored by data server %s: %.200s", (unsigned)block->index,
                   dfs_client_addr_text(&block->granted.replicas[0].addr, host), words);
    take_back(block);
    if (status == DFS_TOKEN_EXPIRED && !token_is_old && !client->identity.refresh_running) {
        dfs_client_put_fail(put, status, said);
        return;
    }
    if (++block->tries > CLIENT_BLOCK_TRIES_MAX) {
        dfs_client_put_fail(put, status, said);
        return;
    }
    dfs_client_command_trouble(&put->base, status, said);

    const dfs_duration_ns back_off_ns = dfs_client_back_off(client, block->tries);
    const dfs_duration_ns wait_ns = retry_after_ns > back_off_ns ? retry_after_ns : back_off_ns;

    /* The same server once more, with a higher attempt: its connection broke, or spoilt a frame, or it asked for patience. */
    if (block->resends == 0 && (((status == DFS_UNREACHABLE || status == DFS_ABORTED) && failures_count == 0) ||
                                status == DFS_BLOCK_CORRUPT)) {
        block->resends++;
        send_again(block, why);
        return;
    }
    if ((block->resends == 0 && status == DFS_UNAVAILABLE) || status == DFS_TOKEN_EXPIRED) {
        block->resends++;
        pause_block(block, false, wait_ns, why);
        return;
    }
    /* Nobody is at fault for a key that ran out, a new life of a server or other bytes under the same name. */
    if (status != DFS_GRANT_EXPIRED && status != DFS_STALE_INCARNATION && status != DFS_EXISTS) {
        for (uint32_t i = 0; i < failures_count; i++)
            exclude(block, &failures[i].node, (enum dfs_status)failures[i].status);
        if (failures_count == 0)
            exclude(block, &block->granted.replicas[0].node, status);
    }
    block->generation = block->granted.grant.block.generation + 1;
    /* NO_SPACE rules a server out, and metadata hears of it: a few are enough, unless many have filled up at the same time. */
    if ((status == DFS_NO_SPACE && block->tries <= CLIENT_FULL_TRIES_MAX) ||
        (block->tries <= 2 && status != DFS_STALE_INCARNATION))
        place_again(block, why);
    else
        pause_block(block, true, wait_ns, why);
}

/* From the source --------------------------------------------------------------------------------------------------------------- */

static void send_ready(struct client_put_block *block);
static void send_first(struct client_put_block *block, const char *why);

/* A buffer for the next frame; NULL: the pool is empty, the block waits for one. */
static struct dfs_buf *frame_buffer(struct client_put_block *block, uint32_t bytes)
{
    struct dfs_client *client = client_of(block);
    struct dfs_buf *buf = dfs_buf_new(&client->pool, bytes);

    if (buf != NULL) {
        buf->count = bytes; /* what is asked for; the answer says what came */
        return buf;
    }
    if (!dfs_list_linked(&block->starving))
        dfs_list_push(&client->starving, &block->starving);
    dfs_buf_pool_wait(&client->pool, &client->pool_waiter);
    return NULL;
}

static void pull_frame(struct client_put_block *block, uint32_t bytes)
{
    struct dfs_buf *buf = frame_buffer(block, bytes);

    if (buf == NULL)
        return;
    dfs_client_pull(client_of(block), &block->pulls, block->put->source, block->offset + block->pulled_bytes, buf,
                    bytes, block->pulled_frames);
    dfs_buf_unref(buf);
    block->pulled_bytes += bytes;
    block->pulled_frames++;
}

/* Asks the source for what the window lets in. */
static void pull_more(struct client_put_block *block)
{
    const struct dfs_client *client = client_of(block);

    if (block->phase == CLIENT_PUT_BLOCK_FILLING) {
        /* A source that cannot seek is asked for one piece at a time. */
        if (dfs_list_empty(&block->pulls.locals) && block->pulled_bytes < block->length)
            pull_frame(block, dfs_client_frame_length(client, block->pulled_bytes, block->length));
        return;
    }
    while (block->phase == CLIENT_PUT_BLOCK_SENDING && !block->kept && block->pulled_bytes < block->length &&
           block->pulled_frames - block->left_frames < client->config.bounds.put_window &&
           !dfs_list_linked(&block->starving))
        pull_frame(block, dfs_client_frame_length(client, block->pulled_bytes, block->length));
}

void dfs_client_put_feed(struct dfs_client *client)
{
    struct dfs_list hungry;
    struct dfs_list *at;

    /* Those of now, once each: who gets nothing waits in the list again. */
    dfs_list_init(&hungry);
    while ((at = dfs_list_pop(&client->starving)) != NULL)
        dfs_list_push(&hungry, at);
    while ((at = dfs_list_pop(&hungry)) != NULL)
        pull_more(dfs_container_of(at, struct client_put_block, starving));
}

/* The block is read whole. */
static void filled(struct client_put_block *block)
{
    struct client_put *put = block->put;

    put->filling = NULL;
    block->kept = true;
    if (dfs_client_put_take_grant(put, block->index, &block->granted)) {
        block->has_grant = true;
        send_first(block, "source");
    } else {
        enter(block, CLIENT_PUT_BLOCK_PLACING, "source"); /* the page with its first placement is on its way */
    }
    dfs_client_command_ready(&put->base);
}

/* A source of unknown length has ended in this block. */
static void source_ended(struct client_put_block *block)
{
    struct client_put *put = block->put;

    put->size_bytes = block->offset + block->filled_bytes;
    put->base.total_bytes = put->size_bytes;
    put->filling = NULL;
    if (block->filled_bytes == 0) { /* it ended with the block before */
        put->blocks = block->index;
        enter(block, CLIENT_PUT_BLOCK_DONE, "source");
        block_free(block);
        dfs_client_put_moved_on(put, "source");
        return;
    }
    put->blocks = block->index + 1;
    block->length = block->filled_bytes;
    filled(block);
}

static void on_pulled(struct client_local *local, const struct dfs_event *event)
{
    struct client_put_block *block = local->owner;
    struct client_put *put = block->put;
    const uint64_t wanted = local->buf->count;
    const uint64_t count = event->local.count;
    char words[CLIENT_WORDS_BYTES];

    if (event->local.status != DFS_OK) {
        dfs_client_say(words, "the source cannot be read: %s", dfs_status_words(event->local.status));
        dfs_client_put_fail(put, event->local.status, words);
        return;
    }
    if (count > wanted || (count < wanted && !(put->cut_by_size && block->phase == CLIENT_PUT_BLOCK_FILLING))) {
        dfs_client_say(words, "the source ended before its %llu bytes: it was changed while it was read",
                       (unsigned long long)put->size_bytes);
        dfs_client_put_fail(put, DFS_IO, words);
        return;
    }
    dfs_list_remove(&local->link); /* answered: it is not waited for any more */
    dfs_client_command_progress(&put->base);
    local->buf->count = count;
    if (count > 0)
        *frame_slot(block, local->tag) = dfs_buf_ref(local->buf);
    if (block->phase == CLIENT_PUT_BLOCK_SENDING) {
        send_ready(block);
        return;
    }
    DFS_ASSERT(block->phase == CLIENT_PUT_BLOCK_FILLING);
    block->filled_bytes += (uint32_t)count;
    if (count < wanted)
        source_ended(block);
    else if (block->filled_bytes == block->length)
        filled(block);
    else
        pull_more(block);
}

/* To the server ------------------------------------------------------------------------------------------------------------------- */

static void on_message(struct client_stream *stream, const struct dfs_incoming *in);
static void on_sent(struct client_stream *stream);
static void on_lost(struct client_stream *stream, enum dfs_status status, const char *words);

static const struct client_stream_ops stream_ops = {.message = on_message, .sent = on_sent, .lost = on_lost};

static void set_silence(struct client_put_block *block)
{
    struct dfs_client *client = client_of(block);

    dfs_client_timer_set(
        client, &block->timer,
        dfs_time_add(dfs_time_max(block->stream->heard_at, client->now), client->config.request_timeout_ns));
}

static void send_frame(struct client_put_block *block, struct dfs_buf *buf)
{
    struct dfs_w_crc crcs[DFS_CHUNKS_PER_FRAME_MAX + 1];
    uint32_t sums[DFS_CHUNKS_PER_FRAME_MAX + 1];
    const size_t count = dfs_crc32c_chunks(buf->bytes, buf->count, sums, DFS_CHUNKS_PER_FRAME_MAX + 1);
    const struct dfs_m_block_data m = {.offset = block->sent_bytes, .crcs = crcs, .crcs_count = (uint32_t)count};
    size_t left = buf->count;

    for (size_t i = 0; i < count; i++) {
        const size_t bytes = left < DFS_CHUNK_BYTES ? left : DFS_CHUNK_BYTES;

        crcs[i].crc32c = sums[i];
        block->crc = dfs_crc32c_combine(block->crc, sums[i], bytes);
        left -= bytes;
    }
    dfs_client_stream_send(block->stream, DFS_MSG_BLOCK_DATA, &m, buf, 0, buf->count);
    block->sent_bytes += (uint32_t)buf->count;
    block->sent_frames++;
}

/* Sends the frames that are here, in order. */
static void send_ready(struct client_put_block *block)
{
    while (block->sent_bytes < block->length &&
           block->sent_frames - block->left_frames < client_of(block)->config.bounds.put_window) {
        struct dfs_buf **slot = frame_slot(block, block->sent_frames);

        if (*slot == NULL)
            return;
        send_frame(block, *slot);
        if (!block->kept) {
            dfs_buf_unref(*slot);
            *slot = NULL;
        }
    }
    if (block->sent_bytes == block->length && block->phase == CLIENT_PUT_BLOCK_SENDING)
        enter(block, CLIENT_PUT_BLOCK_AWAITING, "sent");
}

/* Begins to send the block to the first server of its placement. */
static void send_again(struct client_put_block *block, const char *why)
{
    const struct dfs_w_replica *primary = &block->granted.replicas[0];
    const struct dfs_m_block_write m = {.grant = block->granted.grant,
                                        .attempt = block->attempt++,
                                        .hop = 0,
                                        .length_bytes = block->length,
                                        .durability = (uint8_t)block->put->durability};

    DFS_ASSERT(block->has_grant && block->stream == NULL && block->sent_bytes == 0);
    enter(block, CLIENT_PUT_BLOCK_SENDING, why);
    block->serial = client_of(block)->identity.serial;
    block->stream = dfs_client_stream_open(client_of(block), &primary->node, &primary->addr, block, &stream_ops);
    dfs_client_stream_send(block->stream, DFS_MSG_BLOCK_WRITE, &m, NULL, 0, 0);
    set_silence(block);
    pull_more(block);
    send_ready(block);
}

/* The first grant may be as old as the PUT. What it says of servers that fail meanwhile would cost every block a time-out: those are left out
 * from the start. Only once: if there are no others, they are tried. */
static void send_first(struct client_put_block *block, const char *why)
{
    const struct dfs_w_grant *grant = &block->granted.grant;

    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        const struct dfs_id *node = &block->granted.replicas[i].node;

        if (dfs_client_node_view(client_of(block), node).avoided)
            exclude(block, node, DFS_UNREACHABLE);
    }
    if (block->excluded_count == 0) {
        send_again(block, why);
        return;
    }
    block->generation = grant->block.generation + 1;
    place_again(block, why);
}

static void on_sent(struct client_stream *stream)
{
    struct client_put_block *block = stream->owner;
    const uint32_t bytes = dfs_client_frame_length(client_of(block), block->left_bytes, block->length);

    block->left_frames++;
    block->left_bytes += bytes;
    block->put->base.done_bytes += bytes;
    dfs_client_command_progress(&block->put->base);
    if (block->phase != CLIENT_PUT_BLOCK_SENDING)
        return;
    send_ready(block);
    pull_more(block);
}

/* A good receipt is about these very bytes, at a server of the placement in its present life, as durable as was asked. */
static bool receipt_is_good(const struct client_put_block *block, const struct dfs_w_receipt *receipt)
{
    const struct dfs_w_grant *grant = &block->granted.grant;

    if (!dfs_id_equal(&receipt->block.file, &grant->block.file) || receipt->block.index != grant->block.index ||
        receipt->block.generation != grant->block.generation || receipt->length_bytes != block->length ||
        receipt->crc32c != block->crc || (block->put->durability == DFS_DURABILITY_SYNC && receipt->durable == 0))
        return false;
    for (uint32_t i = 0; i < grant->replicas_count; i++)
        if (dfs_id_equal(&grant->replicas[i].node, &receipt->node))
            return grant->replicas[i].incarnation == receipt->incarnation;
    return false;
}

/* How many of the receipts are good, and of different servers; those stand in front afterwards. */
static uint32_t sort_receipts(const struct client_put_block *block, const struct dfs_m_block_written *m,
                              struct dfs_w_receipt good[DFS_REPLICAS_MAX])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < m->receipts_count; i++) {
        bool seen = false;

        for (uint32_t k = 0; k < count; k++)
            seen = seen || dfs_id_equal(&good[k].node, &m->receipts[i].node);
        if (!seen && receipt_is_good(block, &m->receipts[i]))
            good[count++] = m->receipts[i];
    }
    return count;
}

static void keep_receipts(struct client_put_block *block, const struct dfs_w_receipt *good, uint32_t count)
{
    struct client_put *put = block->put;

    if (put->receipts_room - put->receipts_count < count) {
        put->receipts_room = put->receipts_room == 0 ? 16 : put->receipts_room * 2;
        put->receipts = dfs_realloc_array(put->receipts, put->receipts_room, sizeof *put->receipts);
    }
    memcpy(put->receipts + put->receipts_count, good, count * sizeof *good);
    put->receipts_count += count;
    put->notes[block->index] =
        (struct client_put_note){.crc = block->crc, .generation = block->granted.grant.block.generation};
}

/* Servers that the one before them in the chain could not reach. */
static void accuse(const struct client_put_block *block, const struct dfs_m_block_written *m)
{
    const struct client_grant *granted = &block->granted;

    for (uint32_t i = 0; i < m->failures_count; i++) {
        const enum dfs_status status = (enum dfs_status)m->failures[i].status;

        if (status != DFS_TIMEOUT && status != DFS_UNREACHABLE)
            continue;
        for (uint32_t k = 1; k < granted->grant.replicas_count; k++) {
            if (dfs_id_equal(&granted->replicas[k].node, &m->failures[i].node))
                dfs_client_node_accuse(client_of(block), &granted->replicas[k]);
        }
    }
}

static void on_written(struct client_put_block *block, const struct dfs_m_block_written *m)
{
    struct client_put *put = block->put;
    struct dfs_w_receipt good[DFS_REPLICAS_MAX];
    const uint32_t count = sort_receipts(block, m, good);

    accuse(block, m);
    if (block->phase == CLIENT_PUT_BLOCK_AWAITING && count >= put->receipts_needed) {
        dfs_client_command_progress(&put->base);
        keep_receipts(block, good, count);
        put->base.done_bytes += block->length - block->left_bytes;
        dfs_client_stream_close(block->stream);
        block->stream = NULL;
        enter(block, CLIENT_PUT_BLOCK_DONE, "block_written");
        block_free(block);
        dfs_client_put_moved_on(put, "block_written");
        return;
    }
    const enum dfs_status status = m->status != DFS_OK     ? (enum dfs_status)m->status
                                   : m->failures_count > 0 ? (enum dfs_status)m->failures[0].status
                                                           : DFS_RECEIPT_INVALID;
    char words[CLIENT_WORDS_BYTES];

    dfs_client_stream_close(block->stream); /* the server has ended it */
    block->stream = NULL;
    dfs_client_say(words, "%u of %u copies stored: %s", (unsigned)count, (unsigned)put->receipts_needed,
                   dfs_status_words(status));
    block_failed(block, status == DFS_OK ? DFS_RECEIPT_INVALID : status, 0, words, m->failures, m->failures_count,
                 "block_written");
}

static void on_message(struct client_stream *stream, const struct dfs_incoming *in)
{
    struct client_put_block *block = stream->owner;
    struct client_status answer;

    dfs_buf_unref(in->bulk);
    if (dfs_client_is_status(in, &answer) && answer.status != DFS_OK) {
        dfs_client_stream_close(stream); /* the server has ended it */
        block->stream = NULL;
        block_failed(block, answer.status, answer.retry_after_ns, answer.words, NULL, 0, "status");
        return;
    }
    const struct dfs_m_block_written *m = in->body;

    if (in->number != DFS_MSG_BLOCK_WRITTEN || !dfs_id_equal(&m->block.file, &block->put->file) ||
        m->block.index != block->index || m->block.generation != block->granted.grant.block.generation) {
        dfs_client_node_fail(stream->node, DFS_BAD_REQUEST, "it answered BLOCK_WRITE with something else");
        return;
    }
    on_written(block, m);
}

static void on_lost(struct client_stream *stream, enum dfs_status status, const char *words)
{
    struct client_put_block *block = stream->owner;

    dfs_client_stream_close(stream);
    block->stream = NULL;
    block_failed(block, status, 0, words, NULL, 0, status == DFS_TIMEOUT ? "timeout" : "closed");
}

/* Placing ------------------------------------------------------------------------------------------------------------------------- */

static void place_send(struct client_ask *ask)
{
    struct client_put_block *block = dfs_container_of(ask, struct client_put_block, place);
    const struct dfs_m_put_place m = {.file = block->put->file,
                                      .epoch = block->put->epoch,
                                      .first = block->index,
                                      .count = 1,
                                      .generation = block->generation,
                                      .excluded = block->excluded,
                                      .excluded_count = block->excluded_count};

    dfs_client_ask_send(ask, DFS_MSG_PUT_PLACE, &m);
}

static void place_again(struct client_put_block *block, const char *why)
{
    enter(block, CLIENT_PUT_BLOCK_PLACING, why);
    dfs_client_ask_start(&block->place);
}

/* Too few servers are left beside those that failed: they are forgiven, after a while. */
static void too_few_nodes(struct client_put_block *block, const struct client_status *answer)
{
    struct client_put *put = block->put;

    if (++block->tries > CLIENT_BLOCK_TRIES_MAX) {
        dfs_client_put_fail(put, answer->status, answer->words);
        return;
    }
    dfs_client_command_trouble(&put->base, answer->status, answer->words);
    block->excluded_count = 0;
    place_give(block);
    pause_block(block, true, dfs_client_back_off(client_of(block), block->tries), "status");
}

static void place_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct client_put_block *block = dfs_container_of(ask, struct client_put_block, place);
    const struct dfs_m_put_placed *m = in->body;
    struct client_put *put = block->put;
    struct client_status answer;

    if (dfs_client_is_status(in, &answer) && dfs_client_put_lacks_nodes(answer.status)) {
        too_few_nodes(block, &answer);
        return;
    }
    if (in->number == DFS_MSG_STATUS && answer.status != DFS_OK) {
        dfs_client_put_fail(put, answer.status, answer.words);
        return;
    }
    if (in->number != DFS_MSG_PUT_PLACED || m->first != block->index || m->grants_count != 1 ||
        !dfs_client_put_grant_is_good(put, &m->grants[0], block->index)) {
        dfs_client_put_fail(put, DFS_BAD_REQUEST,
                            "metadata answered PUT_PLACE with something else; do the versions match?");
        return;
    }
    dfs_client_put_signed(put);
    dfs_client_grant_copy(&m->grants[0], &block->granted);
    block->has_grant = true;
    block->resends = 0;
    place_take(block);
    send_again(block, "put_placed");
}

void dfs_client_put_block_page_came(struct client_put_block *block)
{
    if (block->phase != CLIENT_PUT_BLOCK_PLACING || block->has_grant || dfs_client_ask_is_running(&block->place))
        return;
    if (!dfs_client_put_take_grant(block->put, block->index, &block->granted))
        return;
    block->has_grant = true;
    send_again(block, "put_placed");
}

/* Time ------------------------------------------------------------------------------------------------------------------------------ */

static void on_silence(struct client_put_block *block)
{
    struct dfs_client *client = client_of(block);
    struct client_stream *stream = block->stream;
    const dfs_time_ns silent_at = dfs_time_add(stream->heard_at, client->config.request_timeout_ns);

    /* While all that was read has left, it is the source's turn. */
    if (block->phase == CLIENT_PUT_BLOCK_SENDING && block->sent_frames == block->left_frames) {
        dfs_client_timer_set(client, &block->timer, dfs_time_add(client->now, client->config.request_timeout_ns));
        return;
    }
    if (client->now < silent_at) {
        dfs_client_timer_set(client, &block->timer, silent_at);
        return;
    }
    if (client->now >= dfs_time_add(stream->node->heard_at, client->config.request_timeout_ns)) {
        dfs_client_node_fail(stream->node, DFS_TIMEOUT, dfs_status_words(DFS_TIMEOUT)); /* on_lost goes on */
        return;
    }
    /* It speaks to others, so it lives; but this block is stuck. */
    block_failed(block, DFS_TIMEOUT, 0, dfs_status_words(DFS_TIMEOUT), NULL, 0, "timeout");
}

static void on_timer(struct dfs_client *client, struct client_timer *timer)
{
    struct client_put_block *block = dfs_container_of(timer, struct client_put_block, timer);

    (void)client;
    switch (block->phase) {
    case CLIENT_PUT_BLOCK_SENDING:
    case CLIENT_PUT_BLOCK_AWAITING:
        on_silence(block);
        return;
    case CLIENT_PUT_BLOCK_PAUSING:
        if (block->pause_replace)
            place_again(block, "timeout");
        else
            send_again(block, "timeout");
        return;
    case CLIENT_PUT_BLOCK_FILLING:
    case CLIENT_PUT_BLOCK_PLACING:
    case CLIENT_PUT_BLOCK_DONE:
    case CLIENT_PUT_BLOCK_FAILED:
    case CLIENT_PUT_BLOCK_PHASE_COUNT:
        break;
    }
    dfs_unreachable("put_block on_timer");
}

/* Begin ------------------------------------------------------------------------------------------------------------------------------ */

static void note_room(struct client_put *put, uint32_t index)
{
    size_t room = put->notes_room == 0 ? 4 : put->notes_room;

    while (room <= index)
        room *= 2;
    if (room == put->notes_room)
        return;
    put->notes = dfs_realloc_array(put->notes, room, sizeof *put->notes);
    memset(put->notes + put->notes_room, 0, (room - put->notes_room) * sizeof *put->notes);
    put->notes_room = room;
}

void dfs_client_put_block_start(struct client_put *put, uint32_t index, uint32_t generation, size_t reserved)
{
    struct dfs_client *client = put->base.client;
    struct client_put_block *block = dfs_stock_take_zero(&client->put_blocks);
    const uint64_t offset = dfs_client_put_offset(put, index);

    note_room(put, index);
    block->put = put;
    block->index = index;
    block->generation = generation;
    block->attempt = 1;
    block->offset = offset;
    block->length = (uint32_t)(dfs_client_put_offset(put, index + 1) - offset);
    block->reserved = reserved;
    dfs_list_init(&block->starving);
    dfs_client_ask_init(&block->place, &put->base, place_send, place_answered);
    dfs_client_timer_init(&block->timer, on_timer);
    dfs_client_local_init(&block->pulls, block, on_pulled);
    dfs_list_push(&put->running, &block->link);
    client->blocks_running++;
    if (put->rereadable) {
        block->frames = block->window;
        block->frames_room = client->config.bounds.put_window;
        block->phase = CLIENT_PUT_BLOCK_PAUSING; /* on to the network */
        if (generation > 1) {
            place_again(block, "put_done");
        } else {
            block->has_grant = dfs_client_put_take_grant(put, index, &block->granted);
            DFS_ASSERT(block->has_grant);
            send_first(block, "command");
        }
        return;
    }
    DFS_ASSERT(generation == 1 && put->filling == NULL);
    block->frames_room = (block->length + client->frame_bytes - 1) / client->frame_bytes;
    block->frames = dfs_alloc_zero_array(block->frames_room, sizeof(struct dfs_buf *));
    block->phase = CLIENT_PUT_BLOCK_FILLING;
    put->filling = block;
    pull_more(block);
}
