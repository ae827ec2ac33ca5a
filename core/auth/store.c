#include "core/auth/store.h"

#include "core/base/assert.h"
#include "core/base/crc32c.h"
#include "core/base/mac.h"
#include "core/env/trace.h"

#include <stdio.h>
#include <string.h>

static const char *const phase_names[] = {
#define X(name) #name,
    DFS_AUTH_STORE_PHASES(X)
#undef X
};

#define TO(phase) (1u << DFS_AUTH_STORE_##phase)
static const uint32_t phase_edges[DFS_AUTH_STORE_PHASE_COUNT] = {
    [DFS_AUTH_STORE_IDLE] = TO(LISTING) | TO(CREATING),
    [DFS_AUTH_STORE_LISTING] = TO(READING) | TO(IDLE),
    [DFS_AUTH_STORE_READING] = TO(READING) | TO(IDLE), /* the next older version */
    [DFS_AUTH_STORE_CREATING] = TO(WRITING) | TO(IDLE),
    [DFS_AUTH_STORE_WRITING] = TO(SYNCING) | TO(IDLE),
    [DFS_AUTH_STORE_SYNCING] = TO(PUBLISHING) | TO(IDLE),
    [DFS_AUTH_STORE_PUBLISHING] = TO(SYNCING_DIR) | TO(IDLE),
    [DFS_AUTH_STORE_SYNCING_DIR] = TO(IDLE),
};
static const struct dfs_path paths[] = {
    {DFS_AUTH_STORE_IDLE, "load", TO(LISTING)},
    {DFS_AUTH_STORE_IDLE, "save", TO(CREATING)},
    {DFS_AUTH_STORE_LISTING, "disk", TO(READING) | TO(IDLE)},
    {DFS_AUTH_STORE_READING, "disk damaged", TO(READING) | TO(IDLE)},
    {DFS_AUTH_STORE_CREATING, "disk", TO(WRITING) | TO(IDLE)},
    {DFS_AUTH_STORE_WRITING, "disk", TO(SYNCING) | TO(IDLE)},
    {DFS_AUTH_STORE_SYNCING, "disk", TO(PUBLISHING) | TO(IDLE)},
    {DFS_AUTH_STORE_PUBLISHING, "disk", TO(SYNCING_DIR) | TO(IDLE)},
    {DFS_AUTH_STORE_SYNCING_DIR, "disk", TO(IDLE)},
};
#undef TO

const struct dfs_gate dfs_auth_store_gate = {
    "auth_store", phase_names, phase_edges, DFS_AUTH_STORE_PHASE_COUNT, "auth's store", DFS_GATE_PATHS(paths)};

static void enter(struct dfs_auth_store *store, enum dfs_auth_store_phase next, const char *why)
{
    DFS_GATE(store->env, &dfs_auth_store_gate, store->phase, next, why);
}

/* Life -------------------------------------------------------------------------------------------------------------------- */

void dfs_auth_store_init(struct dfs_auth_store *store, const struct dfs_env *env, struct dfs_buf_pool *pool,
                         const char *family, uint64_t token_base, uint32_t piece_bytes)
{
    *store = (struct dfs_auth_store){
        .env = env, .pool = pool, .family = family, .token_base = token_base, .piece_bytes = piece_bytes};
}

static void drop_buffer(struct dfs_auth_store *store)
{
    /* Private keys pass through it. */
    if (store->buf != NULL)
        dfs_wipe(store->buf->bytes, store->buf->capacity);
    dfs_buf_unref(store->buf);
    store->buf = NULL;
}

void dfs_auth_store_close(struct dfs_auth_store *store)
{
    dfs_buf_unref(store->buf);
    store->buf = NULL;
    dfs_lines_close(&store->lines);
}

/* One operation at a time: an answer to an older one finds another generation, and nobody. */
static void submit(struct dfs_auth_store *store, struct dfs_disk_op op)
{
    op.token = store->token_base | ++store->token_generation;
    store->env->disk->submit(store->env->ctx, &op);
}

