/* PUT: the machine of one upload. Blocks are put_block.c's, the end is put_commit.c's. */
#include "core/client/put.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/env/trace.h"
#include "core/wire/grant.h"

#include <string.h>

static const char *const phase_names[] = {
#define X(name) #name,
    CLIENT_PUT_PHASES(X)
#undef X
};

#define TO(phase) (1u << CLIENT_PUT_##phase)
static const uint32_t phase_edges[CLIENT_PUT_PHASE_COUNT] = {
    [CLIENT_PUT_OPENING] = TO(WRITING) | TO(FAILED),
    [CLIENT_PUT_WRITING] = TO(COMMITTING) | TO(FAILED),
    [CLIENT_PUT_COMMITTING] = TO(DONE) | TO(WRITING) | TO(FAILED),
}; /* DONE and FAILED lead nowhere */
static const struct dfs_path paths[] = {
    {CLIENT_PUT_OPENING, "put_plan", TO(WRITING)},
    {CLIENT_PUT_WRITING, "put_plan", TO(COMMITTING)},
    {CLIENT_PUT_WRITING, "put_placed status", TO(WRITING)},
    {CLIENT_PUT_WRITING, "block_written source", TO(COMMITTING)},
    {CLIENT_PUT_COMMITTING, "put_done", TO(DONE) | TO(WRITING) | TO(COMMITTING)},
    {CLIENT_PUT_COMMITTING, "status", TO(COMMITTING)},
    /* How it ended: what metadata and data servers answer, and what the client itself finds. */
    {CLIENT_PUT_OPENING,
     "NOT_ENOUGH_NODES NO_SPACE DENIED TOO_LARGE BAD_REQUEST PRECONDITION_FAILED EXISTS "
     "TOKEN_MISSING TOKEN_INVALID TOKEN_EXPIRED TOKEN_NOT_YOURS TOKEN_WRONG_ISSUER UNREACHABLE "
     "TIMEOUT UNAVAILABLE ABORTED",
     TO(FAILED)},
    {CLIENT_PUT_WRITING,
     "NOT_ENOUGH_NODES NO_SPACE IO BLOCK_CORRUPT RECEIPT_INVALID LEASE_EXPIRED UPLOAD_LOST BAD_REQUEST "
     "TOKEN_EXPIRED UNREACHABLE TIMEOUT UNAVAILABLE ABORTED",
     TO(FAILED)},
    {CLIENT_PUT_COMMITTING,
     "LEASE_EXPIRED UPLOAD_LOST BLOCK_LOST EXISTS PRECONDITION_FAILED DENIED BAD_REQUEST "
     "RECEIPT_INVALID TOKEN_EXPIRED UNREACHABLE TIMEOUT UNAVAILABLE ABORTED",
     TO(FAILED)},
};
#undef TO

const struct dfs_gate dfs_client_put_gate = {
    "put", phase_names, phase_edges, CLIENT_PUT_PHASE_COUNT, "the PUT of a client", DFS_GATE_PATHS(paths)};

#define BLOCKS_UNKNOWN UINT32_MAX

void dfs_client_put_enter(struct client_put *put, enum client_put_phase next, const char *why)
{
    DFS_GATE(&put->base.client->env, &dfs_client_put_gate, put->phase, next, why);
}

static struct client_put *put_of(struct client_command *command)
{
    return dfs_container_of(command, struct client_put, base);
}

/* The end ------------------------------------------------------------------------------------------------------------------ */

static void put_free(struct client_put *put)
{
    dfs_client_pages_free(&put->pages);
    dfs_free(put->path);
    dfs_free(put->again);
    dfs_free(put->notes);
    dfs_free(put->receipts);
    dfs_stock_give(&put->base.client->puts, put);
}

/* Stops everything that is under way. */
static void put_stop(struct client_put *put)
{
    struct dfs_list *at;

    dfs_client_ask_stop(&put->open);
    dfs_client_ask_stop(&put->place);
    dfs_client_ask_stop(&put->commit);
    dfs_client_ask_stop(&put->sign);
    dfs_client_timer_stop(put->base.client, &put->life);
    while ((at = dfs_list_first(&put->running)) != NULL)
        dfs_client_put_block_drop(dfs_container_of(at, struct client_put_block, link));
}

static void put_drop(struct client_command *command)
{
    struct client_put *put = put_of(command);

    put_stop(put);
    dfs_client_command_forget(command);
    put_free(put);
}

