#include "sim/copies_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "sim/listen.h"
#include "sim/nemesis.h"

#include <string.h>

/* The versions that stand, or stood, at one path. */
struct place {
    struct sim_path_key key;
    struct dfs_list versions; /* of_path; without those that were removed */
    char path[];
};

static void push(void *array, size_t *count, size_t *room, void *entry)
{
    void **entries;

    memcpy(&entries, array, sizeof entries);
    if (*count == *room) {
        *room = *room == 0 ? 64 : *room * 2;
        entries = dfs_realloc_array(entries, *room, sizeof *entries);
        memcpy(array, &entries, sizeof entries);
    }
    entries[(*count)++] = entry;
}

/* NULL: nobody has heard of the file. */
static struct sim_copies_about *about_find(const struct sim_copies *copies, const struct dfs_id *file)
{
    struct sim_about *about = sim_files_find(copies->files, file);

    return about == NULL ? NULL : sim_about_part(about, copies->part);
}

static struct sim_copies_about *about_of(struct sim_copies *copies, const struct dfs_id *file)
{
    return sim_about_part(sim_files_of(copies->files, file), copies->part);
}

static bool is_block(const struct sim_block *block, const struct dfs_block_id *id)
{
    return block->id.index == id->index && block->id.generation == id->generation &&
           dfs_id_equal(&block->id.file, &id->file);
}

static struct sim_block *block_find(const struct sim_copies *copies, const struct dfs_block_id *id)
{
    struct sim_copies_about *about = about_find(copies, &id->file);

    if (about == NULL || !about->has_block)
        return NULL;
    return is_block(&about->block, id) ? &about->block : dfs_map_find(&copies->blocks_by_id, id);
}

static struct sim_block *block_of(struct sim_copies *copies, const struct dfs_block_id *id)
{
    struct sim_copies_about *about = about_of(copies, &id->file);
    struct sim_block *block;

    if (!about->has_block) {
        about->has_block = true;
        about->block.id = *id;
        return &about->block;
    }
    block = block_find(copies, id);
    if (block != NULL)
        return block;
    about->has_blocks = true;
    block = dfs_alloc_zero(sizeof *block);
    block->id = *id;
    dfs_map_insert(&copies->blocks_by_id, block);
    push(&copies->blocks, &copies->blocks_count, &copies->blocks_room, block);
    return block;
}

void sim_version_init(struct sim_copies *copies, struct sim_version *version, const struct dfs_id *file)
{
    version->file = *file;
    version->path = "";
    dfs_list_init(&version->of_path);
    dfs_list_init(&version->of_live);
    dfs_list_push(&copies->versions, &version->of_all);
}

static struct sim_version *version_of(struct sim_copies *copies, const struct dfs_id *file)
{
    struct sim_copies_about *about = about_of(copies, file);
    struct sim_version *version = &about->version;

    if (about->is_heard_of)
        return version;
    about->is_heard_of = true;
    sim_version_init(copies, version, file);
    return version;
}

void sim_version_blocks_free(struct sim_version *version)
{
    if (version->blocks != &version->block_own)
        dfs_free(version->blocks);
}

/* Those that are new are not known yet. */
void sim_version_blocks_count(struct sim_version *version, uint32_t count)
{
    struct sim_block *const first = version->blocks_count > 0 ? version->blocks[0] : NULL;
    const bool was_own = version->blocks == &version->block_own;

    if (count == version->blocks_count)
        return;
    if (count <= 1) {
        sim_version_blocks_free(version);
        version->blocks = &version->block_own;
    } else {
        version->blocks = dfs_realloc_array(was_own ? NULL : version->blocks, count, sizeof(struct sim_block *));
    }
    if (count > 0)
        version->blocks[0] = first;
    for (uint32_t i = version->blocks_count > 0 ? version->blocks_count : 1; i < count; i++)
        version->blocks[i] = NULL;
    version->blocks_count = count;
}

static void holders_free(struct sim_block *block)
{
    if (block->holders != block->holders_own)
        dfs_free(block->holders);
}

void sim_block_holders_grow(struct sim_block *block)
{
    struct sim_holder *more;

    if (block->holders == NULL) {
        block->holders = block->holders_own;
        block->holders_room = SIM_HOLDERS_OWN;
        return;
    }
    block->holders_room *= 2;
    more = dfs_alloc_zero_array(block->holders_room, sizeof *more);
    memcpy(more, block->holders, block->holders_count * sizeof *more);
    holders_free(block);
    block->holders = more;
}

