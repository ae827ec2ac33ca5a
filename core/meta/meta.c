/*
 * The door of the metadata server: what an event is, whose it is, and when to be woken again. What it means
 * stands in the files of the messages.
 */
#include "core/meta/meta.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/meta/apply.h"
#include "core/meta/boot.h"
#include "core/meta/checkpoint.h"
#include "core/meta/expiry.h"
#include "core/meta/hello.h"
#include "core/meta/membership.h"
#include "core/meta/meta_internal.h"
#include "core/meta/peers.h"

#include <stdio.h>
#include <string.h>

/* A segment reserves at most this; where checkpoints are rarer it grows by itself. */
#define SEGMENT_RESERVE_BYTES_MAX (64u * 1024 * 1024)

/* Lists of one answer: a page of placements with nine replicas each, twice over. */
#define SCRATCH_BYTES_MAX (256 * 1024)

/* Phases ------------------------------------------------------------------------------------------------- */

static const char *const phase_names[META_PHASE_COUNT] = {
#define X(name) #name,
    META_PHASE_MAP(X)
#undef X
};

#define TO(phase) (1u << META_##phase)
static const uint32_t phase_edges[META_PHASE_COUNT] = {
    [META_IDLE] = TO(BOOTING),
    [META_BOOTING] = TO(OPENING) | TO(STOPPED) | TO(FAILED),
    [META_OPENING] = TO(SERVING) | TO(STOPPED) | TO(FAILED),
    [META_SERVING] = TO(STOPPING) | TO(FAILED),
    [META_STOPPING] = TO(STOPPED) | TO(FAILED),
};
static const struct dfs_path paths[] = {
    {META_IDLE, "start", TO(BOOTING)},
    {META_BOOTING, "disk", TO(OPENING) | TO(FAILED)},
    {META_BOOTING, "command", TO(STOPPED)},
    {META_BOOTING, "request", TO(BOOTING)},
    {META_OPENING, "disk", TO(SERVING) | TO(FAILED)},
    {META_OPENING, "command", TO(STOPPED)},
    {META_OPENING, "request", TO(OPENING)},
    {META_SERVING, "command", TO(STOPPING)},
    {META_SERVING, "disk", TO(FAILED)},
    {META_STOPPING, "command", TO(STOPPED)},
    {META_STOPPING, "disk", TO(FAILED)},
    {META_STOPPING, "request", TO(STOPPING)},
    {META_STOPPED, "request", TO(STOPPED)},
    {META_FAILED, "request", TO(FAILED)},
};
#undef TO
const struct dfs_gate meta_phase_gate = {"meta",           phase_names, phase_edges,
                                         META_PHASE_COUNT, "metadata",  DFS_GATE_PATHS(paths)};

const struct dfs_gate *const dfs_meta_gates[] = {&meta_phase_gate, &meta_peer_gate, &meta_member_gate,
                                                 &meta_checkpoint_gate, NULL};

void meta_enter(struct dfs_meta *meta, enum meta_phase phase, const char *why)
{
    DFS_GATE(&meta->env, &meta_phase_gate, meta->phase, phase, why);
}

void meta_fail(struct dfs_meta *meta, enum dfs_status status, const char *words)
{
    if (meta->phase == META_FAILED || meta->phase == META_STOPPED)
        return;
    meta->failure = status;
    (void)snprintf(meta->failure_words, sizeof meta->failure_words, "%s", words);
    dfs_trace_note(&meta->env, status, meta->failure_words);
    meta_enter(meta, META_FAILED, "disk");
    meta_answers_fail(meta);
    meta_command_answer(meta, &meta->command_stop, status);
    meta_command_answer(meta, &meta->command_checkpoint, status);
}

/* Life --------------------------------------------------------------------------------------------------- */

struct dfs_meta *dfs_meta_new(const struct dfs_meta_config *config, const struct dfs_env *env)
{
    struct dfs_meta *meta = dfs_alloc_zero(sizeof *meta);

    meta->env = *env;
    meta->config = *config;
    dfs_stall_init(&meta->stall, config->heartbeat_interval_ns);
    dfs_arena_init(&meta->scratch, SCRATCH_BYTES_MAX);
    dfs_grant_cache_init(&meta->grants);
    meta_peers_init(meta);
    meta_hello_init(meta);
    meta_journal_init(&meta->journal, &meta->env, config->journal_batch);
    dfs_list_init(&meta->answers);
    meta_checkpoint_init(meta);
    meta_uploads_init(&meta->uploads);
    meta_state_init(meta);
    return meta;
}