void dfs_client_put_fail(struct client_put *put, enum dfs_status status, const char *words)
{
    const struct dfs_m_put_abort abort = {.file = put->file, .epoch = put->epoch};
    const bool opened = put->phase != CLIENT_PUT_OPENING;
    char said[CLIENT_WORDS_BYTES];
    const struct dfs_client_result result = {
        .status = status, .words = said, .bytes = put->size_bytes == DFS_SIZE_UNKNOWN ? 0 : put->size_bytes};

    dfs_client_say(
        said, "put %.100s: %s%s", put->path, words,
        put->phase == CLIENT_PUT_COMMITTING && status == DFS_ABORTED ? " (it may have been committed already)" : "");
    put_stop(put);
    dfs_client_put_enter(put, CLIENT_PUT_FAILED, dfs_status_name(status));
    if (opened)
        dfs_client_session_tell(put->base.client, DFS_MSG_PUT_ABORT, &abort);
    dfs_client_command_end(&put->base, &result);
    put_free(put);
}

static void put_fail_command(struct client_command *command, enum dfs_status status, const char *words)
{
    dfs_client_put_fail(put_of(command), status, words);
}

static void stored_words(char said[CLIENT_WORDS_BYTES], const char *path, uint8_t copies)
{
    char digits[4] = {0};

    for (unsigned rest = copies, at = copies > 99 ? 3 : copies > 9 ? 2 : 1; at > 0; rest /= 10)
        digits[--at] = (char)('0' + rest % 10);
    said[0] = '\0';
    dfs_client_append(said, "put ", SIZE_MAX);
    dfs_client_append(said, path, CLIENT_PATH_SAID_BYTES);
    dfs_client_append(said, ": stored, ", SIZE_MAX);
    dfs_client_append(said, digits, SIZE_MAX);
    dfs_client_append(said, " durable copies of each block", SIZE_MAX);
}

void dfs_client_put_end(struct client_put *put, const struct dfs_m_put_done *m)
{
    char said[CLIENT_WORDS_BYTES];
    const struct dfs_client_result result = {
        .status = DFS_OK, .words = said, .number = DFS_MSG_PUT_DONE, .message = m, .bytes = put->size_bytes};

    stored_words(said, put->path, m->replicas_durable);
    put_stop(put);
    dfs_client_put_enter(put, CLIENT_PUT_DONE, "put_done");
    dfs_client_command_end(&put->base, &result);
    put_free(put);
}

void dfs_client_put_orphan(struct dfs_client *client, const struct dfs_m_put_plan *m)
{
    const struct dfs_m_put_abort abort = {.file = m->file, .epoch = m->epoch};

    dfs_client_session_tell(client, DFS_MSG_PUT_ABORT, &abort);
}

/* The lease ---------------------------------------------------------------------------------------------------------------- */

void dfs_client_put_signed(struct client_put *put)
{
    put->signed_at = put->base.client->now;
    if (put->lease_ns > 0)
        dfs_client_timer_set(put->base.client, &put->life, dfs_time_add(put->signed_at, put->lease_ns / 2 + 1));
}

/* The next page of placements ---------------------------------------------------------------------------------------------- */

/* Placements are asked for before they are needed: as many blocks ahead as may be under way. */
static void place_ahead(struct client_put *put)
{
    const uint32_t ahead = put->placed - (put->started < put->placed ? put->started : put->placed);
    uint32_t count = put->base.client->config.bounds.place_unknown;

    if (put->phase != CLIENT_PUT_WRITING || dfs_client_ask_is_running(&put->place))
        return;
    if (put->blocks == BLOCKS_UNKNOWN) {
        if (put->placed > put->started || put->placed >= DFS_BLOCKS_PER_FILE_MAX)
            return;
        if (count > DFS_BLOCKS_PER_FILE_MAX - put->placed)
            count = DFS_BLOCKS_PER_FILE_MAX - put->placed;
    } else {
        if (put->placed >= put->blocks || ahead > put->base.client->config.parallel)
            return;
        count = put->blocks - put->placed < DFS_PLACEMENT_PAGE_MAX ? put->blocks - put->placed : DFS_PLACEMENT_PAGE_MAX;
    }
    put->place_count = count;
    dfs_client_ask_start(&put->place);
}

static void place_send(struct client_ask *ask)
{
    const struct client_put *put = dfs_container_of(ask, struct client_put, place);
    const struct dfs_m_put_place m = {
        .file = put->file, .epoch = put->epoch, .first = put->placed, .count = put->place_count, .generation = 1};

    dfs_client_ask_send(ask, DFS_MSG_PUT_PLACE, &m);
}

