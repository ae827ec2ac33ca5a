/* One block of a GET on its way: from the server that seems best, with a rival where it is silent, verified as it comes. */
#include "core/client/get.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mem.h"
#include "core/env/trace.h"

#include <string.h>

static const char *const phase_names[] = {
#define X(name) #name,
    CLIENT_GET_BLOCK_PHASES(X)
#undef X
};

#define TO(phase) (1u << CLIENT_GET_BLOCK_##phase)
static const uint32_t phase_edges[CLIENT_GET_BLOCK_PHASE_COUNT] = {
    [CLIENT_GET_BLOCK_READING] = TO(PLANNING) | TO(HELD) | TO(DONE) | TO(FAILED),
    [CLIENT_GET_BLOCK_PLANNING] = TO(READING) | TO(FAILED),
    [CLIENT_GET_BLOCK_HELD] = TO(DONE) | TO(FAILED),
}; /* DONE and FAILED lead nowhere */
static const struct dfs_path paths[] = {
    {CLIENT_GET_BLOCK_READING, "block_data", TO(DONE) | TO(HELD) | TO(PLANNING)},
    {CLIENT_GET_BLOCK_READING, "block_end status closed timeout command get_plan", TO(PLANNING)},
    {CLIENT_GET_BLOCK_READING, "aborted", TO(FAILED)},
    {CLIENT_GET_BLOCK_PLANNING, "get_plan", TO(READING)},
    {CLIENT_GET_BLOCK_PLANNING, "aborted", TO(FAILED)},
    {CLIENT_GET_BLOCK_HELD, "turn", TO(DONE)},
    {CLIENT_GET_BLOCK_HELD, "aborted", TO(FAILED)},
};
#undef TO

const struct dfs_gate dfs_client_get_block_gate = {
    "get_block", phase_names, phase_edges, CLIENT_GET_BLOCK_PHASE_COUNT, "a block of a GET", DFS_GATE_PATHS(paths)};

static struct dfs_client *client_of(const struct client_get_block *block)
{
    return block->get->base.client;
}

static void enter(struct client_get_block *block, enum client_get_block_phase next, const char *why)
{
    DFS_GATE(&client_of(block)->env, &dfs_client_get_block_gate, block->phase, next, why);
}

static uint32_t chunk_down(uint32_t offset)
{
    return offset - offset % DFS_CHUNK_BYTES;
}

/* What a range takes of a block, in whole chunks: those can be verified. */
static void wanted_part(const struct client_get *get, uint64_t offset, uint32_t length, uint32_t *ret_from,
                        uint32_t *ret_to)
{
    *ret_from = get->first > offset ? (uint32_t)(get->first - offset) : 0;
    *ret_to = get->end - offset < length ? (uint32_t)(get->end - offset) : length;
}

size_t dfs_client_get_block_cost(const struct client_get *get, uint64_t offset, uint32_t length)
{
    const struct dfs_client *client = get->base.client;
    const uint64_t window = (uint64_t)client->config.bounds.get_window * client->frame_bytes;
    uint32_t from;
    uint32_t to;

    wanted_part(get, offset, length, &from, &to);
    from = chunk_down(from);
    return dfs_client_cost(client, !get->ordered && to - from > window ? (uint32_t)window : to - from);
}

/* Readers ----------------------------------------------------------------------------------------------------------------------- */

/* Off its stream, if it has one; what the server still sends is dropped, or stopped when it is much. */
static void reader_leave(struct client_reader *reader)
{
    if (reader->stream != NULL) {
        const uint32_t waste = client_of(reader->block)->config.bounds.waste;

        dfs_client_stream_abandon(reader->stream, reader->block->read_to - reader->at > waste);
    }
    reader->stream = NULL;
}

static void readers_leave(struct client_get_block *block)
{
    for (uint32_t i = 0; i < DFS_CLIENT_MOST_streams; i++)
        reader_leave(&block->readers[i]);
}

static uint32_t readers_count(const struct client_get_block *block)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < DFS_CLIENT_MOST_streams; i++)
        count += block->readers[i].stream != NULL;
    return count;
}

