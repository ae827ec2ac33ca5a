#include "core/meta/namespace.h"

#include "core/base/assert.h"
#include "core/base/list.h"
#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Paths -------------------------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at `at` (1..4), 0 when it is broken, overlong, a surrogate, past U+10FFFF,
 * or a control character. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    const uint8_t lead = at[0];
    size_t length;
    uint32_t code;

    if (lead < 0x80)
        return lead < 0x20 || lead == 0x7f ? 0 : 1;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
        code = lead & 0x1fu;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        code = lead & 0x0fu;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        code = lead & 0x07u;
    } else {
        return 0;
    }
    if (left < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff)) ||
        (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return length;
}

static bool component_is_valid(const char *at, size_t count)
{
    return count > 0 && !(count == 1 && at[0] == '.') && !(count == 2 && at[0] == '.' && at[1] == '.');
}

bool meta_path_is_valid(const char *path, size_t path_bytes)
{
    size_t begin = 0;

    if (path_bytes == 0 || path_bytes > DFS_PATH_BYTES_MAX)
        return false;
    for (size_t i = 0; i < path_bytes;) {
        const size_t length = utf8_length((const uint8_t *)path + i, path_bytes - i);

        if (length == 0)
            return false;
        if (path[i] == '/') {
            if (!component_is_valid(path + begin, i - begin))
                return false;
            begin = i + 1;
        }
        i += length;
    }
    return component_is_valid(path + begin, path_bytes - begin);
}

/* Life --------------------------------------------------------------------------------------------------- */

_Static_assert(sizeof(struct meta_version) == 88, "a version's share of memory is promised");
_Static_assert(sizeof(struct meta_trash) == 32, "a removed version's share of memory is promised");

static uint64_t hash_of(const struct dfs_id *file)
{
    uint64_t halves[2];

    /* File ids are ours, drawn at random, and nobody chooses them: no secret is needed, and little mixing. */
    memcpy(halves, file->bytes, sizeof halves);
    return (halves[0] * UINT64_C(0x9e3779b97f4a7c15) + halves[1]) * UINT64_C(0xc2b2ae3d27d4eb4f) >> 32;
}

static uint64_t hash_of_version(const void *owner, uint32_t number)
{
    return hash_of(&meta_version_at(owner, number)->file.id);
}

static uint32_t *chain_of_version(const void *owner, uint32_t number)
{
    return &meta_version_at(owner, number)->chain;
}

void meta_namespace_init(struct meta_namespace *ns, uint64_t seed)
{
    *ns = (struct meta_namespace){.sequence = 0};
    meta_paths_init(&ns->paths, seed);
    meta_pool_init(&ns->versions, sizeof(struct meta_version));
    meta_pool_init(&ns->trash, sizeof(struct meta_trash));
    meta_index_init(&ns->files, ns, hash_of_version, chain_of_version);
    dfs_heap_init(&ns->due);
}

void meta_namespace_close(struct meta_namespace *ns)
{
    struct meta_version *version;
    meta_version_no number = 1;

    if (ns->versions.entry_bytes == 0)
        return; /* zeroed */
    while ((version = meta_namespace_walk(ns, &number)) != NULL)
        meta_namespace_drop(ns, version);
    dfs_heap_close(&ns->due);
    meta_index_close(&ns->files);
    meta_pool_close(&ns->versions);
    meta_pool_close(&ns->trash);
    meta_paths_close(&ns->paths);
}

uint64_t meta_namespace_bytes(const struct meta_namespace *ns)
{
    return meta_paths_bytes(&ns->paths) + meta_pool_bytes(&ns->versions) + meta_pool_bytes(&ns->trash) +
           (uint64_t)ns->files.room * sizeof ns->files.heads[0] + ns->due.capacity * sizeof ns->due.entries[0];
}

/* Questions ---------------------------------------------------------------------------------------------- */

