/*
 * REMOVE: a path's current version goes to the trash.
 */
#include "core/meta/change.h"

void meta_on_remove(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_remove *body)
{
    struct meta_version *current;
    uint64_t number;

    if (!meta_claims_allow(meta, peer, request, 'w', body->path.at, body->path.count))
        return;
    if (meta_change_answered(meta, peer, request, &body->operation))
        return;
    current = meta_namespace_current(&meta->ns, body->path.at, body->path.count);
    if (current == NULL) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_NOT_FOUND, 0, NULL);
        return;
    }
    if (body->if_version != 0 && body->if_version != current->version) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_PRECONDITION_FAILED, current->version, NULL);
        return;
    }
    number = current->version;
    meta_append_group(meta);
    meta_version_discard(meta, current);
    meta_change_outcome(meta, &body->operation, number);
    meta_changed_send(meta, peer, request, DFS_OK, number, NULL);
}
