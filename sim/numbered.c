#include "sim/numbered.h"

#include "core/base/assert.h"
#include "core/base/mem.h"

void sim_numbered_close(struct sim_numbered *numbered)
{
    for (size_t i = 0; i < numbered->count; i++)
        dfs_free(numbered->pages[i]);
    dfs_free(numbered->pages);
    dfs_free(numbered->spare);
    *numbered = (struct sim_numbered){.count = 0};
}

static struct sim_numbered_page *page_of(struct sim_numbered *numbered, uint64_t page)
{
    if (page >= numbered->room) {
        numbered->room = page < 32 ? 64 : 2 * (size_t)page;
        numbered->pages = dfs_realloc_array(numbered->pages, numbered->room, sizeof(struct sim_numbered_page *));
    }
    while (numbered->count <= page)
        numbered->pages[numbered->count++] = NULL;
    if (numbered->pages[page] == NULL) {
        numbered->pages[page] = numbered->spare != NULL ? numbered->spare : dfs_alloc_zero(sizeof **numbered->pages);
        numbered->spare = NULL;
    }
    return numbered->pages[page];
}

void sim_numbered_put(struct sim_numbered *numbered, uint64_t number, void *pointer)
{
    struct sim_numbered_page *page = page_of(numbered, number / SIM_NUMBERED_PAGE);

    DFS_ASSERT(pointer != NULL && page->at[number % SIM_NUMBERED_PAGE] == NULL);
    page->at[number % SIM_NUMBERED_PAGE] = pointer;
    page->kept++;
}

void sim_numbered_drop(struct sim_numbered *numbered, uint64_t number)
{
    const uint64_t place = number / SIM_NUMBERED_PAGE;
    struct sim_numbered_page *page = numbered->pages[place];

    DFS_ASSERT(page->at[number % SIM_NUMBERED_PAGE] != NULL);
    page->at[number % SIM_NUMBERED_PAGE] = NULL;
    if (--page->kept > 0)
        return;
    numbered->pages[place] = NULL; /* all are NULL again, as in a new one */
    if (numbered->spare == NULL)
        numbered->spare = page;
    else
        dfs_free(page);
}