void dfs_meta_free(struct dfs_meta *meta)
{
    if (meta == NULL)
        return;
    meta_peers_close(meta);
    meta_boot_close(meta);
    meta_uploads_close(&meta->uploads);
    meta_state_close(meta);
    meta_checkpoint_close(meta);
    meta_journal_close(&meta->journal);
    meta_hello_close(meta);
    dfs_arena_close(&meta->scratch);
    dfs_grant_cache_close(&meta->grants);
    dfs_wipe(&meta->config.root, sizeof meta->config.root);
    dfs_free(meta);
}

/* Records and what waits for them ------------------------------------------------------------------------ */

void meta_append_group(struct dfs_meta *meta)
{
    meta_journal_group(&meta->journal);
}

void meta_append(struct dfs_meta *meta, enum meta_record_number number, const void *record)
{
    union meta_any_record any;
    enum dfs_status status;

    if (meta->journal.failed)
        return;
    meta_journal_append(&meta->journal, number, record);
    memcpy(&any, record, meta_record_layout(number)->bytes);
    status = meta_apply(meta, number, &any);
    DFS_ASSERT(status == DFS_OK); /* what we decided makes sense */
}

uint64_t meta_segment_reserve(const struct dfs_meta *meta)
{
    const uint64_t every = meta->config.checkpoint_every_bytes;

    return every < SEGMENT_RESERVE_BYTES_MAX ? every : SEGMENT_RESERVE_BYTES_MAX;
}

bool meta_journal_is_older_than(const struct dfs_meta *meta, uint64_t journal_seen)
{
    const uint64_t epoch = journal_seen >> 40;

    /* Told by this life: no more than is synced. Told by an older one: no more than this start has read of
     * it. */
    if (epoch >= meta->epoch)
        return journal_seen > meta_journal_position(&meta->journal);
    return journal_seen > meta->journal_recovered;
}

void meta_id_new(struct dfs_meta *meta, struct dfs_id *ret_id)
{
    meta->env.rng->random(meta->env.ctx, DFS_RNG_ID, ret_id->bytes, sizeof ret_id->bytes);
    dfs_id_make_random(ret_id);
}

meta_block_no meta_block_find(const struct dfs_meta *meta, const struct dfs_block_id *id)
{
    const struct meta_version *version = meta_namespace_file(&meta->ns, &id->file);

    return version == NULL ? 0 : meta_file_block(&meta->map, &version->file, id->index, id->generation);
}

void meta_block_id(const struct dfs_meta *meta, meta_block_no number, struct dfs_block_id *ret_id)
{
    const struct meta_block *block = meta_blockmap_block(&meta->map, number);

    *ret_id = (struct dfs_block_id){.file = block->file->id, .index = block->index, .generation = block->generation};
}

/* Commands ----------------------------------------------------------------------------------------------- */

void meta_command_answer(struct dfs_meta *meta, uint64_t *id, enum dfs_status status)
{
    const struct dfs_meta_answer answer = {
        .status = status,
        .words = status == meta->failure && status != DFS_OK ? meta->failure_words : dfs_status_words(status)};
    const uint64_t command = *id;

    *id = 0;
    if (command != 0 && meta->env.local != NULL)
        meta->env.local->answer(meta->env.ctx, command, &answer);
}

void meta_checkpoint_answer(struct dfs_meta *meta, enum dfs_status status)
{
    meta_command_answer(meta, &meta->command_checkpoint, status);
    if (meta->phase == META_STOPPING && !meta_checkpoint_is_running(meta)) {
        meta_enter(meta, META_STOPPED, "command");
        meta_command_answer(meta, &meta->command_stop, status);
    }
}

static void on_stop(struct dfs_meta *meta, uint64_t id)
{
    meta->command_stop = id;
    switch (meta->phase) {
    case META_BOOTING:
    case META_OPENING:
        meta_enter(meta, META_STOPPED, "command"); /* nothing was promised yet */
        meta_command_answer(meta, &meta->command_stop, DFS_OK);
        return;
    case META_SERVING:
        meta_enter(meta, META_STOPPING, "command");
        meta_checkpoint_ask(meta);
        return;
    case META_STOPPING:
        return;
    case META_IDLE:
    case META_STOPPED:
        meta_command_answer(meta, &meta->command_stop, DFS_OK);
        return;
    case META_FAILED:
        meta_command_answer(meta, &meta->command_stop, meta->failure);
        return;
    case META_PHASE_COUNT:
        break;
    }
    dfs_unreachable("on_stop");
}