/* What passes -------------------------------------------------------------------------------------------------------------- */

static void on_commit(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when)
{
    struct sim_copies *copies = *(struct sim_copies **)state;
    const struct dfs_m_put_commit *m = seen->body;

    (void)run, (void)when;
    if (m == NULL || m->blocks > DFS_BLOCKS_PER_FILE_MAX)
        return;
    struct sim_version *version = version_of(copies, &m->file);

    if (version->committed)
        return;
    version->size_bytes = m->size_bytes;
    sim_version_blocks_count(version, m->blocks);
    for (uint32_t i = 0; i < m->receipts_count; i++) {
        const struct dfs_w_receipt *receipt = &m->receipts[i];
        const struct dfs_block_id id = {receipt->block.file, receipt->block.index, receipt->block.generation};

        if (!dfs_id_equal(&id.file, &m->file) || id.index >= version->blocks_count)
            continue;
        struct sim_block *block = block_of(copies, &id);

        block->length_bytes = receipt->length_bytes;
        block->crc32c = receipt->crc32c;
        version->blocks[id.index] = block;
    }
}

static struct place *place_find(const struct sim_copies *copies, const char *path)
{
    const struct sim_path_key key = sim_path_key(path);

    return dfs_map_find(&copies->places_by_path, &key);
}

static void path_set(struct sim_copies *copies, struct sim_version *version, const char *path)
{
    struct place *place = place_find(copies, path);

    if (place == NULL) {
        const size_t bytes = strlen(path);

        DFS_ASSERT(bytes <= DFS_PATH_BYTES_MAX);
        place = dfs_alloc_zero(sizeof *place + bytes + 1);
        place->key = sim_path_key(path);
        memcpy(place->path, path, bytes);
        dfs_list_init(&place->versions);
        dfs_map_insert(&copies->places_by_path, place);
        push(&copies->places, &copies->places_count, &copies->places_room, place);
    }
    version->path = place->path;
    dfs_list_remove(&version->of_path);
    dfs_list_push(&place->versions, &version->of_path);
}

/* Its blocks are wanted from now on, or no more. */
static void version_counts(const struct sim_copies *copies, const struct sim_version *version, bool live)
{
    for (uint32_t i = 0; i < version->blocks_count; i++) {
        if (version->blocks[i] != NULL)
            sim_risk_live(copies->risks, version->blocks[i], live, sim_world_now(copies->run->world));
    }
}

static void removed_set(struct sim_copies *copies, struct sim_version *version)
{
    if (!version->removed)
        version->removed_at = sim_world_now(copies->run->world);
    version->removed = true;
    version_counts(copies, version, false);
    dfs_list_remove(&version->of_live);
    dfs_list_remove(&version->of_path);
    sim_copies_tire(copies, &version->file);
}

static void committed_set(struct sim_copies *copies, struct sim_version *version)
{
    version->committed = true;
    version->removed = false;
    version_counts(copies, version, true);
    if (!dfs_list_linked(&version->of_live))
        dfs_list_push(&copies->live, &version->of_live);
}

/* All versions of the path that are older than `number` are replaced. */
static void replace(struct sim_copies *copies, const char *path, uint64_t number, const struct sim_version *by)
{
    struct place *place = place_find(copies, path);

    if (place == NULL)
        return;
    dfs_list_each(at, &place->versions)
    {
        struct sim_version *version = dfs_container_of(at, struct sim_version, of_path);

        if (version != by && version->committed && !version->removed && version->number < number)
            removed_set(copies, version);
    }
}

/* The data server whose identity the host has. */
static uint32_t data_index(const struct sim_run *run, const struct sim_host *host)
{
    const struct sim_node *node = sim_host_user(host);
    const struct sim_node *first = sim_cluster_data_by_id(run->cluster, &node->id);

    DFS_ASSERT(first != NULL);
    return (uint32_t)(first - run->cluster->data);
}

static void on_joined(struct sim_run *run, void *state, const struct sim_seen *seen, unsigned when)
{
    struct sim_copies *copies = *(struct sim_copies **)state;

    (void)when;
    copies->hosts[data_index(run, seen->message->to)] = seen->message->to;
}