/* The answer to this one is not waited for. */
static void submit_remove(struct dfs_auth_store *store, const char *name)
{
    const struct dfs_disk_op op = {.verb = DFS_DISK_REMOVE, .name = name, .token = store->token_base};

    store->env->disk->submit(store->env->ctx, &op);
}

static void version_name(const struct dfs_auth_store *store, uint64_t version, char ret_name[DFS_FILE_NAME_BYTES_MAX])
{
    snprintf(ret_name, DFS_FILE_NAME_BYTES_MAX, "%s-%llu", store->family, (unsigned long long)version);
}

static enum dfs_auth_store_outcome end(struct dfs_auth_store *store, enum dfs_auth_store_outcome outcome,
                                       enum dfs_status status, const char *why)
{
    drop_buffer(store);
    if (outcome != DFS_AUTH_STORE_LOADED)
        dfs_lines_close(&store->lines);
    store->status = status;
    enter(store, DFS_AUTH_STORE_IDLE, why);
    return outcome;
}

/* Load -------------------------------------------------------------------------------------------------------------------- */

void dfs_auth_store_load(struct dfs_auth_store *store)
{
    store->versions_count = 0;
    dfs_lines_close(&store->lines);
    enter(store, DFS_AUTH_STORE_LISTING, "load");
    submit(store, (struct dfs_disk_op){.verb = DFS_DISK_LIST});
}

/* The number in "accounts-12", or of "accounts-12.tmp-..." with *ret_temporary; 0: another name. */
static uint64_t parse_version(const struct dfs_auth_store *store, const char *name, bool *ret_temporary)
{
    const size_t family_count = strlen(store->family);
    uint64_t version = 0;
    const char *at;

    if (strncmp(name, store->family, family_count) != 0 || name[family_count] != '-' || name[family_count + 1] == '0')
        return 0;
    for (at = name + family_count + 1; *at >= '0' && *at <= '9'; at++) {
        if (version > UINT64_MAX / 100)
            return 0;
        version = version * 10 + (uint64_t)(*at - '0');
    }
    *ret_temporary = strncmp(at, ".tmp-", 5) == 0;
    return *at == '\0' || *ret_temporary ? version : 0;
}

static void remember_version(struct dfs_auth_store *store, uint64_t version)
{
    size_t place = 0;

    if (store->newest < version)
        store->newest = version;
    while (place < store->versions_count && store->versions[place] > version)
        place++;
    if (place == DFS_AUTH_STORE_VERSIONS_MAX)
        return;
    if (store->versions_count < DFS_AUTH_STORE_VERSIONS_MAX)
        store->versions_count++;
    for (size_t i = store->versions_count - 1; i > place; i--)
        store->versions[i] = store->versions[i - 1];
    store->versions[place] = version;
}

static void read_piece(struct dfs_auth_store *store)
{
    char name[DFS_FILE_NAME_BYTES_MAX];

    version_name(store, store->versions[store->reading], name);
    if (store->buf == NULL)
        store->buf = dfs_buf_new(store->pool, store->piece_bytes);
    DFS_ASSERT(store->buf != NULL); /* the machine's pool is made for this */
    submit(store, (struct dfs_disk_op){.verb = DFS_DISK_READ,
                                       .name = name,
                                       .buf = store->buf,
                                       .offset = store->lines.count,
                                       .length = store->piece_bytes});
}

static enum dfs_auth_store_outcome on_list(struct dfs_auth_store *store, const struct dfs_disk_done *done)
{
    if (done->status != DFS_OK)
        return end(store, DFS_AUTH_STORE_FAILED, done->status, "disk");
    for (uint64_t i = 0; i < done->count; i++) {
        bool temporary = false;
        const uint64_t version = parse_version(store, done->entries[i].name, &temporary);

        if (version > 0 && !temporary)
            remember_version(store, version);
    }
    /* What an interrupted save left behind. One for the next version may be another process's, still at work. */
    for (uint64_t i = 0; i < done->count; i++) {
        bool temporary = false;
        const uint64_t version = parse_version(store, done->entries[i].name, &temporary);

        if (version > 0 && temporary && version <= store->newest)
            submit_remove(store, done->entries[i].name);
    }
    if (store->versions_count == 0)
        return end(store, DFS_AUTH_STORE_NONE, DFS_OK, "disk");
    store->reading = 0;
    enter(store, DFS_AUTH_STORE_READING, "disk");
    read_piece(store);
    return DFS_AUTH_STORE_BUSY;
}

