/* Pages of grants, copied out of messages: one allocation a page, freed when every block of it was begun. */
#include "core/client/client_internal.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

static struct client_page *page_new(uint32_t first, uint32_t count, size_t replicas)
{
    const size_t plan_at = sizeof(struct client_page);
    const size_t replicas_at = plan_at + count * sizeof(struct dfs_w_plan_block);
    struct client_page *page = dfs_alloc_zero(replicas_at + replicas * sizeof(struct dfs_w_replica));

    _Static_assert(sizeof(struct client_page) % _Alignof(struct dfs_w_plan_block) == 0,
                   "the plan stands behind the page");
    _Static_assert(sizeof(struct dfs_w_plan_block) % _Alignof(struct dfs_w_replica) == 0,
                   "and the replicas behind the plan");
    dfs_list_init(&page->link);
    page->first = first;
    page->count = count;
    page->plan = (struct dfs_w_plan_block *)(void *)((char *)page + plan_at);
    return page;
}

/* Copies a grant whose replicas go to *at, which moves behind them. */
static void copy_grant(const struct dfs_w_grant *from, struct dfs_w_grant *ret_grant, struct dfs_w_replica **at)
{
    *ret_grant = *from;
    ret_grant->replicas = *at;
    for (uint32_t i = 0; i < from->replicas_count; i++)
        (*at)[i] = from->replicas[i];
    *at += from->replicas_count;
}

struct client_page *dfs_client_page_of_grants(uint32_t first, const struct dfs_w_grant *grants, uint32_t count)
{
    size_t replicas = 0;

    for (uint32_t i = 0; i < count; i++)
        replicas += grants[i].replicas_count;
    struct client_page *page = page_new(first, count, replicas);
    struct dfs_w_replica *at = (struct dfs_w_replica *)(void *)(page->plan + count);

    for (uint32_t i = 0; i < count; i++)
        copy_grant(&grants[i], &page->plan[i].grant, &at);
    return page;
}

struct client_page *dfs_client_page_of_plan(uint32_t first, const struct dfs_w_plan_block *plan, uint32_t count)
{
    size_t replicas = 0;

    for (uint32_t i = 0; i < count; i++)
        replicas += plan[i].grant.replicas_count;
    struct client_page *page = page_new(first, count, replicas);
    struct dfs_w_replica *at = (struct dfs_w_replica *)(void *)(page->plan + count);

    for (uint32_t i = 0; i < count; i++) {
        page->plan[i].length_bytes = plan[i].length_bytes;
        page->plan[i].crc32c = plan[i].crc32c;
        page->plan[i].lost = plan[i].lost;
        copy_grant(&plan[i].grant, &page->plan[i].grant, &at);
    }
    return page;
}

const struct dfs_w_plan_block *dfs_client_page_find(struct dfs_list *pages, uint32_t index,
                                                    struct client_page **ret_page)
{
    dfs_list_each(at, pages)
    {
        struct client_page *page = dfs_container_of(at, struct client_page, link);

        if (index >= page->first && index - page->first < page->count) {
            if (ret_page != NULL)
                *ret_page = page;
            return &page->plan[index - page->first];
        }
    }
    return NULL;
}

void dfs_client_pages_free(struct dfs_list *pages)
{
    struct dfs_list *at;

    while ((at = dfs_list_pop(pages)) != NULL)
        dfs_free(dfs_container_of(at, struct client_page, link));
}

void dfs_client_grant_copy(const struct dfs_w_grant *from, struct client_grant *ret_grant)
{
    struct dfs_w_replica *at = ret_grant->replicas;

    DFS_ASSERT(from->replicas_count <= DFS_REPLICAS_MAX);
    copy_grant(from, &ret_grant->grant, &at);
}