struct meta_path *meta_namespace_path(const struct meta_namespace *ns, const char *path, size_t path_bytes)
{
    const meta_path_no number = meta_paths_find(&ns->paths, path, path_bytes);

    return number == 0 ? NULL : meta_path_at(&ns->paths, number);
}

struct meta_version *meta_namespace_current(const struct meta_namespace *ns, const char *path, size_t path_bytes)
{
    const struct meta_path *found = meta_namespace_path(ns, path, path_bytes);

    return found == NULL ? NULL : meta_path_current(ns, found);
}

struct meta_version *meta_namespace_version(const struct meta_namespace *ns, const char *path, size_t path_bytes,
                                            uint64_t version)
{
    const struct meta_path *found = meta_namespace_path(ns, path, path_bytes);
    struct meta_version *at;

    if (found == NULL)
        return NULL;
    at = meta_path_current(ns, found);
    if (at != NULL && at->version == version)
        return at;
    for (meta_trash_no no = found->trash; no != 0; no = meta_trash_at(ns, no)->older) {
        at = meta_version_at(ns, meta_trash_at(ns, no)->version);
        if (at->version == version && (at->file.flags & META_FILE_EXPIRING) == 0)
            return at;
    }
    return NULL;
}

struct meta_version *meta_namespace_file(const struct meta_namespace *ns, const struct dfs_id *file)
{
    meta_version_no number = meta_index_first(&ns->files, hash_of(file));

    while (number != 0) {
        struct meta_version *version = meta_version_at(ns, number);

        if (dfs_id_equal(&version->file.id, file))
            return version;
        number = version->chain;
    }
    return NULL;
}

struct meta_version *meta_namespace_walk(const struct meta_namespace *ns, meta_version_no *number)
{
    while (*number <= ns->versions.used) {
        struct meta_version *version = meta_version_at(ns, (*number)++);

        if (version->number != 0)
            return version;
    }
    return NULL;
}

struct meta_trash *meta_namespace_due(const struct meta_namespace *ns)
{
    return ns->due.count == 0 ? NULL : dfs_container_of(ns->due.entries[0].item, struct meta_trash, by_due);
}

struct meta_path *meta_namespace_seek(const struct meta_namespace *ns, const char *key, size_t key_bytes, bool after)
{
    struct meta_path *path = meta_paths_at_least(&ns->paths, key, key_bytes);

    if (after && path != NULL && meta_path_compare(path, key, key_bytes) == 0)
        return meta_paths_next(&ns->paths, path);
    return path;
}

struct meta_path *meta_namespace_next(const struct meta_namespace *ns, const struct meta_path *path)
{
    return meta_paths_next(&ns->paths, path);
}

/* Paths come and go with their versions ------------------------------------------------------------------ */

/* The path, made if need be, and one version more. */
static meta_path_no path_enter(struct meta_namespace *ns, const char *text, size_t bytes)
{
    meta_path_no number = meta_paths_find(&ns->paths, text, bytes);

    if (number == 0)
        number = meta_paths_add(&ns->paths, text, bytes);
    meta_path_at(&ns->paths, number)->versions++;
    return number;
}

/* Listed or not, or gone when nothing is left of it. During a replay a version may have its path without being its current
 * one. */
static void path_settle(struct meta_namespace *ns, meta_path_no number)
{
    const struct meta_path *path = meta_path_at(&ns->paths, number);

    if (path->versions == 0)
        meta_paths_remove(&ns->paths, number);
    else
        meta_paths_order(&ns->paths, number, path->current != 0);
}

/* To the front: the newest removal. */
static void trash_push(struct meta_namespace *ns, struct meta_path *path, meta_trash_no number)
{
    struct meta_trash *trash = meta_trash_at(ns, number);

    trash->newer = 0;
    trash->older = path->trash;
    if (path->trash != 0)
        meta_trash_at(ns, path->trash)->newer = number;
    path->trash = number;
}