bool dfs_client_put_grant_is_good(const struct client_put *put, const struct dfs_w_grant *grant, uint32_t index)
{
    return dfs_id_equal(&grant->block.file, &put->file) && grant->block.index == index && grant->replicas_count > 0 &&
           grant->operation == DFS_GRANT_WRITE;
}

/* Takes over a page of first placements; false: it makes no sense. */
static bool take_page(struct client_put *put, const struct dfs_w_grant *grants, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!dfs_client_put_grant_is_good(put, &grants[i], put->placed + i))
            return false;
    if (count == 0)
        return true;
    struct client_page *page = dfs_client_page_of_grants(put->placed, grants, count);

    dfs_list_push(&put->pages, &page->link);
    put->placed += count;
    dfs_list_each(at, &put->running)
        dfs_client_put_block_page_came(dfs_container_of(at, struct client_put_block, link));
    dfs_client_command_ready(&put->base);
    return true;
}

static void place_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct client_put *put = dfs_container_of(ask, struct client_put, place);
    struct client_status answer;
    char words[CLIENT_WORDS_BYTES];

    if (dfs_client_is_status(in, &answer) && dfs_client_put_lacks_nodes(answer.status) &&
        ask->tries < CLIENT_BLOCK_TRIES_MAX) {
        const uint32_t tries = ask->tries + 1;

        dfs_client_command_trouble(&put->base, answer.status, answer.words);
        dfs_client_ask_later(ask, dfs_client_back_off(put->base.client, tries));
        ask->tries = tries;
        return;
    }
    if (in->number == DFS_MSG_STATUS && answer.status != DFS_OK) {
        dfs_client_put_fail(put, answer.status, answer.words);
        return;
    }
    const struct dfs_m_put_placed *m = in->body;

    if (in->number != DFS_MSG_PUT_PLACED || m->first != put->placed || m->grants_count == 0 ||
        !take_page(put, m->grants, m->grants_count)) {
        dfs_client_put_fail(
            put, DFS_BAD_REQUEST,
            dfs_client_say(words, "metadata answered PUT_PLACE with something else; do the versions match?"));
        return;
    }
    DFS_GATE_STAY(&put->base.client->env, &dfs_client_put_gate, put->phase, "put_placed");
    dfs_client_command_progress(&put->base);
    dfs_client_put_signed(put);
    place_ahead(put);
}

bool dfs_client_put_take_grant(struct client_put *put, uint32_t index, struct client_grant *ret_grant)
{
    struct client_page *page = NULL;
    const struct dfs_w_plan_block *entry = dfs_client_page_find(&put->pages, index, &page);

    if (entry == NULL)
        return false;
    dfs_client_grant_copy(&entry->grant, ret_grant);
    if (++page->taken == page->count) {
        dfs_list_remove(&page->link);
        dfs_free(page);
    }
    return true;
}

/* Signs of life -------------------------------------------------------------------------------------------------------------- */

/* A placement that metadata has made already: asked again it changes nothing, and says that we are there. */
static void sign_send(struct client_ask *ask)
{
    struct client_put *put = dfs_container_of(ask, struct client_put, sign);
    struct dfs_m_put_place m = {.file = put->file, .epoch = put->epoch, .first = 0, .count = 1, .generation = 1};

    if (put->started > 0 && put->placed > 0 && put->notes[0].generation > 0)
        m.generation = put->notes[0].generation;
    dfs_list_each(at, &put->running)
    {
        const struct client_put_block *block = dfs_container_of(at, struct client_put_block, link);

        if (block->has_grant) {
            m.first = block->index;
            m.generation = block->granted.grant.block.generation;
            break;
        }
    }
    dfs_client_ask_send(ask, DFS_MSG_PUT_PLACE, &m);
}

static void sign_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct client_put *put = dfs_container_of(ask, struct client_put, sign);
    struct client_status answer;

    if (dfs_client_is_status(in, &answer) && (answer.status == DFS_LEASE_EXPIRED || answer.status == DFS_UPLOAD_LOST)) {
        dfs_client_put_fail(put, answer.status, answer.words);
        return;
    }
    DFS_GATE_STAY(&put->base.client->env, &dfs_client_put_gate, put->phase,
                  in->number == DFS_MSG_STATUS ? "status" : "put_placed");
    dfs_client_put_signed(put);
}

