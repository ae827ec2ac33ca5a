#include "core/base/slab.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

#include <string.h>

void dfs_slab_init(struct dfs_slab *slab, size_t bytes)
{
    DFS_ASSERT(bytes >= sizeof(void *) && bytes % sizeof(void *) == 0 && bytes <= DFS_SLAB_PAGE_BYTES / 4);
    *slab = (struct dfs_slab){.bytes = bytes};
}

void dfs_slab_close(struct dfs_slab *slab)
{
    while (slab->pages != NULL) {
        void *page = slab->pages;

        memcpy(&slab->pages, page, sizeof slab->pages);
        dfs_free(page);
    }
    *slab = (struct dfs_slab){.bytes = slab->bytes};
}

static void page_add(struct dfs_slab *slab)
{
    uint8_t *page = dfs_alloc_aligned(DFS_SLAB_LINE_BYTES, DFS_SLAB_PAGE_BYTES);

    memcpy(page, &slab->pages, sizeof slab->pages);
    slab->pages = page;
    slab->fresh = page + DFS_SLAB_LINE_BYTES;
    slab->fresh_bytes = DFS_SLAB_PAGE_BYTES - DFS_SLAB_LINE_BYTES;
}

void *dfs_slab_take(struct dfs_slab *slab)
{
    void *object = slab->given;

    if (object != NULL) {
        memcpy(&slab->given, object, sizeof slab->given);
        return object;
    }
    if (slab->fresh_bytes < slab->bytes)
        page_add(slab);
    object = slab->fresh;
    slab->fresh += slab->bytes;
    slab->fresh_bytes -= slab->bytes;
    return object;
}

void dfs_slab_give(struct dfs_slab *slab, void *object)
{
    memcpy(object, &slab->given, sizeof slab->given);
    slab->given = object;
}