static void holder_add(struct sim_copies *copies, const struct dfs_block_id *id, uint32_t data)
{
    struct sim_block *block = block_of(copies, id);

    for (uint32_t i = 0; i < block->holders_count; i++) {
        if (block->holders[i].data == data) {
            if (i < SIM_COPIES_PLACES_MAX)
                block->refused &= ~(UINT64_C(1) << i);
            sim_risk_copy(copies->risks, block, data, sim_world_now(copies->run->world));
            return;
        }
    }
    if (block->holders_count == block->holders_room)
        sim_block_holders_grow(block);
    block->holders[block->holders_count++].data = data;
    sim_risk_copy(copies->risks, block, data, sim_world_now(copies->run->world));
}

/* The bit of a server that once published the block; 0: it did not, or has no place in a set. */
static uint64_t bit_of(const struct sim_block *block, uint32_t data)
{
    for (uint32_t i = 0; i < block->holders_count && i < SIM_COPIES_PLACES_MAX; i++) {
        if (block->holders[i].data == data)
            return UINT64_C(1) << i;
    }
    return 0;
}

void sim_copies_refused_set(struct sim_copies *copies, const struct dfs_block_id *id, uint32_t data)
{
    struct sim_block *block = block_find(copies, id);

    if (block != NULL)
        block->refused |= bit_of(block, data);
}

bool sim_copies_is_refused(const struct sim_block *block, uint32_t data)
{
    return (block->refused & bit_of(block, data)) != 0;
}

static void holder_gone(struct sim_copies *copies, const struct dfs_block_id *id, uint32_t data)
{
    struct sim_block *block = block_find(copies, id);

    if (block == NULL)
        return;
    sim_risk_copy_gone(copies->risks, block, data, sim_world_now(copies->run->world));
    if (block->holding == 0)
        sim_copies_tire(copies, &id->file);
}

/* A member, or no more, says metadata. */
static void on_member(struct sim_run *run, struct sim_copies *copies, const struct dfs_trace *trace)
{
    const struct sim_node *node = sim_cluster_data_by_id(run->cluster, &trace->node);

    if (node == NULL)
        return;
    copies->active_since[node - run->cluster->data] =
        trace->kind == DFS_TRACE_JOINED ? sim_world_now(run->world) : DFS_NEVER;
    sim_risk_server(copies->risks, (uint32_t)(node - run->cluster->data), trace->kind == DFS_TRACE_JOINED,
                    sim_world_now(run->world));
}

static void found_bad(struct sim_copies *copies, const struct dfs_block_id *id)
{
    struct sim_block *block = block_find(copies, id);

    if (block != NULL)
        block->found_bad = true;
}

static void on_trace(struct sim_run *run, void *state, struct sim_host *host, const struct dfs_trace *trace)
{
    struct sim_copies *copies = *(struct sim_copies **)state;
    struct sim_version *version;

    switch ((int)trace->kind) {
    case DFS_TRACE_JOINED:
    case DFS_TRACE_EVICTED:
        on_member(run, copies, trace);
        return;
    case DFS_TRACE_COMMITTED:
        version = version_of(copies, &trace->block.file);
        committed_set(copies, version);
        version->uncertain = false;
        version->number = trace->b;
        version->size_bytes = trace->a;
        version->committed_at = sim_run_time(run);
        path_set(copies, version, trace->text);
        return;
    case DFS_TRACE_REMOVED:
        removed_set(copies, version_of(copies, &trace->block.file));
        return;
    case DFS_TRACE_MOVED:
        path_set(copies, version_of(copies, &trace->block.file), trace->text2);
        return;
    case DFS_TRACE_PUBLISHED:
        holder_add(copies, &trace->block, data_index(run, host));
        return;
    case DFS_TRACE_DELETED:
        holder_gone(copies, &trace->block, data_index(run, host));
        return;
    case DFS_TRACE_BLOCK_BAD:
        found_bad(copies, &trace->block);
        return;
    default:
        return;
    }
}

/* What stood at the path stands at the other one now; mostly the trace has said so. */
static void moved(struct sim_copies *copies, const struct sim_operation *operation)
{
    struct place *place = place_find(copies, operation->path->name);

    if (place == NULL)
        return;
    dfs_list_each(at, &place->versions)
    {
        struct sim_version *version = dfs_container_of(at, struct sim_version, of_path);

        if (!sim_version_is_live(version) || version->number >= operation->version)
            continue;
        replace(copies, operation->to_path->name, operation->version, version);
        path_set(copies, version, operation->to_path->name);
    }
}

