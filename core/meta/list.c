/*
 * LIST: paths by prefix in the order of their bytes, a page at a time; the whole tree below, or one component
 * deep.
 */
#include "core/base/assert.h"
#include "core/meta/read.h"

#include <string.h>

/* An entry on the wire without its path. */
#define ENTRY_BYTES 30

/* A place in the order of paths, to go on from. */
struct cursor {
    char key[DFS_PATH_BYTES_MAX + 1];
    size_t key_bytes;
    bool after; /* strictly behind it */
};

static bool begins_with(const char *text, size_t text_bytes, struct dfs_text prefix)
{
    return text_bytes >= prefix.count && (prefix.count == 0 || memcmp(text, prefix.at, prefix.count) == 0);
}

/* Behind "dir/": the first key that cannot begin so is "dir0", '0' being the byte after '/'. */
static void cursor_skip_folder(struct cursor *cursor, const char *text, size_t bytes)
{
    memcpy(cursor->key, text, bytes);
    cursor->key[bytes - 1] = '/' + 1;
    cursor->key_bytes = bytes;
    cursor->after = false;
}

static bool is_before(const char *key, size_t key_bytes, struct dfs_text prefix)
{
    const size_t common = key_bytes < prefix.count ? key_bytes : prefix.count;
    const int order = common == 0 ? 0 : memcmp(key, prefix.at, common);

    return order < 0 || (order == 0 && key_bytes < prefix.count);
}

static void cursor_init(struct cursor *cursor, const struct dfs_m_list *body)
{
    const struct dfs_text *after = &body->after;
    const bool is_folder = after->count > 0 && after->at[after->count - 1] == '/';

    *cursor = (struct cursor){.key_bytes = 0};
    if (after->count > 0 && is_folder && body->recursive == 0) {
        cursor_skip_folder(cursor, after->at, after->count);
    } else if (after->count > 0) {
        memcpy(cursor->key, after->at, after->count);
        cursor->key_bytes = after->count;
        cursor->after = true;
    }
    /* nothing in front of the prefix is of interest */
    if (is_before(cursor->key, cursor->key_bytes, body->prefix)) {
        memcpy(cursor->key, body->prefix.at, body->prefix.count);
        cursor->key_bytes = body->prefix.count;
        cursor->after = false;
    }
}

/* Bytes of the folder that this path lies in below the prefix, its '/' included; 0: the path itself is the
 * entry. */
static size_t folder_bytes(const struct meta_path *path, const struct dfs_m_list *body)
{
    const char *slash;

    if (body->recursive != 0 || path->text_bytes == body->prefix.count)
        return 0;
    slash = memchr(path->text + body->prefix.count, '/', path->text_bytes - body->prefix.count);
    return slash == NULL ? 0 : (size_t)(slash - path->text) + 1;
}

static void entry_fill(const struct dfs_meta *meta, const struct meta_path *path, size_t folder,
                       struct dfs_w_entry *ret_entry)
{
    const struct meta_version *current = meta_path_current(&meta->ns, path);

    if (folder > 0)
        *ret_entry = (struct dfs_w_entry){.path = {.at = path->text, .count = (uint32_t)folder}};
    else
        *ret_entry = (struct dfs_w_entry){.path = {.at = path->text, .count = path->text_bytes},
                                          .size_bytes = current->size_bytes,
                                          .version = current->version,
                                          .modified_ms = current->created_ms,
                                          .blocks = current->file.blocks_count};
}

static bool may_see(const struct meta_peer *peer, const struct dfs_w_entry *entry)
{
    const uint32_t count = entry->path.count;

    return dfs_scope_allows(peer->claims.scope, 'r', entry->path.at,
                            entry->path.at[count - 1] == '/' ? count - 1 : count);
}

/* false: too much that this token may not see lies between. */
static bool page_fill(const struct dfs_meta *meta, const struct meta_peer *peer, const struct dfs_m_list *body,
                      struct dfs_m_list_page *page)
{
    struct cursor cursor;
    size_t bytes = 0;

    cursor_init(&cursor, body);
    const struct meta_path *path = meta_namespace_seek(&meta->ns, cursor.key, cursor.key_bytes, cursor.after);

    for (uint32_t scanned = 0; path != NULL && begins_with(path->text, path->text_bytes, body->prefix); scanned++) {
        const size_t folder = folder_bytes(path, body);
        struct dfs_w_entry *entry = &page->entries[page->entries_count];

        if (scanned >= meta->config.bounds.list_looks || page->entries_count == body->limit) {
            page->more = 1;
            return page->entries_count > 0;
        }
        entry_fill(meta, path, folder, entry);
        if (may_see(peer, entry)) {
            bytes += ENTRY_BYTES + entry->path.count;
            if (bytes > META_PAGE_BYTES_MAX) {
                page->more = 1;
                return true;
            }
            page->entries_count++;
        }
        if (folder == 0) {
            path = meta_namespace_next(&meta->ns, path);
            continue;
        }
        cursor_skip_folder(&cursor, path->text, folder);
        path = meta_namespace_seek(&meta->ns, cursor.key, cursor.key_bytes, false);
    }
    return true;
}

/* A scope names paths, a prefix may end in '/'. */
static size_t scope_bytes(struct dfs_text prefix)
{
    return prefix.count > 0 && prefix.at[prefix.count - 1] == '/' ? prefix.count - 1 : prefix.count;
}

void meta_on_list(struct dfs_meta *meta, struct meta_peer *peer, uint32_t request, const struct dfs_m_list *body)
{
    struct dfs_m_list_page page = {.entries = NULL};

    if (!meta_claims_allow(meta, peer, request, 'r', body->prefix.at, scope_bytes(body->prefix)))
        return;
    page.entries = dfs_arena_take(&meta->scratch, (size_t)body->limit + 1, sizeof *page.entries);
    DFS_ASSERT(page.entries != NULL);
    if (page_fill(meta, peer, body, &page))
        meta_reply(meta, peer, request, DFS_MSG_LIST_PAGE, &page);
    else
        meta_reply_status(meta, peer, request, DFS_TOO_LARGE,
                          "too many paths of others begin so; end the prefix with '/'");
}