static void on_message(struct client_stream *stream, const struct dfs_incoming *in);
static void on_sent(struct client_stream *stream);
static void on_lost(struct client_stream *stream, enum dfs_status status, const char *words);

static const struct client_stream_ops stream_ops = {.message = on_message, .sent = on_sent, .lost = on_lost};

static bool is_bad(const struct client_get_block *block, const struct dfs_w_replica *replica)
{
    for (uint32_t i = 0; i < block->bad_count; i++)
        if (dfs_id_equal(&block->bad[i].node, &replica->node) && block->bad[i].incarnation == replica->incarnation)
            return true;
    return false;
}

/* Not tried since the last plan, and not known to have a bad copy. */
static bool may_ask(const struct client_get_block *block, uint32_t replica)
{
    return (block->replicas_tried >> replica & 1u) == 0 && !is_bad(block, &block->granted.replicas[replica]);
}

/* The server to ask next: rather not one that just failed, the least busy of those. Where they are equal, chance
 * spreads the readers of a file over its copies. false: none is left. */
static bool choose(struct client_get_block *block, uint32_t *ret_replica)
{
    struct dfs_client *client = client_of(block);
    const struct dfs_w_grant *grant = &block->granted.grant;
    uint32_t best = UINT32_MAX;
    uint32_t random = 0;

    if (grant->replicas_count == 0)
        return false;
    client->env.rng->random(client->env.ctx, DFS_RNG_CHOICE, &random, sizeof random);
    for (uint32_t i = 0; i < grant->replicas_count; i++) {
        const uint32_t replica = (random % grant->replicas_count + i) % grant->replicas_count;
        const struct client_node_view view = dfs_client_node_view(client, &grant->replicas[replica].node);
        const uint32_t burden = view.streams + (view.avoided ? UINT32_MAX / 2 : 0);

        if (!may_ask(block, replica) || burden >= best)
            continue;
        best = burden;
        *ret_replica = replica;
    }
    return best != UINT32_MAX;
}

static bool is_avoided(const struct client_get_block *block, uint32_t replica)
{
    return dfs_client_node_view(client_of(block), &block->granted.replicas[replica].node).avoided;
}

static void set_timer(struct client_get_block *block);

static void reader_open(struct client_get_block *block, struct client_reader *reader, uint32_t replica)
{
    const struct dfs_w_replica *server = &block->granted.replicas[replica];
    const uint32_t from = chunk_down(block->next);
    const struct dfs_m_block_read m = {
        .grant = block->granted.grant, .hop = (uint8_t)replica, .offset = from, .length_bytes = block->read_to - from};

    DFS_ASSERT(reader->stream == NULL && from < block->read_to);
    block->replicas_tried |= 1u << replica;
    block->serial = client_of(block)->identity.serial;
    reader->block = block;
    reader->replica = replica;
    reader->at = from;
    reader->stream = dfs_client_stream_open(client_of(block), &server->node, &server->addr, reader, &stream_ops);
    dfs_client_stream_send(reader->stream, DFS_MSG_BLOCK_READ, &m, NULL, 0, 0);
    set_timer(block);
}

/* The end of a block -------------------------------------------------------------------------------------------------------------- */

static void drop_held(struct client_get_block *block)
{
    struct dfs_list *at;

    while ((at = dfs_list_pop(&block->held)) != NULL) {
        struct client_held *held = dfs_container_of(at, struct client_held, link);

        dfs_buf_unref(held->buf);
        dfs_free(held);
    }
}

static void slot_free(struct client_get_block *block)
{
    struct dfs_client *client = client_of(block);

    dfs_client_unreserve(client, block->reserved);
    client->blocks_running--;
}

/* While it waits for a plan, maybe for a server to come back, others have its place and memory; its own GET begins nothing new. */
static void slot_give(struct client_get_block *block)
{
    slot_free(block);
    block->waits = true;
    block->get->waiting++;
}

/* false: its memory is in use. The place is taken even if all are: those who waited are few. */
static bool slot_take(struct client_get_block *block)
{
    struct dfs_client *client = client_of(block);

    if (!dfs_client_reserve(client, block->reserved))
        return false;
    client->blocks_running++;
    block->waits = false;
    block->get->waiting--;
    dfs_client_command_ready(&block->get->base);
    return true;
}