static void trash_enter(struct meta_namespace *ns, struct meta_version *version, meta_path_no to, uint64_t removed_ms,
                        dfs_time_ns due)
{
    struct meta_path *path = meta_path_at(&ns->paths, to);
    const meta_trash_no number = meta_pool_take(&ns->trash);
    struct meta_trash *trash = meta_trash_at(ns, number);

    trash->version = version->number;
    trash->removed_ms = removed_ms;
    trash->due = due;
    trash_push(ns, path, number);
    dfs_heap_item_init(&trash->by_due);
    dfs_heap_set(&ns->due, &trash->by_due, due);
    version->trash = number;
}

static void trash_leave(struct meta_namespace *ns, struct meta_version *version)
{
    struct meta_trash *trash;

    if (version->trash == 0)
        return;
    trash = meta_trash_at(ns, version->trash);
    if (trash->newer != 0)
        meta_trash_at(ns, trash->newer)->older = trash->older;
    else
        meta_path_at(&ns->paths, version->path)->trash = trash->older;
    if (trash->older != 0)
        meta_trash_at(ns, trash->older)->newer = trash->newer;
    dfs_heap_remove(&ns->due, &trash->by_due);
    meta_pool_give(&ns->trash, version->trash);
    version->trash = 0;
}

/* Takes the version from where it is; its path may be gone after. */
static void leave(struct meta_namespace *ns, struct meta_version *version)
{
    const meta_path_no from = version->path;
    struct meta_path *path;

    trash_leave(ns, version);
    version->file.flags &= (uint8_t)~META_FILE_CURRENT;
    version->path = 0;
    if (from == 0)
        return;
    path = meta_path_at(&ns->paths, from);
    if (path->current == version->number)
        path->current = 0;
    path->versions--;
    path_settle(ns, from);
}

/* Assignments -------------------------------------------------------------------------------------------- */

struct meta_version *meta_namespace_add(struct meta_namespace *ns, const struct dfs_id *file, uint64_t serial)
{
    const meta_version_no number = meta_pool_take(&ns->versions);
    struct meta_version *version = meta_version_at(ns, number);

    DFS_ASSERT(meta_namespace_file(ns, file) == NULL);
    version->number = number;
    version->file.id = *file;
    version->serial = serial;
    meta_index_add(&ns->files, hash_of(file), number);
    if (serial > ns->sequence)
        ns->sequence = serial;
    return version;
}

static void number_set(struct meta_namespace *ns, struct meta_version *version, uint64_t number)
{
    version->version = number;
    if (number > ns->sequence)
        ns->sequence = number;
}

/* In both the new place is entered before the old one is left: the text may be that of the path which goes. */

void meta_namespace_place(struct meta_namespace *ns, struct meta_version *version, const char *path, size_t path_bytes,
                          uint64_t number)
{
    const meta_path_no to = path_enter(ns, path, path_bytes);

    leave(ns, version);
    /* During a replay another version may still be flagged as current here; its own assignment comes. */
    meta_path_at(&ns->paths, to)->current = version->number;
    version->path = to;
    version->file.flags |= META_FILE_CURRENT;
    number_set(ns, version, number);
    path_settle(ns, to);
}

static bool is_in_trash_of(const struct meta_namespace *ns, const struct meta_version *version, const char *path,
                           size_t path_bytes, uint64_t removed_ms)
{
    return version->trash != 0 && meta_trash_at(ns, version->trash)->removed_ms == removed_ms &&
           meta_path_compare(meta_version_path(ns, version), path, path_bytes) == 0;
}

void meta_namespace_trash(struct meta_namespace *ns, struct meta_version *version, const char *path, size_t path_bytes,
                          uint64_t number, uint64_t removed_ms, dfs_time_ns due)
{
    meta_path_no to;

    number_set(ns, version, number);
    if (is_in_trash_of(ns, version, path, path_bytes, removed_ms))
        return;
    to = path_enter(ns, path, path_bytes);
    leave(ns, version);
    version->path = to;
    trash_enter(ns, version, to, removed_ms, due);
}