/* Does the text end in a line that describes what stands before it? That line is cut off. */
static bool cut_trailer(struct dfs_auth_store *store)
{
    struct dfs_lines *lines = &store->lines;
    struct dfs_member member;
    uint64_t bytes = UINT64_MAX;
    uint64_t crc = UINT64_MAX;
    bool family = false;
    size_t begin;
    int more;

    if (lines->count < 2 || lines->text[lines->count - 1] != '\n')
        return false;
    for (begin = lines->count - 1; begin > 0 && lines->text[begin - 1] != '\n'; begin--)
        continue;
    char *at = lines->text + begin;
    char *line = dfs_lines_next(&at, lines->text + lines->count);

    DFS_ASSERT(line != NULL);
    while ((more = dfs_line_member(&line, &member)) == 1) {
        if (strcmp(member.key, "end") == 0 && member.kind == DFS_MEMBER_TEXT)
            family = strcmp(member.text, store->family) == 0;
        else if (strcmp(member.key, "bytes") == 0 && member.kind == DFS_MEMBER_NUMBER)
            bytes = member.number;
        else if (strcmp(member.key, "crc32c") == 0 && member.kind == DFS_MEMBER_NUMBER)
            crc = member.number;
    }
    lines->count = begin;
    return more == 0 && family && bytes == begin && crc == dfs_crc32c(0, lines->text, begin);
}

static void add_trailer(struct dfs_auth_store *store, struct dfs_lines *lines)
{
    const uint64_t bytes = lines->count;
    const uint32_t crc = dfs_crc32c(0, lines->text, lines->count);

    dfs_line_begin(lines);
    dfs_line_text(lines, "end", store->family);
    dfs_line_number(lines, "bytes", bytes);
    dfs_line_number(lines, "crc32c", crc);
    dfs_line_end(lines);
}

static enum dfs_auth_store_outcome on_read(struct dfs_auth_store *store, const struct dfs_disk_done *done)
{
    if (done->status == DFS_OK && store->lines.count + done->count <= DFS_AUTH_STORE_BYTES_MAX) {
        dfs_lines_add(&store->lines, store->buf->bytes, done->count);
        if (done->count == store->piece_bytes) {
            read_piece(store);
            return DFS_AUTH_STORE_BUSY;
        }
        if (cut_trailer(store))
            return end(store, DFS_AUTH_STORE_LOADED, DFS_OK, "disk");
    }
    /* This version is damaged, or went while we looked. */
    dfs_lines_close(&store->lines);
    dfs_trace_note(store->env, DFS_IO, "a version of accounts or keys is damaged: the one before it is read");
    if (++store->reading < store->versions_count) {
        enter(store, DFS_AUTH_STORE_READING, "damaged");
        read_piece(store);
        return DFS_AUTH_STORE_BUSY;
    }
    return end(store, DFS_AUTH_STORE_FAILED, DFS_IO, "damaged");
}

/* Save -------------------------------------------------------------------------------------------------------------------- */

void dfs_auth_store_save(struct dfs_auth_store *store, struct dfs_lines *take_lines)
{
    uint8_t random[4] = {0};

    store->env->rng->random(store->env->ctx, DFS_RNG_ID, random, sizeof random);
    dfs_lines_close(&store->lines);
    store->lines = *take_lines;
    *take_lines = (struct dfs_lines){0};
    add_trailer(store, &store->lines);
    store->written = 0;
    store->writing = store->newest + 1;
    /* Another process may be making the same version: the temporary is nobody else's, and PUBLISH lets only one of them win. */
    snprintf(store->temporary, sizeof store->temporary, "%s-%llu.tmp-%02x%02x%02x%02x", store->family,
             (unsigned long long)store->writing, (unsigned)random[0], (unsigned)random[1], (unsigned)random[2],
             (unsigned)random[3]);
    enter(store, DFS_AUTH_STORE_CREATING, "save");
    submit(store,
           (struct dfs_disk_op){.verb = DFS_DISK_CREATE, .name = store->temporary, .length = store->lines.count});
}