/* An acknowledged change is certain even if metadata died before it could say so here. */
static void on_answered(struct sim_run *run, void *state, const struct sim_operation *operation,
                        const struct dfs_client_result *result)
{
    struct sim_copies *copies = *(struct sim_copies **)state;
    struct sim_version *version;

    (void)run, (void)result;
    if (operation->answered_at == DFS_NEVER || operation->status != DFS_OK)
        return;
    switch (operation->kind) {
    case SIM_OP_PUT:
    case SIM_OP_ABORT_PUT:
        version = version_of(copies, &operation->file);
        if (!version->committed) {
            committed_set(copies, version);
            version->number = operation->version;
            version->committed_at = operation->answered_at;
            path_set(copies, version, operation->path->name);
        }
        replace(copies, operation->path->name, operation->version, version);
        return;
    case SIM_OP_REMOVE:
        replace(copies, operation->path->name, operation->version, NULL);
        return;
    case SIM_OP_MOVE:
        moved(copies, operation);
        return;
    case SIM_OP_GET:
    case SIM_OP_RANGE_GET:
    case SIM_OP_STAT:
    case SIM_OP_LIST:
    case SIM_OP_RESTORE:
    case SIM_OP_LOGIN:
    case SIM_OP_COUNT:
        return;
    }
}

/* Metadata has died: changes that were under way may have happened without a word. */
static void doubt(const struct sim_copies *copies, const struct sim_path *path)
{
    struct place *place = path != NULL ? place_find(copies, path->name) : NULL;

    if (place == NULL)
        return;
    dfs_list_each(at, &place->versions) dfs_container_of(at, struct sim_version, of_path)->uncertain = true;
}

static void doubt_all(const struct sim_copies *copies, const struct sim_ledger *ledger)
{
    for (const struct dfs_list *at = ledger->running.next; at != &ledger->running; at = at->next) {
        const struct sim_operation *operation = dfs_container_of_const(at, struct sim_operation, of_running);

        if (sim_operation_changes(operation)) {
            doubt(copies, operation->path);
            doubt(copies, operation->to_path);
        }
    }
    for (size_t i = 0; i < ledger->paths_count; i++) {
        if (ledger->paths[i]->changed_maybe)
            doubt(copies, ledger->paths[i]);
    }
}

struct found {
    struct sim_copies *copies;
    uint32_t data;
};

static bool block_found(void *arg, const char *name, const struct sim_file *file)
{
    const struct found *found = arg;
    struct dfs_block_id id;

    (void)file;
    if (dfs_block_name_parse(name, &id))
        holder_add(found->copies, &id, found->data);
    return true;
}

/* What was being published when the server died may have been carried out, and nobody was left to say so. */
static void look_what_is_left(struct sim_run *run, struct sim_copies *copies, struct sim_host *host)
{
    struct found found = {.copies = copies};

    if (sim_host_lives(host) < 2 || ((const struct sim_node *)sim_host_user(host))->role != DFS_ROLE_DATA)
        return;
    found.data = data_index(run, host);
    sim_disk_each(sim_host_disk(host), SIM_NOW, block_found, &found);
}

static void on_host(struct sim_run *run, void *state, struct sim_host *host, enum sim_host_change change)
{
    struct sim_copies *copies = *(struct sim_copies **)state;

    if (change == SIM_HOST_STARTED)
        look_what_is_left(run, copies, host);
    if ((change == SIM_HOST_CRASHED || change == SIM_HOST_STOPPED) &&
        ((const struct sim_node *)sim_host_user(host))->role == DFS_ROLE_DATA &&
        copies->hosts[data_index(run, host)] == host)
        sim_risk_server(copies->risks, data_index(run, host), false, sim_world_now(run->world));
    if (host != run->cluster->meta.host || (change != SIM_HOST_CRASHED && change != SIM_HOST_STOPPED))
        return;
    for (uint32_t i = 0; i < run->cluster->options.data; i++)
        copies->active_since[i] = DFS_NEVER;
    doubt_all(copies, &run->ledger);
}

static const struct sim_message_hook message_hooks[] = {
    {DFS_MSG_PUT_COMMIT, SIM_DELIVERED, on_commit},
    {DFS_MSG_JOINED, SIM_DELIVERED, on_joined},
};