static void block_free(struct client_get_block *block)
{
    struct dfs_client *client = client_of(block);

    drop_held(block);
    readers_leave(block);
    dfs_client_ask_stop(&block->plan);
    dfs_client_timer_stop(client, &block->timer);
    dfs_list_remove(&block->link);
    if (block->waits)
        block->get->waiting--;
    else
        slot_free(block);
    dfs_stock_give(&client->get_blocks, block);
}

void dfs_client_get_block_drop(struct client_get_block *block)
{
    enter(block, CLIENT_GET_BLOCK_FAILED, "aborted");
    block_free(block);
}

/* What was delivered does not count: it comes again. */
static void take_back(struct client_get_block *block)
{
    drop_held(block);
    block->get->base.done_bytes -= block->delivered_bytes;
    block->delivered_bytes = 0;
    block->next = block->read_from;
    block->crc = 0;
    block->mixed = false;
}

void dfs_client_get_block_flush(struct client_get_block *block)
{
    struct dfs_list *at;

    while ((at = dfs_list_pop(&block->held)) != NULL) {
        struct client_held *held = dfs_container_of(at, struct client_held, link);

        dfs_client_get_push(block->get, held->offset, held->buf, held->buf_offset, held->bytes);
        dfs_buf_unref(held->buf);
        dfs_free(held);
    }
    enter(block, CLIENT_GET_BLOCK_DONE, block->phase == CLIENT_GET_BLOCK_HELD ? "turn" : "block_data");
    block_free(block);
}

/* Blocks that were held back until it was their turn. */
static void flush_heads(struct client_get *get)
{
    struct dfs_list *at;

    while ((at = dfs_list_first(&get->running)) != NULL) {
        struct client_get_block *head = dfs_container_of(at, struct client_get_block, link);

        if (head->phase != CLIENT_GET_BLOCK_HELD)
            return;
        dfs_client_get_block_flush(head);
    }
}

/* Failure -------------------------------------------------------------------------------------------------------------------------- */

static void tell_bad(struct client_get_block *block, const struct dfs_w_replica *replica, enum dfs_status status)
{
    const struct dfs_m_block_bad m = {
        .block = block->granted.grant.block, .node = replica->node, .status = (uint8_t)status};

    dfs_client_session_tell(client_of(block), DFS_MSG_BLOCK_BAD, &m);
}

static void note_bad(struct client_get_block *block, const struct dfs_w_replica *replica)
{
    const uint32_t bad_max = client_of(block)->config.bounds.bad;

    if (block->bad_count == bad_max) {
        memmove(&block->bad[0], &block->bad[1], (bad_max - 1) * sizeof block->bad[0]);
        block->bad_count--;
    }
    block->bad[block->bad_count++] = (struct client_bad){.node = replica->node, .incarnation = replica->incarnation};
}

/* No server of this plan is left: another plan, unless the plan was fresh and all copies are bad for good. May end the command. */
static void plan_again(struct client_get_block *block, const char *why)
{
    struct client_get *get = block->get;
    char words[CLIENT_WORDS_BYTES];

    if (block->granted.grant.replicas_count == 0) {
        block->hopeful = !block->lost; /* servers that are away may come back with their copies */
        block->worst = DFS_DATA_LOST;
        dfs_client_say(block->worst_words, block->lost ? "no copy of it is left, and no server is away"
                                                       : "no server with a copy of it is up");
    }
    dfs_client_say(words, "block %u: %.250s", (unsigned)block->index, block->worst_words);
    if (!block->hopeful && block->plans > 0) {
        dfs_client_get_fail(get, DFS_DATA_LOST, words);
        return;
    }
    dfs_client_command_trouble(&get->base, block->worst, words);
    dfs_client_timer_stop(client_of(block), &block->timer);
    enter(block, CLIENT_GET_BLOCK_PLANNING, why);
    slot_give(block);
    if (block->plans++ == 0)
        dfs_client_ask_start(&block->plan);
    else
        dfs_client_ask_later(&block->plan, dfs_client_back_off(client_of(block), block->plans));
}

