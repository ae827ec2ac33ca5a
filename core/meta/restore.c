/*
 * RESTORE: a version comes back out of the trash of its path, under a new number; what was current goes there
 * instead.
 */
#include "core/meta/change.h"

/* The version asked for; 0 asks for the one that was removed last. */
static struct meta_version *version_of(const struct dfs_meta *meta, struct dfs_text path_text, uint64_t number)
{
    const struct meta_path *path;

    if (number != 0)
        return meta_namespace_version(&meta->ns, path_text.at, path_text.count, number);
    path = meta_namespace_path(&meta->ns, path_text.at, path_text.count);
    if (path == NULL)
        return NULL;
    for (meta_trash_no no = path->trash; no != 0; no = meta_trash_at(&meta->ns, no)->older) {
        struct meta_version *version = meta_version_at(&meta->ns, meta_trash_at(&meta->ns, no)->version);

        if ((version->file.flags & META_FILE_EXPIRING) == 0)
            return version;
    }
    return NULL;
}

void meta_on_restore(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_restore *body)
{
    struct meta_version *version;
    struct meta_version *current;
    uint64_t number;

    if (!meta_claims_allow(meta, peer, request, 'w', body->path.at, body->path.count))
        return;
    if (meta_change_answered(meta, peer, request, &body->operation))
        return;
    version = version_of(meta, body->path, body->version);
    if (version == NULL) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_NOT_FOUND, 0,
                            "no such version in the trash of this path");
        return;
    }
    if (version->trash == 0) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_OK, version->version, "it is the current one");
        return;
    }
    current = meta_namespace_current(&meta->ns, body->path.at, body->path.count);
    meta_append_group(meta);
    if (current != NULL)
        meta_version_discard(meta, current);
    number = meta_version_show(meta, version, body->path);
    meta_change_outcome(meta, &body->operation, number);
    meta_trace_committed(meta, &version->file.id, body->path, version->size_bytes, number);
    meta_changed_send(meta, peer, request, DFS_OK, number, NULL);
}