static void on_life(struct dfs_client *client, struct client_timer *timer)
{
    struct client_put *put = dfs_container_of(timer, struct client_put, life);

    dfs_client_timer_set(client, timer, dfs_time_add(client->now, put->lease_ns / 2 + 1));
    if (put->phase == CLIENT_PUT_WRITING && !dfs_client_ask_is_running(&put->place) && put->placed > 0)
        dfs_client_ask_start(&put->sign);
}

/* The plan ------------------------------------------------------------------------------------------------------------------- */

static void open_send(struct client_ask *ask)
{
    const struct client_put *put = dfs_container_of(ask, struct client_put, open);
    const struct dfs_m_put_open m = {.operation = put->operation,
                                     .path = dfs_text_of(put->path),
                                     .size_bytes = put->size_bytes,
                                     .ack = (uint8_t)put->ack,
                                     .durability = (uint8_t)put->durability,
                                     .precondition = (uint8_t)put->precondition,
                                     .if_version = put->if_version,
                                     .block_size_bytes = put->block_size_wanted};

    dfs_client_ask_send(ask, DFS_MSG_PUT_OPEN, &m);
}

/* Can the file be cut as metadata says? */
static bool plan_is_good(const struct client_put *put, const struct dfs_m_put_plan *m)
{
    if (m->ack == DFS_ACK_DEFAULT || m->durability == DFS_DURABILITY_DEFAULT)
        return false;
    if (put->size_bytes == DFS_SIZE_UNKNOWN)
        return m->blocks == 0 && m->block_size_bytes > 0 && m->block_size_bytes <= DFS_BLOCK_BYTES_MAX;
    if (put->size_bytes == 0)
        return m->blocks == 0;
    return m->blocks > 0 && m->blocks <= DFS_BLOCKS_PER_FILE_MAX && m->blocks <= put->size_bytes &&
           (put->size_bytes - 1) / m->blocks < DFS_BLOCK_BYTES_MAX && m->grants_count <= m->blocks;
}

static void open_answered(struct client_ask *ask, const struct dfs_incoming *in)
{
    struct client_put *put = dfs_container_of(ask, struct client_put, open);
    const struct dfs_m_put_plan *m = in->body;
    struct client_status answer;

    if (dfs_client_is_status(in, &answer) && answer.status != DFS_OK) {
        dfs_client_put_fail(put, answer.status, answer.words);
        return;
    }
    if (in->number != DFS_MSG_PUT_PLAN || !plan_is_good(put, m)) {
        dfs_client_put_fail(put, DFS_BAD_REQUEST,
                            "metadata answered PUT_OPEN with a plan that makes no sense; do the versions match?");
        return;
    }
    put->file = m->file;
    put->epoch = m->epoch;
    put->lease_ns = m->lease_ns;
    put->block_size = m->block_size_bytes;
    put->blocks = put->size_bytes == DFS_SIZE_UNKNOWN ? BLOCKS_UNKNOWN : m->blocks;
    put->copies_wanted = m->copies_wanted;
    put->receipts_needed = m->ack == DFS_ACK_ALL ? m->copies_wanted : m->copies_wanted / 2u + 1;
    put->durability = (enum dfs_durability)m->durability;
    dfs_client_put_enter(put, CLIENT_PUT_WRITING, "put_plan");
    if (!take_page(put, m->grants, m->grants_count)) {
        dfs_client_put_fail(put, DFS_BAD_REQUEST,
                            "metadata's plan names blocks of another file; do the versions match?");
        return;
    }
    dfs_client_command_progress(&put->base);
    dfs_client_put_signed(put);
    place_ahead(put);
    dfs_client_command_ready(&put->base);
    dfs_client_put_moved_on(put, "put_plan");
}

/* Blocks --------------------------------------------------------------------------------------------------------------------- */

uint64_t dfs_client_put_offset(const struct client_put *put, uint32_t index)
{
    if (put->block_size > 0 && put->size_bytes == DFS_SIZE_UNKNOWN)
        return (uint64_t)index * put->block_size;
    if (put->blocks == 0)
        return 0;
    return put->cut_by_size ? (index >= put->blocks ? put->size_bytes : (uint64_t)index * put->block_size)
                            : dfs_block_offset(put->size_bytes, put->blocks, index);
}

static uint32_t length_of(const struct client_put *put, uint32_t index)
{
    return (uint32_t)(dfs_client_put_offset(put, index + 1) - dfs_client_put_offset(put, index));
}