static const struct sim_hooks hooks = {
    .traces = 1u << DFS_TRACE_COMMITTED | 1u << DFS_TRACE_REMOVED | 1u << DFS_TRACE_MOVED | 1u << DFS_TRACE_PUBLISHED |
              1u << DFS_TRACE_JOINED | 1u << DFS_TRACE_EVICTED | 1u << DFS_TRACE_DELETED | 1u << DFS_TRACE_BLOCK_BAD,
    .trace = on_trace,
    .messages = message_hooks,
    .messages_count = sizeof message_hooks / sizeof message_hooks[0],
    .answered = on_answered,
    .host_changed = on_host,
};

/* Life ------------------------------------------------------------------------------------------------------------------------ */

_Static_assert(sizeof(struct dfs_block_id) == DFS_ID_BYTES + 8, "a block id is a key: no padding");

struct sim_copies *sim_copies_new(struct sim_run *run)
{
    struct sim_copies *copies = dfs_alloc_zero(sizeof *copies);

    copies->run = run;
    copies->files = &run->ledger.files;
    copies->part = sim_copies_part(copies);
    dfs_list_init(&copies->versions);
    dfs_list_init(&copies->live);
    copies->hosts = dfs_alloc_zero_array(run->cluster->options.data, sizeof(struct sim_host *));
    copies->risks = sim_risks_new(run->cluster->options.data, (uint32_t)run->scenario->cluster.settings.replication);
    copies->active_since = dfs_alloc_zero_array(run->cluster->options.data, sizeof *copies->active_since);
    for (uint32_t i = 0; i < run->cluster->options.data; i++) {
        copies->hosts[i] = run->cluster->data[i].host;
        copies->active_since[i] = DFS_NEVER;
    }
    dfs_map_init(&copies->places_by_path, offsetof(struct place, key), sizeof(struct sim_path_key), 0);
    dfs_map_init(&copies->blocks_by_id, offsetof(struct sim_block, id), sizeof(struct dfs_block_id), 0);
    *(struct sim_copies **)sim_listeners_add_owned(run, "copies", &hooks, sizeof(void *)) = copies;
    return copies;
}

void sim_copies_free(struct sim_copies *copies)
{
    if (copies == NULL)
        return;
    for (size_t i = 0; i < copies->blocks_count; i++) {
        holders_free(copies->blocks[i]);
        dfs_free(copies->blocks[i]);
    }
    for (size_t i = 0; i < copies->files->count; i++) {
        struct sim_copies_about *about = sim_about_part(copies->files->all[i], copies->part);

        sim_version_blocks_free(&about->version);
        holders_free(&about->block);
    }
    for (size_t i = 0; i < copies->places_count; i++)
        dfs_free(copies->places[i]);
    dfs_free(copies->places);
    dfs_free(copies->hosts);
    dfs_free(copies->active_since);
    sim_risks_free(copies->risks);
    dfs_map_close(&copies->places_by_path);
    dfs_free(copies->blocks);
    dfs_free(copies->bytes);
    dfs_map_close(&copies->blocks_by_id);
    dfs_free(copies);
}

/* Looking ----------------------------------------------------------------------------------------------------------------------- */

const struct sim_version *sim_copies_version_next(const struct sim_copies *copies, const struct sim_version *after)
{
    const struct dfs_list *next = after == NULL ? copies->versions.next : after->of_all.next;

    return next == &copies->versions ? NULL : dfs_container_of_const(next, struct sim_version, of_all);
}

const struct sim_version *sim_copies_version_of(const struct sim_copies *copies, const struct dfs_id *file)
{
    const struct sim_copies_about *about = about_find(copies, file);

    return about != NULL && about->is_heard_of ? &about->version : NULL;
}

bool sim_version_is_live(const struct sim_version *version)
{
    return version->committed && !version->removed && !version->uncertain;
}

const struct sim_block *sim_copies_block(const struct sim_copies *copies, const struct dfs_block_id *id)
{
    return block_find(copies, id);
}