void meta_namespace_expiring(struct meta_namespace *ns, struct meta_version *version)
{
    DFS_ASSERT(version->trash != 0);
    version->file.flags |= META_FILE_EXPIRING;
    dfs_heap_remove(&ns->due, &meta_trash_at(ns, version->trash)->by_due);
}

struct removed {
    uint64_t removed_ms;
    uint64_t version; /* of two removals in a millisecond the newer version's was the later one */
    meta_version_no number;
};

static int compare_removed(const void *a, const void *b)
{
    const struct removed *left = a;
    const struct removed *right = b;

    if (left->removed_ms != right->removed_ms)
        return left->removed_ms < right->removed_ms ? -1 : 1;
    return (left->version > right->version) - (left->version < right->version);
}

void meta_namespace_replayed(struct meta_namespace *ns)
{
    struct removed *all = dfs_alloc_zero_array(ns->trash.count, sizeof *all);
    const struct meta_version *version;
    meta_version_no number = 1;
    uint32_t count = 0;

    while ((version = meta_namespace_walk(ns, &number)) != NULL) {
        if (version->trash == 0)
            continue;
        all[count++] = (struct removed){
            .removed_ms = meta_version_removed_ms(ns, version), .version = version->version, .number = version->number};
        meta_version_path(ns, version)->trash = 0;
    }
    if (count > 1)
        qsort(all, count, sizeof *all, compare_removed);
    for (uint32_t i = 0; i < count; i++) {
        version = meta_version_at(ns, all[i].number);
        trash_push(ns, meta_path_at(&ns->paths, version->path), version->trash);
    }
    dfs_free(all);
}

void meta_namespace_drop(struct meta_namespace *ns, struct meta_version *version)
{
    DFS_ASSERT(version->file.blocks_count == 0);
    leave(ns, version);
    meta_index_remove(&ns->files, hash_of(&version->file.id), version->number);
    meta_pool_give(&ns->versions, version->number);
}

/* Soundness ---------------------------------------------------------------------------------------------- */

/* Where a version says that it is, it is. Once a replay is over every version is its path's current one or in its trash. */
static bool version_is_sound(const struct meta_namespace *ns, const struct meta_version *version)
{
    const struct meta_path *path = meta_version_path(ns, version);

    if (version->version > ns->sequence || version->serial > ns->sequence || path == NULL)
        return false;
    if (version->trash == 0)
        return path->current == version->number && path->height != 0;
    return path->current != version->number && meta_trash_at(ns, version->trash)->version == version->number;
}

/* Versions of a path as it counts them: what is current, and its trash, in both directions. */
static bool path_is_sound(const struct meta_namespace *ns, const struct meta_path *path, uint64_t *trash)
{
    uint32_t count = path->current != 0;
    meta_trash_no newer = 0;

    for (meta_trash_no no = path->trash; no != 0; no = meta_trash_at(ns, no)->older) {
        if (meta_trash_at(ns, no)->newer != newer || count++ > path->versions)
            return false;
        newer = no;
        (*trash)++;
    }
    return count == path->versions && (path->height != 0) == (path->current != 0);
}

bool meta_namespace_is_sound(const struct meta_namespace *ns)
{
    uint64_t versions = 0;
    uint64_t trash = 0;
    meta_version_no number = 1;
    const struct meta_version *version;

    if (!meta_paths_is_sound(&ns->paths) || !meta_index_is_sound(&ns->files))
        return false;
    while ((version = meta_namespace_walk(ns, &number)) != NULL) {
        const struct meta_path *path = meta_version_path(ns, version);

        versions++;
        if (!version_is_sound(ns, version))
            return false;
        /* Each path once: by its current version, or by the one that was removed last. */
        if (path != NULL &&
            (path->current == version->number || (path->current == 0 && path->trash == version->trash)) &&
            !path_is_sound(ns, path, &trash))
            return false;
    }
    return versions == ns->versions.count && versions == ns->files.count && trash == ns->trash.count;
}