void dfs_client_put_moved_on(struct client_put *put, const char *why)
{
    if (put->phase != CLIENT_PUT_WRITING)
        return;
    if (put->blocks != BLOCKS_UNKNOWN && put->started >= put->blocks && put->again_count == 0 &&
        dfs_list_empty(&put->running)) {
        dfs_client_put_enter(put, CLIENT_PUT_COMMITTING, why);
        dfs_client_put_commit_start(put);
        return;
    }
    dfs_client_command_ready(&put->base);
}

static enum client_start start_lost_again(struct client_put *put)
{
    const uint32_t index = put->again[put->again_count - 1];
    const size_t cost = dfs_client_put_block_cost(put, length_of(put, index));

    if (!dfs_client_reserve(put->base.client, cost))
        return CLIENT_NO_ROOM;
    put->again_count--;
    dfs_client_put_block_start(put, index, put->notes[index].generation + 1, cost);
    return CLIENT_STARTED;
}

static enum client_start start_block(struct client_command *command)
{
    struct client_put *put = put_of(command);

    if (put->phase != CLIENT_PUT_WRITING || put->waiting > 0)
        return CLIENT_NOTHING_TO_START;
    if (put->again_count > 0)
        return start_lost_again(put);
    if (put->started >= put->blocks || put->filling != NULL || put->started >= DFS_BLOCKS_PER_FILE_MAX)
        return CLIENT_NOTHING_TO_START;
    if (put->rereadable && put->blocks != BLOCKS_UNKNOWN && put->started >= put->placed)
        return CLIENT_NOTHING_TO_START; /* the page is on its way */

    const uint32_t length = put->blocks == BLOCKS_UNKNOWN ? put->block_size : length_of(put, put->started);
    const size_t cost = dfs_client_put_block_cost(put, length);

    if (!dfs_client_reserve(command->client, cost))
        return CLIENT_NO_ROOM;
    dfs_client_put_block_start(put, put->started++, 1, cost);
    place_ahead(put);
    return CLIENT_STARTED;
}

/* The command ------------------------------------------------------------------------------------------------------------------ */

static bool waits_for_source(struct client_command *command)
{
    dfs_list_each(at,
                  &put_of(command)->running) if (!dfs_list_empty(&dfs_container_of(at, struct client_put_block, link)
                                                                      ->pulls.locals)) return true;
    return false;
}

static const struct client_command_kind put_kind = {.name = "put",
                                                    .start_block = start_block,
                                                    .fail = put_fail_command,
                                                    .waits_for_host = waits_for_source,
                                                    .drop = put_drop};

void dfs_client_put_start(struct dfs_client *client, uint64_t id, const struct dfs_client_put *wanted)
{
    const char *fault = dfs_client_path_fault(wanted->path);

    if (fault != NULL) {
        dfs_client_answer(client, id, DFS_BAD_REQUEST, fault);
        return;
    }
    if (wanted->block_size_bytes > DFS_BLOCK_BYTES_MAX) {
        dfs_client_answer(client, id, DFS_TOO_LARGE, "put: a block has at most 10 MB");
        return;
    }
    struct client_put *put = dfs_stock_take_zero(&client->puts);

    dfs_client_command_init(client, &put->base, &put_kind, id);
    put->base.total_bytes = wanted->size_bytes;
    put->path = dfs_client_copy_text(wanted->path);
    put->source = wanted->source;
    put->size_bytes = wanted->size_bytes;
    put->ack = wanted->ack;
    put->durability = wanted->durability;
    put->precondition = wanted->precondition;
    put->if_version = wanted->if_version;
    put->block_size_wanted = wanted->block_size_bytes;
    put->cut_by_size = wanted->size_bytes == DFS_SIZE_UNKNOWN;
    /* Without a size a block's length is known only when it was read whole; so it is kept, and need not be read again. */
    put->rereadable = wanted->rereadable && wanted->size_bytes != DFS_SIZE_UNKNOWN;
    put->blocks = BLOCKS_UNKNOWN;
    client->env.rng->random(client->env.ctx, DFS_RNG_ID, put->operation.bytes, sizeof put->operation.bytes);
    dfs_id_make_random(&put->operation);
    dfs_list_init(&put->pages);
    dfs_list_init(&put->running);
    dfs_client_timer_init(&put->life, on_life);
    dfs_client_ask_init(&put->open, &put->base, open_send, open_answered);
    dfs_client_ask_init(&put->place, &put->base, place_send, place_answered);
    dfs_client_ask_init(&put->sign, &put->base, sign_send, sign_answered);
    dfs_client_put_commit_init(put);
    dfs_client_ask_start(&put->open);
}