static void write_piece(struct dfs_auth_store *store)
{
    const size_t left = store->lines.count - store->written;
    const size_t count = left < store->piece_bytes ? left : store->piece_bytes;

    if (store->buf == NULL)
        store->buf = dfs_buf_new(store->pool, store->piece_bytes);
    DFS_ASSERT(store->buf != NULL);
    memcpy(store->buf->bytes, store->lines.text + store->written, count);
    store->buf->count = count;
    submit(store, (struct dfs_disk_op){.verb = DFS_DISK_WRITE,
                                       .name = store->temporary,
                                       .buf = store->buf,
                                       .offset = store->written,
                                       .length = count});
    store->written += count;
}

static enum dfs_auth_store_outcome save_failed(struct dfs_auth_store *store, enum dfs_status status)
{
    submit_remove(store, store->temporary);
    return end(store, DFS_AUTH_STORE_FAILED, status, "disk");
}

static enum dfs_auth_store_outcome on_published_durably(struct dfs_auth_store *store)
{
    char name[DFS_FILE_NAME_BYTES_MAX];

    for (size_t i = 0; i < store->versions_count; i++) {
        version_name(store, store->versions[i], name);
        submit_remove(store, name);
    }
    store->versions_count = 0;
    remember_version(store, store->writing);
    return end(store, DFS_AUTH_STORE_SAVED, DFS_OK, "disk");
}

enum dfs_auth_store_outcome dfs_auth_store_step(struct dfs_auth_store *store, const struct dfs_disk_done *done)
{
    if (store->phase == DFS_AUTH_STORE_IDLE || done->token != (store->token_base | store->token_generation))
        return DFS_AUTH_STORE_BUSY; /* a removal that nobody waits for */
    if (store->phase == DFS_AUTH_STORE_LISTING)
        return on_list(store, done);
    if (store->phase == DFS_AUTH_STORE_READING)
        return on_read(store, done);
    if (done->status != DFS_OK)
        return save_failed(store, done->status);
    switch (store->phase) {
    case DFS_AUTH_STORE_CREATING:
        enter(store, DFS_AUTH_STORE_WRITING, "disk");
        write_piece(store);
        return DFS_AUTH_STORE_BUSY;
    case DFS_AUTH_STORE_WRITING:
        if (store->written < store->lines.count) {
            write_piece(store);
            return DFS_AUTH_STORE_BUSY;
        }
        enter(store, DFS_AUTH_STORE_SYNCING, "disk");
        submit(store, (struct dfs_disk_op){.verb = DFS_DISK_SYNC, .name = store->temporary});
        return DFS_AUTH_STORE_BUSY;
    case DFS_AUTH_STORE_SYNCING: {
        char name[DFS_FILE_NAME_BYTES_MAX];

        version_name(store, store->writing, name);
        enter(store, DFS_AUTH_STORE_PUBLISHING, "disk");
        submit(store, (struct dfs_disk_op){.verb = DFS_DISK_PUBLISH, .name = store->temporary, .name2 = name});
        return DFS_AUTH_STORE_BUSY;
    }
    case DFS_AUTH_STORE_PUBLISHING:
        store->newest = store->writing; /* taken, whatever becomes of the directory's sync */
        enter(store, DFS_AUTH_STORE_SYNCING_DIR, "disk");
        submit(store, (struct dfs_disk_op){.verb = DFS_DISK_SYNC_DIR});
        return DFS_AUTH_STORE_BUSY;
    case DFS_AUTH_STORE_SYNCING_DIR:
        return on_published_durably(store);
    case DFS_AUTH_STORE_IDLE:
    case DFS_AUTH_STORE_LISTING:
    case DFS_AUTH_STORE_READING:
    case DFS_AUTH_STORE_PHASE_COUNT:
        break;
    }
    dfs_unreachable("dfs_auth_store_step");
}