static void on_checkpoint(struct dfs_meta *meta, uint64_t id)
{
    if (!meta_is_serving(meta) || meta->command_checkpoint != 0) {
        meta_command_answer(meta, &id, meta->phase == META_FAILED ? meta->failure : DFS_UNAVAILABLE);
        return;
    }
    meta->command_checkpoint = id;
    meta_checkpoint_ask(meta);
}

static void on_command(struct dfs_meta *meta, const struct dfs_event *event)
{
    uint64_t id = event->command.id;

    switch (event->command.code) {
    case DFS_META_STOP:
        on_stop(meta, id);
        return;
    case DFS_META_CHECKPOINT:
        on_checkpoint(meta, id);
        return;
    case DFS_META_BRAKE_RELEASE:
        if (meta_is_serving(meta))
            meta_nodes_brake_release(meta);
        meta_command_answer(meta, &id, meta_is_serving(meta) ? DFS_OK : DFS_UNAVAILABLE);
        return;
    default:
        meta_command_answer(meta, &id, DFS_BAD_REQUEST);
        return;
    }
}

/* The disk ----------------------------------------------------------------------------------------------- */

static void on_journal(struct dfs_meta *meta)
{
    if (meta->journal.failed) {
        meta_fail(meta, DFS_IO, "the journal cannot be written; nothing more is promised");
        return;
    }
    meta_boot_on_synced(meta);
    meta_answers_release(meta);
}

static void on_disk(struct dfs_meta *meta, const struct dfs_disk_done *done)
{
    switch (META_DISK_OWNER(done->token)) {
    case META_DISK_BOOT:
        meta_boot_on_disk(meta, done);
        return;
    case META_DISK_JOURNAL:
        if (meta_journal_on_disk(&meta->journal, done))
            on_journal(meta);
        return;
    case META_DISK_CHECKPOINT:
        meta_checkpoint_on_disk(meta, done);
        return;
    default:
        return; /* nobody's */
    }
}

/* Step --------------------------------------------------------------------------------------------------- */

static void on_event(struct dfs_meta *meta, const struct dfs_event *event)
{
    switch (event->kind) {
    case DFS_EV_START:
        meta_keys_start(meta);
        meta_boot_start(meta);
        return;
    case DFS_EV_ACCEPT:
        meta_peers_accept(meta, event);
        return;
    case DFS_EV_OPEN:
    case DFS_EV_RECV:
    case DFS_EV_CLOSED:
        meta_peers_on_event(meta, event);
        return;
    case DFS_EV_DATAGRAM:
        if (meta_is_serving(meta))
            meta_nodes_on_datagram(meta, event->datagram.from, event->datagram.bytes, event->datagram.count);
        return;
    case DFS_EV_DISK:
        on_disk(meta, &event->disk);
        return;
    case DFS_EV_COMMAND:
        on_command(meta, event);
        return;
    case DFS_EV_TICK:
    case DFS_EV_SENT:
    case DFS_EV_SOURCE:
    case DFS_EV_SINK:
        return; /* the time is looked at below; the others are not ours */
    case DFS_EV_COUNT:
        break;
    }
    dfs_unreachable("on_event");
}

/* What does not wait for events. Returns when it wants to be asked again. */
static dfs_time_ns on_time(struct dfs_meta *meta)
{
    dfs_time_ns next = meta_peers_timers(meta);

    next = dfs_time_min(next, meta_keys_step(meta));
    if (meta_is_serving(meta)) {
        next = dfs_time_min(next, meta_expiry_step(meta));
        next = dfs_time_min(next, meta_nodes_step(meta));
    }
    return next;
}

dfs_time_ns dfs_meta_step(struct dfs_meta *meta, const struct dfs_event *event)
{
    dfs_time_ns next = DFS_NEVER;

    DFS_ASSERT(event->mono >= meta->now);
    if (event->kind != DFS_EV_RECV && event->kind != DFS_EV_DISK && event->kind != DFS_EV_TICK)
        meta->nodes_stirred = true;
    meta->now = event->mono;
    meta->wall = event->wall;
    (void)dfs_stall_step(&meta->stall, meta->now);
    meta->fair = meta->now - meta->stall.total_ns;
    if (meta->phase == META_STOPPED || (meta->phase == META_FAILED && event->kind == DFS_EV_DATAGRAM))
        return meta->stall.deadline = DFS_NEVER;
    on_event(meta, event);
    if (meta->phase != META_FAILED && meta->phase != META_STOPPED) {
        next = on_time(meta);
        if (meta->phase == META_SERVING || meta->phase == META_STOPPING)
            meta_checkpoint_step(meta);
        meta_journal_flush(&meta->journal);
    }
    meta_peers_sweep(meta);
    dfs_links_resume_due(&meta->links);
    meta->stall.deadline = next;
    return next;
}