/* Another round from the beginning. The sink gets the bytes again, over those that were wrong. false: it cannot, and the command has failed. */
static bool read_anew(struct client_get_block *block)
{
    const bool pushed = block->get->ordered && block->through && block->delivered_bytes > 0;

    if (pushed) {
        dfs_client_get_fail(
            block->get, DFS_BLOCK_CORRUPT,
            "a block turned out wrong after it was written out in order; read into a file, or give the client more memory");
        return false;
    }
    readers_leave(block);
    take_back(block);
    return true;
}

static void next_replica(struct client_get_block *block, const char *why)
{
    uint32_t replica = 0;

    /* Bytes of one server only, or a wrong sum would accuse nobody again. */
    if (block->strict && block->next > block->read_from && !read_anew(block))
        return;
    if (readers_count(block) > 0) {
        set_timer(block); /* the rival goes on alone */
        return;
    }
    /* A plan that is known to be old is not worth waiting for a server that does not answer. */
    if (choose(block, &replica) && !(block->stale && is_avoided(block, replica)))
        reader_open(block, &block->readers[0], replica);
    else
        plan_again(block, why);
}

/* The reader has no stream any more, for this reason. May end the command. */
static void reader_failed(struct client_reader *reader, enum dfs_status status, const char *words, const char *why)
{
    struct client_get_block *block = reader->block;
    struct dfs_client *client = client_of(block);
    const struct dfs_w_replica *replica = &block->granted.replicas[reader->replica];
    char host[CLIENT_ADDR_TEXT_BYTES];

    DFS_ASSERT(reader->stream == NULL);
    block->worst = status;
    dfs_client_say(block->worst_words, "data server at %s: %.250s", dfs_client_addr_text(&replica->addr, host), words);
    if (status == DFS_BLOCK_MISSING || status == DFS_BLOCK_CORRUPT || status == DFS_IO) {
        note_bad(block, replica);
        tell_bad(block, replica, status);
    } else {
        block->hopeful = true;
        if (status == DFS_TIMEOUT)
            tell_bad(block, replica, status);
    }
    if (status == DFS_TOKEN_EXPIRED) {
        if (block->serial != client->identity.serial) {
            block->replicas_tried &= ~(1u << reader->replica); /* with the new token */
        } else if (!client->identity.refresh_running) {
            dfs_client_get_fail(block->get, status, block->worst_words);
            return;
        }
    }
    block->stale = block->stale || status == DFS_STALE_INCARNATION;
    if (status == DFS_GRANT_EXPIRED) /* so are those for the others */
        block->replicas_tried = UINT32_MAX;
    next_replica(block, why);
}

/* Data ------------------------------------------------------------------------------------------------------------------------------- */

/* Verifies a frame piece by piece; its checksum as a whole goes to *ret_crc. */
static bool frame_is_right(const struct dfs_m_block_data *m, const struct dfs_buf *buf, uint32_t *ret_crc)
{
    uint32_t offset = m->offset;
    size_t at = 0;
    uint32_t pieces = 0;
    uint32_t whole = 0;

    while (at < buf->count) {
        const size_t to_chunk = DFS_CHUNK_BYTES - offset % DFS_CHUNK_BYTES;
        const size_t bytes = buf->count - at < to_chunk ? buf->count - at : to_chunk;

        if (pieces >= m->crcs_count)
            return false;
        const uint32_t crc = dfs_crc32c(0, buf->bytes + at, bytes);

        if (crc != m->crcs[pieces++].crc32c)
            return false;
        whole = pieces == 1 ? crc : dfs_crc32c_combine(whole, crc, bytes);
        at += bytes;
        offset += (uint32_t)bytes;
    }
    *ret_crc = whole;
    return pieces == m->crcs_count;
}

