#include "core/meta/namespace.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

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

static int compare_text(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    const size_t common = a_bytes < b_bytes ? a_bytes : b_bytes;
    const int order = common == 0 ? 0 : memcmp(a, b, common);

    if (order != 0)
        return order;
    return (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static const struct meta_path *path_of(const struct dfs_avl_node *node)
{
    return (const struct meta_path *)(const void *)((const char *)node - offsetof(struct meta_path, node));
}

static struct meta_path *path_at(struct dfs_avl_node *node)
{
    return node == NULL ? NULL : dfs_container_of(node, struct meta_path, node);
}

static int compare_paths(const struct dfs_avl_node *a, const struct dfs_avl_node *b)
{
    const struct meta_path *left = path_of(a);
    const struct meta_path *right = path_of(b);

    return compare_text(left->text, left->text_bytes, right->text, right->text_bytes);
}

/* A path built for comparing only. */
union probe {
    struct meta_path path;
    uint8_t room[sizeof(struct meta_path) + DFS_PATH_BYTES_MAX];
};

static struct dfs_avl_node *probe_make(union probe *probe, const char *text, size_t bytes)
{
    DFS_ASSERT(bytes <= DFS_PATH_BYTES_MAX);
    probe->path.text_bytes = (uint16_t)bytes;
    if (bytes > 0)
        memcpy(probe->room + offsetof(struct meta_path, text), text, bytes);
    return &probe->path.node;
}

static size_t path_bytes_of(size_t text_bytes)
{
    return sizeof(struct meta_path) + text_bytes;
}

/* Life --------------------------------------------------------------------------------------------------- */

void meta_namespace_init(struct meta_namespace *ns)
{
    *ns = (struct meta_namespace){0};
    dfs_avl_init(&ns->live, compare_paths);
    dfs_avl_init(&ns->dead, compare_paths);
    /* File ids are ours, nobody chooses them: the map needs no secret seed. */
    dfs_map_init(&ns->files, offsetof(struct meta_version, file.id), sizeof(struct dfs_id), 0);
    dfs_list_init(&ns->versions);
    dfs_list_init(&ns->trash);
}

void meta_namespace_close(struct meta_namespace *ns)
{
    struct dfs_list *at;

    if (ns->versions.next == NULL)
        return; /* zeroed */
    while ((at = dfs_list_first(&ns->versions)) != NULL)
        meta_namespace_drop(ns, dfs_container_of(at, struct meta_version, all));
    dfs_map_close(&ns->files);
}

/* Questions ---------------------------------------------------------------------------------------------- */

struct meta_path *meta_namespace_path(const struct meta_namespace *ns, const char *path, size_t path_bytes)
{
    union probe probe;
    struct dfs_avl_node *node;

    if (path_bytes > DFS_PATH_BYTES_MAX)
        return NULL;
    node = dfs_avl_find(&ns->live, probe_make(&probe, path, path_bytes));
    return path_at(node != NULL ? node : dfs_avl_find(&ns->dead, &probe.path.node));
}

struct meta_version *meta_namespace_current(const struct meta_namespace *ns, const char *path, size_t path_bytes)
{
    union probe probe;
    struct dfs_avl_node *node;

    if (path_bytes > DFS_PATH_BYTES_MAX)
        return NULL;
    node = dfs_avl_find(&ns->live, probe_make(&probe, path, path_bytes));
    return node == NULL ? NULL : path_at(node)->current;
}

struct meta_version *meta_namespace_version(const struct meta_namespace *ns, const char *path, size_t path_bytes,
                                            uint64_t version)
{
    struct meta_path *found = meta_namespace_path(ns, path, path_bytes);

    if (found == NULL)
        return NULL;
    if (found->current != NULL && found->current->version == version)
        return found->current;
    dfs_list_each(at, &found->trash)
    {
        struct meta_version *old = dfs_container_of(at, struct meta_trash, of_path)->version;

        if (old->version == version && (old->file.flags & META_FILE_EXPIRING) == 0)
            return old;
    }
    return NULL;
}

struct meta_version *meta_namespace_file(const struct meta_namespace *ns, const struct dfs_id *file)
{
    return dfs_map_find(&ns->files, file->bytes);
}

struct meta_path *meta_namespace_seek(const struct meta_namespace *ns, const char *key, size_t key_bytes, bool after)
{
    union probe probe;
    struct meta_path *path = path_at(dfs_avl_at_least(&ns->live, probe_make(&probe, key, key_bytes)));

    if (after && path != NULL && compare_text(path->text, path->text_bytes, key, key_bytes) == 0)
        return meta_namespace_next(path);
    return path;
}

struct meta_path *meta_namespace_next(const struct meta_path *path)
{
    return path_at(dfs_avl_next(&path->node));
}

/* Paths come and go with their versions ------------------------------------------------------------------ */

static struct meta_path *path_take(struct meta_namespace *ns, const char *text, size_t bytes)
{
    struct meta_path *path = meta_namespace_path(ns, text, bytes);

    if (path != NULL)
        return path;
    path = dfs_alloc_zero(path_bytes_of(bytes));
    dfs_list_init(&path->trash);
    path->text_bytes = (uint16_t)bytes;
    memcpy(path->text, text, bytes);
    dfs_avl_insert(&ns->dead, &path->node);
    ns->bytes += path_bytes_of(bytes);
    return path;
}

/* In the tree where it belongs, or gone when nothing is left of it. During a replay a version may have its
 * path without being its current one. */
static void path_settle(struct meta_namespace *ns, struct meta_path *path, bool was_live)
{
    const bool is_live = path->current != NULL;

    if (path->versions == 0) {
        dfs_avl_remove(was_live ? &ns->live : &ns->dead, &path->node);
        ns->bytes -= path_bytes_of(path->text_bytes);
        dfs_free(path);
        return;
    }
    if (is_live == was_live)
        return;
    dfs_avl_remove(was_live ? &ns->live : &ns->dead, &path->node);
    dfs_avl_insert(is_live ? &ns->live : &ns->dead, &path->node);
}

static void trash_leave(struct meta_namespace *ns, struct meta_version *version)
{
    if (version->trash == NULL)
        return;
    dfs_list_remove(&version->trash->of_path);
    dfs_list_remove(&version->trash->by_age);
    dfs_free(version->trash);
    version->trash = NULL;
    ns->trash_count--;
    ns->bytes -= sizeof(struct meta_trash);
}

/* Takes the version from where it is; its path may be gone after. */
static void leave(struct meta_namespace *ns, struct meta_version *version)
{
    struct meta_path *path = version->path;
    bool was_live;

    trash_leave(ns, version);
    version->file.flags &= (uint8_t)~META_FILE_CURRENT;
    version->path = NULL;
    if (path == NULL)
        return;
    was_live = path->current != NULL;
    if (path->current == version)
        path->current = NULL;
    path->versions--;
    path_settle(ns, path, was_live);
}

/* Assignments -------------------------------------------------------------------------------------------- */

struct meta_version *meta_namespace_add(struct meta_namespace *ns, const struct dfs_id *file, uint64_t serial)
{
    struct meta_version *version = dfs_alloc_zero(sizeof *version);
    struct dfs_list *before = &ns->versions;

    version->file.id = *file;
    version->serial = serial;
    dfs_map_insert(&ns->files, version);
    /* Nearly always at the end; a replay over a checkpoint may bring an older one late. */
    while (before->prev != &ns->versions && dfs_container_of(before->prev, struct meta_version, all)->serial > serial)
        before = before->prev;
    dfs_list_insert(before, &version->all);
    ns->versions_count++;
    ns->bytes += sizeof *version;
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

void meta_namespace_place(struct meta_namespace *ns, struct meta_version *version, const char *path_text,
                          size_t path_bytes, uint64_t number)
{
    char text[DFS_PATH_BYTES_MAX]; /* path_text may be that of the path which is left, and freed */
    struct meta_path *path;
    bool was_live;

    DFS_ASSERT(path_bytes <= sizeof text);
    memcpy(text, path_text, path_bytes);
    leave(ns, version);
    path = path_take(ns, text, path_bytes);
    was_live = path->current != NULL;
    /* During a replay another version may still be flagged as current here; its own assignment comes. */
    path->current = version;
    path->versions++;
    version->path = path;
    version->file.flags |= META_FILE_CURRENT;
    number_set(ns, version, number);
    path_settle(ns, path, was_live);
}

void meta_namespace_trash(struct meta_namespace *ns, struct meta_version *version, const char *path_text,
                          size_t path_bytes, uint64_t number, uint64_t removed_ms, dfs_time_ns due)
{
    struct meta_trash *trash = version->trash;
    struct meta_path *path;

    number_set(ns, version, number);
    if (trash != NULL && trash->removed_ms == removed_ms &&
        compare_text(version->path->text, version->path->text_bytes, path_text, path_bytes) == 0)
        return;
    /* The new place first: the text may be that of the path which is left. */
    path = path_take(ns, path_text, path_bytes);
    trash = dfs_alloc_zero(sizeof *trash);
    trash->version = version;
    trash->removed_ms = removed_ms;
    trash->due = due;
    path->versions++;
    dfs_list_push_front(&path->trash, &trash->of_path);
    dfs_list_init(&trash->by_age);
    leave(ns, version);
    version->path = path;
    version->trash = trash;
    dfs_list_push(&ns->trash, &trash->by_age);
    ns->trash_count++;
    ns->bytes += sizeof *trash;
}

void meta_namespace_drop(struct meta_namespace *ns, struct meta_version *version)
{
    DFS_ASSERT(version->file.blocks == NULL);
    leave(ns, version);
    dfs_list_remove(&version->all);
    dfs_map_remove(&ns->files, version->file.id.bytes);
    dfs_free(version);
    ns->versions_count--;
    ns->bytes -= sizeof *version;
}

/* Soundness ---------------------------------------------------------------------------------------------- */

/* Once a replay is over: every version is its path's current one or in its trash. */
static bool path_is_sound(const struct meta_path *path, bool live, uint64_t *versions, uint64_t *trash)
{
    const uint64_t before = *versions;

    if (live != (path->current != NULL) || path->versions == 0)
        return false;
    if (live) {
        if (path->current->path != path || path->current->trash != NULL)
            return false;
        (*versions)++;
    }
    for (const struct dfs_list *at = path->trash.next; at != &path->trash; at = at->next) {
        const struct meta_trash *removed =
            (const struct meta_trash *)(const void *)((const char *)at - offsetof(struct meta_trash, of_path));

        if (removed->version->path != path || removed->version->trash != removed)
            return false;
        (*versions)++;
        (*trash)++;
    }
    return *versions - before == path->versions;
}

static bool tree_is_sound(const struct dfs_avl *tree, bool live, uint64_t *versions, uint64_t *trash)
{
    if (!dfs_avl_is_sound(tree))
        return false;
    for (const struct dfs_avl_node *at = dfs_avl_first(tree); at != NULL; at = dfs_avl_next(at)) {
        if (!path_is_sound(path_of(at), live, versions, trash))
            return false;
    }
    return true;
}

bool meta_namespace_is_sound(const struct meta_namespace *ns)
{
    uint64_t versions = 0;
    uint64_t trash = 0;
    uint64_t serial = 0;

    if (!tree_is_sound(&ns->live, true, &versions, &trash) || !tree_is_sound(&ns->dead, false, &versions, &trash))
        return false;
    for (const struct dfs_list *at = ns->versions.next; at != &ns->versions; at = at->next) {
        const struct meta_version *version =
            (const struct meta_version *)(const void *)((const char *)at - offsetof(struct meta_version, all));

        if (version->serial < serial || version->version > ns->sequence)
            return false;
        serial = version->serial;
    }
    return versions == ns->versions_count && trash == ns->trash_count && ns->files.count == ns->versions_count;
}
