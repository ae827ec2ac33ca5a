/*
 * VERSIONS: what a path has been, the newest first.
 */
#include "core/base/assert.h"
#include "core/meta/meta_internal.h"

static void version_put(const struct dfs_meta *meta, struct dfs_m_versions_page *page,
                        const struct meta_version *version)
{
    page->versions[page->versions_count++] = (struct dfs_w_version){
        .version = version->version,
        .file = version->file.id,
        .size_bytes = version->size_bytes,
        .created_ms = version->created_ms,
        .removed_ms = meta_version_removed_ms(&meta->ns, version),
    };
}

void meta_on_versions(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request,
                      const struct dfs_m_versions *body)
{
    struct dfs_m_versions_page page = {.versions = NULL};
    const struct meta_path *path;

    if (!meta_claims_allow(meta, peer, request, 'r', body->path.at, body->path.count))
        return;
    path = meta_namespace_path(&meta->ns, body->path.at, body->path.count);
    if (path == NULL) {
        meta_reply_status(meta, peer, request, DFS_NOT_FOUND, NULL);
        return;
    }
    page.versions = dfs_arena_take(&meta->scratch, DFS_LIST_PAGE_MAX, sizeof *page.versions);
    DFS_ASSERT(page.versions != NULL);
    if (path->current != 0)
        version_put(meta, &page, meta_path_current(&meta->ns, path));
    for (meta_trash_no no = path->trash; no != 0 && page.versions_count < DFS_LIST_PAGE_MAX;) {
        const struct meta_trash *trash = meta_trash_at(&meta->ns, no);
        const struct meta_version *version = meta_version_at(&meta->ns, trash->version);

        if ((version->file.flags & META_FILE_EXPIRING) == 0)
            version_put(meta, &page, version);
        no = trash->older;
    }
    if (page.versions_count == 0)
        meta_reply_status(meta, peer, request, DFS_NOT_FOUND, NULL); /* the last one is expiring */
    else
        meta_reply(meta, peer, request, DFS_MSG_VERSIONS_PAGE, &page);
}