/* Hands the wanted part of bytes from..to of the block, which stand in `buf` at `at`, to the sink, or keeps them until it is their turn. */
static void deliver(struct client_get_block *block, struct dfs_buf *buf, size_t at, uint32_t from, uint32_t to)
{
    struct client_get *get = block->get;

    if (from < block->want_from) {
        at += (to < block->want_from ? to : block->want_from) - from;
        from = block->want_from;
    }
    if (to > block->want_to)
        to = block->want_to;
    if (from >= to)
        return;
    block->delivered_bytes += to - from;
    get->base.done_bytes += to - from;
    if (!get->ordered || block->through) {
        dfs_client_get_push(get, block->offset + from, buf, at, to - from);
        return;
    }
    struct client_held *held = dfs_alloc(sizeof *held);

    *held = (struct client_held){
        .buf = dfs_buf_ref(buf), .buf_offset = at, .bytes = to - from, .offset = block->offset + from};
    dfs_list_push(&block->held, &held->link);
}

/* All bytes are here. Do they make up the block? */
static void block_complete(struct client_get_block *block)
{
    struct client_get *get = block->get;
    const bool whole = block->read_from == 0 && block->read_to == block->length;

    if (whole && block->crc != block->crc_wanted) {
        if (!block->mixed) {
            note_bad(block, &block->source);
            tell_bad(block, &block->source, DFS_BLOCK_CORRUPT);
            block->worst = DFS_BLOCK_CORRUPT;
            dfs_client_say(block->worst_words, "%s", dfs_status_words(DFS_BLOCK_CORRUPT));
        } else { /* one of several: each alone will show which */
            block->strict = true;
            block->replicas_tried = 0;
        }
        if (read_anew(block))
            next_replica(block, "block_data");
        return;
    }
    readers_leave(block);
    dfs_client_timer_stop(client_of(block), &block->timer);
    if (get->ordered && !dfs_client_get_is_head(get, block)) {
        enter(block, CLIENT_GET_BLOCK_HELD, "block_data");
        return;
    }
    dfs_client_get_block_flush(block);
    if (get->ordered)
        flush_heads(get);
    dfs_client_get_moved_on(get, "block_data");
}

static void on_data(struct client_reader *reader, const struct dfs_m_block_data *m, struct dfs_buf *buf)
{
    struct client_get_block *block = reader->block;
    const uint32_t from = reader->at;
    uint32_t crc = 0;

    if (buf == NULL || buf->count == 0 || m->offset != from || buf->count > block->read_to - from) {
        dfs_buf_unref(buf);
        dfs_client_node_fail(reader->stream->node, DFS_BAD_REQUEST, "it sent other bytes than were asked for");
        return;
    }
    if (!frame_is_right(m, buf, &crc)) {
        dfs_buf_unref(buf);
        reader_leave(reader);
        reader_failed(reader, DFS_BLOCK_CORRUPT, dfs_status_words(DFS_BLOCK_CORRUPT), "block_data");
        return;
    }
    reader->at += (uint32_t)buf->count;
    if (reader->at > block->next) {
        const uint32_t fresh = reader->at - block->next;
        const size_t skip = buf->count - fresh;

        if (skip > 0)
            crc = dfs_crc32c(0, buf->bytes + skip, fresh);
        if (block->next == block->read_from)
            block->source = block->granted.replicas[reader->replica];
        else if (!dfs_id_equal(&block->source.node, &block->granted.replicas[reader->replica].node))
            block->mixed = true;
        block->crc = block->next == block->read_from ? crc : dfs_crc32c_combine(block->crc, crc, fresh);
        deliver(block, buf, skip, block->next, reader->at);
        block->next = reader->at;
        dfs_client_command_progress(&block->get->base);
    }
    dfs_buf_unref(buf);
    if (block->next == block->read_to)
        block_complete(block);
}

