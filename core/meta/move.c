/*
 * MOVE: a file gets another path, at once; what was there goes to the trash.
 */
#include "core/meta/change.h"

static void moved_synced(struct dfs_meta *meta, const struct meta_after *after)
{
    const struct dfs_trace trace = {.kind = DFS_TRACE_MOVED,
                                    .block = {.file = after->id},
                                    .text = after->text.at,
                                    .text2 = after->text2.at,
                                    .a = after->words[0],
                                    .b = after->words[1]};

    dfs_trace_put(&meta->env, &trace);
}

void meta_on_move(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_move *body)
{
    struct meta_version *source;
    struct meta_version *target;
    uint64_t number;

    if (!meta_claims_allow(meta, peer, request, 'w', body->path.at, body->path.count) ||
        !meta_claims_allow(meta, peer, request, 'w', body->to_path.at, body->to_path.count))
        return;
    if (meta_change_answered(meta, peer, request, &body->operation))
        return;
    if (!meta_path_is_valid(body->to_path.at, body->to_path.count)) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_BAD_REQUEST, 0, "the new path is not a path");
        return;
    }
    source = meta_namespace_current(&meta->ns, body->path.at, body->path.count);
    target = meta_namespace_current(&meta->ns, body->to_path.at, body->to_path.count);
    if (source == NULL) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_NOT_FOUND, 0, NULL);
        return;
    }
    if (target != NULL && body->precondition == DFS_IF_ABSENT) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_EXISTS, target->version,
                            "there is a file at the new path");
        return;
    }
    if (source == target) {
        meta_change_refused(meta, peer, request, &body->operation, DFS_OK, source->version, NULL);
        return;
    }
    meta_append_group(meta);
    if (target != NULL)
        meta_version_discard(meta, target);
    number = meta_version_show(meta, source, body->to_path);
    meta_change_outcome(meta, &body->operation, number);
    const struct meta_after after = {
        .id = source->file.id, .words = {source->size_bytes, number}, .text = body->path, .text2 = body->to_path};

    meta_after_sync(meta, moved_synced, &after);
    meta_changed_send(meta, peer, request, DFS_OK, number, NULL);
}