/* What others may know ----------------------------------------------------------------------------------- */

bool dfs_meta_is_ready(const struct dfs_meta *meta)
{
    return meta_is_serving(meta);
}

enum dfs_status dfs_meta_failure(const struct dfs_meta *meta, const char **ret_words)
{
    if (ret_words != NULL)
        *ret_words = meta->failure == DFS_OK ? dfs_status_words(DFS_OK) : meta->failure_words;
    return meta->failure;
}

void dfs_meta_account(const struct dfs_meta *meta, struct dfs_meta_accounting *ret_accounting)
{
    *ret_accounting = (struct dfs_meta_accounting){
        .uploads_open = meta->uploads.count,
        .blocks = meta->map.blocks.count,
        .bytes_of_memory = meta_blockmap_bytes(&meta->map) + meta_namespace_bytes(&meta->ns),
    };
    meta_nodes_account(meta, ret_accounting);
}

void dfs_meta_metrics(const struct dfs_meta *meta,
                      void (*emit)(void *ctx, const char *name, const char *help, uint64_t value), void *ctx)
{
    const struct meta_counters *c = &meta->counters;
    struct dfs_meta_accounting accounting;

    dfs_meta_account(meta, &accounting);
    emit(ctx, "dfs_meta_ready", "1 when the journal is replayed and requests are served", meta_is_serving(meta));
    emit(ctx, "dfs_meta_epoch", "starts of this metadata", meta->epoch);
    emit(ctx, "dfs_meta_clients", "connections of clients", meta->clients_count);
    emit(ctx, "dfs_meta_data_connections", "connections of data servers", meta->datas_count);
    emit(ctx, "dfs_meta_connections_refused_total", "connections over the limit", c->conns_refused);
    emit(ctx, "dfs_meta_connections_timed_out_total", "idle, slow and half-open connections closed",
         c->conns_timed_out);
    emit(ctx, "dfs_meta_messages_total", "messages handled", c->messages);
    emit(ctx, "dfs_meta_messages_bad_total", "messages that made no sense", c->messages_bad);
    emit(ctx, "dfs_meta_tokens_refused_total", "tokens that did not hold", c->tokens_refused);
    emit(ctx, "dfs_meta_denied_total", "requests outside the token's scope", c->denied);
    emit(ctx, "dfs_meta_commits_total", "files committed", c->commits);
    emit(ctx, "dfs_meta_commits_block_lost_total", "commits that have to place blocks again", c->commits_lost);
    emit(ctx, "dfs_meta_receipts_bad_total", "receipts that did not verify", c->receipts_bad);
    emit(ctx, "dfs_meta_reads_total", "files opened for reading", c->reads);
    emit(ctx, "dfs_meta_changes_total", "moves, removals and restores", c->changes);
    emit(ctx, "dfs_meta_expired_total", "versions that left the trash for good", c->expired);
    emit(ctx, "dfs_meta_uploads_open", "uploads under way", meta->uploads.count);
    emit(ctx, "dfs_meta_uploads_expired_total", "uploads given up", c->uploads_expired);
    emit(ctx, "dfs_meta_files", "files, the trash included", meta->ns.versions.count);
    emit(ctx, "dfs_meta_files_in_trash", "removed and replaced versions still kept", meta->ns.trash.count);
    emit(ctx, "dfs_meta_blocks", "blocks of committed files", accounting.blocks);
    emit(ctx, "dfs_meta_block_copies", "copies known", meta->map.copies_count);
    emit(ctx, "dfs_meta_blocks_under", "blocks with fewer live copies than wanted", accounting.blocks_under);
    emit(ctx, "dfs_meta_map_bytes", "memory of the block map and the namespace", accounting.bytes_of_memory);
    emit(ctx, "dfs_meta_journal_position", "synced journal position", meta_journal_position(&meta->journal));
    emit(ctx, "dfs_meta_journal_bytes_total", "bytes written to the journal in this life", meta->journal.bytes_written);
    emit(ctx, "dfs_meta_journal_batches_total", "batches of this life", meta->journal.batches);
    emit(ctx, "dfs_meta_journal_records_total", "records of this life", meta->journal.records);
    emit(ctx, "dfs_meta_answers_held_total", "answers that waited for the journal", c->answers_held);
    emit(ctx, "dfs_meta_stalled_ns_total", "time this server did not run though it wanted to", meta->stall.total_ns);
    meta_nodes_metrics(meta, emit, ctx);
}