uint32_t sim_copies_active(struct sim_run *run, struct sim_host_set *ret_set)
{
    struct sim_copies *copies = run->copies;
    const struct dfs_meta *meta = sim_cluster_meta(run->cluster);
    struct dfs_meta_node_view view;
    uint32_t count = 0;

    if (meta != NULL && dfs_meta_is_ready(meta)) {
        memset(&copies->active, 0, sizeof copies->active);
        memset(&copies->maintained, 0, sizeof copies->maintained);
        for (size_t i = 0; dfs_meta_node_at(meta, i, &view); i++) {
            const struct sim_node *node = sim_cluster_data_by_id(run->cluster, &view.node);

            if (node != NULL && view.state == DFS_NODE_ACTIVE)
                sim_host_set_add(&copies->active, sim_run_host_number(run, node->host));
            if (node != NULL && view.state == DFS_NODE_MAINTENANCE)
                sim_host_set_add(&copies->maintained, sim_run_host_number(run, node->host));
        }
    }
    *ret_set = copies->active;
    for (uint32_t i = 0; i < run->cluster->options.data; i++) {
        if (!sim_host_set_has(ret_set, 2 + i))
            continue;
        if (sim_host_is_up(copies->hosts[i]))
            count++;
        else
            sim_host_set_remove(ret_set, 2 + i);
    }
    return count;
}

struct sim_host *sim_copies_host(const struct sim_run *run, uint32_t data)
{
    return run->copies->hosts[data];
}

dfs_time_ns sim_copies_active_since(const struct sim_run *run, uint32_t data)
{
    const struct sim_copies *copies = run->copies;

    return sim_host_is_up(copies->hosts[data]) ? copies->active_since[data] : DFS_NEVER;
}

struct sim_risk_figures sim_copies_risk(const struct sim_copies *copies)
{
    return sim_risk_figures(copies->risks);
}

bool sim_copies_knows(const struct sim_run *run, const char *path)
{
    const struct place *place = place_find(run->copies, path);

    if (place == NULL)
        return false;
    for (const struct dfs_list *at = place->versions.next; at != &place->versions; at = at->next) {
        if (sim_version_is_live(dfs_container_of_const(at, struct sim_version, of_path)))
            return true;
    }
    return false;
}

/* Reads the whole file. */
static bool file_check(struct sim_copies *copies, const struct dfs_block_id *block, const struct sim_file *file,
                       uint32_t *ret_length, uint32_t *ret_crc)
{
    const uint64_t bytes = sim_file_bytes(file, SIM_NOW);

    if (bytes == 0 || bytes > DFS_BLOCK_BYTES_MAX + DFS_BLOCK_BYTES_MAX / 2)
        return false;
    if (copies->bytes_room < bytes) {
        copies->bytes = dfs_realloc_array(copies->bytes, bytes, 1);
        copies->bytes_room = bytes;
    }
    return sim_file_read(file, SIM_NOW, 0, copies->bytes, bytes) == bytes &&
           dfs_block_file_check(copies->bytes, bytes, block, ret_length, ret_crc);
}

/* Equal copies are read once: a fingerprint is that of all of a file's bytes. */
static bool verifies(struct sim_copies *copies, struct sim_block *block, const struct sim_file *file)
{
    const uint64_t fingerprint = sim_file_fingerprint(file, SIM_NOW);
    uint32_t length;
    uint32_t crc;

    if (block->sound_fingerprint != 0 && block->sound_fingerprint == fingerprint)
        return true;
    if (!file_check(copies, &block->id, file, &length, &crc))
        return false;
    block->sound_fingerprint = fingerprint;
    block->sound_length_bytes = length;
    block->sound_crc32c = crc;
    return true;
}

bool sim_copies_verifies(struct sim_run *run, const struct dfs_block_id *block, const struct sim_file *file)
{
    struct sim_block *known = block_find(run->copies, block);
    uint32_t length;
    uint32_t crc;

    return known != NULL ? verifies(run->copies, known, file) : file_check(run->copies, block, file, &length, &crc);
}

bool sim_copies_has(struct sim_run *run, uint32_t data, const struct sim_block *block)
{
    struct sim_copies *copies = run->copies;
    struct sim_block *known = block_find(copies, &block->id);
    char name[DFS_FILE_NAME_BYTES_MAX];

    DFS_ASSERT(known == block);
    dfs_block_name(&block->id, name);
    const struct sim_file *file = sim_disk_find(sim_host_disk(copies->hosts[data]), SIM_NOW, name);

    if (file == NULL || !verifies(copies, known, file))
        return false;
    return block->length_bytes == 0 ||
           (known->sound_length_bytes == block->length_bytes && known->sound_crc32c == block->crc32c);
}

