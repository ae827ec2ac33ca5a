/*
 * FSCK: every file below a prefix, a page at a time: copies wanted, whole, missing, bad. Figures are of the
 * page; the asker adds them up.
 */
#include "core/base/assert.h"
#include "core/meta/read.h"

#include <string.h>

/* A path on the wire. */
#define PATH_BYTES 3

struct verdict {
    bool lost;
    bool under;
    bool corrupt;
};

static struct verdict file_check(const struct dfs_meta *meta, const struct meta_file *file,
                                 struct dfs_m_fsck_page *page)
{
    const bool told = meta_nodes_have_told(meta);
    struct verdict verdict = {false, false, false};

    for (uint32_t i = 0; i < file->blocks_count; i++) {
        const uint32_t live = meta_block_live(meta, meta_file_at(file, i));
        const bool bad = meta_blockmap_block(&meta->map, meta_file_at(file, i))->copies_bad > 0;

        page->blocks++;
        page->corrupt += bad;
        page->whole += live >= file->copies_wanted;
        page->under += live < file->copies_wanted && live > 0;
        page->missing += live == 0;
        verdict.lost = verdict.lost || (live == 0 && told);
        verdict.under = verdict.under || live < file->copies_wanted;
        verdict.corrupt = verdict.corrupt || bad;
    }
    return verdict;
}

/* Whole files are counted, the others are named: DATA_LOST, BLOCK_CORRUPT, BLOCK_MISSING (copies are
 * missing). */
static void path_check(const struct dfs_meta *meta, const struct meta_path *path, struct dfs_m_fsck_page *page)
{
    const struct verdict verdict = file_check(meta, &meta_path_current(&meta->ns, path)->file, page);
    struct dfs_w_fsck_path *named;

    page->files++;
    if (!verdict.lost && !verdict.under && !verdict.corrupt)
        return;
    named = &page->paths[page->paths_count++];
    named->path = (struct dfs_text){.at = path->text, .count = path->text_bytes};
    named->status = verdict.lost ? DFS_DATA_LOST : verdict.corrupt ? DFS_BLOCK_CORRUPT : DFS_BLOCK_MISSING;
}

static bool begins_with(const struct meta_path *path, struct dfs_text prefix)
{
    return path->text_bytes >= prefix.count && (prefix.count == 0 || memcmp(path->text, prefix.at, prefix.count) == 0);
}

void meta_on_fsck(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_fsck *body)
{
    const struct dfs_text *from = body->after.count > 0 ? &body->after : &body->prefix;
    struct dfs_m_fsck_page page = {.more = 0};
    const struct meta_path *path;
    const struct meta_path *last = NULL;
    size_t bytes = 0;

    if (!meta_claims_allow(meta, peer, request, 'r', body->prefix.at, body->prefix.count))
        return;
    page.paths = dfs_arena_take(&meta->scratch, DFS_LIST_PAGE_MAX, sizeof *page.paths);
    DFS_ASSERT(page.paths != NULL);
    path = meta_namespace_seek(&meta->ns, from->at, from->count, body->after.count > 0);
    for (; path != NULL && begins_with(path, body->prefix); path = meta_namespace_next(&meta->ns, path)) {
        bytes += PATH_BYTES + path->text_bytes;
        if (page.files == DFS_LIST_PAGE_MAX - 1 || page.blocks >= meta->config.bounds.fsck_blocks ||
            bytes > META_PAGE_BYTES_MAX - DFS_PATH_BYTES_MAX) {
            page.more = 1;
            break;
        }
        path_check(meta, path, &page);
        last = path;
    }
    /* The next page begins after the last path looked at, so that one has to be named, whole or not. */
    if (page.more != 0 && last != NULL &&
        (page.paths_count == 0 || page.paths[page.paths_count - 1].path.at != last->text))
        page.paths[page.paths_count++] =
            (struct dfs_w_fsck_path){.path = {.at = last->text, .count = last->text_bytes}, .status = DFS_OK};
    meta_reply(meta, peer, request, DFS_MSG_FSCK_PAGE, &page);
}