static void on_message(struct client_stream *stream, const struct dfs_incoming *in)
{
    struct client_reader *reader = stream->owner;
    const struct dfs_m_block_end *end = in->body;
    struct client_status answer;

    if (in->number == DFS_MSG_BLOCK_DATA) {
        on_data(reader, in->body, in->bulk);
        return;
    }
    dfs_buf_unref(in->bulk);
    if (dfs_client_is_status(in, &answer) && answer.status != DFS_OK) {
        dfs_client_stream_close(stream);
        reader->stream = NULL;
        reader_failed(reader, answer.status, answer.words, "status");
    } else if (in->number == DFS_MSG_BLOCK_END && end->status != DFS_OK) {
        dfs_client_stream_close(stream);
        reader->stream = NULL;
        reader_failed(reader, (enum dfs_status)end->status, dfs_status_words((enum dfs_status)end->status),
                      "block_end");
    } else { /* an end before the end, or no answer to a BLOCK_READ */
        dfs_client_node_fail(stream->node, DFS_BAD_REQUEST, "it answered BLOCK_READ with something else");
    }
}

/* We send no bulk. */
static void on_sent(struct client_stream *stream)
{
    (void)stream;
}

static void on_lost(struct client_stream *stream, enum dfs_status status, const char *words)
{
    struct client_reader *reader = stream->owner;

    dfs_client_stream_close(stream);
    reader->stream = NULL;
    reader_failed(reader, status, words, status == DFS_TIMEOUT ? "timeout" : "closed");
}

/* A fresh plan ----------------------------------------------------------------------------------------------------------------------- */

static void plan_send(struct client_ask *ask)
{
    const struct client_get_block *block = dfs_container_of(ask, struct client_get_block, plan);
    const struct dfs_m_get_open m = {
        .path = dfs_text_of(block->get->path), .version = block->get->version, .first_block = block->index};

    dfs_client_ask_send(ask, DFS_MSG_GET_OPEN, &m);
}

static void plan_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct client_get_block *block = dfs_container_of(ask, struct client_get_block, plan);
    struct client_get *get = block->get;
    const struct dfs_m_get_plan *m = in->body;
    struct client_status answer;

    if (dfs_client_is_status(in, &answer) && answer.status != DFS_OK) {
        dfs_client_get_refused(get, &answer);
        return;
    }
    if (in->number != DFS_MSG_GET_PLAN || !dfs_client_get_page_is_good(get, m) || m->first_block != block->index ||
        m->plan[0].length_bytes != block->length || m->plan[0].crc32c != block->crc_wanted) {
        dfs_client_get_fail(get, DFS_BAD_REQUEST,
                            "metadata answered GET_OPEN with a plan that makes no sense; do the versions match?");
        return;
    }
    if (!slot_take(block)) {
        dfs_client_ask_later(&block->plan, dfs_client_back_off(client_of(block), block->plans));
        return;
    }
    dfs_client_grant_copy(&m->plan[0].grant, &block->granted);
    block->lost = m->plan[0].lost != 0;
    block->replicas_tried = 0;
    block->hopeful = false;
    block->stale = false;
    enter(block, CLIENT_GET_BLOCK_READING, "get_plan");
    next_replica(block, "get_plan");
}

/* Time --------------------------------------------------------------------------------------------------------------------------------- */

/* The pool is empty: not the server is silent, we do not listen. */
static bool is_our_turn(const struct client_reader *reader)
{
    return dfs_list_linked(&reader->stream->node->wire.waiter.link);
}

/* Ordered blocks that wait for their turn have taken what the first one needs: the last of them is put back, and read anew later. */
static void make_room(struct client_get *get)
{
    struct client_get_block *last = dfs_container_of(get->running.prev, struct client_get_block, link);

    if (!get->ordered || get->running.prev == get->running.next)
        return;
    get->base.done_bytes -= last->delivered_bytes;
    get->next = last->index;
    get->next_offset = last->offset;
    dfs_client_get_block_drop(last);
    dfs_client_command_ready(&get->base);
}

static bool may_hedge(const struct client_get_block *block)
{
    const struct dfs_w_grant *grant = &block->granted.grant;

    if (block->strict || readers_count(block) != 1 || client_of(block)->config.bounds.streams < 2)
        return false;
    for (uint32_t i = 0; i < grant->replicas_count; i++)
        if (may_ask(block, i))
            return true;
    return false;
}