static void count_copies(struct sim_run *run, struct sim_block *block, const struct sim_host_set *active,
                         struct sim_block_copies *ret_copies)
{
    memset(ret_copies, 0, sizeof *ret_copies);
    for (uint32_t i = 0; i < block->holders_count; i++) {
        const uint32_t data = block->holders[i].data;
        const bool is_active = sim_host_set_has(active, 2 + data);
        const bool is_maintained = sim_host_set_has(&run->copies->maintained, 2 + data);

        if (!is_active && !is_maintained && !sim_host_is_up(run->copies->hosts[data]))
            continue;
        if (!sim_copies_has(run, data, block))
            continue;
        ret_copies->anywhere++;
        if (is_active) {
            ret_copies->good++;
            ret_copies->places |= i < SIM_COPIES_PLACES_MAX ? UINT64_C(1) << i : 0;
        } else if (is_maintained) {
            ret_copies->maintained++;
        }
    }
}

/*
 * Copies that stand on active servers and do not verify, on disks that a fault has made rot. Nobody can know of them before somebody reads them: a client, a repair, or a
 * scrub, for which `settle` may be too short.
 */
static uint32_t count_unread(struct sim_run *run, const struct sim_block *block, const struct sim_host_set *active)
{
    const struct sim_scenario *scenario = run->scenario;
    char name[DFS_FILE_NAME_BYTES_MAX];
    uint32_t count = 0;

    if (block->found_bad || scenario->cluster.settings.scrub_interval_ns <= scenario->settle_ns)
        return 0;
    dfs_block_name(&block->id, name);
    for (uint32_t i = 0; i < block->holders_count; i++) {
        const uint32_t data = block->holders[i].data;

        count += sim_host_set_has(active, 2 + data) && sim_nemesis_destroyed(run->nemesis, 2 + data) &&
                 sim_disk_find(sim_host_disk(run->copies->hosts[data]), SIM_NOW, name) != NULL &&
                 !sim_copies_has(run, data, block);
    }
    return count;
}

static void look_at_block(struct sim_run *run, const struct sim_version *version, struct sim_block *block,
                          const struct sim_host_set *active, uint32_t wanted, struct sim_copies_count *count)
{
    struct sim_block_copies copies;
    bool is_missing = false;

    count_copies(run, block, active, &copies);
    count->blocks++;
    if (copies.good >= wanted) {
        count->whole++;
        return;
    }
    count->under++;
    if (copies.anywhere == 0)
        count->lost++;
    else if (copies.good + copies.maintained >= wanted)
        count->waiting++;
    else if (copies.good + copies.maintained + count_unread(run, block, active) >= wanted)
        count->unread++;
    else
        is_missing = true;
    count->missing += is_missing;
    if (is_missing ? count->missing > 1 : count->under > 1)
        return;
    count->first = block->id;
    count->first_of = version;
    count->first_copies = copies.good;
}

void sim_copies_look(struct sim_run *run, const char *path, struct sim_copies_count *ret_count)
{
    struct sim_copies *copies = run->copies;
    const uint32_t replication = (uint32_t)run->scenario->cluster.settings.replication;
    struct sim_host_set active;

    memset(ret_count, 0, sizeof *ret_count);
    ret_count->active = sim_copies_active(run, &active);
    const uint32_t wanted = replication < ret_count->active ? replication : ret_count->active;

    dfs_list_each(at, &copies->live)
    {
        const struct sim_version *version = dfs_container_of(at, struct sim_version, of_live);

        if (!sim_version_is_live(version) || (path != NULL && strcmp(version->path, path) != 0))
            continue;
        for (uint32_t j = 0; j < version->blocks_count; j++) {
            if (version->blocks[j] != NULL)
                look_at_block(run, version, version->blocks[j], &active, wanted, ret_count);
        }
    }
}

uint32_t sim_copies_each(struct sim_run *run,
                         void (*seen)(void *arg, const struct sim_version *version, const struct sim_block *block,
                                      const struct sim_block_copies *copies),
                         void *arg)
{
    struct sim_host_set active;
    const uint32_t count = sim_copies_active(run, &active);

    dfs_list_each(at, &run->copies->live)
    {
        const struct sim_version *version = dfs_container_of(at, struct sim_version, of_live);
        struct sim_block_copies copies;

        for (uint32_t i = 0; sim_version_is_live(version) && i < version->blocks_count; i++) {
            if (version->blocks[i] == NULL)
                continue;
            count_copies(run, version->blocks[i], &active, &copies);
            seen(arg, version, version->blocks[i], &copies);
        }
    }
    return count;
}