/* When to look at the readers next. */
static void set_timer(struct client_get_block *block)
{
    struct dfs_client *client = client_of(block);
    dfs_time_ns at = DFS_NEVER;

    for (uint32_t i = 0; i < DFS_CLIENT_MOST_streams; i++) {
        const struct client_reader *reader = &block->readers[i];
        const dfs_duration_ns patience_ns =
            may_hedge(block) && client->config.hedge_after_ns < client->config.request_timeout_ns
                ? client->config.hedge_after_ns
                : client->config.request_timeout_ns;

        if (reader->stream != NULL)
            at = dfs_time_min(at, dfs_time_add(reader->stream->heard_at, patience_ns));
    }
    /* In the future always: what is due now was just looked at. */
    dfs_client_timer_set(client, &block->timer, dfs_time_max(at, client->now + 1));
}

static void hedge(struct client_get_block *block)
{
    struct client_reader *rival = block->readers[0].stream == NULL ? &block->readers[0] : &block->readers[1];
    uint32_t replica = 0;

    if (choose(block, &replica))
        reader_open(block, rival, replica);
}

static void on_timer(struct dfs_client *client, struct client_timer *timer)
{
    struct client_get_block *block = dfs_container_of(timer, struct client_get_block, timer);
    struct client_get *get = block->get;
    bool hungry = false;

    DFS_ASSERT(block->phase == CLIENT_GET_BLOCK_READING);
    for (uint32_t i = 0; i < DFS_CLIENT_MOST_streams; i++) {
        struct client_reader *reader = &block->readers[i];

        if (reader->stream == NULL)
            continue;
        if (is_our_turn(reader)) {
            if (reader->stream->node->wire.frame.bulk_bytes > client->pool.bytes_max - DFS_BULK_SLACK_BYTES) {
                dfs_client_get_fail(get, DFS_TOO_LARGE,
                                    "the servers' frames are larger than this client's memory: raise pool_bytes");
                return;
            }
            reader->stream->heard_at = client->now;
            hungry = true;
            continue;
        }
        const dfs_duration_ns silent_ns = client->now - reader->stream->heard_at;

        if (silent_ns >= client->config.request_timeout_ns) {
            struct client_node *node = reader->stream->node;

            if (client->now - node->heard_at >= client->config.request_timeout_ns) {
                dfs_client_node_fail(node, DFS_TIMEOUT, dfs_status_words(DFS_TIMEOUT)); /* on_lost goes on */
                return;
            }
            reader_leave(reader); /* it speaks to others; this block is stuck */
            reader_failed(reader, DFS_TIMEOUT, dfs_status_words(DFS_TIMEOUT), "timeout");
            return;
        }
        if (silent_ns >= client->config.hedge_after_ns && may_hedge(block)) {
            hedge(block);
            break;
        }
    }
    set_timer(block);
    if (hungry && dfs_client_get_is_head(get, block))
        make_room(get);
}

/* Begin ---------------------------------------------------------------------------------------------------------------------------------- */

void dfs_client_get_block_start(struct client_get *get, const struct dfs_w_plan_block *planned, uint32_t index,
                                uint64_t offset, size_t reserved, bool through)
{
    struct client_get_block *block = dfs_stock_take_zero(&get->base.client->get_blocks);

    block->get = get;
    block->phase = CLIENT_GET_BLOCK_READING;
    block->index = index;
    block->offset = offset;
    block->length = planned->length_bytes;
    block->crc_wanted = planned->crc32c;
    block->reserved = reserved;
    block->through = through;
    wanted_part(get, offset, block->length, &block->want_from, &block->want_to);
    block->read_from = chunk_down(block->want_from);
    block->read_to = chunk_down(block->want_to + DFS_CHUNK_BYTES - 1);
    if (block->read_to > block->length)
        block->read_to = block->length;
    block->next = block->read_from;
    dfs_client_grant_copy(&planned->grant, &block->granted);
    block->lost = planned->lost != 0;
    dfs_list_init(&block->held);
    dfs_client_timer_init(&block->timer, on_timer);
    dfs_client_ask_init(&block->plan, &get->base, plan_send, plan_answered);
    dfs_list_push(&get->running, &block->link);
    get->base.client->blocks_running++;
    next_replica(block, "command");
}
